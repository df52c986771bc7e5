/*
 * The hot scan: one pass that checks a value, and writes its canonical form too.  json_engines.c includes this once
 * for each engine, with
 *
 *   HOT(name)	the name of a function for this engine
 *   TARGET	the attribute that allows its instructions
 *   STEP	how many bytes of a string it passes together, at most JSON_NEAR
 *   HOT(plain)(c, write)	how many of the STEP bytes at c->p stand in a string as they are, up to the first that
 *		does not: a quote, a backslash, a control character, or not ASCII; with write they and that one, if it
 *		is among the STEP, are copied to c->o, where JSON_SLACK bytes may be spoilt
 *   VECTOR	1 where, in place of that, STEP is 64 and there are
 *   HOT(mask64)(p)	a bit for each of the 64 bytes at p that is not plain
 *   HOT(copy32)(to, from)	a copy of 32 bytes
 *   HOT(digits)(p)	how many digits are at p, at most 16
 *
 * so that all of it is inlined into one function each.  Every function here may read JSON_NEAR bytes from where READY()
 * was said, less what it passed since; and a zero behind the end of the text stops everything.
 */

#define HOT_INLINE static inline __attribute__((always_inline)) TARGET

#if VECTOR
/*
 * What was seen of 64 bytes serves for all strings that end there.  So where the next string begins depends on a shift
 * and a count of zeros, not on a load and comparisons.
 */
HOT_INLINE size_t
HOT(plain)(struct cursor *c, const bool write)
{
	size_t n = (size_t)(c->p - c->window);
	uint64_t special = n < 64 ? c->special >> n : 0;

	if (UNLIKELY(special == 0)) {
		c->window = c->p;
		c->special = special = HOT(mask64)(c->p);
	}
	if (write)
		HOT(copy32)(c->o, c->p);
	n = special == 0 ? 64 : (size_t)__builtin_ctzll(special);
	if (write && n >= 32)
		HOT(copy32)(c->o + 32, c->p + 32);
	return (n);
}
#endif

HOT_INLINE void
HOT(space)(struct json_walk *w, struct cursor *c)
{
	if (LIKELY(*c->p > ' '))
		return;
	if (LIKELY(*c->p == ' ' && c->p[1] > ' ')) {
		c->changed = true;
		c->p++;
	} else {
		size_t at = OFFSET(w, c), end = json_space(w->text, w->len, at);

		c->changed |= end != at;
		MOVE(w, c, end);
	}
}

/* In a string, at what is not plain; only that byte is sure to be there. */
HOT_INLINE int
HOT(special)(struct json_walk *w, struct cursor *c, bool *escaped, const bool write)
{
	size_t n, out;

	if (*c->p >= 0x80) {
		do {
			READY(w, c);
			if ((n = json_utf8_char(c->p, 4)) == 0)
				return (json_fault_set(w->f, OFFSET(w, c), "invalid UTF-8"));
			if (write) {
				memcpy(c->o, c->p, 4);
				c->o += n;
			}
			c->p += n;
		} while (*c->p >= 0x80);
		return (0);
	}
	if (*c->p != '\\')
		return (json_fault_control(w, OFFSET(w, c)));
	*escaped = true;
	READY(w, c);
	if (LIKELY(short_escape[c->p[1]])) {
		if (write) {
			memcpy(c->o, c->p, 2);
			c->o += 2;
		}
		c->p += 2;
		return (0);
	}
	if ((n = json_escaped(w, OFFSET(w, c), write ? c->o : NULL, &out)) == 0)
		return (-1);
	c->p += n;
	if (write)
		c->o += out;
	return (0);
}

/* The string at c->p, which is a quote.  Behind it nothing is sure to be there. */
HOT_INLINE int
HOT(string)(struct json_walk *w, struct cursor *c, bool *escaped, const bool write)
{
	size_t n;

	*escaped = false;
	c->p++;
	if (write)
		*c->o++ = '"';
	for (;;) {
		READY(w, c);
		n = HOT(plain)(c, write);
		c->p += n;
		if (write)
			c->o += n;
		if (UNLIKELY(n == STEP))
			continue;
		if (LIKELY(*c->p == '"'))
			break;
		if (HOT(special)(w, c, escaped, write) != 0)
			return (-1);
	}
	c->p++;
	if (write)
		c->o++; /* the closing quote was copied with what was before it */
	return (0);
}

/* Most numbers are short, and have no exponent. */
HOT_INLINE int
HOT(number)(struct json_walk *w, struct cursor *c, const bool write)
{
	const unsigned char *p;
	size_t n, m = 0, at;

	READY(w, c);
	p = c->p + (*c->p == '-');
	n = HOT(digits)(p);
	if (UNLIKELY(n - 1 >= 15 || (*p == '0' && n > 1)))
		goto any;
	p += n;
	if (*p == '.') {
		m = HOT(digits)(p + 1);
		if (UNLIKELY(m - 1 >= 15))
			goto any;
		p += 1 + m;
	}
	if (UNLIKELY((*p | 0x20) == 'e'))
		goto any;
	if (write) {
		memcpy(c->o, c->p, 16);
		memcpy(c->o + 16, c->p + 16, 16);
		c->o += p - c->p;
	}
	c->p = p;
	return (0);
any:
	at = OFFSET(w, c);
	if ((n = json_number(w, at)) == 0)
		return (-1);
	if (write) {
		memcpy(c->o, w->text + at, n - at);
		c->o += n - at;
	}
	MOVE(w, c, n);
	return (0);
}

HOT_INLINE int
HOT(word)(struct json_walk *w, struct cursor *c, const bool write)
{
	size_t n;

	if (memcmp(c->p, "true", 4) == 0 || memcmp(c->p, "null", 4) == 0)
		n = 4;
	else if (memcmp(c->p, "false", 5) == 0)
		n = 5;
	else
		return (json_fault_word(w, OFFSET(w, c)));
	if (write) {
		memcpy(c->o, c->p, 8);
		c->o += n;
	}
	c->p += n;
	return (0);
}

/* The name at c->p of a member of ${l}; ${*n} members are on the stack. */
HOT_INLINE int
HOT(name)(struct json_walk *w, struct cursor *c, struct json_level *l, size_t *n, const bool write)
{
	struct json_name *name = &l->name[l->odd];
	struct json_member *m = NULL;
	size_t at = OFFSET(w, c), len;
	uint64_t prefix;
	bool escaped;

	if (UNLIKELY(*c->p != '"'))
		return (json_fault_name(w, at));
	if (write) {
		if (UNLIKELY(*n == w->work->cap) && json_room(w->work, *n) != 0)
			return (json_fault_set(w->f, at, "out of memory"));
		m = &w->work->members[*n];
		m->at = c->o;
		name = &m->name;
		++*n;
	}
	memcpy(&prefix, c->p + 1, sizeof(prefix));
	prefix = be64toh(prefix);
	if (HOT(string)(w, c, &escaped, write) != 0)
		return (-1);
	len = OFFSET(w, c) - at;
	if (len < 10)
		prefix &= ~(UINT64_MAX >> 8 * (len - 2));
	if (UNLIKELY(escaped))
		prefix = json_prefix((struct span){w->text + at, len});
	/* One by one: to build it elsewhere and copy it would wait for the stores. */
	name->prefix = prefix;
	name->p = w->text + at;
	name->len = len;
	name->escaped = escaped;
	if (UNLIKELY(prefix <= l->prefix) && l->any && !l->unsorted &&
	    json_name_order(write ? &m[-1].name : &l->name[!l->odd], name) >= 0) {
		l->unsorted = true;
		c->changed = true;
	}
	l->prefix = prefix;
	l->any = true;
	l->odd = !l->odd;
	READY(w, c);
	HOT(space)(w, c);
	if (UNLIKELY(*c->p != ':'))
		return (json_fault(w, OFFSET(w, c), "expected ':' after a member name"));
	c->p++;
	if (write)
		*c->o++ = ':';
	return (0);
}

/* The brace or bracket at c->p, and white space behind it; it becomes ${l}. */
HOT_INLINE void
HOT(open)(struct json_walk *w, struct cursor *c, struct json_level *l, size_t n, const bool write)
{
	READY(w, c);
	l->object = *c->p == '{';
	l->unsorted = false;
	l->base = n;
	if (write) {
		*c->o++ = (char)*c->p;
		l->start = c->o;
	}
	l->prefix = 0;
	l->any = false;
	l->odd = false;
	c->p++;
	HOT(space)(w, c);
}

/* A value that is neither an array nor an object. */
HOT_INLINE int
HOT(scalar)(struct json_walk *w, struct cursor *c, const bool write)
{
	bool escaped;
	int rc;

	switch (*c->p) {
	case '"':
		rc = HOT(string)(w, c, &escaped, write);
		w->escaped = escaped;
		return (rc);
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return (HOT(number)(w, c, write));
	case 't':
	case 'f':
	case 'n':
		return (HOT(word)(w, c, write));
	default:
		return (json_fault_value(w, OFFSET(w, c)));
	}
}

/* Behind a value of ${l}: whether it was the last, 1, or another follows, 0; else -1. */
HOT_INLINE int
HOT(next)(struct json_walk *w, struct cursor *c, const struct json_level *l, const bool write)
{
	const unsigned char end = l->object ? '}' : ']';

	HOT(space)(w, c);
	if (*c->p == end)
		return (1);
	if (UNLIKELY(*c->p != ','))
		return (json_fault(
		    w, OFFSET(w, c), l->object ? "expected ',' or '}' after a member" : "expected ',' or ']' in an array"));
	c->p++;
	if (write)
		*c->o++ = ',';
	HOT(space)(w, c);
	if (UNLIKELY(*c->p == ']') && !l->object)
		return (json_fault(w, OFFSET(w, c), "trailing comma before ']'"));
	return (0);
}

HOT_INLINE int
HOT(walk)(struct json_walk *w, unsigned depth, const bool write)
{
	struct json_level *const bottom = w->levels, *l = bottom; /* the innermost that is open is l[-1] */
	struct cursor c = {.o = w->o};
	size_t n = 0;
	int rc;

	MOVE(w, &c, w->pos);
	w->changed = false;
	w->escaped = false;
value:
	HOT(space)(w, &c);
	if (*c.p == '{' || *c.p == '[') {
		if (UNLIKELY(depth + (unsigned)(l - bottom) > JSON_DEPTH_MAX))
			return (json_fault_set(w->f, OFFSET(w, &c), "nesting deeper than %d", JSON_DEPTH_MAX));
		HOT(open)(w, &c, l++, n, write);
		if (l[-1].object) {
			if (*c.p != '}')
				goto name;
		} else if (*c.p != ']')
			goto value;
		goto close;
	}
	if (UNLIKELY(HOT(scalar)(w, &c, write) != 0))
		return (-1);
done:
	if (l == bottom) {
		w->pos = OFFSET(w, &c);
		w->o = c.o;
		w->changed |= c.changed;
		return (0);
	}
	READY(w, &c);
	if (write && l[-1].object) {
		struct json_member *m = &w->work->members[n - 1];

		m->len = (size_t)(c.o - m->at);
	}
	if (UNLIKELY((rc = HOT(next)(w, &c, &l[-1], write)) < 0))
		return (-1);
	if (rc > 0)
		goto close;
	if (!l[-1].object)
		goto value;
name:
	if (UNLIKELY(HOT(name)(w, &c, &l[-1], &n, write) != 0))
		return (-1);
	goto value;
close:
	l--;
	if (write) {
		if (l->unsorted && json_sort(w, l->base, n, l->start, c.o) != 0)
			return (-1);
		*c.o++ = (char)*c.p;
		n = l->base;
	}
	c.p++;
	goto done;
}

TARGET static int
HOT(scan)(struct json_walk *w, unsigned depth)
{
	return (HOT(walk)(w, depth, false));
}

TARGET static int
HOT(write)(struct json_walk *w, unsigned depth)
{
	return (HOT(walk)(w, depth, true));
}

#undef HOT_INLINE
