#!/usr/bin/env python3
"""Ask ecl-query --similar at random, and compare with what the vectors say, one by one.

usage: check-similar.py rows ROOT FILE            keep the rows of a ledger whose index is complete
       check-similar.py events ROOT FILE N [ARG...]   N questions about events, by these rows
       check-similar.py text ROOT N [ARG...]      N questions of words, by the answer to them without filters: of a
                                                  ledger of which every event is a candidate

ARG...: given to each ecl-query.  Each question has filters of every kind, limits and directions, taken at random
(--seed N).  What a question prints must be the same to the byte.
"""
import fnmatch, glob, json, math, os, random, re, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle

WIDTH = 256
GLOBS = ['interface:*', '*1*', 'service:*', 'file:/etc/*', 'ecl:*', 'disk:sda', 'nothing:here', '*', 'interface:eth[0-2]']
TEXTS = ['disk full', 'eth1 link down', 'no space left on device', 'CHG-1042 certificate', '/etc/f3.conf', 'restart', 'zzzzqqq']


class Ledger:
    def __init__(self, root):
        self.root = root
        self.events = []
        for path in sorted(glob.glob(root + '/live/.ecl/log/*.ndjson')):
            with open(path, 'rb') as f:
                for line in f:
                    line = line.decode().rstrip('\n')
                    self.events.append((json.loads(line), line))
        self.size = len(self.events)


def rows(root):
    index = root + '/live/.ecl/index/'
    with open(index + 'vectors.head') as f:
        head = f.read()
    seed = re.search(r'^seed ([0-9a-f]{8})$', head, re.M)[1]
    width, n = map(int, re.search(r'^column (\d+) (\d+) ', head, re.M).groups())
    assert width == WIDTH, width
    data = b''.join(open(p, 'rb').read() for p in sorted(glob.glob(index + 'vectors.%s-*' % seed)) if not p.endswith('.sum'))
    assert len(data) >= n * width
    return data[:n * width]


def scored(line, score):
    return '%s,"score":%.4f}\n' % (line[:-1], 0 if -.00005 < score < 0 else score)


class Filters:
    """The filters of one question, as arguments and as what they mean."""

    def __init__(self, rng, ledger):
        self.args, self.rng = [], rng
        self.globs = rng.sample(GLOBS, rng.choice((0, 0, 1, 2)))
        if rng.random() < .15:
            self.globs = [rng.choice(ledger.events)[0]['element']]
        self.low, self.high = 0, ledger.size
        self.action = self.actor = None
        if rng.random() < .3:
            self.low = self.point('--since', rng.randrange(ledger.size), ledger)
        for option in ('--until', '--at'):
            if rng.random() < .2:
                self.high = min(self.high, self.point(option, rng.randrange(ledger.size), ledger) + 1)
        if rng.random() < .25:
            self.action = rng.choice(('create', 'modify', 'delete', 'restart', 'reload'))
            self.args += ['--action', self.action]
        if rng.random() < .25:
            self.actor = rng.choice(('ansible', 'root', 'nobody'))
            self.args += ['--actor', self.actor]
        self.k = rng.choice((1, 2, 10, 10, 50, 500, 10000))
        self.limit = rng.choice((None, None, 1, 7))
        self.reverse = rng.random() < .2
        if self.k != 10 or rng.random() < .5:
            self.args += ['-k', str(self.k)]
        if self.limit:
            self.args += ['--limit', str(self.limit)]
        if self.reverse:
            self.args += ['--reverse']
        if rng.random() < .3:
            self.args += ['--exact']

    def point(self, option, seq, ledger):
        """An event by its number or by its time; of a time the first, or the last, event that has it."""
        if self.rng.random() < .5:
            self.args += [option, str(seq)]
            return seq
        time = ledger.events[seq][0]['time']
        self.args += [option, time]
        step = -1 if option == '--since' else 1
        while 0 <= seq + step < ledger.size and ledger.events[seq + step][0]['time'] == time:
            seq += step
        return seq

    def passes(self, ev):
        return (self.low <= ev['seq'] < self.high and oracle.wanted(ev['element'], self.globs) and
                self.action in (None, ev['action']) and self.actor in (None, ev.get('actor')))

    def cut(self, found):
        found = found[:self.k]
        if self.reverse:
            found = found[::-1]
        return ''.join(found[:self.limit])


def ask(root, *args):
    done = subprocess.run(['ecl-query', '-d', root] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.stdout.decode(), done.returncode, done.stderr.decode()


def compare(root, args, want, quiet):
    got, code, said = ask(root, *args)
    if got != want or code != (0 if want else 1) or (said and quiet):
        print('ecl-query -d', root, *map(repr, args), 'exit', code, said)
        print('want:', want, 'got:', got, sep='\n')
        sys.exit(1)


def about_events(root, path, n, args, rng):
    ledger = Ledger(root)
    with open(path, 'rb') as f:
        data = f.read()
    vec = [[b - 256 if b > 127 else b for b in data[i * WIDTH:(i + 1) * WIDTH]] for i in range(len(data) // WIDTH)]
    assert len(vec) == ledger.size
    own = [sum(x * x for x in v) for v in vec]
    order = {}
    for _ in range(n):
        seq = rng.randrange(ledger.size)
        while own[seq] == 0:
            seq = rng.randrange(ledger.size)
        if len(order) > 8 and rng.random() < .9:
            seq = rng.choice(list(order))
        if seq not in order:
            q = vec[seq]
            cosines = []
            for i, v in enumerate(vec):
                dot = sum(x * y for x, y in zip(q, v))
                cosines.append((dot / math.sqrt(float(own[seq]) * float(own[i])) if own[i] else 0., i))
            order[seq] = sorted(cosines, reverse=True)
        f = Filters(rng, ledger)
        want = f.cut([scored(ledger.events[i][1], c) for c, i in order[seq] if i != seq and f.passes(ledger.events[i][0])])
        compare(root, ['--similar', str(seq)] + f.args + args + f.globs, want, not args)


def about_text(root, n, args, rng):
    ledger = Ledger(root)
    order = {}
    for _ in range(n):
        text = rng.choice(TEXTS)
        if text not in order:
            out, code, said = ask(root, '--similar', text, '-k', '10000', *args, '*', 'ecl:*')
            assert code == 0, said
            order[text] = [(json.loads(line), line + '\n') for line in out.splitlines()]
            assert len(order[text]) == ledger.size
            keys = [(e['score'], e['seq']) for e, _ in order[text]]
            assert all(a[0] >= b[0] for a, b in zip(keys, keys[1:])), keys
            assert all(0 <= k[0] <= 1 for k in keys), keys
        f = Filters(rng, ledger)
        want = f.cut([line for e, line in order[text] if f.passes(e)])
        compare(root, ['--similar', text] + f.args + args + f.globs, want, not args)


def main():
    args = sys.argv[1:]
    seed = 1
    if '--seed' in args:
        at = args.index('--seed')
        seed = int(args[at + 1])
        del args[at:at + 2]
    rng = random.Random(seed)
    if args[0] == 'rows':
        with open(args[2], 'wb') as f:
            f.write(rows(args[1]))
    elif args[0] == 'events':
        about_events(args[1], args[2], int(args[3]), args[4:], rng)
    else:
        about_text(args[1], int(args[2]), args[3:], rng)


main()
