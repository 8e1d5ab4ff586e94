// SPDX-License-Identifier: GPL-2.0-only
/*
 * Folios of KSM
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/swap.h>

#include "../../internal.h"
#include "../rmap_kunit_helpers.h"
#include "internal.h"

static void rmap_kunit_ksm_stop(void *run)
{
	loff_t pos = 0;

	/* Waits until the scan has come to its end. */
	kernel_write(run, "0", 1, &pos);
}

static bool rmap_kunit_is_ksm(struct kunit *test, unsigned long addr, int nr_pages)
{
	struct folio *folio = rmap_kunit_folio(test, addr);
	bool merged = folio_test_ksm(folio) && folio_mapcount(folio) == nr_pages;

	rmap_kunit_put_folio(test, folio);
	return merged;
}

/**
 * rmap_kunit_new_ksm_folio() - Have KSM merge equal pages into one folio
 * @test: the test
 * @addr: user address of the first page
 * @nr_pages: number of pages, at least two
 *
 * They hold what no other test's have: nothing else is merged with them.
 *
 * Skips the test if the kernel has no KSM.
 *
 * Return: the folio, which is mapped in place of each page, with a reference
 * that is dropped when the test ends.
 */
struct folio *rmap_kunit_new_ksm_folio(struct kunit *test, unsigned long addr,
				       int nr_pages)
{
	unsigned long end = jiffies + msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS);
	static u32 value = 0x6b736d00;
	struct file *run;
	loff_t pos = 0;
	int i;

	if (!IS_ENABLED(CONFIG_KSM))
		kunit_skip(test, "needs CONFIG_KSM");

	value++;
	for (i = 0; i < nr_pages; i++)
		rmap_kunit_write(test, addr + i * PAGE_SIZE, value);
	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, addr, nr_pages * PAGE_SIZE,
					 MADV_MERGEABLE), 0);
	/* Whoever has it running has it back afterwards. */
	rmap_kunit_set(test, "sysfs", "kernel/mm/ksm/run", "0");
	rmap_kunit_set(test, "sysfs", "kernel/mm/ksm/sleep_millisecs", "1");
	run = rmap_kunit_open(test, "sysfs", "kernel/mm/ksm/run", O_RDWR);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_ksm_stop,
							run), 0);
	KUNIT_ASSERT_EQ(test, kernel_write(run, "1", 1, &pos), 1);
	while (!rmap_kunit_is_ksm(test, addr, nr_pages)) {
		KUNIT_ASSERT_TRUE_MSG(test, time_before(jiffies, end),
				      "KSM does not merge the pages");
		schedule_timeout_uninterruptible(1);
	}
	kunit_release_action(test, rmap_kunit_ksm_stop, run);
	lru_add_drain_all();
	return rmap_kunit_folio(test, addr);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_new_ksm_folio);
