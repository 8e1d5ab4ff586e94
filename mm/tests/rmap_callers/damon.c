// SPDX-License-Identifier: GPL-2.0-only
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

#ifndef RMAP_KUNIT_LACKS_DAMOS_FILTERS

/* Some pass over what the scheme was applied to last: look where nothing is first. */
static unsigned long damos_apply(struct caller *caller)
{
	struct damon_operations *ops = &caller->ctx->ops;
	struct damon_addr_range range = caller->region->ar;
	unsigned long passed;

	caller->region->ar.start = PAGE_MASK - PAGE_SIZE;
	caller->region->ar.end = PAGE_MASK;
	ops->apply_scheme(caller->ctx, NULL, caller->region, caller->scheme, &passed);
	caller->region->ar = range;
	return ops->apply_scheme(caller->ctx, NULL, caller->region, caller->scheme,
				 &passed);
}

static void damos_call(void *data)
{
	struct caller *caller = data;

	caller->ret = damos_apply(caller);
	/* What it marks as accessed waits in a batch, with a reference. */
	lru_add_drain_all();
}

/* A scheme for what is not young: to move it to the head of the LRU lists. */
static struct caller *damos_of(struct kunit *test, struct caller *caller)
{
	struct damos_access_pattern pattern = {};
	struct damos_watermarks wmarks = {};
	struct damos_quota quota = {};
	struct damos_filter *filter;

	damon_mkold_of(test, caller);
	caller->call = damos_call;
	caller->scheme = damon_new_scheme(&pattern, DAMOS_LRU_PRIO, 0, &quota, &wmarks,
					  NUMA_NO_NODE);
	KUNIT_ASSERT_NOT_NULL(test, caller->scheme);
	/* DAMON's core sets these before it calls the operations. */
#ifndef RMAP_KUNIT_LACKS_CORE_FILTERS_ALLOWED
	caller->scheme->core_filters_allowed = false;
#endif
#ifndef RMAP_KUNIT_LACKS_OPS_FILTERS_DEFAULT_REJECT
	caller->scheme->ops_filters_default_reject = false;
#endif
	damon_add_scheme(caller->ctx, caller->scheme);
	/* What is young is left out. */
	filter = damos_new_filter(DAMOS_FILTER_TYPE_YOUNG, true, false);
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

/*
 * damon_folio_mkold() makes the PTE old and sets the folio's idle and young
 * flags.
 */
static void damon_mkold_ages_the_folio(struct kunit *test)
{
	damon_mkold_expect_aged(test, caller_of_page(test));
}

/* damon_folio_mkold() makes the PTEs of all processes old. */
static void damon_mkold_ages_each_process(struct kunit *test)
{
	damon_mkold_expect_aged(test, caller_of_shared_page(test));
}

/* damon_folio_mkold() makes all mappings of a KSM folio old. */
static void damon_mkold_ages_each_ksm_mapping(struct kunit *test)
{
	damon_mkold_expect_aged(test, caller_of_ksm_folio(test));
}

/* damon_folio_mkold() makes the PMD of a huge page old. */
static void damon_mkold_ages_a_thp(struct kunit *test)
{
	damon_mkold_expect_aged(test, caller_of_thp(test));
}

/* damon_folio_mkold() walks a locked folio. */
static void damon_mkold_walks_a_locked_folio(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test,
				  damon_mkold_of(test, caller_of_page(test)));
}

/* damon_folio_mkold() walks a locked KSM folio. */
static void damon_mkold_walks_a_locked_ksm_folio(struct kunit *test)
{
	caller_expect_locked_walk(test,
				  damon_mkold_of(test, caller_of_ksm_folio(test)));
}

/* damon_folio_mkold() walks a locked huge page. */
static void damon_mkold_walks_a_locked_thp(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test,
				  damon_mkold_of(test, caller_of_thp(test)));
}

static void damon_mkold_expect_nothing(struct kunit *test, struct caller *caller)
{
	caller_expect_no_walk(test, damon_mkold_of(test, caller));
	KUNIT_EXPECT_FALSE(test, folio_test_idle(caller->folio));
	KUNIT_EXPECT_FALSE(test, folio_test_young(caller->folio));
}

/* If somebody else holds the folio lock, damon_folio_mkold() does nothing. */
static void damon_mkold_contended_does_nothing(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	damon_mkold_expect_nothing(test, caller_of_page(test));
}

/*
 * If somebody else holds a KSM folio's lock, damon_folio_mkold() does nothing.
 */
static void damon_mkold_contended_ksm_does_nothing(struct kunit *test)
{
	damon_mkold_expect_nothing(test, caller_of_ksm_folio(test));
}

/* damon_folio_young() reports a young PTE, which stays young. */
static void damon_young_notices_an_access(struct kunit *test)
{
	struct caller *caller = damon_young_of(test, caller_of_page(test));

	caller_run(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 1);
	/* It looks, and changes nothing. */
	caller_expect_young(test, caller);
}

/* damon_folio_young() reports an access by the parent of two processes. */
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

/* damon_folio_young() reports an access by the child of two processes. */
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

/* A page that nobody has accessed since it was made old is not young. */
static void damon_young_notices_no_access(struct kunit *test)
{
	damon_young_expect_no_access(test, caller_of_page(test));
}

/* A page of two processes that neither has accessed is not young. */
static void damon_young_notices_no_access_by_any_process(struct kunit *test)
{
	damon_young_expect_no_access(test, caller_of_shared_page(test));
}

/* A KSM folio that nobody has accessed is not young. */
static void damon_young_notices_no_access_to_a_ksm_folio(struct kunit *test)
{
	damon_young_expect_no_access(test, caller_of_ksm_folio(test));
}

/* A huge page that nobody has accessed is not young. */
static void damon_young_notices_no_access_to_a_thp(struct kunit *test)
{
	damon_young_expect_no_access(test, caller_of_thp(test));
}

/* damon_folio_young() walks a locked folio. */
static void damon_young_walks_a_locked_folio(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test,
				  damon_young_of_idle(test, caller_of_page(test)));
}

/* damon_folio_young() walks a locked KSM folio. */
static void damon_young_walks_a_locked_ksm_folio(struct kunit *test)
{
	caller_expect_locked_walk(test,
				  damon_young_of_idle(test, caller_of_ksm_folio(test)));
}

/* damon_folio_young() walks a locked huge page. */
static void damon_young_walks_a_locked_thp(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller_expect_locked_walk(test,
				  damon_young_of_idle(test, caller_of_thp(test)));
}

static void damon_young_expect_not_young(struct kunit *test, struct caller *caller)
{
	damon_young_of(test, caller);
	caller->ret = -1;
	caller_expect_no_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, 0);
}

/*
 * If somebody else holds the folio lock, damon_folio_young() says not young
 * without a walk.
 */
static void damon_young_contended_says_not_young(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	damon_young_expect_not_young(test, caller_of_page(test));
}

/*
 * If somebody else holds a KSM folio's lock, damon_folio_young() says not young
 * without a walk.
 */
static void damon_young_contended_ksm_says_not_young(struct kunit *test)
{
	damon_young_expect_not_young(test, caller_of_ksm_folio(test));
}

/*
 * The DAMOS young filter excludes a young folio, and makes it old for the next
 * time.
 */
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

/*
 * The DAMOS young filter locks the folio for each walk: for the look, and for
 * making it old.
 */
static void damos_young_filter_walks_a_locked_folio(struct kunit *test)
{
	struct caller *caller;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller = damos_of(test, caller_of_page(test));
	caller_expect_locked_walk(test, caller);
	caller_expect_locked_walk(test, caller);
}

/*
 * The DAMOS young filter treats a folio that somebody else has locked as not
 * young.
 */
static void damos_young_filter_contended_says_not_young(struct kunit *test)
{
	struct caller *caller;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	caller = damos_of(test, caller_of_page(test));
	caller_expect_no_walk(test, caller);
	KUNIT_EXPECT_EQ(test, caller->ret, PAGE_SIZE);
}
