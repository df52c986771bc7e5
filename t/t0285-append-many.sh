test_description='many writers, readers and blocks at once; floods killed and cut short: one chain, and all that was acknowledged in it'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/fault-lib.sh"

fault_need
fs=$TRASH/btrfs

# events N NAME: always recorded.
events() { awk -v n="$1" -v s="$2" 'BEGIN { for (i = 0; i < n; i++) printf "{\"element\":\"%s:%d\",\"action\":\"poll\",\"meta\":%d}\n", s, i % 50, i }'; }

# One writer of many: single events and small batches, until $1 is gone.  Said to try again later is no failure.
writer()
{
	local name=$1 rc

	events 200 "$name" >in."$name"
	while test -e running; do
		rc=0
		ecl-append -e "$name:single" -a poll >>acked."$name" 2>>said."$name" || rc=$?
		test $rc = 0 || test $rc = 75 || echo "$name: exit $rc" >>wrong
		rc=0
		cat in."$name" | ecl-append >>acked."$name" 2>>said."$name" || rc=$?
		test $rc = 0 || test $rc = 75 || echo "$name: exit $rc" >>wrong
	done
}

# A writer that is killed, again and again: what it had printed by then was recorded.
victim()
{
	local name=$1 pid

	events 20000 "$name" >in."$name"
	while test -e running; do
		ecl-append in."$name" >>acked."$name".$((++n)) 2>>said."$name" &
		pid=$!
		sleep 0.0$((RANDOM % 90 + 10))
		kill -9 $pid 2>/dev/null
		wait $pid 2>/dev/null
	done
}

# reader NAME CMD...: again and again, as long as there are writers: it must never have anything to complain of.
reader()
{
	local name=$1

	shift
	while test -e running; do
		"$@" >out."$name" 2>&1 || { echo "$name: exit $?"; tail -n 5 out."$name"; } >>wrong
		echo >>ran."$name"
	done
}

# all_had_a_turn: each reader twice, each writer once.
all_had_a_turn()
{
	local w

	for w in w1 w2 w3 w4 w5; do test -s acked.$w || return 1; done
	for w in replay verify; do test -e ran.$w && test "$(wc -l <ran.$w)" -ge 2 || return 1; done
}

replayed() { ecl-replay | sh "$top_srcdir/t/check-ledger.sh"; }

test_expect_success 'eight writers, two of them killed all the time, one stopped and continued; readers and blocks meanwhile' '
	test_when_finished "rm -f running"
	export ECL_ROOT=$fs/many
	ecl-init >acked.init
	: >running
	pids=
	for w in 1 2 3 4 5; do writer w$w & pids="$pids $!"; done
	for w in 1 2; do victim v$w & pids="$pids $!"; done
	reader replay replayed & pids="$pids $!"
	reader verify ecl-verify & pids="$pids $!"
	mkfifo slow
	ecl-append <slow >acked.slow &
	slow=$!
	exec 9>slow
	blocks=0
	for i in 1 2 3 4 5; do
		events 30 slow >&9
		kill -STOP $slow
		rc=0
		ecl-append --wait 1 -e beside:1 -a poll >>acked.beside 2>>said.beside || rc=$?
		test $rc = 0 || test $rc = 75
		kill -CONT $slow
		ecl-snap --wait 120 >>headers
		blocks=$((blocks + 1))
		events 3000 slow >&9
	done
	exec 9>&-
	wait $slow
	for i in $(seq 2400); do
		! all_had_a_turn || break
		sleep 0.05
	done
	rm running
	wait $pids
	test ! -e wrong || { cat wrong; return 1; }
	test_line_count -ge 2 ran.replay
	test_line_count -ge 2 ran.verify
	test_line_count = 15150 acked.slow
	ecl-append -e next:1 -a check >acked.next
	check_crash acked "$ECL_ROOT" acked.*
	for w in w1 w2 w3 w4 w5; do test -s acked.$w || { echo "$w got nothing done"; return 1; }; done
	ecl-verify -q
	ecl-index -q
	ecl-index --check -q
	test "$(ecl-query --blocks | jq -s "map(select(.present)) | length")" = $blocks
	rm -rf acked.* in.*
'

test_expect_success 'a flood, and how long it takes' '
	python3 "$top_srcdir/t/perf/make-events.py" 200000 5000 >flood
	ECL_ROOT=$fs/whole
	ecl-init >genesis
	begun=${EPOCHREALTIME/./}
	ecl-append <flood >acked
	took=$(((${EPOCHREALTIME/./} - begun) / 1000))
	test_line_count = 200000 acked
	ecl-replay >log
	cat genesis acked | cmp - log
	echo "$took ms"
'

# The bytes that were acknowledged are those that follow the genesis in the log: every one, and no other.
nothing_lost()
{
	ecl-append -e next:1 -a check >next 2>err || { cat err; return 1; }
	ecl-replay >log
	cat genesis acked | cmp - log 2>&1 | grep -v "^cmp: EOF on -" && return 1
	tail -n 1 log | cmp - next || return 1
	# What was said not to be recorded is not.
	if grep -q "not recorded" said; then
		test "$(jq .seq next)" = $(($(wc -l <acked) + 1)) || { cat said next; return 1; }
	fi
	ecl-verify >verdict || { cat verdict; return 1; }
	ecl-index --check -q
}

test_expect_success 'kill -9 at any moment of a flood: what was printed is there' '
	export ECL_ROOT=$fs/flood
	cut=0
	for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
		rm -rf "$fs/flood"
		ecl-init >genesis
		if test $((i % 2)) = 0; then
			ecl-append <flood >acked 2>said &
			pid=$!
		else
			cat flood | { echo $BASHPID >pid; exec ecl-append >acked 2>said; } &
			until test -s pid; do :; done
			pid=$(cat pid)
		fi
		ms=$((took * (i + RANDOM % 2) / 20))
		sleep $((ms / 1000)).$(printf %03d $((ms % 1000)))
		kill -9 $pid 2>/dev/null || :
		wait || :
		rm -f pid
		lines=$(wc -l <acked)
		# Where the machine has become faster meanwhile, nothing would be cut any more.
		if test $lines = 200000; then took=$((took / 2)); else cut=$((cut + 1)); fi
		echo "after $ms ms: $lines"
		nothing_lost || { echo "killed after $ms ms"; return 1; }
	done
	test $cut -ge 5
'

test_expect_success 'a true short write in the middle of a flood (file size limit): cut off, said, and the log goes on' '
	for kb in 100 5000 20001; do
		rm -rf "$fs/flood"
		ecl-init >genesis
		(trap "" XFSZ; ulimit -f $kb; cat flood | { ecl-append 2>said || echo $? >code; } | cat >acked)
		test "$(cat code)" = 2
		test_grep "File too large" said
		test_grep "events $(($(wc -l <acked) + 1)) to [0-9]* are not recorded, those before are recorded" said
		rm code
		nothing_lost || { echo "at $kb KiB"; return 1; }
	done
'

if strace -o /dev/null true 2>/dev/null; then
	test_set_prereq STRACE
fi

test_expect_success STRACE 'a call that fails once, or from then on, in the middle of a flood: all recorded, or said and nothing lost' '
	head -n 60000 flood >short
	for call in fdatasync fsync write pwrite64; do
		for n in 1 2 3 5 2+; do
			rm -rf "$fs/flood"
			ecl-init >genesis
			rc=0
			# Not the writes to stdout: those have a test of their own.
			cat short | traced -o trace -P "$ECL_ROOT/live/.ecl/log/00000000000000000000.ndjson" -P "$ECL_ROOT/durable" \
				-e trace=$call -e inject=$call:error=EIO:when=$n ecl-append >acked 2>said || rc=$?
			lines=$(wc -l <acked)
			if test $rc = 0; then
				test $lines = 60000
			else
				test $rc = 2
				# What fails before a batch is begun leaves nothing to say of its events.
				test_grep "events $((lines + 1)) to [0-9]* are \(not recorded\|in doubt\).*, those before are recorded\|cannot write .durable." said
			fi
			! grep -q INJECTED trace || echo "$call $n: exit $rc, $lines acknowledged"
			nothing_lost || { echo "$call $n"; return 1; }
		done
	done
'

test_done
