/* Verification: whether a ledger is what it was when it was written, from its own bytes alone. */
#ifndef ECL_VERIFY_H_
#define ECL_VERIFY_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block.h"
#include "err.h"
#include "note.h"
#include "sha256.h"

/* In order of weight: the verdict is the heaviest one found. */
enum verify_class {
	VERIFY_OK, /* no class of a finding */

	/* Notes: nothing is wrong. */
	VERIFY_PRUNED,		 /* blocks of which the log says that they were pruned */
	VERIFY_BLOCK_WRITABLE,	 /* a btrfs snapshot that is not read-only */
	VERIFY_UNRECORDED_BLOCK, /* a block without an event: its maker died before it wrote one */
	VERIFY_UNSIGNED_TAIL,	 /* events behind the newest signed checkpoint */
	VERIFY_CHECKPOINT_LAG,	 /* ROOT/checkpoint is older than that of a block, or absent */
	VERIFY_INDEX_LAG,	 /* the index lacks more events than it should */
	VERIFY_INDEX_DAMAGED,	 /* it is not what it was made; nobody believes it */

	VERIFY_UNCHECKED, /* something could not be read, so nothing is known of it */

	/* Something is wrong. */
	VERIFY_TORN,	      /* the log's tail is no whole line, and no writer is at work */
	VERIFY_UNSIGNED,      /* nobody vouches for it of whom that was demanded */
	VERIFY_BLOCK_DAMAGED, /* a block is not what its header says, or is missing */
	VERIFY_CORRUPT,	      /* bytes that are no event, or not the event that their hash is of */
	VERIFY_TRUNCATED,     /* events that there were once are missing */
	VERIFY_REWRITTEN,     /* lines that are right in themselves, but not the ones there were */
	VERIFY_FORKED,	      /* there are two histories, and both are signed */
	VERIFY_CLASSES
};

#define VERIFY_NONE UINT64_MAX	/* a number that does not apply */
#define VERIFY_FINDINGS_MAX 1000 /* findings kept; of those behind them only the first of a class, the others are counted */
#define VERIFY_FINDINGS_ROOM (VERIFY_FINDINGS_MAX + VERIFY_CLASSES)

struct verify_finding {
	enum verify_class class;
	uint64_t seq;	  /* of the event, or the one expected here; VERIFY_NONE: none */
	uint64_t segment; /* first seq, as in the segment's name; VERIFY_NONE: none */
	uint64_t offset;  /* in the segment, or in the stream; VERIFY_NONE: none */
	char block[BLOCK_NAME_SIZE]; /* "" = none */
	char path[64];		     /* below the block, or below the root; "" = none */
	char message[256];
};

struct verify_result {
	struct verify_finding *finding; /* in the order they were found; VERIFY_FINDINGS_ROOM, with one of each class that was found */
	size_t n;
	uint64_t count[VERIFY_CLASSES]; /* of all that were found */
	uint64_t more;			/* not kept in ${finding} */
	enum verify_class verdict;	/* VERIFY_OK, VERIFY_UNCHECKED or worse */
	uint64_t events;		/* seen, up to the end of the log */
	uint64_t blocks;		/* looked at */
	uint64_t bytes;			/* of the log */
	uint64_t anchored;		/* events covered by the newest block that is right */
	uint8_t head[SHA256_SIZE];	/* hash of the last event; zeros where there is none */
	uint64_t vouched;		/* events covered by a good signature of a demanded key */
	const struct note_key *signer;	/* which of them; NULL: none */
	uint64_t witnessed;		/* events covered by a checkpoint that a quorum of the witnesses cosigned */
	uint64_t since;			/* events that were taken on trust, and not looked at */
	char since_block[BLOCK_NAME_SIZE]; /* because of this block; "" = none */
};

/* A checkpoint that was kept elsewhere: a signed note, or its bare text. */
struct verify_given {
	const char *name; /* of the file, for messages */
	struct span bytes;
};

/* What the managed files of a block are, found by who is as careful as verify_root(). */
struct verify_known_files {
	uint64_t entries;
	uint8_t root[SHA256_SIZE];
};

struct verify_options {
	bool quick;   /* lines and chain of the log only */
	const struct note_key *key; /* ROOT/checkpoint is to be signed by one of these; a key is asked about what has its name as origin only */
	size_t keys;		    /* 0: nobody's signature is demanded */
	const struct note_key *witness; /* a checkpoint is to be cosigned by ${quorum} of these, all different */
	size_t witnesses, quorum;
	const struct verify_given *checkpoint; /* each of a prefix of the log */
	size_t checkpoints;
	const char *since; /* a block (when.h) that is taken on trust with all before it, in a root only; NULL: none */
	int64_t now_us;	   /* for ${since} */
	const struct verify_known_files *files; /* of the one block that there is, where the caller knows them; NULL: they are read */
	bool from_disk; /* read the log and the files of blocks from the disk, not from the page cache */
	void (*progress)(void *arg, uint64_t bytes, uint64_t total); /* may be NULL; ${total} 0: not known */
	void *arg;
};

/**
 * verify_root(path, opt, ret, e):
 * Check the ledger of the root at ${path}, or of a layer that stands alone: its log, its blocks unless ${opt} is quick, and what is
 * signed of them.  Reads only, believes no index, takes no lock for longer than it takes to list the log.  What is wrong with the ledger is in
 * ${ret}, not an error; to be released with verify_release().  Writers may be at work meanwhile: the log is looked at
 * as far as it went at the start, blocks that come or go are let be.  Return 0, or -1 where there was no checking it.
 * O(bytes of the log and of the blocks); memory for the elements, not for the log.
 */
int verify_root(const char *path, const struct verify_options *opt, struct verify_result *ret, struct err *e);

/**
 * verify_stream(fd, opt, ret, e):
 * Check the event lines that come from ${fd}: each in itself, the chain, times, parents.  Where they do not begin
 * with event 0, what came before is taken on trust, and a checkpoint cannot be compared.  Otherwise as verify_root().
 */
int verify_stream(int fd, const struct verify_options *opt, struct verify_result *ret, struct err *e);

void verify_release(struct verify_result *r);

/** verify_class_name(class): as in the findings, such as "block-damaged"; "ok" for VERIFY_OK. */
const char *verify_class_name(enum verify_class class);

#endif
