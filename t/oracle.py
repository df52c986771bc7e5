#!/usr/bin/env python3
"""What ecl-query must answer, computed from the lines of a log on standard input and from nothing else.

usage: oracle.py states SIZE [GLOB...]     the living elements after the first SIZE events, as NDJSON
       oracle.py text SIZE                 the same as the text of the state hash
       oracle.py history [GLOB...]         the lines of the elements that match
       oracle.py elements [GLOB...]        element, first, last, events
       oracle.py diff SIZE SIZE [GLOB...]  what differs between the two moments
       oracle.py count KEY [GLOB...]       events by element, kind, action, actor, hour or day
       oracle.py merge NAME=LOG... [-- GLOB...]  the history of several logs by time, each line with its NAME as "root"
       oracle.py sizes COUNT               COUNT lines `TIME SIZE': events up to that time, times taken at random
"""
import collections, datetime, fnmatch, json, random, sys

DECODER = json.JSONDecoder()


def events(lines=None):
    """(seq, time, element, raw name token, raw state or None, line) of each line; states stay text."""
    for raw in lines or sys.stdin.buffer:
        line = raw.decode()
        name_at = line.index('"element":') + 10
        name, end = DECODER.raw_decode(line, name_at)
        token = line[name_at:end]
        _, end = DECODER.raw_decode(line, end + len(',"action":'))
        state = None
        if line.startswith(',"state":', end):
            at = end + 9
            state = line[at:DECODER.raw_decode(line, at)[1]]
        head = json.loads(line)
        yield head['seq'], head['time'], name, token, state, line


def wanted(name, globs):
    if not globs:
        return not name.startswith('ecl:')
    for g in globs:
        if name == g or (fnmatch.fnmatchcase(name, g) and (g.startswith('ecl:') or not name.startswith('ecl:'))):
            return True
    return False


def states(size):
    living = {}
    for seq, time, name, token, state, _ in events():
        if seq >= size:
            break
        if state == 'null':
            living.pop(name, None)
        elif state is not None:
            living[name] = (token, state, seq, time)
    return sorted(living.items(), key=lambda item: item[0].encode())


def state_line(token, state, seq, time):
    return '{"element":%s,"state":%s,"seq":%d,"time":"%s"}\n' % (token, state, seq, time)


def setters(size, lines):
    """name -> (token, state or 'null', seq of the event that set it) after the first SIZE events."""
    found = {}
    for seq, _, name, token, state, _ in lines:
        if seq < size and state is not None:
            found[name] = (token, state, seq)
    return found


def diff(a, b, globs):
    lines = list(events())
    before, after = setters(a, lines), setters(b, lines)
    for name in sorted(set(before) | set(after), key=str.encode):
        was = before.get(name, ('', 'null', None))
        now = after.get(name, ('', 'null', None))
        if was[1] == now[1] or not wanted(name, globs):
            continue
        change = 'create' if was[1] == 'null' else 'delete' if now[1] == 'null' else 'modify'
        yield '{"element":%s,"change":"%s","before":%s,"after":%s,"seq":%s}\n' % (
            now[0] or was[0], change, was[1], now[1], 'null' if now[2] is None else now[2])


def count(key, globs):
    n = collections.Counter()
    for _, time, name, _, _, line in events():
        if wanted(name, globs):
            head = json.loads(line)
            n[{'element': name, 'kind': name.split(':')[0], 'action': head['action'], 'actor': head.get('actor'),
               'hour': time[:13] + ':00:00Z', 'day': time[:10]}[key]] += 1
    order = (lambda v: v) if key in ('hour', 'day') else (lambda v: (-n[v], b'' if v is None else v.encode()))
    for value in sorted(n, key=order):
        yield json.dumps({key: value, 'count': n[value]}, separators=(',', ':'), ensure_ascii=False) + '\n'


def merge(args):
    at = args.index('--') if '--' in args else len(args)
    found = []
    for arg in args[:at]:
        root, log = arg.split('=', 1)
        with open(log, 'rb') as lines:
            for seq, time, name, _, _, line in events(lines):
                if wanted(name, args[at + 1:]):
                    found.append((time, root.encode(), seq, '%s,"root":%s}\n' % (line[:-2], json.dumps(root))))
    return [line for _, _, _, line in sorted(found)]


def main():
    what, args = sys.argv[1], sys.argv[2:]
    out = []
    if what == 'states':
        for name, (token, state, seq, time) in states(int(args[0])):
            if wanted(name, args[1:]):
                out.append(state_line(token, state, seq, time))
    elif what == 'merge':
        out = merge(args)
    elif what == 'text':
        for name, (_, state, _, _) in states(int(args[0])):
            if wanted(name, []):
                out.append('%s\t%s\n' % (name, state))
    elif what == 'history':
        out = [e[5] for e in events() if wanted(e[2], args)]
    elif what == 'elements':
        found = {}
        for seq, _, name, token, _, _ in events():
            first, _, n, _ = found.get(name, (seq, 0, 0, token))
            found[name] = (first, seq, n + 1, token)
        for name, (first, last, n, token) in sorted(found.items(), key=lambda item: item[0].encode()):
            if wanted(name, args):
                out.append('{"element":%s,"first":%d,"last":%d,"events":%d}\n' % (token, first, last, n))
    elif what == 'diff':
        out = list(diff(int(args[0]), int(args[1]), args[2:]))
    elif what == 'count':
        out = list(count(args[0], args[1:]))
    elif what == 'sizes':
        rng = random.Random(7)
        times = [e[1] for e in events()]
        for i in range(int(args[0])):
            t = datetime.datetime.strptime(rng.choice(times), '%Y-%m-%dT%H:%M:%S.%fZ')
            t += datetime.timedelta(microseconds=rng.choice((-1, 0, 0, 1, 10**6)))
            text = t.strftime('%Y-%m-%dT%H:%M:%S.%fZ')
            out.append('%s %d\n' % (text, sum(1 for x in times if x <= text)))
    sys.stdout.buffer.write(''.join(out).encode())


if __name__ == '__main__':
    main()
