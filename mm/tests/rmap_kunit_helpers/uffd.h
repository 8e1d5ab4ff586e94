/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The real userfaultfd
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_UFFD_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_UFFD_H

#include <linux/types.h>

struct file;
struct kunit;

long rmap_kunit_uffd_ioctl(struct kunit *test, struct file *uffd,
			   unsigned int cmd, void *arg, size_t size);
struct file *rmap_kunit_uffd_open_any(struct kunit *test, u64 *features);
struct file *rmap_kunit_uffd_open_with(struct kunit *test, u64 features);
struct file *rmap_kunit_uffd_open(struct kunit *test);
u64 rmap_kunit_uffd_register_for(struct kunit *test, struct file *uffd,
				 unsigned long addr, unsigned long len, u64 mode);
void rmap_kunit_uffd_register(struct kunit *test, struct file *uffd,
			      unsigned long addr, unsigned long len);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_UFFD_H */
