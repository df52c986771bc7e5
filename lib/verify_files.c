/*
 * The files of the blocks, looked at by all processors while the log is: a block is a job, of which all have a share.  There are one or two at a time, in the
 * order in which the pass will ask for them, as what a block has in common with those before it is not read again.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"
#include "files.h"
#include "files_chain.h"
#include "io.h"
#include "verify_internal.h"

#include "banned.h"

struct found {
	int rc;
	uint64_t entries;
	uint8_t root[SHA256_SIZE];
	struct err e;
};

#define IN_HAND 2 /* the next one is begun where the end of one leaves processors idle */

struct verify_files {
	struct verify *v;
	struct crew crew;
	struct files_seen seen;
	struct files_chain chain;
	bool chained; /* a block after the other, by it */
	const struct block **block; /* in the order of the anchors */
	size_t n;
	struct found found[IN_HAND]; /* of block[number % IN_HAND] */
	size_t posted, taken;
};

static void
look(void *arg, uint64_t job)
{
	struct verify_files *s = arg;
	struct found *f = &s->found[job % IN_HAND];
	int fd;

	memset(&f->e, 0, sizeof(f->e));
	f->rc = -1;
	if ((fd = verify_block_open(s->v, s->block[job], &f->e)) == -1)
		return;
	/* To ask where a file stands is for nothing where there is no other block. */
	if (s->chained)
		f->rc = files_chain_root(&s->chain, fd, &f->entries, f->root, &f->e);
	else
		f->rc = files_root_of_block(fd, s->n > 1 ? &s->seen : NULL, s->v->opt->from_disk, &f->entries, f->root, &f->e);
	close(fd);
}

static void
post(struct verify_files *s)
{
	while (s->posted < s->n && s->posted - s->taken < (s->chained ? 1 : IN_HAND)) {
		s->posted++;
		crew_post(&s->crew);
	}
}

/* With --from-disk each block is read by itself, as what is in memory may not be what it was read from. */
static void
begin_chain(struct verify_files *s)
{
	int fd;

	if (s->n < 2 || s->v->opt->from_disk || (fd = verify_block_open(s->v, s->block[0], NULL)) == -1)
		return;
	s->chained = files_chain_begin(&s->chain, fd, &s->seen);
	close(fd);
}

void
verify_files_start(struct verify *v)
{
	struct verify_files *s;
	size_t i;

	if (v->blocks.n == 0 || v->opt->files != NULL || (s = calloc(1, sizeof(*s))) == NULL)
		return;
	s->v = v;
	if ((s->block = calloc(v->blocks.n, sizeof(struct block *))) == NULL) {
		free(s);
		return;
	}
	for (i = 0; i < v->anchors; i++)
		if (v->anchor[i].block != NULL)
			s->block[s->n++] = v->anchor[i].block;
	files_seen_init(&s->seen);
	s->chain.fd = -1;
	begin_chain(s);
	crew_init(&s->crew, look, s);
	if (crew_processors() > 1)
		crew_start(&s->crew, 2);
	post(s);
	v->files = s;
}

void
verify_files_stop(struct verify *v)
{
	struct verify_files *s = v->files;

	v->files = NULL;
	if (s == NULL)
		return;
	crew_release(&s->crew);
	files_chain_release(&s->chain);
	files_seen_release(&s->seen);
	free(s->block);
	free(s);
}

/* Bring s->taken to ${b}; the blocks before it are asked for no more.  Return whether it is there. */
static bool
go_to(struct verify_files *s, const struct block *b)
{
	size_t i;

	for (i = s->taken; i < s->n && s->block[i] != b; i++)
		;
	if (i == s->n)
		return (false);
	for (; s->taken < i; s->taken++, post(s))
		crew_wait(&s->crew);
	return (true);
}

int
verify_files_root(struct verify *v, const struct block *b, int fd, uint64_t *ret_entries, uint8_t ret_root[SHA256_SIZE], struct err *e)
{
	struct verify_files *s = v->files;
	struct found f;

	if (v->opt->files != NULL) {
		*ret_entries = v->opt->files->entries;
		memcpy(ret_root, v->opt->files->root, SHA256_SIZE);
		return (0);
	}
	if (s == NULL || !go_to(s, b))
		return (files_root_of_block(fd, NULL, v->opt->from_disk, ret_entries, ret_root, e));
	crew_wait(&s->crew);
	f = s->found[s->taken++ % IN_HAND];
	post(s);
	*ret_entries = f.entries;
	memcpy(ret_root, f.root, SHA256_SIZE);
	if (f.rc != 0)
		*e = f.e;
	return (f.rc);
}
