#!/bin/sh
# Check a ledger's log on standard input by DESIGN 3 alone: every hash, seq and prev.
exec python3 -c '
import hashlib, sys
n, prev = -1, b"0" * 64
for n, line in enumerate(sys.stdin.buffer):
    body, digest = line[:-76], line[-67:-3]
    if not (body.startswith(b"{\"seq\":%d,\"time\":\"" % n) and body.endswith(b",\"prev\":\"%s\"" % prev) and
            line[-76:-67] == b",\"hash\":\"" and line[-3:] == b"\"}\n" and
            hashlib.sha256(body).hexdigest().encode() == digest):
        sys.exit("event %d is not what it should be" % n)
    prev = digest
print(n + 1, "events,", prev.decode())
'
