// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tells whether each walk of a reverse map runs on a locked folio.
 *
 * usage: rmap-static SOURCE < LIST, where a line of LIST is `trust FUNCTION CALLEE` or the path
 * of a file of LLVM IR.  What is trusted is not asked of callers.  Writes JSON to standard
 * output.  Exit status 2: a file could not be read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "model.h"
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
	bool trusted;
};

/* A function that may be called where nobody can see it. */
struct lost {
	struct function *fn;
	const char *why;
	struct need *need;
};

static GQueue needs = G_QUEUE_INIT;
static GPtrArray *all_needs, *sites;
static GArray *lost;
static GHashTable *site_of;	/* call -> struct site */
static GHashTable *slots_used;
static GHashTable *trusted;	/* "function callee" */

static void add_need(struct function *fn, const struct facts *facts, struct site *from)
{
	struct need *need;

	for (guint i = 0; i < all_needs->len; i++) {
		need = all_needs->pdata[i];
		if (need->fn == fn && facts_cover(&need->facts, facts))
			return;
	}
	need = g_new0(struct need, 1);
	need->fn = fn;
	need->facts = *facts;
	need->from = from;
	g_ptr_array_add(all_needs, need);
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
		[EQ] = "==", [NE] = "!=", [UGT] = ">", [UGE] = ">=", [ULT] = "<", [ULE] = "<=",
		[SGT] = ">", [SGE] = ">=", [SLT] = "<", [SLE] = "<=",
	};
	GString *text = g_string_new(NULL);

	if (facts->doom)
		g_string_append(text, "never called");
	else
		term_text(text, facts->folio);
	for (unsigned int i = 0; i < facts->n_literals; i++) {
		const struct literal *literal = &facts->literals[i];

		g_string_append(text, i ? ", " : " if ");
		if (literal->width == 1 && literal->relation <= NE && !literal->n) {
			g_string_append(text, literal->relation == EQ ? "!" : "");
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
	struct answer *answer = prove_before(call, facts);
	char *name;

	if (!site) {
		site = g_new0(struct site, 1);
		site->call = call;
		site->callee = callee;
		site->need = need;
		site->failures = g_array_new(false, true, sizeof(struct failure));
		site->conditions = g_ptr_array_new();
		name = g_strdup_printf("%s %s", ir_parent(call)->name, callee->name);
		site->trusted = g_hash_table_contains(trusted, name);
		g_free(name);
		g_hash_table_insert(site_of, call, site);
		g_ptr_array_add(sites, site);
	}
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
	for (guint i = 0; i < answer->failures->len; i++)
		site->verdict = MAX(site->verdict, g_array_index(answer->failures,
							struct failure, i).doom->verdict);
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
		facts_add(&facts, (struct literal){ term_anon(facts.folio), NE, 1, 0 });
	add_need(fn, &facts, NULL);
}

static void ask_caller(LLVMValueRef call, struct need *need)
{
	struct facts facts = need->facts;
	struct function shape = *need->fn;

	if (!shape.value)
		shape.value = shape.taken->pdata[0];
	if (LLVMGetNumArgOperands(call) < LLVMCountParams(shape.value))
		return;
	if (!prove_at_caller(call, &shape, &facts))
		return;	/* a literal is false there */
	look_at(call, need->fn, need, &facts);
}

static void lose(struct need *need, const char *why)
{
	struct lost one = { need->fn, why, need };

	for (guint i = 0; i < lost->len; i++)
		if (g_array_index(lost, struct lost, i).fn == need->fn)
			return;
	g_array_append_val(lost, one);
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

		g_hash_table_add(slots_used, slots->pdata[i]);
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

/* JSON */

static void quote(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		if ((unsigned char)*text < ' ')
			printf("\\u%04x", *text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void pair(const char *name, const char *text, bool more)
{
	printf("\"%s\": ", name);
	quote(text);
	if (more)
		printf(", ");
}

static void place(LLVMValueRef inst)
{
	pair("function", ir_parent(inst)->name, true);
	pair("file", ir_file(inst), true);
	printf("\"line\": %u", ir_line(inst));
}

static const char *const verdicts[] = {
	[PROVED] = "proved", [REQUIRED] = "required", [UNPROVED] = "not proved",
	[UNLOCKED] = "unlocked",
};

static void print_walk(const struct need *need)
{
	bool first = true;

	printf("\"walk\": [");
	for (const struct site *site = need->from; site; site = site->need->from) {
		printf("%s{", first ? "" : ", ");
		place(site->call);
		printf(", ");
		pair("callee", site->callee->name, false);
		printf("}");
		first = false;
	}
	printf("]");
}

static void print_site(const struct site *site)
{
	printf("  {");
	place(site->call);
	printf(", ");
	pair("callee", site->callee->name, true);
	pair("verdict", verdicts[site->verdict], true);
	printf("\"trusted\": %s, ", site->trusted ? "true" : "false");
	printf("\"test\": %s, \"proofs\": %u, ", ir_parent(site->call)->test ? "true" : "false",
	       site->proofs);
	printf("\"needs\": [");
	for (guint i = 0; i < site->conditions->len; i++) {
		printf("%s", i ? ", " : "");
		quote(site->conditions->pdata[i]);
	}
	printf("], \"ways\": [");
	for (guint i = 0; i < site->failures->len; i++) {
		struct failure *failure = &g_array_index(site->failures, struct failure, i);

		printf("%s\n    {", i ? "," : "");
		pair("verdict", verdicts[failure->doom->verdict], true);
		pair("why", failure->doom->why, true);
		printf("\"at\": {");
		place(failure->doom->at);
		printf("}, ");
		printf("\"steps\": [");
		for (const struct step *step = failure->way; step; step = step->next) {
			printf("{");
			place(step->at);
			printf(", ");
			pair("what", step->text, false);
			printf("}%s", step->next ? ", " : "");
		}
		printf("]}");
	}
	printf("], ");
	print_walk(site->need);
	printf("}");
}

static gint by_place(gconstpointer x, gconstpointer y)
{
	const struct site *a = *(struct site *const *)x, *b = *(struct site *const *)y;
	int order = strcmp(ir_file(a->call), ir_file(b->call));

	if (!order)
		order = (int)ir_line(a->call) - (int)ir_line(b->call);
	if (!order)
		order = strcmp(ir_parent(a->call)->name, ir_parent(b->call)->name);
	return order ? order : strcmp(a->callee->name, b->callee->name);
}

static gint by_text(gconstpointer x, gconstpointer y)
{
	return strcmp(x, y);
}

static void print_names(const char *name, GHashTable *table)
{
	GList *list = table ? g_list_sort(g_hash_table_get_keys(table), by_text) : NULL;

	printf("\"%s\": [", name);
	for (GList *each = list; each; each = each->next) {
		quote(each->data);
		if (each->next)
			printf(", ");
	}
	printf("]");
	g_list_free(list);
}

static void print_contract(void)
{
	GArray *movers = contract_movers();
	GPtrArray *looks = contract_looks_again();

	printf(",\n\"movers\": [");
	for (guint i = 0; i < movers->len; i++) {
		struct mover *mover = &g_array_index(movers, struct mover, i);

		printf("%s{", i ? ", " : "");
		place(mover->call);
		printf(", \"lock\": ");
		if (mover->lock) {
			printf("{");
			place(mover->lock);
			printf("}}");
		} else {
			printf("null}");
		}
	}
	printf("],\n\"looks_again\": [");
	for (guint i = 0; i < looks->len; i++) {
		printf("%s{", i ? ", " : "");
		place(looks->pdata[i]);
		printf("}");
	}
	printf("]");
}

static void print_body(const char *file, const char *name, void *data)
{
	bool *first = data;

	printf("%s\n  [", *first ? "" : ",");
	quote(file);
	printf(", ");
	quote(name);
	printf("]");
	*first = false;
}

static void print_bodies(void)
{
	bool first = true;

	printf(",\n\"bodies\": [");
	ir_bodies(print_body, &first);
	printf("]");
}

/* A name that other files can call by. */
static void print_required(void)
{
	GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);

	for (guint i = 0; i < all_needs->len; i++) {
		struct function *fn = ((struct need *)all_needs->pdata[i])->fn;

		if (ir_named(fn->name) == fn || (fn->file && g_str_has_suffix(fn->file, ".h")))
			g_hash_table_add(names, (char *)fn->name);
	}
	print_names("required", names);
	printf(",\n");
}

static void print_all(void)
{
	g_ptr_array_sort(sites, by_place);
	printf("{\"calls\": [\n");
	for (guint i = 0; i < sites->len; i++) {
		print_site(sites->pdata[i]);
		printf("%s\n", i + 1 < sites->len ? "," : "");
	}
	printf("],\n\"lost\": [");
	for (guint i = 0; i < lost->len; i++) {
		struct lost *one = &g_array_index(lost, struct lost, i);

		printf("%s{", i ? ", " : "");
		pair("function", one->fn->name, true);
		pair("file", one->fn->file ? one->fn->file : "?", true);
		printf("\"line\": %u, \"test\": %s, ", one->fn->line,
		       one->fn->test ? "true" : "false");
		pair("why", one->why, true);
		print_walk(one->need);
		printf("}");
	}
	printf("],\n");
	print_required();
	print_names("missing", prove_missing);
	printf(",\n");
	print_names("slots", slots_used);
	print_contract();
	print_bodies();
	printf(",\n\"harmless\": [");
	for (guint i = 0; model_trusted[i]; i++) {
		printf("%s", i ? ", " : "");
		quote(model_trusted[i]);
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	static const char *const roots[] = {
		"rmap_walk", "rmap_walk_locked", "folio_lock_anon_vma_read",
		"page_lock_anon_vma_read", "folio_get_anon_vma", "page_get_anon_vma",
	};
	char path[4096];
	struct need *need;

	if (argc < 2) {
		fprintf(stderr, "usage: rmap-static SOURCE < LIST\n");
		return 2;
	}
	all_needs = g_ptr_array_new();
	sites = g_ptr_array_new();
	lost = g_array_new(false, true, sizeof(struct lost));
	site_of = g_hash_table_new(NULL, NULL);
	slots_used = g_hash_table_new(g_str_hash, g_str_equal);
	trusted = g_hash_table_new(g_str_hash, g_str_equal);
	ir_open(argv[1]);
	while (fgets(path, sizeof(path), stdin)) {
		char *wrong;

		path[strcspn(path, "\n")] = '\0';
		if (g_str_has_prefix(path, "trust ")) {
			g_hash_table_add(trusted, g_strdup(path + strlen("trust ")));
			continue;
		}
		wrong = ir_load(path);
		if (wrong) {
			fprintf(stderr, "%s: %s\n", path, wrong);
			return 2;
		}
	}
	ir_index();
	for (guint i = 0; i < G_N_ELEMENTS(roots); i++) {
		struct function *fn = ir_named(roots[i]);

		if (fn)
			add_root(fn);
	}
	while ((need = g_queue_pop_head(&needs)))
		ask_callers(need);
	print_all();
	return 0;
}
