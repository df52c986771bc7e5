#!/usr/bin/env python3
"""Edit what an index says of an element, with checksums that fit, as somebody with write permission would.

usage: forge-index.py INDEXDIR ELEMENT LAST LAST_STATE ALIVE
       forge-index.py --older INDEXDIR       rows as programs wrote them that knew nothing of actors
       forge-index.py --tree INDEXDIR        other hashes, in all levels of the tree (of up to 2048 events)
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


def manifest(where):
    return open(where + "/head", "rb").read()


def seed_of(where):
    return int(re.search(rb"^seed ([0-9a-f]{8})$", manifest(where), re.M).group(1), 16)


def forge_tree(where):
    seed, text = seed_of(where), manifest(where)
    for line in re.findall(rb"^column tree\.\d 32 \d+ [0-9a-f]{8}$", text, re.M):
        name, rows = line.split()[1], int(line.split()[3])
        if rows == 0:
            continue
        path = "%s/%s-%020d" % (where, name.decode(), 0)
        data = bytearray(open(path, "rb").read())
        for i in range(0, rows * 32, 32):
            data[i] ^= 1
        open(path, "wb").write(data)
        crc = crc32c(crc32c(crc32c(seed, name), struct.pack("<Q", 0)), bytes(data[:rows * 32]))
        text = text.replace(line, line[:-8] + b"%08x" % crc)
    text = text[:text.rindex(b"crc ")]
    open(where + "/head", "wb").write(text + b"crc %08x\n" % crc32c(0, text))


def forge_older(where):
    seed, text = seed_of(where), manifest(where)
    line = re.search(rb"^column rows 32 (\d+) [0-9a-f]{8}$", text, re.M)
    rows, chunk = int(line.group(1)), 65536
    path = "%s/rows-%020d" % (where, 0)
    data = bytearray(open(path, "rb").read())
    for i in range(0, rows * 32, 32):
        struct.pack_into("<I", data, i + 28, struct.unpack_from("<I", data, i + 28)[0] & 0x7f)
    open(path, "wb").write(data)
    crcs = [crc32c(crc32c(crc32c(seed, b"rows"), struct.pack("<Q", at // chunk)), bytes(data[at:min(at + chunk, rows * 32)]))
            for at in range(0, rows * 32, chunk)]
    full = rows * 32 // chunk
    with open(path + ".sum", "r+b") as f:
        f.write(struct.pack("<%dI" % full, *crcs[:full]))
    text = text.replace(line.group(0), line.group(0)[:-8] + b"%08x" % (crcs[full] if full < len(crcs) else 0))
    text = text[:text.rindex(b"crc ")]
    open(where + "/head", "wb").write(text + b"crc %08x\n" % crc32c(0, text))


def forge_element(where, element, last, last_state, alive):
    seed = seed_of(where)
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


if sys.argv[1] == "--tree":
    forge_tree(sys.argv[2])
elif sys.argv[1] == "--older":
    forge_older(sys.argv[2])
else:
    forge_element(sys.argv[1], sys.argv[2], *(int(n) for n in sys.argv[3:6]))
