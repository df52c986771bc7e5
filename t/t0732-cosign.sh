#!/usr/bin/env bash
test_description='ecl-cosign: the whole chain, from a ledger by way of witnesses to a verifier that asks for a quorum of them'
. "${0%/*}/test-lib.sh"

unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
if ! command -v python3 >/dev/null || ! command -v ecl-prove >/dev/null || ! ecl-snap --help | grep -q -- --sign; then
	skip_all='python3, ecl-prove and ecl-snap --sign are needed'
	test_done
fi

# Itself, where what is found first is a script that looks for it.
python=$(python3 -c 'import sys; print(sys.executable)')
PATH=${python%/*}:$PATH

log()
{
	python3 "$top_srcdir/t/witness-log.py" "$@"
}

# listen NAME: the witness of that name serves HTTP; its URL goes to NAME.url.  The caller kills $pid.
listen()
{
	local i

	rm -f "$1.url"
	mkdir -p "$1.state"
	ecl-witness --key "$1.pem" --name "w.example/$1" --state "$1.state" --log "$vkey" --listen 127.0.0.1:0 >"$1.url" 2>"$1.err" &
	pid=$!
	for i in $(seq 2400); do
		test ! -s "$1.url" || return 0
		sleep 0.05
	done
	cat "$1.err"
	return 1
}

# answers WHAT [STATUS]: a service that answers each POST with the file WHAT; its URL goes to false.url.
answers()
{
	rm -f false.url
	python3 - "$1" "${2-200}" >false.url <<-\EOF &
	import http.server, sys
	class Handler(http.server.BaseHTTPRequestHandler):
	    def do_POST(self):
	        self.rfile.read(int(self.headers["Content-Length"]))
	        self.send_response(int(sys.argv[2]))
	        self.end_headers()
	        self.wfile.write(open(sys.argv[1], "rb").read())
	    def log_message(self, *_):
	        pass
	s = http.server.HTTPServer(("127.0.0.1", 0), Handler)
	print("http://127.0.0.1:%d" % s.server_address[1], flush=True)
	s.serve_forever()
	EOF
	pid=$!
	for i in $(seq 2400); do test -s false.url && break || sleep 0.05; done
}

(umask 077; for i in ledger w1 w2; do openssl genpkey -algorithm ed25519 -out $i.pem; done)
vkey=$(log vkey example.org/ledger 1 ledger.pem)
w1=$(log vkey w.example/w1 4 w1.pem)
w2=$(log vkey w.example/w2 4 w2.pem)
ECL_ROOT=$TRASH/ledger
export ECL_ROOT

grow()
{
	ecl-append -q -e "$1" -s 1 &&
		ecl-snap -q --sign ledger.pem
}

test_expect_success 'a ledger grows, two witnesses cosign, and a verifier that wants both is content' '
	ecl-init -q --backend copy --origin example.org/ledger "$ECL_ROOT"
	listen w1
	test_when_finished "kill $pid"
	listen w2
	test_when_finished "kill $pid"
	for e in a b c; do
		grow $e
		test_expect_code 1 ecl-verify -q --key "$vkey" --witness "$w1" --witness "$w2" --quorum 2
		ecl-cosign "$w1" "$(cat w1.url)" "$w2" "$(cat w2.url)/"
		ecl-verify --key "$vkey" --witness "$w1" --witness "$w2" --quorum 2 >out
		test_line_count = 3 <(grep "^— " ledger/checkpoint)
	done
	cp -r ledger early
	# Once more, of the same: in place of the one before.
	ecl-cosign "$w1" "$(cat w1.url)"
	test_line_count = 3 <(grep "^— " ledger/checkpoint)
	log check "$w1" ledger/checkpoint
	log check "$w2" ledger/checkpoint
	test "$(stat -c %a ledger/checkpoint)" = "$(stat -c %a early/checkpoint)"
	test -z "$(find ledger -maxdepth 1 -name ".checkpoint*")"
'

test_expect_success 'by hand, with curl; and over a pipe' '
	listen w1
	test_when_finished "kill $pid"
	grow d
	ecl-prove --consistency 0 | curl -s --data-binary @- "$(cat w1.url)/add-checkpoint" >size
	ecl-prove --consistency "$(cat size)" | curl -s --data-binary @- "$(cat w1.url)/add-checkpoint" >line
	cat ledger/checkpoint line >note
	log check "$w1" note
	grow e
	ecl-prove --consistency $(sed -n 2p note) |
		ecl-witness --key w1.pem --name w.example/w1 --state w1.state --log "$vkey" >line
	cat ledger/checkpoint line >note
	log check "$w1" note
	ecl-verify -q --key "$vkey" --checkpoint note
'

test_expect_success 'one is out of reach: the other cosigns all the same, exit 75' '
	listen w2
	test_when_finished "kill $pid"
	grow f
	test_expect_code 75 ecl-cosign --timeout 60 "$w1" http://127.0.0.1:9 "$w2" "$(cat w2.url)" 2>err
	test_grep "^ecl-cosign: witness .w.example/w1.: Connection refused" err
	log check "$w2" ledger/checkpoint
	ecl-verify -q --key "$vkey" --witness "$w1" --witness "$w2" --quorum 1
	test_expect_code 1 ecl-verify -q --key "$vkey" --witness "$w1" --witness "$w2" --quorum 2
'

test_expect_success 'an old state that goes on otherwise is a fork: refused, exit 1, and the checkpoint stays' '
	listen w2
	test_when_finished "kill $pid"
	cp early/checkpoint before
	test_expect_code 1 ecl-cosign -d early "$w2" "$(cat w2.url)" 2>err
	test_grep "an old state was restored, or the log forked" err
	test_cmp before early/checkpoint
	for i in $(seq 20); do ecl-append -q -d early -e other:$i -s 2; done
	ecl-snap -q -d early --sign ledger.pem
	cp early/checkpoint before
	test_expect_code 1 ecl-cosign -d early "$w2" "$(cat w2.url)" 2>err
	test_grep "HTTP 422" err
	test_cmp before early/checkpoint
'

test_expect_success 'what a false witness answers never gets under the checkpoint' '
	cp ledger/checkpoint before
	ecl-prove --consistency 0 >zero
	mkdir other
	ecl-witness --key w2.pem --name w.example/w2 --state other --log "$vkey" <zero >good
	log checkpoint w1.pem example.org/ledger 7 | grep "^—" >of-the-log
	sed "s/.\$//" good >cut
	sed "s,w.example/w2 \(.\{20\}\)x,w.example/w2 \1y,;t;s,w.example/w2 \(.\{20\}\).,w.example/w2 \1x," good >changed
	! cmp -s good changed
	: >nothing
	head -c 5000 /dev/urandom >noise
	{ cat good; echo; echo "— x y"; } >more
	for answer in of-the-log cut changed nothing noise more; do
		answers $answer
		test_expect_code 2 ecl-cosign "$w2" "$(cat false.url)" 2>err
		kill $pid
		test_cmp before ledger/checkpoint
		test_line_count = 1 err
		test_grep ! Traceback err
	done
	# Nor does it drive the terminal.
	printf "\\033]0;title\\a\\033[2Jno" >escapes
	for status in 403 409; do
		answers escapes $status
		test_must_fail ecl-cosign "$w2" "$(cat false.url)" 2>err
		kill $pid
		test_grep "HTTP $status.*?]0;title??\[2Jno$" err
		test_line_count = 1 err
	done
	# A line of another is passed over, and the right one is taken.
	cat of-the-log good >both
	answers both
	ecl-cosign "$w2" "$(cat false.url)"
	kill $pid
	log check "$w2" ledger/checkpoint
	test "$(grep -c "^— example.org/ledger " ledger/checkpoint)" = 1
'

command -v strace >/dev/null && test_set_prereq STRACE
test_expect_success STRACE 'killed or failing where it stores: the checkpoint is the old or the new one' '
	listen w1
	test_when_finished "kill $pid"
	grow g
	for step in fsync,1 fsync,2 renameat,1; do
		for fault in signal=KILL error=EIO; do
			rm -f ledger/.checkpoint*
			rc=0
			(traced -qq -e trace=${step%,*} -e inject=${step%,*}:$fault:when=${step#*,} -o trace \
				python3 "$top_srcdir/scripts/ecl-cosign" "$w1" "$(cat w1.url)") || rc=$?
			test $rc != 0
			ecl-verify -q --key "$vkey"
		done
	done
	ecl-cosign "$w1" "$(cat w1.url)"
	ecl-verify -q --key "$vkey" --witness "$w1" --quorum 1
	test -z "$(find ledger -maxdepth 1 -name ".checkpoint*")"
'

test_expect_success 'usage, no checkpoint, no ledger: exit 2' '
	ecl-cosign --help >out
	test_grep "^usage: ecl-cosign" out
	test_grep ! ".\{81\}" out
	ecl-init -q --backend copy fresh
	for args in "" "$w1" "$vkey http://127.0.0.1:9" "x http://127.0.0.1:9" "$w1 ftp://x" "$w1 127.0.0.1:9" "--timeout 0 $w1 http://127.0.0.1:9" \
		"--timeout x $w1 http://127.0.0.1:9" "-d nowhere $w1 http://127.0.0.1:9" "-d fresh $w1 http://127.0.0.1:9" "--roo x $w1 http://127.0.0.1:9"; do
		test_expect_code 2 ecl-cosign $args 2>err
		test_line_count = 1 err
		test_grep ! Traceback err
	done
'

command -v mandoc >/dev/null && test_set_prereq MANDOC
test_expect_success MANDOC 'the man page is well-formed, fits on 80 columns, and has the options of --help' '
	man=$top_srcdir/scripts/ecl-cosign.1
	mandoc -T ascii "$man" | sed "s/.$(printf "\b")//g" >page
	test_grep ! ".\{81\}" page
	mandoc -T lint -W style "$man" 2>/dev/null | sed "/referenced manual not found/d" >lint
	test_cmp /dev/null lint
	ecl-cosign --help | sed -n "s/^  .*  *--\([a-z-]*\) .*/--\1/p; s/^  -., \(--[a-z]*\).*/\1/p" | sort -u >help
	sed -n "s/^\.It .*Fl Fl \([a-z-]*\).*/--\1/p" "$man" | sort >options
	test_cmp help options
'

test_done
