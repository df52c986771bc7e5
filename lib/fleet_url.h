/* The servers that a URL names: one or several, with commas. */
#ifndef ECL_FLEET_URL_H_
#define ECL_FLEET_URL_H_

#include <stdbool.h>
#include <stddef.h>

#define FLEET_SERVERS_MAX 64

/** fleet_url_fault(url, argument): why ${url} cannot be used (with ${argument}: where everybody sees it), or NULL. */
const char *fleet_url_fault(const char *url, bool argument);

/**
 * fleet_url_unknown(url, out, size):
 * Which server of ${url} has a name that cannot be resolved, and why, in parentheses behind a space; "" where there is none. The client library does not tell
 * that from a server that is down. Asks the resolver, and waits for it.
 */
void fleet_url_unknown(const char *url, char *out, size_t size);

#endif
