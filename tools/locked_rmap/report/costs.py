# SPDX-License-Identifier: GPL-2.0-only
"""What people read of `bench`: tables, a chart, and what does not hold."""

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..base.console import Console
from ..base.results import Verdict, plural, some
from ..guest import bounds, collector, figures, profile
from ..guest.bounds import Bound
from ..guest.figures import CONTENTION, NATIVE, THROUGHPUT, Stage, Stages
from ..guest.measure import ARCH, CALLS, cpus
from ..kernel.series import STOCK
from .text import grid

#: Where threads move pages together.
PLACES = {THROUGHPUT: "QEMU", NATIVE: "UML"}
#: What is shown beside the moves.
OTHERS = ("mremap", "mremap-dontunmap", "copy")
#: What is shown of a heap that was compacted, and up to how many CPUs: those of one guest take
#: turns, for which a mutator may have to wait, and which count as time of all of them.
COMPACTED = {"completion": ("until it is done", 2), "cpu": ("the workers' CPU time", 1),
             "stall": ("the longest stall of a mutator", 1)}
#: Figures of the contention, as their columns are headed; those that are times.
KINDS = {"acquisitions": "locks", "contentions": "waits", "wait": "waited", "longest": "longest"}
TIMES = ("wait", "longest")


class Table(NamedTuple):
    """Figures for people: the first @left cells of a row say what it has."""

    #: Cells, and over how many columns each goes.
    head: Sequence[Sequence[Tuple[str, int]]]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    left: int = 1

    def show(self, console: Console) -> None:
        """Print it."""
        head = [[text for word, span in row for text in (word, *[""] * (span - 1))]
                for row in self.head]
        grid(console, [*head, *self.rows], self.left, self.notes)


def tell(console: Console, found: Stages, held: Sequence[Bound], verdict: Verdict) -> None:
    """What does not hold, what is not known, and the verdict."""
    for text in [*bounds.shortcomings(found, held),
                 *(f"bound broken: {bound.sentence()}" for bound in held if bound.holds is False)]:
        console.line(console.paint(text, "31;1"))
    left: Dict[str, List[str]] = {}
    for bound in held:
        if bound.holds is None and not bound.missing:
            left.setdefault(bound.why, []).append(f"{bound.figure} on {bound.stage}")
    for text in [*figures.unseen(found),
                 *(f"{plural(len(names), 'bound')} not measured, {why}: {some(names)}"
                   for why, names in left.items())]:
        console.line(console.paint(text, "33"))
    console.line(console.paint(verdict.sentence, verdict.colour))


def tables(found: Stages) -> Iterator[Table]:
    """What was counted, then the contention; below either, why something is missing."""
    every = figures.names(found)
    for kind, table in (("", _counted), (THROUGHPUT, _throughput), (NATIVE, _throughput),
                        (CONTENTION, _contention)):
        names = [name for name in every if figures.kind(name) == kind]
        if names:
            yield table(found, names)
    if any(stage.compacted for stage in found.values()):
        yield _compacted({name: stage.compacted for name, stage in found.items()
                          if stage.compacted})
    for name, stage in found.items():
        if stage.profiles:
            yield _profile(name, stage.profiles)


def _counted(found: Stages, names: Sequence[str]) -> Table:
    """One row a figure, one column a stage; below it, what differs between runs."""
    rows: List[List[str]] = []
    notes: List[str] = []
    for name in names:
        rows.append([figures.describe(name), figures.unit(found, name)])
        for stage, here in found.items():
            same = here.repeats(name)
            # A mark stands beside its column: all cells have room for one.
            rows[-1].append(_cell(here.value(name)) + ("*" if same is False else " "))
            if same is False:
                notes.append(_differ(f"* {rows[-1][0]} on {stage}", here.values(name)))
    head = [("one CPU, instructions counted", 1), ("unit", 1),
            *((f"{stage} ", 1) for stage in found)]
    return Table([head], rows, [*notes, *_why_not(found, names)], 2)


def _throughput(found: Stages, names: Sequence[str]) -> Table:
    """A row for a number of threads; what they move, and how that compares to one thread."""
    kind = figures.kind(names[0])
    rows: List[List[str]] = []
    for name in names:
        rows.append([figures.describe(name)])
        for here in found.values():
            value, single = here.value(name), here.value(f"{kind}.1")
            rows[-1] += [_cell(value), f"{value / single:.0%}" if value and single else "-"]
    return Table([[(f"{PLACES[kind]}, {cpus()} CPUs, pages a second", 1),
                   *((f"{stage}:", 2) for stage in found)]], rows,
                 ["times, and not those of hardware: Documentation/bench.rst says what they are "
                  "worth", *_why_not(found, names)])


def _contention(found: Stages, names: Sequence[str]) -> Table:
    """One row for what was done, for each stage a column of each kind of figure."""
    known = [name for name in names if name.rsplit(".", 1)[1] in KINDS]
    rows: List[List[str]] = []
    for what in dict.fromkeys(name.rsplit(".", 1)[0] for name in known):
        rows.append([figures.describe(f"{what}.")])
        for here in found.values():
            rows[-1] += [_cell(here.value(f"{what}.{kind}"), kind in TIMES) for kind in KINDS]
    for name in [name for name in names if name not in known]:
        rows.append([f"{figures.describe(name)}, {figures.unit(found, name)}"])
        for here in found.values():
            rows[-1] += [_cell(here.value(name)), "", "", ""]
    return Table([[("two CPUs, the anon_vma's lock", 1),
                   *((f"{stage}:", len(KINDS)) for stage in found)],
                  [("", 1), *((word, 1) for _ in found for word in KINDS.values())]], rows,
                 ["locks: times that it was taken for writing; waits: times that somebody had to "
                  "wait for one; waited: for how long in all, ms; longest: the longest call, ms",
                  *_why_not(found, names)])


def _compacted(did: Mapping[str, Mapping[int, collector.Outcome]]) -> Table:
    """One row a figure, for each stage either way to do it, and how they compare."""
    rows: List[List[str]] = []
    notes = ["in ms of a CPU that takes 1 ns for an instruction; CPUs take turns"]
    for count, workers, name, words in [
            (count, workers, name, words) for count, several in collector.CPUS.items()
            for workers in several for name, (words, most) in COMPACTED.items() if count <= most]:
        rows.append([f"{plural(count, 'CPU')}, {plural(workers, 'worker')}: {words}"])
        for stage, by_count in did.items():
            outcome = by_count.get(count)
            for mode in collector.MODES:
                what = collector.figure(mode, workers, name)
                values = [each[what] for each in (outcome.figures, outcome.again)
                          if what in each] if outcome else []
                rows[-1].append(_cell(values[0] if values else None, True))
                if figures.alike(values) is False:
                    notes.append(_differ(f"{rows[-1][0]}, {mode} on {stage}", values, True))
            ratio = outcome.ratio(workers, name) if outcome else None
            rows[-1].append("-" if ratio is None else f"{ratio:.0%}" if ratio < 10
                            else f"{ratio:.0f} times")
    why = {f"- {stage}: {why}": None for stage, by_count in did.items()
           for outcome in by_count.values() for why in outcome.skipped.values()}
    return Table([[("a heap is compacted", 1), *((f"{stage}:", 3) for stage in did)],
                  [("", 1), *((word, 1) for _ in did for word in ("move", "copy", "move/copy"))]],
                 rows, [*notes, *why])


def _profile(stage: str, profiles: Mapping[str, profile.Profile]) -> Table:
    """One row a function, one column for each number of pages a call."""
    head = [f"{stage}, instructions a page in", *map(figures.calls_words, profiles)]
    return Table([[(text, 1) for text in head]],
                 [[name, *(f"{value:.1f}" for value in values)]
                  for name, values in profile.table(profiles)])


def _cell(value: Optional[int], time: bool = False) -> str:
    """@value for people, in ms if it is a @time in ns."""
    if value is None or not (time and value):
        return "-" if value is None else str(value)
    return "<0.1" if value < 50000 else f"{value / 1000000:.1f}"


def _differ(what: str, values: Sequence[int], time: bool = False) -> str:
    return (f"{what}: the runs differ by more than {figures.TOLERANCE} %: "
            + ", ".join(_cell(value, time) for value in values))


def _why_not(found: Stages, names: Sequence[str]) -> List[str]:
    """Why some of the figures @names are missing, each reason once."""
    return list(dict.fromkeys(
        f"- {stage}: {figures.missing(found, stage, name)}" for name in names
        for stage, here in found.items() if here.runs(name) and here.value(name) is None))


def chart(version: str, found: Stages) -> Dict[str, Any]:
    """The bars of what moving a page costs, by pages a call; empty if no move was measured."""
    if all(stage.value(f"move.{calls}") is None for stage in found.values() for calls in CALLS):
        return {}
    # They are the same code on every stage.
    first = found.get(STOCK, next(iter(found.values())))
    rows = [*((f"k{number % 4}", f"UFFDIO_MOVE, {name}", "move", stage)
              for number, (name, stage) in enumerate(found.items())),
            *((f"o{number}", figures.stem_words(stem), stem, first)
              for number, stem in enumerate(OTHERS))]
    groups = [{"name": figures.calls_words(calls), "bars": [
        {"kind": kind, "name": name, "value": value} for kind, name, stem, stage in rows
        for value in [stage.value(f"{stem}.{calls}")] if value is not None]} for calls in CALLS]
    return {"title": "What it costs to move a page",
            "about": [f"Linux {version} on {ARCH}, one thread",
                      "Instructions for 4 KiB; fewer is better",
                      "Each group has a scale of its own"],
            "groups": [group for group in groups if group["bars"]]}
