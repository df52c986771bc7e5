/* What all programs have in common: options and messages. */
#include "config.h"

#include <sys/ioctl.h>
#include <sys/resource.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#include "banned.h"

enum {
	KEY_COLOR = CLI_LONG + 10000, /* clear of the programs' own */
	KEY_FORCE,
	KEY_JSON,
	KEY_TABLE,
	KEY_WAIT
};

static const struct cli_option common[] = {
    {'d', "root", true},
    {'h', "help", false},
    {'q', "quiet", false},
    {'v', "verbose", false},
    {'V', "version", false},
    {KEY_COLOR, "color", true},
    {KEY_FORCE, "force", false},
    {KEY_JSON, "json", false},
    {KEY_TABLE, "table", false},
    {KEY_WAIT, "wait", true},
    {0, NULL, false},
};

void
cli_init(struct cli *cli, const char *name, const char *help, char **argv)
{
	const char *root = getenv("ECL_ROOT");

	memset(cli, 0, sizeof(*cli));
	cli->name = name;
	cli->help = help;
	cli->root = root != NULL && *root != '\0' ? root : "/var/lib/ecl";
	cli->wait_ms = 10 * 1000;
	cli->argv = *argv == NULL ? argv : argv + 1;
}

static const struct cli_option *
find_short(const struct cli_option *o, char c)
{
	for (; o->key != 0; o++) {
		if (o->key == c)
			return (o);
	}
	return (NULL);
}

static const struct cli_option *
find_long(const struct cli_option *o, const char *name, size_t len)
{
	for (; o->key != 0; o++) {
		if (o->name != NULL && strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return (o);
	}
	return (NULL);
}

/* One write a line, so that the lines of programs in a pipe do not mix. */
static void
say(const struct cli *cli, const char *kind, const char *text)
{
	struct buf line = BUF_INIT;

	if (cli->progress != NULL)
		progress_clear(cli->progress);
	buf_addf(&line, "%s: %s", cli->name, kind);
	cli_printable((struct span){text, strlen(text)}, &line);
	buf_addc(&line, '\n');
	if (!line.failed)
		fwrite(line.data, 1, line.len, stderr);
	else
		fputs("out of memory\n", stderr);
	fflush(stderr);
	buf_release(&line);
}

/* ${code}: the exit code, 0 for what is not the end of the program. */
static void
say_json(const char *member, const char *text, int code)
{
	struct buf line = BUF_INIT;

	buf_addf(&line, "{\"%s\":", member);
	cli_json_string((struct span){text, strlen(text)}, &line);
	if (code != 0)
		buf_addf(&line, ",\"code\":%d", code);
	buf_adds(&line, "}\n");
	if (!line.failed)
		fwrite(line.data, 1, line.len, stderr);
	fflush(stderr);
	buf_release(&line);
}

/* Whether the errors of the command line are wanted as JSON: the option may stand behind the one that is wrong. */
static bool
json_is_wanted(const struct cli *cli)
{
	char **arg;

	for (arg = cli->argv; *arg != NULL && strcmp(*arg, "--") != 0; arg++) {
		if (strcmp(*arg, "--json") == 0)
			return (true);
	}
	return (cli->json);
}

static void say_usage(const struct cli *cli, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
say_usage(const struct cli *cli, const char *fmt, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	say(cli, "", text);
	if (json_is_wanted(cli))
		say_json("error", text, EXIT_ERROR);
	fprintf(stderr, "try '%s --help'\n", cli->name);
}

/* The options are wrong: the program is to end. */
static int wrong(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int
wrong(struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_usage(cli, fmt, ap);
	va_end(ap);
	cli->exit = EXIT_ERROR;
	return (-1);
}

/* The next letter of a bundle: `-qv', `-e NAME', `-eNAME'. */
static int
next_short(struct cli *cli, const struct cli_option *options, bool *own)
{
	const struct cli_option *o;
	char c = *cli->bundle++;

	*own = (o = find_short(options, c)) != NULL;
	if (o == NULL && (o = find_short(common, c)) == NULL)
		return (wrong(cli, "unknown option '-%c'", c));
	if (!o->arg) {
		if (*cli->bundle == '\0')
			cli->bundle = NULL;
		return (o->key);
	}
	if (*cli->bundle != '\0')
		cli->value = cli->bundle;
	else if (*cli->argv != NULL)
		cli->value = *cli->argv++;
	else
		return (wrong(cli, "option '-%c' needs an argument", c));
	cli->bundle = NULL;
	return (o->key);
}

/* `--name', `--name=value', `--name value'. */
static int
next_long(struct cli *cli, const struct cli_option *options, bool *own)
{
	const struct cli_option *o;
	const char *name = *cli->argv++ + 2;
	size_t len = strcspn(name, "=");

	*own = (o = find_long(options, name, len)) != NULL;
	if (o == NULL && (o = find_long(common, name, len)) == NULL)
		return (wrong(cli, "unknown option '--%.*s'", (int)len, name));
	if (name[len] == '=') {
		if (!o->arg)
			return (wrong(cli, "option '--%s' takes no argument", o->name));
		cli->value = name + len + 1;
	} else if (o->arg) {
		if (*cli->argv == NULL)
			return (wrong(cli, "option '--%s' needs an argument", o->name));
		cli->value = *cli->argv++;
	}
	return (o->key);
}

static int
set_color(struct cli *cli)
{
	if (strcmp(cli->value, "auto") == 0)
		cli->color = CLI_COLOR_AUTO;
	else if (strcmp(cli->value, "always") == 0)
		cli->color = CLI_COLOR_ALWAYS;
	else if (strcmp(cli->value, "never") == 0)
		cli->color = CLI_COLOR_NEVER;
	else
		return (wrong(
		    cli, "option '--color' takes auto, always or never, not '%s'", cli->value));
	return (0);
}

/* Seconds with up to three decimals. */
static int
set_wait(struct cli *cli)
{
	const char *part = strchr(cli->value, '.');
	size_t whole = part == NULL ? strlen(cli->value) : (size_t)(part++ - cli->value);
	uint64_t seconds;
	int ms = 0, i;

	if (decimal_parse(cli->value, whole, &seconds) != 0 || seconds > INT_MAX / 1000 - 1)
		goto err0;
	for (i = 0; part != NULL && part[i] != '\0'; i++) {
		if (part[i] < '0' || part[i] > '9' || i == 3)
			goto err0;
		ms += (part[i] - '0') * (i == 0 ? 100 : i == 1 ? 10 : 1);
	}
	cli->wait_ms = (int)seconds * 1000 + ms;
	return (0);

err0:
	return (wrong(cli, "option '--wait' takes seconds, not '%s'", cli->value));
}

/* Return 0, or -1 where the program is to end. */
static int
take_common(struct cli *cli, int key)
{
	switch (key) {
	case 'd':
		cli->root = cli->value;
		cli->root_given = true;
		break;
	case 'q':
		cli->quiet = true;
		break;
	case 'v':
		cli->verbose = true;
		break;
	case KEY_FORCE:
		cli->force = true;
		break;
	case KEY_JSON:
	case KEY_TABLE:
		cli->json = key == KEY_JSON;
		cli->table = key == KEY_TABLE;
		break;
	case KEY_COLOR:
		return (set_color(cli));
	case KEY_WAIT:
		return (set_wait(cli));
	case 'h':
		fputs(cli->help, stdout);
		cli->exit = cli_close_stdout(cli, 0);
		return (-1);
	case 'V':
		printf("%s %s\n", cli->name, PACKAGE_VERSION);
		cli->exit = cli_close_stdout(cli, 0);
		return (-1);
	}
	return (0);
}

int
cli_next(struct cli *cli, const struct cli_option *options)
{
	const char *arg;
	bool own, ended = false;
	size_t i;
	int key;

	for (;;) {
		cli->value = NULL;
		if (cli->bundle == NULL) {
			arg = *cli->argv;
			if (arg == NULL || arg[0] != '-' || arg[1] == '\0')
				break;
			if (strcmp(arg, "--") == 0) {
				cli->argv++;
				ended = true;
				break;
			}
		}
		if (cli->bundle == NULL && (*cli->argv)[1] == '-')
			key = next_long(cli, options, &own);
		else {
			if (cli->bundle == NULL)
				cli->bundle = *cli->argv++ + 1;
			key = next_short(cli, options, &own);
		}
		if (key == -1 || own)
			return (key);
		if (take_common(cli, key) != 0)
			return (-1);
	}
	cli->operands = cli->argv;
	for (cli->noperands = 0; cli->operands[cli->noperands] != NULL;)
		cli->noperands++;
	/* An operand could begin so, but it will have been meant as an option. */
	for (i = 0; i < cli->noperands && !ended; i++)
		if (cli->operands[i][0] == '-' && cli->operands[i][1] != '\0')
			return (wrong(cli, "options stand before operands: '%s'", cli->operands[i]));
	return (0);
}

int
cli_error(const struct cli *cli, const struct err *e)
{
	const char *text = e->text[0] != '\0' ? e->text : "failed without saying why";
	int code = e->exit != 0 ? e->exit : EXIT_ERROR;

	say(cli, "", text);
	if (cli->json)
		say_json("error", text, code);
	return (code);
}

int
cli_error_full(const struct cli *cli, const struct err *e)
{
	struct err more = *e;
	struct buf words = BUF_INIT;
	size_t len = strlen(more.text);

	if (!err_is_full(e))
		return (cli_error(cli, e));
	cli_root_words(cli, &words);
	snprintf(more.text + len, sizeof(more.text) - len, "; 'ecl-snap%s --prune --keep RULES' makes room, also now", buf_cstr(&words));
	buf_release(&words);
	return (cli_error(cli, &more));
}

int
cli_usage(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_usage(cli, fmt, ap);
	va_end(ap);
	return (EXIT_ERROR);
}

void
cli_warn(const struct cli *cli, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(cli, "warning: ", text);
	if (cli->json)
		say_json("warning", text, 0);
}

void
cli_info(const struct cli *cli, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (cli->quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(cli, "", text);
}

bool
cli_stdin_is_terminal(const struct cli *cli)
{
	if (!isatty(STDIN_FILENO))
		return (false);
	cli_info(cli, "reading standard input: a terminal; give a FILE or a pipe, or end with ^D");
	return (true);
}

/* Whether nobody reads what we print any more: stdio may have lost the errno that said so. */
static bool
reader_gone(void)
{
	struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return (poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0);
}

int
cli_close_stdout(const struct cli *cli, int code)
{
	struct err e;
	bool before = ferror(stdout) != 0, gone = reader_gone();

	errno = 0;
	if (fflush(stdout) == 0 && !before && (fclose(stdout) == 0 || errno == EBADF))
		return (code);
	if (errno == 0)
		errno = cli->write_sys;
	if (errno == EPIPE || gone)
		return (code);
	if (errno != 0)
		err_sys(&e, "cannot write standard output");
	else
		err_set(&e, "cannot write standard output");
	return (cli_error(cli, &e));
}

void
cli_no_core(void)
{
	const struct rlimit least = {1, 1}; /* bytes; of 0, one that goes into a pipe would take no notice */

	(void)setrlimit(RLIMIT_CORE, &least);
}

bool
cli_want_table(const struct cli *cli)
{
	return (cli->table || (!cli->json && isatty(STDOUT_FILENO)));
}

bool
cli_want_color(const struct cli *cli, int fd)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	if (cli->color != CLI_COLOR_AUTO)
		return (cli->color == CLI_COLOR_ALWAYS);
	if (none != NULL && *none != '\0')
		return (false);
	return (term != NULL && *term != '\0' && strcmp(term, "dumb") != 0 && isatty(fd));
}

size_t
cli_width(int fd)
{
	struct winsize ws;
	const char *columns = getenv("COLUMNS");
	uint64_t n;

	if (ioctl(fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
		return (ws.ws_col);
	if (columns != NULL && decimal_parse(columns, strlen(columns), &n) == 0 && n > 0 &&
	    n <= 10000)
		return ((size_t)n);
	return (isatty(fd) ? 80 : 0);
}
