# SPDX-License-Identifier: GPL-2.0-only
"""Running a guest many times."""

from pathlib import Path
from typing import Dict, List

from locked_rmap.guest import klog, kunit, repeat
from locked_rmap.base.console import Console
from locked_rmap.base.errors import Interrupted

from ..support import Case, write


def outcome(tests: Dict[str, str], died: str = "", splat: str = "") -> kunit.Outcome:
    """What a guest came to."""
    return kunit.Outcome(tests, {}, {}, [klog.Splat(splat, 1, [], False)] if splat else [], 0.1, died)


GOOD = outcome({"s.a": "PASS"})


class ShortcomingTest(Case):
    """shortcoming()."""

    def test_what_makes_a_run_a_bad_one(self) -> None:
        self.assertEqual(repeat.shortcoming(GOOD, set()), "")
        self.assertEqual(repeat.shortcoming(outcome({"s.a": "FAIL"}), set()), "s.a")
        self.assertEqual(repeat.shortcoming(outcome({"s.a": "CRASH"}, "the guest hung"), set()), "the guest hung, s.a")
        self.assertEqual(repeat.shortcoming(outcome({}), set()), "no test reported")
        self.assertEqual(repeat.shortcoming(outcome({"s.a": "PASS"}, splat="WARNING: x"), None), "WARNING: x")

    def test_known_failures(self) -> None:
        self.assertEqual(repeat.shortcoming(outcome({"s.a": "FAIL"}), {"s.a"}), "")
        self.assertEqual(repeat.shortcoming(GOOD, {"s.a"}), "s.a passes")
        self.assertEqual(repeat.shortcoming(outcome({"s.a": "FAIL"}), None), "")


class RunsTest(Case):
    """runs()."""

    def runs(self, outcomes: List[kunit.Outcome]) -> repeat.Tally:
        """Guests that come to @outcomes, one after the other."""
        left = list(outcomes)

        def one(logs: Path, _console: Console) -> kunit.Outcome:
            number = len(outcomes) - len(left) + 1
            if not left:
                raise Interrupted("SIGINT")
            write(logs / "kernel.log", f"run {number}")
            return left.pop(0)

        return repeat.runs(4, "x", set(), self.temp, one, self.console)

    def kept(self) -> str:
        """Which run's log is there at the end."""
        self.assertEqual([path.name for path in self.temp.iterdir()], ["kernel.log"])
        return (self.temp / "kernel.log").read_text(encoding="utf-8")

    def test_the_logs_of_the_first_bad_run_are_kept(self) -> None:
        bad, worse = outcome({"s.a": "FAIL"}), outcome({"s.a": "CRASH"}, "the guest died")
        tally = self.runs([GOOD, bad, worse, GOOD])
        self.assertEqual((tally.runs, tally.bad, tally.kept), (4, 2, bad))
        self.assertEqual(self.kept(), "run 2")

    def test_the_logs_of_the_last_run_are_kept(self) -> None:
        self.assertEqual(self.runs([GOOD] * 4).bad, 0)
        self.assertEqual(self.kept(), "run 4")

    def test_an_interrupt_says_how_far_it_came(self) -> None:
        with self.assertRaises(Interrupted):
            self.runs([GOOD, outcome({"s.a": "FAIL"})])
        self.assertIn("interrupted after 2 runs, 1 with a failure; the first is run 2: s.a", self.said.getvalue())
