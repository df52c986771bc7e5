test_description='the files that changed since the last block: found, by each way, and told by --diff'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

test_btrfs

W='setpriv --bounding-set -sys_admin --inh-caps -sys_admin'
unprivileged() { $W "$@"; }
snap() { "$@" ecl-snap -q -d "$R" && python3 "$top_srcdir/t/check-block.py" "$(newest)"; }
newest() { ls -d "$R"/.snapshots/block-* | tail -n 1; }
diff_of() { ecl-snap --json -d "$R" --diff "$@" >out && jq -r '"\(.change) \(.path)"' out; }

# opened WORDS...: the managed files that a command opens.
opened()
{
	traced -qq -o calls -e trace=openat,openat2 "$@" >/dev/null || return 1
	grep -o '"[^"]*file-[0-9]*"' calls | grep -o 'file-[0-9]*' | sort -u
}

test_expect_success 'the examples that the rest begins with' '
	R=$(ecl_backend_root btrfs)
	C=$(ecl_backend_root copy)
	ecl-init -q "$R"
	ecl-init -q --backend copy "$C"
	for d in one two three; do
		mkdir "$R/live/$d"
		for i in 1 2 3 4 5 6 7 8; do echo "$d $i" >"$R/live/$d/file-$i"; done
	done
	fill "$R/live"
	sleep 1.1
	snap
'

test_expect_success BTRFS,ROOT,STRACE 'only what changed is opened, with CAP_SYS_ADMIN and without' '
	for way in env "$W"; do
		echo more >>"$R/live/two/file-3"
		chmod 600 "$R/live/three/file-5"
		opened $way ecl-snap -q -d "$R" >have
		printf "%s\n" file-3 file-5 >want
		test_cmp want have
		check_blocks "$R"
		sleep 1.1
		snap $way
	done
'

test_expect_success BTRFS,ROOT,STRACE 'a directory that is moved is not read again, and behind a rollback the block that it went to is remembered' '
	mv "$R/live/one" "$R/live/four"
	opened ecl-snap -q -d "$R" >have
	check_blocks "$R"
	sed -n "/openat.*file-1/,/close/p" calls | grep -c "^read" >reads || true
	test "$(cat reads)" = 0
	block=$(newest)
	block=${block##*/}
	echo other >"$R/live/four/file-2"
	snap
	ecl-rollback -q --yes -d "$R" "${block%-*}"
	echo third >"$R/live/four/file-7"
	opened ecl-snap -q -d "$R" >have
	echo file-7 >want
	test_cmp want have
	check_blocks "$R"
'

test_expect_success BTRFS,ROOT,STRACE 'behind a rollback over many blocks, those between are not read' '
	M=$(ecl_backend_root btrfs)
	ecl-init -q --embedder none "$M"
	for i in 0 1 2 3 4 5 6 7 8 9; do
		echo $i >"$M/live/between"
		ecl-snap -q -d "$M"
	done
	ecl-rollback -q --yes -d "$M" block-0
	echo again >"$M/live/between"
	traced -qq -y -o calls -e trace=openat,openat2 -e signal=none ecl-snap -q -d "$M"
	grep -o "block-[0-9]*-[0-9a-f]*/.ecl/index" calls | sort -u >read
	cat read
	# The last one, and that which live was made from.
	test_line_count = 2 read
	test_grep block-000000 read
	check_blocks "$M"
'

test_expect_success BTRFS,ROOT 'random changes, blocks of them by both ways, differences of any two, rollbacks' '
	T=$(ecl_backend_root btrfs)
	ecl-init -q "$T"
	python3 "$top_srcdir/t/random-files.py" "$T" 18 "${ECL_TEST_SEED:-7}"
	ecl-verify -q -d "$T"
'

test_expect_success ROOT 'the same on the copy backend' '
	python3 "$top_srcdir/t/random-files.py" "$C" 5 "${ECL_TEST_SEED:-8}"
	ecl-verify -q -d "$C"
'

test_expect_success BTRFS 'a table that is damaged, cut, gone or of another block makes no root wrong' '
	for damage in "printf x >>" "truncate -s 20" "truncate -s 0" "rm" "dd if=/dev/urandom bs=1 count=8 seek=60 conv=notrunc status=none of="; do
		for name in files files.base; do
			block=$(newest)
			table=$block/.ecl/index/$name
			btrfs property set -f "$block" ro false
			case $damage in
			*=) $damage"$table" ;;
			*">>") eval "$damage\"$table\"" ;;
			*) $damage "$table" ;;
			esac
			btrfs property set "$block" ro true
			echo "$damage $name" >"$R/live/two/file-1"
			snap
		done
	done
	old=$(newest)
	echo later >"$R/live/two/file-2"
	snap
	new=$(newest)
	btrfs property set -f "$new" ro false
	cp "$old/.ecl/index/files" "$old/.ecl/index/files.base" "$new/.ecl/index/"
	btrfs property set "$new" ro true
	rm "$R/live/two/file-2"
	snap
'

test_expect_success BTRFS,ROOT 'a table that lies is not asked where others could have written it, and else found by ecl-verify' '
	forge()
	{
		echo "$1" >"$R/live/two/file-1"
		snap
		block=$(newest)
		# A base of its own, so that nothing else is read in its place.
		btrfs property set -f "$block" ro false
		python3 "$top_srcdir/t/forge-files.py" "$block" three/file-1
		python3 - "$block/.ecl/index/files" <<-\EOF
			import sys
			sys.path.insert(0, "'"$top_srcdir"'/t")
			spec = __import__("importlib.util").util.spec_from_file_location("f", "'"$top_srcdir"'/t/forge-files.py")
			f = __import__("importlib.util").util.module_from_spec(spec)
			spec.loader.exec_module(f)
			data = bytearray(open(sys.argv[1], "rb").read())
			data[104:168] = bytes(64)
			data[-4:] = f.crc32c(data[:-4]).to_bytes(4, "little")
			open(sys.argv[1], "r+b").write(data)
		EOF
	}
	forge 1
	chown 12345 "$block/.ecl/index/files.base"
	btrfs property set "$block" ro true
	echo 2 >"$R/live/two/file-1"
	snap
	ecl-verify -q -d "$R"
	forge 3
	chmod g+w "$block/.ecl/index"
	btrfs property set "$block" ro true
	echo 4 >"$R/live/two/file-1"
	snap
	ecl-verify -q -d "$R"
	forge 5
	btrfs property set "$block" ro true
	touch "$R/live/two/new"
	ecl-snap -q -d "$R"
	test_expect_code 1 ecl-verify -d "$R" >out
	test_grep "\"class\":\"block-damaged\"" out
	# It is handed on, until the files are read.
	snap_full=$(ecl-snap --full -d "$R" | jq -r .height)
	python3 "$top_srcdir/t/check-block.py" "$(newest)"
	for height in $((snap_full - 1)) $((snap_full - 2)); do
		delete_tree "$(ls -d "$R/.snapshots/block-00$(printf %04d $height)"-*)"
	done
	snap
'

test_expect_success BTRFS,ROOT 'a subvolume inside live is refused by name, by both ways, also where a file was' '
	before=$(ls "$R/.snapshots")
	for at in "$R/live/sub/vol" "$R/live/two/file-8"; do
		rm -f "$at"
		btrfs subvolume create "$at" >/dev/null
		for way in env "$W"; do
			test_expect_code 2 $way ecl-snap -q -d "$R" 2>err
			test_grep "${at#"$R"/live/}.*subvolume" err
		done
		test_expect_code 2 ecl-snap -d "$R" --diff block-1 2>err
		btrfs subvolume delete "$at" >/dev/null
	done
	test "$before" = "$(ls "$R/.snapshots")"
'

test_expect_success BTRFS,ROOT,STRACE '--if-changed without a change makes no snapshot; with one, even of nothing but names, a block' '
	ecl-snap -q -d "$R"
	snapshots()
	{
		traced -qq -o calls -e trace=ioctl "$@" >out
		grep -c SNAP_CREATE calls || true
	}
	test "$(snapshots ecl-snap --if-changed -d "$R")" = 0
	test ! -s out
	n=$(ls "$R/.snapshots" | wc -l)
	mv "$R/live/two/file-4" "$R/live/two/file-9"
	ecl-snap --if-changed -q -d "$R"
	rm "$R/live/two/file-9"
	ecl-snap --if-changed -q -d "$R"
	setfattr -n user.note -v 1 "$R/live/two"
	ecl-snap --if-changed -q -d "$R"
	echo x >"$R/live/.ecl/linked"
	ln "$R/live/.ecl/linked" "$R/live/managed"
	ecl-snap --if-changed -q -d "$R"
	echo y >"$R/live/.ecl/linked"
	ecl-snap --if-changed -q -d "$R"
	test "$(ls "$R/.snapshots" | wc -l)" = $((n + 5))
	touch "$R/live/two/file-5"
	unprivileged ecl-snap --if-changed -q -d "$R"
	ecl-snap --if-changed -q -d "$R"
	test "$(ls "$R/.snapshots" | wc -l)" = $((n + 5))
	rm "$R/live/.ecl/linked"
	check_blocks "$R"
'

test_expect_success BTRFS '--diff: what it says of each kind of change' '
	ecl-snap -q -d "$R"
	block=$(newest)
	block=${block##*/}
	A=${block%-*}
	L=$R/live
	echo new >"$L/three/came"
	rm "$L/three/file-1"
	echo other >"$L/three/file-2"
	chmod 751 "$L/three/file-3"
	rm "$L/three/file-4"
	mkdir "$L/three/file-4"
	setfattr -n user.a -v 1 "$L/three/file-6"
	touch "$L/three/file-7"
	mv "$L/three/file-8" "$L/three/moved"
	ln -sfn elsewhere "$L/link"
	echo >"$L/$(printf "not\377utf")"
	diff_of "$A" >have
	printf "%s\n" "cu link" "+ not�utf" "+ three/came" "- three/file-1" "c three/file-2" "p three/file-3" "tp three/file-4" "x three/file-6" "- three/file-8" "+ three/moved" >want
	test_cmp want have
	test "$(jq -r "select(.raw) | .raw" out | base64 -d | od -An -tx1)" = "$(printf "not\377utf" | od -An -tx1)"
	ecl-snap -q -d "$R"
	test_expect_code 2 ecl-snap -d "$R" --diff "$A" block-99999 2>err
	test_grep "99999" err
	diff_of "$A" 0s >again
	test_cmp want again
	diff_of 0s "$A" | sed "s/^+/~/; s/^-/+/; s/^~/-/" >back
	test_cmp want back
	diff_of "$A" "$A" >none
	test ! -s none
	diff_of 0s >none
	test ! -s none
	ecl-snap --table -d "$R" --diff "$A" >table
	test_grep "^three/came  *+" table
	test_must_fail grep "$(printf "\377")" table
'

test_expect_success BTRFS,ROOT '--diff: another device by the same name' '
	mknod "$L/null" c 1 3
	mknod "$L/disk" b 7 1
	ecl-snap -q -d "$R"
	first=$(basename "$(newest)")
	rm "$L/null" "$L/disk"
	mknod "$L/null" c 1 5
	mknod "$L/disk" b 7 2
	printf "%s\n" "c disk" "c null" >devices
	diff_of "$first" | test_cmp devices -
	ecl-snap -q -d "$R"
	diff_of "$first" "$(basename "$(newest)")" | test_cmp devices -
	rm "$L/null" "$L/disk"
	ecl-snap -q -d "$R"
'

test_expect_success NONROOT '--diff: an ordinary user, and without a table, get the same answer' '
	U=$(ecl_backend_root btrfs)
	test "$(id -u)" != 0 || chown 65534 "$U"
	as_user ecl-init -q "$U"
	as_user bash -c "cd $U/live; mkdir d; for i in 1 2 3 4; do echo \$i >d/\$i; done"
	as_user ecl-snap -q -d "$U"
	as_user bash -c "cd $U/live; echo 5 >d/1; rm d/2; chmod 700 d/3; touch d/4"
	printf "%s\n" "c d/1" "- d/2" "p d/3" >users
	as_user ecl-snap --json -d "$U" --diff block-0 >out
	jq -r "\"\(.change) \(.path)\"" out | diff users -
	as_user ecl-snap -q -d "$U"
	as_user ecl-snap --json -d "$U" --diff block-0 block-1 >out
	jq -r "\"\(.change) \(.path)\"" out | diff users -
	check_blocks "$U"
	for block in "$R"/.snapshots/block-*; do
		btrfs property set -f "$block" ro false
		rm -f "$block/.ecl/index/files"
		btrfs property set "$block" ro true
	done
	diff_of "$A" 0s >have
	test_cmp want have
	diff_of "$A" >have
	test_cmp want have
'

test_expect_success BTRFS '--diff: usage, and a block that is gone' '
	test_expect_code 2 ecl-snap -d "$R" --diff "$A" 0s 1s 2>err
	test_expect_code 2 ecl-snap -d "$R" --diff "$A" --list 2>err
	test_grep "do not go together" err
	delete_tree "$(newest)"
	test_expect_code 1 ecl-snap -d "$R" --diff "$A" 0s 2>err
	test_grep "is gone" err
'

test_done
