// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page table entries of the test's memory
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/pagewalk.h>

#include "../../internal.h"
#include "../rmap_kunit_helpers.h"
#include "internal.h"

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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_entry);

static int rmap_kunit_wrprotect_pte(pte_t *ptep, unsigned long addr,
				    unsigned long next, struct mm_walk *walk)
{
	ptep_set_wrprotect(walk->mm, addr, ptep);
	return 0;
}

static const struct mm_walk_ops rmap_kunit_wrprotect_ops = {
	.pte_entry = rmap_kunit_wrprotect_pte,
};

/**
 * rmap_kunit_wrprotect() - Make a page table entry read-only, and nothing else
 * @test: the test
 * @addr: user address of a page that is mapped writable
 *
 * As clearing soft-dirty bits does.
 */
void rmap_kunit_wrprotect(struct kunit *test, unsigned long addr)
{
	pte_t pte;

	mmap_write_lock(current->mm);
	vma_start_write(vma_lookup(current->mm, addr));
	walk_page_range(current->mm, addr, addr + PAGE_SIZE,
			&rmap_kunit_wrprotect_ops, NULL);
	rmap_kunit_flush_tlb();
	mmap_write_unlock(current->mm);
	pte = rmap_kunit_entry(test, addr).pte;
	KUNIT_ASSERT_TRUE(test, pte_present(pte) && !pte_write(pte));
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_wrprotect);

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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_is_hole);

/**
 * rmap_kunit_rss() - Count pages of the test's mm
 * @member: MM_ANONPAGES and the like
 *
 * Return: the exact number.
 */
long rmap_kunit_rss(int member)
{
	return get_mm_counter_sum(current->mm, member);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_rss);
