/* Which events are asked for. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "glance.h"
#include "glob.h"
#include "json.h"

#include "banned.h"

#define CHUNK (1u << 20)

int
filter_add(struct filter *f, const char *glob)
{
	struct filter_glob *more, *g;

	if ((more = realloc(f->glob, (f->globs + 1) * sizeof(*more))) == NULL)
		return (-1);
	f->glob = more;
	g = &f->glob[f->globs++];
	g->text = (struct span){glob, strlen(glob)};
	g->literal = glob_prefix(g->text).len;
	g->exact = g->literal == g->text.len;
	g->prefix = g->literal + 1 == g->text.len && glob[g->literal] == '*';
	g->own = event_reserved(g->text);
	return (0);
}

int
filter_set_actor(struct filter *f, const char *actor)
{
	buf_reset(&f->token);
	json_escape(&f->token, (struct span){actor, strlen(actor)});
	f->actor = (struct span){f->token.data, f->token.len};
	return (f->token.failed ? -1 : 0);
}

int
filter_copy(const struct filter *f, struct filter *ret)
{
	struct filter_glob *glob = NULL;

	if (f->globs > 0) {
		if ((glob = malloc(f->globs * sizeof(*glob))) == NULL)
			return (-1);
		memcpy(glob, f->glob, f->globs * sizeof(*glob));
	}
	*ret = (struct filter){.glob = glob, .globs = f->globs, .action = f->action, .actor = f->actor};
	return (0);
}

void
filter_release(struct filter *f)
{
	free(f->glob);
	buf_release(&f->token);
	memset(f, 0, sizeof(*f));
}

bool
filter_empty(const struct filter *f)
{
	return (f->globs == 0 && f->action.p == NULL && f->actor.p == NULL);
}

static void
make_exact(struct filter_glob *g)
{
	g->exact = true;
	g->literal = g->text.len;
}

int
filter_settle(struct filter *f, struct index *ix, struct err *e)
{
	struct element el;
	size_t i;
	int rc;

	for (i = 0; i < f->globs; i++) {
		if (f->glob[i].exact)
			continue;
		rc = index_lookup(ix, f->glob[i].text, &el, e);
		if (rc < 0)
			return (-1);
		if (rc > 0)
			make_exact(&f->glob[i]);
	}
	return (0);
}

/* Whether ${needle} stands in the bytes of the log from one place to another. */
static int
log_holds(struct log *log, struct span needle, const struct log_reader *from, const struct log_reader *to, struct buf *chunk,
    struct err *e)
{
	uint64_t at, limit;
	size_t i, want;

	for (i = from->segment; i <= to->segment && i < log->segments; i++) {
		limit = to->offset;
		if (i != to->segment && log_segment_size(log, i, &limit, e) != 0)
			return (-1);
		for (at = i == from->segment ? from->offset : 0; at + needle.len <= limit; at += want - (needle.len - 1)) {
			want = limit - at < CHUNK ? (size_t)(limit - at) : CHUNK;
			buf_reset(chunk);
			if (buf_reserve(chunk, want) != 0)
				return (err_mem(e));
			if (log_pread(log, i, chunk->data, want, at, e) != 0)
				return (-1);
			if (memmem(chunk->data, want, needle.p, needle.len) != NULL)
				return (1);
		}
	}
	return (0);
}

/* Whether it may be a name, and is not known to be one. */
static bool
open_question(const struct filter_glob *g)
{
	return (!g->exact && event_name_fault(g->text) == NULL);
}

bool
filter_settled(const struct filter *f)
{
	size_t i;

	for (i = 0; i < f->globs; i++)
		if (open_question(&f->glob[i]))
			return (false);
	return (true);
}

int
filter_settle_by_log(struct filter *f, struct log *log, uint64_t from, uint64_t to, struct err *e)
{
	struct buf needle = BUF_INIT, chunk = BUF_INIT;
	struct log_reader first, last;
	size_t i;
	int rc = 0;

	if (from >= to || filter_settled(f))
		return (0);
	if (log_seek(log, from, &first, e) != 0 || log_seek(log, to, &last, e) != 0)
		return (-1);
	log_reader_release(&first);
	log_reader_release(&last);
	for (i = 0; i < f->globs && rc >= 0; i++) {
		if (!open_question(&f->glob[i]))
			continue;
		/* Nowhere else do these bytes stand: canonical JSON has no member `action` behind `element`. */
		buf_reset(&needle);
		buf_adds(&needle, ",\"element\":");
		json_escape(&needle, f->glob[i].text);
		buf_adds(&needle, ",\"action\":\"");
		if (needle.failed)
			rc = err_mem(e);
		else if ((rc = log_holds(log, (struct span){needle.data, needle.len}, &first, &last, &chunk, e)) > 0)
			make_exact(&f->glob[i]);
	}
	buf_release(&needle);
	buf_release(&chunk);
	return (rc < 0 ? -1 : 0);
}

bool
filter_all_exact(const struct filter *f)
{
	size_t i;

	for (i = 0; i < f->globs; i++) {
		if (!f->glob[i].exact)
			return (false);
	}
	return (f->globs > 0);
}

struct span
filter_common(const struct filter *f)
{
	struct span s = {"", 0};
	size_t i, n;

	if (f->globs > 0)
		s = (struct span){f->glob[0].text.p, f->glob[0].literal};
	for (i = 1; i < f->globs; i++) {
		for (n = 0; n < s.len && n < f->glob[i].literal && s.p[n] == f->glob[i].text.p[n];
		     n++)
			;
		s.len = n;
	}
	return (s);
}

static bool
glob_fits(const struct filter_glob *g, struct span name)
{
	if (g->exact)
		return (span_eq(name, g->text));
	if (name.len < g->literal || memcmp(name.p, g->text.p, g->literal) != 0)
		return (false);
	return (g->prefix ? g->own || !event_reserved(name) : glob_match(g->text, name));
}

bool
filter_name(const struct filter *f, struct span name)
{
	size_t i;

	for (i = 0; i < f->globs; i++) {
		if (glob_fits(&f->glob[i], name))
			return (true);
	}
	return (f->globs == 0 && !event_reserved(name));
}

bool
filter_event(const struct filter *f, const struct event *ev)
{
	return ((f->action.p == NULL || span_eq(f->action, ev->action)) &&
	    (f->actor.p == NULL || (ev->actor.p != NULL && span_eq(f->actor, ev->actor))));
}

int
filter_line(const struct filter *f, struct span line, struct err *e)
{
	struct buf name = BUF_INIT;
	struct span actor;
	struct glance g;
	bool fits = true;

	if (glance_line(line, &g) != 0)
		return (err_set(e, "the log is corrupt: a line is no event; run 'ecl-verify'"));
	if (f->action.p != NULL && !span_eq(f->action, g.action))
		return (0);
	if (f->globs > 0) {
		fits = filter_name(f, glance_text(g.element, &name));
		if (name.failed)
			return (err_mem(e));
		buf_release(&name);
	}
	if (!fits || f->actor.p == NULL)
		return (fits);
	if (glance_actor(line, &g, &actor) != 0)
		return (err_set(e, "the log is corrupt: event %llu has no good actor; run 'ecl-verify'",
		    (unsigned long long)g.seq));
	return (actor.p != NULL && span_eq(f->actor, actor));
}
