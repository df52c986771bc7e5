#!/usr/bin/env python3
"""How good answers are.

similar-judge.py ecl ROOT QUESTIONS [OPTION...]
	Asks ecl-query --similar, with those options, each question of a set (similar-sets.py; the ledger ROOT has nothing but
	its events, so that seq N is number N).
similar-judge.py fts TEXTS QUESTIONS
	Asks SQLite's FTS5, with its Porter stemmer, for any of the words, by its BM25.
	Both print R@1 R@10 P@1 P@10 MS: in how many per cent a right one is the first answer, or among ten; how many per cent
	of the first, and of ten, are right; how long one took.
similar-judge.py recall ROOT ASKED [OPTION...]
	Prints how many per cent of ten answers of ecl-query are as good as the tenth of its --exact, over all lines of ASKED.
"""
import json
import re
import subprocess
import sys
import time


def die(text):
    sys.exit("similar-judge: " + text)


def ecl(root, text, *options):
    p = subprocess.run(["ecl-query", "-d", root, "--json", "-k", "10", *options, "--similar", text], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    if p.returncode not in (0, 1):
        die("'%s': exit %d: %s" % (text, p.returncode, p.stderr.decode("utf-8", "replace")))
    return [json.loads(line) for line in p.stdout.splitlines()]


def questions(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def by_ecl(root, asked, options):
    return [[a["seq"] for a in ecl(root, q["query"], *options)] for q in asked]


def by_fts(texts, asked):
    """All questions in one process, each answer with its number; the words as FTS5's tokenizer parts them."""
    script = [".bail on", "CREATE VIRTUAL TABLE t USING fts5(text, tokenize='porter', content='');",
              "CREATE TABLE raw(id INTEGER PRIMARY KEY, text);", ".mode ascii", r'.separator "\t" "\n"',
              ".import '%s' raw" % texts, "INSERT INTO t(rowid, text) SELECT id, text FROM raw;", ".mode list",
              ".separator \" \"", ".print begin"]
    for i, q in enumerate(asked):
        words = " OR ".join('"%s"' % w for w in re.findall(r"\w+", q["query"]))
        script.append("SELECT %d, rowid FROM t WHERE t MATCH '%s' ORDER BY rank LIMIT 10;" % (i, words))
    p = subprocess.Popen(["sqlite3", "-batch", ":memory:"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    p.stdin.write("\n".join(script[:10]) + "\n")
    p.stdin.flush()
    if p.stdout.readline() != "begin\n":
        die("sqlite3 failed")
    began = time.monotonic()
    out, _ = p.communicate("\n".join(script[10:]) + "\n")
    took = time.monotonic() - began
    if p.returncode != 0:
        die("sqlite3 failed")
    answers = [[] for _ in asked]
    for line in out.splitlines():
        i, rowid = line.split()
        answers[int(i)].append(int(rowid))
    return answers, took


def judge(asked, answers, took):
    n = len(asked)
    sums = [0, 0, 0, 0]
    for q, found in zip(asked, answers):
        hits = [seq in set(q["right"]) for seq in found[:10]]
        for i, value in enumerate((any(hits[:1]), any(hits), sum(hits[:1]), sum(hits) / 10)):
            sums[i] += value
    print(*("%.1f" % (100 * s / n) for s in sums), "%.2f" % (1000 * took / n))


def recall(root, asked, options):
    good = wanted = 0
    for text in asked:
        best = ecl(root, text, "--exact", *options)
        if best:
            least = best[-1]["score"] - 1e-6
            good += min(len(best), sum(a["score"] >= least for a in ecl(root, text, *options)))
            wanted += len(best)
    print("%.1f" % (100 * good / wanted))


def main(words):
    if len(words) >= 3 and words[0] == "ecl":
        asked, began = questions(words[2]), time.monotonic()
        judge(asked, by_ecl(words[1], asked, words[3:]), time.monotonic() - began)
    elif len(words) == 3 and words[0] == "fts":
        asked = questions(words[2])
        judge(asked, *by_fts(words[1], asked))
    elif len(words) >= 3 and words[0] == "recall":
        with open(words[2]) as f:
            recall(words[1], f.read().splitlines(), words[3:])
    else:
        die("see its beginning for how it is called")


main(sys.argv[1:])
