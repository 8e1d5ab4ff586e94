// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the suites do with parts of the kernel that no module can reach. This is
 * always built in.
 */
#include <kunit/visibility.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <asm/syscall.h>
#include <asm/tlbflush.h>
#include <asm/unistd.h>

#include "rmap_kunit_helpers.h"

/* No others are to be had through this. */
static const unsigned int rmap_kunit_syscalls[] = {
	__NR_mincore, __NR_mkdirat, __NR_mknodat, __NR_mlock, __NR_mmap, __NR_mount,
	__NR_mprotect, __NR_mremap, __NR_swapoff, __NR_swapon, __NR_umount2,
	__NR_unlinkat,
};

/**
 * rmap_kunit_syscall6() - Call a system call that has no function for the kernel
 * @nr: its number
 * @a: the first argument
 * @b: the second one
 * @c: the third one
 * @d: the fourth one
 * @e: the fifth one
 * @f: the sixth one
 *
 * What they take and return is the same on every kernel.
 *
 * Return: what the system call returns.
 */
long rmap_kunit_syscall6(unsigned int nr, unsigned long a, unsigned long b,
			 unsigned long c, unsigned long d, unsigned long e,
			 unsigned long f)
{
	unsigned int i = 0;

	while (rmap_kunit_syscalls[i] != nr)
		if (++i == ARRAY_SIZE(rmap_kunit_syscalls))
			return -EINVAL;
#if defined(CONFIG_UML)
	return sys_call_table[nr](a, b, c, d, e, f);
#elif defined(CONFIG_X86_64)
	struct pt_regs regs = {
		.di = a, .si = b, .dx = c, .r10 = d, .r8 = e, .r9 = f,
	};

	return sys_call_table[nr](&regs);
#elif defined(CONFIG_ARM64)
	struct pt_regs regs = { .regs = { a, b, c, d, e, f } };

	return sys_call_table[nr](&regs);
#else
	return -EOPNOTSUPP;
#endif
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_syscall6);

/**
 * rmap_kunit_flush_tlb() - Forget all translations of the current mm
 *
 * Some architectures keep how to do that from modules.
 */
void rmap_kunit_flush_tlb(void)
{
	flush_tlb_mm(current->mm);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_flush_tlb);

/**
 * rmap_kunit_raise_max_pfn() - Have page_idle see the memory up to a page
 * @pfn: the page
 *
 * UML takes the amount of its memory for the end of it, so page_idle may not see
 * what is above a hole. It counts in words of its bitmap.
 */
void rmap_kunit_raise_max_pfn(unsigned long pfn)
{
	unsigned long end = round_up(pfn + 1, 64);

	if (IS_ENABLED(CONFIG_UML) && max_pfn < end)
		max_pfn = end;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_raise_max_pfn);
