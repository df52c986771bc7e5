test_description='ecl-rollback killed, or let down by the disk, wherever it is: the old or the new, nothing lost, and the next run tidies up'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"
. "$top_srcdir/t/fault-lib.sh"

test_btrfs 512M
calls=ioctl,renameat,renameat2,fsync,fdatasync,syncfs,mkdirat,unlinkat,write,pwrite64,fchmod,fchownat,utimensat,copy_file_range

# begin BACKEND: a root whose block 0 has what is `old' everywhere, and nothing at `gone'.
begin()
{
	K=$(ecl_backend_root "$1") && export ECL_ROOT=$K && ecl-init --embedder none --backend "$1" "$K" >/dev/null &&
	mkdir "$K/live/d" && put old && rm -r "$K/live/gone" && ecl-append -q -e k:x -s '"old"' && ecl-append -q -e k:y -s '"old"' &&
	ecl-snap -q && : >acked && rolled=0
}

put()
{
	mkdir -p "$K/live/d/e" "$K/live/gone" &&
	echo "$1" >"$K/live/f" && echo "$1" >"$K/live/d/e/1" && echo "$1" >"$K/live/d/e/2" && echo "$1" >"$K/live/gone/3"
}

# what PATH...: `old' or `new' where all of it is, else `half'.
what()
{
	local found

	case $1 in
	gone) test -e "$K/live/gone" && found=$(cat "$K/live/gone/3") || found=old ;;
	*) found=$(cd "$K/live" && cat "$@" | sort -u) ;;
	esac
	case $found in old | new) echo "$found" ;; *) echo half ;; esac
}

# renew: all is `new' again, and acknowledged.
renew()
{
	put new &&
	ecl-append -e k:x -a modify -s '"new"' >>acked && ecl-append -e k:y -a modify -s '"new"' >>acked
}

# look KIND FAULT: after a run of ecl-rollback: what was recorded was done, and what was not recorded was not, but for paths of a run that was killed,
# which are in `went'.
look()
{
	local now want files=new states=new one got

	went=

	ecl-replay >log || return 1
	now=$(grep -c '"action":"rollback"' log)
	want=new
	test "$now" = $rolled || want=old
	rolled=$now
	case $1 in *files*) files=$want ;; esac
	case $1 in *states*) states=$want ;; esac
	test $fault_exit != 0 || test $want = old || { echo "exit 0, but nothing is recorded"; return 1; }
	for one in f "d/e/1 d/e/2" gone; do
		# shellcheck disable=SC2086
		got=$(what $one)
		case $got:$2:$want:$1 in
		$files:*) ;;
		old:signal=KILL:new:*parts*) went=$went${went:+,}${one%%/[0-9]*} ;;
		*) echo "$one is $got, not $files"; return 1 ;;
		esac
	done
	got=$(ecl-query k:x k:y | jq -r .state | xargs)
	test "$got" = "$states $states" || { echo "the states are $got, not $states"; return 1; }
	if test $fault_exit = 2 && test $want = old; then
		grep -q "live was rolled back" fault.err || { echo "recorded, but not said"; return 1; }
	fi
}

# told_of_paths: of what went back and was not recorded, `went', the next run has recorded just that.
told_of_paths()
{
	ecl-replay >log && jq -c 'select(.action == "rollback")' log >told || return 1
	test -z "$went" || rolled=$((rolled + 1))
	test "$(wc -l <told)" = $rolled || { echo "$(wc -l <told) rollbacks are recorded, not $rolled"; return 1; }
	test -z "$went" || tail -n 1 told | jq -r '[(.meta.paths | sort | join(",")), .meta.size, .meta.height, .meta.block, has("state"), .cause] | join(" ")' >have || return 1
	test -z "$went" || jq -r --arg went "$went" '[($went | split(",") | sort | join(",")), .size, .height, .hash, false, "rollback to block-000000-" + .hash[:8]] | join(" ")' \
		"$K"/.snapshots/block-000000-*/.ecl/block | test_cmp - have
}

# tidy KIND FAULT: the next run leaves nothing over, and touches nothing that is there.
tidy()
{
	list=$(cd "$K/live" && find . -path ./.ecl -prune -o -type f -print0 | sort -z | xargs -0 grep -H .)
	ecl-append -e k:later -a seen >>acked && ecl-snap -q || return 1
	test "$list" = "$(cd "$K/live" && find . -path ./.ecl -prune -o -type f -print0 | sort -z | xargs -0 grep -H .)" || { echo "files changed"; return 1; }
	! ls -A "$K" "$K/.snapshots" "$K/live/.ecl" | grep '^\.tmp-\|^\.old-' || return 1
	told_of_paths || return 1
	ecl-verify -q >verdict || { cat verdict; return 1; }
}

# everywhere KIND FAULT PARTS ARG...: at each rename and sync, and at one of PARTS of the other calls.
everywhere()
{
	local kind=$1 what=$2 parts=$3

	shift 3
	before() {
		# Each run makes blocks, and all of them are looked at behind each: now and then there is a new ledger, that it does not take ever longer.
		test "$(ls "$K/.snapshots" | wc -l)" -lt 50 || { whole && begin "$backend"; } || return 1
		renew
	}
	after() {
		local fault_on=$fault_on # that faults() goes by

		# What was live and may not be deleted as a whole is emptied, and then removed: an ordinary user must, too.
		test "$fault $fault_on" != "error=EROFS ioctl  BTRFS_IOC_SNAP_DESTROY" || fault_on=
		test "$what" = signal=KILL || told ecl-rollback "ioctl .snapshots BTRFS_IOC_SNAP_DESTROY" || return 1
		look "$kind" "$fault" && tidy
	}
	faults "$parts" $calls "$what" ecl-rollback -q --yes "$@" block-0
}

# whole: nothing that was acknowledged is lost, and every block is what it says.
whole()
{
	check_blocks "$K" && ecl-replay >log && test "$(grep -cxFf acked log)" = "$(wc -l <acked)" && rm acked
}

parts="--path f --path d/e --path gone"
for backend in btrfs copy; do
	pre=STRACE
	few=20 more=40
	test $backend = copy || pre=STRACE,BTRFS few=12 more=20

	test_expect_success $pre "$backend: killed: each path is the old or the new, and nothing is recorded that was not done" '
		begin '$backend'
		everywhere "parts files states" signal=KILL '$few' $parts --element "k:*"
		everywhere "parts files" signal=KILL '$more' --no-snap $parts
		everywhere "states" signal=KILL '$few' --element "k:?"
		whole
	'

	test_expect_success $pre "$backend: killed with --no-snap: the one live or the other" '
		begin '$backend'
		everywhere "files states" signal=KILL '$few' --no-snap
		whole
	'

	test_expect_success $pre "$backend: a disk that fails: all is put back, or said" '
		begin '$backend'
		everywhere "parts files states" error=EIO '$few' $parts --element "k:*"
		everywhere "parts files" error=ENOSPC '$more' --no-snap $parts
		everywhere "files states" error=EROFS '$more' --no-snap
		whole
	'

	test_expect_success $pre "$backend: what live will be is on the disk before it is; the name by which it is found, too" '
		begin '$backend'
		renew
		# On btrfs that name and the exchange come to the disk in the order in which they were made.
		named=()
		test '$backend' = btrfs || named=("fsync .")
		in_order syncfs,fsync,fdatasync,renameat,renameat2,pwrite64 "syncfs .tmp-N" "fdatasync .tmp-N/.ecl/log/N.ndjson" "renameat .old-N" \
			"${named[@]}" "pwrite64 durable dirty" "renameat2 live" "fsync ." "pwrite64 durable clean" -- \
			ecl-rollback -q --yes --no-snap block-0
		renew
		in_order syncfs,fsync,fdatasync,renameat,renameat2,pwrite64 "syncfs live/.ecl/.tmp-N" "renameat2 live/d/e" "renameat2 live/f" "renameat2 live/.ecl/.old-N/N/gone" "syncfs live" \
			"pwrite64 durable dirty" "fdatasync live/.ecl/log/N.ndjson" "pwrite64 durable clean" -- \
			ecl-rollback -q --yes --no-snap $parts --element "k:*" block-0
	'
done

# meanwhile SCRIPT ARG...: ecl-rollback ARG..., which cannot record, and SCRIPT when the files were exchanged and before they are put back: there it is stopped.
meanwhile()
{
	local script=$1

	shift
	: >.fault
	(
		for i in $(seq 6000); do ! grep INJECTED .fault || break; sleep 0.02; done
		eval "$script"
		while kill -CONT $(sed -n "s/^\([0-9]*\) .*INJECTED.*/\1/p" .fault); do sleep 0.02; done
	) >/dev/null 2>&1 &
	fault_at write 2 error=ENOSPC:signal=SIGSTOP ecl-rollback -q --yes --no-snap "$@"
	wait $!
	test $fault_exit = 2 && test_grep "No space left" fault.err
}

test_expect_success STRACE 'the log takes no event, and somebody else was at the files meanwhile: nothing is overwritten, nothing lost' '
	begin btrfs
	renew
	meanwhile "rm \"$K/live/f\"; echo theirs >\"$K/live/gone\"" --path f --path gone block-0
	test "$(cat "$K/live/f")" = new
	test "$(cat "$K/live/gone")" = theirs
	test_grep "that is .gone.kept-[0-9]*., beside it" fault.err
	test "$(cat "$K"/live/gone.kept-*/3)" = new
	test ! -e "$K"/live/f.kept-*
	! ls -A "$K/live/.ecl" | grep "^.tmp-\|^.old-\|^.kept-"
'

test_expect_success STRACE 'the same, and somebody put a new file in the place of one that went back: it is beside what was put back' '
	begin btrfs
	renew
	meanwhile "echo theirs >\"$K/live/x\"; mv \"$K/live/x\" \"$K/live/f\"" --path f --path d/e block-0
	test "$(cat "$K/live/f")$(what d/e/1 d/e/2)" = newnew
	test_grep "what somebody put at .f. meanwhile is .f.kept-[0-9]*., beside it" fault.err
	test "$(cat "$K"/live/f.kept-*)" = theirs
	! ls -A "$K/live/.ecl" | grep "^.tmp-\|^.old-\|^.kept-"
'

test_expect_success STRACE 'the same, and there is no room beside it either: what was live is kept where it is, and swept by nobody' '
	begin btrfs
	renew
	mkdir "$K/live/deep"
	echo new >"$K/live/deep/f"
	ecl-snap -q
	echo newer >"$K/live/deep/f"
	meanwhile "rm -r \"$K/live/deep\"" --path deep/f block-1
	test_grep "could not be put back as it was: that is below ..ecl/.kept-[0-9]*" fault.err
	for i in 1 2; do
		test "$(cat "$K"/live/.ecl/.kept-*/*/f)" = newer
		ecl-snap -q
	done
	test "$(ecl-replay | grep -c "\"action\":\"rollback\"")" = 0
	ecl-verify -q
'

for backend in btrfs copy; do
	pre=STRACE
	test $backend = copy || pre=STRACE,BTRFS

	test_expect_success $pre "$backend: killed when the files were exchanged and nothing is recorded: the next run records it, and then what was there goes" '
		begin '$backend'
		renew
		old=$(stat -c %i "$K/live/f")
		fault_at syncfs 2 signal=KILL ecl-rollback -q --yes --no-snap --cause why $parts --element "k:*" block-0
		test "$(what f)$(what d/e/1 d/e/2)$(what gone)" = oldoldold
		# Nothing of it is lost yet, and no reader minds it.
		test "$(cat "$K"/live/.ecl/.old-*/1/f)" = new
		test "$(stat -c %i "$K"/live/.ecl/.old-*/1/f)" = "$old"
		ecl-verify -q
		# It dies, too, as it records it, and behind that: what was recorded is not recorded again.
		echo later >"$K/live/f"
		for call in fdatasync unlinkat; do
			fault_at $call 1 signal=KILL ecl-snap -q
			test $fault_exit = 137
			test "$(cat "$K/live/f")" = later
		done
		ecl-rollback -q --yes --no-snap --element k:x block-0
		test "$(cat "$K/live/f")" = later
		! ls -A "$K/live/.ecl" | grep "^.tmp-\|^.old-"
		ecl-replay | jq -c "select(.action == \"rollback\") | [.meta.elements, .meta.paths, .cause]" >have
		printf "%s\n" "[null,[\"d/e\",\"f\",\"gone\"],\"why\"]" "[[\"k:x\"],null,\"rollback to $(basename "$(ecl-snap --path block-0)")\"]" >want
		test_cmp want have
		test "$(ecl-query k:y | jq -r .state)" = new
		whole
	'

	test_expect_success $pre "$backend: what looks like the left-over of a rollback and is none is not deleted" '
		begin '$backend'
		size=$(ecl-replay | wc -l)
		for plan in "" junk "\"why\"
{\"block\":\"x\",\"paths\":[\"f\"]}
0 x" "\"why\"
{\"block\":\"x\",\"paths\":[\"f\"]}
0 + 0
0 + 0" "\"why\"
{\"paths\":[\"f\"],\"block\":\"x\"}
0 + 0" "\"why\"
{\"block\":\"x\"}"; do
			mkdir -p "$K/live/.ecl/.old-$size/0"
			echo "$plan" >"$K/live/.ecl/.old-$size/plan"
			test_expect_code 2 ecl-snap -q 2>err
			test_grep "live/.ecl/.old-$size. is not what a rollback left: look into it, then remove it" err
			test -e "$K/live/.ecl/.old-$size/0"
		done
		test "$(ecl-replay | wc -l)" = $size
		rm -r "$K/live/.ecl/.old-$size"
		ecl-snap -q
		check_blocks "$K"
	'
done

test_expect_success STRACE 'an ACL that a copy would inherit and that cannot be removed: nothing is done, and said' '
	begin copy
	renew
	fault_at fremovexattr 1 error=EIO ecl-rollback -q --yes --no-snap --path d block-0
	test $fault_exit = 2
	test_grep "cannot remove the ACL of ..ecl/.tmp-[0-9]*.: Input/output error" fault.err
	test "$(what d/e/1 d/e/2)" = new
	! ls -A "$K/live/.ecl" | grep "^.tmp-"
	ls "$K/.snapshots" >were
	fault_at fremovexattr 1 error=EIO ecl-snap -q
	test $fault_exit = 2
	test_grep "cannot remove the ACL of the copy of" fault.err
	ls -A "$K/.snapshots" >have
	test_cmp were have
'

test_expect_success ROOT,BTRFS 'a full disk: done, or not done and said; and done when there is room again' '
	mkdir full
	fault_small "$TRASH/full" 128M
	test_when_finished "umount full/fs; rm -f full/img"
	K=$TRASH/full/fs/R
	export ECL_ROOT=$K
	ecl-init --embedder none "$K" >/dev/null
	mkdir "$K/live/d"
	put old
	rm -r "$K/live/gone"
	ecl-append -q -e k:x -s "\"old\""
	ecl-append -q -e k:y -s "\"old\""
	head -c 20000000 /dev/urandom >"$K/live/large"
	ecl-snap -q
	: >"$K/live/large"
	: >acked
	rolled=0
	renew
	head -c 200000000 /dev/urandom >"$K/live/fill" || :
	for i in 1 2 3 4 5 6 7 8 9; do head -c 3000 /dev/urandom >"$K/live/fill.$i" || :; done 2>/dev/null
	try()
	{
		local kind=$1

		shift
		fault_exit=0
		ecl-rollback -q --yes "$@" block-0 2>fault.err || fault_exit=$?
		echo "# exit $fault_exit of $*: $(cat fault.err)" >&5
		case $fault_exit in
		0) ;;
		2) test -s fault.err ;;
		*) return 1 ;;
		esac
		look "$kind" error=ENOSPC || return 1
		test $fault_exit = 2 || put new
		ecl-verify -q
	}
	try "parts files states" $parts --path large --element "k:*"
	try "states" --no-snap --element "k:*"
	try "files states"
	rm -f "$K"/live/fill*
	# Space comes back late.
	btrfs filesystem sync "$K"
	btrfs filesystem sync "$K"
	renew
	try "parts files states" $parts --path large --element "k:*"
	test $fault_exit = 0
	test "$(stat -c %s "$K/live/large")" = 20000000
	ecl-snap -q
	renew
	try "files states" --no-snap
	test $fault_exit = 0
	whole
'

test_done
