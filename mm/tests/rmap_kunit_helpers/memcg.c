// SPDX-License-Identifier: GPL-2.0-only
/*
 * A memory cgroup of the test's own
 */
#include <kunit/resource.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/memcontrol.h>
#include <linux/string.h>
#include <asm/unistd.h>

#include "../../internal.h"
#include "../rmap_kunit_helpers.h"
#include "internal.h"

#define RMAP_KUNIT_CGROUP	"rmap_kunit"

/**
 * struct rmap_kunit_cgroup - A cgroup of the test's own
 * @control: what says which controllers the root's children have
 * @enabled: whether the memory controller was not one of them
 * @root: user address of the path where cgroup2 is mounted
 * @path: user address of the cgroup's path
 * @mounted: whether cgroup2 is mounted
 * @end: removes all that; it works in the test's mm, as the paths are there
 * @ret: what removing the cgroup came to
 */
struct rmap_kunit_cgroup {
	struct file *control;
	bool enabled;
	unsigned long root;
	unsigned long path;
	bool mounted;
	struct rmap_kunit_thread *end;
	long ret;
};

static void rmap_kunit_rmdir_cgroup(void *data)
{
	unsigned long end = jiffies + msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS) / 2;
	struct rmap_kunit_cgroup *cgroup = data;

	if (cgroup->mounted) {
		/* Busy until the test's own thread is gone for good. */
		do {
			schedule_timeout_uninterruptible(1);
			cgroup->ret = rmap_kunit_syscall(__NR_unlinkat, AT_FDCWD,
							 cgroup->path,
							 AT_REMOVEDIR, 0);
		} while (cgroup->ret == -EBUSY && time_before(jiffies, end));
		rmap_kunit_syscall(__NR_umount2, cgroup->root, 0, 0, 0);
	}
	rmap_kunit_syscall(__NR_unlinkat, AT_FDCWD, cgroup->root, AT_REMOVEDIR, 0);
}

static void rmap_kunit_cgroup_end(void *data)
{
	struct kunit *test = kunit_get_current_test();
	struct rmap_kunit_cgroup *cgroup = data;
	loff_t pos = 0;

	rmap_kunit_thread_start(cgroup->end);
	if (!rmap_kunit_thread_wait(cgroup->end))
		KUNIT_FAIL_AND_ABORT(test, "the cgroup cannot be removed");
	KUNIT_EXPECT_EQ(test, cgroup->ret, 0);
	if (cgroup->enabled)
		KUNIT_EXPECT_EQ(test, kernel_write(cgroup->control, "-memory", 7, &pos), 7);
}

static void rmap_kunit_join_cgroup(struct kunit *test, const char *procs)
{
	struct file *file = rmap_kunit_open(test, "cgroup2", procs, O_WRONLY);
	loff_t pos = 0;

	KUNIT_ASSERT_EQ_MSG(test, kernel_write(file, "0", 1, &pos), 1, "%s", procs);
}

/**
 * rmap_kunit_enter_memcg() - Put the test into a memory cgroup of its own
 * @test: the test; what its mm faults in is charged there from now on
 *
 * The cgroup is "rmap_kunit", under the root of cgroup2.
 *
 * Return: the memory cgroup, which lives until the test ends.
 */
struct mem_cgroup *rmap_kunit_enter_memcg(struct kunit *test)
{
	struct rmap_kunit_cgroup *cgroup;
	struct mem_cgroup *memcg;
	char there[128] = "";
	loff_t pos = 0;
	long ret;

	rmap_kunit_needs_syscalls(test);
	cgroup = kunit_kzalloc(test, sizeof(*cgroup), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cgroup);
	/* Closed and unmounted after the cgroup is removed, so opened before. */
	cgroup->control = rmap_kunit_open(test, "cgroup2", "cgroup.subtree_control", O_RDWR);
	cgroup->root = rmap_kunit_string(test, "/" RMAP_KUNIT_CGROUP);
	cgroup->path = rmap_kunit_string(test, "/" RMAP_KUNIT_CGROUP "/" RMAP_KUNIT_CGROUP);
	cgroup->end = rmap_kunit_thread_create(test, rmap_kunit_rmdir_cgroup, cgroup);
	ret = rmap_kunit_syscall(__NR_mkdirat, AT_FDCWD, cgroup->root, 0755, 0);
	if (ret == -EROFS) {
		cgroup->root = rmap_kunit_string(test, "/dev/" RMAP_KUNIT_CGROUP);
		cgroup->path = rmap_kunit_string(test, "/dev/" RMAP_KUNIT_CGROUP "/"
						 RMAP_KUNIT_CGROUP);
		ret = rmap_kunit_syscall(__NR_mkdirat, AT_FDCWD, cgroup->root, 0755, 0);
	}
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_cgroup_end,
							cgroup), 0);
	KUNIT_ASSERT_EQ(test, rmap_kunit_syscall(__NR_mount, cgroup->root, cgroup->root,
						 rmap_kunit_string(test, "cgroup2"),
						 0), 0);
	cgroup->mounted = true;
	KUNIT_ASSERT_GE(test, kernel_read(cgroup->control, there, sizeof(there) - 1, &pos), 0);
	if (!strstr(there, "memory")) {
		pos = 0;
		if (kernel_write(cgroup->control, "+memory", 7, &pos) != 7)
			kunit_skip(test, "cgroup2 does not have the memory controller");
		cgroup->enabled = true;
	}
	KUNIT_ASSERT_EQ(test, rmap_kunit_syscall(__NR_mkdirat, AT_FDCWD, cgroup->path,
						 0755, 0), 0);
	rmap_kunit_join_cgroup(test, RMAP_KUNIT_CGROUP "/cgroup.procs");
	rcu_read_lock();
	memcg = mem_cgroup_from_task(current);
	rcu_read_unlock();
	KUNIT_ASSERT_PTR_NE(test, memcg, root_mem_cgroup);
	return memcg;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_enter_memcg);

/**
 * rmap_kunit_leave_memcg() - Put the test back into the root cgroup
 * @test: the test
 *
 * Its children stay where they are.
 */
void rmap_kunit_leave_memcg(struct kunit *test)
{
	rmap_kunit_join_cgroup(test, "cgroup.procs");
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_leave_memcg);
