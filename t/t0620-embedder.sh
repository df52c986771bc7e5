#!/usr/bin/env bash
test_description='a command as embedder: asked by ecl-index and ecl-query, in all its failures, and never where the log is not ours'
. "${0%/*}/test-lib.sh"

# The command: writes down what it is asked; a vector counts letters.  $MODE says how it misbehaves, at which line of a run.
cat >embed <<'END'
#!/usr/bin/env python3
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
mode, at = (open(os.path.join(here, 'mode')).read().split() + ['0', '0'])[:2]
asked = open(os.path.join(here, 'asked'), 'a')
open(os.path.join(here, 'pids'), 'a').write(f'{os.getpid()}\n')
n = 0
for line in sys.stdin:
	text = json.loads(line)['text']
	# Where its dimension is not known yet, it is asked for that first.
	if text != 'dimension':
		n += 1
		asked.write(text + '\n')
		asked.flush()
	v = [text.lower().count(chr(c)) for c in range(97, 123)]
	if n == int(at) and n:
		if mode == 'exit': sys.exit(7)
		if mode == 'error': print(json.dumps({'error': 'out of tokens'}), flush=True)
		if mode == 'hang': time.sleep(1000)
		if mode == 'short': v.pop()
		if mode == 'garbage': print('oops', flush=True)
	print(json.dumps({'vector': v}), flush=True)
END
chmod +x embed
here=$PWD

# command MODE [LINE]: how it behaves from now on; nobody has asked it yet.
command_is()
{
	echo "$*" >"$here/mode"
	rm -f "$here/asked" "$here/pids"
}

# ledger NAME [N]: a new one, with N events.
ledger()
{
	rm -rf "$1"
	ecl-init --backend copy --embedder "$here/embed --fast" "$1" >/dev/null &&
		seq "${2:-3}" | sed 's/.*/{"element":"n:&","state":{"Name":"event &","up":true}}/' | ecl-append -q -d "$1"
}

command_is good

test_expect_success 'ecl-index has every event of ours embedded, once' '
	ledger one
	test ! -e pids
	ecl-index -d one >out
	jq -e ".vectors == 4" out
	printf "n %d create Name event %d up true\n" 1 1 2 2 3 3 >want
	test_cmp want asked
	test_line_count = 1 pids
	ecl-index -q -d one
	test_cmp want asked
	ecl-append -q -d one -e "n:4" -s "\"Ünï \\\"q\\\"\""
	ecl-index -q -d one
	echo "n 4 create Ünï \"q\"" >>want
	test_cmp want asked
	ecl-verify -q -d one
'

test_expect_success 'nobody else runs it' '
	ledger two
	command_is good
	ecl-query -d two >/dev/null
	ecl-snap -q -d two
	ecl-verify -q -d two
	ecl-replay -d two >/dev/null
	test ! -e pids
'

# fails WORDS CODE MODE LINE: ecl-index fails so, and what it can do without is done.
fails()
{
	ledger bad 2000
	command_is "$3" "$4"
	test_expect_code "$2" ecl-index -q -d bad 2>err
	test_line_count = 1 err
	test_grep "the embedder .*/embed --fast. $1" err
	test ! -e bad/live/.ecl/index/vectors.head
	ecl-verify -q -d bad
	test "$(ecl-query --json -d bad "n:*" | wc -l)" = 2000
	command_is good
	ecl-index -d bad >out
	jq -e ".vectors == 2001" out
	test_line_count = 2000 asked
}

test_expect_success 'one that ends before it has answered all' '
	fails "ended with exit status 7 (at .n 1500 create Name event 1500 up true.)" 2 exit 1500
'

test_expect_success 'one that says that it cannot' '
	fails "says: out of tokens (at .n 2000 create" 2 error 2000
'

test_expect_success 'one that answers another dimension' '
	fails "gave a vector of 25 numbers, where the others have 26" 2 short 77
'

test_expect_success 'one that says something else' '
	fails "answered .oops.: that is no JSON object (at .n 3 create" 2 garbage 3
'

test_expect_success 'one that does not answer any more: try again later' '
	# Python alone takes a second to begin on a machine that has much to do.
	ECL_EMBEDDER_TIMEOUT=5
	export ECL_EMBEDDER_TIMEOUT
	test_when_finished "unset ECL_EMBEDDER_TIMEOUT"
	fails "did not answer for 5 s" 75 hang 10
	unset ECL_EMBEDDER_TIMEOUT
	test_expect_code 2 env ECL_EMBEDDER_TIMEOUT=0 ecl-index -q -d bad --rebuild 2>err
	test_grep ECL_EMBEDDER_TIMEOUT err
'

test_expect_success 'one that is not there' '
	ledger gone
	mv embed away
	test_when_finished "mv away embed"
	test_expect_code 2 ecl-index -q -d gone 2>err
	test_grep "not found" err
	test_grep "could not be run" err
'

test_expect_success 'one that answers other dimensions than the rows have: what mends it is named' '
	ledger other
	command_is good
	ecl-index -q -d other
	ecl-append -q -d other -e n:4 -s 1
	command_is short 1
	test_expect_code 2 ecl-index -q -d other 2>err
	test_grep "a vector of 25 numbers, where the others have 26; .*ecl-index --rebuild" err
	sed -i "s/range(97, 123)/range(97, 122)/" embed
	test_when_finished "sed -i \"s/range(97, 122)/range(97, 123)/\" embed"
	command_is good
	ecl-index -q -d other --rebuild
	ecl-index --check -q -d other
'

test_expect_success 'it does not outlive who asked it' '
	ledger killed
	command_is hang 1
	ecl-index -q -d killed &
	pid=$!
	for _ in $(seq 1200); do
		test ! -s pids || break
		sleep 0.1
	done
	command=$(cat pids)
	kill -0 $command
	kill -9 $pid
	! wait $pid 2>/dev/null
	for _ in $(seq 1200); do
		kill -0 $command 2>/dev/null || break
		sleep 0.1
	done
	test_must_fail kill -0 $command
	command_is good
	ecl-index -q -d killed
'

test_expect_success 'one that gives no vector does not become the embedder of a ledger that has one' '
	ledger kept
	command_is good
	ecl-index -q -d kept
	ecl-query -d kept --history "ecl:layer" >events
	for c in "exit 3" "echo oops; cat" "no-such-program -x"; do
		test_expect_code 2 ecl-index -q -d kept --embedder "$c" 2>err
		test_grep "the embedder .$c." err
	done
	ecl-query -d kept --history "ecl:layer" >actual
	test_cmp events actual
	ecl-query -d kept --similar event >out
	test_line_count = 3 out
'

test_expect_success 'never for a replica, whose log another host writes' '
	ledger from
	command_is good
	ecl-init --backend copy --replica copy1
	ecl-replay -d from | ecl-append -q -d copy1 --replica
	ecl-index -d copy1 >out 2>err
	ecl-index -q -d copy1 --force
	test ! -e pids
	test_grep "replica" err
	jq -e ".vectors == 0" out
'

test_expect_success ROOT 'never for the ledger of another user, but with --force' '
	ledger theirs
	chown -R nobody theirs
	command_is good
	test_expect_code 2 ecl-index -q -d theirs
	test ! -e pids
	ecl-index -q -d theirs --force
	test -e pids
	command_is good
	test_expect_code 2 ecl-query -d theirs --similar event 2>err
	test_grep "without --force" err
	test ! -e pids
	ecl-query -d theirs --similar event --force >out
	test_line_count = 3 out
'

test_expect_success 'ecl-query asks it for the words, and for events that have no row' '
	ledger asks
	command_is good
	ecl-query -d asks --json --similar "event zzz" >out
	jq -r .element out | sort >have
	printf "n:%d\n" 1 2 3 >want
	test_cmp want have
	grep -x "event zzz" asked
	grep "n 3 create" asked
	ecl-index -q -d asks
	command_is good
	ecl-query -d asks --json --similar "event zzz" >out2
	test_cmp out out2
	test "$(cat asked)" = "event zzz"
	command_is error 1
	test_expect_code 2 ecl-query -d asks --similar "event zzz" 2>err
	test_grep "says: out of tokens (at .event zzz.)" err
'

test_expect_success 'ecl-query does not run it for a replica, nor for a block alone, but for a block of a root' '
	ledger trust
	ecl-snap -q -d trust
	ecl-init --backend copy --replica copy2
	ecl-replay -d trust | ecl-append -q -d copy2 --replica
	cp -a trust/.snapshots/block-* alone
	command_is good
	for d in copy2 alone trust/live trust/.snapshots/block-*; do
		for force in "" --force; do
			test_expect_code 2 ecl-query -d $d --similar event $force 2>err
			test_grep "is a command, which is run for a ledger of your own only" err
		done
		ecl-query -d $d "n:*" >/dev/null
	done
	test ! -e pids
	ecl-query -d trust --block block-0 --json --similar event >out
	test_line_count = 3 out
	test -e pids
'

test_expect_success ROOT 'ecl-query does not run it for the ledger of another user, but with --force' '
	ledger theirs
	chown -R nobody theirs
	command_is good
	test_expect_code 2 ecl-query -d theirs --similar event 2>err
	test_grep "the ledger of another user (without --force)" err
	test ! -e pids
	ecl-query -d theirs --json --similar event --force >out
	test_line_count = 3 out
	for part in live/.ecl live/.ecl/log; do
		chown -R 0 theirs
		chown nobody theirs/$part
		test_expect_code 2 ecl-query -d theirs --similar event
	done
	chown -R 0 theirs
	ecl-query -d theirs --similar event >/dev/null
'

test_done
