#!/usr/bin/env python3
"""What ecl-query --unusual must say, by comparing every row with every one before it.

usage: check-unusual.py [-k N] [--since SEQ] [--until SEQ] [--glob GLOB] [--action A] [--actor A] ECL <ANSWERS

ECL is the .ecl directory, whose rows are all in the index: seqs from SINCE to UNTIL are judged, as far as they pass.
"""
import argparse
import fnmatch
import glob
import json
import operator
import re
import sys

p = argparse.ArgumentParser()
p.add_argument("-k", type=int, default=10)
p.add_argument("--since", type=int, default=0)
p.add_argument("--until", type=int, default=1 << 62)
p.add_argument("--glob")
p.add_argument("--action")
p.add_argument("--actor")
p.add_argument("ecl")
a = p.parse_args()


def die(text):
    sys.exit("check-unusual: " + text)


def rows(ecl):
    with open(ecl + "/index/vectors.head") as f:
        seed, width, n = re.search(r"seed (\w+)\n(?:.*\n)*column (\d+) (\d+) ", f.read()).groups()
    data = b""
    for name in sorted(glob.glob("%s/index/vectors.%s-*" % (ecl, seed))):
        if not name.endswith(".sum"):
            with open(name, "rb") as f:
                data += f.read()
    width = int(width)
    return [[x - 256 if x > 127 else x for x in data[i * width:(i + 1) * width]] for i in range(int(n))]


def dot(x, y):
    return sum(map(operator.mul, x, y))


lines = []
for name in sorted(glob.glob(a.ecl + "/log/*.ndjson")):
    with open(name) as f:
        lines += f.read().splitlines()
events = [json.loads(line) for line in lines]
row = rows(a.ecl)
if len(row) != len(events):
    die("%d rows, %d events" % (len(row), len(events)))
own = [dot(r, r) for r in row]
cosines = {}


def score(seq):
    near = cosines[seq] = [(dot(row[seq], row[i]) / (own[seq] * own[i]) ** 0.5, i) for i in range(seq) if own[i]]
    best = max(near, default=(0, None))
    return min(1, max(0, 1 - best[0])), best[1]


def judged(e):
    if a.glob is not None and not fnmatch.fnmatchcase(e["element"], a.glob):
        return False
    return (a.since <= e["seq"] <= a.until and own[e["seq"]] and not e["element"].startswith("ecl:") and
            a.action in (None, e["action"]) and a.actor in (None, e.get("actor")))


scored = ((score(e["seq"]), e["seq"]) for e in events if judged(e))
want = sorted((x for x in scored if x[0][0] > 0), key=lambda x: (-x[0][0], -x[1]))[:a.k]
got = sys.stdin.read().splitlines()
if len(got) != len(want):
    die("%d answers, not %d" % (len(got), len(want)))
for line, ((value, nearest), seq) in zip(got, want):
    answer = json.loads(line)
    if not line.startswith(lines[answer["seq"]][:-1] + ',"score":'):
        die("not the event as stored: " + line)
    if abs(answer["score"] - value) > 0.00006:
        die("event %d has the score %f, not %f of event %d" % (answer["seq"], answer["score"], value, seq))
    near = cosines[answer["seq"]] if answer["seq"] in cosines else die("event %d was not to be judged" % answer["seq"])
    if list(answer)[-2:] != ["score", "nearest"] or (answer["nearest"] is None) != (not near):
        die("no nearest: " + line)
    if near and max(near)[1] != answer["nearest"]:
        die("event %d: nearest is %d, not %d" % (answer["seq"], max(near)[1], answer["nearest"]))
