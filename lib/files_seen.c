/* Contents that were hashed already, by place. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "extents.h"
#include "files_seen.h"
#include "le.h"

#include "banned.h"

#define CONTENTS (1u << 17) /* remembered: a new one takes the place of an old one */
#define SMALLEST 2049	    /* bytes: smaller files stand within the metadata, at no place of their own */

struct files_content {
	bool set;
	uint8_t place[SHA256_SIZE], hash[SHA256_SIZE];
};

void
files_seen_init(struct files_seen *s)
{
	pthread_mutex_init(&s->lock, NULL);
	s->content = NULL;
}

void
files_seen_release(struct files_seen *s)
{
	free(s->content);
	pthread_mutex_destroy(&s->lock);
}

static struct files_content *
slot(struct files_seen *s, const struct files_place *place)
{
	return (&s->content[le32_get(place->digest) % CONTENTS]);
}

bool
files_seen_find(struct files_seen *s, int fd, const struct stat *st, struct files_place *ret_place, uint8_t ret_hash[SHA256_SIZE])
{
	const struct files_content *c;
	struct sha256 sum;
	uint64_t size = htole64((uint64_t)st->st_size);
	bool found = false;

	ret_place->known = st->st_size >= SMALLEST && extents_digest(fd, ret_place->digest) == 0;
	if (!ret_place->known)
		return (false);
	sha256_init(&sum);
	sha256_update(&sum, ret_place->digest, SHA256_SIZE);
	sha256_update(&sum, &size, sizeof(size));
	sha256_final(&sum, ret_place->digest);
	pthread_mutex_lock(&s->lock);
	if (s->content != NULL) {
		c = slot(s, ret_place);
		found = c->set && memcmp(c->place, ret_place->digest, SHA256_SIZE) == 0;
		if (found)
			memcpy(ret_hash, c->hash, SHA256_SIZE);
	}
	pthread_mutex_unlock(&s->lock);
	return (found);
}

void
files_seen_add(struct files_seen *s, const struct files_place *place, const uint8_t hash[SHA256_SIZE])
{
	struct files_content *c;

	if (!place->known)
		return;
	pthread_mutex_lock(&s->lock);
	if (s->content == NULL)
		s->content = calloc(CONTENTS, sizeof(*s->content));
	if (s->content != NULL) {
		c = slot(s, place);
		c->set = true;
		memcpy(c->place, place->digest, SHA256_SIZE);
		memcpy(c->hash, hash, SHA256_SIZE);
	}
	pthread_mutex_unlock(&s->lock);
}
