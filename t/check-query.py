#!/usr/bin/env python3
"""Ask ecl-query about elements at random, and compare with what the log says.

usage: check-query.py ROOT QUESTIONS [--seed N] [--damage] [--who]

Each question is one of: the state of an element, of some, or of a pattern, then; the history of an element or a
pattern in a range, up or down, limited or not; the counts of events; what differs between two moments.
--damage: before each question about an element's history or state a row of the index is changed, as no checksum is
asked of it, so that it leads elsewhere; the index is put back afterwards.
--who: the histories only, of an actor, an action, or both, and mostly of all elements.
"""
import argparse, fnmatch, glob, json, os, random, struct, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle

ROW = struct.Struct('<QQIIII')
NONE = 2**64 - 1
GLOBS = ['interface:*', '*1', 'service:s0?', 'file:*', 'ecl:*', '*']


class Ledger:
    def __init__(self, root):
        self.root = root
        lines = []
        for path in sorted(glob.glob(root + '/live/.ecl/log/*.ndjson')):
            with open(path, 'rb') as f:
                lines += f.readlines()
        self.events = list(oracle.events(lines))
        self.size = len(self.events)
        self.chain = {}
        for e in self.events:
            self.chain.setdefault(e[2], []).append(e)
        # What has glob characters is asked for elsewhere.
        self.names = [n for n in self.chain if not set('*?[\\') & set(n)]

    def fits(self, globs):
        return sorted((n for n in self.chain if any(n == g or oracle.wanted(n, [g]) for g in globs)), key=str.encode)

    def history(self, globs, since, until, reverse, limit, actor=None, action=None):
        fits = self.fits(globs) if globs else [n for n in self.chain if not n.startswith('ecl:')]
        found = sorted((e for n in fits for e in self.chain[n] if since <= e[0] <= until), reverse=reverse)
        if actor is not None or action is not None:
            heads = [(e, json.loads(e[5])) for e in found]
            found = [e for e, h in heads if actor in (None, h.get('actor')) and action in (None, h['action'])]
        return ''.join(e[5] for e in found[:limit])

    def states(self, globs, at):
        out = ''
        for name in self.fits(globs):
            last = None
            for seq, time, _, token, state, _ in self.chain[name]:
                if seq <= at and state is not None:
                    last = token, state, seq, time
            if last and last[1] != 'null':
                out += oracle.state_line(*last)
        return out

    def elements(self, globs):
        return ''.join('{"element":%s,"first":%d,"last":%d,"events":%d}\n' % (c[0][3], c[0][0], c[-1][0], len(c))
                       for c in (self.chain[n] for n in self.fits(globs)))

    def diff(self, globs, a, b):
        out = ''
        for name in self.fits(globs):
            was, now = (([e for e in self.chain[name] if e[0] <= at and e[4] is not None] or [None])[-1] for at in (a, b))
            before, after = was[4] if was else 'null', now[4] if now else 'null'
            if before != after:
                change = 'create' if before == 'null' else 'delete' if after == 'null' else 'modify'
                out += '{"element":%s,"change":"%s","before":%s,"after":%s,"seq":%s}\n' % (
                    self.chain[name][0][3], change, before, after, now[0] if now else 'null')
        return out


def who(ledger, rng):
    """Those of some event, or some that there are not: an actor, an action, or both."""
    heads = [json.loads(rng.choice(ledger.events)[5]) for _ in range(2)]
    actor = heads[0].get('actor', 'nobody') if rng.random() < .8 else None
    action = heads[rng.randrange(2)]['action'] if actor is None or rng.random() < .5 else None
    return actor, 'nothing' if action and rng.random() < .05 else action


def question(ledger, rng, globs, ask_who=False):
    """The arguments and what they must print."""
    kind = 'history' if ask_who else rng.choice(('state', 'state', 'history', 'history', 'elements', 'diff'))
    at = rng.randrange(ledger.size)
    if rng.random() < .6:  # where it matters to which side
        some = ledger.chain[globs[0]] if globs[0] in ledger.chain else ledger.events
        at = min(max(0, rng.choice(some)[0] + rng.choice((-1, 0, 1))), ledger.size - 1)
    if kind == 'state':
        return ['--at', str(at)] + globs, ledger.states(globs, at)
    if kind == 'elements':
        return ['--elements'] + globs, ledger.elements(globs)
    since, until = sorted((at, rng.randrange(ledger.size)))
    if kind == 'diff':
        a, b = rng.choice(((since, until), (until, since)))
        return ['--diff', str(a), str(b)] + globs, ledger.diff(globs, a, b)
    args, reverse, limit = ['--history'], rng.random() < .5, None
    actor, action = who(ledger, rng) if ask_who else (None, None)
    if actor is not None:
        args += ['--actor', actor]
    if action is not None:
        args += ['--action', action]
    if ask_who and rng.random() < .6:
        globs = []
    if rng.random() < .5:
        args += ['--since', str(since), '--until', str(until)]
    else:
        since, until = 0, ledger.size
    if reverse:
        args += ['--reverse']
    if rng.random() < .5:
        limit = rng.choice((1, 2, 10, 100))
        args += ['--limit', str(limit)]
    return args + globs, ledger.history(globs, since, until, reverse, limit, actor, action)


def damage(ledger, rng, name):
    """Change the row of one of the element's events, in place; return what undoes it."""
    files = sorted(glob.glob(ledger.root + '/live/.ecl/index/rows-' + '[0-9]' * 20))
    chain = ledger.chain[name]
    i = rng.randrange(len(chain))
    seq = chain[i][0]
    with open(files[0], 'r+b') as f:
        at = seq * ROW.size
        f.seek(at)
        was = f.read(ROW.size)
        if len(was) < ROW.size:
            return lambda: None
        row = list(ROW.unpack(was))
        other = rng.choice(chain)[0]
        f.seek(other * ROW.size)
        others = ROW.unpack(f.read(ROW.size).ljust(ROW.size, b'\0'))
        how = rng.randrange(6)
        if how == 0:
            row[1] = chain[rng.randrange(i)][0] if i else NONE  # skips some
        elif how == 1:
            row[1] = rng.randrange(seq) if seq else NONE        # that of anything
        elif how == 2:
            row[1] = NONE
        elif how == 3:
            row[2:4] = others[2:4]                              # the line of another of its events
        elif how == 4:
            row = list(others)
        else:
            row = list(ROW.unpack(rng.randbytes(ROW.size)))
        f.seek(at)
        f.write(ROW.pack(*row))

    def undo():
        with open(files[0], 'r+b') as f:
            f.seek(at)
            f.write(was)
    return undo


def main():
    p = argparse.ArgumentParser()
    p.add_argument('root')
    p.add_argument('questions', type=int)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--damage', action='store_true')
    p.add_argument('--who', action='store_true')
    a = p.parse_args()
    rng = random.Random(a.seed)
    ledger = Ledger(a.root)
    for i in range(a.questions):
        # Each element in its turn, so that none is forgotten; then some, then patterns.
        name = ledger.names[i % len(ledger.names)]
        globs = [name]
        if not a.damage:
            globs = rng.choice((globs, globs, globs + rng.sample(ledger.names, 3), [rng.choice(GLOBS)]))
        args, expect = question(ledger, rng, globs, a.who)
        undo = damage(ledger, rng, name) if a.damage else lambda: None
        r = subprocess.run(['ecl-query', '-d', a.root] + args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        undo()
        empty = 0 if '--diff' in args else 1
        if r.stdout.decode() != expect or r.returncode != (0 if expect else empty) or r.stderr:
            print('question %d: ecl-query %s: exit %d, %s' % (i, ' '.join(map(repr, args)), r.returncode, r.stderr.decode()))
            for have, want in zip(r.stdout.decode().splitlines() + ['(end)'], expect.splitlines() + ['(end)']):
                if have != want:
                    print('have', have)
                    print('want', want)
                    break
            sys.exit(1)


main()
