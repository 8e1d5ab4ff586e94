/* SPDX-License-Identifier: GPL-2.0-only */
/* The other half of the contracts: who moves folios, and does the walk look again? */
#ifndef RMAP_STATIC_CONTRACT_H
#define RMAP_STATIC_CONTRACT_H

#include "ir.h"

/* A call that gives a mapped folio another anon_vma, in a function that also gives it an index. */
struct mover {
	LLVMValueRef call;
	LLVMValueRef lock;	/* where an anon_vma is locked for writing around it, or NULL */
};

GArray *contract_movers(void);
/* Reads of folio->mapping by folio_lock_anon_vma_read() once it has the lock (LLVMValueRef). */
GPtrArray *contract_looks_again(void);

#endif
