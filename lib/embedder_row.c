/* Any vector as a row: unit length, a byte a number. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "embedder.h"

#include "banned.h"

#define ROW_MAX 127

unsigned
embedder_width(unsigned dims)
{
	unsigned width = EMBEDDER_WIDTH_MIN;

	while (width < dims)
		width *= 2;
	return (width);
}

int
embedder_quantize(const float *v, unsigned dims, int8_t *out)
{
	double sum = 0, limit, scale, x;
	unsigned i;

	/* A double holds the square of every float32, and the sum of as many as there may be. */
	for (i = 0; i < dims; i++) {
		if (!isfinite(v[i]))
			return (-1);
		sum += (double)v[i] * v[i];
	}
	memset(out, 0, dims);
	if (sum == 0)
		return (0);
	limit = 10 / sqrt(dims);
	scale = ROW_MAX / ((limit < 1 ? limit : 1) * sqrt(sum));
	for (i = 0; i < dims; i++) {
		x = v[i] * scale;
		x = x < 0 ? x - 0.5 : x + 0.5;
		out[i] = (int8_t)(x > ROW_MAX ? ROW_MAX : x < -ROW_MAX ? -ROW_MAX : x);
	}
	return (0);
}
