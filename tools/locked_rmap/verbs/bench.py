# SPDX-License-Identifier: GPL-2.0-only
"""The verb `bench`: what a move costs, in instructions, and who waits for whom.

QEMU counts instructions, so the figures of a guest do not depend on the machine that
it runs on.  Who waits for whom is seen in a guest with two CPUs and CONFIG_LOCK_STAT, and
how many pages threads move together in one with as many as the machine has, and on UML.
"""

import json
import os
import re
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ..base import files, proc
from ..guest import collector, figures, kunit, profile
from ..kernel import packages, source
from ..report import chart
from . import run
from ..base.console import Console
from ..base.errors import HOLDS, Stop
from ..guest.figures import CONTENTION, NATIVE, THROUGHPUT, TIMED, Bound, Run, Stage, Stages
from ..report.report import LOCKED, Verdict, some
from ..kernel.series import STOCK

ARCH = "x86_64"
SUITE = "userfaultfd_move_bench"
#: One CPU, which takes a nanosecond of its clock for each instruction, and none to sleep.
COUNTED = "-smp 1 -icount shift=0,sleep=off"
#: The test that says how many pages threads move together, and the most threads that it has.
PARALLEL = f"{SUITE}.throughput_of_threads"
THREADS = 8
#: Where they do, by what the names of the figures begin with.
PLACES = {THROUGHPUT: "QEMU", NATIVE: "UML"}
#: How often the guest that counts is run.
RUNS = 2
#: Seconds that a guest may take.
LIMIT = 600
#: Pages a call, as the chart has them, and what is shown there beside the moves.
CALLS = ("1", "16", "512")
OTHERS = ("mremap", "mremap-dontunmap", "copy")
#: What is shown of a heap that was compacted, and up to how many CPUs: those of one guest take
#: turns, for which a mutator may have to wait, and which count as time of all of them.
COMPACTED = {"completion": ("until it is done", 2), "cpu": ("the workers' CPU time", 1),
             "stall": ("the longest stall of a mutator", 1)}
#: Figures of the contention, as their columns are headed; those that are times.
KINDS = {"acquisitions": "locks", "contentions": "waits", "wait": "waited", "longest": "longest"}
TIMES = ("wait", "longest")


class Request(NamedTuple):
    """What the user asked `bench` for."""

    kernel: Optional[str] = None
    stages: Sequence[str] = ()
    tree: Optional[Path] = None
    contention: bool = True
    collector: bool = True
    profile: bool = False
    timeout: Optional[int] = None
    json: Optional[str] = None
    svg: Optional[Path] = None


def configs(repo: Path) -> List[kunit.Config]:
    """The kernels of a stage: the one that counts, and the one that has lock statistics."""
    base = run.config_for(repo, ARCH, False)
    fragments = [repo / "tools" / "configs" / f"{name}.config" for name in ("bench", "contention")]
    return [base._replace(instead=tuple(fragments[:1]), qemu_args=COUNTED), base._replace(instead=tuple(fragments))]


def cpus() -> int:
    """How many CPUs a guest has whose threads are to run at a time: QEMU, and UML too, run each on one of the machine's."""
    return min(THREADS, len(os.sched_getaffinity(0)))


def native_config(site: run.Site) -> Optional[kunit.Config]:
    """UML with several CPUs; None if this kernel's has but one."""
    options = site.work.pristine / "arch" / "um" / "Kconfig"
    if not (options.is_file() and re.search(r"^config SMP$", options.read_text(encoding="utf-8", errors="replace"), re.M)):
        return None
    base = run.config_for(site.repo, "um", False)
    # It has them only where its user processes are watched with seccomp.
    return base._replace(instead=(site.repo / "tools" / "configs" / "native.config",),
                         kernel_args=(f"ncpus={cpus()}", "seccomp=on"))


def one(site: run.Site, config: kunit.Config, build: Path, what: str, limit: int, results: Path, glob: str = "") -> Run:
    """Run a guest once, with the tests that @glob names; its files go to @results."""
    results.mkdir(parents=True, exist_ok=True)
    outcome = kunit.run(site.work, build, config, LOCKED, glob, limit, what, results, site.console)
    return Run(outcome, figures.read((results / "kernel.log").read_text(encoding="utf-8", errors="replace")))


def profiled(site: run.Site, stage: Stage, config: kunit.Config, build: Path, what: str, limit: int,
             results: Path) -> Stage:
    """Run the guest that moves pages with every instruction counted, and add that to @stage; files go to @results.

    Raises Stop if nothing can be counted.
    """
    results.mkdir(parents=True, exist_ok=True)
    symbols = profile.read_symbols(build / "vmlinux")
    plugin = profile.compile_plugin(site.repo, f"qemu-system-{ARCH}", results)
    out = results / "windows.txt"
    # The plugin looks for the address that nm tells.
    watched = config._replace(qemu_args=f"{config.qemu_args} {profile.arguments(plugin, symbols, out)}",
                              kernel_args=("nokaslr",))
    outcome = kunit.run(site.work, build, watched, LOCKED, profile.CASE, limit, what, results, site.console)
    if not out.is_file():
        raise Stop(f"QEMU did not take its plugin ({outcome.died or 'it wrote nothing'}): look at {results / 'kunit.log'}")
    if outcome.tests.get(profile.CASE) != kunit.PASS:
        return stage._replace(profiled=Run(outcome, {}))
    return stage._replace(profiled=Run(outcome, {}),
                          profiles=profile.per_page(profile.read_windows(out.read_text(encoding="ascii"), symbols), CALLS))


def in_parallel(site: run.Site, stage: Stage, counted: kunit.Config, build: Path, patches: List[str], name: str,
                limit: int, results: run.Place) -> Stage:
    """Have threads move pages together, in the kernel of @build and on UML, and add that to @stage called @name."""
    place = results.stage(name)
    what = f"{run.stage_name(site, counted, name)}, {cpus()} CPUs"
    stage = stage._replace(parallel=one(site, counted._replace(qemu_args=f"-smp {cpus()}"), build, what, limit,
                                        place / "throughput", PARALLEL))
    native = native_config(site)
    if native is None:
        return stage
    what = f"{run.stage_name(site, native, name)}, {cpus()} CPUs"
    try:
        build = run.build_stage(site, native, name, patches, place / "native")
    except kunit.BuildFailed as err:
        # The rest is worth having.
        return stage._replace(trouble=[str(err).replace(str(results.temp), str(results.final))])
    shown = one(site, native, build, what, limit, place / "native", PARALLEL)
    return stage._replace(native=figures.renamed(shown, THROUGHPUT, NATIVE))


def measure(site: run.Site, request: Request, results: run.Place, found: Dict[str, Stage]) -> None:
    """Build and run all that @request asks for; what was measured goes to @found as it comes.

    Raises Stop if a kernel cannot be built.
    """
    counted, contended = configs(site.repo)
    limit = request.timeout or LIMIT
    asked = [site.series.stage(name) for name in request.stages] or site.series.stages
    stages = [stage for stage in site.series.stages if stage in asked]
    with site.held():
        for stage in stages:
            place = results.stage(stage.name)
            name = run.stage_name(site, counted, stage.name)
            build = run.build_stage(site, counted, stage.name, stage.patches, place)
            found[stage.name] = Stage([one(site, counted, build, f"{name}, {number} of {RUNS}", limit,
                                           place / f"run-{number}") for number in range(1, RUNS + 1)])
            if request.profile:
                found[stage.name] = profiled(site, found[stage.name], counted, build, f"{name}, by function", limit,
                                             place / "profile")
            if request.contention and cpus() > 1:
                found[stage.name] = in_parallel(site, found[stage.name], counted, build, stage.patches, stage.name, limit,
                                                results)
        for stage in stages if request.contention else []:
            place = results.stage(stage.name) / "contention"
            name = run.stage_name(site, contended, stage.name)
            build = run.build_stage(site, contended, stage.name, stage.patches, place)
            found[stage.name] = found[stage.name]._replace(
                contended=one(site, contended, build, name, limit, place))
        for stage in stages if request.collector else []:
            found[stage.name] = found[stage.name]._replace(
                compacted=collector.measure(site, stage, results.stage(stage.name) / "collector"))


def bench(repo: Path, request: Request, console: Console) -> int:
    """Do what @request says; the exit status.  Raises Stop if it cannot be done."""
    if request.kernel is not None:
        source.check_line(request.kernel)
    for option, path in (("--json", request.json), ("--svg", request.svg)):
        files.check_target(option, path)
    if os.environ.get("LOCKED_RMAP_ACCEL", "tcg") not in ("", "tcg"):
        raise Stop("LOCKED_RMAP_ACCEL asks for another accelerator, and QEMU counts instructions under TCG alone: unset it")
    packages.need(console, [*configs(repo)[0].packages(), *(packages.TREE if request.tree else ())])
    site = run.Site(repo, source.open_cache(), console, request.kernel, request.tree)
    for name in request.stages:
        site.series.stage(name)
    results = run.Place(repo, f"bench-{site.line}")
    found: Dict[str, Stage] = {}
    held: List[Bound] = []
    verdict: Optional[Verdict] = None
    drawn = ""
    value: Dict[str, Any] = {}
    try:
        measure(site, request, results, found)
        held = figures.bounds(found, site.line, request.contention)
        verdict = figures.judge(site.version, found, site.line, held)
        drawn = draw(site.version, found)
        if drawn:
            files.write_atomic(results.temp / "bench.svg", drawn.encode())
    except Stop as err:
        # The line may name a log: by its place after the run.
        raise Stop(str(err).replace(str(results.temp), str(results.final))) from err
    finally:
        value = summary(site, found, held, verdict)
        results.publish("bench.json", value)
    print_tables(console, found)
    if request.contention and cpus() < 2:
        console.line(console.paint("throughput not measured: threads would have to share the one CPU", "33"))
    tell(console, found, held, verdict)
    if request.json == "-":
        print(json.dumps(value, indent=1, ensure_ascii=False), flush=True)
    elif request.json is not None:
        files.write_json(Path(request.json).absolute(), value)
    if request.svg is not None and drawn:
        files.write_atomic(request.svg.absolute(), drawn.encode())
    console.line(f"{'chart: ' + run.relative(results.final / 'bench.svg') if drawn else 'no chart: no move was measured'}; "
                 f"logs: {run.relative(results.final)} (bench.json, and for each stage kernel.log and kunit.log "
                 "of every guest)")
    return verdict.status


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
    console.line(console.paint(verdict.sentence, "32" if verdict.status == HOLDS else "31;1"))


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
    _grid(console, rows, 2, [*notes, *_why_not(found, names)])


def print_throughput(console: Console, found: Stages, prefix: str, names: Sequence[str]) -> None:
    """One row for each number of threads, for each stage a column of what they move, and of how that compares to one thread."""
    rows = [[f"{PLACES[prefix]}, {cpus()} CPUs, pages a second", *(word for stage in found for word in (f"{stage}:", ""))]]
    for name in names:
        rows.append([figures.describe(name)])
        for kernel in found.values():
            value, single = kernel.value(name), kernel.value(f"{prefix}1")
            rows[-1] += ["-" if value is None else str(value), f"{value / single:.0%}" if value and single else "-"]
    _grid(console, rows, 1, ["times, and not those of hardware: Documentation/bench.rst says what they are worth",
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
    _grid(console, rows, 1, ["locks: times that it was taken for writing; waits: times that somebody had to wait for one; "
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
    _grid(console, rows, 1, ["in ms of a CPU that takes 1 ns for an instruction; CPUs take turns", *differ, *why])


def print_profile(console: Console, stage: str, profiles: Dict[str, profile.Profile]) -> None:
    """One row a function, one column for each number of pages a call."""
    rows = [[f"{stage}, instructions a page in", *(figures.calls_words(calls) for calls in profiles)]]
    rows += [[name, *(f"{value:.1f}" for value in values)] for name, values in profile.table(profiles)]
    _grid(console, rows, 1, [])


def _milliseconds(value: int) -> str:
    """@value, in ns, for people."""
    return "0" if value == 0 else "<0.1" if value < 50000 else f"{value / 1000000:.1f}"


def _why_not(found: Stages, names: Sequence[str]) -> List[str]:
    """Why some of the figures @names are missing, each reason once."""
    return list(dict.fromkeys(f"- {stage}: {figures.missing(found, stage, name)}" for name in names
                              for stage, kernel in found.items() if kernel.runs(name) and kernel.value(name) is None))


def _grid(console: Console, rows: Sequence[Sequence[str]], left: int, notes: Sequence[str]) -> None:
    """Print @rows of cells, the first @left ones of each flush left; below it @notes."""
    room = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    console.line()
    for row in rows:
        console.line("  ".join(f"{text:<{space}}" if column < left else f"{text:>{space}}"
                               for column, (text, space) in enumerate(zip(row, room))).rstrip())
    console.line()
    for text in notes:
        console.line(f"  {text}")


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


def summary(site: run.Site, found: Stages, held: Sequence[Bound], verdict: Optional[Verdict]) -> Dict[str, Any]:
    """The value of bench.json."""
    every = figures.names(found)

    def shown(kernel: Stage, prefix: str) -> Dict[str, Any]:
        return {name: {"value": kernel.value(name), "unit": figures.unit(found, name), "runs": kernel.values(name),
                       "repeats": kernel.repeats(name)}
                for name in every if kernel.values(name) and
                prefix == next((each for each in TIMED if name.startswith(each)), "")}

    def guest(one_run: Run) -> Dict[str, Any]:
        outcome = one_run.outcome
        return {"tests": outcome.tests, "skips": outcome.skips, "died": outcome.died,
                "splats": sum(1 for splat in outcome.splats if not splat.expected),
                "seconds": round(outcome.seconds, 1)}

    return {
        "kernel": site.version,
        "line": site.line,
        "arch": ARCH,
        "tools": {name: proc.output([name, "--version"]).stdout.split("\n")[0] for name in ("gcc", f"qemu-system-{ARCH}")},
        "cpus": cpus(),
        "status": verdict.status if verdict else None,
        "verdict": verdict.sentence if verdict else None,
        "wrong": figures.shortcomings(found, held),
        "bounds": [{"figure": bound.figure, "stage": bound.stage, "must_be": bound.words, "value": bound.value,
                    "limit": bound.limit, "holds": bound.holds, "why": bound.why} for bound in held],
        "stages": {
            stage: {
                "figures": shown(kernel, ""),
                "throughput": shown(kernel, THROUGHPUT),
                "native": shown(kernel, NATIVE),
                "contention": shown(kernel, CONTENTION),
                "collector": {count: {"figures": {name: {"value": value, "unit": collector.UNITS[name.split(".")[-1]],
                                                         "again": outcome.again.get(name)}
                                                  for name, value in outcome.figures.items()},
                                      "wrong": outcome.wrong, "skipped": outcome.skipped,
                                      "seconds": round(outcome.seconds, 1)}
                              for count, outcome in kernel.compacted.items()},
                "profiles": {calls: {name: round(value, 3) for name, value in sorted(by.items(), key=lambda pair: -pair[1])}
                             for calls, by in kernel.profiles.items()},
                "guests": {name: guest(each) for name, each in kernel.guests().items()},
            } for stage, kernel in found.items()
        },
    }
