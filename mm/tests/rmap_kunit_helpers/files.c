// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of pseudo file systems, and settings
 */
#include <kunit/resource.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/string.h>

#include "../../internal.h"
#include "../rmap_kunit_helpers.h"
#include "internal.h"

/**
 * rmap_kunit_fput() - Close a file, at once: an action
 * @file: the file
 *
 * fput() could put it off until after an unmount.
 */
void rmap_kunit_fput(void *file)
{
	__fput_sync(file);
}

static void rmap_kunit_unmount(void *mnt)
{
	kern_unmount(mnt);
}

/**
 * rmap_kunit_open() - Open a file of a pseudo file system
 * @test: the test
 * @fs: file system, such as "sysfs" or "devtmpfs"
 * @path: path from the root of the file system
 * @flags: O_RDWR and the like
 *
 * Tests that are built in run before there is any mount to look in, so this
 * brings its own. Skips the test if the kernel does not have the file system.
 *
 * Return: the file, which is closed when the test ends.
 */
struct file *rmap_kunit_open(struct kunit *test, const char *fs,
			     const char *path, int flags)
{
	struct file_system_type *type;
	struct vfsmount *mnt;
	struct file *file;

	type = get_fs_type(fs);
	if (!type)
		kunit_skip(test, "needs %s", fs);
	mnt = kern_mount(type);
	/* The mount has its own reference. */
	module_put(type->owner);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(mnt), "mount %s: %ld", fs, PTR_ERR(mnt));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_unmount,
							mnt), 0);
	file = file_open_root_mnt(mnt, path, flags, 0);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(file), "open %s: %ld", path,
			       PTR_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_fput,
							file), 0);
	return file;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_open);

/**
 * rmap_kunit_ioctl() - Call an ioctl of a file
 * @file: the file
 * @cmd: the ioctl
 * @arg: its argument
 *
 * vfs_ioctl() is not for modules.
 *
 * Return: what the ioctl returned.
 */
long rmap_kunit_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return file->f_op->unlocked_ioctl(file, cmd, arg);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_ioctl);

/**
 * rmap_kunit_read_uint() - Read a number from a file of sysfs
 * @test: the test
 * @file: the file
 *
 * Return: the number that the file has now.
 */
unsigned int rmap_kunit_read_uint(struct kunit *test, struct file *file)
{
	char buf[16] = "";
	unsigned int value;
	loff_t pos = 0;

	KUNIT_ASSERT_GT(test, kernel_read(file, buf, sizeof(buf) - 1, &pos), 0);
	KUNIT_ASSERT_EQ(test, kstrtouint(strim(buf), 10, &value), 0);
	return value;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_read_uint);

/**
 * struct rmap_kunit_setting - A file that is to hold what it held before
 * @file: the file
 * @old: what it held
 */
struct rmap_kunit_setting {
	struct file *file;
	char old[32];
};

static void rmap_kunit_reset(void *data)
{
	struct kunit *test = kunit_get_current_test();
	struct rmap_kunit_setting *setting = data;
	loff_t pos = 0;

	KUNIT_EXPECT_EQ(test, kernel_write(setting->file, setting->old,
					   strlen(setting->old), &pos),
			strlen(setting->old));
}

/**
 * rmap_kunit_set() - Write to a file of a pseudo file system until the test ends
 * @test: the test
 * @fs: file system, such as "sysfs"
 * @path: path from the root of the file system
 * @value: what to write
 */
void rmap_kunit_set(struct kunit *test, const char *fs, const char *path,
		    const char *value)
{
	struct rmap_kunit_setting *setting;
	loff_t pos = 0;

	setting = kunit_kzalloc(test, sizeof(*setting), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, setting);
	setting->file = rmap_kunit_open(test, fs, path, O_RDWR);
	KUNIT_ASSERT_GT(test, kernel_read(setting->file, setting->old,
					  sizeof(setting->old) - 1, &pos), 0);
	strim(setting->old);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_reset,
							setting), 0);
	pos = 0;
	KUNIT_ASSERT_EQ_MSG(test, kernel_write(setting->file, value, strlen(value),
					       &pos), strlen(value), "%s", path);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_set);
