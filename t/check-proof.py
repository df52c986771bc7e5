#!/usr/bin/env python3
"""Proofs and tiles, checked by other means than ecl's: RFC 6962 as it is written, Ed25519 by openssl(1).

usage: check-proof.py vkey NAME KEY.pem                the verifier key
       check-proof.py proof FILE VKEY [CHECKPOINT]     VKEY "": not signed; prints the event, or the two sizes
       check-proof.py tiles DIR VKEY LOG               LOG: the lines of the log, of which DIR has the first
       check-proof.py checkpoint LOG SIZE ORIGIN      the text of the checkpoint of the first SIZE lines of LOG
       check-proof.py mangle FILE FROM TO CMD...       CMD with a FILE of one wrong byte must fail, but for bytes FROM to TO, where it may say
                                                       the same as of the whole one
       check-proof.py tree INDEX LEVEL NUMBER          change a hash of the index's tree, and make the checksums right
"""
import base64
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile

DASH = '\u2014 '.encode()


def sha(data):
    return hashlib.sha256(data).digest()


def leaf(data):
    return sha(b'\0' + data)


def node(left, right):
    return sha(b'\1' + left + right)


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(leaves):
    if not leaves:
        return sha(b'')
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(mth(leaves[:k]), mth(leaves[k:]))


def from_path(i, n, path, hash):
    """The root that a path leads to, by the definition of PATH."""
    assert i < n
    if n == 1:
        assert not path
        return hash
    k = split(n)
    if i < k:
        return node(from_path(i, k, path[:-1], hash), path[-1])
    return node(path[-1], from_path(i - k, n - k, path[:-1], hash))


def from_sub(m, n, proof, b, first):
    """Both roots that a proof of consistency leads to, by the definition of SUB."""
    if m == n:
        assert len(proof) == (0 if b else 1)
        hash = first if b else proof[0]
        return hash, hash
    k = split(n)
    if m <= k:
        old, new = from_sub(m, k, proof[:-1], b, first)
        return old, node(new, proof[-1])
    old, new = from_sub(m - k, n - k, proof[:-1], False, first)
    return node(proof[-1], old), node(proof[-1], new)


# ---- notes ----

def b64(text):
    data = base64.b64decode(text, validate=True)
    assert base64.b64encode(data) == text, text
    return data


def vkey(name, pem):
    der = subprocess.run(['openssl', 'pkey', '-in', pem, '-pubout', '-outform', 'DER'], stdout=subprocess.PIPE, check=True).stdout
    key = b'\1' + der[-32:]
    return '%s+%s+%s' % (name, sha(name.encode() + b'\n' + key)[:4].hex(), base64.b64encode(key).decode())


def openssl_good(public, text, signature):
    with tempfile.TemporaryDirectory() as d:
        for name, data in (('pub', bytes.fromhex('302a300506032b6570032100') + public), ('text', text), ('sig', signature)):
            with open(os.path.join(d, name), 'wb') as f:
                f.write(data)
        return subprocess.run(['openssl', 'pkeyutl', '-verify', '-pubin', '-keyform', 'DER', '-inkey', d + '/pub', '-rawin', '-in', d + '/text',
                               '-sigfile', d + '/sig'], stdout=subprocess.DEVNULL).returncode == 0


def note_text(note, key):
    """The text of a note that is signed by ${key}, or with "" a bare text."""
    if not key:
        assert b'\n\n' not in note and note.endswith(b'\n')
        return note
    text, lines = note.rsplit(b'\n\n', 1)
    text += b'\n'
    name, number, public = key.split('+', 2)
    public = b64(public.encode())
    assert number == sha(name.encode() + b'\n' + public)[:4].hex() and public[0] == 1
    good = 0
    for line in lines.splitlines():
        assert line.startswith(DASH)
        who, signature = line[len(DASH):].split(b' ')
        signature = b64(signature)
        if who == name.encode() and signature[:4].hex() == number:
            assert openssl_good(public[1:], text, signature[4:]), 'the signature is wrong'
            good += 1
    assert good, 'not signed by ' + name
    assert text.split(b'\n')[0] in (name.encode(), name.encode() + b'/block')
    return text


def checkpoint(note, key):
    origin, size, root, rest = note_text(note, key).split(b'\n')
    assert rest == b'' and size == b'%d' % int(size)
    root = b64(root)
    assert len(root) == 32
    return origin, int(size), root


# ---- proofs ----

def hashes(lines):
    out = []
    while lines[0]:
        out.append(b64(lines.pop(0)))
        assert len(out[-1]) == 32
    lines.pop(0)
    return out


def number(line, word):
    name, value = line.split(b' ')
    assert name == word and value == b'%d' % int(value), line
    return int(value)


def event_hash(line):
    hash = json.loads(line)['hash']
    assert line.endswith(b',"hash":"%s"}' % hash.encode())
    assert sha(line[:line.rindex(b',"hash":"')]).hex() == hash
    return bytes.fromhex(hash)


def check_proof(path, key, older=None):
    data = open(path, 'rb').read()
    lines = data.split(b'\n')
    kind = lines.pop(0)
    if kind.startswith(b'old '):
        old, path = number(kind, b'old'), hashes(lines)
        origin, size, root = checkpoint(b'\n'.join(lines), key)
        if old > 0:
            first = checkpoint(open(older, 'rb').read(), key)
            assert first[:2] == (origin, old)
            assert from_sub(old, size, path, True, first[2]) == (first[2], root)
        print(old, size)
        return
    if kind == b'ecl/tlog-latest@v1':
        head, heads = number(lines.pop(0), b'head'), hashes(lines)
    else:
        assert kind == b'c2sp.org/tlog-proof@v1'
    assert lines[0].startswith(b'extra ')
    line = b64(lines.pop(0)[6:])
    seq, path, event = number(lines.pop(0), b'index'), hashes(lines), json.loads(line)
    assert event['seq'] == seq
    note = b'\n'.join(lines)
    if kind == b'ecl/tlog-latest@v1':
        first, header, rest = note_text(note, key).split(b'\n')
        assert first.endswith(b'/block') and rest == b''
        event_hash(header)
        header = json.loads(header)
        size, root = header['size'], bytes.fromhex(header['root'])
        last = leaf(event['element'].encode() + b'\0' + struct.pack('>Q', seq))
        assert from_path(head, header['elements'], heads, last) == bytes.fromhex(header['heads'])
    else:
        origin, size, root = checkpoint(note, key)
    assert from_path(seq, size, path, leaf(event_hash(line))) == root
    print(line.decode())


# ---- tiles ----

def tile_name(kind, n, width):
    text = '%03d' % (n % 1000)
    n //= 1000
    while n:
        text = 'x%03d/%s' % (n % 1000, text)
        n //= 1000
    return 'tile/%s/%s%s' % (kind, text, '' if width == 256 else '.p/%d' % width)


def expect_level(kind, rows, out):
    for n in range(0, len(rows), 256):
        out[tile_name(kind, n // 256, min(256, len(rows) - n))] = b''.join(rows[n:n + 256])


def check_tiles(dir, key, log):
    origin, size, root = checkpoint(open(dir + '/checkpoint', 'rb').read(), key)
    events = [event_hash(line.rstrip(b'\n')) for line in open(log, 'rb').readlines()[:size]]
    assert len(events) == size
    level, k, want = [leaf(e) for e in events], 0, {}
    assert mth(level) == root
    expect_level('entries', [b'\0\x20' + e for e in events], want)
    while level:
        expect_level(k, level, want)
        level = [mth(level[n:n + 256]) for n in range(0, len(level) - len(level) % 256, 256)]
        k += 1
    have = {}
    for top, _, files in os.walk(dir):
        for name in files:
            path = os.path.relpath(os.path.join(top, name), dir)
            have[path] = open(os.path.join(top, name), 'rb').read()
            assert have[path], path + ' is empty'
    del have['checkpoint']
    lack = [path for path in want if have.get(path) != want[path]]
    assert not lack, 'wrong or missing: %s' % lack[:5]
    for path in set(have) - set(want):
        # Of an older checkpoint: the beginning of a tile that is not full yet.
        assert '.p/' in path, path
        tile, width = path.split('.p/')
        assert tile not in want, path + ' is superseded'
        now = [name for name in want if name.startswith(tile + '.p/')]
        assert len(now) == 1 and want[now[0]].startswith(have[path]), path
        assert len(have[path]) == int(width) * (34 if 'entries' in path else 32), path
    print(size, len(have) - len(set(have) - set(want)))


# ---- damage ----

def mangle(path, begin, end, command):
    good = open(path, 'rb').read()
    bad = path + '.bad'
    right = subprocess.run(command + [path], stdout=subprocess.PIPE, check=True).stdout
    believed = 0
    for i in range(len(good)):
        for byte in {good[i] ^ 1 << i % 8, 10 if i % 5 == 0 else good[i]} - {good[i]}:
            with open(bad, 'wb') as f:
                f.write(good[:i] + bytes((byte,)) + good[i + 1:])
            run = subprocess.run(command + [bad], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if run.returncode == 0 and begin <= i < end and run.stdout == right:
                believed += 1
            else:
                assert run.returncode in (1, 2), 'byte %d of %r: exit %d' % (i, good[max(0, i - 20):i + 20], run.returncode)
                assert run.stdout == b'' and run.stderr != b''
    for cut in range(0, len(good), 7):
        with open(bad, 'wb') as f:
            f.write(good[:cut])
        if not begin <= cut <= end:
            assert subprocess.run(command + [bad], stdout=subprocess.PIPE, stderr=subprocess.PIPE).returncode in (1, 2), cut
    print(len(good), believed)


def crc32c(crc, data):
    crc ^= 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def edit_tree(index, level, number):
    name = 'tree.%d' % level
    path = '%s/%s-%020d' % (index, name, 0)
    data = bytearray(open(path, 'rb').read())
    data[number * 32] ^= 1
    open(path, 'r+b').write(data)
    lines = open(index + '/head').read().splitlines()
    seed = int(lines[1].split()[1], 16)
    at = [i for i, line in enumerate(lines) if line.startswith('column %s ' % name)][0]
    rows = int(lines[at].split()[3])
    chunk = number * 32 // 65536
    part = data[chunk * 65536:min((chunk + 1) * 65536, rows * 32)]
    crc = crc32c(crc32c(crc32c(seed, name.encode()), struct.pack('<Q', chunk)), part)
    if len(part) == 65536:
        with open(path + '.sum', 'r+b') as f:
            f.seek(4 * chunk)
            f.write(struct.pack('<I', crc))
    else:
        words = lines[at].split()
        words[4] = '%08x' % crc
        lines[at] = ' '.join(words)
    text = '\n'.join(lines[:-1]) + '\n'
    with open(index + '/head', 'w') as f:
        f.write(text + 'crc %08x\n' % crc32c(0, text.encode()))


def main(args):
    if args[0] == 'vkey':
        print(vkey(args[1], args[2]))
    elif args[0] == 'proof':
        check_proof(*args[1:])
    elif args[0] == 'checkpoint':
        events = [event_hash(line.rstrip(b'\n')) for line in open(args[1], 'rb').readlines()[:int(args[2])]]
        print('%s\n%d\n%s' % (args[3], len(events), base64.b64encode(mth([leaf(e) for e in events])).decode()))
    elif args[0] == 'tiles':
        check_tiles(*args[1:])
    elif args[0] == 'mangle':
        mangle(args[1], int(args[2]), int(args[3]), args[4:])
    elif args[0] == 'tree':
        edit_tree(args[1], int(args[2]), int(args[3]))
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
