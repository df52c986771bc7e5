/* Checkpoints: origin LF, size in decimal LF, base64 of the root LF. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base64.h"
#include "checkpoint.h"
#include "io.h"
#include "note.h"

#include "banned.h"

/* The line of ${text} from ${*at} on, without its LF; ${*at} is behind it then.  Return 0, or -1 where there is none. */
static int
take_line(struct span text, size_t *at, struct span *ret)
{
	const char *end = *at < text.len ? memchr(text.p + *at, '\n', text.len - *at) : NULL;

	if (end == NULL)
		return (-1);
	*ret = (struct span){text.p + *at, (size_t)(end - text.p) - *at};
	*at += ret->len + 1;
	return (0);
}

int
checkpoint_parse(struct span text, struct checkpoint *ret, struct err *e)
{
	uint8_t empty[SHA256_SIZE];
	struct checkpoint c;
	struct span line;
	size_t at = 0;

	if (take_line(text, &at, &c.origin) != 0 || c.origin.len == 0)
		return (err_set(e, "line 1 of a checkpoint must be its origin"));
	if (take_line(text, &at, &line) != 0 || decimal_parse(line.p, line.len, &c.size) != 0)
		return (err_set(e, "line 2 of a checkpoint must be a size in decimal"));
	if (take_line(text, &at, &line) != 0 || base64_size(line.p, line.len) != SHA256_SIZE)
		return (err_set(e, "line 3 of a checkpoint must be a root of 32 bytes in base64"));
	base64_decode(line.p, line.len, c.root);
	if (at != text.len)
		return (err_set(e, "line 4 of a checkpoint is one too many"));
	sha256("", 0, empty);
	if (c.size == 0 && memcmp(c.root, empty, SHA256_SIZE) != 0)
		return (err_set(e, "line 3 of a checkpoint is not the root of no events"));
	*ret = c;
	return (0);
}

void
checkpoint_format(const struct checkpoint *c, struct buf *out)
{
	buf_addspan(out, c->origin);
	buf_addc(out, '\n');
	buf_addu64(out, c->size);
	buf_addc(out, '\n');
	base64_encode(out, c->root, SHA256_SIZE);
	buf_addc(out, '\n');
}

void
checkpoint_block_text(struct span origin, struct span header, struct buf *out)
{
	buf_addspan(out, origin);
	buf_adds(out, "/block\n");
	buf_addspan(out, header);
	buf_addc(out, '\n');
}

int
checkpoint_read(int dirfd, const char *name, struct buf *out, struct err *e)
{
	struct err why = {0};

	if (io_slurp(dirfd, name, NOTE_MAX, out, &why) == 0)
		return (1);
	if (why.sys == ENOENT)
		return (0);
	if (e != NULL)
		*e = why;
	return (-1);
}
