/*
 * The model that ships.  NAME.model, little-endian, written by scripts/train-embedding:
 *
 *	offset  bytes
 *	0       8      "eclmodel"
 *	8       4      version: 1
 *	12      4      CRC-32C of the bytes from 16 up to the rows
 *	16      32     SHA-256 of all bytes from 48 on
 *	48      4      dims: EMBED_DIMS
 *	52      4      hash_dims, a multiple of 32: the first dims of a vector; the others are the table's
 *	56      4      n, the number of words
 *	60      4      scale: the length of a vector of one part alone
 *	64      4      scale_hash, scale_table (4 bytes at 68): the length of each part where there are both
 *	72      4      places of a word in the hashed part
 *	76      4      weight of its 3-grams together, in 1/1024 of the word's own
 *	80      16     idf of unknown words, 4 bytes each: letters, letters and digits, digits, long hexadecimal
 *	96      32     zeros
 *	128     4n     bits 32 to 63 of each word's model_hash(), ascending, no two alike
 *	        4c     CRC-32C of each CHUNK rows, the last ones may be fewer
 *	        n      idf in 1/16
 *	        n      weight of its row
 *	        ...    zeros up to a multiple of 64
 *	        n * (dims - hash_dims)   rows, int8
 *
 * and nothing behind it.  A reader refuses a file whose size is not what n says, whose CRC is another,
 * or whose numbers are out of bounds; it need not trust the order of the hashes.  To check 3 MB of rows
 * takes 0.4 ms, a quarter of what a single append takes, and a text needs some twenty rows: they are
 * checked a chunk at a time, when they are first used.  A change of what words.c and embed.c make of
 * the same file is a new version.
 */
#include "config.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "le.h"
#include "model.h"
#include "sha256.h"

#include "banned.h"

#define MAGIC "eclmodel"
#define FORMAT 1
#define CRC_FROM 16
#define SHA_FROM 48
#define HEADER 128
#define WORDS_LIMIT ((size_t)1 << 22)
#define NAME_LIMIT 64
#define CHUNK 64     /* rows */
#define NEAR 32	     /* words: where a hash is likely to stand */
#define WORD_ROOM 64 /* bytes of the longest word, and of what model_hash() may read */
#define HEX_LEAST 8  /* digits that make a word of hexadecimal digits a hash or an id */

enum { CHUNK_GOOD = 1, CHUNK_BAD };

struct model {
	uint8_t *map;
	size_t size;
	size_t n;
	const uint8_t *tags, *sums, *idf, *weight;
	const int8_t *rows;
	size_t row_dims;
	struct model_params params;
	unsigned idf_most;
	size_t chunks;
	uint8_t *
	    seen; /* of each: 0, CHUNK_GOOD or CHUNK_BAD, whoever races stores the same; behind them: was one bad? */
	struct buf path;
	char id[NAME_LIMIT + 1 + 2 * SHA256_SIZE + 1];
};

/* A name is part of a path and of a line of JSON. */
static bool
is_name(const char *name)
{
	size_t n = strspn(
	    name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");

	return (n > 0 && n <= NAME_LIMIT && name[n] == '\0' && name[0] != '.');
}

static int
map_file(struct model *m, struct err *e)
{
	const char *path = buf_cstr(&m->path);
	struct stat st;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) == -1) {
		if (errno == ENOENT)
			return (err_set(e,
			    "no model '%s': install it, or name its directory in ECL_MODEL_DIR",
			    path));
		return (err_sys(e, "cannot open model '%s'", path));
	}
	if (fstat(fd, &st) != 0) {
		err_sys(e, "cannot stat model '%s'", path);
		goto err1;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, "model '%s' is not a regular file", path);
		goto err1;
	}
	if (st.st_size < HEADER || (uintmax_t)st.st_size > SIZE_MAX) {
		err_set(e, "model '%s' is cut: %jd bytes", path, (intmax_t)st.st_size);
		goto err1;
	}
	m->size = (size_t)st.st_size;
	m->map = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
	if (m->map == MAP_FAILED) {
		m->map = NULL;
		err_sys(e, "cannot map model '%s'", path);
		goto err1;
	}
	close(fd);
	return (0);

err1:
	close(fd);
	return (-1);
}

static unsigned
number(const struct model *m, size_t at)
{
	return (le32_get(m->map + at));
}

/* Numbers beyond these could overflow what embed.c adds up. */
static bool
params_fit(const struct model_params *p)
{
	size_t i;

	for (i = 0; i < MODEL_KINDS; i++)
		if (p->unknown[i] > 255)
			return (false);
	return (p->hash_dims >= 32 && p->hash_dims <= EMBED_DIMS - 32 && p->hash_dims % 32 == 0 &&
	    p->scale <= 500 && p->scale_hash <= 500 && p->scale_table <= 500 && p->places >= 1 &&
	    p->places <= 4 && p->grams <= 1536);
}

static void
read_params(struct model *m)
{
	struct model_params *p = &m->params;
	size_t i;

	p->hash_dims = number(m, 52);
	p->scale = number(m, 60);
	p->scale_hash = number(m, 64);
	p->scale_table = number(m, 68);
	p->places = number(m, 72);
	p->grams = number(m, 76);
	for (i = 0; i < MODEL_KINDS; i++)
		p->unknown[i] = number(m, 80 + 4 * i);
}

static int
err_damaged(const struct model *m, struct err *e)
{
	return (err_set(
	    e, "model '%s' is damaged: its checksum is another; install it again", m->path.data));
}

/* The largest of ${n} bytes and ${least}: many at a time, since who asks one thing waits for it. */
static unsigned
largest(const uint8_t *p, size_t n, unsigned least)
{
	uint8_t most[32] = {0};
	size_t i, k;

	for (i = 0; i + sizeof(most) <= n; i += sizeof(most))
		for (k = 0; k < sizeof(most); k++)
			most[k] = p[i + k] > most[k] ? p[i + k] : most[k];
	for (; i < n; i++)
		most[0] = p[i] > most[0] ? p[i] : most[0];
	for (k = 0; k < sizeof(most); k++)
		least = most[k] > least ? most[k] : least;
	return (least);
}

/* The tables, where the size of the file is what their header says. */
static int
find_tables(struct model *m, struct err *e)
{
	const char *path = buf_cstr(&m->path);
	size_t at, n = number(m, 56), chunks = (n + CHUNK - 1) / CHUNK;

	read_params(m);
	if (number(m, 48) != EMBED_DIMS || !params_fit(&m->params) || n > WORDS_LIMIT)
		return (err_set(e, "model '%s' is damaged: its header makes no sense", path));
	m->n = n;
	m->row_dims = EMBED_DIMS - m->params.hash_dims;
	at = (HEADER + 6 * n + 4 * chunks + 63) & ~(size_t)63;
	if (m->size != at + n * m->row_dims)
		return (err_set(e, "model '%s' is cut or damaged: %zu bytes, not %zu", path,
		    m->size, at + n * m->row_dims));
	m->tags = m->map + HEADER;
	m->sums = m->tags + 4 * n;
	m->idf = m->sums + 4 * chunks;
	m->weight = m->idf + n;
	m->rows = (const int8_t *)m->map + at;
	if (crc32c(0, m->map + CRC_FROM, at - CRC_FROM) != number(m, 12))
		return (err_damaged(m, e));
	m->idf_most = largest(m->idf, n, m->params.unknown[MODEL_WORD]);
	m->chunks = chunks;
	if ((m->seen = calloc(chunks + 1, 1)) == NULL)
		return (err_mem(e));
	return (0);
}

static int
check(struct model *m, struct err *e)
{
	const char *path = buf_cstr(&m->path);
	unsigned version = number(m, 8);

	if (memcmp(m->map, MAGIC, 8) != 0)
		return (err_set(e, "'%s' is not a model of ecl", path));
	if (version != FORMAT)
		return (err_set(e, "model '%s' has version %u: this ecl reads version %d", path,
		    version, FORMAT));
	return (find_tables(m, e));
}

int
model_open(const char *name, struct model **ret_model, struct err *e)
{
	const char *dir = secure_getenv("ECL_MODEL_DIR");
	struct buf id = BUF_INIT;
	struct model *m;

	name = name == NULL ? EMBED_DEFAULT : name;
	if (!is_name(name))
		return (err_set(e, "'%s' is not a name of a model", name));
	if ((m = calloc(1, sizeof(*m))) == NULL)
		return (err_mem(e));
	buf_addf(&m->path, "%s/%s%s", dir != NULL && *dir != '\0' ? dir : PKGDATADIR "/model", name,
	    MODEL_SUFFIX);
	(void)buf_cstr(&m->path);
	if (m->path.failed) {
		err_mem(e);
		goto err1;
	}
	if (map_file(m, e) != 0 || check(m, e) != 0)
		goto err1;
	buf_adds(&id, name);
	buf_addc(&id, ':');
	buf_addhex(&id, m->map + CRC_FROM, SHA256_SIZE);
	if (id.failed || id.len >= sizeof(m->id)) {
		err_mem(e);
		goto err2;
	}
	memcpy(m->id, buf_cstr(&id), id.len + 1);
	buf_release(&id);
	*ret_model = m;
	return (0);

err2:
	buf_release(&id);
err1:
	model_free(m);
	return (-1);
}

void
model_free(struct model *m)
{
	if (m == NULL)
		return;
	if (m->map != NULL)
		munmap(m->map, m->size);
	free(m->seen);
	buf_release(&m->path);
	free(m);
}

const char *
model_id(const struct model *m)
{
	return (m->id);
}

int
model_verify(const struct model *m, struct err *e)
{
	uint8_t digest[SHA256_SIZE];

	sha256(m->map + SHA_FROM, m->size - SHA_FROM, digest);
	if (memcmp(digest, m->map + CRC_FROM, SHA256_SIZE) != 0)
		return (err_set(
		    e, "model '%s' is not what its SHA-256 says; install it again", m->path.data));
	return (0);
}

const struct model_params *
model_params(const struct model *m)
{
	return (&m->params);
}

const int8_t *
model_rows(const struct model *m)
{
	return (m->rows);
}

int
model_check(const struct model *m, struct err *e)
{
	return (__atomic_load_n(&m->seen[m->chunks], __ATOMIC_RELAXED) ? err_damaged(m, e) : 0);
}

uint64_t
model_hash(const char *word, size_t len)
{
	uint64_t h = len * UINT64_C(0x9e3779b97f4a7c15), part;
	size_t i;

	for (i = 0; i < len; i += 8) {
		part = le64_get(word + i);
		if (len - i < 8)
			part &= ~(~UINT64_C(0) << 8 * (len - i));
		h = (h ^ part) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return (h ^ h >> 29);
}

/* What a word is that no text of the model's corpus had. */
static enum model_kind
kind_of(struct span word)
{
	size_t i, digits = 0, letters = 0;
	char c;

	for (i = 0; i < word.len; i++) {
		c = word.p[i];
		digits += c >= '0' && c <= '9';
		letters += c >= 'a' && c <= 'f';
	}
	if (digits == 0)
		return (MODEL_WORD);
	if (digits + letters == word.len && word.len >= HEX_LEAST)
		return (MODEL_HEX);
	return (digits == word.len ? MODEL_NUMBER : MODEL_MIXED);
}

/* Where a tag would stand if they were spread evenly; from a place that is known it is nearer to the truth. */
static size_t
guess_from(const struct model *m, size_t at, uint32_t tag)
{
	int64_t off = ((int64_t)tag - le32_get(m->tags + 4 * at)) * (int64_t)m->n / ((int64_t)1 << 32), guess = (int64_t)at + off;

	return (guess < 0 ? 0 : (size_t)guess >= m->n ? m->n - 1 : (size_t)guess);
}

/* The first word whose tag is not below ${tag}. */
static size_t
lower_bound(const struct model *m, uint32_t tag)
{
	size_t low = 0, high = m->n, guess, mid;

	if (m->n > 2 * NEAR) {
		guess = guess_from(m, (size_t)((uint64_t)tag * m->n >> 32), tag);
		if (guess >= NEAR && le32_get(m->tags + 4 * (guess - NEAR)) < tag)
			low = guess - NEAR;
		if (guess + NEAR < m->n && le32_get(m->tags + 4 * (guess + NEAR)) >= tag)
			high = guess + NEAR;
	}
	while (low < high) {
		mid = low + (high - low) / 2;
		if (le32_get(m->tags + 4 * mid) < tag)
			low = mid + 1;
		else
			high = mid;
	}
	return (low);
}

/* Is a row what was written?  Found out once a chunk. */
static bool
is_good(const struct model *m, size_t row)
{
	size_t chunk = row / CHUNK, n = m->n - chunk * CHUNK < CHUNK ? m->n - chunk * CHUNK : CHUNK;
	uint8_t seen = __atomic_load_n(&m->seen[chunk], __ATOMIC_RELAXED);

	if (seen == 0) {
		seen = crc32c(0, m->rows + chunk * CHUNK * m->row_dims, n * m->row_dims) ==
			le32_get(m->sums + 4 * chunk)
		    ? CHUNK_GOOD
		    : CHUNK_BAD;
		__atomic_store_n(&m->seen[chunk], seen, __ATOMIC_RELAXED);
	}
	return (seen == CHUNK_GOOD);
}

void
model_find(const struct model *m, uint64_t hash, struct span word, struct model_word *ret)
{
	uint32_t tag = (uint32_t)(hash >> 32);
	size_t at = lower_bound(m, tag);

	ret->row = NULL;
	ret->weight = 0;
	if (at == m->n || le32_get(m->tags + 4 * at) != tag) {
		ret->idf = m->params.unknown[kind_of(word)];
		return;
	}
	ret->idf = m->idf[at];
	if (!is_good(m, at)) {
		__atomic_store_n(&m->seen[m->chunks], CHUNK_BAD, __ATOMIC_RELAXED);
		return;
	}
	ret->row = m->rows + at * m->row_dims;
	ret->weight = m->weight[at];
}

float
model_idf(const struct model *m, struct span word)
{
	char padded[WORD_ROOM] = {0};
	uint32_t tag;
	size_t at;

	if (word.len > sizeof(padded))
		return ((float)m->idf_most / 16);
	memcpy(padded, word.p, word.len);
	tag = (uint32_t)(model_hash(padded, word.len) >> 32);
	at = lower_bound(m, tag);
	return (
	    (float)(at == m->n || le32_get(m->tags + 4 * at) != tag ? m->idf_most : m->idf[at]) /
	    16);
}
