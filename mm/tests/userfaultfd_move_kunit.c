// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of UFFDIO_MOVE, through the ioctl that user space calls: moves of
 * anonymous folios to a VMA whose anon_vma has another root.
 *
 * While a test holds a lock it neither ASSERTs nor EXPECTs: the one would end the
 * thread with the lock held, the other allocates memory when it fails.
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
 * @folio_refs: references of @folio before the move
 * @old_refs: references of @old before the move
 * @new_refs: references of @new before the move
 * @uffd: the userfaultfd
 * @arg: user address for the ioctl's argument
 * @thread: makes the move; not started yet
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
	int folio_refs;
	int old_refs;
	int new_refs;
	struct file *uffd;
	unsigned long arg;
	struct rmap_kunit_thread *thread;
	struct uffdio_move req;
	long ret;
};

#define MOVE_VALUE	0x600dbeef

static void move_call(void *data)
{
	struct move *move = data;
	void __user *arg = (void __user *)move->arg;

	if (copy_to_user(arg, &move->req, sizeof(move->req)))
		move->ret = -EFAULT;
	else
		move->ret = vfs_ioctl(move->uffd, UFFDIO_MOVE, move->arg);
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
	move->folio_refs = folio_ref_count(move->folio);
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

/* The folio is at the destination, and only there; nothing is left behind. */
static void move_expect_moved(struct kunit *test, struct move *move)
{
	KUNIT_ASSERT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_EQ(test, move->req.move, move->len);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&move->old->root->rwsem));
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&move->new->root->rwsem));
	KUNIT_ASSERT_FALSE(test, folio_test_locked(move->folio));
	KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio), move->folio_refs);
	KUNIT_EXPECT_EQ(test, atomic_read(&move->old->refcount), move->old_refs);
	KUNIT_EXPECT_EQ(test, atomic_read(&move->new->refcount), move->new_refs);

	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, move->dst), move->folio);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	KUNIT_EXPECT_PTR_EQ(test, folio_anon_vma(move->folio), move->new);
	KUNIT_EXPECT_EQ(test, move->folio->index,
			rmap_kunit_index(test, move->dst));
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&move->folio->page));
	KUNIT_EXPECT_EQ(test, folio_mapcount(move->folio), 1);
	move_expect_walk(test, move->folio, move->dst);
}

/* A move takes the page, and the folio's place in the reverse map, with it. */
static void page_moves_with_its_anon_vma(struct kunit *test)
{
	struct move *move = move_page(test);

	move_call(move);
	move_expect_moved(test, move);
}

static void thp_moves_whole_with_its_anon_vma(struct kunit *test)
{
	struct move *move = move_thp(test);

	move_call(move);
	KUNIT_EXPECT_EQ(test, folio_size(move->folio), PMD_SIZE);
	move_expect_moved(test, move);
}

/* A page that is shared with a child is not moved; once it is not, it is. */
static void forked_page_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	struct rmap_kunit_child *child = rmap_kunit_fork(test, NULL, NULL);
	struct rmap_kunit_folio_state before = rmap_kunit_folio_state(move->folio);

	KUNIT_ASSERT_EQ(test, before.mapcount, 2);
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, -EBUSY);
	KUNIT_EXPECT_EQ(test, move->req.move, -EBUSY);
	rmap_kunit_expect_unchanged(test, move->folio, &before);
	KUNIT_EXPECT_EQ(test, move->folio->index, rmap_kunit_index(test, move->src));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);

	/* A write makes it the parent's alone, in place or in a copy. */
	rmap_kunit_reap(test, child);
	rmap_kunit_write(test, move->src, MOVE_VALUE);
	lru_add_drain_all();
	move->folio = rmap_kunit_folio(test, move->src);
	move_count_references(move);
	move_set_request(move, move->len);
	move_call(move);
	move_expect_moved(test, move);
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
	move_expect_moved(test, move);
}

static void page_moves_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_page(test), false, RMAP_KUNIT_DONE);
}

static void page_moves_while_root_is_write_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_page(test), true, RMAP_KUNIT_DONE);
}

static void thp_moves_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_thp(test), false, RMAP_KUNIT_DONE);
}

static void thp_moves_while_root_is_write_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_thp(test), true, RMAP_KUNIT_DONE);
}

/* Contract revalidate: walks that have not locked the folio rely on this. */
static void page_waits_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	move_with_root_held(test, move_page(test), false, RMAP_KUNIT_BLOCKED);
}

static void thp_waits_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	move_with_root_held(test, move_thp(test), false, RMAP_KUNIT_BLOCKED);
}

/* A folio that somebody else has locked, to walk it say, stays where it is. */
static void move_with_folio_locked(struct kunit *test, struct move *move)
{
	pgoff_t index = move->folio->index, index_seen;
	enum rmap_kunit_outcome outcome;
	struct anon_vma *seen;

	folio_lock(move->folio);
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_folio(move->thread, move->folio);
	seen = folio_anon_vma(move->folio);
	index_seen = move->folio->index;
	folio_unlock(move->folio);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_PTR_EQ(test, seen, move->old);
	KUNIT_EXPECT_EQ(test, index_seen, index);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	move_expect_moved(test, move);
}

static void page_waits_for_the_folio_lock(struct kunit *test)
{
	move_with_folio_locked(test, move_page(test));
}

static void thp_waits_for_the_folio_lock(struct kunit *test)
{
	move_with_folio_locked(test, move_thp(test));
}

/*
 * A THP that has to be split for the move is refused while that cannot be done,
 * for an extra reference, and moved as soon as it can.
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

#if defined(CONFIG_KPROBES) && defined(CONFIG_ARCH_ENABLE_THP_MIGRATION) && \
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

/* A THP under migration: the move waits on its PMD, until that is over. */
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
	migrating = is_pmd_migration_entry(pmdp_get_lockless(wait->pmdp));
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
