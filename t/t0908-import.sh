#!/usr/bin/env bash
test_description='importers: histories that exist already, with their times, into a new ledger, and what came after'
. "${0%/*}/test-lib.sh"

for program in git journalctl dpkg; do
	! command -v $program >/dev/null || test_set_prereq $program
done
test ! -x /lib/systemd/systemd-journal-remote || ! test_have_prereq journalctl || test_set_prereq JOURNAL

# new NAME COMMAND...: a ledger that begins where the history does.
new()
{
	ECL_ROOT=$TRASH/$1
	export ECL_ROOT
	shift
	first=$("$@" --first) && ecl-init -q --backend copy --embedder none --time "$first"
}

# what: the events but the genesis, as `time action element state actor'.
what()
{
	ecl-query --history '*' | jq -r '[.time[:19], .action, .element, (.state | tojson), .actor // "-"] | join(" ")' >actual
}

at=1700000000
commit()
{
	at=$((at + ${2-60}))
	git -C repo add -A &&
		GIT_AUTHOR_DATE="@1600000000 +0100" GIT_COMMITTER_DATE="@$at -0500" git -C repo -c user.name="A Ü Thor" -c user.email=a@b.c commit -q --allow-empty -m "$1"
}

blob()
{
	printf '{"blob":"%s","mode":"%s"}' "$(git -C repo hash-object "$1")" "$2"
}

test_expect_success git 'git: every change of every commit, in its time' '
	git init -q -b main repo &&
	echo one >repo/a && mkdir repo/d && echo x >repo/d/x && commit first &&
	echo two >repo/a && chmod +x repo/d/x && printf "\n" >"repo/d/é \"q\"" && commit "second \"subject\"" &&
	git -C repo rm -q a && ln -s d repo/l && commit third &&
	new git ecl-import-git repo && ecl-import-git repo >in && ecl-append -q --keep-time in && what &&
	x=$(git -C repo hash-object repo/d/x | cut -c 1-40) &&
	cat >expect <<-END &&
	2023-11-14T22:14:20 create file:a {"blob":"5626abf0f72e58d7a153368ba57db4c673c0e171","mode":"100644"} A Ü Thor <a@b.c>
	2023-11-14T22:14:20 create file:d/x $(blob d/x 100644) A Ü Thor <a@b.c>
	2023-11-14T22:15:20 modify file:a {"blob":"f719efd430d52bcfc8566a43b2eb655688d38871","mode":"100644"} A Ü Thor <a@b.c>
	2023-11-14T22:15:20 modify file:d/x $(blob d/x 100755) A Ü Thor <a@b.c>
	2023-11-14T22:15:20 create file:d/é "q" $(blob "d/é \"q\"" 100644) A Ü Thor <a@b.c>
	2023-11-14T22:16:20 delete file:a null A Ü Thor <a@b.c>
	2023-11-14T22:16:20 create file:l {"blob":"$(printf d | git hash-object --stdin)","mode":"120000"} A Ü Thor <a@b.c>
	END
	test_cmp expect actual &&
	ecl-query --history file:l | jq -r .cause >cause &&
	echo "$(git -C repo rev-parse HEAD) third" >expect && test_cmp expect cause
'

test_expect_success git 'git: the events are UTF-8, whatever the locale' '
	mkdir -p loc && { ! command -v localedef || localedef -i de_DE -f ISO-8859-1 loc/de_DE.ISO-8859-1 || :; } &&
	ecl-import-git --all repo >expect && LOCPATH=$TRASH/loc LC_ALL=de_DE.ISO-8859-1 ecl-import-git --all repo >actual && test_cmp expect actual &&
	test_expect_code 2 ecl-import-git --all repo 2>err >/dev/full && test_line_count = 1 err
'

test_expect_success git 'git: a merge is what it changed; a time that goes back is held; it goes on where it stopped' '
	git -C repo checkout -q -b side && echo s >repo/side && commit side && git -C repo checkout -q main &&
	echo m >repo/main && commit main -600 &&
	GIT_COMMITTER_DATE="@$((at + 700)) +0000" git -C repo -c user.name=M -c user.email=m@b.c merge -q --no-ff -m merged side &&
	ecl-import-git repo >in && ecl-append -q --keep-time in && what &&
	tail -n +8 actual | cut -d " " -f 1-3 >new &&
	printf "%s\n" "2023-11-14T22:16:20 create file:main" "2023-11-14T22:19:00 create file:side" >expect && test_cmp expect new &&
	ecl-import-git repo >in && ecl-append --keep-time in >out && test_cmp /dev/null out &&
	ecl-query "file:*" | jq -r "\"\(.state.mode) \(.state.blob) \(.element[5:])\"" | sort >have &&
	git -C repo ls-tree -rz HEAD | tr "\0" "\n" | sed "s/ blob / /; s/\t/ /" | sort >want && test_cmp want have
'

test_expect_success git 'git: cut off anywhere, the next run brings the rest' '
	ecl-import-git --all repo >all && lines=$(wc -l <all) &&
	for ((n = 1; n < lines; n++)); do
		rm -rf cut && new cut ecl-import-git repo &&
		head -n $n all | ecl-append -q --keep-time && ecl-import-git repo | ecl-append -q --keep-time || return 1
		ecl-query --json "*" | jq -c "[.element, .state]" >have && ecl-query -d git --json "*" | jq -c "[.element, .state]" >want || return 1
		test_cmp want have && test "$(ecl-query --stat | jq .events)" = $((lines + 1)) || return 1
	done
'

test_expect_success git 'git: a name that no element can have, no repository, no commit' '
	: >"repo/$(printf "l\nf")" && : >repo/good && commit odd 900 &&
	ECL_ROOT=$TRASH/git && export ECL_ROOT &&
	test_expect_code 1 ecl-import-git repo >in 2>err && test_grep "skipped .file:l.x0af. in .*: its name has control" err &&
	ecl-append -q --keep-time in && ecl-query file:good >out && test_line_count = 1 out &&
	test_expect_code 2 ecl-import-git nowhere 2>err && test_grep "nowhere. is no git repository" err &&
	test_expect_code 2 ecl-import-git repo no-such 2>err && test_expect_code 2 ecl-import-git repo --output=x 2>err
'

test_expect_success dpkg 'dpkg.log: rotated and compressed, local time, the last of three states' '
	printf "%s\n" "2026-10-25 01:59:59 startup packages configure" "2026-10-25 01:59:59 install nginx:amd64 <none> 1.0" \
		"2026-10-25 01:59:59 status half-installed nginx:amd64 1.0" "2026-10-25 02:30:00 status installed nginx:amd64 1.0" \
		"2026-10-25 02:10:00 upgrade nginx:amd64 1.0 1.1" "2026-10-25 02:10:00 status installed nginx:amd64 1.1" >log1 &&
	printf "%s\n" "2026-10-26 00:00:00 remove nginx:amd64 1.1 <none>" "2026-10-26 00:00:01 status config-files nginx:amd64 1.1" \
		"2026-10-26 00:00:02 status installed libc-bin:amd64 2" "2026-10-26 00:00:02 status triggers-pending libc-bin:amd64 2" \
		"2026-10-26 00:00:02 status installed libc-bin:amd64 2" \
		"2026-10-26 00:00:03 purge nginx:amd64 1.1 <none>" "2026-10-26 00:00:03 status not-installed nginx:amd64 <none>" "torn li" >log2 &&
	gzip log1 &&
	export TZ=Europe/Berlin &&
	new dpkg ecl-import-dpkg-log log1.gz &&
	ecl-import-dpkg-log log1.gz | ecl-append -q --keep-time &&
	test_expect_code 1 ecl-import-dpkg-log log1.gz log2 >in 2>err && test_grep "skipped log2:8: no line" err &&
	ecl-append -q --keep-time in && what &&
	cat >expect <<-\END &&
	2026-10-25T00:30:00 create pkg:nginx {"status":"install ok installed","version":"1.0"} -
	2026-10-25T01:10:00 modify pkg:nginx {"status":"install ok installed","version":"1.1"} -
	2026-10-25T23:00:01 modify pkg:nginx {"status":"deinstall ok config-files","version":"1.1"} -
	2026-10-25T23:00:02 create pkg:libc-bin {"status":"install ok installed","version":"2"} -
	2026-10-25T23:00:03 delete pkg:nginx null -
	END
	test_cmp expect actual &&
	ecl-query --history pkg:nginx | jq -r .cause >causes &&
	printf "dpkg %s\n" "install 1.0" "upgrade 1.0 1.1" "remove 1.1" "purge 1.1" >expect && test_cmp expect causes &&
	ecl-import-dpkg-log log1.gz log2 2>err | ecl-append --keep-time >out && test_cmp /dev/null out &&
	test_expect_code 2 ecl-import-dpkg-log nowhere 2>err && TZ=UTC && export TZ
'

test_expect_success dpkg 'dpkg.log of this machine: what it says last of a package is how it is' '
	if ! test -s /var/log/dpkg.log; then return 0; fi &&
	new here ecl-import-dpkg-log && ecl-import-dpkg-log | ecl-append -q --keep-time &&
	ecl-query "pkg:*" | jq -r "[.element, .state.status, .state.version] | join(\" \")" | sort >log &&
	ecl-collect-packages | jq -r "select(.element) | [.element, .state.status, .state.version] | join(\" \")" | sort >now &&
	comm -23 log now >differ && test $(($(wc -l <differ) * 20)) -le "$(wc -l <log)"
'

# entry SECONDS.MICROS ID FIELD=VALUE...: as systemd-journal-remote reads it.
entry()
{
	printf '__REALTIME_TIMESTAMP=%s\n__MONOTONIC_TIMESTAMP=%s\n_BOOT_ID=%032d\nPRIORITY=6\nMESSAGE_ID=%s\n' "${1/./}" "${1/./}" 7 "$2"
	shift 2
	printf '%s\n' "$@" ''
}
started=39f53479d3a045ac8e11786248231fbf stopped=9d1aaa27d60140bd96365438aad20286 reloaded=7b05ebc668384222baa8881179cfda54
not_started=be02cf6855d2428ba40df7e9d022f03d succeeded=7ad2d189f7e94e70a38c781354912448 failed=d9b373ed55a64feb8242e02dbe79a49c

test_expect_success JOURNAL 'journal: starts, stops, reloads and failures of units' '
	{
		entry 1700000000.000001 $started UNIT=nginx.service "MESSAGE=Started nginx." &&
		entry 1700000001.000000 0123456789abcdef0123456789abcdef UNIT=nginx.service MESSAGE=else &&
		entry 1700000002.000000 $reloaded UNIT=nginx.service "MESSAGE=Reloaded nginx." &&
		entry 1700000003.500000 $failed UNIT=nginx.service UNIT_RESULT=exit-code "MESSAGE=nginx.service: Failed." &&
		entry 1700000003.500001 $not_started UNIT=nginx.service JOB_RESULT=failed "MESSAGE=Failed to start nginx." &&
		entry 1700000004.000000 $started UNIT=nginx.service "MESSAGE=Started nginx." &&
		entry 1700000005.000000 $succeeded UNIT=nginx.service "MESSAGE=nginx.service: Deactivated." &&
		entry 1700000005.000001 $stopped UNIT=nginx.service "MESSAGE=Stopped nginx."
	} >export &&
	/lib/systemd/systemd-journal-remote -o all.journal export >out 2>&1 &&
	import() { ecl-import-journal "$@" -- --file="$TRASH/all.journal"; } &&
	new journal import && import >in && ecl-append -q --keep-time in && what &&
	sed "s/.\$//; s/ -*\$//" actual >short &&
	cat >expect <<-\END &&
	2023-11-14T22:13:20 create active:nginx.service {"active":"active"}
	2023-11-14T22:13:22 reload active:nginx.service null
	2023-11-14T22:13:23 modify active:nginx.service {"active":"failed","result":"exit-code"}
	2023-11-14T22:13:24 modify active:nginx.service {"active":"active"}
	2023-11-14T22:13:25 modify active:nginx.service {"active":"inactive"}
	END
	test_cmp expect short &&
	import >in && ecl-append --keep-time in >out && test_cmp /dev/null out &&
	test_expect_code 2 ecl-import-journal -- --no-such-option 2>err && test_grep "journalctl failed" err
'

test_expect_success git 'git: a commit beyond the calendar is named, and the others are there' '
	git init -q -b main late && echo one >late/a && git -C late add a &&
	GIT_AUTHOR_DATE="@1600000000 +0000" GIT_COMMITTER_DATE="@1600000000 +0000" git -C late -c user.name=n -c user.email=e commit -q -m one &&
	echo two >late/b && git -C late add b &&
	GIT_AUTHOR_DATE="@300000000000 +0000" GIT_COMMITTER_DATE="@300000000000 +0000" git -C late -c user.name=n -c user.email=e commit -q -m two &&
	test "$(git -C late log -1 --format=%ct)" = 300000000000 &&
	test_expect_code 1 ecl-import-git --all late >out 2>err &&
	test_line_count = 1 err && test_grep "skipped .file:b.: its time is beyond the calendar" err &&
	test "$(jq -r .element out)" = file:a
'

test_expect_success 'help that cannot be written is an error of one line' '
	for program in import-dpkg-log import-git import-journal plot collect-files apply-files; do
		test_expect_code 2 ecl-$program --help 2>err >/dev/full && test_line_count = 1 err && ecl-$program --help >out && test_grep ^usage out || return 1
	done
'

test_done
