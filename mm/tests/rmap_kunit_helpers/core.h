/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a suite is held to, and what a test needs of the kernel
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_CORE_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_CORE_H

#include <linux/types.h>

struct kunit;
struct kunit_suite;

/**
 * enum rmap_kunit_contract - What keeps folio->mapping still during an rmap walk
 * @RMAP_KUNIT_LOCKED: The folio lock. Every walk holds it, and so does whoever
 *	moves the folio.
 * @RMAP_KUNIT_REVALIDATE: The rwsem of the anon_vma's root. Whoever moves the
 *	folio holds it for writing, and a walk looks at folio->mapping again
 *	after it got the rwsem.
 */
enum rmap_kunit_contract {
	RMAP_KUNIT_LOCKED,
	RMAP_KUNIT_REVALIDATE,
};

int rmap_kunit_suite_init(struct kunit_suite *suite);
bool rmap_kunit_has_contract(enum rmap_kunit_contract contract);
void rmap_kunit_needs_contract(struct kunit *test,
			       enum rmap_kunit_contract needed);
void rmap_kunit_needs_syscalls(struct kunit *test);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_CORE_H */
