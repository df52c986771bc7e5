test_description='ecl-rollback --element and --path: these states and these files go back, nothing else, and all of it can be undone'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

test_btrfs 512M

# list DIR: all that a file has but its content; a directory's time and size say what happened to its names.
list()
{
	(
		cd "$1" &&
		find . -path ./.ecl -prune -o -type d ! -path . -printf '%p|d|%m|%U|%G\n' -o ! -path . -printf '%p|%y|%m|%U|%G|%s|%T@|%l\n' |
			LC_ALL=C sort
	)
}

# base BACKEND: a root $R with a block 0, and much that is different since.
base()
{
	R=$(ecl_backend_root "$1") && export ECL_ROOT=$R && ecl-init --embedder none --backend "$1" "$R" >/dev/null && fill "$R/live" first &&
	ln "$R/live/a/f" "$R/live/a/f.too" && ln "$R/live/a/f" "$R/live/f.outside" &&
	mkdir -p -m 751 "$R/live/only/deep" && echo d >"$R/live/only/deep/f" && echo e >"$R/live/only/deep/e" && echo s >"$R/live/only/s" &&
	ecl-append -q <<-\IN &&
		{"element":"if:eth0","state":{"mtu":1500}}
		{"element":"if:eth1","state":"same"}
		{"element":"if:gone","state":1}
		{"element":"svc:a","state":1}
	IN
	ecl-snap >block0 && B=$(ecl-snap --path block-0) && list "$B" >list0 &&
	rm "$R/live/a/f.too" && fill "$R/live" second && rm -r "$R/live/gone" "$R/live/gone.d" "$R/live/only" && mkdir -p "$R/live/new.d/x" && : >"$R/live/new.d/x/f" &&
	echo kept >"$R/live/kept" && chmod 600 "$R/live/a/f" && rm "$R/live/link" && mkdir "$R/live/link" && : >"$R/live/link/f" &&
	ecl-append -q <<-\IN &&
		{"element":"if:eth0","state":{"mtu":9000}}
		{"element":"if:gone","state":null}
		{"element":"if:new","state":2}
		{"element":"svc:a","state":2}
	IN
	list "$R/live" >list1 && files_of "$R/live" >files1 && ecl-replay >log1
}

# is_back PATH...: what the block has of them is in live, content and attributes too.
is_back()
{
	local path n=0

	rm -rf want.d have.d && mkdir want.d have.d || return 1
	for path; do
		n=$((n + 1))
		if test ! -e "$B/$path" && test ! -L "$B/$path"; then
			test ! -e "$R/live/$path" || { echo "$path is still there"; return 1; }
			continue
		fi
		cp -a "$B/$path" want.d/$n && cp -a "$R/live/$path" have.d/$n || return 1
	done
	list want.d >want && list have.d | test_cmp want - && files_of want.d >want && files_of have.d | test_cmp want -
}

for backend in btrfs copy; do
	pre=
	test $backend = copy || pre=BTRFS

	test_expect_success "$pre" "$backend: files, trees, links, sockets, devices: back as they were, and the rest stays" '
		base '$backend'
		paths=(a/f a.d "sp ace/" gone gone.d link long ./big pipe sock new.d/x holes)
		! test_have_prereq ROOT || paths+=(dev blk)
		args=()
		for p in "${paths[@]}"; do args+=(--path "$p"); done
		ecl-rollback --dry-run "${args[@]}" block-0 >plan
		list "$R/live" | test_cmp list1 -
		ecl-replay | test_cmp log1 -
		ecl-rollback --yes "${args[@]}" block-0 >done 2>err
		is_back "${paths[@]}"
		test ! -e "$R/live/new.d"
		# Nothing else.
		list "$R/live" >list2
		pattern="^\./(a/f|a\.d|sp ace|gone|link|long|big|pipe|sock|new\.d|holes|dev|blk)(/|\|)|^\./gone\.d(/f)?\|"
		grep -avE "$pattern" list1 >want
		grep -avE "$pattern" list2 | test_cmp want -
		test "$(cat "$R/live/kept")" = kept
	'

	test_expect_success "$pre" "$backend: one event says what went back, behind a block of what was there" '
		test_line_count = 1 done
		jq -c "[.element, .action, has(\"state\"), .cause]" done >have
		echo "[\"ecl:layer\",\"rollback\",false,\"rollback to $(basename "$B")\"]" | test_cmp - have
		jq -c .meta.paths done >have
		test_have_prereq ROOT && more="\"blk\"," last="\"dev\"," || more= last=
		echo "[\"a.d\",\"a/f\",\"big\",${more}${last}\"gone\",\"gone.d\",\"holes\",\"link\",\"long\",\"new.d/x\",\"pipe\",\"sock\",\"sp ace\"]" | test_cmp - have
		test "$(jq -r .meta.block done)" = "$(jq -r .hash block0)"
		jq -c "del(.seq, .time, .prev, .hash)" plan >want
		jq -c "del(.seq, .time, .prev, .hash)" done | test_cmp want -
		ecl-replay >log2
		test "$(tail -n +$(($(wc -l <log1) + 1)) log2 | jq -c "[.element, .action]" | tr "\n" " ")" = "[\"ecl:block\",\"snap\"] [\"ecl:layer\",\"rollback\"] "
		test "$(ecl-query if:eth0 | jq -c .state)" = "{\"mtu\":9000}"
		ecl-snap --path block-1 >undo
		test_grep "do the same with $(basename "$(cat undo)")" err
		files_of "$(cat undo)" | test_cmp files1 -
		ls -A "$R/live/.ecl" | grep tmp && return 1
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: the block that it names undoes it, to the byte" '
		ecl-rollback --yes "${args[@]}" "$(basename "$(cat undo)")" >done
		list "$R/live" | test_cmp list1 -
		files_of "$R/live" | test_cmp files1 -
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: what lies below directories that are gone brings those, and its undo takes them away" '
		ecl-rollback -q --yes --path only/deep/f --path only/s block-0 >out 2>err
		test_line_count = 0 out
		test_line_count = 0 err
		B=$(ecl-snap --path block-0)
		is_back only/deep/f only/s
		test ! -e "$R/live/only/deep/e"
		test "$(stat -c %a "$R/live/only")" = "$(stat -c %a "$B/only")"
		ecl-rollback -q --yes --no-snap --path only/deep/f --path only/s block-1
		list "$R/live" | test_cmp list1 -
		# A directory that somebody else uses by now stays.
		ecl-rollback -q --yes --no-snap --path only/deep/f block-0
		: >"$R/live/only/other"
		ecl-rollback -q --yes --no-snap --path only/deep/f block-1
		test "$(ls -A "$R/live/only")" = other
		rm -r "$R/live/only"
		ls -A "$R/live/.ecl" | grep tmp && return 1
		check_blocks "$R"
	'

	test_expect_success "$pre" "$backend: a neighbour that goes takes nothing away from what comes back" '
		: >"$R/live/only.r"
		ecl-rollback -q --yes --no-snap --path only/deep/f --path only.r --path only/s block-0
		is_back only/deep/f only.r only/s
		rm -r "$R/live/only"
	'

	test_expect_success "$pre" "$backend: no path leads out of live, or into the ledger" '
		mkdir -p outside
		echo mine >outside/f
		ln -s "$TRASH/outside" "$R/live/door"
		ln -s a "$R/live/inner"
		list "$R/live" >list1
		ecl-replay >log1
		refused()
		{
			test_expect_code $1 ecl-rollback --yes --path big --path "$2" block-0 2>err
			test_grep "$3" err
		}
		refused 2 door/f "leads through .door., which is a link in live"
		refused 2 inner/f "which is a link"
		refused 2 kept/f "no directory"
		refused 2 ../x "without .\.\.."
		refused 2 a/../../x "without .\.\.."
		refused 2 .ecl/log "belongs to the ledger"
		refused 2 ./.ecl "belongs to the ledger"
		refused 2 . "all of live"
		refused 2 "" "all of live"
		refused 2 /etc/passwd "not in live"
		refused 2 "$(printf "n\\377")" "not UTF-8"
		refused 2 "$(printf "long/%.0s" $(seq 820))f" "of 4101 bytes is too long"
		test "$(cat outside/f)" = mine
		list "$R/live" | test_cmp list1 -
		ecl-replay | test_cmp log1 -
		# The link itself can go; what it leads to stays.
		ecl-rollback -q --yes --path "$R/live/door" block-0
		test ! -L "$R/live/door"
		test "$(cat outside/f)" = mine
		ecl-rollback -q --yes --path sub/.ecl/kept block-0
	'

	test_expect_success "$pre" "$backend: a path that is nowhere is a slip of the pen: no other goes back, and nothing is recorded" '
		list "$R/live" >list1
		ecl-replay >log1
		ls "$R/.snapshots" >before
		for dry in "" --dry-run; do
			test_expect_code 1 ecl-rollback --yes $dry --path big --path nowhere/at/all block-0 >out 2>err
			test_line_count = 0 out
			test_line_count = 1 err
			test_grep "nowhere/at/all. is neither in .block-000000-.* nor in live" err
		done
		list "$R/live" | test_cmp list1 -
		ecl-replay | test_cmp log1 -
		ls "$R/.snapshots" | test_cmp before -
	'

	test_expect_success "$pre" "$backend: --element: these states by events alone" '
		base '$backend'
		ino=$(stat -c %i:%Z "$R/live" "$R/live/a/f")
		ecl-rollback --dry-run --element "if:*" block-0 >plan
		ecl-rollback --yes --cause "net \"x\"" --element "if:*" block-0 >done 2>err
		cat >want <<-\END
			["ecl:layer","rollback",null]
			["if:eth0","modify",{"mtu":1500}]
			["if:gone","create",1]
			["if:new","delete",null]
		END
		jq -c "[.element, .action, .state]" plan | test_cmp want -
		jq -c "[.element, .action, .state]" done | test_cmp want -
		test "$(jq -r .cause done | sort -u)" = "net \"x\""
		test "$(head -n 1 done | jq -c .meta.elements)" = "[\"if:*\"]"
		test "$(ecl-query svc:a | jq .state)" = 2
		list "$R/live" | test_cmp list1 -
		test "$ino" = "$(stat -c %i:%Z "$R/live" "$R/live/a/f")"
		check_blocks "$R"
		ecl-rollback -q --yes --element if:new block-0
		# And back again.
		ecl-rollback -q --yes --element if:eth0 --element if:gone --element if:new block-1
		test "$(ecl-query --layer | jq -r .state)" = "$(jq -r .state "$(ecl-snap --path block-1)/.ecl/block")"
	'

	test_expect_success "$pre" "$backend: --element: no block with --no-snap, and slips of the pen" '
		ls "$R/.snapshots" >before
		ecl-rollback -q --yes --no-snap --element "if:eth?" block-0
		ls "$R/.snapshots" | test_cmp before -
		test "$(ecl-query if:eth0 | jq -c .state)" = "{\"mtu\":1500}"
		ecl-replay >log1
		test_expect_code 1 ecl-rollback --yes --element "if:*" --element "iff:*" block-0 2>err
		test_grep "never was .* matches .iff:\*" err
		test_expect_code 2 ecl-rollback --yes --element "ecl:*" block-0 2>err
		test_grep "do not go back" err
		ecl-replay | test_cmp log1 -
	'

	test_expect_success "$pre" "$backend: both together: one rollback, one event that says so" '
		base '$backend'
		ecl-rollback --yes --element svc:a --path a --path new.d block-0 >done
		test "$(jq -c "[.element, .state]" done | tr "\n" " ")" = "[\"ecl:layer\",null] [\"svc:a\",1] "
		test "$(head -n 1 done | jq -c "[.meta.elements, .meta.paths]")" = "[[\"svc:a\"],[\"a\",\"new.d\"]]"
		is_back a new.d
		test "$(stat -c %h:%i "$R/live/a/f")" = "2:$(stat -c %i "$R/live/a/f.too")"
		test ! "$R/live/a/f" -ef "$R/live/f.outside"
		check_blocks "$R"
		ecl-verify -q
	'
done

test_expect_success BTRFS 'files come back as reflinks: no second copy on the disk' '
	base btrfs
	head -c 60000000 /dev/urandom >"$R/live/large"
	ecl-snap -q
	B=$(ecl-snap --path block-1)
	: >"$R/live/large"
	sync -f "$R"
	used=$(stat -f -c %f "$R")
	ecl-rollback -q --yes --no-snap --path large block-1
	sync -f "$R"
	cmp "$R/live/large" "$B/large"
	test $(((used - $(stat -f -c %f "$R")) * 4096)) -lt 20000000
'

test_expect_success BTRFS,ROOT 'a mount or a subvolume inside live: refused before anything happens, by name' '
	base btrfs
	mkdir "$R/live/a/mnt"
	mount -t tmpfs tmpfs "$R/live/a/mnt"
	test_when_finished "umount \"$R/live/a/mnt\""
	list "$R/live" >list1
	for args in "" "--path a/f" "--path a/mnt" "--element if:*"; do
		test_expect_code 2 ecl-rollback --yes $args block-0 2>err
		test_grep "a/mnt. is mounted inside live" err
	done
	ecl-rollback -q --yes --no-snap --element "if:*" block-0
	ls "$R/.snapshots" | test_line_count = 1 /dev/stdin
	list "$R/live" | test_cmp list1 -
	umount "$R/live/a/mnt"
	btrfs subvolume create "$R/live/a/nested" >/dev/null
	test_expect_code 2 ecl-rollback --yes block-0 2>err
	test_grep "a/nested. is a subvolume inside live" err
	btrfs subvolume delete "$R/live/a/nested" >/dev/null
	# Live itself, under another path.
	mkdir elsewhere
	mount -o "subvol=$(basename "$R")/live" "$(losetup -n -O NAME -j "$TRASH/fs.img" | head -n 1)" elsewhere
	test_expect_code 2 ecl-rollback --yes block-0 2>err
	umount elsewhere
	test_grep "live is mounted on .$TRASH/elsewhere.*unmount it" err
	ls "$R/.snapshots" | test_line_count = 1 /dev/stdin
	mount -t tmpfs tmpfs "$R/live/a/mnt"
'

test_expect_success BTRFS 'a replica, a block that stands alone: said, and nothing done' '
	base btrfs
	: >"$R/replica"
	test_expect_code 2 ecl-rollback --yes block-0 2>err
	test_grep "is a replica" err
	rm "$R/replica"
	test_expect_code 2 ecl-rollback -d "$B" --yes block-0 2>err
	test_grep "not a root: the root is .$R" err
	ecl-replay | test_cmp log1 -
'

test_expect_success BTRFS 'who has files of what was live open is named' '
	base btrfs
	env -C "$R/live/a" sleep 1000 & in_dir=$!
	sleep 1000 <"$R/live/big" >"$R/live/new.d/x/out" & reader=$!
	sleep 1000 </dev/null & other=$!
	test_when_finished "kill $in_dir $reader $other || :"
	# Until the shells have become what they are to be.
	for i in $(seq 1200); do
		test "$(cat /proc/$in_dir/comm /proc/$reader/comm /proc/$other/comm | sort -u)" != sleep || break
		sleep .1
	done
	ecl-rollback -q --yes --path new.d block-0 2>err
	test_grep "process $reader (sleep) has open .new.d/x/out. of what was live" err
	test_line_count = 1 err
	ecl-rollback -q --yes block-0 2>err
	test_grep "process $in_dir (sleep) works in .a. of what was live" err
	test_grep "process $reader (sleep) has open .big. of what was live: it neither sees nor changes what is live now" err
	test_line_count = 2 err
	ecl-rollback --yes --json block-0 2>err >out
	test_grep ! "process $in_dir" err
	check_blocks "$R"
'

test_expect_success BTRFS 'on a terminal it says how many elements and files would change' '
	base btrfs
	ecl-rollback -q --yes block-0
	echo other >"$R/live/a/f"
	rm "$R/live/gone"
	mkdir "$R/live/more"
	: >"$R/live/more/1"
	ecl-append -q -e if:eth1 -s 5
	python3 - >out <<-\END
		import os, pty
		def ask(*args):
		    pid, fd = pty.fork()
		    if pid == 0:
		        os.execvp("ecl-rollback", ("ecl-rollback",) + args)
		    said = b""
		    while True:
		        try:
		            got = os.read(fd, 1000)
		        except OSError:
		            break
		        if not got:
		            break
		        said += got
		        if b"[y/N]" in got:
		            os.write(fd, b"n\n")
		    print(said.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
		ask("block-0")
		ask("--path", "a", "block-0")
		ask("--element", "if:*", "block-0")
		ask("--element", "if:eth0", "block-0")
	END
	test_grep "1 element changes, and 6 files" out
	test_grep "2 files change\." out
	test_grep "1 element changes\." out
	test "$(grep -c "nothing was changed" out)" = 4
	test_grep "elements are as .block-000000-.* nothing was changed" out
	test "$(tail -n 1 out)" = " 0"
'

# The page says it so that one can copy it.
test_expect_success BTRFS,ROOT 'the plan goes through a pipe to ip(8), as the manual has it' '
	base btrfs
	sed -n "/^.\\\\\" piped/,/^\.Ed/p" "$top_srcdir/cmd/ecl-rollback.1" | sed -n "/^\.Bd/,/^\.Ed/{/^\./d;s/^# //;s/\\\\e/\\\\/g;p}" >example
	test_grep "ecl-rollback --yes .*block-7" example
	test_grep "ip -batch -" example
	sed -i "s/block-7/block-1/" example
	cat >script <<-\END
		set -e
		ip link set lo up mtu 1400
		ecl-collect-links | ecl-append -q
		ecl-snap -q
		ip link set lo mtu 9000
		ip link set lo down
		ecl-collect-links | ecl-append -q
		ip -o link show lo
		. ./example
		ip -o link show lo
		ecl-collect-links | ecl-append -n
	END
	unshare -n bash script >out
	head -n 1 out | grep "mtu 9000"
	sed -n 2p out | grep "LOOPBACK,UP.*mtu 1400"
	test_line_count = 2 out
'

test_expect_success BTRFS,NONROOT,ROOT 'an ordinary user, on a root of his own: all of it, with and without a mount option' '
	for option in noatime user_subvol_rm_allowed; do
		mount -o "remount,$option" "$TRASH/btrfs"
		U=$(ecl_backend_root btrfs)
		chown 65534:65534 "$U"
		export ECL_ROOT=$U
		as_user ecl-init --embedder none --backend btrfs "$U" >/dev/null
		as_user bash -c "mkdir -p $U/live/d/e; echo x >$U/live/d/f; echo x >$U/live/d/e/g"
		as_user ecl-append -q -e a:1 -s 1
		as_user ecl-snap -q
		as_user bash -c "rm -r $U/live/d/e; echo y >$U/live/d/f"
		as_user ecl-append -q -e a:1 -s 2
		as_user ecl-rollback --yes --path d/e --path d/f --element a:1 block-0 2>err | test_line_count = 2 /dev/stdin
		test "$(cat "$U/live/d/f" "$U/live/d/e/g" | tr -d "\n")" = xx
		test_grep "of other users could not be looked at" err
		as_user ecl-rollback -q --yes --no-snap block-1
		test "$(cat "$U/live/d/f")" = y
		as_user ecl-rollback -q --yes block-0
		check_blocks "$U"
	done
'

test_done
