test_description='ecl-append: kill -9, failed writes and syncs, torn tails: no acknowledged event is lost, the next run goes on'
. "${0%/*}/test-lib.sh"

test_btrfs
base=$TRASH
test ! -d btrfs || base=$TRASH/btrfs
root=$base/root
export ECL_ROOT=$root

if ! strace -o /dev/null true 2>/dev/null; then
	skip_all='strace does not work here'
	test_done
fi

segment() { ls "$root"/live/.ecl/log/*.ndjson | tail -n 1; }

fresh()
{
	rm -rf "$root"
	ecl-init --backend copy "$root" >/dev/null &&
	ecl-append -q -e a:1 -s 1
}

# What was acknowledged is in the log, which is whole, and takes the next event.
sound()
{
	ecl-replay >log
	while read -r line; do
		grep -qxF "$line" log || { echo "lost: $line"; return 1; }
	done <acked
	ecl-append -e next:1 -a check >next 2>err || { cat err; return 1; }
	test_line_count = 1 next || return 1
	ecl-verify >verdict || { cat verdict; return 1; }
	tail -n 1 verdict | jq -e '.verdict == "ok"' >/dev/null
}

# inject CALL WHAT N: run the input with a fault at the Nth CALL.
inject()
{
	rc=0
	traced -o trace -e "trace=$1" -e "inject=$1:$2:when=$3" ecl-append in >acked 2>said || rc=$?
}

for i in 1 2 3; do echo "{\"element\":\"b:$i\",\"state\":\"$i\"}"; done >in

for call in write pwrite64 fdatasync fsync ftruncate unlinkat renameat2 flock openat2; do
	test_expect_success "killed at every $call: nothing acknowledged is lost" '
		n=1
		while :; do
			fresh
			inject '$call' signal=KILL $n
			test $rc != 0 || break
			sound || { echo "at '$call' $n"; return 1; }
			n=$((n + 1))
			test $n -lt 100
		done
		test_line_count = 3 acked
		sound
	'
done

test_expect_success 'killed at each step of the first event of a new segment: never half, never two' '
	for call in write fsync renameat2; do
		for n in 1 2; do
			rm -rf "$root"
			traced -o trace -e trace=$call -e inject=$call:signal=KILL:when=$n ecl-init --backend copy "$root" >acked 2>/dev/null || :
			ecl-init "$root" >again
			cat acked again >both
			ecl-replay >log
			test_line_count = 1 log
			sound
		done
	done
'

test_expect_success 'one failed sync: cut, written again, recorded' '
	fresh
	inject fdatasync error=EIO 1
	test $rc = 0
	test_line_count = 3 acked
	sound
'

test_expect_success 'no sync succeeds: said to be in doubt, and the next run finds out' '
	fresh
	test_must_fail traced -o trace -e trace=fdatasync,fsync -e inject=fdatasync,fsync:error=EIO ecl-append in >acked 2>said
	test_line_count = 0 acked
	test_grep "events 2 to 4 are in doubt" said
	test_grep dirty "$root/durable"
	sound
	test_grep clean "$root/durable"
'

for code in ENOSPC EDQUOT EIO EROFS; do
	test_expect_success "$code at the write: not recorded, the log as it was" '
		fresh
		sha256sum "$(segment)" >before
		test_must_fail traced -o trace -P "$(segment)" -e trace=write -e inject=write:error='$code' ecl-append in >acked 2>said
		test_line_count = 0 acked
		test_grep "events 2 to 4 are not recorded" said
		sha256sum "$(segment)" >after
		test_cmp before after
		sound
	'
done

test_expect_success 'a directory that cannot be read is not an empty log: nothing is written, and nothing lost' '
	rm -rf "$base/copy"
	fresh
	ecl-append -q in
	ecl-replay >all
	ecl-init --backend copy --replica "$base/copy"
	ecl-append -q -d "$base/copy" --replica all
	for n in 1 2 3 4 5 6 "1+"; do
		traced -o trace -e inject=getdents64:error=EIO:when=$n ecl-append -e d:1 -a check >acked 2>said || test_grep "cannot read" said
		traced -o trace -e inject=getdents64:error=EIO:when=$n ecl-init >genesis 2>said || test_grep "cannot read" said
		test_line_count = 0 genesis
		sound
		head -n 2 all | traced -o trace -e inject=getdents64:error=EIO:when=$n ecl-append -d "$base/copy" --replica >acked 2>said ||
			test_grep "cannot read" said
		ecl-replay -d "$base/copy" >log
		test_cmp all log
	done
'

test_expect_success 'a replica whose log is gone does not begin anew as if it had had nothing' '
	rm "$base"/copy/live/.ecl/log/*
	test_expect_code 2 ecl-append -d "$base/copy" --replica all >acked 2>said
	test_grep "is gone" said
	test_line_count = 0 acked
'

test_expect_success 'EINTR is no error' '
	fresh
	inject write error=EINTR 1
	test $rc = 0
	test_line_count = 3 acked
	sound
'

test_expect_success 'a true short write (file size limit): cut off again, said, and the log goes on' '
	fresh
	python3 -c "print(\"\\n\".join(\"{\\\"element\\\":\\\"big:%d\\\",\\\"state\\\":\\\"%s\\\"}\" % (i, \"x\" * 900) for i in range(20)))" >big
	size=$(stat -c %s "$(segment)")
	test_must_fail bash -c "trap \"\" XFSZ; ulimit -f 8; exec ecl-append big" >acked 2>said
	test_grep "not recorded" said
	test "$(stat -c %s "$(segment)")" = "$size"
	sound
'

test_expect_success BTRFS 'a full disk: not recorded, said, and after making room the log goes on' '
	fresh
	dd if=/dev/zero of="$base/fill" bs=1M 2>/dev/null || :
	dd if=/dev/zero of="$base/fill2" bs=4k 2>/dev/null || :
	python3 -c "
for i in range(30000): print(\"{\\\"element\\\":\\\"big:%d\\\",\\\"state\\\":\\\"%d%s\\\"}\" % (i, i, \"x\" * 900))" >big
	test_must_fail ecl-append big >acked 2>said
	test_grep "No space left" said
	test_grep "not recorded\|in doubt" said
	rm -f "$base/fill" "$base/fill2"
	btrfs filesystem sync "$base"
	btrfs filesystem sync "$base"
	sound
'

for tail in '{"seq":2,"time"' '\0\0\0\0\0\0\0\0' '\0\0\0\0\n' '{"seq":2\0\0\0\n{"seq":3,"ti'; do
	test_expect_success "a torn tail is kept aside, cut off and reported: $(printf '%s' "$tail" | cut -c1-20)" '
		fresh
		cp "$(segment)" good
		printf '"'$tail'"' >torn
		cat torn >>"$(segment)"
		ecl-query a:1 | jq -e ".state == 1"
		ecl-replay >log
		test_cmp good log
		test_expect_code 1 ecl-verify >verdict
		test_grep "\"class\":\"torn\"" verdict
		ecl-append in >acked 2>said
		test_grep "torn tail of $(stat -c %s torn) bytes" said
		test_cmp torn "$root/live/.ecl/torn-2"
		head -c "$(stat -c %s good)" "$(segment)" >have
		test_cmp good have
		sound
	'
done

test_expect_success 'a torn tail after a reboot is found as well' '
	fresh
	sed -i "s/\(ecl-durable 1 clean \)[0-9a-f]/\1x/" "$root/durable"
	printf "{\"seq\":2" >>"$(segment)"
	ecl-append in >acked 2>said
	test_grep "torn tail" said
	sound
	fresh
	rm "$root/durable"
	printf "{\"seq\":2" >>"$(segment)"
	ecl-append in >acked 2>said
	test_grep "torn tail" said
	sound
'

test_expect_success 'a whole line that does not verify is corruption: nothing is cut, nothing is written' '
	fresh
	sed -i "2s/\"state\":1/\"state\":2/" "$(segment)"
	sha256sum "$(segment)" >before
	test_expect_code 2 ecl-append in >acked 2>said
	test_grep "corrupt: segment .00000000000000000000.ndjson., offset [1-9]" said
	test_grep "ecl-verify" said
	sha256sum "$(segment)" >after
	test_cmp before after
'

test_expect_success '--sync=none syncs nothing, batch after batch; the next synced run makes all of it durable' '
	fresh
	mkfifo unsynced
	traced -o trace -e trace=fdatasync,fsync ecl-append --sync none <unsynced >acked &
	pid=$!
	exec 9>unsynced
	for i in 1 2 3; do
		echo "{\"element\":\"u:1\",\"state\":$i}" >&9
		n=0
		while test "$(wc -l <acked)" -lt $i && test $n -lt 2400; do sleep 0.05; n=$((n + 1)); done
	done
	exec 9>&-
	wait $pid
	test_line_count = 3 acked
	test_grep ! "fdatasync\|fsync" trace
	test_grep unsynced "$root/durable"
	ecl-verify -q
	traced -o trace -e trace=fdatasync ecl-append -q -e u:1 -s 4
	grep -c fdatasync trace
	test_grep clean "$root/durable"
	sound
'

test_expect_success 'SIGSTOP in the middle holds the others up, and loses nothing' '
	fresh
	mkfifo slow
	ecl-append <slow >acked1 &
	pid=$!
	exec 9>slow
	cat in >&9
	n=0
	while test "$(wc -l <acked1)" -lt 3 && test $n -lt 2400; do sleep 0.05; n=$((n + 1)); done
	kill -STOP $pid
	ecl-append -q --wait 1 -e other:1 -s 1
	kill -CONT $pid
	echo "{\"element\":\"b:1\",\"state\":\"again\"}" >&9
	exec 9>&-
	wait $pid
	cp acked1 acked
	test_line_count = 4 acked
	sound
'

test_done
