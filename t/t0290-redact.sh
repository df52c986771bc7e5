#!/usr/bin/env bash
test_description='redaction: a change shows, the secret does not, nowhere'
. "${0%/*}/test-lib.sh"

secret=hunter2-hunter2
ECL_ROOT=$TRASH/root
export ECL_ROOT
ecl-init -q --backend copy --embedder none "$ECL_ROOT" || test_bail 'no ledger'
head -c 32 /dev/urandom >key && chmod 600 key || exit

redacting()
{
	ecl-append --redact '*.password' --redact-key key "$@"
}

# login PASSWORD: an observation with a secret in its state and one in its meta.
login()
{
	printf '{"element":"login:db","state":{"user":"u","db":{"password":"%s"}},"meta":{"password":["%s"],"by":"me"}}\n' "$1" "$1"
}

# Wherever a secret could have gone: the ledger, what was printed, what was put away.
nowhere()
{
	! grep -r -e "$secret" "$ECL_ROOT" out err rejects 2>/dev/null
}

test_expect_success 'the secret is in no event, and what is beside it is' '
	login $secret | redacting >out 2>err &&
	jq -e ".action == \"create\" and .state.user == \"u\" and .meta.by == \"me\"" out &&
	jq -e "[.state.db.password, .meta.password] | all(test(\"^redacted:[0-9a-f]{32}$\"))" out &&
	nowhere
'

test_expect_success 'the same secret is no change, another one is, and it comes back as it was' '
	login $secret | redacting >out &&
	test_line_count = 0 out &&
	login other | redacting >out &&
	test_line_count = 1 out &&
	login $secret | redacting >out &&
	test_line_count = 1 out &&
	ecl-query --history login:db | jq -r .state.db.password >texts &&
	test_line_count = 3 texts &&
	test "$(sort -u texts | wc -l)" = 2 &&
	nowhere
'

test_expect_success 'another key is another text' '
	head -c 16 /dev/urandom >other && chmod 600 other &&
	login $secret | ecl-append --dry-run --redact "*.password" --redact-key other >out &&
	test_line_count = 1 out &&
	nowhere
'

test_expect_success 'what ecl prints is input again, with and without redaction' '
	ecl-query login:db >again &&
	redacting again >out &&
	test_line_count = 0 out &&
	ecl-append again >out &&
	test_line_count = 0 out
'

test_expect_success 'by options, in a dry run, and in a pipe that is a key: nowhere' '
	redacting -n -e login:web -s "{\"password\":\"$secret\"}" >out 2>err &&
	test_line_count = 1 out &&
	nowhere &&
	redacting -e login:web -s "{\"password\":\"$secret\"}" >out 2>err &&
	nowhere &&
	ecl-append --redact password --redact-key <(cat key) -e login:web -s "{\"password\":\"$secret\"}" >out 2>err &&
	test_line_count = 0 out
'

test_expect_success 'lines that are refused: neither message nor rejects file has it' '
	cat >in <<-END &&
	{"element":"a:1","state":{"password":"$secret"},"nonsense":1}
	{"element":"a:2","state":{"password":"$secret" "x"}}
	{"element":"a:3","state":{"password":$secret}}
	{"element":"a:4","state":{"password":"$secret","password":"$secret"}}
	{"element":"a:5","state":{"password":"$secret"},"time":"2001-01-01T00:00:00Z"}
	{"element":"a:6","state":{"password":"$secret"},"vector":"$secret"}
	{"element":"a:7","state":{"password":"$secret"},"time":"$secret"}
	{"element":"ecl:7","state":{"password":"$secret"}}
	{"element":"a:8","action":"delete","state":{"password":"$secret"}}
	{"element":"a:9","state":{"password":"$(printf "\001")$secret"}}
	$secret
	{"element":"a:10","state":{"password":"$(head -c 1100000 /dev/zero | tr "\0" x)$secret"}}
	{"element":"a:11","state":{"password":"$secret"}}
	END
	test_expect_code 1 redacting --keep-time --rejects rejects in >out 2>err &&
	test_line_count = 1 out &&
	test_line_count = 12 err &&
	test_line_count = 12 rejects &&
	nowhere &&
	test_grep "^{\"rejected\":\"in:2:56: expected" rejects &&
	grep "\"element\":\"a:5\",\"time\":\"2001-01-01T00:00:00.000000Z\",\"state\":{\"password\":\"redacted:" rejects &&
	jq -e . rejects >/dev/null
'

test_expect_success 'what has an endless path is replaced unseen, and soon' '
	jq -nc "{element: \"long:1\", state: {a: {(\"A\" * 4094): 1}, b: {(\"B\" * 4085): 1}, (\"C\" * 450000): ([range(40000)] | map({(\"k\\(.)\"): 1}) | add)}}" >in &&
	(ulimit -t 20 && exec ecl-redact --key key "*.password") <in >out &&
	jq -e ".state | [.a, .b | .[]] | (.[0] | test(\"^redacted:\")) and .[1] == 1" out &&
	jq -e ".state[\"C\" * 450000] | test(\"^redacted:\")" out
'

test_expect_success 'the redacted line that was put away can be recorded later' '
	grep "a:5" rejects >later &&
	redacting later >out &&
	test_line_count = 1 out
'

test_expect_success 'a deletion is one, and a completion deletes' '
	echo "{\"element\":\"login:web\",\"state\":null}" | ecl-append --redact "*" --redact-key key >out &&
	jq -e ".action == \"delete\" and .state == null" out &&
	printf "%s\n" "{\"complete\":\"login:*\"}" | ecl-append --redact "*" --redact-key key >out &&
	jq -e ".action == \"delete\" and .element == \"login:db\"" out
'

test_expect_success 'a key that others may read, that is short, missing, or in the ledger is refused' '
	for mode in 640 604 620; do
		cp key open && chmod $mode open || return 1
		login $secret | test_expect_code 2 ecl-append --redact p --redact-key open 2>err || return 1
		test_grep "others may use the key .open." err || return 1
	done &&
	head -c 15 key >short && chmod 600 short &&
	login $secret | test_expect_code 2 ecl-append --redact p --redact-key short 2>err &&
	test_grep "has 15 bytes, fewer than 16" err &&
	login $secret | test_expect_code 2 ecl-append --redact p --redact-key nowhere 2>err &&
	test_grep "nowhere.: No such file" err &&
	cp key "$ECL_ROOT/live/key" && chmod 600 "$ECL_ROOT/live/key" && ln -s "$ECL_ROOT/live/key" link &&
	login $secret | test_expect_code 2 ecl-append --redact p --redact-key link 2>err &&
	test_grep "inside the ledger" err &&
	rm "$ECL_ROOT/live/key"
'

test_expect_success 'who has the key in memory leaves no core' '
	mkfifo slow.key &&
	for program in "ecl-append -q --redact p --redact-key slow.key -e n:1 -s 1" "ecl-redact --key slow.key p"; do
		(ulimit -S -c unlimited 2>/dev/null; exec $program </dev/null) >/dev/null &
		pid=$! &&
		exec 7>slow.key &&
		grep "^Max core file size *1  *1 " /proc/$pid/limits &&
		cat key >&7 &&
		exec 7>&- &&
		wait $pid || return 1
	done
'

test_expect_success 'usage' '
	test_expect_code 2 ecl-append --redact p </dev/null 2>err &&
	test_expect_code 2 ecl-append --redact-key key </dev/null 2>err &&
	test_expect_code 2 ecl-append --redact "" --redact-key key </dev/null 2>err &&
	test_expect_code 2 ecl-append --replica --redact p --redact-key key </dev/null 2>err &&
	test_grep "do not go together" err
'

test_expect_success 'many lines at once, read ahead in a thread: all of them' '
	for ((i = 0; i < 20000; i++)); do
		printf "{\"state\":{\"password\":\"%s%d\", \"n\":%d},\"element\":\"m:%d\"}\n" $secret $i $i $i
	done >many &&
	redacting -q many 2>err &&
	ecl-query "m:*" >out &&
	test_line_count = 20000 out &&
	jq -r .state.password out | sort -u >texts &&
	test_line_count = 20000 texts &&
	redacting many >out &&
	test_line_count = 0 out &&
	nowhere &&
	ecl-verify -q
'

test_expect_success 'no core holds the key' '
	if test "$(ulimit -H -c)" = 0; then return 0; fi &&
	ulimit -S -c "$(ulimit -H -c)" && mkfifo pipe &&
	for program in "ecl-redact --key key" "ecl-append --dry-run --redact-key key --redact"; do
		rm -f out && { $program "*.password" <pipe >out & } && job=$! && exec 8>pipe && login $secret >&8 &&
		for ((i = 0; i < 2400; i++)); do test ! -s out || break; sleep 0.05; done &&
		grep "^Max core file size  *1  *1 " /proc/$job/limits && exec 8>&- && wait $job && test_line_count = 1 out || return 1
	done
'

test_expect_success 'long names above many values: compared up to a bound, and not kept behind it' '
	head -c 32 /dev/urandom >key.bound && chmod 600 key.bound &&
	python3 - >many <<-\END &&
		text = "[" + ",".join(["1"] * 10000) + "]"
		for _ in range(60):
		    text = "{\"%s\":%s}" % ("n" * 66, text)
		print("{\"element\":\"a:1\",\"state\":%s}" % text)
	END
	ecl-redact --key key.bound nosuch <many >out &&
	jq -c "[.. | scalars] | [.[1], .[-1]]" out >have && test_grep "^\[1,\"redacted:" have &&
	jq -c ".state |= \"s\"" many | ecl-redact --key key.bound nosuch >out && test_grep "\"s\"" out
'

test_done
