# SPDX-License-Identifier: GPL-2.0-only
"""What must hold of the benchmark's figures, and what went wrong in its guests."""

import unittest
from typing import Dict, List, Mapping, Optional, Tuple

from locked_rmap.base.errors import Stop
from locked_rmap.base.results import FAIL, PASS, SKIP, Splat
from locked_rmap.guest import bounds, figures
from locked_rmap.guest.bounds import Bound
from locked_rmap.guest.figures import Stage
from locked_rmap.guest.measure import RUNS, SUITE
from locked_rmap.kernel.series import Series

from ..benched import (MOVES, changed, contended, counted, figure, guest, kernel, kernels, outcome,
                       stage)
from ..support import REPO, Case, write


def series(line: str) -> Series:
    """The series of a line, none for one that has none."""
    place = REPO / "mm/patches" / f"linux-{line}"
    return Series(place if place.is_dir() else None)


class MissingTest(unittest.TestCase):
    """A figure that is not there, and a guest that is not well."""

    def of(self, batched: Stage) -> List[str]:
        """What is wrong beside a good stock."""
        return bounds.shortcomings({"stock": kernel("stock"), "batched": batched}, [])

    def test_nothing_is_wrong(self) -> None:
        self.assertEqual(self.of(kernel("batched")), [])

    def test_reasons(self) -> None:
        lacking = changed(kernel("batched"), "move.1", None, 1450)
        for name, told, part in (
                ("died", outcome("the guest hung and was ended after 600 s"), "the guest hung"),
                ("failed", outcome(moves=FAIL), f"{SUITE}.moves fails"),
                ("silent", outcome(moves=PASS), "passes and does not report it"),
                ("not run", outcome(others=PASS), "the test moves did not run")):
            with self.subTest(name):
                told = told._replace(figures=lacking.guests["run-1"].figures)
                here = self.of(guest(lacking, "run-1", told))
                wrong = [text for text in here
                         if text.startswith("batched lacks 1 figure (move.1): ")]
                self.assertEqual(len(wrong), 1, here)
                self.assertIn(part, wrong[0])

    def test_a_skipped_test_is_excused(self) -> None:
        skipped = outcome(moves=SKIP, skips={"moves": "needs UFFDIO_MOVE"})
        stages = {"stock": stage(*[skipped] * RUNS),
                  "locked": stage(*[outcome(told={"move.1": figure(1)})] * RUNS)}
        self.assertEqual(bounds.shortcomings(stages, []), [])
        self.assertEqual(figures.missing(stages, "stock", "move.1"),
                         "skipped: needs UFFDIO_MOVE")
        # But not where something must hold of it.
        bound = Bound("move.1", "stock", "at most 1", None, 1, "skipped: needs UFFDIO_MOVE",
                      True)
        self.assertEqual(bounds.shortcomings(stages, [bound]),
                         ["stock lacks 1 figure (move.1): skipped: needs UFFDIO_MOVE"])

    def test_guests(self) -> None:
        splat = Splat("WARNING: CPU: 0 at mm/rmap.c:1", 7, [], False)
        for name, told, part in (
                ("died", outcome("the guest died"), "batched, run-2: the guest died"),
                ("failed", outcome(moves=PASS, more=FAIL), f"1 of 2 tests fail ({SUITE}.more)"),
                ("splat", outcome()._replace(splats=[splat]),
                 "1 unexpected splat (WARNING: CPU: 0"),
                ("empty", outcome()._replace(tests={}), "batched, run-2: no test reported")):
            with self.subTest(name):
                here = self.of(guest(kernel("batched"), "run-2", told))
                self.assertIn(part, "\n".join(here))
        good = kernel("batched")
        calm = outcome(told=counted("batched"))._replace(splats=[splat._replace(expected=True)])
        self.assertEqual(self.of(guest(good, "run-1", calm)), [])
        died = outcome("the guest died")
        self.assertEqual(self.of(guest(good, "contention",
                                       died._replace(figures=contended("batched")))),
                         ["batched, contention: the guest died"])
        self.assertEqual(self.of(guest(good, "profile", died)),
                         ["batched, profile: the guest died"])
        self.assertEqual(self.of(good._replace(trouble=["no UML"])), ["batched: no UML"])
        self.assertIn("batched lacks 36 figures (contention.alone.2.acquisitions, "
                      "contention.alone.2.contentions, contention.alone.4.acquisitions and 33 "
                      "more): the guest died", self.of(guest(good, "contention", died)))


class BoundsTest(unittest.TestCase):
    """bounds() and judge()."""

    def judge(self, stages: Mapping[str, Stage], line: str = "6.12",
              contention: bool = True) -> Tuple[int, str, List[Bound]]:
        """Status, sentence, and those that do not hold."""
        held = bounds.bounds(stages, series(line), contention)
        verdict = bounds.judge(f"{line}.9", stages, held)
        return verdict.status, verdict.sentence, [bound for bound in held if not bound.holds]

    def test_good_figures_hold(self) -> None:
        status, sentence, wrong = self.judge(kernels())
        self.assertEqual((status, wrong), (0, []), sentence)
        # 3 ceilings, 3 moves of locked, 4 walks and 36 counts of either.
        self.assertIn("86 bounds on Linux 6.12.9: 86 hold.", sentence)

    def test_every_bound_can_be_broken(self) -> None:
        for on, name, most in (
                ("batched", "move.1", 1500), ("batched", "move.16", 220),
                ("batched", "move.512", 120), ("locked", "move.1", 1919),
                ("locked", "move.16", 998), ("locked", "move.512", 938),
                *((on, name, 1050) for on in ("locked", "batched") for name in bounds.WALKS),
                *((on, f"contention.{what}.{kind}", 0) for on in ("locked", "batched")
                  for what in bounds.CONTENDED for kind in bounds.COUNTED)):
            with self.subTest(stage=on, name=name):
                stages = kernels()
                stages[on] = changed(stages[on], name, most, most)
                self.assertEqual(self.judge(stages)[0], 0)
                stages[on] = changed(stages[on], name, most + 1, most + 1)
                status, sentence, wrong = self.judge(stages)
                self.assertEqual(status, 1, sentence)
                self.assertEqual([(bound.figure, bound.stage, bound.value, bound.limit)
                                  for bound in wrong], [(name, on, most + 1, most)])
                for part in (f"({name}) on {on}: {most + 1}, must be ", str(most)):
                    self.assertIn(part, wrong[0].sentence())
                self.assertIn("Not as it must be: 86 bounds on Linux 6.12.9: 85 hold, 1 broken.",
                              sentence)

    def test_other_counts_of_threads_are_held_to_zero_too(self) -> None:
        stages = kernels()
        more = {**contended("locked"), "contention.damon.thp.16.contentions": figure(1, "count"),
                "contention.damon.16.wait": figure(9, "ns")}
        stages["locked"] = guest(stages["locked"], "contention", outcome(told=more))
        wrong = self.judge(stages)[2]
        self.assertIn(("contention.damon.thp.16.contentions", "locked"),
                      [(bound.figure, bound.stage) for bound in wrong])
        self.assertNotIn("contention.damon.16.wait", [bound.figure for bound in wrong])

    def test_other_moves_of_locked_are_held_to_stock(self) -> None:
        stages = kernels("stock", "locked")
        for on, value in (("stock", 700), ("locked", 701)):
            stages[on] = changed(stages[on], "move.thp", value, value)
        self.assertEqual([bound.figure for bound in self.judge(stages)[2]], ["move.thp"])

    def test_a_figure_that_is_missing_is_no_pass(self) -> None:
        for name in ("move.1", "walk.referenced", "contention.alone.thp.2.contentions"):
            with self.subTest(name):
                stages = {on: changed(kernel(on), name, None, None) for on in MOVES}
                status, sentence, wrong = self.judge(stages)
                self.assertEqual(status, 1, sentence)
                self.assertEqual({bound.figure for bound in wrong}, {name})
                self.assertIn(f"batched lacks 1 figure ({name}): no kernel reports it",
                              bounds.shortcomings(stages, wrong))
                self.assertIn("could not be measured", sentence)

    def test_a_guest_that_never_was_is_no_pass(self) -> None:
        stages = {on: stage(*kernel(on).of("")) for on in MOVES}
        status, sentence, _ = self.judge(stages)
        self.assertEqual((status, sentence),
                         (1, "Not as it must be: 86 bounds on Linux 6.12.9: 14 hold, 72 could not "
                             "be measured."))

    def test_without_stock_what_is_held_to_it_is_not_measured(self) -> None:
        status, sentence, wrong = self.judge(kernels("locked", "batched"))
        self.assertEqual(status, 0, sentence)
        self.assertIn("86 bounds on Linux 6.12.9: 75 hold, 11 not measured.", sentence)
        self.assertEqual({bound.why for bound in wrong}, {"stock was not run"})

    def test_without_contention_that_is_told(self) -> None:
        stages = {on: stage(*kernel(on).of("")) for on in MOVES}
        status, sentence, wrong = self.judge(stages, contention=False)
        self.assertEqual(status, 0, sentence)
        self.assertIn("14 hold, 72 not measured", sentence)
        self.assertEqual({bound.why for bound in wrong},
                         {"the guests with two CPUs were left out"})

    def test_where_stock_has_no_move_the_older_contract_is_the_measure(self) -> None:
        skipped = outcome(moves=SKIP, skips={"moves": "needs UFFDIO_MOVE"}, walks=PASS)
        walks = {name: told for name, told in counted("stock").items() if name in bounds.WALKS}
        stages = {"stock": stage(*[skipped._replace(figures=walks)] * 2,
                                 contention=outcome(told=contended("stock"))),
                  "revalidate": kernel("stock"), "locked": kernel("locked")}
        self.assertEqual(self.judge(stages, "6.1")[0], 0)
        stages["locked"] = changed(stages["locked"], "move.1", 1920, 1920)
        wrong = self.judge(stages, "6.1")[2]
        self.assertEqual([bound.words for bound in wrong], ["at most 1919 (revalidate's 1919)"])
        del stages["revalidate"]
        self.assertIn("revalidate was not run",
                      [bound.why for bound in self.judge(stages, "6.1")[2]])

    def test_lines_without_bounds(self) -> None:
        status, sentence, _ = self.judge(kernels("stock"), "7.3")
        self.assertEqual((status, bounds.bounds(kernels("stock"), series("7.3"), True)), (0, []))
        self.assertIn("no bounds for stock alone", sentence)
        status, sentence, _ = self.judge(kernels("stock"))
        self.assertEqual(status, 0)
        self.assertIn("no bounds for stock alone", sentence)

    def test_a_guest_that_died_is_no_pass_whatever_the_line(self) -> None:
        dead = stage(*[outcome("the guest died")] * 2)
        status, sentence, _ = self.judge({"stock": dead}, "7.3", False)
        self.assertEqual((status, sentence), (1, "Not as it must be: 2 things went wrong."))


class CeilingsTest(Case):
    """The file of a line that says what moving a page may take."""

    def most(self, text: str) -> Optional[Dict[Tuple[str, str], int]]:
        """What a file of @text says of a line with the stages stock and locked."""
        write(self.temp / "series", "# stage: locked contract=locked\n")
        write(self.temp / "bounds", text)
        return bounds.ceilings(Series(self.temp))

    def test_a_figure_a_line(self) -> None:
        self.assertEqual(self.most("# about\nlocked move.1 1500 # all\n\nstock move.16 9\n"),
                         {("locked", "move.1"): 1500, ("stock", "move.16"): 9})

    def test_no_file_is_not_an_empty_file(self) -> None:
        self.assertEqual(self.most(""), {})
        (self.temp / "bounds").unlink()
        self.assertIsNone(bounds.ceilings(Series(self.temp)))
        self.assertIsNone(bounds.ceilings(Series(None)))

    def test_what_is_no_bound_is_refused(self) -> None:
        for text in ("locked move.1", "locked move.1 many", "other move.1 9", "locked move.1 9 9"):
            with self.subTest(text), self.assertRaisesRegex(Stop, "bounds:2: not 'STAGE FIGURE"):
                self.most(f"# about\n{text}\n")

    def test_every_line_of_ours_can_be_read(self) -> None:
        for path in REPO.glob("mm/patches/linux-*/bounds"):
            self.assertTrue(bounds.ceilings(Series(path.parent)), path)
