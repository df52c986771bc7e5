#!/bin/bash
test_description='each attack on a ledger is found, with its class and place, and a good ledger is not accused'
. "${0%/*}/test-lib.sh"

command -v openssl >/dev/null && openssl genpkey -algorithm ed25519 -out probe.pem 2>/dev/null || {
	skip_all='no openssl with Ed25519'
	test_done
}

forge()
{
	python3 "$top_srcdir/t/forge.py" "$@"
}

note()
{
	python3 "$top_srcdir/t/sign-note.py" "$@"
}

# sign_block BLOCK [NAME KEY.pem]: its checkpoint and its note, by hand.
sign_block()
{
	local ecl=$1/.ecl name=${2-test} pem=${3-test.pem}

	note checkpoint "$1" "$(note size "$1")" | note sign "$name" "$pem" >"$ecl/checkpoint" &&
		note block "$1" | note sign "$name" "$pem" >"$ecl/block.note"
}

# append ROOT EVENT...
append()
{
	local root=$1

	shift
	printf '%s\n' "$@" | ecl-append -q -d "$root"
}

# base: 16 events, two signed blocks of 8 and 13 events, whose own events are 8 and 13; ROOT/checkpoint has 14.
# kept, kept10: what another machine knows: signed checkpoints of all 16 events, and of the first 10.
make_base()
{
	local i

	for i in test other w1 w2 w3; do openssl genpkey -algorithm ed25519 -out $i.pem || return 1; done
	key=$(note vkey test test.pem) && otherkey=$(note vkey test other.pem) &&
	w1=$(note witness w.example/1 w1.pem) && w2=$(note witness w.example/2 w2.pem) && w3=$(note witness w.example/3 w3.pem) &&
	ecl-init -q --backend copy --origin test --embedder none base &&
	mkdir base/live/etc && echo hello >base/live/etc/motd && ln -s motd base/live/etc/link &&
	for i in 1 2 3 4 5 6 7; do
		echo "{\"element\":\"interface:eth$((i % 3))\",\"state\":{\"mtu\":150$i}}"
	done | ecl-append -q -d base && ecl-snap -q -d base &&
	for i in 1 2 3 4; do
		echo "{\"element\":\"service:s$i\",\"state\":\"up\",\"cause\":\"a test\"}"
	done | ecl-append -q -d base && ecl-snap -q -d base &&
	note checkpoint base/live | note sign test test.pem >base/checkpoint &&
	for i in base/.snapshots/*; do sign_block "$i" || return 1; done &&
	append base '{"element":"x","state":1}' '{"element":"x","state":2}' && ecl-index -q -d base &&
	note checkpoint base/live | note sign test test.pem >kept &&
	note checkpoint base/live 10 | note sign test test.pem >kept10 &&
	name=00000000000000000000.ndjson
}

# A copy to attack.
fresh()
{
	rm -rf root && cp -a base root && chmod -R u+w root &&
	log=root/live/.ecl/log/$name &&
	first=$(echo root/.snapshots/block-000000-*) && second=$(echo root/.snapshots/block-000001-*)
}

# Without what else knows of the log: blocks and the durable end.
alone()
{
	rm -rf root/durable root/.snapshots/*
}

# verify CODE [OPTION...]: findings in out, without messages in brief, the summary in last.  Nothing is ever written.
verify()
{
	local code=$1

	shift
	test_expect_code "$code" ecl-verify -d root "$@" >all || {
		cat all
		return 1
	}
	sed '$d' all >out && sed -n '$p' all >last && sed 's/,"message":.*/}/' out >brief
}

# found FINDING...: these and no others, notes aside; the verdict is the class of the last one named.
found()
{
	sed '/"class":"\(unsigned-tail\|pruned\|checkpoint-lag\|index-[a-z]*\)"/d' brief >wrong &&
	printf '{%s}\n' "$@" >expect && test_cmp expect wrong &&
	test_grep "^{\"verdict\":\"$(printf '%s' "${!#}" | sed 's/"class":"\([a-z-]*\).*/\1/')\"" last
}

# noted CLASS: nothing is wrong, and of the notes there is one of this class.
noted()
{
	test_grep "^{\"class\":\"$1\"" out && test_grep '^{"verdict":"ok"' last
}

# silent: nothing at all.
silent()
{
	test_line_count = 0 out && test_grep '^{"verdict":"ok"' last
}

at()
{
	forge offset "$log" "$1"
}

test_expect_success 'setup' 'make_base'

test_expect_success 'a good ledger: no false alarm, however it is asked' '
	fresh
	find root -type f -exec sha256sum {} + | sort >before
	verify 0
	silent
	test_grep "\"events\":16,\"blocks\":2,.*\"anchored\":13,\"signed\":0," last
	verify 0 --quick
	silent
	verify 0 --checkpoint kept --checkpoint kept10
	silent
	test_grep "\"signed\":0," last
	verify 0 --key "$key"
	echo "{\"class\":\"unsigned-tail\",\"seq\":14}" | test_cmp - brief
	test_grep "events 14 to 15 are behind" out
	test_grep "\"anchored\":13,\"signed\":14," last
	verify 0 --quick --key "$key"
	test_grep "\"blocks\":0,.*\"signed\":14," last
	verify 0 --key "$otherkey" --key "$key"
	test_grep "\"signed\":14," last
	note checkpoint root/live 14 >text
	verify 0 --checkpoint text
	silent
	find root -type f -exec sha256sum {} + | sort | test_cmp before -
	note checkpoint root/live | note sign test test.pem >root/checkpoint
	verify 0 --key "$key" --checkpoint kept --checkpoint kept10
	silent
	test_grep "\"signed\":16," last
	ecl-verify --table -d root --key "$key" >text
	test_grep "^signed: events 0 to 15, by test+[0-9a-f]\{8\}$" text
	ecl-verify -q -d root --key "$key" >text
	test_line_count = 0 text
'

test_expect_success 'what ecl-snap --sign signs is good, and the same bytes as by other means' '
	ecl-init -q --backend copy --origin test own
	append own "{\"element\":\"a\",\"state\":1}"
	ecl-snap -q -d own --sign test.pem
	ecl-verify -d own --key "$key" >out
	test_line_count = 1 out
	test_grep "\"anchored\":2,\"signed\":3," out
	block=$(echo own/.snapshots/*)
	note checkpoint own/live | note sign test test.pem | cmp - own/checkpoint
	cp "$block/.ecl/checkpoint" own-checkpoint
	cp "$block/.ecl/block.note" own-note
	chmod -R u+w "$block"
	sign_block "$block"
	cmp own-checkpoint "$block/.ecl/checkpoint"
	cmp own-note "$block/.ecl/block.note"
'

# The tail.

test_expect_success 'tail cut below a known checkpoint' '
	fresh
	alone
	cut=$(at 12)
	truncate -s $cut "$log"
	verify 1 --key "$key"
	found "\"class\":\"block-damaged\",\"seq\":8,\"block\":\"${first##*/}\"" \
		"\"class\":\"truncated\",\"seq\":12,\"segment\":\"$name\",\"offset\":$cut,\"path\":\"checkpoint\""
	test_grep "the log ends before event 12, but the checkpoint has 14" out
	verify 1 --quick
	found "\"class\":\"truncated\",\"seq\":12,\"segment\":\"$name\",\"offset\":$cut,\"path\":\"checkpoint\""
	fresh
	alone
	rm root/checkpoint
	truncate -s $(at 8) "$log"
	verify 0
	verify 0 --quick
	verify 1 --quick --checkpoint kept10
	found "\"class\":\"truncated\",\"seq\":8,\"segment\":\"$name\",\"offset\":$(wc -c <"$log")"
	test_grep "but the checkpoint .kept10. has 10" out
	test_expect_code 1 ecl-verify --checkpoint kept10 - <"$log" >all
	test_grep "^{\"class\":\"truncated\",\"seq\":8," all
	rm "$log"
	verify 1 --quick --checkpoint kept10
	test_grep "^{\"class\":\"truncated\",\"seq\":0,.*kept10" out
'

test_expect_success 'tail cut in a line behind the checkpoint: torn, no more' '
	fresh
	rm root/durable
	cut=$(at 15)
	truncate -s -5 "$log"
	verify 1 --key "$key"
	found "\"class\":\"torn\",\"seq\":15,\"segment\":\"$name\",\"offset\":$cut"
	test_grep "\"signed\":14," last
'

test_expect_success 'tail cut behind the checkpoint: only what was kept elsewhere tells' '
	fresh
	rm root/durable
	truncate -s $(at 15) "$log"
	verify 0 --key "$key"
	verify 1 --key "$key" --checkpoint kept
	found "\"class\":\"truncated\",\"seq\":15,\"segment\":\"$name\",\"offset\":$(wc -c <"$log")" \
		"\"class\":\"truncated\",\"path\":\"checkpoint\""
'

# Another log.

test_expect_success 'rewrite from the genesis with a fresh chain' '
	fresh
	alone
	rm -r root/live/.ecl/index
	sed -i "9d;14d" "$log"
	forge renumber "$log"
	append root "{\"element\":\"y\",\"state\":1}" "{\"element\":\"y\",\"state\":2}"
	verify 1
	found "\"class\":\"rewritten\",\"seq\":13,\"path\":\"checkpoint\""
	test_grep "the first 14 events are not those of the checkpoint" out
	test_grep "\"signed\":0," last
	verify 1 --key "$key"
	found "\"class\":\"rewritten\",\"seq\":13,\"path\":\"checkpoint\""
	test_grep "\"signed\":0," last
	rm root/checkpoint
	verify 0
	silent
	verify 1 --key "$key"
	found "\"class\":\"unsigned\",\"path\":\"checkpoint\""
	test_grep "there is no signed checkpoint" out
	verify 1 --checkpoint kept
	found "\"class\":\"rewritten\",\"seq\":15"
	test_grep "the first 16 events are not those of the checkpoint .kept." out
	verify 1 --quick --checkpoint kept10
	found "\"class\":\"rewritten\",\"seq\":9"
'

test_expect_success 'a new ledger of the same name' '
	fresh
	rm -rf root/live root/durable
	ecl-init -q --backend copy --origin test --embedder none new
	for i in $(seq 20); do echo "{\"element\":\"x$i\",\"state\":$i}"; done | ecl-append -q -d new
	mv new/live root/live
	rm -rf root/.snapshots/* root/live/.ecl/index
	verify 1
	found "\"class\":\"rewritten\",\"seq\":13,\"path\":\"checkpoint\""
'

test_expect_success 'two events swapped, one doubled, one of another ledger put in, a state edited: every hash and number made right' '
	for attack in "sed -i \"10{h;d};11G\" $log" "sed -i 10p $log" "sed -i \"5r foreign\" $log" "sed -i \"6s/1505/9000/\" $log" "sed -i 7d $log"; do
		fresh
		alone
		rm -r root/live/.ecl/index
		sed -i "9d;14d" "$log"
		forge renumber "$log"
		note checkpoint root/live | note sign test test.pem >root/checkpoint
		note checkpoint root/live 11 | note sign test test.pem >mine
		verify 0 --key "$key" --checkpoint mine
		sed -n 2p own/live/.ecl/log/* >foreign
		eval "$attack"
		forge renumber "$log"
		rm root/checkpoint
		verify 0 --quick
		verify 0
		silent || { echo "after $attack"; return 1; }
		verify 1 --quick --checkpoint mine
		found "\"class\":\"rewritten\",\"seq\":10" || { echo "after $attack"; return 1; }
	done
'

test_expect_success 'the same with blocks: they and the checkpoint tell' '
	fresh
	rm root/durable
	forge chain "$log" 5 1505 9000
	verify 1 --key "$key"
	head -n 1 brief >wrong
	echo "{\"class\":\"rewritten\",\"seq\":5,\"segment\":\"$name\",\"offset\":$(at 5),\"block\":\"${first##*/}\"}" | test_cmp - wrong
	test_grep "^{\"class\":\"rewritten\",\"seq\":13,\"path\":\"checkpoint\"}" brief
	test_grep "^{\"verdict\":\"rewritten\",.*\"anchored\":0,\"signed\":0," last
	fresh
	rm root/durable
	forge chain "$log" 15 "\"state\":2" "\"state\":3"
	verify 0 --key "$key"
	verify 1 --key "$key" --checkpoint kept
	test_grep "^{\"class\":\"rewritten\",\"seq\":15}" brief
	test_grep "\"signed\":14," last
'

test_expect_success 'a line that was changed is not signed, though the next one knows its hash' '
	fresh
	forge flip "$log" $(($(at 10) + 100))
	verify 1 --key "$key"
	found "\"class\":\"corrupt\",\"seq\":10,\"segment\":\"$name\",\"offset\":$(at 10)"
	test_grep "\"anchored\":8,\"signed\":8," last
	verify 1 --quick --key "$key" --checkpoint kept10
	test_grep "\"signed\":10," last
'

test_expect_success 'a segment replaced by one of another ledger' '
	fresh
	rm root/durable
	for i in $(seq 16); do echo "{\"element\":\"x$i\",\"state\":$i}"; done | ecl-append -q -d own
	cat own/live/.ecl/log/$name >"$log"
	verify 1 --key "$key"
	test_grep "^{\"class\":\"rewritten\",\"seq\":0,\"segment\":\"$name\",\"offset\":0,\"block\":\"${first##*/}\"}" brief
	test_grep "^{\"class\":\"rewritten\",\"seq\":13,\"path\":\"checkpoint\"}" brief
'

test_expect_success 'an old snapshot restored as live' '
	fresh
	rm -rf root/durable root/live
	cp -a "$first" root/live
	rm root/live/.ecl/block root/live/.ecl/block.note root/live/.ecl/checkpoint
	end=$(wc -c <"$log")
	verify 1 --key "$key"
	test_grep "^{\"class\":\"truncated\",\"seq\":8,\"segment\":\"$name\",\"offset\":$end,\"block\":\"${second##*/}\"}" brief
	test_grep "^{\"class\":\"truncated\",\"seq\":8,\"segment\":\"$name\",\"offset\":$end,\"path\":\"checkpoint\"}" brief
	rm -rf root/.snapshots/*
	cp "base/.snapshots/${first##*/}/.ecl/checkpoint" root/checkpoint
	verify 0 --key "$key"
	silent
	verify 1 --key "$key" --checkpoint kept
	found "\"class\":\"truncated\",\"seq\":8,\"segment\":\"$name\",\"offset\":$end" "\"class\":\"truncated\",\"path\":\"checkpoint\""
'

test_expect_success 'an old snapshot restored as live, gone on with, and signed: two histories' '
	# As many events as the other history has, and more.
	for more in 8 12; do
		fresh
		rm -rf root/durable root/live root/.snapshots/*
		cp -a base/.snapshots/${first##*/} root/live
		rm root/live/.ecl/block root/live/.ecl/block.note root/live/.ecl/checkpoint root/checkpoint
		for i in $(seq $more); do echo "{\"element\":\"z$i\",\"state\":$i}"; done | ecl-append -q -d root
		note checkpoint root/live | note sign test test.pem >root/checkpoint
		verify 0 --key "$key"
		test_grep "\"signed\":$((8 + more))," last
		verify 1 --key "$key" --checkpoint kept
		found "\"class\":\"forked\",\"seq\":15"
		test_grep "both are signed" out
	done
	verify 1 --checkpoint kept
	found "\"class\":\"rewritten\",\"seq\":15"
	sign_block "base/.snapshots/${second##*/}"
	cp -a base/.snapshots/${second##*/} root/.snapshots/
	verify 1 --key "$key"
	test_grep "^{\"class\":\"forked\",\"seq\":12,\"block\":\"${second##*/}\"}" brief
	test_grep "^{\"verdict\":\"forked\"" last
'

test_expect_success 'the origin in the genesis changed' '
	fresh
	alone
	rm -r root/live/.ecl/index
	sed -i "9d;14d" "$log"
	sed -i "1s/\"origin\":\"test\"/\"origin\":\"evil\"/" "$log"
	forge renumber "$log"
	verify 1 --key "$key"
	found "\"class\":\"rewritten\",\"seq\":0,\"path\":\"checkpoint\""
	test_grep "the checkpoint is of .test., the log says that it is .evil." out
	rm root/checkpoint
	verify 1 --checkpoint kept10
	found "\"class\":\"rewritten\",\"seq\":0"
	test_expect_code 1 ecl-verify --checkpoint kept10 - <"$log" >all
	test_grep "^{\"class\":\"rewritten\",\"seq\":0,\"message\":\"the checkpoint .kept10. is of .test." all
	note checkpoint root/live | note sign evil other.pem >root/checkpoint
	verify 1 --key "$key"
	found "\"class\":\"unsigned\",\"path\":\"checkpoint\""
	test_grep "the checkpoint is of .evil.: no key of that name was given" out
'

# Signatures.

test_expect_success 'unsigned where a key is demanded' '
	fresh
	rm root/checkpoint
	find root/.snapshots -name checkpoint -delete
	find root/.snapshots -name block.note -delete
	verify 0
	silent
	verify 1 --key "$key"
	found "\"class\":\"unsigned\",\"path\":\"checkpoint\""
	test_expect_code 1 ecl-verify --key "$key" - <"$log" >all
	test_grep "^{\"class\":\"unsigned\",\"message\"" all
	test_expect_code 1 ecl-verify --key "$key" -d "$first" >all
	test_grep "^{\"class\":\"unsigned\",\"block\":\"${first##*/}\",\"message\":\"the block.s header carries no signature" all
'

test_expect_success 'ROOT/checkpoint deleted: with a key unsigned, else it is noted' '
	fresh
	rm root/checkpoint
	verify 1 --key "$key"
	found "\"class\":\"unsigned\",\"path\":\"checkpoint\""
	test_grep "\"signed\":13," last
	verify 0
	noted checkpoint-lag
	echo "{\"class\":\"checkpoint-lag\",\"block\":\"${second##*/}\"}" | test_cmp - brief
'

test_expect_success 'ROOT/checkpoint rolled back: a newer signed one tells, else the blocks do, as a note' '
	fresh
	cp kept10 root/checkpoint
	verify 0 --key "$key"
	noted checkpoint-lag
	test_grep "\"signed\":13," last
	verify 1 --key "$key" --checkpoint kept
	found "\"class\":\"truncated\",\"path\":\"checkpoint\""
	test_grep "an older one was put back" out
	cp "$second/.ecl/checkpoint" root/checkpoint
	verify 0 --key "$key"
	echo "{\"class\":\"unsigned-tail\",\"seq\":13}" | test_cmp - brief
'

test_expect_success 'signed with another key: of the same name, of another' '
	fresh
	note checkpoint root/live | note sign test other.pem >root/checkpoint
	verify 0
	silent
	verify 1 --key "$key"
	found "\"class\":\"unsigned\",\"path\":\"checkpoint\""
	test_grep "the checkpoint is not signed by the key that was demanded" out
	sign_block "$first" test other.pem
	cp base/checkpoint root/checkpoint
	verify 1 --key "$key"
	found "\"class\":\"unsigned\",\"block\":\"${first##*/}\",\"path\":\".ecl/checkpoint\"" \
		"\"class\":\"unsigned\",\"block\":\"${first##*/}\",\"path\":\".ecl/block.note\""
	verify 0 --key "$key" --key "$otherkey"
	note checkpoint root/live | note sign someone other.pem >root/checkpoint
	verify 1 --key "$key"
	test_grep "^{\"class\":\"unsigned\",\"path\":\"checkpoint\"" brief
	verify 1 --key "$key" --checkpoint root/checkpoint
	test_grep "the checkpoint .root/checkpoint. is not signed" out
'

test_expect_success 'a signature that is wrong spoils the note, whatever else has signed it' '
	fresh
	note checkpoint root/live | note sign test test.pem | sed "2s/.*/15/" | note sign test other.pem >root/checkpoint
	verify 1 --key "$key" --key "$otherkey"
	test_grep "^{\"class\":\"unsigned\",\"path\":\"checkpoint\"}" brief
'

test_expect_success 'ROOT/checkpoint mangled in every byte' '
	fresh
	note bytes root/checkpoint ecl-verify --quick --key "$key" -d root
'

test_expect_success 'a block'\''s checkpoint and note mangled in every byte' '
	fresh
	note bytes "$second/.ecl/checkpoint" ecl-verify --key "$key" -d "$second"
	note bytes "$second/.ecl/block.note" ecl-verify --key "$key" -d "$second"
'

test_expect_success 'ROOT/checkpoint is something else' '
	fresh
	echo garbage >root/checkpoint
	verify 1
	found "\"class\":\"corrupt\",\"path\":\"checkpoint\""
	verify 1 --key "$key"
	found "\"class\":\"corrupt\",\"path\":\"checkpoint\""
	: >root/checkpoint
	verify 1
	found "\"class\":\"corrupt\",\"path\":\"checkpoint\""
	rm root/checkpoint
	ln -s "$PWD/kept" root/checkpoint
	verify 1
	found "\"class\":\"corrupt\",\"path\":\"checkpoint\""
	rm root/checkpoint
	mkfifo root/checkpoint
	verify 1
	found "\"class\":\"corrupt\",\"path\":\"checkpoint\""
	rm root/checkpoint
	head -c 2000000 /dev/zero | tr "\0" a >root/checkpoint
	verify 1
	found "\"class\":\"corrupt\",\"path\":\"checkpoint\""
'

test_expect_success 'a block'\''s note and checkpoint are those of another block, of another ledger' '
	fresh
	for file in block.note checkpoint; do
		cp "base/.snapshots/${second##*/}/.ecl/$file" "$first/.ecl/$file"
	done
	verify 1
	found "\"class\":\"block-damaged\",\"block\":\"${first##*/}\",\"path\":\".ecl/checkpoint\"" \
		"\"class\":\"block-damaged\",\"block\":\"${first##*/}\",\"path\":\".ecl/block.note\""
	fresh
	{ echo other; sed -n "2,3p" "$first/.ecl/checkpoint"; } | note sign test test.pem >text
	mv text "$first/.ecl/checkpoint"
	{ echo other/block; cat "$first/.ecl/block"; } | note sign test test.pem >"$first/.ecl/block.note"
	verify 1
	found "\"class\":\"block-damaged\",\"block\":\"${first##*/}\",\"path\":\".ecl/checkpoint\"" \
		"\"class\":\"block-damaged\",\"block\":\"${first##*/}\",\"path\":\".ecl/block.note\""
	test_grep "of another ledger" out
'

# Blocks.

test_expect_success 'a block'\''s file, mode, link target or header changed; a block deleted' '
	for attack in "printf hellO >etc/motd" "chmod 600 etc/motd" "ln -sfn nowhere etc/link"; do
		fresh
		(cd "$first" && eval "$attack")
		verify 1 --key "$key"
		found "\"class\":\"block-damaged\",\"block\":\"${first##*/}\"" || { echo "after $attack"; return 1; }
		test_grep "\"anchored\":13,\"signed\":14," last
		test_expect_code 1 ecl-verify --key "$key" -d "$first" >all
		test_grep "^{\"class\":\"block-damaged\",\"block\":\"${first##*/}\",\"message\"" all
	done
	fresh
	sed -i "s/\"entries\":3/\"entries\":4/" "$first/.ecl/block"
	verify 1 --key "$key"
	found "\"class\":\"block-damaged\",\"block\":\"${first##*/}\",\"path\":\".ecl/block\""
	fresh
	rm -rf "$first"
	verify 1 --key "$key"
	found "\"class\":\"block-damaged\",\"seq\":8,\"block\":\"${first##*/}\""
'

test_expect_success 'a header changed, with a hash and a name of its own: its note and the log tell' '
	fresh
	sed -i "s/\"entries\":3/\"entries\":4/" "$second/.ecl/block"
	echo new >"$second/etc/new"
	forge edit "$second/.ecl/block" 0 "\"entries\":4" "\"entries\":4"
	hash=$(tail -c 67 "$second/.ecl/block" | head -c 8)
	mv "$second" "root/.snapshots/block-000001-$hash"
	verify 1 --key "$key"
	test_grep "^{\"class\":\"block-damaged\",\"block\":\"block-000001-$hash\",\"path\":\".ecl/block.note\"}" brief
	test_grep "^{\"class\":\"block-damaged\",\"seq\":13,\"block\":\"block-000001-$hash\",\"path\":\".ecl/block\"}" brief
	test_expect_code 1 ecl-verify --key "$key" -d "root/.snapshots/block-000001-$hash" >all
	test_grep "^{\"class\":\"block-damaged\",\"block\":\"block-000001-$hash\",\"path\":\".ecl/block.note\"" all
'

# The index.

test_expect_success 'tree files edited, index edited, index of another ledger: harmless, and noted' '
	index=root/live/.ecl/index
	for file in tree.0-00000000000000000000 rows-00000000000000000000 births-00000000000000000000; do
		fresh
		test -f $index/$file
		forge flip $index/$file 40
		verify 0 --key "$key"
		noted index-damaged || { echo "$file"; return 1; }
		test_grep "\"path\":\"live/.ecl/index\",\"message\":.*ecl-index --rebuild" out
		test_expect_code 1 ecl-index -q --check -d root
		ecl-index -q --rebuild -d root
		verify 0
		silent
	done
	fresh
	for file in $index/elements-*.run $index/head; do
		fresh
		forge flip $file 30
		verify 0
		noted index-damaged
	done
	fresh
	ecl-index -q -d own
	cp own/live/.ecl/index/* $index/
	verify 0
	noted index-damaged
	rm -r $index
	verify 0
	silent
	echo >$index
	verify 0
	noted index-damaged
'

test_expect_success 'an index that is far behind is noted, and ecl-index mends it' '
	ecl-init -q --backend copy --embedder none far
	seq -f "{\"element\":\"x:%.0f\",\"state\":1}" 1 320000 | ecl-append -q -d far
	ecl-verify -d far >out
	test_line_count = 1 out
	rm -r far/live/.ecl/index
	ecl-verify -d far >out
	test_grep "^{\"class\":\"index-lag\",\"path\":\"live/.ecl/index\",\"message\":\"it lacks the last 320001 of 320001 events" out
	test_grep "^{\"verdict\":\"ok\"" out
	ecl-index -q -d far
	ecl-verify -d far >out
	test_line_count = 1 out
	ecl-snap -q -d far
	ecl-verify -d far --since block-0 >out
	test_line_count = 1 out
	test_grep "^{\"verdict\":\"ok\",\"events\":1,.*\"since\":320001}" out
	append far "{\"element\":\"x:1\",\"state\":2}"
	segment=$(ls far/live/.ecl/log | tail -n 1)
	test "$segment" = 00000000000000320001.ndjson
	forge flip far/live/.ecl/log/$segment 300
	test_expect_code 1 ecl-verify -d far --since block-0 >out
	test_grep "^{\"class\":\"corrupt\",\"seq\":320001,\"segment\":\"$segment\",\"offset\":0," out
'

# Witnesses.

cosign()
{
	note cosign "w.example/$1" "w$1.pem" 1679315147
}

test_expect_success 'a quorum of witnesses' '
	fresh
	cosign 1 <base/checkpoint | cosign 2 >root/checkpoint
	verify 0 --key "$key" --witness "$w1" --witness "$w2" --witness "$w3" --quorum 2
	test_grep "\"signed\":14,.*,\"signer\":\"[^\"+]*+[0-9a-f]\{8\}\",\"witnessed\":14}" last
	verify 0 --witness "$w1" --witness "$w2"
	verify 1 --key "$key" --witness "$w1" --witness "$w2" --witness "$w3"
	found "\"class\":\"unsigned\""
	test_grep "no checkpoint is cosigned by 3 of the 3 witnesses: the most is 2" out
	ecl-verify --table -d root --witness "$w1" --witness "$w3" --quorum 1 >text
	test_grep "^witnessed: events 0 to 13, by 1 or more of 2$" text
	verify 1 --witness "$w3"
	found "\"class\":\"unsigned\""
	cosign 3 <kept10 >cosigned
	verify 0 --witness "$w3" --checkpoint cosigned
	test_grep "\"witnessed\":10}" last
	test_grep "^{\"class\":\"unsigned-tail\",\"seq\":10,.*witnesses cosigned" out
	cp kept10 root/checkpoint
	{ sed -n 1,4p kept10; sed -n "5,\$p" cosigned | grep w.example; } >text
	sed -i "2s/10/9/" text
	test_expect_code 1 ecl-verify -d root --quick --witness "$w3" --checkpoint text >out
	test_grep "^{\"class\":\"unsigned\"" out
'

test_expect_success 'a log rewritten, with witnesses: two histories that both have a quorum are a fork' '
	fresh
	alone
	rm -r root/live/.ecl/index
	sed -i "9d;14d" "$log"
	forge renumber "$log"
	cosign 1 <kept10 | cosign 2 >cosigned
	note checkpoint root/live | note sign test test.pem | cosign 1 | cosign 2 >root/checkpoint
	verify 1 --checkpoint cosigned
	found "\"class\":\"rewritten\",\"seq\":9"
	verify 1 --checkpoint cosigned --witness "$w1" --witness "$w2"
	found "\"class\":\"forked\",\"seq\":9"
'

# What is taken on trust.

test_expect_success 'since a block: what came before is not looked at, and that is said' '
	fresh
	verify 0 --since block-1 --key "$key"
	test_grep "\"events\":3,\"blocks\":0,.*\"signed\":14,.*,\"since\":13}" last
	verify 0 --since block-0
	silent
	test_grep "\"events\":8,\"blocks\":1,.*\"anchored\":13,.*,\"since\":8}" last
	verify 0 --quick --since block-0 --key "$key"
	test_grep "\"events\":8,\"blocks\":0,.*\"signed\":14,.*,\"since\":8}" last
	verify 0 --quick --since block-0 --checkpoint kept
	silent
	ecl-verify --table -d root --since block-0 >text
	test_grep "^not checked: events 0 to 7, blocks up to ${first##*/}; states" text
	forge flip "$log" $(($(at 3) + 100))
	chmod 600 "$first/etc/motd"
	verify 0 --since block-0
	silent
	rm -r root/live/.ecl/index
	verify 0 --since block-0 --key "$key"
	test_grep "\"signed\":14," last
	verify 1
'

test_expect_success 'since a block: hashes in the index that were edited, with checksums that fit, mislead nobody' '
	fresh
	ecl-index -q -d root
	verify 0 --since block-0 --key "$key"
	test_grep ! index- out
	python3 "$top_srcdir/t/forge-index.py" --tree root/live/.ecl/index
	verify 0 --since block-0 --key "$key"
	noted index-damaged
	test_grep "\"events\":8,\"blocks\":1,.*\"anchored\":13,.*\"signed\":14,.*,\"since\":8}" last
	verify 0 --quick --since block-0 --key "$key"
	test_grep "\"signed\":14,.*,\"since\":8}" last
	verify 0 --key "$key"
	noted index-damaged
'

test_expect_success 'since a block: what came after it is' '
	fresh
	rm root/durable
	forge flip "$log" $(($(at 10) + 100))
	verify 1 --since block-0
	found "\"class\":\"corrupt\",\"seq\":10,\"segment\":\"$name\",\"offset\":$(at 10)"
	fresh
	rm root/durable
	forge chain "$log" 9 "a test" "a tesT"
	verify 1 --since block-0 --key "$key"
	test_grep "^{\"class\":\"rewritten\",\"seq\":9,\"segment\":\"$name\",\"offset\":$(at 9),\"block\":\"${second##*/}\"}" brief
	test_grep "^{\"class\":\"rewritten\",\"seq\":13,\"path\":\"checkpoint\"}" brief
	test_grep "\"signed\":8,.*\"since\":8" last
	fresh
	rm -rf "$second"
	verify 1 --since block-0
	found "\"class\":\"block-damaged\",\"seq\":13,\"block\":\"${second##*/}\""
'

test_expect_success 'since a block: parents among the events that it covers are checked, by the heads that its header has' '
	fresh
	append root "{\"element\":\"interface:eth1\",\"state\":{\"mtu\":9}}" "{\"element\":\"new\",\"state\":1}"
	rm root/durable
	cp "$log" good
	verify 0 --since block-1
	silent
	for wrong in 1 5 null 15 12; do
		cp good "$log"
		forge chain "$log" 16 "\"parent\":7" "\"parent\":$wrong"
		verify 1 --since block-1
		found "\"class\":\"rewritten\",\"seq\":16,\"segment\":\"$name\",\"offset\":$(at 16)"
		test_grep "event 16 has the parent $wrong, but its element.s last event is 7\"" out
		test_grep "\"since\":13" last
	done
	cp good "$log"
	forge chain "$log" 17 "\"parent\":null" "\"parent\":3"
	verify 1 --since block-1
	test_grep "event 17 has the parent 3, but its element is new\"" out
	cp good "$log"
	# An index that bears out what is wrong is not believed; one that is not there is not needed.
	forge chain "$log" 16 "\"parent\":7" "\"parent\":4"
	python3 "$top_srcdir/t/forge-index.py" "$second/.ecl/index" interface:eth1 4 4 1
	verify 1 --since block-1
	found "\"class\":\"rewritten\",\"seq\":16,\"segment\":\"$name\",\"offset\":$(at 16)"
	test_grep "\"since\":0" last
	rm -r "$second/.ecl/index"
	verify 1 --since block-1
	test_grep "\"since\":13" last
	cp good "$log"
	verify 0 --since block-1
	forge chain "$second/.ecl/log/$name" 9 service:s1 service:s9
	verify 1 --since block-1
	test_grep "\"since\":0" last
'

test_expect_success 'since a block: heads in the headers of later blocks are checked' '
	fresh
	forge edit "$second/.ecl/block" 0 "\"heads\":\"" "\"heads\":\"0"
	sed -i "s/\(\"heads\":\"[0-9a-f]\{64\}\)[0-9a-f]/\1/" "$second/.ecl/block"
	forge edit "$second/.ecl/block" 0 "\"heads\"" "\"heads\""
	lie=block-000001-$(tail -c 67 "$second/.ecl/block" | head -c 8)
	mv "$second" "root/.snapshots/$lie"
	verify 1 --since block-0
	test_grep "^{\"class\":\"rewritten\",\"seq\":12,\"block\":\"$lie\"}" brief
	test_grep "the last events of the elements are not those" out
'

test_expect_success 'a checkpoint of no events vouches for none' '
	fresh
	alone
	printf "test\\n0\\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\\n" | note sign test test.pem | note cosign w.example/1 w1.pem 1700000000 >root/checkpoint
	verify 1 --quick --key "$key"
	found "\"class\":\"unsigned\",\"path\":\"checkpoint\""
	verify 1 --quick --witness "$w1"
	test_grep "^{\"class\":\"unsigned\",\"path\":\"checkpoint\"" out
'

test_expect_success 'since a block: a checkpoint of witnesses that ends before it says nothing of the log' '
	fresh
	note checkpoint root/live 10 | note sign test test.pem | note cosign w.example/1 w1.pem 1700000000 >root/checkpoint
	verify 0 --since block-0 --witness "$w1"
	test_grep "\"witnessed\":10" last
	verify 2 --since block-1 --witness "$w1"
	found "\"class\":\"unchecked\",\"path\":\"checkpoint\""
	verify 2 --since block-1 --quick --witness "$w1"
	verify 0 --since block-1 --key "$key"
'

test_expect_success 'since a block: a block that the log does not tell of is found, wherever it says that it ends' '
	fresh
	cp -a "$first" planted
	rm planted/.ecl/checkpoint planted/.ecl/block.note
	echo evil >planted/etc/motd
	forge edit planted/.ecl/block 0 "\"height\":0" "\"height\":2"
	planted=block-000002-$(sed "s/.*\"hash\":\"//" planted/.ecl/block | head -c 8)
	mv planted "root/.snapshots/$planted"
	for since in block-0 block-1; do
		verify 1 --since $since --key "$key"
		grep "\"path\":\".ecl/block\"" brief | test_cmp - <(echo "{\"class\":\"block-damaged\",\"block\":\"$planted\",\"path\":\".ecl/block\"}") || return 1
	done
'

test_expect_success 'a block that the log does not record, or that stands alone, follows the last one that its log does: by height, size and header' '
	fresh
	of() { sed "s/.*\"$1\":\"\([0-9a-f]*\)\".*/\1/" "$2/.ecl/block"; }
	last=$(of hash "$second") before=$(of prev "$second")
	cp -a root made
	ecl-snap -q -d made
	cp -a made/.snapshots/block-000002-* next
	rm -r made
	# plant FROM OLD NEW...: a block by this name, with other words in its header.
	plant()
	{
		rm -rf root/.snapshots/block-000002-* && cp -a "$1" planted && rm -f planted/.ecl/checkpoint planted/.ecl/block.note || return 1
		shift
		while test $# != 0; do
			forge edit planted/.ecl/block 0 "$1" "$2" && shift 2 || return 1
		done
		planted=block-000002-$(of hash planted | head -c 8) && mv planted "root/.snapshots/$planted"
	}
	plant next
	verify 0
	plant next "\"prev\":\"$last" "\"prev\":\"$before"
	verify 1
	found "\"class\":\"block-damaged\",\"block\":\"$planted\",\"path\":\".ecl/block\""
	test_grep "does not follow the last one recorded" out
	# All of it is right, but that block 1 is of those events already.
	plant "$second" "\"height\":1" "\"height\":2" "\"prev\":\"$before" "\"prev\":\"$last"
	verify 1
	test_grep "\"block\":\"$planted\".*does not follow the last one recorded" out
	for words in "height\":1 height\":2" "prev\":\"$before prev\":\"$last"; do
		rm -rf lone
		cp -a "$second" lone
		rm lone/.ecl/checkpoint lone/.ecl/block.note
		ecl-verify -q -d lone
		forge edit lone/.ecl/block 0 $words
		test_expect_code 1 ecl-verify -d lone >out
		test_grep "\"path\":\".ecl/block\".*does not follow the last one that its log records" out
	done
	rm -r lone next
'

test_expect_success 'a block that the log does not record, in the place of the next one, is good for nobody who demands a key but when signed by it' '
	fresh
	cp -a root made
	echo evil >made/live/etc/motd
	ecl-snap -q -d made
	planted=$(echo made/.snapshots/block-000002-*)
	cp -a "$planted" root/.snapshots
	rm -r made
	planted=root/.snapshots/${planted##*/}
	verify 0
	echo "{\"class\":\"unrecorded-block\",\"block\":\"${planted##*/}\"}" | test_cmp - brief
	for since in "" "--since block-1"; do
		verify 1 --key "$key" $since
		found "\"class\":\"unsigned\",\"block\":\"${planted##*/}\"" || return 1
	done
	sign_block "$planted" test other.pem
	verify 1 --key "$key"
	test_grep "^{\"class\":\"unsigned\",\"block\":\"${planted##*/}\"}" brief
	verify 0 --key "$otherkey" --key "$key"
	sign_block "$planted"
	verify 0 --key "$key"
	test_grep "unrecorded-block" brief
	rm "$planted/.ecl/block.note"
	verify 1 --key "$key"
	found "\"class\":\"unsigned\",\"block\":\"${planted##*/}\""
'

test_expect_success 'ecl-snap --list and ecl-query --blocks say who signed a block, by what its note says' '
	fresh
	k=$(echo "$key" | cut -d + -f 1,2)
	o=$(echo "$otherkey" | cut -d + -f 1,2)
	sign_block "$second" test other.pem
	{ cat "$second/.ecl/block.note"; tail -n 1 "$first/.ecl/block.note"; } >two
	ecl-snap -d root --list | jq -c .signed >out
	printf "[\"%s\"]\n" "$k" "$o" | test_cmp - out
	cp two "$second/.ecl/block.note"
	ecl-query -d root --blocks | jq -c .signed >out
	printf "[\"%s\"]\n" "$k" "$o\",\"$k" | test_cmp - out
	ecl-snap -d root --list --table >out
	test_grep "^block-000001-.* signed$" out
	cp "$first/.ecl/block.note" "$second/.ecl/block.note"
	rm -r "$first"
	ecl-snap -d root --list | jq -c .signed >out
	printf "null\n[]\n" | test_cmp - out
'

test_expect_success 'since a block that is no ground to stand on: all is looked at' '
	fresh
	rm root/durable
	forge chain "$log" 5 1505 9000
	verify 1 --since block-1
	test_grep "^{\"class\":\"rewritten\",\"seq\":5,\"segment\":\"$name\",\"offset\":$(at 5),\"block\":\"${first##*/}\"}" brief
	test_grep "\"since\":0}" last
	fresh
	rm -r root/live/.ecl/index
	forge flip "$log" $(($(at 4) - 10))
	verify 1 --since block-0
	found "\"class\":\"corrupt\",\"seq\":3,\"segment\":\"$name\",\"offset\":$(at 3)"
	test_grep "\"since\":0}" last
	fresh
	forge edit "$first/.ecl/block" 0 "\"head\":\"" "\"head\":\"0"
	sed -i "s/\(\"head\":\"[0-9a-f]\{64\}\)[0-9a-f]/\1/" "$first/.ecl/block"
	forge edit "$first/.ecl/block" 0 "\"head\"" "\"head\""
	lie=block-000000-$(tail -c 67 "$first/.ecl/block" | head -c 8)
	mv "$first" "root/.snapshots/$lie"
	verify 1 --since "$lie"
	test_grep "^{\"class\":\"rewritten\",\"seq\":7,\"block\":\"$lie\"" brief
	test_grep "\"since\":0}" last
	fresh
	sign_block "$second" test other.pem
	verify 1 --since block-1 --key "$key"
	found "\"class\":\"unsigned\",\"block\":\"${second##*/}\",\"path\":\".ecl/checkpoint\"" \
		"\"class\":\"unsigned\",\"block\":\"${second##*/}\",\"path\":\".ecl/block.note\""
	test_grep "\"events\":16,\"blocks\":2,.*\"since\":0}" last
	rm "$second/.ecl/checkpoint" "$second/.ecl/block.note"
	verify 1 --since block-1 --key "$key"
	found "\"class\":\"unsigned\",\"block\":\"${second##*/}\""
	verify 0 --since block-1
	verify 0 --since block-0 --key "$key"
	sed -i "s/\"entries\":3/\"entries\":4/" "$first/.ecl/block"
	verify 1 --since block-0
	found "\"class\":\"block-damaged\",\"block\":\"${first##*/}\",\"path\":\".ecl/block\""
	verify 1 --quick --since "${first##*/}"
	found "\"class\":\"block-damaged\",\"block\":\"${first##*/}\",\"path\":\".ecl/block\""
	test_expect_code 2 ecl-verify -d root --since block-7
	truncate -s $(at 10) "$log"
	rm root/durable
	verify 1 --since block-1
	test_grep "^{\"class\":\"truncated\"" brief
'

test_expect_success 'a checkpoint from before the block that is trusted cannot be compared, and is not called good' '
	fresh
	verify 2 --since block-1 --checkpoint kept10
	found "\"class\":\"unchecked\""
	test_grep "could not be compared" out
	verify 0 --since block-0 --checkpoint kept10
'

# Streams, blocks that stand alone, several roots.

test_expect_success 'a stream against a checkpoint' '
	fresh
	ecl-replay -d root | ecl-verify --checkpoint kept --key "$key" - >out
	test_line_count = 1 out
	test_grep "\"signed\":16," out
	ecl-replay -d root | ecl-verify --quick --checkpoint kept10 - >out
	test_line_count = 1 out
	ecl-replay -d root --from 5 | test_expect_code 2 ecl-verify --checkpoint kept - >out
	test_grep "^{\"class\":\"unchecked\"" out
	test_expect_code 2 ecl-verify --checkpoint - - </dev/null
	test_expect_code 0 ecl-verify -d root --checkpoint - <kept
	echo nonsense | test_expect_code 2 ecl-verify -d root --checkpoint - 2>err
	test_grep "standard input. is no checkpoint" err
	test_expect_code 2 ecl-verify -d root --checkpoint nowhere
'

test_expect_success 'a block that stands alone, wherever it is' '
	fresh
	cp -a "$second" elsewhere
	ecl-verify -d elsewhere --key "$key" >out
	test_line_count = 1 out
	test_grep "^{\"verdict\":\"ok\",\"events\":13,\"blocks\":1,.*\"anchored\":13,\"signed\":13," out
	ecl-verify -d elsewhere --checkpoint kept10 >out
	test_line_count = 1 out
	test_expect_code 1 ecl-verify -d elsewhere --checkpoint kept >out
	test_grep "^{\"class\":\"truncated\",\"seq\":13," out
	ecl-verify -d elsewhere --quick --key "$key" >out
	test_grep "\"signed\":13," out
	echo changed >elsewhere/.ecl/checkpoint
	test_expect_code 1 ecl-verify -d elsewhere --quick --key "$key" >out
	test_grep "^{\"class\":\"corrupt\",\"path\":\".ecl/checkpoint\"" out
	cp "$second/.ecl/checkpoint" elsewhere/.ecl/
	rm elsewhere/.ecl/block.note
	test_expect_code 1 ecl-verify -d elsewhere --key "$key" --checkpoint kept10 >out
	test_grep "^{\"class\":\"unsigned\",\"block\":\"${second##*/}\",\"message\":\"the block.s header" out
	sed -n 14p "$log" >>elsewhere/.ecl/log/$name
	test_expect_code 1 ecl-verify -d elsewhere >out
	test_grep "^{\"class\":\"block-damaged\",\"seq\":13,.*\"block\":\"${second##*/}\",\"path\":\".ecl/log\"" out
	ecl-verify -d root/live >out
	test_line_count = 1 out
	test_grep "\"events\":16,\"blocks\":0," out
	test_expect_code 1 ecl-verify -d root/live --key "$key" >out
	test_grep "^{\"class\":\"unsigned\",\"message\":\"nothing here is signed" out
	ecl-verify -d root/live --key "$key" --checkpoint kept >out
	test_grep "\"signed\":16," out
'

test_expect_success NONROOT,ROOT 'anybody who may read it; who may not read the checkpoint does not call the ledger good' '
	fresh
	chmod -R go+rX root
	chmod 600 root/lock root/durable root/blocks.lock
	as_user ecl-verify -d "$PWD/root" --key "$key" >out
	test_grep "\"signed\":14," out
	chmod 600 root/checkpoint
	test_expect_code 2 as_user ecl-verify -d "$PWD/root" >out
	test_grep "^{\"class\":\"unchecked\",\"path\":\"checkpoint\"" out
	chmod 644 root/checkpoint
	chmod 700 root/live/.ecl/index
	as_user ecl-verify -d "$PWD/root" >out
	test_line_count = 1 out
'

test_expect_success 'several roots' '
	mkdir roots
	cp -a base roots/a
	cp -a own roots/b
	mkdir roots/none
	ecl-verify --roots roots >out
	sed "s/\"seconds\":[0-9.]*,//" out | grep -o "^{\"verdict\":\"ok\"\|\"root\":.*" >brief
	printf "%s\n" "{\"verdict\":\"ok\"" "\"root\":\"a\"}" "{\"verdict\":\"ok\"" "\"root\":\"b\"}" | test_cmp - brief
	forge flip roots/b/live/.ecl/log/$name 300
	test_expect_code 1 ecl-verify --roots roots --table >out
	test_grep "^a: ok: " out
	test_grep "^b: corrupt: $name, byte 0: " out
	test_grep "^b: corrupt: " out
	test_expect_code 1 ecl-verify --roots roots --key "$key" >out
	test_grep "^{\"class\":\"corrupt\",\"seq\":0,.*,\"root\":\"b\"}$" out
	mkdir -p roots/c/live
	: >roots/c/lock
	test_expect_code 1 ecl-verify --roots roots >out 2>err
	test_grep "root .c.: .*half-made" err
	rm -r roots/b
	test_expect_code 2 ecl-verify --roots roots >out
	test_expect_code 2 ecl-verify --roots nowhere
	mkdir empty
	test_expect_code 2 ecl-verify --roots empty 2>err
	test_grep "no ledger directly under" err
'

test_expect_success 'usage' '
	fresh
	test_expect_code 2 ecl-verify -d root --key nonsense
	test_expect_code 2 ecl-verify -d root --key "$w1"
	test_expect_code 2 ecl-verify -d root --witness "$key"
	test_expect_code 2 ecl-verify -d root --witness "$w1" --quorum 2
	test_expect_code 2 ecl-verify -d root --witness "$w1" --quorum 0
	test_expect_code 2 ecl-verify -d root --quorum 1
	test_expect_code 2 ecl-verify -d root --witness "$w1" --witness "$(note witness again w1.pem)"
	test_expect_code 2 ecl-verify -d root --witness "$w1" --witness "$w1" --quorum 2
	test_expect_code 2 ecl-verify -d root --key "$key" --witness "$(note witness test test.pem)"
	test_expect_code 2 ecl-verify -d root --roots .
	test_expect_code 2 ecl-verify --roots . --since block-1
	test_expect_code 2 ecl-verify --roots . --checkpoint kept
	test_expect_code 2 ecl-verify --since block-1 - </dev/null
	test_expect_code 2 ecl-verify -d "$first" --since block-0
	test_expect_code 2 ecl-verify - here
'

# Live.

test_btrfs

for backend in copy btrfs; do
	prereq=
	test $backend = copy || prereq=BTRFS
	test_expect_success $prereq "no false alarm while others append, sign blocks and roll back ($backend)" '
		rm -f stop
		live=$(ecl_backend_root $backend)
		ecl-init -q --backend $backend --origin test --embedder none "$live"
		ecl-snap -q -d "$live" --sign test.pem
		(i=0; while test ! -e stop; do
			i=$((i + 1))
			seq -f "{\"element\":\"fast:%g\",\"state\":{\"run\":$i}}" 1 500 | ecl-append -q -d "$live" --wait 120
		done) >>said 2>&1 &
		(i=0; while test ! -e stop; do
			i=$((i + 1))
			echo $i >"$live/live/counter"
			ecl-snap -q -d "$live" --wait 120 --sign test.pem
		done) >>said 2>&1 &
		(while test ! -e stop; do
			sleep 0.4
			ecl-rollback -q --yes -d "$live" --wait 120 block-0
		done) >>said 2>&1 &
		test_when_finished "touch stop; wait"
		end=$((SECONDS + 6)) runs=0
		while test $SECONDS -lt $end || test $runs -lt 2; do
			cp "$live/checkpoint" known
			ecl-verify -d "$live" --key "$key" --checkpoint known >out || { cat out; return 1; }
			test_grep ! "checkpoint-lag\|index-" out
			ecl-verify --quick -d "$live" --key "$key" --checkpoint known >out || { cat out; return 1; }
			ecl-verify -d "$live" --key "$key" --since block-0 >out || { cat out; return 1; }
			runs=$((runs + 1))
		done
		touch stop
		wait
		cat said
		test_line_count = 0 said
		ecl-verify -d "$live" --key "$key"
	'
done

test_expect_success BTRFS 'a block that was received stands alone, and read-only' '
	live=$(ecl_backend_root btrfs)
	ecl-init -q --backend btrfs --origin test --embedder none "$live"
	echo 1 >"$live/live/file"
	append "$live" "{\"element\":\"a\",\"state\":1}"
	ecl-snap -q -d "$live" --sign test.pem
	block=$(echo "$live"/.snapshots/*)
	mkdir "$live/received"
	btrfs send -q "$block" | btrfs receive -q "$live/received"
	ecl-verify -d "$live/received/${block##*/}" --key "$key" >out
	test_line_count = 1 out
	test_grep "\"blocks\":1,.*\"signed\":2," out
'

test_done
