// SPDX-License-Identifier: GPL-2.0-only
/*
 * What UFFDIO_MOVE costs, what else moves pages, and what it takes to walk the
 * reverse map of a folio. Where a nanosecond is an instruction, which is so under
 * QEMU with one CPU and -icount shift=0,sleep=off, the figures repeat on any
 * machine.
 *
 * And, on two CPUs or more, how many pages threads move together, and who waits for
 * whom, with CONFIG_LOCK_STAT.
 *
 * Each figure is a line "figure NAME VALUE UNIT" in the log.
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/ctype.h>
#include <linux/damon.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/page_idle.h>
#include <linux/rmap.h>
#include <linux/sizes.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <uapi/linux/random.h>
#include <uapi/linux/userfaultfd.h>
#include <asm/unistd.h>

#include "../internal.h"
#include "rmap_kunit_helpers.h"

#define BENCH_PAGES	2048
#define BENCH_FOLIOS	1024
#define BENCH_THPS	32

/* The first ones fill slabs and page tables, and do not count. */
#define BENCH_WARM_UP	2
#define BENCH_ROUNDS	5

/**
 * struct bench - Two areas, and what is done between them
 * @src: where the pages are
 * @dst: where they are to be
 * @len: how many bytes that is
 * @page: bytes in a page, which may be a huge one
 * @step: bytes for each call
 * @uffd: the userfaultfd, for calls of that
 * @arg: user address of its arguments
 * @flags: for mremap()
 * @ns: how long each round took
 */
struct bench {
	unsigned long src;
	unsigned long dst;
	unsigned long len;
	unsigned long page;
	unsigned long step;
	struct file *uffd;
	unsigned long arg;
	unsigned long flags;
	u64 ns[BENCH_ROUNDS];
};

static const unsigned long bench_pages_a_call[] = { 1, 16, 512 };

static int bench_compare(const void *a, const void *b)
{
	const u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* A timer interrupt more or less in some of the rounds makes no difference. */
static u64 bench_median(struct bench *bench, unsigned long nr)
{
	sort(bench->ns, BENCH_ROUNDS, sizeof(*bench->ns), bench_compare, NULL);
	return DIV_ROUND_CLOSEST_ULL(bench->ns[BENCH_ROUNDS / 2], nr);
}

static void bench_figure(struct kunit *test, const char *name, u64 value,
			 const char *unit)
{
	kunit_info(test, "figure %s %llu %s", name, value, unit);
}

static void bench_pages_figure(struct kunit *test, const char *what,
			       struct bench *bench)
{
	char name[40];

	snprintf(name, sizeof(name), "%s.%lu", what, bench->step / PAGE_SIZE);
	bench_figure(test, name, bench_median(bench, bench->len / PAGE_SIZE), "ns/page");
}

/* Swap that has room for so many pages. */
static void bench_swapon(struct kunit *test, unsigned long nr)
{
	rmap_kunit_swapon(test);
	if (get_nr_swap_pages() < nr)
		kunit_skip(test, "needs CONFIG_BLK_DEV_RAM_SIZE=%lu, or more",
			   (nr + 1) * PAGE_SIZE / SZ_1K);
}

/* Locks that are looked after cost a multiple. */
static void bench_needs_plain_locks(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_LOCKDEP))
		kunit_skip(test, "of no use with CONFIG_LOCKDEP");
}

/* Whoever counts instructions from outside sees by this when a round begins and ends. */
static noinline u64 bench_clock(void)
{
	return ktime_get_ns();
}

/* One round: make the calls for all of the area. Inlined, and @call with it. */
static __always_inline u64 bench_round(struct kunit *test, const struct bench *bench,
				       long (*call)(const struct bench *bench,
						    unsigned long offset))
{
	unsigned long offset;
	long ret = 0;
	u64 ns;

	ns = bench_clock();
	for (offset = 0; offset < bench->len; offset += bench->step)
		ret |= call(bench, offset);
	ns = bench_clock() - ns;
	KUNIT_ASSERT_EQ(test, ret, 0);
	return ns;
}

static __always_inline void bench_rounds(struct kunit *test, struct bench *bench,
					 long (*call)(const struct bench *bench,
						      unsigned long offset),
					 void (*prepare)(struct kunit *test,
							 struct bench *bench))
{
	int i;

	for (i = -BENCH_WARM_UP; i < BENCH_ROUNDS; i++) {
		u64 ns;

		prepare(test, bench);
		ns = bench_round(test, bench, call);
		if (i >= 0)
			bench->ns[i] = ns;
	}
}

/* Something else for each page. */
static u32 bench_value(unsigned long offset)
{
	return offset / PAGE_SIZE + 1;
}

static void bench_fill(struct kunit *test, struct bench *bench, unsigned long addr)
{
	unsigned long offset;

	for (offset = 0; offset < bench->len; offset += bench->page)
		rmap_kunit_write(test, addr + offset, bench_value(offset));
}

/* An empty area of small pages in place of what is there. */
static void bench_clear(struct kunit *test, unsigned long addr, unsigned long len)
{
	KUNIT_ASSERT_EQ(test, vm_mmap(NULL, addr, len, PROT_READ | PROT_WRITE,
				      MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0),
			addr);
	if (IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		KUNIT_ASSERT_EQ(test, do_madvise(current->mm, addr, len,
						 MADV_NOHUGEPAGE), 0);
}

/*
 * Map the areas. One begins with a page table, the other does not: there is no way
 * to do with moving page tables.
 */
static struct bench *bench_alloc(struct kunit *test, unsigned long nr)
{
	struct bench *bench = kunit_kzalloc(test, sizeof(*bench), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bench);
	bench->len = nr * PAGE_SIZE;
	bench->page = PAGE_SIZE;
	bench->src = rmap_kunit_mmap_far(test, bench->len + PAGE_SIZE) + PAGE_SIZE;
	bench->dst = rmap_kunit_mmap_far(test, bench->len);
	bench_clear(test, bench->src, bench->len);
	bench_clear(test, bench->dst, bench->len);
	bench->arg = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, bench->arg, 0);
	return bench;
}

/* The pages are at @to, with what was in them, and are gone from @from. */
static void bench_expect_pages(struct kunit *test, struct bench *bench,
			       unsigned long to, unsigned long from)
{
	unsigned long offset;

	for (offset = 0; offset < bench->len; offset += bench->page) {
		KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, to + offset),
				bench_value(offset));
		KUNIT_ASSERT_TRUE(test, rmap_kunit_is_hole(test, from + offset));
	}
}

/*
 * UFFDIO_MOVE: there, and back in the next round
 */

static __always_inline long bench_move_call(const struct bench *bench,
					    unsigned long offset)
{
	struct uffdio_move req = {
		.dst = bench->dst + offset,
		.src = bench->src + offset,
		.len = bench->step,
	};

	if (copy_to_user((void __user *)bench->arg, &req, sizeof(req)))
		return -EFAULT;
	return rmap_kunit_ioctl(bench->uffd, UFFDIO_MOVE, bench->arg);
}

static void bench_turn(struct kunit *test, struct bench *bench)
{
	swap(bench->src, bench->dst);
}

/* Have the pages at dst: the first round turns. Nothing is mapped at src then. */
static void bench_move_ready(struct kunit *test, struct bench *bench)
{
	bench->uffd = rmap_kunit_uffd_open(test);
	bench_fill(test, bench, bench->src);
	rmap_kunit_zap(test, bench->src, bench->len);
	bench_fill(test, bench, bench->dst);
}

static void bench_move_register(struct kunit *test, struct bench *bench)
{
	rmap_kunit_uffd_register(test, bench->uffd, bench->src, bench->len);
	rmap_kunit_uffd_register(test, bench->uffd, bench->dst, bench->len);
}

#include "userfaultfd_move_bench/moves.c"
#include "userfaultfd_move_bench/instead.c"
#include "userfaultfd_move_bench/walkers.c"
#include "userfaultfd_move_bench/reclaim.c"
#include "userfaultfd_move_bench/threads.c"
#include "userfaultfd_move_bench/contention.c"

static struct kunit_case userfaultfd_move_bench_test_cases[] = {
	KUNIT_CASE(move_small_pages),
	KUNIT_CASE(move_huge_pages),
	KUNIT_CASE(move_swapped_pages),
	KUNIT_CASE(mremap_pages),
	KUNIT_CASE(mremap_pages_and_keep_the_vma),
	KUNIT_CASE(copy_pages_and_drop_the_old),
	KUNIT_CASE(folio_referenced_walks),
	KUNIT_CASE(page_idle_walks),
	KUNIT_CASE(damon_young_walks),
	KUNIT_CASE(damon_mkold_walks),
	KUNIT_CASE(reclaim_passes),
	KUNIT_CASE(throughput_of_threads),
	KUNIT_CASE(contention_alone),
	KUNIT_CASE(contention_beside_page_idle),
	KUNIT_CASE(contention_beside_damon),
	KUNIT_CASE(contention_of_thps_alone),
	KUNIT_CASE(contention_of_thps_beside_page_idle),
	KUNIT_CASE(contention_of_thps_beside_damon),
	{}
};

static struct kunit_suite userfaultfd_move_bench_test_suite = {
	.name = "userfaultfd_move_bench",
	.suite_init = rmap_kunit_suite_init,
	.test_cases = userfaultfd_move_bench_test_cases,
};

kunit_test_suite(userfaultfd_move_bench_test_suite);
