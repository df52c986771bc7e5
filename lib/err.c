/* What went wrong, as a value. */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "err.h"

#include "banned.h"

static int __attribute__((format(printf, 4, 0)))
fill(struct err *e, int code, int sys, const char *fmt, va_list ap)
{
	int n;

	if (e == NULL)
		return (-1);
	e->exit = code;
	e->sys = sys;
	n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	if (sys != 0 && n >= 0 && (size_t)n < sizeof(e->text))
		snprintf(e->text + n, sizeof(e->text) - (size_t)n, ": %s", strerror(sys));
	return (-1);
}

int
err_set(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(e, EXIT_ERROR, 0, fmt, ap);
	va_end(ap);
	return (-1);
}

int
err_no(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(e, EXIT_NO, 0, fmt, ap);
	va_end(ap);
	return (-1);
}

int
err_retry(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(e, EXIT_RETRY, 0, fmt, ap);
	va_end(ap);
	return (-1);
}

int
err_sys(struct err *e, const char *fmt, ...)
{
	va_list ap;
	int sys = errno;

	va_start(ap, fmt);
	fill(e, EXIT_ERROR, sys, fmt, ap);
	va_end(ap);
	errno = sys;
	return (-1);
}

int
err_within(struct err *e, const char *path)
{
	struct err inner;
	size_t len;

	if (e == NULL || e->sys == 0)
		return (-1);
	inner = *e;
	snprintf(e->text, sizeof(e->text) - 3, "'%s", path);
	if (strstr(inner.text, e->text) != NULL) {
		*e = inner;
		return (-1);
	}
	len = strlen(e->text);
	snprintf(e->text + len, sizeof(e->text) - len, "': %.*s", (int)(sizeof(e->text) - 4 - len), inner.text);
	return (-1);
}

int
err_mem(struct err *e)
{
	err_set(e, "out of memory");
	if (e != NULL)
		e->sys = ENOMEM;
	return (-1);
}

bool
err_is_mem(const struct err *e)
{
	return (e->sys == ENOMEM);
}

bool
err_is_full(const struct err *e)
{
	return (e->sys == ENOSPC || e->sys == EDQUOT);
}
