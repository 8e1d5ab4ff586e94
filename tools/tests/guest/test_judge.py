# SPDX-License-Identifier: GPL-2.0-only
"""The verdict on the suites."""

from typing import Dict, List, Optional, Set

from locked_rmap.base.results import Outcome, Splat, Verdict
from locked_rmap.guest import judge

from ..support import Case

SPLAT = Splat("WARNING: CPU: 0 PID: 1 at mm/rmap.c:1", 7, [], False)
EXPECTED = SPLAT._replace(expected=True)


def outcome(died: str = "", splats: Optional[List[Splat]] = None, **tests: str) -> Outcome:
    """An outcome of tests s.NAME with these results."""
    words = {"p": "PASS", "f": "FAIL", "s": "SKIP", "c": "CRASH"}
    return Outcome({f"s.{name}": words[status] for name, status in tests.items()},
                   {f"s.{name}": "why" for name, status in tests.items() if status == "s"},
                   {}, splats or [], 1.0, died)


class VerdictTest(Case):
    """judge(): status 0 only for what holds."""

    def judge(self, outcomes: Dict[str, Outcome], defects: Optional[Set[str]],
              contract: str = "locked",
              filtered: bool = False) -> Verdict:
        """The verdict on @outcomes."""
        return judge.judge(outcomes, contract, {} if defects is None else {"stock": defects},
                            filtered)

    def test_good_patched_and_defect_shown_on_stock_holds(self) -> None:
        verdict = self.judge({"stock": outcome(a="f", b="p", c="s"),
                              "locked": outcome(a="p", b="p", c="s")}, {"s.a", "s.c"})
        self.assertEqual(verdict.status, 0, verdict.sentence)
        self.assertIn("2 tests pass, 1 skipped", verdict.sentence)
        self.assertIn("stock fails the 1 that show the defect", verdict.sentence)

    def test_what_breaks_it(self) -> None:
        stock, good = outcome(a="f", b="p"), outcome(a="p", b="p")
        for name, outcomes, defects, part in (
                ("failure", {"stock": stock, "locked": outcome(a="p", b="f")}, {"s.a"}, "s.b"),
                ("crash", {"stock": stock, "locked": outcome(a="p", b="c")}, {"s.a"}, "s.b"),
                ("died", {"stock": stock, "locked": outcome("the guest died", a="p")}, {"s.a"},
                 "died"),
                ("stock died", {"stock": outcome("the guest died", a="f"), "locked": good}, {"s.a"},
                 "died"),
                ("no test", {"stock": stock, "locked": outcome()}, {"s.a"},
                 "no test reported on locked"),
                ("all skipped", {"locked": outcome(a="s")}, None, "all were skipped"),
                ("splat", {"stock": stock, "locked": outcome(a="p", splats=[SPLAT])}, {"s.a"},
                 "1 unexpected"),
                ("splat on stock", {"stock": outcome(a="f", splats=[SPLAT]), "locked": good},
                 {"s.a"}, "of stock"),
                ("silent", {"stock": outcome(a="p", b="p"), "locked": good}, {"s.a"},
                 "pass on stock"),
                ("absent", {"stock": stock, "locked": good}, {"s.a", "s.z"},
                 "did not run on stock (s.z)"),
                ("surprise", {"stock": outcome(a="f", b="f"), "locked": good}, {"s.a"},
                 "should not (s.b)"),
                ("nothing shown", {"stock": good, "locked": good}, None,
                 "no test shows the defect"),
        ):
            with self.subTest(name):
                verdict = self.judge(outcomes, defects)
                self.assertEqual(verdict.status, 1)
                self.assertIn(part, verdict.sentence)

    def test_expected_splats_do_not_count(self) -> None:
        verdict = self.judge({"locked": outcome(a="p", splats=[EXPECTED])}, None)
        self.assertEqual(verdict.status, 0, verdict.sentence)

    def test_a_glob_may_leave_out_what_shows_the_defect(self) -> None:
        good = outcome(b="p")
        self.assertEqual(self.judge({"stock": good, "locked": good}, {"s.a"}, filtered=True).status,
                         0)
        self.assertEqual(self.judge({"stock": good, "locked": good}, None, filtered=True).status, 0)

    def test_any_failure_on_stock_does_where_there_is_no_list(self) -> None:
        self.assertEqual(self.judge({"stock": outcome(a="f"), "locked": outcome(a="p")},
                                    None).status, 0)

    def test_stock_alone_is_held_to_the_contract(self) -> None:
        self.assertEqual(self.judge({"stock": outcome(a="f", b="p")}, {"s.a"}).status, 1)

    def test_a_stage_between_has_a_list_of_its_own(self) -> None:
        outcomes = {"stock": outcome(a="f", b="f"), "revalidate": outcome(a="p", b="f"),
                    "locked": outcome(a="p", b="p")}
        good = {"stock": {"s.a", "s.b"}, "revalidate": {"s.b"}}
        verdict = judge.judge(outcomes, "locked", good, False)
        self.assertEqual(verdict.status, 0, verdict.sentence)
        self.assertIn("stock fails the 2 that show the defect; revalidate fails the 1 that",
                      verdict.sentence)
        verdict = judge.judge(outcomes, "locked", {**good, "revalidate": {"s.a"}}, False)
        self.assertEqual(verdict.status, 1)
        self.assertIn("pass on revalidate (s.a)", verdict.sentence)
        self.assertIn("fail on revalidate that should not (s.b)", verdict.sentence)

    def test_revalidate_knows_the_defects_of_stock(self) -> None:
        known = {"s.a"}
        self.assertEqual(self.judge({"stock": outcome(a="f", b="p")}, known, "revalidate").status,
                         0)
        self.assertEqual(self.judge({"stock": outcome(a="p", b="p")}, known, "revalidate").status,
                         1)
        self.assertEqual(self.judge({"stock": outcome(a="f", b="f")}, known, "revalidate").status,
                         1)
        self.assertEqual(self.judge({"stock": outcome(b="p")}, set(), "revalidate").status, 0)
        self.assertEqual(self.judge({"stock": outcome(b="p")}, None, "revalidate").status, 0)
