# A small TAP library with git's function names, for bash.  A test file begins with
#
#	test_description='what it is about'
#	. "${0%/*}/test-lib.sh"
#
# and ends with test_done.  A script stops at its first failing command, as under `set -e', and runs in this shell,
# in $TRASH: what it assigns is there for the next one.  Options of a test file: -v shows what the scripts print,
# -x traces them, -i stops at the first failure.  ECL_TEST_BTRFS=1 makes a btrfs that cannot be had a failure.

# shellcheck shell=bash disable=SC1007,SC2015,SC2034,SC2154

test_immediate= test_verbose= test_trace=
for test_arg do
	case $test_arg in
	-i) test_immediate=1 ;;
	-v) test_verbose=1 ;;
	-x) test_verbose=1 test_trace=1 ;;
	*) echo "usage: ${0##*/} [-i] [-v] [-x]" >&2; exit 2 ;;
	esac
done

# Where the programs are: as `make check' says, else beside this file or in build/.
: "${top_srcdir:=$(cd "${0%/*}/.." && pwd -P)}"
if test -z "$top_builddir"; then
	top_builddir=$top_srcdir
	test -x "$top_builddir/cmd/ecl-append" || ! test -d "$top_srcdir/build" || top_builddir=$top_srcdir/build
fi
PATH=$top_builddir/cmd:$PATH:/usr/sbin:/sbin:$top_srcdir/scripts
ECL_MODEL_DIR=$top_srcdir/scripts/model ECL_MODULE_DIR=$top_builddir/lib
export top_srcdir top_builddir PATH ECL_MODEL_DIR ECL_MODULE_DIR

# The same surroundings everywhere.  A sanitizer's complaint must look like a crash, not like an answer.
unset ECL_ROOT NO_COLOR COLUMNS LINES CDPATH POSIXLY_CORRECT LANGUAGE
LC_ALL=C TZ=UTC TERM=dumb
ASAN_OPTIONS=abort_on_error=1:exitcode=99${ASAN_OPTIONS:+:$ASAN_OPTIONS}
UBSAN_OPTIONS=abort_on_error=1:exitcode=99:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
export LC_ALL TZ TERM ASAN_OPTIONS UBSAN_OPTIONS
umask 022

test_name=${0##*/}
test_name=${test_name%.sh}
TRASH=$(mktemp -d "${TMPDIR:-/tmp}/ecl-test.${test_name%%-*}.XXXXXX") || exit 1
TRASH=$(cd "$TRASH" && pwd -P) || exit 1
HOME=$TRASH
export TRASH HOME
test_state=$TRASH/.test
test_count=0 test_failed=0 test_prereqs=' ' test_cleanup=() test_finished= test_cleaned=

# Everything that could outlive the test: processes of ours, mounts, loop devices, files.
test_clean()
{
	local mount dev file rc=0

	test -z "$test_cleaned" || return 0
	test_cleaned=1
	cd / || return 1
	jobs -p | xargs -r kill 2>/dev/null
	while read -r mount; do
		umount "$mount" 2>/dev/null || umount -l "$mount" || rc=1
	done < <(while read -r _ _ _ _ mount _; do
		case $mount in "$TRASH"/*) printf '%b\n' "$mount" ;; esac
	done </proc/self/mountinfo | sort -r)
	if test -e /dev/loop-control && test "$(id -u)" = 0; then
		while read -r dev file; do
			case $file in "$TRASH"/*) losetup -d "$dev" || rc=1 ;; esac
		done < <(losetup -l -n -O NAME,BACK-FILE 2>/dev/null)
	fi
	rm -rf "$TRASH" 2>/dev/null || {
		chmod -R u+rwX "$TRASH"
		rm -rf "$TRASH"
	} || rc=1
	return $rc
}

test_at_exit()
{
	local rc=$?

	trap '' INT TERM HUP PIPE
	if test -z "$test_finished"; then
		sed 's/^/# /' "$test_state/out" >&5 2>/dev/null
		echo "# $test_name: ended before test_done (exit $rc)" >&5
	fi
	test_clean || rc=1
	test "$rc" != 0 || test -n "$test_finished" || rc=1
	exit $rc
}
trap test_at_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

chmod 755 "$TRASH" && mkdir "$test_state" && cd "$TRASH" || exit 1

# python3 may be a script that looks for the interpreter, anew each time and for longer than that runs: Debian's, then.
if test -x /usr/bin/python3 && test "$(head -c 2 "$(command -v python3)" | tr -d '\0')" = '#!'; then
	mkdir "$test_state/python" && ln -s /usr/bin/python3 "$test_state/python/python3" || exit 1
	PATH=$top_builddir/cmd:$test_state/python:${PATH#"$top_builddir/cmd:"}
fi
exec 5>&1 6</dev/null

test_bail()
{
	test_finished=1
	printf 'Bail out! %s\n' "$*" >&5
	exit 1
}

# Prerequisites.  PREREQ is a list with commas, `!' before a name negates it.

test_set_prereq()
{
	test_prereqs="$test_prereqs$1 "
}

test_have_prereq()
{
	local one all=$1

	test_missing=
	while test -n "$all"; do
		one=${all%%,*}
		all=${all#"$one"}
		all=${all#,}
		case $one in
		!*) case $test_prereqs in *" ${one#!} "*) test_missing="$test_missing${test_missing:+,}$one" ;; esac ;;
		*) case $test_prereqs in *" $one "*) ;; *) test_missing="$test_missing${test_missing:+,}$one" ;; esac ;;
		esac
	done
	test -z "$test_missing"
}

if test "$(id -u)" = 0; then
	test_set_prereq ROOT
	if setpriv --reuid=65534 --regid=65534 --clear-groups [ -x "$TRASH" ] 2>/dev/null; then
		test_set_prereq NONROOT
	fi
else
	test_set_prereq NONROOT
fi

# The frame of a test.

# A script is one && chain, or commands on lines of their own.  A chain with commands behind it would lose the
# failure of the chain; bash's own rendering of the script shows it: only its last command has no semicolon.
# `this && exit 1' is how a script says that this must not succeed.
test_broken_chain()
{
	declare -f test_body | awk '
		chain && !/^    do$/ { broken = 1 }
		{ gsub(/"[^"]*"|\047[^\047]*\047/, "") }
		{ chain = /^    [^ ].* && .*;$/ && !/\|\||^    [A-Za-z_]+=|&& (exit|return) [0-9]+;$/ }
		END { exit !broken }'
}

# What the script left of traps and options must not reach the library.
test_run_body()
{
	local rc

	set -E
	test -z "$test_trace" || set -x
	test_body
	rc=$?
	{ set +xE; trap - ERR; } 2>/dev/null
	return $rc
}

test_run_cleanup()
{
	local rc=0 i

	for ((i = ${#test_cleanup[@]} - 1; i >= 0; i--)); do
		cd "$TRASH" && eval "${test_cleanup[i]}" || {
			rc=$?
			echo "cleaning up failed (exit $rc): ${test_cleanup[i]}"
		}
	done
	test_cleanup=()
	return $rc
}

# test_expect_success [PREREQ] 'title' 'script': the script (- = standard input) must succeed.
test_expect_success()
{
	local prereq= title script rc

	test $# != 3 || {
		prereq=$1
		shift
	}
	test $# = 2 || test_bail "$test_name: test_expect_success takes [PREREQ] TITLE SCRIPT"
	title=$1 script=$2
	test "$script" != - || script=$(cat)
	test_count=$((test_count + 1))
	if ! test_have_prereq "$prereq"; then
		echo "ok $test_count - $title # SKIP missing $test_missing"
		return 0
	fi
	cd "$TRASH" || test_bail "$test_name: the trash directory is gone"
	if ! eval "test_body() {
trap 'return \$?' ERR
:
$script
}" 2>"$test_state/out"; then
		rc=2
	elif test_broken_chain; then
		echo "broken && chain: join all commands of the script with &&, or none" >"$test_state/out"
		rc=2
	else
		test_run_body >"$test_state/out" 2>&1 <&6
		rc=$?
		test_run_cleanup >>"$test_state/out" 2>&1 <&6 || rc=${rc/#0/1}
	fi
	test -z "$test_verbose" || sed 's/^/# /' "$test_state/out"
	if test "$rc" = 0; then
		echo "ok $test_count - $title"
		return 0
	fi
	test_failed=$((test_failed + 1))
	echo "not ok $test_count - $title"
	test -n "$test_verbose" || sed 's/^/# /' "$test_state/out"
	echo "# exit $rc from:"
	printf '%s\n' "$script" | sed 's/^/# /'
	test -z "$test_immediate" || test_bail "$test_name: stopped at the first failure"
}

# test_when_finished 'script': run it when the test ends, however it ends; the last one first.
test_when_finished()
{
	test "$BASH_SUBSHELL" = 0 || {
		echo "test_when_finished: not in a subshell"
		return 1
	}
	test_cleanup+=("$*")
}

# test_done: clean up, print the plan, leave.  With skip_all='why' and no test before: all skipped.
test_done()
{
	if ! test_clean; then
		test_count=$((test_count + 1)) test_failed=$((test_failed + 1))
		echo "not ok $test_count - nothing is left of $TRASH"
	fi
	test_finished=1
	if test $test_count = 0 && test -n "$skip_all"; then
		echo "1..0 # SKIP $skip_all"
	else
		echo "1..$test_count"
	fi
	test $test_failed = 0
	exit
}

# What scripts say.  Each prints why it fails.

# test_expect_code N CMD...: exits with N exactly.
test_expect_code()
{
	local want=$1 rc=0

	shift
	"$@" || rc=$?
	test $rc = "$want" || {
		echo "exit $rc, not $want: $*"
		return 1
	}
}

# test_must_fail CMD...: says no, but neither by a signal, nor by a sanitizer, nor because it cannot be run.
test_must_fail()
{
	local rc=0

	"$@" || rc=$?
	case $rc in
	0) echo "should have failed: $*" ;;
	99) echo "a sanitizer complained: $*" ;;
	126 | 127) echo "cannot be run (exit $rc): $*" ;;
	*)
		test $rc -gt 128 || return 0
		echo "died of signal $((rc - 128)): $*"
		;;
	esac
	return 1
}

# test_cmp EXPECT ACTUAL
test_cmp()
{
	diff -u "$@"
}

# test_grep [!] [OPTION...] PATTERN FILE
test_grep()
{
	local not= file=${!#}

	if test "$1" = '!'; then
		not=1
		shift
	fi
	test -f "$file" || {
		echo "test_grep: no file '$file'"
		return 1
	}
	if grep "$@" >/dev/null; then
		test -n "$not" || return 0
		echo "should not match: ${*:1:$#-1}"
	else
		test -z "$not" || return 0
		echo "no match: ${*:1:$#-1}"
	fi
	echo "--- $file"
	head -c 20000 "$file"
	return 1
}

# test_line_count OP N FILE: as in `test_line_count = 3 out'.
test_line_count()
{
	local n

	n=$(wc -l <"$3") || return 1
	test "$n" "$1" "$2" || {
		echo "$n lines, not $1 $2: $3"
		head -c 20000 "$3"
		return 1
	}
}

# test_seeded: sets test_seed, for tests that try some of many cases: another one in each run, so that in time all of them are tried, and said, so
# that a run can be repeated by ECL_TEST_SEED=N.
test_seeded()
{
	test -z "$test_seed" || return 0
	test_seed=${ECL_TEST_SEED:-$(($(date +%s) % 1000000))}
	echo "# ECL_TEST_SEED=$test_seed" >&5
}

# traced OPTION... CMD...: under strace, where the leak sanitizer cannot work.  Not with --seccomp-bpf: then no signal is injected.
traced()
{
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 strace -f "$@"
}

# as_user CMD...: run it without privileges: as uid 65534 where we are root.
as_user()
{
	local dir=$top_builddir/cmd drop='setpriv --reuid=65534 --regid=65534 --clear-groups --'

	if ! test_have_prereq ROOT; then
		"$@"
		return
	fi
	if ! $drop [ -x "$dir/ecl-append" ]; then
		dir=$test_state/bin
		if ! test -d "$dir"; then
			mkdir "$dir" && cp "$top_builddir"/cmd/ecl-* "$dir" 2>/dev/null
			chmod -R go+rX "$test_state"
		fi
	fi
	$drop env PATH="$dir:$PATH" "$@"
}

# test_btrfs [SIZE]: a btrfs of our own on $TRASH/btrfs; sets BTRFS where that can be had.
test_btrfs()
{
	local img=$TRASH/fs.img why=

	test_have_prereq BTRFS && return 0
	{
		if ! test_have_prereq ROOT; then
			why='not root'
		elif ! command -v mkfs.btrfs >/dev/null; then
			why='no mkfs.btrfs'
		elif ! truncate -s "${1:-512M}" "$img" || ! mkfs.btrfs -q "$img"; then
			why='mkfs.btrfs failed'
		elif ! mkdir "$TRASH/btrfs" || ! mount -o loop,noatime "$img" "$TRASH/btrfs"; then
			why='cannot mount a loop device'
		fi
	} >"$test_state/btrfs" 2>&1
	if test -z "$why"; then
		chmod 755 "$TRASH/btrfs"
		test_set_prereq BTRFS
		return 0
	fi
	sed 's/^/# /' "$test_state/btrfs" >&5
	echo "# no btrfs: $why" >&5
	test "$ECL_TEST_BTRFS" != 1 || test_bail "ECL_TEST_BTRFS=1, but no btrfs can be had: $why"
}

# ecl_backend_root btrfs|copy: make an empty directory for a root on that backend, print its path.
ecl_backend_root()
{
	case $1 in
	btrfs)
		test_have_prereq BTRFS || {
			echo "ecl_backend_root: no btrfs here (call test_btrfs first)" >&2
			return 1
		}
		mktemp -d "$TRASH/btrfs/root.XXXXXX"
		;;
	copy) mktemp -d "$TRASH/root.XXXXXX" ;;
	*)
		echo "ecl_backend_root: no backend '$1'" >&2
		return 1
		;;
	esac
}
