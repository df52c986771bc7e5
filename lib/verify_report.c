/* What a verification found, for programs and for people. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "log.h"
#include "verify_report.h"

#include "banned.h"

static struct span
text(const char *s)
{
	return ((struct span){s, strlen(s)});
}

/* ---- for programs ---- */

static void
json_number(struct buf *out, const char *name, uint64_t n)
{
	if (n != VERIFY_NONE)
		buf_addf(out, ",\"%s\":%" PRIu64, name, n);
}

static void
json_text(struct buf *out, const char *name, const char *s)
{
	if (s[0] == '\0')
		return;
	buf_addf(out, ",\"%s\":", name);
	cli_json_string(text(s), out);
}

/* The end of a line: which root it is about, where there are several. */
static void
json_end(const struct verify_report *r, struct buf *out)
{
	if (r->root != NULL)
		json_text(out, "root", r->root);
	buf_adds(out, "}\n");
}

static void
json_finding(const struct verify_report *r, const struct verify_finding *f, struct buf *out)
{
	char segment[LOG_NAME_SIZE] = "";

	if (f->segment != VERIFY_NONE)
		log_segment_name(f->segment, segment);
	buf_addf(out, "{\"class\":\"%s\"", verify_class_name(f->class));
	json_number(out, "seq", f->seq);
	json_text(out, "segment", segment);
	json_number(out, "offset", f->offset);
	json_text(out, "block", f->block);
	json_text(out, "path", f->path);
	json_text(out, "message", f->message);
	json_end(r, out);
}

static void
json_summary(const struct verify_report *r, const struct verify_result *v, struct buf *out)
{
	struct buf id = BUF_INIT;

	buf_addf(out,
	    "{\"verdict\":\"%s\",\"events\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.3f,"
	    "\"anchored\":%" PRIu64 ",\"signed\":%" PRIu64 ",\"head\":",
	    verify_class_name(v->verdict), v->events, v->blocks, v->bytes, (double)r->us / 1e6, v->anchored, v->vouched);
	if (v->events > 0) {
		buf_addc(out, '"');
		buf_addhex(out, v->head, SHA256_SIZE);
		buf_addc(out, '"');
	} else
		buf_adds(out, "null");
	if (v->signer != NULL) {
		buf_addf(&id, "%s+%08" PRIx32, v->signer->name, v->signer->id);
		json_text(out, "signer", buf_cstr(&id));
		out->failed |= id.failed;
		buf_release(&id);
	}
	if (r->opt->quorum > 0)
		json_number(out, "witnessed", v->witnessed);
	if (r->opt->since != NULL)
		json_number(out, "since", v->since);
	if (v->more > 0)
		json_number(out, "omitted", v->more);
	json_end(r, out);
}

/* ---- for people ---- */

static void
line_root(const struct verify_report *r, struct buf *out)
{
	if (r->root == NULL)
		return;
	cli_printable(text(r->root), out);
	buf_adds(out, ": ");
}

/* corrupt: 00000000000000000000.ndjson, byte 4711: event 12 does not have the hash that it says */
static void
line_finding(const struct verify_report *r, const struct verify_finding *f, struct buf *out)
{
	const char *style = f->class < VERIFY_UNCHECKED ? "33" : "1;31";
	char segment[LOG_NAME_SIZE];

	line_root(r, out);
	if (r->color)
		buf_addf(out, "\033[%sm%s\033[0m: ", style, verify_class_name(f->class));
	else
		buf_addf(out, "%s: ", verify_class_name(f->class));
	if (f->block[0] != '\0')
		buf_addf(out, "%s%s", f->block, f->path[0] == '\0' ? ": " : "/");
	if (f->path[0] != '\0')
		buf_addf(out, "%s: ", f->path);
	if (f->segment != VERIFY_NONE) {
		log_segment_name(f->segment, segment);
		buf_addf(out, "%s, ", segment);
	}
	if (f->offset != VERIFY_NONE)
		buf_addf(out, "byte %" PRIu64 ": ", f->offset);
	cli_printable(text(f->message), out);
	buf_addc(out, '\n');
}

/* ${n} events from the first one on. */
static void
line_first(const struct verify_report *r, const char *what, uint64_t n, struct buf *out)
{
	line_root(r, out);
	if (n == 0)
		buf_addf(out, "%s: nothing", what);
	else if (n == 1)
		buf_addf(out, "%s: event 0", what);
	else
		buf_addf(out, "%s: events 0 to %" PRIu64, what, n - 1);
}

/* Who vouches for how much. */
static void
lines_trust(const struct verify_report *r, const struct verify_result *v, struct buf *out)
{
	if (r->opt->keys > 0) {
		line_first(r, "signed", v->vouched, out);
		if (v->signer != NULL) {
			buf_adds(out, ", by ");
			cli_printable(text(v->signer->name), out);
			buf_addf(out, "+%08" PRIx32, v->signer->id);
		}
		buf_addc(out, '\n');
	}
	if (r->opt->quorum > 0) {
		line_first(r, "witnessed", v->witnessed, out);
		if (v->witnessed > 0)
			buf_addf(out, ", by %zu or more of %zu", r->opt->quorum, r->opt->witnesses);
		buf_addc(out, '\n');
	}
	if (r->opt->since != NULL) {
		line_first(r, "not checked", v->since, out);
		if (v->since > 0)
			buf_addf(out, ", blocks up to %s; states in the headers of later blocks", v->since_block);
		buf_addc(out, '\n');
	}
}

static void
line_summary(const struct verify_report *r, const struct verify_result *v, struct buf *out)
{
	double seconds = (double)(r->us > 0 ? r->us : 1) / 1e6;
	const char *on = "", *off = "";
	uint64_t wrong = 0;
	int class;

	for (class = VERIFY_UNCHECKED; class < VERIFY_CLASSES; class ++)
		wrong += v->count[class];
	if (r->color) {
		on = v->verdict == VERIFY_OK ? "\033[1;32m" : "\033[1;31m";
		off = "\033[0m";
	}
	line_root(r, out);
	buf_addf(out, "%s%s%s: %" PRIu64 " event%s", on, verify_class_name(v->verdict), off, v->events,
	    v->events == 1 ? "" : "s");
	if (!r->from_stdin && !r->opt->quick)
		buf_addf(out, " and %" PRIu64 " block%s", v->blocks, v->blocks == 1 ? "" : "s");
	buf_addf(out, " checked in %.3f s (%.0f events a second); ", seconds, (double)v->events / seconds);
	if (wrong > 0)
		buf_addf(out, "%" PRIu64 " %s wrong", wrong, wrong == 1 ? "thing is" : "things are");
	else
		buf_adds(out, "nothing is wrong");
	if (v->anchored > 0)
		buf_addf(out, "; the first %" PRIu64 " events stand in a block too", v->anchored);
	buf_addc(out, '\n');
	lines_trust(r, v, out);
}

void
verify_report_json(const struct verify_report *r, const struct verify_result *v, struct buf *out)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		json_finding(r, &v->finding[i], out);
	json_summary(r, v, out);
}

void
verify_report_text(const struct verify_report *r, const struct verify_result *v, struct buf *out)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		line_finding(r, &v->finding[i], out);
	line_summary(r, v, out);
}
