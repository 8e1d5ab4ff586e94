# SPDX-License-Identifier: GPL-2.0-only
"""Does what was asked for hold?  The verdict on the suites of a line's stages."""

from typing import Dict, List, Mapping

from ..base.errors import BROKEN, HOLDS
from ..base.results import PASS, SKIP, Outcome, Verdict, plural, some
from ..kernel.line import Defects, must_fail
from ..kernel.series import STOCK


def judge(outcomes: Mapping[str, Outcome], contract: str, defects: Defects,
          filtered: bool) -> Verdict:
    """Decide whether what was asked for holds.

    @outcomes: by stage, in the order of the series; the last one is on trial.
    @defects: the tests that must fail on each of the others, and under `revalidate`
    on stock by itself.  @filtered: only some of the tests were run.
    """
    last = list(outcomes)[-1]
    wrong: List[str] = []
    for stage, outcome in outcomes.items():
        if not outcome.tests:
            wrong.append(f"no test reported on {stage}"
                         + (f": {outcome.died}" if outcome.died else ""))
        elif outcome.died:
            wrong.append(f"{stage}: {outcome.died}")
    trial = outcomes[last]
    known = must_fail(last, last, contract, defects) or set()
    bad = [name for name in trial.failed if name not in known]
    if bad:
        wrong.append(f"{len(bad)} of {len(trial.tests)} tests fail on {last} ({some(bad)})")
    elif trial.tests and not trial.of(PASS):
        wrong.append(f"no test ran on {last}: all were skipped")
    for stage, outcome in outcomes.items():
        count = len(outcome.unexpected)
        if count:
            wrong.append(f"{plural(count, 'unexpected splat')} in the kernel log of {stage}")
    shown: Dict[str, int] = {}
    for stage, outcome in outcomes.items():
        if stage == last and not known:
            continue
        failed = set(outcome.failed)
        shown[stage] = len(failed)
        if stage not in defects:
            if stage == STOCK and not failed and not filtered and outcome.tests:
                wrong.append(f"no test shows the defect: all pass on {stage}")
            continue
        wanted = defects[stage]
        silent = sorted(name for name in wanted if outcome.tests.get(name) == PASS)
        absent = sorted(wanted - set(outcome.tests)) if not filtered and outcome.tests else []
        surprise = sorted(failed - wanted) if stage != last else []
        if silent:
            wrong.append(f"{len(silent)} tests that must show the defect pass on {stage} "
                         f"({some(silent)})")
        if absent:
            wrong.append(f"{len(absent)} tests that must show the defect did not run on {stage} "
                         f"({some(absent)})")
        if surprise:
            wrong.append(f"{len(surprise)} tests fail on {stage} that should not "
                         f"({some(surprise)})")
    if wrong:
        return Verdict(BROKEN, f"The contract '{contract}' is not shown to hold on {last}: "
                               + "; ".join(wrong) + ".")
    passed, skipped = len(trial.of(PASS)), len(trial.of(SKIP))
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
