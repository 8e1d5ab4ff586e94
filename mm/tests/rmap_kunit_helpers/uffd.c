// SPDX-License-Identifier: GPL-2.0-only
/*
 * The real userfaultfd
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/uaccess.h>
#include <uapi/linux/userfaultfd.h>

#include "../../internal.h"
#include "../rmap_kunit_helpers.h"
#include "internal.h"

static void rmap_kunit_uffd_end(void *uffd)
{
	/* Takes the mmap_lock and VMA locks. */
	if (!rmap_kunit_failed())
		__fput_sync(uffd);
}

/**
 * rmap_kunit_uffd_ioctl() - Call an ioctl of a userfaultfd
 * @test: the test
 * @uffd: the userfaultfd
 * @cmd: the ioctl
 * @arg: its argument, which has afterwards what the ioctl wrote there
 * @size: size of @arg
 *
 * Return: what the ioctl returned.
 */
long rmap_kunit_uffd_ioctl(struct kunit *test, struct file *uffd,
			   unsigned int cmd, void *arg, size_t size)
{
	unsigned long addr = rmap_kunit_mmap(test, 1);
	long ret;

	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)addr, arg, size), 0);
	ret = rmap_kunit_ioctl(uffd, cmd, addr);
	KUNIT_ASSERT_EQ(test, copy_from_user(arg, (void __user *)addr, size), 0);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_uffd_ioctl);

/**
 * rmap_kunit_uffd_open_any() - Open a userfaultfd that may not be able to move pages
 * @test: the test
 * @features: the UFFD_FEATURE_* that it must have; afterwards, all that the kernel has
 *
 * Skips the test if the kernel has not got them all.
 *
 * Return: the userfaultfd, for the test's mm, which is closed when the test ends.
 */
struct file *rmap_kunit_uffd_open_any(struct kunit *test, u64 *features)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = *features,
	};
	struct file *dev, *uffd;
	int fd;

	dev = rmap_kunit_open(test, "devtmpfs", "userfaultfd", O_RDWR);
	fd = rmap_kunit_ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	KUNIT_ASSERT_GE(test, fd, 0);
	uffd = fget(fd);
	close_fd(fd);
	KUNIT_ASSERT_NOT_NULL(test, uffd);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_uffd_end,
							uffd), 0);

	if (rmap_kunit_uffd_ioctl(test, uffd, UFFDIO_API, &api, sizeof(api)))
		kunit_skip(test, "needs userfaultfd with features %#llx", *features);
	*features = api.features;
	return uffd;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_uffd_open_any);

/**
 * rmap_kunit_uffd_open_with() - Open a userfaultfd that can move pages, and more
 * @test: the test
 * @features: the UFFD_FEATURE_* that it must have beside UFFDIO_MOVE
 *
 * Skips the test if the kernel has not got them all.
 *
 * Return: the userfaultfd, for the test's mm, which is closed when the test ends.
 */
struct file *rmap_kunit_uffd_open_with(struct kunit *test, u64 features)
{
	struct file *uffd = rmap_kunit_uffd_open_any(test, &features);

	if (!(features & UFFD_FEATURE_MOVE))
		kunit_skip(test, "this kernel has no UFFDIO_MOVE");
	return uffd;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_uffd_open_with);

/**
 * rmap_kunit_uffd_open() - Open a userfaultfd that can move pages
 * @test: the test
 *
 * Skips the test if the kernel has no UFFDIO_MOVE.
 *
 * Return: the userfaultfd, for the test's mm, which is closed when the test ends.
 */
struct file *rmap_kunit_uffd_open(struct kunit *test)
{
	return rmap_kunit_uffd_open_with(test, 0);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_uffd_open);

/**
 * rmap_kunit_uffd_register_for() - Register memory with a userfaultfd
 * @test: the test
 * @uffd: the userfaultfd
 * @addr: user address, page aligned
 * @len: length in bytes
 * @mode: UFFDIO_REGISTER_MODE_MISSING and the like
 *
 * Return: the ioctls that the kernel has for this memory, a bit for each.
 */
u64 rmap_kunit_uffd_register_for(struct kunit *test, struct file *uffd,
				 unsigned long addr, unsigned long len, u64 mode)
{
	struct uffdio_register reg = {
		.range = { .start = addr, .len = len },
		.mode = mode,
	};

	KUNIT_ASSERT_EQ(test, rmap_kunit_uffd_ioctl(test, uffd, UFFDIO_REGISTER,
						    &reg, sizeof(reg)), 0);
	return reg.ioctls;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_uffd_register_for);

/**
 * rmap_kunit_uffd_register() - Register memory for its missing pages
 * @test: the test
 * @uffd: the userfaultfd
 * @addr: user address, page aligned
 * @len: length in bytes
 */
void rmap_kunit_uffd_register(struct kunit *test, struct file *uffd,
			      unsigned long addr, unsigned long len)
{
	rmap_kunit_uffd_register_for(test, uffd, addr, len,
				     UFFDIO_REGISTER_MODE_MISSING);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_uffd_register);
