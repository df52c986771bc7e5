/* ecl-index: bring the index and the vectors up to date, make them anew, or check them. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "durable.h"
#include "embedder.h"
#include "io.h"
#include "layer.h"
#include "set_embedder.h"
#include "vectors.h"
#include "vectors_seal.h"

#include "banned.h"

#define STEP 65536	/* events between two looks at the clock */
#define PUBLISH 262144	/* events held in memory at most */

enum { OPT_CHECK = CLI_LONG, OPT_REBUILD, OPT_EMBEDDER };

static const struct cli_option options[] = {
	{OPT_CHECK, "check", false},
	{OPT_REBUILD, "rebuild", false},
	{OPT_EMBEDDER, "embedder", true},
	{0, NULL, false},
};

static const char help[] =
    "usage: ecl-index [OPTION...]\n"
    "\n"
    "  ecl-index                   bring index and vectors up to date; for cron\n"
    "  ecl-index --check           compare them with the log\n"
    "  ecl-index --rebuild         make them anew\n"
    "  ecl-index --embedder NAME   record another embedder, make its vectors\n"
    "\n"
    "Index and vectors are derived from the log: they make the other programs fast,\n"
    "and none of them believes the index.  Prints {\"events\":N,\"published\":N,\n"
    "\"elements\":N,\"vectors\":N,\"given\":N,\"segments\":N}.\n"
    "\n"
    "      --check           exit 1, naming the file, where they differ from the log\n"
    "      --rebuild         make them anew, beside the present ones\n"
    "      --embedder NAME   what makes the vectors: a model, a command (it has a\n"
    "                        space or a slash in it), or none\n" CLI_HELP_WRITER;

struct run {
	struct cli cli;
	bool check, rebuild;
	const char *embedder; /* as the user says it; NULL: as it is */
	struct layer *layer;
	struct log *log;
	struct index *ix;
	int lock_fd;
	uint64_t rows, given, segments; /* vectors, and those of FAISS */
	struct progress progress;
};

static int
parse_options(struct run *r, char **argv)
{
	int key;

	cli_init(&r->cli, "ecl-index", help, argv);
	while ((key = cli_next(&r->cli, options)) > 0)
		switch (key) {
		case OPT_CHECK:
			r->check = true;
			break;
		case OPT_REBUILD:
			r->rebuild = true;
			break;
		case OPT_EMBEDDER:
			r->embedder = r->cli.value;
			break;
		}
	if (key == -1)
		return (-1);
	if (r->cli.noperands > 0)
		r->cli.exit = cli_usage(&r->cli, "unexpected operand '%s'", r->cli.operands[0]);
	else if (r->check && (r->rebuild || r->embedder != NULL))
		r->cli.exit = cli_usage(&r->cli, "--check and --%s do not go together", r->rebuild ? "rebuild" : "embedder");
	else
		return (0);
	return (-1);
}

/* A replica has an index like any other ledger: the root is opened as what it is. */
static int
open_root(struct run *r, struct err *e)
{
	unsigned flags = LAYER_NO_INDEX | (r->cli.force ? LAYER_FORCE : 0);
	bool replica;

	if (layer_open(r->cli.root, flags, &r->layer, e) != 0)
		return (-1);
	if (!r->check) {
		replica = r->layer->replica;
		layer_free(r->layer);
		r->layer = NULL;
		flags |= LAYER_WRITE | (replica ? LAYER_REPLICA : 0);
		if (layer_open(r->cli.root, flags, &r->layer, e) != 0)
			return (-1);
	}
	return (log_open(r->layer->ecl_fd, layer_reader_root(r->layer), &r->log, e));
}

static void
step(void *arg, uint64_t done)
{
	progress_step(arg, done);
}

/* How much of the log is known to be on the disk: what a writer has not synced yet may be taken back. */
static int
durable_size(struct run *r, uint64_t *ret, struct err *e)
{
	struct durable d;

	if (durable_read(r->layer->root_fd, &d, e) != 0)
		return (-1);
	*ret = r->log->end.size;
	if (d.known && d.end.size < *ret)
		*ret = d.end.size;
	return (0);
}

/* The index, up to event ${size}. */
static int
update_index(struct run *r, uint64_t size, struct err *e)
{
	uint64_t left;

	if (index_damage(r->ix) != NULL)
		cli_warn(&r->cli, "the index is made anew: %s", index_damage(r->ix));
	progress_init(&r->progress, &r->cli, "indexing", "events", size);
	while (index_size(r->ix) < size) {
		left = size - index_size(r->ix);
		if (index_advance(r->ix, left < STEP ? left : STEP, e) == -1)
			return (-1);
		if (index_lag(r->ix) >= PUBLISH && index_publish(r->ix, -1, true, e) != 0)
			return (-1);
		progress_step(&r->progress, index_size(r->ix));
	}
	progress_end(&r->progress);
	return (index_compact(r->ix, -1, e));
}

/* The token of the embedder; ${ret_run}: whether its vectors are made here. */
static int
find_embedder(struct run *r, struct buf *out, bool *ret_run, struct err *e)
{
	struct ledger ledger = {.ecl_fd = r->layer->ecl_fd, .log = r->log, .index = r->ix};

	if (ledger_embedder(&ledger, out, e) != 0)
		return (-1);
	*ret_run = strncmp(buf_cstr(out), "command:", 8) != 0 || layer_may_command(r->layer);
	return (0);
}

static void
embedding(void *arg, uint64_t done, uint64_t total)
{
	struct run *r = arg;

	r->progress.total = total;
	progress_step(&r->progress, done);
}

/* The segments that make searches fast. */
static int
seal(struct run *r, const char *dir, struct err *e)
{
	static const char *const space[] = {VECTORS_MADE, VECTORS_GIVEN};
	uint64_t n;
	size_t i;
	int rc = 0;

	progress_init(&r->progress, &r->cli, "sealing", "vectors", 0);
	for (i = 0; i < sizeof(space) / sizeof(space[0]) && rc == 0; i++) {
		rc = vectors_seal(r->layer->ecl_fd, dir, space[i], embedding, r, &n, e);
		r->segments += n;
	}
	progress_end(&r->progress);
	return (rc);
}

/* The vectors, up to event ${size}, where the index is. */
static int
update_vectors(struct run *r, uint64_t size, struct err *e)
{
	struct vectors_update u = {.ecl_fd = r->layer->ecl_fd, .dir = r->rebuild ? INDEX_DIR_ANEW : INDEX_DIR, .log = r->log, .lock_fd = -1,
	    .size = size, .step = embedding, .arg = r};
	struct buf token = BUF_INIT;
	bool run = true;
	int rc = -1;

	if (find_embedder(r, &token, &run, e) != 0)
		goto out;
	if (!run)
		cli_info(&r->cli, "the events get no vectors: the ledger's embedder is a command, and such are not run for a replica");
	u.token = run ? buf_cstr(&token) : NULL;
	progress_init(&r->progress, &r->cli, "embedding", "events", 0);
	rc = vectors_catch_up(&u, e);
	progress_end(&r->progress);
	if (u.damage[0] != '\0')
		cli_warn(&r->cli, "the vectors are made anew: %s", u.damage);
	r->rows = u.rows;
	r->given = u.given;
	if (rc == 0)
		rc = seal(r, u.dir, e);
	if (rc == 0)
		rc = vectors_sweep(u.ecl_fd, u.dir, e);
out:	buf_release(&token);
	return (rc);
}

static int
update(struct run *r, struct err *e)
{
	unsigned flags = INDEX_TREE | INDEX_LAZY | (r->rebuild ? INDEX_IGNORE : 0);
	struct err why = {0, 0, ""};
	uint64_t size;
	int rc;

	if (durable_size(r, &size, e) != 0 || index_open(r->layer->ecl_fd, r->log, flags, &r->ix, e) != 0)
		return (-1);
	/* The lock is held all the time: others would publish into what is going to be replaced. */
	if (r->rebuild && index_anew(r->ix, e) != 0)
		return (-1);
	if (update_index(r, size, e) != 0)
		return (-1);
	/* The index is as good without the vectors. */
	rc = size > 0 ? update_vectors(r, size, &why) : 0;
	if (r->rebuild && ((size > 0 && vectors_carry(r->layer->ecl_fd, INDEX_DIR_ANEW, e) != 0) || index_replace(r->ix, e) != 0))
		return (-1);
	if (rc != 0)
		*e = why;
	return (rc);
}

/* The vectors of one space.  Return 0, 1 with what is wrong, or -1. */
static int
check_space(struct run *r, const char *space, const char *token, struct buf *fault, struct err *e)
{
	struct vectors_check c = {.space = space, .token = token, .fault = fault, .step = step, .arg = &r->progress};
	int rc;

	progress_init(&r->progress, &r->cli, "checking vectors", "events", r->log->end.size);
	if ((rc = vectors_check(r->layer->ecl_fd, r->log, &c, e)) == 0)
		rc = vectors_seal_check(r->layer->ecl_fd, r->log, space, fault, e);
	progress_end(&r->progress);
	return (rc);
}

static int
check_vectors(struct run *r, struct buf *fault, struct err *e)
{
	struct buf token = BUF_INIT;
	bool run;
	int rc = -1;

	if (find_embedder(r, &token, &run, e) == 0)
		rc = check_space(r, VECTORS_GIVEN, buf_cstr(&token), fault, e);
	if (rc == 0)
		rc = check_space(r, VECTORS_MADE, buf_cstr(&token), fault, e);
	buf_release(&token);
	return (rc);
}

/* What the vectors have, for who asks how far they are. */
static int
count_rows(struct run *r, const char *space, uint64_t *ret, struct err *e)
{
	const struct vectors_segment *seg;
	struct vectors *v;

	if (vectors_open(r->layer->ecl_fd, r->log, space, NULL, &v, e) != 0)
		return (-1);
	*ret = vectors_rows(v);
	r->segments += vectors_segments(v, &seg);
	vectors_free(v);
	return (0);
}

/* Return 0, or -1, also where something is wrong (with ${e}). */
static int
check(struct run *r, struct err *e)
{
	struct buf fault = BUF_INIT;
	int rc;

	progress_init(&r->progress, &r->cli, "checking", "events", r->log->end.size);
	rc = index_check(r->layer->ecl_fd, r->log, step, &r->progress, &fault, e);
	progress_end(&r->progress);
	if (rc == 1)
		buf_adds(&fault, "; 'ecl-index --rebuild' makes it anew");
	if (rc == 0 && (rc = index_open(r->layer->ecl_fd, r->log, INDEX_NO_HASHES, &r->ix, e)) == 0)
		rc = check_vectors(r, &fault, e);
	if (rc == 0 && (rc = count_rows(r, VECTORS_MADE, &r->rows, e)) == 0)
		rc = count_rows(r, VECTORS_GIVEN, &r->given, e);
	if (rc == 1)
		rc = err_no(e, "%s", buf_cstr(&fault));
	buf_release(&fault);
	return (rc);
}

static int
lock(struct run *r, bool exclusive, struct err *e)
{
	if (io_lock(r->lock_fd, exclusive, r->cli.wait_ms) == 0)
		return (0);
	if (errno == EWOULDBLOCK)
		return (err_retry(e, "'%s' is locked by another program ('index.lock'); try again later", r->cli.root));
	return (err_sys(e, "cannot lock 'index.lock'"));
}

/* What is live now, in place of what was. */
static int
reopen(struct run *r, struct err *e)
{
	index_free(r->ix);
	log_free(r->log);
	r->ix = NULL;
	r->log = NULL;
	r->segments = 0;
	if (layer_reopen_live(r->layer, e) != 0)
		return (-1);
	return (log_open(r->layer->ecl_fd, layer_reader_root(r->layer), &r->log, e));
}

/* A rollback exchanges live, and removes what was: whatever came of it, it is not about the index that counts. */
static int
until_settled(struct run *r, struct err *e)
{
	int rc;

	while (rc = r->check ? check(r, e) : update(r, e), layer_exchanged(r->layer))
		if (reopen(r, e) != 0)
			return (-1);
	return (rc);
}

/* A command that answers nothing would stay in the log, and leave a ledger that had vectors without any that can be searched. */
static int
try_embedder(const char *token, struct err *e)
{
	struct embedder *em;
	int rc;

	if (strncmp(token, "command:", 8) != 0)
		return (0); /* a model was looked for when it was named */
	if (embedder_open(token, 0, 0, &em, e) != 0)
		return (-1);
	rc = embedder_probe(em, e);
	embedder_free(em);
	return (rc);
}

/* What --embedder says, in the log; nothing is recorded where it says so already. */
static int
record_embedder(struct run *r, struct err *e)
{
	struct buf token = BUF_INIT;
	struct layer *l;
	int rc = -1;

	if (embedder_token(r->embedder, &token, e) == 0 && layer_open(r->cli.root, LAYER_WRITE | (r->cli.force ? LAYER_FORCE : 0), &l, e) == 0) {
		if ((rc = try_embedder(buf_cstr(&token), e)) == 0)
			rc = set_embedder(l, r->cli.wait_ms, buf_cstr(&token), e);
		layer_free(l);
	}
	buf_release(&token);
	return (rc);
}

static int
run(struct run *r, struct err *e)
{
	if (r->embedder != NULL && record_embedder(r, e) == -1)
		return (-1);
	if (open_root(r, e) != 0)
		return (-1);
	if (!r->check) {
		if ((r->lock_fd = io_open_file(r->layer->root_fd, "index.lock", O_RDWR | O_CREAT, 0600, e)) == -1 || lock(r, true, e) != 0)
			return (-1);
		return (until_settled(r, e));
	}
	/* Nobody publishes meanwhile, where we may say so; without it the worst is a false alarm during a rebuild. */
	if (!r->layer->bare)
		r->lock_fd = io_open_file(r->layer->root_fd, "index.lock", O_RDONLY, 0, NULL);
	if (r->lock_fd != -1 && lock(r, false, e) != 0)
		return (-1);
	return (until_settled(r, e));
}

/* Of a log that another host wrote: here ecl-append refuses such events. */
static void
say_others(const struct run *r)
{
	struct vectors *v;
	uint64_t n, first;

	if (vectors_open(r->layer->ecl_fd, r->log, VECTORS_GIVEN, NULL, &v, NULL) != 0)
		return;
	if ((n = vectors_others(v, &first)) > 0)
		cli_info(&r->cli, "%" PRIu64 " event%s brought a vector that is not searched, event %" PRIu64 " the first: those that are have %u numbers",
		    n, n == 1 ? "" : "s", first, vectors_dims(v));
	vectors_free(v);
}

static void
print(const struct run *r)
{
	uint64_t events = r->log->end.size, published = index_published(r->ix), elements = index_elements(r->ix);

	if (r->cli.quiet)
		return;
	if (cli_want_table(&r->cli))
		printf("%" PRIu64 " of %" PRIu64 " events are in the index, %" PRIu64 " elements, %" PRIu64 " vectors\n", published, events,
		    elements, r->rows);
	else
		printf("{\"events\":%" PRIu64 ",\"published\":%" PRIu64 ",\"elements\":%" PRIu64 ",\"vectors\":%" PRIu64 ",\"given\":%" PRIu64
		       ",\"segments\":%" PRIu64 "}\n",
		    events, published, elements, r->rows, r->given, r->segments);
}

int
main(int argc, char **argv)
{
	struct run r = {.lock_fd = -1};
	struct err e = {0, 0, ""};
	int code = 0;

	(void)argc;
	if (parse_options(&r, argv) == -1)
		return (r.cli.exit);
	if (run(&r, &e) == 0) {
		progress_end(&r.progress);
		print(&r);
		if (!r.check)
			say_others(&r);
	} else {
		if (r.progress.cli != NULL)
			progress_end(&r.progress);
		code = cli_error_full(&r.cli, &e);
	}
	index_free(r.ix);
	log_free(r.log);
	layer_free(r.layer);
	if (r.lock_fd != -1)
		close(r.lock_fd);
	return (cli_close_stdout(&r.cli, code));
}
