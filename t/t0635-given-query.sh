#!/usr/bin/env bash
test_description='ecl-query --similar among the vectors that events brought: scores are those of the numbers themselves'
. "${0%/*}/test-lib.sh"

# make.py N DIMS: events with vectors of all sizes, some zero, some events without.
cat >make.py <<'END'
import json, random, sys
n, dims = map(int, sys.argv[1:3])
r = random.Random(dims)
for i in range(n):
	v = [r.gauss(0, 1) for _ in range(dims)]
	scale = [1.0, 1e-30, 1e36, 0.0][r.choice([0, 0, 0, 0, 1, 2, 3])]
	event = {'element': f'{"ab"[i % 2]}:{i}', 'action': 'seen'}
	if i % 5:
		event['vector'] = [x * scale if scale else 0 for x in v]
	print(json.dumps(event))
END

# ask.py K SEQ...: what is to be answered for the vectors of these events of the log `all', in want.SEQ for all elements, in
# want.SEQ.a for those that begin with a, and so for b: seq and score of the K best.
cat >ask.py <<'END'
import base64, json, math, struct, sys
k, seqs = int(sys.argv[1]), [int(seq) for seq in sys.argv[2:]]
events = [json.loads(line) for line in open('all')]
vectors = {}
for e in events:
	if 'vector' in e:
		data = base64.b64decode(e['vector'])
		v = struct.unpack(f'<{len(data) // 4}f', data)
		vectors[e['seq']] = v, math.sqrt(math.fsum(x * x for x in v))
for seq in seqs:
	q, q_norm = vectors[seq]
	scores = []
	for s, (v, v_norm) in vectors.items():
		n = q_norm * v_norm
		if s != seq:
			scores.append((math.fsum(x * y for x, y in zip(q, v)) / n if n else 0.0, s))
	scores.sort(reverse=True)
	for prefix in '', 'a', 'b':
		with open(f'want.{seq}.{prefix}'.rstrip('.'), 'w') as f:
			for score, s in [found for found in scores if events[found[1]]['element'].startswith(prefix)][:k]:
				print(s, f'{score:.4f}', file=f)
END

# check SEQ K [PREFIX]: behind ask.py.
check()
{
	ecl-query -d g --json --similar "$1" --space given -k "$2" ${3:+"$3*"} >out
	jq -r "[.seq, .score] | @tsv" out | awk '{ printf "%d %.4f\n", $1, $2 }' >have
	test_line_count = "$2" have
	test_cmp "want.$1${3:+.$3}" have
}

for dims in 1 2 20 300 4096; do
	n=$((dims > 1000 ? 100 : 3000))
	test_expect_success "$dims numbers: from the log, with rows, with some rows, the best are the best, to four digits" '
		rm -rf g
		ecl-init --backend copy --embedder none g >/dev/null
		python3 make.py $n $dims >in
		ecl-append -q -d g in
		rm -f g/live/.ecl/index/given*
		ecl-replay -d g >all
		k=20
		# All cosines of one number are 1, 0 or -1: the newest of them.
		seqs=$(jq -r "select(.vector and (.vector | test(\"^A*=*\$\") | not)) | .seq" all | sed -n "1p;50p;\$p")
		python3 ask.py $k $seqs
		for seq in $seqs; do
			check $seq $k
			check $seq $k b
		done
		ecl-index -q -d g
		for seq in $seqs; do
			check $seq $k
			check $seq $k a
		done
		sed "s/\"a:/\"aa:/; s/\"b:/\"bb:/" in | head -n 100 | ecl-append -q -d g
		ecl-replay -d g >all
		python3 ask.py $k $seqs
		for seq in $seqs; do check $seq $k; done
	'
done

test_expect_success 'an array is looked for as it is, whatever its length' '
	rm -rf g
	ecl-init --backend copy --embedder none g >/dev/null
	printf "{\"element\":\"%s\",\"action\":\"seen\",\"vector\":%s}\n" x "[1,0]" y "[0,1]" z "[-3,0]" | ecl-append -q -d g
	for v in "[2,0]" "[1e-40, 0]" " [3e38,0]" "[1, 0.0]"; do
		ecl-query -d g --json --similar "$v" >out
		test "$(jq -c "[.element, (.score * 1000 | round)]" out | tr -d "\n")" = "[\"x\",1000][\"y\",0][\"z\",-1000]"
	done
'

test_expect_success 'what cannot be compared is said' '
	for v in "[1,2,3]" "[1]"; do
		test_expect_code 2 ecl-query -d g --similar "$v" 2>err
		test_grep "a vector of [13] numbers, those that are searched have 2" err
	done
	for v in "[]" "[1,2" "[1,\"x\"]" "[1,2] x" "[1,1e39]" "[NaN,1]"; do
		test_expect_code 2 ecl-query -d g --similar "$v" 2>err
		test_grep "is no vector: " err
	done
	test_expect_code 2 ecl-query -d g --similar "[0,0]" 2>err
	test_grep "nothing to look for" err
	test_expect_code 2 ecl-query -d g --similar 0 --space given 2>err
	test_grep "event 0 has no vector of its own" err
	test_expect_code 2 ecl-query -d g --similar words --space given 2>err
	test_grep "not a text" err
	test_expect_code 2 ecl-query -d g --similar words 2>err
	test_grep "ecl-index --embedder" err
	test_expect_code 2 ecl-query -d g --similar 1 --space nosuch
'

test_expect_success 'a ledger in which no event brought one' '
	rm -rf g
	ecl-init --backend copy --embedder none g >/dev/null
	ecl-append -q -d g -e a:b -s 1
	test_expect_code 1 ecl-query -d g --json --similar "[1,2]" >out 2>err
	test_line_count = 0 out && test_grep "no event brought a vector" err && test_line_count = 1 err
'

test_done
