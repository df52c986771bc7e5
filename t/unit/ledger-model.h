/* A random log and a naive model of it, for the tests of what is derived from logs. */
#ifndef ECL_LEDGER_MODEL_H_
#define ECL_LEDGER_MODEL_H_

#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index.h"
#include "io.h"
#include "merkle.h"
#include "random.h"

/* One event as the model remembers it. */
struct m_event {
	uint32_t id;
	uint64_t parent;
	int64_t time_us;
	uint32_t flags;
	uint64_t segment, offset;
	uint32_t length;
	char *state; /* NULL: none */
	uint8_t hash[SHA256_SIZE], prev[SHA256_SIZE];
};

struct m_element {
	char *name;
	size_t len;
	uint64_t last; /* EVENT_NONE: not born yet */
	uint64_t first;
};

struct model {
	struct random r;
	char dir[64];	/* a temporary one; .ecl in it */
	int ecl_fd, log_fd;
	struct m_element *name; /* all names there will be */
	size_t names;
	uint32_t *by_id; /* their places in name, in the order of birth */
	uint64_t born;
	struct m_event *ev;
	uint64_t n, cap, written;
	uint64_t segment, offset;
	uint64_t a_segment; /* events a segment has on the average */
};

static void
model_die(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

/* Names that are prefixes of each other, that need escapes, that are long or not ASCII. */
static char *
model_name(struct model *m, size_t i)
{
	static const char *const odd[] = {"ecl:layer", "a", "a:", "a:b", "a:b:c", "a\"b", "a\\b", "\xc3\xa9l\xc3\xa9ment", "\xff", "z z", "~",
	    "ecl:block", "ecl", "ecl:"};
	char text[ELEMENT_MAX + 1];
	size_t len;

	if (i < sizeof(odd) / sizeof(odd[0]) && strcmp(odd[i], "\xff") != 0)
		return (strdup(odd[i]));
	if (random_below(&m->r, 40) == 0) {
		len = 400 + random_below(&m->r, ELEMENT_MAX - 400 + 1);
		memset(text, 'n', len);
		snprintf(text + len - 12, 13, "%012zu", i);
		return (strdup(text));
	}
	snprintf(text, sizeof(text), random_below(&m->r, 2) ? "interface:eth%zu" : "if:%zx/x", i);
	return (strdup(text));
}

static inline void
model_begin(struct model *m, uint64_t seed, size_t names, uint64_t a_segment)
{
	const char *tmp = getenv("TMPDIR");
	size_t i;
	int fd = -1;

	memset(m, 0, sizeof(*m));
	m->r.s = seed;
	m->a_segment = a_segment;
	/* Where fdatasync costs nothing, if that can be had. */
	if (tmp == NULL || strlen(tmp) > 40)
		tmp = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(m->dir, sizeof(m->dir), "%s/ecl-unit.XXXXXX", tmp);
	if (mkdtemp(m->dir) == NULL || (fd = open(m->dir, O_RDONLY | O_DIRECTORY)) == -1 || mkdirat(fd, ".ecl", 0750) != 0 ||
	    mkdirat(fd, ".ecl/log", 0750) != 0 || (m->ecl_fd = openat(fd, ".ecl", O_RDONLY | O_DIRECTORY)) == -1)
		model_die("cannot make a temporary directory");
	close(fd);
	m->log_fd = -1;
	m->name = calloc(names, sizeof(*m->name));
	m->by_id = calloc(names, sizeof(*m->by_id));
	m->names = names;
	for (i = 0; i < names; i++) {
		m->name[i].name = model_name(m, i);
		m->name[i].len = strlen(m->name[i].name);
		m->name[i].last = EVENT_NONE;
	}
}

static inline void
model_end(struct model *m)
{
	char command[128];
	uint64_t i;

	for (i = 0; i < m->n; i++)
		free(m->ev[i].state);
	for (i = 0; i < m->names; i++)
		free(m->name[i].name);
	free(m->ev);
	free(m->name);
	free(m->by_id);
	close(m->ecl_fd);
	snprintf(command, sizeof(command), "rm -rf '%s'", m->dir);
	if (system(command) != 0)
		model_die("cannot remove the temporary directory");
}

static inline struct span
model_span(const struct m_element *el)
{
	return ((struct span){el->name, el->len});
}

/* CRC-32C, bit by bit. */
static inline uint32_t
model_crc(const char *p)
{
	uint32_t crc = UINT32_MAX;
	int i;

	for (; *p != '\0'; p++)
		for (crc ^= (uint8_t)*p, i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	return (~crc);
}

/* What a row says of who did it, and what. */
static inline uint32_t
model_says(const char *actor, const char *action)
{
	uint32_t a = actor == NULL ? 0 : model_crc(actor);

	return (ROW_SAYS | (action == NULL ? 0 : (1 + model_crc(action) % 255) << 24) | (actor == NULL ? 0 : (1 + (a ^ a >> 16) % 65535) << 8));
}

/* Choose what happens next; nothing is written.  ${line}: where to format it, NULL: nowhere.  ${ret}: the event. */
static inline void
model_next(struct model *m, struct event *ret, struct buf *line)
{
	size_t which = m->n == 0 ? 0 : random_below(&m->r, (uint32_t)(random_below(&m->r, 3) ? m->names : m->names / 10 + 1)), at;
	struct m_element *el = &m->name[which];
	struct m_event *v;
	char text[1200];
	static const char *const actors[] = {NULL, "\"\"", "\"root\"", "\"a \\\"b\\\"\"", "\"\xc3\xa9\""}, *const metas[] = {NULL, "{\"actor\":\"x\"}", "\",\\\"actor\\\":\\\"x\""};
	uint32_t kind = m->n == 0 ? 0 : random_below(&m->r, 10);
	const char *actor = actors[random_below(&m->r, 5)], *meta = metas[random_below(&m->r, 8) < 6 ? 0 : 1 + random_below(&m->r, 2)];

	if (m->n == m->cap) {
		m->cap = m->cap == 0 ? 1024 : m->cap * 2;
		m->ev = realloc(m->ev, m->cap * sizeof(*m->ev));
	}
	v = &m->ev[m->n];
	memset(v, 0, sizeof(*v));
	memset(ret, 0, sizeof(*ret));
	if (el->last == EVENT_NONE) { /* its first event */
		el->first = m->n;
		m->by_id[m->born++] = (uint32_t)which;
	}
	v->id = el->first == m->n ? (uint32_t)m->born - 1 : m->ev[el->last].id;
	v->parent = el->last;
	el->last = m->n;
	v->time_us = INT64_C(1760000000000000) + (int64_t)m->n * 1000 / 3;
	if (kind < 7) {
		snprintf(text, sizeof(text), "{\"n\":%u,\"pad\":\"%0*u\"}", random_below(&m->r, 1000),
		    (int)random_below(&m->r, random_below(&m->r, 50) ? 60 : 1100), kind);
		v->state = strdup(text);
		ret->action = kind < 3 ? SPAN("create") : kind < 6 ? SPAN("modify") : SPAN("set");
		v->flags = ROW_STATE | (kind < 3 ? ROW_CREATE : kind < 6 ? ROW_MODIFY : 0);
	} else if (kind < 8) {
		v->state = strdup("null");
		ret->action = SPAN("delete");
		v->flags = ROW_STATE | ROW_GONE | ROW_DELETE;
	} else
		ret->action = SPAN("restart");
	v->flags |= model_says(actor, kind == 6 ? "set" : kind > 7 ? "restart" : NULL);
	if (actor != NULL)
		ret->actor = (struct span){actor, strlen(actor)};
	if (meta != NULL)
		ret->meta = (struct span){meta, strlen(meta)};
	if (strncmp(el->name, "ecl:", 4) == 0)
		v->flags |= ROW_OWN;
	ret->seq = m->n;
	ret->time_us = v->time_us;
	ret->element = model_span(el);
	ret->state = (struct span){v->state, v->state == NULL ? 0 : strlen(v->state)};
	ret->login = EVENT_NO_LOGIN;
	ret->parent = v->parent;
	if (m->n > 0) {
		memcpy(ret->prev, m->ev[m->n - 1].hash, SHA256_SIZE);
		if (random_below(&m->r, (uint32_t)m->a_segment) == 0) {
			m->segment = m->n;
			m->offset = 0;
		}
	}
	at = line->len;
	event_format(ret, line);
	memcpy(v->hash, ret->hash, SHA256_SIZE);
	v->segment = m->segment;
	v->offset = m->offset;
	v->length = (uint32_t)(line->len - at - 1);
	m->offset += line->len - at;
	m->n++;
}

/* Append lines that model_next() made, from event ${m->written} on. */
static inline void
model_write(struct model *m, const struct buf *lines)
{
	char path[64], name[LOG_NAME_SIZE];
	size_t at = 0, len;

	for (; m->written < m->n; m->written++, at += len) {
		struct m_event *v = &m->ev[m->written];

		len = v->length + 1;
		if (m->log_fd == -1 || v->offset == 0) {
			if (m->log_fd != -1)
				close(m->log_fd);
			log_segment_name(v->segment, name);
			snprintf(path, sizeof(path), "log/%s", name);
			if ((m->log_fd = openat(m->ecl_fd, path, O_WRONLY | O_CREAT, 0640)) == -1)
				model_die("cannot write the log");
		}
		if (io_pwrite(m->log_fd, lines->data + at, len, v->offset) != 0)
			model_die("cannot write the log");
	}
	close(m->log_fd);
	m->log_fd = -1;
}

/* ${n} events more, in the log. */
static inline void
model_grow(struct model *m, uint64_t n)
{
	struct buf lines = BUF_INIT;
	struct event ev;

	while (n-- > 0)
		model_next(m, &ev, &lines);
	model_write(m, &lines);
	buf_release(&lines);
}

#endif
