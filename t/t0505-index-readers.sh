#!/usr/bin/env bash
test_description='readers of an index that others extend, merge, make anew and remove meanwhile'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

N=30000
lasts=$((ECL_TEST_LONG ? 4 : 2))
export ECL_ROOT=$TRASH/L
INDEX=$TRASH/L/live/.ecl/index
{
	# The vectors under readers are in t0625.
	ecl-init --embedder none "$ECL_ROOT" >/dev/null &&
	python3 "$top_srcdir/t/perf/make-events.py" $N 400 >"$TRASH/events" &&
	python3 "$top_srcdir/t/perf/make-events.py" 60000 500 7 >"$TRASH/more" &&
	ecl-append -q "$TRASH/events"
} || test_bail 'no ledger'

# What was, whatever comes later.
past_answers()
{
	ecl-query --at 12345 &&
	ecl-query --at 29000 "*item00003[0-9]" &&
	ecl-query --history --since 20000 --until 20500 "*item0001*" &&
	ecl-query --history --until $N interface:host00/item000100 &&
	ecl-query --event 17 &&
	ecl-query --event 29999
}

# The present is that of one moment: each event here sets a state.
one_moment()
{
	ecl-query >"$TRASH/present.$1" &&
	last=$(jq -s "map(.seq) | max" "$TRASH/present.$1") &&
	ecl-query --at "$last" >"$TRASH/then.$1" &&
	cmp "$TRASH/present.$1" "$TRASH/then.$1"
}

# Read for ${lasts} seconds; anything but the same answers is written to reader.NUMBER.
reader()
{
	end=$((SECONDS + lasts))
	while test $SECONDS -lt $end; do
		past_answers >"$TRASH/answers.$1" || echo "an answer failed"
		cmp "$TRASH/answers" "$TRASH/answers.$1"
		one_moment "$1" || echo "not one moment"
	done >"$TRASH/reader.$1" 2>&1
}

# Readers, and beside them ${1} again and again.
readers_beside()
{
	reader 1 &
	one=$!
	reader 2 &
	two=$!
	while kill -0 $one 2>/dev/null || kill -0 $two 2>/dev/null; do
		"$@" || {
			echo "$* failed"
			return 1
		}
	done
	wait $one $two
	test_cmp /dev/null "$TRASH/reader.1" &&
	test_cmp /dev/null "$TRASH/reader.2"
}

at=1
append_some()
{
	tail -n +$at "$TRASH/more" | head -n 1500 | ecl-append -q && at=$((at + 1500))
}

test_expect_success 'the answers of a ledger without an index' '
	rm -rf "$INDEX" &&
	past_answers >answers &&
	test -s answers &&
	one_moment 0
'

test_expect_success 'the index is made anew under them' '
	ecl-index -q &&
	readers_beside ecl-index -q --rebuild
'

test_expect_success 'removed, and made again' '
	again() { rm -rf "$INDEX" && ecl-index -q; } &&
	readers_beside again
'

test_expect_success 'extended by who appends, and merged' '
	grow() { append_some && append_some && ecl-index -q; } &&
	readers_beside grow &&
	test "$at" -gt 1
'

test_expect_success 'all that at once' '
	{
		end=$((SECONDS + lasts + 1))
		while test $SECONDS -lt $end; do
			ecl-index -q --rebuild
		done
	} >rebuilds 2>&1 &
	rebuilds=$! &&
	readers_beside append_some &&
	wait $rebuilds &&
	test_cmp /dev/null rebuilds &&
	ecl-index --check -q &&
	ecl-verify -q
'

# Elements whose states are larger than what is held of them at a time.
test_expect_success 'large states of many elements come in the order of names' '
	ecl-init "$TRASH/B" &&
	python3 -c "
import random
names = [\"e:%03d\" % i for i in range(70)]
random.Random(3).shuffle(names)
for name in names:
    print(\"{\\\"element\\\":\\\"%s\\\",\\\"state\\\":\\\"%s\\\"}\" % (name, name[2:] * (300000 if name > \"e:005\" else 2)))
" | ecl-append -q -d "$TRASH/B" &&
	ecl-query -d "$TRASH/B" | jq -c "[.element, (.state | length), .state[0:3], .state[-3:]]" >actual &&
	for i in $(seq 0 69); do
		n=$(printf %03d $i)
		test "$i" -gt 5 && len=900000 || len=6
		echo "[\"e:$n\",$len,\"$n\",\"$n\"]"
	done >expect &&
	test_cmp expect actual &&
	ecl-query -d "$TRASH/B" --at 40 | jq -r .element >actual &&
	sort -c actual &&
	test_line_count = 40 actual
'

test_done
