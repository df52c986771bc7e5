#!/usr/bin/env python3
"""Recompute the header of a block directory from its log and its files, by DESIGN 3 and 6 alone.

usage: check-block.py BLOCKDIR...        compare; prints what differs, exit 1
       check-block.py --files DIR        print entries and root of the files below DIR
"""
import hashlib
import json
import os
import stat
import struct
import sys

XATTRS = ("security.capability", "system.posix_acl_access", "system.posix_acl_default")
EMPTY = hashlib.sha256(b"").digest()


def tree_root(leaves):
    """RFC 6962, 2.1, as it is written there."""
    def root(lo, hi):
        n = hi - lo
        if n == 1:
            return hashlib.sha256(b"\x00" + leaves[lo]).digest()
        k = 1
        while k * 2 < n:
            k *= 2
        return hashlib.sha256(b"\x01" + root(lo, lo + k) + root(lo + k, hi)).digest()
    return root(0, len(leaves)) if leaves else EMPTY


def sha256_file(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for chunk in iter(lambda: f.read(1 << 20), b""):
            h.update(chunk)
    return h.hexdigest()


def file_leaf(top, rel):
    path = os.path.join(top, rel)
    st = os.lstat(path)
    kind = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p", stat.S_IFSOCK: "s",
            stat.S_IFCHR: "c", stat.S_IFBLK: "b"}[stat.S_IFMT(st.st_mode)]
    size, content = "0", "-"
    if kind == "f":
        size, content = str(st.st_size), sha256_file(path)
    elif kind == "l":
        target = os.readlink(path)
        size, content = str(len(target)), hashlib.sha256(target).hexdigest()
    elif kind in "cb":
        size = "%d,%d" % (os.major(st.st_rdev), os.minor(st.st_rdev))
    names = sorted(os.fsencode(n) for n in os.listxattr(path, follow_symlinks=False)
                   if n.startswith("user.") or n in XATTRS)
    xattrs = "-"
    if names:
        h = hashlib.sha256()
        for n in names:
            value = os.getxattr(path, n, follow_symlinks=False)
            h.update(n + b"\x00" + struct.pack("<I", len(value)) + value)
        xattrs = h.hexdigest()
    text = "%s %04o %d %d %s %s %s" % (kind, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, size, content, xattrs)
    return rel + b"\x00" + text.encode()


def files(top):
    top = os.fsencode(top)
    paths = []
    for where, dirs, names in os.walk(top):
        if where == top:
            dirs[:] = [d for d in dirs if d != b".ecl"]
            names = [n for n in names if n != b".ecl"]
        paths += [os.path.relpath(os.path.join(where, n), top) for n in dirs + names]
    return len(paths), tree_root([file_leaf(top, p) for p in sorted(paths)])


def log_lines(block):
    log = os.path.join(block, ".ecl", "log")
    for name in sorted(n for n in os.listdir(log) if n.endswith(".ndjson")):
        with open(os.path.join(log, name), "rb") as f:
            first = True
            for line in f:
                if not line.endswith(b"\n"):
                    raise ValueError("%s: torn" % name)
                if first and int(json.loads(line)["seq"]) != int(name[:20]):
                    raise ValueError("%s: begins with another event" % name)
                first = False
                yield line[:-1]


def raw_state(line):
    """The text of the state as it stands: behind the action, up to the next member."""
    at = line.find(b',"state":', line.index(b',"action":"'))
    if at == -1:
        return None
    at += len(b',"state":')
    depth, i, quoted = 0, at, False
    while True:
        c = line[i:i + 1]
        if quoted:
            if c == b"\\":
                i += 1
            elif c == b'"':
                quoted = False
        elif c == b'"':
            quoted = True
        elif c in b"[{":
            depth += 1
        elif c in b"]}" and depth:
            depth -= 1
        elif c in b",}" and depth == 0:
            return line[at:i]
        i += 1


def check(block):
    wrong = []
    with open(os.path.join(block, ".ecl", "block"), "rb") as f:
        line = f.read()
    header = json.loads(line)
    if not line.endswith(b"\n") or line.count(b"\n") != 1:
        wrong.append("the header is not one line")
    body = line[:-1]
    cut = body.rindex(b',"hash":"')
    order = ["height", "time", "backend", "size", "head", "root", "elements", "heads", "state", "entries", "files",
             "embedder", "vector", "prev", "hash"]
    if list(header) != [m for m in order if m != "vector" or m in header] or b" " in body:
        wrong.append("the header's members stand in another order")
    prev, leaves, last, state, time = "0" * 64, [], {}, {}, ""
    for n, text in enumerate(log_lines(block)):
        ev = json.loads(text)
        if hashlib.sha256(text[:text.rindex(b',"hash":"')]).hexdigest() != ev["hash"]:
            wrong.append("event %d: hash" % n)
        if ev["prev"] != prev or ev["seq"] != n or ev["time"] < time:
            wrong.append("event %d: chain" % n)
        element = ev["element"].encode()
        if ev["parent"] != last.get(element):
            wrong.append("event %d: parent" % n)
        last[element] = n
        if "state" in ev and not element.startswith(b"ecl:"):
            state[element] = None if ev["state"] is None else raw_state(text)
        prev, time = ev["hash"], ev["time"]
        leaves.append(bytes.fromhex(prev))
    entries, root = files(block)
    living = b"".join(k + b"\t" + v + b"\n" for k, v in sorted(state.items()) if v is not None)
    name = "block-%06d-%s" % (header["height"], header["hash"][:8])
    want = {
        "hash": hashlib.sha256(body[:cut]).hexdigest(),
        "size": len(leaves),
        "head": prev,
        "root": tree_root(leaves).hex(),
        "elements": len(last),
        "heads": tree_root([k + b"\x00" + struct.pack(">Q", v) for k, v in sorted(last.items())]).hex(),
        "state": hashlib.sha256(living).hexdigest(),
        "entries": entries,
        "files": root.hex(),
    }
    wrong += ["%s: %s, recomputed %s" % (k, header[k], v) for k, v in want.items() if header[k] != v]
    if os.path.basename(os.path.abspath(block)) != name:
        wrong.append("the name should be %s" % name)
    if header["time"] < time:
        wrong.append("the time is earlier than that of the last event")
    return wrong


def main(args):
    sys.setrecursionlimit(10000)
    if args[:1] == ["--files"] and len(args) == 2:
        entries, root = files(args[1])
        print(entries, root.hex())
        return 0
    if not args:
        print(__doc__, file=sys.stderr)
        return 2
    bad = False
    for block in args:
        for what in check(block):
            print("%s: %s" % (block, what))
            bad = True
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
