#!/usr/bin/python3
"""Print the examples of a manual page as a bash script that runs them in one shell and compares.

	manual-examples.py PAGE

An example is a line of a literal display that begins with '# ' or '$ ' (a prompt), with the lines behind it that begin with
two spaces or '> ' (it goes on); what follows up to the next prompt is its output.  The script calls, for each,
example COMMAND EXPECTED, both as words of their own; for a line before all prompts, or a display without any, other TEXT.
"""
import re
import shlex
import sys


def displays(lines):
    inside = None
    for line in lines:
        if line.startswith(".Bd -literal"):
            inside = []
        elif line.startswith(".Ed"):
            yield inside
            inside = None
        elif inside is not None:
            inside.append(re.sub(r"\\(e|-|&)", lambda m: {"e": "\\", "-": "-", "&": ""}[m[1]], line.rstrip("\n")))


n = 0
for display in displays(open(sys.argv[1])):
    examples = []
    others = []
    for line in display:
        if line[:2] in ("# ", "$ "):
            examples.append(([line[2:]], []))
        elif examples and not examples[-1][1] and line[:2] in ("  ", "> "):
            examples[-1][0].append(line[2:] if line[:2] == "> " else line)
        elif not examples:
            others.append(line)
        elif line or examples[-1][1]:
            examples[-1][1].append(line)
    if others:
        n += 1
        print("other %s" % shlex.quote("\n".join(others)))
    for command, output in examples:
        n += 1
        print("example %s %s" % (shlex.quote("\n".join(command)), shlex.quote("\n".join(output))))
    if examples:
        print("display")
if n == 0:
    sys.exit("%s: no examples" % sys.argv[1])
