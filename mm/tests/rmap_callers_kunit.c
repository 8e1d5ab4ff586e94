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
#include <kunit/test.h>
#include <kunit/test-bug.h>
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

#include "../internal.h"
#include "rmap_kunit_compat.h"
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
	unsigned long vm_flags;
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

/*
 * Make the call, which gets to every entry in a walk; the folio is locked then, if
 * that is what the kernel is held to.
 */
static void caller_expect_walk(struct kunit *test, struct caller *caller)
{
	struct rmap_kunit_observer *observer;

	observer = rmap_kunit_observe(test, caller->folio);
	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, observer->calls, caller->observed);
	if (rmap_kunit_has_contract(RMAP_KUNIT_LOCKED) ||
	    folio_test_ksm(caller->folio))
		KUNIT_EXPECT_EQ(test, observer->locked, observer->calls);
	/* A KSM folio has no root. */
	if (!folio_test_ksm(caller->folio))
		KUNIT_EXPECT_EQ(test, observer->rwsem_held, observer->calls);
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

/* As if the folio had been marked idle, and accessed since. */
static struct caller *page_idle_read_of(struct kunit *test, struct caller *caller)
{
	page_idle_write_of(test, caller);
	caller->call = page_idle_read_call;
	folio_set_idle(caller->folio);
	return caller;
}

/*
 * folio_referenced()
 */

static void folio_referenced_call(void *data)
{
	struct caller *caller = data;

	caller->ret = rmap_kunit_folio_referenced(caller->folio, caller->is_locked,
						  caller->memcg, &caller->vm_flags);
}

static void caller_putback_lru(void *folio)
{
	folio_putback_lru(folio);
}

static void caller_isolate(struct kunit *test, struct folio *folio)
{
	KUNIT_ASSERT_TRUE(test, rmap_kunit_isolate_lru(folio));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, caller_putback_lru,
							folio), 0);
}

/* The folio is isolated, as it is when reclaim calls. */
static struct caller *folio_referenced_of(struct kunit *test, struct caller *caller)
{
	caller->call = folio_referenced_call;
	caller_isolate(test, caller->folio);
	return caller;
}

/* Each mapping counts, and the next call finds them all old. */
static void folio_referenced_expect_all(struct kunit *test, struct caller *caller)
{
	caller_expect_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, caller->mapped);
	KUNIT_EXPECT_TRUE(test, caller->vm_flags & VM_WRITE);
	caller_expect_old(test, caller);

	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 0);
	KUNIT_EXPECT_EQ(test, caller->vm_flags, 0);
}

static void folio_referenced_counts_a_young_pte(struct kunit *test)
{
	folio_referenced_expect_all(test,
				    folio_referenced_of(test, caller_of_page(test)));
}

static void folio_referenced_counts_each_process(struct kunit *test)
{
	folio_referenced_expect_all(test,
				    folio_referenced_of(test, caller_of_shared_page(test)));
}

static void folio_referenced_counts_each_ksm_mapping(struct kunit *test)
{
	folio_referenced_expect_all(test,
				    folio_referenced_of(test, caller_of_ksm_folio(test)));
}

static void folio_referenced_counts_a_thp_once(struct kunit *test)
{
	folio_referenced_expect_all(test,
				    folio_referenced_of(test, caller_of_thp(test)));
}

/* What page_idle or DAMON took from the entries is a reference all the same. */
static void folio_referenced_counts_what_page_idle_saw(struct kunit *test)
{
	struct caller *caller = page_idle_write_of(test, caller_of_page(test));

	caller_run(test, caller);
	KUNIT_ASSERT_EQ(test, caller_count_young(test, caller), 0);
	KUNIT_ASSERT_TRUE(test, folio_test_young(caller->folio));

	folio_referenced_of(test, caller);
	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
	KUNIT_EXPECT_FALSE(test, folio_test_young(caller->folio));
}

/* A folio that turns out to be in use is not idle any more. */
static void folio_referenced_clears_idle(struct kunit *test)
{
	struct caller *caller = folio_referenced_of(test, caller_of_page(test));

	if (!IS_ENABLED(CONFIG_PAGE_IDLE_FLAG))
		kunit_skip(test, "needs CONFIG_PAGE_IDLE_FLAG");
	folio_set_idle(caller->folio);
	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
	KUNIT_EXPECT_FALSE(test, folio_test_idle(caller->folio));
}

static void folio_referenced_uses_the_callers_lock(struct kunit *test)
{
	struct caller *caller = folio_referenced_of(test, caller_of_page(test));
	struct rmap_kunit_observer *observer;

	caller->is_locked = 1;
	observer = rmap_kunit_observe(test, caller->folio);
	caller_run_locked(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
	KUNIT_EXPECT_EQ(test, observer->calls, 1);
	KUNIT_EXPECT_EQ(test, observer->locked, 1);
	caller_expect_old(test, caller);
}

/* With the folio lock taken, the answer is yes, without a look. */
static void folio_referenced_expect_yes(struct kunit *test, struct caller *caller)
{
	caller_expect_no_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
	KUNIT_EXPECT_EQ(test, caller->vm_flags, 0);
}

static void folio_referenced_contended_says_referenced(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	folio_referenced_expect_yes(test,
				    folio_referenced_of(test, caller_of_page(test)));
}

static void folio_referenced_contended_ksm_says_referenced(struct kunit *test)
{
	folio_referenced_expect_yes(test,
				    folio_referenced_of(test, caller_of_ksm_folio(test)));
}

/* It does not wait for the root's rwsem, and says that it has not looked. */
static void folio_referenced_gives_up_on_the_rwsem(struct kunit *test)
{
	struct caller *caller = folio_referenced_of(test, caller_of_page(test));
	struct anon_vma *anon_vma = folio_anon_vma(caller->folio);
	struct rmap_kunit_folio_state before;
	enum rmap_kunit_outcome outcome;
	struct rmap_kunit_thread *thread;

	before = rmap_kunit_folio_state(caller->folio);
	thread = rmap_kunit_thread_create(test, caller->call, caller);
	anon_vma_lock_write(anon_vma);
	rmap_kunit_thread_start(thread);
	outcome = rmap_kunit_settle_on_rwsem(thread, &anon_vma->root->rwsem);
	anon_vma_unlock_write(anon_vma);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_DONE);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(thread));
	KUNIT_EXPECT_EQ(test, caller->ret, -1);
	rmap_kunit_expect_unchanged(test, caller->folio, &before);
	caller_expect_young(test, caller);
}

/* A mapping that is mlocked ends the walk, and is reported. */
static void folio_referenced_reports_mlock(struct kunit *test)
{
	struct caller *caller = caller_alloc(test);
	struct rmap_kunit_folio_state before;

	caller->addr = rmap_kunit_mmap(test, 1);
	KUNIT_ASSERT_EQ(test, vm_mmap(NULL, caller->addr, PAGE_SIZE,
				      PROT_READ | PROT_WRITE,
				      MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED | MAP_LOCKED,
				      0), caller->addr);
	caller->folio = rmap_kunit_new_folio(test, caller->addr, 1);
	folio_referenced_of(test, caller_ready(test, caller));

	before = rmap_kunit_folio_state(caller->folio);
	caller->call(caller);
	/* It has queued the folio, to be mlocked once more. */
	lru_add_drain_all();
	rmap_kunit_expect_unchanged(test, caller->folio, &before);
	KUNIT_EXPECT_EQ(test, caller->ret, 0);
	KUNIT_EXPECT_EQ(test, caller->vm_flags, VM_LOCKED);
	caller_expect_young(test, caller);
}

#ifdef CONFIG_MEMCG

/* For a memory cgroup, the mappings of its processes count, and no others. */
static void folio_referenced_counts_for_its_memcg(struct kunit *test)
{
	struct mem_cgroup *memcg = rmap_kunit_enter_memcg(test);
	struct caller *caller;

	/* The child stays. */
	caller = folio_referenced_of(test, caller_of_shared_page(test));
	rmap_kunit_leave_memcg(test);
	caller->memcg = memcg;
	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
	KUNIT_EXPECT_EQ(test, caller_count_young(test, caller), 1);
	KUNIT_EXPECT_TRUE(test, pte_young(rmap_kunit_entry(test, caller->addr).pte));
}

/*
 * Reclaim, of the pages of a memory cgroup, through its memory.reclaim
 */

static void reclaim_call(void *data)
{
	struct caller *caller = data;
	char bytes[24];
	loff_t pos = 0;
	int len;

	len = snprintf(bytes, sizeof(bytes), "%lu", 256 * PAGE_SIZE);
	caller->ret = kernel_write(caller->file, bytes, len, &pos);
}

/*
 * Reclaim looks whether the inactive list is short in statistics that lag behind.
 * Have enough of a change for a flush, which a reader of memory.stat gets then.
 */
static void reclaim_flush_stats(struct kunit *test)
{
	/* MEMCG_CHARGE_BATCH for each CPU, and some. */
	unsigned long nr_pages = 64UL * (num_online_cpus() + 1), i;
	unsigned long addr = rmap_kunit_mmap(test, nr_pages);
	struct file *file;
	loff_t pos = 0;
	char byte;

	for (i = 0; i < nr_pages; i++)
		rmap_kunit_write(test, addr + i * PAGE_SIZE, 1);
	rmap_kunit_zap(test, addr, nr_pages * PAGE_SIZE);
	file = rmap_kunit_open(test, "cgroup2", "rmap_kunit/memory.stat", O_RDONLY);
	KUNIT_ASSERT_EQ(test, kernel_read(file, &byte, 1, &pos), 1);
}

/* An active page, in a memory cgroup that has nothing else to reclaim. */
static struct caller *reclaim_alloc(struct kunit *test, bool multi_gen)
{
	struct caller *caller;

	if (IS_ENABLED(CONFIG_LRU_GEN))
		rmap_kunit_set(test, "sysfs", "kernel/mm/lru_gen/enabled",
			       multi_gen ? "y" : "n");
	else if (multi_gen)
		kunit_skip(test, "needs CONFIG_LRU_GEN");
	rmap_kunit_swapon(test);
	if (multi_gen && get_nr_swap_pages() < BITS_PER_LONG)
		kunit_skip(test, "needs swap for %d pages", BITS_PER_LONG);
	rmap_kunit_enter_memcg(test);
	caller = caller_of_page(test);
	caller->call = reclaim_call;
	caller->file = rmap_kunit_open(test, "cgroup2",
				       "rmap_kunit/memory.reclaim", O_WRONLY);
	folio_mark_accessed(caller->folio);
	folio_mark_accessed(caller->folio);
	lru_add_drain_all();
	if (!multi_gen)
		KUNIT_ASSERT_TRUE(test, folio_test_active(caller->folio));
	reclaim_flush_stats(test);
	return caller;
}

/* Whenever reclaim looks at the page, that is locked. */
static void reclaim_expect_locked_walks(struct kunit *test, struct caller *caller)
{
	struct rmap_kunit_observer *observer;
	struct rmap_kunit_thread *thread;

	observer = rmap_kunit_observe(test, caller->folio);
	/* The swap cache gets a reference: not for caller_run(). */
	thread = rmap_kunit_thread_create(test, caller->call, caller);
	rmap_kunit_thread_start(thread);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(thread));
	KUNIT_EXPECT_GT(test, observer->rwsem_held, 0);
	KUNIT_EXPECT_EQ(test, observer->locked_walks, observer->rwsem_held);
	KUNIT_EXPECT_FALSE(test, folio_test_locked(caller->folio));
}

static void reclaim_locks_the_folio(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	reclaim_expect_locked_walks(test, reclaim_alloc(test, false));
}

static void multi_gen_reclaim_locks_the_folio(struct kunit *test)
{
	reclaim_expect_locked_walks(test, reclaim_alloc(test, true));
}

/* A folio that somebody else has locked is deactivated, and stays young. */
static void reclaim_contended_only_deactivates(struct kunit *test)
{
	struct caller *caller;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller = reclaim_alloc(test, false);
	caller_expect_no_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, -EAGAIN);
	KUNIT_EXPECT_FALSE(test, folio_test_active(caller->folio));
	KUNIT_EXPECT_TRUE(test, folio_test_lru(caller->folio));
}

#else /* !CONFIG_MEMCG */

static void folio_referenced_counts_for_its_memcg(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_MEMCG");
}

#define reclaim_locks_the_folio folio_referenced_counts_for_its_memcg
#define multi_gen_reclaim_locks_the_folio folio_referenced_counts_for_its_memcg
#define reclaim_contended_only_deactivates folio_referenced_counts_for_its_memcg

#endif /* CONFIG_MEMCG */

/* MADV_COLD ages a page and takes it off the active list. */
static void madvise_cold_deactivates(struct kunit *test)
{
	struct caller *caller = caller_of_page(test);

	if (IS_ENABLED(CONFIG_LRU_GEN))
		rmap_kunit_set(test, "sysfs", "kernel/mm/lru_gen/enabled", "n");
	folio_mark_accessed(caller->folio);
	folio_mark_accessed(caller->folio);
	lru_add_drain_all();
	KUNIT_ASSERT_TRUE(test, folio_test_active(caller->folio));
	rmap_kunit_swapon(test);
	KUNIT_EXPECT_EQ(test, do_madvise(current->mm, caller->addr, PAGE_SIZE,
					 MADV_COLD), 0);
	lru_add_drain_all();
	KUNIT_EXPECT_FALSE(test, folio_test_active(caller->folio));
	caller_expect_old(test, caller);
}

/* MADV_PAGEOUT swaps a page out, whatever its young bit says. */
static void madvise_pageout_swaps_out(struct kunit *test)
{
	struct caller *caller = caller_of_page(test);
	u32 value = 0;

	rmap_kunit_swapon(test);
	rmap_kunit_put_folio(test, caller->folio);
	rmap_kunit_page_out(test, caller->addr);
	KUNIT_EXPECT_EQ(test, get_user(value, (u32 __user *)caller->addr), 0);
	KUNIT_EXPECT_EQ(test, value, 1);
}

/*
 * page_idle, through its bitmap
 */

static void page_idle_write_expect_aged(struct kunit *test, struct caller *caller)
{
	caller_expect_walk(test, page_idle_write_of(test, caller));
	KUNIT_EXPECT_EQ(test, caller->ret, sizeof(u64));
	caller_expect_old(test, caller);
	KUNIT_EXPECT_TRUE(test, folio_test_idle(caller->folio));
	/* What reclaim would have seen in the entries is kept for it. */
	KUNIT_EXPECT_TRUE(test, folio_test_young(caller->folio));
}

static void page_idle_write_ages_the_folio(struct kunit *test)
{
	page_idle_write_expect_aged(test, caller_of_page(test));
}

static void page_idle_write_ages_each_process(struct kunit *test)
{
	page_idle_write_expect_aged(test, caller_of_shared_page(test));
}

static void page_idle_write_ages_each_ksm_mapping(struct kunit *test)
{
	page_idle_write_expect_aged(test, caller_of_ksm_folio(test));
}

static void page_idle_write_ages_a_thp(struct kunit *test)
{
	page_idle_write_expect_aged(test, caller_of_thp(test));
}

static void page_idle_write_expect_idle_only(struct kunit *test,
					     struct caller *caller)
{
	caller_expect_no_walk(test, page_idle_write_of(test, caller));
	KUNIT_EXPECT_EQ(test, caller->ret, sizeof(u64));
	KUNIT_EXPECT_TRUE(test, folio_test_idle(caller->folio));
	KUNIT_EXPECT_FALSE(test, folio_test_young(caller->folio));
}

static void page_idle_write_contended_only_sets_idle(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	page_idle_write_expect_idle_only(test, caller_of_page(test));
}

static void page_idle_write_contended_ksm_only_sets_idle(struct kunit *test)
{
	page_idle_write_expect_idle_only(test, caller_of_ksm_folio(test));
}

static void page_idle_read_expect_access(struct kunit *test, struct caller *caller)
{
	caller_expect_walk(test, page_idle_read_of(test, caller));
	KUNIT_EXPECT_EQ(test, caller->ret, sizeof(u64));
	KUNIT_EXPECT_FALSE(test, caller->idle);
	caller_expect_old(test, caller);
	KUNIT_EXPECT_FALSE(test, folio_test_idle(caller->folio));
	KUNIT_EXPECT_TRUE(test, folio_test_young(caller->folio));
}

static void page_idle_read_notices_an_access(struct kunit *test)
{
	page_idle_read_expect_access(test, caller_of_page(test));
}

static void page_idle_read_ages_each_process(struct kunit *test)
{
	page_idle_read_expect_access(test, caller_of_shared_page(test));
}

static void page_idle_read_ages_each_ksm_mapping(struct kunit *test)
{
	page_idle_read_expect_access(test, caller_of_ksm_folio(test));
}

static void page_idle_read_notices_an_access_to_a_thp(struct kunit *test)
{
	page_idle_read_expect_access(test, caller_of_thp(test));
}

/* Nothing has accessed the folio since it was marked idle. */
static void page_idle_read_reports_idle(struct kunit *test)
{
	struct caller *caller = page_idle_write_of(test, caller_of_page(test));

	caller_run(test, caller);
	caller->call = page_idle_read_call;
	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, sizeof(u64));
	KUNIT_EXPECT_TRUE(test, caller->idle);
	KUNIT_EXPECT_TRUE(test, folio_test_idle(caller->folio));
}

static void page_idle_read_expect_the_flag(struct kunit *test,
					   struct caller *caller)
{
	caller_expect_no_walk(test, page_idle_read_of(test, caller));
	KUNIT_EXPECT_EQ(test, caller->ret, sizeof(u64));
	KUNIT_EXPECT_TRUE(test, caller->idle);
	KUNIT_EXPECT_TRUE(test, folio_test_idle(caller->folio));
	KUNIT_EXPECT_FALSE(test, folio_test_young(caller->folio));
}

static void page_idle_read_contended_reports_the_flag(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	page_idle_read_expect_the_flag(test, caller_of_page(test));
}

static void page_idle_read_contended_ksm_reports_the_flag(struct kunit *test)
{
	page_idle_read_expect_the_flag(test, caller_of_ksm_folio(test));
}

/*
 * DAMON, through its operations for the physical address space
 */

#ifdef CONFIG_DAMON_PADDR

static void damon_mkold_call(void *data)
{
	struct caller *caller = data;

	caller->ctx->ops.prepare_access_checks(caller->ctx);
}

static void damon_young_call(void *data)
{
	struct caller *caller = data;

	/* Some kernels keep the answer for the page that they looked at last. */
	caller->region->sampling_addr = PAGE_MASK;
	caller->ctx->ops.check_accesses(caller->ctx);

	caller->region->sampling_addr = caller->region->ar.start;
	caller->ret = caller->ctx->ops.check_accesses(caller->ctx);
}

static void caller_destroy_damon(void *ctx)
{
	damon_destroy_ctx(ctx);
}

static struct caller *damon_mkold_of(struct kunit *test, struct caller *caller)
{
	unsigned long start = PFN_PHYS(folio_pfn(caller->folio));
	struct damon_target *target;

	if (PHYS_PFN(start) != folio_pfn(caller->folio))
		kunit_skip(test, "DAMON has no addresses for all of the memory");

	caller->call = damon_mkold_call;
	caller->ctx = damon_new_ctx();
	KUNIT_ASSERT_NOT_NULL(test, caller->ctx);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, caller_destroy_damon,
							caller->ctx), 0);
	KUNIT_ASSERT_EQ(test, damon_select_ops(caller->ctx, DAMON_OPS_PADDR), 0);
	target = damon_new_target();
	KUNIT_ASSERT_NOT_NULL(test, target);
	damon_add_target(caller->ctx, target);
	caller->region = damon_new_region(start, start + PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, caller->region);
	rmap_kunit_damon_add_region(caller->region, target);
	return caller;
}

static struct caller *damon_young_of(struct kunit *test, struct caller *caller)
{
	damon_mkold_of(test, caller);
	caller->call = damon_young_call;
	return caller;
}

/* The folio is idle, and was not accessed since: young looks at everything. */
static struct caller *damon_young_of_idle(struct kunit *test, struct caller *caller)
{
	damon_mkold_of(test, caller);
	caller_run(test, caller);
	KUNIT_ASSERT_EQ(test, caller_count_young(test, caller), 0);
	KUNIT_ASSERT_TRUE(test, folio_test_idle(caller->folio));
	caller->call = damon_young_call;
	return caller;
}

#ifdef RMAP_KUNIT_HAS_DAMOS_YOUNG

static void damos_call(void *data)
{
	struct caller *caller = data;

	caller->ret = rmap_kunit_damos_apply(caller->ctx, caller->region,
					     caller->scheme);
	/* What it marks as accessed waits in a batch, with a reference. */
	lru_add_drain_all();
}

/* A scheme for what is not young: to move it to the head of the LRU lists. */
static struct caller *damos_of(struct kunit *test, struct caller *caller)
{
	struct damos_filter *filter;

	damon_mkold_of(test, caller);
	caller->call = damos_call;
	caller->scheme = rmap_kunit_damon_new_scheme(DAMOS_LRU_PRIO);
	KUNIT_ASSERT_NOT_NULL(test, caller->scheme);
	damon_add_scheme(caller->ctx, caller->scheme);
	filter = rmap_kunit_damos_not_young();
	KUNIT_ASSERT_NOT_NULL(test, filter);
	damos_add_filter(caller->scheme, filter);
	return caller;
}

#else

static struct caller *damos_of(struct kunit *test, struct caller *caller)
{
	kunit_skip(test, "this kernel's DAMOS has no young filter");
}

#endif

#else /* !CONFIG_DAMON_PADDR */

static struct caller *damon_mkold_of(struct kunit *test, struct caller *caller)
{
	kunit_skip(test, "needs CONFIG_DAMON_PADDR");
}

#define damon_young_of damon_mkold_of
#define damon_young_of_idle damon_mkold_of
#define damos_of damon_mkold_of

#endif /* CONFIG_DAMON_PADDR */

static void damon_mkold_expect_aged(struct kunit *test, struct caller *caller)
{
	caller_expect_walk(test, damon_mkold_of(test, caller));
	caller_expect_old(test, caller);
	KUNIT_EXPECT_TRUE(test, folio_test_idle(caller->folio));
	KUNIT_EXPECT_TRUE(test, folio_test_young(caller->folio));
}

static void damon_mkold_ages_the_folio(struct kunit *test)
{
	damon_mkold_expect_aged(test, caller_of_page(test));
}

static void damon_mkold_ages_each_process(struct kunit *test)
{
	damon_mkold_expect_aged(test, caller_of_shared_page(test));
}

static void damon_mkold_ages_each_ksm_mapping(struct kunit *test)
{
	damon_mkold_expect_aged(test, caller_of_ksm_folio(test));
}

static void damon_mkold_ages_a_thp(struct kunit *test)
{
	damon_mkold_expect_aged(test, caller_of_thp(test));
}

static void damon_mkold_expect_nothing(struct kunit *test, struct caller *caller)
{
	caller_expect_no_walk(test, damon_mkold_of(test, caller));
	KUNIT_EXPECT_FALSE(test, folio_test_idle(caller->folio));
	KUNIT_EXPECT_FALSE(test, folio_test_young(caller->folio));
}

static void damon_mkold_contended_does_nothing(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	damon_mkold_expect_nothing(test, caller_of_page(test));
}

static void damon_mkold_contended_ksm_does_nothing(struct kunit *test)
{
	damon_mkold_expect_nothing(test, caller_of_ksm_folio(test));
}

static void damon_young_notices_an_access(struct kunit *test)
{
	struct caller *caller = damon_young_of(test, caller_of_page(test));

	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
	/* It looks, and changes nothing. */
	caller_expect_young(test, caller);
}

/* An access by either process is enough: by the parent here, */
static void damon_young_notices_the_parents_access(struct kunit *test)
{
	struct caller *caller = damon_young_of(test, caller_of_page(test));

	rmap_kunit_fork(test, NULL, NULL);
	caller->mapped = 2;
	folio_set_idle(caller->folio);
	KUNIT_ASSERT_EQ(test, caller_count_young(test, caller), 1);
	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
}

/* and by the child here. */
static void damon_young_notices_the_childs_access(struct kunit *test)
{
	struct caller *caller = damon_young_of_idle(test, caller_of_page(test));

	rmap_kunit_fork(test, caller_touch_in_child, caller);
	caller->mapped = 2;
	folio_set_idle(caller->folio);
	KUNIT_ASSERT_EQ(test, caller_count_young(test, caller), 1);
	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
}

static void damon_young_expect_no_access(struct kunit *test, struct caller *caller)
{
	damon_young_of_idle(test, caller);
	caller->ret = -1;
	caller_expect_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 0);
}

static void damon_young_notices_no_access(struct kunit *test)
{
	damon_young_expect_no_access(test, caller_of_page(test));
}

static void damon_young_notices_no_access_by_any_process(struct kunit *test)
{
	damon_young_expect_no_access(test, caller_of_shared_page(test));
}

static void damon_young_notices_no_access_to_a_ksm_folio(struct kunit *test)
{
	damon_young_expect_no_access(test, caller_of_ksm_folio(test));
}

static void damon_young_notices_no_access_to_a_thp(struct kunit *test)
{
	damon_young_expect_no_access(test, caller_of_thp(test));
}

static void damon_young_expect_not_young(struct kunit *test, struct caller *caller)
{
	damon_young_of(test, caller);
	caller->ret = -1;
	caller_expect_no_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 0);
}

static void damon_young_contended_says_not_young(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	damon_young_expect_not_young(test, caller_of_page(test));
}

static void damon_young_contended_ksm_says_not_young(struct kunit *test)
{
	damon_young_expect_not_young(test, caller_of_ksm_folio(test));
}

/* The DAMOS filter leaves out what is young, and ages it for the next time. */
static void damos_young_filter_ages_what_it_leaves_out(struct kunit *test)
{
	struct caller *caller = damos_of(test, caller_of_page(test));

	caller_expect_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 0);
	caller_expect_old(test, caller);
	KUNIT_EXPECT_TRUE(test, folio_test_idle(caller->folio));

	/* Not young any more: there is nothing to age, so only one walk. */
	caller_expect_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, PAGE_SIZE);
}

/* A folio that somebody else has locked passes as not young. */
static void damos_young_filter_contended_says_not_young(struct kunit *test)
{
	struct caller *caller;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller = damos_of(test, caller_of_page(test));
	caller_expect_no_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, PAGE_SIZE);
}

/*
 * memory_failure(). The walks are collect_procs() and, once a THP is split,
 * try_to_unmap(). What there is to probe in the one for a THP that cannot be split
 * is folio_lock_anon_vma_read(): the functions around it are inlined.
 */

#if defined(CONFIG_MEMORY_FAILURE) && defined(CONFIG_KRETPROBES) && \
	defined(CONFIG_HAVE_FUNCTION_ARG_ACCESS_API)

/**
 * struct poisoned - A page that is hit, mapped by the test and by a child
 * @addr: where it is mapped
 * @folio: its folio, while that cannot be split: the test has a reference
 * @page: the page
 * @before: the folio's state before it is hit
 * @child: the process that maps it too, and wants to be told early
 * @thread: the one that calls memory_failure()
 * @ret: what memory_failure() returned
 * @walk: sees the folio when a walk starts
 * @unlock: takes the folio lock for the test when memory_failure() drops it
 * @taken: whether it did
 */
struct poisoned {
	unsigned long addr;
	struct folio *folio;
	struct page *page;
	struct rmap_kunit_folio_state before;
	struct rmap_kunit_child *child;
	struct rmap_kunit_thread *thread;
	int ret;
	struct rmap_kunit_probe walk;
	struct kretprobe unlock;
	bool taken;
};

static void poisoned_child(struct rmap_kunit_child *child)
{
	/* As prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY) does. */
	current->flags |= PF_MCE_PROCESS | PF_MCE_EARLY;
	/* What it inherits from a kthread is to ignore it. */
	kernel_sigaction(SIGBUS, SIG_DFL);
}

/* Once memory_failure() has returned: it stays pending, nothing delivers it. */
static bool poisoned_child_has_sigbus(struct rmap_kunit_child *child)
{
	struct task_struct *task = child->task;

	return sigismember(&task->pending.signal, SIGBUS) ||
	       sigismember(&task->signal->shared_pending.signal, SIGBUS);
}

static void poisoned_hit(void *data)
{
	struct poisoned *poisoned = data;

	poisoned->ret = memory_failure(page_to_pfn(poisoned->page), MF_SW_SIMULATED);
}

static void poisoned_heal(void *data)
{
	struct poisoned *poisoned = data;
	struct folio *folio = page_folio(poisoned->page);

	if (!PageHWPoison(poisoned->page))
		return;
	if (!folio_test_large(folio)) {
		KUNIT_EXPECT_EQ(kunit_get_current_test(),
				unpoison_memory(page_to_pfn(poisoned->page)), 0);
		return;
	}
	/* Still in use as it was: unpoison_memory() leaves that alone. */
	ClearPageHWPoison(poisoned->page);
	folio_clear_has_hwpoisoned(folio);
	rmap_kunit_unpoisoned(page_to_pfn(poisoned->page));
}

/* @folio is mapped at @addr; the page with this @index in it is to be hit. */
static struct poisoned *poisoned_alloc(struct kunit *test, unsigned long addr,
				       struct folio *folio, int index)
{
	struct poisoned *poisoned;

	poisoned = kunit_kzalloc(test, sizeof(*poisoned), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, poisoned);
	poisoned->addr = addr + index * PAGE_SIZE;
	poisoned->folio = folio;
	poisoned->page = folio_page(folio, index);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, poisoned_heal,
							poisoned), 0);

	poisoned->child = rmap_kunit_fork(test, poisoned_child, NULL);
	poisoned->before = rmap_kunit_folio_state(folio);
	poisoned->thread = rmap_kunit_thread_create(test, poisoned_hit, poisoned);
	poisoned->walk.task = poisoned->thread->task;
	poisoned->walk.value = folio;
	poisoned->walk.folio = folio;
	rmap_kunit_probe(test, &poisoned->walk, "folio_lock_anon_vma_read");
	return poisoned;
}

static void poisoned_needs_a_signal_for_thps(struct kunit *test)
{
	if (!RMAP_KUNIT_HAS_KILL_PROCS_NOW)
		kunit_skip(test, "this kernel tells nobody about a THP that it cannot split");
}

/* A page in the middle of a THP, with 2 in the one behind it. */
static struct poisoned *poisoned_thp_alloc(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap_thp(test);
	struct folio *thp = rmap_kunit_new_thp(test, addr, 1);

	rmap_kunit_write(test, addr + 4 * PAGE_SIZE, 2);
	return poisoned_alloc(test, addr, thp, 3);
}

static void poisoned_expect_thp_kept(struct kunit *test, struct poisoned *poisoned)
{
	KUNIT_EXPECT_EQ(test, poisoned->ret, -EHWPOISON);
	KUNIT_EXPECT_TRUE(test, poisoned_child_has_sigbus(poisoned->child));
	KUNIT_EXPECT_TRUE(test, folio_test_large(poisoned->folio));
	rmap_kunit_expect_unchanged(test, poisoned->folio, &poisoned->before);
}

static void memory_failure_unsplittable_thp_locks_the_folio(struct kunit *test)
{
	struct poisoned *poisoned;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	poisoned_needs_a_signal_for_thps(test);
	poisoned = poisoned_thp_alloc(test);

	rmap_kunit_thread_start(poisoned->thread);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(poisoned->thread));
	KUNIT_EXPECT_EQ(test, poisoned->walk.hits, 1);
	KUNIT_EXPECT_EQ(test, poisoned->walk.locked, 1);
	poisoned_expect_thp_kept(test, poisoned);
}

/* Picks the unlock after the failed split: the flag is set right before that. */
static int poisoned_unlock_entry(struct kretprobe_instance *ri,
				 struct pt_regs *regs)
{
	struct poisoned *poisoned =
		container_of(get_kretprobe(ri), struct poisoned, unlock);

	return current != poisoned->thread->task ||
	       (void *)regs_get_kernel_argument(regs, 0) != poisoned->folio ||
	       !folio_test_has_hwpoisoned(poisoned->folio);
}

static int poisoned_unlocked(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct poisoned *poisoned =
		container_of(get_kretprobe(ri), struct poisoned, unlock);

	if (!poisoned->taken)
		poisoned->taken = folio_trylock(poisoned->folio);
	return 0;
}

static void poisoned_remove_unlock(void *data)
{
	struct poisoned *poisoned = data;

	unregister_kretprobe(&poisoned->unlock);
}

static void memory_failure_unsplittable_thp_waits_for_the_lock(struct kunit *test)
{
	enum rmap_kunit_outcome outcome;
	struct poisoned *poisoned;
	int walks;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	poisoned_needs_a_signal_for_thps(test);
	poisoned = poisoned_thp_alloc(test);
	poisoned->unlock.kp.symbol_name = "folio_unlock";
	poisoned->unlock.entry_handler = poisoned_unlock_entry;
	poisoned->unlock.handler = poisoned_unlocked;
	KUNIT_ASSERT_EQ(test, register_kretprobe(&poisoned->unlock), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, poisoned_remove_unlock,
							poisoned), 0);

	rmap_kunit_thread_start(poisoned->thread);
	outcome = rmap_kunit_settle_on_folio(poisoned->thread, poisoned->folio);
	walks = poisoned->walk.hits;
	if (poisoned->taken)
		folio_unlock(poisoned->folio);

	KUNIT_EXPECT_TRUE(test, poisoned->taken);
	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_EQ(test, walks, 0);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(poisoned->thread));
	KUNIT_EXPECT_EQ(test, poisoned->walk.hits, 1);
	poisoned_expect_thp_kept(test, poisoned);
}

/* Hit the page, which nobody keeps from being taken out of use. */
static void poisoned_expect_recovered(struct kunit *test, struct poisoned *poisoned)
{
	rmap_kunit_put_folio(test, poisoned->folio);
	rmap_kunit_thread_start(poisoned->thread);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(poisoned->thread));
	KUNIT_EXPECT_EQ(test, poisoned->ret, 0);
	KUNIT_EXPECT_EQ(test, poisoned->walk.locked, poisoned->walk.hits);
	KUNIT_EXPECT_TRUE(test, PageHWPoison(poisoned->page));
	KUNIT_EXPECT_FALSE(test, folio_mapped(page_folio(poisoned->page)));
	KUNIT_EXPECT_FALSE(test, folio_test_locked(page_folio(poisoned->page)));
	KUNIT_EXPECT_TRUE(test, poisoned_child_has_sigbus(poisoned->child));
	KUNIT_EXPECT_EQ(test, rmap_kunit_touch(poisoned->addr), -EFAULT);
}

static void memory_failure_takes_a_page_out_of_use(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 1);
	struct poisoned *poisoned;

	poisoned = poisoned_alloc(test, addr, rmap_kunit_new_folio(test, addr, 1), 0);
	poisoned_expect_recovered(test, poisoned);
	/* To find whom to tell, and to unmap. */
	KUNIT_EXPECT_GE(test, poisoned->walk.hits, 2);
}

/* A process that wants to be told early, but has let go of the page. */
static void poisoned_bystander(struct rmap_kunit_child *child)
{
	unsigned long *addr = child->data;

	poisoned_child(child);
	do_madvise(current->mm, *addr, PAGE_SIZE, MADV_DONTNEED);
}

static void memory_failure_spares_who_does_not_map_the_page(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 1);
	struct folio *folio = rmap_kunit_new_folio(test, addr, 1);
	struct rmap_kunit_child *bystander;

	bystander = rmap_kunit_fork(test, poisoned_bystander, &addr);
	KUNIT_ASSERT_EQ(test, folio_mapcount(folio), 1);
	poisoned_expect_recovered(test, poisoned_alloc(test, addr, folio, 0));
	KUNIT_EXPECT_FALSE(test, poisoned_child_has_sigbus(bystander));
}

/* A KSM folio: who maps it is found through KSM's own reverse map. */
static void memory_failure_takes_a_ksm_folio_out_of_use(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 2);

	if (!RMAP_KUNIT_HAS_COLLECT_PROCS_KSM)
		kunit_skip(test, "memory_failure() of this kernel leaves KSM folios alone");
	poisoned_expect_recovered(test,
				  poisoned_alloc(test, addr,
						 rmap_kunit_new_ksm_folio(test, addr, 2), 0));
}

/* A THP that can be split loses the page that was hit, and no other. */
static void memory_failure_splits_a_thp(struct kunit *test)
{
	struct poisoned *poisoned = poisoned_thp_alloc(test);
	unsigned long next = poisoned->addr + PAGE_SIZE;

	poisoned_expect_recovered(test, poisoned);
	KUNIT_EXPECT_FALSE(test, folio_test_large(page_folio(poisoned->page)));
	KUNIT_EXPECT_FALSE(test, folio_test_large(rmap_kunit_folio(test, next)));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, next), 2);
}

#else

static void memory_failure_unsplittable_thp_locks_the_folio(struct kunit *test)
{
	kunit_skip(test, "needs MEMORY_FAILURE and KRETPROBES");
}

#define memory_failure_unsplittable_thp_waits_for_the_lock \
	memory_failure_unsplittable_thp_locks_the_folio
#define memory_failure_takes_a_page_out_of_use \
	memory_failure_unsplittable_thp_locks_the_folio
#define memory_failure_spares_who_does_not_map_the_page \
	memory_failure_unsplittable_thp_locks_the_folio
#define memory_failure_takes_a_ksm_folio_out_of_use \
	memory_failure_unsplittable_thp_locks_the_folio
#define memory_failure_splits_a_thp \
	memory_failure_unsplittable_thp_locks_the_folio

#endif

/*
 * Callers that always had the folio locked: unmapping, migration, cleaning
 */

/* A lazily freed page needs no swap: try_to_unmap() discards it everywhere. */
static void try_to_unmap_unmaps_each_process(struct kunit *test)
{
	struct caller *caller = caller_of_page(test);
	struct rmap_kunit_folio_state before;

	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, caller->addr, PAGE_SIZE,
					 MADV_FREE), 0);
	lru_add_drain_all();
	KUNIT_ASSERT_FALSE(test, folio_test_swapbacked(caller->folio));
	rmap_kunit_fork(test, NULL, NULL);
	before = rmap_kunit_folio_state(caller->folio);
	KUNIT_ASSERT_EQ(test, before.mapcount, 2);

	folio_lock(caller->folio);
	try_to_unmap(caller->folio, TTU_SYNC);
	folio_unlock(caller->folio);

	before.mapcount = 0;
	before.refs -= 2;
	rmap_kunit_expect_unchanged(test, caller->folio, &before);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, caller->addr));
}

/* Migration entries everywhere, and back again as it was. */
static void try_to_migrate_can_be_undone(struct kunit *test)
{
	struct rmap_kunit_folio_state before, between;
	struct rmap_kunit_entry entry;
	struct caller *caller;
	struct folio *folio;

	if (!IS_ENABLED(CONFIG_MIGRATION))
		kunit_skip(test, "needs CONFIG_MIGRATION");

	caller = caller_of_shared_page(test);
	folio = caller->folio;
	before = rmap_kunit_folio_state(folio);
	KUNIT_ASSERT_EQ(test, before.mapcount, 2);
	folio_lock(folio);
	try_to_migrate(folio, 0);
	between = rmap_kunit_folio_state(folio);
	entry = rmap_kunit_entry(test, caller->addr);
	remove_migration_ptes(folio, folio, 0);
	folio_unlock(folio);

	KUNIT_EXPECT_EQ(test, between.mapcount, 0);
	KUNIT_EXPECT_FALSE(test, pte_none(entry.pte));
	KUNIT_EXPECT_FALSE(test, pte_present(entry.pte));
	rmap_kunit_expect_unchanged(test, folio, &before);
	KUNIT_EXPECT_FALSE(test, PageAnonExclusive(&folio->page));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, caller->addr), 1);
}

static void migrate_and_undo(struct folio *folio)
{
	folio_lock(folio);
	try_to_migrate(folio, 0);
	remove_migration_ptes(folio, folio, 0);
	folio_unlock(folio);
}

/* A page that is mapped writable, and one that is not, each stay what they are. */
static void try_to_migrate_keeps_the_exclusive_mark(struct kunit *test)
{
	struct caller *caller;

	if (!IS_ENABLED(CONFIG_MIGRATION))
		kunit_skip(test, "needs CONFIG_MIGRATION");

	caller = caller_of_page(test);
	migrate_and_undo(caller->folio);
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&caller->folio->page));
	KUNIT_EXPECT_TRUE(test, pte_write(rmap_kunit_entry(test, caller->addr).pte));

	rmap_kunit_wrprotect(test, caller->addr);
	migrate_and_undo(caller->folio);
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&caller->folio->page));
	KUNIT_EXPECT_FALSE(test, pte_write(rmap_kunit_entry(test, caller->addr).pte));
}

/* What is known of a page's use goes with it, where the entry has room. */
static void try_to_migrate_keeps_young_and_dirty(struct kunit *test)
{
	struct caller *caller;
	pte_t pte;

	if (!IS_ENABLED(CONFIG_MIGRATION))
		kunit_skip(test, "needs CONFIG_MIGRATION");
	if (!migration_entry_supports_ad())
		kunit_skip(test, "migration entries have no room for young and dirty");
#ifdef CONFIG_ARM64_CONTPTE
	/* Whatever is put into a page table loses this bit, present or not. */
	if (pte_val(swp_entry_to_pte(swp_entry(0, SWP_MIG_YOUNG))) & PTE_CONT)
		kunit_skip(test, "young is lost where physical addresses have 52 bits");
#endif

	caller = caller_of_page(test);
	migrate_and_undo(caller->folio);
	pte = rmap_kunit_entry(test, caller->addr).pte;
	KUNIT_EXPECT_TRUE(test, pte_young(pte));
	KUNIT_EXPECT_TRUE(test, pte_dirty(pte));

	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, caller->addr, PAGE_SIZE,
					 MADV_COLD), 0);
	migrate_and_undo(caller->folio);
	caller_expect_old(test, caller);
}

/* A page of a file: writes are to be noticed again. */
static void folio_mkclean_write_protects(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap_file(test);
	struct rmap_kunit_folio_state before;
	struct folio *folio;
	int first, second;
	pte_t pte;

	rmap_kunit_write(test, addr, 1);
	folio = rmap_kunit_folio(test, addr);
	pte = rmap_kunit_entry(test, addr).pte;
	KUNIT_ASSERT_TRUE(test, pte_write(pte) && pte_dirty(pte));

	before = rmap_kunit_folio_state(folio);
	folio_lock(folio);
	first = folio_mkclean(folio);
	second = folio_mkclean(folio);
	folio_unlock(folio);

	KUNIT_EXPECT_EQ(test, first, 1);
	KUNIT_EXPECT_EQ(test, second, 0);
	rmap_kunit_expect_unchanged(test, folio, &before);
	pte = rmap_kunit_entry(test, addr).pte;
	KUNIT_EXPECT_FALSE(test, pte_write(pte) || pte_dirty(pte));
}

/*
 * Write faults: what the folio lock and the references of those who scan memory
 * mean for them
 */

/**
 * struct write_fault - A write to a page that is mapped read-only
 * @addr: user address
 * @folio: what is mapped there before
 * @thread: writes
 * @err: what came of it
 */
struct write_fault {
	unsigned long addr;
	struct folio *folio;
	struct rmap_kunit_thread *thread;
	int err;
};

static void write_fault_fn(void *data)
{
	struct write_fault *fault = data;

	fault->err = put_user(2, (u32 __user *)fault->addr);
}

static struct write_fault *write_fault_alloc(struct kunit *test)
{
	struct write_fault *fault;

	fault = kunit_kzalloc(test, sizeof(*fault), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fault);
	fault->addr = rmap_kunit_mmap(test, 1);
	fault->folio = rmap_kunit_new_folio(test, fault->addr, 1);
	fault->thread = rmap_kunit_thread_create(test, write_fault_fn, fault);
	return fault;
}

/* The page was shared with a child, and is not any more, but for its mark. */
static struct write_fault *write_fault_alloc_forked(struct kunit *test)
{
	struct write_fault *fault = write_fault_alloc(test);

	rmap_kunit_reap(test, rmap_kunit_fork(test, NULL, NULL));
	KUNIT_ASSERT_EQ(test, folio_mapcount(fault->folio), 1);
	KUNIT_ASSERT_FALSE(test, PageAnonExclusive(&fault->folio->page));
	return fault;
}

/* Make the write; it waits for nobody. Tells whether the page was reused. */
static bool write_fault_reuses(struct kunit *test, struct write_fault *fault,
			       bool locked)
{
	enum rmap_kunit_outcome outcome;

	if (locked)
		folio_lock(fault->folio);
	rmap_kunit_thread_start(fault->thread);
	outcome = rmap_kunit_settle_on_folio(fault->thread, fault->folio);
	if (locked)
		folio_unlock(fault->folio);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_DONE);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(fault->thread));
	KUNIT_EXPECT_EQ(test, fault->err, 0);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, fault->addr), 2);
	return rmap_kunit_folio(test, fault->addr) == fault->folio;
}

static void write_to_exclusive_page_needs_no_folio_lock(struct kunit *test)
{
	struct write_fault *fault = write_fault_alloc(test);

	rmap_kunit_wrprotect(test, fault->addr);
	KUNIT_ASSERT_TRUE(test, PageAnonExclusive(&fault->folio->page));
	KUNIT_EXPECT_TRUE(test, write_fault_reuses(test, fault, true));
}

/* Reclaim's reference is reason enough for a copy, whoever has the lock. */
static void write_to_isolated_page_copies(struct kunit *test, bool locked)
{
	struct write_fault *fault = write_fault_alloc_forked(test);

	caller_isolate(test, fault->folio);
	rmap_kunit_put_folio(test, fault->folio);
	KUNIT_EXPECT_FALSE(test, write_fault_reuses(test, fault, locked));
}

static void write_to_isolated_page_copies_it(struct kunit *test)
{
	write_to_isolated_page_copies(test, false);
}

static void write_to_isolated_locked_page_copies_it(struct kunit *test)
{
	write_to_isolated_page_copies(test, true);
}

static void write_to_page_of_one_process_reuses_it(struct kunit *test)
{
	struct write_fault *fault = write_fault_alloc_forked(test);

	rmap_kunit_put_folio(test, fault->folio);
	KUNIT_EXPECT_TRUE(test, write_fault_reuses(test, fault, false));
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&fault->folio->page));
}

static struct kunit_case rmap_callers_test_cases[] = {
	KUNIT_CASE(folio_referenced_counts_a_young_pte),
	KUNIT_CASE(folio_referenced_counts_each_process),
	KUNIT_CASE(folio_referenced_counts_each_ksm_mapping),
	KUNIT_CASE(folio_referenced_counts_a_thp_once),
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
	KUNIT_CASE(page_idle_write_contended_only_sets_idle),
	KUNIT_CASE(page_idle_write_contended_ksm_only_sets_idle),
	KUNIT_CASE(page_idle_read_notices_an_access),
	KUNIT_CASE(page_idle_read_ages_each_process),
	KUNIT_CASE(page_idle_read_ages_each_ksm_mapping),
	KUNIT_CASE(page_idle_read_notices_an_access_to_a_thp),
	KUNIT_CASE(page_idle_read_reports_idle),
	KUNIT_CASE(page_idle_read_contended_reports_the_flag),
	KUNIT_CASE(page_idle_read_contended_ksm_reports_the_flag),
	KUNIT_CASE(damon_mkold_ages_the_folio),
	KUNIT_CASE(damon_mkold_ages_each_process),
	KUNIT_CASE(damon_mkold_ages_each_ksm_mapping),
	KUNIT_CASE(damon_mkold_ages_a_thp),
	KUNIT_CASE(damon_mkold_contended_does_nothing),
	KUNIT_CASE(damon_mkold_contended_ksm_does_nothing),
	KUNIT_CASE(damon_young_notices_an_access),
	KUNIT_CASE(damon_young_notices_the_parents_access),
	KUNIT_CASE(damon_young_notices_the_childs_access),
	KUNIT_CASE(damon_young_notices_no_access),
	KUNIT_CASE(damon_young_notices_no_access_by_any_process),
	KUNIT_CASE(damon_young_notices_no_access_to_a_ksm_folio),
	KUNIT_CASE(damon_young_notices_no_access_to_a_thp),
	KUNIT_CASE(damon_young_contended_says_not_young),
	KUNIT_CASE(damon_young_contended_ksm_says_not_young),
	KUNIT_CASE(damos_young_filter_ages_what_it_leaves_out),
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

MODULE_IMPORT_NS_KUNIT;
MODULE_DESCRIPTION("KUnit tests for the callers of rmap_walk()");
MODULE_LICENSE("GPL");
