test_description='ecl-rollback: files and states are those of the block, the log has grown, and nothing is lost'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

test_btrfs 2G

# base BACKEND: a root $R with a block 0 and much that is different since.
base()
{
	R=$(ecl_backend_root "$1") && ecl-init --backend "$1" "$R" >/dev/null && fill "$R/live" first &&
	ecl-append -d "$R" -q <<-\IN &&
		{"element":"if:eth0","state":{"mtu":1500}}
		{"element":"if:eth1","state":"same"}
		{"element":"svc:gone","state":"was"}
		{"element":"svc:back","state":1}
		{"element":"ünï \"quoted\"\\","state":["é",{"a":1e400}]}
	IN
	ecl-snap -d "$R" >block0 && files_of "$R/live" >files0 &&
	fill "$R/live" second && rm "$R/live/gone" && rm -r "$R/live/gone.d" && mkdir "$R/live/new.d" && : >"$R/live/new.d/f" &&
	ln -sfn other "$R/live/big.link" && chmod 600 "$R/live/a/f" && mv "$R/live/empty" "$R/live/gone" &&
	ecl-append -d "$R" -q <<-\IN &&
		{"element":"if:eth0","state":{"mtu":9000}}
		{"element":"svc:gone","state":null}
		{"element":"svc:back","state":2}
		{"element":"svc:back","state":1}
		{"element":"svc:new","state":"new"}
		{"element":"ünï \"quoted\"\\","state":[]}
		{"element":"svc:restarted","action":"restart"}
	IN
	files_of "$R/live" >files1 && ecl-replay -d "$R" >log1
}

# same_as_block HEADER FILES: a block made now has the states and files of that one.
same_as_block()
{
	ecl-snap -d "$R" >now || return 1
	jq -c '[.state, .entries, .files]' "$1" >want
	jq -c '[.state, .entries, .files]' now >have
	test_cmp want have || return 1
	files_of "$R/live" | test_cmp "$2" -
}

for backend in btrfs copy; do
	pre=
	test $backend = copy || pre=BTRFS

	test_expect_success "$pre" "$backend: a dry run says what would be recorded, and changes nothing" '
		base '$backend'
		ecl-rollback -d "$R" --dry-run block-0 >plan
		jq -c "[.element, .action, .state]" plan >have
		cat >want <<-\END
			["ecl:layer","rollback",null]
			["if:eth0","modify",{"mtu":1500}]
			["svc:gone","create","was"]
			["svc:new","delete",null]
			["ünï \"quoted\"\\","modify",["é",{"a":1.7976931348623157e+308}]]
		END
		test_cmp want have
		ecl-replay -d "$R" | test_cmp log1 -
		files_of "$R/live" | test_cmp files1 -
		ls "$R/.snapshots" | test_line_count = 1 /dev/stdin
	'

	test_expect_success "$pre" "$backend: files and states are those of the block" '
		ecl-rollback -d "$R" --yes --cause "it \"broke\"" block-0 >done
		jq -c "[.element, .action, .state]" done | test_cmp want -
		test "$(jq -c "select(has(\"state\"))|.state" done | head -n 1)" = "{\"mtu\":1500}"
		test "$(jq -r .cause done | sort -u)" = "it \"broke\""
		test_grep "1e400" done
		test "$(head -n 1 done | jq -c .meta)" = "{\"block\":\"$(jq -r .hash block0)\",\"height\":0,\"size\":$(jq .size block0)}"
		test "$(head -n 1 done | jq -c "has(\"state\")")" = false
		files_of "$R/live" | test_cmp files0 -
		test "$(cat "$R/live/a/f")" = first
		test "$(stat -c %a "$R/live/a/f")" = 4755
		test "$(readlink "$R/live/link")" = "to first"
		test ! -e "$R/live/new.d"
		test ! -e "$R/live/.ecl/block"
	'

	test_expect_success "$pre" "$backend: the log has grown, what was live is a block, and all of it checks" '
		ecl-replay -d "$R" >log2
		head -n $(wc -l <log1) log2 | test_cmp log1 -
		tail -n +$(($(wc -l <log1) + 1)) log2 | head -n $(wc -l <done) | test_cmp done -
		test $(wc -l <log2) = $(($(wc -l <log1) + $(wc -l <done) + 1))
		tail -n 1 log2 | jq -c .state >block1
		test "$(jq .height block1)" = 1
		test "$(jq .size block1)" = $(wc -l <log1)
		files_of "$(ecl-snap -d "$R" --path block-1)" | test_cmp files1 -
		check_blocks "$R"
		same_as_block block0 files0
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: events go on behind it" '
		echo "{\"element\":\"svc:after\",\"state\":1}" | ecl-append -d "$R" >out
		test "$(jq .seq out)" = $(($(wc -l <log2) + 1))
		echo "{\"element\":\"if:eth0\",\"state\":{\"mtu\":1500}}" | ecl-append -d "$R" >out
		test_line_count = 0 out
	'

	test_expect_success "$pre" "$backend: another rollback undoes it" '
		ecl-rollback -d "$R" --yes block-1 >done
		test "$(jq -r .cause done | sort -u)" = "rollback to $(basename "$(ecl-snap -d "$R" --path block-1)")"
		same_as_block block1 files1
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: to the present: one event, and a block" '
		n=$(ecl-replay -d "$R" | wc -l)
		ecl-rollback -d "$R" --yes now >done 2>err
		test_line_count = 1 done
		sed -n "s/^ecl-rollback: to undo this: //p" err >undo
		test "$(cat undo)" = "ecl-rollback -d $R $(basename "$(ecl-snap -d "$R" --path now)")"
		ln -sfn "$R" "two words"
		ecl-rollback -d "two words" --yes now 2>err >out
		eval "set -- $(sed -n "s/^ecl-rollback: to undo this: //p" err)"
		test "$*" = "ecl-rollback -d two words $(basename "$(ecl-snap -d "$R" --path now)")"
		test "$3" = "two words"
		test "$(ecl-replay -d "$R" | wc -l)" = $((n + 4))
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: --no-snap makes no block" '
		ls "$R/.snapshots" >before
		echo lost >"$R/live/lost"
		ecl-rollback -d "$R" -q --yes --no-snap block-0 >out
		test_line_count = 0 out
		ls "$R/.snapshots" | test_cmp before -
		test ! -e "$R/live/lost"
		files_of "$R/live" | test_cmp files0 -
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: torn tails that were kept are kept" '
		printf "{\"torn" >>"$(ls "$R"/live/.ecl/log/*.ndjson | tail -n 1)"
		ecl-rollback -d "$R" -q --yes block-0 2>err
		test_grep "a torn tail of 6 bytes" err
		cat "$R"/live/.ecl/torn-* >torn
		test "$(cat torn)" = "{\"torn"
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: nobody can be asked: --yes is needed" '
		ecl-replay -d "$R" >before
		test_expect_code 2 ecl-rollback -d "$R" block-0 2>err </dev/null
		test_grep "no terminal" err
		test_expect_code 2 ecl-rollback -d "$R" --yes
		test_expect_code 2 ecl-rollback -d "$R" --yes block-0 block-1
		test_expect_code 2 ecl-rollback -d "$R" --yes block-999
		ecl-replay -d "$R" | test_cmp before -
	'

	test_expect_success "$pre" "$backend: on a terminal it asks" '
		cat >ask.py <<-\END
			import os, pty, sys
			pid, fd = pty.fork()
			if pid == 0:
			    os.execvp(sys.argv[2], sys.argv[2:])
			said, asked = b"", False
			while True:
			    try:
			        got = os.read(fd, 1000)
			    except OSError:
			        break
			    if not got:
			        break
			    said += got
			    if b"[y/N]" in said and not asked:
			        os.write(fd, sys.argv[1].encode() + b"\n")
			        asked = True
			sys.stdout.buffer.write(said)
			sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
		END
		ecl-append -d "$R" -q -e svc:asked -s 1
		n=$(ecl-replay -d "$R" | wc -l)
		test_expect_code 1 python3 ask.py n ecl-rollback -d "$R" block-0 >out
		test_grep "1 element changes" out
		test_grep "nothing was changed" out
		test "$(ecl-replay -d "$R" | wc -l)" = $n
		python3 ask.py y ecl-rollback -d "$R" block-0 >out
		test_grep "svc:asked" out
		test "$(ecl-replay -d "$R" | wc -l)" = $((n + 3))
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: a block that is gone, damaged, or of another ledger" '
		ecl-replay -d "$R" >before
		mine=$R
		base '$backend'
		cp before other.log
		ecl-snap -d "$R" -q
		ecl-snap -d "$R" -q
		delete_tree "$R"/.snapshots/block-000001-*
		test_expect_code 1 ecl-rollback -d "$R" --yes block-1 2>err
		test_grep "is gone" err
		ecl-replay -d "$R" >log1
		foreign=$(basename "$(ecl-snap -d "$mine" --path block-3)")
		case '$backend' in
		btrfs) btrfs subvolume snapshot -r "$mine/.snapshots/$foreign" "$R/.snapshots/$foreign" >/dev/null ;;
		copy) cp -a "$mine/.snapshots/$foreign" "$R/.snapshots/" ;;
		esac
		test_expect_code 1 ecl-rollback -d "$R" --yes "$foreign" 2>err
		test_grep "is not a block of this ledger" err
		ecl-replay -d "$R" | test_cmp log1 -
		delete_tree "$R/.snapshots/$foreign"
		bad=$(ecl-snap -d "$R" --path block-0)
		test '$backend' = copy || btrfs property set "$bad" ro false
		sed -i "s/\"mtu\":1500/\"mtu\":1501/" "$bad"/.ecl/log/*
		test_expect_code 1 ecl-rollback -d "$R" --yes block-0 2>err
		test '$backend' = copy || test_grep "is writable" err
		test '$backend' = copy || btrfs property set "$bad" ro true
		test '$backend' = copy || test_expect_code 1 ecl-rollback -d "$R" --yes block-0 2>err
		ecl-replay -d "$R" | test_cmp log1 -
		test -z "$(ls -A "$R" | grep -e tmp -e old)"
	'

	test_expect_success "$pre" "$backend: locked is 75, and leaves nothing" '
		base '$backend'
		test_expect_code 75 flock "$R/blocks.lock" ecl-rollback -d "$R" --yes --wait 0 block-0
		test_expect_code 75 flock "$R/lock" ecl-rollback -d "$R" --yes --wait 0 block-0
		ecl-replay -d "$R" | test_cmp log1 -
		files_of "$R/live" | test_cmp files1 -
		check_blocks "$R"
	'

	test_expect_success "${pre:+$pre,}ROOT" "$backend: live is a mount point" '
		case '$backend' in
		btrfs) mount -o "subvol=$(basename "$R")/live" "$(losetup -n -O NAME -j "$TRASH/fs.img" | head -n 1)" "$R/live" ;;
		copy) mount --bind "$R/live" "$R/live" ;;
		esac
		test_when_finished "umount \"$R/live\""
		test_expect_code 2 ecl-rollback -d "$R" --yes block-0 2>err
		test_grep "live" err
		ls "$R/.snapshots" | test_line_count = 1 /dev/stdin
		files_of "$R/live" | test_cmp files1 -
	'

	test_expect_success "$pre" "$backend: and goes on behind that" '
		ecl-replay -d "$R" | test_cmp log1 -
		check_blocks "$R"
		ecl-rollback -d "$R" -q --yes block-0
		same_as_block block0 files0
	'

	test_expect_success "${pre:+$pre,}NONROOT,ROOT" "$backend: for an ordinary user, on a root of his own only" '
		test_expect_code 2 as_user ecl-rollback -d "$R" --yes block-0
		U=$(ecl_backend_root '$backend')
		chown 65534:65534 "$U"
		as_user ecl-init --backend '$backend' "$U" >/dev/null
		as_user bash -c "mkdir $U/live/d; echo x >$U/live/d/f"
		as_user ecl-append -d "$U" -q -e a:1 -s 1
		as_user ecl-snap -d "$U" -q
		as_user bash -c "rm -r $U/live/d; mkdir -m 500 $U/live/e"
		as_user ecl-append -d "$U" -q -e a:1 -s 2
		as_user ecl-rollback -d "$U" --dry-run block-0 | test_line_count = 2 /dev/stdin
		as_user ecl-rollback -d "$U" --yes block-0 | test_line_count = 2 /dev/stdin
		test "$(cat "$U/live/d/f")" = x
		test ! -e "$U/live/e"
		check_blocks "$U"
	'

	test_expect_success "$pre" "$backend: writers at work lose nothing, and go on in the new live" '
		base '$backend'
		for i in $(seq 80); do echo "{\"element\":\"w:$i\",\"action\":\"seen\"}" | ecl-append -d "$R" --wait 120 || exit; done >acked & writer=$!
		(for i in $(seq 200); do echo "{\"element\":\"pipe:$i\",\"action\":\"seen\"}"; sleep .02; done | ecl-append -d "$R" --wait 120 >acked2) & long=$!
		for i in 1 2 3; do
			ecl-rollback -d "$R" --yes -q --wait 120 block-0
			sleep .2
		done
		wait $writer
		wait $long
		ecl-replay -d "$R" >log
		cat acked acked2 >all
		test_line_count = 280 all
		test "$(grep -cxFf all log)" = 280
		test "$(jq -r .action log | grep -c rollback)" = 3
		check_blocks "$R"
	'

	for fault in signal=KILL error=EIO; do
		test_expect_success "${pre:+$pre,}STRACE" "$backend: $fault at every step: the one or the other, whole, and the next run finishes it" '
			K=$(ecl_backend_root '$backend')
			ecl-init --embedder none --backend '$backend' "$K" >/dev/null
			mkdir "$K/live/d"
			echo old >"$K/live/d/f"
			ecl-append -d "$K" -q -e k:x -s "\"old\""
			ecl-snap -d "$K" -q
			ecl-append -d "$K" -q -e k:x -s "\"new\""
			echo new >"$K/live/d/f"
			rm -f acked
			# The run without a fault is told from the others by what is recorded.
			i=0 rolled=0
			before() {
				i=$((i + 1))
				ecl-append -d "$K" -e k:x -a modify -s "\"new\"" >>acked && ecl-append -d "$K" -e k:$i -a seen >>acked && echo new >"$K/live/d/f"
			}
			after() {
				# A snapshot that was hashed and cannot be deleted is for the next run.
			test '$fault' = signal=KILL || told ecl-rollback "ioctl .snapshots BTRFS_IOC_SNAP_DESTROY" || return 1
				now=$(ecl-replay -d "$K" | grep -c "\"action\":\"rollback\"")
				want=old
				test $now != $rolled || want=new
				rolled=$now
				test "$(cat "$K/live/d/f")" = $want || { echo "files"; return 1; }
				ecl-query -d "$K" k:x | grep -q "\"state\":\"$want\"" || { echo "state"; return 1; }
				test $fault_exit != 2 || test $want = new || grep -q "live was rolled back" fault.err || { echo "message"; return 1; }
				test $((i % 3)) = 0 || ecl-append -d "$K" -e k:later -a seen >>acked || return 1
				ecl-snap -d "$K" -q && test "$(cat "$K/live/d/f")" = $want || { echo "the next ecl-snap"; return 1; }
			test -z "$(ls -A "$K/.snapshots" | grep "^\.tmp")" || { echo "left over"; ls -A "$K/.snapshots"; return 1; }
				test $((i % 10)) != 0 || check_blocks "$K"
			}
			# t0652 has others.
			faults 5 ioctl,renameat,renameat2,fsync,fdatasync,syncfs,mkdirat,unlinkat,write,pwrite64 '$fault' ecl-rollback -d "$K" -q --yes block-0
			check_blocks "$K"
			ecl-replay -d "$K" >log
			test "$(grep -cxFf acked log)" = $(wc -l <acked)
		'
	done

	test_expect_success "${pre:+$pre,}STRACE" "$backend: killed behind the exchange: what was live is not lost" '
		base '$backend'
		traced -o calls -e trace=renameat2,ioctl ecl-rollback -d "$R" -q --yes block-0
		# The block of what was live is made by a snapshot, or a copy that gets its name.
		awk "{ sub(/^[0-9]+ +/, \"\"); sub(/\\(/, \" (\"); n[\$1]++ } /EXCHANGE/ { behind = 1 }
			behind && /SNAP_CREATE|NOREPLACE/ { print \$1, n[\$1]; exit }" calls >point
		read -r call n <point
		base '$backend'
		echo precious >"$R/live/precious"
		files_of "$R/live" >files1
		fault_at $call $n signal=KILL ecl-rollback -d "$R" -q --yes block-0
		test $fault_exit = 137
		test "$(cat "$R/live/a/f")" = first
		ls -A "$R" | grep old-
		ecl-append -d "$R" -q -e svc:meanwhile -s 1
		ecl-snap -d "$R" -q
		files_of "$(ecl-snap -d "$R" --path block-1)" | test_cmp files1 -
		check_blocks "$R"
	'
done

test_expect_success BTRFS,STRACE 'btrfs: what is done does not depend on the size of the files' '
	# In bytes that go through the hands of the program.
	cost()
	{
		R=$(ecl_backend_root btrfs)
		ecl-init "$R" >/dev/null
		head -c $1 /dev/zero >"$R/live/data"
		sync -f "$R"
		sleep 1.1
		ecl-snap -d "$R" -q
		ecl-append -d "$R" -q -e a:1 -s 1
		traced -qq -o trace -e trace=%desc -e signal=none ecl-rollback -d "$R" -q --yes block-0
		bytes=$(sed -n "s/^[0-9]* *\(p\?read\|p\?write\|copy_file_range\|sendfile\|splice\).* = \([0-9]*\)$/\2/p" trace | awk "{ n += \$1 } END { print n + 0 }")
	}
	cost 1000000
	small=$bytes
	cost 300000000
	echo "$small bytes with 1 MB, $bytes with 300 MB"
	test $bytes -lt $((small + 500000))
'

test_expect_success STRACE 'what the log has of many elements is read many at a time' '
	R=$(ecl_backend_root copy)
	ecl-init --backend copy --embedder none "$R" >/dev/null
	seq 2000 | sed "s/.*/{\"element\":\"roll:&\",\"state\":1}/" | ecl-append -d "$R" -q
	ecl-snap -d "$R" -q
	seq 2000 | sed "s/.*/{\"element\":\"roll:&\",\"state\":2}/" | ecl-append -d "$R" -q
	traced -qq -o trace -e trace=pread64 -e signal=none ecl-rollback -d "$R" -n block-0 >plan
	test_line_count = 2001 plan
	n=$(wc -l <trace)
	echo "$n reads"
	test $n -lt 1000
'

test_expect_success 'an index that somebody edited names the last event of no element that has another one' '
	R=$(ecl_backend_root copy)
	ecl-init --backend copy --embedder none "$R" >/dev/null
	for n in 1 2; do
		seq 20 | sed "s/.*/{\"element\":\"k:&\",\"state\":$n}/" | ecl-append -d "$R" -q
		test $n = 2 || ecl-snap -d "$R" -q
	done
	ecl-index -q -d "$R"
	ecl-rollback -d "$R" -n block-0 | jq -c "[.element, .parent]" >want
	# Of k:7 what was last of k:9.
	last=$(ecl-replay -d "$R" | jq "select(.element == \"k:9\") | .seq" | tail -n 1)
	python3 "$top_srcdir/t/forge-index.py" "$R/live/.ecl/index" k:7 $last $((last - 2)) 1
	ecl-rollback -d "$R" -n block-0 | jq -c "[.element, .parent]" | test_cmp want -
'

test_done
