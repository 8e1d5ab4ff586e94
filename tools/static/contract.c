// SPDX-License-Identifier: GPL-2.0-only
#include "contract.h"

#include "model.h"

#include <string.h>

/* How many calls away from the move its lock is looked for. */
#define UP	3
#define DOWN	3

static bool sets_index(struct function *fn)
{
	LLVMBasicBlockRef block;
	LLVMValueRef inst;

	for (block = LLVMGetFirstBasicBlock(fn->value); block; block = LLVMGetNextBasicBlock(block))
		for (inst = LLVMGetFirstInstruction(block); inst;
		     inst = LLVMGetNextInstruction(inst)) {
			GQuark tag = LLVMIsAStoreInst(inst) ?
				     ir_tag(LLVMGetOperand(inst, 1)) : 0;
			const char *text = tag ? g_quark_to_string(tag) : "";

			/* index follows mapping */
			if (!strcmp(text, "folio+32") || !strcmp(text, "page+32"))
				return true;
		}
	return false;
}

static struct function *called(LLVMValueRef inst)
{
	LLVMValueRef to = ir_is_call(inst) ? LLVMGetCalledValue(inst) : NULL;

	return to && LLVMIsAFunction(to) ? ir_function(to) : NULL;
}

static LLVMValueRef lock_below(struct function *fn, int down)
{
	LLVMBasicBlockRef block;
	LLVMValueRef inst, found = NULL;

	for (block = LLVMGetFirstBasicBlock(fn->value); block; block = LLVMGetNextBasicBlock(block))
		for (inst = LLVMGetFirstInstruction(block); inst && !found;
		     inst = LLVMGetNextInstruction(inst)) {
			struct function *to = called(inst);

			if (!to)
				continue;
			if (!strcmp(to->name, "anon_vma_lock_write") ||
			    !strcmp(to->name, "anon_vma_trylock_write"))
				return inst;
			if (down && to->value && to != fn && to->file == fn->file)
				found = lock_below(to, down - 1);
		}
	return found;
}

static LLVMValueRef lock_around(struct function *fn, int up)
{
	LLVMValueRef found = lock_below(fn, DOWN);

	for (guint i = 0; !found && up && i < fn->callers->len; i++) {
		struct function *by = ir_parent(fn->callers->pdata[i]);

		if (by != fn && by->file == fn->file)
			found = lock_around(by, up - 1);
	}
	return found;
}

GArray *contract_movers(void)
{
	static const char *const names[] = {
		"folio_move_anon_rmap", "page_move_anon_rmap", "folio_relocate_anon_rmap",
	};
	GArray *movers = g_array_new(false, true, sizeof(struct mover));

	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		struct function *fn = ir_named(names[i]);

		for (guint j = 0; fn && j < fn->callers->len; j++) {
			struct mover mover = { .call = fn->callers->pdata[j] };
			struct function *by = ir_parent(mover.call);

			if (by->test || (!sets_index(by) && !(fn->value && sets_index(fn))))
				continue;
			mover.lock = lock_around(by, UP);
			g_array_append_val(movers, mover);
		}
	}
	return movers;
}

static bool reads_mapping(LLVMValueRef inst)
{
	return LLVMIsALoadInst(inst) && model_is_mapping(LLVMGetOperand(inst, 0));
}

/* A helper of the same file that does nothing but look. */
static bool is_look(LLVMValueRef inst, struct function *fn)
{
	struct function *to = called(inst);
	LLVMBasicBlockRef block;
	LLVMValueRef each;

	if (reads_mapping(inst))
		return true;
	if (!to || !to->value || to->file != fn->file)
		return false;
	for (block = LLVMGetFirstBasicBlock(to->value); block; block = LLVMGetNextBasicBlock(block))
		for (each = LLVMGetFirstInstruction(block); each;
		     each = LLVMGetNextInstruction(each))
			if (reads_mapping(each))
				return true;
	return false;
}

GPtrArray *contract_looks_again(void)
{
	struct function *fn = ir_named("folio_lock_anon_vma_read");
	GPtrArray *looks = g_ptr_array_new();
	guint locked = G_MAXUINT;
	LLVMBasicBlockRef block;
	LLVMValueRef inst;

	if (!fn || !fn->value)
		fn = ir_named("page_lock_anon_vma_read");
	if (!fn || !fn->value)
		return looks;
	for (block = LLVMGetFirstBasicBlock(fn->value); block; block = LLVMGetNextBasicBlock(block))
		for (inst = LLVMGetFirstInstruction(block); inst;
		     inst = LLVMGetNextInstruction(inst)) {
			struct function *to = called(inst);

			if (to && (g_str_has_prefix(to->name, "down_read") ||
				   g_str_has_prefix(to->name, "anon_vma_lock_read") ||
				   g_str_has_prefix(to->name, "anon_vma_trylock_read")))
				locked = MIN(locked, ir_order(block));
		}
	for (block = LLVMGetFirstBasicBlock(fn->value); block; block = LLVMGetNextBasicBlock(block))
		for (inst = LLVMGetFirstInstruction(block); inst && ir_order(block) > locked;
		     inst = LLVMGetNextInstruction(inst))
			if (is_look(inst, fn))
				g_ptr_array_add(looks, inst);
	return looks;
}
