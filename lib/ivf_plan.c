/* Similarity segments: which runs of rows are to be sealed. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "ivf.h"

#include "banned.h"

bool
ivf_plan(uint64_t rows, uint64_t at, struct ivf_run *ret)
{
	/* Each divides the one before, and 8 all of them: sets of rows as bits begin with a byte. */
	static const uint64_t size[] = {IVF_MAX, 250000, IVF_MIN};
	size_t i;

	for (i = 0; i < sizeof(size) / sizeof(*size); i++) {
		if (at % size[i] != 0 || at > rows || rows - at < size[i])
			continue;
		ret->from = at;
		ret->to = at + size[i];
		return (true);
	}
	return (false);
}

/* On two cores to look at the codes of ten million rows takes 90 ms; segments are right less often, and read less: that is for ledgers that no memory holds. */
uint64_t
ivf_scan_rows(void)
{
	const char *text = secure_getenv("ECL_SCAN_ROWS");
	uint64_t rows;

	return (text != NULL && decimal_parse(text, strlen(text), &rows) == 0 ? rows : IVF_SCAN_ROWS);
}
