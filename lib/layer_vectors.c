/* A root: its vectors, brought up to date by whoever writes. */
#include "config.h"

#include <string.h>

#include "embedder.h"
#include "layer.h"

#include "banned.h"

int
layer_vectors(struct layer *l, struct vectors_update *u, struct err *e)
{
	struct buf token = BUF_INIT;
	struct durable d;
	int rc = -1;

	u->ecl_fd = l->ecl_fd;
	u->dir = INDEX_DIR;
	u->log = l->ledger->log;
	u->size = u->log->end.size;
	u->flags = EMBEDDER_NO_COMMAND;
	/* What is not on the disk may be taken back. */
	if (durable_read(l->root_fd, &d, e) != 0 || layer_index_lock(l, &u->lock_fd, e) != 0)
		return (-1);
	if (d.known && d.end.size < u->size)
		u->size = d.end.size;
	if (ledger_embedder(l->ledger, &token, e) == 0) {
		/* A command takes its time: that is for ecl-index. */
		u->token = strncmp(buf_cstr(&token), "command:", 8) == 0 ? NULL : buf_cstr(&token);
		rc = u->size == 0 ? 0 : vectors_catch_up(u, e);
		u->token = NULL;
	}
	buf_release(&token);
	return (rc);
}
