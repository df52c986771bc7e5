/* What all programs have in common: options, messages, tables, progress.  The one module that prints. */
#ifndef ECL_CLI_H_
#define ECL_CLI_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "buf.h"
#include "err.h"

/* An option of one program.  The table ends with a ${key} of 0. */
struct cli_option {
	int key; /* what cli_next() returns: the letter of the short option, or a number from CLI_LONG up */
	const char *name; /* the long name without dashes, or NULL */
	bool arg;	  /* it needs an argument */
};

#define CLI_LONG 256 /* keys from here on have no letter */

enum cli_color { CLI_COLOR_AUTO, CLI_COLOR_ALWAYS, CLI_COLOR_NEVER };

struct progress;

struct cli {
	const char *name; /* of the program */
	const char *help; /* what --help prints */
	const char *root; /* --root, else $ECL_ROOT, else /var/lib/ecl */
	bool root_given; /* by --root */
	bool quiet;
	bool verbose;
	bool json;
	bool table;
	bool force;
	enum cli_color color;
	int wait_ms;	   /* --wait */
	const char *value; /* the argument of the option that cli_next() returned */
	char **operands;   /* set when cli_next() returned 0; ends with NULL */
	size_t noperands;
	int exit;    /* set when cli_next() returned -1 */
	int write_sys; /* errno of a write to standard output that failed before cli_close_stdout(), where that is known */
	char **argv; /* from here on: cli_next()'s own */
	const char *bundle;
	struct progress *progress; /* the line now on the terminal, to be wiped before a message */
};

/* The last lines of the help texts: a reader waits for no lock, and needs no force. */
#define CLI_HELP_ROOT "  -d, --root DIR        the ledger (else $ECL_ROOT, else /var/lib/ecl)\n"
#define CLI_HELP_TABLE                                          \
	"      --json            NDJSON, also on a terminal\n"  \
	"      --table           a table, also into a pipe\n"   \
	"      --color WHEN      auto, always or never\n"
#define CLI_HELP_REST                                           \
	"  -q, --quiet           say only what went wrong\n"    \
	"  -v, --verbose         say more\n"                    \
	"  -h, --help            this text\n"                   \
	"  -V, --version         the version\n"
#define CLI_HELP_READER CLI_HELP_ROOT CLI_HELP_TABLE CLI_HELP_REST
#define CLI_HELP_WRITER                                                            \
	CLI_HELP_ROOT                                                              \
	"      --wait SECONDS    how long to wait for a lock (10)\n"               \
	"      --force           do it although a check advises against it\n"      \
	CLI_HELP_TABLE CLI_HELP_REST

/* Options (cli.c). */

/** cli_init(cli, name, help, argv): get ready to read the options in ${argv}, whose first is skipped. */
void cli_init(struct cli *cli, const char *name, const char *help, char **argv);

/**
 * cli_next(cli, options):
 * Return the key of the next option of ${options}, its argument in cli->value.  Options common to all programs
 * are taken care of here, unless ${options} has one of the same name.  Options end at the first operand or behind
 * `--'; then return 0, with the operands in ${cli}.  Return -1 with cli->exit where the program is to end at once:
 * help or version was asked for and printed, or the usage was wrong and that was said.
 */
int cli_next(struct cli *cli, const struct cli_option *options);

/* Messages, to standard error (cli.c). */

/** cli_error(cli, e): say what went wrong (with --json also as a line of JSON).  Return the exit code. */
int cli_error(const struct cli *cli, const struct err *e);

/** cli_error_full(cli, e): cli_error() of a program that writes to the root: where the disk is full, it also says what makes room. */
int cli_error_full(const struct cli *cli, const struct err *e);

/** cli_root_words(cli, out): append what a command that is shown must have to mean this root: ` -d ROOT', for a shell, where --root was given, else nothing. */
void cli_root_words(const struct cli *cli, struct buf *out);

/** cli_usage(cli, fmt, ...): say what is wrong with the command line, and where help is.  Return EXIT_ERROR. */
int cli_usage(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** cli_warn(cli, fmt, ...): say something even with -q (with --json also as a line of JSON).  cli_info(cli, fmt, ...): not with -q. */
void cli_warn(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_info(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** cli_stdin_is_terminal(cli): whether standard input is a terminal; says so at once where it is. */
bool cli_stdin_is_terminal(const struct cli *cli);

/** cli_no_core(): this process leaves no core: before it reads a private key, or that of --redact. */
void cli_no_core(void);

/**
 * cli_close_stdout(cli, code):
 * Flush and close standard output; call it last.  Return ${code}, or EXIT_ERROR with a message where that, or a
 * write before, failed.  A reader of ours that went away (EPIPE) is no failure.
 */
int cli_close_stdout(const struct cli *cli, int code);

/* How to print (cli.c). */

/** cli_want_table(cli): people, not programs, read standard output: it is a terminal, or --table. */
bool cli_want_table(const struct cli *cli);

/** cli_want_color(cli, fd): whether to colour what goes to ${fd}. */
bool cli_want_color(const struct cli *cli, int fd);

/** cli_width(fd): columns of the terminal ${fd}, else $COLUMNS; 80 where a terminal does not say, else 0: no limit. */
size_t cli_width(int fd);

/* Text for the eyes of people (cli_text.c). */

/** cli_printable(text, out): append ${text} with control and bidi characters and what is not UTF-8 made visible. */
void cli_printable(struct span text, struct buf *out);

/** cli_columns(text): columns that ${text} (printable) takes on a terminal. */
size_t cli_columns(struct span text);

/** cli_cut(text, columns, ret_columns): bytes of ${text} that fit, and the columns they take.  Never parts a combined character. */
size_t cli_cut(struct span text, size_t columns, size_t *ret_columns);

/** cli_time_local(us, out): append the local time, as in `2026-11-21 10:00:00'. */
void cli_time_local(int64_t us, struct buf *out);

/**
 * cli_time_short(us, now_us, out), cli_time_long(us, now_us, out):
 * Append the local time with its age, as in `10:03:17, 3 min ago', or the whole of it where it is 24 hours or more before ${now_us}, or
 * behind it; and as in `2026-11-21 10:03:17 (3 min ago)'.
 */
void cli_time_short(int64_t us, int64_t now_us, struct buf *out);
void cli_time_long(int64_t us, int64_t now_us, struct buf *out);

/** cli_now_us(): the time, as events have it. */
int64_t cli_now_us(void);

/** cli_json_string(text, out): append ${text} as a string of JSON in ASCII and UTF-8; what is not UTF-8 becomes U+FFFD. */
void cli_json_string(struct span text, struct buf *out);

/* Tables (cli_table.c). */

struct table;

/* What a column is: how it is aligned, and in which order columns are cut, with an ellipsis, where a line would be too long. */
#define TABLE_RIGHT 1u /* aligned to the right */
#define TABLE_STATE 2u /* cut first */
#define TABLE_TEXT 4u
#define TABLE_NAME 8u  /* cut in the middle */
#define TABLE_BELOW 16u /* of a drawn one, the last: what does not fit into its line stands in lines of its own below */

/* Cells that look different where there is less room: their data is kept as it is, and what they write must be printable. */
struct table_art {
	size_t (*columns)(struct span data); /* of the whole line; 0: an empty cell */
	void (*line)(struct span data, size_t room, bool color, struct buf *out);
	void (*below)(struct span data, size_t width, bool color, struct buf *out); /* lines, each with its LF */
};

/**
 * cli_table_new(headers, out, width, color):
 * A table for ${out} with one column a header (${headers} ends with NULL and outlives it), its lines at most
 * ${width} columns wide (0: no limit).  Return NULL when memory ran out.
 */
struct table *cli_table_new(const char *const *headers, FILE *out, size_t width, bool color);

/** cli_table_column(t, column, flags): what the column is; without TABLE_STATE, TABLE_TEXT and TABLE_NAME it is never cut. */
void cli_table_column(struct table *t, size_t column, unsigned flags);

/** cli_table_draw(t, column, art): its cells are drawn by ${art}, which outlives the table. */
void cli_table_draw(struct table *t, size_t column, const struct table_art *art);

/** cli_table_add(t, text, style): the next cell (copied, made printable unless it is drawn); ${style} is an SGR code as in "1;31", or NULL. */
void cli_table_add(struct table *t, struct span text, const char *style);

/**
 * cli_table_flush(t):
 * Print the rows so far.  The first time, the widths are fixed by the rows there are, and columns that are empty in all of them are left
 * out (until a later row has something there: then there are new headers).  cli_table_add() does this by itself when
 * many rows wait, so that a table of any length takes little memory.  Return 0, or -1 where memory ran out.
 */
int cli_table_flush(struct table *t);

/** cli_table_full(t): whether the next cell makes it print. */
bool cli_table_full(const struct table *t);

/** cli_table_free(t): does not flush; NULL is fine. */
void cli_table_free(struct table *t);

/* Progress (cli_progress.c). */

struct progress {
	struct cli *cli;
	const char *label; /* "verifying" */
	const char *unit;  /* "events"; "bytes" are shown as KiB, MiB...; "": none */
	uint64_t total;	   /* 0: not known */
	int64_t start_us;  /* of a monotonic clock */
	int64_t next_us;   /* not to print before; INT64_MAX: never */
	bool shown;
};

/** progress_init(p, cli, label, unit, total): it is shown on a terminal without -q only, once it took half a second. */
void progress_init(
    struct progress *p, struct cli *cli, const char *label, const char *unit, uint64_t total);

/** progress_step(p, done): now ${done} of them are done.  Reads the clock: call it every few hundred, not for each. */
void progress_step(struct progress *p, uint64_t done);

/**
 * progress_output(p):
 * Call it before data is written to standard output.  Where that may appear on the same terminal, be it through a pager, the line is wiped for
 * good; where it is a file, or goes nowhere, the line stays.
 */
void progress_output(struct progress *p);

/** progress_clear(p): wipe the line; the next step shows it again.  progress_end(p): wipe it for good. */
void progress_clear(struct progress *p);
void progress_end(struct progress *p);

#endif
