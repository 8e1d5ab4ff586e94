/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the analysis takes for granted: the kernel's primitives, by name, and the
 * functions that are trusted to leave folio locks alone.
 */
#ifndef RMAP_STATIC_MODEL_H
#define RMAP_STATIC_MODEL_H

#include "ir.h"

enum model {
	MODEL_NONE,
	MODEL_ROOT,		/* walks the reverse map of a folio */
	MODEL_ROOT_ANON,	/* the same, if the folio is anonymous */
	MODEL_LOCK,		/* locks its folio */
	MODEL_LOCK_NEW,		/* locks a folio that nobody else knows */
	MODEL_TRYLOCK,		/* locks its folio if it returns true */
	MODEL_LOCK_ERROR,	/* locks its folio if it returns 0 */
	MODEL_UNLOCK,		/* unlocks its folio */
	MODEL_BIT_LOCK,		/* sets a bit; returns the old one */
	MODEL_BIT_UNLOCK,	/* clears a bit */
	MODEL_TEST,		/* whether its folio is locked */
	MODEL_FOLIO_OF,		/* the folio of a page, or a page of the folio: one lock */
	MODEL_ANON,		/* whether its folio is anonymous */
	MODEL_ERROR,		/* an error number as a pointer */
	MODEL_SAME,		/* returns its argument, for our purposes */
	MODEL_FETCH,		/* looks into a data structure; locks and unlocks nothing */
	MODEL_HARMLESS,		/* trusted: takes and drops no folio lock of its caller */
};

enum model model_named(const char *name);
static inline enum model model_of(const struct function *fn)
{
	return fn->model;
}

/* The argument of @call that is the folio of its @model. */
LLVMValueRef model_folio(LLVMValueRef call);
/* For MODEL_BIT_*: is the bit PG_locked? */
bool model_is_lock_bit(LLVMValueRef call);
/* Is @address that of folio->mapping or page->mapping? */
bool model_is_mapping(LLVMValueRef address);
/* What is known of a function that @call reaches through a pointer. */
enum slot_model {
	SLOT_UNKNOWN,
	SLOT_HARMLESS,		/* as MODEL_HARMLESS */
	SLOT_UNLOCKS,		/* as writepage() its first argument, as read_folio() the second */
};

enum slot_model model_slot(LLVMValueRef call);
/* The names that are trusted, and how others begin, for the report; end with NULL. */
extern const char *const model_trusted[];
extern const char *const model_families[];

#endif
