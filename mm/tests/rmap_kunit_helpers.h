/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers of the KUnit suites about the reverse map of anonymous folios.
 *
 * Whatever a helper hands out is released with the test, also when an assertion
 * ends it. If the kernel under test leaves a thread stuck or a lock held, what
 * that may concern is leaked instead, and the test has failed. Nothing here waits
 * without a bound.
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_H

#include "rmap_kunit_helpers/builtin.h"
#include "rmap_kunit_helpers/core.h"
#include "rmap_kunit_helpers/damon.h"
#include "rmap_kunit_helpers/entry.h"
#include "rmap_kunit_helpers/files.h"
#include "rmap_kunit_helpers/folio.h"
#include "rmap_kunit_helpers/ksm.h"
#include "rmap_kunit_helpers/memcg.h"
#include "rmap_kunit_helpers/memory.h"
#include "rmap_kunit_helpers/process.h"
#include "rmap_kunit_helpers/swap.h"
#include "rmap_kunit_helpers/thread.h"
#include "rmap_kunit_helpers/uffd.h"
#include "rmap_kunit_helpers/watch.h"

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_H */
