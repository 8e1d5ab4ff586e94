// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers of the KUnit suites about the reverse map of anonymous folios.
 *
 * A test runs in a kthread of its own, to which the first mapping gives an mm, see
 * kunit_vm_mmap(). Cleaning up is done by KUnit actions. These run in another
 * thread, last in first out, so the mm is still there until they are done.
 */
#include <kunit/test-bug.h>
#include <linux/delay.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/major.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pagewalk.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/uaccess.h>
#include <uapi/linux/userfaultfd.h>
#include <asm/unistd.h>

#include "../internal.h"
#include "rmap_kunit_compat.h"
#include "rmap_kunit_helpers.h"
#include "rmap_kunit_helpers/internal.h"

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
	struct fs_struct *own = rmap_kunit_borrow_files();
	long ret = rmap_kunit_syscall6(nr, a, b, c, d, 0, 0);

	rmap_kunit_return_files(own);
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

static unsigned long rmap_kunit_mmap_file_as(struct kunit *test,
					     unsigned long flags)
{
	struct file *file = rmap_kunit_shmem_file("rmap_kunit", PAGE_SIZE);

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

static void rmap_kunit_folio_end(void *folio)
{
	folio_put(folio);
}

/**
 * rmap_kunit_folio() - Get the folio that is mapped at an address
 * @test: the test
 * @addr: user address, which must be mapped to a page
 *
 * Does not fault anything in: in memory that is registered with a userfaultfd
 * that would be for the test to resolve.
 *
 * Return: the folio, with a reference that is dropped when the test ends.
 */
struct folio *rmap_kunit_folio(struct kunit *test, unsigned long addr)
{
	struct folio *folio;
	struct page *page;

	KUNIT_ASSERT_EQ(test, get_user_pages_fast(addr, 1, FOLL_NOFAULT, &page), 1);
	folio = page_folio(page);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_folio_end,
							folio), 0);
	return folio;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_folio);

/**
 * rmap_kunit_new_folio() - Fault in a page, and get its folio
 * @test: the test
 * @addr: user address
 * @value: what to write at @addr
 *
 * The folio is on its LRU list afterwards, where scanners look for it, and no
 * per-CPU batch holds a reference to it.
 *
 * Return: the folio, with a reference that is dropped when the test ends.
 */
struct folio *rmap_kunit_new_folio(struct kunit *test, unsigned long addr,
				   u32 value)
{
	struct folio *folio;

	rmap_kunit_write(test, addr, value);
	folio = rmap_kunit_folio(test, addr);
	lru_add_drain_all();
	KUNIT_ASSERT_TRUE(test, folio_test_anon(folio));
	KUNIT_ASSERT_TRUE(test, folio_test_lru(folio));
	return folio;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_new_folio);

/**
 * rmap_kunit_new_thp() - Fault in a huge page, and get its folio
 * @test: the test
 * @addr: user address, from rmap_kunit_mmap_thp()
 * @value: what to write at @addr
 *
 * As rmap_kunit_new_folio(). Skips the test if no huge page is to be had.
 *
 * Return: the folio, with a reference that is dropped when the test ends.
 */
struct folio *rmap_kunit_new_thp(struct kunit *test, unsigned long addr,
				 u32 value)
{
	struct folio *folio = rmap_kunit_new_folio(test, addr, value);

	if (folio_size(folio) != PMD_SIZE)
		kunit_skip(test, "got no huge page");
	return folio;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_new_thp);

static void rmap_kunit_ksm_stop(void *run)
{
	loff_t pos = 0;

	/* Waits until the scan has come to its end. */
	kernel_write(run, "0", 1, &pos);
}

static bool rmap_kunit_is_ksm(struct kunit *test, unsigned long addr, int nr_pages)
{
	struct folio *folio = rmap_kunit_folio(test, addr);
	bool merged = folio_test_ksm(folio) && folio_mapcount(folio) == nr_pages;

	rmap_kunit_put_folio(test, folio);
	return merged;
}

/**
 * rmap_kunit_new_ksm_folio() - Have KSM merge equal pages into one folio
 * @test: the test
 * @addr: user address of the first page
 * @nr_pages: number of pages, at least two
 *
 * They hold what no other test's have: nothing else is merged with them.
 *
 * Skips the test if the kernel has no KSM.
 *
 * Return: the folio, which is mapped in place of each page, with a reference
 * that is dropped when the test ends.
 */
struct folio *rmap_kunit_new_ksm_folio(struct kunit *test, unsigned long addr,
				       int nr_pages)
{
	unsigned long end = jiffies + msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS);
	static u32 value = 0x6b736d00;
	struct file *run;
	loff_t pos = 0;
	int i;

	if (!IS_ENABLED(CONFIG_KSM))
		kunit_skip(test, "needs CONFIG_KSM");

	value++;
	for (i = 0; i < nr_pages; i++)
		rmap_kunit_write(test, addr + i * PAGE_SIZE, value);
	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, addr, nr_pages * PAGE_SIZE,
					 MADV_MERGEABLE), 0);
	/* Whoever has it running has it back afterwards. */
	rmap_kunit_set(test, "sysfs", "kernel/mm/ksm/run", "0");
	rmap_kunit_set(test, "sysfs", "kernel/mm/ksm/sleep_millisecs", "1");
	run = rmap_kunit_open(test, "sysfs", "kernel/mm/ksm/run", O_RDWR);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_ksm_stop,
							run), 0);
	KUNIT_ASSERT_EQ(test, kernel_write(run, "1", 1, &pos), 1);
	while (!rmap_kunit_is_ksm(test, addr, nr_pages)) {
		KUNIT_ASSERT_TRUE_MSG(test, time_before(jiffies, end),
				      "KSM does not merge the pages");
		schedule_timeout_uninterruptible(1);
	}
	kunit_release_action(test, rmap_kunit_ksm_stop, run);
	lru_add_drain_all();
	return rmap_kunit_folio(test, addr);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_new_ksm_folio);

/**
 * rmap_kunit_put_folio() - Drop the reference to a folio before the test ends
 * @test: the test
 * @folio: from one of the functions above
 */
void rmap_kunit_put_folio(struct kunit *test, struct folio *folio)
{
	kunit_release_action(test, rmap_kunit_folio_end, folio);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_put_folio);

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

/**
 * rmap_kunit_anon_vma() - Look up the anon_vma of a VMA
 * @test: the test
 * @addr: user address in the VMA
 *
 * Return: the anon_vma, which lives as long as the VMA, or %NULL.
 */
struct anon_vma *rmap_kunit_anon_vma(struct kunit *test, unsigned long addr)
{
	struct anon_vma *anon_vma = NULL;
	struct vm_area_struct *vma;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	KUNIT_EXPECT_NOT_NULL(test, vma);
	if (vma)
		anon_vma = vma->anon_vma;
	mmap_read_unlock(current->mm);
	return anon_vma;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_anon_vma);

/**
 * rmap_kunit_index() - What folio->index must be at an address
 * @test: the test
 * @addr: user address
 *
 * Return: the index in units of pages.
 */
pgoff_t rmap_kunit_index(struct kunit *test, unsigned long addr)
{
	struct vm_area_struct *vma;
	pgoff_t index = 0;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	KUNIT_EXPECT_NOT_NULL(test, vma);
	if (vma)
		index = linear_page_index(vma, addr);
	mmap_read_unlock(current->mm);
	return index;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_index);

static int rmap_kunit_pmd_entry(pmd_t *pmdp, unsigned long addr,
				unsigned long next, struct mm_walk *walk)
{
	struct rmap_kunit_entry *entry = walk->private;

	entry->pmdp = pmdp;
	entry->pmd = pmdp_get_lockless(pmdp);
	/* The walk would split a huge PMD to get at PTEs. */
	if (!pmd_present(entry->pmd) || pmd_leaf(entry->pmd))
		walk->action = ACTION_CONTINUE;
	return 0;
}

static int rmap_kunit_pte_entry(pte_t *ptep, unsigned long addr,
				unsigned long next, struct mm_walk *walk)
{
	struct rmap_kunit_entry *entry = walk->private;

	entry->pte = ptep_get(ptep);
	return 0;
}

static const struct mm_walk_ops rmap_kunit_walk_ops = {
	.pmd_entry = rmap_kunit_pmd_entry,
	.pte_entry = rmap_kunit_pte_entry,
};

/**
 * rmap_kunit_entry() - Look up what there is at an address
 * @test: the test
 * @addr: user address, page aligned
 *
 * Return: the page table entries.
 */
struct rmap_kunit_entry rmap_kunit_entry(struct kunit *test, unsigned long addr)
{
	struct rmap_kunit_entry entry = {
		.pmd = __pmd(0),
		.pte = __pte(0),
	};

	mmap_read_lock(current->mm);
	KUNIT_EXPECT_EQ(test, walk_page_range(current->mm, addr, addr + PAGE_SIZE,
					      &rmap_kunit_walk_ops, &entry), 0);
	mmap_read_unlock(current->mm);
	return entry;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_entry);

static int rmap_kunit_wrprotect_pte(pte_t *ptep, unsigned long addr,
				    unsigned long next, struct mm_walk *walk)
{
	ptep_set_wrprotect(walk->mm, addr, ptep);
	return 0;
}

static const struct mm_walk_ops rmap_kunit_wrprotect_ops = {
	.pte_entry = rmap_kunit_wrprotect_pte,
};

/**
 * rmap_kunit_wrprotect() - Make a page table entry read-only, and nothing else
 * @test: the test
 * @addr: user address of a page that is mapped writable
 *
 * As clearing soft-dirty bits does.
 */
void rmap_kunit_wrprotect(struct kunit *test, unsigned long addr)
{
	pte_t pte;

	mmap_write_lock(current->mm);
	vma_start_write(vma_lookup(current->mm, addr));
	walk_page_range(current->mm, addr, addr + PAGE_SIZE,
			&rmap_kunit_wrprotect_ops, NULL);
	rmap_kunit_flush_tlb();
	mmap_write_unlock(current->mm);
	pte = rmap_kunit_entry(test, addr).pte;
	KUNIT_ASSERT_TRUE(test, pte_present(pte) && !pte_write(pte));
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_wrprotect);

/**
 * rmap_kunit_is_hole() - Is there nothing at all at an address?
 * @test: the test
 * @addr: user address, page aligned
 *
 * Return: true if neither a page nor a swap or migration entry is there.
 */
bool rmap_kunit_is_hole(struct kunit *test, unsigned long addr)
{
	struct rmap_kunit_entry entry = rmap_kunit_entry(test, addr);

	if (pmd_none(entry.pmd))
		return true;
	return pmd_present(entry.pmd) && !pmd_leaf(entry.pmd) &&
	       pte_none(entry.pte);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_is_hole);

/**
 * rmap_kunit_folio_state() - Take down what a caller of rmap_walk() must not change
 * @folio: the folio
 *
 * Return: the state.
 */
struct rmap_kunit_folio_state rmap_kunit_folio_state(struct folio *folio)
{
	struct rmap_kunit_folio_state state = {
		.refs = folio_ref_count(folio),
		.mapcount = folio_mapcount(folio),
		.anon_vma = folio_anon_vma(folio),
		.locked = folio_test_locked(folio),
	};

	if (state.anon_vma)
		state.anon_vma_refs = atomic_read(&state.anon_vma->refcount);
	return state;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_folio_state);

/**
 * rmap_kunit_expect_unchanged() - Expect locks and references to be as before
 * @test: the test
 * @folio: the folio
 * @before: its state before
 *
 * That the root's rwsem is free is expected too.
 */
void rmap_kunit_expect_unchanged(struct kunit *test, struct folio *folio,
				 const struct rmap_kunit_folio_state *before)
{
	struct rmap_kunit_folio_state now = rmap_kunit_folio_state(folio);

	KUNIT_EXPECT_EQ(test, now.refs, before->refs);
	KUNIT_EXPECT_EQ(test, now.mapcount, before->mapcount);
	KUNIT_EXPECT_PTR_EQ(test, now.anon_vma, before->anon_vma);
	KUNIT_EXPECT_EQ(test, now.anon_vma_refs, before->anon_vma_refs);
	KUNIT_EXPECT_EQ(test, now.locked, before->locked);
	if (now.anon_vma)
		KUNIT_EXPECT_FALSE_MSG(test,
				       rwsem_is_locked(&now.anon_vma->root->rwsem),
				       "the root's rwsem was not released");
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_expect_unchanged);

/**
 * rmap_kunit_rss() - Count pages of the test's mm
 * @member: MM_ANONPAGES and the like
 *
 * Return: the exact number.
 */
long rmap_kunit_rss(int member)
{
	return rmap_kunit_rss_count(current->mm, member);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_rss);

/**
 * rmap_kunit_task_wait() - Wait until a task has given up its memory
 * @task: the task
 *
 * That is before it is gone for good. What it ran may be unloaded then.
 *
 * Return: false if it does not end within the time that any task may take.
 */
bool rmap_kunit_task_wait(struct task_struct *task)
{
	unsigned long end = jiffies + msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS);

	while (!READ_ONCE(task->exit_state)) {
		if (time_after(jiffies, end))
			return false;
		schedule_timeout_uninterruptible(1);
	}
	return true;
}

static int rmap_kunit_thread_fn(void *data)
{
	struct rmap_kunit_thread *thread = data;

	if (thread->started) {
		kthread_use_mm(thread->mm);
		thread->fn(thread->data);
		kthread_unuse_mm(thread->mm);
	}
	mmput(thread->mm);
	complete_all(&thread->done);
	return 0;
}

static void rmap_kunit_thread_end(void *data)
{
	struct kunit *test = kunit_get_current_test();
	struct rmap_kunit_thread *thread = data;

	if (!thread->started)
		wake_up_process(thread->task);
	/* What a stuck thread uses has to stay: leave all the rest to it. */
	if (!rmap_kunit_thread_wait(thread) || !rmap_kunit_task_wait(thread->task))
		KUNIT_FAIL_AND_ABORT(test, "thread %d is stuck",
				     task_pid_nr(thread->task));
	put_task_struct(thread->task);
	module_put(thread->owner);
	kfree(thread);
}

/**
 * rmap_kunit_thread_create_in() - Make a thread that works in the test's mm
 * @owner: the module that @fn is in; it stays as long as the thread does
 * @test: the test
 * @fn: what the thread is to run, once rmap_kunit_thread_start() is called for it
 * @data: for @fn; must live until the test ends, so not on the test's stack
 *
 * Return: the thread.
 */
struct rmap_kunit_thread *rmap_kunit_thread_create_in(struct module *owner,
						      struct kunit *test,
						      void (*fn)(void *data),
						      void *data)
{
	struct rmap_kunit_thread *thread;

	thread = kzalloc(sizeof(*thread), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, thread);
	init_completion(&thread->done);
	thread->fn = fn;
	thread->data = data;
	thread->mm = current->mm;
	thread->task = kthread_create(rmap_kunit_thread_fn, thread, "rmap_kunit");
	if (IS_ERR(thread->task)) {
		kfree(thread);
		KUNIT_FAIL_AND_ABORT(test, "cannot create a thread");
	}
	mmget(thread->mm);
	get_task_struct(thread->task);
	__module_get(owner);
	thread->owner = owner;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_thread_end,
							thread), 0);
	return thread;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_thread_create_in);

/**
 * rmap_kunit_thread_start() - Start a thread
 * @thread: the thread
 */
void rmap_kunit_thread_start(struct rmap_kunit_thread *thread)
{
	thread->started = true;
	wake_up_process(thread->task);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_thread_start);

static bool rmap_kunit_thread_sleeps_on(struct rmap_kunit_thread *thread,
					struct rw_semaphore *rwsem,
					struct folio *folio)
{
	unsigned int state = READ_ONCE(thread->task->__state);

	if (!rwsem && !folio)
		return state & (TASK_UNINTERRUPTIBLE | TASK_INTERRUPTIBLE);
	if (!(state & TASK_UNINTERRUPTIBLE))
		return false;
	return rwsem ? rwsem_is_contended(rwsem) : folio_test_waiters(folio);
}

static enum rmap_kunit_outcome
rmap_kunit_thread_settle(struct rmap_kunit_thread *thread,
			 struct rw_semaphore *rwsem, struct folio *folio)
{
	unsigned long end = jiffies + msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS);
	/* Whatever else it may sleep on for a moment: look longer. */
	int asleep_ms = rwsem || folio ? 5 : 20;
	ktime_t asleep = 0;

	/* There, an rwsem says so whenever it is write-locked: look longer. */
	if (rwsem && IS_ENABLED(CONFIG_PREEMPT_RT))
		asleep_ms = 100;

	while (!completion_done(&thread->done)) {
		if (!rmap_kunit_thread_sleeps_on(thread, rwsem, folio))
			asleep = 0;
		else if (!asleep)
			asleep = ktime_get();
		else if (ktime_ms_delta(ktime_get(), asleep) >= asleep_ms)
			return RMAP_KUNIT_BLOCKED;
		if (time_after(jiffies, end))
			return RMAP_KUNIT_BUSY;
		usleep_range(200, 400);
	}
	return RMAP_KUNIT_DONE;
}

/**
 * rmap_kunit_settle_on_rwsem() - Wait until a thread has ended or wants an rwsem
 * @thread: the thread
 * @rwsem: what it may have to wait for
 *
 * Return: what became of the thread.
 */
enum rmap_kunit_outcome
rmap_kunit_settle_on_rwsem(struct rmap_kunit_thread *thread,
			   struct rw_semaphore *rwsem)
{
	return rmap_kunit_thread_settle(thread, rwsem, NULL);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_settle_on_rwsem);

/**
 * rmap_kunit_settle_on_folio() - Wait until a thread has ended or wants a folio lock
 * @thread: the thread
 * @folio: the folio whose lock it may have to wait for
 *
 * Return: what became of the thread.
 */
enum rmap_kunit_outcome
rmap_kunit_settle_on_folio(struct rmap_kunit_thread *thread,
			   struct folio *folio)
{
	return rmap_kunit_thread_settle(thread, NULL, folio);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_settle_on_folio);

/**
 * rmap_kunit_settle_on_event() - Wait until a thread has ended or sleeps
 * @thread: the thread, of which is known what it may have to wait for
 *
 * Return: what became of the thread.
 */
enum rmap_kunit_outcome
rmap_kunit_settle_on_event(struct rmap_kunit_thread *thread)
{
	return rmap_kunit_thread_settle(thread, NULL, NULL);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_settle_on_event);

/**
 * rmap_kunit_thread_bind() - Have a thread run on one CPU
 * @thread: the thread, not started yet
 * @cpu: the CPU
 */
void rmap_kunit_thread_bind(struct rmap_kunit_thread *thread, unsigned int cpu)
{
	kthread_bind(thread->task, cpu);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_thread_bind);

/**
 * rmap_kunit_thread_wait() - Wait for a thread to end
 * @thread: the thread
 *
 * Return: false if it does not end within the time that any thread may take.
 */
bool rmap_kunit_thread_wait(struct rmap_kunit_thread *thread)
{
	return wait_for_completion_timeout(&thread->done,
					   msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS));
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_thread_wait);

/**
 * rmap_kunit_thread_data() - What the current thread was created with
 *
 * Return: the argument of the function that the thread runs.
 */
void *rmap_kunit_thread_data(void)
{
	struct rmap_kunit_thread *thread = kthread_data(current);

	return thread->data;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_thread_data);

#if defined(CONFIG_KPROBES) && defined(CONFIG_HAVE_FUNCTION_ARG_ACCESS_API)

static int rmap_kunit_probe_pre(struct kprobe *kprobe, struct pt_regs *regs)
{
	struct rmap_kunit_probe *probe =
		container_of(kprobe, struct rmap_kunit_probe, kprobe);

	if ((probe->task && current != probe->task) ||
	    (void *)regs_get_kernel_argument(regs, 0) != probe->value)
		return 0;
	if (probe->folio)
		probe->locked += folio_test_locked(probe->folio);
	if (probe->hits++ || !probe->detour)
		return 0;
	/* Arguments and return address are in place: it is as if called. */
	instruction_pointer_set(regs, (unsigned long)probe->detour);
	return 1;
}

/* Its presence keeps the kprobe from being optimised: detours need a real one. */
static void rmap_kunit_probe_post(struct kprobe *kprobe, struct pt_regs *regs,
				  unsigned long flags)
{
}

static void rmap_kunit_probe_end(void *data)
{
	struct rmap_kunit_probe *probe = data;

	unregister_kprobe(&probe->kprobe);
}

/**
 * rmap_kunit_probe() - Look at the calls of a function, or take one elsewhere
 * @test: the test
 * @probe: which calls, with the counts at zero; must live until the test ends
 * @symbol: the function
 *
 * A detour runs as the function would have: it may sleep if that might.
 *
 * Skips the test if the kernel has no kprobes, or they cannot see arguments.
 */
void rmap_kunit_probe(struct kunit *test, struct rmap_kunit_probe *probe,
		      const char *symbol)
{
	probe->kprobe.symbol_name = symbol;
	probe->kprobe.pre_handler = rmap_kunit_probe_pre;
	if (probe->detour)
		probe->kprobe.post_handler = rmap_kunit_probe_post;
	KUNIT_ASSERT_EQ_MSG(test, register_kprobe(&probe->kprobe), 0, "%s", symbol);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_probe_end,
							probe), 0);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_probe);

#else

void rmap_kunit_probe(struct kunit *test, struct rmap_kunit_probe *probe,
		      const char *symbol)
{
	kunit_skip(test, "needs KPROBES on an architecture that gives access to arguments");
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_probe);

#endif

static int rmap_kunit_child_fn(void *data)
{
	struct rmap_kunit_child *child = data;

	/* Copied from the test's thread, which it may outlive. */
	current->kunit_test = NULL;
	do {
		void (*fn)(struct rmap_kunit_child *child) = child->fn;

		child->fn = NULL;
		if (fn)
			fn(child);
		complete(&child->ready);
		wait_for_completion_killable(&child->release);
	} while (child->fn);
	/* There is no user space that this could return to. */
	do_exit(0);
}

static struct task_struct *rmap_kunit_find_task(pid_t nr)
{
	struct pid *pid = find_get_pid(nr);
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);

	put_pid(pid);
	return task;
}

static void rmap_kunit_child_end(void *data)
{
	struct kunit *test = kunit_get_current_test();
	struct rmap_kunit_child *child = data;

	complete_all(&child->release);
	if (!rmap_kunit_task_wait(child->task))
		KUNIT_FAIL_AND_ABORT(test, "child %d is stuck",
				     task_pid_nr(child->task));
	put_task_struct(child->task);
	module_put(child->owner);
	kfree(child);
}

/**
 * rmap_kunit_fork_in() - Fork the test
 * @owner: the module that @fn is in; it stays as long as the child does
 * @test: the test
 * @fn: what the child does first, may be %NULL; then it waits to be reaped
 * @data: for @fn, in child->data
 *
 * A real fork: the child has a copy of the test's mm, and runs a kernel function
 * in it.
 *
 * Return: the child, after @fn has returned.
 */
struct rmap_kunit_child *rmap_kunit_fork_in(struct module *owner,
					    struct kunit *test,
					    void (*fn)(struct rmap_kunit_child *child),
					    void *data)
{
	struct rmap_kunit_child *child;
	struct kernel_clone_args args = {
		/* A child of kthreadd, which leaves no zombies. */
		.flags = CLONE_PARENT,
		.fn = rmap_kunit_child_fn,
	};
	unsigned long left;
	pid_t pid;

	child = kzalloc(sizeof(*child), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, child);
	init_completion(&child->ready);
	init_completion(&child->release);
	child->fn = fn;
	child->data = data;
	args.fn_arg = child;
	pid = kernel_clone(&args);
	if (pid < 0) {
		kfree(child);
		KUNIT_FAIL_AND_ABORT(test, "fork: %d", pid);
	}
	__module_get(owner);
	child->owner = owner;
	child->task = rmap_kunit_find_task(pid);
	KUNIT_ASSERT_NOT_NULL(test, child->task);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, rmap_kunit_child_end,
							child), 0);
	left = wait_for_completion_timeout(&child->ready,
					   msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS));
	KUNIT_ASSERT_GT(test, left, 0);
	return child;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_fork_in);

/**
 * rmap_kunit_child_run() - Have a child do something more
 * @test: the test
 * @child: the child
 * @fn: what it is to do; has returned when this returns
 */
void rmap_kunit_child_run(struct kunit *test, struct rmap_kunit_child *child,
			  void (*fn)(struct rmap_kunit_child *child))
{
	unsigned long left;

	child->fn = fn;
	complete(&child->release);
	left = wait_for_completion_timeout(&child->ready,
					   msecs_to_jiffies(RMAP_KUNIT_TIMEOUT_MS));
	KUNIT_ASSERT_GT(test, left, 0);
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_child_run);

/**
 * rmap_kunit_reap() - Let a child exit, and wait until its memory is gone
 * @test: the test
 * @child: the child
 */
void rmap_kunit_reap(struct kunit *test, struct rmap_kunit_child *child)
{
	complete_all(&child->release);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_task_wait(child->task));
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_reap);

static void rmap_kunit_look(struct mmu_notifier *notifier)
{
	struct rmap_kunit_observer *observer =
		container_of(notifier, struct rmap_kunit_observer, notifier);
	struct anon_vma *anon_vma = folio_anon_vma(observer->folio);
	bool locked = folio_test_locked(observer->folio);

	observer->calls++;
	observer->locked += locked;
	if (anon_vma && rwsem_is_locked(&anon_vma->root->rwsem)) {
		observer->rwsem_held++;
		observer->locked_walks += locked;
	}
}

static RMAP_KUNIT_YOUNG rmap_kunit_clear_young(struct mmu_notifier *notifier,
					       struct mm_struct *mm,
					       unsigned long start,
					       unsigned long end)
{
	rmap_kunit_look(notifier);
	return 0;
}

static RMAP_KUNIT_YOUNG rmap_kunit_test_young(struct mmu_notifier *notifier,
					      struct mm_struct *mm,
					      unsigned long addr)
{
	rmap_kunit_look(notifier);
	return 0;
}

static const struct mmu_notifier_ops rmap_kunit_observer_ops = {
	.clear_young = rmap_kunit_clear_young,
	.clear_flush_young = rmap_kunit_clear_young,
	.test_young = rmap_kunit_test_young,
};

static void rmap_kunit_observer_end(void *data)
{
	struct rmap_kunit_observer *observer = data;

	mmu_notifier_unregister(&observer->notifier, observer->notifier.mm);
}

/**
 * rmap_kunit_observe() - Look at a folio from inside the rmap walks that reach it
 * @test: the test
 * @folio: the folio, mapped in the test's mm; no other is walked meanwhile
 *
 * The observer sees walks that test or clear young bits, for as long as the
 * test runs.
 *
 * Return: the observer.
 */
struct rmap_kunit_observer *rmap_kunit_observe(struct kunit *test,
					       struct folio *folio)
{
	struct rmap_kunit_observer *observer;

	observer = kunit_kzalloc(test, sizeof(*observer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, observer);
	observer->notifier.ops = &rmap_kunit_observer_ops;
	observer->folio = folio;
	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&observer->notifier,
						    current->mm), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test,
							rmap_kunit_observer_end,
							observer), 0);
	return observer;
}
EXPORT_SYMBOL_IF_KUNIT(rmap_kunit_observe);

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

#ifdef CONFIG_MEMCG

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

#endif /* CONFIG_MEMCG */
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
	struct fs_struct *own;
	struct file *file;
	loff_t pos = 0;

	header = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, header);
	own = rmap_kunit_borrow_files();
	file = filp_open(path, O_RDWR | O_EXCL | O_LARGEFILE, 0);
	rmap_kunit_return_files(own);
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
	pte_t pte = rmap_kunit_entry(test, addr).pte;

	return is_swap_pte(pte) && !non_swap_entry(pte_to_swp_entry(pte));
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

MODULE_IMPORT_NS_KUNIT;
MODULE_DESCRIPTION("Helpers of the KUnit tests for the reverse map");
MODULE_LICENSE("GPL");
