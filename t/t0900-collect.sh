#!/bin/bash
test_description='collectors: stable, whole or without the line that says so'
. "${0%/*}/test-lib.sh"

scripts=$top_srcdir/scripts
collectors=
for kind in addrs links listen mounts nft ovs packages routes units; do collectors="$collectors ecl-collect-$kind"; done
command -v jq >/dev/null || test_bail 'jq is missing'
for program in dpkg-query ip; do
	if command -v $program >/dev/null; then test_set_prereq $program; fi
done
if command -v systemctl >/dev/null || test -d /usr/lib/systemd/system; then test_set_prereq units; fi

# fake NAME: a program that stands before the real ones in $TRASH/fake, from standard input.
fake()
{
	{ echo '#!/bin/bash' && cat; } >"$TRASH/fake/$1" && chmod +x "$TRASH/fake/$1"
	test_when_finished "rm -f '$TRASH/fake/$1'"
}

# with_fakes CMD...: fakes first.  without_sources CMD...: nothing but what every system has.
with_fakes()
{
	PATH=$TRASH/fake:$PATH "$@"
}
mkdir fake bare || exit
for program in bash cat awk readlink sort jq; do
	ln -s "$(command -v $program)" bare/$program || exit
done
without_sources()
{
	PATH=$TRASH/bare "$@"
}

# unprivileged CMD...: as somebody who may not read everything.
unprivileged()
{
	if test_have_prereq ROOT; then
		setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
	else
		"$@"
	fi
}

# check_output FILE GLOB: observations of that kind, sorted, and then the line that they are all.
check_output()
{
	test_line_count -gt 1 "$1"
	tail -n 1 "$1" >last
	printf '{"complete":"%s"}\n' "$2" >expect
	test_cmp expect last
	sed '$d' "$1" | jq -r .element >names
	LC_ALL=C sort -cu names
	sed '$d' "$1" | jq -e -s "all(.[]; (.element | startswith(\"${2%\*}\")) and (.state | type) == \"object\")"
}

wait_for()
{
	local i

	for ((i = 0; i < 2400; i++)); do
		test ! -e "$1" || return 0
		sleep 0.05
	done
	echo "'$1' did not appear"
	return 1
}

for pair in dpkg-query:packages:pkg ip:links:link ip:addrs:addr units:units:unit; do
	IFS=: read -r need what kind <<<"$pair"
	test_expect_success $need "$what: sorted, whole, twice the same" "
		ecl-collect-$what >first
		ecl-collect-$what >second
		test_cmp first second
		check_output first '$kind:*'
	"
done

test_expect_success 'all: --help, and nothing but that' '
	for c in $collectors ecl-collect-files; do
		$c --help >help
		$c -h >h
		test_cmp help h
		test_grep "^usage: $c" help
		test_grep ! ".\{81\}" help
		test_expect_code 2 $c --no-such-option >out 2>err
		test_grep "no-such-option" err
		test_line_count = 0 out
	done
	for c in $collectors; do
		test_expect_code 2 $c operand >out 2>err
		test_line_count = 0 out
	done
	test_expect_code 2 ecl-collect-files >out
	test_line_count = 0 out
'

test_expect_success 'the source program is missing: it is named, nothing is printed' '
	for pair in packages:dpkg-query links:ip addrs:ip; do
		test_expect_code 2 without_sources "$scripts/ecl-collect-${pair%:*}" >out 2>err
		test_grep "ecl-collect-${pair%:*}: .${pair#*:}. is missing" err
		test_line_count = 0 out
	done
'

test_expect_success units 'units: without systemctl the directories are read, and say the same of names' '
	without_sources "$scripts/ecl-collect-units" >out
	check_output out "unit:*"
	jq -e -s "all(.[:-1][]; .state.preset == null and (.state.state | type) == \"string\")" out
'

test_expect_success 'the source fails half-way: nothing is printed' '
	fake dpkg-query <<-\END
	printf "half\tinstall ok installed\t1\tx\n"
	exit 3
	END
	fake ip <<-\END
	printf "[{\"ifname\":\"lo\"}"
	exit 3
	END
	fake systemctl <<-\END
	echo "[]"
	exit 3
	END
	for f in findmnt nft ovs-vsctl; do
		fake $f <<-\END
		echo "{"
		exit 3
		END
	done
	fake ss <<-\END
	echo "tcp LISTEN 0 128 0.0.0.0:1 0.0.0.0:*"
	exit 3
	END
	for c in $collectors; do
		test_expect_code 2 with_fakes $c >out 2>err
		test_line_count = 0 out
		test_grep "failed (exit 3)" err
	done
'

test_expect_success 'the source prints half a document and exits 0: nothing is printed' '
	fake ip <<<"echo [{"
	fake systemctl <<<"echo [{"
	for f in findmnt lsblk nft ovs-vsctl; do
		fake $f <<<"echo {"
	done
	for c in ${collectors/ecl-collect-listen/}; do
		test $c != ecl-collect-packages || continue
		test_expect_code 2 with_fakes $c >out 2>err
		test_line_count = 0 out
	done
'

test_expect_success 'killed while the source is at work: nothing is printed' '
	for pair in dpkg-query:packages ip:addrs ip:links ip:routes ss:listen findmnt:mounts lsblk:mounts nft:nft ovs-vsctl:ovs systemctl:units; do
		fake ${pair%:*} <<-\END
		printf "half\tinstall ok installed\t1\tx\n"
		echo $$ >pid.new
		mv pid.new pid
		exec sleep 1000
		END
		rm -f pid
		with_fakes ecl-collect-${pair#*:} >out &
		job=$!
		wait_for pid
		kill -9 $job
		wait $job || true
		kill "$(cat pid)"
		test_line_count = 0 out
		rm fake/${pair%:*}
	done
'

test_expect_success 'packages: what dpkg-query says becomes the state' '
	fake dpkg-query <<-\END
	printf "zlib1g:amd64\tinstall ok installed\t1:1.2.13\tcompression \"library\" \\\\ é\tx\n"
	printf "apt\thold ok installed\t2.6.1\t\n"
	printf "aaa\tdeinstall ok config-files\t1\tgone\n"
	END
	with_fakes ecl-collect-packages >actual
	cat >expect <<-\END
	{"element":"pkg:aaa","state":{"status":"deinstall ok config-files","summary":"gone","version":"1"}}
	{"element":"pkg:apt","state":{"status":"hold ok installed","version":"2.6.1"}}
	{"element":"pkg:zlib1g:amd64","state":{"status":"install ok installed","summary":"compression \"library\" \\ é\tx","version":"1:1.2.13"}}
	{"complete":"pkg:*"}
	END
	test_cmp expect actual
'

test_expect_success 'links: what stays and what goes' '
	fake ip <<-\END
	cat <<-\JSON
	[{"ifindex":7,"ifname":"v9","link":"eth0","flags":["UP","BROADCAST"],"mtu":1500,"master":"br0","operstate":"UP",
	  "linkinfo":{"info_kind":"vlan"},"address":"02:00:00:00:00:01","ifalias":"to the lab","stats64":{"rx":{"bytes":1}}},{},
	 {"ifindex":1,"ifname":"lo","flags":[],"mtu":65536,"operstate":"UNKNOWN"}]
	JSON
	END
	with_fakes ecl-collect-links >actual
	cat >expect <<-\END
	{"element":"link:lo","state":{"flags":[],"mtu":65536,"operstate":"UNKNOWN"}}
	{"element":"link:v9","state":{"address":"02:00:00:00:00:01","flags":["BROADCAST","UP"],"kind":"vlan","link":"eth0","master":"br0","mtu":1500,"operstate":"UP","summary":"to the lab"}}
	{"complete":"link:*"}
	END
	test_cmp expect actual
'

test_expect_success 'addrs: lifetimes go, a peer is part of the name' '
	fake ip <<-\END
	cat <<-\JSON
	[{"ifname":"ppp0","addr_info":[{"family":"inet","local":"192.0.2.1","address":"192.0.2.2","prefixlen":32,"valid_life_time":5,
	   "preferred_life_time":4}]},{"ifname":"down0","addr_info":[]},
	 {"ifname":"eth0","addr_info":[{"family":"inet6","local":"2001:db8::1","prefixlen":64,"dynamic":true,"valid_life_time":9}]}]
	JSON
	END
	with_fakes ecl-collect-addrs >actual
	cat >expect <<-\END
	{"element":"addr:eth0:2001:db8::1/64","state":{"dynamic":true,"family":"inet6","local":"2001:db8::1","prefixlen":64}}
	{"element":"addr:ppp0:192.0.2.1,192.0.2.2/32","state":{"address":"192.0.2.2","family":"inet","local":"192.0.2.1","prefixlen":32}}
	{"complete":"addr:*"}
	END
	test_cmp expect actual
'

test_expect_success 'links, addrs: a name that no element can have is reported, and nothing is complete' '
	fake ip <<-\END
	printf "[{\"ifname\":\"e\\\\u0001\",\"addr_info\":[{\"local\":\"192.0.2.9\",\"prefixlen\":24}]},{\"ifname\":\"b\377\"},"
	printf "{\"ifname\":\"eth0\",\"flags\":[],\"addr_info\":[{\"local\":\"192.0.2.1\",\"prefixlen\":24}]}]\n"
	END
	for c in links addrs; do
		test_expect_code 1 with_fakes ecl-collect-$c >out 2>err
		test_line_count = 1 out
		test_grep "eth0" out
		test_grep ! complete out
		test_grep "skipped .*u0001" err
	done
'

test_expect_success 'units: presets, states, and older names of members' '
	fake systemctl <<-\END
	echo "[{\"unit_file\":\"no-such-z.service\",\"state\":\"enabled\",\"preset\":\"disabled\"},"
	echo "{\"unit_file\":\"no-such-a@.service\",\"state\":\"static\",\"vendor_preset\":null}]"
	END
	with_fakes ecl-collect-units >actual
	cat >expect <<-\END
	{"element":"unit:no-such-a@.service","state":{"preset":null,"state":"static"}}
	{"element":"unit:no-such-z.service","state":{"preset":"disabled","state":"enabled"}}
	{"complete":"unit:*"}
	END
	test_cmp expect actual
'

# of nothing
empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

test_expect_success 'files: every type, sorted by bytes, twice the same' '
	mkdir -p tree/a tree/empty
	printf 12345 >tree/a/f
	: >tree/a.b
	mkfifo tree/pipe
	ln -s /nowhere/at\ all tree/link
	chmod 4755 tree/a/f
	chmod 644 tree/a.b tree/pipe
	sum=$(printf 12345 | sha256sum | cut -c 1-64)
	own="\"gid\":$(id -g)" user="\"uid\":$(id -u)"
	ecl-collect-files tree >actual
	ecl-collect-files ./tree/../tree//a/../ >/dev/null
	cat >expect <<-END
	{"element":"file:tree","state":{$own,"mode":"0755","type":"d",$user}}
	{"element":"file:tree/a","state":{$own,"mode":"0755","type":"d",$user}}
	{"element":"file:tree/a.b","state":{$own,"mode":"0644","sha256":"$empty","size":0,"type":"f",$user}}
	{"element":"file:tree/a/f","state":{$own,"mode":"4755","sha256":"$sum","size":5,"type":"f",$user}}
	{"element":"file:tree/empty","state":{$own,"mode":"0755","type":"d",$user}}
	{"element":"file:tree/link","state":{$own,"mode":"0777","target":"/nowhere/at all","type":"l",$user}}
	{"element":"file:tree/pipe","state":{$own,"mode":"0644","type":"p",$user}}
	{"complete":"file:tree/*"}
	END
	test_cmp expect actual
	ecl-collect-files tree >again
	test_cmp actual again
	ecl-collect-files tree//./ >again
	test_cmp actual again
'

test_expect_success 'files: several paths, each once; only directories are complete' '
	ecl-collect-files tree/link tree/a tree tree/a/f tree >actual
	grep -v complete actual >names
	ecl-collect-files tree | grep -v complete >expect
	test_cmp expect names
	grep complete actual >completes
	printf "{\"complete\":\"file:tree/%s*\"}\n" "" a/ >expect
	test_cmp expect completes
	ecl-collect-files tree/link tree/a.b >actual
	test_line_count = 2 actual
	test_grep ! complete actual
'

test_expect_success 'files: names with anything that is text are told of' '
	mkdir "odd [x]*?\\"
	name="odd [x]*?\\/quote \" back\\ tick\` dollar\$ é 中 -"
	: >"$name"
	ecl-collect-files -- "odd [x]*?\\" >actual
	jq -r ".element // empty" actual | sed -n 2p >got
	printf "file:%s\n" "$name" >expect
	test_cmp expect got
	tail -n 1 actual | jq -r .complete >got
	printf "%s\n" "file:odd \\[x]\\*\\?\\\\/*" >expect
	test_cmp expect got
'

test_expect_success 'files: names that no element can have are reported and skipped, and nothing is complete' '
	for bad in "$(printf "no\377utf8")" "$(printf "line\nfeed")" "$(printf "del\177")" "$(printf "c1\302\205")" "$(printf "sur\355\240\200")"; do
		rm -rf bad
		mkdir bad
		: >bad/good
		if : >"bad/$bad"; then
			test_expect_code 1 ecl-collect-files bad >out 2>err
			test_line_count = 2 out
			test_grep ! complete out
			test_line_count = 1 err
			test_grep "^ecl-collect-files: skipped .bad/.*: its name" err
			test_grep ! -P "[\000-\011\013-\037]" err
		fi
	done
'

test_expect_success 'files: too long a name, a target that is not text' '
	rm -rf bad
	long=$(printf "%0250d" 0)
	mkdir -p "bad/$long"
	: >"bad/$long/$(printf "%0252d" 0)"
	ecl-collect-files bad >out
	test_line_count = 4 out
	: >"bad/$long/$(printf "%0253d" 0)"
	test_expect_code 1 ecl-collect-files bad >out 2>err
	test_grep "too long" err
	test_line_count = 3 out
	rm -r bad
	mkdir bad
	ln -s "$(printf "\377")" bad/l
	test_expect_code 1 ecl-collect-files bad >out 2>err
	test_grep "its target" err
	test_line_count = 1 out
'

test_expect_success 'files: a path that is not there: nothing is printed of the others either' '
	test_expect_code 2 ecl-collect-files tree nowhere >out 2>err
	test_expect_code 2 ecl-collect-files tree 2>full >/dev/full
	test_line_count = 1 full
	test_line_count = 0 out
	test_grep "nowhere.: No such file" err
'

test_expect_success NONROOT 'files: what may not be read is reported, or left out when that was asked for' '
	rm -rf locked
	mkdir -p locked/dir
	: >locked/open
	: >locked/shut
	: >locked/dir/in
	chmod 0 locked/shut locked/dir
	chmod 755 .
	test_when_finished "chmod 755 locked/dir"
	cp "$scripts/ecl-collect-files" .
	test_expect_code 1 unprivileged ./ecl-collect-files locked >out 2>err
	test_grep "skipped .locked/shut.: Permission denied" err
	test_grep "skipped .locked/dir.: Permission denied" err
	test_grep ! complete out
	test_grep "locked/open" out
	test_grep ! "locked/shut" out
	unprivileged ./ecl-collect-files --skip-unreadable locked >out 2>err
	test_line_count = 0 err
	test_grep "\"complete\":\"file:locked/\*\"" out
	test_grep ! "locked/shut" out
'

test_expect_success 'files: killed while it prints: no complete line' '
	rm -rf many
	mkdir many
	for ((i = 0; i < 2000; i++)); do : >many/$i; done
	rm -f fifo
	mkfifo fifo
	ecl-collect-files many >fifo &
	job=$!
	exec 7<fifo
	dd bs=1 count=1000 status=none <&7 >half
	kill -9 $job
	wait $job || true
	cat <&7 >>half
	exec 7<&-
	test_line_count -gt 5 half
	test_grep ! complete half
'

test_expect_success 'files: a reader that goes away ends it without noise' '
	rc=0
	{ ecl-collect-files many 2>err || echo $? >rc; } | head -n 1 >out
	test_line_count = 0 err
	test_line_count = 1 out
'

# Through ecl-append: what the lines mean.

ECL_ROOT=$TRASH/root
export ECL_ROOT

events()
{
	jq -r '"\(.action) \(.element)"' "$@"
}

test_expect_success 'a ledger: the first look records everything, the second nothing' '
	ecl-init -q
	mkdir -p site/conf "site/conf [old]*"
	for i in 1 2 3 4 5 6; do echo $i >site/conf/$i; done
	echo o >"site/conf [old]*/o"
	echo s >site/stray
	ecl-collect-files site/conf "site/conf [old]*" site/stray >in
	ecl-append in >out
	test_line_count = 10 out
	ecl-append in >out
	test_line_count = 0 out
'

test_expect_success 'a vanished file is recorded as deleted, others are left alone' '
	rm site/conf/3
	echo more >>site/conf/4
	chmod 600 site/conf/5
	ecl-collect-files site/conf | ecl-append >out
	events out >actual
	printf "%s\n" "modify file:site/conf/4" "modify file:site/conf/5" "delete file:site/conf/3" | sort >expect
	sort actual >sorted
	test_cmp expect sorted
	ecl-collect-files site/conf | ecl-append >out
	test_line_count = 0 out
'

test_expect_success 'glob characters in a given path mean themselves' '
	rm "site/conf [old]*/o"
	ecl-collect-files "site/conf [old]*" | ecl-append >out
	events out >actual
	echo "delete file:site/conf [old]*/o" >expect
	test_cmp expect actual
	ecl-query "file:site/conf/1" >out
	test_line_count = 1 out
'

test_expect_success 'a run that was not whole deletes nothing' '
	rm site/conf/1
	: >"site/conf/$(printf "\377")"
	test_when_finished "rm -f site/conf/$(printf "\377")"
	test_expect_code 1 ecl-collect-files site/conf >in 2>err
	ecl-append in >out
	test_line_count = 0 out
	ecl-query file:site/conf/1 >out
	test_line_count = 1 out
'

test_expect_success 'and the next that is whole does' '
	ecl-collect-files site/conf | ecl-append --dry-run >plan
	ecl-collect-files site/conf | ecl-append >out
	events plan >expect
	events out >actual
	test_cmp expect actual
	echo "delete file:site/conf/1" >expect
	test_cmp expect actual
'

test_expect_success 'a removed package is recorded as deleted, a purged one too' '
	fake dpkg-query <<-\END
	cat packages
	END
	for p in a b c d; do printf "$p\tinstall ok installed\t1\t$p\n"; done >packages
	with_fakes ecl-collect-packages | ecl-append -q
	sed -i -e "/^b/d" -e "/^c/s/install ok installed/deinstall ok config-files/" packages
	with_fakes ecl-collect-packages | ecl-append >out
	events out | sort >actual
	printf "%s\n" "delete pkg:b" "modify pkg:c" >expect
	test_cmp expect actual
'

for pair in dpkg-query:packages ip:links ip:addrs units:units; do
	test_expect_success "${pair%:*}" "${pair#*:}: ecl-append takes what this machine says, and knows it again" "
		ecl-append -q --force < <(ecl-collect-${pair#*:})
		ecl-collect-${pair#*:} | ecl-append >out
		test_line_count = 0 out
	"
done

test_expect_success 'and all of it verifies' '
	ecl-verify >out
'

test_done
