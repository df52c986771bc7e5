#!/usr/bin/env bash
test_description='ecl-query about elements: every way to the answer finds the same'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null; then
	skip_all='python3 is needed'
	test_done
fi

# Chains of thousands of events, and elements that are silent for as long.
python3 "$top_srcdir/t/make-ledger.py" "$TRASH/L" 12000 --segment 5000 --skew || test_bail 'no ledger'

ask()
{
	python3 "$top_srcdir/t/check-query.py" "$@"
}

test_expect_success 'without an index' '
	ask L 150 --seed 2
'

test_expect_success 'with one' '
	cp -a L I && ecl-index -d I -q &&
	ask I 300 --seed 3
'

# The first events are the same.
test_expect_success 'with one that lacks the newest 5,000 events' '
	cp -a L B && rm -f B/live/.ecl/log/00000000000000010000.ndjson &&
	head -n 2000 L/live/.ecl/log/00000000000000005000.ndjson >B/live/.ecl/log/00000000000000005000.ndjson &&
	ecl-index -d B -q &&
	cp L/live/.ecl/log/* B/live/.ecl/log/ &&
	test "$(ecl-query -d B --stat | jq .index_lag)" = 5000 &&
	ask B 200 --seed 4
'

# Rows tell who and what in part, of some or of all events, or of none.
test_expect_success 'actors and actions: without an index, with one, with one that lacks the newest' '
	ask L 40 --seed 6 --who &&
	ask I 200 --seed 7 --who &&
	ask B 100 --seed 8 --who
'

test_expect_success 'actors and actions: with an index that an older program made, and one that goes on with it' '
	cp -a B O && rm -f O/live/.ecl/log/00000000000000010000.ndjson &&
	head -n 2000 L/live/.ecl/log/00000000000000005000.ndjson >O/live/.ecl/log/00000000000000005000.ndjson &&
	rm -rf O/live/.ecl/index && ecl-index -d O -q &&
	python3 "$top_srcdir/t/forge-index.py" --older O/live/.ecl/index &&
	ecl-index -d O --check -q &&
	cp L/live/.ecl/log/* O/live/.ecl/log/ &&
	ask O 100 --seed 9 --who &&
	ecl-index -d O -q && ecl-index -d O --check -q &&
	test "$(ecl-query -d O --stat | jq .index_lag)" = 0 &&
	ask O 100 --seed 10 --who
'

test_expect_success 'a row that leads elsewhere changes no answer' '
	ask I 300 --seed 5 --damage &&
	ecl-index -d I --check -q
'

test_done
