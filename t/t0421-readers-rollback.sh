#!/usr/bin/env bash
test_description='readers of a live that a rollback exchanges and removes: they go on in the new one, as of when they began'
. "${0%/*}/test-lib.sh"

if ! command -v python3 >/dev/null || ! command -v jq >/dev/null; then
	skip_all='python3 and jq are needed'
	test_done
fi
test_btrfs 1G
if strace -o /dev/null -D true 2>/dev/null; then
	test_set_prereq STRACE
fi

# split_log DIR EVENTS: the log's one segment in segments of so many events, which no writer would make, but readers take.
split_log()
{
	python3 - "$1" "$2" <<-\PY
		import os, sys
		log, n = sys.argv[1], int(sys.argv[2])
		first = os.path.join(log, "%020d.ndjson" % 0)
		with open(first, "rb") as f:
		    lines = f.readlines()
		os.unlink(first)
		for i in range(0, len(lines), n):
		    with open(os.path.join(log, "%020d.ndjson" % i), "wb") as f:
		        f.writelines(lines[i:i + n])
	PY
}

# make_ledger BACKEND EVENTS ELEMENTS PER-SEGMENT: sets ECL_ROOT; a block in the middle, and events behind the index.
make_ledger()
{
	ECL_ROOT=$(ecl_backend_root "$1")/L
	export ECL_ROOT
	ecl-init -q "$ECL_ROOT" &&
	python3 "$top_srcdir/t/perf/make-events.py" "$2" "$3" >events &&
	head -n $(($2 / 2)) events | ecl-append -q &&
	ecl-snap -q &&
	tail -n +$(($2 / 2 + 1)) events | ecl-append -q &&
	split_log "$ECL_ROOT/live/.ecl/log" "$4" &&
	# It says where another segment ended; without it, as after a boot.
	rm -f "$ECL_ROOT/durable" &&
	ecl-index -q --rebuild &&
	head -n 500 events | sed "s/\"state\":{/\"state\":{\"again\":1,/" | ecl-append -q &&
	echo a >"$ECL_ROOT/live/file" &&
	test "$(ls "$ECL_ROOT/live/.ecl/log" | wc -l)" -ge 5
}

log() { cat "$ECL_ROOT"/live/.ecl/log/*.ndjson; }

# roll [OPTION...]: back, so that there is always something to do.
roll()
{
	rolls=$((rolls + 1))
	ecl-append -q -e "roll:$rolls" -s "$rolls" </dev/null &&
	ecl-rollback -q --yes --wait 60 "$@" block-0
}
rolls=0

# eventually COMMAND...: for at most two minutes: nobody waits so long but for what does not come.
eventually()
{
	local n=0

	while ! "$@" && test $n -lt 4800; do sleep 0.025; n=$((n + 1)); done
	"$@"
}

# slow NAME COMMAND...: in the background; nobody reads more than its first byte before NAME.go is there.  Then stuck.
slow()
{
	local name=$1

	shift
	rm -f "$name".{pipe,begun,go,out,err,code,done}
	mkfifo "$name.pipe"
	{
		dd bs=1 count=1 status=none && : >"$name.begun"
		until test -e "$name.go"; do sleep 0.025; done
		cat
		: >"$name.done"
	} <"$name.pipe" >"$name.out" &
	test_when_finished ": >$name.go"
	{
		"$@" >"$name.pipe" 2>"$name.err" &
		echo $! >"$name.pid"
		wait $!
		echo $? >"$name.code"
	} &
	eventually test -e "$name.begun"
}

# stuck NAME...: these have filled their pipes, and wait.
stuck()
{
	local name

	sleep 0.2
	for name; do test ! -e "$name.code" || return 1; done
}

# went_on NAME EXPECT: it ended well, with these bytes.
went_on()
{
	: >"$1.go"
	eventually test -e "$1.code" &&
	eventually test -e "$1.done" &&
	test_cmp /dev/null "$1.err" &&
	test "$(cat "$1.code")" = 0 &&
	cmp "$2" "$1.out"
}

# What is asked of a slow reader; its answers are long, and do not change by what comes later.
slow_readers()
{
	slow all ecl-replay --to "$end" &&
	slow some ecl-replay --to "$end" --element "interface:*" --element "f*" --element "s*" &&
	slow history ecl-query --history --until "$end" &&
	slow reverse ecl-query --history --until "$end" --reverse "*0*" &&
	slow then ecl-query --at "$end" &&
	slow early ecl-query --at 9000 &&
	slow now ecl-query &&
	slow elements ecl-query --elements &&
	slow diff ecl-query --diff 100 "$end" &&
	stuck $SLOW
}

expect_slow()
{
	end=$(($(ecl-query --stat | jq .events) - 1)) &&
	log >all.expect &&
	ecl-replay --to "$end" --element "interface:*" --element "f*" --element "s*" >some.expect &&
	ecl-query --history --until "$end" >history.expect &&
	ecl-query --history --until "$end" --reverse "*0*" >reverse.expect &&
	ecl-query --at "$end" >then.expect &&
	ecl-query --at 9000 >early.expect &&
	ecl-query >now.expect &&
	ecl-query --elements >elements.expect &&
	ecl-query --diff 100 "$end" >diff.expect
}

# begins_log FILE N: all in FILE is how the log begins, N events of it or more.
begins_log()
{
	log | head -c "$(wc -c <"$1")" | cmp - "$1" &&
	test "$(wc -l <"$1")" -ge "$2"
}

same_as_log() { log | cmp -s - "$1"; }

# replace_live ROOT: by that of another root, as no program does it.
replace_live()
{
	mv "$ECL_ROOT/live" "$ECL_ROOT/gone" &&
	mv "$1/live" "$ECL_ROOT/live" &&
	rm -rf "$ECL_ROOT/gone/.ecl"
}

# write_slowly: in the background, what comes through the pipe `input`.
write_slowly()
{
	{
		ecl-append <input >written 2>written.err
		echo $? >written.code
	} &
}

# refused NAME EXPECT: it ended with an error, and what it printed is how EXPECT begins; or it had all of that open already.
refused()
{
	: >"$1.go"
	eventually test -e "$1.code" &&
	eventually test -e "$1.done" &&
	head -c "$(wc -c <"$1.out")" "$2" | cmp - "$1.out" &&
	if test "$(cat "$1.code")" = 0; then
		cmp "$2" "$1.out"
	else
		test "$(cat "$1.code")" = 2 &&
		grep "live. was replaced, and its log is not the one that was being read" "$1.err" >>refusals
	fi
}

# stopped N NAME COMMAND...: in the background; it is stopped when it has opened its Nth file or directory.  Fails where it ends before.
stopped()
{
	local n=$1 name=$2

	shift 2
	rm -f "$name".{trace,pid,out,err,code}
	: >"$name.trace"
	{
		# The leak sanitizer cannot work under strace.
		ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 sh -c "echo \$\$ >$name.pid && exec strace -D -qq -o $name.trace -e trace=openat2 -e inject=openat2:signal=SIGSTOP:when=$n \"\$@\"" \
			strace "$@" >"$name.out" 2>"$name.err"
		echo $? >"$name.code"
	} &
	eventually eval "test -e $name.code || grep -q 'stopped by SIGSTOP' $name.trace" &&
	test ! -e "$name.code"
}

# stop_everywhere CHECK COMMAND...: stopped at one place after the other, while live is exchanged; CHECK tells of its output.
stop_everywhere()
{
	local check=$1 n

	shift
	# Each command begins at another place.
	commands=$((commands + 1))
	n=$((commands % step - step + 1))
	while stopped $((n += step)) at "$@"; do
		case $((rolls % 5)) in
		0) roll ;;
		1) roll --no-snap && roll --no-snap ;;
		*) roll --no-snap ;;
		esac || return 1
		kill -CONT "$(cat at.pid)" &&
		eventually test -e at.code || return 1
		test "$(cat at.code)" = 0 && test_cmp /dev/null at.err && $check at.out || {
			echo "stopped at opening $n: $*: exit $(cat at.code)"
			tail -n 5 at.trace
			return 1
		}
	done
	test "$(cat at.code)" = 0 && test "$n" -gt 8
}

commands=0

same() { cmp expect "$1"; }

everywhere_same()
{
	"$@" >expect && test -s expect && stop_everywhere same "$@"
}

SLOW='all some history reverse then early now elements diff'

for backend in btrfs copy; do
	# Of the openings of a command one in so many; each command begins at another one.
	what=$backend
	step=7
	test $backend = copy || {
		what=BTRFS
		step=11
	}
	test -z "$ECL_TEST_LONG" || step=3
	test $backend = btrfs || test_set_prereq copy

	test_expect_success $what "$backend: a ledger of many segments" '
		make_ledger '$backend' 24000 8000 4000
	'

	for how in --no-snap "" twice; do
		test_expect_success $what "$backend: slow readers go on where they were (rollback $how)" '
			how='$how' &&
			expect_slow &&
			for name in $SLOW; do
				test "$(wc -c <$name.expect)" -gt 300000 || return 1
			done &&
			slow_readers &&
			if test "$how" = twice; then
				roll && roll --no-snap
			else
				roll $how
			fi &&
			for name in $SLOW; do
				went_on $name $name.expect || return 1
			done
		'
	done

	test_expect_success $what "$backend: a follower, and one with a cursor" '
		expect_slow &&
		rm -f cursor.file &&
		slow follower ecl-replay --follow &&
		slow cursor ecl-replay --cursor cursor.file &&
		stuck follower cursor &&
		roll && roll --no-snap &&
		went_on cursor all.expect &&
		: >follower.go &&
		eventually same_as_log follower.out &&
		roll --no-snap &&
		eventually same_as_log follower.out &&
		ecl-replay --cursor cursor.file >>cursor.out &&
		same_as_log cursor.out &&
		test_cmp /dev/null follower.err &&
		kill "$(cat follower.pid)" &&
		eventually test -e follower.done
	'

	test_expect_success $what "$backend: a writer that lives through two rollbacks" '
		rm -f input written* &&
		mkfifo input &&
		: >written &&
		write_slowly &&
		exec 7>input &&
		echo "{\"element\":\"w:1\",\"action\":\"poll\"}" >&7 &&
		eventually grep -q w:1 written &&
		roll --no-snap && roll --no-snap &&
		echo "{\"element\":\"w:2\",\"action\":\"poll\"}" >&7 &&
		exec 7>&- &&
		eventually test -e written.code &&
		test_cmp /dev/null written.err &&
		test "$(cat written.code)" = 0 &&
		ecl-query --history "w:*" | test_cmp - written
	'

	test_expect_success $what "$backend: another ledger in the place of live is an error, not a mixture" '
		first=$ECL_ROOT &&
		make_ledger '$backend' 24000 8000 4000 &&
		other=$ECL_ROOT && ECL_ROOT=$first &&
		expect_slow &&
		slow_readers &&
		replace_live "$other" &&
		: >refusals &&
		for name in $SLOW; do
			refused $name $name.expect || return 1
		done &&
		test_line_count -ge 3 refusals
	'

	test_expect_success STRACE,$what "$backend: exchanged at any moment" '
		step='$step' &&
		make_ledger '$backend' 600 40 100 &&
		roll &&
		end=599 &&
		everywhere_same ecl-replay --to $end &&
		everywhere_same ecl-replay --to $end --element "interface:host00/item000000" --element "f*" &&
		everywhere_same ecl-query --at $end &&
		everywhere_same ecl-query "i*" &&
		everywhere_same ecl-query --at $end "$(ecl-query "i*" | head -n 1 | jq -r .element)" &&
		everywhere_same ecl-query --history --until $end "i*" &&
		everywhere_same ecl-query --elements "i*" &&
		everywhere_same ecl-query --count-by kind --until $end &&
		everywhere_same ecl-query --diff 10 $end &&
		everywhere_same ecl-query --layer --at $end &&
		everywhere_same ecl-query --event 17 &&
		everywhere_same ecl-query --roots "${ECL_ROOT%/*}" --at $end "i*" &&
		begins() { begins_log "$1" $end; } &&
		stop_everywhere begins ecl-replay &&
		stop_everywhere begins ecl-replay --follow --count 600
	'

	test_expect_success STRACE,$what "$backend: the index is checked and extended at any moment" '
		step='$step' &&
		good() { ecl-index --check -q && ecl-append -q -e "more:$rolls" -s "$rolls" </dev/null; } &&
		stop_everywhere good ecl-index --check &&
		stop_everywhere good ecl-index
	'
done

test_expect_success STRACE,BTRFS 'the verifier gives no false alarm' '
	step=$((ECL_TEST_LONG ? 6 : 11)) &&
	ECL_ROOT=$(ecl_backend_root btrfs)/L &&
	ecl-init -q "$ECL_ROOT" &&
	for i in 0 1 2; do
		python3 -c "
for i in range(18):
    print(\"{\\\"element\\\":\\\"big:%d\\\",\\\"state\\\":\\\"%s\\\"}\" % (i, \"$i\" * 950000))" | ecl-append -q &&
		ecl-snap -q || return 1
	done &&
	test "$(ls "$ECL_ROOT/live/.ecl/log" | wc -l)" -ge 4 &&
	good() { grep -q "\"verdict\":\"ok\"" "$1"; } &&
	stop_everywhere good ecl-verify --json --quick &&
	stop_everywhere good ecl-verify --json
'

test_done
