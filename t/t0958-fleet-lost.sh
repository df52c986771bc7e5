#!/usr/bin/env bash
test_description='ecl-subscribe: what is lost on the way from the engine comes again, and nothing twice'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/nats-lib.sh"

port=$(free_port)
U=nats://127.0.0.1:$port

# More than we and the client library may hold, in few lines: 80 of them of 0.9 MB; and one of many.
ecl-init --backend copy --embedder none long >/dev/null
python3 -c 'for i in range(80): print("{\"element\":\"l:%d\",\"state\":\"%s\"}" % (i, chr(97 + i % 26) * 900000))' | ecl-append -q -d long
ecl-init --backend copy --embedder none small >/dev/null
events 2000 s | ecl-append -q -d small

# stream NAME SHARD ROOT COUNT: one that has so many of the ledger's lines, of which the fake server tells.
stream()
{
	local id

	mkdir -p fake && id=$(ledger_id "$3") &&
	ecl-replay -d "$3" >"fake/$1.lines" &&
	echo "$4" >"fake/$1.count" &&
	printf 'ecl.%02d.h%s.%s\n' $((0x$(printf %s "$id" | sha256sum | cut -c 1-2) % 64)) "$2" "$id" >"fake/$1.subject"
}

# fake PLAN: the server, until the test ends.
fake()
{
	echo "$1" >fake/plan
	rm -f fake/made fake/sent
	python3 "$top_srcdir/t/nats-fake.py" "$port" fake 2>fake.err &
	fake=$!
	test_when_finished "kill $fake 2>/dev/null; wait $fake; rm -rf fake"
	eventually test -s fake/made
}

count() { echo "$2" >"fake/$1.new" && mv "fake/$1.new" "fake/$1.count"; }
sent() { test -s fake/sent && test "$(cat fake/sent)" -ge "$1"; }

# subscribe ARG...: in the background, to a pipe of which nothing is read before the test says so: take FILE.
subscribe()
{
	rm -f pipe
	mkfifo pipe
	ecl-subscribe "$@" "$U" >pipe 2>sub.err &
	sub=$!
	test_when_finished "kill -9 $sub 2>/dev/null; wait $sub; true"
	exec 8<pipe
}

take() { cat <&8 >"$1" & exec 8<&-; }

test_expect_success 'numbers that jump, come twice, or in another order' '
	stream A 1 small 2001
	# So often that what the library would do in its threads meanwhile meets what we do.
	fake "$(for i in $(seq 8); do printf "gap twice swap gap "; done)"
	timeout 120 ecl-subscribe --into fleet "$U" >out
	same_log small "fleet/$(ledger_id small)"
	test "$(jq .bytes out)" = "$(wc -c <fake/A.lines)"
	test "$(cat fake/made)" -ge 33
	ecl-subscribe "$U" >lines
	test_cmp fake/A.lines lines
'

test_expect_success 'more than there is room for, and nothing behind it' '
	stream A 1 long 81
	fake fine
	subscribe --wait 60
	eventually sent 81
	take lines
	wait $sub
	eventually cmp -s fake/A.lines lines
	test "$(cat fake/made)" -ge 2
'

test_expect_success 'more than there is room for, and then something for which there is' '
	stream A 1 long 1
	fake fine
	subscribe --follow
	count A 80
	eventually sent 80
	take lines
	eventually test -s lines
	count A 81
	eventually cmp -s fake/A.lines lines
	test "$(cat fake/made)" -ge 2
'

test_expect_success 'one stream that loses its end, beside one that is never quiet' '
	stream A 1 long 1
	stream B 2 small 1
	fake fine
	subscribe --follow
	eventually eval "test \$(cat fake/made) = 2"
	count A 81
	eventually sent 82
	(for n in $(seq 2 2000); do count B $n && sleep 0.05; done) &
	busy=$!
	test_when_finished "kill $busy 2>/dev/null; wait $busy; true"
	sleep 0.3
	take lines
	while ! grep -q "\"l:79\"" lines && kill -0 $busy; do sleep 0.1; done
	kill -0 $busy
	grep "\"l:\|$(ledger_id long)" lines | test_cmp fake/A.lines -
'

# giant BYTES: the second message of stream A, which has three, is so long, and of nobody of ours.
giant()
{
	stream A 1 small 3
	{ sed -n 1p fake/A.lines; head -c "$1" /dev/zero | tr "\0" x; printf "\n"; sed -n 2p fake/A.lines; } >fake/A.new
	mv fake/A.new fake/A.lines
}

test_expect_success 'a message that is longer than there is room for stops only its ledger' '
	giant 50000000
	stream B 2 long 1
	fake fine
	ecl-subscribe --into all --follow "$U" >out 2>sub.err &
	sub=$!
	test_when_finished "kill -9 $sub 2>/dev/null; wait $sub; true"
	S=$(ledger_id small)
	eventually test -s "all/.fleet/$S.finding"
	jq -r "[.class, .ledger, .seq, .message] | @tsv" "all/.fleet/$S.finding" >found
	printf "corrupt\t%s\t1\ta message of 50000001 bytes comes where event 1 is next: no ecl-publish sends one so long\n" "$S" | test_cmp - found
	test "$(wc -c <"all/.fleet/$S.lines")" = 1040000
	eventually test -d "all/$(ledger_id long)"
	count B 4
	eventually eval "ecl-replay -d \"all/$(ledger_id long)\" | cmp -s - <(head -n 4 fake/B.lines)"
	kill $sub
	test_expect_code 1 wait $sub
	test "$(tail -n 1 out | jq -r .verdict)" = quarantined
	ecl-verify -q -d "all/$S"
	test_expect_code 1 timeout 60 ecl-subscribe "$U" "ecl.*.h1.>" >out 2>sub.err
	test_grep "corrupt: a message of 50000001 bytes comes where event 1 is next" sub.err
	head -n 1 fake/A.lines | test_cmp - out
'

test_expect_success 'what goes wrong again and again is told, and tried ever less' '
	stream A 1 small 1
	fake fine
	ecl-subscribe -q --into late "$U"
	mv "late/$(ledger_id small)" away
	count A 3
	echo deaf >fake/plan
	refused 75 "cannot subscribe: not now" timeout 60 ecl-subscribe --wait 1 --into late "$U"
	ecl-subscribe --into late --follow "$U" >out 2>sub.err &
	sub=$!
	test_when_finished "kill -9 $sub 2>/dev/null; wait $sub; true"
	eventually grep "cannot subscribe: not now" sub.err
	echo fine >fake/plan
	eventually eval "ecl-replay -d \"late/$(ledger_id small)\" 2>/dev/null | cmp -s - <(head -n 3 fake/A.lines)"
	kill $sub
	test_expect_code 143 wait $sub
	test_line_count = 1 sub.err
'

# Also where the first never rests, so that nothing else begins anew.
test_expect_success 'a stream that appears while others are followed' '
	stream B 2 small 1
	fake fine
	subscribe --follow
	take lines
	(for n in $(seq 2 2000); do count B $n && sleep 0.05; done) &
	busy=$!
	test_when_finished "kill $busy 2>/dev/null; wait $busy; true"
	eventually test -s lines
	stream A 1 long 5
	while ! grep -q "\"l:3\"" lines && kill -0 $busy; do sleep 0.1; done
	kill -0 $busy
	test "$(sort lines | uniq -d | wc -l)" = 0
'

test_done
