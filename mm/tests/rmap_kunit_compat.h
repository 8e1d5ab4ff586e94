/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that the suites are run on, under one name
 * each. Kernels are told apart by what they have where that can be seen: features
 * travel between trees.
 */
#ifndef _MM_TESTS_RMAP_KUNIT_COMPAT_H
#define _MM_TESTS_RMAP_KUNIT_COMPAT_H

#include <kunit/resource.h>
#include <kunit/test.h>
#include <kunit/test-bug.h>
#include <linux/damon.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/kthread.h>
#include <linux/memblock.h>
#include <linux/mm_inline.h>
#include <linux/mm_types.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/percpu_counter.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/swapops.h>
#include <linux/userfaultfd_k.h>
#include <uapi/linux/userfaultfd.h>

#include "../internal.h"

/* What is exported for KUnit is in a namespace; the oldest kernels have no word for it. */
#ifdef RMAP_KUNIT_HAS_VISIBILITY
#include <kunit/visibility.h>
#endif
#ifndef EXPORT_SYMBOL_IF_KUNIT
#define EXPORT_SYMBOL_IF_KUNIT(symbol) \
	EXPORT_SYMBOL_NS(symbol, EXPORTED_FOR_KUNIT_TESTING)
#endif

/* MODULE_IMPORT_NS() took a bare word, and takes a string. */
#define MODULE_IMPORT_NS_KUNIT	MODULE_INFO(import_ns, "EXPORTED_FOR_KUNIT_TESTING")

/*
 * Before KUnit had actions, it cleaned up in the test's own thread, with the test's
 * mm still in use, or, after a failed assertion, in the thread that runs all tests,
 * which no assertion may end. Here are actions for such a KUnit. The first one that
 * it comes to has the thread end early, and all cleaning up done in a third one.
 */
#ifndef KUNIT_FAIL_AND_ABORT
#define RMAP_KUNIT_OLD_KUNIT
#define KUNIT_FAIL_AND_ABORT(test, fmt, ...) \
	KUNIT_FAIL_ASSERTION(test, KUNIT_ASSERTION, fmt, ##__VA_ARGS__)

#define kunit_get_current_test()	(current->kunit_test)
#define kunit_add_action_or_reset	rmap_kunit_add_action_or_reset
#define kunit_release_action		rmap_kunit_release_action
#define kunit_vm_mmap			rmap_kunit_attach_and_mmap

/**
 * struct rmap_kunit_action - What is to be done when the test ends
 * @resource: how KUnit knows about it; it frees this, so it must come first
 * @test: the test; its priv is the thread that does the cleaning up
 * @fn: what to call
 * @data: for @fn
 */
struct rmap_kunit_action {
	struct kunit_resource resource;
	struct kunit *test;
	void (*fn)(void *data);
	void *data;
};

static inline void rmap_kunit_clean_up(void *data)
{
	struct kunit *test = data;

	current->kunit_test = test;
	test->priv = current;
	kunit_cleanup(test);
}

/* An assertion has ended it: leave the rest to whoever may still use it. */
static inline void rmap_kunit_leak(void *data)
{
	struct kunit *test = data;

	kunit_set_failure(test);
	INIT_LIST_HEAD(&test->resources);
}

static inline void rmap_kunit_action_free(struct kunit_resource *resource)
{
	struct rmap_kunit_action *action =
		container_of(resource, struct rmap_kunit_action, resource);
	struct rmap_kunit_action *again;
	struct kunit *test = action->test;

	if (test->priv == current) {
		action->fn(action->data);
		return;
	}

	again = kmemdup(action, sizeof(*action), GFP_KERNEL | __GFP_NOFAIL);
	__kunit_add_resource(test, NULL, rmap_kunit_action_free, &again->resource, NULL);
	if (current->kunit_test == test) {
		kfree(action);
		kunit_try_catch_throw(&test->try_catch);
	}
	test->try_catch.try = rmap_kunit_clean_up;
	test->try_catch.catch = rmap_kunit_leak;
	kunit_try_catch_run(&test->try_catch, test);
}

static inline int rmap_kunit_add_action_or_reset(struct kunit *test,
						 void (*fn)(void *data),
						 void *data)
{
	struct rmap_kunit_action *action = kzalloc(sizeof(*action), GFP_KERNEL);

	if (!action) {
		fn(data);
		return -ENOMEM;
	}
	action->test = test;
	action->fn = fn;
	action->data = data;
	action->resource.should_kfree = true;
	return __kunit_add_resource(test, NULL, rmap_kunit_action_free,
				    &action->resource, NULL);
}

static inline bool rmap_kunit_action_is(struct kunit *test,
					struct kunit_resource *resource, void *data)
{
	struct rmap_kunit_action *action, *wanted = data;

	if (resource->free != rmap_kunit_action_free)
		return false;
	action = container_of(resource, struct rmap_kunit_action, resource);
	return action->fn == wanted->fn && action->data == wanted->data;
}

static inline void rmap_kunit_release_action(struct kunit *test,
					     void (*fn)(void *data), void *data)
{
	struct rmap_kunit_action wanted = { .fn = fn, .data = data };
	struct kunit_resource *found;

	found = kunit_find_resource(test, rmap_kunit_action_is, &wanted);
	if (!found)
		return;
	found->free = NULL;
	kunit_remove_resource(test, found);
	kunit_put_resource(found);
	fn(data);
}

/* The mm goes away with the thread. */
static inline unsigned long rmap_kunit_attach_and_mmap(struct kunit *test, struct file *file,
						       unsigned long addr, unsigned long len,
						       unsigned long prot, unsigned long flag,
						       unsigned long offset)
{
	struct mm_struct *mm;

	if (!current->mm) {
		mm = mm_alloc();
		if (!mm)
			return -ENOMEM;
		mm->task_size = TASK_SIZE;
		arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
		kthread_use_mm(mm);
	}
	return vm_mmap(file, addr, len, prot, flag, offset);
}
#endif /* !KUNIT_FAIL_AND_ABORT */

/* It takes a folio now. */
#ifndef RMAP_KUNIT_HAS_FOLIO_MOVE_ANON_RMAP
#define folio_move_anon_rmap(folio, vma)	page_move_anon_rmap(&(folio)->page, vma)
#endif

#ifndef pmdp_get_lockless
#define pmdp_get_lockless(pmdp)		READ_ONCE(*(pmdp))
#endif

/* Without locks of their own, VMAs have the mmap_lock. */
#ifndef CONFIG_PER_VMA_LOCK
#define vma_start_write(vma)		mmap_assert_write_locked((vma)->vm_mm)
#endif

/* There are functions for that since VMAs have locks of their own. */
static inline void rmap_kunit_set_vm_flag(struct vm_area_struct *vma,
					  unsigned long flag, bool set)
{
	unsigned long *flags = (unsigned long *)&vma->vm_flags;

	vma_start_write(vma);
	*flags = set ? *flags | flag : *flags & ~flag;
}

/* It says whether it could; before, what went wrong. */
static inline bool rmap_kunit_isolate_lru(struct folio *folio)
{
	long ret = folio_isolate_lru(folio);

	return __same_type(folio_isolate_lru(folio), int) ? !ret : ret;
}

/* The counters of an mm are the percpu_counters that they looked like, or simple ones. */
static inline long rmap_kunit_rss_count(struct mm_struct *mm, int member)
{
	void *any = &mm->rss_stat;
	struct percpu_counter *counters = any;
	atomic_long_t *simple = any;

#ifdef SPLIT_RSS_COUNTING
	/* What the thread keeps for itself. */
	sync_mm_rss(mm);
#endif
	if (sizeof(mm->rss_stat) == sizeof(*counters) * NR_MM_COUNTERS)
		return percpu_counter_sum(&counters[member]);
	return atomic_long_read(&simple[member]);
}

/* Whether a swap entry can say that its page is nobody else's. */
static inline bool rmap_kunit_has_exclusive_swap(void)
{
	return pte_swp_exclusive(pte_swp_mkexclusive(__pte(0)));
}

/* Whether a THP that memory_failure() cannot split kills whoever maps it. */
#ifndef RMAP_KUNIT_HAS_KILL_PROCS_NOW
#define RMAP_KUNIT_HAS_KILL_PROCS_NOW		0
#endif

/* Whether memory_failure() finds the processes that map a KSM folio. */
#ifndef RMAP_KUNIT_HAS_COLLECT_PROCS_KSM
#define RMAP_KUNIT_HAS_COLLECT_PROCS_KSM	0
#endif

#ifdef CONFIG_MEMORY_FAILURE
/* Poisoned pages are counted for their node too, so the page has to be told. */
static inline void rmap_kunit_unpoisoned(unsigned long pfn)
{
	void (*one)(long nr);
	void (*two)(unsigned long pfn, long nr);

	if (__same_type(&num_poisoned_pages_sub, one)) {
		one = (void *)num_poisoned_pages_sub;
		one(1);
		return;
	}
	two = (void *)num_poisoned_pages_sub;
	two(pfn, 1);
}
#endif

/* What there is to UFFDIO_MOVE for user space, for kernels that do not have it. */
#ifndef UFFDIO_MOVE
#define _UFFDIO_MOVE				(0x05)
#define UFFD_FEATURE_MOVE			BIT_ULL(16)
#define UFFDIO_MOVE_MODE_DONTWAKE		BIT_ULL(0)
#define UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES	BIT_ULL(1)

struct uffdio_move {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};

#define UFFDIO_MOVE	_IOWR(UFFDIO, _UFFDIO_MOVE, struct uffdio_move)
#endif

/* Write protection of what is not there yet came later than that of pages. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED		0
#endif

/* Whether the memory map of a userfaultfd's process changes; %NULL if that is hidden. */
static inline atomic_t *rmap_kunit_mmap_changing(struct file *uffd)
{
#ifdef RMAP_KUNIT_HAS_USERFAULTFD_CTX
	struct userfaultfd_ctx *ctx = uffd->private_data;

	return &ctx->mmap_changing;
#else
	return NULL;
#endif
}

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

/*
 * UML takes the amount of its memory for the end of it, so page_idle may not see
 * what is above a hole. It counts in words of its bitmap.
 */
static inline void rmap_kunit_raise_max_pfn(unsigned long pfn)
{
	unsigned long end = round_up(pfn + 1, 64);

	if (IS_ENABLED(CONFIG_UML) && max_pfn < end)
		max_pfn = end;
}

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

/* UFFDIO_MOVE moves runs of pages: the TLB is flushed before they arrive ... */
static inline bool rmap_kunit_moves_runs(void)
{
#ifdef RMAP_KUNIT_HAS_MOVE_RUNS
	return true;
#else
	return false;
#endif
}

/* ... or once they have arrived. */
static inline bool rmap_kunit_moves_then_flushes(void)
{
#ifdef RMAP_KUNIT_HAS_MOVE_PRESENT_PTES
	return true;
#else
	return false;
#endif
}

/* Who is told of flushes for secondary TLBs, and on which architectures. */
#ifdef RMAP_KUNIT_HAS_SECONDARY_TLBS
#define RMAP_KUNIT_SECONDARY_TLBS arch_invalidate_secondary_tlbs
#else
#define RMAP_KUNIT_SECONDARY_TLBS invalidate_range
#endif

static inline bool rmap_kunit_flushes_secondary_tlbs(void)
{
#ifdef RMAP_KUNIT_HAS_SECONDARY_TLBS
	return !IS_ENABLED(CONFIG_UML) &&
	       (IS_ENABLED(CONFIG_X86_64) || IS_ENABLED(CONFIG_ARM64));
#else
	return true;
#endif
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
	struct damos *scheme;

	scheme = damon_new_scheme(&pattern, action, 0, &quota, &wmarks, NUMA_NO_NODE);
	if (!scheme)
		return NULL;
	/* DAMON's core sets these before it calls the operations. */
#ifdef RMAP_KUNIT_HAS_CORE_FILTERS_ALLOWED
	scheme->core_filters_allowed = false;
#endif
#ifdef RMAP_KUNIT_HAS_OPS_FILTERS_DEFAULT_REJECT
	scheme->ops_filters_default_reject = false;
#endif
	return scheme;
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
