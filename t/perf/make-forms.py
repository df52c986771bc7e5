#!/usr/bin/env python3
"""make-forms.py DIR <EVENTS: the same events in several spellings, a file each.

canonical   as the ledger stores values: members sorted, no spaces, raw UTF-8
dumps       members unsorted, separated by spaces, as programs print them
escaped     canonical, but with \\u00e9 and the like for every letter beyond ASCII, and \\/ for every slash
"""
import json
import sys

compact = {"sort_keys": True, "separators": (",", ":")}


def form(name):
    return open(sys.argv[1] + "/" + name, "w", encoding="utf-8")


with form("canonical") as canonical, form("dumps") as dumps, form("escaped") as escaped:
    for line in sys.stdin:
        event = json.loads(line)
        event["state"]["owner"] = "Andr\u00e9 of r\u00e9seau/acc\u00e8s"
        dumps.write(json.dumps(event, ensure_ascii=False) + "\n")
        canonical.write(json.dumps(event, ensure_ascii=False, **compact) + "\n")
        escaped.write(json.dumps(event, **compact).replace("/", "\\/") + "\n")
