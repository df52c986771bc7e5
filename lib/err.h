/* What went wrong, as a value: the library fills it in, only cmd/ prints it. */
#ifndef ECL_ERR_H_
#define ECL_ERR_H_

#include <stdbool.h>

/* Exit codes (COMMANDS): what kind of answer an error is. */
#define EXIT_NO 1     /* the answer is no: tampering, nothing matched, rejected, forked */
#define EXIT_ERROR 2  /* usage, bad input, I/O */
#define EXIT_RETRY 75 /* try again later: locked, out of reach */

struct err {
	int exit;	/* EXIT_NO, EXIT_ERROR or EXIT_RETRY; 0 = nothing was reported */
	int sys;	/* errno where it came from the system, else 0 */
	char text[768]; /* lower case, no full stop, the subject quoted */
};

/**
 * err_set(e, fmt, ...), err_no(...), err_retry(...):
 * Describe in ${e} (may be NULL) an error with exit code EXIT_ERROR, EXIT_NO or EXIT_RETRY.
 * Return -1, so that a function can end with `return (err_set(e, ...));`.
 */
int err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int err_no(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int err_retry(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * err_sys(e, fmt, ...):
 * As err_set(), with ": " and the text of the present errno behind; errno is kept.
 */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * err_within(e, path):
 * An error of err_sys() happened in ${path}: put that in front, where the text does not name it already.
 */
int err_within(struct err *e, const char *path);

/**
 * err_mem(e):
 * Report that memory ran out (ENOMEM).  Return -1.
 */
int err_mem(struct err *e);

/**
 * err_is_mem(e):
 * Whether memory ran out: nothing was learned then of what was read.
 */
bool err_is_mem(const struct err *e);

/**
 * err_is_full(e):
 * Whether the disk, or what may be used of it, is full.
 */
bool err_is_full(const struct err *e);

#endif
