"""A NATS server that does what no good one does: nats-fake.py PORT DIR.  For ecl-subscribe alone: streams to be read, by
consumers of its own, with no heart beats and no heed of flow control.

DIR/NAME.subject	the subject of stream NAME, of which it has one
DIR/NAME.lines		its messages, a line each
DIR/NAME.count		how many of them are there so far
DIR/plan		what is wrong with the consumers, in the order in which they are made: gap, twice, swap, or fine, as all are that follow;
			or deaf: while the plan says so, there are none of single subjects
DIR/sent		how many messages the client's library was given, of which it has none in its socket any more: written here
DIR/made		how many consumers were made: written here"""
import json
import os
import select
import socket
import sys
import time

port, where = int(sys.argv[1]), sys.argv[2]


def read(name):
    with open(os.path.join(where, name), "rb") as f:
        return f.read()


def write(name, text):
    with open(os.path.join(where, name + ".new"), "w") as f:
        f.write(text)
    os.rename(os.path.join(where, name + ".new"), os.path.join(where, name))


class Stream:
    def __init__(self, name):
        self.name = name
        self.subject = read(name + ".subject").decode().strip()
        self.lines = read(name + ".lines").splitlines(keepends=True)

    def count(self):
        return int(read(self.name + ".count"))


class Client:
    def __init__(self, sock, streams):
        self.sock, self.streams = sock, streams
        self.data = b""
        self.subjects = {}  # of sids
        self.consumers = {}
        self.given = 0
        sock.sendall(b'INFO {"server_id":"fake","version":"2.9.10","proto":1,"headers":true,"max_payload":8388608,"jetstream":true}\r\n')

    def sid(self, subject):
        for sid, of in self.subjects.items():
            if of == subject or (of.endswith(b".*") and subject.startswith(of[:-1])):
                return sid
        return None

    def answer(self, reply, what):
        text = json.dumps(what, separators=(",", ":")).encode()
        self.sock.sendall(b"MSG %s %s %d\r\n%s\r\n" % (reply, self.sid(reply), len(text), text))

    def give(self, consumer, seq, nth, pending):
        stream = consumer["stream"]
        line = stream.lines[seq - 1]
        ack = "$JS.ACK.%s.%s.1.%d.%d.%d.%d" % (stream.name, consumer["name"], seq, nth, 10**18 + seq, pending)
        head = b"NATS/1.0\r\nNats-Msg-Id: x:%d\r\n\r\n" % seq
        self.sock.sendall(
            b"HMSG %s %s %s %d %d\r\n%s%s\r\n"
            % (stream.subject.encode(), self.sid(consumer["deliver"]), ack.encode(), len(head), len(head) + len(line), head, line)
        )
        self.given += 1

    def deliver(self):
        """What is there and was not given yet; whether there was any."""
        before = self.given
        for consumer in list(self.consumers.values()):
            end = consumer["stream"].count()
            if self.sid(consumer["deliver"]) is None:
                continue
            order = list(range(consumer["next"], end + 1))
            fault = consumer["fault"]
            if fault != "fine" and len(order) < 4:
                continue
            numbers = [(seq, consumer["nth"] + i) for i, seq in enumerate(order)]
            if fault == "gap":
                del numbers[2]
            elif fault == "twice":
                numbers.insert(2, numbers[1])
            elif fault == "swap":
                numbers[1], numbers[2] = numbers[2], numbers[1]
            consumer["fault"] = "fine"
            for seq, nth in numbers:
                self.give(consumer, seq, nth, end - seq)
            consumer["nth"] += len(order)
            consumer["next"] = end + 1
        if self.given > before:
            self.sock.sendall(b"PING\r\n")
            self.pinged = self.given
        return self.given > before

    def request(self, subject, reply, text):
        words = subject.decode().split(".")
        ask = json.loads(text) if text else {}
        call = ".".join(words[2:4])
        stream = next((s for s in self.streams if s.name in words[4:]), None)
        if call == "STREAM.NAMES":
            self.streams[:] = find(self.streams)
            self.answer(reply, {"type": "x", "total": len(self.streams), "streams": [s.name for s in self.streams]})
        elif call == "STREAM.INFO":
            count = stream.count()
            config = {"name": stream.name, "subjects": [stream.subject], "retention": "limits", "storage": "file", "num_replicas": 1}
            state = {"messages": count, "bytes": 1, "first_seq": 1, "last_seq": count}
            self.answer(reply, {"type": "x", "config": config, "created": "2026-01-01T00:00:00Z", "state": state})
        elif call == "CONSUMER.CREATE":
            plan = read("plan").decode().split()
            global made
            name = "c%d" % made
            fault = plan[made] if made < len(plan) else "fine"
            made += 1
            config = ask["config"]
            if plan == ["deaf"] and not config.get("filter_subject", ">").endswith(">"):
                self.answer(reply, {"type": "x", "error": {"code": 503, "err_code": 10008, "description": "not now"}})
                return
            self.consumers[name] = {
                "name": name,
                "stream": stream,
                "deliver": config["deliver_subject"].encode(),
                "next": config.get("opt_start_seq", 1),
                "nth": 1,
                "fault": fault,
            }
            self.answer(reply, self.info(self.consumers[name]))
            write("made", str(made))
        elif call == "CONSUMER.INFO":
            self.answer(reply, self.info(self.consumers[words[-1]]))
        elif call == "CONSUMER.DELETE":
            self.consumers.pop(words[-1], None)
            self.answer(reply, {"type": "x", "success": True})
        elif call == "DIRECT.GET":
            seq = ask["seq"]
            head = "NATS/1.0\r\nNats-Stream: %s\r\nNats-Subject: %s\r\nNats-Sequence: %d\r\nNats-Time-Stamp: %s\r\nNats-Msg-Id: x:%d\r\n\r\n" % (
                stream.name,
                stream.subject,
                seq,
                time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(10**9)) + ".%09dZ" % seq,
                seq,
            )
            line = stream.lines[seq - 1]
            self.sock.sendall(
                b"HMSG %s %s %d %d\r\n%s%s\r\n" % (reply, self.sid(reply), len(head), len(head) + len(line), head.encode(), line)
            )

    def info(self, consumer):
        given = consumer["nth"] - 1
        return {
            "type": "x",
            "stream_name": consumer["stream"].name,
            "name": consumer["name"],
            "config": {"deliver_subject": consumer["deliver"].decode(), "ack_policy": "none"},
            "delivered": {"consumer_seq": given, "stream_seq": consumer["next"] - 1},
            "num_pending": consumer["stream"].count() - consumer["next"] + 1,
        }

    def line(self, line):
        """One line of the protocol; the bytes of what follows it, or None where they are not there yet."""
        words = line.split()
        verb = words[0].upper() if words else b""
        if verb == b"PING":
            self.sock.sendall(b"PONG\r\n")
        elif verb == b"PONG" and self.given > 0:
            write("sent", str(self.pinged))
        elif verb == b"SUB":
            self.subjects[words[-1]] = words[1]
        elif verb == b"UNSUB" and len(words) == 2:
            self.subjects.pop(words[1], None)
        elif verb in (b"PUB", b"HPUB"):
            size = int(words[-1])
            if len(self.data) < size + 2:
                return False
            body, self.data = self.data[:size], self.data[size + 2 :]
            named = 4 if verb == b"PUB" else 5
            if verb == b"HPUB":
                body = body[int(words[-2]) :]
            if len(words) == named and words[1].startswith(b"$JS.API."):
                self.request(words[1], words[2], body)
        return True

    def take(self):
        more = self.sock.recv(1 << 16)
        self.data += more
        while b"\r\n" in self.data:
            whole = self.data
            line, self.data = self.data.split(b"\r\n", 1)
            if not self.line(line):
                self.data = whole
                break
        return more != b""


def find(known):
    """The streams that there are now."""
    names = sorted(f[: -len(".subject")] for f in os.listdir(where) if f.endswith(".subject"))
    return [next((s for s in known if s.name == name), None) or Stream(name) for name in names]


made = 0
streams = find([])
door = socket.socket()
door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
door.bind(("127.0.0.1", port))
door.listen()
write("made", "0")
while True:
    client = Client(door.accept()[0], streams)
    try:
        while True:
            ready = select.select([client.sock], [], [], 0.02)[0]
            if ready and not client.take():
                break
            # Who asks about a consumer just made is answered first, as a server with much to do would.
            if not ready:
                client.deliver()
    except (BrokenPipeError, ConnectionResetError):
        pass
    client.sock.close()
