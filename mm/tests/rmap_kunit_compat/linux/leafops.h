/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For kernels that have no such header: swap and migration entries were renamed,
 * and are leaf entries now
 */
#ifndef _MM_TESTS_RMAP_KUNIT_COMPAT_LEAFOPS_H
#define _MM_TESTS_RMAP_KUNIT_COMPAT_LEAFOPS_H

#include <linux/mm.h>
#include <linux/swapops.h>

#define softleaf_t			swp_entry_t
#define softleaf_is_migration(entry)	is_migration_entry(entry)
#define pte_is_marker(pte)		is_pte_marker(pte)
#define pmd_is_migration_entry(pmd)	is_pmd_migration_entry(pmd)

/* Some have a macro of this name, for a fix from later kernels. */
#undef softleaf_from_pte
static inline softleaf_t softleaf_from_pte(pte_t pte)
{
	if (pte_present(pte) || pte_none(pte))
		return (softleaf_t) {};
	return pte_to_swp_entry(pte);
}

/* The entry of the header of a swap area stands for none. */
static inline bool softleaf_is_swap(softleaf_t entry)
{
	return entry.val && !non_swap_entry(entry);
}

#endif /* _MM_TESTS_RMAP_KUNIT_COMPAT_LEAFOPS_H */
