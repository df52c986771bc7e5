/* How far a long piece of work has come: one line on the terminal, wiped when it is done. */
#include "config.h"

#include <sys/stat.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#include "banned.h"

#define FIRST_US 500000 /* what is over sooner needs no line */
#define EVERY_US 200000

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

void
progress_init(
    struct progress *p, struct cli *cli, const char *label, const char *unit, uint64_t total)
{
	const char *term = getenv("TERM");

	p->cli = cli;
	p->label = label;
	p->unit = unit;
	p->total = total;
	p->shown = false;
	p->start_us = now_us();
	p->next_us = p->start_us + FIRST_US;
	if (cli->quiet || !isatty(STDERR_FILENO) || term == NULL || strcmp(term, "dumb") == 0)
		p->next_us = INT64_MAX;
}

static void
add_amount(struct buf *b, double n, bool bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	size_t i = 0;

	if (!bytes) {
		buf_addf(b, "%.0f", n);
		return;
	}
	for (; n >= 1024 && i < sizeof(units) / sizeof(units[0]) - 1; i++)
		n /= 1024;
	buf_addf(b, i == 0 ? "%.0f %s" : "%.1f %s", n, units[i]);
}

static void
add_left(struct buf *b, double seconds)
{
	uint64_t s;

	if (seconds > 359999)
		return;
	s = (uint64_t)(seconds + 0.5);
	if (s >= 3600)
		buf_addf(b, ", %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left", s / 3600, s / 60 % 60,
		    s % 60);
	else
		buf_addf(b, ", %" PRIu64 ":%02" PRIu64 " left", s / 60, s % 60);
}

/* verifying: 45% of 234567 events, 52341 a second, 0:12 left */
static void
show(struct progress *p, uint64_t done, double seconds)
{
	struct buf line = BUF_INIT;
	bool bytes = strcmp(p->unit, "bytes") == 0;
	double rate = (double)done / seconds;
	size_t width = cli_width(STDERR_FILENO), columns;

	buf_addf(&line, "%s: ", p->label);
	if (p->total > 0) {
		buf_addf(&line, "%.0f%% of ",
		    done >= p->total ? 100.0 : (double)done * 100 / (double)p->total);
		add_amount(&line, (double)p->total, bytes);
	} else
		add_amount(&line, (double)done, bytes);
	buf_addf(&line, "%s%s, ", bytes || *p->unit == '\0' ? "" : " ", bytes ? "" : p->unit);
	add_amount(&line, rate, bytes);
	buf_adds(&line, " a second");
	if (p->total > done && done > 0)
		add_left(&line, (double)(p->total - done) / rate);
	if (!line.failed) {
		/* The last column stays free: some terminals wrap there. */
		line.len = cli_cut(
		    (struct span){line.data, line.len}, width > 1 ? width - 1 : 79, &columns);
		fprintf(stderr, "\r%.*s\033[K", (int)line.len, line.data);
		fflush(stderr);
		p->shown = true;
		p->cli->progress = p;
	}
	buf_release(&line);
}

void
progress_step(struct progress *p, uint64_t done)
{
	int64_t now;

	if (p->next_us == INT64_MAX || (now = now_us()) < p->next_us)
		return;
	p->next_us = now + EVERY_US;
	show(p, done, (double)(now - p->start_us) / 1e6);
}

void
progress_clear(struct progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	p->shown = false;
	p->cli->progress = NULL;
}

void
progress_output(struct progress *p)
{
	struct stat st;
	bool apart = fstat(STDOUT_FILENO, &st) == 0 &&
	    (S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(STDOUT_FILENO) == 0));

	if (!apart)
		progress_end(p);
}

void
progress_end(struct progress *p)
{
	progress_clear(p);
	p->next_us = INT64_MAX;
}
