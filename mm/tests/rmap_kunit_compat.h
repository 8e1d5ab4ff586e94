/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The suites are written for Linux 7.3. This makes older kernels look like it: it
 * supplies what they lack, and nothing where they lack nothing. The Makefile has it
 * included first of all everywhere. It says with RMAP_KUNIT_LACKS_x what is missing,
 * where the preprocessor cannot see that: features travel between trees.
 */
#ifndef _MM_TESTS_RMAP_KUNIT_COMPAT_H
#define _MM_TESTS_RMAP_KUNIT_COMPAT_H

#include <kunit/resource.h>
#include <kunit/test.h>
#include <kunit/test-bug.h>
#include <linux/damon.h>
#include <linux/fs_struct.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mm_types.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/pagemap.h>
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

/* It takes a string, and took a bare word. */
#ifdef RMAP_KUNIT_LACKS_STRING_NS
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns)	MODULE_INFO(import_ns, ns)
#endif

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
#ifdef RMAP_KUNIT_LACKS_FOLIO_MOVE_ANON_RMAP
#define folio_move_anon_rmap(folio, vma)	page_move_anon_rmap(&(folio)->page, vma)
#endif

/* It says whether it could; before, what went wrong. */
#ifdef RMAP_KUNIT_LACKS_BOOL_ISOLATE_LRU
#define folio_isolate_lru(folio)		(!(folio_isolate_lru)(folio))
#endif

#ifdef RMAP_KUNIT_LACKS_PMDP_GET_LOCKLESS
#define pmdp_get_lockless(pmdp)			READ_ONCE(*(pmdp))
#endif

/* Without locks of their own, VMAs have the mmap_lock, and no functions for flags. */
#ifdef RMAP_KUNIT_LACKS_VMA_START_WRITE
#define vma_start_write(vma)			mmap_assert_write_locked((vma)->vm_mm)
#define vm_flags_set(vma, flags)		((vma)->vm_flags |= (flags))
#define vm_flags_clear(vma, flags)		((vma)->vm_flags &= ~(flags))
#endif

/* The counters were simple ones before they were percpu_counters. */
#ifdef RMAP_KUNIT_LACKS_MM_COUNTER_SUM
static inline unsigned long get_mm_counter_sum(struct mm_struct *mm, int member)
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
#endif

/* Poisoned pages are counted for their node too, so the page has to be told. */
#if defined(RMAP_KUNIT_LACKS_NUM_POISONED_PAGES_SUB) && \
	defined(CONFIG_MEMORY_FAILURE)
#define num_poisoned_pages_sub(pfn, nr)		num_poisoned_pages_sub(((void)(pfn), nr))
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

/* Where it is hidden there is no UFFDIO_MOVE either, and nobody looks into it. */
#ifdef RMAP_KUNIT_LACKS_USERFAULTFD_CTX
struct userfaultfd_ctx {
	atomic_t mmap_changing;
};
#endif

/* What the callbacks of an mmu_notifier say about young bits was an int. */
#ifdef RMAP_KUNIT_LACKS_BOOL_YOUNG
#define RMAP_KUNIT_YOUNG			int
#endif

/* It was called for other flushes too, and on every architecture. */
#ifdef RMAP_KUNIT_LACKS_SECONDARY_TLBS
#define arch_invalidate_secondary_tlbs		invalidate_range
#endif

/* The flags of a VMA were a word. */
#ifndef EMPTY_VMA_FLAGS
#define EMPTY_VMA_FLAGS				0UL
#define vma_flags_t				unsigned long
#define vma_flags_empty(flags)			(!*(flags))
#define vma_flags_test(flags, bit)		(!!(*(flags) & BIT(bit)))
#define vma_flags_same(flags, bit)		(*(flags) == BIT(bit))
#define VMA_WRITE_BIT				ilog2(VM_WRITE)
#define VMA_LOCKED_BIT				ilog2(VM_LOCKED)
#endif

/* The bits of folio->mapping. */
#ifndef FOLIO_MAPPING_ANON
#define FOLIO_MAPPING_ANON			PAGE_MAPPING_ANON
#endif

#if defined(CONFIG_ARCH_ENABLE_THP_MIGRATION) && \
	!defined(CONFIG_ARCH_HAS_PMD_SOFTLEAVES)
#define CONFIG_ARCH_HAS_PMD_SOFTLEAVES		1
#endif

/* The bit of write protection got a second use, and another name. */
#ifndef UFFDIO_REGISTER_MODE_RWP
#define pte_uffd(pte)				pte_uffd_wp(pte)
#define pte_swp_uffd(pte)			pte_swp_uffd_wp(pte)
#endif

/* UML had it in other headers, and with other types. */
#ifdef RMAP_KUNIT_LACKS_UML_SYSCALLS
#define sys_call_table				rmap_kunit_sys_call_table
extern long (*const rmap_kunit_sys_call_table[])(unsigned long a,
						 unsigned long b,
						 unsigned long c,
						 unsigned long d,
						 unsigned long e,
						 unsigned long f)
	asm("sys_call_table");
#endif

/* Kernel threads saw the files of init. */
#ifndef scoped_with_init_fs
#define scoped_with_init_fs()
#endif

#ifdef CONFIG_DAMON
/* A filter can let through what it matches, and says how much it let through. */
#ifdef RMAP_KUNIT_LACKS_DAMOS_ALLOW
#define damos_new_filter(type, matching, allow) \
	damos_new_filter(type, ((void)(allow), matching))
#endif
#ifdef RMAP_KUNIT_LACKS_SZ_FILTER_PASSED
#define apply_scheme(ctx, target, region, scheme, passed) \
	apply_scheme(ctx, target, region, ((void)(passed), scheme))
#endif
#endif

#endif /* _MM_TESTS_RMAP_KUNIT_COMPAT_H */
