// SPDX-License-Identifier: GPL-2.0-only
/*
 * Folios of the test's memory, and their state
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/swap.h>

#include "../../internal.h"
#include "../rmap_kunit_helpers.h"
#include "internal.h"

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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_folio);

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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_new_folio);

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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_new_thp);

/**
 * rmap_kunit_put_folio() - Drop the reference to a folio before the test ends
 * @test: the test
 * @folio: from one of the functions above
 */
void rmap_kunit_put_folio(struct kunit *test, struct folio *folio)
{
	kunit_release_action(test, rmap_kunit_folio_end, folio);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_put_folio);

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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_anon_vma);

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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_index);

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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_folio_state);

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
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_expect_unchanged);
