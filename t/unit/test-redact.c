/* HMAC-SHA-256 against libcrypto; what of an event is replaced, by what, and what is left. */
#include "config.h"

#include <openssl/hmac.h>

#include "redact.h"

#include "random.h"
#include "tap.h"

#include "banned.h"

static struct json_work work;

static void
test_hmac(void)
{
	uint8_t key[200], text[300], want[SHA256_SIZE], have[SHA256_SIZE];
	struct random rnd = {7};
	size_t len, i, bad = 0;
	struct sha256 c;
	struct hmac h;
	unsigned n;

	for (i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)random_below(&rnd, 256);
	for (len = 1; len <= sizeof(key); len++) {
		for (i = 0; i < len; i++)
			key[i] = (uint8_t)random_below(&rnd, 256);
		HMAC(EVP_sha256(), key, (int)len, text, len + 100, want, &n);
		hmac_key(&h, key, len);
		hmac_begin(&h, &c);
		sha256_update(&c, text, len);
		sha256_update(&c, text + len, 100);
		hmac_end(&h, &c, have);
		bad += memcmp(want, have, sizeof(have)) != 0;
	}
	ok(bad == 0, "HMAC is libcrypto's, for keys of 1 to %zu bytes", sizeof(key));
}

/* Append what becomes of a line: its state and its meta, each ! where the scratch had to move. */
static bool
redacted(const char *key, const char *globs, const char *text, struct buf *out)
{
	struct span line = {text, strlen(text)};
	struct buf scratch = BUF_INIT;
	struct json_fault f;
	struct redact r;
	struct input in;
	const char *glob, *end, *at;
	char one[64];
	bool still, good = false;

	memset(&r, 0, sizeof(r));
	hmac_key(&r.hmac, key, strlen(key));
	for (glob = globs; *glob != '\0'; glob = *end == ' ' ? end + 1 : end) {
		end = strchr(glob, ' ') != NULL ? strchr(glob, ' ') : glob + strlen(glob);
		memcpy(one, glob, (size_t)(end - glob));
		one[end - glob] = '\0';
		redact_glob(&r, one);
	}
	buf_reserve(&scratch, input_room(line.len) + redact_room(line.len));
	at = scratch.data;
	if (input_parse(line, true, &work, &scratch, &in, &f) == 0 && redact_input(&r, &in, &scratch) == 0) {
		still = scratch.data == at;
		if (in.state.p != NULL)
			buf_addspan(out, in.state);
		buf_addc(out, still ? ' ' : '!');
		if (in.meta.p != NULL)
			buf_addspan(out, in.meta);
		good = !out->failed;
	}
	buf_release(&scratch);
	redact_release(&r);
	return (good);
}

/* The same with each replacement as a `#', so that what is left can be seen. */
static void
test_places(void)
{
	static const struct {
		const char *globs, *line, *want;
	} cases[] = {
	    {"*.password", "'state':{'password':'x','user':'u'}", "{'password':#,'user':'u'} "},
	    {"*.password", "'state':{'db':{'password':'x'}},'meta':{'password':[1]}", "{'db':{'password':#}} {'password':#}"},
	    {"password", "'state':{'a':[{'password':1},{'passwords':1}]}", "{'a':[{'password':#},{'passwords':1}]} "},
	    {"meta.*", "'state':{'a':1},'meta':{'a':1,'b':{}}", "{'a':1} {'a':#,'b':#}"},
	    {"db.*.key", "'state':{'db':{'x':{'key':1},'key':2},'key':3}", "{'db':{'key':2,'x':{'key':#}},'key':3} "},
	    {"keys.1", "'state':{'keys':[1,2,3]}", "{'keys':[1,#,3]} "},
	    {"keys.*", "'state':{'keys':[1,2,[3]]}", "{'keys':[#,#,#]} "},
	    {"*", "'state':[1,2],'meta':{}", "# #"},
	    {"state", "'state':'x','meta':'x'", "# 'x'"},
	    {"*", "'state':null,'meta':null", "null #"},
	    {"*", "'action':'restart'", " "},
	    {"[tp]*", "'state':{'token':1,'password':2,'user':3}", "{'password':#,'token':#,'user':3} "},
	    {"token password", "'state':{'token':1,'password':2,'user':3}", "{'password':#,'token':#,'user':3} "},
	    {"nothing", "'state':{'b':1,'a':[ ]},'meta':{'x':'\\u0041'}", "{'a':[],'b':1} {'x':'A'}"},
	    {"a b.c a.b", "'state':{'a.b':1,'c':{'b.c':2}}", "{'a.b':#,'c':{'b.c':#}} "},
	    {"secr\xc3\xa9t", "'state':{'secr\\u00e9t':1}", "{'secr\xc3\xa9t':#} "},
	    {"[", "'state':{'[':1,'x':2}", "{'[':#,'x':2} "},
	    {"", "'state':{'password':1}", "{'password':1} "},
	};
	struct buf line = BUF_INIT, have = BUF_INIT, shown = BUF_INIT;
	size_t i, k;
	const char *p;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&line);
		buf_reset(&have);
		buf_reset(&shown);
		buf_addf(&line, "{'element':'x:y',%s}", cases[i].line);
		for (k = 0; k < line.len; k++)
			if (line.data[k] == '\'')
				line.data[k] = '"';
		redacted("a key", cases[i].globs, buf_cstr(&line), &have);
		for (p = buf_cstr(&have); *p != '\0'; p++) {
			if (strncmp(p, "\"redacted:", 10) == 0 && strspn(p + 10, "0123456789abcdef") == 32 && p[42] == '"') {
				buf_addc(&shown, '#');
				p += 42;
			} else
				buf_addc(&shown, *p == '"' ? '\'' : *p);
		}
		is_bytes(shown.data, shown.len, cases[i].want, cases[i].globs[0] != '\0' ? cases[i].globs : "no glob");
	}
	buf_release(&line);
	buf_release(&have);
	buf_release(&shown);
}

static bool
same(const char *a_key, const char *a, const char *b_key, const char *b)
{
	struct buf x = BUF_INIT, y = BUF_INIT;
	bool ret;

	ret = redacted(a_key, "p", a, &x) & redacted(b_key, "p", b, &y) && span_eq((struct span){x.data, x.len}, (struct span){y.data, y.len});
	buf_release(&x);
	buf_release(&y);
	return (ret);
}

static void
test_values(void)
{
	static const char line[] = "{\"element\":\"a\",\"state\":{\"p\":{\"x\":1,\"y\":[2]}}}";
	static const char again[] = "{\"element\":\"a\",\"state\":{\"p\":\"redacted:00112233445566778899aabbccddeeff\"}}";
	struct buf one = BUF_INIT;
	uint8_t want[SHA256_SIZE];
	struct buf text = BUF_INIT;
	unsigned n;

	HMAC(EVP_sha256(), "key", 3, (const uint8_t *)"a\0state.p\0{\"x\":1,\"y\":[2]}", 25, want, &n);
	buf_adds(&text, "{\"p\":\"redacted:");
	buf_addhex(&text, want, 16);
	buf_adds(&text, "\"} ");
	redacted("key", "p", line, &one);
	is_bytes(one.data, one.len, buf_cstr(&text), "the text is the one that the header promises");
	ok(same("key", line, "key", "{\"state\":{\"p\": {\"y\":[2],\"\\u0078\":1}},\"element\":\"a\"}"), "one value has one text, however it is written");
	ok(!same("key", line, "kez", line), "another key: another text");
	ok(!same("key", line, "key", "{\"element\":\"a\",\"state\":{\"p\":{\"x\":1,\"y\":[3]}}}"), "another value: another text");
	ok(!same("key", line, "key", "{\"element\":\"b\",\"state\":{\"p\":{\"x\":1,\"y\":[2]}}}"), "another element: another text");
	buf_reset(&one);
	redacted("key", "p *", again, &one);
	ok(strstr(buf_cstr(&one), "00112233") == NULL, "a state that holds a replacement may be replaced as a whole");
	buf_reset(&one);
	redacted("key", "p", again, &one);
	ok(strstr(buf_cstr(&one), "\"redacted:00112233445566778899aabbccddeeff\"") != NULL, "what is replaced already stays");
	buf_release(&one);
	buf_release(&text);
}

/* At worst all bytes but the commas are values to be replaced. */
static void
test_room(void)
{
	struct buf line = BUF_INIT, out = BUF_INIT;
	size_t i;

	buf_adds(&line, "{\"element\":\"a\",\"state\":[1");
	for (i = 0; i < 20000; i++)
		buf_adds(&line, ",1");
	buf_adds(&line, "],\"meta\":[");
	for (i = 0; i < 20000; i++)
		buf_adds(&line, "1,");
	buf_adds(&line, "1]}");
	ok(redacted("key", "state.* meta.*", buf_cstr(&line), &out) && memchr(out.data, '!', out.len) == NULL && out.len > 40000 * 44,
	    "the room for the worst case is enough");
	buf_release(&line);
	buf_release(&out);
}

int
main(void)
{
	test_hmac();
	test_places();
	test_values();
	test_room();
	json_work_release(&work);
	return (tap_done());
}
