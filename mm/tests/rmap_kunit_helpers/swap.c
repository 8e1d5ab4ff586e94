// SPDX-License-Identifier: GPL-2.0-only
/*
 * Swap, on a RAM disk
 */
#include <kunit/resource.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/kdev_t.h>
#include <linux/leafops.h>
#include <linux/major.h>
#include <linux/mman.h>
#include <linux/string.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <asm/unistd.h>

#include "../../internal.h"
#include "../rmap_kunit_helpers.h"
#include "internal.h"

#if defined(CONFIG_SWAP) && IS_ENABLED(CONFIG_BLK_DEV_RAM)

#define RMAP_KUNIT_SWAP_NAME	"rmap_kunit_swap"
/* Other swap areas of a running system are to be used last. */
#define RMAP_KUNIT_SWAP_FLAGS	(SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK)

/**
 * struct rmap_kunit_swap - A swap area
 * @path: user address of its path
 * @on: whether it is in use
 * @ret: what swapoff() returned
 * @off: ends the use; it works in the test's mm, as @path is there
 */
struct rmap_kunit_swap {
	unsigned long path;
	bool on;
	long ret;
	struct rmap_kunit_thread *off;
};

static void rmap_kunit_swapoff(void *data)
{
	struct rmap_kunit_swap *swap = data;

	if (swap->on)
		swap->ret = rmap_kunit_syscall(__NR_swapoff, swap->path, 0, 0, 0);
	/* It lets go of the RAM disk later, if a kernel thread calls. */
	flush_delayed_fput();
	rmap_kunit_syscall(__NR_unlinkat, AT_FDCWD, swap->path, 0, 0);
}

static long rmap_kunit_mknod(struct rmap_kunit_swap *swap)
{
	return rmap_kunit_syscall(__NR_mknodat, AT_FDCWD, swap->path, S_IFBLK | 0600,
				  new_encode_dev(MKDEV(RAMDISK_MAJOR, 0)));
}

static void rmap_kunit_swap_end(void *data)
{
	struct kunit *test = kunit_get_current_test();
	struct rmap_kunit_swap *swap = data;

	rmap_kunit_thread_start(swap->off);
	if (!rmap_kunit_thread_wait(swap->off))
		KUNIT_FAIL_AND_ABORT(test, "swapoff does not end");
	KUNIT_EXPECT_EQ(test, swap->ret, 0);
}

static void rmap_kunit_mkswap(struct kunit *test, const char *path)
{
	union swap_header *header;
	void *there;
	struct file *file = NULL;
	loff_t pos = 0;

	header = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, header);
	scoped_with_init_fs() {
		file = filp_open(path, O_RDWR | O_EXCL | O_LARGEFILE, 0);
	}
	if (file == ERR_PTR(-EBUSY))
		kunit_skip(test, "the RAM disk is in use");
	if (file == ERR_PTR(-ENXIO))
		kunit_skip(test, "there is no RAM disk: is the module brd loaded?");
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(file), "open the RAM disk: %ld",
			       PTR_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_fput,
							file), 0);
	header->info.version = 1;
	header->info.last_page = (i_size_read(file->f_mapping->host) >> PAGE_SHIFT) - 1;
	memcpy(header->magic.magic, "SWAPSPACE2", 10);
	there = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, there);
	KUNIT_ASSERT_EQ(test, kernel_read(file, there, PAGE_SIZE, &pos), PAGE_SIZE);
	if (memchr_inv(there, 0, PAGE_SIZE) && memcmp(there, header, PAGE_SIZE))
		kunit_skip(test, "the RAM disk holds what is not ours");
	pos = 0;
	KUNIT_ASSERT_EQ(test, kernel_write(file, header, PAGE_SIZE, &pos), PAGE_SIZE);
	kunit_release_action(test, rmap_kunit_fput, file);
}

/**
 * rmap_kunit_swapon() - Have a swap area until the test ends
 * @test: the test
 *
 * The area is a RAM disk, and the one that is used first. Skips the test if the
 * kernel cannot swap or has no RAM disk, or if the RAM disk is somebody's.
 */
void rmap_kunit_swapon(struct kunit *test)
{
	struct rmap_kunit_swap *swap;
	const char *path;
	long ret;

	rmap_kunit_needs_syscalls(test);
	swap = kunit_kzalloc(test, sizeof(*swap), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, swap);
	path = "/" RMAP_KUNIT_SWAP_NAME;
	swap->path = rmap_kunit_string(test, path);
	swap->off = rmap_kunit_thread_create(test, rmap_kunit_swapoff, swap);
	ret = rmap_kunit_mknod(swap);
	if (ret == -EROFS) {
		path = "/dev/" RMAP_KUNIT_SWAP_NAME;
		swap->path = rmap_kunit_string(test, path);
		ret = rmap_kunit_mknod(swap);
	}
	KUNIT_ASSERT_EQ_MSG(test, ret, 0, "mknod %s", path);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_swap_end,
							swap), 0);
	rmap_kunit_mkswap(test, path);
	KUNIT_ASSERT_EQ(test, rmap_kunit_syscall(__NR_swapon, swap->path,
						 RMAP_KUNIT_SWAP_FLAGS, 0, 0), 0);
	swap->on = true;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_swapon);

#else

void rmap_kunit_swapon(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_SWAP and CONFIG_BLK_DEV_RAM");
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_swapon);

#endif

/**
 * rmap_kunit_is_swapped() - Is there a swap entry at an address?
 * @test: the test
 * @addr: user address, page aligned
 *
 * Return: true if a PTE there stands for a page that is swapped out.
 */
bool rmap_kunit_is_swapped(struct kunit *test, unsigned long addr)
{
	return softleaf_is_swap(softleaf_from_pte(rmap_kunit_entry(test, addr).pte));
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_is_swapped);

/**
 * rmap_kunit_in_swap_cache() - Is a page that is swapped out in the swap cache?
 * @test: the test
 * @addr: user address, page aligned, where there is a swap entry
 *
 * Return: true if the swap cache has its folio.
 */
bool rmap_kunit_in_swap_cache(struct kunit *test, unsigned long addr)
{
	unsigned long vec = rmap_kunit_mmap(test, 1);
	u8 resident = 0;

	rmap_kunit_needs_syscalls(test);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_is_swapped(test, addr));
	KUNIT_ASSERT_EQ(test, rmap_kunit_syscall(__NR_mincore, addr, PAGE_SIZE, vec, 0), 0);
	KUNIT_ASSERT_EQ(test, get_user(resident, (u8 __user *)vec), 0);
	return resident & 1;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_in_swap_cache);

/**
 * rmap_kunit_page_out() - Swap out a page of the test's own
 * @test: the test, which has called rmap_kunit_swapon()
 * @addr: user address, page aligned
 *
 * A folio that nobody has another reference to is freed, and leaves the swap
 * cache.
 */
void rmap_kunit_page_out(struct kunit *test, unsigned long addr)
{
	lru_add_drain_all();
	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, addr, PAGE_SIZE,
					 MADV_PAGEOUT), 0);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_is_swapped(test, addr));
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_page_out);
