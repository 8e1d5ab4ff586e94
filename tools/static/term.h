/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known at a point of a program: terms stand for values, literals for
 * what branches said about them.  Terms are unique, so equal means same pointer.
 */
#ifndef RMAP_STATIC_TERM_H
#define RMAP_STATIC_TERM_H

#include "ir.h"

enum term_kind {
	TERM_CONST,	/* the number n */
	TERM_VALUE,	/* what LLVM calls @value */
	TERM_FIELD,	/* the address n bytes behind a */
	TERM_LOAD,	/* what is in memory at address a, now */
	TERM_FOLIO,	/* the folio of page a */
	TERM_AND,	/* a & n */
	TERM_ANON,	/* whether folio a is anonymous */
	TERM_SAME,	/* whether a and b are one pointer */
	TERM_OUTER,	/* a of the caller, which this function has no name for */
	TERM_ERROR,	/* an error number as a pointer */
	TERM_LOST,	/* the folio of a way that has failed already */
};

/**
 * struct term - a value, by how it comes about
 * @id: in the order of their making, so that sorting does not depend on addresses
 * @depth: how many TERM_LOADs are in it
 * @tag: of a TERM_LOAD, the field that is read, see ir_tag()
 */
struct term {
	unsigned int id, depth;
	enum term_kind kind;
	GQuark tag;
	LLVMValueRef value;
	const struct term *a, *b;
	gint64 n;
};

enum relation { IS_EQ, IS_NE, IS_UGT, IS_UGE, IS_ULT, IS_ULE, IS_SGT, IS_SGE, IS_SLT, IS_SLE };

/* term relation n, both @width bits wide */
struct literal {
	const struct term *term;
	enum relation relation;
	unsigned int width;
	gint64 n;
};

/* A lock that was taken or given back later on the way, on a folio of the name @term. */
struct event {
	const struct term *term;
	LLVMValueRef at;
	bool lock;
};

struct doom;

#define MAX_LITERALS	24
#define MAX_EVENTS	8

/**
 * struct facts - what must be shown at a point of a function
 * @folio: this folio is locked here ...
 * @literals: ... if all of these hold
 * @events: locks of folios that may turn out to be @folio, the latest first
 * @vague: there were more unlocks than @events has room for
 * @fetched: the folio was read from memory on this way, and what was read may have changed
 * @own: parameters (bits) that point to a variable that nothing else points to
 * @doom: the folio is not locked; what is left to see is whether this way can be taken
 */
struct facts {
	const struct term *folio;
	unsigned int n_literals, n_events;
	bool vague, fetched;
	guint32 own;
	const struct doom *doom;
	struct literal literals[MAX_LITERALS];
	struct event events[MAX_EVENTS];
};

const struct term *term_const(gint64 n);
const struct term *term_value(LLVMValueRef value);
const struct term *term_field(const struct term *a, gint64 n);
/* NULL if that were more pointers in a row than it pays to follow. */
const struct term *term_load(const struct term *a, GQuark tag);
const struct term *term_folio(const struct term *a);
const struct term *term_and(const struct term *a, gint64 n);
const struct term *term_anon(const struct term *a);
const struct term *term_same_as(const struct term *a, const struct term *b);
const struct term *term_outer(const struct term *a);
const struct term *term_error(void);
const struct term *term_lost(void);

/* The term of an SSA value: what is pure is taken apart, all else is a TERM_VALUE. */
const struct term *term_of(LLVMValueRef value);
/* The same folio by two names? */
bool term_same(const struct term *a, const struct term *b);
/* @term without TERM_FIELD and TERM_FOLIO. */
const struct term *term_base(const struct term *term);
bool term_mentions(const struct term *term, LLVMValueRef value);
bool term_has_memory(const struct term *term);
/* Does @check hold for @term or a part of it? */
bool term_any(const struct term *term, bool (*check)(const struct term *term, const void *data),
	      const void *data);

/* A function from terms to terms; NULL: there is no such term any more. */
typedef const struct term *(*term_map)(const struct term *term, void *data);
/* @map applied to @term and, where that keeps it, to its parts. */
const struct term *term_rewrite(const struct term *term, term_map map, void *data);

enum truth { FALSE_, TRUE_, UNKNOWN_ };
enum truth literal_truth(const struct literal *literal);
/* Adds a literal; false if it contradicts what is there. */
bool facts_add(struct facts *facts, struct literal literal);
/* Adds that @value is @truth; false if that cannot be. */
bool facts_assume(struct facts *facts, LLVMValueRef value, bool truth);
/* Does @wide hold wherever @narrow does?  Then whoever shows @wide has shown @narrow. */
bool facts_cover(const struct facts *wide, const struct facts *narrow);
/*
 * Renames every term.  A literal whose term is gone goes; false if the rest cannot be true.
 * A folio that is gone is NULL afterwards.
 */
bool facts_rewrite(struct facts *facts, term_map map, void *data);
/* Do the two differ only in one literal, which one has and the other denies?  Drops it from @a. */
bool facts_merge(struct facts *a, const struct facts *b);
guint facts_hash(gconstpointer facts);
gboolean facts_equal(gconstpointer a, gconstpointer b);

#endif
