// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs of pages in one call, and where they end
 */

/*
 * Pages move across page-table boundaries, which source and destination have at
 * different places.
 */
static void pages_move_across_the_ends_of_page_tables(struct kunit *test)
{
	unsigned long len = 3 * PMD_SIZE, offset, src, dst;
	struct move *move;

	if (len / PAGE_SIZE > totalram_pages() / 4)
		kunit_skip(test, "needs %lu MiB of memory", 4 * len / SZ_1M);
	src = rmap_kunit_mmap_far(test, 2 * len);
	dst = rmap_kunit_mmap_far(test, 2 * len);
	move_no_thps(test, src, 2 * len);
	move_no_thps(test, dst, 2 * len);
	src += PMD_SIZE - 100 * PAGE_SIZE;
	dst += PMD_SIZE - 37 * PAGE_SIZE;
	for (offset = 0; offset < len; offset += PAGE_SIZE)
		rmap_kunit_write(test, src + offset, offset / PAGE_SIZE + 1);
	move = move_alloc(test, src, dst, len);
	lru_add_drain_all();
	move_set_request(move, len);
	move_expect(test, move, 0, len);
	move_expect_run(test, move, len / PAGE_SIZE);
}

/*
 * A run does not go past the end of the source's page table, where in memory
 * another page table may follow.
 */
static void run_ends_with_the_page_table_of_its_source(struct kunit *test)
{
	unsigned long src = rmap_kunit_mmap_far(test, MOVE_TABLES * PMD_SIZE);
	unsigned long half = MOVE_RUN / 2 * PAGE_SIZE, i, j;
	struct move *move;
	u32 value;

	move_no_thps(test, src, MOVE_TABLES * PMD_SIZE);
	/* Reading takes memory for the page tables only: first every second one. */
	for (i = 0; i < 2; i++) {
		for (j = i; j < MOVE_TABLES; j += 2) {
			u32 __user *at = (u32 __user *)(src + j * PMD_SIZE);

			KUNIT_ASSERT_EQ(test, get_user(value, at), 0);
			KUNIT_ASSERT_EQ(test, value, 0);
		}
	}
	for (i = 1; i < MOVE_TABLES; i++)
		for (j = 0; j < MOVE_RUN; j++)
			rmap_kunit_write(test, src + i * PMD_SIZE - half + j * PAGE_SIZE,
					 i * MOVE_RUN + j);

	move = move_area(test, MOVE_RUN);
	for (i = 1; i < MOVE_TABLES; i++) {
		move->src = src + i * PMD_SIZE - half;
		move_set_request(move, move->len);
		move_expect(test, move, 0, move->len);
		for (j = 0; j < MOVE_RUN; j++) {
			unsigned long dst = move->dst + j * PAGE_SIZE;

			KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, dst),
					i * MOVE_RUN + j);
		}
		rmap_kunit_zap(test, move->dst, move->len);
	}
}

/* A pinned page stops the run. The next call fails with EBUSY. */
static void pinned_page_in_a_run_stops_it(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	struct page *page;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(move->src + 5 * PAGE_SIZE, 1,
						  FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin, page), 0);
	move_expect(test, move, -EAGAIN, 5 * PAGE_SIZE);
	move_expect_next(test, move, 5, -EBUSY);
	kunit_release_action(test, move_unpin, page);
	move_expect_run(test, move, 5);

	move_set_request(move, move->len);
	move->req.src += 5 * PAGE_SIZE;
	move->req.dst += 5 * PAGE_SIZE;
	move->req.len -= 5 * PAGE_SIZE;
	move_expect(test, move, 0, move->req.len);
	move_expect_run(test, move, MOVE_RUN);
}

/* A page shared with a child stops the run. The next call fails with EBUSY. */
static void forked_page_in_a_run_stops_it(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	struct rmap_kunit_child *child;
	int i;

	/* All but the sixth one are the parent's alone again. */
	child = rmap_kunit_fork(test, NULL, NULL);
	for (i = 0; i < MOVE_RUN; i++)
		if (i != 5)
			rmap_kunit_write(test, move->src + i * PAGE_SIZE, i + 1);
	move_expect(test, move, -EAGAIN, 5 * PAGE_SIZE);
	move_expect_next(test, move, 5, -EBUSY);
	rmap_kunit_reap(test, child);
	rmap_kunit_write(test, move->src + 5 * PAGE_SIZE, 6);
	lru_add_drain_all();
	move_expect_run(test, move, 5);
}

/* A page at the destination stops the run. The next call fails with EEXIST. */
static void present_destination_in_a_run_stops_it(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	unsigned long there = move->dst + 5 * PAGE_SIZE;

	move_fill(test, move, there);
	move_expect(test, move, -EAGAIN, 5 * PAGE_SIZE);
	move_expect_next(test, move, 5, -EEXIST);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, there), MOVE_OTHER);
	rmap_kunit_zap(test, there, PAGE_SIZE);
	move_expect_run(test, move, 5);
}

/*
 * While a move waits for a locked page in a run, the pages before it have moved
 * and those after it are not locked.
 */
static void locked_page_in_a_run_is_waited_for(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	struct folio *after;

	move->folio = rmap_kunit_folio(test, move->src + 5 * PAGE_SIZE);
	after = rmap_kunit_folio(test, move->src + 6 * PAGE_SIZE);
	move->thread = rmap_kunit_thread_create(test, move_call, move);
	move_block_on_folio(test, move);
	KUNIT_EXPECT_EQ(test, move->folio->index,
			rmap_kunit_index(test, move->src + 5 * PAGE_SIZE));
	/* Others may have the next one meanwhile. */
	KUNIT_EXPECT_FALSE(test, folio_test_locked(after));
	KUNIT_EXPECT_FALSE(test, rmap_kunit_is_hole(test, move->src + 5 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, rmap_kunit_is_hole(test, move->src + 6 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, rmap_kunit_is_hole(test, move->dst + 4 * PAGE_SIZE));
	move_unblock(test, move, 0);
	rmap_kunit_put_folio(test, move->folio);
	rmap_kunit_put_folio(test, after);
	move_expect_run(test, move, MOVE_RUN);
}

/* A run continues after a zero page, a hole and swapped-out pages. */
static void run_goes_on_after_other_entries(struct kunit *test)
{
	bool swap = move_has_exclusive_swap();
	struct move *move;
	u32 value;
	int i;

	if (swap)
		rmap_kunit_swapon(test);
	move = move_run(test, MOVE_RUN);
	/* The third a zero page, the fifth a hole, the next two swapped out. */
	rmap_kunit_zap(test, move->src + 2 * PAGE_SIZE, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)(move->src + 2 * PAGE_SIZE)), 0);
	rmap_kunit_zap(test, move->src + 4 * PAGE_SIZE, PAGE_SIZE);
	for (i = 5; swap && i < 7; i++) {
		rmap_kunit_page_out(test, move->src + i * PAGE_SIZE);
		KUNIT_ASSERT_TRUE(test, rmap_kunit_is_swapped(test, move->src + i * PAGE_SIZE));
	}

	move->req.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	move_expect(test, move, 0, move->len);
	for (i = 0; i < MOVE_RUN; i++)
		KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src + i * PAGE_SIZE));
	/* To look at a hole would mean to wait for somebody to fill it. */
	KUNIT_ASSERT_FALSE(test, rmap_kunit_is_hole(test, move->dst + 2 * PAGE_SIZE));
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)(move->dst + 2 * PAGE_SIZE)), 0);
	KUNIT_EXPECT_EQ(test, value, 0);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst + 4 * PAGE_SIZE));
	for (i = 5; i < 7; i++) {
		unsigned long dst = move->dst + i * PAGE_SIZE;

		KUNIT_EXPECT_EQ(test, rmap_kunit_is_swapped(test, dst), swap);
		KUNIT_ASSERT_FALSE(test, rmap_kunit_is_hole(test, dst));
		KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)dst), 0);
		KUNIT_EXPECT_EQ(test, value, i + 1);
	}
	lru_add_drain_all();
	for (i = 0; i < MOVE_RUN; i++)
		if (i != 2 && (i < 4 || i > 6))
			move_expect_page(test, move, i, move->dst);
}

/* A poison marker stops the run. The next call fails with EFAULT. */
static void marker_in_a_run_stops_it(struct kunit *test)
{
#ifdef UFFDIO_POISON
	struct move *move = move_run(test, MOVE_RUN);
	unsigned long marked = move->src + 5 * PAGE_SIZE;
	struct uffdio_poison poison = {
		.range = { marked, PAGE_SIZE },
	};

	rmap_kunit_uffd_register(test, move->uffd, move->src, move->len);
	rmap_kunit_zap(test, marked, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, rmap_kunit_uffd_ioctl(test, move->uffd, UFFDIO_POISON,
						    &poison, sizeof(poison)), 0);
	move_expect(test, move, -EAGAIN, 5 * PAGE_SIZE);
	move_expect_next(test, move, 5, -EFAULT);
	KUNIT_EXPECT_TRUE(test, pte_is_marker(rmap_kunit_entry(test, marked).pte));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst + 5 * PAGE_SIZE));
	move_expect_page(test, move, 4, move->dst);
	move_expect_page(test, move, 6, move->src);
#else
	kunit_skip(test, "this kernel has no UFFDIO_POISON");
#endif
}

/*
 * Each page of a run keeps its own dirty bit, and loses its write protection.
 */
static void bits_are_those_of_each_page(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	int i;

	/* Every second page is clean, and the first one is watched for writes. */
	for (i = 1; i < MOVE_RUN; i += 2) {
		move_change_pte(test, move->src + i * PAGE_SIZE, pte_mkclean);
		if (IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
			move_change_pte(test, move->src + i * PAGE_SIZE,
					pte_clear_soft_dirty);
	}
	if (IS_ENABLED(CONFIG_HAVE_ARCH_USERFAULTFD_WP))
		move_watch_source(test, move);
	move_expect(test, move, 0, move->len);
	for (i = 0; i < MOVE_RUN; i++) {
		pte_t pte = rmap_kunit_entry(test, move->dst + i * PAGE_SIZE).pte;

		KUNIT_EXPECT_EQ(test, !pte_dirty(pte), i % 2);
		KUNIT_EXPECT_TRUE(test, pte_write(pte));
		KUNIT_EXPECT_TRUE(test, pte_young(pte));
		KUNIT_EXPECT_FALSE(test, pte_uffd(pte));
		if (IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
			KUNIT_EXPECT_TRUE(test, pte_soft_dirty(pte));
	}
	move_expect_run(test, move, MOVE_RUN);
}
