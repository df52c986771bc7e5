#!/usr/bin/env python3
"""Rows of vectors, signed bytes, on the standard input, for sqlite-vec.

similar-rows.py draw N DIMS ROWS
	N rows at random, not of zeros: each as hex, and as a unit vector of float32 in hex.
similar-rows.py near FROM DIMS
	SQL that asks for the two nearest rows of each of the first hundred rows from number FROM on, of which one is the row
	itself: sqlite-vec can leave out what is not before it only by a list of rowids, which takes longer than all of them.
"""
import random
import struct
import sys


def unit(row, dims):
    v = struct.unpack("%db" % dims, row)
    length = sum(x * x for x in v) ** 0.5
    return struct.pack("<%df" % dims, *(x / length for x in v))


def main(what, first, dims, *more):
    first, dims, rows = int(first), int(dims), sys.stdin.buffer
    if what == "draw":
        wanted, at = sorted(random.Random(1).sample(range(1, int(more[0])), min(first, int(more[0]) - 1))), 0
        out = []
        for number in range(int(more[0])):
            row = rows.read(dims)
            if at < len(wanted) and number >= wanted[at] and any(row):
                out.append(row)
                at += 1
        random.Random(2).shuffle(out)
        for row in out:
            print(row.hex() + "\t" + unit(row, dims).hex())
    else:
        for number in range(first + 100):
            row = rows.read(dims)
            if number >= first and any(row):
                print("SELECT rowid, distance FROM v WHERE e MATCH vec_int8(x'%s') AND k=2;" % row.hex())
        while rows.read(1 << 20):
            pass


main(*sys.argv[1:])
