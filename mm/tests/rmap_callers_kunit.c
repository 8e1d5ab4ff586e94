// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the callers of rmap_walk(). Those that scan memory walk a folio
 * that is locked, do without the walk if somebody else has the lock, and leave
 * locks and references as they were. Those that had the folio locked before do
 * what they did.
 *
 * An observer, an mmu_notifier of the test's mm, looks at the folio from inside
 * the walk. Where no walk calls one, in memory_failure(), a kprobe does.
 */
#include <kunit/resource.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/damon.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/page-flags.h>
#include <linux/page_idle.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>

#include "../internal.h"
#include "rmap_kunit_helpers.h"

/**
 * struct caller - A caller of rmap_walk(), and what came of calling it
 * @folio: the folio to call it for: anonymous, and young wherever it is mapped
 * @addr: where it is mapped
 * @mapped: page table entries that map it
 * @observed: those of them that an observer of the test's mm sees
 * @call: makes the call; runs in a thread of its own
 * @file: the file to read or write: the bitmap of page_idle, memory.reclaim
 * @ctx: for DAMON: with operations for the physical address space
 * @region: for DAMON: a region that is just @folio
 * @scheme: for DAMON: what to apply to the region
 * @is_locked: for folio_referenced(): what to tell it
 * @memcg: for folio_referenced(): whose references to count
 * @ret: what the call returned
 * @vm_flags: what folio_referenced() reported
 * @idle: what the page_idle bitmap said
 */
struct caller {
	struct folio *folio;
	unsigned long addr;
	int mapped;
	int observed;
	void (*call)(void *caller);
	struct file *file;
	struct damon_ctx *ctx;
	struct damon_region *region;
	struct damos *scheme;
	int is_locked;
	struct mem_cgroup *memcg;
	ssize_t ret;
	vma_flags_t vm_flags;
	bool idle;
};

/* What maps a folio, and how much of it is young. */
struct caller_entries {
	int mapped;
	int young;
};

static bool caller_count_entries(struct folio *folio, struct vm_area_struct *vma,
				 unsigned long addr, void *arg)
{
	DEFINE_FOLIO_VMA_WALK(pvmw, folio, vma, addr, 0);
	struct caller_entries *entries = arg;

	while (page_vma_mapped_walk(&pvmw)) {
		entries->mapped++;
		if (pvmw.pte)
			entries->young += !!pte_young(ptep_get(pvmw.pte));
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
		else
			entries->young += !!pmd_young(READ_ONCE(*pvmw.pmd));
#endif
	}
	return true;
}

/* The number of page table entries that are young, of those that map the folio. */
static int caller_count_young(struct kunit *test, struct caller *caller)
{
	struct caller_entries entries = {};
	struct rmap_walk_control rwc = {
		.rmap_one = caller_count_entries,
		.arg = &entries,
	};

	/* Whatever a broken caller has left behind. */
	KUNIT_ASSERT_TRUE(test, folio_trylock(caller->folio));
	rmap_walk(caller->folio, &rwc);
	folio_unlock(caller->folio);
	KUNIT_EXPECT_EQ(test, entries.mapped, caller->mapped);
	return entries.young;
}

static void caller_expect_young(struct kunit *test, struct caller *caller)
{
	KUNIT_EXPECT_EQ(test, caller_count_young(test, caller), caller->mapped);
}

static void caller_expect_old(struct kunit *test, struct caller *caller)
{
	KUNIT_EXPECT_EQ(test, caller_count_young(test, caller), 0);
}

static struct caller *caller_alloc(struct kunit *test)
{
	struct caller *caller = kunit_kzalloc(test, sizeof(*caller), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, caller);
	caller->mapped = 1;
	caller->observed = 1;
	return caller;
}

static struct caller *caller_ready(struct kunit *test, struct caller *caller)
{
	KUNIT_ASSERT_EQ(test, caller_count_young(test, caller), caller->mapped);
	KUNIT_ASSERT_FALSE(test, folio_test_idle(caller->folio));
	KUNIT_ASSERT_FALSE(test, folio_test_young(caller->folio));
	return caller;
}

static struct caller *caller_of_page(struct kunit *test)
{
	struct caller *caller = caller_alloc(test);

	caller->addr = rmap_kunit_mmap(test, 1);
	caller->folio = rmap_kunit_new_folio(test, caller->addr, 1);
	return caller_ready(test, caller);
}

static void caller_touch_in_child(struct rmap_kunit_child *child)
{
	struct caller *caller = child->data;

	caller->ret = rmap_kunit_touch(caller->addr);
}

/* A page of two processes, which both have touched it. */
static struct caller *caller_of_shared_page(struct kunit *test)
{
	struct caller *caller = caller_of_page(test);

	rmap_kunit_fork(test, caller_touch_in_child, caller);
	caller->mapped = 2;
	return caller_ready(test, caller);
}

/* A KSM folio in place of two pages, both of them touched. */
static struct caller *caller_of_ksm_folio(struct kunit *test)
{
	struct caller *caller = caller_alloc(test);

	caller->addr = rmap_kunit_mmap(test, 2);
	caller->folio = rmap_kunit_new_ksm_folio(test, caller->addr, 2);
	KUNIT_ASSERT_EQ(test, rmap_kunit_touch(caller->addr), 0);
	KUNIT_ASSERT_EQ(test, rmap_kunit_touch(caller->addr + PAGE_SIZE), 0);
	caller->mapped = 2;
	caller->observed = 2;
	return caller_ready(test, caller);
}

static struct caller *caller_of_thp(struct kunit *test)
{
	struct caller *caller = caller_alloc(test);

	caller->addr = rmap_kunit_mmap_thp(test);
	caller->folio = rmap_kunit_new_thp(test, caller->addr, 1);
	return caller_ready(test, caller);
}

/* Make the call with the folio unlocked. It leaves everything balanced. */
static void caller_run(struct kunit *test, struct caller *caller)
{
	struct rmap_kunit_folio_state before = rmap_kunit_folio_state(caller->folio);
	struct rmap_kunit_thread *thread;

	thread = rmap_kunit_thread_create(test, caller->call, caller);
	rmap_kunit_thread_start(thread);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(thread));
	rmap_kunit_expect_unchanged(test, caller->folio, &before);
}

/*
 * Make the call while the test holds the folio lock. It does not wait for it, and
 * leaves everything balanced, the folio locked among others.
 */
static void caller_run_locked(struct kunit *test, struct caller *caller)
{
	struct rmap_kunit_folio_state before, after;
	enum rmap_kunit_outcome outcome;
	struct rmap_kunit_thread *thread;

	before = rmap_kunit_folio_state(caller->folio);
	thread = rmap_kunit_thread_create(test, caller->call, caller);
	folio_lock(caller->folio);
	rmap_kunit_thread_start(thread);
	outcome = rmap_kunit_settle_on_folio(thread, caller->folio);
	after = rmap_kunit_folio_state(caller->folio);
	if (after.locked)
		folio_unlock(caller->folio);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_DONE);
	KUNIT_EXPECT_TRUE(test, after.locked);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(thread));
	rmap_kunit_expect_unchanged(test, caller->folio, &before);
}

/* Make the call, which gets to every entry in a walk. */
static struct rmap_kunit_observer *caller_expect_walk(struct kunit *test,
						      struct caller *caller)
{
	struct rmap_kunit_observer *observer;

	observer = rmap_kunit_observe(test, caller->folio);
	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, observer->calls, caller->observed);
	/* A KSM folio has no root. */
	if (!folio_test_ksm(caller->folio))
		KUNIT_EXPECT_EQ(test, observer->rwsem_held, observer->calls);
	return observer;
}

/* The same, and the folio is locked at every entry. */
static void caller_expect_locked_walk(struct kunit *test, struct caller *caller)
{
	struct rmap_kunit_observer *observer = caller_expect_walk(test, caller);

	KUNIT_EXPECT_EQ(test, observer->locked, observer->calls);
}

/*
 * Make the call while somebody else holds the folio lock. It does not walk, and
 * leaves the entries young.
 */
static void caller_expect_no_walk(struct kunit *test, struct caller *caller)
{
	struct rmap_kunit_observer *observer;

	observer = rmap_kunit_observe(test, caller->folio);
	caller_run_locked(test, caller);
	KUNIT_EXPECT_EQ(test, observer->calls, 0);
	caller_expect_young(test, caller);
}

/*
 * How page_idle is called: through /sys/kernel/mm/page_idle/bitmap
 */

static loff_t page_idle_pos(struct caller *caller, u64 *mask)
{
	unsigned long pfn = folio_pfn(caller->folio);

	*mask = 1ULL << (pfn % 64);
	return pfn / 64 * sizeof(u64);
}

static void page_idle_write_call(void *data)
{
	struct caller *caller = data;
	loff_t pos;
	u64 mask;

	pos = page_idle_pos(caller, &mask);
	caller->ret = kernel_write(caller->file, &mask, sizeof(mask), &pos);
}

static void page_idle_read_call(void *data)
{
	struct caller *caller = data;
	u64 mask, bits = 0;
	loff_t pos;

	pos = page_idle_pos(caller, &mask);
	caller->ret = kernel_read(caller->file, &bits, sizeof(bits), &pos);
	caller->idle = bits & mask;
}

static struct caller *page_idle_write_of(struct kunit *test, struct caller *caller)
{
	if (!IS_ENABLED(CONFIG_IDLE_PAGE_TRACKING))
		kunit_skip(test, "needs CONFIG_IDLE_PAGE_TRACKING");

	rmap_kunit_raise_max_pfn(folio_pfn(caller->folio));
	caller->call = page_idle_write_call;
	caller->file = rmap_kunit_open(test, "sysfs",
				       "kernel/mm/page_idle/bitmap", O_RDWR);
	return caller;
}

static void caller_putback_lru(void *folio)
{
	folio_putback_lru(folio);
}

static void caller_isolate(struct kunit *test, struct folio *folio)
{
	KUNIT_ASSERT_TRUE(test, folio_isolate_lru(folio));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, caller_putback_lru,
							folio), 0);
}

#include "rmap_callers/page_idle.c"
#include "rmap_callers/folio_referenced.c"
#include "rmap_callers/reclaim.c"
#include "rmap_callers/damon.c"
#include "rmap_callers/memory_failure.c"
#include "rmap_callers/migrate.c"
#include "rmap_callers/write_fault.c"

static struct kunit_case rmap_callers_test_cases[] = {
	KUNIT_CASE(folio_referenced_counts_a_young_pte),
	KUNIT_CASE(folio_referenced_counts_each_process),
	KUNIT_CASE(folio_referenced_counts_each_ksm_mapping),
	KUNIT_CASE(folio_referenced_counts_a_thp_once),
	KUNIT_CASE(folio_referenced_walks_a_locked_folio),
	KUNIT_CASE(folio_referenced_walks_a_locked_ksm_folio),
	KUNIT_CASE(folio_referenced_walks_a_locked_thp),
	KUNIT_CASE(folio_referenced_counts_what_page_idle_saw),
	KUNIT_CASE(folio_referenced_clears_idle),
	KUNIT_CASE(folio_referenced_uses_the_callers_lock),
	KUNIT_CASE(folio_referenced_contended_says_referenced),
	KUNIT_CASE(folio_referenced_contended_ksm_says_referenced),
	KUNIT_CASE(folio_referenced_gives_up_on_the_rwsem),
	KUNIT_CASE(folio_referenced_reports_mlock),
	KUNIT_CASE(folio_referenced_counts_for_its_memcg),
	KUNIT_CASE(reclaim_locks_the_folio),
	KUNIT_CASE(multi_gen_reclaim_locks_the_folio),
	KUNIT_CASE(reclaim_contended_only_deactivates),
	KUNIT_CASE(madvise_cold_deactivates),
	KUNIT_CASE(madvise_pageout_swaps_out),
	KUNIT_CASE(page_idle_write_ages_the_folio),
	KUNIT_CASE(page_idle_write_ages_each_process),
	KUNIT_CASE(page_idle_write_ages_each_ksm_mapping),
	KUNIT_CASE(page_idle_write_ages_a_thp),
	KUNIT_CASE(page_idle_write_walks_a_locked_folio),
	KUNIT_CASE(page_idle_write_walks_a_locked_ksm_folio),
	KUNIT_CASE(page_idle_write_walks_a_locked_thp),
	KUNIT_CASE(page_idle_write_contended_only_sets_idle),
	KUNIT_CASE(page_idle_write_contended_ksm_only_sets_idle),
	KUNIT_CASE(page_idle_read_notices_an_access),
	KUNIT_CASE(page_idle_read_ages_each_process),
	KUNIT_CASE(page_idle_read_ages_each_ksm_mapping),
	KUNIT_CASE(page_idle_read_notices_an_access_to_a_thp),
	KUNIT_CASE(page_idle_read_walks_a_locked_folio),
	KUNIT_CASE(page_idle_read_walks_a_locked_ksm_folio),
	KUNIT_CASE(page_idle_read_walks_a_locked_thp),
	KUNIT_CASE(page_idle_read_reports_idle),
	KUNIT_CASE(page_idle_read_contended_reports_the_flag),
	KUNIT_CASE(page_idle_read_contended_ksm_reports_the_flag),
	KUNIT_CASE(damon_mkold_ages_the_folio),
	KUNIT_CASE(damon_mkold_ages_each_process),
	KUNIT_CASE(damon_mkold_ages_each_ksm_mapping),
	KUNIT_CASE(damon_mkold_ages_a_thp),
	KUNIT_CASE(damon_mkold_walks_a_locked_folio),
	KUNIT_CASE(damon_mkold_walks_a_locked_ksm_folio),
	KUNIT_CASE(damon_mkold_walks_a_locked_thp),
	KUNIT_CASE(damon_mkold_contended_does_nothing),
	KUNIT_CASE(damon_mkold_contended_ksm_does_nothing),
	KUNIT_CASE(damon_young_notices_an_access),
	KUNIT_CASE(damon_young_notices_the_parents_access),
	KUNIT_CASE(damon_young_notices_the_childs_access),
	KUNIT_CASE(damon_young_notices_no_access),
	KUNIT_CASE(damon_young_notices_no_access_by_any_process),
	KUNIT_CASE(damon_young_notices_no_access_to_a_ksm_folio),
	KUNIT_CASE(damon_young_notices_no_access_to_a_thp),
	KUNIT_CASE(damon_young_walks_a_locked_folio),
	KUNIT_CASE(damon_young_walks_a_locked_ksm_folio),
	KUNIT_CASE(damon_young_walks_a_locked_thp),
	KUNIT_CASE(damon_young_contended_says_not_young),
	KUNIT_CASE(damon_young_contended_ksm_says_not_young),
	KUNIT_CASE(damos_young_filter_ages_what_it_leaves_out),
	KUNIT_CASE(damos_young_filter_walks_a_locked_folio),
	KUNIT_CASE(damos_young_filter_contended_says_not_young),
	KUNIT_CASE(memory_failure_unsplittable_thp_locks_the_folio),
	KUNIT_CASE(memory_failure_unsplittable_thp_waits_for_the_lock),
	KUNIT_CASE(memory_failure_takes_a_page_out_of_use),
	KUNIT_CASE(memory_failure_spares_who_does_not_map_the_page),
	KUNIT_CASE(memory_failure_takes_a_ksm_folio_out_of_use),
	KUNIT_CASE(memory_failure_splits_a_thp),
	KUNIT_CASE(try_to_unmap_unmaps_each_process),
	KUNIT_CASE(try_to_migrate_can_be_undone),
	KUNIT_CASE(try_to_migrate_keeps_the_exclusive_mark),
	KUNIT_CASE(try_to_migrate_keeps_young_and_dirty),
	KUNIT_CASE(folio_mkclean_write_protects),
	KUNIT_CASE(write_to_exclusive_page_needs_no_folio_lock),
	KUNIT_CASE(write_to_isolated_page_copies_it),
	KUNIT_CASE(write_to_isolated_locked_page_copies_it),
	KUNIT_CASE(write_to_page_of_one_process_reuses_it),
	{}
};

static struct kunit_suite rmap_callers_test_suite = {
	.name = "rmap_callers",
	.suite_init = rmap_kunit_suite_init,
	.test_cases = rmap_callers_test_cases,
};

kunit_test_suite(rmap_callers_test_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests for the callers of rmap_walk()");
MODULE_LICENSE("GPL");
