/* The model file: found, checked, refused where any byte of it is another. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "io.h"
#include "le.h"
#include "model.h"
#include "random.h"
#include "tap.h"

#include "banned.h"

static char dir[] = "/tmp/ecl-model.XXXXXX";
static struct buf file;

/* These bytes as the only model of ${dir}, opened: NULL and ${e} where they are refused. */
static struct model *
opened(const void *p, size_t len, struct err *e)
{
	struct model *m = NULL;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	memset(e, 0, sizeof(*e));
	if (io_publish(fd, "t.model", p, len, 0644, false, NULL) != 0 ||
	    model_open("t", &m, e) != 0)
		m = NULL;
	close(fd);
	return (m);
}

static void
refused(const struct buf *b, const char *why, const char *name)
{
	struct err e;
	struct model *m = opened(b->data, b->len, &e);

	ok(m == NULL && e.exit == EXIT_ERROR && strstr(e.text, why) != NULL &&
		strstr(e.text, dir) != NULL,
	    "refused: %s (%s)", name, why);
	model_free(m);
}

static void
copy(struct buf *to)
{
	buf_reset(to);
	buf_add(to, file.data, file.len);
}

static void
test_whole(void)
{
	struct err e;
	struct model *m = opened(file.data, file.len, &e);
	const char *id;

	if (!ok(m != NULL, "the model that ships can be opened under another name"))
		return;
	id = model_id(m);
	ok(strlen(id) == 2 + 64 && strncmp(id, "t:", 2) == 0, "its id is its name and a hash: %s",
	    id);
	ok(model_verify(m, &e) == 0, "its SHA-256 is right");
	ok(model_idf(m, SPAN("the")) < 1.5F && model_idf(m, SPAN("kubernete")) > 5,
	    "rare words weigh more than common ones");
	ok(model_idf(m, SPAN("qqxzzyqqx")) >= model_idf(m, SPAN("kubernete")),
	    "an unknown one weighs most");
	model_free(m);
	model_free(NULL);
}

/* Where the rows begin, as the head of model.c says. */
static size_t
rows_at(void)
{
	size_t n = le32_get(file.data + 56);

	return ((128 + 6 * n + 4 * ((n + 63) / 64) + 63) & ~(size_t)63);
}

/* The file again, its checksum made to fit. */
static void
seal(struct buf *b)
{
	size_t to = rows_at() < b->len ? rows_at() : b->len;

	le32_put(b->data + 12, crc32c(0, b->data + 16, to - 16));
}

/* Is the damage at this offset noticed: when the file is opened, or when the row is used? */
static bool
is_noticed(struct buf *b, size_t at)
{
	size_t dims = EMBED_DIMS - le32_get(file.data + 52), row;
	struct model_word found;
	struct model *m;
	struct err e;
	bool good;

	m = opened(b->data, b->len, &e);
	if (at < rows_at())
		return (m == NULL && e.exit == EXIT_ERROR && strstr(e.text, "t.model") != NULL);
	if (m == NULL)
		return (false);
	row = (at - rows_at()) / dims;
	good = model_check(m, &e) == 0;
	model_find(m, (uint64_t)le32_get(file.data + 128 + 4 * row) << 32, SPAN("x"), &found);
	good = good && found.row == NULL && found.weight == 0 && found.idf > 0;
	good = good && model_check(m, &e) == -1 && strstr(e.text, "t.model") != NULL &&
	    model_verify(m, &e) == -1;
	model_free(m);
	return (good);
}

static void
test_flips(void)
{
	struct random rnd = {11};
	struct buf b = BUF_INIT;
	struct model *m;
	struct err e;
	size_t i, at, bad = 0;

	copy(&b);
	for (i = 0; i < 400; i++) {
		at = i < 132 ? i : random_below(&rnd, (uint32_t)(i & 1 ? rows_at() : b.len));
		at = i == 399 ? b.len - 1 : at;
		b.data[at] = (char)(b.data[at] ^ 1 << random_below(&rnd, 8));
		bad += !is_noticed(&b, at);
		b.data[at] = file.data[at];
	}
	ok(bad == 0, "one bit of 400 is another: noticed each time");
	for (bad = 0, i = 0; i < 40; i++) {
		at = i < 20 ? i * 8 : random_below(&rnd, (uint32_t)b.len);
		m = opened(b.data, at, &e);
		bad += m != NULL || strstr(e.text, "t.model") == NULL;
		model_free(m);
	}
	ok(bad == 0, "cut anywhere: refused each time");
	buf_addc(&b, 0);
	refused(&b, "damaged", "a byte too many");
	buf_release(&b);
}

/* Every word of the table is found, and its row is good. */
static void
test_rows(void)
{
	struct model_word found;
	struct model *m;
	struct err e;
	size_t i, bad = 0, n = le32_get(file.data + 56);

	m = opened(file.data, file.len, &e);
	for (i = 0; m != NULL && i < n; i++) {
		model_find(m, (uint64_t)le32_get(file.data + 128 + 4 * i) << 32, SPAN("x"), &found);
		bad += found.row == NULL;
	}
	ok(m != NULL && bad == 0 && model_check(m, &e) == 0, "all %zu words are found", n);
	model_free(m);
}

/* Files whose checksum is right, and nothing else. */
static void
test_header(void)
{
	static const struct {
		size_t at;
		uint32_t value;
		const char *why;
	} cases[] = {
	    {8, 2, "version 2"},
	    {48, 128, "makes no sense"},
	    {52, 0, "makes no sense"},
	    {52, 100, "makes no sense"},
	    {52, 256, "makes no sense"},
	    {56, 0xffffffff, "makes no sense"},
	    {56, 1, "cut or damaged"},
	    {60, 501, "makes no sense"},
	    {64, 0x80000000, "makes no sense"},
	    {72, 0, "makes no sense"},
	    {72, 5, "makes no sense"},
	    {76, 99999, "makes no sense"},
	    {80, 256, "makes no sense"},
	};
	struct buf b = BUF_INIT;
	struct model *m;
	struct err e;
	char name[32];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		copy(&b);
		le32_put(b.data + cases[i].at, cases[i].value);
		seal(&b);
		snprintf(name, sizeof(name), "%u at %zu", cases[i].value, cases[i].at);
		refused(&b, cases[i].why, name);
	}
	copy(&b);
	b.data[rows_at() - 100] = (char)(b.data[rows_at() - 100] ^ 1);
	seal(&b);
	m = opened(b.data, b.len, &e);
	ok(m != NULL && model_verify(m, &e) == -1 && strstr(e.text, "SHA-256") != NULL,
	    "a forged checksum is found by model_verify()");
	model_free(m);
	buf_release(&b);
}

static void
test_names(void)
{
	static const char *const bad[] = {"", "../t", "t/", ".t", "a b", "t:0",
	    "0123456789012345678901234567890123456789012345678901234567890123x"};
	struct model *m = NULL;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(model_open(bad[i], &m, &e) == -1 && strstr(e.text, "is not a name") != NULL,
		    "no name: '%s'", bad[i]);
	ok(model_open("none-such", &m, &e) == -1 && strstr(e.text, "ECL_MODEL_DIR") != NULL,
	    "missing: the message says where to look");
	buf_reset(&file);
	buf_addf(&file, "%s/dir.model", dir);
	mkdir(buf_cstr(&file), 0755);
	ok(model_open("dir", &m, &e) == -1 && strstr(e.text, "not a regular file") != NULL,
	    "a directory is no model");
	rmdir(buf_cstr(&file));
}

int
main(void)
{
	const char *from = getenv("ECL_MODEL_DIR");
	struct err e;
	int fd;

	if (from == NULL || (fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    io_slurp(fd, EMBED_DEFAULT MODEL_SUFFIX, 1 << 24, &file, &e) != 0 ||
	    mkdtemp(dir) == NULL) {
		printf("Bail out! no model that ships in $ECL_MODEL_DIR\n");
		return (1);
	}
	close(fd);
	setenv("ECL_MODEL_DIR", dir, 1);
	test_whole();
	test_rows();
	test_flips();
	test_header();
	test_names();
	buf_reset(&file);
	buf_addf(&file, "%s/t.model", dir);
	unlink(buf_cstr(&file));
	rmdir(dir);
	buf_release(&file);
	return (tap_done());
}
