# What the collectors of scripts/ecl-collect-* share.  A collector defines usage(), says in $needs which programs it asks, perhaps
# defines applies(), and sources this; then collect_options "$@" and, with what its source said on standard input, collect_print.
# Nothing is printed before all of it is known.

# shellcheck shell=bash

set -eu -o pipefail
export LC_ALL=C

me=${0##*/}

die()
{
	printf '%s: %s\n' "$me" "$*" >&2
	exit 2
}

# applies: whether this system has what is asked; a collector may have its own.  ecl-collect leaves out what does not apply.
declare -F applies >/dev/null || applies()
{
	local program

	# shellcheck disable=SC2154 # $needs is the collector's
	for program in $needs; do
		command -v "$program" >/dev/null || return 1
	done
}

# collect_options "$@": these are all that a collector takes; the programs that it needs are there.
collect_options()
{
	local program

	case ${1-} in
	-h | --help)
		usage || exit 2
		exit 0
		;;
	--applies)
		test $# = 1 || die "unexpected argument '$2' (see --help)"
		applies || exit 1
		exit 0
		;;
	esac
	test $# = 0 || die "unexpected argument '$1' (see --help)"
	for program in $needs; do
		command -v "$program" >/dev/null || die "'$program' is missing"
	done
}

# collect_print PROGRAM GLOB... [-- JQ-OPTION...]: what PROGRAM (of jq) makes of the standard input, {"element":...,"state":...} each,
# sorted, and then that this was the whole truth about what the globs match.  Names that
# no element can have, and names that come twice with different states, are reported, and then nothing is said to be complete: exit 1.
collect_print()
{
	local program=$1 lines odd name why globs=()

	shift
	while test $# != 0 && test "$1" != --; do
		globs+=("$1")
		shift
	done
	test $# = 0 || shift
	lines=$(jq -c -S "$@" '
		def odd: utf8bytelength > 512 or (explode | any(. < 32 or (. >= 127 and . < 160) or . == 65533));
		['"$program"'] | group_by(.element)[] | unique
		| if length > 1 then {odd: .[0].element, why: "seen twice, and not the same"}
		  elif .[0].element | odd then {odd: .[0].element, why: "not a name for an element"}
		  else .[0] end') || die "jq failed (exit $?)"
	odd=$(jq -c 'select(.odd) | .odd, .why' <<<"$lines") || die "jq failed (exit $?)"

	if test -z "$odd"; then
		{
			test -z "$lines" || printf '%s\n' "$lines"
			printf '{"complete":"%s"}\n' "${globs[@]}"
		} || exit 2
		exit 0
	fi
	while read -r name && read -r why; do
		printf '%s: skipped %s: %s\n' "$me" "$name" "${why//\"/}" >&2
	done <<<"$odd"
	jq -c -S 'select(.odd | not)' <<<"$lines" || exit 2
	exit 1
}
