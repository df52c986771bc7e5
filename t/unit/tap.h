/* TAP for unit tests: ok() for each thing a user relies on, `return (tap_done());' at the end of main(). */
#ifndef ECL_TAP_H_
#define ECL_TAP_H_

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned tap_count, tap_failed;

/* ok(yes, fmt, ...): one result; the name says what holds.  Returns ${yes}. */
#define ok(yes, ...) tap_ok((yes), __FILE__, __LINE__, __VA_ARGS__)

static inline bool tap_ok(bool yes, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static inline bool
tap_ok(bool yes, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %u - ", yes ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	if (!yes) {
		tap_failed++;
		printf("# %s:%d\n", file, line);
	}
	return (yes);
}

/* is_bytes(got, len, want, name): these bytes are the string ${want}, else show them. */
#define is_bytes(got, len, want, name) tap_bytes((got), (len), (want), __FILE__, __LINE__, (name))

static inline bool
tap_bytes(
    const char *got, size_t len, const char *want, const char *file, int line, const char *name)
{
	size_t i;

	if (tap_ok(len == strlen(want) && memcmp(got, want, len) == 0, file, line, "%s", name))
		return (true);
	printf("#  got: ");
	for (i = 0; i < len; i++)
		printf(got[i] < 32 || got[i] > 126 ? "\\x%02x" : "%c", (unsigned char)got[i]);
	printf("\n# want: ");
	for (i = 0; want[i] != '\0'; i++)
		printf(want[i] < 32 || want[i] > 126 ? "\\x%02x" : "%c", (unsigned char)want[i]);
	putchar('\n');
	return (false);
}

static inline int
tap_done(void)
{
	printf("1..%u\n", tap_count);
	return (tap_failed != 0);
}

#endif
