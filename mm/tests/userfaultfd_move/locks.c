// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which locks a move waits for, and which it does not
 */

/* A move does not wait for a reader of the source root's rwsem. */
static void page_moves_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_page(test), false, RMAP_KUNIT_DONE);
}

/* A move does not wait for a writer of the source root's rwsem. */
static void page_moves_while_root_is_write_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_page(test), true, RMAP_KUNIT_DONE);
}

/*
 * A move of a huge page does not wait for a reader of the source root's rwsem.
 */
static void thp_moves_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_thp(test), false, RMAP_KUNIT_DONE);
}

/*
 * A move of a huge page does not wait for a writer of the source root's rwsem.
 */
static void thp_moves_while_root_is_write_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_thp(test), true, RMAP_KUNIT_DONE);
}

/*
 * A move waits for readers of the source root's rwsem. Walks of unlocked folios
 * rely on this.
 */
static void page_waits_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	move_with_root_held(test, move_page(test), false, RMAP_KUNIT_BLOCKED);
}

/* A move of a huge page waits for readers of the source root's rwsem. */
static void thp_waits_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	move_with_root_held(test, move_thp(test), false, RMAP_KUNIT_BLOCKED);
}

/* A folio that somebody else has locked, to walk it say, stays where it is. */
static void move_with_folio_locked(struct kunit *test, struct move *move)
{
	pgoff_t index = move->folio->index, index_seen;
	enum rmap_kunit_outcome outcome;
	struct anon_vma *seen;

	folio_lock(move->folio);
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_folio(move->thread, move->folio);
	seen = folio_anon_vma(move->folio);
	index_seen = move->folio->index;
	folio_unlock(move->folio);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_PTR_EQ(test, seen, move->old);
	KUNIT_EXPECT_EQ(test, index_seen, index);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	move_expect_moved(test, move);
}

/*
 * A move waits for the folio lock. Until it has that, the folio keeps its
 * anon_vma and index.
 */
static void page_waits_for_the_folio_lock(struct kunit *test)
{
	move_with_folio_locked(test, move_page(test));
}

/* A move of a huge page waits for the folio lock. */
static void thp_waits_for_the_folio_lock(struct kunit *test)
{
	move_with_folio_locked(test, move_thp(test));
}

/**
 * struct open_walk - A walk that stays in rmap_one until it is let go
 * @folio: the folio that is walked
 * @inside: completed by the walk when it is inside
 * @release: completed by the test to let it go
 */
struct open_walk {
	struct folio *folio;
	struct completion inside;
	struct completion release;
};

static bool open_walk_one(struct folio *folio, struct vm_area_struct *vma,
			  unsigned long addr, void *arg)
{
	struct open_walk *walk = arg;

	complete(&walk->inside);
	wait_for_completion_timeout(&walk->release, 30 * HZ);
	return false;
}

static void open_walk_fn(void *data)
{
	struct open_walk *walk = data;
	struct rmap_walk_control rwc = {
		.rmap_one = open_walk_one,
		.anon_lock = folio_lock_anon_vma_read,
		.arg = walk,
	};

	folio_lock(walk->folio);
	rmap_walk(walk->folio, &rwc);
	folio_unlock(walk->folio);
}

/*
 * A walk delays the move of the folio that it walks, not of others with the
 * same root.
 */
static void walk_delays_its_own_folio_only(struct kunit *test)
{
	struct move *walked, *other;
	struct rmap_kunit_thread *walker;
	enum rmap_kunit_outcome walked_outcome, other_outcome;
	unsigned long src = rmap_kunit_mmap(test, 2);
	unsigned long dst = rmap_kunit_mmap(test, 2);
	struct open_walk *walk;
	unsigned long left;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	walked = move_alloc(test, src, dst, PAGE_SIZE);
	move_ready(test, walked, rmap_kunit_new_folio(test, src, MOVE_VALUE));
	other = move_alloc(test, src + PAGE_SIZE,
			   rmap_kunit_mmap(test, 1), PAGE_SIZE);
	move_ready(test, other,
		   rmap_kunit_new_folio(test, src + PAGE_SIZE, MOVE_VALUE));
	KUNIT_ASSERT_PTR_EQ(test, walked->old, other->old);

	walk = kunit_kzalloc(test, sizeof(*walk), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, walk);
	init_completion(&walk->inside);
	init_completion(&walk->release);
	walk->folio = walked->folio;
	walker = rmap_kunit_thread_create(test, open_walk_fn, walk);
	rmap_kunit_thread_start(walker);
	left = wait_for_completion_timeout(&walk->inside, 5 * HZ);

	rmap_kunit_thread_start(walked->thread);
	walked_outcome = rmap_kunit_settle_on_folio(walked->thread, walked->folio);
	rmap_kunit_thread_start(other->thread);
	other_outcome = rmap_kunit_settle_on_rwsem(other->thread,
						   &other->old->root->rwsem);
	complete(&walk->release);

	KUNIT_EXPECT_GT(test, left, 0);
	KUNIT_EXPECT_EQ(test, walked_outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_EQ(test, other_outcome, RMAP_KUNIT_DONE);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(walker));
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(walked->thread));
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(other->thread));
	move_expect_moved(test, walked);
	move_expect_moved(test, other);
}

#define MOVE_THREADS	4
#define MOVE_PAGES	32

static void move_pages_one_by_one(void *data)
{
	struct move *move = data;
	unsigned long offset;

	for (offset = 0; offset < move->len && !move->ret; offset += PAGE_SIZE) {
		move_set_request(move, PAGE_SIZE);
		move->req.src += offset;
		move->req.dst += offset;
		move_call(move);
	}
}

/*
 * Threads move distinct pages of one VMA concurrently, and all arrive intact.
 */
static void threads_move_distinct_pages(struct kunit *test)
{
	unsigned long len = MOVE_PAGES * PAGE_SIZE, i;
	struct move *all = move_alloc(test,
				      rmap_kunit_mmap(test, MOVE_THREADS * MOVE_PAGES),
				      rmap_kunit_mmap(test, MOVE_THREADS * MOVE_PAGES),
				      MOVE_THREADS * len);
	struct move *part;

	for (i = 0; i < MOVE_THREADS * MOVE_PAGES; i++)
		rmap_kunit_write(test, all->src + i * PAGE_SIZE, i);

	part = kunit_kcalloc(test, MOVE_THREADS, sizeof(*part), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, part);
	for (i = 0; i < MOVE_THREADS; i++) {
		part[i].src = all->src + i * len;
		part[i].dst = all->dst + i * len;
		part[i].len = len;
		part[i].uffd = all->uffd;
		part[i].arg = rmap_kunit_mmap(test, 1);
		rmap_kunit_write(test, part[i].arg, 0);
		part[i].thread = rmap_kunit_thread_create(test, move_pages_one_by_one,
							  &part[i]);
	}
	for (i = 0; i < MOVE_THREADS; i++)
		rmap_kunit_thread_start(part[i].thread);
	for (i = 0; i < MOVE_THREADS; i++) {
		KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(part[i].thread));
		KUNIT_EXPECT_EQ(test, part[i].ret, 0);
	}
	for (i = 0; i < MOVE_THREADS * MOVE_PAGES; i++) {
		unsigned long addr = all->dst + i * PAGE_SIZE;
		struct folio *folio;

		KUNIT_ASSERT_TRUE(test, rmap_kunit_is_hole(test, all->src + i * PAGE_SIZE));
		KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, addr), i);
		folio = rmap_kunit_folio(test, addr);
		KUNIT_ASSERT_PTR_EQ(test, folio_anon_vma(folio), all->new);
		KUNIT_ASSERT_FALSE(test, folio_test_locked(folio));
		move_expect_walk(test, folio, addr);
		rmap_kunit_put_folio(test, folio);
	}
}
