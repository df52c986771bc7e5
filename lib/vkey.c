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

int
vkey_quorum(const struct cli *cli, size_t *ret)
{
	uint64_t n;

	if (decimal_parse(cli->value, strlen(cli->value), &n) != 0 || n == 0 || n > NOTE_SIGNATURES_MAX)
		return (cli_usage(cli, "option '--quorum' takes a number from 1 to %d, not '%s'", NOTE_SIGNATURES_MAX, cli->value));
	*ret = (size_t)n;
	return (0);
}

int
vkey_check_witnesses(const struct cli *cli, const struct note_key *key, size_t keys, const struct note_key *witness, size_t witnesses, size_t *quorum)
{
	size_t i, j;

	for (i = 0; i < witnesses; i++)
		for (j = 0; j < i; j++)
			if (memcmp(witness[i].public, witness[j].public, sizeof(witness[i].public)) == 0)
				return (cli_usage(cli, "witnesses '%s' and '%s' have the same key", witness[j].name, witness[i].name));
	for (i = 0; i < witnesses; i++)
		for (j = 0; j < keys; j++)
			if (memcmp(witness[i].public, key[j].public, sizeof(witness[i].public)) == 0)
				return (cli_usage(cli, "witness '%s' has the key of the ledger '%s'", witness[i].name, key[j].name));
	if (*quorum == 0)
		*quorum = witnesses;
	if (witnesses == 0 && *quorum > 0)
		return (cli_usage(cli, "'--quorum' takes a '--witness'"));
	if (*quorum > witnesses)
		return (cli_usage(cli, "a quorum of %zu out of %zu witness%s", *quorum, witnesses, witnesses == 1 ? "" : "es"));
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
