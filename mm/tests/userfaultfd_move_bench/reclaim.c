// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often a reclaim, of the pages of a memory cgroup, through its memory.reclaim,
 * finds a folio locked
 */

#if defined(CONFIG_MEMCG) && defined(CONFIG_KRETPROBES) && \
	defined(CONFIG_HAVE_FUNCTION_ARG_ACCESS_API)

#define RECLAIM_PAGES	7680
#define RECLAIM_PASSES	4

/**
 * struct reclaim - Counts the calls of folio_referenced()
 * @probe: sees them
 * @calls: how many there were
 * @unlocked: calls for a folio that the caller has not locked
 * @failed: calls that did without a walk, as they could not lock it either
 */
struct reclaim {
	struct kretprobe probe;
	atomic_t calls;
	atomic_t unlocked;
	atomic_t failed;
};

/* What a call of folio_referenced() was made with. */
struct reclaim_call {
	int is_locked;
	unsigned long *vm_flags;
};

static int reclaim_enter(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct reclaim_call *call = (void *)ri->data;

	call->is_locked = regs_get_kernel_argument(regs, 1);
	call->vm_flags = (unsigned long *)regs_get_kernel_argument(regs, 3);
	return 0;
}

static int reclaim_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct reclaim *reclaim = container_of(get_kretprobe(ri), struct reclaim, probe);
	struct reclaim_call *call = (void *)ri->data;

	atomic_inc(&reclaim->calls);
	if (call->is_locked)
		return 0;
	atomic_inc(&reclaim->unlocked);
	/* A walk that finds a reference has the flags of its VMA. */
	if ((int)regs_return_value(regs) == 1 && !*call->vm_flags)
		atomic_inc(&reclaim->failed);
	return 0;
}

static void reclaim_end(void *data)
{
	struct reclaim *reclaim = data;

	unregister_kretprobe(&reclaim->probe);
}

/* Swap out what was in use a moment ago. Return how many pages went. */
static unsigned long reclaim_pass(struct kunit *test, unsigned long addr,
				  struct file *stat, struct file *file)
{
	unsigned long i, pages = 0;
	char bytes[24], byte;
	loff_t pos = 0;
	ssize_t ret;

	for (i = 0; i < RECLAIM_PAGES; i++) {
		struct folio *folio;

		KUNIT_ASSERT_EQ(test, rmap_kunit_touch(addr + i * PAGE_SIZE), 0);
		folio = rmap_kunit_folio(test, addr + i * PAGE_SIZE);
		folio_mark_accessed(folio);
		folio_mark_accessed(folio);
		rmap_kunit_put_folio(test, folio);
	}
	lru_add_drain_all();
	/* The statistics that reclaim goes by lag behind, unless somebody reads them. */
	KUNIT_ASSERT_EQ(test, kernel_read(stat, &byte, 1, &pos), 1);
	pos = 0;
	snprintf(bytes, sizeof(bytes), "%lu", RECLAIM_PAGES * PAGE_SIZE);
	ret = kernel_write(file, bytes, strlen(bytes), &pos);
	/* A bit less may have gone. */
	if (ret != -EAGAIN)
		KUNIT_ASSERT_EQ(test, ret, strlen(bytes));
	for (i = 0; i < RECLAIM_PAGES; i++)
		pages += rmap_kunit_is_swapped(test, addr + i * PAGE_SIZE);
	return pages;
}

static void reclaim_passes(struct kunit *test)
{
	unsigned long addr, i, pages = 0;
	struct file *stat, *file;
	struct reclaim *reclaim;

	if (IS_ENABLED(CONFIG_LRU_GEN))
		rmap_kunit_set(test, "sysfs", "kernel/mm/lru_gen/enabled", "n");
	bench_swapon(test, RECLAIM_PAGES);
	rmap_kunit_enter_memcg(test);
	addr = rmap_kunit_mmap_far(test, RECLAIM_PAGES * PAGE_SIZE);
	bench_clear(test, addr, RECLAIM_PAGES * PAGE_SIZE);
	for (i = 0; i < RECLAIM_PAGES; i++)
		rmap_kunit_write(test, addr + i * PAGE_SIZE, i);
	stat = rmap_kunit_open(test, "cgroup2", "rmap_kunit/memory.stat", O_RDONLY);
	file = rmap_kunit_open(test, "cgroup2", "rmap_kunit/memory.reclaim", O_WRONLY);

	reclaim = kunit_kzalloc(test, sizeof(*reclaim), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, reclaim);
	reclaim->probe.kp.symbol_name = "folio_referenced";
	reclaim->probe.entry_handler = reclaim_enter;
	reclaim->probe.handler = reclaim_return;
	reclaim->probe.data_size = sizeof(struct reclaim_call);
	KUNIT_ASSERT_EQ(test, register_kretprobe(&reclaim->probe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, reclaim_end, reclaim), 0);
	for (i = 0; i < RECLAIM_PASSES; i++)
		pages += reclaim_pass(test, addr, stat, file);
	kunit_release_action(test, reclaim_end, reclaim);

	KUNIT_ASSERT_EQ(test, reclaim->probe.nmissed, 0);
	KUNIT_ASSERT_GT(test, pages, RECLAIM_PASSES * RECLAIM_PAGES / 2);
	KUNIT_ASSERT_GT(test, atomic_read(&reclaim->unlocked), 0);
	for (i = 0; i < RECLAIM_PAGES; i++) {
		KUNIT_ASSERT_EQ(test, rmap_kunit_touch(addr + i * PAGE_SIZE), 0);
		KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, addr + i * PAGE_SIZE), i);
	}
	bench_figure(test, "reclaim.pages", pages, "count");
	bench_figure(test, "reclaim.calls", atomic_read(&reclaim->calls), "count");
	bench_figure(test, "reclaim.unlocked-calls", atomic_read(&reclaim->unlocked), "count");
	bench_figure(test, "reclaim.trylock-failed", atomic_read(&reclaim->failed), "count");
}

#else

static void reclaim_passes(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_MEMCG, and KRETPROBES that give access to arguments");
}

#endif
