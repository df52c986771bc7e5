/*
 * embed FILE: read the stored event lines of FILE into memory, then parse each and embed it, on one core; print how long
 * that took, and how long the embedding alone, in microseconds.  Rows go nowhere.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "embed.h"
#include "event.h"

#define BATCH 1024

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3);
}

static char *
slurp(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	char *text;
	long len;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (len = ftell(f)) <= 0 || fseek(f, 0, SEEK_SET) != 0 ||
	    (text = malloc((size_t)len)) == NULL || fread(text, (size_t)len, 1, f) != 1) {
		fprintf(stderr, "embed: cannot read '%s'\n", path);
		exit(2);
	}
	fclose(f);
	*ret_len = (size_t)len;
	return (text);
}

/* At most BATCH of the lines that begin at ${*p}; their number. */
static size_t
parse(const char **p, const char *end, struct event *ev)
{
	struct json_fault f;
	const char *lf;
	size_t n;

	for (n = 0; n < BATCH && *p < end && (lf = memchr(*p, '\n', (size_t)(end - *p))) != NULL; n++) {
		if (event_parse((struct span){*p, (size_t)(lf - *p)}, &ev[n], &f) != 0) {
			fprintf(stderr, "embed: not an event: %s\n", f.what);
			exit(2);
		}
		*p = lf + 1;
	}
	return (n);
}

int
main(int argc, char **argv)
{
	static struct event ev[BATCH];
	static int8_t row[EMBED_DIMS];
	struct model *model;
	struct embed *em;
	struct err e = {0};
	double begin, began, alone = 0;
	const char *p, *end;
	size_t len, n, i;

	if (argc != 2) {
		fprintf(stderr, "usage: embed FILE\n");
		return (2);
	}
	if (model_open(NULL, &model, &e) != 0 || (em = embed_new(model)) == NULL) {
		fprintf(stderr, "embed: %s\n", e.text);
		return (2);
	}
	p = slurp(argv[1], &len);
	end = p + len;
	for (begin = now_us(); (n = parse(&p, end, ev)) > 0; alone += now_us() - began) {
		began = now_us();
		for (i = 0; i < n; i++)
			embed_event(em, ev[i].element, ev[i].action, ev[i].state, row);
	}
	printf("%.0f %.0f\n", now_us() - begin, alone);
	embed_free(em);
	model_free(model);
	return (0);
}
