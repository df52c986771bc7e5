/* Merkle trees: the vectors of RFC 6962's authors, and the definition itself for all sizes to 300. */
#include "config.h"

#include "buf.h"
#include "merkle.h"

#include "tap.h"

#include "banned.h"

#define MAX 300

static void
is_hex(const uint8_t hash[SHA256_SIZE], const char *want, const char *name)
{
	struct buf hex = BUF_INIT;

	buf_addhex(&hex, hash, SHA256_SIZE);
	is_bytes(buf_cstr(&hex), hex.len, want, name);
	buf_release(&hex);
}

/* MTH(D[n]) as RFC 6962 2.1 writes it. */
static void
naive(uint8_t leaves[][SHA256_SIZE], size_t n, uint8_t out[SHA256_SIZE])
{
	uint8_t l[SHA256_SIZE], r[SHA256_SIZE];
	size_t k = 1;

	if (n == 0)
		sha256("", 0, out);
	else if (n == 1)
		memcpy(out, leaves[0], SHA256_SIZE);
	else {
		while (k * 2 < n)
			k *= 2;
		naive(leaves, k, l);
		naive(leaves + k, n - k, r);
		merkle_node(l, r, out);
	}
}

static void
test_vectors(void)
{
	static const struct span data[8] = {SPAN(""), SPAN("\x00"), SPAN("\x10"), SPAN("\x20\x21"),
	    SPAN("\x30\x31"), SPAN("\x40\x41\x42\x43"), SPAN("\x50\x51\x52\x53\x54\x55\x56\x57"),
	    SPAN("\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f")};
	static const char *const roots[9] = {
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
	    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
	    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
	    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
	    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
	    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
	    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
	uint8_t h[SHA256_SIZE];
	struct merkle m;
	char name[40];
	size_t i;

	merkle_leaf("", 0, h);
	is_hex(h, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	    "leaf of nothing");
	merkle_leaf("L123456", 7, h);
	is_hex(h, "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56",
	    "leaf of L123456");
	merkle_init(&m);
	for (i = 0; i <= 8; i++) {
		merkle_root(&m, h);
		snprintf(name, sizeof(name), "root of %zu leaves", i);
		is_hex(h, roots[i], name);
		if (i < 8) {
			merkle_leaf(data[i].p, data[i].len, h);
			merkle_add(&m, h);
		}
	}
}

static void
test_leaf_lengths(void)
{
	uint8_t data[300], want[SHA256_SIZE], have[SHA256_SIZE];
	size_t len, bad = 0;

	for (len = 0; len < sizeof(data); len++)
		data[len] = (uint8_t)len; /* data[0] is the prefix 0x00 */
	for (len = 0; len < sizeof(data); len++) {
		sha256(data, len + 1 < sizeof(data) ? len + 1 : sizeof(data), want);
		merkle_leaf(data + 1, len + 1 < sizeof(data) ? len : sizeof(data) - 1, have);
		bad += memcmp(want, have, SHA256_SIZE) != 0;
	}
	ok(bad == 0, "leaves of all lengths");
}

static void
test_definition(void)
{
	static uint8_t leaves[MAX][SHA256_SIZE];
	uint8_t want[SHA256_SIZE], have[SHA256_SIZE], sub[SHA256_SIZE];
	struct merkle m, before;
	size_t i, n, k, at, bad = 0, bad_sub = 0, kept = 0;

	for (i = 0; i < MAX; i++)
		merkle_leaf(&i, sizeof(i), leaves[i]);
	merkle_init(&m);
	for (n = 0; n <= MAX; n++) {
		naive(leaves, n, want);
		before = m;
		merkle_root(&m, have);
		bad += memcmp(want, have, SHA256_SIZE) != 0 || m.size != n;
		kept += m.size == before.size && m.depth == before.depth;
		if (n < MAX)
			merkle_add(&m, leaves[n]);
	}
	ok(bad == 0, "the stream is the definition, sizes 0 to %d", MAX);
	ok(kept == MAX + 1, "merkle_root() leaves the stream as it is");

	/* From subtrees: the largest that fit at each place, up to 2^limit. */
	for (n = 0; n <= MAX; n++)
		for (k = 1; k <= 256; k *= 4) {
			merkle_init(&m);
			for (at = 0; at < n; at += i) {
				for (i = 1; i * 2 <= k && at % (i * 2) == 0 && at + i * 2 <= n;
				     i *= 2)
					;
				naive(leaves + at, i, sub);
				merkle_add_subtree(&m, sub, i);
			}
			naive(leaves, n, want);
			merkle_root(&m, have);
			bad_sub += memcmp(want, have, SHA256_SIZE) != 0 || m.size != n;
		}
	ok(bad_sub == 0, "from perfect subtrees");
}

static void
test_alias(void)
{
	uint8_t l[SHA256_SIZE], r[SHA256_SIZE], want[SHA256_SIZE], x[SHA256_SIZE];

	merkle_leaf("l", 1, l);
	merkle_leaf("r", 1, r);
	merkle_node(l, r, want);
	memcpy(x, l, sizeof(x));
	merkle_node(x, r, x);
	ok(memcmp(x, want, sizeof(x)) == 0, "merkle_node() into its left");
	memcpy(x, r, sizeof(x));
	merkle_node(l, x, x);
	ok(memcmp(x, want, sizeof(x)) == 0, "merkle_node() into its right");
}

/* Many at a time are the same as one by one, also in place, whatever their number. */
static void
test_at_once(const char *engine)
{
	static uint8_t in[2 * MAX][SHA256_SIZE], out[2 * MAX + 1][SHA256_SIZE];
	uint8_t want[SHA256_SIZE];
	size_t i, n, bad_leaf = 0, bad_pair = 0, beyond = 0;

	if (sha256_use(engine) != 0) {
		ok(true, "%s # SKIP not on this host", engine);
		return;
	}
	for (i = 0; i < sizeof(in); i++)
		in[i / SHA256_SIZE][i % SHA256_SIZE] = (uint8_t)(i * 7919 >> 5);
	for (n = 0; n <= MAX; n += n < 80 ? 1 : 44) {
		memset(out, 0, sizeof(out));
		merkle_leaves(in[0], n, out[0]);
		for (i = 0; i < n; i++) {
			merkle_leaf(in[i], SHA256_SIZE, want);
			bad_leaf += memcmp(want, out[i], SHA256_SIZE) != 0;
		}
		for (i = 0; i < SHA256_SIZE; i++)
			beyond += out[n][i] != 0;
		memcpy(out, in, sizeof(in));
		merkle_leaves(out[0], n, out[0]);
		for (i = 0; i < n; i++) {
			merkle_leaf(in[i], SHA256_SIZE, want);
			bad_leaf += memcmp(want, out[i], SHA256_SIZE) != 0;
		}
		beyond += memcmp(out[n], in[n], SHA256_SIZE) != 0;

		memset(out, 0, sizeof(out));
		merkle_pairs(in[0], n, out[0]);
		for (i = 0; i < n; i++) {
			merkle_node(in[2 * i], in[2 * i + 1], want);
			bad_pair += memcmp(want, out[i], SHA256_SIZE) != 0;
		}
		for (i = 0; i < SHA256_SIZE; i++)
			beyond += out[n][i] != 0;
		memcpy(out, in, sizeof(in));
		merkle_pairs(out[0], n, out[0]);
		for (i = 0; i < n; i++) {
			merkle_node(in[2 * i], in[2 * i + 1], want);
			bad_pair += memcmp(want, out[i], SHA256_SIZE) != 0;
		}
		beyond += memcmp(out[n], in[n], SHA256_SIZE) != 0;
	}
	ok(bad_leaf == 0, "%s: merkle_leaves() is merkle_leaf(), 0 to %d of them", engine, MAX);
	ok(bad_pair == 0, "%s: merkle_pairs() is merkle_node()", engine);
	ok(beyond == 0, "%s: and nothing beyond them changes", engine);
}

/* Runs of leaves as subtrees: the tree is the same wherever runs begin and end. */
static void
test_cut(void)
{
	static uint8_t leaves[MAX][SHA256_SIZE], used[MAX][SHA256_SIZE];
	uint8_t want[SHA256_SIZE], have[SHA256_SIZE];
	struct merkle_subtree cut[MERKLE_CUT_MAX];
	size_t step, at, n, cuts, i, bad = 0;
	struct merkle one, many;

	for (i = 0; i < MAX; i++)
		merkle_leaf(&i, sizeof(i), leaves[i]);
	for (step = 1; step <= MAX; step++) {
		merkle_init(&one);
		merkle_init(&many);
		for (at = 0; at < MAX; at += n) {
			n = MAX - at < step ? MAX - at : step;
			memcpy(used, leaves[at], n * SHA256_SIZE);
			cuts = merkle_cut(at, used[0], n, cut);
			for (i = 0; i < cuts; i++)
				merkle_add_subtree(&many, cut[i].hash, cut[i].size);
			for (i = 0; i < n; i++)
				merkle_add(&one, leaves[at + i]);
			merkle_root(&one, want);
			merkle_root(&many, have);
			bad += cuts > MERKLE_CUT_MAX || many.size != one.size || memcmp(want, have, SHA256_SIZE) != 0;
		}
	}
	ok(bad == 0, "merkle_cut() of runs of 1 to %d leaves is the same tree", MAX);
}

int
main(void)
{
	static const char *const engines[] = {"portable", "libcrypto", "avx2", "avx2+libcrypto", "sha-ni", "sha-ni+avx512"};
	size_t i;

	test_vectors();
	test_leaf_lengths();
	test_definition();
	test_alias();
	test_cut();
	for (i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		test_at_once(engines[i]);
	return (tap_done());
}
