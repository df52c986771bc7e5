/* The kinds of snapshots that a root can have. */
#ifndef ECL_BACKEND_H_
#define ECL_BACKEND_H_

enum backend {
	BACKEND_COPY, /* reflink copies, or plain ones, on any file system */
	BACKEND_BTRFS /* btrfs subvolumes and their snapshots */
};

/** backend_name(b), backend_parse(name, ret): "copy" or "btrfs", as in block headers.  Return 0 or -1. */
const char *backend_name(enum backend b);
int backend_parse(const char *name, enum backend *ret);

#endif
