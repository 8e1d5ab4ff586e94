/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of the test's own process
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_MEMORY_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_MEMORY_H

#include <linux/types.h>

struct kunit;

unsigned long rmap_kunit_mmap(struct kunit *test, unsigned long nr_pages);
unsigned long rmap_kunit_mmap_far(struct kunit *test, unsigned long len);
unsigned long rmap_kunit_mmap_thps(struct kunit *test, unsigned long nr);
unsigned long rmap_kunit_mmap_thp(struct kunit *test);
unsigned long rmap_kunit_mmap_file(struct kunit *test);
unsigned long rmap_kunit_mmap_private_file(struct kunit *test);
void rmap_kunit_mprotect(struct kunit *test, unsigned long addr,
			 unsigned long len, unsigned long prot);
unsigned long rmap_kunit_mmap_hugetlb(struct kunit *test);
unsigned long rmap_kunit_mremap(struct kunit *test, unsigned long addr,
				unsigned long nr_pages);
void rmap_kunit_mlock(struct kunit *test, unsigned long addr, unsigned long len);
void rmap_kunit_write(struct kunit *test, unsigned long addr, u32 value);
int rmap_kunit_touch(unsigned long addr);
u32 rmap_kunit_read(struct kunit *test, unsigned long addr);
void rmap_kunit_zap(struct kunit *test, unsigned long addr, unsigned long len);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_MEMORY_H */
