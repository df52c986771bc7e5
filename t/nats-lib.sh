# What the tests of the fleet share: real NATS servers on loopback.  Sourced behind test-lib.sh.
# shellcheck shell=bash disable=SC2034,SC2154

if ! test -x "$top_builddir/cmd/ecl-publish"; then
	skip_all='built without the NATS client library'
	test_done
fi
if ! command -v nats-server >/dev/null || ! command -v openssl >/dev/null || ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='nats-server, openssl, python3 and jq are needed'
	test_done
fi
unset NATS_URL

# free_port: the first of three in a row that nobody has, and so are those 1000 above.
free_port()
{
	python3 - <<-\PY
		import random, socket
		while True:
		    port = random.randrange(20000, 30000)
		    held = []
		    try:
		        for p in range(port, port + 3):
		            for q in (p, p + 1000):
		                s = socket.socket()
		                s.bind(("127.0.0.1", q))
		                held.append(s)
		        print(port)
		        break
		    except OSError:
		        pass
		    finally:
		        for s in held:
		            s.close()
	PY
}

# eventually COMMAND...: for at most two minutes.
eventually()
{
	local n=0

	while ! "$@" && test $n -lt 2400; do sleep 0.05; n=$((n + 1)); done
	"$@"
}

# nats_up DIR NAME...: start these servers; nats_kill DIR NAME...: SIGKILL; the test's end ends them all.
nats_up()
{
	local dir=$1 name

	shift
	for name; do
		# A server that was killed leaves its number behind.
		rm -f "$dir/$name.pid"
		nats-server -c "$dir/$name.conf" -l "$dir/$name.log" >/dev/null 2>&1 &
	done
	for name; do
		eventually test -s "$dir/$name.pid"
	done
}

nats_kill()
{
	local dir=$1 name

	shift
	for name; do
		kill -9 "$(cat "$dir/$name.pid")"
	done
	for name; do
		eventually eval "! kill -0 $(cat "$dir/$name.pid") 2>/dev/null"
	done
}

# refused CODE PATTERN COMMAND...: and the message says why.
refused()
{
	local code=$1 pattern=$2

	shift 2
	test_expect_code "$code" "$@" >out 2>err && test_grep "$pattern" err
}

# same_log ROOT ROOT: byte for byte.
same_log()
{
	cat "$1"/live/.ecl/log/*.ndjson >log.1 && cat "$2"/live/.ecl/log/*.ndjson >log.2 && cmp log.1 log.2
}

# events N NAME: always recorded.
events() { awk -v n="$1" -v s="$2" 'BEGIN { for (i = 0; i < n; i++) printf "{\"element\":\"%s:%d\",\"action\":\"poll\",\"meta\":{\"n\":%d,\"operstate\":\"UP\",\"address\":\"52:54:00:12:34:%02x\"}}\n", s, i % 50, i, i % 256 }'; }

# ledger_id ROOT: of the ledger there.
ledger_id() { ecl-replay -d "$1" --count 1 | jq -r .state.id; }
