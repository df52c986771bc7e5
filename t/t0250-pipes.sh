test_description='pipes work both ways: what one program prints, another reads'
. "${0%/*}/test-lib.sh"

test_btrfs
base=$TRASH
test ! -d btrfs || base=$TRASH/btrfs
a=$base/a b=$base/b c=$base/c

test_expect_success 'a ledger with a history, over several batches' '
	ecl-init "$a" >/dev/null
	python3 -c "
import random
random.seed(1)
for i in range(5000):
    print(\"{\\\"element\\\":\\\"k%d:n%d\\\",\\\"state\\\":{\\\"v\\\":%d,\\\"s\\\":\\\"\\u00e9\\\\\\\"%d\\\"}}\" % (i % 3, random.randrange(200), random.randrange(50), i % 7))" >in
	split -l 1700 in part.
	for f in part.*; do ecl-append -q -d "$a" "$f"; done
	ecl-append -q -d "$a" -e k0:n1 -a restart
	ecl-append -q -d "$a" -e k0:n2 -a delete
	test "$(ecl-query -d "$a" --stat | jq .events)" -gt 4000
'

test_expect_success 'ecl-replay | ecl-verify -' '
	ecl-replay -d "$a" | ecl-verify - >out
	tail -n 1 out | jq -e ".verdict == \"ok\""
	test "$(tail -n 1 out | jq .events)" = "$(ecl-query -d "$a" --stat | jq .events)"
	ecl-replay -d "$a" | sed "7s/\"v\":/\"v\":1/" | test_expect_code 1 ecl-verify - >out
'

test_expect_success 'ecl-replay | ecl-append --replica: the same bytes in the same segments' '
	ecl-init --replica "$b"
	ecl-replay -d "$a" | ecl-append -d "$b" --replica >out
	ecl-replay -d "$a" >want
	test_cmp want out
	(cd "$a/live/.ecl/log"; sha256sum *) >segments.a
	(cd "$b/live/.ecl/log"; sha256sum *) >segments.b
	test_cmp segments.a segments.b
	ecl-verify -q -d "$b"
	ecl-query -d "$a" >state.a
	ecl-query -d "$b" >state.b
	test_cmp state.a state.b
'

test_expect_success 'a replica goes on from where it ends, and passes over what it has' '
	ecl-append -q -d "$a" -e k0:n1 -s 99
	ecl-replay -d "$a" | ecl-append -d "$b" --replica >out
	test_line_count = 1 out
	ecl-append -q -d "$a" -e k0:n1 -s 100
	ecl-replay -d "$a" --from "$(ecl-query -d "$b" --stat | jq .events)" | ecl-append -d "$b" --replica >out
	test_line_count = 1 out
	ecl-replay -d "$a" >log.a
	ecl-replay -d "$b" >log.b
	test_cmp log.a log.b
'

test_expect_success 'a gap, a forged line, and a fork are refused, and what is right stays' '
	ecl-append -q -d "$a" -e k0:n1 -s 101
	ecl-append -q -d "$a" -e k0:n1 -s 102
	n=$(ecl-query -d "$b" --stat | jq .events)
	ecl-replay -d "$a" --from $((n + 1)) | test_expect_code 2 ecl-append -d "$b" --replica 2>err
	test_grep "event $((n + 1)) where $n is next" err
	ecl-replay -d "$a" --from $n | sed "2s/\"state\":102/\"state\":103/" | test_expect_code 1 ecl-append -d "$b" --replica >out 2>err
	test_line_count = 1 out
	test_grep "hash of event $((n + 1)) is wrong" err
	cp -a "$a" "$c"
	ecl-append -q -d "$c" -e k0:n1 -s 500
	ecl-append -q -d "$a" -e k0:n1 -s 501
	ecl-replay -d "$a" | ecl-append -q -d "$b" --replica
	ecl-replay -d "$c" | test_expect_code 1 ecl-append -d "$b" --replica 2>err
	test_grep "forked" err
	ecl-verify -q -d "$b"
'

test_expect_success 'ecl-query | ecl-append into another root: the same state hash' '
	ecl-init "$base/d" >/dev/null
	ecl-query -d "$a" | ecl-append -q -d "$base/d"
	ecl-query -d "$a" --layer | jq -r .state >hash.a
	ecl-query -d "$base/d" --layer | jq -r .state >hash.d
	test_cmp hash.a hash.d
	ecl-query -d "$a" --format=state | sha256sum | cut -c1-64 >hash
	test_cmp hash hash.a
	ecl-snap -d "$a" | jq -r .state >header
	test_cmp hash header
'

test_expect_success 'ecl-query --history | ecl-append: the same history elsewhere' '
	ecl-init --time 2001-01-01T00:00:00Z "$base/e" >/dev/null
	ecl-query -d "$a" --history k0:n1 | ecl-append -q --keep-time -d "$base/e"
	ecl-query -d "$a" --history k0:n1 | jq -c "[.time,.action,.state]" >want
	ecl-query -d "$base/e" --history k0:n1 | jq -c "[.time,.action,.state]" >have
	test_cmp want have
'

test_done
