#!/usr/bin/env bash
test_description='ecl-replay --cursor: nothing is lost from one run to the next, and nothing comes twice without need'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi
export ECL_ROOT=$TRASH/root.0
if strace -o /dev/null true 2>/dev/null; then
	test_set_prereq STRACE
fi
roots=0

# fresh N: a ledger of so many events, the genesis among them.
fresh()
{
	roots=$((roots + 1))
	export ECL_ROOT=$TRASH/root.$roots
	ecl-init --backend copy "$ECL_ROOT" >/dev/null &&
	events $(($1 - 1)) a | ecl-append -q &&
	rm -f c
}

# events N NAME: always recorded.
events() { awk -v n="$1" -v s="$2" 'BEGIN { for (i = 0; i < n; i++) printf "{\"element\":\"%s:%d\",\"action\":\"poll\",\"meta\":%d}\n", s, i % 50, i }'; }

log() { cat "$ECL_ROOT"/live/.ecl/log/*.ndjson; }

# eventually COMMAND...: for at most two minutes: nobody waits so long but for what does not come.
eventually()
{
	local n=0

	while ! "$@" && test $n -lt 2400; do sleep 0.05; n=$((n + 1)); done
	"$@"
}

lines() { test "$(wc -l <"$1")" -ge "$2"; }

# at N: the cursor is at the event before N.
at() { log | sed -n "$1p" | jq -c "{seq, hash}" | test_cmp - c; }

test_expect_success 'each run goes on where the last one stopped' '
	fresh 100 &&
	ecl-replay --cursor c >one &&
	at 100 &&
	ecl-replay --cursor c >none &&
	test_cmp /dev/null none &&
	events 20 b | ecl-append -q &&
	ecl-replay --cursor c >two &&
	at 120 &&
	cat one two >both &&
	log | test_cmp - both
'

test_expect_success 'in portions, in ranges, and those that pass' '
	fresh 100 &&
	: >all &&
	for i in 1 2 3 4 5 6; do
		ecl-replay --cursor c --count 15 >part &&
		test_line_count = 15 part &&
		cat part >>all || return 1
	done &&
	ecl-replay --cursor c --count 15 >>all &&
	log | test_cmp - all &&
	rm c &&
	ecl-replay --cursor c --from 10 --to 19 >out &&
	log | sed -n 11,20p | test_cmp - out &&
	at 20 &&
	ecl-replay --cursor c --from 5 --to 30 >out &&
	log | sed -n 21,31p | test_cmp - out &&
	rm c &&
	ecl-replay --cursor c --element a:7 --count 1 >out &&
	log | grep "\"a:7\"" >expect &&
	head -n 1 expect | test_cmp - out &&
	ecl-replay --cursor c --element a:7 >out &&
	tail -n +2 expect | test_cmp - out &&
	at 100
'

test_expect_success 'a run that has nothing to say makes no cursor' '
	fresh 10 &&
	ecl-replay --cursor c --from 10 --count 0 >out &&
	test_cmp /dev/null out &&
	ecl-replay --cursor c --from now --element "b:*" >out &&
	test_cmp /dev/null out &&
	rm -f c &&
	mkdir -p empty/.snapshots empty/live/.ecl/log &&
	: >empty/replica &&
	ecl-replay -d empty --cursor c >out &&
	test_cmp /dev/null out &&
	test ! -e c
'

test_expect_success 'asked to end while it follows: all that was printed counts, and no more' '
	fresh 10
	for signal in TERM INT HUP TERM; do # INT: a shell has its background ignore it
		env --default-signal=INT ecl-replay --follow --cursor c >>out 2>err &
		pid=$!
		events 500 b | ecl-append -q
		ecl-append -q -e c:1 -a poll </dev/null
		eventually lines out "$(log | wc -l)"
		events 50 d | ecl-append -q
		kill -$signal $pid
		wait $pid || test $? -gt 128
		test_cmp /dev/null err
	done 2>/dev/null
	ecl-replay --cursor c >>out
	log | test_cmp - out
'

test_expect_success 'asked to end in the midst of a long run: whole lines, and those alone count' '
	fresh 60000
	for i in 1 2 3; do
		rm -f c
		rm -f fifo
		mkfifo fifo
		ecl-replay --cursor c >fifo 2>err &
		pid=$!
		{ head -c 5000000; sleep 0.3; kill $pid; cat; } <fifo >one
		wait $pid || test $? = 143
		lines one 10
		test "$(wc -l <one)" -lt 60000
		test "$(tail -c 1 one | od -An -tx1)" = " 0a"
		ecl-replay --cursor c >two
		cat one two >both
		log | test_cmp - both
	done
'

test_expect_success 'killed: what comes twice is what came last' '
	fresh 20000
	: >out
	for i in 1 2 3 4 5 6; do
		ecl-replay --follow --cursor c >part 2>/dev/null &
		pid=$!
		for k in 1 2 3 4 5 6 7 8; do ecl-append -q -e k:1 -a poll </dev/null; sleep 0.05; done
		kill -9 $pid
		wait $pid || true
		# Of a line that it was killed in, the rest comes with the whole of it.
		head -n "$(wc -l <part)" part >>out
		test ! -s c || jq -e .hash c >/dev/null
	done 2>/dev/null
	ecl-replay --cursor c >>out
	jq .seq out >seqs
	python3 -c "
import sys
seqs = [int(s) for s in open(\"seqs\")]
high = -1
back = 0
for a, b in zip([-1] + seqs, seqs):
    assert b <= a + 1, \"lost %d to %d\" % (a + 1, b - 1)
    back += b <= a
assert seqs[-1] == max(seqs) and sorted(set(seqs)) == list(range(len(set(seqs))))
assert back <= 6"
	test "$(sort -n seqs | uniq | wc -l)" = "$(log | wc -l)"
'

test_expect_success STRACE 'the output is on its way, or on the disk, before the cursor is' '
	fresh 100 &&
	traced -y -o trace -e trace=splice,copy_file_range,sendfile,write,fdatasync,fsync,rename,renameat,renameat2 ecl-replay --cursor c >out &&
	grep -n "\(copy_file_range\|sendfile\|write\)(.*/out>.*= [1-9]" trace | tail -n 1 | cut -d: -f1 >written &&
	grep -n "fdatasync(1<.*out>" trace | cut -d: -f1 >synced &&
	grep -n "fsync(.*\.c\." trace | cut -d: -f1 >cursor &&
	grep -n "rename" trace | cut -d: -f1 >renamed &&
	test_line_count = 1 written &&
	test_line_count = 1 synced &&
	test_line_count = 1 cursor &&
	test_line_count = 1 renamed &&
	cat written synced cursor renamed >order &&
	sort -n order | test_cmp - order
'

test_expect_success 'output that fails leaves the cursor where it was' '
	fresh 100 &&
	ecl-replay --cursor c --count 10 >out &&
	test_expect_code 2 ecl-replay --cursor c >/dev/full 2>err &&
	test_grep "No space left on device" err &&
	at 10 &&
	test_expect_code 2 ecl-replay --cursor c --element "a:*" >/dev/full &&
	at 10
'

test_expect_success 'a reader that goes away leaves it too, where the pipe did not hold it all' '
	fresh 60000 &&
	test "$(log | wc -c)" -gt 4000000 &&
	ecl-replay --cursor c --count 10 >out &&
	ecl-replay --cursor c | head -n 1 >out &&
	at 10
'

test_expect_success 'what is no cursor' '
	fresh 10 &&
	echo "{\"seq\":1}" >c &&
	test_expect_code 2 ecl-replay --cursor c >out 2>err &&
	echo "ecl-replay: '\''c'\'' is not a cursor: remove it to begin anew" | test_cmp - err &&
	test_cmp /dev/null out &&
	: >c &&
	test_expect_code 2 ecl-replay --cursor c 2>err &&
	test_grep "is not a cursor (it is empty)" err &&
	head -c 1000 /dev/zero >c &&
	test_expect_code 2 ecl-replay --cursor c 2>err &&
	test_grep "cannot read the cursor .c.: .c. is larger than" err &&
	test_expect_code 2 ecl-replay --cursor nowhere/c 2>err &&
	test_grep "cannot open the directory of the cursor .nowhere/c.: No such file" err &&
	test_expect_code 2 ecl-replay --cursor . 2>err &&
	test_expect_code 2 ecl-replay --cursor root.1/ 2>err &&
	test_expect_code 2 ecl-replay --cursor /dev/null 2>err
'

test_expect_success 'another ledger, and a log that was cut or changed' '
	fresh 100 &&
	ecl-replay --cursor c >out &&
	ecl-init --backend copy other >/dev/null &&
	test_expect_code 1 ecl-replay -d other --cursor c >out 2>err &&
	test_grep "the cursor .c. is at event 99, but the log ends before it: it is another ledger.s, or the log was cut" err &&
	events 200 a | ecl-append -q -d other &&
	test_expect_code 1 ecl-replay -d other --cursor c >out 2>err &&
	test_grep "the cursor .c. has another event 99 than the log" err &&
	test_cmp /dev/null out &&
	at 100
'

test_expect_success 'a cursor that cannot be written' '
	fresh 10 &&
	mkdir dir &&
	chmod 777 . dir &&
	chmod -R go+rX "$ECL_ROOT" &&
	as_user ecl-replay --cursor dir/c >out &&
	test_line_count = 10 out &&
	chmod 755 dir &&
	test_expect_code 2 as_user ecl-replay --cursor dir/d >out 2>err &&
	test_grep "cannot write to the directory of the cursor .dir/d.: Permission denied" err &&
	test_cmp /dev/null out
'

test_expect_success ROOT 'a full file system: said, and the old cursor stays' '
	fresh 10 &&
	mkdir full &&
	mount -t tmpfs -o size=64k tmpfs full &&
	test_when_finished "umount full" &&
	ecl-replay --cursor full/c --count 5 >out &&
	cp full/c was &&
	! head -c 1000000 /dev/zero >full/fill 2>/dev/null &&
	test_expect_code 2 ecl-replay --cursor full/c >out 2>err &&
	test_grep "cannot write the cursor .full/c.: No space left on device" err &&
	test_cmp was full/c &&
	ls -A full >left &&
	printf "c\nfill\n" | test_cmp - left
'

test_done
