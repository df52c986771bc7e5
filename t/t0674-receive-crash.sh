test_description='ecl-snap --receive and ecl-init --adopt killed at system calls: the old or the new, and the next run finishes it'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"
. "$top_srcdir/t/send-lib.sh"

test_btrfs
if ! test_have_prereq BTRFS,STRACE; then
	skip_all='a btrfs of our own cannot be had, or strace does not work'
	test_done
fi
A=$TRASH/btrfs/a B=$TRASH/other/b
changing=renameat,renameat2,mkdirat,unlinkat,fsync,fdatasync,syncfs,ioctl,pwrite64,write,flock,execve,clone,clone3,fchmod

# points FROM N CMD...: about N of the calls of CMD that change something or wait, from the first FROM on, spread over all, the first and the last of each kind among them.
points()
{
	local from=$1 n=$2

	shift 2
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 strace -qq -o calls -e "trace=$changing" -e signal=none "$@" >/dev/null
	sed -n 's/^\([a-z0-9_]*\)(.*/\1/p' calls | awk -v from="$from" -v n="$n" '
		{ name[NR] = $1; at[NR] = ++k[$1]; if ($1 == from && !begun) begun = NR }
		END {
			step = (NR - begun + 1) / n
			for (i = begun; i <= NR; i++)
				if (at[i] == k[name[i]] || int((i - begun) / step) != int((i - begun - 1) / step))
					print name[i], at[i]
		}'
}

# killed CALL N CMD...: CMD, killed when it enters its Nth such call.
killed()
{
	local call=$1 n=$2 rc=0

	shift 2
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 strace -qq -o /dev/null -e "trace=$call" -e signal=none -e "inject=$call:signal=KILL:when=$n" "$@" \
		>out 2>err || rc=$?
	case $rc in 0 | 137) ;; *) echo "exit $rc at $call $n"; cat err; return 1 ;; esac
}

test_expect_success 'a receive that is killed: what was there is whole, and the next one takes the block' '
	make_disk other
	make_host "$A"
	mkdir "$A/live/a"
	echo first >"$A/live/a/f"
	ecl-init -q --replica "$B"
	receive() { ecl-snap -d "$B" --receive --key "$V"; }
	next() {
		change "$A" $1
		ecl-snap -d "$A" -q --sign key
		ecl-snap -d "$A" --send now --parent auto >stream
	}
	next 0
	receive <stream
	next 1
	points mkdirat 10 ecl-snap -d "$B" --receive --key "$V" <stream >at
	test_line_count -gt 12 at
	i=1
	while read -r call when; do
		i=$((i + 1))
		next $i
		killed $call $when ecl-snap -d "$B" --receive --key "$V" <stream
		# Nobody reads half of it: the newest block, and live, which is what a block was.
		ecl-verify -q -d "$B" --key "$V" || { echo "killed at $call $when"; return 1; }
		test -e "$B/live/new.$((i - 1))" || { echo "live went back at $call $when"; return 1; }
		receive <stream >have || { echo "no retry after $call $when"; return 1; }
		test "$(jq .height have)" = $i
		test -e "$B/live/new.$i"
		nothing_left "$B" $(ls "$A/.snapshots") || { echo "after $call $when"; return 1; }
		cmp "$(ecl-snap -d "$A" --path now)/.ecl/checkpoint" "$B/checkpoint"
	done <at
	echo "$i points"
	ecl-verify -q -d "$B" --key "$V"
'

test_expect_success 'a receive whose last steps fail says so, and the next one takes the block' '
	i=100
	# The name of the block, the sync of it, the checkpoint.
	for call in renameat2 fsync renameat; do
		i=$((i + 1))
		next $i
		n=$(sed -n "s/^$call //p" at | sort -n | tail -n 1)
		test_expect_code 2 traced -qq -o /dev/null -e "trace=$call" -e signal=none -e "inject=$call:error=EIO:when=$n" ecl-snap -d "$B" --receive --key "$V" \
			<stream >out 2>err || { echo "at $call $n"; return 1; }
		test_grep "^ecl-snap: .*Input/output error" err
		test ! -s out
		ecl-verify -q -d "$B" --key "$V"
		receive <stream >have
		test "$(jq .height have)" = "$(jq .height "$(ecl-snap -d "$A" --path now)/.ecl/block")"
		cmp "$(ecl-snap -d "$A" --path now)/.ecl/checkpoint" "$B/checkpoint"
		nothing_left "$B" $(ls "$A/.snapshots")
	done
'

test_expect_success 'what live will be is on the disk before it is, and then the block gets its name' '
	next 200
	in_order syncfs,fsync,renameat,renameat2,pwrite64 "renameat .snapshots/.tmp-receive" "syncfs .tmp-live" "pwrite64 durable dirty" "renameat2 live" "fsync ." \
		"pwrite64 durable clean" "renameat2 .snapshots/block-N-N" "fsync .snapshots" "renameat checkpoint" -- \
		ecl-snap -q -d "$B" --receive --key "$V" <stream
'

test_expect_success 'an adoption that is killed: once only, and the next one finishes it' '
	# A small one; block 0 is not here.
	S=$TRASH/btrfs/s
	make_host "$S"
	for n in 0 1 2; do
		change "$S" $n
		ecl-snap -d "$S" -q
	done
	ecl-snap -d "$S" --send block-1 >s1
	ecl-snap -d "$S" --send block-2 --parent block-1 >s2
	replica() {
		C=$TRASH/other/c.$1
		ecl-init -q --replica "$C"
		ecl-snap -q -d "$C" --receive --unsigned <s1
		ecl-snap -q -d "$C" --receive --unsigned <s2
	}
	replica 0
	points flock 6 ecl-init --adopt "$C" >at
	test_line_count -gt 8 at
	i=0
	while read -r call when; do
		i=$((i + 1))
		replica $i
		killed $call $when ecl-init --adopt "$C"
		ecl-verify -q -d "$C" || { echo "killed at $call $when"; return 1; }
		ecl-init -q --adopt "$C"
		ecl-append -d "$C" -q -e after:1 -s 1
		ecl-replay -d "$C" | jq -r "select(.element | startswith(\"ecl:\")) | .action + \" \" + (.state.height // \"\" | tostring)" >have
		printf "%s\n" "create " "snap 0" "snap 1" "adopt " "prune 0" "snap 2" >want
		test_cmp want have || { echo "killed at $call $when"; return 1; }
		test ! -e "$C/replica"
		nothing_left "$C" $(ls "$S/.snapshots" | tail -n 2)
		ecl-verify -q -d "$C"
	done <at
	echo "$i points"
'

test_done
