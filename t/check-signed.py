#!/usr/bin/env python3
"""Check what is signed in a root, by the specifications alone: notes, checkpoints, roots, signatures by openssl.

usage: check-signed.py ROOT KEY.pem [SIZE]   prints the size that ROOT/checkpoint signs (which must be SIZE) and how many blocks are signed
       check-signed.py --vkey ORIGIN KEY.pem the verifier key
       check-signed.py --forge ROOT KEY.pem SIZE   sign the first SIZE events, as ROOT/checkpoint, whatever was signed before
"""
import base64
import hashlib
import os
import subprocess
import sys
import tempfile


def openssl(*args, data=None):
    return subprocess.run(("openssl",) + args, input=data, check=True, stdout=subprocess.PIPE).stdout


def public(pem):
    der = openssl("pkey", "-in", pem, "-pubout", "-outform", "DER")
    assert len(der) == 44, "not a key of Ed25519"
    return der[12:]


def key_id(name, pem):
    return hashlib.sha256(name + b"\n\x01" + public(pem)).digest()[:4]


def check_note(path, pem, name):
    """The text of a note, which this key must have signed."""
    note = open(path, "rb").read()
    text, _, lines = note.rpartition(b"\n\n")
    text += b"\n"
    assert lines.endswith(b"\n") and lines.count(b"\n") == 1, "%s: one signature" % path
    dash, who, sig = lines[:-1].split(b" ")
    assert dash == b"\xe2\x80\x94" and who == name, "%s: %r" % (path, lines)
    sig = base64.b64decode(sig, validate=True)
    assert len(sig) == 68 and sig[:4] == key_id(name, pem), "%s: key ID" % path
    with tempfile.TemporaryDirectory() as tmp:
        open(tmp + "/text", "wb").write(text)
        open(tmp + "/sig", "wb").write(sig[4:])
        openssl("pkeyutl", "-verify", "-rawin", "-inkey", pem, "-in", tmp + "/text", "-sigfile", tmp + "/sig")
    return text


def leaves(layer):
    out, prev = [], b"0" * 64
    log = layer + "/.ecl/log/"
    for name in sorted(os.listdir(log)):
        if not name.endswith(".ndjson"):
            continue
        for line in open(log + name, "rb"):
            body = line[:line.rindex(b',"hash":"')]
            digest = hashlib.sha256(body)
            assert line == body + b',"hash":"' + digest.hexdigest().encode() + b'"}\n', line
            assert body.endswith(b',"prev":"' + prev + b'"'), line
            prev = digest.hexdigest().encode()
            out.append(hashlib.sha256(b"\x00" + digest.digest()).digest())
    return out


def tree_root(h):
    """RFC 6962, 2.1."""
    if len(h) == 1:
        return h[0]
    k = 1
    while k * 2 < len(h):
        k *= 2
    return hashlib.sha256(b"\x01" + tree_root(h[:k]) + tree_root(h[k:])).digest()


def genesis_origin(layer):
    import json
    with open(layer + "/.ecl/log/%020d.ndjson" % 0, "rb") as f:
        return json.loads(f.readline())["state"]["origin"].encode()


def checkpoint_text(origin, h):
    return b"%s\n%d\n%s\n" % (origin, len(h), base64.b64encode(tree_root(h)))


def check(root, pem, want):
    origin = genesis_origin(root + "/live")
    live = leaves(root + "/live")
    size, signed = 0, 0
    if os.path.exists(root + "/checkpoint"):
        text = check_note(root + "/checkpoint", pem, origin)
        size = int(text.split(b"\n")[1])
        assert text == checkpoint_text(origin, live[:size]), "ROOT/checkpoint is not of this log"
    for name in sorted(os.listdir(root + "/.snapshots")):
        ecl = root + "/.snapshots/" + name + "/.ecl/"
        if not name.startswith("block-"):
            continue
        assert os.path.exists(ecl + "checkpoint") == os.path.exists(ecl + "block.note"), "%s: one of two" % name
        if not os.path.exists(ecl + "checkpoint"):
            continue
        h = leaves(root + "/.snapshots/" + name)
        assert h == live[:len(h)]
        assert check_note(ecl + "checkpoint", pem, origin) == checkpoint_text(origin, h), name
        assert check_note(ecl + "block.note", pem, origin) == origin + b"/block\n" + open(ecl + "block", "rb").read(), name
        signed += 1
    print(size, signed)
    if want is not None:
        assert size == want, "it signs %d of %d" % (size, len(live))


def forge(root, pem, size):
    origin = genesis_origin(root + "/live")
    text = checkpoint_text(origin, leaves(root + "/live")[:size])
    with tempfile.NamedTemporaryFile() as f:
        f.write(text)
        f.flush()
        sig = openssl("pkeyutl", "-sign", "-rawin", "-inkey", pem, "-in", f.name)
    line = b"\xe2\x80\x94 " + origin + b" " + base64.b64encode(key_id(origin, pem) + sig) + b"\n"
    open(root + "/checkpoint", "wb").write(text + b"\n" + line)


def main(args):
    if args[0] == "--vkey":
        name = args[1].encode()
        print("%s+%s+%s" % (args[1], key_id(name, args[2]).hex(), base64.b64encode(b"\x01" + public(args[2])).decode()))
    elif args[0] == "--forge":
        forge(args[1], args[2], int(args[3]))
    else:
        check(args[0], args[1], int(args[2]) if len(args) > 2 else None)


main(sys.argv[1:])
