/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The program under analysis: every function that was compiled, who calls it,
 * and where its address is taken.
 */
#ifndef RMAP_STATIC_IR_H
#define RMAP_STATIC_IR_H

#include <glib.h>
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <stdbool.h>

#define fallthrough	__attribute__((__fallthrough__))

/* A function's effects keep one bit for each of its first parameters. */
#define MAX_PARAMS	16

struct effects;

/**
 * struct function - a function that is defined or only declared
 * @name: its name in C
 * @file: the file that defines it, relative to the tree; NULL without a body
 * @line: where its definition begins
 * @value: the body that the analysis looks at; NULL if no compiled file has one
 * @callers: call instructions that name it (LLVMValueRef)
 * @taken: every value by which a module knows it, to look for its address
 * @effects: what it does to locks and memory, once somebody asked
 * @test: defined in a module of KUnit tests, or below mm/tests
 * @preds: the predecessors of its blocks, once somebody asked
 * @order: the numbers of its blocks, see ir_order()
 * @model: what is known of it by its name, an enum model
 */
struct function {
	const char *name;
	const char *file;
	unsigned int line;
	LLVMValueRef value;
	GPtrArray *callers;
	GPtrArray *taken;
	struct effects *effects;
	GHashTable *preds, *order;
	int model;
	bool test;
};

void ir_open(const char *source);
/* Reads a file of IR; NULL, or why it cannot be read. */
char *ir_load(const char *path);
/* Call once, when all files are read. */
void ir_index(void);

/* Makes a function known that was added since. */
struct function *ir_declare(LLVMValueRef value);
struct function *ir_function(LLVMValueRef value);
struct function *ir_named(const char *name);
struct function *ir_parent(LLVMValueRef inst);

/* Adds to @targets each struct function that @call may reach; false if there may be more. */
bool ir_targets(LLVMValueRef call, GPtrArray *targets);
/* "struct.field-offset" that a called pointer was read from, or NULL.  Interned. */
const char *ir_slot(LLVMValueRef call);
/* Calls by way of @slot (LLVMValueRef); may be NULL. */
GPtrArray *ir_slot_calls(const char *slot);
/*
 * How the address of @fn is taken: adds the slots that it is stored in to @slots, and to
 * @passed the calls that it is an argument of.  False if it also goes elsewhere.
 */
bool ir_address(struct function *fn, GPtrArray *slots, GPtrArray *passed);

GPtrArray *ir_preds(LLVMBasicBlockRef block);
/* A number that grows along each branch of @block's function but those that go back in loops. */
guint ir_order(LLVMBasicBlockRef block);
/* Does every way from @block end in BUG()? */
bool ir_dies(LLVMBasicBlockRef block);
/* Does @block itself report a BUG or WARNING? */
bool ir_reports(LLVMBasicBlockRef block);

/* Calls @each for every function that has a body in a file that is no header. */
void ir_bodies(void (*each)(const char *file, const char *name, void *data), void *data);

const char *ir_file(LLVMValueRef inst);
unsigned int ir_line(LLVMValueRef inst);
/* Byte offset of a getelementptr without variables; false if it has some. */
bool ir_offset(LLVMValueRef gep, gint64 *offset);
/* Does @gep compute an address in a struct of that name? */
bool ir_is_struct(LLVMValueRef gep, const char *name);
/* The outermost struct and the offset in it that @pointer is computed from, or 0. */
GQuark ir_tag(LLVMValueRef pointer);
bool ir_is_call(LLVMValueRef value);
unsigned int ir_width(LLVMValueRef value);

#endif
