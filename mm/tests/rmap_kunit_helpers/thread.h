/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads that work in the test's mm
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_THREAD_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_THREAD_H

#include <linux/completion.h>
#include <linux/module.h>

struct folio;
struct kunit;
struct mm_struct;
struct rw_semaphore;
struct task_struct;

/**
 * struct rmap_kunit_thread - A kernel thread that works in the test's mm
 * @task: the thread
 * @started: whether it is to run @fn
 * @done: completed when @fn has returned
 * @mm: the test's mm
 * @fn: what it runs
 * @data: what @fn gets
 * @owner: the module that has @fn
 */
struct rmap_kunit_thread {
	struct task_struct *task;
	bool started;
	struct completion done;
	struct mm_struct *mm;
	void (*fn)(void *data);
	void *data;
	struct module *owner;
};

/**
 * enum rmap_kunit_outcome - What became of a thread
 * @RMAP_KUNIT_DONE: It has finished.
 * @RMAP_KUNIT_BLOCKED: It waits for what the test holds.
 * @RMAP_KUNIT_BUSY: Neither, for longer than any thread may take.
 */
enum rmap_kunit_outcome {
	RMAP_KUNIT_DONE,
	RMAP_KUNIT_BLOCKED,
	RMAP_KUNIT_BUSY,
};

/* Until it ends, or for ever if it is stuck, the caller's module is not unloaded. */
#define rmap_kunit_thread_create(test, fn, data) \
	rmap_kunit_thread_create_in(THIS_MODULE, test, fn, data)
struct rmap_kunit_thread *rmap_kunit_thread_create_in(struct module *owner,
						      struct kunit *test,
						      void (*fn)(void *data),
						      void *data);
void rmap_kunit_thread_bind(struct rmap_kunit_thread *thread, unsigned int cpu);
void rmap_kunit_thread_start(struct rmap_kunit_thread *thread);
enum rmap_kunit_outcome
rmap_kunit_settle_on_rwsem(struct rmap_kunit_thread *thread,
			   struct rw_semaphore *rwsem);
enum rmap_kunit_outcome
rmap_kunit_settle_on_folio(struct rmap_kunit_thread *thread,
			   struct folio *folio);
enum rmap_kunit_outcome
rmap_kunit_settle_on_event(struct rmap_kunit_thread *thread);
bool rmap_kunit_thread_wait(struct rmap_kunit_thread *thread);
void *rmap_kunit_thread_data(void);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_THREAD_H */
