#!/usr/bin/env python3
"""Texts that any Debian has, and that nobody here wrote, as events, and questions whose answers are known.

similar-sets.py synopsis|man|topic DIR [LISTS]
	DIR/events: lines for ecl-append: event N, counted from 1, is number N of the set.
	DIR/texts: `N TAB text' of the same, for others.
	DIR/questions: {"query":TEXT,"right":[N,...]} each.
	Prints the number of events and of questions.
  synopsis  the long description of a package, as a state; asked by its one-line synopsis.  The translations, where Debian
            keeps long descriptions, are those that the apt lists in LISTS have.
  man       the section DESCRIPTION of a manual page, as a state; asked by its line in the section NAME.
  topic     what dpkg knows of a package (status, version, one-line summary), as ecl-collect-packages has it; asked by a
            topic, which is a tag of Debian's in words (`works-with::image:raster' is `image raster'); right are all the
            packages that carry the tag.

similar-sets.py stream N [SEED]
	N events as such systems record them, on the standard output: packages that come, change and go, units, files.
similar-sets.py ask N [SEED]
	N things that somebody might ask of these: some words of a synopsis, a line each.

Samples are drawn by the SHA-256 of names: the same machine gives the same sets.
"""
import glob
import gzip
import hashlib
import json
import os
import random
import re
import subprocess
import sys

SIZE = {"synopsis": 10000, "man": 3000, "topic": 20000}
TEXT_MAX = 2000
PAGES_MAX = 200  # of one package
QUESTIONS = 1000
TOPIC_MIN = 10  # packages that must have a tag

# Tags of these facets say what a package is for; those of the others (role, interface, implemented-in...) how it is made.
TOPICS = {"admin", "biology", "field", "game", "hardware", "mail", "network", "office", "privacy", "protocol", "science",
          "security", "sound", "use", "web", "works-with", "works-with-format"}


def die(text):
    sys.exit("similar-sets: " + text)


def key(name):
    return hashlib.sha256(name.encode()).digest()


def paragraphs(lines):
    """Of a file in Debian's format: one dict each; a continued line stands behind an LF."""
    member, out = None, {}
    for line in lines:
        if line[:1] in " \t" and line.strip():
            out[member] += "\n" + line.strip()
        elif ": " in line or line.endswith(":"):
            member, _, value = line.partition(":")
            out[member] = value.strip()
        elif out:
            yield out
            out = {}
    if out:
        yield out


def run(*words):
    p = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    return p.stdout.decode("utf-8", "replace").split("\n")


def packages():
    """name -> (synopsis, version, tags), of the packages that apt knows."""
    out = {}
    for p in paragraphs(run("apt-cache", "dumpavail")):
        if "Package" in p and "Description" in p:
            tags = set(re.split(r",\s+", p.get("Tag", "").replace("\n", " "))) - {""}
            out.setdefault(p["Package"], (p["Description"].split("\n")[0], p.get("Version", "1"), tags))
    if not out:
        die("apt knows no packages: 'apt-get update'")
    return out


def sample(names, n):
    return sorted(sorted(names, key=key)[:n])


def pairs_synopsis(lists):
    """name -> (question, text)"""
    files = glob.glob(os.path.join(lists, "*Translation-en*"))
    if not files:
        die("no long descriptions in '%s'" % lists)
    pairs, seen = {}, set()
    for p in paragraphs(run("/usr/lib/apt/apt-helper", "cat-file", *sorted(files))):
        synopsis, _, text = p.get("Description-en", "").partition("\n")
        text = re.sub(r"(?m)^\.$", "", text)[:TEXT_MAX].strip()
        if synopsis and text and text not in seen:
            seen.add(text)
            pairs.setdefault(p["Package"], (synopsis, text))
    return pairs


FONT = re.compile(r"\.(?:B|I|R|SM|SB|BR|BI|IR|IB|RB|RI|Nm|Fl|Ar|Cm|Pa|Xr|Em|Sy|Li|Ql|Dq|Sq|Ev|Fn|Ic|Nd|Va|IP|Dv)\s+(.*)")


def plain(lines):
    """What roff source says, without its macros."""
    out = []
    for line in lines:
        if line[:1] in ".'":
            m = FONT.match(line)
            line = m.group(1).replace('"', "") if m else ""
        line = re.sub(r"\\f(?:\[.*?\]|\(..|.)|\\s[-+]?\d+|\\[&|^:%c]|\\m\[.*?\]", "", line)
        line = re.sub(r"\\\*?\((?:lq|rq|aq|dq)", '"', line)
        line = re.sub(r"\\\*?(?:\[.*?\]|\(..)", " ", line).replace(r"\-", "-").replace(r"\e", "\\")
        out.append(line)
    return re.sub(r"\s+", " ", " ".join(out)).strip()


def pages():
    """Manual pages, of one package so many at most, so that no single one decides."""
    for path in sorted(glob.glob("/var/lib/dpkg/info/*.list")):
        with open(path) as f:
            found = re.findall(r"(?m)^/usr/share/man/man[1578]/.*\.gz$", f.read())
        yield from sample([p for p in found if os.path.isfile(p) and not os.path.islink(p)], PAGES_MAX)


def page(path):
    """What stands behind the name in the section NAME, and the section DESCRIPTION."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as f:
        source = f.read()
    section, part = None, {"NAME": [], "DESCRIPTION": []}
    for line in source.split("\n"):
        m = re.match(r'\.S[Hh]\s+"?([^"]*)', line)
        if m:
            section = m.group(1).strip().upper()
        elif section in part and not re.match(r'[.\']\\"', line):
            part[section].append(line)
    about = re.search(r"(?m)^\.Nd\s+(.*)", source)
    return about.group(1) if about else plain(part["NAME"]).partition(" - ")[2], plain(part["DESCRIPTION"])[:TEXT_MAX]


def pairs_man():
    pairs, seen = {}, set()
    for path in pages():
        head, text = page(path)
        if len(head.split()) >= 2 and len(text) >= 40 and text not in seen:
            seen.add(text)
            pairs[os.path.basename(path)[:-3]] = (head, text)
    return pairs


def asked_by_line(pairs, n):
    """Events and questions of such pairs.  A question that would mean several is not asked."""
    names = sample(pairs, n)
    events = [{"element": "text:%d" % i, "state": pairs[name][1]} for i, name in enumerate(names, 1)]
    count = {}
    for name in names:
        count[pairs[name][0]] = count.get(pairs[name][0], 0) + 1
    ask = set(sorted(names, key=lambda name: key("question " + name))[:QUESTIONS * 2])
    questions = [{"query": pairs[name][0], "right": [i]} for i, name in enumerate(names, 1)
                 if name in ask and count[pairs[name][0]] == 1]
    return events, [pairs[name][1] for name in names], questions[:QUESTIONS]


def asked_by_topic(n):
    known = packages()
    names = sample([name for name in known if known[name][2]], n)
    events, texts, having = [], [], {}
    for i, name in enumerate(names, 1):
        synopsis, version, tags = known[name]
        state = {"status": "install ok installed", "summary": synopsis, "version": version}
        events.append({"element": "pkg:" + name, "state": state})
        texts.append("%s %s %s %s" % (name, state["status"], synopsis, version))
        for tag in tags:
            having.setdefault(tag, []).append(i)
    questions = []
    for tag in sorted(having):
        facet, _, value = tag.partition("::")
        if facet in TOPICS and len(having[tag]) >= TOPIC_MIN:
            words = re.sub(r"[-:]+", " ", value).strip()
            if words and words != "TODO":
                questions.append({"query": words, "right": having[tag]})
    return events, texts, questions


def write_set(what, where, lists):
    if what == "synopsis":
        events, texts, questions = asked_by_line(pairs_synopsis(lists), SIZE[what])
    elif what == "man":
        events, texts, questions = asked_by_line(pairs_man(), SIZE[what])
    else:
        events, texts, questions = asked_by_topic(SIZE[what])
    with open(os.path.join(where, "events"), "w") as f:
        f.writelines(json.dumps(e, ensure_ascii=False) + "\n" for e in events)
    with open(os.path.join(where, "texts"), "w") as f:
        f.writelines("%d\t%s\n" % (i, re.sub(r"\s+", " ", t)) for i, t in enumerate(texts, 1))
    with open(os.path.join(where, "questions"), "w") as f:
        f.writelines(json.dumps(q, ensure_ascii=False) + "\n" for q in questions)
    print(len(events), len(questions))


def stream(n, seed):
    rnd, known = random.Random(seed), packages()
    names = sorted(known)
    out = []
    for i in range(n):
        name = names[int(len(names) * rnd.random() ** 2)]  # some change often
        synopsis, version, _ = known[name]
        kind, turn = i % 5, rnd.randrange(1, 400)
        if kind < 2:
            event = {"element": "pkg:" + name, "state": None if turn % 20 == 0 else {
                "status": "install ok installed", "summary": synopsis, "version": "%s+u%d" % (version, turn)}}
        elif kind == 2:
            event = {"element": "unit:%s.service" % name, "state": {
                "active": ("active", "inactive", "failed")[turn % 3], "description": synopsis, "enabled": turn & 1 == 0,
                "n": turn}}
        elif kind == 3:
            event = {"element": "file:/usr/share/doc/%s/changelog.gz" % name, "state": {
                "content": hashlib.sha256(b"%d" % i).hexdigest(), "mode": "0644", "owner": "root:root", "size": turn * 7}}
        else:
            event = {"element": "file:/etc/%s/%s.conf" % (name[0], name), "state": {
                "content": hashlib.sha256(b"%d" % i).hexdigest(), "mode": "0600" if turn & 1 else "0644",
                "owner": "root:root", "size": turn}, "actor": ("ansible", "root", "apt")[turn % 3]}
        if event["state"] is None:
            event["action"] = "delete"
        else:
            event["action"] = "modify"
        out.append(json.dumps(event, ensure_ascii=False) + "\n")
        if len(out) == 4096:
            sys.stdout.write("".join(out))
            out.clear()
    sys.stdout.write("".join(out))


def ask(n, seed):
    rnd, known = random.Random("ask %s" % seed), packages()
    names = sorted(known)
    while n > 0:
        words = re.findall(r"[A-Za-z]{3,}", known[rnd.choice(names)][0])
        if len(words) >= 2:
            first = rnd.randrange(len(words) - 1)
            print(" ".join(words[first:first + rnd.randrange(2, 6)]))
            n -= 1


def main(words):
    if len(words) in (2, 3) and words[0] in ("stream", "ask"):
        (stream if words[0] == "stream" else ask)(int(words[1]), words[2] if len(words) == 3 else "1")
    elif len(words) in (2, 3) and words[0] in SIZE:
        write_set(words[0], words[1], words[2] if len(words) == 3 else "/var/lib/apt/lists")
    else:
        die("see its beginning for how it is called")


main(sys.argv[1:])
