/* Reading files from the disk and not from the page cache, which may show what the disk does not hold. */
#ifndef ECL_DISK_H_
#define ECL_DISK_H_

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#define DISK_ALIGN 4096u /* of what is read: offset, length, and place in memory */

/**
 * disk_prefer(fd):
 * Let reads of ${fd}, whose open file description is the caller's own, come from the disk: its clean pages are dropped from the cache, and reads go
 * around the cache (O_DIRECT) where the file system can do that.  What is dirty is written by the kernel before it is read.
 */
void disk_prefer(int fd);

/**
 * disk_pread(fd, p, len, offset):
 * As io_pread(), of a descriptor that disk_prefer() was called for; ${p}, ${offset} and ${len} may be any; where all are multiples of DISK_ALIGN
 * nothing is copied.  Where the file system refuses, the pages are dropped again and read through the cache.
 */
ssize_t disk_pread(int fd, void *p, size_t len, uint64_t offset);

#endif
