/* What the fleet's programs have in common on the command line: where the engine is, credentials, signals, notes. */
#ifndef ECL_FLEET_CLI_H_
#define ECL_FLEET_CLI_H_

#include "cli.h"
#include "fleet_link.h"

/* The keys of options that all of them have; each lists them in its own table. */
enum { FLEET_OPT_CREDS = CLI_LONG, FLEET_OPT_STREAM, FLEET_OPT_TLS_CA, FLEET_OPT_TLS_CERT, FLEET_OPT_TLS_KEY, FLEET_OPT_OWN };

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
};

/** fleet_cli_init(f, cli, inbox): nothing is given yet; ${inbox} is the prefix of the subjects for answers. */
void fleet_cli_init(struct fleet_cli *f, struct cli *cli, const char *inbox);

/** fleet_cli_option(f, key): take an option of FLEET_OPT_*, whose argument is cli->value.  Return whether it was one. */
bool fleet_cli_option(struct fleet_cli *f, int key);

/** fleet_cli_check(f, url): with all options read: ${url} is the operand, or NULL for $NATS_URL.  Return 0, or -1 with cli->exit. */
int fleet_cli_check(struct fleet_cli *f, const char *url);

/** fleet_cli_signals(f, e): from now on SIGHUP, SIGINT and SIGTERM set *f->link.stopped; a second one ends the program.  Return 0 or -1. */
int fleet_cli_signals(struct fleet_cli *f, struct err *e);

/** fleet_cli_end(f, code): close the link; where a signal asked for the end, and ${code} is 0, end by it.  Return ${code}. */
int fleet_cli_end(struct fleet_cli *f, int code);

#endif
