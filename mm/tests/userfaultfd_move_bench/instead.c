// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to do without: mremap(), and UFFDIO_COPY with MADV_DONTNEED
 */

static __always_inline long bench_mremap_call(const struct bench *bench,
					      unsigned long offset)
{
	unsigned long to = bench->dst + offset;
	long ret;

	ret = rmap_kunit_syscall6(__NR_mremap, bench->src + offset, bench->step,
				  bench->step, bench->flags, to, 0);
	return ret == to ? 0 : -EINVAL;
}

/* What was moved is no VMA of its own any more: have both areas anew. */
static void bench_mremap_prepare(struct kunit *test, struct bench *bench)
{
	bench_clear(test, bench->src, bench->len);
	bench_clear(test, bench->dst, bench->len);
	bench_fill(test, bench, bench->src);
}

static void bench_mremap(struct kunit *test, const char *what, unsigned long flags)
{
	struct bench *bench;
	int i;

	bench_needs_plain_locks(test);
	rmap_kunit_needs_syscalls(test);
	bench = bench_alloc(test, BENCH_PAGES);
	bench->flags = MREMAP_MAYMOVE | MREMAP_FIXED | flags;
	for (i = 0; i < ARRAY_SIZE(bench_pages_a_call); i++) {
		bench->step = bench_pages_a_call[i] * PAGE_SIZE;
		bench_rounds(test, bench, bench_mremap_call, bench_mremap_prepare);
		bench_expect_pages(test, bench, bench->dst, bench->src);
		bench_pages_figure(test, what, bench);
	}
}

static void mremap_pages(struct kunit *test)
{
	bench_mremap(test, "mremap", 0);
}

static void mremap_pages_and_keep_the_vma(struct kunit *test)
{
	bench_mremap(test, "mremap-dontunmap", MREMAP_DONTUNMAP);
}

static __always_inline long bench_copy_call(const struct bench *bench,
					    unsigned long offset)
{
	struct uffdio_copy req = {
		.dst = bench->dst + offset,
		.src = bench->src + offset,
		.len = bench->step,
	};
	long ret;

	if (copy_to_user((void __user *)bench->arg, &req, sizeof(req)))
		return -EFAULT;
	ret = rmap_kunit_ioctl(bench->uffd, UFFDIO_COPY, bench->arg);
	return ret | do_madvise(current->mm, bench->src + offset, bench->step,
				MADV_DONTNEED);
}

static void bench_copy_prepare(struct kunit *test, struct bench *bench)
{
	rmap_kunit_zap(test, bench->dst, bench->len);
	bench_fill(test, bench, bench->src);
}

static void copy_pages_and_drop_the_old(struct kunit *test)
{
	struct bench *bench;
	u64 features = 0;
	int i;

	bench_needs_plain_locks(test);
	bench = bench_alloc(test, BENCH_PAGES);
	bench->uffd = rmap_kunit_uffd_open_any(test, &features);
	bench_fill(test, bench, bench->dst);
	rmap_kunit_uffd_register(test, bench->uffd, bench->dst, bench->len);
	for (i = 0; i < ARRAY_SIZE(bench_pages_a_call); i++) {
		bench->step = bench_pages_a_call[i] * PAGE_SIZE;
		bench_rounds(test, bench, bench_copy_call, bench_copy_prepare);
		bench_expect_pages(test, bench, bench->dst, bench->src);
		bench_pages_figure(test, "copy", bench);
	}
}
