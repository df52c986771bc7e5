#!/bin/bash
test_description='ecl(7) and ecl-format(5): what the examples show is what happens'
. "${0%/*}/test-lib.sh"

command -v jq >/dev/null && command -v python3 >/dev/null || test_bail 'jq or python3 is missing'
if test_have_prereq ROOT && unshare -n ip link >/dev/null 2>&1; then test_set_prereq NETNS; fi

examples()
{
	python3 "$top_srcdir/t/manual-examples.py" "$top_srcdir/cmd/$1"
}

# What runs the examples: the output of each is the one shown.  In $vary none is shown: those of one display are the same.
cat >run.sh <<\EOF2 || exit
n=0 said=
example()
{
	local got

	n=$((n + 1))
	printf '%s\n' "+ $1" >&2
	eval "$1" >out || { echo "example $n: exit $?" >&2; exit 1; }
	got=$(cat out)
	if test -n "$vary" && test -z "$2"; then
		got=${got%  -}
		test -z "$said" || test "$got" = "$said" || { echo "example $n: '$got', before '$said'" >&2; exit 1; }
		said=$got
	elif test "$got" != "$2"; then
		printf 'example %s: wanted\n%s\ngot\n%s\n' "$n" "$2" "$got" >&2
		exit 1
	fi
}
display()
{
	said=
}
other() # t0942 looks at those
{
	:
}
EOF2

test_expect_success 'the pages are well-formed and fit on 80 columns' '
	for page in ecl.7 ecl-format.5; do
		mandoc -T lint -W warning "$top_srcdir/cmd/$page" &&
		mandoc -T ascii -O width=80 "$top_srcdir/cmd/$page" 2>/dev/null | col -bx | awk "length > 80 { print; bad = 1 } END { exit bad }" || return 1
	done
'

test_expect_success NETNS 'a worked day: collect, drift, incident, search, rollback, proof' '
	examples ecl.7 >day && test_line_count -gt 20 day &&
	mkdir day.d && cat run.sh day >day.sh &&
	(cd day.d && ECL_ROOT=$PWD/R vary= unshare -n bash -o pipefail ../day.sh)
'

test_expect_success 'the bytes on the disk: anyone can check them' '
	mkdir format.d && export ECL_ROOT=$PWD/format.d/R && ecl-init -q &&
	for i in 1 2 3; do
		echo "{\"element\":\"a:b\",\"state\":$i}" | ecl-append -q || return 1
	done &&
	echo hello >format.d/R/live/file && ecl-snap -q &&
	examples ecl-format.5 >format && test_line_count -gt 5 format &&
	(cd format.d && cat ../run.sh ../format >format.sh && vary=1 bash -o pipefail format.sh)
'

test_expect_success 'an example that shows something else is found out' '
	echo "example \"echo a\" b" >wrong && cat run.sh wrong >wrong.sh &&
	test_expect_code 1 bash wrong.sh 2>err && grep "wanted" err
'

test_done
