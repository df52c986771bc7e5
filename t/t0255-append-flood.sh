test_description='ecl-append in a flood: read ahead and committed behind, it records what a trickle would, and lets others in'
. "${0%/*}/test-lib.sh"

test_btrfs 2G
base=$TRASH
test ! -d btrfs || base=$TRASH/btrfs
export ECL_ROOT=$base/root

# fresh [EMBEDDER]: an empty ledger.  Without vectors: ecl-index would make some of a million events, and --check again.
fresh() { rm -rf "$ECL_ROOT" && ecl-init --backend copy --embedder "${1:-none}" "$ECL_ROOT" >/dev/null; }

# held FILE: until FILE holds something, for at most two minutes.
held()
{
	local n=0

	while ! test -s "$1" && test $n -lt 2400; do sleep 0.05; n=$((n + 1)); done
	test -s "$1"
}

# events_are N: the ledger comes to have so many, within two minutes.
events_are()
{
	local n=0

	while test "$(ecl-query --stat | jq .events)" -lt "$1" && test $n -lt 2400; do sleep 0.05; n=$((n + 1)); done
	test "$(ecl-query --stat | jq .events)" = "$1"
}

# What an event says, without what differs from run to run.
said() { sed 's/,"time":"[^"]*"//; s/,"prev":"[0-9a-f]*","hash":"[0-9a-f]*"}$/}/'; }

test_expect_success 'an input' '
	python3 "$top_srcdir/t/perf/make-events.py" 60000 3000 >in
	test "$(stat -c %s in)" -gt 8000000
'

test_expect_success 'a flood records what the same lines record in a trickle' '
	fresh
	split -n l/20 in part.
	for f in part.*; do ecl-append -q "$f"; done
	ecl-replay --from 1 | said >trickle
	fresh
	cat in | ecl-append -q
	ecl-replay --from 1 | said >flood
	test_cmp trickle flood
	test_line_count = 60000 flood
	ecl-verify -q
	ecl-replay | sh "$top_srcdir/t/check-ledger.sh"
'

test_expect_success 'what it prints is what is recorded' '
	fresh
	cat in | ecl-append >out
	ecl-replay --from 1 | test_cmp - out
	ecl-append -n in >dry
	test_line_count = 60000 dry
	said <dry >expect
	test_line_count = 60000 expect
	ecl-append -q in
	ecl-replay --from 60001 | said | test_cmp expect -
'

test_expect_success 'nothing changed: nothing is recorded, by many lines neither' '
	fresh
	ecl-append -q in
	ecl-query >now
	before=$(ecl-query --stat | jq .events)
	for i in 1 2 3 4 5 6 7 8; do cat now; done | ecl-append >out
	test_line_count = 0 out
	test "$(ecl-query --stat | jq .events)" = "$before"
'

test_expect_success 'a bad line in the middle: those before it are recorded, it is named, none behind it is' '
	fresh
	sed "40000s/.*/{\"element\":\"bad:1\",\"state\":}/" in >bad
	test_expect_code 2 ecl-append -q bad 2>err
	test_grep "^ecl-append: bad:40000:28: expected a value" err
	test "$(ecl-query --stat | jq .events)" = 40000
	ecl-verify -q
'

test_expect_success '--rejects puts them away in their order, and records all others' '
	fresh
	awk "NR % 1000 == 7 { print \"bad\", NR; next } { print }" in >bad
	test_expect_code 1 ecl-append -q --rejects away bad 2>err
	grep ^bad bad | test_cmp - away
	test_line_count = 60 err
	test "$(ecl-query --stat | jq .events)" = 59941
'

test_expect_success '{"complete":...} at the end of a flood deletes exactly what was not seen' '
	fresh
	for i in 1 2 3; do ecl-append -q -e "interface:old$i" -s $i; done
	ecl-append -q -e service:other -s 1
	{ cat in; echo "{\"complete\":\"interface:*\"}"; } | ecl-append >out
	tail -n 3 out | jq -r "select(.action == \"delete\").element" >deleted
	printf "interface:old%d\n" 1 2 3 | test_cmp - deleted
	ecl-query service:other | jq -e ".state == 1"
	test "$(grep -c "\"action\":\"delete\"" out)" = 3
'

test_expect_success 'also right behind a publication of the index, which has not arrived yet' '
	fresh
	for i in 1 2 3; do ecl-append -q -e "interface:old$i" -s $i; done
	yes "{\"element\":\"service:a\",\"action\":\"poll\"}" | head -n 262200 >polls
	for i in $(seq $((ECL_TEST_LONG ? 8 : 3))); do
		{ cat polls; echo "{\"complete\":\"interface:*\"}"; } | ecl-append -q --sync none
		test_expect_code 1 ecl-query "interface:*" || return 1
		for k in 1 2 3; do ecl-append -q -e "interface:old$k" -s "\"$i\""; done
	done
'

test_expect_success 'a pause in the input: all before it is recorded, and the lock is free' '
	fresh
	mkfifo pipe
	ecl-append -q <pipe &
	pid=$!
	exec 9>pipe
	cat in >&9
	events_are 60001
	ecl-append -q --wait 0 -e other:1 -s 1
	ecl-verify -q
	cat in >&9
	exec 9>&-
	wait $pid
	test "$(ecl-query --stat | jq .events)" = 120002
	rm pipe
'

test_expect_success 'during a flood that does not end others get in: writers, a snapshot, readers' '
	fresh
	yes "$(for i in 1 2 3 4 5 6 7 8 9; do echo "{\"element\":\"a:$i\",\"action\":\"poll\"}"; done)" | ecl-append -q &
	pid=$!
	n=0
	while test "$(ecl-query --stat | jq .events)" -lt 1000 && test $n -lt 2400; do sleep 0.05; n=$((n + 1)); done
	for i in 1 2 3 4 5 6 7 8 9 10; do ecl-append --wait 60 -e other:$i -s $i >>others; done
	ecl-query other:7 | jq -e ".state == 7"
	ecl-snap -q --wait 60
	kill -0 $pid
	kill $pid
	test_expect_code 143 wait $pid
	test_line_count = 10 others
	ecl-replay >log
	grep -Fxf others log >found
	test_line_count = 10 found
	test "$(jq -s "last.seq - first.seq" others)" -gt 1000
	ecl-verify -q
	ecl-append -q -e a:1 -a check
	ecl-index -q
	ecl-index --check -q
'

test_expect_success 'SIGTERM at any moment tears no line' '
	fresh
	for i in 0 1 2 4 6 9; do
		yes "{\"element\":\"a:1\",\"action\":\"poll\",\"meta\":\"$i\"}" | ecl-append -q &
		pid=$!
		n=0
		while test "$(stat -c %s "$ECL_ROOT"/live/.ecl/log/*.ndjson | tail -n 1)" -lt $((i * 1500000)) && test $n -lt 1000; do n=$((n + 1)); done
		kill $pid
		test_expect_code 143 wait $pid
		ecl-verify >verdict || { cat verdict; return 1; }
	done
'

if strace -o /dev/null true 2>/dev/null; then test_set_prereq STRACE; fi

test_expect_success STRACE 'nor does it while one event is recorded: that is done first' '
	fresh
	for call in pwrite64 write fdatasync; do
		before=$(ecl-query --stat | jq .events)
		test_expect_code 143 traced -o trace -e trace=$call -e inject=$call:signal=TERM:when=1 ecl-append -q -e a:1 -a $call
		test "$(ecl-query --stat | jq .events)" = $((before + 1))
		ecl-verify -q
	done
'

test_expect_success 'on a terminal it shows how far it is, and does not wipe that at each batch' '
	fresh
	# What it prints goes elsewhere.
	script -qefc "{ for i in 1 2 3 4 5 6; do cat in; sleep 0.2; done; } | TERM=xterm ecl-append >/dev/null" /dev/null </dev/null >screen
	tr "\r" "\n" <screen >lines
	grep "recording: [0-9]* events, [0-9]* a second" lines >shown
	test_line_count -gt 1 shown
	grep -c "^.\[K" lines >wiped || :
	test "$(cat wiped)" -le 1
'

test_expect_success 'the index is published on the way, and is right' '
	fresh
	for i in 1 2 3 4 5; do cat in; done | ecl-append -q --sync none
	test "$(ecl-query --stat | jq .index_lag)" -le 1000
	ecl-index --check -q
	python3 "$top_srcdir/t/perf/make-events.py" 300000 300000 | ecl-append -q
	ecl-index --check -q
	ecl-verify -q
	test "$(ecl-query --stat | jq .elements)" = 300001
'

test_expect_success 'an index that cannot be published costs a warning, not an event' '
	fresh
	ecl-index -q
	rm -rf "$ECL_ROOT/live/.ecl/index"
	echo in the way >"$ECL_ROOT/live/.ecl/index"
	for i in 1 2 3 4 5 6; do cat in; done | ecl-append -q 2>err
	test_line_count = 1 err
	test_grep "the index was not published" err
	test "$(ecl-replay | wc -l)" = 360001
	rm "$ECL_ROOT/live/.ecl/index"
	ecl-verify -q
	ecl-append -q -e a:1 -s 1
	ecl-index -q
	ecl-index --check -q
'

test_expect_success STRACE 'somebody else publishes for long: the flood goes on, and does not ask for each portion' '
	fresh
	for i in 1 2 3 4 5 6; do cat in; done >much
	exec 8>>"$ECL_ROOT/index.lock"
	flock 8
	test_when_finished "exec 8>&-"
	traced -y -o trace -e trace=flock ecl-append -q much 8>&- 2>err
	test_line_count = 0 err
	test "$(ecl-query --stat | jq .events)" = 360001
	grep -c "index.lock.*LOCK_EX" trace >asked
	test "$(cat asked)" -ge 2
	test "$(cat asked)" -le 8
	ecl-verify -q
'

test_expect_success 'a publication that fails on its way: its events are published with the next one' '
	fresh
	index=$ECL_ROOT/live/.ecl/index
	ecl-append -q in
	ecl-index -q
	mkfifo pipe
	ecl-append -q <pipe 2>err &
	pid=$!
	exec 9>pipe
	# The manifest is written under that name first.
	mkdir "$index/.head.$pid"
	echo "{\"element\":\"once:1\",\"action\":\"poll\"}" >&9
	for i in 1 2 3 4 5 6; do cat in >&9; done
	held err
	test_grep "the index was not published: cannot create .\.head\.[0-9]*.: File exists" err
	rmdir "$index/.head.$pid"
	python3 "$top_srcdir/t/perf/make-events.py" 20000 5000 7 >&9
	echo "{\"complete\":\"service:*\"}" >&9
	exec 9>&-
	wait $pid
	test_line_count = 1 err
	test "$(ecl-query --stat | jq .index_lag)" = 0
	ecl-index --check -q
	ecl-verify -q
	test "$(ls "$index" | grep -c "^elements-")" = "$(grep -c "^run " "$index/head")"
	rm pipe
'

test_expect_success 'files of the index are damaged while they are used: what is recorded stays right' '
	fresh ecl-en-1
	ecl-append -q in
	ecl-append -q in
	ecl-index -q
	mkfifo pipe
	ecl-append -q <pipe &
	pid=$!
	exec 9>pipe
	cat in >&9
	for f in "$ECL_ROOT"/live/.ecl/index/*; do
		case $f in */head) ;; *) printf XXXXXXXX | dd of="$f" bs=1 seek=5000 conv=notrunc status=none ;; esac
	done
	for i in 1 2 3 4; do cat in; done >&9
	exec 9>&-
	wait $pid
	test "$(ecl-replay | wc -l)" = 420001
	ecl-verify -q
	ecl-index -q
	ecl-index --check -q
	rm pipe
'

test_expect_success 'a replica takes a flood of lines, and refuses one whose hash is wrong' '
	fresh
	ecl-append -q in
	rm -rf "$base/copy"
	ecl-init --backend copy --replica "$base/copy" >/dev/null
	ecl-replay | ecl-append -q -d "$base/copy" --replica
	ecl-replay >a
	ecl-replay -d "$base/copy" >b
	test_cmp a b
	rm -rf "$base/copy"
	ecl-init --backend copy --replica "$base/copy" >/dev/null
	sed "50000s/\"mtu\":/\"mtu\":1/" a | test_expect_code 1 ecl-append -q -d "$base/copy" --replica 2>err
	test_grep "^ecl-append: -:50000: the hash of event 49999 is wrong" err
	ecl-replay -d "$base/copy" >b
	head -n 49999 a | test_cmp - b
'

test_done
