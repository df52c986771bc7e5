/* Paths below a directory that may be longer than the kernel takes at once. */
#ifndef ECL_FILES_PATH_H_
#define ECL_FILES_PATH_H_

#include "buf.h"

/**
 * files_open_parent(top, path, ret_name):
 * Open the directory of ${path} below ${top}, following no link; its last component is put into ${ret_name}.  Return a descriptor, or -1 with
 * errno.
 */
int files_open_parent(int top, struct span path, struct buf *ret_name);

#endif
