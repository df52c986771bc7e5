#!/usr/bin/env python3
"""Print events that say something, for ecl-append --keep-time: usage: make-similar.py EVENTS [--seed N]"""
import argparse, datetime, json, random

WORDS = '''disk full failed started stopped network link down up memory error timeout connection refused certificate
expired renewed kernel update security policy user login session job mail queue storage raid array degraded rebuilt no
space left on device backup restored quota exceeded temperature fan replaced power supply lost carrier again'''.split()
ELEMENTS = (['interface:eth%d' % i for i in range(6)] + ['service:s%02d' % i for i in range(10)] +
            ['file:/etc/f%d.conf' % i for i in range(10)] + ['disk:sda', 'disk:sdb', 'mount:/srv/backup', 'caf\u00e9:\u7f51\u7edc'])

p = argparse.ArgumentParser()
p.add_argument('events', type=int)
p.add_argument('--seed', type=int, default=1)
a = p.parse_args()
rng = random.Random(a.seed)
time = datetime.datetime(2026, 1, 1)
for i in range(a.events):
    if rng.random() < .7:  # some have the same time
        time += datetime.timedelta(seconds=rng.randrange(1, 600))
    ev = {'element': rng.choice(ELEMENTS), 'time': time.strftime('%Y-%m-%dT%H:%M:%SZ')}
    kind = rng.random()
    if kind < .1:
        ev['action'] = rng.choice(('restart', 'reload'))
    elif kind < .15:
        ev.update(action='delete', state=None)
    else:
        # Few values, so that many events are as near as others.
        ev.update(action=rng.choice(('create', 'modify', 'modify')),
                  state={'n': rng.randrange(3), 'summary': ' '.join(rng.choices(WORDS, k=rng.choice((1, 2, 8))))})
    actor = rng.choice((None, 'ansible', 'ansible', 'root'))
    if actor:
        ev['actor'] = actor
    print(json.dumps(ev))
