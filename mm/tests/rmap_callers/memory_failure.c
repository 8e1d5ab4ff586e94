// SPDX-License-Identifier: GPL-2.0-only
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
	num_poisoned_pages_sub(page_to_pfn(poisoned->page), 1);
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
	if (__is_defined(RMAP_KUNIT_LACKS_KILL_PROCS_NOW))
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

/*
 * memory_failure() locks a THP that it cannot split while it looks up the
 * processes to signal. They get SIGBUS, and the THP stays whole.
 */
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

/*
 * If somebody locks the THP right after the failed split, memory_failure()
 * waits before it walks.
 */
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

/*
 * memory_failure() unmaps and poisons the page, sends SIGBUS to its processes,
 * and locks the folio for each walk.
 */
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

/* A process that shared the page but no longer maps it gets no SIGBUS. */
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

/*
 * The processes that map a KSM folio are found through KSM's own reverse map.
 */
static void memory_failure_takes_a_ksm_folio_out_of_use(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 2);

	if (__is_defined(RMAP_KUNIT_LACKS_COLLECT_PROCS_KSM))
		kunit_skip(test, "memory_failure() of this kernel leaves KSM folios alone");
	poisoned_expect_recovered(test,
				  poisoned_alloc(test, addr,
						 rmap_kunit_new_ksm_folio(test, addr, 2), 0));
}

/* A THP that can be split loses the poisoned page only. */
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
