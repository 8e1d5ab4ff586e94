// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the reverse map of anonymous folios: folio_lock_anon_vma_read(),
 * folio_get_anon_vma() and rmap_walk().
 *
 * While a test holds a lock it neither ASSERTs nor EXPECTs: the one would end the
 * thread with the lock held, the other allocates memory when it fails.
 */
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/panic.h>
#include <linux/rmap.h>

#include "../internal.h"
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
	KUNIT_CASE(try_lock_gives_up_on_contention),
	KUNIT_CASE(try_lock_shares_with_readers),
	KUNIT_CASE(sleeping_walker_gets_the_anon_vma),
	KUNIT_CASE(sleeping_walker_follows_a_move),
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
