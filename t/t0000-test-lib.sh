test_description='the test library: what fails is said to, and nothing is left behind'
. "${0%/*}/test-lib.sh"

# sub NAME [ARG...] <SCRIPT: run a test file of its own, with its output in NAME.out and its exit code in NAME.rc.
sub()
{
	local name=$1

	shift
	mkdir -p tmp
	{
		echo ". '$top_srcdir/t/test-lib.sh'"
		cat
	} >"$name.sh"
	TMPDIR=$TRASH/tmp bash "$name.sh" "$@" >"$name.out" 2>"$name.err" && echo 0 >"$name.rc" || echo $? >"$name.rc"
}

nothing_left()
{
	find tmp -mindepth 1 >left
	test_line_count = 0 left
	test_must_fail grep " $TRASH/tmp/" /proc/self/mountinfo
	test_must_fail grep -s "^$TRASH/tmp/" /sys/block/loop*/loop/backing_file
}

test_expect_success 'what succeeds is ok, and the plan is last' '
	sub good <<-\EOT &&
	test_expect_success "one" "true && true"
	test_expect_success "two" - <<-\END
	x=1
	test $x = 1
	END
	test_done
	EOT
	printf "ok 1 - one\nok 2 - two\n1..2\n" >want &&
	test_cmp want good.out &&
	test "$(cat good.rc)" = 0 &&
	nothing_left
'

test_expect_success 'what fails is not ok, and its output is a comment' '
	sub bad <<-\EOT &&
	test_expect_success "one" "echo hello && false"
	test_expect_success "two" true
	test_done
	EOT
	test_grep "^not ok 1 - one$" bad.out &&
	test_grep "^# hello$" bad.out &&
	test_grep "^ok 2 - two$" bad.out &&
	test_grep "^1..2$" bad.out &&
	test "$(cat bad.rc)" = 1 &&
	nothing_left
'

test_expect_success 'a script stops at its first failing command' '
	sub stop <<-\EOT &&
	test_expect_success "lines" "false
		true"
	test_expect_success "function" "f() { false; true; }
		f"
	test_expect_success "subshell" "(cd /; false; true)
		true"
	test_expect_success "substitution" "x=\$(false)
		true"
	test_expect_success "chain" "true && false && true"
	test_expect_success "syntax" "if"
	test_done
	EOT
	grep -c "^not ok" stop.out >count &&
	echo 6 >want &&
	test_cmp want count
'

test_expect_success 'what a condition decides is no failure' '
	sub condition <<-\EOT &&
	test_expect_success "if" "if false; then :; fi
		false || true
		! false
		for i in 1 2; do
			test \$i = 1 || echo \$i
		done"
	test_done
	EOT
	test "$(cat condition.rc)" = 0
'

test_expect_success 'a broken && chain is found' '
	sub chain <<-\EOT &&
	test_expect_success "one" "false &&
		true
		true"
	test_done
	EOT
	test_grep "^not ok 1" chain.out &&
	test_grep "broken && chain" chain.out &&
	sub compound <<-\EOT &&
	test_expect_success "one" "true &&
		for i in 1 2; do
			true && test \$i != 3 || return 1
		done &&
		if true && true; then
			true
		fi &&
		cat <<-END &&
		x && y;
		END
		(
			cd / &&
			true
		) &&
		while false && true; do
			true
		done &&
		case x in x) true && true ;; esac &&
		{ true && true; } &&
		true"
	test_expect_success "two" "false && exit 1
		sh -c '"'true && false'"' || :
		sh -c '"'true && true'"'
		true"
	test_done
	EOT
	test_grep "^ok 1" compound.out &&
	test_grep "^ok 2" compound.out
'

test_expect_success 'variables stay, the directory does not' '
	sub state <<-\EOT &&
	test_expect_success "one" "x=3 && mkdir d && cd d"
	test_expect_success "two" "test \$x = 3 && test -d d"
	test_done
	EOT
	test "$(cat state.rc)" = 0
'

test_expect_success 'without a prerequisite a test is skipped' '
	sub skip <<-\EOT &&
	test_set_prereq YES
	test_expect_success NO "one" false
	test_expect_success YES,NO "two" false
	test_expect_success !YES "three" false
	test_expect_success YES,!NO "four" true
	test_done
	EOT
	cat >want <<-\EOT &&
	ok 1 - one # SKIP missing NO
	ok 2 - two # SKIP missing NO
	ok 3 - three # SKIP missing !YES
	ok 4 - four
	1..4
	EOT
	test_cmp want skip.out
'

test_expect_success 'a file of tests can be skipped' '
	sub all <<-\EOT &&
	skip_all="no moon"
	test_done
	EOT
	echo "1..0 # SKIP no moon" >want &&
	test_cmp want all.out
'

test_expect_success 'a file that ends early has no plan and fails' '
	sub early <<-\EOT &&
	test_expect_success "one" "echo why; exit 0"
	test_done
	EOT
	test_grep ! "^1\.\." early.out &&
	test_grep "^# why$" early.out &&
	test_grep "ended before test_done" early.out &&
	test "$(cat early.rc)" = 1 &&
	nothing_left
'

test_expect_success 'test_when_finished runs, the last one first, and must succeed' '
	sub finished <<-\EOT &&
	test_expect_success "one" "test_when_finished \"echo 1 >>../order\" && test_when_finished \"echo 2 >>../order\" && false"
	test_expect_success "two" "test_when_finished \"echo 3 >>../order; false\""
	test_expect_success "three" "true"
	test_done
	EOT
	test_grep "^not ok 1" finished.out &&
	test_grep "^not ok 2" finished.out &&
	test_grep "^ok 3" finished.out &&
	printf "2\n1\n3\n" >want &&
	test_cmp want tmp/order &&
	rm tmp/order &&
	nothing_left
'

test_expect_success 'test_must_fail: neither a signal nor a missing program is an answer' '
	test_must_fail false &&
	test_must_fail sh -c "exit 75" &&
	for script in "exit 0" "exit 99" "exit 126" "exit 127" "kill -9 \$\$" "kill -ABRT \$\$"; do
		! test_must_fail sh -c "$script" || return 1
	done &&
	! test_must_fail ./no-such-program
'

test_expect_success 'test_expect_code' '
	test_expect_code 0 true &&
	test_expect_code 3 sh -c "exit 3" &&
	! test_expect_code 3 sh -c "exit 2"
'

test_expect_success 'test_cmp, test_grep, test_line_count' '
	printf "a\nb\n" >file &&
	printf "a\nc\n" >other &&
	test_cmp file file &&
	! test_cmp file other &&
	test_grep "^a" file &&
	test_grep -F -e a file &&
	test_grep ! "^c" file &&
	! test_grep "^c" file >said &&
	grep -x b said &&
	! test_grep ! "^a" file &&
	! test_grep ! "^a" no-such-file &&
	test_line_count = 2 file &&
	test_line_count -gt 1 file &&
	! test_line_count = 3 file
'

test_expect_success NONROOT 'as_user has no privileges' '
	as_user id -u >uid &&
	! grep -x 0 uid &&
	! as_user touch "$TRASH/not-mine" || ! test_have_prereq ROOT
'

test_expect_success 'an interrupted file cleans up too' '
	ECL_TEST_BTRFS= sub interrupted <<-\EOT &&
	test_btrfs 128M
	sleep 1000 &
	test_expect_success "one" "kill -INT \$\$; sleep 10"
	test_done
	EOT
	test "$(cat interrupted.rc)" = 130 &&
	nothing_left
'

test_btrfs

test_expect_success BTRFS 'a btrfs of our own, and a root on either backend' '
	test "$(stat -f -c %T btrfs)" = btrfs &&
	root=$(ecl_backend_root btrfs) &&
	btrfs subvolume create "$root/live" &&
	root=$(ecl_backend_root copy) &&
	case $root in "$TRASH"/btrfs/*) false ;; "$TRASH"/*) true ;; esac &&
	test -d "$root"
'

test_expect_success BTRFS 'it disappears with the test, read-only snapshots, open files and all' '
	sub loop <<-\EOT &&
	test_btrfs 128M
	test_expect_success "one" "btrfs subvolume create btrfs/a && btrfs subvolume snapshot -r btrfs/a btrfs/b"
	test_expect_success "two" "mkdir \"with blank\" && mount --bind btrfs \"with blank\""
	test_expect_success "three" "sleep 1000 >btrfs/open &"
	test_done
	EOT
	test "$(cat loop.rc)" = 0 &&
	nothing_left
'

test_expect_success ROOT 'ECL_TEST_BTRFS=1: where there is no btrfs, that is a failure' '
	mkdir -p bin &&
	printf "#!/bin/sh\necho no >&2\nexit 1\n" >bin/mkfs.btrfs &&
	chmod 755 bin/mkfs.btrfs &&
	cat >script <<-\EOT &&
	PATH=$HOME/../../bin:$PATH
	test_btrfs
	test_expect_success BTRFS "one" true
	test_done
	EOT
	ECL_TEST_BTRFS= sub lenient <script &&
	test_grep "^ok 1 - one # SKIP missing BTRFS" lenient.out &&
	test "$(cat lenient.rc)" = 0 &&
	ECL_TEST_BTRFS=1 sub strict <script &&
	test_grep "^Bail out!" strict.out &&
	test "$(cat strict.rc)" = 1 &&
	nothing_left
'

test_expect_success 'no test is left out of make check' '
	(cd "$top_srcdir"; ls t/t[0-9]*.sh t/unit/test-*.c) | sed "s/\.c\$//" | sort >have
	sed -n "s,^	\(t/[^ ]*\).*,\1,p" "$top_srcdir/Makefile.am" | grep -e "^t/t[0-9]" -e "^t/unit/test-" | sort -u >listed
	test_cmp have listed
'

test_done
