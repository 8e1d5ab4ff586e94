/* SPDX-License-Identifier: GPL-2.0-only */
/* Is a folio locked at a call?  A search back from the call, on every way. */
#ifndef RMAP_STATIC_PROVE_H
#define RMAP_STATIC_PROVE_H

#include "term.h"

enum verdict { PROVED, REQUIRED, UNPROVED, UNLOCKED };

/* A place on a way, and what is known of it; the next one is nearer to the walk. */
struct step {
	const struct step *next;
	LLVMValueRef at;
	const char *text;
};

/* Where a folio is not locked on a way that may turn out to be no way. */
struct doom {
	enum verdict verdict;
	LLVMValueRef at;
	const char *why;
};

struct failure {
	const struct doom *doom;
	const struct step *way;
};

/* Facts at the beginning of a function, and the way from there. */
struct entry {
	struct facts facts;
	const struct step *way;
};

/**
 * struct answer - what came out at the end of all ways back from a call
 * @entry: what the callers of the function must show (struct entry *)
 * @failures: ways on which the folio is not, or not known to be, locked (struct failure)
 * @proofs: ways on which it is locked
 * @locks: the locks that they ended at (LLVMValueRef)
 * @open: still being searched: whoever meets it is recursive
 */
struct answer {
	GPtrArray *entry;
	GArray *failures;
	GPtrArray *locks;
	unsigned int proofs;
	bool open;
};

/* Must @facts hold just before @inst? */
struct answer *prove_before(LLVMValueRef inst, const struct facts *facts);
/* Adds the failure of doomed @facts, with the @way from it. */
void prove_fail(struct answer *answer, const struct facts *facts, const struct step *way);
/* Adds that nothing is known to lock the folio at @call. */
void prove_unlocked(struct answer *answer, LLVMValueRef call, const struct step *way);
/* Forgets every proof; the program has changed. */
void prove_forget(void);
struct site;

/* On whose behalf a proof is being made. */
extern struct site *prove_site;
/* A lock that ended a way, and the sites that came to it (struct site). */
struct use {
	LLVMValueRef lock;
	GPtrArray *sites;
};

extern GArray *prove_uses;	/* struct use */
/* Functions without a body that a proof failed at: name -> name. */
extern GHashTable *prove_missing;
/* @facts of the parameters of @fn, in the words of who calls it; false: nothing to show. */
bool prove_at_caller(LLVMValueRef call, struct function *fn, struct facts *facts);

#endif
