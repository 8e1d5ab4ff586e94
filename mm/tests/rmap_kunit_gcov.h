/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MM_TESTS_RMAP_KUNIT_GCOV_H
#define _MM_TESTS_RMAP_KUNIT_GCOV_H

/* Of libgcov, which has no header that the kernel could include. */
void __gcov_dump(void);

#endif /* _MM_TESTS_RMAP_KUNIT_GCOV_H */
