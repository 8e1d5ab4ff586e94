# SPDX-License-Identifier: GPL-2.0-only
"""The verdict, the list of tests that show the defect, and the summary."""

from typing import Dict, List, Optional, Set

from locked_rmap.guest import klog
from locked_rmap.report import report
from locked_rmap.base.errors import Stop
from locked_rmap.guest.kunit import Outcome

from ..support import Case, write

SPLAT = klog.Splat("WARNING: CPU: 0 PID: 1 at mm/rmap.c:1", 7, [], False)
EXPECTED = SPLAT._replace(expected=True)


def outcome(died: str = "", splats: Optional[List[klog.Splat]] = None, **tests: str) -> Outcome:
    """An outcome of tests s.NAME with these results."""
    words = {"p": "PASS", "f": "FAIL", "s": "SKIP", "c": "CRASH"}
    return Outcome({f"s.{name}": words[status] for name, status in tests.items()},
                   {f"s.{name}": "why" for name, status in tests.items() if status == "s"},
                   {}, splats or [], 1.0, died)


class VerdictTest(Case):
    """judge(): status 0 only for what holds."""

    def judge(self, outcomes: Dict[str, Outcome], defects: Optional[Set[str]], contract: str = "locked",
              filtered: bool = False) -> report.Verdict:
        """The verdict on @outcomes."""
        return report.judge(outcomes, contract, {} if defects is None else {"stock": defects}, filtered)

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
                ("died", {"stock": stock, "locked": outcome("the guest died", a="p")}, {"s.a"}, "died"),
                ("stock died", {"stock": outcome("the guest died", a="f"), "locked": good}, {"s.a"}, "died"),
                ("no test", {"stock": stock, "locked": outcome()}, {"s.a"}, "no test reported on locked"),
                ("all skipped", {"locked": outcome(a="s")}, None, "all are skipped"),
                ("splat", {"stock": stock, "locked": outcome(a="p", splats=[SPLAT])}, {"s.a"}, "1 unexpected"),
                ("splat on stock", {"stock": outcome(a="f", splats=[SPLAT]), "locked": good}, {"s.a"}, "of stock"),
                ("silent", {"stock": outcome(a="p", b="p"), "locked": good}, {"s.a"}, "pass on stock"),
                ("absent", {"stock": stock, "locked": good}, {"s.a", "s.z"}, "did not run on stock (s.z)"),
                ("surprise", {"stock": outcome(a="f", b="f"), "locked": good}, {"s.a"}, "should not (s.b)"),
                ("nothing shown", {"stock": good, "locked": good}, None, "no test shows the defect"),
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
        self.assertEqual(self.judge({"stock": good, "locked": good}, {"s.a"}, filtered=True).status, 0)
        self.assertEqual(self.judge({"stock": good, "locked": good}, None, filtered=True).status, 0)

    def test_any_failure_on_stock_does_where_there_is_no_list(self) -> None:
        self.assertEqual(self.judge({"stock": outcome(a="f"), "locked": outcome(a="p")}, None).status, 0)

    def test_stock_alone_is_held_to_the_contract(self) -> None:
        self.assertEqual(self.judge({"stock": outcome(a="f", b="p")}, {"s.a"}).status, 1)

    def test_a_stage_between_has_a_list_of_its_own(self) -> None:
        outcomes = {"stock": outcome(a="f", b="f"), "revalidate": outcome(a="p", b="f"),
                    "locked": outcome(a="p", b="p")}
        good = {"stock": {"s.a", "s.b"}, "revalidate": {"s.b"}}
        verdict = report.judge(outcomes, "locked", good, False)
        self.assertEqual(verdict.status, 0, verdict.sentence)
        self.assertIn("stock fails the 2 that show the defect; revalidate fails the 1 that", verdict.sentence)
        verdict = report.judge(outcomes, "locked", {**good, "revalidate": {"s.a"}}, False)
        self.assertEqual(verdict.status, 1)
        self.assertIn("pass on revalidate (s.a)", verdict.sentence)
        self.assertIn("fail on revalidate that should not (s.b)", verdict.sentence)
        self.assertEqual([report.defects_name(contract, stage) for contract in ("locked", "revalidate")
                          for stage in ("stock", "revalidate")],
                         ["shows-defect", "shows-defect.at-revalidate", "shows-defect.revalidate",
                          "shows-defect.revalidate.at-revalidate"])

    def test_revalidate_knows_the_defects_of_stock(self) -> None:
        known = {"s.a"}
        self.assertEqual(self.judge({"stock": outcome(a="f", b="p")}, known, "revalidate").status, 0)
        self.assertEqual(self.judge({"stock": outcome(a="p", b="p")}, known, "revalidate").status, 1)
        self.assertEqual(self.judge({"stock": outcome(a="f", b="f")}, known, "revalidate").status, 1)
        self.assertEqual(self.judge({"stock": outcome(b="p")}, set(), "revalidate").status, 0)
        self.assertEqual(self.judge({"stock": outcome(b="p")}, None, "revalidate").status, 0)


class DefectsTest(Case):
    """The list of tests that show the defect."""

    def test_lines_comments_and_architectures(self) -> None:
        path = write(self.temp / "list", "# about\ns.a\ns.b x86_64 # THP\n\ns.c um\n")
        self.assertEqual(report.read_defects(path, "um"), {"s.a", "s.c"})
        self.assertEqual(report.read_defects(path, "x86_64"), {"s.a", "s.b"})

    def test_no_list_is_not_an_empty_list(self) -> None:
        self.assertIsNone(report.read_defects(self.temp / "none", "um"))
        self.assertEqual(report.read_defects(write(self.temp / "empty", ""), "um"), set())

    def test_a_line_that_names_no_test_is_refused(self) -> None:
        with self.assertRaisesRegex(Stop, "list:1"):
            report.read_defects(write(self.temp / "list", "just_a_suite\n"), "um")


class TableTest(Case):
    """What people and programs get to see."""

    def test_a_row_a_test_and_the_reasons_below(self) -> None:
        report.print_table(self.console, {"stock": outcome(a="f", b="p", splats=[SPLAT]),
                                          "locked": outcome(a="p", c="s", d="c")})
        lines = [" ".join(line.split()) for line in self.said.getvalue().splitlines()]
        for line in ("test stock locked", "s.a FAIL pass", "s.b pass -", "s.c - skip", "s.d - CRASH",
                     "s.c: why", "kernel.log:7: WARNING: CPU: 0 PID: 1 at mm/rmap.c:1"):
            self.assertIn(line, lines)
        self.assertNotIn("\033", self.said.getvalue())

    def test_summary_has_the_form_that_others_read(self) -> None:
        found = report.summary("6.12.117", "um", "locked", {"stock": outcome(a="f", splats=[SPLAT, EXPECTED])},
                               None, False)
        self.assertEqual({key: found[key] for key in ("kernel", "arch", "contract")},
                         {"kernel": "6.12.117", "arch": "um", "contract": "locked"})
        self.assertEqual(found["stages"]["stock"]["tests"], {"s.a": "FAIL"})
        self.assertEqual(found["stages"]["stock"]["splats"], 1)
        self.assertEqual(found["stages"]["stock"]["expected_splats"], 1)
