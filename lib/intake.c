/* Input on its way in: portions of lines, read and parsed ahead of their use. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "intake.h"

#include "banned.h"

#define HASH_GROUP 256

static int
no_room(struct portion *p)
{
	p->status = -1;
	return (err_mem(&p->e));
}

static struct intake_line *
add_line(struct portion *p)
{
	struct intake_line *more;
	size_t cap;

	if (p->lines == p->cap) {
		cap = p->cap == 0 ? 16 : p->cap * 2;
		if ((more = realloc(p->line, cap * sizeof(*more))) == NULL)
			return (NULL);
		p->line = more;
		p->cap = cap;
	}
	return (&p->line[p->lines]);
}

static int
add_fault(struct portion *p, struct intake_line *l, const struct json_fault *f)
{
	struct json_fault *more;
	size_t cap;

	if (p->faults == p->faults_cap) {
		cap = p->faults_cap == 0 ? 1 : p->faults_cap * 2;
		if ((more = realloc(p->fault, cap * sizeof(*more))) == NULL)
			return (-1);
		p->fault = more;
		p->faults_cap = cap;
	}
	p->fault[p->faults] = *f;
	l->kind = INTAKE_FAULT;
	l->fault = (uint32_t)p->faults++;
	return (0);
}

/* One line of the portion.  Return 0, or -1 where memory ran out. */
static int
take_line(struct portion *p, struct span text, bool ends)
{
	struct intake *in = p->intake;
	struct intake_line *l;
	struct json_fault f;
	bool goes_on = in->partial;

	if ((l = add_line(p)) == NULL)
		return (-1);
	in->partial = !ends;
	in->number += !goes_on;
	l->number = in->number;
	l->text = text;
	l->ends = ends;
	p->lines++;
	if (goes_on)
		l->kind = INTAKE_PIECE;
	else if (!ends)
		l->kind = INTAKE_TOO_LONG;
	else if (in->replica) {
		l->kind = INTAKE_EVENT;
	} else {
		l->kind = INTAKE_INPUT;
		if (input_parse(text, in->keep_time, &in->work, &p->scratch, &l->in, &f) != 0)
			return (add_fault(p, l, &f));
		if (in->redact != NULL && redact_input(in->redact, &l->in, &p->scratch) != 0)
			return (-1);
	}
	return (0);
}

/* The lines of a replica's input: whether they have the hashes that they say. */
static void
check_hashes(struct portion *p)
{
	struct span line[HASH_GROUP];
	bool ok[HASH_GROUP];
	size_t i, j, n;

	for (i = 0; i < p->lines; i += n) {
		n = p->lines - i < HASH_GROUP ? p->lines - i : HASH_GROUP;
		for (j = 0; j < n; j++)
			line[j] = p->line[i + j].text;
		event_hashes_ok(line, n, ok);
		for (j = 0; j < n; j++)
			p->line[i + j].hash_ok = ok[j];
	}
}

/* The job of the worker: the next portion. */
static void
fill(void *job)
{
	struct portion *p = job;
	struct intake *in = p->intake;
	const char *at, *end, *lf;
	size_t len, room;

	p->lines = p->faults = 0;
	buf_reset(&p->scratch);
	if ((p->status = source_fill(in->source, in->limit, &p->data, &p->e)) != 1)
		return;
	/* Spans into scratch must not move: room for all lines at once. */
	room = input_room(p->data.len) + (in->redact != NULL ? redact_room(p->data.len) : 0);
	if (!in->replica && buf_reserve(&p->scratch, room) != 0) {
		no_room(p);
		return;
	}
	for (at = p->data.data, end = at + p->data.len; at < end; at += len + (lf != NULL)) {
		lf = memchr(at, '\n', (size_t)(end - at));
		len = (size_t)((lf != NULL ? lf : end) - at);
		if (take_line(p, (struct span){at, len}, lf != NULL || in->source->eof) != 0) {
			no_room(p);
			return;
		}
	}
	if (in->replica)
		check_hashes(p);
}

void
intake_init(struct intake *in, struct source *source, struct shop *shop, bool keep_time, bool replica)
{
	size_t i;

	memset(in, 0, sizeof(*in));
	in->source = source;
	in->keep_time = keep_time;
	in->replica = replica;
	in->limit = source->all ? SOURCE_PORTION : INTAKE_BYTES;
	in->stop_fd[0] = in->stop_fd[1] = -1;
	worker_init(&in->worker, shop, fill);
	for (i = 0; i < INTAKE_PORTIONS; i++)
		in->portion[i].intake = in;
}

void
intake_release(struct intake *in)
{
	size_t i;

	/* The reader may wait for input that does not come. */
	if (in->stop_fd[1] != -1)
		close(in->stop_fd[1]);
	worker_stop(&in->worker);
	if (in->stop_fd[0] != -1)
		close(in->stop_fd[0]);
	in->source->stop_fd = -1;
	json_work_release(&in->work);
	for (i = 0; i < INTAKE_PORTIONS; i++) {
		buf_release(&in->portion[i].data);
		buf_release(&in->portion[i].scratch);
		free(in->portion[i].line);
		free(in->portion[i].fault);
	}
}

/* Post what is free: all portions but the one that the caller has. */
static void
post(struct intake *in)
{
	while (worker_posted(&in->worker) < in->taken + INTAKE_PORTIONS - 1)
		worker_post(&in->worker, &in->portion[worker_posted(&in->worker) % INTAKE_PORTIONS]);
}

bool
intake_ahead(struct intake *in)
{
	if (in->worker.threaded)
		return (true);
	if (in->source->eof || (in->stop_fd[0] == -1 && pipe2(in->stop_fd, O_CLOEXEC) != 0))
		return (false);
	in->source->stop_fd = in->stop_fd[0];
	worker_start(&in->worker);
	if (in->worker.threaded)
		post(in);
	else
		in->source->stop_fd = -1;
	return (in->worker.threaded);
}

bool
intake_ready(struct intake *in)
{
	return (in->worker.threaded && worker_done(&in->worker) > in->taken);
}

const struct portion *
intake_next(struct intake *in)
{
	uint64_t count;

	if (in->worker.threaded)
		post(in);
	else
		worker_post(&in->worker, &in->portion[in->taken % INTAKE_PORTIONS]);
	for (;;) {
		count = shop_count(in->worker.shop);
		if (worker_done(&in->worker) > in->taken)
			break;
		shop_wait(in->worker.shop, count);
	}
	return (&in->portion[in->taken++ % INTAKE_PORTIONS]);
}
