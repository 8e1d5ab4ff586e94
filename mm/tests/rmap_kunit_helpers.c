// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers of the KUnit suites about the reverse map of anonymous folios.
 *
 * A test runs in a kthread of its own, to which the first mapping gives an mm, see
 * kunit_vm_mmap(). Cleaning up is done by KUnit actions. These run in another
 * thread, last in first out, so the mm is still there until they are done.
 */
#include <kunit/test-bug.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pagewalk.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/shmem_fs.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <uapi/linux/userfaultfd.h>

#include "../internal.h"
#include "rmap_kunit_helpers.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "rmap_kunit."

/* No healthy kernel needs this long for anything that a test waits for. */
#define RMAP_KUNIT_TIMEOUT_MS	5000

static char *contract = "locked";
module_param(contract, charp, 0444);
MODULE_PARM_DESC(contract, "What to hold the kernel to: locked (default) or revalidate");

/**
 * rmap_kunit_suite_init() - Check the module parameters before a suite starts
 * @suite: the suite
 *
 * Return: 0, or -EINVAL if the contract asked for does not exist.
 */
int rmap_kunit_suite_init(struct kunit_suite *suite)
{
	if (!strcmp(contract, "locked") || !strcmp(contract, "revalidate"))
		return 0;

	pr_err("rmap_kunit.contract=%s: must be locked or revalidate\n", contract);
	return -EINVAL;
}

/**
 * rmap_kunit_needs_contract() - Skip a test that is about the other contract
 * @test: the test
 * @needed: the contract that the test is about
 */
void rmap_kunit_needs_contract(struct kunit *test,
			       enum rmap_kunit_contract needed)
{
	const char *name = needed == RMAP_KUNIT_LOCKED ? "locked" : "revalidate";

	if (strcmp(contract, name))
		kunit_skip(test, "holds for rmap_kunit.contract=%s only", name);
}

/*
 * After a failure, locks of the mm or of its anon_vmas may be held for ever, and
 * who tears it down would wait for them.
 */
static bool rmap_kunit_failed(void)
{
	return READ_ONCE(kunit_get_current_test()->status) == KUNIT_FAILURE;
}

static void rmap_kunit_mm_end(void *mm)
{
	if (!rmap_kunit_failed())
		mmput(mm);
}

static unsigned long rmap_kunit_vm_mmap(struct kunit *test, struct file *file,
					unsigned long addr, unsigned long len,
					unsigned long prot, unsigned long flags)
{
	bool first = !current->mm;
	unsigned long ret;

	ret = kunit_vm_mmap(test, file, addr, len, prot, flags, 0);
	if (first && current->mm) {
		mmget(current->mm);
		KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test,
								rmap_kunit_mm_end,
								current->mm), 0);
	}
	KUNIT_ASSERT_FALSE_MSG(test, !ret || IS_ERR_VALUE(ret),
			       "mmap of %lu bytes: %ld", len, (long)ret);
	return ret;
}

/* A writable area, @len bytes and aligned to @align, with a gap on each side. */
static unsigned long rmap_kunit_mmap_aligned(struct kunit *test,
					     unsigned long len,
					     unsigned long align)
{
	unsigned long room, addr;

	room = rmap_kunit_vm_mmap(test, NULL, 0, len + align + 2 * PAGE_SIZE,
				  PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE);
	addr = ALIGN(room + PAGE_SIZE, align);
	return rmap_kunit_vm_mmap(test, NULL, addr, len, PROT_READ | PROT_WRITE,
				  MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED);
}

/**
 * rmap_kunit_mmap() - Map private anonymous memory
 * @test: the test
 * @nr_pages: number of pages
 *
 * Inaccessible memory on both sides keeps the VMA from being merged with
 * another one and from sharing an anon_vma: it will have a root of its own.
 *
 * Return: the address of the area, which is readable and writable.
 */
unsigned long rmap_kunit_mmap(struct kunit *test, unsigned long nr_pages)
{
	return rmap_kunit_mmap_aligned(test, nr_pages * PAGE_SIZE, PAGE_SIZE);
}

/**
 * rmap_kunit_mmap_thp() - Map private anonymous memory for one huge page
 * @test: the test
 *
 * As rmap_kunit_mmap(), but the area is as large as a PMD maps, aligned to that,
 * and asks for huge pages. Skips the test if the kernel has none.
 *
 * Return: the address of the area.
 */
unsigned long rmap_kunit_mmap_thp(struct kunit *test)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	unsigned long addr;

	if (!has_transparent_hugepage())
		kunit_skip(test, "no huge pages on this machine");

	addr = rmap_kunit_mmap_aligned(test, HPAGE_PMD_SIZE, HPAGE_PMD_SIZE);
	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, addr, HPAGE_PMD_SIZE,
					 MADV_HUGEPAGE), 0);
	return addr;
#else
	kunit_skip(test, "needs CONFIG_TRANSPARENT_HUGEPAGE");
#endif
}

static void rmap_kunit_fput(void *file)
{
	/* fput() could put it off until after an unmount. */
	__fput_sync(file);
}

/**
 * rmap_kunit_mmap_file() - Map one page of a file, shared
 * @test: the test
 *
 * Return: the address of the page, which is readable and writable.
 */
unsigned long rmap_kunit_mmap_file(struct kunit *test)
{
	struct file *file = shmem_kernel_file_setup("rmap_kunit", PAGE_SIZE, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_fput,
							file), 0);
	return rmap_kunit_vm_mmap(test, file, 0, PAGE_SIZE,
				  PROT_READ | PROT_WRITE, MAP_SHARED);
}

/**
 * rmap_kunit_write() - Write to user memory, faulting in the page if need be
 * @test: the test
 * @addr: user address
 * @value: what to write there
 */
void rmap_kunit_write(struct kunit *test, unsigned long addr, u32 value)
{
	KUNIT_ASSERT_EQ(test, put_user(value, (u32 __user *)addr), 0);
}

/**
 * rmap_kunit_zap() - Unmap pages, leaving the VMA and its anon_vma
 * @test: the test
 * @addr: user address, page aligned
 * @len: length in bytes
 */
void rmap_kunit_zap(struct kunit *test, unsigned long addr, unsigned long len)
{
	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, addr, len, MADV_DONTNEED), 0);
}

static void rmap_kunit_folio_end(void *folio)
{
	folio_put(folio);
}

/**
 * rmap_kunit_folio() - Get the folio that is mapped at an address
 * @test: the test
 * @addr: user address, which must be mapped to a page
 *
 * Does not fault anything in: in memory that is registered with a userfaultfd
 * that would be for the test to resolve.
 *
 * Return: the folio, with a reference that is dropped when the test ends.
 */
struct folio *rmap_kunit_folio(struct kunit *test, unsigned long addr)
{
	struct folio *folio;
	struct page *page;

	KUNIT_ASSERT_EQ(test, get_user_pages_fast(addr, 1, FOLL_NOFAULT, &page), 1);
	folio = page_folio(page);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_folio_end,
							folio), 0);
	return folio;
}

/**
 * rmap_kunit_new_folio() - Fault in a page, and get its folio
 * @test: the test
 * @addr: user address
 * @value: what to write at @addr
 *
 * The folio is on its LRU list afterwards, where scanners look for it, and no
 * per-CPU batch holds a reference to it.
 *
 * Return: the folio, with a reference that is dropped when the test ends.
 */
struct folio *rmap_kunit_new_folio(struct kunit *test, unsigned long addr,
				   u32 value)
{
	struct folio *folio;

	rmap_kunit_write(test, addr, value);
	folio = rmap_kunit_folio(test, addr);
	lru_add_drain_all();
	KUNIT_ASSERT_TRUE(test, folio_test_anon(folio));
	KUNIT_ASSERT_TRUE(test, folio_test_lru(folio));
	return folio;
}

/**
 * rmap_kunit_new_thp() - Fault in a huge page, and get its folio
 * @test: the test
 * @addr: user address, from rmap_kunit_mmap_thp()
 * @value: what to write at @addr
 *
 * As rmap_kunit_new_folio(). Skips the test if no huge page is to be had.
 *
 * Return: the folio, with a reference that is dropped when the test ends.
 */
struct folio *rmap_kunit_new_thp(struct kunit *test, unsigned long addr,
				 u32 value)
{
	struct folio *folio = rmap_kunit_new_folio(test, addr, value);

	if (folio_size(folio) != PMD_SIZE)
		kunit_skip(test, "got no huge page");
	return folio;
}

/**
 * rmap_kunit_put_folio() - Drop the reference to a folio before the test ends
 * @test: the test
 * @folio: from one of the functions above
 */
void rmap_kunit_put_folio(struct kunit *test, struct folio *folio)
{
	kunit_release_action(test, rmap_kunit_folio_end, folio);
}

/**
 * rmap_kunit_read() - Read user memory
 * @test: the test
 * @addr: user address, which must be mapped to a page
 *
 * Return: the value there.
 */
u32 rmap_kunit_read(struct kunit *test, unsigned long addr)
{
	u32 value = 0;

	rmap_kunit_put_folio(test, rmap_kunit_folio(test, addr));
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)addr), 0);
	return value;
}

/**
 * rmap_kunit_anon_vma() - Look up the anon_vma of a VMA
 * @test: the test
 * @addr: user address in the VMA
 *
 * Return: the anon_vma, which lives as long as the VMA, or %NULL.
 */
struct anon_vma *rmap_kunit_anon_vma(struct kunit *test, unsigned long addr)
{
	struct anon_vma *anon_vma = NULL;
	struct vm_area_struct *vma;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	KUNIT_EXPECT_NOT_NULL(test, vma);
	if (vma)
		anon_vma = vma->anon_vma;
	mmap_read_unlock(current->mm);
	return anon_vma;
}

/**
 * rmap_kunit_index() - What folio->index must be at an address
 * @test: the test
 * @addr: user address
 *
 * Return: the index in units of pages.
 */
pgoff_t rmap_kunit_index(struct kunit *test, unsigned long addr)
{
	struct vm_area_struct *vma;
	pgoff_t index = 0;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	KUNIT_EXPECT_NOT_NULL(test, vma);
	if (vma)
		index = linear_page_index(vma, addr);
	mmap_read_unlock(current->mm);
	return index;
}

static int rmap_kunit_pmd_entry(pmd_t *pmdp, unsigned long addr,
				unsigned long next, struct mm_walk *walk)
{
	struct rmap_kunit_entry *entry = walk->private;

	entry->pmdp = pmdp;
	entry->pmd = pmdp_get_lockless(pmdp);
	/* The walk would split a huge PMD to get at PTEs. */
	if (!pmd_present(entry->pmd) || pmd_leaf(entry->pmd))
		walk->action = ACTION_CONTINUE;
	return 0;
}

static int rmap_kunit_pte_entry(pte_t *ptep, unsigned long addr,
				unsigned long next, struct mm_walk *walk)
{
	struct rmap_kunit_entry *entry = walk->private;

	entry->pte = ptep_get(ptep);
	return 0;
}

static const struct mm_walk_ops rmap_kunit_walk_ops = {
	.pmd_entry = rmap_kunit_pmd_entry,
	.pte_entry = rmap_kunit_pte_entry,
	.walk_lock = PGWALK_RDLOCK,
};

/**
 * rmap_kunit_entry() - Look up what there is at an address
 * @test: the test
 * @addr: user address, page aligned
 *
 * Return: the page table entries.
 */
struct rmap_kunit_entry rmap_kunit_entry(struct kunit *test, unsigned long addr)
{
	struct rmap_kunit_entry entry = {
		.pmd = __pmd(0),
		.pte = __pte(0),
	};

	mmap_read_lock(current->mm);
	KUNIT_EXPECT_EQ(test, walk_page_range(current->mm, addr, addr + PAGE_SIZE,
					      &rmap_kunit_walk_ops, &entry), 0);
	mmap_read_unlock(current->mm);
	return entry;
}

/**
 * rmap_kunit_is_hole() - Is there nothing at all at an address?
 * @test: the test
 * @addr: user address, page aligned
 *
 * Return: true if neither a page nor a swap or migration entry is there.
 */
bool rmap_kunit_is_hole(struct kunit *test, unsigned long addr)
{
	struct rmap_kunit_entry entry = rmap_kunit_entry(test, addr);

	if (pmd_none(entry.pmd))
		return true;
	return pmd_present(entry.pmd) && !pmd_leaf(entry.pmd) &&
	       pte_none(entry.pte);
}

/**
 * rmap_kunit_folio_state() - Take down what a caller of rmap_walk() must not change
 * @folio: the folio
 *
 * Return: the state.
 */
struct rmap_kunit_folio_state rmap_kunit_folio_state(struct folio *folio)
{
	struct rmap_kunit_folio_state state = {
		.refs = folio_ref_count(folio),
		.mapcount = folio_mapcount(folio),
		.anon_vma = folio_anon_vma(folio),
		.locked = folio_test_locked(folio),
	};

	if (state.anon_vma)
		state.anon_vma_refs = atomic_read(&state.anon_vma->refcount);
	return state;
}

/**
 * rmap_kunit_expect_unchanged() - Expect locks and references to be as before
 * @test: the test
 * @folio: the folio
 * @before: its state before
 *
 * That the root's rwsem is free is expected too.
 */
void rmap_kunit_expect_unchanged(struct kunit *test, struct folio *folio,
				 const struct rmap_kunit_folio_state *before)
{
	struct rmap_kunit_folio_state now = rmap_kunit_folio_state(folio);

	KUNIT_EXPECT_EQ(test, now.refs, before->refs);
	KUNIT_EXPECT_EQ(test, now.mapcount, before->mapcount);
	KUNIT_EXPECT_PTR_EQ(test, now.anon_vma, before->anon_vma);
	KUNIT_EXPECT_EQ(test, now.anon_vma_refs, before->anon_vma_refs);
	KUNIT_EXPECT_EQ(test, now.locked, before->locked);
	if (now.anon_vma)
		KUNIT_EXPECT_FALSE_MSG(test,
				       rwsem_is_locked(&now.anon_vma->root->rwsem),
				       "the root's rwsem was not released");
}

static int rmap_kunit_thread_fn(void *data)
{
	struct rmap_kunit_thread *thread = data;

	if (thread->started) {
		kthread_use_mm(thread->mm);
		thread->fn(thread->data);
		kthread_unuse_mm(thread->mm);
	}
	mmput(thread->mm);
	complete_all(&thread->done);
	return 0;
}

static void rmap_kunit_thread_end(void *data)
{
	struct kunit *test = kunit_get_current_test();
	struct rmap_kunit_thread *thread = data;

	if (!thread->started)
		wake_up_process(thread->task);
	/* What a stuck thread uses has to stay: leave all the rest to it. */
	if (!rmap_kunit_thread_wait(thread))
		KUNIT_FAIL_AND_ABORT(test, "thread %d is stuck",
				     task_pid_nr(thread->task));
	put_task_struct(thread->task);
	kfree(thread);
}

/**
 * rmap_kunit_thread_create() - Make a thread that works in the test's mm
 * @test: the test
 * @fn: what the thread is to run, once rmap_kunit_thread_start() is called for it
 * @data: for @fn; must live until the test ends, so not on the test's stack
 *
 * Return: the thread.
 */
struct rmap_kunit_thread *rmap_kunit_thread_create(struct kunit *test,
						   void (*fn)(void *data),
						   void *data)
{
	struct rmap_kunit_thread *thread;

	thread = kzalloc(sizeof(*thread), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, thread);
	init_completion(&thread->done);
	thread->fn = fn;
	thread->data = data;
	thread->mm = current->mm;
	thread->task = kthread_create(rmap_kunit_thread_fn, thread, "rmap_kunit");
	if (IS_ERR(thread->task)) {
		kfree(thread);
		KUNIT_FAIL_AND_ABORT(test, "cannot create a thread");
	}
	mmget(thread->mm);
	get_task_struct(thread->task);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_thread_end,
							thread), 0);
	return thread;
}

/**
 * rmap_kunit_thread_start() - Start a thread
 * @thread: the thread
 */
void rmap_kunit_thread_start(struct rmap_kunit_thread *thread)
{
	thread->started = true;
	wake_up_process(thread->task);
}

static bool rmap_kunit_thread_sleeps_on(struct rmap_kunit_thread *thread,
					struct rw_semaphore *rwsem,
					struct folio *folio)
{
	if (!(READ_ONCE(thread->task->__state) & TASK_UNINTERRUPTIBLE))
		return false;
	return rwsem ? rwsem_is_contended(rwsem) : folio_test_waiters(folio);
}

static enum rmap_kunit_outcome
rmap_kunit_thread_settle(struct rmap_kunit_thread *thread,
			 struct rw_semaphore *rwsem, struct folio *folio)
{
	unsigned long end = jiffies + msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS);
	unsigned long asleep = 0, limit = 2;

	/* There, an rwsem says so whenever it is write-locked: look longer. */
	if (rwsem && IS_ENABLED(CONFIG_PREEMPT_RT))
		limit = max(msecs_to_jiffies(100), limit);

	while (!completion_done(&thread->done)) {
		if (rmap_kunit_thread_sleeps_on(thread, rwsem, folio))
			asleep++;
		else
			asleep = 0;
		if (asleep >= limit)
			return RMAP_KUNIT_BLOCKED;
		if (time_after(jiffies, end))
			return RMAP_KUNIT_BUSY;
		schedule_timeout_uninterruptible(1);
	}
	return RMAP_KUNIT_DONE;
}

/**
 * rmap_kunit_settle_on_rwsem() - Wait until a thread has ended or wants an rwsem
 * @thread: the thread
 * @rwsem: what it may have to wait for
 *
 * Return: what became of the thread.
 */
enum rmap_kunit_outcome
rmap_kunit_settle_on_rwsem(struct rmap_kunit_thread *thread,
			   struct rw_semaphore *rwsem)
{
	return rmap_kunit_thread_settle(thread, rwsem, NULL);
}

/**
 * rmap_kunit_settle_on_folio() - Wait until a thread has ended or wants a folio lock
 * @thread: the thread
 * @folio: the folio whose lock it may have to wait for
 *
 * Return: what became of the thread.
 */
enum rmap_kunit_outcome
rmap_kunit_settle_on_folio(struct rmap_kunit_thread *thread,
			   struct folio *folio)
{
	return rmap_kunit_thread_settle(thread, NULL, folio);
}

/**
 * rmap_kunit_thread_wait() - Wait for a thread to end
 * @thread: the thread
 *
 * Return: false if it does not end within the time that any thread may take.
 */
bool rmap_kunit_thread_wait(struct rmap_kunit_thread *thread)
{
	return wait_for_completion_timeout(&thread->done,
					   msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS));
}

static int rmap_kunit_child_fn(void *data)
{
	struct rmap_kunit_child *child = data;

	/* Copied from the test's thread, which it may outlive. */
	current->kunit_test = NULL;
	if (child->fn)
		child->fn(child);
	complete(&child->ready);
	wait_for_completion_killable(&child->release);
	/* There is no user space that this could return to. */
	do_exit(0);
}

/* Wait until it has given up its memory, which is before it is gone for good. */
static bool rmap_kunit_child_wait(struct rmap_kunit_child *child)
{
	unsigned long end = jiffies + msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS);

	while (!READ_ONCE(child->task->exit_state)) {
		if (time_after(jiffies, end))
			return false;
		schedule_timeout_uninterruptible(1);
	}
	return true;
}

static void rmap_kunit_child_end(void *data)
{
	struct kunit *test = kunit_get_current_test();
	struct rmap_kunit_child *child = data;

	complete_all(&child->release);
	if (!rmap_kunit_child_wait(child))
		KUNIT_FAIL_AND_ABORT(test, "child %d is stuck",
				     task_pid_nr(child->task));
	put_task_struct(child->task);
	kfree(child);
}

/**
 * rmap_kunit_fork() - Fork the test
 * @test: the test
 * @fn: what the child does first, may be %NULL; then it waits to be reaped
 * @data: for @fn, in child->data
 *
 * A real fork: the child has a copy of the test's mm, and runs a kernel function
 * in it.
 *
 * Return: the child, after @fn has returned.
 */
struct rmap_kunit_child *rmap_kunit_fork(struct kunit *test,
					 void (*fn)(struct rmap_kunit_child *child),
					 void *data)
{
	struct rmap_kunit_child *child;
	struct kernel_clone_args args = {
		/* A child of kthreadd, which leaves no zombies. */
		.flags = CLONE_PARENT,
		.fn = rmap_kunit_child_fn,
	};
	unsigned long left;
	pid_t pid;

	child = kzalloc(sizeof(*child), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, child);
	init_completion(&child->ready);
	init_completion(&child->release);
	child->fn = fn;
	child->data = data;
	args.fn_arg = child;
	pid = kernel_clone(&args);
	if (pid < 0) {
		kfree(child);
		KUNIT_FAIL_AND_ABORT(test, "fork: %d", pid);
	}
	child->task = find_get_task_by_vpid(pid);
	KUNIT_ASSERT_NOT_NULL(test, child->task);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_child_end,
							child), 0);
	left = wait_for_completion_timeout(&child->ready,
					   msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS));
	KUNIT_ASSERT_GT(test, left, 0);
	return child;
}

/**
 * rmap_kunit_reap() - Let a child exit, and wait until its memory is gone
 * @test: the test
 * @child: the child
 */
void rmap_kunit_reap(struct kunit *test, struct rmap_kunit_child *child)
{
	complete_all(&child->release);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_child_wait(child));
}

static void rmap_kunit_look(struct mmu_notifier *notifier)
{
	struct rmap_kunit_observer *observer =
		container_of(notifier, struct rmap_kunit_observer, notifier);
	struct anon_vma *anon_vma = folio_anon_vma(observer->folio);

	observer->calls++;
	observer->locked += folio_test_locked(observer->folio);
	if (anon_vma)
		observer->rwsem_held += rwsem_is_locked(&anon_vma->root->rwsem);
}

static int rmap_kunit_clear_young(struct mmu_notifier *notifier,
				  struct mm_struct *mm, unsigned long start,
				  unsigned long end)
{
	rmap_kunit_look(notifier);
	return 0;
}

static int rmap_kunit_test_young(struct mmu_notifier *notifier,
				 struct mm_struct *mm, unsigned long addr)
{
	rmap_kunit_look(notifier);
	return 0;
}

static const struct mmu_notifier_ops rmap_kunit_observer_ops = {
	.clear_young = rmap_kunit_clear_young,
	.clear_flush_young = rmap_kunit_clear_young,
	.test_young = rmap_kunit_test_young,
};

static void rmap_kunit_observer_end(void *data)
{
	struct rmap_kunit_observer *observer = data;

	mmu_notifier_unregister(&observer->notifier, observer->notifier.mm);
}

/**
 * rmap_kunit_observe() - Look at a folio from inside the rmap walks that reach it
 * @test: the test
 * @folio: the folio, mapped in the test's mm; no other is walked meanwhile
 *
 * The observer sees walks that test or clear young bits, for as long as the
 * test runs.
 *
 * Return: the observer.
 */
struct rmap_kunit_observer *rmap_kunit_observe(struct kunit *test,
					       struct folio *folio)
{
	struct rmap_kunit_observer *observer;

	observer = kunit_kzalloc(test, sizeof(*observer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, observer);
	observer->notifier.ops = &rmap_kunit_observer_ops;
	observer->folio = folio;
	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&observer->notifier,
						    current->mm), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test,
							rmap_kunit_observer_end,
							observer), 0);
	return observer;
}

static void rmap_kunit_unmount(void *mnt)
{
	kern_unmount(mnt);
}

/**
 * rmap_kunit_open() - Open a file of a pseudo file system
 * @test: the test
 * @fs: file system, such as "sysfs" or "devtmpfs"
 * @path: path from the root of the file system
 * @flags: O_RDWR and the like
 *
 * Tests that are built in run before there is any mount to look in, so this
 * brings its own. Skips the test if the kernel does not have the file system.
 *
 * Return: the file, which is closed when the test ends.
 */
struct file *rmap_kunit_open(struct kunit *test, const char *fs,
			     const char *path, int flags)
{
	struct file_system_type *type;
	struct vfsmount *mnt;
	struct file *file;

	type = get_fs_type(fs);
	if (!type)
		kunit_skip(test, "needs %s", fs);
	mnt = kern_mount(type);
	/* The mount has its own reference. */
	put_filesystem(type);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(mnt), "mount %s: %ld", fs, PTR_ERR(mnt));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_unmount,
							mnt), 0);
	file = file_open_root_mnt(mnt, path, flags, 0);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(file), "open %s: %ld", path,
			       PTR_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_fput,
							file), 0);
	return file;
}

/**
 * rmap_kunit_read_uint() - Read a number from a file of sysfs
 * @test: the test
 * @file: the file
 *
 * Return: the number that the file has now.
 */
unsigned int rmap_kunit_read_uint(struct kunit *test, struct file *file)
{
	char buf[16] = "";
	unsigned int value;
	loff_t pos = 0;

	KUNIT_ASSERT_GT(test, kernel_read(file, buf, sizeof(buf) - 1, &pos), 0);
	KUNIT_ASSERT_EQ(test, kstrtouint(strim(buf), 10, &value), 0);
	return value;
}

static void rmap_kunit_uffd_end(void *uffd)
{
	/* Takes the mmap_lock and VMA locks. */
	if (!rmap_kunit_failed())
		__fput_sync(uffd);
}

/**
 * rmap_kunit_uffd_open() - Open a userfaultfd that can move pages
 * @test: the test
 *
 * Skips the test if the kernel has no UFFDIO_MOVE.
 *
 * Return: the userfaultfd, for the test's mm, which is closed when the test ends.
 */
struct file *rmap_kunit_uffd_open(struct kunit *test)
{
	struct uffdio_api api = { .api = UFFD_API };
	unsigned long arg = rmap_kunit_mmap(test, 1);
	struct file *dev, *uffd;
	int fd;

	dev = rmap_kunit_open(test, "devtmpfs", "userfaultfd", O_RDWR);
	fd = vfs_ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	KUNIT_ASSERT_GE(test, fd, 0);
	uffd = fget(fd);
	close_fd(fd);
	KUNIT_ASSERT_NOT_NULL(test, uffd);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_uffd_end,
							uffd), 0);

	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)arg, &api, sizeof(api)), 0);
	KUNIT_ASSERT_EQ(test, vfs_ioctl(uffd, UFFDIO_API, arg), 0);
	KUNIT_ASSERT_EQ(test, copy_from_user(&api, (void __user *)arg, sizeof(api)), 0);
	if (!(api.features & UFFD_FEATURE_MOVE))
		kunit_skip(test, "this kernel has no UFFDIO_MOVE");
	return uffd;
}

/**
 * rmap_kunit_uffd_register() - Register memory with a userfaultfd
 * @test: the test
 * @uffd: the userfaultfd
 * @addr: user address, page aligned
 * @len: length in bytes
 */
void rmap_kunit_uffd_register(struct kunit *test, struct file *uffd,
			      unsigned long addr, unsigned long len)
{
	struct uffdio_register reg = {
		.range = { .start = addr, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	unsigned long arg = rmap_kunit_mmap(test, 1);

	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)arg, &reg, sizeof(reg)), 0);
	KUNIT_ASSERT_EQ(test, vfs_ioctl(uffd, UFFDIO_REGISTER, arg), 0);
}
