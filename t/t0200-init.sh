test_description='ecl-init: a root is made once, finished when half-made, and never made over something else'
. "${0%/*}/test-lib.sh"

test_btrfs

for backend in copy btrfs; do
	need=
	test $backend = copy || need=BTRFS

	test_expect_success "$need" "$backend: the genesis is event 0, printed and durable" '
		root=$(ecl_backend_root $backend)
		ecl-init --backend $backend --origin example.com/log "$root" >out
		test_line_count = 1 out
		ecl-replay -d "$root" >log
		test_cmp out log
		jq -e ".seq == 0 and .element == \"ecl:layer\" and .action == \"create\" and .parent == null" out
		jq -e ".state.format == 1 and .state.hash == \"sha256\" and .state.origin == \"example.com/log\"" out
		jq -e "(.state.embedder | test(\"^ecl-en-[0-9]+:[0-9a-f]{64}\$\")) and (.state.id | test(\"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\$\"))" out
		jq -r .prev out | grep -x "0\{64\}"
		sed "s/,\"hash\":\"[0-9a-f]*\"}\$//" out | tr -d "\n" | sha256sum | cut -c1-64 >want
		jq -r .hash out >have
		test_cmp want have
		ecl-verify -q -d "$root"
	'

	test_expect_success "$need" "$backend: modes keep others out" '
		test "$(stat -c %a "$root/live")" = 750
		test "$(stat -c %a "$root/live/.ecl")" = 750
		test "$(stat -c %a "$root/.snapshots")" = 750
		test "$(stat -c %a "$root/lock")" = 600
	'

	test_expect_success "$need" "$backend: again: exit 0, nothing printed, nothing changed" '
		find "$root" -type f -exec sha256sum {} + | sort >before
		ecl-init "$root" >out
		test_line_count = 0 out
		find "$root" -type f -exec sha256sum {} + | sort >after
		test_cmp before after
	'

	test_expect_success "$need" "$backend: again, on one that has been in use by all programs that write" '
		root=$(ecl_backend_root '$backend')
		ecl-init -q --backend '$backend' "$root"
		openssl genpkey -algorithm ed25519 -out key
		echo "{\"element\":\"a:b\",\"state\":1}" | ecl-append -q --snap -d "$root"
		ecl-snap -q -d "$root" --sign key
		ecl-rollback -q -d "$root" --yes block-0
		ecl-index -q -d "$root"
		ecl-snap -q -d "$root" --prune --keep last=1
		test -e "$root/reserve"
		ecl-init "$root" >out
		test_line_count = 0 out
		ecl-verify -q -d "$root"
	'

	test_expect_success "$need" "$backend: a half-made root is finished, whatever it lacks" '
		for lack in live live/.ecl live/.ecl/log .snapshots; do
			root=$(ecl_backend_root $backend)
			ecl-init --backend $backend "$root" >/dev/null
			rm -rf "$root/live/.ecl/log"/* "$root/live/.ecl/index" "$root/durable"
			if test $lack = live; then
				rm -rf "$root/live/.ecl"
				rmdir "$root/live"
			else
				rm -rf "${root:?}/$lack"
			fi
			test_expect_code 2 ecl-append -d "$root" -e a:b -s 1 2>err
			test_grep "ecl-init" err
			ecl-init --backend $backend "$root" >out
			test_line_count = 1 out
			ecl-append -q -d "$root" -e a:b -s 1
			ecl-verify -q -d "$root"
		done
	'
done

test_expect_success BTRFS 'btrfs: live is a subvolume, and auto takes it' '
	root=$(ecl_backend_root btrfs)
	ecl-init "$root" >/dev/null
	btrfs subvolume show "$root/live"
	test "$(stat -c %i "$root/live")" = 256
'

test_expect_success 'copy: --backend=btrfs says what to do' '
	test "$(stat -f -c %T .)" = btrfs || {
		test_expect_code 2 ecl-init --backend btrfs new 2>err
		test_grep "not on btrfs" err
	}
'

test_expect_success 'leading directories are made' '
	ecl-init --backend copy a/b/c >/dev/null
	test -d a/b/c/live/.ecl/log
'

test_expect_success 'a directory with something else in it is refused and left alone' '
	mkdir full
	echo mine >full/notes
	test_expect_code 2 ecl-init full 2>err
	test_grep "notes" err
	ls -A full >have
	echo notes >want
	test_cmp want have
'

test_expect_success 'a ledger whose log is gone does not get a second genesis' '
	ecl-init --backend copy gone >/dev/null
	ecl-append -q -d gone -e a:b -s 1
	rm gone/live/.ecl/log/*
	test_expect_code 2 ecl-init gone 2>err
	test_grep "is gone" err
	test_expect_code 2 ecl-append -d gone -e a:b -s 2
	ls gone/live/.ecl/log >out
	test_line_count = 0 out
'

test_expect_success 'a replica has no genesis, is marked, and takes no events of its own' '
	ecl-init --backend copy --replica copy1 >out
	test_line_count = 0 out
	test -e copy1/replica
	test_expect_code 2 ecl-append -d copy1 -e a:b -s 1 2>err
	test_grep "replica" err
	ecl-init --replica copy1
	test_expect_code 2 ecl-init copy1
'

test_expect_success '--time dates the genesis, and wrong values are named' '
	ecl-init --backend copy --time 2001-02-03T04:05:06Z old >out
	test "$(jq -r .time out)" = 2001-02-03T04:05:06.000000Z
	test_expect_code 2 ecl-init --time nonsense new1 2>err
	test_grep "nonsense" err
	test_expect_code 2 ecl-init --time 2999-01-01T00:00:00Z new1
	test_expect_code 2 ecl-init --origin "a b" new1
	test_expect_code 2 ecl-init --origin "$(printf "a\\302\\240b")" new1
	test_expect_code 2 ecl-init --origin a+b new1
	test_expect_code 2 ecl-init --backend zfs new1 2>err
	test_grep "zfs" err
	test_expect_code 2 ecl-init --embedder word2vec new1 2>err
	test_grep "word2vec" err
	test_expect_code 2 ecl-init --embedder "" new1
	test_expect_code 2 ecl-init --embedder " " new1
	test_expect_code 2 ecl-init --replica --embedder none new1
	test_expect_code 2 ecl-init --frobnicate new1 2>err
	test_grep "frobnicate" err
	test ! -e new1
'

test_expect_success 'the embedder is kept: none, a model with its hash, a command as it was said' '
	for e in none "./embed --fast" "embed \"q\" é" /usr/bin/embed; do
		ecl-init --backend copy --embedder "$e" "emb $e" >out
		jq -r .state.embedder out >have
		case $e in
		none) echo none ;;
		*) echo "command:$e" ;;
		esac >want
		test_cmp want have
		ecl-verify -q -d "emb $e"
	done 2>err
	test_line_count = 0 err
	ecl-init --backend copy --embedder ecl-en-1 named >out
	ecl-init --backend copy unnamed >out2
	test "$(jq -r .state.embedder out)" = "$(jq -r .state.embedder out2)"
'

test_expect_success 'a ledger that is there keeps its embedder' '
	ecl-init --backend copy --embedder "./a b" kept >/dev/null
	ecl-init --embedder "./a b" kept
	ecl-init kept
	for e in none ecl-en-1 "./a c"; do
		test_expect_code 2 ecl-init --embedder "$e" kept 2>err
		test_grep "ecl-index --embedder" err
		test_grep "command:./a b" err
	done
	ecl-init --backend copy modelled >/dev/null
	ecl-init --embedder ecl-en-1 modelled
'

test_expect_success 'where the model is missing or damaged, a ledger is made without, and it is said' '
	mkdir empty cut
	head -c 1000 "$ECL_MODEL_DIR/ecl-en-1.model" >cut/ecl-en-1.model
	for dir in empty cut; do
		ECL_MODEL_DIR=$PWD/$dir ecl-init --backend copy "without-$dir" >out 2>err
		test "$(jq -r .state.embedder out)" = none
		test_line_count = 1 err
		test_grep "warning: events get no vectors" err
		test_grep "$dir/ecl-en-1.model" err
		test_grep "ecl-index --embedder" err
		test_expect_code 2 env ECL_MODEL_DIR=$PWD/$dir ecl-init --backend copy --embedder ecl-en-1 "asked-$dir" 2>err
		test_grep "$dir/ecl-en-1.model" err
		test ! -e "asked-$dir"
	done
	ECL_MODEL_DIR=$PWD/empty ecl-init --backend copy --embedder none quiet 2>err >/dev/null
	test_line_count = 0 err
'

test_expect_success 'two at once make one ledger' '
	for i in 1 2 3 4 5; do
		ecl-init --backend copy "two$i" >out1 &
		ecl-init --backend copy "two$i" >out2
		wait $!
		cat out1 out2 >both
		test_line_count = 1 both
	done
'

test_expect_success NONROOT 'an ordinary user makes a root of their own' '
	mkdir mine
	chmod 777 mine
	as_user ecl-init --backend copy mine/ledger >/dev/null
	as_user ecl-append -d mine/ledger -e a:b -s 1 >out
	test_line_count = 1 out
	as_user ecl-verify -q -d mine/ledger
'

test_expect_success ROOT,NONROOT 'a root of another user is refused to a writer without --force' '
	test_expect_code 2 ecl-append -d mine/ledger -e a:b -s 2 2>err
	test_grep "belongs to uid" err
	ecl-append -q --force -d mine/ledger -e a:b -s 2
'

test_done
