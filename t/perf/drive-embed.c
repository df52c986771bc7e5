/*
 * What the embedder does, without a ledger; links libecl.a, the model is found by ECL_MODEL_DIR.
 *	drive-embed words [--json]	the words of standard input, one a line
 *	drive-embed vectors		a line `text' -> its 256 numbers, in a line
 *	drive-embed recall FILE...	of a text set, lines `question TAB text': R@1 and R@10 in percent, by cosine
 *	drive-embed speed FILE [SECONDS]	events (NDJSON as users send it) -> events a second of processor time, for each engine
 *	drive-embed open [TIMES]	us of processor time that opening the model takes
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "embed.h"
#include "words.h"

#include "banned.h"

static struct model *model;
static struct embed *em;

static void
fail(const char *what)
{
	fprintf(stderr, "drive-embed: %s\n", what);
	exit(2);
}

static double
cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return ((double)t.tv_sec + (double)t.tv_nsec * 1e-9);
}

static void
slurp(FILE *f, struct buf *out)
{
	char part[65536];
	size_t n;

	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(out, part, n);
	if (ferror(f) || out->failed)
		fail("cannot read");
}

static void
slurp_name(const char *name, struct buf *out)
{
	FILE *f = fopen(name, "re");

	if (f == NULL)
		fail(strerror(errno));
	slurp(f, out);
	fclose(f);
}

/* The line at ${*pos}, without its LF; false at the end. */
static bool
next_line(const struct buf *b, size_t *pos, struct span *ret)
{
	const char *end;

	if (*pos >= b->len)
		return (false);
	ret->p = b->data + *pos;
	end = memchr(ret->p, '\n', b->len - *pos);
	ret->len = end == NULL ? b->len - *pos : (size_t)(end - ret->p);
	*pos += ret->len + 1;
	return (true);
}

static void
print_words(bool json)
{
	struct buf text = BUF_INIT;
	struct words w;

	slurp(stdin, &text);
	words_begin(&w, (struct span){text.data, text.len}, json);
	while (words_next(&w))
		printf("%.*s\n", (int)w.len, w.word);
	buf_release(&text);
}

static void
print_vectors(void)
{
	struct buf text = BUF_INIT;
	struct span line;
	int8_t v[EMBED_DIMS];
	size_t pos = 0, i;

	slurp(stdin, &text);
	while (next_line(&text, &pos, &line)) {
		embed_text(em, line, v);
		for (i = 0; i < EMBED_DIMS; i++)
			printf("%d%c", v[i], i + 1 < EMBED_DIMS ? ' ' : '\n');
	}
	buf_release(&text);
}

static int32_t
dot(const int8_t *a, const int8_t *b)
{
	int32_t sum = 0;
	int i;

	for (i = 0; i < EMBED_DIMS; i++)
		sum += a[i] * b[i];
	return (sum);
}

/* A cosine times what is the same for all texts: negative squares stay below. */
static double
likeness(const int8_t *asked, const int8_t *text)
{
	double d = dot(asked, text), n = dot(text, text);

	return (n == 0 ? 0 : d * (d < 0 ? -d : d) / n);
}

static void
recall(const char *name)
{
	struct buf file = BUF_INIT;
	struct span line;
	const char *tab;
	int8_t *asked = NULL, *text = NULL;
	size_t pos = 0, n = 0, cap = 0, i, j, before, first = 0, ten = 0;
	double mine;

	slurp_name(name, &file);
	while (next_line(&file, &pos, &line)) {
		if ((tab = memchr(line.p, '\t', line.len)) == NULL)
			fail("a line without TAB");
		if (n == cap) {
			cap = cap == 0 ? 1024 : 2 * cap;
			asked = realloc(asked, cap * EMBED_DIMS);
			text = realloc(text, cap * EMBED_DIMS);
			if (asked == NULL || text == NULL)
				fail("out of memory");
		}
		embed_text(
		    em, (struct span){line.p, (size_t)(tab - line.p)}, asked + n * EMBED_DIMS);
		embed_text(em, (struct span){tab + 1, line.len - (size_t)(tab + 1 - line.p)},
		    text + n * EMBED_DIMS);
		n++;
	}
	for (i = 0; i < n; i++) {
		mine = likeness(asked + i * EMBED_DIMS, text + i * EMBED_DIMS);
		for (before = 0, j = 0; j < n && before < 10; j++)
			before += j != i &&
			    likeness(asked + i * EMBED_DIMS, text + j * EMBED_DIMS) >= mine;
		first += before == 0;
		ten += before < 10;
	}
	if (n == 0)
		fail("an empty text set");
	printf("%s: %zu texts, R@1 %.1f R@10 %.1f\n", name, n, 100.0 * (double)first / (double)n,
	    100.0 * (double)ten / (double)n);
	free(asked);
	free(text);
	buf_release(&file);
}

struct event {
	struct span element, state;
};

/* The value behind "NAME": in a line as our generators and collectors print them. */
static struct span
value_of(struct span line, const char *name)
{
	const char *p = memmem(line.p, line.len, name, strlen(name)), *end = line.p + line.len;

	if (p == NULL)
		return ((struct span){NULL, 0});
	for (p += strlen(name); p < end && (*p == ' ' || *p == ':'); p++)
		;
	return ((struct span){p, (size_t)(end - p)});
}

static void
speed(const char *name, double seconds)
{
	static const char *const engines[] = {"avx2", "portable"};
	struct buf file = BUF_INIT;
	struct event *event;
	struct span line;
	const char *quote;
	int8_t v[EMBED_DIMS];
	size_t pos = 0, n = 0, bytes = 0, i, k, done;
	double t;

	slurp_name(name, &file);
	if ((event = calloc(file.len / 8 + 1, sizeof(*event))) == NULL)
		fail("out of memory");
	while (next_line(&file, &pos, &line)) {
		event[n].element = value_of(line, "\"element\"");
		event[n].state = value_of(line, "\"state\"");
		if (event[n].element.len < 2 ||
		    (quote = memchr(event[n].element.p + 1, '"', event[n].element.len - 1)) == NULL)
			continue;
		event[n].element.p++;
		event[n].element.len = (size_t)(quote - event[n].element.p);
		bytes += event[n].element.len + event[n].state.len;
		n++;
	}
	for (k = 0; n > 0 && k < 2; k++) {
		if (embed_use(em, engines[k]) != 0)
			continue;
		for (done = 0, t = cpu_seconds(); cpu_seconds() - t < seconds; done += i)
			for (i = 0; i < 4096; i++)
				embed_event(em, event[(done + i) % n].element, SPAN("modify"),
				    event[(done + i) % n].state, v);
		t = cpu_seconds() - t;
		printf("%s: %zu events of %zu bytes, %s: %.2f M/s, %.2f us each\n", name, n,
		    bytes / n, engines[k], (double)done / t * 1e-6, t / (double)done * 1e6);
	}
	free(event);
	buf_release(&file);
}

static void
time_open(int times)
{
	struct model *m;
	struct err e;
	double t = cpu_seconds();
	int i;

	for (i = 0; i < times; i++) {
		if (model_open(NULL, &m, &e) != 0)
			fail(e.text);
		model_free(m);
	}
	t = cpu_seconds() - t;
	printf("open: %.0f us\n", t / times * 1e6);
}

int
main(int argc, char **argv)
{
	struct err e;
	int i;

	if (argc < 2)
		fail("usage: drive-embed words|vectors|recall|speed|open [ARGUMENT...]");
	if (strcmp(argv[1], "words") == 0) {
		print_words(argc > 2);
		return (0);
	}
	if (model_open(NULL, &model, &e) != 0)
		fail(e.text);
	if ((em = embed_new(model)) == NULL)
		fail("out of memory");
	if (strcmp(argv[1], "vectors") == 0)
		print_vectors();
	else if (strcmp(argv[1], "recall") == 0)
		for (i = 2; i < argc; i++)
			recall(argv[i]);
	else if (strcmp(argv[1], "speed") == 0 && argc > 2)
		speed(argv[2], argc > 3 ? strtod(argv[3], NULL) : 1);
	else if (strcmp(argv[1], "open") == 0)
		time_open(argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1000);
	else
		fail("what?");
	embed_free(em);
	model_free(model);
	return (0);
}
