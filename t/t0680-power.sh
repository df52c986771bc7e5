test_description='the power is cut in the middle of a block, a pruning, a rollback, a receive: the old or the new, and the next run goes on'
. "${0%/*}/test-lib.sh"
. "$top_srcdir/t/fault-lib.sh"
. "$top_srcdir/t/block-lib.sh"

fault_need
images=${ECL_TEST_IMAGES:-12}
test -z "$ECL_TEST_LONG" || images=240
test_seeded
seed=$test_seed
disk=$TRASH/ram/disk
R=$disk/fs/root C=$disk/fs/copy
A=$TRASH/btrfs/sender

# step WHO KIND CMD...: run it on root WHO, behind position $now; put aside what it prints with the moment, and what stands there afterwards.
step()
{
	local who=$1 kind=$2 rc

	shift 2
	"$@" | fault_disk stamp "$disk" "$who"
	rc=${PIPESTATUS[*]}
	test "$rc" = "0 0" || { echo "exit $rc of $*"; return 1; }
	now=$(check_crash step "$disk/fs/$who" "$disk/steps.$who" "$kind" "$disk" $now)
}

# put TEXT: all of the files that go back; on the disk.
put()
{
	mkdir -p "$R/live/d/e" && echo "$1" >"$R/live/f" && echo "$1" >"$R/live/d/1" && echo "$1" >"$R/live/d/e/2" && sync -f "$R"
}

test_expect_success 'a history on a disk that remembers every write: blocks, prunings, rollbacks of all and of parts, received blocks' '
	test_when_finished "fault_stop $disk keep"
	ecl-init -q --embedder none --origin host/a "$A"
	mkdir "$A/live/s"
	for n in 0 1 2 3; do
		ecl-append -q -d "$A" -e a:$n -s $n
		echo $n >"$A/live/s/$n"
		echo $n >"$A/live/s/all"
		ecl-snap -q -d "$A"
		ecl-snap -d "$A" --send now $(test $n = 0 || echo --parent auto) >stream.$n
	done
	ecl-snap -d "$A" --send block-2 >whole.2
	ecl-snap -d "$A" --send block-3 >whole.3
	fault_start "$disk" 256M journal
	ecl-init -q --embedder none "$R"
	ecl-init -q --replica "$C"
	receive() { ecl-snap -d "$C" --receive --unsigned <$1; }
	sync -f "$R"
	now=0
	step root start true
	step copy start true
	first=$now
	export ECL_ROOT=$R
	append() { ecl-append -e k:$1 -s "\"$2\""; }
	step root put put old
	step root append append x old
	step root snap ecl-snap
	step copy receive receive stream.0
	step root put put new
	step root append append x new
	step root rollback ecl-rollback --yes block-0
	step copy receive receive stream.1
	step root put put newer
	step root append append y newer
	step root paths ecl-rollback --yes --path f --path d block-1
	step copy receive receive whole.2
	step root rollback ecl-rollback --yes --no-snap block-1
	step root append append y newest
	step root snap ecl-snap
	step root prune ecl-snap --prune --keep last=2
	step copy receive receive stream.3
	step root paths ecl-rollback --yes --no-snap --path d/e --element "k:*" now
	step root put put last
	step root snap ecl-snap
	step root prune ecl-snap --prune --keep last=1
	ecl-verify -q
	ecl-verify -q -d "$C"
	ecl-replay >full.root
	ecl-replay -d "$C" >full.copy
	umount "$disk/fs"
'

# as_found WHO: what the crash left is the old or the new, for a reader too.
as_found()
{
	local bytes

	check_crash stood "$mnt/$1" full.$1 "$disk" "$position" $1 "$disk/steps.$1" >found || return 1
	read -r events bytes <found
	# A torn tail is for the next writer.
	ecl-verify -d "$mnt/$1" >verdict 2>&1 || test "$bytes" != 0 || { cat verdict; return 1; }
	! grep "block-damaged\|corrupt\|rewritten\|forked" verdict || return 1
	# Whatever became of the index, which a block publishes without a sync: nobody gets a wrong answer from it.
	ecl-query -d "$mnt/$1" --format=state >answer 2>err || { cat err; return 1; }
	ecl-replay -d "$mnt/$1" 2>/dev/null | jq -nr "reduce inputs as \$e ({}; if \$e | has(\"state\") then .[\$e.element] = \$e.state else . end) |
		del(.[\"ecl:layer\", \"ecl:block\"]) | to_entries | sort_by(.key)[] | select(.value != null) | \"\(.key)\\t\(.value | tojson)\"" >right
	test_cmp right answer
}

# whole_again WHO: nothing is left over, and every block is what it says.
whole_again()
{
	ecl-verify -d "$mnt/$1" >verdict || { cat verdict; return 1; }
	test_grep "\"verdict\":\"ok\"" verdict || return 1
	! ls -A "$mnt/$1" "$mnt/$1/.snapshots" "$mnt/$1/live/.ecl" | grep "^\.tmp-\|^\.old-\|^\.receive"
}

# goes_on: the next programs of both do what they must.
goes_on()
{
	as_found root || return 1
	test $((n % 3)) != 0 || check_crash reboot "$mnt/root" || return 1
	if test $((n % 2)) = 0; then
		ecl-append -e after:1 -a check >next 2>err || { cat err; return 1; }
		test_line_count = 1 next || return 1
	fi
	ecl-snap >header 2>err || { cat err; return 1; }
	check_crash after "$mnt/root" full.root "$events" && { test $((n % 2)) != 0 || check_blocks "$mnt/root"; } && whole_again root || return 1
	as_found copy || return 1
	receive() { ecl-snap -d "$mnt/copy" --receive --unsigned <whole.3 >header 2>err || { cat err; return 1; }; }
	receive && test "$(jq .height header)" = 3 && whole_again copy || return 1
	test "$(cat "$mnt/copy/live/s/all")" = 3 && ecl-replay -d "$mnt/copy" >log && test_cmp full.copy log
}

test_expect_success "the power is cut $images times: the old or the new, never half, and the next run goes on" '
	mnt=$TRASH/ram/mnt
	export ECL_ROOT=$mnt/root
	mkdir "$mnt"
	test_when_finished "umount -l $mnt 2>/dev/null || :"
	fault_disk points "$disk" $images $seed $first copy >points
	n=0
	while read -r kind position; do
		where="image $n: $kind $position, seed $seed"
		# A name of its own: mount(8) takes a loop device of the same file where one is left, with what it has in memory.
		img=$TRASH/ram/crash.$n
		fault_disk image "$disk" "$kind" "$position" $seed "$img"
		mount -o loop,noatime,nodiscard "$img" "$mnt" || { echo "cannot be mounted: $where"; return 1; }
		if test "$kind" = told; then
			as_found copy
		else
			goes_on
		fi || { echo "after $where"; return 1; }
		umount "$mnt"
		rm "$img"
		n=$((n + 1))
	done <points
	echo "$n images"
	test $n -ge $((images * 3 / 4))
'

test_done
