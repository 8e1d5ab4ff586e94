// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the test's own process
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <linux/uaccess.h>
#include <asm/unistd.h>

#include "../../internal.h"
#include "../rmap_kunit_helpers.h"
#include "internal.h"

static void rmap_kunit_mm_end(void *mm)
{
	if (!rmap_kunit_failed())
		mmput(mm);
}

static unsigned long rmap_kunit_vm_mmap(struct kunit *test, struct file *file,
					unsigned long addr, unsigned long len,
					unsigned long prot, unsigned long flags)
{
	bool first = !current->mm;
	unsigned long ret;

	ret = kunit_vm_mmap(test, file, addr, len, prot, flags, 0);
	if (first && current->mm) {
		mmget(current->mm);
		KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test,
								rmap_kunit_mm_end,
								current->mm), 0);
	}
	KUNIT_ASSERT_FALSE_MSG(test, !ret || IS_ERR_VALUE(ret),
			       "mmap of %lu bytes: %ld", len, (long)ret);
	return ret;
}

/*
 * Page tables and huge pages may map more than there is memory, and tests touch a
 * few pages of what they map.
 */
#define RMAP_KUNIT_MAP		(MAP_ANONYMOUS | MAP_PRIVATE | MAP_NORESERVE)

/* A writable area, @len bytes and aligned to @align, with a gap on each side. */
static unsigned long rmap_kunit_mmap_aligned(struct kunit *test,
					     unsigned long len,
					     unsigned long align)
{
	unsigned long room, addr;

	room = rmap_kunit_vm_mmap(test, NULL, 0, len + align + 2 * PAGE_SIZE,
				  PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE);
	addr = ALIGN(room + PAGE_SIZE, align);
	return rmap_kunit_vm_mmap(test, NULL, addr, len, PROT_READ | PROT_WRITE,
				  RMAP_KUNIT_MAP | MAP_FIXED);
}

/**
 * rmap_kunit_mmap() - Map private anonymous memory
 * @test: the test
 * @nr_pages: number of pages
 *
 * Inaccessible memory on both sides keeps the VMA from being merged with
 * another one and from sharing an anon_vma: it will have a root of its own.
 *
 * Return: the address of the area, which is readable and writable.
 */
unsigned long rmap_kunit_mmap(struct kunit *test, unsigned long nr_pages)
{
	return rmap_kunit_mmap_aligned(test, nr_pages * PAGE_SIZE, PAGE_SIZE);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_mmap);

/**
 * rmap_kunit_mmap_far() - Map memory that shares no page table with other memory
 * @test: the test
 * @len: length in bytes
 *
 * As rmap_kunit_mmap(), but nothing else is mapped in the range of its PUDs.
 *
 * Return: the address of the area, aligned to what a PUD maps.
 */
unsigned long rmap_kunit_mmap_far(struct kunit *test, unsigned long len)
{
	unsigned long room;

	room = rmap_kunit_vm_mmap(test, NULL, 0, 3 * PUD_SIZE + ALIGN(len, PUD_SIZE),
				  PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE);
	return rmap_kunit_vm_mmap(test, NULL, ALIGN(room + PUD_SIZE, PUD_SIZE),
				  len, PROT_READ | PROT_WRITE,
				  RMAP_KUNIT_MAP | MAP_FIXED);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_mmap_far);

/**
 * rmap_kunit_mmap_thps() - Map private anonymous memory for huge pages
 * @test: the test
 * @nr: number of huge pages
 *
 * As rmap_kunit_mmap(), but the area is aligned for huge pages, and asks for them.
 * Skips the test if the kernel has none.
 *
 * Return: the address of the area.
 */
unsigned long rmap_kunit_mmap_thps(struct kunit *test, unsigned long nr)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	unsigned long addr;

	if (!has_transparent_hugepage())
		kunit_skip(test, "no huge pages on this machine");

	/* khugepaged is not to put together what a test takes apart. */
	rmap_kunit_set(test, "sysfs",
		       "kernel/mm/transparent_hugepage/khugepaged/max_ptes_none", "0");
	addr = rmap_kunit_mmap_aligned(test, nr * HPAGE_PMD_SIZE, HPAGE_PMD_SIZE);
	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, addr, nr * HPAGE_PMD_SIZE,
					 MADV_HUGEPAGE), 0);
	return addr;
#else
	kunit_skip(test, "needs CONFIG_TRANSPARENT_HUGEPAGE");
#endif
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_mmap_thps);

/**
 * rmap_kunit_mmap_thp() - Map private anonymous memory for one huge page
 * @test: the test
 *
 * Return: the address of the area, as of rmap_kunit_mmap_thps().
 */
unsigned long rmap_kunit_mmap_thp(struct kunit *test)
{
	return rmap_kunit_mmap_thps(test, 1);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_mmap_thp);

/**
 * rmap_kunit_mprotect() - Change the protection of memory
 * @test: the test
 * @addr: user address, page aligned
 * @len: length in bytes
 * @prot: PROT_READ and the like
 */
void rmap_kunit_mprotect(struct kunit *test, unsigned long addr,
			 unsigned long len, unsigned long prot)
{
	rmap_kunit_needs_syscalls(test);
	KUNIT_ASSERT_EQ(test, rmap_kunit_syscall(__NR_mprotect, addr, len, prot, 0), 0);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_mprotect);

/**
 * rmap_kunit_mlock() - Lock memory, faulting it in
 * @test: the test
 * @addr: user address, page aligned
 * @len: length in bytes
 */
void rmap_kunit_mlock(struct kunit *test, unsigned long addr, unsigned long len)
{
	rmap_kunit_needs_syscalls(test);
	KUNIT_ASSERT_EQ(test, rmap_kunit_syscall(__NR_mlock, addr, len, 0, 0), 0);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_mlock);

/**
 * rmap_kunit_mmap_hugetlb() - Map private memory of hugetlb
 * @test: the test
 *
 * As large as a PMD maps. No huge pages are set aside for it: it cannot be
 * accessed. Skips the test if the kernel has no hugetlb.
 *
 * Return: the address of the area.
 */
unsigned long rmap_kunit_mmap_hugetlb(struct kunit *test)
{
	long ret;

	if (!IS_ENABLED(CONFIG_HUGETLBFS))
		kunit_skip(test, "needs CONFIG_HUGETLBFS");
	rmap_kunit_needs_syscalls(test);
	/* For the mm, which the system call takes for granted. */
	rmap_kunit_mmap(test, 1);
	ret = rmap_kunit_syscall6(__NR_mmap, 0, PMD_SIZE, PROT_READ | PROT_WRITE,
				  MAP_ANONYMOUS | MAP_PRIVATE | MAP_HUGETLB | MAP_NORESERVE,
				  -1, 0);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(ret), "mmap: %ld", ret);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_mmap_hugetlb);

/**
 * rmap_kunit_mremap() - Grow a mapping, which moves it
 * @test: the test
 * @addr: user address, from rmap_kunit_mmap(): there is no room behind it
 * @nr_pages: number of pages mapped there; one is added
 *
 * Return: the new address.
 */
unsigned long rmap_kunit_mremap(struct kunit *test, unsigned long addr,
				unsigned long nr_pages)
{
	long ret;

	rmap_kunit_needs_syscalls(test);
	ret = rmap_kunit_syscall(__NR_mremap, addr, nr_pages * PAGE_SIZE,
				 (nr_pages + 1) * PAGE_SIZE, MREMAP_MAYMOVE);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(ret), "mremap: %ld", ret);
	KUNIT_ASSERT_NE(test, ret, addr);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_mremap);

/**
 * rmap_kunit_string() - Put a string into user memory, for system calls
 * @test: the test
 * @string: the string, shorter than a page
 *
 * Return: its user address.
 */
unsigned long rmap_kunit_string(struct kunit *test, const char *string)
{
	unsigned long addr = rmap_kunit_mmap(test, 1);

	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)addr, string,
					   strlen(string) + 1), 0);
	return addr;
}

static unsigned long rmap_kunit_mmap_file_as(struct kunit *test,
					     unsigned long flags)
{
	struct file *file = shmem_kernel_file_setup("rmap_kunit", PAGE_SIZE,
						    EMPTY_VMA_FLAGS);

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_fput,
							file), 0);
	return rmap_kunit_vm_mmap(test, file, 0, PAGE_SIZE,
				  PROT_READ | PROT_WRITE, flags);
}

/**
 * rmap_kunit_mmap_file() - Map one page of a file, shared
 * @test: the test
 *
 * Return: the address of the page, which is readable and writable.
 */
unsigned long rmap_kunit_mmap_file(struct kunit *test)
{
	return rmap_kunit_mmap_file_as(test, MAP_SHARED);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_mmap_file);

/**
 * rmap_kunit_mmap_private_file() - Map one page of a file, private
 * @test: the test
 *
 * Return: the address of the page, which is readable and writable.
 */
unsigned long rmap_kunit_mmap_private_file(struct kunit *test)
{
	return rmap_kunit_mmap_file_as(test, MAP_PRIVATE);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_mmap_private_file);

/**
 * rmap_kunit_write() - Write to user memory, faulting in the page if need be
 * @test: the test
 * @addr: user address
 * @value: what to write there
 */
void rmap_kunit_write(struct kunit *test, unsigned long addr, u32 value)
{
	KUNIT_ASSERT_EQ(test, put_user(value, (u32 __user *)addr), 0);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_write);

/**
 * rmap_kunit_zap() - Unmap pages, leaving the VMA and its anon_vma
 * @test: the test
 * @addr: user address, page aligned
 * @len: length in bytes
 */
void rmap_kunit_zap(struct kunit *test, unsigned long addr, unsigned long len)
{
	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, addr, len, MADV_DONTNEED), 0);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_zap);

/**
 * rmap_kunit_read() - Read user memory
 * @test: the test
 * @addr: user address, which must be mapped to a page
 *
 * Return: the value there.
 */
u32 rmap_kunit_read(struct kunit *test, unsigned long addr)
{
	u32 value = 0;

	rmap_kunit_put_folio(test, rmap_kunit_folio(test, addr));
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)addr), 0);
	return value;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_read);

/**
 * rmap_kunit_touch() - Make a page young, as reading it does
 * @addr: user address in the current process, which must be mapped to a page
 *
 * It is read for those architectures whose CPUs set the bit, and a page fault is
 * taken for the others, where the kernel's own accesses may not.
 *
 * Return: 0, or an error.
 */
int rmap_kunit_touch(unsigned long addr)
{
	u32 value;
	int ret;

	mmap_read_lock(current->mm);
	ret = fixup_user_fault(current->mm, addr, 0, NULL);
	mmap_read_unlock(current->mm);
	if (ret)
		return ret;
	return copy_from_user(&value, (u32 __user *)addr, sizeof(value)) ? -EFAULT : 0;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_touch);
