/* The index against a naive model: every answer, with good files, damaged ones, and none. */
#include "config.h"

#include <stdarg.h>

#include "index-model.h"

/* ---- the tests ---- */

static void
test_growing(struct model *m)
{
	struct opened o;
	unsigned i;
	bool yes = true;

	model_grow(m, 1);
	good(open_index(&o, m, INDEX_TREE) && same_all(o.ix, m), "one event, no index");
	close_index(&o);
	model_grow(m, 700);
	good(open_index(&o, m, INDEX_TREE) && same_all(o.ix, m), "a log without an index");
	good(publish(&o) && index_lag(o.ix) == 0 && same_all(o.ix, m), "the publisher goes on");
	close_index(&o);
	good(open_index(&o, m, INDEX_TREE) && index_published(o.ix) == m->n && index_damage(o.ix) == NULL && same_all(o.ix, m),
	    "the files alone");
	close_index(&o);
	good(checks(m, 0), "index_check finds nothing");
	for (i = 0; i < 40 && yes; i++) {
		model_grow(m, 1 + random_below(&m->r, i % 5 == 0 ? 900 : 40));
		yes = open_index(&o, m, i % 2 ? INDEX_TREE : 0) && (i % 4 != 0 || same_some(o.ix, m));
		if (i % 3 != 0)
			yes = yes && publish(&o) && index_published(o.ix) == m->n && same_some(o.ix, m);
		close_index(&o);
	}
	good(yes, "files and a tail behind them, again and again");
	good(open_index(&o, m, INDEX_TREE) && same_all(o.ix, m) && publish(&o) && same_all(o.ix, m), "all of it");
	close_index(&o);
	good(checks(m, 0), "index_check finds nothing again");
	good(open_index(&o, m, INDEX_TREE | INDEX_IGNORE) && index_published(o.ix) == 0 && same_all(o.ix, m), "INDEX_IGNORE");
	close_index(&o);
}

static void
test_following(struct model *m)
{
	struct opened reader, writer;
	struct err e;
	unsigned i;
	bool yes;

	yes = open_index(&reader, m, INDEX_TREE);
	for (i = 0; i < 10 && yes; i++) {
		model_grow(m, 1 + random_below(&m->r, 100));
		yes = open_index(&writer, m, 0) && publish(&writer);
		close_index(&writer);
		yes = yes && log_refresh(reader.log, &e) == 0 && index_catch_up(reader.ix, &e) == 0 && same_some(reader.ix, m);
	}
	good(yes, "a reader follows while others publish");
	good(publish(&reader) && index_published(reader.ix) == m->n && same_all(reader.ix, m),
	    "who publishes takes in what others published");
	model_grow(m, 50);
	good(log_refresh(reader.log, &e) == 0 && index_catch_up(reader.ix, &e) == 0 && index_remove(m->ecl_fd, -1, &e) == 0 &&
		same_all(reader.ix, m) && publish(&reader) && same_all(reader.ix, m),
	    "the files vanish under a reader, who then publishes");
	close_index(&reader);
	good(checks(m, 0), "index_check finds nothing");
}

/* Feed ${n} events that are not written; the lines go to ${lines}. */
static bool
feed(struct opened *o, struct model *m, unsigned n, struct buf *lines)
{
	struct element el;
	struct event ev;
	struct err e;
	int rc;

	while (n-- > 0) {
		struct m_event *v;

		model_next(m, &ev, lines);
		v = &m->ev[m->n - 1];
		if ((rc = index_lookup(o->ix, ev.element, &el, &e)) == -1)
			return (WRONG("index_lookup: %s", e.text));
		if ((rc == 1 ? el.last : EVENT_NONE) != ev.parent)
			return (WRONG("another parent of %" PRIu64, ev.seq));
		if (index_feed(o->ix, &ev, v->segment, v->offset, v->length, &e) != 0)
			return (WRONG("index_feed: %s", e.text));
	}
	return (true);
}

/* Undo what the model has beyond what is written. */
static void
model_forget(struct model *m)
{
	struct m_element *el;

	while (m->n > m->written) {
		struct m_event *v = &m->ev[--m->n];

		el = &m->name[m->by_id[v->id]];
		el->last = v->parent;
		if (v->parent == EVENT_NONE)
			m->born--;
		free(v->state);
	}
	m->segment = m->ev[m->n - 1].segment;
	m->offset = m->ev[m->n - 1].offset + m->ev[m->n - 1].length + 1;
}

static void
test_feeding(struct model *m)
{
	struct buf lines = BUF_INIT;
	struct opened o;
	struct err e;
	struct event ev;
	unsigned i;
	bool yes = open_index(&o, m, INDEX_TREE);

	for (i = 0; i < 12 && yes; i++) {
		buf_reset(&lines);
		yes = feed(&o, m, 1 + random_below(&m->r, 200), &lines) && same_lookups(o.ix, m, 4) && same_each(o.ix, m, "", false);
		if (i % 3 == 2) {
			model_forget(m);
			yes = yes && index_rollback(o.ix, m->n, &e) == 0 && same_lookups(o.ix, m, 4);
		} else {
			if (i % 3 == 1)
				yes = yes && publish(&o) && index_published(o.ix) <= m->written;
			model_write(m, &lines);
			yes = yes && log_refresh(o.log, &e) == 0 && index_catch_up(o.ix, &e) == 0 && same_some(o.ix, m);
			if (i % 2 == 0)
				yes = yes && publish(&o);
		}
	}
	good(yes, "events are fed before they are written, written, or rolled back");
	good(same_all(o.ix, m), "and all is right afterwards");
	buf_reset(&lines);
	yes = feed(&o, m, 20, &lines) && index_remove(m->ecl_fd, -1, &e) == 0;
	column_release(&o.ix->rows); /* what it remembers of the files */
	good(yes && same_row(o.ix, m, 3) && same_lookups(o.ix, m, 1) && same_each(o.ix, m, "", false) &&
		same_at(o.ix, m, m->n) && same_root(o.ix, m, m->n),
	    "the files vanish while events are fed that are not written");
	good(index_size(o.ix) == m->n && index_published(o.ix) == 0, "and the fed ones are still there");
	model_write(m, &lines);
	good(log_refresh(o.log, &e) == 0 && publish(&o) && same_all(o.ix, m), "and can be published");
	memset(&ev, 0, sizeof(ev));
	ev.seq = m->n + 1;
	ev.element = SPAN("x");
	ev.parent = EVENT_NONE;
	good(index_feed(o.ix, &ev, 0, 0, 100, &e) == -1 && strstr(e.text, "corrupt") != NULL, "a gap is refused");
	ev.seq = m->n;
	good(index_feed(o.ix, &ev, 0, 0, 100, &e) == -1, "another 'prev' is refused");
	memcpy(ev.prev, m->ev[m->n - 1].hash, SHA256_SIZE);
	ev.element = SPAN("ecl:layer");
	ev.parent = 1;
	good(index_feed(o.ix, &ev, 0, 0, 100, &e) == -1, "another parent is refused");
	ev.parent = EVENT_NONE;
	good(index_feed(o.ix, &ev, 0, 0, 100, &e) == -1, "no parent where there is one is refused");
	good(same_all(o.ix, m), "nothing of them is left");
	close_index(&o);
	buf_release(&lines);
	good(checks(m, 0), "index_check finds nothing");
}

/* ---- damage ---- */

static int shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int
shell(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return (system(command));
}

struct files {
	char name[512][256];
	size_t n;
};

static void
list_files(const struct model *m, struct files *f)
{
	char path[128];
	struct dirent *d;
	DIR *dir;

	f->n = 0;
	snprintf(path, sizeof(path), "%s/.ecl/index", m->dir);
	if ((dir = opendir(path)) == NULL)
		model_die("no index");
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.' && f->n < 512)
			snprintf(f->name[f->n++], sizeof(f->name[0]), "%s", d->d_name);
	closedir(dir);
}

/* Overwrite a file with nonsense. */
static void
garbage(struct model *m, int fd, off_t size)
{
	uint8_t b[64];
	off_t at;
	size_t i;

	for (at = 0; at < size; at += (off_t)sizeof(b) * (size > 8192 ? 61 : 1)) {
		for (i = 0; i < sizeof(b); i++)
			b[i] = (uint8_t)random_below(&m->r, 256);
		if (pwrite(fd, b, at + (off_t)sizeof(b) > size ? (size_t)(size - at) : sizeof(b), at) < 1)
			model_die("pwrite");
	}
}

#define HOW 11

/* Do something to one file.  False where it would not change it. */
static bool
damage(struct model *m, const char *name, const char *another, unsigned how, char what[512])
{
	static const char *const words[HOW] = {"a byte", "a byte", "a byte", "cut", "removed", "garbage", "older", "another file",
	    "a pipe", "a link", "another ledger's"};
	char path[512], other[512];
	struct stat st;
	uint8_t b;
	off_t at;
	int fd, rc = 0;

	snprintf(what, 512, "%s: %s", name, words[how]);
	snprintf(path, sizeof(path), "%s/.ecl/index/%s", m->dir, name);
	if ((fd = open(path, O_RDWR)) == -1 || fstat(fd, &st) != 0)
		model_die(path);
	at = (off_t)(((uint64_t)random_below(&m->r, UINT32_MAX) << 8) % (uint64_t)st.st_size);
	switch (how) {
	case 0:
	case 1:
	case 2:
		rc = pread(fd, &b, 1, at) != 1;
		b ^= (uint8_t)(1u << random_below(&m->r, 8));
		rc |= pwrite(fd, &b, 1, at) != 1;
		break;
	case 3:
		rc = ftruncate(fd, at);
		break;
	case 4:
		rc = unlink(path);
		break;
	case 5:
		garbage(m, fd, st.st_size);
		break;
	case 6:
	case 10:
		snprintf(other, sizeof(other), "%s/%s/%s", m->dir, how == 6 ? "older" : "foreign", name);
		if (access(other, F_OK) != 0)
			break;
		rc = shell("cp '%s' '%s'", other, path);
		if (how == 10)
			(void)shell("cp '%s.sum' '%s.sum' 2>/dev/null", other, path);
		break;
	case 7:
		if (strcmp(name, another) != 0)
			rc = shell("cp '%s/.ecl/index/%s' '%s'", m->dir, another, path);
		break;
	case 8:
		rc = unlink(path) | mkfifo(path, 0640);
		break;
	case 9:
		rc = unlink(path) | symlink("head", path);
		break;
	}
	close(fd);
	if (rc != 0)
		model_die(what);
	return (true);
}

static bool
bear(struct model *m, unsigned round, unsigned *noticed)
{
	struct opened o;
	bool yes;

	yes = open_index(&o, m, round % 4 ? INDEX_TREE : 0) && same_some(o.ix, m) && same_lookups(o.ix, m, 3);
	*noticed += yes && index_damage(o.ix) != NULL;
	if (yes && round % 3 == 0)
		yes = same_all(o.ix, m);
	if (yes && round % 2 == 0)
		yes = publish(&o) && same_some(o.ix, m);
	close_index(&o);
	if (!yes)
		return (false);
	/* Once more, after whatever the publisher made of it. */
	yes = open_index(&o, m, INDEX_TREE) && same_some(o.ix, m) && (round % 2 == 1 || (publish(&o) && same_lookups(o.ix, m, 3)));
	close_index(&o);
	return (yes);
}

static void
test_damage(struct model *m, unsigned rounds)
{
	char index_dir[128], what[512] = "";
	static struct files f;
	unsigned round, how, noticed = 0, tried = 0;
	bool yes = true;
	size_t i;

	snprintf(index_dir, sizeof(index_dir), "%s/.ecl/index", m->dir);
	list_files(m, &f);
	shell("cp -a '%s' '%s/saved'", index_dir, m->dir);
	for (round = 0; round < rounds && yes; round++)
		for (i = 0; i < f.n && yes; i++, tried++) {
			how = (round + (unsigned)i * 3) % HOW;
			if (shell("rm -rf '%s' && cp -a '%s/saved' '%s'", index_dir, m->dir, index_dir) != 0)
				model_die("cannot restore the index");
			damage(m, f.name[i], f.name[random_below(&m->r, (uint32_t)f.n)], how, what);
			yes = bear(m, round, &noticed);
		}
	if (!yes)
		printf("# after %s\n", what);
	good(yes, "damaged files change no answer");
	printf("# %u damages, %u noticed at once\n", tried, noticed);
	ok(noticed > tried / 2, "most are noticed");
	for (how = 0; how < 4; how++) {
		static const char *const from[] = {"older", "foreign", "nothing", "saved"};

		shell("rm -rf '%s'", index_dir);
		if (how != 2)
			shell("cp -a '%s/%s' '%s'", m->dir, from[how], index_dir);
		ok(bear(m, how * 3, &noticed), "the whole index: %s", from[how]);
		if (wrong[0] != '\0')
			printf("# %s\n", wrong);
	}
	/* A publisher that died leaves files longer than `head' says, and a run that nobody names. */
	shell("cd '%s' && for f in rows-* births-* tree.*; do printf 'left over' >>\"$f\"; done && echo x >elements-000000000001.run && echo x >.head.1",
	    index_dir);
	good(bear(m, 0, &noticed), "left-overs of a publisher that died");
}

/* index_check() names what differs. */
static void
test_check(struct model *m)
{
	char index_dir[128], what[512];
	static struct files f;
	struct opened o;
	bool yes = true;
	struct err e;
	size_t i;

	snprintf(index_dir, sizeof(index_dir), "%s/.ecl/index", m->dir);
	good(open_index(&o, m, INDEX_TREE | INDEX_LAZY) && index_remove(m->ecl_fd, -1, &e) == 0, "index_remove");
	close_index(&o);
	good(checks(m, 0), "no index is no wrong index");
	good(open_index(&o, m, INDEX_TREE | INDEX_LAZY), "a lazy opening");
	while ((yes = index_advance(o.ix, 1000, &e) == 1 && publish(&o)))
		;
	good(publish(&o) && index_published(o.ix) == m->n && same_all(o.ix, m), "a rebuild by steps");
	good(index_compact(o.ix, -1, &e) == 0 && same_all(o.ix, m), "index_compact");
	ok(o.ix->runs == 1, "there is one run then");
	close_index(&o);
	good(checks(m, 0), "nothing differs");
	list_files(m, &f);
	shell("rm -rf '%s/saved' && cp -a '%s' '%s/saved'", m->dir, index_dir, m->dir);
	for (yes = true, i = 0; i < f.n && yes; i++) {
		shell("rm -rf '%s' && cp -a '%s/saved' '%s'", index_dir, m->dir, index_dir);
		damage(m, f.name[i], "", 0, what);
		if (!(yes = checks(m, 1)))
			printf("# %s\n", what);
	}
	good(yes, "a flipped bit in any file is found");
	shell("rm -rf '%s' && cp -a '%s/saved' '%s'", index_dir, m->dir, index_dir);
}

/* The short way to read a line never says anything else than the long one. */
static void
test_skim(struct model *m)
{
	static const char bytes[] = "0123456789abcdefABCDEF\"\\{}[],:nul- \t\x01\x7f\x80\xc3\xff";
	struct buf lines = BUF_INIT, line = BUF_INIT;
	char before[2 * SHA256_SIZE + 1];
	unsigned i, k, taken = 0, mutated = 0;
	uint8_t hash[SHA256_SIZE];
	struct skim skim = {.second_us = 0};
	struct json_fault fault;
	struct buf hex = BUF_INIT;
	bool yes = true;
	struct event ev;
	struct fed f;
	size_t at;

	for (i = 0; i < 3000 && yes; i++) {
		buf_reset(&lines);
		buf_reset(&hex);
		model_next(m, &ev, &lines);
		buf_addhex(&hex, ev.prev, SHA256_SIZE);
		memcpy(before, hex.data, hex.len);
		for (k = 0; k < 20 && yes; k++) {
			buf_reset(&line);
			buf_add(&line, lines.data, lines.len - 1);
			at = random_below(&m->r, (uint32_t)line.len);
			if (k % 4 == 1)
				line.data[at] = bytes[random_below(&m->r, sizeof(bytes) - 1)];
			else if (k % 4 == 2)
				line.len = at;
			else if (k % 4 == 3) {
				memmove(line.data + at, line.data + at + 1, line.len - at - 1);
				line.len--;
			}
			if (!index_skim(&skim, (struct span){line.data, line.len}, before, hash, &f))
				continue;
			taken += k == 0;
			mutated += k > 0;
			/* What only the long way refuses, ecl-verify will. */
			if (event_parse((struct span){line.data, line.len}, &ev, &fault) != 0) {
				yes = k > 0;
				continue;
			}
			yes = f.seq == ev.seq && span_eq(f.name, ev.element) && f.time_us == ev.time_us && f.parent == ev.parent &&
			    f.flags == index_row_flags(&ev) && memcmp(hash, ev.hash, SHA256_SIZE) == 0;
		}
	}
	if (!yes)
		printf("# %.*s\n", (int)line.len, line.data);
	good(yes, "skimming a line agrees with parsing it");
	ok(taken > 2000, "most lines can be skimmed");
	printf("# %u of 3000 lines, %u of those that were changed\n", taken, mutated);
	buf_release(&lines);
	buf_release(&line);
	buf_release(&hex);
}

/* Over 8 MiB of rows: files of columns, merges of many runs. */
static void
test_large(void)
{
	struct model m;
	struct opened o;
	struct err e;
	unsigned i;
	bool yes;

	model_begin(&m, 77, 20000, 50000);
	yes = true;
	for (i = 0; i < 6 && yes; i++) {
		model_grow(&m, 47000);
		yes = open_index(&o, &m, INDEX_TREE) && publish(&o) && index_published(o.ix) == m.n && same_some(o.ix, &m);
		close_index(&o);
	}
	good(yes, "columns of more than one file");
	for (i = 0; i < 60 && yes; i++) {
		model_grow(&m, i < 30 ? 3 : 400);
		yes = open_index(&o, &m, INDEX_TREE) && publish(&o) && same_row(o.ix, &m, 262143 + i % 2) && same_lookups(o.ix, &m, 100);
		yes = yes && o.ix->runs <= RUNS_MAX + 1;
		close_index(&o);
	}
	good(yes, "many small publications");
	good(open_index(&o, &m, INDEX_TREE) && same_each(o.ix, &m, "", true) && same_at(o.ix, &m, 262145) && same_root(o.ix, &m, 262145) &&
		same_root(o.ix, &m, m.n),
	    "all of it");
	yes = true;
	for (i = 0; i < 3 && yes; i++) {
		model_grow(&m, 2000);
		yes = log_refresh(o.log, &e) == 0 && index_catch_up(o.ix, &e) == 0 && publish(&o) && same_lookups(o.ix, &m, 10);
	}
	good(yes, "one publisher, again and again");
	close_index(&o);
	good(checks(&m, 0), "nothing differs");
	model_end(&m);
}

int
main(void)
{
	struct model m, foreign;
	struct opened o;

	model_begin(&m, 20261121, 700, 1500);
	test_growing(&m);
	test_following(&m);
	test_feeding(&m);
	shell("cp -a '%s/.ecl/index' '%s/older'", m.dir, m.dir);
	model_grow(&m, 3000);
	open_index(&o, &m, INDEX_TREE);
	good(publish(&o), "publication");
	close_index(&o);
	model_begin(&foreign, 4711, 700, 1500);
	model_grow(&foreign, m.n);
	open_index(&o, &foreign, INDEX_TREE);
	good(publish(&o), "publication elsewhere");
	close_index(&o);
	shell("cp -a '%s/.ecl/index' '%s/foreign'", foreign.dir, m.dir);
	model_end(&foreign);
	test_damage(&m, HOW);
	test_check(&m);
	test_skim(&m);
	model_end(&m);
	test_large();
	return (tap_done());
}
