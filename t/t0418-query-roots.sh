#!/usr/bin/env bash
test_description='ecl-query --roots: many ledgers asked at once'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

oracle()
{
	python3 "$top_srcdir/t/oracle.py" "$@"
}

# merged ROOTS [GLOB...]: the history of the roots in that directory, by other means.
merged()
{
	local dir=$1 root args=()

	shift
	mkdir -p logs
	for root in "$dir"/*; do
		cat "$root"/live/.ecl/log/*.ndjson >"logs/${root##*/}"
		args+=("${root##*/}=logs/${root##*/}")
	done
	oracle merge "${args[@]}" -- "$@"
}

# one_by_one ROOTS QUERY...: what each says by itself, with its name.
one_by_one()
{
	local dir=$1 root token

	shift
	ls "$dir" | while read -r root; do
		token=$(jq -n --arg root "$root" "\$root")
		ecl-query -d "$dir/$root" "$@" | sed "s/}\$/,\"root\":${token//\\/\\\\}}/"
	done
}

test_expect_success 'a few ledgers, of overlapping times' '
	mkdir R &&
	for i in 1 2 3 4 5; do
		python3 "$top_srcdir/t/make-ledger.py" made $((100 * i)) --segment $((30 * i)) || exit
		mv made R/web$i
	done &&
	mkdir R/"odd name" && rmdir R/"odd name" &&
	cp -R R/web2 R/"odd \"name" && cp -R R/web3 R/Web &&
	ecl-index -q -d R/web1 && ecl-index -q -d R/web4
'

test_expect_success 'a history is merged by time, then by root, then by seq' '
	merged R >expect &&
	test_line_count -gt 1000 expect &&
	ecl-query --roots R --history >actual &&
	test_cmp expect actual &&
	merged R "interface:*" service:s01 >expect &&
	ecl-query --roots R --history "interface:*" service:s01 >actual &&
	test_cmp expect actual &&
	merged R service:s01 >expect &&
	ecl-query --roots R --history service:s01 >actual &&
	test_cmp expect actual
'

test_expect_success '--reverse turns the whole round, --limit counts all together' '
	merged R >all &&
	tac all >expect &&
	ecl-query --roots R --history --reverse >actual &&
	test_cmp expect actual &&
	for n in 1 2 10 57; do
		head -n $n all >expect
		ecl-query --roots R --history --limit $n >actual
		test_cmp expect actual
		tail -n $n all | tac >expect
		ecl-query --roots R --history --reverse --limit $n >actual
		test_cmp expect actual
	done &&
	one_by_one R >states &&
	tail -n 30 states | tac >expect &&
	ecl-query --roots R --reverse --limit 30 >actual &&
	test_cmp expect actual &&
	head -n 30 states >expect &&
	ecl-query --roots R --limit 30 >actual &&
	test_cmp expect actual
'

test_expect_success 'everything else comes root after root' '
	for q in "" --elements --stat "--at 50" "--event 20" "interface:*" "--since 20 --until 70" "--action modify"; do
		set -f
		one_by_one R $q >expect
		ecl-query --roots R $q >actual
		set +f
		test_cmp expect actual
	done
'

test_expect_success 'a time is the same everywhere' '
	time=$(ecl-query -d R/web2 --event 60 | jq -r .time) &&
	merged R | jq -c --arg t "$time" "select(.time <= \$t) | [.root, .seq]" >expect &&
	ecl-query --roots R --history --until "$time" | jq -c "[.root, .seq]" >actual &&
	test_cmp expect actual &&
	merged R | jq -c --arg t "$time" "select(.time >= \$t) | [.root, .seq]" >expect &&
	ecl-query --roots R --history --since "$time" | jq -c "[.root, .seq]" >actual &&
	test_cmp expect actual &&
	one_by_one R --at "$time" >expect &&
	ecl-query --roots R --at "$time" >actual &&
	test_cmp expect actual
'

test_expect_success 'what has a Merkle root has a ledger' '
	ecl-query --roots R --layer >out &&
	jq -r .ledger out >names &&
	(cd R && ls) >expect &&
	test_cmp expect names &&
	jq -c .root out >actual &&
	for root in R/*; do ecl-query -d "$root" --layer; done | jq -c .root >expect &&
	test_cmp expect actual
'

test_expect_success 'tables and tsv have a column more' '
	ecl-query --roots R --format tsv --event 7 >out &&
	cut -f 8 out >actual &&
	(cd R && ls) >expect &&
	test_cmp expect actual &&
	ecl-query --roots R --history --format tsv | cut -f 1,8 >actual &&
	ecl-query --roots R --history | jq -r "[.seq, .root] | join(\"\t\")" >expect &&
	test_cmp expect actual &&
	ecl-query --roots R --table --stat >out &&
	test_line_count = 8 out &&
	test_grep "vectors *root$" out &&
	test_grep "odd \"name$" out &&
	ecl-query --roots R --table --history --limit 500 "interface:*" >out &&
	test_grep "^ *seq *time .*root *state" out &&
	ecl-query -d R/web5 --table --history "interface:*" | sed 1d | tr -s " " | sed "s/ \$//" >all5 &&
	grep -E " web5( |\$)" out | tr -s " " | sed -E "s/ web5( |\$)/\1/; s/ \$//" >found &&
	test -s found &&
	head -n $(wc -l <found) all5 >expect &&
	test_cmp expect found
'

test_expect_success 'a seq that one root lacks' '
	test_expect_code 2 ecl-query --roots R --at 150 >out 2>err &&
	test_grep "warning: root .web1.: no event 150" err &&
	test_line_count = 1 err &&
	for r in Web "odd \"name" web2 web3 web4 web5; do
		ecl-query -d "R/$r" --at 150
	done >expect &&
	jq -c "del(.root)" out | jq -c .seq >actual && jq -c .seq expect >seqs &&
	test_cmp seqs actual &&
	test_expect_code 2 ecl-query --roots R --history --since 450 >out 2>err &&
	test_line_count = 6 err &&
	jq -r .root out | sort -u >actual &&
	echo web5 >expect &&
	test_cmp expect actual
'

test_expect_success 'what is no root is passed over' '
	test_when_finished "rm -rf Q" &&
	mkdir Q Q/empty Q/files Q/.hidden && cp -R R/web1 Q/b && cp -R R/web1/live Q/a && cp -R R/web1 Q/.hidden/x &&
	echo x >Q/file && mkdir -p Q/files/log && ln -s ../R/web2 Q/link && ln -s nowhere Q/dangling && mkfifo Q/fifo &&
	ecl-query --roots Q --stat | jq -r .root >actual 2>err &&
	printf "%s\n" a b link >expect &&
	test_cmp expect actual &&
	test_expect_code 0 ecl-query --roots Q/ --stat 2>err >out &&
	test_cmp /dev/null err &&
	mkdir Q/half Q/half/live && : >Q/half/lock &&
	test_expect_code 0 ecl-query --roots Q --stat 2>err >actual &&
	test_cmp out actual &&
	test_grep "warning: root .half. is half-made" err &&
	test_expect_code 0 ecl-query --roots Q --history 2>err >/dev/null &&
	test_grep "warning: root .half. is half-made" err
'

test_expect_success 'one root that cannot be read' '
	test_when_finished "rm -rf Q" &&
	mkdir Q && cp -R R/web1 Q/b && cp -R R/web1 Q/c && cp -R R/web2 Q/d &&
	one_by_one Q --stat | sed 2d >expect &&
	echo "no event" >>"$(ls Q/c/live/.ecl/log/*.ndjson | tail -n 1)" &&
	test_expect_code 2 ecl-query --roots Q --stat >actual 2>err &&
	test_cmp expect actual &&
	test_grep "root .c.: " err &&
	rm -r Q/c/live/.ecl/log/* &&
	test_expect_code 2 ecl-query --roots Q --history >actual 2>err &&
	test_grep "root .c.: .*has no events" err &&
	rm -r Q/c && merged Q >expect &&
	test_cmp expect actual &&
	cp -R R/web2 Q/c &&
	rm -rf Q/c/live/.ecl/index && printf "garbage\n" | dd of="$(ls Q/c/live/.ecl/log/*.ndjson | head -n 1)" bs=1 seek=5000 conv=notrunc status=none &&
	test_expect_code 2 ecl-query --roots Q --history >actual 2>err &&
	test_grep "root .c.: " err &&
	jq -c "select(.root != \"c\")" actual | jq -c "[.root, .seq]" >out &&
	jq -c "[.root, .seq]" expect >seqs &&
	test_cmp seqs out
'

test_expect_success NONROOT,ROOT 'one root that may not be read' '
	test_when_finished "rm -rf Q" &&
	mkdir Q && cp -R R/web1 Q/b && cp -R R/web1 Q/c && cp -R R/web2 Q/d && chmod -R go+rX Q && chmod 700 Q/c &&
	test_expect_code 2 as_user ecl-query --roots Q --stat >actual 2>err &&
	test_grep "root .c.: Permission denied" err &&
	jq -r .root actual >out && printf "%s\n" b d >expect &&
	test_cmp expect out
'

test_expect_success 'many roots with few descriptors' '
	test_when_finished "rm -rf M" &&
	mkdir M &&
	python3 - R/web5/live/.ecl/log M <<-\PY &&
		import os, sys
		# A hard link each: nobody writes them.
		for i in range(300):
		    log = "%s/host%03d/live/.ecl/log" % (sys.argv[2], i)
		    os.makedirs(log)
		    os.mkdir("%s/host%03d/.snapshots" % (sys.argv[2], i))
		    for name in os.listdir(sys.argv[1]):
		        os.link(sys.argv[1] + "/" + name, log + "/" + name)
	PY
	(ulimit -n 256 && ecl-query --roots M --history) >actual &&
	merged M >expect &&
	test_cmp expect actual &&
	(ulimit -n 256 && ecl-query --roots M --history --reverse --limit 1000 "interface:*") >actual &&
	merged M "interface:*" | tail -n 1000 | tac >expect &&
	test_cmp expect actual &&
	(ulimit -n 256 && ecl-query --roots M --stat) >actual &&
	test_line_count = 300 actual
'

test_expect_success 'the last block of each' '
	mkdir S &&
	for i in 1 2 3; do
		ecl-init -q S/h$i && ecl-append -q -d S/h$i -e a:b -s $i &&
		{ test $i = 2 || ecl-snap -q -d S/h$i; } &&
		ecl-append -q -d S/h$i -e a:b -s 9$i || exit
	done &&
	test_expect_code 2 ecl-query --roots S --block 0s >actual 2>err &&
	jq -c "[.state, .root]" actual >out &&
	printf "%s\n" "[1,\"h1\"]" "[3,\"h3\"]" >expect &&
	test_cmp expect out &&
	test_grep "root .h2.: no block at or before" err &&
	test_expect_code 2 ecl-query --roots S --block block-0 --history >actual 2>err &&
	jq -c "[.state, .root]" actual >out &&
	test_cmp expect out &&
	ecl-query --roots S/h1/.snapshots | jq -c .state >out &&
	echo 1 >expect &&
	test_cmp expect out
'

test_expect_success 'usage, and what matches nothing' '
	test_expect_code 2 ecl-query --roots R -d R/web1 2>err &&
	test_grep "does not go with" err &&
	test_expect_code 2 ecl-query --roots R --format state 2>err &&
	test_expect_code 2 ecl-query --roots R --names elements 2>err &&
	test_grep "does not go with" err &&
	test_expect_code 2 ecl-query --roots nowhere 2>err &&
	test_grep "nowhere" err &&
	mkdir none &&
	test_expect_code 2 ecl-query --roots none 2>err &&
	test_grep "no ledger directly under .none." err &&
	test_expect_code 1 ecl-query --roots R no:such >out &&
	test_cmp /dev/null out &&
	ECL_ROOT=R/web1 ecl-query --roots R --stat >out &&
	test_line_count = 7 out
'

test_done
