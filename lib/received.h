/* Whether what stands in a directory came from elsewhere, as a btrfs stream. */
#ifndef ECL_RECEIVED_H_
#define ECL_RECEIVED_H_

#include <stdbool.h>

/**
 * received_is(fd):
 * Whether btrfs says of the subvolume that the file or directory ${fd} is in that it came as a stream, and all of it did: it has a
 * received UUID, wherever it was moved or mounted since; a writable snapshot of it has none.  Others made what stands in it: what no header
 * commits to, such as its index, is not to be believed, whoever owns it.  False on other file systems.
 */
bool received_is(int fd);

#endif
