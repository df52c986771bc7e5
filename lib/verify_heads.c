/*
 * The elements as of a block that is taken on trust, from the index in the block.  That is no evidence; but its elements and the seqs of their
 * last events are the leaves of the tree whose root the block's header has as `heads'.
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "index.h"
#include "io.h"
#include "verify_internal.h"

#include "banned.h"

static int
add(void *arg, const struct element *el)
{
	struct verify_element *mine = verify_table_get(arg, el->name);

	if (mine == NULL)
		return (1);
	mine->last = el->last;
	return (0);
}

/* Whether ${t} has the block's heads.  Return 1, 0 or -1. */
static int
is_of_header(struct verify_table *t, const struct block_header *h, struct err *e)
{
	uint8_t root[SHA256_SIZE];

	if (t->n != h->elements)
		return (0);
	if (verify_table_sort(t) != 0)
		return (err_mem(e));
	verify_table_heads(t, root);
	return (memcmp(root, h->heads, SHA256_SIZE) == 0);
}

static int
read_index(int ecl_fd, const struct block_header *h, struct verify_table *ret, struct err *e)
{
	struct index *ix = NULL;
	struct log *log;
	int rc = 0;

	if (log_open(ecl_fd, -1, &log, NULL) != 0)
		return (0);
	if (log->end.size == h->size && index_open(ecl_fd, log, INDEX_NO_HASHES, &ix, NULL) == 0 && index_size(ix) == h->size) {
		rc = index_each(ix, (struct span){"", 0}, add, ret, NULL);
		rc = rc == 0 ? is_of_header(ret, h, e) : rc == 1 ? err_mem(e) : 0;
	}
	index_free(ix);
	log_free(log);
	return (rc);
}

int
verify_heads(const struct verify *v, const struct block *b, struct verify_table *ret, struct err *e)
{
	int dir, ecl_fd, rc = 0;

	if ((dir = verify_block_open(v, b, NULL)) == -1)
		return (0);
	if ((ecl_fd = io_open_dir(dir, ".ecl", NULL)) != -1) {
		rc = read_index(ecl_fd, &b->header, ret, e);
		close(ecl_fd);
	}
	close(dir);
	return (rc);
}
