#!/usr/bin/env python3
"""Edit what an index says of an element, with checksums that fit, as somebody with write permission would.

usage: forge-index.py INDEXDIR ELEMENT LAST LAST_STATE ALIVE
"""
import glob
import os
import re
import struct
import sys

BLOCK, BODY = 4096, 4092


def crc32c(crc, data):
    crc ^= 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def main(where, element, last, last_state, alive):
    seed = int(re.search(rb"^seed ([0-9a-f]{8})$", open(where + "/head", "rb").read(), re.M).group(1), 16)
    name, done = struct.pack("<H", len(element)) + element.encode(), 0
    for path in glob.glob(where + "/elements-*.run"):
        number = int(os.path.basename(path)[9:-4])
        data = bytearray(open(path, "rb").read())
        for block in range(1, 1 + struct.unpack_from("<Q", data, 24)[0]):
            at = data.find(name, block * BLOCK, block * BLOCK + BODY)
            if at == -1:
                continue
            struct.pack_into("<QQB", data, at + len(name) + 12, last, last_state, alive)
            body = bytes(data[block * BLOCK:block * BLOCK + BODY])
            struct.pack_into("<I", data, block * BLOCK + BODY, crc32c(crc32c(seed, struct.pack("<QQ", number, block)), body))
            done += 1
        with open(path, "r+b") as f:
            f.write(data)
    if done != 1:
        sys.exit("%d records of '%s'" % (done, element))


main(sys.argv[1], sys.argv[2], *(int(n) for n in sys.argv[3:6]))
