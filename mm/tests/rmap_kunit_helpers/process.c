// SPDX-License-Identifier: GPL-2.0-only
/*
 * Forked processes
 */
#include <kunit/resource.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "../../internal.h"
#include "../rmap_kunit_helpers.h"
#include "internal.h"

static int rmap_kunit_child_fn(void *data)
{
	struct rmap_kunit_child *child = data;

	/* Copied from the test's thread, which it may outlive. */
	current->kunit_test = NULL;
	do {
		void (*fn)(struct rmap_kunit_child *child) = child->fn;

		child->fn = NULL;
		if (fn)
			fn(child);
		complete(&child->ready);
		wait_for_completion_killable(&child->release);
	} while (child->fn);
	/* There is no user space that this could return to. */
	do_exit(0);
}

static struct task_struct *rmap_kunit_find_task(pid_t nr)
{
	struct pid *pid = find_get_pid(nr);
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);

	put_pid(pid);
	return task;
}

static void rmap_kunit_child_end(void *data)
{
	struct kunit *test = kunit_get_current_test();
	struct rmap_kunit_child *child = data;

	complete_all(&child->release);
	if (!rmap_kunit_task_wait(child->task))
		KUNIT_FAIL_AND_ABORT(test, "child %d is stuck",
				     task_pid_nr(child->task));
	put_task_struct(child->task);
	module_put(child->owner);
	kfree(child);
}

/**
 * rmap_kunit_fork_in() - Fork the test
 * @owner: the module that @fn is in; it stays as long as the child does
 * @test: the test
 * @fn: what the child does first, may be %NULL; then it waits to be reaped
 * @data: for @fn, in child->data
 *
 * A real fork: the child has a copy of the test's mm, and runs a kernel function
 * in it.
 *
 * Return: the child, after @fn has returned.
 */
struct rmap_kunit_child *rmap_kunit_fork_in(struct module *owner,
					    struct kunit *test,
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
	__module_get(owner);
	child->owner = owner;
	child->task = rmap_kunit_find_task(pid);
	KUNIT_ASSERT_NOT_NULL(test, child->task);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_child_end,
							child), 0);
	left = wait_for_completion_timeout(&child->ready,
					   msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS));
	KUNIT_ASSERT_GT(test, left, 0);
	return child;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_fork_in);

/**
 * rmap_kunit_child_run() - Have a child do something more
 * @test: the test
 * @child: the child
 * @fn: what it is to do; has returned when this returns
 */
void rmap_kunit_child_run(struct kunit *test, struct rmap_kunit_child *child,
			  void (*fn)(struct rmap_kunit_child *child))
{
	unsigned long left;

	child->fn = fn;
	complete(&child->release);
	left = wait_for_completion_timeout(&child->ready,
					   msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS));
	KUNIT_ASSERT_GT(test, left, 0);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_child_run);

/**
 * rmap_kunit_reap() - Let a child exit, and wait until its memory is gone
 * @test: the test
 * @child: the child
 */
void rmap_kunit_reap(struct kunit *test, struct rmap_kunit_child *child)
{
	complete_all(&child->release);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_task_wait(child->task));
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_reap);
