/*
 * A walk over all files of a layer, of which the regular ones are read by all processors: a part of them is a job.  Who does it has a walk of his own,
 * and what that found is taken over in the order of the walk.
 */
#include "config.h"

#include <sys/resource.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"
#include "files_parts.h"

#include "banned.h"

/* A part is full with so many of one of these. */
#define PART_FILES 64
#define PART_BYTES (1u << 20)
#define PART_DIRS 4 /* each takes a descriptor */

#define PARTS_EACH 2 /* in hand, for each thread */
#define DEEP 128     /* directories in directories: each takes a descriptor, too, and leaves none for parts */

struct part {
	struct files_parts *of;
	struct files_walk walk;
	struct err e;
	struct buf path; /* of each file, and a NUL */
	int dir[PART_DIRS];
	size_t dirs;
	size_t in[PART_FILES]; /* which of these */
	size_t n;
	uint64_t size;
	uint64_t told; /* of walk.bytes */
	int rc;
};

struct files_parts {
	struct files_walk *w;
	struct crew crew;
	unsigned threads;
	bool started;
	struct part *part; /* of job number % most */
	size_t most, posted, taken;
	uint64_t turn; /* of w, when the last directory was added */
	bool failed;
	pthread_mutex_t lock; /* of w->bytes, and w->watch */
};

static void
read_part(void *arg, uint64_t job)
{
	struct files_parts *p = arg;
	struct part *t = &p->part[job % p->most];
	const char *path = NULL, *slash;
	size_t i;

	for (i = 0; t->rc == 0 && i < t->n; i++) {
		path = buf_next_string(&t->path, path);
		slash = strrchr(path, '/');
		buf_reset(&t->walk.path);
		buf_adds(&t->walk.path, path);
		t->rc = files_walk_regular(&t->walk, t->dir[t->in[i]], slash == NULL ? path : slash + 1);
	}
}

static void
on_bytes(void *arg, uint64_t bytes)
{
	struct part *t = arg;
	struct files_parts *p = t->of;

	pthread_mutex_lock(&p->lock);
	p->w->bytes += bytes - t->told;
	t->told = bytes;
	p->w->watch.step(p->w->watch.arg, p->w->bytes);
	pthread_mutex_unlock(&p->lock);
}

static void
empty(struct part *t)
{
	while (t->dirs > 0)
		close(t->dir[--t->dirs]);
	buf_reset(&t->path);
	t->n = 0;
	t->size = 0;
}

/* What the first part in hand found. */
static void
take(struct files_parts *p)
{
	struct part *t = &p->part[p->taken++ % p->most];

	crew_wait(&p->crew);
	if (!p->failed && t->rc == 0 && files_walk_take(p->w, &t->walk) != 0)
		p->failed = true;
	else if (!p->failed && t->rc != 0) {
		p->failed = true;
		if (p->w->e != NULL)
			*p->w->e = t->e;
	}
	empty(t);
}

/* The part that is being filled. */
static struct part *
filling(struct files_parts *p)
{
	return (&p->part[p->posted % p->most]);
}

static void
post(struct files_parts *p)
{
	p->posted++;
	p->turn = 0;
	crew_post(&p->crew);
	while (p->posted - p->taken == p->most)
		take(p);
}

static void
take_all(struct files_parts *p)
{
	if (filling(p)->n > 0)
		post(p);
	while (p->taken < p->posted)
		take(p);
}

/* Return 0, or -1 where there is no descriptor for it. */
static int
add_dir(struct files_parts *p, int dir)
{
	struct part *t = filling(p);

	if ((t->dir[t->dirs] = fcntl(dir, F_DUPFD_CLOEXEC, 0)) == -1)
		return (-1);
	t->dirs++;
	p->turn = p->w->turn;
	return (0);
}

int
files_parts_add(struct files_parts *p, int dir, uint64_t size)
{
	struct files_walk *w = p->w;
	struct part *t = filling(p);

	if (t->n == PART_FILES || t->size >= PART_BYTES || (t->dirs == PART_DIRS && p->turn != w->turn)) {
		if (!p->started) /* not for a few files */
			crew_start(&p->crew, p->threads);
		p->started = true;
		post(p);
		t = filling(p);
	}
	if (w->depth > DEEP || (p->turn != w->turn && add_dir(p, dir) != 0)) {
		take_all(p);
		return (p->failed ? -1 : 0);
	}
	buf_add(&t->path, w->path.data, w->path.len);
	buf_addc(&t->path, '\0');
	if (w->path.failed || t->path.failed)
		return (err_mem(w->e));
	t->in[t->n++] = t->dirs - 1;
	t->size += size;
	return (p->failed ? -1 : 1);
}

/* As many parts as leave descriptors enough, where two layers are walked at a time. */
static size_t
parts_max(void)
{
	struct rlimit most;

	if (getrlimit(RLIMIT_NOFILE, &most) != 0 || most.rlim_cur < 4 * DEEP)
		return (0);
	return ((size_t)(most.rlim_cur - 4 * DEEP) / (2 * (PART_DIRS + 1)));
}

static bool
begin(struct files_parts *p, struct files_walk *w)
{
	size_t i;

	memset(p, 0, sizeof(*p));
	p->w = w;
	p->threads = crew_processors();
	p->most = (size_t)p->threads * PARTS_EACH;
	if (p->most > parts_max())
		p->most = parts_max();
	if (w->known != NULL || p->threads == 1 || p->most == 0 || (p->part = calloc(p->most, sizeof(*p->part))) == NULL)
		return (false);
	for (i = 0; i < p->most; i++) {
		p->part[i].of = p;
		if (files_walk_like(&p->part[i].walk, w, &p->part[i].e) != 0)
			break;
		if (w->watch.step != NULL)
			p->part[i].walk.watch = (struct files_watch){on_bytes, &p->part[i]};
	}
	p->most = i;
	if (p->most == 0) {
		free(p->part);
		return (false);
	}
	pthread_mutex_init(&p->lock, NULL);
	crew_init(&p->crew, read_part, p);
	return (true);
}

static void
release(struct files_parts *p)
{
	size_t i;

	crew_release(&p->crew);
	pthread_mutex_destroy(&p->lock);
	for (i = 0; i < p->most; i++) {
		buf_release(&p->part[i].path);
		files_walk_release(&p->part[i].walk);
	}
	free(p->part);
}

int
files_walk_parts(struct files_walk *w, int (*walk)(void *arg), void *arg)
{
	struct files_parts p;
	int rc;

	if (!begin(&p, w))
		return (walk(arg));
	w->parts = &p;
	rc = walk(arg);
	w->parts = NULL;
	/* Files that were met before the one that failed may have failed, too. */
	take_all(&p);
	if (p.failed)
		rc = -1;
	release(&p);
	return (rc);
}

struct whole {
	struct files_walk *w;
	int fd;
};

static int
walk_whole(void *arg)
{
	const struct whole *x = arg;

	return (files_walk_dir(x->w, x->fd));
}

int
files_walk_all(struct files_walk *w, int layer_fd)
{
	struct whole x = {w, layer_fd};

	return (files_walk_parts(w, walk_whole, &x));
}
