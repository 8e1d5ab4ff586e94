/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looking on from inside of a walk: a notifier, and a probe
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_WATCH_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_WATCH_H

#include <linux/kprobes.h>
#include <linux/mmu_notifier.h>

struct folio;
struct kunit;
struct task_struct;

/**
 * struct rmap_kunit_probe - What calls of a function are looked for
 * @task: calls in this thread; %NULL for any
 * @value: what the first argument must be
 * @detour: the function that is called instead the first time, of the same
 *	type; it may call the real one. %NULL for none
 * @folio: a folio to look at, may be %NULL
 * @hits: how often such a call was seen
 * @locked: how often @folio was locked then
 * @kprobe: sees the calls
 */
struct rmap_kunit_probe {
	struct task_struct *task;
	const void *value;
	void *detour;
	struct folio *folio;
	int hits;
	int locked;
#ifdef CONFIG_KPROBES
	struct kprobe kprobe;
#endif
};

void rmap_kunit_probe(struct kunit *test, struct rmap_kunit_probe *probe,
		      const char *symbol);

/**
 * struct rmap_kunit_observer - Looks at a folio from inside the rmap walk
 * @notifier: called under the page table lock when a young bit is tested
 * @folio: the folio to look at
 * @calls: how often a young bit was tested or cleared
 * @locked: how often the folio was locked then
 * @rwsem_held: how often the root's rwsem was held then
 * @locked_walks: how often both
 */
struct rmap_kunit_observer {
	struct mmu_notifier notifier;
	struct folio *folio;
	int calls;
	int locked;
	int rwsem_held;
	int locked_walks;
};

struct rmap_kunit_observer *rmap_kunit_observe(struct kunit *test,
					       struct folio *folio);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_WATCH_H */
