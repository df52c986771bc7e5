/* What a proof proves, for programs and for people. */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "io.h"
#include "proof_report.h"

#include "banned.h"

#define PIECE 65536

int
proof_read(const char *name, size_t max, struct buf *out, struct err *e)
{
	bool is_stdin = strcmp(name, "-") == 0;
	ssize_t n = -1;
	int fd;

	if ((fd = is_stdin ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC)) == -1)
		return (err_sys(e, "cannot open '%s'", name));
	while (out->len <= max && buf_reserve(out, PIECE) == 0 && (n = io_read(fd, out->data + out->len, PIECE)) > 0)
		out->len += (size_t)n;
	if (out->failed)
		err_mem(e);
	else if (out->len > max)
		err_set(e, "'%s' has more than %zu bytes", is_stdin ? "standard input" : name, max);
	else if (n < 0)
		err_sys(e, "cannot read '%s'", is_stdin ? "standard input" : name);
	if (!is_stdin)
		close(fd);
	return (n == 0 && !out->failed && out->len <= max ? 0 : -1);
}

/* ---- for programs ---- */

static void
json_name(const char *member, struct span name, struct buf *out)
{
	buf_addf(out, ",\"%s\":", member);
	cli_json_string(name, out);
}

static void
json_event(const struct proof *p, struct buf *out)
{
	char time[TIME_SIZE];

	event_time_format(p->event.time_us, time);
	buf_addf(out, ",\"seq\":%" PRIu64 ",\"time\":\"%s\"", p->event.seq, time);
	json_name("element", p->event.element, out);
	json_name("action", p->event.action, out);
	buf_adds(out, ",\"event\":");
	buf_addspan(out, p->line);
}

void
proof_report_json(const struct proof *p, struct buf *out)
{
	static const char *const kinds[] = {[TLOG_EVENT] = "event", [TLOG_LATEST] = "latest", [TLOG_CONSISTENCY] = "consistency"};
	char name[BLOCK_NAME_SIZE];

	buf_addf(out, "{\"verdict\":\"ok\",\"proof\":\"%s\"", kinds[p->kind]);
	json_name("origin", p->origin, out);
	buf_addf(out, ",\"size\":%" PRIu64 ",\"root\":\"", p->size);
	buf_addhex(out, p->root, SHA256_SIZE);
	buf_addf(out, "\",\"signed\":%s,\"witnesses\":%zu", p->signer != NULL ? "true" : "false", p->witnesses);
	if (p->kind == TLOG_LATEST) {
		block_name(&p->block, name);
		buf_addf(out, ",\"block\":\"%s\"", name);
	}
	if (p->kind == TLOG_CONSISTENCY)
		buf_addf(out, ",\"old\":%" PRIu64, p->old);
	else
		json_event(p, out);
	buf_adds(out, "}\n");
}

/* ---- for people ---- */

static void
add_events(uint64_t n, struct buf *out)
{
	buf_addf(out, "%" PRIu64 " event%s", n, n == 1 ? "" : "s");
}

/* The event itself, on a line of its own. */
static void
text_event(const struct event *ev, struct buf *out)
{
	buf_adds(out, "  ");
	cli_time_long(ev->time_us, cli_now_us(), out);
	buf_adds(out, "  ");
	cli_printable(ev->element, out);
	buf_adds(out, "  ");
	cli_printable(ev->action, out);
	if (ev->state.p != NULL) {
		buf_adds(out, "  ");
		cli_printable(ev->state, out);
	}
	buf_addc(out, '\n');
}

static void
text_statement(const struct proof *p, struct buf *out)
{
	char name[BLOCK_NAME_SIZE];

	switch (p->kind) {
	case TLOG_EVENT:
		buf_addf(out, "event %" PRIu64 " is among the first ", p->event.seq);
		add_events(p->size, out);
		break;
	case TLOG_LATEST:
		block_name(&p->block, name);
		buf_addf(out, "as of %s event %" PRIu64 " is the last of '", name, p->event.seq);
		cli_printable(p->event.element, out);
		buf_adds(out, "' among the first ");
		add_events(p->size, out);
		break;
	case TLOG_CONSISTENCY:
		buf_adds(out, "the ");
		add_events(p->old, out);
		buf_adds(out, " of the older checkpoint are the beginning of the ");
		add_events(p->size, out);
		break;
	}
	buf_adds(out, " of '");
	cli_printable(p->origin, out);
	buf_addc(out, '\'');
}

void
proof_report_text(const struct proof *p, bool color, struct buf *out)
{
	buf_adds(out, color ? "\033[1;32mok\033[0m: " : "ok: ");
	text_statement(p, out);
	if (p->signer == NULL)
		buf_adds(out, "; not signed: nobody vouches for it");
	else
		buf_adds(out, "; signed");
	if (p->witnesses > 0)
		buf_addf(out, ", and cosigned by %zu witness%s", p->witnesses, p->witnesses == 1 ? "" : "es");
	buf_addc(out, '\n');
	if (p->kind != TLOG_CONSISTENCY)
		text_event(&p->event, out);
}
