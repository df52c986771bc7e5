/* ecl-subscribe: verified replicas of a fleet's ledgers. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "fleet_cli.h"
#include "fleet_subscribe.h"
#include "io.h"
#include "json.h"

#include "banned.h"

enum { OPT_FOLLOW = FLEET_OPT_OWN, OPT_INTO };

static const struct cli_option options[] = {
	{OPT_FOLLOW, "follow", false},
	{OPT_INTO, "into", true},
	FLEET_OPTIONS
	{0, NULL, false},
};

static const char help[] =
    "usage: ecl-subscribe [OPTION...] [URL [SUBJECT]]\n"
    "\n"
    "  ecl-subscribe --into fleet nats://localhost:4222   replicas of all ledgers\n"
    "  ecl-subscribe --into fleet --follow nats://n1      and on, as events come\n"
    "  ecl-subscribe nats://n1 'ecl.*.web1.>' | jq .      events of host web1\n"
    "  ecl-query --roots fleet 'service:*'                then: ask all of them\n"
    "\n"
    "Gets the ledgers that ecl-publish shares through NATS JetStream, and checks\n"
    "each line as it comes.  URL is one server or several with commas, else\n"
    "$NATS_URL.  A ledger that is not as it should be is put in quarantine; the\n"
    "others go on.\n"
    "\n"
    "      --into DIR        a replica root a ledger, DIR/ID; without it, the events\n"
    "                        go to standard output\n"
    "      --follow          then go on with new events as they come\n" FLEET_HELP_LINK
    "      --wait SECONDS    how long to wait for the engine, or a lock (10)\n" CLI_HELP_TABLE CLI_HELP_REST;

struct job {
	struct fleet_cli fleet; /* first: what notes and progress are told of */
	struct cli cli;
	struct fleet_subscribe subscribe;
	struct fleet_store store;
	struct progress progress;
	const char *filter;
	char everything[FLEET_PREFIX_MAX + 3];
	bool gone; /* nobody reads standard output any more */
};

/* Whether it can stand in a question to the engine, and is about our ledgers. */
static bool
filter_ok(const struct job *j)
{
	size_t len = strlen(j->fleet.prefix), i;

	if (strlen(j->filter) >= FLEET_SUBJECT_SIZE || strncmp(j->filter, j->fleet.prefix, len) != 0 || j->filter[len] != '.')
		return (false);
	for (i = 0; j->filter[i] != '\0'; i++)
		if (strchr("*>.-_~", j->filter[i]) == NULL && (j->filter[i] < '0' || j->filter[i] > '9') &&
		    (j->filter[i] < 'A' || j->filter[i] > 'Z') && (j->filter[i] < 'a' || j->filter[i] > 'z'))
			return (false);
	return (strstr(j->filter, "..") == NULL && j->filter[i - 1] != '.');
}

static int
parse(struct job *j, char **argv)
{
	struct cli *cli = &j->cli;
	int key;

	cli_init(cli, "ecl-subscribe", help, argv);
	while ((key = fleet_cli_next(&j->fleet, options)) > 0) {
		if (key == OPT_FOLLOW)
			j->subscribe.follow = true;
		if (key == OPT_INTO)
			j->store.dir = cli->value;
	}
	if (key != 0 || fleet_cli_check(&j->fleet, 2) != 0)
		return (-1);
	snprintf(j->everything, sizeof(j->everything), "%s.>", j->fleet.prefix);
	j->filter = cli->noperands == 2 ? cli->operands[1] : j->everything;
	if (!filter_ok(j))
		return (cli_usage(cli, "'%s' is no subject of ledgers: '%s', or as '%s.*.HOST.>'", j->filter, j->everything, j->fleet.prefix), -1);
	return (0);
}

static void
on_step(void *arg, uint64_t events)
{
	struct job *j = arg;

	progress_step(&j->progress, events);
}

/* A finding is an answer where replicas are made; beside events it is a message. */
static void
on_found(void *arg, const char *subject, const char *id, const struct fleet_finding *f)
{
	struct job *j = arg;
	struct buf line = BUF_INIT;

	if (j->store.dir == NULL || cli_want_table(&j->cli)) {
		cli_warn(&j->cli, "%s: %s: %s", subject, fleet_class_name(f->class), f->message);
		return;
	}
	progress_output(&j->progress);
	buf_addf(&line, "{\"class\":\"%s\",\"ledger\":\"%s\",\"subject\":", fleet_class_name(f->class), id);
	cli_json_string((struct span){subject, strlen(subject)}, &line);
	buf_addf(&line, ",\"seq\":%" PRIu64 ",\"message\":", f->seq);
	cli_json_string((struct span){f->message, strlen(f->message)}, &line);
	buf_adds(&line, "}\n");
	fwrite(line.data, 1, line.len, stdout);
	fflush(stdout);
	buf_release(&line);
}

static int
on_lines(void *arg, struct span lines, struct err *e)
{
	struct job *j = arg;

	progress_output(&j->progress);
	if (io_write(STDOUT_FILENO, lines.p, lines.len) == 0)
		return (0);
	j->gone = errno == EPIPE;
	return (err_sys(e, "cannot write standard output"));
}

static int
run(struct job *j, struct err *e)
{
	struct fleet_subscribe *u = &j->subscribe;
	struct fleet_store *s = &j->store;

	s->prefix = j->fleet.prefix;
	s->wait_ms = u->wait_ms = j->cli.wait_ms;
	s->arg = j;
	s->found = on_found;
	s->emit = on_lines;
	u->link = &j->fleet.link;
	u->store = s;
	u->filter = j->filter;
	u->step = on_step;
	if (fleet_store_open(s, e) != 0 || fleet_cli_signals(&j->fleet, e) != 0)
		return (-1);
	progress_init(&j->progress, &j->cli, "subscribing", "events", 0);
	return (fleet_subscribe(u, e));
}

static void
summary(struct job *j)
{
	const struct fleet_store *s = &j->store;

	if (s->strays > 0)
		cli_warn(&j->cli, "%" PRIu64 " messages were passed over: their subjects are no ledger's", s->strays);
	if (s->dir == NULL || cli_want_table(&j->cli)) {
		if (s->dir != NULL || j->cli.verbose)
			cli_info(&j->cli, "%" PRIu64 " events of %zu ledgers, %" PRIu64 " findings", s->events, s->ledgers, s->findings);
		return;
	}
	if (j->cli.quiet)
		return;
	printf("{\"verdict\":\"%s\",\"ledgers\":%zu,\"events\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"streams\":%zu,\"findings\":%" PRIu64 ",",
	    s->findings > 0 ? "quarantined" : "ok", s->ledgers, s->events, s->bytes, j->subscribe.messages, j->subscribe.sources.n, s->findings);
	fleet_cli_print_link(&j->fleet);
}

int
main(int argc, char **argv)
{
	struct job j = {.store = {.dir_fd = -1, .fleet_fd = -1, .lock_fd = -1}};
	struct err e = {0};
	int rc;

	(void)argc;
	fleet_cli_init(&j.fleet, &j.cli, "_INBOX.auditor");
	if (parse(&j, argv) != 0)
		return (j.cli.exit);
	rc = run(&j, &e);
	progress_end(&j.progress);
	if (rc == 0 || j.gone) {
		rc = j.store.findings > 0 ? EXIT_NO : 0;
		summary(&j);
	} else
		rc = cli_error(&j.cli, &e);
	rc = fleet_cli_end(&j.fleet, cli_close_stdout(&j.cli, rc));
	fleet_subscribe_release(&j.subscribe);
	fleet_store_close(&j.store);
	return (rc);
}
