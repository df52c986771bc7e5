#!/usr/bin/env bash
test_description='vectors that events bring with them: one dimension for all of a ledger, however it is told'
. "${0%/*}/test-lib.sh"

# ledger NAME: a new one.
ledger()
{
	rm -rf "$1"
	ecl-init --backend copy --embedder none "$1" >/dev/null
}

# with N VECTOR: an event of element e:N.
with()
{
	printf '{"element":"e:%s","action":"seen","vector":%s}\n' "$1" "$2"
}

test_expect_success 'the first vector fixes the dimension: another is refused by place, with both numbers' '
	ledger one
	with 1 "[1,2,3]" | ecl-append -q -d one
	with 2 "[3,2,1]" | ecl-append -q -d one
	with 3 "[1,2]" >in
	test_expect_code 2 ecl-append -q -d one in 2>err
	test_grep "in:1:43: member .vector. has 2 numbers, those of this ledger have 3" err
	with 4 "\"AACAPw==\"" | test_expect_code 2 ecl-append -q -d one 2>err
	test_grep "^ecl-append: -:1:43: member .vector. has 1 numbers, those of this ledger have 3" err
	test "$(ecl-replay -d one | wc -l)" = 3
	ecl-verify -q -d one
'

test_expect_success 'within one input: the lines before stay, those after do not' '
	ledger two
	{ with 1 "[1,2,3]"; with 2 "[1,1,1]"; with 3 "[1,2,3,4]"; with 4 "[1,2,3]"; } >in
	test_expect_code 2 ecl-append -q -d two in 2>err
	test_grep "in:3:43: .* 4 numbers, .* 3" err
	test "$(ecl-replay -d two | wc -l)" = 3
'

test_expect_success '--rejects: what does not fit is put away, the rest is recorded' '
	ledger three
	{ with 1 "[1,2,3]"; with 2 "[1]"; with 3 "[3,2,1]"; with 4 "\"AACAPw==\""; } >in
	test_expect_code 1 ecl-append -q -d three --rejects bad in 2>err
	sed -n "2p;4p" in >want
	test_cmp want bad
	test "$(ecl-replay -d three | wc -l)" = 3
	grep -c "numbers, those of this ledger have 3" err | grep -x 2
'

test_expect_success 'a line that is refused, or changes nothing, fixes nothing' '
	ledger four
	{ printf "{\"element\":\"a\",\"state\":1}\n{\"element\":\"a\",\"state\":1,\"vector\":[1]}\n"; with 1 "[1,2]"; } |
		ecl-append -q -d four
	with 2 "[1]" | test_expect_code 2 ecl-append -q -d four
	with 2 "[2,1]" | ecl-append -q -d four
'

test_expect_success 'a damaged manifest is made anew, also where there are no vectors, and few events' '
	ledger damaged
	ecl-append -q -d damaged -e a:1 -s 1
	for with in none some; do
		test $with = none || with 1 "[1,2,3]" | ecl-append -q -d damaged
		ecl-index -q -d damaged
		echo garbage >damaged/live/.ecl/index/given.head
		test_expect_code 1 ecl-index --check -q -d damaged 2>err
		test_grep "given.head. is damaged" err
		ecl-index -q -d damaged 2>err
		test_grep "warning: the vectors are made anew: .given.head. is damaged" err
		ecl-index --check -q -d damaged
		ecl-index -q -d damaged 2>err
		test_line_count = 0 err
	done
'

test_expect_success 'an event without a vector is no matter' '
	ledger five
	with 1 "[1,2,3]" | ecl-append -q -d five
	seq 1000 | sed "s/.*/{\"element\":\"n:&\",\"state\":&}/" | ecl-append -q -d five
	with 2 "[0,0,0]" | ecl-append -q -d five
	test "$(ecl-replay -d five | wc -l)" = 1003
'

for index in kept gone behind damaged; do
	test_expect_success "the dimension is known with an index that is $index" '
		ledger six
		seq 2000 | sed "s/.*/{\"element\":\"n:&\",\"state\":&}/" | ecl-append -q -d six
		with 1 "[1,2,3,4]" | ecl-append -q -d six
		case $index in
		kept) ecl-index -q -d six ;;
		gone) rm -rf six/live/.ecl/index ;;
		behind) rm -f six/live/.ecl/index/given.head && seq 3000 | sed "s/.*/{\"element\":\"m:&\",\"state\":&}/" | ecl-append -q -d six ;;
		damaged)
			ecl-index -q -d six
			for f in six/live/.ecl/index/given*; do
				printf "\\377\\377\\377" | dd of="$f" bs=1 seek=20 conv=notrunc status=none
			done
			;;
		esac
		with 2 "[1,2,3]" | test_expect_code 2 ecl-append -q -d six 2>err
		test_grep "has 3 numbers, those of this ledger have 4" err
		with 3 "[1,2,3,4]" | ecl-append -q -d six
	'
done

test_expect_success 'the manifest is asked, not all of the log' '
	ledger seven
	seq 200000 | sed "s/.*/{\"element\":\"n:&\",\"state\":&}/" | ecl-append -q -d seven
	with 1 "[1,2,3,4]" | ecl-append -q -d seven
	ecl-index -q -d seven
	size=$(stat -c %s seven/live/.ecl/log/*0.ndjson)
	with 2 "[4,3,2,1]" >in
	traced -e trace=read,pread64 -o trace ecl-append -q -d seven in
	read=$(sed -n "s/.*= \\([0-9]*\\)\$/\\1/p" trace | awk "{ n += \$1 } END { print n + 0 }")
	test "$read" -lt $((size / 4))
'

test_expect_success 'two writers at once: all vectors have the dimension of the first' '
	ledger eight
	for i in 1 2 3 4 5; do
		for w in a b; do
			(
				test $w = a && v="[1,2]" || v="[1,2,3]"
				with "$w$i" "$v" | ecl-append -q -d eight 2>/dev/null
			) &
			pids="$pids $!"
		done
	done
	for p in $pids; do wait $p || :; done
	pids=
	ecl-replay -d eight | jq -r "select(.vector) | .vector | length" | sort -u >lengths
	test_line_count = 1 lengths
	ecl-verify -q -d eight
'

test_expect_success 'a flood: vectors in batches that follow one another' '
	ledger nine
	seq 60000 | awk "{ printf \"{\\\"element\\\":\\\"e:%d\\\",\\\"state\\\":%d,\\\"vector\\\":[%d,1,2]}\\n\", \$1, \$1, \$1 }" >in
	with x "[1,2]" >>in
	with y "[1,2,3]" >>in
	test_expect_code 2 ecl-append -q -d nine in 2>err
	test_grep "in:60001:43: .* 2 numbers, .* 3" err
	test "$(ecl-replay -d nine | wc -l)" = 60001
	test_expect_code 1 ecl-append -q -d nine --rejects bad in 2>err
	test_line_count = 1 bad
'

test_expect_success 'a flood: one in a batch that is still on its way fixes the dimension of the next' '
	ledger nine
	with 0 "[1,2,3]" >in
	seq 100000 | awk "{ printf \"{\\\"element\\\":\\\"e:%d\\\",\\\"state\\\":%d%s}\\n\", \$1, \$1, \$1 % 50 == 0 ? \",\\\"vector\\\":[1,2]\" : \"\" }" >>in
	test_expect_code 1 ecl-append -q -d nine --rejects bad in 2>err
	test_line_count = 2000 bad
	test "$(ecl-replay -d nine | grep -c vector)" = 1
'

test_expect_success 'a dry run says the same, and fixes nothing' '
	ledger ten
	{ with 1 "[1,2]"; with 2 "[1]"; } >in
	test_expect_code 2 ecl-append -n -q -d ten in 2>err
	test_grep "in:2:43: .* 1 numbers, .* 2" err
	with 1 "[1]" | ecl-append -q -d ten
'

test_expect_success 'a replica stores what there is, byte for byte' '
	golden=$top_srcdir/t/data/golden/log.ndjson
	jq -r "select(.vector) | .vector | length" "$golden" | sort -u >lengths
	test_line_count = 2 lengths
	ecl-init --backend copy --replica to
	ecl-append -q -d to --replica "$golden"
	ecl-replay -d to >have
	test_cmp "$golden" have
	ecl-index -q -d to
'

# A log that another host wrote: what ecl-append would not take.
test_expect_success 'what cannot be a vector fixes no dimension, with an index and without one' '
	cat >lines.py <<-\EOF &&
	import base64, hashlib, json, struct
	prev, layer = "0" * 64, {"embedder": "none", "format": 1, "hash": "sha256", "id": "11111111-1111-4111-8111-111111111111", "origin": "x/y"}
	vectors = [None, [float("nan"), 1, 2], [1] * 70000, [1, 2, 3, 4], [1, 2, 3, 5], [0, 0, 0, 0], [1, 2, 3]]
	for seq, v in enumerate(vectors):
	    line = {"seq": seq, "time": "2026-01-01T00:00:00.000000Z", "element": "e:%d" % seq if seq else "ecl:layer", "action": "create",
	            "state": {"n": seq} if seq else layer}
	    if v is not None:
	        line["vector"] = base64.b64encode(struct.pack("<%df" % len(v), *v)).decode()
	    line.update(uid=0, parent=None, prev=prev)
	    text = json.dumps(line, separators=(",", ":"))[:-1]
	    prev = hashlib.sha256(text.encode()).hexdigest()
	    print(text + ",\"hash\":\"%s\"}" % prev)
	EOF
	python3 lines.py >lines &&
	ecl-init --backend copy --replica odd >out &&
	ecl-append -q -d odd --replica lines &&
	rm -rf odd/live/.ecl/index &&
	for index in without with; do
		ecl-query -d odd --similar "[1,2,3,4]" >got && jq .seq got >seqs && printf "%s\n" 3 4 5 | test_cmp - seqs &&
		ecl-query -d odd --similar 3 --space given >got && jq .seq got >seqs && printf "%s\n" 4 5 | test_cmp - seqs &&
		for seq in 1 2 6; do
			test_expect_code 2 ecl-query -d odd --similar $seq --space given 2>err &&
			test_grep "event $seq has a vector of [0-9]* numbers, those that are searched have 4" err || return 1
		done &&
		ecl-index -q -d odd || return 1
	done &&
	ecl-index -d odd 2>err && test_grep "3 events brought a vector that is not searched, event 1 the first: those that are have 4 numbers" err
'

test_expect_success 'who looks at an event sees that it brought a vector' '
	ledger shown
	with 1 "[1,2,3]" | ecl-append -q -d shown
	ecl-query -d shown --event 1 --table >out
	test_grep "^vector *3 numbers\$" out
'

test_expect_success 'one number, 4096, and the most there may be; not one more' '
	for n in 1 4096 65536; do
		ledger size
		python3 -c "import sys; n = int(sys.argv[1]); print(\"{\\\"element\\\":\\\"a\\\",\\\"state\\\":1,\\\"vector\\\":[\" + \",\".join([\"1\"] * n) + \"]}\")" $n |
			ecl-append -q -d size
		with 1 "[1,2]" | test_expect_code 2 ecl-append -q -d size 2>err
		test_grep "has 2 numbers, those of this ledger have $n" err
		ecl-index -q -d size
		ecl-verify -q -d size
	done
	ledger size
	python3 -c "print(\"{\\\"element\\\":\\\"a\\\",\\\"state\\\":1,\\\"vector\\\":[\" + \",\".join([\"1\"] * 65537) + \"]}\")" >in
	test_expect_code 2 ecl-append -q -d size in 2>err
	test_grep "in:1:[0-9]*: member .vector. has 65537 numbers, more than 65536" err
'

test_done
