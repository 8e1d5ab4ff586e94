// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callers that always had the folio locked: unmapping, migration, cleaning
 */

/*
 * try_to_unmap() discards a lazily freed page in all processes, without swap.
 */
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

/*
 * try_to_migrate() replaces all mappings, and remove_migration_ptes() restores
 * them.
 */
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

/*
 * An exclusive page is still exclusive after migration, whether mapped writable
 * or read-only.
 */
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

/* Migration entries preserve young and dirty where they have room. */
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

/* folio_mkclean() write-protects a file page, so that the next write faults. */
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
