/*
 * Private key files.
 *
 * PEM (RFC 7468) of a PrivateKeyInfo (RFC 5208) or OneAsymmetricKey (RFC 5958) as RFC 8410 has it for Ed25519:
 *   SEQUENCE { INTEGER version, SEQUENCE { OID 1.3.101.112 }, OCTET STRING { OCTET STRING seed }, [0] attributes, [1] public key }
 * The last two, which nobody needs, may be there and are not looked at.
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base64.h"
#include "io.h"
#include "key_file.h"

#include "banned.h"

#define KEY_FILE_MAX 16384
#define HOW "make one with 'openssl genpkey -algorithm ed25519 -out FILE'"

/* What a file holds, on its way to the seed; wiped as a whole. */
struct key_file {
	char text[KEY_FILE_MAX + 1];
	size_t len;
	uint8_t der[KEY_FILE_MAX];
	size_t der_len;
};

/* What may stand between "-----BEGIN " and "-----", and what we say that it is. */
static const struct {
	const char *label, *what;
} kinds[] = {
    {"ENCRYPTED PRIVATE KEY", "an encrypted key: decrypt it, as by 'openssl pkey -in FILE', into a pipe"},
    {"OPENSSH PRIVATE KEY", "a key of OpenSSH, not PEM of PKCS #8: " HOW},
    {"RSA PRIVATE KEY", "a key of RSA, not Ed25519: " HOW},
    {"EC PRIVATE KEY", "a key of ECDSA, not Ed25519: " HOW},
    {"DSA PRIVATE KEY", "a key of DSA, not Ed25519: " HOW},
    {"PUBLIC KEY", "a public key, and only a private one signs: " HOW},
    {"CERTIFICATE", "a certificate, not a private key: " HOW},
};

/* Algorithms that also come as "PRIVATE KEY". */
static const struct {
	const char *oid, *what;
	size_t len;
} algorithms[] = {
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", "RSA", 9},
    {"\x2a\x86\x48\xce\x3d\x02\x01", "ECDSA", 7},
    {"\x2b\x65\x6e", "X25519", 3},
    {"\x2b\x65\x6f", "X448", 3},
    {"\x2b\x65\x71", "Ed448", 3},
};

static int
read_text(struct key_file *k, const char *path, bool *ret_open, struct err *e)
{
	int fd, own = strcmp(path, "-") == 0;
	struct stat st;
	ssize_t n;

	if ((fd = own ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) == -1 ||
	    fstat(fd, &st) != 0) {
		err_sys(e, "cannot open the key '%s'", path);
		goto err1;
	}
	while (k->len < sizeof(k->text)) {
		if ((n = io_read(fd, k->text + k->len, sizeof(k->text) - k->len)) == -1) {
			err_sys(e, "cannot read the key '%s'", path);
			goto err1;
		}
		if (n == 0)
			break;
		k->len += (size_t)n;
	}
	if (k->len > KEY_FILE_MAX) {
		err_set(e, "'%s' is larger than any key: " HOW, path);
		goto err1;
	}
	*ret_open = S_ISREG(st.st_mode) && (st.st_mode & 066) != 0;
	if (!own)
		close(fd);
	return (0);

err1:	if (fd != -1 && !own)
		close(fd);
	return (-1);
}

/* Behind ${from}: where "-----WHAT LABEL-----" begins a line, and behind it.  Return false where there is none. */
static bool
find_line(const struct key_file *k, size_t from, const char *what, struct span *ret_label, size_t *ret_at, size_t *ret_end)
{
	size_t len = strlen(what), at, end;

	for (at = from; at + len <= k->len; at++) {
		if ((at > 0 && k->text[at - 1] != '\n') || memcmp(k->text + at, what, len) != 0)
			continue;
		for (end = at + len; end < k->len && k->text[end] != '-' && k->text[end] != '\n'; end++)
			;
		if (k->len - end < 5 || memcmp(k->text + end, "-----", 5) != 0)
			continue;
		*ret_label = (struct span){k->text + at + len, end - at - len};
		*ret_at = at;
		*ret_end = end + 5;
		return (true);
	}
	return (false);
}

static int
other_kind(const char *path, struct span label, struct err *e)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (span_is(label, kinds[i].label))
			return (err_set(e, "'%s' is %s", path, kinds[i].what));
	return (err_set(e, "'%s' is not a private key of Ed25519: " HOW, path));
}

/* The bytes of the first private key in the text. */
static int
decode(struct key_file *k, const char *path, struct err *e)
{
	struct span label, first = {NULL, 0};
	size_t from, to, end = 0, n = 0, i;
	bool found = false;

	while (!found && find_line(k, end, "-----BEGIN ", &label, &from, &end)) {
		found = span_is(label, "PRIVATE KEY");
		if (first.p == NULL)
			first = label;
	}
	if (k->len == 0)
		return (err_set(e, "the key '%s' is empty: " HOW, path));
	if (first.p == NULL)
		return (err_set(e, "'%s' is not a key in PEM: " HOW, path));
	if (!found)
		return (other_kind(path, first, e));
	if (!find_line(k, end, "-----END ", &label, &to, &from) || !span_is(label, "PRIVATE KEY"))
		return (err_set(e, "the key '%s' is cut off: its last line is missing", path));
	for (i = end; i < to; i++)
		if (strchr(" \t\r\n", k->text[i]) == NULL || k->text[i] == '\0')
			k->text[n++] = k->text[i];
	if ((k->der_len = base64_size(k->text, n)) == SIZE_MAX)
		return (err_set(e, "the key '%s' is damaged: what is in it is not base64", path));
	base64_decode(k->text, n, k->der);
	return (0);
}

/* The seed in the DER of a PrivateKeyInfo, or NULL with ${ret_other} where it is another algorithm's. */
static const uint8_t *
find_seed(const struct key_file *k, const char **ret_other)
{
	static const char version[] = "\x02\x01", rest[] = "\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
	const uint8_t *p = k->der;
	size_t at, len = k->der_len, i;

	*ret_other = NULL;
	if (len < 16 || p[0] != 0x30)
		return (NULL);
	if (p[1] < 0x80)
		at = 2;
	else if (p[1] == 0x81)
		at = 3;
	else
		at = 4;
	/* The version, then SEQUENCE, its length, OID, its length. */
	if (memcmp(p + at, version, 2) != 0 || p[at + 2] > 1)
		return (NULL);
	at += 3;
	for (i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (len - at >= 4 + algorithms[i].len && p[at] == 0x30 && p[at + 2] == 0x06 &&
		    p[at + 3] == algorithms[i].len &&
		    memcmp(p + at + 4, algorithms[i].oid, algorithms[i].len) == 0)
			*ret_other = algorithms[i].what;
	if (len - at < sizeof(rest) - 1 + ED25519_SEED || memcmp(p + at, rest, sizeof(rest) - 1) != 0 ||
	    (at == 5 ? p[1] != len - 2 : at == 6 ? p[2] != len - 3 : true))
		return (NULL);
	return (p + at + sizeof(rest) - 1);
}

static int
read_key(struct key_file *k, const char *path, struct span name, uint8_t type, struct note_signer **ret, bool *ret_open, struct err *e)
{
	const uint8_t *seed;
	const char *other;

	k->len = k->der_len = 0;
	if (read_text(k, path, ret_open, e) != 0 || decode(k, path, e) != 0)
		return (-1);
	if ((seed = find_seed(k, &other)) != NULL)
		return (note_signer_new(seed, name, type, ret, e));
	if (other != NULL)
		return (err_set(e, "'%s' is a key of %s, not Ed25519: " HOW, path, other));
	return (err_set(e, "the key '%s' is damaged, or none of Ed25519: " HOW, path));
}

int
key_file_signer(const char *path, struct span name, uint8_t type, struct note_signer **ret, bool *ret_open, struct err *e)
{
	struct key_file k;
	int rc;

	rc = read_key(&k, path, name, type, ret, ret_open, e);
	explicit_bzero(&k, sizeof(k));
	return (rc);
}
