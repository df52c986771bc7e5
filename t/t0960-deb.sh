#!/bin/bash
test_description='the Debian package: made, installed beside the system, used, purged'
. "${0%/*}/test-lib.sh"

for program in dpkg-deb dpkg-shlibdeps jq; do
	command -v $program >/dev/null && continue
	test -z "${ECL_TEST_BTRFS-}" || test_bail "$program is missing"
	skip_all="$program is missing"
	test_done
done
test -f "$top_builddir/config.status" || test_bail "no build in '$top_builddir'"

mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates && : >root/var/lib/dpkg/status || exit

# dpkg, in a system of its own, as whoever we are.
in_root()
{
	PATH=$PATH:/usr/sbin:/sbin dpkg --root="$TRASH/root" --force-not-root --force-bad-path --force-depends --force-script-chrootless --log=/dev/null "$@"
}

test_expect_success 'the package is made from a build, and says what it needs' '
	deb=$("$top_srcdir/scripts/mkdeb" -b "$top_builddir" -o . 2>err) && test -f "$deb" &&
	dpkg-deb -f "$deb" Package Version Architecture Depends >control && cat control &&
	grep "^Package: ecl$" control && grep "^Version: [0-9]" control && grep "libc6 (>=" control && grep libbtrfsutil1 control
'

test_expect_success 'it installs: programs, manuals, model, completion, units; every file with its checksum' '
	in_root -i "$deb" && prefix=$(dirname "$(dirname "$(find root -name ecl-init -path "*/bin/*")")") &&
	for program in append index init prove query replay rollback snap verify; do
		test -x "$prefix/bin/ecl-$program" && test -f "$prefix/share/man/man1/ecl-$program.1.gz" || return 1
	done &&
	test -f "$prefix/share/man/man7/ecl.7.gz" && test -f "$prefix/share/doc/ecl/copyright" &&
	(cd root && md5sum --quiet -c var/lib/dpkg/info/ecl.md5sums) &&
	find root -type f ! -path "*/var/lib/dpkg/*" -printf "%P\n" | sort >files &&
	cut -d" " -f3- root/var/lib/dpkg/info/ecl.md5sums | sort >summed && test_cmp summed files
'

test_expect_success 'what is installed works: from a collector to a search and a verdict' '
	(PATH=$TRASH/$prefix/bin:/usr/sbin:/usr/bin:/sbin:/bin ECL_MODEL_DIR=$TRASH/$prefix/share/ecl/model ECL_MODULE_DIR=$TRASH/$prefix/lib/ecl &&
	export ECL_ROOT=$TRASH/ledger && test "$(command -v ecl-init)" = "$TRASH/$prefix/bin/ecl-init" && ecl-init -q &&
	ecl-collect-packages | ecl-append -q && ecl-snap -q &&
	ecl-query --similar "C library" -k 3 "pkg:*" >similar && test_line_count = 3 similar &&
	ecl-verify >verdict && jq -e ".verdict == \"ok\"" verdict)
'

test_expect_success 'it purges cleanly, and takes no ledger along' '
	in_root --purge ecl && find root -type f ! -path "*/var/lib/dpkg/*" >left && ! test -s left &&
	! test -d "$prefix/share/ecl" && ECL_ROOT=ledger "$top_builddir/cmd/ecl-verify" -q
'

test_expect_success 'usage: exit 2' '
	test_expect_code 2 "$top_srcdir/scripts/mkdeb" -x && test_expect_code 2 "$top_srcdir/scripts/mkdeb" more &&
	test_expect_code 2 "$top_srcdir/scripts/mkdeb" -b . 2>err && grep config.status err &&
	test_expect_code 2 "$top_srcdir/scripts/mkdeb" -b "$top_builddir" -o missing
'

test_done
