# SPDX-License-Identifier: GPL-2.0-only
"""Turns outcomes into a table, a verdict and summary.json."""

import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Set

from ..base.console import Console
from ..base.errors import BROKEN, HOLDS, Stop
from ..guest.kunit import CRASH, FAIL, PASS, SKIP, Outcome
from ..kernel.series import STOCK

LOCKED, REVALIDATE = "locked", "revalidate"

_CELL = {PASS: ("pass", "32"), FAIL: ("FAIL", "31;1"), SKIP: ("skip", "33"), CRASH: ("CRASH", "31;1")}


class Verdict(NamedTuple):
    """Exit status and the sentence that goes with it."""

    status: int
    sentence: str


#: By stage, the tests that must fail there; a stage that is missing has no list.
Defects = Mapping[str, Set[str]]


def kept_by(stage: str) -> str:
    """The contract that @stage of a series is to keep; stock may keep none."""
    return REVALIDATE if stage in (STOCK, REVALIDATE) else LOCKED


def defects_name(contract: str, stage: str) -> str:
    """The name of the list of tests that must fail at @stage under @contract."""
    return ("shows-defect" + (f".{contract}" if contract != LOCKED else "")
            + (f".at-{stage}" if stage != STOCK else ""))


def read_defects(path: Path, arch: str) -> Optional[Set[str]]:
    """The tests that must fail, on @arch; None if there is no list.

    One `suite.test [ARCH]` a line, `#` starts a comment.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    found = set()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) > 2 or not re.fullmatch(r"[^.\s]+\.[^.\s]+", words[0]):
            raise Stop(f"{path}:{number}: not 'suite.test [ARCH]'; correct the file")
        if len(words) == 1 or words[1] == arch:
            found.add(words[0])
    return found


def must_fail(stage: str, last: str, contract: str, defects: Defects) -> Optional[Set[str]]:
    """The tests that must fail on @stage, None if any may; @last is on trial."""
    if stage == last:
        return defects.get(stage, set()) if contract == REVALIDATE and last == STOCK else set()
    return defects.get(stage)


def some(names: List[str], limit: int = 3) -> str:
    """A few of @names, and how many more there are."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")


def judge(outcomes: Mapping[str, Outcome], contract: str, defects: Defects, filtered: bool) -> Verdict:
    """Decide whether what was asked for holds.

    @outcomes: by stage, in the order of the series; the last one is on trial.
    @defects: the tests that must fail on each of the others, and under `revalidate`
    on stock by itself.  @filtered: only some of the tests were run.
    """
    last = list(outcomes)[-1]
    wrong: List[str] = []
    for stage, outcome in outcomes.items():
        if not outcome.tests:
            wrong.append(f"no test reported on {stage}" + (f": {outcome.died}" if outcome.died else ""))
        elif outcome.died:
            wrong.append(f"{stage}: {outcome.died}")
    trial = outcomes[last]
    known = must_fail(last, last, contract, defects) or set()
    bad = [name for name, status in trial.tests.items() if status in (FAIL, CRASH) and name not in known]
    if bad:
        wrong.append(f"{len(bad)} of {len(trial.tests)} tests fail on {last} ({some(bad)})")
    elif trial.tests and not any(status == PASS for status in trial.tests.values()):
        wrong.append(f"not one test ran on {last}: all are skipped")
    for stage, outcome in outcomes.items():
        count = sum(1 for splat in outcome.splats if not splat.expected)
        if count:
            wrong.append(f"{count} unexpected splat{'s' if count > 1 else ''} in the kernel log of {stage}")
    shown: Dict[str, int] = {}
    for stage, outcome in outcomes.items():
        if stage == last and not known:
            continue
        failed = {name for name, status in outcome.tests.items() if status in (FAIL, CRASH)}
        shown[stage] = len(failed)
        if stage not in defects:
            if stage == STOCK and not failed and not filtered and outcome.tests:
                wrong.append(f"no test shows the defect: all pass on {stage}")
            continue
        wanted = defects[stage]
        silent = sorted(name for name in wanted if outcome.tests.get(name) == PASS)
        absent = sorted(name for name in wanted if name not in outcome.tests) if not filtered and outcome.tests else []
        surprise = sorted(failed - wanted) if stage != last else []
        if silent:
            wrong.append(f"{len(silent)} tests that must show the defect pass on {stage} ({some(silent)})")
        if absent:
            wrong.append(f"{len(absent)} tests that must show the defect did not run on {stage} ({some(absent)})")
        if surprise:
            wrong.append(f"{len(surprise)} tests fail on {stage} that should not ({some(surprise)})")
    if wrong:
        return Verdict(BROKEN, f"The contract '{contract}' is not shown to hold on {last}: "
                               + "; ".join(wrong) + ".")
    passed = sum(1 for status in trial.tests.values() if status == PASS)
    skipped = len([name for name, status in trial.tests.items() if status == SKIP])
    sentence = f"The contract '{contract}' holds on {last}: {passed} tests pass"
    if skipped:
        sentence += f", {skipped} skipped"
    if known and shown.get(last):
        sentence += f", {shown[last]} fail as this line's known defects make them"
    sentence += ", no unexpected splat"
    for stage, count in shown.items():
        # A stage in between that fails nothing is not worth a word.
        if stage != last and (count or stage == STOCK):
            sentence += (f"; {stage} fails the {count} that show the defect" if count
                         else f"; none of these tests shows the defect on {stage}")
    return Verdict(HOLDS, sentence + ".")


def print_table(console: Console, outcomes: Mapping[str, Outcome]) -> None:
    """One row a test, one column a stage; then skips, failures and splats in words."""
    names: List[str] = []
    for outcome in outcomes.values():
        names += [name for name in outcome.tests if name not in names]
    stages = list(outcomes)
    width = max([len("test"), *(len(name) for name in names)])
    columns = {stage: max(len(stage), 5) for stage in stages}
    console.line()
    console.line("  ".join([f"{'test':<{width}}", *(f"{stage:<{columns[stage]}}" for stage in stages)]).rstrip())
    for name in names:
        cells = []
        for stage in stages:
            text, code = _CELL.get(outcomes[stage].tests.get(name, ""), ("-", ""))
            cells.append(console.paint(text, code) + " " * (columns[stage] - len(text)))
        console.line("  ".join([f"{name:<{width}}", *cells]).rstrip())
    console.line()
    reasons: Dict[str, List[str]] = {}
    for outcome in outcomes.values():
        for name in sorted(outcome.skips):
            entry = f"{name}: {outcome.skips[name] or 'no reason given'}"
            reasons.setdefault(entry, [])
    if reasons:
        console.line("skipped:")
        for entry in reasons:
            console.line(f"  {entry}")
    last = stages[-1]
    bad = [name for name, status in outcomes[last].tests.items() if status in (FAIL, CRASH)]
    if bad:
        console.line(f"failed on {last}:")
        for name in bad:
            notes = outcomes[last].notes.get(name) or [
                "no result: the guest ended or hung before this test did"
                if outcomes[last].tests[name] == CRASH else "see the kernel log"]
            for note in notes:
                console.line(f"  {name}: {note}")
    for stage in stages:
        bad_splats = [splat for splat in outcomes[stage].splats if not splat.expected]
        if bad_splats:
            console.line(f"unexpected splats on {stage}:")
            for splat in bad_splats:
                console.line(f"  kernel.log:{splat.number}: {splat.title}")


def summary(kernel: str, arch: str, contract: str, outcomes: Mapping[str, Outcome],
            verdict: Optional[Verdict], debug: bool) -> Dict[str, Any]:
    """The value of summary.json."""
    return {
        "kernel": kernel,
        "arch": arch,
        "contract": contract,
        "debug": debug,
        "status": verdict.status if verdict else None,
        "verdict": verdict.sentence if verdict else None,
        "stages": {
            stage: {
                "tests": outcome.tests,
                "splats": sum(1 for splat in outcome.splats if not splat.expected),
                "expected_splats": sum(1 for splat in outcome.splats if splat.expected),
                "skips": outcome.skips,
                "died": outcome.died,
                "seconds": round(outcome.seconds, 1),
            }
            for stage, outcome in outcomes.items()
        },
    }
