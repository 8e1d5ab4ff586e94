// SPDX-License-Identifier: GPL-2.0-only
/*
 * What those pay who walk the reverse map of folios that nobody has locked
 */

/**
 * struct bench_walker - Folios, and who looks at them all
 * @addr: where they are mapped
 * @page: bytes from one to the next
 * @nr: how many there are
 * @folios: the folios, without a reference: they stay mapped
 * @isolated: how many of them are off the LRU lists
 * @file: for page_idle: its bitmap
 * @bits: for page_idle: what to write there
 * @size: for page_idle: how many bytes that is
 * @pos: for page_idle: and at which place
 * @ctx: for DAMON: with a region for each folio
 * @ret: what came of looking
 * @look: looks at all of the folios
 * @stop: for a thread that does it over and over again: not any more
 * @looks: how often it did
 */
struct bench_walker {
	unsigned long addr;
	unsigned long page;
	int nr;
	struct folio **folios;
	int isolated;
	struct file *file;
	void *bits;
	size_t size;
	loff_t pos;
	struct damon_ctx *ctx;
	long ret;
	void (*look)(struct bench_walker *walker);
	bool stop;
	unsigned long looks;
};

static struct bench_walker *bench_walker_alloc(struct kunit *test, unsigned long addr,
					       unsigned long page, int nr)
{
	struct bench_walker *walker;
	int i;

	walker = kunit_kzalloc(test, sizeof(*walker), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, walker);
	walker->addr = addr;
	walker->page = page;
	walker->nr = nr;
	walker->folios = kunit_kcalloc(test, nr, sizeof(*walker->folios), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, walker->folios);
	/* Scanners look for them there. */
	lru_add_drain_all();
	for (i = 0; i < nr; i++) {
		walker->folios[i] = rmap_kunit_folio(test, addr + i * page);
		rmap_kunit_put_folio(test, walker->folios[i]);
		KUNIT_ASSERT_TRUE(test, folio_test_lru(walker->folios[i]));
	}
	return walker;
}

/* Folios of small pages. */
static struct bench_walker *bench_walker_of_pages(struct kunit *test)
{
	unsigned long addr, i;

	bench_needs_plain_locks(test);
	addr = rmap_kunit_mmap_far(test, BENCH_FOLIOS * PAGE_SIZE);
	bench_clear(test, addr, BENCH_FOLIOS * PAGE_SIZE);
	for (i = 0; i < BENCH_FOLIOS; i++)
		rmap_kunit_write(test, addr + i * PAGE_SIZE, 1);
	return bench_walker_alloc(test, addr, PAGE_SIZE, BENCH_FOLIOS);
}

/* Have the folios as if they had been accessed, and never been looked at. */
static void bench_walker_touch(struct kunit *test, struct bench_walker *walker)
{
	int i;

	/* Or the CPU would not look at the entries again. */
	rmap_kunit_flush_tlb();
	for (i = 0; i < walker->nr; i++) {
		folio_clear_idle(walker->folios[i]);
		folio_test_clear_young(walker->folios[i]);
		KUNIT_ASSERT_EQ(test, rmap_kunit_touch(walker->addr + i * walker->page), 0);
	}
}

static int bench_walker_count_young(struct kunit *test, struct bench_walker *walker)
{
	int i, young = 0;

	for (i = 0; i < walker->nr; i++)
		young += !!pte_young(rmap_kunit_entry(test, walker->addr +
						      i * walker->page).pte);
	return young;
}

static int bench_walker_count_idle(struct bench_walker *walker)
{
	int i, idle = 0;

	for (i = 0; i < walker->nr; i++)
		idle += folio_test_idle(walker->folios[i]);
	return idle;
}

/*
 * It clears the young bits: touch the folios before each round. @besides is how
 * long it takes to look at none of them.
 */
static void bench_walker_age(struct kunit *test, struct bench_walker *walker,
			     const char *name, u64 besides)
{
	struct bench bench;
	int i;

	for (i = -BENCH_WARM_UP; i < BENCH_ROUNDS; i++) {
		u64 ns;

		bench_walker_touch(test, walker);
		KUNIT_ASSERT_EQ(test, bench_walker_count_young(test, walker), walker->nr);
		ns = ktime_get_ns();
		walker->look(walker);
		ns = ktime_get_ns() - ns;
		if (i >= 0)
			bench.ns[i] = ns - besides;
		KUNIT_ASSERT_EQ(test, bench_walker_count_young(test, walker), 0);
	}
	bench_figure(test, name, bench_median(&bench, walker->nr), "ns/folio");
}

static void bench_referenced_look(struct bench_walker *walker)
{
	vma_flags_t vm_flags;
	long ret = 0;
	int i;

	for (i = 0; i < walker->nr; i++)
		ret += folio_referenced(walker->folios[i], 0, NULL, &vm_flags);
	walker->ret = ret;
}

static void bench_walker_putback(void *data)
{
	struct bench_walker *walker = data;

	while (walker->isolated)
		folio_putback_lru(walker->folios[--walker->isolated]);
}

static void folio_referenced_walks(struct kunit *test)
{
	struct bench_walker *walker = bench_walker_of_pages(test);

	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, bench_walker_putback,
							walker), 0);
	for (; walker->isolated < walker->nr; walker->isolated++)
		KUNIT_ASSERT_TRUE(test,
				  folio_isolate_lru(walker->folios[walker->isolated]));
	walker->look = bench_referenced_look;
	bench_walker_age(test, walker, "walk.referenced", 0);
	KUNIT_ASSERT_EQ(test, walker->ret, walker->nr);
}

/* sysfs takes a page at a time. */
static void bench_page_idle_look(struct bench_walker *walker)
{
	loff_t pos = walker->pos;
	size_t done = 0;
	ssize_t ret;

	while (done < walker->size) {
		ret = kernel_write(walker->file, walker->bits + done,
				   walker->size - done, &pos);
		if (ret <= 0) {
			walker->ret = ret;
			return;
		}
		done += ret;
	}
}

/* Look by way of page_idle's bitmap, from the first of the folios to the last. */
static void bench_page_idle(struct kunit *test, struct bench_walker *walker)
{
	unsigned long first = ULONG_MAX, last = 0;
	u64 *bits;
	int i;

	if (!IS_ENABLED(CONFIG_IDLE_PAGE_TRACKING))
		kunit_skip(test, "needs CONFIG_IDLE_PAGE_TRACKING");
	for (i = 0; i < walker->nr; i++) {
		first = min(first, folio_pfn(walker->folios[i]));
		last = max(last, folio_pfn(walker->folios[i]));
	}
	rmap_kunit_raise_max_pfn(last);
	first = round_down(first, 64);
	walker->pos = first / 8;
	walker->size = round_up(last + 1 - first, 64) / 8;
	bits = kunit_kzalloc(test, walker->size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bits);
	for (i = 0; i < walker->nr; i++) {
		unsigned long bit = folio_pfn(walker->folios[i]) - first;

		bits[bit / 64] |= 1ULL << (bit % 64);
	}
	walker->bits = bits;
	walker->file = rmap_kunit_open(test, "sysfs", "kernel/mm/page_idle/bitmap", O_RDWR);
	walker->look = bench_page_idle_look;
}

/* The folios may be far apart: how long it takes to pass over what is between them. */
static u64 bench_page_idle_gaps(struct kunit *test, struct bench_walker *walker)
{
	void *bits = walker->bits;
	struct bench bench;
	int i;

	walker->bits = kunit_kzalloc(test, walker->size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, walker->bits);
	for (i = -BENCH_WARM_UP; i < BENCH_ROUNDS; i++) {
		u64 ns = ktime_get_ns();

		walker->look(walker);
		ns = ktime_get_ns() - ns;
		if (i >= 0)
			bench.ns[i] = ns;
	}
	walker->bits = bits;
	return bench_median(&bench, 1);
}

static void page_idle_walks(struct kunit *test)
{
	struct bench_walker *walker = bench_walker_of_pages(test);

	bench_page_idle(test, walker);
	bench_walker_age(test, walker, "walk.page-idle",
			 bench_page_idle_gaps(test, walker));
	KUNIT_ASSERT_EQ(test, walker->ret, 0);
	KUNIT_ASSERT_EQ(test, bench_walker_count_idle(walker), walker->nr);
}

#ifdef CONFIG_DAMON_PADDR

static void bench_damon_mkold_look(struct bench_walker *walker)
{
	walker->ctx->ops.prepare_access_checks(walker->ctx);
}

static void bench_damon_young_look(struct bench_walker *walker)
{
	walker->ret = walker->ctx->ops.check_accesses(walker->ctx);
}

static void bench_damon_look(struct bench_walker *walker)
{
	bench_damon_mkold_look(walker);
	bench_damon_young_look(walker);
}

static void bench_destroy_damon(void *ctx)
{
	damon_destroy_ctx(ctx);
}

/* DAMON looks at a random address, which takes long as long as entropy is short. */
static void bench_have_entropy(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap(test, 1);
	struct file *file = rmap_kunit_open(test, "devtmpfs", "urandom", O_RDWR);
	struct rand_pool_info pool = {
		.entropy_count = 256,
		.buf_size = 32,
	};

	rmap_kunit_write(test, addr, 0);
	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)addr, &pool, sizeof(pool)), 0);
	KUNIT_ASSERT_EQ(test, rmap_kunit_ioctl(file, RNDADDENTROPY, addr), 0);
}

/* Look by way of DAMON's operations for the physical address space. */
static void bench_damon(struct kunit *test, struct bench_walker *walker)
{
	struct damon_target *target;
	int i;

	bench_have_entropy(test);
	walker->ctx = damon_new_ctx();
	KUNIT_ASSERT_NOT_NULL(test, walker->ctx);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, bench_destroy_damon,
							walker->ctx), 0);
	KUNIT_ASSERT_EQ(test, damon_select_ops(walker->ctx, DAMON_OPS_PADDR), 0);
	target = damon_new_target();
	KUNIT_ASSERT_NOT_NULL(test, target);
	damon_add_target(walker->ctx, target);
	for (i = 0; i < walker->nr; i++) {
		unsigned long start = PFN_PHYS(folio_pfn(walker->folios[i]));
		struct damon_region *region = damon_new_region(start, start + PAGE_SIZE);

		KUNIT_ASSERT_NOT_NULL(test, region);
		rmap_kunit_damon_add_region(region, target);
	}
	walker->look = bench_damon_look;
}

static void damon_mkold_walks(struct kunit *test)
{
	struct bench_walker *walker = bench_walker_of_pages(test);

	bench_damon(test, walker);
	walker->look = bench_damon_mkold_look;
	bench_walker_age(test, walker, "walk.damon-mkold", 0);
	KUNIT_ASSERT_EQ(test, bench_walker_count_idle(walker), walker->nr);
}

static int bench_damon_count_accesses(struct bench_walker *walker)
{
	struct damon_target *target;
	struct damon_region *region;
	int accesses = 0;

	damon_for_each_target(target, walker->ctx)
		damon_for_each_region(region, target)
			accesses += region->nr_accesses;
	return accesses;
}

/* Folios that nobody has accessed since DAMON made them old: it looks everywhere. */
static void damon_young_walks(struct kunit *test)
{
	struct bench_walker *walker = bench_walker_of_pages(test);
	struct bench bench;
	int i;

	bench_damon(test, walker);
	bench_walker_touch(test, walker);
	bench_damon_mkold_look(walker);
	KUNIT_ASSERT_EQ(test, bench_walker_count_young(test, walker), 0);
	for (i = -BENCH_WARM_UP; i < BENCH_ROUNDS; i++) {
		u64 ns;

		ns = ktime_get_ns();
		bench_damon_young_look(walker);
		ns = ktime_get_ns() - ns;
		if (i >= 0)
			bench.ns[i] = ns;
		KUNIT_ASSERT_EQ(test, walker->ret, 0);
	}
	/* An access is noticed. */
	bench_walker_touch(test, walker);
	bench_damon_young_look(walker);
	KUNIT_ASSERT_EQ(test, bench_damon_count_accesses(walker), walker->nr);
	bench_figure(test, "walk.damon-young", bench_median(&bench, walker->nr), "ns/folio");
}

#else /* !CONFIG_DAMON_PADDR */

static void bench_damon(struct kunit *test, struct bench_walker *walker)
{
	kunit_skip(test, "needs CONFIG_DAMON_PADDR");
}

static void damon_mkold_walks(struct kunit *test)
{
	bench_damon(test, NULL);
}

#define damon_young_walks damon_mkold_walks

#endif /* CONFIG_DAMON_PADDR */
