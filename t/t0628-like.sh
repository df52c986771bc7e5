#!/usr/bin/env bash
test_description='ecl-query --like: when the layer looked like this'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

# say ROOT ELEMENT STATE...
say()
{
	local root=$1

	shift
	while test $# -ge 2; do
		printf '{"element":"%s","state":%s}\n' "$1" "$2"
		shift 2
	done | ecl-append -q -d "$root"
}

# check ROOT WHEN K [OPTION...]
check()
{
	ecl-query -d "$1" --like "$2" "${@:4}" >actual &&
	python3 "$top_srcdir/t/check-like.py" "$1" "$2" "$3" <actual >&2
}

# A quiet system, one whose network and disks failed, and it again, in part.
test_expect_success 'blocks of a ledger: quiet, failing, quiet, failing' '
	ecl-init -q --backend copy R &&
	say R interface:eth0 "\"link up\"" interface:eth1 "\"link up\"" disk:sda "\"healthy\"" service:nginx "\"serving pages\"" &&
	ecl-snap -q -d R >/dev/null &&
	say R interface:eth0 "\"carrier lost\"" interface:eth1 "\"carrier lost\"" disk:sda "\"unrecoverable read error\"" raid:md0 "\"degraded\"" &&
	ecl-snap -q -d R >/dev/null &&
	say R interface:eth0 "\"link up\"" interface:eth1 "\"link up\"" disk:sda "\"healthy\"" raid:md0 null user:eve "\"shell bash\"" &&
	ecl-snap -q -d R >/dev/null &&
	say R interface:eth0 "\"carrier lost\"" disk:sda "\"unrecoverable read error\"" raid:md0 "\"degraded\"" job:a 1 job:b 2 job:c 3 &&
	ecl-snap -q -d R >/dev/null
'

test_expect_success 'now: what failed before comes first, but for the last block' '
	check R 0s 10 && test_line_count = 4 actual &&
	jq -r .height actual >heights && printf "%s\n" 3 1 | cmp - <(head -n 2 heights) >&2 &&
	jq -s -e ".[] | select(.height == 3) | .score == 1 and .create == 0 and .modify == 0 and .delete == 0 and .elements == [] and .present" actual >\&2 &&
	jq -s -e ".[] | select(.height == 1) | .create == 4 and .modify == 1" actual >\&2
'

test_expect_success 'of any moment, with as many as are wanted; a block itself is left out' '
	check R 5 10 && check R 9 2 -k 2 && check R 14 10 && check R block-0 10 && test_line_count = 3 actual && check R block-2 10 &&
	jq -r .height actual >heights && head -n 1 heights | grep -qx 0 &&
	check R 9 1 --limit 1 && test_line_count = 1 actual
'

test_expect_success 'a block whose snapshot is gone is found by its header' '
	name=$(ecl-query -d R --names blocks block-000001) &&
	delete_tree "R/.snapshots/$name" &&
	check R 0s 10 && test_line_count = 4 actual &&
	jq -s -e ".[] | select(.height == 1) | .present == false and .path == null and .create == 4" actual >\&2
'

test_expect_success 'blocks without a vector, or one of another embedder, are left out, and counted' '
	cat >stub <<-\END &&
	#!/usr/bin/env python3
	import json, sys
	for line in sys.stdin:
	    text = json.loads(line)["text"]
	    print(json.dumps({"vector": [text.count(c) + 0.1 for c in "aeioulnr" * 32]}), flush=True)
	END
	chmod +x stub &&
	ecl-init -q --backend copy --embedder none M && say M a:1 "\"apples\"" && ecl-snap -q -d M >/dev/null &&
	test_expect_code 2 ecl-query -d M --like 0s 2>err && test_grep "ecl-index --embedder" err &&
	ecl-index -q -d M --embedder "$PWD/stub" && say M a:2 "\"plums\"" && ecl-index -q -d M && ecl-snap -q -d M >/dev/null &&
	ecl-index -q -d M --embedder ecl-en-1 && say M a:3 "\"pears\"" && ecl-snap -q -d M >/dev/null && say M a:4 "\"quinces\"" &&
	ecl-query -d M --like 0s >actual 2>err && test_line_count = 1 actual && test_grep "block-000002-" actual &&
	test_grep "1 block without a vector left out" err && test_grep "1 block with a vector of another embedder left out" err &&
	test_expect_code 1 ecl-query -d M -q --like block-2 >actual 2>err && test_line_count = 0 actual && test_line_count = 0 err
'

test_expect_success 'of layers that differ in little, the one that differs least' '
	ecl-init -q --backend copy L &&
	for i in $(seq 400); do echo "{\"element\":\"interface:eth$i\",\"state\":\"link up\"}"; done | ecl-append -q -d L &&
	ecl-snap -q -d L && say L interface:eth7 "\"link down\"" && ecl-snap -q -d L &&
	say L interface:eth8 "\"link down\"" && ecl-snap -q -d L && say L interface:eth7 "\"link up\"" interface:eth8 "\"link up\"" &&
	check L 0s 10 && jq -s -e "map(.score) == [1, 1, 1]" actual >\&2 && jq -r .height actual | tr -d "\n" | grep -qx 012
'

test_expect_success 'where nothing lived, and where there is no block: no answer' '
	test_expect_code 1 ecl-query -d R --like 0 2>err && test_grep "no vector: nothing lived" err &&
	ecl-init -q --backend copy N && say N a:1 1 && test_expect_code 1 ecl-query -d N --like 0s >actual && test_line_count = 0 actual &&
	test_expect_code 2 ecl-query -d R --like block-77 2>err && test_grep "block-77" err &&
	test_expect_code 2 ecl-query -d R --like 99999 2>err && test_grep "99999" err
'

test_expect_success 'several ledgers: the best of all, each with what differs from its own moment' '
	mkdir roots && ecl-init -q --backend copy roots/a && ecl-init -q --backend copy roots/b && ecl-init -q --backend copy --embedder none roots/c &&
	for i in 1 2 3; do
		say roots/a disk:sda "\"healthy\"" a:$i "\"alpha beta\"" && ecl-snap -q -d roots/a >/dev/null &&
		say roots/b disk:sdb "\"healthy\"" b:$((i / 2)) "\"gamma delta\"" && ecl-snap -q -d roots/b >/dev/null || return 1
	done &&
	{
		ecl-query -d roots/a --like 0s | sed "s/}\$/,\"root\":\"a\"}/" &&
		ecl-query -d roots/b --like 0s | sed "s/}\$/,\"root\":\"b\"}/"
	} >all &&
	test_expect_code 2 ecl-query --roots roots --like 0s 2>err >actual && test_grep "root .c.: .*ecl-index --embedder" err &&
	sort all >expect && sort actual >sorted && test_cmp expect sorted &&
	jq -s -e "map(.score) | . == (sort | reverse)" actual >&2 &&
	test_expect_code 2 ecl-query --roots roots --like 0s -k 2 >few && head -n 2 actual | test_cmp - few
'

test_expect_success 'people get a table' '
	ecl-query -d R --like 0s --table >actual &&
	test_grep "^ score  time .*  block  *present  create  modify  delete  elements" actual &&
	test_grep "^1\.0000  .* ago  block-000003-[0-9a-f]*  yes           0       0       0\$" actual &&
	test_grep "  block-000001-[0-9a-f]*  no            4       1       0  interface:eth1, job:a, job:b, job:c, user:eve\$" actual &&
	test_grep "  block-000000-[0-9a-f]*  yes  .*, \.\.\.\$" actual &&
	COLUMNS=82 ecl-query -d R --like 0s --table >narrow &&
	test_grep "  block-000001-[0-9a-f]*  no            4       1       0\$" narrow && test_grep "^    interface:eth1, job:a" narrow
'

test_expect_success 'options that do not go with it' '
	test_expect_code 2 ecl-query -d R --like 0s --since 1 2>err && test_grep "since.*does not go with.*like" err &&
	test_expect_code 2 ecl-query -d R --like 0s "a:*" 2>err && test_grep "does not go with" err &&
	test_expect_code 2 ecl-query -d R --like 2>err && test_expect_code 2 ecl-query -d R --like "" 2>err
'

test_done
