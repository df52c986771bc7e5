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

test_done
