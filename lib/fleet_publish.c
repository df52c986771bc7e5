/* Publishing a ledger. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "fleet_head.h"
#include "fleet_position.h"
#include "fleet_publish.h"
#include "fleet_streams.h"

#include "banned.h"

#define ACK_MS 2000

void
fleet_publish_release(struct fleet_publish *p)
{
	if (p->reading)
		log_reader_release(&p->reader);
	p->reading = false;
	follow_release(&p->end);
	buf_release(&p->message);
	buf_release(&p->line);
}

/* ---- messages ---- */

static int
read_from(struct fleet_publish *p, struct err *e)
{
	if (p->reading)
		log_reader_release(&p->reader);
	p->reading = false;
	buf_reset(&p->line);
	if (log_seek(p->end.log, p->size, &p->reader, e) != 0)
		return (-1);
	p->reading = true;
	return (0);
}

/* The next line into p->line, unless one waits there.  Return 1, 0 at the end, or -1. */
static int
next_line(struct fleet_publish *p, struct err *e)
{
	struct log_line line;
	int rc;

	if (p->line.len > 0)
		return (1);
	if ((rc = log_reader_next(&p->reader, &line, e)) != 1)
		return (rc);
	buf_addspan(&p->line, line.text);
	buf_addc(&p->line, '\n');
	return (p->line.failed ? err_mem(e) : 1);
}

/* Lines of the log that make a message.  Return 1, 0 where there are none, or -1. */
static int
fill(struct fleet_publish *p, struct err *e)
{
	int rc = 0;

	buf_reset(&p->message);
	p->message_events = 0;
	while (p->size + p->message_events < p->end.log->end.size && (rc = next_line(p, e)) == 1) {
		if (p->message.len > 0 && p->message.len + p->line.len > FLEET_MESSAGE_SIZE)
			break;
		buf_add(&p->message, p->line.data, p->line.len);
		p->message_events++;
		if (p->message.failed)
			return (err_mem(e));
		if (p->line.len <= EVENT_TAIL || hex_decode(p->line.data + p->line.len - 67, SHA256_SIZE, p->message_hash) != 0)
			return (err_set(e, "event %" PRIu64 " is no event: run 'ecl-verify'", p->size + p->message_events - 1));
		buf_reset(&p->line);
	}
	return (rc == -1 ? -1 : p->message_events > 0);
}

/* One message.  Return 0, or -1: it may be stored all the same. */
static int
send(struct fleet_publish *p, struct err *e)
{
	char id[FLEET_MSGID_SIZE];
	struct buf hex = BUF_INIT;
	jsPubOptions o;
	jsPubAck *ack = NULL;
	jsErrCode code = 0;
	natsStatus s;

	buf_addhex(&hex, p->message_hash, SHA256_SIZE);
	snprintf(id, sizeof(id), "%s:%s", p->id, buf_cstr(&hex));
	buf_release(&hex);
	jsPubOptions_Init(&o);
	o.MaxWait = ACK_MS;
	o.MsgId = id;
	if (p->head > 0)
		o.ExpectLastSubjectSeq = p->head;
	else
		o.ExpectNoMessage = true;
	s = js_Publish(&ack, p->link->js, p->subject, p->message.data, (int)p->message.len, &o, &code);
	if (s != NATS_OK)
		return (fleet_link_error(p->link, s, code, "cannot publish", e));
	/* The number of a duplicate is not to be relied on: the head tells. */
	if (ack->Duplicate) {
		jsPubAck_Destroy(ack);
		return (err_retry(e, "the message was there already"));
	}
	p->head = ack->Sequence;
	jsPubAck_Destroy(ack);
	p->size += p->message_events;
	memcpy(p->hash, p->message_hash, SHA256_SIZE);
	p->events += p->message_events;
	p->bytes += p->message.len;
	p->messages++;
	return (0);
}

/* ---- the whole ---- */

/* What is to be known before anything is sent: which ledger, which stream. */
static int
begin(struct fleet_publish *p, struct err *e)
{
	char token[FLEET_HOST_MAX + 1];
	struct buf line = BUF_INIT;
	int rc = -1;

	if (fleet_token(p->host, token, e) != 0)
		return (-1);
	if (p->end.log->end.size == 0)
		return (layer_no_events(p->layer, e));
	if (log_line(p->end.log, 0, &line, e) == 0 && fleet_genesis_id((struct span){line.data, line.len}, p->id, e) == 0) {
		fleet_subject(p->prefix, token, p->id, p->subject);
		rc = 0;
	}
	buf_release(&line);
	return (rc);
}

static int
find_stream(struct fleet_publish *p, struct err *e)
{
	struct buf names = BUF_INIT;
	int rc = fleet_streams(p->link, p->subject, &names, e);

	if (rc == 0 && names.len == 0)
		rc = fleet_no_stream(p->link, p->subject, p->found, e);
	if (rc == 0 && names.len > sizeof(p->stream))
		rc = err_set(e, "'%.200s' is not a stream that 'ecl-fleet-setup' made", names.data);
	if (rc == 0)
		memcpy(p->stream, names.data, strlen(names.data) + 1);
	buf_release(&names);
	return (rc);
}

static int
look_up(struct fleet_publish *p, struct err *e)
{
	struct fleet_head head;

	if (p->link->nc == NULL && fleet_link_open(p->link, e) != 0)
		return (-1);
	if ((p->stream[0] == '\0' && find_stream(p, e) != 0) || fleet_head(p->link, p->stream, p->subject, p->end.log, &head, e) != 0)
		return (-1);
	p->found = true;
	p->reconnects = fleet_link_reconnects(p->link);
	p->head = head.at;
	p->size = head.size;
	memcpy(p->hash, head.hash, SHA256_SIZE);
	return (read_from(p, e));
}

static void
went_well(struct fleet_publish *p)
{
	int64_t now = fleet_now_ms();

	if (p->link->tries > 0)
		(void)fleet_link_outage(p->link, now - p->since_ms);
	p->since_ms = now;
	fleet_link_progress(p->link);
}

/* Everything up to the durable end that is known.  Return 0, or -1: then it is not known any more what the engine has. */
static int
push(struct fleet_publish *p, struct err *e)
{
	int rc;

	while (*p->link->stopped == 0 && (rc = fill(p, e)) != 0) {
		if (rc == -1 || send(p, e) != 0)
			return (-1);
		went_well(p);
		p->step(p->link->arg, p->size, p->end.log->end.size);
	}
	return (0);
}

/* Until all is there.  Return 0 or -1. */
static int
publish(struct fleet_publish *p, bool known, struct err *e)
{
	struct err why;
	uint64_t size;
	bool told = false;

	for (;;) {
		why = (struct err){0};
		size = p->size;
		if ((known || look_up(p, &why) == 0)) {
			/* That it answers is no progress, and that it took what it did not acknowledge is. */
			if (p->size != size)
				went_well(p);
			if (push(p, &why) == 0) {
				went_well(p);
				return (0);
			}
		}
		known = false;
		if (why.exit != EXIT_RETRY || *p->link->stopped != 0 || (!p->follow && fleet_now_ms() - p->since_ms >= p->wait_ms)) {
			*e = why;
			return (*p->link->stopped != 0 && why.exit == EXIT_RETRY ? 0 : -1);
		}
		/* Whatever went well since, this is another trouble. */
		told = told && p->link->tries > 0;
		if (p->follow && !told && p->link->tries > 1) {
			p->link->note(p->link->arg, why.text);
			told = true;
		}
		/* A library that has given up begins anew; a stream may have been made anew. */
		if (p->link->nc != NULL && natsConnection_IsClosed(p->link->nc))
			fleet_link_close(p->link);
		p->stream[0] = '\0';
		fleet_link_back_off(p->link);
	}
}

/* Forget what woke us. */
static void
calm(const struct fleet_link *k)
{
	uint64_t count;

	if (read(k->wake_fd, &count, sizeof(count)) == -1)
		return;
}

/* As new events are committed. */
static int
follow(struct fleet_publish *p, struct err *e)
{
	unsigned what;
	bool moved, lost;

	while (*p->link->stopped == 0) {
		if (follow_wait(&p->end, -1, p->link->wake_fd, -1, &what, e) != 0)
			return (-1);
		if ((what & FOLLOW_WOKEN) != 0)
			calm(p->link);
		/* That the engine lost something, or does not know us any more, is learned now, not with the next event. */
		lost = fleet_link_reconnects(p->link) != p->reconnects || natsConnection_IsClosed(p->link->nc);
		moved = false;
		if ((what & FOLLOW_CHANGED) == 0 && !lost)
			continue;
		if ((what & FOLLOW_CHANGED) != 0 && follow_look(&p->end, &moved, e) != 0)
			return (-1);
		/* A log in place of the former one is held against the engine again. */
		p->since_ms = fleet_now_ms();
		if (publish(p, !moved && !lost, e) != 0)
			return (-1);
	}
	return (0);
}

int
fleet_publish(struct fleet_publish *p, struct err *e)
{
	memset(&p->end, 0, sizeof(p->end));
	p->end.watch_fd = -1;
	p->since_ms = fleet_now_ms();
	if (follow_open(&p->end, p->layer, p->follow, e) != 0 || begin(p, e) != 0 || publish(p, false, e) != 0)
		return (-1);
	return (p->follow ? follow(p, e) : 0);
}
