# SPDX-License-Identifier: GPL-2.0-only
"""Runs the kernel's own user-space tests of userfaultfd, stock beside patched.

The programs are those of the default line, whatever line they run on.  They are linked
statically and put, with a first process of ours, into a small file system in
memory; QEMU runs that with the kernel of each stage.
"""

import argparse
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..base import files, proc
from ..base.console import Console
from ..base.errors import Stop, one_line
from ..base.options import Tool, kernel, stages
from ..base.results import Results, Splat, Verdict, relative
from ..guest import build, cpio, klog, qemu, selflog
from ..guest.selflog import BOOT, Case, Job, Name, Outcome
from ..kernel import packages, source
from ..kernel.line import Line, default
from ..kernel.series import STOCK
from ..report.text import grid


UNIT, STRESS = "uffd-unit-tests", "uffd-stress"
ARCH = "x86_64"
#: The configuration of the guest's kernel, in tools/configs.
CONFIG = "selftests"
#: What the programs are built from, relative to the kernel tree.
SOURCES = ("tools/testing/selftests", "tools/include", "mm/gup_test.h")

#: Seconds that one test of the one program, and one run of the other, may take:
#: ten times what they do on an idle machine of today.
UNIT_LIMIT, STRESS_LIMIT = 300, 300
#: What uffd-stress runs on: memory type, MiB, bounces.  The bits of a bounce's
#: number choose its mode, so 16 of them are every mode once.
STRESSES = (("anon", 4, 16), ("shmem", 4, 16), ("shmem-private", 4, 16),
            ("hugetlb", 32, 16), ("hugetlb-private", 32, 16))
#: The guest's memory in MiB, and how many huge pages of 2 MiB it sets aside.
MEMORY, HUGEPAGES = 1024, 128
#: Seconds to wait for another run that builds the programs.
PATIENCE = 900.0


class Programs(NamedTuple):
    """The built programs: where they lie, and of which kernel version they are."""

    place: Path
    version: str

    def tests(self) -> List[str]:
        """The names of the unit tests; listing them needs no kernel support."""
        answer = proc.output([str(self.place / UNIT), "-l"])
        names = answer.stdout.split()
        if answer.returncode != 0 or not names:
            raise Stop(f"{UNIT} of Linux {self.version} does not list its tests "
                       f"(status {answer.returncode}): has its option -l gone?")
        return names

    def file_system(self, init: bytes, jobs: Sequence[Job]) -> bytes:
        """What the guest's kernel is to unpack: @init starts the programs as @jobs says."""
        contents = {"init": init, **{name: (self.place / name).read_bytes() for name in (UNIT, STRESS)}}
        contents["plan"] = "".join(f"{job.line}\n" for job in jobs).encode()
        return cpio.archive(("dev", "proc", "sys", "tmp"), contents)


def plan(tests: Sequence[str]) -> List[Job]:
    """The jobs that run each of the unit tests @tests by itself, and uffd-stress.

    A name given to the program's -f chooses every test that has it as a part: a
    run ends where the next test of these begins.
    """
    jobs = [Job("api", UNIT_LIMIT, (f"/{UNIT}",), "UFFDIO_API", stop_at=f"Testing {tests[0]} on ")]
    for number, name in enumerate(tests):
        following = [other for other in tests[number + 1:] if name in other]
        jobs.append(Job(name, UNIT_LIMIT, (f"/{UNIT}", "-f", name), name,
                        stop_at=f"Testing {following[0]} on " if following else ""))
    for memory, size, bounces in STRESSES:
        jobs.append(Job(f"stress-{memory}", STRESS_LIMIT,
                        (f"/{STRESS}", memory, str(size), str(bounces)), STRESS, memory))
    return jobs


def programs(cache: Path, pristine: Path, log: Path, console: Console) -> Programs:
    """The programs of the tree @pristine, built if need be with the output in @log.

    The tree is only read.  Raises Stop if they do not build.
    """
    version = source.tree_version(pristine)
    base = cache / "selftests"
    place = base / version
    compiler = proc.output(["gcc", "--version"]).stdout
    with files.locked(cache / "selftests.lock", "the selftests' programs", console, PATIENCE):
        if files.read_json(place / "compiler.json") == compiler:
            console.line(f"building the selftests of {version}: up to date")
            return Programs(place, version)
        # Also what an interrupted run and older point releases left.
        files.remove_tree(base)
        work = base / "new"
        work.mkdir(parents=True)
        console.begin(f"building the selftests of {version}")
        _build(pristine, work, log, console)
        files.write_json(work / "out" / "compiler.json", compiler)
        os.replace(work / "out", place)
        files.remove_tree(work)
        console.end()
    return Programs(place, version)


def _do(argv: Sequence[str], work: Path, log: Path, console: Console) -> None:
    """Run a step of a build in @work; Stop if it fails."""
    status = proc.run(argv, log, cwd=work, limit=build.BUILD_LIMIT, tick=console.tick)
    if status != 0:
        console.drop()
        raise build.why_not_built("what runs in the guest", log, status, work)


def _build(pristine: Path, work: Path, log: Path, console: Console) -> None:
    """Build the programs into @work/out."""
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    tree, out, headers = work / "tree", work / "out", work / "headers"
    out.mkdir()
    headers.mkdir()
    # The kernel's own makefile writes into its directory: a copy.
    for name in SOURCES:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        _do(["cp", "-a", str(pristine / name), str(tree / name)], work, log, console)
    _do(["make", "-C", str(pristine), f"O={headers}", f"ARCH={ARCH}", jobs, "headers"], work, log, console)
    _do(["make", "-C", str(tree / "tools/testing/selftests/mm"), jobs, f"OUTPUT={out}", f"ARCH={ARCH}",
         f"KHDR_INCLUDES=-isystem {headers / 'usr/include'}", "EXTRA_CFLAGS=", "USERCFLAGS=",
         "USERLDFLAGS=-static", str(out / UNIT), str(out / STRESS)], work, log, console)


def command(kernel: Path, file_system: Path, log: Path, skip: int) -> List[str]:
    """The command that runs a guest from job @skip on."""
    return qemu.qemu(kernel, file_system, log, MEMORY,
                      ["norandmaps", f"selftests_skip={skip}", f"selftests_hugepages={HUGEPAGES}"])


class Runner:
    """Runs guests of one kernel until every job has had its chance."""

    def __init__(self, kernel: Path, jobs: Sequence[Job], what: str, results: Path, console: Console) -> None:
        self.kernel = kernel
        self.jobs = list(jobs)
        self.what = what
        self.results = results
        self.console = console

    def run(self, file_system: Path) -> Outcome:
        """Run the plan in @file_system; a guest that dies in a job is followed by one for the rest.

        Raises Stop if a guest does not start at all.
        """
        started = time.monotonic()
        cases: Dict[Name, Case] = {}
        died: List[str] = []
        skip = guests = 0
        text = ""
        self.console.begin(f"running the selftests on {self.what}")
        while skip < len(self.jobs):
            guests += 1
            log = self.results / "console.log"
            hung = self._guest(file_system, log, skip)
            told = log.read_text(encoding="utf-8", errors="replace")
            text += qemu.text_of(log)
            os.unlink(log)
            files.write_atomic(self.results / "kernel.log", text.encode())
            found = selflog.read(told, hung)
            if found.complaint:
                self.console.drop()
                raise Stop(f"the guest cannot {one_line(found.complaint, 160)}: see {self.results / 'kernel.log'}")
            done = [job for job in self.jobs[skip:] if job.name in found.ran]
            for job in done:
                cases.update(selflog.cases(job, found.ran[job.name]))
            if found.died:
                died.append(found.died)
            if not done:
                break
            skip = max(self.jobs.index(job) for job in done) + 1
        seconds = time.monotonic() - started
        self.console.end(f"{len(cases)} tests" + (f", {guests} guests" if guests > 1 else ""))
        return Outcome(cases, [splat for splat in klog.splats(text) if not splat.expected], died, seconds)

    def _guest(self, file_system: Path, log: Path, skip: int) -> str:
        """Run one guest from job @skip on; how it hung, empty if it ended by itself."""
        limit = sum(job.seconds for job in self.jobs[skip:]) + BOOT
        return qemu.run(command(self.kernel, file_system, log, skip), log, self.results / "qemu.log", limit,
                         self.console, lambda: self._tick(log))

    def _tick(self, log: Path) -> None:
        if self.console.wants_tick():
            marks = re.findall(r"selftests: begin (\S+)", log.read_text(encoding="utf-8", errors="replace"))
            self.console.tick(marks[-1] if marks else "booting")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    kernel(parser)
    stages(parser, "stock and the last")


def main(args: argparse.Namespace, tool: Tool) -> int:
    """Do what @args says; the exit status.  Raises Stop if it cannot be done."""
    console, repo = tool.console, tool.repo
    if args.kernel is not None:
        source.check_line(args.kernel)
    packages.need(console, [*packages.BUILD, *packages.ARCH[ARCH]])
    machine = proc.output(["gcc", "-dumpmachine"]).stdout.strip()
    if not machine.startswith("x86_64"):
        raise Stop(f"the selftests run on {ARCH} guests only, and gcc here builds for {machine}: "
                   "use another machine")
    cache = source.open_cache()
    line = Line(repo, cache, console, args.kernel, None)
    chosen = line.series.chosen(args.stages, [STOCK, line.series.stages[-1].name])
    outcomes: Dict[str, Outcome] = {}
    with Results(repo, f"selftests-{line.name}", kernel=line.version, line=line.name, arch=ARCH) as results:
        theirs = default(repo)
        pristine = line.work.pristine if line.name == theirs else \
            source.Store(cache, console).pristine(theirs)
        log = results.temp / "programs.log"
        built = programs(cache, pristine, log, console)
        results.facts["programs"] = built.version
        jobs = plan(built.tests())
        with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
            file_system = Path(temp) / "initramfs"
            init = qemu.program(repo / "tools" / "guest" / "init.c", Path(temp), log, console)
            file_system.write_bytes(built.file_system(init, jobs))
            with line.held():
                for stage in chosen:
                    place = results.place(stage.name)
                    image = build.build_small(line, stage, place / "build.log", CONFIG)
                    outcomes[stage.name] = Runner(image, jobs, f"{line.version} {stage.name}",
                                                  place, console).run(file_system)
                    results.put(stage.name, outcomes[stage.name])
        results.verdict = selflog.judge(outcomes)
    print_table(console, outcomes, jobs)
    console.line(console.paint(results.verdict.sentence, results.verdict.colour))
    console.line(f"logs: {relative(results.final)} (summary.json, and for each stage kernel.log and build.log)")
    return results.verdict.status


def print_table(console: Console, outcomes: Dict[str, Outcome], jobs: Sequence[Job]) -> None:
    """One row a test and memory type, one column a stage; then what did not pass, and splats, in words."""
    names = selflog.order(outcomes, jobs)
    rows: List[Tuple[str, ...]] = [("test", "memory", *outcomes)]
    rows += [(*name, *(selflog.WORD[outcome.cases[name].status] if name in outcome.cases else "-"
                       for outcome in outcomes.values())) for name in names]
    grid(console, rows, len(rows[0]), selflog.notes(outcomes, names))
    for stage, outcome in outcomes.items():
        if outcome.splats:
            console.line(f"splats on {stage}:")
            same: Dict[str, List[Splat]] = {}
            for splat in outcome.splats:
                same.setdefault(selflog.gist(splat), []).append(splat)
            for first, *others in same.values():
                more = f" (and {len(others)} more like it)" if others else ""
                console.line(f"  kernel.log:{first.number}: {first.title}{more}")
