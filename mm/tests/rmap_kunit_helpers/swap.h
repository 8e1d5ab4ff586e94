/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Swap, on a RAM disk
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_SWAP_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_SWAP_H

#include <linux/types.h>

struct kunit;

bool rmap_kunit_is_swapped(struct kunit *test, unsigned long addr);
void rmap_kunit_swapon(struct kunit *test);
bool rmap_kunit_in_swap_cache(struct kunit *test, unsigned long addr);
void rmap_kunit_page_out(struct kunit *test, unsigned long addr);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_SWAP_H */
