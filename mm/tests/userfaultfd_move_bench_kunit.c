// SPDX-License-Identifier: GPL-2.0-only
/*
 * What UFFDIO_MOVE costs. Where a nanosecond is an instruction, which is so under
 * QEMU with -icount shift=0,sleep=off, the figures repeat on any machine.
 */
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <uapi/linux/userfaultfd.h>

#include "rmap_kunit_compat.h"
#include "rmap_kunit_helpers.h"

#define BENCH_PAGES	4096

/* Move an area with @nr pages a call, and say what a page costs. */
static void bench_move(struct kunit *test, unsigned long nr)
{
	unsigned long src = rmap_kunit_mmap(test, BENCH_PAGES);
	unsigned long dst = rmap_kunit_mmap(test, BENCH_PAGES);
	unsigned long arg = rmap_kunit_mmap(test, 1);
	struct file *uffd = rmap_kunit_uffd_open(test);
	unsigned long offset, len = nr * PAGE_SIZE;
	long ret = 0;
	u64 ns;

	/* Small pages, an anon_vma at the destination, and nothing mapped there. */
	if (IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		KUNIT_ASSERT_EQ(test, do_madvise(current->mm, src,
						 BENCH_PAGES * PAGE_SIZE,
						 MADV_NOHUGEPAGE), 0);
	for (offset = 0; offset < BENCH_PAGES * PAGE_SIZE; offset += PAGE_SIZE)
		rmap_kunit_write(test, src + offset, offset);
	rmap_kunit_write(test, arg, 0);
	rmap_kunit_write(test, dst, 0);
	rmap_kunit_zap(test, dst, BENCH_PAGES * PAGE_SIZE);
	rmap_kunit_uffd_register(test, uffd, dst, BENCH_PAGES * PAGE_SIZE);

	ns = ktime_get_ns();
	for (offset = 0; offset < BENCH_PAGES * PAGE_SIZE; offset += len) {
		struct uffdio_move req = {
			.dst = dst + offset,
			.src = src + offset,
			.len = len,
		};

		if (copy_to_user((void __user *)arg, &req, sizeof(req)))
			ret = -EFAULT;
		ret |= rmap_kunit_ioctl(uffd, UFFDIO_MOVE, arg);
	}
	ns = ktime_get_ns() - ns;

	KUNIT_ASSERT_EQ(test, ret, 0);
	for (offset = 0; offset < BENCH_PAGES * PAGE_SIZE; offset += PAGE_SIZE)
		KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, dst + offset), offset);
	kunit_info(test, "figure move.%lu %llu ns/page", nr,
		   DIV_ROUND_CLOSEST_ULL(ns, BENCH_PAGES));
}

static void move_1_page_a_call(struct kunit *test)
{
	bench_move(test, 1);
}

static void move_16_pages_a_call(struct kunit *test)
{
	bench_move(test, 16);
}

static void move_512_pages_a_call(struct kunit *test)
{
	bench_move(test, 512);
}

static struct kunit_case userfaultfd_move_bench_test_cases[] = {
	KUNIT_CASE(move_1_page_a_call),
	KUNIT_CASE(move_16_pages_a_call),
	KUNIT_CASE(move_512_pages_a_call),
	{}
};

static struct kunit_suite userfaultfd_move_bench_test_suite = {
	.name = "userfaultfd_move_bench",
	.suite_init = rmap_kunit_suite_init,
	.test_cases = userfaultfd_move_bench_test_cases,
};

kunit_test_suite(userfaultfd_move_bench_test_suite);
