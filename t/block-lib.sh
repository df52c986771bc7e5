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

# kill_points OUT CALLS CMD...: where CMD can be killed: a line `syscall N' for the Nth call of each kind.
kill_points()
{
	local out=$1 calls=$2

	shift 2
	traced -qq -o "$TRASH/.calls" -e "trace=$calls" -e signal=none "$@" || return 1
	sed -n 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' "$TRASH/.calls" | awk '{ print $1, ++n[$1] }' >"$out"
}

# some_points PARTS [FROM]: of the points on standard input each exchange and sync, and one of PARTS of the others, which
# ones by FROM, so that several loops have them all; every one with ECL_TEST_LONG=1.
some_points()
{
	awk -v parts="$1" -v from="${2:-1}" -v all="$ECL_TEST_LONG" \
		'all != "" || /^renameat2|^syncfs/ || ++n % parts == from % parts'
}

# fault_at SYSCALL N FAULT CMD...: run CMD with a fault, signal=KILL or error=EIO, when it enters its Nth such call.
# Sets fault_exit.  A run may do with fewer calls than the one before: then it gets through.
fault_at()
{
	local call=$1 n=$2 fault=$3

	shift 3
	fault_exit=0
	traced -qq -o /dev/null -e "trace=$call" -e signal=none -e "inject=$call:$fault:when=$n" "$@" >fault.out 2>fault.err ||
		fault_exit=$?
	case $fault:$fault_exit in
	signal=KILL:137 | error=*:[0-9] | error=*:75 | *:0) ;;
	*)
		echo "exit $fault_exit of $fault at $call $n"
		cat fault.err
		return 1
		;;
	esac
}

if strace -o /dev/null true 2>/dev/null; then
	test_set_prereq STRACE
fi
