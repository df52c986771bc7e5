#!/bin/bash
test_description='the playbook, run by the real ansible-playbook'
. "${0%/*}/test-lib.sh"

command -v jq >/dev/null || test_bail 'jq is missing'
if ! command -v ansible-playbook >/dev/null; then
	test -z "${ECL_TEST_BTRFS-}" || test_bail 'ansible-playbook is missing'
	skip_all='ansible-playbook is missing'
	test_done
fi

# ansible insists on UTF-8, and leaves its temporary files where HOME is.
export LC_ALL=C.UTF-8 ANSIBLE_NOCOLOR=1 ANSIBLE_RETRY_FILES_ENABLED=0 ANSIBLE_STDOUT_CALLBACK=json ANSIBLE_PYTHON_INTERPRETER=auto_silent
export ANSIBLE_PIPELINING=1 ANSIBLE_DEPRECATION_WARNINGS=0 ANSIBLE_LOCALHOST_WARNING=0 ANSIBLE_NOCOWS=1

cat >many.yml <<\EOF2 || exit
ecl_cause: CHG-1042
ecl_events:
  - {element: "interface:eth0", state: {mtu: 9000, up: true, note: "it's \"quoted\", {'braced'} ü"}}
  - {element: "service:nginx", state: {enabled: true}}
  - {element: "interface:eth1", state: {mtu: 1500}}
EOF2
cat >one.yml <<\EOF2 || exit
ecl_events: [{element: "interface:eth0", state: {mtu: 1500}}]
EOF2

# play FILE [OPTION...]: run the playbook with these variables; the results are in `out', its exit code is ours.
play()
{
	local rc=0 vars=$1

	shift
	ansible-playbook -i localhost, -c local -e ecl_root="$TRASH/R" -e @"$vars" "$@" "$top_srcdir/scripts/ansible/ecl.yml" >out 2>err || rc=$?
	cat out err >&2
	return $rc
}

# result TASK: what it came to, as ansible counts.
result()
{
	jq -r --arg task "$1" '[.plays[].tasks[] | select(.task.name == $task) | .hosts.localhost] |
		if length != 1 then "absent" else .[0] |
			if .failed then "failed" elif .skipped then "skipped" elif .changed then "changed" else "ok" end end' out
}
recap()
{
	jq -r '.stats.localhost | "ok \(.ok - .changed) changed \(.changed) failed \(.failures)"' out
}

test_expect_success 'check mode without a ledger: says that it would make one, and makes none' '
	play many.yml --check &&
	! test -e R &&
	test "$(result "Record the events")" = skipped
'

test_expect_success 'the first run makes the ledger and records: changed' '
	play many.yml &&
	test "$(result "Make the ledger")" = changed &&
	test "$(result "Record the events")" = changed &&
	test "$(result "Make a block of what was recorded")" = ok &&
	ecl-query -d R >state && test_line_count = 3 state &&
	ecl-query -d R --history "interface:eth0" >events && test_line_count = 1 events &&
	jq -e ".actor == \"ansible\" and .cause == \"CHG-1042\" and .state.mtu == 9000 and .state.up == true" events &&
	jq -e ".state.note == \"it'\''s \\\"quoted\\\", {'\''braced'\''} ü\"" events &&
	ecl-query -d R --blocks >blocks && test_line_count = 1 blocks
'

test_expect_success 'the second run finds nothing to do: ok, and no event, no block' '
	cp R/live/.ecl/log/*.ndjson before &&
	play many.yml &&
	test "$(recap)" = "ok 4 changed 0 failed 0" &&
	cmp before R/live/.ecl/log/*.ndjson
'

test_expect_success 'check mode: says what would be recorded, here of a single event, and records nothing' '
	play one.yml --check &&
	test "$(result "Record the events")" = changed &&
	jq -r ".plays[].tasks[] | select(.task.name == \"Record the events\") | .hosts.localhost.stdout" out >plan &&
	jq -e ".element == \"interface:eth0\" and .action == \"modify\" and .state.mtu == 1500" plan &&
	cmp before R/live/.ecl/log/*.ndjson
'

test_expect_success 'a bad event fails the play with the place in the message' '
	echo "{\"ecl_events\":[{\"element\":\"a:b\",\"state\":1},{\"element\":\"a:c\",\"stat\":1}]}" >bad.yml &&
	test_expect_code 2 play bad.yml &&
	test "$(result "Record the events")" = failed &&
	jq -r ".plays[].tasks[] | select(.task.name == \"Record the events\") | .hosts.localhost.stderr" out >said &&
	grep "ecl-append: -:2:20: unknown member" said
'

test_expect_success 'a tampered ledger fails the play before anything is recorded' '
	cp -a R S && sed -i "s/\"mtu\":9000/\"mtu\":9001/" R/live/.ecl/log/*.ndjson &&
	cp R/live/.ecl/log/*.ndjson before &&
	test_expect_code 2 play many.yml &&
	test "$(result "Verify that nothing in it was altered")" = failed &&
	test "$(result "Record the events")" = absent &&
	jq -r ".plays[].tasks[] | select(.task.name | startswith(\"Verify\")) | .hosts.localhost.stdout_lines[]" out >findings &&
	jq -e -s ".[0].class == \"corrupt\" and .[0].seq == 1" findings &&
	cmp before R/live/.ecl/log/*.ndjson
'

test_done
