// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves of pages that are swapped out, in the swap cache or not
 */

/* A swapped-out page moves as a swap entry, without being read in. */
static void swapped_page_moves_without_being_read_in(struct kunit *test)
{
	struct move *move = move_swapped_page(test, false);

	move_call(move);
	move_expect_moved_swapped(test, move);
}

/*
 * A swap entry takes its folio in the swap cache along, and a fault at the
 * destination finds it.
 */
static void swapped_page_moves_with_its_swap_cache_folio(struct kunit *test)
{
	struct move *move = move_swapped_page(test, true);

	KUNIT_ASSERT_TRUE(test, folio_test_swapcache(move->folio));
	move_call(move);
	move_expect_moved_swapped(test, move);
}

/* A move of a swap entry does not wait for a reader of the root's rwsem. */
static void swapped_page_moves_while_root_is_read_locked(struct kunit *test)
{
	move_with_root_held(test, move_swapped_page(test, false), false,
			    RMAP_KUNIT_DONE);
}

/* A move of a swap entry does not wait for a writer of the root's rwsem. */
static void swapped_page_moves_while_root_is_write_locked(struct kunit *test)
{
	move_with_root_held(test, move_swapped_page(test, false), true,
			    RMAP_KUNIT_DONE);
}

/*
 * A move of a swap entry with a folio in the swap cache does not wait for a
 * reader of the root's rwsem.
 */
static void swap_cache_folio_moves_while_root_is_read_locked(struct kunit *test)
{
	move_with_root_held(test, move_swapped_page(test, true), false,
			    RMAP_KUNIT_DONE);
}

/*
 * A move of a swap entry with a folio in the swap cache does not wait for a
 * writer of the root's rwsem.
 */
static void swap_cache_folio_moves_while_root_is_write_locked(struct kunit *test)
{
	move_with_root_held(test, move_swapped_page(test, true), true,
			    RMAP_KUNIT_DONE);
}

/* A swap entry that is shared with a child is refused. */
static void forked_swapped_page_is_refused(struct kunit *test)
{
	struct move *move = move_swapped_page(test, false);

	rmap_kunit_fork(test, NULL, NULL);
	move_expect(test, move, -EBUSY, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_swapped(test, move->src));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* A page at the destination is not replaced by a swap entry: EEXIST. */
static void present_destination_refuses_a_swapped_page(struct kunit *test)
{
	struct move *move = move_swapped_page(test, false);

	move_fill(test, move, move->dst);
	move_expect(test, move, -EEXIST, -EEXIST);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_swapped(test, move->src));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_OTHER);
}

/* A swap entry at the destination is not replaced: EEXIST. */
static void swapped_destination_is_refused(struct kunit *test)
{
	struct move *move;

	rmap_kunit_swapon(test);
	move = move_page(test);
	move_fill(test, move, move->dst);
	rmap_kunit_page_out(test, move->dst);
	move_expect_refused(test, move, -EEXIST);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_swapped(test, move->dst));
}

/**
 * struct swap_hold - Keeps a folio in the swap cache
 * @notifier: called when the folio is unmapped by reclaim, so after it was added
 *	to the swap cache
 * @folio: the folio
 * @held: whether there is a reference of ours
 */
struct swap_hold {
	struct mmu_notifier notifier;
	struct folio *folio;
	bool held;
};

static int swap_hold_start(struct mmu_notifier *notifier,
			   const struct mmu_notifier_range *range)
{
	struct swap_hold *hold = container_of(notifier, struct swap_hold, notifier);

	if (!hold->held && folio_test_swapcache(hold->folio)) {
		folio_get(hold->folio);
		hold->held = true;
	}
	return 0;
}

static const struct mmu_notifier_ops swap_hold_ops = {
	.invalidate_range_start = swap_hold_start,
};

static void swap_hold_end(void *data)
{
	struct swap_hold *hold = data;

	mmu_notifier_unregister(&hold->notifier, hold->notifier.mm);
	if (hold->held)
		folio_put(hold->folio);
}

/* A swap entry whose folio in the swap cache is large is refused. */
static void large_swap_cache_folio_is_refused(struct kunit *test)
{
	unsigned long src = rmap_kunit_mmap_thp(test);
	struct swap_hold *hold;
	struct move *move;

	if (!IS_ENABLED(CONFIG_THP_SWAP))
		kunit_skip(test, "needs CONFIG_THP_SWAP");
	rmap_kunit_swapon(test);
	move = move_alloc(test, src, rmap_kunit_mmap(test, 1), PAGE_SIZE);
	hold = kunit_kzalloc(test, sizeof(*hold), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, hold);
	hold->notifier.ops = &swap_hold_ops;
	hold->folio = rmap_kunit_new_thp(test, src, MOVE_VALUE);
	/* Reclaim leaves alone what has a reference more than it expects. */
	rmap_kunit_put_folio(test, hold->folio);
	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&hold->notifier, current->mm), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, swap_hold_end, hold), 0);

	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, src, PMD_SIZE, MADV_PAGEOUT), 0);
	KUNIT_ASSERT_TRUE(test, hold->held);
	KUNIT_ASSERT_TRUE(test, folio_test_swapcache(hold->folio));
	KUNIT_ASSERT_EQ(test, folio_size(hold->folio), PMD_SIZE);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_is_swapped(test, src));

	move_set_request(move, PAGE_SIZE);
	move_expect(test, move, -EBUSY, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_swapped(test, src));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_FALSE(test, folio_test_locked(hold->folio));
}

/* A move of a swap entry waits for the lock of its folio in the swap cache. */
static void swap_cache_folio_waits_for_the_folio_lock(struct kunit *test)
{
	struct move *move = move_swapped_page(test, true);

	move_block_on_folio(test, move);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_swapped(test, move->src));
	KUNIT_EXPECT_PTR_EQ(test, folio_anon_vma(move->folio), move->old);
	move_unblock(test, move, 0);
	move_expect_moved_swapped(test, move);
}

/* A swap entry that is zapped while the move waits is a hole: ENOENT. */
static void swapped_page_zapped_while_the_move_waits_is_a_hole(struct kunit *test)
{
	struct move *move = move_swapped_page(test, true);

	move_block_on_folio(test, move);
	rmap_kunit_zap(test, move->src, move->len);
	move_unblock(test, move, -ENOENT);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/*
 * A page that appears at the destination while the move of a swap entry waits
 * is not replaced: EEXIST.
 */
static void destination_filled_while_a_swapped_page_waits_stays(struct kunit *test)
{
	struct move *move = move_swapped_page(test, true);

	move_block_on_folio(test, move);
	move_fill(test, move, move->dst);
	move_unblock(test, move, -EEXIST);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_swapped(test, move->src));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_OTHER);
	KUNIT_EXPECT_PTR_EQ(test, folio_anon_vma(move->folio), move->old);
}
