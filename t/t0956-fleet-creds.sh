#!/usr/bin/env bash
test_description='a fleet whose users are JWTs with credentials files: who may do what, and who is refused learns why'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/nats-lib.sh"

port=$(free_port)
U=nats://127.0.0.1:$port
python3 "$top_srcdir/t/nats-jwt.py" nats n1 "$port" web1 db_1.example.org
nats_up nats n1

# as NAME PROGRAM [ARG...]: with the credentials of NAME.
as()
{
	local program=$2 name=$1

	shift 2
	"$program" --creds "nats/$name.creds" "$@"
}

for name in a b; do
	ecl-init --backend copy --embedder none "$name" >/dev/null
	events 300 $name | ecl-append -q -d $name
done

test_expect_success 'the administrator makes streams, hosts publish, the auditor subscribes' '
	refused 2 "no stream takes .ecl\..* in the account of .nats/web1.creds.: .ecl-fleet-setup. makes them" as web1 ecl-publish -d a --host web1 "$U"
	as admin ecl-fleet-setup --streams 4 "$U" >out
	test_line_count = 4 out
	as web1 ecl-publish -d a --host web1 "$U" >out 2>err
	test_cmp /dev/null err
	as db_1.example.org ecl-publish -d b --host db_1.example.org "$U" >out
	as auditor ecl-subscribe --into fleet "$U" >out
	test "$(jq -r "[.verdict, .ledgers, .streams] | @tsv" out)" = "$(printf "ok\t2\t4")"
	same_log a "fleet/$(ledger_id a)"
	same_log b "fleet/$(ledger_id b)"
	as auditor ecl-subscribe "$U" "ecl.*.web1.>" >out
	ecl-replay -d a | test_cmp - out
'

test_expect_success 'what they may is what the manual says that they need' '
	python3 "$top_srcdir/t/nats-jwt.py" --subjects | sort -u >subjects
	sed -n "/^\.It Host/,/^\.El/s/^\.Ql \([^ ]*[.][^ ]*\).*/\1/p" "$top_srcdir/cmd/ecl-fleet.7" | sort -u | test_cmp - subjects
'

test_expect_success 'a host may not speak for another' '
	refused 2 "the server refused: .*ermissions .iolation for .*\"_INBOX.db~1_example_org" as web1 ecl-publish -d b --host db_1.example.org --wait 60 "$U"
'

test_expect_success 'a host does not subscribe, the auditor does not write, neither makes a stream' '
	refused 2 "the server refused: .*ermissions .iolation for .ubscription to \"_INBOX.auditor" as web1 ecl-subscribe --wait 60 "$U"
	refused 2 "the server refused: .*ermissions .iolation" as auditor ecl-publish -d a --host web1 --wait 60 "$U"
	refused 2 "the server refused: .*ermissions .iolation" as web1 ecl-fleet-setup --wait 60 --stream more "$U"
	as admin ecl-fleet-setup --check --streams 4 "$U" >out
'

test_expect_success 'a JWT that has expired' '
	refused 2 "uthorization .iolation (the credentials .nats/expired.creds. expired at 20..-..-..T..:..:..Z)" as expired ecl-publish -d a --host web1 "$U"
'

test_expect_success 'one of another account, and of an account that the server does not know' '
	refused 2 "no stream takes .ecl\..* in the account of .nats/other.creds." as other ecl-publish -d a --host web1 "$U"
	refused 2 "no stream takes .ecl.>. in the account of .nats/other.creds." as other ecl-subscribe "$U"
	python3 "$top_srcdir/t/nats-jwt.py" strange n1 "$port" web1
	refused 2 "uthorization .iolation (does the server know the account that issued .strange/web1.creds." ecl-publish -d a --host web1 --creds strange/web1.creds "$U"
	refused 2 "uthorization .iolation (see --creds" ecl-publish -d a --host web1 "$U"
'

# damaged NAME PATTERN: the file of the standard input.
damaged()
{
	cat >"$1.creds" && chmod 600 "$1.creds" && refused 2 "$2" ecl-publish -d a --host web1 --creds "$1.creds" "$U"
}

test_expect_success 'a file that is not there, is no file, or not a credentials file' '
	refused 2 "cannot open the credentials .none.creds.: No such file" ecl-publish -d a --host web1 --creds none.creds "$U"
	refused 2 "are no regular file" ecl-publish -d a --host web1 --creds nats "$U"
	mkfifo pipe
	refused 2 "are no regular file" ecl-publish -d a --host web1 --creds pipe "$U"
	damaged empty "is no credentials file of NATS: it has no .-----BEGIN NATS USER JWT-----" </dev/null
	head -c 70000 /dev/zero | damaged huge "is larger than any credentials file"
	sed "/BEGIN USER/,\$d" nats/web1.creds | damaged seedless "have no seed"
	sed "s/^SU/SV/" nats/web1.creds | damaged seed "the seed .* is damaged"
	sed "s/\\.ey/.!y/" nats/web1.creds | damaged jwt "the JWT .* is damaged"
	sed "s/\$/$(printf "\\r")/" nats/web1.creds | damaged windows "end with CR LF"
	sed -n 1,3p nats/web1.creds >two
	sed 1,3d nats/auditor.creds >>two
	damaged mixed "the seed .* is not that of the user whose JWT is there" <two
	refused 2 "cannot open the credentials .none.creds" ecl-subscribe --creds none.creds "$U"
	refused 2 "cannot open the credentials .none.creds" ecl-fleet-setup --creds none.creds "$U"
'

test_expect_success NONROOT 'a file that we may not read' '
	cp nats/web1.creds closed.creds
	chmod 0 closed.creds
	refused 2 "cannot open the credentials .closed.creds.: Permission denied" as_user ecl-subscribe --creds closed.creds "$U"
'

test_expect_success 'who leaves it open to others is warned, and served' '
	cp nats/web1.creds open.creds
	for mode in 604 620 602; do
		chmod $mode open.creds
		ecl-publish -q -d a --host web1 --creds open.creds "$U" 2>err
		test_grep "warning: others can read or change .open.creds." err
	done
	chmod 640 open.creds
	ecl-publish -q -d a --host web1 --creds open.creds "$U" 2>err
	test_cmp /dev/null err
'

test_expect_success 'a JWT that expires while it is followed ends that, and one that was renewed in time does not' '
	reconnected() { grep "connected again" pub.err || ! kill -0 $pub 2>/dev/null; }
	# Where the machine is too busy to renew it within three seconds, it has half a minute.
	for seconds in 3 30; do
		ecl-append -q -d a -e live:$seconds -s 1 </dev/null
		python3 "$top_srcdir/t/nats-jwt.py" --soon nats web1 $seconds
		cp nats/soon.creds renewed.creds
		ecl-publish -d a --host web1 --creds renewed.creds --follow "$U" >pub 2>pub.err &
		pub=$!
		test_when_finished "kill -9 $pub 2>/dev/null; wait $pub; true"
		refused 2 "uthorization .iolation (the credentials .nats/soon.creds. expired" timeout 120 ecl-publish -d a --host web1 --creds nats/soon.creds --follow "$U" &
		soon=$!
		eventually eval "grep -rq live:$seconds nats/n1.store || ! kill -0 $soon 2>/dev/null"
		cp nats/web1.creds renewed.new
		mv renewed.new renewed.creds
		wait $soon
		eventually reconnected
		! grep "connected again" pub.err || break
	done
	grep "connected again" pub.err
	ecl-append -q -d a -e live:1 -s 1 </dev/null
	eventually grep -rq live:1 nats/n1.store
	kill $pub
	test_expect_code 143 wait $pub
'

test_done
