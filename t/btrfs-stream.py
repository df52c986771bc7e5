#!/usr/bin/env python3
"""usage: btrfs-stream.py ATTACK [ARGUMENT] <STREAM

Read a btrfs send stream (version 1), put an attack into it, and write it, with right checksums.  Most stand before its end, so that all else
is as the header of the block says.  `list` prints the names of the attacks, `list-left-out` of those that a receiver may take without what they
set, `show` the commands of a stream.
"""
import struct
import sys

SUBVOL, SNAPSHOT, MKFILE, MKDIR, MKNOD, MKFIFO, MKSOCK, SYMLINK, RENAME, LINK, UNLINK, RMDIR = range(1, 13)
SET_XATTR, REMOVE_XATTR, WRITE, CLONE, TRUNCATE, CHMOD, CHOWN, UTIMES, END = range(13, 22)
UUID, CTRANSID, INO, SIZE, MODE, UID, GID, RDEV = range(1, 9)
XATTR_NAME, XATTR_DATA, PATH, PATH_TO, PATH_LINK, OFFSET, DATA = range(13, 20)

table = []
for i in range(256):
    c = i
    for _ in range(8):
        c = c >> 1 ^ (0x82F63B78 if c & 1 else 0)
    table.append(c)


def crc32c(data):
    c = 0
    for b in data:
        c = table[(c ^ b) & 255] ^ c >> 8
    return c


def command(number, *attributes):
    data = b"".join(struct.pack("<HH", a, len(v)) + v for a, v in attributes)
    head = struct.pack("<IH", len(data), number)
    return head + struct.pack("<I", crc32c(head + bytes(4) + data)) + data


def parse(stream):
    """The commands: (number, [(attribute, value)])."""
    assert stream[:13] == b"btrfs-stream\0" and struct.unpack("<I", stream[13:17]) == (1,)
    at = 17
    while at < len(stream):
        size, number, _ = struct.unpack("<IHI", stream[at:at + 10])
        end = at + 10 + size
        at += 10
        attributes = []
        while at < end:
            a, n = struct.unpack("<HH", stream[at:at + 4])
            attributes.append((a, stream[at + 4:at + 4 + n]))
            at += 4 + n
        yield number, attributes


def u64(n):
    return struct.pack("<Q", n)


def file(path, data=b"evil\n", mode=0o644):
    p = (PATH, path)
    return [command(MKFILE, p, (INO, u64(9999))), command(WRITE, p, (OFFSET, u64(0)), (DATA, data)), command(CHMOD, p, (MODE, u64(mode))),
            command(CHOWN, p, (UID, u64(0)), (GID, u64(0)))]


def link(path, to):
    return command(SYMLINK, (PATH, path), (INO, u64(9998)), (PATH_LINK, to))


def subvol(name, uuid=b"u" * 16):
    return command(SUBVOL, (PATH, name), (UUID, uuid), (CTRANSID, u64(7)))


def node(path, mode, rdev):
    return command(MKNOD, (PATH, path), (INO, u64(9997)), (MODE, u64(mode)), (RDEV, u64(rdev)))


argument = sys.argv[2].encode() if len(sys.argv) > 2 else b""
before_end = {
    # What the header does not commit to.
    "setuid": lambda: file(b"su", mode=0o4755),
    "device": lambda: [node(b"sda", 0o60660, 8 << 8)],
    "fifo": lambda: [command(MKFIFO, (PATH, b"wait"), (INO, u64(9996)))],
    "file": lambda: file(b"one-more"),
    "mode": lambda: [command(CHMOD, (PATH, b"a/f"), (MODE, u64(0o777)))],
    "xattr": lambda: [command(SET_XATTR, (PATH, b"a/f"), (XATTR_NAME, b"user.evil"), (XATTR_DATA, b"1"))],
    "gone": lambda: [command(UNLINK, (PATH, b"a/f"))],
    "content": lambda: [command(WRITE, (PATH, b"a/f"), (OFFSET, u64(0)), (DATA, b"F"))],
    # Names that lead elsewhere.
    "link-file": lambda: [link(b"way", argument), *file(b"way/outside", mode=0o4755)],
    "link-write": lambda: [link(b"way", argument + b"/outside"), *file(b"way")[1:]],
    "link-up": lambda: [link(b"way", b"../../.."), *file(b"way/outside", mode=0o4755)],
    "dots": lambda: file(b"../../outside", mode=0o4755),
    "absolute": lambda: file(argument + b"/outside", mode=0o4755),
    "huge-name": lambda: file(b"n" * 300),
    "huge-path": lambda: file(b"d/" * 3000 + b"f"),
    "empty-name": lambda: file(b""),
    "nul-name": lambda: file(b"a\0b"),
    # In .ecl.
    "ecl-file": lambda: file(b".ecl/hook", mode=0o755),
    "ecl-setuid": lambda: file(b".ecl/index/su", mode=0o4755),
    "ecl-link": lambda: [link(b".ecl/index/rows-evil", b"/etc/shadow")],
    "ecl-device": lambda: [node(b".ecl/index/sda", 0o60660, 8 << 8)],
    "ecl-hard": lambda: [command(LINK, (PATH, b".ecl/index/f"), (PATH_LINK, b"a/f"))],
    "ecl-mode": lambda: [command(CHMOD, (PATH, b".ecl"), (MODE, u64(0o777)))],
    "ecl-owner": lambda: [command(CHOWN, (PATH, b".ecl/log"), (UID, u64(1234)), (GID, u64(0)))],
    "ecl-dir": lambda: [command(RENAME, (PATH, b".ecl"), (PATH_TO, b"ecl"))],
    "log": lambda: [command(WRITE, (PATH, b".ecl/log/00000000000000000000.ndjson"), (OFFSET, u64(9)), (DATA, b"7"))],
    "log-cut": lambda: [command(TRUNCATE, (PATH, b".ecl/log/00000000000000000000.ndjson"), (SIZE, u64(300)))],
    "note-gone": lambda: [command(UNLINK, (PATH, b".ecl/block.note"))],
    "header": lambda: [command(WRITE, (PATH, b".ecl/block"), (OFFSET, u64(10)), (DATA, b"7"))],
    "header-gone": lambda: [command(UNLINK, (PATH, b".ecl/block"))],
    # More than one.
    "second": lambda: [subvol(b"second"), *file(b"su", mode=0o4755)],
    "second-inside": lambda: [subvol(argument + b"/inside"), *file(b"su", mode=0o4755)],
}


def xattr(name, data=b"y", path=b"a/f", also=()):
    return [command(SET_XATTR, (PATH, path), *also, (XATTR_NAME, name), (XATTR_DATA, data))]


FILEATTR, ENABLE_VERITY, FILEATTR_FLAGS = 24, 26, 28
left_out = {
    "opaque": lambda: xattr(b"trusted.overlay.opaque", path=b"a"),
    "redirect": lambda: xattr(b"trusted.overlay.redirect", b"/etc", path=b"a"),
    "selinux": lambda: xattr(b"security.selinux", b"system_u:object_r:shadow_t:s0\0"),
    "ima": lambda: xattr(b"security.ima", b"\3\2" + b"x" * 200),
    "twice": lambda: xattr(b"user.twice", also=[(XATTR_NAME, b"trusted.twice")]),
    "twice-back": lambda: xattr(b"trusted.twice", also=[(XATTR_NAME, b"user.twice")]),
    "nul": lambda: xattr(b"trusted.nul\0user.nul"),
    "system": lambda: xattr(b"system.nfs4_acl"),
    "nameless": lambda: xattr(b""),
    "top": lambda: xattr(b"trusted.top", path=b""),
    "ecl": lambda: xattr(b"trusted.ecl", path=b".ecl/log"),
    "remove": lambda: [command(REMOVE_XATTR, (PATH, b"a/f"), (XATTR_NAME, b"security.selinux"))],
    "immutable": lambda: [command(FILEATTR, (PATH, b"a/f"), (FILEATTR_FLAGS, u64(0x10)))],
    "verity": lambda: [command(ENABLE_VERITY, (PATH, b"a/f"))],
    "large": lambda: xattr(b"security.evm", b"v" * 50000),
}
before_end.update({
    "capability": lambda: xattr(b"security.capability", b"\1\0\0\2\0\x20" + bytes(14)),
    "acl": lambda: xattr(b"system.posix_acl_access", struct.pack("<IHHIHHIHHIHHI", 2, 1, 6, 2**32 - 1, 4, 4, 2**32 - 1, 16, 4, 2**32 - 1, 32, 4, 2**32 - 1)),
    "xattr-huge": lambda: [struct.pack("<IHI", 1 << 21, SET_XATTR, 0) + bytes(1 << 21)],
    "junk": lambda: [command(END), b"junk" * 100],
})
names = {  # of the subvolume
    "name-dots": b"../outside",
    "name-absolute": argument + b"/outside",
    "name-slash": b"a/b",
    "name-empty": b"",
    "name-huge": b"n" * 300,
}
others = ["uuid-zero", "no-end", "plain-dir"]

attack = sys.argv[1]
if attack == "list":
    print("\n".join([*before_end, *names, *others]))
    sys.exit()
if attack == "list-left-out":
    print("\n".join(left_out))
    sys.exit()
before_end.update(left_out)
stream = sys.stdin.buffer.read()
out = [stream[:17]]
for number, attributes in parse(stream):
    if attack == "show":
        print(number, attributes[:2])
    if number == SUBVOL and attack in names:
        attributes[0] = (PATH, names[attack])
    if number == SUBVOL and attack == "uuid-zero":
        attributes[1] = (UUID, bytes(16))
    if number == SUBVOL and attack == "plain-dir":
        out.append(command(MKDIR, (PATH, b"dir"), (INO, u64(300))))
    if number == END and attack in before_end:
        out += before_end[attack]()
    if number != END or attack != "no-end":
        out.append(command(number, *attributes))
if attack != "show":
    sys.stdout.buffer.write(b"".join(out))
