// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers of the KUnit suites about the reverse map of anonymous folios: what a
 * suite is held to, and what a test needs of the kernel
 *
 * A test runs in a kthread of its own, to which the first mapping gives an mm, see
 * kunit_vm_mmap(). Cleaning up is done by KUnit actions. These run in another
 * thread, last in first out, so the mm is still there until they are done.
 */
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/fs_struct.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "../../internal.h"
#include "../rmap_kunit_helpers.h"
#include "internal.h"

/* On the kernel's command line; a module has its parameters to itself. */
#ifndef MODULE
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "rmap_kunit."
#endif

/**
 * rmap_kunit_syscall() - Call a system call in the file system of init
 * @nr: its number, one that rmap_kunit_syscall6() knows
 * @a: the first argument
 * @b: the second one
 * @c: the third one
 * @d: the fourth one
 *
 * Return: what the system call returns.
 */
long rmap_kunit_syscall(unsigned int nr, unsigned long a, unsigned long b,
			unsigned long c, unsigned long d)
{
	long ret = -EINVAL;

	scoped_with_init_fs() {
		ret = rmap_kunit_syscall6(nr, a, b, c, d, 0, 0);
	}
	return ret;
}

/**
 * rmap_kunit_needs_syscalls() - Skip a test where rmap_kunit_syscall6() does nothing
 * @test: the test
 */
void rmap_kunit_needs_syscalls(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_UML) && !IS_ENABLED(CONFIG_X86_64) &&
	    !IS_ENABLED(CONFIG_ARM64))
		kunit_skip(test, "needs system calls, so UML, x86_64 or arm64");
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_needs_syscalls);

static char *contract = "locked";
module_param(contract, charp, 0444);
MODULE_PARM_DESC(contract, "What to hold the kernel to: locked (default) or revalidate");

/**
 * rmap_kunit_suite_init() - Check the module parameters before a suite starts
 * @suite: the suite
 *
 * Return: 0, or -EINVAL if the contract asked for does not exist.
 */
int rmap_kunit_suite_init(struct kunit_suite *suite)
{
	if (!strcmp(contract, "locked") || !strcmp(contract, "revalidate"))
		return 0;

	pr_err("rmap_kunit.contract=%s: must be locked or revalidate\n", contract);
	return -EINVAL;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_suite_init);

static const char *rmap_kunit_contract_name(enum rmap_kunit_contract contract)
{
	return contract == RMAP_KUNIT_LOCKED ? "locked" : "revalidate";
}

/**
 * rmap_kunit_has_contract() - Is the kernel held to this contract?
 * @asked: the contract
 *
 * Return: true if it is.
 */
bool rmap_kunit_has_contract(enum rmap_kunit_contract asked)
{
	return !strcmp(contract, rmap_kunit_contract_name(asked));
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_has_contract);

/**
 * rmap_kunit_needs_contract() - Skip a test that is about the other contract
 * @test: the test
 * @needed: the contract that the test is about
 */
void rmap_kunit_needs_contract(struct kunit *test,
			       enum rmap_kunit_contract needed)
{
	if (!rmap_kunit_has_contract(needed))
		kunit_skip(test, "holds for rmap_kunit.contract=%s only",
			   rmap_kunit_contract_name(needed));
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_needs_contract);

/**
 * rmap_kunit_failed() - Has the current test failed?
 *
 * After a failure, locks of the mm or of its anon_vmas may be held for ever, and
 * whoever tears it down would wait for them.
 *
 * Return: true if it has.
 */
bool rmap_kunit_failed(void)
{
	return READ_ONCE(kunit_get_current_test()->status) == KUNIT_FAILURE;
}

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("Helpers of the KUnit tests for the reverse map");
MODULE_LICENSE("GPL");
