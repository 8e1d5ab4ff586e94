// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the two VMAs must have in common
 */

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

/* Read-only areas are refused. */
static void read_only_areas_are_refused(struct kunit *test)
{
	move_with_protection(test, PROT_READ, PROT_READ);
}

/* Areas with different protection are refused. */
static void different_protection_is_refused(struct kunit *test)
{
	const unsigned long rw = PROT_READ | PROT_WRITE;

	move_with_protection(test, rw, PROT_READ);
	move_with_protection(test, PROT_READ, rw);
	move_with_protection(test, rw | PROT_EXEC, rw);
	move_with_protection(test, rw, rw | PROT_EXEC);
}

/*
 * Areas whose PTEs differ in other attributes, such as the cache mode, are
 * refused.
 */
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

/*
 * A move between an mlocked area and another is refused, in either direction.
 */
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

/* A page moves between mlocked areas, and stays mlocked. */
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
	if (set)
		vm_flags_set(vma_lookup(current->mm, addr), flag);
	else
		vm_flags_clear(vma_lookup(current->mm, addr), flag);
	mmap_write_unlock(current->mm);
}

/* Areas with special PTEs, such as device memory, are refused. */
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

/* Hugetlb areas are refused. */
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

/* A shared mapping is refused as a source. */
static void shared_source_is_refused(struct kunit *test)
{
	struct move *move = move_page(test);

	move->req.src = rmap_kunit_mmap_file(test);
	rmap_kunit_write(test, move->req.src, MOVE_OTHER);
	move_expect(test, move, -EINVAL, -EINVAL);
	KUNIT_EXPECT_EQ(test, rmap_kunit_read(test, move->req.src), MOVE_OTHER);
	KUNIT_EXPECT_TRUE(test, rmap_kunit_is_hole(test, move->dst));
}

/* A private file mapping is refused, although its pages may be anonymous. */
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

/* Unmapped ranges are refused. */
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
