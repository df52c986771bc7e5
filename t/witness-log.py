#!/usr/bin/env python3
"""A log to be witnessed, and what a witness makes of it, computed apart from scripts/ecl-witness.

    witness-log.py key SEED >PEM                    the private key of 64 hex digits
    witness-log.py vkey NAME TYPE PEM
    witness-log.py request [--fork AT] PEM ORIGIN OLD NEW   a request of add-checkpoint
    witness-log.py checkpoint [--fork AT] PEM ORIGIN SIZE
    witness-log.py check VKEY NOTE                  is it cosigned by VKEY?  prints the time

Leaf i of the log is "i", from AT on "i forked"."""

import base64
import hashlib
import subprocess
import sys
import tempfile


def openssl(*args):
    p = subprocess.run(['openssl', *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return p.returncode, p.stdout


def b64(data):
    return base64.b64encode(data).decode()


def public(pem):
    return openssl('pkey', '-in', pem, '-pubout', '-outform', 'DER')[1][-32:]


def key_id(name, kind, key):
    return hashlib.sha256(name.encode() + b'\n' + bytes([kind]) + key).digest()[:4]


def mth(leaves):
    if len(leaves) == 0:
        return hashlib.sha256(b'').digest()
    if len(leaves) == 1:
        return hashlib.sha256(b'\0' + leaves[0]).digest()
    k = split(len(leaves))
    return hashlib.sha256(b'\1' + mth(leaves[:k]) + mth(leaves[k:])).digest()


def split(n):
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def proof(m, leaves, whole=True):
    n = len(leaves)
    if m == n:
        return [] if whole else [mth(leaves)]
    k = split(n)
    if m <= k:
        return proof(m, leaves[:k], whole) + [mth(leaves[k:])]
    return proof(m - k, leaves[k:], False) + [mth(leaves[:k])]


def leaves(n, fork):
    return [f'{i} forked'.encode() if i >= fork else str(i).encode() for i in range(n)]


def checkpoint(pem, origin, n, fork):
    text = f'{origin}\n{n}\n{b64(mth(leaves(n, fork)))}\n'
    with tempfile.NamedTemporaryFile() as f:
        f.write(text.encode())
        f.flush()
        signature = openssl('pkeyutl', '-sign', '-inkey', pem, '-rawin', '-in', f.name)[1]
    return f'{text}\n— {origin} {b64(key_id(origin, 1, public(pem)) + signature)}\n'


def request(pem, origin, old, new, fork):
    hashes = [b64(h) + '\n' for h in proof(old, leaves(new, fork))] if 0 < old <= new else []
    return f'old {old}\n' + ''.join(hashes) + '\n' + checkpoint(pem, origin, new, fork)


def check(vkey, path):
    with open(path, encoding='utf-8', newline='') as f:
        text, _, lines = f.read().rpartition('\n\n')
    name, ident, key = vkey.split('+', 2)
    text += '\n'
    for line in lines.splitlines():
        _, who, data = line.split(' ')
        data = base64.b64decode(data)
        if who == name and data[:4].hex() == ident:
            seconds = int.from_bytes(data[4:12], 'big')
            with tempfile.NamedTemporaryFile() as m, tempfile.NamedTemporaryFile() as s, tempfile.NamedTemporaryFile() as k:
                m.write(f'cosignature/v1\ntime {seconds}\n{text}'.encode())
                s.write(data[12:])
                k.write(bytes.fromhex('302a300506032b6570032100') + base64.b64decode(key)[1:])
                for f in m, s, k:
                    f.flush()
                code, _ = openssl('pkeyutl', '-verify', '-pubin', '-keyform', 'DER', '-inkey', k.name, '-rawin', '-in', m.name, '-sigfile', s.name)
            if code != 0:
                sys.exit('bad cosignature')
            print(seconds)
            return
    sys.exit('not cosigned')


def main():
    verb, *args = sys.argv[1:]
    fork = 1 << 62
    if args and args[0] == '--fork':
        fork = int(args[1])
        args = args[2:]
    if verb == 'key':
        der = bytes.fromhex('302e020100300506032b657004220420' + args[0])
        print(f'-----BEGIN PRIVATE KEY-----\n{b64(der)}\n-----END PRIVATE KEY-----')
    elif verb == 'vkey':
        name, kind, key = args[0], int(args[1]), public(args[2])
        print(f'{name}+{key_id(name, kind, key).hex()}+{b64(bytes([kind]) + key)}')
    elif verb == 'request':
        sys.stdout.write(request(args[0], args[1], int(args[2]), int(args[3]), fork))
    elif verb == 'checkpoint':
        sys.stdout.write(checkpoint(args[0], args[1], int(args[2]), fork))
    elif verb == 'check':
        check(*args)


main()
