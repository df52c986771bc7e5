/* Vectors of events: the same by every engine and whatever was embedded before, near where texts are alike. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "random.h"
#include "tap.h"

#include "banned.h"

static struct model *model;
static struct embed *em;

static struct span
of(const char *s)
{
	return ((struct span){s, s == NULL ? 0 : strlen(s)});
}

static int
cosine(const int8_t *a, const int8_t *b)
{
	double ab = 0, aa = 0, bb = 0;
	int i;

	for (i = 0; i < EMBED_DIMS; i++) {
		ab += a[i] * b[i];
		aa += a[i] * a[i];
		bb += b[i] * b[i];
	}
	return (aa == 0 || bb == 0 ? 0 : (int)(1000 * ab * (ab < 0 ? -ab : ab) / (aa * bb)));
}

/* The square of the cosine of two texts, in 1/1000. */
static int
alike(const char *one, const char *other)
{
	int8_t a[EMBED_DIMS], b[EMBED_DIMS];

	embed_text(em, of(one), a);
	embed_text(em, of(other), b);
	return (cosine(a, b));
}

static bool
is_zero(const int8_t *v)
{
	static const int8_t zero[EMBED_DIMS];

	return (memcmp(v, zero, EMBED_DIMS) == 0);
}

static void
test_meaning(void)
{
	const char *disk = "disk is almost full";

	ok(alike(disk, "disk is almost full") == 1000, "the same text: 1");
	ok(alike(disk, "Disk: almost FULL, is!") > 950,
	    "order, case and punctuation do not matter");
	ok(alike(disk, "no space left on the partition") >
		alike(disk, "the printer speaks postscript"),
	    "meaning does");
	ok(alike("mail server", "smtp daemon") > alike("mail server", "image viewer"),
	    "also where no word is shared");
	ok(alike("eth0 link down", "eth1 link down") > alike("eth0 link down", "wlan7 key changed"),
	    "parts of words count");
}

static void
test_events(void)
{
	int8_t a[EMBED_DIMS], b[EMBED_DIMS];

	embed_event(em, of("interface:eth0"), of("modify"), of("{\"mtu\":9000}"), a);
	embed_text(em, of("interface eth0 modify mtu 9000"), b);
	ok(memcmp(a, b, sizeof(a)) == 0,
	    "an event is its element, action and state one after the other");
	embed_event(em, of("interface:eth0"), of("delete"), of(NULL), a);
	embed_text(em, of("interface eth0 delete"), b);
	ok(memcmp(a, b, sizeof(a)) == 0, "without a state: element and action");
	embed_event(em, of("-"), of(NULL), of("{}"), a);
	ok(is_zero(a), "without words: zeros");
	embed_event(em, of("x"), of(NULL), of("\"a\\u0001b\""), a);
	embed_text(em, of("x a b"), b);
	ok(memcmp(a, b, sizeof(a)) == 0, "an escape is no word");
	embed_text(em, of("4711471147114711"), a);
	ok(!is_zero(a), "a word that nobody knows counts, too");
}

static size_t
text_of(struct random *rnd, char *out, size_t words)
{
	static const char *const some[] = {"package", "installed", "nginx", "eth0", "mtu", "1500",
	    "10.0.0.7", "deadbeef0123", "\xc3\xa9t\xc3\xa9", "systemd", "file:/etc/hosts", "the"};
	size_t n = 0;

	while (words-- > 0) {
		if (random_below(rnd, 3) == 0)
			n += (size_t)snprintf(out + n, 24, "w%x ", random_below(rnd, 1000000));
		else
			n += (size_t)snprintf(out + n, 24, "%s ",
			    some[random_below(rnd, sizeof(some) / sizeof(*some))]);
	}
	return (n);
}

/* Many texts, so that the cache is emptied many times; some have more words than count. */
static void
test_engines(void)
{
	struct embed *plain = embed_new(model), *fresh;
	static char text[24 * 6000];
	int8_t a[EMBED_DIMS], b[EMBED_DIMS];
	struct random rnd = {3};
	size_t i, n, bad = 0, differ = 0;

	embed_use(plain, "portable");
	for (i = 0; i < 6000; i++) {
		n = text_of(&rnd, text, i % 500 == 0 ? 6000 : random_below(&rnd, 40));
		embed_text(em, (struct span){text, n}, a);
		embed_text(plain, (struct span){text, n}, b);
		differ += memcmp(a, b, sizeof(a)) != 0;
		if (i % 50 != 0)
			continue;
		fresh = embed_new(model);
		embed_text(fresh, (struct span){text, n}, b);
		bad += memcmp(a, b, sizeof(a)) != 0;
		embed_free(fresh);
	}
	ok(differ == 0, "both engines make the same vectors");
	ok(bad == 0, "what is in the cache makes no difference");
	embed_free(plain);
}

/* Sums at their limits: the sanitizers see an overflow. */
static void
test_limits(void)
{
	static char text[2048 * 62 * 16];
	int8_t v[EMBED_DIMS];
	size_t n = 0, i, j;

	for (j = 0; j < 16; j++)
		for (i = 0; i < 2048; i++) {
			memset(text + n, 'a', 60);
			text[n + i % 60] = (char)('a' + i / 60 % 26);
			text[n + (i * 7) % 60] = (char)('a' + i % 2);
			text[n + 60] = ' ';
			n += 61;
		}
	embed_text(em, (struct span){text, n}, v);
	ok(!is_zero(v), "many long words, often");
	for (n = 0, i = 0; i < 30000; i++) {
		memcpy(text + n, "kernel ", 7);
		n += 7;
	}
	embed_text(em, (struct span){text, n}, v);
	ok(!is_zero(v), "one word very often");
}

/* t/data/embed/golden: the id of a model, then a line a text.  Where it fails and should, a model of another name is due. */
static void
test_golden(void)
{
	const char *top = getenv("top_srcdir");
	static char line[8192];
	int8_t v[EMBED_DIMS];
	size_t i, n = 0, bad = 0;
	char *p;
	FILE *f;

	snprintf(line, sizeof(line), "%s/t/data/embed/golden", top != NULL ? top : ".");
	if (!ok((f = fopen(line, "re")) != NULL, "there are golden vectors"))
		return;
	while (fgets(line, sizeof(line), f) != NULL && line[0] == '#')
		;
	line[strcspn(line, "\n")] = '\0';
	ok(strcmp(line, model_id(model)) == 0, "they are of the model that ships");
	while (fgets(line, sizeof(line), f) != NULL) {
		p = line + strcspn(line, "\t");
		embed_text(em, (struct span){line, (size_t)(p - line)}, v);
		for (i = 0; i < EMBED_DIMS && *p != '\0'; i++)
			bad += strtol(p + 1, &p, 10) != v[i];
		bad += i != EMBED_DIMS || *p != '\n';
		n++;
	}
	fclose(f);
	ok(bad == 0 && n >= 10, "%zu texts have the vectors that they always had", n);
}

int
main(void)
{
	struct err e;

	if (model_open(NULL, &model, &e) != 0 || (em = embed_new(model)) == NULL) {
		printf("Bail out! %s\n", model == NULL ? e.text : "out of memory");
		return (1);
	}
	if (embed_use(em, "avx2") != 0)
		printf("# no AVX2 here\n");
	ok(embed_use(em, "none-such") == -1, "no engine of that name");
	embed_use(em, "avx2");
	test_meaning();
	test_events();
	test_engines();
	test_limits();
	test_golden();
	embed_use(em, "portable");
	test_golden();
	embed_free(em);
	embed_free(NULL);
	model_free(model);
	return (tap_done());
}
