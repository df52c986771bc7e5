# What the tests of blocks and rollbacks share.  Sourced behind test-lib.sh.
# shellcheck shell=bash

# fill DIR [TEXT]: files of all types and attributes that one may have.
fill()
{
	local text=${2-first}

	(
		cd "$1" &&
		mkdir -p a/b 'sp ace' a.d a-x sub/.ecl gone.d &&
		echo "$text" >a/f && echo y >a.d/y && echo z >a-x/z && echo inner >sub/.ecl/kept &&
		head -c 300000 /dev/zero | tr '\0' "${text:0:1}" >big && : >empty &&
		truncate -s 1M holes && echo mid | dd of=holes bs=1 seek=500000 conv=notrunc status=none &&
		ln -sfn "to $text" link && ln -sfn "$(printf 'l%.0s' {1..300})" long &&
		{ test -p pipe || mkfifo pipe; } &&
		echo latin >$'n\xff\nx' &&
		chmod 4755 a/f && chmod 1777 'sp ace' && chmod 640 big && chmod 2750 a.d &&
		{ test "$text" != first || { echo old >gone && echo old >gone.d/f; }; } || exit
		python3 - "$text" <<-\PY
			import os, socket, sys
			if not os.path.exists("sock"):
			    socket.socket(socket.AF_UNIX).bind("sock")
			text = sys.argv[1].encode()
			for path, name, value in (("a/f", "user.b", text), ("a/f", "user.a", b""), ("a", "user.d", b"\0\xff")):
			    try:
			        os.setxattr(path, name, value)
			    except OSError:
			        pass
		PY
		test_have_prereq ROOT || exit 0
		test -e dev || mknod dev c 1 3 || exit
		test -e blk || mknod blk b 7 200 || exit
		chown 1000:1001 big && chown -h 5:6 link || exit
		! command -v setfacl >/dev/null || { setfacl -m u:1234:rw a/b && setfacl -d -m u:99:r a/b; } 2>/dev/null
		! command -v setcap >/dev/null || setcap cap_net_raw+ep a-x/z 2>/dev/null
		true
	)
}

# files_of DIR: number and root of the files below, by other means.
files_of()
{
	python3 "$top_srcdir/t/check-block.py" --files "$1"
}

# check_blocks ROOT: every block is what its header says, the log records each once and in order, none was pruned that it does not record, nothing is left over.
check_blocks()
{
	local left

	test -z "$(ls "$1/.snapshots")" || python3 "$top_srcdir/t/check-block.py" "$1"/.snapshots/block-* || return 1
	left=$(find "$1" "$1/.snapshots" -maxdepth 1 \( -name '.tmp-*' -o -name '.old-*' \))
	test -z "$left" || {
		echo "left over: $left"
		return 1
	}
	python3 - "$1" <<-\PY
		import hashlib, json, os, sys
		root = sys.argv[1]
		log = root + "/live/.ecl/log/"
		heads, prev, height, size = {}, "0" * 64, 0, 0
		chain = "0" * 64
		for name in sorted(os.listdir(log)):
		    if not name.endswith(".ndjson"):
		        continue
		    for line in open(log + name, "rb"):
		        assert line.endswith(b"\n"), "torn"
		        line = line[:-1]
		        ev = json.loads(line)
		        assert ev["prev"] == chain, "chain at %d" % ev["seq"]
		        chain = ev["hash"]
		        assert hashlib.sha256(line[:line.rindex(b',"hash":"')]).hexdigest() == chain
		        if ev["element"] != "ecl:block":
		            continue
		        h = ev["state"]
		        if ev["action"] == "prune":
		            assert heads["block-%06d-%s" % (h["height"], h["hash"][:8])] == h, "pruned at event %d" % ev["seq"]
		            assert h["height"] < height - 1, "the newest was pruned at event %d" % ev["seq"]
		            continue
		        assert ev["action"] == "snap"
		        text = json.dumps(h, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
		        assert b',"state":' + text + b',"uid"' in line, "the state of %d is not canonical" % ev["seq"]
		        assert h["height"] == height and h["prev"] == prev, "block %d at event %d" % (h["height"], ev["seq"])
		        assert size < h["size"] <= ev["seq"] and h["time"] <= ev["time"], "block %d: size or time" % height
		        heads["block-%06d-%s" % (height, h["hash"][:8])] = h
		        height, prev, size = height + 1, h["hash"], h["size"]
		for name in os.listdir(root + "/.snapshots"):
		    header = json.load(open(root + "/.snapshots/" + name + "/.ecl/block"))
		    assert heads.get(name) == header, "%s is not recorded" % name
	PY
}

# delete_tree DIR: a subvolume or a directory.
delete_tree()
{
	if test "$(stat -f -c %T "$1")" = btrfs && test "$(stat -c %i "$1")" = 256; then
		btrfs subvolume delete "$1" >/dev/null
	else
		rm -rf "$1"
	fi
}

# calls_and_places: of what `strace -f -y' wrote, on standard input: a line `PID CALL PLACE' for each call.  The place is what the call is on, as of the
# root and with an N for each number, and for some what it does with it: `fdatasync .snapshots/.tmp-N-block/.ecl/block', `flock lock LOCK_UN'.
calls_and_places()
{
	awk -v trash="$TRASH/" '
		match($0, /^[0-9]+ +[a-z][a-z0-9_]*\(/) {
			split(substr($0, 1, RLENGTH - 1), head, / +/)
			call = head[2]
			rest = substr($0, RLENGTH + 1)
			split(rest, quoted, "\"")
			name = how = ""
			if (call ~ /^renameat/) {
				name = quoted[4]
				sub(/^[^"]*"[^"]*", /, "", rest)
			} else if (call ~ /at2?$/ && rest ~ /^[^,]*, "/)
				name = quoted[2]
			else if (call == "flock" || call == "ioctl") {
				how = rest
				sub(/^[^,]*, /, "", how)
				sub(/ <unfinished.*|[,)].*/, "", how)
			}
			path = rest
			if (!sub(/^[A-Z0-9_]*</, "", path) || !sub(/>.*/, "", path))
				path = "-"
			if (rest ~ /^[12]</)
				path = rest ~ /^1/ ? "stdout" : "stderr"
			else if (index(path, trash) == 1) {
				path = substr(path, length(trash) + 1) "/"
				sub(/^(btrfs|other)\//, "", path)
				sub(/^[^\/]*\//, "", path)
				sub(/\/$/, "", path)
			}
			if (path == "durable")
				how = quoted[2] ~ /^ecl-durable [0-9]+ dirty/ ? "dirty" : quoted[2] ~ /^ecl-durable [0-9]+ clean/ ? "clean" : ""
			place = path (path != "" && name != "" ? "/" : "") name (how != "" ? " " how : "")
			gsub(/[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]+/, "N", place)
			gsub(/[0-9]+/, "N", place)
			# These are copied, and deleted, in any order.
			sub(/^\.snapshots\/\.tmp-N\/\.ecl\/index\/.*/, ".snapshots/.tmp-N/.ecl/index/*", place)
			sub(/^\.snapshots\/\.tmp-block-N-N\/.*/, ".snapshots/.tmp-block-N-N/*", place)
			print head[1], call, place == "" ? "." : place
		}'
}

# kill_points OUT CALLS CMD...: where CMD can be killed, or fail: a line `CALL N PLACE' for the Nth call of each kind.
kill_points()
{
	local out=$1 calls=$2

	shift 2
	traced -qq -y -o "$TRASH/.calls" -e "trace=$calls" -e signal=none "$@" || return 1
	# A process and a thread count for themselves, as they do where strace injects faults.  A warning is not there in every run.
	calls_and_places <"$TRASH/.calls" | awk '{ pid = $1; sub(/^[0-9]+ /, ""); call = $1; sub(/^[^ ]+ /, ""); ++n[pid, call]; if (call " " $0 != "write stderr") print call, n[pid, call], $0 }' >"$out"
}

# some_points PARTS [FROM]: of the points on standard input each rename and sync of all, and one of PARTS of the others, which
# ones by the seed and FROM: with PARTS seeds in a row all of them.  Every one with ECL_TEST_LONG=1.
some_points()
{
	test_seeded
	awk -v parts="$1" -v from="$((test_seed + ${2:-0}))" -v all="$ECL_TEST_LONG" \
		'all != "" || /^renameat|^syncfs/ || ++n % parts == from % parts'
}

# fault_at SYSCALL N FAULT CMD...: run CMD with a fault, signal=KILL or error=EIO, when it enters its Nth such call.
# Sets fault_exit, and fault_on to what it struck: the call and its place; to nothing where the run did with fewer calls.
fault_at()
{
	local call=$1 n=$2 fault=$3

	shift 3
	fault_exit=0
	traced -qq -y -o "$TRASH/.fault" -e "trace=$call" -e signal=none -e "inject=$call:$fault:when=$n" "$@" >fault.out 2>fault.err ||
		fault_exit=$?
	fault_on=$(grep '= ?$\|(INJECTED)' "$TRASH/.fault" | calls_and_places | sed 's/^[0-9]* //; q')
	case $fault:$fault_exit:$fault_on in
	signal=KILL:137:?* | error=*:[02]:?* | error=*:75:?* | *:0:) ;;
	*)
		echo "exit $fault_exit of $fault at $call $n: $fault_on"
		cat fault.err
		return 1
		;;
	esac
}

# faults PARTS CALLS "FAULT..." CMD...: run CMD with a fault, one of signal=KILL error=EIO error=..., at the places where it makes one of CALLS, with the
# functions `before' ahead of each run and `after' behind it, which has fault, fault_exit and fault_on to look at.  At some_points, each of which
# must strike.  Where a run did something else in its Nth call than the one before, the place is looked for anew, up to twice.
faults()
{
	local parts=$1 calls=$2 all call n place try at struck i
	local -A moved=()

	test_seeded
	i=$test_seed
	read -r -a all <<<"$3"
	shift 3
	before && kill_points points "$calls" "$@" || return 1
	fault= fault_exit=0 fault_on=
	: >fault.err
	after || { echo "without a fault"; return 1; }
	some_points "$parts" <points >chosen
	while read -r call n place <&7; do
		i=$((i + 1)) at=$((n + ${moved[$call]:-0})) struck=
		for try in 1 2 3; do
			fault=${all[i % ${#all[@]}]}
			before && fault_at "$call" $at "$fault" "$@" || return 1
			after || { echo "$fault at $call $at: $fault_on, exit $fault_exit"; cat fault.err; return 1; }
			struck=$struck$fault_on
			test "$fault_on" != "$call $place" || break
			echo "$call $at is not $place, but $fault_on"
			test $try != 3 || break
			before && kill_points points "$calls" "$@" || return 1
			fault= fault_exit=0 fault_on=
			: >fault.err
			after || { echo "without a fault, behind one at $call $at"; return 1; }
			at=$(sed -n "s/^$call \([0-9]*\) /\1 /p" points | awk -v n=$n -v place="$place" '
				{ i = $1; sub(/^[0-9]+ /, "") }
				$0 == place && (best == "" || (i - n) ^ 2 < (best - n) ^ 2) { best = i }
				END { print best }')
			test -n "$at" || break
			moved[$call]=$((at - n))
		done
		test -n "$struck" || { echo "$fault struck nothing as $call of $place"; return 1; }
	done 7<chosen
	echo "# $(wc -l <chosen) of $(wc -l <points) calls" >&5
	test -s chosen
}

# in_order CALLS STEP... -- CMD...: CMD makes calls, as `CALL PLACE', in this order; others may stand between them.  What no crash of the machine shows in
# every run, because the file system may have done more than it was asked for, shows here.
in_order()
{
	local calls=$1

	shift
	: >steps
	while test "$1" != --; do
		echo "$1" >>steps
		shift
	done
	shift
	traced -qq -y -o "$TRASH/.calls" -e "trace=$calls" -e signal=none "$@" || return 1
	calls_and_places <"$TRASH/.calls" | sed 's/^[0-9]* //' >made
	awk 'NR == FNR { want[++n] = $0; next } $0 == want[i + 1] { i++ } END { if (i < n) print "not in its place: " want[i + 1]; exit i < n }' steps made ||
		{ cat made; return 1; }
}

# only_saves_time CALL PLACE: without it there is the same, later or slower, so that nobody need be told: all that belongs to the index; a lock that is
# let go, which closing it does too; where a warning goes; a sync that is tried once more; the mark that spares the next writer to look twice.
only_saves_time()
{
	case $* in
	"flock "*" LOCK_UN" | "write stderr" | "ioctl stdout "* | "ioctl "*" FS_IOC_FIEMAP" | "ioctl "*" BTRFS_IOC_DEFRAG"*) ;;
	# Whose table of files it is: else all files are read.  FICLONE and copy_file_range: else the bytes are read and written, which fails if it must.
	"ioctl "*" BTRFS_IOC_GET_SUBVOL_INFO" | "ioctl "*" BTRFS_IOC_CLONE or FICLONE"* | "copy_file_range "*) ;;
	"flock index.lock "* | *" live/.ecl/index" | *" live/.ecl/index/"* | *" .snapshots/.tmp-N-block/.ecl/index" | *" .snapshots/.tmp-N-block/.ecl/index/"*) ;;
	"fdatasync live/.ecl/log/"* | "pwrite64 durable clean") ;;
	# The table of files in a snapshot; in a copy, that is the copying.
	"write .snapshots/.tmp-N/.ecl/index/"* | "unlinkat .snapshots/.tmp-N/.ecl/index/"* | "mkdirat .snapshots/.tmp-N/.ecl/index" | "ioctl .snapshots/.tmp-N/.ecl/index/"*) test "$backend" = btrfs ;;
	*) return 1 ;;
	esac
}

# told PROGRAM [SILENT...]: a call that failed made it exit 2 and say why; one that only saves time, or is among SILENT, neither, but for a warning that
# the vectors lag.  EINTR is no error.
told()
{
	local why program=$1

	shift

	case $fault in
	*=EIO) why='Input/output error' ;;
	*=ENOSPC) why='No space left on device' ;;
	*=EDQUOT) why='Disk quota exceeded' ;;
	*=EROFS) why='Read-only file system' ;;
	*=EINTR | '') why= ;;
	*) echo "told: $fault?"; return 1 ;;
	esac
	# A busy machine, which is no fault.
	sed -i '/^ecl-rollback: warning: not all processes could be looked at in time: /d' fault.err
	if test -z "$fault_on" || test -z "$why"; then
		test $fault_exit = 0 && test ! -s fault.err
	elif only_saves_time $fault_on || printf '%s\n' "$@" | grep -qxF "$fault_on"; then
		test $fault_exit = 0 && ! grep -v "^$program: warning: the vectors are not up to date: " fault.err
	else
		test $fault_exit = 2 && test_grep "^$program: .*$why" fault.err
	fi
}

if strace -o /dev/null true 2>/dev/null; then
	test_set_prereq STRACE
fi
