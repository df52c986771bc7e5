/* Events to rows: the log is read once, in order, and embedded on all cores. */
#ifndef ECL_VECTORIZE_H_
#define ECL_VECTORIZE_H_

#include <stdint.h>

#include "embedder.h"
#include "err.h"
#include "log.h"

/**
 * vectorize(log, em, from, to, threads, visit, arg, e):
 * Embed the events from ${from} to below ${to} of ${log}, by ${threads} threads (0: as many as this process may use processors; a command's are embedded by
 * this one), and give the rows, embedder_width() bytes each, to ${visit} in the order of the log, many at a time: those of ${n} events from ${seq} on, valid until
 * it returns.  ${visit} is called in this thread, and returns 0 to go on; any other value stops, and is returned.  Nothing is kept.
 * Return 0; or -1, of a log that cannot be read, or an embedder that failed.
 */
int vectorize(struct log *log, struct embedder *em, uint64_t from, uint64_t to, unsigned threads,
    int (*visit)(void *arg, uint64_t seq, const int8_t *rows, size_t n), void *arg, struct err *e);

/**
 * given_scan(log, from, to, visit, arg, e):
 * Give the vectors that the events from ${from} to below ${to} brought with them to ${visit}, in the order of the log: ${dims} numbers, as they were
 * recorded (in a replica also such as are not finite), valid until it returns.  It returns as that of vectorize().  O(bytes of the log), fast
 * where few events have one.
 */
int given_scan(struct log *log, uint64_t from, uint64_t to, int (*visit)(void *arg, uint64_t seq, const float *v, unsigned dims), void *arg, struct err *e);

#endif
