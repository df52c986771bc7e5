#!/usr/bin/env python3
"""Write a ledger that knows nothing of the programs: DESIGN 2 and 3, and the standard library.

usage: make-ledger.py ROOT EVENTS [--seed N] [--segment EVENTS] [--block EVENTS] [--skew]

The same arguments give the same bytes.  --segment: so many events a segment (else all in one).
--block: a block every so many events, with a header whose hash and prev are right and whose roots are made
up; the first loses its snapshot as if it had been pruned.  --skew: some elements have most of the events, each for
a quarter of the time, some very few.
"""
import argparse, datetime, hashlib, json, os, random

START = 1763719200 * 10**6  # 2025-11-21T10:00:00Z
ODD = ['file:/a"b\\c', 'file:/a[1]', 'file:/a1', 'file:/*', 'file:/?', 'unit:\u00e9\u4e2d\U0001f600', 'with spaces', 'file:/a\\*']
ELEMENTS = (['interface:eth%d' % i for i in range(8)] + ['service:s%02d' % i for i in range(20)] +
            ['file:/etc/f%d.conf' % i for i in range(20)] + ODD)
ACTORS = ['ansible', 'root "quoted"', 'caf\u00e9', 'tab\there']


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False)


def stamp(us):
    t = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)
    return t.strftime('%Y-%m-%dT%H:%M:%S.') + '%06dZ' % t.microsecond


def hashed(body):
    """A line whose last member is the hash of all before it."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    return body + ',"hash":"' + digest + '"}', digest


class Ledger:
    def __init__(self, root, segment):
        self.root, self.segment = root, segment
        self.log = os.path.join(root, 'live/.ecl/log')
        os.makedirs(self.log)
        os.makedirs(os.path.join(root, '.snapshots'))
        for name in ('gate', 'lock'):
            open(os.path.join(root, name), 'w').close()
        self.seq, self.us, self.prev, self.last, self.alive, self.file = 0, START, '0' * 64, {}, set(), None
        self.blocks, self.block_prev = 0, '0' * 64

    def add(self, element, action, state=None, extra=''):
        parent = self.last.get(element)
        body = '{"seq":%d,"time":"%s","element":%s,"action":"%s"%s%s,"uid":0,"parent":%s,"prev":"%s"' % (
            self.seq, stamp(self.us), canonical(element), action, '' if state is None else ',"state":' + state, extra,
            'null' if parent is None else parent, self.prev)
        line, self.prev = hashed(body)
        if self.file is None or (self.segment and self.seq % self.segment == 0):
            if self.file:
                self.file.close()
            self.file = open(os.path.join(self.log, '%020d.ndjson' % self.seq), 'wb')
        self.file.write(line.encode() + b'\n')
        self.last[element] = self.seq
        self.seq += 1

    def block(self):
        made_up = hashlib.sha256(b'%d' % self.blocks).hexdigest()
        header = {'height': self.blocks, 'time': stamp(self.us), 'backend': 'copy', 'size': self.seq, 'head': self.prev,
                  'root': made_up, 'elements': len(self.last), 'heads': made_up, 'state': made_up, 'entries': 0,
                  'files': made_up, 'embedder': 'none', 'prev': self.block_prev}
        line, self.block_prev = hashed(json.dumps(header, separators=(',', ':'))[:-1])
        name = 'block-%06d-%s' % (self.blocks, self.block_prev[:8])
        if self.blocks > 0:
            os.makedirs(os.path.join(self.root, '.snapshots', name, '.ecl'))
            with open(os.path.join(self.root, '.snapshots', name, '.ecl/block'), 'w') as f:
                f.write(line + '\n')
        self.blocks += 1
        self.add('ecl:block', 'snap', canonical(json.loads(line)))


def state(rng):
    return rng.choice([
        lambda: '{"mtu":%d,"up":%s}' % (rng.choice((1500, 9000, 18446744073709551615)), rng.choice(('true', 'false'))),
        lambda: '{"big":1e400,"n":%d}' % rng.randrange(100),
        lambda: canonical({'text': rng.choice(('a\tb', 'line\nbreak', 'quote"', '\u202eevil\x1b[31m', ',"element":"x","action":"y"'))}),
        lambda: '[%s]' % ','.join(str(rng.randrange(9)) for _ in range(rng.randrange(5))),
        lambda: '1.0', lambda: 'true', lambda: canonical('x' * rng.randrange(60))])()


def skewed(rng, quarter):
    r = rng.random()
    if r < .5:
        return ELEMENTS[quarter]
    return ELEMENTS[rng.randrange(4, 8)] if r < .99 else rng.choice(ELEMENTS)


def user_event(ledger, rng, quarter):
    element = rng.choice(ELEMENTS) if quarter is None else skewed(rng, quarter)
    extra = ''
    if rng.random() < .4:
        extra += ',"actor":' + canonical(rng.choice(ACTORS))
    if rng.random() < .2:
        extra += ',"cause":"CHG-%d"' % rng.randrange(100)
    if rng.random() < .1:
        extra += ',"meta":{"actor":"ansible","n":1e400}'
    if rng.random() < .1:
        ledger.add(element, 'restart', None, extra)
    elif element in ledger.alive and rng.random() < .15:
        ledger.alive.discard(element)
        ledger.add(element, 'delete', 'null', extra)
    else:
        ledger.add(element, 'modify' if element in ledger.alive else 'create', state(rng), extra)
        ledger.alive.add(element)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('root')
    p.add_argument('events', type=int)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--segment', type=int, default=0)
    p.add_argument('--block', type=int, default=0)
    p.add_argument('--skew', action='store_true')
    a = p.parse_args()
    rng = random.Random(a.seed)
    ledger = Ledger(a.root, a.segment)
    ledger.add('ecl:layer', 'create', canonical({'embedder': 'none', 'format': 1, 'hash': 'sha256', 'origin': 'test',
                                                 'id': '00000000-0000-4000-8000-%012d' % a.seed}))
    while ledger.seq < a.events:
        ledger.us += rng.choice((0, 0, 1, 1000, 10**6, 60 * 10**6, rng.randrange(10**9)))
        if a.block and ledger.seq % a.block == 0:
            ledger.block()
        else:
            user_event(ledger, rng, ledger.seq * 4 // a.events if a.skew else None)


if __name__ == '__main__':
    main()
