#!/usr/bin/env bash
test_description='ecl-publish and ecl-subscribe: ledgers of a fleet through NATS JetStream, byte for byte, and what is not as it should be'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/nats-lib.sh"

test_btrfs 512M
base=$TRASH
test ! -d btrfs || base=$TRASH/btrfs
port=$(free_port)
U=nats://127.0.0.1:$port
ecl-fleet-config --loopback n1 --port "$port" nats
nats_up nats n1

# ledger NAME N: one with so many events besides its genesis.
ledger()
{
	ecl-init --embedder none "$base/$1" >/dev/null &&
	events "$2" "$1" | ecl-append -q -d "$base/$1"
}

publish() { ecl-publish -d "$base/$1" --host "${2-host.example.org}" "$U"; }

test_expect_success 'without streams: what is missing, and who makes it' '
	ledger a 3000
	test_expect_code 2 publish a 2>err
	test_grep "no stream takes .ecl\.[0-9][0-9]\.host_example_org\..*: .ecl-fleet-setup. makes them" err
	test_expect_code 2 ecl-subscribe --into fleet "$U" 2>err
	test_grep "no stream takes .ecl.>.: .ecl-fleet-setup. makes them" err
	test_expect_code 1 ecl-fleet-setup --check "$U" >out 2>err
	test "$(jq -r .state out)" = missing
'

test_expect_success 'streams are made once, and compared afterwards' '
	ecl-fleet-setup "$U" >out
	test "$(jq -r ".stream + .state" out)" = ECL_00made
	ecl-fleet-setup "$U" | jq -r .state >out
	echo ok | test_cmp - out
	ecl-fleet-setup --check "$U" >out
	test_expect_code 1 ecl-fleet-setup --check --streams 64 "$U" >out 2>err
	test_grep "stream .ECL_00. is not as asked for: its subjects are others" err
	test_line_count = 64 out
'

test_expect_success 'a ledger goes there and comes back byte for byte' '
	publish a >out
	test "$(jq -r ".events, .size" out | tr "\n" " ")" = "3001 3001 "
	test "$(jq -r .head out)" = "$(ecl-replay -d "$base/a" --from 3000 | jq -r .hash)"
	ecl-subscribe --into "$base/fleet" "$U" >out
	test "$(jq -r "[.verdict, .ledgers, .events] | @tsv" out)" = "$(printf "ok\t1\t3001")"
	A=$(ledger_id "$base/a")
	same_log "$base/a" "$base/fleet/$A"
	ecl-verify -q -d "$base/fleet/$A"
	ecl-subscribe "$U" >events
	ecl-replay -d "$base/a" | test_cmp - events
	ecl-verify -q - <events
'

test_expect_success 'again: nothing is sent or written twice' '
	publish a | jq -r .events >out
	echo 0 | test_cmp - out
	ecl-subscribe --into "$base/fleet" "$U" | jq -r .messages | test_cmp - out
	same_log "$base/a" "$base/fleet/$A"
	ecl-append -q -d "$base/a" -e more:1 -s 1 </dev/null
	test "$(publish a | jq -r .events)" = 1
	test "$(ecl-subscribe --into "$base/fleet" "$U" | jq -r .messages)" = 1
	same_log "$base/a" "$base/fleet/$A"
'

test_expect_success 'a replica takes nothing else' '
	test_expect_code 2 ecl-append -q -d "$base/fleet/$A" -e x:1 -s 1 </dev/null 2>err
	test_grep "is a replica of another ledger" err
'

test_expect_success 'the longest line goes through' '
	ledger long 1
	python3 -c "print(\"{\\\"element\\\":\\\"l:1\\\",\\\"state\\\":\\\"%s\\\"}\" % (\"x\" * 999900))" | ecl-append -q -d "$base/long"
	events 5 after | ecl-append -q -d "$base/long"
	publish long long >out
	ecl-subscribe --into "$base/fleet" "$U" >out
	same_log "$base/long" "$base/fleet/$(ledger_id "$base/long")"
'

test_expect_success 'queries and verification over all replicas' '
	test "$(ecl-query --roots "$base/fleet" --history "more:*" | jq -r .root)" = "$A"
	test "$(ecl-query --roots "$base/fleet" "l:*" "more:*" | wc -l)" = 2
	ecl-query --roots "$base/fleet" --diff 0 "more:*" | jq -r .change >out
	echo create | test_cmp - out
	ecl-verify -q --roots "$base/fleet"
'

test_expect_success 'events like a given one, of the whole fleet, where replicas have vectors' '
	for name in web db; do
		ecl-init "$base/$name" >/dev/null || return 1
	done
	ecl-append -q -d "$base/web" -e service:nginx -s "{\"summary\":\"certificate of the web server has expired\"}" </dev/null
	ecl-append -q -d "$base/db" -e disk:sda -s "{\"summary\":\"file system is full, no space left on device\"}" </dev/null
	for name in web db; do
		publish $name $name >/dev/null && id=$(ledger_id "$base/$name") && ecl-subscribe --into "$base/words" "$U" "ecl.*.$name.>" >/dev/null &&
		ecl-index -q -d "$base/words/$id" || return 1
	done
	ecl-query --roots "$base/words" --similar "disk is full" -k 1 >out
	test "$(jq -r "[.root, .element] | @tsv" out)" = "$(printf "%s\tdisk:sda" "$(ledger_id "$base/db")")"
	ecl-query --roots "$base/words" --similar "TLS certificate" -k 1 | jq -r .root >out
	ledger_id "$base/web" | test_cmp - out
'

test_expect_success 'only the subjects asked for' '
	ecl-subscribe "$U" "ecl.*.long.>" >out
	ecl-replay -d "$base/long" | test_cmp - out
	ecl-subscribe "$U" "ecl.*.nobody.>" >out
	test_cmp /dev/null out
	test_expect_code 2 ecl-subscribe "$U" "other.>" 2>err
	test_grep "is no subject of ledgers" err
'

test_expect_success 'also from streams that have several shards each, beside another fleet' '
	ecl-fleet-setup -q --stream four --streams 4 "$U"
	for h in a long; do
		ecl-publish -q -d "$base/$h" --host $h --stream four "$U"
	done
	ecl-subscribe --stream four "$U" "four.*.long.>" >out
	ecl-replay -d "$base/long" | test_cmp - out
	ecl-subscribe --stream four --into four "$U" | jq .ledgers >out
	echo 2 | test_cmp - out
'

test_expect_success 'two copies of one ledger that both append: one history, the other is told where they part' '
	ledger fork 300
	publish fork one >out
	cp -R "$base/fork" "$base/copy"
	rm "$base/copy/durable"
	ecl-append -q -d "$base/fork" -e here:1 -s 1 </dev/null
	ecl-append -q -d "$base/copy" -e there:1 -s 1 </dev/null
	publish fork one >out
	test_expect_code 1 publish copy one >out 2>err
	test_cmp /dev/null out
	test_grep "forked: .*part at event 301" err
	for i in 1 2 3 4 5 6 7; do
		events 400 grow | ecl-append -q -d "$base/fork"
		publish fork one >out
	done
	test_expect_code 1 publish copy one 2>err
	test_grep "forked: .*part at event 301" err
	ecl-subscribe --into "$base/fleet" "$U" >out
	same_log "$base/fork" "$base/fleet/$(ledger_id "$base/fork")"
'

test_expect_success 'an older copy is told that the engine is ahead' '
	cp -R "$base/long" "$base/old"
	rm "$base/old/durable"
	ecl-append -q -d "$base/long" -e new:1 -s 1 </dev/null
	publish long long >out
	test_expect_code 1 publish old long 2>err
	test_grep "the engine is ahead of this ledger: .* has event 8, and here 8 is next" err
'

# stopped CLASS SEQ: the last message put by hand is found, the other ledgers go on, and so it stays.
stopped()
{
	ecl-append -q -d "$base/a" -e more:1 -s "\"$1\"" </dev/null &&
	publish a >out &&
	test_expect_code 1 ecl-subscribe --into "$base/fleet" "$U" >out &&
	test "$(jq -r "select(.class) | [.class, .ledger, .seq] | @tsv" out)" = "$(printf '%s\t%s\t%s' "$1" "$B" "$2")" &&
	same_log "$base/a" "$base/fleet/$A" &&
	ecl-verify -q -d "$base/fleet/$B" &&
	test_expect_code 1 ecl-subscribe --into "$base/fleet" "$U" >out &&
	test "$(jq -r .verdict out)" = quarantined &&
	rm -f "$base/fleet/.fleet/$B".*
}

# victim: a fresh ledger of 11 events, published and subscribed; its subject in $S, the next line of it in the file next.
victim()
{
	rm -f "$base"/fleet/.fleet/*.finding &&
	victims=$((victims + 1)) &&
	ledger "v$victims" 10 &&
	publish "v$victims" victim >out &&
	S=$(jq -r .subject out) && B=$(ledger_id "$base/v$victims") &&
	ecl-subscribe --into "$base/fleet" "$U" >out &&
	ecl-append -q -d "$base/v$victims" -e v:1 -s 1 </dev/null &&
	ecl-append -q -d "$base/v$victims" -e v:1 -s 2 </dev/null &&
	ecl-replay -d "$base/v$victims" --from 11 >next
}
victims=0

test_expect_success 'a tampered line is put in quarantine, and stops only its ledger' '
	victim
	head -n 1 next | sed "s/\"state\":1/\"state\":7/" | python3 "$top_srcdir/t/nats-put.py" $port $S
	test_expect_code 1 ecl-subscribe "$U" "ecl.*.victim.>" >out 2>err
	test_grep "corrupt: the hash of event 11 is wrong" err
	ecl-replay -d "$base/v$victims" --to 10 | test_cmp - out
	stopped corrupt 11
'

test_expect_success 'so is what is no line' '
	victim
	printf "{\"seq\":11}\n" | python3 "$top_srcdir/t/nats-put.py" $port $S
	stopped corrupt 11
	victim
	head -n 1 next | tr -d "\n" | python3 "$top_srcdir/t/nats-put.py" $port $S
	stopped corrupt 11
'

test_expect_success 'another history' '
	victim
	cp -R "$base/v1" "$base/other"
	ecl-init --embedder none --backend copy other >/dev/null
	events 20 o | ecl-append -q -d other
	ecl-replay -d other --from 11 --count 2 | python3 "$top_srcdir/t/nats-put.py" $port $S
	stopped forked 11
'

test_expect_success 'out of order, with nothing that fills the gap' '
	victim
	tail -n 1 next | python3 "$top_srcdir/t/nats-put.py" $port $S
	stopped gap 11
'

test_expect_success 'what was refused is kept, with the finding' '
	victim
	head -n 1 next | sed "s/v:1/w:1/" >bad
	python3 "$top_srcdir/t/nats-put.py" $port $S <bad
	test_expect_code 1 ecl-subscribe -q --into "$base/fleet" "$U" >out
	test_cmp bad "$base/fleet/.fleet/$B.lines"
	head -n 1 out | test_cmp "$base/fleet/.fleet/$B.finding" -
	rm "$base/fleet/.fleet/$B".*
'

test_expect_success 'another host cannot speak for a ledger' '
	victim
	ecl-replay -d "$base/v$victims" | python3 "$top_srcdir/t/nats-put.py" $port "${S/victim/evil}"
	publish v$victims victim >out
	test_expect_code 1 ecl-subscribe --into "$base/fleet" "$U" >out
	test "$(jq -r "select(.class) | .class + .subject" out)" = "disputed${S/victim/evil}"
	same_log "$base/v$victims" "$base/fleet/$B"
'

test_expect_success 'nor name another ledger, nor use another shard' '
	ledger named 5
	N=$(ledger_id "$base/named")
	O=11111111-2222-4333-8444-555555555555
	shard=$(printf %02d $((0x$(printf %s $O | sha256sum | cut -c 1-2) % 64)))
	ecl-replay -d "$base/named" | python3 "$top_srcdir/t/nats-put.py" $port ecl.$shard.evil.$O
	ecl-replay -d "$base/named" | python3 "$top_srcdir/t/nats-put.py" $port ecl.99.evil.$N
	ecl-replay -d "$base/named" | python3 "$top_srcdir/t/nats-put.py" $port ecl.00.evil.../../x 2>/dev/null || true
	test_expect_code 1 ecl-subscribe --into "$base/fleet" "$U" >out 2>err
	test "$(jq -r "select(.class) | .class + .ledger" out)" = "misnamed$O"
	test_grep "1 messages were passed over: their subjects are no ledger" err
	test ! -e "$base/fleet/$N"
	test ! -e "$base/fleet/$O"
	rm "$base/fleet/.fleet/$O".*
'

test_expect_success 'a replica that was removed, and one without a position, come back' '
	ecl-append -q -d "$base/a" -e more:1 -s 5 </dev/null
	publish a >out
	mv "$base/fleet/$A" "$base/away"
	ecl-subscribe --into "$base/fleet" "$U" >out
	same_log "$base/a" "$base/fleet/$A"
	rm "$base/fleet/.fleet/ECL_00.position"
	ecl-subscribe --into "$base/fleet" "$U" >out || test $? = 1
	same_log "$base/a" "$base/fleet/$A"
	rm "$base"/fleet/.fleet/*.finding
'

test_expect_success 'a replica that was damaged, and one that was adopted, stop only themselves, and come back when they are put away' '
	for n in u1 u2; do
		ledger $n 5 && publish $n $n || return 1
	done >out
	ecl-subscribe --into "$base/fleet" "$U" >out
	A1=$(ledger_id "$base/u1")
	A2=$(ledger_id "$base/u2")
	printf XX | dd of="$(echo "$base/fleet/$A1"/live/.ecl/log/*)" bs=1 seek=700 conv=notrunc 2>/dev/null
	rm -rf "$base/fleet/$A1/live/.ecl/index"
	mkdir "$base/put"
	ecl-init --adopt "$base/fleet/$A2" >out
	ecl-subscribe --into "$base/fleet" --follow "$U" >sub 2>sub.err &
	sub=$!
	test_when_finished "kill -9 $sub 2>/dev/null; wait $sub; true"
	for n in u1 u2; do
		ecl-append -q -d "$base/$n" -e u:1 -s 1 </dev/null && publish $n $n >out || return 1
	done
	ecl-append -q -d "$base/a" -e u:1 -s 1 </dev/null
	publish a >out
	eventually same_log "$base/a" "$base/fleet/$A"
	eventually grep -q "\"unusable\".*$A1.*cannot go on: the log is corrupt" sub
	eventually grep -q "\"unusable\".*$A2.*cannot go on: it is a ledger already, and not a replica" sub
	mv "$base/fleet/$A1" "$base/fleet/$A2" "$base/put"
	rm "$base/fleet/.fleet/$A1.finding" "$base/fleet/.fleet/$A2.finding"
	for n in u1 u2; do
		ecl-append -q -d "$base/$n" -e u:1 -s 2 </dev/null && publish $n $n >out || return 1
	done
	eventually same_log "$base/u1" "$base/fleet/$A1"
	eventually same_log "$base/u2" "$base/fleet/$A2"
	kill $sub
	test_expect_code 143 wait $sub
	test "$(tail -n 1 sub | jq -r .verdict)" = ok
'

test_expect_success 'only one writes into a directory' '
	flock "$base/fleet/.fleet/lock" test_expect_code 75 ecl-subscribe --wait 0 --into "$base/fleet" "$U" 2>err ||
	(exec 9<>"$base/fleet/.fleet/lock" && flock 9 && test_expect_code 75 ecl-subscribe --wait 0 --into "$base/fleet" "$U" 2>err 9>&-)
	test_grep "another ecl-subscribe writes to" err
'

# Streams of the fleet "four" but for this one take shards 00 to 63.
test_expect_success 'a stream that is called as a file of ours takes no such file' '
	printf "{\"name\":\"lock\",\"subjects\":[\"four.99.>\"],\"storage\":\"file\",\"num_replicas\":1}" |
		python3 "$top_srcdir/t/nats-put.py" $port "\$JS.API.STREAM.CREATE.lock"
	echo x | python3 "$top_srcdir/t/nats-put.py" $port four.99.x.y
	ecl-subscribe --stream four --into four --follow "$U" >sub 2>&1 &
	sub=$!
	test_when_finished "kill -9 $sub 2>/dev/null; wait $sub; true"
	ecl-append -q -d "$base/a" -e more:1 -s 9 </dev/null
	ecl-publish -q -d "$base/a" --host a --stream four "$U"
	eventually test -s four/.fleet/lock.position
	refused 75 "another ecl-subscribe writes to" ecl-subscribe --stream four --wait 0 --into four "$U"
	kill $sub
	test_expect_code 143 wait $sub
'

# More than the client library may hold of one stream among many, while a replica that somebody else has locked keeps us waiting.
test_expect_success 'what there was no room for comes again' '
	ecl-fleet-setup -q --stream wide --streams 64 "$U"
	for h in a long; do
		ecl-publish -q -d "$base/$h" --host $h --stream wide "$U"
	done
	# That a stream has nothing of the one host that is wanted, though it is not empty, stops nobody.
	for h in a long; do
		ecl-subscribe --stream wide --follow "$U" "wide.*.$h.>" >$h.out 2>err &
		one=$!
		test_when_finished "kill -9 $one 2>/dev/null; wait $one; true"
	done
	eventually eval "ecl-replay -d \"$base/a\" | cmp -s - a.out"
	eventually eval "ecl-replay -d \"$base/long\" | cmp -s - long.out"
	ecl-subscribe --stream wide --into "$base/wide" --wait 60 --follow "$U" >sub 2>sub.err &
	sub=$!
	test_when_finished "kill -9 $sub 2>/dev/null; wait $sub; true"
	L=$(ledger_id "$base/long")
	eventually same_log "$base/a" "$base/wide/$A"
	eventually same_log "$base/long" "$base/wide/$L"
	events 50000 room | ecl-append -q -d "$base/a"
	ecl-append -q -d "$base/long" -e room:1 -s 1 </dev/null
	(
		flock 9
		ecl-publish -q -d "$base/long" --host long --stream wide "$U"
		sleep 0.5
		ecl-publish -q -d "$base/a" --host a --stream wide "$U"
	) 9<>"$base/wide/$L/lock"
	eventually same_log "$base/a" "$base/wide/$A"
	eventually same_log "$base/long" "$base/wide/$L"
	kill $sub
	test_expect_code 143 wait $sub
	test "$(tail -n 1 sub | jq -r .verdict)" = ok
'

test_expect_success 'an engine that was wiped is healed by the ledgers, and the subscriber sees no seam' '
	ecl-append -q -d "$base/a" -e more:1 -s 6 </dev/null
	publish a >out
	nats_kill nats n1
	rm -rf nats/n1.store
	nats_up nats n1
	ecl-fleet-setup "$U" >out
	events 100 healed | ecl-append -q -d "$base/a"
	publish a >out
	test "$(jq .events out)" = "$(jq .size out)"
	ecl-subscribe --into "$base/fleet" "$U" >out
	same_log "$base/a" "$base/fleet/$A"
'

# As after a loss of power on a majority: the numbers are given again, to other messages.
test_expect_success 'a stream that lost its end, and gives the same numbers to others, is seen' '
	publish fork one >out
	nats_kill nats n1
	cp -R nats/n1.store saved
	nats_up nats n1
	ecl-append -q -d "$base/a" -e more:1 -s 7 </dev/null
	eventually publish a >out
	ecl-append -q -d "$base/a" -e more:1 -s 8 </dev/null
	publish a >out
	ecl-subscribe --into "$base/fleet" "$U" >out
	same_log "$base/a" "$base/fleet/$A"
	nats_kill nats n1
	rm -rf nats/n1.store
	mv saved nats/n1.store
	nats_up nats n1
	ecl-append -q -d "$base/fork" -e here:1 -s 2 </dev/null
	eventually publish fork one >out
	publish a >out
	ecl-subscribe --into "$base/fleet" "$U" >out
	same_log "$base/fork" "$base/fleet/$(ledger_id "$base/fork")"
	same_log "$base/a" "$base/fleet/$A"
'

test_expect_success 'following: as it is recorded, through a server that is killed and one that is wiped' '
	ecl-publish -d "$base/a" --host host.example.org --follow "$U" >pub 2>pub.err &
	pub=$!
	ecl-subscribe --into "$base/fleet" --follow "$U" >sub 2>sub.err &
	sub=$!
	test_when_finished "kill -9 $pub $sub 2>/dev/null; wait $pub $sub; true"
	ecl-append -q -d "$base/a" -e live:1 -s 1 </dev/null
	eventually same_log "$base/a" "$base/fleet/$A"
	nats_kill nats n1
	ecl-append -q -d "$base/a" -e live:1 -s 2 </dev/null
	nats_up nats n1
	eventually same_log "$base/a" "$base/fleet/$A"
	nats_kill nats n1
	rm -rf nats/n1.store
	ecl-append -q -d "$base/a" -e live:1 -s 3 </dev/null
	nats_up nats n1
	ecl-fleet-setup "$U" >out
	eventually same_log "$base/a" "$base/fleet/$A"
	# Nothing is recorded any more: that the engine has nothing is learned all the same.
	nats_kill nats n1
	rm -rf nats/n1.store
	nats_up nats n1
	ecl-fleet-setup "$U" >out
	eventually eval "ecl-subscribe \"$U\" | cmp -s - <(ecl-replay -d \"$base/a\")"
	kill $pub $sub
	test_expect_code 143 wait $pub
	test_expect_code 143 wait $sub
	test_grep "the connection is lost: trying again" pub.err
	test_grep "connected again after" sub.err
	test "$(jq .size pub)" = "$(ecl-query -d "$base/a" --stat | jq .events)"
	test "$(tail -n 1 sub | jq -r .verdict)" = ok
'

test_expect_success 'out of reach' '
	test_expect_code 75 ecl-publish -d "$base/a" --wait 1 nats://127.0.0.1:1 2>err
	test_grep "cannot connect to .nats://127.0.0.1:1." err
	test_expect_code 75 ecl-subscribe --wait 0 nats://127.0.0.1:1 2>err
	test_expect_code 75 ecl-fleet-setup --wait 0 nats://127.0.0.1:1 2>err
	refused 75 "cannot connect to .nats://nobody.invalid:4222,nats://127.0.0.1:1.: .* (.nobody.invalid.: " ecl-publish -d "$base/a" --wait 1 \
		nats://nobody.invalid:4222,nats://127.0.0.1:1
	test_line_count = 1 err
	refused 75 "cannot connect" ecl-subscribe --wait 1 nats://127.0.0.1:1
	test_line_count = 1 err
'

test_expect_success 'a URL that is none is told, not tried; tls:// is never spoken in the clear' '
	for u in "nats:/127.0.0.1:$port" "http://127.0.0.1:$port" "nats://127.0.0.1:99999" "nats://127.0.0.1:0" "nats://127.0.0.1:x" "nats://:$port" "," "$U,/tmp" \
		"$U, tls://127.0.0.1:$port" "$(printf "nats://h%d," $(seq 65))"; do
		refused 2 "the URL cannot be used: " ecl-publish -d "$base/a" --host host.example.org "$u" || return 1
	done
	refused 2 "the server has no TLS, and tls://" ecl-publish -d "$base/a" --host host.example.org "tls://127.0.0.1:$port"
	test_must_fail ecl-publish -d "$base/a" --host host.example.org --wait 0 "nats://127.0.0.1:1,tls://127.0.0.1:$port" 2>err
	ecl-publish -d "$base/a" --host host.example.org "127.0.0.1:$port," >out
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=x -keyout x.key -out x.pem 2>/dev/null
	refused 2 "the server has no TLS, and .*--tls-ca" ecl-publish -d "$base/a" --host host.example.org --tls-ca x.pem "$U"
	refused 2 "the server has no TLS, and .*--tls-cert" ecl-publish -d "$base/a" --host host.example.org --tls-cert x.pem --tls-key x.key "$U"
'

test_expect_success 'streams that cannot be made are no reason to wait' '
	refused 2 "stream .ECL_01.: subjects overlap" ecl-fleet-setup --streams 2 "$U"
	refused 2 "stream .MORE_00.: replicas > 1 not supported" ecl-fleet-setup --stream more --replicas 3 "$U"
	printf "listen: 127.0.0.1:%d\npid_file: \"%s\"\n" $((port + 1)) "$TRASH/bare.pid" >bare.conf
	printf "no_auth_user: u\njetstream { store_dir: \"%s\" }\naccounts { A { users: [ { user: u, password: p } ] } }\n" "$TRASH/bare.store" >>bare.conf
	nats_up . bare
	refused 2 "JetStream not enabled for account" ecl-fleet-setup "nats://127.0.0.1:$((port + 1))"
	refused 2 "cannot ask for the streams: JetStream not enabled for account" ecl-publish -d "$base/a" "nats://127.0.0.1:$((port + 1))"
	nats_kill . bare
'

# room N: stream FULL_00 takes so many bytes.
room()
{
	printf "{\"name\":\"FULL_00\",\"subjects\":[\"full.>\"],\"storage\":\"file\",\"num_replicas\":1,\"duplicate_window\":120000000000,\"deny_delete\":true,
		\"deny_purge\":true,\"discard\":\"new\",\"allow_direct\":true,\"max_bytes\":%d}" $1 | python3 "$top_srcdir/t/nats-put.py" $port "\$JS.API.STREAM.UPDATE.FULL_00"
}

test_expect_success 'a stream that is full: that is told, and what is waiting goes there once there is room' '
	ecl-fleet-setup -q --stream full --max-bytes 100000 "$U"
	refused 75 "cannot publish: maximum bytes exceeded" timeout 60 ecl-publish -d "$base/a" --stream full --wait 1 "$U"
	ecl-publish -d "$base/a" --stream full --follow "$U" >pub 2>pub.err &
	pub=$!
	test_when_finished "kill -9 $pub 2>/dev/null; wait $pub; true"
	eventually grep "cannot publish: maximum bytes exceeded" pub.err
	room -1
	eventually eval "ecl-subscribe --stream full \"$U\" | cmp -s - <(ecl-replay -d \"$base/a\")"
	kill $pub
	test_expect_code 143 wait $pub
	test_line_count = 1 pub.err
'

test_expect_success 'what may not stand in arguments, and what makes no sense' '
	test_expect_code 2 ecl-publish -d "$base/a" nats://me:secret@127.0.0.1:1 2>err
	test_grep "all users of this machine see what stands in arguments" err
	test_expect_code 2 ecl-publish -d "$base/a" 2>err
	test_grep "give a URL" err
	test_expect_code 2 ecl-publish -d "$base/a" --host "a b" "$U" 2>err
	test_grep "is no host.s name" err
	test_expect_code 2 ecl-publish -d "$base/a" --tls-cert x "$U" 2>err
	test_grep "tls-cert and --tls-key go together" err
	test_expect_code 2 ecl-publish -d "$base/a" --stream A.B "$U" 2>err
	test_expect_code 2 ecl-fleet-setup --streams 3 "$U" 2>err
	NATS_URL=$U ecl-publish -d "$base/a" --host host.example.org >out
'

test_done
