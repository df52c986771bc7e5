/* Verifier keys on a command line. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "vkey.h"

#include "banned.h"

int
vkey_option(const struct cli *cli, const char *option, uint8_t type, struct note_key **keys, size_t *n)
{
	struct span vkey = {cli->value, strlen(cli->value)};
	struct note_key k = {0}, *more;
	struct err e = {0};
	size_t i;

	if (note_key_parse(vkey, &k, &e) != 0)
		return (cli_usage(cli, "option '%s': %s", option, e.text));
	if (k.type != type) {
		note_key_release(&k);
		return (cli_usage(cli, "option '%s': '%s' is the key of a %s", option, cli->value,
		    type == NOTE_ED25519 ? "witness" : "ledger, not of a witness"));
	}
	for (i = 0; i < *n; i++)
		if (memcmp((*keys)[i].public, k.public, sizeof(k.public)) == 0 && strcmp((*keys)[i].name, k.name) == 0) {
			note_key_release(&k);
			return (0);
		}
	if ((more = realloc(*keys, (*n + 1) * sizeof(*more))) == NULL) {
		note_key_release(&k);
		err_mem(&e);
		return (cli_error(cli, &e));
	}
	*keys = more;
	more[(*n)++] = k;
	return (0);
}

void
vkey_release(struct note_key *keys, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		note_key_release(&keys[i]);
	free(keys);
}
