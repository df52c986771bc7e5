test_description='ecl-snap --receive: streams that are hostile, cut, damaged, of others; each refused, and nothing is left of it'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"
. "$top_srcdir/t/send-lib.sh"

test_btrfs
if ! test_have_prereq BTRFS; then
	skip_all='a btrfs of our own cannot be had'
	test_done
fi
A=$TRASH/btrfs/a B=$TRASH/other/b

# look_around: what there is on the disk of B, beside B.
look_around() { find "$TRASH/other" -xdev ! -path "$TRASH/other/b" ! -path "$TRASH/other/b/*" -ls; }

# refuse FILE [CODES]: B does not take it: an exit code and a reason, and B and all around it are as they were.
refuse()
{
	local rc=0

	ecl-snap -d "$B" --receive --key "$V" <"$1" >out 2>err || rc=$?
	case ${2-1 2} in *$rc*) ;; *) echo "exit $rc of $1"; cat err; return 1 ;; esac
	test -s err && test ! -s out || { echo "no reason, or an answer"; cat out err; return 1; }
	nothing_left "$B" $have || return 1
	look_around >around.now
	test_cmp around around.now || return 1
	find "$TRASH/other" -name outside | grep . && return 1
	test "$(sha256sum <"$B/live/.ecl/log/00000000000000000000.ndjson")" = "$log" || { echo "the log is another"; return 1; }
}

test_expect_success 'attacks inside a stream whose block is right and signed' '
	make_disk other
	make_host "$A"
	mkdir "$A/live/a" "$TRASH/other/target"
	echo first >"$A/live/a/f"
	echo still >"$A/live/a/still"
	change "$A" 1
	ecl-snap -d "$A" -q --sign key
	ecl-init -q --replica "$B"
	ecl-snap -d "$A" --send now >s0
	# It is the attacks that are refused: without one, the stream is taken.
	python3 "$top_srcdir/t/btrfs-stream.py" none <s0 >same
	cmp s0 same
	ecl-snap -q -d "$B" --receive --key "$V" <same
	change "$A" 2
	ecl-snap -d "$A" -q --sign key
	ecl-snap -d "$A" --send now >s1
	have=$(ls "$B/.snapshots")
	look_around >around
	log=$(sha256sum <"$B/live/.ecl/log/00000000000000000000.ndjson")
	python3 "$top_srcdir/t/btrfs-stream.py" list >attacks
	test_line_count -gt 35 attacks
	name=$(basename "$(ecl-snap -d "$A" --path now)")
	while read -r attack; do
		argument=$TRASH/other/target
		test $attack != second-inside || argument=$name
		python3 "$top_srcdir/t/btrfs-stream.py" $attack "$argument" <s1 >evil
		refuse evil || { echo "attack: $attack"; return 1; }
		printf "%s: %s\n" $attack "$(cat err)" >>reasons
	done <attacks
	cat reasons
	test_grep "^setuid: .*block-damaged" reasons
	test_grep "^second: .*more than one subvolume" reasons
	test_grep "^ecl-link: .*no regular file" reasons
	test_grep "^note-gone: .*unsigned" reasons
	test_grep "^no-end: .*EOF" reasons
'

test_expect_success 'what no header commits to, attributes and flags that say what others may see or do: left out, and said' '
	python3 "$top_srcdir/t/btrfs-stream.py" list-left-out >attacks
	test_line_count -gt 14 attacks
	while read -r attack; do
		C=$TRASH/other/c
		ecl-init -q --replica "$C"
		python3 "$top_srcdir/t/btrfs-stream.py" $attack <s1 >evil
		ecl-snap -d "$C" --receive --key "$V" <evil 2>err >out || { echo "$attack"; cat err; return 1; }
		printf "%s: %s\n" $attack "$(cat err)" >>left
		for tree in "$(ecl-snap -d "$C" --path now)" "$C/live"; do
			getfattr -R -d -m - "$tree" >attributes 2>&1
			test_line_count = 0 attributes || { echo "$attack"; cat attributes; return 1; }
			! lsattr -R "$tree" | grep "^-*i" || return 1
		done
		ecl-verify -q -d "$C" --key "$V"
		btrfs subvolume delete "$C"/.snapshots/* "$C/live" >del
		rm -r "$C"
	done <attacks
	cat left
	test_grep "^redirect: .*left out, as no header commits to it: trusted.overlay.redirect (1 in all, the first of .a.)" left
	test_grep "^immutable: .*inode flags (1 in all, the first of .a/f.)" left
	test_grep "^verity: .*fs-verity" left
	test_grep "^ima: .*security.ima" left
	test "$(grep -c "left out" left)" = $(wc -l <attacks)
'

# forge BLOCK PATH OUT: a stream of the block, in whose index stands, bound to what no subvolume is a snapshot of, that there is no such file.
forge()
{
	local name=${1##*/}

	mkdir "$TRASH/btrfs/forged"
	btrfs subvolume snapshot "$1" "$TRASH/btrfs/forged/$name" >/dev/null
	python3 - "$TRASH/btrfs/forged/$name/.ecl/index/files" "$2" <<-\END
		import struct, sys
		def crc32c(data):
		    crc = 0xffffffff
		    for byte in data:
		        crc ^= byte
		        for _ in range(8):
		            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
		    return crc ^ 0xffffffff
		text, path = open(sys.argv[1], "rb").read(), sys.argv[2].encode()
		at = 168
		assert text[:8] == b"eclfile3"
		text = text[:24] + bytes(24) + text[48:at] + struct.pack("<QIB", 1, len(path), 1) + path
		open(sys.argv[1], "wb").write(text + struct.pack("<I", crc32c(text)))
	END
	btrfs property set -ts "$TRASH/btrfs/forged/$name" ro true
	btrfs send -q "$TRASH/btrfs/forged/$name" >"$3"
	btrfs subvolume delete "$TRASH/btrfs/forged/$name" >/dev/null
	rmdir "$TRASH/btrfs/forged"
}

test_expect_success 'what came with a block says nothing of its files: its index, which nobody signed, is not asked' '
	C=$TRASH/other/told
	ecl-init -q --replica "$C"
	ecl-snap -q -d "$C" --receive --key "$V" <s0
	forge "$(ecl-snap -d "$A" --path block-1)" a/still s1.forged
	ecl-snap -q -d "$C" --receive --key "$V" <s1.forged
	ecl-snap -d "$A" --diff block-0 block-1 >want
	test_line_count -gt 0 want
	ecl-snap -d "$C" --diff block-0 block-1 | test_cmp want -
	# Nor is it when the replica goes on by itself.
	ecl-init -q -d "$C" --adopt
	ecl-snap -q -d "$C"
	ecl-snap -d "$C" --diff block-1 now >out
	test_line_count = 0 out
	ecl-verify -q -d "$C"
	btrfs subvolume delete "$C"/.snapshots/* "$C/live" >del
	rm -r "$C"
'

test_expect_success 'attributes of a host with labels of its own: sent in full and as a difference, each byte in a piece of its own' '
	L=$TRASH/btrfs/labels M=$TRASH/other/labels
	ecl-init -q --embedder none "$L"
	ecl-init -q --replica "$M"
	mkdir "$L/live/a"
	echo one >"$L/live/a/f"
	echo two >"$L/live/a/g"
	setfattr -n trusted.label -v one "$L/live/a" "$L/live/a/f" "$L/live/a/g"
	setfattr -n user.mine -v kept "$L/live/a/f"
	setfattr -n btrfs.compression -v zstd "$L/live/a/g"
	chown -R 1000:1001 "$L/live/.ecl"
	chmod 2775 "$L/live/.ecl" "$L/live/.ecl/log"
	setfacl -R -m u:1234:rwX -m d:u:1234:rwX "$L/live/.ecl"
	chown 1000:1001 "$L/live"
	chmod 1777 "$L/live"
	chown 0:34 "$M/live" "$M/live/.ecl"
	chmod 750 "$M/live" "$M/live/.ecl"
	ecl-snap -q -d "$L"
	setfattr -x trusted.label "$L/live/a/f"
	setfattr -x user.mine "$L/live/a/f"
	setfattr -n trusted.label -v two "$L/live/a/g"
	mv "$L/live/a/g" "$L/live/a/h"
	ecl-snap -q -d "$L"
	ecl-snap -d "$L" --send block-0 | ecl-snap -q -d "$M" --receive --unsigned
	test "$(getfattr --only-values -n user.mine "$M/live/a/f")" = kept
	test "$(getfattr --only-values -n btrfs.compression "$M/live/a/g")" = zstd
	ecl-snap -d "$L" --send block-1 --parent block-0 >difference
	python3 -c "
import os, sys
for b in sys.stdin.buffer.read():
    os.write(1, bytes([b]))" <difference | ecl-snap -d "$M" --receive --unsigned 2>err >out
	test_grep "trusted.label (2 in all, the first of .a/" err
	# Nor do ACLs of the log, or of what holds it all, give anybody rights.
	! getfattr -R -d -m - "$M/live" | grep -v "^$\|^# file\|^btrfs.compression=" | grep .
	# What holds it all is for whom it was for on this host, and so is the log.
	stat -c "%n %a %u:%g" "$M/live" "$M/live/.ecl" "$M/live/.ecl/log" "$M"/live/.ecl/log/* | sed "s|$M/||" >have
	echo "live 750 0:34" >want
	echo "live/.ecl 750 0:34" >>want
	echo "live/.ecl/log 750 0:34" >>want
	echo "live/.ecl/log/00000000000000000000.ndjson 640 0:34" >>want
	test_cmp want have
	ecl-verify -q -d "$M"
	btrfs subvolume delete "$M"/.snapshots/* "$M/live" >del
	rm -r "$M"
	look_around >around
'

test_expect_success 'a stream that wants memory without end, and what is behind one' '
	# Of a command that sets an attribute there is but the head, with its length.
	{ printf "btrfs-stream\\0\\1\\0\\0\\0"; printf "\\0\\0\\40\\0\\15\\0\\0\\0\\0\\0"; head -c 3000000 /dev/zero; } >evil
	refuse evil
	test_grep "an attribute of 2097152 bytes" err
	{ cat s1 && echo "more than a stream"; } >evil
	refuse evil
	test_grep "no stream at byte $(stat -c %s s1)" err
'

test_expect_success 'cut anywhere, and with any bit flipped: a retry works' '
	size=$(stat -c %s s1)
	for n in 1 13 17 200 $((size / 2)) $((size - 200)) $((size - 10)) $((size - 1)); do
		head -c $n s1 >cut
		refuse cut || { echo "cut at $n"; return 1; }
	done
	for n in 3 14 30 $((size / 4)) $((size * 3 / 4)) $((size - 3)); do
		python3 -c "import sys; b = bytearray(open(\"s1\", \"rb\").read()); b[$n] ^= 1 << $n % 8; open(\"flipped\", \"wb\").write(b)"
		refuse flipped || { echo "flipped at $n"; return 1; }
	done
	cat s1 s0 >both
	refuse both 1
	test_grep "more than one" err
'

test_expect_success 'blocks of others: another ledger, another key, another history' '
	ecl-init -q --embedder none --origin host/web1 "$TRASH/btrfs/other"
	ecl-append -d btrfs/other -q -e a:1 -s 1
	openssl genpkey -algorithm ed25519 -out other.key
	ecl-snap -d btrfs/other -q --sign other.key
	ecl-snap -d btrfs/other --send now >foreign
	refuse foreign 1
	test_grep "not those of the checkpoint" err
	# Signed by the right key, of the right name, but other events.
	change "$TRASH/btrfs/other" 5
	ecl-snap -d btrfs/other -q --sign key --force
	ecl-snap -d btrfs/other --send now >foreign
	refuse foreign 1
	# The same events, by another key: only who signed differs.
	ecl-init -q --replica "$TRASH/btrfs/copy"
	ecl-replay -d "$A" | ecl-append -q --replica -d btrfs/copy
	ecl-init -q --adopt "$TRASH/btrfs/copy"
	ecl-snap -q -d btrfs/copy --sign other.key
	ecl-snap -d btrfs/copy --send now >foreign
	refuse foreign 1
	test_grep "unsigned" err
	# By the right key, and with a history that parts from that of B: A set back to before its block 0, going on otherwise.
	ecl-init -q --replica "$TRASH/btrfs/fork"
	ecl-replay -d "$A" --to 1 | ecl-append -q --replica -d btrfs/fork
	ecl-init -q --adopt "$TRASH/btrfs/fork"
	ecl-snap -q -d btrfs/fork --sign key
	ecl-snap -d btrfs/fork --send now >foreign
	refuse foreign 1
	test_grep "another history" err
	test_expect_code 1 ecl-snap -d "$B" --receive --unsigned <foreign 2>err
	test_grep "another history" err
	nothing_left "$B" $have
'

test_expect_success 'two blocks that follow the same events: the history that goes on has only one of them' '
	H=$TRASH/btrfs/here
	make_host "$H"
	change "$H" 1
	mkdir -m 750 "$TRASH/btrfs/twin"
	btrfs subvolume snapshot "$H/live" "$TRASH/btrfs/twin/live" >/dev/null
	ecl-init -q "$TRASH/btrfs/twin"
	echo other >"$TRASH/btrfs/twin/live/new.1"
	ecl-snap -q -d btrfs/twin --sign key
	ecl-snap -d btrfs/twin --send now >foreign
	ecl-snap -q -d "$H" --sign key
	change "$H" 2
	ecl-snap -q -d "$H" --sign key
	ecl-snap -d "$H" --send now >next
	# Either may come first.
	for first in foreign next; do
		Y=$TRASH/other/two
		ecl-init -q --replica "$Y"
		ecl-snap -q -d "$Y" --receive --key "$V" <$first
		had=$(ls "$Y/.snapshots")
		case $first in foreign) second=next ;; *) second=foreign ;; esac
		test_expect_code 1 ecl-snap -d "$Y" --receive --key "$V" <$second 2>err
		test_grep "there are two blocks of height 0: one is .block-000000-[0-9a-f]*., the other is of another history" err
		nothing_left "$Y" $had
		ecl-verify -q -d "$Y" --key "$V"
		btrfs subvolume delete "$Y"/.snapshots/* "$Y/live" >/dev/null
		rm -r "$Y"
	done
'

test_expect_success 'a difference to a base that was tampered with' '
	ecl-snap -d "$A" --send block-1 --parent block-0 >part
	base=$(ecl-snap -d "$B" --path block-0)
	set_ro() { python3 -c "import fcntl, os, struct; fcntl.ioctl(os.open(\"$base\", os.O_RDONLY), 0x4008941a, struct.pack(\"Q\", $1))"; }
	set_ro 0
	echo "Change 1" >"$base/new.1"
	set_ro 2
	refuse part 1
	test_grep "block-damaged" err
	set_ro 0
	echo "change 1" >"$base/new.1"
	set_ro 2
	# And where there is no base.
	make_disk third
	ecl-init -q --replica third/b
	test_expect_code 1 ecl-snap -d third/b --receive --key "$V" <part 2>err
	test_grep "parent" err
	nothing_left third/b
'

test_expect_success 'witnesses: what comes must go on from a checkpoint that enough of them cosigned' '
	note() { python3 "$top_srcdir/t/sign-note.py" "$@"; }
	W=$TRASH/btrfs/w X=$TRASH/btrfs/x
	make_host "$W"
	ecl-init -q --replica "$X"
	ecl-snap -q -d "$W" --sign key
	for i in 1 2 3; do
		openssl genpkey -algorithm ed25519 -out w$i.pem
		eval "w$i=\$(note witness w.example/$i w$i.pem)"
	done
	ecl-snap -d "$W" --send block-0 | ecl-snap -q -d "$X" --receive --key "$V"
	cosigned() { note cosign w.example/1 w1.pem 1700000000 <"$1/checkpoint" | note cosign w.example/2 w2.pem 1700000000; }
	cosigned "$W" >seen
	ecl-append -d "$W" -q -e w:1 -s 1
	ecl-snap -q -d "$W" --sign key
	ecl-snap -d "$W" --send block-1 --parent block-0 >s
	test_expect_code 1 ecl-snap -d "$X" --receive --key "$V" --witness "$w1" <s 2>err
	test_grep "unsigned: .*no checkpoint is cosigned by 1 of the 1 witnesses" err
	cat seen >"$X/checkpoint"
	test_expect_code 1 ecl-snap -d "$X" --receive --key "$V" --witness "$w1" --witness "$w2" --witness "$w3" <s 2>err
	test_grep "by 3 of the 3 witnesses: the most is 2" err
	nothing_left "$X" "$(ls "$X/.snapshots")"
	test "$(ls "$X/.snapshots" | wc -l)" = 1
	for bad in "--unsigned --witness $w1" "--key $V --quorum 1" "--key $V --witness $w1 --quorum 2" "--key $V --witness $V" "--key $V --witness $w1 --quorum 0"; do
		test_expect_code 2 ecl-snap -d "$X" --receive $bad <s 2>err
	done
	test_expect_code 2 ecl-snap -d "$W" --witness "$w1" 2>err
	test_grep "go with --receive" err
	ecl-snap -q -d "$X" --receive --key "$V" --witness "$w1" --witness "$w2" --witness "$w3" --quorum 2 <s
	ecl-verify -q -d "$X" --key "$V"
	# Signed by the right key, but of a history that the witnesses have not seen.
	ecl-init -q --replica "$TRASH/btrfs/y"
	ecl-replay -d "$W" --to 0 | ecl-append -q --replica -d "$TRASH/btrfs/y"
	ecl-init -q --adopt "$TRASH/btrfs/y"
	for i in 1 2 3; do ecl-append -d "$TRASH/btrfs/y" -q -e y:$i -s $i; done
	ecl-snap -q -d "$TRASH/btrfs/y" --sign key
	ecl-snap -d "$TRASH/btrfs/y" --send now >s
	ecl-init -q --replica "$TRASH/btrfs/z"
	cat seen >"$TRASH/btrfs/z/checkpoint"
	test_expect_code 1 ecl-snap -d "$TRASH/btrfs/z" --receive --key "$V" --witness "$w1" --witness "$w2" <s 2>err
	test_grep "forked\|rewritten" err
	ls "$TRASH/btrfs/z/.snapshots" | test_line_count = 0 /dev/stdin
'

test_expect_success 'whatever was touched in the base is read, though the replica remembers what its files were' '
	tamper()
	{
		set_ro 0 && eval "$1" && set_ro 2 && refuse part 1 && test_grep "block-damaged" err || { echo "after: $1"; return 1; }
		set_ro 0 && eval "$2" && set_ro 2
	}
	f=$base/a/still
	ls -A "$B/live/.ecl/index" | grep -x files
	tamper "cp -a \$f kept; echo sTill >\$f; touch -r kept \$f" "echo still >\$f"
	tamper "chmod 600 \$f" "chmod 644 \$f"
	tamper "setfattr -n user.x -v 1 \$f" "setfattr -x user.x \$f"
	tamper "mv \$f \$base/a/g" "mv \$base/a/g \$f"
	tamper "ln \$f \$base/a/g" "rm \$base/a/g"
	tamper "mkdir \$base/a/d" "rmdir \$base/a/d"
	tamper "rm \$f" "echo still >\$f"
'

test_expect_success 'what a signal ends cleans up first' '
	mkfifo slow
	for signal in INT TERM HUP; do
		# A shell has its background processes ignore SIGINT.
		python3 -c "
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])" ecl-snap -d "$B" --receive --key "$V" <slow >out 2>err & receiver=$!
		exec 8>slow
		head -c $(($(stat -c %s s1) - 20)) s1 >&8
		for i in $(seq 2400); do
			test -n "$(ls "$B/.receive" 2>/dev/null)" && break
			sleep 0.05
		done
		test -n "$(ls "$B/.receive")"
		test "$(stat -c %a "$B/.receive")" = 700
		kill -$signal $receiver
		rc=0
		wait $receiver || rc=$?
		exec 8>&-
		test $rc -gt 128
		nothing_left "$B" $have
	done
'

test_expect_success 'after all that, the block itself is taken' '
	ecl-snap -q -d "$B" --receive --key "$V" <part
	ecl-verify -q -d "$B" --key "$V"
	test "$(ls "$B/.snapshots" | wc -l)" = 2
	test -e "$B/live/new.2"
'

test_expect_success STRACE 'what neither the stream nor anybody else touched is not read again' '
	change "$A" 3
	ecl-snap -d "$A" -q --sign key
	ecl-snap -d "$A" --send block-2 --parent block-1 >part
	traced -o calls -e trace=openat ecl-snap -q -d "$B" --receive --key "$V" <part
	test_grep "\"new.3\"" calls
	! grep "\"still\"" calls
	ecl-verify -q -d "$B" --key "$V"
	rm "$B"/live/.ecl/index/files*
	change "$A" 4
	ecl-snap -d "$A" -q --sign key
	ecl-snap -d "$A" --send block-3 --parent block-2 >part
	traced -o calls -e trace=openat ecl-snap -q -d "$B" --receive --key "$V" <part
	test_grep "\"still\"" calls
	ecl-verify -q -d "$B" --key "$V"
'

test_expect_success 'what is remembered of the newest block is not believed of another one' '
	base=$(ecl-snap -d "$B" --path now)
	older=${base##*/}
	# Before the newest one came, so that nothing was touched since.
	set_ro 0
	echo sTill >"$base/a/still"
	set_ro 2
	change "$A" 5
	ecl-snap -d "$A" -q --sign key
	ecl-snap -d "$A" --send now | ecl-snap -q -d "$B" --receive --key "$V"
	change "$A" 6
	ecl-snap -d "$A" -q --sign key
	ecl-snap -d "$A" --send now --parent "${older%-*}" >part
	have=$(ls "$B/.snapshots")
	log=$(sha256sum <"$B/live/.ecl/log/00000000000000000000.ndjson")
	look_around >around
	refuse part 1
	test_grep "block-damaged" err
	set_ro 0
	echo still >"$base/a/still"
	set_ro 2
	ecl-snap -q -d "$B" --receive --key "$V" <part
'

test_done
