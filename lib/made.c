/* The vectors that a ledger's embedder made. */
#include "config.h"

#include <string.h>

#include "made.h"

#include "banned.h"

static int
open_both(struct ledger *l, unsigned flags, struct made *m, struct err *e)
{
	const char *token;

	if (ledger_embedder(l, &m->token, e) != 0)
		return (-1);
	token = buf_cstr(&m->token);
	if (m->token.failed)
		return (err_mem(e));
	if (vectors_open(l->ecl_fd, l->log, VECTORS_MADE, token, &m->vectors, e) != 0)
		return (-1);
	if (strcmp(token, "none") != 0 && vectors_other(m->vectors) != NULL)
		return (err_set(e, "the vectors are of the embedder '%s', not of the ledger's, '%s': run 'ecl-index --rebuild', or name "
		    "another with 'ecl-index --embedder'",
		    vectors_other(m->vectors), token));
	m->dims = vectors_dims(m->vectors);
	if (embedder_open(token, m->dims, flags & ~MADE_ROWS, &m->em, e) != 0) {
		if ((flags & MADE_ROWS) == 0 || m->dims == 0 || vectors_events(m->vectors) < index_size(l->index))
			return (-1);
		m->em = NULL;
		m->why = *e;
	}
	if (m->dims == 0 && embedder_probe(m->em, e) != 0)
		return (-1);
	if (m->dims == 0)
		m->dims = embedder_dims(m->em);
	m->width = embedder_width(m->dims);
	return (0);
}

int
made_open(struct ledger *l, unsigned flags, struct made *ret, struct err *e)
{
	struct made m = {0};

	if (open_both(l, flags, &m, e) != 0) {
		made_release(&m);
		return (-1);
	}
	*ret = m;
	return (0);
}

void
made_release(struct made *m)
{
	embedder_free(m->em);
	vectors_free(m->vectors);
	buf_release(&m->token);
}
