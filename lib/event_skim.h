/* Stored lines that are like those before them, at a glance: what event_parse() would say of most lines of most logs. */
#ifndef ECL_EVENT_SKIM_H_
#define ECL_EVENT_SKIM_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

#define SKIM_FORMS 16	/* that are remembered */
#define SKIM_PIECES 40	/* of a form, at most */
#define SKIM_LITERAL 32 /* bytes of a piece, at most */
#define SKIM_FRONT 32

enum skim_kind { SKIM_NOTHING, SKIM_TEXT, SKIM_NUMBER };

/* Bytes that a line has, and what follows them. */
struct skim_piece {
	char text[SKIM_LITERAL];
	uint32_t mask; /* a bit for each byte of it */
	uint8_t len;
	uint8_t kind; /* enum skim_kind */
};

/*
 * What a line looks like between the element's name and the number of its parent, where values that are strings or numbers of the
 * user's may be any others.
 */
struct skim_form {
	unsigned n;	 /* pieces; 0: not known */
	unsigned trust;	 /* how often it may fail before it is replaced */
	uint16_t action_len;
	bool has_state;
	bool alive; /* the state is not null */
	uint16_t state_at;    /* behind the name */
	uint16_t state_piece; /* the state ends in this piece, */
	uint16_t state_end;   /* so many bytes in it */
	struct skim_piece piece[SKIM_PIECES];
};

struct event_skim {
	bool known;		/* the line before was seen: */
	char front[SKIM_FRONT]; /* `{"seq":12,"time":"` of the line that follows it */
	uint32_t front_mask;
	size_t front_len;
	uint64_t seq;
	int64_t time_us;
	const char *time; /* its text, in that line */
	const char *hash;
	struct skim_form form[SKIM_FORMS];
};

/** event_skim_reset(s): nothing is known of a line before; what lines look like is remembered.  All zeros is a valid, empty one. */
void event_skim_reset(struct event_skim *s);

/**
 * event_skim(s, line, room, ret):
 * Whether ${line}, at whose end an LF is looked for, is surely one that event_parse() takes and that follows the line before: the next
 * seq, a time that is not earlier, and prev that is its hash, as text.  Then of ${ret} are filled in: seq, time_us, element, action, state
 * and parent.  Its own hash is neither looked at nor computed: it may be any 64 bytes.  False says nothing: event_parse() decides.  ${room}
 * bytes may be read from line.p on; in the last lines of them nothing is taken.  The line before must still be where it was.  O(len).
 */
bool event_skim(struct event_skim *s, struct span line, size_t room, struct event *ret);

/** event_skim_learn(s, line, ev): ${line}, without its LF, was parsed into ${ev}: it is the line before now, and others may look like it.  O(len). */
void event_skim_learn(struct event_skim *s, struct span line, const struct event *ev);

#endif
