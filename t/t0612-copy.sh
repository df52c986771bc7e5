test_description='blocks that are copies, on ext4 and xfs: whole, of one moment, and made while writers go on'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

# on TYPE SIZE: a file system of its own, in $TRASH/TYPE.
on()
{
	truncate -s "$2" "$TRASH/$1.img" && mkfs."$1" -q "$TRASH/$1.img" && mkdir "$TRASH/$1" && mount -o loop "$TRASH/$1.img" "$TRASH/$1"
}

# snap_stops N...: a block of $R in the background, its header goes to `header'; it is stopped at each of these calls of syncfs, the first of
# which is before it copies, the second behind that.  Sets $snap.
snap_stops()
{
	: >trace
	# As traced() does; what is stopped and waited for is ecl-snap itself.
	(ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 \
		exec strace -D -qq -o trace -e trace=syncfs -e inject=syncfs:signal=SIGSTOP:when="$1" ecl-snap -d "$R" >header) &
	snap=$!
}

# stopped N: it was, for the Nth time, for at most two minutes.
stopped()
{
	local n=0

	until test "$(grep -c 'stopped by SIGSTOP' trace)" = "$1"; do
		test $n -lt 2400 && kill -0 $snap || return 1
		sleep 0.05
		n=$((n + 1))
	done
}

for type in ext4 xfs; do
	size=64M
	test $type = ext4 || size=320M

	test_expect_success ROOT,STRACE "$type: what changes between the copy and the lock is in the block" '
		on '$type' '$size'
		R=$TRASH/'$type'/root
		ecl-init -q --backend copy "$R"
		L=$R/live
		fill "$L"
		mkdir -p "$L/deep/er" "$L/shut" "$L/swap-a" "$L/swap-b"
		echo 1 >"$L/deep/er/f"
		echo 2 >"$L/shut/f"
		echo a >"$L/swap-a/f"
		echo b >"$L/swap-b/f"
		: >"$L/zz-last"
		sleep 1.1
		snap_stops 2
		stopped 1
		test -e "$(echo "$R"/.snapshots/.tmp-*)/zz-last"
		chmod 500 "$L/shut"
		touch -r "$L/deep/er/f" stamp
		echo 3 >"$L/deep/er/f"
		touch -r stamp "$L/deep/er/f"
		echo 4 >"$L/deep/er/new"
		rm "$L/empty"
		mkdir "$L/empty"
		echo 5 >"$L/empty/in"
		rm -r "$L/a.d"
		echo 6 >"$L/a.d"
		mv "$L/swap-a" "$L/x"
		mv "$L/swap-b" "$L/swap-a"
		mv "$L/x" "$L/swap-b"
		mv "$L/big" "$L/moved"
		setfattr -n user.late -v 1 "$L/a-x"
		setfattr -x user.d "$L/a"
		setfacl -d -m u:77:r "$L/deep/er"
		setfacl -b "$L/a/b"
		chown 7:8 "$L/link" -h
		ln -sfn changed "$L/long"
		rm -r "$L/gone.d"
		: >"$L/shut/f"
		cp "$R"/live/.ecl/log/*.ndjson log-then
		files_of "$L" >want
		kill -CONT $snap
		wait $snap
		jq -r "\"\(.entries) \(.files)\"" header >have
		test_cmp want have
		cmp log-then "$R"/.snapshots/block-*/.ecl/log/*.ndjson
		test "$(stat -c "%a %Y" "$L/shut" "$L/deep/er" "$L")" = "$(cd "$R"/.snapshots/block-* && stat -c "%a %Y" shut deep/er .)"
		check_blocks "$R"
		ecl-verify -q -d "$R"
	'
done

test_expect_success ROOT,STRACE 'writers do not wait while it is copied' '
	snap_stops 1..2
	for n in 1 2; do
		stopped $n
		ecl-append --wait 0 -q -d "$R" -e a:b -s $n
		kill -CONT $snap
	done
	wait $snap
	test "$(ecl-snap --list -d "$R" | tail -n 1 | jq .size)" -ge 3
	check_blocks "$R"
'

test_expect_success ROOT 'blocks of files that change all the time' '
	mkdir "$R/live/pair"
	# What changes while the writers wait is as it was then, or later; the header tells.
	(
		for i in $(seq -w 2000); do
			echo $i >"$R/live/pair/.n"
			mv "$R/live/pair/.n" "$R/live/pair/first"
			echo $i >"$R/live/pair/.n"
			mv "$R/live/pair/.n" "$R/live/pair/second"
			test ! -e stop || break
		done
	) &
	writer=$!
	for i in 1 2 3; do
		ecl-append -q -d "$R" -e a:b -s "[$i]"
		ecl-snap -q -d "$R"
	done
	: >stop
	wait $writer
	check_blocks "$R"
	ecl-verify -q -d "$R"
'

test_done
