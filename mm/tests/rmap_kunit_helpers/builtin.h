/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is always in the kernel itself
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_BUILTIN_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_BUILTIN_H

long rmap_kunit_syscall6(unsigned int nr, unsigned long a, unsigned long b,
			 unsigned long c, unsigned long d, unsigned long e,
			 unsigned long f);
void rmap_kunit_flush_tlb(void);
void rmap_kunit_raise_max_pfn(unsigned long pfn);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_BUILTIN_H */
