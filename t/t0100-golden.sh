#!/bin/bash
test_description='a ledger made once, by the design alone: the programs agree with it to the last byte'
. "${0%/*}/test-lib.sh"

golden=$top_srcdir/t/data/golden
log=$golden/log.ndjson

# A root as golden/ has it.  Its files belong to root.
golden_root()
{
	local root=$1 live=$1/live block

	mkdir -p "$live/.ecl/log" "$root/.snapshots"
	cp "$log" "$live/.ecl/log/00000000000000000000.ndjson"
	chmod 750 "$root" "$root/.snapshots" "$live"
	for block in 0 1; do
		golden_block "$block" "$root/.snapshots/$(sed 's/.*"hash":"\(.\{8\}\).*/block-00000'$block'-\1/' "$golden/block.$block")"
	done
}

golden_block()
{
	local dir=$2 size

	size=$(sed 's/.*"size":\([0-9]*\).*/\1/' "$golden/block.$1")
	mkdir -p "$dir"
	cp -R "$golden/live/." "$dir"
	while read -r kind mode path; do
		case $kind in
		l) ln -s "$mode" "$dir/$path"; continue ;;
		d) mkdir -p "$dir/$path" ;;
		esac
		chmod "$mode" "$dir/$path"
	done <"$golden/modes"
	mkdir -p "$dir/.ecl/log"
	cp "$golden/block.$1" "$dir/.ecl/block"
	head -n "$size" "$log" >"$dir/.ecl/log/00000000000000000000.ndjson"
}

header()
{
	sed 's/.*"'"$2"'":"\([^"]*\)".*/\1/' "$golden/block.$1"
}

test_expect_success 'every hash, by sed and sha256sum' '
	n=0
	while IFS= read -r line; do
		printf "%s\n" "$line" | sed "s/,\"hash\":\"[0-9a-f]*\"}\$//" | tr -d "\n" | sha256sum >sum
		hash=${line##*,\"hash\":\"}
		test "${hash%??}  -" = "$(cat sum)" || { echo "event $n"; return 1; }
		n=$((n + 1))
	done <"$log"
	test $n = 38
'

test_expect_success 'every prev and seq, by fourteen lines of python' '
	"$top_srcdir/t/check-ledger.sh" <"$log" >out
	test_grep "^38 events, $(tail -n 1 "$log" | sed "s/.*,\"hash\":\"\(.*\)\"}/\1/")\$" out
'

test_expect_success 'the check of fourteen lines finds an edit, a cut line and a swap' '
	sed "9s/\"1\"/\"2\"/" "$log" | test_must_fail "$top_srcdir/t/check-ledger.sh"
	head -c -1 "$log" | test_must_fail "$top_srcdir/t/check-ledger.sh"
	sed "9{h;d};10G" "$log" | test_must_fail "$top_srcdir/t/check-ledger.sh"
'

test_expect_success 'what is kept is what the script makes' '
	cp "$top_srcdir/t/data/make-golden.py" .
	python3 make-golden.py
	diff -r golden "$golden"
'

test_expect_success ROOT 'the headers of the blocks, recomputed from their files and logs' '
	golden_root root
	python3 "$top_srcdir/t/check-block.py" root/.snapshots/block-*
'

test_expect_success ROOT 'ecl-verify agrees' '
	ecl-verify -d root >out
	test_line_count = 1 out
	test_grep "^{\"verdict\":\"ok\",\"events\":38,\"blocks\":2,\"bytes\":13186,\"seconds\":[0-9.]*,\"anchored\":33,\"signed\":0,\"head\":\"0c62c2f0" out
'

test_expect_success 'ecl-verify agrees, reading a pipe' '
	ecl-verify - <"$log" >out
	test_grep "^{\"verdict\":\"ok\",\"events\":38,\"blocks\":0,\"bytes\":13186," out
	tail -n +7 "$log" | ecl-verify - >out
	test_grep "^{\"verdict\":\"ok\",\"events\":32," out
'

test_expect_success 'ecl-append --replica stores the same bytes' '
	ecl-init -q --replica copy
	ecl-append -q --replica -d copy <"$log"
	cmp "$log" copy/live/.ecl/log/00000000000000000000.ndjson
	ecl-append -q --replica -d copy <"$log"
	cmp "$log" copy/live/.ecl/log/00000000000000000000.ndjson
	ecl-verify -q --quick -d copy
'

test_expect_success 'ecl-replay gives them back' '
	ecl-replay -d copy | cmp - "$log"
	ecl-replay -d copy --from 7 --to 20 >out
	sed -n 8,21p "$log" | test_cmp - out
'

test_expect_success 'ecl-query agrees about the states, now and then' '
	ecl-query -d copy >out
	test_cmp "$golden/query" out
	ecl-query -d copy --format=state >out
	test_cmp "$golden/state" out
	for block in 0 1; do
		size=$(sed "s/.*\"size\":\([0-9]*\).*/\1/" "$golden/block.$block")
		ecl-query -d copy --at $((size - 1)) --format=state | sha256sum >sum
		test "$(header $block state)  -" = "$(cat sum)"
	done
'

test_done
