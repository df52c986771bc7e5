/* Proofs over a Merkle tree: RFC 6962 sections 2.1.1 and 2.1.2; checks as in RFC 9162 sections 2.1.3.2 and 2.1.4.2. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "merkle.h"
#include "merkle_proof.h"

#include "banned.h"

/* ---- to make them ---- */

/* The ranges of a proof, from the root down. */
struct path {
	struct {
		uint64_t from, to;
	} range[MERKLE_PROOF_MAX + 1];
	size_t n;
};

static void
path_add(struct path *p, uint64_t from, uint64_t to)
{
	p->range[p->n].from = from;
	p->range[p->n].to = to;
	p->n++;
}

/* The largest power of two below ${n} > 1. */
static uint64_t
split(uint64_t n)
{
	return (UINT64_C(1) << (63 - __builtin_clzll(n - 1)));
}

static int
path_hashes(const struct path *p, merkle_range range, void *arg, struct buf *out, struct err *e)
{
	uint8_t hash[SHA256_SIZE];
	size_t had = out->len, i;

	for (i = p->n; i-- > 0;) {
		if (range(arg, p->range[i].from, p->range[i].to, hash, e) != 0) {
			out->len = had;
			return (-1);
		}
		buf_add(out, hash, SHA256_SIZE);
	}
	if (out->failed) {
		out->len = had;
		return (err_mem(e));
	}
	return (0);
}

int
merkle_inclusion(uint64_t i, uint64_t n, merkle_range range, void *arg, struct buf *out, struct err *e)
{
	struct path p = {.n = 0};
	uint64_t from = 0, to = n, k;

	if (i >= n)
		return (err_set(e, "there is no leaf %" PRIu64 " in a tree of %" PRIu64, i, n));
	while (to - from > 1) {
		k = from + split(to - from);
		if (i < k) {
			path_add(&p, k, to);
			to = k;
		} else {
			path_add(&p, from, k);
			from = k;
		}
	}
	return (path_hashes(&p, range, arg, out, e));
}

int
merkle_consistency(uint64_t m, uint64_t n, merkle_range range, void *arg, struct buf *out, struct err *e)
{
	struct path p = {.n = 0};
	uint64_t from = 0, to = n, k;

	if (m == 0 || m > n)
		return (err_set(e, "no tree of %" PRIu64 " leaves is the beginning of one of %" PRIu64, m, n));
	while (m < to) {
		k = from + split(to - from);
		if (m <= k) {
			path_add(&p, k, to);
			to = k;
		} else {
			path_add(&p, from, k);
			from = k;
		}
	}
	/* The last subtree of the first tree: who checks has its root where that is the whole of it. */
	if (from > 0)
		path_add(&p, from, to);
	return (path_hashes(&p, range, arg, out, e));
}

/* ---- to check them ---- */

/* Where a path stands: the number of its node in its level, and of the level's last one. */
struct place {
	uint64_t node, last;
};

static void
up(struct place *p)
{
	p->node >>= 1;
	p->last >>= 1;
}

/* Whether the node next to the path is on its left, and then up to where there is one on its right. */
static bool
left_of(struct place *p)
{
	if ((p->node & 1) == 0 && p->node != p->last)
		return (false);
	while (p->node != 0 && (p->node & 1) == 0)
		up(p);
	return (true);
}

bool
merkle_check_inclusion(const uint8_t leaf[SHA256_SIZE], uint64_t i, uint64_t n, const uint8_t *proof, size_t len,
    const uint8_t root[SHA256_SIZE])
{
	struct place p = {i, n - 1};
	uint8_t r[SHA256_SIZE];
	const uint8_t *h;

	if (i >= n || len % SHA256_SIZE != 0)
		return (false);
	memcpy(r, leaf, SHA256_SIZE);
	for (h = proof; len > 0; h += SHA256_SIZE, len -= SHA256_SIZE) {
		if (p.last == 0)
			return (false);
		if (left_of(&p))
			merkle_node(h, r, r);
		else
			merkle_node(r, h, r);
		up(&p);
	}
	return (p.last == 0 && memcmp(r, root, SHA256_SIZE) == 0);
}

bool
merkle_check_consistency(uint64_t m, uint64_t n, const uint8_t r1[SHA256_SIZE], const uint8_t r2[SHA256_SIZE],
    const uint8_t *proof, size_t len)
{
	struct place p = {m - 1, n - 1};
	uint8_t first[SHA256_SIZE], second[SHA256_SIZE];

	if (m == 0 || m > n || len % SHA256_SIZE != 0)
		return (false);
	if (m == n)
		return (len == 0 && memcmp(r1, r2, SHA256_SIZE) == 0);
	if (len == 0)
		return (false);
	while ((p.node & 1) != 0)
		up(&p);
	if ((m & (m - 1)) == 0)
		memcpy(first, r1, SHA256_SIZE);
	else {
		memcpy(first, proof, SHA256_SIZE);
		proof += SHA256_SIZE;
		len -= SHA256_SIZE;
	}
	memcpy(second, first, SHA256_SIZE);
	for (; len > 0; proof += SHA256_SIZE, len -= SHA256_SIZE) {
		if (p.last == 0)
			return (false);
		if (left_of(&p)) {
			merkle_node(proof, first, first);
			merkle_node(proof, second, second);
		} else
			merkle_node(second, proof, second);
		up(&p);
	}
	return (p.last == 0 && memcmp(first, r1, SHA256_SIZE) == 0 && memcmp(second, r2, SHA256_SIZE) == 0);
}
