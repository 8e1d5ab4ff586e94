/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What DAMON keeps to itself
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_DAMON_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_DAMON_H

struct damon_region;
struct damon_target;

void rmap_kunit_damon_add_region(struct damon_region *region,
				 struct damon_target *target);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_DAMON_H */
