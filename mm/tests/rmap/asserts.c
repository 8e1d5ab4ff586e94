// SPDX-License-Identifier: GPL-2.0-only
/*
 * A walk, or a look at an anon_vma, without the folio lock: each provokes a warning
 */

static void call_lock_anon_vma_read(struct folio *folio)
{
	lock_anon_vma_read(folio);
}

static void call_get_anon_vma(struct folio *folio)
{
	get_anon_vma_of(folio);
}

static bool do_nothing(struct folio *folio, struct vm_area_struct *vma,
		       unsigned long addr, void *arg)
{
	return true;
}

/* Without .anon_lock: that would get to folio_lock_anon_vma_read()'s assertion. */
static void call_rmap_walk(struct folio *folio)
{
	struct rmap_walk_control rwc = { .rmap_one = do_nothing };

	rmap_walk(folio, &rwc);
}

static void call_rmap_walk_locked(struct folio *folio)
{
	struct rmap_walk_control rwc = { .rmap_one = do_nothing };
	struct anon_vma *anon_vma = folio_anon_vma(folio);

	anon_vma_lock_read(anon_vma);
	rmap_walk_locked(folio, &rwc);
	anon_vma_unlock_read(anon_vma);
}

/* @call warns once about an unlocked folio, and not about a locked one. */
static void expect_assertion(struct kunit *test,
			     void (*call)(struct folio *folio))
{
	struct file *warn_count;
	unsigned int warnings;
	struct folio *folio;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	if (!IS_ENABLED(CONFIG_DEBUG_VM))
		kunit_skip(test, "needs CONFIG_DEBUG_VM");
	if (panic_on_warn)
		kunit_skip(test, "panic_on_warn is set");

	warn_count = rmap_kunit_open(test, "sysfs", "kernel/warn_count", O_RDONLY);
	folio = rmap_kunit_new_folio(test, rmap_kunit_mmap(test, 1), 1);

	warnings = rmap_kunit_read_uint(test, warn_count);
	folio_lock(folio);
	call(folio);
	folio_unlock(folio);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read_uint(test, warn_count), warnings);

	/* For whoever looks for unexpected reports in the log. */
	kunit_info(test, "expect splat begin: mm/rmap.c");
	call(folio);
	kunit_info(test, "expect splat end: mm/rmap.c");
	KUNIT_EXPECT_EQ(test, rmap_kunit_read_uint(test, warn_count), warnings + 1);
}

/*
 * folio_lock_anon_vma_read() warns about an unlocked folio, not about a locked
 * one.
 */
static void lock_anon_vma_read_asserts_folio_lock(struct kunit *test)
{
	expect_assertion(test, call_lock_anon_vma_read);
}

/*
 * folio_get_anon_vma() warns about an unlocked folio, not about a locked one.
 */
static void get_anon_vma_asserts_folio_lock(struct kunit *test)
{
	expect_assertion(test, call_get_anon_vma);
}

/*
 * rmap_walk() warns about an unlocked anonymous folio, not about a locked one.
 */
static void walk_asserts_folio_lock(struct kunit *test)
{
	expect_assertion(test, call_rmap_walk);
}

/*
 * rmap_walk_locked() warns about an unlocked anonymous folio, not about a
 * locked one.
 */
static void walk_locked_asserts_folio_lock(struct kunit *test)
{
	expect_assertion(test, call_rmap_walk_locked);
}
