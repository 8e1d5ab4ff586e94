// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of UFFDIO_MOVE, through the ioctl that user space calls: moves of
 * anonymous folios to a VMA whose anon_vma has another root.
 *
 * While a test holds a lock it only EXPECTs: an assertion would end the thread
 * with the lock held.
 */
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <uapi/linux/userfaultfd.h>

#include "../internal.h"
#include "rmap_kunit_compat.h"
#include "rmap_kunit_helpers.h"

/**
 * struct move - A move that is to be made
 * @src: address of the source area
 * @dst: address of the destination area: a hole in a VMA that has its anon_vma,
 *	registered with @uffd
 * @len: length of either area in bytes
 * @folio: the folio at @src
 * @old: the anon_vma of the source
 * @new: the anon_vma of the destination
 * @uffd: the userfaultfd
 * @arg: user address for the ioctl's argument
 * @req: the argument; starts as a move of the whole area
 * @ret: what the ioctl returned
 */
struct move {
	unsigned long src;
	unsigned long dst;
	unsigned long len;
	struct folio *folio;
	struct anon_vma *old;
	struct anon_vma *new;
	struct file *uffd;
	unsigned long arg;
	struct uffdio_move req;
	long ret;
};

#define MOVE_VALUE	0x600dbeef

static struct move *move_prepare(struct kunit *test, unsigned long src,
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

	/* An anon_vma, and nothing mapped. */
	rmap_kunit_write(test, dst, 0);
	rmap_kunit_zap(test, dst, len);
	rmap_kunit_uffd_register(test, move->uffd, dst, len);

	move->folio = rmap_kunit_new_folio(test, src, MOVE_VALUE);
	KUNIT_ASSERT_EQ(test, folio_size(move->folio), len);
	move->old = rmap_kunit_anon_vma(test, src);
	move->new = rmap_kunit_anon_vma(test, dst);
	KUNIT_ASSERT_NOT_NULL(test, move->new);
	KUNIT_ASSERT_PTR_NE(test, move->old->root, move->new->root);
	move->req = (struct uffdio_move) { .dst = dst, .src = src, .len = len };
	return move;
}

static struct move *move_prepare_page(struct kunit *test)
{
	return move_prepare(test, rmap_kunit_mmap(test, 1),
			    rmap_kunit_mmap(test, 1), PAGE_SIZE);
}

static struct move *move_prepare_thp(struct kunit *test)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	return move_prepare(test, rmap_kunit_mmap_thp(test),
			    rmap_kunit_mmap_thp(test), HPAGE_PMD_SIZE);
#else
	kunit_skip(test, "needs CONFIG_TRANSPARENT_HUGEPAGE");
#endif
}

static void move_call(void *data)
{
	void __user *arg;
	struct move *move = data;

	arg = (void __user *)move->arg;
	if (copy_to_user(arg, &move->req, sizeof(move->req)))
		move->ret = -EFAULT;
	else
		move->ret = vfs_ioctl(move->uffd, UFFDIO_MOVE, move->arg);
	if (copy_from_user(&move->req, arg, sizeof(move->req)))
		move->ret = -EFAULT;
}

/* The folio is at the destination, and only there. */
static void move_expect_moved(struct kunit *test, struct move *move)
{
	KUNIT_ASSERT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_EQ(test, move->req.move, move->len);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, move->dst), move->folio);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_PTR_EQ(test, folio_anon_vma(move->folio), move->new);
	KUNIT_EXPECT_EQ(test, move->folio->index,
			rmap_kunit_index(test, move->dst));
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&move->folio->page));
	KUNIT_EXPECT_EQ(test, folio_mapcount(move->folio), 1);
	KUNIT_EXPECT_FALSE(test, folio_test_locked(move->folio));
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&move->old->root->rwsem));
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&move->new->root->rwsem));
}

/* A move takes the page, and the folio's place in the reverse map, with it. */
static void page_moves_with_its_anon_vma(struct kunit *test)
{
	struct move *move = move_prepare_page(test);
	struct rmap_kunit_folio_state before = rmap_kunit_folio_state(move->folio);

	move_call(move);
	KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio), before.refs);
	move_expect_moved(test, move);
}

static void thp_moves_whole_with_its_anon_vma(struct kunit *test)
{
	struct move *move = move_prepare_thp(test);
	struct rmap_kunit_folio_state before = rmap_kunit_folio_state(move->folio);

	move_call(move);
	KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio), before.refs);
	KUNIT_EXPECT_TRUE(test, folio_test_large(move->folio));
	move_expect_moved(test, move);
}

/* A page that is shared with a child is not moved, for neither of them. */
static void forked_page_is_refused(struct kunit *test)
{
	struct move *move = move_prepare_page(test);
	struct rmap_kunit_folio_state before;

	rmap_kunit_fork(test, NULL, NULL);
	before = rmap_kunit_folio_state(move->folio);
	KUNIT_ASSERT_EQ(test, before.mapcount, 2);

	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, -EBUSY);
	KUNIT_EXPECT_EQ(test, move->req.move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);
	KUNIT_EXPECT_EQ(test, move->folio->index, rmap_kunit_index(test, move->src));
	rmap_kunit_expect_unchanged(test, move->folio, &before);
}

/* Make the move while the source root's rwsem is held; expect what comes of it. */
static void move_with_root_held(struct kunit *test, struct move *move,
				bool for_writing,
				enum rmap_kunit_outcome expected)
{
	struct rw_semaphore *rwsem = &move->old->root->rwsem;
	struct rmap_kunit_thread *thread;

	thread = rmap_kunit_thread_create(test, move_call, move);
	if (for_writing)
		down_write(rwsem);
	else
		down_read(rwsem);
	wake_up_process(thread->task);
	KUNIT_EXPECT_EQ(test, rmap_kunit_thread_settle(thread, rwsem), expected);
	if (for_writing)
		up_write(rwsem);
	else
		up_read(rwsem);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(thread));
	move_expect_moved(test, move);
}

static void page_moves_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_prepare_page(test), false, RMAP_KUNIT_DONE);
}

static void page_moves_while_root_is_write_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_prepare_page(test), true, RMAP_KUNIT_DONE);
}

static void thp_moves_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_prepare_thp(test), false, RMAP_KUNIT_DONE);
}

static void thp_moves_while_root_is_write_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_prepare_thp(test), true, RMAP_KUNIT_DONE);
}

/* Contract revalidate: walks that have not locked the folio rely on this. */
static void page_waits_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	move_with_root_held(test, move_prepare_page(test), false, RMAP_KUNIT_BLOCKED);
}

static void thp_waits_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	move_with_root_held(test, move_prepare_thp(test), false, RMAP_KUNIT_BLOCKED);
}

/* A folio that somebody else has locked, to walk it say, stays where it is. */
static void move_with_folio_locked(struct kunit *test, struct move *move)
{
	struct rmap_kunit_thread *thread;

	thread = rmap_kunit_thread_create(test, move_call, move);
	folio_lock(move->folio);
	wake_up_process(thread->task);
	KUNIT_EXPECT_EQ(test, rmap_kunit_thread_settle(thread, NULL),
			RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_PTR_EQ(test, folio_anon_vma(move->folio), move->old);
	KUNIT_EXPECT_EQ(test, move->folio->index, rmap_kunit_index(test, move->src));
	folio_unlock(move->folio);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(thread));
	move_expect_moved(test, move);
}

static void page_waits_for_the_folio_lock(struct kunit *test)
{
	move_with_folio_locked(test, move_prepare_page(test));
}

static void thp_waits_for_the_folio_lock(struct kunit *test)
{
	move_with_folio_locked(test, move_prepare_thp(test));
}

/* A THP that has to be split for the move, and cannot be: an extra reference. */
static void unsplittable_thp_is_refused(struct kunit *test)
{
	struct move *move = move_prepare_thp(test);
	struct rmap_kunit_thread *thread;

	move->req.len = PAGE_SIZE;
	thread = rmap_kunit_thread_run(test, move_call, move);
	KUNIT_EXPECT_EQ_MSG(test, rmap_kunit_thread_settle(thread, NULL),
			    RMAP_KUNIT_DONE, "the ioctl does not come back");
	/* What was given for the ioctl is over now: it can be split, and moved. */
	rmap_kunit_put_folio(test, move->folio);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(thread));
	KUNIT_EXPECT_EQ(test, move->ret, -EBUSY);
	KUNIT_EXPECT_EQ(test, move->req.move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);
}

#if defined(CONFIG_KPROBES) && defined(CONFIG_ARCH_ENABLE_THP_MIGRATION) && \
	defined(CONFIG_TRANSPARENT_HUGEPAGE)

/**
 * struct pmd_wait - A look at how a move waits for a migrating THP
 * @probe: on pmd_migration_entry_wait()
 * @pmdp: where the migration entry is
 * @thread: the one that moves
 * @calls: how often it waited
 * @elsewhere: how often it did not wait on @pmdp
 */
struct pmd_wait {
	struct kprobe probe;
	pmd_t *pmdp;
	struct rmap_kunit_thread *thread;
	int calls;
	int elsewhere;
};

/* The wait locks the page table that it is pointed to: put it right if need be. */
static int pmd_wait_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct pmd_wait *wait = container_of(probe, struct pmd_wait, probe);

	if (current != wait->thread->task)
		return 0;
	wait->calls++;
	if ((pmd_t *)regs_get_kernel_argument(regs, 1) != wait->pmdp) {
		wait->elsewhere++;
		rmap_kunit_set_argument(regs, (unsigned long)wait->pmdp);
	}
	return 0;
}

static void pmd_wait_end(void *data)
{
	struct pmd_wait *wait = data;

	unregister_kprobe(&wait->probe);
}

/* A THP under migration: the move waits on its PMD, until that is over. */
static void migrating_thp_waits_on_its_pmd(struct kunit *test)
{
	struct move *move = move_prepare_thp(test);
	struct pmd_wait *wait;

	wait = kunit_kzalloc(test, sizeof(*wait), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, wait);
	wait->pmdp = rmap_kunit_entry(test, move->src).pmdp;
	wait->thread = rmap_kunit_thread_create(test, move_call, move);
	wait->probe.symbol_name = "pmd_migration_entry_wait";
	wait->probe.pre_handler = pmd_wait_pre;
	KUNIT_ASSERT_EQ(test, register_kprobe(&wait->probe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, pmd_wait_end, wait), 0);

	folio_lock(move->folio);
	try_to_migrate(move->folio, 0);
	KUNIT_EXPECT_TRUE(test, is_pmd_migration_entry(*wait->pmdp));
	wake_up_process(wait->thread->task);
	KUNIT_EXPECT_EQ(test, rmap_kunit_thread_settle(wait->thread, NULL),
			RMAP_KUNIT_BLOCKED);
	remove_migration_ptes(move->folio, move->folio, 0);
	folio_unlock(move->folio);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(wait->thread));

	KUNIT_EXPECT_GT(test, wait->calls, 0);
	KUNIT_EXPECT_EQ(test, wait->elsewhere, 0);
	move_expect_moved(test, move);
}

#else

static void migrating_thp_waits_on_its_pmd(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES and migration of huge pages");
}

#endif

static struct kunit_case userfaultfd_move_test_cases[] = {
	KUNIT_CASE(page_moves_with_its_anon_vma),
	KUNIT_CASE(thp_moves_whole_with_its_anon_vma),
	KUNIT_CASE(forked_page_is_refused),
	KUNIT_CASE(page_moves_while_root_is_read_locked),
	KUNIT_CASE(page_moves_while_root_is_write_locked),
	KUNIT_CASE(thp_moves_while_root_is_read_locked),
	KUNIT_CASE(thp_moves_while_root_is_write_locked),
	KUNIT_CASE(page_waits_while_root_is_read_locked),
	KUNIT_CASE(thp_waits_while_root_is_read_locked),
	KUNIT_CASE(page_waits_for_the_folio_lock),
	KUNIT_CASE(thp_waits_for_the_folio_lock),
	KUNIT_CASE(unsplittable_thp_is_refused),
	KUNIT_CASE(migrating_thp_waits_on_its_pmd),
	{}
};

static struct kunit_suite userfaultfd_move_test_suite = {
	.name = "userfaultfd_move",
	.suite_init = rmap_kunit_suite_init,
	.test_cases = userfaultfd_move_test_cases,
};

kunit_test_suite(userfaultfd_move_test_suite);
