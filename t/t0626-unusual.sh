#!/usr/bin/env bash
test_description='ecl-query --unusual: what is least like anything before it'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

# A few kinds of events that come again and again, and now and then something else.
events()
{
	python3 - "$1" <<-'END'
		import json, random, sys
		rnd = random.Random(int(sys.argv[1]))
		words = "disk fan door network mail backup kernel user login update certificate power memory queue cache proxy".split()
		for i in range(300):
		    e = {"element": "interface:eth%d" % rnd.randrange(4), "state": {"mtu": rnd.choice([1500, 9000]), "n": i}}
		    if i % 3 == 1:
		        e = {"element": "service:%s" % rnd.choice("nginx sshd cron".split()), "action": "restart", "actor": rnd.choice(["ansible", "root"])}
		    if i % 17 == 5:
		        e = {"element": "note:%d" % i, "state": " ".join(rnd.sample(words, 4)), "actor": "root"}
		    if i % 101 == 7:
		        e = {"element": "!!", "action": "-", "state": "?"}
		    print(json.dumps(e))
	END
}

# check ROOT [OPTION...]: as the oracle says; what the options mean for ecl-query is the same but for the seqs.
check()
{
	local root=$1 options=() glob=()

	shift
	while test $# != 0; do
		case $1 in
		--glob) glob=("$2") && shift 2 ;;
		*) options+=("$1") && shift ;;
		esac
	done
	# 1: there is none
	{ ecl-query -d "$root" --unusual "${options[@]}" "${glob[@]}" >actual || test $? = 1; } &&
	python3 "$top_srcdir/t/check-unusual.py" "${options[@]}" ${glob:+--glob "$glob"} "$root/live/.ecl" <actual >&2
}

test_expect_success 'a ledger with what is usual, and what is not' '
	ecl-init -q --backend copy R && events 1 | ecl-append -q -d R && ecl-index -q -d R
'

test_expect_success 'the least usual events, their scores, and what is nearest: as every row compared with all before it says' '
	check R && test_line_count = 10 actual &&
	check R -k 1 && check R -k 57 && check R -k 2000 && test_line_count -gt 100 actual
'

test_expect_success 'filters say what is judged; it is compared with all the same' '
	check R --since 180 && check R --until 40 && check R --since 200 --until 210 && test_line_count -gt 3 actual &&
	check R --glob "interface:*" -k 20 && check R --glob "note:*" -k 200 --since 100 && check R --action restart &&
	check R --actor root -k 30 && check R --glob "service:*" --action restart --actor ansible --since 50 -k 3 &&
	check R --glob "note:5"
'

test_expect_success 'without an index, with some of the rows, with damaged ones: the same answers' '
	ecl-query -d R --unusual -k 40 --since 100 >expect &&
	cp -a R N && rm -rf N/live/.ecl/index && ecl-query -d N --unusual -k 40 --since 100 2>err >actual && test_cmp expect actual &&
	cp -a R S && events 2 | ecl-append -q -d S && ecl-query -d S --unusual -k 40 --since 100 >part && ecl-index -q -d S &&
	ecl-query -d S --unusual -k 40 --since 100 >actual && test_cmp actual part && ! cmp -s expect actual &&
	cp -a R D && file=$(ls D/live/.ecl/index/vectors.????????-00000000000000000000) &&
	printf "\377\001\377" | dd of="$file" bs=1 seek=7777 conv=notrunc 2>/dev/null &&
	ecl-query -d D --unusual -k 40 --since 100 >actual 2>err && test_cmp expect actual && test_grep "vectors.*ecl-index" err &&
	rm -rf D && cp -a R D && file=$(ls D/live/.ecl/index/vectors.code.????????-00000000000000000000) &&
	head -c 4000 /dev/urandom | dd of="$file" conv=notrunc 2>/dev/null &&
	ecl-query -d D --unusual -k 40 --since 100 >actual 2>err && test_cmp expect actual && test_grep "vectors.*ecl-index" err &&
	test_line_count = 1 err
'

test_expect_success 'the first event has nothing before it; what comes again is not unusual; without words nothing is judged' '
	ecl-init -q --backend copy T &&
	ecl-append -q -d T <<-\END &&
	{"element":"sensor:porch","state":"the barometer fell"}
	{"element":"!!","action":"-","state":"?"}
	{"element":"sensor:porch","action":"modify","state":"a heron landed on the antenna"}
	{"element":"sensor:porch","action":"modify","state":"a heron landed on the antenna"}
	END
	ecl-query -d T --unusual >actual &&
	jq -c "[.seq, .score, .nearest]" actual >seqs &&
	test_line_count = 2 actual && sed -n 1p seqs >first && echo "[1,1,null]" >expect && test_cmp expect first &&
	test_grep "^\[3,0\.[1-9][0-9]*,1\]" seqs &&
	test_expect_code 1 ecl-query -d T --unusual --since 4 >actual && test_line_count = 0 actual &&
	test_expect_code 1 ecl-query -d T --unusual --since 2 --until 2 >actual && test_line_count = 0 actual &&
	test_expect_code 1 ecl-query -d T --unusual "nobody:*"
'

if strace -o /dev/null true 2>/dev/null && command -v taskset >/dev/null; then
	test_set_prereq STRACE
fi

test_expect_success STRACE 'on one processor of several there is one thread, here and where rows are made' '
	cpu=$(taskset -cp $$ | sed "s/.*: //; s/[-,].*//") && cp -a R O &&
	for seed in 4 5 6 7; do events $seed; done | ecl-append -q -d O &&
	traced -qq -o one -e trace=clone,clone3 taskset -c "$cpu" ecl-query -d O --unusual >actual &&
	test_grep ! clone one && ecl-query -d O --unusual >expect && test_cmp expect actual &&
	traced -qq -o one -e trace=clone,clone3 taskset -c "$cpu" ecl-index -q --rebuild -d O && test_grep ! clone one
'

test_expect_success 'several ledgers: the best of all, by score' '
	mkdir roots && cp -a R roots/a && cp -a T roots/b && ecl-init -q --backend copy --embedder none roots/c &&
	test_expect_code 2 ecl-query --roots roots --unusual -k 30 >actual 2>err &&
	test_grep "root .c.: .*ecl-index --embedder" err &&
	{
		ecl-query -d roots/a --unusual -k 30 | sed "s/}\$/,\"root\":\"a\"}/" &&
		ecl-query -d roots/b --unusual -k 30 | sed "s/}\$/,\"root\":\"b\"}/"
	} | jq -c "[.score, .root, .seq, .nearest]" >all &&
	jq -c "[.score, .root, .seq, .nearest]" actual >got && test_line_count = 30 got &&
	sort all >all.sorted && sort got >got.sorted && comm -13 all.sorted got.sorted >others && test_line_count = 0 others &&
	jq -s "map(.[0]) | . == (sort | reverse)" got >sorted && grep -qx true sorted &&
	jq -s "map(.[0]) | sort | reverse | .[0:30] | map(tostring)" all >best && jq -s "map(.[0]) | map(tostring)" got >scores && test_cmp best scores
'

test_expect_success 'as of a block, and as of then' '
	cp -a R B && ecl-snap -q -d B >/dev/null && ecl-query -d B --unusual -k 25 >expect && events 3 | ecl-append -q -d B &&
	ecl-query -d B --block block-0 --unusual -k 25 >actual && test_cmp expect actual &&
	ecl-query -d B --at block-0 --unusual -k 25 >actual && test_cmp expect actual &&
	ecl-query -d B --until 300 --unusual -k 25 >actual && test_cmp expect actual
'

test_expect_success 'a ledger without an embedder: what mends it is named' '
	ecl-init -q --backend copy --embedder none E && ecl-append -q -d E -e a:1 -s 1 &&
	test_expect_code 2 ecl-query -d E --unusual 2>err && test_grep "ecl-index --embedder" err
'

test_expect_success 'people get a table' '
	ecl-query -d T --unusual --table >actual &&
	test_grep "^ score  seq  time .*  element  *action  *state  *nearest" actual &&
	COLUMNS=60 ecl-query -d T --unusual --table >narrow &&
	test_grep "^ score  seq  time .*  element  *action  *nearest" narrow && test_grep "^    [{\"]" narrow &&
	test_grep "^1\.0000    1  .* ago  sensor:porch  create  .the barometer fell." actual &&
	test_grep "  sensor:porch  modify  .*heron.* 1\$" actual &&
	ecl-query -d T --unusual --format tsv -k 1 >actual && test_grep "^1\.0000	1	" actual
'

test_expect_success 'options that do not go with it, and numbers that are none' '
	test_expect_code 2 ecl-query -d T --unusual --exact 2>err && test_grep "exact.*does not go with.*unusual" err &&
	test_expect_code 2 ecl-query -d T --unusual -k 0 2>err && test_grep "\-k" err &&
	test_expect_code 2 ecl-query -d T --unusual --similar x 2>err && test_grep "does not go with" err
'

test_done
