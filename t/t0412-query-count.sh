#!/usr/bin/env bash
test_description='ecl-query --count-by: how many events'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

python3 "$top_srcdir/t/make-ledger.py" "$TRASH/L" 1000 --segment 300 --block 150 || test_bail 'no ledger'
cat L/live/.ecl/log/*.ndjson >all
export ECL_ROOT=$TRASH/L
KEYS='element kind action actor hour day'

# The key and GLOBs.
same_count()
{
	local key=$1
	shift
	python3 "$top_srcdir/t/oracle.py" count $key "$@" <all >expect
	ecl-query --count-by $key "$@" >out && test_cmp expect out
}

every_key()
{
	local key
	for key in $KEYS; do
		same_count $key "$@" || return 1
	done
}

test_expect_success 'by each key' '
	every_key && test -s out
'

test_expect_success 'of patterns and names' '
	every_key "interface:*" "*5*" &&
	every_key "*" "ecl:*" &&
	every_key ecl:block &&
	every_key service:s01 "with spaces" service:s02 &&
	test_expect_code 1 ecl-query --count-by kind "no:*" >out &&
	test_cmp /dev/null out
'

test_expect_success 'with an index, and with one that is behind' '
	cp -a L I && ecl-index -d I -q &&
	python3 "$top_srcdir/t/make-ledger.py" "$TRASH/S" 700 --segment 300 --block 150 &&
	ecl-index -d S -q && cp -a L B && cp -a S/live/.ecl/index B/live/.ecl/ &&
	for root in I B; do
		(ECL_ROOT=$TRASH/$root && every_key && every_key "file:*") || return 1
	done
'

test_expect_success 'filters: --since, --until, --action, --actor' '
	sed -n 301,801p all >some
	for key in $KEYS; do
		python3 "$top_srcdir/t/oracle.py" count $key <some >expect &&
		ecl-query --count-by $key --since 300 --until 800 >out &&
		test_cmp expect out || return 1
		for action in delete restart; do
			jq -c "select(.action == \"$action\")" some | python3 "$top_srcdir/t/oracle.py" count $key >expect
			test -s expect &&
			ecl-query --count-by $key --since 300 --until 800 --action $action >out &&
			test_cmp expect out || return 1
		done
		jq -c "select(.actor == \"tab\\there\")" some | python3 "$top_srcdir/t/oracle.py" count $key "file:*" >expect
		test -s expect &&
		ecl-query --count-by $key --since 300 --until 800 --actor "tab	here" "file:*" >out &&
		test_cmp expect out || return 1
	done
'

test_expect_success '--limit and --reverse' '
	for key in $KEYS; do
		python3 "$top_srcdir/t/oracle.py" count $key <all >expect
		ecl-query --count-by $key --limit 2 >out &&
		head -n 2 expect >head && test_cmp head out &&
		ecl-query --count-by $key --reverse --limit 3 >out &&
		tac expect | head -n 3 >tail && test_cmp tail out || return 1
	done
'

# An actor in a state or in meta is none.
test_expect_success 'who did it is not read out of states' '
	ecl-init --time 2026-03-01T10:00:00Z W >/dev/null &&
	cat >in <<-\EOF &&
	{"element":"a","state":{"actor":"x","b":[1,"}"]},"time":"2026-03-01T22:59:59Z"}
	{"element":"a","state":"\",\"actor\":\"y\"","actor":"z","time":"2026-03-01T23:00:00Z"}
	{"element":"b:c:d","state":[["]"]],"meta":{"actor":"m"},"time":"2026-03-02T01:30:00Z"}
	{"element":"b","action":"restart","actor":"\\\"","time":"2026-03-02T01:59:59.999999Z"}
	{"element":"b:","state":-1,"actor":"z","time":"2026-03-02T02:00:00Z"}
	EOF
	ecl-append -d W -q --keep-time <in &&
	ecl-query -d W --count-by actor >out &&
	cat >expect <<-\EOF &&
	{"actor":null,"count":2}
	{"actor":"z","count":2}
	{"actor":"\\\"","count":1}
	EOF
	test_cmp expect out &&
	ecl-query -d W --history --actor z | jq .seq >out &&
	printf "2\n5\n" >expect &&
	test_cmp expect out &&
	ecl-query -d W --count-by kind >out &&
	cat >expect <<-\EOF &&
	{"kind":"b","count":3}
	{"kind":"a","count":2}
	EOF
	test_cmp expect out
'

test_expect_success 'hours and days: UTC here, local in a table; empty ones are left out' '
	ecl-query -d W --count-by hour >out &&
	cat >expect <<-\EOF &&
	{"hour":"2026-03-01T22:00:00Z","count":1}
	{"hour":"2026-03-01T23:00:00Z","count":1}
	{"hour":"2026-03-02T01:00:00Z","count":2}
	{"hour":"2026-03-02T02:00:00Z","count":1}
	EOF
	test_cmp expect out &&
	TZ=Asia/Kathmandu ecl-query -d W --count-by hour >out &&
	test_cmp expect out &&
	TZ=Asia/Kathmandu ecl-query -d W --count-by hour --format tsv >out &&
	head -n 1 out >actual && printf "2026-03-01T22:00:00Z\t1\n" >expect && test_cmp expect actual &&
	TZ=Asia/Kathmandu ecl-query -d W --count-by hour --table >out &&
	awk "NR > 1 { print \$1, \$2, \$3 }" out >actual &&
	cat >expect <<-\EOF &&
	2026-03-02 04:00 2
	2026-03-02 07:00 3
	EOF
	test_cmp expect actual &&
	ecl-query -d W --count-by day >out &&
	printf "{\"day\":\"2026-03-01\",\"count\":2}\n{\"day\":\"2026-03-02\",\"count\":3}\n" >expect &&
	test_cmp expect out &&
	TZ=America/New_York ecl-query -d W --count-by day --table | awk "NR > 1 { print \$1, \$2 }" >actual &&
	echo "2026-03-01 5" >expect &&
	test_cmp expect actual
'

# Far more events without one of the usual actions than are read one by one, behind some that have.
test_expect_success 'by action, where most are none of the usual' '
	ecl-init R >/dev/null &&
	python3 -c "
for i in range(9000):
    print(\"{\\\"element\\\":\\\"e:%d\\\",\\\"action\\\":\\\"%s\\\"}\" % (i % 50, (\"start\", \"stop\")[i % 3 == 0]) if i % 10 else \"{\\\"element\\\":\\\"f\\\",\\\"state\\\":%d}\" % i)" >in &&
	ecl-append -d R -q <in &&
	cat R/live/.ecl/log/*.ndjson | python3 "$top_srcdir/t/oracle.py" count action >expect &&
	ecl-query -d R --count-by action >out &&
	test_cmp expect out
'

test_expect_success 'what is wrong with the command line' '
	test_expect_code 2 ecl-query --count-by 2>err &&
	test_expect_code 2 ecl-query --count-by colour 2>err &&
	test_grep "takes element, kind, action, actor, hour or day, not .colour." err &&
	test_expect_code 2 ecl-query --count-by kind --at 3 &&
	test_expect_code 2 ecl-query --count-by kind --diff 3
'

test_done
