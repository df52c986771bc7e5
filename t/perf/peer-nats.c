/*
 * What the bare client library does with the same bytes: peer-nats URL publish SUBJECT FILE sends the lines of FILE in messages of up
 * to 64 KiB, one at a time, each saying which one it follows; peer-nats URL subscribe SUBJECT N takes messages until N lines came.
 * No log, no check, no disk on this side.
 */
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE (64 << 10)

static void
check(natsStatus s, const char *what)
{
	if (s == NATS_OK)
		return;
	fprintf(stderr, "peer-nats: %s: %s\n", what, natsStatus_GetText(s));
	exit(2);
}

static void
publish(jsCtx *js, const char *subject, const char *file)
{
	static char message[MESSAGE + (1 << 20)];
	jsPubOptions o;
	jsPubAck *ack;
	uint64_t last = 0;
	size_t len = 0, cap = 0;
	char *line = NULL;
	ssize_t n;
	FILE *f = fopen(file, "r");

	if (f == NULL)
		check(NATS_SYS_ERROR, file);
	do {
		if ((n = getline(&line, &cap, f)) > 0 && len + (size_t)n <= MESSAGE) {
			memcpy(message + len, line, (size_t)n);
			len += (size_t)n;
			continue;
		}
		jsPubOptions_Init(&o);
		o.ExpectLastSubjectSeq = last;
		o.ExpectNoMessage = last == 0;
		check(js_Publish(&ack, js, subject, message, (int)len, &o, NULL), "publish");
		last = ack->Sequence;
		jsPubAck_Destroy(ack);
		len = 0;
		if (n > 0) {
			memcpy(message, line, (size_t)n);
			len = (size_t)n;
		}
	} while (n > 0 || len > 0);
	free(line);
	fclose(f);
}

static void
subscribe(jsCtx *js, const char *subject, long lines)
{
	natsSubscription *sub;
	jsSubOptions o;
	natsMsg *msg;
	const char *p, *end;

	jsSubOptions_Init(&o);
	o.Ordered = true;
	check(js_SubscribeSync(&sub, js, subject, NULL, &o, NULL), "subscribe");
	natsSubscription_SetPendingLimits(sub, -1, -1);
	while (lines > 0) {
		check(natsSubscription_NextMsg(&msg, sub, 10000), "next");
		p = natsMsg_GetData(msg);
		for (end = p + natsMsg_GetDataLength(msg); p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
			lines--;
		natsMsg_Destroy(msg);
	}
	natsSubscription_Destroy(sub);
}

int
main(int argc, char **argv)
{
	natsConnection *nc;
	jsCtx *js;

	if (argc != 5)
		return (2);
	check(natsConnection_ConnectTo(&nc, argv[1]), "connect");
	check(natsConnection_JetStream(&js, nc, NULL), "JetStream");
	if (strcmp(argv[2], "publish") == 0)
		publish(js, argv[3], argv[4]);
	else
		subscribe(js, argv[3], strtol(argv[4], NULL, 10));
	jsCtx_Destroy(js);
	natsConnection_Destroy(nc);
	nats_Close();
	return (0);
}
