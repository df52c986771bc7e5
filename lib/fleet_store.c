/* The replicas of a fleet under one directory. */
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
#include <unistd.h>

#include "event.h"
#include "fleet_store.h"
#include "io.h"
#include "json.h"
#include "siphash.h"

#include "banned.h"

#define SLOTS 256

/* ---- the directory ---- */

/* What earlier runs found holds until somebody removes it. */
static int
count_findings(struct fleet_store *s, struct err *e)
{
	struct dirent *d;
	size_t len;
	DIR *dir;
	int fd;

	if ((fd = openat(s->fleet_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || (dir = fdopendir(fd)) == NULL) {
		err_sys(e, "cannot read '%s/.fleet'", s->dir);
		if (fd != -1)
			close(fd);
		return (-1);
	}
	while ((errno = 0, d = readdir(dir)) != NULL)
		if ((len = strlen(d->d_name)) > 8 && strcmp(d->d_name + len - 8, ".finding") == 0)
			s->findings++;
	if (errno != 0) {
		err_sys(e, "cannot read '%s/.fleet'", s->dir);
		closedir(dir);
		return (-1);
	}
	closedir(dir);
	return (0);
}

int
fleet_store_open(struct fleet_store *s, struct err *e)
{
	struct stat st;

	s->dir_fd = s->fleet_fd = s->lock_fd = -1;
	if (getrandom(s->key, sizeof(s->key), 0) != (ssize_t)sizeof(s->key))
		return (err_sys(e, "cannot get random bytes"));
	if ((s->slot = calloc(SLOTS, sizeof(struct fleet_ledger *))) == NULL)
		return (err_mem(e));
	s->slots = SLOTS;
	if (s->dir == NULL)
		return (0);
	/* Else each replica would be found not to be ours. */
	if (stat(s->dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid != geteuid())
		return (err_set(e, "'%s' belongs to uid %u, not to uid %u who runs this: run as its owner", s->dir, (unsigned)st.st_uid, (unsigned)geteuid()));
	if (mkdir(s->dir, 0750) != 0 && errno != EEXIST)
		return (err_sys(e, "cannot make the directory '%s'", s->dir));
	if ((s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (err_sys(e, "cannot open the directory '%s'", s->dir));
	if (io_make_dir(s->dir_fd, ".fleet", e) != 0 || (s->fleet_fd = io_open_dir(s->dir_fd, ".fleet", e)) == -1 ||
	    (s->lock_fd = io_open_file(s->fleet_fd, "lock", O_RDWR | O_CREAT, 0600, e)) == -1)
		return (err_within(e, s->dir));
	if (io_lock(s->lock_fd, true, s->wait_ms) == 0)
		return (count_findings(s, e));
	if (errno == EWOULDBLOCK)
		return (err_retry(e, "another ecl-subscribe writes to '%s'; try again later", s->dir));
	return (err_sys(e, "cannot lock '%s/.fleet/lock'", s->dir));
}

static void
close_fd(int fd)
{
	if (fd != -1)
		close(fd);
}

void
fleet_store_close(struct fleet_store *s)
{
	size_t i;

	for (i = 0; i < FLEET_STORE_OPEN; i++)
		if (s->open[i] != NULL)
			fleet_replica_close(s->open[i]->layer);
	for (i = 0; i < s->slots; i++) {
		if (s->slot[i] == NULL)
			continue;
		free(s->slot[i]->subject);
		buf_release(&s->slot[i]->pile);
		free(s->slot[i]);
	}
	free(s->slot);
	verify_batch_release(&s->work);
	close_fd(s->lock_fd);
	close_fd(s->fleet_fd);
	close_fd(s->dir_fd);
}

/* ---- the ledgers that were met ---- */

static size_t
place_of(const struct fleet_store *s, const char *id)
{
	size_t i = (size_t)siphash(s->key, (struct span){id, FLEET_ID_SIZE - 1}) & (s->slots - 1);

	while (s->slot[i] != NULL && strcmp(s->slot[i]->id, id) != 0)
		i = (i + 1) & (s->slots - 1);
	return (i);
}

static int
grow(struct fleet_store *s, struct err *e)
{
	struct fleet_ledger **old = s->slot, **more;
	size_t i, n = s->slots;

	if (s->ledgers * 2 < n)
		return (0);
	if ((more = calloc(n * 2, sizeof(struct fleet_ledger *))) == NULL)
		return (err_mem(e));
	s->slot = more;
	s->slots = n * 2;
	for (i = 0; i < n; i++)
		if (old[i] != NULL)
			s->slot[place_of(s, old[i]->id)] = old[i];
	free(old);
	return (0);
}

/* Whether what an earlier run found still holds. */
static bool
in_quarantine(const struct fleet_store *s, const char *id)
{
	char name[FLEET_ID_SIZE + 16];

	if (s->dir == NULL)
		return (false);
	snprintf(name, sizeof(name), "%s.finding", id);
	return (faccessat(s->fleet_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
}

/* A replica that is there comes from the subject that it names, whoever speaks first. */
static int
bind(const struct fleet_store *s, struct fleet_ledger *l, const char *subject, struct err *e)
{
	struct buf origin = BUF_INIT;
	int rc = 0;

	if (s->dir != NULL && fleet_replica_origin(s->dir_fd, l->id, &origin, e) != 0)
		rc = -1;
	else if ((l->subject = strdup(origin.len > 0 ? buf_cstr(&origin) : subject)) == NULL)
		rc = err_mem(e);
	buf_release(&origin);
	return (rc);
}

static struct fleet_ledger *
meet(struct fleet_store *s, const char *id, const char *subject, struct err *e)
{
	struct fleet_ledger *l;

	if ((l = s->slot[place_of(s, id)]) != NULL)
		return (l);
	if (grow(s, e) != 0)
		return (NULL);
	if ((l = calloc(1, sizeof(*l))) == NULL) {
		err_mem(e);
		return (NULL);
	}
	memcpy(l->id, id, sizeof(l->id));
	if (bind(s, l, subject, e) != 0) {
		free(l);
		return (NULL);
	}
	l->quarantined = in_quarantine(s, id);
	s->slot[place_of(s, id)] = l;
	s->ledgers++;
	return (l);
}

/* ---- findings ---- */

/* Whoever mends the replica may put another in its place. */
static void
close_replica(struct fleet_store *s, struct fleet_ledger *l)
{
	size_t i;

	for (i = 0; i < FLEET_STORE_OPEN; i++)
		if (s->open[i] == l)
			s->open[i] = NULL;
	fleet_replica_close(l->layer);
	l->layer = NULL;
}

/* Nothing more of this ledger: what was found, and what was refused, are kept. */
static int
quarantine(struct fleet_store *s, struct fleet_ledger *l, struct span refused, const struct fleet_finding *f, struct err *e)
{
	struct buf line = BUF_INIT;
	char name[FLEET_ID_SIZE + 16];
	int rc = 0;

	l->quarantined = true;
	close_replica(s, l);
	s->findings++;
	s->found(s->arg, l->subject, l->id, f);
	if (s->dir == NULL)
		return (0);
	buf_addf(&line, "{\"class\":\"%s\",\"ledger\":\"%s\",\"subject\":", fleet_class_name(f->class), l->id);
	json_escape(&line, (struct span){l->subject, strlen(l->subject)});
	buf_addf(&line, ",\"seq\":%" PRIu64 ",\"message\":", f->seq);
	json_escape(&line, (struct span){f->message, json_utf8(f->message, strlen(f->message))});
	buf_adds(&line, "}\n");
	snprintf(name, sizeof(name), "%s.lines", l->id);
	if (line.failed)
		rc = err_mem(e);
	else if (io_publish(s->fleet_fd, name, refused.p, refused.len, 0640, false, e) != 0)
		rc = -1;
	snprintf(name, sizeof(name), "%s.finding", l->id);
	if (rc == 0)
		rc = io_publish(s->fleet_fd, name, line.data, line.len, 0640, true, e);
	buf_release(&line);
	return (rc);
}

/* Another subject claims the ledger: it is not believed, and the replica goes on from its own. */
static void
dispute(struct fleet_store *s, struct fleet_ledger *l, const char *subject, const struct fleet_finding *f)
{
	if (!l->disputed) {
		l->disputed = true;
		s->findings++;
		s->found(s->arg, subject, l->id, f);
	}
}

/* ---- appending ---- */

static int
open_replica(struct fleet_store *s, struct fleet_ledger *l, struct err *e)
{
	struct fleet_ledger **place = &s->open[0];
	size_t i;
	int rc;

	if (l->layer != NULL)
		return (0);
	/* A free place, or that of whoever was not used for longest. */
	for (i = 0; i < FLEET_STORE_OPEN && *place != NULL; i++)
		if (s->open[i] == NULL || s->open[i]->used < (*place)->used)
			place = &s->open[i];
	if (*place != NULL)
		close_replica(s, *place);
	if ((rc = fleet_replica_open(s->dir, s->dir_fd, l->id, l->subject, s->wait_ms, &l->layer, e)) == 0)
		*place = l;
	return (rc);
}

/* The bytes of the first ${n} lines, ${len} at most. */
static size_t
skip(struct span lines, size_t len, uint64_t n)
{
	const char *p = lines.p, *end = lines.p + len;

	for (; n > 0 && p < end; n--)
		p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
	return ((size_t)(p - lines.p));
}

/* Without replicas: what is right, and follows what was emitted, is emitted.  Return as fleet_replica_take(). */
static int
emit(struct fleet_store *s, struct fleet_ledger *l, struct span lines, uint64_t *ret_added, struct fleet_finding *f, struct err *e)
{
	struct json_fault fault;
	struct event ev;
	uint64_t seq = 0;
	size_t len;
	int bad;

	while (lines.len > 0) {
		bad = fleet_run(&s->work, lines, &len, &seq, f);
		if (len > 0 && seq < l->next) {
			/* What comes again was emitted. */
			len = skip(lines, len, l->next - seq);
			lines = (struct span){lines.p + len, lines.len - len};
			continue;
		}
		if (len > 0 && seq != l->next)
			return (fleet_find(f, FLEET_GAP, l->next, "event %" PRIu64 " comes where %" PRIu64 " is next", seq, l->next));
		if (len > 0) {
			(void)event_parse((struct span){lines.p, (size_t)((const char *)memchr(lines.p, '\n', len) - lines.p)}, &ev, &fault);
			if (memcmp(ev.prev, l->hash, SHA256_SIZE) != 0)
				return (fleet_find(f, FLEET_FORKED, seq, "event %" PRIu64 " does not follow the one before: the ledger has forked", seq));
			if (s->emit(s->arg, (struct span){lines.p, len}, e) != 0)
				return (-1);
			memcpy(l->hash, s->work.hash[s->work.n - 1], SHA256_SIZE);
			l->next += s->work.n;
			*ret_added += s->work.n;
		}
		if (bad)
			return (1);
		lines = (struct span){lines.p + len, lines.len - len};
	}
	return (0);
}

/* Into the replica; one that cannot go on stops no other.  Return as fleet_replica_take(). */
static int
extend(struct fleet_store *s, struct fleet_ledger *l, struct span lines, uint64_t *ret_added, struct fleet_finding *f, struct err *e)
{
	struct err why = {0};
	int rc = -1;

	if (open_replica(s, l, &why) == 0) {
		l->used = ++s->clock;
		rc = fleet_replica_take(l->layer, &s->work, lines, s->wait_ms, ret_added, f, &why);
		l->next = l->layer->ledger->log->end.size;
	}
	/* What the system says may be so for all of them, as a disk that is full. */
	if (rc == -1 && why.exit == EXIT_ERROR && why.sys == 0)
		return (fleet_find(f, FLEET_UNUSABLE, l->next, "the replica '%.100s/%s' cannot go on: %.200s", s->dir, l->id, why.text));
	if (rc == -1) {
		*e = why;
		err_within(e, l->layer != NULL ? l->layer->path : s->dir);
	}
	return (rc);
}

/* All lines of one ledger.  Return 0 or -1. */
static int
append(struct fleet_store *s, struct fleet_ledger *l, struct err *e)
{
	struct span lines = {l->pile.data, l->pile.len};
	struct fleet_finding f;
	uint64_t added = 0;
	int rc = 0;

	if (l->next == 0 && (s->dir == NULL || !fleet_replica_exists(s->dir_fd, l->id)))
		rc = fleet_check_genesis(&s->work, l->id, lines, &f);
	if (rc == 0 && s->dir == NULL)
		rc = emit(s, l, lines, &added, &f, e);
	else if (rc == 0)
		rc = extend(s, l, lines, &added, &f, e);
	s->events += added;
	if (rc != 1) {
		s->bytes += rc == 0 ? lines.len : 0;
		return (rc);
	}
	if (f.class == FLEET_GAP && s->dir != NULL && !l->filling) {
		l->gap = true;
		s->gaps++;
		return (0);
	}
	return (quarantine(s, l, lines, &f, e));
}

int
fleet_store_flush(struct fleet_store *s, struct err *e)
{
	struct fleet_ledger *l;
	int rc = 0;

	while (rc == 0 && (l = s->dirty) != NULL) {
		s->dirty = l->next_dirty;
		l->dirty = l->broken = false;
		s->pending -= l->pile.len;
		if (!l->quarantined)
			rc = append(s, l, e);
		/* Ten thousand ledgers that say little now and then must not keep a buffer each. */
		buf_release(&l->pile);
	}
	return (rc);
}

void
fleet_store_drop(struct fleet_store *s)
{
	struct fleet_ledger *l;

	while ((l = s->dirty) != NULL) {
		s->dirty = l->next_dirty;
		l->dirty = l->broken = false;
		buf_release(&l->pile);
	}
	s->pending = 0;
}

/* ---- taking ---- */

/* How many bytes of a message are whole lines, none longer than an event may be. */
static size_t
whole(struct span data)
{
	const char *lf;
	size_t at;

	if (data.len <= EVENT_LINE_MAX + 1)
		return (data.len > 0 && data.p[data.len - 1] == '\n' ? data.len : 0);
	for (at = 0; at < data.len && (lf = memchr(data.p + at, '\n', data.len - at)) != NULL && (size_t)(lf - data.p) - at <= EVENT_LINE_MAX;
	     at = (size_t)(lf + 1 - data.p))
		;
	return (at);
}

/* No message of ecl-publish: what came before it is appended, then it is found. */
static int
refuse(struct fleet_store *s, struct fleet_ledger *l, struct span data, bool filling, struct err *e)
{
	struct fleet_finding f;
	uint64_t none = 0;
	int rc = 0;

	if (fleet_store_flush(s, e) != 0)
		return (-1);
	if (l->quarantined || (l->gap && !filling))
		return (0);
	/* What comes next is known once the replica is open. */
	if (s->dir != NULL && fleet_replica_exists(s->dir_fd, l->id))
		rc = extend(s, l, (struct span){data.p, 0}, &none, &f, e);
	if (rc == 0)
		rc = fleet_find(&f, FLEET_CORRUPT, l->next, "a message of %zu bytes comes where event %" PRIu64 " is next: no ecl-publish sends one so long", data.len, l->next);
	data.len = EVENT_LINE_MAX;
	return (rc == 1 ? quarantine(s, l, data, &f, e) : -1);
}

int
fleet_store_take(struct fleet_store *s, const char *subject, struct span data, bool filling, struct err *e)
{
	struct fleet_finding f;
	struct fleet_name name;
	struct fleet_ledger *l;
	size_t len;

	if (fleet_subject_parse(s->prefix, subject, &name) != NULL) {
		s->strays++;
		return (0);
	}
	if ((l = meet(s, name.id, subject, e)) == NULL)
		return (-1);
	if (strcmp(l->subject, subject) != 0) {
		fleet_find(&f, FLEET_DISPUTED, 0, "the ledger comes from '%.150s': what '%.150s' says of it is not taken", l->subject, subject);
		dispute(s, l, subject, &f);
		return (0);
	}
	/* Who removes the finding need not begin anew. */
	if (l->quarantined && s->dir != NULL && !in_quarantine(s, l->id)) {
		l->quarantined = false;
		l->next = 0;
		s->findings--;
	}
	if (l->quarantined || (l->gap && !filling))
		return (0);
	/* What is no line is found where it is appended, behind what is; nothing may be joined to it. */
	if (l->broken)
		return (0);
	if (data.len > FLEET_STORE_BYTES)
		return (refuse(s, l, data, filling, e));
	len = whole(data);
	l->broken = len < data.len;
	if (l->broken && data.len - len > EVENT_LINE_MAX)
		data.len = len + EVENT_LINE_MAX;
	if (!l->dirty) {
		l->dirty = true;
		l->next_dirty = s->dirty;
		s->dirty = l;
	}
	buf_addspan(&l->pile, data);
	s->pending += data.len;
	return (l->pile.failed ? err_mem(e) : 0);
}

struct fleet_ledger *
fleet_store_gap(struct fleet_store *s)
{
	size_t i;

	for (i = 0; s->gaps > 0 && i < s->slots; i++)
		if (s->slot[i] != NULL && s->slot[i]->gap) {
			s->slot[i]->filling = true;
			return (s->slot[i]);
		}
	return (NULL);
}

int
fleet_store_filled(struct fleet_store *s, struct fleet_ledger *l, struct err *e)
{
	int rc = fleet_store_flush(s, e);

	l->gap = l->filling = false;
	s->gaps--;
	return (rc);
}
