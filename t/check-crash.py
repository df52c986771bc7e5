#!/usr/bin/env python3
"""Hold a root against what is known to be on its disk, by DESIGN 2 to 4 alone: nothing here asks ecl.

  check-crash.py found ROOT FULL DIR POSITION [WHO]   as a power cut at POSITION of t/fault-disk.py's journal in DIR left it; FULL
                                                is the log that there would have been.  Prints `EVENTS TORN', the whole
                                                lines in the log and the bytes behind them; 0 events = no ledger yet.  What
                                                was acknowledged is in DIR/acked.WHO*
  check-crash.py step ROOT STEPS KIND DIR BEGIN add to STEPS what stands in ROOT after a step of that kind, which began at that
                                                position of t/fault-disk.py in DIR.  Prints the present one
  check-crash.py stood ROOT FULL DIR POSITION WHO STEPS    the same, and the files, the rollbacks in the log and the names of the blocks are those before or those after
                                                a step, whole.  Of a step of the kind `paths' each file of live may be the old or the
                                                new one until it is recorded
  check-crash.py after ROOT FULL EVENTS         after the next events were recorded: the log goes on behind those EVENTS, with
                                                one genesis, nothing is torn, and ROOT/durable says where the log ends
  check-crash.py reboot ROOT                    make ROOT/durable that of another boot
  check-crash.py acked ROOT FILE...             the lines in FILEs are in the log, which is chained.  Prints how many there are
"""
import glob
import hashlib
import json
import os
import re
import struct
import sys

HEADER = re.compile(rb'\n\{"height":(\d+),[^\n]*"root":"([0-9a-f]{64})"[^\n]*(?=\n)')  # no ^: that is slow in a log
EMPTY_ROOT = hashlib.sha256(b"").hexdigest().encode()


def read(path):
    with open(path, "rb") as f:
        return f.read()


def seq_of(line):
    m = re.match(rb'\{"seq":(\d+),', line)
    assert m, "no event: %r" % line[:100]
    return int(m.group(1))


def last_line(data):
    return data[data.rfind(b"\n", 0, len(data) - 1) + 1:]


def read_log(root):
    """The bytes of the log, of each segment by its first seq, and of what is torn.  Only the last may be torn."""
    log, torn, segments, count = b"", b"", {}, 0
    for path in sorted(glob.glob(os.path.join(root, "live/.ecl/log/*.ndjson"))):
        first, data = int(os.path.basename(path)[:20]), read(path)
        assert torn == b"", "a segment that others follow ends in the middle of a line"
        assert first == count, "segment %d begins with event %d" % (first, count)
        end = data.rfind(b"\n") + 1
        segments[first], torn = data[:end], data[end:]
        log += data[:end]
        count += data.count(b"\n")
    return log, segments, torn


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def read_durable(root):
    """Its fields, or None where it is not there or not whole."""
    try:
        data = read(os.path.join(root, "durable"))
    except FileNotFoundError:
        return None
    if len(data) != 256 or data[247:] != b"%08x\n" % crc32c(data[:247]):
        return None
    fields = data[:247].split()
    assert fields[:2] == [b"ecl-durable", b"1"], "'durable' is not one: %r" % data
    return fields[2], fields[3], [int(n) for n in fields[4:8]], fields[8]


def check_durable(durable, segments):
    """It claims no more than there is."""
    _, _, (segment, offset, size, _), digest = durable
    if size == 0:
        return
    assert segment in segments and offset <= len(segments[segment]), "'durable' says %d events; the log has not" % size
    line = last_line(segments[segment][:offset])
    assert line.endswith(b'"hash":"%s"}\n' % digest) and seq_of(line) == size - 1, "'durable' says %d events, and where; the log has not" % size


def check_block(root, m):
    """A block that was acknowledged: its snapshot is there, with this header, and it is over something."""
    header = m.group()[1:] + b"\n"
    assert m.group(2) not in (b"0" * 64, EMPTY_ROOT), "a block over an empty log"
    name = "block-%06d-%s" % (int(m.group(1)), header[-67:-59].decode())
    assert read(os.path.join(root, ".snapshots", name, ".ecl/block")) == header, "'%s' has another header" % name


def pruned(log):
    """The hashes of the blocks that the log says are gone."""
    return {m.group(1) for m in re.finditer(rb'"element":"ecl:block","action":"prune","state":\{[^\n]*"hash":"([0-9a-f]{64})"[^\n]*"uid"', log)}


def acked_before(directory, position, who):
    """What each writer's programs had printed by then, in whole lines."""
    for path in glob.glob(os.path.join(directory, "acked.%s*" % who)):
        length = 0
        with open(path.replace("acked.", "stamps.")) as f:
            for line in f:
                at, end = map(int, line.split())
                length = end if at <= position else length
        data = read(path)[:length]
        yield data[:data.rfind(b"\n") + 1]


def found(root, full, directory, position, who=""):
    log, segments, torn = read_log(root)
    full = read(full)
    if not full.startswith(log):
        # Lines with NULs, and what is behind them, are a torn tail as well (DESIGN 4).
        good = log.rfind(b"\n", 0, len(os.path.commonprefix([log, full]))) + 1
        bad = log[good:]
        assert b"\0" in bad[:bad.index(b"\n")], "event %d is not what was recorded: %r" % (log[:good].count(b"\n"), bad[:100])
        torn, log = bad + torn, log[:good]
    events, gone = log.count(b"\n"), pruned(log)
    for acked in acked_before(directory, int(position), who):
        last = acked.rfind(b'\n{"seq":') + 1
        if acked.startswith(b'{"seq":'):
            assert seq_of(acked[last:]) < events, "event %d was acknowledged, and the log has %d" % (seq_of(acked[last:]), events)
        for m in HEADER.finditer(b"\n" + acked):
            if m.group()[-66:-2] not in gone:
                check_block(root, m)
    durable = read_durable(root)
    if durable is not None:
        check_durable(durable, segments)
    print(events, len(torn))


def after(root, full, events):
    log, segments, torn = read_log(root)
    lines = read(full).split(b"\n", int(events))
    assert log.startswith(b"".join(line + b"\n" for line in lines[:-1])), "what was there before is not there now"
    assert torn == b"", "a torn tail of %d bytes" % len(torn)
    assert (b"\n" + log).count(b'\n{"seq":0,') == 1, "not one genesis"
    durable = read_durable(root)
    check_durable(durable, segments)
    mark, boot, (segment, offset, size, _), _ = durable
    here = read("/proc/sys/kernel/random/boot_id").strip()
    assert (mark, boot, size) == (b"clean", here, log.count(b"\n")), "'durable' is not up to date: %r" % (durable,)
    for path in glob.glob(os.path.join(root, ".snapshots/block-*/.ecl/block")):
        check_block(root, HEADER.match(b"\n" + read(path)))


def reboot(root):
    path = os.path.join(root, "durable")
    if read_durable(root) is None:
        return
    data = bytearray(read(path))
    data[data.index(b"-", 20) - 8:data.index(b"-", 20)] = b"00000000"
    data[247:] = b"%08x\n" % crc32c(data[:247])
    with open(path, "r+b") as f:
        f.write(data)


def standing(root):
    """What a step changes: the files of live, the rollbacks that its log has, the names of the blocks."""
    files, live = {}, os.path.join(root, "live")
    for top, dirs, names in os.walk(live):
        dirs[:] = [d for d in dirs if (top, d) != (live, ".ecl")]
        for name in names:
            path = os.path.join(top, name)
            files[os.path.relpath(path, live)] = read(path).decode()
    rollbacks = read_log(root)[0].count(b'"element":"ecl:layer","action":"rollback"')
    blocks = [name for name in sorted(os.listdir(os.path.join(root, ".snapshots"))) if name.startswith("block-")]
    return {"files": files, "rollbacks": rollbacks, "blocks": blocks}


def step(root, steps, kind, directory, begin):
    with open(os.path.join(directory, "control"), "rb") as f:
        end = struct.unpack("<Q", f.read(8))[0]
    with open(steps, "a") as f:
        json.dump({"kind": kind, "begin": int(begin), "end": end, **standing(root)}, f)
        f.write("\n")
    print(end)


def stood(root, full, directory, position, who, steps):
    found(root, full, directory, position, who)
    with open(steps) as f:
        steps = [json.loads(line) for line in f]
    old = [s for s in steps if s["end"] <= int(position)][-1]
    # At the very end of the first step nothing else has begun.
    new = ([s for s in steps if s["begin"] < int(position)] or [old])[-1]
    now, kind = standing(root), new["kind"]
    where = "in '%s' after '%s'" % (kind, old["kind"])
    assert now["rollbacks"] in (old["rollbacks"], new["rollbacks"]), "%d rollbacks %s" % (now["rollbacks"], where)
    recorded = old["rollbacks"] != new["rollbacks"] and now["rollbacks"] == new["rollbacks"]
    if recorded:
        old = dict(new, blocks=old["blocks"])
    elif kind == "rollback":
        new = dict(old, blocks=new["blocks"])
    if kind == "paths":
        for path in sorted({*old["files"], *new["files"], *now["files"]}):
            assert now["files"].get(path) in (old["files"].get(path), new["files"].get(path)), "'%s' is neither the old nor the new one %s" % (path, where)
    else:
        assert now["files"] in (old["files"], new["files"]), "the files are half the old ones, half the new ones %s: %r" % (where, now["files"])
    had, has, here = set(old["blocks"]), set(new["blocks"]), set(now["blocks"])
    assert here >= had & has, "blocks are missing %s: %s" % (where, sorted(had & has - here))
    assert here <= had | has, "nobody made these blocks %s: %s" % (where, sorted(here - had - has))
    print(kind, "new" if now["files"] == new["files"] and here == has else "old", file=sys.stderr)


def acked(root, *files):
    log, _, torn = read_log(root)
    assert torn == b"", "a torn tail of %d bytes" % len(torn)
    log, prev, count = log.splitlines(keepends=True), b"0" * 64, 0
    for n, line in enumerate(log):
        digest = hashlib.sha256(line[:-76]).hexdigest().encode()
        assert seq_of(line) == n and line.endswith(b',"prev":"%s","hash":"%s"}\n' % (prev, digest)), "event %d is not chained" % n
        prev = digest
    for name in files:
        data = read(name)
        for line in data[:data.rfind(b"\n") + 1].splitlines(keepends=True):
            if line.startswith(b'{"height"'):
                continue
            seq = seq_of(line)
            assert seq < len(log), "event %d was acknowledged, and the log has %d" % (seq, len(log))
            assert log[seq] == line, "event %d is not what was acknowledged: %r" % (seq, log[seq][:100])
            count += 1
    print(len(log), count)


try:
    {f.__name__: f for f in (found, step, stood, after, reboot, acked)}[sys.argv[1]](*sys.argv[2:])
except AssertionError as e:
    sys.exit("check-crash: %s" % e)
