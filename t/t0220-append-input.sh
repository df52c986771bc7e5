test_description='ecl-append: bad input is named by file, line and column; what stood before it stays recorded'
. "${0%/*}/test-lib.sh"

export ECL_ROOT=$TRASH/root
test_expect_success 'a root' 'ecl-init --backend copy "$ECL_ROOT" >/dev/null'

# bad TITLE COLUMN PATTERN <LINE: the line, as the second of three, is refused at that column with that message.
n=0
bad()
{
	n=$((n + 1))
	cat >"bad.$n"
	test_expect_success "$1" '
		column='"$2"' pattern='"'$3'"'
		{
			echo "{\"element\":\"good:$n\",\"state\":1}"
			cat "bad.$n"
			echo "{\"element\":\"after:$n\",\"state\":1}"
		} >in
		ecl-replay >before
		test_expect_code 2 ecl-append in >out 2>err
		test_line_count = 1 err
		test_grep "^ecl-append: in:2:$column: .*$pattern" err
		ecl-replay >after
		test_line_count = 1 out
		cat out >>before
		test_cmp before after
		test "$(jq -r .element out)" = "good:$n"
	'
}

bad 'not JSON' 1 "expected" <<<'hello'
bad 'an array' 1 "" <<<'[1]'
bad 'cut off' 27 "end" <<<'{"element":"a:b","state":1'
bad 'no colon' 12 "':'" <<<'{"element" "a:b","state":1}'
bad 'a single quote: a Python dict' 2 "Python" <<<"{'element': 'a:b', 'state': 1}"
bad 'something behind the object' 28 "" <<<'{"element":"a:b","state":1}}'
bad 'a trailing comma' 28 "" <<<'{"element":"a:b","state":1,}'
bad 'an unknown member' 28 "unknown member" <<<'{"element":"a:b","state":1,"stat":2}'
bad 'no element' 1 "element" <<<'{"state":1}'
bad 'neither action nor state' 1 "state" <<<'{"element":"a:b"}'
bad 'an element that is no string' 12 "" <<<'{"element":5,"state":1}'
bad 'an empty element' 12 "element" <<<'{"element":"","state":1}'
bad 'a control character in the name' 12 "" <<<'{"element":"a\u0007b","state":1}'
bad 'a C1 control in the name' 12 "" <<<'{"element":"a\u0085b","state":1}'
bad 'an element of ecl' 12 "ecl:" <<<'{"element":"ecl:layer","state":1}'
bad 'an action with capitals' 27 "" <<<'{"element":"a:b","action":"Restart","state":1}'
bad 'create without a state' '[0-9]*' "state" <<<'{"element":"a:b","action":"create"}'
bad 'modify to null' '[0-9]*' "state" <<<'{"element":"a:b","action":"modify","state":null}'
bad 'delete with a state' '[0-9]*' "state" <<<'{"element":"a:b","action":"delete","state":1}'
bad 'a duplicate member' 28 "duplicate" <<<'{"element":"a:b","state":1,"state":2}'
bad 'a duplicate member by escape' '[0-9]*' "duplicate" <<<'{"element":"a:b","state":1,"st\u0061te":2}'
bad 'a duplicate member deep down' '[0-9]*' "duplicate" <<<'{"element":"a:b","state":[{"x":{"k":1,"j":2,"k":3}}]}'
bad 'a leading zero' 2[67] "" <<<'{"element":"a:b","state":01}'
bad 'a plus sign' 26 "" <<<'{"element":"a:b","state":+1}'
bad 'a bare fraction' 2[67] "" <<<'{"element":"a:b","state":.5}'
bad 'a number that stops' 2[789] "" <<<'{"element":"a:b","state":1e}'
bad 'NaN' 26 "" <<<'{"element":"a:b","state":NaN}'
bad 'a lone surrogate' '[0-9]*' "surrogate" <<<'{"element":"a:b","state":"\ud800"}'
bad 'a low surrogate first' '[0-9]*' "surrogate" <<<'{"element":"a:b","state":"\udc00\ud800"}'
bad 'an escaped NUL' '[0-9]*' "" <<<'{"element":"a:b","state":"\u0000"}'
bad 'an unknown escape' '[0-9]*' "" <<<'{"element":"a:b","state":"\x41"}'
bad 'a raw tab in a string' '[0-9]*' "" <<<$'{"element":"a:b","state":"\t"}'
bad 'a vector that is no base64' '[0-9]*' "" <<<'{"element":"a:b","state":1,"vector":"%%%"}'
bad 'an actor that is a number' '[0-9]*' "" <<<'{"element":"a:b","state":1,"actor":7}'
bad 'complete with a state beside' '[0-9]*' "" <<<'{"complete":"a:*","state":1}'
bad 'complete for what is ours' '[0-9]*' "ecl:" <<<'{"complete":"ecl:*"}'
bad 'Latin-1' 29 "UTF-8" < <(printf '{"element":"a:b","state":"ab\344c"}\n')
bad 'an overlong form' 27 "UTF-8" < <(printf '{"element":"a:b","state":"\300\257"}\n')
bad 'a surrogate in UTF-8' 27 "UTF-8" < <(printf '{"element":"a:b","state":"\355\240\200"}\n')
bad 'a NUL byte' '[0-9]*' "" < <(printf '{"element":"a:b","state":"a\0b"}\n')
bad 'NUL bytes alone' 1 "" < <(printf '\0\0\0\n')
bad 'a name of 513 bytes' 12 "512" < <(printf '{"element":"%0513d","state":1}\n' 0)
bad 'nesting of 65' '[0-9]*' "64" < <(python3 -c 'print("{\"element\":\"a:b\",\"state\":" + "[" * 64 + "]" * 64 + "}")')
bad 'a line over 1,000,000 bytes' '[0-9]*' "1000000" < <(python3 -c 'print("{\"element\":\"a:b\",\"state\":\"" + "x" * 1000000 + "\"}")')
bad 'a line over any buffer' '[0-9]*' "1000000" < <(python3 -c 'print("{\"element\":\"a:b\",\"state\":\"" + "x" * 9000000 + "\"}")')
bad 'a million brackets' '[0-9]*' "" < <(python3 -c 'print("[" * 900000)')

test_expect_success 'nesting of 64 and a line of nearly 1,000,000 bytes are recorded whole' '
	python3 -c "print(\"{\\\"element\\\":\\\"deep:1\\\",\\\"state\\\":\" + \"[\" * 63 + \"]\" * 63 + \"}\")" | ecl-append >out
	test_line_count = 1 out
	python3 -c "print(\"{\\\"element\\\":\\\"long:1\\\",\\\"state\\\":\\\"\" + \"x\" * 999000 + \"\\\"}\")" | ecl-append >out
	test_line_count = 1 out
	ecl-replay --element long:1 >have
	test_cmp out have
'

test_expect_success 'an object of 80,000 members out of order costs no quadratic time' '
	python3 -c "
import json
print(json.dumps({\"element\": \"big:1\", \"state\": {\"%05d\" % (i * 7919 % 80000): 1 for i in range(80000)}}, separators=(\",\", \":\")))" >in
	(ulimit -t 20; exec ecl-append -q in)
	python3 -c "
import json
print(json.dumps({\"element\": \"big:1\", \"state\": {\"%05d\" % i: 1 for i in range(80000)}}, separators=(\",\", \":\")))" >in
	(ulimit -t 20; exec ecl-append in) >out
	test_line_count = 0 out
'

test_expect_success 'blank lines are skipped, a last line without LF counts' '
	printf "\n  \t\r\n{\"element\":\"b:1\",\"state\":1}\n\n{\"element\":\"b:2\",\"state\":1}" | ecl-append >out
	test_line_count = 2 out
'

test_expect_success 'CR LF line ends are white space' '
	printf "{\"element\":\"cr:1\",\"state\":1}\r\n" | ecl-append >out
	test_line_count = 1 out
	tr -d "\r" <out >have
	test_cmp have out
'

test_expect_success '--rejects: bad lines go there as they came, the rest is recorded, exit 1' '
	printf "%s\n" "{\"element\":\"r:1\",\"state\":1}" "oh no" "{\"element\":\"r:2\",\"state\":1}" "{\"element\":\"r:3\"}" \
		"{\"element\":\"r:4\",\"state\":1}" >in
	test_expect_code 1 ecl-append --rejects bad.ndjson in >out 2>err
	test_line_count = 3 out
	test_line_count = 2 err
	test_grep "in:2:1:" err
	test_grep "in:4:" err
	printf "%s\n" "oh no" "{\"element\":\"r:3\"}" >want
	test_cmp want bad.ndjson
	sed -n 1,1p in >good
	ecl-append --rejects bad.ndjson good
	test_line_count = 0 bad.ndjson
'

test_expect_success '--rejects: the disk it lies on is full: pruning the ledger is no help, and not named' '
	test_expect_code 2 ecl-append --rejects /dev/full in 2>err
	test_grep "cannot write ./dev/full.: No space left on device\$" err
	test_grep ! prune err
'

test_expect_success '--rejects: a line over any buffer goes there whole, and counts once' '
	python3 -c "print(\"{\\\"element\\\":\\\"a:b\\\",\\\"state\\\":\\\"\" + \"x\" * 9000000 + \"\\\"}\")" >long
	{ echo "{\"element\":\"v:1\",\"state\":1}"; cat long; echo "{\"element\":\"v:2\",\"state\":1}"; echo bad; } >in
	test_expect_code 1 ecl-append --rejects bad.ndjson in >out 2>err
	test_line_count = 2 out
	test_line_count = 2 err
	test_grep "in:2:1000001:" err
	test_grep "in:4:1:" err
	echo bad >>long
	cmp long bad.ndjson
'

test_expect_success 'lines of several files are numbered by file' '
	echo "{\"element\":\"f:1\",\"state\":1}" >one
	printf "\nnonsense\n" >two
	test_expect_code 2 ecl-append one two >out 2>err
	test_line_count = 1 out
	test_grep "^ecl-append: two:2:1:" err
'

test_expect_success 'standard input is drained before failing: the writer of the pipe does not break' '
	seq 20000 | sed "s/.*/{\"element\":\"x:&\",\"state\":\"0123456789012345678901234567890123456789\"}/" >rest
	{ echo nonsense && cat rest && echo written >&7; } 7>fate | test_expect_code 2 ecl-append 2>err
	test_grep written fate
'

test_expect_success 'the log of all that verifies' 'ecl-verify -q'

test_done
