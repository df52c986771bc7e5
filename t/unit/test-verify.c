/*
 * Verification in batches and by threads: whatever is wrong with a log, the same is found, in the same order and words, as line by
 * line; and the pass ends in the same place, with the same tree and elements.
 */
#include "config.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "crew.h"
#include "random.h"
#include "tap.h"
#include "verify_internal.h"

#define ELEMENTS 50
#define LOGS 150
#define CHECKS (PASS_TREE | PASS_ELEMENTS | PASS_STATES | PASS_BLOCKS)

static struct random rnd = {20261122};
static int dir; /* has `log' */

/* ---- a log that may have faults of its own, with right hashes ---- */

struct maker {
	struct buf text;
	uint64_t last[ELEMENTS];
	uint64_t size; /* events */
	int64_t time_us;
	uint8_t hash[SHA256_SIZE];
	unsigned faults; /* one event in so many; 0: none */
};

static void
add_event(struct maker *m, const char *element, const char *state, uint64_t *last, bool block)
{
	struct event ev = {.seq = m->size, .element = {element, strlen(element)}, .action = SPAN("set"), .login = EVENT_NO_LOGIN};
	unsigned fault = m->faults > 0 && random_below(&rnd, m->faults) == 0 ? 1 + random_below(&rnd, 4) : 0;

	ev.state = (struct span){state, strlen(state)};
	if (m->size == 0)
		ev.action = SPAN("create");
	else if (block)
		ev.action = SPAN("snap");
	ev.parent = fault == 1 ? m->size / 2 : *last;
	ev.time_us = m->time_us += fault == 2 ? -5 : (int64_t)random_below(&rnd, 3);
	ev.seq += fault == 3;
	memcpy(ev.prev, m->hash, SHA256_SIZE);
	ev.prev[3] ^= fault == 4;
	event_format(&ev, &m->text);
	memcpy(m->hash, ev.hash, SHA256_SIZE);
	*last = ev.seq;
	m->size = ev.seq + 1;
}

static void
make(struct maker *m, uint64_t events, unsigned faults)
{
	static char state[700001], name[64];
	uint64_t layer = EVENT_NONE, block = EVENT_NONE;
	size_t i;

	buf_reset(&m->text);
	m->size = 0;
	m->time_us = 1795276495000000;
	m->faults = 0;
	memset(m->hash, 0, SHA256_SIZE);
	for (i = 0; i < ELEMENTS; i++)
		m->last[i] = EVENT_NONE;
	add_event(m, "ecl:layer", "{\"format\":1,\"hash\":\"sha256\",\"id\":\"x\",\"origin\":\"y\"}", &layer, false);
	m->faults = faults;
	while (m->size < events) {
		size_t el = random_below(&rnd, ELEMENTS), len = random_below(&rnd, 200) != 0 ? random_below(&rnd, 300) : random_below(&rnd, 30000);

		if (random_below(&rnd, 2000) == 0)
			len = sizeof(state) - 3;
		snprintf(name, sizeof(name), el % 7 == 0 ? "file:/a \"%zu\" \\" : "service:name-%zu", el);
		memset(state, 's', len + 1);
		state[0] = state[len + 1] = '"';
		state[len + 2] = '\0';
		if (random_below(&rnd, 300) == 0)
			add_event(m, "ecl:block", "{\"no\":\"header\"}", &block, true);
		else
			add_event(m, name, random_below(&rnd, 9) == 0 ? "null" : state, &m->last[el], false);
	}
}

/* ---- what is done to its bytes ---- */

static void
put_in(struct buf *text, size_t from, size_t to, const char *p, size_t len)
{
	struct buf out = BUF_INIT;

	buf_add(&out, text->data, from);
	buf_add(&out, p, len);
	buf_add(&out, text->data + to, text->len - to);
	buf_release(text);
	*text = out;
}

static void
damage(struct buf *text)
{
	static char garbage[1200000];
	static const size_t sizes[] = {1, 300, 5000, VERIFY_CHUNK, VERIFY_CHUNK + 1, EVENT_LINE_MAX, EVENT_LINE_MAX + 1, sizeof(garbage)};
	size_t at = random_below(&rnd, (uint32_t)text->len), from, to, len;
	const char *lf;

	from = (lf = memrchr(text->data, '\n', at)) == NULL ? 0 : (size_t)(lf - text->data) + 1;
	to = (lf = memchr(text->data + at, '\n', text->len - at)) == NULL ? text->len : (size_t)(lf - text->data) + 1;
	switch (random_below(&rnd, 9)) {
	case 0:
	case 1:
		text->data[at] = (char)(text->data[at] ^ (1 << random_below(&rnd, 8)));
		break;
	case 2:
		put_in(text, from, to, "", 0);
		break;
	case 3:
		put_in(text, from, from, text->data + from, to - from);
		break;
	case 4:
		text->len = at;
		break;
	case 5:
		text->len = to;
		break;
	case 6:
		len = sizes[random_below(&rnd, 8)];
		memset(garbage, random_below(&rnd, 3) == 0 ? 0 : 'g', len);
		if (random_below(&rnd, 2) == 0)
			garbage[len - 1] = '\n';
		put_in(text, random_below(&rnd, 2) == 0 ? from : at, at > from ? at : from, garbage, len);
		break;
	case 7:
		len = 1 + random_below(&rnd, 9000);
		len = len < text->len - at ? len : text->len - at;
		memset(text->data + at, 0, len);
		break;
	default:
		put_in(text, from, from, "\n", 1);
	}
	if (text->len == 0)
		buf_addc(text, '\n');
}

/* Two segments, the second from the line at or behind ${cut} on (the end: one segment). */
static size_t
store(const struct buf *text, size_t cut, uint64_t second)
{
	static uint64_t before = 1; /* the second segment of the log before */
	char name[LOG_NAME_SIZE + 4] = "log/";
	const char *lf = cut >= text->len ? NULL : memchr(text->data + cut, '\n', text->len - cut);
	int fd;

	cut = lf == NULL ? text->len : (size_t)(lf - text->data) + 1;
	log_segment_name(0, name + 4);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd == -1 || write(fd, text->data, cut) != (ssize_t)cut || close(fd) != 0)
		abort();
	log_segment_name(before, name + 4);
	unlinkat(dir, name, 0);
	before = second;
	log_segment_name(second, name + 4);
	if (cut < text->len) {
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (fd == -1 || write(fd, text->data + cut, text->len - cut) != (ssize_t)(text->len - cut) || close(fd) != 0)
			abort();
	}
	return (cut);
}

/* ---- the same log twice ---- */

struct run {
	struct verify_options opt;
	struct verify_result result;
	struct verify v;
	struct verify_anchor anchor;
	struct verify_pass pass;
	struct err e;
};

static void
begin(struct run *r, uint64_t anchor)
{
	memset(r, 0, sizeof(*r));
	r->result.finding = calloc(VERIFY_FINDINGS_ROOM, sizeof(*r->result.finding));
	r->v = (struct verify){.opt = &r->opt, .result = &r->result, .e = &r->e, .log = VERIFY_LOG_INIT, .doubt_from = VERIFY_NONE};
	r->v.durable.size = anchor;
	r->anchor.size = anchor;
	r->v.anchor = &r->anchor;
	r->v.anchors = 1;
	if (r->result.finding == NULL || verify_log_open(&r->v.log, dir, &r->e) != 0)
		abort();
	verify_pass_init(&r->pass, &r->v, &r->v.log, CHECKS);
	verify_anchor(&r->pass);
}

static void
end(struct run *r)
{
	verify_pass_release(&r->pass);
	verify_log_release(&r->v.log);
	free(r->v.records.record);
	free(r->result.finding);
}

/* As a log is read where nothing is known ahead of the pass. */
static void
feed(struct run *r, const char *text, size_t cut, size_t len)
{
	struct verify_pass *p = &r->pass;
	size_t from = 0, to = cut, at, left, used;

	for (p->segment = 0; p->segment < r->v.log.n; p->segment++) {
		p->offset = 0;
		verify_pass_begin_segment(p);
		for (at = left = 0; from + at < to;) {
			size_t want = to - from - at < VERIFY_CHUNK ? to - from - at : VERIFY_CHUNK;

			at += want;
			used = verify_pass_feed(p, text + from + at - want - left, left + want);
			left += want - used;
		}
		verify_pass_rest(p, left, p->segment + 1 == r->v.log.n);
		from = to;
		to = len;
	}
	p->segment -= r->v.log.n > 0;
}

static bool
same_findings(const struct run *a, const struct run *b)
{
	size_t i;

	if (memcmp(a->result.count, b->result.count, sizeof(a->result.count)) != 0 || a->result.n != b->result.n)
		return (false);
	for (i = 0; i < a->result.n; i++)
		if (memcmp(&a->result.finding[i], &b->result.finding[i], sizeof(*a->result.finding)) != 0) {
			printf("# %s\n# %s\n", a->result.finding[i].message, b->result.finding[i].message);
			return (false);
		}
	return (true);
}

static bool
same_place(const struct verify_pass *a, const struct verify_pass *b)
{
	return (a->segment == b->segment && a->offset == b->offset && a->bytes == b->bytes && a->seq == b->seq &&
	    memcmp(a->head, b->head, SHA256_SIZE) == 0 && a->time_us == b->time_us && a->unread == b->unread &&
	    a->faults == b->faults && a->fault_offset == b->fault_offset && a->good_offset == b->good_offset &&
	    a->good_segment == b->good_segment && a->pending.set == b->pending.set && a->gaps == b->gaps &&
	    a->next_anchor == b->next_anchor);
}

static bool
same_known(struct verify_pass *a, struct verify_pass *b)
{
	uint8_t x[SHA256_SIZE], y[SHA256_SIZE];
	size_t i;

	if (a->tree_lost != b->tree_lost || a->elements_lost != b->elements_lost || a->elements.n != b->elements.n)
		return (false);
	merkle_root(&a->tree, x);
	merkle_root(&b->tree, y);
	if (!a->tree_lost && memcmp(x, y, SHA256_SIZE) != 0)
		return (false);
	if (verify_table_sort(&a->elements) != 0 || verify_table_sort(&b->elements) != 0)
		abort();
	for (i = 0; i < a->elements.n; i++) {
		const struct verify_element *s = a->elements.sorted[i], *t = b->elements.sorted[i];

		if (s->last != t->last || s->alive != t->alive || s->state_segment != t->state_segment ||
		    s->state_offset != t->state_offset || s->state_len != t->state_len)
			return (false);
	}
	verify_table_heads(&a->elements, x);
	verify_table_heads(&b->elements, y);
	return (memcmp(x, y, SHA256_SIZE) == 0);
}

static bool
compare(const struct buf *text, size_t cut, uint64_t anchor)
{
	struct run lines, batches;
	bool same;

	begin(&lines, anchor);
	feed(&lines, text->data, cut, text->len);
	begin(&batches, anchor);
	if (verify_pass_log(&batches.pass, &batches.e) != 0)
		abort();
	same = same_findings(&lines, &batches) && same_place(&lines.pass, &batches.pass) && same_known(&lines.pass, &batches.pass);
	end(&lines);
	end(&batches);
	return (same);
}

static void
test_logs(const char *name)
{
	struct maker m = {.text = BUF_INIT};
	unsigned differ = 0, n, i, damages;

	for (n = 0; n < LOGS; n++) {
		uint64_t events = 1 + random_below(&rnd, n % 10 == 0 ? 20 : 8000), second;
		size_t cut;

		make(&m, events, n % 3 == 0 ? 0 : n % 3 == 1 ? 2000 : 100);
		damages = random_below(&rnd, 5);
		for (i = 0; i < damages; i++)
			damage(&m.text);
		second = 1 + random_below(&rnd, (uint32_t)events);
		cut = store(&m.text, random_below(&rnd, 2) == 0 ? m.text.len : random_below(&rnd, (uint32_t)m.text.len), second);
		if (!compare(&m.text, cut, 1 + random_below(&rnd, (uint32_t)events)) && differ++ == 0)
			printf("# log %u, %" PRIu64 " events, %u times damaged\n", n, events, damages);
	}
	ok(differ == 0, "%s: of %u logs all are found to be what they are line by line", name, LOGS);
	buf_release(&m.text);
}

/* ---- more findings than are kept ---- */

static void
find(struct run *r, enum verify_class class, uint64_t seq)
{
	struct verify_place place = {seq, VERIFY_NONE, VERIFY_NONE, "", ""};

	verify_found(&r->v, class, &place, "told");
}

/* Whether the last two that are kept, of ${n}, are the one of ${class} and ${seq}, and one before it that is no ${class}. */
static bool
ends_with(const struct run *r, size_t n, enum verify_class class, uint64_t seq)
{
	const struct verify_finding *f = r->result.finding + n - 1;

	return (r->result.n == n && f->class == class && f->seq == seq && f[-1].class != class);
}

static void
test_many_findings(void)
{
	struct verify_mark mark;
	struct run r;
	uint64_t i;
	int class;

	begin(&r, 0);
	for (i = 0; i < VERIFY_FINDINGS_MAX + 10; i++)
		find(&r, VERIFY_CORRUPT, i);
	ok(r.result.n == VERIFY_FINDINGS_MAX && r.result.more == 10, "the first of a class are kept, the others counted");
	mark = verify_mark(&r.result);
	find(&r, VERIFY_TRUNCATED, i);
	find(&r, VERIFY_TRUNCATED, i + 1);
	ok(ends_with(&r, VERIFY_FINDINGS_MAX + 1, VERIFY_TRUNCATED, i) && r.result.more == 11, "behind them the first of another class");
	verify_forget(&r.result, &mark);
	ok(r.result.n == VERIFY_FINDINGS_MAX && r.result.more == 10, "which can be forgotten");
	find(&r, VERIFY_PRUNED, i + 2);
	find(&r, VERIFY_TRUNCATED, i + 3);
	ok(ends_with(&r, VERIFY_FINDINGS_MAX + 2, VERIFY_TRUNCATED, i + 3), "and then the next one is the first");
	for (class = VERIFY_PRUNED; class < VERIFY_CLASSES; class++)
		find(&r, (enum verify_class)class, i);
	ok(r.result.n < VERIFY_FINDINGS_ROOM && r.result.count[VERIFY_FORKED] == 1 &&
		r.result.finding[r.result.n - 1].class == VERIFY_FORKED,
	    "there is room for one of each");
	end(&r);
}

/* ---- threads ---- */

struct sum {
	pthread_mutex_t lock;
	uint64_t of, order;
	bool early;
};

static void
add_job(void *arg, uint64_t job)
{
	struct sum *s = arg;

	pthread_mutex_lock(&s->lock);
	s->of += job + 1;
	pthread_mutex_unlock(&s->lock);
}

static void
test_crew(unsigned threads)
{
	struct sum s = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct crew c;
	uint64_t posted = 0, waited;

	crew_init(&c, add_job, &s);
	for (waited = 0; waited < 20000; waited++) {
		if (posted == 100)
			crew_start(&c, threads);
		while (posted < 20000 && posted - waited < CREW_RING)
			posted++, crew_post(&c);
		crew_wait(&c);
	}
	ok(s.of == UINT64_C(20000) * 20001 / 2, "%u threads do every job once", threads);
	crew_release(&c);
}

int
main(void)
{
	char path[] = "/tmp/ecl-unit-verify.XXXXXX";
	static const struct buf empty = BUF_INIT;
	cpu_set_t all, one;
	int i;

	if (mkdtemp(path) == NULL || (dir = open(path, O_RDONLY | O_DIRECTORY)) == -1 || mkdirat(dir, "log", 0700) != 0)
		abort();
	for (i = 1; i <= 8; i *= 2)
		test_crew((unsigned)i);
	test_logs("all processors");
	if (sched_getaffinity(0, sizeof(all), &all) == 0) {
		for (i = 0; i < CPU_SETSIZE && !CPU_ISSET((size_t)i, &all); i++)
			;
		CPU_ZERO(&one);
		CPU_SET((size_t)i, &one);
		sched_setaffinity(0, sizeof(one), &one);
		test_logs("one processor");
	}
	store(&empty, 0, 1);
	test_many_findings();
	unlinkat(dir, "log/00000000000000000000.ndjson", 0);
	unlinkat(dir, "log", AT_REMOVEDIR);
	rmdir(path);
	return (tap_done());
}
