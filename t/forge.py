#!/usr/bin/env python3
"""Attack a log, as somebody with write permission would.

usage: forge.py offset FILE N               where line N (from 0) begins
       forge.py flip FILE OFFSET            change one bit
       forge.py edit FILE N OLD NEW         replace text in line N and recompute its hash
       forge.py chain FILE N OLD NEW        and the hashes of all lines behind it
       forge.py renumber FILE               make one log of the lines: seq, time, parent, prev and hash of each
       forge.py flips FILE CMD [ARG...]     change bytes one by one: two whole lines, and every 37th of the others; each
                                            time CMD must exit 1 and name a place in that line or the next
"""
import hashlib
import json
import re
import subprocess
import sys


def lines(path):
    with open(path, 'rb') as f:
        return f.read().splitlines(True)


def store(path, data):
    with open(path, 'r+b') as f:
        f.write(data)
        f.truncate()


def rehash(line, prev=None):
    body = line[:line.rindex(b',"hash":"')]
    if prev is not None:
        body = body[:body.rindex(b',"prev":"')] + b',"prev":"' + prev + b'"'
    digest = hashlib.sha256(body).hexdigest().encode()
    return body + b',"hash":"' + digest + b'"}\n', digest


def edit(path, n, old, new, chain):
    text = lines(path)
    if old not in text[n]:
        sys.exit('line %d has no %r' % (n, old))
    text[n], prev = rehash(text[n].replace(old, new))
    if chain:
        for i in range(n + 1, len(text)):
            text[i], prev = rehash(text[i], prev)
    store(path, b''.join(text))


def renumber(path):
    """What an attacker does who moved, doubled or added lines and knows the format."""
    text, prev, last, now = lines(path), b'0' * 64, {}, b''
    for i, line in enumerate(text):
        now = max(now, re.match(b'{"seq":[0-9]*,"time":"([^"]*)"', line).group(1))
        line = re.sub(b'"time":"[^"]*"', b'"time":"' + now + b'"', line, count=1)
        element = json.loads(line)['element']
        head = line[:line.rindex(b',"prev":"')].rsplit(b',"parent":', 1)[0]
        body = b'{"seq":%d,' % i + head.split(b',', 1)[1]
        tail = b',"parent":%s,"prev":"' % str(last.get(element, 'null')).encode() + prev + b'"'
        prev = hashlib.sha256(body + tail).hexdigest().encode()
        text[i] = body + tail + b',"hash":"' + prev + b'"}\n'
        last[element] = i
    store(path, b''.join(text))


def sample(text):
    """(offset, line number), and how each is changed."""
    whole = (len(text) // 2, len(text) - 1)
    at = 0
    for n, line in enumerate(text):
        for i in range(len(line)):
            if n in whole or (at + i) % 37 == 0 or i == len(line) - 1:
                yield at + i, n
        at += len(line)


def flips(path, cmd):
    text = lines(path)
    good = b''.join(text)
    starts = [0]
    for line in text:
        starts.append(starts[-1] + len(line))
    starts.append(starts[-1])
    ways = (lambda c: c ^ 1, lambda c: c ^ 0x20, lambda c: c ^ 0x80, lambda c: 0, lambda c: 10, lambda c: 34)
    tried = bad = 0
    for at, n in sample(text):
        for way in (ways[at % 6], ways[0]):
            if way(good[at]) != good[at]:
                break
        store(path, good[:at] + bytes((way(good[at]),)) + good[at + 1:])
        tried += 1
        r = subprocess.run(cmd, stdout=subprocess.PIPE)
        found = [json.loads(line) for line in r.stdout.splitlines()][:-1]
        if r.returncode != 1 or not found or found[0].get('segment') != '%020d.ndjson' % 0 or \
                not all(starts[n] <= f['offset'] < starts[n + 2] for f in found):
            print('byte %d, line %d at %d: exit %d, %r' % (at, n, starts[n], r.returncode, found))
            bad += 1
    store(path, good)
    print('%d bytes changed, %d of them not found' % (tried, bad))
    return bad != 0 or tried < 100


def main(what, path, *args):
    if what == 'offset':
        print(sum(len(line) for line in lines(path)[:int(args[0])]))
    elif what == 'flip':
        data = bytearray(b''.join(lines(path)))
        data[int(args[0])] ^= 1
        store(path, data)
    elif what == 'renumber':
        renumber(path)
    elif what == 'flips':
        return flips(path, args)
    else:
        edit(path, int(args[0]), args[1].encode(), args[2].encode(), what == 'chain')
    return 0


if __name__ == '__main__':
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
