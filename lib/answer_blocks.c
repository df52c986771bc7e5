/* Blocks, cell by cell, to a presenter. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "answer_blocks.h"
#include "cli.h"
#include "event.h"
#include "signers.h"

#include "banned.h"

/* The header as it stands, with four members more; of a damaged one what is known. */
static int
give_block(struct present *p, const struct blocks *blocks, size_t i, int snap_fd, const char *snapshots)
{
	const struct block *b = &blocks->list.block[i];
	const struct block_header *h = &b->header;
	const struct block_told *told = &blocks->told[i];
	bool present = blocks->present[i], table = p->format == PRESENT_TABLE;
	const char *is = present ? "here" : told->pruned ? "pruned" : "gone";
	char time[TIME_SIZE];
	struct buf line = BUF_INIT, path = BUF_INIT, signed_json = BUF_INIT, signers = BUF_INIT;
	struct span text;
	int rc;

	if (present && b->good)
		signers_read(snap_fd, b, &signed_json, &signers);
	else
		buf_adds(&signed_json, "null");
	if (present && (!b->good || signers.len > 0))
		is = b->good ? "signed" : "damaged";

	struct cell cells[] = {
	    {.name = "height", .kind = CELL_NUMBER, .n = b->height},
	    {.name = "time", .kind = CELL_TIME, .n = b->good ? (uint64_t)h->time_us : PRESENT_NONE},
	    {.name = "size", .kind = CELL_NUMBER, .n = b->good ? h->size : PRESENT_NONE},
	    {.name = "elements", .kind = CELL_NUMBER, .n = b->good ? h->elements : PRESENT_NONE},
	    {.name = "entries", .kind = CELL_NUMBER, .n = b->good ? h->entries : PRESENT_NONE},
	    {.name = "signed", .kind = CELL_NAME, .text = {signers.data, signers.len}},
	    {.name = "block", .kind = CELL_NAME, .text = {b->name, strlen(b->name)}},
	    {.name = "present", .kind = CELL_FLAG, .n = present},
	    {.name = "pruned", .kind = CELL_TIME, .n = told->pruned ? (uint64_t)told->pruned_us : PRESENT_NONE},
	};
	/* Those that fit on 80 columns. */
	struct cell shown[] = {cells[6], cells[1], cells[2], cells[3], cells[4],
	    {.name = "snapshot", .kind = CELL_NAME, .text = {is, strlen(is)}}};

	if (b->good)
		buf_add(&line, b->line.data, b->line.len - 1);
	else
		buf_addf(&line, "{\"height\":%" PRIu64, b->height);
	buf_adds(&line, ",\"path\":");
	buf_adds(&path, snapshots);
	buf_addc(&path, '/');
	buf_adds(&path, b->name);
	if (present)
		cli_json_string((struct span){path.data, path.len}, &line);
	else
		buf_adds(&line, "null");
	buf_adds(&line, present ? ",\"present\":true,\"pruned\":" : ",\"present\":false,\"pruned\":");
	event_time_format(told->pruned_us, time);
	if (told->pruned)
		buf_addf(&line, "\"%s\"", time);
	else
		buf_adds(&line, "null");
	buf_adds(&line, ",\"signed\":");
	buf_addspan(&line, (struct span){signed_json.data, signed_json.len});
	buf_addc(&line, '}');
	text = (struct span){line.data, line.len};
	if (line.failed || path.failed || signed_json.failed || signers.failed)
		rc = -1;
	else
		rc = present_answer(p, &text, table ? shown : cells,
		    table ? sizeof(shown) / sizeof(shown[0]) : sizeof(cells) / sizeof(cells[0]));
	buf_release(&signed_json);
	buf_release(&signers);
	buf_release(&line);
	buf_release(&path);
	return (rc);
}

int
answer_blocks(const struct blocks *blocks, int snap_fd, const char *snapshots, struct present *p, struct err *e)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < blocks->list.n; i++)
		rc = give_block(p, blocks, i, snap_fd, snapshots);
	return (rc == -1 ? err_mem(e) : 0);
}

int
answer_header(const struct block_header *h, struct span line, struct present *p, struct err *e)
{
	char name[BLOCK_NAME_SIZE];

	block_name(h, name);
	struct cell cells[] = {
	    {.name = "height", .kind = CELL_NUMBER, .n = h->height},
	    {.name = "time", .kind = CELL_TIME, .n = (uint64_t)h->time_us},
	    {.name = "size", .kind = CELL_NUMBER, .n = h->size},
	    {.name = "elements", .kind = CELL_NUMBER, .n = h->elements},
	    {.name = "entries", .kind = CELL_NUMBER, .n = h->entries},
	    {.name = "block", .kind = CELL_NAME, .text = {name, strlen(name)}},
	};

	return (present_answer(p, &line, cells, sizeof(cells) / sizeof(cells[0])) == -1 ? err_mem(e) : 0);
}
