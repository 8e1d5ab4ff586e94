// SPDX-License-Identifier: GPL-2.0-only
/*
 * folio_referenced()
 */

static void folio_referenced_call(void *data)
{
	struct caller *caller = data;

	caller->ret = folio_referenced(caller->folio, caller->is_locked,
				       caller->memcg, &caller->vm_flags);
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
	KUNIT_EXPECT_TRUE(test, vma_flags_test(&caller->vm_flags, VMA_WRITE_BIT));
	caller_expect_old(test, caller);

	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 0);
	KUNIT_EXPECT_TRUE(test, vma_flags_empty(&caller->vm_flags));
}

/* A young PTE counts as one reference, and is made old. */
static void folio_referenced_counts_a_young_pte(struct kunit *test)
{
	folio_referenced_expect_all(test,
				    folio_referenced_of(test, caller_of_page(test)));
}

/* The young PTEs of both processes that map a page count as references. */
static void folio_referenced_counts_each_process(struct kunit *test)
{
	folio_referenced_expect_all(test,
				    folio_referenced_of(test, caller_of_shared_page(test)));
}

/* The young PTEs of all mappings of a KSM folio count as references. */
static void folio_referenced_counts_each_ksm_mapping(struct kunit *test)
{
	folio_referenced_expect_all(test,
				    folio_referenced_of(test, caller_of_ksm_folio(test)));
}

/* A huge page with a young PMD counts as one reference. */
static void folio_referenced_counts_a_thp_once(struct kunit *test)
{
	folio_referenced_expect_all(test,
				    folio_referenced_of(test, caller_of_thp(test)));
}

/* folio_referenced() of an unlocked folio locks it for the walk. */
static void folio_referenced_walks_a_locked_folio(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test,
				  folio_referenced_of(test, caller_of_page(test)));
}

/* folio_referenced() of an unlocked KSM folio locks it for the walk. */
static void folio_referenced_walks_a_locked_ksm_folio(struct kunit *test)
{
	caller_expect_locked_walk(test,
				  folio_referenced_of(test, caller_of_ksm_folio(test)));
}

/* folio_referenced() of an unlocked huge page locks it for the walk. */
static void folio_referenced_walks_a_locked_thp(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test,
				  folio_referenced_of(test, caller_of_thp(test)));
}

/*
 * An access that page_idle or DAMON has recorded in the folio counts as a
 * reference.
 */
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

/* A folio that is found referenced is no longer idle. */
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

/* With is_locked set, folio_referenced() walks, and leaves the folio locked. */
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
	KUNIT_EXPECT_TRUE(test, vma_flags_empty(&caller->vm_flags));
}

/*
 * If somebody else holds the folio lock, folio_referenced() returns 1 without a
 * walk.
 */
static void folio_referenced_contended_says_referenced(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	folio_referenced_expect_yes(test,
				    folio_referenced_of(test, caller_of_page(test)));
}

/*
 * If somebody else holds a KSM folio's lock, folio_referenced() returns 1
 * without a walk.
 */
static void folio_referenced_contended_ksm_says_referenced(struct kunit *test)
{
	folio_referenced_expect_yes(test,
				    folio_referenced_of(test, caller_of_ksm_folio(test)));
}

/* folio_referenced() does not wait for the root's rwsem: it returns -1. */
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

/* An mlocked mapping ends the walk and is reported in vm_flags. */
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
	KUNIT_EXPECT_TRUE(test, vma_flags_same(&caller->vm_flags, VMA_LOCKED_BIT));
	caller_expect_young(test, caller);
}
