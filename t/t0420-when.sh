#!/usr/bin/env bash
test_description='WHEN: points in time as users write them'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

python3 "$top_srcdir/t/make-ledger.py" "$TRASH/L" 600 --segment 128 --block 100 || test_bail 'no ledger'
cat L/live/.ecl/log/*.ndjson >all
export ECL_ROOT=$TRASH/L

# events_to WHEN: how many events there are up to then
events_to()
{
	ecl-replay --to "$1" | wc -l
}

test_expect_success 'a time means all events up to it, for many times' '
	python3 "$top_srcdir/t/oracle.py" sizes 40 <all >expect
	while read -r time size; do
		echo "$time $(events_to "$time")"
	done <expect >actual
	test_cmp expect actual
'

test_expect_success 'offsets, lower case and a space' '
	want=$(events_to 2025-11-21T15:00:00Z) &&
	test "$want" -gt 1 &&
	test "$(events_to 2025-11-21T17:30:00+02:30)" = "$want" &&
	test "$(events_to 2025-11-21T10:00:00-05:00)" = "$want" &&
	test "$(events_to "2025-11-21 15:00:00Z")" = "$want" &&
	test "$(events_to 2025-11-21t15:00z)" = "$want" &&
	test "$(events_to 2025-11-21T15:00:00.000000Z)" = "$want"
'

test_expect_success 'without a zone it is local time' '
	want=$(events_to 2025-11-21T15:00:00Z) &&
	test "$(TZ=UTC events_to "2025-11-21 15:00")" = "$want" &&
	test "$(TZ=Europe/Berlin events_to "2025-11-21 16:00")" = "$want" &&
	test "$(TZ=America/New_York events_to 2025-11-21T10:00:00)" = "$want" &&
	test "$(TZ=Asia/Kathmandu events_to "2025-11-21 20:45")" = "$want"
'

test_expect_success 'a date is its midnight' '
	test "$(events_to 2025-11-22)" = "$(events_to 2025-11-22T00:00:00Z)" &&
	test "$(TZ=Europe/Berlin events_to 2025-11-22)" = "$(events_to 2025-11-21T23:00:00Z)"
'

test_expect_success 'ages and names of days' '
	for when in now 0s 90s 15m 2h 3d 1w today yesterday 00:00 00:00:30; do
		ecl-replay --to "$when" >/dev/null
	done
	test "$(events_to now)" = 600
	test "$(events_to 9999999d)" = 0
'

test_expect_success 'blocks by height, by name and by hash' '
	name=$(cd L/.snapshots && echo block-000002-*)
	hash=$(jq -r .hash L/.snapshots/$name/.ecl/block)
	size=$(jq -r .size L/.snapshots/$name/.ecl/block)
	test "$size" = 300
	for when in block-2 block-002 $name hash:${hash:0:8} hash:$hash; do
		test "$(events_to $when)" = $size
	done
'

test_expect_success 'a hash prefix needs a letter, or it is a number' '
	test_expect_code 2 ecl-replay --to 12345678 2>err &&
	echo "ecl-replay: no event 12345678: the log ends at 599" >expect &&
	test_cmp expect err &&
	test_expect_code 2 ecl-replay --to hash:12345678 2>err &&
	echo "ecl-replay: no block '\''hash:12345678'\''" >expect &&
	test_cmp expect err &&
	test_expect_code 2 ecl-replay --to 1234567a 2>err &&
	echo "ecl-replay: no block '\''1234567a'\''" >expect &&
	test_cmp expect err
'

test_expect_success 'a damaged block is named as such' '
	cp -R L damaged &&
	name=$(cd damaged/.snapshots && echo block-000003-*) &&
	echo nonsense >damaged/.snapshots/$name/.ecl/block &&
	name2=$(cd damaged/.snapshots && echo block-000004-*) &&
	ecl-replay -d damaged --to block-3 >out &&
	test_line_count = 400 out &&
	ecl-replay -d damaged --to block-4 >out &&
	test_line_count = 500 out
'

test_expect_success 'what is no WHEN is refused by name' '
	for when in "" block- block-x block-7-zz tomorrow 2025-02-30 25:00 10:00Z 1y -1h "2025-11-21 " "10:00 " "1h ago"; do
		test_expect_code 2 ecl-replay --to "$when" 2>err
		test_grep -F "ecl-replay: '\''$when'\'' is neither a seq, a block, a time nor an age" err
	done
'

test_done
