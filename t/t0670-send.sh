test_description='blocks on another host: sent, received, adopted; the drill after a disaster'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"
. "$top_srcdir/t/send-lib.sh"

test_btrfs
if ! test_have_prereq BTRFS; then
	skip_all='a btrfs of our own cannot be had'
	test_done
fi
A=$TRASH/btrfs/a B=$TRASH/other/b

# same_tree BLOCK DIR: DIR has the files that the header of BLOCK commits to, and their bytes.
same_tree()
{
	files_of "$1" >want
	files_of "$2" >have
	test_cmp want have
	diff -r --no-dereference -x .ecl -x pipe -x sock -x dev -x blk "$1" "$2"
}

test_expect_success 'whole, through a pipe: a block of the replica, which reads as any ledger' '
	make_disk other
	make_host "$A"
	fill "$A/live"
	change "$A" 1
	ecl-snap -d "$A" --sign key >a0
	ecl-init -q --replica "$B"
	ecl-snap -d "$A" --send block-0 | ecl-snap -d "$B" --receive --key "$V" >b0
	test_cmp a0 b0
	name=$(ls "$A/.snapshots")
	test "$(ls "$B/.snapshots")" = "$name"
	cmp "$A/.snapshots/$name/.ecl/block" "$B/.snapshots/$name/.ecl/block"
	cmp "$A/.snapshots/$name/.ecl/checkpoint" "$B/checkpoint"
	test "$(btrfs property get -ts "$B/.snapshots/$name" ro)" = ro=true
	same_tree "$A/.snapshots/$name" "$B/.snapshots/$name"
	same_tree "$A/.snapshots/$name" "$B/live"
	ecl-verify -d "$B" --key "$V" >verdict
	test "$(jq -c "[.class, .verdict, .blocks, .signed]" verdict)" = "[null,\"ok\",1,2]"
	ecl-query -d "$B" --at block-0 >have
	ecl-query -d "$A" --at block-0 >want
	test_cmp want have
	ecl-replay -d "$B" >have
	ecl-replay -d "$A" --to 1 | cmp - have
	nothing_left "$B" "$name"
'

test_expect_success 'a replica: appends and blocks of its own are refused' '
	for try in "ecl-append -e a:1 -s 1" ecl-snap "ecl-rollback --yes block-0"; do
		test_expect_code 2 env ECL_ROOT="$B" $try 2>err
		test_grep replica err
	done
	test_expect_code 2 ecl-snap -d "$A" --receive --unsigned </dev/null 2>err
	test_grep "not a replica" err
'

test_expect_success 'what came from elsewhere is not believed because of who owns it: index and command' '
	E=$TRASH/btrfs/evil F=$TRASH/other/evil
	ecl-init -q --embedder "touch $TRASH/ran; exit 1 # /" --origin host/evil "$E"
	ecl-append -d "$E" -q -e a:1 -s 1
	ecl-append -d "$E" -q -e a:2 -s 2
	ecl-index -d "$E" -q 2>/dev/null || :
	ecl-snap -d "$E" -q
	rm -f ran
	ecl-init -q --replica "$F"
	ecl-snap -d "$E" --send now | ecl-snap -q -d "$F" --receive --unsigned
	got=$(ls -d "$F"/.snapshots/block-*)
	test -e "$got/.ecl/index/head"
	# Of the block that came; what the replica itself has in the index of its live is its own.
	traced -y -o trace -e trace=openat,openat2 ecl-query -d "$F" --block block-0 >have
	test_line_count = 2 have
	test_grep "\.snapshots/.*\"log\"" trace
	test_grep ! "\.snapshots/[^>]*>, \"[^\"]*\(head\|rows\|vectors\)" trace
	traced -y -o trace -e trace=openat,openat2 ecl-query -d "$got" >have
	test_line_count = 2 have
	test_grep ! "\"head\"\|\"rows" trace
	for root in "$F" "$got"; do
		ecl-query -d "$root" --force --similar words >/dev/null 2>&1 || :
		ecl-query -d "$root" --force --unusual >/dev/null 2>&1 || :
	done
	ecl-query -d "$F" --force --block block-0 --similar words >/dev/null 2>&1 || :
	ecl-index -d "$F" -q --force
	test ! -e ran
	ecl-init --adopt "$F" >adopted 2>err
	test_grep "embedder" err
	test "$(jq -r .state.embedder adopted)" = none
	test "$(jq -r .state.origin adopted)" = host/evil
	ecl-append -d "$F" -q -e a:3 -s 3
	ecl-query -d "$F" --force --similar words >/dev/null 2>&1 || :
	ecl-query -d "$F" --force --block block-0 --similar words >/dev/null 2>&1 || :
	ecl-snap -d "$F" -q
	ecl-index -d "$F" -q
	test ! -e ran
	# Said anew, it is run.
	ecl-index -d "$F" -q --embedder "touch $TRASH/ran; exit 1 # /" 2>/dev/null || :
	ecl-query -d "$F" --similar words >/dev/null 2>&1 || :
	test -e ran
'

test_expect_success 'differences over ssh, each to the newest block that both have' '
	start_sshd
	test_when_finished "kill $sshd_pid"
	# A difference is not the bytes of what is shared with a file that only the parent has.
	cp --reflink=always "$A/live/big" "$A/live/twin"
	echo small >"$A/live/big"
	for n in 2 3; do
		change "$A" $n
		rm -f "$A/live/gone"
		mv "$A/live/a.d" "$A/live/a.d.$n" 2>/dev/null || mv "$A"/live/a.d.* "$A/live/a.d.$n"
		ecl-snap -d "$A" -q --sign key
	done
	ecl-snap -d "$A" --send now >whole
	# Block 1 is not there, so it is 2 to 0; what is whole would be over 300 KiB.
	$ssh ecl-snap -d "$B" --list | ecl-snap -v -d "$A" --send now --parent auto --have - 2>err >part
	test_grep "difference to .block-000000" err
	test $(($(stat -c %s part) * 4)) -lt "$(stat -c %s whole)"
	$ssh ecl-snap -d "$B" --receive --key "$V" <part >have
	test "$(jq .height have)" = 2
	same_tree "$(ecl-snap -d "$A" --path block-2)" "$B/live"
	ecl-verify -d "$B" --key "$V" -q
	change "$A" 4
	ecl-snap -d "$A" -q --sign key
	ls "$B/.snapshots" | ecl-snap -v -d "$A" --send now --parent auto --have - 2>err | $ssh ecl-snap -q -d "$B" --receive --key "$V"
	test_grep "difference to .block-000002" err
	test "$(ls "$B/.snapshots" | wc -l)" = 3
	ecl-verify -d "$B" --key "$V" >verdict
	test "$(jq -r .verdict verdict)" = ok
'

test_expect_success 'one that is here already, and an older one: nothing goes back' '
	ecl-replay -d "$B" >log
	ecl-snap -d "$A" --send now | ecl-snap -d "$B" --receive --key "$V" 2>err >have
	test_grep "here already" err
	test "$(jq .height have)" = 3
	ecl-snap -d "$A" --send block-1 --parent block-0 | ecl-snap -d "$B" --receive --key "$V" 2>err >have
	test_grep "not the newest" err
	test "$(ls "$B/.snapshots" | wc -l)" = 4
	ecl-replay -d "$B" | cmp - log
	test -e "$B/live/new.4"
	cmp "$(ecl-snap -d "$A" --path block-3)/.ecl/checkpoint" "$B/checkpoint"
	ecl-verify -d "$B" --key "$V" -q
'

test_expect_success 'a longer log that came line by line is kept' '
	ecl-append -d "$A" -q -e late:1 -s 1
	ecl-replay -d "$A" | ecl-append -q -d "$B" --replica
	ecl-append -d "$A" -q -e late:2 -s 2
	head -c 4000000 /dev/urandom >"$A/live/large"
	ecl-snap -d "$A" -q --sign key
	ecl-append -d "$A" -q -e late:3 -s 3
	ecl-replay -d "$A" | ecl-append -q -d "$B" --replica
	ecl-index -q -d "$B"
	ecl-snap -d "$B" --list | ecl-snap -d "$A" --send block-4 --parent auto --have - | ecl-snap -q -d "$B" --receive --key "$V"
	ecl-replay -d "$A" >want
	ecl-replay -d "$B" | cmp - want
	same_tree "$(ecl-snap -d "$A" --path block-4)" "$B/live"
	ecl-index -d "$B" --check
	ecl-verify -d "$B" --key "$V" -q
	delete_tree "$(ecl-snap -d "$B" --path block-1)"
'

test_expect_success 'a sender that would do harm, or no good, says so' '
	test_expect_code 2 ecl-snap -d "$A" --send block-3 --parent block-3 2>err >/dev/null
	test_grep "its own parent" err
	test_expect_code 2 ecl-snap -d "$A" --have - --send block-3 2>err >/dev/null
	test_expect_code 2 ecl-snap -d "$A" --receive --key "$V" --unsigned 2>err </dev/null
	test_expect_code 2 ecl-snap -d "$B" --receive 2>err </dev/null
	test_grep "whose word" err
	test_expect_code 2 ecl-snap -d "$B" --receive --unsigned 2>err </dev/null
	test_grep "stream is empty" err
	printf "block-000000-12345678\n{\"hash\":\"short\"}\n" >list
	test_expect_code 2 ecl-snap -d "$A" --send block-3 --parent auto --have list 2>err >out
	test_grep "list:2:1: not a block" err
	test ! -s out
	printf "{\"hash\":\"%s\",\"present\":false}\n" "$(jq -r .hash a0)" >list
	ecl-snap -d "$A" --send block-1 --parent auto --have list 2>err | wc -c >size
	test_grep "sent whole" err
	test "$(cat size)" -gt 300000
	test_expect_code 75 flock "$(ecl-snap -d "$A" --path block-1)/.ecl/block" ecl-snap -d "$A" --send block-1 --parent block-0 2>err >out
	test_grep "being pruned" err
	python3 "$top_srcdir/t/on-terminal.py" -o out ecl-snap -d "$A" --send block-0 || :
	test_grep "is a terminal" out
	test_expect_code 2 python3 "$top_srcdir/t/on-terminal.py" -f 0,1,2 -o out ecl-snap -d "$B" --receive --unsigned
	test_grep "standard input is a terminal, and nobody types a stream" out
	ecl-init -q --backend copy --embedder none "$TRASH/copy"
	ecl-snap -d copy -q
	test_expect_code 2 ecl-snap -d copy --send now 2>err >out
	test_grep "is a copy" err
	ecl-init -q --replica --backend copy "$TRASH/copy.r"
	test_expect_code 2 ecl-snap -d copy.r --receive --unsigned <part 2>err
	test_grep "not on btrfs" err
'

test_expect_success 'a block that goes while it is looked for: the next parent is taken, or it is said what became of it' '
	G=$TRASH/btrfs/going
	ecl-init -q --embedder none "$G"
	mkfifo asked
	for n in 0 1 2 3; do
		echo $n >"$G/live/$n"
		ecl-append -q -d "$G" -e a:1 -s $n
		ecl-snap -q -d "$G"
	done
	ecl-snap -d "$G" --list --json | head -n 2 >list
	# Its list of blocks has been read when it opens the other one; BLOCK and COMMAND.
	meanwhile()
	{
		ecl-snap -v -d "$G" --send $1 --parent auto --have asked >stream 2>err &
		sender=$!
		timeout 60 bash -c "exec 9>asked && $2 && cat list >&9"
		code=0
		wait $sender || code=$?
	}
	meanwhile block-3 "btrfs -q subvolume delete \"$(ecl-snap -d "$G" --path block-1)\""
	test $code = 0
	test_grep "the difference to .block-000000-" err
	test -s stream
	meanwhile block-2 "ecl-snap -q -d \"$G\" --prune --keep last=1"
	test $code = 1
	test_grep "^ecl-snap: the snapshot of .block-000002-.* was pruned at 20.*: .ecl-snap --list. names those" err
	test ! -s stream
'

test_expect_success NONROOT 'without the capability, it is named' '
	as_user mkdir -p "$TRASH/btrfs/none" 2>/dev/null || install -d -o 65534 -g 65534 "$TRASH/btrfs/none"
	as_user ecl-init -q --embedder none "$TRASH/btrfs/none"
	as_user ecl-snap -q -d "$TRASH/btrfs/none"
	test_expect_code 2 as_user ecl-snap -d "$TRASH/btrfs/none" --send now 2>err >out
	test_grep CAP_SYS_ADMIN err
	test ! -s out
	install -d -o 65534 -g 65534 "$TRASH/btrfs/none.r"
	as_user ecl-init -q --replica "$TRASH/btrfs/none.r"
	ecl-snap -d "$TRASH/btrfs/none" --send now >none.stream
	test_expect_code 2 as_user ecl-snap -d "$TRASH/btrfs/none.r" --receive --unsigned <none.stream 2>err
	test_grep "CAP_SYS_ADMIN" err
'

test_expect_success 'while a block is sent, it and its parent are held' '
	mkfifo slow
	ecl-snap -d "$A" --send block-4 --parent block-3 >slow & sender=$!
	exec 8<slow
	for block in block-3 block-4; do
		for i in $(seq 1200); do
			flock -xn "$(ecl-snap -d "$A" --path $block)/.ecl/block" true || break
			sleep 0.1
		done
		test_expect_code 1 flock -xn "$(ecl-snap -d "$A" --path $block)/.ecl/block" true
	done
	cat <&8 >part
	exec 8<&-
	wait $sender
	flock -xn "$(ecl-snap -d "$A" --path block-3)/.ecl/block" true
	# A reader that goes away ends it quietly.
	ecl-snap -d "$A" --send block-4 2>err | head -c 100 >/dev/null
	test ! -s err
'

test_expect_success 'who waited for the lock while the replica was adopted changes nothing' '
	W=$TRASH/other/w
	ecl-init -q --replica "$W"
	for n in 0 2; do ecl-snap -d "$A" --send block-$n | ecl-snap -q -d "$W" --receive --key "$V"; done
	ecl-snap -d "$A" --send block-3 --parent block-2 >part
	echo mine >"$W/live/new.2"
	blocks=$(ls "$W/.snapshots")
	exec 9<>"$W/blocks.lock"
	flock 9
	ecl-snap -d "$W" --receive --key "$V" --wait 120 <part 2>err.1 9>&- & one=$!
	ecl-snap -d "$W" --prune --keep last=1 --wait 120 2>err.2 9>&- & other=$!
	for waiter in $one $other; do
		for i in $(seq 2400); do
			ls -l /proc/$waiter/fd | grep -q "blocks.lock" && break
			sleep 0.05
		done
	done
	rm "$W/replica" # as adoption ends
	exec 9>&-
	test_expect_code 75 wait $one
	test_expect_code 75 wait $other
	test_grep "adopted meanwhile" err.1
	test_grep "adopted meanwhile" err.2
	test "$(cat "$W/live/new.2")" = mine
	nothing_left "$W" $blocks
'

test_expect_success 'a replica with more findings than are kept is not adopted, and the worst is named' '
	ecl-init -q --backend copy --embedder none many
	seq 1200 | jq -c "{element: \"a:\\(.)\", state: .}" | ecl-append -d many -q
	ecl-init -q --replica --backend copy many.r
	ecl-replay -d many | ecl-append -d many.r -q --replica
	sed -i -e "2,1150s/create/cReate/" -e "\$d" many.r/live/.ecl/log/*
	test_expect_code 1 ecl-init --adopt many.r 2>err
	test_grep "not adopted: truncated: the log ends before event 1200, but there were 1201" err
	rm -r many many.r
'

test_expect_success 'the drill: the disk of A is gone, B goes on' '
	for n in 0 2 3 4; do files_of "$(ecl-snap -d "$A" --path block-$n)" >files.$n; done
	umount btrfs
	rm fs.img
	openssl genpkey -algorithm ed25519 -out other.key
	test_expect_code 1 ecl-init --key "$(ecl-prove -d "$B" --vkey other.key)" --adopt "$B" 2>err
	test_grep "unsigned" err
	test_expect_code 2 ecl-append -d "$B" -e a:1 -s 1 2>err
	ecl-replay -d "$B" >before
	ecl-init --key "$V" --adopt "$B" >adopted
	# The adoption, and block 1, which is gone.
	test "$(jq -r ".action" adopted | xargs)" = "adopt prune"
	test "$(jq -r "select(.action == \"prune\") | .state.height" adopted)" = 1
	test "$(jq -r .state.id before | head -n 1)" = "$(jq -r .state.id adopted | head -n 1)"
	ecl-init --adopt "$B" >again
	test_line_count = 0 again
	ecl-verify -d "$B" --key "$V" >verdict
	test "$(jq -r "select(.verdict) | .verdict" verdict)" = ok
	test "$(jq -r "select(.class) | .class" verdict | sort | xargs)" = "pruned unsigned-tail"
	change "$B" 9
	ecl-snap -d "$B" --sign key >b5
	test "$(jq .height b5)" = 5
	ecl-replay -d "$B" | head -n "$(wc -l <before)" | cmp - before
	for n in 0 2 3 4; do
		files_of "$(ecl-snap -d "$B" --path block-$n)" >have
		test_cmp files.$n have
	done
	ecl-rollback -d "$B" --yes -q block-2
	files_of "$B/live" >have
	test_cmp files.2 have
	ecl-query -d "$B" --format state >have
	ecl-query -d "$B" --at block-2 --format state | cmp - have
	ecl-snap -d "$B" -q --sign key
	ecl-verify -d "$B" --key "$V" >verdict
	test "$(jq -r "select(.verdict) | .verdict, .signed" verdict | xargs)" = "ok $(ecl-replay -d "$B" | wc -l)"
	# And from here to the next host.
	ecl-init -q --replica "$TRASH/other/c"
	ecl-snap -d "$B" --send now | ecl-snap -q -d "$TRASH/other/c" --receive --key "$V"
	ecl-verify -d "$TRASH/other/c" --key "$V" -q
'

test_done
