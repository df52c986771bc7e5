/* A log as static files for any web server: C2SP tlog-tiles v0.1.0. */
#ifndef ECL_TILES_H_
#define ECL_TILES_H_

#include <stdint.h>

#include "err.h"
#include "prove.h"

/*
 * checkpoint			the note, verbatim; written last
 * tile/<L>/<N>			256 hashes of 32 bytes: hash i of tile N is MTH(D[(256 N + i) 256^L : (256 N + i + 1) 256^L])
 * tile/<L>/<N>.p/<W>		the last tile of a level, where it has but W of them; never 0
 * tile/entries/<N>[.p/<W>]	the leaf data of tile N of level 0: of each event u16 32, big-endian, and the 32 bytes of its hash
 *
 * N is in groups of three digits, all but the last with an x before them: 1234067 is x001/x234/067.
 */

struct tiles_written {
	uint64_t files, bytes;
	uint64_t from; /* events that the directory had */
};

/**
 * tiles_write(b, dir, step, arg, ret, e):
 * Bring the directory ${dir}, which must exist, from the checkpoint that it has (none: nothing) to that of ${b}; what both have is not looked at.  A file
 * appears by rename; tiles are on the disk before the checkpoint is that names them.  Each tile is checked against the checkpoint's root,
 * each entry against its tile, before it is written.  Then partial tiles are removed of which the full one is there.  Where it is interrupted, a later run makes it good.
 * Return 0, or -1: EXIT_NO where the directory is of another log, or of more events; EXIT_RETRY where another run writes it.  O(new events).
 */
int tiles_write(const struct prove_base *b, const char *dir, void (*step)(void *arg, uint64_t done, uint64_t total), void *arg,
    struct tiles_written *ret, struct err *e);

#endif
