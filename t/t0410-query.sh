#!/usr/bin/env bash
test_description='ecl-query: states, history, elements, blocks, figures'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

python3 "$top_srcdir/t/make-ledger.py" "$TRASH/L" 1000 --segment 300 --block 150 || test_bail 'no ledger'
cat L/live/.ecl/log/*.ndjson >all
export ECL_ROOT=$TRASH/L

oracle()
{
	python3 "$top_srcdir/t/oracle.py" "$@" <all
}

ODD='file:/a"b\c file:/a[1] file:/* file:/? file:/a\*'

test_expect_success 'without options: the state of what lives, in byte order' '
	ecl-query >out &&
	oracle states 1000 >expect &&
	test_cmp expect out &&
	test_grep "1e400" out &&
	ecl-query --at 500 >out &&
	test_grep "18446744073709551615" out
'

test_expect_success 'GLOBs' '
	for globs in "interface:*" "*eth[0-3]" "service:s0? file:/etc/*" "*" "service:s01" "file:/etc/f1.conf service:s02" "file:/etc/*.conf"; do
		set -f
		ecl-query $globs >out
		oracle states 1000 $globs >expect
		set +f
		test -s expect
		test_cmp expect out
	done
'

test_expect_success 'names with quotes, backslashes and glob characters mean one element' '
	set -f
	for name in $ODD; do
		jq -c --arg n "$name" "select(.element == \$n) | [.seq]" all | tail -n 1 >expect
		test -s expect
		ecl-query --history "$name" | jq -c "[.seq]" | tail -n 1 >actual
		test_cmp expect actual
		ecl-query --elements "$name" >out
		test_line_count = 1 out
		test "$(jq -r .element out)" = "$name"
	done
	set +f
'

test_expect_success 'a name given twice, or also matched, comes once' '
	ecl-query service:s01 service:s01 >out &&
	test_line_count -le 1 out &&
	ecl-query "service:*" service:s01 >out &&
	oracle states 1000 "service:*" >expect &&
	test_cmp expect out
'

test_expect_success '--at any number' '
	for seq in 0 1 2 149 150 299 300 301 $(seq 7 37 999) 999; do
		oracle states $((seq + 1)) >expect
		rc=0
		ecl-query --at $seq >out || rc=$?
		test_cmp expect out
		test $rc = 0
	done
'

test_expect_success '--at for single elements' '
	for seq in $(seq 3 61 999); do
		for name in interface:eth1 service:s07 "file:/a[1]"; do
			glob=${name/\[1]/[[]1]}
			oracle states $((seq + 1)) "$glob" >expect
			ecl-query --at $seq "$name" >out || test $? = 1
			test_cmp expect out
		done
	done
'

test_expect_success '--at times' '
	oracle sizes 12 >sizes
	while read -r time size; do
		oracle states $size "service:*" >expect
		ecl-query --at "$time" "service:*" >out || test $? = 1
		test_cmp expect out
	done <sizes
'

test_expect_success '--at a block is as of its size' '
	ecl-query --at block-2 >out &&
	oracle states 450 >expect &&
	test_cmp expect out &&
	ecl-query --at block-0 >out &&
	oracle states 150 >expect &&
	test_cmp expect out
'

test_expect_success '--at before the first event: nothing, and that is an answer' '
	ecl-query --at 2000-01-01T00:00:00Z >out &&
	test_cmp /dev/null out &&
	test_expect_code 1 ecl-query --at 2000-01-01T00:00:00Z service:s01
'

test_expect_success 'the text of the state hash' '
	ecl-query --format state >out &&
	oracle text 1000 >expect &&
	test_cmp expect out &&
	ecl-query --format=state --at 500 >out &&
	oracle text 501 >expect &&
	test_cmp expect out
'

test_expect_success '--layer has that hash, and the Merkle root' '
	for seq in 0 1 2 6 333 999; do
		ecl-query --layer --at $seq >out
		oracle text $((seq + 1)) | sha256sum | cut -c 1-64 >expect
		jq -r .state out >actual
		test_cmp expect actual
		head -n $((seq + 1)) all | jq -r .hash | python3 -c "
import hashlib, sys
def root(d):
    if len(d) == 1:
        return hashlib.sha256(b\"\\0\" + d[0]).digest()
    k = 1 << (len(d) - 1).bit_length() - 1
    return hashlib.sha256(b\"\\1\" + root(d[:k]) + root(d[k:])).digest()
print(root([bytes.fromhex(x) for x in sys.stdin.read().split()]).hex())" >expect
		jq -r .root out >actual
		test_cmp expect actual
		test "$(jq .seq out)" = $seq
		test "$(jq .time out)" = "$(sed -n $((seq + 1))p all | jq .time)"
	done
	ecl-query --layer >actual
	test_cmp out actual
'

test_expect_success '--history: the lines as stored' '
	ecl-query --history >out &&
	oracle history >expect &&
	test_cmp expect out &&
	ecl-query --history "interface:*" service:s01 >out &&
	oracle history "interface:*" service:s01 >expect &&
	test_cmp expect out &&
	ecl-query --history service:s03 service:s01 >out &&
	oracle history service:s01 service:s03 >expect &&
	test_cmp expect out &&
	ecl-query --history "*" "ecl:*" >out &&
	test_cmp all out
'

test_expect_success '--history: --since, --until, --limit, --reverse' '
	ecl-query --history --since 300 --until 600 >out &&
	sed -n 301,601p all | python3 "$top_srcdir/t/oracle.py" history >expect &&
	test_cmp expect out &&
	ecl-query --history --reverse --limit 5 >out &&
	oracle history | tail -n 5 | tac >expect &&
	test_cmp expect out &&
	ecl-query --history --since 300 --until 600 --reverse --limit 2 service:s01 >out &&
	sed -n 301,601p all | python3 "$top_srcdir/t/oracle.py" history service:s01 | tail -n 2 | tac >expect &&
	test_cmp expect out &&
	time=$(sed -n 501p all | jq -r .time) &&
	ecl-query --history --since "$time" "*" "ecl:*" | jq .seq >actual &&
	jq --arg t "$time" "select(.time >= \$t) | .seq" all >expect &&
	test_cmp expect actual
'

test_expect_success '--history: --action and --actor' '
	for action in create modify delete restart; do
		ecl-query --history --action $action | jq .seq >actual
		oracle history | jq --arg a $action "select(.action == \$a) | .seq" >expect
		test -s expect
		test_cmp expect actual
	done
	for actor in ansible "root \"quoted\"" café "tab	here"; do
		ecl-query --history --actor "$actor" "service:*" | jq .seq >actual
		oracle history "service:*" | jq --arg a "$actor" "select(.actor == \$a) | .seq" >expect
		test -s expect
		test_cmp expect actual
	done
'

test_expect_success 'states by the event that set them' '
	ecl-query --since 900 | jq .seq >actual &&
	oracle states 1000 | jq "select(.seq >= 900) | .seq" >expect &&
	test_cmp expect actual &&
	ecl-query --until 900 --at 950 "service:*" | jq .seq >actual &&
	oracle states 951 "service:*" | jq "select(.seq <= 900) | .seq" >expect &&
	test_cmp expect actual &&
	ecl-query --actor ansible --at 800 | jq .seq >actual &&
	ecl-query --history --actor ansible "*" | jq .seq >by &&
	oracle states 801 | jq .seq | grep -Fxf by >expect &&
	test_cmp expect actual
'

test_expect_success '--limit and --reverse of states' '
	ecl-query --limit 3 >out &&
	oracle states 1000 | head -n 3 >expect &&
	test_cmp expect out &&
	ecl-query --reverse >out &&
	oracle states 1000 | tac >expect &&
	test_cmp expect out &&
	ecl-query --reverse --limit 3 --format tsv >out &&
	head -n 3 expect | jq -r .element >names &&
	cut -f 1 out >actual &&
	test_cmp names actual
'

test_expect_success '--event by number and by hash' '
	for seq in 0 299 300 999; do
		sed -n $((seq + 1))p all >expect
		hash=$(jq -r .hash expect)
		for what in $seq hash:${hash:0:10} hash:$hash; do
			ecl-query --event $what >out
			test_cmp expect out
		done
	done
'

test_expect_success '--event that is not there, or is not one' '
	test_expect_code 1 ecl-query --event 1000 >out 2>&1 &&
	test_cmp /dev/null out &&
	test_expect_code 1 ecl-query --event 99999999999999999999999 &&
	test_expect_code 1 ecl-query --event hash:0000000000000000 &&
	test_expect_code 2 ecl-query --event deadbee &&
	test_expect_code 2 ecl-query --event "" &&
	test_expect_code 2 ecl-query --event block-2
'

test_expect_success '--elements' '
	ecl-query --elements >out &&
	oracle elements >expect &&
	test_cmp expect out &&
	ecl-query --elements "file:*" "ecl:*" >out &&
	oracle elements "file:*" "ecl:*" >expect &&
	test_cmp expect out &&
	ecl-query --elements service:s01 >out &&
	oracle elements service:s01 >expect &&
	test_cmp expect out
'

test_expect_success '--blocks: present and pruned' '
	ecl-query --blocks >out
	test "$(jq -c .height out | tr "\n" " ")" = "0 1 2 3 4 5 "
	test "$(jq -c .present out | tr "\n" " ")" = "false true true true true true "
	for height in 1 2 3 4 5; do
		path=$(jq -r "select(.height == $height) | .path" out)
		jq -c "select(.height == $height) | del(.path, .present, .pruned, .signed)" out >actual
		test_cmp "$path/.ecl/block" actual
	done
	test "$(jq -c "select(.height == 0) | [.path, .size]" out)" = "[null,150]"
	ecl-query --blocks --reverse --limit 1 >actual
	tail -n 1 out >expect
	test_cmp expect actual
'

test_expect_success '--stat' '
	ecl-query --stat >out &&
	jq -c "[.events, .elements, .living, .size, .segments, .blocks]" out >actual &&
	echo "[1000,$(python3 "$top_srcdir/t/oracle.py" elements "*" "ecl:*" <all | wc -l),$(oracle states 1000 | wc -l),$(wc -c <all),4,5]" >expect &&
	test_cmp expect actual &&
	test "$(jq -r .head out)" = "$(tail -n 1 all | jq -r .hash)" &&
	test "$(jq -r .first out)" = "$(head -n 1 all | jq -r .time)" &&
	test "$(jq -r .last out)" = "$(tail -n 1 all | jq -r .time)" &&
	test "$(jq -c keys_unsorted out)" = "[\"events\",\"elements\",\"living\",\"first\",\"last\",\"size\",\"segments\",\"blocks\",\"head\",\"index_lag\",\"vectors\"]"
'

test_expect_success '--names, for completion' '
	ecl-query --names elements interface: >out &&
	oracle elements "interface:*" | jq -r .element >expect &&
	test_cmp expect out &&
	ecl-query --names elements >out &&
	oracle elements | jq -r .element >expect &&
	test_cmp expect out &&
	ecl-query --names elements ecl: >out &&
	printf "ecl:block\necl:layer\n" >expect &&
	test_cmp expect out &&
	ecl-query --names blocks block-00000 >out &&
	(cd L/.snapshots && ls) >expect &&
	test_cmp expect out &&
	test_expect_code 1 ecl-query --names blocks nothing >out &&
	test_expect_code 1 ecl-query --names elements nothing >>out &&
	test_cmp /dev/null out &&
	test_expect_code 2 ecl-query --names files
'

test_expect_success 'tab-separated values' '
	ecl-query --format tsv >out &&
	oracle states 1000 | python3 -c "
import json, sys
for line in sys.stdin:
    e = json.loads(line, parse_float=str, parse_int=str)
    state = line[line.index(\",\\\"state\\\":\") + 9:line.rindex(\",\\\"seq\\\":\")]
    print(e[\"element\"], state, e[\"seq\"], e[\"time\"], sep=\"\\t\")" >expect &&
	test_cmp expect out &&
	ecl-query --history --format tsv >out &&
	awk -F "\t" "NF != 7 { exit 1 }" out &&
	test "$(wc -l <out)" = "$(oracle history | wc -l)" &&
	test_grep -F "tab\\there" out &&
	ecl-query --elements --format tsv | cut -f 4 >actual &&
	oracle elements | jq .events >expect &&
	test_cmp expect actual
'

test_expect_success 'tables show no control or bidi characters' '
	ecl-query --table --history >out &&
	head -n 1 out >head &&
	test_grep "^ *seq  *time  *element  *action  *actor  *cause  *state$" head &&
	LC_ALL=C.UTF-8 test_grep ! -P "[\x00-\x09\x0b-\x1f\x7f]|\xe2\x80\xae" out &&
	ecl-query --table >out &&
	test_line_count = $(($(oracle states 1000 | wc -l) + 1)) out &&
	COLUMNS=78 ecl-query --table >out &&
	LC_ALL=C.UTF-8 test_grep ! "^.\{79\}" out &&
	ecl-query --table --event 0 >out &&
	test_grep "^element *ecl:layer$" out &&
	ecl-query --table --stat >out &&
	test_grep "^events *1000$" out &&
	ecl-query --table --blocks >out &&
	test_line_count = 7 out &&
	ecl-query --table --reverse --limit 2 --elements >out &&
	test_line_count = 3 out
'

test_expect_success 'tables have local time' '
	TZ=Asia/Kathmandu ecl-query --table --event 0 >out &&
	test_grep "^time *2025-11-21 15:45:00" out
'

test_expect_success 'nothing that matches: exit 1, no output, no words' '
	test_expect_code 1 ecl-query no:such >out 2>&1 &&
	test_cmp /dev/null out &&
	test_expect_code 1 ecl-query --table "no:*" >out 2>&1 &&
	test_cmp /dev/null out &&
	test_expect_code 1 ecl-query --history no:such &&
	test_expect_code 1 ecl-query --elements "no:*" &&
	test_expect_code 1 ecl-query --history --action nosuch &&
	test_expect_code 1 ecl-query --format state no:such
'

test_expect_success 'an empty log: a replica that got nothing yet' '
	mkdir -p empty/.snapshots empty/live/.ecl/log
	: >empty/replica
	for question in "" --elements --blocks --stat "--format state" "--names elements"; do
		ecl-query -d empty $question >out
	done
	test "$(ecl-query -d empty --stat)" = "{\"events\":0,\"elements\":0,\"living\":0,\"first\":null,\"last\":null,\"size\":0,\"segments\":0,\"blocks\":0,\"head\":null,\"index_lag\":0,\"vectors\":0}"
	test_expect_code 1 ecl-query -d empty --history
	test_expect_code 2 ecl-query -d empty --at 0
'

test_expect_success 'options that do not go together' '
	test_expect_code 2 ecl-query --history --at 3 2>err &&
	test_grep "^ecl-query: .--at. does not go with .--history.$" err &&
	test_expect_code 2 ecl-query --stat --blocks &&
	test_expect_code 2 ecl-query --stat service:s01 &&
	test_expect_code 2 ecl-query --event 3 --limit 1 &&
	test_expect_code 2 ecl-query --history --format state &&
	test_expect_code 2 ecl-query --format yaml &&
	test_expect_code 2 ecl-query --limit 0 &&
	test_expect_code 2 ecl-query --limit x &&
	test_expect_code 2 ecl-query --diff &&
	test_expect_code 2 ecl-query service:s01 --at 3 2>err &&
	test_grep "^ecl-query: options stand before operands: .--at.$" err &&
	test_expect_code 1 ecl-query -- service:none --at
'

test_expect_success 'a reader that goes away, a disk that is full' '
	{ ecl-query --history 2>err; } | head -n 1 >out &&
	test_cmp /dev/null err &&
	{ (trap "" PIPE; ecl-query 2>err) } | head -n 1 >out &&
	test_cmp /dev/null err &&
	ecl-query --history >all &&
	test $(wc -c <all) -gt 65536 &&
	for how in --json --table --reverse; do
		test_expect_code 2 ecl-query --history $how >/dev/full 2>err &&
		test_grep "^ecl-query: cannot write standard output: No space left on device\$" err || exit 1
	done
'

test_expect_success NONROOT 'a user who may only read can' '
	chmod -R go+rX L &&
	as_user ecl-query >out &&
	oracle states 1000 >expect &&
	test_cmp expect out
'

test_expect_success 'nothing is written' '
	find L -type f | sort >before &&
	ecl-query --stat >/dev/null &&
	find L -type f | sort >after &&
	test_cmp before after
'

test_expect_success 'a real block has the hashes that --layer computes' '
	ecl-init real >/dev/null &&
	ecl-append -d real -q -e a:b -s "{\"n\":1e400}" &&
	ecl-snap -d real >/dev/null &&
	ecl-append -d real -q -e a:b -s null &&
	ecl-query -d real --layer --at block-0 | jq -c "[.state, .root]" >actual &&
	ecl-query -d real --blocks | jq -c "[.state, .root]" >expect &&
	test_cmp expect actual &&
	test_expect_code 1 ecl-query -d real a:b &&
	ecl-query -d real --at block-0 a:b >out &&
	test_grep "{\"n\":1e400}" out
'

test_expect_success 'more states than are read at once' '
	ecl-init many >/dev/null &&
	awk "BEGIN { for (i = 0; i < 20000; i++) printf \"{\\\"element\\\":\\\"m:%05d\\\",\\\"state\\\":%d}\\n\", i * 7919 % 20000, i }" >many.in &&
	ecl-append -d many -q many.in &&
	sed "s/.*\"element\":\"\(.*\)\",\"state\":\(.*\)}/\1	\2/" many.in >pairs &&
	sort pairs >expect &&
	ecl-query -d many --format state | test_cmp expect - &&
	head -n 1500 expect >some &&
	ecl-query -d many --format state --limit 1500 | test_cmp some - &&
	head -n 19000 pairs | sort >then &&
	ecl-query -d many --format state --at 19000 | test_cmp then -
'

test_expect_success 'a chain that leads nowhere in a damaged log is damage, not a loop' '
	ecl-init loop >/dev/null &&
	for i in 1 2 3 4 5 6; do echo "{\"element\":\"a:1\",\"action\":\"poll\"}"; done | ecl-append -d loop -q &&
	ecl-index -d loop &&
	sed -i "/^.\"seq\":3,/s/\"parent\":2/\"parent\":5/" loop/live/.ecl/log/*.ndjson &&
	test_expect_code 2 timeout 20 ecl-query -d loop --history --reverse a:1 >out 2>err &&
	test_grep "the log is corrupt at seq 3: its parent is not an event before it" err &&
	test_expect_code 2 timeout 20 ecl-query -d loop --at 5 "a:*" >out 2>err &&
	test_expect_code 2 timeout 20 ecl-query -d loop --diff 0 5 a:1 >out 2>err
'

test_expect_success '--help fits on 80 columns' '
	ecl-query --help >out &&
	awk "length > 80 { exit 1 }" out &&
	test_grep "^usage: ecl-query" out
'

test_done
