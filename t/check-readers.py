#!/usr/bin/env python3
"""Readers in a loop beside whatever works on a ledger; then whether every answer was true at some moment.

usage: check-readers.py ROOTS NAME STOP     readers of the root NAME in the directory ROOTS, until there is a file STOP

Exits 1 and says why where a reader failed, said something on stderr, or gave an answer that the log does not confirm.
"""
import hashlib, json, os, random, subprocess, sys, threading

ROOTS, NAME, STOP = sys.argv[1:]
ROOT = os.path.join(ROOTS, NAME)
QUESTIONS = {
    'history': ['ecl-query', '-d', ROOT, '--history'],
    'pattern': ['ecl-query', '-d', ROOT, '--history', 'host:1*'],
    'name': ['ecl-query', '-d', ROOT, '--history', 'host:7'],
    'reverse': ['ecl-query', '-d', ROOT, '--history', '--reverse', '--limit', '50'],
    'states': ['ecl-query', '-d', ROOT],
    'one': ['ecl-query', '-d', ROOT, 'host:7'],
    'at': ['ecl-query', '-d', ROOT, '--at', '300'],
    'block': ['ecl-query', '-d', ROOT, '--block', 'block-0'],
    'layer': ['ecl-query', '-d', ROOT, '--layer'],
    'elements': ['ecl-query', '-d', ROOT, '--elements'],
    'roots': ['ecl-query', '--roots', ROOTS, '--history', 'host:*'],
    'replay': ['ecl-replay', '-d', ROOT],
}
answers, faults, lock = {}, [], threading.Lock()


def fault(what, why):
    faults.append('%s: %s' % (what, why))


def read():
    while not os.path.exists(STOP):
        what = random.choice(list(QUESTIONS))
        run = subprocess.run(QUESTIONS[what], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with lock:
            if run.returncode not in (0, 1) or run.stderr:
                fault(what, 'exit %d: %s' % (run.returncode, run.stderr.decode()))
            answers.setdefault(what, []).append(run.stdout)


def block0():
    """The size of block 0."""
    dir = os.path.join(ROOT, '.snapshots')
    name = [n for n in os.listdir(dir) if n.startswith('block-000000-')][0]
    with open(os.path.join(dir, name, '.ecl/block')) as header:
        return json.load(header)['size']


def states_at(log, sizes):
    """size -> the living elements after so many events, for the sizes asked for."""
    living, found = {}, {}
    for ev in log:
        if ev['seq'] in sizes:
            found[ev['seq']] = dict(living)
        if 'state' in ev and not ev['element'].startswith('ecl:'):
            living[ev['element']] = (json.dumps(ev['state'], separators=(',', ':')), ev['seq'])
            if ev['state'] is None:
                del living[ev['element']]
    found[len(log)] = living
    return found


def states_of(answer):
    return {s['element']: (json.dumps(s['state'], separators=(',', ':')), s['seq'])
            for s in map(json.loads, answer.splitlines())}


def sizes_of(log, states):
    """Where such states may have been: behind the newest of them, until another is set."""
    size = max((seq for _, seq in states.values()), default=-1) + 1
    yield size
    while size < len(log) and log[size].get('state') is None:
        size += 1
        yield size


def check_lines(log, lines):
    """A beginning of what the log has now, in whole lines."""
    def whole(wanted):
        return b''.join(line for ev, line in zip(log, lines) if wanted(ev['element']))

    mine = b',"root":"%s"}' % NAME.encode()
    for what, wanted in (('history', lambda n: not n.startswith('ecl:')), ('pattern', lambda n: n.startswith('host:1')),
                         ('name', lambda n: n == 'host:7'), ('replay', lambda n: True),
                         ('roots', lambda n: n.startswith('host:'))):
        everything = whole(wanted)
        for answer in answers.get(what, []):
            if what == 'roots':
                answer = b''.join(l[:-len(mine)] + b'}\n' for l in answer.splitlines() if l.endswith(mine))
            if not everything.startswith(answer) or (answer and not answer.endswith(b'\n')):
                fault(what, 'no beginning of what is in the log')
    for answer in answers.get('reverse', []):
        seqs = [json.loads(l)['seq'] for l in answer.splitlines()]
        seen = [s for s in range(seqs[-1], seqs[0] + 1) if not log[s]['element'].startswith('ecl:')]
        if seqs[::-1] != seen or len(seqs) != 50:
            fault('reverse', 'not the last 50 of some moment')


def check_states(log):
    layers = [json.loads(a) for a in answers.get('layer', [])]
    sizes = {301, block0()} | {l['seq'] + 1 for l in layers}
    for answer in answers.get('states', []):
        sizes.update(sizes_of(log, states_of(answer)))
    known = states_at(log, sizes)
    for answer in answers.get('states', []):
        got = states_of(answer)
        if got not in [known[n] for n in sizes_of(log, got)]:
            fault('states', 'never was so')
    ones = [ev for ev in log if ev['element'] == 'host:7' and 'state' in ev]
    for answer in answers.get('one', []):
        if answer and states_of(answer)['host:7'] not in [(json.dumps(ev['state'], separators=(',', ':')), ev['seq']) for ev in ones]:
            fault('one', 'never was so')
    for what, size in (('at', 301), ('block', block0())):
        for answer in answers.get(what, []):
            if states_of(answer) != known[size]:
                fault(what, 'not what was then')
    for l in layers:
        text = ''.join('%s\t%s\n' % (k, v[0]) for k, v in sorted(known[l['seq'] + 1].items(), key=lambda i: i[0].encode()))
        if hashlib.sha256(text.encode()).hexdigest() != l['state']:
            fault('layer', 'not the state of event %d' % l['seq'])


def check_elements(log):
    for answer in answers.get('elements', []):
        found = [json.loads(l) for l in answer.splitlines()]
        size = max(e['last'] for e in found) + 1
        if sum(e['events'] for e in found) != sum(not ev['element'].startswith('ecl:') for ev in log[:size]):
            fault('elements', 'not as many events as in the first %d' % size)


def main():
    threads = [threading.Thread(target=read) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    dir = os.path.join(ROOT, 'live/.ecl/log')
    lines = [l for n in sorted(os.listdir(dir)) if n.endswith('.ndjson') for l in open(os.path.join(dir, n), 'rb')]
    log = [json.loads(l) for l in lines]
    check_lines(log, lines)
    check_states(log)
    check_elements(log)
    print('%d answers, %d events' % (sum(map(len, answers.values())), len(log)))
    print('\n'.join(faults[:20]))
    sys.exit(1 if faults else 0)


main()
