#!/bin/bash
test_description='ecl-plot: the pictures show what is there, at any size, whatever the names are'
. "${0%/*}/test-lib.sh"

for program in gnuplot /usr/bin/python3; do
	command -v $program >/dev/null && continue
	test -z "${ECL_TEST_BTRFS-}" || test_bail "$program is missing"
	skip_all="$program is missing"
	test_done
done

# What is in a picture: `text TEXT' and `boxes N', `points N', `lines N', each for all of it.
cat >see.py <<'EOF2' || exit
import sys
import xml.etree.ElementTree as tree

root = tree.parse(sys.argv[1]).getroot()
short = lambda e: e.tag.rpartition("}")[2]
counts = {"boxes": 0, "points": 0}
for e in root.iter():
    if short(e) == "text":
        print("text", "".join(e.itertext()))
    if short(e) not in ("svg", "g", "title", "desc", "defs", "circle", "path", "rect", "polygon", "text", "use", "style", "linearGradient", "stop", "clipPath", "image", "filter", "feFlood", "feComposite"):
        print("what is", short(e))
for group in root.iter():
    if group.get("id", "").startswith("gnuplot_plot_"):
        for e in group.iter():
            counts["boxes"] += short(e) == "polygon"
            if short(e) == "use":
                counts["points"] += 1
                print("at", e.get("x") or e.get("transform"))
for what, n in counts.items():
    print(what, n)
EOF2

see()
{
	python3 see.py "$1" >seen && cat seen
}

# png FILE: its width and height, as the file says them.
png()
{
	python3 -c 'import struct, sys; d = open(sys.argv[1], "rb").read(); assert d[:8] == b"\x89PNG\r\n\x1a\n"; print("%dx%d" % struct.unpack(">II", d[16:24]))' "$1"
}

# event SECOND ELEMENT ACTION [STATE]
event()
{
	printf '{"time":"2026-11-22T05:%02d:%02d.000000Z","element":"%s","action":"%s"%s}\n' $(($1 / 60)) $(($1 % 60)) "$2" "$3" "${4:+,\"state\":$4}"
}

test_expect_success 'events: a row for each kind with its count, a bar wherever there are some, blocks and rollbacks' '
	{
		event 0 pkg:a create 1 && event 0 pkg:b create 1 && event 60 pkg:a modify 2 &&
		event 120 link:eth0 create 1 && event 130 ecl:block snap "{\"height\":41}" &&
		event 200 ecl:layer rollback && event 240 plain delete null
	} >events &&
	ecl-plot events - <events >events.svg && see events.svg &&
	grep -x "text standard input: 5 events" seen &&
	grep "^text 2026-11-22 05:00:00 to 2026-11-22 05:04:00 UTC; a bar is 2 s, the highest 2 events" seen &&
	grep -x "text pkg  3" seen && grep -x "text link  1" seen && grep -x "text plain  1" seen &&
	grep -x "text 41" seen && grep -x "text rollback" seen && grep -x "boxes 4" seen
'

test_expect_success 'thirty kinds: the first rows are those with most events, the last is the rest' '
	for i in {1..30}; do
		for ((j = 0; j < i; j++)); do event $j kind$i:a modify 1; done
	done >many &&
	ecl-plot --rows 5 events - <many >many.svg && see many.svg &&
	grep "^text kind\|^text other" seen >rows && printf "text %s\n" "kind30  30" "kind29  29" "kind28  28" "kind27  27" "other (26)  351" >expect &&
	test_cmp expect rows && ecl-plot --size 320x200 events - <many >small.svg && see small.svg && grep "text other (2.)  3" seen &&
	ecl-plot --size 1600x1200 events - <many >large.svg && see large.svg && ! grep "text other" seen && grep -x "text kind1  1" seen
'

test_expect_success 'states: a row for each member, a bar for each value, nothing while it is gone' '
	{
		event 0 if:a create "{\"mtu\":1500,\"up\":true,\"ip\":{\"v4\":\"10.0.0.1\"}}" &&
		event 60 if:a modify "{\"mtu\":9000,\"up\":true,\"ip\":{\"v4\":\"10.0.0.1\"}}" &&
		event 90 if:a restart && event 120 if:a delete null && event 180 if:a create "{\"mtu\":1500}" && event 240 if:a restart
	} >states &&
	ecl-plot states - <states >states.svg && see states.svg &&
	grep -x "boxes 5" seen && grep -x "text ip.v4" seen && grep -x "text 10.0.0.1" seen && test "$(grep -cx "text 1500" seen)" = 2 &&
	grep -x "text 9000" seen && grep -x "text create (2)" seen && grep -x "text restart (2)" seen && grep -x "text delete (1)" seen &&
	test "$(grep -c "^at" seen)" = 6
'

test_expect_success 'path: vectors on a line lie on a line; what has none, or is of another embedder, is counted' '
	python3 - >blocks <<-\EOF2 &&
	import base64, json
	def block(height, embedder, vector):
	    print(json.dumps({"height": height, "time": "2026-11-22T05:%02d:00.000000Z" % height, "embedder": embedder,
	        **({"vector": base64.b64encode(bytes(v & 255 for v in vector)).decode()} if vector else {})}))
	block(0, "old", [1] * 256)
	block(1, "new", None)
	for i in range(4):
	    block(2 + i, "new", [100] + [10 * i - 15] + [0] * 254)
	EOF2
	ecl-plot path - <blocks >path.svg && see path.svg &&
	grep "text .*; 1 without a vector; 1 of another embedder" seen && grep -x "text first principal component (100% of the variance)" seen &&
	grep -x "text standard input: the layer.s path, 4 blocks" seen && grep -x "points 4" seen && grep -x "text 5" seen &&
	grep "^at" seen | tr -dc "0-9.,\n " >at && test "$(sort -n at | cut -d. -f1 | uniq | wc -l)" = 4
'

test_expect_success 'PNG, of the size asked for; a picture without an event says so, exit 1' '
	ecl-plot --size 500x300 --format png events - <events >events.png && test "$(png events.png)" = 500x300 &&
	ecl-plot -o states.png states - <states && test "$(png states.png)" = 960x480 &&
	test_expect_code 1 ecl-plot events - </dev/null >none.svg && see none.svg && grep -x "text no events" seen &&
	test_expect_code 1 ecl-plot path - </dev/null >none.svg && see none.svg && grep -x "text no blocks" seen &&
	for year in 1000 8999; do printf "{\"time\":\"$year-12-31T23:59:59Z\",\"element\":\"a:b\",\"state\":[1e400]}\n"; done >far &&
	ecl-plot events - <far >far.svg && see far.svg && grep -x "boxes 2" seen && ecl-plot --size 120x120 states - <far >far.svg &&
	test_expect_code 2 ecl-plot events - <<<"{\"time\":\"9999-12-31T23:59:59Z\"}" >out &&
	sed 1q events | ecl-plot events - >one.svg && see one.svg && grep -x "boxes 1" seen
'

test_expect_success 'names run nothing, and are drawn as they are' '
	cat >hostile.py <<-\EOF2 &&
	import json
	names = ["\x27; system(\x27touch pwned\x27) #", "`touch pwned`", "\";!touch pwned", "@x{/Bold y}^_", "a%s%d\\\\", "\\", "\x27", "<script>alert(1)</script>]]>&amp;",
	    "$(touch pwned)", "\u202egnp", "\u65e5\u672c", "END", "\uffff", "1/0", "\\0471", ""]
	for i, name in enumerate(names):
	    print(json.dumps({"time": "2026-11-22T05:%02d:00.000000Z" % i, "element": "k:x", "action": name, "state": {name: name, "v": name}}))
	EOF2
	python3 hostile.py >hostile &&
	ecl-plot --size 3000x900 --title "\`touch pwned\`" states - <hostile >hostile.svg && see hostile.svg &&
	jq -r ".action" hostile | sed "s/\xe2\x80\xae/\\\\u202e/; s/\xef\xbf\xbf/\\\\uffff/; /^\$/d" | while IFS= read -r name; do
		grep -xF "text $name" seen >/dev/null || { echo "not there: $name"; exit 1; }
	done && grep -xF "text \`touch pwned\`" seen && ! grep "^what is" seen &&
	jq -c ".element = .action + \":x\"" hostile >kinds && ecl-plot --size 900x900 events - <kinds >kinds.svg && see kinds.svg && grep -x "boxes 16" seen &&
	ecl-plot -o hostile.png states - <hostile && test "$(png hostile.png)" = 960x480 && ! test -e pwned
'

test_expect_success 'from the ledger: the root in the title, blocks and their path; since and until; the examples of the manual' '
	ecl-init -q --backend copy "R'\''s" && export ECL_ROOT=$PWD/R\'\''s &&
	echo "{\"element\":\"interface:eth0\",\"state\":{\"mtu\":1500}}" | ecl-append -q --actor ansible && ecl-snap -q &&
	echo "{\"element\":\"interface:eth0\",\"state\":{\"mtu\":9000}}" | ecl-append -q --actor ansible &&
	echo "{\"element\":\"service:nginx\",\"state\":\"down\"}" | ecl-append -q && ecl-snap -q &&
	ecl-plot events >events.svg && see events.svg && grep -xF "text $ECL_ROOT: 3 events" seen && grep -x "text interface  2" seen && grep -x "text 1" seen &&
	ecl-plot events "service:*" >events.svg && see events.svg && grep -x "text service  1" seen && ! grep "text interface" seen &&
	ecl-plot --since block-0 states interface:eth0 >states.svg && see states.svg && grep -x "text 9000" seen && ! grep -x "text 1500" seen && grep "UTC; 1 event$" seen &&
	ecl-plot --until block-0 states interface:eth0 >states.svg && see states.svg && grep -x "text 1500" seen && ! grep -x "text 9000" seen &&
	test_expect_code 1 ecl-plot states no:such >none.svg && see none.svg && grep -x "text no events of no:such" seen &&
	python3 "$top_srcdir/t/manual-examples.py" "$top_srcdir/scripts/ecl-plot.1" >examples && test_line_count -gt 3 examples &&
	mkdir examples.d && (example() { eval "$1"; } && display() { :; } && cd examples.d && . ../examples) &&
	png examples.d/week.png && for p in eth0 path runs; do see examples.d/$p.svg || return 1; done &&
	see examples.d/path.svg && grep -x "points 2" seen && see examples.d/runs.svg && grep -x "text standard input: 2 events" seen
'

test_expect_success 'what is wrong is named, and the file stays as it was' '
	echo old >kept && echo "{\"time\":1}" >>events &&
	test_expect_code 2 ecl-plot -o kept --format svg events - <events 2>err && grep "standard input:8: not an event" err &&
	event 0 a:b create 1 >two && event 1 a:c create 1 >>two &&
	test_expect_code 2 ecl-plot -o kept states - <two 2>err && grep "standard input:2: an event of .a:c. after one of .a:b." err &&
	test_expect_code 2 ecl-plot -o kept -d nowhere events 2>err && grep "nowhere" err &&
	test_expect_code 2 env PATH=/nowhere "$top_srcdir/scripts/ecl-plot" -o kept events - <two 2>err && grep "cannot run .gnuplot." err &&
	test "$(cat kept)" = old && ls -A | grep "^\.ecl-plot" && return 1
	for args in "" "chart" "--no-such events" "--size" "--size 5x5 events" "--size 9 events" "--format gif events" "-o x.gif events" "states" "states a b" "path x" "--rows x events" "--since 1d events -"; do
		test_expect_code 2 ecl-plot $args </dev/null >out 2>err && test_line_count = 1 err && test_must_fail test -s out || return 1
	done
'

test_expect_success 'the man page is well-formed; --help fits on 80 columns' '
	ecl-plot --help >text && test_grep ! ".\{81\}" text && grep "^usage: ecl-plot" text &&
	if command -v mandoc >/dev/null; then
		mandoc -T lint -W style "$top_srcdir/scripts/ecl-plot.1" 2>/dev/null | sed "/referenced manual not found/d" >lint && test_cmp /dev/null lint
	fi
'

test_done
