/*
 * Any bytes as a block's header line, and as the state of its event: refused at a place within, or what was read writes
 * the same bytes again, in either form.
 */
#include "config.h"

#include <string.h>

#include "block.h"
#include "event.h"

#include "fuzz.h"

#include "banned.h"

static void
check_fault(const struct json_fault *f, size_t len)
{
	MUST(f->at <= len);
	MUST(f->what[0] != '\0' && memchr(f->what, 0, sizeof(f->what)) != NULL);
}

static void
check_within(struct span part, struct span whole)
{
	MUST(part.p == NULL || (part.p >= whole.p && part.len <= whole.len && part.p + part.len <= whole.p + whole.len));
}

/* Not written with memcmp(): a struct has holes. */
static void
check_same(const struct block_header *x, const struct block_header *y)
{
	MUST(x->height == y->height && x->time_us == y->time_us && x->backend == y->backend && x->size == y->size);
	MUST(x->elements == y->elements && x->entries == y->entries);
	MUST(memcmp(x->head, y->head, SHA256_SIZE) == 0 && memcmp(x->root, y->root, SHA256_SIZE) == 0);
	MUST(memcmp(x->heads, y->heads, SHA256_SIZE) == 0 && memcmp(x->state, y->state, SHA256_SIZE) == 0);
	MUST(memcmp(x->files, y->files, SHA256_SIZE) == 0 && memcmp(x->prev, y->prev, SHA256_SIZE) == 0);
	MUST(span_eq(x->embedder, y->embedder) && span_eq(x->vector, y->vector));
	MUST((x->vector.p == NULL) == (y->vector.p == NULL));
}

/* What was read, as a line and as a state, reads back; ${text} is one of them. */
static void
round_trip(const struct block_header *h, struct span text, bool is_line)
{
	struct block_header again = *h, from;
	struct buf line = BUF_INIT, state = BUF_INIT;
	char name[BLOCK_NAME_SIZE];
	struct json_fault f;
	bool right;

	check_within(h->embedder, text);
	check_within(h->vector, text);
	block_canonical(h, &state);
	MUST(block_from_canonical((struct span){state.data, state.len}, &from, &f) == 0);
	check_same(h, &from);
	MUST(memcmp(h->hash, from.hash, SHA256_SIZE) == 0);
	if (!is_line)
		MUST(span_eq(text, (struct span){state.data, state.len}));
	block_format(&again, &line);
	MUST(line.len > 0 && line.data[line.len - 1] == '\n');
	MUST(block_parse((struct span){line.data, line.len - 1}, &from, &f) == 0);
	check_same(h, &from);
	MUST(event_hash_ok((struct span){line.data, line.len - 1}));
	right = memcmp(h->hash, again.hash, SHA256_SIZE) == 0;
	if (is_line) {
		MUST(right == event_hash_ok(text));
		MUST(right == span_eq(text, (struct span){line.data, line.len - 1}));
	}
	block_name(h, name);
	MUST(memchr(name, 0, sizeof(name)) != NULL);
	buf_release(&line);
	buf_release(&state);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct block_header h;
	struct json_fault f;
	struct span text;
	char *copy;

	/* To the byte, so that what is read behind it is seen. */
	MUST((copy = malloc(size > 0 ? size : 1)) != NULL);
	memcpy(copy, data, size);
	text = (struct span){copy, size};
	if (block_parse(text, &h, &f) == 0)
		round_trip(&h, text, true);
	else
		check_fault(&f, size);
	if (block_from_canonical(text, &h, &f) == 0)
		round_trip(&h, text, false);
	else
		check_fault(&f, size);
	free(copy);
	return (0);
}
