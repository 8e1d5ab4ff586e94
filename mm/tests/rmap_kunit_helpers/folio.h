/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Folios of the test's memory, and their state
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_FOLIO_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_FOLIO_H

#include <linux/types.h>

struct anon_vma;
struct folio;
struct kunit;

struct folio *rmap_kunit_folio(struct kunit *test, unsigned long addr);
struct folio *rmap_kunit_new_folio(struct kunit *test, unsigned long addr,
				   u32 value);
struct folio *rmap_kunit_new_thp(struct kunit *test, unsigned long addr,
				 u32 value);
void rmap_kunit_put_folio(struct kunit *test, struct folio *folio);
struct anon_vma *rmap_kunit_anon_vma(struct kunit *test, unsigned long addr);
pgoff_t rmap_kunit_index(struct kunit *test, unsigned long addr);

/**
 * struct rmap_kunit_folio_state - What a caller must leave as it was
 * @refs: references
 * @mapcount: page table entries that map the folio
 * @anon_vma: the anon_vma that it leads to, %NULL if it is not anonymous
 * @anon_vma_refs: references of @anon_vma
 * @locked: whether the folio is locked
 */
struct rmap_kunit_folio_state {
	int refs;
	int mapcount;
	struct anon_vma *anon_vma;
	int anon_vma_refs;
	bool locked;
};

struct rmap_kunit_folio_state rmap_kunit_folio_state(struct folio *folio);
void rmap_kunit_expect_unchanged(struct kunit *test, struct folio *folio,
				 const struct rmap_kunit_folio_state *before);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_FOLIO_H */
