test_description='ecl-rollback beside flooding writers, followers and queries: all that was acknowledged is there, once'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

test_btrfs 1G

# flood NAME: events until told to stop, in batches of whatever the pipe holds; what was acknowledged goes to NAME.acked.
flood()
{
	python3 -c '
import os, sys, time
n = 0
while not os.path.exists("stop"):
    sys.stdout.write("".join("{\"element\":\"w:%s:%d\",\"state\":%d}\n" % (sys.argv[1], i % 50, n + i) for i in range(100)))
    sys.stdout.flush()
    n += 100
    time.sleep(.05)
' "$1" | ecl-append --wait 120 >"$1.acked"
}

# eventually CMD...
eventually()
{
	local i

	for ((i = 0; i < 2400; i++)); do
		! "$@" || return 0
		sleep .05
	done
	echo "not within two minutes: $*"
	return 1
}

lines() { test "$(cat "${@:2}" | wc -l)" -gt "$1"; }
same_as_log() { ecl-replay | cmp -s - "$1"; }

for backend in btrfs copy; do
	pre=
	test $backend = copy || pre=BTRFS

	test_expect_success "$pre" "$backend: all kinds of rollback, one behind the other" '
		R=$(ecl_backend_root '$backend')
		export ECL_ROOT=$R
		ecl-init --embedder none --backend '$backend' "$R" >/dev/null
		mkdir "$R/live/d"
		echo old >"$R/live/d/f"
		ecl-append -q -e k:x -s "\"old\""
		ecl-snap -q
		echo new >"$R/live/d/f"
		ecl-append -q -e k:x -s "\"new\""
		rm -f stop follow.out cursor cursor.out
		ecl-replay --follow >follow.out 2>follow.err & follower=$!
		flood one & one=$!
		flood two & two=$!
		(while test ! -e stop; do
			ecl-query "k:*" >answer && test "$(wc -l <answer)" = 1 && grep -q "\"old\"\|\"new\"" answer &&
				ecl-replay --cursor cursor >>cursor.out || { echo failed >reader.failed; exit; }
		done) 2>reader.err & reader=$!
		test_when_finished "touch stop; kill $follower 2>/dev/null || :; wait || :"
		for args in "" "--no-snap" "--path d" "--element k:x" "--no-snap --path d/f --element k:*" "--element w:one:*"; do
			echo new >"$R/live/d/f"
			ecl-append -q --wait 120 -e k:x -s "\"new\""
			ecl-rollback -q --yes --wait 120 $args block-0 2>err || { cat err; return 1; }
			# Our own writers and readers know which live is live.
			test_grep ! "of what was live, and" err
			case $args in
			"" | --no-snap | *d*) test "$(cat "$R/live/d/f")" = old ;;
			*) test "$(cat "$R/live/d/f")" = new ;;
			esac
			case $args in
			"--path d" | *w:one*) test "$(ecl-query k:x | jq -r .state)" = new ;;
			*) test "$(ecl-query k:x | jq -r .state)" = old ;;
			esac
		done
		eventually lines 1000 one.acked two.acked
		: >stop
		wait $one
		wait $two
		wait $reader
		test ! -e reader.failed
		test "$(ecl-replay --action rollback | wc -l)" = 6
		eventually same_as_log follow.out
		kill $follower
		wait $follower || :
		test_cmp /dev/null follow.err
		ecl-replay --cursor cursor >>cursor.out
		same_as_log cursor.out
		ecl-replay >log
		cat one.acked two.acked >acked
		test_line_count -gt 1000 acked
		test "$(grep -cxFf acked log)" = "$(wc -l <acked)"
		ecl-verify -q
		check_blocks "$R"
	'
done

test_done
