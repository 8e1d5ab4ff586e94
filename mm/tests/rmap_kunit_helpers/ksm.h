/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Folios of KSM
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_KSM_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_KSM_H

struct folio;
struct kunit;

struct folio *rmap_kunit_new_ksm_folio(struct kunit *test, unsigned long addr,
				       int nr_pages);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_KSM_H */
