// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much threads move together that move distinct pages of one VMA
 */

#define MOVERS			8
#define MOVERS_PAGES		2048
#define MOVERS_PATIENCE		20

/**
 * struct mover - A thread that moves pages
 * @movers: the threads that it is one of
 * @thread: the thread
 * @bench: what it moves
 * @ret: what came of that
 * @begun: when it began, in ns
 * @ended: when it was done
 * @longest: the call that took longest, in ns
 */
struct mover {
	struct movers *movers;
	struct rmap_kunit_thread *thread;
	struct bench bench;
	long ret;
	u64 begun;
	u64 ended;
	u64 longest;
};

/**
 * struct movers - Threads that move pages
 * @nr: the number of threads
 * @ready: how many of them are
 * @args: user address of a page for each
 * @movers: the threads
 */
struct movers {
	int nr;
	atomic_t ready;
	unsigned long args;
	struct mover movers[MOVERS];
};

static void mover_run(void *data)
{
	unsigned long end = jiffies + HZ;
	struct mover *mover = data;
	struct bench *bench = &mover->bench;
	unsigned long offset;

	atomic_inc(&mover->movers->ready);
	while (atomic_read(&mover->movers->ready) < mover->movers->nr &&
	       time_before(jiffies, end))
		cond_resched();
	mover->begun = ktime_get_ns();
	mover->ended = mover->begun;
	for (offset = 0; offset < bench->len; offset += bench->step) {
		u64 ns = mover->ended;

		mover->ret |= bench_move_call(bench, offset);
		mover->ended = ktime_get_ns();
		mover->longest = max(mover->longest, mover->ended - ns);
	}
}

static struct movers *movers_alloc(struct kunit *test)
{
	struct movers *movers = kunit_kzalloc(test, sizeof(*movers), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, movers);
	movers->args = rmap_kunit_mmap(test, MOVERS);
	for (i = 0; i < MOVERS; i++)
		rmap_kunit_write(test, movers->args + i * PAGE_SIZE, 0);
	return movers;
}

/* Divide an area among @nr threads. */
static void movers_create(struct kunit *test, struct movers *movers,
			  const struct bench *bench, int nr)
{
	int i;

	movers->nr = nr;
	atomic_set(&movers->ready, 0);
	for (i = 0; i < nr; i++) {
		struct mover *mover = &movers->movers[i];

		*mover = (struct mover) { .movers = movers, .bench = *bench };
		mover->bench.len = bench->len / nr;
		mover->bench.src += i * mover->bench.len;
		mover->bench.dst += i * mover->bench.len;
		mover->bench.arg = movers->args + i * PAGE_SIZE;
		mover->thread = rmap_kunit_thread_create(test, mover_run, mover);
	}
}

static void movers_start(struct movers *movers)
{
	int i;

	for (i = 0; i < movers->nr; i++)
		rmap_kunit_thread_start(movers->movers[i].thread);
}

/*
 * Tell whether all have come to an end. A host with other things to do takes its time
 * for each flush of another CPU's TLB.
 */
static bool movers_wait(struct kunit *test, struct movers *movers)
{
	int i, tries = MOVERS_PATIENCE;
	bool ended = true;

	for (i = 0; i < movers->nr && ended; i++) {
		do
			ended = rmap_kunit_thread_wait(movers->movers[i].thread);
		while (!ended && tries-- > 0);
		KUNIT_EXPECT_TRUE(test, ended);
		KUNIT_EXPECT_EQ(test, movers->movers[i].ret, 0);
	}
	return ended;
}

/* How long all of them took together, in ns. */
static u64 movers_time(struct movers *movers)
{
	u64 begun = U64_MAX, ended = 0;
	int i;

	for (i = 0; i < movers->nr; i++) {
		begun = min(begun, movers->movers[i].begun);
		ended = max(ended, movers->movers[i].ended);
	}
	return ended - begun;
}

/* How many pages threads move together: locks and flushes of other TLBs are in the way. */
static void throughput_of_threads(struct kunit *test)
{
	struct movers *movers;
	struct bench *bench;
	char name[40];
	int nr, i;

	bench_needs_plain_locks(test);
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	bench = bench_alloc(test, MOVERS_PAGES);
	bench->step = bench->page;
	bench_move_ready(test, bench);
	bench_move_register(test, bench);
	movers = movers_alloc(test);
	for (nr = 1; nr <= min_t(int, MOVERS, num_online_cpus()); nr *= 2) {
		for (i = -BENCH_WARM_UP; i < BENCH_ROUNDS; i++) {
			bench_turn(test, bench);
			movers_create(test, movers, bench, nr);
			movers_start(movers);
			if (!movers_wait(test, movers))
				return;
			if (i >= 0)
				bench->ns[i] = movers_time(movers);
		}
		bench_expect_pages(test, bench, bench->dst, bench->src);
		snprintf(name, sizeof(name), "throughput.%d", nr);
		bench_figure(test, name,
			     div64_u64((u64)MOVERS_PAGES * NSEC_PER_SEC,
				       bench_median(bench, 1)), "pages/s");
	}
}
