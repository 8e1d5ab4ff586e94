// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lock of the anon_vma is contended, and the folio moves or goes meanwhile
 */

/*
 * With try_lock, a contended root is reported as contended, without sleeping.
 */
static void try_lock_gives_up_on_contention(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	enum rmap_kunit_outcome outcome;

	walker->rwc.try_lock = true;
	folio_lock(walker->folio);
	anon_vma_lock_write(walker->anon_vma);
	rmap_kunit_thread_start(walker->thread);
	outcome = rmap_kunit_settle_on_rwsem(walker->thread,
					     &walker->anon_vma->root->rwsem);
	anon_vma_unlock_write(walker->anon_vma);
	rmap_kunit_thread_wait(walker->thread);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_DONE);
	KUNIT_EXPECT_NULL(test, walker->got);
	KUNIT_EXPECT_TRUE(test, walker->rwc.contended);
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

/* With try_lock, a root that only readers hold is locked. */
static void try_lock_shares_with_readers(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	bool ended;

	walker->rwc.try_lock = true;
	folio_lock(walker->folio);
	anon_vma_lock_read(walker->anon_vma);
	rmap_kunit_thread_start(walker->thread);
	ended = rmap_kunit_thread_wait(walker->thread);
	anon_vma_unlock_read(walker->anon_vma);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_TRUE(test, ended);
	KUNIT_EXPECT_PTR_EQ(test, walker->got, walker->anon_vma);
	KUNIT_EXPECT_FALSE(test, walker->rwc.contended);
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

/* Without try_lock, a walker sleeps on a contended root and then gets it. */
static void sleeping_walker_gets_the_anon_vma(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	enum rmap_kunit_outcome outcome;
	bool ended;
	int refs;

	folio_lock(walker->folio);
	anon_vma_lock_write(walker->anon_vma);
	rmap_kunit_thread_start(walker->thread);
	outcome = rmap_kunit_settle_on_rwsem(walker->thread,
					     &walker->anon_vma->root->rwsem);
	refs = atomic_read(&walker->anon_vma->refcount);
	anon_vma_unlock_write(walker->anon_vma);
	ended = rmap_kunit_thread_wait(walker->thread);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	/* Pinned before it slept: the VMA could have gone away. */
	KUNIT_EXPECT_EQ(test, refs, walker->before.anon_vma_refs + 1);
	KUNIT_EXPECT_TRUE(test, ended);
	KUNIT_EXPECT_PTR_EQ(test, walker->got, walker->anon_vma);
	KUNIT_EXPECT_TRUE(test, walker->read_locked);
	KUNIT_EXPECT_FALSE(test, walker->rwc.contended);
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

/*
 * If the folio moves to another root while a walker sleeps on the old root's
 * rwsem, the walker ends up with the new root.
 */
static void sleeping_walker_follows_a_move(struct kunit *test)
{
	enum rmap_kunit_outcome outcome;
	struct walker *walker;
	struct anon_vma *new;
	unsigned long dst;
	int new_refs;
	bool ended;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	walker = walker_alloc(test);
	dst = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, dst, 2);
	new = rmap_kunit_anon_vma(test, dst);
	KUNIT_ASSERT_PTR_NE(test, walker->anon_vma->root, new->root);
	new_refs = atomic_read(&new->refcount);

	/* What UFFDIO_MOVE holds under this contract. */
	mmap_read_lock(current->mm);
	folio_lock(walker->folio);
	anon_vma_lock_write(walker->anon_vma);
	rmap_kunit_thread_start(walker->thread);
	outcome = rmap_kunit_settle_on_rwsem(walker->thread,
					     &walker->anon_vma->root->rwsem);
	folio_move_anon_rmap(walker->folio, vma_lookup(current->mm, dst));
	anon_vma_unlock_write(walker->anon_vma);
	ended = rmap_kunit_thread_wait(walker->thread);
	/* Back to where it is mapped, before anybody else looks. */
	folio_move_anon_rmap(walker->folio, vma_lookup(current->mm, walker->addr));
	folio_unlock(walker->folio);
	mmap_read_unlock(current->mm);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_TRUE(test, ended);
	KUNIT_EXPECT_PTR_EQ(test, walker->got, new);
	KUNIT_EXPECT_TRUE(test, walker->read_locked);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&new->root->rwsem));
	KUNIT_EXPECT_EQ(test, atomic_read(&new->refcount), new_refs);
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

/*
 * The same if the folio moves on to a third root while the walker waits again.
 */
static void sleeping_walker_follows_moves_in_a_row(struct kunit *test)
{
	enum rmap_kunit_outcome first, second;
	struct anon_vma *middle, *last;
	unsigned long via, dst;
	struct walker *walker;
	bool ended;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	walker = walker_alloc(test);
	via = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, via, 2);
	middle = rmap_kunit_anon_vma(test, via);
	dst = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, dst, 3);
	last = rmap_kunit_anon_vma(test, dst);

	mmap_read_lock(current->mm);
	folio_lock(walker->folio);
	anon_vma_lock_write(walker->anon_vma);
	rmap_kunit_thread_start(walker->thread);
	first = rmap_kunit_settle_on_rwsem(walker->thread,
					   &walker->anon_vma->root->rwsem);
	down_write_nested(&middle->root->rwsem, SINGLE_DEPTH_NESTING);
	folio_move_anon_rmap(walker->folio, vma_lookup(current->mm, via));
	anon_vma_unlock_write(walker->anon_vma);
	second = rmap_kunit_settle_on_rwsem(walker->thread, &middle->root->rwsem);
	folio_move_anon_rmap(walker->folio, vma_lookup(current->mm, dst));
	up_write(&middle->root->rwsem);
	ended = rmap_kunit_thread_wait(walker->thread);
	folio_move_anon_rmap(walker->folio, vma_lookup(current->mm, walker->addr));
	folio_unlock(walker->folio);
	mmap_read_unlock(current->mm);

	KUNIT_EXPECT_EQ(test, first, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_EQ(test, second, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_TRUE(test, ended);
	KUNIT_EXPECT_PTR_EQ(test, walker->got, last);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&middle->root->rwsem));
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&last->root->rwsem));
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

static void unmap_when_reached_fn(void *data)
{
	struct walker *walker = data;

	wait_for_completion_timeout(&walker->reached, 5 * HZ);
	unmap_fn(walker);
}

static void munmap_fn(void *data)
{
	struct walker *walker = data;

	vm_munmap(walker->addr, PAGE_SIZE);
}

/*
 * If the folio moves to another root and is unmapped while the walker sleeps,
 * the result is NULL, not the anon_vma that the walker found first.
 */
static void moved_and_unmapped_meanwhile_gives_null(struct kunit *test)
{
	struct rmap_kunit_thread *unmapper;
	enum rmap_kunit_outcome outcome;
	struct walker *walker;
	bool unmapped, ended;
	unsigned long dst;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	walker = walker_alloc(test);
	dst = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, dst, 2);
	unmapper = rmap_kunit_thread_create(test, unmap_fn, walker);

	mmap_read_lock(current->mm);
	folio_lock(walker->folio);
	anon_vma_lock_write(walker->anon_vma);
	rmap_kunit_thread_start(walker->thread);
	outcome = rmap_kunit_settle_on_rwsem(walker->thread,
					     &walker->anon_vma->root->rwsem);
	folio_move_anon_rmap(walker->folio, vma_lookup(current->mm, dst));
	rmap_kunit_thread_start(unmapper);
	unmapped = rmap_kunit_thread_wait(unmapper);
	anon_vma_unlock_write(walker->anon_vma);
	ended = rmap_kunit_thread_wait(walker->thread);
	folio_move_anon_rmap(walker->folio, vma_lookup(current->mm, walker->addr));
	folio_unlock(walker->folio);
	mmap_read_unlock(current->mm);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_TRUE(test, unmapped);
	KUNIT_EXPECT_TRUE(test, ended);
	KUNIT_EXPECT_NULL(test, walker->got);
	walker->before.refs--;
	walker->before.mapcount--;
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

/* Have the walker take a detour where it calls @symbol for its root's rwsem. */
static void walker_detour(struct kunit *test, struct walker *walker,
			  const char *symbol, void *detour)
{
	walker->detour.task = walker->thread->task;
	walker->detour.value = &walker->anon_vma->root->rwsem;
	walker->detour.detour = detour;
	rmap_kunit_probe(test, &walker->detour, symbol);
}

/* In an RCU read-side section: it cannot sleep until the folio is unmapped. */
static int trylock_when_unmapped(struct rw_semaphore *rwsem)
{
	struct walker *walker = rmap_kunit_thread_data();
	int ms;

	complete(&walker->reached);
	for (ms = 0; folio_mapped(walker->folio) && ms < 10000; ms++)
		mdelay(1);
	return down_read_trylock(rwsem);
}

static void down_read_when_let_go(struct rw_semaphore *rwsem)
{
	struct walker *walker = rmap_kunit_thread_data();

	complete(&walker->reached);
	wait_for_completion_timeout(&walker->go_on, 5 * HZ);
	down_read(rwsem);
}

static int trylock_after_a_move(struct rw_semaphore *rwsem)
{
	struct walker *walker = rmap_kunit_thread_data();

	/* As UFFDIO_MOVE does under contract revalidate; the test has the rest. */
	if (down_write_trylock(rwsem)) {
		folio_move_anon_rmap(walker->folio, walker->dst);
		up_write(rwsem);
	}
	return down_read_trylock(rwsem);
}

/*
 * Unmap the folio while the walker is about to try the rwsem, which the test
 * holds for writing or not. The walker notices, and does not wait.
 */
static void expect_null_if_unmapped(struct kunit *test, bool contended)
{
	struct walker *walker = walker_alloc(test);
	struct rmap_kunit_thread *unmapper;
	enum rmap_kunit_outcome outcome;
	unsigned int cpu = cpumask_first(cpu_online_mask);

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	walker_detour(test, walker, "down_read_trylock", trylock_when_unmapped);
	unmapper = rmap_kunit_thread_create(test, unmap_when_reached_fn, walker);
	/* The one does not yield to the other. */
	rmap_kunit_thread_bind(walker->thread, cpu);
	rmap_kunit_thread_bind(unmapper, cpumask_next(cpu, cpu_online_mask));

	folio_lock(walker->folio);
	if (contended)
		anon_vma_lock_write(walker->anon_vma);
	rmap_kunit_thread_start(unmapper);
	rmap_kunit_thread_start(walker->thread);
	outcome = rmap_kunit_settle_on_rwsem(walker->thread,
					     &walker->anon_vma->root->rwsem);
	if (contended)
		anon_vma_unlock_write(walker->anon_vma);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_DONE);
	KUNIT_EXPECT_GT(test, walker->detour.hits, 0);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(unmapper));
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(walker->thread));
	KUNIT_ASSERT_FALSE(test, folio_mapped(walker->folio));
	KUNIT_EXPECT_NULL(test, walker->got);
	walker->before.refs--;
	walker->before.mapcount--;
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

/*
 * If the folio is unmapped right before the walker's trylock, which succeeds,
 * the rwsem is unlocked again and the result is NULL.
 */
static void unmapped_before_the_trylock_gives_null(struct kunit *test)
{
	expect_null_if_unmapped(test, false);
}

/*
 * If the folio is unmapped and the trylock fails, the result is NULL, without
 * sleeping on the rwsem.
 */
static void unmapped_before_it_would_sleep_gives_null(struct kunit *test)
{
	expect_null_if_unmapped(test, true);
}

/*
 * If the last VMA goes away after the walker took its reference, only that
 * keeps the anon_vma alive until the walker has the rwsem. It is freed once.
 */
static void last_vma_gone_before_the_rwsem_gives_null(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct rmap_kunit_thread *unmapper;
	struct rmap_kunit_probe *freed;
	int refs, freed_before;
	unsigned long reached;
	bool gone, ended;

	walker_detour(test, walker, "down_read", down_read_when_let_go);
	unmapper = rmap_kunit_thread_create(test, munmap_fn, walker);
	freed = kunit_kzalloc(test, sizeof(*freed), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, freed);
	freed->value = walker->anon_vma;
	/* Seldom called: emulators may miss a breakpoint that is set in busy code. */
	rmap_kunit_probe(test, freed, "__put_anon_vma");

	folio_lock(walker->folio);
	anon_vma_lock_write(walker->anon_vma);
	rmap_kunit_thread_start(walker->thread);
	reached = wait_for_completion_timeout(&walker->reached, 5 * HZ);
	anon_vma_unlock_write(walker->anon_vma);
	rmap_kunit_thread_start(unmapper);
	gone = rmap_kunit_thread_wait(unmapper);
	refs = reached && gone ? atomic_read(&walker->anon_vma->refcount) : 0;
	freed_before = freed->hits;
	complete(&walker->go_on);
	ended = rmap_kunit_thread_wait(walker->thread);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_GT(test, reached, 0);
	KUNIT_EXPECT_TRUE(test, gone);
	KUNIT_EXPECT_EQ(test, refs, 1);
	KUNIT_EXPECT_EQ(test, freed_before, 0);
	KUNIT_ASSERT_TRUE(test, ended);
	KUNIT_EXPECT_NULL(test, walker->got);
	KUNIT_EXPECT_EQ(test, freed->hits, 1);
}

/*
 * The same after a move to another root: dropping the walker's reference frees
 * the old anon_vma, which takes the rwsem that the walker has just acquired.
 */
static void last_vma_gone_after_a_move_gives_null(struct kunit *test)
{
	struct rmap_kunit_thread *unmapper;
	struct rmap_kunit_probe *freed;
	struct walker *walker;
	unsigned long reached;
	unsigned long dst;
	int freed_before;
	bool gone, ended;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	walker = walker_alloc(test);
	dst = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, dst, 2);
	walker_detour(test, walker, "down_read", down_read_when_let_go);
	unmapper = rmap_kunit_thread_create(test, munmap_fn, walker);
	freed = kunit_kzalloc(test, sizeof(*freed), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, freed);
	freed->value = walker->anon_vma;
	/* Seldom called: emulators may miss a breakpoint that is set in busy code. */
	rmap_kunit_probe(test, freed, "__put_anon_vma");

	mmap_read_lock(current->mm);
	folio_lock(walker->folio);
	anon_vma_lock_write(walker->anon_vma);
	rmap_kunit_thread_start(walker->thread);
	reached = wait_for_completion_timeout(&walker->reached, 5 * HZ);
	folio_move_anon_rmap(walker->folio, vma_lookup(current->mm, dst));
	anon_vma_unlock_write(walker->anon_vma);
	mmap_read_unlock(current->mm);
	rmap_kunit_thread_start(unmapper);
	gone = rmap_kunit_thread_wait(unmapper);
	freed_before = freed->hits;
	complete(&walker->go_on);
	ended = rmap_kunit_thread_wait(walker->thread);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_GT(test, reached, 0);
	KUNIT_EXPECT_TRUE(test, gone);
	KUNIT_EXPECT_EQ(test, freed_before, 0);
	KUNIT_ASSERT_TRUE(test, ended);
	KUNIT_EXPECT_NULL(test, walker->got);
	KUNIT_EXPECT_EQ(test, freed->hits, 1);
}

/*
 * If the folio moves to another root between the walker's read of
 * folio->mapping and its successful trylock, the walker ends up with the new
 * root.
 */
static void trylock_follows_a_move(struct kunit *test)
{
	struct rmap_kunit_probe *second;
	struct walker *walker;
	struct anon_vma *new;
	unsigned long dst;
	bool ended;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	walker = walker_alloc(test);
	dst = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, dst, 2);
	new = rmap_kunit_anon_vma(test, dst);
	walker_detour(test, walker, "down_read_trylock", trylock_after_a_move);
	second = kunit_kzalloc(test, sizeof(*second), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, second);
	second->task = walker->thread->task;
	second->value = &new->root->rwsem;
	rmap_kunit_probe(test, second, "down_read_trylock");

	mmap_read_lock(current->mm);
	folio_lock(walker->folio);
	walker->dst = vma_lookup(current->mm, dst);
	rmap_kunit_thread_start(walker->thread);
	ended = rmap_kunit_thread_wait(walker->thread);
	folio_move_anon_rmap(walker->folio, vma_lookup(current->mm, walker->addr));
	folio_unlock(walker->folio);
	mmap_read_unlock(current->mm);

	KUNIT_ASSERT_TRUE(test, ended);
	/* The detour's own trylock is the second one for the old root. */
	KUNIT_EXPECT_EQ(test, walker->detour.hits, 2);
	KUNIT_EXPECT_EQ(test, second->hits, 1);
	KUNIT_EXPECT_PTR_EQ(test, walker->got, new);
	KUNIT_EXPECT_TRUE(test, walker->read_locked);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&new->root->rwsem));
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}
