# SPDX-License-Identifier: GPL-2.0-only
"""What people read of `bench`: tables, a chart, and what does not hold."""

from typing import Dict, List, Optional, Sequence

from ..base.console import Console
from ..base.results import Verdict, plural, some
from ..guest import collector, figures, profile
from ..guest.figures import CONTENTION, NATIVE, THROUGHPUT, TIMED, Bound, Stage, Stages
from ..guest.measure import ARCH, CALLS, cpus
from ..kernel.series import STOCK
from . import chart
from .text import grid

#: Where they do, by what the names of the figures begin with.
PLACES = {THROUGHPUT: "QEMU", NATIVE: "UML"}
OTHERS = ("mremap", "mremap-dontunmap", "copy")
#: What is shown of a heap that was compacted, and up to how many CPUs: those of one guest take
#: turns, for which a mutator may have to wait, and which count as time of all of them.
COMPACTED = {"completion": ("until it is done", 2), "cpu": ("the workers' CPU time", 1),
             "stall": ("the longest stall of a mutator", 1)}
#: Figures of the contention, as their columns are headed; those that are times.
KINDS = {"acquisitions": "locks", "contentions": "waits", "wait": "waited", "longest": "longest"}
TIMES = ("wait", "longest")


def tell(console: Console, found: Stages, held: Sequence[Bound], verdict: Verdict) -> None:
    """What does not hold, what is not known, and the verdict."""
    for text in figures.shortcomings(found, held):
        console.line(console.paint(text, "31;1"))
    for bound in held:
        if bound.holds is False:
            console.line(console.paint(f"bound broken: {bound.sentence()}", "31;1"))
    for text in figures.unseen(found):
        console.line(console.paint(text, "33"))
    left: Dict[str, List[Bound]] = {}
    for bound in held:
        if bound.holds is None and not bound.missing:
            left.setdefault(bound.why, []).append(bound)
    for why, bounds in left.items():
        told = [f"{bound.figure} on {bound.stage}" for bound in bounds]
        console.line(console.paint(f"{len(told)} bound{'s' if len(told) > 1 else ''} not measured, {why}: "
                                   + some(told), "33"))
    console.line(console.paint(verdict.sentence, verdict.colour))


def print_tables(console: Console, found: Stages) -> None:
    """What was counted, then the contention; below either, why something is missing."""
    every = figures.names(found)
    rows = [name for name in every if not name.startswith(TIMED)]
    if rows:
        print_counted(console, found, rows)
    for prefix in PLACES:
        rows = [name for name in every if name.startswith(prefix)]
        if rows:
            print_throughput(console, found, prefix, rows)
    rows = [name for name in every if name.startswith(CONTENTION)]
    if rows:
        print_contention(console, found, rows)
    if any(kernel.compacted for kernel in found.values()):
        print_compacted(console, found)
    for stage, kernel in found.items():
        if kernel.profiles:
            print_profile(console, stage, kernel.profiles)


def print_counted(console: Console, found: Stages, names: Sequence[str]) -> None:
    """One row a figure, one column a stage; below it, what differs between runs."""
    # A mark stands beside its column: all cells have room for one.
    rows = [["one CPU, instructions counted", "unit", *(f"{stage} " for stage in found)]]
    notes: Dict[str, None] = {}
    for name in names:
        rows.append([figures.describe(name), figures.unit(found, name)])
        for stage, kernel in found.items():
            value, same = kernel.value(name), kernel.repeats(name)
            rows[-1].append(f"{'-' if value is None else value}{'*' if same is False else ' '}")
            if same is False:
                notes[f"* {rows[-1][0]} on {stage}: the runs differ by more than {figures.TOLERANCE} %: "
                      + ", ".join(map(str, kernel.values(name)))] = None
    grid(console, rows, 2, [*notes, *_why_not(found, names)])


def print_throughput(console: Console, found: Stages, prefix: str, names: Sequence[str]) -> None:
    """One row for each number of threads, for each stage a column of what they move, and of how that compares to one thread."""
    rows = [[f"{PLACES[prefix]}, {cpus()} CPUs, pages a second", *(word for stage in found for word in (f"{stage}:", ""))]]
    for name in names:
        rows.append([figures.describe(name)])
        for kernel in found.values():
            value, single = kernel.value(name), kernel.value(f"{prefix}1")
            rows[-1] += ["-" if value is None else str(value), f"{value / single:.0%}" if value and single else "-"]
    grid(console, rows, 1, ["times, and not those of hardware: Documentation/bench.rst says what they are worth",
                             *_why_not(found, names)])


def print_contention(console: Console, found: Stages, names: Sequence[str]) -> None:
    """One row for what was done, for each stage a column of each kind of figure."""
    rows = [["two CPUs, the anon_vma's lock", *(word for stage in found for word in (f"{stage}:", "", "", ""))],
            ["", *(word for _ in found for word in KINDS.values())]]
    others: List[str] = []
    done: Dict[str, None] = {}
    for name in names:
        what, kind = name.rsplit(".", 1)
        if kind in KINDS:
            done[what] = None
        else:
            others.append(name)
    for what in done:
        rows.append([figures.describe(f"{what}.").rstrip(": ")])
        for kernel in found.values():
            values = {kind: kernel.value(f"{what}.{kind}") for kind in KINDS}
            rows[-1] += ["-" if value is None else _milliseconds(value) if kind in TIMES else str(value)
                         for kind, value in values.items()]
    for name in others:
        rows.append([f"{figures.describe(name)}, {figures.unit(found, name)}"])
        for kernel in found.values():
            value = kernel.value(name)
            rows[-1] += ["-" if value is None else str(value), "", "", ""]
    grid(console, rows, 1, ["locks: times that it was taken for writing; waits: times that somebody had to wait for one; "
                             "waited: for how long in all, ms; longest: the longest call, ms",
                             *_why_not(found, names)])


def print_compacted(console: Console, found: Stages) -> None:
    """One row a figure, for each stage a column of either way to do it, and how they compare."""
    did = {stage: kernel.compacted for stage, kernel in found.items() if kernel.compacted}
    rows = [["a heap is compacted", *(word for stage in did for word in (f"{stage}:", "", ""))],
            ["", *(word for _ in did for word in ("move", "copy", "move/copy"))]]
    shown = [(count, workers, name, words) for count, several in collector.CPUS.items() for workers in several
             for name, (words, most) in COMPACTED.items() if count <= most]
    differ: Dict[str, None] = {}
    for count, workers, name, words in shown:
        rows.append([f"{count} CPU{'s' if count > 1 else ''}, {workers} worker{'s' if workers > 1 else ''}: {words}"])
        for stage in did:
            outcome = did[stage].get(count)
            for mode in collector.MODES:
                what = collector.figure(mode, workers, name)
                values = [each[what] for each in (outcome.figures, outcome.again) if what in each] if outcome else []
                rows[-1].append(_milliseconds(values[0]) if values else "-")
                if figures.alike(values) is False:
                    differ[f"{rows[-1][0]}, {mode} on {stage}: the runs differ by more than {figures.TOLERANCE} %: "
                           + ", ".join(map(_milliseconds, values))] = None
            ratio = outcome.ratio(workers, name) if outcome else None
            rows[-1].append("-" if ratio is None else f"{ratio:.0%}" if ratio < 10 else f"{ratio:.0f} times")
    why = {f"- {stage}: {why}": None for stage in did for outcome in did[stage].values() for why in outcome.skipped.values()}
    grid(console, rows, 1, ["in ms of a CPU that takes 1 ns for an instruction; CPUs take turns", *differ, *why])


def print_profile(console: Console, stage: str, profiles: Dict[str, profile.Profile]) -> None:
    """One row a function, one column for each number of pages a call."""
    rows = [[f"{stage}, instructions a page in", *(figures.calls_words(calls) for calls in profiles)]]
    rows += [[name, *(f"{value:.1f}" for value in values)] for name, values in profile.table(profiles)]
    grid(console, rows, 1, [])


def _milliseconds(value: int) -> str:
    """@value, in ns, for people."""
    return "0" if value == 0 else "<0.1" if value < 50000 else f"{value / 1000000:.1f}"


def _why_not(found: Stages, names: Sequence[str]) -> List[str]:
    """Why some of the figures @names are missing, each reason once."""
    return list(dict.fromkeys(f"- {stage}: {figures.missing(found, stage, name)}" for name in names
                              for stage, kernel in found.items() if kernel.runs(name) and kernel.value(name) is None))


def draw(version: str, found: Stages) -> str:
    """The chart of what moving a page costs; empty if no move was measured."""
    def row(kernel: Stage, stem: str) -> List[Optional[int]]:
        return [kernel.value(f"{stem}.{calls}") for calls in CALLS]

    moves = [chart.Series(f"UFFDIO_MOVE, {stage}", row(kernel, "move")) for stage, kernel in found.items()]
    if not any(value is not None for each in moves for value in each.values):
        return ""
    # They are the same code on every stage.
    first = STOCK if STOCK in found else next(iter(found))
    others = [chart.Series(figures.stem_words(stem), row(found[first], stem), True) for stem in OTHERS]
    return chart.render("What it costs to move a page",
                        f"Linux {version} on {ARCH}, one thread, pages of 4 KiB. Fewer is better; the axis is logarithmic.",
                        "instructions a page", [figures.calls_words(calls) for calls in CALLS], moves + others)
