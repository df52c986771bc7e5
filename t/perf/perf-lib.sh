# What the benchmarks share, for bash: where the programs are, a file system of our own, peers, timing, tables.
#
# A benchmark sets `usage', sources this file, calls perf_options "$@" and then perf_begin.  Everything that it makes
# lies in $tmp (on disk), $mem (in memory) or $dir (on the file system that is measured), and goes when it ends; so
# does $unfinished, which may lie elsewhere.

# shellcheck shell=bash disable=SC2015,SC2034,SC2154

: "${top_srcdir:=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd -P)}"
if test -z "${top_builddir-}"; then
	for top_builddir in "$top_srcdir" "$top_srcdir/build" ''; do
		test ! -x "$top_builddir/cmd/ecl-append" || break
	done
fi
test -z "$top_builddir" || PATH=$top_builddir/cmd:$PATH
# Not installed: the model of the sources, the module that was built.
if test -n "$top_builddir"; then
	: "${ECL_MODEL_DIR:=$top_srcdir/scripts/model}" "${ECL_MODULE_DIR:=$(cd "$top_builddir" && pwd -P)/lib}"
	export ECL_MODEL_DIR ECL_MODULE_DIR
fi
PATH=$PATH:/usr/sbin:/sbin
unset ECL_ROOT CDPATH
LC_ALL=C
export PATH LC_ALL
umask 022

perf=$top_srcdir/t/perf
tmp='' mem='' dir='' unfinished='' run_sshd='' rows=()
declare -A best worst

die()
{
	echo "${0##*/}: $*" >&2
	exit 2
}

# skip WHAT PACKAGE: say what is not measured for want of a Debian package.
skip()
{
	echo "# skipped: $1: needs the package $2 (scripts/deps --perf)"
}

# perf_options ARG...: sets events, runs, where, memory, large, kept, and wanted (the jobs).  -L only where the
# benchmark has set takes_kept.
perf_options()
{
	local opt OPTIND=1 OPTARG

	events=1000000 runs=3 where='' memory='' large=0 kept=''
	while getopts "n:r:D:${takes_kept:+L:}lmh" opt; do
		case $opt in
		n) events=$OPTARG ;;
		r) runs=$OPTARG ;;
		D) where=$OPTARG ;;
		L) kept=$OPTARG ;;
		l) large=1 ;;
		m) memory=1 ;;
		h) echo "$usage"; exit 0 ;;
		*) echo "$usage" >&2; exit 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	wanted=("${@:-all}")
	for opt in "$events" "$runs"; do
		case $opt in '' | *[!0-9]* | 0*) die "'$opt' is not a number from 1 on" ;; esac
	done
}

# Beginning and end.

# perf_begin GIB: make $tmp, $mem, $dir, with room for so many GiB, and say where we are.
perf_begin()
{
	local program

	for program in ecl-init ecl-append ecl-query ecl-replay ecl-verify; do
		command -v $program >/dev/null || die "no $program: build first, or set top_builddir"
	done
	trap perf_end EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 141' PIPE
	trap 'exit 143' TERM
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/ecl-perf.XXXXXX") && tmp=$(cd "$tmp" && pwd -P) || exit 2
	mem=$tmp
	if test -w /dev/shm; then
		mem=$(mktemp -d "$(cd /dev/shm && pwd -P)/ecl-perf.XXXXXX") || mem=$tmp
	fi
	perf_dir "$1"
	echo "# $(ecl-append -V), $(uname -sr), $(nproc) x $(sed -n '/^model name/{s/.*: //p;q;}' /proc/cpuinfo)"
	echo "# ledgers on $(findmnt -no FSTYPE,OPTIONS -T "$dir" | tr -s ' '), $medium"
	echo "# load $(cut -d' ' -f1-3 /proc/loadavg); $runs runs of each, in turn; the best counts; (+N%): ecl's slowest"
}

# Where the ledgers lie: in DIR of -D, else on a btrfs of our own, else (not root) in a plain directory.
perf_dir()
{
	local img

	if test -n "$where"; then
		dir=$(mktemp -d "$where/ecl-perf.XXXXXX") && dir=$(cd "$dir" && pwd -P) || exit 2
		medium=$(findmnt -no SOURCE -T "$dir")
		return
	fi
	if test "$(id -u)" != 0; then
		dir=$tmp/ledgers medium='not root, so no btrfs of our own'
		test -z "$memory" || dir=$mem/ledgers
		mkdir "$dir" || exit 2
		return
	fi
	img=$tmp/fs.img medium="a loop device on a file on $(findmnt -no FSTYPE -T "$tmp")"
	test -z "$memory" || img=$mem/fs.img medium='a loop device on a file in memory'
	truncate -s "$1G" "$img" && mkfs.btrfs -q "$img" >"$tmp/mkfs" 2>&1 || die "mkfs.btrfs failed: $(cat "$tmp/mkfs")"
	mkdir "$tmp/btrfs" && mount -o loop,noatime "$img" "$tmp/btrfs" || die 'cannot mount a loop device'
	dir=$tmp/btrfs
}

# end_group PID: end a process group, and come back when nobody of it is left.
end_group()
{
	local try

	kill -- "-$1" 2>/dev/null
	for try in {1..100}; do
		kill -0 -- "-$1" 2>/dev/null || return 0
		test "$try" != 80 || kill -KILL -- "-$1"
		sleep 0.1
	done
}

perf_end()
{
	local rc=$? pid mount dev file

	trap '' INT TERM HUP PIPE
	cd / || exit 2
	for pid in $(jobs -p); do
		end_group "$pid"
	done
	test -z "$dir" || test -z "$where" || rm -rf "$dir"
	test -z "$unfinished" || rm -rf "$unfinished"
	test -n "$tmp" || exit "$rc"
	while read -r mount; do
		umount "$mount" || umount -l "$mount"
	done < <(while read -r _ _ _ _ mount _; do
		case $mount in "$tmp"/*) printf '%b\n' "$mount" ;; esac
	done </proc/self/mountinfo | sort -r)
	while read -r dev file; do
		case $file in "$tmp"/* | "$mem"/*) losetup -d "$dev" ;; esac
	done < <(losetup -l -n -O NAME,BACK-FILE 2>/dev/null)
	test -z "$run_sshd" || rmdir "$run_sshd"
	rm -rf "$tmp" "$mem"
	exit "$rc"
}

# build NAME [PKG-CONFIG-MODULE...]: compile t/perf/NAME.c into $tmp.
build()
{
	local name=$1 flags=

	shift
	test $# = 0 || flags=$(pkg-config --cflags --libs "$@" 2>/dev/null) || return 1
	# shellcheck disable=SC2086 # they are lists
	${CC:-cc} -O2 -std=c11 -D_GNU_SOURCE -Wall -o "$tmp/$name" "$perf/$name.c" $flags -lm || die "cannot compile $name.c"
}

# Timing.

# timed COMMAND...: run it, and set took, in microseconds.  In the background, with a process group of its own, so
# that a signal to us ends it at once; after everything that was written before is on the disk.
timed()
{
	local begin

	sync -f "$dir"
	begin=${EPOCHREALTIME/./}
	set -m
	"$@" &
	set +m
	wait $! || die "failed (exit $?): $*"
	took=$((${EPOCHREALTIME/./} - begin))
}

# noted COMMAND...: the same, with its standard output in $tmp/out.
noted()
{
	timed note "$@"
}

note()
{
	"$@" >"$tmp/out"
}

# keep NAME VALUE: for a try_NAME of contend, which says more than took: best and worst of it.
keep()
{
	test "$run" != 0 && (($2 >= best[$1])) || best[$1]=$2
	test "$run" != 0 && (($2 <= worst[$1])) || worst[$1]=$2
}

# contend NAME...: call each try_NAME in turn, $runs times; best[NAME] and worst[NAME] are what it took.
contend()
{
	local name run

	for ((run = 0; run < runs; run++)); do
		for name; do
			"try_$name"
			keep "$name" "$took"
		done
	done
}

# Tables.  Amounts are printed with three digits and a unit.

# amount N [UNIT]: as in `512 k/s'.
amount()
{
	awk -v n="$1" -v unit="${2-}" 'BEGIN {
		split("_ k M G", prefix, " ")
		for (i = 1; n >= 999.5 && i < 4; i++)
			n /= 1000
		printf("%.*f %s%s", n >= 99.95 || i == 1 && n == int(n) ? 0 : n >= 9.995 ? 1 : 2, n, i > 1 ? prefix[i] : "", unit)
	}' | sed 's/ $//'
}

# duration US: as in `3.21 s' or `2.90 ms'.
duration()
{
	awk -v us="$1" 'BEGIN {
		if (us == 0) {
			print "0"
			exit
		}
		n = us >= 999500 ? us / 1e6 : us / 1e3
		printf("%.*f %s", n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2, n, us >= 999500 ? "s" : "ms")
	}'
}

# least A B
least()
{
	echo $(($1 < $2 ? $1 : $2))
}

# rate N US: N things, or $unit, in so many microseconds.
rate()
{
	amount "$(awk -v n="$1" -v us="$2" 'BEGIN { printf("%.9g", n * 1e6 / (us + !us)) }')" "${unit-}/s"
}

# ratio A B WHAT: as in `5.60x rate'.
ratio()
{
	awk -v a="$1" -v b="$2" -v what="$3" 'BEGIN {
		if (b == 0) {
			print "-"
			exit
		}
		printf("%.*fx %s", a / b < 0.0995 ? 3 : a / b < 99.95 ? 2 : 0, a / b, what)
	}'
}

# row JOB INPUT ECL RATE PEER ITS-TIME ITS-RATE ECL/PEER RUNS
row()
{
	test ${#rows[@]} != 0 || head_line
	line "$@"
	rows+=("$(line "$@")")
}

head_line()
{
	line job input ecl rate peer 'its time' 'its rate' ecl/peer runs
}

line()
{
	printf '%-16s %-22s %8s %9s  %-22s %8s %9s  %-11s %s\n' "$@"
}

# row_rate JOB INPUT N NAME [PEER ITS-N ITS-NAME]: a row about N things done by contender NAME, ITS-N by ITS-NAME.
row_rate()
{
	local its=(- - - -)

	test $# = 4 || its=("$5" "$(duration "${best[$7]}")" "$(rate "$6" "${best[$7]}")"
		"$(ratio "$(awk "BEGIN { print $3 * ${best[$7]} }")" "$(awk "BEGIN { print $6 * ${best[$4]} }")" rate)")
	row "$1" "$2" "$(duration "${best[$4]}")" "$(rate "$3" "${best[$4]}")" "${its[@]}" \
		"$runs (+$((100 * worst[$4] / (best[$4] + !best[$4]) - 100))%)"
}

# all_rows: everything again, in one table.
all_rows()
{
	printf '\n# all of it; load now %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
	head_line
	printf '%s\n' "${rows[@]}"
}

# Ledgers.

# ledger NAME [OPTION...]: make an empty ledger $dir/NAME, set root.
ledger()
{
	root=$dir/$1
	rm -rf "$root"
	shift
	ecl-init -q "$@" "$root" >/dev/null || die 'ecl-init failed'
}

# append FILE: what is measured.  The pipe belongs to it.
append()
{
	# shellcheck disable=SC2002 # see there
	cat "$1" | ecl-append -q -d "$root"
}

# holds N: the ledger $root has N events, and the genesis.
holds()
{
	local n

	n=$(ecl-query --stat -d "$root" | sed 's/^{"events":\([0-9]*\),.*/\1/')
	test "$n" = $(($1 + 1)) || die "the ledger has $n events, not $1 and the genesis"
}

# passes FILE: its events ten times, with another state each time.
passes()
{
	local pass

	for pass in {10..19}; do
		sed "s/\"n\": /&$pass/" "$1"
	done
}

append_passes()
{
	passes "$1" | ecl-append -q -d "$root"
}

# make_events N ELEMENTS: a file of events, in memory; set input.
make_events()
{
	input=$mem/events-$1-$2
	test -e "$input" || python3 "$perf/make-events.py" "$1" "$2" >"$input" || die 'cannot make events'
}

# An sshd of our own.

# perf_sshd: start one on a high port of the loopback, with keys of its own; set ssh, the words that reach it.  It
# serves nobody else, and ends with us.
perf_sshd()
{
	local sshd port try

	sshd=$(command -v sshd) && command -v ssh >/dev/null || return 1
	mkdir -m 700 "$tmp/ssh" || return 1
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/ssh/host" && ssh-keygen -q -t ed25519 -N '' -f "$tmp/ssh/user" || return 1
	if test "$(id -u)" = 0 && mkdir /run/sshd 2>/dev/null; then # what init would make
		run_sshd=/run/sshd
	fi
	for try in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 12000))
		cat >"$tmp/ssh/config" <<-EOF
			ListenAddress 127.0.0.1:$port
			HostKey $tmp/ssh/host
			AuthorizedKeysFile $tmp/ssh/user.pub
			AllowUsers $(id -un)
			PermitRootLogin prohibit-password
			PasswordAuthentication no
			KbdInteractiveAuthentication no
			StrictModes no
			UsePAM no
			PidFile none
		EOF
		set -m
		"$sshd" -D -e -f "$tmp/ssh/config" >"$tmp/ssh/log" 2>&1 &
		set +m
		echo "[127.0.0.1]:$port $(cat "$tmp/ssh/host.pub")" >"$tmp/ssh/known"
		ssh=(ssh -F none -i "$tmp/ssh/user" -p "$port" -o "UserKnownHostsFile=$tmp/ssh/known" -o BatchMode=yes
			-o IdentitiesOnly=yes -o ConnectionAttempts=10 "$(id -un)@127.0.0.1")
		! "${ssh[@]}" true 2>>"$tmp/ssh/log" || return 0
	done
	sed 's/^/# sshd: /' "$tmp/ssh/log" | head -n 5
	return 1
}
