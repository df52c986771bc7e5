#!/usr/bin/env bash
test_description='ecl-replay --follow: what is committed, when it is committed, once, whatever happens to the log'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi
test_btrfs 1G
base=$TRASH
test ! -d btrfs || base=$TRASH/btrfs
if strace -o /dev/null true 2>/dev/null; then
	test_set_prereq STRACE
fi

# fresh [OPTION...]: an empty ledger.
fresh()
{
	roots=$((roots + 1))
	export ECL_ROOT=$base/root.$roots
	ecl-init "$@" "$ECL_ROOT" >/dev/null
}
roots=0

# follow FILE OPTION...: a follower in the background, ended with the test; sets $follower.
follow()
{
	local out=$1

	shift
	ecl-replay --follow "$@" >"$out" 2>"$out.err" &
	follower=$!
	test_when_finished "kill -9 $follower 2>/dev/null; wait $follower 2>/dev/null; true"
}

# eventually COMMAND...: for at most two minutes: nobody waits so long but for what does not come.
eventually()
{
	local n=0

	while ! "$@" && test $n -lt 2400; do sleep 0.05; n=$((n + 1)); done
	"$@"
}

lines() { test "$(wc -l <"$1")" -ge "$2"; }

# waits PID: it has a watch of its root, and sleeps until that tells it something.
waits() { grep -qs "^inotify " /proc/$1/fdinfo/* && grep -q "^State:.S" /proc/$1/status; }

log() { cat "$ECL_ROOT"/live/.ecl/log/*.ndjson; }

# same_as_log FILE: the follower has all, and nothing twice.
same_as_log() { log >log.now && cmp -s log.now "$1"; }

# visible N: readers that do not pass on what they read see so many events.
visible() { test "$(ecl-query --stat | jq .events)" = "$1"; }

# ended CODE PID: soon, with this exit code.
ended() { eventually eval "! kill -0 $2 2>/dev/null" && test_expect_code "$1" wait "$2"; }

# exchange DIR DIR: as a rollback does it.
exchange()
{
	python3 -c "
import ctypes, sys
if ctypes.CDLL(None, use_errno=True).renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2) != 0:
    sys.exit(\"renameat2: error %d\" % ctypes.get_errno())" "$1" "$2"
}

# one NAME VALUE
one() { ecl-append -q -e "$1" -s "$2" </dev/null; }

# events N NAME: always recorded.
events() { awk -v n="$1" -v s="$2" 'BEGIN { for (i = 0; i < n; i++) printf "{\"element\":\"%s:%d\",\"action\":\"poll\",\"meta\":%d}\n", s, i % 50, i }'; }

test_expect_success 'what is there, then what comes' '
	fresh
	one a:1 1
	follow out
	eventually lines out 2
	one a:1 2
	eventually lines out 3
	events 1000 b | ecl-append -q
	eventually lines out 1003
	same_as_log out
	test_cmp /dev/null out.err
'

test_expect_success 'from now on; so many; those that pass' '
	fresh
	events 100 b | ecl-append -q
	follow new --from now
	began=$follower
	follow three --from 101 --count 3
	third=$follower
	follow some --element "s:*" --action modify --from now
	began="$began $follower"
	follow name --element "x:[1]" --from now
	began="$began $follower"
	for pid in $began; do eventually waits $pid || return 1; done
	for i in 1 2 3 4; do one s:1 $i; one c:1 $i; one x:1 $i; one "x:[1]" $i; done
	eventually lines new 16
	log | tail -n 16 >expect
	test_cmp expect new
	ended 0 $third
	head -n 3 expect | test_cmp - three
	eventually lines some 3
	grep "\"s:1\",\"action\":\"modify\"" expect | test_cmp - some
	eventually lines name 8
	grep "\"x:" expect | test_cmp - name
'

test_expect_success 'a follower that has nothing to do does nothing' '
	fresh
	follow out
	eventually lines out 1
	eventually waits $follower
	grep ctxt_switches /proc/$follower/status >before
	sleep 1.5
	grep ctxt_switches /proc/$follower/status | test_cmp before -
'

test_expect_success 'it ends when nobody reads any more, also with nothing to write' '
	fresh
	timeout 120 bash -c "ecl-replay --follow 2>err | head -n 1 >out" &&
	test_line_count = 1 out &&
	test_cmp /dev/null err
'

test_expect_success 'a count that is reached while it follows ends it' '
	fresh
	follow out --count 3
	eventually lines out 1
	one a:1 1
	one a:1 2
	one a:1 3
	ended 0 $follower
	log | head -n 3 | test_cmp - out
'

test_expect_success 'through new segments' '
	fresh
	follow out
	head -c 950000 /dev/zero | tr "\0" x >text
	for i in 1 2 3 4 5 6 7 8; do
		awk -v i=$i "{ for (n = 0; n < 10; n++) printf \"{\\\"element\\\":\\\"big:%d\\\",\\\"state\\\":\\\"%s%d\\\"}\\n\", n, \$0, i }" text | ecl-append -q
		one small:1 $i
	done
	test "$(ls "$ECL_ROOT/live/.ecl/log" | wc -l)" -gt 1
	eventually same_as_log out
	one small:1 0
	eventually same_as_log out
'

test_expect_success BTRFS 'through rollbacks, beside writers' '
	fresh --backend btrfs
	follow out
	: >running
	test_when_finished "rm -f running"
	(while test -e running; do one w:1 $((++n)); done) &
	writer=$!
	(while test -e running; do events 300 w | ecl-append -q; done) &
	flood=$!
	for i in 1 2 3 4 5 6; do
		ecl-snap -q >/dev/null
		one r:1 $i
		ecl-rollback --yes --cause drill block-$((2 * i - 2)) >/dev/null
	done
	rm running
	wait $writer $flood
	eventually same_as_log out
	test "$(grep -c "\"action\":\"rollback\"" out)" = 6
	test_cmp /dev/null out.err
'

test_expect_success 'through writers that are killed' '
	fresh
	follow out
	for i in $(seq 30); do
		events 20000 k | ecl-append -q 2>/dev/null &
		writer=$!
		sleep 0.0$((RANDOM % 90 + 10))
		kill -9 $writer || true
		wait $writer || true
	done 2>/dev/null
	one end:1 1
	eventually same_as_log out
	test_cmp /dev/null out.err
'

test_expect_success STRACE 'what is not on the disk yet is not passed on' '
	fresh
	one a:1 1
	follow out
	eventually lines out 2
	# Stopped behind what it wrote, and before it says that this is synced.
	: >stopped
	traced -o stopped -e trace=fdatasync -e inject=fdatasync:signal=SIGSTOP:when=1 ecl-append -q -e a:1 -s 2 &
	writer=$!
	eventually grep "stopped by SIGSTOP" stopped
	visible 3
	sleep 0.3
	traced -o trace -e trace=splice ecl-replay | cat >plain
	test_line_count = 2 out
	test_line_count = 3 plain
	kill -CONT $(sed -n "s/ .*stopped by SIGSTOP.*//p" stopped)
	wait $writer
	eventually lines out 3
	test_cmp plain out
	# Of what it may still take back, nothing is shared with a pipe.
	sed -n "s/.* = \([0-9]*\)$/\1/p" trace >shared
	head -n 2 plain | wc -c | test_cmp - shared
'

test_expect_success STRACE 'nor what a failed sync took back' '
	fresh
	one a:1 1
	follow out
	eventually lines out 2
	test_must_fail traced -o /dev/null -e trace=fdatasync,fsync -e inject=fdatasync,fsync:error=EIO ecl-append -q -e a:1 -s 3 2>err
	sleep 0.3
	test_line_count = 2 out
	one a:1 4
	eventually same_as_log out
'

test_expect_success 'events that nobody syncs wait eventually somebody does' '
	fresh
	one a:1 1
	follow out
	eventually lines out 2
	ecl-append -q --sync none -e a:1 -s 2
	ecl-append -q --sync none -e a:1 -s 3
	sleep 0.3
	test_line_count = 2 out
	ecl-replay --follow --count 2 2>err >late
	echo "ecl-replay: 2 events are not shown yet: nobody has synced them" | test_cmp - err
	one a:1 4
	eventually lines out 5
	same_as_log out
'

test_expect_success 'a ledger that nobody wrote to since the start of the machine' '
	fresh
	events 10 b | ecl-append -q
	rm "$ECL_ROOT/durable"
	follow gone
	eventually lines gone 11
	one a:1 1
	eventually same_as_log gone
	rm "$ECL_ROOT/durable"
	one a:1 2
	eventually same_as_log gone
'

test_expect_success 'a damaged durable is said, not believed' '
	fresh
	cp "$ECL_ROOT/durable" good
	sed "s/clean/dirty/" good >"$ECL_ROOT/durable"
	test_expect_code 2 timeout 120 ecl-replay --follow 2>err >out
	test_grep "/durable. is damaged" err
	test_cmp /dev/null out
	: >"$ECL_ROOT/durable"
	ecl-replay --follow --count 1 >out
	test_line_count = 1 out
'

test_expect_success 'a log that lacks what was durable' '
	fresh
	one a:1 1
	follow out
	eventually lines out 2
	cp -R "$ECL_ROOT" "$base/cut"
	head -n 1 "$ECL_ROOT/live/.ecl/log/00000000000000000000.ndjson" >"$base/cut/live/.ecl/log/00000000000000000000.ndjson"
	test_expect_code 1 timeout 120 ecl-replay -d "$base/cut" --follow >cut 2>err
	test_grep "should hold 2 events, which were durable, and does not: run .ecl-verify.$" err
'

test_expect_success 'another log in place of the one that was printed' '
	fresh
	one a:1 1
	follow out
	pid=$follower
	eventually lines out 2
	ecl-init --backend copy "$base/other" >/dev/null
	ecl-append -q -d "$base/other" -e a:1 -s 1
	mv "$base/other/live" "$ECL_ROOT/.other"
	rm "$ECL_ROOT/durable"
	exchange "$ECL_ROOT/.other" "$ECL_ROOT/live"
	ended 1 $pid
	test_grep "event 1 is not the one that was printed: the log is another" out.err
'

test_expect_success 'a root that goes away' '
	fresh --backend copy
	follow out
	pid=$follower
	eventually lines out 1
	rm -rf "$ECL_ROOT"
	ended 2 $pid
	test_line_count = 1 out
	test -s out.err
'

# The kernel lets a user have so many watchers, 128 where nobody said otherwise, for all that is tested at the same time.
followers=$(($(cat /proc/sys/fs/inotify/max_user_instances) / 3))
test $followers -le 100 || followers=100
test_expect_success "$followers followers beside a flood" '
	fresh
	pids=
	for i in $(seq $followers); do
		ecl-replay --follow >f.$i 2>>f.err &
		pids="$pids $!"
	done
	test_when_finished "kill -9 $pids 2>/dev/null; wait $pids 2>/dev/null; true"
	events 5000 flood | ecl-append -q
	one end:1 1
	for i in $(seq $followers); do
		eventually same_as_log f.$i || { cat f.err; return 1; }
	done
	test_cmp /dev/null f.err
'

test_expect_success 'a user who may only read' '
	fresh
	chmod -R go+rX "$ECL_ROOT"
	as_user timeout 120 ecl-replay --follow --count 2 >out 2>out.err &
	pid=$!
	eventually lines out 1
	one a:1 1
	wait $pid
	same_as_log out
	test_cmp /dev/null out.err
'

test_expect_success 'a layer alone does not change, or cannot tell' '
	fresh
	test_expect_code 2 ecl-replay -d "$ECL_ROOT/live" --follow 2>err
	test_grep "is a layer, not a root: the root is " err
	test_expect_code 2 ecl-replay -d "$ECL_ROOT/live" --cursor c 2>err
	test_grep "is a layer, not a root: the root is " err
	test ! -e c
'

test_expect_success 'it goes nowhere that has an end' '
	test_expect_code 2 ecl-replay --follow --to 1 2>err &&
	test_grep "does not go with .--follow" err
'

test_done
