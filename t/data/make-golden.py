#!/usr/bin/env python3
"""Make the golden ledger under golden/ from DESIGN 3 and 6 alone; run once, its output is kept.

	log.ndjson      the log: odd strings and numbers, every action, two blocks, a rollback
	block.0 block.1 the headers of the blocks, as in .ecl/block
	modes           type, mode and path of the managed files in both blocks (owner 0:0), a link's target in place of its
	                mode: what git, or a tarball that follows links, does not keep
	live/           those of them that git does keep
	state, query    the text behind the state hash at the end, and what ecl-query prints
"""
import hashlib
import os
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'golden')
LONG = 'long:' + 'n' * 507  # 512 bytes, the most there is
DEEP = '[' * 63 + ']' * 63  # the line's own object is the 64th
FILES = [('d', 0o750, 'bin', b''), ('f', 0o755, 'bin/tool', b'#!/bin/sh\nexit 0\n'), ('d', 0o755, 'etc', b''),
         ('f', 0o600, 'etc/empty', b''), ('f', 0o644, 'etc/motd', b'hello\n'), ('f', 0o640, 'etc/\xc3\xa9t\xc3\xa9', b'\0\xff'),
         ('d', 0o1777, 'nothing', b''), ('l', 0o777, 'motd', b'etc/motd'), ('f', 0o4755, 'bin-x', b'sorts behind bin/, by bytes before')]

# element, action, state or None, other members before uid, uid and login; None: the time stands still
EVENTS = [
    ('interface:eth0', 'create', '{"mtu":1500,"up":true}', '"actor":"ansible","cause":"CHG-1042"', '0,"login":1000'),
    ('interface:eth0', 'modify', '{"mtu":9000,"up":true}', '', '0'),
    ('service:nginx', 'create', '{}', '"actor":"root"', '0'),
    ('service:nginx', 'restart', None, '"cause":"a restart has no state"', '33'),
    ('numbers', 'create', '[0,-0,1,1.0,1e0,1E+2,0.1e-7,18446744073709551615,-9223372036854775809,1e400,123456789012345678901234567890]', '', '0'),
    ('one', 'create', '1', '', '0'),
    ('one', 'modify', '1.0', '', '0'),
    ('one', 'modify', '"1"', '', '0'),
    ('escapes', 'create', r'"\b\t\n\f\r\u0001\u001f\"\\/"', '', '0'),
    ('del and others', 'create', '"\x7f\x80\u2028\ufeff\uffff"', '', '0'),
    ('utf8:\u00e9\u4e2d\U0001f600', 'create', '"\u00e9 \u4e2d \U0001f600 \U0010ffff"', '', '0'),
    ('file:/a\\"b\\\\c', 'create', '{"path":"/a\\"b\\\\c"}', '', '0'),
    (LONG, 'create', '"512 bytes"', '', '0'),
    ('x', 'create', 'true', '', '0'),
    ('x', 'delete', 'null', '"cause":"deleted"', '0'),
    ('x', 'create', 'false', '"cause":"and made again"', '0'),
    ('sorted', 'create', r'{"":0,"\u0001":1,"\"":2,"A":3,"a":4,"a\\":5,"aa":6,"é":7,"中":8,"😀":9}', '', '0'),
    ('nested', 'create', '{"a":{"b":[{"c":[[],{}]},[1,[2,[3]]]]},"e":"","z":[]}', '', '0'),
    ('deep', 'create', DEEP, '', '0'),
    ('trick', 'create', r'",\"hash\":\"0000\"},\"prev\":\""', '', '0'),
    ('trick', 'modify', r'{"action":"delete","hash":"","state":null}', r'"actor":",\"uid\":0"', '0'),
    ('gone:by-another-action', 'create', '["here"]', '', '0'),
    ('gone:by-another-action', 'purge', 'null', '', '0'),
    ('custom', 'a.b-c_9', '{"n":1}', '"meta":{"list":[1,2.50],"null":null}', '4294967295'),
    ('custom', 'noted', None, '"meta":null', '0'),
    ('vector:two', 'create', '{"text":"two numbers"}', '"vector":"AACAPwAAAEA="', '0'),
    ('all', 'create', '0', '"actor":"caf\u00e9","cause":"\\t","meta":"","vector":"AAAAAA=="', '4294967294,"login":4294967294'),
]
LATER = [
    ('interface:eth0', 'delete', 'null', '', '0'),
    ('service:nginx', 'modify', '{"port":8080}', '', '0'),
    ('born:between-blocks', 'create', '1e400', '', '0'),
]
ROLLED_BACK = [
    ('born:between-blocks', 'delete', 'null'),
    ('interface:eth0', 'create', '{"mtu":9000,"up":true}'),
    ('service:nginx', 'modify', '{}'),
]


def sha(data):
    return hashlib.sha256(data).digest()


def merkle(leaves):
    """RFC 6962: hash the leaves, then pair them up; an odd one moves up as it is."""
    level = [sha(b'\0' + d) for d in leaves]
    while len(level) > 1:
        pairs = [sha(b'\1' + level[i] + level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2:]
    return level[0] if level else sha(b'')


def sealed(body):
    digest = sha(body.encode()).hex()
    return body + ',"hash":"' + digest + '"}', digest


class Ledger:
    def __init__(self):
        self.lines, self.hashes, self.last, self.state = [], [], {}, {}
        self.minute, self.prev_block = 0, '0' * 64

    def add(self, element, action, state, more='', who='0'):
        seq, name = len(self.lines), element.replace('\\"', '"').replace('\\\\', '\\')
        self.minute += seq % 3 != 1  # every third event has the time of the one before
        parent = self.last.get(name)
        line, digest = sealed('{"seq":%d,"time":"2028-02-29T22:%02d:59.%sZ","element":"%s","action":"%s"%s%s,"uid":%s,"parent":%s,"prev":"%s"' % (
            seq, self.minute, '999999' if self.minute % 2 else '000000', element, action,
            '' if state is None else ',"state":' + state, ',' + more if more else '', who,
            'null' if parent is None else parent, self.hashes[-1] if seq else '0' * 64))
        self.lines.append(line)
        self.hashes.append(digest)
        self.last[name] = seq
        if state is not None:
            self.state[name] = (state, element, seq)

    def living(self):
        return sorted((n.encode(), s) for n, s in self.state.items() if s[0] != 'null' and not n.startswith('ecl:'))

    def text(self):
        return b''.join(n + b'\t' + s[0].encode() + b'\n' for n, s in self.living())

    def snap(self, height):
        heads = [n.encode() + b'\0' + struct.pack('>Q', s) for n, s in self.last.items()]
        members = [('height', height), ('time', '2028-02-29T22:59:59.%06dZ' % height), ('backend', 'copy'), ('size', len(self.lines)),
                   ('head', self.hashes[-1]), ('root', merkle([bytes.fromhex(h) for h in self.hashes]).hex()),
                   ('elements', len(self.last)), ('heads', merkle(sorted(heads)).hex()), ('state', sha(self.text()).hex()),
                   ('entries', len(FILES)), ('files', files_root()), ('embedder', 'none'), ('prev', self.prev_block)]
        text = ['"%s":%s' % (n, v if isinstance(v, int) else '"%s"' % v) for n, v in members]
        line, digest = sealed('{' + ','.join(text))
        self.prev_block = digest
        return line, '{' + ','.join(sorted(text + ['"hash":"%s"' % digest])) + '}'


def files_root():
    leaves = []
    for kind, mode, path, data in FILES:
        content = '-' if kind == 'd' else sha(data).hex()
        text = '%s %04o 0 0 %d %s -' % (kind, mode, len(data), content)
        leaves.append((path.encode('latin-1'), text.encode()))
    return merkle([path + b'\0' + text for path, text in sorted(leaves)]).hex()


def write(name, data):
    path = os.path.join(HERE.encode(), name.encode('latin-1'))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        f.write(data)


def main():
    g = Ledger()
    g.add('ecl:layer', 'create', '{"embedder":"none","format":1,"hash":"sha256","id":"00000000-0000-4000-8000-000000000000","origin":"golden"}')
    for e in EVENTS:
        g.add(*e)
    header, state = g.snap(0)
    write('block.0', header.encode() + b'\n')
    g.add('while:the-block-was-made', 'create', '"its event comes behind this one"')
    g.add('ecl:block', 'snap', state)
    for e in LATER:
        g.add(*e)
    header, state = g.snap(1)
    write('block.1', header.encode() + b'\n')
    g.add('ecl:block', 'snap', state)
    g.add('ecl:layer', 'rollback', '{"block":0}', '"cause":"rollback to block-0"')
    for element, action, value in ROLLED_BACK:
        g.add(element, action, value, '"cause":"rollback to block-0"')
    write('log.ndjson', ''.join(line + '\n' for line in g.lines).encode())
    write('state', g.text())
    write('query', b''.join(b'{"element":"%s","state":%s,"seq":%d,"time":"%s"}\n' % (
        s[1].encode(), s[0].encode(), s[2], g.lines[s[2]].split('"')[5].encode()) for _, s in g.living()))
    write('modes', b''.join(b'%s %s %s\n' % (k.encode(), data if k == 'l' else b'%04o' % m, p.encode('latin-1')) for k, m, p, data in FILES))
    for kind, _, path, data in FILES:
        if kind == 'f':
            write('live/' + path, data)


if __name__ == '__main__':
    main()
