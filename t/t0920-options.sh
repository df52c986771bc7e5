#!/usr/bin/env bash
test_description='the options that a program takes are those of its --help, its man page and the completion'
. "${0%/*}/test-lib.sh"

programs='append index init prove query redact replay rollback snap verify'
# Those of the fleet are built where the NATS client library is there.
test ! -x "$top_builddir/cmd/ecl-publish" || programs="$programs fleet-setup publish subscribe"
command -v mandoc >/dev/null && test_set_prereq MANDOC

# expanded FILE: with the options that the fleet's programs share in their place.
expanded()
{
	sed -n '/^#define FLEET_OPTIONS/,/^$/s/,[[:space:]]*\\*$/,/p' "$top_srcdir/lib/fleet_cli.h" >shared
	sed '/^[[:space:]]*FLEET_OPTIONS$/{r shared
		d
	}' "$1"
}

# table FILE NAME, help FILE, manual FILE: the options there, sorted, one a line: `-x --name ARG', with what applies.
table()
{
	sed -n "/cli_option $2\[\] = {/,/^};/{
		s/^[[:space:]]*{\(.*\), \"\(.*\)\", \(.*\)},\$/\1 --\2 \3/p
		s/^[[:space:]]*{'\(.\)', NULL, \(.*\)},\$/-\1 \2/p
	}" <(expanded "$1") |
		sed "s/^'\(.\)' /-\1 /; s/^[A-Z_]* //; s/ true\$/ ARG/; s/ false\$//" | LC_ALL=C sort
}

help()
{
	sed -n 's/^  \(-[a-zA-Z]\), --/\1 --/p; s/^      --/--/p; s/^  \(-[a-zA-Z] [A-Z] \)/\1/p' "$1" | sed 's/  .*//; s/ [A-Z].*/ ARG/' | LC_ALL=C sort
}

manual()
{
	sed -n '/^\.Sh DESCRIPTION/,/^\.Sh ENV/s/^\.It \(.*Fl Fl .*\|Fl [a-zA-Z] Ar .*\)/\1/p' "$1" |
		sed 's/^Op \(.*\)/\1/; s/^Fl Fl \([a-z-]*\) , Fl Fl \([a-z-]*\)$/Fl Fl \1\n\2/' | sed 's/^[a-z]/Fl Fl &/' |
		sed 's/Fl Fl /--/; s/^Fl \(.\) , /-\1 /; s/^Fl \([a-zA-Z]\) Ar/-\1 Ar/; s/ \(Ar\|Cm\) .*/ ARG/' | LC_ALL=C sort
}

# completion_knows NAME: which of the options in the help of ecl-NAME take an argument.
completion_knows()
{
	local p=$1

	test_expect_success "ecl-$p: the completion knows what each option takes" '
		ecl-$p --help >text &&
		help text | sed "s/^\(-.\) \(--[^ ]*\)\(.*\)/\1\3\n\2\3/" >help &&
		test -s help &&
		(
			_filedir() { :; }
			_ecl_names() { :; }
			complete() { :; }
			. "$top_srcdir/completions/ecl"
			_ecl_names() { :; }
			while read -r option arg; do
				! _ecl_argument "ecl-$p" "$option" || option="$option ARG"
				printf "%s\n" "$option"
			done
		) <help >completion &&
		test_cmp help completion
	'
}

for p in $programs; do
	test_expect_success "ecl-$p: --help" '
		ecl-$p --help >text &&
		head -n 1 text | grep "^usage: ecl-$p " &&
		test_grep ! ".\{81\}" text &&
		help text >help &&
		test -s help &&
		table "$top_srcdir/cmd/ecl-$p.c" options >own &&
		test -s own &&
		LC_ALL=C comm -23 own help >lacks &&
		test_cmp /dev/null lacks &&
		table "$top_srcdir/lib/cli.c" common >common &&
		test_line_count = 10 common &&
		LC_ALL=C sort own common | LC_ALL=C comm -13 - help >unknown &&
		test_cmp /dev/null unknown
	'

	test_expect_success "ecl-$p: the man page" '
		ecl-$p --help >text &&
		help text >help &&
		manual "$top_srcdir/cmd/ecl-$p.1" >man &&
		test_cmp help man
	'

	test_expect_success MANDOC "ecl-$p: the man page is well-formed, and fits on 80 columns" '
		mandoc -T ascii "$top_srcdir/cmd/ecl-$p.1" | sed "s/.$(printf "\\b")//g" >page &&
		test_grep ! ".\{81\}" page &&
		mandoc -T lint -W style "$top_srcdir/cmd/ecl-$p.1" 2>/dev/null | sed "/referenced manual not found/d" >lint &&
		test_cmp /dev/null lint
	'

	completion_knows $p
done

# Scripts, of which some share a man page.
for p in apply-files collect cosign embed-http fleet-config hook-dpkg import-dpkg-log import-git import-journal plot run watch witness; do
	completion_knows $p
done

test_expect_success '--help of all that is installed: 80 columns, and what cannot be written is said, on one line, and an error' '
	for p in "$top_builddir"/cmd/ecl-* "$top_srcdir"/scripts/ecl-*; do
		case ${p##*/} in *.*) continue ;; esac
		want=2
		test "${p##*/}" != ecl-run || want=125
		"$p" --help >text </dev/null &&
		head -n 1 text | grep "^usage: ${p##*/}" &&
		test_grep ! ".\{81\}" text &&
		test_expect_code $want "$p" --help >/dev/full 2>err </dev/null &&
		test_line_count = 1 err || {
			echo "$p"
			return 1
		}
	done
'

test_done
