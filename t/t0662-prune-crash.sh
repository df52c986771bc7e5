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

for backend in btrfs copy; do
	pre= which=1
	test $backend = copy || pre=BTRFS which=2

	test_expect_success "$pre" "$backend: killed at each step" '
		begin '$backend'
		ecl-snap -q
		kill_points points $calls ecl-snap --prune --keep last=2 -q
		test_line_count -gt 15 points
		# A copy goes file by file: every fifth will do.
		sed -i "/^unlinkat [0-9]*[1-46-9]$/d" points
		some_points 3 '$which' <points >chosen
		i=0 hit=0 half=0
		while read -r call n; do
			i=$((i + 1))
			ecl-snap -q
			fault_at $call $n signal=KILL ecl-snap --prune --keep last=1 -q || return 1
			test $fault_exit = 0 || hit=$((hit + 1))
			sound || { echo "killed at $call $n"; return 1; }
			! grep -q "\"present\":true,\"pruned\":\"" blocks || half=$((half + 1))
			if test $((i % 2)) = 0; then
				ecl-snap --prune --keep last=1 -q || { echo "then killed at $call $n"; return 1; }
			else
				ecl-snap -q || return 1
			fi
			sound && tidied || { echo "finished after $call $n"; return 1; }
		done <chosen
		echo "# $hit of $i places; $half between the record and the deletion"
		test $hit -gt $((i / 2))
		test $half -gt 1
		check_blocks "$K"
	'

	# ENOSPC and EDQUOT only come where something is written, EINTR where something waits.
	test_expect_success "$pre" "$backend: errors at each step: said, and nothing is lost" '
		begin '$backend'
		bad=0
		for fault in ioctl:EIO ioctl:EROFS renameat:EIO renameat:EROFS unlinkat:EIO fsync:EIO fdatasync:EIO fdatasync:ENOSPC write:ENOSPC write:EROFS \
			flock:EINTR fdatasync:EINTR fsync:EINTR; do
			call=${fault%:*}
			for n in 1 2 3; do
				ecl-snap -q
				fault_at $call $n error=${fault#*:} ecl-snap --prune --keep last=1 -q || return 1
				case $fault_exit in
				0) ;;
				2) bad=$((bad + 1)) && grep -q "^ecl-snap: " fault.err ;;
				*) false ;;
				esac || { echo "exit $fault_exit of $fault at $n"; cat fault.err; return 1; }
				case $fault:$fault_exit in *:EINTR:2) echo "$fault $n: "; cat fault.err; return 1 ;; esac
				sound || { echo "$fault at $n"; return 1; }
			done
			ecl-snap -q && sound && tidied || { echo "after $fault"; return 1; }
		done
		echo "# $bad errors"
		test $bad -gt 3
		ecl-snap --prune --keep last=1 -q
		ls "$K/.snapshots" | test_line_count = 1 /dev/stdin
		check_blocks "$K"
	'
	test_expect_success "$pre" "$backend: a full, a read-only, a failing disk under ecl-snap itself: all or nothing" '
		bad=0
		for fault in ioctl:ENOSPC:5 ioctl:ENOSPC:6 ioctl:ENOSPC:7 ioctl:EDQUOT:8 ioctl:EROFS:9 ioctl:EIO:11 mkdirat:ENOSPC:1 mkdirat:EROFS:2 \
			write:ENOSPC:1 write:EDQUOT:2 write:ENOSPC:4 fdatasync:ENOSPC:1+ fdatasync:EIO:2+ renameat2:EROFS:1 fsync:EIO:1+ fsync:EIO:2+ openat2:EIO:30 getdents64:EIO:3 \
			flock:EINTR:1 fsync:EINTR:2 fdatasync:EINTR:2; do
			IFS=: read -r call error n <<-EOT
				$fault
			EOT
			n0=$(ecl-replay | wc -l)
			fault_at $call $n error=$error ecl-snap -q || return 1
			case $fault_exit:$error in
			0:*) ;;
			2:EINTR | [!2]:*) false ;;
			*) bad=$((bad + 1)) && grep -q "^ecl-snap: " fault.err ;;
			esac || { echo "exit $fault_exit of $fault"; cat fault.err; return 1; }
			sound || { echo "$fault"; return 1; }
			grep -q "was made" fault.err || test $fault_exit = 0 || test "$(ecl-replay | wc -l)" = $n0 || { echo "$fault: recorded all the same"; cat fault.err; return 1; }
			ecl-snap -q && sound && tidied || { echo "after $fault"; return 1; }
		done
		echo "# $bad errors"
		test $bad -gt 5
		check_blocks "$K"
	'
done

test_expect_success 'ecl-init says that it is locked where it is, and else what is wrong' '
	test_expect_code 75 flock "$K/lock" ecl-init --wait 0 "$K" 2>err
	test_grep "locked by another program" err
	test_expect_code 2 traced -o /dev/null -e trace=flock -e inject=flock:error=ENOLCK:when=1 ecl-init "$K" 2>err
	test_grep "cannot lock .$K/lock.: No locks available" err
	traced -o /dev/null -e trace=flock -e inject=flock:error=EINTR:when=1 ecl-init "$K"
'

test_done
