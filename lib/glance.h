/* What a stored line says, as far as it is asked for. */
#ifndef ECL_GLANCE_H_
#define ECL_GLANCE_H_

#include <stdint.h>

#include "buf.h"

/* The first members of a line, found without parsing the rest of it. */
struct glance {
	uint64_t seq;
	struct span time;    /* without quotes */
	struct span element; /* the token, with quotes */
	struct span action;  /* without quotes */
};

/** glance_line(line, ret): the first members of a stored line (without LF).  Return 0, or -1 where it is none. */
int glance_line(struct span line, struct glance *ret);

/** glance_actor(line, g, ret): its actor's token (p == NULL: none), ${g} being what glance_line() found.  Return 0, or -1 where the line is none. */
int glance_actor(struct span line, const struct glance *g, struct span *ret);

/** glance_state(line, g, ret): the canonical text of its state (p == NULL: none). */
void glance_state(struct span line, const struct glance *g, struct span *ret);

/** glance_vector(line, ret): the token of its `vector` (p == NULL: none), found from the end of a stored line: O(1) where there is none. */
void glance_vector(struct span line, struct span *ret);

/** glance_text(token, scratch): what a string token stands for, in ${scratch} where it has escapes. */
struct span glance_text(struct span token, struct buf *scratch);

#endif
