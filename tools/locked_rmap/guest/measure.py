# SPDX-License-Identifier: GPL-2.0-only
"""Measures what moves cost: guests that count instructions, and others that show who waits."""

import os
import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

from ..base.errors import Stop
from ..base.results import PASS, Results
from ..kernel import series
from ..kernel.line import Line
from ..kernel.series import LOCKED
from . import build, collector, figures, kunit, profile
from .figures import NATIVE, THROUGHPUT, Run, Stage

ARCH = "x86_64"
SUITE = "userfaultfd_move_bench"
#: One CPU, which takes a nanosecond of its clock for each instruction, and none to sleep.
COUNTED = "-smp 1 -icount shift=0,sleep=off"
#: The test that says how many pages threads move together, and the most threads that it has.
PARALLEL = f"{SUITE}.throughput_of_threads"
THREADS = 8
#: How often the guest that counts is run.
RUNS = 2
#: Seconds that a guest may take.
LIMIT = 600
#: Pages a call, as the chart has them, and what is shown there beside the moves.
CALLS = ("1", "16", "512")


def configs(repo: Path) -> List[build.Config]:
    """The kernels of a stage: the one that counts, and the one that has lock statistics."""
    base = build.config_for(repo, ARCH, False)
    fragments = [repo / "tools" / "configs" / f"{name}.config" for name in ("bench", "contention")]
    return [base._replace(instead=tuple(fragments[:1]), qemu_args=COUNTED), base._replace(instead=tuple(fragments))]


def cpus() -> int:
    """How many CPUs a guest has whose threads are to run at a time: QEMU, and UML too, run each on one of the machine's."""
    return min(THREADS, len(os.sched_getaffinity(0)))


def native_config(line: Line) -> Optional[build.Config]:
    """UML with several CPUs; None if this kernel's has but one."""
    options = line.work.pristine / "arch" / "um" / "Kconfig"
    if not (options.is_file() and re.search(r"^config SMP$", options.read_text(encoding="utf-8", errors="replace"), re.M)):
        return None
    base = build.config_for(line.repo, "um", False)
    # It has them only where its user processes are watched with seccomp.
    return base._replace(instead=(line.repo / "tools" / "configs" / "native.config",),
                         kernel_args=(f"ncpus={cpus()}", "seccomp=on"))


def one(line: Line, config: build.Config, where: Path, what: str, limit: int, results: Path,
        glob: str = "") -> Run:
    """Run a guest once, with the tests that @glob names; its files go to @results."""
    results.mkdir(parents=True, exist_ok=True)
    outcome = kunit.run(line, where, config, LOCKED, glob, limit, what, results, line.console)
    return Run(outcome, figures.read((results / "kernel.log").read_text(encoding="utf-8", errors="replace")))



class Wanted(NamedTuple):
    """What is to be measured."""

    contention: bool = True
    collector: bool = True
    profile: bool = False
    #: Seconds that a guest may take.
    limit: int = LIMIT


def profiled(line: Line, stage: Stage, config: build.Config, where: Path, what: str, limit: int,
             results: Path) -> Stage:
    """Run the guest that moves pages with every instruction counted, and add that to @stage.

    Its files go to @results.  Raises Stop if nothing can be counted.
    """
    symbols = profile.read_symbols(where / "vmlinux")
    plugin = profile.compile_plugin(line.repo, f"qemu-system-{ARCH}", results)
    out = results / "windows.txt"
    arguments = profile.arguments(plugin, symbols, out)
    # The plugin looks for the address that nm tells.
    watched = config._replace(qemu_args=f"{config.qemu_args} {arguments}", kernel_args=("nokaslr",))
    outcome = kunit.run(line, where, watched, LOCKED, profile.CASE, limit, what, results, line.console)
    if not out.is_file():
        raise Stop(f"QEMU did not take its plugin ({outcome.died or 'it wrote nothing'}): "
                   f"look at {results / 'kunit.log'}")
    if outcome.tests.get(profile.CASE) != PASS:
        return stage._replace(profiled=Run(outcome, {}))
    windows = profile.read_windows(out.read_text(encoding="ascii"), symbols)
    return stage._replace(profiled=Run(outcome, {}), profiles=profile.per_page(windows, CALLS))


def in_parallel(line: Line, found: Stage, counted: build.Config, where: Path, stage: series.Stage,
                limit: int, results: Results) -> Stage:
    """Have threads move pages together, in the kernel of @where and on UML, and add that to @found."""
    what = f"{build.called(line, counted, stage)}, {cpus()} CPUs"
    found = found._replace(parallel=one(line, counted._replace(qemu_args=f"-smp {cpus()}"), where, what, limit,
                                        results.place(stage.name, "throughput"), PARALLEL))
    native = native_config(line)
    if native is None:
        return found
    place = results.place(stage.name, "native")
    try:
        where = build.build_stage(line, native, stage, place)
    except build.BuildFailed as err:
        # The rest is worth having.
        return found._replace(trouble=[str(err).replace(str(results.temp), str(results.final))])
    shown = one(line, native, where, f"{build.called(line, native, stage)}, {cpus()} CPUs", limit, place, PARALLEL)
    return found._replace(native=figures.renamed(shown, THROUGHPUT, NATIVE))


def measure(line: Line, stages: Sequence[series.Stage], wanted: Wanted, results: Results) -> Dict[str, Stage]:
    """Build and run all that is @wanted; the guests go to @results as they come.

    Raises Stop if a kernel cannot be built.
    """
    found: Dict[str, Stage] = {}
    counted, contended = configs(line.repo)
    with line.held():
        for stage in stages:
            name = build.called(line, counted, stage)
            where = build.build_stage(line, counted, stage, results.place(stage.name))
            found[stage.name] = Stage([one(line, counted, where, f"{name}, {number} of {RUNS}", wanted.limit,
                                           results.place(stage.name, f"run-{number}"))
                                       for number in range(1, RUNS + 1)])
            if wanted.profile:
                found[stage.name] = profiled(line, found[stage.name], counted, where, f"{name}, by function",
                                             wanted.limit, results.place(stage.name, "profile"))
            if wanted.contention and cpus() > 1:
                found[stage.name] = in_parallel(line, found[stage.name], counted, where, stage, wanted.limit,
                                                results)
            _put(results, stage.name, found[stage.name])
        for stage in stages if wanted.contention else []:
            place = results.place(stage.name, "contention")
            where = build.build_stage(line, contended, stage, place)
            found[stage.name] = found[stage.name]._replace(contended=one(
                line, contended, where, build.called(line, contended, stage), wanted.limit, place))
            _put(results, stage.name, found[stage.name])
        for stage in stages if wanted.collector else []:
            found[stage.name] = found[stage.name]._replace(
                compacted=collector.measure(line, stage, results.place(stage.name, "collector")))
    return found


def _put(results: Results, stage: str, found: Stage) -> None:
    for name, run in found.guests().items():
        results.put(stage, run.outcome, name)
