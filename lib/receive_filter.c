/* Receiving: what no header commits to is left out of the stream. */
#include "config.h"

#include <string.h>

#include "receive_filter.h"
#include "xattrs.h"

#include "banned.h"

#define MAGIC "btrfs-stream" /* with its NUL */
#define HEAD (sizeof(MAGIC) + 4)
#define COMMAND 10u		   /* bytes of its head */
#define HELD_MAX ((size_t)1 << 20) /* more than an attribute of any file system */
#define NAMES_MAX 16		   /* that are kept to be told */

enum { SET_XATTR = 13, REMOVE_XATTR = 14, END = 21, FILEATTR = 24, ENABLE_VERITY = 26 }; /* commands */
enum { XATTR_NAME = 13, PATH = 15, DATA = 19 };						 /* attributes */

static uint32_t
get16(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return ((uint32_t)b[0] | (uint32_t)b[1] << 8);
}

static uint32_t
get32(const char *p)
{
	return (get16(p) | get16(p + 2) << 16);
}

void
receive_filter_init(struct receive_filter *f)
{
	memset(f, 0, sizeof(*f));
	f->want = HEAD;
}

void
receive_filter_release(struct receive_filter *f)
{
	buf_release(&f->part);
	buf_release(&f->names);
	buf_release(&f->where);
}

/* The value of an attribute as a string, which ends at its first NUL. */
static void
take_string(struct span value, struct buf *out)
{
	const char *nul = memchr(value.p, '\0', value.len);

	buf_reset(out);
	buf_add(out, value.p, nul != NULL ? (size_t)(nul - value.p) : value.len);
}

static void
leave_out(struct receive_filter *f, const char *name, const char *path)
{
	const char *known = NULL;
	unsigned n = 0;

	if (f->left_out++ == 0)
		buf_adds(&f->where, path);
	while ((known = buf_next_string(&f->names, known)) != NULL)
		if (strcmp(known, name) == 0 || ++n == NAMES_MAX)
			return;
	buf_add(&f->names, name, strlen(name) + 1);
}

/* Whether the attribute may be set, and removed.  How a file is stored is btrfs's own business, and does no harm. */
static bool
may_set(const char *name)
{
	return (xattrs_counts(name) || strncmp(name, "btrfs.", 6) == 0);
}

/* Whether the command that is held passes.  Of attributes that are given twice, all must. */
static bool
passes(struct receive_filter *f, uint32_t command)
{
	struct buf text = BUF_INIT, bad = BUF_INIT, path = BUF_INIT;
	size_t at = COMMAND, len, end = f->part.len;
	bool ok = command == SET_XATTR || command == REMOVE_XATTR;
	uint32_t type;

	if (!ok)
		buf_adds(&bad, command == FILEATTR ? "inode flags" : "fs-verity");
	for (; at + 4 <= end; at += 4 + len) {
		type = get16(f->part.data + at);
		len = get16(f->part.data + at + 2);
		if (len > end - at - 4 || (type == DATA && f->version >= 2))
			break;
		if (type != XATTR_NAME && type != PATH)
			continue;
		take_string((struct span){f->part.data + at + 4, len}, type == PATH ? &path : &text);
		if (type != XATTR_NAME || may_set(buf_cstr(&text)))
			continue;
		ok = false;
		buf_reset(&bad);
		buf_adds(&bad, buf_cstr(&text));
	}
	if (!ok)
		leave_out(f, buf_cstr(&bad), buf_cstr(&path));
	buf_release(&text);
	buf_release(&bad);
	buf_release(&path);
	return (ok);
}

/* The head of a command is whole: whether it passes at once, and its payload with it, or waits for all of it. */
static int
begin_command(struct receive_filter *f, struct buf *out, struct err *e)
{
	uint32_t len = get32(f->part.data), command = get16(f->part.data + 4);

	if (command == SET_XATTR || command == REMOVE_XATTR || command == FILEATTR || command == ENABLE_VERITY) {
		if (len > HELD_MAX)
			return (err_no(e, "the stream cannot be unpacked: an attribute of %u bytes", (unsigned)len));
		f->held = true;
		f->want = COMMAND + len;
		return (0);
	}
	buf_add(out, f->part.data, f->part.len);
	buf_reset(&f->part);
	f->left = len;
	f->inside = command != END;
	f->want = f->inside ? COMMAND : HEAD;
	return (0);
}

/* As much is collected as was wanted. */
static int
complete(struct receive_filter *f, struct buf *out, struct err *e)
{
	if (f->held) {
		if (passes(f, get16(f->part.data + 4)))
			buf_add(out, f->part.data, f->part.len);
		buf_reset(&f->part);
		f->held = false;
		f->want = COMMAND;
		return (0);
	}
	if (f->inside)
		return (begin_command(f, out, e));
	if (memcmp(f->part.data, MAGIC, sizeof(MAGIC)) != 0)
		return (err_no(e, "the stream cannot be unpacked: there is no stream at byte %ju", (uintmax_t)(f->at - f->part.len)));
	f->version = get32(f->part.data + sizeof(MAGIC));
	buf_add(out, f->part.data, f->part.len);
	buf_reset(&f->part);
	f->inside = true;
	f->want = COMMAND;
	return (0);
}

int
receive_filter_feed(struct receive_filter *f, const char *p, size_t len, struct buf *out, struct err *e)
{
	size_t n;

	for (; len > 0; p += n, len -= n) {
		if (f->left > 0) {
			n = f->left < len ? (size_t)f->left : len;
			buf_add(out, p, n);
			f->left -= n;
			f->at += n;
			continue;
		}
		n = f->want - f->part.len < len ? f->want - f->part.len : len;
		buf_add(&f->part, p, n);
		f->at += n;
		if (f->part.failed)
			return (err_mem(e));
		/* A command without a payload is complete with its head. */
		while (f->part.len > 0 && f->part.len == f->want)
			if (complete(f, out, e) != 0)
				return (-1);
	}
	return (out->failed || f->names.failed || f->where.failed ? err_mem(e) : 0);
}
