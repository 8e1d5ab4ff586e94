// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reclaim, of the pages of a memory cgroup, and what madvise() asks of it
 */

#ifdef CONFIG_MEMCG

/* With a memory cgroup given, only mappings of its processes count. */
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

/* Reclaim locks a page whenever it walks its mappings. */
static void reclaim_locks_the_folio(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	reclaim_expect_locked_walks(test, reclaim_alloc(test, false));
}

/* Reclaim with the multi-gen LRU (CONFIG_LRU_GEN) does, too. */
static void multi_gen_reclaim_locks_the_folio(struct kunit *test)
{
	reclaim_expect_locked_walks(test, reclaim_alloc(test, true));
}

/*
 * If somebody else holds the folio lock, reclaim deactivates the folio and
 * leaves its PTE young.
 */
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

/* MADV_COLD makes a page old and takes it off the active list. */
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

/* MADV_PAGEOUT swaps out a page even if it is young. */
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
