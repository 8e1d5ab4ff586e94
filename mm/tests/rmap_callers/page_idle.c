// SPDX-License-Identifier: GPL-2.0-only
/*
 * page_idle, through its bitmap
 */

/* As if the folio had been marked idle, and accessed since. */
static struct caller *page_idle_read_of(struct kunit *test, struct caller *caller)
{
	page_idle_write_of(test, caller);
	caller->call = page_idle_read_call;
	folio_set_idle(caller->folio);
	return caller;
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

/*
 * A write to the bitmap makes the PTE old and sets the folio's idle and young
 * flags.
 */
static void page_idle_write_ages_the_folio(struct kunit *test)
{
	page_idle_write_expect_aged(test, caller_of_page(test));
}

/* A write to the bitmap makes the PTEs of all processes old. */
static void page_idle_write_ages_each_process(struct kunit *test)
{
	page_idle_write_expect_aged(test, caller_of_shared_page(test));
}

/* A write to the bitmap makes all mappings of a KSM folio old. */
static void page_idle_write_ages_each_ksm_mapping(struct kunit *test)
{
	page_idle_write_expect_aged(test, caller_of_ksm_folio(test));
}

/* A write to the bitmap makes the PMD of a huge page old. */
static void page_idle_write_ages_a_thp(struct kunit *test)
{
	page_idle_write_expect_aged(test, caller_of_thp(test));
}

/* A write to the bitmap walks a locked folio. */
static void page_idle_write_walks_a_locked_folio(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test,
				  page_idle_write_of(test, caller_of_page(test)));
}

/* A write to the bitmap walks a locked KSM folio. */
static void page_idle_write_walks_a_locked_ksm_folio(struct kunit *test)
{
	caller_expect_locked_walk(test,
				  page_idle_write_of(test, caller_of_ksm_folio(test)));
}

/* A write to the bitmap walks a locked huge page. */
static void page_idle_write_walks_a_locked_thp(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test,
				  page_idle_write_of(test, caller_of_thp(test)));
}

static void page_idle_write_expect_idle_only(struct kunit *test,
					     struct caller *caller)
{
	caller_expect_no_walk(test, page_idle_write_of(test, caller));
	KUNIT_EXPECT_EQ(test, caller->ret, sizeof(u64));
	KUNIT_EXPECT_TRUE(test, folio_test_idle(caller->folio));
	KUNIT_EXPECT_FALSE(test, folio_test_young(caller->folio));
}

/*
 * If somebody else holds the folio lock, a write to the bitmap only sets the
 * idle flag.
 */
static void page_idle_write_contended_only_sets_idle(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	page_idle_write_expect_idle_only(test, caller_of_page(test));
}

/*
 * If somebody else holds a KSM folio's lock, a write to the bitmap only sets
 * the idle flag.
 */
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

/* A page that was accessed after it was marked idle reads as not idle. */
static void page_idle_read_notices_an_access(struct kunit *test)
{
	page_idle_read_expect_access(test, caller_of_page(test));
}

/* A read of the bitmap makes the PTEs of all processes old. */
static void page_idle_read_ages_each_process(struct kunit *test)
{
	page_idle_read_expect_access(test, caller_of_shared_page(test));
}

/* A read of the bitmap makes all mappings of a KSM folio old. */
static void page_idle_read_ages_each_ksm_mapping(struct kunit *test)
{
	page_idle_read_expect_access(test, caller_of_ksm_folio(test));
}

/* A huge page that was accessed after it was marked idle reads as not idle. */
static void page_idle_read_notices_an_access_to_a_thp(struct kunit *test)
{
	page_idle_read_expect_access(test, caller_of_thp(test));
}

/* A read of the bitmap walks a locked folio. */
static void page_idle_read_walks_a_locked_folio(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test,
				  page_idle_read_of(test, caller_of_page(test)));
}

/* A read of the bitmap walks a locked KSM folio. */
static void page_idle_read_walks_a_locked_ksm_folio(struct kunit *test)
{
	caller_expect_locked_walk(test,
				  page_idle_read_of(test, caller_of_ksm_folio(test)));
}

/* A read of the bitmap walks a locked huge page. */
static void page_idle_read_walks_a_locked_thp(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test,
				  page_idle_read_of(test, caller_of_thp(test)));
}

/* A page that was not accessed after it was marked idle reads as idle. */
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

/*
 * If somebody else holds the folio lock, a read reports the idle flag without a
 * walk.
 */
static void page_idle_read_contended_reports_the_flag(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	page_idle_read_expect_the_flag(test, caller_of_page(test));
}

/*
 * If somebody else holds a KSM folio's lock, a read reports the idle flag
 * without a walk.
 */
static void page_idle_read_contended_ksm_reports_the_flag(struct kunit *test)
{
	page_idle_read_expect_the_flag(test, caller_of_ksm_folio(test));
}
