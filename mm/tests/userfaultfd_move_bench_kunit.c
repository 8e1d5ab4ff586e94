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
#include "rmap_kunit_compat.h"
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

/*
 * What else there is
 */

static __always_inline long bench_mremap_call(const struct bench *bench,
					      unsigned long offset)
{
	unsigned long to = bench->dst + offset;
	long ret;

	ret = rmap_kunit_syscall6(__NR_mremap, bench->src + offset, bench->step,
				  bench->step, bench->flags, to, 0);
	return ret == to ? 0 : -EINVAL;
}

/* What was moved is no VMA of its own any more: have both areas anew. */
static void bench_mremap_prepare(struct kunit *test, struct bench *bench)
{
	bench_clear(test, bench->src, bench->len);
	bench_clear(test, bench->dst, bench->len);
	bench_fill(test, bench, bench->src);
}

static void bench_mremap(struct kunit *test, const char *what, unsigned long flags)
{
	struct bench *bench;
	int i;

	bench_needs_plain_locks(test);
	rmap_kunit_needs_syscalls(test);
	bench = bench_alloc(test, BENCH_PAGES);
	bench->flags = MREMAP_MAYMOVE | MREMAP_FIXED | flags;
	for (i = 0; i < ARRAY_SIZE(bench_pages_a_call); i++) {
		bench->step = bench_pages_a_call[i] * PAGE_SIZE;
		bench_rounds(test, bench, bench_mremap_call, bench_mremap_prepare);
		bench_expect_pages(test, bench, bench->dst, bench->src);
		bench_pages_figure(test, what, bench);
	}
}

static void mremap_pages(struct kunit *test)
{
	bench_mremap(test, "mremap", 0);
}

static void mremap_pages_and_keep_the_vma(struct kunit *test)
{
	bench_mremap(test, "mremap-dontunmap", MREMAP_DONTUNMAP);
}

static __always_inline long bench_copy_call(const struct bench *bench,
					    unsigned long offset)
{
	struct uffdio_copy req = {
		.dst = bench->dst + offset,
		.src = bench->src + offset,
		.len = bench->step,
	};
	long ret;

	if (copy_to_user((void __user *)bench->arg, &req, sizeof(req)))
		return -EFAULT;
	ret = rmap_kunit_ioctl(bench->uffd, UFFDIO_COPY, bench->arg);
	return ret | do_madvise(current->mm, bench->src + offset, bench->step,
				MADV_DONTNEED);
}

static void bench_copy_prepare(struct kunit *test, struct bench *bench)
{
	rmap_kunit_zap(test, bench->dst, bench->len);
	bench_fill(test, bench, bench->src);
}

static void copy_pages_and_drop_the_old(struct kunit *test)
{
	struct bench *bench;
	u64 features = 0;
	int i;

	bench_needs_plain_locks(test);
	bench = bench_alloc(test, BENCH_PAGES);
	bench->uffd = rmap_kunit_uffd_open_any(test, &features);
	bench_fill(test, bench, bench->dst);
	rmap_kunit_uffd_register(test, bench->uffd, bench->dst, bench->len);
	for (i = 0; i < ARRAY_SIZE(bench_pages_a_call); i++) {
		bench->step = bench_pages_a_call[i] * PAGE_SIZE;
		bench_rounds(test, bench, bench_copy_call, bench_copy_prepare);
		bench_expect_pages(test, bench, bench->dst, bench->src);
		bench_pages_figure(test, "copy", bench);
	}
}

/*
 * Walks of the reverse map
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
	unsigned long vm_flags;
	long ret = 0;
	int i;

	for (i = 0; i < walker->nr; i++)
		ret += rmap_kunit_folio_referenced(walker->folios[i], 0, NULL, &vm_flags);
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
				  rmap_kunit_isolate_lru(walker->folios[walker->isolated]));
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

/*
 * Reclaim, of the pages of a memory cgroup, through its memory.reclaim
 */

#if defined(CONFIG_MEMCG) && defined(CONFIG_KRETPROBES) && \
	defined(CONFIG_HAVE_FUNCTION_ARG_ACCESS_API)

#define RECLAIM_PAGES	7680
#define RECLAIM_PASSES	4

/**
 * struct reclaim - Counts the calls of folio_referenced()
 * @probe: sees them
 * @calls: how many there were
 * @unlocked: calls for a folio that the caller has not locked
 * @failed: calls that did without a walk, as they could not lock it either
 */
struct reclaim {
	struct kretprobe probe;
	atomic_t calls;
	atomic_t unlocked;
	atomic_t failed;
};

/* What a call of folio_referenced() was made with. */
struct reclaim_call {
	int is_locked;
	unsigned long *vm_flags;
};

static int reclaim_enter(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct reclaim_call *call = (void *)ri->data;

	call->is_locked = regs_get_kernel_argument(regs, 1);
	call->vm_flags = (unsigned long *)regs_get_kernel_argument(regs, 3);
	return 0;
}

static int reclaim_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct reclaim *reclaim = container_of(get_kretprobe(ri), struct reclaim, probe);
	struct reclaim_call *call = (void *)ri->data;

	atomic_inc(&reclaim->calls);
	if (call->is_locked)
		return 0;
	atomic_inc(&reclaim->unlocked);
	/* A walk that finds a reference has the flags of its VMA. */
	if ((int)regs_return_value(regs) == 1 && !*call->vm_flags)
		atomic_inc(&reclaim->failed);
	return 0;
}

static void reclaim_end(void *data)
{
	struct reclaim *reclaim = data;

	unregister_kretprobe(&reclaim->probe);
}

/* Swap out what was in use a moment ago. Return how many pages went. */
static unsigned long reclaim_pass(struct kunit *test, unsigned long addr,
				  struct file *stat, struct file *file)
{
	unsigned long i, pages = 0;
	char bytes[24], byte;
	loff_t pos = 0;
	ssize_t ret;

	for (i = 0; i < RECLAIM_PAGES; i++) {
		struct folio *folio;

		KUNIT_ASSERT_EQ(test, rmap_kunit_touch(addr + i * PAGE_SIZE), 0);
		folio = rmap_kunit_folio(test, addr + i * PAGE_SIZE);
		folio_mark_accessed(folio);
		folio_mark_accessed(folio);
		rmap_kunit_put_folio(test, folio);
	}
	lru_add_drain_all();
	/* The statistics that reclaim goes by lag behind, unless somebody reads them. */
	KUNIT_ASSERT_EQ(test, kernel_read(stat, &byte, 1, &pos), 1);
	pos = 0;
	snprintf(bytes, sizeof(bytes), "%lu", RECLAIM_PAGES * PAGE_SIZE);
	ret = kernel_write(file, bytes, strlen(bytes), &pos);
	/* A bit less may have gone. */
	if (ret != -EAGAIN)
		KUNIT_ASSERT_EQ(test, ret, strlen(bytes));
	for (i = 0; i < RECLAIM_PAGES; i++)
		pages += rmap_kunit_is_swapped(test, addr + i * PAGE_SIZE);
	return pages;
}

static void reclaim_passes(struct kunit *test)
{
	unsigned long addr, i, pages = 0;
	struct file *stat, *file;
	struct reclaim *reclaim;

	if (IS_ENABLED(CONFIG_LRU_GEN))
		rmap_kunit_set(test, "sysfs", "kernel/mm/lru_gen/enabled", "n");
	bench_swapon(test, RECLAIM_PAGES);
	rmap_kunit_enter_memcg(test);
	addr = rmap_kunit_mmap_far(test, RECLAIM_PAGES * PAGE_SIZE);
	bench_clear(test, addr, RECLAIM_PAGES * PAGE_SIZE);
	for (i = 0; i < RECLAIM_PAGES; i++)
		rmap_kunit_write(test, addr + i * PAGE_SIZE, i);
	stat = rmap_kunit_open(test, "cgroup2", "rmap_kunit/memory.stat", O_RDONLY);
	file = rmap_kunit_open(test, "cgroup2", "rmap_kunit/memory.reclaim", O_WRONLY);

	reclaim = kunit_kzalloc(test, sizeof(*reclaim), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, reclaim);
	reclaim->probe.kp.symbol_name = "folio_referenced";
	reclaim->probe.entry_handler = reclaim_enter;
	reclaim->probe.handler = reclaim_return;
	reclaim->probe.data_size = sizeof(struct reclaim_call);
	KUNIT_ASSERT_EQ(test, register_kretprobe(&reclaim->probe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, reclaim_end, reclaim), 0);
	for (i = 0; i < RECLAIM_PASSES; i++)
		pages += reclaim_pass(test, addr, stat, file);
	kunit_release_action(test, reclaim_end, reclaim);

	KUNIT_ASSERT_EQ(test, reclaim->probe.nmissed, 0);
	KUNIT_ASSERT_GT(test, pages, RECLAIM_PASSES * RECLAIM_PAGES / 2);
	KUNIT_ASSERT_GT(test, atomic_read(&reclaim->unlocked), 0);
	for (i = 0; i < RECLAIM_PAGES; i++) {
		KUNIT_ASSERT_EQ(test, rmap_kunit_touch(addr + i * PAGE_SIZE), 0);
		KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, addr + i * PAGE_SIZE), i);
	}
	bench_figure(test, "reclaim.pages", pages, "count");
	bench_figure(test, "reclaim.calls", atomic_read(&reclaim->calls), "count");
	bench_figure(test, "reclaim.unlocked-calls", atomic_read(&reclaim->unlocked), "count");
	bench_figure(test, "reclaim.trylock-failed", atomic_read(&reclaim->failed), "count");
}

#else

static void reclaim_passes(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_MEMCG, and KRETPROBES that give access to arguments");
}

#endif

/*
 * Threads that move distinct pages of one VMA
 */

#define MOVERS			8
#define MOVERS_PAGES		2048
#define MOVERS_PATIENCE		20

/**
 * struct mover - A thread that moves pages
 * @movers: the threads that it is one of
 * @thread: the thread
 * @bench: what it moves
 * @ret: what came of that
 * @begun: when it began, in ns
 * @ended: when it was done
 * @longest: the call that took longest, in ns
 */
struct mover {
	struct movers *movers;
	struct rmap_kunit_thread *thread;
	struct bench bench;
	long ret;
	u64 begun;
	u64 ended;
	u64 longest;
};

/**
 * struct movers - Threads that move pages
 * @nr: the number of threads
 * @ready: how many of them are
 * @args: user address of a page for each
 * @movers: the threads
 */
struct movers {
	int nr;
	atomic_t ready;
	unsigned long args;
	struct mover movers[MOVERS];
};

static void mover_run(void *data)
{
	unsigned long end = jiffies + HZ;
	struct mover *mover = data;
	struct bench *bench = &mover->bench;
	unsigned long offset;

	atomic_inc(&mover->movers->ready);
	while (atomic_read(&mover->movers->ready) < mover->movers->nr &&
	       time_before(jiffies, end))
		cond_resched();
	mover->begun = ktime_get_ns();
	mover->ended = mover->begun;
	for (offset = 0; offset < bench->len; offset += bench->step) {
		u64 ns = mover->ended;

		mover->ret |= bench_move_call(bench, offset);
		mover->ended = ktime_get_ns();
		mover->longest = max(mover->longest, mover->ended - ns);
	}
}

static struct movers *movers_alloc(struct kunit *test)
{
	struct movers *movers = kunit_kzalloc(test, sizeof(*movers), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, movers);
	movers->args = rmap_kunit_mmap(test, MOVERS);
	for (i = 0; i < MOVERS; i++)
		rmap_kunit_write(test, movers->args + i * PAGE_SIZE, 0);
	return movers;
}

/* Divide an area among @nr threads. */
static void movers_create(struct kunit *test, struct movers *movers,
			  const struct bench *bench, int nr)
{
	int i;

	movers->nr = nr;
	atomic_set(&movers->ready, 0);
	for (i = 0; i < nr; i++) {
		struct mover *mover = &movers->movers[i];

		*mover = (struct mover) { .movers = movers, .bench = *bench };
		mover->bench.len = bench->len / nr;
		mover->bench.src += i * mover->bench.len;
		mover->bench.dst += i * mover->bench.len;
		mover->bench.arg = movers->args + i * PAGE_SIZE;
		mover->thread = rmap_kunit_thread_create(test, mover_run, mover);
	}
}

static void movers_start(struct movers *movers)
{
	int i;

	for (i = 0; i < movers->nr; i++)
		rmap_kunit_thread_start(movers->movers[i].thread);
}

/*
 * Tell whether all have come to an end. A host with other things to do takes its time
 * for each flush of another CPU's TLB.
 */
static bool movers_wait(struct kunit *test, struct movers *movers)
{
	int i, tries = MOVERS_PATIENCE;
	bool ended = true;

	for (i = 0; i < movers->nr && ended; i++) {
		do
			ended = rmap_kunit_thread_wait(movers->movers[i].thread);
		while (!ended && tries-- > 0);
		KUNIT_EXPECT_TRUE(test, ended);
		KUNIT_EXPECT_EQ(test, movers->movers[i].ret, 0);
	}
	return ended;
}

/* How long all of them took together, in ns. */
static u64 movers_time(struct movers *movers)
{
	u64 begun = U64_MAX, ended = 0;
	int i;

	for (i = 0; i < movers->nr; i++) {
		begun = min(begun, movers->movers[i].begun);
		ended = max(ended, movers->movers[i].ended);
	}
	return ended - begun;
}

/* How many pages threads move together: locks and flushes of other TLBs are in the way. */
static void throughput_of_threads(struct kunit *test)
{
	struct movers *movers;
	struct bench *bench;
	char name[40];
	int nr, i;

	bench_needs_plain_locks(test);
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	bench = bench_alloc(test, MOVERS_PAGES);
	bench->step = bench->page;
	bench_move_ready(test, bench);
	bench_move_register(test, bench);
	movers = movers_alloc(test);
	for (nr = 1; nr <= min_t(int, MOVERS, num_online_cpus()); nr *= 2) {
		for (i = -BENCH_WARM_UP; i < BENCH_ROUNDS; i++) {
			bench_turn(test, bench);
			movers_create(test, movers, bench, nr);
			movers_start(movers);
			if (!movers_wait(test, movers))
				return;
			if (i >= 0)
				bench->ns[i] = movers_time(movers);
		}
		bench_expect_pages(test, bench, bench->dst, bench->src);
		snprintf(name, sizeof(name), "throughput.%d", nr);
		bench_figure(test, name,
			     div64_u64((u64)MOVERS_PAGES * NSEC_PER_SEC,
				       bench_median(bench, 1)), "pages/s");
	}
}

/*
 * What such threads do to the anon_vma's rwsem is in /proc/lock_stat.
 */

#ifdef CONFIG_LOCK_STAT

#define CONTENTION_THPS		64
#define CONTENTION_TEXT		SZ_1M
#define CONTENTION_LOCK		"&anon_vma->rwsem"

/**
 * struct contention - The statistics of a lock
 * @text: what was read
 * @buffer: user address of a buffer to read into
 * @acquisitions: how often anon_vma rwsems were taken for writing
 * @contentions: how often one had to be waited for, for reading too
 * @wait: for how long in all, in ns
 */
struct contention {
	char *text;
	unsigned long buffer;
	u64 acquisitions;
	u64 contentions;
	u64 wait;
};

static void bench_walker_run(void *data)
{
	struct bench_walker *walker = data;

	while (!READ_ONCE(walker->stop)) {
		walker->look(walker);
		walker->looks++;
		cond_resched();
	}
}

/* Read the statistics, into which a line of a lock for reading or writing goes. */
static void contention_read(struct kunit *test, struct contention *contention)
{
	struct file *file = rmap_kunit_open(test, "proc", "lock_stat", O_RDWR);
	char *line = contention->text;
	size_t size = 0;
	loff_t pos = 0;
	ssize_t ret;

	/* It is for user space only. */
	while ((ret = vfs_read(file, (char __user *)contention->buffer, PAGE_SIZE,
			       &pos)) > 0) {
		KUNIT_ASSERT_LT(test, size + ret, CONTENTION_TEXT);
		KUNIT_ASSERT_EQ(test, copy_from_user(contention->text + size,
						     (void __user *)contention->buffer,
						     ret), 0);
		size += ret;
	}
	KUNIT_ASSERT_EQ(test, ret, 0);
	contention->text[size] = '\0';
	contention->acquisitions = 0;
	contention->contentions = 0;
	contention->wait = 0;
	while ((line = strstr(line, CONTENTION_LOCK))) {
		u64 contentions, us, hundredths, acquisitions;
		bool read;

		line += strlen(CONTENTION_LOCK);
		/* #2 is another class of that name, /1 a subclass. */
		while (*line == '#' || *line == '/' || isdigit(*line))
			line++;
		read = !strncmp(line, "-R:", 3);
		if (!read && strncmp(line, "-W:", 3) && *line != ':')
			continue;
		line = strchr(line, ':') + 1;
		KUNIT_ASSERT_EQ_MSG(test,
				    sscanf(line, " %*s %llu %*s %*s %llu.%llu %*s %*s %llu",
					   &contentions, &us, &hundredths, &acquisitions),
				    4, "%.80s", line);
		contention->contentions += contentions;
		contention->wait += us * 1000 + hundredths * 10;
		if (!read)
			contention->acquisitions += acquisitions;
	}
}

static void contention_reset(struct kunit *test, struct contention *contention)
{
	struct file *file = rmap_kunit_open(test, "proc", "lock_stat", O_RDWR);
	loff_t pos = 0;

	KUNIT_ASSERT_EQ(test, put_user('0', (char __user *)contention->buffer), 0);
	KUNIT_ASSERT_EQ(test, vfs_write(file, (char __user *)contention->buffer, 1, &pos), 1);
}

/* That the statistics show one acquisition goes for each figure that is zero. */
static struct contention *contention_alloc(struct kunit *test, struct bench *bench)
{
	struct anon_vma *anon_vma = rmap_kunit_anon_vma(test, bench->src);
	struct contention *contention;

	contention = kunit_kzalloc(test, sizeof(*contention), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, contention);
	contention->text = kunit_kzalloc(test, CONTENTION_TEXT, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, contention->text);
	contention->buffer = rmap_kunit_mmap(test, 1);
	contention_reset(test, contention);
	anon_vma_lock_write(anon_vma);
	anon_vma_unlock_write(anon_vma);
	contention_read(test, contention);
	KUNIT_ASSERT_EQ(test, contention->acquisitions, 1);
	return contention;
}

static void contention_figure(struct kunit *test, const char *what, int nr,
			      const char *kind, u64 value, const char *unit)
{
	char name[64];

	snprintf(name, sizeof(name), "contention.%s.%d.%s", what, nr, kind);
	bench_figure(test, name, value, unit);
}

/* Move all of an area with @nr threads, and beside a walker if there is one. */
static void contention_run(struct kunit *test, struct bench *bench,
			   struct bench_walker *walker, const char *what, int nr)
{
	struct contention *contention = contention_alloc(test, bench);
	struct movers *movers = movers_alloc(test);
	struct rmap_kunit_thread *beside = NULL;
	u64 longest = 0;
	int i;

	movers_create(test, movers, bench, nr);
	if (walker) {
		walker->stop = false;
		walker->looks = 0;
		beside = rmap_kunit_thread_create(test, bench_walker_run, walker);
	}

	contention_reset(test, contention);
	if (beside)
		rmap_kunit_thread_start(beside);
	movers_start(movers);
	movers_wait(test, movers);
	if (beside) {
		WRITE_ONCE(walker->stop, true);
		KUNIT_EXPECT_TRUE(test, rmap_kunit_thread_wait(beside));
		KUNIT_EXPECT_GT(test, walker->looks, 0);
	}
	contention_read(test, contention);

	for (i = 0; i < nr; i++)
		longest = max(longest, movers->movers[i].longest);
	bench_expect_pages(test, bench, bench->dst, bench->src);
	contention_figure(test, what, nr, "acquisitions", contention->acquisitions, "count");
	contention_figure(test, what, nr, "contentions", contention->contentions, "count");
	contention_figure(test, what, nr, "wait", contention->wait, "ns");
	contention_figure(test, what, nr, "longest", longest, "ns");
}

/* @look_by says who looks at the folios meanwhile, nobody if it is %NULL. */
static void contention_test(struct kunit *test, bool thps, const char *what,
			    void (*look_by)(struct kunit *test,
					    struct bench_walker *walker))
{
	struct bench_walker *walker = NULL;
	struct bench *bench;
	int nr;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	bench = thps ? bench_alloc_thps(test, CONTENTION_THPS) :
		       bench_alloc(test, MOVERS_PAGES);
	bench->step = bench->page;
	bench_move_ready(test, bench);
	if (thps)
		bench_expect_thps(test, bench, bench->dst);
	if (look_by) {
		walker = bench_walker_alloc(test, bench->dst, bench->page,
					    bench->len / bench->page);
		look_by(test, walker);
	}
	bench_move_register(test, bench);
	for (nr = 2; nr <= MOVERS; nr *= 2) {
		bench_turn(test, bench);
		contention_run(test, bench, walker, what, nr);
	}
	if (thps)
		bench_expect_thps(test, bench, bench->dst);
}

static void contention_alone(struct kunit *test)
{
	contention_test(test, false, "alone", NULL);
}

static void contention_beside_page_idle(struct kunit *test)
{
	contention_test(test, false, "page-idle", bench_page_idle);
}

static void contention_beside_damon(struct kunit *test)
{
	contention_test(test, false, "damon", bench_damon);
}

static void contention_of_thps_alone(struct kunit *test)
{
	contention_test(test, true, "alone.thp", NULL);
}

static void contention_of_thps_beside_page_idle(struct kunit *test)
{
	contention_test(test, true, "page-idle.thp", bench_page_idle);
}

static void contention_of_thps_beside_damon(struct kunit *test)
{
	contention_test(test, true, "damon.thp", bench_damon);
}

#else /* !CONFIG_LOCK_STAT */

static void contention_alone(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_LOCK_STAT");
}

#define contention_beside_page_idle		contention_alone
#define contention_beside_damon			contention_alone
#define contention_of_thps_alone		contention_alone
#define contention_of_thps_beside_page_idle	contention_alone
#define contention_of_thps_beside_damon		contention_alone

#endif /* CONFIG_LOCK_STAT */

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
