#!/bin/bash
test_description='systemd units: well-formed, hardened, and what they run works under it'
. "${0%/*}/test-lib.sh"

if ! command -v systemd-analyze >/dev/null; then
	test -z "${ECL_TEST_BTRFS-}" || test_bail 'systemd-analyze is missing'
	skip_all='systemd-analyze is missing'
	test_done
fi
units=$top_builddir/scripts/systemd timers=$top_srcdir/scripts/systemd
test -f "$units/ecl-snap.service" || units=$top_srcdir/scripts/systemd

# As installed, with the programs of this build.
mkdir bin installed || exit
for program in "$top_builddir"/cmd/ecl-* "$top_srcdir"/scripts/ecl-collect*; do
	test ! -x "$program" || ln -s "$program" bin || exit
done
for unit in collect snap verify; do
	sed "s|/[^ \"]*/ecl-|$TRASH/bin/ecl-|g" "$units/ecl-$unit.service" >installed/ecl-$unit.service &&
		cp "$timers/ecl-$unit.timer" installed || exit
done

for unit in collect snap verify; do
	test_expect_success "ecl-$unit: service and timer are well-formed, and what they run is there" "
		! grep @bindir '$units/ecl-$unit.service' &&
		systemd-analyze verify --man=no installed/ecl-$unit.service installed/ecl-$unit.timer >out 2>&1 &&
		! test -s out
	"
	test_expect_success "ecl-$unit: 2.0 or better in systemd's own reckoning" "
		systemd-analyze security --offline=yes --threshold=20 installed/ecl-$unit.service >out &&
		tail -n 1 out
	"
done

test_expect_success 'a unit that runs what is not there is found out' '
	sed "s|/ecl-verify|/ecl-verfy|" installed/ecl-verify.service >installed/ecl-wrong.service &&
	test_must_fail systemd-analyze verify --man=no installed/ecl-wrong.service
'

test_expect_success 'timers: when they run next is known, and that a run that was missed is made up for' '
	for unit in collect snap verify; do
		systemd-analyze calendar "$(sed -n "s/^OnCalendar=//p" installed/ecl-$unit.timer)" &&
		grep -x "Persistent=true" installed/ecl-$unit.timer || return 1
	done
'

# What ExecStart= says, run by a shell as systemd would: the same words, the same surroundings.
run_unit()
{
	local line rc=0

	while IFS= read -r line; do
		(cd / && env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin ECL_ROOT="$TRASH/R" ECL_MODEL_DIR="$ECL_MODEL_DIR" \
			bash -c "${line//%%/%}") || rc=$?
	done < <(sed -n 's/^ExecStart=//p' "installed/ecl-$1.service")
	return $rc
}

test_expect_success 'what the units run: silent while all is well, and the journal gets what verify finds' '
	ecl-init R >/dev/null &&
	run_unit collect >out 2>err && ! test -s out && ! test -s err &&
	ecl-query -d R >state && test_line_count -gt 10 state &&
	run_unit snap >out 2>err && ! test -s out && ! test -s err &&
	ecl-query -d R --blocks >blocks && test_line_count = 1 blocks &&
	run_unit verify >out && jq -e ".verdict == \"ok\"" out
'

test_expect_success 'a collector that leaves something out: the rest is recorded, and the unit does not fail each time' '
	mkdir part && cp "$top_srcdir/scripts/ecl-collect" part &&
	cat >part/stub <<-\END &&
		#!/bin/bash
		test "${0##*-}" = links || exit 1
		test "${1-}" != --applies || exit 0
		echo "left out" >&2
		echo "{\"element\":\"part:a\",\"state\":1}"
		exit 1
	END
	chmod +x part/stub &&
	for kind in addrs links listen mounts nft ovs packages routes units; do
		ln -s stub part/ecl-collect-$kind || return 1
	done &&
	sed "s|/bin/ecl-collect|/part/ecl-collect|" installed/ecl-collect.service >installed/ecl-part.service &&
	code=0 && { run_unit part >out 2>err || code=$?; } &&
	test_line_count = 1 err && ecl-query -d R part:a >state && test_line_count = 1 state &&
	test $code = 1 && sed -n "s/^SuccessExitStatus=//p" installed/ecl-part.service | grep -w 1
'

# bounded: as systemd would run it, with no more than CapabilityBoundingSet= of the unit.
bounded()
{
	local caps

	caps=$(sed -n 's/^CapabilityBoundingSet=//p' installed/ecl-collect.service | tr A-Z a-z | sed 's/ *cap_/,+/g')
	setpriv --bounding-set "-all$caps" "$@"
}

! command -v setpriv >/dev/null || ! command -v ss >/dev/null || ! test_have_prereq ROOT || test_set_prereq BOUNDED
test_expect_success BOUNDED 'who listens is the same, whether root or the unit looks' '
	setpriv --reuid=65534 --clear-groups python3 -c "
import socket, sys, time
s = socket.socket()
s.bind((\"127.0.0.1\", 0))
s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(1000)" >port & pid=$! && test_when_finished "kill $pid" &&
	for _ in $(seq 1200); do test ! -s port || break; sleep 0.1; done && test -s port &&
	ecl-collect-listen | grep ":$(cat port)\"" >want && test_grep process want &&
	bounded ecl-collect-listen | grep ":$(cat port)\"" >have && test_cmp want have
'

test_done
