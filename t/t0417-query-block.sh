#!/usr/bin/env bash
test_description='ecl-query --block: a snapshot asked as it stands'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

test_btrfs

oracle()
{
	python3 "$top_srcdir/t/oracle.py" "$@"
}

# ask BLOCK LOG: all questions and filters inside of a block, whose log is LOG, and what they must say.
ask()
{
	local block=$1 log=$2 size

	size=$(wc -l <"$log") &&
	{
		ecl-query --block "$block" &&
		ecl-query --block "$block" "interface:*" service:s01 &&
		ecl-query --block "$block" --at 40 &&
		ecl-query --block "$block" --history &&
		ecl-query --block "$block" --history "interface:*" &&
		ecl-query --block "$block" --elements &&
		ecl-query --block "$block" --event 17 &&
		ecl-query --block "$block" --history --since 20 --until 60 &&
		ecl-query --block "$block" --history --reverse --limit 3 &&
		ecl-query --block "$block" --limit 2
	} >actual &&
	{
		oracle states $size <"$log" &&
		oracle states $size "interface:*" service:s01 <"$log" &&
		oracle states 41 <"$log" &&
		oracle history <"$log" &&
		oracle history "interface:*" <"$log" &&
		oracle elements <"$log" &&
		sed -n 18p "$log" &&
		oracle history <"$log" | jq -c "select(.seq >= 20 and .seq <= 60) | .seq" |
			while read -r n; do sed -n $((n + 1))p "$log"; done &&
		oracle history <"$log" | tail -n 3 | tac &&
		oracle states $size <"$log" | head -n 2
	} >expect &&
	test_cmp expect actual
}

for backend in btrfs copy; do
	prereq=
	test $backend = copy || prereq=BTRFS

	test_expect_success "$prereq" "$backend: a ledger of three blocks" '
		rm -rf all.* &&
		export ECL_ROOT=$(ecl_backend_root $backend) &&
		ecl-init -q &&
		python3 "$top_srcdir/t/make-ledger.py" "made.$backend" 300 --block 300 &&
		cat "made.$backend"/live/.ecl/log/*.ndjson | grep -v "\"element\":\"ecl:" >events &&
		for part in 1,80 81,160 161,240; do
			sed -n ${part}p events | ecl-append -q
			ecl-snap -q
			sleep 0.01
		done &&
		sed -n "241,\$p" events | ecl-append -q &&
		for n in 0 1 2; do
			ecl-replay --to block-$n >all.$n
		done &&
		test -s all.2
	'

	test_expect_success "$prereq" "$backend: every question is answered as of the block" '
		for n in 0 1 2; do
			ask block-$n all.$n
		done
	'

	test_expect_success "$prereq" "$backend: it is the snapshot that is asked, not the log of live" '
		for n in 0 1 2; do
			for q in "" --history --stat --layer --elements "--names elements s" "--event 20"; do
				path=$(ecl-snap --path block-$n)
				ecl-query --block block-$n $q >actual
				ecl-query -d "$path" $q >expect
				test_cmp expect actual
			done
			test "$(ecl-query --block block-$n --stat | jq .events)" = "$(wc -l <all.$n)"
			test "$(ecl-query --block block-$n --layer | jq -r .root)" = \
				"$(ecl-query --blocks | jq -r "select(.height == $n) | .root")"
			test "$(ecl-query --block block-$n --format state | sha256sum | cut -c 1-64)" = \
				"$(ecl-query --blocks | jq -r "select(.height == $n) | .state")"
		done
	'

	test_expect_success STRACE"${prereq:+,$prereq}" "$backend: nothing is locked or written" '
		traced -qq -o calls -e trace=openat,openat2,open,flock,write ecl-query --block block-1 --history >out &&
		oracle history <all.1 >expect &&
		test_cmp expect out &&
		test_grep ! -E "flock|O_CREAT|O_WRONLY|O_RDWR" calls
	'

	test_expect_success "$prereq" "$backend: the last block at or before a seq, a time, an age" '
		ecl-query --block 159 --stat | jq .events >out &&
		wc -l <all.0 >expect &&
		test_cmp expect out &&
		size=$(wc -l <all.1) &&
		ecl-query --block $((size - 1)) --stat | jq .events >out &&
		echo $size >expect &&
		test_cmp expect out &&
		time=$(ecl-query --blocks | jq -r "select(.height == 1) | .time") &&
		ecl-query --block "$time" --stat | jq .events >out &&
		test_cmp expect out &&
		ecl-query --block 0s --stat | jq .events >out &&
		wc -l <all.2 >expect &&
		test_cmp expect out &&
		hash=$(ecl-query --blocks | jq -r "select(.height == 1) | .hash") &&
		ecl-query --block hash:$hash --stat | jq .events >out &&
		echo $size >expect &&
		test_cmp expect out
	'

	test_expect_success "$prereq" "$backend: blocks named inside are those it knows of" '
		ecl-query --block block-2 --at block-1 >actual &&
		oracle states $(wc -l <all.1) <all.1 >expect &&
		test_cmp expect actual &&
		ecl-query --block block-2 --history --since block-0 --until block-1 >actual &&
		n=$(wc -l <all.0) &&
		oracle history <all.1 | jq -c "select(.seq >= $n) | .seq" >expect &&
		jq -c .seq actual >out &&
		test_cmp expect out &&
		test_expect_code 2 ecl-query --block block-1 --at block-1 2>err &&
		test_grep "no block .block-1." err &&
		test_expect_code 2 ecl-query --block block-1 --at $(wc -l <all.1) 2>err &&
		test_grep "the log ends at" err
	'

	test_expect_success "$prereq" "$backend: what is not there" '
		test_expect_code 2 ecl-query --block block-7 2>err &&
		test_grep "no block .block-7." err &&
		test_expect_code 2 ecl-query --block 3 2>err &&
		test_grep "no block at or before .3." err &&
		test_expect_code 2 ecl-query --block 2001-01-01 2>err &&
		test_grep "no block at or before" err &&
		test_expect_code 2 ecl-query --block nonsense 2>err &&
		test_grep "neither a seq" err &&
		test_expect_code 2 ecl-query --block block-1 --blocks 2>err &&
		test_grep "does not go with" err &&
		test_expect_code 2 ecl-query -d "$(ecl-snap --path block-1)" --block block-0 2>err &&
		test_grep "not a root: the root is" err &&
		test_expect_code 1 ecl-query --block block-1 no:such >out &&
		test_cmp /dev/null out
	'

	test_expect_success "$prereq" "$backend: damage" '
		path=$(ecl-snap --path block-1) && name=${path##*/} &&
		if test $backend = btrfs; then btrfs property set "$path" ro false; fi &&
		dd if=/dev/zero of="$path/.ecl/index/head" bs=1 seek=20 count=4 conv=notrunc status=none &&
		ask block-1 all.1 &&
		rm -r "$path/.ecl/index" &&
		ask block-1 all.1 &&
		cp "$path/.ecl/block" header &&
		sed -i "s/\"elements\":/\"elements\":1/" "$path/.ecl/block" &&
		for when in block-1 $(($(wc -l <all.1) - 1)); do
			test_expect_code 2 ecl-query --block $when 2>err
			test_grep "block .$name. is damaged: the hash of its header is wrong" err
		done &&
		rm "$path/.ecl/block" &&
		test_expect_code 2 ecl-query --block block-1 2>err &&
		test_grep "block .$name. is damaged: .*No such file" err &&
		cp header "$path/.ecl/block" &&
		ask block-1 all.1
	'

	test_expect_success "$prereq" "$backend: a block that was pruned" '
		path=$(ecl-snap --path block-1) && name=${path##*/} &&
		if test $backend = btrfs; then btrfs -q subvolume delete "$path"; else rm -rf "$path"; fi &&
		for when in block-1 $(($(wc -l <all.1) - 1)); do
			test_expect_code 1 ecl-query --block $when >out 2>err
			test_line_count = 0 out
			test_grep "the snapshot of block .$name. is gone: .--at $name. answers" err
		done &&
		ln -s block-000000-* "$path" &&
		test_expect_code 2 ecl-query --block block-1 2>err &&
		ask block-0 all.0
	'
done

test_done
