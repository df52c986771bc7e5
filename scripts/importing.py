"""What the importers of scripts/ecl-import-* share: options, where the last import stopped, and how events are printed."""

import datetime
import json
import os
import signal
import subprocess
import sys

ELEMENT_MAX = 512
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

COMMON = """\
      --first     print only the time of the first event, for ecl-init --time
      --all       from the beginning, whatever the ledger has
  -d, --root DIR  the ledger (else $ECL_ROOT, else /var/lib/ecl)
  -h, --help      print this text
"""


class Importer:
	"""One run.  Subclasses of nothing: a program calls event() for each event, in order, and end() last."""

	def __init__(self, name, usage, args, takes_operands=True):
		signal.signal(signal.SIGPIPE, signal.SIG_DFL)
		signal.signal(signal.SIGINT, signal.SIG_DFL)
		self.name = name
		self.first = self.everything = False
		self.root = None
		self.operands = []
		self.whole = True
		self.last_us = 0
		args = list(args)
		while args:
			option = args.pop(0)
			if option in ("-h", "--help"):
				sys.stdout.write(usage + COMMON)
				self.end()
			if option == "--":
				self.operands += args
				break
			if option == "--first":
				self.first = True
			elif option == "--all":
				self.everything = True
			elif option in ("-d", "--root") and args:
				self.root = args.pop(0)
			elif option.startswith("--root="):
				self.root = option[len("--root="):]
			elif option.startswith("-") and option != "-":
				self.die(f"unknown option '{option}' (see --help)")
			else:
				self.operands.append(option)
		if self.operands and not takes_operands:
			self.die(f"unexpected argument '{self.operands[0]}' (see --help)")

	def complain(self, text):
		text = "".join(c if c.isprintable() else "\\x%02x" % ord(c) for c in text)
		sys.stderr.buffer.write(f"{self.name}: {text}\n".encode("utf-8", "backslashreplace"))

	def die(self, text):
		self.complain(text)
		sys.exit(2)

	def skip(self, text):
		"""Something that cannot be told of: it is named, and the exit code will be 1."""
		self.whole = False
		self.complain(f"skipped {text}")

	def last_event(self, glob):
		"""The last event in the ledger of an element that matches and that an import recorded, or None."""
		if self.everything or self.first:
			return None
		root = self.root or os.environ.get("ECL_ROOT") or "/var/lib/ecl"
		if not os.path.isdir(os.path.join(root, "live")):
			return None
		try:
			asked = subprocess.run(["ecl-query", "-d", root, "--history", "--reverse", "--limit", "1", "--json", glob],
				stdout=subprocess.PIPE, check=False)
		except OSError as error:
			self.die(f"cannot run 'ecl-query': {error.strerror}")
		if asked.returncode not in (0, 1):
			self.die(f"cannot tell what the ledger '{root}' has: ecl-query failed (exit {asked.returncode}; --all does not ask)")
		return json.loads(asked.stdout) if asked.stdout.strip() else None

	def element_fault(self, element):
		"""Why no element can have this name, or None."""
		try:
			length = len(element.encode("utf-8"))
		except UnicodeEncodeError:
			return "its name is not UTF-8"
		if length > ELEMENT_MAX:
			return "its name is too long"
		if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in element):
			return "its name has control characters"
		return None

	def event(self, time_us, element, **members):
		"""Print an event with these members, but for texts that are empty.  A time that goes back is held: the log has one order."""
		try:
			time = time_text(max(time_us, self.last_us))
		except OverflowError:
			self.skip(f"'{element}': its time is beyond the calendar")
			return
		self.last_us = max(time_us, self.last_us)
		if self.first:
			print(time)
			self.end()
		line = {"time": time, "element": element}
		line.update((name, value) for name, value in members.items() if value or name == "state")
		sys.stdout.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")

	def end(self):
		try:
			sys.stdout.flush()
		except OSError as error:
			# Or Python tries it again when it ends, and exits 120.
			os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), 1)
			self.die(f"cannot write: {error.strerror}")
		sys.exit(0 if self.whole else 1)


def time_text(us):
	return (EPOCH + datetime.timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def time_us(text):
	"""Of a time as ecl prints it."""
	return (datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z") - EPOCH) // datetime.timedelta(microseconds=1)
