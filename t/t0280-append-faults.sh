test_description='a disk that fails, is full, or lets nobody write: what is said is so, nothing acknowledged is lost, recording goes on'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/fault-lib.sh"

fault_need
if ! strace -o /dev/null true 2>/dev/null; then
	skip_all='strace does not work here'
	test_done
fi
disk=$TRASH/ram/disk

# events N SEED: always recorded, about 300 bytes each in the log.
events() { awk -v n="$1" -v s="$2" 'BEGIN { for (i = 0; i < n; i++) printf "{\"element\":\"s%d:%d\",\"action\":\"poll\",\"meta\":\"%060d\"}\n", s, i % 50, i }'; }

# ledger DIR: a new ledger there, with some acknowledged events; what is acknowledged from now on goes into acked.
ledger()
{
	export ECL_ROOT=$1
	ecl-init "$ECL_ROOT" >acked &&
	events 20 0 | ecl-append >>acked
}

# under_fault CMD...: all is recorded, or it says which events are not, or may not be: $first and $last, $became.
under_fault()
{
	local rc=0 line

	"$@" >out 2>said || rc=$?
	cat out >>acked
	first= last= became=recorded
	test $rc != 0 || return 0
	test $rc = 2 || { echo "exit $rc: $(cat said)"; return 1; }
	line=$(sed -n -e 's/.*; event \([0-9]*\) is \(not recorded\|in doubt\).*, those before are recorded\($\|; .ecl-snap \).*/\1 \1 \2/p' \
		-e 's/.*; events \([0-9]*\) to \([0-9]*\) are \(not recorded\|in doubt\).*, those before are recorded\($\|; .ecl-snap \).*/\1 \2 \3/p' said)
	read -r first last became <<<"$line"
	test -n "$became" || { echo "does not say what became of the events: $(cat said)"; return 1; }
	# Nothing that was acknowledged is called otherwise, and the message leaves no gap.
	test "$(tail -n 1 acked | jq .seq)" = $((first - 1)) || { echo "other events were acknowledged: $(cat said)"; return 1; }
	echo "$(cat said)"
}

# next_run: it records, and finds no more and no less than was said.
next_run()
{
	local seq

	ecl-append -e next:1 -a check >out 2>err || { cat err; return 1; }
	cat out >>acked
	seq=$(jq .seq out)
	case $became in
	'not recorded') test "$seq" = "$first" ;;
	'in doubt') test "$seq" -ge "$first" && test "$seq" -le $((last + 1)) ;;
	esac || { echo "$first to $last were $became, and the next is $seq"; return 1; }
	became=
}

sound()
{
	check_crash acked "$ECL_ROOT" acked &&
	ecl-verify >verdict || { cat verdict; return 1; }
	test_grep "\"verdict\":\"ok\"" verdict &&
	ecl-index --check -q
}

# The next run, now or after the file system was mounted again; a btrfs that gave up is read-only, or cannot be read.
goes_on()
{
	local rc=0

	if ! ecl-append -e now:1 -a check >out 2>err; then
		test_grep "Read-only\|Input/output" err || return 1
		echo "refused: $(cat err)"
	elif test -n "$became"; then
		cat out >>acked
		first=$(jq .seq out) last=$first became=
	else
		cat out >>acked
	fi
	fault_again "$disk" &&
	next_run &&
	sound
}

test_expect_success 'writes fail with EIO, so many and then no more: recorded, or said' '
	test_when_finished "fault_stop $disk"
	fault_start "$disk" 256M
	ledger "$disk/fs/root"
	n=1
	for fail in 1 2 3 5 7 10 all; do
		for size in 1 400; do
			sync -f "$disk/fs"
			events $size $n >in
			before=$(fault_disk failed "$disk")
			fault_disk eio "$disk" $fail
			under_fault ecl-append in || { echo "with $fail writes failed, $size events"; return 1; }
			test "$(fault_disk failed "$disk")" -gt "$before"
			fault_disk eio "$disk" off
			echo "$fail, $size events: $became"
			goes_on || { echo "with $fail writes failed, $size events"; return 1; }
			n=$((n + 1))
		done
	done
'

# left_behind HOW: a writer that died, whose events memory has and the disk has not; it is said nowhere but in ROOT/durable.
left_behind()
{
	local before rc try

	for try in 1 2 3 4 5; do
		sync -f "$disk/fs" || return 1
		before=$(fault_disk failed "$disk") rc=0
		case $1 in
		*background)
			# Which call syncs the events is not for the test to know: the first one that does.
			traced -o trace -e inject=fdatasync,fsync,sync_file_range,syncfs:signal=KILL ecl-append in >out 2>said || rc=$?
			fault_disk eio "$disk" 1
			sync -d "$ECL_ROOT"/live/.ecl/log/*.ndjson && rc=0
			;;
		*)
			fault_disk eio "$disk" 1
			traced -o trace -e inject=ftruncate:signal=KILL ecl-append in >out 2>said || rc=$?
			;;
		esac
		fault_disk eio "$disk" off
		cat out >>acked
		test "$(fault_disk failed "$disk")" != "$before" || return 1
		# The file system may have had something else to write just then, and more than one copy of it.
		test $rc = 0 || break
	done
	test $rc != 0 && test ! -s out
}

for how in "kill behind the failed sync" "kill before the sync, which fails in the background"; do
	test_expect_success "$how: the next writer does not build on what only memory has" '
		test_when_finished "fault_stop $disk"
		fault_start "$disk" 256M
		ledger "$disk/fs/root"
		for size in 1 400; do
			for again in once twice; do
				events $size $size >in
				left_behind "$how" || { echo "$size events, $again: the fault did not happen"; return 1; }
				became=
				test $again = once || ecl-append -e now:2 -a check >>acked
				goes_on || { echo "$size events, $again"; return 1; }
			done
		done
	'
done

test_expect_success 'ecl-snap on a disk that fails: refused or made, and the next one is right' '
	test_when_finished "fault_stop $disk"
	fault_start "$disk" 256M
	ledger "$disk/fs/root"
	became=
	for fail in 1 2 4 8 all; do
		sync -f "$disk/fs"
		ecl-append -e before:snap -a check >>acked
		fault_disk eio "$disk" $fail
		rc=0
		ecl-snap >header 2>said || rc=$?
		echo "$fail: exit $rc $(cat said)"
		test $rc = 0 || test $rc = 2
		test $rc = 0 || test -s said
		fault_disk eio "$disk" off
		goes_on || { echo "with $fail writes failed"; return 1; }
		test $rc != 0 || ecl-query --blocks | jq -e --argjson h "$(jq .height header)" "select(.height == \$h) | .present"
		ecl-snap >header
		ecl-verify -q
	done
'

test_expect_success 'a flood to try them with' '
	python3 "$top_srcdir/t/perf/make-events.py" 200000 5000 >flood
'

test_expect_success 'the device under the file system is full: said, and nothing acknowledged is lost' '
	mkdir "$TRASH/tiny"
	mount -t tmpfs -o size=60m tmpfs "$TRASH/tiny"
	test_when_finished "umount -l $TRASH/tiny/fs; umount -l $TRASH/tiny"
	fault_small "$TRASH/tiny" 512M
	ledger "$TRASH/tiny/fs/root"
	sync -f "$TRASH/tiny/fs"
	under_fault ecl-append < <(cat flood)
	test -n "$became"
	became_then="$first $last $became"
	if ! ecl-append -e now:1 -a check >out 2>err; then
		cat err
		test_grep "Read-only\|Input/output\|No space" err
	else
		cat out >>acked
		became_then=
	fi
	umount "$TRASH/tiny/fs"
	mount -o remount,size=400m "$TRASH/tiny"
	mount -o loop,noatime,nodiscard "$TRASH/tiny/img" "$TRASH/tiny/fs"
	read -r first last became <<<"$became_then" || :
	next_run
	sound
'

test_expect_success 'the file system is full in the middle of a flood: said, and with room again recording goes on' '
	mkdir "$TRASH/ram/full"
	test_when_finished "umount -l $TRASH/ram/full/fs; rm -rf $TRASH/ram/full"
	fault_small "$TRASH/ram/full" 128M
	ledger "$TRASH/ram/full/fs/root"
	fallocate -l 30M "$TRASH/ram/full/fs/reserve"
	under_fault ecl-append < <(cat flood)
	test "$became" = "not recorded" || test "$became" = "in doubt"
	test_grep "No space left" said
	# Readers need no room.
	ecl-replay | sh "$top_srcdir/t/check-ledger.sh"
	ecl-verify -q
	rm "$TRASH/ram/full/fs/reserve"
	btrfs filesystem sync "$TRASH/ram/full/fs"
	btrfs filesystem sync "$TRASH/ram/full/fs"
	next_run
	sound
	umount "$TRASH/ram/full/fs"
	mount -o loop,noatime,nodiscard "$TRASH/ram/full/img" "$TRASH/ram/full/fs"
	sound
'

test_expect_success 'a quota is used up in the middle of a flood: said, and with a larger one recording goes on' '
	mkdir "$TRASH/ram/quota"
	test_when_finished "umount -l $TRASH/ram/quota/fs; rm -rf $TRASH/ram/quota"
	fault_small "$TRASH/ram/quota" 256M
	ledger "$TRASH/ram/quota/fs/root"
	btrfs quota enable "$TRASH/ram/quota/fs"
	btrfs quota rescan -w "$TRASH/ram/quota/fs"
	btrfs qgroup limit 20M "$ECL_ROOT/live"
	under_fault ecl-append < <(cat flood)
	test -n "$first"
	test_grep "quota" said
	ecl-replay | sh "$top_srcdir/t/check-ledger.sh"
	btrfs qgroup limit none "$ECL_ROOT/live"
	next_run
	sound
	umount "$TRASH/ram/quota/fs"
	mount -o loop,noatime,nodiscard "$TRASH/ram/quota/img" "$TRASH/ram/quota/fs"
	sound
'

test_expect_success 'a read-only file system: writers are refused and say why, readers go on' '
	mkdir "$TRASH/ram/ro"
	test_when_finished "umount -l $TRASH/ram/ro/fs; rm -rf $TRASH/ram/ro"
	fault_small "$TRASH/ram/ro" 128M
	ledger "$TRASH/ram/ro/fs/root"
	ecl-snap >header
	mount -o remount,ro "$TRASH/ram/ro/fs"
	test_expect_code 2 ecl-append -e now:1 -a check >out 2>err
	test_grep "Read-only" err
	test_line_count = 0 out
	test_expect_code 2 ecl-snap >out 2>err
	test_grep "Read-only" err
	ecl-query s0:1 | jq -e .seq || ecl-query --history s0:1 | jq -e .seq
	sound
	umount "$TRASH/ram/ro/fs"
	mount -o loop,noatime,ro "$TRASH/ram/ro/img" "$TRASH/ram/ro/fs"
	sound
	test_expect_code 2 ecl-append -e now:1 -a check >out 2>err
	test_grep "Read-only" err
	umount "$TRASH/ram/ro/fs"
	mount -o loop,noatime "$TRASH/ram/ro/img" "$TRASH/ram/ro/fs"
	became=
	next_run
	sound
'

test_done
