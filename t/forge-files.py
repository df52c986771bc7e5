#!/usr/bin/env python3
"""Make the table of a block's files lie, with all checksums right: the leaf of one file is another.

usage: forge-files.py BLOCKDIR PATH
"""
import struct
import sys

TABLE = [0] * 256
for n in range(256):
    c = n
    for _ in range(8):
        c = c >> 1 ^ (0x82f63b78 if c & 1 else 0)
    TABLE[n] = c


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xffffffff


def main(block, path):
    name = block + "/.ecl/index/files.base"
    data = bytearray(open(name, "rb").read())
    n, = struct.unpack_from("<Q", data, 8)
    nodes = sum(n >> k for k in range(64))
    size = len(data)
    # The sums end where the body begins: find it by its own length.
    names, = struct.unpack_from("<Q", data, 16)
    body = n * 56 + nodes * 32 + (n + 1) * 8 + n * 12 + names
    start = size - body
    offsets = [struct.unpack_from("<Q", data, start + n * 56 + nodes * 32 + 8 * i)[0] for i in range(n + 1)]
    text = start + body - names
    paths = [bytes(data[text + offsets[i]:text + offsets[i + 1]]) for i in range(n)]
    at = start + n * 56 + 32 * paths.index(path.encode())
    data[at] ^= 1
    chunks = (body + 4095) // 4096
    for c in range(chunks):
        struct.pack_into("<I", data, 64 + 4 * c, crc32c(data[start + 4096 * c:start + min(body, 4096 * (c + 1))]))
    struct.pack_into("<I", data, 40, crc32c(data[:40] + data[64:64 + 4 * chunks]))
    with open(name, "r+b") as f:
        f.write(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
