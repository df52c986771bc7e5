/* Any bytes as a proof: what is taken apart can be put together again, what is proven holds, and nothing is by a key that nobody has. */
#include "config.h"

#include <string.h>

#include "merkle.h"
#include "proof.h"
#include "proof_report.h"

#include "fuzz.h"

#include "banned.h"

#define VKEY "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"

/* One text for one proof. */
static void
round_trip(struct span bytes, const struct tlog_proof *p)
{
	struct buf record = BUF_INIT, again = BUF_INIT;
	bool has = tlog_proof_extra(p, &record, NULL) == 1;

	tlog_proof_format(p, (struct span){has ? record.data : NULL, record.len}, &again);
	MUST(again.len == bytes.len && (again.len == 0 || memcmp(again.data, bytes.p, again.len) == 0));
	buf_release(&record);
	buf_release(&again);
}

static void
check(struct span bytes, struct span known)
{
	const struct proof_trust nobody = {.unsigned_ok = true};
	struct buf out = BUF_INIT;
	uint8_t leaf[SHA256_SIZE];
	struct err e = {0};
	struct proof p;

	if (proof_check(bytes, (struct span){NULL, 0}, known, &nobody, &p, &e) != 0) {
		MUST((e.exit == EXIT_NO || e.exit == EXIT_ERROR) && e.text[0] != '\0');
		return;
	}
	MUST(p.signer == NULL && p.witnesses == 0);
	if (p.kind != TLOG_CONSISTENCY) {
		MUST(p.event.seq < p.size && event_hash_ok(p.line));
		merkle_leaf(p.event.hash, SHA256_SIZE, leaf);
		MUST(p.size > 1 || memcmp(leaf, p.root, SHA256_SIZE) == 0);
	}
	proof_report_json(&p, &out);
	proof_report_text(&p, false, &out);
	MUST(!out.failed && out.len > 0);
	buf_release(&out);
	proof_release(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct note_key key;
	const struct proof_trust somebody = {.key = &key, .keys = 1};
	const char *text = (const char *)data;
	const char *cut = size > 0 ? memchr(text, '\0', size) : NULL;
	struct span bytes = {text, cut != NULL ? (size_t)(cut - text) : size}, known = {NULL, 0};
	struct tlog_proof p;
	struct err e = {0};
	struct proof proven;

	if (key.name == NULL)
		MUST(note_key_parse(SPAN(VKEY), &key, NULL) == 0);
	/* Behind a NUL: the checkpoint that was kept. */
	if (cut != NULL)
		known = (struct span){cut + 1, size - bytes.len - 1};
	if (tlog_proof_parse(bytes, &p, &e) == 0) {
		MUST(p.hashes.len % SHA256_SIZE == 0 && p.note.p + p.note.len == bytes.p + bytes.len);
		round_trip(bytes, &p);
	} else
		MUST(e.exit == EXIT_ERROR && strncmp(e.text, "line ", 5) == 0);
	check(bytes, known);
	if (proof_check(bytes, (struct span){NULL, 0}, known, &somebody, &proven, &e) == 0) {
		MUST(proven.signer == &key);
		proof_release(&proven);
	}
	return (0);
}
