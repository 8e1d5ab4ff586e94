// SPDX-License-Identifier: GPL-2.0-only
/*
 * Write faults: what the folio lock and the references of those who scan memory mean
 * for them
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

/* A write to an exclusive page reuses it without the folio lock. */
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

/*
 * A write to a page that lost its exclusive mark copies it while reclaim has it
 * isolated.
 */
static void write_to_isolated_page_copies_it(struct kunit *test)
{
	write_to_isolated_page_copies(test, false);
}

/*
 * A write to such a page copies it without waiting if reclaim has locked it,
 * too.
 */
static void write_to_isolated_locked_page_copies_it(struct kunit *test)
{
	write_to_isolated_page_copies(test, true);
}

/*
 * A write reuses such a page, and makes it exclusive again, if nobody else has
 * a reference.
 */
static void write_to_page_of_one_process_reuses_it(struct kunit *test)
{
	struct write_fault *fault = write_fault_alloc_forked(test);

	rmap_kunit_put_folio(test, fault->folio);
	KUNIT_EXPECT_TRUE(test, write_fault_reuses(test, fault, false));
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&fault->folio->page));
}
