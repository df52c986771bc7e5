/* Proofs over a Merkle tree: the vectors of RFC 6962's authors, the definition itself for all sizes to 300, and what must not be believed. */
#include "config.h"

#include <stdlib.h>

#include "base64.h"
#include "merkle.h"
#include "merkle_proof.h"

#include "tap.h"

#include "banned.h"

#define MAX 300

struct leaves {
	uint8_t hash[MAX][SHA256_SIZE];
	size_t asked; /* leaves under the ranges that were asked for */
	bool odd;     /* a range that is no subtree, or empty */
};

/* MTH(D[n]) as RFC 6962 2.1 writes it. */
static void
naive(const uint8_t (*leaf)[SHA256_SIZE], size_t n, uint8_t out[SHA256_SIZE])
{
	uint8_t l[SHA256_SIZE], r[SHA256_SIZE];
	size_t k = 1;

	if (n == 0)
		sha256("", 0, out);
	else if (n == 1)
		memcpy(out, leaf[0], SHA256_SIZE);
	else {
		while (k * 2 < n)
			k *= 2;
		naive(leaf, k, l);
		naive(leaf + k, n - k, r);
		merkle_node(l, r, out);
	}
}

static int
range(void *arg, uint64_t from, uint64_t to, uint8_t out[SHA256_SIZE], struct err *e)
{
	struct leaves *l = arg;
	uint64_t width = 1;

	(void)e;
	while (width < to - from)
		width *= 2;
	l->odd |= from >= to || from % width != 0;
	l->asked += (size_t)(to - from);
	naive((const uint8_t(*)[SHA256_SIZE])l->hash + from, (size_t)(to - from), out);
	return (0);
}

static int
no_range(void *arg, uint64_t from, uint64_t to, uint8_t out[SHA256_SIZE], struct err *e)
{
	size_t *left = arg;

	(void)from;
	(void)to;
	memset(out, 0, SHA256_SIZE);
	return ((*left)-- > 0 ? 0 : err_set(e, "no more"));
}

/* PATH(m, D[n]) and SUB(m, D[n], b) as RFC 6962 writes them. */
static size_t
naive_path(const uint8_t (*leaf)[SHA256_SIZE], size_t m, size_t n, uint8_t *out)
{
	size_t k = 1, len;

	if (n == 1)
		return (0);
	while (k * 2 < n)
		k *= 2;
	if (m < k) {
		len = naive_path(leaf, m, k, out);
		naive(leaf + k, n - k, out + len);
	} else {
		len = naive_path(leaf + k, m - k, n - k, out);
		naive(leaf, k, out + len);
	}
	return (len + SHA256_SIZE);
}

static size_t
naive_sub(const uint8_t (*leaf)[SHA256_SIZE], size_t m, size_t n, bool b, uint8_t *out)
{
	size_t k = 1, len;

	if (m == n) {
		if (!b)
			naive(leaf, n, out);
		return (b ? 0 : SHA256_SIZE);
	}
	while (k * 2 < n)
		k *= 2;
	if (m <= k) {
		len = naive_sub(leaf, m, k, b, out);
		naive(leaf + k, n - k, out + len);
	} else {
		len = naive_sub(leaf + k, m - k, n - k, false, out);
		naive(leaf, k, out + len);
	}
	return (len + SHA256_SIZE);
}

/* ---- vectors ---- */

static void
fill_vectors(struct leaves *l)
{
	static const struct span data[8] = {SPAN(""), SPAN("\x00"), SPAN("\x10"), SPAN("\x20\x21"), SPAN("\x30\x31"),
	    SPAN("\x40\x41\x42\x43"), SPAN("\x50\x51\x52\x53\x54\x55\x56\x57"),
	    SPAN("\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f")};
	size_t i;

	for (i = 0; i < 8; i++)
		merkle_leaf(data[i].p, data[i].len, l->hash[i]);
}

static void
is_proof(const struct buf *proof, const char *const want[3], const char *name)
{
	struct buf text = BUF_INIT, all = BUF_INIT;
	size_t i;

	for (i = 0; i < proof->len; i += SHA256_SIZE) {
		base64_encode(&text, (const uint8_t *)proof->data + i, SHA256_SIZE);
		buf_addc(&text, '\n');
	}
	for (i = 0; i < 3; i++)
		buf_addf(&all, "%s\n", want[i]);
	is_bytes(buf_cstr(&text), text.len, buf_cstr(&all), name);
	buf_release(&text);
	buf_release(&all);
}

static void
test_vectors(void)
{
	static const char *const inclusion[3] = {"vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=",
	    "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=", "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc="};
	static const char *const consistency[3] = {"DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=",
	    "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=", "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc="};
	static struct leaves l;
	uint8_t six[SHA256_SIZE], eight[SHA256_SIZE];
	struct buf proof = BUF_INIT;

	fill_vectors(&l);
	naive((const uint8_t(*)[SHA256_SIZE])l.hash, 6, six);
	naive((const uint8_t(*)[SHA256_SIZE])l.hash, 8, eight);
	ok(merkle_inclusion(5, 8, range, &l, &proof, NULL) == 0, "inclusion of leaf 5 of 8");
	is_proof(&proof, inclusion, "is the authors'");
	ok(merkle_check_inclusion(l.hash[5], 5, 8, (uint8_t *)proof.data, proof.len, eight), "and holds");
	buf_reset(&proof);
	ok(merkle_consistency(6, 8, range, &l, &proof, NULL) == 0, "consistency of 6 with 8");
	is_proof(&proof, consistency, "is the authors'");
	ok(merkle_check_consistency(6, 8, six, eight, (uint8_t *)proof.data, proof.len), "and holds");
	buf_release(&proof);
}

/* The log whose checkpoint TRUST has: its roots on the way, and consistency from each of them. */
static void
test_log(void)
{
	static const char *const data[15] = {"one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten", "ileven",
	    "twelf", "threeten", "fourten", "fivten"};
	static const struct {
		size_t size;
		const char *root;
	} roots[] = {{1, "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek="}, {5, "gy5gl3aksFyiCO95a/1vLXz88A3dRq+0l9Sxte8ZqZQ="},
	    {8, "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY="}, {15, "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs="}};
	static struct leaves l;
	uint8_t root[SHA256_SIZE], last[SHA256_SIZE];
	struct buf text = BUF_INIT, proof = BUF_INIT;
	struct merkle m;
	size_t i, at = 0;

	base64_decode(roots[3].root, strlen(roots[3].root), last);
	for (i = 0; i < 15; i++)
		merkle_leaf(data[i], strlen(data[i]), l.hash[i]);
	merkle_init(&m);
	for (i = 0; i < 15; i++) {
		merkle_add(&m, l.hash[i]);
		if (m.size != roots[at].size)
			continue;
		merkle_root(&m, root);
		buf_reset(&text);
		base64_encode(&text, root, SHA256_SIZE);
		is_bytes(buf_cstr(&text), text.len, roots[at].root, "a root of the test log");
		buf_reset(&proof);
		ok(merkle_consistency(m.size, 15, range, &l, &proof, NULL) == 0 &&
			merkle_check_consistency(m.size, 15, root, last, (uint8_t *)proof.data, proof.len),
		    "and its last one is consistent with it");
		at++;
	}
	buf_release(&text);
	buf_release(&proof);
}

/* ---- the definition ---- */

static void
test_inclusion(struct leaves *l, const uint8_t (*root)[SHA256_SIZE])
{
	size_t i, n, bad = 0, differ = 0, failed = 0, ranges = 0;
	uint8_t want[(MERKLE_PROOF_MAX + 1) * SHA256_SIZE];
	struct buf proof = BUF_INIT;

	for (n = 1; n <= MAX; n++)
		for (i = 0; i < n; i++) {
			buf_reset(&proof);
			l->asked = 0;
			failed += merkle_inclusion(i, n, range, l, &proof, NULL) != 0;
			ranges += l->asked != n - 1;
			differ += naive_path((const uint8_t(*)[SHA256_SIZE])l->hash, i, n, want) != proof.len ||
			    (proof.len > 0 && memcmp(want, proof.data, proof.len) != 0);
			bad += !merkle_check_inclusion(l->hash[i], i, n, (uint8_t *)proof.data, proof.len, root[n]);
		}
	ok(failed == 0 && differ == 0, "every inclusion proof of sizes to %d is the definition's", MAX);
	ok(bad == 0, "and holds");
	ok(ranges == 0, "made of all leaves but its own");
	buf_release(&proof);
}

static void
test_consistency(struct leaves *l, const uint8_t (*root)[SHA256_SIZE])
{
	size_t m, n, bad = 0, differ = 0, failed = 0;
	uint8_t want[(MERKLE_PROOF_MAX + 1) * SHA256_SIZE];
	struct buf proof = BUF_INIT;

	for (n = 1; n <= MAX; n++)
		for (m = 1; m <= n; m++) {
			buf_reset(&proof);
			failed += merkle_consistency(m, n, range, l, &proof, NULL) != 0;
			differ += naive_sub((const uint8_t(*)[SHA256_SIZE])l->hash, m, n, true, want) != proof.len ||
			    (proof.len > 0 && memcmp(want, proof.data, proof.len) != 0);
			bad += !merkle_check_consistency(m, n, root[m], root[n], (uint8_t *)proof.data, proof.len);
		}
	ok(failed == 0 && differ == 0, "every consistency proof of sizes to %d is the definition's", MAX);
	ok(bad == 0, "and holds");
	ok(!l->odd, "only subtrees were asked for");
	buf_release(&proof);
}

static void
test_limits(struct leaves *l)
{
	struct buf proof = BUF_INIT;
	struct err e = {0};
	size_t left;

	ok(merkle_inclusion(5, 5, range, l, &proof, &e) == -1 && e.text[0] != '\0', "no inclusion of what is not there");
	ok(merkle_consistency(0, 5, range, l, &proof, &e) == -1 && merkle_consistency(6, 5, range, l, &proof, &e) == -1,
	    "no consistency with nothing, or with more");
	buf_adds(&proof, "had");
	left = 2;
	ok(merkle_inclusion(3, 300, no_range, &left, &proof, &e) == -1, "a range that cannot be had is an error");
	is_bytes(buf_cstr(&proof), proof.len, "had", "and nothing of the proof is left");
	left = 1000;
	buf_reset(&proof);
	ok(merkle_inclusion(UINT64_MAX - 1, UINT64_MAX, no_range, &left, &proof, &e) == 0 && proof.len <= MERKLE_PROOF_MAX * SHA256_SIZE,
	    "the largest tree there can be");
	buf_reset(&proof);
	ok(merkle_consistency(UINT64_MAX - 2, UINT64_MAX, no_range, &left, &proof, &e) == 0 &&
		proof.len <= (MERKLE_PROOF_MAX + 1) * SHA256_SIZE,
	    "and two of them");
	buf_release(&proof);
}

/* ---- what must fail ---- */

/* A proof of either kind. */
struct proof {
	const uint8_t *leaf; /* NULL: consistency */
	uint64_t i, n;
	const uint8_t *r1, *r2;
	const uint8_t *p;
	size_t len;
};

static bool
holds(const struct proof *p)
{
	if (p->leaf != NULL)
		return (merkle_check_inclusion(p->leaf, p->i, p->n, p->p, p->len, p->r2));
	return (merkle_check_consistency(p->i, p->n, p->r1, p->r2, p->p, p->len));
}

static size_t
flipped(const struct proof *good, const uint8_t **field, size_t len)
{
	const uint8_t *was = *field;
	uint8_t *copy = malloc(len + 1);
	size_t bit, bad = 0;

	memcpy(copy, was, len);
	*field = copy;
	for (bit = 0; bit < 8 * len; bit++) {
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		bad += holds(good);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	*field = was;
	free(copy);
	return (bad);
}

/* Number of mangled forms of ${good} that are believed. */
static size_t
believed(const struct proof *good, bool bits)
{
	uint8_t more[(MERKLE_PROOF_MAX + 3) * SHA256_SIZE];
	const uint8_t *ends[3] = {NULL, good->r1, good->r2};
	struct proof p = *good;
	size_t bad = 0, k;

	memset(more, 0x5a, SHA256_SIZE);
	ends[0] = more;
	if (bits) {
		bad += flipped(&p, &p.r2, SHA256_SIZE);
		if (p.len > 0)
			bad += flipped(&p, &p.p, p.len);
		bad += flipped(&p, p.leaf != NULL ? &p.leaf : &p.r1, SHA256_SIZE);
	}
#define BAD(change) (p = *good, (change), bad += holds(&p))
	BAD(p.n *= 2);
	BAD(p.n /= 2);
	BAD(p.len = p.len > 0 ? p.len - 1 : 1);
	BAD(p.len = p.len > 0 ? p.len - SHA256_SIZE : SHA256_SIZE);
	if (p.leaf != NULL || p.i != p.n) {
		BAD(p.i += 1);
		BAD(p.i -= 1);
		BAD(p.i ^= 2);
	}
	if (good->len > 0) {
		BAD(p.len = 0);
		BAD((p.p += SHA256_SIZE, p.len -= SHA256_SIZE));
	}
	if (p.leaf == NULL && p.i != p.n)
		BAD((p.r1 = good->r2, p.r2 = good->r1));
	for (k = 0; k < 3; k++) {
		if (ends[k] == NULL)
			continue;
		memcpy(more + SHA256_SIZE, good->p != NULL ? good->p : more, good->len);
		memcpy(more + SHA256_SIZE + good->len, ends[k], SHA256_SIZE);
		BAD((p.p = more + SHA256_SIZE, p.len += SHA256_SIZE));
		memcpy(more, ends[k], SHA256_SIZE);
		BAD((p.p = more, p.len += SHA256_SIZE));
	}
#undef BAD
	return (bad);
}

static void
test_mangled(struct leaves *l, const uint8_t (*root)[SHA256_SIZE])
{
	struct buf proof = BUF_INIT;
	size_t i, n, bad = 0, bad_consistency = 0;
	struct proof p;

	for (n = 1; n <= MAX; n += n < 34 ? 1 : 7)
		for (i = 0; i < n; i++) {
			buf_reset(&proof);
			merkle_inclusion(i, n, range, l, &proof, NULL);
			p = (struct proof){l->hash[i], i, n, NULL, root[n], (uint8_t *)proof.data, proof.len};
			bad += !holds(&p) + believed(&p, n < 18 || (n > 290 && i > n - 3));
			buf_reset(&proof);
			merkle_consistency(i + 1, n, range, l, &proof, NULL);
			p = (struct proof){NULL, i + 1, n, root[i + 1], root[n], (uint8_t *)proof.data, proof.len};
			bad_consistency += !holds(&p) + believed(&p, n < 18 || (n > 290 && i > n - 3));
		}
	ok(bad == 0, "no inclusion proof is believed that was mangled");
	ok(bad_consistency == 0, "no consistency proof is, either");
	ok(!merkle_check_inclusion(l->hash[0], 0, 0, NULL, 0, root[0]), "nothing is in an empty tree");
	ok(!merkle_check_consistency(0, 5, root[0], root[5], NULL, 0), "an empty tree is not told from another");
	buf_release(&proof);
}

int
main(void)
{
	static uint8_t root[MAX + 1][SHA256_SIZE];
	static struct leaves l;
	size_t i;

	for (i = 0; i < MAX; i++)
		merkle_leaf(&i, sizeof(i), l.hash[i]);
	for (i = 0; i <= MAX; i++)
		naive((const uint8_t(*)[SHA256_SIZE])l.hash, i, root[i]);
	test_vectors();
	test_log();
	test_inclusion(&l, (const uint8_t(*)[SHA256_SIZE])root);
	test_consistency(&l, (const uint8_t(*)[SHA256_SIZE])root);
	test_limits(&l);
	test_mangled(&l, (const uint8_t(*)[SHA256_SIZE])root);
	return (tap_done());
}
