/* Contents that were hashed already, by the place on the disk where they stand. */
#ifndef ECL_FILES_SEEN_H_
#define ECL_FILES_SEEN_H_

#include <sys/stat.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sha256.h"

struct files_place {
	bool known;
	uint8_t digest[SHA256_SIZE];
};

struct files_content;

/* For the files of many blocks on one mount, which share what did not change.  Any thread may ask. */
struct files_seen {
	pthread_mutex_t lock;
	struct files_content *content; /* NULL until there is some */
};

void files_seen_init(struct files_seen *s);
void files_seen_release(struct files_seen *s);

/**
 * files_seen_find(s, fd, st, ret_place, ret_hash):
 * Whether the bytes of ${fd}, a regular file on btrfs, stand where some did that were hashed before; then their SHA-256.  Else, after having hashed
 * them, give files_seen_add() the place found here.  A place stays what it is for as long as a file that was there before
 * the first was hashed has it: so of blocks only, which do not change.
 */
bool files_seen_find(struct files_seen *s, int fd, const struct stat *st, struct files_place *ret_place, uint8_t ret_hash[SHA256_SIZE]);
void files_seen_add(struct files_seen *s, const struct files_place *place, const uint8_t hash[SHA256_SIZE]);

#endif
