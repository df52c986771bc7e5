/* Readers of an index that others make anew, remove or extend: no answer mixes two moments. */
#include "config.h"

#include "index-model.h"
#include "le.h"

#define EVENTS 65536 /* there will be at most */

/* The model as it was after the first ${size} events. */
static struct model
model_as_of(const struct model *m, uint64_t size)
{
	struct model then = *m;
	uint64_t seq;
	size_t i;

	then.name = malloc(m->names * sizeof(*m->name));
	memcpy(then.name, m->name, m->names * sizeof(*m->name));
	for (i = 0; i < m->names; i++)
		then.name[i].last = EVENT_NONE;
	then.born = 0;
	for (seq = 0; seq < size; seq++) {
		then.name[m->by_id[m->ev[seq].id]].last = seq;
		then.born += m->ev[seq].parent == EVENT_NONE;
	}
	then.n = size;
	if (then.written > size)
		then.written = size;
	return (then);
}

/* Make the index anew, in portions of ${portion} events, up to ${size}. */
static bool
rebuild(const struct model *m, uint64_t portion, uint64_t size)
{
	struct opened o;
	struct err e;
	bool yes = open_index(&o, m, INDEX_TREE | INDEX_LAZY) &&
	    index_remove(m->ecl_fd, -1, &e) == 0 && index_catch_up(o.ix, &e) == 0;

	close_index(&o);
	yes = yes && open_index(&o, m, INDEX_TREE | INDEX_LAZY);
	while (yes && index_size(o.ix) < size) {
		if (portion > size - index_size(o.ix))
			portion = size - index_size(o.ix);
		yes = index_advance(o.ix, portion, &e) != -1 && publish(&o) &&
		    index_published(o.ix) == index_size(o.ix);
	}
	close_index(&o);
	return (yes);
}

/* Nothing of the files that the reader has is open or remembered, but the runs. */
static void
forget_columns(struct index *ix)
{
	struct column *c[] = {&ix->rows, &ix->births, &ix->tree[0], &ix->tree[1]}, was;
	size_t i;

	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		was = *c[i];
		column_release(c[i]);
		column_init(c[i], was.dirfd, was.name, was.width, was.seed, was.rows, was.tail_crc);
	}
}

static void
test_rebuilt(struct model *m, unsigned flags, const char *name)
{
	struct model then = model_as_of(m, m->n);
	struct opened o;
	struct err e;

	printf("# %s\n", name);
	good(open_index(&o, m, flags) && index_published(o.ix) == m->n,
	    "a reader with all in the files");
	forget_columns(o.ix);
	good(rebuild(m, 1700, m->n) && same_names(o.ix, m, 1) && same_all(o.ix, m),
	    "the index is made anew under it");
	ok(index_published(o.ix) == m->n && index_damage(o.ix) == NULL && !o.ix->ahead,
	    "and the new one is used");
	forget_columns(o.ix);
	good(rebuild(m, 900, m->n / 2) && same_all(o.ix, m), "made anew by half");
	ok(index_published(o.ix) == m->n / 2, "and what it lacks is scanned");
	forget_columns(o.ix);
	good(index_remove(m->ecl_fd, -1, &e) == 0 && same_all(o.ix, m), "removed");
	ok(index_published(o.ix) == 0 && index_damage(o.ix) != NULL, "and all is scanned");
	close_index(&o);
	good(rebuild(m, 5000, m->n) && open_index(&o, m, flags), "a reader of another one");
	forget_columns(o.ix);
	free(then.name);
	then = model_as_of(m, m->n);
	model_grow(m, 800);
	good(rebuild(m, 5000, m->n) && same_all(o.ix, &then),
	    "made anew, and ahead of the reader, who sees what it saw");
	ok(o.ix->ahead && index_size(o.ix) == then.n && index_elements(o.ix) == then.born &&
		o.log->end.size == then.n,
	    "from the files that are ahead");
	model_grow(m, 100);
	forget_columns(o.ix);
	good(rebuild(m, 5000, m->n) && same_all(o.ix, &then) && o.ix->ahead, "and once more");
	good(log_refresh(o.log, &e) == 0 && index_catch_up(o.ix, &e) == 0 && !o.ix->ahead &&
		index_published(o.ix) == m->n && same_all(o.ix, m),
	    "and then goes on with them");
	close_index(&o);
	free(then.name);
}

/* Lost in the midst of a scan: the scan goes on behind what is hidden. */
static void
test_scanning(struct model *m, unsigned flags, const char *name)
{
	uint64_t published;
	struct model then;
	struct opened o;
	unsigned i;
	struct err e;
	bool yes = true;

	printf("# %s\n", name);
	for (i = 0; i < 6 && yes; i++) {
		published = m->n;
		yes = rebuild(m, 5000, m->n);
		model_grow(m, 1000);
		yes = yes && open_index(&o, m, flags | INDEX_LAZY) &&
		    index_published(o.ix) == published;
		yes = yes && index_advance(o.ix, 100 + random_below(&m->r, 600), &e) == 1;
		forget_columns(o.ix);
		yes = yes && rebuild(m, 5000, i % 2 == 0 ? m->n : index_size(o.ix) + 200);
		model_grow(m, 40);
		yes = yes && log_refresh(o.log, &e) == 0;
		then = model_as_of(m, yes ? index_size(o.ix) : 0);
		if (i / 2 == 1)
			yes = yes && same_all(o.ix, &then);
		free(then.name);
		yes = yes && index_advance(o.ix, UINT64_MAX, &e) == 0 && index_size(o.ix) == m->n;
		yes = yes && same_all(o.ix, m) && publish(&o) && same_all(o.ix, m);
		yes = yes && (index_published(o.ix) == m->n) == ((flags & INDEX_NO_HASHES) == 0);
		close_index(&o);
	}
	good(yes, "made anew while the log is scanned");
	good(checks(m, 0), "and what is published then is right");
}

/* A run that is damaged is met in the midst of lines that were looked at already. */
static void
test_damaged(unsigned flags)
{
	struct model many, *m = &many;
	struct opened o;
	char name[RUN_NAME_SIZE], path[64];
	struct err e;
	uint64_t lines;
	bool yes;
	int fd;

	model_begin(m, 97, 5000, 1500);
	model_grow(m, 3000);
	yes = rebuild(m, 5000, m->n);
	model_grow(m, 300);
	/* Up to the first new name, for which the run is asked. */
	for (lines = 0; m->ev[3000 + lines].parent != EVENT_NONE; lines++)
		;
	yes = yes && lines > 0 && open_index(&o, m, flags | INDEX_LAZY) && o.ix->runs == 1 &&
	    index_advance(o.ix, lines, &e) == 1;
	run_name(o.ix->run[0]->number, name);
	snprintf(path, sizeof(path), "index/%s", name);
	if ((fd = openat(m->ecl_fd, path, O_RDWR)) == -1)
		model_die("cannot open a run");
	for (off_t at = 4096;
	     yes && pwrite(fd, "damage", 6, at) == 6 && at < lseek(fd, 0, SEEK_END) - 4096;
	     at += 4096)
		;
	close(fd);
	yes = yes && index_advance(o.ix, UINT64_MAX, &e) == 0 && index_published(o.ix) == 0 &&
	    same_all(o.ix, m);
	good(yes, "a run is damaged while the log is scanned");
	close_index(&o);
	model_end(m);
}

/* Made anew aside: whoever comes meanwhile finds the one that was; who had it open goes on. */
static void
test_aside(struct model *m)
{
	struct opened before, o, meanwhile, builder;
	uint32_t seed;
	struct err e;
	bool yes;

	yes = rebuild(m, 5000, m->n) && open_index(&before, m, 0);
	seed = before.ix->seed;
	yes = yes && open_index(&builder, m, INDEX_TREE | INDEX_LAZY | INDEX_IGNORE) &&
	    index_anew(builder.ix, &e) == 0;
	while (yes && index_size(builder.ix) < m->n) {
		yes = index_advance(builder.ix, 2500, &e) != -1 && publish(&builder);
		yes = yes && open_index(&meanwhile, m, 0) &&
		    index_published(meanwhile.ix) == m->n && meanwhile.ix->seed == seed;
		close_index(&meanwhile);
	}
	forget_columns(before.ix);
	good(yes && index_compact(builder.ix, -1, &e) == 0 && builder.ix->runs == 1 &&
		same_all(before.ix, m) && before.ix->seed == seed,
	    "an index is made anew aside, and nobody notices");
	forget_columns(before.ix);
	good(index_replace(builder.ix, &e) == 0 && same_all(before.ix, m) &&
		before.ix->seed != seed && index_published(before.ix) == m->n,
	    "who had the old one takes the new one");
	model_grow(m, 30);
	good(log_refresh(builder.log, &e) == 0 && index_catch_up(builder.ix, &e) == 0 &&
		publish(&builder) && same_all(builder.ix, m) &&
		faccessat(m->ecl_fd, "index.new", F_OK, 0) != 0,
	    "who made it goes on with it, and nothing is left aside");
	close_index(&builder);
	close_index(&before);
	good(checks(m, 0), "it is right");
	/* A rebuild that died. */
	yes = open_index(&builder, m, INDEX_TREE | INDEX_IGNORE) &&
	    index_anew(builder.ix, &e) == 0 && publish(&builder);
	close_index(&builder);
	yes = yes && faccessat(m->ecl_fd, "index.new", F_OK, 0) == 0 &&
	    open_index(&o, m, INDEX_TREE) && index_compact(o.ix, -1, &e) == 0;
	close_index(&o);
	good(yes && faccessat(m->ecl_fd, "index.new", F_OK, 0) != 0,
	    "what a rebuild that died left is removed");
}

/* Rows that nobody checked lead to no wrong line. */
static void
test_unchecked(struct model *m)
{
	static const uint32_t value[] = {0, 1, 70000, 0x7fffffff, UINT32_MAX};
	struct index_place place[3];
	struct buf out = BUF_INIT;
	struct json_fault f;
	struct opened o;
	struct event ev;
	uint8_t b[4];
	unsigned i, k;
	struct err e;
	bool yes = true;
	int fd;

	for (i = 0; i < 10 && yes; i++) {
		yes = rebuild(m, 5000, m->n) &&
		    open_index(&o, m, i % 2 ? INDEX_TREE : INDEX_NO_HASHES);
		if ((fd = openat(m->ecl_fd, "index/rows-00000000000000000000", O_WRONLY)) == -1)
			model_die("no rows");
		le32_put(b, value[i % 5]);
		yes = yes &&
		    pwrite(fd, b, sizeof(b), 301 * ROW_SIZE + (i < 5 ? 16 : 20)) == sizeof(b);
		close(fd);
		for (k = 0; k < 3; k++)
			place[k] = (struct index_place){.seq = 300 + k};
		buf_reset(&out);
		yes = yes && index_places(o.ix, place, 3, &e) == 0 &&
		    index_lines(o.ix, place, 3, &out, &e) == 0;
		for (k = 0; k < 3 && yes; k++)
			yes = event_parse((struct span){out.data + place[k].at, place[k].length},
				  &ev, &f) == 0 &&
			    ev.seq == 300 + k;
		close_index(&o);
	}
	buf_release(&out);
	good(yes, "rows that are wrong lead to no wrong line");
}

struct visiting {
	struct model *m;
	struct model then;
	struct m_element **list;
	size_t n, at, when;
	bool good;
};

static int
visit_and_rebuild(void *arg, const struct element *el)
{
	struct visiting *v = arg;

	if (v->at == v->n)
		v->good = WRONG("an element too many");
	else
		v->good = same_element(&v->then, v->list[v->at], el);
	if (v->at++ == v->when && v->good) {
		model_grow(v->m, 300);
		v->good = rebuild(v->m, 5000, v->m->n);
	}
	return (v->good ? 0 : 1);
}

static void
test_visiting(struct model *m, bool probing)
{
	struct visiting v = {.m = m, .then = model_as_of(m, m->n), .good = true};
	struct opened o;
	struct err e;
	size_t i;
	bool yes;

	v.list = calloc(m->names, sizeof(struct m_element *));
	for (i = 0; i < m->names; i++)
		if (v.then.name[i].last != EVENT_NONE)
			v.list[v.n++] = &v.then.name[i];
	qsort(v.list, v.n, sizeof(struct m_element *), by_bytes);
	v.when = v.n / 3;
	yes = rebuild(m, 5000, m->n) && open_index(&o, m, 0);
	forget_columns(o.ix);
	yes = yes && index_each(o.ix, (struct span){"", 0}, visit_and_rebuild, &v, &e) == 0 &&
	    v.good && v.at == v.n;
	good(yes && (!probing || (same_all(o.ix, &v.then) && o.ix->ahead)),
	    "made anew while the elements are listed");
	close_index(&o);
	free(v.list);
	free(v.then.name);
}

/* A publisher whose files were made anew does not take what it may not see for what it has. */
static void
test_publishing(struct model *m)
{
	uint64_t had = m->n;
	struct opened o;
	struct err e;

	good(rebuild(m, 5000, m->n) && open_index(&o, m, INDEX_TREE), "a publisher");
	model_grow(m, 500);
	forget_columns(o.ix);
	good(rebuild(m, 5000, m->n) && same_row(o.ix, m, 5) && same_row(o.ix, m, 2100) &&
		o.ix->ahead && index_size(o.ix) == had,
	    "is behind files that were made anew");
	model_grow(m, 70);
	good(log_refresh(o.log, &e) == 0 && index_advance(o.ix, 1, &e) == 1 && o.ix->ahead &&
		publish(&o) && checks(m, 0) && index_catch_up(o.ix, &e) == 0 && publish(&o) &&
		index_published(o.ix) == m->n && same_all(o.ix, m),
	    "and publishes behind them");
	close_index(&o);
	good(checks(m, 0), "rightly");
}

/* Change one byte of event ${seq}, ${from_end} bytes before its LF. */
static char
change(const struct model *m, uint64_t seq, unsigned from_end, char to)
{
	char path[64], name[LOG_NAME_SIZE], was = 0;
	off_t at = (off_t)(m->ev[seq].offset + m->ev[seq].length - from_end);
	int fd;

	log_segment_name(m->ev[seq].segment, name);
	snprintf(path, sizeof(path), "log/%s", name);
	if ((fd = openat(m->ecl_fd, path, O_RDWR)) == -1 || pread(fd, &was, 1, at) != 1 ||
	    pwrite(fd, &to, 1, at) != 1)
		model_die("cannot change the log");
	close(fd);
	return (was);
}

/* A chain that does not hold is noticed, wherever a line stands among those read together. */
static void
test_scanned(struct model *m, unsigned flags)
{
	uint64_t seq, first = m->n - 60;
	char was, text[40];
	struct opened o;
	bool yes = true;

	for (seq = first; seq < m->n - 1 && yes; seq++) {
		was = change(m, seq, 10, '~');
		/* What is no hash is seen in its own line or as the 'prev' of the next. */
		yes = !open_index(&o, m, flags | INDEX_IGNORE) &&
		    strstr(wrong, "is corrupt") != NULL;
		close_index(&o);
		change(m, seq, 10, was == '0' ? '1' : '0');
		snprintf(text, sizeof(text), "seq %" PRIu64 " ", seq + 1);
		yes = yes && !open_index(&o, m, flags | INDEX_IGNORE) &&
		    strstr(wrong, text) != NULL && strstr(wrong, "'prev'") != NULL;
		close_index(&o);
		change(m, seq, 10, was);
	}
	good(yes, "a scan notices a hash that was changed");
	good(open_index(&o, m, flags | INDEX_IGNORE) && same_all(o.ix, m),
	    "and nothing where nothing was");
	close_index(&o);
}

int
main(void)
{
	struct model m;

	model_begin(&m, 5050, 600, 1500);
	/* Its events do not move: model_as_of() shares them. */
	m.cap = EVENTS;
	m.ev = malloc(m.cap * sizeof(*m.ev));
	model_grow(&m, 6000);
	good(rebuild(&m, 5000, m.n), "an index");
	test_rebuilt(&m, INDEX_TREE, "with the tree");
	test_rebuilt(&m, 0, "without it");
	test_rebuilt(&m, INDEX_NO_HASHES, "and without hashes");
	test_scanning(&m, INDEX_TREE, "scanning, with the tree");
	test_scanning(&m, 0, "scanning, without it");
	test_scanning(&m, INDEX_NO_HASHES, "scanning, without hashes");
	test_damaged(INDEX_TREE);
	test_damaged(INDEX_NO_HASHES);
	test_visiting(&m, false);
	test_visiting(&m, true);
	test_publishing(&m);
	test_unchecked(&m);
	test_aside(&m);
	test_scanned(&m, INDEX_TREE);
	test_scanned(&m, INDEX_NO_HASHES);
	ok(m.n <= EVENTS, "the model did not outgrow its memory");
	model_end(&m);
	return (tap_done());
}
