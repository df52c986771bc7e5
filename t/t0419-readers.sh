#!/usr/bin/env bash
test_description='readers: with read permission only, on a read-only mount, of a block or a layer alone, beside writers'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

test_btrfs

# All that a reader of one root may ask.
ask_all()
{
	local root=$1

	ecl-query -d "$root" &&
	ecl-query -d "$root" --at 5 &&
	ecl-query -d "$root" "interface:*" &&
	ecl-query -d "$root" interface:eth0 &&
	ecl-query -d "$root" --at 5 interface:eth0 &&
	ecl-query -d "$root" --history &&
	ecl-query -d "$root" --history interface:eth0 &&
	ecl-query -d "$root" --event 3 &&
	ecl-query -d "$root" --elements &&
	ecl-query -d "$root" --layer &&
	ecl-query -d "$root" --names elements inter &&
	ecl-query -d "$root" --names blocks &&
	ecl-replay -d "$root" &&
	ecl-replay -d "$root" --from 2 --element "interface:*" &&
	ecl-verify -d "$root" --quick -q
}

# What differs by place: paths, and what a root alone has.
ask_root()
{
	ask_all "$1" &&
	ecl-query -d "$1" --stat &&
	ecl-query -d "$1" --blocks | sed "s,$1,ROOT," &&
	ecl-snap -d "$1" --list | sed "s,$1,ROOT," &&
	ecl-verify -d "$1" -q &&
	ecl-index -d "$1" --check
}

# A ledger with two blocks, segments made by several writers, and a part that the index lacks.
make_root()
{
	ecl-init -q "$1" &&
	fill "$1/live" &&
	for i in 0 1 2 3 4 5 6 7; do
		echo "{\"element\":\"interface:eth$((i % 3))\",\"state\":{\"mtu\":$i}}"
	done | ecl-append -q -d "$1" &&
	ecl-snap -q -d "$1" &&
	ecl-append -q -d "$1" -e service:a -s 1 &&
	ecl-snap -q -d "$1" &&
	ecl-append -q -d "$1" -e service:b -s 2
}

as_group()
{
	setpriv --reuid=65534 --regid=65534 --groups=4242 -- env PATH="$readable:$PATH" "$@"
}

# The programs where anybody can run them.
readable=$TRASH/bin
mkdir "$readable" && cp "$top_builddir"/cmd/ecl-* "$readable" 2>/dev/null
chmod -R go+rX "$readable"
export -f ask_all ask_root

for backend in btrfs copy; do
	prereq=NONROOT
	test $backend = copy || prereq=BTRFS
	btrfs=$(test $backend = copy || echo -n btrfs/)
	root=$TRASH/${btrfs}$backend

	test_expect_success $prereq "$backend: a ledger, and what its owner is told" '
		make_root "$root" &&
		ask_root "$root" >expect.root &&
		test -s expect.root &&
		ask_all "$root/.snapshots"/block-000001-* >expect.block
	'

	test_expect_success $prereq,STRACE "$backend: a reader creates, writes and locks nothing" '
		for cmd in "ecl-query" "ecl-query --history" "ecl-query --stat" "ecl-query --blocks" "ecl-query --layer" \
		    "ecl-query --names elements inter" "ecl-replay" "ecl-snap --list"; do
			traced -qq -o calls -e "trace=%file,%desc" env ECL_ROOT="$root" $cmd >/dev/null
			test_grep ! -E "O_CREAT|O_WRONLY|O_RDWR|O_TRUNC" calls
			test_grep ! -E "^[0-9]+ +(flock|fcntl\([0-9]+, F_(OFD_)?SETLK|fchmod|chmod|unlink|rename|mkdir|utime|fsync|fdatasync|ftruncate|pwrite)" calls
			test_grep ! -E "write\(([03-9]|[12][0-9])" calls
		done
	'

	test_expect_success $prereq,ROOT "$backend: a user of the group, which may read" '
		shared=$TRASH/${btrfs}shared &&
		install -d -m 2750 -g 4242 $shared &&
		(umask 077 && make_root $shared) &&
		(umask 077 && ecl-index -q --rebuild -d $shared) &&
		find $shared -path "*/live/.ecl*" ! -group 4242 >wrong &&
		find $shared \( -name "*.ndjson" -o -path "*/index/*" -o -name durable -o -path "*/.ecl/block" \) -type f ! -perm 640 >>wrong &&
		find $shared -maxdepth 1 \( -name gate -o -name "*lock" \) ! -perm 600 >>wrong &&
		find $shared -maxdepth 3 \( -name live -o -name .snapshots -o -path "*/live/.ecl*" \) -type d ! -perm -750 >>wrong &&
		test_cmp /dev/null wrong &&
		ask_all $shared >expect &&
		as_group bash -c "ask_all $shared" >actual &&
		test_cmp expect actual &&
		as_group ecl-query -q -d $shared --stat >actual &&
		as_group ecl-verify -d $shared --quick | jq -e ".verdict == \"ok\"" &&
		as_group ecl-snap -d $shared --list | grep -c . | grep -x 2 &&
		as_group ecl-query -d $shared/.snapshots/block-000001-* >actual &&
		ecl-query -d $shared --at block-1 >expect &&
		test_cmp expect actual &&
		test_expect_code 2 as_user ecl-query -d $shared 2>err &&
		test_grep "Permission denied" err &&
		chmod 700 $shared/live/.ecl/log &&
		test_expect_code 2 as_group ecl-query -d $shared --event 3 2>err &&
		test_grep ".$shared.: cannot open directory .log.: Permission denied" err &&
		test_expect_code 2 as_group ecl-replay -d $shared 2>err &&
		test_grep ".$shared.: cannot open directory .log.: Permission denied" err &&
		chmod 2750 $shared/live/.ecl/log &&
		test_expect_code 2 as_group env ECL_ROOT=$shared ecl-append -e a:b -s 1 2>err &&
		test_grep "run as its owner" err
	'

	test_expect_success $prereq "$backend: a block is a layer by itself" '
		block=$(echo "$root/.snapshots"/block-000001-*) &&
		ecl-query -d "$root" --at block-1 >expect &&
		ecl-query -d "$block" >actual &&
		test_cmp expect actual &&
		ecl-query -d "$root" --history --until block-1 >expect &&
		ecl-query -d "$block" --history >actual &&
		test_cmp expect actual &&
		ecl-replay -d "$root" --to block-1 >expect &&
		ecl-replay -d "$block" >actual &&
		test_cmp expect actual &&
		ecl-query -d "$root" --layer --at block-1 >expect &&
		ecl-query -d "$block" --layer >actual &&
		test_cmp expect actual &&
		ecl-query -d "$block" --at block-0 >actual &&
		ecl-query -d "$root" --at block-0 >expect &&
		test_cmp expect actual &&
		ecl-replay -d "$block" --to block-0 >actual &&
		ecl-replay -d "$root" --to block-0 >expect &&
		test_cmp expect actual &&
		ecl-query -d "$block" --blocks | jq -r "[.height, .present, .path] | @csv" >actual &&
		echo "0,false," >expect &&
		test_cmp expect actual &&
		ecl-query -d "$block" --stat | jq -e ".blocks == 0" &&
		ecl-index -d "$block" --check | jq -e ".events == .published" &&
		ecl-query -d "$block" --names blocks >out &&
		test_cmp /dev/null out
	'

	test_expect_success $prereq "$backend: live is one too" '
		ask_all "$root" | grep -v "^block-" >expect &&
		ask_all "$root/live" >actual &&
		test_cmp expect actual
	'

	test_expect_success $prereq "$backend: what needs a root says what to name" '
		block=$(echo "$root/.snapshots"/block-000001-*) &&
		name=${block##*/} &&
		for cmd in "ecl-append -e a:b -s 1" "ecl-snap" "ecl-snap --list" "ecl-snap --path 3" "ecl-index" "ecl-index --rebuild" \
		    "ecl-rollback --dry-run block-0" "ecl-rollback --yes block-0" "ecl-verify --since 3"; do
			test_expect_code 2 env ECL_ROOT="$block" $cmd 2>err
			test_grep "is the block .$name., not a root: the root is .$root." err
			test_expect_code 2 env ECL_ROOT="$root/live" $cmd 2>err
			test_grep "is a layer, not a root: the root is .$root." err
		done
	'

	test_expect_success $prereq "$backend: a bare layer elsewhere, without index, with files that are named like those of a root" '
		test_when_finished "rm -rf alone" &&
		mkdir alone &&
		cp -R "$root/.snapshots"/block-000001-*/.ecl alone/ &&
		chmod -R u+w alone && rm -r alone/.ecl/index && mkdir -p alone/live/x alone/.snapshots/block-000009-12345678 &&
		touch alone/replica alone/lock alone/blocks.lock alone/index.lock &&
		cp "$root/durable" alone/durable &&
		ask_all "$TRASH/alone" >actual &&
		test_cmp expect.block actual &&
		test_expect_code 2 ecl-append -d alone -e a:b -s 1 2>err &&
		test_grep "not a root: name the root that it belongs to" err &&
		: >alone/.ecl/block &&
		test_expect_code 2 ecl-append -d alone -e a:b -s 1 2>err &&
		test_grep "is a layer, not a root" err &&
		rm alone/.ecl/log/* &&
		test_expect_code 2 ecl-query -d alone 2>err &&
		test_grep "has no events" err
	'
done

test_expect_success BTRFS,ROOT 'a read-only mount' '
	test_when_finished "mount -o remount,rw btrfs" &&
	ask_root "$TRASH/btrfs/btrfs" >expect &&
	mount -o remount,ro btrfs &&
	test_must_fail touch btrfs/x &&
	ask_root "$TRASH/btrfs/btrfs" >actual &&
	test_cmp expect actual &&
	ask_all "$TRASH/btrfs/btrfs/.snapshots"/block-000001-* >actual &&
	rm -f expect.block && ask_all "$TRASH/btrfs/btrfs/live" >actual &&
	test_expect_code 2 ecl-append -d btrfs/btrfs -e a:b -s 1 2>err &&
	test_grep "Read-only file system" err
'

test_expect_success BTRFS,ROOT 'a block, and live, mounted alone and read-only' '
	test_when_finished "umount alone" &&
	mkdir -p alone &&
	dev=$(findmnt -n -o SOURCE --target "$TRASH/btrfs" | sed "s/\[.*//") &&
	name=$(basename btrfs/btrfs/.snapshots/block-000001-*) &&
	ask_all "$TRASH/btrfs/btrfs/.snapshots/$name" >expect &&
	mount -o ro,subvol="btrfs/.snapshots/$name" "$dev" alone &&
	ask_all "$TRASH/alone" >actual &&
	test_cmp expect actual &&
	test_expect_code 2 ecl-append -d alone -e a:b -s 1 2>err &&
	test_grep "is the block .$name., not a root: name the root that it belongs to" err &&
	umount alone &&
	ask_all "$TRASH/btrfs/btrfs/live" >expect &&
	mount -o ro,subvol=btrfs/live "$dev" alone &&
	ask_all "$TRASH/alone" >actual &&
	test_cmp expect actual
'

test_expect_success 'beside writers, rebuilds, blocks and a rollback every answer was true at some moment' '
	if test_have_prereq BTRFS; then many=$TRASH/btrfs/many; else many=$TRASH/many; fi &&
	mkdir "$many" && busy=$many/busy && make_root "$many/quiet" && ecl-init -q "$busy" &&
	python3 - >bulk <<-\PY &&
		import random
		random.seed(4)
		for i in range(30000):
		    state = "null" if random.random() < 0.1 else "{\"n\":%d}" % i
		    print("{\"element\":\"host:%d\",\"state\":%s}" % (random.randrange(40), state))
	PY
	head -n 500 bulk | ecl-append -q -d "$busy" && ecl-snap -q -d "$busy" &&
	{
		(
			while ! test -e stop; do ecl-append -q -d "$busy" -e host:7 -a restart --wait 120 || touch failed.append; done
		) &
		(
			while ! test -e stop; do ecl-index -q --rebuild -d "$busy" --wait 120 || touch failed.index; done
		) &
		(
			sleep 0.3
			for part in 501,10000 10001,20000 20001,30000; do
				sed -n ${part}p bulk | ecl-append -q -d "$busy" --wait 120 || touch failed.bulk
				ecl-snap -q -d "$busy" --wait 120 || touch failed.snap
				test $part != 10001,20000 || ecl-rollback --yes -q -d "$busy" --wait 120 block-0 || touch failed.rollback
				sleep 0.5
			done
			touch stop
		) &
		python3 "$top_srcdir/t/check-readers.py" "$many" busy stop
	} &&
	wait && ! ls failed.* &&
	ecl-verify -q -d "$busy"
'

test_done
