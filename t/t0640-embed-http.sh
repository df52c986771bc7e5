#!/usr/bin/env bash
test_description='ecl-embed-http: vectors from a service that speaks HTTP, and a clear end where it does not'
. "${0%/*}/test-lib.sh"

unset OPENAI_API_KEY http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
python3 "$top_srcdir/t/embed-stub.py" "$TRASH" &
for _ in $(seq 1200); do test -e port || sleep 0.1; done
url=http://127.0.0.1:$(cat port)

# service MODE...: what the service does from now on; nobody has asked it yet.
service()
{
	echo "$*" >mode
	: >requests
}

# texts N: so many lines, the vector of each tells it from the others.
texts()
{
	awk -v n="$1" 'BEGIN {
		for (i = 1; i <= n; i++) {
			s = sprintf("%c", 97 + i % 26)
			for (k = 0; k < i % 50; k++) s = s "x"
			printf "{\"text\":\"%s\"}\n", s
			printf "{\"vector\":[%d,%d,1.0]}\n", length(s), 97 + i % 26 >"want"
		}
	}'
}

test_expect_success 'a line for each line, in order' '
	service good
	texts 1000 >in
	ecl-embed-http $url <in >out
	test_cmp want out
'

test_expect_success 'texts go in batches of what is allowed' '
	service good
	texts 10 >in
	ecl-embed-http --batch 4 $url <in >out
	test_cmp want out
	cut -d" " -f4 requests >sizes
	printf "4\n4\n2\n" >batches
	test_cmp batches sizes
'

test_expect_success 'no input, no request' '
	service good
	ecl-embed-http $url </dev/null >out
	test_line_count = 0 out
	test_line_count = 0 requests
'

test_expect_success 'a single question is answered at once, though more may come' '
	service good
	coproc talk { ecl-embed-http $url; }
	pid=$talk_PID
	echo "{\"text\":\"abc\"}" >&${talk[1]}
	read -r -t 120 answer <&${talk[0]}
	test "$answer" = "{\"vector\":[3,97,1.0]}"
	printf "{\"text\":\"b\"}\n{\"text\":\"\\u00e9\\\\n\"}" >&${talk[1]}
	eval "exec ${talk[1]}>&-"
	cat <&${talk[0]} >out
	wait $pid
	printf "{\"vector\":[1,98,1.0]}\n{\"vector\":[3,233,1.0]}\n" >want
	test_cmp want out
'

test_expect_success 'URL is what stands before /v1, or ends with that, or is all of it' '
	service good
	for u in $url $url/ $url/v1 $url/v1/ $url/v1/embeddings $url/api; do
		echo "{\"text\":\"a\"}" | ecl-embed-http $u >/dev/null
	done
	cut -d" " -f1 requests >out
	printf "/v1/embeddings\n%.0s" 1 2 3 4 5 >want
	echo /api/v1/embeddings >>want
	test_cmp want out
'

test_expect_success 'the model is asked for, the key comes from a file or the environment' '
	service good
	echo sekret >key
	echo "{\"text\":\"a\"}" >in
	ecl-embed-http $url <in >/dev/null
	ecl-embed-http --model m $url <in >/dev/null
	ecl-embed-http --key-file key $url <in >/dev/null
	OPENAI_API_KEY=other ecl-embed-http $url <in >/dev/null
	OPENAI_API_KEY=other ecl-embed-http --key-file key $url <in >/dev/null
	cut -d" " -f2- requests >out
	printf "%s\n" "- - 1" "- m 1" "Bearer sekret - 1" "Bearer other - 1" "Bearer sekret - 1" >want
	test_cmp want out
'

test_expect_success 'an answer in another order is put in order; one without indices is in order' '
	texts 20 >in
	for mode in backwards bare; do
		service $mode
		ecl-embed-http $url <in >out
		test_cmp want out
	done
'

for code in 429 500 503; do
	test_expect_success "HTTP $code is asked again" '
		service fails $code 2
		texts 3 >in
		ecl-embed-http $url <in >out
		test_cmp want out
		test_line_count = 3 requests
	'
done

test_expect_success 'a service that comes up late is waited for' '
	service good
	mkdir late
	echo good >late/mode
	free=$(python3 -c "import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); print(s.getsockname()[1])")
	(sleep 1; exec python3 "$top_srcdir/t/embed-stub.py" late $free) &
	test_when_finished "kill $!"
	texts 2 >in
	ecl-embed-http http://127.0.0.1:$free <in >out
	test_cmp want out
'

test_expect_success 'a slow answer is waited for, as long as --timeout says' '
	service slow 1
	texts 2 >in
	ecl-embed-http --timeout 20 $url <in >out
	test_cmp want out
	service slow 300
	test_expect_code 1 timeout 120 ecl-embed-http --timeout 1 $url <in >out
	jq -e ".error | test(\"timed out\") and test(\"gave up after 1 s\")" out
'

# gives_up WORDS MODE...: in this mode it prints one error that has these words.  It has $limit seconds.
limit=60
gives_up()
{
	local words=$1

	shift
	service "$@" &&
	texts 3 >in &&
	test_expect_code 1 ecl-embed-http --timeout $limit $url <in >out 2>err &&
	test_line_count = 1 out &&
	test_line_count = 0 err &&
	jq -r .error out >said &&
	test_grep "127.0.0.1:[0-9]*/v1/embeddings: .*$words" said
}

# in_time COMMAND...: with little time to give up; where the machine is so busy that not even this can be done in it, with more.
in_time()
{
	for limit in 2 10 30; do
		! "$@" || break
	done
	test $limit != 30 || "$@"
}

test_expect_success 'what does not get better by asking again is said, once' '
	gives_up "HTTP 401 .*: wrong key" says 401 wrong key
	test_line_count = 1 requests
	gives_up "HTTP 400 .*too long" says 400 "{\"error\":{\"message\":\"the input is too long\"}}"
	gives_up "HTTP 404" says 404 "{\"error\":\"model not found\"}"
	gives_up "model not found" says 404 "{\"error\":\"model not found\"}"
	gives_up "HTTP 302" redirect
'

test_expect_success 'a service that stays busy or away is given up' '
	busy() { gives_up "HTTP 503 .*try later (gave up after $limit s)" fails 503 1000 && test "$(wc -l <requests)" -gt 2; }
	in_time busy
	in_time gives_up "IncompleteRead" cut
	limit=60
	service good
	test_expect_code 1 ecl-embed-http --timeout 1 http://127.0.0.1:9 <in >out
	jq -e ".error | test(\"refused\")" out
'

test_expect_success 'an answer that cannot be right is refused' '
	gives_up "2 vectors came for 3 texts" short
	gives_up "wrong .index.: 0" twice
	gives_up "NaN is no number" nan
	gives_up "no array of numbers" text
	gives_up "not JSON" garbage
'

test_expect_success 'answers before the failure are kept in order' '
	service good
	texts 4 >in
	coproc talk { ecl-embed-http --batch 2 --timeout 60 $url; }
	head -n 2 in >&${talk[1]}
	read -r one <&${talk[0]}
	read -r two <&${talk[0]}
	service says 401 no
	tail -n 2 in >&${talk[1]}
	read -r three <&${talk[0]}
	printf "%s\n" "$one" "$two" >out
	head -n 2 want >half
	test_cmp half out
	printf "%s" "$three" | jq -e .error
'

test_expect_success 'input of another form is an error of its own' '
	service good
	for line in "{}" "text" "{\"text\":1}" "[]" ""; do
		printf "%s\n" "$line" | test_expect_code 2 ecl-embed-http $url >out
		jq -e ".error | test(\"not a line\")" out
	done
	test_line_count = 0 requests
'

test_expect_success '--cut cuts between characters' '
	service good
	echo "{\"text\":\"aé\"}" >in
	for n in 0 1 2 3 4; do ecl-embed-http --cut $n $url <in; done >out
	printf "{\"vector\":[%d,97,1.0]}\n" 3 1 1 3 3 >want
	test_cmp want out
'

test_expect_success 'a reader that goes away is no crash' '
	service good
	texts 50000 >in
	ecl-embed-http $url <in 2>err | head -n 1 >out
	test_line_count = 1 out
	test_line_count = 0 err
'

test_expect_success 'usage: exit 2, and no key in the arguments' '
	ecl-embed-http --help >out
	test_grep "^usage: ecl-embed-http" out
	test_grep ! ".\{81\}" out
	: >empty
	printf "a\nb\n" >two
	for args in "" "$url $url" "ftp://x" "http://" "http://me:key@localhost" "--batch 0 $url" "--batch x $url" "--timeout 0 $url" \
		"--key-file nosuch $url" "--key-file empty $url" "--key-file two $url" "--batc 3 $url" "--key k $url" "http://[::1"; do
		test_expect_code 2 ecl-embed-http $args </dev/null >out 2>err
		test_line_count = 0 out
		test_line_count = 1 err
		test_grep "^ecl-embed-http: " err
		test_grep ! Traceback err
	done
'

command -v mandoc >/dev/null && test_set_prereq MANDOC
test_expect_success MANDOC 'the man page is well-formed, fits on 80 columns, and has the options of --help' '
	man=$top_srcdir/scripts/ecl-embed-http.1
	mandoc -T ascii "$man" | sed "s/.$(printf "\b")//g" >page
	test_grep ! ".\{81\}" page
	mandoc -T lint -W style "$man" 2>/dev/null | sed "/referenced manual not found/d" >lint
	test_cmp /dev/null lint
	ecl-embed-http --help | sed -n "s/^  .*  --\([a-z-]*\) .*/--\1/p; s/^  -h, \(--help\).*/\1/p" | sort >help
	sed -n "s/^\.It .*Fl Fl \([a-z-]*\).*/--\1/p" "$man" | sort >options
	test_cmp help options
'

test_done
