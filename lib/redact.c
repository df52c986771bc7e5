/* Secrets in states and meta. */
#include "config.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "redact.h"

#include "banned.h"

#define MARK "redacted:"
#define DIGEST 16		       /* bytes that are shown: RFC 2104 asks for half of the hash at least */
#define LEVELS (JSON_DEPTH_MAX + 2) /* names in a path */
#define PATH_LONG 4096		       /* bytes of a path that is not compared any more */
#define WORK (512u << 20)	       /* bytes of paths that are compared in a line */

/* Whether ${path} is in the tree ${root}, whatever links lead there. */
static bool
is_below(const char *path, const char *root)
{
	char file[PATH_MAX], top[PATH_MAX];
	size_t len;

	if (realpath(path, file) == NULL || realpath(root, top) == NULL)
		return (false);
	len = strlen(top);
	return (strncmp(file, top, len) == 0 && (file[len] == '/' || len == 1));
}

static int
check_key(const char *path, const struct stat *st, ssize_t len, struct err *e)
{
	if (len == -1)
		return (err_sys(e, "cannot read the key '%s'", path));
	if (S_ISREG(st->st_mode) && (st->st_mode & 077) != 0)
		return (err_set(e, "others may use the key '%s': 'chmod 600' it, and take a new one where it has been read", path));
	if (len < REDACT_KEY_MIN)
		return (err_set(e, "the key '%s' has %zd bytes, fewer than %d: make one with 'openssl rand -out FILE 32'", path, len, REDACT_KEY_MIN));
	if (len > REDACT_KEY_MAX)
		return (err_set(e, "'%s' is larger than any key", path));
	return (0);
}

int
redact_key(struct redact *r, const char *path, const char *root, struct err *e)
{
	uint8_t key[REDACT_KEY_MAX + 1];
	struct stat st;
	ssize_t n = 0, len = 0;
	int fd, ret = -1;

	if (root != NULL && is_below(path, root))
		return (err_set(e, "the key '%s' is inside the ledger: whoever may read a block could read it", path));
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) == -1)
		return (err_sys(e, "cannot open the key '%s'", path));
	if (fstat(fd, &st) != 0) {
		err_sys(e, "cannot read the key '%s'", path);
		goto done;
	}
	/* It may be a pipe. */
	while ((size_t)len < sizeof(key) && (n = io_read(fd, key + len, sizeof(key) - (size_t)len)) > 0)
		len += n;
	if ((ret = check_key(path, &st, n == -1 ? -1 : len, e)) == 0)
		hmac_key(&r->hmac, key, (size_t)len);
done:	explicit_bzero(key, sizeof(key));
	close(fd);
	return (ret);
}

int
redact_glob(struct redact *r, const char *glob)
{
	buf_add(&r->globs, glob, strlen(glob) + 1);
	return (r->globs.failed ? -1 : 0);
}

void
redact_release(struct redact *r)
{
	hmac_wipe(&r->hmac);
	buf_release(&r->globs);
}

/* A value on its way into its new form. */
struct pass {
	const struct redact *redact;
	struct span element;
	struct buf path;
	size_t start[LEVELS]; /* of the names in the path */
	size_t levels;
	struct buf *out;
	uint64_t work; /* bytes that were compared */
	bool changed;
};

/* Whether a glob matches the path, or an end of it that begins with a name. */
static bool
matches(struct pass *p)
{
	const char *glob, *path = buf_cstr(&p->path);
	size_t i;

	if (p->path.failed)
		return (false);
	/* Long names above a hundred thousand values would take minutes: they are no secret that is lost. */
	if (p->path.len > PATH_LONG || p->work > WORK)
		return (true);
	for (glob = buf_next_string(&p->redact->globs, NULL); glob != NULL; glob = buf_next_string(&p->redact->globs, glob))
		for (i = 0; i < p->levels; i++) {
			p->work += p->path.len - p->start[i];
			/* Also where it fails: a secret is not kept because of that. */
			if (fnmatch(glob, path + p->start[i], 0) != FNM_NOMATCH)
				return (true);
		}
	return (false);
}

/* What any ecl prints is input again, and must not be hashed twice. */
static bool
is_replacement(struct span value)
{
	uint8_t digest[DIGEST];

	return (value.len == sizeof("\"" MARK) - 1 + 2 * DIGEST + 1 && memcmp(value.p, "\"" MARK, sizeof("\"" MARK) - 1) == 0 &&
	    hex_decode(value.p + sizeof("\"" MARK) - 1, DIGEST, digest) == 0);
}

static void
replace(struct pass *p, struct span value)
{
	uint8_t digest[SHA256_SIZE];
	struct sha256 c;

	hmac_begin(&p->redact->hmac, &c);
	sha256_update(&c, p->element.p, p->element.len);
	sha256_update(&c, "", 1);
	sha256_update(&c, p->path.data, p->path.len);
	sha256_update(&c, "", 1);
	sha256_update(&c, value.p, value.len);
	hmac_end(&p->redact->hmac, &c, digest);
	buf_adds(p->out, "\"" MARK);
	buf_addhex(p->out, digest, DIGEST);
	buf_addc(p->out, '"');
	p->changed = true;
}

static void write_value(struct pass *p, struct span value);

/* Write ${value}, to which what the path has from ${len} on leads. */
static void
write_below(struct pass *p, size_t len, struct span value)
{
	p->start[p->levels++] = len > 0 ? len + 1 : 0;
	if (!p->path.failed && !is_replacement(value) && matches(p))
		replace(p, value);
	else
		write_value(p, value);
	p->levels--;
	p->path.len = len;
}

static void
write_value(struct pass *p, struct span value)
{
	size_t pos = 0, n = 0, len = p->path.len;
	struct span name, below;

	if (value.p[0] != '{' && value.p[0] != '[') {
		buf_addspan(p->out, value);
		return;
	}
	buf_addc(p->out, value.p[0]);
	while (value.p[0] == '{' ? json_member(value, &pos, &name, &below) : json_item(value, &pos, &below)) {
		if (n > 0)
			buf_addc(p->out, ',');
		buf_addc(&p->path, '.');
		if (value.p[0] == '{') {
			buf_addspan(p->out, name);
			buf_addc(p->out, ':');
			json_unescape(name, &p->path);
		} else
			buf_addu64(&p->path, n);
		write_below(p, len, below);
		n++;
	}
	buf_addc(p->out, value.p[0] + 2); /* in ASCII what closes stands two behind what opens */
}

/* One of the two members of an event, ${name}. */
static int
redact_member(struct pass *p, const char *name, struct span *value)
{
	size_t from = p->out->len;

	p->changed = false;
	p->path.len = 0;
	buf_adds(&p->path, name);
	write_below(p, 0, *value);
	if (p->path.failed || p->out->failed)
		return (-1);
	if (p->changed)
		*value = (struct span){p->out->data + from, p->out->len - from};
	else
		p->out->len = from;
	return (0);
}

int
redact_input(const struct redact *r, struct input *in, struct buf *scratch)
{
	struct pass p = {.redact = r, .element = in->element, .out = scratch};
	int ret = 0;

	if (in->kind != INPUT_EVENT)
		return (0);
	if (in->state.p != NULL && !event_is_gone(in->state))
		ret = redact_member(&p, "state", &in->state);
	if (ret == 0 && in->meta.p != NULL)
		ret = redact_member(&p, "meta", &in->meta);
	buf_release(&p.path);
	return (ret);
}
