/* SipHash-1-3 (Aumasson, Bernstein). */
#include "config.h"

#include "le.h"
#include "siphash.h"

#include "banned.h"

struct sip {
	uint64_t a, b, c, d;
};

static inline uint64_t
rotate(uint64_t n, unsigned by)
{
	return (n << by | n >> (64 - by));
}

static inline void
round_once(struct sip *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = rotate(s->b, 13) ^ s->a;
	s->d = rotate(s->d, 16) ^ s->c;
	s->a = rotate(s->a, 32);
	s->c += s->b;
	s->a += s->d;
	s->b = rotate(s->b, 17) ^ s->c;
	s->d = rotate(s->d, 21) ^ s->a;
	s->c = rotate(s->c, 32);
}

static inline void
take(struct sip *s, uint64_t word)
{
	s->d ^= word;
	round_once(s);
	s->a ^= word;
}

uint64_t
siphash(const uint64_t key[2], struct span text)
{
	struct sip s = {
	    key[0] ^ UINT64_C(0x736f6d6570736575),
	    key[1] ^ UINT64_C(0x646f72616e646f6d),
	    key[0] ^ UINT64_C(0x6c7967656e657261),
	    key[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t last = (uint64_t)text.len << 56;
	size_t i, whole = text.len & ~(size_t)7;

	for (i = 0; i < whole; i += 8)
		take(&s, le64_get(text.p + i));
	for (; i < text.len; i++)
		last |= (uint64_t)(unsigned char)text.p[i] << (8 * (i & 7));
	take(&s, last);
	s.c ^= 0xff;
	round_once(&s);
	round_once(&s);
	round_once(&s);
	return (s.a ^ s.b ^ s.c ^ s.d);
}
