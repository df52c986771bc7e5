/* What a proof proves, for programs and for people; and the files that it comes in. */
#ifndef ECL_PROOF_REPORT_H_
#define ECL_PROOF_REPORT_H_

#include <stdbool.h>

#include "buf.h"
#include "err.h"
#include "proof.h"

/** proof_read(name, max, out, e): append a file or pipe of at most ${max} bytes; `-` is the standard input.  Return 0 or -1. */
int proof_read(const char *name, size_t max, struct buf *out, struct err *e);

/** proof_report_json(p, out), proof_report_text(p, color, out): append what ${p}, which was checked, says: one object; lines. */
void proof_report_json(const struct proof *p, struct buf *out);
void proof_report_text(const struct proof *p, bool color, struct buf *out);

#endif
