// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that work in the test's mm
 */
#include <kunit/resource.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>

#include "../../internal.h"
#include "../rmap_kunit_helpers.h"
#include "internal.h"

/**
 * rmap_kunit_task_wait() - Wait until a task has given up its memory
 * @task: the task
 *
 * That is before it is gone for good. What it ran may be unloaded then.
 *
 * Return: false if it does not end within the time that any task may take.
 */
bool rmap_kunit_task_wait(struct task_struct *task)
{
	unsigned long end = jiffies + msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS);

	while (!READ_ONCE(task->exit_state)) {
		if (time_after(jiffies, end))
			return false;
		schedule_timeout_uninterruptible(1);
	}
	return true;
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
	if (!rmap_kunit_thread_wait(thread) || !rmap_kunit_task_wait(thread->task))
		KUNIT_FAIL_AND_ABORT(test, "thread %d is stuck",
				     task_pid_nr(thread->task));
	put_task_struct(thread->task);
	module_put(thread->owner);
	kfree(thread);
}

/**
 * rmap_kunit_thread_create_in() - Make a thread that works in the test's mm
 * @owner: the module that @fn is in; it stays as long as the thread does
 * @test: the test
 * @fn: what the thread is to run, once rmap_kunit_thread_start() is called for it
 * @data: for @fn; must live until the test ends, so not on the test's stack
 *
 * Return: the thread.
 */
struct rmap_kunit_thread *rmap_kunit_thread_create_in(struct module *owner,
						      struct kunit *test,
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
	__module_get(owner);
	thread->owner = owner;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_thread_end,
							thread), 0);
	return thread;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_thread_create_in);

/**
 * rmap_kunit_thread_start() - Start a thread
 * @thread: the thread
 */
void rmap_kunit_thread_start(struct rmap_kunit_thread *thread)
{
	thread->started = true;
	wake_up_process(thread->task);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_thread_start);

static bool rmap_kunit_thread_sleeps_on(struct rmap_kunit_thread *thread,
					struct rw_semaphore *rwsem,
					struct folio *folio)
{
	unsigned int state = READ_ONCE(thread->task->__state);

	if (!rwsem && !folio)
		return state & (TASK_UNINTERRUPTIBLE | TASK_INTERRUPTIBLE);
	if (!(state & TASK_UNINTERRUPTIBLE))
		return false;
	return rwsem ? rwsem_is_contended(rwsem) : folio_test_waiters(folio);
}

static enum rmap_kunit_outcome
rmap_kunit_thread_settle(struct rmap_kunit_thread *thread,
			 struct rw_semaphore *rwsem, struct folio *folio)
{
	unsigned long end = jiffies + msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS);
	/* Whatever else it may sleep on for a moment: look longer. */
	int asleep_ms = rwsem || folio ? 5 : 20;
	ktime_t asleep = 0;

	/* There, an rwsem says so whenever it is write-locked: look longer. */
	if (rwsem && IS_ENABLED(CONFIG_PREEMPT_RT))
		asleep_ms = 100;

	while (!completion_done(&thread->done)) {
		if (!rmap_kunit_thread_sleeps_on(thread, rwsem, folio))
			asleep = 0;
		else if (!asleep)
			asleep = ktime_get();
		else if (ktime_ms_delta(ktime_get(), asleep) >= asleep_ms)
			return RMAP_KUNIT_BLOCKED;
		if (time_after(jiffies, end))
			return RMAP_KUNIT_BUSY;
		usleep_range(200, 400);
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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_settle_on_rwsem);

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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_settle_on_folio);

/**
 * rmap_kunit_settle_on_event() - Wait until a thread has ended or sleeps
 * @thread: the thread, of which is known what it may have to wait for
 *
 * Return: what became of the thread.
 */
enum rmap_kunit_outcome
rmap_kunit_settle_on_event(struct rmap_kunit_thread *thread)
{
	return rmap_kunit_thread_settle(thread, NULL, NULL);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_settle_on_event);

/**
 * rmap_kunit_thread_bind() - Have a thread run on one CPU
 * @thread: the thread, not started yet
 * @cpu: the CPU
 */
void rmap_kunit_thread_bind(struct rmap_kunit_thread *thread, unsigned int cpu)
{
	kthread_bind(thread->task, cpu);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_thread_bind);

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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_thread_wait);

/**
 * rmap_kunit_thread_data() - What the current thread was created with
 *
 * Return: the argument of the function that the thread runs.
 */
void *rmap_kunit_thread_data(void)
{
	struct rmap_kunit_thread *thread = kthread_data(current);

	return thread->data;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_thread_data);
