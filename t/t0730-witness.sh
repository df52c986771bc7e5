#!/usr/bin/env bash
test_description='ecl-witness: cosigns what extends all that it cosigned before, and nothing else, whatever happens'
. "${0%/*}/test-lib.sh"

unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
origin=example.org/ledger
# Itself, where what is found first is a script that looks for it.
python=$(python3 -c 'import sys; print(sys.executable)')
PATH=${python%/*}:$PATH

log()
{
	python3 "$top_srcdir/t/witness-log.py" "$@"
}

# request OLD NEW, forked AT OLD NEW: requests of our log.
request()
{
	log request log.pem $origin "$@"
}

forked()
{
	log request --fork "$1" log.pem $origin "$2" "$3"
}

# new_state: one that has cosigned nothing.
new_state()
{
	rm -rf state
	mkdir state
}

# witness [OPTION...]: the first of our witnesses, on ./state.
witness()
{
	ecl-witness --key w1.pem --name w.example/w1 --state state --log "$log_vkey" "$@"
}

# listen NAME OPTION...: a witness that serves HTTP; its URL goes to NAME.url, its messages to NAME.err.  The caller kills $pid.
listen()
{
	local name=$1 i

	shift
	rm -f "$name.url"
	ecl-witness "$@" --listen 127.0.0.1:0 >"$name.url" 2>"$name.err" &
	pid=$!
	for i in $(seq 2400); do
		test -s "$name.url" && return 0
		sleep 0.05
	done
	cat "$name.err"
	return 1
}

# post URL FILE OUT [OPTION...]: prints the status and the type of the answer, which goes to OUT.
post()
{
	local url=$1 file=$2 out=$3

	shift 3
	curl -sS -m 120 -o "$out" -w '%{http_code} %{content_type}\n' "$@" --data-binary @"$file" "$url/add-checkpoint"
}

# size: of the last checkpoint in ./state, 0 where there is none.
size()
{
	local f

	for f in state/*; do
		case ${f##*/} in lock | *.*) continue ;; esac
		sed -n 2p "$f"
		return
	done
	echo 0
}

for i in log w1 w2; do openssl genpkey -algorithm ed25519 -out $i.pem; done
log_vkey=$(log vkey $origin 1 log.pem)
w1_vkey=$(log vkey w.example/w1 4 w1.pem)
w2_vkey=$(log vkey w.example/w2 4 w2.pem)

test_expect_success 'the vector of a verifier key' '
	log key $(printf "0%.0s" {1..64}) >zero.pem
	ecl-witness --key zero.pem --name witness.example.com/w1 --vkey >out
	echo "witness.example.com/w1+dbba4a08+BDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop" >want
	test_cmp want out
'

test_expect_success 'over a pipe: a log grows, and each checkpoint is cosigned' '
	new_state
	was=0
	for n in 1 2 3 7 8 8 64 100; do
		request $was $n >in
		witness <in >out
		sed "1,/^\$/d" in | cat - out >note
		log check "$w1_vkey" note >time
		now=$(date +%s)
		test $((now - $(cat time))) -le 60
		test "$(size)" = $n
		was=$n
	done
'

test_expect_success 'over a pipe: what does not extend it is refused, and says why' '
	refused() {
		test_expect_code $1 witness <in >out 2>err
		test_line_count = 0 out
		test_grep "^ecl-witness: .*$2" err
		test "$(size)" = 100
	}
	request 0 100 >in
	refused 1 "last size cosigned of .$origin. is 100, not 0"
	request 64 200 >in
	refused 1 "is 100, not 64"
	request 100 64 >in
	refused 2 "old size 100 is larger than 64"
	forked 99 100 100 >in
	refused 1 "forked: another root was cosigned at size 100"
	forked 50 100 200 >in
	refused 1 "proof does not show"
	request 100 200 | sed 2d >in
	refused 1 "proof does not show"
	request 100 200 | sed "2{p;p}" >in; refused 1 "proof does not show"
	log request log.pem other.example 0 5 >in
	refused 1 "no log that this witness knows"
	log request w2.pem $origin 100 200 >in
	refused 1 "not signed by"
	: >in
	refused 2 "the request is not"
	head -c 300000 /dev/zero >in
	refused 2 "at most 262144 bytes"
	request 100 200 >in
	witness <in >out
	test "$(size)" = 200
'

test_expect_success 'a fork is kept as evidence, once' '
	new_state
	request 0 40 >in
	witness <in >out
	for at in 39 20; do
		forked $at 40 40 >in
		test_expect_code 1 witness <in >out 2>err
	done
	log checkpoint --fork 39 log.pem $origin 40 >want
	test_cmp want state/*.fork
'

# The script as a module, with signatures that were checked once remembered.
cat >module.py <<\EOF
import functools, importlib.machinery, importlib.util, sys
loader = importlib.machinery.SourceFileLoader("w", sys.argv[1])
w = importlib.util.module_from_spec(importlib.util.spec_from_loader("w", loader))
loader.exec_module(w)
w.verifies = functools.lru_cache(None)(w.verifies)
w.sign = functools.lru_cache(None)(w.sign)
def witness(name="w.example/w1", key="w1.pem", log=sys.argv[2], state="state"):
    log, public = w.parse_vkey(log)
    return w.Witness(w.Cosigner(name, open(key, "rb").read()), {log: [public]}, w.State(state))
def outcome(one, body):
    try:
        one.add_checkpoint(body)
        return 200
    except w.Refused as e:
        return e.status
EOF
module()
{
	cat module.py - >script.py
	python3 script.py "$top_srcdir/scripts/ecl-witness" "$log_vkey"
}

test_expect_success 'the vector of a cosignature, byte for byte' '
	printf "%s\n" example.com/log/testdata 15 "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=" "" \
		"— example.com/log/testdata M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=" >checkpoint
	mkdir vector
	module >out <<-\EOF
	w.time.time = lambda: 1679315147.9
	one = witness("witness.example.com/w1", "zero.pem", "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx", "vector")
	sys.stdout.buffer.write(one.add_checkpoint(b"old 0\n\n" + open("checkpoint", "rb").read()))
	EOF
	echo "— witness.example.com/w1 27pKCAAAAABkGFDLILWsoHYU5nE6iMwqzh4ISaMMikPClTEXsiJYvPDeyYDdpVJYiA/QyHbcvlgfCzGuWGTdxI7rPkxQKo5vfYIJBA==" >want
	test_cmp want out
	cat checkpoint out >want
	test_cmp want vector/$(printf "%s" example.com/log/testdata | sha256sum | cut -d" " -f1)
'

test_expect_success 'consistency: all sizes to 40, and every proof that is not the right one fails' '
	module <<-\EOF
	import hashlib
	def mth(a, b):
	    if b - a == 1:
	        return hashlib.sha256(b"\0%d" % a).digest()
	    k = 1 << (b - a - 1).bit_length() - 1
	    return w.node(mth(a, a + k), mth(a + k, b))
	mth = functools.lru_cache(None)(mth)
	def sub(m, a, b, whole):
	    if m == b - a:
	        return [] if whole else [mth(a, b)]
	    k = 1 << (b - a - 1).bit_length() - 1
	    return sub(m, a, a + k, whole) + [mth(a + k, b)] if m <= k else sub(m - k, a + k, b, False) + [mth(a, a + k)]
	ok = w.is_consistent
	for n in range(1, 41):
	    assert ok(0, n, w.EMPTY, mth(0, n), []) and not ok(0, n, w.EMPTY, mth(0, n), [w.EMPTY])
	    for m in range(1, n + 1):
	        p, old, new = sub(m, 0, n, True), mth(0, m), mth(0, n)
	        assert ok(m, n, old, new, p), (m, n)
	        bad = [(old, new, p + [new]), (old, new, [old] + p)]
	        if m == n:
	            bad += [(old, mth(0, n + 1), p), (mth(0, n + 1), new, p)]
	        if m < n:
	            bad += [(new, old, p), (old, old, p), (new, new, p), (old, new, []), (old, new, p[:-1]), (old, new, p[1:])]
	        for i in range(len(p)):
	            for bit in range(0, 256, 37):
	                q = bytearray(p[i])
	                q[bit // 8] ^= 1 << bit % 8
	                bad.append((old, new, p[:i] + [bytes(q)] + p[i + 1:]))
	        for o, e, q in bad:
	            assert not ok(m, n, o, e, q), (m, n, q)
	assert ok(0, 0, w.EMPTY, w.EMPTY, []) and not ok(0, 0, w.EMPTY, mth(0, 1), []) and not ok(2, 1, mth(0, 2), mth(0, 1), [mth(1, 2)])
	EOF
'

test_expect_success 'a request with any byte changed, added or missing is refused and changes nothing' '
	new_state
	request 0 5 >in
	witness <in >out
	request 5 21 >in
	cp -r state before
	module <<-\EOF
	one, good = witness(), open("in", "rb").read()
	codes = {}
	for i in range(len(good)):
	    bodies = [good[:i] + bytes([good[i] ^ x]) + good[i + 1:] for x in (1, 2, 0x20, 0x80)]
	    bodies += [good[:i] + good[i + 1:], good[:i], good[:i] + b"\n" + good[i:], good[:i] + b"A" + good[i:], good[:i] + b"\0" + good[i:], good[:i] + good]
	    for body in bodies:
	        if body != good:
	            code = outcome(one, body)
	            codes[code] = codes.get(code, 0) + 1
	            assert 400 <= code < 500, (i, code, body)
	print(codes)
	assert all(codes[c] > 1 for c in (400, 403, 404, 409, 422))
	EOF
	diff -r before state
	witness <in >out
	test "$(size)" = 21
'

test_expect_success 'a state with any byte changed or cut off is refused, or says the same' '
	new_state
	request 0 5 >in
	witness <in >out
	module <<-\EOF
	one = witness()
	path = "state/" + one.state.name("example.org/ledger")
	good, was = open(path, "rb").read(), one.last("example.org/ledger")
	refused = 0
	for i in range(len(good)):
	    for body in [good[:i] + bytes([good[i] ^ x]) + good[i + 1:] for x in (1, 0x80)] + [good[:i]]:
	        with open(path, "wb") as f:
	            f.write(body)
	        try:
	            assert one.last("example.org/ledger")[:2] == was[:2], i
	        except w.Failure:
	            refused += 1
	assert refused > len(good) / 2, refused
	with open(path, "wb") as f:
	    f.write(good[:30])
	EOF
	request 0 9 >in
	test_expect_code 2 witness <in >out 2>err
	test_line_count = 0 out
	test_grep "the state of .$origin. ([0-9a-f]*) is damaged" err
'

test_expect_success 'the time of a cosignature never goes back' '
	new_state
	request 0 5 >in5
	request 5 9 >in9
	request 9 9 >in99
	module <<-\EOF
	one = witness()
	def at(t, name):
	    w.time.time = lambda: t
	    one.add_checkpoint(open(name, "rb").read())
	    return one.last("example.org/ledger")[2]
	assert at(1000000.5, "in5") == 1000000
	assert at(999000.0, "in9") == 1000000
	assert at(1000007.0, "in99") == 1000007
	EOF
'

test_expect_success 'many signatures: unknown ones are passed over, a bad one of the log spoils it, 101 are too many' '
	new_state
	request 0 5 >in
	grep "^—" in >mine
	log checkpoint w2.pem $origin 5 | grep "^—" >both
	log checkpoint w2.pem w2.example 5 | grep "^—" >>both
	for i in $(seq 49); do cat both; done >many
	sed "/^—/d" in | cat - many mine mine >full
	sed "/^—/d" in | cat - many mine mine mine >over
	log checkpoint log.pem $origin 6 | grep "^—" >wrong
	cat in wrong >spoiled
	test_expect_code 2 witness <over >out 2>err
	test_grep "more than 100 signatures" err
	test_expect_code 1 witness <spoiled >out 2>err
	test_grep "not signed by" err
	witness <full >out
	sed "s/^old 0/old 5/" full >again
	witness <again >out
	test_line_count = 1 out
	test "$(cat state/*[0-9a-f] | grep -c "^—")" = 2
'

test_expect_success 'two keys of one log: either may sign' '
	new_state
	log_2=$(log vkey $origin 1 w2.pem)
	request 0 5 >in
	witness --log "$log_2" <in >out
	log request w2.pem $origin 5 9 >in
	test_expect_code 1 witness <in >out 2>err
	witness --log "$log_2" <in >out
	test "$(size)" = 9
'

test_expect_success 'extension lines of a log are cosigned with the rest' '
	new_state
	module <<-\EOF
	import base64
	text = "example.org/ledger\n1\n" + "A" * 43 + "=\nmore\nand more\n"
	public = w.public_of(open("log.pem", "rb").read())
	note = text + "\n" + w.signature_line("example.org/ledger", w.key_id("example.org/ledger", 1, public), w.sign(open("log.pem", "rb").read(), text.encode()))
	line = witness().add_checkpoint(b"old 0\n\n" + note.encode())
	open("note", "wb").write(note.encode() + line)
	EOF
	log check "$w1_vkey" note
'

test_expect_success 'HTTP: all that a client may be told' '
	new_state
	listen w1 --key w1.pem --name w.example/w1 --state state --log "$log_vkey"
	test_when_finished "kill $pid"
	url=$(cat w1.url)
	plain="text/plain; charset=utf-8"
	said() { test "$(post $url in out "${@:2}")" = "$1"; }
	request 0 5 >in
	said "200 $plain"
	sed "1,/^\$/d" in | cat - out >note
	log check "$w1_vkey" note
	said "409 text/x.tlog.size"
	echo 5 >want
	test_cmp want out
	request 5 9 >in
	said "200 $plain"
	forked 5 9 9 >in
	said "409 text/x.tlog.size"
	forked 5 9 20 >in
	said "422 $plain"
	request 9 5 >in
	said "400 $plain"
	echo nonsense >in
	said "400 $plain"
	: >in
	said "400 $plain"
	log request log.pem other.example 0 5 >in
	said "404 $plain"
	log request w2.pem $origin 9 20 >in
	said "403 $plain"
	head -c 300000 /dev/zero >in
	said "413 $plain" -H "Expect:"
	request 9 20 >in
	said "411 $plain" -H "Transfer-Encoding: chunked"
	said "405 $plain" -X PUT
	test "$(curl -s -o out -w "%{http_code}" $url/add-checkpoint)" = 405
	test "$(curl -s -o out -w "%{http_code}" --data-binary @in $url/elsewhere)" = 404
	test "$(size)" = 9
	one="-s -o out -w %{http_code}-%{num_connects}, --data-binary @in $url/add-checkpoint"
	test "$(curl $one --next $one --next $one)" = 200-1,409-0,409-0,
	test "$(size)" = 20
	test_grep ! Traceback w1.err
'

test_expect_success 'HTTP: garbage on the wire, half a request and a slow one harm nobody' '
	new_state
	listen w1 --key w1.pem --name w.example/w1 --state state --log "$log_vkey"
	test_when_finished "kill $pid"
	url=$(cat w1.url)
	cat >wire.py <<-\EOF
	import os, socket, sys, time
	def talk(data, read=True):
	    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 120) as s:
	        s.sendall(data)
	        return s.recv(4096) if read else b""
	head = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n"
	for i in range(20):
	    talk(os.urandom(3000), False)
	    talk(head + b"Content-Length: 600\r\n\r\nold 0\n", False)
	    talk(head + b"\r\n" * (i & 1), False)
	for length in b"-1", b"1e3", b"99999999999", b"", b"5, 5", b"5\r\nContent-Length: 5", b"\xb2":
	    answer = talk(head + b"Content-Length: " + length + b"\r\n\r\nold 0\n")
	    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 411 ")), (length, answer)
	with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 120) as slow:
	    slow.sendall(head + b"Content-Length: 600\r\n\r\nold 0\n")
	    open("slow", "w").close()
	    time.sleep(float(sys.argv[2]))
	EOF
	python3 wire.py ${url##*:} 1000 &
	for i in $(seq 2400); do test -e slow && break || sleep 0.05; done
	request 0 5 >in
	post $url in out >code
	kill $!
	test_grep "^200 " code
	test_grep ! Traceback w1.err
'

test_expect_success 'two witnesses cosign one checkpoint; a fork gets neither, not even after a restart' '
	new_state
	rm -rf state2
	mkdir state2
	start_both() {
		listen w1 --key w1.pem --name w.example/w1 --state state --log "$log_vkey"
		test_when_finished "kill $pid 2>/dev/null || :"
		both=$pid
		listen w2 --key w2.pem --name w.example/w2 --state state2 --log "$log_vkey"
		test_when_finished "kill $pid 2>/dev/null || :"
		both="$both $pid"
	}
	start_both
	for step in "0 11" "11 30" "30 77"; do
		request $step >in
		sed "1,/^\$/d" in >checkpoint
		for w in w1 w2; do
			test "$(post "$(cat $w.url)" in out)" = "200 text/plain; charset=utf-8"
			cat out >>checkpoint
		done
		log check "$w1_vkey" checkpoint
		log check "$w2_vkey" checkpoint
	done
	kill -9 $both
	start_both
	for step in "76 77 77" "40 77 100" "76 77 78" "20 30 77" "0 0 5"; do
		forked $step >in
		for w in w1 w2; do
			post "$(cat $w.url)" in out >code
			test_grep "^4[02][29] " code
		done
	done
	test "$(size)" = 77
'

test_expect_success 'of many at once from one size, one is cosigned, over HTTP and pipe together' '
	new_state
	listen w1 --key w1.pem --name w.example/w1 --state state --log "$log_vkey"
	test_when_finished "kill $pid"
	url=$(cat w1.url)
	for n in $(seq 10 25); do request 0 $n >race.$n; done
	racing=
	for n in $(seq 10 21); do
		post $url race.$n won.$n >code.$n &
		racing="$racing $!"
	done
	for n in $(seq 22 25); do
		(rc=0; witness <race.$n >won.$n 2>err.$n || rc=$?; case $rc in 0) echo 200 ;; 1) echo 409 ;; *) echo $rc ;; esac >code.$n) &
		racing="$racing $!"
	done
	wait $racing
	cat code.* | cut -c1-3 | sort | uniq -c | tr -s " \n" " " >codes
	test "$(cat codes)" = " 1 200 15 409 "
	winner=$(grep -l "^200" code.*)
	test "$(size)" = ${winner#code.}
	sed "1,/^\$/d" race.${winner#code.} | cat - won.${winner#code.} >note
	log check "$w1_vkey" note
'

command -v strace >/dev/null && test_set_prereq STRACE

# Whoever got a cosignature finds it in the state, and the state is the old or the new one.
test_expect_success STRACE 'killed or failing at any step of storing: no cosignature without its state' '
	request 5 9 >in
	request 0 5 >first
	new_state
	witness <first >out
	rm -rf seed
	cp -r state seed
	: >steps
	for step in fsync,1 fsync,2 renameat,1; do
		for fault in signal=KILL error=EIO error=ENOSPC; do
			rm -rf state
			cp -r seed state
			rc=0
			# In a shell of its own, which is told of the signal and not us.
			(traced -qq -e trace=${step%,*} -e inject=${step%,*}:$fault:when=${step#*,} -o trace \
				ecl-witness --key w1.pem --name w.example/w1 --state state --log "$log_vkey" <in >out 2>err) || rc=$?
			now=$(size)
			echo "$step $fault: exit $rc, size $now" >>steps
			test_line_count = 0 out
			request $now 12 >next
			witness <next >out
			test "$(size)" = 12
		done
	done
	cat >want <<-\EOF
	fsync,1 signal=KILL: exit 137, size 5
	fsync,1 error=EIO: exit 2, size 5
	fsync,1 error=ENOSPC: exit 2, size 5
	fsync,2 signal=KILL: exit 137, size 9
	fsync,2 error=EIO: exit 2, size 9
	fsync,2 error=ENOSPC: exit 2, size 9
	renameat,1 signal=KILL: exit 137, size 5
	renameat,1 error=EIO: exit 2, size 5
	renameat,1 error=ENOSPC: exit 2, size 5
	EOF
	test_cmp want steps
'

test_expect_success STRACE 'HTTP: killed between storing and replying, the client asks again and gets it' '
	new_state
	request 0 5 >in
	rm -f k.url
	traced -qq -e trace=fsync -e inject=fsync:signal=KILL:when=2 -o trace \
		ecl-witness --key w1.pem --name w.example/w1 --state state --log "$log_vkey" --listen 127.0.0.1:0 >k.url 2>k.err &
	killed=$!
	for i in $(seq 2400); do test -s k.url && break || sleep 0.05; done
	test_expect_code 52 post "$(cat k.url)" in out
	test_expect_code 137 wait $killed
	test "$(size)" = 5
	listen w1 --key w1.pem --name w.example/w1 --state state --log "$log_vkey"
	test_when_finished "kill $pid"
	url=$(cat w1.url)
	test "$(post $url in out)" = "409 text/x.tlog.size"
	request 5 5 >in
	test "$(post $url in out)" = "200 text/plain; charset=utf-8"
'

test_expect_success ROOT 'a full disk: nothing is cosigned until there is room, HTTP and pipe' '
	new_state
	mount -t tmpfs -o size=64k tmpfs state
	test_when_finished "umount state"
	listen w1 --key w1.pem --name w.example/w1 --state state --log "$log_vkey"
	test_when_finished "kill $pid; wait $pid || :"
	url=$(cat w1.url)
	request 0 5 >in
	test "$(post $url in out)" = "200 text/plain; charset=utf-8"
	request 5 9 >in
	test_expect_code 1 dd if=/dev/zero of=state/full bs=4k count=20
	for i in 1 2 3; do
		test "$(post $url in out)" = "500 text/plain; charset=utf-8"
		test_grep ! w.example/w1 out
		test_expect_code 2 witness <in >out 2>err
		test_line_count = 0 out
		test_grep "cannot store the state: No space left on device" err
	done
	test "$(size)" = 5
	rm state/full
	test "$(post $url in out)" = "200 text/plain; charset=utf-8"
	test "$(size)" = 9
'

test_expect_success 'who reads the cosignature went away: it says so, and gives it again' '
	new_state
	request 0 5 >in
	test_expect_code 2 witness <in >/dev/full 2>err
	test_grep "cannot write to standard output" err
	request 5 5 >in
	witness <in >out
	test_line_count = 1 out
'

test_expect_success 'no openssl: a failure, never a cosignature' '
	new_state
	request 0 5 >in
	test_expect_code 2 env PATH="$PWD/nowhere" "$python" "$top_srcdir/scripts/ecl-witness" --key w1.pem --name w --state state --log "$log_vkey" <in >out 2>err
	test_line_count = 0 out
	test_grep "cannot run openssl" err
'

test_expect_success 'a busy state: 75' '
	new_state
	request 0 5 >in
	witness <in >out
	sed "s/^LOCK_SECONDS = .*/LOCK_SECONDS = 0.3/" "$top_srcdir/scripts/ecl-witness" >soon
	exec 7<state/lock
	flock 7
	test_expect_code 75 python3 soon --key w1.pem --name w.example/w1 --state state --log "$log_vkey" <in >out 2>err
	exec 7<&-
	test_line_count = 0 out
	test_grep "busy" err
'

test_expect_success 'usage: exit 2, one line, before anything is done' '
	ecl-witness --help >out
	test_grep "^usage: ecl-witness" out
	test_grep ! ".\{81\}" out
	new_state
	openssl genpkey -algorithm x25519 -out x.pem
	openssl genpkey -algorithm ed25519 -aes256 -pass pass:secret -out locked.pem
	: >empty
	k="--key w1.pem" n="--name w" s="--state state" l="--log $log_vkey"
	for args in "" "$k $n $s" "$k $n $l" "$k $s $l" "$n $s $l" "$k --name a+b $s $l" "$k --name= $s $l" "$k $n --state nosuch $l" \
		"--key nosuch --name w $s $l" "--key empty --name w $s $l" "--key x.pem --name w $s $l" "--key locked.pem --name w $s $l" \
		"$k $n $s --log x" "$k $n $s --log ${log_vkey}A" "$k $n $s --log $w1_vkey" "$k $n $s --log x$log_vkey" \
		"$k $n $s --log PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==" \
		"$k $n $s --log PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW" \
		"$k $n $s $l --listen 0.0.0.0:0" "$k $n $s $l --listen 127.0.0.1" "$k $n $s $l --listen localhost:1" "$k $n $s $l --listen 127.0.0.1:99999" \
		"$k $n $s $l operand" "$k $n $s $l --vke" "$k $n $s $l --listen 192.0.2.1:80"; do
		test_expect_code 2 ecl-witness $args </dev/null >out 2>err
		test_line_count = 0 out
		test_line_count = 1 err
		test_grep "^ecl-witness: " err
	done
	test_expect_code 2 ecl-witness --name "a b" $k $s $l </dev/null
	test "$(ls state)" = ""
'

command -v mandoc >/dev/null && test_set_prereq MANDOC
test_expect_success MANDOC 'the man page is well-formed, fits on 80 columns, and has the options of --help' '
	man=$top_srcdir/scripts/ecl-witness.1
	mandoc -T ascii "$man" | sed "s/.$(printf "\b")//g" >page
	test_grep ! ".\{81\}" page
	mandoc -T lint -W style "$man" 2>/dev/null | sed "/referenced manual not found/d" >lint
	test_cmp /dev/null lint
	ecl-witness --help | sed -n "s/^  .*  --\([a-z-]*\) .*/--\1/p; s/^  -h, \(--help\).*/\1/p" | sort -u >help
	sed -n "s/^\.It .*Fl Fl \([a-z-]*\).*/--\1/p" "$man" | sort >options
	test_cmp help options
'

test_done
