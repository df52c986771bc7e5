test_description='ecl-snap --prune killed or failing at each step: a block is there, or recorded as pruned; the next run goes on'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

test_btrfs
if ! test_have_prereq STRACE; then
	skip_all='strace does not work here'
	test_done
fi

# All that changes something, or waits for who does: between two of them a run can die only once.
calls=ioctl,renameat,renameat2,fsync,fdatasync,unlinkat,write,pwrite64,ftruncate,flock

# What holds at any time: each block that the log tells of is as it was, or recorded as pruned; nothing is a finding.
sound()
{
	ecl-verify >verdict || { cat verdict; return 1; }
	ecl-query --blocks >blocks || return 1
	grep '"present":false,"pruned":null' blocks && return 1
	tail -n 1 blocks | grep -q '"present":true'
}

# What holds after the next run, whatever it is: what was recorded as pruned is gone, nothing is left over.
tidied()
{
	grep '"present":true,"pruned":"' blocks && return 1
	ls -A "$K" "$K/.snapshots" | grep '^\.tmp-' && return 1
	return 0
}

begin()
{
	K=$(ecl_backend_root "$1") && export ECL_ROOT=$K && ecl-init --backend "$1" -q "$K" || return 1
	mkdir "$K/live/d" && echo x >"$K/live/d/f" && ecl-snap -q && ecl-snap -q && ecl-snap -q
}

# Two blocks that are to go, before each run.
before() { ecl-snap --prune --keep last=1 -q && ecl-snap -q && ecl-snap -q; }

for backend in btrfs copy; do
	pre=
	test $backend = copy || pre=BTRFS

	test_expect_success "$pre" "$backend: killed at each step" '
		begin '$backend'
		i=0
		after() {
			i=$((i + 1))
			sound || return 1
			# Between the record and the deletion.
			test "$fault_on" != "renameat .snapshots/.tmp-block-N-N" || grep -q "\"present\":true,\"pruned\":\"" blocks || { echo "not recorded before"; return 1; }
			if test $((i % 2)) = 0; then
				ecl-snap --prune --keep last=1 -q
			else
				ecl-snap -q
			fi && sound && tidied
		}
		faults 5 $calls signal=KILL ecl-snap --prune --keep last=1 -q
		check_blocks "$K"
	'

	test_expect_success "$pre" "$backend: errors at each step: said, and nothing is lost" '
		begin '$backend'
		after() {
			local fault_on=$fault_on # that faults() goes by

			# Who may not delete what is read-only makes it writable first: an ordinary user must, too.
			test "$fault $fault_on" != "error=EROFS ioctl .snapshots BTRFS_IOC_SNAP_DESTROY" || fault_on=
			# A disk that is full before the record is what the reserve is for: it goes on.
			case $fault:$fault_exit in
			*=ENOSPC:0 | *=EDQUOT:0) ls "$K/.snapshots" | test_line_count = 1 /dev/stdin && fault_on= || return 1 ;;
			esac
			told ecl-snap && sound || return 1
			# What was recorded, and what was not, goes with the next one.
			ecl-snap --prune --keep last=1 -q && sound && tidied && ls "$K/.snapshots" | test_line_count = 1 /dev/stdin
		}
		faults 4 $calls,getdents64,mkdirat "error=EIO error=ENOSPC error=EROFS error=EDQUOT" ecl-snap --prune --keep last=1 -q
		faults 4 flock,fdatasync,fsync,write,pwrite64 error=EINTR ecl-snap --prune --keep last=1 -q
		check_blocks "$K"
	'
done

test_expect_success 'a disk that stays full: the reserve is there for the next try, and it is said where it cannot be' '
	begin copy
	test_expect_code 2 traced -o /dev/null -e trace=pwrite64 -e inject=pwrite64:error=ENOSPC ecl-snap --prune --keep last=1 2>err
	test_grep "no room to record what would be pruned, and no reserve is left" err
	test "$(stat -c %s "$K/reserve")" = 4194304
	ls "$K/.snapshots" | test_line_count = 3 /dev/stdin
	traced -o /dev/null -e trace=pwrite64,fallocate -e inject=pwrite64:error=ENOSPC:when=1 -e inject=fallocate:error=ENOSPC \
		ecl-snap --prune --keep last=1 2>err >out
	test_grep "the disk is still full: the next --prune has no reserve" err
	test_line_count = 2 out
	test ! -e "$K/reserve"
	ecl-verify -q
'

test_expect_success 'ecl-init says that it is locked where it is, and else what is wrong' '
	test_expect_code 75 flock "$K/lock" ecl-init --wait 0 "$K" 2>err
	test_grep "locked by another program" err
	test_expect_code 2 traced -o /dev/null -e trace=flock -e inject=flock:error=ENOLCK:when=1 ecl-init "$K" 2>err
	test_grep "cannot lock .$K/lock.: No locks available" err
	traced -o /dev/null -e trace=flock -e inject=flock:error=EINTR:when=1 ecl-init "$K"
'

test_done
