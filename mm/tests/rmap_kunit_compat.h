/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels and architectures that the suites run on.
 * Nothing of it shows in the tests.
 */
#ifndef _MM_TESTS_RMAP_KUNIT_COMPAT_H
#define _MM_TESTS_RMAP_KUNIT_COMPAT_H

#include <linux/ptrace.h>

/**
 * rmap_kunit_set_argument() - Change the second argument of a probed function
 * @regs: registers at the entry of the function
 * @value: the value that the function is to see
 *
 * The kernel has regs_get_kernel_argument() to read an argument in a kprobe,
 * but nothing to set one.
 *
 * Return: false if this architecture is not known here.
 */
static inline bool rmap_kunit_set_argument(struct pt_regs *regs,
					   unsigned long value)
{
#if defined(CONFIG_X86_64) && !defined(CONFIG_UML)
	regs->si = value;
	return true;
#elif defined(CONFIG_ARM64)
	regs->regs[1] = value;
	return true;
#else
	return false;
#endif
}

#endif /* _MM_TESTS_RMAP_KUNIT_COMPAT_H */
