/* The connection to the engine, and what its errors mean. */
#include "config.h"

#include <sys/random.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "event.h"
#include "fleet_creds.h"
#include "fleet_link.h"
#include "fleet_url.h"

#include "banned.h"

#define CONNECT_MS 5000
#define PING_MS 5000
#define BACK_OFF_MS 100
#define BACK_OFF_MAX_MS 30000

int64_t
fleet_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* Half of ${ms} to all of it: a fleet that lost its engine must not come back in one moment. */
static int64_t
jitter(int64_t ms)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != (ssize_t)sizeof(r))
		r = (uint32_t)getpid();
	return (ms / 2 + (int64_t)(r % (uint64_t)(ms / 2 + 1)));
}

static int64_t
delay_of(unsigned tries)
{
	int64_t ms = (int64_t)BACK_OFF_MS << (tries < 10 ? tries : 10);

	return (jitter(ms < BACK_OFF_MAX_MS ? ms : BACK_OFF_MAX_MS));
}

void
fleet_link_wake(const struct fleet_link *k)
{
	const uint64_t one = 1;

	if (k->wake_fd != -1 && write(k->wake_fd, &one, sizeof(one)) == -1)
		return;
}

void
fleet_link_back_off(struct fleet_link *k)
{
	struct pollfd p = {.fd = k->wake_fd, .events = POLLIN};
	int64_t until = fleet_now_ms() + delay_of(k->tries++), left;
	uint64_t count;

	while (*k->stopped == 0 && (left = until - fleet_now_ms()) > 0) {
		/* What woke us is looked at when the work goes on. */
		if (poll(&p, 1, (int)left) == 1 && read(k->wake_fd, &count, sizeof(count)) == -1)
			continue;
	}
}

void
fleet_link_progress(struct fleet_link *k)
{
	k->tries = 0;
}

uint64_t
fleet_link_reconnects(struct fleet_link *k)
{
	uint64_t n;

	pthread_mutex_lock(&k->lock);
	n = k->reconnects;
	pthread_mutex_unlock(&k->lock);
	return (n);
}

int64_t
fleet_link_outage(struct fleet_link *k, int64_t ms)
{
	pthread_mutex_lock(&k->lock);
	ms = k->outage_ms = ms > k->outage_ms ? ms : k->outage_ms;
	pthread_mutex_unlock(&k->lock);
	return (ms);
}

bool
fleet_link_missed(struct fleet_link *k)
{
	bool is;

	pthread_mutex_lock(&k->lock);
	is = k->missed;
	k->missed = false;
	pthread_mutex_unlock(&k->lock);
	return (is);
}

bool
fleet_link_denied(struct fleet_link *k)
{
	bool is;

	pthread_mutex_lock(&k->lock);
	is = k->denied[0] != '\0';
	pthread_mutex_unlock(&k->lock);
	return (is);
}

/* ---- what happens to the connection, in threads of the client library ---- */

static int64_t
on_delay(natsConnection *nc, int attempts, void *arg)
{
	(void)nc;
	(void)arg;
	return (delay_of(attempts > 0 ? (unsigned)attempts : 0));
}

static void
on_disconnected(natsConnection *nc, void *arg)
{
	struct fleet_link *k = arg;
	bool told;

	pthread_mutex_lock(&k->lock);
	/* That we closed one ourselves is heard later, maybe when the next one is there. */
	told = k->lost || k->closing || nc != k->nc;
	if (!told) {
		k->lost = true;
		k->lost_ms = fleet_now_ms();
	}
	pthread_mutex_unlock(&k->lock);
	if (!told && *k->stopped == 0)
		k->note(k->arg, "the connection is lost: trying again");
	fleet_link_wake(k);
}

/* The library gave up: the server no longer knows us. */
static void
on_closed(natsConnection *nc, void *arg)
{
	(void)nc;
	fleet_link_wake(arg);
}

static void
on_reconnected(natsConnection *nc, void *arg)
{
	struct fleet_link *k = arg;
	char text[64];
	int64_t ms;

	pthread_mutex_lock(&k->lock);
	if (nc != k->nc) {
		pthread_mutex_unlock(&k->lock);
		return;
	}
	ms = k->lost ? fleet_now_ms() - k->lost_ms : 0;
	k->lost = false;
	k->reconnects++;
	pthread_mutex_unlock(&k->lock);
	(void)fleet_link_outage(k, ms);
	snprintf(text, sizeof(text), "connected again after %" PRId64 ".%" PRId64 " s", ms / 1000, ms % 1000 / 100);
	k->note(k->arg, text);
	fleet_link_wake(k);
}

static void
on_error(natsConnection *nc, natsSubscription *sub, natsStatus status, void *arg)
{
	struct fleet_link *k = arg;
	const char *text = NULL;

	(void)sub;
	if (status == NATS_SLOW_CONSUMER || status == NATS_MISMATCH || status == NATS_MISSED_HEARTBEAT) {
		pthread_mutex_lock(&k->lock);
		k->missed = k->missed || status != NATS_SLOW_CONSUMER;
		pthread_mutex_unlock(&k->lock);
		fleet_link_wake(k);
		return;
	}
	natsConnection_GetLastError(nc, &text);
	if (text == NULL || (status != NATS_NOT_PERMITTED && strcasestr(text, "permission") == NULL))
		return;
	pthread_mutex_lock(&k->lock);
	if (nc == k->nc || k->nc == NULL)
		snprintf(k->denied, sizeof(k->denied), "%s", text);
	pthread_mutex_unlock(&k->lock);
	fleet_link_wake(k);
}

/* ---- errors ---- */

/* A server does not say why it refuses a user; what we can know ourselves of the JWT, we do. */
static void
hint_creds(const char *path, char *out, size_t size)
{
	int64_t now = (int64_t)time(NULL), at;
	struct fleet_creds c;
	char text[TIME_SIZE];

	if (fleet_creds_read(path, &c, NULL) != 0 || ((c.until == 0 || now < c.until) && now >= c.from)) {
		snprintf(out, size, " (does the server know the account that issued '%.200s', and is the user not revoked?)", path);
		return;
	}
	at = now < c.from ? c.from : c.until;
	event_time_format(at * 1000000, text);
	snprintf(out, size, " (the credentials '%.200s' %s %.19sZ)", path, now < c.from ? "are not good before" : "expired at", text);
}

/* What can be done about it, in words that lead on; "" where the error says it. */
static void
hint(const struct fleet_link *k, natsStatus status, char *out, size_t size)
{
	const char *text = "";

	if (status == NATS_SSL_ERROR)
		text = k->tls_ca == NULL ? " (is the server's authority known? see --tls-ca)" : " (is --tls-ca the server's authority?)";
	else if (status == NATS_SECURE_CONNECTION_WANTED)
		text = " (the server has no TLS, and tls://, --tls-ca or --tls-cert asks for it)";
	else if (status == NATS_SECURE_CONNECTION_REQUIRED)
		text = " (see --tls-ca, --tls-cert and --tls-key)";
	else if (status == NATS_CONNECTION_AUTH_FAILED && k->creds != NULL) {
		hint_creds(k->creds, out, size);
		return;
	} else if (status == NATS_NO_SERVER) {
		fleet_url_unknown(k->url, out, size);
		return;
	} else if (status == NATS_CONNECTION_AUTH_FAILED)
		text = " (see --creds, --tls-cert and NATS_URL)";
	snprintf(out, size, "%s", text);
}

int
fleet_link_error(struct fleet_link *k, natsStatus status, jsErrCode code, const char *what, struct err *e)
{
	const char *last = nats_GetLastError(NULL);
	char denied[sizeof(k->denied)], more[320];

	pthread_mutex_lock(&k->lock);
	memcpy(denied, k->denied, sizeof(denied));
	k->denied[0] = '\0';
	pthread_mutex_unlock(&k->lock);
	if (denied[0] != '\0')
		return (err_set(e, "%s: the server refused: %s", what, denied));
	/* The library says where in its source it failed: that is for its authors. */
	if (last != NULL && *last == '(' && strstr(last, "): ") != NULL)
		last = strstr(last, "): ") + 3;
	if (last == NULL || *last == '\0' || status == NATS_TIMEOUT)
		last = natsStatus_GetText(status);
	if (status == NATS_INSUFFICIENT_BUFFER)
		last = "there is no connection";
	/* With TLS 1.3 who is not let in is told after the handshake, and only by silence; a server that ends is silent once. */
	if (strstr(last, "got ''") != NULL)
		return ((k->tries > 0 ? err_set : err_retry)(e, "%s: the server closed the connection: %s", what,
		    k->tls_cert == NULL ? "does it want a certificate? (see --tls-cert and --tls-key)" : "does it know the authority of our certificate?"));
	switch (status) {
	case NATS_NO_MEMORY:
		return (err_mem(e));
	case NATS_SSL_ERROR:
	case NATS_SECURE_CONNECTION_WANTED:
	case NATS_SECURE_CONNECTION_REQUIRED:
	case NATS_CONNECTION_AUTH_FAILED:
	case NATS_NOT_PERMITTED:
	case NATS_ADDRESS_MISSING:
	case NATS_INVALID_ARG:
	case NATS_INVALID_SUBJECT:
	case NATS_MAX_PAYLOAD:
	case NATS_NO_SERVER_SUPPORT:
		hint(k, status, more, sizeof(more));
		return (err_set(e, "%s: %s%s", what, last, more));
	default:
		break;
	}
	if (status == NATS_NO_RESPONDERS)
		return (err_retry(e, "%s: JetStream does not answer: is it enabled on the server, and for this account?", what));
	/* What waiting does not change. */
	if (code == JSStreamMessageExceedsMaximumErr || code == JSNotEnabledForAccountErr || code == JSStreamSubjectOverlapErr ||
	    code == JSStreamReplicasNotSupportedErr || code == JSStreamNameExistErr)
		return (err_set(e, "%s: %s", what, last));
	hint(k, status, more, sizeof(more));
	return (err_retry(e, "%s: %s%s", what, last, more));
}

/* ---- connecting ---- */

static natsStatus
set_servers(natsOptions *o, const char *url)
{
	const char *server[FLEET_SERVERS_MAX];
	natsStatus s = NATS_NO_MEMORY;
	char *copy, *p, *comma;
	int n = 0;

	if ((copy = strdup(url)) == NULL)
		return (s);
	for (p = copy; p != NULL && n < FLEET_SERVERS_MAX; p = comma) {
		if ((comma = strchr(p, ',')) != NULL)
			*comma++ = '\0';
		if (*p != '\0')
			server[n++] = p;
	}
	s = natsOptions_SetServers(o, server, n);
	free(copy);
	return (s);
}

/* What the library says of a file that is not there is "(null)". */
static int
check_files(const struct fleet_link *k, struct err *e)
{
	const char *const path[] = {k->tls_ca, k->tls_cert, k->tls_key};
	struct fleet_creds creds;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		if (path[i] == NULL)
			continue;
		if ((fd = open(path[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) == -1)
			return (err_sys(e, "cannot open '%s'", path[i]));
		close(fd);
	}
	return (k->creds == NULL ? 0 : fleet_creds_read(k->creds, &creds, e));
}

static natsStatus
set_security(const struct fleet_link *k, natsOptions *o)
{
	natsStatus s = NATS_OK;

	/* The library takes tls:// for a wish, and goes on in the clear with a server that offers nothing else. */
	if (k->tls_ca != NULL || k->tls_cert != NULL || strncmp(k->url, "tls://", 6) == 0 || strstr(k->url, ",tls://") != NULL)
		s = natsOptions_SetSecure(o, true);
	if (s == NATS_OK && k->tls_ca != NULL)
		s = natsOptions_LoadCATrustedCertificates(o, k->tls_ca);
	if (s == NATS_OK && k->tls_cert != NULL)
		s = natsOptions_LoadCertificatesChain(o, k->tls_cert, k->tls_key);
	if (s == NATS_OK && k->creds != NULL)
		s = natsOptions_SetUserCredentialsFromFiles(o, k->creds, NULL);
	return (s);
}

static natsStatus
set_options(struct fleet_link *k, natsOptions *o)
{
	natsStatus s = set_servers(o, k->url);

	if (s == NATS_OK)
		s = natsOptions_SetTimeout(o, CONNECT_MS);
	if (s == NATS_OK)
		s = natsOptions_SetMaxReconnect(o, -1);
	if (s == NATS_OK)
		s = natsOptions_SetCustomReconnectDelay(o, on_delay, k);
	/* What cannot be sent now is not sent later, behind our back. */
	if (s == NATS_OK)
		s = natsOptions_SetReconnectBufSize(o, 0);
	if (s == NATS_OK)
		s = natsOptions_SetFailRequestsOnDisconnect(o, true);
	if (s == NATS_OK)
		s = natsOptions_SetPingInterval(o, PING_MS);
	if (s == NATS_OK)
		s = natsOptions_SetDisconnectedCB(o, on_disconnected, k);
	if (s == NATS_OK)
		s = natsOptions_SetClosedCB(o, on_closed, k);
	if (s == NATS_OK)
		s = natsOptions_SetReconnectedCB(o, on_reconnected, k);
	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(o, on_error, k);
	if (s == NATS_OK)
		s = natsOptions_SetName(o, "ecl");
	if (s == NATS_OK)
		s = natsOptions_SetCustomInboxPrefix(o, k->inbox);
	/* One thread, whatever the number of streams. */
	if (s == NATS_OK)
		s = natsOptions_UseGlobalMessageDelivery(o, true);
	return (s);
}

int
fleet_link_open(struct fleet_link *k, struct err *e)
{
	natsConnection *nc = NULL;
	natsOptions *o = NULL;
	jsOptions jo;
	natsStatus s;
	char what[160];

	pthread_mutex_lock(&k->lock);
	k->closing = k->lost = false;
	k->denied[0] = '\0';
	pthread_mutex_unlock(&k->lock);
	if (check_files(k, e) != 0)
		return (-1);
	if ((s = natsOptions_Create(&o)) != NATS_OK)
		return (fleet_link_error(k, s, 0, "cannot begin", e));
	if ((s = set_security(k, o)) != NATS_OK) {
		fleet_link_error(k, s == NATS_SSL_ERROR ? NATS_ERR : s, 0, "cannot use the certificates", e);
		e->exit = EXIT_ERROR;
		goto err1;
	}
	/* A URL of the environment may hold a password. */
	snprintf(what, sizeof(what), "cannot connect to '%.120s'", strchr(k->url, '@') == NULL ? k->url : "NATS_URL");
	if ((s = set_options(k, o)) != NATS_OK || (s = natsConnection_Connect(&nc, o)) != NATS_OK) {
		fleet_link_error(k, s, 0, what, e);
		goto err1;
	}
	pthread_mutex_lock(&k->lock);
	k->nc = nc;
	pthread_mutex_unlock(&k->lock);
	jsOptions_Init(&jo);
	jo.Wait = FLEET_API_MS;
	if ((s = natsConnection_JetStream(&k->js, k->nc, &jo)) != NATS_OK) {
		fleet_link_error(k, s, 0, what, e);
		goto err1;
	}
	natsOptions_Destroy(o);
	return (0);

err1:	natsOptions_Destroy(o);
	fleet_link_close(k);
	return (-1);
}

void
fleet_link_close(struct fleet_link *k)
{
	natsConnection *nc;

	pthread_mutex_lock(&k->lock);
	k->closing = true;
	nc = k->nc;
	k->nc = NULL;
	pthread_mutex_unlock(&k->lock);
	jsCtx_Destroy(k->js);
	natsConnection_Destroy(nc);
	k->js = NULL;
}
