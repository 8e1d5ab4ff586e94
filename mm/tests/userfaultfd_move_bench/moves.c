// SPDX-License-Identifier: GPL-2.0-only
/*
 * What UFFDIO_MOVE costs: small pages, swapped-out ones, huge ones
 */

static void bench_move_rounds(struct kunit *test, struct bench *bench)
{
	bench_rounds(test, bench, bench_move_call, bench_turn);
}

static void move_small_pages(struct kunit *test)
{
	struct bench *bench;
	int i;

	bench_needs_plain_locks(test);
	bench = bench_alloc(test, BENCH_PAGES);
	bench_move_ready(test, bench);
	bench_move_register(test, bench);
	for (i = 0; i < ARRAY_SIZE(bench_pages_a_call); i++) {
		bench->step = bench_pages_a_call[i] * PAGE_SIZE;
		bench_move_rounds(test, bench);
		bench_expect_pages(test, bench, bench->dst, bench->src);
		bench_pages_figure(test, "move", bench);
	}
}

static void bench_expect_swapped(struct kunit *test, struct bench *bench,
				 unsigned long addr)
{
	unsigned long offset;

	for (offset = 0; offset < bench->len; offset += PAGE_SIZE)
		KUNIT_ASSERT_TRUE(test, rmap_kunit_is_swapped(test, addr + offset));
}

/* The number of pages in an area that are in memory, be it in the swap cache. */
static unsigned long bench_count_resident(struct kunit *test, unsigned long addr,
					  unsigned long len)
{
	unsigned long vec = rmap_kunit_mmap(test, len / PAGE_SIZE / PAGE_SIZE + 1);
	unsigned long i, nr = 0;
	u8 resident;

	rmap_kunit_needs_syscalls(test);
	KUNIT_ASSERT_EQ(test, rmap_kunit_syscall6(__NR_mincore, addr, len, vec, 0, 0, 0),
			0);
	for (i = 0; i < len / PAGE_SIZE; i++) {
		KUNIT_ASSERT_EQ(test, get_user(resident, (u8 __user *)(vec + i)), 0);
		nr += resident & 1;
	}
	return nr;
}

static void move_swapped_pages(struct kunit *test)
{
	struct bench *bench;
	unsigned long offset;
	int i;

	bench_needs_plain_locks(test);
	bench = bench_alloc(test, BENCH_PAGES);
	bench_move_ready(test, bench);
	bench_swapon(test, BENCH_PAGES);
	lru_add_drain_all();
	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, bench->dst, bench->len,
					 MADV_PAGEOUT), 0);
	bench_expect_swapped(test, bench, bench->dst);
	KUNIT_ASSERT_EQ(test, bench_count_resident(test, bench->dst, bench->len), 0);
	bench_move_register(test, bench);
	for (i = 0; i < ARRAY_SIZE(bench_pages_a_call); i++) {
		bench->step = bench_pages_a_call[i] * PAGE_SIZE;
		bench_move_rounds(test, bench);
		bench_expect_swapped(test, bench, bench->dst);
		bench_pages_figure(test, "move.swapped", bench);
	}
	for (offset = 0; offset < bench->len; offset += PAGE_SIZE)
		KUNIT_ASSERT_EQ(test, rmap_kunit_touch(bench->dst + offset), 0);
	bench_expect_pages(test, bench, bench->dst, bench->src);
}

/* Two areas for huge pages. */
static struct bench *bench_alloc_thps(struct kunit *test, unsigned long nr)
{
	struct bench *bench = kunit_kzalloc(test, sizeof(*bench), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bench);
	bench->len = nr * PMD_SIZE;
	bench->page = PMD_SIZE;
	bench->src = rmap_kunit_mmap_thps(test, nr);
	bench->dst = rmap_kunit_mmap_thps(test, nr);
	bench->arg = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, bench->arg, 0);
	return bench;
}

static void bench_expect_thps(struct kunit *test, struct bench *bench,
			      unsigned long addr)
{
	unsigned long offset;

	for (offset = 0; offset < bench->len; offset += PMD_SIZE)
		KUNIT_ASSERT_TRUE(test, pmd_leaf(rmap_kunit_entry(test, addr + offset).pmd));
}

static void move_huge_pages(struct kunit *test)
{
	struct bench *bench;

	bench_needs_plain_locks(test);
	bench = bench_alloc_thps(test, BENCH_THPS);
	bench_move_ready(test, bench);
	bench_move_register(test, bench);
	bench_expect_thps(test, bench, bench->dst);
	bench->step = PMD_SIZE;
	bench_move_rounds(test, bench);
	bench_expect_thps(test, bench, bench->dst);
	bench_expect_pages(test, bench, bench->dst, bench->src);
	bench_figure(test, "move.thp", bench_median(bench, BENCH_THPS), "ns/folio");
}
