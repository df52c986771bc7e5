/* ecl-publish: share a ledger through NATS JetStream. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "fleet_cli.h"
#include "fleet_publish.h"

#include "banned.h"

enum { OPT_FOLLOW = FLEET_OPT_OWN, OPT_HOST };

static const struct cli_option options[] = {
	{OPT_FOLLOW, "follow", false},
	{OPT_HOST, "host", true},
	FLEET_OPTIONS
	{0, NULL, false},
};

static const char help[] =
    "usage: ecl-publish [OPTION...] [URL]\n"
    "\n"
    "  ecl-publish nats://localhost:4222           what the engine lacks\n"
    "  ecl-publish --follow nats://n1,nats://n2    and on, as events are recorded\n"
    "  NATS_URL=nats://n1 ecl-publish --tls-ca ca.pem --tls-cert web1.pem \\\n"
    "              --tls-key web1.key              as one of a fleet\n"
    "\n"
    "Sends the ledger's events, as far as they are durable, to NATS JetStream, from\n"
    "where the engine ends: never anything but what follows.  URL is one server or\n"
    "several with commas, else $NATS_URL.  Prints one line when it is done.\n"
    "\n"
    "      --follow          then go on with new events as they are committed\n"
    "      --host NAME       the host in the subject (this host's name)\n" FLEET_HELP_LINK CLI_HELP_ROOT
    "      --wait SECONDS    how long to try, without --follow (10)\n" CLI_HELP_TABLE CLI_HELP_REST;

struct job {
	struct fleet_cli fleet; /* first: what notes and progress are told of */
	struct cli cli;
	struct fleet_publish publish;
	struct progress progress;
	const char *host;
	char own_host[FLEET_HOST_MAX + 1];
	char inbox[FLEET_HOST_MAX + 16];
};

static int
parse(struct job *j, char **argv)
{
	struct cli *cli = &j->cli;
	int key;

	cli_init(cli, "ecl-publish", help, argv);
	while ((key = fleet_cli_next(&j->fleet, options)) > 0) {
		if (key == OPT_FOLLOW)
			j->publish.follow = true;
		if (key == OPT_HOST)
			j->host = cli->value;
	}
	return (key == 0 ? fleet_cli_check(&j->fleet, 1) : -1);
}

static void
on_step(void *arg, uint64_t done, uint64_t total)
{
	struct job *j = arg;

	j->progress.total = total;
	progress_step(&j->progress, done);
}

/* Answers come to a subject of the host's own: no other may be allowed to it. */
static int
set_host(struct job *j, struct err *e)
{
	char token[FLEET_HOST_MAX + 1];

	if (j->host == NULL) {
		if (gethostname(j->own_host, sizeof(j->own_host) - 1) != 0)
			return (err_sys(e, "cannot tell this host's name"));
		j->host = j->own_host;
	}
	if (fleet_token(j->host, token, e) != 0)
		return (-1);
	snprintf(j->inbox, sizeof(j->inbox), "_INBOX.%s", token);
	j->fleet.link.inbox = j->inbox;
	return (0);
}

static int
run(struct job *j, struct err *e)
{
	struct fleet_publish *p = &j->publish;

	if (set_host(j, e) != 0 || fleet_cli_signals(&j->fleet, e) != 0 ||
	    layer_open(j->cli.root, LAYER_READ | LAYER_NO_INDEX | LAYER_ROOT, &p->layer, e) != 0)
		return (-1);
	p->link = &j->fleet.link;
	p->prefix = j->fleet.prefix;
	p->host = j->host;
	p->wait_ms = j->cli.wait_ms;
	p->step = on_step;
	progress_init(&j->progress, &j->cli, "publishing", "events", 0);
	return (fleet_publish(p, e));
}

static void
summary(struct job *j)
{
	const struct fleet_publish *p = &j->publish;
	struct buf hex = BUF_INIT;

	if (cli_want_table(&j->cli)) {
		cli_info(&j->cli, "%" PRIu64 " event%s published, the engine has %" PRIu64, p->events, p->events == 1 ? "" : "s", p->size);
		return;
	}
	if (j->cli.quiet)
		return;
	buf_addhex(&hex, p->hash, SHA256_SIZE);
	printf("{\"ledger\":\"%s\",\"subject\":\"%s\",\"stream\":\"%s\",\"events\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"size\":%" PRIu64 ",\"head\":\"%s\",",
	    p->id, p->subject, p->stream, p->events, p->messages, p->bytes, p->size, buf_cstr(&hex));
	fleet_cli_print_link(&j->fleet);
	buf_release(&hex);
}

int
main(int argc, char **argv)
{
	struct job j = {.publish = {.end = {.watch_fd = -1, .durable = {.fd = -1}}}};
	struct err e = {0};
	int rc;

	(void)argc;
	fleet_cli_init(&j.fleet, &j.cli, NULL);
	if (parse(&j, argv) != 0)
		return (j.cli.exit);
	rc = run(&j, &e);
	progress_end(&j.progress);
	if (rc == 0)
		summary(&j);
	else
		rc = cli_error(&j.cli, &e);
	fleet_publish_release(&j.publish);
	layer_free(j.publish.layer);
	return (fleet_cli_end(&j.fleet, cli_close_stdout(&j.cli, rc)));
}
