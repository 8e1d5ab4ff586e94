// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process around a move: whose memory it is, what else changes its memory map,
 * who waits for a page, and who is killed
 */

static void move_call_in_child(struct rmap_kunit_child *child)
{
	move_call(child->data);
}

/* A userfaultfd moves pages of the process that created it only. */
static void other_process_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);

	rmap_kunit_fork(test, move_call_in_child, move);
	KUNIT_EXPECT_EQ(test, move->ret, -EINVAL);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
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

/* Nothing moves while an event about a change of the memory map is unread. */
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

/* The same if the change begins while the move waits for the VMAs. */
static void change_that_begins_while_the_move_waits_counts(struct kunit *test)
{
	struct move *move = move_page(test);
	struct userfaultfd_ctx *ctx = move->uffd->private_data;
	struct rw_semaphore *rwsem = &current->mm->mmap_lock;
	enum rmap_kunit_outcome outcome;

	mmap_write_lock(current->mm);
	vma_start_write(vma_lookup(current->mm, move->dst));
	rmap_kunit_thread_start(move->thread);
	outcome = rmap_kunit_settle_on_rwsem(move->thread, rwsem);
	atomic_inc(&ctx->mmap_changing);
	mmap_write_unlock(current->mm);
	/* It has read this by the time it returns. */
	if (outcome == RMAP_KUNIT_BLOCKED)
		rmap_kunit_thread_wait(move->thread);
	atomic_dec(&ctx->mmap_changing);

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
 * The userfaultfd of a process that is gone moves nothing: EINVAL, as for any
 * other process.
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

/* A move wakes threads that wait for the page in a fault. */
static void move_wakes_who_waits_for_the_page(struct kunit *test)
{
	struct move *move = move_page(test);
	struct waiter *waiter = waiter_start(test, move->dst);

	move_call(move);
	waiter_expect(test, waiter, MOVE_VALUE);
	move_expect_moved(test, move);
}

/* With DONTWAKE, threads in a fault sleep on until UFFDIO_WAKE. */
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

/*
 * A move that stops half way wakes only those who wait for pages that arrived.
 */
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

/* A move stops early when its process is being killed. */
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
