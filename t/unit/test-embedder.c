/* The embedder: rows of any vector, an event as text, commands that answer well and in all wrong ways. */
#include "config.h"

#include <sys/wait.h>

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "embedder.h"
#include "embedder_command.h"

#include "tap.h"

#include "banned.h"

/* ---- rows ---- */

static bool
row_is(const float *v, unsigned dims, const int8_t *want)
{
	int8_t row[64];

	return (embedder_quantize(v, dims, row) == 0 && memcmp(row, want, dims) == 0);
}

static void
test_rows(void)
{
	static float wide[EMBEDDER_DIMS_MAX];
	static int8_t row[EMBEDDER_DIMS_MAX];
	const unsigned dims[] = {1, 2, 31, 32, 33, 256, 257, 4096, 65536}, width[] = {32, 32, 32, 32, 64, 256, 512, 4096, 65536};
	unsigned i, k, good = 0;
	double sum;

	for (i = 0; i < sizeof(dims) / sizeof(dims[0]); i++)
		good += embedder_width(dims[i]) == width[i];
	ok(good == sizeof(dims) / sizeof(dims[0]), "a row is a power of two wide, 32 at least");
	ok(row_is((float[]){5}, 1, (int8_t[]){127}) && row_is((float[]){-1e-30f}, 1, (int8_t[]){-127}), "one number: its sign");
	ok(row_is((float[]){3, 4}, 2, (int8_t[]){76, 102}) && row_is((float[]){-3, -4}, 2, (int8_t[]){-76, -102}), "rounded away from zero, alike for both signs");
	ok(row_is((float[]){0, 0, -0.0f}, 3, (int8_t[]){0, 0, 0}), "a zero vector is zeros");
	ok(row_is((float[]){3e38f, 3e38f, -3e38f}, 3, (int8_t[]){73, 73, -73}), "numbers whose squares a float cannot hold");
	ok(row_is((float[]){1e-45f, 1e-45f, -1e-45f}, 3, (int8_t[]){73, 73, -73}), "the smallest there are");
	ok(row_is((float[]){3e38f, 1e-45f}, 2, (int8_t[]){127, 0}), "both together");
	ok(embedder_quantize((float[]){1, INFINITY}, 2, row) == -1 && embedder_quantize((float[]){NAN}, 1, row) == -1, "not a number, infinity: refused");

	for (k = 256; k <= EMBEDDER_DIMS_MAX; k *= 16) {
		for (i = 0; i < k; i++)
			wide[i] = i % 2 == 0 ? 3e38f : -3e38f;
		embedder_quantize(wide, k, row);
		for (i = 0, sum = 0; i < k; i++)
			sum += row[i] * (i % 2 == 0 ? 1 : -1);
		/* 1 / sqrt(k) of the unit, where 127 is 10 / sqrt(k). */
		ok(sum == 13.0 * k, "%u numbers, all as large as can be", k);
	}
	memset(wide, 0, sizeof(wide));
	wide[7] = 2;
	embedder_quantize(wide, 4096, row);
	ok(row[7] == 127 && row[8] == 0, "more than the scale has saturates");
}

/* ---- texts ---- */

static bool
described(const char *element, const char *action, const char *state, const char *want)
{
	struct embed_input in = {{element, strlen(element)}, {action, strlen(action)}, {state, state == NULL ? 0 : strlen(state)}};
	struct buf b = BUF_INIT;
	bool same;

	embedder_describe(&in, &b);
	same = b.len == strlen(want) && memcmp(b.data, want, b.len) == 0;
	if (!same)
		printf("# %.*s\n", (int)b.len, b.data);
	buf_release(&b);
	return (same);
}

static void
test_describe(void)
{
	struct buf state = BUF_INIT, b = BUF_INIT;
	struct embed_input in = {SPAN("a:b"), SPAN("create"), {NULL, 0}};
	int i;

	ok(described("interface:eth0", "modify", "{\"mtu\":9000}", "interface eth0 modify mtu 9000"), "an event is words");
	ok(described("file:C:/x", "restart", NULL, "file C:/x restart"), "one without a state; only the kind is parted");
	ok(described("pkg:a", "delete", "null", "pkg a delete"), "one that is gone");
	ok(described("a", "b", "{\"k\":{\"x\":[1,\"two\",{\"y\":null}],\"z\":\"\"},\"t\":true}", "a b k x 1 two y null z t true"), "what is nested, in order");
	ok(described("\xc3\xa9:A", "b", "\"Caf\\u00e9 \\\"x\\\"\\n\xf0\x9f\x98\x80\"", "\xc3\xa9 A b Caf\xc3\xa9 \"x\"\n\xf0\x9f\x98\x80"), "strings as they read, case as it is");
	buf_adds(&state, "[\"");
	for (i = 0; i < 100000; i++)
		buf_adds(&state, "\xc3\xa9");
	buf_adds(&state, "\",1]");
	in.state = (struct span){state.data, state.len};
	embedder_describe(&in, &b);
	ok(b.len == EMBEDDER_TEXT_MAX - 1 && (unsigned char)b.data[b.len - 1] == 0xa9, "a long one is cut between characters");
	buf_release(&state);
	buf_release(&b);
}

/* ---- tokens ---- */

static bool
token_is(const char *arg, const char *want)
{
	struct buf b = BUF_INIT;
	struct err e = {0, 0, ""};
	bool same;

	same = embedder_token(arg, &b, &e) == 0 ? want != NULL && strncmp(buf_cstr(&b), want, strlen(want)) == 0
						 : want == NULL && e.exit == EXIT_ERROR && b.len == 0;
	if (!same)
		printf("# '%s', %s\n", buf_cstr(&b), e.text);
	buf_release(&b);
	return (same);
}

static bool
open_says(const char *token, unsigned dims, unsigned flags, const char *words)
{
	struct embedder *em = NULL;
	struct err e = {0, 0, ""};
	bool same;

	same = embedder_open(token, dims, flags, &em, &e) == 0 ? words == NULL : words != NULL && strstr(e.text, words) != NULL && em == NULL;
	if (!same)
		printf("# %s\n", e.text);
	embedder_free(em);
	return (same);
}

static void
test_tokens(void)
{
	char other[128] = EMBED_DEFAULT ":", bad[16384];
	struct buf b = BUF_INIT;

	ok(token_is("none", "none") && token_is(EMBED_DEFAULT, EMBED_DEFAULT ":") && token_is(NULL, EMBED_DEFAULT ":"), "none; a model; the one that ships");
	ok(token_is("./x", "command:./x") && token_is("a b", "command:a b") && token_is("none ", "command:none "), "what has a space or a slash is a command");
	memset(bad, 'x', sizeof(bad));
	bad[0] = '/';
	bad[sizeof(bad) - 1] = '\0';
	ok(token_is("nosuch", NULL) && token_is("", NULL) && token_is(" ", NULL) && token_is("a:b", NULL) && token_is("..", NULL) && token_is("a b\xff", NULL) &&
		token_is(bad, NULL), "what is neither is refused");
	memset(other + strlen(other), 'a', 64);
	ok(open_says("none", 0, 0, "ecl-index --embedder") && open_says("what", 0, 0, "ecl-index --embedder") && open_says("x:y", 0, 0, "ecl-index --embedder"),
	    "no embedder, and none that is known: what helps is named");
	ok(open_says(other, 0, 0, "ecl-index --embedder " EMBED_DEFAULT), "another model of that name: what helps is named");
	embedder_token(NULL, &b, NULL);
	ok(open_says(buf_cstr(&b), 0, 0, NULL) && open_says(buf_cstr(&b), EMBED_DIMS, EMBEDDER_NO_COMMAND, NULL) &&
		open_says(buf_cstr(&b), 3, 0, "ecl-index --rebuild"), "the model opens, but not for rows of another dimension");
	memcpy(b.data, "nosuch", 6);
	ok(open_says(buf_cstr(&b), 0, 0, "ecl-index --embedder"), "a model that is missing");
	ok(open_says("command:exit 1", 0, 0, NULL) && open_says("command:exit 1", 0, EMBEDDER_NO_COMMAND, "of your own only") &&
		open_says("command:", 0, 0, "ecl-index --embedder"), "a command, unless it must not be run");
	setenv("ECL_EMBEDDER_TIMEOUT", "soon", 1);
	ok(open_says("command:x", 0, 0, "ECL_EMBEDDER_TIMEOUT"), "a timeout that is none");
	unsetenv("ECL_EMBEDDER_TIMEOUT");
	buf_release(&b);
}

static void
test_model(void)
{
	const struct embed_input in[3] = {{SPAN("a:b"), SPAN("create"), SPAN("{\"x\":1}")}, {SPAN("ecl:layer"), SPAN("create"), SPAN("{\"format\":1}")},
	    {SPAN("service:nginx"), SPAN("restart"), {NULL, 0}}};
	int8_t rows[3][EMBED_DIMS], again[3][EMBED_DIMS], text[EMBED_DIMS], zeros[EMBED_DIMS] = {0};
	struct embedder *em = NULL, *copy;
	struct err e = {0, 0, ""};
	struct buf b = BUF_INIT;

	embedder_token(NULL, &b, &e);
	ok(embedder_open(buf_cstr(&b), 0, 0, &em, &e) == 0 && embedder_dims(em) == EMBED_DIMS && embedder_probe(em, &e) == 0 && !embedder_is_command(em) &&
		embedder_model(em) != NULL, "the model");
	ok(embedder_events(em, in, 3, rows[0], &e) == 0 && memcmp(rows[1], zeros, EMBED_DIMS) == 0 && memcmp(rows[0], zeros, EMBED_DIMS) != 0 &&
		memcmp(rows[2], zeros, EMBED_DIMS) != 0, "rows of events, zeros for those of ecl");
	ok((copy = embedder_clone(em)) != NULL && embedder_events(copy, in, 3, again[0], &e) == 0 && memcmp(rows, again, sizeof(rows)) == 0, "a clone makes the same");
	ok(embedder_text(em, SPAN("service nginx restart"), text, &e) == 0 && memcmp(text, rows[2], EMBED_DIMS) == 0, "a text of the same words has the same row");
	ok(embedder_text(em, SPAN("\xff"), text, &e) == -1 && strstr(e.text, "UTF-8") != NULL, "a text that is not UTF-8 is refused");
	embedder_free(copy);
	embedder_free(em);
	buf_release(&b);
}

/* ---- commands ---- */

struct asked {
	size_t n, len; /* of each text */
	int8_t *rows;
	unsigned width;
};

static void
give_text(void *arg, size_t i, struct buf *out)
{
	struct asked *a = arg;
	size_t k;

	buf_addf(out, "text %zu ", i);
	for (k = out->len; k < a->len; k++)
		buf_addc(out, 'x');
}

static int8_t *
give_row(void *arg, size_t i)
{
	struct asked *a = arg;

	return (a->rows == NULL ? NULL : a->rows + i * a->width);
}

/* Ask ${n} texts of ${len} bytes.  Return what command_run() does. */
static int
run(const char *line, size_t n, size_t len, int timeout_ms, unsigned *ret_dims, struct err *e)
{
	struct asked a = {n, len, NULL, 0};
	struct command_job job = {give_text, give_row, &a};
	struct command *c;
	int rc;

	memset(e, 0, sizeof(*e));
	if (command_new(line, 0, timeout_ms, &c, e) != 0)
		return (-2);
	rc = command_run(c, &job, n, e);
	*ret_dims = command_dims(c);
	command_free(c);
	return (rc);
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static void
test_good(void)
{
	struct err e;
	unsigned dims;
	int rc;

	ok(run("sed -u 's/.*/{\"vector\":[1,2,3]}/'", 3000, 0, 20000, &dims, &e) == 0 && dims == 3, "a line for a line: %s", e.text);
	ok(run("sed -u 's/.*/ {\"model\" : \"x\", \"vector\" : [ 1e0 , -2.5E-3 ], \"error\":null, \"n\":{\"a\":[]}} /'", 10, 0, 20000, &dims, &e) == 0 && dims == 2,
	    "white space and other members are no matter: %s", e.text);
	ok(run("read l; printf '{\"vector\":[1]}'", 1, 0, 20000, &dims, &e) == 0 && dims == 1, "the last line may lack its line feed: %s", e.text);
	/* Both pipes full at the same time: 16 MB of questions to one that answers none before it has a hundred, and then much for each. */
	rc = run("perl -ne 'BEGIN { $| = 1; $v = qq({\"vector\":[) . q(0.25,) x 1999 . qq(1]}\\n) } print $v x 100 if $. % 100 == 0'", 2000, 8000, 60000, &dims, &e);
	ok(rc == 0 && dims == 2000, "both sides have much to say: no deadlock: %s", e.text);
	ok(run("while read l; do sleep 0.5; echo '{\"vector\":[1]}'; done", 7, 0, 3000, &dims, &e) == 0, "one that is slow, but goes on: %s", e.text);
	ok(run("exit 3", 0, 0, 1000, &dims, &e) == 0, "nothing asked, nothing run");
}

static void
test_bad(void)
{
	static const struct {
		const char *line, *words;
		int exit;
	} bad[] = {
	    {"exit 3", "ended with exit status 3", EXIT_ERROR},
	    {"read l; echo '{\"vector\":[1]}'; exit 0", "ended with exit status 0 (at 'text 1 ", EXIT_ERROR},
	    {"kill -9 $$", "was killed by signal 9", EXIT_ERROR},
	    {"nosuch-program 2>/dev/null", "could not be run", EXIT_ERROR},
	    {"exec >&-; sleep 20", "closed its output", EXIT_ERROR},
	    {"exec <&-; sleep 0.2; exit 4", "ended with exit status 4", EXIT_ERROR},
	    {"read l; printf '%s\\n' '{\"error\":\"no\\nway\"}'; sleep 20", "says: no?way (at 'text 0 ", EXIT_ERROR},
	    {"printf '{\"error\":{\"code\":7}}'; exit 1", "says: {\"code\":7}", EXIT_ERROR},
	    {"read l; echo loading...; cat", "answered 'loading...': that is no JSON object", EXIT_ERROR},
	    {"echo loading...; cat", "answered ", EXIT_ERROR}, /* before it is asked, which is one line too many, or behind that */
	    {"read l; echo; cat", "answered '': that is no JSON object", EXIT_ERROR},
	    {"cat", "that has no array 'vector'", EXIT_ERROR},
	    {"read l; echo '{\"vector\":[1}'; cat", "answered '{\"vector\":[1}': ", EXIT_ERROR},
	    {"read l; echo '{\"vector\":[1]} x'; cat", "something stands behind", EXIT_ERROR},
	    {"read l; echo '{\"vector\":[NaN]}'; cat", "answered '{\"vector\":[NaN]}': ", EXIT_ERROR},
	    {"read l; echo '{\"vector\":[1e39]}'; cat", "not finite", EXIT_ERROR},
	    {"read l; echo '{\"vector\":[]}'; cat", "is empty", EXIT_ERROR},
	    {"read l; echo '{\"vector\":[\"1\"]}'; cat", "no number", EXIT_ERROR},
	    {"read l; echo '{\"vector\":\"AACAPw==\"}'; cat", "no array 'vector'", EXIT_ERROR},
	    {"read l; echo '{\"vector\":[1],\"vector\":[2]}'; cat", "duplicate member", EXIT_ERROR},
	    {"read l; echo '{\"vector\":[1,2]}'; read l; echo '{\"vector\":[1]}'; cat", "a vector of 1 numbers, where the others have 2", EXIT_ERROR},
	    {"yes '{\"vector\":[1]}'", "more lines than it was asked", EXIT_ERROR},
	    {"head -c 5000000 /dev/zero | tr '\\0' ' '; sleep 20", "an answer of more than", EXIT_ERROR},
	    {"sleep 20", "did not answer for 0.5 s", EXIT_RETRY},
	    {"read l; echo '{\"vector\":[1]}'; cat >/dev/null; sleep 20", "did not answer for 0.5 s", EXIT_RETRY},
	};
	struct err e;
	unsigned dims;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		/* Only who is to be too late has little time. */
		ok(run(bad[i].line, 500, 300, bad[i].exit == EXIT_RETRY ? 500 : 60000, &dims, &e) == -1 && e.exit == bad[i].exit && strstr(e.text, bad[i].words) != NULL &&
			strncmp(e.text, "the embedder '", 14) == 0 && dims == 0, "%s", bad[i].line);
		if (strstr(e.text, bad[i].words) == NULL)
			printf("# %s\n", e.text);
	}
	ok(run("head -c 70000 /dev/zero | tr '\\0' 1 | sed 's/./1,/g; s/^/{\"vector\":[/; s/,$/]}/'; echo; cat", 1, 0, 60000, &dims, &e) == -1 &&
		strstr(e.text, "70000 numbers: 65536 at most") != NULL, "more numbers than a row may have: %s", e.text);
}

/* What a command says that was asked once: its error. */
static void
test_surroundings(void)
{
	struct err e;
	unsigned dims;
	int fd = open("/dev/null", O_RDONLY); /* not O_CLOEXEC */
	sigset_t all, before;
	int64_t from;

	run("read l; echo \"{\\\"error\\\":\\\"$(ls /proc/self/fd | tr '\\n' ' ')\\\"}\"", 1, 0, 60000, &dims, &e);
	ok(fd > 2 && strstr(e.text, "says: 0 1 2 3  (at") != NULL, "it gets no descriptor of ours: %s", e.text);
	close(fd);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	run("read l; echo \"{\\\"error\\\":\\\"$(grep SigBlk /proc/self/status)\\\"}\"", 1, 0, 60000, &dims, &e);
	sigprocmask(SIG_SETMASK, &before, NULL);
	ok(strstr(e.text, "0000000000000000") != NULL, "nor the signals that we block: %s", e.text);
	/* The default is to die. */
	ok(run("exec <&-; sleep 0.1; exit 1", 100000, 100, 60000, &dims, &e) == -1 && sigpending(&all) == 0 && !sigismember(&all, SIGPIPE),
	    "one that does not read is no SIGPIPE");
	from = now_ms();
	ok(run("trap '' TERM; sleep 1000 & sleep 1000", 1, 0, 100, &dims, &e) == -1 && e.exit == EXIT_RETRY && now_ms() - from < 300000,
	    "one that hangs and does not listen is killed with all that it started");
	from = now_ms();
	ok(run("read l; echo '{\"vector\":[1]}'; sleep 1000", 1, 0, 4000, &dims, &e) == 0 && now_ms() - from < 300000, "so is one that does not end at the end of its input");
	ok(waitpid(-1, NULL, WNOHANG) == -1, "none is left behind");
}

/* After a failure it is started anew. */
static void
test_again(void)
{
	const struct embed_input in[3] = {{SPAN("a:b"), SPAN("create"), SPAN("1")}, {SPAN("ecl:block"), SPAN("snap"), {NULL, 0}}, {SPAN("c:d"), SPAN("create"), SPAN("1")}};
	char file[] = "/tmp/ecl-test-embedder.XXXXXX", token[256];
	int8_t rows[3][32], zeros[32] = {0};
	struct embedder *em = NULL;
	struct err e = {0, 0, ""};
	int fd = mkstemp(file);

	snprintf(token, sizeof(token), "command:echo x >>%s; test $(wc -l <%s) != 2 || exit 9; sed -u 's/.*/{\"vector\":[0,-1]}/'", file, file);
	ok(embedder_open(token, 0, 0, &em, &e) == 0 && embedder_dims(em) == 0 && embedder_is_command(em) && embedder_clone(em) == NULL && lseek(fd, 0, SEEK_END) == 0,
	    "a command is not run before it is asked");
	ok(embedder_events(em, in, 3, rows[0], &e) == -1, "its dimension must be known first");
	ok(embedder_probe(em, &e) == 0 && embedder_dims(em) == 2, "that is what it is asked for: %s", e.text);
	memset(rows, 7, sizeof(rows));
	ok(embedder_events(em, in, 3, rows[0], &e) == 0 && rows[0][1] == -127 && rows[2][1] == -127 && rows[2][31] == 0 && memcmp(rows[1], zeros, 32) == 0,
	    "events, with zeros for those of ecl: %s", e.text);
	ok(lseek(fd, 0, SEEK_END) == 2, "one process for all");
	embedder_free(em);
	embedder_open(token, 3, 0, &em, &e);
	ok(embedder_dims(em) == 3 && embedder_text(em, SPAN("x"), rows[0], &e) == -1 && strstr(e.text, "status 9") != NULL, "it fails: %s", e.text);
	ok(embedder_text(em, SPAN("x"), rows[0], &e) == -1 && strstr(e.text, "a vector of 2 numbers, where the others have 3") != NULL &&
		strstr(e.text, "ecl-index --rebuild") != NULL, "it is started again, and has another dimension than the rows: %s", e.text);
	embedder_free(em);
	close(fd);
	unlink(file);
}

int
main(void)
{
	test_rows();
	test_describe();
	test_tokens();
	test_model();
	test_good();
	test_bad();
	test_surroundings();
	test_again();
	return (tap_done());
}
