/* CRC-32C: the vectors of RFC 3720 B.4, and every length and alignment against one bit at a time. */
#include "config.h"

#include "random.h"
#include "tap.h"

/* The module itself, so that what this processor would not choose is tested too. */
#include "crc32c.c"

#include "banned.h"

#define MAX 5000

static uint32_t
reference(uint32_t crc, const uint8_t *p, size_t len)
{
	int i;

	for (crc = ~crc; len > 0; len--, p++)
		for (crc ^= *p, i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	return (~crc);
}

static void
test_engine(const char *name)
{
	static uint8_t data[MAX + 8];
	static const uint8_t scsi[48] = {0x01,
	    0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02};
	struct random rnd = {7};
	size_t i, len, bad = 0;

	memset(data, 0, 32);
	ok(crc32c(0, "", 0) == 0, "%s: of nothing", name);
	ok(crc32c(0, "123456789", 9) == 0xe3069283, "%s: of '123456789'", name);
	ok(crc32c(0, data, 32) == 0x8a9136aa, "%s: of 32 zeros", name);
	memset(data, 0xff, 32);
	ok(crc32c(0, data, 32) == 0x62a8ab43, "%s: of 32 ones", name);
	for (i = 0; i < 32; i++)
		data[i] = (uint8_t)i;
	ok(crc32c(0, data, 32) == 0x46dd794e, "%s: of 0 to 31", name);
	for (i = 0; i < 32; i++)
		data[i] = (uint8_t)(31 - i);
	ok(crc32c(0, data, 32) == 0x113fdb5c, "%s: of 31 to 0", name);
	ok(crc32c(0, scsi, sizeof(scsi)) == 0xd9963a56, "%s: of an iSCSI read command", name);

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)random_below(&rnd, 256);
	for (len = 0; len <= MAX; len += len < 100 ? 1 : 37)
		for (i = 0; i < 8; i++)
			bad += crc32c(0, data + i, len) != reference(0, data + i, len);
	ok(bad == 0, "%s: lengths to %d at eight alignments", name, MAX);
	for (bad = 0, len = 0; len <= MAX; len += 97)
		bad += crc32c(crc32c(0, data, len), data + len, MAX - len) != crc32c(0, data, MAX);
	ok(bad == 0, "%s: in two pieces", name);
}

int
main(void)
{
	chosen = update_portable;
	test_engine("portable");
	if (choose() == update_portable)
		ok(true, "sse4.2 # SKIP not in this processor");
	else
		test_engine("sse4.2");
	return (tap_done());
}
