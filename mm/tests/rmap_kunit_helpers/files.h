/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files of pseudo file systems, and settings
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_FILES_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_FILES_H

struct file;
struct kunit;

struct file *rmap_kunit_open(struct kunit *test, const char *fs,
			     const char *path, int flags);
long rmap_kunit_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
unsigned int rmap_kunit_read_uint(struct kunit *test, struct file *file);
void rmap_kunit_set(struct kunit *test, const char *fs, const char *path,
		    const char *value);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_FILES_H */
