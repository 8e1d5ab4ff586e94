// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bits of an entry that a move keeps, sets, or clears: dirty, soft-dirty, uffd-wp,
 * and markers in place of a page
 */

/* A dirty page is still dirty at the destination. */
static void dirty_page_stays_dirty(struct kunit *test)
{
	struct move *move = move_page(test);

	KUNIT_ASSERT_TRUE(test, pte_dirty(rmap_kunit_entry(test, move->src).pte));
	move_call(move);
	move_expect_moved(test, move);
	KUNIT_EXPECT_TRUE(test, pte_dirty(rmap_kunit_entry(test, move->dst).pte));
	KUNIT_EXPECT_TRUE(test, pte_young(rmap_kunit_entry(test, move->dst).pte));
}

/*
 * A page that was swapped in and only read stays clean, and keeps its contents.
 */
static void clean_page_stays_clean(struct kunit *test)
{
	struct move *move;
	u32 value = 0;

	rmap_kunit_swapon(test);
	move = move_page(test);
	rmap_kunit_put_folio(test, move->folio);
	rmap_kunit_page_out(test, move->src);
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)move->src), 0);
	KUNIT_ASSERT_EQ(test, value, MOVE_VALUE);
	KUNIT_ASSERT_FALSE(test, pte_dirty(rmap_kunit_entry(test, move->src).pte));
	move->folio = rmap_kunit_folio(test, move->src);
	lru_add_drain_all();
	move_count_references(move);

	move_call(move);
	move_expect_moved(test, move);
	KUNIT_EXPECT_FALSE(test, pte_dirty(rmap_kunit_entry(test, move->dst).pte));

	rmap_kunit_put_folio(test, move->folio);
	rmap_kunit_page_out(test, move->dst);
	value = 0;
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)move->dst), 0);
	KUNIT_EXPECT_EQ(test, value, MOVE_VALUE);
}

/* A moved page is soft-dirty. */
static void moved_page_is_soft_dirty(struct kunit *test)
{
	struct move *move;
	pte_t pte;

	if (!IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
		kunit_skip(test, "needs CONFIG_MEM_SOFT_DIRTY");
	move = move_page(test);
	move_change_pte(test, move->src, pte_mkclean);
	move_change_pte(test, move->src, pte_clear_soft_dirty);
	KUNIT_ASSERT_FALSE(test, pte_soft_dirty(rmap_kunit_entry(test, move->src).pte));
	move_call(move);
	move_expect_moved(test, move);
	pte = rmap_kunit_entry(test, move->dst).pte;
	KUNIT_EXPECT_FALSE(test, pte_dirty(pte));
	KUNIT_EXPECT_TRUE(test, pte_soft_dirty(pte));
}

/* A moved swap entry is soft-dirty. */
static void moved_swap_entry_is_soft_dirty(struct kunit *test)
{
	struct move *move;

	if (!IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
		kunit_skip(test, "needs CONFIG_MEM_SOFT_DIRTY");
	move = move_swapped_page(test, false);
	move_change_pte(test, move->src, pte_swp_clear_soft_dirty);
	KUNIT_ASSERT_FALSE(test, pte_swp_soft_dirty(rmap_kunit_entry(test, move->src).pte));
	move_call(move);
	KUNIT_EXPECT_TRUE(test, pte_swp_soft_dirty(rmap_kunit_entry(test, move->dst).pte));
	move_expect_moved_swapped(test, move);
}

/*
 * A page with the uffd-wp bit moves without it, and is writable at the
 * destination.
 */
static void write_protected_page_moves_and_is_writable(struct kunit *test)
{
	struct move *move = move_page(test);

	move_watch_source(test, move);
	KUNIT_ASSERT_TRUE(test, pte_uffd(rmap_kunit_entry(test, move->src).pte));
	move_call(move);
	move_expect_moved(test, move);
	KUNIT_EXPECT_FALSE(test, pte_uffd(rmap_kunit_entry(test, move->dst).pte));
	rmap_kunit_write(test, move->dst, MOVE_OTHER);
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, move->dst), move->folio);
}

/*
 * A swap entry moves with its uffd-wp bit, which does not block a write at the
 * destination.
 */
static void write_protected_swap_entry_moves(struct kunit *test)
{
	struct move *move;

	rmap_kunit_swapon(test);
	move = move_page(test);
	move_watch_source(test, move);
	rmap_kunit_put_folio(test, move->folio);
	move->folio = NULL;
	rmap_kunit_page_out(test, move->src);
	move->entry = softleaf_from_pte(rmap_kunit_entry(test, move->src).pte);
	KUNIT_ASSERT_TRUE(test, pte_swp_uffd(rmap_kunit_entry(test, move->src).pte));
	move_count_references(move);
	move_call(move);
	KUNIT_EXPECT_TRUE(test, pte_swp_uffd(rmap_kunit_entry(test, move->dst).pte));
	move_expect_moved_swapped(test, move);
	rmap_kunit_write(test, move->dst, MOVE_OTHER);
}

/* A hole with a uffd-wp marker is refused. */
static void write_protected_hole_is_refused(struct kunit *test)
{
	struct move *move = move_area(test, 1);

	if (UFFD_FEATURE_WP_UNPOPULATED == 0)
		kunit_skip(test, "this kernel has no UFFD_FEATURE_WP_UNPOPULATED");
	move_watch_source(test, move);
	KUNIT_ASSERT_TRUE(test, pte_is_marker(rmap_kunit_entry(test, move->src).pte));
	move->req.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	move_expect(test, move, -EFAULT, -EFAULT);
	KUNIT_EXPECT_TRUE(test, pte_is_marker(rmap_kunit_entry(test, move->src).pte));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* A UFFDIO_POISON marker is refused. */
static void poisoned_entry_is_refused(struct kunit *test)
{
#ifdef UFFDIO_POISON
	struct move *move = move_area(test, 1);
	struct uffdio_poison poison = {
		.range = { move->src, PAGE_SIZE },
	};

	rmap_kunit_uffd_register(test, move->uffd, move->src, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, rmap_kunit_uffd_ioctl(test, move->uffd, UFFDIO_POISON,
						    &poison, sizeof(poison)), 0);
	move_expect(test, move, -EFAULT, -EFAULT);
	KUNIT_EXPECT_FALSE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
#else
	kunit_skip(test, "this kernel has no UFFDIO_POISON");
#endif
}
