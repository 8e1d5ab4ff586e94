// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a move of small pages leaves behind at both ends, and holes
 */

/*
 * The kernel announces UFFDIO_MOVE: in the features of a userfaultfd, and for
 * each registered range.
 */
static void ioctl_is_offered(struct kunit *test)
{
	const unsigned long areas[] = {
		rmap_kunit_mmap(test, 1),
		rmap_kunit_mmap_file(test),
	};
	u64 features = 0, ioctls;
	struct file *uffd;
	int i;

	uffd = rmap_kunit_uffd_open_any(test, &features);
	KUNIT_ASSERT_TRUE_MSG(test, features & UFFD_FEATURE_MOVE,
			      "UFFDIO_MOVE is missing");
	for (i = 0; i < ARRAY_SIZE(areas); i++) {
		ioctls = rmap_kunit_uffd_register_for(test, uffd, areas[i], PAGE_SIZE,
						      UFFDIO_REGISTER_MODE_MISSING);
		KUNIT_EXPECT_TRUE(test, ioctls & BIT_ULL(_UFFDIO_MOVE));
	}
}

/* A page moves, and the folio gets the destination's anon_vma and index. */
static void page_moves_with_its_anon_vma(struct kunit *test)
{
	struct move *move = move_page(test);

	move_call(move);
	move_expect_moved(test, move);
}

/* A page moves within a VMA, and back again. */
static void page_moves_inside_a_vma_and_back(struct kunit *test)
{
	unsigned long area = rmap_kunit_mmap(test, 2);
	struct move *move = move_alloc(test, area, area + PAGE_SIZE, PAGE_SIZE);
	struct anon_vma *anon_vma = move->new;

	move->folio = rmap_kunit_new_folio(test, move->src, MOVE_VALUE);
	/* Registering the destination has split the VMA; the anon_vma is the same. */
	move->old = rmap_kunit_anon_vma(test, move->src);
	KUNIT_ASSERT_PTR_EQ(test, move->old, anon_vma);
	rmap_kunit_uffd_register(test, move->uffd, area, 2 * PAGE_SIZE);

	move_count_references(move);
	move_set_request(move, PAGE_SIZE);
	move_call(move);
	move_expect_moved(test, move);

	swap(move->src, move->dst);
	move_count_references(move);
	move_set_request(move, PAGE_SIZE);
	move_call(move);
	move_expect_moved(test, move);
}

/* The zero page moves: there is no folio to lock. */
static void zero_page_moves(struct kunit *test)
{
	struct move *move = move_alloc(test, rmap_kunit_mmap(test, 1),
				       rmap_kunit_mmap(test, 1), PAGE_SIZE);
	u32 value;
	pte_t pte;

	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)move->src), 0);
	KUNIT_EXPECT_EQ(test, value, 0);
	pte = rmap_kunit_entry(test, move->src).pte;
	KUNIT_ASSERT_TRUE(test, pte_present(pte) && is_zero_pfn(pte_pfn(pte)));

	move_set_request(move, PAGE_SIZE);
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_EQ(test, move->req.move, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	pte = rmap_kunit_entry(test, move->dst).pte;
	KUNIT_EXPECT_TRUE(test, pte_present(pte) && is_zero_pfn(pte_pfn(pte)));
	KUNIT_EXPECT_FALSE(test, pte_write(pte));
}

/* A hole is refused, unless the mode allows holes. Then it counts as moved. */
static void hole_moves_if_allowed(struct kunit *test)
{
	struct move *move = move_alloc(test, rmap_kunit_mmap(test, 1),
				       rmap_kunit_mmap(test, 1), PAGE_SIZE);

	move_set_request(move, PAGE_SIZE);
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, -ENOENT);
	KUNIT_EXPECT_EQ(test, move->req.move, -ENOENT);

	move_set_request(move, PAGE_SIZE);
	move->req.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_EQ(test, move->req.move, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* What was moved away is a hole: it reads as zeroes, and takes a new page. */
static void move_expect_hole_to_fault(struct kunit *test, struct move *move)
{
	u32 value = MOVE_VALUE;

	/* Have the translation cached, if this CPU does that. */
	KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);
	move_call(move);
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)move->src), 0);
	KUNIT_EXPECT_EQ(test, value, 0);
	rmap_kunit_write(test, move->src, MOVE_OTHER);
	KUNIT_EXPECT_PTR_NE(test, rmap_kunit_folio(test, move->src), move->folio);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
}

/* After the move, a read of the source faults in a zero page. */
static void source_faults_as_a_hole(struct kunit *test)
{
	move_expect_hole_to_fault(test, move_page(test));
}

/* After the move of a huge page, a read of the source faults in a zero page. */
static void thp_source_faults_as_a_hole(struct kunit *test)
{
	move_expect_hole_to_fault(test, move_thp(test));
}

#define MOVE_SEVERAL	16

/* One call moves several pages, each with its contents, anon_vma and index. */
static void several_pages_move_in_one_call(struct kunit *test)
{
	struct move *move = move_area(test, MOVE_SEVERAL);
	struct folio *folios[MOVE_SEVERAL];
	int i;

	for (i = 0; i < MOVE_SEVERAL; i++)
		folios[i] = rmap_kunit_new_folio(test, move->src + i * PAGE_SIZE, i);
	move_expect(test, move, 0, move->len);
	for (i = 0; i < MOVE_SEVERAL; i++) {
		unsigned long dst = move->dst + i * PAGE_SIZE;

		KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src + i * PAGE_SIZE));
		KUNIT_ASSERT_PTR_EQ(test, rmap_kunit_folio(test, dst), folios[i]);
		KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, dst), i);
		KUNIT_EXPECT_FALSE(test, folio_test_locked(folios[i]));
		move_expect_rmap(test, folios[i], dst);
		move_expect_walk(test, folios[i], dst);
	}
}

/*
 * Four pages, the third of which cannot move: the call says that two have moved,
 * and the next one, for the rest, says why.
 */
static void move_stops_half_way(struct kunit *test, struct move *move, long err)
{
	unsigned long offset;

	move_expect(test, move, -EAGAIN, 2 * PAGE_SIZE);
	for (offset = 0; offset < 2 * PAGE_SIZE; offset += PAGE_SIZE) {
		KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src + offset));
		KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst + offset),
				MOVE_VALUE);
	}

	move->req.src += offset;
	move->req.dst += offset;
	move->req.len -= offset;
	move_expect(test, move, err, err);
	for (; offset < 4 * PAGE_SIZE; offset += PAGE_SIZE)
		KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src + offset),
				MOVE_VALUE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst + 3 * PAGE_SIZE));
}

static struct move *move_four_pages(struct kunit *test)
{
	struct move *move = move_area(test, 4);
	unsigned long offset;

	for (offset = 0; offset < move->len; offset += PAGE_SIZE)
		rmap_kunit_write(test, move->src + offset, MOVE_VALUE);
	return move;
}

/*
 * A page half way at the destination stops the move there. The next call fails
 * with EEXIST.
 */
static void present_page_half_way_stops_the_move(struct kunit *test)
{
	struct move *move = move_four_pages(test);

	move_fill(test, move, move->dst + 2 * PAGE_SIZE);
	move_stops_half_way(test, move, -EEXIST);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst + 2 * PAGE_SIZE),
			MOVE_OTHER);
}

/* A call that stops at a hole reports how much it has moved. */
static void half_a_move_reports_how_far_it_came(struct kunit *test)
{
	struct move *move = move_alloc(test, rmap_kunit_mmap(test, 3),
				       rmap_kunit_mmap(test, 3), 3 * PAGE_SIZE);

	rmap_kunit_write(test, move->src, MOVE_VALUE);
	rmap_kunit_write(test, move->src + 2 * PAGE_SIZE, MOVE_VALUE);
	move_set_request(move, 3 * PAGE_SIZE);
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, -EAGAIN);
	KUNIT_EXPECT_EQ(test, move->req.move, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src + 2 * PAGE_SIZE),
			MOVE_VALUE);
}

/*
 * A pinned page half way stops the move there. The next call fails with EBUSY.
 */
static void pinned_page_half_way_stops_the_move(struct kunit *test)
{
	struct move *move = move_four_pages(test);
	struct page *page;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(move->src + 2 * PAGE_SIZE, 1,
						  FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin, page), 0);
	move_stops_half_way(test, move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst + 2 * PAGE_SIZE));
}

/* Areas that overlap in one VMA: @shift pages from the source to the destination. */
static struct move *move_overlapping(struct kunit *test, int shift)
{
	unsigned long area = rmap_kunit_mmap(test, 4);
	struct move *move = move_alloc(test, area, area, 4 * PAGE_SIZE);
	unsigned long offset;

	move->src = area + PAGE_SIZE;
	move->dst = move->src + shift * PAGE_SIZE;
	move->len = 2 * PAGE_SIZE;
	for (offset = 0; offset < move->len; offset += PAGE_SIZE) {
		struct uffdio_zeropage zero = {
			.range = { move->src + offset, PAGE_SIZE },
		};

		KUNIT_ASSERT_EQ(test, rmap_kunit_uffd_ioctl(test, move->uffd,
							    UFFDIO_ZEROPAGE, &zero,
							    sizeof(zero)), 0);
		rmap_kunit_write(test, move->src + offset, offset);
	}
	move_set_request(move, move->len);
	return move;
}

/*
 * A range moves to a lower, overlapping one: each page leaves a hole for the
 * next.
 */
static void overlapping_range_moves_down(struct kunit *test)
{
	struct move *move = move_overlapping(test, -1);

	move_expect(test, move, 0, move->len);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), 0);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst + PAGE_SIZE), PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src + PAGE_SIZE));
	move_expect_walk(test, rmap_kunit_folio(test, move->dst), move->dst);
	move_expect_walk(test, rmap_kunit_folio(test, move->dst + PAGE_SIZE),
			 move->dst + PAGE_SIZE);
}

/*
 * A range does not move to itself or to a higher, overlapping one: pages are in
 * the way.
 */
static void overlapping_range_does_not_move_up(struct kunit *test)
{
	int shift;

	for (shift = 0; shift <= 1; shift++) {
		struct move *move = move_overlapping(test, shift);

		move_expect(test, move, -EEXIST, -EEXIST);
		KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), 0);
		KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src + PAGE_SIZE),
				PAGE_SIZE);
		KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src + 2 * PAGE_SIZE));
	}
}

/* A hole without a page table is refused, unless the mode allows holes. */
static void hole_without_a_page_table_moves_if_allowed(struct kunit *test)
{
	unsigned long src = rmap_kunit_mmap_far(test, PAGE_SIZE);
	struct move *move = move_alloc(test, src, rmap_kunit_mmap(test, 1),
				       PAGE_SIZE);

	move_set_request(move, PAGE_SIZE);
	KUNIT_ASSERT_TRUE(test, pmd_none(rmap_kunit_entry(test, src).pmd));
	move_expect(test, move, -ENOENT, -ENOENT);
	move->req.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	move_expect(test, move, 0, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/*
 * A hole does not replace a page, with or without a page table at the source.
 */
static void hole_does_not_go_over_a_page(struct kunit *test)
{
	unsigned long far = rmap_kunit_mmap_far(test, PAGE_SIZE);
	struct move *move = move_area(test, 2);

	/* The source has a page table then. */
	rmap_kunit_write(test, move->src + PAGE_SIZE, MOVE_VALUE);
	move_fill(test, move, move->dst);
	move->req.len = PAGE_SIZE;
	move->req.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	move_expect(test, move, -EEXIST, -EEXIST);
	KUNIT_ASSERT_TRUE(test, pmd_none(rmap_kunit_entry(test, far).pmd));
	move->req.src = far;
	move_expect(test, move, -EEXIST, -EEXIST);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_OTHER);
}

/* The first move into a VMA that was never touched gives it an anon_vma. */
static void untouched_destination_gets_an_anon_vma(struct kunit *test)
{
	struct move *move = move_page(test);
	unsigned long dst = rmap_kunit_mmap(test, 1);

	rmap_kunit_uffd_register(test, move->uffd, dst, PAGE_SIZE);
	KUNIT_ASSERT_NULL(test, rmap_kunit_anon_vma(test, dst));
	move->dst = dst;
	move_set_request(move, move->len);
	move_call(move);
	move->new = rmap_kunit_anon_vma(test, dst);
	KUNIT_ASSERT_NOT_NULL(test, move->new);
	move->new_refs = atomic_read(&move->new->refcount);
	move_expect_moved(test, move);
}
