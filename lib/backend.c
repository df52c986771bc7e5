/* The kinds of snapshots, by name. */
#include "config.h"

#include <string.h>

#include "backend.h"

#include "banned.h"

const char *
backend_name(enum backend b)
{
	return (b == BACKEND_BTRFS ? "btrfs" : "copy");
}

int
backend_parse(const char *name, enum backend *ret)
{
	if (strcmp(name, "btrfs") == 0)
		*ret = BACKEND_BTRFS;
	else if (strcmp(name, "copy") == 0)
		*ret = BACKEND_COPY;
	else
		return (-1);
	return (0);
}
