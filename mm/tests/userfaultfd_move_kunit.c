// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of UFFDIO_MOVE, through the ioctl that user space calls: moves of
 * anonymous folios to a VMA whose anon_vma has another root.
 *
 * While a test holds a lock it neither ASSERTs nor EXPECTs: the one would end the
 * thread with the lock held, the other allocates memory when it fails. Not so with
 * a folio lock that a KUnit action lets go of, see move_block_on_folio().
 */
#include <kunit/test.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/pagewalk.h>
#include <linux/rmap.h>
#include <linux/sched/cputime.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/uaccess.h>
#include <linux/userfaultfd_k.h>
#include <uapi/linux/userfaultfd.h>
#include <asm/futex.h>

#include "../internal.h"
#include "rmap_kunit_compat.h"
#include "rmap_kunit_helpers.h"

/**
 * struct move - A move that is to be made
 * @src: address of the source area
 * @dst: address of the destination area: a hole in a VMA that has its anon_vma,
 *	registered with @uffd
 * @len: length of either area in bytes
 * @folio: the folio at @src; %NULL if that is swapped out and not in the swap cache
 * @entry: the swap entry at @src, if there is one
 * @old: the anon_vma of the source
 * @new: the anon_vma of the destination
 * @folio_refs: references of @folio before the move
 * @old_refs: references of @old before the move
 * @new_refs: references of @new before the move
 * @lru: whether @folio is on an LRU list before the move
 * @uffd: the userfaultfd
 * @arg: user address for the ioctl's argument
 * @fill: user address of a page for move_fill(), and of one more
 * @thread: makes the move; not started yet
 * @req: the argument; starts as a move of the whole area
 * @ret: what the ioctl returned
 * @anon: what the ioctl added to the number of anonymous pages of the mm
 * @swapped: what it added to the number of pages that are swapped out
 */
struct move {
	unsigned long src;
	unsigned long dst;
	unsigned long len;
	struct folio *folio;
	swp_entry_t entry;
	struct anon_vma *old;
	struct anon_vma *new;
	int folio_refs;
	int old_refs;
	int new_refs;
	bool lru;
	struct file *uffd;
	unsigned long arg;
	unsigned long fill;
	struct rmap_kunit_thread *thread;
	struct uffdio_move req;
	long ret;
	long anon;
	long swapped;
};

#define MOVE_VALUE	0x600dbeef
#define MOVE_OTHER	0x0ddba11
#define MOVE_THP_PAGES	(PMD_SIZE / PAGE_SIZE)

static void move_call(void *data)
{
	struct move *move = data;
	void __user *arg = (void __user *)move->arg;

	move->anon = -rmap_kunit_rss(MM_ANONPAGES);
	move->swapped = -rmap_kunit_rss(MM_SWAPENTS);
	if (copy_to_user(arg, &move->req, sizeof(move->req)))
		move->ret = -EFAULT;
	else
		move->ret = rmap_kunit_ioctl(move->uffd, UFFDIO_MOVE, move->arg);
	move->anon += rmap_kunit_rss(MM_ANONPAGES);
	move->swapped += rmap_kunit_rss(MM_SWAPENTS);
	if (copy_from_user(&move->req, arg, sizeof(move->req)))
		move->ret = -EFAULT;
}

/* Ask for a move of the first @len bytes. */
static void move_set_request(struct move *move, unsigned long len)
{
	move->req = (struct uffdio_move) {
		.dst = move->dst,
		.src = move->src,
		.len = len,
	};
}

/* Take down the references, with the folio where it is. */
static void move_count_references(struct move *move)
{
	if (move->folio) {
		move->folio_refs = folio_ref_count(move->folio);
		move->lru = folio_test_lru(move->folio);
	}
	move->old_refs = atomic_read(&move->old->refcount);
	move->new_refs = atomic_read(&move->new->refcount);
}

/* All but the source page. */
static struct move *move_alloc(struct kunit *test, unsigned long src,
			       unsigned long dst, unsigned long len)
{
	struct move *move;

	move = kunit_kzalloc(test, sizeof(*move), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, move);
	move->src = src;
	move->dst = dst;
	move->len = len;
	move->uffd = rmap_kunit_uffd_open(test);
	move->arg = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, move->arg, 0);
	move->fill = rmap_kunit_mmap(test, 2);
	rmap_kunit_write(test, move->fill, MOVE_OTHER);
	rmap_kunit_write(test, move->fill + PAGE_SIZE, 0);

	/* An anon_vma, and nothing mapped. */
	rmap_kunit_write(test, dst, 0);
	rmap_kunit_zap(test, dst, len);
	rmap_kunit_uffd_register(test, move->uffd, dst, len);
	move->new = rmap_kunit_anon_vma(test, dst);
	KUNIT_ASSERT_NOT_NULL(test, move->new);
	return move;
}

static struct move *move_ready(struct kunit *test, struct move *move,
			       struct folio *folio)
{
	move->folio = folio;
	move->old = rmap_kunit_anon_vma(test, move->src);
	KUNIT_ASSERT_PTR_NE(test, move->old->root, move->new->root);
	move_set_request(move, move->len);
	move_count_references(move);
	move->thread = rmap_kunit_thread_create(test, move_call, move);
	return move;
}

static struct move *move_page(struct kunit *test)
{
	struct move *move = move_alloc(test, rmap_kunit_mmap(test, 1),
				       rmap_kunit_mmap(test, 1), PAGE_SIZE);

	return move_ready(test, move,
			  rmap_kunit_new_folio(test, move->src, MOVE_VALUE));
}

static struct move *move_thp(struct kunit *test)
{
	struct move *move = move_alloc(test, rmap_kunit_mmap_thp(test),
				       rmap_kunit_mmap_thp(test), PMD_SIZE);

	return move_ready(test, move,
			  rmap_kunit_new_thp(test, move->src, MOVE_VALUE));
}

/* A page that is swapped out; its folio is in the swap cache or is gone. */
static struct move *move_swapped_page(struct kunit *test, bool in_swap_cache)
{
	struct move *move;

	if (!rmap_kunit_has_exclusive_swap())
		kunit_skip(test, "this kernel has no exclusive swap entries on this architecture");
	rmap_kunit_swapon(test);
	move = move_page(test);
	/* Only a folio with no other reference leaves the swap cache. */
	if (!in_swap_cache) {
		rmap_kunit_put_folio(test, move->folio);
		move->folio = NULL;
	}
	rmap_kunit_page_out(test, move->src);
	KUNIT_ASSERT_EQ(test, rmap_kunit_in_swap_cache(test, move->src),
			in_swap_cache);
	move->entry = pte_to_swp_entry(rmap_kunit_entry(test, move->src).pte);
	lru_add_drain_all();
	move_count_references(move);
	return move;
}

/* Areas of @nr pages with nothing mapped. */
static struct move *move_area(struct kunit *test, unsigned long nr)
{
	struct move *move = move_alloc(test, rmap_kunit_mmap(test, nr),
				       rmap_kunit_mmap(test, nr), nr * PAGE_SIZE);

	move_set_request(move, move->len);
	return move;
}

/*
 * Put a page where one is missing, as a handler of faults does. Maps nothing for
 * that: it would wait for a move that sleeps.
 */
static void move_fill(struct kunit *test, struct move *move, unsigned long addr)
{
	struct uffdio_copy copy = {
		.dst = addr,
		.src = move->fill,
		.len = PAGE_SIZE,
	};
	unsigned long arg = move->fill + PAGE_SIZE;

	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)arg, &copy, sizeof(copy)), 0);
	KUNIT_ASSERT_EQ(test, rmap_kunit_ioctl(move->uffd, UFFDIO_COPY, arg), 0);
}

/* Where a walk of a folio led to. */
struct move_visits {
	int count;
	unsigned long addr;
};

static bool move_visit(struct folio *folio, struct vm_area_struct *vma,
		       unsigned long addr, void *arg)
{
	struct move_visits *visits = arg;

	visits->count++;
	visits->addr = addr;
	return true;
}

/* A walk of the folio leads to @addr, and nowhere else. */
static void move_expect_walk(struct kunit *test, struct folio *folio,
			     unsigned long addr)
{
	struct move_visits visits = {};
	struct rmap_walk_control rwc = {
		.rmap_one = move_visit,
		.arg = &visits,
	};

	folio_lock(folio);
	rmap_walk(folio, &rwc);
	folio_unlock(folio);
	KUNIT_EXPECT_EQ(test, visits.count, 1);
	KUNIT_EXPECT_EQ(test, visits.addr, addr);
}

/* Make the move, and expect what the ioctl returns and what it reports. */
static void move_expect(struct kunit *test, struct move *move, long ret,
			long reported)
{
	move->req.move = 0;
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, ret);
	KUNIT_EXPECT_EQ(test, move->req.move, reported);
	KUNIT_EXPECT_EQ(test, move->anon, 0);
	KUNIT_EXPECT_EQ(test, move->swapped, 0);
}

/* Where the reverse map has the folio, mapped or in the swap cache. */
static void move_expect_rmap(struct kunit *test, struct folio *folio,
			     unsigned long addr)
{
	KUNIT_EXPECT_PTR_EQ(test, folio_anon_vma(folio),
			    rmap_kunit_anon_vma(test, addr));
	KUNIT_EXPECT_EQ(test, folio->index, rmap_kunit_index(test, addr));
}

/* What holds after each move of a page. */
static void move_expect_balanced(struct kunit *test, struct move *move)
{
	KUNIT_ASSERT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_EQ(test, move->req.move, move->len);
	KUNIT_EXPECT_EQ(test, move->anon, 0);
	KUNIT_EXPECT_EQ(test, move->swapped, 0);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&move->old->root->rwsem));
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&move->new->root->rwsem));
	KUNIT_EXPECT_EQ(test, atomic_read(&move->old->refcount), move->old_refs);
	KUNIT_EXPECT_EQ(test, atomic_read(&move->new->refcount), move->new_refs);
	if (move->folio) {
		KUNIT_ASSERT_FALSE(test, folio_test_locked(move->folio));
		KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio),
				move->folio_refs);
		KUNIT_EXPECT_EQ(test, folio_test_lru(move->folio), move->lru);
		move_expect_rmap(test, move->folio, move->dst);
	}
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
}

/* The folio is at the destination, and only there; nothing is left behind. */
static void move_expect_moved(struct kunit *test, struct move *move)
{
	struct rmap_kunit_entry entry;

	move_expect_balanced(test, move);
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, move->dst), move->folio);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&move->folio->page));
	KUNIT_EXPECT_EQ(test, folio_mapcount(move->folio), 1);
	move_expect_walk(test, move->folio, move->dst);

	entry = rmap_kunit_entry(test, move->dst);
	if (pmd_leaf(entry.pmd))
		KUNIT_EXPECT_TRUE(test, pmd_write(entry.pmd));
	else
		KUNIT_EXPECT_TRUE(test, pte_write(entry.pte));
}

/* The swap entry is at the destination, and so is the page when it is read in. */
static void move_expect_moved_swapped(struct kunit *test, struct move *move)
{
	struct folio *folio = move->folio;
	u32 value = 0;
	pte_t pte;

	move_expect_balanced(test, move);
	KUNIT_ASSERT_EQ(test, rmap_kunit_in_swap_cache(test, move->dst), !!folio);
	pte = rmap_kunit_entry(test, move->dst).pte;
	KUNIT_EXPECT_EQ(test, pte_to_swp_entry(pte).val, move->entry.val);
	KUNIT_EXPECT_TRUE(test, pte_swp_exclusive(pte));

	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)move->dst), 0);
	KUNIT_EXPECT_EQ(test, value, MOVE_VALUE);
	move->folio = rmap_kunit_folio(test, move->dst);
	if (folio)
		KUNIT_EXPECT_PTR_EQ(test, move->folio, folio);
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&move->folio->page));
	move_expect_rmap(test, move->folio, move->dst);
	move_expect_walk(test, move->folio, move->dst);
}

/* User space is told about the ioctl: when it opens a userfaultfd, and for each range. */
static void ioctl_is_offered(struct kunit *test)
{
	const unsigned long areas[] = {
		rmap_kunit_mmap(test, 1),
		rmap_kunit_mmap_file(test),
	};
	u64 features = 0, ioctls;
	struct file *uffd;
	int i;

	uffd = rmap_kunit_uffd_open_any(test, &features);
	KUNIT_ASSERT_TRUE_MSG(test, features & UFFD_FEATURE_MOVE,
			      "UFFDIO_MOVE is missing");
	for (i = 0; i < ARRAY_SIZE(areas); i++) {
		ioctls = rmap_kunit_uffd_register_for(test, uffd, areas[i], PAGE_SIZE,
						      UFFDIO_REGISTER_MODE_MISSING);
		KUNIT_EXPECT_TRUE(test, ioctls & BIT_ULL(_UFFDIO_MOVE));
	}
}

/* A move takes the page, and the folio's place in the reverse map, with it. */
static void page_moves_with_its_anon_vma(struct kunit *test)
{
	struct move *move = move_page(test);

	move_call(move);
	move_expect_moved(test, move);
}

static void thp_moves_whole_with_its_anon_vma(struct kunit *test)
{
	struct move *move = move_thp(test);

	move_call(move);
	KUNIT_EXPECT_EQ(test, folio_size(move->folio), PMD_SIZE);
	move_expect_moved(test, move);
}

/* A page that is shared with a child is not moved; once it is not, it is. */
static void forked_page_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	struct rmap_kunit_child *child = rmap_kunit_fork(test, NULL, NULL);
	struct rmap_kunit_folio_state before = rmap_kunit_folio_state(move->folio);

	KUNIT_ASSERT_EQ(test, before.mapcount, 2);
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, -EBUSY);
	KUNIT_EXPECT_EQ(test, move->req.move, -EBUSY);
	rmap_kunit_expect_unchanged(test, move->folio, &before);
	KUNIT_EXPECT_EQ(test, move->folio->index, rmap_kunit_index(test, move->src));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);

	/* A write makes it the parent's alone, in place or in a copy. */
	rmap_kunit_reap(test, child);
	rmap_kunit_write(test, move->src, MOVE_VALUE);
	lru_add_drain_all();
	move->folio = rmap_kunit_folio(test, move->src);
	move_count_references(move);
	move_set_request(move, move->len);
	move_call(move);
	move_expect_moved(test, move);
}

/* A page moves inside its VMA too, and back again. */
static void page_moves_inside_a_vma_and_back(struct kunit *test)
{
	unsigned long area = rmap_kunit_mmap(test, 2);
	struct move *move = move_alloc(test, area, area + PAGE_SIZE, PAGE_SIZE);
	struct anon_vma *anon_vma = move->new;

	move->folio = rmap_kunit_new_folio(test, move->src, MOVE_VALUE);
	/* Registering the destination has split the VMA; the anon_vma is the same. */
	move->old = rmap_kunit_anon_vma(test, move->src);
	KUNIT_ASSERT_PTR_EQ(test, move->old, anon_vma);
	rmap_kunit_uffd_register(test, move->uffd, area, 2 * PAGE_SIZE);

	move_count_references(move);
	move_set_request(move, PAGE_SIZE);
	move_call(move);
	move_expect_moved(test, move);

	swap(move->src, move->dst);
	move_count_references(move);
	move_set_request(move, PAGE_SIZE);
	move_call(move);
	move_expect_moved(test, move);
}

/* The zero page: there is no folio to lock, and none to take along. */
static void zero_page_moves(struct kunit *test)
{
	struct move *move = move_alloc(test, rmap_kunit_mmap(test, 1),
				       rmap_kunit_mmap(test, 1), PAGE_SIZE);
	u32 value;
	pte_t pte;

	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)move->src), 0);
	KUNIT_EXPECT_EQ(test, value, 0);
	pte = rmap_kunit_entry(test, move->src).pte;
	KUNIT_ASSERT_TRUE(test, pte_present(pte) && is_zero_pfn(pte_pfn(pte)));

	move_set_request(move, PAGE_SIZE);
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_EQ(test, move->req.move, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	pte = rmap_kunit_entry(test, move->dst).pte;
	KUNIT_EXPECT_TRUE(test, pte_present(pte) && is_zero_pfn(pte_pfn(pte)));
	KUNIT_EXPECT_FALSE(test, pte_write(pte));
}

/* What the ioctl must say to the request as it is, with nothing moved. */
static void move_expect_refused(struct kunit *test, struct move *move, long err)
{
	long reported = move->req.move;

	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, err);
	KUNIT_EXPECT_TRUE(test, move->req.move == err || move->req.move == reported);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);
	KUNIT_EXPECT_PTR_EQ(test, folio_anon_vma(move->folio), move->old);
	KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio), move->folio_refs);
	KUNIT_EXPECT_FALSE(test, folio_test_locked(move->folio));
}

/* A hole is refused unless holes are allowed; then it counts as moved. */
static void hole_moves_if_allowed(struct kunit *test)
{
	struct move *move = move_alloc(test, rmap_kunit_mmap(test, 1),
				       rmap_kunit_mmap(test, 1), PAGE_SIZE);

	move_set_request(move, PAGE_SIZE);
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, -ENOENT);
	KUNIT_EXPECT_EQ(test, move->req.move, -ENOENT);

	move_set_request(move, PAGE_SIZE);
	move->req.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_EQ(test, move->req.move, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* What was moved away is a hole: it reads as zeroes, and takes a new page. */
static void move_expect_hole_to_fault(struct kunit *test, struct move *move)
{
	u32 value = MOVE_VALUE;

	/* Have the translation cached, if this CPU does that. */
	KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);
	move_call(move);
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)move->src), 0);
	KUNIT_EXPECT_EQ(test, value, 0);
	rmap_kunit_write(test, move->src, MOVE_OTHER);
	KUNIT_EXPECT_PTR_NE(test, rmap_kunit_folio(test, move->src), move->folio);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
}

static void source_faults_as_a_hole(struct kunit *test)
{
	move_expect_hole_to_fault(test, move_page(test));
}

static void thp_source_faults_as_a_hole(struct kunit *test)
{
	move_expect_hole_to_fault(test, move_thp(test));
}

#define MOVE_SEVERAL	16

static void several_pages_move_in_one_call(struct kunit *test)
{
	struct move *move = move_area(test, MOVE_SEVERAL);
	struct folio *folios[MOVE_SEVERAL];
	int i;

	for (i = 0; i < MOVE_SEVERAL; i++)
		folios[i] = rmap_kunit_new_folio(test, move->src + i * PAGE_SIZE, i);
	move_expect(test, move, 0, move->len);
	for (i = 0; i < MOVE_SEVERAL; i++) {
		unsigned long dst = move->dst + i * PAGE_SIZE;

		KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src + i * PAGE_SIZE));
		KUNIT_ASSERT_PTR_EQ(test, rmap_kunit_folio(test, dst), folios[i]);
		KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, dst), i);
		KUNIT_EXPECT_FALSE(test, folio_test_locked(folios[i]));
		move_expect_rmap(test, folios[i], dst);
		move_expect_walk(test, folios[i], dst);
	}
}

/*
 * Four pages, the third of which cannot move: the call says that two have moved,
 * and the next one, for the rest, says why.
 */
static void move_stops_half_way(struct kunit *test, struct move *move, long err)
{
	unsigned long offset;

	move_expect(test, move, -EAGAIN, 2 * PAGE_SIZE);
	for (offset = 0; offset < 2 * PAGE_SIZE; offset += PAGE_SIZE) {
		KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src + offset));
		KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst + offset),
				MOVE_VALUE);
	}

	move->req.src += offset;
	move->req.dst += offset;
	move->req.len -= offset;
	move_expect(test, move, err, err);
	for (; offset < 4 * PAGE_SIZE; offset += PAGE_SIZE)
		KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src + offset),
				MOVE_VALUE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst + 3 * PAGE_SIZE));
}

static struct move *move_four_pages(struct kunit *test)
{
	struct move *move = move_area(test, 4);
	unsigned long offset;

	for (offset = 0; offset < move->len; offset += PAGE_SIZE)
		rmap_kunit_write(test, move->src + offset, MOVE_VALUE);
	return move;
}

static void present_page_half_way_stops_the_move(struct kunit *test)
{
	struct move *move = move_four_pages(test);

	move_fill(test, move, move->dst + 2 * PAGE_SIZE);
	move_stops_half_way(test, move, -EEXIST);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst + 2 * PAGE_SIZE),
			MOVE_OTHER);
}

/* A call that meets a hole half way says how far it came. */
static void half_a_move_reports_how_far_it_came(struct kunit *test)
{
	struct move *move = move_alloc(test, rmap_kunit_mmap(test, 3),
				       rmap_kunit_mmap(test, 3), 3 * PAGE_SIZE);

	rmap_kunit_write(test, move->src, MOVE_VALUE);
	rmap_kunit_write(test, move->src + 2 * PAGE_SIZE, MOVE_VALUE);
	move_set_request(move, 3 * PAGE_SIZE);
	move_call(move);
	KUNIT_EXPECT_EQ(test, move->ret, -EAGAIN);
	KUNIT_EXPECT_EQ(test, move->req.move, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src + 2 * PAGE_SIZE),
			MOVE_VALUE);
}

static void present_destination_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	struct move *other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, other);
	*other = *move;
	move_call(move);
	move_expect_moved(test, move);

	/* Another page to the same place. */
	other->folio = rmap_kunit_new_folio(test, other->src, MOVE_VALUE);
	move_count_references(other);
	move_expect_refused(test, other, -EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, move->dst), move->folio);
}

static void move_unpin(void *page)
{
	unpin_user_page(page);
}

/* A page that is pinned, for DMA say, stays where it is until it is unpinned. */
static void pinned_page_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	struct page *page;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(move->src, 1, FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin, page), 0);
	move_count_references(move);
	move_expect_refused(test, move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));

	kunit_release_action(test, move_unpin, page);
	move_count_references(move);
	move_set_request(move, move->len);
	move_call(move);
	move_expect_moved(test, move);
}

/* Ranges and modes that make no sense, each with a page that could be moved. */
static void invalid_requests_are_refused(struct kunit *test)
{
	static const struct {
		const char *what;
		long dst, src, len;
		u64 mode;
	} cases[] = {
		{ "empty range", 0, 0, -PAGE_SIZE, 0 },
		{ "length not page aligned", 0, 0, 1, 0 },
		{ "destination not page aligned", 1, 0, 0, 0 },
		{ "source not page aligned", 0, 1, 0, 0 },
		{ "range that wraps", 0, 0, -2 * PAGE_SIZE, 0 },
		{ "unknown mode", 0, 0, 0, 1ULL << 63 },
	};
	/* With room for what is not aligned. */
	struct move *move = move_area(test, 2);
	int i;

	move->len = PAGE_SIZE;
	move_ready(test, move, rmap_kunit_new_folio(test, move->src, MOVE_VALUE));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		move_set_request(move, move->len + cases[i].len);
		move->req.dst += cases[i].dst;
		move->req.src += cases[i].src;
		move->req.mode = cases[i].mode;
		kunit_info(test, "%s", cases[i].what);
		move_expect_refused(test, move, -EINVAL);
	}
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* A move may reach out of neither VMA, though the other is large enough. */
static void ranges_beyond_a_vma_are_refused(struct kunit *test)
{
	struct move *move;
	int src_pages;

	for (src_pages = 1; src_pages <= 2; src_pages++) {
		int dst_pages = 3 - src_pages;

		move = move_alloc(test, rmap_kunit_mmap(test, src_pages),
				  rmap_kunit_mmap(test, dst_pages),
				  dst_pages * PAGE_SIZE);
		move_ready(test, move,
			   rmap_kunit_new_folio(test, move->src, MOVE_VALUE));
		move_set_request(move, 2 * PAGE_SIZE);
		move_expect_refused(test, move, -EINVAL);
		KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	}
}

/* Memory that is not registered as it must be, or of another kind. */
static void other_kinds_of_destination_are_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	unsigned long dst = rmap_kunit_mmap(test, 1);

	/* Not registered. */
	move_set_request(move, move->len);
	move->req.dst = dst;
	move_expect_refused(test, move, -EINVAL);

	/* Registered with another userfaultfd. */
	rmap_kunit_uffd_register(test, rmap_kunit_uffd_open(test), dst, PAGE_SIZE);
	move_set_request(move, move->len);
	move->req.dst = dst;
	move_expect_refused(test, move, -EINVAL);

	/* Shared memory. */
	move_set_request(move, move->len);
	move->req.dst = rmap_kunit_mmap_file(test);
	rmap_kunit_uffd_register(test, move->uffd, move->req.dst, PAGE_SIZE);
	move_expect_refused(test, move, -EINVAL);
}

static void bad_argument_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);

	/* A page that is mapped, but not accessible. */
	KUNIT_EXPECT_EQ(test, rmap_kunit_ioctl(move->uffd, UFFDIO_MOVE,
					       move->arg + PAGE_SIZE), -EFAULT);
	move_call(move);
	move_expect_moved(test, move);
}

static void move_call_in_child(struct rmap_kunit_child *child)
{
	move_call(child->data);
}

/* A userfaultfd moves pages of the process that made it, and of no other. */
static void other_process_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);

	rmap_kunit_fork(test, move_call_in_child, move);
	KUNIT_EXPECT_EQ(test, move->ret, -EINVAL);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* Make the move while the source root's rwsem is held; expect what comes of it. */
static void move_with_root_held(struct kunit *test, struct move *move,
				bool for_writing,
				enum rmap_kunit_outcome expected)
{
	struct rw_semaphore *rwsem = &move->old->root->rwsem;
	enum rmap_kunit_outcome outcome;

	if (for_writing)
		down_write(rwsem);
	else
		down_read(rwsem);
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_rwsem(move->thread, rwsem);
	if (for_writing)
		up_write(rwsem);
	else
		up_read(rwsem);

	KUNIT_EXPECT_EQ(test, outcome, expected);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	if (move->entry.val)
		move_expect_moved_swapped(test, move);
	else
		move_expect_moved(test, move);
}

static void page_moves_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_page(test), false, RMAP_KUNIT_DONE);
}

static void page_moves_while_root_is_write_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_page(test), true, RMAP_KUNIT_DONE);
}

static void thp_moves_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_thp(test), false, RMAP_KUNIT_DONE);
}

static void thp_moves_while_root_is_write_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	move_with_root_held(test, move_thp(test), true, RMAP_KUNIT_DONE);
}

/* Contract revalidate: walks that have not locked the folio rely on this. */
static void page_waits_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	move_with_root_held(test, move_page(test), false, RMAP_KUNIT_BLOCKED);
}

static void thp_waits_while_root_is_read_locked(struct kunit *test)
{
	rmap_kunit_needs_contract(test, RMAP_KUNIT_REVALIDATE);
	move_with_root_held(test, move_thp(test), false, RMAP_KUNIT_BLOCKED);
}

static void pinned_page_half_way_stops_the_move(struct kunit *test)
{
	struct move *move = move_four_pages(test);
	struct page *page;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(move->src + 2 * PAGE_SIZE, 1,
						  FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin, page), 0);
	move_stops_half_way(test, move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst + 2 * PAGE_SIZE));
}

/* Areas that overlap in one VMA: @shift pages from the source to the destination. */
static struct move *move_overlapping(struct kunit *test, int shift)
{
	unsigned long area = rmap_kunit_mmap(test, 4);
	struct move *move = move_alloc(test, area, area, 4 * PAGE_SIZE);
	unsigned long offset;

	move->src = area + PAGE_SIZE;
	move->dst = move->src + shift * PAGE_SIZE;
	move->len = 2 * PAGE_SIZE;
	for (offset = 0; offset < move->len; offset += PAGE_SIZE) {
		struct uffdio_zeropage zero = {
			.range = { move->src + offset, PAGE_SIZE },
		};

		KUNIT_ASSERT_EQ(test, rmap_kunit_uffd_ioctl(test, move->uffd,
							    UFFDIO_ZEROPAGE, &zero,
							    sizeof(zero)), 0);
		rmap_kunit_write(test, move->src + offset, offset);
	}
	move_set_request(move, move->len);
	return move;
}

/* Downwards, each page leaves a hole for the next one. */
static void overlapping_range_moves_down(struct kunit *test)
{
	struct move *move = move_overlapping(test, -1);

	move_expect(test, move, 0, move->len);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), 0);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst + PAGE_SIZE), PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src + PAGE_SIZE));
	move_expect_walk(test, rmap_kunit_folio(test, move->dst), move->dst);
	move_expect_walk(test, rmap_kunit_folio(test, move->dst + PAGE_SIZE),
			 move->dst + PAGE_SIZE);
}

/* Upwards, and onto itself, the page to move is in the way of another, or of itself. */
static void overlapping_range_does_not_move_up(struct kunit *test)
{
	int shift;

	for (shift = 0; shift <= 1; shift++) {
		struct move *move = move_overlapping(test, shift);

		move_expect(test, move, -EEXIST, -EEXIST);
		KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), 0);
		KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src + PAGE_SIZE),
				PAGE_SIZE);
		KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src + 2 * PAGE_SIZE));
	}
}

/* A page that was written to has to be written back, also from its new place. */
static void dirty_page_stays_dirty(struct kunit *test)
{
	struct move *move = move_page(test);

	KUNIT_ASSERT_TRUE(test, pte_dirty(rmap_kunit_entry(test, move->src).pte));
	move_call(move);
	move_expect_moved(test, move);
	KUNIT_EXPECT_TRUE(test, pte_dirty(rmap_kunit_entry(test, move->dst).pte));
	KUNIT_EXPECT_TRUE(test, pte_young(rmap_kunit_entry(test, move->dst).pte));
}

/* A page that was only read since it was read in stays clean, and keeps its content. */
static void clean_page_stays_clean(struct kunit *test)
{
	struct move *move;
	u32 value = 0;

	rmap_kunit_swapon(test);
	move = move_page(test);
	rmap_kunit_put_folio(test, move->folio);
	rmap_kunit_page_out(test, move->src);
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)move->src), 0);
	KUNIT_ASSERT_EQ(test, value, MOVE_VALUE);
	KUNIT_ASSERT_FALSE(test, pte_dirty(rmap_kunit_entry(test, move->src).pte));
	move->folio = rmap_kunit_folio(test, move->src);
	lru_add_drain_all();
	move_count_references(move);

	move_call(move);
	move_expect_moved(test, move);
	KUNIT_EXPECT_FALSE(test, pte_dirty(rmap_kunit_entry(test, move->dst).pte));

	rmap_kunit_put_folio(test, move->folio);
	rmap_kunit_page_out(test, move->dst);
	value = 0;
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)move->dst), 0);
	KUNIT_EXPECT_EQ(test, value, MOVE_VALUE);
}

/* Change the source's PTE behind everybody's back: to what user space cannot ask for. */
static int move_change_pte_one(pte_t *ptep, unsigned long addr,
			       unsigned long next, struct mm_walk *walk)
{
	pte_t (*change)(pte_t pte) = walk->private;
	pte_t pte = ptep_get_and_clear(walk->mm, addr, ptep);

	set_pte_at(walk->mm, addr, ptep, change(pte));
	return 0;
}

static const struct mm_walk_ops move_change_pte_ops = {
	.pte_entry = move_change_pte_one,
};

static void move_change_pte(struct kunit *test, unsigned long addr,
			    pte_t (*change)(pte_t pte))
{
	int ret;

	mmap_write_lock(current->mm);
	vma_start_write(vma_lookup(current->mm, addr));
	ret = walk_page_range(current->mm, addr, addr + PAGE_SIZE,
			      &move_change_pte_ops, change);
	rmap_kunit_flush_tlb();
	mmap_write_unlock(current->mm);
	KUNIT_ASSERT_EQ(test, ret, 0);
}

/* Whatever moved counts as soft-dirty, for those who track writes. */
static void moved_page_is_soft_dirty(struct kunit *test)
{
	struct move *move;
	pte_t pte;

	if (!IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
		kunit_skip(test, "needs CONFIG_MEM_SOFT_DIRTY");
	move = move_page(test);
	move_change_pte(test, move->src, pte_mkclean);
	move_change_pte(test, move->src, pte_clear_soft_dirty);
	KUNIT_ASSERT_FALSE(test, pte_soft_dirty(rmap_kunit_entry(test, move->src).pte));
	move_call(move);
	move_expect_moved(test, move);
	pte = rmap_kunit_entry(test, move->dst).pte;
	KUNIT_EXPECT_FALSE(test, pte_dirty(pte));
	KUNIT_EXPECT_TRUE(test, pte_soft_dirty(pte));
}

static void moved_swap_entry_is_soft_dirty(struct kunit *test)
{
	struct move *move;

	if (!IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
		kunit_skip(test, "needs CONFIG_MEM_SOFT_DIRTY");
	move = move_swapped_page(test, false);
	move_change_pte(test, move->src, pte_swp_clear_soft_dirty);
	KUNIT_ASSERT_FALSE(test, pte_swp_soft_dirty(rmap_kunit_entry(test, move->src).pte));
	move_call(move);
	KUNIT_EXPECT_TRUE(test, pte_swp_soft_dirty(rmap_kunit_entry(test, move->dst).pte));
	move_expect_moved_swapped(test, move);
}

/* Watch the source for writes: its first page becomes write-protected. */
static void move_watch_source(struct kunit *test, struct move *move)
{
	struct uffdio_writeprotect wp = {
		.range = { move->src, PAGE_SIZE },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	struct file *uffd;

	uffd = rmap_kunit_uffd_open_with(test, UFFD_FEATURE_PAGEFAULT_FLAG_WP |
					       UFFD_FEATURE_WP_UNPOPULATED);
	rmap_kunit_uffd_register_for(test, uffd, move->src, move->len,
				     UFFDIO_REGISTER_MODE_WP);
	KUNIT_ASSERT_EQ(test, rmap_kunit_uffd_ioctl(test, uffd, UFFDIO_WRITEPROTECT,
						    &wp, sizeof(wp)), 0);
}

/* The destination is not watched: a page is as writable there as a new one. */
static void write_protected_page_moves_and_is_writable(struct kunit *test)
{
	struct move *move = move_page(test);

	move_watch_source(test, move);
	KUNIT_ASSERT_TRUE(test, pte_uffd_wp(rmap_kunit_entry(test, move->src).pte));
	move_call(move);
	move_expect_moved(test, move);
	KUNIT_EXPECT_FALSE(test, pte_uffd_wp(rmap_kunit_entry(test, move->dst).pte));
	rmap_kunit_write(test, move->dst, MOVE_OTHER);
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, move->dst), move->folio);
}

/* The swap entry moves as it is, with its mark; that does not hinder a write. */
static void write_protected_swap_entry_moves(struct kunit *test)
{
	struct move *move;

	rmap_kunit_swapon(test);
	move = move_page(test);
	move_watch_source(test, move);
	rmap_kunit_put_folio(test, move->folio);
	move->folio = NULL;
	rmap_kunit_page_out(test, move->src);
	move->entry = pte_to_swp_entry(rmap_kunit_entry(test, move->src).pte);
	KUNIT_ASSERT_TRUE(test, pte_swp_uffd_wp(rmap_kunit_entry(test, move->src).pte));
	move_count_references(move);
	move_call(move);
	KUNIT_EXPECT_TRUE(test, pte_swp_uffd_wp(rmap_kunit_entry(test, move->dst).pte));
	move_expect_moved_swapped(test, move);
	rmap_kunit_write(test, move->dst, MOVE_OTHER);
}

/* No page, but a mark that writes to the hole are watched: this cannot move. */
static void write_protected_hole_is_refused(struct kunit *test)
{
	struct move *move = move_area(test, 1);

	if (UFFD_FEATURE_WP_UNPOPULATED == 0)
		kunit_skip(test, "this kernel has no UFFD_FEATURE_WP_UNPOPULATED");
	move_watch_source(test, move);
	KUNIT_ASSERT_TRUE(test, is_pte_marker(rmap_kunit_entry(test, move->src).pte));
	move->req.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	move_expect(test, move, -EFAULT, -EFAULT);
	KUNIT_EXPECT_TRUE(test, is_pte_marker(rmap_kunit_entry(test, move->src).pte));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* What was marked as poisoned stays where it is. */
static void poisoned_entry_is_refused(struct kunit *test)
{
#ifdef UFFDIO_POISON
	struct move *move = move_area(test, 1);
	struct uffdio_poison poison = {
		.range = { move->src, PAGE_SIZE },
	};

	rmap_kunit_uffd_register(test, move->uffd, move->src, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, rmap_kunit_uffd_ioctl(test, move->uffd, UFFDIO_POISON,
						    &poison, sizeof(poison)), 0);
	move_expect(test, move, -EFAULT, -EFAULT);
	KUNIT_EXPECT_FALSE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
#else
	kunit_skip(test, "this kernel has no UFFDIO_POISON");
#endif
}

static void swapped_page_moves_without_being_read_in(struct kunit *test)
{
	struct move *move = move_swapped_page(test, false);

	move_call(move);
	move_expect_moved_swapped(test, move);
}

/* A swap-in at the new place finds the folio in the swap cache: that moves along. */
static void swapped_page_moves_with_its_swap_cache_folio(struct kunit *test)
{
	struct move *move = move_swapped_page(test, true);

	KUNIT_ASSERT_TRUE(test, folio_test_swapcache(move->folio));
	move_call(move);
	move_expect_moved_swapped(test, move);
}

static void swapped_page_moves_while_root_is_read_locked(struct kunit *test)
{
	move_with_root_held(test, move_swapped_page(test, false), false,
			    RMAP_KUNIT_DONE);
}

static void swapped_page_moves_while_root_is_write_locked(struct kunit *test)
{
	move_with_root_held(test, move_swapped_page(test, false), true,
			    RMAP_KUNIT_DONE);
}

static void swap_cache_folio_moves_while_root_is_read_locked(struct kunit *test)
{
	move_with_root_held(test, move_swapped_page(test, true), false,
			    RMAP_KUNIT_DONE);
}

static void swap_cache_folio_moves_while_root_is_write_locked(struct kunit *test)
{
	move_with_root_held(test, move_swapped_page(test, true), true,
			    RMAP_KUNIT_DONE);
}

/* A page that a child has swapped out too is not the parent's alone. */
static void forked_swapped_page_is_refused(struct kunit *test)
{
	struct move *move = move_swapped_page(test, false);

	rmap_kunit_fork(test, NULL, NULL);
	move_expect(test, move, -EBUSY, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_swapped(test, move->src));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

static void present_destination_refuses_a_swapped_page(struct kunit *test)
{
	struct move *move = move_swapped_page(test, false);

	move_fill(test, move, move->dst);
	move_expect(test, move, -EEXIST, -EEXIST);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_swapped(test, move->src));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_OTHER);
}

/* A swap entry in the way is no hole either. */
static void swapped_destination_is_refused(struct kunit *test)
{
	struct move *move;

	rmap_kunit_swapon(test);
	move = move_page(test);
	move_fill(test, move, move->dst);
	rmap_kunit_page_out(test, move->dst);
	move_expect_refused(test, move, -EEXIST);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_swapped(test, move->dst));
}

/**
 * struct swap_hold - Keeps a folio in the swap cache
 * @notifier: called when the folio is unmapped by reclaim, so after it was added
 *	to the swap cache
 * @folio: the folio
 * @held: whether there is a reference of ours
 */
struct swap_hold {
	struct mmu_notifier notifier;
	struct folio *folio;
	bool held;
};

static int swap_hold_start(struct mmu_notifier *notifier,
			   const struct mmu_notifier_range *range)
{
	struct swap_hold *hold = container_of(notifier, struct swap_hold, notifier);

	if (!hold->held && folio_test_swapcache(hold->folio)) {
		folio_get(hold->folio);
		hold->held = true;
	}
	return 0;
}

static const struct mmu_notifier_ops swap_hold_ops = {
	.invalidate_range_start = swap_hold_start,
};

static void swap_hold_end(void *data)
{
	struct swap_hold *hold = data;

	mmu_notifier_unregister(&hold->notifier, hold->notifier.mm);
	if (hold->held)
		folio_put(hold->folio);
}

/* A large folio that is in the swap cache as a whole cannot be split, nor moved. */
static void large_swap_cache_folio_is_refused(struct kunit *test)
{
	unsigned long src = rmap_kunit_mmap_thp(test);
	struct swap_hold *hold;
	struct move *move;

	if (!IS_ENABLED(CONFIG_THP_SWAP))
		kunit_skip(test, "needs CONFIG_THP_SWAP");
	rmap_kunit_swapon(test);
	move = move_alloc(test, src, rmap_kunit_mmap(test, 1), PAGE_SIZE);
	hold = kunit_kzalloc(test, sizeof(*hold), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, hold);
	hold->notifier.ops = &swap_hold_ops;
	hold->folio = rmap_kunit_new_thp(test, src, MOVE_VALUE);
	/* Reclaim leaves alone what has a reference more than it expects. */
	rmap_kunit_put_folio(test, hold->folio);
	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&hold->notifier, current->mm), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, swap_hold_end, hold), 0);

	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, src, PMD_SIZE, MADV_PAGEOUT), 0);
	KUNIT_ASSERT_TRUE(test, hold->held);
	KUNIT_ASSERT_TRUE(test, folio_test_swapcache(hold->folio));
	KUNIT_ASSERT_EQ(test, folio_size(hold->folio), PMD_SIZE);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_is_swapped(test, src));

	move_set_request(move, PAGE_SIZE);
	move_expect(test, move, -EBUSY, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_swapped(test, src));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_FALSE(test, folio_test_locked(hold->folio));
}

/* A folio that somebody else has locked, to walk it say, stays where it is. */
static void move_with_folio_locked(struct kunit *test, struct move *move)
{
	pgoff_t index = move->folio->index, index_seen;
	enum rmap_kunit_outcome outcome;
	struct anon_vma *seen;

	folio_lock(move->folio);
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_folio(move->thread, move->folio);
	seen = folio_anon_vma(move->folio);
	index_seen = move->folio->index;
	folio_unlock(move->folio);

	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_PTR_EQ(test, seen, move->old);
	KUNIT_EXPECT_EQ(test, index_seen, index);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	move_expect_moved(test, move);
}

static void page_waits_for_the_folio_lock(struct kunit *test)
{
	move_with_folio_locked(test, move_page(test));
}

static void thp_waits_for_the_folio_lock(struct kunit *test)
{
	move_with_folio_locked(test, move_thp(test));
}

/**
 * struct open_walk - A walk that stays in rmap_one until it is let go
 * @folio: the folio that is walked
 * @inside: completed by the walk when it is inside
 * @release: completed by the test to let it go
 */
struct open_walk {
	struct folio *folio;
	struct completion inside;
	struct completion release;
};

static bool open_walk_one(struct folio *folio, struct vm_area_struct *vma,
			  unsigned long addr, void *arg)
{
	struct open_walk *walk = arg;

	complete(&walk->inside);
	wait_for_completion_timeout(&walk->release, 30 * HZ);
	return false;
}

static void open_walk_fn(void *data)
{
	struct open_walk *walk = data;
	struct rmap_walk_control rwc = {
		.rmap_one = open_walk_one,
		.anon_lock = folio_lock_anon_vma_read,
		.arg = walk,
	};

	folio_lock(walk->folio);
	rmap_walk(walk->folio, &rwc);
	folio_unlock(walk->folio);
}

/* A walk of one folio keeps that in place, and delays no other of its root. */
static void walk_delays_its_own_folio_only(struct kunit *test)
{
	struct move *walked, *other;
	struct rmap_kunit_thread *walker;
	enum rmap_kunit_outcome walked_outcome, other_outcome;
	unsigned long src = rmap_kunit_mmap(test, 2);
	unsigned long dst = rmap_kunit_mmap(test, 2);
	struct open_walk *walk;
	unsigned long left;

	rmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
	walked = move_alloc(test, src, dst, PAGE_SIZE);
	move_ready(test, walked, rmap_kunit_new_folio(test, src, MOVE_VALUE));
	other = move_alloc(test, src + PAGE_SIZE,
			   rmap_kunit_mmap(test, 1), PAGE_SIZE);
	move_ready(test, other,
		   rmap_kunit_new_folio(test, src + PAGE_SIZE, MOVE_VALUE));
	KUNIT_ASSERT_PTR_EQ(test, walked->old, other->old);

	walk = kunit_kzalloc(test, sizeof(*walk), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, walk);
	init_completion(&walk->inside);
	init_completion(&walk->release);
	walk->folio = walked->folio;
	walker = rmap_kunit_thread_create(test, open_walk_fn, walk);
	rmap_kunit_thread_start(walker);
	left = wait_for_completion_timeout(&walk->inside, 5 * HZ);

	rmap_kunit_thread_start(walked->thread);
	walked_outcome = rmap_kunit_settle_on_folio(walked->thread, walked->folio);
	rmap_kunit_thread_start(other->thread);
	other_outcome = rmap_kunit_settle_on_rwsem(other->thread,
						   &other->old->root->rwsem);
	complete(&walk->release);

	KUNIT_EXPECT_GT(test, left, 0);
	KUNIT_EXPECT_EQ(test, walked_outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_EQ(test, other_outcome, RMAP_KUNIT_DONE);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(walker));
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(walked->thread));
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(other->thread));
	move_expect_moved(test, walked);
	move_expect_moved(test, other);
}

#define MOVE_THREADS	4
#define MOVE_PAGES	32

static void move_pages_one_by_one(void *data)
{
	struct move *move = data;
	unsigned long offset;

	for (offset = 0; offset < move->len && !move->ret; offset += PAGE_SIZE) {
		move_set_request(move, PAGE_SIZE);
		move->req.src += offset;
		move->req.dst += offset;
		move_call(move);
	}
}

/* Threads move distinct pages of one VMA at the same time; all arrive intact. */
static void threads_move_distinct_pages(struct kunit *test)
{
	unsigned long len = MOVE_PAGES * PAGE_SIZE, i;
	struct move *all = move_alloc(test,
				      rmap_kunit_mmap(test, MOVE_THREADS * MOVE_PAGES),
				      rmap_kunit_mmap(test, MOVE_THREADS * MOVE_PAGES),
				      MOVE_THREADS * len);
	struct move *part;

	for (i = 0; i < MOVE_THREADS * MOVE_PAGES; i++)
		rmap_kunit_write(test, all->src + i * PAGE_SIZE, i);

	part = kunit_kcalloc(test, MOVE_THREADS, sizeof(*part), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, part);
	for (i = 0; i < MOVE_THREADS; i++) {
		part[i].src = all->src + i * len;
		part[i].dst = all->dst + i * len;
		part[i].len = len;
		part[i].uffd = all->uffd;
		part[i].arg = rmap_kunit_mmap(test, 1);
		rmap_kunit_write(test, part[i].arg, 0);
		part[i].thread = rmap_kunit_thread_create(test, move_pages_one_by_one,
							  &part[i]);
	}
	for (i = 0; i < MOVE_THREADS; i++)
		rmap_kunit_thread_start(part[i].thread);
	for (i = 0; i < MOVE_THREADS; i++) {
		KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(part[i].thread));
		KUNIT_EXPECT_EQ(test, part[i].ret, 0);
	}
	for (i = 0; i < MOVE_THREADS * MOVE_PAGES; i++) {
		unsigned long addr = all->dst + i * PAGE_SIZE;
		struct folio *folio;

		KUNIT_ASSERT_TRUE(test, rmap_kunit_is_hole(test, all->src + i * PAGE_SIZE));
		KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, addr), i);
		folio = rmap_kunit_folio(test, addr);
		KUNIT_ASSERT_PTR_EQ(test, folio_anon_vma(folio), all->new);
		KUNIT_ASSERT_FALSE(test, folio_test_locked(folio));
		move_expect_walk(test, folio, addr);
		rmap_kunit_put_folio(test, folio);
	}
}

/*
 * A THP that has to be split for the move is refused while that cannot be done,
 * for an extra reference, and moved as soon as it can.
 */
static void unsplittable_thp_is_refused(struct kunit *test)
{
	struct move *move = move_thp(test);

	move_set_request(move, PAGE_SIZE);
	rmap_kunit_thread_start(move->thread);
	KUNIT_EXPECT_EQ_MSG(test,
			    rmap_kunit_settle_on_folio(move->thread, move->folio),
			    RMAP_KUNIT_DONE, "the ioctl does not come back");
	/* It has had its time: an ioctl that still tries to split succeeds now. */
	rmap_kunit_put_folio(test, move->folio);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	KUNIT_ASSERT_EQ(test, move->ret, -EBUSY);
	KUNIT_EXPECT_EQ(test, move->req.move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);

	move_set_request(move, PAGE_SIZE);
	move_call(move);
	KUNIT_ASSERT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_EQ(test, move->req.move, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	move_expect_walk(test, rmap_kunit_folio(test, move->dst), move->dst);
}

#if defined(CONFIG_KPROBES) && defined(RMAP_KUNIT_THP_MIGRATION) && \
	defined(CONFIG_TRANSPARENT_HUGEPAGE) && \
	(defined(CONFIG_X86_64) || defined(CONFIG_ARM64))

/**
 * struct pmd_wait - A look at how a move waits for a migrating THP
 * @probe: on pmd_migration_entry_wait()
 * @pmdp: where the migration entry is
 * @task: the thread that moves
 * @calls: how often it waited
 * @elsewhere: how often it did not wait on @pmdp
 */
struct pmd_wait {
	struct kprobe probe;
	pmd_t *pmdp;
	struct task_struct *task;
	int calls;
	int elsewhere;
};

static void pmd_wait_set_pmdp(struct pt_regs *regs, pmd_t *pmdp)
{
#ifdef CONFIG_X86_64
	regs->si = (unsigned long)pmdp;
#else
	regs->regs[1] = (unsigned long)pmdp;
#endif
}

/*
 * The wait takes the lock of the page table that it is pointed into. Stock 6.12
 * points it to the stack: point it to the real PMD then, to get over it.
 */
static int pmd_wait_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct pmd_wait *wait = container_of(probe, struct pmd_wait, probe);

	if (current != wait->task)
		return 0;
	wait->calls++;
	if ((pmd_t *)regs_get_kernel_argument(regs, 1) != wait->pmdp) {
		wait->elsewhere++;
		pmd_wait_set_pmdp(regs, wait->pmdp);
	}
	return 0;
}

static void pmd_wait_end(void *data)
{
	struct pmd_wait *wait = data;

	unregister_kprobe(&wait->probe);
}

/* A THP under migration: the move waits on its PMD, until that is over. */
static void migrating_thp_waits_on_its_pmd(struct kunit *test)
{
	struct move *move = move_thp(test);
	enum rmap_kunit_outcome outcome;
	struct pmd_wait *wait;
	bool migrating;

	wait = kunit_kzalloc(test, sizeof(*wait), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, wait);
	wait->pmdp = rmap_kunit_entry(test, move->src).pmdp;
	wait->task = move->thread->task;
	wait->probe.symbol_name = "pmd_migration_entry_wait";
	wait->probe.pre_handler = pmd_wait_pre;
	KUNIT_ASSERT_EQ(test, register_kprobe(&wait->probe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, pmd_wait_end, wait), 0);

	folio_lock(move->folio);
	try_to_migrate(move->folio, 0);
	migrating = is_pmd_migration_entry(pmdp_get_lockless(wait->pmdp));
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_folio(move->thread, move->folio);
	remove_migration_ptes(move->folio, move->folio, 0);
	folio_unlock(move->folio);

	KUNIT_EXPECT_TRUE(test, migrating);
	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	KUNIT_EXPECT_GT(test, wait->calls, 0);
	KUNIT_EXPECT_EQ(test, wait->elsewhere, 0);
	move_expect_moved(test, move);
}

#else

static void migrating_thp_waits_on_its_pmd(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES and migration of huge pages, on x86_64 or arm64");
}

#endif

static void move_unlock_folio(void *folio)
{
	folio_unlock(folio);
}

/*
 * Start a move that has to wait for the folio lock. A folio lock has no owner: if
 * an assertion ends the test meanwhile, an action lets go of it.
 */
static void move_block_on_folio(struct kunit *test, struct move *move)
{
	folio_lock(move->folio);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unlock_folio,
							move->folio), 0);
	rmap_kunit_thread_start(move->thread);
	KUNIT_ASSERT_EQ(test, rmap_kunit_settle_on_folio(move->thread, move->folio),
			RMAP_KUNIT_BLOCKED);
}

/* Let it go on, and expect what the ioctl returns and reports. */
static void move_unblock(struct kunit *test, struct move *move, long ret)
{
	kunit_release_action(test, move_unlock_folio, move->folio);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	KUNIT_EXPECT_EQ(test, move->ret, ret);
	KUNIT_EXPECT_EQ(test, move->req.move, ret ?: move->req.len);
	KUNIT_EXPECT_FALSE(test, folio_test_locked(move->folio));
}

/* The page is where it was. */
static void move_expect_stayed(struct kunit *test, struct move *move)
{
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, move->src), move->folio);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);
	move_expect_rmap(test, move->folio, move->src);
}

/*
 * What happens to the page while the move waits for its folio lock must count. A
 * fork cannot happen then: it waits for the VMA that the move has locked.
 */
static void move_pin_while_it_waits(struct kunit *test, struct move *move)
{
	struct page *page;

	move_block_on_folio(test, move);
	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(move->src, 1, FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin, page), 0);
	move_unblock(test, move, -EBUSY);
	move_expect_stayed(test, move);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	kunit_release_action(test, move_unpin, page);
	/* One for the lookup in move_expect_stayed(). */
	KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio), move->folio_refs + 1);
}

static void page_pinned_while_the_move_waits_stays(struct kunit *test)
{
	move_pin_while_it_waits(test, move_page(test));
}

static void thp_pinned_while_the_move_waits_stays(struct kunit *test)
{
	move_pin_while_it_waits(test, move_thp(test));
}

static void move_zap_while_it_waits(struct kunit *test, struct move *move)
{
	move_block_on_folio(test, move);
	rmap_kunit_zap(test, move->src, move->len);
	move_unblock(test, move, -ENOENT);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_EQ(test, folio_mapcount(move->folio), 0);
	lru_add_drain_all();
	KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio), 1);
}

static void page_zapped_while_the_move_waits_is_a_hole(struct kunit *test)
{
	move_zap_while_it_waits(test, move_page(test));
}

static void thp_zapped_while_the_move_waits_is_a_hole(struct kunit *test)
{
	move_zap_while_it_waits(test, move_thp(test));
}

/* The page that is there when the move goes on is the one that moves. */
static void move_replace_while_it_waits(struct kunit *test, struct move *move)
{
	struct folio *gone = move->folio;

	move_block_on_folio(test, move);
	rmap_kunit_zap(test, move->src, move->len);
	rmap_kunit_write(test, move->src, MOVE_OTHER);
	move_unblock(test, move, 0);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_OTHER);
	move_expect_walk(test, rmap_kunit_folio(test, move->dst), move->dst);
	lru_add_drain_all();
	KUNIT_EXPECT_EQ(test, folio_ref_count(gone), 1);
}

static void page_replaced_while_the_move_waits_moves(struct kunit *test)
{
	move_replace_while_it_waits(test, move_page(test));
}

static void thp_replaced_while_the_move_waits_moves(struct kunit *test)
{
	move_replace_while_it_waits(test, move_thp(test));
}

static void move_fill_while_it_waits(struct kunit *test, struct move *move)
{
	move_block_on_folio(test, move);
	move_fill(test, move, move->dst);
	move_unblock(test, move, -EEXIST);
	move_expect_stayed(test, move);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_OTHER);
}

static void destination_filled_while_the_move_waits_stays(struct kunit *test)
{
	move_fill_while_it_waits(test, move_page(test));
}

static void thp_destination_filled_while_the_move_waits_stays(struct kunit *test)
{
	move_fill_while_it_waits(test, move_thp(test));
}

static void swap_cache_folio_waits_for_the_folio_lock(struct kunit *test)
{
	struct move *move = move_swapped_page(test, true);

	move_block_on_folio(test, move);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_swapped(test, move->src));
	KUNIT_EXPECT_PTR_EQ(test, folio_anon_vma(move->folio), move->old);
	move_unblock(test, move, 0);
	move_expect_moved_swapped(test, move);
}

static void swapped_page_zapped_while_the_move_waits_is_a_hole(struct kunit *test)
{
	struct move *move = move_swapped_page(test, true);

	move_block_on_folio(test, move);
	rmap_kunit_zap(test, move->src, move->len);
	move_unblock(test, move, -ENOENT);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

static void destination_filled_while_a_swapped_page_waits_stays(struct kunit *test)
{
	struct move *move = move_swapped_page(test, true);

	move_block_on_folio(test, move);
	move_fill(test, move, move->dst);
	move_unblock(test, move, -EEXIST);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_swapped(test, move->src));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_OTHER);
	KUNIT_EXPECT_PTR_EQ(test, folio_anon_vma(move->folio), move->old);
}

/* A page under migration moves when that is over. */
static void migrating_page_waits_and_moves(struct kunit *test)
{
	struct move *move = move_page(test);
	enum rmap_kunit_outcome outcome;
	bool migrating;
	pte_t pte;

	if (!IS_ENABLED(CONFIG_MIGRATION))
		kunit_skip(test, "needs CONFIG_MIGRATION");
	folio_lock(move->folio);
	try_to_migrate(move->folio, 0);
	pte = rmap_kunit_entry(test, move->src).pte;
	migrating = is_swap_pte(pte) && is_migration_entry(pte_to_swp_entry(pte));
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_folio(move->thread, move->folio);
	remove_migration_ptes(move->folio, move->folio, 0);
	folio_unlock(move->folio);

	KUNIT_EXPECT_TRUE(test, migrating);
	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	move_expect_moved(test, move);
}

/*
 * A huge page with a value of its own in each small page, and no reference of
 * ours: at the start of an area of two. The values are not zero: a split may put
 * the zero page in place of a page of zeroes.
 */
static struct move *move_numbered_thp(struct kunit *test, unsigned long dst,
				      unsigned long nr)
{
	unsigned long src = rmap_kunit_mmap_thps(test, 2);
	struct move *move = move_alloc(test, src, dst, nr * PAGE_SIZE);
	struct folio *folio = rmap_kunit_new_thp(test, src, 0);
	unsigned long i;

	for (i = 0; i < MOVE_THP_PAGES; i++)
		rmap_kunit_write(test, src + i * PAGE_SIZE, MOVE_VALUE + i);
	move->old = rmap_kunit_anon_vma(test, src);
	rmap_kunit_put_folio(test, folio);
	move_set_request(move, move->len);
	return move;
}

/*
 * Move @nr pages from page @first of the huge page on. It is split for that: what
 * moves arrives page by page, the rest stays.
 */
static void move_part_of_thp(struct kunit *test, struct move *move,
			     unsigned long first, unsigned long nr)
{
	unsigned long i;

	move->req.src += first * PAGE_SIZE;
	move->req.len = nr * PAGE_SIZE;
	/* The range may reach beyond the huge page. */
	move->req.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	move_expect(test, move, 0, nr * PAGE_SIZE);

	for (i = 0; i < MOVE_THP_PAGES; i++) {
		bool moved = i >= first && i < first + nr;
		unsigned long src = move->src + i * PAGE_SIZE;
		unsigned long dst = move->dst + (i - first) * PAGE_SIZE;

		KUNIT_ASSERT_EQ(test, rmap_kunit_is_hole(test, src), moved);
		KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, moved ? dst : src),
				MOVE_VALUE + i);
		if (i == first || i == first + nr - 1 || i == first + nr) {
			struct folio *folio = rmap_kunit_folio(test, moved ? dst : src);

			KUNIT_EXPECT_EQ(test, folio_size(folio), PAGE_SIZE);
			move_expect_rmap(test, folio, moved ? dst : src);
			move_expect_walk(test, folio, moved ? dst : src);
		}
	}
}

static void thp_is_split_for_a_range_that_is_shorter(struct kunit *test)
{
	move_part_of_thp(test, move_numbered_thp(test, rmap_kunit_mmap_thp(test),
						 MOVE_THP_PAGES),
			 0, 2);
}

static void thp_is_split_for_an_unaligned_source(struct kunit *test)
{
	move_part_of_thp(test, move_numbered_thp(test, rmap_kunit_mmap_thp(test),
						 MOVE_THP_PAGES),
			 1, MOVE_THP_PAGES);
}

static void thp_is_split_for_an_unaligned_destination(struct kunit *test)
{
	unsigned long dst = rmap_kunit_mmap_thps(test, 2) + PAGE_SIZE;
	struct move *move = move_numbered_thp(test, rmap_kunit_mmap_thp(test),
					      MOVE_THP_PAGES);

	/* Never touched: a page table there would be reason enough. */
	rmap_kunit_uffd_register(test, move->uffd, dst, PMD_SIZE);
	move->dst = dst;
	move_set_request(move, move->len);
	move_part_of_thp(test, move, 0, MOVE_THP_PAGES);
}

/* An empty page table at the destination is in a huge page's way. */
static void thp_is_split_for_a_page_table_at_the_destination(struct kunit *test)
{
	unsigned long dst = rmap_kunit_mmap_thp(test);
	struct move *move = move_numbered_thp(test, dst, MOVE_THP_PAGES);

	move_fill(test, move, dst);
	rmap_kunit_zap(test, dst, PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, pmd_none(rmap_kunit_entry(test, dst).pmd));
	move_part_of_thp(test, move, 0, MOVE_THP_PAGES);
}

/* Nothing but the folio says that such pages belong together. */
static void thp_mapped_by_ptes_is_split(struct kunit *test)
{
	struct move *move = move_numbered_thp(test, rmap_kunit_mmap_thp(test),
					      MOVE_THP_PAGES);
	unsigned long last = move->src + PMD_SIZE - PAGE_SIZE;
	u32 value = rmap_kunit_read(test, last);

	/* All but the last page stay in the folio. */
	rmap_kunit_zap(test, last, PAGE_SIZE);
	rmap_kunit_write(test, last, value);
	KUNIT_ASSERT_EQ(test, folio_size(rmap_kunit_folio(test, last)), PAGE_SIZE);
	move_part_of_thp(test, move, 0, 2);
}

/* The page table that goes with a huge page has come along: it can be split. */
static void moved_thp_can_be_split(struct kunit *test)
{
	unsigned long src = rmap_kunit_mmap_thp(test);
	/* Far away, as all that share a PMD table share what is laid aside. */
	unsigned long dst = rmap_kunit_mmap_far(test, PMD_SIZE);
	struct move *move;

	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, dst, PMD_SIZE,
					 MADV_HUGEPAGE), 0);
	move = move_alloc(test, src, dst, PMD_SIZE);
	move_ready(test, move, rmap_kunit_new_thp(test, src, MOVE_VALUE));
	move_call(move);
	move_expect_moved(test, move);
	rmap_kunit_zap(test, move->dst + PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	rmap_kunit_write(test, move->src, MOVE_OTHER);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_OTHER);
}

/* A huge page counts as written to wherever it arrives. */
static void moved_thp_is_dirty(struct kunit *test)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	struct move *move = move_thp(test);

	move_call(move);
	move_expect_moved(test, move);
	KUNIT_EXPECT_TRUE(test, pmd_leaf(rmap_kunit_entry(test, move->dst).pmd));
	KUNIT_EXPECT_TRUE(test, pmd_dirty(rmap_kunit_entry(test, move->dst).pmd));
	KUNIT_EXPECT_TRUE(test, pmd_young(rmap_kunit_entry(test, move->dst).pmd));
#else
	kunit_skip(test, "needs CONFIG_TRANSPARENT_HUGEPAGE");
#endif
}

static void pinned_thp_is_refused(struct kunit *test)
{
	struct move *move = move_thp(test);
	struct page *page;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(move->src, 1, FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin, page), 0);
	move_count_references(move);
	move_expect_refused(test, move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_TRUE(test, pmd_leaf(rmap_kunit_entry(test, move->src).pmd));

	kunit_release_action(test, move_unpin, page);
	move_count_references(move);
	move_call(move);
	move_expect_moved(test, move);
}

/* It cannot be split for as long as it is pinned: the ioctl must not wait for that. */
static void pinned_thp_that_must_be_split_is_refused(struct kunit *test)
{
	struct move *move = move_thp(test);
	struct page *page;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(move->src, 1, FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin, page), 0);
	rmap_kunit_put_folio(test, move->folio);
	move_set_request(move, PAGE_SIZE);
	rmap_kunit_thread_start(move->thread);
	KUNIT_EXPECT_EQ_MSG(test,
			    rmap_kunit_settle_on_folio(move->thread, move->folio),
			    RMAP_KUNIT_DONE, "the ioctl does not come back");
	/* An ioctl that still tries to split succeeds now. */
	kunit_release_action(test, move_unpin, page);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	KUNIT_ASSERT_EQ(test, move->ret, -EBUSY);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);
}

/*
 * A move that needs a huge page split, and finds it locked, tries again without a
 * reference: with one, it would keep whoever has the lock from splitting.
 */
static void move_that_waits_does_not_hinder_a_split(struct kunit *test)
{
	struct move *move = move_thp(test);
	struct task_struct *task = move->thread->task;
	unsigned long end = jiffies + 5 * HZ;
	unsigned int naps = 0;
	bool ended;
	int refs;

	/* Map it by PTEs. */
	rmap_kunit_zap(test, move->src + PAGE_SIZE, PAGE_SIZE);
	lru_add_drain_all();
	move_count_references(move);
	refs = move->folio_refs;
	move_set_request(move, PAGE_SIZE);
	folio_lock(move->folio);
	rmap_kunit_thread_start(move->thread);
	/* What a host takes from a guest counts as run time as well: nap often, too. */
	while (refs == move->folio_refs && time_before(jiffies, end) &&
	       (naps++ < 20 || task_sched_runtime(task) < 50 * NSEC_PER_MSEC)) {
		schedule_timeout_uninterruptible(1);
		refs = folio_ref_count(move->folio);
	}
	ended = completion_done(&move->thread->done);
	rmap_kunit_put_folio(test, move->folio);
	folio_unlock(move->folio);

	KUNIT_EXPECT_FALSE(test, ended);
	KUNIT_EXPECT_EQ(test, refs, move->folio_refs);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	KUNIT_EXPECT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
}

/* What a child shares is refused before anything is split for it. */
static void forked_thp_is_refused_and_stays_whole(struct kunit *test)
{
	struct move *move = move_thp(test);

	rmap_kunit_fork(test, NULL, NULL);
	move_count_references(move);
	move_expect_refused(test, move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, pmd_leaf(rmap_kunit_entry(test, move->src).pmd));

	/* A reference of the test's would keep it from being split. */
	rmap_kunit_put_folio(test, move->folio);
	move_count_references(move);
	move_set_request(move, PAGE_SIZE);
	move_expect_refused(test, move, -EBUSY);
	KUNIT_EXPECT_TRUE(test, pmd_leaf(rmap_kunit_entry(test, move->src).pmd));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

static void present_thp_destination_is_refused(struct kunit *test)
{
	unsigned long dst = rmap_kunit_mmap_thp(test);
	struct folio *there = rmap_kunit_new_thp(test, dst, MOVE_OTHER);
	struct move *move = kunit_kzalloc(test, sizeof(*move), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, move);
	move->src = rmap_kunit_mmap_thp(test);
	move->dst = dst;
	move->len = PMD_SIZE;
	move->uffd = rmap_kunit_uffd_open(test);
	move->arg = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, move->arg, 0);
	rmap_kunit_uffd_register(test, move->uffd, dst, PMD_SIZE);
	move->new = rmap_kunit_anon_vma(test, dst);
	move_ready(test, move, rmap_kunit_new_thp(test, move->src, MOVE_VALUE));

	move_expect_refused(test, move, -EEXIST);
	move_set_request(move, PAGE_SIZE);
	move_expect_refused(test, move, -EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, dst), there);
	KUNIT_EXPECT_TRUE(test, pmd_leaf(rmap_kunit_entry(test, dst).pmd));
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE

static struct move *move_huge_zero_page(struct kunit *test)
{
	unsigned long src = rmap_kunit_mmap_thp(test);
	struct move *move = move_alloc(test, src, rmap_kunit_mmap_thp(test),
				       PMD_SIZE);

	KUNIT_ASSERT_EQ(test, rmap_kunit_touch(src), 0);
	if (!is_huge_zero_pmd(rmap_kunit_entry(test, src).pmd))
		kunit_skip(test, "got no huge zero page");
	move_set_request(move, move->len);
	return move;
}

/* The huge zero page has no folio to lock, and is nobody's own. */
static void huge_zero_page_moves_whole(struct kunit *test)
{
	struct move *move = move_huge_zero_page(test);
	pmd_t pmd;

	move_expect(test, move, 0, PMD_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	pmd = rmap_kunit_entry(test, move->dst).pmd;
	KUNIT_EXPECT_TRUE(test, is_huge_zero_pmd(pmd));
	KUNIT_EXPECT_FALSE(test, pmd_write(pmd));
	/* A write gets a page of its own. */
	rmap_kunit_write(test, move->dst, MOVE_VALUE);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst + PAGE_SIZE), 0);
}

static void huge_zero_page_is_split_for_a_shorter_range(struct kunit *test)
{
	struct move *move = move_huge_zero_page(test);
	pte_t pte;

	move->req.len = PAGE_SIZE;
	move_expect(test, move, 0, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_FALSE(test, rmap_kunit_is_hole(test, move->src + PAGE_SIZE));
	pte = rmap_kunit_entry(test, move->dst).pte;
	KUNIT_EXPECT_TRUE(test, pte_present(pte) && is_zero_pfn(pte_pfn(pte)));
}

#else

static void huge_zero_page_moves_whole(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_TRANSPARENT_HUGEPAGE");
}

static void huge_zero_page_is_split_for_a_shorter_range(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_TRANSPARENT_HUGEPAGE");
}

#endif

/* A huge page under migration is split too, once that is over. */
static void migrating_thp_is_split_and_moves(struct kunit *test)
{
#ifdef RMAP_KUNIT_THP_MIGRATION
	struct move *move = move_thp(test);
	enum rmap_kunit_outcome outcome;
	bool migrating;

	move_set_request(move, PAGE_SIZE);
	folio_lock(move->folio);
	try_to_migrate(move->folio, 0);
	migrating = is_pmd_migration_entry(rmap_kunit_entry(test, move->src).pmd);
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_folio(move->thread, move->folio);
	remove_migration_ptes(move->folio, move->folio, 0);
	/* For the split; the page tables have their own. */
	rmap_kunit_put_folio(test, move->folio);
	folio_unlock(move->folio);

	KUNIT_EXPECT_TRUE(test, migrating);
	KUNIT_EXPECT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	KUNIT_ASSERT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	move_expect_walk(test, rmap_kunit_folio(test, move->dst), move->dst);
#else
	kunit_skip(test, "needs migration of huge pages");
#endif
}

/*
 * The kinds of VMA that a page neither leaves nor enters. Each case changes one
 * side, or both; the page itself could be moved.
 */
static void move_with_protection(struct kunit *test, unsigned long src_prot,
				 unsigned long dst_prot)
{
	struct move *move = move_page(test);

	rmap_kunit_mprotect(test, move->src, move->len, src_prot);
	rmap_kunit_mprotect(test, move->dst, move->len, dst_prot);
	move_expect_refused(test, move, -EINVAL);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

static void read_only_areas_are_refused(struct kunit *test)
{
	move_with_protection(test, PROT_READ, PROT_READ);
}

static void different_protection_is_refused(struct kunit *test)
{
	const unsigned long rw = PROT_READ | PROT_WRITE;

	move_with_protection(test, rw, PROT_READ);
	move_with_protection(test, PROT_READ, rw);
	move_with_protection(test, rw | PROT_EXEC, rw);
	move_with_protection(test, rw, rw | PROT_EXEC);
}

/* Same rights, but PTEs that look different: another caching mode or key, say. */
static void different_page_protection_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	struct vm_area_struct *vma;
	pgprot_t prot;

	mmap_write_lock(current->mm);
	vma = vma_lookup(current->mm, move->dst);
	vma_start_write(vma);
	prot = vma->vm_page_prot;
	vma->vm_page_prot = vm_get_page_prot(VM_READ | VM_WRITE | VM_SHARED);
	mmap_write_unlock(current->mm);
	move_call(move);
	mmap_write_lock(current->mm);
	vma_start_write(vma);
	vma->vm_page_prot = prot;
	mmap_write_unlock(current->mm);

	KUNIT_EXPECT_EQ(test, move->ret, -EINVAL);
	move_expect_stayed(test, move);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

static void locked_and_unlocked_memory_do_not_mix(struct kunit *test)
{
	struct move *move = move_page(test);

	rmap_kunit_mlock(test, move->src, move->len);
	lru_add_drain_all();
	move_count_references(move);
	move_expect_refused(test, move, -EINVAL);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));

	/* The other way round; the page that mlock() brought goes away again. */
	move = move_page(test);
	move_fill(test, move, move->dst);
	rmap_kunit_mlock(test, move->dst, move->len);
	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, move->dst, move->len,
					 MADV_DONTNEED_LOCKED), 0);
	move_expect_refused(test, move, -EINVAL);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

static void page_moves_between_locked_areas(struct kunit *test)
{
	struct move *move = move_page(test);

	move_fill(test, move, move->dst);
	rmap_kunit_mlock(test, move->src, move->len);
	rmap_kunit_mlock(test, move->dst, move->len);
	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, move->dst, move->len,
					 MADV_DONTNEED_LOCKED), 0);
	lru_add_drain_all();
	move_count_references(move);
	move_call(move);
	move_expect_moved(test, move);
	KUNIT_EXPECT_TRUE(test, folio_test_mlocked(move->folio));
}

/* Set or clear a flag that no system call sets on anonymous memory. */
static void move_flag_vma(unsigned long addr, unsigned long flag, bool set)
{
	mmap_write_lock(current->mm);
	rmap_kunit_set_vm_flag(vma_lookup(current->mm, addr), flag, set);
	mmap_write_unlock(current->mm);
}

/* Memory of a device, and the like: its page table entries are not what they seem. */
static void special_areas_are_refused(struct kunit *test)
{
	static const unsigned long flags[] = {
		VM_PFNMAP, VM_IO, VM_MIXEDMAP,
	};
	struct move *move = move_page(test);
	int i;

	for (i = 0; i < 2 * ARRAY_SIZE(flags); i++) {
		unsigned long addr = i & 1 ? move->dst : move->src;

		move_flag_vma(addr, flags[i / 2], true);
		move_call(move);
		move_flag_vma(addr, flags[i / 2], false);
		KUNIT_EXPECT_EQ_MSG(test, move->ret, -EINVAL, "flag %#lx",
				    flags[i / 2]);
		KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	}
	move_expect_stayed(test, move);
}

/* Huge pages of hugetlb have rules of their own. */
static void hugetlb_memory_is_refused(struct kunit *test)
{
	unsigned long huge = rmap_kunit_mmap_hugetlb(test);
	struct move *move = move_page(test);

	rmap_kunit_uffd_register(test, move->uffd, huge, PMD_SIZE);
	move->req.dst = huge;
	move_expect_refused(test, move, -EINVAL);

	move_set_request(move, move->len);
	move->req.src = huge;
	move_expect_refused(test, move, -EINVAL);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

static void shared_source_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);

	move->req.src = rmap_kunit_mmap_file(test);
	rmap_kunit_write(test, move->req.src, MOVE_OTHER);
	move_expect(test, move, -EINVAL, -EINVAL);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->req.src), MOVE_OTHER);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* A private mapping of a file has anonymous pages, but is no anonymous memory. */
static void private_file_mapping_is_refused(struct kunit *test)
{
	unsigned long addr = rmap_kunit_mmap_private_file(test);
	struct move *move = move_page(test);

	rmap_kunit_write(test, addr, MOVE_OTHER);
	KUNIT_ASSERT_TRUE(test, folio_test_anon(rmap_kunit_folio(test, addr)));
	move->req.src = addr;
	move_expect(test, move, -EINVAL, -EINVAL);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, addr), MOVE_OTHER);

	move_set_request(move, move->len);
	rmap_kunit_zap(test, addr, PAGE_SIZE);
	rmap_kunit_uffd_register(test, move->uffd, addr, PAGE_SIZE);
	move->req.dst = addr;
	move_expect_refused(test, move, -EINVAL);
}

/* Nothing is mapped there at all. */
static void missing_areas_are_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	unsigned long gone = rmap_kunit_mmap(test, 1);

	KUNIT_ASSERT_EQ(test, vm_munmap(gone, PAGE_SIZE), 0);
	move->req.src = gone;
	move_expect(test, move, -ENOENT, -ENOENT);
	move_set_request(move, move->len);
	move->req.dst = gone;
	move_expect_refused(test, move, -ENOENT);
}

/* A hole so large that there is no page table either. */
static void hole_without_a_page_table_moves_if_allowed(struct kunit *test)
{
	unsigned long src = rmap_kunit_mmap_far(test, PAGE_SIZE);
	struct move *move = move_alloc(test, src, rmap_kunit_mmap(test, 1),
				       PAGE_SIZE);

	move_set_request(move, PAGE_SIZE);
	KUNIT_ASSERT_TRUE(test, pmd_none(rmap_kunit_entry(test, src).pmd));
	move_expect(test, move, -ENOENT, -ENOENT);
	move->req.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	move_expect(test, move, 0, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* A hole does not go over a page either, with a page table or without. */
static void hole_does_not_go_over_a_page(struct kunit *test)
{
	unsigned long far = rmap_kunit_mmap_far(test, PAGE_SIZE);
	struct move *move = move_area(test, 2);

	/* The source has a page table then. */
	rmap_kunit_write(test, move->src + PAGE_SIZE, MOVE_VALUE);
	move_fill(test, move, move->dst);
	move->req.len = PAGE_SIZE;
	move->req.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	move_expect(test, move, -EEXIST, -EEXIST);
	KUNIT_ASSERT_TRUE(test, pmd_none(rmap_kunit_entry(test, far).pmd));
	move->req.src = far;
	move_expect(test, move, -EEXIST, -EEXIST);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_OTHER);
}

/* The first move into memory that was never touched gives it its anon_vma. */
static void untouched_destination_gets_an_anon_vma(struct kunit *test)
{
	struct move *move = move_page(test);
	unsigned long dst = rmap_kunit_mmap(test, 1);

	rmap_kunit_uffd_register(test, move->uffd, dst, PAGE_SIZE);
	KUNIT_ASSERT_NULL(test, rmap_kunit_anon_vma(test, dst));
	move->dst = dst;
	move_set_request(move, move->len);
	move_call(move);
	move->new = rmap_kunit_anon_vma(test, dst);
	KUNIT_ASSERT_NOT_NULL(test, move->new);
	move->new_refs = atomic_read(&move->new->refcount);
	move_expect_moved(test, move);
}

/**
 * struct removal - Memory that is thrown away while a userfaultfd is told about it
 * @addr: the memory
 * @msg: user address for the message about it
 * @ret: what madvise() returned
 * @thread: the thread that does it
 */
struct removal {
	unsigned long addr;
	unsigned long msg;
	int ret;
	struct rmap_kunit_thread *thread;
};

static void removal_fn(void *data)
{
	struct removal *removal = data;

	removal->ret = do_madvise(current->mm, removal->addr, PAGE_SIZE,
				  MADV_DONTNEED);
}

static struct removal *removal_start(struct kunit *test, unsigned long addr)
{
	struct removal *removal = kunit_kzalloc(test, sizeof(*removal), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, removal);
	removal->addr = addr;
	removal->msg = rmap_kunit_mmap(test, 1);
	rmap_kunit_write(test, removal->msg, 0);
	removal->thread = rmap_kunit_thread_create(test, removal_fn, removal);
	rmap_kunit_thread_start(removal->thread);
	KUNIT_ASSERT_EQ(test, rmap_kunit_settle_on_event(removal->thread),
			RMAP_KUNIT_BLOCKED);
	return removal;
}

/* It goes on when somebody has read about it. */
static void removal_read(struct kunit *test, struct removal *removal,
			 struct file *uffd)
{
	char __user *msg = (char __user *)removal->msg;
	loff_t pos = 0;

	/* It may sleep for another reason: do not wait for a message. */
	spin_lock(&uffd->f_lock);
	uffd->f_flags |= O_NONBLOCK;
	spin_unlock(&uffd->f_lock);
	KUNIT_ASSERT_EQ(test, vfs_read(uffd, msg, sizeof(struct uffd_msg), &pos),
			sizeof(struct uffd_msg));
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(removal->thread));
	KUNIT_EXPECT_EQ(test, removal->ret, 0);
}

/* While the memory map changes, and nobody has read of that yet, nothing moves. */
static void changing_mm_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	struct removal *removal;

	move->uffd = rmap_kunit_uffd_open_with(test, UFFD_FEATURE_EVENT_REMOVE);
	move->dst = rmap_kunit_mmap(test, 1);
	rmap_kunit_uffd_register(test, move->uffd, move->dst, PAGE_SIZE);
	removal = removal_start(test, move->dst);
	move_set_request(move, move->len);
	move_expect_refused(test, move, -EAGAIN);
	KUNIT_EXPECT_EQ(test, move->req.move, -EAGAIN);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));

	removal_read(test, removal, move->uffd);
	move_set_request(move, move->len);
	move_call(move);
	move->new = rmap_kunit_anon_vma(test, move->dst);
	KUNIT_ASSERT_NOT_NULL(test, move->new);
	move->new_refs = atomic_read(&move->new->refcount);
	move_expect_moved(test, move);

	/* A move that is over does not hinder the next change. */
	removal_read(test, removal_start(test, move->dst), move->uffd);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* The change may begin while the move waits for the VMAs: then it must not go on. */
static void change_that_begins_while_the_move_waits_counts(struct kunit *test)
{
	struct move *move = move_page(test);
	atomic_t *changing = rmap_kunit_mmap_changing(move->uffd);
	struct rw_semaphore *rwsem = &current->mm->mmap_lock;
	enum rmap_kunit_outcome outcome;

	if (!changing)
		kunit_skip(test, "this kernel hides struct userfaultfd_ctx");
	mmap_write_lock(current->mm);
	vma_start_write(vma_lookup(current->mm, move->dst));
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_rwsem(move->thread, rwsem);
	atomic_inc(changing);
	mmap_write_unlock(current->mm);
	/* It has read this by the time it returns. */
	if (outcome == RMAP_KUNIT_BLOCKED)
		rmap_kunit_thread_wait(move->thread);
	atomic_dec(changing);

	KUNIT_ASSERT_EQ(test, outcome, RMAP_KUNIT_BLOCKED);
	KUNIT_EXPECT_EQ(test, move->ret, -EAGAIN);
	KUNIT_EXPECT_EQ(test, move->req.move, -EAGAIN);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	move_expect_stayed(test, move);
}

/**
 * struct orphan - A userfaultfd that outlives its process
 * @dev: the device that makes userfaultfds
 * @arg: user address for arguments, present in parent and child
 * @uffd: the userfaultfd
 * @ret: how setting it up ended
 */
struct orphan {
	struct file *dev;
	unsigned long arg;
	struct file *uffd;
	long ret;
};

static void orphan_make(struct rmap_kunit_child *child)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct orphan *orphan = child->data;
	int fd = rmap_kunit_ioctl(orphan->dev, USERFAULTFD_IOC_NEW, O_CLOEXEC);

	if (fd < 0) {
		orphan->ret = fd;
		return;
	}
	orphan->uffd = fget(fd);
	close_fd(fd);
	orphan->ret = -EFAULT;
	if (!copy_to_user((void __user *)orphan->arg, &api, sizeof(api)))
		orphan->ret = rmap_kunit_ioctl(orphan->uffd, UFFDIO_API, orphan->arg);
}

static void orphan_end(void *data)
{
	struct orphan *orphan = data;

	if (orphan->uffd)
		__fput_sync(orphan->uffd);
}

/*
 * Pages of a process that is gone cannot be moved, by whoever has its userfaultfd.
 * That the caller is another process is seen first; ESRCH would be for the process
 * itself.
 */
static void gone_process_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);
	struct orphan *orphan = kunit_kzalloc(test, sizeof(*orphan), GFP_KERNEL);
	struct file *own = move->uffd;
	struct rmap_kunit_child *child;

	KUNIT_ASSERT_NOT_NULL(test, orphan);
	orphan->dev = rmap_kunit_open(test, "devtmpfs", "userfaultfd", O_RDWR);
	orphan->arg = move->arg;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, orphan_end, orphan), 0);
	child = rmap_kunit_fork(test, orphan_make, orphan);
	KUNIT_ASSERT_EQ(test, orphan->ret, 0);
	rmap_kunit_reap(test, child);

	move->uffd = orphan->uffd;
	move_call(move);
	move->uffd = own;
	KUNIT_EXPECT_EQ(test, move->ret, -EINVAL);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->src), MOVE_VALUE);
}

/**
 * struct waiter - A thread that needs a page that is missing
 * @addr: where the page is missing
 * @value: what it has read there
 * @ret: whether it could
 * @thread: the thread
 */
struct waiter {
	unsigned long addr;
	u32 value;
	int ret;
	struct rmap_kunit_thread *thread;
};

static void waiter_fn(void *data)
{
	struct waiter *waiter = data;

	allow_signal(SIGKILL);
	waiter->ret = get_user(waiter->value, (u32 __user *)waiter->addr);
}

/* If the test ends early, nobody else would wake it. */
static void waiter_end(void *data)
{
	struct waiter *waiter = data;

	send_sig(SIGKILL, waiter->thread->task, 1);
}

static struct waiter *waiter_start(struct kunit *test, unsigned long addr)
{
	struct waiter *waiter = kunit_kzalloc(test, sizeof(*waiter), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, waiter);
	waiter->addr = addr;
	waiter->thread = rmap_kunit_thread_create(test, waiter_fn, waiter);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, waiter_end, waiter), 0);
	rmap_kunit_thread_start(waiter->thread);
	KUNIT_ASSERT_EQ(test, rmap_kunit_settle_on_event(waiter->thread),
			RMAP_KUNIT_BLOCKED);
	return waiter;
}

static void waiter_expect(struct kunit *test, struct waiter *waiter, u32 value)
{
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(waiter->thread));
	KUNIT_EXPECT_EQ(test, waiter->ret, 0);
	KUNIT_EXPECT_EQ(test, waiter->value, value);
}

/* A fault on the destination is over when the page has arrived. */
static void move_wakes_who_waits_for_the_page(struct kunit *test)
{
	struct move *move = move_page(test);
	struct waiter *waiter = waiter_start(test, move->dst);

	move_call(move);
	waiter_expect(test, waiter, MOVE_VALUE);
	move_expect_moved(test, move);
}

static void dontwake_leaves_waiters_asleep(struct kunit *test)
{
	struct move *move = move_page(test);
	struct waiter *waiter = waiter_start(test, move->dst);
	struct uffdio_range range = { move->dst, move->len };

	move->req.mode = UFFDIO_MOVE_MODE_DONTWAKE;
	move_call(move);
	KUNIT_ASSERT_EQ(test, rmap_kunit_settle_on_event(waiter->thread),
			RMAP_KUNIT_BLOCKED);
	move_expect_moved(test, move);

	KUNIT_ASSERT_EQ(test, rmap_kunit_uffd_ioctl(test, move->uffd, UFFDIO_WAKE,
						    &range, sizeof(range)), 0);
	waiter_expect(test, waiter, MOVE_VALUE);
}

/* Who waits for a page that the move did not come to goes on waiting for it. */
static void half_a_move_wakes_only_for_what_arrived(struct kunit *test)
{
	struct move *move = move_area(test, 2);
	struct waiter *first = waiter_start(test, move->dst);
	struct waiter *second = waiter_start(test, move->dst + PAGE_SIZE);

	rmap_kunit_write(test, move->src, MOVE_VALUE);
	move_expect(test, move, -EAGAIN, PAGE_SIZE);
	waiter_expect(test, first, MOVE_VALUE);
	KUNIT_ASSERT_EQ(test, rmap_kunit_settle_on_event(second->thread),
			RMAP_KUNIT_BLOCKED);
	/* A wake-up alone does not help: the fault is taken again. */
	move_fill(test, move, move->dst + PAGE_SIZE);
	waiter_expect(test, second, MOVE_OTHER);
}

static void move_call_killed(void *data)
{
	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	move_call(data);
	flush_signals(current);
}

/* A process that is being killed does not move all the rest first. */
static void killed_move_stops(struct kunit *test)
{
	struct move *move = move_area(test, 2);
	u32 value;

	rmap_kunit_write(test, move->src, MOVE_VALUE);
	/* The zero page: a kernel may move all pages in a row before it looks. */
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)(move->src + PAGE_SIZE)), 0);
	KUNIT_ASSERT_EQ(test, value, 0);
	move->thread = rmap_kunit_thread_create(test, move_call_killed, move);
	rmap_kunit_thread_start(move->thread);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(move->thread));
	/* Some kernels tell of a page that has moved before: then it has to be true. */
	if (move->ret == -EAGAIN) {
		KUNIT_EXPECT_EQ(test, move->req.move, PAGE_SIZE);
		KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
		KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	} else {
		KUNIT_EXPECT_EQ(test, move->ret, -EINTR);
	}
	KUNIT_EXPECT_FALSE(test, rmap_kunit_is_hole(test, move->src + PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst + PAGE_SIZE));
}

/**
 * struct bracket - What an mmu_notifier is told about a move
 * @notifier: of the test's mm
 * @folio: the folio that moves
 * @starts: how often an invalidation began
 * @ends: how often one ended
 * @start: the beginning of the range
 * @end: its end
 * @pages: pages in all ranges
 * @before: the folio's anon_vma when it began
 * @after: the folio's anon_vma when it ended
 */
struct bracket {
	struct mmu_notifier notifier;
	struct folio *folio;
	int starts;
	int ends;
	unsigned long start;
	unsigned long end;
	unsigned long pages;
	struct anon_vma *before;
	struct anon_vma *after;
};

static int bracket_start(struct mmu_notifier *notifier,
			 const struct mmu_notifier_range *range)
{
	struct bracket *bracket = container_of(notifier, struct bracket, notifier);

	bracket->starts++;
	bracket->start = range->start;
	bracket->end = range->end;
	bracket->pages += (range->end - range->start) / PAGE_SIZE;
	bracket->before = folio_anon_vma(bracket->folio);
	return 0;
}

static void bracket_stop(struct mmu_notifier *notifier,
			 const struct mmu_notifier_range *range)
{
	struct bracket *bracket = container_of(notifier, struct bracket, notifier);

	bracket->ends++;
	bracket->after = folio_anon_vma(bracket->folio);
}

static const struct mmu_notifier_ops bracket_ops = {
	.invalidate_range_start = bracket_start,
	.invalidate_range_end = bracket_stop,
};

static void bracket_unregister(void *data)
{
	struct bracket *bracket = data;

	mmu_notifier_unregister(&bracket->notifier, bracket->notifier.mm);
}

/* Secondary MMUs drop the source before the page moves, and may look again after. */
static void move_with_bracket(struct kunit *test, struct move *move)
{
	struct bracket *bracket = kunit_kzalloc(test, sizeof(*bracket), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bracket);
	bracket->notifier.ops = &bracket_ops;
	bracket->folio = move->folio;
	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&bracket->notifier, current->mm), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, bracket_unregister,
							bracket), 0);
	move_call(move);
	KUNIT_EXPECT_EQ(test, bracket->starts, 1);
	KUNIT_EXPECT_EQ(test, bracket->ends, 1);
	KUNIT_EXPECT_EQ(test, bracket->start, move->src);
	KUNIT_EXPECT_EQ(test, bracket->end, move->src + move->len);
	KUNIT_EXPECT_PTR_EQ(test, bracket->before, move->old);
	KUNIT_EXPECT_PTR_EQ(test, bracket->after, move->new);
	move_expect_moved(test, move);

	/* Nothing is left open when there is nothing to move. */
	move_expect(test, move, -EEXIST, -EEXIST);
	KUNIT_EXPECT_EQ(test, bracket->starts, bracket->ends);
}

static void source_is_invalidated_around_the_move(struct kunit *test)
{
	move_with_bracket(test, move_page(test));
}

static void thp_source_is_invalidated_around_the_move(struct kunit *test)
{
	move_with_bracket(test, move_thp(test));
}

#if defined(CONFIG_KPROBES) && (defined(CONFIG_X86_64) || defined(CONFIG_ARM64))

/**
 * struct last_pin - Pins a folio between the check for pins and the end of its mapping
 * @probe: on the function that clears the page table entry
 * @folio: the folio
 * @task: the thread that moves
 * @pinned: whether it is pinned now
 */
struct last_pin {
	struct kprobe probe;
	struct folio *folio;
	struct task_struct *task;
	bool pinned;
};

/* What GUP-fast does, which takes no lock. */
static int last_pin_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct last_pin *pin = container_of(probe, struct last_pin, probe);

	if (current != pin->task || pin->pinned)
		return 0;
	if (folio_test_large(pin->folio)) {
		folio_ref_add(pin->folio, 1);
		atomic_inc(&pin->folio->_pincount);
	} else {
		folio_ref_add(pin->folio, GUP_PIN_COUNTING_BIAS);
	}
	pin->pinned = true;
	return 0;
}

static void last_pin_end(void *data)
{
	struct last_pin *pin = data;

	unregister_kprobe(&pin->probe);
	if (pin->pinned)
		unpin_user_page(&pin->folio->page);
}

/* A page that gets pinned at the last moment is put back. */
static void move_pin_at_last(struct kunit *test, struct move *move,
			     const char *symbol)
{
	struct last_pin *pin = kunit_kzalloc(test, sizeof(*pin), GFP_KERNEL);
	bool pinned;

	KUNIT_ASSERT_NOT_NULL(test, pin);
	pin->folio = move->folio;
	pin->task = current;
	pin->probe.symbol_name = symbol;
	pin->probe.pre_handler = last_pin_pre;
	KUNIT_ASSERT_EQ(test, register_kprobe(&pin->probe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, last_pin_end, pin), 0);
	move_call(move);
	pinned = pin->pinned;
	kunit_release_action(test, last_pin_end, pin);
	if (!pinned)
		kunit_skip(test, "this kernel does not call %s() here", symbol);

	KUNIT_EXPECT_EQ(test, move->ret, -EBUSY);
	KUNIT_EXPECT_FALSE(test, folio_test_locked(move->folio));
	KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio), move->folio_refs);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
	move_expect_stayed(test, move);
	move_expect_walk(test, move->folio, move->src);
}

static void page_pinned_at_the_last_moment_is_put_back(struct kunit *test)
{
	/* Where pages move in runs, what clears the PTE is inline. */
	move_pin_at_last(test, move_page(test),
			 rmap_kunit_moves_runs() && IS_ENABLED(CONFIG_X86_64) ?
			 "flush_tlb_mm_range" : "ptep_clear_flush");
}

static void thp_pinned_at_the_last_moment_is_put_back(struct kunit *test)
{
	move_pin_at_last(test, move_thp(test), "pmdp_huge_clear_flush");
}

#else

static void page_pinned_at_the_last_moment_is_put_back(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES, on x86_64 or arm64");
}

static void thp_pinned_at_the_last_moment_is_put_back(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES, on x86_64 or arm64");
}

#endif

/*
 * Runs of pages: what must hold whether a kernel moves them one by one or several
 * at a time.
 */

/* Have small pages only. */
static void move_no_thps(struct kunit *test, unsigned long addr, unsigned long len)
{
	if (IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		KUNIT_ASSERT_EQ(test, do_madvise(current->mm, addr, len,
						 MADV_NOHUGEPAGE), 0);
}

/* A run of @nr pages, the contents of which are their numbers, from 1 on. */
static struct move *move_run(struct kunit *test, unsigned long nr)
{
	struct move *move = move_area(test, nr);
	unsigned long i;

	move_no_thps(test, move->src, move->len);
	for (i = 0; i < nr; i++)
		rmap_kunit_write(test, move->src + i * PAGE_SIZE, i + 1);
	lru_add_drain_all();
	return move;
}

/* One page of a run, in its place at @addr; nothing is left behind. */
static void move_expect_page(struct kunit *test, struct move *move,
			     unsigned long i, unsigned long area)
{
	unsigned long addr = area + i * PAGE_SIZE;
	struct folio *folio;

	KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, addr), i + 1);
	folio = rmap_kunit_folio(test, addr);
	KUNIT_ASSERT_FALSE(test, folio_test_locked(folio));
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 2);
	KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 1);
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&folio->page));
	KUNIT_EXPECT_TRUE(test, pte_write(rmap_kunit_entry(test, addr).pte));
	move_expect_rmap(test, folio, addr);
	rmap_kunit_put_folio(test, folio);
}

/* The first @arrived pages of a run are at the destination, the others at the source. */
static void move_expect_run(struct kunit *test, struct move *move,
			    unsigned long arrived)
{
	unsigned long i;

	for (i = 0; i < move->len / PAGE_SIZE; i++) {
		unsigned long offset = i * PAGE_SIZE;

		KUNIT_ASSERT_EQ(test, rmap_kunit_is_hole(test, move->src + offset),
				i < arrived);
		KUNIT_ASSERT_EQ(test, rmap_kunit_is_hole(test, move->dst + offset),
				i >= arrived);
		move_expect_page(test, move, i, i < arrived ? move->dst : move->src);
	}
}

/* Go on behind the first @pages pages, and expect what comes of the next one. */
static void move_expect_next(struct kunit *test, struct move *move,
			     unsigned long pages, long err)
{
	move_set_request(move, move->len);
	move->req.src += pages * PAGE_SIZE;
	move->req.dst += pages * PAGE_SIZE;
	move->req.len -= pages * PAGE_SIZE;
	move_expect(test, move, err, err);
}

/* Page tables that end at different places in source and destination. */
static void pages_move_across_the_ends_of_page_tables(struct kunit *test)
{
	unsigned long len = 3 * PMD_SIZE, offset, src, dst;
	struct move *move;

	if (len / PAGE_SIZE > totalram_pages() / 4)
		kunit_skip(test, "needs %lu MiB of memory", 4 * len / SZ_1M);
	src = rmap_kunit_mmap_far(test, 2 * len);
	dst = rmap_kunit_mmap_far(test, 2 * len);
	move_no_thps(test, src, 2 * len);
	move_no_thps(test, dst, 2 * len);
	src += PMD_SIZE - 100 * PAGE_SIZE;
	dst += PMD_SIZE - 37 * PAGE_SIZE;
	for (offset = 0; offset < len; offset += PAGE_SIZE)
		rmap_kunit_write(test, src + offset, offset / PAGE_SIZE + 1);
	move = move_alloc(test, src, dst, len);
	lru_add_drain_all();
	move_set_request(move, len);
	move_expect(test, move, 0, len);
	move_expect_run(test, move, len / PAGE_SIZE);
}

#define MOVE_RUN	8
#define MOVE_TABLES	12

/*
 * What follows a page table in memory is no part of it. Here that is, if memory is
 * as empty as it is early on, another page table of the source; not the next one.
 */
static void run_ends_with_the_page_table_of_its_source(struct kunit *test)
{
	unsigned long src = rmap_kunit_mmap_far(test, MOVE_TABLES * PMD_SIZE);
	unsigned long half = MOVE_RUN / 2 * PAGE_SIZE, i, j;
	struct move *move;
	u32 value;

	move_no_thps(test, src, MOVE_TABLES * PMD_SIZE);
	/* Reading takes memory for the page tables only: first every second one. */
	for (i = 0; i < 2; i++) {
		for (j = i; j < MOVE_TABLES; j += 2) {
			u32 __user *at = (u32 __user *)(src + j * PMD_SIZE);

			KUNIT_ASSERT_EQ(test, get_user(value, at), 0);
			KUNIT_ASSERT_EQ(test, value, 0);
		}
	}
	for (i = 1; i < MOVE_TABLES; i++)
		for (j = 0; j < MOVE_RUN; j++)
			rmap_kunit_write(test, src + i * PMD_SIZE - half + j * PAGE_SIZE,
					 i * MOVE_RUN + j);

	move = move_area(test, MOVE_RUN);
	for (i = 1; i < MOVE_TABLES; i++) {
		move->src = src + i * PMD_SIZE - half;
		move_set_request(move, move->len);
		move_expect(test, move, 0, move->len);
		for (j = 0; j < MOVE_RUN; j++) {
			unsigned long dst = move->dst + j * PAGE_SIZE;

			KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, dst),
					i * MOVE_RUN + j);
		}
		rmap_kunit_zap(test, move->dst, move->len);
	}
}

/* Pages that are pinned, shared, locked ... in the midst of others. */
static void pinned_page_in_a_run_stops_it(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	struct page *page;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(move->src + 5 * PAGE_SIZE, 1,
						  FOLL_WRITE, &page), 1);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin, page), 0);
	move_expect(test, move, -EAGAIN, 5 * PAGE_SIZE);
	move_expect_next(test, move, 5, -EBUSY);
	kunit_release_action(test, move_unpin, page);
	move_expect_run(test, move, 5);

	move_set_request(move, move->len);
	move->req.src += 5 * PAGE_SIZE;
	move->req.dst += 5 * PAGE_SIZE;
	move->req.len -= 5 * PAGE_SIZE;
	move_expect(test, move, 0, move->req.len);
	move_expect_run(test, move, MOVE_RUN);
}

static void forked_page_in_a_run_stops_it(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	struct rmap_kunit_child *child;
	int i;

	/* All but the sixth one are the parent's alone again. */
	child = rmap_kunit_fork(test, NULL, NULL);
	for (i = 0; i < MOVE_RUN; i++)
		if (i != 5)
			rmap_kunit_write(test, move->src + i * PAGE_SIZE, i + 1);
	move_expect(test, move, -EAGAIN, 5 * PAGE_SIZE);
	move_expect_next(test, move, 5, -EBUSY);
	rmap_kunit_reap(test, child);
	rmap_kunit_write(test, move->src + 5 * PAGE_SIZE, 6);
	lru_add_drain_all();
	move_expect_run(test, move, 5);
}

static void present_destination_in_a_run_stops_it(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	unsigned long there = move->dst + 5 * PAGE_SIZE;

	move_fill(test, move, there);
	move_expect(test, move, -EAGAIN, 5 * PAGE_SIZE);
	move_expect_next(test, move, 5, -EEXIST);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, there), MOVE_OTHER);
	rmap_kunit_zap(test, there, PAGE_SIZE);
	move_expect_run(test, move, 5);
}

/* The run waits for the page, not the page for the run. */
static void locked_page_in_a_run_is_waited_for(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	struct folio *after;

	move->folio = rmap_kunit_folio(test, move->src + 5 * PAGE_SIZE);
	after = rmap_kunit_folio(test, move->src + 6 * PAGE_SIZE);
	move->thread = rmap_kunit_thread_create(test, move_call, move);
	move_block_on_folio(test, move);
	KUNIT_EXPECT_EQ(test, move->folio->index,
			rmap_kunit_index(test, move->src + 5 * PAGE_SIZE));
	/* Others may have the next one meanwhile. */
	KUNIT_EXPECT_FALSE(test, folio_test_locked(after));
	KUNIT_EXPECT_FALSE(test, rmap_kunit_is_hole(test, move->src + 5 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, rmap_kunit_is_hole(test, move->src + 6 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, rmap_kunit_is_hole(test, move->dst + 4 * PAGE_SIZE));
	move_unblock(test, move, 0);
	rmap_kunit_put_folio(test, move->folio);
	rmap_kunit_put_folio(test, after);
	move_expect_run(test, move, MOVE_RUN);
}

/* Other kinds of entries in a run go their own way, and the run goes on after them. */
static void run_goes_on_after_other_entries(struct kunit *test)
{
	bool swap = rmap_kunit_has_exclusive_swap();
	struct move *move;
	u32 value;
	int i;

	if (swap)
		rmap_kunit_swapon(test);
	move = move_run(test, MOVE_RUN);
	/* The third a zero page, the fifth a hole, the next two swapped out. */
	rmap_kunit_zap(test, move->src + 2 * PAGE_SIZE, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)(move->src + 2 * PAGE_SIZE)), 0);
	rmap_kunit_zap(test, move->src + 4 * PAGE_SIZE, PAGE_SIZE);
	for (i = 5; swap && i < 7; i++) {
		rmap_kunit_page_out(test, move->src + i * PAGE_SIZE);
		KUNIT_ASSERT_TRUE(test, rmap_kunit_is_swapped(test, move->src + i * PAGE_SIZE));
	}

	move->req.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	move_expect(test, move, 0, move->len);
	for (i = 0; i < MOVE_RUN; i++)
		KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src + i * PAGE_SIZE));
	/* To look at a hole would mean to wait for somebody to fill it. */
	KUNIT_ASSERT_FALSE(test, rmap_kunit_is_hole(test, move->dst + 2 * PAGE_SIZE));
	KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)(move->dst + 2 * PAGE_SIZE)), 0);
	KUNIT_EXPECT_EQ(test, value, 0);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst + 4 * PAGE_SIZE));
	for (i = 5; i < 7; i++) {
		unsigned long dst = move->dst + i * PAGE_SIZE;

		KUNIT_EXPECT_EQ(test, rmap_kunit_is_swapped(test, dst), swap);
		KUNIT_ASSERT_FALSE(test, rmap_kunit_is_hole(test, dst));
		KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)dst), 0);
		KUNIT_EXPECT_EQ(test, value, i + 1);
	}
	lru_add_drain_all();
	for (i = 0; i < MOVE_RUN; i++)
		if (i != 2 && (i < 4 || i > 6))
			move_expect_page(test, move, i, move->dst);
}

static void marker_in_a_run_stops_it(struct kunit *test)
{
#ifdef UFFDIO_POISON
	struct move *move = move_run(test, MOVE_RUN);
	unsigned long marked = move->src + 5 * PAGE_SIZE;
	struct uffdio_poison poison = {
		.range = { marked, PAGE_SIZE },
	};

	rmap_kunit_uffd_register(test, move->uffd, move->src, move->len);
	rmap_kunit_zap(test, marked, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, rmap_kunit_uffd_ioctl(test, move->uffd, UFFDIO_POISON,
						    &poison, sizeof(poison)), 0);
	move_expect(test, move, -EAGAIN, 5 * PAGE_SIZE);
	move_expect_next(test, move, 5, -EFAULT);
	KUNIT_EXPECT_TRUE(test, is_pte_marker(rmap_kunit_entry(test, marked).pte));
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst + 5 * PAGE_SIZE));
	move_expect_page(test, move, 4, move->dst);
	move_expect_page(test, move, 6, move->src);
#else
	kunit_skip(test, "this kernel has no UFFDIO_POISON");
#endif
}

/* Each page of a run keeps its own dirty bit, and none its write protection. */
static void bits_are_those_of_each_page(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	int i;

	/* Every second page is clean, and the first one is watched for writes. */
	for (i = 1; i < MOVE_RUN; i += 2) {
		move_change_pte(test, move->src + i * PAGE_SIZE, pte_mkclean);
		if (IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
			move_change_pte(test, move->src + i * PAGE_SIZE,
					pte_clear_soft_dirty);
	}
	if (IS_ENABLED(CONFIG_HAVE_ARCH_USERFAULTFD_WP))
		move_watch_source(test, move);
	move_expect(test, move, 0, move->len);
	for (i = 0; i < MOVE_RUN; i++) {
		pte_t pte = rmap_kunit_entry(test, move->dst + i * PAGE_SIZE).pte;

		KUNIT_EXPECT_EQ(test, !pte_dirty(pte), i % 2);
		KUNIT_EXPECT_TRUE(test, pte_write(pte));
		KUNIT_EXPECT_TRUE(test, pte_young(pte));
		KUNIT_EXPECT_FALSE(test, pte_uffd_wp(pte));
		if (IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
			KUNIT_EXPECT_TRUE(test, pte_soft_dirty(pte));
	}
	move_expect_run(test, move, MOVE_RUN);
}

/* All of a run is dropped by secondary MMUs, and not a page more. */
static void source_of_a_run_is_invalidated(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	struct bracket *bracket = kunit_kzalloc(test, sizeof(*bracket), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bracket);
	bracket->notifier.ops = &bracket_ops;
	bracket->folio = rmap_kunit_folio(test, move->src + (MOVE_RUN - 1) * PAGE_SIZE);
	rmap_kunit_zap(test, move->src + PAGE_SIZE, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&bracket->notifier, current->mm), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, bracket_unregister,
							bracket), 0);
	/* It ends at the hole. */
	move_expect(test, move, -EAGAIN, PAGE_SIZE);
	KUNIT_EXPECT_GT(test, bracket->starts, 0);
	KUNIT_EXPECT_EQ(test, bracket->starts, bracket->ends);
	if (!rmap_kunit_moves_then_flushes())
		KUNIT_EXPECT_LE(test, bracket->pages, 2);

	bracket->pages = 0;
	move_set_request(move, move->len);
	move->req.src += 2 * PAGE_SIZE;
	move->req.dst += 2 * PAGE_SIZE;
	move->req.len -= 2 * PAGE_SIZE;
	move_expect(test, move, 0, move->req.len);
	KUNIT_EXPECT_EQ(test, bracket->starts, bracket->ends);
	KUNIT_EXPECT_EQ(test, bracket->pages, MOVE_RUN - 2);
	KUNIT_EXPECT_EQ(test, bracket->end, move->src + move->len);
	KUNIT_EXPECT_PTR_EQ(test, bracket->after, move->new);
	rmap_kunit_put_folio(test, bracket->folio);
}

/* Its caller holds the page table locks. */
static pte_t run_flush_pte(unsigned long addr)
{
	return ptep_get(pte_offset_kernel(pmd_off(current->mm, addr), addr));
}

/**
 * struct secondary - What uses the page tables of the CPUs, with a TLB of its own
 * @notifier: of the test's mm
 * @move: the move
 * @pages: how many pages of the source that TLB was to forget
 * @mapped: how many of them were still there
 * @early: how many had arrived at the destination
 */
struct secondary {
	struct mmu_notifier notifier;
	struct move *move;
	unsigned long pages;
	int mapped;
	int early;
};

static void secondary_flush(struct mmu_notifier *notifier, struct mm_struct *mm,
			    unsigned long start, unsigned long end)
{
	struct secondary *secondary = container_of(notifier, struct secondary,
						   notifier);
	struct move *move = secondary->move;
	unsigned long addr;

	start = max(start, move->src);
	end = min(end, move->src + move->len);
	for (addr = start; addr < end; addr += PAGE_SIZE) {
		secondary->pages++;
		secondary->mapped += !pte_none(run_flush_pte(addr));
		secondary->early += !pte_none(run_flush_pte(addr - move->src +
							    move->dst));
	}
}

static const struct mmu_notifier_ops secondary_ops = {
	.RMAP_KUNIT_SECONDARY_TLBS = secondary_flush,
};

static void secondary_unregister(void *data)
{
	struct secondary *secondary = data;

	mmu_notifier_unregister(&secondary->notifier, secondary->notifier.mm);
}

/* A device that walks the page tables itself writes to no page that has moved. */
static void secondary_tlbs_are_flushed_in_between(struct kunit *test)
{
	struct secondary *secondary;
	struct move *move;

	if (!rmap_kunit_flushes_secondary_tlbs())
		kunit_skip(test, "this architecture has no secondary TLBs");
	move = move_run(test, MOVE_RUN);
	secondary = kunit_kzalloc(test, sizeof(*secondary), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, secondary);
	secondary->notifier.ops = &secondary_ops;
	secondary->move = move;
	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&secondary->notifier,
						    current->mm), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, secondary_unregister,
							secondary), 0);
	move_expect(test, move, 0, move->len);
	kunit_release_action(test, secondary_unregister, secondary);
	KUNIT_EXPECT_EQ(test, secondary->pages, MOVE_RUN);
	KUNIT_EXPECT_EQ(test, secondary->mapped, 0);
	if (!rmap_kunit_moves_then_flushes())
		KUNIT_EXPECT_EQ(test, secondary->early, 0);
	move_expect_run(test, move, MOVE_RUN);
}

/**
 * struct scribbler - A thread that writes to the source while it is moved
 * @addr: the pages
 * @nr: how many there are
 * @rounds: how often it wrote to each
 * @gone: how many pages it has found to be new ones in the last round
 * @stop: whether it is to end
 * @thread: the thread
 */
struct scribbler {
	unsigned long addr;
	unsigned long nr;
	unsigned long rounds;
	unsigned long gone;
	bool stop;
	struct rmap_kunit_thread *thread;
};

/* Add one to @value at @at, if it is still there: not to a page that came meanwhile. */
static bool scribbler_count(u32 __user *at, u32 value)
{
	u32 there;

	return futex_atomic_cmpxchg_inatomic(&there, at, value, value + 1) == -EFAULT;
}

/*
 * Counts in each page. The pages start from 1; one that came instead of a page that
 * has moved starts from 0, and is left alone.
 */
static void scribbler_fn(void *data)
{
	struct scribbler *scribbler = data;
	unsigned long i;
	u32 value;

	while (!READ_ONCE(scribbler->stop)) {
		scribbler->gone = 0;
		for (i = 0; i < scribbler->nr; i++) {
			u32 __user *at = (u32 __user *)(scribbler->addr + i * PAGE_SIZE);

			if (get_user(value, at))
				return;
			if (!value)
				scribbler->gone++;
			else if (scribbler_count(at, value))
				return;
		}
		WRITE_ONCE(scribbler->rounds, scribbler->rounds + 1);
	}
}

static void scribbler_end(void *data)
{
	struct scribbler *scribbler = data;

	WRITE_ONCE(scribbler->stop, true);
}

/* Whether it gets through all pages some times more, after @rounds. */
static bool scribbler_goes_on(struct scribbler *scribbler, unsigned long rounds)
{
	unsigned long end = jiffies + 5 * HZ;

	while (READ_ONCE(scribbler->rounds) < rounds + 3) {
		if (time_after(jiffies, end))
			return false;
		cond_resched();
	}
	return true;
}

/* Once a call has returned, no CPU writes to what it moved by way of the source. */
static void move_under_a_scribbler(struct kunit *test, unsigned long nr)
{
	struct move *move = move_run(test, nr);
	struct scribbler *scribbler = kunit_kzalloc(test, sizeof(*scribbler), GFP_KERNEL);
	u32 *seen = kunit_kcalloc(test, nr, sizeof(*seen), GFP_KERNEL);
	unsigned long i, rounds, changed = 0;
	unsigned int cpu;

	KUNIT_ASSERT_NOT_NULL(test, scribbler);
	KUNIT_ASSERT_NOT_NULL(test, seen);
	scribbler->addr = move->src;
	scribbler->nr = nr;
	scribbler->thread = rmap_kunit_thread_create(test, scribbler_fn, scribbler);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, scribbler_end, scribbler), 0);
	/* Not where this thread is. */
	cpu = get_cpu();
	rmap_kunit_thread_bind(scribbler->thread,
			       cpumask_any_but(cpu_online_mask, cpu));
	put_cpu();
	rmap_kunit_thread_start(scribbler->thread);
	KUNIT_ASSERT_TRUE(test, scribbler_goes_on(scribbler, 0));

	move_call(move);
	/* It sees holes from now on; those that it fills are of no concern. */
	for (i = 0; i < nr; i++)
		if (get_user(seen[i], (u32 __user *)(move->dst + i * PAGE_SIZE)))
			break;
	rounds = READ_ONCE(scribbler->rounds);
	KUNIT_EXPECT_TRUE(test, scribbler_goes_on(scribbler, rounds));
	scribbler_end(scribbler);
	KUNIT_ASSERT_TRUE(test, rmap_kunit_thread_wait(scribbler->thread));
	KUNIT_EXPECT_EQ(test, move->ret, 0);
	KUNIT_ASSERT_EQ(test, i, nr);
	KUNIT_EXPECT_EQ(test, scribbler->gone, nr);
	for (i = 0; i < nr; i++) {
		changed += rmap_kunit_read(test, move->dst + i * PAGE_SIZE) != seen[i];
		KUNIT_EXPECT_GT(test, seen[i], 0);
	}
	KUNIT_EXPECT_EQ(test, changed, 0);
}

static void moved_pages_are_out_of_reach_of_other_cpus(struct kunit *test)
{
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	/* Few pages are flushed one by one, and many all at once. */
	move_under_a_scribbler(test, 1);
	move_under_a_scribbler(test, MOVE_RUN);
	move_under_a_scribbler(test, 128);
}

#if defined(CONFIG_KPROBES) && defined(CONFIG_X86_64) && defined(CONFIG_SMP)

/**
 * struct run_flush - Looks at what is mapped while the TLB is flushed
 * @probe: on the function that flushes
 * @move: the move
 * @task: the thread that moves
 * @pin: a folio that gets pinned now, as if by GUP-fast; may be %NULL
 * @calls: how often the source is flushed
 * @pages: how many pages of it
 * @across: how often that went across the end of a page table
 * @mapped: how many PTEs that the flush is about were not empty
 * @early: how many of them had arrived at the destination
 */
struct run_flush {
	struct kprobe probe;
	struct move *move;
	struct task_struct *task;
	struct folio *pin;
	int calls;
	unsigned long pages;
	int across;
	int mapped;
	int early;
};

static void move_needs_runs(struct kunit *test)
{
	if (!rmap_kunit_moves_runs())
		kunit_skip(test, "this kernel does not move pages in runs, flushed in between");
}

static int run_flush_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct run_flush *flush = container_of(probe, struct run_flush, probe);
	unsigned long start = regs_get_kernel_argument(regs, 1);
	unsigned long end = regs_get_kernel_argument(regs, 2);
	struct move *move = flush->move;
	unsigned long addr;

	if (current != flush->task || start < move->src ||
	    start >= move->src + move->len)
		return 0;
	flush->calls++;
	flush->pages += (end - start) / PAGE_SIZE;
	flush->across += (start & PMD_MASK) != ((end - 1) & PMD_MASK);
	for (addr = start; addr < min(end, move->src + move->len); addr += PAGE_SIZE) {
		flush->mapped += !pte_none(run_flush_pte(addr));
		flush->early += !pte_none(run_flush_pte(addr - move->src + move->dst));
	}
	if (flush->pin) {
		folio_ref_add(flush->pin, GUP_PIN_COUNTING_BIAS);
		flush->pin = NULL;
	}
	return 0;
}

static void run_flush_end(void *data)
{
	struct run_flush *flush = data;

	unregister_kprobe(&flush->probe);
}

static struct run_flush *run_flush_look(struct kunit *test, struct move *move)
{
	struct run_flush *flush = kunit_kzalloc(test, sizeof(*flush), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, flush);
	flush->move = move;
	flush->task = current;
	flush->probe.symbol_name = "flush_tlb_mm_range";
	flush->probe.pre_handler = run_flush_pre;
	KUNIT_ASSERT_EQ(test, register_kprobe(&flush->probe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, run_flush_end, flush), 0);
	return flush;
}

/*
 * The TLB is flushed once for all pages of a run, when none of them is mapped any
 * more, neither where it was nor where it goes to.
 */
static void run_is_flushed_once_and_in_between(struct kunit *test)
{
	static const unsigned long sizes[] = { 1, MOVE_RUN, 16, 17, 200 };
	int i;

	move_needs_runs(test);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned long area = rmap_kunit_mmap_far(test, PMD_SIZE);
		struct run_flush *flush;
		struct move *move;
		unsigned long j;

		move_no_thps(test, area, PMD_SIZE);
		move = move_alloc(test, area, area + PMD_SIZE / 2, sizes[i] * PAGE_SIZE);
		for (j = 0; j < sizes[i]; j++)
			rmap_kunit_write(test, move->src + j * PAGE_SIZE, j + 1);
		lru_add_drain_all();
		move_set_request(move, move->len);
		flush = run_flush_look(test, move);
		move_expect(test, move, 0, move->len);
		kunit_release_action(test, run_flush_end, flush);
		KUNIT_EXPECT_EQ(test, flush->calls, 1);
		KUNIT_EXPECT_EQ(test, flush->pages, sizes[i]);
		KUNIT_EXPECT_EQ(test, flush->mapped, 0);
		KUNIT_EXPECT_EQ(test, flush->early, 0);
		move_expect_run(test, move, sizes[i]);
	}
}

/* A run is over where a page table ends, be it the source's or the destination's. */
static void run_ends_with_its_page_tables(struct kunit *test)
{
	unsigned long src = rmap_kunit_mmap_far(test, 2 * PMD_SIZE);
	unsigned long dst = rmap_kunit_mmap_far(test, 2 * PMD_SIZE);
	struct run_flush *flush;
	struct move *move;
	unsigned long i;

	move_needs_runs(test);
	move_no_thps(test, src, 2 * PMD_SIZE);
	move_no_thps(test, dst, 2 * PMD_SIZE);
	move = move_alloc(test, src + PMD_SIZE - 40 * PAGE_SIZE,
			  dst + PMD_SIZE - 30 * PAGE_SIZE, 64 * PAGE_SIZE);
	for (i = 0; i < 64; i++)
		rmap_kunit_write(test, move->src + i * PAGE_SIZE, i + 1);
	lru_add_drain_all();
	move_set_request(move, move->len);
	flush = run_flush_look(test, move);
	move_expect(test, move, 0, move->len);
	kunit_release_action(test, run_flush_end, flush);
	/* 30 to the end of the destination's, 10 to that of the source's, and 24. */
	KUNIT_EXPECT_EQ(test, flush->calls, 3);
	KUNIT_EXPECT_EQ(test, flush->pages, 64);
	KUNIT_EXPECT_EQ(test, flush->across, 0);
	move_expect_run(test, move, 64);
}

/* A page of a run that gets pinned at the last moment is put back, and so is the rest. */
static void run_pinned_at_the_last_moment_is_put_back(struct kunit *test)
{
	struct move *move = move_run(test, MOVE_RUN);
	struct run_flush *flush;
	struct folio *folio;
	bool pinned;

	if (rmap_kunit_moves_then_flushes())
		kunit_skip(test, "this kernel looks for pins before it flushes");
	folio = rmap_kunit_folio(test, move->src + 5 * PAGE_SIZE);
	/* Dirty bits come back as well. */
	move_change_pte(test, move->src + 6 * PAGE_SIZE, pte_mkclean);
	flush = run_flush_look(test, move);
	flush->pin = folio;
	move_call(move);
	pinned = !flush->pin;
	flush->pin = NULL;
	kunit_release_action(test, run_flush_end, flush);
	if (pinned)
		KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, move_unpin,
								&folio->page), 0);
	rmap_kunit_put_folio(test, folio);
	KUNIT_ASSERT_TRUE(test, pinned);
	KUNIT_EXPECT_EQ(test, move->ret, -EAGAIN);
	KUNIT_EXPECT_EQ(test, move->req.move, 5 * PAGE_SIZE);
	move_expect_next(test, move, 5, -EBUSY);
	KUNIT_EXPECT_TRUE(test, pte_dirty(rmap_kunit_entry(test, move->src + 5 * PAGE_SIZE).pte));
	KUNIT_EXPECT_FALSE(test, pte_dirty(rmap_kunit_entry(test, move->src + 6 * PAGE_SIZE).pte));
	KUNIT_EXPECT_TRUE(test, pte_dirty(rmap_kunit_entry(test, move->src + 7 * PAGE_SIZE).pte));

	kunit_release_action(test, move_unpin, &folio->page);
	move_expect_run(test, move, 5);
}

#else

static void run_is_flushed_once_and_in_between(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES and SMP, on x86_64");
}

static void run_ends_with_its_page_tables(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES and SMP, on x86_64");
}

static void run_pinned_at_the_last_moment_is_put_back(struct kunit *test)
{
	kunit_skip(test, "needs KPROBES and SMP, on x86_64");
}

#endif

static struct kunit_case userfaultfd_move_test_cases[] = {
	KUNIT_CASE(ioctl_is_offered),
	KUNIT_CASE(page_moves_with_its_anon_vma),
	KUNIT_CASE(thp_moves_whole_with_its_anon_vma),
	KUNIT_CASE(page_moves_inside_a_vma_and_back),
	KUNIT_CASE(zero_page_moves),
	KUNIT_CASE(hole_moves_if_allowed),
	KUNIT_CASE(half_a_move_reports_how_far_it_came),
	KUNIT_CASE(forked_page_is_refused),
	KUNIT_CASE(pinned_page_is_refused),
	KUNIT_CASE(present_destination_is_refused),
	KUNIT_CASE(invalid_requests_are_refused),
	KUNIT_CASE(ranges_beyond_a_vma_are_refused),
	KUNIT_CASE(other_kinds_of_destination_are_refused),
	KUNIT_CASE(bad_argument_is_refused),
	KUNIT_CASE(other_process_is_refused),
	KUNIT_CASE(page_moves_while_root_is_read_locked),
	KUNIT_CASE(page_moves_while_root_is_write_locked),
	KUNIT_CASE(thp_moves_while_root_is_read_locked),
	KUNIT_CASE(thp_moves_while_root_is_write_locked),
	KUNIT_CASE(page_waits_while_root_is_read_locked),
	KUNIT_CASE(thp_waits_while_root_is_read_locked),
	KUNIT_CASE(page_waits_for_the_folio_lock),
	KUNIT_CASE(thp_waits_for_the_folio_lock),
	KUNIT_CASE(walk_delays_its_own_folio_only),
	KUNIT_CASE(threads_move_distinct_pages),
	KUNIT_CASE(unsplittable_thp_is_refused),
	KUNIT_CASE(migrating_thp_waits_on_its_pmd),
	KUNIT_CASE(source_faults_as_a_hole),
	KUNIT_CASE(thp_source_faults_as_a_hole),
	KUNIT_CASE(several_pages_move_in_one_call),
	KUNIT_CASE(present_page_half_way_stops_the_move),
	KUNIT_CASE(pinned_page_half_way_stops_the_move),
	KUNIT_CASE(overlapping_range_moves_down),
	KUNIT_CASE(overlapping_range_does_not_move_up),
	KUNIT_CASE(dirty_page_stays_dirty),
	KUNIT_CASE(clean_page_stays_clean),
	KUNIT_CASE(moved_page_is_soft_dirty),
	KUNIT_CASE(moved_swap_entry_is_soft_dirty),
	KUNIT_CASE(write_protected_page_moves_and_is_writable),
	KUNIT_CASE(write_protected_swap_entry_moves),
	KUNIT_CASE(write_protected_hole_is_refused),
	KUNIT_CASE(poisoned_entry_is_refused),
	KUNIT_CASE(swapped_page_moves_without_being_read_in),
	KUNIT_CASE(swapped_page_moves_with_its_swap_cache_folio),
	KUNIT_CASE(swapped_page_moves_while_root_is_read_locked),
	KUNIT_CASE(swapped_page_moves_while_root_is_write_locked),
	KUNIT_CASE(swap_cache_folio_moves_while_root_is_read_locked),
	KUNIT_CASE(swap_cache_folio_moves_while_root_is_write_locked),
	KUNIT_CASE(forked_swapped_page_is_refused),
	KUNIT_CASE(present_destination_refuses_a_swapped_page),
	KUNIT_CASE(swapped_destination_is_refused),
	KUNIT_CASE(large_swap_cache_folio_is_refused),
	KUNIT_CASE(page_pinned_while_the_move_waits_stays),
	KUNIT_CASE(thp_pinned_while_the_move_waits_stays),
	KUNIT_CASE(page_zapped_while_the_move_waits_is_a_hole),
	KUNIT_CASE(thp_zapped_while_the_move_waits_is_a_hole),
	KUNIT_CASE(page_replaced_while_the_move_waits_moves),
	KUNIT_CASE(thp_replaced_while_the_move_waits_moves),
	KUNIT_CASE(destination_filled_while_the_move_waits_stays),
	KUNIT_CASE(thp_destination_filled_while_the_move_waits_stays),
	KUNIT_CASE(swap_cache_folio_waits_for_the_folio_lock),
	KUNIT_CASE(swapped_page_zapped_while_the_move_waits_is_a_hole),
	KUNIT_CASE(destination_filled_while_a_swapped_page_waits_stays),
	KUNIT_CASE(migrating_page_waits_and_moves),
	KUNIT_CASE(thp_is_split_for_a_range_that_is_shorter),
	KUNIT_CASE(thp_is_split_for_an_unaligned_source),
	KUNIT_CASE(thp_is_split_for_an_unaligned_destination),
	KUNIT_CASE(thp_is_split_for_a_page_table_at_the_destination),
	KUNIT_CASE(thp_mapped_by_ptes_is_split),
	KUNIT_CASE(moved_thp_can_be_split),
	KUNIT_CASE(moved_thp_is_dirty),
	KUNIT_CASE(pinned_thp_is_refused),
	KUNIT_CASE(pinned_thp_that_must_be_split_is_refused),
	KUNIT_CASE(move_that_waits_does_not_hinder_a_split),
	KUNIT_CASE(forked_thp_is_refused_and_stays_whole),
	KUNIT_CASE(present_thp_destination_is_refused),
	KUNIT_CASE(huge_zero_page_moves_whole),
	KUNIT_CASE(huge_zero_page_is_split_for_a_shorter_range),
	KUNIT_CASE(migrating_thp_is_split_and_moves),
	KUNIT_CASE(read_only_areas_are_refused),
	KUNIT_CASE(different_protection_is_refused),
	KUNIT_CASE(different_page_protection_is_refused),
	KUNIT_CASE(locked_and_unlocked_memory_do_not_mix),
	KUNIT_CASE(page_moves_between_locked_areas),
	KUNIT_CASE(special_areas_are_refused),
	KUNIT_CASE(hugetlb_memory_is_refused),
	KUNIT_CASE(shared_source_is_refused),
	KUNIT_CASE(private_file_mapping_is_refused),
	KUNIT_CASE(missing_areas_are_refused),
	KUNIT_CASE(hole_without_a_page_table_moves_if_allowed),
	KUNIT_CASE(hole_does_not_go_over_a_page),
	KUNIT_CASE(untouched_destination_gets_an_anon_vma),
	KUNIT_CASE(changing_mm_is_refused),
	KUNIT_CASE(change_that_begins_while_the_move_waits_counts),
	KUNIT_CASE(gone_process_is_refused),
	KUNIT_CASE(move_wakes_who_waits_for_the_page),
	KUNIT_CASE(dontwake_leaves_waiters_asleep),
	KUNIT_CASE(half_a_move_wakes_only_for_what_arrived),
	KUNIT_CASE(killed_move_stops),
	KUNIT_CASE(source_is_invalidated_around_the_move),
	KUNIT_CASE(thp_source_is_invalidated_around_the_move),
	KUNIT_CASE(page_pinned_at_the_last_moment_is_put_back),
	KUNIT_CASE(thp_pinned_at_the_last_moment_is_put_back),
	KUNIT_CASE(pages_move_across_the_ends_of_page_tables),
	KUNIT_CASE(run_ends_with_the_page_table_of_its_source),
	KUNIT_CASE(pinned_page_in_a_run_stops_it),
	KUNIT_CASE(forked_page_in_a_run_stops_it),
	KUNIT_CASE(present_destination_in_a_run_stops_it),
	KUNIT_CASE(locked_page_in_a_run_is_waited_for),
	KUNIT_CASE(run_goes_on_after_other_entries),
	KUNIT_CASE(marker_in_a_run_stops_it),
	KUNIT_CASE(bits_are_those_of_each_page),
	KUNIT_CASE(source_of_a_run_is_invalidated),
	KUNIT_CASE(secondary_tlbs_are_flushed_in_between),
	KUNIT_CASE(moved_pages_are_out_of_reach_of_other_cpus),
	KUNIT_CASE(run_is_flushed_once_and_in_between),
	KUNIT_CASE(run_ends_with_its_page_tables),
	KUNIT_CASE(run_pinned_at_the_last_moment_is_put_back),
	{}
};

static struct kunit_suite userfaultfd_move_test_suite = {
	.name = "userfaultfd_move",
	.suite_init = rmap_kunit_suite_init,
	.test_cases = userfaultfd_move_test_cases,
};

kunit_test_suite(userfaultfd_move_test_suite);

MODULE_IMPORT_NS_KUNIT;
MODULE_DESCRIPTION("KUnit tests for UFFDIO_MOVE");
MODULE_LICENSE("GPL");
