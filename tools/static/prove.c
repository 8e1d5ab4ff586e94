// SPDX-License-Identifier: GPL-2.0-only
/*
 * The search goes back from a call, instruction by instruction, on all ways at once.  It carries
 * one obligation, "this folio is locked, if these literals hold", renames it as it passes the
 * definitions of what it is about, and ends a way at the lock that proves it, at the unlock that
 * refutes it, or at the beginning of the function, where the obligation is the callers'.
 * Helpers are searched the same way, from their returns to their beginning.
 *
 * What is forgotten is forgotten on the safe side: a literal less means a way more.
 */
#include "prove.h"

#include "effects.h"
#include "model.h"

#include <string.h>

/* Beyond so many different facts at one place the literals go, then the search gives up. */
#define WIDEN_SOME	100
#define WIDEN_ALL	200
#define GIVE_UP		600
/* Beyond so many states for one call, the whole proof is given up. */
#define MAX_STATES	100000
#define MAX_DEPTH	40

#define AOP_WRITEPAGE_ACTIVATE	0x80000

GHashTable *prove_missing;
struct site *prove_site;
GArray *prove_uses;

struct state {
	LLVMBasicBlockRef block;
	LLVMValueRef next;	/* to be passed next; NULL at the beginning of @block */
	struct facts facts;
	const struct step *way;
};

struct search {
	struct function *fn;
	GQueue work;		/* states in the middle of a block */
	GHashTable *seen;	/* block -> GPtrArray of struct facts, at its end */
	GHashTable *pending;	/* block -> GPtrArray of struct state, at its end */
	GPtrArray *blocks;	/* that have something pending */
	struct answer *answer;
	bool gave_up;
};

struct question {
	struct function *fn;
	struct facts facts;
};

static GHashTable *answers;	/* struct question -> struct answer */
static int depth;
static unsigned int states;	/* that were followed for the call in question */

static const struct step *step(LLVMValueRef at, const char *text, const struct step *next)
{
	struct step *one;

	if (next && next->at == at)
		return next;
	one = g_new(struct step, 1);
	*one = (struct step){ .next = next, .at = at, .text = text };
	return one;
}

static const struct doom *doom_of(enum verdict verdict, LLVMValueRef at, const char *why)
{
	static GPtrArray *dooms;
	struct doom doom = { verdict, at, g_intern_string(why) };

	if (!dooms)
		dooms = g_ptr_array_new();
	for (guint i = 0; i < dooms->len; i++)
		if (!memcmp(dooms->pdata[i], &doom, sizeof(doom)))
			return dooms->pdata[i];
	g_ptr_array_add(dooms, g_memdup2(&doom, sizeof(doom)));
	return dooms->pdata[dooms->len - 1];
}

void prove_fail(struct answer *answer, const struct facts *facts, const struct step *way)
{
	struct failure failure = { facts->doom, way };

	for (guint i = 0; i < answer->failures->len; i++) {
		struct failure *have = &g_array_index(answer->failures, struct failure, i);

		/* One way to each place is enough. */
		if (have->doom == failure.doom)
			return;
	}
	g_array_append_val(answer->failures, failure);
}

void prove_unlocked(struct answer *answer, LLVMValueRef call, const struct step *way)
{
	struct facts facts = {
		.doom = doom_of(UNPROVED, call, "nothing here is known to lock it"),
	};

	prove_fail(answer, &facts, step(call, facts.doom->why, way));
}

static bool is_alloca(const struct term *base)
{
	return base->kind == TERM_VALUE && LLVMIsAAllocaInst(base->value);
}

static bool is_outer(const struct term *term, const void *data)
{
	return term->kind == TERM_LOAD && !is_alloca(term_base(term->a));
}

static bool of_outer_memory(const struct term *term)
{
	return term_any(term, is_outer, NULL);
}

/* Whether a way can be taken seldom hangs on memory of others, and that costs much to follow. */
static void keep_own(struct facts *facts)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < facts->n_literals; i++)
		if (!of_outer_memory(facts->literals[i].term))
			facts->literals[n++] = facts->literals[i];
	facts->n_literals = n;
}

/*
 * The folio is not locked on this way, or not known to be.  True if that is all; false if
 * there are literals that may still show that the way cannot be taken.
 */
static bool fail(struct search *search, struct state *state, enum verdict verdict,
		 LLVMValueRef at, const char *why)
{
	struct facts *facts = &state->facts;

	facts->doom = doom_of(verdict, at, why);
	/* After an unlock the folio is still known: see pass_model(). */
	if (verdict != UNLOCKED || !facts->folio)
		facts->folio = term_lost();
	facts->n_events = 0;
	facts->vague = false;
	state->way = step(at, facts->doom->why, state->way);
	keep_own(facts);
	if (facts->n_literals)
		return false;
	prove_fail(search->answer, facts, state->way);
	return true;
}

/* A way that has failed needs no folio any more. */
static bool still_doomed(struct facts *facts)
{
	if (facts->doom && !facts->folio)
		facts->folio = term_lost();
	return facts->doom;
}

/* The same for literals that were lost after the way had failed. */
static bool over(struct search *search, struct state *state)
{
	if (!state->facts.doom)
		return false;
	keep_own(&state->facts);
	if (state->facts.n_literals)
		return false;
	prove_fail(search->answer, &state->facts, state->way);
	return true;
}

/* A way ends at a lock. */
static void used(struct search *search, LLVMValueRef lock)
{
	struct use use = { lock, NULL };

	search->answer->proofs++;
	if (!prove_uses)
		prove_uses = g_array_new(false, true, sizeof(struct use));
	if (!g_ptr_array_find(search->answer->locks, lock, NULL))
		g_ptr_array_add(search->answer->locks, lock);
	for (guint i = 0; i < prove_uses->len; i++)
		if (g_array_index(prove_uses, struct use, i).lock == lock)
			return;
	use.sites = g_ptr_array_new();
	g_array_append_val(prove_uses, use);
}

/* @site rests on what @answer came to. */
static void rest_on(struct site *site, const struct answer *answer)
{
	for (guint i = 0; prove_uses && i < prove_uses->len; i++) {
		struct use *use = &g_array_index(prove_uses, struct use, i);

		if (g_ptr_array_find(answer->locks, use->lock, NULL) &&
		    !g_ptr_array_find(use->sites, site, NULL))
			g_ptr_array_add(use->sites, site);
	}
}

/* The names of a folio change on the way; is it now the one of a lock or unlock met before? */
static bool resolved(struct search *search, struct state *state)
{
	const struct facts *facts = &state->facts;

	if (facts->doom)
		return false;
	for (unsigned int i = 0; i < facts->n_events; i++) {
		if (!term_same(facts->events[i].term, facts->folio))
			continue;
		if (!facts->events[i].lock)
			return fail(search, state, facts->fetched ? UNPROVED : UNLOCKED,
				    facts->events[i].at, facts->fetched ?
				    "may be unlocked here" : "is unlocked here");
		used(search, facts->events[i].at);
		return true;
	}
	/* Nobody walks NULL or an error number. */
	return facts->folio->kind == TERM_CONST || facts->folio->kind == TERM_ERROR;
}

static void add_event(struct facts *facts, const struct term *term, LLVMValueRef at, bool lock)
{
	if (term->kind == TERM_CONST)
		return;
	while (term->kind == TERM_FOLIO)
		term = term->a;
	for (unsigned int i = 0; i < facts->n_events; i++) {
		if (facts->events[i].term != term)
			continue;
		/* The later one counts.  An unlock that has its own lock is another folio's. */
		if (lock && !facts->events[i].lock) {
			memmove(&facts->events[i], &facts->events[i + 1],
				(--facts->n_events - i) * sizeof(facts->events[0]));
		}
		return;
	}
	if (facts->n_events == MAX_EVENTS) {
		unsigned int last = MAX_EVENTS;

		/* A lock may be forgotten, an unlock not. */
		while (last && !facts->events[last - 1].lock)
			last--;
		if (!last) {
			facts->vague |= !lock;
			return;
		}
		memmove(&facts->events[last - 1], &facts->events[last],
			(MAX_EVENTS - last) * sizeof(facts->events[0]));
		facts->n_events--;
	}
	facts->events[facts->n_events++] = (struct event){ term, at, lock };
}

/* Renaming */

struct swap {
	LLVMValueRef from;
	const struct term *to;
};

static const struct term *swap_value(const struct term *term, void *data)
{
	const struct swap *swap = data;

	return term->kind == TERM_VALUE && term->value == swap->from ? swap->to : term;
}

static bool mentions(const struct facts *facts, LLVMValueRef value)
{
	if (term_mentions(facts->folio, value))
		return true;
	for (unsigned int i = 0; i < facts->n_literals; i++)
		if (term_mentions(facts->literals[i].term, value))
			return true;
	for (unsigned int i = 0; i < facts->n_events; i++)
		if (term_mentions(facts->events[i].term, value))
			return true;
	return false;
}

/* Where a folio that nothing has locked comes from: was it made up, or fetched? */
static enum verdict verdict_of_origin(LLVMValueRef value)
{
	LLVMValueRef called;

	switch (LLVMIsAInstruction(value) ? LLVMGetInstructionOpcode(value) : 0) {
	case LLVMCall:
		called = LLVMGetCalledValue(value);
		return LLVMIsAFunction(called) && ir_function(called) &&
		       model_of(ir_function(called)) == MODEL_FETCH ? UNLOCKED : UNPROVED;
	case LLVMGetElementPtr:
	case LLVMAdd:
	case LLVMSub:
	case LLVMShl:
	case LLVMLShr:
	case LLVMAShr:
	case LLVMMul:
	case LLVMOr:
		return UNLOCKED;
	default:
		return UNPROVED;
	}
}

/* Passes the definition of @inst, which nothing is known of. */
static bool forget(struct search *search, struct state *state, LLVMValueRef inst, const char *why)
{
	struct swap swap = { inst, NULL };
	struct facts old = state->facts;

	if (!mentions(&old, inst))
		return true;
	if (!facts_rewrite(&state->facts, swap_value, &swap))
		return false;
	if (still_doomed(&state->facts))
		return !over(search, state);
	if (!state->facts.folio) {
		const struct term *term = old.folio;
		bool itself = !term_has_memory(term);

		return !fail(search, state, itself ? verdict_of_origin(inst) : UNPROVED, inst, why);
	}
	return !over(search, state);
}

static bool rename_value(struct search *search, struct state *state, LLVMValueRef from,
			 const struct term *to)
{
	struct swap swap = { from, to };

	if (!mentions(&state->facts, from))
		return true;
	if (!facts_rewrite(&state->facts, swap_value, &swap))
		return false;
	if (still_doomed(&state->facts))
		return !over(search, state);
	if (!state->facts.folio)
		return !fail(search, state, UNPROVED, from, "is read through too many pointers");
	return !resolved(search, state) && !over(search, state);
}

/* Memory */

struct memory {
	const struct term *address;	/* that is written; NULL: unknown */
	GQuark tag;
	const struct term *to;		/* what is written; NULL: unknown */
	LLVMValueRef call;		/* or the call that writes */
	const struct effects *effects;	/* and what it writes; NULL: whatever it can reach */
	bool harmless;
	guint32 own;			/* see struct facts */
};

/* Is the address of @alloca, or of a part of it, given away other than as an argument? */
static bool leaks(LLVMValueRef alloca)
{
	for (LLVMUseRef use = LLVMGetFirstUse(alloca); use; use = LLVMGetNextUse(use)) {
		LLVMValueRef user = LLVMGetUser(use);

		if (LLVMIsAStoreInst(user) && LLVMGetOperand(user, 0) == alloca)
			return true;
		if (LLVMIsAGetElementPtrInst(user) && leaks(user))
			return true;
	}
	return false;
}

/* Can @term be an address in @object? */
static bool may_be_in(const struct term *term, LLVMValueRef object, int limit)
{
	const struct term *base = term_base(term);

	if (base->kind != TERM_VALUE)
		return false;
	if (base->value == object || !limit)
		return true;
	if (LLVMIsAPHINode(base->value)) {
		for (unsigned int i = 0; i < LLVMCountIncoming(base->value); i++)
			if (may_be_in(term_of(LLVMGetIncomingValue(base->value, i)), object,
				      limit - 1))
				return true;
		return false;
	}
	if (LLVMIsASelectInst(base->value) || LLVMIsAGetElementPtrInst(base->value))
		for (int i = 0; i < LLVMGetNumOperands(base->value); i++)
			if (may_be_in(term_of(LLVMGetOperand(base->value, i)), object, limit - 1))
				return true;
	return false;
}

static bool passes(LLVMValueRef call, LLVMValueRef object)
{
	int n = LLVMGetNumArgOperands(call);

	for (int i = 0; i < n; i++)
		if (may_be_in(term_of(LLVMGetOperand(call, i)), object, 6))
			return true;
	return false;
}

/* Is @base a variable that is only reached by its own name here? */
static bool is_own(const struct memory *memory, const struct term *base)
{
	if (is_alloca(base))
		return !leaks(base->value);
	if (base->kind != TERM_VALUE || !LLVMIsAArgument(base->value))
		return false;
	for (unsigned int i = 0; i < MAX_PARAMS; i++)
		if (memory->own & 1u << i &&
		    LLVMGetParam(LLVMGetParamParent(base->value), i) == base->value)
			return !leaks(base->value);
	return false;
}

static bool may_write(const struct memory *memory, const struct term *load)
{
	const struct term *base = term_base(load->a);

	if (memory->call) {
		if (is_own(memory, base))
			return passes(memory->call, base->value);
		if (memory->harmless)
			return false;
		if (!memory->effects)
			return true;
		if (load->tag && g_hash_table_contains(memory->effects->writes,
						       GUINT_TO_POINTER(load->tag)))
			return true;
		return memory->effects->writes_any;
	}
	if (term_base(memory->address) == base)
		return load->a == memory->address || (load->a->kind != TERM_FIELD &&
						      memory->address->kind != TERM_FIELD);
	if (is_own(memory, base))
		return may_be_in(memory->address, base->value, 6);
	if (is_own(memory, term_base(memory->address)))
		return false;
	/* Fields of another struct or at another offset are other memory: trusted. */
	return !load->tag || !memory->tag || load->tag == memory->tag;
}

static const struct term *write_term(const struct term *term, void *data)
{
	const struct memory *memory = data;
	const struct term *a;

	if (term->kind != TERM_LOAD)
		return term;
	a = term_rewrite(term->a, write_term, data);
	if (!a)
		return NULL;
	if (a != term->a)
		term = term_load(a, term->tag);
	if (!term)
		return NULL;
	if (memory->address == term->a && memory->to)
		return memory->to;
	return may_write(memory, term) ? NULL : term;
}

static bool any_memory(const struct facts *facts)
{
	if (term_has_memory(facts->folio))
		return true;
	for (unsigned int i = 0; i < facts->n_literals; i++)
		if (term_has_memory(facts->literals[i].term))
			return true;
	for (unsigned int i = 0; i < facts->n_events; i++)
		if (term_has_memory(facts->events[i].term))
			return true;
	return false;
}

static bool write_memory(struct search *search, struct state *state, struct memory *memory,
			 LLVMValueRef inst)
{
	if (!any_memory(&state->facts))
		return true;
	memory->own = state->facts.own;
	if (!facts_rewrite(&state->facts, write_term, memory))
		return false;
	if (still_doomed(&state->facts))
		return !over(search, state);
	if (!state->facts.folio)
		return !fail(search, state, UNPROVED, inst,
			     "may change the pointer that the folio was read from");
	return !resolved(search, state) && !over(search, state);
}

/* Calls */

struct frame {
	LLVMValueRef call;
	struct function *fn;
};

/* Stands for what @fn returns, while it is not known at which of its returns. */
static LLVMValueRef result_of(struct function *fn)
{
	return LLVMBasicBlockAsValue(LLVMGetEntryBasicBlock(fn->value));
}

/* A term of the caller, in the words of the function that it calls. */
static const struct term *into(const struct term *term, void *data)
{
	const struct frame *frame = data;
	unsigned int n = MIN(LLVMGetNumArgOperands(frame->call), LLVMCountParams(frame->fn->value));

	if (term->kind == TERM_CONST || term->kind >= TERM_ERROR)
		return term;
	if (term->kind == TERM_VALUE && term->value == frame->call)
		return term_value(result_of(frame->fn));
	if (term->kind == TERM_VALUE && LLVMIsAConstant(term->value))
		return term;
	for (unsigned int i = 0; i < n; i++) {
		const struct term *arg = term_of(LLVMGetOperand(frame->call, i));
		const struct term *bare = term->kind == TERM_FIELD ? term->a : term;
		gint64 offset = term->kind == TERM_FIELD ? term->n : 0;

		if (arg->kind == TERM_CONST)
			continue;
		if (term == arg)
			return term_value(LLVMGetParam(frame->fn->value, i));
		if (arg->kind == TERM_FIELD && arg->a == bare && term->kind <= TERM_FIELD)
			return term_field(term_value(LLVMGetParam(frame->fn->value, i)),
					  offset - arg->n);
		if (arg == bare && term->kind == TERM_FIELD)
			return term_field(term_value(LLVMGetParam(frame->fn->value, i)), offset);
		/* A page is anonymous if its folio is. */
		if (term->kind == TERM_ANON && term_same(arg, term->a))
			return term_anon(term_value(LLVMGetParam(frame->fn->value, i)));
	}
	return term->a && term->kind != TERM_OUTER ? term : NULL;
}

static const struct term *out_of(const struct term *term, void *data)
{
	const struct frame *frame = data;
	unsigned int n = MIN(LLVMGetNumArgOperands(frame->call), LLVMCountParams(frame->fn->value));

	if (term->kind == TERM_OUTER)
		return term->a;
	if (term->kind != TERM_VALUE || LLVMIsAConstant(term->value))
		return term;
	for (unsigned int i = 0; i < n; i++)
		if (term->value == LLVMGetParam(frame->fn->value, i))
			return term_of(LLVMGetOperand(frame->call, i));
	return NULL;
}

bool prove_at_caller(LLVMValueRef call, struct function *fn, struct facts *facts)
{
	struct frame frame = { call, fn };

	facts->n_events = 0;
	return facts_rewrite(facts, out_of, &frame) && facts->folio;
}

static struct answer *new_answer(void)
{
	struct answer *answer = g_new0(struct answer, 1);

	answer->entry = g_ptr_array_new();
	answer->failures = g_array_new(false, true, sizeof(struct failure));
	answer->locks = g_ptr_array_new();
	return answer;
}

static void start(struct search *search);
static void run(struct search *search);

static guint question_hash(gconstpointer data)
{
	const struct question *question = data;

	return facts_hash(&question->facts) ^ GPOINTER_TO_UINT(question->fn);
}

static gboolean question_equal(gconstpointer a, gconstpointer b)
{
	const struct question *x = a, *y = b;

	return x->fn == y->fn && facts_equal(&x->facts, &y->facts);
}

/* What the callers must show for @facts to hold wherever @fn returns. */
static struct answer *prove_return(struct function *fn, const struct facts *facts)
{
	struct question question = { fn, *facts };
	struct answer *answer;
	struct search search = { .fn = fn };
	LLVMBasicBlockRef block;

	if (!answers)
		answers = g_hash_table_new(question_hash, question_equal);
	answer = g_hash_table_lookup(answers, &question);
	if (answer)
		return answer;
	answer = new_answer();
	answer->open = true;
	g_hash_table_insert(answers, g_memdup2(&question, sizeof(question)), answer);
	search.answer = answer;
	start(&search);
	for (block = LLVMGetFirstBasicBlock(fn->value); block;
	     block = LLVMGetNextBasicBlock(block)) {
		LLVMValueRef last = LLVMGetBasicBlockTerminator(block);
		struct state state = { .block = block, .facts = *facts };

		if (LLVMGetInstructionOpcode(last) != LLVMRet)
			continue;
		state.next = LLVMGetPreviousInstruction(last);
		if (LLVMGetNumOperands(last) &&
		    !rename_value(&search, &state, result_of(fn), term_of(LLVMGetOperand(last, 0))))
			continue;
		g_queue_push_tail(&search.work, g_memdup2(&state, sizeof(state)));
	}
	depth++;
	run(&search);
	depth--;
	answer->open = false;
	return answer;
}

/* Is @arg the folio, a part of it, or what it was reached from? */
static bool leads_to(const struct term *folio, const struct term *arg, int limit)
{
	const struct term *base = term_base(folio);

	if (base == arg)
		return true;
	if (!limit)
		return true;
	if (base->kind == TERM_LOAD)
		return leads_to(base->a, arg, limit - 1);
	if (base->kind != TERM_VALUE || !LLVMIsAInstruction(base->value))
		return false;
	switch (LLVMGetInstructionOpcode(base->value)) {
	case LLVMLoad:
	case LLVMGetElementPtr:
		return leads_to(term_of(LLVMGetOperand(base->value, 0)), arg, limit - 1);
	case LLVMSelect:
		return leads_to(term_of(LLVMGetOperand(base->value, 1)), arg, limit - 1) ||
		       leads_to(term_of(LLVMGetOperand(base->value, 2)), arg, limit - 1);
	default:
		return false;
	}
}

static LLVMValueRef alloca_below(LLVMValueRef pointer)
{
	const struct term *base = term_base(term_of(pointer));

	return is_alloca(base) ? base->value : NULL;
}

static bool has(GPtrArray *terms, const struct term *term)
{
	return g_ptr_array_find(terms, term, NULL);
}

static void grow(GPtrArray *terms, const struct term *term)
{
	if (term->kind == TERM_VALUE && !LLVMIsAConstant(term->value) && !has(terms, term))
		g_ptr_array_add(terms, (gpointer)term);
}

/* What @call may return that it was given, if it is known: each such argument. */
static guint32 hands_back(LLVMValueRef call)
{
	LLVMValueRef called = LLVMGetCalledValue(call);
	struct function *fn = LLVMIsAFunction(called) ? ir_function(called) : NULL;

	if (!fn || LLVMIsAInlineAsm(called))
		return 0;
	if (model_of(fn) > MODEL_ROOT_ANON || !fn->value)
		return 0;
	return effects_of(fn)->returned;
}

/* All names in @fn that may stand for the folio that @folio stands for, or for a part of it. */
static GPtrArray *names_of(struct function *fn, const struct term *folio)
{
	GPtrArray *names = g_ptr_array_new();
	LLVMBasicBlockRef block;
	LLVMValueRef inst;
	guint before;

	grow(names, term_base(folio));
	do {
		before = names->len;
		for (block = LLVMGetFirstBasicBlock(fn->value); block;
		     block = LLVMGetNextBasicBlock(block))
			for (inst = LLVMGetFirstInstruction(block); inst;
			     inst = LLVMGetNextInstruction(inst)) {
				const struct term *self = term_value(inst);
				bool call = LLVMIsACallInst(inst), same = has(names, self);
				guint32 back = call ? hands_back(inst) : 0;
				int n = call ? (int)LLVMGetNumArgOperands(inst) :
					LLVMGetNumOperands(inst);

				if (ir_width(inst) != 64 ||
				    !(back || LLVMIsAPHINode(inst) || LLVMIsASelectInst(inst)))
					continue;
				for (int i = 0; i < n; i++) {
					const struct term *each;

					if (call && !(i < MAX_PARAMS && back & 1u << i))
						continue;
					each = term_base(term_of(LLVMGetOperand(inst, i)));
					if (has(names, each))
						grow(names, self);
					else if (same)
						grow(names, each);
				}
			}
	} while (names->len != before);
	return names;
}

/* Was a pointer to @folio, or into it, put into what @arg points to, anywhere in @fn? */
static bool kept_in(struct function *fn, const struct term *folio, LLVMValueRef arg)
{
	const struct term *object = term_base(term_of(arg));
	GPtrArray *names = names_of(fn, folio);
	LLVMBasicBlockRef block;
	LLVMValueRef inst;
	bool kept = false;

	for (block = LLVMGetFirstBasicBlock(fn->value); block && !kept;
	     block = LLVMGetNextBasicBlock(block))
		for (inst = LLVMGetFirstInstruction(block); inst && !kept;
		     inst = LLVMGetNextInstruction(inst)) {
			LLVMValueRef called;
			struct function *to;
			bool given = false, there = false;

			if (LLVMIsAStoreInst(inst))
				kept = has(names, term_base(term_of(LLVMGetOperand(inst, 0)))) &&
				       term_base(term_of(LLVMGetOperand(inst, 1))) == object;
			if (!LLVMIsACallInst(inst))
				continue;
			called = LLVMGetCalledValue(inst);
			to = LLVMIsAFunction(called) ? ir_function(called) : NULL;
			if (!to || model_of(to) > MODEL_ROOT_ANON || !to->value)
				continue;
			for (unsigned int i = 0; i < LLVMGetNumArgOperands(inst); i++) {
				const struct term *each =
					term_base(term_of(LLVMGetOperand(inst, i)));

				if (each == object)
					there = true;
				else if (i < MAX_PARAMS && effects_of(to)->stored & 1u << i &&
					 has(names, each))
					given = true;
			}
			kept = given && there;
		}
	g_ptr_array_free(names, true);
	return kept;
}

static enum truth success(const struct facts *facts, LLVMValueRef call, bool zero)
{
	for (unsigned int i = 0; i < facts->n_literals; i++) {
		const struct literal *literal = &facts->literals[i];
		struct literal is_zero = { term_const(0), literal->relation, literal->width,
					   literal->n };

		if (literal->term->kind != TERM_VALUE || literal->term->value != call)
			continue;
		if (literal->relation == IS_EQ)
			return (literal->n == 0) == zero ? TRUE_ : FALSE_;
		/* 0 is excluded */
		if (literal_truth(&is_zero) == FALSE_)
			return zero ? FALSE_ : TRUE_;
	}
	return UNKNOWN_;
}

/* Is there a report in @block, or shortly after it? */
static bool reports_soon(LLVMBasicBlockRef block, int limit)
{
	LLVMValueRef last = LLVMGetBasicBlockTerminator(block);

	if (ir_dies(block))
		return false;
	if (ir_reports(block))
		return true;
	for (unsigned int i = 0; limit && i < LLVMGetNumSuccessors(last); i++)
		if (reports_soon(LLVMGetSuccessor(last, i), limit - 1))
			return true;
	return false;
}

/* Does the code that looks at @value report an unlocked folio and stay alive? */
static bool warns(LLVMValueRef value, int limit)
{
	for (LLVMUseRef use = LLVMGetFirstUse(value); use && limit; use = LLVMGetNextUse(use)) {
		LLVMValueRef user = LLVMGetUser(use);

		if (LLVMGetInstructionOpcode(user) == LLVMBr) {
			for (unsigned int i = 0; i < LLVMGetNumSuccessors(user); i++)
				if (reports_soon(LLVMGetSuccessor(user, i), 2))
					return true;
		} else if (!LLVMIsACallInst(user) || term_of(user) == term_of(value)) {
			if (warns(user, limit - 1))
				return true;
		}
	}
	return false;
}

/* Is a folio unlocked later of which it is not known whether it is another one? */
static bool unlocks_left(const struct facts *facts)
{
	for (unsigned int i = 0; i < facts->n_events; i++)
		if (!facts->events[i].lock)
			return true;
	return facts->vague;
}

enum passed { GO_ON, DONE };

static enum passed pass_model(struct search *search, struct state *state, LLVMValueRef call,
			      enum model model)
{
	const struct term *folio = NULL;
	bool same = false;
	enum truth locked = TRUE_;

	if (LLVMGetNumArgOperands(call) && model < MODEL_FETCH) {
		folio = term_of(model_folio(call));
		same = term_same(folio, state->facts.folio);
	}
	switch (model) {
	case MODEL_BIT_LOCK:
		if (!model_is_lock_bit(call))
			break;
		fallthrough;
	case MODEL_LOCK_ERROR:
	case MODEL_TRYLOCK:
		locked = success(&state->facts, call, model != MODEL_TRYLOCK);
		fallthrough;
	case MODEL_LOCK:
	case MODEL_LOCK_NEW:
		if (locked != TRUE_)
			break;
		if (state->facts.doom) {
			/*
			 * The unlock that was met has its own lock, which no locked folio lets
			 * anybody take: what counts is whether the folio was locked before.
			 */
			if (same && state->facts.doom->verdict == UNLOCKED)
				state->facts.doom = NULL;
			break;
		}
		if (same) {
			if (model != MODEL_LOCK_NEW && unlocks_left(&state->facts) &&
			    fail(search, state, UNPROVED, state->facts.events[0].at,
				 "unlocks a folio that may be the same"))
				return DONE;
			if (state->facts.doom)
				break;
			used(search, call);
			return DONE;
		}
		add_event(&state->facts, folio, call, true);
		break;
	case MODEL_BIT_UNLOCK:
		if (!model_is_lock_bit(call))
			break;
		fallthrough;
	case MODEL_UNLOCK:
		if (state->facts.doom)
			break;
		if (same) {
			if (fail(search, state, UNLOCKED, call, "is unlocked here"))
				return DONE;
			break;
		}
		add_event(&state->facts, folio, call, false);
		break;
	case MODEL_TEST:
		if (same && !state->facts.doom && warns(call, 20) &&
		    success(&state->facts, call, false) == TRUE_) {
			search->answer->proofs++;
			return DONE;
		}
		break;
	case MODEL_FETCH:
	case MODEL_HARMLESS: {
		struct memory memory = { .call = call, .harmless = true };

		if (!write_memory(search, state, &memory, call))
			return DONE;
		break;
	}
	default:
		break;
	}
	return forget(search, state, call, model == MODEL_FETCH ?
		      "finds the folio, and nothing locks it after" :
		      "returns the folio, and nothing is known to lock it after") ? GO_ON : DONE;
}

static void missing(const char *name)
{
	if (!prove_missing)
		prove_missing = g_hash_table_new(g_str_hash, g_str_equal);
	g_hash_table_add(prove_missing, (char *)name);
}

/* Returns with the folio locked only if it says so. */
static enum passed pass_writepage(struct search *search, struct state *state, LLVMValueRef call)
{
	struct literal kept = { term_value(call), IS_EQ, 32, AOP_WRITEPAGE_ACTIVATE };
	struct state other = *state;

	if (facts_add(&other.facts, kept)) {
		other.next = LLVMGetPreviousInstruction(call);
		if (forget(search, &other, call, ""))
			g_queue_push_tail(&search->work, g_memdup2(&other, sizeof(other)));
	}
	kept.relation = IS_NE;
	if (!facts_add(&state->facts, kept))
		return DONE;
	return fail(search, state, UNLOCKED, call, "is unlocked by writepage()") ? DONE : GO_ON;
}

/* A call that nobody compiled, or that goes through a pointer. */
static enum passed pass_unknown(struct search *search, struct state *state, LLVMValueRef call,
				struct function *fn)
{
	struct memory memory = { .call = call };
	int n = LLVMGetNumArgOperands(call);
	bool asm_ = LLVMIsAInlineAsm(LLVMGetCalledValue(call));
	enum slot_model slot = fn ? SLOT_UNKNOWN : model_slot(call);
	bool trusted = asm_ || state->facts.doom || slot == SLOT_HARMLESS;

	if (slot == SLOT_UNLOCKS && !trusted) {
		const struct term *page = term_of(LLVMGetOperand(call, 0));
		const struct term *read = term_of(LLVMGetOperand(call, 1));

		trusted = true;
		if (term_same(page, state->facts.folio) &&
		    pass_writepage(search, state, call) == DONE)
			return DONE;
		if (term_same(read, state->facts.folio) &&
		    fail(search, state, UNPROVED, call, "may be unlocked by read_folio()"))
			return DONE;
		add_event(&state->facts, page, call, false);
		add_event(&state->facts, read, call, false);
	}
	memory.harmless = asm_;
	for (int i = 0; i < n && !trusted; i++) {
		const struct term *arg = term_base(term_of(LLVMGetOperand(call, i)));

		if (ir_width(LLVMGetOperand(call, i)) != 64 || arg->kind == TERM_CONST)
			continue;
		if (!leads_to(state->facts.folio, arg, 12) &&
		    !(alloca_below(LLVMGetOperand(call, i)) &&
		      kept_in(search->fn, state->facts.folio, LLVMGetOperand(call, i))))
			continue;
		if (fn)
			missing(fn->name);
		if (fail(search, state, UNPROVED, call, fn ?
			 g_strdup_printf("is given to %s(), whose code is not at hand", fn->name) :
			 "is given to a function that is called through a pointer"))
			return DONE;
		break;
	}
	if (fn && term_mentions(state->facts.folio, call))
		missing(fn->name);
	if (!write_memory(search, state, &memory, call))
		return DONE;
	return forget(search, state, call, fn ?
		      g_strdup_printf("is what %s() returns, whose code is not at hand", fn->name) :
		      "is what a function returns that is called through a pointer") ?
	       GO_ON : DONE;
}

static const struct step *join(const struct step *first, const struct step *second)
{
	if (!first)
		return second;
	return step(first->at, first->text, join(first->next, second));
}

static const struct term *wrap(const struct term *term, struct frame *frame)
{
	const struct term *inner = term_rewrite(term, into, frame);
	unsigned int n = MIN(LLVMGetNumArgOperands(frame->call), LLVMCountParams(frame->fn->value));

	/* A page stands for its folio: they have one lock. */
	for (unsigned int i = 0; i < n && !inner; i++)
		if (term_same(term, term_of(LLVMGetOperand(frame->call, i))))
			inner = term_value(LLVMGetParam(frame->fn->value, i));
	return inner ? inner : term_outer(term);
}

/* Is argument @n a variable of ours that no other argument leads to? */
static bool owns(const struct state *state, LLVMValueRef call, unsigned int n)
{
	const struct term *base = term_base(term_of(LLVMGetOperand(call, n)));
	struct memory memory = { .own = state->facts.own };

	if (n >= MAX_PARAMS || !is_own(&memory, base))
		return false;
	for (unsigned int i = 0; i < LLVMGetNumArgOperands(call); i++)
		if (i != n && ir_width(LLVMGetOperand(call, i)) == 64 &&
		    term_base(term_of(LLVMGetOperand(call, i))) == base)
			return false;
	return true;
}

static enum passed descend(struct search *search, struct state *state, LLVMValueRef call,
			   struct function *fn)
{
	struct frame frame = { call, fn };
	struct facts inner = {
		.vague = state->facts.vague, .fetched = state->facts.fetched,
		.doom = state->facts.doom,
	};
	struct facts aside = { 0 };
	unsigned int n = MIN(LLVMGetNumArgOperands(call), LLVMCountParams(fn->value));
	struct answer *answer;

	inner.folio = wrap(state->facts.folio, &frame);
	for (unsigned int i = 0; i < n; i++) {
		LLVMValueRef arg = LLVMGetOperand(call, i);
		const struct term *term = term_of(arg);

		if (owns(state, call, i))
			inner.own |= 1u << i;
		if (term->kind == TERM_CONST && ir_width(arg))
			facts_add(&inner, (struct literal){
				term_value(LLVMGetParam(fn->value, i)), IS_EQ, ir_width(arg),
				term->n });
	}
	for (unsigned int i = 0; i < state->facts.n_literals; i++) {
		struct literal literal = state->facts.literals[i];
		const struct term *to = term_rewrite(literal.term, into, &frame);

		if (!to) {
			if (!term_mentions(literal.term, call))
				aside.literals[aside.n_literals++] = literal;
			continue;
		}
		literal.term = to;
		if (!facts_add(&inner, literal))
			return DONE;
	}
	for (unsigned int i = 0; i < state->facts.n_events; i++) {
		inner.events[inner.n_events] = state->facts.events[i];
		inner.events[inner.n_events++].term = wrap(state->facts.events[i].term, &frame);
	}
	if (depth >= MAX_DEPTH)
		return fail(search, state, UNPROVED, call, "calls go too deep here") ?
		       DONE : GO_ON;
	answer = prove_return(fn, &inner);
	if (answer->open)
		return fail(search, state, UNPROVED, call, "is given to a recursion") ?
		       DONE : GO_ON;
	search->answer->proofs += answer->proofs;
	for (guint i = 0; i < answer->locks->len; i++)
		if (!g_ptr_array_find(search->answer->locks, answer->locks->pdata[i], NULL))
			g_ptr_array_add(search->answer->locks, answer->locks->pdata[i]);
	for (guint i = 0; i < answer->failures->len; i++) {
		struct failure *failure = &g_array_index(answer->failures, struct failure, i);
		struct state next = *state;

		next.facts = aside;
		next.facts.folio = term_lost();
		next.facts.doom = failure->doom;
		next.way = join(failure->way, step(call, "called here", state->way));
		next.next = LLVMGetPreviousInstruction(call);
		if (!over(search, &next))
			g_queue_push_tail(&search->work, g_memdup2(&next, sizeof(next)));
	}
	for (guint i = 0; i < answer->entry->len; i++) {
		struct state next = *state;
		const struct entry *entry = answer->entry->pdata[i];
		bool possible = true;

		next.facts = entry->facts;
		next.facts.own = state->facts.own;
		next.way = step(call, "called here", state->way);
		if (next.facts.doom != state->facts.doom)
			next.way = join(entry->way, next.way);
		if (!facts_rewrite(&next.facts, out_of, &frame))
			continue;
		for (unsigned int j = 0; j < aside.n_literals && possible; j++)
			possible = facts_add(&next.facts, aside.literals[j]);
		if (!possible || (!still_doomed(&next.facts) && !next.facts.folio &&
				  fail(search, &next, UNPROVED, call, "is lost track of here")) ||
		    resolved(search, &next) || over(search, &next))
			continue;
		next.next = LLVMGetPreviousInstruction(call);
		g_queue_push_tail(&search->work, g_memdup2(&next, sizeof(next)));
	}
	return DONE;
}

static bool is_written(const struct term *term, const void *memory)
{
	return term->kind == TERM_LOAD && may_write(memory, term);
}

/* Does a literal or the folio hang on memory that @call writes and that has a name in it? */
static bool writes_what_matters(const struct facts *facts, struct memory *memory)
{
	for (unsigned int i = 0; i <= facts->n_literals + facts->n_events; i++) {
		const struct term *term = i < facts->n_literals ? facts->literals[i].term :
					  i > facts->n_literals ?
					  facts->events[i - facts->n_literals - 1].term :
					  facts->folio;

		if (term_any(term, is_written, memory))
			return true;
	}
	return false;
}

/* Is what @call returns unlocked later?  It may be the folio by another name. */
static bool event_mentions(const struct facts *facts, LLVMValueRef call)
{
	for (unsigned int i = 0; i < facts->n_events; i++)
		if (!facts->events[i].lock && term_mentions(facts->events[i].term, call))
			return true;
	return false;
}

static enum passed pass_function(struct search *search, struct state *state, LLVMValueRef call,
				 struct function *fn)
{
	const struct effects *effects = effects_of(fn);
	struct memory memory = { .call = call, .effects = effects, .own = state->facts.own };
	const struct term *folio = state->facts.folio;
	int n = LLVMGetNumArgOperands(call);
	bool touched = false, result = mentions(&state->facts, call);

	for (int i = 0; i < n; i++) {
		LLVMValueRef arg = LLVMGetOperand(call, i);
		const struct term *base = term_base(term_of(arg));
		bool reached;

		if (i < MAX_PARAMS && !((effects->locks | effects->escapes) & 1u << i))
			continue;
		if (ir_width(arg) != 64 || base->kind == TERM_CONST || folio->kind >= TERM_OUTER ||
		    state->facts.doom)
			continue;
		reached = leads_to(folio, base, 12);
		if (!reached && !(alloca_below(arg) && kept_in(search->fn, folio, arg)))
			continue;
		touched = true;
		if (wrap(folio, &(struct frame){ call, fn })->kind == TERM_OUTER) {
			if (i < MAX_PARAMS && !(effects->locks & 1u << i))
				for (guint j = 0; j < effects->unknown->len; j++)
					missing(effects->unknown->pdata[j]);
			if (fail(search, state, UNPROVED, call,
				 g_strdup_printf("may be unlocked by %s()", fn->name)))
				return DONE;
			break;
		}
	}
	if (touched || (term_mentions(folio, call) && !state->facts.doom) ||
	    (result && effects->pure) ||
	    (effects->returned && event_mentions(&state->facts, call)) ||
	    (any_memory(&state->facts) && writes_what_matters(&state->facts, &memory)))
		return descend(search, state, call, fn);
	return forget(search, state, call, "is lost track of here") ? GO_ON : DONE;
}

static enum passed pass_call(struct search *search, struct state *state, LLVMValueRef call)
{
	GPtrArray *targets = g_ptr_array_new();
	bool known = ir_targets(call, targets);
	struct function *fn = targets->len == 1 && known ? targets->pdata[0] : NULL;

	g_ptr_array_free(targets, true);
	if (fn && model_of(fn) > MODEL_ROOT_ANON)
		return pass_model(search, state, call, model_of(fn));
	if (fn && fn->value)
		return pass_function(search, state, call, fn);
	return pass_unknown(search, state, call, fn);
}

static enum passed pass(struct search *search, struct state *state, LLVMValueRef inst)
{
	struct memory memory = { 0 };

	switch (LLVMGetInstructionOpcode(inst)) {
	case LLVMCall:
	case LLVMInvoke:
	case LLVMCallBr:
		return pass_call(search, state, inst);
	case LLVMLoad:
		if (term_mentions(state->facts.folio, inst) &&
		    !is_alloca(term_base(term_of(LLVMGetOperand(inst, 0)))))
			state->facts.fetched = true;
		return rename_value(search, state, inst,
				    term_load(term_of(LLVMGetOperand(inst, 0)),
					      ir_tag(LLVMGetOperand(inst, 0)))) ? GO_ON : DONE;
	case LLVMStore:
		memory.to = term_of(LLVMGetOperand(inst, 0));
		memory.address = term_of(LLVMGetOperand(inst, 1));
		memory.tag = ir_tag(LLVMGetOperand(inst, 1));
		return write_memory(search, state, &memory, inst) ? GO_ON : DONE;
	case LLVMAtomicRMW:
	case LLVMAtomicCmpXchg:
		memory.address = term_of(LLVMGetOperand(inst, 0));
		memory.tag = ir_tag(LLVMGetOperand(inst, 0));
		if (!write_memory(search, state, &memory, inst))
			return DONE;
		return forget(search, state, inst, "is made here") ? GO_ON : DONE;
	case LLVMAlloca:
		/* Nothing was stored in it: no way comes from here. */
		if (term_mentions(state->facts.folio, inst) && !state->facts.doom)
			return DONE;
		return forget(search, state, inst, "") ? GO_ON : DONE;
	case LLVMSelect:
		if (mentions(&state->facts, inst)) {
			struct state other = *state;

			if (facts_assume(&other.facts, LLVMGetOperand(inst, 0), false) &&
			    rename_value(search, &other, inst, term_of(LLVMGetOperand(inst, 2)))) {
				other.next = LLVMGetPreviousInstruction(inst);
				g_queue_push_tail(&search->work, g_memdup2(&other, sizeof(other)));
			}
			return facts_assume(&state->facts, LLVMGetOperand(inst, 0), true) &&
			       rename_value(search, state, inst,
					    term_of(LLVMGetOperand(inst, 1))) ? GO_ON : DONE;
		}
		return GO_ON;
	default:
		return forget(search, state, inst,
			      "is looked up here, and nothing locks it after") ? GO_ON : DONE;
	}
}

/* Adds what the branch from @from to @to says; false if it cannot be taken. */
static bool assume_edge(struct facts *facts, LLVMBasicBlockRef from, LLVMBasicBlockRef to)
{
	LLVMValueRef last = LLVMGetBasicBlockTerminator(from);
	unsigned int n = LLVMGetNumSuccessors(last), times = 0;

	for (unsigned int i = 0; i < n; i++)
		times += LLVMGetSuccessor(last, i) == to;
	if (LLVMGetInstructionOpcode(last) == LLVMBr && n == 2 && times == 1)
		return facts_assume(facts, LLVMGetCondition(last), LLVMGetSuccessor(last, 0) == to);
	if (LLVMGetInstructionOpcode(last) == LLVMSwitch && times == 1) {
		LLVMValueRef value = LLVMGetOperand(last, 0);
		unsigned int width = ir_width(value);
		bool otherwise = LLVMGetSwitchDefaultDest(last) == to;

		/* Operands: value, default, then each case's number and block. */
		for (int i = 2; i + 1 < LLVMGetNumOperands(last) && width && width <= 64; i += 2) {
			gint64 n = LLVMConstIntGetSExtValue(LLVMGetOperand(last, i));
			bool here = LLVMValueAsBasicBlock(LLVMGetOperand(last, i + 1)) == to;

			struct literal literal = {
				term_of(value), otherwise ? IS_NE : IS_EQ, width, n
			};

			if ((otherwise || here) && !facts_add(facts, literal))
				return false;
		}
	}
	return true;
}

/* All phis of @to at once, as they are when coming from @from. */
struct phis {
	LLVMBasicBlockRef to, from;
};

static const struct term *swap_phis(const struct term *term, void *data)
{
	const struct phis *phis = data;

	if (term->kind != TERM_VALUE || !LLVMIsAPHINode(term->value) ||
	    LLVMGetInstructionParent(term->value) != phis->to)
		return term;
	for (unsigned int i = 0; i < LLVMCountIncoming(term->value); i++)
		if (LLVMGetIncomingBlock(term->value, i) == phis->from)
			return term_of(LLVMGetIncomingValue(term->value, i));
	return NULL;
}

static bool is_weighty(const struct literal *literal)
{
	const struct term *base = term_base(literal->term);

	return base->kind == TERM_ANON ||
	       (base->kind == TERM_VALUE && LLVMIsAArgument(base->value));
}

static void widen_facts(struct facts *facts, bool all)
{
	struct facts old = *facts;

	facts->n_literals = 0;
	facts->n_events = 0;
	for (unsigned int i = 0; i < old.n_literals; i++)
		if (!all && is_weighty(&old.literals[i]))
			facts->literals[facts->n_literals++] = old.literals[i];
	for (unsigned int i = 0; i < old.n_events; i++)
		if (!all || !old.events[i].lock)
			facts->events[facts->n_events++] = old.events[i];
}

static void give_up(struct search *search, struct state *state, LLVMValueRef at)
{
	state->facts.n_literals = 0;
	fail(search, state, UNPROVED, at, "is reached in too many different ways");
}

static GPtrArray *list_at(GHashTable *table, LLVMBasicBlockRef block)
{
	GPtrArray *list = g_hash_table_lookup(table, block);

	if (!list) {
		list = g_ptr_array_new();
		g_hash_table_insert(table, block, list);
	}
	return list;
}

/* Keeps @state for later, if it is news at the end of its block. */
static void keep(struct search *search, struct state *state)
{
	GPtrArray *seen = list_at(search->seen, state->block);
	GPtrArray *pending = list_at(search->pending, state->block);

	if (seen->len >= GIVE_UP) {
		if (!search->gave_up)
			give_up(search, state, LLVMGetBasicBlockTerminator(state->block));
		search->gave_up = true;
		return;
	}
	if (seen->len >= WIDEN_SOME)
		widen_facts(&state->facts, seen->len >= WIDEN_ALL);
	if (over(search, state))
		return;
	for (guint i = 0; i < seen->len; i++)
		if (facts_cover(seen->pdata[i], &state->facts))
			return;
	/* What holds with a literal and without it holds. */
	for (guint i = 0; i < pending->len; i++) {
		struct state *other = pending->pdata[i];

		if (facts_merge(&state->facts, &other->facts)) {
			g_ptr_array_remove_index(pending, i);
			keep(search, state);
			return;
		}
	}
	g_ptr_array_add(seen, g_memdup2(&state->facts, sizeof(state->facts)));
	g_ptr_array_add(pending, g_memdup2(state, sizeof(*state)));
	if (!g_ptr_array_find(search->blocks, state->block, NULL))
		g_ptr_array_add(search->blocks, state->block);
}

static void at_entry(struct search *search, struct state *state)
{
	struct entry entry = { state->facts, state->way };

	for (guint i = 0; i < search->answer->entry->len; i++) {
		const struct entry *have = search->answer->entry->pdata[i];

		if (facts_cover(&have->facts, &state->facts))
			return;
	}
	g_ptr_array_add(search->answer->entry, g_memdup2(&entry, sizeof(entry)));
}

static void go_back(struct search *search, struct state *state)
{
	GPtrArray *preds = ir_preds(state->block);

	if (state->block == LLVMGetEntryBasicBlock(search->fn->value)) {
		at_entry(search, state);
		return;
	}
	for (guint i = 0; preds && i < preds->len; i++) {
		struct state next = *state;
		struct phis phis = { state->block, preds->pdata[i] };
		LLVMValueRef last = LLVMGetBasicBlockTerminator(preds->pdata[i]);

		next.block = preds->pdata[i];
		if (!facts_rewrite(&next.facts, swap_phis, &phis))
			continue;
		if ((!still_doomed(&next.facts) && !next.facts.folio &&
		     fail(search, &next, UNPROVED, last, "is lost track of here")) ||
		    resolved(search, &next) ||
		    !assume_edge(&next.facts, preds->pdata[i], state->block))
			continue;
		if (LLVMGetNumSuccessors(last) > 1)
			next.way = step(last, LLVMGetInstructionOpcode(last) != LLVMBr ? "branch" :
					LLVMGetSuccessor(last, 0) == state->block ?
					"if true" : "if false", state->way);
		/* asm goto is a branch that may be a call too */
		next.next = LLVMGetInstructionOpcode(last) == LLVMCallBr ? last :
			    LLVMGetPreviousInstruction(last);
		keep(search, &next);
	}
}

static void start(struct search *search)
{
	g_queue_init(&search->work);
	search->seen = g_hash_table_new(NULL, NULL);
	search->pending = g_hash_table_new(NULL, NULL);
	search->blocks = g_ptr_array_new();
}

/* The next block whose states are to be followed: what comes later in the program comes first. */
static bool refill(struct search *search)
{
	GPtrArray *pending;
	guint best = 0;

	if (!search->blocks->len)
		return false;
	for (guint i = 1; i < search->blocks->len; i++)
		if (ir_order(search->blocks->pdata[i]) > ir_order(search->blocks->pdata[best]))
			best = i;
	pending = g_hash_table_lookup(search->pending, search->blocks->pdata[best]);
	for (guint i = 0; i < pending->len; i++)
		g_queue_push_tail(&search->work, pending->pdata[i]);
	g_ptr_array_set_size(pending, 0);
	g_ptr_array_remove_index(search->blocks, best);
	return true;
}

static void run(struct search *search)
{
	struct state *state;

	while (!g_queue_is_empty(&search->work) || refill(search)) {
		LLVMValueRef inst;

		state = g_queue_pop_head(&search->work);
		if (++states > MAX_STATES) {
			give_up(search, state, LLVMGetBasicBlockTerminator(state->block));
			g_free(state);
			continue;
		}
		inst = state->next;
		while (inst && !LLVMIsAPHINode(inst)) {
			if (pass(search, state, inst) == DONE)
				break;
			inst = LLVMGetPreviousInstruction(inst);
		}
		if (!inst || LLVMIsAPHINode(inst))
			go_back(search, state);
		g_free(state);
	}
}

struct answer *prove_before(LLVMValueRef inst, const struct facts *facts)
{
	struct search search = { .fn = ir_parent(inst), .answer = new_answer() };
	struct state state = {
		.block = LLVMGetInstructionParent(inst), .next = LLVMGetPreviousInstruction(inst),
		.facts = *facts,
	};

	states = 0;
	start(&search);
	if (!resolved(&search, &state)) {
		g_queue_push_tail(&search.work, g_memdup2(&state, sizeof(state)));
		run(&search);
	}
	if (prove_site)
		rest_on(prove_site, search.answer);
	return search.answer;
}

void prove_forget(void)
{
	if (answers)
		g_hash_table_remove_all(answers);
}
