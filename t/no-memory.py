#!/usr/bin/env python3
"""Run programs whose memory runs out, at every call of malloc(3) in turn, and see what becomes of the ledger.

usage: no-memory.py SHIM.so DIR SECONDS [NAME...]       the shim is t/no-memory.c

DIR is ours to work in.  Of each program the 1st, 2nd, 3rd... allocation fails, then all from there on, until it runs
to its end without; more and more sparsely when there is not the time for all.  It must end by itself, say so
(exit 2, out of memory) or answer as ever; an event that it printed is in the ledger, which verifies, is not locked, and
takes the same input again.  Prints a line for each program, and what was not so; exit 1 then."""

import base64
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import time

SHIM, DIR, SECONDS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), float(sys.argv[3])
ONLY = sys.argv[4:]
LEDGER, SEED, MARK = DIR + '/ledger', DIR + '/seed', DIR + '/mark'
KEY = DIR + '/key.pem'
SAID = (b'out of memory', b'Cannot allocate memory')
INPUT = b''.join(b'{"element":"host:%d","state":{"b":[%d,"x"],"a":{"y":1e3,"name":"caf\\u00e9"}},"actor":"me","vector":[1,%d,3]}\n' % (i % 7, i, i)
                 for i in range(30)) + b'{"complete":"host:*"}\n'
MUCH = b''.join(b'{"element":"port:%d","action":"set","state":{"rx":%d}}\n' % (i % 500, i) for i in range(20000))
faults = []


def run(argv, stdin=b'', memory=None, trace=False):
    env = dict(os.environ)
    if memory is not None:
        env.update(LD_PRELOAD=SHIM, ECL_NO_MEMORY=memory, ECL_NO_MEMORY_MARK=MARK)
        if trace:
            env['ECL_NO_MEMORY_TRACE'] = '1'
    try:
        p = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, timeout=300, cwd=DIR)
        return p.returncode, p.stdout, p.stderr
    except subprocess.TimeoutExpired as e:
        return 'hangs', e.stdout or b'', e.stderr or b''


def fresh():
    shutil.rmtree(LEDGER, ignore_errors=True)
    shutil.copytree(SEED, LEDGER, symlinks=True)


def log():
    data = b''
    for name in sorted(glob.glob(LEDGER + '/live/.ecl/log/*.ndjson')):
        with open(name, 'rb') as f:
            data += f.read()
    return data


class Case:
    """One program: what is run, on what input; whether it writes to the ledger (then a fresh copy each time)."""

    def __init__(self, name, argv, stdin=b'', want=0, writes=False, codes=(2,), prints_events=False, again=True, same=None, cleanup=None):
        self.name, self.argv, self.stdin, self.want, self.writes, self.codes = name, argv, stdin, want, writes, codes
        self.prints_events, self.again, self.same, self.cleanup = prints_events, again, same or (lambda out: out), cleanup

    def check(self, want, memory):
        def fault(why):
            faults.append(f'{self.name}, memory {memory}: {why}\n  {err.decode("utf-8", "replace").strip()[:600]}')

        if os.path.exists(MARK):
            os.unlink(MARK)
        if self.writes:
            fresh()
        if self.cleanup:
            self.cleanup()
        code, out, err = run(self.argv, self.stdin, memory)
        if not os.path.exists(MARK):
            return False
        if code == want[0]:
            if not self.writes and self.same(out) != self.same(want[1]):
                fault(f'exit {code}, but another answer: {out[:300]!r}, not {want[1][:300]!r}')
        elif code not in self.codes:
            fault(f'exit {code}, not {" or ".join(map(str, (want[0],) + self.codes))}: {out[-300:]!r}')
        elif not any(s in err or s in out for s in SAID):
            fault(f'exit {code}, but it does not say why')
        if self.writes:
            if self.prints_events and code != 'hangs':
                whole = set(log().splitlines(True))
                for line in out.splitlines(True):
                    if line not in whole:
                        fault(f'printed, but not in the ledger: {line!r}')
                        break
            code, out, err = run(['ecl-verify', '--json', '-d', LEDGER])
            if code != 0:
                fault(f'then the ledger does not verify: exit {code}: {out[:400]!r}')
            if self.again:
                code, out, err = run(self.argv, self.stdin)
                if code != want[0]:
                    fault(f'then, with memory, exit {code}: {out[:300]!r}')
                code, out, err = run(['ecl-verify', '--json', '-q', '-d', LEDGER])
                if code != 0:
                    fault(f'after that the ledger does not verify: exit {code}: {out[:400]!r}')
        return True

    def run_all(self, seconds):
        fresh()
        if self.cleanup:
            self.cleanup()
        want = run(self.argv, self.stdin)
        if want[0] != self.want:
            faults.append(f'{self.name}: exit {want[0]}, not {self.want}, with all memory\n  {want[2].decode()[:400]}')
            return
        tried, before = 0, len(faults)
        for kind in '', '+':
            begin, n, last = time.monotonic(), 1, 0
            while self.check(want, f'{n}{kind}'):
                tried, last = tried + 1, n
                spent = (time.monotonic() - begin) / (seconds / 2)
                # All at first; when more than a third of the time is gone, ever larger steps.
                n += 1 if spent < 0.35 else max(1, int(n * (0.04 if spent < 0.7 else 0.3 if spent < 1 else 1)))
                if len(faults) - before > 20:
                    return
            if tried == 0:
                faults.append(f'{self.name}: nothing failed: is the shim loaded?')
            print(f'{self.name}: memory gone at {kind or "one"} of {last} allocations or more, {tried} runs', flush=True)


def forget_index():
    shutil.rmtree(LEDGER + '/live/.ecl/index', ignore_errors=True)


def new_root():
    shutil.rmtree(DIR + '/new', ignore_errors=True)


def unstamped(out):
    """A summary but for its time."""
    return b'\n'.join(line.split(b'"seconds"')[0] for line in out.splitlines())


def make_seed():
    shutil.rmtree(SEED, ignore_errors=True)
    os.umask(0o077)
    if has_option('ecl-snap', '--sign'):
        openssl('genpkey', '-algorithm', 'ed25519', '-out', KEY)
    steps = ((['ecl-init', '-q', '--backend', 'copy', '--origin', 'example.org/x', '--time', '2026-01-01T00:00:00Z', SEED], b''),
             (['ecl-append', '-q', '-d', SEED], INPUT[:INPUT.index(b'{"complete')]),
             (['ecl-snap', '-q', '-d', SEED], b''),
             (['ecl-append', '-q', '-d', SEED], b'{"element":"host:1","state":null}\n{"element":"file:/a","state":[1,2,{"deep":"text of it"}]}\n'),
             (['ecl-snap', '-q', '-d', SEED] + (['--sign', KEY] if has_option('ecl-snap', '--sign') else []), b''),
             (['ecl-index', '-q', '-d', SEED], b''),
             (['ecl-append', '-q', '-d', SEED], b'{"element":"link:eth0","state":{"mtu":9000}}\n'))
    for argv, stdin in steps:
        if argv[0] == 'ecl-snap':
            with open(SEED + '/live/file', 'a', encoding='ascii') as f:
                f.write('more\n')
        code, _, err = run(argv, stdin)
        if code != 0:
            sys.exit(f'{argv}: exit {code}: {err.decode()}')


def cases():
    d = ['-d', LEDGER]
    yield Case('append', ['ecl-append', *d], INPUT, writes=True, prints_events=True)
    yield Case('append one', ['ecl-append', *d, '-e', 'host:9', '-s', '{"a":1}'], writes=True, prints_events=True)
    yield Case('append, no index', ['ecl-append', *d], INPUT, writes=True, prints_events=True, cleanup=forget_index)
    yield Case('verify', ['ecl-verify', '--json', *d], same=unstamped)
    yield Case('verify -', ['ecl-verify', '--json', '-'], log_of_seed(), same=unstamped)
    yield Case('append much', ['ecl-append', *d], MUCH, writes=True, prints_events=True, again=False)
    yield Case('append --dry-run', ['ecl-append', '--dry-run', *d], INPUT, same=lambda out: len(out.splitlines()))
    # What is wrong is never right for want of memory.
    for what, path, old, new in (('log', '/live/.ecl/log/*.ndjson', b'9000', b'9001'), ('block', '/.snapshots/block-000000-*/file', b'm', b'n'),
                                 ('header', '/.snapshots/block-000001-*/.ecl/block', b'"entries":1', b'"entries":2')):
        yield Case('verify a bad ' + what, ['ecl-verify', '--json', *d], want=1, same=lambda out: b'', cleanup=lambda a=(path, old, new): tamper(*a))
    yield Case('verify - of a bad log', ['ecl-verify', '--json', '-'], log_of_seed().replace(b'9000', b'9001'), want=1, same=lambda out: b'')
    yield Case('replay', ['ecl-replay', *d])
    yield Case('replay a glob', ['ecl-replay', *d, '--element', 'host:*', '--from', 'block-0'])
    yield Case('query', ['ecl-query', *d])
    yield Case('query, table', ['ecl-query', '--table', *d], same=lambda out: len(out.splitlines()))
    yield Case('query --history', ['ecl-query', *d, '--history', 'host:*'])
    yield Case('query --at', ['ecl-query', *d, '--at', '12'])
    yield Case('query --diff', ['ecl-query', *d, '--diff', 'block-0'])
    yield Case('query --elements', ['ecl-query', *d, '--elements'])
    yield Case('query --blocks', ['ecl-query', *d, '--blocks'])
    yield Case('query --stat', ['ecl-query', *d, '--stat'])
    yield Case('query --count-by', ['ecl-query', *d, '--count-by', 'action'])
    yield Case('query --layer', ['ecl-query', *d, '--layer'])
    yield Case('query --similar', ['ecl-query', *d, '--similar', 'text of it', '-k', '3'])
    yield Case('query --similar SEQ', ['ecl-query', *d, '--similar', '5', '-k', '3'])
    yield Case('query --unusual', ['ecl-query', *d, '--unusual', '-k', '3'])
    yield Case('query --like', ['ecl-query', *d, '--like', 'block-0'])
    yield Case('snap', ['ecl-snap', *d], writes=True)
    yield Case('snap --list', ['ecl-snap', *d, '--list'])
    yield Case('rollback', ['ecl-rollback', *d, '--yes', 'block-0'], writes=True, prints_events=True)
    yield Case('rollback of parts', ['ecl-rollback', *d, '--yes', '--path', 'file', '--element', 'link:*', 'block-0'], writes=True, prints_events=True)
    yield Case('rollback --dry-run', ['ecl-rollback', *d, '--dry-run', 'block-0'], same=lambda out: len(out.splitlines()))
    yield Case('index', ['ecl-index', *d], writes=True)
    yield Case('index --rebuild', ['ecl-index', *d, '--rebuild'], writes=True)
    yield Case('index --check', ['ecl-index', *d, '--check'])
    if has_option('ecl-snap', '--sign'):
        key = vkey()
        yield Case('snap --sign', ['ecl-snap', *d, '--sign', KEY], writes=True)
        yield Case('verify --key', ['ecl-verify', '--json', *d, '--key', key], same=unstamped)
        yield Case('verify --key, another', ['ecl-verify', '--json', *d, '--key', other_vkey()], want=1, same=lambda out: b'')
    if shutil.which('ecl-prove'):
        yield Case('prove', ['ecl-prove', *d, '3'])
        yield Case('prove --latest', ['ecl-prove', *d, '--latest', 'host:1'])
        yield Case('prove --consistency', ['ecl-prove', *d, '--consistency', '5'])
    yield Case('init', ['ecl-init', DIR + '/new'], cleanup=new_root, same=lambda out: b'')


def has_option(program, option):
    return option.encode() in run([program, '--help'])[1]


def openssl(*args):
    return subprocess.run(['openssl', *args], stdout=subprocess.PIPE, check=True).stdout


def vkey_of(key):
    kind = b'\x01' + openssl('pkey', '-in', key, '-pubout', '-outform', 'DER')[-32:]
    ident = hashlib.sha256(b'example.org/x\n' + kind).hexdigest()[:8]
    return f'example.org/x+{ident}+{base64.b64encode(kind).decode()}'


def vkey():
    return vkey_of(KEY)


def other_vkey():
    openssl('genpkey', '-algorithm', 'ed25519', '-out', KEY + '.other')
    return vkey_of(KEY + '.other')


def tamper(path, old, new):
    for name in glob.glob(LEDGER + path):
        with open(name, 'rb') as f:
            data = f.read()
        if old in data:
            with open(name, 'wb') as f:
                f.write(data.replace(old, new))


def log_of_seed():
    data = b''
    for name in sorted(glob.glob(SEED + '/live/.ecl/log/*.ndjson')):
        with open(name, 'rb') as f:
            data += f.read()
    return data


def main():
    os.makedirs(DIR, exist_ok=True)
    make_seed()
    todo = [c for c in cases() if not ONLY or c.name in ONLY]
    begin = time.monotonic()
    for i, case in enumerate(todo):
        case.run_all(max(0.1, (SECONDS - (time.monotonic() - begin)) / (len(todo) - i)))
    for f in faults[:200]:
        print('FAULT', f)
    print(f'{len(faults)} faults')
    sys.exit(1 if faults else 0)


main()
