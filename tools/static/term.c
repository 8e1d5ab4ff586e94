// SPDX-License-Identifier: GPL-2.0-only
#include "term.h"

#include "model.h"

#include <string.h>

/* A list that is followed in a loop would never end. */
#define MAX_POINTERS	4

static GHashTable *terms;

static guint term_hash(gconstpointer data)
{
	const struct term *term = data;
	gsize mix = term->kind * 31 + (gsize)term->value + term->n * 7919;

	/* A load's tag tells nothing that its address does not. */
	return (mix + (gsize)term->a * 17 + (gsize)term->b * 13) ^ (mix >> 21);
}

static gboolean term_equal(gconstpointer x, gconstpointer y)
{
	const struct term *a = x, *b = y;

	return a->kind == b->kind && a->value == b->value && a->a == b->a && a->b == b->b &&
	       a->n == b->n;
}

static const struct term *intern(struct term term)
{
	struct term *found;

	if (!terms)
		terms = g_hash_table_new(term_hash, term_equal);
	found = g_hash_table_lookup(terms, &term);
	if (!found) {
		term.id = g_hash_table_size(terms);
		term.depth = MAX(term.a ? term.a->depth : 0, term.b ? term.b->depth : 0) +
			     (term.kind == TERM_LOAD);
		found = g_memdup2(&term, sizeof(term));
		g_hash_table_add(terms, found);
	}
	return found;
}

const struct term *term_const(gint64 n)
{
	return intern((struct term){ .kind = TERM_CONST, .n = n });
}

const struct term *term_value(LLVMValueRef value)
{
	return intern((struct term){ .kind = TERM_VALUE, .value = value });
}

const struct term *term_field(const struct term *a, gint64 n)
{
	if (a->kind == TERM_FIELD) {
		n += a->n;
		a = a->a;
	}
	if (!n)
		return a;
	if (a->kind == TERM_CONST)
		return term_const(a->n + n);
	return intern((struct term){ .kind = TERM_FIELD, .a = a, .n = n });
}

const struct term *term_load(const struct term *a, GQuark tag)
{
	if (a->depth >= MAX_POINTERS)
		return NULL;
	return intern((struct term){ .kind = TERM_LOAD, .a = a, .tag = tag });
}

const struct term *term_folio(const struct term *a)
{
	if (a->kind == TERM_FOLIO || a->kind == TERM_CONST)
		return a;
	return intern((struct term){ .kind = TERM_FOLIO, .a = a });
}

const struct term *term_and(const struct term *a, gint64 n)
{
	if (a->kind == TERM_CONST)
		return term_const(a->n & n);
	if (a->kind == TERM_AND) {
		n &= a->n;
		a = a->a;
	}
	/* Some low bits are the same whatever the width. */
	if (a->kind == TERM_VALUE && n > 0 && n < 1ll << 31 &&
	    (LLVMIsATruncInst(a->value) || LLVMIsAZExtInst(a->value))) {
		LLVMValueRef from = LLVMGetOperand(a->value, 0);

		if (MIN(ir_width(a->value), ir_width(from)) >= 32)
			return term_and(term_of(from), n);
	}
	if (a->kind == TERM_VALUE && LLVMIsABinaryOperator(a->value) &&
	    LLVMGetInstructionOpcode(a->value) == LLVMOr &&
	    LLVMIsAConstantInt(LLVMGetOperand(a->value, 1))) {
		gint64 set = LLVMConstIntGetSExtValue(LLVMGetOperand(a->value, 1));

		if ((set & n) == n)
			return term_const(n);
		if (!(set & n))
			return term_and(term_of(LLVMGetOperand(a->value, 0)), n);
	}
	return intern((struct term){ .kind = TERM_AND, .a = a, .n = n });
}

const struct term *term_anon(const struct term *a)
{
	while (a->kind == TERM_FOLIO)
		a = a->a;
	return intern((struct term){ .kind = TERM_ANON, .a = a });
}

/* Is @term used as a pointer to a folio, which is its own folio?  A page may not be. */
static bool is_folio(const struct term *term)
{
	if (term->kind != TERM_VALUE)
		return term->kind == TERM_FOLIO;
	for (LLVMUseRef use = LLVMGetFirstUse(term->value); use; use = LLVMGetNextUse(use)) {
		LLVMValueRef user = LLVMGetUser(use);

		if (LLVMIsAGetElementPtrInst(user) && ir_is_struct(user, "folio"))
			return true;
	}
	return false;
}

const struct term *term_same_as(const struct term *a, const struct term *b)
{
	if (a == b || (term_same(a, b) && is_folio(a) && is_folio(b)))
		return term_const(1);
	if (a->kind == TERM_CONST && b->kind == TERM_CONST)
		return term_const(a->n == b->n);
	if (a->id > b->id)
		return intern((struct term){ .kind = TERM_SAME, .a = b, .b = a });
	return intern((struct term){ .kind = TERM_SAME, .a = a, .b = b });
}

const struct term *term_outer(const struct term *a)
{
	return intern((struct term){ .kind = TERM_OUTER, .a = a });
}

const struct term *term_error(void)
{
	return intern((struct term){ .kind = TERM_ERROR });
}

const struct term *term_lost(void)
{
	return intern((struct term){ .kind = TERM_LOST });
}

static const struct term *term_of_call(LLVMValueRef value)
{
	LLVMValueRef called = LLVMGetCalledValue(value);
	struct function *fn = LLVMIsAFunction(called) ? ir_function(called) : NULL;

	if (!fn || !LLVMGetNumArgOperands(value))
		return term_value(value);
	switch (model_of(fn)) {
	case MODEL_FOLIO_OF:
		return term_folio(term_of(LLVMGetOperand(value, 0)));
	case MODEL_ANON:
		return term_anon(term_of(LLVMGetOperand(value, 0)));
	case MODEL_ERROR:
		return term_error();
	case MODEL_SAME:
		return term_of(LLVMGetOperand(value, 0));
	default:
		return term_value(value);
	}
}

const struct term *term_of(LLVMValueRef value)
{
	gint64 n;

	if (LLVMIsAConstantInt(value)) {
		if (LLVMGetIntTypeWidth(LLVMTypeOf(value)) > 64)
			return term_value(value);
		/* Bytes and bools are taken for unsigned, as widening them mostly is. */
		if (LLVMGetIntTypeWidth(LLVMTypeOf(value)) <= 8)
			return term_const((gint64)LLVMConstIntGetZExtValue(value));
		return term_const(LLVMConstIntGetSExtValue(value));
	}
	if (LLVMIsAConstantPointerNull(value))
		return term_const(0);
	if (LLVMIsAConstantExpr(value)) {
		switch (LLVMGetConstOpcode(value)) {
		case LLVMIntToPtr:
		case LLVMPtrToInt:
		case LLVMBitCast:
			return term_of(LLVMGetOperand(value, 0));
		case LLVMGetElementPtr:
			if (ir_offset(value, &n))
				return term_field(term_of(LLVMGetOperand(value, 0)), n);
			return term_value(value);
		default:
			return term_value(value);
		}
	}
	if (!LLVMIsAInstruction(value))
		return term_value(value);
	switch (LLVMGetInstructionOpcode(value)) {
	case LLVMIntToPtr:
	case LLVMPtrToInt:
	case LLVMBitCast:
	case LLVMFreeze:
		return term_of(LLVMGetOperand(value, 0));
	case LLVMZExt:
		if (ir_width(LLVMGetOperand(value, 0)) <= 8)
			return term_of(LLVMGetOperand(value, 0));
		return term_value(value);
	case LLVMSExt:
		if (ir_width(LLVMGetOperand(value, 0)) > 8)
			return term_of(LLVMGetOperand(value, 0));
		return term_value(value);
	case LLVMTrunc:
		/* A bool in memory is a byte. */
		if (ir_width(value) == 1)
			return term_of(LLVMGetOperand(value, 0));
		return term_value(value);
	case LLVMGetElementPtr:
		if (ir_offset(value, &n))
			return term_field(term_of(LLVMGetOperand(value, 0)), n);
		return term_value(value);
	case LLVMAnd:
		if (LLVMIsAConstantInt(LLVMGetOperand(value, 1)))
			return term_and(term_of(LLVMGetOperand(value, 0)),
					LLVMConstIntGetSExtValue(LLVMGetOperand(value, 1)));
		return term_value(value);
	case LLVMCall:
		return term_of_call(value);
	default:
		return term_value(value);
	}
}

bool term_same(const struct term *a, const struct term *b)
{
	while (a && a->kind == TERM_FOLIO)
		a = a->a;
	while (b && b->kind == TERM_FOLIO)
		b = b->a;
	return a == b;
}

const struct term *term_base(const struct term *term)
{
	while (term->kind == TERM_FIELD || term->kind == TERM_FOLIO)
		term = term->a;
	return term;
}

bool term_any(const struct term *term, bool (*check)(const struct term *term, const void *data),
	      const void *data)
{
	for (; term; term = term->kind == TERM_OUTER ? NULL : term->a)
		if (check(term, data) || (term->b && term_any(term->b, check, data)))
			return true;
	return false;
}

static bool is_value(const struct term *term, const void *value)
{
	return term->value == value;
}

bool term_mentions(const struct term *term, LLVMValueRef value)
{
	return term_any(term, is_value, value);
}

static bool is_load(const struct term *term, const void *data)
{
	return term->kind == TERM_LOAD;
}

bool term_has_memory(const struct term *term)
{
	return term_any(term, is_load, NULL);
}

const struct term *term_rewrite(const struct term *term, term_map map, void *data)
{
	const struct term *to = map(term, data), *a, *b = NULL;

	if (to != term || !term || !term->a || term->kind == TERM_OUTER)
		return to;
	a = term_rewrite(term->a, map, data);
	if (term->b)
		b = term_rewrite(term->b, map, data);
	if (a == term->a && b == term->b)
		return term;
	if (!a || (term->b && !b))
		return NULL;
	switch (term->kind) {
	case TERM_FIELD:
		return term_field(a, term->n);
	case TERM_LOAD:
		return term_load(a, term->tag);
	case TERM_FOLIO:
		return term_folio(a);
	case TERM_AND:
		return term_and(a, term->n);
	case TERM_ANON:
		return term_anon(a);
	case TERM_SAME:
		return term_same_as(a, b);
	default:
		return NULL;
	}
}

static guint64 narrow(gint64 n, unsigned int width)
{
	return width && width < 64 ? (guint64)n & ((1ULL << width) - 1) : (guint64)n;
}

static gint64 widen(gint64 n, unsigned int width)
{
	guint64 u = narrow(n, width);

	if (width && width < 64 && u >> (width - 1))
		u |= ~0ULL << width;
	return (gint64)u;
}

static bool holds(gint64 a, enum relation relation, gint64 b, unsigned int width)
{
	guint64 ua = narrow(a, width), ub = narrow(b, width);
	gint64 sa = widen(a, width), sb = widen(b, width);

	switch (relation) {
	case IS_EQ:
		return ua == ub;
	case IS_NE:
		return ua != ub;
	case IS_UGT:
		return ua > ub;
	case IS_UGE:
		return ua >= ub;
	case IS_ULT:
		return ua < ub;
	case IS_ULE:
		return ua <= ub;
	case IS_SGT:
		return sa > sb;
	case IS_SGE:
		return sa >= sb;
	case IS_SLT:
		return sa < sb;
	default:
		return sa <= sb;
	}
}

/* An address that cannot be NULL nor an error number. */
static bool is_object(const struct term *term)
{
	if (term->kind == TERM_VALUE)
		return LLVMIsAAllocaInst(term->value) || LLVMIsAGlobalValue(term->value);
	if (term->kind == TERM_FIELD)
		return is_object(term->a);
	return false;
}

enum truth literal_truth(const struct literal *literal)
{
	if (literal->term->kind == TERM_CONST)
		return holds(literal->term->n, literal->relation, literal->n, literal->width) ?
		       TRUE_ : FALSE_;
	if (literal->term->kind == TERM_ERROR) {
		if (literal->relation <= IS_NE && literal->n >= 0)
			return literal->relation == IS_NE ? TRUE_ : FALSE_;
		if (literal->n < 0 && literal->n >= -4096 && literal->relation <= IS_ULE &&
		    literal->relation >= IS_UGT)
			return literal->relation <= IS_UGE ? TRUE_ : FALSE_;
	}
	if (is_object(literal->term)) {
		if (literal->relation == IS_EQ && !literal->n)
			return FALSE_;
		if (literal->relation == IS_NE && !literal->n)
			return TRUE_;
		if ((literal->relation == IS_UGT || literal->relation == IS_UGE) &&
		    literal->n < 0 && literal->n >= -4096)
			return FALSE_;
	}
	return UNKNOWN_;
}

static const enum relation opposite[] = {
	[IS_EQ] = IS_NE, [IS_NE] = IS_EQ, [IS_UGT] = IS_ULE, [IS_ULE] = IS_UGT,
	[IS_UGE] = IS_ULT, [IS_ULT] = IS_UGE,
	[IS_SGT] = IS_SLE, [IS_SLE] = IS_SGT, [IS_SGE] = IS_SLT, [IS_SLT] = IS_SGE,
};

static int literal_order(const void *x, const void *y)
{
	const struct literal *a = x, *b = y;

	if (a->term != b->term)
		return a->term->id < b->term->id ? -1 : 1;
	if (a->relation != b->relation)
		return (int)a->relation - (int)b->relation;
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	return (int)a->width - (int)b->width;
}

bool facts_add(struct facts *facts, struct literal literal)
{
	switch (literal_truth(&literal)) {
	case TRUE_:
		return true;
	case FALSE_:
		return false;
	default:
		break;
	}
	if (literal.relation <= IS_NE && literal.term->kind == TERM_VALUE) {
		LLVMValueRef value = literal.term->value;

		/* What stands for a variable now may be a comparison. */
		if (!literal.n && ir_width(value) == 1 &&
		    (LLVMIsAICmpInst(value) || LLVMIsABinaryOperator(value)))
			return facts_assume(facts, value, literal.relation == IS_NE);
	}
	if (literal.width == 1 || literal.term->kind == TERM_ANON ||
	    literal.term->kind == TERM_SAME) {
		/* One way to write what a bool says. */
		if (literal.n && literal.relation <= IS_NE)
			literal.relation = opposite[literal.relation];
		literal.n = 0;
		literal.width = 1;
	}
	for (unsigned int i = 0; i < facts->n_literals; i++) {
		const struct literal *have = &facts->literals[i];

		/* What is known of flags says what is known of each of them. */
		if (have->term->kind == TERM_AND && have->term->a == literal.term &&
		    literal.relation == IS_EQ &&
		    !holds(literal.n & have->term->n, have->relation, have->n, have->width))
			return false;
		if (literal.term->kind == TERM_AND && literal.term->a == have->term &&
		    have->relation == IS_EQ) {
			if (!holds(have->n & literal.term->n, literal.relation, literal.n,
				   literal.width))
				return false;
			return true;
		}
		if (have->term != literal.term)
			continue;
		if (have->relation == literal.relation && have->n == literal.n)
			return true;
		if (have->relation == opposite[literal.relation] && have->n == literal.n)
			return false;
		if (have->relation == IS_EQ &&
		    !holds(have->n, literal.relation, literal.n, literal.width))
			return false;
		if (literal.relation == IS_EQ &&
		    !holds(literal.n, have->relation, have->n, have->width))
			return false;
	}
	if (facts->n_literals == MAX_LITERALS)
		return true;	/* to know less is never wrong */
	facts->literals[facts->n_literals++] = literal;
	qsort(facts->literals, facts->n_literals, sizeof(literal), literal_order);
	return true;
}

static enum relation relation_of(LLVMIntPredicate predicate)
{
	switch (predicate) {
	case LLVMIntEQ:
		return IS_EQ;
	case LLVMIntNE:
		return IS_NE;
	case LLVMIntUGT:
		return IS_UGT;
	case LLVMIntUGE:
		return IS_UGE;
	case LLVMIntULT:
		return IS_ULT;
	case LLVMIntULE:
		return IS_ULE;
	case LLVMIntSGT:
		return IS_SGT;
	case LLVMIntSGE:
		return IS_SGE;
	case LLVMIntSLT:
		return IS_SLT;
	default:
		return IS_SLE;
	}
}

/* @value relation @n, where @value may be a comparison, a cast or a bool itself. */
static bool assume_value(struct facts *facts, LLVMValueRef value, enum relation relation, gint64 n)
{
	unsigned int width = ir_width(value);
	LLVMOpcode opcode = LLVMIsAInstruction(value) ? LLVMGetInstructionOpcode(value) : 0;
	LLVMValueRef a, b;

	if (!width)
		return true;
	switch (opcode) {
	case LLVMZExt:
	case LLVMSExt:
		a = LLVMGetOperand(value, 0);
		if (ir_width(a) == 1) {
			if (relation > IS_NE || n < -1 || n > 1)
				return true;
			if (n < 0 && opcode == LLVMZExt)
				return relation == IS_NE;
			return facts_assume(facts, a, (relation == IS_NE) == !n);
		}
		if (opcode == LLVMZExt && (n < 0 || relation > IS_NE))
			return true;
		if (n != (opcode == LLVMZExt ? (gint64)narrow(n, ir_width(a)) :
			  widen(n, ir_width(a))))
			return true;
		return assume_value(facts, a, relation, n);
	case LLVMTrunc:
		if (width == 1 && relation <= IS_NE)
			return assume_value(facts, LLVMGetOperand(value, 0),
					    (relation == IS_NE) == !n ? IS_NE : IS_EQ, 0);
		/* A truncated number that is not 0 was none before. */
		if (relation == IS_NE && !n)
			return assume_value(facts, LLVMGetOperand(value, 0), IS_NE, 0);
		return true;
	case LLVMIntToPtr:
	case LLVMPtrToInt:
	case LLVMBitCast:
	case LLVMFreeze:
		return assume_value(facts, LLVMGetOperand(value, 0), relation, n);
	case LLVMICmp:
		if (relation > IS_NE)
			return true;
		return facts_assume(facts, value, (relation == IS_NE) == !n);
	case LLVMXor:
		if (width == 1 && relation <= IS_NE)
			return facts_assume(facts, value, (relation == IS_NE) == !n);
		break;
	case LLVMAnd:
		/* (mapping & PAGE_MAPPING_ANON), written out */
		a = LLVMGetOperand(value, 0);
		b = LLVMGetOperand(value, 1);
		if (relation <= IS_NE && !n && LLVMIsAConstantInt(b) &&
		    (LLVMConstIntGetSExtValue(b) & 3) && LLVMConstIntGetSExtValue(b) < 4) {
			const struct term *term = term_of(a);

			if (LLVMIsAPtrToIntInst(a))
				a = LLVMGetOperand(a, 0);
			if (LLVMIsALoadInst(a)) {
				LLVMValueRef from = LLVMGetOperand(a, 0);

				if (model_is_mapping(from) &&
				    (LLVMConstIntGetSExtValue(b) == 1 || relation == IS_EQ)) {
					term = term_anon(term_base(term_of(from)));
					if (!facts_add(facts, (struct literal){
							term, relation, 1, 0 }))
						return false;
				}
			}
		}
		break;
	default:
		break;
	}
	return facts_add(facts, (struct literal){ term_of(value), relation, width, n });
}

bool facts_assume(struct facts *facts, LLVMValueRef value, bool truth)
{
	LLVMOpcode opcode = LLVMIsAInstruction(value) ? LLVMGetInstructionOpcode(value) : 0;
	LLVMValueRef a, b;

	switch (opcode) {
	case LLVMFreeze:
		return facts_assume(facts, LLVMGetOperand(value, 0), truth);
	case LLVMXor:
		b = LLVMGetOperand(value, 1);
		if (LLVMIsAConstantInt(b) && ir_width(b) == 1)
			return facts_assume(facts, LLVMGetOperand(value, 0),
					    truth != (LLVMConstIntGetZExtValue(b) != 0));
		break;
	case LLVMAnd:
	case LLVMOr:
		/* Both are true, or both are false. */
		if (ir_width(value) != 1 || opcode == (truth ? LLVMOr : LLVMAnd))
			return true;
		return facts_assume(facts, LLVMGetOperand(value, 0), truth) &&
		       facts_assume(facts, LLVMGetOperand(value, 1), truth);
	case LLVMICmp: {
		enum relation relation = relation_of(LLVMGetICmpPredicate(value));

		a = LLVMGetOperand(value, 0);
		b = LLVMGetOperand(value, 1);
		if (!truth)
			relation = opposite[relation];
		if (term_of(b)->kind == TERM_CONST)
			return assume_value(facts, a, relation, term_of(b)->n);
		if (relation <= IS_NE && term_of(a)->kind == TERM_CONST)
			return assume_value(facts, b, relation, term_of(a)->n);
		if (term_of(a) == term_of(b))
			return relation == IS_EQ || relation == IS_UGE || relation == IS_ULE ||
			       relation == IS_SGE || relation == IS_SLE;
		if (relation <= IS_NE && ir_width(a) == 64)
			return facts_add(facts, (struct literal){
				term_same_as(term_of(a), term_of(b)),
				relation == IS_EQ ? IS_NE : IS_EQ, 1, 0 });
		return true;
	}
	default:
		break;
	}
	if (LLVMIsAConstantInt(value))
		return truth == (LLVMConstIntGetZExtValue(value) != 0);
	return assume_value(facts, value, truth ? IS_NE : IS_EQ, 0);
}

bool facts_cover(const struct facts *wide, const struct facts *narrow)
{
	unsigned int j = 0;

	if (wide->folio != narrow->folio || wide->n_events != narrow->n_events ||
	    wide->vague != narrow->vague || wide->fetched != narrow->fetched ||
	    wide->own != narrow->own ||
	    wide->doom != narrow->doom)
		return false;
	for (unsigned int i = 0; i < wide->n_events; i++)
		if (wide->events[i].term != narrow->events[i].term ||
		    wide->events[i].lock != narrow->events[i].lock)
			return false;
	for (unsigned int i = 0; i < wide->n_literals; i++) {
		while (j < narrow->n_literals &&
		       literal_order(&narrow->literals[j], &wide->literals[i]) < 0)
			j++;
		if (j == narrow->n_literals ||
		    literal_order(&narrow->literals[j], &wide->literals[i]))
			return false;
	}
	return true;
}

bool facts_rewrite(struct facts *facts, term_map map, void *data)
{
	struct facts old = *facts;

	facts->folio = old.folio ? term_rewrite(old.folio, map, data) : NULL;
	facts->n_literals = 0;
	facts->n_events = 0;
	for (unsigned int i = 0; i < old.n_literals; i++) {
		struct literal literal = old.literals[i];

		literal.term = term_rewrite(literal.term, map, data);
		if (literal.term && !facts_add(facts, literal))
			return false;
	}
	for (unsigned int i = 0; i < old.n_events; i++) {
		struct event event = old.events[i];

		event.term = term_rewrite(event.term, map, data);
		if (event.term && event.term->kind != TERM_CONST)
			facts->events[facts->n_events++] = event;
	}
	return true;
}

bool facts_merge(struct facts *a, const struct facts *b)
{
	unsigned int n = a->n_literals, at = n;
	struct facts bare = *b;

	bare.n_literals = 0;
	if (b->n_literals != n || !facts_cover(&bare, a))
		return false;
	for (unsigned int i = 0; i < n; i++) {
		const struct literal *x = &a->literals[i], *y = &b->literals[i];

		if (!literal_order(x, y))
			continue;
		if (at != n || x->term != y->term || x->n != y->n || x->width != y->width ||
		    x->relation != opposite[y->relation])
			return false;
		at = i;
	}
	if (at == n)
		return false;
	a->n_literals--;
	memmove(&a->literals[at], &a->literals[at + 1],
		(a->n_literals - at) * sizeof(bare.literals[0]));
	return true;
}

guint facts_hash(gconstpointer data)
{
	const struct facts *facts = data;
	gsize mix = (gsize)facts->folio + (gsize)facts->doom;

	for (unsigned int i = 0; i < facts->n_literals; i++)
		mix = mix * 31 + (gsize)facts->literals[i].term + facts->literals[i].relation * 3 +
		      facts->literals[i].n;
	for (unsigned int i = 0; i < facts->n_events; i++)
		mix = mix * 37 + (gsize)facts->events[i].term + facts->events[i].lock;
	return mix ^ (mix >> 23);
}

gboolean facts_equal(gconstpointer a, gconstpointer b)
{
	const struct facts *x = a, *y = b;

	return x->n_literals == y->n_literals && facts_cover(x, y);
}
