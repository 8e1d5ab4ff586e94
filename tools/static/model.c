// SPDX-License-Identifier: GPL-2.0-only
#include "model.h"

#include "term.h"

#include <string.h>

/*
 * Functions that may be given a locked folio and are trusted to leave it as locked as it was.
 * They drop references, count, print or trace; looking into them leads through the page
 * allocator, memory cgroups and file systems, and there to pointers that no analysis resolves.
 */
const char *const model_trusted[] = {
	"folio_put", "put_page", "__folio_put", "folio_put_refs", "folio_get", "folio_try_get",
	"folio_mark_accessed", "folio_mark_dirty", "folio_add_lru", "folio_add_lru_vma",
	"folio_putback_lru", "folio_isolate_lru", "lru_add_drain", "folio_batch_move_lru",
	"mem_cgroup_charge_statistics", "__mem_cgroup_uncharge", "mem_cgroup_migrate",
	"mem_cgroup_swapout", "count_memcg_folio_events", "folio_memcg",
	"__count_memcg_events", "kfree", "kvfree", "kmem_cache_free", "printk", "_printk",
	"dump_page", "dump_stack", "cond_resched", "__cond_resched", "might_sleep",
	"__might_sleep", "schedule", "queue_work_on", "call_rcu", "kasan_poison_pages",
	"kernel_init_pages", "stable_page_flags", NULL
};

/* The same for whole families: locks of other kinds, wait queues, tracing, LLVM's own. */
const char *const model_families[] = {
	"llvm.", "trace_", "_raw_spin_", "_raw_read_", "_raw_write_", "down_read", "down_write",
	"up_read", "up_write", "mutex_", "lock_is_held", "lock_acquire", "lock_release",
	"rcu_read_", "__rcu_read_", "lockdep_", "finish_wait", "__wake_up", "prepare_to_wait", NULL
};

/* Look-ups.  What they find may be locked by somebody; they did not. */
static const char *const fetch_prefixes[] = { "xa_", "xas_", NULL };

static const struct {
	const char *name;
	enum model model;
} names[] = {
	{ "rmap_walk", MODEL_ROOT_ANON },
	{ "rmap_walk_locked", MODEL_ROOT_ANON },
	{ "folio_lock_anon_vma_read", MODEL_ROOT },
	{ "page_lock_anon_vma_read", MODEL_ROOT },
	{ "folio_get_anon_vma", MODEL_ROOT },
	{ "page_get_anon_vma", MODEL_ROOT },
	{ "folio_lock", MODEL_LOCK },
	{ "__folio_lock", MODEL_LOCK },
	{ "lock_page", MODEL_LOCK },
	{ "__lock_page", MODEL_LOCK },
	{ "__folio_set_locked", MODEL_LOCK_NEW },
	{ "__SetPageLocked", MODEL_LOCK_NEW },
	{ "folio_trylock", MODEL_TRYLOCK },
	{ "trylock_page", MODEL_TRYLOCK },
	{ "folio_lock_killable", MODEL_LOCK_ERROR },
	{ "__folio_lock_killable", MODEL_LOCK_ERROR },
	{ "lock_page_killable", MODEL_LOCK_ERROR },
	{ "folio_unlock", MODEL_UNLOCK },
	{ "unlock_page", MODEL_UNLOCK },
	{ "folio_end_read", MODEL_UNLOCK },
	{ "__folio_clear_locked", MODEL_UNLOCK },
	{ "__ClearPageLocked", MODEL_UNLOCK },
	{ "test_and_set_bit_lock", MODEL_BIT_LOCK },
	{ "test_and_set_bit", MODEL_BIT_LOCK },
	{ "clear_bit_unlock", MODEL_BIT_UNLOCK },
	{ "__clear_bit_unlock", MODEL_BIT_UNLOCK },
	{ "clear_bit", MODEL_BIT_UNLOCK },
	{ "__clear_bit", MODEL_BIT_UNLOCK },
	{ "folio_test_locked", MODEL_TEST },
	{ "PageLocked", MODEL_TEST },
	{ "_compound_head", MODEL_FOLIO_OF },
	{ "compound_head", MODEL_FOLIO_OF },
	{ "page_folio", MODEL_FOLIO_OF },
	{ "folio_file_page", MODEL_FOLIO_OF },
	{ "folio_test_anon", MODEL_ANON },
	{ "PageAnon", MODEL_ANON },
	{ "ERR_PTR", MODEL_ERROR },
	{ "ERR_CAST", MODEL_ERROR },
	{ "folio_flags", MODEL_SAME },
	{ "const_folio_flags", MODEL_SAME },
};

enum model model_named(const char *name)
{
	static GHashTable *table;

	if (!table) {
		table = g_hash_table_new(g_str_hash, g_str_equal);
		for (guint i = 0; i < G_N_ELEMENTS(names); i++)
			g_hash_table_insert(table, (char *)names[i].name,
					    GINT_TO_POINTER(names[i].model));
		for (guint i = 0; model_trusted[i]; i++)
			g_hash_table_insert(table, (char *)model_trusted[i],
					    GINT_TO_POINTER(MODEL_HARMLESS));
	}
	if (g_str_has_prefix(name, "llvm.expect."))
		return MODEL_SAME;
	for (guint i = 0; model_families[i]; i++)
		if (g_str_has_prefix(name, model_families[i]))
			return MODEL_HARMLESS;
	for (guint i = 0; fetch_prefixes[i] && !g_str_has_prefix(name, "xa_is_"); i++)
		if (g_str_has_prefix(name, fetch_prefixes[i]))
			return MODEL_FETCH;
	return GPOINTER_TO_INT(g_hash_table_lookup(table, name));
}

LLVMValueRef model_folio(LLVMValueRef call)
{
	LLVMValueRef called = LLVMGetCalledValue(call);
	struct function *fn = LLVMIsAFunction(called) ? ir_function(called) : NULL;
	bool bit = fn && (model_of(fn) == MODEL_BIT_LOCK || model_of(fn) == MODEL_BIT_UNLOCK);

	return LLVMGetOperand(call, bit ? 1 : 0);
}

bool model_is_lock_bit(LLVMValueRef call)
{
	LLVMValueRef bit = LLVMGetOperand(call, 0), word = LLVMGetOperand(call, 1);

	/* PG_locked is the first bit of the first word, in every configuration. */
	return LLVMIsAConstantInt(bit) && !LLVMConstIntGetZExtValue(bit) &&
	       (!ir_tag(word) || !strcmp(g_quark_to_string(ir_tag(word)), "folio+0") ||
		!strcmp(g_quark_to_string(ir_tag(word)), "page+0"));
}

bool model_is_mapping(LLVMValueRef address)
{
	GQuark tag = ir_tag(address);
	const char *text = tag ? g_quark_to_string(tag) : "";

	/* Behind the flags and the list head. */
	return !strcmp(text, "folio+24") || !strcmp(text, "page+24");
}

enum slot_model model_slot(LLVMValueRef call)
{
	const char *slot = ir_slot(call);
	unsigned int args = LLVMGetNumArgOperands(call);

	if (!slot)
		return SLOT_UNKNOWN;
	/* What an rmap walk calls, it calls for a folio whose lock is the walker's. */
	if (g_str_has_prefix(slot, "rmap_walk_control+") ||
	    g_str_has_prefix(slot, "movable_operations+"))
		return SLOT_HARMLESS;
	/* A driver's folio_split() copies what it knows of its page. */
	if (g_str_has_prefix(slot, "dev_pagemap_ops+"))
		return SLOT_HARMLESS;
	if (!g_str_has_prefix(slot, "address_space_operations+"))
		return SLOT_UNKNOWN;
	/*
	 * Documentation/filesystems/locking.rst: writepage(), read_folio(), readahead(),
	 * write_end() and swap_rw() unlock, write_begin() locks; the others that get a folio leave
	 * its lock as it was.  Of all these, writepage() and read_folio() take two pointers and
	 * return a number (so does error_remove_folio(), which is not believed for that),
	 * write_begin() and write_end() take more than four arguments, the rest no folio.
	 */
	if (args == 2 && ir_width(call) == 32)
		return SLOT_UNLOCKS;
	return args > 4 ? SLOT_UNKNOWN : SLOT_HARMLESS;
}
