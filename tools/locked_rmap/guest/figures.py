# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark's figures: read from kernel logs, compared between runs, and put in words."""

import re
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..base.results import CRASH, FAIL, SKIP, Figure, Outcome, plural
from . import collector, klog, profile

#: Percent by which two runs of the same guest may differ.
TOLERANCE = 1
#: Guests that count no instructions; the names of their figures begin with that of the guest.
THROUGHPUT, NATIVE, CONTENTION = TIMED = ("throughput", "native", "contention")
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
_FIGURE = re.compile(
    r" *# (\S+): figure ([a-z0-9.-]+) (\d+) (ns/page|ns/folio|ns/call|ns|count|pages/s)$")
_CONTENTION = re.compile(CONTENTION + r"\.([a-z-]+)(\.thp)?\.(\d+)\.([a-z-]*)")


def kind(name: str) -> str:
    """The guest whose figure @name is, one of TIMED; empty: those that count."""
    first = name.split(".")[0]
    return first if first in TIMED else ""


class Stage(NamedTuple):
    """What was measured on one stage."""

    #: Those that count instructions, `run-N`, and others, by the directories of their files.
    guests: Mapping[str, Outcome]
    #: By the number of pages a call, instructions a page by function.
    profiles: Mapping[str, profile.Profile] = {}
    #: What the program that compacts a heap came to, by the number of CPUs.
    compacted: Mapping[int, collector.Outcome] = {}
    #: What went wrong outside of a guest.
    trouble: Sequence[str] = ()

    def of(self, which: str) -> List[Outcome]:
        """The guests of a kind()."""
        return [guest for name, guest in self.guests.items()
                if (name == which if which else name.startswith("run-"))]

    def runs(self, name: str) -> List[Outcome]:
        """The guests that are to report the figure @name."""
        return self.of(kind(name))

    def values(self, name: str) -> List[int]:
        """The figure @name of each run that has it."""
        return [run.figures[name].value for run in self.runs(name) if name in run.figures]

    def value(self, name: str) -> Optional[int]:
        """The lowest of all runs, since what disturbs one only adds; None if one lacks it."""
        values = self.values(name)
        return min(values) if values and len(values) == len(self.runs(name)) else None

    def repeats(self, name: str) -> Optional[bool]:
        """Tell whether all runs are alike(); None if there are not two that tell."""
        return alike(self.values(name))


Stages = Mapping[str, Stage]


def alike(values: Sequence[int]) -> Optional[bool]:
    """Tell whether @values are the same as far as they need to be; None if there are not two."""
    if len(values) < 2:
        return None
    return (max(values) - min(values)) * 100 <= min(values) * TOLERANCE


def read(text: str, guest: str = "") -> Dict[str, Figure]:
    """The figures in the kernel log of @guest; a test that runs natively too has its own there."""
    found: Dict[str, Figure] = {}
    for raw in text.splitlines():
        match = _FIGURE.match(klog.strip_prefix(raw))
        if match:
            case, name, value, unit_ = match.groups()
            if guest == NATIVE:
                name = name.replace(THROUGHPUT, NATIVE)
            found[name] = Figure(case, int(value), unit_)
    return found


def names(stages: Stages) -> List[str]:
    """Every figure that a kernel reported, in the order of the tables."""
    found = list(dict.fromkeys(
        name for stage in stages.values() for which in ("", *TIMED) for run in stage.of(which)
        for name in run.figures if kind(name) == which))
    known = list(_WORDS)
    stems = {name: re.sub(r"\.\d+$", "", name) for name in found}
    # Others as they were reported.
    return sorted(found, key=lambda name: known.index(stems[name]) if stems[name] in known
                  else len(known) + bool(kind(name)))


def calls_words(calls: str) -> str:
    """How many pages a call takes, in words."""
    return f"{plural(int(calls), 'page')} a call"


def stem_words(stem: str) -> str:
    """A figure less the pages a call, in words."""
    return _WORDS.get(stem, stem)


def describe(name: str) -> str:
    """The figure @name in words."""
    match = _CONTENTION.fullmatch(name)
    if match:
        what, thp, threads, each = match.groups()
        beside = "DAMON" if what == "damon" else what.replace("-", "_")
        told = {"wait": "time in wait for the lock", "longest": "longest call"}.get(each, each)
        return (f"{threads} threads move {'huge pages' if thp else 'pages'}"
                + ("" if what == "alone" else f", beside {beside}") + (f": {told}" if told else ""))
    stem, _, number = name.rpartition(".")
    if stem in (THROUGHPUT, NATIVE) and number.isdigit():
        return plural(int(number), "thread")
    if stem in _WORDS and number.isdigit():
        return f"{_WORDS[stem]}, {calls_words(number)}"
    return stem_words(name)


def unit(stages: Stages, name: str) -> str:
    """The unit of a figure: a nanosecond of a guest that counts is an instruction."""
    told = next(run.figures[name].unit for stage in stages.values() for run in stage.runs(name)
                if name in run.figures)
    return told if kind(name) else re.sub(r"^ns\b", "instructions", told)


def missing(stages: Stages, stage: str, name: str) -> str:
    """Why @stage has no figure @name, in words.

    A test that was skipped reports nothing: it is SKIPPED, and says why.
    """
    case = next((run.figures[name].case for other in stages.values() for run in other.runs(name)
                 if name in run.figures), None)
    for run in stages[stage].runs(name):
        if name in run.figures:
            continue
        if run.died:
            return run.died
        test = next((test for test in run.tests if test.split(".")[-1] == case), None)
        if test is None:
            return "no kernel reports it" if case is None else f"the test {case} did not run"
        status = run.tests[test]
        if status == SKIP:
            return f"{SKIPPED}{run.skips.get(test) or 'no reason given'}"
        return f"{test} {'fails' if status in (FAIL, CRASH) else 'passes and does not report it'}"
    return "nobody asked for it"


def unseen(stages: Stages) -> List[str]:
    """What was skipped on every stage, so that no table has a place for it, and why."""
    told: List[str] = []
    for which in ("", *TIMED):
        runs = [run for stage in stages.values() for run in stage.of(which)]
        for test in dict.fromkeys(test for run in runs for test in run.tests):
            # Guests skip what is another one's.
            own = next((each for each in (CONTENTION, THROUGHPUT) if f".{each}_" in test), "")
            if (own == (THROUGHPUT if which == NATIVE else which)
                    and all(run.tests.get(test) == SKIP for run in runs)):
                told.append(f"{test}{' on UML' if which == NATIVE else ''} skipped on every stage: "
                            + (runs[0].skips.get(test) or "no reason given"))
    return told
