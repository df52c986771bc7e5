#!/usr/bin/env bash
test_description='--json works on every option of every program, errors included; without it a terminal gets tables'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

# Every line of $1, and there is one, is an object.
is_json()
{
	test -s "$1" && jq -e -R -s 'rtrimstr("\n") | split("\n") | map(fromjson | type == "object") | all' "$1" >/dev/null || {
		echo "not NDJSON: $1" >&2
		cat "$1" >&2
		return 1
	}
}

# What a command shows on a terminal, in `out'.
on_terminal()
{
	local rc=0

	python3 "$top_srcdir/t/on-terminal.py" -f 1 -o raw "$@" 2>err || rc=$?
	tr -d '\r' <raw >out
	return $rc
}

# The command fails with code $1 and says so once in JSON, with that code.
fails_in_json()
{
	local code=$1

	shift
	test_expect_code "$code" "$@" >out 2>err
	grep '^{"error":' err >error
	test_line_count = 1 error
	test "$(jq .code error)" = "$code"
	test "$(jq -r .error error)" = "$(head -n 1 err | sed 's/^[a-z-]*: //')"
}

questions=("" "--at 4" "--history" "--history --reverse" "--event 2" "--elements" "--blocks" "--stat" "--layer" "--layer --at 3" "--names elements"
	"--names blocks" "--limit 1" "--reverse" "--history --since 2 --until 4" "--history --action modify"
	"--diff 0" "--diff 3 1" "--count-by kind")

export ECL_ROOT=$TRASH/L

test_expect_success 'a ledger' '
	on_terminal ecl-init --json L &&
	is_json out &&
	printf "%s\n" "{\"element\":\"a:1\",\"state\":{\"x\":1}}" "{\"element\":\"a:2\",\"state\":\"\\u001b[1m \\\" \\t\"}" \
		"{\"element\":\"a:1\",\"state\":{\"x\":1e400}}" >in &&
	on_terminal ecl-append --json in &&
	is_json out &&
	test_line_count = 3 out &&
	on_terminal ecl-snap --json &&
	is_json out &&
	ecl-append --json -e a:3 -s 3 >out &&
	is_json out
'

test_expect_success 'all questions, into a pipe and on a terminal' '
	for question in "${questions[@]}"; do
		ecl-query $question >plain
		ecl-query --json $question >pipe
		is_json pipe
		test_cmp plain pipe || test "${question%% *}" = --names
		on_terminal ecl-query --json $question
		test_cmp pipe out
		on_terminal ecl-query --format json $question || test "${question%% *}" = --names
		test_cmp pipe out || test "${question%% *}" = --names
	done
'

test_expect_success 'without it a terminal gets tables' '
	for question in "${questions[@]}"; do
		on_terminal ecl-query $question
		test_grep ! "^{\"" out
		COLUMNS=80 ecl-query --table $question | cat >actual
		sed "s/[0-9]* \(s\|min\) ago/AGE/g; s/  */ /g" out >expect
		sed "s/[0-9]* \(s\|min\) ago/AGE/g; s/  */ /g" actual >actual.age
		test_cmp expect actual.age
	done
'

test_expect_success 'names are objects with it, and plain without' '
	ecl-query --json --names elements a >out &&
	printf "{\"name\":\"a:%s\"}\n" 1 2 3 >expect &&
	test_cmp expect out &&
	ecl-query --names elements a >out &&
	printf "a:%s\n" 1 2 3 >expect &&
	test_cmp expect out &&
	on_terminal ecl-query --names elements a &&
	test_cmp expect out
'

test_expect_success 'of --json, --table and --format the last one counts' '
	ecl-query --json --table >out &&
	test_grep "^element  *state" out &&
	ecl-query --table --json >out &&
	is_json out &&
	ecl-query --format table --json >out &&
	is_json out &&
	ecl-query --table --format json >out &&
	is_json out &&
	ecl-query --json --format tsv a:3 >out &&
	test_grep "^a:3	3	" out &&
	ecl-query --format tsv --table >out &&
	test_grep "^element  *state" out &&
	ecl-query --json --format state >out &&
	test_grep "^a:3	3$" out
'

test_expect_success 'the other programs' '
	for command in "ecl-snap --list" "ecl-snap --path block-0" "ecl-snap --if-changed" "ecl-verify" "ecl-index" "ecl-replay" \
		"ecl-rollback --dry-run block-0" "ecl-append -n in" "ecl-rollback --yes block-0"; do
		on_terminal $command --json || on_terminal ${command%% *} --json ${command#* }
		is_json out
	done
	test "$(ecl-snap --json --path block-0 | jq -r .path)" = "$(ecl-snap --path block-0)"
'

test_expect_success 'errors of usage, wherever the option stands' '
	for program in append index init query replay rollback snap verify; do
		fails_in_json 2 ecl-$program --json --no-such-option
		fails_in_json 2 ecl-$program --no-such-option --json
		fails_in_json 2 ecl-$program --json --wait x
	done
	fails_in_json 2 ecl-query --json --history --at 3 &&
	fails_in_json 2 ecl-query --json --format yaml &&
	fails_in_json 2 ecl-query --json --names files
'

test_expect_success 'errors of the ledger' '
	for program in append index query replay snap verify "rollback --yes block-0"; do
		set -- $program
		program=$1
		shift
		fails_in_json 2 ecl-$program --json -d nowhere "$@" </dev/null
	done
	fails_in_json 2 ecl-query --json --at block-77 &&
	fails_in_json 1 ecl-append --json --expect 0 -e a:1 -s 9 &&
	echo "{" >bad &&
	fails_in_json 2 ecl-append --json bad &&
	exec 9<>L/lock &&
	test_when_finished "exec 9>&-" &&
	flock 9 &&
	fails_in_json 75 ecl-append --json --wait 0 -e a:1 -s 9
'

test_expect_success 'errors of the output' '
	code=0 &&
	ecl-query --json >/dev/full 2>err || code=$? &&
	test $code = 2 &&
	grep "^{\"error\":" err >error &&
	is_json error &&
	test_line_count = 1 error
'

test_expect_success 'warnings' '
	echo "{\"element\":\"a:4\",\"state\":1}" >mixed &&
	echo "{" >>mixed &&
	test_expect_code 1 ecl-append --json --rejects rejected mixed >out 2>err &&
	grep "^{" err >warnings &&
	is_json warnings &&
	test_grep "^{\"warning\":\"mixed:2:" warnings
'

test_done
