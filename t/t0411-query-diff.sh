#!/usr/bin/env bash
test_description='ecl-query --diff: what differs between two moments'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

python3 "$top_srcdir/t/make-ledger.py" "$TRASH/L" 1000 --segment 300 --block 150 || test_bail 'no ledger'
cat L/live/.ecl/log/*.ndjson >all
export ECL_ROOT=$TRASH/L

oracle()
{
	python3 "$top_srcdir/t/oracle.py" "$@" <all
}

# Between the seqs $1 and $2, for the GLOBs that follow.
same_diff()
{
	local a=$1 b=$2
	shift 2
	oracle diff $((a + 1)) $((b + 1)) "$@" >expect
	ecl-query --diff $a $b -- "$@" >out && test_cmp expect out
}

# Pairs, both ways round, near and far.
pairs()
{
	python3 -c "
import random
rng = random.Random(5)
for i in range($1):
    a = rng.randrange(1000)
    print(a, min(999, max(0, a + rng.choice((-1, 0, 1, -7, 12, -300, 300)))) if i % 2 else rng.randrange(1000))"
}

every_pair()
{
	local a b
	pairs 10 >pairs
	while read -r a b; do
		same_diff $a $b "$@" || return 1
	done <pairs
}

test_expect_success 'between any two moments, in either direction' '
	every_pair &&
	same_diff 0 999 && test -s out &&
	same_diff 999 0 && test -s out
'

test_expect_success 'the same for patterns' '
	every_pair "interface:*" "*5*" &&
	every_pair "*" "ecl:*" &&
	every_pair "ecl:block"
'

test_expect_success 'the same for names' '
	every_pair interface:eth1 service:s07 "with spaces" &&
	every_pair "file:/a\"b\\c" "file:/a\\*" ecl:block
'

test_expect_success 'without an index, with one, with one that is behind' '
	cp -a L N && rm -rf N/live/.ecl/index &&
	cp -a L I && ecl-index -d I -q &&
	python3 "$top_srcdir/t/make-ledger.py" "$TRASH/S" 700 --segment 300 --block 150 &&
	ecl-index -d S -q && cp -a L B && cp -a S/live/.ecl/index B/live/.ecl/ &&
	for root in N I B; do
		(ECL_ROOT=$TRASH/$root && every_pair && every_pair "file:*" && every_pair service:s01) || return 1
	done
'

test_expect_success 'B is now where it is left out' '
	oracle diff 501 1000 >expect &&
	ecl-query --diff 500 >out &&
	test_cmp expect out &&
	ecl-query --diff=500 >out &&
	test_cmp expect out &&
	oracle diff 501 1000 "service:*" >expect &&
	ecl-query --diff 500 "service:*" >out &&
	test_cmp expect out
'

test_expect_success 'B is the next word where it can be a WHEN' '
	oracle diff 501 601 "file:*" | head -n 3 >expect &&
	test_line_count = 3 expect &&
	ecl-query --diff 500 600 --limit 3 "file:*" >out &&
	test_cmp expect out &&
	ecl-query --diff=500 600 --limit 3 "file:*" >out &&
	test_cmp expect out &&
	ecl-query --limit 3 --diff 500 600 -- "file:*" >out &&
	test_cmp expect out &&
	oracle diff 301 601 >expect &&
	ecl-query --diff block-1 600 >out &&
	test_cmp expect out &&
	ecl-query --diff "$(sed -n 301p all | jq -r .time)" "$(sed -n 601p all | jq -r .time)" >out &&
	test_cmp expect out
'

test_expect_success 'a name that could be a WHEN stands behind --' '
	ecl-init W >/dev/null &&
	ecl-append -d W -q -e 1 -s 5 &&
	ecl-append -d W -q -e a:b -s 6 &&
	ecl-append -d W -q -e 1 -s 7 &&
	ecl-query -d W --diff 0 -- 1 >out &&
	echo "{\"element\":\"1\",\"change\":\"create\",\"before\":null,\"after\":7,\"seq\":3}" >expect &&
	test_cmp expect out &&
	ecl-query -d W --diff 0 1 >out &&
	echo "{\"element\":\"1\",\"change\":\"create\",\"before\":null,\"after\":5,\"seq\":1}" >expect &&
	test_cmp expect out
'

test_expect_success 'created, modified, deleted; and the other way round' '
	ecl-append -d W -q -e 1 -s null &&
	ecl-query -d W --diff 3 4 >out &&
	echo "{\"element\":\"1\",\"change\":\"delete\",\"before\":7,\"after\":null,\"seq\":4}" >expect &&
	test_cmp expect out &&
	ecl-query -d W --diff 4 3 >out &&
	echo "{\"element\":\"1\",\"change\":\"create\",\"before\":null,\"after\":7,\"seq\":3}" >expect &&
	test_cmp expect out &&
	ecl-query -d W --diff 3 0 1 >out &&
	echo "{\"element\":\"1\",\"change\":\"delete\",\"before\":7,\"after\":null,\"seq\":null}" >expect &&
	test_cmp expect out
'

test_expect_success 'there and back again, or touched only: no difference' '
	ecl-append -d W -q -e a:b -s 8 &&
	ecl-append -d W -q -e a:b -s 6 &&
	ecl-append -d W -q -e a:b -a restart &&
	ecl-query -d W --diff 4 >out &&
	test_cmp /dev/null out &&
	ecl-query -d W --diff 6 7 a:b >out &&
	test_cmp /dev/null out
'

test_expect_success 'no difference is an answer: exit 0' '
	ecl-query --diff 500 500 >out &&
	ecl-query --diff 500 500 service:s01 >>out &&
	ecl-query --diff 500 501 "no:*" >>out &&
	ecl-query --diff 500 501 no:such >>out &&
	ecl-query --diff 0 --actor nobody >>out &&
	test_cmp /dev/null out
'

test_expect_success 'filters: the event that made it what it is' '
	oracle diff 201 801 >all-of-it &&
	ecl-query --diff 200 800 --since 700 --until 750 >out &&
	jq -c "select(.seq >= 700 and .seq <= 750) | .seq" all-of-it >expect &&
	jq -c .seq out >actual &&
	test -s expect && test_cmp expect actual &&
	for action in create modify delete; do
		jq --arg a $action "select(.action == \$a) | .seq" all >by
		ecl-query --diff 200 800 --action $action | jq .seq >actual
		jq .seq all-of-it | grep -Fxf by >expect
		test -s expect
		test_cmp expect actual || return 1
	done &&
	jq "select(.actor == \"ansible\") | .seq" all >by &&
	ecl-query --diff 200 800 --actor ansible "*" | jq .seq >actual &&
	jq .seq all-of-it | grep -Fxf by >expect &&
	test -s expect && test_cmp expect actual &&
	ecl-query --diff 800 0 --since 1 >out &&
	test_cmp /dev/null out
'

test_expect_success '--limit and --reverse' '
	oracle diff 201 801 | tac | head -n 4 >expect &&
	ecl-query --diff 200 800 --reverse --limit 4 >out &&
	test_cmp expect out
'

test_expect_success 'tab-separated: element, change, before, after, seq' '
	ecl-query --diff 200 800 --format tsv >out &&
	awk -F "\t" "NF != 5 { exit 1 }" out &&
	cut -f 1,2,5 out >actual &&
	oracle diff 201 801 | jq -r "[.element, .change, (.seq | tostring)] | join(\"\t\")" >expect &&
	test_cmp expect actual &&
	ecl-query -d W --diff 0 1 --format tsv >out &&
	printf "1\tcreate\t\t5\t1\n" >expect &&
	test_cmp expect out
'

test_expect_success 'a table has a line for each' '
	ecl-query --diff 200 800 --table >out &&
	test_line_count = $(($(oracle diff 201 801 | wc -l) + 1)) out
'

# More than are sorted one by one.
test_expect_success 'thousands of elements' '
	ecl-init T >/dev/null &&
	python3 -c "
for k in range(3):
    for i in range(3000):
        if i % 3 == k or k == 0:
            print(\"{\\\"element\\\":\\\"k%d:e%d\\\",\\\"state\\\":%s}\" % (i * 7 % 5, i, k if k == 0 or i % 4 != 1 else \"null\"))
        if k == 0 and i % 4 < 2:
            print(\"{\\\"element\\\":\\\"k%d:e%d\\\",\\\"action\\\":\\\"restart\\\"}\" % (i * 7 % 5, i))" >in &&
	ecl-append -d T -q <in &&
	cat T/live/.ecl/log/*.ndjson >all.T &&
	for pair in "0 4500" "4500 100" "3000 5000" "2999 3100" "4500 6400" "6400 4500"; do
		set -- $pair
		ecl-query -d T --diff $1 $2 >out &&
		python3 "$top_srcdir/t/oracle.py" diff $(($1 + 1)) $(($2 + 1)) <all.T >expect &&
		test -s expect && test_cmp expect out || return 1
		ecl-query -d T --diff $1 $2 "k3:*7" >out &&
		python3 "$top_srcdir/t/oracle.py" diff $(($1 + 1)) $(($2 + 1)) "k3:*7" <all.T >expect &&
		test_cmp expect out || return 1
	done
'

test_expect_success 'what is wrong with the command line' '
	test_expect_code 2 ecl-query --diff 2>err &&
	test_expect_code 2 ecl-query --diff nonsense 2>err &&
	test_grep "nonsense" err &&
	test_expect_code 2 ecl-query --diff 1000 &&
	test_expect_code 2 ecl-query --diff 1 block-77 &&
	test_expect_code 2 ecl-query --diff 1 --at 3 2>err &&
	test_grep "^ecl-query: .--at. does not go with .--diff.$" err &&
	test_expect_code 2 ecl-query --diff 1 --history &&
	test_expect_code 2 ecl-query --diff 1 --format state
'

test_done
