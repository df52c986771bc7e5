# The part `rollback' of t/perf/blocks: sourced by it, behind perf-lib.sh.
#
# Rollback to the last block, of a root with 1 MB, 1 GB and 1 GB in 10,000 files, where one of them and one element changed; with 10,000
# elements that differ; of parts.  Beside each, in the same run, `btrfs subvolume snapshot' of the same block and the exchange alone, which make no block of what was
# live, hash nothing and record nothing.

# shellcheck shell=bash disable=SC2154

# roll_root NAME FILES BYTES ELEMENTS: a root with a block of so many files of so many bytes each.
roll_root()
{
	local i

	ledger "$1"
	echo "# making '$1': $2 files of $(amount "$3" B), $4 elements"
	mkdir "$root/live/d"
	head -c $(($2 * $3)) /dev/zero | openssl enc -aes-128-ctr -pass pass:ecl -nosalt 2>/dev/null |
		split -a 5 -d -b "$3" - "$root/live/d/f"
	roll_elements "$4" 1
	sync -f "$root"
	sleep 1.1 # what is younger than that is hashed again
	ecl-snap -q -d "$root" || die 'ecl-snap failed'
	roll_block=$(ecl-snap -d "$root" --path block-0)
	roll_n=$4
}

# roll_elements N STATE
roll_elements()
{
	seq "$1" | sed "s/.*/{\"element\":\"roll:&\",\"state\":{\"n\":$2,\"of\":&}}/" | ecl-append -q -d "$root" || die 'ecl-append failed'
}

# roll_change: what is to be rolled back.
roll_change()
{
	roll_state=$((roll_state + 1))
	echo "$roll_state" >"$root/live/d/f00000"
	roll_elements "$roll_n" "$roll_state"
}

try_rollback() { roll_change; timed ecl-rollback -q --yes -d "$root" "${roll_block##*/}"; }
try_no_snap() { roll_change; timed ecl-rollback -q --yes --no-snap -d "$root" "${roll_block##*/}"; }
try_path() { roll_change; timed ecl-rollback -q --yes --no-snap --path d/f00000 -d "$root" "${roll_block##*/}"; }
try_tree() { roll_change; timed ecl-rollback -q --yes --no-snap --path d -d "$root" "${roll_block##*/}"; }
try_copy() { rm -rf "$dir/copy"; timed cp -a --reflink=always "$roll_block/d" "$dir/copy"; }

# In a directory beside: live as the peer has it.
try_bare()
{
	test -e "$dir/bare/live" || { mkdir -p "$dir/bare" && btrfs subvolume snapshot "$roll_block" "$dir/bare/live" >/dev/null; }
	timed roll_bare
	btrfs subvolume delete "$dir/bare/tmp" >/dev/null
}

roll_bare()
{
	cd "$dir/bare" && btrfs subvolume snapshot "$roll_block" tmp >/dev/null && "$tmp/peer-exchange" tmp live
}

# roll_rows WHAT: of the root at hand.
roll_rows()
{
	contend rollback no_snap bare
	row_rate rollback "$1" 1 rollback 'snapshot, exchange' 1 bare
	row_rate 'roll. --no-snap' "$1" 1 no_snap 'snapshot, exchange' 1 bare
	btrfs subvolume delete "$dir/bare/live" >/dev/null
	rm -rf "$dir/bare"
}

job_rollback()
{
	build peer-exchange
	roll_state=1
	if test "$(stat -f -c %T "$dir")" != btrfs; then
		echo '# skipped: rollback: no btrfs here'
		return
	fi
	roll_root small 100 10000 1
	roll_rows '1 MB, 100 files'
	roll_root large 100 10000000 1
	roll_rows '1 GB, 100 files'
	contend path
	row_rate 'roll. --path' '1 of 100 files' 1 path
	roll_root many 10000 100000 1
	roll_rows '1 GB, 10 k files'
	contend tree copy
	row_rate 'roll. --path' '1 GB, 10 k files' 1 tree 'cp -a --reflink' 1 copy
	roll_root elements 100 10000 10000
	roll_rows '10 k elements'
}
