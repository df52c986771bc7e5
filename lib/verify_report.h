/* What a verification found, for programs and for people. */
#ifndef ECL_VERIFY_REPORT_H_
#define ECL_VERIFY_REPORT_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "verify.h"

struct verify_report {
	const struct verify_options *opt; /* that it was asked for with */
	const char *root;		  /* which of several roots it is about; NULL: there is one only */
	bool from_stdin;
	bool color; /* for people */
	int64_t us; /* that it took */
};

/** verify_report_json(r, v, out), verify_report_text(r, v, out): append the findings and the summary, a line each. */
void verify_report_json(const struct verify_report *r, const struct verify_result *v, struct buf *out);
void verify_report_text(const struct verify_report *r, const struct verify_result *v, struct buf *out);

#endif
