/* The elements of the index in the order of their names: dirty ones in memory and the runs, as one sequence. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "index_impl.h"

#include "banned.h"

#define AHEAD 8 /* entries that are fetched before their turn */

/* Take the next record of source ${i}, or the source out.  Return 0 or -1. */
static int
step(struct merge *m, size_t i, struct err *why)
{
	struct merge_source *s = m->source[i];
	int rc = run_iter_next(&s->it, &s->rec, why);

	if (rc == 0) {
		free(s);
		m->sources--;
		memmove(m->source + i, m->source + i + 1, (m->sources - i) * sizeof(struct merge_source *));
	}
	return (rc == -1 ? -1 : 0);
}

/* Place a run's iterator on the first name that counts. */
static int
add_source(struct merge *m, struct run *r, struct span prefix, struct span after, struct err *why)
{
	struct merge_source *s;

	if ((s = malloc(sizeof(*s))) == NULL)
		return (err_mem(why));
	m->source[m->sources++] = s;
	if (run_iter_begin(&s->it, r, after.p != NULL ? after : prefix, why) != 0 || step(m, m->sources - 1, why) != 0)
		return (-1);
	if (after.p != NULL && m->sources > 0 && m->source[m->sources - 1] == s && span_eq(s->rec.name, after))
		return (step(m, m->sources - 1, why));
	return (0);
}

int
merge_begin(struct merge *m, const struct etable *table, struct run *const *run, size_t runs, struct span prefix, struct span after,
    struct err *e)
{
	size_t i;

	memset(m, 0, sizeof(*m));
	m->table = table;
	if (etable_sorted(table, prefix, after, &m->entry, &m->entries) != 0)
		return (err_mem(e));
	if (runs == 0)
		return (0);
	if ((m->source = calloc(runs, sizeof(struct merge_source *))) == NULL)
		return (err_mem(e));
	for (i = runs; i-- > 0;)
		if (add_source(m, run[i], prefix, after, e) != 0)
			return (INDEX_DAMAGED);
	return (0);
}

void
merge_end(struct merge *m)
{
	while (m->sources > 0)
		free(m->source[--m->sources]);
	free(m->source);
	free(m->entry);
	memset(m, 0, sizeof(*m));
}

static void
record_from_entry(struct run_record *ret, const struct entry *en)
{
	*ret = (struct run_record){entry_name(en), en->id, en->first, en->last, en->last_state, en->alive};
}

int
merge_next(struct merge *m, struct run_record *ret, struct err *e)
{
	struct span name = {NULL, 0};
	size_t i;

	/* The entries lie anywhere. */
	if (m->at + 2 * AHEAD < m->entries) {
		__builtin_prefetch(&m->table->entry[m->entry[m->at + 2 * AHEAD]]);
		__builtin_prefetch(m->table->entry[m->entry[m->at + AHEAD]].name);
	}
	/* On a tie the first wins: memory, then the newest run. */
	if (m->at < m->entries) {
		record_from_entry(ret, &m->table->entry[m->entry[m->at]]);
		name = ret->name;
	}
	m->of_run = false;
	for (i = 0; i < m->sources; i++)
		if (name.p == NULL || span_cmp(m->source[i]->rec.name, name) < 0) {
			*ret = m->source[i]->rec;
			name = ret->name;
			m->of_run = true;
		}
	if (name.p == NULL)
		return (0);
	memcpy(m->name, name.p, name.len);
	ret->name = name = (struct span){m->name, name.len};
	if (m->at < m->entries && span_eq(entry_name(&m->table->entry[m->entry[m->at]]), name))
		m->at++;
	for (i = m->sources; i-- > 0;)
		if (span_eq(m->source[i]->rec.name, name) && step(m, i, e) != 0)
			return (INDEX_DAMAGED);
	return (1);
}
