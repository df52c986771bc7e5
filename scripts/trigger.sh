# What ecl-run, ecl-watch and ecl-hook-dpkg share: the options for what is observed and where it is recorded, and observe.

# shellcheck shell=bash disable=SC2034

set -u -o pipefail

me=${0##*/}
collect=() append=() taken=0

warn()
{
	printf '%s: %s\n' "$me" "$*" >&2
}

# trigger_option "$@": take an option for ecl-collect or ecl-append from the front; sets $taken, the arguments that it was, 0 for none.
trigger_option()
{
	taken=1
	case $1 in
	--content | --private | --skip-unreadable) collect+=("$1") ;;
	--force) append+=("$1") ;;
	--root=* | --redact=* | --redact-key=*) append+=("$1") ;;
	-d | --root | --redact | --redact-key)
		test $# -ge 2 || {
			warn "'$1' needs an argument (see --help)"
			return 1
		}
		append+=("$1" "$2")
		taken=2
		;;
	*) taken=0 ;;
	esac
}

# login_user: who logged in, whatever user that has become since.
login_user()
{
	local id

	if read -r id </proc/self/loginuid 2>/dev/null && test "$id" != 4294967295; then
		getent passwd "$id" | cut -d : -f 1 | grep . || printf '%s\n' "$id"
	else
		printf '%s\n' "${SUDO_USER:-$(id -un)}"
	fi
}

# as_typed ARG...: a command line for people, UTF-8, cut after 1000 characters.
as_typed()
{
	local LC_ALL=C.UTF-8 text

	printf -v text '%q ' "$@"
	text=${text% }
	printf '%s' "${text:0:1000}"
	test ${#text} -le 1000 || printf '...'
}

# observe APPEND-OPTION...: record what $collectors see.  What a collector had to leave out is no failure.
observe()
{
	local codes

	# shellcheck disable=SC2154 # $collectors is the program's
	ecl-collect "${collect[@]}" "${collectors[@]}" </dev/null | ecl-append -q "${append[@]}" "$@"
	codes=("${PIPESTATUS[@]}")
	test "${codes[1]}" = 0 || return "${codes[1]}"
	test "${codes[0]}" -le 1
}
