#!/usr/bin/env python3
"""What ecl-query --like must say, by the vectors in the headers, and ecl-query --layer and --diff.

usage: check-like.py ROOT WHEN K <ANSWERS

WHEN is a seq, or a block, which is left out then.
"""
import base64
import json
import subprocess
import sys

root, when, k = sys.argv[1], sys.argv[2], int(sys.argv[3])


def ask(*words):
    return [json.loads(line) for line in subprocess.run(["ecl-query", "-d", root, "--json", *words], stdout=subprocess.PIPE, check=True).stdout.splitlines()]


def vector(text):
    return [x - 256 if x > 127 else x for x in base64.b64decode(text)]


def dot(x, y):
    return sum(a * b for a, b in zip(x, y))


layer = ask("--layer", "--at", when)[0]
q, embedder = vector(layer["vector"]), ask("--event", "0")[0]["state"]["embedder"]
want = []
for b in ask("--blocks"):
    name = "block-%06d-%s" % (b["height"], b["hash"][:8])
    if "vector" in b and b["embedder"] == embedder and not (when.startswith("block-") and b["size"] == layer["seq"] + 1):
        v = vector(b["vector"])
        want.append((dot(q, v) / (dot(q, q) * dot(v, v)) ** 0.5, b["height"], name, b))
# Twice as many as wanted by the cosine; among those, of equal ones to three decimals, by the number of differences.
want.sort(key=lambda w: w[:2], reverse=True)
judged = []
for score, height, name, b in want[:2 * k]:
    changes = ask("--diff", name, str(layer["seq"]))
    judged.append((-int(max(score, 0) * 1000 + 0.5), len(changes), -height, name, b, changes))
judged.sort(key=lambda j: j[:3])
got = [json.loads(line) for line in sys.stdin]
if [g["block"] for g in got] != [j[3] for j in judged[:k]]:
    sys.exit("check-like: %s, not %s" % ([g["block"] for g in got], [j[3] for j in judged[:k]]))
for g, (score, _, height, name, b, changes) in zip(got, judged):
    count = {c: sum(x["change"] == c for x in changes) for c in ("create", "modify", "delete")}
    expect = dict(block=name, height=-height, time=b["time"], score=-score / 1000, path=b["path"], present=b["present"], **count,
                  elements=[x["element"] for x in changes][:5])
    if list(g.items()) != list(expect.items()):
        sys.exit("check-like: %s\nnot %s" % (g, expect))
