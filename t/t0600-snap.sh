test_description='ecl-snap: blocks, what they commit to, and what they leave when they die'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

test_btrfs

header() { cat "$1/.ecl/block"; }

for backend in btrfs copy; do
	pre=
	test $backend = copy || pre=BTRFS

	test_expect_success "$pre" "$backend: a block is what its header says, by other means" '
		R=$(ecl_backend_root '$backend')
		ecl-init --backend '$backend' "$R" >/dev/null
		fill "$R/live"
		for i in 1 2 3 4 5; do echo "{\"element\":\"a:$i\",\"state\":{\"n\":$i}}"; done | ecl-append -d "$R" -q
		ecl-append -d "$R" -q -e a:3 -s null
		ecl-append -d "$R" -q -e "odd:\"quoted\" \\ ü" -s "[\"}\",{\"a\":\"\\\\\"}]"
		ecl-append -d "$R" -q -e a:1 -a restart
		ecl-snap -d "$R" >out
		test_line_count = 1 out
		test_cmp out "$R"/.snapshots/block-000000-*/.ecl/block
		test "$(jq -r .backend out)" = '$backend'
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: it is recorded in the log, and the next follows it" '
		ecl-replay -d "$R" | tail -n 1 >last
		test "$(jq -r ".element, .action, .state.hash" last | xargs)" = "ecl:block snap $(jq -r .hash out)"
		ecl-append -d "$R" -q -e a:6 -s 6
		ecl-snap -d "$R" >out2
		test "$(jq .height out2)" = 1
		test "$(jq -r .prev out2)" = "$(jq -r .hash out)"
		test "$(jq .size out2)" = $(($(jq .size out) + 2))
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: --if-changed makes none without a change, and one for each" '
		snap() { ecl-snap -d "$R" --if-changed; }
		snap >no
		test_line_count = 0 no
		ecl-snap -d "$R" -q >no
		test_line_count = 0 no
		n=$(ecl-replay -d "$R" | wc -l)
		snap >no
		snap >no
		test_line_count = 0 no
		test "$(ecl-replay -d "$R" | wc -l)" = $n
		ecl-append -d "$R" -q -e a:7 -s 7
		snap | test_line_count = 1 /dev/stdin
		echo more >>"$R/live/a/f"
		snap | test_line_count = 1 /dev/stdin
		chmod 600 "$R/live/empty"
		snap | test_line_count = 1 /dev/stdin
		rm "$R/live/gone"
		snap | test_line_count = 1 /dev/stdin
		mv "$R/live/a.d" "$R/live/a.e"
		snap | test_line_count = 1 /dev/stdin
		touch "$R/live/big"
		snap >no
		test_line_count = 0 no
		ecl-append -d "$R" -q -e a:7 -a restart
		snap | test_line_count = 1 /dev/stdin
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: --list and --path" '
		ecl-snap -d "$R" --list >list
		ls "$R/.snapshots" | test_line_count = $(wc -l <list) /dev/stdin
		jq -r .height list >have
		seq 0 $(($(wc -l <list) - 1)) >want
		test_cmp want have
		ls -d "$R"/.snapshots/block-* >want
		jq -r .path list >have
		test_cmp want have
		test "$(ecl-snap -d "$R" --path block-0)" = "$(head -n 1 have)"
		test "$(ecl-snap -d "$R" --path "hash:$(jq -r .hash out)")" = "$(head -n 1 have)"
		test "$(ecl-snap -d "$R" --path now)" = "$(tail -n 1 have)"
		test "$(cat "$(ecl-snap -d "$R" --path block-0)/a/f")" = first
		test_expect_code 2 ecl-snap -d "$R" --path block-99
		test_expect_code 2 ecl-snap -d "$R" --path 1970-01-01T00:00:00Z
		ecl-snap -d "$R" --list --table >table
		test_line_count = $(($(wc -l <list) + 1)) table
		test_grep "^block  *time  *size  *elements  *entries  *snapshot$" table
		awk "NR > 1 && \$NF != \"here\" || length > 80 { exit 1 }" table
	'

	test_expect_success "$pre" "$backend: a block whose snapshot is gone is still in the log" '
		delete_tree "$R"/.snapshots/block-000001-*
		ecl-snap -d "$R" --list >gone
		test_line_count = $(wc -l <list) gone
		test "$(jq -c "select(.height == 1) | [.path, .present]" gone)" = "[null,false]"
		ecl-snap -d "$R" --list --table >table
		test_grep "^block-000001-.* gone$" table
		test_expect_code 1 ecl-snap -d "$R" --path block-1 2>err
		test_grep "gone" err
		ecl-snap -d "$R" >out3
		test "$(jq .height out3)" = $(wc -l <list)
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: two at once" '
		ecl-snap -d "$R" --wait 120 >one & first=$!
		ecl-snap -d "$R" --wait 120 >two
		wait $first
		test "$(jq .height one)" != "$(jq .height two)"
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: blocks while others write" '
		for i in $(seq 60); do echo "{\"element\":\"w:$i\",\"state\":$i}" | ecl-append -d "$R" --wait 120 || exit; done >acked & writer=$!
		for i in 1 2 3 4 5; do ecl-snap -d "$R" -q --wait 120; done
		wait $writer
		ecl-replay -d "$R" >log
		test_line_count = 60 acked
		test "$(grep -cxFf acked log)" = 60
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: locked is 75" '
		test_expect_code 75 flock "$R/blocks.lock" ecl-snap -d "$R" --wait 0 2>err
		test_grep "blocks.lock" err
		test_expect_code 75 flock "$R/lock" ecl-snap -d "$R" --wait 0
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: left-overs go, other things stay" '
		case '$backend' in
		btrfs)
			btrfs subvolume snapshot -r "$R/live" "$R/.snapshots/.tmp-77" >/dev/null
			btrfs subvolume snapshot "$R/live" "$R/.tmp-78" >/dev/null
			;;
		copy)
			cp -a "$R/live" "$R/.snapshots/.tmp-77"
			cp -a "$R/live" "$R/.tmp-78"
			;;
		esac
		mkdir "$R/.snapshots/mine"
		touch "$R/.tmp-file" "$R/live/.ecl/block"
		ecl-snap -d "$R" -q
		test -d "$R/.snapshots/mine"
		test -f "$R/.tmp-file"
		rm -r "$R/.snapshots/mine" "$R/.tmp-file"
		check_blocks "$R"
	'

	test_expect_success "$pre,ROOT" "$backend: a mount inside live is named" '
		mkdir "$R/live/mnt"
		mount -t tmpfs none "$R/live/mnt"
		test_when_finished "umount \"$R/live/mnt\""
		test_expect_code 2 ecl-snap -d "$R" 2>err
		test_grep "$R/live/mnt.* is mounted inside live" err
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: usage" '
		test_expect_code 2 ecl-snap -d "$R" operand
		test_expect_code 2 ecl-snap -d "$R" --list --if-changed
		test_expect_code 2 ecl-snap -d "$TRASH/nowhere"
		ecl-snap --help >help
		test_grep "usage: ecl-snap" help
	'

	test_expect_success "$pre" "$backend: a failed write to stdout is an error" '
		test_expect_code 2 ecl-snap -d "$R" >/dev/full
		check_blocks "$R"
	'

	test_expect_success "${pre:+$pre,}NONROOT,ROOT" "$backend: for an ordinary user, who owns the root" '
		U=$(ecl_backend_root '$backend')
		chown 65534:65534 "$U"
		as_user ecl-init --backend '$backend' "$U" >/dev/null
		as_user ecl-append -d "$U" -q -e a:1 -s 1
		as_user bash -c "umask 077; mkdir $U/live/d; echo x >$U/live/d/f; chmod 500 $U/live/d"
		as_user ecl-snap -d "$U" >out
		as_user ecl-snap -d "$U" -q
		check_blocks "$U"
		ls -A "$U/.snapshots" | test_line_count = 2 /dev/stdin
		test_expect_code 2 as_user ecl-snap -d "$R" 2>err
		mkdir -m 700 "$U/live/secret"
		test_expect_code 2 as_user ecl-snap -d "$U" 2>err
		test_grep "secret" err
		rmdir "$U/live/secret"
		as_user ecl-snap -d "$U" -q
		check_blocks "$U"
	'

	for what in signal=KILL "error=EIO error=ENOSPC error=EROFS error=EDQUOT" error=EINTR; do
		test_expect_success "${pre:+$pre,}STRACE" "$backend: $what at every step: all or nothing, said where it matters, and the next run puts it in order" '
			K=$(ecl_backend_root '$backend')
			ecl-init --backend '$backend' "$K" >/dev/null
			mkdir "$K/live/d"
			echo x >"$K/live/d/f"
			ecl-append -d "$K" -q -e k:0 -s 0
			ecl-snap -d "$K" -q
			calls=flock,write,pwrite64,fsync,fdatasync
			test "$what" = error=EINTR || calls=$calls,ioctl,renameat,renameat2,syncfs,mkdirat,unlinkat,fchmod,fchownat,getdents64
			i=0
			: >acked
			before() {
				i=$((i + 1))
				# The same index each time, so that there is the same to write to it.
				ecl-index -d "$K" -q --rebuild && ecl-append -d "$K" -e k:$i -s $i >>acked && ls "$K/.snapshots" >were
			}
			after() {
				case $what:$fault_on in
				# To sweep it, or to copy it.
				error=*:"getdents64 live/.ecl/index") test $fault_exit = 0 || grep "^ecl-snap: cannot read directory " fault.err ;;
				error=*) told ecl-snap "ioctl .snapshots BTRFS_IOC_SNAP_DESTROY" ;;
				esac || return 1
				ls "$K/.snapshots" | grep "^block-" | comm -13 were - >new
				case $fault_exit in
				# A block can do without vectors, but not without a word.
				0) test_line_count = 1 new && { grep -q "\"vector\":" "$K/.snapshots/$(cat new)/.ecl/block" || grep "^ecl-snap: warning: the vectors" fault.err; } ;;
				2) test "$(sed -n "s/.*: .\(block-[0-9a-f-]*\). was made.*/\1/p" fault.err)" = "$(cat new)" ;;
				esac || return 1
				ecl-verify -q -d "$K" && ecl-index -d "$K" --check -q || return 1
				test $((i % 2)) != 0 || ecl-append -d "$K" -e k:$i -s null >>acked || return 1
				ecl-snap -d "$K" >out || return 1
				test $((i % 6)) != 0 || check_blocks "$K"
			}
			faults 8 $calls "$what" ecl-snap -d "$K" -q
			check_blocks "$K"
			ecl-replay -d "$K" >log
			test "$(grep -cxFf acked log)" = $(wc -l <acked)
		'
	done
done

test_expect_success BTRFS 'btrfs: a block cannot be written to' '
	R=$(ecl_backend_root btrfs)
	ecl-init "$R" >/dev/null
	ecl-snap -d "$R" -q
	block=$(echo "$R"/.snapshots/block-*)
	test_must_fail touch "$block/x" 2>err
	test_grep "Read-only file system" err
	test_must_fail touch "$block/.ecl/block" 2>err
	test_grep "Read-only file system" err
'

test_expect_success BTRFS 'btrfs: nothing was ever written into a block: it is made whole, under its name' '
	echo x >"$R/live/x"
	ecl-append -q -d "$R" -e a:1 -s 1
	ecl-snap -d "$R" -q
	for block in "$R"/.snapshots/block-*; do
		btrfs subvolume show "$block" >shown
		awk -F: "/Gen at creation:/ { made = \$2 + 0 } /Generation:/ { changed = \$2 + 0 } END { exit made == 0 || made != changed }" shown ||
			{ cat shown; return 1; }
	done
	ls -A "$R/.snapshots" | test_line_count = 2 /dev/stdin
'

test_expect_success BTRFS,STRACE 'btrfs: three commits of the file system and one sync make a block' '
	echo y >"$R/live/x"
	ecl-append -q -d "$R" -e a:1 -s 2
	traced -o calls -e trace=ioctl,fsync,fdatasync,syncfs,sync,msync ecl-snap -d "$R" -q
	grep "sync(\|SNAP_CREATE\|SUBVOL_SETFLAGS" calls | sed "s/.*\(sync\|SNAP_CREATE\|SETFLAGS\).*/\1/" | xargs >have
	echo "SNAP_CREATE SETFLAGS SNAP_CREATE sync" | test_cmp - have
'

test_expect_success BTRFS 'btrfs: a subvolume inside live is named' '
	mkdir "$R/live/d"
	btrfs subvolume create "$R/live/d/nested" >/dev/null
	test_expect_code 2 ecl-snap -d "$R" 2>err
	test_grep "d/nested.* is a subvolume inside live" err
	btrfs subvolume delete "$R/live/d/nested" >/dev/null
	ecl-snap -d "$R" -q
	check_blocks "$R"
'

test_expect_success BTRFS 'btrfs: it holds what was written just before, synced or not' '
	for i in 1 2 3; do
		head -c 3000000 /dev/urandom >"$R/live/fresh"
		ecl-snap -d "$R" -q
	done
	check_blocks "$R"
'

test_expect_success BTRFS 'btrfs: what many small appends left in pieces is joined, and stays what it was' '
	R=$(ecl_backend_root btrfs)
	ecl-init --embedder none "$R" >/dev/null
	for i in $(seq 60); do ecl-append -q -d "$R" -e pieces:1 -s "\"$i$(head -c 3500 /dev/zero | tr "\0" x)\""; done
	pieces() { filefrag "$R"/live/.ecl/log/*.ndjson | sed "s/.*: \([0-9]*\) extent.*/\1/"; }
	ecl-replay -d "$R" >before
	test "$(pieces)" -gt 40
	ecl-snap -q -d "$R"
	test "$(pieces)" -lt 10
	ecl-append -q -d "$R" -e pieces:1 -s 61
	ecl-replay -d "$R" --count 61 | test_cmp before -
	# What stands in pieces anew is few, and is left alone.
	had=$(pieces)
	ecl-snap -q -d "$R"
	test "$(pieces)" -ge "$had"
	ecl-verify -q -d "$R"
'

test_expect_success 'a damaged block does not stand in the way; one that the log does not know is named' '
	R=$(ecl_backend_root copy)
	ecl-init --backend copy "$R" >/dev/null
	ecl-snap -d "$R" -q
	ecl-snap -d "$R" -q
	sed -i "s/\"size\":1,/\"size\":9,/" "$R"/.snapshots/block-000000-*/.ecl/block
	ecl-snap -d "$R" --list >out
	test "$(jq -c .size out | xargs)" = "1 2"
	cp -a "$R"/.snapshots/block-000001-* "$R/.snapshots/block-000002-00000000"
	test_expect_code 1 ecl-snap -d "$R" --list >out 2>err
	test_grep "block-000002-00000000. is damaged: its header is that of another block" err
	test_line_count = 3 out
	ecl-snap -d "$R" -q
	rm -r "$R/.snapshots/block-000002-00000000"
	ecl-snap -d "$R" --path block-2
'

test_expect_success 'a block of another ledger is not recorded' '
	A=$(ecl_backend_root copy)
	ecl-init --backend copy "$A" >/dev/null
	for i in 1 2 3 4; do ecl-snap -d "$A" -q; done
	cp -a "$A"/.snapshots/block-000003-* "$R/.snapshots/"
	n=$(ecl-replay -d "$R" | wc -l)
	ecl-snap -d "$R" >out
	test "$(jq .height out)" = 3
	test "$(ecl-replay -d "$R" | wc -l)" = $((n + 1))
'

test_done
