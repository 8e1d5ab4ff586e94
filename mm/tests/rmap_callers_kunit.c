// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the callers of rmap_walk() that scan memory: each walks a folio
 * that is locked, does without the walk if somebody else has the lock, and
 * leaves locks and references as they were.
 *
 * An observer, an mmu_notifier of the test's mm, looks at the folio from inside
 * the walk. Where no walk calls one, in memory_failure(), a kprobe does.
 */
#include <kunit/test.h>
#include <linux/damon.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/page_idle.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>

#include "../internal.h"
#include "rmap_kunit_helpers.h"

/**
 * struct caller - A caller of rmap_walk(), and what came of calling it
 * @folio: the folio to call it for: anonymous, mapped once, its PTE young
 * @addr: where it is mapped
 * @call: makes the call; runs in a thread of its own
 * @bitmap: for page_idle: its file in sysfs
 * @ctx: for DAMON: with operations for the physical address space
 * @region: for DAMON: a region that is just @folio
 * @is_locked: for folio_referenced(): what to tell it
 * @ret: what the call returned
 * @vm_flags: what folio_referenced() reported
 * @idle: what the page_idle bitmap said
 */
struct caller {
	struct folio *folio;
	unsigned long addr;
	void (*call)(void *caller);
	struct file *bitmap;
	struct damon_ctx *ctx;
	struct damon_region *region;
	int is_locked;
	ssize_t ret;
	unsigned long vm_flags;
	bool idle;
};

static bool caller_pte_is_young(struct kunit *test, struct caller *caller)
{
	pte_t pte = rmap_kunit_entry(test, caller->addr).pte;

	KUNIT_EXPECT_TRUE(test, pte_present(pte));
	return pte_young(pte);
}

static struct caller *caller_alloc(struct kunit *test)
{
	struct caller *caller;

	caller = kunit_kzalloc(test, sizeof(*caller), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, caller);
	caller->addr = rmap_kunit_mmap(test, 1);
	caller->folio = rmap_kunit_new_folio(test, caller->addr, 1);
	KUNIT_ASSERT_TRUE(test, caller_pte_is_young(test, caller));
	KUNIT_ASSERT_FALSE(test, folio_test_idle(caller->folio));
	KUNIT_ASSERT_FALSE(test, folio_test_young(caller->folio));
	return caller;
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

/* Make the call, which gets to the PTE in a walk of the folio, locked. */
static void caller_expect_locked_walk(struct kunit *test, struct caller *caller)
{
	struct rmap_kunit_observer *observer;

	observer = rmap_kunit_observe(test, caller->folio);
	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, observer->calls, 1);
	KUNIT_EXPECT_EQ(test, observer->locked, observer->calls);
	KUNIT_EXPECT_EQ(test, observer->rwsem_held, observer->calls);
}

/*
 * Make the call while somebody else holds the folio lock. It does not walk, and
 * leaves the PTE young.
 */
static void caller_expect_no_walk(struct kunit *test, struct caller *caller)
{
	struct rmap_kunit_observer *observer;

	observer = rmap_kunit_observe(test, caller->folio);
	caller_run_locked(test, caller);
	KUNIT_EXPECT_EQ(test, observer->calls, 0);
	KUNIT_EXPECT_TRUE(test, caller_pte_is_young(test, caller));
}

/*
 * folio_referenced()
 */

static void folio_referenced_call(void *data)
{
	struct caller *caller = data;

	caller->ret = folio_referenced(caller->folio, caller->is_locked, NULL,
				       &caller->vm_flags);
}

static void caller_putback_lru(void *folio)
{
	folio_putback_lru(folio);
}

/* The folio is isolated, as it is when reclaim calls. */
static struct caller *folio_referenced_alloc(struct kunit *test)
{
	struct caller *caller = caller_alloc(test);

	caller->call = folio_referenced_call;
	KUNIT_ASSERT_TRUE(test, folio_isolate_lru(caller->folio));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, caller_putback_lru,
							caller->folio), 0);
	return caller;
}

static void folio_referenced_counts_a_young_pte(struct kunit *test)
{
	struct caller *caller = folio_referenced_alloc(test);

	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
	KUNIT_EXPECT_TRUE(test, caller->vm_flags & VM_WRITE);
	KUNIT_EXPECT_FALSE(test, caller_pte_is_young(test, caller));

	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 0);
}

static void folio_referenced_locks_the_folio(struct kunit *test)
{
	struct caller *caller;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller = folio_referenced_alloc(test);

	caller_expect_locked_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
	KUNIT_EXPECT_FALSE(test, caller_pte_is_young(test, caller));
}

static void folio_referenced_uses_the_callers_lock(struct kunit *test)
{
	struct caller *caller = folio_referenced_alloc(test);
	struct rmap_kunit_observer *observer;

	caller->is_locked = 1;
	observer = rmap_kunit_observe(test, caller->folio);
	caller_run_locked(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
	KUNIT_EXPECT_EQ(test, observer->calls, 1);
	KUNIT_EXPECT_EQ(test, observer->locked, 1);
	KUNIT_EXPECT_FALSE(test, caller_pte_is_young(test, caller));
}

static void folio_referenced_contended_says_referenced(struct kunit *test)
{
	struct caller *caller;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller = folio_referenced_alloc(test);

	caller_expect_no_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
	KUNIT_EXPECT_EQ(test, caller->vm_flags, 0);
}

/*
 * page_idle, through /sys/kernel/mm/page_idle/bitmap
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
	caller->ret = kernel_write(caller->bitmap, &mask, sizeof(mask), &pos);
}

static void page_idle_read_call(void *data)
{
	struct caller *caller = data;
	u64 mask, bits = 0;
	loff_t pos;

	pos = page_idle_pos(caller, &mask);
	caller->ret = kernel_read(caller->bitmap, &bits, sizeof(bits), &pos);
	caller->idle = bits & mask;
}

static struct caller *page_idle_write_alloc(struct kunit *test)
{
	struct caller *caller;

	if (!IS_ENABLED(CONFIG_IDLE_PAGE_TRACKING))
		kunit_skip(test, "needs CONFIG_IDLE_PAGE_TRACKING");

	caller = caller_alloc(test);
	caller->call = page_idle_write_call;
	caller->bitmap = rmap_kunit_open(test, "sysfs",
					 "kernel/mm/page_idle/bitmap", O_RDWR);
	return caller;
}

/* As if the folio had been marked idle, and accessed since. */
static struct caller *page_idle_read_alloc(struct kunit *test)
{
	struct caller *caller = page_idle_write_alloc(test);

	caller->call = page_idle_read_call;
	folio_set_idle(caller->folio);
	return caller;
}

static void page_idle_write_ages_the_folio(struct kunit *test)
{
	struct caller *caller = page_idle_write_alloc(test);

	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, sizeof(u64));
	KUNIT_EXPECT_FALSE(test, caller_pte_is_young(test, caller));
	KUNIT_EXPECT_TRUE(test, folio_test_idle(caller->folio));
	/* What reclaim would have seen in the PTE is kept for it. */
	KUNIT_EXPECT_TRUE(test, folio_test_young(caller->folio));
}

static void page_idle_write_locks_the_folio(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test, page_idle_write_alloc(test));
}

static void page_idle_write_contended_only_sets_idle(struct kunit *test)
{
	struct caller *caller;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller = page_idle_write_alloc(test);

	caller_expect_no_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, sizeof(u64));
	KUNIT_EXPECT_TRUE(test, folio_test_idle(caller->folio));
	KUNIT_EXPECT_FALSE(test, folio_test_young(caller->folio));
}

static void page_idle_read_notices_an_access(struct kunit *test)
{
	struct caller *caller = page_idle_read_alloc(test);

	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, sizeof(u64));
	KUNIT_EXPECT_FALSE(test, caller->idle);
	KUNIT_EXPECT_FALSE(test, caller_pte_is_young(test, caller));
	KUNIT_EXPECT_FALSE(test, folio_test_idle(caller->folio));
	KUNIT_EXPECT_TRUE(test, folio_test_young(caller->folio));
}

static void page_idle_read_locks_the_folio(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test, page_idle_read_alloc(test));
}

static void page_idle_read_contended_reports_the_flag(struct kunit *test)
{
	struct caller *caller;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller = page_idle_read_alloc(test);

	caller_expect_no_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, sizeof(u64));
	KUNIT_EXPECT_TRUE(test, caller->idle);
	KUNIT_EXPECT_TRUE(test, folio_test_idle(caller->folio));
	KUNIT_EXPECT_FALSE(test, folio_test_young(caller->folio));
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

static struct caller *damon_mkold_alloc(struct kunit *test)
{
	struct caller *caller = caller_alloc(test);
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
	damon_add_region(caller->region, target);
	return caller;
}

static struct caller *damon_young_alloc(struct kunit *test)
{
	struct caller *caller = damon_mkold_alloc(test);

	caller->call = damon_young_call;
	return caller;
}

/* The folio is idle, and was not accessed since: young looks at everything. */
static struct caller *damon_young_alloc_idle(struct kunit *test)
{
	struct caller *caller = damon_mkold_alloc(test);

	caller_run(test, caller);
	KUNIT_ASSERT_FALSE(test, caller_pte_is_young(test, caller));
	KUNIT_ASSERT_TRUE(test, folio_test_idle(caller->folio));
	caller->call = damon_young_call;
	return caller;
}

#else /* !CONFIG_DAMON_PADDR */

static struct caller *damon_mkold_alloc(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_DAMON_PADDR");
}

#define damon_young_alloc damon_mkold_alloc
#define damon_young_alloc_idle damon_mkold_alloc

#endif /* CONFIG_DAMON_PADDR */

static void damon_mkold_ages_the_folio(struct kunit *test)
{
	struct caller *caller = damon_mkold_alloc(test);

	caller_run(test, caller);
	KUNIT_EXPECT_FALSE(test, caller_pte_is_young(test, caller));
	KUNIT_EXPECT_TRUE(test, folio_test_idle(caller->folio));
	KUNIT_EXPECT_TRUE(test, folio_test_young(caller->folio));
}

static void damon_mkold_locks_the_folio(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test, damon_mkold_alloc(test));
}

static void damon_mkold_contended_does_nothing(struct kunit *test)
{
	struct caller *caller;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller = damon_mkold_alloc(test);

	caller_expect_no_walk(test, caller);
	KUNIT_EXPECT_FALSE(test, folio_test_idle(caller->folio));
	KUNIT_EXPECT_FALSE(test, folio_test_young(caller->folio));
}

static void damon_young_notices_an_access(struct kunit *test)
{
	struct caller *caller = damon_young_alloc(test);

	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
	/* It looks, and changes nothing. */
	KUNIT_EXPECT_TRUE(test, caller_pte_is_young(test, caller));
}

static void damon_young_notices_no_access(struct kunit *test)
{
	struct caller *caller = damon_young_alloc_idle(test);

	caller->ret = -1;
	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 0);
}

static void damon_young_locks_the_folio(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test, damon_young_alloc_idle(test));
}

static void damon_young_contended_says_not_young(struct kunit *test)
{
	struct caller *caller;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller = damon_young_alloc(test);

	caller->ret = -1;
	caller_expect_no_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 0);
}

/*
 * memory_failure() of a THP that cannot be split. The walk is collect_procs().
 * What there is to probe in it is folio_lock_anon_vma_read(): the functions
 * around it are inlined.
 */

#if defined(CONFIG_MEMORY_FAILURE) && defined(CONFIG_TRANSPARENT_HUGEPAGE) && \
	defined(CONFIG_KRETPROBES)

/**
 * struct poisoned_thp - A huge page that is hit while it cannot be split
 * @folio: the huge page; the test's own reference is what keeps it from a split
 * @page: the page in it that is hit
 * @before: its state before it is hit
 * @child: a process that maps it too, and wants to be told early
 * @thread: the one that calls memory_failure()
 * @ret: what memory_failure() returned
 * @walk: looks at the folio when a walk starts
 * @walks: how often one did
 * @walks_locked: how often the folio was locked then
 * @unlock: takes the folio lock for the test when memory_failure() drops it
 * @taken: whether it did
 */
struct poisoned_thp {
	struct folio *folio;
	struct page *page;
	struct rmap_kunit_folio_state before;
	struct rmap_kunit_child *child;
	struct rmap_kunit_thread *thread;
	int ret;
	struct kprobe walk;
	int walks;
	int walks_locked;
	struct kretprobe unlock;
	bool taken;
};

static void poisoned_thp_child(struct rmap_kunit_child *child)
{
	/* As prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY) does. */
	current->flags |= PF_MCE_PROCESS | PF_MCE_EARLY;
	/* What it inherits from a kthread is to ignore it. */
	kernel_sigaction(SIGBUS, SIG_DFL);
}

/* Once memory_failure() has returned: it stays pending, nothing delivers it. */
static bool poisoned_thp_child_has_sigbus(struct rmap_kunit_child *child)
{
	struct task_struct *task = child->task;

	return sigismember(&task->pending.signal, SIGBUS) ||
	       sigismember(&task->signal->shared_pending.signal, SIGBUS);
}

static void poisoned_thp_hit(void *data)
{
	struct poisoned_thp *thp = data;

	thp->ret = memory_failure(page_to_pfn(thp->page), MF_SW_SIMULATED);
}

static void poisoned_thp_heal(void *data)
{
	struct poisoned_thp *thp = data;

	if (!TestClearPageHWPoison(thp->page))
		return;
	folio_clear_has_hwpoisoned(thp->folio);
	num_poisoned_pages_sub(page_to_pfn(thp->page), 1);
}

static bool poisoned_thp_is_argument(struct poisoned_thp *thp,
				     struct pt_regs *regs)
{
	return current == thp->thread->task &&
	       (void *)regs_get_kernel_argument(regs, 0) == thp->folio;
}

static int poisoned_thp_walk(struct kprobe *probe, struct pt_regs *regs)
{
	struct poisoned_thp *thp = container_of(probe, struct poisoned_thp, walk);

	if (poisoned_thp_is_argument(thp, regs)) {
		thp->walks++;
		thp->walks_locked += folio_test_locked(thp->folio);
	}
	return 0;
}

/* Picks the unlock after the failed split: the flag is set right before that. */
static int poisoned_thp_unlock_entry(struct kretprobe_instance *ri,
				     struct pt_regs *regs)
{
	struct poisoned_thp *thp =
		container_of(get_kretprobe(ri), struct poisoned_thp, unlock);

	return !poisoned_thp_is_argument(thp, regs) ||
	       !folio_test_has_hwpoisoned(thp->folio);
}

static int poisoned_thp_unlocked(struct kretprobe_instance *ri,
				 struct pt_regs *regs)
{
	struct poisoned_thp *thp =
		container_of(get_kretprobe(ri), struct poisoned_thp, unlock);

	if (!thp->taken)
		thp->taken = folio_trylock(thp->folio);
	return 0;
}

static void poisoned_thp_remove_walk(void *data)
{
	struct poisoned_thp *thp = data;

	unregister_kprobe(&thp->walk);
}

static void poisoned_thp_remove_unlock(void *data)
{
	struct poisoned_thp *thp = data;

	unregister_kretprobe(&thp->unlock);
}

static struct poisoned_thp *poisoned_thp_alloc(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap_thp(test);
	struct poisoned_thp *thp;

	thp = kunit_kzalloc(test, sizeof(*thp), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, thp);
	thp->folio = rmap_kunit_new_thp(test, addr, 1);
	thp->page = folio_page(thp->folio, 3);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, poisoned_thp_heal,
							thp), 0);

	thp->child = rmap_kunit_fork(test, poisoned_thp_child, NULL);
	thp->before = rmap_kunit_folio_state(thp->folio);
	KUNIT_ASSERT_EQ(test, thp->before.mapcount, 2);

	thp->thread = rmap_kunit_thread_create(test, poisoned_thp_hit, thp);
	thp->walk.symbol_name = "folio_lock_anon_vma_read";
	thp->walk.pre_handler = poisoned_thp_walk;
	KUNIT_ASSERT_EQ(test, register_kprobe(&thp->walk), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, poisoned_thp_remove_walk,
							thp), 0);
	return thp;
}

static void poisoned_thp_expect_told(struct kunit *test, struct poisoned_thp *thp)
{
	KUNIT_EXPECT_EQ(test, thp->ret, -EHWPOISON);
	KUNIT_EXPECT_TRUE(test, poisoned_thp_child_has_sigbus(thp->child));
	KUNIT_EXPECT_TRUE(test, folio_test_large(thp->folio));
	rmap_kunit_expect_unchanged(test, thp->folio, &thp->before);
}

static void memory_failure_unsplittable_thp_locks_the_folio(struct kunit *test)
{
	struct poisoned_thp *thp;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	thp = poisoned_thp_alloc(test);

	rmap_kunit_thread_start(thp->thread);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(thp->thread));
	KUNIT_EXPECT_EQ(test, thp->walks, 1);
	KUNIT_EXPECT_EQ(test, thp->walks_locked, thp->walks);
	poisoned_thp_expect_told(test, thp);
}

static void memory_failure_unsplittable_thp_waits_for_the_lock(struct kunit *test)
{
	enum rmap_kunit_outcome outcome;
	struct poisoned_thp *thp;
	int walks;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	thp = poisoned_thp_alloc(test);
	thp->unlock.kp.symbol_name = "folio_unlock";
	thp->unlock.entry_handler = poisoned_thp_unlock_entry;
	thp->unlock.handler = poisoned_thp_unlocked;
	KUNIT_ASSERT_EQ(test, register_kretprobe(&thp->unlock), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test,
							poisoned_thp_remove_unlock,
							thp), 0);

	rmap_kunit_thread_start(thp->thread);
	outcome = rmap_kunit_settle_on_folio(thp->thread, thp->folio);
	walks = thp->walks;
	if (thp->taken)
		folio_unlock(thp->folio);

	KUNIT_EXPECT_TRUE(test, thp->taken);
	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_EQ(test, walks, 0);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(thp->thread));
	KUNIT_EXPECT_EQ(test, thp->walks, 1);
	poisoned_thp_expect_told(test, thp);
}

#else

static void memory_failure_unsplittable_thp_locks_the_folio(struct kunit *test)
{
	kunit_skip(test, "needs MEMORY_FAILURE, TRANSPARENT_HUGEPAGE and KRETPROBES");
}

static void memory_failure_unsplittable_thp_waits_for_the_lock(struct kunit *test)
{
	kunit_skip(test, "needs MEMORY_FAILURE, TRANSPARENT_HUGEPAGE and KRETPROBES");
}

#endif

static struct kunit_case rmap_callers_test_cases[] = {
	KUNIT_CASE(folio_referenced_counts_a_young_pte),
	KUNIT_CASE(folio_referenced_locks_the_folio),
	KUNIT_CASE(folio_referenced_uses_the_callers_lock),
	KUNIT_CASE(folio_referenced_contended_says_referenced),
	KUNIT_CASE(page_idle_write_ages_the_folio),
	KUNIT_CASE(page_idle_write_locks_the_folio),
	KUNIT_CASE(page_idle_write_contended_only_sets_idle),
	KUNIT_CASE(page_idle_read_notices_an_access),
	KUNIT_CASE(page_idle_read_locks_the_folio),
	KUNIT_CASE(page_idle_read_contended_reports_the_flag),
	KUNIT_CASE(damon_mkold_ages_the_folio),
	KUNIT_CASE(damon_mkold_locks_the_folio),
	KUNIT_CASE(damon_mkold_contended_does_nothing),
	KUNIT_CASE(damon_young_notices_an_access),
	KUNIT_CASE(damon_young_notices_no_access),
	KUNIT_CASE(damon_young_locks_the_folio),
	KUNIT_CASE(damon_young_contended_says_not_young),
	KUNIT_CASE(memory_failure_unsplittable_thp_locks_the_folio),
	KUNIT_CASE(memory_failure_unsplittable_thp_waits_for_the_lock),
	{}
};

static struct kunit_suite rmap_callers_test_suite = {
	.name = "rmap_callers",
	.suite_init = rmap_kunit_suite_init,
	.test_cases = rmap_callers_test_cases,
};

kunit_test_suite(rmap_callers_test_suite);
