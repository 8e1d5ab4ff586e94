# SPDX-License-Identifier: GPL-2.0-only
"""Reads what a guest of the verb `selftests` said, and judges it.

tools/guest/init.c writes its marks and all that a program prints into the kernel
log, a line at a time.
"""

import re
import signal
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from . import klog
from ..base.errors import BROKEN, HOLDS, one_line
from .kunit import CRASH, FAIL, PASS, SKIP
from ..report.report import Verdict, some
from ..kernel.series import STOCK

#: The tests that the series is about: they must pass on every patched stage.
MOVES = (("move", "anon"), ("move-pmd", "anon"), ("move-pmd-split", "anon"))

#: Test and memory type.
Name = Tuple[str, str]

WORD = {PASS: "pass", SKIP: "skip", FAIL: "FAIL", CRASH: "CRASH"}
_RANK = {PASS: 3, SKIP: 2, FAIL: 1, CRASH: 0}
_NO_RESULT = 1
#: What kselftest programs say of a test that cannot run.
_KSFT_SKIP = 4

_MARK = re.compile(r"selftests: (?:(begin) (\S+)|(end) (\S+) (.+)|(over)|(cannot) (.+)|([|~]) ?(.*))$")
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
        return "\t".join([self.name, str(self.seconds), self.stop_at, *self.argv])


class Case(NamedTuple):
    """What came of a test on one type of memory; @note says why, unless it passed."""

    status: str
    note: str = ""


class Ran(NamedTuple):
    """What one job printed and how it ended: `exit 1`, `signal 11`, `hung`, or that the guest died."""

    output: str
    end: str


class Guest(NamedTuple):
    """What one guest's log says.

    @died says how the guest ended if it did not get to the end of its plan;
    @complaint is what its first process could not do.
    """

    ran: Dict[str, Ran]
    died: str
    complaint: str


def read(text: str, hung: str) -> Guest:
    """What the kernel log @text of one guest says.

    @hung: how it hung, if it had to be ended from outside.
    """
    ran: Dict[str, Ran] = {}
    current = ""
    output: List[str] = []
    over = False
    stuck = complaint = ""
    for raw in text.splitlines():
        match = _MARK.match(klog.strip_prefix(raw))
        if match is None:
            continue
        begin, begun, end, ended, how, last, cannot, what, piece, said = match.groups()
        if begin:
            current, output = begun, []
        elif end and ended == current:
            ran[current] = Ran("".join(output), how)
            stuck = f"{current} hung and could not be killed" if how == "stuck" else ""
            current = ""
        elif last:
            over = True
        elif cannot:
            complaint = what
        elif piece and current:
            output.append(said + ("\n" if piece == "|" else ""))
    died = ""
    if not over:
        died = stuck or hung
        if not died:
            fatal = [splat.title for splat in klog.splats(text)
                     if not re.match(r"WARNING: |INFO: |BUG: sleeping", splat.title)]
            died = fatal[-1] if fatal else "the guest ended without a reason"
    if current:
        ran[current] = Ran("".join(output), died)
    return Guest(ran, died, complaint)


def cases(job: Job, ran: Ran) -> Dict[Name, Case]:
    """The results that a run of @job gives, one for each type of memory."""
    if job.memory:
        return {(job.test, job.memory): _by_exit(job, ran)}
    found: Dict[Name, Case] = {}
    starts = list(_TESTING.finditer(ran.output))
    ends = [match.start() for match in starts[1:]] + [len(ran.output)]
    for match, end in zip(starts, ends):
        if match.group(1) != job.test:
            continue
        name = (job.test, match.group(2) or match.group(3))
        said = ran.output[match.end():end]
        told = re.search(r"(skipped|failed) \[reason: (.*?)\]?$", said, re.M)
        if told:
            found[name] = Case(SKIP if told.group(1) == "skipped" else FAIL, one_line(told.group(2), 200))
        elif re.search(r"^done$", said, re.M):
            after = _ending(job, ran.end) if match is starts[-1] else None
            found[name] = Case(PASS) if after is None or after.status != CRASH else \
                Case(CRASH, f"passed, then {after.note}")
        else:
            found[name] = _unfinished(job, ran.end, said)
    if not found:
        found[(job.test, "-")] = _unfinished(job, ran.end, ran.output)
    return found


def _by_exit(job: Job, ran: Ran) -> Case:
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


class Outcome(NamedTuple):
    """What the guests of one stage came to."""

    cases: Dict[Name, Case]
    splats: List[klog.Splat]
    #: How guests died, each in words.
    died: List[str]
    seconds: float


def title(name: Name) -> str:
    """A test as people are told of it."""
    return f"{name[0]} on {name[1]}"


def notes(outcomes: Mapping[str, Outcome], names: Sequence[Name]) -> List[str]:
    """What did not pass and why, one line for all types of memory that it is true of."""
    found: Dict[Tuple[str, str, Tuple[str, ...]], List[str]] = {}
    for test, memory in names:
        told: Dict[str, List[str]] = {}
        for stage, outcome in outcomes.items():
            case = outcome.cases.get((test, memory))
            if case is not None and case.status != PASS:
                told.setdefault(": ".join(word for word in (WORD[case.status], case.note) if word), []).append(stage)
        for note, stages in told.items():
            found.setdefault((test, note, tuple(stages)), []).append(memory)
    return [f"{test} on {', '.join(memories)}: {note}"
            + ("" if len(stages) == len(outcomes) else f" ({', '.join(stages)})")
            for (test, note, stages), memories in found.items()]


def worse(before: Optional[Case], after: Optional[Case]) -> bool:
    """Tell whether @after, on a patched kernel, is worse than @before, on stock."""
    def rank(case: Optional[Case]) -> int:
        return _NO_RESULT if case is None else _RANK[case.status]

    return rank(after) < rank(before)


def gist(splat: klog.Splat) -> str:
    """The title of a splat, without what the next run or another stage would have otherwise."""
    return re.sub(r"CPU: \d+ PID: \d+ |(?<=\.[chS]):\d+|\+0x[0-9a-f]+/0x[0-9a-f]+", "", splat.title)


def judge(outcomes: Mapping[str, Outcome]) -> Verdict:
    """Decide whether the moves pass and nothing is worse than on stock.

    @outcomes: by stage, in the order of the series.
    """
    stock = outcomes.get(STOCK)
    wrong: List[str] = []
    for stage, outcome in outcomes.items():
        if not outcome.cases:
            wrong.append(f"no test reported on {stage}" + (f" ({outcome.died[0]})" if outcome.died else ""))
            continue
        if stage != STOCK:
            missing = [title(name) for name in MOVES
                       if name not in outcome.cases or outcome.cases[name].status != PASS]
            if missing:
                wrong.append(f"{some(missing)} must pass on {stage}")
        if stage != STOCK and stock is not None:
            fallen = [title(name) for name in {**stock.cases, **outcome.cases}
                      if name not in MOVES and worse(stock.cases.get(name), outcome.cases.get(name))]
            if fallen:
                wrong.append(f"worse on {stage} than on stock: {some(fallen)}")
        elif stage != STOCK or len(outcomes) == 1:
            bad = [title(name) for name, case in outcome.cases.items()
                   if case.status in (FAIL, CRASH) and (stage == STOCK or name not in MOVES)]
            if bad:
                wrong.append(f"{some(bad)} failed on {stage}")
        before = {gist(splat) for splat in stock.splats} if stage != STOCK and stock is not None else set()
        splats = [splat for splat in outcome.splats if gist(splat) not in before]
        if (stage != STOCK or len(outcomes) == 1) and splats:
            wrong.append(f"{len(splats)} splat{'s' if len(splats) > 1 else ''} "
                         f"in the kernel log of {stage}" + (" that stock does not have" if before else ""))
        elif outcome.died and (len(outcomes) == 1 or (stage != STOCK and not (stock and stock.died))):
            wrong.append(f"a guest died on {stage} ({outcome.died[0]})")
    last = list(outcomes)[-1]
    if wrong:
        return Verdict(BROKEN, "The selftests do not hold: " + "; ".join(wrong) + ".")
    count = {status: sum(1 for case in outcomes[last].cases.values() if case.status == status)
             for status in (PASS, SKIP, FAIL, CRASH)}
    sentence = f"The selftests hold on {last}: {count[PASS]} pass"
    for status, word in ((SKIP, "skipped"), (FAIL, "fail"), (CRASH, "crash")):
        if count[status]:
            sentence += f", {count[status]} {word}"
    if last != STOCK:
        sentence += ", UFFDIO_MOVE's own among those that pass"
        if stock is not None:
            sentence += "; none is worse than on stock"
    return Verdict(HOLDS, sentence + ".")


def summary(kernel: str, programs: str, outcomes: Mapping[str, Outcome],
            verdict: Optional[Verdict]) -> Dict[str, Any]:
    """The value of summary.json."""
    return {
        "kernel": kernel,
        "arch": "x86_64",
        "programs": programs,
        "status": verdict.status if verdict else None,
        "verdict": verdict.sentence if verdict else None,
        "stages": {
            stage: {
                "tests": {".".join(name): case.status for name, case in outcome.cases.items()},
                "notes": {".".join(name): case.note for name, case in outcome.cases.items() if case.note},
                "splats": [splat.title for splat in outcome.splats],
                "died": outcome.died,
                "seconds": round(outcome.seconds, 1),
            }
            for stage, outcome in outcomes.items()
        },
    }


def order(outcomes: Mapping[str, Outcome], jobs: Sequence[Job]) -> List[Name]:
    """Every test that any stage has, in the order of the plan."""
    place = {job.test: number for number, job in reversed(list(enumerate(jobs)))}
    names: List[Name] = []
    for outcome in outcomes.values():
        names += [name for name in outcome.cases if name not in names]
    return sorted(names, key=lambda name: place.get(name[0], len(jobs)))
