#!/usr/bin/env python3
"""make-events.py N ELEMENTS [SEED]: N events of about 150 bytes over so many elements, as json.dumps prints them.

Members are unsorted and separated by a space, as programs write them: what a bulk append has to cope with.  Each
event changes its element's state.
"""
import random
import sys

n, elements = int(sys.argv[1]), int(sys.argv[2])
rnd = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
kinds = ("interface", "service", "file", "package")
out = []
for i in range(n):
    e = i if elements >= n else rnd.randrange(elements)
    kind = kinds[e & 3]
    out.append('{"element": "%s:host%02d/item%06d", "state": {"version": "%d.%d.%d", "state": "%s", "mtu": %d, "address": "10.%d.%d.%d", "zone": "z%d", "n": %d}}\n' % (
        kind, e % 50, e, i & 7, e & 15, i % 97, "up" if i & 1 else "down", 1500 + e % 7500, e & 255, i & 255, (i >> 8) & 255, i & 3, i))
    if len(out) == 4096:
        sys.stdout.write("".join(out))
        out.clear()
sys.stdout.write("".join(out))
