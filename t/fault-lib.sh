# Disks that fail, for the tests of the write path: a btrfs on a loop device on t/fault-disk.py, and others.  Read after test-lib.sh.
# shellcheck shell=bash disable=SC2154

# The interpreter itself: python3 in PATH may be a script that looks for it, each time.
fault_python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null)
fault_disk() { "$fault_python" "$top_srcdir/t/fault-disk.py" "$@"; }
check_crash() { "$fault_python" "$top_srcdir/t/check-crash.py" "$@"; }

# fault_need: what these tests cannot do without, or all are skipped.
fault_need()
{
	test_btrfs 1G
	if ! test_have_prereq BTRFS; then
		skip_all='a btrfs of our own cannot be had'
	elif ! test -c /dev/fuse || ! test -w /dev/fuse || ! { : <>/dev/fuse; } 2>/dev/null; then
		skip_all='no /dev/fuse'
	elif ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
		skip_all='python3 and jq are needed'
	elif ! mkdir "$TRASH/ram" || ! mount -t tmpfs -o size=1g tmpfs "$TRASH/ram"; then
		skip_all='cannot mount a tmpfs'
	else
		chmod 755 "$TRASH/ram"
		return 0
	fi
	test_done
}

# fault_mkfs FILE: without its notes on what has changed since version 5.15.
fault_mkfs() { mkfs.btrfs -q "$1" >"$TRASH/mkfs" 2>&1 || { cat "$TRASH/mkfs"; return 1; }; }

# fault_small DIR SIZE: a file system of its own, mounted on DIR/fs, whose disk DIR/img does not fail.
fault_small()
{
	mkdir -p "$1/fs"
	truncate -s "$2" "$1/img"
	fault_mkfs "$1/img"
	mount -o loop,noatime,nodiscard "$1/img" "$1/fs"
}

# fault_start DIR SIZE [journal]: a btrfs on a disk of its own, mounted on DIR/fs; its server is $fault_pid.
fault_start()
{
	local dir=$1 ready

	mkdir -p "$dir/dev" "$dir/fs"
	truncate -s "$2" "$dir/disk"
	fault_mkfs "$dir/disk"
	test "$3" != journal || cp --sparse=always "$dir/disk" "$dir/base"
	mkfifo "$dir/ready"
	"$fault_python" "$top_srcdir/t/fault-disk.py" serve "$dir" "$dir/ready" $3 5>&- &
	fault_pid=$!
	read -r -t 20 ready <>"$dir/ready"
	test "$ready" = ready
	fault_mount "$dir"
}

# No commit but ours within the minutes a test takes: which write fails is for the test to say.
fault_mount() { mount -o loop,noatime,nodiscard,commit=300 "$1/dev/disk" "$1/fs"; }

# fault_again DIR: as after the administrator has seen to the disk: unmounted, and mounted again.
fault_again()
{
	fault_disk eio "$1" off
	umount "$1/fs"
	fault_mount "$1"
}

# fault_stop DIR [keep]: for test_when_finished: whatever state it is in; what was recorded is kept.
fault_stop()
{
	local _

	fault_disk eio "$1" off 2>/dev/null || :
	umount "$1/fs" 2>/dev/null || umount -l "$1/fs" 2>/dev/null || :
	# The loop device lets go of the file a moment after the unmount; the server ends with its own.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		! mountpoint -q "$1/dev" || umount "$1/dev" 2>/dev/null || sleep 0.1
	done
	if mountpoint -q "$1/dev"; then
		umount -l "$1/dev"
		kill -9 "$fault_pid" 2>/dev/null
	fi
	wait "$fault_pid" 2>/dev/null
	rm -f "$1/disk"
	test -n "$2" || rm -rf "$1"
}
