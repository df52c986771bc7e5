/* ecl-init: make a root, finish a half-made one, or adopt a replica. */
#include "config.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "adopt.h"
#include "batch.h"
#include "catch_up.h"
#include "cli.h"
#include "durable.h"
#include "embedder.h"
#include "io.h"
#include "note.h"
#include "receive.h"
#include "reserve.h"
#include "root.h"
#include "subvol.h"
#include "vkey.h"
#include "when.h"

#include "banned.h"

#define UUID_SIZE 37

static const char help[] =
    "usage: ecl-init [OPTION...] [ROOT]\n"
    "\n"
    "  ecl-init /var/lib/ecl            make a ledger there\n"
    "  ecl-init --replica copies/web1   make an empty copy for 'ecl-append --replica'\n"
    "                                   or 'ecl-snap --receive'\n"
    "  ecl-init --adopt copies/web1     web1 is gone: its ledger goes on here\n"
    "\n"
    "Makes ROOT (else --root) a ledger: the subvolume 'live', the blocks' directory\n"
    "and event 0, the genesis, which it prints.  On a finished ledger it does nothing\n"
    "and exits 0; a half-made one it finishes.  It refuses a directory that has\n"
    "something else in it.\n"
    "\n"
    "      --backend KIND    btrfs, copy, or auto: btrfs where it can (auto)\n"
    "      --origin NAME     the ledger's name in checkpoints (HOST/UUID)\n"
    "      --embedder NAME   what makes vectors of events: a model, 'a command' with\n"
    "                        a space or slash in it, or none (the model that ships)\n"
    "      --time TIME       of the genesis, for importing history (now)\n"
    "      --replica         no genesis: a copy of another ledger\n"
    "      --adopt           a replica becomes the ledger, which was lost\n"
    "      --key VKEY        of --adopt: it is signed by this key, or another --key\n" CLI_HELP_WRITER;

enum { OPT_BACKEND = CLI_LONG, OPT_ORIGIN, OPT_EMBEDDER, OPT_TIME, OPT_REPLICA, OPT_ADOPT, OPT_KEY };

static const struct cli_option options[] = {
    {OPT_BACKEND, "backend", true},
    {OPT_ORIGIN, "origin", true},
    {OPT_EMBEDDER, "embedder", true},
    {OPT_TIME, "time", true},
    {OPT_REPLICA, "replica", false},
    {OPT_ADOPT, "adopt", false},
    {OPT_KEY, "key", true},
    {0, NULL, false},
};

struct init {
	struct cli cli;
	const char *backend, *origin, *embedder, *time;
	bool replica, adopt;
	struct note_key *key; /* of --adopt */
	size_t keys;
	struct buf token; /* of the embedder */
	int64_t time_us; /* of the genesis; 0 = now */
	int root_fd, live_fd, lock_fd;
};

static int
parse_options(struct init *in, char **argv)
{
	struct cli *cli = &in->cli;
	int key;

	cli_init(cli, "ecl-init", help, argv);
	while ((key = cli_next(cli, options)) > 0)
		switch (key) {
		case OPT_BACKEND:
			in->backend = cli->value;
			break;
		case OPT_ORIGIN:
			in->origin = cli->value;
			break;
		case OPT_EMBEDDER:
			in->embedder = cli->value;
			break;
		case OPT_TIME:
			in->time = cli->value;
			break;
		case OPT_REPLICA:
			in->replica = true;
			break;
		case OPT_ADOPT:
			in->adopt = true;
			break;
		case OPT_KEY:
			if ((cli->exit = vkey_option(cli, "--key", NOTE_ED25519, &in->key, &in->keys)) != 0)
				return (-1);
			break;
		}
	if (key == -1)
		return (-1);
	cli->exit = EXIT_ERROR;
	if (cli->noperands > 1)
		return (cli_usage(cli, "one ROOT at most"), -1);
	if (cli->noperands == 1)
		cli->root = cli->operands[0];
	if (in->replica && (in->origin != NULL || in->embedder != NULL || in->time != NULL))
		return (cli_usage(cli, "a replica has no genesis of its own: --origin, --embedder and --time do not go with --replica"), -1);
	if (in->adopt && (in->replica || in->origin != NULL || in->embedder != NULL || in->time != NULL))
		return (cli_usage(cli, "--adopt takes the ledger as it is: --origin, --embedder, --time and --replica do not go with it"), -1);
	if (in->keys > 0 && !in->adopt)
		return (cli_usage(cli, "--key goes with --adopt"), -1);
	return (0);
}

static int
check_values(struct init *in, struct err *e)
{
	struct timespec now;
	enum backend b;
	size_t len;

	if (strcmp(in->backend, "auto") != 0 && backend_parse(in->backend, &b) != 0)
		return (err_set(e, "unknown backend '%s': auto, btrfs or copy", in->backend));
	clock_gettime(CLOCK_REALTIME, &now);
	if (in->time != NULL && when_time(in->time, (int64_t)now.tv_sec * 1000000, &in->time_us) != 0)
		return (err_set(e, "'%s' is not a time", in->time));
	if (in->time_us > ((int64_t)now.tv_sec + 60) * 1000000 && !in->cli.force)
		return (err_set(e, "'%s' is more than a minute ahead of the clock (--force takes it)", in->time));
	if (in->embedder != NULL && embedder_token(in->embedder, &in->token, e) != 0)
		return (-1);
	if (in->origin == NULL)
		return (0);
	/* The origin names the key of signed notes: those rules hold from the start. */
	len = strlen(in->origin);
	if (len == 0 || len > 255 || json_utf8(in->origin, len) != len)
		return (err_set(e, "the origin must be 1 to 255 bytes of UTF-8"));
	if (!note_name_ok((struct span){in->origin, len}))
		return (err_set(e, "the origin '%s' has a space, a control character or a '+'", in->origin));
	return (0);
}

/* As mkdir -p. */
static int
make_path(const char *path, struct err *e)
{
	struct stat st;
	char *copy, *p;

	if ((copy = strdup(path)) == NULL)
		return (err_mem(e));
	for (p = copy + 1; *copy != '\0' && (p = strchr(p, '/')) != NULL; *p++ = '/') {
		*p = '\0';
		if (mkdir(copy, 0755) != 0 && errno != EEXIST && errno != EROFS) {
			err_sys(e, "cannot make the directory '%s'", copy);
			free(copy);
			return (-1);
		}
	}
	free(copy);
	if (mkdir(path, 0750) != 0) {
		if (errno != EEXIST)
			return (err_sys(e, "cannot make the directory '%s'", path));
		return (0);
	}
	/* Whatever the umask. */
	if (stat(path, &st) != 0 || chmod(path, (st.st_mode & S_ISGID) | 0750) != 0)
		return (err_sys(e, "cannot set the mode of '%s'", path));
	return (0);
}

/* What a root may have in it; anything else is somebody's. */
static bool
is_ours(const char *name)
{
	static const char *const ours[] = {".", "..", "gate", "lock", "blocks.lock", "index.lock", "durable", "checkpoint", "replica",
	    "live", ".snapshots", RECEIVE_STAGING, RESERVE_FILE};
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcmp(name, ours[i]) == 0)
			return (true);
	return (strncmp(name, ".tmp-", 5) == 0 || strncmp(name, ".old-", 5) == 0);
}

static int
check_contents(struct init *in, struct err *e)
{
	struct dirent *d;
	DIR *dir;
	int fd, ret = 0;

	if ((fd = openat(in->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || (dir = fdopendir(fd)) == NULL) {
		err_sys(e, "cannot read '%s'", in->cli.root);
		if (fd != -1)
			close(fd);
		return (-1);
	}
	while (ret == 0 && (errno = 0, d = readdir(dir)) != NULL)
		if (!is_ours(d->d_name))
			ret = err_set(e, "'%s' has something else in it ('%s'): give an empty or a new directory", in->cli.root, d->d_name);
	if (ret == 0 && errno != 0)
		ret = err_sys(e, "cannot read '%s'", in->cli.root);
	closedir(dir);
	return (ret);
}

/* live, its .ecl/log, and the blocks' directory: each where it is not there. */
static int
make_parts(struct init *in, struct err *e)
{
	enum backend backend = root_backend(in->root_fd);

	if (strcmp(in->backend, "auto") != 0)
		(void)backend_parse(in->backend, &backend);
	if (backend == BACKEND_BTRFS && !subvol_can_btrfs(in->root_fd))
		return (err_set(e, "'%s' is not on btrfs: --backend=copy works anywhere", in->cli.root));
	return (root_make_parts(in->root_fd, backend, &in->live_fd, e));
}

static int
make_uuid(char out[UUID_SIZE], struct err *e)
{
	uint8_t r[16];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return (err_sys(e, "cannot get random bytes"));
	r[6] = (uint8_t)((r[6] & 0x0f) | 0x40); /* RFC 9562: version 4, variant 10 */
	r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
	snprintf(out, UUID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2], r[3], r[4],
	    r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
	return (0);
}

/* Without a word of the user: the model that ships, where it is installed. */
static int
default_embedder(struct init *in, struct err *e)
{
	struct err why = {0, 0, ""};

	if (in->embedder != NULL || embedder_token(NULL, &in->token, &why) == 0)
		return (0);
	cli_warn(&in->cli, "events get no vectors: %s ('ecl-index --embedder' can change that)", why.text);
	return (embedder_token("none", &in->token, e));
}

/* The state of `ecl:layer` that begins every ledger (DESIGN 3). */
static int
genesis_state(struct init *in, struct buf *out, struct err *e)
{
	char uuid[UUID_SIZE], host[256] = "localhost", origin[300];

	if (make_uuid(uuid, e) != 0 || default_embedder(in, e) != 0)
		return (-1);
	if (gethostname(host, sizeof(host) - 1) != 0 || !note_name_ok((struct span){host, strlen(host)}))
		snprintf(host, sizeof(host), "localhost");
	snprintf(origin, sizeof(origin), "%s/%s", host, uuid);
	if (in->origin != NULL)
		snprintf(origin, sizeof(origin), "%s", in->origin);
	buf_adds(out, "{\"embedder\":");
	json_escape(out, (struct span){in->token.data, in->token.len});
	buf_addf(out, ",\"format\":1,\"hash\":\"sha256\",\"id\":\"%s\",\"origin\":", uuid);
	json_escape(out, (struct span){origin, strlen(origin)});
	buf_addc(out, '}');
	return (out->failed ? err_mem(e) : 0);
}

/* Event 0, durable before anything says so. */
static int
make_genesis(struct init *in, struct ledger *ledger, struct buf *out, struct err *e)
{
	struct batch_rules rules;
	struct durable_file durable;
	struct batch batch;
	struct buf state = BUF_INIT;
	struct event ev;
	enum log_outcome outcome;
	int ret = -1;

	durable_init(&durable, in->root_fd);
	memset(&batch, 0, sizeof(batch));
	memset(&ev, 0, sizeof(ev));
	if (genesis_state(in, &state, e) != 0)
		goto done;
	batch_rules_init(&rules);
	batch_begin(&batch, ledger, &rules);
	if (in->time_us != 0)
		batch.now_us = in->time_us;
	ev.element = SPAN("ecl:layer");
	ev.action = SPAN("create");
	ev.state = (struct span){state.data, state.len};
	if (batch_add(&batch, &ev, e) != 0 || batch_commit(&batch, &durable, true, &outcome, e) != 0)
		goto done;
	buf_add(out, batch.lines.data, batch.lines.len);
	ret = 0;
done:	durable_close(&durable);
	buf_release(&state);
	batch_release(&batch);
	return (ret);
}

/* An empty log where there once were events is no half-made ledger: a second genesis would hide the loss. */
static int
check_never_used(struct init *in, struct err *e)
{
	struct durable d;
	struct dirent *entry;
	DIR *dir;
	int fd, ret = 0;

	if (durable_read(in->root_fd, &d, e) != 0)
		return (-1);
	if (d.end.size > 0 || faccessat(in->root_fd, "checkpoint", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		ret = -1;
	if ((fd = io_open_dir(in->root_fd, ".snapshots", e)) == -1)
		return (-1);
	if ((dir = fdopendir(fd)) == NULL) {
		err_sys(e, "cannot read '.snapshots'");
		close(fd);
		return (-1);
	}
	while (ret == 0 && (errno = 0, entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, "block-", 6) == 0)
			ret = -1;
	if (ret == 0 && errno != 0) {
		err_sys(e, "cannot read '.snapshots'");
		closedir(dir);
		return (-1);
	}
	closedir(dir);
	if (ret != 0)
		err_set(e, "the log of '%s' is gone, though it had events: run 'ecl-verify'", in->cli.root);
	return (ret);
}

/* A ledger that is there keeps its embedder. */
static int
check_embedder(struct init *in, struct ledger *ledger, struct err *e)
{
	struct buf token = BUF_INIT;
	bool same;

	if (in->embedder == NULL)
		return (0);
	if (ledger_embedder(ledger, &token, e) != 0)
		return (-1);
	same = span_eq((struct span){token.data, token.len}, (struct span){in->token.data, in->token.len});
	if (!same)
		err_set(e, "'%s' is a ledger already, with the embedder '%.200s': 'ecl-index --embedder' changes it", in->cli.root, buf_cstr(&token));
	buf_release(&token);
	return (same ? 0 : -1);
}

/* All under the writer's lock.  Return 1 where something was made, 0 where all was there, or -1. */
static int
make_root(struct init *in, struct buf *out, struct err *e)
{
	struct ledger *ledger = NULL;
	bool marked = faccessat(in->root_fd, "replica", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	int ret = -1;

	if (make_parts(in, e) != 0 || ledger_open(in->live_fd, -1, 0, &ledger, e) != 0)
		return (-1);
	if (ledger->log->end.size > 0 || marked) {
		if (marked != in->replica)
			err_set(e, marked ? "'%s' is a replica already" : "'%s' is a ledger already, and not a replica", in->cli.root);
		else
			ret = check_embedder(in, ledger, e);
	} else if (check_never_used(in, e) != 0) {
		ret = -1;
	} else if (in->replica) {
		if (io_publish(in->root_fd, "replica", "", 0, 0640, true, e) == 0)
			ret = 1;
	} else if (make_genesis(in, ledger, out, e) == 0)
		ret = 1;
	ledger_free(ledger);
	return (ret);
}

static int
run(struct init *in, struct buf *out, struct err *e)
{
	int ret = -1;

	if (check_values(in, e) != 0 || make_path(in->cli.root, e) != 0)
		return (-1);
	if ((in->root_fd = open(in->cli.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (err_sys(e, "cannot open '%s'", in->cli.root));
	if (check_contents(in, e) != 0 || (in->lock_fd = io_open_file(in->root_fd, "lock", O_RDWR | O_CREAT, 0600, e)) == -1)
		goto err1;
	if (io_lock(in->lock_fd, true, in->cli.wait_ms) != 0) {
		if (errno == EWOULDBLOCK)
			err_retry(e, "'%s' is locked by another program; try again later", in->cli.root);
		else
			err_sys(e, "cannot lock '%s/lock'", in->cli.root);
		goto err2;
	}
	ret = make_root(in, out, e);
	if (in->live_fd != -1)
		close(in->live_fd);
err2:	close(in->lock_fd);
err1:	close(in->root_fd);
	return (ret);
}

static void
on_verified(void *arg, uint64_t bytes, uint64_t total)
{
	struct progress *p = arg;

	p->total = total;
	progress_step(p, bytes);
}

/* A replica becomes the ledger.  Return 1, 0 where it is one already, or -1. */
static int
run_adopt(struct init *in, struct buf *out, struct err *e)
{
	struct progress progress;
	struct adopt_options opt = {.wait_ms = in->cli.wait_ms, .key = in->key, .keys = in->keys, .verify = on_verified, .arg = &progress};
	unsigned force = in->cli.force ? LAYER_FORCE : 0;
	struct layer *l;
	bool command = false;
	int rc;

	/* Twice: whether it is one decides how it may be opened. */
	if (layer_open(in->cli.root, LAYER_ROOT | LAYER_LAZY | force, &l, e) != 0)
		return (-1);
	rc = l->replica;
	layer_free(l);
	if (rc == 0)
		return (0);
	if (catch_up_open(&in->cli, in->cli.root, LAYER_WRITE | LAYER_REPLICA | force, &l, e) != 0)
		return (-1);
	progress_init(&progress, &in->cli, "verifying", "bytes", 0);
	rc = adopt(l, &opt, out, &command, e);
	progress_end(&progress);
	layer_free(l);
	if (rc == 0 && command)
		cli_warn(&in->cli, "the embedder was a command of another host, and is none from now on: 'ecl-index --embedder' sets one");
	return (rc == 0 ? 1 : -1);
}

static void
report(const struct init *in, int made, const struct buf *out)
{
	if (cli_want_table(&in->cli))
		cli_info(&in->cli, made == 0 ? "'%s' is a ledger already" : in->adopt ? "adopted the ledger at '%s'"
			: in->replica ? "made a replica at '%s'" : "made a ledger at '%s'", in->cli.root);
	else if (out->len > 0 && !in->cli.quiet)
		fwrite(out->data, 1, out->len, stdout);
}

int
main(int argc, char **argv)
{
	struct init in = {.backend = "auto", .root_fd = -1, .live_fd = -1, .lock_fd = -1};
	struct buf out = BUF_INIT;
	struct err e = {0, 0, ""};
	int made;

	(void)argc;
	if (parse_options(&in, argv) != 0) {
		vkey_release(in.key, in.keys);
		return (in.cli.exit);
	}
	made = in.adopt ? run_adopt(&in, &out, &e) : run(&in, &out, &e);
	if (made != -1)
		report(&in, made, &out);
	buf_release(&out);
	buf_release(&in.token);
	vkey_release(in.key, in.keys);
	return (made == -1 ? cli_error(&in.cli, &e) : cli_close_stdout(&in.cli, 0));
}
