/* What the fleet's programs have in common on the command line: where the engine is, credentials, signals, notes. */
#ifndef ECL_FLEET_CLI_H_
#define ECL_FLEET_CLI_H_

#include "cli.h"
#include "fleet_link.h"

/* The options that all of them have: their keys, their place in a table, their help. */
enum { FLEET_OPT_CREDS = CLI_LONG, FLEET_OPT_STREAM, FLEET_OPT_TLS_CA, FLEET_OPT_TLS_CERT, FLEET_OPT_TLS_KEY, FLEET_OPT_OWN };

#define FLEET_OPTIONS                             \
	{FLEET_OPT_CREDS, "creds", true},         \
	{FLEET_OPT_STREAM, "stream", true},       \
	{FLEET_OPT_TLS_CA, "tls-ca", true},       \
	{FLEET_OPT_TLS_CERT, "tls-cert", true},   \
	{FLEET_OPT_TLS_KEY, "tls-key", true},

#define FLEET_HELP_LINK                                                             \
	"      --creds FILE      a NATS credentials file (JWT and seed)\n"          \
	"      --tls-ca FILE     the authority of the server's certificate (PEM)\n" \
	"      --tls-cert FILE   our certificate (PEM)\n"                           \
	"      --tls-key FILE    its private key (PEM)\n"                           \
	"      --stream PREFIX   of the streams' names and the subjects (ecl)\n"

struct fleet_cli {
	struct cli *cli;
	const char *prefix;
	struct fleet_link link;
	int64_t start_ms;
};

/** fleet_cli_init(f, cli, inbox): nothing is given yet; ${inbox} is the prefix of the subjects for answers. */
void fleet_cli_init(struct fleet_cli *f, struct cli *cli, const char *inbox);

/** fleet_cli_next(f, options): as cli_next(), with those of FLEET_OPTIONS taken. */
int fleet_cli_next(struct fleet_cli *f, const struct cli_option *options);

/**
 * fleet_cli_check(f, most):
 * With all options read: of the operands, ${most} at most, the first is the URL; without one, it is $NATS_URL.  Warns where others can read what says who
 * we are.  Return 0, or -1 with cli->exit.
 */
int fleet_cli_check(struct fleet_cli *f, size_t most);

/** fleet_cli_signals(f, e): from now on SIGHUP, SIGINT and SIGTERM set *f->link.stopped; a second one ends the program.  Return 0 or -1. */
int fleet_cli_signals(struct fleet_cli *f, struct err *e);

/** fleet_cli_print_link(f): the end of a summary in JSON: how long it took, and how the link was. */
void fleet_cli_print_link(struct fleet_cli *f);

/** fleet_cli_end(f, code): close the link; where a signal asked for the end, and ${code} is 0, end by it.  Return ${code}. */
int fleet_cli_end(struct fleet_cli *f, int code);

#endif
