#!/bin/bash
test_description='ecl-snap --sign: what is signed, what is refused, and what a run that dies leaves'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

if ! command -v openssl >/dev/null || ! command -v python3 >/dev/null; then
	skip_all='openssl and python3 are needed'
	test_done
fi
test_btrfs

# signed ROOT [SIZE]: all that is signed is right, by other means; prints what ROOT/checkpoint signs, and how many blocks.
signed() { python3 "$top_srcdir/t/check-signed.py" "$1" "$TRASH/key" "${@:2}"; }
size() { sed -n 2p "$1/checkpoint"; }
events() { ecl-replay -d "$1" | wc -l; }
key() { openssl genpkey -algorithm ed25519 -out "$1"; }
log=live/.ecl/log/00000000000000000000.ndjson

key key && key other

# ledger BACKEND: a new root R with two events and a signed block.
ledger()
{
	R=$(ecl_backend_root "$1") && ecl-init --backend "$1" --embedder none --origin example.com/log "$R" >/dev/null &&
		ecl-append -d "$R" -q -e a:1 -s 1 && echo file >"$R/live/f" && ecl-snap -d "$R" -q --sign key
}

# refused CODE MESSAGE [OPTION...]: nothing is signed, nothing made, nothing recorded.
refused()
{
	local code=$1 message=$2

	shift 2
	ls "$R/.snapshots" >blocks && cat "$R/$log" >events && { ! test -e "$R/checkpoint" || cp "$R/checkpoint" checkpoint.before; } &&
	test_expect_code "$code" ecl-snap -d "$R" --sign key "$@" >out 2>err && test_line_count = 0 out &&
		test_grep "$message" err && ls "$R/.snapshots" >blocks.after && cat "$R/$log" >events.after &&
		test_cmp blocks blocks.after && test_cmp events events.after &&
		{ ! test -e "$R/checkpoint" || test_cmp checkpoint.before "$R/checkpoint"; }
}

# drop_index: as if it had never been.
drop_index() { rm -r "$R/live/.ecl/index"; }

for backend in btrfs copy; do
	pre=
	test $backend = copy || pre=BTRFS

	test_expect_success "$pre" "$backend: the block, its header and the log with its record are signed" '
		ledger '$backend'
		signed "$R" 3
		test "$(signed "$R")" = "3 1"
		check_blocks "$R"
		ecl-verify -d "$R" -q
		for f in "$R/checkpoint" "$R"/.snapshots/block-*/.ecl/checkpoint "$R"/.snapshots/block-*/.ecl/block.note; do
			test "$(stat -c %a "$f")" = 640 || return 1
		done
		test "$(sed -n 2p "$R"/.snapshots/block-*/.ecl/checkpoint)" = 2
	'

	test_expect_success "$pre" "$backend: and again, and blocks that are not signed between" '
		ecl-append -d "$R" -q -e a:2 -s 2
		ecl-snap -d "$R" -q
		ecl-append -d "$R" -q -e a:3 -s 3
		test "$(size "$R")" = 3
		ecl-snap -d "$R" --sign key >out
		test "$(signed "$R" 7)" = "7 2"
		ecl-snap -d "$R" -q --sign key
		test "$(signed "$R" 8)" = "8 3"
		check_blocks "$R"
		ecl-snap -d "$R" --list >list
		test_line_count = 4 list
	'

	test_expect_success "$pre" "$backend: --if-changed signs the log where no block is needed" '
		cp "$R/checkpoint" before
		ecl-snap -d "$R" --if-changed --sign key >out
		test_line_count = 0 out
		test_cmp before "$R/checkpoint"
		test "$(stat -c %i "$R/checkpoint")" = "$(ls -i "$R/checkpoint" | cut -d" " -f1)"
		ecl-snap -d "$R" -q
		ecl-snap -d "$R" --if-changed --sign key >out
		test_line_count = 0 out
		test "$(signed "$R" 9)" = "9 3"
		rm "$R/checkpoint"
		ecl-snap -d "$R" --if-changed --sign key >out
		test "$(signed "$R" 9)" = "9 3"
	'

	test_expect_success "$pre" "$backend: a rollback does not unsay it, and what it makes is not signed" '
		ecl-append -d "$R" -q -e a:1 -s 9
		ecl-snap -d "$R" -q --sign key
		cp "$R/checkpoint" before
		ecl-rollback -d "$R" --yes block-0 >/dev/null
		test_cmp before "$R/checkpoint"
		test ! -e "$R/live/.ecl/checkpoint"
		test ! -e "$R/live/.ecl/block.note"
		signed "$R" 11
		n=$(events "$R")
		ecl-snap -d "$R" -q --sign key
		test "$(signed "$R" $((n + 1)))" = "$((n + 1)) 5"
		check_blocks "$R"
		ecl-verify -d "$R" -q
	'

	test_expect_success "$pre" "$backend: two at once" '
		for i in 1 2 3 4 5; do ecl-append -d "$R" -q --wait 120 -e b:$i -s $i && ecl-snap -d "$R" -q --wait 120 --sign key || return 1; done &
		for i in 1 2 3 4 5; do ecl-append -d "$R" -q --wait 120 -e c:$i -s $i && ecl-snap -d "$R" -q --wait 120 --sign key || return 1; done
		wait $!
		signed "$R" "$(events "$R")"
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: writers that go on meanwhile are signed, too, or not" '
		(for i in $(seq 200); do echo "{\"element\":\"d:$((i % 7))\",\"state\":$i}"; sleep 0.002; done | ecl-append -d "$R" -q --wait 120) &
		for i in 1 2 3 4 5 6; do ecl-snap -d "$R" -q --wait 120 --sign key || return 1; done
		wait $!
		signed "$R"
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: a log that was cut" '
		ledger '$backend'
		head -n 1 "$R/$log" >cut
		cat cut >"$R/$log"
		drop_index
		refused 1 "of 3 events that .checkpoint. signs the log has 1: it was cut"
		refused 1 "it was cut" --force
		refused 1 "it was cut" --if-changed
		rm "$R/checkpoint"
		refused 1 "of 2 events that .\.snapshots/block-000000-.*/checkpoint. signs the log has 1: it was cut"
		# What grows behind a cut is another log.
		ecl-append -d "$R" -q -e a:2 -s 2
		ecl-append -d "$R" -q -e a:2 -s 3
		refused 1 "it was rewritten"
	'

	test_expect_success "$pre" "$backend: a log that was rewritten, with a chain of its own" '
		for line in 1 2; do
			ledger '$backend'
			ecl-append -d "$R" -q -e a:2 -s 2
			ecl-snap -d "$R" -q --sign key
			test $line = 1 && edit="\"state\":1 \"state\":7" || edit="snap snip"
			python3 "$top_srcdir/t/forge.py" chain "$R/$log" $line $edit
			# That event again, at the same place, but the index knows nothing of it.
			drop_index
			refused 1 "no longer has the first [234] events that .*checkpoint. signs: it was rewritten" || return 1
			refused 1 "it was rewritten" --force || return 1
			ecl-index -d "$R" --rebuild -q
			refused 1 "it was rewritten" || return 1
		done
	'

	test_expect_success "$pre" "$backend: a signed block that ROOT/checkpoint does not cover counts, too" '
		ledger '$backend'
		rm "$R/checkpoint"
		python3 "$top_srcdir/t/forge.py" chain "$R/$log" 1 "\"state\":1" "\"state\":7"
		drop_index
		refused 1 "the first 2 events that .\.snapshots/block-000000-.*/\.ecl/checkpoint. signs"
	'
done

test_expect_success 'an index that was edited makes nothing wrong be signed' '
	for n in 3 300 600; do
		R=$(ecl_backend_root copy)
		ecl-init --backend copy --embedder none "$R" >/dev/null
		seq $n | jq -c "{element:\"a:\\(.)\",state:.}" | ecl-append -d "$R" -q
		ecl-snap -d "$R" -q --sign key
		ecl-append -d "$R" -q -e b -s 1
		ecl-index -d "$R" -q
		python3 "$top_srcdir/t/forge-index.py" --tree "$R/live/.ecl/index"
		refused 2 "the index does not have the root of the log: nothing is signed" || return 1
		signed "$R" || return 1
		ecl-index -d "$R" --rebuild -q
		ecl-snap -d "$R" -q --sign key || return 1
		signed "$R" "$(events "$R")" || return 1
		ecl-verify -d "$R" -q || return 1
	done
'

# Seqs of a:1 are 1 and 2, of a:2 3 and 4, of a:3 5.  What is forged is believed where nothing is signed.
test_expect_success 'nor what it says of elements and states, be it before the first signature or behind it' '
	for forged in "a:1 1 1 1" "a:1 2 1 1" "a:1 2 2 0" "a:2 3 3 1" "a:2 4 3 1" "a:3 5 5 0"; do
		for first in yes no; do
			R=$(ecl_backend_root copy)
			ecl-init --backend copy --embedder none "$R" >/dev/null
			printf "%s\\n" "{\"element\":\"a:1\",\"state\":1}" "{\"element\":\"a:1\",\"state\":2}" >in
			printf "%s\\n" "{\"element\":\"a:2\",\"state\":1}" "{\"element\":\"a:2\",\"state\":2}" "{\"element\":\"a:3\",\"state\":1}" >in2
			ecl-append -d "$R" -q in in2
			test $first = yes || ecl-snap -d "$R" -q --sign key || return 1
			ecl-append -d "$R" -q -e b -s 1
			ecl-index -d "$R" -q
			# shellcheck disable=SC2086
			python3 "$top_srcdir/t/forge-index.py" "$R/live/.ecl/index" $forged || return 1
			refused 2 "the index does not have the .* of the log: nothing is signed; run .ecl-index --rebuild." || { echo "$forged $first"; return 1; }
			cp -a "$R" plain
			ecl-snap -d plain -q && test_expect_code 1 ecl-verify -d plain >found && test_grep "\(rewritten\|block-damaged\)" found || return 1
			rm -r plain
			ecl-index -d "$R" --rebuild -q
			ecl-snap -d "$R" -q --sign key || return 1
			signed "$R" "$(events "$R")" && ecl-verify -d "$R" -q || return 1
		done
	done
'

test_expect_success 'elements that come, change, restart, go and come back between signatures' '
	R=$(ecl_backend_root copy)
	ecl-init --backend copy --embedder none "$R" >/dev/null
	python3 - >in <<-\PY
		import json, random
		random.seed(7)
		for n in range(3000):
		    element = "e:%d" % random.choice((n % 50, random.randrange(1000)))
		    kind = random.random()
		    ev = {"element": element}
		    if kind < .2:
		        ev["action"] = "restart"
		    elif kind < .4:
		        ev["state"] = None
		    else:
		        ev["state"] = random.choice((n, "text %d" % n, {"a": [n, None]}))
		    print(json.dumps(ev))
	PY
	split -l 250 -d -a 2 in part.
	for part in part.*; do
		ecl-append -d "$R" -q $part || return 1
		case $part in *[37]) drop_index ;; *5) ecl-snap -d "$R" -q ;; esac
		ecl-snap -d "$R" -q --sign key || { echo $part; return 1; }
		ecl-verify -d "$R" -q || return 1
	done
	signed "$R" "$(events "$R")"
'

test_expect_success 'a checkpoint that was changed, cut or is none' '
	ledger copy
	cp "$R/checkpoint" good
	sed "s/^3\$/2/" good >"$R/checkpoint"
	refused 1 "the signature by .example.com/log. is bad"
	sed "1s/.*/example.com\/other/" good >"$R/checkpoint"
	refused 2 ".checkpoint. is of another log, .example.com/other."
	for bad in "" "hello" "$(head -n 3 good)"; do
		printf "%s" "$bad" >"$R/checkpoint"
		refused 2 ".checkpoint., which the next checkpoint must extend, is damaged" || return 1
		refused 2 "is damaged" --force || return 1
	done
	rm "$R/checkpoint"
	mkdir "$R/checkpoint"
	test_expect_code 2 ecl-snap -d "$R" --sign key 2>err
	test_grep ".checkpoint., .* cannot be read" err
	rmdir "$R/checkpoint"
	ln -s /etc/passwd "$R/checkpoint"
	test_expect_code 2 ecl-snap -d "$R" --sign key 2>err
	test_grep ".checkpoint., .* cannot be read" err
	rm "$R/checkpoint"
	cp good "$R/checkpoint"
	ecl-snap -d "$R" -q --sign key
	signed "$R" 4
'

test_expect_success 'a lie that the key itself signed is found' '
	ledger copy
	ecl-append -d "$R" -q -e a:2 -s 2
	cp "$R/$log" good
	python3 "$top_srcdir/t/forge.py" chain "$R/$log" 1 "\"state\":1" "\"state\":7"
	python3 "$top_srcdir/t/check-signed.py" --forge "$R" key 4
	cat good >"$R/$log"
	refused 1 "no longer has the first 4 events that .checkpoint. signs"
'

test_expect_success 'another key takes over with --force only, and then alone' '
	ledger copy
	cp key first
	cp other key
	refused 2 ".checkpoint. was signed by another key; with --force this one takes over"
	refused 2 "was signed by another key" --if-changed
	ecl-snap -d "$R" -q --if-changed --force --sign key
	python3 "$top_srcdir/t/check-signed.py" "$R" key 2>/dev/null || test "$(size "$R")" = 3
	ecl-append -d "$R" -q -e a:2 -s 2
	ecl-snap -d "$R" -q --sign key
	test "$(size "$R")" = 5
	cp first key
	refused 2 "was signed by another key"
	# It can take over nothing that is not the log that was signed.
	python3 "$top_srcdir/t/forge.py" chain "$R/$log" 1 "\"state\":1" "\"state\":7"
	drop_index
	refused 1 "it was rewritten" --force
'

test_expect_success 'keys: from a pipe, from stdin, with a warning where others can read them' '
	ledger copy
	ecl-snap -d "$R" -q --sign <(cat key) 2>err
	test_line_count = 0 err
	ecl-snap -d "$R" -q --sign - <key
	cat key | ecl-snap -d "$R" -q --sign /dev/stdin
	signed "$R" 6
	cp key open.key
	for mode in 640 644 620 606; do
		chmod $mode open.key
		ecl-snap -d "$R" -q --sign open.key 2>err
		test_grep "warning: others can read or change the key .open.key." err || return 1
	done
	chmod 400 open.key
	ecl-snap -d "$R" -q --sign open.key 2>err
	test_line_count = 0 err
'

test_expect_success 'keys: who has one in memory leaves no core' '
	ledger copy
	mkfifo slow.key
	for program in "ecl-snap -q --sign" "ecl-prove --vkey"; do
		(ulimit -S -c unlimited 2>/dev/null; exec $program slow.key -d "$R") >/dev/null &
		pid=$!
		exec 7>slow.key
		grep "^Max core file size *1  *1 " /proc/$pid/limits || return 1
		cat key >&7
		exec 7>&-
		wait $pid || return 1
	done
'

test_expect_success 'keys: of another kind, damaged, none at all' '
	ledger copy
	mkdir keys
	openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:1024 -out keys/RSA 2>/dev/null
	openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out keys/ECDSA
	openssl genpkey -algorithm x25519 -out keys/X25519
	openssl genpkey -algorithm ed448 -out keys/Ed448
	openssl pkey -in key -pubout -out keys/public
	openssl pkey -in key -aes256 -passout pass:secret -out keys/encrypted
	head -c 60 key >keys/cut
	sed "2s/^..../!!!!/" key >keys/damaged
	head -c 1000 /dev/urandom >keys/PEM
	: >keys/empty
	for kind in keys/*; do
		test_expect_code 2 ecl-snap -d "$R" --sign $kind 2>err || return 1
		test_grep "$(basename $kind)" err || return 1
		test_line_count = 1 err || return 1
	done
	test_expect_code 2 ecl-snap -d "$R" --sign keys 2>err
	test_grep "cannot read the key .keys.: Is a directory" err
	test_expect_code 2 ecl-snap -d "$R" --sign nothing 2>err
	test_grep "cannot open the key .nothing.: No such file" err
	head -c 1000000 /dev/zero | test_expect_code 2 ecl-snap -d "$R" --sign - 2>err
	test_grep "larger than any key" err
	test "$(signed "$R" 3)" = "3 1"
	openssl pkey -in keys/encrypted -passin pass:secret | ecl-snap -d "$R" -q --sign -
	signed "$R" 4
'

test_expect_success 'ecl-prove --vkey: the verifier key of a private key' '
	ledger copy
	python3 "$top_srcdir/t/check-signed.py" --vkey example.com/log key >expect
	ecl-prove -d "$R" --vkey key >out
	test_cmp expect out
	ecl-prove --root "$(echo "$R"/.snapshots/block-*)" --vkey <(cat key) >out
	test_cmp expect out
	ecl-prove -d nowhere --origin example.com/log --vkey - <key >out
	test_cmp expect out
	ecl-verify -d "$R" -q --key "$(cat out)"
	python3 "$top_srcdir/t/check-signed.py" --vkey a/b key >expect
	ecl-prove --origin a/b --vkey key >out
	test_cmp expect out
	test_expect_code 1 ecl-verify -d "$R" -q --key "$(cat out)"
	test_expect_code 2 ecl-prove --origin "a b" --vkey key 2>err
	test_grep "the name of a key must be" err
	openssl pkey -in key -pubout -out public
	test_expect_code 2 ecl-prove -d "$R" --vkey public 2>err
	test_grep "is a public key, and only a private one signs" err
	cp key wide
	chmod 644 wide
	ecl-prove -d "$R" --vkey wide 2>err >out
	test_grep "others can read" err
	test_expect_code 2 ecl-prove -d "$R" --vkey key 0
	test_expect_code 2 ecl-prove -d "$R" --vkey key --unsigned
	test_expect_code 2 ecl-prove -d "$R" --origin a 0
	test_expect_code 2 ecl-prove -d nowhere --vkey key
'

test_expect_success 'usage; a replica is not signed' '
	ledger copy
	test_expect_code 2 ecl-snap -d "$R" --list --sign key 2>err
	test_grep "sign goes with making a block" err
	test_expect_code 2 ecl-snap -d "$R" --path 0 --sign key
	test_expect_code 2 ecl-snap -d "$R" --sign
	ecl-init --replica copy >/dev/null
	ecl-replay -d "$R" | ecl-append -d copy -q --replica
	test_expect_code 2 ecl-snap -d copy --sign key 2>err
	test_grep "is a replica of another ledger" err
	test ! -e copy/checkpoint
'

test_expect_success 'what is written last is there at the next start: no left-over stays' '
	ledger copy
	: >"$R/.checkpoint.4711"
	ecl-snap -d "$R" -q
	test ! -e "$R/.checkpoint.4711"
'

for backend in btrfs copy; do
	pre=
	test $backend = copy || pre=BTRFS,
	for fault in signal=KILL error=EIO; do
		test_expect_success "${pre}STRACE" "$backend: $fault at every step: the old checkpoint or the new, never less" '
			ledger '$backend'
			i=0
			before() {
				i=$((i + 1))
				ecl-append -d "$R" -q -e k:$i -s $i && old=$(size "$R")
			}
			after() {
				test '$fault' = signal=KILL || told ecl-snap "ioctl .snapshots BTRFS_IOC_SNAP_DESTROY" "unlinkat .checkpoint.N" || return 1
				test $((i % 5)) != 0 || signed "$R" >/dev/null || return 1
				test "$(size "$R")" -ge $old || { echo "the checkpoint went back"; return 1; }
				# Where nothing has changed since, what is missing is signed; else the next block does.
				test $((i % 2)) != 0 || ecl-append -d "$R" -q -e l:$i -s $i
				ecl-snap -d "$R" -q --if-changed --sign key && test "$(size "$R")" = "$(events "$R")"
			}
			faults 5 ioctl,renameat,renameat2,fsync,fdatasync,unlinkat,write,pwrite64 '$fault' ecl-snap -d "$R" -q --sign key
			signed "$R" "$(events "$R")"
			check_blocks "$R"
			test -z "$(find "$R" -maxdepth 1 -name ".checkpoint.*")"
			ecl-verify -d "$R" -q
		'
	done
done

test_done
