/* The leaf of a file in the tree of managed files.  It is
 *
 *	path 0x00 type SP mode SP uid SP gid SP size SP content SP xattrs
 *
 * with all that DESIGN 6 says of each.
 */
#include "config.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "files_walk.h"
#include "io.h"

#include "banned.h"

static char
type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return ('f');
	case S_IFDIR:
		return ('d');
	case S_IFLNK:
		return ('l');
	case S_IFIFO:
		return ('p');
	case S_IFSOCK:
		return ('s');
	case S_IFCHR:
		return ('c');
	case S_IFBLK:
		return ('b');
	default:
		return ('\0');
	}
}

static void
add_hash(struct buf *out, struct sha256 *c)
{
	uint8_t hash[SHA256_SIZE];

	sha256_final(c, hash);
	buf_addhex(out, hash, sizeof(hash));
}

/* The content of a file that has been moved, or got another mode, since it was remembered. */
static bool
known_content(struct files_walk *w, const struct stat *st, uint8_t out[SHA256_SIZE])
{
	struct files_links links;
	struct files_record r;

	if (w->known == NULL || w->known->by_ino == NULL)
		return (false);
	files_view_links(w->known, &links, st->st_ino);
	while (files_view_link(w->known, &links, &r)) {
		if (r.ctime_ns != files_ctime_ns(st) || r.size != (uint64_t)st->st_size)
			continue;
		memcpy(out, r.content, SHA256_SIZE);
		return (true);
	}
	return (false);
}

/* Its bytes must be as many as it says. */
int
files_leaf_content(struct files_walk *w, int fd, const struct stat *st)
{
	struct sha256 c;
	uint8_t *hash = w->found.content;
	struct files_place place = {false, {0}};
	uint64_t size = 0;
	ssize_t n;

	buf_addf(&w->leaf, " %ju", (uintmax_t)st->st_size);
	if (known_content(w, st, hash))
		goto done;
	if (w->seen != NULL && w->btrfs && files_seen_find(w->seen, fd, st, &place, hash))
		goto done;
	if (w->from_disk)
		disk_prefer(fd);
	sha256_init(&c);
	while ((n = w->from_disk ? disk_pread(fd, w->window, FILES_WINDOW, size) : io_read(fd, w->window, FILES_WINDOW)) > 0) {
		sha256_update(&c, w->window, (size_t)n);
		size += (uint64_t)n;
		w->bytes += (uint64_t)n;
		if (w->watch.step != NULL)
			w->watch.step(w->watch.arg, w->bytes);
	}
	if (n == -1)
		return (files_walk_failed(w, "read"));
	if (size != (uint64_t)st->st_size && !w->live)
		return (err_set(w->e, "'%s' changed while it was read", buf_cstr(&w->path)));
	sha256_final(&c, hash);
	if (w->seen != NULL)
		files_seen_add(w->seen, &place, hash);
done:	buf_addc(&w->leaf, ' ');
	buf_addhex(&w->leaf, hash, SHA256_SIZE);
	return (0);
}

/* " size content" of a link: those of its target. */
int
files_leaf_target(struct files_walk *w, int dir, const char *name)
{
	ssize_t n;

	if ((n = readlinkat(dir, name, w->window, FILES_WINDOW)) == -1)
		return (files_walk_failed(w, "read link"));
	sha256(w->window, (size_t)n, w->found.content);
	buf_addc(&w->leaf, ' ');
	buf_addu64(&w->leaf, (uint64_t)n);
	buf_addc(&w->leaf, ' ');
	buf_addhex(&w->leaf, w->found.content, SHA256_SIZE);
	return (0);
}

/* " xattrs" of the file ${fd}, or of ${path}. */
int
files_leaf_xattrs(struct files_walk *w, int fd, const char *path)
{
	struct xattrs *x = &w->xattrs;
	struct sha256 c;
	uint8_t len[4];
	size_t i, j;

	if (xattrs_list(x, fd, path) != 0)
		return (files_walk_failed(w, "list the extended attributes of"));
	buf_addc(&w->leaf, ' ');
	if (x->n == 0) {
		buf_addc(&w->leaf, '-');
		return (0);
	}
	sha256_init(&c);
	for (i = 0; i < x->n; i++) {
		if (xattrs_get(x, i, fd, path) != 0)
			return (files_walk_failed(w, "read the extended attributes of"));
		for (j = 0; j < sizeof(len); j++)
			len[j] = (uint8_t)(x->value.len >> 8 * j);
		sha256_update(&c, x->name[i], strlen(x->name[i]) + 1);
		sha256_update(&c, len, sizeof(len));
		sha256_update(&c, x->value.data, x->value.len);
	}
	add_hash(&w->leaf, &c);
	return (0);
}

int64_t
files_ctime_ns(const struct stat *st)
{
	return ((int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec);
}

int
files_leaf_begin(struct files_walk *w, const struct stat *st)
{
	int64_t ctime_ns = files_ctime_ns(st);

	if (type_letter(st->st_mode) == '\0')
		return (err_set(w->e, "'%s' is of an unknown type", buf_cstr(&w->path)));
	memset(&w->found, 0, sizeof(w->found));
	w->found.ino = st->st_ino;
	w->found.size = (uint64_t)st->st_size;
	w->found.ctime_ns = ctime_ns < w->settled_ns ? ctime_ns : FILES_CTIME_NONE;
	buf_reset(&w->leaf);
	buf_add(&w->leaf, w->path.data, w->path.len);
	buf_addc(&w->leaf, '\0');
	buf_addf(&w->leaf, "%c %04o %ju %ju", type_letter(st->st_mode),
	    (unsigned)(st->st_mode & 07777), (uintmax_t)st->st_uid, (uintmax_t)st->st_gid);
	return (0);
}

