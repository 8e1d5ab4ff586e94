// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking on from inside of a walk: a notifier, and a probe
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/kprobes.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>

#include "../../internal.h"
#include "../rmap_kunit_helpers.h"
#include "internal.h"

#if defined(CONFIG_KPROBES) && defined(CONFIG_HAVE_FUNCTION_ARG_ACCESS_API)

static int rmap_kunit_probe_pre(struct kprobe *kprobe, struct pt_regs *regs)
{
	struct rmap_kunit_probe *probe =
		container_of(kprobe, struct rmap_kunit_probe, kprobe);

	if ((probe->task && current != probe->task) ||
	    (void *)regs_get_kernel_argument(regs, 0) != probe->value)
		return 0;
	if (probe->folio)
		probe->locked += folio_test_locked(probe->folio);
	if (probe->hits++ || !probe->detour)
		return 0;
	/* Arguments and return address are in place: it is as if called. */
	instruction_pointer_set(regs, (unsigned long)probe->detour);
	return 1;
}

/* Its presence keeps the kprobe from being optimised: detours need a real one. */
static void rmap_kunit_probe_post(struct kprobe *kprobe, struct pt_regs *regs,
				  unsigned long flags)
{
}

static void rmap_kunit_probe_end(void *data)
{
	struct rmap_kunit_probe *probe = data;

	unregister_kprobe(&probe->kprobe);
}

/**
 * rmap_kunit_probe() - Look at the calls of a function, or take one elsewhere
 * @test: the test
 * @probe: which calls, with the counts at zero; must live until the test ends
 * @symbol: the function
 *
 * A detour runs as the function would have: it may sleep if that might.
 *
 * Skips the test if the kernel has no kprobes, or they cannot see arguments.
 */
void rmap_kunit_probe(struct kunit *test, struct rmap_kunit_probe *probe,
		      const char *symbol)
{
	probe->kprobe.symbol_name = symbol;
	probe->kprobe.pre_handler = rmap_kunit_probe_pre;
	if (probe->detour)
		probe->kprobe.post_handler = rmap_kunit_probe_post;
	KUNIT_ASSERT_EQ_MSG(test, register_kprobe(&probe->kprobe), 0, "%s", symbol);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_probe_end,
							probe), 0);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_probe);

#else

void rmap_kunit_probe(struct kunit *test, struct rmap_kunit_probe *probe,
		      const char *symbol)
{
	kunit_skip(test, "needs KPROBES on an architecture that gives access to arguments");
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_probe);

#endif

#ifndef RMAP_KUNIT_YOUNG
#define RMAP_KUNIT_YOUNG	bool
#endif

static void rmap_kunit_look(struct mmu_notifier *notifier)
{
	struct rmap_kunit_observer *observer =
		container_of(notifier, struct rmap_kunit_observer, notifier);
	struct anon_vma *anon_vma = folio_anon_vma(observer->folio);
	bool locked = folio_test_locked(observer->folio);

	observer->calls++;
	observer->locked += locked;
	if (anon_vma && rwsem_is_locked(&anon_vma->root->rwsem)) {
		observer->rwsem_held++;
		observer->locked_walks += locked;
	}
}

static RMAP_KUNIT_YOUNG rmap_kunit_clear_young(struct mmu_notifier *notifier,
					       struct mm_struct *mm,
					       unsigned long start,
					       unsigned long end)
{
	rmap_kunit_look(notifier);
	return 0;
}

static RMAP_KUNIT_YOUNG rmap_kunit_test_young(struct mmu_notifier *notifier,
					      struct mm_struct *mm,
					      unsigned long addr)
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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_observe);
