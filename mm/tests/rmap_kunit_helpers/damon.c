// SPDX-License-Identifier: GPL-2.0-only
/*
 * What DAMON keeps to itself
 */
#include <linux/damon.h>
#include <linux/list.h>

#include "../rmap_kunit_helpers.h"
#include "internal.h"

/**
 * rmap_kunit_damon_add_region() - Have DAMON look at a region
 * @region: the region
 * @target: what it belongs to from now on; it frees the region
 *
 * As damon_add_region() does, which not every kernel lets others call.
 */
void rmap_kunit_damon_add_region(struct damon_region *region,
				 struct damon_target *target)
{
	list_add_tail(&region->list, &target->regions_list);
	target->nr_regions++;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_damon_add_region);
