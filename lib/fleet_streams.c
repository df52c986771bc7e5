/* The streams of a fleet. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "fleet_streams.h"

#include "banned.h"

#define ASK_MS 500
#define DUPLICATES_NS (120 * INT64_C(1000000000))
#define HEADERS_MAX 4096 /* bytes of a message besides its lines */

/* ---- making and checking them ---- */

struct subjects {
	char text[FLEET_SHARDS][FLEET_PREFIX_MAX + 8];
	const char *list[FLEET_SHARDS];
	int n;
};

/* What stream ${n} takes. */
static void
find_subjects(const struct fleet_plan *plan, unsigned n, struct subjects *ret)
{
	unsigned shard;

	ret->n = 0;
	if (plan->streams == 1) {
		snprintf(ret->text[0], sizeof(ret->text[0]), "%s.>", plan->prefix);
		ret->list[ret->n++] = ret->text[0];
		return;
	}
	for (shard = n; shard < FLEET_SHARDS; shard += plan->streams) {
		snprintf(ret->text[ret->n], sizeof(ret->text[0]), "%s.%02u.>", plan->prefix, shard);
		ret->list[ret->n] = ret->text[ret->n];
		ret->n++;
	}
}

static void
configure(const struct fleet_plan *plan, const char *name, struct subjects *subjects, jsStreamConfig *c)
{
	jsStreamConfig_Init(c);
	c->Name = name;
	c->Subjects = subjects->list;
	c->SubjectsLen = subjects->n;
	c->Storage = js_FileStorage;
	c->Replicas = plan->replicas;
	c->Duplicates = DUPLICATES_NS;
	/* What is there stays there, whoever asks; what does not fit is refused, and the host keeps it. */
	c->DenyDelete = true;
	c->DenyPurge = true;
	c->Discard = js_DiscardNew;
	c->AllowDirect = true;
	c->MaxBytes = plan->max_bytes;
	c->MaxMsgSize = EVENT_LINE_MAX + 1 + HEADERS_MAX;
}

static bool
same_subjects(const jsStreamConfig *a, const jsStreamConfig *b)
{
	int i, j;

	for (i = 0; i < a->SubjectsLen; i++) {
		for (j = 0; j < b->SubjectsLen && strcmp(a->Subjects[i], b->Subjects[j]) != 0; j++)
			;
		if (j == b->SubjectsLen)
			return (false);
	}
	return (a->SubjectsLen == b->SubjectsLen);
}

/* In what ${is} is not as ${planned}, the worst first. */
static void
compare(const jsStreamConfig *is, const jsStreamConfig *planned, char *out, size_t size)
{
	*out = '\0';
	if (!same_subjects(is, planned))
		snprintf(out, size, "its subjects are others: '%.60s' is one of %d", is->SubjectsLen > 0 ? is->Subjects[0] : "", is->SubjectsLen);
	else if (is->Storage != js_FileStorage)
		snprintf(out, size, "it is kept in memory");
	else if (is->Replicas != planned->Replicas)
		snprintf(out, size, "it has %" PRId64 " replicas, not %" PRId64, is->Replicas, planned->Replicas);
	else if (!is->DenyDelete || !is->DenyPurge)
		snprintf(out, size, "messages may be deleted");
	else if (!is->AllowDirect)
		snprintf(out, size, "messages cannot be got directly");
	else if (is->Discard != js_DiscardNew || is->Retention != js_LimitsPolicy)
		snprintf(out, size, "it forgets old messages when it is full, or read");
	else if (is->MaxMsgSize != -1 && is->MaxMsgSize < planned->MaxMsgSize)
		snprintf(out, size, "it takes no messages over %d bytes", (int)is->MaxMsgSize);
	else if (is->MaxBytes != planned->MaxBytes && planned->MaxBytes != -1)
		snprintf(out, size, "its limit is %" PRId64 " bytes, not %" PRId64, is->MaxBytes, planned->MaxBytes);
}

int
fleet_stream_make(struct fleet_link *k, const struct fleet_plan *plan, unsigned n, struct fleet_stream_state *ret, struct err *e)
{
	struct subjects subjects;
	jsStreamInfo *si = NULL;
	jsStreamConfig c;
	jsErrCode code = 0;
	natsStatus s;
	char what[FLEET_STREAM_SIZE + 32];

	memset(ret, 0, sizeof(*ret));
	fleet_stream(plan->prefix, n, ret->name);
	find_subjects(plan, n, &subjects);
	configure(plan, ret->name, &subjects, &c);
	s = js_GetStreamInfo(&si, k->js, ret->name, NULL, &code);
	if (s == NATS_NOT_FOUND || code == JSStreamNotFoundErr) {
		if ((ret->missing = plan->check))
			return (0);
		ret->made = true;
		code = 0;
		s = js_AddStream(&si, k->js, &c, NULL, &code);
	}
	if (s != NATS_OK) {
		snprintf(what, sizeof(what), "stream '%s'", ret->name);
		return (fleet_link_error(k, s, code, what, e));
	}
	compare(si->Config, &c, ret->differs, sizeof(ret->differs));
	ret->messages = si->State.Msgs;
	ret->bytes = si->State.Bytes;
	ret->subjects = si->State.NumSubjects;
	snprintf(ret->leader, sizeof(ret->leader), "%s", si->Cluster != NULL && si->Cluster->Leader != NULL ? si->Cluster->Leader : "");
	jsStreamInfo_Destroy(si);
	return (0);
}

/* ---- which there are ---- */

/* The strings of `"streams":["A","B"]' in an answer. */
static int
read_names(struct span answer, struct buf *out, struct err *e)
{
	static const char key[] = "\"streams\":[";
	const char *p = memmem(answer.p, answer.len, key, sizeof(key) - 1), *end = answer.p + answer.len, *q;

	if (p == NULL)
		return (0);
	for (p += sizeof(key) - 1; p < end && *p == '"'; p = q[1] == ',' ? q + 2 : end) {
		if ((q = memchr(p + 1, '"', (size_t)(end - p - 1))) == NULL || q + 1 >= end)
			break;
		buf_add(out, p + 1, (size_t)(q - p - 1));
		buf_addc(out, '\0');
	}
	return (out->failed ? err_mem(e) : 0);
}

/* What an answer says in place of names. */
static int
answer_error(struct span answer, struct err *e)
{
	static const char key[] = "\"description\":\"", disabled[] = "\"err_code\":10039";
	const char *p = memmem(answer.p, answer.len, key, sizeof(key) - 1), *q;
	struct span text = {answer.p, answer.len < 300 ? answer.len : 300};

	if (p != NULL && (q = memchr(p + sizeof(key) - 1, '"', (size_t)(answer.p + answer.len - p) - sizeof(key) + 1)) != NULL)
		text = (struct span){p + sizeof(key) - 1, (size_t)(q - p) - sizeof(key) + 1};
	return ((memmem(answer.p, answer.len, disabled, sizeof(disabled) - 1) != NULL ? err_set : err_retry)(e, "cannot ask for the streams: %.*s", (int)text.len, text.p));
}

int
fleet_no_stream(const struct fleet_link *k, const char *subject, bool later, struct err *e)
{
	return ((later ? err_retry : err_set)(e, "no stream takes '%s'%s%.200s%s: 'ecl-fleet-setup' makes them", subject,
	    k->creds == NULL ? "" : " in the account of '", k->creds == NULL ? "" : k->creds, k->creds == NULL ? "" : "'"));
}

int
fleet_streams(struct fleet_link *k, const char *filter, struct buf *out, struct err *e)
{
	natsMsg *answer = NULL;
	natsStatus s;
	struct span text;
	char ask[512];
	int len, rc, waited;

	len = snprintf(ask, sizeof(ask), "{\"subject\":\"%s\"}", filter);
	/* The first thing that is asked: who may not ask, or not hear, is told soon, though the library waits on. */
	for (waited = 0, s = NATS_TIMEOUT; s == NATS_TIMEOUT && waited < FLEET_API_MS && !fleet_link_denied(k); waited += ASK_MS)
		s = natsConnection_Request(&answer, k->nc, "$JS.API.STREAM.NAMES", ask, len, ASK_MS);
	if (s != NATS_OK)
		return (fleet_link_error(k, s, 0, "cannot ask for the streams", e));
	text = (struct span){natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer)};
	if (memmem(text.p, text.len, "\"error\":", 8) != NULL)
		rc = answer_error(text, e);
	else
		rc = read_names(text, out, e);
	natsMsg_Destroy(answer);
	return (rc);
}
