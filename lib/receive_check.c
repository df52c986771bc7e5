/* Receiving: what came, as far as no header commits to it, and whether it is of the history that is here. */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "checkpoint.h"
#include "index.h"
#include "io.h"
#include "receive_impl.h"

#include "banned.h"

/* ---- .ecl ---- */

#define SUFFIX ".ndjson" /* of a segment, behind its digits */

/* One directory of it. */
struct place {
	int fd;
	const char *path;
	bool (*may)(const char *name, bool dir);
	uid_t owner; /* of `.ecl` */
};

static bool
may_in_ecl(const char *name, bool dir)
{
	if (name[0] == '.') /* left by a run that died; nobody reads it */
		return (true);
	if (dir)
		return (strcmp(name, "log") == 0 || strcmp(name, "index") == 0 || strcmp(name, INDEX_DIR_ANEW) == 0);
	return (strcmp(name, "block") == 0 || strcmp(name, CHECKPOINT_FILE) == 0 || strcmp(name, CHECKPOINT_NOTE) == 0 ||
	    strncmp(name, "torn-", 5) == 0);
}

static bool
may_in_log(const char *name, bool dir)
{
	if (dir)
		return (false);
	if (name[0] == '.')
		return (true);
	return (strspn(name, "0123456789") == LOG_NAME_SIZE - 1 - strlen(SUFFIX) && strcmp(name + LOG_NAME_SIZE - 1 - strlen(SUFFIX), SUFFIX) == 0);
}

static bool
may_in_index(const char *name, bool dir)
{
	(void)name;
	return (!dir);
}

/* Why it may not stand there, or NULL. */
static const char *
why_not(const struct place *p, const char *name, const struct stat *st)
{
	bool dir = S_ISDIR(st->st_mode);

	if (!dir && !S_ISREG(st->st_mode))
		return ("is no regular file");
	if (!p->may(name, dir))
		return ("does not belong there");
	if (!dir && st->st_nlink != 1)
		return ("has a second name");
	if ((st->st_mode & (S_ISUID | S_ISVTX | S_IWOTH)) != 0 || (!dir && (st->st_mode & (S_ISGID | 0111)) != 0))
		return ("has a mode that no file of a ledger has");
	if (st->st_uid != p->owner && st->st_uid != 0)
		return ("belongs to another user than the ledger");
	return (NULL);
}

static int check_dir(const struct place *p, struct err *e);

static int
check_entry(const struct place *p, const char *name, struct err *e)
{
	struct place below = {.owner = p->owner, .may = strcmp(name, "log") == 0 ? may_in_log : may_in_index};
	char path[300];
	const char *why;
	struct stat st;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", p->path, name);
	if (fstatat(p->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return (err_sys(e, "cannot stat '%s'", path));
	if ((why = why_not(p, name, &st)) != NULL)
		return (err_no(e, "'%s' of the block %s", path, why));
	if (!S_ISDIR(st.st_mode))
		return (0);
	below.path = path;
	if ((below.fd = io_open_dir(p->fd, name, e)) == -1)
		return (-1);
	rc = check_dir(&below, e);
	close(below.fd);
	return (rc);
}

static int
check_dir(const struct place *p, struct err *e)
{
	const struct dirent *d;
	DIR *dir;
	int fd, rc = 0;

	if ((fd = openat(p->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || (dir = fdopendir(fd)) == NULL) {
		err_sys(e, "cannot read '%s'", p->path);
		if (fd != -1)
			close(fd);
		return (-1);
	}
	while (rc == 0 && (errno = 0, d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			rc = check_entry(p, d->d_name, e);
	if (rc == 0 && errno != 0)
		rc = err_sys(e, "cannot read '%s'", p->path);
	closedir(dir);
	return (rc);
}

int
receive_check_own(int block_fd, struct err *e)
{
	struct place p = {.path = ".ecl", .may = may_in_ecl};
	struct stat st;
	int rc = -1;

	if ((p.fd = io_open_dir(block_fd, ".ecl", e)) == -1) {
		if (e != NULL)
			err_no(e, "what came is no block: it has no directory '.ecl'");
		return (-1);
	}
	if (fstat(p.fd, &st) != 0)
		err_sys(e, "cannot stat '.ecl' of the block");
	else if ((st.st_mode & (S_ISUID | S_ISVTX | S_IWOTH)) != 0)
		err_no(e, "'.ecl' of the block has a mode that no ledger has");
	else {
		p.owner = st.st_uid;
		rc = check_dir(&p, e);
	}
	close(p.fd);
	return (rc);
}

/* ---- history ---- */

static int
hash_at(struct log *log, uint64_t size, uint8_t out[SHA256_SIZE], struct err *e)
{
	struct log_reader r;
	struct log_line line;
	struct json_fault f;
	struct event ev;
	int rc;

	if (log->end.size == size) {
		memcpy(out, log->end.hash, SHA256_SIZE);
		return (0);
	}
	if ((rc = log_seek(log, size - 1, &r, e)) == 0 && (rc = log_reader_next(&r, &line, e)) == 1) {
		rc = event_parse(line.text, &ev, &f) == 0 && ev.seq == size - 1 ? 0 : err_set(e, "the log is corrupt at event %ju", (uintmax_t)size - 1);
		if (rc == 0)
			memcpy(out, ev.hash, SHA256_SIZE);
	} else if (rc == 0)
		rc = err_set(e, "the log lacks event %ju", (uintmax_t)size - 1);
	log_reader_release(&r);
	return (rc);
}

int
receive_same_log(struct log *mine, struct log *theirs, struct err *e)
{
	uint64_t size = mine->end.size < theirs->end.size ? mine->end.size : theirs->end.size;
	uint8_t a[SHA256_SIZE], b[SHA256_SIZE];

	if (size == 0)
		return (0);
	if (hash_at(mine, size, a, e) != 0 || hash_at(theirs, size, b, e) != 0)
		return (-1);
	if (memcmp(a, b, SHA256_SIZE) != 0)
		return (err_no(e, "the block is of another ledger, or of another history of it: its first %ju events are not those of this replica", (uintmax_t)size));
	return (0);
}

/* Of the blocks in ${list}, the one of that height, which is no other than ${h}; or a finding. */
static int
same_block(const struct block_list *list, const struct block_header *h, struct err *e)
{
	const struct block *b;

	for (b = list->block; b < list->block + list->n; b++)
		if (b->good && b->header.height == h->height && memcmp(b->header.hash, h->hash, SHA256_SIZE) != 0)
			return (err_no(e, "there are two blocks of height %ju: one is '%s', the other is of another history", (uintmax_t)h->height, b->name));
	return (0);
}

int
receive_check_history(struct layer *l, struct log *log, const struct block_header *h, struct err *e)
{
	struct log *mine = l->ledger->log;
	struct block_list here = {NULL, 0};
	struct blocks known = {.present = NULL};
	size_t i;
	int rc = -1;

	if (receive_same_log(mine, log, e) != 0 || block_list_read(l->snap_fd, &here, e) != 0)
		return (-1);
	if (blocks_read(-1, mine->end.size > log->end.size ? mine : log, NULL, &known, e) != 0)
		goto out;
	rc = same_block(&here, h, e) == 0 ? same_block(&known.list, h, e) : -1;
	for (i = 0; i < here.n && rc == 0; i++)
		if (here.block[i].good)
			rc = same_block(&known.list, &here.block[i].header, e);
	blocks_release(&known);
out:	block_list_release(&here);
	return (rc);
}
