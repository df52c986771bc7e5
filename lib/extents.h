/* Where on the disk the bytes of files stand: two files whose bytes stand in the same place have the same bytes there. */
#ifndef ECL_EXTENTS_H_
#define ECL_EXTENTS_H_

#include <stdbool.h>
#include <stdint.h>

#include "sha256.h"

/**
 * extents_comparable(a, b):
 * Whether extents_same() can tell something of files ${a} and ${b}: they are on one mount of a file system that shares extents (btrfs).
 */
bool extents_comparable(int a, int b);

/**
 * extents_same(a, b, from, to):
 * How many bytes from offset ${from} on, and before ${to}, stand in the very same place on the disk in both files, as far as one look tells; 0
 * where they do not, or it is not known: bytes that are compressed, inline, or not yet on the disk have no place that could
 * be compared.  What is dirty is written out before, so that what was written over has another place.  ${a} and ${b} are
 * comparable.  O(extents looked at).
 */
uint64_t extents_same(int a, int b, uint64_t from, uint64_t to);

/**
 * extents_digest(fd, out):
 * A digest of all the places where the bytes of a file on btrfs stand: while they stay there, another file of the same size and mount with the
 * same digest has the same bytes.  Return 0, or -1 where it is not known (see above) or there are too many of them.
 */
int extents_digest(int fd, uint8_t out[SHA256_SIZE]);

/** extents_count(fd, from): in how many pieces the bytes from offset ${from} on stand; 0 where it is not known.  O(that), without a look at who else has them. */
uint32_t extents_count(int fd, uint64_t from);

/**
 * extents_join(fd, from, large):
 * Let btrfs write anew, in one piece, what stands from offset ${from} on in neighbouring pieces smaller than ${large} bytes.  ${fd} is open for writing.  The
 * bytes stay the same, for every reader at every moment, and where they stood until what is new is on the disk, which happens at the next sync or
 * snapshot: nothing is lost where that fails.  Return 0, or -1 with errno where the file system cannot.  O(bytes written).
 */
int extents_join(int fd, uint64_t from, uint32_t large);

#endif
