/* A cursor file: what was stored comes back, and nothing else is taken for one. */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "cursor.h"
#include "tap.h"

#define TEXT_MAX 256

static const uint8_t hash[SHA256_SIZE] = {0xab, 0x0c, [30] = 0xff, 0x12};
static const char path[] = "cursor";

/* As every version has written it. */
static size_t
format(uint64_t seq, const uint8_t h[SHA256_SIZE], char out[TEXT_MAX])
{
	int n = snprintf(out, TEXT_MAX, "{\"seq\":%" PRIu64 ",\"hash\":\"", seq);
	size_t i;

	for (i = 0; i < SHA256_SIZE; i++)
		n += snprintf(out + n, TEXT_MAX - (size_t)n, "%02x", h[i]);
	return ((size_t)(n + snprintf(out + n, TEXT_MAX - (size_t)n, "\"}\n")));
}

static size_t
read_file(char out[TEXT_MAX])
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, out, TEXT_MAX);

	close(fd);
	return (n < 0 ? 0 : (size_t)n);
}

static void
write_file(const char *p, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (write(fd, p, len) != (ssize_t)len)
		abort();
	close(fd);
}

/* Whether the file is refused, or is what the cursor that it gives would be stored as. */
static bool
strict(const char *text, size_t len)
{
	char same[TEXT_MAX];
	struct cursor c;
	struct err e;
	bool yes;

	write_file(text, len);
	if (cursor_open(&c, path, &e) != 0)
		return (e.exit != 0);
	yes = c.set && format(c.seq, c.hash, same) == len && memcmp(same, text, len) == 0;
	cursor_release(&c);
	return (yes);
}

static void
test_round_trip(void)
{
	static const uint64_t seqs[] = {0, 9, 10, 122, UINT64_MAX};
	char got[TEXT_MAX], want[TEXT_MAX];
	struct cursor c, again;
	struct err e;
	size_t i, len;

	ok(cursor_open(&c, path, &e) == 0 && !c.set, "no file: nothing was read yet");
	for (i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
		len = format(seqs[i], hash, want);
		ok(cursor_store(&c, seqs[i], hash, &e) == 0 && read_file(got) == len && memcmp(got, want, len) == 0,
		    "seq %" PRIu64 " is stored as it has to be", seqs[i]);
		ok(cursor_open(&again, path, &e) == 0 && again.set && again.seq == seqs[i] && memcmp(again.hash, hash, SHA256_SIZE) == 0,
		    "and comes back");
		cursor_release(&again);
	}
	cursor_release(&c);
}

static void
test_damage(void)
{
	char text[TEXT_MAX], changed[TEXT_MAX];
	size_t len = format(1220, hash, text), i;
	struct cursor c;
	struct err e;
	bool refused = true, kept = true, longer = true;
	unsigned byte;

	for (i = 0; i < len; i++) {
		write_file(text, i);
		refused = refused && cursor_open(&c, path, &e) != 0;
		memcpy(changed, text, len);
		for (byte = 0; byte < 256; byte++) {
			changed[i] = (char)byte;
			kept = kept && strict(changed, len);
		}
		memcpy(changed, text, i);
		memcpy(changed + i + 1, text + i, len - i);
		for (byte = 0; byte < 256; byte++) {
			changed[i] = (char)byte;
			longer = longer && strict(changed, len + 1);
		}
	}
	ok(refused, "every beginning of it is refused");
	ok(kept, "with any byte changed it is refused, or another whole cursor");
	ok(longer, "with any byte more too");
	memcpy(changed, text, len);
	changed[len] = '\n';
	write_file(changed, len + 1);
	ok(cursor_open(&c, path, &e) != 0, "a second line is refused");
}

int
main(void)
{
	char dir[] = "/tmp/ecl-test-cursor.XXXXXX";

	if (mkdtemp(dir) == NULL || chdir(dir) != 0)
		abort();
	test_round_trip();
	test_damage();
	unlink(path);
	return (rmdir(dir) != 0 || tap_done());
}
