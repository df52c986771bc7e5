/* The answers of ecl-query: what is unusual. */
#include "config.h"

#include <stdlib.h>

#include "answer.h"
#include "event.h"

#include "banned.h"

int
answer_unusual_line(struct present *p, struct span line, const struct unusual_hit *hit, struct err *e)
{
	bool table = p->format == PRESENT_TABLE; /* there a state without room stands below its row */
	struct json_fault f;
	struct event ev;
	int rc;

	if (event_parse(line, &ev, &f) != 0)
		return (err_set(e, "an event of the log is none: %s; run 'ecl-verify'", f.what));
	struct cell cells[] = {
	    {.name = "score", .kind = CELL_SCORE, .score = hit->score, .more = true},
	    {.name = "seq", .kind = CELL_NUMBER, .n = ev.seq},
	    {.name = "time", .kind = CELL_TIME, .n = (uint64_t)ev.time_us},
	    {.name = "element", .kind = CELL_NAME, .text = ev.element},
	    {.name = "action", .kind = CELL_NAME, .text = ev.action},
	    {.name = "state", .kind = table ? CELL_FOUND : CELL_JSON, .text = ev.state, .state = true},
	    {.name = "nearest", .kind = CELL_NUMBER, .n = hit->nearest, .more = true},
	};
	rc = present_answer(p, &line, cells, sizeof(cells) / sizeof(cells[0]));
	return (rc == -1 ? err_mem(e) : rc);
}

int
answer_unusual(struct query *q, const struct similar_target *t, size_t k, struct present *p, struct err *e)
{
	struct buf line = BUF_INIT;
	struct unusual_hit *hit;
	size_t n, i;
	int rc = 0;

	if (query_unusual(q, t, k, &hit, &n, e) != 0)
		return (-1);
	for (i = 0; rc == 0 && i < n; i++) {
		if ((rc = index_line(q->ledger->index, hit[i].seq, &line, e)) == 0)
			rc = answer_unusual_line(p, (struct span){line.data, line.len}, &hit[i], e);
	}
	buf_release(&line);
	free(hit);
	return (rc == -1 ? -1 : 0);
}
