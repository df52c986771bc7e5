#!/usr/bin/env bash
test_description='ecl-query --similar in a ledger that has segments'
. "${0%/*}/test-lib.sh"

# Segments are asked of a ledger that is small enough for a test.
ECL_SCAN_ROWS=50000
export ECL_SCAN_ROWS

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

export ECL_ROOT=$TRASH/L
index=L/live/.ecl/index

# More than one segment has, so that some are behind it; the last ones are not in the index.
ecl-init -q --backend copy --time 2025-12-31T00:00:00Z L &&
	python3 "$top_srcdir/t/make-similar.py" 70500 >made &&
	head -n 70000 made | ecl-append -q --keep-time &&
	ecl-index -q &&
	tail -n 500 made | ecl-append -q --keep-time || test_bail 'no ledger'

if ! ls $index/ivf-* >/dev/null 2>&1; then
	skip_all='built without FAISS'
	test_done
fi

# both QUERY...: the answers by segments in `got', those of --exact in `all'.
both()
{
	ecl-query "$@" >got && ecl-query --exact "$@" >all
}

test_expect_success 'nearly the same answers, with the same scores' '
	: >hits &&
	for seq in 100 5000 20000 33333 65000 70100; do
		both --similar $seq -k 10
		test_line_count = 10 got && test_line_count = 10 all
		jq -c "[.seq,.score]" got | sort >a && jq -c "[.seq,.score]" all | sort >b
		comm -12 a b >>hits
		ecl-query --similar $seq -k 10000 --exact | jq -c "[.seq,.score]" | sort >b
		comm -23 a b >wrong && test_cmp /dev/null wrong
	done &&
	test_line_count -ge 48 hits
'

test_expect_success 'filters hold inside: whatever passes, there are as many answers' '
	for filter in "--since 10000 --until 60000" "--until 69000 --action modify" "--at 65000" "--since 100 interface:* service:*" "--actor ansible" \
		"--actor ansible --since 3000 file:*" "service:s03" "--action reload" "--action delete disk:*"; do
		set -f
		both --similar 12345 -k 100 $filter
		set +f
		test_line_count = 100 got && test_line_count = 100 all
		jq -c "[.element,.action,.actor,.seq]" got >what
		case $filter in *60000*) jq -e -s "all(.seq >= 10000 and .seq <= 60000)" got ;; esac
		case $filter in *modify*) jq -e -s "all(.action == \"modify\" and .seq <= 69000)" got ;; esac
		case $filter in *65000*) jq -e -s "all(.seq <= 65000)" got ;; esac
		case $filter in *ansible*) jq -e -s "all(.actor == \"ansible\")" got && test_cmp all got ;; esac
		case $filter in *file*) jq -e -s "all(.seq >= 3000 and (.element | startswith(\"file:\")))" got ;; esac
		case $filter in *s03*) jq -e -s "all(.element == \"service:s03\")" got && test_cmp all got ;; esac
		case $filter in *reload*) jq -e -s "all(.action == \"reload\")" got && test_cmp all got ;; esac
		case $filter in *delete*) jq -e -s "all(.action == \"delete\")" got && test_cmp all got ;; esac
	done >/dev/null
'

test_expect_success 'where few are wanted the answer is exact' '
	both --similar 12345 -k 1000 --since 20000 --until 69999 && test_cmp all got &&
	both --similar "disk full" --since 40000 && test_cmp all got &&
	both --similar 12345 -k 10000 disk:sda && test_cmp all got
'

test_expect_success 'without the module that has FAISS every row is compared, and -v says so' '
	ecl-query --similar 12345 --exact >expect &&
	ECL_MODULE_DIR=$TRASH ecl-query --similar 12345 >actual 2>err && test_cmp expect actual && test_cmp /dev/null err &&
	ECL_MODULE_DIR=$TRASH ecl-query -v --similar 12345 >actual 2>err && test_cmp expect actual &&
	test_grep "module with FAISS.*every row" err && test_line_count = 1 err &&
	ECL_MODULE_DIR=$TRASH ecl-query -v --exact --similar 12345 2>err >actual && test_cmp /dev/null err
'

test_expect_success 'a damaged segment is not used, with a warning, and every row is compared' '
	cp -a L hurt && file=$(ls hurt/live/.ecl/index/ivf-*) &&
	python3 - "$file" <<-\EOF &&
	import sys
	with open(sys.argv[1], "r+b") as f:
	    size = f.seek(0, 2)
	    for at in range(size // 4, size * 3 // 4, 1024):
	        f.seek(at)
	        f.write(b"\x55\xaa")
	EOF
	ecl-query --similar 12345 --exact >expect &&
	ecl-query -d hurt --similar 12345 >actual 2>err &&
	test_cmp expect actual && test_line_count = 1 err && test_grep "warning: .*ivf-.*ecl-index --rebuild" err &&
	ecl-query -d hurt --similar 12345 --exact >actual 2>err && test_cmp expect actual && test_cmp /dev/null err &&
	: >"$file" &&
	ecl-query -d hurt --similar 12345 >actual 2>err && test_cmp expect actual && test_grep ecl-index err &&
	rm "$file" &&
	ecl-query -d hurt --similar 12345 >actual 2>err && test_cmp expect actual && test_grep "No such file.*ecl-index" err &&
	ecl-index -q -d hurt --rebuild &&
	ecl-query -d hurt --similar 12345 >actual 2>err && test_cmp /dev/null err
'

# Whoever writes an index can make its checksums right: what another user wrote is not given to FAISS.
test_expect_success ROOT 'segments of another user are not read: every row is compared' '
	cp -a L theirs && chown -R 4242 theirs && printf x >>"$(ls theirs/live/.ecl/index/ivf-*)" &&
	ecl-query --similar 12345 --exact >expect &&
	ecl-query -d theirs --similar 12345 >actual 2>err &&
	test_cmp expect actual && test_cmp /dev/null err &&
	chown 0 theirs/live/.ecl/index &&
	ecl-query -d theirs --similar 12345 >actual 2>err &&
	test_cmp expect actual && test_grep "warning: .*ivf-" err
'

test_expect_success 'many events without a vector: the same answer, and one word about it' '
	cp -a L bare && rm bare/live/.ecl/index/*vectors* &&
	for q in 12345 "disk full eth1"; do
		ecl-query --similar "$q" --exact >expect &&
		ecl-query -d bare --similar "$q" >actual 2>err &&
		test_cmp expect actual && test_line_count = 1 err && test_grep "70501 events have no vector yet.*ecl-index" err &&
		ecl-query -d bare -q --similar "$q" 2>err >actual && test_cmp /dev/null err && test_cmp expect actual || return 1
	done &&
	ecl-query -d bare --similar 12345 --until 15000 2>err >actual && test_cmp /dev/null err &&
	ecl-query -d bare --similar 12345 "disk:*" 2>err >actual && test_cmp /dev/null err &&
	ecl-query --similar 12345 --exact "disk:*" >expect && test_cmp expect actual
'

test_done
