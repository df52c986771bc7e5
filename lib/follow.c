/* The durable end of a log that grows. */
#include "config.h"

#include <sys/inotify.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "follow.h"

#include "banned.h"

/* In ROOT itself: `durable' is written or made, `live' exchanged or removed; ROOT goes away. */
#define WATCHED (IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF | IN_ONLYDIR)
#define GONE (IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED)

#define TRIES 50 /* of a millisecond each, to read `durable' while nobody writes it */

static int
watch(struct follow *f, struct err *e)
{
	char path[32];

	if ((f->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) == -1) {
		if (errno == EMFILE)
			return (err_set(e, "too many programs watch files already: see fs.inotify.max_user_instances in sysctl(8)"));
		return (err_sys(e, "cannot watch '%s'", f->layer->path));
	}
	/* The directory that was opened, whatever its name is by now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->layer->root_fd);
	if (inotify_add_watch(f->watch_fd, path, WATCHED) == -1 && inotify_add_watch(f->watch_fd, f->layer->path, WATCHED) == -1)
		return (err_sys(e, "cannot watch '%s'", f->layer->path));
	return (0);
}

/* One whole record, or none: a read beside a write may get a part of each. */
static int
read_durable(struct follow *f, struct durable *ret, struct err *e)
{
	const struct timespec ms = {0, 1000000};
	int i;

	for (i = 0; i < TRIES; i++) {
		if (durable_watch(&f->durable, ret, e) != 0)
			return (-1);
		if (!ret->damaged)
			return (0);
		nanosleep(&ms, NULL);
	}
	return (err_set(e, "'%s/durable' is damaged: the next append or 'ecl-snap' mends it", f->layer->path));
}

/* The log of what is live now. */
static int
open_log(struct follow *f, struct err *e)
{
	struct log *log;

	if (log_open(f->layer->ecl_fd, layer_reader_root(f->layer), &log, e) != 0)
		return (-1);
	log_free(f->log);
	f->log = log;
	return (0);
}

/* From the log as it was found to what of it is durable. */
static int
settle(struct follow *f, const struct durable *d, struct err *e)
{
	uint64_t found = f->log->end.size;
	int rc;

	f->unsynced = 0;
	/* Nobody wrote in this boot: what is there came from the disk. */
	if (!d->known)
		return (0);
	if ((rc = log_reach(f->log, &d->end, e)) == 1)
		return (err_no(e, "'%s' should hold %" PRIu64 " events, which were durable, and does not: run 'ecl-verify'", f->layer->path,
		    d->end.size));
	if (rc == 0 && d->unsynced && found > d->end.size)
		f->unsynced = found - d->end.size;
	return (rc);
}

int
follow_open(struct follow *f, struct layer *layer, bool wait, struct err *e)
{
	struct durable d;
	bool known;

	memset(f, 0, sizeof(*f));
	f->layer = layer;
	f->watch_fd = -1;
	durable_init(&f->durable, layer->root_fd);
	if (wait && watch(f, e) != 0)
		goto err1;
	/*
	 * What `durable' names is in a log that was opened behind it.  Where it names nothing, neither before nor behind, nobody had
	 * written in this boot by then.
	 */
	do {
		if (read_durable(f, &d, e) != 0 || layer_reopen_live(layer, e) != 0 || open_log(f, e) != 0)
			goto err1;
		known = d.known;
		if (!known && read_durable(f, &d, e) != 0)
			goto err1;
	} while (known != d.known);
	if (settle(f, &d, e) != 0)
		goto err1;
	return (0);

err1:	follow_release(f);
	return (-1);
}

void
follow_release(struct follow *f)
{
	log_free(f->log);
	f->log = NULL;
	durable_close(&f->durable);
	if (f->watch_fd != -1)
		close(f->watch_fd);
	f->watch_fd = -1;
}

int
follow_look(struct follow *f, bool *ret_moved, struct err *e)
{
	struct layer *l = f->layer;
	struct durable d;

	*ret_moved = false;
	if (read_durable(f, &d, e) != 0)
		return (-1);
	/* Only then: a rollback exchanges live first, and then says how far it is durable. */
	if (layer_exchanged(l)) {
		if (layer_reopen_live(l, e) != 0 || open_log(f, e) != 0)
			return (-1);
		*ret_moved = true;
		if (!d.known && read_durable(f, &d, e) != 0)
			return (-1);
	}
	return (settle(f, &d, e));
}

/* Take what was reported; all of it says only: look again.  Return whether the root is gone. */
static bool
root_gone(struct follow *f)
{
	_Alignas(struct inotify_event) char events[4096];
	const struct inotify_event *ev;
	bool gone = false;
	ssize_t n, at;

	while ((n = read(f->watch_fd, events, sizeof(events))) > 0) {
		for (at = 0; at < n; at += (ssize_t)(sizeof(*ev) + ev->len)) {
			ev = (const struct inotify_event *)(events + at);
			gone = gone || (ev->mask & GONE) != 0;
		}
	}
	return (gone);
}

int
follow_wait(struct follow *f, int out_fd, int wake_fd, int wait_ms, unsigned *ret, struct err *e)
{
	struct pollfd p[3] = {{.fd = f->watch_fd, .events = POLLIN}, {.fd = out_fd}, {.fd = wake_fd, .events = POLLIN}};

	*ret = 0;
	while (poll(p, 3, wait_ms) == -1)
		if (errno != EINTR && errno != EAGAIN)
			return (err_sys(e, "cannot wait for '%s'", f->layer->path));
	if (p[1].revents != 0)
		*ret |= FOLLOW_GONE;
	if (p[2].revents != 0)
		*ret |= FOLLOW_WOKEN;
	if (p[0].revents == 0)
		return (0);
	*ret |= FOLLOW_CHANGED;
	return (root_gone(f) ? err_set(e, "'%s' is gone", f->layer->path) : 0);
}
