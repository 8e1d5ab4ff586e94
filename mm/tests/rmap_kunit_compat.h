/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that the suites are run on, under one name
 * each. Kernels are told apart by what they have where that can be seen: features
 * travel between trees.
 */
#ifndef _MM_TESTS_RMAP_KUNIT_COMPAT_H
#define _MM_TESTS_RMAP_KUNIT_COMPAT_H

#include <linux/damon.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/mm_inline.h>
#include <linux/mm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/rmap.h>
#include <linux/shmem_fs.h>
#include <linux/swapops.h>
#include <uapi/linux/userfaultfd.h>

/* What the callbacks of an mmu_notifier say about young bits: int, later bool. */
#define RMAP_KUNIT_YOUNG \
	typeof(((struct mmu_notifier_ops *)NULL)->test_young(NULL, NULL, 0))

/*
 * The flags of a VMA are a word, or a bitmap whose first word is the same. The
 * functions of a kernel that has the bitmap take one or the other.
 */
#ifdef EMPTY_VMA_FLAGS
#define RMAP_KUNIT_NO_VMA_FLAGS		EMPTY_VMA_FLAGS
#else
#define RMAP_KUNIT_NO_VMA_FLAGS		0
#endif

static inline struct file *rmap_kunit_shmem_file(const char *name, loff_t size)
{
	return shmem_kernel_file_setup(name, size, RMAP_KUNIT_NO_VMA_FLAGS);
}

static inline int rmap_kunit_folio_referenced(struct folio *folio, int is_locked,
					      struct mem_cgroup *memcg,
					      unsigned long *vm_flags)
{
	union {
		unsigned long word;
#ifdef EMPTY_VMA_FLAGS
		vma_flags_t bitmap;
#endif
	} flags = {};
	/* Goes for a pointer to either. */
	void *any = &flags;
	int ret = folio_referenced(folio, is_locked, memcg, any);

	*vm_flags = flags.word;
	return ret;
}

/*
 * What a page table entry holds that is not present: swap and migration entries
 * were renamed, and are leaf entries now.
 */
#ifdef _LINUX_LEAFOPS_H
#define pte_to_swp_entry(pte)		softleaf_from_pte(pte)
#define non_swap_entry(entry)		(!softleaf_is_swap(entry))
#define is_migration_entry(entry)	softleaf_is_migration(entry)
#define is_pte_marker(pte)		pte_is_marker(pte)
#define is_pmd_migration_entry(pmd)	pmd_is_migration_entry(pmd)

static inline bool is_swap_pte(pte_t pte)
{
	return !pte_none(pte) && !pte_present(pte);
}
#endif

/* The bits of folio->mapping. */
#ifdef FOLIO_MAPPING_ANON
#define PAGE_MAPPING_ANON		FOLIO_MAPPING_ANON
#endif

#if defined(CONFIG_ARCH_ENABLE_THP_MIGRATION) || \
	defined(CONFIG_ARCH_HAS_PMD_SOFTLEAVES)
#define RMAP_KUNIT_THP_MIGRATION
#endif

/* The bit of write protection got a second use, and another name. */
#ifdef UFFDIO_REGISTER_MODE_RWP
#define pte_uffd_wp(pte)		pte_uffd(pte)
#define pte_swp_uffd_wp(pte)		pte_swp_uffd(pte)
#endif

#ifdef CONFIG_UML
/* Kernels have it in different headers, and with different types. */
extern long (*const rmap_kunit_sys_call_table[])(unsigned long a,
						 unsigned long b,
						 unsigned long c,
						 unsigned long d,
						 unsigned long e,
						 unsigned long f)
	asm("sys_call_table");
#endif

/* Where kernel threads see no files, they can borrow those of init meanwhile. */
static inline struct fs_struct *rmap_kunit_borrow_files(void)
{
#ifdef scoped_with_init_fs
	return __override_init_fs();
#else
	return NULL;
#endif
}

static inline void rmap_kunit_return_files(struct fs_struct *own)
{
#ifdef scoped_with_init_fs
	__revert_init_fs(own);
#endif
}

/* vfs_ioctl() is not for everybody any more. */
static inline long rmap_kunit_ioctl(struct file *file, unsigned int cmd,
				    unsigned long arg)
{
	return file->f_op->unlocked_ioctl(file, cmd, arg);
}

/* Nor is damon_add_region(). */
static inline void rmap_kunit_damon_add_region(struct damon_region *region,
					       struct damon_target *target)
{
	list_add_tail(&region->list, &target->regions_list);
	target->nr_regions++;
}

/* DAMOS has filters, the one for young pages among them. */
#if defined(CONFIG_DAMON_PADDR) && \
	(defined(damos_for_each_filter) || defined(damos_for_each_ops_filter))
#define RMAP_KUNIT_HAS_DAMOS_YOUNG

static inline struct damos *rmap_kunit_damon_new_scheme(enum damos_action action)
{
	struct damos_access_pattern pattern = {};
	struct damos_watermarks wmarks = {};
	struct damos_quota quota = {};

	return damon_new_scheme(&pattern, action, 0, &quota, &wmarks, NUMA_NO_NODE);
}

/* A filter that leaves out what is young; later ones can also let through. */
static inline struct damos_filter *rmap_kunit_damos_not_young(void)
{
	struct damos_filter *(*two)(enum damos_filter_type type, bool matching);
	struct damos_filter *(*three)(enum damos_filter_type type, bool matching,
				      bool allow);

	if (__same_type(&damos_new_filter, two)) {
		two = (void *)damos_new_filter;
		return two(DAMOS_FILTER_TYPE_YOUNG, true);
	}
	three = (void *)damos_new_filter;
	return three(DAMOS_FILTER_TYPE_YOUNG, true, false);
}

/* The later one also says how much the filters let through. */
static inline unsigned long rmap_kunit_damos_call(struct damon_ctx *ctx,
						  struct damon_region *region,
						  struct damos *scheme)
{
	unsigned long (*four)(struct damon_ctx *ctx, struct damon_target *target,
			      struct damon_region *region, struct damos *scheme);
	unsigned long (*five)(struct damon_ctx *ctx, struct damon_target *target,
			      struct damon_region *region, struct damos *scheme,
			      unsigned long *passed);
	unsigned long passed;

	if (__same_type(ctx->ops.apply_scheme, four)) {
		four = (void *)ctx->ops.apply_scheme;
		return four(ctx, NULL, region, scheme);
	}
	five = (void *)ctx->ops.apply_scheme;
	return five(ctx, NULL, region, scheme, &passed);
}

/* Some pass over what the scheme was applied to last: look where nothing is first. */
static inline unsigned long rmap_kunit_damos_apply(struct damon_ctx *ctx,
						   struct damon_region *region,
						   struct damos *scheme)
{
	struct damon_addr_range range = region->ar;

	region->ar.start = PAGE_MASK - PAGE_SIZE;
	region->ar.end = PAGE_MASK;
	rmap_kunit_damos_call(ctx, region, scheme);
	region->ar = range;
	return rmap_kunit_damos_call(ctx, region, scheme);
}
#endif

#endif /* _MM_TESTS_RMAP_KUNIT_COMPAT_H */
