# SPDX-License-Identifier: GPL-2.0-only
"""From what source and suites say to a contract."""

import re
from pathlib import Path
from typing import Dict, Optional, Set

from locked_rmap.base.results import FAIL, PASS, SKIP, Outcome, Splat
from locked_rmap.guest.evidence import OFFERED, judge, known_defects, rows
from locked_rmap.kernel import callers
from locked_rmap.kernel.series import CONTRACTS, LOCKED, REVALIDATE
from locked_rmap.report import page
from locked_rmap.report.checked import print_matrix
from locked_rmap.static.callers import (PROVED, REQUIRED, TRUSTED, UNLOCKED, UNPROVED, Call, Hop,
                                        Place, Way)
from locked_rmap.static.contract import Mover, Static
from locked_rmap.verbs.check import summary

from ..support import REPO, Case

TABLE = callers.read(REPO)


def source_says(status: str, lock: Optional[bool], again: int) -> Static:
    """One call, a mover with or without a lock (None: no mover), revalidation."""
    place = Place("mm/x.c", 1, "x();", "says so")
    way = Way((Hop("mm/x.c", 2, "walker", "rmap_walk"),), status, (place,))
    call = Call("mm/x.c", 2, "walker", "rmap_walk", status, (way,), False, way.hops)
    movers = [] if lock is None else [Mover(place, "move", place if lock else None)]
    return Static([call], movers, [place] * again, 1.0)


def outcome(failed: Set[str]) -> Outcome:
    """What a guest's run came to."""
    return Outcome({**{name: FAIL for name in failed}, "rmap.good": PASS}, {}, {})


class VerdictTest(Case):
    """From what was found to a contract."""

    def test_contracts(self) -> None:
        for status, lock, again, contract in (
                (PROVED, False, 0, "locked"), (REQUIRED, False, 0, "locked"),
                (TRUSTED, False, 0, "locked"), (PROVED, None, 0, "locked"),
                (PROVED, True, 2, "locked"), (UNLOCKED, True, 2, "revalidate"),
                (UNLOCKED, False, 2, "neither"), (UNLOCKED, True, 0, "neither"),
                (UNLOCKED, True, 1, "neither"), (UNLOCKED, None, 0, "neither"),
                (UNPROVED, False, 0, "neither"), (UNPROVED, True, 2, "revalidate")):
            verdict = judge(source_says(status, lock, again), {}, set(), TABLE)
            self.assertEqual(verdict.contract, contract, (status, lock, again, verdict))
            self.assertEqual(bool(verdict.reasons), contract == "neither")

    def test_neither_says_where_to_look(self) -> None:
        verdict = judge(source_says(UNLOCKED, False, 0), {}, set(), TABLE)
        self.assertIn("mm/x.c:2: walker() calls rmap_walk(): unlocked", verdict.look[0])

    def test_a_failing_test_overrules_the_source(self) -> None:
        runs = {"um": {LOCKED: outcome({"rmap.bad"}),
                       REVALIDATE: outcome({"rmap.bad"})}}
        static = source_says(PROVED, False, 2)
        verdict = judge(static, runs, set(), TABLE)
        self.assertEqual(verdict.contract, "neither")
        self.assertIn("rmap.bad", " ".join(verdict.reasons))
        self.assertIn("by its source it is 'locked', but 1 test fails on um (rmap.bad)",
                      verdict.sentence)
        verdict = judge(static, runs, {"rmap.bad"}, TABLE)
        self.assertEqual(verdict.contract, "locked")
        self.assertIn("rmap.bad fails under 'locked' on um", verdict.aside[0])

    def test_what_only_the_other_contract_breaks_is_not_where_to_look(self) -> None:
        runs = {"um": {LOCKED: outcome({"rmap.bad"}),
                       REVALIDATE: outcome({"rmap.worse"})}}
        look = " ".join(judge(source_says(PROVED, False, 0), runs, set(), TABLE).look)
        self.assertIn("rmap.bad fails under 'locked'", look)
        self.assertNotIn("rmap.worse", look)

    def test_a_run_without_a_passing_test_is_no_evidence(self) -> None:
        none: Dict[str, str] = {}
        for tests in (none, {"rmap.good": SKIP}):
            came = outcome(set())._replace(tests=tests)
            runs = {"um": {contract: came for contract in CONTRACTS}}
            verdict = judge(source_says(PROVED, False, 2), runs, set(), TABLE)
            self.assertEqual(verdict.contract, "neither")
            self.assertIn("no test ran on um", verdict.sentence)

    def test_a_caller_whose_tests_all_skip_is_not_seen(self) -> None:
        static = source_says(PROVED, False, 2)
        place = static.calls[0]._replace(function="page_idle_clear_pte_refs")
        static = static._replace(calls=[place], movers=[])
        name = "rmap_callers.page_idle_write_walks_a_locked_folio"
        um = outcome(set())
        um.tests[name] = SKIP
        um.skips[name] = "needs CONFIG_IDLE_PAGE_TRACKING"
        runs = {"um": {LOCKED: um}}
        verdict = judge(static, runs, set(), TABLE)
        self.assertEqual((verdict.contract, verdict.not_seen),
                         ("locked", {"page_idle": "needs CONFIG_IDLE_PAGE_TRACKING"}))
        matrix = rows(REPO, "6.12.1", static, runs, TABLE)
        value = summary(Path("/x"), "6.12.1", static, runs, matrix, verdict, TABLE)
        self.assertIn("not seen, 1 skip", page.html("check", value))
        self.assertIn("needs CONFIG_IDLE_PAGE_TRACKING", page.html("check", value))
        print_matrix(self.console, matrix, verdict.contract)
        self.assertIn("not seen, 1 skip", self.said.getvalue())
        # One that ran on another architecture has been seen.
        x86 = outcome(set())
        x86.tests[name] = PASS
        runs["x86_64"] = {LOCKED: x86}
        self.assertEqual(judge(static, runs, set(), TABLE).not_seen, {})

    def test_a_caller_that_the_tree_does_not_have_is_not_missed(self) -> None:
        runs = {"um": {LOCKED: outcome(set())}}
        self.assertEqual(judge(source_says(PROVED, None, 0), runs, set(), TABLE).not_seen, {})
        self.assertEqual(list(judge(source_says(PROVED, False, 0), runs, set(), TABLE).not_seen),
                         ["UFFDIO_MOVE"])

    def test_only_defects_of_the_mover_are_about_neither_contract(self) -> None:
        without, having = (known_defects(REPO, source_says(PROVED, lock, 0))
                           for lock in (None, False))
        self.assertIn("userfaultfd_move.unsplittable_thp_is_refused", having)
        self.assertEqual(without - having, {OFFERED})
        self.assertEqual([name for name in without if not name.startswith("userfaultfd_move.")], [])

    def test_a_splat_and_a_dead_guest_say_where(self) -> None:
        splat = Splat("WARNING: CPU: 0 at mm/rmap.c:9", 77, [], False)
        came = outcome(set())._replace(splats=[splat], died="the guest died")
        verdict = judge(source_says(PROVED, False, 0), {"um": {LOCKED: came}}, set(), TABLE)
        self.assertEqual(verdict.contract, "neither")
        self.assertIn("did not get to the end: the guest died", verdict.sentence)
        self.assertIn("kernel.log:77 under 'locked' on um: WARNING: CPU: 0 at mm/rmap.c:9",
                      verdict.look)

    def test_every_test_of_the_callers_suite_has_a_row(self) -> None:
        suite = (REPO / "mm/tests/rmap_callers_kunit.c").read_text(encoding="utf-8")
        names = re.findall(r"KUNIT_CASE\w*\((\w+)", suite)
        lost = [name for name in names if not name.startswith("write_to_")
                and not any(caller.is_about(f"rmap_callers.{name}") for caller in TABLE)]
        self.assertEqual((lost, len(names) > 20), ([], True))
