/* JSON texts: the members of a canonical object, the items of an array. */
#include "config.h"

#include <string.h>

#include "json.h"

#include "banned.h"

/* The end of the value at ${p}, in a canonical text: a string, an object or array with all inside, or a number or word. */
static const char *
value_end(const char *p, const char *end)
{
	unsigned open = 0;

	while (p < end) {
		switch (*p) {
		case '"':
			for (p++; p < end && *p != '"'; p++)
				if (*p == '\\' && ++p == end)
					return (end);
			break;
		case '{':
		case '[':
			open++;
			break;
		case '}':
		case ']':
			if (open == 0)
				return (p);
			open--;
			break;
		case ',':
		case ':':
			if (open == 0)
				return (p);
			break;
		default:
			break;
		}
		if (p < end)
			p++;
	}
	return (end);
}

int
json_member(struct span object, size_t *pos, struct span *ret_name, struct span *ret_value)
{
	const char *end, *p;

	if (object.len < 2 || object.p[0] != '{' || *pos >= object.len - 1)
		return (0);
	end = object.p + object.len - 1;
	p = object.p + (*pos == 0 ? 1 : *pos);
	if (p == end)
		return (0);
	ret_name->p = p;
	p = value_end(p, end);
	ret_name->len = (size_t)(p - ret_name->p);
	if (p == end)
		return (0);
	ret_value->p = ++p;
	p = value_end(p, end);
	ret_value->len = (size_t)(p - ret_value->p);
	*pos = (size_t)(p - object.p) + 1;
	return (1);
}

int
json_item(struct span array, size_t *pos, struct span *ret)
{
	const char *end, *p;

	if (array.len < 2 || array.p[0] != '[' || *pos >= array.len - 1)
		return (0);
	end = array.p + array.len - 1;
	p = array.p + (*pos == 0 ? 1 : *pos);
	if (p == end)
		return (0);
	ret->p = p;
	p = value_end(p, end);
	ret->len = (size_t)(p - ret->p);
	*pos = (size_t)(p - array.p) + 1;
	return (1);
}

int
json_get(struct span object, const char *name, struct span *ret_value)
{
	struct span token, value;
	size_t pos = 0, n = strlen(name);

	while (json_member(object, &pos, &token, &value))
		if (token.len == n + 2 && memcmp(token.p + 1, name, n) == 0) {
			*ret_value = value;
			return (1);
		}
	return (0);
}
