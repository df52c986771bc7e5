test_description='ecl-append: {"complete":GLOB} says that the input was the whole truth'
. "${0%/*}/test-lib.sh"

export ECL_ROOT=$TRASH/root

fill()
{
	local i=1

	while test $i -le "$2"; do
		echo "{\"element\":\"$1:$i\",\"state\":$i}"
		i=$((i + 1))
	done
}

living()
{
	ecl-query --format=tsv "$1" 2>/dev/null | wc -l
}

test_expect_success 'a root with elements' '
	ecl-init --backend copy "$ECL_ROOT" >/dev/null
	{ fill if 12; fill svc 5; } | ecl-append -q
'

test_expect_success 'what was not seen is deleted, in the same run; what does not match stays' '
	{ fill if 11; echo "{\"complete\":\"if:*\"}"; } | ecl-append >out
	jq -c "[.element,.action,.state]" out >have
	echo "[\"if:12\",\"delete\",null]" >want
	test_cmp want have
	test "$(living "svc:*")" = 5
	{ fill if 11; echo "{\"complete\":\"if:*\"}"; } | ecl-append >out
	test_line_count = 0 out
'

test_expect_success 'no complete line, no deletion: a collector that dies deletes nothing' '
	fill if 3 | ecl-append >out
	test_line_count = 0 out
	test "$(living "if:*")" = 11
'

test_expect_success 'more than half of more than ten is refused without --force' '
	{ fill if 4; echo "{\"complete\":\"if:*\"}"; } >in
	test_expect_code 2 ecl-append in 2>err
	test_grep "^ecl-append: in:5:1: .*7 of 11" err
	test "$(living "if:*")" = 11
	ecl-append --force in >out
	test_line_count = 7 out
	test "$(living "if:*")" = 4
'

test_expect_success 'up to ten, all may go' '
	echo "{\"complete\":\"if:*\"}" | ecl-append >out
	test_line_count = 4 out
	test "$(living "if:*")" = 0
'

test_expect_success 'it is refused after a rejected line, and nothing is deleted' '
	{ echo bad; fill svc 2; echo "{\"complete\":\"svc:*\"}"; } >in
	test_expect_code 2 ecl-append --rejects rejected in 2>err
	test_grep "in:4:1: .*after a rejected line" err
	test "$(living "svc:*")" = 5
'

test_expect_success 'only what stands before it counts as seen' '
	{ fill svc 4; echo "{\"complete\":\"svc:*\"}"; echo "{\"element\":\"svc:5\",\"state\":5}"; } | ecl-append >out
	jq -r "[.element,.action]|join(\" \")" out >have
	printf "%s\n" "svc:5 delete" "svc:5 create" >want
	test_cmp want have
'

test_expect_success 'a glob that is exactly a name means that element' '
	echo "{\"element\":\"a[1]\",\"state\":1}" | ecl-append -q
	echo "{\"element\":\"a1\",\"state\":1}" | ecl-append -q
	echo "{\"complete\":\"a[1]\"}" | ecl-append >out
	jq -r .element out >have
	printf "%s\n" "a1" "a[1]" >want
	test_cmp want have
'

test_expect_success 'a deletion carries actor and cause, and --dry-run shows drift' '
	fill svc 2 >in
	echo "{\"complete\":\"svc:*\"}" >>in
	ecl-append -n --cause drift in >out
	test_line_count = 3 out
	jq -e -s "all(.action == \"delete\" and .cause == \"drift\")" out
	test "$(living "svc:*")" = 5
'

test_expect_success 'what another run recorded since this one began is not deleted' '
	mkfifo slow
	ecl-append <slow >out &
	pid=$!
	exec 9>slow
	fill svc 4 >&9
	echo "{\"element\":\"mark:1\",\"state\":1}" >&9
	n=0
	while test "$(wc -l <out)" -lt 1 && test $n -lt 2400; do sleep 0.05; n=$((n + 1)); done
	ecl-append -q -e svc:9 -s 9
	echo "{\"complete\":\"svc:*\"}" >&9
	exec 9>&-
	wait $pid
	jq -r "[.element,.action]|join(\" \")" out >have
	printf "%s\n" "mark:1 create" "svc:5 delete" >want
	test_cmp want have
	ecl-query svc:9 >out
	test_line_count = 1 out
'

test_expect_success 'seen elements of a long input are known over many batches' '
	python3 -c "
for i in range(60000): print(\"{\\\"element\\\":\\\"many:%d\\\",\\\"state\\\":\\\"%s\\\"}\" % (i, \"x\" * 100))" >many
	ecl-append -q many
	{ sed 1d many; echo "{\"complete\":\"many:*\"}"; } | ecl-append >out
	jq -r "[.element,.action]|join(\" \")" out >have
	echo "many:0 delete" >want
	test_cmp want have
'

test_expect_success 'the log of all that verifies' 'ecl-verify -q'

test_done
