# SPDX-License-Identifier: GPL-2.0-only
"""Kernel logs: KTAP and splats."""

import unittest
from typing import List

from locked_rmap.guest import klog, kunit

WARN = """[    1.000000] ------------[ cut here ]------------
[    1.000001] WARNING: CPU: 0 PID: 30 at mm/rmap.c:517 folio_lock_anon_vma_read+0x1a/0x2b
[    1.000002] Modules linked in:
[    1.000003] Call Trace:
[    1.000004]  <TASK>
[    1.000005]  rmap_walk_anon+0x1/0x2
[    1.000006]  </TASK>
[    1.000007] ---[ end trace 0000000000000000 ]---
"""

REFCOUNT = """------------[ cut here ]------------
refcount_t: underflow; use-after-free.
WARNING: CPU: 1 PID: 7 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110
Call Trace:
---[ end trace 0000000000000000 ]---
"""

LOCKDEP = """
======================================================
WARNING: possible circular locking dependency detected
6.12.117 #1 Tainted: G                 N
------------------------------------------------------
kunit_try_catch/30 is trying to acquire lock:
 <TASK>
 </TASK>
"""

ATOMIC = """BUG: sleeping function called from invalid context at kernel/locking/rwsem.c:1519
in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 30, name: kunit_try_catch
Call Trace:
 <TASK>
 </TASK>
"""

OOPS = """BUG: kernel NULL pointer dereference, address: 0000000000000008
#PF: supervisor read access in kernel mode
Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI
CPU: 0 UID: 0 PID: 30 Comm: kunit_try_catch
---[ end trace 0000000000000000 ]---
RIP: 0010:x+0x1/0x2
Kernel panic - not syncing: Fatal exception
---[ end Kernel panic - not syncing: Fatal exception ]---
"""

BUG_ON = """------------[ cut here ]------------
kernel BUG at mm/rmap.c:300!
Oops: invalid opcode: 0000 [#1] PREEMPT SMP NOPTI
---[ end trace 0000000000000000 ]---
"""

LIST = """list_add corruption. next->prev should be prev (1), but was 2. (next=3).
------------[ cut here ]------------
kernel BUG at lib/list_debug.c:29!
---[ end trace 0000000000000000 ]---
"""

KASAN = """==================================================================
BUG: KASAN: slab-use-after-free in x+0x1/0x2
Read of size 8 at addr ffff888 by task kunit_try_catch/30
==================================================================
"""

BAD_PAGE = """BUG: Bad page state in process kunit_try_catch  pfn:01234
page: refcount:0 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x1234
page dumped because: PAGE_FLAGS_CHECK_AT_FREE flag(s) set
Call Trace:
 <TASK>
 </TASK>
"""

# A dump of the page comes before the report that it belongs to, and sometimes without one.
DUMP = """page: refcount:2 mapcount:1 mapping:0000000000000000 index:0x40001 pfn:0x49505
page dumped because: VM_WARN_ON_FOLIO(!folio_test_locked(folio))
"""

RCU = """rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
rcu: \t1-...!: (1 GPs behind) idle=0/0/0x1
"""

QUIET = """Linux version 6.12.117 (kunit@locked-rmap)
RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable
NMI watchdog: Perf NMI watchdog permanently disabled
KTAP version 1
1..1
    KTAP version 1
    # Subtest: rmap
    # module: rmap
    1..1
    # walk: WARNING: BUG: this is only a test's own text
    ok 1 walk
ok 1 rmap
reboot: System halted
"""


def titles(text: str) -> List[str]:
    """The titles of the unexpected reports in @text."""
    return [splat.title for splat in klog.splats(text) if not splat.expected]


class SplatTest(unittest.TestCase):
    """Which lines are reports, and how many."""

    def test_each_kind_counts_once_and_is_named(self) -> None:
        for text, start in (
                (WARN, "WARNING: CPU: 0 PID: 30 at mm/rmap.c:517"),
                (REFCOUNT, "refcount_t: underflow"),
                (LOCKDEP, "WARNING: possible circular locking"),
                (ATOMIC, "BUG: sleeping function"),
                (OOPS, "BUG: kernel NULL pointer"),
                (LIST, "list_add corruption"),
                (BUG_ON, "kernel BUG at mm/rmap.c:300!"),
                (KASAN, "BUG: KASAN: slab-use-after-free"),
                (BAD_PAGE, "BUG: Bad page state"),
                (RCU, "rcu: INFO: rcu_preempt detected stalls"),
                ("INFO: task kthreadd:2 blocked for more than 120 seconds.\n", "INFO: task"),
                ("watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [x:1]\n", "watchdog: BUG"),
                ("UBSAN: array-index-out-of-bounds in mm/x.c:1:2\n", "UBSAN"),
                ("WARNING: suspicious RCU usage\n", "WARNING: suspicious"),
                ("WARNING: inconsistent lock state\n", "WARNING: inconsistent"),
                ("Unable to handle kernel paging request at virtual address 1\n", "Unable"),
                ("Kernel panic - not syncing: Kernel mode fault at addr 0x0, ip 0x1\n", "Kernel panic"),
        ):
            found = titles(text)
            self.assertEqual(len(found), 1, (start, found))
            self.assertTrue(found[0].startswith(start), found[0])

    def test_a_quiet_log_has_none(self) -> None:
        self.assertEqual(titles(QUIET), [])

    def test_reports_in_a_row_count_each(self) -> None:
        self.assertEqual(len(titles(WARN + QUIET + WARN + LOCKDEP + ATOMIC + KASAN + BUG_ON)), 6)

    def test_a_report_inside_another_counts(self) -> None:
        half = "\n".join(WARN.splitlines()[:4]) + "\n"
        self.assertEqual(len(titles(half + WARN)), 2)

    def test_a_cut_off_report_counts(self) -> None:
        self.assertEqual(len(titles("------------[ cut here ]------------\n")), 1)

    def test_a_title_names_its_line_in_the_log(self) -> None:
        self.assertEqual(klog.splats("x\ny\n" + ATOMIC)[0].number, 3)


class ExpectedTest(unittest.TestCase):
    """Reports that a test provokes."""

    BEGIN = "    # unlocked: expect splat begin: mm/rmap.c\n"
    END = "    # unlocked: expect splat end: mm/rmap.c\n"

    def test_an_announced_report_is_expected(self) -> None:
        found = klog.splats(self.BEGIN + WARN + WARN + self.END)
        self.assertEqual([splat.expected for splat in found], [True, True])

    def test_the_dump_of_a_page_is_part_of_its_report(self) -> None:
        found = klog.splats(self.BEGIN + DUMP + WARN + self.END + DUMP)
        self.assertEqual([splat.expected for splat in found], [True])

    def test_another_report_in_between_is_not(self) -> None:
        self.assertEqual(titles(self.BEGIN + WARN + REFCOUNT + self.END),
                         ["refcount_t: underflow; use-after-free."])
        self.assertEqual(len(titles(self.BEGIN + ATOMIC + self.END)), 1)

    def test_after_the_end_it_counts_again(self) -> None:
        self.assertEqual(len(titles(self.BEGIN + WARN + self.END + WARN)), 1)

    def test_before_the_begin_it_counts(self) -> None:
        self.assertEqual(len(titles(WARN + self.BEGIN + self.END)), 1)


KTAP = """KTAP version 1
1..2
    KTAP version 1
    # Subtest: rmap
    # module: rmap_kunit
    1..3
    ok 1 good
    # bad: EXPECTATION FAILED at mm/tests/rmap_kunit.c:40
    Expected x == y, but
        x == 1 (0x1)
    not ok 2 bad
    ok 3 thp # SKIP no THP on this kernel
# rmap: pass:1 fail:1 skip:1 total:3
not ok 1 rmap
    KTAP version 1
    # Subtest: callers
    1..1
        KTAP version 1
        # Subtest: each
        ok 1 one
        not ok 2 two
    not ok 1 each
not ok 2 callers
"""


class KtapTest(unittest.TestCase):
    """Results and reasons out of a log."""

    def test_results_reasons_and_notes(self) -> None:
        found = klog.ktap(KTAP)
        self.assertEqual({name: case.status for name, case in found.cases.items()},
                         {"rmap.good": "ok", "rmap.bad": "not ok", "rmap.thp": "skip",
                          "callers.each": "not ok"})
        self.assertEqual(found.cases["rmap.thp"].reason, "no THP on this kernel")
        self.assertIn("rmap_kunit.c:40 | Expected x == y, but", found.cases["rmap.bad"].notes[0])
        self.assertTrue(found.whole)

    def test_times_before_lines_do_not_matter(self) -> None:
        timed = "".join(f"[    1.{number:06}] {line}\n" for number, line in enumerate(KTAP.splitlines()))
        self.assertEqual(klog.ktap(timed), klog.ktap(KTAP))

    def test_a_log_that_breaks_off_is_not_whole(self) -> None:
        self.assertFalse(klog.ktap(KTAP[:KTAP.index("not ok 1 rmap")]).whole)
        self.assertFalse(klog.ktap("Linux version 6.12\n").whole)

    def test_json_and_log_give_the_worse_result(self) -> None:
        value = {"sub_groups": [{"name": "rmap", "sub_groups": [], "test_cases": [
            {"name": "good", "status": "ERROR"}, {"name": "bad", "status": "PASS"},
            {"name": "", "status": "ERROR"}]}], "test_cases": []}
        found = kunit.read_results(value, klog.ktap(KTAP))
        self.assertEqual(found, {"rmap.good": "CRASH", "rmap.bad": "FAIL", "rmap.thp": "SKIP",
                                 "callers.each": "FAIL"})

    def test_a_parameter_that_fails_fails_its_test(self) -> None:
        value = {"sub_groups": [{"name": "callers", "test_cases": [], "sub_groups": [
            {"name": "each", "sub_groups": [], "test_cases": [
                {"name": "one", "status": "PASS"}, {"name": "two", "status": "FAIL"}]}]}]}
        self.assertEqual(kunit.read_results(value, klog.ktap("")), {"callers.each": "FAIL"})
