/* Who signed a block, by what its note says. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "checkpoint.h"
#include "cli.h"
#include "note.h"
#include "signers.h"

#include "banned.h"

/* Whether the note is over the line ${header} under that of an origin; its text ends with LF. */
static bool
is_over(const struct note *n, struct span header)
{
	const char *lf = memchr(n->text.p, '\n', n->text.len);
	size_t first = lf == NULL ? 0 : (size_t)(lf - n->text.p) + 1;

	return (n->text.len == first + header.len + 1 && memcmp(n->text.p + first, header.p, header.len) == 0);
}

/* Return 1 with the note's bytes, 0 where there is none, or -1. */
static int
read_note(int snap_fd, const char *name, struct buf *out, struct err *e)
{
	char path[BLOCK_NAME_SIZE + 64];

	snprintf(path, sizeof(path), "%s/.ecl/%s", name, CHECKPOINT_NOTE);
	return (checkpoint_read(snap_fd, path, out, e));
}

void
signers_read(int snap_fd, const struct block *b, struct buf *json, struct buf *text)
{
	struct buf bytes = BUF_INIT, signer = BUF_INIT;
	struct note n;
	struct err why = {0};
	size_t at = 0, i;
	int rc;

	if ((rc = read_note(snap_fd, b->name, &bytes, &why)) == -1) {
		/* Nobody can say of a note that it cannot be read, who only has no memory for it. */
		json->failed = json->failed || err_is_mem(&why);
		buf_adds(json, "null");
		buf_release(&bytes);
		return;
	}
	buf_addc(json, '[');
	if (rc == 1 && note_parse((struct span){bytes.data, bytes.len}, &n, NULL) == 0 &&
	    is_over(&n, (struct span){b->line.data, b->line.len}))
		for (i = 0; note_signer_next(&n, &at, &signer); i++) {
			json->failed = json->failed || signer.failed;
			buf_adds(json, i > 0 ? "," : "");
			cli_json_string((struct span){signer.data, signer.len}, json);
			buf_adds(text, i > 0 ? ", " : "");
			buf_add(text, signer.data, signer.len);
		}
	buf_addc(json, ']');
	buf_release(&bytes);
	buf_release(&signer);
}
