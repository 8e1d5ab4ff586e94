// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of UFFDIO_MOVE, through the ioctl that user space calls: moves of
 * anonymous folios to a VMA whose anon_vma has another root.
 *
 * While a test holds a lock it neither ASSERTs nor EXPECTs: the one would end the
 * thread with the lock held, the other allocates memory when it fails. Not so with
 * a folio lock that a KUnit action lets go of, see move_block_on_folio().
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/leafops.h>
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
#include <linux/uaccess.h>
#include <linux/userfaultfd_k.h>
#include <uapi/linux/userfaultfd.h>
#include <asm/futex.h>

#include "../internal.h"
#include "rmap_kunit_helpers.h"

#include "userfaultfd_move/move.c"
#include "userfaultfd_move/pages.c"
#include "userfaultfd_move/bits.c"
#include "userfaultfd_move/swap.c"
#include "userfaultfd_move/huge.c"
#include "userfaultfd_move/locks.c"
#include "userfaultfd_move/waits.c"
#include "userfaultfd_move/refusals.c"
#include "userfaultfd_move/areas.c"
#include "userfaultfd_move/process.c"
#include "userfaultfd_move/runs.c"
#include "userfaultfd_move/flush.c"

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

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests for UFFDIO_MOVE");
MODULE_LICENSE("GPL");
