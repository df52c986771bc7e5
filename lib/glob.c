/* Patterns over element names. */
#include "config.h"

#include <fnmatch.h>
#include <string.h>

#include "event.h"
#include "glob.h"

#include "banned.h"

bool
glob_match(struct span glob, struct span name)
{
	char pattern[ELEMENT_MAX + 1], text[ELEMENT_MAX + 1];

	if (glob.len > ELEMENT_MAX || name.len > ELEMENT_MAX)
		return (false);
	if (span_eq(glob, name))
		return (true);
	if (event_reserved(name) && !event_reserved(glob))
		return (false);
	memcpy(pattern, glob.p, glob.len);
	pattern[glob.len] = '\0';
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	return (fnmatch(pattern, text, 0) == 0);
}

struct span
glob_prefix(struct span glob)
{
	size_t n = 0;

	while (n < glob.len && strchr("*?[\\", glob.p[n]) == NULL)
		n++;
	return ((struct span){glob.p, n});
}
