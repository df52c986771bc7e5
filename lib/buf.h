/* A growing run of bytes, and a view of bytes that somebody else owns. */
#ifndef ECL_BUF_H_
#define ECL_BUF_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A view: not owned, not terminated.  p == NULL means absent, which is not the same as empty. */
struct span {
	const char *p;
	size_t len;
};

/*
 * A buffer that grows.  All zeros is a valid empty one.  When memory runs out, ${failed} is set, the
 * buffer stays as it was, and all later additions do nothing: a caller adds what it has to and asks once.
 */
struct buf {
	char *data;
	size_t len;
	size_t cap;
	bool failed;
};

#define BUF_INIT {NULL, 0, 0, false}
#define SPAN(s) ((struct span){(s), sizeof(s) - 1})

/** buf_release(b): free what ${b} holds and make it empty. */
void buf_release(struct buf *b);

/** buf_reset(b): forget the contents (and a failure), keep the memory. */
void buf_reset(struct buf *b);

/** buf_reserve(b, more): room for ${more} bytes beyond len.  Return 0, or -1 when memory ran out.  Amortised O(1) a byte. */
int buf_reserve(struct buf *b, size_t more);

/** buf_add(b, p, len), buf_adds(b, string), buf_addc(b, c), buf_addspan(b, span): append bytes. */
void buf_add(struct buf *b, const void *p, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addspan(struct buf *b, struct span s);

/** buf_addu64(b, n): append ${n} in decimal. */
void buf_addu64(struct buf *b, uint64_t n);

/** buf_addhex(b, bytes, len): append 2 * ${len} lower-case hex digits. */
void buf_addhex(struct buf *b, const uint8_t *bytes, size_t len);

/** buf_addf(b, fmt, ...): append as printf(3) does; for what is not hot. */
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** buf_cstr(b): the contents with a NUL behind (not counted in len), "" on failure. */
const char *buf_cstr(struct buf *b);

/** buf_next_string(b, before): of strings that stand in ${b} one behind the other, each with its NUL, the one behind ${before} (NULL: the first), or NULL. */
char *buf_next_string(const struct buf *b, const char *before);

/** span_eq(a, b), span_is(a, string): same bytes? */
bool span_eq(struct span a, struct span b);
bool span_is(struct span a, const char *s);

/** span_cmp(a, b): order of bytes, a prefix first: <0, 0, >0. */
int span_cmp(struct span a, struct span b);

/** hex_decode(hex, n, out): decode 2 * ${n} lower-case hex digits; return 0, or -1 where they are not. */
int hex_decode(const char *hex, size_t n, uint8_t *out);

/** decimal_parse(p, len, ret): all ${len} characters as a u64 without sign or leading zeros; return 0 or -1. */
int decimal_parse(const char *p, size_t len, uint64_t *ret);

/** decimal_pad(n, digits, out): the last ${digits} decimal digits of ${n}, zeros before it, without a NUL. */
void decimal_pad(uint64_t n, size_t digits, char *out);

#endif
