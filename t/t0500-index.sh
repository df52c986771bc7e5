#!/usr/bin/env bash
test_description='ecl-index: the index is derived, and changes no answer whatever becomes of it'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi

test_seeded
N=5000
python3 "$top_srcdir/t/make-ledger.py" "$TRASH/L" $N --segment 1700 || test_bail 'no ledger'
export ECL_ROOT=$TRASH/L
INDEX=$TRASH/L/live/.ecl/index

# Everything that comes by way of the index.
answers()
{
	ecl-query &&
	ecl-query --at 0 &&
	ecl-query --at 2345 &&
	ecl-query --elements &&
	ecl-query --history "interface:*" &&
	ecl-query --event 17 &&
	ecl-query --format=state | sha256sum
}

# With the index as it is now.
same_answers()
{
	answers >"$TRASH/answers.now" &&
	cmp "$TRASH/answers" "$TRASH/answers.now"
}

save_index()
{
	rm -rf "$TRASH/saved" && cp -a "$INDEX" "$TRASH/saved"
}

restore_index()
{
	rm -rf "$INDEX" && cp -a "$TRASH/saved" "$INDEX"
}

test_expect_success 'a ledger without an index has all answers' '
	test ! -e "$INDEX" &&
	answers >answers &&
	test -s answers
'

test_expect_success 'no index is right' '
	ecl-index --check >out &&
	test "$(jq -c "[.published, .events]" out)" = "[0,$N]"
'

test_expect_success 'ecl-index makes one, and says so in one line' '
	ecl-index >out &&
	test_line_count = 1 out &&
	elements=$(ecl-query --elements | wc -l) &&
	echo "{\"events\":$N,\"published\":$N,\"vectors\":0,\"given\":0,\"segments\":0}" >expect &&
	jq -c "del(.elements)" out >actual &&
	test_cmp expect actual &&
	test "$(jq .elements out)" -ge "$elements" &&
	ls "$INDEX"/elements-*.run >runs &&
	test_line_count = 1 runs
'

test_expect_success 'it is right, and the answers are the same' '
	ecl-index --check &&
	same_answers
'

test_expect_success 'again, there is nothing to do' '
	cksum "$INDEX"/* >before &&
	ecl-index >out &&
	cksum "$INDEX"/* >after &&
	test_cmp before after &&
	ecl-index -q >out &&
	test ! -s out
'

test_expect_success 'any file cut, garbled, emptied or gone changes no answer' '
	save_index
	for file in "$TRASH"/saved/*; do
		name=${file##*/}
		# All of it with ECL_TEST_LONG=1; else of the last three one for each file, another in each run.
		which=$((which + 1))
		rest=(emptied foreign garbled)
		test -n "$ECL_TEST_LONG" || rest=("${rest[(test_seed + which) % 3]}")
		for how in cut gone "${rest[@]}"; do
			restore_index
			case $how in
			cut) truncate -s $(($(stat -c %s "$file") / 2)) "$INDEX/$name" ;;
			garbled) head -c "$(stat -c %s "$file")" /dev/urandom >"$INDEX/$name" ;;
			emptied) : >"$INDEX/$name" ;;
			gone) rm "$INDEX/$name" ;;
			foreign) cat "$TRASH"/answers >"$INDEX/$name" ;;
			esac
			same_answers || {
				echo "after $name: $how"
				return 1
			}
			# Without a manifest there is no index, whatever else lies there.
			if cmp -s "$file" "$INDEX/$name" || test "$name $how" = "head gone"; then
				continue
			fi
			test_expect_code 1 ecl-index --check -q 2>err || {
				echo "--check after $name: $how"
				return 1
			}
		done
	done
	restore_index
'

test_expect_success '--check names the file that differs' '
	for name in rows births tree.0 tree.1; do
		restore_index
		printf "\\377" | dd of="$INDEX/$name-00000000000000000000" bs=1 seek=17 conv=notrunc status=none
		test_expect_code 1 ecl-index --check 2>err
		test_grep "$name-00000000000000000000" err
	done
	restore_index
	run=$(basename "$INDEX"/elements-*.run)
	printf "\\377" | dd of="$INDEX/$run" bs=1 seek=5000 conv=notrunc status=none
	test_expect_code 1 ecl-index --check 2>err
	test_grep "$run" err
	restore_index
	echo >>"$INDEX/head"
	test_expect_code 1 ecl-index --check 2>err
	test_grep head err
	test_grep "ecl-index --rebuild" err
'

test_expect_success '--rebuild makes it anew, also where all of it is garbage' '
	for file in "$INDEX"/*; do
		head -c 5000 /dev/urandom >"$file"
	done
	same_answers
	ecl-index --rebuild -q
	ecl-index --check
	same_answers
'

test_expect_success 'without --rebuild a damaged head is replaced, and said so' '
	echo nonsense >"$INDEX/head" &&
	ecl-index >out 2>err &&
	test_grep "made anew" err &&
	ecl-index --check &&
	same_answers
'

test_expect_success 'links, pipes and directories where files should be' '
	save_index
	for name in head rows-00000000000000000000 births-00000000000000000000 tree.0-00000000000000000000; do
		restore_index
		rm "$INDEX/$name"
		ln -s /etc/passwd "$INDEX/$name"
		same_answers
		rm "$INDEX/$name"
		mkfifo "$INDEX/$name"
		same_answers
		ecl-index --rebuild -q
		ecl-index --check
	done
	rm -rf "$INDEX"
	ln -s /tmp "$INDEX"
	same_answers
	rm "$INDEX"
	ecl-index -q
	ecl-index --check
'

test_expect_success 'appending goes on behind a damaged index: the chain is right' '
	cp -a L D
	for how in garbled older gone; do
		case $how in
		garbled) for file in D/live/.ecl/index/*; do head -c 3000 /dev/urandom >"$file"; done ;;
		older) rm -rf D/live/.ecl/index && cp -a saved D/live/.ecl/index ;;
		gone) rm -rf D/live/.ecl/index ;;
		esac
		for i in 1 2 3; do
			printf "{\"element\":\"interface:eth%d\",\"state\":{\"how\":\"$how\",\"i\":%d}}\n" 1 $i 2 $i 3 $i
		done | ecl-append -d D -q
	done
	ecl-replay -d D | ecl-verify -
	ecl-index -d D -q
	ecl-index -d D --check >out
	test "$(jq -c "[.events, .published]" out)" = "[$((N + 27)),$((N + 27))]"
	rm -rf D
'

# What an append makes of some observations, of elements old and new, changed and not: all but when and the chain.
observe()
{
	ecl-append -d D observed | jq -c "del(.time, .prev, .hash)"
}

test_expect_success 'what an append infers does not hang on the index: any file cut, garbled, gone, or of another time' '
	ecl-query >now
	{ sed -n "1~3p" now; sed -n "2~3s/\"state\":/&[1,/; 2~3s/,\"seq\":/]&/; 2~3p" now; } >observed
	for i in 1 2 3; do echo "{\"element\":\"new:$i\",\"state\":$i}"; done >>observed
	sed -n "3~9s/\"state\":.*/\"state\":null}/p" now >>observed
	cp -a L D
	rm -rf D/live/.ecl/index
	observe >expect
	test_line_count -gt 20 expect
	test_line_count -lt "$(wc -l <observed)" expect
	# An index of a time to come: of a log that was longer once.
	ecl-index -d D -q
	cp -a D/live/.ecl/index later
	# One of an older block.
	rm -rf D
	cp -a L D
	ecl-snap -d D >header
	cp -a D/.snapshots/block-*/.ecl/index older
	cp -a L E
	ecl-append -d E -q -e "interface:eth1" -a poll
	rm -rf D
	cp -a E D
	rm -rf D/live/.ecl/index
	observe >expect
	ecl-index -d E -q
	cp -a E/live/.ecl/index present
	for file in present/*; do
		name=${file##*/}
		which=$((which + 1))
		rest=(cut emptied gone)
		test -n "$ECL_TEST_LONG" || rest=("${rest[(test_seed + which) % 3]}")
		for how in garbled older later "${rest[@]}"; do
			rm -rf D
			cp -a E D
			case $how in
			cut) truncate -s $(($(stat -c %s "$file") / 2)) "D/live/.ecl/index/$name" ;;
			garbled) head -c "$(stat -c %s "$file")" /dev/urandom >"D/live/.ecl/index/$name" ;;
			emptied) : >"D/live/.ecl/index/$name" ;;
			gone) rm "D/live/.ecl/index/$name" ;;
			*) test ! -e "$how/$name" || cp "$how/$name" "D/live/.ecl/index/$name" ;;
			esac
			observe >actual
			cmp expect actual || { echo "after $name: $how"; return 1; }
			ecl-replay -d D | ecl-verify -q - || { echo "after $name: $how"; return 1; }
		done
	done
	for how in older later; do
		rm -rf D
		cp -a E D
		rm -rf D/live/.ecl/index
		cp -a $how D/live/.ecl/index
		ecl-query -d D >actual
		ecl-query -d E >want
		cmp want actual || { echo "asked with the index: $how"; return 1; }
		observe >actual
		cmp expect actual || { echo "with the index: $how"; return 1; }
		ecl-replay -d D | ecl-verify -q -
		ecl-index -d D -q
		ecl-index -d D --check -q
	done
	rm -rf D E
'

test_expect_success 'nor is one of a fork, which differs in nothing but a hash' '
	for fork in E F; do
		cp -a L $fork
		rm -rf $fork/live/.ecl/index
		ecl-append -d $fork -q -e fork:1 -s "\"$fork\""
		ecl-query -d $fork --layer >layer.$fork
		ecl-index -d $fork -q
	done
	test_must_fail cmp layer.E layer.F
	rm -rf E/live/.ecl/index
	cp -a F/live/.ecl/index E/live/.ecl
	ecl-query -d E --layer >actual
	test_cmp layer.E actual
	test_expect_code 1 ecl-index -d E --check 2>err
	rm -rf E F
'

test_expect_success 'an index of another ledger is not believed' '
	python3 "$top_srcdir/t/make-ledger.py" "$TRASH/M" $N --seed 7 --segment 1700
	ecl-index -d M -q
	rm -rf "$INDEX"
	cp -a M/live/.ecl/index "$INDEX"
	same_answers
	test_expect_code 1 ecl-index --check 2>err
	test_grep "another log" err
	ecl-index -q
	ecl-index --check
	same_answers
'

test_expect_success 'killed at any moment it leaves an index that works' '
	for i in $(seq 1 $((ECL_TEST_LONG ? 25 : 10))); do
		ecl-index --rebuild -q &
		pid=$!
		sleep 0.00$((i % 10))$((i % 7))
		kill -9 $pid 2>/dev/null || true
		wait $pid || true
		test $((i % 5)) != 0 || same_answers
		ecl-index --check -q
	done
	ecl-index -q
	ecl-index --check
	ls "$INDEX"/elements-*.run >runs
	test_line_count = 1 runs
	test ! -e "$INDEX.new"
	ls -A "$INDEX" | grep -c "^\\.head" >left || true
	test "$(cat left)" = 0
	same_answers
'

test_expect_success 'who finds it locked says so, and is told to come again' '
	exec 8>>"$ECL_ROOT/index.lock"
	flock 8
	test_when_finished "exec 8>&-"
	test_expect_code 75 ecl-index --wait 0 8>&- 2>err
	test_grep locked err
	test_expect_code 75 ecl-index --check --wait 0 8>&-
	same_answers
'

test_expect_success 'a corrupt log is said to be corrupt' '
	cp -a L C
	test_when_finished "rm -rf $TRASH/C"
	segment=C/live/.ecl/log/00000000000000000000.ndjson
	sed -i "100s/\"parent\":[0-9nul]*/\"parent\":3/" "$segment"
	test_expect_code 2 ecl-index -d C --check 2>err
	test_grep "seq 99" err
	test_grep ecl-verify err
	rm -rf C/live/.ecl/index
	test_expect_code 2 ecl-index -d C 2>err
	test_grep "seq 99" err
'

test_expect_success 'readers without permission to read the index' '
	cp -a L P &&
	test_when_finished "rm -rf $TRASH/P" &&
	chmod -R a+rX P &&
	chmod 000 P/live/.ecl/index &&
	as_user ecl-query -d "$TRASH/P" --elements >actual &&
	ecl-query --elements >expect &&
	test_cmp expect actual
'

test_expect_success ROOT 'the root of another user is left alone without --force' '
	cp -a L U &&
	test_when_finished "rm -rf $TRASH/U" &&
	chown 65534 U &&
	test_expect_code 2 ecl-index -d U 2>err &&
	test_grep "\-\-force" err &&
	ecl-index -d U --check &&
	ecl-index -d U --force -q
'

test_expect_success 'a replica is indexed like any other' '
	cp -a L R &&
	test_when_finished "rm -rf $TRASH/R" &&
	: >R/replica &&
	ecl-index -d R --rebuild -q &&
	ecl-index -d R --check
'

test_expect_success 'usage' '
	test_expect_code 2 ecl-index extra 2>err &&
	test_expect_code 2 ecl-index --check --rebuild 2>err &&
	test_expect_code 2 ecl-index --no-such-option 2>err &&
	test_expect_code 2 ecl-index -d nowhere 2>err &&
	ecl-index --help >out &&
	test_grep rebuild out
'

test_done
