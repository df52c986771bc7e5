/* Blocks: the header that commits to a snapshot, and the blocks of a root (DESIGN 6). */
#ifndef ECL_BLOCK_H_
#define ECL_BLOCK_H_

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "buf.h"
#include "err.h"
#include "json.h"
#include "sha256.h"

/*
 * `.ecl/block`: one line, members in exactly this order, ending in LF; hash as of an event line:
 * {"height":7,"time":"...","backend":"btrfs","size":1234,"head":"<hex>","root":"<hex>","elements":321,"heads":"<hex>",
 *  "state":"<hex>","entries":45,"files":"<hex>","embedder":"...","vector":"<base64>","prev":"<hex>","hash":"<hex>"}
 * vector may be absent.
 */
struct block_header {
	uint64_t height;
	int64_t time_us;
	enum backend backend;
	uint64_t size;
	uint8_t head[SHA256_SIZE], root[SHA256_SIZE];
	uint64_t elements;
	uint8_t heads[SHA256_SIZE], state[SHA256_SIZE];
	uint64_t entries;
	uint8_t files[SHA256_SIZE];
	struct span embedder; /* canonical string tokens */
	struct span vector;   /* p == NULL: absent */
	uint8_t prev[SHA256_SIZE], hash[SHA256_SIZE];
};

#define BLOCK_HEADER_MAX (64u << 10) /* bytes of a header that are read */
#define BLOCK_NAME_SIZE 64 /* "block-000007-1a2b3c4d" and NUL; heights may have more than six digits */

/** block_format(h, out): append the header line with its LF; computes h->hash. */
void block_format(struct block_header *h, struct buf *out);

/** block_parse(line, ret, f): a header line without LF, strictly; spans point into ${line}.  The hash is not recomputed (event_hash_ok() does).  Return 0 or -1. */
int block_parse(struct span line, struct block_header *ret, struct json_fault *f);

/** block_canonical(h, out): append the header as a canonical JSON value (members sorted, hash included): the state of its `ecl:block` event. */
void block_canonical(const struct block_header *h, struct buf *out);

/** block_from_canonical(state, ret, f): read such a state back. */
int block_from_canonical(struct span state, struct block_header *ret, struct json_fault *f);

/** block_name(h, out): the name of its snapshot. */
void block_name(const struct block_header *h, char out[BLOCK_NAME_SIZE]);

/* A block found under .snapshots. */
struct block {
	char name[BLOCK_NAME_SIZE];
	uint64_t height;     /* as the name says */
	struct buf line;     /* the header as it stands in .ecl/block, LF not included; header points into it */
	struct block_header header;
	bool good;	     /* parses, its hash is right, and it fits the name */
	char fault[192];     /* why not */
	bool unread;	     /* for want of memory: nothing is known of it */
};

struct block_list {
	struct block *block; /* by height, then name */
	size_t n;
};

/** block_list_read(snap_fd, ret, e): the blocks under .snapshots, damaged ones too; of a bare layer, ${snap_fd} -1, there are none.  Release with block_list_release().  Return 0 or -1. */
int block_list_read(int snap_fd, struct block_list *ret, struct err *e);

/** block_open(snap_fd, name, e): the directory of the block, whose header is right.  Return a descriptor, or -1 with an error that names the block. */
int block_open(int snap_fd, const char *name, struct err *e);

/** block_list_read_alone(dir, ret, e): the same, of one layer in ${dir} that stands alone: it, under the name that its header says (none where that is damaged), if it is a block. */
int block_list_read_alone(int dir, struct block_list *ret, struct err *e);

/** block_list_read_from(snap_fd, from, ret, e): those whose height is ${from} or more: the headers of the others are not read. */
int block_list_read_from(int snap_fd, uint64_t from, struct block_list *ret, struct err *e);

/** block_list_names(snap_fd, from, ret, e): the same, but no header is read: none is good.  block_list_header(snap_fd, b, e): read that of ${b}, one of these.  Return 0 or -1. */
int block_list_names(int snap_fd, uint64_t from, struct block_list *ret, struct err *e);
int block_list_header(int snap_fd, struct block *b, struct err *e);
void block_list_release(struct block_list *l);

#endif
