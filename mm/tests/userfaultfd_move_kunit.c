// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of UFFDIO_MOVE, through the ioctl that user space calls: moves of
 * anonymous folios to a VMA whose anon_vma has another root.
 *
 * While a test holds a lock it neither ASSERTs nor EXPECTs: the one would end the
 * thread with the lock held, the other allocates memory when it fails.
 */
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <uapi/linux/userfaultfd.h>

#include "../internal.h"
#include "rmap_kunit_helpers.h"

/**
 * struct move - A move that is to be made
 * @src: address of the source area
 * @dst: address of the destination area: a hole in a VMA that has its anon_vma,
 *	registered with @uffd
 * @len: length of either area in bytes
 * @folio: the folio at @src
 * @old: the anon_vma of the source
 * @new: the anon_vma of the destination
 * @folio_refs: references of @folio before the move
 * @old_refs: references of @old before the move
 * @new_refs: references of @new before the move
 * @uffd: the userfaultfd
 * @arg: user address for the ioctl's argument
 * @thread: makes the move; not started yet
 * @req: the argument; starts as a move of the whole area
 * @ret: what the ioctl returned
 */
struct move {
	unsigned long src;
	unsigned long dst;
	unsigned long len;
	struct folio *folio;
	struct anon_vma *old;
	struct anon_vma *new;
	int folio_refs;
	int old_refs;
	int new_refs;
	struct file *uffd;
	unsigned long arg;
	struct rmap_kunit_thread *thread;
	struct uffdio_move req;
	long ret;
};

#define MOVE_VALUE	0x600dbeef

static void move_call(void *data)
{
	struct move *move = data;
	void __user *arg = (void __user *)move->arg;

	if (copy_to_user(arg, &move->req, sizeof(move->req)))
		move->ret = -EFAULT;
	else
		move->ret = vfs_ioctl(move->uffd, UFFDIO_MOVE, move->arg);
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
	move->folio_refs = folio_ref_count(move->folio);
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

/* The folio is at the destination, and only there; nothing is left behind. */
static void move_expect_moved(struct kunit *test, struct move *move)
{
	KUNIT_ASSERT_EQ(test, move->ret, 0);
	KUNIT_EXPECT_EQ(test, move->req.move, move->len);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&move->old->root->rwsem));
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&move->new->root->rwsem));
	KUNIT_ASSERT_FALSE(test, folio_test_locked(move->folio));
	KUNIT_EXPECT_EQ(test, folio_ref_count(move->folio), move->folio_refs);
	KUNIT_EXPECT_EQ(test, atomic_read(&move->old->refcount), move->old_refs);
	KUNIT_EXPECT_EQ(test, atomic_read(&move->new->refcount), move->new_refs);

	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->src));
	KUNIT_EXPECT_PTR_EQ(test, rmap_kunit_folio(test, move->dst), move->folio);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->dst), MOVE_VALUE);
	KUNIT_EXPECT_PTR_EQ(test, folio_anon_vma(move->folio), move->new);
	KUNIT_EXPECT_EQ(test, move->folio->index,
			rmap_kunit_index(test, move->dst));
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(&move->folio->page));
	KUNIT_EXPECT_EQ(test, folio_mapcount(move->folio), 1);
	move_expect_walk(test, move->folio, move->dst);
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
	struct move *move = move_page(test);
	int i;

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
	KUNIT_EXPECT_EQ(test, vfs_ioctl(move->uffd, UFFDIO_MOVE,
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
		KUNIT_ASSERT_TRUE(test, rmap_kunit_is_hole(test, all->src + i * PAGE_SIZE));
		KUNIT_ASSERT_EQ(test, rmap_kunit_read(test, all->dst + i * PAGE_SIZE), i);
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

#if defined(CONFIG_KPROBES) && defined(CONFIG_ARCH_ENABLE_THP_MIGRATION) && \
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

static struct kunit_case userfaultfd_move_test_cases[] = {
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
	{}
};

static struct kunit_suite userfaultfd_move_test_suite = {
	.name = "userfaultfd_move",
	.suite_init = rmap_kunit_suite_init,
	.test_cases = userfaultfd_move_test_cases,
};

kunit_test_suite(userfaultfd_move_test_suite);
