// SPDX-License-Identifier: GPL-2.0-only
/* Bottom up over the call graph, to a fixed point. */
#include "effects.h"

#include "model.h"

struct masks {
	GHashTable *of;		/* value -> parameters that it is derived from */
	GHashTable *inside;	/* alloca -> the same of what is stored in it */
	bool changed;
};

static guint32 get(GHashTable *table, LLVMValueRef value)
{
	return GPOINTER_TO_UINT(g_hash_table_lookup(table, value));
}

static void put(struct masks *masks, GHashTable *table, LLVMValueRef value, guint32 mask)
{
	guint32 have = get(table, value);

	if ((have | mask) == have)
		return;
	g_hash_table_insert(table, value, GUINT_TO_POINTER(have | mask));
	masks->changed = true;
}

static LLVMValueRef base_of(LLVMValueRef pointer)
{
	while (LLVMIsAGetElementPtrInst(pointer) || LLVMIsABitCastInst(pointer))
		pointer = LLVMGetOperand(pointer, 0);
	return pointer;
}

/* Numbers too small for an address carry no folio. */
static bool carries(LLVMValueRef value)
{
	return ir_width(value) == 64;
}

static guint32 mask_of(struct masks *masks, LLVMValueRef value)
{
	LLVMValueRef base = base_of(value);
	guint32 mask = get(masks->of, value);

	if (LLVMIsAAllocaInst(base))
		mask |= get(masks->inside, base);
	return mask;
}

static void add(guint32 *to, guint32 mask, bool *changed)
{
	if ((*to | mask) != *to) {
		*to |= mask;
		*changed = true;
	}
}

static void add_write(struct effects *effects, GQuark tag, bool *changed)
{
	if (!tag) {
		if (!effects->writes_any)
			*changed = true;
		effects->writes_any = true;
	} else if (g_hash_table_add(effects->writes, GUINT_TO_POINTER(tag))) {
		*changed = true;
	}
}

static void store_into(struct effects *effects, struct masks *masks, LLVMValueRef address,
		       guint32 mask, bool *changed)
{
	LLVMValueRef base = base_of(address);

	if (LLVMIsAAllocaInst(base)) {
		put(masks, masks->inside, base, mask);
		return;
	}
	add(&effects->stored, mask, changed);
	effects->pure = false;
	add_write(effects, ir_tag(address), changed);
}

static void unknown_call(struct effects *effects, guint32 mask, const char *name, bool *changed)
{
	add(&effects->escapes, mask, changed);
	if (mask && name && !g_ptr_array_find(effects->unknown, name, NULL))
		g_ptr_array_add(effects->unknown, (gpointer)name);
	effects->pure = false;
	add_write(effects, 0, changed);
}

static void call_effects(struct effects *effects, struct masks *masks, LLVMValueRef call,
			 bool *changed)
{
	GPtrArray *targets = g_ptr_array_new();
	unsigned int args = LLVMGetNumArgOperands(call);
	bool known = ir_targets(call, targets);
	guint32 all = 0, result = 0;

	for (unsigned int i = 0; i < args; i++)
		if (carries(LLVMGetOperand(call, i)))
			all |= mask_of(masks, LLVMGetOperand(call, i));
	if (!known && model_slot(call) != SLOT_HARMLESS) {
		unknown_call(effects, all, NULL, changed);
		result = all;
	}
	if (LLVMIsAInlineAsm(LLVMGetCalledValue(call)))
		result = all;
	for (guint t = 0; t < targets->len; t++) {
		struct function *to = targets->pdata[t];
		enum model model = model_of(to);
		const struct effects *inner = to->effects;

		switch (model) {
		case MODEL_BIT_LOCK:
		case MODEL_BIT_UNLOCK:
			if (!model_is_lock_bit(call))
				continue;
			fallthrough;
		case MODEL_LOCK:
		case MODEL_LOCK_NEW:
		case MODEL_TRYLOCK:
		case MODEL_LOCK_ERROR:
		case MODEL_UNLOCK:
			add(&effects->locks, mask_of(masks, model_folio(call)), changed);
			effects->pure = false;
			continue;
		case MODEL_FETCH:
		case MODEL_HARMLESS:
			if (g_str_has_prefix(to->name, "llvm.mem")) {
				LLVMValueRef from = LLVMGetOperand(call, 1);

				store_into(effects, masks, LLVMGetOperand(call, 0),
					   g_str_has_prefix(to->name, "llvm.memset") ? 0 :
					   mask_of(masks, from), changed);
			} else if (!g_str_has_prefix(to->name, "llvm.")) {
				effects->pure = false;
			}
			result |= all;
			continue;
		case MODEL_TEST:
		case MODEL_ANON:
		case MODEL_FOLIO_OF:
		case MODEL_ERROR:
		case MODEL_SAME:
			result |= all;
			continue;
		default:
			break;
		}
		if (!to->value) {
			unknown_call(effects, all, to->name, changed);
			result |= all;
			continue;
		}
		if (!inner)
			continue;	/* comes in a later round */
		for (unsigned int i = 0; i < args; i++) {
			LLVMValueRef arg = LLVMGetOperand(call, i);
			guint32 bit = i < MAX_PARAMS ? 1u << i : 0, mask = mask_of(masks, arg);

			if (!carries(arg))
				continue;
			if (!bit) {
				unknown_call(effects, mask, to->name, changed);
				continue;
			}
			if (inner->locks & bit)
				add(&effects->locks, mask, changed);
			if (inner->escapes & bit)
				add(&effects->escapes, mask, changed);
			if (inner->returned & bit)
				result |= mask;
			if (inner->stored & bit) {
				add(&effects->stored, mask, changed);
				/* In what else it is given, for all we know. */
				for (unsigned int j = 0; j < args; j++) {
					LLVMValueRef base = base_of(LLVMGetOperand(call, j));

					if (j != i && LLVMIsAAllocaInst(base))
						put(masks, masks->inside, base, mask);
				}
			}
		}
		if (!inner->pure)
			effects->pure = false;
		if (inner->writes_any)
			add_write(effects, 0, changed);
		if (g_hash_table_size(inner->writes)) {
			GHashTableIter iter;
			gpointer tag;

			g_hash_table_iter_init(&iter, inner->writes);
			while (g_hash_table_iter_next(&iter, &tag, NULL))
				add_write(effects, GPOINTER_TO_UINT(tag), changed);
		}
		for (guint i = 0; i < inner->unknown->len; i++)
			if (!g_ptr_array_find(effects->unknown, inner->unknown->pdata[i], NULL))
				g_ptr_array_add(effects->unknown, inner->unknown->pdata[i]);
	}
	if (carries(call))
		put(masks, masks->of, call, result);
	g_ptr_array_free(targets, true);
}

static void instruction(struct effects *effects, struct masks *masks, LLVMValueRef inst,
			bool *changed)
{
	guint32 mask = 0;
	int n = LLVMGetNumOperands(inst);

	switch (LLVMGetInstructionOpcode(inst)) {
	case LLVMCall:
	case LLVMInvoke:
	case LLVMCallBr:
		call_effects(effects, masks, inst, changed);
		return;
	case LLVMStore:
		store_into(effects, masks, LLVMGetOperand(inst, 1),
			   carries(LLVMGetOperand(inst, 0)) ?
			   mask_of(masks, LLVMGetOperand(inst, 0)) : 0, changed);
		return;
	case LLVMAtomicRMW:
	case LLVMAtomicCmpXchg:
		store_into(effects, masks, LLVMGetOperand(inst, 0),
			   mask_of(masks, LLVMGetOperand(inst, 1)), changed);
		return;
	case LLVMRet:
		if (n && carries(LLVMGetOperand(inst, 0)))
			add(&effects->returned, mask_of(masks, LLVMGetOperand(inst, 0)), changed);
		return;
	case LLVMLoad:
		mask = mask_of(masks, LLVMGetOperand(inst, 0));
		break;
	case LLVMBr:
	case LLVMSwitch:
	case LLVMICmp:
		return;
	default:
		for (int i = 0; i < n; i++)
			mask |= mask_of(masks, LLVMGetOperand(inst, i));
		break;
	}
	if (carries(inst))
		put(masks, masks->of, inst, mask);
}

static bool update(struct function *fn)
{
	struct effects *effects = fn->effects;
	struct masks masks = {
		.of = g_hash_table_new(NULL, NULL), .inside = g_hash_table_new(NULL, NULL),
	};
	unsigned int params = LLVMCountParams(fn->value);
	bool changed = false, pure = effects->pure;

	for (unsigned int i = 0; i < params; i++)
		if (carries(LLVMGetParam(fn->value, i)))
			put(&masks, masks.of, LLVMGetParam(fn->value, i),
			    i < MAX_PARAMS ? 1u << i : 0);
	do {
		LLVMBasicBlockRef block;
		LLVMValueRef inst;

		masks.changed = false;
		for (block = LLVMGetFirstBasicBlock(fn->value); block;
		     block = LLVMGetNextBasicBlock(block))
			for (inst = LLVMGetFirstInstruction(block); inst;
			     inst = LLVMGetNextInstruction(inst))
				instruction(effects, &masks, inst, &changed);
	} while (masks.changed);
	g_hash_table_destroy(masks.of);
	g_hash_table_destroy(masks.inside);
	return changed || pure != effects->pure;
}

/* Every function with a body that @fn reaches and that has no effects yet, callees first. */
static void reach(struct function *fn, GPtrArray *order)
{
	LLVMBasicBlockRef block;
	LLVMValueRef inst;
	GPtrArray *targets;

	if (!fn->value || fn->effects || model_of(fn) > MODEL_ROOT_ANON)
		return;
	fn->effects = g_new0(struct effects, 1);
	fn->effects->writes = g_hash_table_new(NULL, NULL);
	fn->effects->unknown = g_ptr_array_new();
	fn->effects->pure = true;
	targets = g_ptr_array_new();
	for (block = LLVMGetFirstBasicBlock(fn->value); block; block = LLVMGetNextBasicBlock(block))
		for (inst = LLVMGetFirstInstruction(block); inst;
		     inst = LLVMGetNextInstruction(inst))
			if (ir_is_call(inst))
				ir_targets(inst, targets);
	for (guint i = 0; i < targets->len; i++)
		reach(targets->pdata[i], order);
	g_ptr_array_free(targets, true);
	g_ptr_array_add(order, fn);
}

const struct effects *effects_of(struct function *fn)
{
	if (!fn->effects && fn->value) {
		GPtrArray *order = g_ptr_array_new();
		bool changed;

		reach(fn, order);
		do {
			changed = false;
			for (guint i = 0; i < order->len; i++)
				changed = update(order->pdata[i]) || changed;
		} while (changed);
		g_ptr_array_free(order, true);
	}
	return fn->effects;
}
