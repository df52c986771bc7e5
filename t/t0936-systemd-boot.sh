#!/bin/bash
test_description='systemd units under a real systemd: it boots in name spaces of its own, on an overlay of this system'
. "${0%/*}/test-lib.sh"

systemd=/lib/systemd/systemd
units=$(sed -n 's/^systemdsystemunitdir = //p' "$top_builddir/Makefile" 2>/dev/null)
units=${units//'${prefix}'/$(sed -n 's/^prefix = //p' "$top_builddir/Makefile" 2>/dev/null)}

# cannot WHY: what it takes, a cgroup2 above all, is the machine's to give, and no package brings it.
cannot()
{
	skip_all="no systemd can be booted here: $*"
	test_done
}
test_have_prereq ROOT || cannot 'not root'
test -x $systemd && command -v systemctl nsenter unshare jq >/dev/null || cannot 'systemd is missing'
case $units in /*) ;; *) cannot 'configured without units' ;; esac
cgroup2=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
test -n "$cgroup2" || cannot 'no cgroup2 is mounted'
test_btrfs
test_have_prereq BTRFS || cannot 'no btrfs'

# What becomes process 1: an overlay of / with a /var/lib/ecl of ours, and no units but systemd's own and those under test.
cat >boot <<\EOF2
set -eu
mkdir "$TRASH/over"
mount -t tmpfs -o mode=755 tmpfs "$TRASH/over"
cd "$TRASH/over"
mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
cd root
mkdir -p var/lib/ecl etc/systemd/system
mount --bind "$TRASH/btrfs" var/lib/ecl
for dir in run tmp var/tmp var/log etc/systemd/system dev; do mount -t tmpfs -o mode=755 tmpfs $dir; done
chmod 1777 tmp var/tmp
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for dev in null zero full random urandom tty; do
	touch dev/$dev
	mount --bind /dev/$dev dev/$dev
done
mkdir dev/pts dev/shm
mount -t tmpfs tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
env -u MAKEFLAGS -u MAKELEVEL make -s -C "$top_builddir" install DESTDIR="$PWD" >"$TRASH/install" 2>&1
mkdir old
pivot_root . old
umount -l old
exec env -i container=ecl PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH="$units:" $systemd --unit=basic.target
EOF2

# It runs until it is told to end, and takes its control groups with it.
group=$cgroup2/ecl-test-$$
mkdir "$group" 2>err || cannot "$(cat err)"
(
	trap 'kill -9 $!; wait' TERM # unshare ignores the others
	export units systemd
	sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' - "$group" \
		unshare --pid --mount --uts --ipc --net --cgroup --fork --kill-child bash boot >boot.log 2>&1 &
	echo $! >outer
	wait
	for try in $(seq 1200); do
		find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
		sleep .1
	done
) >/dev/null 2>&1 5>&- &
keeper=$!

# inside CMD...: in there.
inside()
{
	nsenter -t "$init" -a -- env -i PATH="$bin:/usr/sbin:/usr/bin:/sbin:/bin" LC_ALL=C TZ=UTC "$@"
}
bin=$(sed -n 's/^prefix = //p' "$top_builddir/Makefile")/bin
state=offline
for try in $(seq 300); do
	kill -0 $keeper 2>/dev/null || break
	init=$(pgrep -x systemd -P "$(cat outer 2>/dev/null)" 2>/dev/null) && state=$(inside systemctl is-system-running 2>/dev/null)
	case $state in running | degraded) break ;; esac
	sleep .2
done
case $state in running | degraded) ;; *) cannot "it does not come up: ${state:-nothing runs} $(tail -n 3 boot.log)" ;; esac

test_expect_success 'the timers are enabled, and a service that a timer starts records what there is' '
	inside ecl-init -q &&
	inside systemctl enable --now ecl-collect.timer ecl-snap.timer ecl-verify.timer &&
	inside systemctl list-timers --output=json | jq -r ".[] | select(.next > 0) | .activates" >next &&
	for unit in collect snap verify; do grep -x ecl-$unit.service next || return 1; done &&
	inside sh -c "mkdir -p /run/systemd/system/ecl-collect.timer.d && printf \"%s\\n\" [Timer] OnCalendar= RandomizedDelaySec=0 AccuracySec=1ms OnActiveSec=100ms >/run/systemd/system/ecl-collect.timer.d/now.conf" &&
	inside systemctl daemon-reload && inside systemctl restart ecl-collect.timer &&
	for try in $(seq 300); do
		inside ecl-query "unit:ecl-*.timer" >out || :
		test $(wc -l <out) = 3 && test "$(inside systemctl is-active ecl-collect.service)" = inactive && break
		sleep .1
	done &&
	inside systemctl show -P Result ecl-collect.service >result && echo success >expect && test_cmp expect result &&
	inside ecl-query "unit:ecl-*.timer" >out && test_line_count = 3 out && jq -e -s "all(.state.active == \"active\" and .state.state == \"enabled\")" out &&
	# From here on nothing happens because it is on the hour.
	inside systemctl stop ecl-snap.timer ecl-verify.timer
'

# The kinds that others on this machine do not change while the test runs.
kinds='^{"seq":[0-9]*,"time":"[^"]*","element":"\(addr\|link\|listen\|mount\|nft\|route\|unit\):'
test_expect_success 'in there it sees what is to be seen outside: nothing is a change that is none' '
	inside systemctl start ecl-collect.service &&
	inside ecl-query --stat | jq .events >before &&
	inside sh -c "ecl-collect | ecl-append --dry-run" >drift && ! grep "$kinds" drift &&
	inside systemctl start ecl-collect.service &&
	inside ecl-replay >log && tail -n "+$(($(cat before) + 1))" log >new && ! grep "$kinds" new &&
	inside ecl-query "mount:/var/lib/ecl" | jq -e ".state.fstype == \"btrfs\" and (.state.options | index(\"rw\"))"
'

test_expect_success 'a service that starts, stops, fails is a change; a session is none' '
	inside tee /etc/systemd/system/web.service <<-\EOF2 >/dev/null &&
	[Unit]
	Description=A web server
	[Service]
	ExecStart=/bin/sleep 1000
	[Install]
	WantedBy=timers.target
	EOF2
	inside sh -c "sed s/server/instance/ /etc/systemd/system/web.service >/etc/systemd/system/web@.service" &&
	inside systemctl daemon-reload && inside systemctl enable -q --now web.service web@one.service && inside systemctl start web@two.service &&
	inside systemctl start ecl-collect.service && inside systemctl stop web.service web@one.service && inside systemctl start ecl-collect.service &&
	inside systemctl start web.service && inside systemctl kill -s SEGV web.service &&
	for try in $(seq 1200); do ! inside systemctl -q is-failed web.service || break; sleep .1; done &&
	(inside systemd-run -q --scope sleep 60 &) && inside systemctl start ecl-collect.service &&
	inside ecl-query --history "unit:web*" "unit:*.scope" | jq -r "[.element, .action, .state.active, .state.summary] | @tsv" >out &&
	printf "%s\t%s\t%s\t%s\n" >expect unit:web.service create active "A web server" unit:web@.service create "" "A web instance" \
		unit:web@one.service create active "A web instance" unit:web.service modify inactive "A web server" \
		unit:web@one.service modify inactive "A web instance" unit:web.service modify failed "A web server" &&
	test_cmp expect out
'

test_expect_success 'a block on the btrfs, thinned out; it verifies' '
	# One is there already where an hour begins right now.
	n=$(inside ecl-query --blocks | wc -l) &&
	inside systemctl start ecl-snap.service && inside ecl-append -q -e a:b -s 1 && inside systemctl start ecl-snap.service &&
	inside mkdir -p /run/systemd/system/ecl-snap.service.d &&
	inside sh -c "sed -n \"/--prune/s/--keep .*/--keep last=1/p\" $units/ecl-snap.service | { echo [Service] && cat; } >/run/systemd/system/ecl-snap.service.d/few.conf" &&
	inside systemctl daemon-reload && inside ecl-append -q -e a:b -s 2 && inside systemctl start ecl-snap.service &&
	inside ecl-query --blocks | jq -c "[.height, .backend, .present]" >out &&
	{ for ((i = 0; i < n + 2; i++)); do echo "[$i,\"btrfs\",false]"; done && echo "[$i,\"btrfs\",true]"; } >expect && test_cmp expect out &&
	inside systemctl start ecl-verify.service &&
	inside journalctl -o cat -u ecl-verify.service | grep "^{\"verdict\":\"ok\",.*\"blocks\":[1-9]," &&
	inside systemctl --failed --plain --no-legend >out && ! grep ecl- out
'

test_expect_success 'one byte of the log is changed: the unit fails, systemd and the journal say so, and it is in the ledger' '
	inside sh -c "sed -i \"0,/A web server/s//A web servant/\" /var/lib/ecl/live/.ecl/log/*.ndjson" &&
	test_expect_code 1 inside systemctl start ecl-verify.service &&
	inside systemctl --failed --plain --no-legend | grep "^ecl-verify.service *loaded failed failed" &&
	inside journalctl -o cat -u ecl-verify.service >journal &&
	grep "^{\"class\":\"corrupt\",\"seq\":[0-9]*,\"segment\":" journal && grep "^{\"verdict\":\"corrupt\"" journal &&
	inside sh -c "ecl-collect-units | ecl-append --dry-run" | grep "\"element\":\"unit:ecl-verify.service\",\"action\":\"modify\",\"state\":{\"active\":\"failed\","
'

test_expect_success 'nothing of it is left' '
	kill -9 "$init" && wait $keeper && ! test -e "$group"
'

test_done
