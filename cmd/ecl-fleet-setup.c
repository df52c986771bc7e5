/* ecl-fleet-setup: make or check the streams of a fleet. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "fleet_cli.h"
#include "fleet_streams.h"

#include "banned.h"

enum { OPT_CHECK = FLEET_OPT_OWN, OPT_MAX_BYTES, OPT_REPLICAS, OPT_STREAMS };

static const struct cli_option options[] = {
	{OPT_CHECK, "check", false},
	{OPT_MAX_BYTES, "max-bytes", true},
	{OPT_REPLICAS, "replicas", true},
	{OPT_STREAMS, "streams", true},
	FLEET_OPTIONS
	{0, NULL, false},
};

static const char help[] =
    "usage: ecl-fleet-setup [OPTION...] [URL]\n"
    "\n"
    "  ecl-fleet-setup nats://localhost:4222               one stream, one copy\n"
    "  ecl-fleet-setup --streams 64 --replicas 3 nats://n1 for a fleet\n"
    "  ecl-fleet-setup --check --streams 64 --replicas 3 nats://n1\n"
    "\n"
    "Makes the streams of NATS JetStream that ecl-publish and ecl-subscribe use, and\n"
    "prints one line for each.  Those that are there are compared with what was\n"
    "asked for, never changed.  URL is one server or several with commas, else\n"
    "$NATS_URL.\n"
    "\n"
    "      --check           make nothing: exit 1 where one is missing or differs\n"
    "      --max-bytes N     the most that each may hold (no limit)\n"
    "      --replicas N      servers that hold a copy of each: 1, 3 or 5 (1)\n"
    "      --streams N       1, 2, 4, 8, 16, 32 or 64 (1)\n" FLEET_HELP_LINK
    "      --wait SECONDS    how long to try (10)\n" CLI_HELP_TABLE CLI_HELP_REST;

struct job {
	struct fleet_cli fleet;
	struct cli cli;
	struct fleet_plan plan;
	uint64_t streams, replicas, max_bytes;
};

static int
number(struct cli *cli, const char *name, uint64_t *ret)
{
	if (decimal_parse(cli->value, strlen(cli->value), ret) == 0 && *ret <= INT64_MAX)
		return (0);
	cli->exit = cli_usage(cli, "option '--%s' takes a number, not '%s'", name, cli->value);
	return (-1);
}

static int
parse(struct job *j, char **argv)
{
	struct cli *cli = &j->cli;
	int key, rc = 0;

	cli_init(cli, "ecl-fleet-setup", help, argv);
	j->streams = j->replicas = 1;
	while (rc == 0 && (key = fleet_cli_next(&j->fleet, options)) != 0) {
		if (key == -1)
			rc = -1;
		else if (key == OPT_CHECK)
			j->plan.check = true;
		else if (key == OPT_MAX_BYTES)
			rc = number(cli, "max-bytes", &j->max_bytes);
		else if (key == OPT_REPLICAS)
			rc = number(cli, "replicas", &j->replicas);
		else if (key == OPT_STREAMS)
			rc = number(cli, "streams", &j->streams);
	}
	if (rc != 0)
		return (-1);
	cli->exit = EXIT_ERROR;
	if (j->streams == 0 || j->streams > FLEET_SHARDS || (j->streams & (j->streams - 1)) != 0)
		return (cli_usage(cli, "--streams takes 1, 2, 4, 8, 16, 32 or 64"), -1);
	if (j->replicas != 1 && j->replicas != 3 && j->replicas != 5)
		return (cli_usage(cli, "--replicas takes 1, 3 or 5"), -1);
	return (fleet_cli_check(&j->fleet, 1));
}

static void
print(const struct job *j, const struct fleet_stream_state *s)
{
	const char *state = s->missing ? "missing" : s->differs[0] != '\0' ? "differs" : s->made ? "made" : "ok";

	if (cli_want_table(&j->cli))
		printf("%-12s %-8s %12" PRIu64 " messages %15" PRIu64 " bytes %9" PRId64 " ledgers\n", s->name, state, s->messages, s->bytes, s->subjects);
	else if (!j->cli.quiet)
		printf("{\"stream\":\"%s\",\"state\":\"%s\",\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"ledgers\":%" PRId64 ",\"leader\":\"%s\"}\n", s->name,
		    state, s->messages, s->bytes, s->subjects, s->leader);
	if (s->missing)
		cli_warn(&j->cli, "stream '%s' is not there", s->name);
	else if (s->differs[0] != '\0')
		cli_warn(&j->cli, "stream '%s' is not as asked for: %s", s->name, s->differs);
}

/* ${*ret} grows by the streams that are not as they should be. */
static int
make_all(struct job *j, unsigned *next, unsigned *ret, struct err *e)
{
	struct fleet_stream_state s;

	if (j->fleet.link.nc == NULL && fleet_link_open(&j->fleet.link, e) != 0)
		return (-1);
	for (; *next < j->plan.streams; ++*next) {
		if (fleet_stream_make(&j->fleet.link, &j->plan, *next, &s, e) != 0)
			return (-1);
		print(j, &s);
		*ret += s.missing || s.differs[0] != '\0';
	}
	return (0);
}

static int
run(struct job *j, unsigned *ret, struct err *e)
{
	int64_t start = fleet_now_ms();
	unsigned next = 0;

	if (fleet_cli_signals(&j->fleet, e) != 0)
		return (-1);
	j->plan.prefix = j->fleet.prefix;
	j->plan.streams = (unsigned)j->streams;
	j->plan.replicas = (unsigned)j->replicas;
	j->plan.max_bytes = j->max_bytes == 0 ? -1 : (int64_t)j->max_bytes;
	/* A cluster that has just begun has no leader yet. */
	for (;;) {
		*e = (struct err){0};
		if (make_all(j, &next, ret, e) == 0)
			return (0);
		if (e->exit != EXIT_RETRY || *j->fleet.link.stopped != 0 || fleet_now_ms() - start >= j->cli.wait_ms)
			return (-1);
		fleet_link_back_off(&j->fleet.link);
	}
}

int
main(int argc, char **argv)
{
	struct job j = {.max_bytes = 0};
	struct err e = {0};
	unsigned wrong = 0;
	int rc;

	(void)argc;
	fleet_cli_init(&j.fleet, &j.cli, "_INBOX.admin");
	if (parse(&j, argv) != 0)
		return (j.cli.exit);
	rc = run(&j, &wrong, &e) != 0 ? cli_error(&j.cli, &e) : wrong > 0 ? EXIT_NO : 0;
	return (fleet_cli_end(&j.fleet, cli_close_stdout(&j.cli, rc)));
}
