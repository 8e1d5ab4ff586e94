// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the reverse map of anonymous folios: folio_lock_anon_vma_read(),
 * folio_get_anon_vma() and rmap_walk().
 *
 * While a test holds a lock it only EXPECTs: an assertion would end the thread
 * with the lock held.
 */
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/shmem_fs.h>

#include "../internal.h"
#include "rmap_kunit_helpers.h"

/**
 * struct rmap_walker - A thread that asks for a folio's anon_vma
 * @folio: the folio
 * @rwc: what folio_lock_anon_vma_read() gets
 * @anon_vma: what it returned
 * @read_locked: whether the root's rwsem was held then
 */
struct rmap_walker {
	struct folio *folio;
	struct rmap_walk_control rwc;
	struct anon_vma *anon_vma;
	bool read_locked;
};

static void rmap_walker_fn(void *data)
{
	struct rmap_walker *walker = data;

	walker->anon_vma = folio_lock_anon_vma_read(walker->folio, &walker->rwc);
	if (!walker->anon_vma)
		return;
	walker->read_locked = rwsem_is_locked(&walker->anon_vma->root->rwsem);
	anon_vma_unlock_read(walker->anon_vma);
}

static struct rmap_walker *rmap_walker_alloc(struct kunit *test,
					     struct folio *folio)
{
	struct rmap_walker *walker;

	walker = kunit_kzalloc(test, sizeof(*walker), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, walker);
	walker->folio = folio;
	return walker;
}

/* A folio that is mapped leads to the anon_vma of its VMA, read-locked. */
static void mapped_folio_gives_its_anon_vma(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 1);
	struct folio *folio = rmap_kunit_new_folio(test, addr, 1);
	struct rmap_kunit_folio_state before = rmap_kunit_folio_state(folio);
	struct anon_vma *expected = rmap_kunit_anon_vma(test, addr);
	struct anon_vma *anon_vma;

	folio_lock(folio);
	anon_vma = folio_lock_anon_vma_read(folio, NULL);
	folio_unlock(folio);
	KUNIT_ASSERT_PTR_EQ(test, anon_vma, expected);

	/* For reading: another reader gets in, a writer does not. */
	if (down_write_trylock(&anon_vma->root->rwsem)) {
		up_write(&anon_vma->root->rwsem);
		KUNIT_FAIL(test, "the root's rwsem is not locked");
	} else {
		if (down_read_trylock(&anon_vma->root->rwsem))
			up_read(&anon_vma->root->rwsem);
		else
			KUNIT_FAIL(test, "the root's rwsem is locked for writing");
		anon_vma_unlock_read(anon_vma);
	}
	rmap_kunit_expect_unchanged(test, folio, &before);
}

/* A folio that nothing maps any more has no anon_vma to offer. */
static void unmapped_folio_gives_null(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 1);
	struct folio *folio = rmap_kunit_new_folio(test, addr, 1);
	struct anon_vma *anon_vma = rmap_kunit_anon_vma(test, addr);

	rmap_kunit_zap(test, addr, PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, folio_mapped(folio));
	/* Still marked as anonymous: that alone must not be enough. */
	KUNIT_ASSERT_PTR_EQ(test, folio_anon_vma(folio), anon_vma);

	folio_lock(folio);
	KUNIT_EXPECT_NULL(test, folio_lock_anon_vma_read(folio, NULL));
	KUNIT_EXPECT_NULL(test, folio_get_anon_vma(folio));
	folio_unlock(folio);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&anon_vma->root->rwsem));
}

static void rmap_fput(void *file)
{
	fput(file);
}

/* A folio of a file has no anon_vma. */
static void file_folio_gives_null(struct kunit *test)
{
	struct folio *folio;
	unsigned long addr;
	struct file *file;

	file = shmem_kernel_file_setup("rmap_kunit", PAGE_SIZE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_fput, file), 0);
	addr = kunit_vm_mmap(test, file, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_SHARED, 0);
	KUNIT_ASSERT_FALSE(test, !addr || IS_ERR_VALUE(addr));
	rmap_kunit_write(test, addr, 1);
	folio = rmap_kunit_folio(test, addr);
	KUNIT_ASSERT_TRUE(test, folio_mapped(folio));
	KUNIT_ASSERT_FALSE(test, folio_test_anon(folio));

	folio_lock(folio);
	KUNIT_EXPECT_NULL(test, folio_lock_anon_vma_read(folio, NULL));
	KUNIT_EXPECT_NULL(test, folio_get_anon_vma(folio));
	folio_unlock(folio);
}

/* try_lock gives up on a contended root: it says so, and does not sleep. */
static void try_lock_gives_up_on_contention(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 1);
	struct folio *folio = rmap_kunit_new_folio(test, addr, 1);
	struct rmap_kunit_folio_state before = rmap_kunit_folio_state(folio);
	struct anon_vma *anon_vma = rmap_kunit_anon_vma(test, addr);
	struct rmap_walker *walker = rmap_walker_alloc(test, folio);
	struct rmap_kunit_thread *thread;

	walker->rwc.try_lock = true;
	thread = rmap_kunit_thread_create(test, rmap_walker_fn, walker);
	folio_lock(folio);
	anon_vma_lock_write(anon_vma);
	wake_up_process(thread->task);
	KUNIT_EXPECT_EQ(test, rmap_kunit_thread_settle(thread, &anon_vma->root->rwsem),
			RMAP_KUNIT_DONE);
	anon_vma_unlock_write(anon_vma);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_thread_wait(thread));
	folio_unlock(folio);

	KUNIT_EXPECT_NULL(test, walker->anon_vma);
	KUNIT_EXPECT_TRUE(test, walker->rwc.contended);
	rmap_kunit_expect_unchanged(test, folio, &before);
}

/* try_lock gets a root that is held by readers only. */
static void try_lock_shares_with_readers(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 1);
	struct folio *folio = rmap_kunit_new_folio(test, addr, 1);
	struct rmap_kunit_folio_state before = rmap_kunit_folio_state(folio);
	struct anon_vma *anon_vma = rmap_kunit_anon_vma(test, addr);
	struct rmap_walker *walker = rmap_walker_alloc(test, folio);
	struct rmap_kunit_thread *thread;

	walker->rwc.try_lock = true;
	thread = rmap_kunit_thread_create(test, rmap_walker_fn, walker);
	folio_lock(folio);
	anon_vma_lock_read(anon_vma);
	wake_up_process(thread->task);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_thread_wait(thread));
	anon_vma_unlock_read(anon_vma);
	folio_unlock(folio);

	KUNIT_EXPECT_PTR_EQ(test, walker->anon_vma, anon_vma);
	KUNIT_EXPECT_FALSE(test, walker->rwc.contended);
	rmap_kunit_expect_unchanged(test, folio, &before);
}

/* Without try_lock a walker sleeps on a contended root, and then gets it. */
static void sleeping_walker_gets_the_anon_vma(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 1);
	struct folio *folio = rmap_kunit_new_folio(test, addr, 1);
	struct rmap_kunit_folio_state before = rmap_kunit_folio_state(folio);
	struct anon_vma *anon_vma = rmap_kunit_anon_vma(test, addr);
	struct rmap_walker *walker = rmap_walker_alloc(test, folio);
	struct rmap_kunit_thread *thread;

	thread = rmap_kunit_thread_create(test, rmap_walker_fn, walker);
	folio_lock(folio);
	anon_vma_lock_write(anon_vma);
	wake_up_process(thread->task);
	KUNIT_EXPECT_EQ(test, rmap_kunit_thread_settle(thread, &anon_vma->root->rwsem),
			RMAP_KUNIT_BLOCKED);
	/* Pinned before it sleeps: the VMA could go away meanwhile. */
	KUNIT_EXPECT_EQ(test, atomic_read(&anon_vma->refcount),
			before.anon_vma_refs + 1);
	anon_vma_unlock_write(anon_vma);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_thread_wait(thread));
	folio_unlock(folio);

	KUNIT_EXPECT_PTR_EQ(test, walker->anon_vma, anon_vma);
	KUNIT_EXPECT_TRUE(test, walker->read_locked);
	KUNIT_EXPECT_FALSE(test, walker->rwc.contended);
	rmap_kunit_expect_unchanged(test, folio, &before);
}

/*
 * Contract revalidate: the folio goes to another root while the walker sleeps
 * on the rwsem of the old one. The walker must end on the new one.
 */
static void sleeping_walker_follows_a_move(struct kunit *test)
{
	unsigned long addr, dst;
	struct anon_vma *old, *new;
	struct rmap_walker *walker;
	struct rmap_kunit_thread *thread;
	struct folio *folio;
	int old_refs, new_refs;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);

	addr = rmap_kunit_mmap(test, 1);
	dst = rmap_kunit_mmap(test, 1);
	folio = rmap_kunit_new_folio(test, addr, 1);
	rmap_kunit_write(test, dst, 2);
	old = rmap_kunit_anon_vma(test, addr);
	new = rmap_kunit_anon_vma(test, dst);
	KUNIT_ASSERT_PTR_NE(test, old->root, new->root);
	old_refs = atomic_read(&old->refcount);
	new_refs = atomic_read(&new->refcount);
	walker = rmap_walker_alloc(test, folio);
	thread = rmap_kunit_thread_create(test, rmap_walker_fn, walker);

	/* What UFFDIO_MOVE holds under this contract. */
	mmap_read_lock(current->mm);
	folio_lock(folio);
	anon_vma_lock_write(old);
	wake_up_process(thread->task);
	KUNIT_EXPECT_EQ(test, rmap_kunit_thread_settle(thread, &old->root->rwsem),
			RMAP_KUNIT_BLOCKED);
	folio_move_anon_rmap(folio, vma_lookup(current->mm, dst));
	anon_vma_unlock_write(old);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_thread_wait(thread));
	/* Back to where it is mapped, before anybody else looks. */
	folio_move_anon_rmap(folio, vma_lookup(current->mm, addr));
	folio_unlock(folio);
	mmap_read_unlock(current->mm);

	KUNIT_EXPECT_PTR_EQ(test, walker->anon_vma, new);
	KUNIT_EXPECT_TRUE(test, walker->read_locked);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&old->root->rwsem));
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&new->root->rwsem));
	KUNIT_EXPECT_EQ(test, atomic_read(&old->refcount), old_refs);
	KUNIT_EXPECT_EQ(test, atomic_read(&new->refcount), new_refs);
}

static void call_lock_anon_vma_read(struct folio *folio)
{
	struct anon_vma *anon_vma = folio_lock_anon_vma_read(folio, NULL);

	if (anon_vma)
		anon_vma_unlock_read(anon_vma);
}

static void call_get_anon_vma(struct folio *folio)
{
	struct anon_vma *anon_vma = folio_get_anon_vma(folio);

	if (anon_vma)
		put_anon_vma(anon_vma);
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
	unsigned int warnings;
	unsigned long addr;
	struct folio *folio;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	if (!IS_ENABLED(CONFIG_DEBUG_VM))
		kunit_skip(test, "needs CONFIG_DEBUG_VM");

	addr = rmap_kunit_mmap(test, 1);
	folio = rmap_kunit_new_folio(test, addr, 1);

	warnings = rmap_kunit_warn_count(test);
	folio_lock(folio);
	call(folio);
	folio_unlock(folio);
	KUNIT_EXPECT_EQ(test, rmap_kunit_warn_count(test), warnings);

	/* For whoever looks for unexpected reports in the log. */
	kunit_info(test, "expect splat begin: mm/rmap.c");
	call(folio);
	kunit_info(test, "expect splat end: mm/rmap.c");
	KUNIT_EXPECT_EQ(test, rmap_kunit_warn_count(test), warnings + 1);
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
