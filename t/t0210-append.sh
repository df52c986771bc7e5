test_description='ecl-append: what is recorded, and what is printed'
. "${0%/*}/test-lib.sh"

test_btrfs
root=$TRASH/root
test ! -d btrfs || root=$TRASH/btrfs/root
export ECL_ROOT=$root

# The members that must be there in this order, and nothing else.
shape()
{
	jq -r 'keys_unsorted | join(" ")' "$@"
}

test_expect_success 'a root' 'ecl-init "$root" >/dev/null'

test_expect_success 'an observation is a create, then nothing, then a modify, then a delete, then nothing' '
	append() { printf "%s\n" "$1" | ecl-append; }
	append "{\"element\":\"if:eth0\",\"state\":{\"mtu\":1500}}" >1
	append "{\"element\":\"if:eth0\",\"state\":{ \"mtu\" : 1500 }}" >2
	append "{\"element\":\"if:eth0\",\"state\":{\"mtu\":9000}}" >3
	append "{\"element\":\"if:eth0\",\"state\":null}" >4
	append "{\"element\":\"if:eth0\",\"state\":null}" >5
	append "{\"element\":\"if:eth0\",\"state\":{\"mtu\":1}}" >6
	test_line_count = 0 2
	test_line_count = 0 5
	cat 1 3 4 6 | jq -r .action >have
	printf "%s\n" create modify delete create >want
	test_cmp want have
	cat 1 3 4 6 | jq -c .parent >have
	printf "%s\n" null 1 2 3 >want
	test_cmp want have
	grep -c "\"state\":null" 4
'

test_expect_success 'what is printed is what stands in the log' '
	cat 1 3 4 6 >want
	ecl-replay --from 1 >have
	test_cmp want have
'

test_expect_success 'members stand in the order of the contract' '
	echo "{\"cause\":\"c\",\"vector\":[1,-0.5],\"meta\":{\"b\":1,\"a\":[]},\"actor\":\"me\",\"state\":[],\"action\":\"modify\",\"element\":\"x:y\"}" |
		ecl-append >out
	echo "seq time element action state actor cause meta vector uid parent prev hash" >want
	shape out | sed "s/ login//" >have
	test_cmp want have
	test_grep "\"meta\":{\"a\":\[\],\"b\":1}" out
	test_grep "\"vector\":\"AACAPwAAAL8=\"" out
	test "$(jq .uid out)" = "$(id -u)"
'

test_expect_success 'an explicit action is recorded as given, also without a change' '
	ecl-append -e service:nginx -a restart >out
	test_grep ! "\"state\"" out
	ecl-append -e service:nginx -a restart >out
	test_line_count = 1 out
	ecl-append -e service:nginx -a modify -s 1 >out
	ecl-append -e service:nginx -a modify -s 1 >out
	test_line_count = 1 out
	ecl-append -e service:nginx -a reload >out
	ecl-append -e service:nginx -s 1 >out
	test_line_count = 0 out
	ecl-append -e service:nginx -a delete >out
	test_grep "\"state\":null" out
'

test_expect_success 'what is canonically equal is equal; 1 and 1.0 are not' '
	echo "{\"element\":\"c:1\",\"state\":{\"b\":\"\\u00e9\\/\",\"a\":1}}" | ecl-append >out
	test_grep "\"state\":{\"a\":1,\"b\":\"é/\"}" out
	echo "{\"element\":\"c:1\",\"state\":{\"a\":1,\"b\":\"é/\"}}" | ecl-append >out
	test_line_count = 0 out
	echo "{\"element\":\"c:1\",\"state\":{\"a\":1.0,\"b\":\"é/\"}}" | ecl-append >out
	test_line_count = 1 out
	echo "{\"element\":\"c:2\",\"state\":[18446744073709551615,1e400,-0,1E+5]}" | ecl-append >out
	test_grep -F "[18446744073709551615,1e400,-0,1E+5]" out
	ecl-query c:2 | grep -F "[18446744073709551615,1e400,-0,1E+5]"
'

test_expect_success 'several changes of one element in one input are one chain' '
	for i in 1 2 2 3 null 4; do echo "{\"element\":\"m:1\",\"state\":$i}"; done | ecl-append >out
	jq -c "[.action,.state]" out >have
	printf "%s\n" "[\"create\",1]" "[\"modify\",2]" "[\"modify\",3]" "[\"delete\",null]" "[\"create\",4]" >want
	test_cmp want have
	jq -s -e ". as \$e | [range(1; length)] | all(\$e[.].parent == \$e[. - 1].seq)" out
'

test_expect_success 'ecl output is ecl input: seq, time, hashes are dropped' '
	ecl-query >state
	ecl-append <state >out
	test_line_count = 0 out
	ecl-init "$root.2" >/dev/null
	ecl-append -q -d "$root.2" <state
	ecl-query --format=state >a
	ecl-query -d "$root.2" --format=state >b
	test_cmp a b
'

test_expect_success 'defaults are for events that lack them' '
	printf "%s\n" "{\"element\":\"d:1\",\"state\":1}" "{\"element\":\"d:2\",\"state\":1,\"actor\":\"bob\"}" |
		ecl-append --actor "anna \"x\"" --cause CHG-1 >out
	jq -r "[.actor,.cause]|join(\",\")" out >have
	printf "%s\n" "anna \"x\",CHG-1" "bob,CHG-1" >want
	test_cmp want have
'

test_expect_success '--dry-run tells what would be recorded and records nothing' '
	ecl-replay | sha256sum >before
	printf "%s\n" "{\"element\":\"d:1\",\"state\":2}" "{\"element\":\"d:1\",\"state\":3}" "{\"element\":\"d:2\",\"state\":1}" |
		ecl-append -n >out
	jq -c .action out >have
	printf "\"modify\"\n\"modify\"\n" >want
	test_cmp want have
	ecl-replay | sha256sum >after
	test_cmp before after
'

test_expect_success 'ecl-append -q prints nothing' '
	ecl-append -q -e q:1 -s 1 >out 2>err
	test_line_count = 0 out
	test_line_count = 0 err
'

test_expect_success '--expect records only behind that event' '
	last=$(ecl-query --stat | jq .events)
	last=$((last - 1))
	test_expect_code 1 ecl-append --expect $((last - 1)) -e x:1 -s 1 2>err
	test_grep "the last event is $last" err
	ecl-append --expect $last -e x:1 -s 1 >out
	test_line_count = 1 out
	test_expect_code 1 ecl-append --expect $last -e x:1 -s 2
	test_expect_code 2 ecl-append --expect -1 -e x:1 -s 2
'

test_expect_success '--keep-time takes the times of the input, never backwards' '
	ecl-init --time 2020-01-01T00:00:00Z "$root.t" >/dev/null
	printf "%s\n" "{\"element\":\"a:1\",\"state\":1,\"time\":\"2020-01-01T01:00:00+01:00\"}" \
		"{\"element\":\"a:1\",\"state\":2,\"time\":\"2020-01-01T00:00:00.5Z\"}" | ecl-append -d "$root.t" --keep-time >out
	jq -r .time out >have
	printf "%s\n" 2020-01-01T00:00:00.000000Z 2020-01-01T00:00:00.500000Z >want
	test_cmp want have
	echo "{\"element\":\"a:1\",\"state\":3,\"time\":\"2020-01-01T00:00:00Z\"}" >in
	test_expect_code 2 ecl-append -d "$root.t" --keep-time in 2>err
	test_grep "^ecl-append: in:1:1: .*earlier" err
	echo "{\"element\":\"a:1\",\"state\":3,\"time\":\"2999-01-01T00:00:00Z\"}" >in
	test_expect_code 2 ecl-append -d "$root.t" --keep-time in 2>err
	test_grep "ahead of the clock" err
	ecl-append -d "$root.t" in | jq -r .time | grep "^20[2-9]"
'

test_expect_success 'the clock never runs backwards in the log, and who sees that is told' '
	ecl-init "$root.c" >/dev/null
	echo "{\"element\":\"a:1\",\"state\":1,\"time\":\"2999-01-01T00:00:00Z\"}" | ecl-append -q -d "$root.c" --keep-time --force
	ecl-append -d "$root.c" -e a:1 -s 2 >out 2>err
	test "$(jq -r .time out)" = 2999-01-01T00:00:00.000000Z
	test_grep "behind the last event" err
	ecl-verify -q -d "$root.c"
'

test_expect_success 'a reader that goes away stops the printing, not the recording' '
	i=0
	while test $i -lt 3000; do
		echo "{\"element\":\"p:$i\",\"state\":\"$i 0123456789012345678901234567890123456789\"}"
		i=$((i + 1))
	done >many
	n=$(ecl-query --stat | jq .events)
	ecl-append <many | head -n 1 >out
	test "$(ecl-query --stat | jq .events)" = $((n + 3000))
'

test_expect_success 'a closed or full standard output is an error, and the events are recorded' '
	n=$(ecl-query --stat | jq .events)
	test_expect_code 2 ecl-append -e full:1 -s 1 >/dev/full 2>err
	test_grep "ecl-append:" err
	test "$(ecl-query --stat | jq .events)" = $((n + 1))
'

test_expect_success 'a trickle is recorded event by event' '
	mkfifo trickling
	ecl-append <trickling >trickle &
	pid=$!
	exec 9>trickling
	for i in 1 2 3; do
		echo "{\"element\":\"t:1\",\"state\":$i}" >&9
		n=0
		while test "$(wc -l <trickle)" -lt $i && test $n -lt 2400; do
			sleep 0.05
			n=$((n + 1))
		done
		test_line_count = $i trickle
	done
	exec 9>&-
	wait $pid
'

test_expect_success '16 writers at once: one chain, every event once' '
	n=$(ecl-query --stat | jq .events)
	for w in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		(for i in 1 2 3 4 5 6 7 8 9 10; do ecl-append -q --wait 120 -e "w:$w" -s "$i" || exit 1; done) &
		pids="$pids $!"
	done
	for p in $pids; do wait "$p"; done
	test "$(ecl-query --stat | jq .events)" = $((n + 160))
	ecl-query "w:*" | jq -e -s "length == 16 and all(.state == 10)"
	ecl-verify -q
'

test_expect_success 'a locked ledger is 75 after --wait, and nothing is lost' '
	n=$(ecl-query --stat | jq .events)
	exec 8>>"$root/lock"
	flock 8
	test_when_finished "exec 8>&-"
	test_expect_code 75 ecl-append --wait 0 -e l:1 -s 1 8>&- 2>err
	test_grep "locked" err
	ecl-append -q --wait 120 -e l:1 -s 1 8>&- &
	pid=$!
	for i in $(seq 2400); do
		! readlink /proc/$pid/fd/* | grep -q "/lock$" || break
		sleep 0.05
	done
	test "$(ecl-query --stat | jq .events)" = $n
	exec 8>&-
	wait $pid
	test "$(ecl-query --stat | jq .events)" = $((n + 1))
'

test_expect_success 'the log of all that verifies' 'ecl-verify -q'

test_expect_success 'wrong command lines are told from wrong input' '
	test_expect_code 2 ecl-append -a create 2>err
	test_grep -- "--element" err
	test_expect_code 2 ecl-append -e x:y 2>err
	test_expect_code 2 ecl-append -e x:y -s "{" 2>err
	test_grep "^ecl-append: --state:1:2:" err
	test_expect_code 2 ecl-append -e x:y -s "1,\"meta\":2" 2>err
	test_grep "one JSON value" err
	test_expect_code 2 ecl-append -e "" -s 1
	test_expect_code 2 ecl-append -e "ecl:layer" -s 1
	test_expect_code 2 ecl-append -e x:y -a "Big One"
	test_expect_code 2 ecl-append nowhere.ndjson 2>err
	test_grep "nowhere.ndjson" err
	test_expect_code 2 ecl-append --sync sometimes -e x:y -s 1
	test_expect_code 2 ecl-append -d /nonexistent/root -e x:y -s 1 2>err
	test_grep "ecl-init" err
	ecl-append --help >out
	test_grep "^usage: ecl-append" out
	awk "length > 80" out >long
	test_line_count = 0 long
'

test_expect_success '--json makes errors one line of JSON too' '
	test_expect_code 2 ecl-append --json -d /nonexistent/root -e x:y -s 1 2>err
	tail -n 1 err | jq -e ".code == 2 and (.error | length > 0)"
'

test_done
