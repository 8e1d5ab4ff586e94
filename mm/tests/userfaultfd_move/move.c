// SPDX-License-Identifier: GPL-2.0-only
/*
 * A move, its setup, and what the tests of all subjects check of it
 */

/**
 * struct move - A move that is to be made
 * @src: address of the source area
 * @dst: address of the destination area: a hole in a VMA that has its anon_vma,
 *	registered with @uffd
 * @len: length of either area in bytes
 * @folio: the folio at @src; %NULL if that is swapped out and not in the swap cache
 * @entry: the swap entry at @src, if there is one
 * @old: the anon_vma of the source
 * @new: the anon_vma of the destination
 * @folio_refs: references of @folio before the move
 * @old_refs: references of @old before the move
 * @new_refs: references of @new before the move
 * @lru: whether @folio is on an LRU list before the move
 * @uffd: the userfaultfd
 * @arg: user address for the ioctl's argument
 * @fill: user address of a page for move_fill(), and of one more
 * @thread: makes the move; not started yet
 * @req: the argument; starts as a move of the whole area
 * @ret: what the ioctl returned
 * @anon: what the ioctl added to the number of anonymous pages of the mm
 * @swapped: what it added to the number of pages that are swapped out
 */
struct move {
	unsigned long src;
	unsigned long dst;
	unsigned long len;
	struct folio *folio;
	swp_entry_t entry;
	struct anon_vma *old;
	struct anon_vma *new;
	int folio_refs;
	int old_refs;
	int new_refs;
	bool lru;
	struct file *uffd;
	unsigned long arg;
	unsigned long fill;
	struct rmap_kunit_thread *thread;
	struct uffdio_move req;
	long ret;
	long anon;
	long swapped;
};

#define MOVE_VALUE	0x600dbeef
#define MOVE_OTHER	0x0ddba11
#define MOVE_THP_PAGES	(PMD_SIZE / PAGE_SIZE)

static void move_call(void *data)
{
	struct move *move = data;
	void __user *arg = (void __user *)move->arg;

	move->anon = -rmap_kunit_rss(MM_ANONPAGES);
	move->swapped = -rmap_kunit_rss(MM_SWAPENTS);
	if (copy_to_user(arg, &move->req, sizeof(move->req)))
		move->ret = -EFAULT;
	else
		move->ret = rmap_kunit_ioctl(move->uffd, UFFDIO_MOVE, move->arg);
	move->anon += rmap_kunit_rss(MM_ANONPAGES);
	move->swapped += rmap_kunit_rss(MM_SWAPENTS);
	if (copy_from_user(&move->req, arg, sizeof(move->req)))
		move->ret = -EFAULT;
}

/* Ask for a move of the first @len bytes. */
static void move_set_request(struct move *move, unsigned long len)
{
	move->req = (struct uffdio_move) {
		.dst = move->dst,
		.src = move->src,
		.len = len,
	};
}

/* Take down the references, with the folio where it is. */
static void move_count_references(struct move *move)
{
	if (move->folio) {
		move->folio_refs = folio_ref_count(move->folio);
		move->lru = folio_test_lru(move->folio);
	}
	move->old_refs = atomic_read(&move->old->refcount);
	move->new_refs = atomic_read(&move->new->refcount);
}

/* All but the source page. */
static struct move *move_alloc(struct kunit *test, unsigned long src,
			       unsigned long dst, unsigned long len)
{
	struct move *move;

	move = kunit_kzalloc(test, sizeof(*move), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, move);
	move->src = src;
	move->dst = dst;
	move->len = len;
	move->uffd = rmap_kunit_uffd_open(test);
	move->arg = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, move->arg, 0);
	move->fill = rmap_kunit_mmap(test, 2);
	rmap_kunit_write(test, move->fill, MOVE_OTHER);
	rmap_kunit_write(test, move->fill + PAGE_SIZE, 0);

	/* An anon_vma, and nothing mapped. */
	rmap_kunit_write(test, dst, 0);
	rmap_kunit_zap(test, dst, len);
	rmap_kunit_uffd_register(test, move->uffd, dst, len);
	move->new = rmap_kunit_anon_vma(test, dst);
	KUNIT_ASSERT_NOT_NULL(test, move->new);
	return move;
}

static struct move *move_ready(struct kunit *test, struct move *move,
			       struct folio *folio)
{
	move->folio = folio;
	move->old = rmap_kunit_anon_vma(test, move->src);
	KUNIT_ASSERT_PTR_NE(test, move->old->root, move->new->root);
	move_set_request(move, move->len);
	move_count_references(move);
	move->thread = rmap_kunit_thread_create(test, move_call, move);
	return move;
}

static struct move *move_page(struct kunit *test)
{
	struct move *move = move_alloc(test, rmap_kunit_mmap(test, 1),
				       rmap_kunit_mmap(test, 1), PAGE_SIZE);

	return move_ready(test, move,
			  rmap_kunit_new_folio(test, move->src, MOVE_VALUE));
}

static struct move *move_thp(struct kunit *test)
{
	struct move *move = move_alloc(test, rmap_kunit_mmap_thp(test),
				       rmap_kunit_mmap_thp(test), PMD_SIZE);

	return move_ready(test, move,
			  rmap_kunit_new_thp(test, move->src, MOVE_VALUE));
}

/* Whether a swap entry can say that its page is nobody else's. */
static bool move_has_exclusive_swap(void)
{
	return pte_swp_exclusive(pte_swp_mkexclusive(__pte(0)));
}

/* A page that is swapped out; its folio is in the swap cache or is gone. */
static struct move *move_swapped_page(struct kunit *test, bool in_swap_cache)
{
	struct move *move;

	if (!move_has_exclusive_swap())
		kunit_skip(test, "this kernel has no exclusive swap entries on this architecture");
	rmap_kunit_swapon(test);
	move = move_page(test);
	/* Only a folio with no other reference leaves the swap cache. */
	if (!in_swap_cache) {
		rmap_kunit_put_folio(test, move->folio);
		move->folio = NULL;
	}
	rmap_kunit_page_out(test, move->src);
	KUNIT_ASSERT_EQ(test, rmap_kunit_in_swap_cache(test, move->src),
			in_swap_cache);
	move->entry = softleaf_from_pte(rmap_kunit_entry(test, move->src).pte);
	lru_add_drain_all();
	move_count_references(move);
	return move;
}

/* Areas of @nr pages with nothing mapped. */
static struct move *move_area(struct kunit *test, unsigned long nr)
{
	struct move *move = move_alloc(test, rmap_kunit_mmap(test, nr),
				       rmap_kunit_mmap(test, nr), nr * PAGE_SIZE);

	move_set_request(move, move->len);
	return move;
}

/*
 * Put a page where one is missing, as a handler of faults does. Maps nothing for
 * that: it would wait for a move that sleeps.
 */
static void move_fill(struct kunit *test, struct move *move, unsigned long addr)
{
	struct uffdio_copy copy = {
		.dst = addr,
		.src = move->fill,
		.len = PAGE_SIZE,
	};
	unsigned long arg = move->fill + PAGE_SIZE;

	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)arg, &copy, sizeof(copy)), 0);
	KUNIT_ASSERT_EQ(test, rmap_kunit_ioctl(move->uffd, UFFDIO_COPY, arg), 0);
}

/* Where a walk of a folio led to. */
struct move_visits {
	int count;
	unsigned long addr;
};

static bool move_visit(struct folio *folio, struct vm_area_struct *vma,
		       unsigned long addr, void *arg)
{
	struct move_visits *visits = arg;

	visits->count++;
	visits->addr = addr;
	return true;
}

/* A walk of the folio leads to @addr, and nowhere else. */
static void move_expect_walk(struct kunit *test, struct folio *folio,
			     unsigned long addr)
{
	struct move_visits visits = {};
	struct rmap_walk_control rwc = {
		.rmap_one = move_visit,
		.arg = &visits,
	};

	folio_lock(folio);
	rmap_walk(folio, &rwc);
	folio_unlock(folio);
	KUNIT_EXPECT_EQ(test, visits.count, 1);
	KUNIT_EXPECT_EQ(test, visits.addr, addr);
}

/* Make the move, and expect what the ioctl returns and what it reports. */
static void move_expect(struct kunit *test, struct move *move, long ret,
			long reported)
{
	move->req.move = 0;
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, ret);
	KUNIT_EXPECT_EQ(test, move->req.move, reported);
	KUNIT_EXPECT_EQ(test, move->anon, 0);
	KUNIT_EXPECT_EQ(test, move->swapped, 0);
}

/* Where the reverse map has the folio, mapped or in the swap cache. */
static void move_expect_rmap(struct kunit *test, struct folio *folio,
			     unsigned long addr)
{
	KUNIT_EXPECT_PTR_EQ(test, folio_anon_vma(folio),
			    rmap_kunit_anon_vma(test, addr));
	KUNIT_EXPECT_EQ(test, folio->index, rmap_kunit_index(test, addr));
}

/* What holds after each move of a page. */
static void move_expect_balanced(struct kunit *test, struct move *move)
{
	KUNIT_ASSERT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_EQ(test, move->req.move, move->len);
	KUNIT_EXPECT_EQ(test, move->anon, 0);
	KUNIT_EXPECT_EQ(test, move->swapped, 0);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&move->old->root->rwsem));
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&move->new->root->rwsem));
	KUNIT_EXPECT_EQ(test, atomic_read(&move->old->refcount), move->old_refs);
	KUNIT_EXPECT_EQ(test, atomic_read(&move->new->refcount), move->new_refs);
	if (move->folio) {
		KUNIT_ASSERT_FALSE(test, folio_test_locked(move->folio));
		KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio),
				move->folio_refs);
		KUNIT_EXPECT_EQ(test, folio_test_lru(move->folio), move->lru);
		move_expect_rmap(test, move->folio, move->dst);
	}
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
}

/* The folio is at the destination, and only there; nothing is left behind. */
static void move_expect_moved(struct kunit *test, struct move *move)
{
	struct rmap_kunit_entry entry;

	move_expect_balanced(test, move);
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, move->dst), move->folio);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&move->folio->page));
	KUNIT_EXPECT_EQ(test, folio_mapcount(move->folio), 1);
	move_expect_walk(test, move->folio, move->dst);

	entry = rmap_kunit_entry(test, move->dst);
	if (pmd_leaf(entry.pmd))
		KUNIT_EXPECT_TRUE(test, pmd_write(entry.pmd));
	else
		KUNIT_EXPECT_TRUE(test, pte_write(entry.pte));
}

/* The swap entry is at the destination, and so is the page when it is read in. */
static void move_expect_moved_swapped(struct kunit *test, struct move *move)
{
	struct folio *folio = move->folio;
	u32 value = 0;
	pte_t pte;

	move_expect_balanced(test, move);
	KUNIT_ASSERT_EQ(test, rmap_kunit_in_swap_cache(test, move->dst), !!folio);
	pte = rmap_kunit_entry(test, move->dst).pte;
	KUNIT_EXPECT_EQ(test, softleaf_from_pte(pte).val, move->entry.val);
	KUNIT_EXPECT_TRUE(test, pte_swp_exclusive(pte));

	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)move->dst), 0);
	KUNIT_EXPECT_EQ(test, value, MOVE_VALUE);
	move->folio = rmap_kunit_folio(test, move->dst);
	if (folio)
		KUNIT_EXPECT_PTR_EQ(test, move->folio, folio);
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&move->folio->page));
	move_expect_rmap(test, move->folio, move->dst);
	move_expect_walk(test, move->folio, move->dst);
}

/* What the ioctl must say to the request as it is, with nothing moved. */
static void move_expect_refused(struct kunit *test, struct move *move, long err)
{
	long reported = move->req.move;

	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, err);
	KUNIT_EXPECT_TRUE(test, move->req.move == err || move->req.move == reported);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);
	KUNIT_EXPECT_PTR_EQ(test, folio_anon_vma(move->folio), move->old);
	KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio), move->folio_refs);
	KUNIT_EXPECT_FALSE(test, folio_test_locked(move->folio));
}

static void move_unpin(void *page)
{
	unpin_user_page(page);
}

/* Make the move while the source root's rwsem is held; expect what comes of it. */
static void move_with_root_held(struct kunit *test, struct move *move,
				bool for_writing,
				enum rmap_kunit_outcome expected)
{
	struct rw_semaphore *rwsem = &move->old->root->rwsem;
	enum rmap_kunit_outcome outcome;

	if (for_writing)
		down_write(rwsem);
	else
		down_read(rwsem);
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_rwsem(move->thread, rwsem);
	if (for_writing)
		up_write(rwsem);
	else
		up_read(rwsem);

	KUNIT_EXPECT_EQ(test, outcome, expected);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	if (move->entry.val)
		move_expect_moved_swapped(test, move);
	else
		move_expect_moved(test, move);
}

/* Change the source's PTE behind everybody's back: to what user space cannot ask for. */
static int move_change_pte_one(pte_t *ptep, unsigned long addr,
			       unsigned long next, struct mm_walk *walk)
{
	pte_t (*change)(pte_t pte) = walk->private;
	pte_t pte = ptep_get_and_clear(walk->mm, addr, ptep);

	set_pte_at(walk->mm, addr, ptep, change(pte));
	return 0;
}

static const struct mm_walk_ops move_change_pte_ops = {
	.pte_entry = move_change_pte_one,
};

static void move_change_pte(struct kunit *test, unsigned long addr,
			    pte_t (*change)(pte_t pte))
{
	int ret;

	mmap_write_lock(current->mm);
	vma_start_write(vma_lookup(current->mm, addr));
	ret = walk_page_range(current->mm, addr, addr + PAGE_SIZE,
			      &move_change_pte_ops, change);
	rmap_kunit_flush_tlb();
	mmap_write_unlock(current->mm);
	KUNIT_ASSERT_EQ(test, ret, 0);
}

/* Watch the source for writes: its first page becomes write-protected. */
static void move_watch_source(struct kunit *test, struct move *move)
{
	struct uffdio_writeprotect wp = {
		.range = { move->src, PAGE_SIZE },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	struct file *uffd;

	uffd = rmap_kunit_uffd_open_with(test, UFFD_FEATURE_PAGEFAULT_FLAG_WP |
					       UFFD_FEATURE_WP_UNPOPULATED);
	rmap_kunit_uffd_register_for(test, uffd, move->src, move->len,
				     UFFDIO_REGISTER_MODE_WP);
	KUNIT_ASSERT_EQ(test, rmap_kunit_uffd_ioctl(test, uffd, UFFDIO_WRITEPROTECT,
						    &wp, sizeof(wp)), 0);
}

static void move_unlock_folio(void *folio)
{
	folio_unlock(folio);
}

/*
 * Start a move that has to wait for the folio lock. A folio lock has no owner: if
 * an assertion ends the test meanwhile, an action lets go of it.
 */
static void move_block_on_folio(struct kunit *test, struct move *move)
{
	folio_lock(move->folio);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unlock_folio,
							move->folio), 0);
	rmap_kunit_thread_start(move->thread);
	KUNIT_ASSERT_EQ(test, rmap_kunit_settle_on_folio(move->thread, move->folio),
			RMAP_KUNIT_BLOCKED);
}

/* Let it go on, and expect what the ioctl returns and reports. */
static void move_unblock(struct kunit *test, struct move *move, long ret)
{
	kunit_release_action(test, move_unlock_folio, move->folio);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	KUNIT_EXPECT_EQ(test, move->ret, ret);
	KUNIT_EXPECT_EQ(test, move->req.move, ret ?: move->req.len);
	KUNIT_EXPECT_FALSE(test, folio_test_locked(move->folio));
}

/* The page is where it was. */
static void move_expect_stayed(struct kunit *test, struct move *move)
{
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, move->src), move->folio);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);
	move_expect_rmap(test, move->folio, move->src);
}

/*
 * Runs of pages: what must hold whether a kernel moves them one by one or several
 * at a time.
 */

/* Have small pages only. */
static void move_no_thps(struct kunit *test, unsigned long addr, unsigned long len)
{
	if (IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		KUNIT_ASSERT_EQ(test, do_madvise(current->mm, addr, len,
						 MADV_NOHUGEPAGE), 0);
}

/* A run of @nr pages, the contents of which are their numbers, from 1 on. */
static struct move *move_run(struct kunit *test, unsigned long nr)
{
	struct move *move = move_area(test, nr);
	unsigned long i;

	move_no_thps(test, move->src, move->len);
	for (i = 0; i < nr; i++)
		rmap_kunit_write(test, move->src + i * PAGE_SIZE, i + 1);
	lru_add_drain_all();
	return move;
}

/* One page of a run, in its place at @addr; nothing is left behind. */
static void move_expect_page(struct kunit *test, struct move *move,
			     unsigned long i, unsigned long area)
{
	unsigned long addr = area + i * PAGE_SIZE;
	struct folio *folio;

	KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, addr), i + 1);
	folio = rmap_kunit_folio(test, addr);
	KUNIT_ASSERT_FALSE(test, folio_test_locked(folio));
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 2);
	KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 1);
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&folio->page));
	KUNIT_EXPECT_TRUE(test, pte_write(rmap_kunit_entry(test, addr).pte));
	move_expect_rmap(test, folio, addr);
	rmap_kunit_put_folio(test, folio);
}

/* The first @arrived pages of a run are at the destination, the others at the source. */
static void move_expect_run(struct kunit *test, struct move *move,
			    unsigned long arrived)
{
	unsigned long i;

	for (i = 0; i < move->len / PAGE_SIZE; i++) {
		unsigned long offset = i * PAGE_SIZE;

		KUNIT_ASSERT_EQ(test, rmap_kunit_is_hole(test, move->src + offset),
				i < arrived);
		KUNIT_ASSERT_EQ(test, rmap_kunit_is_hole(test, move->dst + offset),
				i >= arrived);
		move_expect_page(test, move, i, i < arrived ? move->dst : move->src);
	}
}

/* Go on behind the first @pages pages, and expect what comes of the next one. */
static void move_expect_next(struct kunit *test, struct move *move,
			     unsigned long pages, long err)
{
	move_set_request(move, move->len);
	move->req.src += pages * PAGE_SIZE;
	move->req.dst += pages * PAGE_SIZE;
	move->req.len -= pages * PAGE_SIZE;
	move_expect(test, move, err, err);
}

#define MOVE_RUN	8
#define MOVE_TABLES	12
