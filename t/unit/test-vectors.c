/* Vectors: rows of the log's events, made by many threads and by one, in files and anew; damage is never taken for rows. */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base64.h"
#include "embedder.h"
#include "event.h"
#include "io.h"
#include "random.h"
#include "tap.h"
#include "vector_text.h"
#include "vectorize.h"
#include "vectors.h"

#define DIMS 48 /* of what the embedder makes: a row has 64 bytes */
#define WIDTH 64
#define GIVEN 5

/* ---- an embedder: every byte of the input counts, and who made it ---- */

struct embedder {
	uint32_t variant;
	bool command;
};

static unsigned opened, clones;
static uint64_t fails_at; /* the event whose embedding fails */
static uint64_t embedded;

int
embedder_open(const char *token, unsigned dims, unsigned flags, struct embedder **ret, struct err *e)
{
	(void)flags;
	if (strcmp(token, "gone") == 0)
		return (err_set(e, "the model is gone"));
	if (dims != 0 && dims != DIMS)
		return (err_set(e, "%u dims", dims));
	*ret = calloc(1, sizeof(**ret));
	(*ret)->variant = (uint32_t)token[0];
	(*ret)->command = strncmp(token, "command:", 8) == 0;
	opened++;
	return (0);
}

void
embedder_free(struct embedder *em)
{
	free(em);
}

struct embedder *
embedder_clone(struct embedder *em)
{
	struct embedder *c = malloc(sizeof(*c));

	*c = *em;
	clones++;
	return (c);
}

bool
embedder_is_command(const struct embedder *em)
{
	return (em->command);
}

unsigned
embedder_dims(const struct embedder *em)
{
	(void)em;
	return (DIMS);
}

int
embedder_probe(struct embedder *em, struct err *e)
{
	(void)em;
	(void)e;
	return (0);
}

static uint32_t
mix(uint32_t h, struct span s)
{
	size_t i;

	h = (h ^ (uint32_t)(s.p == NULL ? 77 : s.len)) * 16777619u;
	for (i = 0; i < s.len; i++)
		h = (h ^ (uint8_t)s.p[i]) * 16777619u;
	return (h);
}

static void
fake_row(uint32_t variant, const struct embed_input *in, int8_t *out)
{
	uint32_t h = mix(mix(mix(variant, in->element), in->action), in->state);
	unsigned i;

	memset(out, 0, WIDTH);
	for (i = 0; i < DIMS && !event_reserved(in->element); i++) {
		h = h * 1664525u + 1013904223u;
		out[i] = (int8_t)(h >> 24);
	}
}

int
embedder_events(struct embedder *em, const struct embed_input *in, size_t n, int8_t *out, struct err *e)
{
	size_t i;

	for (i = 0; i < n; i++)
		fake_row(em->variant, &in[i], out + i * WIDTH);
	if (__atomic_add_fetch(&embedded, n, __ATOMIC_RELAXED) > fails_at)
		return (err_set(e, "the embedder failed"));
	return (0);
}

/* ---- a ledger, and what its rows should be ---- */

struct ledger_of {
	char dir[64];
	int ecl_fd;
	struct random r;
	struct buf lines; /* of all events, one behind the other */
	size_t *at;	  /* where each begins */
	uint64_t n, cap;
	uint64_t segment, offset;
	uint8_t hash[SHA256_SIZE];
	struct log *log;
};

static void
die(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

static void
make_ledger(struct ledger_of *l, uint64_t seed)
{
	const char *tmp = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
	char path[80];

	memset(l, 0, sizeof(*l));
	l->r.s = seed;
	snprintf(l->dir, sizeof(l->dir), "%s/ecl-unit.XXXXXX", tmp);
	if (mkdtemp(l->dir) == NULL || (l->ecl_fd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		die("cannot make a directory");
	snprintf(path, sizeof(path), "%s/log", l->dir);
	if (mkdir(path, 0750) != 0)
		die("cannot make a directory");
}

static void
free_ledger(struct ledger_of *l)
{
	char command[128];

	log_free(l->log);
	close(l->ecl_fd);
	buf_release(&l->lines);
	free(l->at);
	snprintf(command, sizeof(command), "rm -rf '%s'", l->dir);
	if (system(command) != 0)
		die("cannot remove the directory");
}

static void
given_token(struct ledger_of *l, unsigned dims, struct buf *out)
{
	float v[64];
	unsigned i;

	for (i = 0; i < dims; i++)
		v[i] = (float)random_below(&l->r, 2000) / 7 - 100;
	if (random_below(&l->r, 30) == 0)
		v[0] = (float)(1e300 * 1e10);
	buf_addc(out, '"');
	base64_encode(out, (const uint8_t *)v, dims * sizeof(float));
	buf_addc(out, '"');
}

/* An event as users have them, and as they should not look like. */
static void
random_event(struct ledger_of *l, struct event *ev, struct buf *text)
{
	static const char *const names[] = {"interface:eth0", "a\"b", "back\\slash", "ecl:layer", "x", "\xc3\xa9t\xc3\xa9", "file:/etc/passwd", "\\\"\\"};
	static const char *const actions[] = {"set", "report", "enable", "restart"};
	static const char *const states[] = {"null", "1", "\"up\"", "{\"a\":[1,{\"b\":\"}\\\"]\"}],\"c\":null}", "[]", "{}", "true", "-1.5e3",
	    "\"\\\\\"", "{\"vector\":\"AAAA\"}", "\",\\\"vector\\\":\\\"AACAPwAAAEA=\""};
	static const char *const causes[] = {"\"why\"", "\"AACAPwAAAEA=\"", "\",\\\"vector\\\":\\\"AACAPwAAAEA=\"", "\"vector\\\":\\\"AACAPw==\""};
	uint32_t kind = random_below(&l->r, 20);

	memset(ev, 0, sizeof(*ev));
	buf_reset(text);
	ev->element = (struct span){names[random_below(&l->r, 8)], 0};
	ev->element.len = strlen(ev->element.p);
	ev->action = (struct span){actions[random_below(&l->r, 4)], 0};
	ev->action.len = strlen(ev->action.p);
	if (kind == 0) {
		buf_addf(text, "\"%0*u\"", 1 + (int)random_below(&l->r, random_below(&l->r, 20) ? 500 : 300000), kind);
		ev->state = (struct span){text->data, text->len};
	} else if (kind < 16) {
		ev->state = (struct span){states[random_below(&l->r, 11)], 0};
		ev->state.len = strlen(ev->state.p);
	}
	if (random_below(&l->r, 3) == 0) {
		ev->cause = (struct span){causes[random_below(&l->r, 4)], 0};
		ev->cause.len = strlen(ev->cause.p);
	}
	if (random_below(&l->r, 4) == 0)
		ev->meta = SPAN("{\"vector\":\"AACAPw==\"}");
	ev->uid = 1000;
	ev->login = random_below(&l->r, 2) ? EVENT_NO_LOGIN : 7;
	ev->parent = l->n == 0 || random_below(&l->r, 2) ? EVENT_NONE : l->n - 1;
}

static void
grow(struct ledger_of *l, uint64_t n)
{
	struct buf text = BUF_INIT, vector = BUF_INIT;
	char name[LOG_NAME_SIZE], path[64];
	struct event ev;
	int fd = -1;

	for (; n > 0; n--) {
		random_event(l, &ev, &text);
		buf_reset(&vector);
		if (random_below(&l->r, 6) == 0) {
			given_token(l, random_below(&l->r, 5) ? GIVEN : 1 + random_below(&l->r, 60), &vector);
			ev.vector = (struct span){vector.data, vector.len};
		}
		ev.seq = l->n;
		ev.time_us = INT64_C(1760000000000000) + (int64_t)l->n;
		memcpy(ev.prev, l->hash, SHA256_SIZE);
		if (l->n > 0 && random_below(&l->r, 700) == 0) {
			l->segment = l->n;
			l->offset = 0;
		}
		if (l->n == l->cap) {
			l->cap = l->cap == 0 ? 1024 : l->cap * 2;
			l->at = realloc(l->at, (l->cap + 1) * sizeof(*l->at));
		}
		l->at[l->n] = l->lines.len;
		event_format(&ev, &l->lines);
		memcpy(l->hash, ev.hash, SHA256_SIZE);
		if (fd == -1 || l->offset == 0) {
			if (fd != -1)
				close(fd);
			log_segment_name(l->segment, name);
			snprintf(path, sizeof(path), "log/%s", name);
			if ((fd = openat(l->ecl_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640)) == -1)
				die("cannot write the log");
		}
		if (io_pwrite(fd, l->lines.data + l->at[l->n], l->lines.len - l->at[l->n], l->offset) != 0)
			die("cannot write the log");
		l->offset += l->lines.len - l->at[l->n];
		l->at[++l->n] = l->lines.len;
	}
	if (fd != -1)
		close(fd);
	buf_release(&text);
	buf_release(&vector);
}

static void
open_log(struct ledger_of *l)
{
	struct err e;

	log_free(l->log);
	l->log = NULL;
	if (log_open(l->ecl_fd, -1, &l->log, &e) != 0)
		die(e.text);
}

static void
parsed(const struct ledger_of *l, uint64_t seq, struct event *ev)
{
	struct json_fault f;

	if (event_parse((struct span){l->lines.data + l->at[seq], l->at[seq + 1] - l->at[seq] - 1}, ev, &f) != 0)
		die(f.what);
}

static bool
right_row(const struct ledger_of *l, uint32_t variant, uint64_t seq, const int8_t *row)
{
	struct embed_input in;
	struct event ev;
	int8_t want[WIDTH];

	parsed(l, seq, &ev);
	in = (struct embed_input){ev.element, ev.action, ev.state};
	fake_row(variant, &in, want);
	return (memcmp(row, want, WIDTH) == 0);
}

/* ---- reading the log ---- */

struct seen {
	const struct ledger_of *l;
	uint64_t next;
	uint64_t stop;
	bool wrong;
};

static int
see_rows(void *arg, uint64_t seq, const int8_t *rows, size_t n)
{
	struct seen *s = arg;
	size_t i;

	s->wrong = s->wrong || seq != s->next;
	for (i = 0; i < n; i++)
		s->wrong = s->wrong || !right_row(s->l, 'm', seq + i, rows + i * WIDTH);
	s->next += n;
	return (s->next > s->stop ? 7 : 0);
}

static void
test_vectorize(struct ledger_of *l)
{
	static const unsigned threads[] = {1, 2, 5, 0};
	struct embedder em = {'m', false};
	uint64_t from, to;
	unsigned i, good = 0, rounds = 24;
	struct err e;

	clones = 0;
	for (i = 0; i < rounds; i++) {
		from = i == 0 ? 0 : random_below(&l->r, (uint32_t)l->n + 1);
		to = i < 4 ? l->n : from + random_below(&l->r, (uint32_t)(l->n - from) + 1);
		struct seen s = {l, from, UINT64_MAX, false};
		good += vectorize(l->log, &em, from, to, threads[i % 4], see_rows, &s, &e) == 0 && !s.wrong && s.next == to;
	}
	ok(good == rounds, "all events of a stretch are embedded, in order, by one thread and by many");
	ok(clones > 0, "really by many");
	struct seen s = {l, 0, l->n / 2, false};
	ok(vectorize(l->log, &em, 0, l->n, 3, see_rows, &s, &e) == 7 && !s.wrong, "who has seen enough stops it");
	em.command = true;
	clones = 0;
	s = (struct seen){l, 0, UINT64_MAX, false};
	ok(vectorize(l->log, &em, 0, l->n, 3, see_rows, &s, &e) == 0 && clones == 0, "a command is asked by one thread only");
	fails_at = embedded + l->n / 3;
	em.command = false;
	s = (struct seen){l, 0, UINT64_MAX, false};
	ok(vectorize(l->log, &em, 0, l->n, 2, see_rows, &s, &e) == -1 && strcmp(e.text, "the embedder failed") == 0 && !s.wrong,
	    "an embedder that fails ends it, with its own words");
	fails_at = UINT64_MAX;
	ok(vectorize(l->log, &em, 0, l->n + 1, 1, see_rows, &s, &e) == -1, "no further than the log");
}

static int
see_given(void *arg, uint64_t seq, const float *v, unsigned dims)
{
	struct seen *s = arg;
	float want[64];
	struct event ev;

	for (; s->next < seq; s->next++) {
		parsed(s->l, s->next, &ev);
		s->wrong = s->wrong || ev.vector.p != NULL;
	}
	parsed(s->l, seq, &ev);
	if (ev.vector.p == NULL || vector_text_dims(ev.vector) != dims)
		s->wrong = true;
	else {
		vector_text_floats(ev.vector, want);
		s->wrong = s->wrong || memcmp(want, v, dims * sizeof(float)) != 0;
	}
	s->next = seq + 1;
	return (0);
}

static void
test_given_scan(struct ledger_of *l)
{
	struct seen s = {l, 0, 0, false};
	struct err e;

	ok(given_scan(l->log, 0, l->n, see_given, &s, &e) == 0 && !s.wrong && s.next > l->n - 100,
	    "every vector that came with an event, and nothing that looks like one");
}

/* ---- the files ---- */

static int
update(struct ledger_of *l, const char *token, uint64_t max, bool anew, struct vectors_update *ret, struct err *e)
{
	*ret = (struct vectors_update){.ecl_fd = l->ecl_fd, .dir = "index", .log = l->log, .lock_fd = -1, .size = l->log->end.size, .max = max,
	    .token = token, .anew = anew};
	return (vectors_catch_up(ret, e));
}

static struct vectors *
open_space(struct ledger_of *l, const char *space, const char *token)
{
	struct vectors *v;
	struct err e;

	if (vectors_open(l->ecl_fd, l->log, space, token, &v, &e) != 0)
		die(e.text);
	return (v);
}

/* Return how many rows can be read; ${*ret_wrong}: whether one of them is wrong. */
static uint64_t
read_made(struct ledger_of *l, struct vectors *v, uint32_t variant, bool *ret_wrong)
{
	uint64_t row, first, n, good = 0;
	const int8_t *rows;
	struct err e;

	for (row = 0; row < vectors_rows(v); row++) {
		if (vectors_chunk(v, row, &rows, &first, &n, &e) != 0) {
			*ret_wrong = *ret_wrong || strstr(e.text, "'ecl-index --rebuild'") == NULL;
			continue;
		}
		if (row < first || row >= first + n || !right_row(l, variant, row, rows + (row - first) * WIDTH))
			*ret_wrong = true;
		good++;
	}
	return (good);
}

static bool
all_made(struct ledger_of *l, struct vectors *v, uint32_t variant, uint64_t size)
{
	bool wrong = false;

	return (vectors_events(v) == size && vectors_rows(v) == size && read_made(l, v, variant, &wrong) == size && !wrong);
}

/* Whether the given space has what it should of the first ${size} events. */
static bool
all_given(struct ledger_of *l, struct vectors *v, uint64_t size)
{
	uint64_t seq, row = 0, others = 0, first_other = 0, had;
	int8_t want[32], have[32];
	float numbers[64];
	struct event ev;
	struct err e;

	for (seq = 0; seq < size; seq++) {
		parsed(l, seq, &ev);
		if (ev.vector.p == NULL)
			continue;
		vector_text_floats(ev.vector, numbers);
		memset(want, 0, sizeof(want));
		if (vector_text_dims(ev.vector) != vectors_dims(v) || embedder_quantize(numbers, GIVEN, want) != 0) {
			if (others++ == 0)
				first_other = seq;
			continue;
		}
		if (vectors_row(v, row, have, &e) != 0 || memcmp(want, have, sizeof(want)) != 0 || vectors_seq(v, row, &had, &e) != 0 || had != seq)
			return (false);
		if (vectors_find(v, seq, &had, &e) != 0 || had != row || vectors_find(v, seq + 1, &had, &e) != 0 || had != row + 1)
			return (false);
		row++;
	}
	return (row == vectors_rows(v) && row > 0 && vectors_others(v, &had) == others && had == first_other);
}

static unsigned
count_files(struct ledger_of *l, const char *with)
{
	int fd = openat(l->ecl_fd, "index", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	struct dirent *d;
	unsigned n = 0;

	while ((d = readdir(dir)) != NULL)
		n += strncmp(d->d_name, with, strlen(with)) == 0;
	closedir(dir);
	return (n);
}

static void
test_catch_up(struct ledger_of *l)
{
	struct vectors_update u;
	struct vectors *v, *c;
	uint64_t size;
	struct err e;

	v = open_space(l, VECTORS_MADE, "model");
	ok(vectors_rows(v) == 0 && vectors_events(v) == 0 && vectors_damage(v) == NULL && vectors_other(v) == NULL && vectors_dims(v) == 0,
	    "where there is nothing, there are no rows, and nothing is wrong");
	vectors_free(v);
	ok(update(l, "gone", 0, false, &u, &e) == -1 && u.given > 0 && count_files(l, "vectors.") == 0,
	    "without the model there are the given vectors, and no left-overs");
	ok(update(l, "model", 1000, false, &u, &e) == 0 && u.rows == 1000, "some, for who wants it cheap");
	ok(update(l, "model", 0, false, &u, &e) == 0 && u.rows == l->n && u.damage[0] == '\0', "all");
	opened = 0;
	ok(update(l, "model", 0, false, &u, &e) == 0 && u.rows == l->n && opened == 0, "the embedder is not opened where nothing is lacking");
	v = open_space(l, VECTORS_MADE, "model");
	ok(all_made(l, v, 'm', l->n) && vectors_dims(v) == DIMS && vectors_width(v) == WIDTH, "every event has its row");
	c = vectors_clone(v);
	ok(all_made(l, c, 'm', l->n), "for another thread, too");
	vectors_free(c);
	vectors_free(v);
	v = open_space(l, VECTORS_GIVEN, NULL);
	ok(vectors_dims(v) == GIVEN && all_given(l, v, vectors_events(v)), "the given ones have their events");
	vectors_free(v);
	size = l->n;
	grow(l, 700);
	open_log(l);
	v = open_space(l, VECTORS_MADE, "model");
	ok(all_made(l, v, 'm', size), "what came later is not in it yet");
	vectors_free(v);
	ok(update(l, "model", 0, false, &u, &e) == 0 && u.rows == l->n, "and then it is");
	v = open_space(l, VECTORS_MADE, NULL);
	ok(all_made(l, v, 'm', l->n), "behind what was there");
	vectors_free(v);
	v = open_space(l, VECTORS_GIVEN, NULL);
	ok(all_given(l, v, l->n), "of the given ones as well");
	vectors_free(v);
}

static void
test_embedders(struct ledger_of *l)
{
	struct vectors_update u;
	struct vectors *v, *w;
	struct err e;

	w = open_space(l, VECTORS_MADE, "model");
	v = open_space(l, VECTORS_MADE, "b");
	ok(vectors_rows(v) == 0 && vectors_damage(v) == NULL && vectors_other(v) != NULL && strcmp(vectors_other(v), "model") == 0,
	    "rows of another embedder are not used, and who made them is told");
	vectors_free(v);
	ok(update(l, "model", 0, true, &u, &e) == 0 && vectors_sweep(l->ecl_fd, "index", &e) == 0 && all_made(l, w, 'm', l->n),
	    "who reads while they are made anew goes on in the new ones");
	ok(update(l, "b", 0, false, &u, &e) == 0 && u.rows == l->n && u.damage[0] == '\0', "another embedder makes its own");
	v = open_space(l, VECTORS_MADE, "b");
	ok(all_made(l, v, 'b', l->n), "and they are its own");
	vectors_free(v);
	vectors_free(w);
	ok(update(l, NULL, 0, false, &u, &e) == 0 && count_files(l, "vectors.head") == 1, "they can be left alone");
	ok(update(l, "none", 0, false, &u, &e) == 0 && vectors_sweep(l->ecl_fd, "index", &e) == 0 && count_files(l, "vectors.") == 0 && u.given > 0,
	    "without an embedder there are none");
	fails_at = embedded + l->n / 2;
	ok(update(l, "model", 0, false, &u, &e) == -1 && count_files(l, "vectors.") == 0, "an embedder that fails leaves no files that nobody names");
	fails_at = UINT64_MAX;
	if (mkdirat(l->ecl_fd, "index/vectors.head", 0750) != 0)
		die("cannot make a directory");
	ok(update(l, "model", 0, false, &u, &e) == -1 && count_files(l, "vectors.") == 1, "nor does a manifest that cannot be published");
	unlinkat(l->ecl_fd, "index/vectors.head", AT_REMOVEDIR);
	ok(update(l, "model", 0, false, &u, &e) == 0, "the next one is fine");
}

/* ---- damage ---- */

static int
open_file(struct ledger_of *l, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "index/%s", name);
	if ((fd = openat(l->ecl_fd, path, O_RDWR | O_CLOEXEC)) == -1)
		die(path);
	return (fd);
}

static void
test_manifest(struct ledger_of *l, const char *space)
{
	char name[32];
	struct stat st;
	struct vectors *v;
	unsigned bad = 0, said = 0, tries = 0;
	char *text;
	int fd;
	off_t i;

	snprintf(name, sizeof(name), "%s.head", space);
	fd = open_file(l, name);
	if (fstat(fd, &st) != 0 || (text = malloc((size_t)st.st_size)) == NULL || io_pread(fd, text, (size_t)st.st_size, 0) != st.st_size)
		die("cannot read a manifest");
	for (i = 0; i < st.st_size; i++) {
		char was = text[i], now = (char)(was ^ (1 << random_below(&l->r, 8)));

		if (io_pwrite(fd, &now, 1, (uint64_t)i) != 0)
			die("cannot write a manifest");
		v = open_space(l, space, NULL);
		tries++;
		bad += vectors_rows(v) != 0 || vectors_events(v) != 0;
		said += vectors_damage(v) != NULL;
		vectors_free(v);
		io_pwrite(fd, &was, 1, (uint64_t)i);
	}
	ok(bad == 0 && said == tries, "%s: a manifest with another byte, wherever, is none, and that is said", name);
	bad = said = tries = 0;
	for (i = st.st_size - 1; i >= 0; i--) {
		if (ftruncate(fd, i) != 0)
			die("cannot cut a manifest");
		v = open_space(l, space, NULL);
		tries++;
		bad += vectors_rows(v) != 0;
		said += vectors_damage(v) != NULL;
		vectors_free(v);
	}
	ok(bad == 0 && said == tries, "%s: nor is one that was cut", name);
	io_pwrite(fd, text, (size_t)st.st_size, 0);
	close(fd);
	free(text);
}

/* Every file of the column, cut and garbled at random places. */
static void
test_columns(struct ledger_of *l)
{
	static const char *const how[] = {"cut", "garbled", "gone"};
	struct vectors_update u;
	unsigned i, n, wrong_rows = 0, mended = 0, tries = 0, less = 0;
	struct vectors *v;
	struct dirent *d;
	struct stat st;
	uint64_t got;
	bool wrong;
	DIR *dir;
	struct err e;
	char name[256];
	int fd;

	for (i = 0; i < 30; i++) {
		fd = openat(l->ecl_fd, "index", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		dir = fdopendir(fd);
		n = random_below(&l->r, count_files(l, "vectors.") - 1);
		name[0] = '\0';
		while ((d = readdir(dir)) != NULL)
			if (strncmp(d->d_name, "vectors.", 8) == 0 && strcmp(d->d_name, "vectors.head") != 0 && n-- == 0)
				snprintf(name, sizeof(name), "%s", d->d_name);
		fd = open_file(l, name);
		if (fstat(fd, &st) != 0)
			die("cannot stat");
		if (i % 3 == 0 && ftruncate(fd, random_below(&l->r, (uint32_t)st.st_size)) != 0)
			die("cannot cut");
		if (i % 3 == 1)
			io_pwrite(fd, "damage", 6, random_below(&l->r, (uint32_t)st.st_size - 6));
		if (i % 3 == 2)
			unlinkat(dirfd(dir), name, 0);
		close(fd);
		closedir(dir);
		wrong = false;
		v = open_space(l, VECTORS_MADE, "model");
		got = read_made(l, v, 'm', &wrong);
		vectors_free(v);
		tries++;
		wrong_rows += wrong;
		less += got < l->n;
		/* What is too short is seen by who writes; what is garbled, by who reads all of it. */
		if (update(l, "model", 0, i % 3 == 1, &u, &e) == 0 && vectors_sweep(l->ecl_fd, "index", &e) == 0 && (i % 3 == 1 || u.damage[0] != '\0')) {
			v = open_space(l, VECTORS_MADE, "model");
			mended += all_made(l, v, 'm', l->n);
			vectors_free(v);
		} else
			printf("# %s %s: %s\n", how[i % 3], name, u.damage);
	}
	ok(wrong_rows == 0, "no row of a damaged file is taken for one");
	ok(less == tries, "damage is always met");
	ok(mended == tries, "and mended: %u of %u", mended, tries);
}

static void
test_foreign(struct ledger_of *l)
{
	struct ledger_of other;
	struct vectors_update u;
	char command[256];
	struct vectors *v;
	struct err e;

	make_ledger(&other, 99);
	grow(&other, l->n + 10);
	open_log(&other);
	snprintf(command, sizeof(command), "cp -r '%s/index' '%s/'", l->dir, other.dir);
	if (system(command) != 0)
		die("cannot copy");
	v = open_space(&other, VECTORS_MADE, "model");
	ok(vectors_rows(v) == 0 && vectors_damage(v) != NULL && strstr(vectors_damage(v), "another log") != NULL, "rows of another ledger are not used");
	vectors_free(v);
	ok(update(&other, "model", 0, false, &u, &e) == 0 && strstr(u.damage, "another log") != NULL && u.rows == other.n, "and made anew");
	v = open_space(&other, VECTORS_MADE, "model");
	ok(all_made(&other, v, 'm', other.n), "as they should be");
	vectors_free(v);
	free_ledger(&other);

	/* A log that is shorter than what its vectors know of. */
	make_ledger(&other, 99);
	grow(&other, 500);
	open_log(&other);
	snprintf(command, sizeof(command), "cp -r '%s/index' '%s/'", l->dir, other.dir);
	if (system(command) != 0)
		die("cannot copy");
	v = open_space(&other, VECTORS_GIVEN, NULL);
	ok(vectors_rows(v) == 0 && vectors_damage(v) != NULL, "nor those of a longer one");
	vectors_free(v);
	ok(update(&other, "model", 100, false, &u, &e) == 0 && u.rows == l->n && u.damage[0] == '\0', "who is in a hurry leaves that to others");
	ok(update(&other, "model", 0, false, &u, &e) == 0 && u.rows == other.n, "who is not makes them anew");
	free_ledger(&other);
}

static void
test_check(struct ledger_of *l)
{
	struct buf fault = BUF_INIT;
	struct vectors_check c = {.space = VECTORS_MADE, .token = "model", .fault = &fault};
	struct err e;

	ok(vectors_check(l->ecl_fd, l->log, &c, &e) == 0, "a check finds nothing wrong where nothing is");
	c.space = VECTORS_GIVEN;
	ok(vectors_check(l->ecl_fd, l->log, &c, &e) == 0, "with the given ones neither");
	buf_release(&fault);
}

int
main(void)
{
	struct ledger_of l;

	fails_at = UINT64_MAX;
	make_ledger(&l, 7);
	grow(&l, 6000);
	open_log(&l);
	test_vectorize(&l);
	test_given_scan(&l);
	test_catch_up(&l);
	test_embedders(&l);
	test_check(&l);
	test_manifest(&l, VECTORS_MADE);
	test_manifest(&l, VECTORS_GIVEN);
	test_columns(&l);
	test_foreign(&l);
	free_ledger(&l);
	return (tap_done());
}
