/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the helpers share among themselves. Tests use rmap_kunit_helpers.h.
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_INTERNAL_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_INTERNAL_H

#include <kunit/visibility.h>
#include <linux/types.h>

struct kunit;
struct task_struct;

/* No healthy kernel needs this long for anything that a test waits for. */
#define RMAP_KUNIT_TIMEOUT_MS	5000

long rmap_kunit_syscall(unsigned int nr, unsigned long a, unsigned long b,
			unsigned long c, unsigned long d);
bool rmap_kunit_failed(void);
unsigned long rmap_kunit_string(struct kunit *test, const char *string);
void rmap_kunit_fput(void *file);
bool rmap_kunit_task_wait(struct task_struct *task);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_INTERNAL_H */
