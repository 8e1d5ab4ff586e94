# SPDX-License-Identifier: GPL-2.0-only
"""Reads what programs of the verb `selftests` said in a guest, and judges it."""

import re
import signal
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..base.errors import BROKEN, HOLDS, one_line
from ..base.results import CRASH, FAIL, PASS, SKIP, Outcome, Splat, Verdict, plural, some
from ..kernel.series import STOCK
from .qemu import Step

#: The tests that the series is about: they must pass on every patched stage.
MOVES = ("move.anon", "move-pmd.anon", "move-pmd-split.anon")

_RANK = {PASS: 3, SKIP: 2, FAIL: 1, CRASH: 0}
_NO_RESULT = 1
#: What kselftest programs say of a test that cannot run.
_KSFT_SKIP = 4

_TESTING = re.compile(r"Testing (\S+) (?:on (\S+)|\(with (\S+)\))\.\.\. ?")


class Job(NamedTuple):
    """One run of a program in the guest.

    @test is the name that the program gives its test, @memory the memory type
    if the whole run is about one.  @stop_at: once this is printed, all that the
    run is for has been seen.
    """

    name: str
    seconds: int
    argv: Tuple[str, ...]
    test: str
    memory: str = ""
    stop_at: str = ""

    @property
    def line(self) -> str:
        """The job as the guest's /plan has it."""
        return "\t".join(["run", self.name, str(self.seconds), self.stop_at, *self.argv])


class Case(NamedTuple):
    """What came of a test on one type of memory; @note says why, unless it passed."""

    status: str
    note: str = ""


def cases(job: Job, ran: Step) -> Dict[str, Case]:
    """The results that a run of @job gives, by test and type of memory: test.memory."""
    if job.memory:
        return {f"{job.test}.{job.memory}": _by_exit(job, ran)}
    found: Dict[str, Case] = {}
    starts = list(_TESTING.finditer(ran.output))
    ends = [match.start() for match in starts[1:]] + [len(ran.output)]
    for match, end in zip(starts, ends):
        if match.group(1) != job.test:
            continue
        name = f"{job.test}.{match.group(2) or match.group(3)}"
        said = ran.output[match.end():end]
        told = re.search(r"(skipped|failed) \[reason: (.*?)\]?$", said, re.M)
        if told:
            found[name] = Case(SKIP if told.group(1) == "skipped" else FAIL,
                               one_line(told.group(2), 200))
        elif re.search(r"^done$", said, re.M):
            after = _ending(job, ran.end) if match is starts[-1] else None
            found[name] = Case(PASS) if after is None or after.status != CRASH else \
                Case(CRASH, f"passed, then {after.note}")
        else:
            found[name] = _unfinished(job, ran.end, said)
    return found or {f"{job.test}.-": _unfinished(job, ran.end, ran.output)}


def outcome(found: Mapping[str, Case], splats: Sequence[Splat], seconds: float,
            died: Sequence[str]) -> Outcome:
    """What all guests of a stage came to; @died: how some of them did, each in words."""
    noted = {name: case for name, case in found.items() if case.note}
    return Outcome({name: case.status for name, case in found.items()},
                   {name: case.note for name, case in noted.items() if case.status == SKIP},
                   {name: [case.note] for name, case in noted.items() if case.status != SKIP},
                   splats, seconds, "; ".join(died))


def _by_exit(job: Job, ran: Step) -> Case:
    """The result of a program that says it by its exit status alone."""
    if ran.end == "exit 0":
        return Case(PASS)
    if ran.end == f"exit {_KSFT_SKIP}":
        return Case(SKIP, _said(ran.output))
    return _unfinished(job, ran.end, ran.output)


def _ending(job: Job, end: str) -> Optional[Case]:
    """How the program came to its end, None if it is what it should be."""
    word, _, number = end.partition(" ")
    if end == "stopped" or (word == "exit" and number == "0"):
        return None
    if word == "exit" and number.isdigit():
        return Case(FAIL, f"exit status {number}")
    if word == "signal" and number.isdigit():
        try:
            return Case(CRASH, f"killed by {signal.Signals(int(number)).name}")
        except ValueError:
            return Case(CRASH, f"killed by signal {number}")
    if end == "hung":
        return Case(CRASH, f"hung, and was killed after {job.seconds} s")
    if end == "stuck":
        return Case(CRASH, f"hung, and could not be killed after {job.seconds} s")
    return Case(CRASH, end)


def _unfinished(job: Job, end: str, output: str) -> Case:
    """The result of a test that the program did not get to the end of."""
    how = _ending(job, end) or Case(FAIL, "ended without a result")
    # What a program that was cut off said last has nothing to do with its end.
    said = _said(output, how.status == FAIL)
    return Case(how.status, f"{how.note}: {said}" if said else how.note)


def _said(output: str, last: bool = True) -> str:
    """The line of @output that says why, or if there is none and @last, the last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reasons = [line for line in lines if re.search(r"\bERROR\b|\bskip\b", line)]
    return one_line((reasons or (lines[-1:] if last else []) or [""])[0], 200)


def title(name: str) -> str:
    """A test as people are told of it."""
    return name.replace(".", " on ", 1)


def worse(before: Optional[str], after: Optional[str]) -> bool:
    """Tell whether @after, on a patched kernel, is worse than @before, on stock."""
    ranks = [_NO_RESULT if status is None else _RANK[status] for status in (before, after)]
    return ranks[1] < ranks[0]


def gist(splat: Splat) -> str:
    """The title of a splat, without what the next run or another stage would have otherwise."""
    return re.sub(r"CPU: \d+ PID: \d+ |(?<=\.[chS]):\d+|\+0x[0-9a-f]+/0x[0-9a-f]+", "", splat.title)


def judge(outcomes: Mapping[str, Outcome]) -> Verdict:
    """Decide whether the moves pass and nothing is worse than on stock.

    @outcomes: by stage, in the order of the series.
    """
    stock = outcomes.get(STOCK)
    wrong: List[str] = []
    for stage, found in outcomes.items():
        if stage != STOCK or len(outcomes) == 1 or not found.tests:
            wrong += _wrong(stage, found, stock if stage != STOCK else None)
    last = list(outcomes)[-1]
    if wrong:
        return Verdict(BROKEN, "The selftests do not hold: " + "; ".join(wrong) + ".")
    sentence = f"The selftests hold on {last}: {len(outcomes[last].of(PASS))} pass"
    for status, word in ((SKIP, "skipped"), (FAIL, "fail"), (CRASH, "crash")):
        if outcomes[last].of(status):
            sentence += f", {len(outcomes[last].of(status))} {word}"
    if last != STOCK:
        sentence += ", UFFDIO_MOVE's own among those that pass"
        if stock is not None:
            sentence += "; none is worse than on stock"
    return Verdict(HOLDS, sentence + ".")


def _wrong(stage: str, found: Outcome, stock: Optional[Outcome]) -> List[str]:
    """What is wrong on a stage that is on trial, beside @stock if that was run too."""
    if not found.tests:
        return [f"no test reported on {stage}" + (f" ({found.died})" if found.died else "")]
    moves = MOVES if stage != STOCK else ()
    missing = [name for name in moves if found.tests.get(name) != PASS]
    wrong = [f"{some([title(name) for name in missing])} must pass on {stage}"] if missing else []
    bad = found.failed if stock is None else [
        name for name in {**stock.tests, **found.tests}
        if worse(stock.tests.get(name), found.tests.get(name))]
    told = some([title(name) for name in bad if name not in moves])
    if told:
        wrong.append(f"{told} failed on {stage}" if stock is None else
                     f"worse on {stage} than on stock: {told}")
    before = {gist(splat) for splat in stock.unexpected} if stock is not None else set()
    splats = [splat for splat in found.unexpected if gist(splat) not in before]
    if splats:
        wrong.append(f"{plural(len(splats), 'splat')} in the kernel log of {stage}"
                     + (" that stock does not have" if before else ""))
    elif found.died and not (stock and stock.died):
        wrong.append(f"a guest died on {stage} ({found.died})")
    return wrong
