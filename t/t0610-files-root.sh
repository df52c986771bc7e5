test_description='the root over the managed files: what is part of it, and what is not'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/block-lib.sh"

test_btrfs

R=$(ecl_backend_root copy)
ecl-init --backend copy "$R" >/dev/null || test_bail "no root"

# The header's view, checked against the other one.
root_of()
{
	ecl-snap -d "$R" >"$TRASH/header" || return 1
	jq -r '"\(.entries) \(.files)"' "$TRASH/header" >"$TRASH/have"
	files_of "$R/live" >"$TRASH/want"
	test_cmp "$TRASH/want" "$TRASH/have" && cat "$TRASH/have"
}

# differs/same SCRIPT: whether it changes the root.
differs()
{
	local before after

	before=$(root_of) || { echo "$before"; return 1; }
	eval "$1" || return 1
	after=$(root_of) || { echo "$after"; return 1; }
	test "$before" != "$after" || { echo "no difference: $1"; return 1; }
}

same()
{
	local before after

	before=$(root_of) || { echo "$before"; return 1; }
	eval "$1" || return 1
	after=$(root_of) || { echo "$after"; return 1; }
	test "$before" = "$after" || { echo "a difference: $1"; return 1; }
}

test_expect_success 'no files: the hash of nothing' '
	root_of >out
	test "$(cat out)" = "0 $(printf "" | sha256sum | cut -d " " -f 1)"
'

test_expect_success 'one file, written by hand' '
	echo hello >"$R/live/f"
	chmod 644 "$R/live/f"
	leaf() { printf "f\0f 0644 %d %d 6 %s -" "$(id -u)" "$(id -g)" "$(echo hello | sha256sum | cut -d " " -f 1)"; }
	root_of >out
	test "$(cat out)" = "1 $({ printf "\0"; leaf; } | sha256sum | cut -d " " -f 1)"
'

test_expect_success 'files of all types' 'fill "$R/live" && root_of'

test_expect_success 'paths are sorted as wholes, not by directory' '
	L=$R/live
	mkdir "$L/o" "$L/o.d" "$L/o-d"
	touch "$L/o/x" "$L/o.d/x" "$L/o-d/x" "$L/o0"
	root_of
'

test_expect_success 'what is part of it' '
	cd "$R/live"
	differs "echo more >>a/f"
	differs "chmod 755 a/f"
	differs "mv a/f a/g"
	differs "ln -sfn elsewhere link"
	differs "mkdir empty.d"
	differs "chmod 700 empty.d"
	differs "rmdir empty.d"
	differs "rm empty; mkfifo empty"
	differs "truncate -s +1 holes"
	differs "echo changed >sub/.ecl/kept"
'

test_expect_success 'what is not' '
	cd "$R/live"
	same "touch -d 2001-01-01 a/g big a"
	same "ln big hard; rm big; mv hard big"
	same "cp holes h2; chmod --reference=holes h2; mv h2 holes"
	same ": >.ecl/something"
	same "chmod 755 ."
'

test_expect_success ROOT 'owners, devices, attributes' '
	cd "$R/live"
	differs "chown 7 big"
	differs "chown -h :9 link"
	differs "rm dev; mknod dev c 1 5"
	differs "setfattr -n user.new -v 1 a"
	differs "setfattr -n user.new -v 2 a"
	differs "setfattr -x user.new a"
	same "setfattr -n trusted.other -v 1 a"
	differs "setfacl -m u:77:r a"
	differs "setfacl -d -m u:77:r a"
	differs "setcap cap_kill+ep a/g"
'

test_expect_success 'a hole and zeros are the same' '
	cd "$R/live"
	truncate -s 200000 zeros
	same "head -c 200000 /dev/zero >zeros"
'

test_expect_success 'deep directories, long names' '
	cd "$R/live"
	mkdir -p "deep/$(printf "d/%.0s" {1..150})"
	touch "deep/$(printf "n%.0s" {1..250})"
	root_of
'

test_expect_success 'more files than one thread reads at a time: the same on one processor, and with few descriptors' '
	cd "$R/live"
	for n in {1..30}; do
		mkdir -p "many/$n/below"
		for i in {1..5}; do echo "$n $i" >"many/$n/$i"; done
		echo "$n below" >"many/$n/below/f"
	done
	for n in {1..300}; do echo "$n" >"many/f$n"; done
	for n in {1..4}; do yes "$n" | head -c 1500000 >"many/big$n"; done
	mkdir -p "many/$(printf "d/%.0s" {1..200})"
	root_of
	all_cpus=$(sed -n "s/^Cpus_allowed_list:\t*//p" /proc/self/status) one_cpu=${all_cpus%%[-,]*}
	ecl-verify -q -d "$R"
	taskset -c "$one_cpu" ecl-verify -q -d "$R"
	prlimit --nofile=300 ecl-verify -q -d "$R"
	set -- "$R"/.snapshots/block-*
	block=${*: -1}
	chmod u+w "$block/many/17" "$block/many/17/below" "$block/many/17/below/f"
	echo "17 Below" >"$block/many/17/below/f"
	test_expect_code 1 ecl-verify -d "$R" >out
	test_grep "^{\"class\":\"block-damaged\",\"block\":\"${block##*/}\",.*content" out
'

test_expect_success NONROOT 'of many files that cannot be read the same one is named, however many processors there are' '
	U=$(ecl_backend_root copy)
	test "$(id -u)" != 0 || chown 65534 "$U"
	as_user ecl-init --backend copy "$U" >/dev/null
	as_user bash -c "cd $U/live; mkdir {1..9}; for n in {1..9}; do for i in {1..90}; do echo x >\$n/\$i; done; done"
	as_user ecl-snap -q -d "$U"
	block=$(echo "$U"/.snapshots/block-*)
	as_user bash -c "cd $block; chmod 0 [2-8]/[5-9]*"
	all_cpus=$(sed -n "s/^Cpus_allowed_list:\t*//p" /proc/self/status) one_cpu=${all_cpus%%[-,]*}
	for cpus in "$one_cpu" "$all_cpus"; do
		test_expect_code 2 as_user taskset -c "$cpus" ecl-verify -d "$U" >"out.$cpus"
		sed -i "s/\"seconds\":[0-9.]*,//" "out.$cpus"
	done
	test_cmp "out.$one_cpu" "out.$all_cpus"
	test_grep "cannot open .[2-8]/[0-9]*.: Permission denied" "out.$one_cpu"
'

test_expect_success NONROOT 'a file that cannot be read is named' '
	U=$(ecl_backend_root copy)
	test "$(id -u)" != 0 || chown 65534 "$U"
	as_user ecl-init --backend copy "$U" >/dev/null
	as_user bash -c "mkdir $U/live/d; echo x >$U/live/d/f; chmod 0 $U/live/d/f"
	test_expect_code 2 as_user ecl-snap -d "$U" 2>err
	test_grep "d/f.: Permission denied" err
	ls -A "$U/.snapshots" | test_line_count = 0 /dev/stdin
'

test_done
