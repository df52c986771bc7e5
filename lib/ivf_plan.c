/* Similarity segments: which runs of rows are to be sealed. */
#include "config.h"

#include "ivf.h"

#include "banned.h"

bool
ivf_plan(uint64_t rows, uint64_t at, struct ivf_run *ret)
{
	uint64_t size;

	for (size = IVF_MAX; size >= IVF_MIN; size /= IVF_GROWTH) {
		if (at % size != 0 || at > rows || rows - at < size)
			continue;
		ret->from = at;
		ret->to = at + size;
		return (true);
	}
	return (false);
}
