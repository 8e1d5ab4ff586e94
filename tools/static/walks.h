/* SPDX-License-Identifier: GPL-2.0-only */
/* From the walks up: which calls need a locked folio, and do they have it? */
#ifndef RMAP_STATIC_WALKS_H
#define RMAP_STATIC_WALKS_H

#include "prove.h"

/**
 * struct need - what the callers of a function must show
 * @from: the call in @fn that needs it
 */
struct need {
	struct function *fn;
	struct facts facts;
	struct site *from;
};

/* A call of a function that needs a locked folio. */
struct site {
	LLVMValueRef call;
	struct function *callee;
	struct need *need;
	enum verdict verdict;
	unsigned int proofs;
	GArray *failures;	/* struct failure */
	GPtrArray *conditions;	/* of REQUIRED, as text */
	GArray *asked;		/* what was to be shown (struct asked) */
	bool trusted;
};

/* A function that may be called where nobody can see it. */
struct lost {
	struct function *fn;
	const char *why;
	struct need *need;
};

struct asked {
	struct need *need;
	struct facts facts;
};

/* Call once, before the rest. */
void walks_init(void);
/* Trusts a call: "FUNCTION CALLEE". */
void walks_trust(const char *names);
/* Starts from everything that walks, and goes on until no caller is left to ask. */
void walks_find(void);
/*
 * Asks again what was asked of @site, and whoever that leads to, from nothing; with @all about
 * folios that are not anonymous too.
 */
void walks_again(const struct site *site, bool all);

extern GPtrArray *walks_needs, *walks_sites;	/* struct need, struct site */
extern GArray *walks_lost;			/* struct lost */
extern GHashTable *walks_slots;			/* pointers that calls went through */

#endif
