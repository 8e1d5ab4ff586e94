# SPDX-License-Identifier: GPL-2.0-only
"""What a run prints: what is worth a look, and no more lines than people read."""

from typing import Dict

from locked_rmap.base.results import CRASH, FAIL, PASS, SKIP, Outcome, Splat
from locked_rmap.report import text

from ..support import Case


class RowsTest(Case):
    """Which tests get a row."""

    def rows(self, everything: bool = False) -> str:
        """What is printed of two stages."""
        stock = Outcome({"s.same": PASS, "s.shows": FAIL, "s.wrong": PASS, "s.new": SKIP})
        last = Outcome({"s.same": PASS, "s.shows": PASS, "s.wrong": FAIL, "s.new": PASS},
                       notes={"s.wrong": ["EXPECTATION FAILED at x.c:1"]})
        text.run(self.console, {"stock": stock, "last": last}, {"stock": {"s.shows"}}, "um",
                 everything)
        return self.said.getvalue()

    def test_tests_that_differ_have_a_row(self) -> None:
        said = [" ".join(line.split()) for line in self.rows().splitlines()]
        for row in ("s.shows FAIL pass", "s.wrong pass FAIL", "s.new skip pass"):
            self.assertIn(row, said)
        self.assertNotIn("s.same pass pass", said)

    def test_all_of_them_on_request(self) -> None:
        self.assertRegex(self.rows(True), r"s\.same +pass +pass")

    def test_failures_say_why(self) -> None:
        self.assertIn("failed on last:\n  s.wrong: EXPECTATION FAILED at x.c:1\n", self.rows())

    def test_many_that_differ_as_they_must_are_cut_short(self) -> None:
        names = [f"s.{number}" for number in range(100)]
        stock, last = Outcome(dict.fromkeys(names, FAIL)), Outcome(dict.fromkeys(names, PASS))
        text.run(self.console, {"stock": stock, "last": last}, {"stock": set(names)}, "um", False)
        said = self.said.getvalue()
        self.assertLessEqual(len(said.splitlines()), text.LINES)
        self.assertRegex(said, r"\n\d+ more tests differ between stages; --all ")

    def test_what_is_wrong_is_never_cut_short(self) -> None:
        last = Outcome({f"s.{number}": CRASH for number in range(100)})
        text.run(self.console, {"last": last}, {}, "um", False)
        self.assertIn("s.99  CRASH", self.said.getvalue())

    def test_splats_are_told(self) -> None:
        splat = Splat("WARNING: here", 7, [], False)
        text.run(self.console, {"last": Outcome({"s.a": PASS}, splats=[splat])}, {}, "um", False)
        self.assertIn("unexpected splats on last:\n  kernel.log:7: WARNING: here\n",
                      self.said.getvalue())


class SkipsTest(Case):
    """Skipped tests and what runs them."""

    def said_of(self, arch: str, reasons: Dict[str, str], everything: bool = False) -> str:
        """What is said of tests that were skipped, by test."""
        text.skips(self.console, {"last": Outcome({}, skips=reasons)}, arch, everything)
        return self.said.getvalue()

    def test_by_the_command_that_runs_them(self) -> None:
        said = self.said_of("um", {"s.a": "needs CONFIG_X", "s.b": "needs two CPUs", "s.c": "never",
                                   "s.d": "holds for rmap_kunit.contract=revalidate only"})
        self.assertIn("  2 tests, needs CONFIG_X, needs two CPUs: make run ARCH=x86_64\n", said)
        self.assertIn("only: make run CONTRACT=revalidate\n", said)
        self.assertIn("  1 test, never: s.c\n", said)

    def test_an_option_that_is_missing(self) -> None:
        self.assertIn("make run ARCH=x86_64 ARGS='--kconfig_add CONFIG_X=y'\n",
                      self.said_of("x86_64", {"s.a": "needs CONFIG_X"}))

    def test_each_by_name_on_request(self) -> None:
        said = self.said_of("um", {"s.a": "needs CONFIG_X", "s.b": "needs CONFIG_X", "s.c": ""},
                            True)
        self.assertIn("  2 tests, needs CONFIG_X: s.a, s.b\n", said)
        self.assertIn("  1 test, no reason given: s.c\n", said)


class GridTest(Case):
    """Tables."""

    def test_cells_stand_in_columns(self) -> None:
        text.grid(self.console, [["a", "unit", "x"], ["long name", "ns", "12"]], 2, ["a note"])
        self.assertEqual(self.said.getvalue(),
                         "\na          unit   x\nlong name  ns    12\n\n  a note\n")

    def test_results_are_in_colour_on_a_terminal(self) -> None:
        self.console.colour = True
        text.grid(self.console, [["t", "FAIL"]], 2)
        self.assertIn("\033[31;1mFAIL\033[0m", self.said.getvalue())
