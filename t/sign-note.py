#!/usr/bin/env python3
"""Signed notes and checkpoints, made by other means than ecl's: the hashes by hashlib, the signatures by openssl(1).

usage: sign-note.py vkey NAME KEY.pem              the verifier key
       sign-note.py witness NAME KEY.pem           that of a witness
       sign-note.py checkpoint LIVE [SIZE]         the text for the first SIZE events (all) of the log under LIVE/.ecl
       sign-note.py block BLOCKDIR                 the text for a block's note
       sign-note.py size BLOCKDIR                  the size that a block's header says
       sign-note.py sign NAME KEY.pem              stdin, a text or a note, with one more signature
       sign-note.py cosign NAME KEY.pem TIME       the same of a witness
       sign-note.py bytes FILE CMD [ARG...]        change each byte of FILE in turn, 6 ways one after the other: CMD must exit 1 each time
"""
import base64
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile

DASH = '\u2014'


def public(key):
    der = subprocess.run(['openssl', 'pkey', '-in', key, '-pubout', '-outform', 'DER'], stdout=subprocess.PIPE, check=True).stdout
    return der[-32:]


def key_id(name, kind, key):
    return hashlib.sha256(name.encode() + b'\n' + bytes((kind,)) + public(key)).digest()[:4]


def vkey(name, kind, key):
    return '%s+%s+%s' % (name, key_id(name, kind, key).hex(), base64.b64encode(bytes((kind,)) + public(key)).decode())


def ed25519(key, message):
    with tempfile.NamedTemporaryFile() as f:
        f.write(message)
        f.flush()
        return subprocess.run(['openssl', 'pkeyutl', '-sign', '-rawin', '-inkey', key, '-in', f.name],
                              stdout=subprocess.PIPE, check=True).stdout


def sign(note, name, kind, key, seconds=None):
    at = note.rfind('\n\n')
    text = note[:at + 1] if at >= 0 else note
    body = key_id(name, kind, key)
    message = text.encode()
    if seconds is not None:
        body += struct.pack('>Q', seconds)
        message = b'cosignature/v1\ntime %d\n' % seconds + message
    body += ed25519(key, message)
    return (note if at >= 0 else note + '\n') + '%s %s %s\n' % (DASH, name, base64.b64encode(body).decode())


def lines(live):
    log = os.path.join(live, '.ecl/log')
    for name in sorted(os.listdir(log)):
        if name.endswith('.ndjson'):
            with open(os.path.join(log, name), 'rb') as f:
                yield from f


def root(leaves):
    if not leaves:
        return hashlib.sha256(b'').digest()
    if len(leaves) == 1:
        return hashlib.sha256(b'\0' + leaves[0]).digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b'\1' + root(leaves[:k]) + root(leaves[k:])).digest()


def origin(live):
    return json.loads(next(lines(live)))['state']['origin']


def checkpoint(live, size=None):
    leaves = [bytes.fromhex(json.loads(line)['hash']) for line in lines(live)]
    leaves = leaves if size is None else leaves[:int(size)]
    return '%s\n%d\n%s\n' % (origin(live), len(leaves), base64.b64encode(root(leaves)).decode())


def header(block):
    with open(os.path.join(block, '.ecl/block')) as f:
        return f.read()


def each_byte(path, cmd):
    with open(path, 'rb') as f:
        good = f.read()
    ways = (lambda c: c ^ 1, lambda c: c ^ 0x20, lambda c: c ^ 0x80, lambda c: 0, lambda c: 10, lambda c: c ^ 4)
    bad = 0
    for at in range(len(good)):
        for way in (ways[at % 6], ways[0]):
            if way(good[at]) != good[at]:
                break
        with open(path, 'wb') as f:
            f.write(good[:at] + bytes((way(good[at]),)) + good[at + 1:])
        r = subprocess.run(cmd, stdout=subprocess.PIPE)
        found = [json.loads(line) for line in r.stdout.splitlines()][:-1]
        if r.returncode != 1 or not found:
            print('byte %d of %s: exit %d, %r' % (at, path, r.returncode, found))
            bad += 1
    with open(path, 'wb') as f:
        f.write(good)
    print('%d bytes changed, %d of them not found' % (len(good), bad))
    return bad != 0 or len(good) < 100


def main(what, *args):
    if what in ('vkey', 'witness'):
        print(vkey(args[0], 1 if what == 'vkey' else 4, args[1]))
    elif what == 'checkpoint':
        sys.stdout.write(checkpoint(*args))
    elif what == 'block':
        sys.stdout.write('%s/block\n%s' % (origin(args[0]), header(args[0])))
    elif what == 'size':
        print(json.loads(header(args[0]))['size'])
    elif what == 'sign':
        sys.stdout.write(sign(sys.stdin.read(), args[0], 1, args[1]))
    elif what == 'cosign':
        sys.stdout.write(sign(sys.stdin.read(), args[0], 4, args[1], int(args[2])))
    elif what == 'bytes':
        return each_byte(args[0], args[1:])
    else:
        sys.exit(__doc__)
    return 0


if __name__ == '__main__':
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.stdin.reconfigure(encoding='utf-8')
    sys.stdout.reconfigure(encoding='utf-8')
    sys.exit(main(*sys.argv[1:]))
