test_description='a ledger of 1,000,000 events: an independent script that knows only the line format finds it right'
. "${0%/*}/test-lib.sh"

test_btrfs 1G
base=$TRASH
test ! -d btrfs || base=$TRASH/btrfs
export ECL_ROOT=$base/root

test_expect_success '1,000,000 events of 150 bytes over 5,000 elements' '
	# Without vectors: those of many events are t0625 and t0634, and here ecl-index and --check would make a million each time.
	ecl-init --embedder none "$ECL_ROOT" >/dev/null
	python3 "$top_srcdir/t/perf/make-events.py" 999999 5000 | ecl-append -q
	test "$(ecl-query --stat | jq .events)" = 1000000
'

test_expect_success 'the independent check of hashes, chain and seqs' '
	ecl-replay | sh "$top_srcdir/t/check-ledger.sh" >out
	cat out
	test_grep 1000000 out
'

test_expect_success 'the same check finds a changed byte' '
	ecl-replay --to 9999 | sed "7777s/\"state\":{\"/\"state\":{\"Z/" | test_must_fail sh "$top_srcdir/t/check-ledger.sh" 2>err
	test_grep "event 7776 is not" err
'

test_expect_success 'segments were cut at 64 MiB, and ecl-verify agrees' '
	ls "$ECL_ROOT"/live/.ecl/log/*.ndjson >segments
	test_line_count -gt 4 segments
	ecl-verify -q
'

test_expect_success 'any event, any element, any moment are found' '
	for seq in 1 499999 777777 999999; do
		ecl-query --event $seq | jq -e ".seq == $seq"
		ecl-replay --from $seq --count 1 | jq -e ".seq == $seq"
	done
	ecl-query --at 500000 >at
	test_line_count = 5000 at
	ecl-query >now
	test_line_count = 5000 now
'

test_expect_success 'the index published in bulk is right' '
	ecl-index --check -q
'

test_expect_success 'a file of the rows is gone: nobody is misled, recording goes on, and ecl-index makes it anew' '
	index=$ECL_ROOT/live/.ecl/index
	ecl-index -q
	ecl-query --at 300000 >before
	mv "$index"/rows-00000000000000262144 "$TRASH/gone"
	ecl-query --at 300000 | test_cmp before -
	ecl-append -q -e loop:1 -s 1
	test_expect_code 1 ecl-index --check -q
	ecl-index -q
	ecl-index --check -q
	ecl-query --at 300000 | test_cmp before -
	cmp "$index"/rows-00000000000000262144 "$TRASH/gone"
'

test_done
