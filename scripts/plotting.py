"""What the pictures of scripts/ecl-plot share: a canvas that gnuplot paints, its margins, texts, legend and axis of time.

Names, states and actors are anybody's texts.  They reach gnuplot only as strings of labels in which all but letters and blanks
is octal, so that there is nothing to be expanded or run, and with enhanced text off; never as data, as titles of a plot, or
as labels of tics, which are formats.
"""

import datetime
import functools
import math
import os
import re
import subprocess
import unicodedata

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()

# Okabe and Ito's colours, which people with any kind of colour vision tell apart, without black.
PALETTE = (0x0072B2, 0xE69F00, 0x009E73, 0xCC79A7, 0x56B4E9, 0xD55E00, 0xB8A800)
GREY, PALE, FAINT, INK, ALARM = 0x7C7C7C, 0xB4B4B4, 0xE4E4E4, 0x303030, 0xD55E00

FONT = 12  # px
LINE = 16
SECOND, MINUTE, HOUR, DAY = 1000000, 60000000, 3600000000, 86400000000
STEPS = [n * 10 ** e for e in range(6) for n in (1, 2, 5)] + [n * SECOND for n in (1, 2, 5, 10, 15, 30)] + \
	[n * MINUTE for n in (1, 2, 5, 10, 15, 30)] + [n * HOUR for n in (1, 2, 3, 6, 12)] + [n * DAY for n in (1, 2, 4, 7, 14)]
MONTH_STEPS = [1, 3, 6] + [12 * n * 10 ** e for e in range(4) for n in (1, 2, 5)]


class Fault(Exception):
	"""Why there is no picture."""


def tint(color):
	"""The colour, mixed with white so that a text on it can be read."""
	return sum((((color >> s & 255) * 45 + 255 * 55) // 100) << s for s in (0, 8, 16))


def legible(text):
	"""The text with what would steer a reader's eye or a terminal, controls and bidi, and what is no character, as escapes."""
	return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp") else c for c in text)


@functools.lru_cache(maxsize=1)
def glyphs():
	"""The ranges (first, last) of characters for which there are fonts."""
	try:
		asked = subprocess.run(["fc-list", "--format", "%{charset} "], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
	except OSError:
		return []
	ranges = (r.partition("-") for r in set(asked.stdout.decode("ascii", "replace").split()))
	return [(int(first, 16), int(last or first, 16)) for first, _, last in ranges]


def drawable(text):
	"""The text with a mark for what no font has: pango would draw that as a box that can cover the picture."""
	return "".join(c if c.isascii() or any(first <= ord(c) <= last for first, last in glyphs()) else "\ufffd" for c in text)


def text_width(text):
	"""About how many px a text takes."""
	return sum(FONT * (0.38 if c in "ijlftr.,:;'|!()[]/ " else 1 if c in "mwMW%@" or unicodedata.east_asian_width(c) in "WF"
		else 0.68 if c.isupper() or c.isdigit() else 0.61) for c in text)


def fit(text, width):
	"""As much of the text as is legible in so many px; '' where nothing is."""
	text = legible(text[:2000])
	if text_width(text) <= width:
		return text
	while text and text_width(text) + FONT > width:
		text = text[:-1]
	return text + "\u2026" if text else ""


def quoted(text):
	"""A string for gnuplot.  Digits are octal, too: behind an octal number they would be taken for its."""
	return '"' + re.sub("[^A-Za-z \x80-\U0010ffff]", lambda c: f"\\{ord(c[0]):03o}", text) + '"'


def moment(us):
	return EPOCH + datetime.timedelta(microseconds=us)


def time_text(us, step=SECOND):
	"""A time, as fine as a step of so many us asks for."""
	if step >= DAY:
		return moment(us).strftime("%Y-%m-%d")
	if step >= MINUTE:
		return moment(us).strftime("%Y-%m-%d %H:%M")
	return moment(us).strftime("%Y-%m-%d ") + clock(us, step)


def clock(us, step):
	if step >= MINUTE:
		return moment(us).strftime("%H:%M")
	text = moment(us).strftime("%H:%M:%S")
	if step < SECOND:
		digits = next(d for d in range(1, 7) if step % 10 ** (6 - d) == 0)
		text += f".{us % SECOND:06d}"[:digits + 1]
	return text


def span_text(us):
	for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (1000, "ms")):
		if us >= unit:
			return f"{us // unit} {name}"
	return f"{us} us"


def step_of(span_us, most):
	"""The shortest step of whole us to days that cuts a span into so many pieces at most."""
	for step in STEPS:
		if span_us <= step * most:
			return step
	days = -(-span_us // (DAY * most))
	return DAY * next(n for n in (30, 60, 90, 180, days) if n >= days)


def month_start(months):
	"""The us of the beginning of a month, counted from January of the year 0; None beyond the calendar."""
	year, month = divmod(months, 12)
	if not 1 <= year <= 9999:
		return None
	return (datetime.datetime(year, month + 1, 1, tzinfo=datetime.timezone.utc) - EPOCH) // datetime.timedelta(microseconds=1)


def tic_label(us, step):
	"""A tic's text, and the larger unit that is said only where it changes."""
	when = moment(us)
	if step is None:
		return (MONTHS[when.month - 1], str(when.year))
	if step >= DAY:
		return (f"{when.day} {MONTHS[when.month - 1]}", str(when.year))
	return (clock(us, step), when.strftime("%Y-%m-%d"))


def time_tics(start, end, width):
	"""[(us, text, larger unit or '')...] for an axis of so many px."""
	for step in STEPS:
		room = max(text_width(tic_label(start, step)[0]), text_width("2026-11-22") if step < DAY else 0) + 14
		if (end - start) / step * room <= width:
			tics = [(us, *tic_label(us, step)) for us in range(-(-start // step) * step, end + 1, step)]
			break
	else:
		first = moment(start).year * 12
		step = next((n for n in MONTH_STEPS if (end - start) / DAY / 30.4 / n * 50 <= width), MONTH_STEPS[-1])
		starts = (month_start(m) for m in range(first - first % step, moment(end).year * 12 + 13, step))
		tics = [(us, *tic_label(us, None)) for us in starts if us is not None and start <= us <= end]
		if step >= 12:
			tics = [(us, larger, "") for us, _, larger in tics]
	said = None
	out = []
	for us, text, larger in tics:
		out.append((us, text, "" if larger == said else larger))
		said = larger
	return out


class Canvas:
	"""One picture: set margins and range first, then draw, then take what gnuplot makes of it."""

	def __init__(self, size, form, title, subtitle):
		self.width, self.height = size
		self.form = form
		self.title, self.subtitle = title, subtitle
		self.left, self.right, self.top, self.bottom = 12, 40, 2 * LINE + 22, 2 * LINE + 10
		self.script, self.plots = [], []
		self.start = self.end = 0
		self.x_range, self.y_range = None, (0, 1)
		self.entries = []

	@property
	def plot_width(self):
		return max(20, self.width - self.left - self.right)

	@property
	def plot_height(self):
		return max(20, self.height - self.top - self.bottom)

	def say(self, line):
		self.script.append(line)

	def text(self, where, text, align="left", color=INK, size=FONT):
		"""A text at `where', gnuplot's x,y.  It is the only way of anybody's text into the script."""
		scaled = size if self.form == "svg" else size * 0.75
		text = legible(text) if self.form == "svg" else drawable(legible(text))
		self.say(f"set label {quoted(text)} at {where} {align} tc rgb {color} font ',{scaled:g}' front")

	def px(self, x, y):
		"""gnuplot's x,y of a pixel, from the top left corner."""
		return f"screen {x / self.width:.6f}, screen {1 - y / self.height:.6f}"

	def x(self, us):
		return (us - self.start) / 1e6

	def column(self, us):
		"""How many px right of the axis a time is."""
		return (us - self.start) / max(1, self.end - self.start) * self.plot_width

	def legend(self, entries):
		"""[(symbol, colour, text)...] below the axis; a symbol is a number, gnuplot's point type, or 'line' or 'dashes'."""
		x, y = self.left, 0
		for symbol, color, text in entries:
			text = fit(text, self.width - self.left - self.right - 30)
			need = text_width(text) + 34
			if x + need > self.width and x > self.left:
				x, y = self.left, y + LINE
			self.entries.append((symbol, color, text, x, y))
			x += need
		self.bottom += y + LINE + 4 if entries else 0

	def paint_legend(self):
		for symbol, color, text, x, y in self.entries:
			at = self.height - LINE - self.entries[-1][4] + y
			if isinstance(symbol, int):
				self.say(f"set label '' at {self.px(x + 6, at)} point pt {symbol} ps 1 lc rgb {color} front")
			else:
				dash = " dt (6,4)" if symbol == "dashes" else ""
				self.say(f"set arrow from {self.px(x, at)} to {self.px(x + 16, at)} nohead lw 1.5 lc rgb {color}{dash} front")
			self.text(self.px(x + 21, at), text)

	def time_axis(self):
		self.say("unset xtics")
		tics = time_tics(self.start, self.end, self.plot_width)
		if tics:
			self.say("set xtics out nomirror scale 0.6 textcolor rgb %d (%s)" % (INK, ", ".join(f"'' {self.x(us):.6f}" for us, _, _ in tics)))
			self.say(f"set grid xtics lt 1 lw 1 lc rgb {FAINT}")
		base = self.height - self.bottom
		for us, text, larger in tics:
			at = self.left + self.column(us)
			self.text(self.px(at, base + 13), text, "center")
			if larger:
				self.text(self.px(at, base + 13 + LINE), larger, "center", GREY)

	def rows(self, names, middle):
		"""One row a name, from the top: texts left of the axis, at that part of the row's height, and a faint line below each."""
		self.y_range = (-len(names), 0)
		for i, name in enumerate(names):
			y = self.top + (i + middle) * self.plot_height / max(1, len(names))
			self.text(self.px(self.left - 7, y), fit(name, self.left - 12), "right")
			self.say(f"set arrow from first {self.x(self.start):.6f}, first {-i - 1} to first {self.x(self.end):.6f}, first {-i - 1} "
				f"nohead lw 1 lc rgb {FAINT} back")

	def place(self, us, row, right=0):
		"""gnuplot's x,y of a time, so many px right of it, and of a row, counted from the top."""
		return self.px(self.left + self.column(us) + right, self.top - row / self.y_range[0] * self.plot_height)

	def pixel(self, x, y):
		"""The px, from the top left corner, of a point of the plot."""
		(left, right), (low, high) = self.x_range, self.y_range
		return (self.left + (x - left) / (right - left) * self.plot_width, self.top + (high - y) / (high - low) * self.plot_height)

	def numbers(self, names):
		"""Two axes of numbers, with these names."""
		self.say(f"set grid lt 1 lw 1 lc rgb {FAINT}")
		most = max(2, self.plot_width // 80), max(2, self.plot_height // 40)
		for axis, (low, high), n in zip("xy", (self.x_range, self.y_range), most):
			raw = (high - low) / n
			unit = 10 ** math.floor(math.log10(raw))
			step = next(f * unit for f in (1, 2, 5, 10) if f * unit >= raw * 0.999)
			self.say(f"set {axis}tics {step:.9g} out nomirror scale 0.6 textcolor rgb {INK} format '%g'")
		self.text(self.px(self.left + self.plot_width / 2, self.height - self.bottom + 2 * LINE + 2), fit(names[0], self.plot_width), "center", GREY)
		self.text(self.px(16, self.top + self.plot_height / 2) + " rotate by 90", fit(names[1], self.plot_height), "center", GREY)

	def time_bar(self, colors):
		"""Right of the plot, which colour is which time."""
		x, span = self.width - self.right + 14, max(self.x(self.end), 1e-6)
		self.say(f"set palette defined ({colors})")
		self.say(f"set cbrange [0:{span:.9g}]")
		self.say("unset cbtics")
		self.say(f"set colorbox user origin {x / self.width:.6f}, {self.bottom / self.height:.6f} size {10 / self.width:.6f}, "
			f"{self.plot_height / self.height:.6f} noborder")
		for us, text, larger in \
				time_tics(self.start, self.end, self.plot_height * 2.2) if self.end > self.start else [(self.start, *tic_label(self.start, SECOND))]:
			y = self.height - self.bottom - (us - self.start) / max(1, self.end - self.start) * self.plot_height
			self.text(self.px(x + 16, y), text)
			if larger:
				self.text(self.px(x + 16, y - LINE + 2), larger, color=GREY, size=FONT - 1)

	def boxes(self, rows):
		self.plot(rows, "using 1:2:3:4:5:6:7 with boxxyerror fs solid noborder fc rgb variable")

	def data(self, rows):
		"""Numbers, one tuple a line (None: a line that is empty), for plot()."""
		name = f"$d{len(self.plots)}"
		self.say(f"{name} << END")
		self.script.extend("" if row is None else " ".join(f"{v:.9g}" if isinstance(v, float) else str(int(v)) for v in row) for row in rows)
		self.say("END")
		return name

	def plot(self, rows, how):
		if rows:
			self.plots.append(f"{self.data(rows)} {how} notitle")

	def note(self, text):
		"""What the picture has to say where there is nothing to see."""
		self.text("graph 0.5, graph 0.5", fit(text, self.plot_width), "center", GREY, FONT + 2)

	def paint(self):
		"""The picture, as bytes."""
		terminal = f"svg size {self.width},{self.height} fixed noenhanced font 'sans-serif,{FONT}' background 'white'" if self.form == "svg" \
			else f"pngcairo size {self.width},{self.height} noenhanced font 'sans,{FONT * 0.75:g}' background 'white'"
		self.paint_legend()
		self.text(self.px(12, LINE), fit(self.title, (self.width - 24) * FONT / (FONT + 3)), size=FONT + 3)
		self.text(self.px(12, 2 * LINE + 2), fit(self.subtitle, self.width - 24), color=GREY)
		left, right = self.x_range or (0, self.x(self.end))
		head = ["set encoding utf8", f"set terminal {terminal}", "unset key", "unset ytics", "set border 3 lc rgb %d" % GREY,
			f"set lmargin at screen {self.left / self.width:.6f}", f"set rmargin at screen {1 - self.right / self.width:.6f}",
			f"set tmargin at screen {1 - self.top / self.height:.6f}", f"set bmargin at screen {self.bottom / self.height:.6f}",
			f"set xrange [{left:.9g}:{right:.9g}]", f"set yrange [{self.y_range[0]:.9g}:{self.y_range[1]:.9g}]"]
		script = "\n".join(head + self.script + ["plot " + (", ".join(self.plots) or "NaN notitle"), ""])
		# gnuplot leaves one sequence in a text that XML forbids there.
		return gnuplot(script).replace(b"]]>", b"]]&gt;") if self.form == "svg" else gnuplot(script)


def gnuplot(script):
	"""What gnuplot paints, with no settings of the user's."""
	surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("GNUPLOT", "GNUTERM", "FIT_"))}
	try:
		done = subprocess.run(["gnuplot", "-d", "-"], input=script.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings, check=False)
	except OSError as error:
		raise Fault(f"cannot run 'gnuplot' (Debian: gnuplot-nox): {error.strerror}") from error
	if done.returncode != 0 or not done.stdout:
		raise Fault("gnuplot failed: " + (done.stderr.decode(errors="replace").strip() or f"exit {done.returncode}"))
	return done.stdout
