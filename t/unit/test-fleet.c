/* What ledgers are called on the engine, and how far a stream was taken. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_name.h"
#include "fleet_position.h"
#include "tap.h"

#define ID "47aca482-7e2f-4064-aa86-019dcc06c0f5" /* sha256 begins with 0x82: shard 2 */

static void
tokens(void)
{
	static const char *const hosts[] = {"web1", "a.b", "a_b", "a_.b", "a._b", "a__b", "a-b.example.org", "A.B"};
	char token[8][FLEET_HOST_MAX + 1], out[FLEET_HOST_MAX + 1], subject[FLEET_SUBJECT_SIZE], longest[FLEET_HOST_MAX + 2];
	struct fleet_name name;
	size_t i, j;

	for (i = 0; i < 8; i++) {
		ok(fleet_token(hosts[i], token[i], NULL) == 0, "'%s' is a host", hosts[i]);
		fleet_subject("ecl", token[i], ID, subject);
		ok(fleet_subject_parse("ecl", subject, &name) == NULL && strcmp(name.host, hosts[i]) == 0 && strcmp(name.id, ID) == 0,
		    "'%s' comes back from '%s'", hosts[i], subject);
		for (j = 0; j < i && strcmp(token[i], token[j]) != 0; j++)
			;
		ok(j == i, "no two share '%s'", token[i]);
	}
	memset(longest, 'a', sizeof(longest));
	longest[FLEET_HOST_MAX] = '\0';
	ok(fleet_token(longest, out, NULL) == 0, "255 bytes");
	ok(fleet_token("", out, NULL) == -1 && fleet_token("a b", out, NULL) == -1 && fleet_token("a*", out, NULL) == -1 && fleet_token(">", out, NULL) == -1 &&
	    fleet_token("a~", out, NULL) == -1 && fleet_token("a/b", out, NULL) == -1, "what is no host's name");
}

static void
subjects(void)
{
	static const char *const wrong[] = {"", "ecl", "ecl.", "ecl.02", "ecl.02.h", "ecl.02.h.", "ecl.02..", "ecl.02.." ID, "ecl.03.h." ID, "ecl.2.h." ID,
	    "ecl.02.h." ID "x", "ecl.02.h." ID ".x", "ecl.02.h.x." ID, "ecl.02.h/." ID, "Ecl.02.h." ID, "ecls.02.h." ID,
	    "ecl.02.h.47ACA482-7e2f-4064-aa86-019dcc06c0f5", "ecl.02.h.../../../../../../../../../../etc/pass", "ecl.02.h.47aca482-7e2f-4064-aa86-019dcc06c0f"};
	struct fleet_name name;
	char stream[FLEET_STREAM_SIZE];
	size_t i;

	ok(fleet_shard(ID) == 2, "the shard of an id never changes");
	ok(fleet_subject_parse("ecl", "ecl.02.h." ID, &name) == NULL && name.shard == 2, "a subject");
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ok(fleet_subject_parse("ecl", wrong[i], &name) != NULL, "'%s' is no subject", wrong[i]);
	fleet_stream("ecl-test", 7, stream);
	ok(strcmp(stream, "ECL-TEST_07") == 0, "the name of a stream");
	ok(fleet_prefix_ok("ecl") && fleet_prefix_ok("a-9") && !fleet_prefix_ok("") && !fleet_prefix_ok("A") && !fleet_prefix_ok("a.b") && !fleet_prefix_ok("a*") &&
	    !fleet_prefix_ok("a23456789012345678901234567890123"), "prefixes");
}

#define POSITION "S.position" /* of the stream S */

static void
write_file(const char *text, size_t len)
{
	int fd = open(POSITION, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ok(fd != -1 && write(fd, text, len) == (ssize_t)len, "%zu bytes are written", len);
	close(fd);
}

static void
positions(void)
{
	struct fleet_position p = {.created_ns = 1795321898035769187, .seq = 103, .time_ns = 1795321898035769999, .id = ID ":50ab"}, q;
	char text[512];
	ssize_t len;
	size_t i, taken = 0;
	int dir = open(".", O_RDONLY | O_DIRECTORY), fd;

	ok(fleet_position_load(dir, "S", "ecl.>", &q, NULL) == 0 && q.seq == 0, "no position");
	ok(fleet_position_store(dir, "S", "ecl.>", &p, NULL) == 0 && fleet_position_load(dir, "S", "ecl.>", &q, NULL) == 0 &&
	    q.created_ns == p.created_ns && q.seq == 103 && q.time_ns == p.time_ns && strcmp(q.id, p.id) == 0, "what was stored comes back");
	ok(fleet_position_load(dir, "S", "ecl.*.h.>", &q, NULL) == 0 && q.seq == 0, "it is not that of another filter");
	fd = open(POSITION, O_RDONLY);
	len = read(fd, text, sizeof(text));
	close(fd);
	ok(len > 0, "where it is known to be");
	for (i = 0; len > 0 && i < (size_t)len; i++) {
		write_file(text, i);
		taken += fleet_position_load(dir, "S", "ecl.>", &q, NULL) != 0 || q.seq != 0;
	}
	ok(taken == 0, "nothing shorter is taken for one");
	close(dir);
}

int
main(void)
{
	char dir[] = "/tmp/ecl-unit-fleet.XXXXXX";

	if (mkdtemp(dir) == NULL || chdir(dir) != 0)
		return (1);
	tokens();
	subjects();
	positions();
	unlink(POSITION);
	rmdir(dir);
	return (tap_done());
}
