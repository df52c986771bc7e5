/* What the fuzzers share: an assertion that says what broke, and a main for files where there is no libFuzzer. */
#ifndef ECL_FUZZ_H_
#define ECL_FUZZ_H_

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(true_always)                                                                         \
	do {                                                                                      \
		if (!(true_always)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #true_always); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

#ifdef FUZZ_STANDALONE
int
main(int argc, char **argv)
{
	uint8_t *data = malloc(1 << 22);
	size_t size;
	FILE *f;
	int i;

	for (i = 1; i < argc && data != NULL; i++) {
		if ((f = fopen(argv[i], "rb")) == NULL) {
			perror(argv[i]);
			return (2);
		}
		size = fread(data, 1, 1 << 22, f);
		fclose(f);
		LLVMFuzzerTestOneInput(data, size);
	}
	free(data);
	return (0);
}
#endif

#endif
