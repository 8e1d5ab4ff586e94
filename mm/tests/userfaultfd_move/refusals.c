// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests and pages that are refused
 */

/* A page shared with a child is refused, and moves once the child is gone. */
static void forked_page_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	struct rmap_kunit_child *child = rmap_kunit_fork(test, NULL, NULL);
	struct rmap_kunit_folio_state before = rmap_kunit_folio_state(move->folio);

	KUNIT_ASSERT_EQ(test, before.mapcount, 2);
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, -EBUSY);
	KUNIT_EXPECT_EQ(test, move->req.move, -EBUSY);
	rmap_kunit_expect_unchanged(test, move->folio, &before);
	KUNIT_EXPECT_EQ(test, move->folio->index, rmap_kunit_index(test, move->src));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);

	/* A write makes it the parent's alone, in place or in a copy. */
	rmap_kunit_reap(test, child);
	rmap_kunit_write(test, move->src, MOVE_VALUE);
	lru_add_drain_all();
	move->folio = rmap_kunit_folio(test, move->src);
	move_count_references(move);
	move_set_request(move, move->len);
	move_call(move);
	move_expect_moved(test, move);
}

/* A page at the destination is not replaced: the move fails with EEXIST. */
static void present_destination_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	struct move *other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, other);
	*other = *move;
	move_call(move);
	move_expect_moved(test, move);

	/* Another page to the same place. */
	other->folio = rmap_kunit_new_folio(test, other->src, MOVE_VALUE);
	move_count_references(other);
	move_expect_refused(test, other, -EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, move->dst), move->folio);
}

/* A pinned page is refused, and moves once it is unpinned. */
static void pinned_page_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	struct page *page;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(move->src, 1, FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin, page), 0);
	move_count_references(move);
	move_expect_refused(test, move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));

	kunit_release_action(test, move_unpin, page);
	move_count_references(move);
	move_set_request(move, move->len);
	move_call(move);
	move_expect_moved(test, move);
}

/* Unaligned, empty or wrapping ranges and unknown modes are refused. */
static void invalid_requests_are_refused(struct kunit *test)
{
	static const struct {
		const char *what;
		long dst, src, len;
		u64 mode;
	} cases[] = {
		{ "empty range", 0, 0, -PAGE_SIZE, 0 },
		{ "length not page aligned", 0, 0, 1, 0 },
		{ "destination not page aligned", 1, 0, 0, 0 },
		{ "source not page aligned", 0, 1, 0, 0 },
		{ "range that wraps", 0, 0, -2 * PAGE_SIZE, 0 },
		{ "unknown mode", 0, 0, 0, 1ULL << 63 },
	};
	/* With room for what is not aligned. */
	struct move *move = move_area(test, 2);
	int i;

	move->len = PAGE_SIZE;
	move_ready(test, move, rmap_kunit_new_folio(test, move->src, MOVE_VALUE));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		move_set_request(move, move->len + cases[i].len);
		move->req.dst += cases[i].dst;
		move->req.src += cases[i].src;
		move->req.mode = cases[i].mode;
		kunit_info(test, "%s", cases[i].what);
		move_expect_refused(test, move, -EINVAL);
	}
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* A range that extends beyond one of the two VMAs is refused. */
static void ranges_beyond_a_vma_are_refused(struct kunit *test)
{
	struct move *move;
	int src_pages;

	for (src_pages = 1; src_pages <= 2; src_pages++) {
		int dst_pages = 3 - src_pages;

		move = move_alloc(test, rmap_kunit_mmap(test, src_pages),
				  rmap_kunit_mmap(test, dst_pages),
				  dst_pages * PAGE_SIZE);
		move_ready(test, move,
			   rmap_kunit_new_folio(test, move->src, MOVE_VALUE));
		move_set_request(move, 2 * PAGE_SIZE);
		move_expect_refused(test, move, -EINVAL);
		KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	}
}

/*
 * A destination that is not registered with this userfaultfd, or is not
 * anonymous, is refused.
 */
static void other_kinds_of_destination_are_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	unsigned long dst = rmap_kunit_mmap(test, 1);

	/* Not registered. */
	move_set_request(move, move->len);
	move->req.dst = dst;
	move_expect_refused(test, move, -EINVAL);

	/* Registered with another userfaultfd. */
	rmap_kunit_uffd_register(test, rmap_kunit_uffd_open(test), dst, PAGE_SIZE);
	move_set_request(move, move->len);
	move->req.dst = dst;
	move_expect_refused(test, move, -EINVAL);

	/* Shared memory. */
	move_set_request(move, move->len);
	move->req.dst = rmap_kunit_mmap_file(test);
	rmap_kunit_uffd_register(test, move->uffd, move->req.dst, PAGE_SIZE);
	move_expect_refused(test, move, -EINVAL);
}

/* An unreadable argument is refused with EFAULT. */
static void bad_argument_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);

	/* A page that is mapped, but not accessible. */
	KUNIT_EXPECT_EQ(test, rmap_kunit_ioctl(move->uffd, UFFDIO_MOVE,
					       move->arg + PAGE_SIZE), -EFAULT);
	move_call(move);
	move_expect_moved(test, move);
}
