#!/usr/bin/env bash
# shellcheck disable=SC2154
test_description='vectors on disk: caught up by ecl-append, ecl-snap and ecl-index, damaged and mended, in blocks and after a rollback'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

test_btrfs 1G
vectors() { python3 "$top_srcdir/t/check-vectors.py" "$@"; }

# events N: so many of fifty elements.
events()
{
	awk -v n="$1" 'BEGIN {
		split("up down degraded failed starting stopped", s, " ")
		for (i = 0; i < n; i++)
			printf "{\"element\":\"service:s%d\",\"action\":\"modify\",\"state\":{\"state\":\"%s\",\"n\":%d}}\n", i * 7 % 50, s[i % 6 + 1], i % 997
	}'
}

# stat MEMBER: of ecl-query --stat.
stat_of() { ecl-query --stat | jq -r ".$1"; }

# new_ledger NAME [OPTION...]: and it is the one meant from now on.
new_ledger()
{
	local name=$1

	shift
	rm -rf "$name"
	ecl-init --backend copy "$@" "$name" >/dev/null
	export ECL_ROOT=$PWD/$name
	INDEX=$name/live/.ecl/index
}

# What is right whatever happened: an index and vectors that the log confirms, and no file that nobody names.
all_right()
{
	ecl-index -q || return 1
	ecl-index --check -q || return 1
	test "$(stat_of vectors)" = "$(stat_of events)" || return 1
	local seed
	seed=$(sed -n "s/^seed //p" "$INDEX/vectors.head")
	find "$INDEX" -name "vectors.*" ! -name "vectors.head" ! -name "vectors.$seed-*" ! -name "vectors.code.$seed-*" >left
	find "$INDEX" -name ".*" -type f >>left
	test_line_count = 0 left
}

test_expect_success 'a flood leaves the vectors to ecl-index' '
	new_ledger L
	events 40000 | ecl-append -q
	test "$(stat_of vectors)" = 0
	ecl-index >out
	test "$(jq -c "[.events,.published,.vectors,.given]" out)" = "[40001,40001,40001,0]"
	test "$(stat_of vectors)" = 40001
	all_right
	vectors made L/live/.ecl >rows
	test_line_count = 40001 rows
	# The genesis is of ecl itself.
	test "$(grep -cx 0 rows)" = 1
	test "$(sed -n 1p rows)" = 0
'

test_expect_success 'equal events have equal vectors, others have others' '
	ecl-replay | jq -c "[.element,.action,.state]" >texts
	test "$(sort -u texts | wc -l)" = "$(sort -u rows | wc -l)"
	paste rows texts | sort -u | wc -l >pairs
	test "$(cat pairs)" = "$(sort -u texts | wc -l)"
'

test_expect_success 'a second run finds nothing to do, and writes nothing' '
	find "$INDEX" -type f -printf "%p %i %T@\n" | sort >before
	ecl-index -q
	find "$INDEX" -type f -printf "%p %i %T@\n" | sort >after
	test_cmp before after
'

test_expect_success 'small appends have theirs at once' '
	new_ledger S
	events 1500 | ecl-append -q
	test "$(stat_of vectors)" = 1501
	for i in 1 2 3; do ecl-append -q -e a:$i -s $i; done
	test "$(stat_of vectors)" = 1501
	events 1200 | ecl-append -q
	test "$(stat_of vectors)" = 2704
	all_right
'

test_expect_success 'after a flood, small appends take a part of it' '
	new_ledger F
	events 50000 | ecl-append -q
	events 1200 | ecl-append -q
	test "$(stat_of vectors)" = 32768
	events 1200 | ecl-append -q
	test "$(stat_of vectors)" = "$(stat_of events)"
	all_right
'

test_expect_success 'a missing model: the index first, then a clear error' '
	new_ledger M
	events 5000 | ecl-append -q
	rm "$INDEX"/vectors*
	events 300 | ecl-append -q
	mkdir -p no-models
	(
		export ECL_MODEL_DIR=$PWD/no-models
		test_expect_code 2 ecl-index 2>err
		test_grep "ecl-en-1.model" err
		test_grep "ecl-index --embedder" err
		test "$(stat_of index_lag)" = 0
		test_expect_code 2 ecl-index --embedder ecl-en-1
		# Who appends is not bothered, but may ask.
		events 1500 | ecl-append -q 2>err
		test_line_count = 0 err
		events 1500 | ecl-append -v -q 2>err
		test_grep "ecl-append: warning: no vectors were made of the events: .*ecl-en-1.model" err
		test_line_count = 1 err
		ecl-snap >out 2>err
		test_grep "ecl-snap: warning: the vectors are not up to date: .*ecl-en-1.model" err
		test "$(jq -c .vector out)" = null
	)
	all_right
	# Where all vectors are there, nobody needs it.
	ECL_MODEL_DIR=$PWD/no-models ecl-index -q
	ECL_MODEL_DIR=$PWD/no-models test_expect_code 2 ecl-index --rebuild -q
	test "$(stat_of vectors)" = "$(stat_of events)"
	all_right
'

test_expect_success 'a damaged model does not fail an append either' '
	mkdir -p bad-models
	head -c 100000 "$ECL_MODEL_DIR/ecl-en-1.model" >bad-models/ecl-en-1.model
	events 1500 | ECL_MODEL_DIR=$PWD/bad-models ecl-append -q 2>err
	test_line_count = 0 err
	ECL_MODEL_DIR=$PWD/bad-models test_expect_code 2 ecl-index 2>err
	test_grep "ecl-en-1.model" err
	all_right
'

# Its rows are looked at when a word needs them: what is wrong with one must not become a vector that stays.
test_expect_success 'nor does one whose rows are damaged, and no vector is made by it' '
	python3 - "$ECL_MODEL_DIR/ecl-en-1.model" bad-models/ecl-en-1.model <<-\EOF &&
	import sys
	data = bytearray(open(sys.argv[1], "rb").read())
	for at in range(len(data) // 4, len(data), 64):
	    data[at] ^= 1
	open(sys.argv[2], "wb").write(data)
	EOF
	new_ledger M2 &&
	events 1500 | ECL_MODEL_DIR=$PWD/bad-models ecl-append -v -q 2>err &&
	test_grep "warning: no vectors were made of the events: model .*bad-models.* is damaged" err &&
	ECL_MODEL_DIR=$PWD/bad-models test_expect_code 2 ecl-index 2>err &&
	test_grep "model .*bad-models.* is damaged.*install it again" err &&
	test "$(stat_of vectors)" = 0 &&
	ECL_MODEL_DIR=$PWD/bad-models test_expect_code 2 ecl-query --similar "disk full on the host" >out 2>err &&
	test_cmp /dev/null out && test_grep "is damaged.*install it again" err &&
	ecl-index -q &&
	ECL_MODEL_DIR=$PWD/bad-models test_expect_code 2 ecl-index --check 2>err &&
	test_grep "is damaged.*install it again" err &&
	all_right
'

test_expect_success 'a file cut, garbled, emptied or gone: ecl-index mends it, or says how' '
	new_ledger D
	events 2000 | ecl-append -q
	ecl-index -q
	printf "{\"element\":\"g\",\"state\":%d,\"vector\":[1,2,%d]}\n" 1 1 2 2 3 3 | ecl-append -q
	ecl-index -q
	rm -rf good
	cp -a "$INDEX" good
	ecl-query --layer | jq -r .vector >vector
	for file in good/vectors* good/given*; do
		name=${file##*/}
		for how in cut garbled emptied gone; do
			rm -rf "$INDEX"
			cp -a good "$INDEX"
			case $how in
			cut) truncate -s $(($(stat -c %s "$file") / 2)) "$INDEX/$name" ;;
			garbled) head -c "$(stat -c %s "$file")" /dev/urandom >"$INDEX/$name" ;;
			emptied) : >"$INDEX/$name" ;;
			gone) rm "$INDEX/$name" ;;
			esac
			# The layer has the same vector, be it from what is left.
			ecl-query --layer | jq -r .vector | cmp - vector || { echo "after $name: $how"; return 1; }
			case $name:$how in
			*.head:gone) ;;
			*)
				test_expect_code 1 ecl-index --check -q 2>err || { echo "--check after $name: $how"; return 1; }
				test_grep "${name%%.*}" err
				test_grep "ecl-index" err
				;;
			esac
			case $name:$how in
			*.head:* | *:cut | *:emptied | *:gone) ecl-index -q 2>err ;;
			*) ecl-index --rebuild -q ;;
			esac || { echo "ecl-index after $name: $how"; return 1; }
			all_right || { echo "not right after $name: $how"; return 1; }
		done
	done
'

test_expect_success 'what is made anew is said' '
	: >"$INDEX/vectors.head"
	ecl-index 2>err >out
	test_grep "warning: the vectors are made anew: .*vectors.head. is damaged" err
	all_right
'

test_expect_success STRACE 'killed anywhere: the next run finishes it, and nothing is left over' '
	new_ledger K
	events 2000 | ecl-append -q
	rm -rf "$INDEX"
	cp -a K K0
	export ECL_ROOT=$PWD/K
	for how in "" --rebuild; do
		before() { rm -rf K && cp -a K0 K && { test -z "$how" || ecl-index -q; }; }
		after() { ecl-query --stat >/dev/null && all_right; }
		faults 4 pwrite64,write,fdatasync,fsync,renameat,unlinkat,mkdirat signal=KILL ecl-index -q $how
	done
'

test_expect_success STRACE 'a full disk: an error, what was there stays, and room mends it' '
	rm -rf K
	cp -a K0 K
	ecl-index -q
	events 40000 | ecl-append -q
	had=$(stat_of vectors)
	cp -a K K1
	before() { rm -rf K && cp -a K1 K; }
	after() {
		case $fault_exit:$fault_on in
		# What was to be written is not there; the left-over that could not be removed is removed later.
		2:?*) test_grep "^ecl-index: .*No space left on device" fault.err ;;
		0:) ;;
		*) false ;;
		esac && test "$(stat_of vectors)" -ge "$had" && all_right
	}
	faults 3 pwrite64,fdatasync,fsync error=ENOSPC ecl-index -q
'

test_expect_success '--embedder: recorded once, with all else as it was; the vectors are those of the new one' '
	new_ledger E --origin example.com/log
	events 3000 | ecl-append -q
	ecl-index -q
	ecl-replay --count 1 | jq -c .state >genesis
	ecl-index --embedder none >out
	test "$(jq .vectors out)" = 0
	test ! -e "$INDEX/vectors.head"
	ls "$INDEX" | grep -c "^vectors" >left || :
	test "$(cat left)" = 0
	ecl-replay --from 3001 >last
	test_line_count = 1 last
	test "$(jq -c "[.element,.action]" last)" = "[\"ecl:layer\",\"modify\"]"
	jq -c .state last >state
	jq -c ".embedder=\"none\"" genesis >expect
	test_cmp expect state
	ecl-index --embedder none -q
	test "$(stat_of events)" = 3002
	# Without an embedder there are none, and that is no error.
	events 2000 | ecl-append -v 2>err >/dev/null
	test_line_count = 0 err
	test "$(ecl-snap | jq .vector)" = null
	test "$(ecl-query --layer | jq .vector)" = null
	ecl-index --embedder ecl-en-1 -q
	all_right
	ecl-replay --element ecl:layer >layer
	test "$(tail -n 1 layer | jq -c .state)" = "$(cat genesis)"
	ecl-verify -q
'

test_expect_success 'a name that is none, options that do not go together' '
	test_expect_code 2 ecl-index --embedder no-such-model 2>err
	test_grep "no-such-model" err
	test_expect_code 2 ecl-index --embedder ecl-en-1 --check
	ecl-replay --element ecl:layer >again
	test_cmp layer again
'

test_expect_success 'a command: its vectors, checked by their sums, and its failure named' '
	cat >embed.py <<-"PY" &&
	import json, sys, os
	for i, line in enumerate(sys.stdin):
	    t = json.loads(line)["text"]
	    if os.path.exists("fail") and i > 100:
	        print(json.dumps({"error": "no more today"}), flush=True)
	        continue
	    print(json.dumps({"vector": [len(t), t.count("e"), t.count("d"), 1]}), flush=True)
	PY
	ecl-index --embedder "python3 $PWD/embed.py" >out
	test "$(jq .vectors out)" = "$(stat_of events)"
	test "$(sed -n "s/^dims //p" "$INDEX/vectors.head")" = 4
	ecl-index --check -q
	# Appends and snaps do not run it.
	events 2000 | ecl-append -q
	test "$(stat_of vectors)" -lt "$(stat_of events)"
	: >fail
	test_expect_code 2 ecl-index 2>err
	test_grep "no more today" err
	test "$(stat_of index_lag)" = 0
	rm fail
	all_right
'

test_expect_success 'of a replica the command is not run: that is said, and no error' '
	ecl-init --backend copy --replica R
	ecl-replay | ecl-append -d R --replica -q
	: >fail
	ecl-index -d R >out 2>err
	rm fail
	test "$(jq -c "[.vectors,.published==.events]" out)" = "[0,true]"
	test_grep "replica" err
	test_expect_code 2 ecl-index -d R --embedder none 2>err
	test_grep "is a replica" err
	ecl-index --embedder ecl-en-1 -q
	ecl-replay | ecl-append -d R --replica -q
	ecl-index -d R >out
	test "$(jq .vectors out)" = "$(stat_of events)"
	vectors made E/live/.ecl >ours
	vectors made R/live/.ecl >theirs
	test_cmp ours theirs
'

test_expect_success 'rebuilt under the eyes of readers: they never see a gap' '
	new_ledger B
	events 30000 | ecl-append -q
	ecl-index -q
	ecl-query --layer | jq -r .vector >vector
	: >seen
	{
		while test -e seen; do
			ecl-query --stat | jq .vectors
		done
	} >counts &
	reader=$!
	{
		while test -e seen; do
			ECL_MODEL_DIR=/nowhere ecl-query --layer | jq -r .vector
		done
	} >layers &
	other=$!
	for i in 1 2; do
		ecl-index --rebuild -q || break
	done
	for i in $(seq 2400); do
		! test -s counts || ! test -s layers || break
		sleep 0.05
	done
	rm seen
	wait $reader $other
	test "$(sort -u counts)" = 30001
	sort -u layers >actual
	test_cmp vector actual
	all_right
'

for backend in copy btrfs; do
	test "$backend" = btrfs && pre=BTRFS || pre=
	test_expect_success "$pre" "$backend: the layer's vector is what the rows of the living elements say" '
		ECL_ROOT=$(ecl_backend_root '$backend')
		export ECL_ROOT
		ecl-init --backend '$backend' "$ECL_ROOT" >/dev/null
		events 5000 | ecl-append -q
		printf "{\"element\":\"service:s%d\",\"state\":null}\n" 1 2 3 | ecl-append -q
		ecl-append -q -e service:s4 -a restart
		ecl-snap >header
		block=$(ecl-snap --path 0s)
		ecl-query >states
		test_line_count = 47 states
		vectors layer "$block/.ecl" <states >expect
		jq -r .vector header >actual
		test_cmp expect actual
		jq -r .vector "$block/.ecl/block" >actual
		test_cmp expect actual
		ecl-query --layer --at 5004 | jq -r .vector >actual
		test_cmp expect actual
		# A moment of the past, by the rows of the present; and of events that have no row yet.
		ecl-append -q -e new -s "{\"a\":\"disk failed\"}"
		ecl-index -q
		for at in 30 2000 5001 5005; do
			ecl-query --at $at >states
			vectors layer "$ECL_ROOT/live/.ecl" <states >expect
			ecl-query --layer --at $at | jq -r .vector >actual
			test_cmp expect actual || return 1
		done
		rm "$ECL_ROOT"/live/.ecl/index/vectors*
		ecl-query --layer --at 5005 | jq -r .vector >actual
		test_cmp expect actual
		# The block has vectors of its own.
		ecl-query --block 0s --layer | jq -r .vector >actual
		jq -r .vector header >expect
		test_cmp expect actual
		test "$(ecl-query --block 0s --stat | jq .vectors)" = 5005
		ecl-verify -q
	'

	test_expect_success "$pre" "$backend: a rollback keeps the vectors" '
		ECL_ROOT=$(ecl_backend_root '$backend')
		export ECL_ROOT
		ecl-init --backend '$backend' "$ECL_ROOT" >/dev/null
		INDEX=$ECL_ROOT/live/.ecl/index
		events 2000 | ecl-append -q
		ecl-snap -q
		ecl-query --layer | jq -r .vector >expect
		events 3000 | sed "s/\"n\":/&9/" | ecl-append -q
		ecl-index -q
		before=$(stat_of vectors)
		ecl-rollback --yes -q block-0
		test "$(stat_of vectors)" = "$before"
		ecl-index --check -q
		# The states are those of the block; their events are others.
		ecl-snap | jq -r .vector >actual
		all_right
		ecl-query --layer | jq -r .vector >actual2
		test_cmp actual actual2
		ecl-verify -q
	'
done

test_expect_success 'segments: sealed, checked, and mended where they are damaged' '
	new_ledger I
	events 51000 | ecl-append -q
	# Of so few nobody would ask them, unless told to.
	ecl-index >out
	test "$(jq .segments out)" = 0
	ECL_SCAN_ROWS=51001 ecl-index >out
	test "$(jq .segments out)" = 0
	ls "$INDEX" >files
	test_grep ! "^ivf-" files
	test_when_finished "unset ECL_SCAN_ROWS"
	export ECL_SCAN_ROWS=51000
	ecl-index >out
	if test "$(jq .segments out)" = 0; then
		echo "# without FAISS there are none"
		ls "$INDEX" >files
		test_grep ! "^ivf-" files
		return 0
	fi
	one_segment() { (cd "$INDEX" && ls ivf-vectors.*); }
	first=$(one_segment)
	test_grep "^ivf 0 50000 ${first##*-} " "$INDEX/vectors.head"
	ecl-index --check -q
	printf damage | dd of="$INDEX/$first" bs=1 seek=$(($(stat -c %s "$INDEX/$first") / 2)) conv=notrunc status=none
	test_expect_code 1 ecl-index --check -q 2>err
	test_grep "$first" err
	test_grep "ecl-index --rebuild" err
	ecl-index --rebuild -q
	all_right
	second=$(one_segment)
	test "$second" != "$first"
	# What is cut or gone is seen without reading all of it.
	truncate -s 1000 "$INDEX/$second"
	ecl-index -q
	all_right
	third=$(one_segment)
	test "$third" != "$second"
	rm "$INDEX/$third"
	ecl-append -q -e a -s 1
	ecl-index -q
	all_right
	test "$(one_segment)" != "$third"
	# Left by a run that died.
	: >"$INDEX/.ivf-vectors.0-1.new"
	: >"$INDEX/ivf-vectors.12345678-000000000001"
	ecl-index -q
	all_right
	test "$(one_segment | wc -l)" = 1
	# Where they are not asked they stay as they are, until all is made anew.
	unset ECL_SCAN_ROWS
	ecl-append -q -e a -s 2
	test "$(ecl-index | jq .segments)" = 1
	all_right
	ecl-index --rebuild -q
	test "$(ecl-index | jq .segments)" = 0
	ls "$INDEX" >files
	test_grep ! "^ivf-" files
'

test_expect_success 'vectors that events brought: their own space, checked by their floats' '
	new_ledger G
	{
		events 100
		for i in 1 2 3 4 5; do echo "{\"element\":\"doc:$i\",\"state\":$i,\"vector\":[0.5,-1.25,$i]}"; done
		echo "{\"element\":\"doc:y\",\"state\":1,\"vector\":[0,0,0]}"
		echo "{\"element\":\"doc:z\",\"state\":1,\"vector\":[3e38,1,-3e38]}"
	} | ecl-append -q
	ecl-index >out
	test "$(jq .given out)" = 7
	vectors given G/live/.ecl >actual
	vectors wanted G/live/.ecl/log/* >expect
	test_cmp expect actual
	# No embedder is needed.
	ecl-index --embedder none -q
	ecl-append -q -e doc:6 -s 1
	echo "{\"element\":\"doc:7\",\"state\":7,\"vector\":[7,7,7]}" | ecl-append -q
	test "$(ecl-index | jq .given)" = 8
	vectors given G/live/.ecl >actual
	vectors wanted G/live/.ecl/log/* >expect
	test_cmp expect actual
	ecl-index --check -q
'

test_expect_success 'who waits for the lock, who does not' '
	new_ledger W
	events 2000 | ecl-append -q
	ecl-append -q -e a -s 1
	exec 7<>W/index.lock
	flock 7
	test_expect_code 75 ecl-index --wait 0
	events 2000 | ecl-append -q
	test "$(stat_of vectors)" = 2001
	# A block has its vector all the same.
	test "$(ecl-snap | jq -r .vector)" != null
	exec 7>&-
	all_right
'

test_done
