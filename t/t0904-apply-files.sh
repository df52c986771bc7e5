#!/usr/bin/env bash
test_description='ecl-apply-files: the files that a plan tells of, and no others'
. "${0%/*}/test-lib.sh"

ECL_ROOT=$TRASH/root
export ECL_ROOT
ecl-init -q --backend copy --embedder none || test_bail 'no ledger'

# What is below a directory, but for times.
tree()
{
	(cd "$1" && find . -printf '%p %y %m %U:%G %l\n' -type f -exec sha256sum {} \; | LC_ALL=C sort)
}

test_expect_success 'a day in a directory: observed, spoilt, and back by a rollback of the ledger' '
	mkdir -p etc/conf.d etc/empty && chmod 750 etc/conf.d &&
	seq 100 >etc/hosts && printf "no line feed" >etc/motd && : >etc/none && ln -s hosts etc/link && mkfifo etc/pipe &&
	printf "é \"quoted\" \\\\ \t\001\n" >etc/conf.d/odd && chmod 4711 etc/conf.d/odd && echo s >etc/secret && chmod 600 etc/secret &&
	echo was >etc/was && mkdir etc/dir && echo x >etc/dir/x &&
	ecl-collect --content --private "$TRASH/etc" | ecl-append -q &&
	ecl-snap -q &&
	tree etc >expect &&
	sed -i "50d" etc/hosts && rm etc/motd etc/link && ln -s /nowhere etc/link && chmod 777 etc/conf.d && chmod 644 etc/secret &&
	rm etc/conf.d/odd etc/pipe && rm -r etc/dir && echo file >etc/dir && rm etc/was && mkdir etc/was && rmdir etc/empty &&
	mkdir -p etc/new/deep && echo new >etc/new/deep/file &&
	ecl-collect --content --private "$TRASH/etc" | ecl-append -q --force &&
	ecl-rollback --dry-run block-0 >plan &&
	tree etc >before &&
	ecl-apply-files --dry-run <plan >would &&
	tree etc >after && test_cmp before after &&
	ecl-rollback -q --yes block-0 &&
	ecl-apply-files <plan >did 2>err &&
	test_cmp /dev/null err &&
	test_cmp would did &&
	tree etc >actual && test_cmp expect actual &&
	test_grep "create 4711 $(id -u):$(id -g) $TRASH/etc/conf.d/odd" did &&
	test_grep "delete $TRASH/etc/new/deep/file" did
'

test_expect_success 'again: nothing is left to do, and the ledger has nothing to record' '
	ecl-apply-files <plan >did &&
	test_cmp /dev/null did &&
	ecl-collect --content --private "$TRASH/etc" | ecl-append >out &&
	test_cmp /dev/null out
'

# event ELEMENT STATE
event()
{
	printf '{"element":"%s","state":%s}\n' "$1" "$2"
}
own="\"uid\":$(id -u),\"gid\":$(id -g)"

# file TEXT: the state of a file that has it.
file()
{
	printf '{"type":"f","mode":"0644",%s,"content":"%s","sha256":"%s","size":%d}' "$own" "$1" "$(printf %s "$1" | sha256sum | cut -c 1-64)" ${#1}
}

test_expect_success 'no link is followed, neither on the way nor at the end' '
	mkdir outside in && echo safe >outside/f && ln -s ../outside in/way && ln -s ../outside/f in/end &&
	event "file:$TRASH/in/way/f" "$(file x)" >plan &&
	event "file:$TRASH/in/way/g" "$(file x)" >>plan &&
	event "file:$TRASH/in/way/f" null >>plan &&
	test_expect_code 1 ecl-apply-files <plan >did 2>err &&
	test_line_count = 2 err && test_grep "in/way/f.: .way. on the way to it is a link" err &&
	test_cmp /dev/null did &&
	event "file:$TRASH/in/end" "$(file new)" | ecl-apply-files >did &&
	test "$(cat outside/f)" = safe && test "$(cat in/end)" = new && test ! -L in/end &&
	ln -sf ../outside/f in/end && chmod 600 outside/f &&
	event "file:$TRASH/in/end" "{\"type\":\"l\",\"mode\":\"0777\",$own,\"target\":\"../outside/f\"}" | ecl-apply-files >did &&
	test_cmp /dev/null did && test "$(stat -c %a outside/f)" = 600 &&
	printf "f\n" >names && ls outside >have && test_cmp names have
'

test_expect_success 'paths that lead out of --root, and relative ones, are refused' '
	event "file:../outside/f" "$(file x)" | test_expect_code 1 ecl-apply-files --root in 2>err &&
	test_grep "not a path of a file" err &&
	event "file:/a/../../outside/f" "$(file x)" | test_expect_code 1 ecl-apply-files --root in 2>err &&
	event "file:outside/f" "$(file x)" | test_expect_code 2 ecl-apply-files 2>err &&
	test_grep "not an absolute path" err &&
	event "file:/" null | test_expect_code 1 ecl-apply-files --root in 2>err &&
	test "$(cat outside/f)" = safe &&
	event "file:/sub" "{\"type\":\"d\",\"mode\":\"0700\",$own}" >plan && event "file:/sub/f" "$(file below)" >>plan &&
	ecl-apply-files -q --root in <plan >did && test_cmp /dev/null did && test "$(cat in/sub/f)" = below
'

test_expect_success 'content that is missing or wrong is not written, and the rest is' '
	state=$(file good) &&
	event "file:$TRASH/in/bad" "${state/good/evil}" >plan &&
	event "file:$TRASH/in/lost" "{\"type\":\"f\",\"mode\":\"0644\",$own,\"sha256\":\"00\",\"size\":1}" >>plan &&
	event "file:$TRASH/in/mode" "${state/0644/rwx}" >>plan &&
	event "file:$TRASH/in/list" "[1]" >>plan &&
	event "file:$TRASH/in/good" "$state" >>plan &&
	event "interface:eth0" "{\"mtu\":1}" >>plan &&
	test_expect_code 1 ecl-apply-files -n <plan >did 2>err && test_line_count = 4 err && test_line_count = 1 did &&
	test_expect_code 1 ecl-apply-files <plan >did 2>err &&
	test_line_count = 4 err && test_grep "in/bad.: its content is not what its sha256 says" err &&
	test_grep "in/lost.: its content was not recorded" err &&
	test "$(cat in/good)" = good && test ! -e in/bad && test ! -e in/lost
'

test_expect_success 'a directory with something in it is not deleted, and nothing is left beside a file that could not be' '
	mkdir -p in/full && echo x >in/full/x &&
	event "file:$TRASH/in/full" null | test_expect_code 1 ecl-apply-files 2>err &&
	test_grep "in/full.: Directory not empty" err &&
	event "file:$TRASH/in/full" "$(file x)" | test_expect_code 1 ecl-apply-files 2>err &&
	test "$(cat in/full/x)" = x &&
	! find in -name ".ecl-apply*" | grep .
'

test_expect_success 'the old file or the new one: killed at any time, and attributes stay' '
	echo old >in/keep && { ! command -v setfattr || setfattr -n user.note -v hello in/keep; } &&
	event "file:$TRASH/in/keep" "$(file "$(head -c 60000 /dev/zero | tr "\0" n)")" >plan &&
	for ms in 02 04 06 08 10; do
		timeout -s KILL 0.$ms ecl-apply-files -q <plan || :
		test "$(head -c 3 in/keep)" = old || test "$(wc -c <in/keep)" = 60000 || return 1
	done &&
	ecl-apply-files -q <plan &&
	test "$(wc -c <in/keep)" = 60000 &&
	{ ! command -v setfattr || test "$(getfattr --only-values -n user.note in/keep)" = hello; }
'

test_expect_success 'who reads what is done may go away: the rest is done all the same' '
	mkdir many && for ((i = 0; i < 2000; i++)); do event "file:/$i" "$(printf "{\"type\":\"p\",\"mode\":\"0600\",%s}" "$own")"; done >plan &&
	{ ecl-apply-files --root many <plan 2>err; echo $? >code; } | head -n 1 &&
	test "$(cat code)" = 0 && test_cmp /dev/null err && test "$(ls many | wc -l)" = 2000 &&
	event "file:/full" "$(file x)" | test_expect_code 2 ecl-apply-files --root many 2>err >/dev/full && test_line_count = 1 err && test -e many/full
'

test_expect_success 'what is no event is refused before anything is done' '
	{ event "file:$TRASH/in/never" "$(file x)" && echo "{\"element\":1}"; } | test_expect_code 2 ecl-apply-files 2>err &&
	test_grep "line 2 is not an event" err &&
	test ! -e in/never
'

test_expect_success 'what no file can be called, or be, is refused before anything is done, or reported' '
	for name in "/a\\u0000b" "/a\\ud800b" "/\\udcff"; do
		{ event "file:/never" "$(file x)" && event "file:$name" "$(file x)"; } >plan &&
		test_expect_code 2 ecl-apply-files --root in <plan 2>err && test_grep "line 2 is not an event" err && test ! -e in/never || return 1
	done &&
	for state in "\"type\":\"c\",\"device\":\"x,y\"" "\"type\":\"b\",\"device\":\"99999999999,1\"" "\"type\":\"l\",\"target\":\"\\ud800\"" \
	    "\"type\":\"l\",\"target\":\"\\u0000\"" "\"type\":[\"f\"]"; do
		event "file:/never" "{$state,\"mode\":\"0600\",$own}" >plan && event "file:/zzz" "$(file z)" >>plan && rm -f in/zzz &&
		test_expect_code 1 ecl-apply-files --root in <plan 2>err && test_line_count = 1 err && test_grep "^ecl-apply-files: ./never.: its" err &&
		test ! -e in/never && test "$(cat in/zzz)" = z || return 1
	done
'

test_expect_success 'names are UTF-8, whatever the locale' '
	mkdir -p loc && { ! command -v localedef || localedef -i de_DE -f ISO-8859-1 loc/de_DE.ISO-8859-1 || :; } &&
	mkdir utf8 && event "file:/é" "$(file x)" | LOCPATH=$TRASH/loc LC_ALL=de_DE.ISO-8859-1 ecl-apply-files -q --root utf8 &&
	test "$(cat utf8/é)" = x
'

if strace -o /dev/null true 2>/dev/null; then
	test_set_prereq STRACE
fi

test_expect_success ROOT,STRACE 'a directory that is exchanged for a file while it is made gives nobody that file' '
	mkdir race && echo secret >race/theirs && chmod 600 race/theirs &&
	event "file:/d" "{\"type\":\"d\",\"mode\":\"0777\",\"uid\":12345,\"gid\":12345}" >plan &&
	: >trace && { strace -f -o trace -e trace=mkdirat,mkdir -e inject=mkdirat,mkdir:signal=SIGSTOP:when=1 ecl-apply-files --root race <plan >did 2>err & } &&
	for i in $(seq 6000); do ! grep "stopped by SIGSTOP" trace || break; sleep 0.02; done &&
	rmdir race/d && ln race/theirs race/d &&
	kill -CONT "$(sed -n "s/ .*stopped by SIGSTOP.*//p" trace)" &&
	test_expect_code 1 wait $! &&
	test_grep "put another file in its place" err &&
	test "$(stat -c "%a %u" race/theirs)" = "600 0"
'

test_expect_success NONROOT 'somebody else cannot be given a file: reported, nothing changed' '
	mkdir theirs && chmod 777 theirs && cp "$top_srcdir/scripts/ecl-apply-files" . && chmod 755 . &&
	state=$(file x) && event "file:$TRASH/theirs/f" "$(sed "s/\"uid\":[0-9]*/\"uid\":12345/" <<<"$state")" >plan && chmod 644 plan &&
	test_expect_code 1 as_user ./ecl-apply-files <plan 2>err &&
	test_grep "theirs/f.: Operation not permitted" err &&
	! ls -A theirs | grep .
'

! command -v strace >/dev/null || test_set_prereq STRACE

test_expect_success STRACE 'a signal in the middle leaves no file beside its place; what a kill left goes an hour later' '
	mkdir left && echo old >left/f && event "file:/f" "$(file new)" >plan &&
	for signal in HUP INT TERM; do
		code=0
		strace -f -qq -o trace -e trace=fsync -e inject=fsync:signal=$signal:when=1 ecl-apply-files --root left <plan >did 2>err || code=$?
		test $code -gt 128 && ls -A left >have && echo f >want && test_cmp want have && echo old >left/f || return 1
	done &&
	{ strace -f -qq -o trace -e trace=fsync -e inject=fsync:signal=KILL:when=1 ecl-apply-files --root left <plan >did 2>err || :; } &&
	ls -A left >have && test_line_count = 2 have && test_grep "^\.ecl-apply-[0-9a-f]*\$" have &&
	: >left/.ecl-apply-mine &&
	# What may be of a run that is at work stays.
	ecl-apply-files --root left <plan >did && ls -A left >have && test_line_count = 3 have &&
	rm left/f &&
	cat >later <<-\END &&
		import runpy, sys, time
		now = time.time
		time.time = lambda: now() + 3601
		sys.argv = sys.argv[1:]
		runpy.run_path(sys.argv[0], run_name="__main__")
	END
	python3 -Xutf8 later "$top_srcdir/scripts/ecl-apply-files" --root left <plan >did &&
	ls -A left >have && printf ".ecl-apply-mine\nf\n" >want && test_cmp want have
'

test_done
