/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Forked processes
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_PROCESS_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_PROCESS_H

#include <linux/completion.h>
#include <linux/module.h>

struct kunit;
struct task_struct;

/**
 * struct rmap_kunit_child - A forked process
 * @task: the process
 * @ready: completed by the child when @fn has returned
 * @release: completed when the child is to run @fn, or to exit if that is %NULL
 * @fn: what it runs next, may be %NULL
 * @data: for @fn
 * @owner: the module that has @fn
 */
struct rmap_kunit_child {
	struct task_struct *task;
	struct completion ready;
	struct completion release;
	void (*fn)(struct rmap_kunit_child *child);
	void *data;
	struct module *owner;
};

#define rmap_kunit_fork(test, fn, data) \
	rmap_kunit_fork_in(THIS_MODULE, test, fn, data)
struct rmap_kunit_child *rmap_kunit_fork_in(struct module *owner,
					    struct kunit *test,
					    void (*fn)(struct rmap_kunit_child *child),
					    void *data);
void rmap_kunit_child_run(struct kunit *test, struct rmap_kunit_child *child,
			  void (*fn)(struct rmap_kunit_child *child));
void rmap_kunit_reap(struct kunit *test, struct rmap_kunit_child *child);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_PROCESS_H */
