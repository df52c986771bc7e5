/* What the parts of the JSON reader share; not for others but input.c. */
#ifndef ECL_JSON_INTERNAL_H_
#define ECL_JSON_INTERNAL_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "json.h"

#define JSON_SHOWN_SIZE 64 /* 60 bytes, "..." and NUL */
#define JSON_NEAR 64	   /* bytes that the engines may read from where they stand without asking */

/* A member's name, ready to be compared: its token in the text, and its first eight bytes as a number. */
struct json_name {
	uint64_t prefix; /* of what it stands for, big-endian, zeros behind (no name has a NUL) */
	const char *p;	 /* the token, with its quotes */
	size_t len;
	bool escaped;
};

/* A member of an object that is being written. */
struct json_member {
	struct json_name name;
	char *at;   /* in the output */
	size_t len; /* there, without a comma */
};

/* What stands for a member while the members of an object are put in order. */
struct json_key {
	uint64_t prefix;
	const struct json_member *m;
};

/* An object or array that is open. */
struct json_level {
	uint64_t prefix; /* of the name of the member before */
	bool any;	 /* there was one */
	bool object;
	bool unsorted;		  /* its members are not in order, or two of them are the same */
	bool odd;		  /* which of name is the next, the other is the last */
	struct json_name name[2]; /* scan() only */
	size_t base;		  /* write() only: its first member on the stack */
	char *start;		  /* write() only: in the output, behind the brace */
};

/*
 * One pass over values of one text.  The engines read JSON_NEAR bytes at a time, so where fewer than that are
 * left of the text they go on in ${tail}, a copy of its end with zeros behind: no byte outside the text is read,
 * and a zero there is the end.
 */
struct json_walk {
	const char *text;
	size_t len;
	struct json_work *work; /* unused by scan() */
	struct json_fault *f;
	size_t pos;   /* of the value, then behind it */
	char *o;      /* where its canonical form goes, then behind that; unused by scan() */
	bool changed; /* the canonical form is another than the text */
	bool escaped; /* the value is a string and has an escape (or there are strings in it) */

	bool has_tail;
	const unsigned char *limit; /* from here on there are fewer than JSON_NEAR bytes: json_locate() */
	uintptr_t origin;	    /* what to take from a pointer to have an offset in the text */
	struct json_level levels[JSON_DEPTH_MAX + 1];
	unsigned char tail[2 * JSON_NEAR];
};

/* The same pass with other instructions. */
struct json_engine {
	const char *name;
	/*
	 * The value at w->pos (or at the white space there), its own depth were it an array or object ${depth}.
	 * Return 0, or -1 with w->f.  write() also writes its canonical form to w->o, where there is room for
	 * all that is left of the text and JSON_SLACK, and refuses duplicate members.
	 */
	int (*scan)(struct json_walk *w, unsigned depth);
	int (*write)(struct json_walk *w, unsigned depth);
};

/** json_engine(): the best for this processor, or what json_use() chose. */
const struct json_engine *json_engine(void);

/** json_walk_init(w, text, len, work, f): ready for values of ${text}, to be set in w->pos and w->o.  O(1). */
static inline void
json_walk_init(struct json_walk *w, const char *text, size_t len, struct json_work *work, struct json_fault *f)
{
	w->text = text;
	w->len = len;
	w->work = work;
	w->f = f;
	w->has_tail = false;
}

/** json_locate(w, at): where to read the text from the offset ${at} <= len on; sets limit and origin. */
const unsigned char *json_locate(struct json_walk *w, size_t at);

/** json_fault(w, at, what): fill in w->f, with the end of the text where ${at} is there.  Return -1. */
int json_fault(struct json_walk *w, size_t at, const char *what);

/** json_fault_name(w, at), json_fault_value(w, at), json_fault_control(w, at): no name, value, character of a string is at ${at}. */
int json_fault_name(struct json_walk *w, size_t at);
int json_fault_value(struct json_walk *w, size_t at);
int json_fault_control(struct json_walk *w, size_t at);

/** json_number(w, at): the end of the number at ${at}, any number; 0 with w->f where it is none. */
size_t json_number(struct json_walk *w, size_t at);

/** json_fault_word(w, at): the word that begins at ${at} is none of the three. */
int json_fault_word(struct json_walk *w, size_t at);

/**
 * json_escaped(w, at, o, ret_out):
 * Check the escape at ${at} and write what is canonical for it to ${o} (six bytes of room) unless that is NULL,
 * ${*ret_out} bytes; sets w->changed where that is not what was there.  Return its length in the text, 0 with w->f.
 */
size_t json_escaped(struct json_walk *w, size_t at, char *o, size_t *ret_out);

/** json_room(work, n): make room for more than ${n} members on the stack.  Return 0, or -1 when memory ran out. */
int json_room(struct json_work *work, size_t n);

/**
 * json_sort(w, base, n, start, end):
 * Put the members ${base} to ${n} of the stack, which are all that stands from ${start} to ${end} of the output, in
 * order.  Return 0, or -1 with w->f where two have the same name or memory ran out.  O(n log n) comparisons.
 */
int json_sort(struct json_walk *w, size_t base, size_t n, char *start, char *end);

/** json_name_order(a, b): the order of two names. */
int json_name_order(const struct json_name *a, const struct json_name *b);

/** json_prefix(token): the prefix of a valid token that has escapes. */
uint64_t json_prefix(struct span token);

/**
 * json_unit(p, out, ret_len):
 * Decode the character or escape at ${p}, inside a valid string token, into ${out}.  Return its length
 * there; ${*ret_len} becomes its length in the token.
 */
size_t json_unit(const char *p, char out[4], size_t *ret_len);

/** json_put_char(to, c): write one byte as it stands in a canonical string.  Return how many that took, at most six. */
size_t json_put_char(char *to, unsigned char c);

/** json_shown(token, out): what a valid string token stands for, made fit for a message: no controls, cut at 60 bytes. */
const char *json_shown(struct span token, char out[JSON_SHOWN_SIZE]);

/**
 * json_utf8_char(p, left):
 * The length of the UTF-8 character at ${p}, 0 where there is none.  RFC 3629: no overlong forms, no surrogates,
 * nothing over U+10FFFF.
 */
static inline size_t
json_utf8_char(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n, i;

	if (p[0] < 0x80)
		return (1);
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return (0);
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return (0);
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return (0);
	for (i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return (0);
	return (n);
}

#endif
