/* The answers of ecl-snap --diff. */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "answer_files.h"
#include "base64.h"
#include "cli.h"
#include "files_diff.h"
#include "io.h"
#include "json.h"
#include "subvol.h"

#include "banned.h"

struct answer {
	struct present *p;
	struct buf line;
	int rc;
};

static int
on_file(void *arg, struct span path, const char *change)
{
	struct answer *a = arg;
	struct cell cells[] = {
	    {.name = "path", .kind = CELL_NAME, .text = path},
	    {.name = "change", .kind = CELL_NAME, .text = {change, strlen(change)}},
	};
	struct span line;

	buf_reset(&a->line);
	buf_adds(&a->line, "{\"path\":");
	cli_json_string(path, &a->line);
	buf_addf(&a->line, ",\"change\":\"%s\"", change);
	if (json_utf8(path.p, path.len) != path.len) {
		buf_adds(&a->line, ",\"raw\":\"");
		base64_encode(&a->line, (const uint8_t *)path.p, path.len);
		buf_addc(&a->line, '"');
	}
	buf_addc(&a->line, '}');
	line = (struct span){a->line.data, a->line.len};
	a->rc = a->line.failed ? -1 : present_answer(a->p, &line, cells, sizeof(cells) / sizeof(cells[0]));
	return (a->rc);
}

/* The block that ${when} means.  Return 0 or -1. */
static int
open_side(struct layer *l, const struct blocks *blocks, const char *when, struct files_side *ret, struct err *e)
{
	static const char without[] = "its files are not there to be compared";
	const struct block *b;

	if (blocks_find(blocks, when, l->ledger->log, cli_now_us(), without, &b, e) != 0)
		return (-1);
	if ((ret->fd = blocks_open(l->snap_fd, b->name, l->ledger->log, l->ledger->index, without, e)) == -1)
		return (-1);
	ret->block = &b->header;
	return (0);
}

static int
open_live(struct layer *l, struct files_side *ret, struct err *e)
{
	enum backend backend;

	if (subvol_backend(l->live_fd, &backend, e) != 0 || subvol_check_whole(backend, l->live_fd, e) != 0)
		return (-1);
	if ((ret->fd = io_open_dir(l->live_fd, ".", e)) == -1)
		return (-1);
	ret->block = NULL;
	return (0);
}

int
answer_files(struct layer *l, const struct blocks *blocks, const char *a, const char *b, struct present *p, struct err *e)
{
	struct files_side x, y;
	struct answer out = {.p = p};
	int rc = -1;

	if (open_side(l, blocks, a, &x, e) != 0)
		return (-1);
	if ((b == NULL ? open_live(l, &y, e) : open_side(l, blocks, b, &y, e)) != 0)
		goto out;
	rc = files_diff(l->snap_fd, &x, &y, l->watch, on_file, &out, e);
	if (rc == 0 && out.rc == -1)
		rc = err_mem(e);
	buf_release(&out.line);
	close(y.fd);
out:	close(x.fd);
	return (rc);
}
