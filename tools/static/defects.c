// SPDX-License-Identifier: GPL-2.0-only
/*
 * Defects by machine.  Every lock that a proof came to is taken away, tried and its answer ignored,
 * taken on another folio, and taken on one of two branches only; before every call that needs a
 * locked folio, the folio is unlocked.  Each must leave a call that is not proved any more.
 */
#include "defects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model.h"
#include "walks.h"

enum kind { NO_LOCK, IGNORED, OTHER_FOLIO, ONE_BRANCH, UNLOCK_FIRST, UNLOCK_INSTEAD };

static const char *const kinds[] = {
	[NO_LOCK] = "the lock is not taken", [IGNORED] = "the answer of the trylock is ignored",
	[OTHER_FOLIO] = "another folio is locked",
	[ONE_BRANCH] = "one branch takes no lock",
	[UNLOCK_FIRST] = "the folio is unlocked first",
	[UNLOCK_INSTEAD] = "the folio is unlocked instead",
};

enum outcome { SEEN, MISSED, NO_DEFECT, NOT_ANONYMOUS, NO_WAY };

static const char *const outcomes[] = {
	[SEEN] = "seen", [MISSED] = "missed", [NOT_ANONYMOUS] = "never anonymous",
	[NO_WAY] = "no way can be taken",
};

static enum model model_at(LLVMValueRef call)
{
	return model_of(ir_function(LLVMGetCalledValue(call)));
}

/* What a lock returns that has succeeded. */
static LLVMValueRef success(LLVMValueRef call)
{
	return LLVMConstInt(LLVMTypeOf(call), model_at(call) == MODEL_TRYLOCK, false);
}

static LLVMModuleRef module_of(LLVMValueRef inst)
{
	LLVMBasicBlockRef block = LLVMGetInstructionParent(inst);

	return LLVMGetGlobalParent(LLVMGetBasicBlockParent(block));
}

static LLVMValueRef outside(LLVMValueRef at, const char *name, LLVMTypeRef type)
{
	LLVMModuleRef module = module_of(at);
	LLVMValueRef global = LLVMGetNamedGlobal(module, name);

	return global ? global : LLVMAddGlobal(module, type, name);
}

/* A call of folio_unlock() on @folio, before @at. */
static bool unlock_at(LLVMValueRef at, LLVMValueRef folio)
{
	LLVMModuleRef module = module_of(at);
	LLVMContextRef context = LLVMGetModuleContext(module);
	LLVMBuilderRef builder = LLVMCreateBuilderInContext(context);
	LLVMValueRef unlock = LLVMGetNamedFunction(module, "folio_unlock");
	LLVMTypeRef pointer = LLVMPointerTypeInContext(context, 0);

	if (LLVMTypeOf(folio) != pointer)
		return false;
	if (!unlock) {
		LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(context), &pointer, 1,
						    false);

		unlock = LLVMAddFunction(module, "folio_unlock", type);
		ir_declare(unlock);
	}
	LLVMPositionBuilderBefore(builder, at);
	LLVMBuildCall2(builder, LLVMGlobalGetValueType(unlock), unlock, &folio, 1, "");
	return true;
}

/* Applies @kind to @call; false if there is no such thing. */
static bool apply(enum kind kind, LLVMValueRef call)
{
	LLVMContextRef context = LLVMGetTypeContext(LLVMTypeOf(call));
	LLVMBuilderRef builder = LLVMCreateBuilderInContext(context);
	LLVMTypeRef bit = LLVMInt1TypeInContext(context);
	bool answers = LLVMGetTypeKind(LLVMTypeOf(call)) != LLVMVoidTypeKind;
	LLVMValueRef folio, other, unknown;
	int at;

	LLVMPositionBuilderBefore(builder, call);
	switch (kind) {
	case UNLOCK_INSTEAD:
		if (!unlock_at(call, model_folio(call)))
			return false;
		fallthrough;
	case NO_LOCK:
		if (answers)
			LLVMReplaceAllUsesWith(call, success(call));
		LLVMInstructionEraseFromParent(call);
		return true;
	case IGNORED:
		if (!answers)
			return false;
		LLVMReplaceAllUsesWith(call, success(call));
		return true;
	case OTHER_FOLIO:
	case ONE_BRANCH:
		folio = model_folio(call);
		at = folio == LLVMGetOperand(call, 0) ? 0 : 1;
		other = outside(call, "another_folio", LLVMInt8TypeInContext(context));
		if (kind == ONE_BRANCH) {
			unknown = LLVMBuildLoad2(builder, bit, outside(call, "some_condition", bit),
						 "");
			other = LLVMBuildSelect(builder, unknown, folio, other, "");
		}
		LLVMSetOperand(call, at, other);
		return true;
	default:
		return false;
	}
}

/* Unlocks what @site walks, just before it. */
static bool unlock_first(const struct site *site)
{
	const struct term *term = g_array_index(site->asked, struct asked, 0).facts.folio;
	int n = LLVMGetNumArgOperands(site->call);

	for (int i = 0; i < n; i++) {
		LLVMValueRef arg = LLVMGetOperand(site->call, i);

		if (term_same(term_of(arg), term))
			return unlock_at(site->call, arg);
	}
	return false;
}

static bool is_bad(const struct site *site)
{
	return !site->trusted && site->verdict >= UNPROVED;
}

/* Is there a bad call? */
static bool sees(void)
{
	for (guint i = 0; i < walks_sites->len; i++)
		if (is_bad(walks_sites->pdata[i]))
			return true;
	return walks_lost->len;
}

/* Tries @kind in a process of its own; with @all the folio may be of any kind. */
static enum outcome attempt(enum kind kind, LLVMValueRef lock, const struct site *site, bool all)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child)
		return waitpid(child, &status, 0) == child && WIFEXITED(status) ?
		       WEXITSTATUS(status) : MISSED;
	if (!(kind == UNLOCK_FIRST ? unlock_first(site) : apply(kind, lock)))
		_exit(NO_DEFECT);
	walks_again(site, all);
	_exit(sees() ? SEEN : MISSED);
}

/* The same at every site that came to @lock, and why nothing is seen. */
static enum outcome outcome_of(enum kind kind, LLVMValueRef lock, GPtrArray *asking)
{
	enum outcome outcome = NO_DEFECT;
	bool way = false;

	for (guint i = 0; i < asking->len; i++) {
		outcome = attempt(kind, lock, asking->pdata[i], false);
		if (outcome != MISSED)
			return outcome;
	}
	for (guint i = 0; i < asking->len; i++) {
		if (attempt(kind, lock, asking->pdata[i], true) == SEEN)
			return NOT_ANONYMOUS;
		if (kind != UNLOCK_FIRST &&
		    attempt(UNLOCK_INSTEAD, lock, asking->pdata[i], true) != MISSED)
			way = true;
	}
	return way ? MISSED : NO_WAY;
}

static int tell(enum kind kind, LLVMValueRef at, GPtrArray *asking)
{
	enum outcome outcome = outcome_of(kind, at, asking);

	if (outcome == NO_DEFECT)
		return 0;
	printf("%s\t%s\t%s:%u\t%s()\n", outcomes[outcome], kinds[kind], ir_file(at),
	       ir_line(at), ir_parent(at)->name);
	return outcome == MISSED;
}

int defects_try(void)
{
	GPtrArray *asking = g_ptr_array_new(), *all = walks_sites;
	int missed = 0;

	for (guint i = 0; prove_uses && i < prove_uses->len; i++) {
		struct use *use = &g_array_index(prove_uses, struct use, i);

		g_ptr_array_set_size(asking, 0);
		for (guint j = 0; j < use->sites->len; j++) {
			const struct site *site = use->sites->pdata[j];

			if (!site->trusted && !ir_parent(site->call)->test && !is_bad(site))
				g_ptr_array_add(asking, (gpointer)site);
		}
		for (enum kind kind = 0; asking->len && kind < UNLOCK_FIRST; kind++)
			missed += tell(kind, use->lock, asking);
	}
	for (guint i = 0; i < all->len; i++) {
		struct site *site = all->pdata[i];

		if (site->trusted || is_bad(site) || ir_parent(site->call)->test)
			continue;
		g_ptr_array_set_size(asking, 0);
		g_ptr_array_add(asking, site);
		missed += tell(UNLOCK_FIRST, site->call, asking);
	}
	return missed != 0;
}
