// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the reverse map of anonymous folios: folio_lock_anon_vma_read(),
 * folio_get_anon_vma() and rmap_walk().
 *
 * While a test holds a lock it neither ASSERTs nor EXPECTs: the one would end the
 * thread with the lock held, the other allocates memory when it fails.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/panic.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "../internal.h"
#include "rmap_kunit_compat.h"
#include "rmap_kunit_helpers.h"

/**
 * struct walker - A mapped folio, and a thread that asks for its anon_vma
 * @addr: where the folio is mapped
 * @folio: the folio
 * @anon_vma: what its VMA is attached to
 * @before: the folio's state
 * @thread: the thread, not started yet
 * @rwc: what folio_lock_anon_vma_read() gets
 * @got: what it returned
 * @read_locked: whether the root's rwsem was held then
 * @detour: on a function that takes the rwsem, for what is to happen before
 * @reached: completed when the detour is taken
 * @go_on: completed by the test to let it go on
 * @dst: the VMA that the detour moves the folio to
 */
struct walker {
	unsigned long addr;
	struct folio *folio;
	struct anon_vma *anon_vma;
	struct rmap_kunit_folio_state before;
	struct rmap_kunit_thread *thread;
	struct rmap_walk_control rwc;
	struct anon_vma *got;
	bool read_locked;
	struct rmap_kunit_probe detour;
	struct completion reached;
	struct completion go_on;
	struct vm_area_struct *dst;
};

static void walker_fn(void *data)
{
	struct walker *walker = data;

	walker->got = folio_lock_anon_vma_read(walker->folio, &walker->rwc);
	if (!walker->got)
		return;
	walker->read_locked = rwsem_is_locked(&walker->got->root->rwsem);
	anon_vma_unlock_read(walker->got);
}

static struct walker *walker_alloc(struct kunit *test)
{
	struct walker *walker;

	walker = kunit_kzalloc(test, sizeof(*walker), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, walker);
	walker->addr = rmap_kunit_mmap(test, 1);
	walker->folio = rmap_kunit_new_folio(test, walker->addr, 1);
	walker->anon_vma = rmap_kunit_anon_vma(test, walker->addr);
	walker->before = rmap_kunit_folio_state(walker->folio);
	walker->thread = rmap_kunit_thread_create(test, walker_fn, walker);
	init_completion(&walker->reached);
	init_completion(&walker->go_on);
	return walker;
}

/* Call folio_lock_anon_vma_read(), and leave nothing of what it returns behind. */
static struct anon_vma *lock_anon_vma_read(struct folio *folio)
{
	struct anon_vma *anon_vma = folio_lock_anon_vma_read(folio, NULL);

	if (anon_vma)
		anon_vma_unlock_read(anon_vma);
	return anon_vma;
}

/* Call folio_get_anon_vma(), and leave nothing of what it returns behind. */
static struct anon_vma *get_anon_vma_of(struct folio *folio)
{
	struct anon_vma *anon_vma = folio_get_anon_vma(folio);

	if (anon_vma)
		put_anon_vma(anon_vma);
	return anon_vma;
}

/* A folio that is mapped leads to the anon_vma of its VMA, read-locked. */
static void mapped_folio_gives_its_anon_vma(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct rw_semaphore *rwsem = &walker->anon_vma->root->rwsem;
	bool for_writing, for_reading = false;
	struct anon_vma *got;

	folio_lock(walker->folio);
	got = folio_lock_anon_vma_read(walker->folio, NULL);
	for_writing = down_write_trylock(rwsem);
	if (for_writing)
		up_write(rwsem);
	else
		for_reading = down_read_trylock(rwsem);
	if (for_reading)
		up_read(rwsem);
	if (got)
		anon_vma_unlock_read(got);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_PTR_EQ(test, got, walker->anon_vma);
	KUNIT_EXPECT_FALSE_MSG(test, for_writing, "the rwsem was not locked");
	KUNIT_EXPECT_TRUE_MSG(test, for_reading, "the rwsem was locked for writing");
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

/* folio_get_anon_vma() gives the same one with a reference, and takes no lock. */
static void mapped_folio_gives_a_reference(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct anon_vma *got;
	bool locked;
	int refs;

	folio_lock(walker->folio);
	got = folio_get_anon_vma(walker->folio);
	refs = atomic_read(&walker->anon_vma->refcount);
	locked = rwsem_is_locked(&walker->anon_vma->root->rwsem);
	if (got)
		put_anon_vma(got);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_PTR_EQ(test, got, walker->anon_vma);
	KUNIT_EXPECT_EQ(test, refs, walker->before.anon_vma_refs + 1);
	KUNIT_EXPECT_FALSE(test, locked);
	rmap_kunit_expect_unchanged(test, walker->folio, &walker->before);
}

/* A folio that nothing maps any more has no anon_vma to offer. */
static void unmapped_folio_gives_null(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct anon_vma *locked, *got;

	rmap_kunit_zap(test, walker->addr, PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, folio_mapped(walker->folio));
	/* It still points to the anon_vma: that alone must not be enough. */
	KUNIT_ASSERT_PTR_EQ(test, folio_anon_vma(walker->folio), walker->anon_vma);

	folio_lock(walker->folio);
	locked = lock_anon_vma_read(walker->folio);
	got = get_anon_vma_of(walker->folio);
	folio_unlock(walker->folio);

	KUNIT_EXPECT_NULL(test, locked);
	KUNIT_EXPECT_NULL(test, got);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&walker->anon_vma->root->rwsem));
}

/* A folio of a file has no anon_vma. */
static void file_folio_gives_null(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap_file(test);
	struct anon_vma *locked, *got;
	struct folio *folio;

	rmap_kunit_write(test, addr, 1);
	folio = rmap_kunit_folio(test, addr);
	KUNIT_ASSERT_TRUE(test, folio_mapped(folio));
	KUNIT_ASSERT_FALSE(test, folio_test_anon(folio));

	folio_lock(folio);
	locked = lock_anon_vma_read(folio);
	got = get_anon_vma_of(folio);
	folio_unlock(folio);

	KUNIT_EXPECT_NULL(test, locked);
	KUNIT_EXPECT_NULL(test, got);
}

/* Nor has a KSM folio, though it is anonymous: its reverse map is KSM's own. */
static void ksm_folio_gives_null(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 2);
	struct folio *folio = rmap_kunit_new_ksm_folio(test, addr, 2);
	struct anon_vma *locked, *got;

	KUNIT_ASSERT_TRUE(test, folio_test_anon(folio));
	folio_lock(folio);
	locked = lock_anon_vma_read(folio);
	got = get_anon_vma_of(folio);
	folio_unlock(folio);

	KUNIT_EXPECT_NULL(test, locked);
	KUNIT_EXPECT_NULL(test, got);
}

/* Nor has a folio that was never mapped, and has no mapping at all. */
static void never_mapped_folio_gives_null(struct kunit *test)
{
	struct folio *folio = folio_alloc(GFP_HIGHUSER, 0);
	struct anon_vma *locked, *got;

	KUNIT_ASSERT_NOT_NULL(test, folio);
	folio_lock(folio);
	locked = lock_anon_vma_read(folio);
	got = get_anon_vma_of(folio);
	folio_unlock(folio);
	folio_put(folio);

	KUNIT_EXPECT_NULL(test, locked);
	KUNIT_EXPECT_NULL(test, got);
}

/*
 * A folio keeps the address of its anon_vma when it is unmapped, and the anon_vma
 * may be gone by then. Here, an address that nothing is at.
 */
static void stale_anon_vma_is_not_looked_at(struct kunit *test)
{
	struct folio *folio = folio_alloc(GFP_HIGHUSER, 0);
	struct anon_vma *locked, *got;

	KUNIT_ASSERT_NOT_NULL(test, folio);
	folio_lock(folio);
	folio->mapping = (void *)ZERO_SIZE_PTR + PAGE_MAPPING_ANON;
	locked = lock_anon_vma_read(folio);
	got = get_anon_vma_of(folio);
	folio->mapping = NULL;
	folio_unlock(folio);
	folio_put(folio);

	KUNIT_EXPECT_NULL(test, locked);
	KUNIT_EXPECT_NULL(test, got);
}

/**
 * struct forked_page - What a child has at an address after it wrote there
 * @addr: the address
 * @folio: its folio, with a reference
 * @anon_vma: the anon_vma of its VMA
 */
struct forked_page {
	unsigned long addr;
	struct folio *folio;
	struct anon_vma *anon_vma;
};

static void forked_page_write(struct rmap_kunit_child *child)
{
	struct forked_page *forked = child->data;
	struct page *page;

	if (put_user(2, (u32 __user *)forked->addr) ||
	    get_user_pages_fast(forked->addr, 1, FOLL_NOFAULT, &page) != 1)
		return;
	forked->folio = page_folio(page);
	mmap_read_lock(current->mm);
	forked->anon_vma = vma_lookup(current->mm, forked->addr)->anon_vma;
	mmap_read_unlock(current->mm);
}

/* After a fork, the copy that the child writes leads to an anon_vma of the child. */
static void forked_copy_gives_the_childs_anon_vma(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct anon_vma *of_parent, *of_child, *got;
	struct forked_page *forked;

	forked = kunit_kzalloc(test, sizeof(*forked), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, forked);
	forked->addr = walker->addr;
	rmap_kunit_fork(test, forked_page_write, forked);
	KUNIT_ASSERT_NOT_NULL(test, forked->folio);
	KUNIT_ASSERT_PTR_NE(test, forked->folio, walker->folio);

	folio_lock(walker->folio);
	of_parent = lock_anon_vma_read(walker->folio);
	folio_unlock(walker->folio);
	folio_lock(forked->folio);
	of_child = lock_anon_vma_read(forked->folio);
	got = get_anon_vma_of(forked->folio);
	folio_unlock(forked->folio);
	folio_put(forked->folio);

	KUNIT_ASSERT_PTR_EQ(test, of_parent, walker->anon_vma);
	KUNIT_ASSERT_PTR_EQ(test, of_child, forked->anon_vma);
	KUNIT_EXPECT_PTR_EQ(test, got, forked->anon_vma);
	KUNIT_ASSERT_PTR_NE(test, of_child, of_parent);
	KUNIT_EXPECT_PTR_EQ(test, of_child->root, of_parent->root);
}

/*
 * A page of the parent's that was left to the child leads to the anon_vma of the
 * child's VMA once the child has written to it, and not to their common root.
 */
static void page_left_to_a_child_gives_the_childs_anon_vma(struct kunit *test)
{
	struct walker *walker = walker_alloc(test);
	struct rmap_kunit_child *child;
	struct forked_page *forked;
	struct anon_vma *got;

	forked = kunit_kzalloc(test, sizeof(*forked), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, forked);
	forked->addr = walker->addr;
	child = rmap_kunit_fork(test, NULL, forked);
	rmap_kunit_zap(test, walker->addr, PAGE_SIZE);
	rmap_kunit_put_folio(test, walker->folio);
	rmap_kunit_child_run(test, child, forked_page_write);
	/* Written to in place: it was nobody else's any more. */
	KUNIT_ASSERT_PTR_EQ(test, forked->folio, walker->folio);

	folio_lock(forked->folio);
	got = lock_anon_vma_read(forked->folio);
	folio_unlock(forked->folio);
	folio_put(forked->folio);

	KUNIT_ASSERT_PTR_EQ(test, got, forked->anon_vma);
	KUNIT_EXPECT_PTR_NE(test, got, walker->anon_vma);
	KUNIT_EXPECT_PTR_EQ(test, got->root, walker->anon_vma->root);
}

/* try_lock gives up on a contended root: it says so, and does not sleep. */
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

/* try_lock gets a root that is held by readers only. */
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

/* Without try_lock a walker sleeps on a contended root, and then gets it. */
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
 * Contract revalidate: the folio goes to another root while the walker sleeps
 * on the rwsem of the old one. The walker must end on the new one.
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

/* As above, and the folio goes on to a third root while the walker waits again. */
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

static void unmap_fn(void *data)
{
	struct walker *walker = data;

	do_madvise(current->mm, walker->addr, PAGE_SIZE, MADV_DONTNEED);
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
 * Contract revalidate: the folio goes to another root, and is unmapped, while the
 * walker sleeps. Nothing is left to lock; what it found at first is no answer.
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

static void unmapped_before_the_trylock_gives_null(struct kunit *test)
{
	expect_null_if_unmapped(test, false);
}

static void unmapped_before_it_would_sleep_gives_null(struct kunit *test)
{
	expect_null_if_unmapped(test, true);
}

/*
 * The last VMA goes away after the walker has taken its reference, and before it
 * gets the rwsem: the reference is what keeps the anon_vma, which is freed once.
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
 * Contract revalidate: as above, and the folio goes to another root before. The
 * walker's reference is the last one on what the folio left: to drop it frees that,
 * which takes the rwsem that the walker has just got.
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
 * Contract revalidate: the folio goes to another root between the walker's look
 * at folio->mapping and its trylock, which succeeds. It must end on the new one.
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

/* Each process that maps the folio is visited once, and none that does not. */
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

/* A VMA that was split, and merged again, is found through the same anon_vma. */
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

/* A VMA that mremap() has moved leads to the same anon_vma, at its new place. */
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

/* A process that has unmapped the memory is not visited any more. */
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

/* A huge page leads to its VMA's anon_vma; so does each page of it after a split. */
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

/* A huge page that two VMAs map one half of is found in both. */
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

static void walk_without_anon_lock_gives_up_on_contention(struct kunit *test)
{
	walk_without_anon_lock(test, true);
}

static void walk_without_anon_lock_waits_for_the_rwsem(struct kunit *test)
{
	walk_without_anon_lock(test, false);
}

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

/* rmap_walk_locked() leaves the root's rwsem to its caller, who may write. */
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

/* The folio is unmapped while a walk sleeps on the rwsem: it then finds nothing. */
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

static void call_lock_anon_vma_read(struct folio *folio)
{
	lock_anon_vma_read(folio);
}

static void call_get_anon_vma(struct folio *folio)
{
	get_anon_vma_of(folio);
}

static bool do_nothing(struct folio *folio, struct vm_area_struct *vma,
		       unsigned long addr, void *arg)
{
	return true;
}

/* Without .anon_lock: that would get to folio_lock_anon_vma_read()'s assertion. */
static void call_rmap_walk(struct folio *folio)
{
	struct rmap_walk_control rwc = { .rmap_one = do_nothing };

	rmap_walk(folio, &rwc);
}

static void call_rmap_walk_locked(struct folio *folio)
{
	struct rmap_walk_control rwc = { .rmap_one = do_nothing };
	struct anon_vma *anon_vma = folio_anon_vma(folio);

	anon_vma_lock_read(anon_vma);
	rmap_walk_locked(folio, &rwc);
	anon_vma_unlock_read(anon_vma);
}

/* @call warns once about an unlocked folio, and not about a locked one. */
static void expect_assertion(struct kunit *test,
			     void (*call)(struct folio *folio))
{
	struct file *warn_count;
	unsigned int warnings;
	struct folio *folio;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	if (!IS_ENABLED(CONFIG_DEBUG_VM))
		kunit_skip(test, "needs CONFIG_DEBUG_VM");
	if (panic_on_warn)
		kunit_skip(test, "panic_on_warn is set");

	warn_count = rmap_kunit_open(test, "sysfs", "kernel/warn_count", O_RDONLY);
	folio = rmap_kunit_new_folio(test, rmap_kunit_mmap(test, 1), 1);

	warnings = rmap_kunit_read_uint(test, warn_count);
	folio_lock(folio);
	call(folio);
	folio_unlock(folio);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read_uint(test, warn_count), warnings);

	/* For whoever looks for unexpected reports in the log. */
	kunit_info(test, "expect splat begin: mm/rmap.c");
	call(folio);
	kunit_info(test, "expect splat end: mm/rmap.c");
	KUNIT_EXPECT_EQ(test, rmap_kunit_read_uint(test, warn_count), warnings + 1);
}

static void lock_anon_vma_read_asserts_folio_lock(struct kunit *test)
{
	expect_assertion(test, call_lock_anon_vma_read);
}

static void get_anon_vma_asserts_folio_lock(struct kunit *test)
{
	expect_assertion(test, call_get_anon_vma);
}

static void walk_asserts_folio_lock(struct kunit *test)
{
	expect_assertion(test, call_rmap_walk);
}

static void walk_locked_asserts_folio_lock(struct kunit *test)
{
	expect_assertion(test, call_rmap_walk_locked);
}

static struct kunit_case rmap_test_cases[] = {
	KUNIT_CASE(mapped_folio_gives_its_anon_vma),
	KUNIT_CASE(mapped_folio_gives_a_reference),
	KUNIT_CASE(unmapped_folio_gives_null),
	KUNIT_CASE(file_folio_gives_null),
	KUNIT_CASE(ksm_folio_gives_null),
	KUNIT_CASE(never_mapped_folio_gives_null),
	KUNIT_CASE(stale_anon_vma_is_not_looked_at),
	KUNIT_CASE(forked_copy_gives_the_childs_anon_vma),
	KUNIT_CASE(page_left_to_a_child_gives_the_childs_anon_vma),
	KUNIT_CASE(try_lock_gives_up_on_contention),
	KUNIT_CASE(try_lock_shares_with_readers),
	KUNIT_CASE(sleeping_walker_gets_the_anon_vma),
	KUNIT_CASE(sleeping_walker_follows_a_move),
	KUNIT_CASE(sleeping_walker_follows_moves_in_a_row),
	KUNIT_CASE(moved_and_unmapped_meanwhile_gives_null),
	KUNIT_CASE(unmapped_before_the_trylock_gives_null),
	KUNIT_CASE(unmapped_before_it_would_sleep_gives_null),
	KUNIT_CASE(last_vma_gone_before_the_rwsem_gives_null),
	KUNIT_CASE(last_vma_gone_after_a_move_gives_null),
	KUNIT_CASE(trylock_follows_a_move),
	KUNIT_CASE(walk_visits_each_process_once),
	KUNIT_CASE(walk_finds_a_split_and_merged_vma),
	KUNIT_CASE(walk_finds_a_vma_moved_by_mremap),
	KUNIT_CASE(walk_leaves_out_who_unmapped),
	KUNIT_CASE(thp_and_its_pages_give_their_anon_vma),
	KUNIT_CASE(walk_finds_both_halves_of_a_split_vma),
	KUNIT_CASE(walk_without_anon_lock_gives_up_on_contention),
	KUNIT_CASE(walk_without_anon_lock_waits_for_the_rwsem),
	KUNIT_CASE(walk_honours_invalid_vma),
	KUNIT_CASE(walk_honours_rmap_one),
	KUNIT_CASE(walk_honours_done),
	KUNIT_CASE(walk_locked_takes_no_lock),
	KUNIT_CASE(walk_finds_nothing_if_unmapped_meanwhile),
	KUNIT_CASE(lock_anon_vma_read_asserts_folio_lock),
	KUNIT_CASE(get_anon_vma_asserts_folio_lock),
	KUNIT_CASE(walk_asserts_folio_lock),
	KUNIT_CASE(walk_locked_asserts_folio_lock),
	{}
};

static struct kunit_suite rmap_test_suite = {
	.name = "rmap",
	.suite_init = rmap_kunit_suite_init,
	.test_cases = rmap_test_cases,
};

kunit_test_suite(rmap_test_suite);

MODULE_IMPORT_NS_KUNIT;
MODULE_DESCRIPTION("KUnit tests for the reverse map of anonymous folios");
MODULE_LICENSE("GPL");
