// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who waits for the lock of an anon_vma: what threads that move together do to its
 * rwsem is in /proc/lock_stat.
 */

#ifdef CONFIG_LOCK_STAT

#define CONTENTION_THPS		64
#define CONTENTION_TEXT		SZ_1M
#define CONTENTION_LOCK		"&anon_vma->rwsem"

/**
 * struct contention - The statistics of a lock
 * @text: what was read
 * @buffer: user address of a buffer to read into
 * @acquisitions: how often anon_vma rwsems were taken for writing
 * @contentions: how often one had to be waited for, for reading too
 * @wait: for how long in all, in ns
 */
struct contention {
	char *text;
	unsigned long buffer;
	u64 acquisitions;
	u64 contentions;
	u64 wait;
};

static void bench_walker_run(void *data)
{
	struct bench_walker *walker = data;

	while (!READ_ONCE(walker->stop)) {
		walker->look(walker);
		walker->looks++;
		cond_resched();
	}
}

/* Read the statistics, into which a line of a lock for reading or writing goes. */
static void contention_read(struct kunit *test, struct contention *contention)
{
	struct file *file = rmap_kunit_open(test, "proc", "lock_stat", O_RDWR);
	char *line = contention->text;
	size_t size = 0;
	loff_t pos = 0;
	ssize_t ret;

	/* It is for user space only. */
	while ((ret = vfs_read(file, (char __user *)contention->buffer, PAGE_SIZE,
			       &pos)) > 0) {
		KUNIT_ASSERT_LT(test, size + ret, CONTENTION_TEXT);
		KUNIT_ASSERT_EQ(test, copy_from_user(contention->text + size,
						     (void __user *)contention->buffer,
						     ret), 0);
		size += ret;
	}
	KUNIT_ASSERT_EQ(test, ret, 0);
	contention->text[size] = '\0';
	contention->acquisitions = 0;
	contention->contentions = 0;
	contention->wait = 0;
	while ((line = strstr(line, CONTENTION_LOCK))) {
		u64 contentions, us, hundredths, acquisitions;
		bool read;

		line += strlen(CONTENTION_LOCK);
		/* #2 is another class of that name, /1 a subclass. */
		while (*line == '#' || *line == '/' || isdigit(*line))
			line++;
		read = !strncmp(line, "-R:", 3);
		if (!read && strncmp(line, "-W:", 3) && *line != ':')
			continue;
		line = strchr(line, ':') + 1;
		KUNIT_ASSERT_EQ_MSG(test,
				    sscanf(line, " %*s %llu %*s %*s %llu.%llu %*s %*s %llu",
					   &contentions, &us, &hundredths, &acquisitions),
				    4, "%.80s", line);
		contention->contentions += contentions;
		contention->wait += us * 1000 + hundredths * 10;
		if (!read)
			contention->acquisitions += acquisitions;
	}
}

static void contention_reset(struct kunit *test, struct contention *contention)
{
	struct file *file = rmap_kunit_open(test, "proc", "lock_stat", O_RDWR);
	loff_t pos = 0;

	KUNIT_ASSERT_EQ(test, put_user('0', (char __user *)contention->buffer), 0);
	KUNIT_ASSERT_EQ(test, vfs_write(file, (char __user *)contention->buffer, 1, &pos), 1);
}

/* That the statistics show one acquisition goes for each figure that is zero. */
static struct contention *contention_alloc(struct kunit *test, struct bench *bench)
{
	struct anon_vma *anon_vma = rmap_kunit_anon_vma(test, bench->src);
	struct contention *contention;

	contention = kunit_kzalloc(test, sizeof(*contention), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, contention);
	contention->text = kunit_kzalloc(test, CONTENTION_TEXT, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, contention->text);
	contention->buffer = rmap_kunit_mmap(test, 1);
	contention_reset(test, contention);
	anon_vma_lock_write(anon_vma);
	anon_vma_unlock_write(anon_vma);
	contention_read(test, contention);
	KUNIT_ASSERT_EQ(test, contention->acquisitions, 1);
	return contention;
}

static void contention_figure(struct kunit *test, const char *what, int nr,
			      const char *kind, u64 value, const char *unit)
{
	char name[64];

	snprintf(name, sizeof(name), "contention.%s.%d.%s", what, nr, kind);
	bench_figure(test, name, value, unit);
}

/* Move all of an area with @nr threads, and beside a walker if there is one. */
static void contention_run(struct kunit *test, struct bench *bench,
			   struct bench_walker *walker, const char *what, int nr)
{
	struct contention *contention = contention_alloc(test, bench);
	struct movers *movers = movers_alloc(test);
	struct rmap_kunit_thread *beside = NULL;
	u64 longest = 0;
	int i;

	movers_create(test, movers, bench, nr);
	if (walker) {
		walker->stop = false;
		walker->looks = 0;
		beside = rmap_kunit_thread_create(test, bench_walker_run, walker);
	}

	contention_reset(test, contention);
	if (beside)
		rmap_kunit_thread_start(beside);
	movers_start(movers);
	movers_wait(test, movers);
	if (beside) {
		WRITE_ONCE(walker->stop, true);
		KUNIT_EXPECT_TRUE(test, rmap_kunit_thread_wait(beside));
		KUNIT_EXPECT_GT(test, walker->looks, 0);
	}
	contention_read(test, contention);

	for (i = 0; i < nr; i++)
		longest = max(longest, movers->movers[i].longest);
	bench_expect_pages(test, bench, bench->dst, bench->src);
	contention_figure(test, what, nr, "acquisitions", contention->acquisitions, "count");
	contention_figure(test, what, nr, "contentions", contention->contentions, "count");
	contention_figure(test, what, nr, "wait", contention->wait, "ns");
	contention_figure(test, what, nr, "longest", longest, "ns");
}

/* @look_by says who looks at the folios meanwhile, nobody if it is %NULL. */
static void contention_test(struct kunit *test, bool thps, const char *what,
			    void (*look_by)(struct kunit *test,
					    struct bench_walker *walker))
{
	struct bench_walker *walker = NULL;
	struct bench *bench;
	int nr;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	bench = thps ? bench_alloc_thps(test, CONTENTION_THPS) :
		       bench_alloc(test, MOVERS_PAGES);
	bench->step = bench->page;
	bench_move_ready(test, bench);
	if (thps)
		bench_expect_thps(test, bench, bench->dst);
	if (look_by) {
		walker = bench_walker_alloc(test, bench->dst, bench->page,
					    bench->len / bench->page);
		look_by(test, walker);
	}
	bench_move_register(test, bench);
	for (nr = 2; nr <= MOVERS; nr *= 2) {
		bench_turn(test, bench);
		contention_run(test, bench, walker, what, nr);
	}
	if (thps)
		bench_expect_thps(test, bench, bench->dst);
}

static void contention_alone(struct kunit *test)
{
	contention_test(test, false, "alone", NULL);
}

static void contention_beside_page_idle(struct kunit *test)
{
	contention_test(test, false, "page-idle", bench_page_idle);
}

static void contention_beside_damon(struct kunit *test)
{
	contention_test(test, false, "damon", bench_damon);
}

static void contention_of_thps_alone(struct kunit *test)
{
	contention_test(test, true, "alone.thp", NULL);
}

static void contention_of_thps_beside_page_idle(struct kunit *test)
{
	contention_test(test, true, "page-idle.thp", bench_page_idle);
}

static void contention_of_thps_beside_damon(struct kunit *test)
{
	contention_test(test, true, "damon.thp", bench_damon);
}

#else /* !CONFIG_LOCK_STAT */

static void contention_alone(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_LOCK_STAT");
}

#define contention_beside_page_idle		contention_alone
#define contention_beside_damon			contention_alone
#define contention_of_thps_alone		contention_alone
#define contention_of_thps_beside_page_idle	contention_alone
#define contention_of_thps_beside_damon		contention_alone

#endif /* CONFIG_LOCK_STAT */
