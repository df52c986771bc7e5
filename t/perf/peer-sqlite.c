/*
 * peer-sqlite FILE [PRAGMAS]: record the events on the standard input in a new SQLite database, as somebody would who
 * knows SQLite well: WAL, synchronous=FULL, 5,000 events a transaction, one prepared statement, bound values, no
 * mutexes.  The table has what a ledger needs: seq, time, element, action, state, prev and hash, with an index by
 * element and one by time; each event is parsed by jansson and chained by SHA-256 (libcrypto, fetched once, one
 * context).
 *
 * Where it does less than ecl it does so in its own favour: it neither looks up the state before, to tell what the
 * action was, nor sorts the state's members, nor refuses duplicate ones; its hashes are 32 bytes, not 64 digits.
 *
 * Pages of 16 KiB, checkpoints every 64 MiB and a cache that holds everything were the fastest of what was tried: pages
 * of 4 and 8 KiB, checkpoints every 4 to 256 MiB, the defaults (a third slower), mmap_size; locking_mode=EXCLUSIVE made
 * no difference, and would lock readers out.  The last checkpoint, at the close, is left out.  So try other settings:
 * PRAGMAS is run after these.
 */
#include <jansson.h>
#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRANSACTION 5000 /* events */

struct peer {
	sqlite3 *db;
	sqlite3_stmt *insert;
	EVP_MD *md;
	EVP_MD_CTX *ctx;
	unsigned char prev[32];
	int64_t seq;
	char *state; /* text of the present event's state */
	size_t state_max;
};

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "peer-sqlite: %s: %s\n", what, why);
	exit(2);
}

static void
sql(struct peer *p, const char *text)
{
	if (sqlite3_exec(p->db, text, NULL, NULL, NULL) != SQLITE_OK)
		die(text, sqlite3_errmsg(p->db));
}

static void
peer_open(struct peer *p, const char *file, const char *pragmas)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

	memset(p, 0, sizeof(*p));
	if (sqlite3_open_v2(file, &p->db, flags, NULL) != SQLITE_OK)
		die(file, p->db != NULL ? sqlite3_errmsg(p->db) : "out of memory");
	if (sqlite3_db_config(p->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) != SQLITE_OK)
		die(file, sqlite3_errmsg(p->db));
	sql(p, "PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	    "PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-1048576");
	if (pragmas != NULL)
		sql(p, pragmas);
	sql(p, "CREATE TABLE event(seq INTEGER PRIMARY KEY, time INTEGER, element TEXT, action TEXT, state TEXT,"
	    "prev BLOB, hash BLOB);"
	    "CREATE INDEX event_element ON event(element, seq);"
	    "CREATE INDEX event_time ON event(time)");
	if (sqlite3_prepare_v3(p->db, "INSERT INTO event VALUES(?,?,?,?,?,?,?)", -1, SQLITE_PREPARE_PERSISTENT,
	    &p->insert, NULL) != SQLITE_OK)
		die("prepare", sqlite3_errmsg(p->db));
	if ((p->md = EVP_MD_fetch(NULL, "SHA256", NULL)) == NULL || (p->ctx = EVP_MD_CTX_new()) == NULL)
		die("libcrypto", "no SHA-256");
}

/* The text of ${value} in p->state; return its length. */
static size_t
peer_dump(struct peer *p, const json_t *value)
{
	size_t len;

	while ((len = json_dumpb(value, p->state, p->state_max, JSON_COMPACT | JSON_ENCODE_ANY)) > p->state_max) {
		if ((p->state = realloc(p->state, len)) == NULL)
			die("state", "out of memory");
		p->state_max = len;
	}
	return (len);
}

static void
peer_insert(struct peer *p, const char *line, size_t len)
{
	json_t *event, *element, *action, *state;
	unsigned char hash[32];
	json_error_t error;
	struct timespec t;
	sqlite3_stmt *s = p->insert;
	int rc;

	if ((event = json_loadb(line, len, 0, &error)) == NULL)
		die("event", error.text);
	if (!json_is_string(element = json_object_get(event, "element")))
		die("event", "no element");
	action = json_object_get(event, "action");
	state = json_object_get(event, "state");
	clock_gettime(CLOCK_REALTIME, &t);

	if (EVP_DigestInit_ex2(p->ctx, p->md, NULL) != 1 || EVP_DigestUpdate(p->ctx, line, len) != 1 ||
	    EVP_DigestUpdate(p->ctx, p->prev, sizeof(p->prev)) != 1 || EVP_DigestFinal_ex(p->ctx, hash, NULL) != 1)
		die("libcrypto", "SHA-256 failed");

	rc = sqlite3_bind_int64(s, 1, p->seq);
	rc |= sqlite3_bind_int64(s, 2, (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
	rc |= sqlite3_bind_text(s, 3, json_string_value(element), (int)json_string_length(element), SQLITE_STATIC);
	if (action != NULL)
		rc |= sqlite3_bind_text(s, 4, json_string_value(action), (int)json_string_length(action), SQLITE_STATIC);
	else
		rc |= sqlite3_bind_text(s, 4, "modify", 6, SQLITE_STATIC);
	if (state != NULL) {
		size_t state_len = peer_dump(p, state);

		rc |= sqlite3_bind_text(s, 5, p->state, (int)state_len, SQLITE_STATIC);
	} else
		rc |= sqlite3_bind_null(s, 5);
	rc |= sqlite3_bind_blob(s, 6, p->prev, sizeof(p->prev), SQLITE_STATIC);
	rc |= sqlite3_bind_blob(s, 7, hash, sizeof(hash), SQLITE_STATIC);
	if (rc != SQLITE_OK || sqlite3_step(s) != SQLITE_DONE || sqlite3_reset(s) != SQLITE_OK)
		die("insert", sqlite3_errmsg(p->db));

	memcpy(p->prev, hash, sizeof(hash));
	p->seq++;
	json_decref(event);
}

static void
peer_close(struct peer *p)
{
	sqlite3_finalize(p->insert);
	if (sqlite3_close(p->db) != SQLITE_OK)
		die("close", sqlite3_errmsg(p->db));
	EVP_MD_CTX_free(p->ctx);
	EVP_MD_free(p->md);
	free(p->state);
}

int
main(int argc, char **argv)
{
	struct peer p;
	char *line = NULL;
	size_t max = 0;
	ssize_t len;

	if (argc < 2 || argc > 3)
		die("usage", "peer-sqlite FILE [PRAGMAS] <EVENTS");
	setvbuf(stdin, NULL, _IOFBF, 1 << 16);
	peer_open(&p, argv[1], argc == 3 ? argv[2] : NULL);
	sql(&p, "BEGIN");
	while ((len = getline(&line, &max, stdin)) > 0) {
		peer_insert(&p, line, (size_t)len);
		if (p.seq % TRANSACTION == 0)
			sql(&p, "COMMIT; BEGIN");
	}
	if (ferror(stdin))
		die("input", "read error");
	sql(&p, "COMMIT");
	peer_close(&p);
	free(line);
	return (0);
}
