#!/bin/bash
test_description='bash completes elements and blocks from the ledger, however many there are'
. "${0%/*}/test-lib.sh"

lib=/usr/share/bash-completion/bash_completion
if ! test -r $lib; then
	test -z "${ECL_TEST_BTRFS-}" || test_bail 'bash-completion is missing'
	skip_all='bash-completion is missing'
	test_done
fi

# complete_line LINE: what COMPREPLY holds with the cursor at its end, in a shell of its own.  Words break at blanks, = and :.
complete_line()
{
	bash --norc -c '
		. "$1" && . "$2" && COMP_LINE=$3 COMP_POINT=${#3} && COMP_WORDS=() rest=$3
		while [[ $rest =~ ^([[:space:]]*)([=:]+|[^[:space:]=:]+)(.*)$ ]]; do
			COMP_WORDS+=("${BASH_REMATCH[2]}") rest=${BASH_REMATCH[3]}
		done
		[[ $3 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && _ecl "${COMP_WORDS[0]}" && printf "%s\n" "${COMPREPLY[@]}"
	' - $lib "$top_srcdir/completions/ecl" "$1"
}

test_expect_success 'a ledger of three thousand elements and two blocks' '
	ecl-init -q --backend copy R && export ECL_ROOT=$PWD/R &&
	{ seq -f "{\"element\":\"file:/srv/%g\",\"state\":1}" 3000 && printf "{\"element\":\"%s\",\"state\":1}\n" unit:nginx "unit:two words" "unit:\$(touch pwned)"; } | ecl-append -q &&
	ecl-snap -q && ecl-append -q -e unit:late -s 1 && ecl-snap -q
'

test_expect_success 'options, elements, blocks, and the ledger that the line names' '
	complete_line "ecl-query --hist" >out && echo --history >expect && test_cmp expect out &&
	complete_line "ecl-query --history unit:ng" >out && echo nginx >expect && test_cmp expect out &&
	complete_line "ecl-append -e file:/srv/299" >out && test_line_count = 11 out && grep -x /srv/2999 out &&
	complete_line "ecl-query --at block-" >out && test_line_count = 2 out && grep -x "block-000001-[0-9a-f]*" out &&
	complete_line "ecl-rollback " >out && test_line_count = 2 out &&
	complete_line "ecl-plot states unit:l" >out && echo late >expect && test_cmp expect out &&
	(unset ECL_ROOT && complete_line "ecl-query -d $PWD/R unit:ng" >out) && echo nginx >expect && test_cmp expect out &&
	complete_line "ecl-query no:such" >out && ! grep . out
'

test_expect_success 'of many names, only so many are asked for, and what they have in common is not what all have' '
	mkdir -p spy && printf "%s\n" "#!/bin/sh" "printf \"%s \" \"\$@\" >>\"$TRASH/asked\"" "exec \"$top_builddir/cmd/ecl-query\" \"\$@\"" >spy/ecl-query && chmod +x spy/ecl-query &&
	(PATH=$TRASH/spy:$PATH && complete_line "ecl-query file:/srv/" >out) && grep -e "--limit 201 --names elements -- file:/srv/" asked &&
	test_line_count = 201 out && grep -x "/srv/…" out && grep -x /srv/1 out && ! grep -x /srv/2 out
'

test_expect_success 'on a terminal: TAB completes behind a colon, quotes what a shell would run, and inserts nothing that is not common' '
	cat >tab.py <<-\EOF2 &&
	import os, pty, select, sys, time
	pid, fd = pty.fork()
	if pid == 0:
	    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
	seen = b""
	def until(what):
	    global seen
	    end = time.monotonic() + 120
	    while what not in seen:
	        if time.monotonic() > end:
	            sys.exit("no %r in %r" % (what, seen))
	        if not select.select([fd], [], [], 1)[0]:
	            continue
	        try:
	            seen += os.read(fd, 65536)
	        except OSError:
	            sys.exit("ended: %r" % seen)
	    at = seen.index(what) + len(what)
	    said, seen = seen[:at], seen[at:]
	    return said
	os.write(fd, b"PS1=; bind \"set enable-bracketed-paste off\"; bind \"set bell-style none\"; stty -echo cols 200; . %s; . %s; echo rea\"\"dy\n" % (sys.argv[1].encode(), sys.argv[2].encode()))
	until(b"ready\r\n")
	for typed in (b"unit:ng\t", b"unit:tw\t", b"unit:two\\ w\t", b"\x27unit:two w\t", b"\x22unit:tw\t", b"unit:$\t", b"\x22unit:$\t",
		   b"file:/srv/\t8", b"file:/srv/299\t7\t"):
	    os.write(fd, b"ecl-query --json --history " + typed)
	    time.sleep(0.5)
	    os.write(fd, b"\n")
	    os.write(fd, b"echo do\"\"ne\n")
	    print(typed.decode().strip(), until(b"done\r\n").decode("utf-8", "replace"))
	EOF2
	HOME=$TRASH TERM=dumb LC_ALL=C.UTF-8 python3 tab.py $lib "$top_srcdir/completions/ecl" >typed && cat typed &&
	grep "\"element\":\"unit:nginx\"" typed && test "$(grep -c "\"element\":\"unit:two words\"" typed)" = 4 &&
	test "$(grep -c "\"element\":\"unit:..touch pwned)\"" typed)" = 2 &&
	grep "\"element\":\"file:/srv/8\"" typed && grep "\"element\":\"file:/srv/2997\"" typed && ! test -e pwned
'

for shell in zsh fish; do if command -v $shell >/dev/null; then test_set_prereq $shell; fi; done
# typed SHELL KEYS WANT
typed()
{
	(cd "$TRASH" && export ECL_ROOT=$TRASH/R TERM=xterm XDG_CONFIG_HOME=$TRASH/fishes ZDOTDIR=$TRASH/zs && python3 "$top_srcdir/t/type-keys.py" "$2" "$3" "$1" -i)
}

test_expect_success zsh 'zsh: options, elements, blocks of the ledger on the line, by a real TAB' '
	mkdir -p zs && printf "%s\n" "fpath=($top_srcdir/completions \$fpath)" "autoload -U compinit && compinit -u -d $TRASH/zs/dump" "PS1=\"READY> \"" >zs/.zshrc &&
	typed zsh "ecl-query --hist\\t" --history && typed zsh "ecl-query unit:ng\\t" nginx &&
	typed zsh "ecl-query unit:two\\\\ w\\t" ords && typed zsh "ecl-query \"unit:two w\\t" ords &&
	typed zsh "ecl-rollback block-000001\\t" "$(ecl-query --names blocks block-000001)" &&
	(cd / && sed -i "s|^autoload|cd / \&\& unset ECL_ROOT; &|" "$TRASH/zs/.zshrc") && typed zsh "ecl-query -d $TRASH/R unit:ng\\t" nginx
'

test_expect_success fish 'fish: the same' '
	mkdir -p fishes/fish && printf "%s\n" "source $top_srcdir/completions/ecl.fish" "function fish_prompt; echo \"READY> \"; end" >fishes/fish/config.fish &&
	typed fish "ecl-query --hist\\t" --history && typed fish "ecl-query unit:ng\\t" nginx &&
	typed fish "ecl-query unit:two\\\\ w\\t" ords && typed fish "ecl-query \"unit:two w\\t" ords &&
	typed fish "ecl-rollback block-000001\\t" "$(ecl-query --names blocks block-000001)" &&
	echo "set -e ECL_ROOT" >>fishes/fish/config.fish && typed fish "ecl-query -d $TRASH/R unit:ng\\t" nginx
'

test_done
