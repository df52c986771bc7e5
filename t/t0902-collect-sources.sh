#!/usr/bin/env bash
test_description='collectors against the real programs: networks, nftables, Open vSwitch, mounts, sockets; all of them at once'
. "${0%/*}/test-lib.sh"

scripts=$top_srcdir/scripts
ECL_ROOT=$TRASH/root
export ECL_ROOT
ecl-init -q --backend copy --embedder none || test_bail 'no ledger'

# A network of our own, in which nothing else happens.
net=ecl-test-$$
if test_have_prereq ROOT && ip netns add $net 2>/dev/null; then
	test_set_prereq NETNS
	trap 'rc=$?; ip netns del $net; (exit $rc); test_at_exit' EXIT
fi
for program in ovsdb-server findmnt ss; do
	! command -v $program >/dev/null || test_set_prereq $program
done
# The kernel must know of nftables, too.
! test_have_prereq NETNS || ! ip netns exec $net nft list ruleset >/dev/null 2>&1 || test_set_prereq nft

inside()
{
	ip netns exec $net "$@"
}

# look KIND: twice the same, and what changed in the ledger since the last time, as `action element'.
look()
{
	inside ecl-collect-$1 >first &&
		inside ecl-collect-$1 >second &&
		test_cmp first second &&
		LC_ALL=C sort -c <(jq -r '.element // empty' first) &&
		tail -n 1 first | grep '^{"complete"' &&
		ecl-append first >out &&
		jq -r '"\(.action) \(.element)"' out >changes
}

# holds ELEMENT CONDITION: of its state in the last look.
holds()
{
	jq -s -e --arg e "$1" "map(select(.element == \$e))[0].state | $2" first
}

changes()
{
	printf '%s\n' "$@" >expect && test_cmp expect changes
}

test_expect_success NETNS 'links and addresses of a network: made, changed, gone' '
	inside ip link set lo up &&
	inside ip link add v0 type veth peer name v1 &&
	inside ip link set v0 alias "to the lab" &&
	inside ip addr add 192.0.2.1/24 dev v0 &&
	look links && changes "create link:lo" "create link:v0" "create link:v1" &&
	holds "link:v0" ".kind == \"veth\" and .summary == \"to the lab\" and .link == \"v1\"" &&
	look addrs && grep "create addr:v0:192.0.2.1/24" changes &&
	inside ip link set v0 mtu 1400 &&
	look links && changes "modify link:v0" &&
	inside ip addr del 192.0.2.1/24 dev v0 &&
	look addrs && changes "delete addr:v0:192.0.2.1/24" &&
	inside ip link del v0 &&
	look links && changes "delete link:v0" "delete link:v1"
'

test_expect_success NETNS 'routes of all tables, without what the kernel makes for each address' '
	inside ip addr add 192.0.2.1/24 dev lo &&
	inside ip addr add 2001:db8::1/64 dev lo &&
	inside ip route add default dev lo metric 5 &&
	inside ip -6 route add default dev lo &&
	inside ip route add 203.0.113.0/24 via 192.0.2.7 dev lo mtu 1400 table 100 &&
	inside ip route add 203.0.113.0/24 nexthop via 192.0.2.8 nexthop via 192.0.2.9 &&
	inside ip route add blackhole 198.51.100.0/24 &&
	look routes &&
	changes "create route:100:203.0.113.0/24:0" "create route:main:0.0.0.0/0:5" "create route:main:198.51.100.0/24:0" \
		"create route:main:2001:db8::/64:256" "create route:main:203.0.113.0/24:0" "create route:main:::/0:1024" &&
	holds "route:100:203.0.113.0/24:0" ".metrics[0].mtu == 1400" &&
	inside ip route replace 203.0.113.0/24 via 192.0.2.9 table 100 &&
	inside ip route del 198.51.100.0/24 &&
	look routes && changes "modify route:100:203.0.113.0/24:0" "delete route:main:198.51.100.0/24:0"
'

test_expect_success NETNS,nft 'rules of nftables by their places; counters and handles are none of it' '
	inside nft -f - <<-\END &&
	table inet filter {
		set blocked { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7 }; }
		set seen { type ipv4_addr; flags timeout; timeout 1m; elements = { 192.0.2.9 }; }
		counter web { comment "hits" }
		quota web { over 25 mbytes }
		chain input {
			type filter hook input priority 0; policy accept;
			icmp type echo-request counter accept comment "pings"
			tcp dport { 22, 80 } accept
			ip saddr @blocked drop
			counter name web
		}
	}
	table ip nat { }
	END
	look nft &&
	changes "create nft:inet:filter" "create nft:inet:filter:@blocked" "create nft:inet:filter:@seen" \
		"create nft:inet:filter:counter web" "create nft:inet:filter:input" \
		"create nft:inet:filter:input:001" "create nft:inet:filter:input:002" "create nft:inet:filter:input:003" \
		"create nft:inet:filter:input:004" "create nft:inet:filter:quota web" "create nft:ip:nat" &&
	test_grep ! handle first &&
	holds "nft:inet:filter:input:001" ".summary == \"pings\"" &&
	holds "nft:inet:filter:@seen" ".elem == null" &&
	inside perl -MSocket -e "
		socket(S, PF_INET, SOCK_RAW, getprotobyname(\"icmp\")) or die;
		send(S, pack(\"CCnnn\", 8, 0, 63486, 1, 0), 0, sockaddr_in(0, inet_aton(\"127.0.0.1\"))) or die" &&
	inside nft list ruleset | grep "counter packets [1-9]" &&
	look nft && test_cmp /dev/null changes &&
	inside nft insert rule inet filter input tcp dport 25 reject &&
	look nft && changes "modify nft:inet:filter:input:001" "modify nft:inet:filter:input:002" \
		"modify nft:inet:filter:input:003" "modify nft:inet:filter:input:004" "create nft:inet:filter:input:005" &&
	inside nft delete table inet filter &&
	test_expect_code 2 ecl-append <(inside ecl-collect-nft) 2>err &&
	test_grep "would delete 11 of 12" err &&
	inside ecl-collect-nft | ecl-append -q --force
'

test_expect_success NETNS,ss 'sockets that listen, each once; those of clients are left out' '
	ip netns exec $net perl -MIO::Socket::INET -e "
		\$a = IO::Socket::INET->new(Listen => 1, LocalAddr => \"127.0.0.1:2525\") or die;
		\$b = IO::Socket::INET->new(Proto => \"udp\", LocalAddr => \"127.0.0.1:5353\") or die;
		\$c = IO::Socket::INET->new(Proto => \"udp\", LocalAddr => \"127.0.0.1:0\") or die;
		open F, q{>}, q{listening.new}; close F; rename q{listening.new}, q{listening}; sleep 1000" &
	job=$! &&
	test_when_finished "kill $job" &&
	for ((i = 0; i < 2400; i++)); do test -e listening && break; sleep 0.05; done &&
	look listen && changes "create listen:tcp:127.0.0.1:2525" "create listen:udp:127.0.0.1:5353" &&
	holds listen:tcp:127.0.0.1:2525 ".process == [\"perl\"]"
'

test_expect_success ROOT,findmnt 'mounts of a name space of our own' '
	cat >mounts <<-\END &&
	mount --make-rprivate / && mkdir -p m && mount -t tmpfs -o size=64k one m && mount -t tmpfs -o size=128k,noexec two m || exit 1
	ecl-collect-mounts >a && ecl-collect-mounts >b || exit 1
	umount m && ecl-collect-mounts >c
	END
	unshare -m --pid --fork --mount-proc bash mounts &&
	grep "\"mount:$TRASH/m\"" a >line &&
	test_cmp line <(grep "\"mount:$TRASH/m\"" b) &&
	jq -e ".state | .source == \"two\" and .fstype == \"tmpfs\" and (.options | index(\"noexec\")) and .options == (.options | sort)" line &&
	grep "\"mount:$TRASH/m\"" c | jq -e ".state.source == \"one\"" &&
	tail -n 2 c >last &&
	printf "{\"complete\":\"%s:*\"}\n" mount block >expect && test_cmp expect last
'

test_expect_success ovsdb-server 'the rows of Open vSwitch, by name' '
	mkdir ovs && export OVS_RUNDIR=$TRASH/ovs &&
	ovsdb-tool create ovs/conf.db /usr/share/openvswitch/vswitch.ovsschema &&
	ovsdb-server --remote=punix:$PWD/ovs/db.sock --pidfile=$PWD/ovs/pid --unixctl=$PWD/ovs/ctl --log-file=$PWD/ovs/log \
		--detach ovs/conf.db 2>/dev/null &&
	test_when_finished "kill $(cat ovs/pid)" &&
	ovs-vsctl --no-wait init -- add-br br0 -- add-port br0 p1 tag=7 -- set Interface p1 type=internal options:a=b \
		-- set-controller br0 tcp:192.0.2.1:6653 -- set bridge br0 external_ids:note=hello &&
	inside() { "$@"; } &&
	look ovs &&
	changes "create ovs:Bridge:br0" "create ovs:Controller:tcp:192.0.2.1:6653" "create ovs:Interface:br0" "create ovs:Interface:p1" \
		"create ovs:Open_vSwitch:" "create ovs:Port:br0" "create ovs:Port:p1" &&
	test_grep ! "[0-9a-f]\{8\}-[0-9a-f]\{4\}-" first &&
	holds "ovs:Bridge:br0" ".ports == [\"br0\", \"p1\"] and .external_ids.note == \"hello\"
		and .controller == \"tcp:192.0.2.1:6653\"" &&
	ovs-vsctl --no-wait set Port p1 tag=8 -- set bridge br0 external_ids:note=bye &&
	look ovs && changes "modify ovs:Bridge:br0" "modify ovs:Port:p1" &&
	ovs-vsctl --no-wait del-port br0 p1 &&
	look ovs && changes "modify ovs:Bridge:br0" "delete ovs:Interface:p1" "delete ovs:Port:p1" &&
	ecl-collect-ovs --applies
'

test_expect_success 'two of one name that differ: reported, and nothing is complete' '
	mkdir fake && cat >fake/ip <<-\END && chmod +x fake/ip &&
	#!/bin/bash
	echo "[{\"ifname\":\"a\",\"mtu\":1},{\"ifname\":\"a\",\"mtu\":2},{\"ifname\":\"b\",\"mtu\":1},{\"ifname\":\"b\",\"mtu\":1}]"
	END
	PATH=$TRASH/fake:$PATH test_expect_code 1 ecl-collect-links >out 2>err &&
	test_line_count = 1 out &&
	test_grep "link:b" out &&
	test_grep "skipped .link:a.: seen twice" err &&
	rm fake/ip
'

# Collectors of our own stand for those of this machine, on which others are at work.
test_expect_success 'ecl-collect: all that are named, the worst exit code, and the rest goes on' '
	for kind in one two bad part; do
		printf "%s\n" "#!/bin/bash" "cat <<E" "{\"element\":\"$kind:1\",\"state\":1}" "{\"complete\":\"$kind:*\"}" E >fake/ecl-collect-$kind || return 1
	done &&
	echo "echo broken >&2; exit 2" | sed -i "1r /dev/stdin" fake/ecl-collect-bad &&
	echo "exit 1" >>fake/ecl-collect-part &&
	chmod +x fake/* &&
	export PATH=$TRASH/fake:$PATH &&
	ecl-collect two one >out &&
	jq -r ".element // empty" out >names &&
	printf "%s:1\n" two one >expect && test_cmp expect names &&
	test_expect_code 2 ecl-collect one bad part two >out 2>err &&
	test_line_count = 6 out &&
	test_grep broken err &&
	test_expect_code 1 ecl-collect part two >out &&
	test_expect_code 2 ecl-collect one no-such-kind >out 2>err &&
	test_line_count = 0 out &&
	test_grep "no collector .ecl-collect-no-such-kind.$" err &&
	mkdir etc && test_when_finished "rmdir etc" &&
	test_expect_code 2 ecl-collect --content etc 2>err &&
	test_grep "no collector .ecl-collect-etc.: a path has a slash in it, as .\./etc.$" err
'

test_expect_success 'ecl-collect: paths are files, with their text where that is wanted' '
	mkdir tree && echo text >tree/f && echo secret >tree/s && chmod 600 tree/s && printf "a\0" >tree/n && printf "\377" >tree/x &&
	head -c 65536 /dev/zero | tr "\0" x >tree/max && head -c 65537 /dev/zero | tr "\0" x >tree/more &&
	ecl-collect one ./tree >out &&
	test_grep ! content out &&
	test_line_count = 10 out &&
	ecl-collect --content ./tree/ >out &&
	jq -r "select(.state.content) | .element" out >names &&
	printf "file:./tree/%s\n" f max >expect && test_cmp expect names &&
	cp out first && holds file:./tree/f ".content == \"text\n\"" &&
	ecl-collect --content --private ./tree >out &&
	jq -r "select(.state.content) | .element" out >names &&
	printf "file:./tree/%s\n" f max s >expect && test_cmp expect names &&
	ecl-append -q out
'

test_expect_success 'ecl-collect: nothing named: what applies here, and ecl-append takes it' '
	ecl-collect >out 2>err &&
	test_cmp /dev/null err &&
	! grep "\"complete\":\"file:" out &&
	for kind in packages links addrs units; do
		! ecl-collect-$kind --applies || grep "complete" out >/dev/null || return 1
	done &&
	ecl-append -n --force out >plan &&
	test_line_count -gt 10 plan
'

test_expect_success 'ecl-collect --redact: what leaves has no secret, and is what ecl-append --redact makes' '
	head -c 32 /dev/urandom >key && chmod 600 key &&
	ecl-collect --content --private --redact "*.content" --redact-key key ./tree >redacted &&
	test_grep ! secret redacted &&
	test_line_count = 8 redacted &&
	ecl-collect --content --private ./tree | ecl-append --redact "*.content" --redact-key key >out &&
	test_line_count = 3 out &&
	ecl-append redacted >out &&
	test_line_count = 0 out &&
	test_expect_code 2 ecl-collect --redact x one 2>err &&
	test_expect_code 2 ecl-collect --content one 2>err
'

test_expect_success 'ecl-redact: the lines before a bad one come, the secret in it does not; times and completions stay' '
	cat >in <<-\END &&
	{"time":"2026-01-01T00:00:00Z","element":"a:1","state":{"b":[1, 2],"a":"secret"},"seq":5}

	{"complete":"a:*"}
	{"element":"a:2","state":{"a":"secret"
	END
	test_expect_code 2 ecl-redact --key key "state.a" <in >out 2>err &&
	test_line_count = 2 out &&
	test_grep "^ecl-redact: -:4:39: unexpected end" err &&
	! grep secret out err &&
	head -n 1 out | jq -e ".time == \"2026-01-01T00:00:00.000000Z\" and .state.b == [1, 2] and .seq == null" &&
	test "$(tail -n 1 out)" = "{\"complete\":\"a:*\"}" &&
	test_expect_code 2 ecl-redact --key key <in 2>err &&
	test_expect_code 2 ecl-redact x <in 2>err &&
	chmod 644 key && test_expect_code 2 ecl-redact --key key x <in 2>err && chmod 600 key
'

test_expect_success 'all --help: 80 columns, examples, and nothing else is taken' '
	for c in "$scripts"/ecl-collect* "$scripts"/ecl-apply-files "$scripts"/ecl-hook-dpkg "$scripts"/ecl-import-[dgj]* "$scripts"/ecl-run "$scripts"/ecl-watch; do
		test "${c%.1}" = "$c" || continue
		$c --help >help || return 1
		head -n 1 help | grep "^usage: ${c##*/}" || return 1
		test_grep ! ".\{81\}" help || return 1
		rc=0
		$c --no-such-option </dev/null >out 2>err || rc=$?
		case ${c##*/} in ecl-run) test $rc = 125 ;; *) test $rc = 2 ;; esac || return 1
		test_grep "^${c##*/}: .*no-such-option" err || return 1
		test_line_count = 0 out || return 1
	done
'

test_done
