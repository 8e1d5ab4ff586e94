# SPDX-License-Identifier: GPL-2.0-only
"""What people read on a terminal or in a log."""

import re
from typing import Dict, List, Mapping, Sequence

from ..base.console import Console
from ..base.results import CRASH, FAIL, PASS, SKIP, Outcome, plural, some
from ..kernel.line import Defects

CELL = {PASS: ("pass", "32"), FAIL: ("FAIL", "31;1"), SKIP: ("skip", "33"),
        CRASH: ("CRASH", "31;1")}
#: Lines that a run may print when all is well, and those of them below the rows of tests.
LINES, BELOW = 40, 11
#: What runs tests that were skipped, by the reason; the first that fits.  Then by where that was.
_CONTRACT = re.compile(r"holds for \S+\.contract=(\w+) only")
_LACKS = re.compile(r"needs (CONFIG_\w+)")
_SMALL = re.compile(r"needs |this architecture |migration entries ")


def grid(console: Console, rows: Sequence[Sequence[str]], left: int = 1,
         notes: Sequence[str] = ()) -> None:
    """Print @rows of cells, the first @left of each flush left, results in colour; then @notes."""
    colours = dict(CELL.values())
    room = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    console.line()
    for row in rows:
        cells = [f"{text:<{space}}" if column < left else f"{text:>{space}}"
                 for column, (text, space) in enumerate(zip(row, room))]
        painted = [cell.replace(text, console.paint(text, colours[text])) if text in colours
                   else cell
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


def run(console: Console, outcomes: Mapping[str, Outcome], defects: Defects, arch: str,
        everything: bool) -> None:
    """The rows that are worth a look, or @everything; what was skipped; what failed; splats."""
    last = list(outcomes)[-1]
    names = list(dict.fromkeys(name for outcome in outcomes.values() for name in outcome.tests))
    wrong = [name for name in names if any(
        (outcome.tests.get(name) in (FAIL, CRASH)) != (name in defects.get(stage, ()))
        and not (outcome.tests.get(name) in (None, SKIP))
        for stage, outcome in outcomes.items() if stage == last or stage in defects)]
    differ = [name for name in names
              if len({outcome.tests.get(name) for outcome in outcomes.values()}) > 1]
    above = len(outcomes) * (2 + len({name.split(".")[0] for name in names}))
    room = max(LINES - BELOW - above - len(wrong), 0)
    shown = names if everything else wrong + [name for name in differ if name not in wrong][:room]
    hidden = len([name for name in differ if name not in shown])
    if shown:
        rows = [["test", *outcomes]]
        rows += [[name,
                  *(CELL.get(outcome.tests.get(name, ""), ("-", ""))[0]
                    for outcome in outcomes.values())]
                 for name in names if name in shown]
        grid(console, rows, len(rows[0]))
    if hidden:
        console.line(f"{hidden} more tests differ between stages; --all prints every test")
    skips(console, outcomes, arch, everything)
    trouble(console, outcomes, last)


def runs_it(why: str, arch: str) -> str:
    """The command that runs tests which @arch has skipped for the reason @why; empty if unknown."""
    contract, lacks = _CONTRACT.fullmatch(why), _LACKS.fullmatch(why)
    if contract:
        return f"make run CONTRACT={contract.group(1)}"
    if arch == "um" and _SMALL.match(why):
        return "make run ARCH=x86_64"
    if lacks:
        return f"make run ARCH={arch} ARGS='--kconfig_add {lacks.group(1)}=y'"
    return ""


def skips(console: Console, outcomes: Mapping[str, Outcome], arch: str, everything: bool) -> None:
    """What was skipped, by the command that runs it; with @everything each test with its reason."""
    reasons: Dict[str, Dict[str, None]] = {}
    for outcome in outcomes.values():
        for name, why in sorted(outcome.skips.items()):
            reasons.setdefault(why or "no reason given", {})[name] = None
    grouped: Dict[str, List[str]] = {}
    for why in reasons:
        grouped.setdefault("" if everything else runs_it(why, arch), []).append(why)
    if reasons:
        console.line("skipped:")
    for command, whys in sorted(grouped.items(), reverse=True):
        if command:
            total = len({name for why in whys for name in reasons[why]})
            whys.sort(key=lambda why: -len(reasons[why]))
            console.line(f"  {plural(total, 'test')}, {some(whys, 2)}: {command}")
            continue
        for why in whys:
            told = ", ".join(reasons[why]) if everything else some(list(reasons[why]), 1)
            console.line(f"  {plural(len(reasons[why]), 'test')}, {why}: {told}")


def trouble(console: Console, outcomes: Mapping[str, Outcome], last: str) -> None:
    """What failed on @last, and splats that no test announced."""
    outcome = outcomes[last]
    if outcome.failed:
        console.line(f"failed on {last}:")
    for name in outcome.failed:
        for note in outcome.notes.get(name) or ["no result: the guest ended or hung before this "
                                                "test did"
                                                if outcome.tests[name] == CRASH
                                                else "see the kernel log"]:
            console.line(f"  {name}: {note}")
    for stage, each in outcomes.items():
        if each.unexpected:
            console.line(f"unexpected splats on {stage}:")
        for splat in each.unexpected:
            console.line(f"  kernel.log:{splat.number}: {splat.title}")
