/* Options, messages, text for terminals, tables. */
#include "config.h"

#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#include "tap.h"

#include "banned.h"

static const struct cli_option options[] = {
    {'n', "dry-run", false},
    {'e', NULL, true},
    {CLI_LONG, "name", true},
    {CLI_LONG + 1, "names", false},
    {0, NULL, false},
};

static struct cli cli;
static char said[8192]; /* on standard error, by the last run() */

/* Standard error into a file while ${fn} is at work. */
static int
quietly(int (*fn)(void))
{
	FILE *f = tmpfile();
	int keep = dup(STDERR_FILENO), result;
	size_t n;

	fflush(stderr);
	if (f == NULL || keep == -1 || dup2(fileno(f), STDERR_FILENO) == -1)
		exit(99);
	result = fn();
	fflush(stderr);
	dup2(keep, STDERR_FILENO);
	close(keep);
	rewind(f);
	n = fread(said, 1, sizeof(said) - 1, f);
	said[n] = '\0';
	fclose(f);
	return (result);
}

static char **args;
static char seen[256]; /* "n e=value ..." */

static int
parse(void)
{
	size_t at = 0;
	int key;

	seen[0] = '\0';
	cli_init(&cli, "ecl-test", "help\n", args);
	while ((key = cli_next(&cli, options)) > 0) {
		at += (size_t)snprintf(seen + at, sizeof(seen) - at, "%s%c%s%s", at > 0 ? " " : "",
		    key < CLI_LONG ? key : 'A' + key - CLI_LONG, cli.value != NULL ? "=" : "",
		    cli.value != NULL ? cli.value : "");
	}
	return (key);
}

/* Parse ${line}, split at blanks. */
static int
run(const char *line)
{
	static char copy[256], *argv[32];
	char *p, *save;
	size_t n = 1;

	argv[0] = (char[]){"ecl-test"};
	snprintf(copy, sizeof(copy), "%s", line);
	for (p = strtok_r(copy, " ", &save); p != NULL && n < 31; p = strtok_r(NULL, " ", &save))
		argv[n++] = p;
	argv[n] = NULL;
	args = argv;
	return (quietly(parse));
}

static void
test_accepted(void)
{
	static const struct {
		const char *line, *seen;
		size_t noperands;
	} cases[] = {
	    {"", "", 0},
	    {"-n", "n", 0},
	    {"--dry-run", "n", 0},
	    {"-nqe x", "n e=x", 0},
	    {"-ex", "e=x", 0},
	    {"-nex -n", "n e=x n", 0},
	    {"-e -n", "e=-n", 0},
	    {"--name x", "A=x", 0},
	    {"--name=x=y", "A=x=y", 0},
	    {"--name=", "A=", 0},
	    {"--name -- -n", "A=-- n", 0},
	    {"--names", "B", 0},
	    {"-n file -", "n", 2},
	    {"-n - file", "n", 2},
	    {"-n -- -n", "n", 1},
	    {"-n -- file -n", "n", 2},
	    {"-q --json --wait 2 x y z", "", 3},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ok(run(cases[i].line) == 0 && strcmp(seen, cases[i].seen) == 0 &&
			cli.noperands == cases[i].noperands && said[0] == '\0',
		    "options '%s' are read as '%s'", cases[i].line, seen);
	}
}

static void
test_refused(void)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
	    {"-x", "unknown option '-x'"},
	    {"-nx", "unknown option '-x'"},
	    {"--x", "unknown option '--x'"},
	    {"--nam x", "unknown option '--nam'"},
	    {"--dry-runs", "unknown option '--dry-runs'"},
	    {"--e x", "unknown option '--e'"},
	    {"--\033[1m", "unknown option '--\\x1b[1m'"},
	    {"-n file -n", "options stand before operands: '-n'"},
	    {"- --name x", "options stand before operands: '--name'"},
	    {"-e", "option '-e' needs an argument"},
	    {"--name", "option '--name' needs an argument"},
	    {"--root", "option '--root' needs an argument"},
	    {"--dry-run=1", "option '--dry-run' takes no argument"},
	    {"--quiet=", "option '--quiet' takes no argument"},
	    {"--color=red", "option '--color' takes auto, always or never, not 'red'"},
	    {"--wait x", "option '--wait' takes seconds, not 'x'"},
	    {"--wait=", "option '--wait' takes seconds, not ''"},
	    {"--wait -1", "option '--wait' takes seconds, not '-1'"},
	    {"--wait 1.2345", "option '--wait' takes seconds, not '1.2345'"},
	    {"--wait 1.2.3", "option '--wait' takes seconds, not '1.2.3'"},
	    {"--wait 99999999999", "option '--wait' takes seconds, not '99999999999'"},
	};
	char want[256];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(
		    want, sizeof(want), "ecl-test: %s\ntry 'ecl-test --help'\n", cases[i].message);
		ok(run(cases[i].line) == -1 && cli.exit == EXIT_ERROR, "options '%zu' are refused",
		    i);
		is_bytes(said, strlen(said), want, cases[i].message);
	}
	run("--json -x");
	is_bytes(said, strlen(said),
	    "ecl-test: unknown option '-x'\n{\"error\":\"unknown option '-x'\",\"code\":2}\n"
	    "try 'ecl-test --help'\n",
	    "with --json, usage errors are a line too");
}

static void
test_common(void)
{
	unsetenv("ECL_ROOT");
	run("");
	ok(strcmp(cli.root, "/var/lib/ecl") == 0 && cli.wait_ms == 10000, "defaults");
	setenv("ECL_ROOT", "/r", 1);
	run("");
	ok(strcmp(cli.root, "/r") == 0, "ECL_ROOT is the root");
	run("-d /d");
	ok(strcmp(cli.root, "/d") == 0, "--root wins over ECL_ROOT");
	setenv("ECL_ROOT", "", 1);
	run("");
	ok(strcmp(cli.root, "/var/lib/ecl") == 0, "an empty ECL_ROOT is none");
	run("-qv --force --json");
	ok(cli.quiet && cli.verbose && cli.force && cli.json && !cli.table, "flags");
	run("--json --table");
	ok(!cli.json && cli.table && cli_want_table(&cli), "the last of --json and --table wins");
	run("--wait 0");
	ok(cli.wait_ms == 0, "--wait 0");
	run("--wait 2.5");
	ok(cli.wait_ms == 2500, "--wait 2.5");
	run("--wait 0.007");
	ok(cli.wait_ms == 7, "--wait 0.007");
	run("--color always");
	ok(cli_want_color(&cli, -1), "--color=always");
	setenv("NO_COLOR", "1", 1);
	ok(cli_want_color(&cli, -1), "--color=always wins over NO_COLOR");
	run("--color=never");
	ok(!cli_want_color(&cli, -1), "--color=never");
	unsetenv("NO_COLOR");
}

static int
say_error(void)
{
	struct err e;

	err_retry(&e, "'\x1b]0;x\x07' \"\xff\" is locked");
	return (cli_error(&cli, &e));
}

static int
say_warning(void)
{
	cli_warn(&cli, "clock is behind");
	cli_info(&cli, "not with -q");
	return (0);
}

static void
test_messages(void)
{
	run("");
	ok(quietly(say_error) == EXIT_RETRY, "an error's exit code is returned");
	is_bytes(said, strlen(said), "ecl-test: '\\x1b]0;x\\x07' \"\\xff\" is locked\n",
	    "an error cannot drive the terminal");
	run("--json");
	quietly(say_error);
	is_bytes(strchr(said, '{'), strlen(strchr(said, '{')),
	    "{\"error\":\"'\\u001b]0;x\\u0007' \\\"\\ufffd\\\" is locked\",\"code\":75}\n",
	    "with --json, an error is a line of JSON too");
	run("-q");
	quietly(say_warning);
	is_bytes(
	    said, strlen(said), "ecl-test: warning: clock is behind\n", "-q leaves warnings only");
}

static void
printable(struct span text, const char *want, const char *name)
{
	struct buf b = BUF_INIT;

	cli_printable(text, &b);
	is_bytes(b.data, b.len, want, name);
	buf_release(&b);
}

/* As seen at 2026-11-21 11:00:00, local time. */
static void
test_ages(void)
{
	static const struct {
		int64_t age; /* seconds */
		const char *in_table, *in_facts;
	} cases[] = {
	    {0, "11:00:00, 0 s ago", "2026-11-21 11:00:00 (0 s ago)"},
	    {59, "10:59:01, 59 s ago", "2026-11-21 10:59:01 (59 s ago)"},
	    {60, "10:59:00, 1 min ago", "2026-11-21 10:59:00 (1 min ago)"},
	    {3599, "10:00:01, 59 min ago", "2026-11-21 10:00:01 (59 min ago)"},
	    {3600, "10:00:00, 1 h ago", "2026-11-21 10:00:00 (1 h ago)"},
	    {86399, "11:00:01, 23 h ago", "2026-11-20 11:00:01 (23 h ago)"},
	    {86400, "2026-11-20 11:00:00", "2026-11-20 11:00:00 (1 day ago)"},
	    {59 * 86400, "2026-09-23 12:00:00", "2026-09-23 12:00:00 (59 days ago)"},
	    {60 * 86400, "2026-09-22 12:00:00", "2026-09-22 12:00:00 (2 months ago)"},
	    {730 * 86400, "2024-11-21 11:00:00", "2024-11-21 11:00:00 (2 years ago)"},
	    {-1, "2026-11-21 11:00:01", "2026-11-21 11:00:01"},
	};
	const int64_t now = INT64_C(1795255200123456);
	struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&b);
		cli_time_short(now - cases[i].age * 1000000, now, &b);
		is_bytes(b.data, b.len, cases[i].in_table, cases[i].in_table);
		buf_reset(&b);
		cli_time_long(now - cases[i].age * 1000000, now, &b);
		is_bytes(b.data, b.len, cases[i].in_facts, cases[i].in_facts);
	}
	buf_reset(&b);
	cli_time_short(now - INT64_C(86400000000) + 1, now, &b);
	is_bytes(b.data, b.len, "11:00:00, 23 h ago", "a microsecond less than a day");
	buf_release(&b);
}

static void
test_text(void)
{
	struct buf b = BUF_INIT;
	size_t columns;

	printable(SPAN("a b\\\"~"), "a b\\\"~", "printable ASCII stays");
	printable(SPAN("\0\t\n\x1b\x7f"), "\\x00\\x09\\x0a\\x1b\\x7f", "controls");
	printable(SPAN("\xc2\x80\xc2\x9b\xc2\xa0"), "\\u{80}\\u{9b}\xc2\xa0", "C1 controls");
	printable(SPAN("\xe2\x80\xae"
		       "a\xe2\x81\xa9\xd8\x9c\xe2\x80\x8f\xe2\x80\x90"),
	    "\\u{202e}a\\u{2069}\\u{61c}\\u{200f}\xe2\x80\x90", "bidi controls");
	printable(SPAN("\xff\xc3(\xed\xa0\x80\xc0\xaf\xe2\x82"),
	    "\\xff\\xc3(\\xed\\xa0\\x80\\xc0\\xaf\\xe2\\x82", "what is not UTF-8");
	ok(cli_columns(SPAN("abc")) == 3, "ASCII is one column");
	ok(cli_columns(SPAN("\xc3\xa4\xe2\x82\xac")) == 2, "so are umlauts and the euro");
	ok(cli_columns(SPAN("a\xcc\x88")) == 1, "a combining character takes none");
	ok(cli_columns(SPAN("\xe6\xbc\xa2\xe5\xad\x97")) == 4, "Han takes two");
	ok(cli_columns(SPAN("\xf0\x9f\x98\x80\xf0\x9f\x9a\x80")) == 4, "so do pictures");
	ok(cli_columns(SPAN("\xef\xbd\xb1")) == 1, "half-width kana takes one");
	ok(cli_cut(SPAN("\xe6\xbc\xa2\xe5\xad\x97"), 3, &columns) == 3 && columns == 2,
	    "a wide character is not parted");
	ok(cli_cut(SPAN("a\xcc\x88z"), 1, &columns) == 3 && columns == 1,
	    "a combining character stays with its base");
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	cli_time_local(INT64_C(1795255200123456), &b);
	is_bytes(b.data, b.len, "2026-11-21 11:00:00", "local time");
	buf_reset(&b);
	cli_time_local(-1, &b);
	is_bytes(b.data, b.len, "1970-01-01 00:59:59", "a time before 1970");
	buf_release(&b);
	test_ages();
	setenv("COLUMNS", "123", 1);
	ok(cli_width(-1) == 123, "COLUMNS is the width where no terminal says");
	unsetenv("COLUMNS");
	ok(cli_width(-1) == 0, "there is no limit where nothing says");
}

static const char *const headers[] = {"seq", "element", "state", NULL};

/* What ${t}, made for ${out}, has printed must be ${want}; both are closed. */
static void
check_table(struct table *t, FILE *out, const char *want, const char *name)
{
	static char got[8192];
	size_t n;

	if (t == NULL || out == NULL)
		exit(99);
	ok(cli_table_flush(t) == 0, "cli_table_flush: %s", name);
	cli_table_free(t);
	rewind(out);
	n = fread(got, 1, sizeof(got), out);
	fclose(out);
	is_bytes(got, n, want, name);
}

static struct table *
small(FILE *out, size_t width, size_t flexible, bool color)
{
	struct table *t = cli_table_new(headers, out, width, color);

	cli_table_column(t, 0, TABLE_RIGHT);
	cli_table_column(t, flexible, TABLE_STATE);
	cli_table_add(t, SPAN("7"), NULL);
	cli_table_add(t, SPAN("a\x1b"), NULL);
	cli_table_add(t, SPAN("{\"mtu\":9000,\"x\":1}"), "31");
	cli_table_add(t, SPAN("12345"), NULL);
	cli_table_add(t, SPAN("interface:\xe6\xbc\xa2"), NULL);
	cli_table_add(t, SPAN(""), NULL);
	return (t);
}

static void
test_table(void)
{
	FILE *out;
	struct table *t;
	size_t i;
	char digits[24];

	out = tmpfile();
	check_table(small(out, 0, 2, false), out,
	    "  seq  element       state\n"
	    "    7  a\\x1b         {\"mtu\":9000,\"x\":1}\n"
	    "12345  interface:\xe6\xbc\xa2\n",
	    "columns are aligned");
	out = tmpfile();
	check_table(small(out, 36, 2, false), out,
	    "  seq  element       state\n"
	    "    7  a\\x1b         {\"mtu\":9000,\"x\xe2\x80\xa6\n"
	    "12345  interface:\xe6\xbc\xa2\n",
	    "the last column is cut");
	out = tmpfile();
	t = small(out, 38, 1, false);
	check_table(t, out,
	    "  seq  element      state\n"
	    "    7  a\\x1b        {\"mtu\":9000,\"x\":1}\n"
	    "12345  interface:\xe2\x80\xa6\n",
	    "another one can be the flexible one");
	out = tmpfile();
	check_table(small(out, 36, 2, true), out,
	    "  \033[1mseq\033[0m  \033[1melement\033[0m       \033[1mstate\033[0m\n"
	    "    7  a\\x1b         \033[31m{\"mtu\":9000,\"x\xe2\x80\xa6\033[0m\n"
	    "12345  interface:\xe6\xbc\xa2\n",
	    "colour does not count");
	out = tmpfile();
	t = small(out, 48, 2, false);
	cli_table_flush(t);
	cli_table_add(t, SPAN("1234567"), NULL);
	cli_table_add(t, SPAN("b"), NULL);
	cli_table_add(t, SPAN("{\"mtu\":9000,\"longer\":1}"), NULL);
	check_table(t, out,
	    "  seq  element       state\n"
	    "    7  a\\x1b         {\"mtu\":9000,\"x\":1}\n"
	    "12345  interface:\xe6\xbc\xa2\n"
	    "1234567  b             {\"mtu\":9000,\"longer\":1}\n",
	    "later rows have the whole line");
	out = tmpfile();
	t = cli_table_new(headers + 2, out, 0, false);
	for (i = 0; i < 2500; i++)
		cli_table_add(t,
		    (struct span){digits, (size_t)snprintf(digits, sizeof(digits), "%zu", i)},
		    NULL);
	ok(cli_table_flush(t) == 0, "many rows");
	cli_table_free(t);
	rewind(out);
	for (i = 0; fgets(digits, sizeof(digits), out) != NULL;)
		i++;
	fclose(out);
	ok(i == 2501, "many rows are printed as they come");
}

/* Run ${fn} in a child whose standard output or error ${at} is ${fd}; return its exit code. */
static int
child(int (*fn)(void), int at, int fd)
{
	int status;
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == 0) {
		signal(SIGPIPE, SIG_IGN);
		if (dup2(fd, at) == -1)
			_exit(99);
		_exit(fn());
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return (-1);
	return (WEXITSTATUS(status));
}

static int
print_little(void)
{
	printf("hello\n");
	return (cli_close_stdout(&cli, EXIT_NO));
}

static int
print_much(void)
{
	int i;

	for (i = 0; i < 10000; i++)
		printf("hello %d\n", i);
	return (cli_close_stdout(&cli, EXIT_NO));
}

static int
print_nothing(void)
{
	close(STDOUT_FILENO);
	return (cli_close_stdout(&cli, EXIT_NO));
}

static int full, broken;

static int
fill_little(void)
{
	return (child(print_little, STDOUT_FILENO, full));
}

static int
fill_much(void)
{
	return (child(print_much, STDOUT_FILENO, full));
}

static int
break_little(void)
{
	return (child(print_little, STDOUT_FILENO, broken));
}

static int
break_much(void)
{
	return (child(print_much, STDOUT_FILENO, broken));
}

static void
test_close_stdout(void)
{
	static const char
	    message[] = "ecl-test: cannot write standard output: No space left on device\n";
	int p[2];

	run("");
	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (pipe(p) != 0)
		exit(99);
	close(p[0]);
	broken = p[1];
	ok(quietly(fill_little) == EXIT_ERROR, "a full disk is an error at the end");
	is_bytes(said, strlen(said), message, "and is said");
	ok(quietly(fill_much) == EXIT_ERROR, "a full disk is an error in between");
	is_bytes(
	    said, strlen(message) - 26, "ecl-test: cannot write standard output", "and is said");
	ok(quietly(break_little) == EXIT_NO && said[0] == '\0', "a reader that left is none");
	ok(quietly(break_much) == EXIT_NO && said[0] == '\0', "nor one that left in between");
	ok(child(print_nothing, STDOUT_FILENO, full) == EXIT_NO, "nor a closed one without output");
	close(full);
	close(broken);
}

/* Half a second is waited for; of the rest it is said that it took 100 s, so that no second more or less is to be seen. */
static int
work(void)
{
	struct timespec half = {0, 520000000};
	struct progress p;

	progress_init(&p, &cli, "verifying", "events", 1000);
	if (p.next_us < p.start_us + 500000)
		return (EXIT_ERROR);
	nanosleep(&half, NULL);
	p.start_us -= 100000000;
	progress_step(&p, 450);
	progress_step(&p, 451);
	cli_warn(&cli, "odd");
	progress_step(&p, 452);
	progress_end(&p);
	return (0);
}

/* What ${work} writes on a terminal. */
static const char *
work_on_terminal(void)
{
	static char got[1024];
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	ssize_t n;

	if (master == -1 || grantpt(master) != 0 || unlockpt(master) != 0 ||
	    (slave = open(ptsname(master), O_RDWR | O_NOCTTY)) == -1)
		return ("no terminal");
	child(work, STDERR_FILENO, slave);
	fcntl(master, F_SETFL, O_NONBLOCK);
	n = read(master, got, sizeof(got) - 1);
	got[n > 0 ? n : 0] = '\0';
	close(slave);
	close(master);
	return (got);
}

static void
test_progress(void)
{
	const char *got;

	setenv("TERM", "xterm", 1);
	run("");
	got = work_on_terminal();
	ok(strncmp(got, "\rverifying: 45% of 1000 events, 4 a second, 2:0", 47) == 0, "progress is shown");
	ok(strstr(got, " left\033[K\r\033[Kecl-test: warning: odd\r\n") != NULL,
	    "a message wipes it");
	run("-q");
	got = work_on_terminal();
	is_bytes(got, strlen(got), "ecl-test: warning: odd\r\n", "with -q there is none");
	quietly(work);
	is_bytes(said, strlen(said), "ecl-test: warning: odd\n", "nor into a file");
}

int
main(void)
{
	test_accepted();
	test_refused();
	test_common();
	test_messages();
	test_text();
	test_table();
	test_close_stdout();
	test_progress();
	return (tap_done());
}
