# The parts `thousand' and `prune' of t/perf/blocks: sourced by it, behind perf-lib.sh.
#
# A root of 200 files gets 1,001 blocks, one event and one changed file before each.  `thousand' sets the last of them against the tenth, in
# CPU time, and has what one block takes on the disk; and it asks that root: ecl-snap --list, ecl-query --blocks, and what completes a name, beside
# `btrfs subvolume list' of the same.  `prune' then prunes 900 of them, beside `btrfs subvolume delete' of as many snapshots of the same.

# shellcheck shell=bash disable=SC2034,SC2154

prune_blocks=1001 prune_late='' pruned=''

# prune_cpu COMMAND...: the CPU time of it and its children, in microseconds, in took.
prune_cpu()
{
	local TIMEFORMAT='%U %S'

	{ time "$@" >/dev/null 2>"$tmp/err"; } 2>"$tmp/cpu" || die "failed: $*: $(cat "$tmp/err")"
	took=$(awk '{ printf("%.0f", ($1 + $2) * 1e6) }' "$tmp/cpu")
}

prune_used()
{
	sync -f "$dir"
	btrfs filesystem usage -b "$dir" | awk '/^ *Used:/ { print $2; exit }'
}

# prune_root: with that many blocks; sets prune_early and prune_late, the least CPU time of ten of them, and prune_bytes.
prune_root()
{
	local i used=0

	test "$(stat -f -c %T "$dir")" = btrfs || return 1
	test -z "$prune_late" || return 0
	ledger prune --embedder none
	echo "# making $prune_blocks blocks"
	mkdir "$root/live/d"
	for ((i = 0; i < 200; i++)); do echo "$i" >"$root/live/d/$i"; done
	prune_early=999999999 prune_late=999999999
	for ((i = 1; i <= prune_blocks; i++)); do
		echo "{\"element\":\"a:$((i % 50))\",\"state\":$i}" | ecl-append -q -d "$root" || die 'ecl-append failed'
		echo "$i" >"$root/live/d/$((i % 200))"
		prune_cpu ecl-snap -q -d "$root"
		test $i != 10 || used=$(prune_used)
		if ((i >= 6 && i <= 15)); then
			prune_early=$(least $prune_early "$took")
		elif ((i > prune_blocks - 10)); then
			prune_late=$(least $prune_late "$took")
		fi
	done
	prune_bytes=$((($(prune_used) - used) / (prune_blocks - 10)))
	prune_dir=$root
}

try_list() { noted ecl-snap --list -d "$root"; }
try_blocks() { noted ecl-query --blocks -d "$root"; }
try_names() { noted ecl-query --names blocks -d "$root" block-0005; }
try_subvolumes() { noted btrfs subvolume list -o "$root/.snapshots"; }

job_thousand()
{
	test -z "$pruned" || { echo '# skipped: thousand: prune came before it, and took its blocks' && return; }
	prune_root || { echo '# skipped: thousand: no btrfs here' && return; }
	root=$prune_dir
	row 'ecl-snap (CPU)' "block $prune_blocks" "$(duration "$prune_late")" - 'the tenth block' "$(duration "$prune_early")" - "$(ratio "$prune_late" "$prune_early" time)" 10
	row 'a block on disk' '200 files, 1 changed' "$(amount "$prune_bytes" B)" - - - - - 1
	contend list blocks names subvolumes
	for what in list blocks names; do
		row_rate "--$what" "$prune_blocks blocks" "$prune_blocks" $what 'btrfs subvolume list' "$prune_blocks" subvolumes
	done
}

job_prune()
{
	local i

	prune_root || { echo '# skipped: prune: no btrfs here' && return; }
	root=$prune_dir
	mkdir "$dir/peer"
	for ((i = 0; i < 900; i++)); do
		btrfs subvolume snapshot -r "$(ecl-snap --path block-$i -d "$root")" "$dir/peer/$i" >/dev/null || die 'btrfs failed'
	done
	runs=1
	pruned=1
	contend prune delete
	row_rate 'prune' '900 blocks' 900 prune 'btrfs subvolume delete' 900 delete
	test "$(find "$root/.snapshots" -mindepth 1 -maxdepth 1 | wc -l)" = $((prune_blocks - 900)) || die 'not 900 blocks were pruned'
	ecl-verify -q -d "$root" || die 'ecl-verify found something'
}

try_prune() { timed ecl-snap -q --prune --keep last=$((prune_blocks - 900)) -d "$root"; }
try_delete() { timed btrfs subvolume delete -c "$dir"/peer/* >/dev/null; }
