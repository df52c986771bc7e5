/* Patterns over element names: fnmatch(3) with no flags in the C locale (COMMANDS, GLOB). */
#ifndef ECL_GLOB_H_
#define ECL_GLOB_H_

#include <stdbool.h>

#include "buf.h"

/**
 * glob_match(glob, name):
 * Whether ${glob} matches the element ${name}: `*` crosses `/`; names that begin with `ecl:` are reached only by a glob
 * that does; a glob that is exactly the name means it, whatever characters are in it.  Both are given without a
 * terminating NUL and must hold none.  The caller never sets a locale.
 */
bool glob_match(struct span glob, struct span name);

/** glob_prefix(glob): the leading bytes that every name it matches begins with. */
struct span glob_prefix(struct span glob);

#endif
