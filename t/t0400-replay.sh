#!/usr/bin/env bash
test_description='ecl-replay: the log, byte for byte'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

python3 "$top_srcdir/t/make-ledger.py" "$TRASH/L" 1000 --segment 300 --block 150 || test_bail 'no ledger'
cat L/live/.ecl/log/*.ndjson >all
export ECL_ROOT=$TRASH/L

test_expect_success 'without options it is the log' '
	ecl-replay >out &&
	test_cmp all out
'

test_expect_success 'ranges of numbers are inclusive, also across segments' '
	for range in "1 1000 0 999" "300 310 299 309" "300 300 299 299" "301 301 300 300" "1 1 0 0" "1000 1000 999 999"; do
		set -- $range
		ecl-replay --from $3 --to $4 >out
		sed -n "$1,$2p" all >expect
		test_cmp expect out
	done
'

test_expect_success '--from and --to alone' '
	ecl-replay --from 990 >out &&
	tail -n 10 all >expect &&
	test_cmp expect out &&
	ecl-replay --to 9 >out &&
	head -n 10 all >expect &&
	test_cmp expect out
'

test_expect_success 'a range from the event to come is empty' '
	ecl-replay --from 1000 >out &&
	test_cmp /dev/null out
'

test_expect_success 'a range that ends before it begins is empty' '
	ecl-replay --from 500 --to 400 >out &&
	test_cmp /dev/null out
'

test_expect_success 'a number beyond the log is an error that says where it ends' '
	test_expect_code 2 ecl-replay --from 1001 2>err &&
	echo "ecl-replay: no event 1001: the log ends at 999" >expect &&
	test_cmp expect err &&
	test_expect_code 2 ecl-replay --to 1000
'

test_expect_success '--from TIME begins with the first event that is not earlier' '
	time=$(sed -n 501p all | jq -r .time) &&
	ecl-replay --from "$time" >out &&
	jq -c --arg t "$time" "select(.time >= \$t) | .seq" all >expect &&
	jq .seq out >actual &&
	test_cmp expect actual &&
	ecl-replay --to "$time" >out &&
	jq -c --arg t "$time" "select(.time <= \$t) | .seq" all >expect &&
	jq .seq out >actual &&
	test_cmp expect actual
'

test_expect_success 'times before the first event and after the last' '
	ecl-replay --to 2000-01-01T00:00:00Z >out &&
	test_cmp /dev/null out &&
	ecl-replay --from 2000-01-01T00:00:00Z >out &&
	test_cmp all out &&
	ecl-replay --from 9999-01-01T00:00:00Z >out &&
	test_cmp /dev/null out
'

test_expect_success 'blocks, also the one that was pruned' '
	ecl-replay --from block-2 --to block-3 >out &&
	sed -n 451,600p all >expect &&
	test_cmp expect out &&
	ecl-replay --to block-0 >out &&
	head -n 150 all >expect &&
	test_cmp expect out &&
	test_expect_code 2 ecl-replay --to block-99 2>err &&
	echo "ecl-replay: no block '\''block-99'\''" >expect &&
	test_cmp expect err
'

test_expect_success '--count' '
	ecl-replay --count 7 >out &&
	head -n 7 all >expect &&
	test_cmp expect out &&
	ecl-replay --from 295 --count 10 >out &&
	sed -n 296,305p all >expect &&
	test_cmp expect out &&
	ecl-replay --count 0 >out &&
	test_cmp /dev/null out &&
	ecl-replay --from 10 --to 12 --count 10 >out &&
	test_line_count = 3 out
'

test_expect_success '--element, once and twice' '
	ecl-replay --element "interface:*" >out &&
	python3 "$top_srcdir/t/oracle.py" history "interface:*" <all >expect &&
	test_cmp expect out &&
	ecl-replay --element "interface:eth[0-3]" --element service:s01 >out &&
	python3 "$top_srcdir/t/oracle.py" history "interface:eth[0-3]" service:s01 <all >expect &&
	test_cmp expect out
'

test_expect_success 'a GLOB that is a name means that element alone' '
	for name in "file:/a[1]" "file:/*" "file:/?" "file:/a\\*" "file:/a\"b\\c" "with spaces" "unit:é中😀"; do
		ecl-replay --element "$name" >out
		jq -c --arg n "$name" "select(.element == \$n) | .seq" all >expect
		test -s expect
		jq .seq out >actual
		test_cmp expect actual
	done
'

test_expect_success 'elements of ecl itself only where the GLOB says so' '
	ecl-replay --element "*" >out &&
	test_grep ! "\"element\":\"ecl:" out &&
	ecl-replay --element "ecl:*" >out &&
	test_line_count = 7 out &&
	ecl-replay --element "[e]cl:*" >out &&
	test_cmp /dev/null out
'

test_expect_success '--action, alone and with the rest' '
	ecl-replay --action restart >out &&
	jq -c "select(.action == \"restart\") | .seq" all >expect &&
	jq .seq out >actual &&
	test_cmp expect actual &&
	ecl-replay --action delete --element "service:*" --from 100 --to 800 --count 3 >out &&
	jq -c "select(.action == \"delete\" and (.element | startswith(\"service:\")) and .seq >= 100) | .seq" all | head -n 3 >expect &&
	jq .seq out >actual &&
	test_cmp expect actual
'

test_expect_success 'bytes in a state that look like another event do not deceive' '
	ecl-replay --element x --element "x?*[" >out &&
	test_cmp /dev/null out
'

test_expect_success 'nothing that matches is no failure' '
	ecl-replay --element no:such >out &&
	test_cmp /dev/null out
'

test_expect_success 'a reader that goes away ends it quietly' '
	{ ecl-replay 2>err; echo $? >code; } | head -n 1 >out &&
	test_cmp /dev/null err &&
	{ (trap "" PIPE; ecl-replay --element "*" 2>err; echo $? >code) } | head -n 1 >out &&
	test_cmp /dev/null err &&
	echo 0 >expect &&
	test_cmp expect code
'

test_expect_success 'a full disk is an error' '
	test_expect_code 2 ecl-replay >/dev/full 2>err &&
	test_grep "cannot write standard output: No space left on device" err &&
	test_expect_code 2 ecl-replay --element "*" >/dev/full
'

test_expect_success 'a torn tail is left out' '
	cp -R L torn &&
	printf "{\"seq\":1000," >>torn/live/.ecl/log/00000000000000000900.ndjson &&
	ecl-replay -d torn >out &&
	test_cmp all out
'

test_expect_success NONROOT 'a user who may only read can' '
	chmod -R go+rX L &&
	as_user ecl-replay >out &&
	test_cmp all out
'

test_expect_success 'an empty log: a replica that got nothing yet' '
	mkdir -p empty/.snapshots empty/live/.ecl/log &&
	: >empty/replica &&
	ecl-replay -d empty >out &&
	test_cmp /dev/null out &&
	test_expect_code 2 ecl-replay -d empty --from 1 2>err &&
	echo "ecl-replay: no event 1: the log is empty" >expect &&
	test_cmp expect err
'

test_expect_success 'an empty log that is no replica: it is half-made, or the log is gone' '
	rm empty/replica &&
	test_expect_code 2 ecl-replay -d empty >out 2>err &&
	test_cmp /dev/null out &&
	test_grep "^ecl-replay: .empty. has no events: a half-made ledger" err &&
	test_expect_code 2 ecl-replay -d empty/live >out 2>err &&
	test_grep "^ecl-replay: .empty/live. has no events$" err
'

test_expect_success 'a line that is no event: where it is' '
	cp -R L bad &&
	segment=$(ls bad/live/.ecl/log/* | head -n 1) &&
	at=$(head -n 5 "$segment" | wc -c) &&
	printf X | dd of="$segment" bs=1 seek=$((at + 2)) conv=notrunc 2>/dev/null &&
	test_expect_code 2 ecl-replay -d bad --element "service:*" 2>err &&
	test_grep "corrupt: segment .00000000000000000000.ndjson., offset $at: no event begins here" err
'

test_expect_success 'what is wrong with a command line is said' '
	test_expect_code 2 ecl-replay --form 1 2>err &&
	test_grep "^ecl-replay: unknown option .--form.$" err &&
	test_expect_code 2 ecl-replay 42 &&
	test_expect_code 2 ecl-replay --count -1 &&
	test_expect_code 2 ecl-replay --action "Not One" &&
	test_expect_code 2 ecl-replay --from nowhen 2>err &&
	test_grep "^ecl-replay: .nowhen. is neither a seq" err &&
	test_expect_code 2 ecl-replay -d "$TRASH/none" 2>err &&
	test_grep "no ledger at" err
'

test_expect_success '--help fits on 80 columns' '
	ecl-replay --help >out &&
	awk "length > 80 { exit 1 }" out &&
	test_grep "^usage: ecl-replay" out
'

test_done
