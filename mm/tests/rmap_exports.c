// SPDX-License-Identifier: GPL-2.0-only
/*
 * What modules with the suites call and the kernel exports to nobody else. Only those
 * that import the namespace of KUnit get it, and only from kernels that have KUnit.
 *
 * The exports stand here and not beside the functions, so that they are of use on
 * any tree, and need no change to it. What the tree exports itself, which the
 * Makefile finds out, is left out: nothing may be exported twice.
 */
#include <kunit/visibility.h>
#include <linux/damon.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmdebug.h>
#include <linux/pagewalk.h>
#include <linux/panic.h>
#include <linux/rmap.h>
#include <linux/sched/cputime.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/shmem_fs.h>
#include <linux/swap.h>
#include <linux/swapfile.h>
#include <linux/swapops.h>

#include "../internal.h"

/* The Makefile says -DRMAP_KUNIT_EXPORTED_x of what the tree exports. */
#define RMAP_KUNIT_EXPORT(x) \
	RMAP_KUNIT_EXPORT_UNLESS(__is_defined(RMAP_KUNIT_EXPORTED_##x), x)
#define RMAP_KUNIT_EXPORT_UNLESS(there, x)	RMAP_KUNIT_EXPORT_IF(there, x)
#define RMAP_KUNIT_EXPORT_IF(there, x)		RMAP_KUNIT_EXPORT_##there(x)
#define RMAP_KUNIT_EXPORT_0			EXPORT_SYMBOL_IF_KUNIT
#define RMAP_KUNIT_EXPORT_1(x)			static_assert(1, #x)

RMAP_KUNIT_EXPORT(__put_anon_vma);
RMAP_KUNIT_EXPORT(do_exit);
RMAP_KUNIT_EXPORT(do_madvise);
RMAP_KUNIT_EXPORT(folio_anon_vma);
RMAP_KUNIT_EXPORT(folio_get_anon_vma);
RMAP_KUNIT_EXPORT(folio_isolate_lru);
RMAP_KUNIT_EXPORT(folio_lock_anon_vma_read);
RMAP_KUNIT_EXPORT(folio_putback_lru);
RMAP_KUNIT_EXPORT(folio_referenced);
RMAP_KUNIT_EXPORT(kernel_clone);
RMAP_KUNIT_EXPORT(lru_add_drain_all);
RMAP_KUNIT_EXPORT(page_vma_mapped_walk);
RMAP_KUNIT_EXPORT(panic_on_warn);
RMAP_KUNIT_EXPORT(rmap_walk);
RMAP_KUNIT_EXPORT(rmap_walk_locked);
RMAP_KUNIT_EXPORT(task_sched_runtime);
RMAP_KUNIT_EXPORT(try_to_migrate);
RMAP_KUNIT_EXPORT(try_to_unmap);
RMAP_KUNIT_EXPORT(vfs_read);
RMAP_KUNIT_EXPORT(walk_page_range);

#ifndef RMAP_KUNIT_LACKS_FOLIO_MOVE_ANON_RMAP
RMAP_KUNIT_EXPORT(folio_move_anon_rmap);
#else
RMAP_KUNIT_EXPORT(page_move_anon_rmap);
#endif

/* What the suites do for a KUnit that is too old to do it. */
#ifdef RMAP_KUNIT_OLD_KUNIT
RMAP_KUNIT_EXPORT(arch_pick_mmap_layout);
RMAP_KUNIT_EXPORT(mm_alloc);
#endif

/* Used by inline functions of the kernel's headers, on some kernels. */
#ifdef RMAP_KUNIT_HAS_FOLIO_MAPCOUNT
RMAP_KUNIT_EXPORT(folio_mapcount);
#endif
#ifdef CONFIG_DEBUG_VM
RMAP_KUNIT_EXPORT(dump_mm);
#endif
#ifdef SPLIT_RSS_COUNTING
RMAP_KUNIT_EXPORT(sync_mm_rss);
#endif
#ifdef CONFIG_SWAP
RMAP_KUNIT_EXPORT(swap_migration_ad_supported);
#endif

#ifdef CONFIG_SHMEM
RMAP_KUNIT_EXPORT(shmem_kernel_file_setup);
#endif

#ifdef CONFIG_MIGRATION
RMAP_KUNIT_EXPORT(remove_migration_ptes);
#endif

#ifdef CONFIG_MEMCG
RMAP_KUNIT_EXPORT(root_mem_cgroup);
#endif

#ifdef CONFIG_MEMORY_FAILURE
#ifndef RMAP_KUNIT_LACKS_NUM_POISONED_PAGES_SUB
RMAP_KUNIT_EXPORT(num_poisoned_pages_sub);
#else
RMAP_KUNIT_EXPORT(num_poisoned_pages);
#endif
#endif

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
RMAP_KUNIT_EXPORT(huge_zero_pfn);
#ifdef RMAP_KUNIT_HAS_SPLIT_FOLIO_TO_LIST
RMAP_KUNIT_EXPORT(split_folio_to_list);
#else
RMAP_KUNIT_EXPORT(split_huge_page_to_list);
#endif
#endif

#if defined(CONFIG_HUGETLB_PAGE) && defined(RMAP_KUNIT_HAS_HUGETLB_BASEPAGE_INDEX)
RMAP_KUNIT_EXPORT(hugetlb_basepage_index);
#endif

#ifdef CONFIG_DAMON
RMAP_KUNIT_EXPORT(damon_add_target);
RMAP_KUNIT_EXPORT(damon_destroy_ctx);
RMAP_KUNIT_EXPORT(damon_new_ctx);
RMAP_KUNIT_EXPORT(damon_new_region);
RMAP_KUNIT_EXPORT(damon_new_target);
RMAP_KUNIT_EXPORT(damon_select_ops);
#if !defined(RMAP_KUNIT_LACKS_DAMOS_FILTERS) && defined(CONFIG_DAMON_PADDR)
RMAP_KUNIT_EXPORT(damon_add_scheme);
RMAP_KUNIT_EXPORT(damon_new_scheme);
RMAP_KUNIT_EXPORT(damos_add_filter);
RMAP_KUNIT_EXPORT(damos_new_filter);
#endif
#endif
