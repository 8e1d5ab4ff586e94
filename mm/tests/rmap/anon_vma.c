// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which anon_vma a folio leads to, and which folio leads to none
 */

/*
 * folio_lock_anon_vma_read() of a mapped folio returns the anon_vma of its VMA,
 * read-locked.
 */
static void mapped_folio_gives_its_anon_vma(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct rw_semaphore *rwsem = &walker->anon_vma->root->rwsem;
	bool for_writing, for_reading = false;
	struct anon_vma *got;

	folio_lock(walker->folio);
	got = folio_lock_anon_vma_read(walker->folio, NULL);
	for_writing = down_write_trylock(rwsem);
	if (for_writing)
		up_write(rwsem);
	else
		for_reading = down_read_trylock(rwsem);
	if (for_reading)
		up_read(rwsem);
	if (got)
		anon_vma_unlock_read(got);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_PTR_EQ(test, got, walker->anon_vma);
	KUNIT_EXPECT_FALSE_MSG(test, for_writing, "the rwsem was not locked");
	KUNIT_EXPECT_TRUE_MSG(test, for_reading, "the rwsem was locked for writing");
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

/*
 * folio_get_anon_vma() returns the same anon_vma with a reference, and takes no
 * lock.
 */
static void mapped_folio_gives_a_reference(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct anon_vma *got;
	bool locked;
	int refs;

	folio_lock(walker->folio);
	got = folio_get_anon_vma(walker->folio);
	refs = atomic_read(&walker->anon_vma->refcount);
	locked = rwsem_is_locked(&walker->anon_vma->root->rwsem);
	if (got)
		put_anon_vma(got);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_PTR_EQ(test, got, walker->anon_vma);
	KUNIT_EXPECT_EQ(test, refs, walker->before.anon_vma_refs + 1);
	KUNIT_EXPECT_FALSE(test, locked);
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

/* A folio that is no longer mapped has no anon_vma. */
static void unmapped_folio_gives_null(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct anon_vma *locked, *got;

	rmap_kunit_zap(test, walker->addr, PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, folio_mapped(walker->folio));
	/* It still points to the anon_vma: that alone must not be enough. */
	KUNIT_ASSERT_PTR_EQ(test, folio_anon_vma(walker->folio), walker->anon_vma);

	folio_lock(walker->folio);
	locked = lock_anon_vma_read(walker->folio);
	got = get_anon_vma_of(walker->folio);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_NULL(test, locked);
	KUNIT_EXPECT_NULL(test, got);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&walker->anon_vma->root->rwsem));
}

/* A file folio has no anon_vma. */
static void file_folio_gives_null(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap_file(test);
	struct anon_vma *locked, *got;
	struct folio *folio;

	rmap_kunit_write(test, addr, 1);
	folio = rmap_kunit_folio(test, addr);
	KUNIT_ASSERT_TRUE(test, folio_mapped(folio));
	KUNIT_ASSERT_FALSE(test, folio_test_anon(folio));

	folio_lock(folio);
	locked = lock_anon_vma_read(folio);
	got = get_anon_vma_of(folio);
	folio_unlock(folio);

	KUNIT_EXPECT_NULL(test, locked);
	KUNIT_EXPECT_NULL(test, got);
}

/* A KSM folio has no anon_vma: KSM has a reverse map of its own. */
static void ksm_folio_gives_null(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 2);
	struct folio *folio = rmap_kunit_new_ksm_folio(test, addr, 2);
	struct anon_vma *locked, *got;

	KUNIT_ASSERT_TRUE(test, folio_test_anon(folio));
	folio_lock(folio);
	locked = lock_anon_vma_read(folio);
	got = get_anon_vma_of(folio);
	folio_unlock(folio);

	KUNIT_EXPECT_NULL(test, locked);
	KUNIT_EXPECT_NULL(test, got);
}

/* A folio that was never mapped has no anon_vma. */
static void never_mapped_folio_gives_null(struct kunit *test)
{
	struct folio *folio = folio_alloc(GFP_HIGHUSER, 0);
	struct anon_vma *locked, *got;

	KUNIT_ASSERT_NOT_NULL(test, folio);
	folio_lock(folio);
	locked = lock_anon_vma_read(folio);
	got = get_anon_vma_of(folio);
	folio_unlock(folio);
	folio_put(folio);

	KUNIT_EXPECT_NULL(test, locked);
	KUNIT_EXPECT_NULL(test, got);
}

/*
 * An unmapped folio still points to its anon_vma, which may be freed. The
 * pointer must not be dereferenced; here it is an invalid address.
 */
static void stale_anon_vma_is_not_looked_at(struct kunit *test)
{
	struct folio *folio = folio_alloc(GFP_HIGHUSER, 0);
	struct anon_vma *locked, *got;

	KUNIT_ASSERT_NOT_NULL(test, folio);
	folio_lock(folio);
	folio->mapping = (void *)ZERO_SIZE_PTR + FOLIO_MAPPING_ANON;
	locked = lock_anon_vma_read(folio);
	got = get_anon_vma_of(folio);
	folio->mapping = NULL;
	folio_unlock(folio);
	folio_put(folio);

	KUNIT_EXPECT_NULL(test, locked);
	KUNIT_EXPECT_NULL(test, got);
}

/**
 * struct forked_page - What a child has at an address after it wrote there
 * @addr: the address
 * @folio: its folio, with a reference
 * @anon_vma: the anon_vma of its VMA
 */
struct forked_page {
	unsigned long addr;
	struct folio *folio;
	struct anon_vma *anon_vma;
};

static void forked_page_write(struct rmap_kunit_child *child)
{
	struct forked_page *forked = child->data;
	struct page *page;

	if (put_user(2, (u32 __user *)forked->addr) ||
	    get_user_pages_fast(forked->addr, 1, FOLL_NOFAULT, &page) != 1)
		return;
	forked->folio = page_folio(page);
	mmap_read_lock(current->mm);
	forked->anon_vma = vma_lookup(current->mm, forked->addr)->anon_vma;
	mmap_read_unlock(current->mm);
}

/* A page that a child has copied on write leads to the child's anon_vma. */
static void forked_copy_gives_the_childs_anon_vma(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct anon_vma *of_parent, *of_child, *got;
	struct forked_page *forked;

	forked = kunit_kzalloc(test, sizeof(*forked), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, forked);
	forked->addr = walker->addr;
	rmap_kunit_fork(test, forked_page_write, forked);
	KUNIT_ASSERT_NOT_NULL(test, forked->folio);
	KUNIT_ASSERT_PTR_NE(test, forked->folio, walker->folio);

	folio_lock(walker->folio);
	of_parent = lock_anon_vma_read(walker->folio);
	folio_unlock(walker->folio);
	folio_lock(forked->folio);
	of_child = lock_anon_vma_read(forked->folio);
	got = get_anon_vma_of(forked->folio);
	folio_unlock(forked->folio);
	folio_put(forked->folio);

	KUNIT_ASSERT_PTR_EQ(test, of_parent, walker->anon_vma);
	KUNIT_ASSERT_PTR_EQ(test, of_child, forked->anon_vma);
	KUNIT_EXPECT_PTR_EQ(test, got, forked->anon_vma);
	KUNIT_ASSERT_PTR_NE(test, of_child, of_parent);
	KUNIT_EXPECT_PTR_EQ(test, of_child->root, of_parent->root);
}

/*
 * Once the parent has let go of a page and the child has written to it, the
 * page leads to the anon_vma of the child's VMA, not to the common root.
 */
static void page_left_to_a_child_gives_the_childs_anon_vma(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct rmap_kunit_child *child;
	struct forked_page *forked;
	struct anon_vma *got;

	forked = kunit_kzalloc(test, sizeof(*forked), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, forked);
	forked->addr = walker->addr;
	child = rmap_kunit_fork(test, NULL, forked);
	rmap_kunit_zap(test, walker->addr, PAGE_SIZE);
	rmap_kunit_put_folio(test, walker->folio);
	rmap_kunit_child_run(test, child, forked_page_write);
	/* Written to in place: it was nobody else's any more. */
	KUNIT_ASSERT_PTR_EQ(test, forked->folio, walker->folio);

	folio_lock(forked->folio);
	got = lock_anon_vma_read(forked->folio);
	folio_unlock(forked->folio);
	folio_put(forked->folio);

	KUNIT_ASSERT_PTR_EQ(test, got, forked->anon_vma);
	KUNIT_EXPECT_PTR_NE(test, got, walker->anon_vma);
	KUNIT_EXPECT_PTR_EQ(test, got->root, walker->anon_vma->root);
}
