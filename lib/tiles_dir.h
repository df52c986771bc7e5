/* A directory of tiles: where each has its file, how it gets there. */
#ifndef ECL_TILES_DIR_H_
#define ECL_TILES_DIR_H_

#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define TILES_WIDTH 256	  /* hashes of a full tile */
#define TILES_ENTRIES (-1) /* in place of a level */
#define TILES_LEVELS 5
#define TILES_PATH 96

struct tiles_dir {
	int fd; /* of the directory itself, locked */
	struct {
		int fd;
		char path[TILES_PATH]; /* below it; "": none is open */
	} open[TILES_LEVELS + 1];      /* where files of each kind were last written */
	uint64_t files, bytes;	       /* written */
};

/** tiles_dir_open(path, ret, e): for writing.  Return 0, or -1 (EXIT_RETRY where another run writes it). */
int tiles_dir_open(const char *path, struct tiles_dir *ret, struct err *e);
void tiles_dir_close(struct tiles_dir *d);

/**
 * tiles_dir_put(d, level, number, width, p, len, e):
 * The file of tile ${number} of ${level}, ${width} hashes or entries wide: it appears at once, with all its bytes, but is not synced.  What a run
 * that died left in its directory is removed.  Return 0 or -1.
 */
int tiles_dir_put(struct tiles_dir *d, int level, uint64_t number, unsigned width, const void *p, size_t len, struct err *e);

/** tiles_dir_drop(d, level, number, e): remove the partial tiles of ${number}.  Return 0 or -1. */
int tiles_dir_drop(struct tiles_dir *d, int level, uint64_t number, struct err *e);

/** tiles_dir_commit(d, name, p, len, e): sync all that was put, then publish the file ${name} in the directory itself.  Return 0 or -1. */
int tiles_dir_commit(struct tiles_dir *d, const char *name, const void *p, size_t len, struct err *e);

#endif
