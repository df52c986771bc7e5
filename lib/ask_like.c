/* One question, when the layer was like this, and the ledger that it is asked of. */
#include "config.h"

#include <string.h>

#include "ask.h"
#include "when.h"

#include "banned.h"

#define CANDIDATES 2 /* times as many as wanted: of those that are about as near, what differs decides */

static const char *
plural(size_t n)
{
	return (n == 1 ? "" : "s");
}

/* What could not be compared. */
static void
say_left(const struct place *p, const char *root, const struct query_like_left *left)
{
	const struct cli *cli = p->ask->cli;
	const char *before = root == NULL ? "" : "root '", *behind = root == NULL ? "" : "': ";

	root = root == NULL ? "" : root;
	if (left->nothing)
		cli_info(cli, "%s%s%sthe layer at '%s' has no vector: nothing lived that has words", before, root, behind, p->ask->value);
	if (left->without > 0)
		cli_info(cli, "%s%s%s%zu block%s without a vector left out", before, root, behind, left->without, plural(left->without));
	if (left->other > 0)
		cli_info(cli, "%s%s%s%zu block%s with a vector of another embedder left out", before, root, behind, left->other, plural(left->other));
}

int
ask_like(struct place *p, const char *root, struct answer_like *answers, struct err *e)
{
	struct query *q = &p->query;
	uint64_t but = when_is_block(p->ask->value) ? q->size : UINT64_MAX;
	struct query_like_left left;
	char snapshots[ASK_PATH];
	struct buf token = BUF_INIT;
	struct nearest found;
	int rc;

	if (ask_blocks(p, e) != 0 || ask_snapshots(p, snapshots, e) != 0 ||
	    query_like(q, p->may_command ? 0 : EMBEDDER_NO_COMMAND, &p->blocks.list, but, CANDIDATES * p->ask->k, &found, &left, e) != 0)
		return (-1);
	say_left(p, root, &left);
	/* A name of a file need not be UTF-8. */
	if (root != NULL)
		cli_json_string((struct span){root, strlen(root)}, &token);
	if (token.failed)
		rc = err_mem(e);
	else
		rc = answer_like_add(answers, q, &p->blocks, &found, snapshots, (struct span){token.data, token.len}, e);
	buf_release(&token);
	nearest_release(&found);
	return (rc);
}
