/* One question, asked of several ledgers. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "ranking.h"
#include "roots.h"
#include "timeline.h"

#include "banned.h"

/* What can be asked.  Return 1, or 0 with a warning. */
static int
is_whole(const struct ask *a, const struct root_entry *root, size_t *lost)
{
	if (root->kind == ROOT_WHOLE)
		return (1);
	if (root->kind == ROOT_HALF_MADE) {
		cli_warn(a->cli, "root '%s' is half-made: 'ecl-init' finishes it", root->name);
		return (0);
	}
	cli_warn(a->cli, "root '%s': %s", root->name, strerror(root->sys));
	++*lost;
	return (0);
}

static void
root_token(const char *name, struct buf *out)
{
	buf_reset(out);
	/* A name of a file need not be UTF-8. */
	cli_json_string((struct span){name, strlen(name)}, out);
}

static int
one_after_the_other(const struct ask *a, const char *dir, const struct roots *roots, size_t *lost)
{
	char path[PATH_MAX];
	struct buf name = BUF_INIT;
	struct err why;
	size_t i;

	for (i = 0; i < roots->n && !present_full(a->present); i++) {
		if (!is_whole(a, &roots->entry[i], lost))
			continue;
		why = (struct err){0};
		root_token(roots->entry[i].name, &name);
		a->present->root = (struct span){name.data, name.len};
		snprintf(path, sizeof(path), "%s/%s", dir, roots->entry[i].name);
		if (name.failed)
			err_mem(&why);
		else if (ask_root(a, path, &why) == 0)
			continue;
		cli_warn(a->cli, "root '%s': %s", roots->entry[i].name, why.text);
		++*lost;
	}
	a->present->root = (struct span){NULL, 0};
	buf_release(&name);
	return (0);
}

static int
by_time(const struct ask *a, const char *dir, const struct roots *roots, size_t *lost,
    struct err *e)
{
	char path[PATH_MAX];
	struct timeline *t;
	size_t i, unread = 0;
	int rc = 0;

	if ((t = timeline_new(a)) == NULL)
		return (err_mem(e));
	for (i = 0; rc == 0 && i < roots->n; i++) {
		if (!is_whole(a, &roots->entry[i], lost))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, roots->entry[i].name);
		if (timeline_add(t, roots->entry[i].name, path) != 0)
			rc = err_mem(e);
	}
	if (rc == 0)
		rc = timeline_answer(t, &unread, e);
	*lost += unread;
	timeline_free(t);
	return (rc);
}

static int
by_score(const struct ask *a, const char *dir, const struct roots *roots, size_t *lost,
    struct err *e)
{
	char path[PATH_MAX];
	struct ranking *r;
	struct err why;
	size_t i;
	int rc = 0;

	if ((r = ranking_new(a)) == NULL)
		return (err_mem(e));
	for (i = 0; rc == 0 && i < roots->n; i++) {
		if (!is_whole(a, &roots->entry[i], lost))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, roots->entry[i].name);
		why = (struct err){0};
		if ((rc = ranking_add(r, roots->entry[i].name, path, &why)) == 1) {
			cli_warn(a->cli, "root '%s': %s", roots->entry[i].name, why.text);
			++*lost;
			rc = 0;
		} else if (rc == -1)
			err_mem(e);
	}
	if (rc == 0)
		rc = ranking_answer(r, e);
	ranking_free(r);
	return (rc);
}

static int
add_like(const struct ask *a, const char *path, const char *name, struct answer_like *answers, struct err *e)
{
	struct place p;
	int rc;

	if (ask_points(a, path, &p, e) != 0)
		return (-1);
	rc = ask_like(&p, name, answers, e);
	ask_close(&p);
	return (rc);
}

static int
by_likeness(const struct ask *a, const char *dir, const struct roots *roots, size_t *lost, struct err *e)
{
	char path[PATH_MAX];
	struct answer_like *answers;
	struct err why;
	size_t i;
	int rc;

	if ((answers = answer_like_new(a->k)) == NULL)
		return (err_mem(e));
	for (i = 0; i < roots->n; i++) {
		if (!is_whole(a, &roots->entry[i], lost))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, roots->entry[i].name);
		why = (struct err){0};
		if (add_like(a, path, roots->entry[i].name, answers, &why) != 0) {
			cli_warn(a->cli, "root '%s': %s", roots->entry[i].name, why.text);
			++*lost;
		}
	}
	rc = answer_like_give(answers, a->present, e);
	answer_like_free(answers);
	return (rc);
}

int
ask_roots(const struct ask *a, const char *dir, size_t *ret_lost, struct err *e)
{
	struct roots roots;
	int rc;

	*ret_lost = 0;
	/* What has a Merkle root has no second member of that name. */
	a->present->root_name = a->what == ASK_LAYER || a->what == ASK_BLOCKS ? "ledger" : "root";
	if (roots_list(dir, &roots, e) != 0)
		return (-1);
	if (roots.n == 0)
		rc = err_set(e, "no ledger directly under '%s'", dir);
	else if (a->what == ASK_HISTORY)
		rc = by_time(a, dir, &roots, ret_lost, e);
	else if (a->what == ASK_SIMILAR || a->what == ASK_UNUSUAL)
		rc = by_score(a, dir, &roots, ret_lost, e);
	else if (a->what == ASK_LIKE)
		rc = by_likeness(a, dir, &roots, ret_lost, e);
	else
		rc = one_after_the_other(a, dir, &roots, ret_lost);
	roots_release(&roots);
	return (rc);
}
