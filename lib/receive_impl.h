/* What the parts of receive share; not for others. */
#ifndef ECL_RECEIVE_IMPL_H_
#define ECL_RECEIVE_IMPL_H_

#include <sys/types.h>

#include <pthread.h>
#include <signal.h>

#include "files_update.h"
#include "log.h"
#include "receive.h"
#include "verify.h"

#define RECEIVE_BLOCK ".tmp-receive" /* the block under .snapshots before it has its name */
#define RECEIVE_LIVE ".tmp-live"     /* under ROOT: what live will be, then what it was */

/* ---- signals (receive_guard.c) ---- */

/* Cleans up where a signal ends the program: see receive_block(). */
struct receive_guard {
	struct layer *l;
	pthread_mutex_t lock;
	pid_t child; /* that unpacks; 0: none */
	pthread_t thread;
	sigset_t before;
};

/** receive_guard_begin(g, l, e): from here on SIGINT, SIGTERM and SIGHUP clean up, and SIGPIPE is an error of write().  Return 0 or -1. */
int receive_guard_begin(struct receive_guard *g, struct layer *l, struct err *e);
void receive_guard_end(struct receive_guard *g);

/** receive_guard_child(g, pid): that process is to be ended first.  receive_guard_reap(g): wait for it; return its status. */
void receive_guard_child(struct receive_guard *g, pid_t pid);
int receive_guard_reap(struct receive_guard *g);

/* ---- the stream (receive_stream.c) ---- */

/** receive_stream(g, in_fd, staging_fd, opt, e): have `btrfs receive` unpack ${in_fd} in the directory ${staging_fd}, which becomes its root.  Return 0 or -1. */
int receive_stream(struct receive_guard *g, int in_fd, int staging_fd, const struct receive_options *opt, struct err *e);

/* ---- what came (receive_check.c) ---- */

/** receive_check_own(block_fd, e): `.ecl` of the block, which no header commits to: known names only, regular files, nothing that gives rights.  Return 0 or -1 (EXIT_NO). */
int receive_check_own(int block_fd, struct err *e);

/** receive_check_history(l, log, h, e): whether ${log}, of the block ${h}, and the replica's are one history, and their blocks, too.  Return 0 or -1 (EXIT_NO). */
int receive_check_history(struct layer *l, struct log *log, const struct block_header *h, struct err *e);

/** receive_same_log(mine, theirs, e): whether one of the logs begins as the other is.  O(1).  Return 0 or -1 (EXIT_NO). */
int receive_same_log(struct log *mine, struct log *theirs, struct err *e);

/* ---- its files (receive_files.c) ---- */

/** receive_files(u, l, block_fd, ret, e): what the managed files of the block are; ${u} is for receive_files_keep(), and to be released.  Return 0 or -1. */
int receive_files(struct files_update *u, struct layer *l, int block_fd, struct verify_known_files *ret, struct err *e);

/** receive_files_keep(u, l, block_fd): the block is verified, and live is what it is: let the replica remember its files. */
void receive_files_keep(struct files_update *u, struct layer *l, int block_fd);

/* ---- live (receive_live.c) ---- */

/** receive_live(l, block_fd, wait_ms, e): live becomes what the block ${block_fd} is, with the longer of the two logs and the replica's own index.  Return 0 or -1. */
int receive_live(struct layer *l, int block_fd, int wait_ms, struct err *e);

#endif
