# SPDX-License-Identifier: GPL-2.0-only
"""The collector: a program that compacts a heap, in a guest, by UFFDIO_MOVE and by UFFDIO_COPY.

tools/guest/collector.c says what it does and what its figures are.  The guest's first
process is that of the selftests.
"""

import re
import tempfile
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..base import files
from . import cpio, klog, qemu, selflog
from ..kernel import series
from ..verbs import run, selftests
from ..base.console import Console
from ..base.errors import one_line
from .kunit import PASS, SKIP
from .selflog import Job

#: The configuration of the guest's kernel, in tools/configs.
CONFIG = "collector"
PROGRAM = "collector"
MODES = ("move", "copy")
#: For each number of CPUs, how many threads compact, in one run of the program each.
CPUS = {1: (1,), 2: (1, 2)}
#: How often such a guest is run. What several CPUs come to repeats in the order of magnitude alone.
RUNS = {1: 2, 2: 1}
#: What the program is told: pages of the heap, threads that use it, times over, and which heap.
MUTATORS, PAGES, ROUNDS, SEED = 2, 16384, 15, 1
#: Seconds that a round may take, and a run of the program: of the guest's clock, and less than the host takes for it.
ROUND_LIMIT, LIMIT = 20, 400
#: The guest's memory in MiB: it holds the heap twice, whatever the mode.
MEMORY = 512
#: The clock must be finer than a timer's tick.
CLOCK = "tsc=reliable"
#: CPUs take turns, and each instruction of any takes a nanosecond: with the
#: host's clock a busy host would be measured, and the kernel often cannot calibrate the TSC.
COUNTED = ("-icount", "shift=0,sleep=off")
#: The figures of a run, and their units.
UNITS = {"completion": "ns", "cpu": "ns", "stall": "ns", "wait": "ns", "faults": "count", "served": "count",
         "minflt": "count", "longest": "ns", "retries": "count", "fallbacks": "count"}

_FIGURE = re.compile(r"figure (collector\.(?:move|copy)\.\d+\.[a-z]+) (\d+) (ns|count)$", re.M)
_NO_MOVE = "this kernel has no UFFDIO_MOVE"


class Outcome(NamedTuple):
    """What the collector came to on a kernel.

    @figures: values in the unit that UNITS has for the last part of the name; a
    nanosecond is an instruction.
    @wrong: what must not be, a line each, empty if everything held.  @skipped: why
    there is no figure of a mode, by mode.  @seconds: how long the guest ran.
    @again: the figures of its second run, if there was one.
    """

    figures: Dict[str, int]
    wrong: List[str]
    skipped: Dict[str, str]
    splats: List[klog.Splat]
    seconds: float
    again: Dict[str, int] = {}

    def value(self, mode: str, workers: int, name: str) -> Optional[int]:
        """The figure @name of a run; None if there is none."""
        return self.figures.get(figure(mode, workers, name))

    def ratio(self, workers: int, name: str) -> Optional[float]:
        """The figure @name with UFFDIO_MOVE, as a part of that with UFFDIO_COPY; None if one is missing."""
        move, copy = (self.value(mode, workers, name) for mode in MODES)
        return move / copy if move is not None and copy else None


def figure(mode: str, workers: int, name: str) -> str:
    """What a figure is called."""
    return f"collector.{mode}.{workers}.{name}"


def plan(workers: Sequence[int]) -> Dict[Job, Tuple[str, int]]:
    """The runs of the program, and the mode and the number of workers of each."""
    return {Job(f"{mode}-{number}", LIMIT,
                (f"/{PROGRAM}", f"--mode={mode}", f"--workers={number}", f"--mutators={MUTATORS}", f"--pages={PAGES}",
                 f"--rounds={ROUNDS}", f"--seed={SEED}", f"--limit={ROUND_LIMIT}"), PROGRAM, f"{mode}-{number}"):
            (mode, number) for number in workers for mode in MODES}


def read(text: str, hung: str, jobs: Dict[Job, Tuple[str, int]], seconds: float) -> Outcome:
    """What a guest whose console said @text came to; @hung: how it did, if it did."""
    told = selflog.read(text, hung)
    found: Dict[str, int] = {}
    wrong: List[str] = []
    skipped: Dict[str, str] = {}
    if told.complaint:
        wrong.append(f"the guest cannot {one_line(told.complaint, 160)}")
    for job, (mode, number) in jobs.items():
        if job.name not in told.ran:
            continue
        ran = told.ran[job.name]
        case = selflog.cases(job, ran)[(job.test, job.memory)]
        if case.status == SKIP and mode == "move" and _NO_MOVE in case.note:
            skipped[mode] = _NO_MOVE
            continue
        if case.status != PASS:
            wrong.append(f"{words(mode, number)}: {case.note}")
            continue
        for name, value, unit in _FIGURE.findall(ran.output):
            if name.startswith(figure(mode, number, "")) and UNITS.get(name.split(".")[-1]) == unit:
                found[name] = int(value)
        missing = [name for name in UNITS if figure(mode, number, name) not in found]
        if missing:
            wrong.append(f"{words(mode, number)}: no figure {', '.join(missing)}")
    left = [words(*what) for job, what in jobs.items() if job.name not in told.ran]
    if told.died and not told.complaint:
        wrong.append(f"the guest died: {told.died}")
    if left:
        wrong.append(f"not run: {'; '.join(left)}")
    splats = [splat for splat in klog.splats(text) if not splat.expected]
    # A panic has been told of.
    wrong += [f"the kernel says: {splat.title}" for splat in splats if splat.title not in told.died]
    return Outcome(found, wrong, skipped, splats, seconds)


def words(mode: str, workers: int) -> str:
    """A run, in words."""
    return f"UFFDIO_{mode.upper()}, {workers} worker{'s' if workers > 1 else ''}"


def file_system(repo: Path, jobs: Sequence[Job], log: Path, console: Console) -> bytes:
    """What the guest's kernel is to unpack; the output of the compiler goes to @log."""
    sources = repo / "tools" / "guest"
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        contents = {name: qemu.program(sources / f"{source}.c", Path(temp), log, console)
                    for name, source in (("init", "init"), (PROGRAM, PROGRAM))}
    contents["plan"] = "".join(f"{job.line}\n" for job in jobs).encode()
    return cpio.archive(("dev", "proc", "sys", "tmp"), contents)


def run_guest(repo: Path, kernel: Path, what: str, results: Path, console: Console,
              cpus: int) -> Outcome:
    """Run the program in a guest with the image @kernel and so many @cpus of CPUS; files go to @results.

    @what is the kernel's name for people.  Never raises for what the guest does;
    Stop if the program cannot be built or QEMU fails.
    """
    results.mkdir(parents=True, exist_ok=True)
    jobs = plan(CPUS[cpus])
    log = results / "kernel.log"
    files.remove_tree(log)
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        archive = Path(temp) / "initramfs"
        archive.write_bytes(file_system(repo, list(jobs), results / "programs.log", console))
        console.begin(f"compacting a heap on {what}, {cpus} CPU{'s' if cpus > 1 else ''}")
        started = time.monotonic()
        limit = sum(job.seconds for job in jobs) + selftests.BOOT
        hung = qemu.run(qemu.qemu(kernel, archive, log, MEMORY, ["norandmaps", "maxcpus=1"], CLOCK, COUNTED, cpus),
                         log, results / "qemu.log", limit, console, console.tick)
        seconds = time.monotonic() - started
    text = qemu.text_of(log)
    files.write_atomic(log, text.encode())
    found = read(text, hung, jobs, seconds)
    count = len(found.figures)
    console.end(f"{count} figures" + (f", {found.wrong[0]}" if found.wrong else ""))
    return found


def measure(site: run.Site, stage: series.Stage, results: Path) -> Dict[int, Outcome]:
    """Build the kernel of @stage and run the program in it, as run_guest() does, by CPUs; files go to @results.

    Call it with the site held.  Raises Stop if something cannot be built.
    """
    results.mkdir(parents=True, exist_ok=True)
    kernel = selftests.build_kernel(site, stage, results / "build.log", CONFIG)
    found: Dict[int, Outcome] = {}
    for cpus in CPUS:
        runs = [run_guest(site.repo, kernel, f"{site.version} {stage.name}", results / f"cpus-{cpus}-run-{number}",
                          site.console, cpus) for number in range(1, RUNS[cpus] + 1)]
        found[cpus] = runs[0]
        for other in runs[1:]:
            found[cpus] = found[cpus]._replace(wrong=[*found[cpus].wrong, *other.wrong], again=other.figures,
                                               seconds=found[cpus].seconds + other.seconds)
    return found
