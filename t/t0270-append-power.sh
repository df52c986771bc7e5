test_description='the power is cut at any moment: what was acknowledged is there, the log is a prefix, and recording goes on'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/fault-lib.sh"

fault_need
images=24
test -z "$ECL_TEST_LONG" || images=240
test_seeded
seed=$test_seed
disk=$TRASH/ram/disk

# acknowledged NAME CMD...: run it; what it prints is put aside with the moment at which it was printed.
acknowledged()
{
	local name=$1 rc

	shift
	"$@" | fault_disk stamp "$disk" "$name"
	rc=${PIPESTATUS[*]}
	test "$rc" = "0 0"
}

test_expect_success 'a history on a disk that remembers every write: init, events, batches, blocks, a rotation, writers at once' '
	test_when_finished "fault_stop $disk keep"
	fault_start "$disk" 256M journal
	export ECL_ROOT=$disk/fs/root
	acknowledged one ecl-init
	for i in 1 2 3 4; do acknowledged one ecl-append -e single:1 -s $i; done
	python3 "$top_srcdir/t/perf/make-events.py" 3000 300 >events
	cat events | acknowledged one ecl-append
	acknowledged one ecl-snap
	acknowledged one ecl-append -e single:1 -s 5
	for w in a b c; do
		for i in 1 2 3; do acknowledged $w ecl-append -e writer:$w -s $i || echo failed >>failed; done &
		pids="$pids $!"
	done
	wait $pids
	test ! -e failed
	# The system commits when it likes, in the middle of a batch too: that is what leaves torn tails.
	while sleep 0.01; do sync -f "$disk/fs"; done &
	committer=$!
	python3 "$top_srcdir/t/perf/make-events.py" 44000 500 2 | acknowledged one ecl-append
	kill $committer
	for i in 1 2; do acknowledged one ecl-append -e single:1 -a poll; done
	acknowledged one ecl-snap
	for i in 1 2 3; do acknowledged one ecl-append -e single:2 -s $i; done
	head -n 500 events >few
	ecl-append -q --sync none few
	acknowledged one ecl-append -e single:2 -s 4
	acknowledged one ecl-append --snap events
	ecl-verify -q
	ls "$ECL_ROOT"/live/.ecl/log/*.ndjson >segments
	test_line_count = 2 segments
	ecl-replay >full
	check_crash acked "$ECL_ROOT" "$disk"/acked.* >now
	read -r events acked <now
	test "$acked" -gt 47000
	umount "$disk/fs"
'

# What a reboot, or a disk taken out and put back, makes of ROOT/durable.
boot_again()
{
	case $1 in
	0 | 1) check_crash reboot "$root" ;;
	2) rm -f "$root/durable" ;;
	esac
}

# recovered N: with N events in the log as the crash left it, the next programs do what they must.
recovered()
{
	if test "$1" = 0; then
		# No genesis, so none was acknowledged: nobody writes before ecl-init has finished it.
		test_expect_code 2 ecl-append -e after:1 -a check >next 2>err || return 1
		test_grep "ecl-init" err || return 1
		test_expect_code 2 ecl-snap >next 2>err || return 1
		ecl-init >genesis 2>err || { cat err; return 1; }
		test_line_count = 1 genesis || return 1
	else
		ecl-init >genesis 2>err || { cat err; return 1; }
		test_line_count = 0 genesis || return 1
	fi
	ecl-append -e after:1 -a check >next 2>err || { cat err; return 1; }
	test_line_count = 1 next || return 1
	ecl-snap >header 2>err || { cat err; return 1; }
	check_crash after "$root" full "$1" || return 1
	ecl-verify >verdict || { cat verdict; return 1; }
	test_grep "\"verdict\":\"ok\"" verdict || return 1
	ecl-index --check -q
}

test_expect_success "the power is cut $images times: the invariants hold, and the next run goes on" '
	root=$TRASH/ram/mnt/root
	export ECL_ROOT=$root
	mkdir "$TRASH/ram/mnt"
	test_when_finished "umount -l $TRASH/ram/mnt 2>/dev/null || :"
	fault_disk points "$disk" $images $seed >points
	n=0 torn=0 none=0
	while read -r kind position; do
		where="image $n: $kind $position, seed $seed"
		# A name of its own: mount(8) takes a loop device of the same file where one is left, with what it has in memory.
		img=$TRASH/ram/crash.$n
		fault_disk image "$disk" "$kind" "$position" $seed "$img"
		mount -o loop,noatime,nodiscard "$img" "$TRASH/ram/mnt" || { echo "cannot be mounted: $where"; return 1; }
		check_crash found "$root" full "$disk" "$position" >found || { echo "after $where"; return 1; }
		read -r events bytes <found
		echo "$kind $position $events $bytes"
		test "$events" != 0 || none=$((none + 1))
		test "$bytes" = 0 || torn=$((torn + 1))
		boot_again $((n % 4))
		recovered "$events" || { echo "after $where"; return 1; }
		umount "$TRASH/ram/mnt"
		rm "$img"
		n=$((n + 1))
	done <points
	echo "$n images: $none before the genesis, $torn with a torn tail"
	test $n -ge $((images * 3 / 4))
'

test_done
