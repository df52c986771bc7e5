"""Put a message into a stream, whatever it says: nats-put.py PORT SUBJECT <payload.  Speaks the NATS protocol itself, so that
tests can say what ecl-publish never would."""
import json
import socket
import sys

port, subject = int(sys.argv[1]), sys.argv[2]
payload = sys.stdin.buffer.read()
sock = socket.create_connection(("127.0.0.1", port), timeout=20)
lines = sock.makefile("rb")
lines.readline()  # INFO
sock.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB _INBOX.put 1\r\n')
sock.sendall(b"PUB %s _INBOX.put %d\r\n%s\r\n" % (subject.encode(), len(payload), payload))
while True:
    line = lines.readline()
    if line.startswith(b"MSG"):
        answer = json.loads(lines.read(int(line.split()[-1])))
        break
    if line.startswith(b"PING"):
        sock.sendall(b"PONG\r\n")
    if not line or line.startswith(b"-ERR"):
        sys.exit("nats-put: %r" % line)
if "error" in answer:
    sys.exit("nats-put: %s" % answer["error"])
print(answer.get("seq", ""))
