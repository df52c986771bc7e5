#!/usr/bin/env bash
test_description='a fleet on three servers: killed leaders, publishers and subscribers lose nothing and double nothing'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/nats-lib.sh"

test_btrfs 512M
base=$TRASH
test ! -d btrfs || base=$TRASH/btrfs
port=$(free_port)
U=nats://127.0.0.1:$port,nats://127.0.0.1:$((port + 1)),nats://127.0.0.1:$((port + 2))
ecl-fleet-config --port "$port" nats
nats_up nats n1 n2 n3
ecl-init --embedder none "$base/a" >/dev/null

# leader: the name of the server that leads the stream.
leader() { ecl-fleet-setup --check --replicas 3 "$U" 2>/dev/null | jq -r .leader; }
has_leader() { L=$(leader) && case $L in n[123]) ;; *) false ;; esac; }

test_expect_success 'three copies of a stream' '
	ecl-fleet-setup --replicas 3 --wait 120 "$U" >out
	test "$(jq -r .state out)" = made
	eventually has_leader
'

# kills: SIGKILL for the leader, for publisher and subscriber, and for all servers at once, while 30,000 events are on their way.
test_expect_success 'killed at any moment, all arrives, once' '
	ecl-publish -d "$base/a" --host h --follow "$U" >/dev/null 2>pub.err &
	pub=$!
	ecl-subscribe --into "$base/fleet" --follow "$U" >/dev/null 2>sub.err &
	sub=$!
	test_when_finished "kill -9 \$pub \$sub 2>/dev/null; wait \$pub \$sub; true"
	(for i in 1 2 3 4 5 6; do events 5000 r$i | ecl-append -q -d "$base/a"; sleep 0.4; done) &
	writer=$!
	sleep 0.2
	eventually has_leader
	nats_kill nats $L
	sleep 0.3

	kill -9 $pub
	wait $pub || true
	ecl-publish -d "$base/a" --host h --follow "$U" >/dev/null 2>>pub.err &
	pub=$!
	kill -9 $sub
	wait $sub || true
	ecl-subscribe --into "$base/fleet" --follow "$U" >/dev/null 2>>sub.err &
	sub=$!
	nats_up nats $L
	nats_kill nats n1 n2 n3
	wait $writer
	nats_up nats n1 n2 n3
	A=$(ledger_id "$base/a")
	eventually same_log "$base/a" "$base/fleet/$A" 2>/dev/null || { cat pub.err sub.err; exit 1; }
	ecl-verify -q -d "$base/fleet/$A"
	test "$(ecl-query -d "$base/fleet/$A" --stat | jq .events)" = 30001
'

test_expect_success 'what the engine has is the log, each event once' '
	ecl-subscribe --wait 120 --into anew "$U" >out
	same_log "$base/a" "anew/$A"
	# What comes twice is passed over, but counted.
	test "$(jq .bytes out)" = "$(ecl-replay -d "$base/a" | wc -c)"
	test_must_fail ls "$base"/fleet/.fleet/*.finding
'

test_done
