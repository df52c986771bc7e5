/* What the fleet's programs have in common on the command line. */
#include "config.h"

#include <sys/eventfd.h>
#include <sys/stat.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_cli.h"
#include "fleet_name.h"
#include "fleet_url.h"

#include "banned.h"

#define CLOSE_MS 2000

/* The one thing that a signal handler can reach. */
static volatile sig_atomic_t stopped;
static int wake_fd = -1;

static void
on_note(void *arg, const char *text)
{
	struct fleet_cli *f = arg;

	cli_info(f->cli, "%s", text);
}

void
fleet_cli_init(struct fleet_cli *f, struct cli *cli, const char *inbox)
{
	*f = (struct fleet_cli){.cli = cli, .prefix = "ecl", .link = FLEET_LINK_INIT};
	f->link.inbox = inbox;
	f->start_ms = fleet_now_ms();
	f->link.stopped = &stopped;
	f->link.note = on_note;
	f->link.arg = f;
}

/* Take an option of FLEET_OPTIONS.  Return whether it was one. */
static bool
take(struct fleet_cli *f, int key)
{
	const char *value = f->cli->value;

	switch (key) {
	case FLEET_OPT_CREDS:
		f->link.creds = value;
		return (true);
	case FLEET_OPT_STREAM:
		f->prefix = value;
		return (true);
	case FLEET_OPT_TLS_CA:
		f->link.tls_ca = value;
		return (true);
	case FLEET_OPT_TLS_CERT:
		f->link.tls_cert = value;
		return (true);
	case FLEET_OPT_TLS_KEY:
		f->link.tls_key = value;
		return (true);
	default:
		return (false);
	}
}

int
fleet_cli_next(struct fleet_cli *f, const struct cli_option *options)
{
	int key;

	while ((key = cli_next(f->cli, options)) > 0 && take(f, key))
		;
	return (key);
}

/* Refusing it would break what mounts secrets as the cluster likes, and a group may be meant to read it: as Debian's ssl-cert. */
static void
warn_open(const struct cli *cli, const char *path)
{
	struct stat st;

	if (path != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0)
		cli_warn(cli, "others can read or change '%s', which says who we are: 'chmod 600' it, and take a new one where it has been read", path);
}

int
fleet_cli_check(struct fleet_cli *f, size_t most)
{
	struct cli *cli = f->cli;
	const char *url = cli->operands[0], *fault;

	cli->exit = EXIT_ERROR;
	if (cli->noperands > most)
		return (cli_usage(cli, "%s: several servers are parted by commas", most == 1 ? "one URL" : "a URL and a SUBJECT"), -1);
	f->link.url = url != NULL ? url : getenv("NATS_URL");
	if (f->link.url == NULL)
		return (cli_usage(cli, "which server? give a URL as in nats://localhost:4222, or set NATS_URL"), -1);
	if ((fault = fleet_url_fault(f->link.url, url != NULL)) != NULL)
		return (cli_usage(cli, "the URL cannot be used: %s", fault), -1);
	if (!fleet_prefix_ok(f->prefix))
		return (cli_usage(cli, "'%s' is no prefix: 1 to %u of a-z, 0-9 and '-'", f->prefix, FLEET_PREFIX_MAX), -1);
	if ((f->link.tls_cert == NULL) != (f->link.tls_key == NULL))
		return (cli_usage(cli, "--tls-cert and --tls-key go together"), -1);
	warn_open(cli, f->link.creds);
	warn_open(cli, f->link.tls_key);
	return (0);
}

static void
stop(int sig)
{
	const uint64_t one = 1;

	stopped = sig;
	if (write(wake_fd, &one, sizeof(one)) == -1)
		return;
}

int
fleet_cli_signals(struct fleet_cli *f, struct err *e)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESETHAND | SA_RESTART}, old;
	size_t i;

	if ((wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		return (err_sys(e, "cannot make an event counter"));
	f->link.wake_fd = wake_fd;
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Who may read a private key leaves no core. */
	if (f->link.tls_key != NULL || f->link.creds != NULL)
		cli_no_core();
	return (0);
}

void
fleet_cli_print_link(struct fleet_cli *f)
{
	printf("\"seconds\":%.3f,\"reconnects\":%" PRIu64 ",\"outage\":%.3f}\n", (double)(fleet_now_ms() - f->start_ms) / 1000,
	    fleet_link_reconnects(&f->link), (double)fleet_link_outage(&f->link, 0) / 1000);
}

int
fleet_cli_end(struct fleet_cli *f, int code)
{
	fleet_link_close(&f->link);
	nats_CloseAndWait(CLOSE_MS);
	if (stopped && code == 0) {
		signal(stopped, SIG_DFL);
		raise(stopped);
	}
	return (code);
}
