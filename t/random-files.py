#!/usr/bin/env python3
"""Do random things to the files of a root, make blocks of it, and compare what each says of the files with a full count,
and what --diff says of two of them with what differs.

usage: random-files.py ROOT ROUNDS SEED

Blocks are made with and without CAP_SYS_ADMIN, so that the two ways to find what changed meet in one history.
"""
import base64
import importlib.util
import json
import os
import random
import stat
import subprocess
import sys

spec = importlib.util.spec_from_file_location("check_block", os.path.join(os.path.dirname(__file__), "check-block.py"))
check_block = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_block)

PARTS = [b"a", b"b", b"a-b", b"a.b", b"a0", b"dir", b"x y", b"n\nl", b"\xff\xfe", "é".encode(), b"*", b"A", b"long" * 63, b".ecl"]
WITHOUT = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]


class Tree:
    def __init__(self, top, rnd):
        self.top, self.rnd = os.fsencode(top), rnd

    def paths(self):
        files, dirs = [], [self.top]
        for where, names, others in os.walk(self.top):
            if where == self.top:
                names[:] = [n for n in names if n != b".ecl"]
            dirs += [os.path.join(where, n) for n in names if not os.path.islink(os.path.join(where, n))]
            files += [os.path.join(where, n) for n in others]
        return files, dirs

    def new(self, dirs):
        for _ in range(50):
            name = self.rnd.choice(PARTS) + self.rnd.choice([b"", b"", b"%d" % self.rnd.randrange(20)])
            where = self.rnd.choice(dirs)
            path = os.path.join(where, name[:255])
            if not os.path.lexists(path) and not (where == self.top and name == b".ecl") and path.count(b"/") < 16:
                return path
        return None

    def step(self):
        rnd = self.rnd
        files, dirs = self.paths()
        regular = [p for p in files if stat.S_ISREG(os.lstat(p).st_mode)]
        inner = dirs[1:]
        path = self.new(dirs)
        kind = rnd.choice(self.KINDS)
        getattr(self, kind)(files, regular, dirs, inner, path)

    def create(self, files, regular, dirs, inner, path):
        if path:
            with open(path, "wb") as f:
                f.write(os.urandom(self.rnd.choice([0, 1, 10, 3000, 70000])))

    def write(self, files, regular, dirs, inner, path):
        if regular:
            with open(self.rnd.choice(regular), "r+b") as f:
                f.seek(self.rnd.randrange(3000))
                f.write(b"%d" % self.rnd.randrange(10**9))

    def quietly(self, files, regular, dirs, inner, path):
        """The same size, and the times put back."""
        for p in self.rnd.sample(regular, min(3, len(regular))):
            st = os.stat(p)
            if st.st_size:
                with open(p, "r+b") as f:
                    f.write(bytes([self.rnd.randrange(256)]))
                os.utime(p, ns=(st.st_atime_ns, st.st_mtime_ns))

    def mapped(self, files, regular, dirs, inner, path):
        import mmap
        big = [p for p in regular if os.path.getsize(p) > 2]
        if big:
            with open(self.rnd.choice(big), "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
                m[self.rnd.randrange(len(m))] = self.rnd.randrange(256)

    def replace(self, files, regular, dirs, inner, path):
        if regular and path:
            with open(path, "wb") as f:
                f.write(os.urandom(20))
            os.rename(path, self.rnd.choice(regular))

    def mkdir(self, files, regular, dirs, inner, path):
        if path:
            os.mkdir(path)

    def unlink(self, files, regular, dirs, inner, path):
        if files:
            os.unlink(self.rnd.choice(files))

    def rmtree(self, files, regular, dirs, inner, path):
        if inner and self.rnd.random() < 0.3:
            subprocess.run([b"rm", b"-rf", b"--", self.rnd.choice(inner)], check=True)

    def move(self, files, regular, dirs, inner, path):
        if files and path:
            os.rename(self.rnd.choice(files), path)

    def move_dir(self, files, regular, dirs, inner, path):
        if inner and path:
            old = self.rnd.choice(inner)
            if not path.startswith(old + b"/"):
                os.rename(old, path)

    def swap(self, files, regular, dirs, inner, path):
        some = [p for p in (self.rnd.choice(inner + files) for _ in range(2))] if inner + files else []
        if len(set(some)) == 2 and path and not any(q.startswith(p + b"/") for p in some for q in some + [path]):
            os.rename(some[0], path)
            os.rename(some[1], some[0])
            os.rename(path, some[1])

    def link(self, files, regular, dirs, inner, path):
        if regular and path:
            os.link(self.rnd.choice(regular), path)

    def symlink(self, files, regular, dirs, inner, path):
        if path:
            os.symlink(self.rnd.choice([b"a", b"../x", b"l" * 300]), path)

    def special(self, files, regular, dirs, inner, path):
        if path:
            kind = self.rnd.choice("pcbs")
            if kind == "s":
                os.mknod(path, stat.S_IFSOCK | 0o600)
            elif kind == "p":
                os.mkfifo(path)
            else:
                os.mknod(path, (stat.S_IFCHR if kind == "c" else stat.S_IFBLK) | 0o600, os.makedev(7, self.rnd.randrange(9)))

    def change_type(self, files, regular, dirs, inner, path):
        """A file becomes a directory with something in it, or the other way round."""
        if files and self.rnd.random() < 0.5:
            p = self.rnd.choice(files)
            os.unlink(p)
            os.mkdir(p)
            self.create(files, regular, dirs, inner, p + b"/in")
        elif inner:
            p = self.rnd.choice(inner)
            subprocess.run([b"rm", b"-rf", b"--", p], check=True)
            self.create(files, regular, dirs, inner, p)

    def mode(self, files, regular, dirs, inner, path):
        if regular + inner:
            os.chmod(self.rnd.choice(regular + inner), self.rnd.choice([0o600, 0o4755, 0o2750, 0o1777, 0]))

    def owner(self, files, regular, dirs, inner, path):
        if files + inner:
            os.lchown(self.rnd.choice(files + inner), self.rnd.randrange(4), self.rnd.randrange(4))

    def xattr(self, files, regular, dirs, inner, path):
        if regular + inner:
            p, name = self.rnd.choice(regular + inner), "user.%d" % self.rnd.randrange(3)
            if name in os.listxattr(p) and self.rnd.random() < 0.5:
                os.removexattr(p, name)
            else:
                os.setxattr(p, name, os.urandom(self.rnd.randrange(40)))

    def acl(self, files, regular, dirs, inner, path):
        if regular + inner:
            subprocess.run([b"setfacl", b"-m", b"u:%d:r" % self.rnd.randrange(5), b"--", self.rnd.choice(regular + inner)], check=True)

    def sparse(self, files, regular, dirs, inner, path):
        if regular:
            os.truncate(self.rnd.choice(regular), self.rnd.choice([0, 5, 4096, 1 << 24]))

    def ledger(self, files, regular, dirs, inner, path):
        subprocess.run(["ecl-append", "-q", "-d", os.path.dirname(self.top), "-e", "x:y", "-s", "%d" % self.rnd.randrange(99)], check=True)

    def many(self, files, regular, dirs, inner, path):
        if path and self.rnd.random() < 0.15:
            os.mkdir(path)
            for i in range(600):
                open(path + b"/%d" % i, "wb").close()

    KINDS = ("create create create write write quietly mapped replace mkdir mkdir unlink rmtree move move_dir swap link symlink special "
             "change_type mode owner xattr acl sparse ledger many").split()


def fields(top):
    """Of every file what its leaf says."""
    found = {}
    for where, dirs, names in os.walk(os.fsencode(top)):
        if where == os.fsencode(top):
            dirs[:] = [d for d in dirs if d != b".ecl"]
        for n in dirs + names:
            rel = os.path.relpath(os.path.join(where, n), os.fsencode(top))
            if rel != b".ecl":
                found[rel] = check_block.file_leaf(os.fsencode(top), rel)[len(rel) + 1:].split(b" ")
    return found


def difference(a, b):
    out = []
    for path in sorted(a.keys() | b.keys()):
        if path not in a or path not in b:
            out.append((path, "-" if path in a else "+"))
            continue
        x, y = a[path], b[path]
        change = "".join(c for c, differs in (
            ("c", x[0] == y[0] and x[4:6] != y[4:6]), ("t", x[0] != y[0]), ("p", x[1] != y[1]),
            ("u", x[2:4] != y[2:4]), ("x", x[6] != y[6])) if differs)
        if change:
            out.append((path, change))
    return out


def check_diff(root, way, a, b, sides):
    args = way + ["ecl-snap", "-d", root, "--json", "--diff", a] + ([b] if b else [])
    have = []
    for line in subprocess.run(args, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines():
        d = json.loads(line)
        have.append((base64.b64decode(d["raw"]) if "raw" in d else d["path"].encode(), d["change"]))
    want = difference(sides[a], sides[b] if b else fields(os.path.join(root, "live")))
    if have != want:
        print("%s: %s" % (" ".join(args), [x for x in have if x not in want] + ["but"] + [x for x in want if x not in have]))
        return False
    return True


def main(root, rounds, seed):
    sides = {}
    rnd = random.Random(seed)
    tree = Tree(os.path.join(root, "live"), rnd)
    for n in range(rounds):
        for _ in range(rnd.choice([0, 1, 1, 3, 10, 30])):
            tree.step()
        way = rnd.choice([[], [], WITHOUT])
        out = subprocess.run(way + ["ecl-snap", "-d", root, "--json"], stdout=subprocess.PIPE, check=True).stdout
        header = json.loads(out)
        block = os.path.join(root, ".snapshots", "block-%06d-%s" % (header["height"], header["hash"][:8]))
        entries, want = check_block.files(block)
        if (header["entries"], header["files"]) != (entries, want.hex()):
            print("seed %d, round %d, %s: %s: %d %s, but it is %d %s" % (
                seed, n, "without CAP_SYS_ADMIN" if way else "by search", block, header["entries"], header["files"], entries, want.hex()))
            return 1
        last = "block-%d" % header["height"]
        sides[last] = fields(block)
        for _ in range(2):
            a, b, way = rnd.choice(sorted(sides)), rnd.choice([last, None, rnd.choice(sorted(sides))]), rnd.choice([[], WITHOUT])
            tree.step()
            if not check_diff(root, way, a, b, sides):
                print("seed %d, round %d" % (seed, n))
                return 1
        if n % 8 == 7:
            subprocess.run(["ecl-rollback", "-q", "-d", root, "--yes", "block-%d" % rnd.randrange(header["height"])], check=True, stdout=subprocess.DEVNULL)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
