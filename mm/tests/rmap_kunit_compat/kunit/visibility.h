/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For kernels that have no such header
 */
#ifndef _MM_TESTS_RMAP_KUNIT_COMPAT_VISIBILITY_H
#define _MM_TESTS_RMAP_KUNIT_COMPAT_VISIBILITY_H

#include <linux/export.h>

/* For modules that import that namespace */
#define EXPORT_SYMBOL_IF_KUNIT(symbol) EXPORT_SYMBOL_NS(symbol, EXPORTED_FOR_KUNIT_TESTING)

#endif /* _MM_TESTS_RMAP_KUNIT_COMPAT_VISIBILITY_H */
