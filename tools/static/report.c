// SPDX-License-Identifier: GPL-2.0-only
/* What was found, as JSON. */
#include "report.h"

#include "contract.h"
#include "model.h"
#include "walks.h"

#include <stdio.h>
#include <string.h>

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

	for (guint i = 0; i < walks_needs->len; i++) {
		struct function *fn = ((struct need *)walks_needs->pdata[i])->fn;

		if (ir_named(fn->name) == fn || (fn->file && g_str_has_suffix(fn->file, ".h")))
			g_hash_table_add(names, (char *)fn->name);
	}
	print_names("required", names);
	printf(",\n");
}

void report_all(void)
{
	g_ptr_array_sort(walks_sites, by_place);
	printf("{\"calls\": [\n");
	for (guint i = 0; i < walks_sites->len; i++) {
		print_site(walks_sites->pdata[i]);
		printf("%s\n", i + 1 < walks_sites->len ? "," : "");
	}
	printf("],\n\"lost\": [");
	for (guint i = 0; i < walks_lost->len; i++) {
		struct lost *one = &g_array_index(walks_lost, struct lost, i);

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
	print_names("slots", walks_slots);
	print_contract();
	print_bodies();
	printf(",\n\"harmless\": [");
	for (guint i = 0; model_trusted[i]; i++) {
		quote(model_trusted[i]);
		printf(", ");
	}
	for (guint i = 0; model_families[i]; i++)
		printf("%s\"%s*\"", i ? ", " : "", model_families[i]);
	printf("]}\n");
}
