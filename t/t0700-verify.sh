#!/bin/bash
test_description='ecl-verify finds what was done to a ledger, and says where'
. "${0%/*}/test-lib.sh"

forge()
{
	python3 "$top_srcdir/t/forge.py" "$@"
}

# base: 16 events and two blocks of 8 and 12 events, one of them with files.  Their events are 8 and 13.
make_base()
{
	local i

	ecl-init -q --backend copy --origin test base &&
	mkdir base/live/etc && echo hello >base/live/etc/motd && echo more >base/live/etc/more &&
	ln -s motd base/live/etc/link &&
	for i in 1 2 3 4 5 6 7; do
		echo "{\"element\":\"interface:eth$((i % 3))\",\"state\":{\"mtu\":150$i}}"
	done | ecl-append -q -d base && ecl-snap -q -d base &&
	for i in 1 2 3 4; do
		echo "{\"element\":\"service:s$i\",\"state\":\"up\",\"cause\":\"a test\"}"
	done | ecl-append -q -d base && ecl-snap -q -d base &&
	printf '%s\n' '{"element":"x","state":1}' '{"element":"x","state":2}' | ecl-append -q -d base
}

# A copy to attack.  log, first, second: its only segment and its blocks.
fresh()
{
	rm -rf root && cp -a base root &&
	log=root/live/.ecl/log/00000000000000000000.ndjson &&
	first=$(echo root/.snapshots/block-000000-*) && second=$(echo root/.snapshots/block-000001-*)
}

# verify CODE [OPTION...]: its findings in out, without the messages in brief, the summary in last.
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

# found CLASS SEQ OFFSET: the only finding.
found()
{
	echo "{\"class\":\"$1\",\"seq\":$2,\"segment\":\"00000000000000000000.ndjson\",\"offset\":$3}" >expect &&
	test_cmp expect brief && test_grep "^{\"verdict\":\"$1\"" last
}

# damaged [PATH]: the only finding is about the first block.
damaged()
{
	echo "{\"class\":\"block-damaged\",\"block\":\"${first##*/}\"${1:+,\"path\":\"$1\"}}" >expect &&
	test_cmp expect brief && test_grep '^{"verdict":"block-damaged"' last
}

at()
{
	forge offset "$log" "$1"
}

test_expect_success 'setup' 'make_base'

test_expect_success 'nothing is wrong' '
	fresh
	find root -type f -exec sha256sum {} + >before
	verify 0
	test_line_count = 0 out
	test_grep "^{\"verdict\":\"ok\",\"events\":16,\"blocks\":2,\"bytes\":$(wc -c <"$log"),\"seconds\":[0-9.]*,\"anchored\":13,\"signed\":0,\"head\":\"$(tail -c 67 "$log" | head -c 64)\"}$" last
	verify 0 --quick
	test_grep "^{\"verdict\":\"ok\",\"events\":16,\"blocks\":0," last
	find root -type f -exec sha256sum {} + | test_cmp before -
'

test_expect_success 'with -q it is silent, on request it speaks to people' '
	ecl-verify -q -d root >out 2>&1
	test_line_count = 0 out
	ecl-verify --table -d root >out
	test_grep "^ok: 16 events and 2 blocks checked in .* nothing is wrong; the first 13 events stand in a block too$" out
'

# The log.

test_expect_success 'a byte of a state' '
	fresh
	forge flip "$log" $(($(at 5) + $(sed -n 6p "$log" | grep -bo mtu | cut -d: -f1)))
	verify 1 --quick
	found corrupt 5 $(at 5)
	verify 1
	found corrupt 5 $(at 5)
	test_grep "does not have the hash" out
	test_grep "\"anchored\":0," last
'

test_expect_success 'a byte that breaks the form: the place in the line is named' '
	fresh
	forge flip "$log" $(($(at 5) + 1))
	verify 1 --quick
	found corrupt 5 $(at 5)
	test_grep "expected the member .seq. at byte 1 of the line" out
'

test_expect_success 'any byte' '
	fresh
	forge flips "$log" ecl-verify --quick -d root
'

test_expect_success 'two bytes far apart are two findings' '
	fresh
	forge flip "$log" $(($(at 3) + 100))
	forge flip "$log" $(($(at 10) + 100))
	verify 1
	test_line_count = 2 brief
	test_grep "\"corrupt\",\"seq\":3," brief
	test_grep "\"corrupt\",\"seq\":10," brief
'

test_expect_success 'a tail cut in a line is torn, and where ROOT/durable knows of the event, it is lost' '
	fresh
	end=$(at 15)
	truncate -s -5 "$log"
	verify 1
	test_line_count = 2 brief
	test_grep "^{\"class\":\"torn\",\"seq\":15,\"segment\":\"00000000000000000000.ndjson\",\"offset\":$end}" brief
	test_grep "^{\"class\":\"truncated\",\"seq\":15,\"segment\":\"00000000000000000000.ndjson\",\"offset\":$end,\"path\":\"durable\"}" brief
	rm root/durable
	verify 1
	found torn 15 $end
	truncate -s $((end + 1)) "$log"
	verify 1 --quick
	found torn 15 $end
'

test_expect_success 'NULs at the end are torn, also with line feeds' '
	fresh
	end=$(wc -c <"$log")
	head -c 8192 /dev/zero >>"$log"
	verify 1
	found torn 16 $end
	printf "\nx\0y\n" >>"$log"
	verify 1
	found torn 16 $end
'

test_expect_success 'NULs with events behind them are corruption; so is a whole line at the end' '
	fresh
	end=$(at 15)
	last=$(tail -n 1 "$log")
	truncate -s $end "$log"
	head -c 4096 /dev/zero >>"$log"
	printf "\n%s\n" "$last" >>"$log"
	verify 1
	found corrupt 15 $end
	fresh
	echo "{}" >>"$log"
	verify 1
	found corrupt 16 $(at 16)
'

test_expect_success 'a tail cut at a line: ROOT/durable knows better' '
	fresh
	truncate -s $(at 15) "$log"
	verify 1
	echo "{\"class\":\"truncated\",\"seq\":15,\"segment\":\"00000000000000000000.ndjson\",\"offset\":$(wc -c <"$log"),\"path\":\"durable\"}" | test_cmp - brief
	verify 1 --quick
	rm root/durable
	verify 0
'

test_expect_success 'a tail cut at a line: a block knows better' '
	fresh
	rm root/durable
	truncate -s $(at 10) "$log"
	verify 1
	test_grep "^{\"class\":\"truncated\",\"seq\":10,\"segment\":\"00000000000000000000.ndjson\",\"offset\":$(wc -c <"$log"),\"block\":\"${second##*/}\"}" brief
	test_grep "\"verdict\":\"truncated\",\"events\":10,\"blocks\":2,.*\"anchored\":8," last
'

test_expect_success 'all of the log is gone' '
	fresh
	rm root/durable "$log"
	verify 1
	test_grep "no genesis" out
	test_grep "\"block\":\"${first##*/}\"" out
	rmdir root/live/.ecl/log
	verify 1 --quick
	test_grep "\"verdict\":\"truncated\",\"events\":0,.*\"head\":null}" last
'

test_expect_success 'two events swapped' '
	fresh
	sed -i "10{h;d};11G" "$log"
	verify 1 --quick
	test_line_count = 3 brief
	sed -i 1q brief
	found rewritten 10 $(at 9)
'

test_expect_success 'an event twice, an event removed' '
	fresh
	sed -i 10p "$log"
	verify 1
	found rewritten 9 $(at 10)
	test_grep "is there twice" out
	fresh
	sed -i 10d "$log"
	verify 1
	found rewritten 10 $(at 9)
	test_grep "event 10 where 9 is next" out
'

test_expect_success 'an event edited and its hash recomputed: the next one tells' '
	fresh
	forge edit "$log" 2 1502 9000
	verify 1 --quick
	found rewritten 3 $(at 3)
	verify 1
	test_grep "^{\"class\":\"rewritten\",\"seq\":3,\"segment\":\"00000000000000000000.ndjson\",\"offset\":$(at 3)}" brief
	test_grep "^{\"class\":\"rewritten\",\"seq\":2,\"segment\":\"00000000000000000000.ndjson\",\"offset\":$(at 2),\"block\":\"${first##*/}\"}" brief
	test_line_count = 2 brief
'

test_expect_success 'the last event edited and its hash recomputed: ROOT/durable tells' '
	fresh
	forge edit "$log" 15 "\"state\":2" "\"state\":3"
	verify 1
	echo "{\"class\":\"rewritten\",\"seq\":15,\"path\":\"durable\"}" | test_cmp - brief
'

test_expect_success 'all hashes from there on recomputed: the first block behind it tells, with the place' '
	fresh
	rm root/durable
	forge chain "$log" 5 1505 9000
	verify 0 --quick
	verify 1
	echo "{\"class\":\"rewritten\",\"seq\":5,\"segment\":\"00000000000000000000.ndjson\",\"offset\":$(at 5),\"block\":\"${first##*/}\"}" >expect
	head -n 1 brief | test_cmp expect -
	test_grep "\"verdict\":\"rewritten\",.*\"anchored\":0," last
	fresh
	rm root/durable
	forge chain "$log" 9 "a test" "a tesT"
	verify 1
	test_grep "^{\"class\":\"rewritten\",\"seq\":9,\"segment\":\"00000000000000000000.ndjson\",\"offset\":$(at 9),\"block\":\"${second##*/}\"}" brief
	test_grep "\"anchored\":8," last
'

test_expect_success 'an event of another ledger' '
	ecl-init -q --backend copy other
	for i in 1 2 3 4 5 6 7 8 9; do echo "{\"element\":\"interface:eth0\",\"state\":$i}"; done | ecl-append -q -d other
	fresh
	foreign=$(sed -n 7p other/live/.ecl/log/*)
	FOREIGN=$foreign awk "NR == 7 { print ENVIRON[\"FOREIGN\"]; next } 1" base/live/.ecl/log/* >"$log"
	verify 1 --quick
	test_line_count = 2 brief
	test_grep "\"rewritten\",\"seq\":6,.*\"offset\":$(at 6)}" brief
	test_grep "\"rewritten\",\"seq\":7,.*\"offset\":$(at 7)}" brief
'

test_expect_success 'a time that goes back, a parent that is another: also where every hash is right' '
	fresh
	rm -rf root/durable root/.snapshots/*
	sed -i "9,\$d" "$log"
	forge chain "$log" 4 "\"parent\":1" "\"parent\":2"
	verify 1
	found rewritten 4 $(at 4)
	test_grep "has the parent 2, but its element.s last event is 1" out
	verify 0 --quick
	forge chain "$log" 4 "\"parent\":2" "\"parent\":null"
	verify 1
	found rewritten 4 $(at 4)
	forge chain "$log" 4 "\"parent\":null" "\"parent\":1"
	verify 0
	forge chain "$log" 4 "\"time\":\"20" "\"time\":\"19"
	verify 1 --quick
	found rewritten 4 $(at 4)
	forge chain "$log" 4 "\"time\":\"19" "\"time\":\"20"
	forge chain "$log" 0 "\"format\":1" "\"format\":2"
	verify 1 --quick
	found rewritten 0 0
'

test_expect_success 'a header in the log that is another: also where every hash is right' '
	fresh
	rm -rf root/durable root/.snapshots/*
	forge chain "$log" 8 "\"entries\":4" "\"entries\":5"
	verify 1
	test_grep "^{\"class\":\"rewritten\",\"seq\":8,.*\"offset\":$(at 8)," out
	test_grep "a block header whose hash is wrong" out
'

state()
{
	sed -n "$(($2 + 1))s/.*\"state\":\({[^}]*}\).*/\1/p" "$1"
}

test_expect_success 'headers in the log that do not follow each other' '
	fresh
	rm -rf root/durable root/.snapshots/*
	forge chain "$log" 13 "$(state "$log" 13)" "$(state "$log" 8)"
	verify 1
	test_grep "^{\"class\":\"rewritten\",\"seq\":13,.*\"offset\":$(at 13),.*height is not the next one" out
	ecl-snap -q -d other
	ecl-snap -q -d other
	fresh
	rm -rf root/durable root/.snapshots/*
	forge chain "$log" 13 "$(state "$log" 13)" "$(tail -n 1 other/live/.ecl/log/* | sed "s/.*\"state\":\({[^}]*}\).*/\1/")"
	verify 1
	test_grep "^{\"class\":\"rewritten\",\"seq\":13,.*\"offset\":$(at 13),.*does not follow the block before" out
'

test_expect_success 'where the blocks are gone, their headers in the log still tell' '
	fresh
	rm -rf root/durable root/.snapshots/*
	forge chain "$log" 5 1505 9000
	verify 1
	test_grep "^{\"class\":\"rewritten\",\"seq\":8,.*\"offset\":$(at 8)," out
	test_grep "{\"class\":\"block-damaged\",\"seq\":8,.*is missing" out
	test_expect_code 1 ecl-verify - <"$log" >out
	test_grep "^{\"class\":\"rewritten\",\"seq\":8,\"offset\":$(at 8)," out
	test_grep "\"verdict\":\"rewritten\"" out
'

test_expect_success 'a segment that begins where none should, has another name, or is missing' '
	fresh
	rm root/durable
	dir=root/live/.ecl/log
	new=$dir/00000000000000000006.ndjson
	tail -n +7 "$log" >"$new"
	truncate -s $(at 6) "$log"
	verify 1 --quick
	echo "{\"class\":\"rewritten\",\"seq\":6,\"segment\":\"00000000000000000006.ndjson\",\"offset\":0}" | test_cmp - brief
	mv "$new" $dir/00000000000000000005.ndjson
	verify 1 --quick
	test_grep "not with that of its name" out
	mv $dir/00000000000000000005.ndjson "$new"
	rm "$log"
	verify 1 --quick
	echo "{\"class\":\"truncated\",\"seq\":0,\"segment\":\"00000000000000000006.ndjson\",\"offset\":0}" >expect
	head -n 1 brief | test_cmp expect -
	: >"$log"
	verify 1 --quick
	test_grep "the segment is empty" out
'

test_expect_success 'two segments in one: where a new one should begin, the lines themselves say' '
	long=$(ecl_backend_root copy)
	ecl-init -q --backend copy --embedder none "$long"
	awk "BEGIN { for (s = \"x\"; length(s) < 900000;) s = s s; for (i = 0; i < 17; i++) printf \"{\\\"element\\\":\\\"a:%d\\\",\\\"state\\\":\\\"%s\\\"}\\n\", i, substr(s, 1, 990000) }" </dev/null |
		ecl-append -q -d "$long"
	for i in 1 2 3; do ecl-append -q -d "$long" -e small:$i -s $i; done
	ecl-snap -q -d "$long"
	ecl-append -q -d "$long" -e small:4 -s 4
	dir=$long/live/.ecl/log
	ls "$dir" >segments
	printf "%020d.ndjson\n" 0 21 | test_cmp - segments
	ecl-verify -q -d "$long"
	cat "$dir/00000000000000000021.ndjson" >>"$dir/00000000000000000000.ndjson"
	rm "$dir/00000000000000000021.ndjson" "$long/durable"
	for how in "" --quick; do
		test_expect_code 1 ecl-verify -d "$long" $how >out
		test_grep "^{\"class\":\"rewritten\",\"seq\":21,\"segment\":\"00000000000000000000.ndjson\",.*event 21 should begin a new segment" out
	done
	rm -r "$long"
'

test_expect_success 'a link in the place of a segment' '
	fresh
	mv "$log" elsewhere
	ln -s "$PWD/elsewhere" "$log"
	verify 1 --quick
	test_grep "^{\"class\":\"corrupt\",.*cannot open" out
	rm "$log"
	mkfifo "$log"
	verify 1 --quick
	test_grep "is not a regular file" out
'

test_expect_success 'garbage without a line feed, longer than any line' '
	fresh
	end=$(wc -c <"$log")
	head -c 3000000 /dev/zero | tr "\0" a >>"$log"
	verify 1
	found torn 16 $end
	echo >>"$log"
	verify 1
	found corrupt 16 $end
'

test_expect_success 'thousands of findings: a thousand are printed' '
	fresh
	yes "{}" | head -n 3000 >>"$log"
	test_expect_code 1 ecl-verify -d root >out 2>err
	test_line_count = 1001 out
	test_grep "2000 more findings" err
	test_grep "\"omitted\":2000}$" out
'

test_expect_success 'behind a thousand others the first finding of each class is printed' '
	ecl-init -q --backend copy --embedder none many
	seq 1200 | jq -c "{element: \"a:\(.)\", state: .}" | ecl-append -d many -q
	sed -i -e "2,1150s/create/cReate/" -e "\$d" many/live/.ecl/log/*
	test_expect_code 1 ecl-verify -d many >out 2>err
	test "$(jq -r .class out | uniq -c | xargs)" = "1000 corrupt 1 truncated 1 null"
	tail -n 1 out | jq -e ".verdict == \"truncated\" and .omitted == 149"
	test_grep "149 more findings are not shown" err
	rm -r many
'

# Blocks.

test_expect_success 'a byte of a header' '
	fresh
	chmod u+w "$first/.ecl/block"
	sed -i "s/\"entries\":4/\"entries\":5/" "$first/.ecl/block"
	verify 1
	damaged .ecl/block
	test_grep "\"blocks\":2,.*\"anchored\":13," last
	echo "{" >"$first/.ecl/block"
	verify 1
	damaged .ecl/block
	rm "$first/.ecl/block"
	verify 1
	damaged .ecl/block
'

test_expect_success 'a block under the name of another' '
	fresh
	rm -rf "$second"
	cp -a "$first" "$second"
	verify 1
	echo "{\"class\":\"block-damaged\",\"block\":\"${second##*/}\",\"path\":\".ecl/block\"}" | test_cmp - brief
'

test_expect_success 'a file changed, made longer, chmodded, retargeted, added, removed, renamed' '
	for attack in "printf hellO >etc/motd" "echo more >>etc/motd" "chmod 600 etc/motd" "chmod 700 etc" "ln -sfn more etc/link" \
		"touch etc/new" "mkdir .hidden" "rm etc/more" "mv etc/more etc/less" "rm etc/more && ln etc/motd etc/more"; do
		fresh
		(cd "$first" && chmod -R u+w . && chmod 755 etc && chmod 644 etc/m* && eval "$attack")
		verify 1 || { echo "not found: $attack"; return 1; }
		damaged || { echo "after: $attack"; return 1; }
		test_grep "\"anchored\":13," last
	done
'

test_expect_success ROOT 'an owner, an attribute' '
	fresh
	chown 1 "$first/etc/motd"
	verify 1
	damaged
	fresh
	if setfattr -n user.x -v y "$first/etc/motd"; then
		verify 1
		damaged
	fi
'

test_expect_success 'what does not count: times, and hard links among equals' '
	fresh
	touch -d 2000-01-01 "$first/etc/motd" "$first"
	ln "$first/etc/motd" linked
	verify 0
'

test_expect_success 'a byte of the copy of the log, a longer one, a shorter one, none' '
	fresh
	copy=$first/.ecl/log/00000000000000000000.ndjson
	chmod -R u+w "$first"
	forge flip "$copy" $(($(at 3) + 100))
	verify 1
	echo "{\"class\":\"block-damaged\",\"seq\":3,\"segment\":\"00000000000000000000.ndjson\",\"offset\":$(at 3),\"block\":\"${first##*/}\",\"path\":\".ecl/log\"}" | test_cmp - brief
	for attack in "sed -n 9p $log >>$copy" "sed -i \\\$d $copy" "truncate -s -3 $copy" "rm $copy" "touch ${copy%0.ndjson}8.ndjson"; do
		fresh
		chmod -R u+w "$first"
		eval "$attack"
		verify 1 || { echo "not found: $attack"; return 1; }
		test_line_count = 1 brief
		test_grep "^{\"class\":\"block-damaged\",.*\"block\":\"${first##*/}\",\"path\":\".ecl/log\"}" brief
	done
'

test_expect_success 'the copy of the log decides which of the two was changed' '
	fresh
	rm root/durable
	forge chain "$log" 5 1505 9000
	chmod -R u+w "$first" "$second"
	for block in "$first" "$second"; do
		head -c $(wc -c <"$block/.ecl/log/00000000000000000000.ndjson") "$log" >cut
		cat cut >"$block/.ecl/log/00000000000000000000.ndjson"
	done
	verify 1
	test_grep "^{\"class\":\"rewritten\",\"seq\":7,\"block\":\"${first##*/}\"}" brief
	test_grep "neither the log nor" out
'

test_expect_success 'a header that says something else than the log, with a hash of its own' '
	for member in elements heads state root head; do
		fresh
		rm root/durable
		truncate -s $(at 13) "$log"
		chmod u+w "$second/.ecl/block"
		truth=$(grep -o "\"$member\":\"*." "$second/.ecl/block")
		forge edit "$second/.ecl/block" 0 "$truth" "$(echo "$truth" | sed "s/1\$/2/; t; s/.\$/1/")"
		lie=root/.snapshots/block-000001-$(tail -c 67 "$second/.ecl/block" | head -c 8)
		mv "$second" "$lie"
		verify 1 || { echo "not found: $member"; return 1; }
		sed -i /unrecorded-block/d brief
		echo "{\"class\":\"rewritten\",\"seq\":12,\"block\":\"${lie##*/}\"}" | test_cmp - brief
	done
'

test_expect_success 'behind an event that cannot be read, blocks are compared all the same' '
	fresh
	rm root/durable
	forge chain "$log" 9 "a test" "a tesT"
	forge flip "$log" $(($(at 2) + 100))
	verify 1
	test_grep "^{\"class\":\"corrupt\",\"seq\":2," brief
	test_grep "^{\"class\":\"rewritten\",.*\"block\":\"${second##*/}\"}" brief
'

test_expect_success 'a block that is gone' '
	fresh
	rm -rf "$first"
	verify 1
	echo "{\"class\":\"block-damaged\",\"seq\":8,\"block\":\"${first##*/}\"}" | test_cmp - brief
	verify 0 --quick
'

test_expect_success 'a block without an event: its maker died' '
	fresh
	rm root/durable
	truncate -s $(at 13) "$log"
	verify 0
	echo "{\"class\":\"unrecorded-block\",\"block\":\"${second##*/}\"}" | test_cmp - brief
	test_grep "\"verdict\":\"ok\",\"events\":13,\"blocks\":2,.*\"anchored\":13," last
'

test_expect_success 'a block made up: good in itself, but of another ledger' '
	fresh
	ecl-snap -q -d other
	cp -a other/.snapshots/block-000002-* root/.snapshots/
	verify 1
	test_grep "does not follow the last one recorded" out
	cp -a other/.snapshots/block-000000-* root/.snapshots/
	verify 1
	test_grep "the log records another block of this height" out
'

# Circumstances.

test_expect_success 'a log read from a pipe' '
	fresh
	ecl-replay -d root | ecl-verify - >out
	test_grep "^{\"verdict\":\"ok\",\"events\":16," out
	ecl-replay -d root --from 5 | ecl-verify - >out
	test_grep "^{\"verdict\":\"ok\",\"events\":11," out
	head -c -1 "$log" | test_expect_code 1 ecl-verify - >out
	echo "{\"class\":\"torn\",\"seq\":15,\"offset\":$(at 15)}" >expect
	sed "s/,\"message\":.*/}/; q" out | test_cmp expect -
	head -c 100000 /dev/urandom >noise
	cat "$log" noise | test_expect_code 1 ecl-verify - >out
	sed -i 1q out
	test_grep "^{\"class\":\"\(corrupt\|torn\)\",\"seq\":16,\"offset\":$(wc -c <"$log")," out
	sed 5d "$log" | test_expect_code 1 ecl-verify - >out
	test_grep "^{\"class\":\"rewritten\",\"seq\":5,\"offset\":$(at 4)," out
	ecl-verify - </dev/null >out
	test_grep "^{\"verdict\":\"ok\",\"events\":0,.*\"head\":null}" out
'

test_expect_success NONROOT 'anybody who may read it can check it; the index is not asked' '
	fresh
	rm -rf root/live/.ecl/index
	chmod -R go+rX root
	chmod 600 root/lock root/durable
	as_user ecl-verify -d root >out
	test_line_count = 1 out
	truncate -s -5 "$log"
	test_expect_code 1 as_user ecl-verify -d root >out
	test_grep "^{\"class\":\"torn\",\"seq\":15," out
'

test_expect_success NONROOT,ROOT 'what may not be read is not called damaged, and not called good' '
	fresh
	chmod -R go+rX root
	chmod 755 "$first" "$first/etc"
	chmod 600 "$second/.ecl/log/00000000000000000000.ndjson"
	test_expect_code 2 as_user ecl-verify -d root >out
	test_grep "^{\"class\":\"unchecked\",\"block\":\"${second##*/}\"" out
	test_grep "^{\"verdict\":\"unchecked\"" out
	chmod 600 "$log"
	test_expect_code 2 as_user ecl-verify -d root >out 2>err
	test_line_count = 0 out
	test_grep "Permission denied" err
'

test_expect_success 'half a line behind the durable end says nothing while somebody holds the lock' '
	fresh
	printf "{\"seq\":16,\"time" >>"$log"
	exec 8>>root/lock
	flock 8
	test_when_finished "exec 8>&-"
	timeout 120 ecl-verify -d root 8>&- >out
	test_grep "^{\"verdict\":\"ok\",\"events\":16," out
	exec 8>&-
	verify 1
	found torn 16 $(at 16)
'

test_expect_success NONROOT,ROOT 'who cannot see the lock looks at half a line again' '
	fresh
	chmod -R go+rX root
	chmod 600 root/lock root/durable
	tail -c 5 "$log" >rest
	truncate -s -5 "$log"
	(sleep 0.5; cat rest >>"$log") &
	as_user ecl-verify -d root >out
	test_grep "^{\"verdict\":\"ok\",\"events\":16," out
	wait
'

test_expect_success 'usage' '
	test_expect_code 2 ecl-verify -d nowhere
	test_expect_code 2 ecl-verify root
	test_expect_code 2 ecl-verify --slow
	test_expect_code 2 ecl-verify - -
	ecl-verify --help >out
	test_grep "^usage: ecl-verify" out
'

# Live.

test_btrfs

# Writers until told to stop: a trickle, a flood, blocks, rollbacks.
writers()
{
	local root=$1 i

	(i=0; while test ! -e stop; do
		i=$((i + 1))
		echo "{\"element\":\"slow:$((i % 7))\",\"state\":$i}" | ecl-append -q -d "$root" --wait 120
	done) &
	(i=0; while test ! -e stop; do
		i=$((i + 1))
		seq -f "{\"element\":\"fast:%g\",\"state\":{\"run\":$i}}" 1 20000 | ecl-append -q -d "$root" --wait 120
	done) &
	(i=0; while test ! -e stop; do
		echo $i >"$root/live/counter"
		i=$((i + 1))
		ecl-snap -q -d "$root" --wait 120
		sleep 0.1
	done) &
	(while test ! -e stop; do
		sleep 0.5
		ecl-rollback -q --yes -d "$root" --wait 120 block-0
		sleep 0.5
		ecl-rollback -q --yes --no-snap -d "$root" --wait 120 block-0
	done) &
}

# As one of the group, who may read the log, but cannot open the lock.
as_reader()
{
	if test_have_prereq ROOT,NONROOT; then
		cp "$top_builddir/cmd/ecl-verify" reader
		setpriv --reuid=65534 --regid=0 --clear-groups -- ./reader "$@"
	else
		ecl-verify "$@"
	fi
}

for backend in copy btrfs; do
	prereq=
	test $backend = copy || prereq=BTRFS
	test_expect_success $prereq "no false alarm while others append, make blocks and roll back ($backend)" '
		rm -f stop
		live=$(ecl_backend_root $backend)
		chmod 755 "$live"
		ecl-init -q --backend $backend "$live"
		ecl-snap -q -d "$live"
		writers "$live" >said 2>&1
		test_when_finished "touch stop; wait"
		end=$((SECONDS + 6)) runs=0
		while test $SECONDS -lt $end || test $runs -lt 2; do
			ecl-verify -d "$live" >out || { cat out; return 1; }
			ecl-verify --quick -d "$live" >out || { cat out; return 1; }
			as_reader --quick -d "$live" >out || { cat out; return 1; }
			runs=$((runs + 1))
		done
		touch stop
		wait
		echo "$runs runs"
		tail -n 1 out
		cat said
		test_line_count = 0 said
		ecl-verify -d "$live"
	'
done

test_expect_success BTRFS 'a snapshot that can be written to is noted' '
	live=$(ecl_backend_root btrfs)
	ecl-init -q --backend btrfs "$live"
	echo 1 >"$live/live/file"
	ecl-snap -q -d "$live"
	block=$(echo "$live"/.snapshots/block-000000-*)
	ecl-verify -d "$live" >out
	test_line_count = 1 out
	btrfs property set "$block" ro false
	ecl-verify -d "$live" >out
	test_grep "^{\"class\":\"block-writable\",\"block\":\"${block##*/}\"," out
	test_grep "^{\"verdict\":\"ok\"" out
	echo 2 >"$block/file"
	test_expect_code 1 ecl-verify -d "$live" >out
	test_grep "^{\"class\":\"block-damaged\",\"block\":\"${block##*/}\"," out
'

test_done
