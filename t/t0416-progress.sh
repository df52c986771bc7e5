#!/usr/bin/env bash
test_description='progress: on a terminal, on long work, and never among the data'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null; then
	skip_all='python3 is needed'
	test_done
fi
if ! strace -o /dev/null true 2>/dev/null; then
	skip_all='strace does not work here'
	test_done
fi

# A command on a terminal, on which the descriptors $1 are, while each read takes $2 ms: what it shows is in `raw', what a person sees of it in the end
# in `screen', the lines of progress in `progress'.
slowly()
{
	local fds=$1 delay=$2 rc=0

	shift 2
	# As traced() does.
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 TERM=xterm python3 "$top_srcdir/t/on-terminal.py" -f "$fds" -c 100 -o raw \
		strace -qq -o /dev/null -e trace=pread64 -e inject=pread64:delay_enter=${delay}000 "$@" || rc=$?
	python3 -c '
import re
out = open("raw", "rb").read().replace(b"\r\n", b"\n")
seen = []
for line in out.split(b"\n"):
    cells = b""
    for part in line.split(b"\r"):
        erase = b"\x1b[K" in part
        part = part.replace(b"\x1b[K", b"")
        cells = part + (b"" if erase else cells[len(part):])
    seen.append(re.sub(rb"\x1b\[[0-9;]*m", b"", cells))
open("screen", "wb").write(b"\n".join(seen))
lines = re.findall(rb"\r([^\r\n\x1b]+)\x1b\[K", out)
open("progress", "wb").write(b"".join(x + b"\n" for x in lines))'
	return $rc
}

export ECL_ROOT=$TRASH/L

test_expect_success 'a ledger without an index' '
	ecl-init L >/dev/null &&
	ecl-append -q -e n:0 -s 1 --actor first &&
	python3 -c "
for i in range(40000):
    print(\"{\\\"element\\\":\\\"n:%d\\\",\\\"state\\\":{\\\"i\\\":%d}}\" % (i % 1000, i))" | ecl-append -q &&
	rm -rf L/live/.ecl/index
'

test_expect_success 'reading the log is shown, and gone when the answer comes' '
	slowly 1,2 10 ecl-query n:7 &&
	test_grep "^reading the log: [0-9]*% of 40002 events, [0-9]* a second, [0-9]*:[0-9]* left$" progress &&
	test_line_count = 2 screen &&
	test_grep ! reading screen &&
	test_grep "^n:7 .*39007" screen
'

test_expect_success 'it comes nearer' '
	sed "s/^[^:]*: \([0-9]*\)%.*/\1/" progress >percent &&
	sort -n percent >sorted &&
	test_cmp sorted percent &&
	test "$(tail -n 1 percent)" -gt 50 &&
	test "$(tail -n 1 percent)" -le 100
'

test_expect_success 'no progress with -q, with TERM=dumb, and where standard error is no terminal' '
	slowly 1,2 10 ecl-query -q n:7 &&
	test_cmp /dev/null progress &&
	slowly 1,2 10 env TERM=dumb ecl-query n:7 &&
	test_cmp /dev/null progress &&
	slowly 1 10 ecl-query n:7 2>err &&
	test_cmp /dev/null progress &&
	test_cmp /dev/null err
'

test_expect_success 'programs that write show it too' '
	slowly 2 10 ecl-append -e n:1 -s 5 >out &&
	test_grep "^reading the log: " progress &&
	rm -rf L/live/.ecl/index &&
	slowly 2 10 ecl-snap >out &&
	test_grep "^reading the log: " progress
'

test_expect_success 'a block with many bytes in its files' '
	truncate -s 30M L/live/sparse &&
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 TERM=xterm python3 "$top_srcdir/t/on-terminal.py" -f 2 -o raw \
		strace -qq -o /dev/null -e trace=read -e inject=read:delay_enter=40000 ecl-snap >out &&
	test_grep "reading files: [0-9.]* MiB, [0-9.]* [KM]iB a second" raw
'

test_expect_success 'a long scan is shown beside a file, up to its end' '
	slowly 2 12 ecl-query --history --limit 35000 >out &&
	test_line_count = 35000 out &&
	test_grep "^reading: [0-9]*% of 4[0-9]*, [0-9]* a second" progress &&
	test "$(tail -n 1 progress | sed "s/^[^:]*: \([0-9]*\)%.*/\1/")" -gt 50
'

test_expect_success 'and while nothing is found' '
	test_expect_code 1 slowly 1,2 12 ecl-query --event hash:00000000deadbeef &&
	test_grep "^reading: " progress &&
	test_cmp /dev/null screen
'

test_expect_success 'data on the same terminal is never behind a line of progress' '
	slowly 1,2 12 ecl-query --json --history &&
	test_line_count = 40002 screen &&
	! grep -v "^{\"seq\":.*}$" screen &&
	slowly 1,2 12 ecl-query --history --actor first &&
	test_grep "^reading: " progress &&
	test_line_count = 2 screen &&
	test_grep ! reading screen
'

test_expect_success 'nor in a pipe to a pager' '
	slowly 2 12 ecl-query --history | cat >out &&
	test_line_count -ge 40002 out &&
	test_cmp /dev/null progress
'

test_expect_success 'a replay: beside a file, while nothing passes, and never among the data' '
	slowly 2 40 ecl-replay --element n:7 >out &&
	test_line_count = 40 out &&
	test_grep "^replaying: [0-9]*% of [0-9.]* MiB, [0-9.]* [KM]iB a second" progress &&
	slowly 1,2 40 ecl-replay --element none:1 &&
	test_grep "^replaying: " progress &&
	test_cmp /dev/null screen &&
	slowly 2 40 ecl-replay --element "n:*" | cat >out &&
	test_line_count -ge 40002 out &&
	test_cmp /dev/null progress &&
	slowly 1,2 40 ecl-replay --element "n:*" &&
	test_line_count = 40002 screen &&
	! grep -v "^{\"seq\":.*}$" screen &&
	slowly 1,2 40 ecl-replay &&
	! grep -v "^{\"seq\":.*}$" screen
'

test_done
