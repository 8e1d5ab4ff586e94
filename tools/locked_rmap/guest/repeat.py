# SPDX-License-Identifier: GPL-2.0-only
"""Runs a guest many times without building again, and counts."""

import os
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional, Set

from ..base import files
from ..base.console import Console, Muted
from ..base.errors import Interrupted
from .kunit import CRASH, FAIL, PASS, Outcome
from ..report.report import some


class Tally(NamedTuple):
    """What the runs of a stage came to.

    @kept is the outcome of the run whose logs lie in the results: the first bad
    one, or the last of all.  @first says what was wrong with that one.
    """

    runs: int
    bad: int
    kept: Outcome
    first: str

    def sentence(self, stage: str) -> str:
        """One line for people."""
        text = f"{stage}: {self.runs} runs, {self.bad} with a failure"
        return f"{text}; {self.first}" if self.bad else text


def shortcoming(outcome: Outcome, known: Optional[Set[str]]) -> str:
    """What makes a run a bad one, empty if it is as it must be.

    @known are the tests that must fail, None if any may.
    """
    wrong: List[str] = []
    if outcome.died:
        wrong.append(outcome.died)
    elif not outcome.tests:
        wrong.append("no test reported")
    if known is not None:
        wrong += [name for name, status in outcome.tests.items() if status in (FAIL, CRASH) and name not in known]
        wrong += [f"{name} passes" for name, status in outcome.tests.items() if status == PASS and name in known]
    wrong += [splat.title for splat in outcome.splats if not splat.expected]
    return some(wrong) if wrong else ""


def runs(times: int, what: str, known: Optional[Set[str]], results: Path,
         one: Callable[[Path, Console], Outcome], console: Console) -> Tally:
    """Call @one, which runs a guest and leaves its files in a directory, @times times.

    The files of the first bad run, else of the last one, are left in @results.
    Always goes on to the end; an interrupt says how far it came.
    """
    bad = 0
    first = ""
    kept: Optional[Outcome] = None
    number = 0
    again = results / "again"
    console.begin(f"running the suites on {what}, {times} times")
    try:
        for number in range(1, times + 1):
            files.remove_tree(again)
            again.mkdir(parents=True)
            detail = f"run {number} of {times}, {bad} with a failure"
            outcome = one(again, Muted(console, detail))
            wrong = shortcoming(outcome, known)
            bad += bool(wrong)
            if not first:
                kept = outcome
                for path in again.iterdir():
                    os.replace(path, results / path.name)
                if wrong:
                    first = f"the first is run {number}: {wrong}"
    except Interrupted:
        done = number - 1
        console.end(f"interrupted after {done} runs, {bad} with a failure" + (f"; {first}" if first else ""))
        raise
    finally:
        files.remove_tree(again)
    assert kept is not None
    tally = Tally(times, bad, kept, first)
    console.end(f"{bad} with a failure")
    return tally
