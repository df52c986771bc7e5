#!/usr/bin/env bash
test_description='one event: what a run of ecl-append asks of the system does not grow with the ledger'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi
if ! strace -o /dev/null true 2>/dev/null; then
	skip_all='strace does not work here'
	test_done
fi

# make_ledger NAME EVENTS: with 20 events a segment, one more by ecl-append, which leaves ROOT/durable, and an index.
make_ledger()
{
	python3 "$top_srcdir/t/make-ledger.py" "$TRASH/$1" "$2" --segment 20 || test_bail 'no ledger'
	ecl-append -q -d "$TRASH/$1" -e service:s00 -a restart || test_bail 'no event'
	ecl-index -q -d "$TRASH/$1" || test_bail 'no index'
}

make_ledger short 200
make_ledger long 8000

# append NAME: one event of a known element; its calls that name a file, or have to do with a descriptor, in NAME.calls.
append()
{
	traced -o "$1.calls" -e trace=%file,%desc ecl-append -q -d "$TRASH/$1" -e interface:eth0 -s "{\"mtu\":$((70000 + RANDOM))}"
}

test_expect_success 'the long ledger has 400 segments, the short one ten' '
	ls short/live/.ecl/log/*.ndjson >segments &&
	test_line_count = 10 segments &&
	ls long/live/.ecl/log/*.ndjson >segments &&
	test_line_count = 400 segments
'

test_expect_success 'with 400 segments an append takes at most 30 calls more than with ten' '
	append short &&
	append long &&
	before=$(wc -l <short.calls) &&
	after=$(wc -l <long.calls) &&
	echo "$before calls, $after calls" &&
	test "$after" -le $((before + 30))
'

test_expect_success 'it opens each file at most once, but the last segment: to read it, and to append' '
	sed -n "s/.*openat2*([0-9]*, \"\([^\"]*\)\".* = [0-9]*\$/\1/p" long.calls | grep -v "^\.ecl\$" | sort | uniq -d >twice &&
	last=$(ls long/live/.ecl/log | tail -n 1) &&
	echo "$last" >expect &&
	test_cmp expect twice
'

test_expect_success 'it asks for the name of the boot once, and clears the mark it made' '
	grep -c "\"/proc/sys/kernel/random/boot_id\"" long.calls >times &&
	echo 1 >expect &&
	test_cmp expect times &&
	test_grep "^ecl-durable 1 clean " long/durable
'

test_expect_success 'what needs the sizes of all segments has them all the same' '
	cat long/live/.ecl/log/*.ndjson >log &&
	ecl-replay -d "$TRASH/long" >replayed &&
	test_cmp log replayed &&
	test "$(ecl-query -d "$TRASH/long" --stat | jq -c "[.events, .size, .segments]")" = "[8002,$(wc -c <log),400]" &&
	ecl-replay -d "$TRASH/long" --from 3995 --to 4005 >replayed &&
	sed -n 3996,4006p log >expect &&
	test_cmp expect replayed &&
	rm -rf long/live/.ecl/index &&
	ecl-query -d "$TRASH/long" --history interface:eth0 >history &&
	grep -c "\"element\":\"interface:eth0\"" log >expect &&
	wc -l <history >times &&
	test_cmp expect times
'

test_done
