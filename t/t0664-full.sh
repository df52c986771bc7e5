test_description='a disk that is full to the last byte: what the programs say, and that old blocks can go'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

test_btrfs

# disk SIZE MKFS...: a file system of its own on mnt, and a ledger in R with six blocks of a file of 700,000 bytes each.
disk()
{
	local size=$1 i

	shift
	! mountpoint -q mnt || umount mnt
	mkdir -p mnt
	rm -f disk.img
	truncate -s "$size" disk.img
	"$@" disk.img >/dev/null 2>&1
	mount -o loop,noatime disk.img mnt
	R=$TRASH/mnt/R
	export ECL_ROOT=$R
	ecl-init -q --embedder none "$R"
	for i in 1 2 3 4 5 6; do
		head -c 700000 /dev/urandom >"$R/live/f"
		ecl-append -q -e a:$i -s $i
		ecl-snap -q
	done
	test -f "$R/reserve"
}

# fill data|names: until nothing more goes in: the bytes of files, or their names, for which btrfs keeps metadata.
fill()
{
	python3 - "$1" <<-\PY
		import itertools, os, subprocess, sys
		# Of this file system: the others of the machine have work of their own.
		def sync():
		    subprocess.run(["sync", "-f", "mnt"])
		# reserve FD LEAST: all that no file has yet, in pieces of LEAST bytes and more; how much that was.
		def reserve(fd, least):
		    size, at = 1 << 24, 0
		    while size >= least:
		        try:
		            os.posix_fallocate(fd, at, size)
		            at += size
		        except OSError:
		            size //= 2
		    return at
		def names(what):
		    for n in itertools.count():
		        try:
		            what("mnt/junk/%d-%d" % (os.getpid(), n) + "x" * 200)
		        except OSError:
		            return n
		if sys.argv[1] == "names":
		    # None of it can become metadata then.
		    fd = os.open("mnt/bulk", os.O_WRONLY | os.O_CREAT)
		    os.ftruncate(fd, reserve(fd, 1 << 20) // 2)
		    os.mkdir("mnt/junk")
		    sync()
		    for _ in range(3):
		        names(lambda name: os.symlink("z" * 3000, name))
		        sync()
		    names(lambda name: os.close(os.open(name, os.O_CREAT | os.O_EXCL)))
		    sys.exit()
		for i in range(3):
		    try:
		        fd = os.open("mnt/bulk%d" % i, os.O_WRONLY | os.O_CREAT)
		    except OSError:
		        break
		    os.lseek(fd, reserve(fd, 4096), os.SEEK_SET)
		    piece = os.urandom(1 << 16)
		    while piece:
		        try:
		            n = os.write(fd, piece)
		        except OSError:
		            n = 0
		        if n < len(piece):
		            piece = piece[:len(piece) // 2]
		    try:
		        os.fsync(fd)
		    except OSError:
		        pass
		    sync()
	PY
}

heights() { ls "$R/.snapshots" | sed 's/^block-0*\([0-9]\{1,\}\)-.*/\1/' | xargs; }
free_bytes() { sync -f mnt && echo $(($(stat -f -c '%a * %S' mnt))); }
# Deleted subvolumes give their room back a while later.
more_than() { for _ in $(seq 1200); do test "$(free_bytes)" -le "$1" || return 0; sleep 0.1; done; return 1; }

# With ROOT, as loop devices are its own.
while IFS=: read -r kind what size mkfs; do
	test_expect_success BTRFS,ROOT "$kind: whoever writes says what makes room, and leaves nothing" '
		disk '"$size $mkfs"'
		fill '$what'
		if test '$what' = data; then
			long=$(head -c 9000 /dev/zero | tr "\\0" 1)
			test_expect_code 2 ecl-append -e b -s $long >out 2>err
			test_line_count = 0 out
			test_grep "No space left on device; event 13 is not recorded.*; .ecl-snap --prune --keep RULES. makes room" err
			# It looks for another disk.
			test_expect_code 2 ecl-append -d "$R" -e b -s $long 2>err
			test_grep "; .ecl-snap -d $R --prune --keep" err
			test_expect_code 2 ecl-index --rebuild 2>err
			test_grep "No space left.*ecl-snap --prune" err
			test_expect_code 2 ecl-rollback --yes block-2 2>err
			test_grep "No space left.*ecl-snap --prune" err
			test_expect_code 2 ecl-snap 2>err
			test_grep "No space left.*ecl-snap --prune" err
		fi
		ecl-query >out
		test_line_count = 6 out
		ecl-verify -q
		check_blocks "$R"
	'

	test_expect_success BTRFS,ROOT "$kind: blocks are pruned, each with its event before, and the room comes back" '
		ecl-append -n -e b -s 1 >out
		ecl-snap --prune --keep last=2 --dry-run >plan
		before=$(free_bytes)
		ecl-snap --prune --keep last=2 >out 2>err
		test_line_count = 0 err
		test "$(jq -c .height out | xargs)" = "0 1 2 3"
		test "$(heights)" = "4 5"
		ecl-replay --action prune | jq -c .state.height | xargs >have
		echo "0 1 2 3" >want
		test_cmp want have
		ecl-verify -q
		check_blocks "$R"
		test '$what' != data || more_than $((before + 300000))
		test -f "$R/reserve"
	'

	test_expect_success BTRFS,ROOT "$kind: what could not be written can be now" '
		ecl-append -q -e b -s 1
		test '$what' != data || ecl-snap -q
		ecl-verify -q
		check_blocks "$R"
	'
done <<-EOF
	data full:data:114294784:mkfs.btrfs
	data and metadata together, full:data:150M:mkfs.btrfs -M
	metadata full:names:256M:mkfs.btrfs
	a copy on ext4, full:data:40M:mkfs.ext4
EOF

test_expect_success BTRFS,ROOT 'again and again, until one block is left; the reserve is there each time' '
	disk 114294784 mkfs.btrfs
	for n in 5 2 1; do
		rm -f mnt/bulk*
		sync -f mnt
		fill data
		test_expect_code 2 ecl-append -q -e c -s $n 2>err
		ecl-snap --prune --keep last=$n -q
		test "$(heights)" = "$(seq $((6 - n)) 5 | xargs)"
		test "$(stat -c %s "$R/reserve")" -ge 65536
	done
	ecl-verify -q
	check_blocks "$R"
'

test_expect_success BTRFS,ROOT,STRACE 'killed anywhere in it: no block is gone without an event, and the next run goes on' '
	disk 114294784 mkfs.btrfs
	for point in syncfs:1 fdatasync:1 renameat:1 fallocate:1; do
		rm -f mnt/bulk*
		sync -f mnt
		n=$(ls "$R/.snapshots" | wc -l)
		for i in $(seq $n 5); do ecl-append -q -e d -s "\"$point $i\"" && ecl-snap -q; done
		fill data
		fault_at ${point%:*} ${point#*:} signal=KILL ecl-snap --prune --keep last=1 -q
		ecl-verify -q
		test $fault_exit = 137 || { echo "$point was never reached"; return 1; }
		# It was made to be used once: with it gone, a little must be made by hand.
		test -e "$R/reserve" || rm -f mnt/bulk*
		ecl-snap --prune --keep last=1 -q
		ecl-verify -q
		check_blocks "$R"
		ls "$R/.snapshots" | test_line_count = 1 /dev/stdin
	done
'

test_expect_success BTRFS,ROOT 'without a reserve it says so, and goes with a little room' '
	disk 114294784 mkfs.btrfs
	rm "$R/reserve"
	head -c 200000 /dev/urandom >mnt/little
	sync -f mnt
	fill data
	test_expect_code 2 ecl-snap --prune --keep last=1 >out 2>err
	test_line_count = 0 out
	test_grep "no room to record what would be pruned, and no reserve is left: make some by hand" err
	test "$(heights)" = "0 1 2 3 4 5"
	rm mnt/little
	sync -f mnt
	ecl-snap --prune --keep last=1 -q
	test "$(heights)" = 5
	ecl-verify -q
	check_blocks "$R"
'

test_done
