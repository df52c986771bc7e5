#!/bin/bash
test_description='ecl-verify reads what blocks have in common once, and finds each change of each block all the same'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

test_btrfs

test_have_prereq BTRFS && test_have_prereq ROOT || {
	skip_all='no btrfs, or not root: each block is read by itself'
	test_done
}

# Six blocks, with files of all kinds that stay, change, move, come and go; much differs between the fourth and the fifth.
make_base()
{
	R=$(ecl_backend_root btrfs) && L=$R/live &&
	ecl-init -q --embedder none "$R" && fill "$L" && mkdir "$L/many" "$L/to" && touch "$L/"{x,y,link2} &&
	seq -f %099.0f 300 | split -a 4 -d -l 1 - "$L/many/f" && head -c 9000 "$L/big" >"$L/other" &&
	ln "$L/other" "$L/second" && ecl-snap -q -d "$R" &&
	fill "$L" second && rm "$L/gone" "$L/many/f0007" && mkdir "$L/new" && echo new >"$L/new/f" && ecl-snap -q -d "$R" &&
	mv "$L/many/f0008" "$L/to/" && mv "$L/new" "$L/a/b/" && ln "$L/many/f0009" "$L/to/f" && ecl-snap -q -d "$R" &&
	echo third >"$L/other" && chmod 600 "$L/x" && touch "$L/y" && setfattr -n user.b -v third "$L/a/f" && ecl-snap -q -d "$R" &&
	fill "$L" && rm -r "$L/to" && mv "$L/a/b/new" "$L/to" && chmod 640 "$L/many/"* && ecl-snap -q -d "$R" &&
	rm "$L/second" && ecl-snap -q -d "$R" &&
	mkdir "$TRASH/btrfs/kept" && for B in "$R"/.snapshots/*; do
		btrfs subvolume snapshot "$B" "$TRASH/btrfs/kept/" >/dev/null || return 1
	done
}

block() { echo "$R"/.snapshots/block-00000$1-*; }

delete_nested()
{
	btrfs property set -f "$1" ro false && btrfs subvolume delete "$1/$2" >/dev/null
}

restore()
{
	local b name

	for b in "$@"; do
		name=$(block $b) && name=${name##*/}
		test ! -e "$R/.snapshots/$name/many/sub/" || delete_nested "$R/.snapshots/$name" many/sub || return 1
		btrfs subvolume delete "$R/.snapshots/$name" >/dev/null &&
			btrfs subvolume snapshot -r "$TRASH/btrfs/kept/$name" "$R/.snapshots/" >/dev/null || return 1
	done
}

# verified [OPTION]: its findings, without notes, in brief.
verified()
{
	local rc=0

	ecl-verify -d "$R" "$@" >out || rc=$?
	echo "exit $rc"
	jq -c 'select(.class) | select(.class != "pruned") | [.class, .block, .path, .message]' out
}

# attack "BLOCK..." COMMAND: in each of these blocks, which are writable for that.  Nothing is synced.
attack()
{
	local b blocks=$1 command=$2

	for b in $blocks; do
		B=$(block $b)
		btrfs property set -f "$B" ro false && (cd "$B" && eval "$command") && btrfs property set "$B" ro true || return 1
	done
	verified >brief
	verified --from-disk >each
	echo "exit 1" >expect
	for b in $blocks; do
		basename "$(block $b)"
	done >>expect
	jq -Rr '. as $line | try (fromjson | select(.[0] == "block-damaged") | .[1]) catch $line' <brief >have
	test_cmp expect have && test_cmp each brief || { echo "behind '$command' in $blocks"; cat brief; return 1; }
	restore $blocks
}

test_expect_success 'as they are' '
	make_base
	verified >brief
	echo "exit 0" >expect
	test_cmp expect brief
	grep "\"blocks\":6," out
'

test_expect_success STRACE 'a file that stays as it is is opened once, and where much differs again; with --from-disk, and by who may not read the trees, once for each block' '
	opened()
	{
		grep -c "openat(.*\"f0100\"" trace
	}
	traced -qq -o trace -e trace=openat ecl-verify -q -d "$R"
	test "$(opened)" = 2
	traced -qq -o trace -e trace=openat ecl-verify -q --from-disk -d "$R"
	test "$(opened)" = 6
	traced -qq -o trace -e trace=openat setpriv --bounding-set -sys_admin --inh-caps -sys_admin ecl-verify -q -d "$R"
	test "$(opened)" = 6
'

n=0
while IFS='	' read -r what command; do
	# In the first, in the middle, in the last, side by side, apart.
	set -- 0 2 5 "2 3" "1 4" 3
	shift $((n % 6))
	blocks=$1 n=$((n + 1))
	test_expect_success "$what, in block ${blocks// / and }" 'attack "$blocks" "$command"'
done <<\EOT
content	printf X | dd of=big bs=1 seek=200000 conv=notrunc status=none
content, small, with its times	touch -r x ../../stamp; touch -r a/f stamp; echo FIRST! >a/f; touch -r stamp a/f; rm stamp
the same content, and a change behind it	cp other keep && cat keep >other && rm keep && printf x | dd of=many/f0100 bs=1 seek=5 conv=notrunc status=none
mode	chmod 4700 a/f
mode of a directory	chmod 700 many
owner	chown 7 many/f0003
group of a link	chown -h :9 long
target of a link	ln -sfn elsewhere link
an attribute	setfattr -n user.b -v other a/f
an attribute less	setfattr -x user.d a
an attribute more	setfattr -n user.z -v "" many/f0299
a file less	rm many/f0150
a file more	: >many/more
a directory more	mkdir sub/more
another name	mv many/f0020 many/f0020a
two names exchanged	mv many/f0030 n && mv many/f0031 many/f0030 && mv n many/f0031
a directory moved	mv sub a/
one content for the other, by its place	cp --reflink=always --remove-destination big other2 && cat other >big
size	truncate -s 2M holes
a hole	fallocate -p -o 4096 -l 4096 big
type	rm empty && mkfifo empty
number of a device	rm dev && mknod dev c 1 5
a second name in the place of a file	ln -f many/f0200 many/f0201
a subvolume in it	btrfs -q subvolume create many/sub
header	sed -i "s/\"entries\":/&1/" .ecl/block
EOT

test_expect_success 'what was changed, and is as it was, is no damage' '
	for B in "$(block 1)" "$(block 2)"; do
		btrfs property set -f "$B" ro false
		(cd "$B" && chmod 700 many && chmod 755 many && cp -a big copy && cat copy >big && rm copy && mv a/f x1 && mv x1 a/f && touch -d 2001-01-01 other)
		btrfs property set "$B" ro true
	done
	verified >brief
	echo "exit 0" >expect
	test_cmp expect brief
	restore 1 2
'

test_expect_success 'the same damage, by one snapshot of the other, is found in both' '
	B=$(block 3)
	btrfs property set -f "$B" ro false
	chmod 600 "$B/many/f0001"
	header=$(block 4)/.ecl
	name=$(basename "$(block 4)")
	btrfs subvolume delete "$(block 4)" >/dev/null
	btrfs subvolume snapshot "$B" "$R/.snapshots/$name" >/dev/null
	rm -r "$R/.snapshots/$name/.ecl"
	cp -a "$TRASH/btrfs/kept/$name/.ecl" "$R/.snapshots/$name/"
	btrfs property set "$B" ro true
	btrfs property set "$R/.snapshots/$name" ro true
	verified >brief
	verified --from-disk >each
	test_cmp each brief
	for B in "$(block 3)" "$(block 4)"; do
		test_grep "\"block-damaged\",\"${B##*/}\"" brief
	done
	test_line_count = 3 brief
	restore 3 4
'

test_expect_success 'what is mounted over a directory of a block is found there' '
	B=$(block 2)
	mount --bind "$TRASH/btrfs/kept" "$B/a/b"
	test_when_finished "! mountpoint -q \"$B/a/b\" || umount \"$B/a/b\""
	verified >brief
	umount "$B/a/b"
	test_grep "\"block-damaged\",\"${B##*/}\".*is a mount" brief
	test_line_count = 2 brief
'

# A file, a directory, a FIFO and a device, each of which is forged and has over it what was there before.
for path in many/f0001 a/b pipe dev; do
	test_expect_success "what is forged in a block is not hidden by what is mounted over it: $path" '
		B=$(block 3)
		btrfs property set -f "$B" ro false
		# Of the same subvolume, and where no file is managed.
		cp -a "$B/'$path'" "$B/.ecl/before"
		chmod 4777 "$B/'$path'"
		btrfs property set "$B" ro true
		mount --bind "$B/.ecl/before" "$B/'$path'"
		test_when_finished "! mountpoint -q \"$B/'$path'\" || umount \"$B/'$path'\""
		for how in "" --from-disk; do
			verified $how >brief
			test_grep "\"block-damaged\",\"${B##*/}\".*.'$path'. is a mount" brief
			test_line_count = 2 brief
		done
		umount "$B/'$path'"
		restore 3
	'
done

test_expect_success 'what is mounted over a file of one block hides nothing of the next' '
	B=$(block 4)
	N=$(block 5)
	name=${N##*/}
	btrfs property set -f "$B" ro false
	echo forged >"$B/many/f0001"
	btrfs subvolume delete "$N" >/dev/null
	btrfs subvolume snapshot "$B" "$N" >/dev/null
	rm -r "$N/.ecl" "$N/second"
	cp -a "$TRASH/btrfs/kept/$name/.ecl" "$N/"
	btrfs property set "$B" ro true
	btrfs property set "$N" ro true
	mount --bind "$TRASH/btrfs/kept/${B##*/}/many/f0001" "$B/many/f0001"
	test_when_finished "! mountpoint -q \"$B/many/f0001\" || umount \"$B/many/f0001\""
	verified >brief
	umount "$B/many/f0001"
	test_grep "\"block-damaged\",\"$name\"" brief
	restore 4 5
'

test_expect_success 'a subvolume whose number is that of the directory that it took the place of' '
	I=$(ecl_backend_root btrfs)
	ecl-init -q --embedder none "$I"
	mkdir "$I/live/ids"
	seq -f "$I/live/ids/%.0f" 1000 | xargs mkdir
	ecl-snap -q -d "$I"
	echo 1 >"$I/live/f"
	ecl-snap -q -d "$I"
	ecl-verify -q -d "$I"
	B=$(echo "$I"/.snapshots/block-000001-*)
	btrfs property set -f "$B" ro false
	btrfs -q subvolume create "$B/ids/sub"
	D=$(find "$B/ids" -inum "$(btrfs inspect-internal rootid "$B/ids/sub")" -name "[0-9]*")
	rmdir "$D"
	mv "$B/ids/sub" "$D"
	echo planted >"$D/f"
	btrfs property set "$B" ro true
	for how in "" --from-disk; do
		test_expect_code 1 ecl-verify -d "$I" $how >out
		test_grep "^{\"class\":\"block-damaged\",\"block\":\"${B##*/}\",.*ids/${D##*/}.* is a mount or a subvolume" out
	done
'

test_expect_success 'a block less, and one that came back by a rollback' '
	ecl-snap -q -d "$R" --prune --keep last=3 >/dev/null
	ecl-rollback -q --yes -d "$R" block-4
	echo behind >"$L/x"
	ecl-snap -q -d "$R"
	verified >brief
	echo "exit 0" >expect
	test_cmp expect brief
'

test_done
