# The part `send' of t/perf/blocks: sourced by it, behind perf-lib.sh.
#
# A root of 100,000 files and 10,000 elements, sent whole to a replica, then after 10 of the files changed: the bytes of the stream, and the time of
# `ecl-snap --send | ecl-snap --receive', which verifies all and makes live what the block is, beside `btrfs send | btrfs receive' of the same
# blocks, which does neither.

# shellcheck shell=bash disable=SC2154

send_files=100000

# send_change N: the Nth ten files and one element, and the block of that.
send_change()
{
	local i

	for i in {0..9}; do
		echo "change $1" >"$root/live/d/f$(printf %05d $(($1 * 10 + i)))"
	done
	ecl-append -q -d "$root" -e send:1 -s "$1" && ecl-snap -q -d "$root" || die 'cannot make a block'
	send_last=$send_block
	send_block=$(ecl-snap -d "$root" --path now)
}

send_root()
{
	ledger send --embedder none
	echo "# making '$root': $send_files files, 10,000 elements"
	mkdir "$root/live/d"
	seq -f %099.0f "$send_files" | split -a 5 -d -l 1 - "$root/live/d/f"
	seq 10000 | sed 's/.*/{"element":"send:&","state":{"n":&}}/' | ecl-append -q -d "$root" || die 'ecl-append failed'
	sync -f "$root"
	sleep 1.1 # what is younger than that is hashed again
	ecl-snap -q -d "$root" || die 'ecl-snap failed'
	send_block=$(ecl-snap -d "$root" --path block-0)
	send_n=0
}

send_ecl() { ecl-snap -d "$root" --send now "$@" | ecl-snap -q -d "$replica" --receive --unsigned || die 'cannot send or receive'; }
send_bare() { btrfs -q send "$@" "$send_block" | btrfs -q receive "$bare" || die 'btrfs cannot send or receive'; }

try_send_whole()
{
	replica=$dir/replica.$((++send_n))
	ecl-init -q --replica "$replica"
	timed send_ecl
}

try_bare_whole()
{
	bare=$dir/bare.$send_n
	mkdir "$bare"
	timed send_bare
}

try_send_part()
{
	send_change $((++send_n))
	timed send_ecl --parent auto
}

try_bare_part() { timed send_bare -p "$send_last"; }

# Without what only ecl does: both streams into nothing.
try_send_null() { timed ecl-snap -d "$root" --send now --parent auto >"$tmp/stream"; }
try_bare_null() { timed btrfs -q send -p "$send_last" "$send_block" >"$tmp/bare"; }

job_send()
{
	local whole

	if test "$(stat -f -c %T "$dir")" != btrfs || test "$(id -u)" != 0; then
		echo '# skipped: send: no btrfs here, or not root'
		return
	fi
	send_root
	whole=$(ecl-snap -d "$root" --send now | wc -c)
	contend send_whole bare_whole
	row_rate 'send whole' "$send_files files" "$send_files" send_whole 'send | receive' "$send_files" bare_whole
	contend send_part bare_part
	row_rate 'send part' '10 changed files' 1 send_part 'send | receive' 1 bare_part
	contend send_null bare_null
	row_rate 'send alone' '10 changed files' 1 send_null 'btrfs send' 1 bare_null
	echo "# the stream of 10 changed files of $send_files: $(amount "$(stat -c %s "$tmp/stream")" B); whole: $(amount "$whole" B)"
}
