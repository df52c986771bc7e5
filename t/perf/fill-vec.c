/*
 * fill-vec FILE VEC0 DIMS int8|float: rows of ${DIMS} signed bytes on the standard input as a new SQLite
 * database with a table of sqlite-vec (VEC0 is the extension's path), v(e), whose rowids are the rows' numbers from 0 on.
 * Its distance is L2, which is faster than its cosine, and orders unit vectors alike.  A row of zeros is left out.  `float': the same rows as unit vectors of float32.  Filled in one transaction that no
 * crash needs to survive.
 */
#include <math.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIMS_MAX 4096

static sqlite3 *db;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "fill-vec: %s: %s\n", what, why);
	exit(2);
}

static void
sql(const char *text)
{
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		die(text, sqlite3_errmsg(db));
}

static void
insert(sqlite3_stmt *s, long long number, const int8_t *row, int dims, int as_float)
{
	float unit[DIMS_MAX];
	long long sum = 0;
	float factor;
	int i, rc;

	for (i = 0; i < dims; i++)
		sum += row[i] * row[i];
	if (sum == 0)
		return;
	factor = 1 / sqrtf((float)sum);
	for (i = 0; i < dims; i++)
		unit[i] = row[i] * factor;
	rc = sqlite3_bind_int64(s, 1, number);
	rc |= as_float ? sqlite3_bind_blob(s, 2, unit, dims * 4, SQLITE_STATIC) : sqlite3_bind_blob(s, 2, row, dims, SQLITE_STATIC);
	if (rc != SQLITE_OK || sqlite3_step(s) != SQLITE_DONE || sqlite3_reset(s) != SQLITE_OK)
		die("insert", sqlite3_errmsg(db));
}

int
main(int argc, char **argv)
{
	int8_t row[DIMS_MAX];
	char text[256], *why = NULL;
	sqlite3_stmt *s;
	long long number;
	int dims, as_float;

	dims = argc == 5 ? atoi(argv[3]) : 0;
	if (argc != 5 || dims < 1 || dims > DIMS_MAX)
		die("usage", "fill-vec FILE VEC0 DIMS int8|float <ROWS");
	as_float = strcmp(argv[4], "float") == 0;
	setvbuf(stdin, NULL, _IOFBF, 1 << 18);
	if (sqlite3_open(argv[1], &db) != SQLITE_OK)
		die(argv[1], db != NULL ? sqlite3_errmsg(db) : "out of memory");
	if (sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL) != SQLITE_OK ||
	    sqlite3_load_extension(db, argv[2], NULL, &why) != SQLITE_OK)
		die(argv[2], why != NULL ? why : "cannot load it");
	sql("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-262144");
	snprintf(text, sizeof(text), "CREATE VIRTUAL TABLE v USING vec0(e %s[%d])", as_float ? "float" : "int8", dims);
	sql(text);
	sql("BEGIN");
	snprintf(text, sizeof(text), "INSERT INTO v(rowid, e) VALUES(?, %s)", as_float ? "?" : "vec_int8(?)");
	if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK)
		die(text, sqlite3_errmsg(db));
	for (number = 0; fread(row, (size_t)dims, 1, stdin) == 1; number++)
		insert(s, number, row, dims, as_float);
	if (ferror(stdin))
		die("input", "read error");
	sqlite3_finalize(s);
	sql("COMMIT");
	if (sqlite3_close(db) != SQLITE_OK)
		die("close", sqlite3_errmsg(db));
	return (0);
}
