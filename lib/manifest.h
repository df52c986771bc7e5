/* The texts of manifests: words and numbers as they come, and the checksum that ends them. */
#ifndef ECL_MANIFEST_H_
#define ECL_MANIFEST_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define MANIFEST_MAX (1u << 20) /* bytes of one that is read */

/* What is not read yet. */
struct manifest {
	const char *p, *end;
};

/** manifest_take(m, word): pass over ${word}, where it stands there.  The others return whether there is one, and pass over it, too. */
bool manifest_take(struct manifest *m, const char *word);
bool manifest_number(struct manifest *m, uint64_t *ret);
bool manifest_hex(struct manifest *m, size_t n, uint8_t *out);

/** manifest_crc(m, ret): eight hex digits. */
bool manifest_crc(struct manifest *m, uint32_t *ret);

/** manifest_end(m, text): whether the rest of ${text}, and no more, is the right `crc` line. */
bool manifest_end(struct manifest *m, struct span text);

/** manifest_seal(out): append that line, which covers all of ${out}. */
void manifest_seal(struct buf *out);

#endif
