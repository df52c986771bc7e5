/* The index beside the log: no evidence, but who relies on its speed wants to know when it is damaged, or far behind. */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "index.h"
#include "io.h"
#include "verify_internal.h"

#include "banned.h"

#define LAG_MAX 300000 /* events; a writer in a flood publishes after 262,144 */
#define TRIES 3	       /* where live was exchanged, or a manifest replaced, under our eyes */

static const struct verify_place index_place = {VERIFY_NONE, VERIFY_NONE, VERIFY_NONE, "", "live/.ecl/index"};

/* Whether we may read it. */
static bool
may_read(const struct verify *v)
{
	struct err why = {0};
	int fd;

	if ((fd = io_open_file(v->layer->ecl_fd, INDEX_DIR "/head", O_RDONLY, 0, &why)) != -1)
		close(fd);
	return (fd != -1 || !verify_is_denied(why.sys));
}

/* What the index says of itself.  Return 0, 1 with what is wrong in ${fault}, or -1. */
static int
look(struct verify *v, struct index *ix, struct buf *fault, struct err *e)
{
	struct verify_claim *c;
	uint8_t root[SHA256_SIZE];
	uint64_t size = index_published(ix);
	struct err why = {0};
	int rc;

	if ((rc = index_sums(ix, fault, e)) != 0 || size == 0)
		return (rc);
	if (index_root(ix, size, root, &why) != 0) {
		buf_adds(fault, why.text);
		return (1);
	}
	if ((c = verify_trust_add(v, CLAIM_INDEX, "")) == NULL)
		return (err_mem(e));
	c->size = size;
	memcpy(c->root, root, SHA256_SIZE);
	return (0);
}

int
verify_index(struct verify *v, struct err *e)
{
	struct verify_trust *t = &v->trust;
	struct err why = {0};
	struct index *ix;
	struct log *log;
	int try, rc = 1;

	if (v->layer->bare || !may_read(v))
		return (0); /* of a bare layer, nobody can bring it up to date */
	for (try = 0; try < TRIES && rc == 1; try++) {
		buf_reset(&t->index_fault);
		if (log_open(v->layer->ecl_fd, layer_reader_root(v->layer), &log, &why) != 0)
			break; /* told where the log is looked at */
		if (index_open(v->layer->ecl_fd, log, INDEX_TREE | INDEX_LAZY, &ix, &why) == 0) {
			rc = look(v, ix, &t->index_fault, e);
			t->indexed = index_published(ix);
			index_free(ix);
		}
		log_free(log);
	}
	t->has_index = rc == 0;
	return (rc == -1 ? -1 : 0);
}

void
verify_index_finish(struct verify_pass *p)
{
	struct verify *v = p->v;
	struct verify_trust *t = &v->trust;
	const struct verify_claim *c;

	if (t->index_fault.len > 0)
		verify_found(v, VERIFY_INDEX_DAMAGED, &index_place, "%s: 'ecl-index --rebuild' makes it anew", buf_cstr(&t->index_fault));
	if (!t->has_index)
		return;
	for (c = t->claim; c < t->claim + t->n; c++)
		if (c->from == CLAIM_INDEX && c->state == CLAIM_DIFFERS)
			verify_found(v, VERIFY_INDEX_DAMAGED, &index_place,
			    "its Merkle tree is not that of the first %" PRIu64 " events: 'ecl-index --rebuild' makes it anew", c->size);
	if (p->seq > t->indexed && p->seq - t->indexed > LAG_MAX)
		verify_found(v, VERIFY_INDEX_LAG, &index_place, "it lacks the last %" PRIu64 " of %" PRIu64 " events: 'ecl-index' brings it up to date",
		    p->seq - t->indexed, p->seq);
}
