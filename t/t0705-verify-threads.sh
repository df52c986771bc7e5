#!/bin/bash
test_description='ecl-verify says the same however many processors it has, and reads the disk where it is told to'
. "${0%/*}/test-lib.sh"

forge()
{
	python3 "$top_srcdir/t/forge.py" "$@"
}

test_expect_success 'setup' '
	ecl-init -q --backend copy base &&
	mkdir base/live/etc && seq 1 20000 >base/live/etc/numbers &&
	python3 "$top_srcdir/t/perf/make-events.py" 9000 500 >events &&
	head -n 4000 events | ecl-append -q -d base && ecl-snap -q -d base &&
	sed -n 4001,4010p events | ecl-append -q -d base && ecl-snap -q -d base &&
	tail -n +4011 events | ecl-append -q -d base &&
	all_cpus=$(sed -n "s/^Cpus_allowed_list:\t*//p" /proc/self/status) && one_cpu=${all_cpus%%[-,]*} &&
	test "$(wc -c <base/live/.ecl/log/00000000000000000000.ndjson)" -gt 3000000 &&
	ecl-verify -q -d base
'

# say CPUS: what is said with these, of a log and of a stream.
say()
{
	local how rc

	for how in "-d root" "-d root --quick" "-d root --quick --from-disk" "-"; do
		rc=0
		cat root/live/.ecl/log/* | taskset -c "$1" ecl-verify $how >now 2>&1 || rc=$?
		echo "ecl-verify $how: $rc"
		sed 's/"seconds":[0-9.]*,//' now
	done
}

test_expect_success 'damage at random places: the same findings in the same order' '
	RANDOM=1 differ=0 wrong=0
	for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
		rm -rf root
		cp -a base root
		chmod -R u+w root
		log=root/live/.ecl/log/00000000000000000000.ndjson
		copy=$(echo root/.snapshots/block-000000-*/.ecl/log/00000000000000000000.ndjson)
		size=$(wc -c <$log)
		for i in $(seq 1 $((n % 4 + 1))); do
			at=$(((RANDOM * 32768 + RANDOM) % size)) line=$((RANDOM % 9000 + 1))
			case $((RANDOM % 6)) in
			0 | 1) forge flip $log $at ;;
			2) sed -i "${line}d" $log ;;
			3) sed -i "${line}p" $log ;;
			4) sed -i "${line}s/mtu/mtv/" $log ;;
			5) forge flip $copy $((at % $(wc -c <$copy))) ;;
			esac
		done
		say "$one_cpu" >one
		say "$all_cpus" >all
		test_cmp one all || differ=$((differ + 1))
		! grep -q "^ecl-verify -d root: 1" one || wrong=$((wrong + 1))
		sed -n "/ --quick:/,/ --from-disk:/{/^ecl-verify/!p}" all >cached
		sed -n "/ --from-disk:/,/ -:/{/^ecl-verify/!p}" all >disk
		test -s disk && test_cmp cached disk || differ=$((differ + 1))
	done
	test $differ = 0
	test $wrong = 12
'

test_expect_success 'hashes and parents that are right by themselves, in the middle of many' '
	rm -rf root
	cp -a base root
	rm -rf root/durable root/.snapshots/*
	log=root/live/.ecl/log/00000000000000000000.ndjson
	sed -i "/ecl:block/,\$d" $log
	n=$(grep -n "\"parent\":1[0-9][0-9]," $log | sed -n "5{s/:.*//;p}")
	at=$(forge offset $log $((n - 1)))
	forge chain $log $((n - 1)) "\"parent\":1" "\"parent\":2"
	test_expect_code 1 ecl-verify -d root >out
	test_line_count = 2 out
	test_grep "^{\"class\":\"rewritten\",\"seq\":$((n - 1)),\"segment\":\"00000000000000000000.ndjson\",\"offset\":$at,.*has the parent 2" out
	ecl-verify --quick -d root
'

test_expect_success NONROOT,ROOT 'where no thread can be had, one does everything' '
	as_nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
	chmod -R go+rX base
	chmod 600 base/lock base/durable
	cp "$top_builddir/cmd/ecl-verify" verifier
	# The leak sanitizer wants a thread of its own.
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 $as_nobody prlimit --nproc=1 ./verifier -d base >out
	test_grep "^{\"verdict\":\"ok\",\"events\":9003,\"blocks\":2," out
'

# The page cache against the disk.

test_expect_success 'from the disk, of a ledger only' '
	ecl-verify --from-disk -d base >out
	test_grep "^{\"verdict\":\"ok\",\"events\":9003,\"blocks\":2," out
	test_expect_code 2 ecl-verify --from-disk - </dev/null
'

# A file system of our own, whose bytes can be changed from below; with nodatasum it does not notice.
if test_have_prereq ROOT && command -v mkfs.btrfs >/dev/null && truncate -s 256M "$TRASH/disk" &&
	mkfs.btrfs -q "$TRASH/disk" >/dev/null 2>&1 && mkdir "$TRASH/fs" && mount -o loop,noatime,nodatasum "$TRASH/disk" "$TRASH/fs"; then
	test_set_prereq DISK
elif test "$ECL_TEST_BTRFS" = 1; then
	test_bail 'ECL_TEST_BTRFS=1, but no btrfs on a loop device can be had'
fi

# below TEXT OTHER: change all that is TEXT on the disk; they are of one length.
below()
{
	python3 - "$TRASH/disk" "$1" "$2" <<-'EOF'
		import sys
		path, old, new = sys.argv[1], sys.argv[2].encode(), sys.argv[3].encode()
		found = 0
		with open(path, 'r+b') as f:
		    data = f.read()
		    at = data.find(old)
		    while at != -1:
		        f.seek(at)
		        f.write(new)
		        found += 1
		        at = data.find(old, at + 1)
		sys.exit(found == 0)
	EOF
}

test_expect_success DISK 'a disk that was changed from below, while the page cache is as it was' '
	root=$TRASH/fs/root
	ecl-init -q --backend btrfs "$root"
	for i in 1 2 3 4 5 6 7 8 9; do
		echo "{\"element\":\"service:s$i\",\"state\":\"the state with the number $i\"}"
	done | ecl-append -q -d "$root"
	for i in $(seq 1 500); do echo "line $i of what is managed"; done >"$root/live/file"
	ecl-snap -q -d "$root"
	sync -f "$root"
	ecl-verify -q -d "$root"
	below "the state with the number 5" "the state with the number 6"
	ecl-verify -q -d "$root"
	test_expect_code 1 ecl-verify --from-disk -d "$root" >out
	test_grep "^{\"class\":\"corrupt\",\"seq\":5,.*does not have the hash" out
	below "the state with the number 6" "the state with the number 5" || :
'

test_expect_success DISK 'and so for the files of a block' '
	root=$TRASH/fs/two
	ecl-init -q --backend btrfs "$root"
	echo "{\"element\":\"a\",\"state\":1}" | ecl-append -q -d "$root"
	for i in $(seq 1 5000); do echo "row $i of what is managed"; done >"$root/live/file"
	ecl-snap -q -d "$root"
	sync -f "$root"
	ecl-verify -q -d "$root"
	below "row 3210 of what" "row 3210 of whom"
	ecl-verify -q -d "$root"
	test_expect_code 1 ecl-verify --from-disk -d "$root" >out
	test_grep "^{\"class\":\"block-damaged\",.*content" out
'

test_expect_success DISK 'a block whose file stands where that of another block does is not believed where it does not' '
	root=$TRASH/fs/three
	ecl-init -q --backend btrfs "$root"
	seq 1 9000 >"$root/live/file"
	for i in 1 2 3; do
		echo "{\"element\":\"a\",\"state\":$i}" | ecl-append -q -d "$root"
		ecl-snap -q -d "$root"
	done
	block=$(echo "$root"/.snapshots/block-000001-*)
	ecl-verify -q -d "$root"
	btrfs property set "$block" ro false
	printf X | dd of="$block/file" bs=1 seek=20000 conv=notrunc status=none
	btrfs property set "$block" ro true
	test_expect_code 1 ecl-verify -d "$root" >out
	test_line_count = 2 out
	test_grep "^{\"class\":\"block-damaged\",\"block\":\"${block##*/}\",.*content" out
	btrfs property set "$block" ro false
	cp --reflink=always "$root/live/file" "$block/file"
	log=$block/.ecl/log/00000000000000000000.ndjson
	printf X | dd of="$log" bs=1 seek=100 conv=notrunc status=none
	btrfs property set "$block" ro true
	test_expect_code 1 ecl-verify -d "$root" >out
	test_line_count = 2 out
	test_grep "^{\"class\":\"block-damaged\",.*\"block\":\"${block##*/}\",\"path\":\".ecl/log\"" out
'

test_done
