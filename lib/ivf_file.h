/* The file of a similarity segment: where its parts stand, and their checksums. */
#ifndef ECL_IVF_FILE_H_
#define ECL_IVF_FILE_H_

#include <stdint.h>

#include "err.h"

/*
 * Bytes 0 to data - 1: the FAISS index up to its lists, in which [head, data) is FAISS's own table of them
 * ("ilar", see ivf_file.c) and the centroids, nlist * width floats, begin at centroids.  Then list by list rows * code bytes of codes and rows * 8 of ids; then our table,
 * little-endian:
 *   nlist times:  u32 rows, u32 CRC-32C of the list's bytes
 *   u64 from, u64 to, u64 centroids, u64 head, u64 data, u32 width, u32 code, u32 nlist, u32 CRC-32C of bytes 0 to data - 1
 *   "eclivf01", u32 CRC-32C of the table up to here: the one that stands in the manifest
 */
#define IVF_TAIL 68u
#define IVF_ID 8u /* bytes */

struct ivf_list {
	uint32_t rows, crc;
	uint64_t at; /* in the file */
};

struct ivf_file {
	uint64_t from, to, centroids, head, data;
	uint32_t width, code, nlist, crc; /* crc: of what stands before data */
	struct ivf_list *list;
};

/** ivf_file_release(f). */
void ivf_file_release(struct ivf_file *f);

/**
 * ivf_file_finish(fd, f, centroids, ret_bytes, ret_crc, e):
 * FAISS wrote an index with these ${centroids} to ${fd}, whose from, to, width, code, nlist and lists' rows ${f} tells: find
 * its parts, compute the checksums, write the table behind it.  Return 0 or -1.
 */
int ivf_file_finish(int fd, struct ivf_file *f, const float *centroids, uint64_t *ret_bytes, uint32_t *ret_crc,
    struct err *e);

/** ivf_file_read(fd, bytes, crc, ret, e): read the table of a file of that size and checksum.  To be released.  Return 0 or -1. */
int ivf_file_read(int fd, uint64_t bytes, uint32_t crc, struct ivf_file *ret, struct err *e);

/** ivf_file_list_bytes(f, i): bytes of list ${i}. */
uint64_t ivf_file_list_bytes(const struct ivf_file *f, uint32_t i);

/** ivf_file_part(fd, at, len, crc, out, e): read a part and check it.  Return 0 or -1. */
int ivf_file_part(int fd, uint64_t at, uint64_t len, uint32_t crc, void *out, struct err *e);

/**
 * ivf_file_lists(f, chosen, n, out):
 * FAISS's table of the ${n} ascending lists chosen[] (rows[] in each), as it stands before their data: IVF_LISTS(n) bytes.
 */
#define IVF_LISTS(n) (32 + 16 * (size_t)(n))
void ivf_file_lists(const struct ivf_file *f, const uint32_t *chosen, const uint32_t *rows, uint32_t n, uint8_t *out);

#endif
