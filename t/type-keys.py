#!/usr/bin/python3
"""usage: type-keys.py KEYS WANT COMMAND...

Run COMMAND, an interactive shell whose prompt is READY>, on a terminal of its own, type KEYS (\\t is TAB) and succeed when WANT appears.
"""
import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

keys, want, command = sys.argv[1].encode().decode("unicode_escape").encode(), sys.argv[2].encode(), sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    # So wide that no line is continued on the next, and what is wanted stands in one piece: paths may be long.
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 1000, 0, 0))
    os.execvp(command[0], command)
seen = b""


def until(what):
    global seen
    end = time.monotonic() + 120
    while what not in seen:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                seen += os.read(fd, 4096)
            except OSError:
                sys.exit("it ended: %r" % seen)
        elif time.monotonic() > end:
            sys.exit("no %r in %r" % (what, seen))


until(b"READY>")
seen = b""
os.write(fd, keys)
until(want)
