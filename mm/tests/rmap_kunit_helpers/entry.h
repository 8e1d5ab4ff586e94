/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page table entries of the test's memory
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_ENTRY_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_ENTRY_H

#include <linux/mm.h>

struct kunit;

/**
 * struct rmap_kunit_entry - The page table entries for an address
 * @pmdp: the place of @pmd; %NULL if there is none, or @pmd is empty
 * @pmd: the PMD
 * @pte: the PTE; empty as well if there is no page table
 */
struct rmap_kunit_entry {
	pmd_t *pmdp;
	pmd_t pmd;
	pte_t pte;
};

struct rmap_kunit_entry rmap_kunit_entry(struct kunit *test, unsigned long addr);
void rmap_kunit_wrprotect(struct kunit *test, unsigned long addr);
bool rmap_kunit_is_hole(struct kunit *test, unsigned long addr);
long rmap_kunit_rss(int member);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_ENTRY_H */
