/* What a ledger is called on the engine. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "event.h"
#include "fleet_name.h"

#include "banned.h"

static bool
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

/* Of a host's name, but for `.' and `_'. */
static bool
is_plain(char c)
{
	return (is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-');
}

bool
fleet_prefix_ok(const char *prefix)
{
	size_t i;

	for (i = 0; prefix[i] != '\0'; i++)
		if (!is_plain(prefix[i]) || (prefix[i] >= 'A' && prefix[i] <= 'Z'))
			return (false);
	return (i > 0 && i <= FLEET_PREFIX_MAX);
}

/* Whether it may stand in a subject, and name a directory. */
static bool
id_ok(struct span id)
{
	size_t i;

	if (id.len != FLEET_ID_SIZE - 1)
		return (false);
	for (i = 0; i < id.len; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? id.p[i] != '-' : !is_digit(id.p[i]) && (id.p[i] < 'a' || id.p[i] > 'f'))
			return (false);
	return (true);
}

unsigned
fleet_shard(const char *id)
{
	uint8_t hash[SHA256_SIZE];

	sha256(id, strlen(id), hash);
	return (hash[0] % FLEET_SHARDS);
}

int
fleet_token(const char *host, char *out, struct err *e)
{
	size_t i;

	for (i = 0; host[i] != '\0' && i < FLEET_HOST_MAX; i++) {
		if (!is_plain(host[i]) && host[i] != '.' && host[i] != '_')
			return (err_set(e, "'%.255s' is no host's name: letters, digits, '-', '_' and '.'", host));
		out[i] = host[i];
		if (host[i] == '.')
			out[i] = '_';
		if (host[i] == '_')
			out[i] = '~';
	}
	if (i == 0 || host[i] != '\0')
		return (err_set(e, "a host's name has 1 to %u bytes", FLEET_HOST_MAX));
	out[i] = '\0';
	return (0);
}

void
fleet_subject(const char *prefix, const char *token, const char *id, char *out)
{
	snprintf(out, FLEET_SUBJECT_SIZE, "%s.%02u.%s.%s", prefix, fleet_shard(id), token, id);
}

void
fleet_stream(const char *prefix, unsigned k, char *out)
{
	char *p;

	snprintf(out, FLEET_STREAM_SIZE, "%s_%02u", prefix, k % 100);
	for (p = out; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
}

/* The name behind a token.  Return its length, 0 where it is none. */
static size_t
host_of(const char *token, size_t len, char *out)
{
	size_t i;

	if (len == 0 || len > FLEET_HOST_MAX)
		return (0);
	for (i = 0; i < len; i++) {
		if (!is_plain(token[i]) && token[i] != '_' && token[i] != '~')
			return (0);
		out[i] = token[i];
		if (token[i] == '_')
			out[i] = '.';
		if (token[i] == '~')
			out[i] = '_';
	}
	out[len] = '\0';
	return (len);
}

const char *
fleet_subject_parse(const char *prefix, const char *subject, struct fleet_name *ret)
{
	size_t len = strlen(prefix);
	const char *p = subject + len, *dot;

	if (strncmp(subject, prefix, len) != 0 || *p++ != '.')
		return ("it has another prefix");
	if (!is_digit(p[0]) || !is_digit(p[1]) || p[2] != '.')
		return ("it has no shard");
	ret->shard = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
	p += 3;
	if ((dot = strchr(p, '.')) == NULL || host_of(p, (size_t)(dot - p), ret->host) == 0)
		return ("it has no host");
	p = dot + 1;
	if (!id_ok((struct span){p, strlen(p)}))
		return ("it does not end with a ledger's id");
	memcpy(ret->id, p, FLEET_ID_SIZE);
	return (fleet_shard(ret->id) == ret->shard ? NULL : "its shard is another ledger's");
}

int
fleet_genesis_id(struct span line, char ret[FLEET_ID_SIZE], struct err *e)
{
	struct json_fault f;
	struct event ev;
	struct span id;

	if (event_parse(line, &ev, &f) != 0)
		return (err_set(e, "event 0, byte %zu: %s", f.at + 1, f.what));
	if (!span_is(ev.element, "ecl:layer") || ev.state.p == NULL || *ev.state.p != '{' || json_get(ev.state, "id", &id) != 1 || id.len < 2)
		return (err_set(e, "event 0 is not the beginning of a ledger"));
	id = (struct span){id.p + 1, id.len - 2};
	if (!id_ok(id))
		return (err_set(e, "the id of the ledger, '%.*s', is not a UUID", (int)id.len, id.p));
	memcpy(ret, id.p, id.len);
	ret[id.len] = '\0';
	return (0);
}
