#!/usr/bin/env bash
test_description='triggers: what a command, an event, or dpkg changed is recorded, with its cause'
. "${0%/*}/test-lib.sh"

ECL_ROOT=$TRASH/root
export ECL_ROOT
ecl-init -q --backend copy --embedder none || test_bail 'no ledger'
mkdir etc && echo one >etc/f && echo one >etc/g

# recorded: what was since the last time, as `action element cause actor'.
last=1
recorded()
{
	ecl-query --history --json '*' | jq -r --argjson last $last 'select(.seq >= $last) | "\(.action) \(.element | split("/")[-1]) \(.cause // "-") \(.actor // "-")"' >actual
	last=$(ecl-query --stat --json | jq .events)
}
if read -r id </proc/self/loginuid && test "$id" != 4294967295; then
	me=$(getent passwd "$id" | cut -d : -f 1)
else
	me=${SUDO_USER:-$(id -un)}
fi

test_expect_success 'ecl-run: what was before, without a cause; what the command did, with it' '
	ecl-run ./etc -- sh -c "echo two >>etc/f; exit 7" || rc=$? &&
	test "$rc" = 7 &&
	recorded &&
	cat >expect <<-END &&
	create etc - -
	create f - -
	create g - -
	modify f sh -c echo\\ two\\ \\>\\>etc/f\\;\\ exit\\ 7 $me
	END
	test_cmp expect actual &&
	echo drift >>etc/g &&
	ecl-run --cause CHG-7 --actor me ./etc -- rm etc/f &&
	recorded &&
	printf "%s\n" "modify g - -" "delete f CHG-7 me" >expect && test_cmp expect actual &&
	ecl-run ./etc -- true && recorded && test_cmp /dev/null actual
'

test_expect_success 'ecl-run: input and output are the command'"'"'s, and so is the signal that ends it' '
	echo in | ecl-run ./etc -- sh -c "cat; echo err >&2" >out 2>err &&
	test "$(cat out)" = in && test "$(cat err)" = err &&
	test_expect_code 143 ecl-run ./etc -- sh -c "echo term >etc/h; kill -TERM \$\$" &&
	recorded && test_grep "^create h sh -c" actual &&
	test_expect_code 127 ecl-run ./etc -- ./no-such-command 2>err
'

test_expect_success 'ecl-run: the command is a program, with the PATH that there was' '
	ecl-run ./etc -- printenv PATH >out && test "$(cat out)" = "$PATH" &&
	mkdir -p own && printf "#!/bin/sh\necho it \"\$@\"; echo warn >>etc/g\n" >own/warn && chmod +x own/warn &&
	PATH=$PATH:$TRASH/own ecl-run ./etc -- warn hello >out && test "$(cat out)" = "it hello" &&
	recorded && test_grep "^modify g warn hello" actual &&
	test_expect_code 127 ecl-run ./etc -- exit 3 2>err
'

test_expect_success 'ecl-run: where nothing can be recorded, the command is not run' '
	test_expect_code 125 ecl-run -d nowhere ./etc -- touch etc/never 2>err &&
	test_grep "was not run" err && test ! -e etc/never &&
	test_expect_code 125 ecl-run ./missing -- touch etc/never 2>err && test ! -e etc/never &&
	test_expect_code 125 ecl-run ./etc 2>err && test_expect_code 125 ecl-run -- true 2>err &&
	test_expect_code 125 ecl-run ./etc -- mv "$ECL_ROOT" away 2>err &&
	test_grep "what the command changed could not be recorded" err &&
	mv away "$ECL_ROOT"
'

test_expect_success 'ecl-run: secrets stay secret' '
	head -c 32 /dev/urandom >key && chmod 600 key &&
	ecl-run --content --redact "*.content" --redact-key key --cause c ./etc -- sh -c "echo hunter2 >etc/h" &&
	ecl-query --history "*etc/h" | tail -n 1 | jq -e ".state.content | startswith(\"redacted:\")" &&
	! grep -r hunter2 "$ECL_ROOT" && recorded
'

# A package of our own, and a database and a log of our own: this machine stays as it is.
if command -v dpkg-deb >/dev/null && test_have_prereq ROOT; then test_set_prereq DPKG; fi

package()
{
	mkdir -p "deb$1/DEBIAN" "deb$1/usr/share/ecl-test" &&
		printf 'Package: ecl-test\nVersion: %s\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: a test\n' "$1" >"deb$1/DEBIAN/control" &&
		echo "$1" >"deb$1/usr/share/ecl-test/f" && dpkg-deb --root-owner-group -b "deb$1" "ecl-test_$1.deb" >/dev/null
}

test_expect_success DPKG 'dpkg -i with the hooks in its configuration: the package, and who installed it' '
	package 1 && package 2 &&
	mkdir -p db/info db/updates db/triggers target && : >db/status && : >db/available &&
	export DPKG_ADMINDIR=$TRASH/db &&
	ours() { dpkg --force-not-root --admindir="$TRASH/db" --instdir="$TRASH/target" --log="$TRASH/dpkg.log" \
		--pre-invoke="ecl-hook-dpkg pre" --post-invoke="ecl-hook-dpkg post packages $TRASH/target/usr/share/ecl-test/" "$@"; } &&
	mkdir -p target/usr/share/ecl-test &&
	ours -i ecl-test_1.deb >out 2>&1 && cat out &&
	recorded &&
	sed "s/ dpkg .* / dpkg /" actual >short &&
	printf "%s dpkg $me\n" "create ecl-test" "create f" "create pkg:ecl-test" | sort >expect && sort short >sorted && test_cmp expect sorted &&
	test_grep "dpkg --force-not-root .* -i ecl-test_1.deb" actual &&
	ours -i ecl-test_2.deb >out 2>&1 &&
	ours -P ecl-test >out 2>&1 &&
	recorded &&
	sed "s/ dpkg .* / dpkg /" actual >short &&
	grep pkg: short >packages && printf "%s pkg:ecl-test dpkg $me\n" modify delete >expect && test_cmp expect packages
'

test_expect_success DPKG 'apt-get install: one look before, one after, and the command line that was typed' '
	if ! command -v apt-get; then return 0; fi &&
	: >db/status && rm -rf target && mkdir -p target lists/partial cache/archives/partial &&
	cat >apt.conf <<-END &&
	Dir::State::status "$TRASH/db/status";
	Dir::State "$TRASH";
	Dir::State::lists "$TRASH/lists";
	Dir::Cache "$TRASH/cache";
	Dir::Etc::sourcelist "/dev/null";
	Dir::Etc::sourceparts "/dev/null";
	Dir::Etc::parts "/dev/null";
	Dir::Log "$TRASH";
	Debug::NoLocking "true";
	DPkg::Options { "--admindir=$TRASH/db"; "--instdir=$TRASH/target"; "--log=$TRASH/dpkg.log"; "--force-not-root"; };
	DPkg::Pre-Invoke { "echo pre >>$TRASH/hooks; ecl-hook-dpkg pre"; };
	DPkg::Post-Invoke { "echo post >>$TRASH/hooks; ecl-hook-dpkg post"; };
	END
	APT_CONFIG=$TRASH/apt.conf apt-get install -y ./ecl-test_1.deb >out 2>&1 || { cat out; return 1; } &&
	recorded &&
	echo "create pkg:ecl-test apt-get install -y ./ecl-test_1.deb $me" >expect && test_cmp expect actual &&
	printf "%s\n" pre post >expect && test_cmp expect hooks
'

test_expect_success DPKG 'a ledger that is out of reach is reported and stops no installation' '
	ECL_ROOT=$TRASH/nowhere ecl-hook-dpkg post 2>err &&
	test_grep "could not be recorded" err &&
	test_expect_code 2 ecl-hook-dpkg 2>err && test_expect_code 2 ecl-hook-dpkg now 2>err
'

test_expect_success 'the lines for apt and dpkg stop no installation when ecl is gone' '
	ecl-hook-dpkg --help | sed -n "s/.*-Invoke { .\(.*\)\"; };/\1/p; s/^ *[a-z]*-invoke=//p" >lines && test_line_count = 4 lines &&
	while read -r line; do
		PATH=/usr/bin:/bin sh -c "! command -v ecl-hook-dpkg && $line" || return 1
	done <lines
'

wait_for()
{
	local i

	for ((i = 0; i < 2400; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.05
	done
	echo "it did not happen: $*"
	return 1
}

events()
{
	test "$(ecl-query --history "$1" | wc -l)" -ge "$2"
}

test_expect_success 'ecl-watch: many changes at once are one look; it ends with its command, or with a signal' '
	mkfifo happens && mkdir fake &&
	cat >fake/ecl-collect-looks <<-\END && chmod +x fake/ecl-collect-looks &&
	#!/bin/bash
	echo >>looks
	printf "{\"element\":\"looks:1\",\"state\":%d}\n" "$(wc -l <looks)"
	END
	{ PATH=$TRASH/fake:$PATH ecl-watch --settle 0.3 --cause watched looks -- cat happens 2>err & } && job=$! && exec 8>happens &&
	wait_for events looks:1 1 &&
	# At once: of those that are written one by one, two may lie further apart than 0.3 s.
	for ((i = 0; i < 20; i++)); do echo change; done >changes && cat changes >&8 &&
	wait_for events looks:1 2 &&
	sleep 0.5 &&
	events looks:1 2 && ! events looks:1 3 &&
	echo last >&8 && exec 8>&- &&
	test_expect_code 2 wait $job &&
	events looks:1 3 && test_grep "cat. has ended" err &&
	ecl-query --history looks:1 | jq -e -s "all(.[]; .cause == \"watched\")" &&
	test_expect_code 2 timeout 60 ecl-watch no-such-kind -- sleep 50 2>err && test_grep "no collector .ecl-collect-no-such-kind." err &&
	test_expect_code 2 ecl-watch links -- no-such-program 2>err && test_grep "no-such-program. is missing" err &&
	for n in x 0 0.0; do
		test_expect_code 2 ecl-watch --settle $n links -- echo once 2>err && test_grep "$n. is not a number" err || return 1
	done &&
	{ PATH=$TRASH/fake:$PATH ecl-watch --settle 0.1 --most 08 looks -- echo once 2>err || :; } && test_line_count = 1 err && events looks:1 5
'

net=ecl-test-$$
if test_have_prereq ROOT && ip netns add $net 2>/dev/null; then
	test_set_prereq NETNS
	trap 'rc=$?; ip netns del $net; (exit $rc); test_at_exit' EXIT
fi

test_expect_success NETNS 'ecl-watch links addrs: ip monitor of a real network' '
	{ ip netns exec $net env PATH="$PATH" ecl-watch --settle 0.2 --most 1 links addrs 2>err & } && job=$! &&
	wait_for events link:lo 1 &&
	# Until ip monitor listens, which may be later than the first look.
	heard() { ip netns exec $net ip link set lo mtu $((1000 + RANDOM % 1000)) && events link:lo 2; } &&
	wait_for heard &&
	ip netns exec $net ip link add v0 type veth peer name v1 &&
	ip netns exec $net ip addr add 192.0.2.1/24 dev v0 &&
	ip netns exec $net ip link set v0 up &&
	wait_for events addr:v0:192.0.2.1/24 1 &&
	ip netns exec $net ip link del v0 &&
	wait_for events addr:v0:192.0.2.1/24 2 &&
	kill $job && test_expect_code 143 wait $job &&
	wait_for test -z "$(pgrep -P $job)" &&
	ecl-query "link:*" | jq -r .element >names && echo link:lo >expect && test_cmp expect names
'

if command -v udevadm >/dev/null && test_have_prereq ROOT && test -e /dev/loop-control; then test_set_prereq UDEV; fi

# comes DISK: until udevadm listens and it was seen; sets dev.
comes()
{
	local try i

	for ((try = 0; try < 60; try++)); do
		dev=$(losetup -f --show "$1") || return 1
		for ((i = 0; i < 40; i++)); do
			! events "disk:*" 1 || return 0
			sleep 0.05
		done
		losetup -d "$dev" || return 1
	done
	return 1
}

test_expect_success UDEV 'ecl-watch: udevadm monitor tells of a disk that comes' '
	truncate -s 1M disk &&
	cat >fake/ecl-collect-disk <<-END && chmod +x fake/ecl-collect-disk &&
	#!/bin/bash
	losetup -n -O BACK-FILE -j "$TRASH/disk" | jq -R -c "{element: \"disk:\\(.)\", state: 1}"
	echo "{\\"complete\\":\\"disk:*\\"}"
	END
	cat >monitor <<-\END && chmod +x monitor &&
	#!/bin/bash
	exec stdbuf -oL udevadm monitor --kernel --subsystem-match=block
	END
	{ PATH=$TRASH/fake:$PATH ecl-watch --settle 0.2 disk -- ./monitor 2>err & } && job=$! &&
	comes disk && test_when_finished "losetup -d $dev || :" &&
	losetup -d $dev &&
	wait_for events "disk:*" 2 &&
	kill $job && test_expect_code 143 wait $job
'

test_done
