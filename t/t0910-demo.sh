#!/bin/bash
test_description='the demo runs to its end, says where it fails, and leaves nothing behind'
. "${0%/*}/test-lib.sh"

demo=$top_srcdir/scripts/demo
mkdir tmp && chmod 755 tmp || exit

# Who runs it has none of our programs in the PATH.
bare=$(printf '%s' "$PATH" | tr : '\n' | grep -vxF -e "$top_builddir/cmd" -e "$top_srcdir/scripts" | paste -s -d :)

# demo CMD...: with the programs that are built already; its directory goes under tmp.
demo()
{
	PATH=$bare TMPDIR=$TRASH/tmp ECL_DEMO_BUILT=$top_builddir "$@"
}

nothing_left()
{
	find tmp -mindepth 1 -maxdepth 2 >left
	test_line_count = 0 left
	grep -F " $TRASH/tmp" /proc/self/mountinfo >left || true
	test_line_count = 0 left
	if test_have_prereq ROOT; then
		losetup -l -n -O BACK-FILE 2>/dev/null | grep -F "$TRASH/tmp" >left || true
		test_line_count = 0 left
	fi
}

steps='a ledger, recording, a block, something happens, asking, proof, the way back, that was it, '

test_expect_success 'it runs to its end, from a PATH that has nothing of ours' '
	for p in ecl-append ecl-collect ecl-run; do
		(PATH=$bare && test_must_fail command -v $p)
	done
	demo "$demo" >out 2>err
	sed -n "s/^== //p" out | tr "\n" "," | sed "s/,/, /g" >actual
	printf "%s" "$steps" >expect
	test_cmp expect actual
	test_line_count = 0 err
	nothing_left
'

test_expect_success 'what it prints is for people: 80 columns, no colours into a file' '
	test_grep ! "$(printf "\033")" out
	LC_ALL=C.UTF-8 grep -v "^\\$ \|^  " out >text
	LC_ALL=C.UTF-8 test_grep ! ".\{81\}" text
'

test_expect_success 'it changes nothing of this machine' '
	# Others may: then it is run once more.
	changed() { for f in /etc/passwd /etc/profile; do test ! $f -nt "$1" || return 0; done; return 1; }
	since=$test_state
	for i in 1 2 3; do
		changed "$since" || break
		: >since.$i
		since=since.$i
		demo "$demo" >out.$i
	done
	test_must_fail changed "$since"
	test ! -e /etc/cron.x
'

test_expect_success '--built does the same as ECL_DEMO_BUILT' '
	test_expect_code 2 env TMPDIR="$TRASH/tmp" "$demo" --built "$TRASH" >out 2>err
	test_grep "no programs in" err
	nothing_left
'

test_expect_success '--help, and usage' '
	"$demo" --help >out
	test_grep "^usage: scripts/demo" out
	test_grep ! ".\{81\}" out
	test_expect_code 2 "$demo" --no-such-option 2>err
	test_expect_code 2 "$demo" operand 2>err
	test_grep "operand" err
'

test_expect_success 'a program that answers wrongly: it fails, says at which step, and cleans up' '
	mkdir -p wrong
	for p in "$top_builddir"/cmd/ecl-*; do
		case ${p##*/} in *.*) ;; *) ln -sf "$p" wrong/ ;; esac
	done
	rm wrong/ecl-verify
	printf "%s\n" "#!/bin/sh" "echo ok: all is well" >wrong/ecl-verify
	chmod +x wrong/ecl-verify
	test_expect_code 1 env PATH="$bare" TMPDIR="$TRASH/tmp" "$demo" --built wrong >out 2>err
	test_grep "failed at .proof.: exit 0, not 1, from: .*ecl-verify" err
	nothing_left
'

test_expect_success 'interrupted: it cleans up' '
	env PATH="$bare" TMPDIR="$TRASH/tmp" ECL_DEMO_BUILT="$top_builddir" "$demo" >out 2>err &
	job=$!
	for ((i = 0; i < 2400; i++)); do
		if grep -q "^== a block" out; then break; fi
		sleep 0.05
	done
	kill -TERM $job
	rc=0
	wait $job || rc=$?
	test $rc = 143
	nothing_left
'

test_expect_success ROOT 'without privileges: on copies' '
	rm -rf user
	mkdir user
	chmod 777 user
	mkdir -p user/bin user/top/scripts
	for p in "$top_builddir"/cmd/ecl-*; do
		case ${p##*/} in *.*) ;; *) cp "$p" user/bin/ ;; esac
	done
	cp "$top_srcdir"/scripts/ecl-collect "$top_srcdir"/scripts/ecl-collect-* "$top_srcdir"/scripts/collect.sh \
		"$top_srcdir"/scripts/ecl-run "$top_srcdir"/scripts/trigger.sh "$demo" user/top/scripts/
	cp -r "$top_srcdir/scripts/model" user/top/scripts/
	chmod -R go+rX user
	setpriv --reuid=65534 --regid=65534 --clear-groups env PATH="$bare" TMPDIR="$TRASH/user" user/top/scripts/demo --built "$TRASH/user/bin" >out 2>err
	test_grep "with blocks by copy" out
	test_line_count = 0 err
	find user -mindepth 1 -maxdepth 1 -name "ecl-demo*" >left
	test_line_count = 0 left
'

test_expect_success '--keep keeps the root and says where and how to see it go' '
	demo "$demo" --keep >out
	where=$(sed -n "s/^The root is kept: export ECL_ROOT=//p" out)
	ecl-query -d "$where" --stat >stat
	test_line_count = 1 stat
	sed -n "s/^To see it go: //p" out >remove
	test_line_count = 1 remove
	. ./remove
	nothing_left
'

test_done
