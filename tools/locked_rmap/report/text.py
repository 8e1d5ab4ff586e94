# SPDX-License-Identifier: GPL-2.0-only
"""What people read on a terminal or in a log."""

import re
from typing import Any, Dict, List, Mapping, Sequence

from ..base.console import Console, clock
from ..base.results import CRASH, FAIL, PASS, SKIP, Outcome, plural, some
from ..kernel.line import Defects

CELL = {PASS: ("pass", "32"), FAIL: ("FAIL", "31;1"), SKIP: ("skip", "33"), CRASH: ("CRASH", "31;1")}
#: Lines that a run may print when all is well, and those of them that are no rows of tests.
LINES, OTHERS = 40, 24
#: What runs a test that was skipped, by its reason.
_HELP = (
    (r"holds for \S+\.contract=(\w+) only", r"make run CONTRACT=\1"),
    (r"needs CONFIG_(?:TRANSPARENT_HUGEPAGE|MEMORY_FAILURE|KPROBES|SMP|MIGRATION)\b.*", "make run ARCH=x86_64"),
)


def grid(console: Console, rows: Sequence[Sequence[str]], left: int = 1, notes: Sequence[str] = ()) -> None:
    """Print @rows of cells, the first @left of each flush left, words for results in colour; then @notes."""
    colours = dict(CELL.values())
    room = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    console.line()
    for row in rows:
        cells = [f"{text:<{space}}" if column < left else f"{text:>{space}}"
                 for column, (text, space) in enumerate(zip(row, room))]
        painted = [cell.replace(text, console.paint(text, colours[text])) if text in colours else cell
                   for cell, text in zip(cells, row)]
        console.line("  ".join(painted).rstrip())
    console.line()
    for text in notes:
        console.line(f"  {text}")


def suites(console: Console, stage: str, outcome: Outcome) -> None:
    """A line for each suite that has run on @stage."""
    by_suite: Dict[str, List[str]] = {}
    for name, status in outcome.tests.items():
        by_suite.setdefault(name.split(".")[0], []).append(status)
    for suite, found in by_suite.items():
        counts = [f"{found.count(status)} {word}" for status, word in
                  ((PASS, "pass"), (FAIL, "fail"), (CRASH, "without a result"), (SKIP, "skipped"))
                  if found.count(status)]
        console.line(f"  {stage} {suite}: {', '.join(counts)}")


def run(console: Console, outcomes: Mapping[str, Outcome], defects: Defects, value: Mapping[str, Any],
        everything: bool) -> None:
    """The rows that are worth a look, or @everything; what was skipped; what failed; splats."""
    last = list(outcomes)[-1]
    names = list(dict.fromkeys(name for outcome in outcomes.values() for name in outcome.tests))
    wrong = [name for name in names if any(
        (outcome.tests.get(name) in (FAIL, CRASH)) != (name in defects.get(stage, ()))
        and not (outcome.tests.get(name) in (None, SKIP))
        for stage, outcome in outcomes.items() if stage == last or stage in defects)]
    differ = [name for name in names if len({outcome.tests.get(name) for outcome in outcomes.values()}) > 1]
    shown = names if everything else wrong + [name for name in differ if name not in wrong][
        :max(LINES - OTHERS - len(wrong), 0)]
    hidden = len([name for name in differ if name not in shown])
    if shown:
        rows = [["test", *outcomes]]
        rows += [[name, *(CELL.get(outcome.tests.get(name, ""), ("-", ""))[0] for outcome in outcomes.values())]
                 for name in names if name in shown]
        grid(console, rows, len(rows[0]))
    if hidden:
        console.line(f"{hidden} more differ between the stages in the same way; --all has every row")
    skips(console, outcomes, everything)
    trouble(console, outcomes, last)
    del value


def skips(console: Console, outcomes: Mapping[str, Outcome], everything: bool) -> None:
    """What was skipped, by reason, and what runs it."""
    reasons: Dict[str, Dict[str, None]] = {}
    for outcome in outcomes.values():
        for name, why in sorted(outcome.skips.items()):
            reasons.setdefault(why or "no reason given", {})[name] = None
    grouped: Dict[str, Dict[str, List[str]]] = {}
    for why, names in reasons.items():
        help_ = next((re.sub(pattern, command, why) for pattern, command in _HELP if re.fullmatch(pattern, why)), "")
        grouped.setdefault(help_, {})[why] = list(names)
    if reasons:
        console.line("skipped:")
    for help_, by_reason in grouped.items():
        total = sum(map(len, by_reason.values()))
        if help_ and not everything:
            console.line(f"  {plural(total, 'test')}, {some(list(by_reason), 2)}; this runs them: {help_}")
            continue
        for why, tests in by_reason.items():
            told = ", ".join(tests) if everything else some(tests, 1)
            console.line(f"  {plural(len(tests), 'test')}, {why}: {told}")


def trouble(console: Console, outcomes: Mapping[str, Outcome], last: str) -> None:
    """What failed on @last, and splats that no test announced."""
    outcome = outcomes[last]
    if outcome.failed:
        console.line(f"failed on {last}:")
    for name in outcome.failed:
        for note in outcome.notes.get(name) or ["no result: the guest ended or hung before this test did"
                                                if outcome.tests[name] == CRASH else "see the kernel log"]:
            console.line(f"  {name}: {note}")
    for stage, each in outcomes.items():
        if each.unexpected:
            console.line(f"unexpected splats on {stage}:")
        for splat in each.unexpected:
            console.line(f"  kernel.log:{splat.number}: {splat.title}")


def seconds(outcome: Outcome) -> str:
    """How long a guest took."""
    return clock(outcome.seconds)
