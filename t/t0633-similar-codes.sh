#!/usr/bin/env bash
test_description='ecl-query --similar by the codes of rows'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

export ECL_ROOT=$TRASH/L
index=live/.ecl/index

# Of so many rows not all are compared; the last events are not in the index.
ecl-init -q --backend copy --time 2025-12-31T00:00:00Z L &&
	python3 "$top_srcdir/t/make-similar.py" 100500 >made &&
	head -n 100000 made | ecl-append -q --keep-time &&
	ecl-index -q &&
	tail -n 500 made | ecl-append -q --keep-time || test_bail 'no ledger'

# both QUERY...: the answers as users get them in `got', those of --exact in `all'.
both()
{
	ecl-query "$@" >got && ecl-query --exact "$@" >all
}

# scores FILE: of the answers, worst first.
scores()
{
	jq .score "$1" | sort -g
}

# damage FILE: garbage in its middle third.
damage()
{
	python3 - "$1" <<-\END
	import os, sys
	with open(sys.argv[1], "r+b") as f:
	    size = f.seek(0, 2)
	    f.seek(size // 3)
	    f.write(os.urandom(size // 3))
	END
}

column() { ls "$1/$index"/vectors."$2"????????-00000000000000000000; }

test_expect_success 'an event, some words: nearly always the answers of --exact, with the same scores' '
	: >hits &&
	for what in 100 5000 20000 33333 65000 100100 "disk full" "interface down" "certificate expired on the mail server"; do
		both --similar "$what" -k 10
		test_line_count = 10 got && test_line_count = 10 all || return 1
		jq -c "[.seq,.score]" got | sort >a && jq -c "[.seq,.score]" all | sort >b
		# The best of all is never missed, and what stands there has its true score.
		test "$(scores got | tail -n 1)" = "$(scores all | tail -n 1)" || return 1
		comm -12 a b >>hits
	done &&
	test_line_count -ge 83 hits
'

test_expect_success 'filters hold inside: whatever passes, there are as many answers' '
	for filter in "--since 10000 --until 90000" "--until 99000 --action modify" "--at 95000" "--since 100 interface:* service:*" "--actor ansible" "service:s03"; do
		set -f
		both --similar 12345 -k 100 $filter
		set +f
		test_line_count = 100 got && test_line_count = 100 all || return 1
		case $filter in
		*90000*) jq -e -s "all(.seq >= 10000 and .seq <= 90000)" got ;;
		*modify*) jq -e -s "all(.action == \"modify\" and .seq <= 99000)" got ;;
		*95000*) jq -e -s "all(.seq <= 95000)" got ;;
		*service:\**) jq -e -s "all(.seq >= 100 and (.element | test(\"^(interface|service):\")))" got ;;
		# Where few are wanted, or lines tell which, all are compared.
		*) cmp got all ;;
		esac || { echo "with $filter"; return 1; }
	done >/dev/null
'

test_expect_success 'few rows are all compared' '
	both --similar 12345 -k 1000 --since 50001 && test_cmp all got &&
	both --similar "disk full" --since 60000 && test_cmp all got
'

test_expect_success 'damaged codes: a warning, and the rows of those are all compared' '
	cp -a L hurt && damage "$(column hurt code.)" &&
	ecl-query --similar 33333 >expect && ecl-query -d hurt --similar 33333 >actual 2>err &&
	test "$(scores actual | head -n 1)" = "$(ecl-query --exact --similar 33333 | jq .score | sort -g | head -n 1)" &&
	test_line_count = 1 err && test_grep "warning: .*vectors.code.*ecl-index --rebuild" err &&
	test_expect_code 1 ecl-index -q -d hurt --check 2>err && test_grep "vectors.code" err &&
	rm "$(column hurt code.)" &&
	ecl-query -d hurt --similar 33333 >actual 2>err && test_line_count = 10 actual &&
	ecl-index -q -d hurt --rebuild && ecl-query -d hurt --similar 33333 >actual 2>err && test_cmp expect actual && test_cmp /dev/null err
'

test_expect_success 'damaged rows are seen by their codes: a warning, and the log tells' '
	rm -rf hurt && cp -a L hurt &&
	for seq in 1000 20000 32000; do
		ecl-query --similar $seq >expect && rm -rf hurt && cp -a L hurt &&
		# Its own row: without it the event would not be like itself.
		python3 - "$(column hurt "")" $(($(head -n 1 expect | jq .seq) % 32768)) <<-\END
	import sys
	with open(sys.argv[1], "r+b") as f:
	    f.seek(int(sys.argv[2]) * 256)
	    f.write(b"\x5a\xa5" * 128)
	END
		first=$(head -n 1 expect | jq .seq) && test "$first" -lt 32768 || continue
		ecl-query -d hurt --similar $seq >actual 2>err && test_cmp expect actual && test_grep "warning: .*ecl-index --rebuild" err || return 1
		echo $seq
	done >tried && test -s tried
'

test_expect_success 'codes come 32 at a time, whatever comes at once; what has none yet is found too' '
	rm -rf hurt && cp -a L hurt && ecl-index -q -d hurt &&
	for n in 1 30 2 31 33 64 5; do
		for i in $(seq $n); do
			echo "{\"element\":\"parade:$n-$i\",\"state\":\"zebra quagga okapi giraffe number $i\"}"
		done | ecl-append -q -d hurt && ecl-index -q -d hurt &&
		size=$(ecl-query -d hurt --stat | jq .vectors) &&
		test "$(sed -n "s/^codes 32 \([0-9]*\) .*/\1/p" hurt/$index/vectors.head)" = $((size / 32)) || return 1
	done &&
	test $((size % 32)) -gt 0 && ecl-query -d hurt -k 166 --similar "zebra quagga okapi giraffe" >got &&
	test "$(grep -c "\"element\":\"parade:" got)" = 166 && ecl-index -q -d hurt --check
'

test_expect_success 'the rows of a block that is not full are damaged: what adds to them makes all anew' '
	python3 - "$(ls hurt/$index/vectors.????????-* | grep -v sum | tail -n 1)" <<-\END &&
	import sys
	with open(sys.argv[1], "r+b") as f:
	    f.seek(-10, 2)
	    f.write(b"\xa5" * 10)
	END
	ecl-append -q -d hurt -e parade:last -s 1 && ecl-index -q -d hurt 2>err && test_grep "made anew: .*checksum" err &&
	ecl-index -q -d hurt --check
'

test_expect_success 'codes as an older version had them: said, and made anew' '
	rm -rf hurt && cp -a L hurt && sed -i "1s/3/2/" hurt/$index/vectors.head &&
	ecl-query -d hurt -k 1 --similar 33333 >actual 2>err && test_line_count = 1 actual && test_grep "vectors.head. is that of another version of ecl.*ecl-index --rebuild" err &&
	ecl-index -q -d hurt 2>err && test_grep "made anew: .*another version" err &&
	ecl-query --similar 33333 >expect && ecl-query -d hurt --similar 33333 >actual 2>err && test_cmp expect actual && test_cmp /dev/null err
'

test_expect_success 'what must be read from a disk makes no other answer' '
	ecl-query --similar 33333 >expect && sync L/$index/* &&
	for file in L/$index/*; do
		dd if="$file" iflag=nocache count=0 2>/dev/null || return 1
	done &&
	ecl-query --similar 33333 >actual 2>err && test_cmp expect actual && test_cmp /dev/null err
'

test_expect_success 'codes that are not those of the rows are found by --check, whatever their checksums say' '
	rm -rf hurt && cp -a L hurt &&
	python3 - hurt/$index <<-\END &&
	import glob, os, re, struct, sys
	crc32c = [0] * 256
	for i in range(256):
	    c = i
	    for _ in range(8):
	        c = c >> 1 ^ (0x82f63b78 if c & 1 else 0)
	    crc32c[i] = c
	def crc(start, data):
	    c = start ^ 0xffffffff
	    for b in data:
	        c = c >> 8 ^ crc32c[(c ^ b) & 255]
	    return c ^ 0xffffffff
	path, = glob.glob(sys.argv[1] + "/vectors.code.????????-00000000000000000000")
	name = os.path.basename(path).rsplit("-", 1)[0]
	seed = int(name.rsplit(".", 1)[1], 16)
	with open(path, "r+b") as f:
	    chunk = bytearray(f.read(65536))
	    chunk[32 * (777 - 777 % 32) + 777 % 32] ^= 1
	    f.seek(0)
	    f.write(chunk)
	with open(path + ".sum", "r+b") as f:
	    f.write(struct.pack("<I", crc(crc(crc(seed, name.encode()), struct.pack("<Q", 0)), chunk)))
	END
	test_expect_code 1 ecl-index -q -d hurt --check 2>err && test_grep "differs from the log in row 777 " err &&
	ecl-query -d hurt --similar 777 >actual 2>err && ecl-query --similar 777 >expect && test_cmp expect actual
'

test_done
