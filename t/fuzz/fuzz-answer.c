/* Any bytes as an answer of an embedder's command: it is a vector that a row can be made of, or there is an error with a text. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "embedder_command.h"

#include "fuzz.h"

#include "banned.h"

static struct command_answer answer;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int8_t row[EMBEDDER_DIMS_MAX];
	struct err e = {0, 0, ""};
	const float *v;
	unsigned dims, i;
	char *line;

	/* To the byte, so that what is read behind it is seen. */
	MUST((line = malloc(size > 0 ? size : 1)) != NULL);
	memcpy(line, data, size);
	if (command_parse((struct span){line, size}, &answer, &v, &dims, &e) == 0) {
		MUST(dims > 0 && dims <= EMBEDDER_DIMS_MAX);
		for (i = 0; i < dims; i++)
			MUST(isfinite(v[i]));
		MUST(embedder_quantize(v, dims, row) == 0);
	} else {
		MUST(e.exit == EXIT_ERROR && e.text[0] != '\0' && strlen(e.text) < sizeof(e.text));
		for (i = 0; e.text[i] != '\0'; i++)
			MUST((unsigned char)e.text[i] >= 0x20 && e.text[i] != 0x7f);
	}
	free(line);
	return (0);
}
