// SPDX-License-Identifier: GPL-2.0-only
#include "walks.h"

#include "model.h"

#include <string.h>

GPtrArray *walks_needs;
GPtrArray *walks_sites;
GArray *walks_lost;
GHashTable *walks_slots;
static GQueue needs = G_QUEUE_INIT;
static GHashTable *site_of;	/* call -> struct site */
static GHashTable *trusted;	/* "function callee" */

static void reset(void)
{
	walks_needs = g_ptr_array_new();
	walks_sites = g_ptr_array_new();
	walks_lost = g_array_new(false, true, sizeof(struct lost));
	walks_slots = g_hash_table_new(g_str_hash, g_str_equal);
	site_of = g_hash_table_new(NULL, NULL);
}

void walks_init(void)
{
	reset();
	trusted = g_hash_table_new(g_str_hash, g_str_equal);
}

void walks_trust(const char *names)
{
	g_hash_table_add(trusted, g_strdup(names));
}

static void add_need(struct function *fn, const struct facts *facts, struct site *from)
{
	struct need *need;

	for (guint i = 0; i < walks_needs->len; i++) {
		need = walks_needs->pdata[i];
		if (need->fn == fn && facts_cover(&need->facts, facts))
			return;
	}
	need = g_new0(struct need, 1);
	need->fn = fn;
	need->facts = *facts;
	need->from = from;
	g_ptr_array_add(walks_needs, need);
	g_queue_push_tail(&needs, need);
}

/* @term in the words of C, as far as they are known. */
static void term_text(GString *text, const struct term *term)
{
	size_t length;
	const char *name;

	switch (term->kind) {
	case TERM_CONST:
		g_string_append_printf(text, "%" G_GINT64_FORMAT, term->n);
		return;
	case TERM_VALUE:
		name = LLVMGetValueName2(term->value, &length);
		g_string_append_len(text, length ? name : "?", length ? (gssize)length : 1);
		return;
	case TERM_FIELD:
		term_text(text, term->a);
		g_string_append_printf(text, "+%" G_GINT64_FORMAT, term->n);
		return;
	case TERM_LOAD:
		if (term->tag) {
			term_text(text, term_base(term->a));
			g_string_append_printf(text, "->(%s)", g_quark_to_string(term->tag));
			return;
		}
		g_string_append(text, "*(");
		term_text(text, term->a);
		g_string_append(text, ")");
		return;
	case TERM_AND:
		term_text(text, term->a);
		g_string_append_printf(text, " & %#" G_GINT64_MODIFIER "x", term->n);
		return;
	case TERM_SAME:
		term_text(text, term->a);
		g_string_append(text, " == ");
		term_text(text, term->b);
		return;
	case TERM_ANON:
		g_string_append(text, "anonymous(");
		term_text(text, term->a);
		g_string_append(text, ")");
		return;
	default:
		term_text(text, term->a);
	}
}

static char *facts_text(const struct facts *facts)
{
	static const char *const signs[] = {
		[IS_EQ] = "==", [IS_NE] = "!=", [IS_UGT] = ">", [IS_UGE] = ">=",
		[IS_ULT] = "<", [IS_ULE] = "<=",
		[IS_SGT] = ">", [IS_SGE] = ">=", [IS_SLT] = "<", [IS_SLE] = "<=",
	};
	GString *text = g_string_new(NULL);

	if (facts->doom)
		g_string_append(text, "never called");
	else
		term_text(text, facts->folio);
	for (unsigned int i = 0; i < facts->n_literals; i++) {
		const struct literal *literal = &facts->literals[i];

		g_string_append(text, i ? ", " : " if ");
		if (literal->width == 1 && literal->relation <= IS_NE && !literal->n) {
			g_string_append(text, literal->relation == IS_EQ ? "!" : "");
			term_text(text, literal->term);
			continue;
		}
		term_text(text, literal->term);
		g_string_append_printf(text, " %s %" G_GINT64_FORMAT, signs[literal->relation],
				       literal->n);
	}
	return g_string_free(text, false);
}

static bool from_parameter(const struct term *term)
{
	if (term->b && !from_parameter(term->b))
		return false;
	while (term->a && term->kind != TERM_OUTER)
		term = term->a;
	return term->kind == TERM_VALUE && LLVMIsAArgument(term->value);
}

/* Only what parameters say can be asked of callers. */
static void keep_parameters(struct facts *facts)
{
	struct facts old = *facts;

	facts->n_literals = 0;
	facts->n_events = 0;
	facts->vague = false;
	facts->fetched = false;
	for (unsigned int i = 0; i < old.n_literals; i++)
		if (from_parameter(old.literals[i].term))
			facts->literals[facts->n_literals++] = old.literals[i];
}

static void add_failure(struct site *site, const struct failure *failure)
{
	for (guint i = 0; i < site->failures->len; i++) {
		struct failure *have = &g_array_index(site->failures, struct failure, i);

		if (have->doom == failure->doom)
			return;
	}
	g_array_append_val(site->failures, *failure);
}

/* Does no caller of @fn ever ask for what @facts say? */
static bool refuted(struct function *fn, const struct facts *facts)
{
	GPtrArray *slots = g_ptr_array_new(), *passed = g_ptr_array_new();
	bool all = ir_address(fn, slots, passed) && !slots->len && !passed->len &&
		   fn->callers->len;

	for (guint i = 0; all && i < fn->callers->len; i++) {
		struct facts there = *facts;
		struct answer *answer;

		if (!prove_at_caller(fn->callers->pdata[i], fn, &there))
			continue;
		answer = there.n_literals ? prove_before(fn->callers->pdata[i], &there) : NULL;
		all = answer && !answer->failures->len && !answer->entry->len;
	}
	g_ptr_array_free(slots, true);
	g_ptr_array_free(passed, true);
	return all;
}

static void look_at(LLVMValueRef call, struct function *callee, struct need *need,
		    const struct facts *facts)
{
	struct site *site = g_hash_table_lookup(site_of, call);
	struct asked asked = { need, *facts };
	struct answer *answer;
	char *name;

	if (!site) {
		site = g_new0(struct site, 1);
		site->call = call;
		site->callee = callee;
		site->need = need;
		site->failures = g_array_new(false, true, sizeof(struct failure));
		site->conditions = g_ptr_array_new();
		site->asked = g_array_new(false, true, sizeof(struct asked));
		name = g_strdup_printf("%s %s", ir_parent(call)->name, callee->name);
		site->trusted = g_hash_table_contains(trusted, name);
		g_free(name);
		g_hash_table_insert(site_of, call, site);
		g_ptr_array_add(walks_sites, site);
	}
	g_array_append_val(site->asked, asked);
	prove_site = site;
	answer = prove_before(call, facts);
	site->proofs += answer->proofs;
	for (guint i = 0; i < answer->entry->len; i++) {
		const struct entry *found = answer->entry->pdata[i];
		struct facts entry = found->facts;

		if (entry.doom) {
			keep_parameters(&entry);
			if (!entry.n_literals || entry.doom->verdict != UNLOCKED) {
				prove_fail(answer, &entry, found->way);
				continue;
			}
			if (!refuted(ir_parent(call), &entry))
				prove_fail(answer, &entry, found->way);
			continue;
		}
		if (!from_parameter(entry.folio)) {
			prove_unlocked(answer, call, found->way);
			continue;
		}
		keep_parameters(&entry);
		g_ptr_array_add(site->conditions, facts_text(&entry));
		site->verdict = MAX(site->verdict, REQUIRED);
		if (!site->trusted)
			add_need(ir_parent(call), &entry, site);
	}
	for (guint i = 0; i < answer->failures->len; i++)
		add_failure(site, &g_array_index(answer->failures, struct failure, i));
	for (guint i = 0; i < answer->failures->len; i++) {
		struct failure *failure = &g_array_index(answer->failures, struct failure, i);

		site->verdict = MAX(site->verdict, failure->doom->verdict);
	}
}

static LLVMValueRef folio_argument(struct function *fn)
{
	return LLVMCountParams(fn->taken->pdata[0]) ? LLVMGetParam(fn->taken->pdata[0], 0) : NULL;
}

static void add_root(struct function *fn)
{
	struct facts facts = { 0 };
	LLVMValueRef folio = fn->value ? LLVMGetParam(fn->value, 0) : folio_argument(fn);

	if (!folio)
		return;
	facts.folio = term_value(folio);
	if (model_of(fn) == MODEL_ROOT_ANON)
		facts_add(&facts, (struct literal){ term_anon(facts.folio), IS_NE, 1, 0 });
	add_need(fn, &facts, NULL);
}

static void lose(struct need *need, const char *why)
{
	struct lost one = { need->fn, why, need };

	for (guint i = 0; i < walks_lost->len; i++)
		if (g_array_index(walks_lost, struct lost, i).fn == need->fn)
			return;
	g_array_append_val(walks_lost, one);
}

static void ask_caller(LLVMValueRef call, struct need *need)
{
	struct facts facts = need->facts;
	struct function shape = *need->fn;

	if (!shape.value)
		shape.value = shape.taken->pdata[0];
	if (LLVMGetNumArgOperands(call) < LLVMCountParams(shape.value)) {
		lose(need, "is called with fewer arguments than it has");
		return;
	}
	if (!prove_at_caller(call, &shape, &facts))
		return;	/* a literal is false there */
	look_at(call, need->fn, need, &facts);
}

/* @fn is an argument of @call: asks whoever calls that parameter there. */
static void ask_passed(LLVMValueRef call, struct need *need)
{
	GPtrArray *targets = g_ptr_array_new();
	bool known = ir_targets(call, targets), found = false;

	for (guint t = 0; known && t < targets->len; t++) {
		struct function *to = targets->pdata[t];

		for (unsigned int i = 0; to->value && i < LLVMCountParams(to->value); i++) {
			LLVMValueRef param = LLVMGetParam(to->value, i), arg;
			LLVMUseRef use;

			arg = LLVMGetOperand(call, i);
			if (!LLVMIsAFunction(arg) || ir_function(arg) != need->fn)
				continue;
			found = true;
			for (use = LLVMGetFirstUse(param); use; use = LLVMGetNextUse(use)) {
				LLVMValueRef user = LLVMGetUser(use);

				if (ir_is_call(user) && LLVMGetCalledValue(user) == param)
					ask_caller(user, need);
				else
					found = false;
			}
		}
	}
	if (!found)
		lose(need, "its address is given away");
	g_ptr_array_free(targets, true);
}

static void ask_callers(struct need *need)
{
	GPtrArray *slots = g_ptr_array_new(), *passed = g_ptr_array_new();

	for (guint i = 0; i < need->fn->callers->len; i++)
		ask_caller(need->fn->callers->pdata[i], need);
	if (!ir_address(need->fn, slots, passed))
		lose(need, "its address is taken");
	for (guint i = 0; i < slots->len; i++) {
		GPtrArray *calls = ir_slot_calls(slots->pdata[i]);

		g_hash_table_add(walks_slots, slots->pdata[i]);
		for (guint j = 0; calls && j < calls->len; j++)
			ask_caller(calls->pdata[j], need);
		if (!calls)
			lose(need, "it is called through a pointer, from where is not known");
	}
	for (guint i = 0; i < passed->len; i++)
		ask_passed(passed->pdata[i], need);
	g_ptr_array_free(slots, true);
	g_ptr_array_free(passed, true);
}

static void ask_all(void)
{
	struct need *need;

	while ((need = g_queue_pop_head(&needs)))
		ask_callers(need);
}

void walks_find(void)
{
	static const char *const roots[] = {
		"rmap_walk", "rmap_walk_locked", "folio_lock_anon_vma_read",
		"page_lock_anon_vma_read", "folio_get_anon_vma", "page_get_anon_vma",
	};

	for (guint i = 0; i < G_N_ELEMENTS(roots); i++) {
		struct function *fn = ir_named(roots[i]);

		if (fn)
			add_root(fn);
	}
	ask_all();
}

void walks_again(const struct site *site, bool all)
{
	reset();
	prove_forget();
	for (guint i = 0; i < site->asked->len; i++) {
		struct asked *asked = &g_array_index(site->asked, struct asked, i);
		struct facts facts = asked->facts;
		unsigned int n = 0;

		for (unsigned int j = 0; j < facts.n_literals; j++)
			if (!all || facts.literals[j].term->kind != TERM_ANON)
				facts.literals[n++] = facts.literals[j];
		facts.n_literals = n;
		look_at(site->call, site->callee, asked->need, &facts);
	}
	ask_all();
}
