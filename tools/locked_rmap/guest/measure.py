# SPDX-License-Identifier: GPL-2.0-only
"""Measures what moves cost: guests that count instructions, and others that show who waits."""

import os
import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

from ..base.errors import Stop
from ..base.results import PASS, Outcome, Results
from ..kernel import series
from ..kernel.line import Line
from ..kernel.series import LOCKED
from . import build, collector, figures, kunit, profile
from .build import Config, called
from .figures import CONTENTION, NATIVE, THROUGHPUT, Stage

ARCH = "x86_64"
SUITE = "userfaultfd_move_bench"
#: One CPU, which takes a nanosecond of its clock for each instruction, and none to sleep.
COUNTED = "-smp 1 -icount shift=0,sleep=off"
#: The test that says how many pages threads move together, and the most threads that it has.
PARALLEL = f"{SUITE}.throughput_of_threads"
THREADS = 8
#: How often the guest that counts is run, and seconds that a guest may take.
RUNS, LIMIT = 2, 600
#: Pages a call.
CALLS = ("1", "16", "512")


class Wanted(NamedTuple):
    """What is to be measured."""

    contention: bool = True
    collector: bool = True
    profile: bool = False
    #: Seconds that a guest may take.
    limit: int = LIMIT


def configs(repo: Path) -> List[Config]:
    """The kernels of a stage: the one that counts, and the one that has lock statistics."""
    base = build.config_for(repo, ARCH)
    parts = tuple(repo / "tools" / "configs" / f"{name}.config" for name in ("bench", "contention"))
    return [base._replace(instead=parts[:1], qemu_args=COUNTED), base._replace(instead=parts)]


def cpus() -> int:
    """How many CPUs a guest has whose threads run at a time, each on one of the machine's."""
    return min(THREADS, len(os.sched_getaffinity(0)))


def native_config(line: Line) -> Optional[Config]:
    """UML with several CPUs; None if this kernel's has but one."""
    options = line.work.pristine / "arch" / "um" / "Kconfig"
    if not options.is_file() or not re.search(
            r"^config SMP$", options.read_text(encoding="utf-8", errors="replace"), re.M):
        return None
    # It has them only where its user processes are watched with seccomp.
    return build.config_for(line.repo, "um")._replace(
        instead=(line.repo / "tools" / "configs" / "native.config",),
        kernel_args=(f"ncpus={cpus()}", "seccomp=on"))


def measure(line: Line, stages: Sequence[series.Stage], wanted: Wanted,
            results: Results) -> Dict[str, Stage]:
    """Build and run all that is @wanted; the guests go to @results as they come.

    Raises Stop if a kernel cannot be built.
    """
    found: Dict[str, Stage] = {}
    counted, contended = configs(line.repo)
    with line.held():
        for stage in stages:
            here = _Guests(line, stage, results, wanted.limit)
            where = here.build(counted)
            for number in range(1, RUNS + 1):
                here.run(counted, where, f"run-{number}", f", {number} of {RUNS}")
            profiles = here.profiled(counted, where) if wanted.profile else {}
            trouble = here.parallel(counted, where) if wanted.contention and cpus() > 1 else []
            found[stage.name] = Stage(results.outcomes[stage.name], profiles, {}, trouble)
        for stage in stages if wanted.contention else []:
            here = _Guests(line, stage, results, wanted.limit)
            here.run(contended, here.build(contended, CONTENTION), CONTENTION)
        for stage in stages if wanted.collector else []:
            found[stage.name] = found[stage.name]._replace(compacted=collector.measure(
                line, stage, results.place(stage.name, "collector")))
    return found


class _Guests(NamedTuple):
    """The guests of @stage."""

    line: Line
    stage: series.Stage
    results: Results
    limit: int

    def build(self, config: Config, *place: str) -> Path:
        """Build a kernel; its log goes to @place among the stage's files."""
        return build.build_stage(self.line, config, self.stage,
                                 self.results.place(self.stage.name, *place))

    def run(self, config: Config, where: Path, guest: str, what: str = "",
            glob: str = "") -> Outcome:
        """Run the tests that @glob names in the kernel of @where, as @guest."""
        place = self.results.place(self.stage.name, guest)
        outcome = kunit.run(self.line, where, config, LOCKED, glob, self.limit,
                            called(self.line, config, self.stage) + what, place, self.line.console)
        text = (place / "kernel.log").read_text(encoding="utf-8", errors="replace")
        outcome = outcome._replace(figures=figures.read(text, guest))
        self.results.put(self.stage.name, outcome, guest)
        return outcome

    def profiled(self, config: Config, where: Path) -> Dict[str, profile.Profile]:
        """Move pages with every instruction counted; Stop if nothing can be counted."""
        place = self.results.place(self.stage.name, "profile")
        symbols = profile.read_symbols(where / "vmlinux")
        plugin = profile.compile_plugin(self.line.repo, f"qemu-system-{ARCH}", place)
        out = place / "windows.txt"
        options = f"{config.qemu_args} {profile.arguments(plugin, symbols, out)}"
        # The plugin looks for the address that nm tells.
        outcome = self.run(config._replace(qemu_args=options, kernel_args=("nokaslr",)), where,
                           "profile", ", by function", profile.CASE)
        if not out.is_file():
            raise Stop(f"QEMU did not take its plugin ({outcome.died or 'it wrote nothing'}): "
                       f"look at {place / 'kunit.log'}")
        if outcome.tests.get(profile.CASE) != PASS:
            return {}
        windows = profile.read_windows(out.read_text(encoding="ascii"), symbols)
        return profile.per_page(windows, CALLS)

    def parallel(self, config: Config, where: Path) -> List[str]:
        """Have threads move pages together, on QEMU and on UML; what went wrong."""
        what = f", {cpus()} CPUs"
        self.run(config._replace(qemu_args=f"-smp {cpus()}"), where, THROUGHPUT, what, PARALLEL)
        native = native_config(self.line)
        if native is None:
            return []
        try:
            where = self.build(native, NATIVE)
        except build.BuildFailed as err:
            # The rest is worth having.
            return [str(err).replace(str(self.results.temp), str(self.results.final))]
        self.run(native, where, NATIVE, what, PARALLEL)
        return []
