#!/bin/bash
test_description='ecl-prove, ecl-verify --proof: what is proven, to whom, what is not believed; tiles'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

if ! command -v openssl >/dev/null || ! command -v python3 >/dev/null; then
	skip_all='openssl and python3 are needed'
	test_done
fi
test_btrfs

origin=example.com/log
openssl genpkey -algorithm ed25519 -out key && openssl genpkey -algorithm ed25519 -out other-key
by_other_means() { python3 "$top_srcdir/t/check-proof.py" "$@"; }
vkey=$(by_other_means vkey $origin key)
prove() { ecl-prove -d "$R" "$@"; }
# No ledger at hand: in a directory of its own, with the default root nowhere.
verify() { (mkdir -p "$TRASH/away" && cd "$TRASH/away" && ECL_ROOT=/nonexistent ecl-verify --key "$vkey" --proof "$@"); }
size() { sed -n 2p "$R/checkpoint"; }

# events FROM TO: of 97 elements, which change by turns.
events()
{
	awk -v from="$1" -v to="$2" 'BEGIN { for (i = from; i < to; i++) printf "{\"element\":\"a:%d\",\"state\":{\"n\":%d}}\n", i * 31 % 97, i }'
}

# ledger BACKEND: a new root R of 10,002 events, two signed blocks and one that is not; the checkpoints are kept.
ledger()
{
	R=$(ecl_backend_root "$1") && ecl-init --backend "$1" --embedder none --origin $origin "$R" >/dev/null &&
		events 0 4000 | ecl-append -d "$R" -q && ecl-snap -d "$R" -q --sign key && cp "$R/checkpoint" "$TRASH/first" &&
		events 4000 7000 | ecl-append -d "$R" -q && ecl-snap -d "$R" -q &&
		events 7000 9997 | ecl-append -d "$R" -q && ecl-snap -d "$R" -q --sign key && ecl-append -d "$R" -q -e late:1 -s 1 &&
		test "$(size)" = 10001
}

# proven FILE LINE: by ecl-verify, in the same words as the log, and by other means.
proven()
{
	verify "$TRASH/$1" >said && jq -c .event said >/dev/null &&
		sed 's/.*,"event"://; s/}$//' said | test_cmp "$2" - && by_other_means proof "$1" "$vkey" | test_cmp "$2" -
}

for backend in btrfs copy; do
	pre=
	test $backend = copy || pre=BTRFS

	test_expect_success "$pre" "$backend: an event is proven to who has the key alone" '
		ledger '$backend'
		for seq in 0 1 2 255 256 257 4000 4001 4095 4096 8191 8192 9999 10000; do
			prove $seq >p
			ecl-query -d "$R" --event $seq >line
			proven p line || return 1
			test "$(jq -r "[.verdict, .proof, .origin, .size, .signed, .seq, .witnesses] | @tsv" said | tr "\t" " ")" = "ok event $origin 10001 true $seq 0" || return 1
			test "$(jq -r .element said)" = "$(jq -r .element line)" || return 1
		done
		sed -n "/^$/,\$p" p | tail -n +2 | test_cmp "$R/checkpoint" -
	'

	test_expect_success "$pre" "$backend: one line says so to people, and nothing with -q" '
		prove 4100 >p
		verify "$TRASH/p" --table >said
		test_line_count = 2 said
		test_grep "^ok: event 4100 is among the first 10001 events of .$origin.; signed\$" said
		verify "$TRASH/p" -q >said
		test_line_count = 0 said
	'

	test_expect_success "$pre" "$backend: an event that is not signed yet, and one that is not there" '
		test_expect_code 2 ecl-prove -d "$R" 10001 >out 2>err
		test_grep "ecl-snap --sign" err
		test_line_count = 0 out
		test_expect_code 1 ecl-prove -d "$R" 10002 >out 2>err
		test_grep "there is no event 10002" err
		prove --unsigned 10001 >p
		ecl-query -d "$R" --event 10001 >line
		by_other_means proof p "" | test_cmp line -
		test_expect_code 1 ecl-verify --proof p --key "$vkey" >out 2>err
		test_grep "is not signed by $origin" err
		test_expect_code 2 ecl-verify --proof p >out 2>err
		test_grep "needs .--key VKEY" err
		test_line_count = 0 out
		ecl-verify --proof p --unsigned >said
		test "$(jq -r .signed said)" = false
		ecl-verify --proof p --unsigned --table >said
		test_grep "nobody vouches for it" said
	'

	test_expect_success "$pre" "$backend: an older checkpoint is of the beginning of the log" '
		test "$(sed -n 2p first)" = 4002
		prove --consistency 4002 >p
		by_other_means proof p "$vkey" first
		verify "$TRASH/p" --checkpoint "$TRASH/first" >said
		test "$(jq -r "[.proof, .old, .size] | @tsv" said)" = "consistency	4002	10001"
		verify "$TRASH/p" --checkpoint "$TRASH/first" --table >said
		test_grep "^ok: the 4002 events .* beginning of the 10001 events" said
		test_expect_code 2 verify "$TRASH/p" 2>err
		test_grep "4002 events, is needed too" err
		test_expect_code 1 verify "$TRASH/p" --checkpoint "$R/checkpoint" 2>err
		prove --consistency 10001 >p
		verify "$TRASH/p" --checkpoint "$R/checkpoint" >/dev/null
		test "$(sed -n 2p p)" = ""
		prove --consistency 0 >p
		verify "$TRASH/p" >/dev/null
		test_expect_code 1 verify "$TRASH/p" --checkpoint "$TRASH/first" 2>err
		test_grep "of the first 0 events, the checkpoint that was kept of 4002" err
		test_expect_code 2 ecl-prove -d "$R" --consistency 10002 2>err
		test_grep "ecl-snap --sign" err
		ecl-replay -d "$R" >log
		for old in 1 2 3 255 256 257 4001 8192 10000; do
			prove --consistency $old >p
			by_other_means checkpoint log $old $origin >old || return 1
			ecl-verify --proof p --key "$vkey" --checkpoint old >/dev/null || return 1
		done
	'

	test_expect_success "$pre" "$backend: which event is the last of an element, as of the newest signed block" '
		block=$(ls "$R/.snapshots" | tail -n 1)
		blocksize=$(jq .size "$R/.snapshots/$block/.ecl/block")
		test "$blocksize" = 10000
		for e in a:0 a:7 a:96 ecl:layer ecl:block; do
			prove --latest $e >p
			ecl-query -d "$R" --history --block "$block" -- "$e" | tail -n 1 >line
			proven p line || return 1
			test "$(jq -r "[.proof, .block, .size, .element] | @tsv" said)" = "latest	$block	$blocksize	$e" || return 1
		done
		verify "$TRASH/p" --table >said
		test_grep "^ok: as of $block event .* is the last of .ecl:block. among the first $blocksize events" said
		test_expect_code 2 verify "$TRASH/p" --witness witness.example.com/w1+dbba4a08+BDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop >said
		test_line_count = 0 said
		test_expect_code 1 ecl-prove -d "$R" --latest late:1 >out 2>err
		test_grep "late:1. is none of the 99 elements" err
		test_line_count = 0 out
		ecl-snap -d "$R" -q
		test_expect_code 1 ecl-prove -d "$R" --latest late:1
		prove --latest late:1 --unsigned >p
		by_other_means proof p "" >line
		ecl-verify --proof p --unsigned >said
		test "$(jq -r "[.element, .seq, .signed] | @tsv" said)" = "late:1	10001	false"
		test_expect_code 1 verify "$TRASH/p"
	'

	test_expect_success "$pre" "$backend: the whole history of an element, to who has the key alone" '
		ecl-query -d "$R" --history --block "$block" a:5 >history
		prove --latest a:5 >proof
		verify "$TRASH/proof" >said
		jq -c .event said >chain
		size=$(jq .size said)
		while parent=$(tail -n 1 chain | jq .parent) && test "$parent" != null; do
			prove $parent >proof || return 1
			verify "$TRASH/proof" >said || return 1
			test "$(jq -r "[.seq, .element, .origin] | @tsv" said)" = "$parent	a:5	$origin" || return 1
			jq -c .event said >>chain
		done
		test_line_count -gt 100 chain
		tac chain >have
		jq -c . history | test_cmp - have
	'

	test_expect_success "$pre" "$backend: from a block that stands alone" '
		ecl-prove -d "$R/.snapshots/$block" 12 >p
		ecl-query -d "$R" --event 12 >line
		proven p line
		test "$(jq .size said)" = 10000
		ecl-prove -d "$R/.snapshots/$block" --latest a:1 >p
		verify "$TRASH/p" >/dev/null
		first=$(ls "$R/.snapshots" | sed -n 2p)
		test_expect_code 2 ecl-prove -d "$R/.snapshots/$first" 12 2>err
		test_grep "no signed checkpoint" err
		test_expect_code 2 ecl-prove -d "$R/.snapshots/$first" --latest a:1 2>err
		ecl-prove -d "$R/.snapshots/$first" --latest a:1 --unsigned >p
		ecl-verify --proof p --unsigned >/dev/null
	'

	test_expect_success "$pre" "$backend: who may only read" '
		test_have_prereq ROOT && command -v setpriv || return 0
		mkdir -p bin
		cp "$top_builddir"/cmd/ecl-prove bin
		chmod -R go+rX bin
		chmod go+x "$TRASH"
		chmod 750 "$R"
		find "$R" -path "$R/.snapshots/*" -prune -o -exec chgrp -h 4242 {} +
		test_when_finished "chmod 700 $TRASH"
		setpriv --reuid=65534 --regid=65534 --groups=4242 "$TRASH/bin/ecl-prove" -d "$R" 4711 >p
		verify "$TRASH/p" >/dev/null
		test_must_fail setpriv --reuid=65534 --regid=65534 --clear-groups "$TRASH/bin/ecl-prove" -d "$R" 4711 >out 2>err
		test_line_count = 0 out
		test_grep "ermission denied" err
	'
done

test_expect_success 'what is not on the disk yet is not proven' '
	W=$(ecl_backend_root copy)
	ecl-init --backend copy --embedder none --origin $origin "$W" >/dev/null
	events 0 9 | ecl-append -d "$W" -q
	cp "$W/durable" before
	events 9 11 | ecl-append -d "$W" -q
	ecl-prove -d "$W" --unsigned 11 >p
	# As while the two are written, with their sync still to come.
	cp before "$W/durable"
	test_expect_code 2 ecl-prove -d "$W" --unsigned 10 >out 2>err
	test_grep "no more than 10 events are on the disk yet" err
	test_line_count = 0 out
	test_expect_code 2 ecl-prove -d "$W" --unsigned --consistency 11 >out 2>err
	test_grep "no more than 10 events are on the disk yet" err
	ecl-prove -d "$W" --unsigned 9 >p
	ecl-verify --proof p --unsigned >said
	test "$(jq .size said)" = 10
	sed "s/clean/dirty/" before >"$W/durable"
	test_expect_code 2 ecl-prove -d "$W" --unsigned 9 >out 2>err
	test_grep "/durable. is damaged" err
	test_line_count = 0 out
'

test_expect_success 'the event may come from elsewhere, and then it must be that one' '
	R=$(ecl_backend_root copy)
	ecl-init --backend copy --embedder none --origin $origin "$R" >/dev/null
	events 0 9 | ecl-append -d "$R" -q
	ecl-snap -d "$R" -q --sign key
	prove 3 >p
	grep -v "^extra " p >bare
	test_expect_code 2 verify "$TRASH/bare" 2>err
	test_grep "does not hold its event" err
	ecl-replay -d "$R" >log
	for n in 1 2 3 4 5; do
		sed -n ${n}p log >line
		verify "$TRASH/bare" "$TRASH/line" >said 2>err || test "$n" != 4 || return 1
		verify "$TRASH/bare" - <line >said2 2>err2 || test "$n" != 4 || return 1
		test_cmp said said2
		test "$n" = 4 || test_line_count = 0 said || return 1
		verify "$TRASH/p" - <line >said 2>err || test "$n" != 4 || return 1
		test "$n" = 4 || test_line_count = 0 said || return 1
	done
	sed -n 4p log | tr -d "\n" | verify "$TRASH/bare" - >said
	sed -n 4p log | sed "s/\"n\":2/\"n\":3/" >line
	test_expect_code 1 verify "$TRASH/bare" "$TRASH/line" >said 2>err
	test_grep "does not have the hash that it says" err
	printf "" >line
	test_expect_code 2 verify "$TRASH/bare" "$TRASH/line"
	test_expect_code 2 verify "$TRASH/none" 2>err
	test_grep "cannot open .*none" err
	verify - <p >/dev/null
	test_expect_code 2 verify - - <p
'

test_expect_success 'another key, another name, a proof of another log, a checkpoint that was kept' '
	prove 3 >p
	key=$(by_other_means vkey $origin other-key)
	test_expect_code 1 ecl-verify --proof p --key "$key" 2>err
	test_grep "is not signed by $origin" err
	test_expect_code 1 ecl-verify --proof p --key "$(by_other_means vkey example.com/elsewhere key)" 2>err
	ecl-verify --proof p --key "$key" --key "$vkey" >/dev/null
	ecl-verify --proof p --key "$vkey" --checkpoint "$R/checkpoint" >/dev/null
	cp "$R/checkpoint" kept
	ecl-append -d "$R" -q -e b:1 -s 1
	ecl-snap -d "$R" -q --sign key
	prove 3 >p
	test_expect_code 1 ecl-verify --proof p --key "$vkey" --checkpoint kept 2>err
	test_grep "against 13 events, the checkpoint that was kept is of 11" err
	sed "2s/.*/13/" kept | head -n 3 >text
	test_expect_code 1 ecl-verify --proof p --key "$vkey" --checkpoint text 2>err
	test_grep "another history" err
	sed -n "/^$/,\$p" p | sed -n 2,4p >text
	ecl-verify --proof p --unsigned --checkpoint text >/dev/null
	for option in --quick --since=1 --roots=. --root=.; do
		test_expect_code 2 ecl-verify --proof p --key "$vkey" $option || return 1
	done
	test_expect_code 2 ecl-verify --unsigned
	test_expect_code 2 ecl-verify --proof p --unsigned --key "$vkey"
'

test_expect_success 'a key signs for the log of its own name only' '
	cp "$R/checkpoint" before
	head -n 3 before | python3 "$top_srcdir/t/sign-note.py" sign example.com/elsewhere other-key >"$R/checkpoint"
	prove 3 >p
	cp before "$R/checkpoint"
	test_expect_code 1 ecl-verify --proof p --key "$(by_other_means vkey example.com/elsewhere other-key)" >out 2>err
	test_line_count = 0 out
	test_grep "of .$origin. is not signed by example.com/elsewhere" err
'

test_expect_success 'witnesses that cosigned the checkpoint' '
	prove 3 >p
	note() { python3 "$top_srcdir/t/sign-note.py" "$@"; }
	one=$(note witness example.com/one other-key)
	openssl genpkey -algorithm ed25519 -out third-key
	two=$(note witness example.com/two third-key)
	test_expect_code 1 ecl-verify --proof p --key "$vkey" --witness "$one" 2>err
	test_grep "cosigned by 0 of the witnesses, not by 1" err
	cp "$R/checkpoint" before
	note cosign example.com/one other-key 1700000000 <before >"$R/checkpoint"
	prove 3 >p
	ecl-verify --proof p --key "$vkey" --witness "$one" >said
	test "$(jq .witnesses said)" = 1
	test_expect_code 1 ecl-verify --proof p --key "$vkey" --witness "$one" --witness "$two" 2>err
	test_expect_code 2 ecl-verify --proof p --key "$vkey" --witness "$(note witness example.com/own key)" 2>err
	test_grep "has the key of the ledger" err
	ecl-verify --proof p --key "$vkey" --witness "$one" --witness "$two" --quorum 1 --table >said
	test_grep "; signed, and cosigned by 1 witness\$" said
	sed "\$s/A/B/" p >bad
	test_expect_code 1 ecl-verify --proof bad --key "$vkey" --witness "$one" 2>err
	cp before "$R/checkpoint"
'

test_expect_success 'a proof with any byte wrong, or cut, is none' '
	prove 3 >whole
	prove --latest a:31 >latest
	prove --consistency 11 >longer
	python3 - <<-\PY
		import base64
		line = "\u2014 nobody.example/w %s\n".encode()
		line = line % base64.b64encode(b"\1\2\3\4" + bytes(64))
		data = open("whole", "rb").read()
		open("cosigned", "wb").write(data + line)
		open("from", "w").write("%d\n" % len(data))
		open("to", "w").write("%d\n" % len(data + line))
	PY
	by_other_means mangle cosigned $(cat from to) ecl-verify --key "$vkey" --proof
	by_other_means mangle latest 0 0 ecl-verify --key "$vkey" --proof
	by_other_means mangle longer 0 0 ecl-verify --key "$vkey" --checkpoint kept --proof
'

test_expect_success 'usage' '
	for args in "" "1 2" "x" "-1" "01" "1 --tiles ." "--tiles . --latest a" "--consistency 1 --latest a" "--consistency x" "--consistency"; do
		test_expect_code 2 ecl-prove -d "$R" $args 2>err || return 1
		test -s err || return 1
	done
	test_expect_code 2 ecl-prove -d "$R" --tiles nowhere 2>err
	test_grep "cannot open directory .nowhere" err
	mkdir none
	ecl-init --backend copy --embedder none none/r >/dev/null
	test_expect_code 2 ecl-prove -d none/r 0 2>err
	test_grep "no signed checkpoint: .ecl-snap --sign KEY" err
	test_expect_code 2 ecl-prove -d none/r --latest ecl:layer --unsigned 2>err
	test_grep "has no block" err
	ecl-prove -d none/r --unsigned 0 >p
	ecl-verify --proof p --unsigned >/dev/null
'

test_expect_success 'whoever reads it may go away' '
	: >code
	(prove --latest a:31 || echo $? >code) | true
	! test -s code || test "$(cat code)" = 141
	test_expect_code 2 sh -c "ecl-prove -d \"$R\" 3 >/dev/full" 2>err
	test_grep "No space left" err
'

# ---- an index that lies ----

test_expect_success 'a damaged or edited tree costs time, and misleads nobody' '
	ledger copy
	ecl-index -d "$R" -q
	cp -a "$R/live/.ecl/index" index
	prove 5000 >want
	prove --consistency 4002 >want.c
	mkdir want.t
	ecl-prove -d "$R" --tiles want.t
	restore() { rm -r "$R/live/.ecl/index"
	cp -a index "$R/live/.ecl/index"; }
	for hash in "0 5000" "0 5001" "0 5100" "0 0" "0 4001" "0 9990" "1 19" "1 18" "1 0" "1 15"; do
		restore
		by_other_means tree "$R/live/.ecl/index" $hash
		test_expect_code 1 diff -rq index "$R/live/.ecl/index" || return 1
		prove 5000 | test_cmp want - || return 1
		prove --consistency 4002 | test_cmp want.c - || return 1
		rm -rf t && mkdir t
		ecl-prove -d "$R" --tiles t
		diff -r want.t t || return 1
		prove --unsigned 5000 >p || return 1
		by_other_means proof p "" >/dev/null || return 1
	done
	restore
	printf x | dd of="$R"/live/.ecl/index/tree.0-00000000000000000000 bs=1 seek=160007 conv=notrunc status=none
	prove 5000 | test_cmp want -
	: >"$R"/live/.ecl/index/tree.1-00000000000000000000
	prove 5000 | test_cmp want -
	rm -r "$R/live/.ecl/index"
	prove 5000 | test_cmp want -
'

test_expect_success 'an edited index of a block: the same' '
	block=$(ls "$R/.snapshots" | tail -n 1)
	prove --latest a:3 >want
	i="$R/.snapshots/$block/.ecl/index"
	by_other_means tree "$i" 0 "$(jq .size "$R/.snapshots/$block/.ecl/block" | awk "{ print \$1 - 100 }")"
	prove --latest a:3 | test_cmp want -
	rm -r "$i"
	prove --latest a:3 | test_cmp want -
'

test_expect_success 'a log that is not the one that was signed is told, and nothing is proven' '
	ledger copy
	log="$R/live/.ecl/log/00000000000000000000.ndjson"
	cp "$log" log
	sed "5001s/\"n\":[0-9]*/\"n\":1/" log >"$log"
	test_expect_code 1 ecl-prove -d "$R" 5000 >out 2>err || test_expect_code 2 ecl-prove -d "$R" 5000 >out 2>err
	test_line_count = 0 out
	python3 - log "$log" <<-\PY
		import hashlib, json, sys
		prev = None
		out = open(sys.argv[2], "wb")
		for n, line in enumerate(open(sys.argv[1], "rb")):
		    line = line.rstrip(b"\n")
		    if n == 5000:
		        line = line.replace(b"{\"n\":", b"{\"n\":1")
		    if prev:
		        at = line.rindex(b",\"prev\":\"")
		        line = line[:at] + b",\"prev\":\"" + prev + line[at + 9 + 64:]
		    front = line[:line.rindex(b",\"hash\":\"")]
		    prev = hashlib.sha256(front).hexdigest().encode()
		    out.write(front + b",\"hash\":\"" + prev + b"\"}\n")
	PY
	for what in 5000 12 "--consistency 4002"; do
		test_expect_code 1 ecl-prove -d "$R" $what >out 2>err || return 1
		test_grep "is not the one that the checkpoint of 10001 events is of: run .ecl-verify" err
		test_line_count = 0 out
	done
	test_expect_code 1 ecl-prove -d "$R" --unsigned 12 >out 2>err
	test_grep "is not the one that block .* is of" err
	mkdir t2
	test_expect_code 1 ecl-prove -d "$R" --tiles t2
	find t2 -type f >files
	test_line_count = 0 files
	head -n 9000 log >"$log"
	test_expect_code 1 ecl-prove -d "$R" 12 >out 2>err
	test_grep "the log has 9000 events, and its checkpoint is of 10001" err
	cp log "$log"
'

# ---- tiles ----

tiles() { ecl-prove -d "$R" --tiles "$T" "$@"; }
right() { ecl-replay -d "$R" >"$TRASH/log" && by_other_means tiles "$T" "$vkey" "$TRASH/log"; }

test_expect_success 'tiles grow with the log, and what is there is left alone' '
	R=$(ecl_backend_root copy) T=$TRASH/www
	mkdir "$T"
	ecl-init --backend copy --embedder none --origin $origin "$R" >/dev/null
	at=0
	for n in 1 100 253 254 255 256 257 500 1000 65530 65531 65540 70000; do
		events $at $n | ecl-append -d "$R" -q && at=$n
		ecl-snap -d "$R" -q --sign key && tiles && right >was || return 1
		find "$T" -type f -empty >empty && test_line_count = 0 empty || return 1
	done
	(cd "$T"
	find . -type f -exec ls -i --time-style=full-iso -l {} + | sort) >before
	tiles -v 2>err
	test_grep "0 of them new: 0 files, 0 bytes" err
	(cd "$T"
	find . -type f -exec ls -i --time-style=full-iso -l {} + | sort) | test_cmp before -
	ecl-append -d "$R" -q -e one:more -s 1
	ecl-snap -d "$R" -q --sign key
	tiles -v 2>err
	test_grep ": 4 files" err
	right
	test "$(stat -c %a "$T/checkpoint" "$T/tile/0/x000" "$T/tile/0/000" 2>/dev/null | xargs)" = "644 644"
	test "$(stat -c %a "$T/tile/entries")" = 755
'

test_expect_success 'a tree of them in the layout of C2SP' '
	test -f "$T/tile/0/272"
	test -f "$T/tile/entries/272"
	test -f "$T/tile/1/000"
	test -f "$T/tile/2/000.p/1"
	test "$(stat -c %s "$T/tile/0/272" "$T/tile/entries/272" | xargs)" = "8192 8704"
	test "$(od -An -tx1 -N2 "$T/tile/entries/272" | xargs)" = "00 20"
	test_cmp "$R/checkpoint" "$T/checkpoint"
'

test_expect_success 'the tiles of another log, or of more of it, are not touched' '
	other=$(ecl_backend_root copy)
	ecl-init --backend copy --embedder none --origin $origin "$other" >/dev/null
	events 5 300 | ecl-append -d "$other" -q
	ecl-snap -d "$other" -q --sign key
	T2=$TRASH/other
	mkdir "$T2"
	ecl-prove -d "$other" --tiles "$T2"
	cp -a "$T2" copy
	test_expect_code 1 ecl-prove -d "$R" --tiles "$T2" 2>err
	test_grep "has other events than the first 297 of the log" err
	test_expect_code 1 ecl-prove -d "$other" --tiles "$T" 2>err
	test_grep "more than the 297 of the checkpoint" err
	sed -i 1s/com/org/ "$T2/checkpoint"
	test_expect_code 1 ecl-prove -d "$R" --tiles "$T2" 2>err
	test_grep "tiles of another log" err
	echo nonsense >"$T2/checkpoint"
	test_expect_code 2 ecl-prove -d "$R" --tiles "$T2"
	cp copy/checkpoint "$T2"
	diff -r copy "$T2"
	rm "$T2/checkpoint"
	T=$T2 tiles
	T=$T2 right
'

test_expect_success 'two at a time: one waits for later' '
	exec 8<"$T"
	flock -x 8
	test_expect_code 75 ecl-prove -d "$R" --tiles "$T" 2>err
	exec 8<&-
	test_grep "try again later" err
	tiles
'

test_expect_success STRACE 'killed at any rename, it is consistent, and the next run makes it good' '
	R=$(ecl_backend_root copy)
	ecl-init --backend copy --embedder none --origin $origin "$R" >/dev/null
	events 0 700 | ecl-append -d "$R" -q
	ecl-snap -d "$R" -q --sign key
	T=$TRASH/killed
	mkdir "$T"
	tiles
	right >/dev/null
	rm -rf start
	cp -a "$T" start
	events 700 1300 | ecl-append -d "$R" -q
	ecl-snap -d "$R" -q --sign key
	kill_points points renameat,mkdirat,unlinkat,syncfs ecl-prove -d "$R" --tiles "$T"
	right >/dev/null
	test_line_count -gt 10 points
	rm -rf want
	cp -a "$T" want
	while read -r call n _; do
		rm -rf "$T" && cp -a start "$T"
		fault_at $call $n signal=KILL ecl-prove -d "$R" --tiles "$T" || return 1
		test $fault_exit = 137 || return 1
		# What the checkpoint there names is there.
		python3 - "$T" <<-\PY || return 1
			import os, sys
			size = int(open(sys.argv[1] + "/checkpoint").read().split("\n")[1])
			n, k = size, 0
			while n:
			    for kind in (str(k), "entries")[:1 + (k == 0)]:
			        for i in range((n + 255) // 256):
			            name = "%s/tile/%s/%03d" % (sys.argv[1], kind, i)
			            w = min(256, n - 256 * i)
			            full = os.path.exists(name)
			            assert full or (w < 256 and os.path.exists("%s.p/%d" % (name, w))), name
			    n, k = n // 256, k + 1
		PY
		tiles || return 1
		right >/dev/null || test "$call" = unlinkat || return 1
		find "$T" -name ".*" -type f >left && test_line_count = 0 left || return 1
	done <points
'

test_expect_success ROOT 'a full disk: said, the checkpoint stays, and goes on where there is room' '
	R=$(ecl_backend_root copy)
	ecl-init --backend copy --embedder none --origin $origin "$R" >/dev/null
	events 0 300 | ecl-append -d "$R" -q
	ecl-snap -d "$R" -q --sign key
	mkdir full
	truncate -s 1M full.img
	mkfs.ext4 -q -N 256 full.img
	mount -o loop full.img full
	T=$TRASH/full/www
	mkdir "$T"
	tiles
	right >/dev/null
	cp "$T/checkpoint" kept
	events 300 20000 | ecl-append -d "$R" -q
	ecl-snap -d "$R" -q --sign key
	test_expect_code 2 ecl-prove -d "$R" --tiles "$T" 2>err
	test_grep "No space left on device" err
	test_cmp kept "$T/checkpoint"
	find "$T" -name ".*" -type f >left
	test_line_count = 0 left
	rm -r "$T/tile"
	cp -a "$T" "$TRASH/moved"
	umount full
	rm "$TRASH/moved/checkpoint"
	T=$TRASH/moved tiles
	T=$TRASH/moved right
'

test_done
