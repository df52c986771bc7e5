#!/usr/bin/env bash
test_description='tables: what people see on a terminal'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

# What a command shows on a terminal of so many columns, without the terminal's carriage returns, in `out'.
on_terminal()
{
	local columns=$1 rc=0

	shift
	python3 "$top_srcdir/t/on-terminal.py" -c "$columns" -o raw "$@" || rc=$?
	tr -d '\r' <raw >out
	return $rc
}

# No line of `out' is wider than so many columns, as a terminal that knows Unicode counts them.
fits()
{
	python3 -c '
import sys, unicodedata
wide = lambda c: 0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
for line in open("out", encoding="utf-8"):
    if sum(map(wide, line.rstrip("\n"))) > int(sys.argv[1]):
        sys.exit("too wide: " + line)' "$1" >&2
}

export ECL_ROOT=$TRASH/L
long=file:/$(printf 'a-directory-%.0s' {1..15})end.conf

# Event 0 is older than a day; the others are of now.
test_expect_success 'a ledger with all that is odd' '
	ecl-init L >/dev/null &&
	ecl-append -q -e interface:eth0 -s "{\"mtu\":1500,\"state\":\"down\",\"address\":{\"ip\":\"10.0.0.1\",\"scope\":\"global\"}}" &&
	ecl-append -q -e interface:eth1 -s "{\"mtu\":1500,\"old\":true}" &&
	ecl-append -q -e "$long" -s "{\"content\":\"$(printf "x%.0s" {1..300})\"}" &&
	ecl-append -q -e service:网络管理器 -s "{\"说明\":\"网络连接管理\",\"🚀\":\"e\\u0301\"}" &&
	ecl-append -q -e service:evil -s "{\"t\":\"\\u001b]0;owned\\u0007\\u202e\"}" &&
	ecl-append -q -e interface:eth0 -s "{\"mtu\":9000,\"state\":\"down\",\"address\":{\"ip\":\"10.0.0.9\",\"scope\":\"global\"}}" &&
	ecl-append -q -e interface:eth1 -s "{\"mtu\":1500,\"new\":1e400}" &&
	ecl-append -q -e interface:eth1 -a restart &&
	ecl-append -q -e interface:eth1 -s "{\"mtu\":1500,\"new\":1e401}" &&
	ecl-append -q -e interface:eth1 -s null
'

test_expect_success 'a history shows what changed' '
	on_terminal 200 ecl-query --history "interface:*" &&
	sed "s/^ *[0-9]* *[0-9:]*, [0-9]* s ago *//; s/^ *seq.*//" out >actual &&
	cat >expect <<-\EOF &&

	interface:eth0  create   + {"address":{"ip":"10.0.0.1","scope":"global"},"mtu":1500,"state":"down"}
	interface:eth1  create   + {"mtu":1500,"old":true}
	interface:eth0  modify   address.ip: "10.0.0.1" -> "10.0.0.9", mtu: 1500 -> 9000
	interface:eth1  modify   + new: 1e400, - old: true
	interface:eth1  restart
	interface:eth1  modify   new: 1e400 -> 1e401
	interface:eth1  delete   - {"mtu":1500,"new":1e401}
	EOF
	test_cmp expect actual
'

test_expect_success 'and so it does backwards, and of one event' '
	on_terminal 200 ecl-query --history --reverse --limit 1 interface:eth1 &&
	test_grep "delete  - {\"mtu\":1500,\"new\":1e401}$" out &&
	on_terminal 200 ecl-query --history --since 9 --until 9 &&
	test_grep "modify  new: 1e400 -> 1e401$" out
'

test_expect_success 'what was is red, what is is green' '
	TERM=xterm on_terminal 200 ecl-query --history --since 6 --until 7 &&
	printf "mtu: \033[31m1500\033[0m -> \033[32m9000\033[0m\n" >expect &&
	grep -o "mtu:.*" out >actual &&
	test_cmp expect actual &&
	printf "\033[32m+ new: 1e400\033[0m, \033[31m- old: true\033[0m\n" >expect &&
	sed "s/\\x1b\[0m\\x1b\[3[12]m//g" out | grep -ao ".\[32m+ .*" >actual &&
	test_cmp expect actual &&
	NO_COLOR=1 TERM=xterm on_terminal 200 ecl-query --history &&
	test_grep ! "$(printf "\033")" out
'

test_expect_success 'no line is wider than the terminal' '
	for columns in 50 80 81 100 132; do
		for question in "" --history --elements --blocks "--history --reverse" "--history interface:eth0"; do
			on_terminal $columns ecl-query $question || test "$question" = --blocks
			fits $columns
		done
	done
'

test_expect_success 'long names keep their beginning and their end' '
	on_terminal 80 ecl-query &&
	test_grep "^file:/.*….*\.conf  " out &&
	test_grep "^interface:eth0  " out &&
	test_grep "^service:网络管理器  " out
'

test_expect_success 'nothing in a state drives the terminal' '
	on_terminal 80 ecl-query --history &&
	LC_ALL=C test_grep ! -P "[\x00-\x09\x0b-\x1f\x7f]|\xe2\x80\xae" out &&
	on_terminal 80 ecl-query --event 5 &&
	LC_ALL=C test_grep ! -P "[\x00-\x09\x0b-\x1f\x7f]|\xe2\x80\xae" out &&
	test_grep owned out
'

test_expect_success 'columns without anything in them are left out' '
	on_terminal 80 ecl-query --history "interface:*" &&
	head -n 1 out >head &&
	test_grep "^ *seq  *time  *element  *action  *state$" head &&
	ecl-append -q -e service:nginx -s 1 --actor "ops" &&
	on_terminal 120 ecl-query --history &&
	head -n 1 out >head &&
	test_grep "^ *seq  *time  *element  *action  *actor  *state$" head
'

test_expect_success 'a column that has something in it only far below comes with new headers' '
	for i in $(seq 1100); do
		echo "{\"element\":\"n:$i\",\"state\":$i}"
	done | ecl-append -q &&
	ecl-append -q -e n:1 -s 0 --cause "at last" &&
	on_terminal 100 ecl-query --history "n:*" &&
	grep -c "^ *seq " out >actual &&
	echo 2 >expect &&
	test_cmp expect actual &&
	tail -n 1 out >last &&
	test_grep "n:1  *modify  at last  1 -> 0$" last
'

test_expect_success 'where there is no room for a column the change stands below' '
	ecl-append -q -e interface:eth7 -s "{\"mtu\":1500}" --actor someone-with-a-name --cause "a reason that takes its room" &&
	ecl-append -q -e interface:eth7 -s "{\"mtu\":9000,\"state\":\"up\",\"a\":[1,2,3]}" --actor someone-with-a-name --cause "CHG-1" &&
	on_terminal 80 ecl-query --history interface:eth7 &&
	tail -n 1 out >actual &&
	echo "    + a: [1,2,3], mtu: 1500 -> 9000, + state: \"up\"" >expect &&
	test_cmp expect actual &&
	fits 80
'

test_expect_success 'a difference has all members that changed, below where they do not fit beside it' '
	on_terminal 60 ecl-query --diff 4 9 "interface:*" &&
	cat >expect <<-\EOF &&
	element         change  seq  state
	interface:eth0  modify    6
	    address.ip: "10.0.0.1" -> "10.0.0.9"
	    mtu: 1500 -> 9000
	interface:eth1  modify    9  + new: 1e401, - old: true
	EOF
	test_cmp expect out &&
	on_terminal 60 ecl-query --diff 9 10 &&
	test_grep "^interface:eth1  delete   10  - {\"mtu\":1500,\"new\":1e401}$" out &&
	on_terminal 80 ecl-query --diff 0 5 "$long" &&
	fits 80 &&
	tr -d " \n" <out >joined &&
	test_grep "+content:\"x\{300\}\"$" joined &&
	TERM=xterm on_terminal 80 ecl-query --diff 4 9 interface:eth1 &&
	test_grep "$(printf "\033\[33mmodify\033\[0m")" out &&
	on_terminal 80 ecl-query --diff 4 --reverse --limit 1 &&
	fits 80
'

test_expect_success 'times of the last day have their age, others their date' '
	ecl-init --time 2025-11-21T10:00:00Z old >/dev/null &&
	now=$(date +%s) &&
	for age in 90000 7500 180 0; do
		time=$(date -u -d @$((now - age)) +%Y-%m-%dT%H:%M:%SZ) &&
		echo "{\"element\":\"a:$age\",\"state\":1,\"time\":\"$time\"}"
	done | ecl-append -d old -q --keep-time &&
	on_terminal 80 env TZ=Asia/Kathmandu ecl-query -d old "a:*" &&
	test_grep "^a:90000  .*  $(TZ=Asia/Kathmandu date -d @$((now - 90000)) "+%Y-%m-%d %H:%M:%S")$" out &&
	test_grep "^a:7500  .*  $(TZ=Asia/Kathmandu date -d @$((now - 7500)) +%H:%M:%S), 2 h ago$" out &&
	test_grep "^a:180  .*  $(TZ=Asia/Kathmandu date -d @$((now - 180)) +%H:%M:%S), 3 min ago$" out &&
	test_grep "^a:0  .*  $(TZ=Asia/Kathmandu date -d @$now +%H:%M:%S), [0-9]* s ago$" out &&
	on_terminal 80 ecl-query -d old --event 0 &&
	test_grep "^time     2025-11-21 10:00:00 ([0-9]* [a-z]* ago)$" out &&
	on_terminal 80 ecl-query -d old --stat &&
	test_grep "^last       .* ([0-9]* s ago)$" out
'

test_done
