#!/usr/bin/env bash
test_description='ecl-verify beside writers, snapshots, rollbacks and the index: no false alarm (t/perf/soak, for minutes)'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

test_btrfs # whether one can be had at all
seconds=$((ECL_TEST_LONG ? 60 : 12))
test_expect_success BTRFS "$seconds seconds, on two ledgers" '
	TMPDIR=$TRASH SOAK_ROUND=$((seconds / 2)) "$top_srcdir/t/perf/soak" $seconds >out
	cat out
	tail -n 1 out >last
	test_grep "[1-9][0-9]* checks in [0-9]* s: 0 false alarms; 0 failures of others" last
	for work in one flood snap rollback index verify quick pipe reader; do
		test_grep "^$work  *[1-9]" out
	done
'

test_done
