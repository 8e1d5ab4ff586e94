// SPDX-License-Identifier: GPL-2.0-only
/*
 * rmap_walk(): whom it visits, and what the caller's control makes of it
 */

#define WALK_MAX	8

/**
 * struct walk - A walk of a folio, and what it came across
 * @rwc: its control, with an rmap_one and an arg already
 * @skip: a process whose VMAs invalid_vma is to leave out
 * @stop: whether rmap_one is to end the walk
 * @folio: for a walk in a thread: the folio
 * @visits: VMAs that rmap_one was called for
 * @found: page table entries that map the folio
 * @addr: where the last VMA visited has the folio
 * @mm: the processes of the VMAs visited
 */
struct walk {
	struct rmap_walk_control rwc;
	struct mm_struct *skip;
	bool stop;
	struct folio *folio;
	int visits;
	int found;
	unsigned long addr;
	struct mm_struct *mm[WALK_MAX];
};

static bool walk_one(struct folio *folio, struct vm_area_struct *vma,
		     unsigned long addr, void *arg)
{
	DEFINE_FOLIO_VMA_WALK(pvmw, folio, vma, addr, 0);
	struct walk *walk = arg;

	if (walk->visits < WALK_MAX)
		walk->mm[walk->visits] = vma->vm_mm;
	walk->visits++;
	walk->addr = addr;
	while (page_vma_mapped_walk(&pvmw))
		walk->found++;
	return !walk->stop;
}

static bool walk_invalid_vma(struct vm_area_struct *vma, void *arg)
{
	struct walk *walk = arg;

	return vma->vm_mm == walk->skip;
}

static int walk_done(struct folio *folio)
{
	return 1;
}

static struct walk *walk_alloc(struct kunit *test)
{
	struct walk *walk = kunit_kzalloc(test, sizeof(*walk), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, walk);
	walk->rwc.rmap_one = walk_one;
	walk->rwc.anon_lock = folio_lock_anon_vma_read;
	walk->rwc.arg = walk;
	return walk;
}

static void walk_run(struct walk *walk, struct folio *folio)
{
	walk->visits = 0;
	walk->found = 0;
	folio_lock(folio);
	rmap_walk(folio, &walk->rwc);
	folio_unlock(folio);
}

static void walk_fn(void *data)
{
	struct walk *walk = data;

	rmap_walk(walk->folio, &walk->rwc);
}

/* Each process that maps the folio is visited once, and no other. */
static void walk_visits_each_process_once(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct rmap_kunit_child *child[3];
	struct walk *walk = walk_alloc(test);
	int i, j;

	for (i = 0; i < ARRAY_SIZE(child); i++)
		child[i] = rmap_kunit_fork(test, NULL, NULL);

	walk_run(walk, walker->folio);
	KUNIT_ASSERT_EQ(test, walk->visits, 4);
	KUNIT_EXPECT_EQ(test, walk->found, 4);
	for (i = 0; i < walk->visits; i++)
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_PTR_NE(test, walk->mm[i], walk->mm[j]);

	rmap_kunit_reap(test, child[1]);
	walk_run(walk, walker->folio);
	KUNIT_EXPECT_EQ(test, walk->visits, 3);
	KUNIT_EXPECT_EQ(test, walk->found, 3);
}

/* The number of pages that the VMA at an address has. */
static unsigned long vma_pages_at(unsigned long addr)
{
	struct vm_area_struct *vma;
	unsigned long nr_pages;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	nr_pages = vma ? vma_pages(vma) : 0;
	mmap_read_unlock(current->mm);
	return nr_pages;
}

/* A VMA that was split and merged again is found through the same anon_vma. */
static void walk_finds_a_split_and_merged_vma(struct kunit *test)
{
	unsigned long area = rmap_kunit_mmap(test, 3);
	unsigned long addr = area + PAGE_SIZE;
	struct folio *folio = rmap_kunit_new_folio(test, addr, 1);
	struct anon_vma *anon_vma = rmap_kunit_anon_vma(test, addr);
	struct walk *walk = walk_alloc(test);
	static const struct {
		int advice;
		unsigned long nr_pages;
	} steps[] = { { MADV_DONTDUMP, 1 }, { MADV_DODUMP, 3 } };
	int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		KUNIT_ASSERT_EQ(test, do_madvise(current->mm, addr, PAGE_SIZE,
						 steps[i].advice), 0);
		KUNIT_ASSERT_EQ(test, vma_pages_at(addr), steps[i].nr_pages);
		KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_anon_vma(test, addr), anon_vma);
		walk_run(walk, folio);
		KUNIT_EXPECT_EQ(test, walk->visits, 1);
		KUNIT_EXPECT_EQ(test, walk->found, 1);
	}
}

/*
 * A VMA that mremap() moved is found at its new address, through the same
 * anon_vma.
 */
static void walk_finds_a_vma_moved_by_mremap(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 1), new;
	struct folio *folio = rmap_kunit_new_folio(test, addr, 1);
	struct walk *walk = walk_alloc(test);
	struct anon_vma *got;

	new = rmap_kunit_mremap(test, addr, 1);
	folio_lock(folio);
	got = lock_anon_vma_read(folio);
	folio_unlock(folio);

	KUNIT_EXPECT_PTR_EQ(test, got, rmap_kunit_anon_vma(test, new));
	walk_run(walk, folio);
	KUNIT_EXPECT_EQ(test, walk->visits, 1);
	KUNIT_EXPECT_EQ(test, walk->found, 1);
	KUNIT_EXPECT_EQ(test, walk->addr, new);
}

static void munmap_in_child(struct rmap_kunit_child *child)
{
	struct walker *walker = child->data;

	vm_munmap(walker->addr, PAGE_SIZE);
}

/* A process that has unmapped the memory is not visited. */
static void walk_leaves_out_who_unmapped(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct rmap_kunit_child *child[3];
	struct walk *walk = walk_alloc(test);
	struct mm_struct *mm;
	int i;

	for (i = 0; i < ARRAY_SIZE(child); i++)
		child[i] = rmap_kunit_fork(test, i == 1 ? munmap_in_child : NULL,
					   walker);
	mm = get_task_mm(child[1]->task);
	KUNIT_ASSERT_NOT_NULL(test, mm);
	mmput(mm);

	walk_run(walk, walker->folio);
	KUNIT_ASSERT_EQ(test, walk->visits, 3);
	KUNIT_EXPECT_EQ(test, walk->found, 3);
	for (i = 0; i < walk->visits; i++)
		KUNIT_EXPECT_PTR_NE(test, walk->mm[i], mm);
}

/*
 * A huge page leads to its VMA's anon_vma, and so does each of its pages after
 * a split.
 */
static void thp_and_its_pages_give_their_anon_vma(struct kunit *test)
{
	unsigned long area = rmap_kunit_mmap_thp(test);
	const unsigned long offsets[] = { 0, PAGE_SIZE, PMD_SIZE - PAGE_SIZE };
	struct folio *thp = rmap_kunit_new_thp(test, area, 1), *page;
	struct anon_vma *anon_vma = rmap_kunit_anon_vma(test, area);
	struct walk *walk = walk_alloc(test);
	struct anon_vma *of_thp, *of_page;
	int i, err;

	walk_run(walk, thp);
	KUNIT_EXPECT_EQ(test, walk->visits, 1);
	KUNIT_EXPECT_EQ(test, walk->found, 1);
	KUNIT_EXPECT_EQ(test, walk->addr, area);

	/* A page of zeroes could become the zero page. */
	for (i = 0; i < ARRAY_SIZE(offsets); i++)
		rmap_kunit_write(test, area + offsets[i], 1);
	folio_lock(thp);
	of_thp = lock_anon_vma_read(thp);
	err = split_folio(thp);
	folio_unlock(thp);
	KUNIT_EXPECT_PTR_EQ(test, of_thp, anon_vma);
	KUNIT_ASSERT_EQ(test, err, 0);

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		page = rmap_kunit_folio(test, area + offsets[i]);
		KUNIT_ASSERT_FALSE(test, folio_test_large(page));
		folio_lock(page);
		of_page = lock_anon_vma_read(page);
		folio_unlock(page);
		KUNIT_EXPECT_PTR_EQ(test, of_page, anon_vma);
		walk_run(walk, page);
		KUNIT_EXPECT_EQ(test, walk->visits, 1);
		KUNIT_EXPECT_EQ(test, walk->found, 1);
		KUNIT_EXPECT_EQ(test, walk->addr, area + offsets[i]);
	}
}

/* A huge page whose halves are in two VMAs is found in both. */
static void walk_finds_both_halves_of_a_split_vma(struct kunit *test)
{
	unsigned long area = rmap_kunit_mmap_thp(test);
	struct folio *thp = rmap_kunit_new_thp(test, area, 1);
	struct walk *walk = walk_alloc(test);

	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, area + PMD_SIZE / 2,
					 PMD_SIZE / 2, MADV_DONTDUMP), 0);
	walk_run(walk, thp);
	KUNIT_EXPECT_EQ(test, walk->visits, 2);
	KUNIT_EXPECT_EQ(test, walk->found, PMD_SIZE / PAGE_SIZE);
}

/* Without an anon_lock, a walk of a contended root waits, or gives up if told so. */
static void walk_without_anon_lock(struct kunit *test, bool try_lock)
{
	struct walker *walker = walker_alloc(test);
	struct walk *walk = walk_alloc(test);
	enum rmap_kunit_outcome outcome;
	struct rmap_kunit_thread *thread;

	walk->folio = walker->folio;
	walk->rwc.anon_lock = NULL;
	walk->rwc.try_lock = try_lock;
	thread = rmap_kunit_thread_create(test, walk_fn, walk);
	folio_lock(walker->folio);
	anon_vma_lock_write(walker->anon_vma);
	rmap_kunit_thread_start(thread);
	outcome = rmap_kunit_settle_on_rwsem(thread, &walker->anon_vma->root->rwsem);
	anon_vma_unlock_write(walker->anon_vma);
	rmap_kunit_thread_wait(thread);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_EQ(test, outcome,
			try_lock ? RMAP_KUNIT_DONE : RMAP_KUNIT_BLOCKED);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(thread));
	KUNIT_EXPECT_EQ(test, walk->visits, try_lock ? 0 : 1);
	KUNIT_EXPECT_EQ(test, walk->rwc.contended, try_lock);
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

/*
 * Without rwc->anon_lock but with rwc->try_lock, a walk gives up on a contended
 * root and sets rwc->contended.
 */
static void walk_without_anon_lock_gives_up_on_contention(struct kunit *test)
{
	walk_without_anon_lock(test, true);
}

/*
 * Without rwc->anon_lock and rwc->try_lock, a walk waits for a contended root.
 */
static void walk_without_anon_lock_waits_for_the_rwsem(struct kunit *test)
{
	walk_without_anon_lock(test, false);
}

/* A VMA that rwc->invalid_vma() rejects is not visited. */
static void walk_honours_invalid_vma(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct walk *walk = walk_alloc(test);

	rmap_kunit_fork(test, NULL, NULL);
	walk->rwc.invalid_vma = walk_invalid_vma;
	walk->skip = current->mm;
	walk_run(walk, walker->folio);
	KUNIT_EXPECT_EQ(test, walk->visits, 1);
	KUNIT_EXPECT_PTR_NE(test, walk->mm[0], current->mm);
}

/* A walk ends when rwc->rmap_one() returns false, and unlocks the rwsem. */
static void walk_honours_rmap_one(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct walk *walk = walk_alloc(test);

	rmap_kunit_fork(test, NULL, NULL);
	walk->stop = true;
	walk_run(walk, walker->folio);
	KUNIT_EXPECT_EQ(test, walk->visits, 1);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&walker->anon_vma->root->rwsem));
}

/* A walk ends when rwc->done() returns true. */
static void walk_honours_done(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct walk *walk = walk_alloc(test);

	rmap_kunit_fork(test, NULL, NULL);
	walk->rwc.done = walk_done;
	walk_run(walk, walker->folio);
	KUNIT_EXPECT_EQ(test, walk->visits, 1);
}

static void walk_locked_fn(void *data)
{
	struct walk *walk = data;

	rmap_walk_locked(walk->folio, &walk->rwc);
}

/*
 * rmap_walk_locked() does not take the root's rwsem, which its caller may hold
 * for writing.
 */
static void walk_locked_takes_no_lock(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct walk *walk = walk_alloc(test);
	enum rmap_kunit_outcome outcome;
	struct rmap_kunit_thread *thread;

	walk->folio = walker->folio;
	thread = rmap_kunit_thread_create(test, walk_locked_fn, walk);
	folio_lock(walker->folio);
	anon_vma_lock_write(walker->anon_vma);
	rmap_kunit_thread_start(thread);
	outcome = rmap_kunit_settle_on_rwsem(thread, &walker->anon_vma->root->rwsem);
	anon_vma_unlock_write(walker->anon_vma);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_DONE);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(thread));
	KUNIT_EXPECT_EQ(test, walk->found, 1);
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

/*
 * A walk visits nothing if the folio is unmapped while it sleeps on the rwsem.
 */
static void walk_finds_nothing_if_unmapped_meanwhile(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct walk *walk = walk_alloc(test);
	struct rmap_kunit_thread *thread, *unmapper;
	enum rmap_kunit_outcome outcome;
	bool unmapped, ended;

	walk->folio = walker->folio;
	thread = rmap_kunit_thread_create(test, walk_fn, walk);
	/* The mmap_lock comes before the rwsem, which is held here. */
	unmapper = rmap_kunit_thread_create(test, unmap_fn, walker);
	folio_lock(walker->folio);
	anon_vma_lock_write(walker->anon_vma);
	rmap_kunit_thread_start(thread);
	outcome = rmap_kunit_settle_on_rwsem(thread, &walker->anon_vma->root->rwsem);
	rmap_kunit_thread_start(unmapper);
	rmap_kunit_thread_wait(unmapper);
	unmapped = !folio_mapped(walker->folio);
	anon_vma_unlock_write(walker->anon_vma);
	ended = rmap_kunit_thread_wait(thread);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_TRUE(test, unmapped);
	KUNIT_ASSERT_TRUE(test, ended);
	KUNIT_EXPECT_EQ(test, walk->visits, 1);
	KUNIT_EXPECT_EQ(test, walk->found, 0);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&walker->anon_vma->root->rwsem));
	KUNIT_EXPECT_EQ(test, atomic_read(&walker->anon_vma->refcount),
			walker->before.anon_vma_refs);
}
