/* The answers of ecl-query: events with a score. */
#include "config.h"

#include <string.h>

#include "answer.h"
#include "event.h"
#include "fetch.h"

#include "banned.h"

#define NAME_MARKS 16 /* words of a name that are highlighted */
#define STATE_MARKS 64

/* For people: what makes it an answer. */
static int
show(struct present *p, const struct event *ev, double score, const struct lexical *words)
{
	struct span name[NAME_MARKS], state[STATE_MARKS];
	size_t names = 0, states = 0;

	if (words != NULL) {
		names = lexical_marks(words, ev->element, false, name, NAME_MARKS);
		states = lexical_marks(words, ev->state, true, state, STATE_MARKS);
	}
	struct cell cells[] = {
	    {.name = "score", .kind = CELL_SCORE, .score = score},
	    {.name = "seq", .kind = CELL_NUMBER, .n = ev->seq},
	    {.name = "time", .kind = CELL_TIME, .n = (uint64_t)ev->time_us},
	    {.name = "element", .kind = CELL_FOUND, .text = ev->element, .mark = name, .marks = names},
	    {.name = "action", .kind = CELL_NAME, .text = ev->action},
	    {.name = "state", .kind = CELL_FOUND, .text = ev->state, .mark = state, .marks = states, .state = true},
	};

	return (present_answer(p, NULL, cells, sizeof(cells) / sizeof(cells[0])));
}

static int
give(struct present *p, struct span line, const struct event *ev, double score)
{
	struct cell cells[] = {
	    {.name = "seq", .kind = CELL_NUMBER, .n = ev->seq},
	    {.name = "time", .kind = CELL_TIME, .n = (uint64_t)ev->time_us},
	    {.name = "element", .kind = CELL_NAME, .text = ev->element},
	    {.name = "action", .kind = CELL_NAME, .text = ev->action},
	    {.name = "state", .kind = CELL_JSON, .text = ev->state},
	    {.name = "actor", .kind = CELL_TEXT, .text = ev->actor},
	    {.name = "cause", .kind = CELL_TEXT, .text = ev->cause},
	    {.name = "score", .kind = CELL_SCORE, .score = score, .more = true},
	};

	return (present_answer(p, &line, cells, sizeof(cells) / sizeof(cells[0])));
}

static int
give_event(struct present *p, struct span line, const struct event *ev, double score, const struct lexical *words, struct err *e)
{
	int rc = p->format == PRESENT_TABLE ? show(p, ev, score, words) : give(p, line, ev, score);

	return (rc == -1 ? err_mem(e) : rc);
}

int
answer_scored(struct present *p, struct span line, double score, const struct lexical *words, struct err *e)
{
	struct json_fault f;
	struct event ev;

	if (event_parse(line, &ev, &f) != 0)
		return (err_set(e, "an event of the log is none: %s; run 'ecl-verify'", f.what));
	return (give_event(p, line, &ev, score, words, e));
}

/* The events that were found, read together. */
struct found {
	struct present *out;
	const struct nearest_hit *hit; /* the next one */
	struct lexical words;
	struct fetch fetch;
	struct err *e;
};

static int
visit(void *arg, struct span name, const struct event *ev)
{
	struct found *f = arg;

	(void)name;
	return (give_event(f->out, f->fetch.line, ev, f->hit++->score, &f->words, f->e));
}

int
answer_similar(struct query *q, const struct similar_target *t, size_t k, struct present *p, struct err *e)
{
	struct found f = {.out = p, .e = e};
	struct nearest found;
	size_t i;
	int rc;

	if (query_similar(q, t, k, &found, e) != 0)
		return (-1);
	fetch_init(&f.fetch, q->ledger->index, visit, &f);
	f.hit = found.hit;
	rc = similar_is_text(t) ? lexical_init(&f.words, (struct span){t->text, strlen(t->text)}, NULL, e) : 0;
	for (i = 0; rc == 0 && i < found.n; i++)
		rc = fetch_add(&f.fetch, (struct span){NULL, 0}, found.hit[i].seq, e);
	if (rc == 0)
		rc = fetch_flush(&f.fetch, e);
	fetch_release(&f.fetch);
	lexical_release(&f.words);
	nearest_release(&found);
	return (rc == -1 ? -1 : 0);
}
