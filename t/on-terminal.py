#!/usr/bin/env python3
"""usage: on-terminal.py [-c COLUMNS] [-f FDS] -o FILE COMMAND...

Run COMMAND with the descriptors FDS (1,2) on a terminal of its own, COLUMNS (80) wide, and write what appears there to FILE.
Exit as COMMAND does.
"""
import argparse
import fcntl
import os
import pty
import select
import struct
import sys
import termios

p = argparse.ArgumentParser()
p.add_argument("-c", type=int, default=80)
p.add_argument("-f", default="1,2")
p.add_argument("-o", required=True)
p.add_argument("command", nargs=argparse.REMAINDER)
a = p.parse_args()

master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, a.c, 0, 0))
pid = os.fork()
if pid == 0:
    os.close(master)
    for fd in a.f.split(","):
        os.dup2(slave, int(fd))
    os.close(slave)
    os.execvp(a.command[0], a.command)
os.close(slave)
code = None
with open(a.o, "wb") as out:
    while True:
        ready = select.select([master], [], [], 0.05)[0]
        try:
            data = os.read(master, 65536) if ready else b""
        except OSError:  # all have closed it
            break
        out.write(data)
        if not ready and code is not None:  # it had ended before this look: nothing more can come
            break
        if not ready:
            done, status = os.waitpid(pid, os.WNOHANG)
            code = os.waitstatus_to_exitcode(status) if done else None
if code is None:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
