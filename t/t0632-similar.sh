#!/usr/bin/env bash
test_description='ecl-query --similar: what resembles a text, an event, a vector'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	# What a command shows on a terminal of so many columns, without its carriage returns, in `out'.
	test_done
fi

similar()
{
	python3 "$top_srcdir/t/check-similar.py" "$@"
}

# make ROOT EVENTS [ARG...]: a ledger of events that say something, and some of ecl's own.
make()
{
	local root=$1 events=$2

	shift 2
	ecl-init -q --backend copy --time 2025-12-31T00:00:00Z "$root" &&
	python3 "$top_srcdir/t/make-similar.py" "$events" "$@" >made &&
	head -n $((events / 2)) made | ecl-append -q -d "$root" --keep-time &&
	ecl-snap -q -d "$root" &&
	# The block is of now.
	tail -n +$((events / 2 + 1)) made | jq -c "del(.time)" | ecl-append -q -d "$root"
}

# A byte of FILE, at an offset, is another one.
spoil()
{
	python3 -c '
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2])); b = f.read(1); f.seek(int(sys.argv[2])); f.write(bytes([b[0] ^ 0x55]))' "$1" "$2"
}

index=L/live/.ecl/index
export ECL_ROOT=$TRASH/L

test_expect_success 'a ledger with vectors' '
	make L 2000 &&
	ecl-index -q &&
	similar rows L rows
'

test_expect_success 'what resembles an event, with every filter: as all rows compared one by one have it' '
	similar events L rows 200
'

test_expect_success 'so it is where the index lacks the last events' '
	cp -a L half && rm half/live/.ecl/index/* && rm -r half/.snapshots/* &&
	mv half/live/.ecl/log log && mkdir half/live/.ecl/log &&
	head -n 700 log/00000000000000000000.ndjson >half/live/.ecl/log/00000000000000000000.ndjson &&
	ecl-index -q -d half &&
	test -s half/live/.ecl/index/vectors.head &&
	cp log/* half/live/.ecl/log/ &&
	similar events half rows 100 --seed 2
'

test_expect_success 'or where there is none' '
	rm -r half/live/.ecl/index/* &&
	similar events half rows 60 --seed 3
'

test_expect_success 'what is damaged is read from the log, with a warning' '
	cp -a L hurt &&
	spoil "$(ls hurt/live/.ecl/index/vectors.????????-*0)" 100000 &&
	ecl-query -d hurt --similar 42 2>err >actual &&
	test_grep "damaged.*.ecl-index --rebuild." err && test_line_count = 1 err &&
	ecl-query --similar 42 >expect && test_cmp expect actual &&
	similar events hurt rows 60 --seed 4 -q &&
	spoil hurt/live/.ecl/index/vectors.head 30 &&
	ecl-query -d hurt --similar 42 2>err >actual &&
	test_grep "not used.*.ecl-index --rebuild." err &&
	test_cmp expect actual &&
	ecl-query -d hurt --similar "disk full" 2>/dev/null >actual &&
	ecl-query --similar "disk full" >expect && test_cmp expect actual &&
	ecl-index -q --rebuild -d hurt &&
	ecl-query -d hurt --similar 42 2>err >actual &&
	test_cmp /dev/null err &&
	ecl-query --similar 42 >expect && test_cmp expect actual
'

test_expect_success 'a text: filters change what is there, never the order or the score' '
	make small 390 &&
	similar text small 150 &&
	ecl-index -q -d small &&
	similar text small 150 --seed 2
'

test_expect_success 'the same meaning is found without the same words' '
	ecl-append -q -e note:a -s "{\"summary\":\"a web server was stopped\"}" &&
	ecl-append -q -e note:b -s "\"cheese\"" &&
	ecl-query --similar "httpd halted" "note:*" >out &&
	test_line_count = 2 out &&
	jq -r .element out | head -n 1 >actual && echo note:a >expect && test_cmp expect actual
'

test_expect_success 'the score stands behind the members that are stored' '
	ecl-query --similar "disk full" -k 3 >out &&
	test_line_count = 3 out &&
	sed "s/,\"score\":0\.[0-9][0-9][0-9][0-9]}\$/}/" out >lines &&
	for seq in $(jq .seq out); do ecl-query --event $seq; done >expect &&
	test_cmp expect lines &&
	ecl-query --similar "disk full" -k 3 --format tsv >out &&
	awk -F "\t" "NF != 8 || \$8 !~ /^0\.[0-9][0-9][0-9][0-9]\$/" out >bad && test_cmp /dev/null bad
'

test_expect_success 'ten of them, or so many as -k says' '
	ecl-query --similar "disk full" >out && test_line_count = 10 out &&
	ecl-query --similar "disk full" -k 10000 >out && test_line_count = 2002 out
'

test_expect_success 'elements that the text names come first, however many others are near' '
	{
		for i in $(seq 600); do echo "{\"element\":\"log:x\",\"action\":\"full\",\"state\":{\"n\":$i,\"t\":\"vol42 vol42 is full\"}}"; done
		echo "{\"element\":\"volume:vol42\",\"state\":{\"a\":\"nothing of the kind\",\"b\":\"$(printf "word%s " {1..80})\"}}"
		echo "{\"element\":\"volume:vol421\",\"state\":\"vol42 is full\"}"
		echo "{\"element\":\"volume:VOL42/b\",\"state\":\"other\"}"
		for i in $(seq 600); do echo "{\"element\":\"log:x\",\"action\":\"full\",\"state\":{\"n\":$i,\"t\":\"vol42 vol42 is full\"}}"; done
	} | ecl-append -q &&
	ecl-query --similar "vol42 is full" -k 3 >out &&
	jq -r .element out | head -n 2 | LC_ALL=C sort >actual &&
	printf "%s\n" volume:VOL42/b volume:vol42 >expect &&
	test_cmp expect actual &&
	jq -s -e ".[1].score >= .5 and .[2].score <= .5" out &&
	ecl-query --similar "vol42 is full" -k 3 "log:*" >out &&
	test_line_count = 3 out && test_grep ! volume out &&
	ecl-query --similar "vol42 is full" -k 3 --action create "volume:*2" >out &&
	jq -r .element out >actual && echo volume:vol42 >expect && test_cmp expect actual
'

test_expect_success 'what has an identifier of the text in it is found, however much else it says' '
	ecl-init -q --backend copy ids && ids=$PWD/ids &&
	for i in $(seq 700); do echo "{\"element\":\"log:$i\",\"state\":\"f00d dead a2a1 b5 feed $i\"}"; done | ecl-append -q -d "$ids" &&
	ecl-append -q -d "$ids" -e build:x --cause "see CHG-1042" -s "{\"id\":\"f00dfeed77\",\"said\":\"$(printf "word%s " $(seq 80))\"}" &&
	for i in $(seq 700); do echo "{\"element\":\"log:$i\",\"state\":\"f00d dead a2a1 b5 feed $((i + 1))\"}"; done | ecl-append -q -d "$ids" &&
	for text in f00dfeed77 CHG-1042 "what was f00dfeed77 about"; do
		ecl-query -d "$ids" --similar "$text" -k 2 >out &&
		jq -r .element out | head -n 1 | grep -qx build:x && jq -s -e ".[0].score >= .25 and .[0].score < .5 and .[1].score < .25" out || return 1
	done &&
	ecl-query -d "$ids" --similar f00dfeed77 "log:*" >out && test_grep ! build out &&
	hash=$(ecl-query -d "$ids" --event 5 | jq -r .hash) && ecl-query -d "$ids" --similar "a1 $hash" >out && jq -s -e "all(.score < .25)" out
'

test_expect_success 'events of ecl itself are none, but for who asks for them' '
	ecl-query --similar "create layer embedder block" -k 10000 >out &&
	test_grep ! "\"element\":\"ecl:" out &&
	ecl-query --similar "create layer embedder block" "ecl:*" >out &&
	test_grep "\"element\":\"ecl:layer\"" out
'

test_expect_success 'a block answers as of then' '
	ecl-query -d small --block block-0 --similar "disk full" >actual &&
	ecl-query -d small --at block-0 --similar "disk full" >expect &&
	test_line_count = 10 expect && test_cmp expect actual &&
	ecl-query -d "$(ecl-query -d small --blocks | jq -r .path)" --similar "disk full" >actual &&
	test_cmp expect actual &&
	ecl-query -d small --similar "disk full" >now && ! cmp -s now actual
'

test_expect_success 'many roots: the best of all, by score' '
	mkdir R && for i in 1 2 3; do make R/w$i $((i * 100)) --seed $i || exit; done &&
	ecl-index -q -d R/w2 &&
	for text in "disk full" "eth1 is down"; do
		for root in w1 w2 w3; do
			ecl-query -d R/$root --similar "$text" -k 300 | sed "s/}\$/,\"root\":\"$root\"}/"
		done >all
		for k in 1 10 250; do
			ecl-query --roots R --similar "$text" -k $k >out
			test_line_count = $k out
			jq -s -c "sort_by(-.score, .root, -.seq)[:$k] | .[].score" all >expect
			jq -c .score out >actual
			test_cmp expect actual
			sort all out | uniq -d | wc -l >actual
			echo $k >expect
			test_cmp expect actual
		done
	done &&
	ecl-query --roots R --similar "disk full" -k 5 >five &&
	ecl-query --roots R --similar "disk full" -k 5 --reverse >out && tac five >expect && test_cmp expect out &&
	ecl-query --roots R --similar "disk full" -k 5 --limit 2 >out && head -n 2 five >expect && test_cmp expect out &&
	test_expect_code 1 ecl-query --roots R --similar "[1,2]" >out && test_cmp /dev/null out
'

test_expect_success 'a root that cannot be asked gets a warning' '
	ecl-init -q --backend copy --embedder none R/none &&
	test_expect_code 2 ecl-query --roots R --similar "disk full" -k 5 >out 2>err &&
	test_cmp five out &&
	test_grep "root .none.: the ledger has no embedder" err &&
	test_expect_code 2 ecl-query --roots R --similar 42 2>err && test_grep "another one in each ledger" err
'

test_expect_success 'vectors that events brought: near by their numbers' '
	ecl-init -q --backend copy G &&
	python3 - >given <<-\EOF &&
	import json, random
	rng = random.Random(5)
	for i in range(400):
	    e = {"element": "e:%d" % (i % 30), "action": rng.choice(("modify", "restart")), "state": {"i": i}}
	    if i % 3:
	        e["vector"] = [round(rng.gauss(0, 1), 3) for _ in range(48)]
	    print(json.dumps(e))
	EOF
	ecl-append -q -d G given &&
	python3 - given >expect <<-\EOF &&
	import json, math, struct, sys
	def row(v):
	    return struct.unpack("48f", struct.pack("48f", *v))
	events = [json.loads(l) for l in open(sys.argv[1])]
	dot = lambda a, b: sum(x * y for x, y in zip(a, b))
	rows = [(row(e["vector"]), i + 1) for i, e in enumerate(events) if len(e.get("vector", ())) == 48]
	q = dict((seq, r) for r, seq in rows)[101]
	have = [(dot(q, r) / math.sqrt(dot(q, q) * dot(r, r)), seq) for r, seq in rows]
	for cosine, seq in sorted(have, reverse=True)[:8]:
	    print(seq)
	EOF
	for state in none all; do
		test $state = none || ecl-index -q -d G
		ecl-query -d G --similar "$(sed -n 101p given | jq -c .vector)" -k 8 | jq .seq >actual
		test_cmp expect actual
		ecl-query -d G --similar 101 --space given -k 7 | jq .seq >actual
		tail -n 7 expect | test_cmp - actual
		ecl-query -d G --similar 101 --space given -k 300 >all
		test_line_count = 265 all
		jq -c "select(.action == \"restart\" and .seq >= 50 and .seq <= 300 and (.element | test(\"^e:1\")))" all | head -n 20 >want
		ecl-query -d G --similar 101 --space given -k 20 --action restart --since 50 --until 300 "e:1*" | jq -c . >actual
		test_cmp want actual
	done &&
	test_expect_code 2 ecl-query -d G --similar 1 --space given 2>err && test_grep "event 1 has no vector of its own" err &&
	test_expect_code 2 ecl-query -d G --similar "[1,2,3]" 2>err && test_grep "a vector of 3 numbers.* have 48" err &&
	test_expect_code 2 ecl-query -d G --similar "[1,2" 2>err && test_grep "is no vector" err &&
	test_expect_code 2 ecl-query -d G --similar disk --space given 2>err && test_grep "not a text" err &&
	spoil "$(ls G/live/.ecl/index/given.*-*0 | grep -v seq)" 1000 &&
	ecl-query -d G --similar 101 --space given -k 7 2>err | jq .seq >actual &&
	tail -n 7 expect | test_cmp - actual &&
	test_grep "ecl-index --rebuild" err
'

test_expect_success 'what cannot be asked is said' '
	test_expect_code 2 ecl-query --similar 99999 2>err && test_grep "there is no event 99999: the ledger has" err &&
	test_expect_code 2 ecl-query --similar 0 2>err && test_grep "event 0 is one of ecl itself" err &&
	test_expect_code 2 ecl-query --similar "..." 2>err && test_grep "has nothing to look for" err &&
	test_expect_code 2 ecl-query --similar "" 2>err && test_grep "has nothing to look for" err &&
	for k in 0 10001 x -1 ""; do
		test_expect_code 2 ecl-query --similar x -k "$k" 2>err
		test_grep "takes a number from 1 to 10000" err
	done &&
	test_expect_code 2 ecl-query --similar x --space y 2>err && test_grep "takes vectors or given" err &&
	test_expect_code 2 ecl-query --history -k 3 2>err && test_grep "does not go with" err &&
	test_expect_code 2 ecl-query -k 3 2>err && test_grep "goes with .--similar., .--unusual. and .--like. only" err &&
	test_expect_code 2 ecl-query --exact 2>err && test_grep "goes with .--similar. only" err &&
	test_expect_code 2 ecl-query --history --exact 2>err && test_grep "does not go with" err &&
	test_expect_code 2 ecl-query -d R/none --similar x 2>err && test_grep "ecl-index --embedder" err &&
	test_expect_code 2 env ECL_MODEL_DIR="$TRASH" ecl-query --similar x 2>err && test_grep "no model" err &&
	test_expect_code 1 ecl-query --similar x nothing:here >out 2>err && test_cmp /dev/null out && test_cmp /dev/null err &&
	test_expect_code 1 ecl-query --similar x --since 5 --until 4 >out && test_cmp /dev/null out
'

test_expect_success 'without the model: what resembles an event is found by the rows alone, as long as all events have one' '
	cp -a L rowed && ecl-index -q -d rowed &&
	ecl-query -d rowed --similar 42 >expect &&
	ECL_MODEL_DIR=$TRASH ecl-query -d rowed --similar 42 >actual 2>err && test_cmp expect actual && test_cmp /dev/null err &&
	ECL_MODEL_DIR=$TRASH ecl-query -d rowed --similar 42 --action modify "*:*" >actual &&
	ecl-query -d rowed --similar 42 --action modify "*:*" >expect && test_cmp expect actual &&
	spoil "$(ls rowed/live/.ecl/index/vectors.????????-*0)" 100000 &&
	test_expect_code 2 env ECL_MODEL_DIR="$TRASH" ecl-query -d rowed --similar 42 2>err && test_grep "no model" err &&
	rm rowed/live/.ecl/index/vectors* &&
	test_expect_code 2 env ECL_MODEL_DIR="$TRASH" ecl-query -d rowed --similar 42 2>err && test_grep "no model" err
'

test_expect_success 'what must be read from a disk makes no other answer' '
	sync L/live/.ecl/index/* L/live/.ecl/log/* &&
	ecl-query --similar "disk full on eth1" >expect &&
	for file in L/live/.ecl/index/* L/live/.ecl/log/*; do
		dd if="$file" iflag=nocache count=0 2>/dev/null || return 1
	done &&
	ecl-query --similar "disk full on eth1" >actual && test_cmp expect actual
'

test_expect_success 'vectors of another embedder are refused, with what mends it' '
	cp -a small other &&
	python3 - other/live/.ecl/index/vectors.head <<-\EOF &&
	import re, sys
	def crc32c(data):
	    crc = 0xffffffff
	    for b in data:
	        crc ^= b
	        for _ in range(8):
	            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
	    return crc ^ 0xffffffff
	with open(sys.argv[1]) as f:
	    text = f.read()
	text = re.sub(r"(?m)^crc .*\n\Z", "", text)
	text = re.sub(r"(embedder \"[^:]*:)....", r"\g<1>0000", text)
	with open(sys.argv[1], "w") as f:
	    f.write(text + "crc %08x\n" % crc32c(text.encode()))
	EOF
	test_expect_code 2 ecl-query -d other --similar "disk full" 2>err &&
	test_grep "not of the ledger.s.*run .ecl-index --rebuild." err &&
	ecl-index -q --rebuild -d other &&
	ecl-query -d other --similar "disk full" >actual &&
	ecl-query -d small --similar "disk full" >expect && test_cmp expect actual
'

# What a command shows on a terminal of so many columns, without its carriage returns, in `out'.
on_terminal()
{
	python3 "$top_srcdir/t/on-terminal.py" -c "$1" -o raw "${@:2}" && tr -d '\r' <raw >out
}

fits()
{
	python3 -c '
import sys, unicodedata
wide = lambda c: 0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
for line in open("out", encoding="utf-8"):
    if sum(map(wide, line.rstrip("\n"))) > int(sys.argv[1]):
        sys.exit("too wide: " + line)' "$1" >&2
}

test_expect_success 'people get a table: score, age, and the part of the state that has the words' '
	ecl-init -q --backend copy P &&
	long=file:/$(printf "directory-%.0s" {1..12})/disk/full.conf &&
	{
		echo "{\"element\":\"disk:sda\",\"state\":{\"a\":\"$(printf "filler %.0s" {1..20})\",\"z\":\"the disk is full\"}}"
		echo "{\"element\":\"$long\",\"state\":{\"disk\":1}}"
		echo "{\"element\":\"service:网络管理器\",\"state\":{\"说明\":\"网络连接管理网络连接管理网络连接管理网络连接管理 disk\"}}"
		echo "{\"element\":\"service:evil\",\"state\":{\"t\":\"disk \\u001b]0;owned\\u0007 full \\u202e\"}}"
		echo "{\"element\":\"disk:sdb\",\"action\":\"fail\"}"
	} | ecl-append -q -d P &&
	for columns in 60 80 81 100 132 200 1000; do
		on_terminal $columns ecl-query -d P --similar "disk full" && fits $columns
	done &&
	on_terminal 80 ecl-query -d P --similar "disk full" &&
	test_grep "^ score  seq  time " out &&
	test_grep "^0\.[0-9]*    1  [0-9:]*, [0-9]* s ago  disk:sda " out &&
	test_grep "^    ….*filler filler.*the disk is full\"}\$" out &&
	test_grep "….*/disk/full.conf  create" out &&
	test_grep "u{202e}" out &&
	test_grep ! "$(printf "\033")" out
'

test_expect_success 'the words that matched are highlighted, where colours are wanted' '
	e=$(printf "\033") &&
	TERM=xterm on_terminal 200 ecl-query -d P --similar "disks full" &&
	test_grep "the $e\[1;31mdisk$e\[0m is $e\[1;31mfull$e\[0m" out &&
	test_grep "$e\[1;31mdisk$e\[0m:sda" out &&
	test_grep "$e\[32mcreate$e\[0m" out &&
	TERM=xterm NO_COLOR=1 on_terminal 200 ecl-query -d P --similar "disks full" && test_grep ! "$e" out &&
	TERM=dumb on_terminal 200 ecl-query -d P --similar "disks full" && test_grep ! "$e" out &&
	ecl-query -d P --similar "disks full" --table --color always >out && test_grep "$e\[1;31mdisk" out &&
	ecl-query -d P --similar 1 --table --color always >out && test_grep ! "31m" out &&
	mkdir two && cp -a P two/a && cp -a P two/b &&
	ecl-query --roots two --similar "disks full" -k 8 --table --color always >out &&
	test_grep "$e\[1;31mdisk$e\[0m:sda.* a\$" out && test_grep "$e\[1;31mdisk$e\[0m:sda.* b\$" out
'

test_done
