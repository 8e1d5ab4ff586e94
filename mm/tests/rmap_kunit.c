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

static void unmap_fn(void *data)
{
	struct walker *walker = data;

	do_madvise(current->mm, walker->addr, PAGE_SIZE, MADV_DONTNEED);
}

#include "rmap/anon_vma.c"
#include "rmap/contention.c"
#include "rmap/walk.c"
#include "rmap/asserts.c"

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

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests for the reverse map of anonymous folios");
MODULE_LICENSE("GPL");
