# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark's figures: read from kernel logs, put in words, and held to their bounds."""

import re
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from . import collector, klog, profile
from ..base.errors import BROKEN, HOLDS
from .kunit import CRASH, FAIL, SKIP, Outcome
from ..report.report import REVALIDATE, Verdict, some
from ..kernel.series import STOCK

#: Percent by which two runs of the same guest may differ.
TOLERANCE = 1
#: Percent by which a walk may cost more than on stock.
WALKS_MAY_ADD = 5
#: The lines and, by stage, the instructions that moving a page may take.
BOUND_LINES = ("6.12", "6.1")
CEILINGS = {"batched": {"move.1": 1500, "move.16": 220, "move.512": 120}}
#: The stages on which a move takes no anon_vma lock, and what must have been tried there.
LOCKLESS = ("locked", "batched")
CONTENDED = tuple(f"{what}{pages}.{threads}" for what in ("alone", "page-idle", "damon") for pages in ("", ".thp")
                  for threads in (2, 4, 8))
COUNTED = ("acquisitions", "contentions")
WALKS = ("walk.referenced", "walk.page-idle", "walk.damon-young", "walk.damon-mkold")
CONTENTION = "contention."
THROUGHPUT = "throughput."
#: The same, with no emulator: on UML.
NATIVE = "native."
#: What the names of figures begin with that guests tell who count no instructions.
TIMED = (THROUGHPUT, NATIVE, CONTENTION)
#: What the reason begins with where a test was skipped.
SKIPPED = "skipped: "

#: Figures in the order of the table.  Others that a kernel reports come after them.
_WORDS = {
    "move": "UFFDIO_MOVE",
    "move.thp": "UFFDIO_MOVE, a huge page whole",
    "move.swapped": "UFFDIO_MOVE, swapped out",
    "mremap": "mremap()",
    "mremap-dontunmap": "mremap(), MREMAP_DONTUNMAP",
    "copy": "UFFDIO_COPY and MADV_DONTNEED",
    "walk.referenced": "folio_referenced()",
    "walk.page-idle": "page_idle's walk",
    "walk.damon-young": "DAMON's walk, young",
    "walk.damon-mkold": "DAMON's walk, mkold",
    "reclaim.pages": "reclaim: pages swapped out",
    "reclaim.calls": "reclaim: calls of folio_referenced()",
    "reclaim.unlocked-calls": "reclaim: calls for a folio that is not locked",
    "reclaim.trylock-failed": "reclaim: folios that somebody else has locked",
}
_FIGURE = re.compile(r" *# (\S+): figure ([a-z0-9.-]+) (\d+) (ns/page|ns/folio|ns/call|ns|count|pages/s)$")


class Figure(NamedTuple):
    """What a test measured: @value in @unit, ns where there are no instructions to count."""

    case: str
    value: int
    unit: str


class Run(NamedTuple):
    """One guest: what its tests came to and the figures that they reported."""

    outcome: Outcome
    figures: Dict[str, Figure]


class Stage(NamedTuple):
    """The guests of one kernel: those that count instructions, and the one with lock statistics, if there was one.

    @parallel: the guest that shows how many pages threads move together; @native: the same on UML, if that has CPUs for it.
    @profiles: for each number of pages a call, instructions a page by function, if that was asked for, of the guest @profiled.
    @compacted: what the program came to that compacts a heap, by the number of CPUs.
    @trouble: what went wrong outside of a guest.
    """

    counted: List[Run]
    contended: Optional[Run] = None
    profiles: Dict[str, profile.Profile] = {}
    compacted: Mapping[int, collector.Outcome] = {}
    parallel: Optional[Run] = None
    native: Optional[Run] = None
    profiled: Optional[Run] = None
    trouble: Sequence[str] = ()

    def value(self, name: str) -> Optional[int]:
        """The figure @name: the lowest of all runs, since what disturbs one only adds; None if one lacks it."""
        values = self.values(name)
        return min(values) if values and len(values) == len(self.runs(name)) else None

    def values(self, name: str) -> List[int]:
        """The figure @name of each run that has it."""
        return [run.figures[name].value for run in self.runs(name) if name in run.figures]

    def runs(self, name: str) -> List[Run]:
        """The guests that are to report the figure @name."""
        for prefix, run in self.timed().items():
            if name.startswith(prefix):
                return [run] if run is not None else []
        return self.counted

    def timed(self) -> Dict[str, Optional[Run]]:
        """The guests that count no instructions, by what the names of their figures begin with."""
        return {THROUGHPUT: self.parallel, NATIVE: self.native, CONTENTION: self.contended}

    def repeats(self, name: str) -> Optional[bool]:
        """Tell whether all runs came to the same, as far as they need to; None if there are not two that tell."""
        return alike(self.values(name))

    def guests(self) -> Dict[str, Run]:
        """All guests, by the directories of their files."""
        named = {**{f"run-{number}": each for number, each in enumerate(self.counted, 1)},
                 "throughput": self.parallel, "native": self.native, "profile": self.profiled, "contention": self.contended}
        return {name: each for name, each in named.items() if each is not None}


def alike(values: Sequence[int]) -> Optional[bool]:
    """Tell whether @values, of the same figure, are the same as far as they need to be; None if there are not two."""
    return None if len(values) < 2 else (max(values) - min(values)) * 100 <= min(values) * TOLERANCE


class Bound(NamedTuple):
    """Something that must hold of a figure on a stage.

    @limit is None if it could not be told, and so is @value; @why then says why.
    @missing: it should have been there.
    """

    figure: str
    stage: str
    words: str
    value: Optional[int]
    limit: Optional[int]
    why: str = ""
    missing: bool = False

    @property
    def holds(self) -> Optional[bool]:
        """Whether it holds; None if it was not measured."""
        return None if self.value is None or self.limit is None else self.value <= self.limit

    def sentence(self) -> str:
        """One line for people, of what was measured."""
        return f"{describe(self.figure)} ({self.figure}) on {self.stage}: {self.value}, must be {self.words}"


Stages = Mapping[str, Stage]


def read(text: str) -> Dict[str, Figure]:
    """The figures in a kernel log."""
    found: Dict[str, Figure] = {}
    for raw in text.splitlines():
        match = _FIGURE.match(klog.strip_prefix(raw))
        if match:
            found[match.group(2)] = Figure(match.group(1), int(match.group(3)), match.group(4))
    return found


def renamed(run: Run, prefix: str, other: str) -> Run:
    """@run with figures whose names begin with @other, not with @prefix."""
    return run._replace(figures={other + name[len(prefix):] if name.startswith(prefix) else name: figure
                                 for name, figure in run.figures.items()})


def names(stages: Stages) -> List[str]:
    """Every figure that a kernel reported, in the order of the tables."""
    found: Dict[str, None] = {}
    for stage in stages.values():
        for run in stage.counted:
            found.update(dict.fromkeys(name for name in run.figures if not name.startswith(TIMED)))
        for prefix, other in stage.timed().items():
            if other is not None:
                found.update(dict.fromkeys(name for name in other.figures if name.startswith(prefix)))
    known = list(_WORDS)

    def place(name: str) -> int:
        stem = re.sub(r"\.\d+$", "", name)
        return known.index(stem) if stem in known else len(known)

    # Else as they were reported.
    return sorted(found, key=place)


def calls_words(calls: str) -> str:
    """How many pages a call takes, in words."""
    return f"{calls} page{'' if calls == '1' else 's'} a call"


def stem_words(stem: str) -> str:
    """A figure less the pages a call, in words."""
    return _WORDS.get(stem, stem)


def describe(name: str) -> str:
    """The figure @name in words."""
    match = re.fullmatch(rf"{re.escape(CONTENTION)}([a-z-]+)(\.thp)?\.(\d+)\.([a-z-]*)", name)
    if match:
        what, thp, threads, kind = match.groups()
        pages = "huge pages" if thp else "pages"
        beside = "" if what == "alone" else f", beside {'DAMON' if what == 'damon' else what.replace('-', '_')}"
        kinds = {"wait": "time in wait for the lock", "longest": "longest call"}
        return f"{threads} threads move {pages}{beside}: {kinds.get(kind, kind)}"
    match = re.fullmatch(r"(.*)\.(\d+)", name)
    if match and name.startswith((THROUGHPUT, NATIVE)):
        return f"{match.group(2)} thread{'' if match.group(2) == '1' else 's'}"
    if match and match.group(1) in _WORDS:
        return f"{_WORDS[match.group(1)]}, {calls_words(match.group(2))}"
    return stem_words(name)


def unit(stages: Stages, name: str) -> str:
    """The unit of the figure @name: a nanosecond of a guest that counts is an instruction."""
    told = next(run.figures[name].unit for stage in stages.values() for run in stage.runs(name) if name in run.figures)
    return told if name.startswith(CONTENTION) else re.sub(r"^ns\b", "instructions", told)


def missing(stages: Stages, stage: str, name: str) -> str:
    """Why @stage has no figure @name, in words.

    A test that was skipped reports nothing: it is SKIPPED, and says why.
    """
    kernel = stages[stage]
    case = next((run.figures[name].case for other in stages.values() for run in other.runs(name)
                 if name in run.figures), None)
    for run in kernel.runs(name):
        if name in run.figures:
            continue
        if run.outcome.died:
            return run.outcome.died
        test = next((test for test in run.outcome.tests if test.split(".")[-1] == case), None)
        if test is None:
            return "no kernel reports it" if case is None else f"the test {case} did not run"
        status = run.outcome.tests[test]
        if status == SKIP:
            return f"{SKIPPED}{run.outcome.skips.get(test) or 'no reason given'}"
        return f"{test} " + ("fails" if status in (FAIL, CRASH) else "passes and does not report it")
    return "nobody asked for it"


def gaps(stages: Stages, held: Sequence[Bound]) -> Dict[Tuple[str, str], List[str]]:
    """The figures that should be there, by stage and reason: on another stage they are, or a bound is about them."""
    found: Dict[Tuple[str, str], List[str]] = {}
    for stage, kernel in stages.items():
        bound = [each.figure for each in held if each.missing and each.stage == stage]
        for name in dict.fromkeys([*names(stages), *bound]):
            if kernel.runs(name) and kernel.value(name) is None:
                why = missing(stages, stage, name)
                if name in bound or not why.startswith(SKIPPED):
                    found.setdefault((stage, why), []).append(name)
    return found


def shortcomings(stages: Stages, held: Sequence[Bound]) -> List[str]:
    """What went wrong in the guests themselves, a line each."""
    wrong: List[str] = []
    for stage, kernel in stages.items():
        wrong += [f"{stage}: {text}" for text in kernel.trouble]
        for name, run in kernel.guests().items():
            where = f"{stage}, {name}"
            bad = [test for test, status in run.outcome.tests.items() if status in (FAIL, CRASH)]
            splats = [splat.title for splat in run.outcome.splats if not splat.expected]
            if run.outcome.died:
                wrong.append(f"{where}: {run.outcome.died}")
            elif not run.outcome.tests:
                wrong.append(f"{where}: no test reported")
            if bad:
                wrong.append(f"{where}: {len(bad)} of {len(run.outcome.tests)} tests fail ({some(bad)})")
            if splats:
                wrong.append(f"{where}: {len(splats)} unexpected splat{'s' if len(splats) > 1 else ''} ({some(splats)})")
        for cpus, outcome in kernel.compacted.items():
            wrong += [f"{stage}, compacting on {cpus} CPU{'s' if cpus > 1 else ''}: {text}" for text in outcome.wrong]
    for (stage, why), lost in gaps(stages, held).items():
        wrong.append(f"{stage} lacks {len(lost)} figure{'s' if len(lost) > 1 else ''} ({some(lost)}): {why}")
    return wrong


def unseen(stages: Stages) -> List[str]:
    """What was skipped on every stage, so that no table has a place for it, and why, a line each."""
    told: List[str] = []
    kinds = {"": [run for kernel in stages.values() for run in kernel.counted],
             **{prefix: [run for kernel in stages.values() for run in [kernel.timed()[prefix]] if run is not None]
                for prefix in TIMED}}
    for prefix, runs in kinds.items():
        for test in dict.fromkeys(test for run in runs for test in run.outcome.tests):
            # Guests skip what is another one's.
            whose = next((each for each in (CONTENTION, THROUGHPUT) if test.split(".")[-1].startswith(f"{each[:-1]}_")), "")
            if whose == (THROUGHPUT if prefix == NATIVE else prefix) and all(run.outcome.tests.get(test) == SKIP for run in runs):
                told.append(f"{test}{' on UML' if prefix == NATIVE else ''} skipped on every stage: "
                            + (runs[0].outcome.skips.get(test) or "no reason given"))
    return told


def bounds(stages: Stages, line: str, contention: bool) -> List[Bound]:
    """All that must hold of the figures of a line's @stages.  @contention: those with two CPUs were asked for."""
    if line not in BOUND_LINES:
        return []
    found: List[Bound] = []
    every = names(stages)
    moves = [name for name in every if name.startswith("move.")] or ["move.1", "move.16", "move.512"]
    for stage in stages:
        for name, limit in CEILINGS.get(stage, {}).items():
            found.append(_bound(stages, stage, name, f"at most {limit}", limit))
        if stage == "locked":
            found += [_beside(stages, stage, name, (STOCK, REVALIDATE), 0) for name in moves]
        if stage != STOCK:
            found += [_beside(stages, stage, name, (STOCK,), WALKS_MAY_ADD) for name in WALKS]
        if stage in LOCKLESS:
            wanted = [f"{CONTENTION}{what}.{kind}" for what in CONTENDED for kind in COUNTED]
            told = [name for name in every if name.startswith(CONTENTION) and name.split(".")[-1] in COUNTED]
            found += [_bound(stages, stage, name, "0", 0) if contention else
                      Bound(name, stage, "0", None, 0, "the guests with two CPUs were left out")
                      for name in dict.fromkeys(wanted + told)]
    return found


def _bound(stages: Stages, stage: str, name: str, words: str, limit: int) -> Bound:
    value = stages[stage].value(name)
    why = "" if value is not None else missing(stages, stage, name)
    return Bound(name, stage, words, value, limit, why, value is None)


def _beside(stages: Stages, stage: str, name: str, bases: Sequence[str], percent: int) -> Bound:
    """@name costs at most @percent more on @stage than on the first of @bases that has it."""
    more = f" + {percent} %" if percent else ""
    why = ""
    for base in bases:
        value = stages[base].value(name) if base in stages else None
        if value is not None:
            limit = value * (100 + percent) // 100
            return _bound(stages, stage, name, f"at most {limit} ({base}'s {value}{more})", limit)
        why = f"{base} was not run" if base not in stages else f"{base} has none: {missing(stages, base, name)}"
    here = _bound(stages, stage, name, f"at most {bases[0]}'s{more}", 0)
    return here if here.missing else here._replace(value=None, limit=None, why=why)


def judge(version: str, stages: Stages, line: str, held: Sequence[Bound]) -> Verdict:
    """Decide whether what was measured is as it must be."""
    wrong = len(shortcomings(stages, held))
    broken = sum(1 for bound in held if bound.holds is False)
    kept = sum(1 for bound in held if bound.holds)
    lost = sum(1 for bound in held if bound.missing)
    left = sum(1 for bound in held if bound.holds is None) - lost
    counts = ((kept, "hold"), (broken, "broken"), (lost, "could not be measured"), (left, "not measured"))
    told = f"{len(held)} bounds on Linux {version}: " + ", ".join(f"{count} {words}" for count, words in counts if count)
    if wrong or broken or lost:
        parts = ([f"{wrong} thing{'s' if wrong > 1 else ''} went wrong"] if wrong else []) + ([told] if held else [])
        return Verdict(BROKEN, f"Not as it must be: {'; '.join(parts)}.")
    if line not in BOUND_LINES:
        return Verdict(HOLDS, f"Measured; there are bounds for the lines {' and '.join(BOUND_LINES)} alone.")
    if not held:
        return Verdict(HOLDS, f"Measured; there are no bounds for {', '.join(stages)} alone.")
    return Verdict(HOLDS, f"{told}.")
