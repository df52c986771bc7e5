/* A cursor: how far a reader of the log has come. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "cursor.h"
#include "io.h"

#include "banned.h"

#define CURSOR_MAX 128 /* bytes */

static void
format(uint64_t seq, const uint8_t hash[SHA256_SIZE], struct buf *out)
{
	buf_adds(out, "{\"seq\":");
	buf_addu64(out, seq);
	buf_adds(out, ",\"hash\":\"");
	buf_addhex(out, hash, SHA256_SIZE);
	buf_adds(out, "\"}\n");
}

/* Strictly what format() makes. */
static bool
parse(struct span text, uint64_t *ret_seq, uint8_t ret_hash[SHA256_SIZE])
{
	static const char head[] = "{\"seq\":", middle[] = ",\"hash\":\"", tail[] = "\"}\n";
	const size_t rest = sizeof(middle) - 1 + 2 * SHA256_SIZE + sizeof(tail) - 1;
	size_t digits;
	const char *p;

	if (text.len <= sizeof(head) - 1 + rest || memcmp(text.p, head, sizeof(head) - 1) != 0)
		return (false);
	digits = text.len - (sizeof(head) - 1) - rest;
	p = text.p + sizeof(head) - 1 + digits;
	return (decimal_parse(p - digits, digits, ret_seq) == 0 &&
	    memcmp(p, middle, sizeof(middle) - 1) == 0 &&
	    hex_decode(p + sizeof(middle) - 1, SHA256_SIZE, ret_hash) == 0 &&
	    memcmp(text.p + text.len - (sizeof(tail) - 1), tail, sizeof(tail) - 1) == 0);
}

static int
load(struct cursor *c, struct err *e)
{
	struct buf text = BUF_INIT;
	struct err why = {0};
	int rc = 0;

	if (io_slurp(c->dir_fd, c->name, CURSOR_MAX, &text, &why) == 0) {
		c->set = parse((struct span){text.data, text.len}, &c->seq, c->hash);
		if (!c->set)
			rc = err_set(e, "'%s' is not a cursor%s: remove it to begin anew", c->path,
			    text.len == 0 ? " (it is empty)" : "");
	} else if (why.sys != ENOENT)
		rc = err_set(e, "cannot read the cursor '%s': %s", c->path,
		    why.sys != 0 ? strerror(why.sys) : why.text);
	buf_release(&text);
	return (rc);
}

int
cursor_open(struct cursor *c, const char *path, struct err *e)
{
	char *slash;

	memset(c, 0, sizeof(*c));
	c->dir_fd = -1;
	if ((c->path = strdup(path)) == NULL)
		return (err_mem(e));
	/* The directory stays open: a program may change its own, and the file is replaced by a rename. */
	if ((slash = strrchr(c->path, '/')) == NULL)
		c->dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else if (slash == c->path)
		c->dir_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else {
		*slash = '\0';
		c->dir_fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		*slash = '/';
	}
	if (c->dir_fd == -1) {
		err_sys(e, "cannot open the directory of the cursor '%s'", path);
		goto err1;
	}
	c->name = slash == NULL ? c->path : slash + 1;
	if (*c->name == '\0' || strcmp(c->name, ".") == 0 || strcmp(c->name, "..") == 0) {
		err_set(e, "the cursor '%s' is a directory", path);
		goto err1;
	}
	/* To be told before anything is read, not after. */
	if (faccessat(c->dir_fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
		err_sys(e, "cannot write to the directory of the cursor '%s'", path);
		goto err1;
	}
	if (load(c, e) == 0)
		return (0);

err1:	cursor_release(c);
	return (-1);
}

void
cursor_release(struct cursor *c)
{
	if (c->path != NULL && c->dir_fd != -1)
		close(c->dir_fd);
	free(c->path);
	c->path = NULL;
	c->dir_fd = -1;
}

int
cursor_store(struct cursor *c, uint64_t seq, const uint8_t hash[SHA256_SIZE], struct err *e)
{
	struct buf text = BUF_INIT;
	struct err why = {0};
	int rc = 0;

	format(seq, hash, &text);
	if (text.failed)
		rc = err_mem(e);
	else if (io_publish(c->dir_fd, c->name, text.data, text.len, 0644, true, &why) != 0)
		rc = err_set(e, "cannot write the cursor '%s': %s", c->path,
		    why.sys != 0 ? strerror(why.sys) : why.text);
	if (rc == 0) {
		c->set = true;
		c->seq = seq;
		memmove(c->hash, hash, SHA256_SIZE);
	}
	buf_release(&text);
	return (rc);
}
