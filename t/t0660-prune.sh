test_description='ecl-snap --prune: which blocks are kept, what the log says of the others, and who may go on while they go'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

test_btrfs

# root BACKEND [N]: a ledger in R with N blocks, of one event each.
root()
{
	local i

	R=$(ecl_backend_root "$1") && export ECL_ROOT=$R && ecl-init --backend "$1" -q "$R" || return 1
	mkdir "$R/live/d" && echo x >"$R/live/d/f"
	for ((i = 0; i < ${2-0}; i++)); do
		ecl-append -q -e a:$i -s $i && ecl-snap -q || return 1
	done
}

block() { echo "$R"/.snapshots/block-00000$1-*; }
heights() { ls "$R/.snapshots" | sed 's/^block-0*\([0-9]\{1,\}\)-.*/\1/' | xargs; }

test_expect_success 'the rules, by other means: hours, days, ISO weeks, months and years, in UTC and in Berlin' '
	root copy
	rm -r "$R/live/d"
	# A block is never older than the last event.
	python3 - <<-\PY >times
		import random
		from datetime import datetime, timedelta, timezone
		rnd = random.Random(7)
		t, out = datetime(2029, 10, 20, tzinfo=timezone.utc), []
		for i in range(36):
		    step = rnd.choice([20, 50, 200, 3000, 20000, 200000, 2000000, 9000000])
		    out.append(t + timedelta(seconds=rnd.randrange(step), microseconds=rnd.randrange(10**6)))
		    t = out[-1]
		out += [datetime(2032, 10, 31, 0, m, tzinfo=timezone.utc) for m in (10, 50)]
		out += [datetime(2032, 10, 31, 1, 20, tzinfo=timezone.utc), datetime(2032, 12, 31, 22, 59, 59, tzinfo=timezone.utc)]
		out += [datetime(2032, 12, 31, 23, 0, 0, tzinfo=timezone.utc), datetime(2033, 1, 3, 0, 0, 0, tzinfo=timezone.utc)]
		for t in sorted(out):
		    print(t.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
	PY
	while read -r t; do
		echo "{\"element\":\"a\",\"action\":\"tick\",\"time\":\"$t\"}" | ecl-append -q --keep-time --force 2>err
		ecl-snap -q
	done <times
	ecl-snap --list | jq -r .time >have
	test_cmp times have
	cat >oracle.py <<-\PY
		import json, subprocess, sys
		from datetime import datetime, timezone
		from zoneinfo import ZoneInfo
		keys = {"hourly": lambda t: (t.date(), t.hour, t.utcoffset()), "daily": lambda t: t.date(),
		        "weekly": lambda t: t.isocalendar()[:2], "monthly": lambda t: (t.year, t.month), "yearly": lambda t: t.year}
		plans = 0
		for local in (False, True):
		    for spec in ("last=1", "last=7", "hourly=5", "daily=9", "weekly=6", "monthly=5", "yearly=2", "hourly=*", "daily=*", "weekly=*",
		                 "monthly=*", "yearly=*", "last=3,hourly=4,daily=5,weekly=3,monthly=3,yearly=*", "yearly=1,last=2", "monthly=1000"):
		        out = subprocess.run(["ecl-snap", "--prune", "--dry-run", "--keep", spec] + ["--local"] * local,
		                             env=dict(__import__("os").environ, TZ="Europe/Berlin"), stdout=subprocess.PIPE, check=True).stdout
		        got = [json.loads(line) for line in out.splitlines()]
		        assert all(list(g) == ["block", "height", "time", "action", "reason"] for g in got)
		        zone = ZoneInfo("Europe/Berlin") if local else timezone.utc
		        times = [datetime.fromisoformat(g["time"].replace("Z", "+00:00")).astimezone(zone) for g in got]
		        keep = {len(got) - 1: ["newest"]}
		        for rule, n in (r.split("=") for r in spec.split(",")):
		            left, seen = float("inf") if n == "*" else int(n), set()
		            for i in reversed(range(len(got))):
		                key = i if rule == "last" else keys[rule](times[i])
		                if key not in seen and left > 0:
		                    seen.add(key)
		                    left -= 1
		                    keep.setdefault(i, []).append(rule)
		        for i, g in enumerate(got):
		            assert g["action"] == ("keep" if i in keep else "prune"), (spec, local, g)
		            reasons = [r.split()[0] for r in g["reason"].split(", ")]
		            order = ["newest", "last", "hourly", "daily", "weekly", "monthly", "yearly"]
		            assert i not in keep or reasons == sorted(keep[i], key=order.index), (spec, local, g, keep[i])
		        plans += 1
		print(plans)
	PY
	test "$(python3 oracle.py)" = 30
	test "$(ls "$R/.snapshots" | wc -l)" = $(wc -l <times)
'

for backend in btrfs copy; do
	pre=
	test $backend = copy || pre=BTRFS

	test_expect_success "$pre" "$backend: --dry-run shows, and changes nothing" '
		root '$backend' 6
		ecl-replay >log
		ecl-snap --prune --keep last=2 --dry-run >plan
		test "$(jq -r .action plan | xargs)" = "prune prune prune prune keep keep"
		test "$(tail -n 1 plan | jq -r .reason)" = "newest, last 1"
		ecl-snap --prune --keep last=2 -n --table >table
		test_grep "block-000000-.*prune   no rule keeps it" table
		test_grep "^block  *time  *action  *reason$" table
		ecl-replay >after
		test_cmp log after
		test "$(heights)" = "0 1 2 3 4 5"
	'

	test_expect_success "$pre" "$backend: what no rule keeps goes; the log says which, by which rule, and has their headers" '
		ecl-snap --list >before
		ecl-snap --prune --keep last=1 --keep daily=1 --local >out
		sed -n 1,5p plan | sed s/keep/prune/ >want
		jq -c "[.block, .height, .action]" out >have
		jq -c "[.block, .height, \"prune\"]" want >expect
		test_cmp expect have
		test "$(heights)" = 5
		ecl-replay --from $(wc -l <log) >new
		test_line_count = 5 new
		test "$(jq -r "[.element, .action, .cause] | @tsv" new | sort -u)" = "$(printf "ecl:block\tprune\t--keep last=1,daily=1 --local")"
		test "$(jq -c .state.height new | xargs)" = "0 1 2 3 4"
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: the chain of headers still verifies, the blocks are known, their past can be asked" '
		ecl-verify >out
		test "$(jq -r "select(.class) | .class" out | xargs)" = "pruned"
		test_grep "in the log only: 5\"" out
		ecl-query --blocks >blocks
		test "$(jq -c "[.height, .present]" blocks | xargs)" = "[0,false] [1,false] [2,false] [3,false] [4,false] [5,true]"
		at=$(jq -r .time new | head -n 1)
		test "$(jq -r "select(.present | not) | .pruned" blocks | sort -u)" = "$at"
		jq -c "del(.path, .present, .pruned, .signed)" blocks >have
		jq -c "del(.path, .present, .pruned, .signed)" before >want
		test_cmp want have
		test "$(ecl-query --at block-1 | wc -l)" = 2
		for c in "ecl-snap --path block-1" "ecl-rollback --yes block-1" "ecl-rollback --dry-run block-1"; do
			test_expect_code 1 $c >out 2>err
			test_grep "block-000001-.* was pruned at $at" err
		done
		test_expect_code 1 ecl-query --block block-1 >out 2>err
		test_grep "was pruned at $at.*answers from the log" err
		ecl-snap --path now
	'

	test_expect_success "$pre" "$backend: nothing more to do is no error; nor has anything changed for the next block" '
		n=$(ecl-replay | wc -l)
		ecl-snap --prune --keep last=1 >out
		test_line_count = 0 out
		ecl-snap --if-changed >out
		test_line_count = 0 out
		test "$(ecl-replay | wc -l)" = $n
		ecl-append -q -e b -s 1
		ecl-snap | jq -e ".height == 6"
		check_blocks "$R"
		ecl-verify -q
	'

	test_expect_success "$pre" "$backend: a block that somebody deleted is still a finding" '
		delete_tree "$(block 5)"
		test_expect_code 1 ecl-verify >out
		test_grep "\"block-damaged\".*block-000005-.*no event says that it was pruned" out
		test "$(ecl-query --blocks | jq -c "select(.height == 5) | [.present, .pruned]")" = "[false,null]"
	'

	test_expect_success "$pre" "$backend: kept whatever the rules say: one that is being sent, damaged, or not recorded" '
		root '$backend' 5
		exec 8<"$(block 1)/.ecl/block"
		test_when_finished "exec 8<&-"
		flock -s 8
		test '$backend' = copy || btrfs property set "$(block 2)" ro false
		sed -i "s/\"size\":/\"size\":1/" "$(block 2)/.ecl/block"
		cp -r "$(block 0)" "$R/.snapshots/block-000003-00000000"
		# Whole, and of a history that the log does not have.
		other=$(ecl_backend_root copy)
		ecl-init --backend copy -q "$other"
		for i in 0 1 2; do ecl-snap -d "$other" -q; done
		cp -a "$other"/.snapshots/block-000002-* "$R/.snapshots/"
		ecl-snap --prune --keep last=1 -n >plan
		test_grep "$(basename "$other"/.snapshots/block-000002-*)\".*\"keep\",\"reason\":\"the log does not record it" plan
		test "$(jq -r "select(.height == 1) | .reason" plan)" = "in use by a send"
		test_grep "block-000002-.*\"keep\",\"reason\":\"damaged: the hash of its header is wrong" plan
		test_grep "block-000003-00000000.*\"keep\",\"reason\":\"damaged: its header is that of another block" plan
		ecl-snap --prune --keep last=1 >out
		test "$(jq -c .height out | xargs)" = "0 3"
		test "$(heights)" = "1 2 2 3 4"
		exec 8<&-
		ecl-snap --prune --keep last=1 >out
		test "$(jq -c .height out | xargs)" = 1
		test "$(heights)" = "2 2 3 4"
	'

	test_expect_success "${pre:+$pre,}ROOT" "$backend: one that is mounted, or a part of it, is kept" '
		root '$backend' 4
		mkdir -p mnt part
		mount --bind "$(block 0)" mnt
		test_when_finished "umount mnt"
		test '$backend' = copy || { mount --bind "$(block 1)/d" part && test_when_finished "umount part"; }
		ecl-snap --prune --keep last=1 -n >plan
		test_grep "block-000000-.*\"keep\",\"reason\":\"mounted on .$TRASH/mnt" plan
		ecl-snap --prune --keep last=1 -q
		test '$backend' = copy || test "$(heights)" = "0 1 3"
		test "$(cat mnt/d/f)" = x
		check_blocks "$R"
		ecl-verify -q
	'

	test_expect_success "$pre" "$backend: locked is 75, after as long as one likes to wait" '
		root '$backend' 2
		test_expect_code 75 flock "$R/blocks.lock" ecl-snap --prune --keep last=1 --wait 0 2>err
		test_grep "blocks.lock" err
		test_expect_code 75 flock "$R/lock" ecl-snap --prune --keep last=1 --wait 0
		test "$(heights)" = "0 1"
		test_expect_code 75 flock "$R/blocks.lock" timeout 60 ecl-append -q --snap --wait 0.2 -e late -s 1 2>err
		test_grep "blocks.lock" err
		test "$(heights)" = "0 1"
		ecl-snap --prune --keep last=1 -n >plan
		flock "$R/blocks.lock" sleep 0.5 & holder=$!
		sleep 0.1
		ecl-snap --prune --keep last=1 --wait 120 -q
		wait $holder
		test "$(heights)" = 1
	'

	test_expect_success "${pre:+$pre,}ROOT,NONROOT" "$backend: for an ordinary user, who owns the root" '
		R=$(ecl_backend_root '$backend')
		chown 65534:65534 "$R"
		as_user ecl-init --backend '$backend' -q "$R"
		as_user mkdir "$R/live/d"
		as_user touch "$R/live/d/f"
		for i in 1 2 3; do as_user ecl-snap -d "$R" -q; done
		test_expect_code 2 as_user ecl-snap -d "$ECL_ROOT" --prune --keep last=1 2>err
		as_user ecl-snap -d "$R" --prune --keep last=2 >out
		test "$(jq -c .height out)" = 0
		test "$(heights)" = "1 2"
		check_blocks "$R"
		ecl-verify -q -d "$R"
	'
done

test_expect_success BTRFS,ROOT,NONROOT 'btrfs: with user_subvol_rm_allowed files of others are no obstacle; without, what it takes is named' '
	mount -o remount,user_subvol_rm_allowed "$TRASH/btrfs"
	test_when_finished "umount \"$TRASH/btrfs\" && mount -o loop,noatime \"$TRASH/fs.img\" \"$TRASH/btrfs\""
	R=$(ecl_backend_root btrfs)
	chown 65534:65534 "$R"
	as_user ecl-init -q "$R"
	mkdir "$R/live/theirs"
	touch "$R/live/theirs/f"
	for i in 1 2 3 4; do as_user ecl-snap -d "$R" -q; done
	as_user ecl-snap -d "$R" --prune --keep last=2 -q
	test "$(heights)" = "2 3"
	check_blocks "$R"
	umount "$TRASH/btrfs"
	mount -o loop,noatime "$TRASH/fs.img" "$TRASH/btrfs"
	test_expect_code 2 as_user ecl-snap -d "$R" --prune --keep last=1 >out 2>err
	test_grep "block-000002-.* is recorded as pruned, but not deleted.*user_subvol_rm_allowed" err
	test_line_count = 0 out
	ecl-verify -q -d "$R"
	test "$(heights)" = "2 3"
	ecl-snap -d "$R" --force -q
	test "$(heights)" = "3 4"
	check_blocks "$R"
'

test_expect_success BTRFS,ROOT 'btrfs: what another program sends stays, and goes with the next run' '
	root btrfs 3
	head -c 30000000 /dev/urandom >"$R/live/big"
	ecl-snap -q
	ecl-snap -q
	mkfifo stream
	btrfs send -q "$(block 3)" >stream 2>/dev/null & sender=$!
	exec 8<stream
	head -c 100000 <&8 >/dev/null
	test_expect_code 2 ecl-snap --prune --keep last=1 >out 2>err
	test_grep "block-000003-.* is recorded as pruned, but not deleted: in use by a send" err
	test "$(jq -c .height out | xargs)" = "0 1 2"
	test "$(heights)" = "3 4"
	check_blocks "$R"
	ecl-verify >out
	test_grep "in the log only: 3\"" out
	test "$(ecl-query --blocks | jq -c "select(.height == 3) | .present")" = true
	ecl-snap -q -d "$R"
	exec 8<&-
	wait $sender || :
	ecl-snap --prune --keep last=2 -q
	test "$(heights)" = "4 5"
	check_blocks "$R"
'

test_expect_success BTRFS,ROOT 'btrfs: a pruned block that was received back is not taken away again, unless by the rules' '
	root btrfs 3
	btrfs send -q "$(block 0)" >stream0 2>/dev/null
	ecl-snap --prune --keep last=1 -q
	btrfs receive -q "$R/.snapshots" <stream0
	ecl-snap -q
	test "$(heights)" = "0 2 3"
	ecl-query --block block-0 >out
	ecl-verify -q
	check_blocks "$R"
	ecl-snap --prune --keep last=1 -q
	test "$(heights)" = 3
	check_blocks "$R"
'

test_expect_success BTRFS,ROOT 'btrfs: a replica has a retention of its own, and its log stays that of its original' '
	root btrfs 3
	copy=$(ecl_backend_root btrfs)
	ecl-init -q --replica "$copy"
	for i in 0 1 2; do
		ecl-snap --send block-$i >sent
		ecl-snap -d "$copy" --receive --unsigned -q <sent
	done
	ecl-snap --prune --keep last=1 -q
	ecl-replay -d "$copy" >log
	ecl-snap -d "$copy" --prune --keep last=2 >out
	test "$(jq -c .height out)" = 0
	R=$copy
	test "$(heights)" = "1 2"
	ecl-replay -d "$copy" >after
	test_cmp log after
	ecl-verify -q -d "$copy"
	ecl-replay | ecl-append -q -d "$copy" --replica
	ecl-verify -q -d "$copy"
	test "$(heights)" = "1 2"
'

test_expect_success 'usage: what keeps nothing, what is no rule, what does not go together' '
	root copy 1
	bad() { test_expect_code 2 ecl-snap "$@" >out 2>err && test_line_count = 0 out; }
	bad --prune
	test_grep "needs --keep" err
	bad --prune --keep daily=0,last=0
	test_grep "keeps nothing" err
	bad --prune --keep last=2,dayly=7
	test_grep "column 8: .dayly. is none of" err
	bad --prune --keep last=2 --keep last=3
	test_grep "given twice" err
	bad --keep last=1
	bad --dry-run
	bad --prune --keep last=1 --list
	bad --prune --keep last=1 --if-changed
	bad --prune --keep last=1 --sign key
	bad --prune --keep last=1 operand
	test "$(heights)" = 0
'

# go_on COMMAND: again and again until there is the file `stop'; what it should not have said goes to `odd'.
go_on() { while test ! -e stop; do "$@" || echo "$*: exit $?" >>odd; done 2>>odd; }
ask_pruned()
{
	ecl-query --block block-$((RANDOM % 8)) >/dev/null 2>said ||
		grep -q "was pruned at\|no block .block-" said || cat said >>odd
	ecl-query --blocks >/dev/null
}
verify_all() { ecl-verify >verdict || { cat verdict >>odd && return 1; }; }
write_some() { for i in $(seq 40); do echo "{\"element\":\"w:$i\",\"state\":$i}" | ecl-append --wait 120 || return; done; }
make_some()
{
	for i in 1 2 3 4 5 6; do
		ecl-snap -q --wait 120 && echo "{\"element\":\"s:$i\",\"state\":$i}" | ecl-append -q --snap --wait 120 || return
	done
}
prune_some() { for i in 1 2 3 4 5 6; do ecl-snap --prune --keep last=2 -q --wait 120 || return; done; }

eventually()
{
	local n=0

	while ! "$@" && test $n -lt 2400; do sleep 0.05; n=$((n + 1)); done
	"$@"
}

# stopped N COMMAND...: in the background; it is stopped when it has opened its Nth file or directory.  Fails where it ends before.
stopped()
{
	local n=$1

	shift
	rm -f at.*
	: >at.trace
	{
		# The leak sanitizer cannot work under strace.
		ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 sh -c "echo \$\$ >at.pid && exec strace -D -qq -o at.trace -e trace=openat2 -e inject=openat2:signal=SIGSTOP:when=$n \"\$@\"" \
			strace "$@" >at.out 2>at.err
		echo $? >at.code
	} &
	eventually eval "test -e at.code || grep -q 'stopped by SIGSTOP' at.trace" &&
	test ! -e at.code
}

# prune_beside STEP COMMAND...: stopped at every STEPth place, while the block `it' is pruned: the command answers, or says that it was pruned.
prune_beside()
{
	local step=$1 n=$((1 - $1)) it told=0

	shift
	while it=$(ecl-snap --path now) && it=${it##*/} && ecl-append -q -e next -s "\"$it\"" && ecl-snap -q && stopped $((n += step)) "${@//BLOCK/$it}"; do
		ecl-snap -q --prune --keep last=1 &&
		kill -CONT "$(cat at.pid)" &&
		eventually test -e at.code || return 1
		case $(cat at.code) in
		0) test ! -s at.err ;;
		1) grep "$it.* was pruned at" at.err && told=$((told + 1)) ;;
		*) false ;;
		esac || {
			echo "stopped at opening $n: $*: exit $(cat at.code)"
			cat at.err
			tail -n 5 at.trace
			return 1
		}
	done
	test "$(cat at.code)" = 0 && test "$n" -gt 8 && test $told -gt 0
}

# Whatever happens at the same time, readers get what is so, or a clear error; writers lose nothing.
if test_have_prereq BTRFS; then both='btrfs copy'; else both=copy; fi
step=3
test -z "$ECL_TEST_LONG" || step=1
for backend in $both; do
	test_expect_success "$backend: blocks made, pruned, asked and verified at the same time, beside a writer" '
		root '$backend' 6
		rm -f stop odd
		write_some >acked & writer=$!
		make_some & maker=$!
		prune_some & pruner=$!
		go_on ask_pruned & reader=$!
		go_on verify_all & verifier=$!
		wait $writer
		wait $maker
		wait $pruner
		touch stop
		wait $reader
		wait $verifier
		test ! -s odd || { cat odd; return 1; }
		ecl-snap --prune --keep last=2 -q
		ls "$R/.snapshots" | test_line_count = 2 /dev/stdin
		test "$(ecl-query --blocks | wc -l)" = 18
		ecl-replay >log
		test_line_count = 40 acked
		test "$(grep -cxFf acked log)" = 40
		check_blocks "$R"
		ecl-verify -q
	'

	test_expect_success "$backend: two that prune at once: each block is recorded once" '
		root '$backend' 4
		ecl-snap --prune --keep last=1 --wait 120 >one & first=$!
		ecl-snap --prune --keep last=1 --wait 120 >two
		wait $first
		test "$(cat one two | jq -c .height | sort | xargs)" = "0 1 2"
		test "$(ecl-replay --action prune | wc -l)" = 3
		check_blocks "$R"
	'

	test_expect_success STRACE "$backend: who reads a block that is pruned meanwhile answers, or says that it was" '
		root '$backend' 1
		prune_beside $step ecl-query --block BLOCK
		prune_beside $step ecl-snap --diff BLOCK
	'
done

test_done
