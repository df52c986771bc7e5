/* The servers that a URL names. */
#include "config.h"

#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "fleet_url.h"

#include "banned.h"

#define HOST_SIZE 256u

/* What stands behind the user and before the port, without the brackets of an address; "" where it is longer than any name. */
static void
host_of(struct span server, char out[HOST_SIZE])
{
	const char *p = memmem(server.p, server.len, "://", 3), *end = server.p + server.len;
	size_t len;

	server.p = p == NULL ? server.p : p + 3;
	if ((p = memrchr(server.p, '@', (size_t)(end - server.p))) != NULL)
		server.p = p + 1;
	if (server.p < end && *server.p == '[') {
		server.p++;
		p = memchr(server.p, ']', (size_t)(end - server.p));
	} else
		p = memchr(server.p, ':', (size_t)(end - server.p));
	len = (size_t)((p == NULL ? end : p) - server.p);
	snprintf(out, HOST_SIZE, "%.*s", len < HOST_SIZE ? (int)len : 0, server.p);
}

/* One server of a list: what the library takes for a host's name otherwise, or for another scheme, it tries in vain, or in the clear. */
static const char *
server_fault(struct span server)
{
	const char *host = memmem(server.p, server.len, "://", 3), *colon;
	size_t scheme = host == NULL ? 0 : (size_t)(host - server.p) + 3;
	uint64_t port;

	if (host != NULL && !span_is((struct span){server.p, scheme}, "nats://") && !span_is((struct span){server.p, scheme}, "tls://"))
		return ("a server is nats://HOST:PORT or tls://HOST:PORT");
	server = (struct span){server.p + scheme, server.len - scheme};
	if ((host = memrchr(server.p, '@', server.len)) != NULL)
		server = (struct span){host + 1, (size_t)(server.p + server.len - host) - 1};
	colon = memrchr(server.p, ':', server.len);
	if (colon != NULL && memchr(colon, ']', (size_t)(server.p + server.len - colon)) != NULL)
		colon = NULL;
	if (server.len == 0 || colon == server.p || memchr(server.p, '/', server.len) != NULL)
		return ("a server is nats://HOST:PORT or tls://HOST:PORT");
	if (colon != NULL && (decimal_parse(colon + 1, (size_t)(server.p + server.len - colon) - 1, &port) != 0 || port == 0 || port > 65535))
		return ("a port is a number from 1 to 65535");
	return (NULL);
}

const char *
fleet_url_fault(const char *url, bool argument)
{
	const char *p, *fault;
	size_t len, n = 0;

	for (p = url; *p != '\0'; p += len + (p[len] == ',')) {
		len = strcspn(p, ",");
		if (len > 0 && (n++, fault = server_fault((struct span){p, len})) != NULL)
			return (fault);
	}
	if (n == 0)
		return ("it names no server");
	if (n > FLEET_SERVERS_MAX)
		return ("it names more than 64 servers");
	if (argument && strchr(url, '@') != NULL)
		return ("all users of this machine see what stands in arguments: name the user in NATS_URL, or use --creds or --tls-cert");
	return (NULL);
}

void
fleet_url_unknown(const char *url, char *out, size_t size)
{
	const struct addrinfo want = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char host[HOST_SIZE];
	const char *p, *end;
	int code;

	out[0] = '\0';
	for (p = url; *p != '\0'; p = end + (*end == ',')) {
		end = p + strcspn(p, ",");
		host_of((struct span){p, (size_t)(end - p)}, host);
		if (host[0] == '\0')
			continue;
		if ((code = getaddrinfo(host, NULL, &want, &found)) == 0) {
			freeaddrinfo(found);
			continue;
		}
		snprintf(out, size, " ('%s': %s)", host, gai_strerror(code));
		return;
	}
}
