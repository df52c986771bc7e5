/* The dimension of the vectors that events bring with them: the first one in the log fixes it for all. */
#include "config.h"

#include <math.h>

#include "given.h"
#include "vector_text.h"
#include "vectorize.h"
#include "vectors.h"

#include "banned.h"

/* The event of the manifest's first row, as the log has it. */
static unsigned
dims_of(struct index *index, uint64_t seq)
{
	struct buf line = BUF_INIT;
	struct event ev;
	unsigned dims = 0;

	if (seq < index_size(index) && index_event(index, seq, &line, &ev, NULL) == 0 && ev.vector.p != NULL &&
	    vector_text_fault(ev.vector, true) == NULL && vector_text_dims(ev.vector) <= VECTOR_DIMS_MAX)
		dims = (unsigned)vector_text_dims(ev.vector);
	buf_release(&line);
	return (dims);
}

/* What the files know: a hint of where to look. */
static int
ask_manifest(struct given *g, int ecl_fd, struct log *log, struct index *index, struct err *e)
{
	struct vectors *v;
	uint64_t seq;

	if (vectors_open(ecl_fd, log, VECTORS_GIVEN, NULL, &v, e) != 0)
		return (-1);
	if (vectors_rows(v) == 0)
		g->events = vectors_events(v);
	else if (vectors_seq(v, 0, &seq, NULL) == 0)
		g->dims = dims_of(index, seq);
	vectors_free(v);
	return (0);
}

static int
take_first(void *arg, uint64_t seq, const float *v, unsigned dims)
{
	struct given *g = arg;
	unsigned i;

	(void)seq;
	if (dims > VECTOR_DIMS_MAX)
		return (0);
	for (i = 0; i < dims; i++)
		if (!isfinite(v[i]))
			return (0);
	g->dims = dims;
	return (1);
}

int
given_dims(struct given *g, int ecl_fd, struct log *log, struct index *index, unsigned *ret, struct err *e)
{
	uint64_t size = log->end.size;

	if (g->dims == 0 && g->events == 0 && ask_manifest(g, ecl_fd, log, index, e) != 0)
		return (-1);
	if (g->dims == 0 && g->events < size) {
		if (given_scan(log, g->events, size, take_first, g, e) == -1)
			return (-1);
		g->events = size;
	}
	*ret = g->dims;
	return (0);
}
