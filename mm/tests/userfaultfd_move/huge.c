// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves of huge pages: whole, or split on the way
 */

/*
 * A huge page moves whole, and the folio gets the destination's anon_vma and
 * index.
 */
static void thp_moves_whole_with_its_anon_vma(struct kunit *test)
{
	struct move *move = move_thp(test);

	move_call(move);
	KUNIT_EXPECT_EQ(test, folio_size(move->folio), PMD_SIZE);
	move_expect_moved(test, move);
}

/*
 * A THP that must be split but has an extra reference is refused with EBUSY. It
 * moves once the reference is gone.
 */
static void unsplittable_thp_is_refused(struct kunit *test)
{
	struct move *move = move_thp(test);

	move_set_request(move, PAGE_SIZE);
	rmap_kunit_thread_start(move->thread);
	KUNIT_EXPECT_EQ_MSG(test,
			    rmap_kunit_settle_on_folio(move->thread, move->folio),
			    RMAP_KUNIT_DONE, "the ioctl does not come back");
	/* It has had its time: an ioctl that still tries to split succeeds now. */
	rmap_kunit_put_folio(test, move->folio);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	KUNIT_ASSERT_EQ(test, move->ret, -EBUSY);
	KUNIT_EXPECT_EQ(test, move->req.move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);

	move_set_request(move, PAGE_SIZE);
	move_call(move);
	KUNIT_ASSERT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_EQ(test, move->req.move, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	move_expect_walk(test, rmap_kunit_folio(test, move->dst), move->dst);
}

#if defined(CONFIG_KPROBES) && defined(CONFIG_ARCH_HAS_PMD_SOFTLEAVES) && \
	defined(CONFIG_TRANSPARENT_HUGEPAGE) && \
	(defined(CONFIG_X86_64) || defined(CONFIG_ARM64))

/**
 * struct pmd_wait - A look at how a move waits for a migrating THP
 * @probe: on pmd_migration_entry_wait()
 * @pmdp: where the migration entry is
 * @task: the thread that moves
 * @calls: how often it waited
 * @elsewhere: how often it did not wait on @pmdp
 */
struct pmd_wait {
	struct kprobe probe;
	pmd_t *pmdp;
	struct task_struct *task;
	int calls;
	int elsewhere;
};

static void pmd_wait_set_pmdp(struct pt_regs *regs, pmd_t *pmdp)
{
#ifdef CONFIG_X86_64
	regs->si = (unsigned long)pmdp;
#else
	regs->regs[1] = (unsigned long)pmdp;
#endif
}

/*
 * The wait takes the lock of the page table that it is pointed into. Stock 6.12
 * points it to the stack: point it to the real PMD then, to get over it.
 */
static int pmd_wait_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct pmd_wait *wait = container_of(probe, struct pmd_wait, probe);

	if (current != wait->task)
		return 0;
	wait->calls++;
	if ((pmd_t *)regs_get_kernel_argument(regs, 1) != wait->pmdp) {
		wait->elsewhere++;
		pmd_wait_set_pmdp(regs, wait->pmdp);
	}
	return 0;
}

static void pmd_wait_end(void *data)
{
	struct pmd_wait *wait = data;

	unregister_kprobe(&wait->probe);
}

/*
 * A move of a migrating THP waits on the real PMD, until migration has
 * finished.
 */
static void migrating_thp_waits_on_its_pmd(struct kunit *test)
{
	struct move *move = move_thp(test);
	enum rmap_kunit_outcome outcome;
	struct pmd_wait *wait;
	bool migrating;

	wait = kunit_kzalloc(test, sizeof(*wait), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, wait);
	wait->pmdp = rmap_kunit_entry(test, move->src).pmdp;
	wait->task = move->thread->task;
	wait->probe.symbol_name = "pmd_migration_entry_wait";
	wait->probe.pre_handler = pmd_wait_pre;
	KUNIT_ASSERT_EQ(test, register_kprobe(&wait->probe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, pmd_wait_end, wait), 0);

	folio_lock(move->folio);
	try_to_migrate(move->folio, 0);
	migrating = pmd_is_migration_entry(pmdp_get_lockless(wait->pmdp));
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_folio(move->thread, move->folio);
	remove_migration_ptes(move->folio, move->folio, 0);
	folio_unlock(move->folio);

	KUNIT_EXPECT_TRUE(test, migrating);
	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	KUNIT_EXPECT_GT(test, wait->calls, 0);
	KUNIT_EXPECT_EQ(test, wait->elsewhere, 0);
	move_expect_moved(test, move);
}

#else

static void migrating_thp_waits_on_its_pmd(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES and migration of huge pages, on x86_64 or arm64");
}

#endif

/*
 * A huge page with a value of its own in each small page, and no reference of
 * ours: at the start of an area of two. The values are not zero: a split may put
 * the zero page in place of a page of zeroes.
 */
static struct move *move_numbered_thp(struct kunit *test, unsigned long dst,
				      unsigned long nr)
{
	unsigned long src = rmap_kunit_mmap_thps(test, 2);
	struct move *move = move_alloc(test, src, dst, nr * PAGE_SIZE);
	struct folio *folio = rmap_kunit_new_thp(test, src, 0);
	unsigned long i;

	for (i = 0; i < MOVE_THP_PAGES; i++)
		rmap_kunit_write(test, src + i * PAGE_SIZE, MOVE_VALUE + i);
	move->old = rmap_kunit_anon_vma(test, src);
	rmap_kunit_put_folio(test, folio);
	move_set_request(move, move->len);
	return move;
}

/*
 * Move @nr pages from page @first of the huge page on. It is split for that: what
 * moves arrives page by page, the rest stays.
 */
static void move_part_of_thp(struct kunit *test, struct move *move,
			     unsigned long first, unsigned long nr)
{
	unsigned long i;

	move->req.src += first * PAGE_SIZE;
	move->req.len = nr * PAGE_SIZE;
	/* The range may reach beyond the huge page. */
	move->req.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	move_expect(test, move, 0, nr * PAGE_SIZE);

	for (i = 0; i < MOVE_THP_PAGES; i++) {
		bool moved = i >= first && i < first + nr;
		unsigned long src = move->src + i * PAGE_SIZE;
		unsigned long dst = move->dst + (i - first) * PAGE_SIZE;

		KUNIT_ASSERT_EQ(test, rmap_kunit_is_hole(test, src), moved);
		KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, moved ? dst : src),
				MOVE_VALUE + i);
		if (i == first || i == first + nr - 1 || i == first + nr) {
			struct folio *folio = rmap_kunit_folio(test, moved ? dst : src);

			KUNIT_EXPECT_EQ(test, folio_size(folio), PAGE_SIZE);
			move_expect_rmap(test, folio, moved ? dst : src);
			move_expect_walk(test, folio, moved ? dst : src);
		}
	}
}

/* A huge page is split if the range covers only part of it. */
static void thp_is_split_for_a_range_that_is_shorter(struct kunit *test)
{
	move_part_of_thp(test, move_numbered_thp(test, rmap_kunit_mmap_thp(test),
						 MOVE_THP_PAGES),
			 0, 2);
}

/* A huge page is split if the range begins inside it. */
static void thp_is_split_for_an_unaligned_source(struct kunit *test)
{
	move_part_of_thp(test, move_numbered_thp(test, rmap_kunit_mmap_thp(test),
						 MOVE_THP_PAGES),
			 1, MOVE_THP_PAGES);
}

/* A huge page is split if the destination is not PMD-aligned. */
static void thp_is_split_for_an_unaligned_destination(struct kunit *test)
{
	unsigned long dst = rmap_kunit_mmap_thps(test, 2) + PAGE_SIZE;
	struct move *move = move_numbered_thp(test, rmap_kunit_mmap_thp(test),
					      MOVE_THP_PAGES);

	/* Never touched: a page table there would be reason enough. */
	rmap_kunit_uffd_register(test, move->uffd, dst, PMD_SIZE);
	move->dst = dst;
	move_set_request(move, move->len);
	move_part_of_thp(test, move, 0, MOVE_THP_PAGES);
}

/*
 * A huge page is split if the destination has a page table, even an empty one.
 */
static void thp_is_split_for_a_page_table_at_the_destination(struct kunit *test)
{
	unsigned long dst = rmap_kunit_mmap_thp(test);
	struct move *move = move_numbered_thp(test, dst, MOVE_THP_PAGES);

	move_fill(test, move, dst);
	rmap_kunit_zap(test, dst, PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, pmd_none(rmap_kunit_entry(test, dst).pmd));
	move_part_of_thp(test, move, 0, MOVE_THP_PAGES);
}

/* A PTE-mapped huge page is split. */
static void thp_mapped_by_ptes_is_split(struct kunit *test)
{
	struct move *move = move_numbered_thp(test, rmap_kunit_mmap_thp(test),
					      MOVE_THP_PAGES);
	unsigned long last = move->src + PMD_SIZE - PAGE_SIZE;
	u32 value = rmap_kunit_read(test, last);

	/* All but the last page stay in the folio. */
	rmap_kunit_zap(test, last, PAGE_SIZE);
	rmap_kunit_write(test, last, value);
	KUNIT_ASSERT_EQ(test, folio_size(rmap_kunit_folio(test, last)), PAGE_SIZE);
	move_part_of_thp(test, move, 0, 2);
}

/*
 * A huge page takes its deposited page table along, so it can be split after
 * the move.
 */
static void moved_thp_can_be_split(struct kunit *test)
{
	unsigned long src = rmap_kunit_mmap_thp(test);
	/* Far away, as all that share a PMD table share what is laid aside. */
	unsigned long dst = rmap_kunit_mmap_far(test, PMD_SIZE);
	struct move *move;

	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, dst, PMD_SIZE,
					 MADV_HUGEPAGE), 0);
	move = move_alloc(test, src, dst, PMD_SIZE);
	move_ready(test, move, rmap_kunit_new_thp(test, src, MOVE_VALUE));
	move_call(move);
	move_expect_moved(test, move);
	rmap_kunit_zap(test, move->dst + PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	rmap_kunit_write(test, move->src, MOVE_OTHER);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_OTHER);
}

/* A huge page is dirty at the destination. */
static void moved_thp_is_dirty(struct kunit *test)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	struct move *move = move_thp(test);

	move_call(move);
	move_expect_moved(test, move);
	KUNIT_EXPECT_TRUE(test, pmd_leaf(rmap_kunit_entry(test, move->dst).pmd));
	KUNIT_EXPECT_TRUE(test, pmd_dirty(rmap_kunit_entry(test, move->dst).pmd));
	KUNIT_EXPECT_TRUE(test, pmd_young(rmap_kunit_entry(test, move->dst).pmd));
#else
	kunit_skip(test, "needs CONFIG_TRANSPARENT_HUGEPAGE");
#endif
}

/*
 * A pinned huge page is refused and stays whole. It moves once it is unpinned.
 */
static void pinned_thp_is_refused(struct kunit *test)
{
	struct move *move = move_thp(test);
	struct page *page;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(move->src, 1, FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin, page), 0);
	move_count_references(move);
	move_expect_refused(test, move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_TRUE(test, pmd_leaf(rmap_kunit_entry(test, move->src).pmd));

	kunit_release_action(test, move_unpin, page);
	move_count_references(move);
	move_call(move);
	move_expect_moved(test, move);
}

/*
 * A pinned huge page that would have to be split is refused at once: the ioctl
 * does not loop.
 */
static void pinned_thp_that_must_be_split_is_refused(struct kunit *test)
{
	struct move *move = move_thp(test);
	struct page *page;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(move->src, 1, FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin, page), 0);
	rmap_kunit_put_folio(test, move->folio);
	move_set_request(move, PAGE_SIZE);
	rmap_kunit_thread_start(move->thread);
	KUNIT_EXPECT_EQ_MSG(test,
			    rmap_kunit_settle_on_folio(move->thread, move->folio),
			    RMAP_KUNIT_DONE, "the ioctl does not come back");
	/* An ioctl that still tries to split succeeds now. */
	kunit_release_action(test, move_unpin, page);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	KUNIT_ASSERT_EQ(test, move->ret, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);
}

/*
 * A move that needs to split a locked huge page retries without holding a
 * reference, which would keep the lock holder from splitting it.
 */
static void move_that_waits_does_not_hinder_a_split(struct kunit *test)
{
	struct move *move = move_thp(test);
	struct task_struct *task = move->thread->task;
	unsigned long end = jiffies + 5 * HZ;
	unsigned int naps = 0;
	bool ended;
	int refs;

	/* Map it by PTEs. */
	rmap_kunit_zap(test, move->src + PAGE_SIZE, PAGE_SIZE);
	lru_add_drain_all();
	move_count_references(move);
	refs = move->folio_refs;
	move_set_request(move, PAGE_SIZE);
	folio_lock(move->folio);
	rmap_kunit_thread_start(move->thread);
	/* What a host takes from a guest counts as run time as well: nap often, too. */
	while (refs == move->folio_refs && time_before(jiffies, end) &&
	       (naps++ < 20 || task_sched_runtime(task) < 50 * NSEC_PER_MSEC)) {
		schedule_timeout_uninterruptible(1);
		refs = folio_ref_count(move->folio);
	}
	ended = completion_done(&move->thread->done);
	rmap_kunit_put_folio(test, move->folio);
	folio_unlock(move->folio);

	KUNIT_EXPECT_FALSE(test, ended);
	KUNIT_EXPECT_EQ(test, refs, move->folio_refs);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	KUNIT_EXPECT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
}

/* A huge page shared with a child is refused before it is split. */
static void forked_thp_is_refused_and_stays_whole(struct kunit *test)
{
	struct move *move = move_thp(test);

	rmap_kunit_fork(test, NULL, NULL);
	move_count_references(move);
	move_expect_refused(test, move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, pmd_leaf(rmap_kunit_entry(test, move->src).pmd));

	/* A reference of the test's would keep it from being split. */
	rmap_kunit_put_folio(test, move->folio);
	move_count_references(move);
	move_set_request(move, PAGE_SIZE);
	move_expect_refused(test, move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, pmd_leaf(rmap_kunit_entry(test, move->src).pmd));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* A huge page at the destination is not replaced, whole or in part: EEXIST. */
static void present_thp_destination_is_refused(struct kunit *test)
{
	unsigned long dst = rmap_kunit_mmap_thp(test);
	struct folio *there = rmap_kunit_new_thp(test, dst, MOVE_OTHER);
	struct move *move = kunit_kzalloc(test, sizeof(*move), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, move);
	move->src = rmap_kunit_mmap_thp(test);
	move->dst = dst;
	move->len = PMD_SIZE;
	move->uffd = rmap_kunit_uffd_open(test);
	move->arg = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, move->arg, 0);
	rmap_kunit_uffd_register(test, move->uffd, dst, PMD_SIZE);
	move->new = rmap_kunit_anon_vma(test, dst);
	move_ready(test, move, rmap_kunit_new_thp(test, move->src, MOVE_VALUE));

	move_expect_refused(test, move, -EEXIST);
	move_set_request(move, PAGE_SIZE);
	move_expect_refused(test, move, -EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, dst), there);
	KUNIT_EXPECT_TRUE(test, pmd_leaf(rmap_kunit_entry(test, dst).pmd));
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE

static struct move *move_huge_zero_page(struct kunit *test)
{
	unsigned long src = rmap_kunit_mmap_thp(test);
	struct move *move = move_alloc(test, src, rmap_kunit_mmap_thp(test),
				       PMD_SIZE);

	KUNIT_ASSERT_EQ(test, rmap_kunit_touch(src), 0);
	if (!is_huge_zero_pmd(rmap_kunit_entry(test, src).pmd))
		kunit_skip(test, "got no huge zero page");
	move_set_request(move, move->len);
	return move;
}

/* The huge zero page moves whole: there is no folio to lock. */
static void huge_zero_page_moves_whole(struct kunit *test)
{
	struct move *move = move_huge_zero_page(test);
	pmd_t pmd;

	move_expect(test, move, 0, PMD_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	pmd = rmap_kunit_entry(test, move->dst).pmd;
	KUNIT_EXPECT_TRUE(test, is_huge_zero_pmd(pmd));
	KUNIT_EXPECT_FALSE(test, pmd_write(pmd));
	/* A write gets a page of its own. */
	rmap_kunit_write(test, move->dst, MOVE_VALUE);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst + PAGE_SIZE), 0);
}

/*
 * The huge zero page is split if the range is shorter. The destination gets the
 * zero page.
 */
static void huge_zero_page_is_split_for_a_shorter_range(struct kunit *test)
{
	struct move *move = move_huge_zero_page(test);
	pte_t pte;

	move->req.len = PAGE_SIZE;
	move_expect(test, move, 0, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_FALSE(test, rmap_kunit_is_hole(test, move->src + PAGE_SIZE));
	pte = rmap_kunit_entry(test, move->dst).pte;
	KUNIT_EXPECT_TRUE(test, pte_present(pte) && is_zero_pfn(pte_pfn(pte)));
}

#else

static void huge_zero_page_moves_whole(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_TRANSPARENT_HUGEPAGE");
}

static void huge_zero_page_is_split_for_a_shorter_range(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_TRANSPARENT_HUGEPAGE");
}

#endif

/*
 * A migrating huge page that must be split is split and moves after the
 * migration.
 */
static void migrating_thp_is_split_and_moves(struct kunit *test)
{
#ifdef CONFIG_ARCH_HAS_PMD_SOFTLEAVES
	struct move *move = move_thp(test);
	enum rmap_kunit_outcome outcome;
	bool migrating;

	move_set_request(move, PAGE_SIZE);
	folio_lock(move->folio);
	try_to_migrate(move->folio, 0);
	migrating = pmd_is_migration_entry(rmap_kunit_entry(test, move->src).pmd);
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_folio(move->thread, move->folio);
	remove_migration_ptes(move->folio, move->folio, 0);
	/* For the split; the page tables have their own. */
	rmap_kunit_put_folio(test, move->folio);
	folio_unlock(move->folio);

	KUNIT_EXPECT_TRUE(test, migrating);
	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	KUNIT_ASSERT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	move_expect_walk(test, rmap_kunit_folio(test, move->dst), move->dst);
#else
	kunit_skip(test, "needs migration of huge pages");
#endif
}
