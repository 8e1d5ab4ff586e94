/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A memory cgroup of the test's own
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_MEMCG_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_MEMCG_H

struct kunit;
struct mem_cgroup;

struct mem_cgroup *rmap_kunit_enter_memcg(struct kunit *test);
void rmap_kunit_leave_memcg(struct kunit *test);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_MEMCG_H */
