/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers of the KUnit suites about the reverse map of anonymous folios.
 *
 * Whatever a helper hands out is released with the test, also when an assertion
 * ends it. If the kernel under test leaves a thread stuck or a lock held, what
 * that may concern is leaked instead, and the test has failed. Nothing here waits
 * without a bound.
 */
#ifndef _MM_TESTS_RMAP_KUNIT_HELPERS_H
#define _MM_TESTS_RMAP_KUNIT_HELPERS_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/kprobes.h>
#include <linux/mm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/rmap.h>

struct rw_semaphore;

/**
 * enum rmap_kunit_contract - What keeps folio->mapping still during an rmap walk
 * @RMAP_KUNIT_LOCKED: The folio lock. Every walk holds it, and so does whoever
 *	moves the folio.
 * @RMAP_KUNIT_REVALIDATE: The rwsem of the anon_vma's root. Whoever moves the
 *	folio holds it for writing, and a walk looks at folio->mapping again
 *	after it got the rwsem.
 */
enum rmap_kunit_contract {
	RMAP_KUNIT_LOCKED,
	RMAP_KUNIT_REVALIDATE,
};

/* Always in the kernel itself */
long rmap_kunit_syscall6(unsigned int nr, unsigned long a, unsigned long b,
			 unsigned long c, unsigned long d, unsigned long e,
			 unsigned long f);
void rmap_kunit_flush_tlb(void);

int rmap_kunit_suite_init(struct kunit_suite *suite);
bool rmap_kunit_has_contract(enum rmap_kunit_contract contract);
void rmap_kunit_needs_contract(struct kunit *test,
			       enum rmap_kunit_contract needed);
void rmap_kunit_needs_syscalls(struct kunit *test);

/* Memory of the test's own process */
unsigned long rmap_kunit_mmap(struct kunit *test, unsigned long nr_pages);
unsigned long rmap_kunit_mmap_far(struct kunit *test, unsigned long len);
unsigned long rmap_kunit_mmap_thps(struct kunit *test, unsigned long nr);
unsigned long rmap_kunit_mmap_thp(struct kunit *test);
unsigned long rmap_kunit_mmap_file(struct kunit *test);
unsigned long rmap_kunit_mmap_private_file(struct kunit *test);
void rmap_kunit_mprotect(struct kunit *test, unsigned long addr,
			 unsigned long len, unsigned long prot);
unsigned long rmap_kunit_mmap_hugetlb(struct kunit *test);
unsigned long rmap_kunit_mremap(struct kunit *test, unsigned long addr,
				unsigned long nr_pages);
void rmap_kunit_mlock(struct kunit *test, unsigned long addr, unsigned long len);
void rmap_kunit_write(struct kunit *test, unsigned long addr, u32 value);
int rmap_kunit_touch(unsigned long addr);
u32 rmap_kunit_read(struct kunit *test, unsigned long addr);
void rmap_kunit_zap(struct kunit *test, unsigned long addr, unsigned long len);
struct folio *rmap_kunit_folio(struct kunit *test, unsigned long addr);
struct folio *rmap_kunit_new_folio(struct kunit *test, unsigned long addr,
				   u32 value);
struct folio *rmap_kunit_new_thp(struct kunit *test, unsigned long addr,
				 u32 value);
struct folio *rmap_kunit_new_ksm_folio(struct kunit *test, unsigned long addr,
				       int nr_pages);
void rmap_kunit_put_folio(struct kunit *test, struct folio *folio);
struct anon_vma *rmap_kunit_anon_vma(struct kunit *test, unsigned long addr);
pgoff_t rmap_kunit_index(struct kunit *test, unsigned long addr);

/**
 * struct rmap_kunit_entry - The page table entries for an address
 * @pmdp: the place of @pmd; %NULL if there is none, or @pmd is empty
 * @pmd: the PMD
 * @pte: the PTE; empty as well if there is no page table
 */
struct rmap_kunit_entry {
	pmd_t *pmdp;
	pmd_t pmd;
	pte_t pte;
};

struct rmap_kunit_entry rmap_kunit_entry(struct kunit *test, unsigned long addr);
void rmap_kunit_wrprotect(struct kunit *test, unsigned long addr);
bool rmap_kunit_is_hole(struct kunit *test, unsigned long addr);
bool rmap_kunit_is_swapped(struct kunit *test, unsigned long addr);

long rmap_kunit_rss(int member);

/* Swap */
void rmap_kunit_swapon(struct kunit *test);
bool rmap_kunit_in_swap_cache(struct kunit *test, unsigned long addr);
void rmap_kunit_page_out(struct kunit *test, unsigned long addr);

/**
 * struct rmap_kunit_folio_state - What a caller must leave as it was
 * @refs: references
 * @mapcount: page table entries that map the folio
 * @anon_vma: the anon_vma that it leads to, %NULL if it is not anonymous
 * @anon_vma_refs: references of @anon_vma
 * @locked: whether the folio is locked
 */
struct rmap_kunit_folio_state {
	int refs;
	int mapcount;
	struct anon_vma *anon_vma;
	int anon_vma_refs;
	bool locked;
};

struct rmap_kunit_folio_state rmap_kunit_folio_state(struct folio *folio);
void rmap_kunit_expect_unchanged(struct kunit *test, struct folio *folio,
				 const struct rmap_kunit_folio_state *before);

/**
 * struct rmap_kunit_thread - A kernel thread that works in the test's mm
 * @task: the thread
 * @started: whether it is to run @fn
 * @done: completed when @fn has returned
 * @mm: the test's mm
 * @fn: what it runs
 * @data: what @fn gets
 * @owner: the module that has @fn
 */
struct rmap_kunit_thread {
	struct task_struct *task;
	bool started;
	struct completion done;
	struct mm_struct *mm;
	void (*fn)(void *data);
	void *data;
	struct module *owner;
};

/**
 * enum rmap_kunit_outcome - What became of a thread
 * @RMAP_KUNIT_DONE: It has finished.
 * @RMAP_KUNIT_BLOCKED: It waits for what the test holds.
 * @RMAP_KUNIT_BUSY: Neither, for longer than any thread may take.
 */
enum rmap_kunit_outcome {
	RMAP_KUNIT_DONE,
	RMAP_KUNIT_BLOCKED,
	RMAP_KUNIT_BUSY,
};

/* Until it ends, or for ever if it is stuck, the caller's module is not unloaded. */
#define rmap_kunit_thread_create(test, fn, data) \
	rmap_kunit_thread_create_in(THIS_MODULE, test, fn, data)
struct rmap_kunit_thread *rmap_kunit_thread_create_in(struct module *owner,
						      struct kunit *test,
						      void (*fn)(void *data),
						      void *data);
void rmap_kunit_thread_bind(struct rmap_kunit_thread *thread, unsigned int cpu);
void rmap_kunit_thread_start(struct rmap_kunit_thread *thread);
enum rmap_kunit_outcome
rmap_kunit_settle_on_rwsem(struct rmap_kunit_thread *thread,
			   struct rw_semaphore *rwsem);
enum rmap_kunit_outcome
rmap_kunit_settle_on_folio(struct rmap_kunit_thread *thread,
			   struct folio *folio);
enum rmap_kunit_outcome
rmap_kunit_settle_on_event(struct rmap_kunit_thread *thread);
bool rmap_kunit_thread_wait(struct rmap_kunit_thread *thread);
void *rmap_kunit_thread_data(void);

/**
 * struct rmap_kunit_probe - What calls of a function are looked for
 * @task: calls in this thread; %NULL for any
 * @value: what the first argument must be
 * @detour: the function that is called instead the first time, of the same
 *	type; it may call the real one. %NULL for none
 * @folio: a folio to look at, may be %NULL
 * @hits: how often such a call was seen
 * @locked: how often @folio was locked then
 * @kprobe: sees the calls
 */
struct rmap_kunit_probe {
	struct task_struct *task;
	const void *value;
	void *detour;
	struct folio *folio;
	int hits;
	int locked;
#ifdef CONFIG_KPROBES
	struct kprobe kprobe;
#endif
};

void rmap_kunit_probe(struct kunit *test, struct rmap_kunit_probe *probe,
		      const char *symbol);

/**
 * struct rmap_kunit_child - A forked process
 * @task: the process
 * @ready: completed by the child when @fn has returned
 * @release: completed when the child is to run @fn, or to exit if that is %NULL
 * @fn: what it runs next, may be %NULL
 * @data: for @fn
 * @owner: the module that has @fn
 */
struct rmap_kunit_child {
	struct task_struct *task;
	struct completion ready;
	struct completion release;
	void (*fn)(struct rmap_kunit_child *child);
	void *data;
	struct module *owner;
};

#define rmap_kunit_fork(test, fn, data) \
	rmap_kunit_fork_in(THIS_MODULE, test, fn, data)
struct rmap_kunit_child *rmap_kunit_fork_in(struct module *owner,
					    struct kunit *test,
					    void (*fn)(struct rmap_kunit_child *child),
					    void *data);
void rmap_kunit_child_run(struct kunit *test, struct rmap_kunit_child *child,
			  void (*fn)(struct rmap_kunit_child *child));
void rmap_kunit_reap(struct kunit *test, struct rmap_kunit_child *child);

/**
 * struct rmap_kunit_observer - Looks at a folio from inside the rmap walk
 * @notifier: called under the page table lock when a young bit is tested
 * @folio: the folio to look at
 * @calls: how often a young bit was tested or cleared
 * @locked: how often the folio was locked then
 * @rwsem_held: how often the root's rwsem was held then
 * @locked_walks: how often both
 */
struct rmap_kunit_observer {
	struct mmu_notifier notifier;
	struct folio *folio;
	int calls;
	int locked;
	int rwsem_held;
	int locked_walks;
};

struct rmap_kunit_observer *rmap_kunit_observe(struct kunit *test,
					       struct folio *folio);

struct file *rmap_kunit_open(struct kunit *test, const char *fs,
			     const char *path, int flags);
unsigned int rmap_kunit_read_uint(struct kunit *test, struct file *file);
void rmap_kunit_set(struct kunit *test, const char *fs, const char *path,
		    const char *value);

struct mem_cgroup *rmap_kunit_enter_memcg(struct kunit *test);
void rmap_kunit_leave_memcg(struct kunit *test);

long rmap_kunit_uffd_ioctl(struct kunit *test, struct file *uffd,
			   unsigned int cmd, void *arg, size_t size);
struct file *rmap_kunit_uffd_open_any(struct kunit *test, u64 *features);
struct file *rmap_kunit_uffd_open_with(struct kunit *test, u64 features);
struct file *rmap_kunit_uffd_open(struct kunit *test);
u64 rmap_kunit_uffd_register_for(struct kunit *test, struct file *uffd,
				 unsigned long addr, unsigned long len, u64 mode);
void rmap_kunit_uffd_register(struct kunit *test, struct file *uffd,
			      unsigned long addr, unsigned long len);

#endif /* _MM_TESTS_RMAP_KUNIT_HELPERS_H */
