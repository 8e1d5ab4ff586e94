// SPDX-License-Identifier: GPL-2.0-only
/* Reads LLVM IR and indexes it: functions, callers, addresses that are taken. */
#include "ir.h"

#include "model.h"

#include <llvm-c/BitReader.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/IRReader.h>
#include <string.h>

static LLVMContextRef context;
static const char *prefix;
static size_t prefix_len;
static GPtrArray *modules;
static GHashTable *by_value;	/* LLVMValueRef -> struct function */
static GHashTable *by_name;	/* external name -> struct function */
static GHashTable *inlines;	/* "name file line" of a header's inline -> struct function */
static GHashTable *slots;	/* interned slot -> GPtrArray of calls */
static GPtrArray *functions;
static LLVMTargetDataRef layout;
static GHashTable *fates;	/* block -> 1: lives, 2: dies, 3: being looked at */

static void quiet(LLVMDiagnosticInfoRef info, void *data)
{
}

void ir_open(const char *source)
{
	context = LLVMContextCreate();
	LLVMContextSetDiagnosticHandler(context, quiet, NULL);
	prefix = source;
	prefix_len = strlen(source);
	modules = g_ptr_array_new();
	functions = g_ptr_array_new();
	by_value = g_hash_table_new(NULL, NULL);
	by_name = g_hash_table_new(g_str_hash, g_str_equal);
	inlines = g_hash_table_new(g_str_hash, g_str_equal);
	slots = g_hash_table_new(NULL, NULL);
	fates = g_hash_table_new(NULL, NULL);
}

char *ir_load(const char *path)
{
	LLVMMemoryBufferRef buffer;
	LLVMModuleRef module;
	char *message = NULL;

	if (LLVMCreateMemoryBufferWithContentsOfFile(path, &buffer, &message))
		return message;
	if (LLVMParseIRInContext(context, buffer, &module, &message))
		return message ? message : strdup("not LLVM IR");
	g_ptr_array_add(modules, module);
	if (!layout)
		layout = LLVMCreateTargetData(LLVMGetDataLayoutStr(module));
	return NULL;
}

/* @path in @directory, without the tree's own; a path of another place stays as it is. */
static const char *relative(const char *directory, size_t size, const char *path, size_t length)
{
	if (size && length && *path != '/' && strncmp(path, "./", 2)) {
		char *joined = g_strdup_printf("%.*s/%.*s", (int)size, directory,
					       (int)length, path);
		const char *found = relative(NULL, 0, joined, strlen(joined));

		g_free(joined);
		return found;
	}

	if (length > prefix_len && !strncmp(path, prefix, prefix_len) && path[prefix_len] == '/') {
		path += prefix_len + 1;
		length -= prefix_len + 1;
	} else if (length > 2 && !strncmp(path, "./", 2)) {
		path += 2;
		length -= 2;
	}
	return g_intern_string(g_strndup(path, length));
}

/* KUnit tests, or their helpers below mm/tests: they walk as they want. */
static bool has_tests(LLVMModuleRef module)
{
	LLVMValueRef global;
	size_t length;
	const char *name = LLVMGetSourceFileName(module, &length);

	if (g_strstr_len(name, length, "mm/tests/"))
		return true;

	for (global = LLVMGetFirstGlobal(module); global; global = LLVMGetNextGlobal(global)) {
		const char *section = LLVMGetSection(global);

		if (section && g_str_has_prefix(section, ".kunit_test_suites"))
			return true;
	}
	return false;
}

struct function *ir_declare(LLVMValueRef value)
{
	struct function *fn = NULL;
	size_t length;
	const char *name = LLVMGetValueName2(value, &length);
	bool local = LLVMGetLinkage(value) == LLVMInternalLinkage ||
		     LLVMGetLinkage(value) == LLVMPrivateLinkage;
	LLVMMetadataRef program = LLVMGetSubprogram(value);
	const char *file = NULL;
	unsigned int line = 0;
	char *key = NULL;

	if (program) {
		LLVMMetadataRef of = LLVMDIScopeGetFile(program);
		unsigned int size = 0, room = 0;
		const char *path = of ? LLVMDIFileGetFilename(of, &size) : NULL;
		const char *directory = of ? LLVMDIFileGetDirectory(of, &room) : NULL;

		file = path ? relative(directory, room, path, size) : NULL;
		line = LLVMDISubprogramGetLine(program);
	}
	if (local && file && g_str_has_suffix(file, ".h")) {
		key = g_strdup_printf("%s %s %u", name, file, line);
		fn = g_hash_table_lookup(inlines, key);
	} else if (!local) {
		fn = g_hash_table_lookup(by_name, name);
	}
	if (!fn) {
		fn = g_new0(struct function, 1);
		fn->name = g_intern_string(name);
		fn->callers = g_ptr_array_new();
		fn->taken = g_ptr_array_new();
		fn->model = model_named(name);
		g_ptr_array_add(functions, fn);
		if (key)
			g_hash_table_insert(inlines, key, fn);
		else if (!local)
			g_hash_table_insert(by_name, (char *)fn->name, fn);
	}
	if (!LLVMIsDeclaration(value) && !fn->value) {
		fn->value = value;
		fn->file = file ? file : "?";
		fn->line = line;
	}
	g_ptr_array_add(fn->taken, value);
	g_hash_table_insert(by_value, value, fn);
	return fn;
}

bool ir_is_call(LLVMValueRef value)
{
	switch (LLVMIsAInstruction(value) ? LLVMGetInstructionOpcode(value) : 0) {
	case LLVMCall:
	case LLVMInvoke:
	case LLVMCallBr:
		return true;
	default:
		return false;
	}
}

static void index_function(struct function *fn)
{
	LLVMBasicBlockRef block;
	LLVMValueRef inst;
	GPtrArray *targets = g_ptr_array_new();

	for (block = LLVMGetFirstBasicBlock(fn->value); block; block = LLVMGetNextBasicBlock(block))
		for (inst = LLVMGetFirstInstruction(block); inst;
		     inst = LLVMGetNextInstruction(inst)) {
			const char *slot;

			if (!ir_is_call(inst))
				continue;
			g_ptr_array_set_size(targets, 0);
			ir_targets(inst, targets);
			for (guint i = 0; i < targets->len; i++) {
				struct function *to = targets->pdata[i];

				g_ptr_array_add(to->callers, inst);
			}
			slot = targets->len ? NULL : ir_slot(inst);
			if (slot) {
				GPtrArray *calls = g_hash_table_lookup(slots, slot);

				if (!calls) {
					calls = g_ptr_array_new();
					g_hash_table_insert(slots, (char *)slot, calls);
				}
				g_ptr_array_add(calls, inst);
			}
		}
	g_ptr_array_free(targets, true);
}

void ir_index(void)
{
	for (guint i = 0; i < modules->len; i++) {
		bool test = has_tests(modules->pdata[i]);
		LLVMValueRef value;

		for (value = LLVMGetFirstFunction(modules->pdata[i]); value;
		     value = LLVMGetNextFunction(value)) {
			struct function *fn = ir_declare(value);

			if (fn->value == value)
				fn->test = test && !g_str_has_suffix(fn->file, ".h");
		}
	}
	for (guint i = 0; i < functions->len; i++) {
		struct function *fn = functions->pdata[i];

		if (fn->value)
			index_function(fn);
	}
}

struct function *ir_function(LLVMValueRef value)
{
	return g_hash_table_lookup(by_value, value);
}

struct function *ir_named(const char *name)
{
	return g_hash_table_lookup(by_name, name);
}

struct function *ir_parent(LLVMValueRef inst)
{
	return ir_function(LLVMGetBasicBlockParent(LLVMGetInstructionParent(inst)));
}

static bool targets_of(LLVMValueRef value, GPtrArray *targets, int depth)
{
	struct function *fn;

	if (depth > 8)
		return false;
	if (LLVMIsAFunction(value)) {
		fn = ir_function(value);
		if (fn && !g_ptr_array_find(targets, fn, NULL))
			g_ptr_array_add(targets, fn);
		return fn;
	}
	if (LLVMIsAInlineAsm(value))
		return true;
	if (LLVMIsASelectInst(value)) {
		bool first = targets_of(LLVMGetOperand(value, 1), targets, depth + 1);

		return targets_of(LLVMGetOperand(value, 2), targets, depth + 1) && first;
	}
	if (LLVMIsAPHINode(value)) {
		bool all = true;

		for (unsigned int i = 0; i < LLVMCountIncoming(value); i++)
			if (!targets_of(LLVMGetIncomingValue(value, i), targets, depth + 1))
				all = false;
		return all;
	}
	return false;
}

bool ir_targets(LLVMValueRef call, GPtrArray *targets)
{
	return targets_of(LLVMGetCalledValue(call), targets, 0);
}

static const char *struct_name(LLVMTypeRef type)
{
	const char *name = LLVMGetTypeKind(type) == LLVMStructTypeKind ?
			   LLVMGetStructName(type) : NULL;
	const char *dot;
	size_t length;

	if (!name || !g_str_has_prefix(name, "struct."))
		return NULL;
	name += strlen("struct.");
	if (g_str_has_prefix(name, "anon"))
		return NULL;
	/* Two modules' types of one name are told apart by a number; they are one for us. */
	dot = strrchr(name, '.');
	length = dot && strspn(dot + 1, "0123456789") == strlen(dot + 1) ?
		 (size_t)(dot - name) : strlen(name);
	return g_intern_string(g_strndup(name, length));
}

bool ir_offset(LLVMValueRef gep, gint64 *offset)
{
	LLVMTypeRef type = LLVMGetGEPSourceElementType(gep);
	int operands = LLVMGetNumOperands(gep);

	*offset = 0;
	for (int i = 1; i < operands; i++) {
		LLVMValueRef index = LLVMGetOperand(gep, i);
		gint64 n;

		if (!LLVMIsAConstantInt(index))
			return false;
		n = LLVMConstIntGetSExtValue(index);
		if (i == 1) {
			if (n)
				*offset += n * (gint64)LLVMABISizeOfType(layout, type);
		} else if (LLVMGetTypeKind(type) == LLVMStructTypeKind) {
			*offset += LLVMOffsetOfElement(layout, type, n);
			type = LLVMStructGetTypeAtIndex(type, n);
		} else {
			type = LLVMGetElementType(type);
			*offset += n * (gint64)LLVMABISizeOfType(layout, type);
		}
	}
	return true;
}

static bool is_gep(LLVMValueRef value)
{
	return LLVMIsAGetElementPtrInst(value) ||
	       (LLVMIsAConstantExpr(value) && LLVMGetConstOpcode(value) == LLVMGetElementPtr);
}

GQuark ir_tag(LLVMValueRef pointer)
{
	const char *outer = NULL;
	gint64 total = 0, offset;
	char *text;
	GQuark tag;

	while (is_gep(pointer)) {
		const char *name = struct_name(LLVMGetGEPSourceElementType(pointer));

		if (name)
			outer = name;
		/* The index of an array says nothing about the field; what follows it does. */
		if (ir_offset(pointer, &offset))
			total += offset;
		else if (!name)
			break;
		pointer = LLVMGetOperand(pointer, 0);
	}
	if (!outer)
		return 0;
	text = g_strdup_printf("%s+%" G_GINT64_FORMAT, outer, total);
	tag = g_quark_from_string(text);
	g_free(text);
	return tag;
}

bool ir_is_struct(LLVMValueRef gep, const char *name)
{
	const char *found = struct_name(LLVMGetGEPSourceElementType(gep));

	return found && !strcmp(found, name);
}

static const char *slot_of_pointer(LLVMValueRef pointer)
{
	GQuark tag = ir_tag(pointer);

	return tag ? g_quark_to_string(tag) : NULL;
}

const char *ir_slot(LLVMValueRef call)
{
	LLVMValueRef called = LLVMGetCalledValue(call);

	if (!LLVMIsALoadInst(called))
		return NULL;
	return slot_of_pointer(LLVMGetOperand(called, 0));
}

GPtrArray *ir_slot_calls(const char *slot)
{
	return g_hash_table_lookup(slots, g_intern_string(slot));
}

static void add_once(GPtrArray *array, gpointer item)
{
	if (!g_ptr_array_find(array, item, NULL))
		g_ptr_array_add(array, item);
}

/* What only makes a function known to others: EXPORT_SYMBOL(), error injection. */
static bool is_bookkeeping(LLVMValueRef global)
{
	size_t length;
	const char *name = LLVMGetValueName2(global, &length);

	return g_str_has_prefix(name, "__UNIQUE_ID_") || g_str_has_prefix(name, "_eil_addr_") ||
	       g_str_has_prefix(name, "llvm.") || g_str_has_prefix(name, "__ksymtab");
}

static const char *slot_named(const char *name, unsigned long long offset)
{
	char *text = g_strdup_printf("%s+%llu", name, offset);
	const char *slot = g_intern_string(text);

	g_free(text);
	return slot;
}

static bool address_of(LLVMValueRef value, GPtrArray *in, GPtrArray *passed, int depth)
{
	bool all = true;

	for (LLVMUseRef use = LLVMGetFirstUse(value); use; use = LLVMGetNextUse(use)) {
		LLVMValueRef user = LLVMGetUser(use);
		const char *slot = NULL;

		if (ir_is_call(user)) {
			int args = LLVMGetNumArgOperands(user);

			for (int i = 0; i < args; i++)
				if (LLVMGetOperand(user, i) == value)
					add_once(passed, user);
			continue;
		}
		if (LLVMIsASelectInst(user) || LLVMIsAPHINode(user)) {
			/* Fine where it is only called: those calls are among the callers. */
			for (LLVMUseRef more = LLVMGetFirstUse(user); more;
			     more = LLVMGetNextUse(more)) {
				LLVMValueRef by = LLVMGetUser(more);

				if (!ir_is_call(by) || LLVMGetCalledValue(by) != user)
					all = false;
			}
			continue;
		}
		if (LLVMIsAICmpInst(user))
			continue;
		if (LLVMIsAStoreInst(user) && LLVMGetOperand(user, 0) == value) {
			slot = slot_of_pointer(LLVMGetOperand(user, 1));
		} else if (LLVMIsAConstantStruct(user)) {
			LLVMTypeRef type = LLVMTypeOf(user);
			const char *name = struct_name(type);
			int n = LLVMGetNumOperands(user);

			for (int i = 0; i < n && name; i++)
				if (LLVMGetOperand(user, i) == value)
					slot = slot_named(name,
							  LLVMOffsetOfElement(layout, type, i));
			if (!slot && depth < 4) {
				all = address_of(user, in, passed, depth + 1) && all;
				continue;
			}
		} else if (LLVMIsAGlobalVariable(user)) {
			if (is_bookkeeping(user))
				continue;
		} else if (LLVMIsAConstant(user) && depth < 4) {
			all = address_of(user, in, passed, depth + 1) && all;
			continue;
		}
		if (slot)
			add_once(in, (gpointer)slot);
		else
			all = false;
	}
	return all;
}

bool ir_address(struct function *fn, GPtrArray *in, GPtrArray *passed)
{
	bool all = true;

	for (guint i = 0; i < fn->taken->len; i++)
		if (!has_tests(LLVMGetGlobalParent(fn->taken->pdata[i])))
			all = address_of(fn->taken->pdata[i], in, passed, 0) && all;
	return all;
}

GPtrArray *ir_preds(LLVMBasicBlockRef block)
{
	struct function *fn = ir_function(LLVMGetBasicBlockParent(block));
	LLVMBasicBlockRef from;

	if (!fn->preds) {
		fn->preds = g_hash_table_new(NULL, NULL);
		for (from = LLVMGetFirstBasicBlock(fn->value); from;
		     from = LLVMGetNextBasicBlock(from)) {
			LLVMValueRef last = LLVMGetBasicBlockTerminator(from);
			unsigned int n = LLVMGetNumSuccessors(last);

			for (unsigned int i = 0; i < n; i++) {
				LLVMBasicBlockRef to = LLVMGetSuccessor(last, i);
				GPtrArray *list = g_hash_table_lookup(fn->preds, to);

				if (!list) {
					list = g_ptr_array_new();
					g_hash_table_insert(fn->preds, to, list);
				}
				add_once(list, from);
			}
		}
	}
	return g_hash_table_lookup(fn->preds, block);
}

static void number(struct function *fn, LLVMBasicBlockRef block, guint *next)
{
	LLVMValueRef last = LLVMGetBasicBlockTerminator(block);

	if (g_hash_table_contains(fn->order, block))
		return;
	g_hash_table_insert(fn->order, block, NULL);
	for (unsigned int i = 0; i < LLVMGetNumSuccessors(last); i++)
		number(fn, LLVMGetSuccessor(last, i), next);
	g_hash_table_insert(fn->order, block, GUINT_TO_POINTER((*next)--));
}

guint ir_order(LLVMBasicBlockRef block)
{
	struct function *fn = ir_function(LLVMGetBasicBlockParent(block));

	if (!fn->order) {
		guint next = LLVMCountBasicBlocks(fn->value);

		fn->order = g_hash_table_new(NULL, NULL);
		number(fn, LLVMGetEntryBasicBlock(fn->value), &next);
	}
	return GPOINTER_TO_UINT(g_hash_table_lookup(fn->order, block));
}

bool ir_reports(LLVMBasicBlockRef block)
{
	LLVMValueRef inst;

	for (inst = LLVMGetFirstInstruction(block); inst; inst = LLVMGetNextInstruction(inst)) {
		LLVMValueRef called;
		size_t length;
		const char *text;

		if (!ir_is_call(inst))
			continue;
		called = LLVMGetCalledValue(inst);
		if (LLVMIsAInlineAsm(called)) {
			text = LLVMGetInlineAsmAsmString(called, &length);
			if (g_strstr_len(text, length, "__bug_table"))
				return true;
		} else if (LLVMIsAFunction(called)) {
			text = LLVMGetValueName2(called, &length);
			if (!strcmp(text, "__warn_printk") || !strcmp(text, "warn_slowpath_fmt"))
				return true;
		}
	}
	return false;
}

bool ir_dies(LLVMBasicBlockRef block)
{
	gsize fate = GPOINTER_TO_SIZE(g_hash_table_lookup(fates, block));
	LLVMValueRef last = LLVMGetBasicBlockTerminator(block);
	unsigned int n = LLVMGetNumSuccessors(last);
	bool dies = LLVMGetInstructionOpcode(last) == LLVMUnreachable;

	if (fate)
		return fate == 2;
	g_hash_table_insert(fates, block, GSIZE_TO_POINTER(3));
	if (n) {
		dies = true;
		for (unsigned int i = 0; i < n && dies; i++)
			dies = ir_dies(LLVMGetSuccessor(last, i));
	}
	g_hash_table_insert(fates, block, GSIZE_TO_POINTER(dies ? 2 : 1));
	return dies;
}

void ir_bodies(void (*each)(const char *file, const char *name, void *data), void *data)
{
	for (guint i = 0; i < functions->len; i++) {
		struct function *fn = functions->pdata[i];

		if (fn->value && !g_str_has_suffix(fn->file, ".h"))
			each(fn->file, fn->name, data);
	}
}

const char *ir_file(LLVMValueRef inst)
{
	unsigned int length = 0, size = 0;
	const char *path = LLVMGetDebugLocFilename(inst, &length);
	const char *directory = LLVMGetDebugLocDirectory(inst, &size);

	return path && length ? relative(directory, size, path, length) : ir_parent(inst)->file;
}

unsigned int ir_line(LLVMValueRef inst)
{
	return LLVMGetDebugLocLine(inst);
}

unsigned int ir_width(LLVMValueRef value)
{
	LLVMTypeRef type = LLVMTypeOf(value);

	switch (LLVMGetTypeKind(type)) {
	case LLVMIntegerTypeKind:
		return LLVMGetIntTypeWidth(type);
	case LLVMPointerTypeKind:
		return 64;
	default:
		return 0;
	}
}
