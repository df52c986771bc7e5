#!/usr/bin/env bash
test_description='a fleet with TLS: each host says only what is its own, the auditor only reads, and who is refused learns why'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/nats-lib.sh"

port=$(free_port)
U=tls://127.0.0.1:$port
ecl-fleet-config --tls --loopback n1 --port "$port" nats web1 db_1.example.org
nats_up nats n1

# with NAME: its certificate, as options in $tls; as NAME COMMAND...: with it.
with() { tls=(--tls-ca nats/ca.pem --tls-cert "nats/$1.pem" --tls-key "nats/$1.key"); }

as()
{
	local program=$2

	with "$1"
	shift 2
	"$program" "${tls[@]}" "$@"
}

for name in a b; do
	ecl-init --backend copy --embedder none "$name" >/dev/null
	events 300 $name | ecl-append -q -d $name
done

test_expect_success 'the administrator makes streams, hosts publish, the auditor subscribes' '
	as admin ecl-fleet-setup --streams 64 "$U" >out
	test_line_count = 64 out
	as web1 ecl-publish -d a --host web1 "$U" >out
	as db_1.example.org ecl-publish -d b --host db_1.example.org "$U" >out
	test_grep "\.db~1_example_org\." out
	as auditor ecl-subscribe --into fleet "$U" >out
	test "$(jq -r "[.verdict, .ledgers, .streams] | @tsv" out)" = "$(printf "ok\t2\t64")"
	same_log a "fleet/$(ledger_id a)"
	same_log b "fleet/$(ledger_id b)"
	ecl-query --roots fleet "a:*" | wc -l >count
	ecl-verify -q --roots fleet
'

test_expect_success 'one host of many, from 64 streams' '
	as auditor ecl-subscribe "$U" "ecl.*.web1.>" >out
	ecl-replay -d a | test_cmp - out
'

test_expect_success 'following over TLS' '
	with auditor
	ecl-subscribe "${tls[@]}" --into fleet --follow "$U" >sub 2>sub.err &
	sub=$!
	with web1
	ecl-publish "${tls[@]}" -d a --host web1 --follow "$U" >pub 2>pub.err &
	pub=$!
	test_when_finished "kill -9 $pub $sub 2>/dev/null; wait $pub $sub; true"
	ecl-append -q -d a -e live:1 -s 1 </dev/null
	eventually same_log a "fleet/$(ledger_id a)" 2>/dev/null
	kill $pub $sub
	test_expect_code 143 wait $pub
	test_expect_code 143 wait $sub
'

test_expect_success 'a host may not speak for another' '
	ecl-append -q -d b -e more:1 -s 1 </dev/null
	refused 2 "the server refused: .*ermissions .iolation for .*\"_INBOX.db~1_example_org" as web1 ecl-publish -d b --host db_1.example.org --wait 60 "$U"
'

# Where the inbox is its own, the subject is what is refused: others PORT NAME SUBJECT..., and what the server says to each.
others()
{
	python3 - "$@" <<-\PY
		import socket, ssl, sys
		port, name = int(sys.argv[1]), sys.argv[2]
		raw = socket.create_connection(("127.0.0.1", port), timeout=10)
		raw.recv(65536)
		context = ssl.create_default_context(cafile="nats/ca.pem")
		context.load_cert_chain("nats/%s.pem" % name, "nats/%s.key" % name)
		sock = context.wrap_socket(raw, server_hostname="localhost")
		sock.sendall(b'CONNECT {"verbose":false,"tls_required":true}\r\n')
		for subject in sys.argv[3:]:
		    sock.sendall(b"PUB %s 2\r\nhi\r\n" % subject.encode())
		sock.sendall(b"PING\r\n")
		text = b""
		while b"PONG" not in text:
		    text += sock.recv(65536)
		print(text.decode())
	PY
}

test_expect_success 'nor to its subject, nor read, nor may anybody but the administrator change a stream' '
	S=$(as db_1.example.org ecl-publish -d b --host db_1.example.org "$U" | jq -r .subject)
	J="\$JS.API"
	changes="$J.STREAM.CREATE.X $J.STREAM.DELETE.ECL_00 $J.STREAM.PURGE.ECL_00 $J.STREAM.MSG.DELETE.ECL_00 $J.STREAM.UPDATE.ECL_00"
	reads="$J.CONSUMER.CREATE.ECL_00 $J.STREAM.MSG.GET.ECL_00 $J.DIRECT.GET.ECL_00 $J.STREAM.INFO.ECL_00"
	others $port web1 "$S" $changes $reads >said
	test "$(grep -c "Permissions Violation for Publish" said)" = 10
	test_grep "Permissions Violation for Publish to \"$S\"" said
	others $port auditor "$S" $changes >said
	test "$(grep -c "Permissions Violation for Publish" said)" = 6
	others $port web1 "${S/db~1_example_org/web1}" >said
	test_grep ! "Permissions" said
'

test_expect_success 'a host does not subscribe' '
	refused 2 "the server refused: .*ermissions .iolation for .ubscription to \"_INBOX.auditor" as web1 ecl-subscribe --wait 60 "$U"
'

test_expect_success 'the auditor does not write' '
	refused 2 "the server refused: .*ermissions .iolation" as auditor ecl-publish -d a --host web1 --wait 60 "$U"
'

test_expect_success 'a server of another authority, and a host of one' '
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=evil -keyout evil.key -out evil.pem 2>/dev/null
	refused 2 "certificate.*is --tls-ca the server.s authority" ecl-publish -d a --host web1 --tls-ca evil.pem --tls-cert nats/web1.pem --tls-key nats/web1.key "$U"
	refused 2 "certificate.*see --tls-ca" ecl-publish -d a --host web1 --tls-cert nats/web1.pem --tls-key nats/web1.key "$U"
	refused 2 "certificate" ecl-publish -d a --host web1 --wait 60 --tls-ca nats/ca.pem --tls-cert evil.pem --tls-key evil.key "$U"
'

test_expect_success 'without a certificate, without TLS, with one that is not there' '
	refused 2 "certificate" ecl-publish -d a --host web1 --wait 60 --tls-ca nats/ca.pem "$U"
	refused 2 "tls-c" ecl-publish -d a --host web1 --wait 60 "nats://127.0.0.1:$port"
	refused 2 "cannot open .nats/none.pem.: No such file" ecl-publish -d a --host web1 --tls-ca nats/none.pem "$U"
	refused 2 "cannot open .nats/none.key.: No such file" ecl-publish -d a --host web1 --tls-ca nats/ca.pem --tls-cert nats/web1.pem --tls-key nats/none.key "$U"
	refused 2 "cannot use the certificates: .*nats/n1.conf" ecl-publish -d a --host web1 --tls-ca nats/n1.conf "$U"
'

test_expect_success 'who leaves a private key open to others is warned, and served' '
	cp nats/web1.key open.key
	chmod 644 open.key
	ecl-publish -q -d a --host web1 --tls-ca nats/ca.pem --tls-cert nats/web1.pem --tls-key open.key "$U" 2>err
	test_grep "warning: others can read or change .open.key." err
	chmod 640 open.key
	ecl-publish -q -d a --host web1 --tls-ca nats/ca.pem --tls-cert nats/web1.pem --tls-key open.key "$U" 2>err
	test_cmp /dev/null err
'

test_expect_success 'a host that nobody named' '
	ecl-fleet-config --tls --loopback n1 --port "$port" spare stranger
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=stranger -keyout stranger.key -out stranger.csr 2>/dev/null
	openssl x509 -req -in stranger.csr -CA nats/ca.pem -CAkey nats/ca.key -CAcreateserial -days 30 -extfile <(echo subjectAltName=DNS:stranger) -out stranger.pem 2>/dev/null
	refused 2 "uthori[sz]ation" ecl-publish -d a --host stranger --wait 60 --tls-ca nats/ca.pem --tls-cert stranger.pem --tls-key stranger.key "$U"
'

test_done
