test_description='ecl-init killed at each system call: one genesis, no empty log taken for a ledger, and ecl-init again finishes it'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

test_btrfs 256M
if ! strace -o /dev/null true 2>/dev/null; then
	skip_all='strace does not work here'
	test_done
fi

empty_root=$(printf '' | sha256sum | cut -c1-64)

# What the next programs make of what a killed ecl-init left, and what ecl-init itself does.
finished()
{
	local genesis rc=0

	# Nobody takes it for a ledger while it has no genesis.
	genesis=$(cat "$root"/live/.ecl/log/*.ndjson 2>/dev/null | wc -l)
	test "$genesis" -ge "$(wc -l <acked)" || { echo "a genesis was printed, and is not there"; return 1; }
	if test "$genesis" = 0; then
		test_expect_code 2 ecl-append -e early:1 -a check >out 2>err || return 1
		test_expect_code 2 ecl-snap >out 2>err || return 1
		test ! -s out || return 1
		ls "$root"/.snapshots/block-* 2>/dev/null && return 1
		ecl-query --layer 2>/dev/null | grep "$empty_root" && return 1
	fi
	ecl-init --backend "$backend" "$root" >again 2>err || { cat err; return 1; }
	test "$(wc -l <again)" = $((1 - genesis)) || { echo "$genesis there, then made: $(cat again)"; return 1; }
	ecl-init --backend "$backend" "$root" >once_more 2>err || { cat err; return 1; }
	test_line_count = 0 once_more || return 1
	ecl-append -e first:1 -a check >first 2>err || { cat err; return 1; }
	ecl-replay >log || return 1
	# Whatever was printed, by whichever run, is the one genesis.
	cat acked again | head -c "$(head -n 1 log | wc -c)" | cmp - log 2>&1 | grep -v "^cmp: EOF on -"
	test "$(wc -l <log)" = 2 && test "$(jq -c .seq log | xargs)" = "0 1" || { echo "not one genesis:"; cat log; return 1; }
	test "$(sort -u acked again | wc -l)" -le 1 || { echo "two were printed"; return 1; }
	ls -A "$root" "$root/live/.ecl/log" | grep "^\.new-\|^\.tmp-" && { echo "left behind"; return 1; }
	test $((n % 10)) != 0 || test "$(ecl-snap | jq -r .root)" != "$empty_root" || return 1
	ecl-verify -q
}

for backend in copy btrfs; do
	need= which=1
	test $backend = copy || need=BTRFS which=2

	test_expect_success "$need" "$backend: killed at each system call, from the first that changes something" '
		base=$TRASH
		test $backend = copy || base=$TRASH/btrfs
		root=$base/whole
		traced -o trace ecl-init --backend '$backend' "$root" >printed
		# Each line from the first mkdir on: which call, and which of that name.
		sed "s/^[0-9]* *//" trace | sed -n "s/^\([a-z_0-9]*\)(.*/\1/p" |
			awk "{ n[\$1]++ } /^mkdir/ { begun = 1 } begun && !/^exit/ { print \$1, n[\$1] }" >calls
		test_line_count -gt 40 calls
		some_points 3 '$which' <calls >chosen
		n=0
		while read -r call when; do
			n=$((n + 1))
			root=$base/init.$n
			export ECL_ROOT=$root
			rc=0
			traced -o trace -e trace=$call -e inject=$call:signal=KILL:when=$when ecl-init --backend '$backend' "$root" >acked 2>err || rc=$?
			test $rc = 137 || { echo "exit $rc: not killed at $call $when"; return 1; }
			finished || { echo "killed at $call $when:"; tail -n 3 trace; return 1; }
		done <chosen
		echo "$n calls"
	'
done

test_expect_success 'a call that fails is no half a ledger either: said, and ecl-init again finishes it' '
	backend=auto
	base=$TRASH
	test ! -d btrfs || base=$TRASH/btrfs
	counts="1 2 4 7"
	test -z "$ECL_TEST_LONG" || counts="1 2 3 4 5 6 7 8"
	for call in mkdir mkdirat openat2 openat ioctl fchmod fchmodat write pwrite64 fsync fdatasync renameat renameat2 getdents64 flock; do
		for n in $counts; do
			root=$base/fail.$call.$n
			export ECL_ROOT=$root
			rc=0
			traced -o trace -e trace=$call -e inject=$call:error=EIO:when=$n ecl-init "$root" >acked 2>err || rc=$?
			grep -q INJECTED trace || break
			# 127: the loader could not open a library.
			case $rc in 0 | 2 | 75 | 127) ;; *) echo "$call $n: exit $rc"; return 1 ;; esac
			test $rc = 0 || test -s err || { echo "$call $n: exit $rc, and no reason"; return 1; }
			finished || { echo "$call $n failed (exit $rc):"; tail -n 3 trace; cat err; return 1; }
		done
	done
'

test_done
