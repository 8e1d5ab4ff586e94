// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to a page while the move waits for it, or at the last moment
 */

/*
 * What happens to the page while the move waits for its folio lock must count. A
 * fork cannot happen then: it waits for the VMA that the move has locked.
 */
static void move_pin_while_it_waits(struct kunit *test, struct move *move)
{
	struct page *page;

	move_block_on_folio(test, move);
	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(move->src, 1, FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin, page), 0);
	move_unblock(test, move, -EBUSY);
	move_expect_stayed(test, move);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	kunit_release_action(test, move_unpin, page);
	/* One for the lookup in move_expect_stayed(). */
	KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio), move->folio_refs + 1);
}

/*
 * A page that is pinned while the move waits for the folio lock does not move:
 * EBUSY.
 */
static void page_pinned_while_the_move_waits_stays(struct kunit *test)
{
	move_pin_while_it_waits(test, move_page(test));
}

/*
 * A huge page that is pinned while the move waits for the folio lock does not
 * move: EBUSY.
 */
static void thp_pinned_while_the_move_waits_stays(struct kunit *test)
{
	move_pin_while_it_waits(test, move_thp(test));
}

static void move_zap_while_it_waits(struct kunit *test, struct move *move)
{
	move_block_on_folio(test, move);
	rmap_kunit_zap(test, move->src, move->len);
	move_unblock(test, move, -ENOENT);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_EQ(test, folio_mapcount(move->folio), 0);
	lru_add_drain_all();
	KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio), 1);
}

/*
 * A page that is zapped while the move waits for the folio lock is a hole:
 * ENOENT.
 */
static void page_zapped_while_the_move_waits_is_a_hole(struct kunit *test)
{
	move_zap_while_it_waits(test, move_page(test));
}

/*
 * A huge page that is zapped while the move waits for the folio lock is a hole:
 * ENOENT.
 */
static void thp_zapped_while_the_move_waits_is_a_hole(struct kunit *test)
{
	move_zap_while_it_waits(test, move_thp(test));
}

/* The page that is there when the move goes on is the one that moves. */
static void move_replace_while_it_waits(struct kunit *test, struct move *move)
{
	struct folio *gone = move->folio;

	move_block_on_folio(test, move);
	rmap_kunit_zap(test, move->src, move->len);
	rmap_kunit_write(test, move->src, MOVE_OTHER);
	move_unblock(test, move, 0);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_OTHER);
	move_expect_walk(test, rmap_kunit_folio(test, move->dst), move->dst);
	lru_add_drain_all();
	KUNIT_EXPECT_EQ(test, folio_ref_count(gone), 1);
}

/* If another page replaces the source while the move waits, that one moves. */
static void page_replaced_while_the_move_waits_moves(struct kunit *test)
{
	move_replace_while_it_waits(test, move_page(test));
}

/*
 * If another page replaces a huge source page while the move waits, that one
 * moves.
 */
static void thp_replaced_while_the_move_waits_moves(struct kunit *test)
{
	move_replace_while_it_waits(test, move_thp(test));
}

static void move_fill_while_it_waits(struct kunit *test, struct move *move)
{
	move_block_on_folio(test, move);
	move_fill(test, move, move->dst);
	move_unblock(test, move, -EEXIST);
	move_expect_stayed(test, move);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_OTHER);
}

/*
 * A page that appears at the destination while the move waits is not replaced:
 * EEXIST.
 */
static void destination_filled_while_the_move_waits_stays(struct kunit *test)
{
	move_fill_while_it_waits(test, move_page(test));
}

/*
 * A page that appears at the destination of a huge page while the move waits is
 * not replaced: EEXIST.
 */
static void thp_destination_filled_while_the_move_waits_stays(struct kunit *test)
{
	move_fill_while_it_waits(test, move_thp(test));
}

/* A migrating page moves after the migration. */
static void migrating_page_waits_and_moves(struct kunit *test)
{
	struct move *move = move_page(test);
	enum rmap_kunit_outcome outcome;
	bool migrating;
	pte_t pte;

	if (!IS_ENABLED(CONFIG_MIGRATION))
		kunit_skip(test, "needs CONFIG_MIGRATION");
	folio_lock(move->folio);
	try_to_migrate(move->folio, 0);
	pte = rmap_kunit_entry(test, move->src).pte;
	migrating = softleaf_is_migration(softleaf_from_pte(pte));
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_folio(move->thread, move->folio);
	remove_migration_ptes(move->folio, move->folio, 0);
	folio_unlock(move->folio);

	KUNIT_EXPECT_TRUE(test, migrating);
	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	move_expect_moved(test, move);
}

#if defined(CONFIG_KPROBES) && (defined(CONFIG_X86_64) || defined(CONFIG_ARM64))

/**
 * struct last_pin - Pins a folio between the check for pins and the end of its mapping
 * @probe: on the function that clears the page table entry
 * @folio: the folio
 * @task: the thread that moves
 * @pinned: whether it is pinned now
 */
struct last_pin {
	struct kprobe probe;
	struct folio *folio;
	struct task_struct *task;
	bool pinned;
};

/* What GUP-fast does, which takes no lock. */
static int last_pin_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct last_pin *pin = container_of(probe, struct last_pin, probe);

	if (current != pin->task || pin->pinned)
		return 0;
	if (folio_test_large(pin->folio)) {
		folio_ref_add(pin->folio, 1);
		atomic_inc(&pin->folio->_pincount);
	} else {
		folio_ref_add(pin->folio, GUP_PIN_COUNTING_BIAS);
	}
	pin->pinned = true;
	return 0;
}

static void last_pin_end(void *data)
{
	struct last_pin *pin = data;

	unregister_kprobe(&pin->probe);
	if (pin->pinned)
		unpin_user_page(&pin->folio->page);
}

/* A page that gets pinned at the last moment is put back. */
static void move_pin_at_last(struct kunit *test, struct move *move,
			     const char *symbol)
{
	struct last_pin *pin = kunit_kzalloc(test, sizeof(*pin), GFP_KERNEL);
	bool pinned;

	KUNIT_ASSERT_NOT_NULL(test, pin);
	pin->folio = move->folio;
	pin->task = current;
	pin->probe.symbol_name = symbol;
	pin->probe.pre_handler = last_pin_pre;
	KUNIT_ASSERT_EQ(test, register_kprobe(&pin->probe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, last_pin_end, pin), 0);
	move_call(move);
	pinned = pin->pinned;
	kunit_release_action(test, last_pin_end, pin);
	if (!pinned)
		kunit_skip(test, "this kernel does not call %s() here", symbol);

	KUNIT_EXPECT_EQ(test, move->ret, -EBUSY);
	KUNIT_EXPECT_FALSE(test, folio_test_locked(move->folio));
	KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio), move->folio_refs);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	move_expect_stayed(test, move);
	move_expect_walk(test, move->folio, move->src);
}

/* A page that is pinned when its PTE is cleared is put back: EBUSY. */
static void page_pinned_at_the_last_moment_is_put_back(struct kunit *test)
{
	/* Where pages move in runs, what clears the PTE is inline. */
	move_pin_at_last(test, move_page(test),
			 __is_defined(RMAP_KUNIT_MOVES_RUNS) && IS_ENABLED(CONFIG_X86_64) ?
			 "flush_tlb_mm_range" : "ptep_clear_flush");
}

/* A huge page that is pinned when its PMD is cleared is put back: EBUSY. */
static void thp_pinned_at_the_last_moment_is_put_back(struct kunit *test)
{
	move_pin_at_last(test, move_thp(test), "pmdp_huge_clear_flush");
}

#else

static void page_pinned_at_the_last_moment_is_put_back(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES, on x86_64 or arm64");
}

static void thp_pinned_at_the_last_moment_is_put_back(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES, on x86_64 or arm64");
}

#endif
