/*
 * fill-sqlite FILE [without-lines]: what ecl-replay prints, on the standard input, as a new SQLite database for people
 * who ask: all that a query needs in columns of its own, the line as it is (or NULL), indexes by element and by time,
 * and a table of the elements.  Filled in one transaction that no crash needs to survive; the indexes are made at the
 * end, which is the fastest, and leaves them packed; then ANALYZE, for the planner's sake.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *db;
static int with_lines;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "fill-sqlite: %s: %s\n", what, why);
	exit(2);
}

static void
sql(const char *text)
{
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		die(text, sqlite3_errmsg(db));
}

/* Behind the JSON value that ${p} begins with. */
static const char *
value_end(const char *p)
{
	int depth = 0;

	for (;; p++) {
		if (*p == '"') {
			for (p++; *p != '"'; p++) {
				p += *p == '\\';
				if (*p == '\0')
					die("event", "a string does not end");
			}
		} else if (*p == '{' || *p == '[') {
			depth++;
		} else if (*p == '}' || *p == ']') {
			if (depth-- == 0)
				return (p);
		} else if (*p == ',' && depth == 0) {
			return (p);
		} else if (*p == '\0') {
			die("event", "not whole");
		}
	}
}

/* Bind the value of the member ${name} where ${*p} begins with it, and go behind it; else NULL.  Strings lose quotes. */
static int
bind(sqlite3_stmt *s, int column, const char *name, const char **p)
{
	size_t len = strlen(name);
	const char *begin, *end;

	if (strncmp(*p, name, len) != 0)
		return (sqlite3_bind_null(s, column));
	begin = *p + len;
	*p = end = value_end(begin);
	if (*begin == '"' && column != 5) {
		begin++;
		end--;
	}
	return (sqlite3_bind_text(s, column, begin, (int)(end - begin), SQLITE_STATIC));
}

static void
insert(sqlite3_stmt *s, const char *line, size_t len)
{
	const char *p;
	char *end;
	int rc;

	if (strncmp(line, "{\"seq\":", 7) != 0)
		die("event", "no seq");
	rc = sqlite3_bind_int64(s, 1, (sqlite3_int64)strtoull(line + 7, &end, 10));
	p = end;
	rc |= bind(s, 2, ",\"time\":", &p);
	rc |= bind(s, 3, ",\"element\":", &p);
	rc |= bind(s, 4, ",\"action\":", &p);
	rc |= bind(s, 5, ",\"state\":", &p);
	rc |= with_lines ? sqlite3_bind_text(s, 6, line, (int)len, SQLITE_STATIC) : sqlite3_bind_null(s, 6);
	if (rc != SQLITE_OK || sqlite3_step(s) != SQLITE_DONE || sqlite3_reset(s) != SQLITE_OK)
		die("insert", sqlite3_errmsg(db));
}

int
main(int argc, char **argv)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	sqlite3_stmt *s;
	char *line = NULL;
	size_t max = 0;
	ssize_t len;

	if (argc < 2 || argc > 3)
		die("usage", "fill-sqlite FILE [without-lines] <LINES");
	with_lines = argc == 2;
	setvbuf(stdin, NULL, _IOFBF, 1 << 18);
	if (sqlite3_open_v2(argv[1], &db, flags, NULL) != SQLITE_OK)
		die(argv[1], db != NULL ? sqlite3_errmsg(db) : "out of memory");
	sql("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-524288;"
	    "CREATE TABLE events(seq INTEGER PRIMARY KEY, time TEXT, element TEXT, action TEXT, state TEXT, line TEXT);"
	    "CREATE TABLE elements(element TEXT PRIMARY KEY) WITHOUT ROWID; BEGIN");
	if (sqlite3_prepare_v3(db, "INSERT INTO events VALUES(?,?,?,?,?,?)", -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) !=
	    SQLITE_OK)
		die("prepare", sqlite3_errmsg(db));
	while ((len = getline(&line, &max, stdin)) > 0) {
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		insert(s, line, (size_t)len);
	}
	if (ferror(stdin))
		die("input", "read error");
	sqlite3_finalize(s);
	sql("CREATE INDEX events_element ON events(element, seq);"
	    "CREATE INDEX events_time ON events(time);"
	    "INSERT INTO elements SELECT DISTINCT element FROM events WHERE element NOT GLOB 'ecl:*' ORDER BY element;"
	    "COMMIT; PRAGMA analysis_limit=10000; ANALYZE");
	if (sqlite3_close(db) != SQLITE_OK)
		die("close", sqlite3_errmsg(db));
	free(line);
	return (0);
}
