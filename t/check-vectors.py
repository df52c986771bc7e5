"""Vectors of a ledger, by their description in lib/vectors.h alone.

check-vectors.py layer ECL: of the states on stdin, as ecl-query prints them, the layer's vector (DESIGN 6), as base64.
check-vectors.py made ECL: for each row of the space `vectors': 0 where it is all zeros, else a hash.
check-vectors.py given ECL: for each row of the space `given': its seq and its numbers.
check-vectors.py wanted LOG...: the same of the lines of a log: what there should be.
ECL is a directory .ecl.
"""
import base64
import glob
import hashlib
import json
import math
import os
import struct
import sys

FILE = 8 << 20


def manifest(ecl, space):
    ret = {'others': ['0', '0']}
    for line in open(os.path.join(ecl, 'index', space + '.head')):
        word, _, rest = line.rstrip('\n').partition(' ')
        ret[word] = rest if word == 'embedder' else rest.split(' ')
    return ret


def column(ecl, name, width, rows):
    data = b''
    for first in range(0, rows, FILE // width):
        path = os.path.join(ecl, 'index', '%s-%020d' % (name, first))
        data += open(path, 'rb').read()[:min(FILE, (rows - first) * width)]
    assert len(data) == rows * width, (name, len(data), rows, width)
    return [data[i * width:(i + 1) * width] for i in range(rows)]


def read(ecl, space):
    head = manifest(ecl, space)
    width, rows = int(head['column'][0]), int(head['column'][1])
    return int(head['dims'][0]), column(ecl, '%s.%s' % (space, head['seed'][0]), width, rows), head


def quantize(v):
    norm = math.sqrt(sum(x * x for x in v))
    if norm == 0:
        return [0] * len(v)
    scale = 127 / min(1, 10 / math.sqrt(len(v))) / norm
    return [max(-127, min(127, int(math.copysign(math.floor(abs(x) * scale + 0.5), x)))) for x in v]


def signed(row):
    return struct.unpack('%db' % len(row), row)


def layer(ecl):
    dims, rows, _ = read(ecl, 'vectors')
    total = [0] * dims
    for line in sys.stdin:
        row = signed(rows[json.loads(line)['seq']])
        total = [a + b for a, b in zip(total, row)]
    most = max(abs(x) for x in total)
    print(base64.b64encode(struct.pack('%db' % dims, *[(1 if x > 0 else -1) * ((254 * abs(x) // most + 1) // 2) for x in total])).decode())


def given(ecl):
    dims, rows, head = read(ecl, 'given')
    seqs = column(ecl, 'given.seq.%s' % head['seed'][0], 8, len(rows))
    for row, seq in zip(rows, seqs):
        print(struct.unpack('<Q', seq)[0], *signed(row)[:dims])
    print('others', *head['others'])


def wanted(paths):
    dims, others, first = 0, 0, 0
    for path in sorted(paths):
        for line in open(path):
            ev = json.loads(line)
            if 'vector' not in ev:
                continue
            data = base64.b64decode(ev['vector'])
            v = struct.unpack('<%df' % (len(data) // 4), data)
            dims = dims or len(v)
            if len(v) == dims:
                print(ev['seq'], *quantize(v))
            else:
                first = first if others else ev['seq']
                others += 1
    print('others', others, first)


def main():
    if sys.argv[1] == 'layer':
        layer(sys.argv[2])
    elif sys.argv[1] == 'made':
        for row in read(sys.argv[2], 'vectors')[1]:
            print(hashlib.sha256(row).hexdigest() if any(row) else 0)
    elif sys.argv[1] == 'given':
        given(sys.argv[2])
    else:
        wanted(sys.argv[2:] or glob.glob('*.ndjson'))


main()
