#!/usr/bin/env python3
"""A disk that remembers every write and flush, and that can fail: for tests of power cuts and of real EIO.

  fault-disk.py serve DIR READY [journal]   DIR/disk as the file DIR/dev/disk, to be put under a loop device
  fault-disk.py eio DIR N|all|off           fail the next N writes, all, or none any more
  fault-disk.py failed DIR                  print how many writes have failed
  fault-disk.py stamp DIR NAME              copy standard input to DIR/acked.NAME; DIR/stamps.NAME says when each piece came
  fault-disk.py points DIR N SEED [FROM [WHO]]     print N moments at which to cut the power, from position FROM on, as `KIND POSITION' lines; and each when WHO was told something
  fault-disk.py image DIR KIND POSITION SEED OUT   make the disk that such a moment leaves

`serve' speaks the kernel's FUSE protocol on /dev/fuse, for one file.  It writes a word to the FIFO READY when it can be
used, and ends when DIR/dev is unmounted, not before: a loop device on a dead disk would fail everybody's mkfs.btrfs.  With `journal', DIR/journal holds one record for every
write and flush in the order in which they were answered: RECORD (type, offset, length), then the bytes written.  A
position is a number of records; DIR/control has the present one.  `image' goes on from where the last one left off:
DIR/base (the disk before the first record; changed by it) must be there, and positions must not go back by a flush.
"""
import bisect
import ctypes
import errno
import glob
import mmap
import os
import random
import signal
import struct
import subprocess
import sys

RECORD = struct.Struct("<cQI")  # W, F or E (a write that failed, nothing of which is there), offset, length
CONTROL = struct.Struct("<QqQ")  # records so far, writes to fail (-1 = all), writes failed
BLOCK = 4096  # what a disk writes whole or not at all
MAX_WRITE = 1 << 20

# linux/fuse.h
IN, OUT = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH, INIT, OPENDIR, RELEASEDIR = (
    1, 2, 3, 4, 14, 15, 16, 17, 18, 20, 25, 26, 27, 29)
INTERRUPT, DESTROY, BATCH_FORGET = 36, 38, 42
FUSE_BIG_WRITES, FUSE_MAX_PAGES = 1 << 5, 1 << 22


class Control:
    """DIR/control: shared by the server and by who asks it or tells it something."""

    def __init__(self, directory, create=False):
        path = os.path.join(directory, "control")
        if create:
            with open(path, "wb") as f:
                f.write(bytes(mmap.PAGESIZE))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), mmap.PAGESIZE)

    def get(self):
        return CONTROL.unpack_from(self.map)

    def put(self, field, value):
        struct.pack_into("<q", self.map, 8 * field, value)


class Server:
    def __init__(self, directory, journal):
        libc = ctypes.CDLL(None, use_errno=True)
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(sig, signal.SIG_IGN)
        self.disk = os.open(os.path.join(directory, "disk"), os.O_RDWR)
        self.size = os.fstat(self.disk).st_size
        self.journal = open(os.path.join(directory, "journal"), "wb", buffering=0) if journal else None
        self.control = Control(directory, create=True)
        self.fd = os.open("/dev/fuse", os.O_RDWR)
        where = os.path.join(directory, "dev")
        options = "fd=%d,rootmode=40000,user_id=0,group_id=0" % self.fd
        if libc.mount(b"fault-disk", where.encode(), b"fuse", 0, options.encode()) != 0:
            sys.exit("fault-disk: cannot mount '%s': %s" % (where, os.strerror(ctypes.get_errno())))

    def answer(self, unique, data=b"", error=0):
        try:
            os.write(self.fd, OUT.pack(OUT.size + len(data), -error, unique) + data)
        except OSError as e:
            if e.errno != errno.ENOENT:  # who asked was killed
                raise

    def attr(self, node):
        mode, size = (0o40755, 0) if node == 1 else (0o100600, self.size)
        return struct.pack("<6Q10I", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, BLOCK, 0)

    def record(self, kind, offset=0, data=b"", length=0):
        if self.journal is not None:
            self.journal.write(RECORD.pack(kind, offset, length or len(data)) + data)
        self.control.put(0, self.control.get()[0] + 1)

    def write(self, unique, body):
        offset, size = struct.unpack_from("<8xQI", body)
        data = body[40:40 + size]
        _, fail, failed = self.control.get()
        if fail != 0:
            if fail > 0:
                self.control.put(1, fail - 1)
            self.control.put(2, failed + 1)
            self.record(b"E", offset, length=size)
            return self.answer(unique, error=errno.EIO)
        os.pwrite(self.disk, data, offset)
        self.record(b"W", offset, data)
        return self.answer(unique, struct.pack("<II", size, 0))

    def handle(self, op, unique, node, body):
        if op == WRITE:
            self.write(unique, body)
        elif op == READ:
            offset, size = struct.unpack_from("<8xQI", body)
            self.answer(unique, os.pread(self.disk, size, offset))
        elif op == FSYNC:
            self.record(b"F")
            self.answer(unique)
        elif op == INIT:
            self.answer(unique, struct.pack("<IIIIHHIIHHI7I", 7, 31, 1 << 17, FUSE_BIG_WRITES | FUSE_MAX_PAGES, 64, 48, MAX_WRITE, 1,
                MAX_WRITE // 4096, 0, 0, *[0] * 7))
        elif op in (GETATTR, SETATTR):
            self.answer(unique, struct.pack("<QII", 60, 0, 0) + self.attr(node))
        elif op == LOOKUP and body == b"disk\0":
            self.answer(unique, struct.pack("<4Q2I", 2, 0, 60, 60, 0, 0) + self.attr(2))
        elif op == LOOKUP:
            self.answer(unique, error=errno.ENOENT)
        elif op in (OPEN, OPENDIR):
            self.answer(unique, bytes(16))
        elif op == STATFS:
            self.answer(unique, struct.pack("<5Q10I", self.size // BLOCK, 0, 0, 2, 0, BLOCK, 255, BLOCK, *[0] * 7))
        elif op in (RELEASE, FLUSH, RELEASEDIR, DESTROY):
            self.answer(unique)
        elif op not in (FORGET, BATCH_FORGET, INTERRUPT):
            self.answer(unique, error=errno.ENOSYS)

    def run(self):
        while True:
            try:
                request = os.read(self.fd, MAX_WRITE + 65536)
            except OSError as e:
                if e.errno == errno.ENODEV:  # unmounted
                    return
                if e.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                raise
            length, op, unique, node = IN.unpack_from(request)[:4]
            self.handle(op, unique, node, request[IN.size:length])


def serve(directory, ready, *journal):
    server = Server(directory, bool(journal))
    with open(ready, "w") as f:
        f.write("ready\n")
    server.run()


def eio(directory, what):
    Control(directory).put(1, {"all": -1, "off": 0}.get(what) if what in ("all", "off") else int(what))


def failed(directory):
    print(Control(directory).get()[2])


def stamp(directory, name):
    """What is acknowledged at a position is on the disk in every image of that position or a later one."""
    control, path = Control(directory), os.path.join(directory, "%s." + name)
    with open(path % "acked", "ab") as acked, open(path % "stamps", "a") as stamps:
        while data := os.read(0, 1 << 20):
            position = control.get()[0]
            acked.write(data)
            acked.flush()
            stamps.write("%d %d\n" % (position, acked.tell()))


class Journal:
    def __init__(self, directory):
        self.f = open(os.path.join(directory, "journal"), "rb")
        size = os.fstat(self.f.fileno()).st_size
        self.records = []  # (type, offset, length, where its bytes are)
        at = 0
        while at + RECORD.size <= size:
            kind, offset, length = RECORD.unpack(os.pread(self.f.fileno(), RECORD.size, at))
            at += RECORD.size
            self.records.append((kind, offset, length, at))
            if kind == b"W":
                at += length
        self.flushes = [i + 1 for i, r in enumerate(self.records) if r[0] == b"F"]

    def apply(self, disk, record, length=None):
        kind, offset, whole, at = record
        if kind == b"W":
            os.pwrite(disk, os.pread(self.f.fileno(), whole if length is None else length, at), offset)


def spread(what, n, rnd):
    """n of them, evenly, each at random in its stretch."""
    n = min(n, len(what))
    return [what[min(len(what) - 1, int((i + rnd.random()) * len(what) / n))] for i in range(n)]


def points(directory, n, seed, first="1", who=None):
    journal, n, rnd, first = Journal(directory), int(n), random.Random(int(seed)), int(first)
    stamps = set()
    for path in glob.glob(os.path.join(directory, "stamps.*")):
        with open(path) as f:
            stamps |= {int(line.split()[0]) for line in f}
    each = n // 3
    cuts = [("acked", p) for p in spread(sorted(p for p in stamps if p >= first), each, rnd)]  # just when something was acknowledged
    cuts += [("flush", p) for p in spread([p for p in journal.flushes if p >= first], each, rnd)]
    cuts += [("part", p) for p in spread(range(first, len(journal.records) + 1), n - len(cuts), rnd)]
    if who is not None:  # each time when WHO was told something, with no more than was flushed
        with open(os.path.join(directory, "stamps." + who)) as f:
            cuts += [("told", int(line.split()[0])) for line in f]
    for kind, position in sorted(cuts, key=lambda c: c[1]):
        print(kind, position)


def image(directory, kind, position, seed, out):
    """All writes up to the last flush are there; of those behind it, up to the position, none, all, or some, or parts."""
    journal, position, rnd = Journal(directory), int(position), random.Random("%s %s" % (seed, position))
    base, state = os.path.join(directory, "base"), os.path.join(directory, "base.position")
    flush = bisect.bisect_right(journal.flushes, position)
    flush = journal.flushes[flush - 1] if flush > 0 else 0
    done = int(open(state).read()) if os.path.exists(state) else 0
    if done > flush:
        sys.exit("fault-disk: the image stands at %d, behind %d" % (done, flush))
    disk = os.open(base, os.O_RDWR)
    for record in journal.records[done:flush]:
        journal.apply(disk, record)
    os.close(disk)
    with open(state, "w") as f:
        f.write("%d\n" % flush)
    subprocess.run(["cp", "--sparse=always", base, out], check=True)
    disk = os.open(out, os.O_RDWR)
    there = {"flush": 0.0, "told": 0.0, "acked": rnd.choice((0.0, 1.0)), "part": rnd.choice((0.2, 0.5, 0.8))}[kind]
    for record in journal.records[flush:position]:
        if rnd.random() < there:
            torn = kind == "part" and record[2] > BLOCK and rnd.random() < 0.3
            journal.apply(disk, record, rnd.randrange(record[2] // BLOCK) * BLOCK if torn else None)
    os.close(disk)


COMMANDS = {f.__name__: f for f in (serve, eio, failed, stamp, points, image)}
if len(sys.argv) < 3 or sys.argv[1] not in COMMANDS:
    sys.exit(__doc__)
COMMANDS[sys.argv[1]](*sys.argv[2:])
