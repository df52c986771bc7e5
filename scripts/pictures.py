"""The pictures of scripts/ecl-plot: each function takes a run, reads what it draws, and returns a canvas and the exit code."""

import array
import base64
import collections
import json
import math

import plotting
from plotting import ALARM, GREY, LINE, PALE, PALETTE, Fault, fit, text_width


def name_of(event, place):
	name = event.get("element")
	if not isinstance(name, str):
		raise Fault(f"{place}: no element")
	return name


def plural(n, what):
	return f"{n:,} {what}" + ("" if n == 1 else "s")


# Events over time, a row for each kind.

def read_events(plot):
	"""The events: their times, the ids of their kinds, the names of those; the blocks' times and heights, the rollbacks' times."""
	times, kinds, ids, blocks, rollbacks = array.array("q"), array.array("l"), {}, [], []
	for us, event, place in plot.read("--history", "--", *(plot.names or ["*"]), "ecl:*"):
		name, state = name_of(event, place), event.get("state")
		if name == "ecl:block" and event.get("action") == "snap" and isinstance(state, dict):
			blocks.append((us, str(state.get("height", ""))))
		elif name == "ecl:layer" and event.get("action") == "rollback":
			rollbacks.append(us)
		elif not name.startswith("ecl:"):
			times.append(us)
			kinds.append(ids.setdefault(name.partition(":")[0], len(ids)))
	return times, kinds, {i: name for name, i in ids.items()}, blocks, rollbacks


def events(plot):
	times, kinds, names, blocks, rollbacks = read_events(plot)
	if not times and not blocks:
		return plot.nothing("no events"), 1
	marks = [us for us, _ in blocks] + rollbacks
	start, end = min([*times, *marks]), max([*times, *marks])
	canvas = plot.canvas(plural(len(times), "event"), start, end)
	canvas.legend([("line", PALE, "block, with its height")] * bool(blocks) + [("dashes", ALARM, "rollback")] * bool(rollbacks))

	# The kinds, most events first, and what does not get a row of its own as the last.
	counts = collections.Counter(kinds)
	order = sorted(counts, key=lambda i: (-counts[i], names[i]))
	most = max(2, min(plot.rows, canvas.plot_height // LINE))
	own = order if len(order) <= most else order[:most - 1]
	rows = [(names[i], counts[i]) for i in own]
	if len(own) < len(order):
		rows.append((f"other ({len(order) - len(own)})", sum(counts[i] for i in order[len(own):])))
	texts = [f"{fit(name, canvas.width * 0.25)}  {count:,}" for name, count in rows]
	canvas.left = int(min(canvas.width * 0.35, max(map(text_width, texts), default=0) + 24))

	# Bars of whole steps; around a single moment, some time.
	step = plotting.step_of(end - start, max(10, canvas.plot_width // 4)) if end > start else plotting.SECOND
	around = 0 if end > start else 30 * step
	canvas.start, canvas.end = start // step * step - around, (end // step + 1) * step + around
	canvas.rows(texts, 0.62)
	row_of = {i: row for row, i in enumerate(own)}
	bars = collections.Counter((row_of.get(i, len(own)), us // step) for us, i in zip(times, kinds))
	highest = max(bars.values(), default=1)
	if bars:
		canvas.subtitle += f"; a bar is {plotting.span_text(step)}, the highest {plural(highest, 'event')} (logarithmic)"
	least = 2.5 * len(rows) / canvas.plot_height
	boxes = []
	for (row, at), n in sorted(bars.items()):
		x, base, height = canvas.x(at * step), -row - 1, max(least, 0.86 * math.log1p(n) / math.log1p(highest))
		boxes.append((x, base, x, x + step / 1e6, base, base + height, PALETTE[row % len(PALETTE)] if row < len(own) else GREY))
	mark(canvas, blocks, rollbacks)
	canvas.boxes(boxes)
	if not times:
		canvas.note("no events, only blocks")
	canvas.time_axis()
	return canvas, 0


def mark(canvas, blocks, rollbacks):
	"""Lines of the height of the picture, or where they are too many for that, ticks above it."""
	top = canvas.y_range[1]
	few = len(blocks) * 14 <= canvas.plot_width
	length = (canvas.y_range[0] - top) if few else (canvas.y_range[0] - top) * 6 / canvas.plot_height
	canvas.plot([(canvas.x(us), top, 0, length) for us, _ in blocks], f"using 1:2:3:4 with vectors nohead lw 1 lc rgb {PALE}")
	canvas.plot([(canvas.x(us), top, 0, canvas.y_range[0] - top) for us in rollbacks],
		f"using 1:2:3:4 with vectors nohead lw 1.5 dt (6,4) lc rgb {ALARM}")
	free = 0
	for us, height in blocks:
		at, half = canvas.left + canvas.column(us), plotting.text_width(height) / 2
		if at - half >= free and at + half <= canvas.width:
			canvas.text(canvas.px(at, canvas.top - 8), height, "center", GREY, plotting.FONT - 1)
			free = at + half + 8


# The states of one element over time, a row for each member.

def members(value, path=""):
	"""(path, value) of what is in a state; what has no members is a value."""
	if isinstance(value, dict) and value:
		for name in sorted(value):
			yield from members(value[name], f"{path}.{name}" if path else name)
	else:
		yield path or "state", value


def value_text(value):
	return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_states(plot):
	"""The element, its events [(us, event)...] up to the end, and the times from when to when they are drawn."""
	name = plot.names[0] if plot.names else None
	history = []
	for us, event, place in plot.read("--history", "--", *plot.names, limits=("--until",)):
		found = name_of(event, place)
		name = found if name is None else name
		if found != name:
			raise Fault(f"{place}: an event of '{found}' after one of '{name}': one element at a time")
		history.append((us, event))
	history.sort(key=lambda e: e[0])
	if not history:
		return name, [], 0, 0
	start, end = history[0][0], history[-1][0]
	if "--since" in plot.options:
		start = next((us for us, _, _ in plot.ask("--history", "--limit", "1", "--", *plot.names)), None)
		if start is None:
			return name, [], 0, 0
	if not plot.stdin:
		# Its last state lasts as far as the ledger knows.
		end = next((us for us, _, _ in plot.ask("--history", "--reverse", "--limit", "1", limits=("--until",))), end)
	return name, history, start, max(start, end)


def segments_of(history, start, end):
	"""{path: [(from, to, value)...]}, cut to the time from start to end, with neighbours that are equal as one."""
	rows = collections.defaultdict(list)
	now, since = {}, {}

	def close(path, us):
		if us > start or us == end:
			rows[path].append((max(since[path], start), us, now[path]))
		del now[path], since[path]

	for us, event in history:
		if "state" not in event:
			continue
		new = {} if event["state"] is None else dict(members(event["state"]))
		for path in [p for p in now if p not in new or value_text(new[p]) != value_text(now[p])]:
			close(path, us)
		for path, value in new.items():
			if path not in now:
				now[path], since[path] = value, us
	for path in list(now):
		close(path, end)
	return rows


def states(plot):
	name, history, start, end = read_states(plot)
	if not history:
		return plot.nothing(f"no events of {name}" if name else "no events"), 1
	seen = [(us, event) for us, event in history if us >= start]
	canvas = plot.canvas(name, start, end)
	canvas.subtitle += "; " + plural(len(seen), "event")
	canvas.end = end if end > start else end + plotting.MINUTE
	segments = segments_of(history, start, canvas.end)
	canvas.start -= max(1, (canvas.end - canvas.start) // 60)

	actions = collections.Counter(action_of(event) for _, event in seen)
	own = [a for a, _ in actions.most_common()]
	own = own if len(own) <= 6 else own[:5]
	canvas.legend([(SHAPES[i], PALETTE[i], f"{a} ({actions[a]:,})") for i, a in enumerate(own)] +
		[(SHAPES[5], GREY, f"other ({sum(actions.values()) - sum(actions[a] for a in own):,})")] * (len(own) < len(actions)))
	most = max(1, min(plot.rows, canvas.plot_height // (LINE + 4)) - 1)
	paths = sorted(sorted(segments, key=lambda p: (-len(segments[p]), p))[:most])
	if len(paths) < len(segments):
		canvas.subtitle += f"; {len(paths)} of {plural(len(segments), 'member')}, those that changed most"
	texts = ["events", *paths]
	canvas.left = int(min(canvas.width * 0.3, max(90, *map(text_width, texts)) + 24))
	canvas.rows(texts, 0.5)
	for row, path in enumerate(paths, 1):
		draw_row(canvas, row, segments[path])
	for i, action in enumerate([*own, None][:6]):
		dots, last = [], -1
		for us, event in seen:
			if (action_of(event) == action if action is not None else action_of(event) not in own) and canvas.column(us) - last >= 0.25:
				last = canvas.column(us)
				dots.append((canvas.x(us), -0.5))
		canvas.plot(dots, f"using 1:2 with points pt {SHAPES[i]} ps 1 lc rgb {GREY if action is None else PALETTE[i]}")
	canvas.time_axis()
	return canvas, 0


# gnuplot's types of points that are filled and differ in shape.
SHAPES = (7, 5, 9, 13, 11, 15)


def action_of(event):
	return value_text(event.get("action", "observed"))


def number_line(canvas, row, segments):
	"""Numbers that are many: a line, from the lowest to the highest."""
	values = [v for _, _, v in segments]
	low, high = min(values), max(values)
	line = []
	for begin, end, value in segments:
		y = -row - 0.88 + 0.7 * ((value - low) / (high - low) if high > low else 0.5)
		line += [None] * (line != [] and canvas.x(begin) != line[-1][0]) + [(canvas.x(begin), y), (canvas.x(end), y)]
	canvas.plot(line, f"using 1:2 with lines lw 1.5 lc rgb {PALETTE[0]}")
	if canvas.plot_height >= -canvas.y_range[0] * 2 * LINE:
		x, y = canvas.left - 7, canvas.top - (row + 0.5) / canvas.y_range[0] * canvas.plot_height + LINE - 2
		canvas.text(canvas.px(x, y), fit(f"{value_text(low)} to {value_text(high)}", canvas.left), "right", GREY, plotting.FONT - 2)


def draw_row(canvas, row, segments):
	"""Bars with the values in them; what is too short to be seen is left out."""
	if len({value_text(v) for _, _, v in segments}) > 6 and all(type(v) in (int, float) and abs(v) < 1e300 for _, _, v in segments):
		number_line(canvas, row, segments)
		return
	colors, boxes, drawn = {}, [], -1
	for begin, end, value in segments:
		text = value_text(value)
		color = colors.setdefault(text, PALETTE[len(colors) % len(PALETTE)])
		if canvas.column(end) - drawn < 0.25:
			continue
		drawn = canvas.column(end)
		boxes.append((canvas.x(begin), -row, canvas.x(begin), canvas.x(end), -row - 0.88, -row - 0.12, plotting.tint(color)))
		inside = fit(text, canvas.column(end) - canvas.column(begin) - 8)
		if len(inside) > min(4, len(text) - 1):
			canvas.text(canvas.place(begin, row + 0.5, 5), inside)
	canvas.boxes(boxes)


# The layer's path through vector space, a point for each block.

def read_blocks(plot):
	"""[(us, height, embedder, vector)...] of the blocks, in order, and how many have no vector."""
	found, without = {}, 0
	for us, event, place in plot.read("--blocks"):
		block = event
		if "element" in event:
			if event["element"] != "ecl:block" or event.get("action") != "snap":
				continue
			block = event.get("state")
		if not isinstance(block, dict) or not isinstance(block.get("height"), int):
			raise Fault(f"{place}: neither a block nor an event")
		if not isinstance(block.get("vector"), str):
			without += 1
			continue
		try:
			raw = base64.b64decode(block["vector"], validate=True)
		except ValueError:
			raise Fault(f"{place}: its vector is not base64") from None
		found[block["height"]] = (us, block["height"], str(block.get("embedder", "")), array.array("b", raw))
	return [found[height] for height in sorted(found)], without


def components(vectors):
	"""The first two principal components of the vectors, [(x, y)...], and which parts of the variance they are."""
	try:
		import numpy  # pylint: disable=import-outside-toplevel
	except ImportError:
		raise Fault("numpy is missing (Debian: python3-numpy)") from None
	matrix = numpy.array(vectors, dtype=float)
	matrix /= numpy.maximum(numpy.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)
	matrix -= matrix.mean(axis=0)
	left, lengths, _ = numpy.linalg.svd(matrix, full_matrices=False)
	scores = numpy.zeros((len(vectors), 2))
	width = min(2, len(lengths))
	scores[:, :width] = left[:, :width] * lengths[:width]
	# Which way is up, is nobody's: the newest block is right of the oldest, and above it.
	scores *= numpy.where(scores[-1] < scores[0], -1, 1)
	parts = lengths ** 2 / max(float((lengths ** 2).sum()), 1e-30)
	return scores.tolist(), [float(parts[i]) if i < len(parts) else 0.0 for i in range(2)]


# From dark blue to yellow, as cividis, which people with any kind of colour vision see as one order.
TIMES = "0 '#00224E', 1 '#35456C', 2 '#666970', 3 '#948E77', 4 '#C8B866', 5 '#E8CF45'"


def path(plot):
	blocks, without = read_blocks(plot)
	embedder = blocks[-1][2] if blocks else None
	like = [b for b in blocks if b[2] == embedder and len(b[3]) == len(blocks[-1][3])]
	if not like:
		return plot.nothing("no blocks with a vector" if without else "no blocks"), 1
	points, parts = components([b[3] for b in like])
	start, end = min(b[0] for b in like), max(b[0] for b in like)
	canvas = plot.canvas("the layer's path, " + plural(len(like), "block"), start, end)
	if without:
		canvas.subtitle += f"; {without:,} without a vector"
	if len(like) < len(blocks):
		canvas.subtitle += f"; {len(blocks) - len(like):,} of another embedder"
	canvas.legend([(7, PALETTE[0], "block, with its height"), ("line", GREY, "from each to the next")])
	canvas.left, canvas.right = 78, 118 if end - start >= plotting.MINUTE else 150
	canvas.bottom += LINE
	canvas.x_range, canvas.y_range = (around([p[i] for p in points]) for i in (0, 1))
	canvas.numbers([f"{nth} principal component ({part:.0%} of the variance)" for nth, part in zip(("first", "second"), parts)])
	canvas.plot(points, f"using 1:2 with lines lw 1 lc rgb {GREY}")
	canvas.plot([(x, y, canvas.x(b[0])) for (x, y), b in zip(points, like)], "using 1:2:3 with points pt 7 ps 1 lc palette")
	canvas.time_bar(TIMES)
	label_points(canvas, points, [str(b[1]) for b in like])
	return canvas, 0


def around(values):
	"""A range with a margin on both sides, which is no smaller where all are alike."""
	low, high = min(values), max(values)
	margin = 0.07 * (high - low) if high - low > 1e-6 else 0.7
	return (low - margin, high + margin)


def label_points(canvas, points, texts):
	"""A text beside each point, first of all beside the last and the first; what would cover another is left out."""
	taken = []
	order = [len(points) - 1, 0, *range(1, len(points) - 1)][:len(points)]
	for i in order:
		x, y = canvas.pixel(*points[i])
		box = (x + 6, y - LINE / 2, x + 10 + text_width(texts[i]), y + LINE / 2)
		if any(box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken):
			continue
		taken.append(box)
		canvas.text(canvas.px(x + 7, y), texts[i], size=plotting.FONT - 1)
