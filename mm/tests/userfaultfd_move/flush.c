// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is told that the source has gone: secondary MMUs, TLBs, and how often
 */

/**
 * struct bracket - What an mmu_notifier is told about a move
 * @notifier: of the test's mm
 * @folio: the folio that moves
 * @starts: how often an invalidation began
 * @ends: how often one ended
 * @start: the beginning of the range
 * @end: its end
 * @pages: pages in all ranges
 * @before: the folio's anon_vma when it began
 * @after: the folio's anon_vma when it ended
 */
struct bracket {
	struct mmu_notifier notifier;
	struct folio *folio;
	int starts;
	int ends;
	unsigned long start;
	unsigned long end;
	unsigned long pages;
	struct anon_vma *before;
	struct anon_vma *after;
};

static int bracket_start(struct mmu_notifier *notifier,
			 const struct mmu_notifier_range *range)
{
	struct bracket *bracket = container_of(notifier, struct bracket, notifier);

	bracket->starts++;
	bracket->start = range->start;
	bracket->end = range->end;
	bracket->pages += (range->end - range->start) / PAGE_SIZE;
	bracket->before = folio_anon_vma(bracket->folio);
	return 0;
}

static void bracket_stop(struct mmu_notifier *notifier,
			 const struct mmu_notifier_range *range)
{
	struct bracket *bracket = container_of(notifier, struct bracket, notifier);

	bracket->ends++;
	bracket->after = folio_anon_vma(bracket->folio);
}

static const struct mmu_notifier_ops bracket_ops = {
	.invalidate_range_start = bracket_start,
	.invalidate_range_end = bracket_stop,
};

static void bracket_unregister(void *data)
{
	struct bracket *bracket = data;

	mmu_notifier_unregister(&bracket->notifier, bracket->notifier.mm);
}

/* Secondary MMUs drop the source before the page moves, and may look again after. */
static void move_with_bracket(struct kunit *test, struct move *move)
{
	struct bracket *bracket = kunit_kzalloc(test, sizeof(*bracket), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bracket);
	bracket->notifier.ops = &bracket_ops;
	bracket->folio = move->folio;
	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&bracket->notifier, current->mm), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, bracket_unregister,
							bracket), 0);
	move_call(move);
	KUNIT_EXPECT_EQ(test, bracket->starts, 1);
	KUNIT_EXPECT_EQ(test, bracket->ends, 1);
	KUNIT_EXPECT_EQ(test, bracket->start, move->src);
	KUNIT_EXPECT_EQ(test, bracket->end, move->src + move->len);
	KUNIT_EXPECT_PTR_EQ(test, bracket->before, move->old);
	KUNIT_EXPECT_PTR_EQ(test, bracket->after, move->new);
	move_expect_moved(test, move);

	/* Nothing is left open when there is nothing to move. */
	move_expect(test, move, -EEXIST, -EEXIST);
	KUNIT_EXPECT_EQ(test, bracket->starts, bracket->ends);
}

/* A single mmu_notifier invalidation of the source encloses the move. */
static void source_is_invalidated_around_the_move(struct kunit *test)
{
	move_with_bracket(test, move_page(test));
}

/*
 * A single mmu_notifier invalidation of the source encloses the move of a huge
 * page.
 */
static void thp_source_is_invalidated_around_the_move(struct kunit *test)
{
	move_with_bracket(test, move_thp(test));
}

/* mmu_notifiers invalidate exactly the pages of a run. */
static void source_of_a_run_is_invalidated(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	struct bracket *bracket = kunit_kzalloc(test, sizeof(*bracket), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bracket);
	bracket->notifier.ops = &bracket_ops;
	bracket->folio = rmap_kunit_folio(test, move->src + (MOVE_RUN - 1) * PAGE_SIZE);
	rmap_kunit_zap(test, move->src + PAGE_SIZE, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&bracket->notifier, current->mm), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, bracket_unregister,
							bracket), 0);
	/* It ends at the hole. */
	move_expect(test, move, -EAGAIN, PAGE_SIZE);
	KUNIT_EXPECT_GT(test, bracket->starts, 0);
	KUNIT_EXPECT_EQ(test, bracket->starts, bracket->ends);
	if (__is_defined(RMAP_KUNIT_FLUSHES_THEN_MOVES))
		KUNIT_EXPECT_LE(test, bracket->pages, 2);

	bracket->pages = 0;
	move_set_request(move, move->len);
	move->req.src += 2 * PAGE_SIZE;
	move->req.dst += 2 * PAGE_SIZE;
	move->req.len -= 2 * PAGE_SIZE;
	move_expect(test, move, 0, move->req.len);
	KUNIT_EXPECT_EQ(test, bracket->starts, bracket->ends);
	KUNIT_EXPECT_EQ(test, bracket->pages, MOVE_RUN - 2);
	KUNIT_EXPECT_EQ(test, bracket->end, move->src + move->len);
	KUNIT_EXPECT_PTR_EQ(test, bracket->after, move->new);
	rmap_kunit_put_folio(test, bracket->folio);
}

/* Its caller holds the page table locks. */
static pte_t run_flush_pte(unsigned long addr)
{
	return ptep_get(pte_offset_kernel(pmd_off(current->mm, addr), addr));
}

/**
 * struct secondary - What uses the page tables of the CPUs, with a TLB of its own
 * @notifier: of the test's mm
 * @move: the move
 * @pages: how many pages of the source that TLB was to forget
 * @mapped: how many of them were still there
 * @early: how many had arrived at the destination
 */
struct secondary {
	struct mmu_notifier notifier;
	struct move *move;
	unsigned long pages;
	int mapped;
	int early;
};

static void secondary_flush(struct mmu_notifier *notifier, struct mm_struct *mm,
			    unsigned long start, unsigned long end)
{
	struct secondary *secondary = container_of(notifier, struct secondary,
						   notifier);
	struct move *move = secondary->move;
	unsigned long addr;

	start = max(start, move->src);
	end = min(end, move->src + move->len);
	for (addr = start; addr < end; addr += PAGE_SIZE) {
		secondary->pages++;
		secondary->mapped += !pte_none(run_flush_pte(addr));
		secondary->early += !pte_none(run_flush_pte(addr - move->src +
							    move->dst));
	}
}

static const struct mmu_notifier_ops secondary_ops = {
	.arch_invalidate_secondary_tlbs = secondary_flush,
};

static void secondary_unregister(void *data)
{
	struct secondary *secondary = data;

	mmu_notifier_unregister(&secondary->notifier, secondary->notifier.mm);
}

/* On some architectures; before it had its present name, on all of them. */
static bool move_flushes_secondary_tlbs(void)
{
	if (__is_defined(RMAP_KUNIT_LACKS_SECONDARY_TLBS))
		return true;
	return !IS_ENABLED(CONFIG_UML) &&
	       (IS_ENABLED(CONFIG_X86_64) || IS_ENABLED(CONFIG_ARM64));
}

/*
 * Secondary TLBs are flushed once for each page of a run, when it is no longer
 * mapped at the source.
 */
static void secondary_tlbs_are_flushed_in_between(struct kunit *test)
{
	struct secondary *secondary;
	struct move *move;

	if (!move_flushes_secondary_tlbs())
		kunit_skip(test, "this architecture has no secondary TLBs");
	move = move_run(test, MOVE_RUN);
	secondary = kunit_kzalloc(test, sizeof(*secondary), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, secondary);
	secondary->notifier.ops = &secondary_ops;
	secondary->move = move;
	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&secondary->notifier,
						    current->mm), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, secondary_unregister,
							secondary), 0);
	move_expect(test, move, 0, move->len);
	kunit_release_action(test, secondary_unregister, secondary);
	KUNIT_EXPECT_EQ(test, secondary->pages, MOVE_RUN);
	KUNIT_EXPECT_EQ(test, secondary->mapped, 0);
	if (__is_defined(RMAP_KUNIT_FLUSHES_THEN_MOVES))
		KUNIT_EXPECT_EQ(test, secondary->early, 0);
	move_expect_run(test, move, MOVE_RUN);
}

/**
 * struct scribbler - A thread that writes to the source while it is moved
 * @addr: the pages
 * @nr: how many there are
 * @rounds: how often it wrote to each
 * @gone: how many pages it has found to be new ones in the last round
 * @stop: whether it is to end
 * @thread: the thread
 */
struct scribbler {
	unsigned long addr;
	unsigned long nr;
	unsigned long rounds;
	unsigned long gone;
	bool stop;
	struct rmap_kunit_thread *thread;
};

/* Add one to @value at @at, if it is still there: not to a page that came meanwhile. */
static bool scribbler_count(u32 __user *at, u32 value)
{
	u32 there;

	return futex_atomic_cmpxchg_inatomic(&there, at, value, value + 1) == -EFAULT;
}

/*
 * Counts in each page. The pages start from 1; one that came instead of a page that
 * has moved starts from 0, and is left alone.
 */
static void scribbler_fn(void *data)
{
	struct scribbler *scribbler = data;
	unsigned long i;
	u32 value;

	while (!READ_ONCE(scribbler->stop)) {
		scribbler->gone = 0;
		for (i = 0; i < scribbler->nr; i++) {
			u32 __user *at = (u32 __user *)(scribbler->addr + i * PAGE_SIZE);

			if (get_user(value, at))
				return;
			if (!value)
				scribbler->gone++;
			else if (scribbler_count(at, value))
				return;
		}
		WRITE_ONCE(scribbler->rounds, scribbler->rounds + 1);
	}
}

static void scribbler_end(void *data)
{
	struct scribbler *scribbler = data;

	WRITE_ONCE(scribbler->stop, true);
}

/* Whether it gets through all pages some times more, after @rounds. */
static bool scribbler_goes_on(struct scribbler *scribbler, unsigned long rounds)
{
	unsigned long end = jiffies + 5 * HZ;

	while (READ_ONCE(scribbler->rounds) < rounds + 3) {
		if (time_after(jiffies, end))
			return false;
		cond_resched();
	}
	return true;
}

/* Once a call has returned, no CPU writes to what it moved by way of the source. */
static void move_under_a_scribbler(struct kunit *test, unsigned long nr)
{
	struct move *move = move_run(test, nr);
	struct scribbler *scribbler = kunit_kzalloc(test, sizeof(*scribbler), GFP_KERNEL);
	u32 *seen = kunit_kcalloc(test, nr, sizeof(*seen), GFP_KERNEL);
	unsigned long i, rounds, changed = 0;
	unsigned int cpu;

	KUNIT_ASSERT_NOT_NULL(test, scribbler);
	KUNIT_ASSERT_NOT_NULL(test, seen);
	scribbler->addr = move->src;
	scribbler->nr = nr;
	scribbler->thread = rmap_kunit_thread_create(test, scribbler_fn, scribbler);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, scribbler_end, scribbler), 0);
	/* Not where this thread is. */
	cpu = get_cpu();
	rmap_kunit_thread_bind(scribbler->thread,
			       cpumask_any_but(cpu_online_mask, cpu));
	put_cpu();
	rmap_kunit_thread_start(scribbler->thread);
	KUNIT_ASSERT_TRUE(test, scribbler_goes_on(scribbler, 0));

	move_call(move);
	/* It sees holes from now on; those that it fills are of no concern. */
	for (i = 0; i < nr; i++)
		if (get_user(seen[i], (u32 __user *)(move->dst + i * PAGE_SIZE)))
			break;
	rounds = READ_ONCE(scribbler->rounds);
	KUNIT_EXPECT_TRUE(test, scribbler_goes_on(scribbler, rounds));
	scribbler_end(scribbler);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(scribbler->thread));
	KUNIT_EXPECT_EQ(test, move->ret, 0);
	KUNIT_ASSERT_EQ(test, i, nr);
	KUNIT_EXPECT_EQ(test, scribbler->gone, nr);
	for (i = 0; i < nr; i++) {
		changed += rmap_kunit_read(test, move->dst + i * PAGE_SIZE) != seen[i];
		KUNIT_EXPECT_GT(test, seen[i], 0);
	}
	KUNIT_EXPECT_EQ(test, changed, 0);
}

/*
 * Once a move has returned, no other CPU writes to a moved page through the
 * source, whether the TLB was flushed page by page or as a whole.
 */
static void moved_pages_are_out_of_reach_of_other_cpus(struct kunit *test)
{
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	/* Few pages are flushed one by one, and many all at once. */
	move_under_a_scribbler(test, 1);
	move_under_a_scribbler(test, MOVE_RUN);
	move_under_a_scribbler(test, 128);
}

#if defined(CONFIG_KPROBES) && defined(CONFIG_X86_64) && defined(CONFIG_SMP)

/**
 * struct run_flush - Looks at what is mapped while the TLB is flushed
 * @probe: on the function that flushes
 * @move: the move
 * @task: the thread that moves
 * @pin: a folio that gets pinned now, as if by GUP-fast; may be %NULL
 * @calls: how often the source is flushed
 * @pages: how many pages of it
 * @across: how often that went across the end of a page table
 * @mapped: how many PTEs that the flush is about were not empty
 * @early: how many of them had arrived at the destination
 */
struct run_flush {
	struct kprobe probe;
	struct move *move;
	struct task_struct *task;
	struct folio *pin;
	int calls;
	unsigned long pages;
	int across;
	int mapped;
	int early;
};

static void move_needs_runs(struct kunit *test)
{
	if (!__is_defined(RMAP_KUNIT_MOVES_RUNS))
		kunit_skip(test, "this kernel does not move pages in runs, flushed in between");
}

static int run_flush_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct run_flush *flush = container_of(probe, struct run_flush, probe);
	unsigned long start = regs_get_kernel_argument(regs, 1);
	unsigned long end = regs_get_kernel_argument(regs, 2);
	struct move *move = flush->move;
	unsigned long addr;

	if (current != flush->task || start < move->src ||
	    start >= move->src + move->len)
		return 0;
	flush->calls++;
	flush->pages += (end - start) / PAGE_SIZE;
	flush->across += (start & PMD_MASK) != ((end - 1) & PMD_MASK);
	for (addr = start; addr < min(end, move->src + move->len); addr += PAGE_SIZE) {
		flush->mapped += !pte_none(run_flush_pte(addr));
		flush->early += !pte_none(run_flush_pte(addr - move->src + move->dst));
	}
	if (flush->pin) {
		folio_ref_add(flush->pin, GUP_PIN_COUNTING_BIAS);
		flush->pin = NULL;
	}
	return 0;
}

static void run_flush_end(void *data)
{
	struct run_flush *flush = data;

	unregister_kprobe(&flush->probe);
}

static struct run_flush *run_flush_look(struct kunit *test, struct move *move)
{
	struct run_flush *flush = kunit_kzalloc(test, sizeof(*flush), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, flush);
	flush->move = move;
	flush->task = current;
	flush->probe.symbol_name = "flush_tlb_mm_range";
	flush->probe.pre_handler = run_flush_pre;
	KUNIT_ASSERT_EQ(test, register_kprobe(&flush->probe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, run_flush_end, flush), 0);
	return flush;
}

/*
 * The TLB is flushed once for a run, while none of its pages is mapped at
 * either end.
 */
static void run_is_flushed_once_and_in_between(struct kunit *test)
{
	static const unsigned long sizes[] = { 1, MOVE_RUN, 16, 17, 200 };
	int i;

	move_needs_runs(test);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned long area = rmap_kunit_mmap_far(test, PMD_SIZE);
		struct run_flush *flush;
		struct move *move;
		unsigned long j;

		move_no_thps(test, area, PMD_SIZE);
		move = move_alloc(test, area, area + PMD_SIZE / 2, sizes[i] * PAGE_SIZE);
		for (j = 0; j < sizes[i]; j++)
			rmap_kunit_write(test, move->src + j * PAGE_SIZE, j + 1);
		lru_add_drain_all();
		move_set_request(move, move->len);
		flush = run_flush_look(test, move);
		move_expect(test, move, 0, move->len);
		kunit_release_action(test, run_flush_end, flush);
		KUNIT_EXPECT_EQ(test, flush->calls, 1);
		KUNIT_EXPECT_EQ(test, flush->pages, sizes[i]);
		KUNIT_EXPECT_EQ(test, flush->mapped, 0);
		KUNIT_EXPECT_EQ(test, flush->early, 0);
		move_expect_run(test, move, sizes[i]);
	}
}

/* A run ends at the end of a page table, at the source or the destination. */
static void run_ends_with_its_page_tables(struct kunit *test)
{
	unsigned long src = rmap_kunit_mmap_far(test, 2 * PMD_SIZE);
	unsigned long dst = rmap_kunit_mmap_far(test, 2 * PMD_SIZE);
	struct run_flush *flush;
	struct move *move;
	unsigned long i;

	move_needs_runs(test);
	move_no_thps(test, src, 2 * PMD_SIZE);
	move_no_thps(test, dst, 2 * PMD_SIZE);
	move = move_alloc(test, src + PMD_SIZE - 40 * PAGE_SIZE,
			  dst + PMD_SIZE - 30 * PAGE_SIZE, 64 * PAGE_SIZE);
	for (i = 0; i < 64; i++)
		rmap_kunit_write(test, move->src + i * PAGE_SIZE, i + 1);
	lru_add_drain_all();
	move_set_request(move, move->len);
	flush = run_flush_look(test, move);
	move_expect(test, move, 0, move->len);
	kunit_release_action(test, run_flush_end, flush);
	/* 30 to the end of the destination's, 10 to that of the source's, and 24. */
	KUNIT_EXPECT_EQ(test, flush->calls, 3);
	KUNIT_EXPECT_EQ(test, flush->pages, 64);
	KUNIT_EXPECT_EQ(test, flush->across, 0);
	move_expect_run(test, move, 64);
}

/*
 * If a page of a run is pinned at the last moment, it and the pages after it
 * are put back, dirty bits included.
 */
static void run_pinned_at_the_last_moment_is_put_back(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	struct run_flush *flush;
	struct folio *folio;
	bool pinned;

	if (!__is_defined(RMAP_KUNIT_FLUSHES_THEN_MOVES))
		kunit_skip(test, "this kernel looks for pins before it flushes");
	folio = rmap_kunit_folio(test, move->src + 5 * PAGE_SIZE);
	/* Dirty bits come back as well. */
	move_change_pte(test, move->src + 6 * PAGE_SIZE, pte_mkclean);
	flush = run_flush_look(test, move);
	flush->pin = folio;
	move_call(move);
	pinned = !flush->pin;
	flush->pin = NULL;
	kunit_release_action(test, run_flush_end, flush);
	if (pinned)
		KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin,
								&folio->page), 0);
	rmap_kunit_put_folio(test, folio);
	KUNIT_ASSERT_TRUE(test, pinned);
	KUNIT_EXPECT_EQ(test, move->ret, -EAGAIN);
	KUNIT_EXPECT_EQ(test, move->req.move, 5 * PAGE_SIZE);
	move_expect_next(test, move, 5, -EBUSY);
	KUNIT_EXPECT_TRUE(test, pte_dirty(rmap_kunit_entry(test, move->src + 5 * PAGE_SIZE).pte));
	KUNIT_EXPECT_FALSE(test, pte_dirty(rmap_kunit_entry(test, move->src + 6 * PAGE_SIZE).pte));
	KUNIT_EXPECT_TRUE(test, pte_dirty(rmap_kunit_entry(test, move->src + 7 * PAGE_SIZE).pte));

	kunit_release_action(test, move_unpin, &folio->page);
	move_expect_run(test, move, 5);
}

#else

static void run_is_flushed_once_and_in_between(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES and SMP, on x86_64");
}

static void run_ends_with_its_page_tables(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES and SMP, on x86_64");
}

static void run_pinned_at_the_last_moment_is_put_back(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES and SMP, on x86_64");
}

#endif
