/*
 * Memory for libcrypto.
 *
 * Blocks are powers of two from a place that the program has from its start (and the system gives when it is touched); a freed one is kept for
 * the next of its size.
 */
#include "config.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_memory.h"

#include "banned.h"

#define PLACE (2u << 20) /* bytes */
#define CLASSES 20u	 /* of blocks: 32 bytes to 16 MB, all of which no place has */
#define SMALLEST 32u
#define SYSTEM CLASSES	 /* no block of ours */

/* Before each block. */
struct head {
	size_t class;
	size_t size; /* that was asked for */
} __attribute__((aligned(16)));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t place[PLACE] __attribute__((aligned(16)));
static size_t used;
static void *spare[CLASSES]; /* the first free block of each; in it the next one */

static size_t
class_of(size_t size)
{
	size_t class = 0, bytes = SMALLEST;

	for (; bytes < size && class < CLASSES; bytes *= 2)
		class++;
	return (class);
}

/* A block of ours, or NULL where there is no more room. */
static struct head *
take(size_t class)
{
	size_t bytes = sizeof(struct head) + ((size_t)SMALLEST << class);
	struct head *h = NULL;

	pthread_mutex_lock(&lock);
	if (spare[class] != NULL) {
		h = (struct head *)spare[class] - 1;
		memcpy(&spare[class], h + 1, sizeof(void *));
	} else if (bytes <= PLACE - used) {
		h = (struct head *)(void *)(place + used);
		used += bytes;
	}
	pthread_mutex_unlock(&lock);
	return (h);
}

void *
crypto_malloc(size_t size, const char *file, int line)
{
	size_t class = class_of(size);
	struct head *h = NULL;

	(void)file;
	(void)line;
	if (size == 0 || size > SIZE_MAX - sizeof(*h))
		return (NULL);
	if (class < CLASSES)
		h = take(class);
	if (h == NULL) {
		class = SYSTEM;
		if ((h = malloc(sizeof(*h) + size)) == NULL)
			return (NULL);
	}
	h->class = class;
	h->size = size;
	return (h + 1);
}

void
crypto_free(void *p, const char *file, int line)
{
	struct head *h;

	(void)file;
	(void)line;
	if (p == NULL)
		return;
	h = (struct head *)p - 1;
	/* Keys may have been in it. */
	explicit_bzero(p, h->size);
	if (h->class == SYSTEM) {
		free(h);
		return;
	}
	pthread_mutex_lock(&lock);
	memcpy(p, &spare[h->class], sizeof(void *));
	spare[h->class] = p;
	pthread_mutex_unlock(&lock);
}

void *
crypto_realloc(void *p, size_t size, const char *file, int line)
{
	const struct head *h;
	void *more;

	if (p == NULL)
		return (crypto_malloc(size, file, line));
	h = (const struct head *)p - 1;
	if (size == 0) {
		crypto_free(p, file, line);
		return (NULL);
	}
	if ((more = crypto_malloc(size, file, line)) == NULL)
		return (NULL);
	memcpy(more, p, h->size < size ? h->size : size);
	crypto_free(p, file, line);
	return (more);
}
