/*
 * What the block has of the paths that go back lies in live/.ecl/.tmp-PID/N/ while it is copied, and is the left-over of nothing then.  Before the first of them is
 * exchanged the directory is called .old-SEQ, on the disk: from there on it may hold the only copy of what was in live.  SEQ is how many events
 * the log had: a rollback at or behind it is this one.  Its `plan' is, on lines of their own, the cause and the meta of the event that is to
 * be recorded, and then for each of the meta's paths `N KIND INODE': where it lies, what is done to live's, `x' exchanged, `+' made, `-'
 * removed, and which inode is there before that, 0 for none.
 */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "batch.h"
#include "io.h"
#include "json.h"
#include "snap.h"
#include "snap_staged.h"

#include "banned.h"

#define PLAN_MAX ((size_t)64 << 20) /* bytes: the meta is part of a line of the log, and no path takes more here than there */

int
snap_staged_inode(int stage_fd, const char *name, uint64_t *ret, struct err *e)
{
	const struct dirent *d;
	struct stat st = {0};
	DIR *dir;
	int fd, rc = 0;

	if ((fd = io_open_dir(stage_fd, name, e)) == -1)
		return (-1);
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return (err_sys(e, "cannot read a directory"));
	}
	do {
		errno = 0;
		d = readdir(dir);
	} while (d != NULL && (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0));
	if ((d == NULL && errno != 0) || (d != NULL && fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0))
		rc = err_sys(e, "cannot look for what is staged");
	*ret = st.st_ino;
	closedir(dir);
	return (rc);
}

/* Whether the log has a rollback at or behind ${seq}: nobody else could record one since.  Return 1, 0 or -1. */
static int
is_recorded(struct layer *l, uint64_t seq, struct err *e)
{
	struct buf text = BUF_INIT;
	struct element el;
	struct event ev;
	uint64_t at;
	int rc;

	if ((rc = index_lookup(l->ledger->index, SPAN("ecl:layer"), &el, e)) != 1)
		return (rc);
	rc = 0;
	for (at = el.last; rc == 0 && at != EVENT_NONE && at >= seq; at = ev.parent) {
		if (index_event(l->ledger->index, at, &text, &ev, e) != 0)
			rc = -1;
		else
			rc = span_is(ev.action, "rollback");
	}
	buf_release(&text);
	return (rc);
}

/* The next line of ${text}, cut off it, without its LF. */
static int
cut_line(struct span *text, struct span *ret)
{
	const char *lf = text->len == 0 ? NULL : memchr(text->p, '\n', text->len);

	if (lf == NULL)
		return (-1);
	*ret = (struct span){text->p, (size_t)(lf - text->p)};
	text->len -= ret->len + 1;
	text->p = lf + 1;
	return (0);
}

/* The next line, which must be a value in the canonical form. */
static int
cut_value(struct span *text, struct span *ret)
{
	struct json_fault f;
	bool canonical;
	size_t pos = 0;

	if (cut_line(text, ret) != 0 || json_scan(ret->p, ret->len, &pos, 1, &canonical, &f) != 0)
		return (-1);
	return (canonical && pos == ret->len ? 0 : -1);
}

/* Whether the path of this line of a plan went back.  Return 1, 0, -1, or -2 where it is no such line. */
static int
was_exchanged(int stage_fd, struct span line, struct err *e)
{
	size_t name = line.len == 0 ? 0 : strspn(line.p, "0123456789");
	uint64_t before, now;
	char dir[32];

	if (name == 0 || name >= sizeof(dir) || line.len < name + 4 || line.p[name] != ' ' || line.p[name + 2] != ' ' ||
	    decimal_parse(line.p + name + 3, line.len - name - 3, &before) != 0)
		return (-2);
	snprintf(dir, sizeof(dir), "%.*s", (int)name, line.p);
	if (snap_staged_inode(stage_fd, dir, &now, e) != 0)
		return (-1);
	switch (line.p[name + 1]) {
	case 'x': /* gone is what was put back, and had lost what it was exchanged for to somebody else */
		return (now != 0 && now != before);
	case '+':
		return (now == 0);
	case '-':
		return (now != 0);
	default:
		return (-2);
	}
}

/* Of the paths of a plan's meta those that went back.  Return their number, -1, or -2 where the plan is none. */
static int
done_paths(int stage_fd, struct span paths, struct span *lines, struct buf *out, struct err *e)
{
	struct span path, line;
	size_t pos = 0;
	int done, n = 0;

	buf_addc(out, '[');
	while ((done = json_item(paths, &pos, &path)) == 1) {
		if (cut_line(lines, &line) != 0)
			return (-2);
		if ((done = was_exchanged(stage_fd, line, e)) < 0)
			return (done);
		if (done == 0)
			continue;
		if (n++ > 0)
			buf_addc(out, ',');
		buf_addspan(out, path);
	}
	buf_addc(out, ']');
	return (done == 0 && lines->len == 0 ? n : -2);
}

/* The meta of the event that says what was done: states of elements were not.  Return as done_paths(). */
static int
done_meta(int stage_fd, struct span meta, struct span *lines, struct buf *out, struct err *e)
{
	struct span name, value;
	size_t pos = 0;
	int more, n = -2;

	while ((more = json_member(meta, &pos, &name, &value)) == 1) {
		if (span_is(name, "\"elements\""))
			continue;
		buf_addc(out, out->len == 0 ? '{' : ',');
		buf_addspan(out, name);
		buf_addc(out, ':');
		if (!span_is(name, "\"paths\""))
			buf_addspan(out, value);
		else if ((n = done_paths(stage_fd, value, lines, out, e)) < 0)
			return (n);
	}
	buf_addc(out, '}');
	return (more == 0 ? n : -2);
}

/* With lock held. */
static int
record(struct layer *l, struct span cause, const struct buf *meta, struct err *e)
{
	struct event ev = {.element = SPAN("ecl:layer"), .action = SPAN("rollback"), .cause = cause};
	struct batch_rules rules;
	struct batch b = {0};
	enum log_outcome outcome;
	int rc;

	if (meta->failed)
		return (err_mem(e));
	ev.meta = (struct span){meta->data, meta->len};
	batch_rules_init(&rules);
	batch_begin(&b, l->ledger, &rules);
	if ((rc = batch_add(&b, &ev, e)) == 0)
		rc = batch_commit(&b, &l->durable, true, &outcome, e);
	else
		batch_abandon(&b, NULL);
	batch_release(&b);
	return (rc);
}

/* With lock held: what was done and is not recorded is. */
static int
settle(struct layer *l, int stage_fd, const char *name, uint64_t seq, struct err *e)
{
	struct buf text = BUF_INIT, meta = BUF_INIT;
	struct span rest, cause, planned;
	int n, rc = -1;

	if ((n = is_recorded(l, seq, e)) != 0) {
		rc = n == 1 ? 0 : -1;
		goto out;
	}
	if (io_slurp(stage_fd, SNAP_STAGED_PLAN, PLAN_MAX, &text, e) != 0)
		goto out;
	rest = (struct span){buf_cstr(&text), text.len};
	n = cut_value(&rest, &cause) != 0 || cut_value(&rest, &planned) != 0 ? -2 : done_meta(stage_fd, planned, &rest, &meta, e);
	if (n == -2)
		err_set(e, "'%s/live/.ecl/%s' is not what a rollback left: look into it, then remove it", l->path, name);
	if (n >= 0)
		rc = n == 0 ? 0 : record(l, cause, &meta, e);
out:	buf_release(&text);
	buf_release(&meta);
	return (rc);
}

int
snap_staged_finish(struct layer *l, const char *name, uint64_t seq, int wait_ms, struct err *e)
{
	int fd, rc;

	if ((fd = io_open_dir(l->ecl_fd, name, e)) == -1)
		return (-1);
	if ((rc = snap_lock(l, wait_ms, e)) == 0) {
		rc = settle(l, fd, name, seq, e);
		layer_unlock(l);
	}
	close(fd);
	return (rc == 0 ? snap_discard(l->ecl_fd, name, e) : -1);
}
