#!/usr/bin/env bash
test_description='memory that runs out at any call: exit 2 and why, never a crash, a wrong answer or a lost event'
. "${0%/*}/test-lib.sh"

shim=$top_builddir/t/no-memory.so
if ! command -v python3 >/dev/null; then
	skip_all='python3 is needed'
	test_done
fi
if grep -q __asan_init "$top_builddir/cmd/ecl-append"; then
	skip_all='a sanitizer has a malloc of its own'
	test_done
fi
python=$(python3 -c 'import sys; print(sys.executable)')

test_expect_success 'the shim: the Nth call fails, and says that it did' '
	LD_PRELOAD=$shim ECL_NO_MEMORY=100000 ECL_NO_MEMORY_MARK=mark ecl-append --version >out
	test ! -e mark
	test_expect_code 2 env LD_PRELOAD="$shim" ECL_NO_MEMORY=1+ ECL_NO_MEMORY_MARK=mark ecl-verify -d nowhere 2>err
	test -e mark
'

test_expect_success 'programs, from the first allocation on' '
	"$python" "$top_srcdir/t/no-memory.py" "$shim" "$TRASH/work" $((ECL_TEST_LONG ? 32 : 10)) >out || {
		cat out
		exit 1
	}
	cat out
'

test_done
