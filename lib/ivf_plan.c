/* Similarity segments: which runs of rows are to be sealed. */
#include "config.h"

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
