# SPDX-License-Identifier: GPL-2.0-only
"""Runs the kernel's own user-space tests of userfaultfd, stock beside patched.

The programs are those of the default line, whatever line they run on.  They are linked
statically and put, with a first process of ours, into a small file system in
memory; QEMU runs that with the kernel of each stage.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Sequence, Tuple

from ..base import files, proc
from ..base.console import Console
from ..base.errors import Stop, one_line
from ..base.options import Tool, kernel, stages
from ..base.results import PASS, Outcome, Results, Splat, relative
from ..guest import build, klog, qemu, selflog
from ..guest.selflog import Case, Job
from ..kernel import packages, source
from ..kernel.line import Line, default
from ..kernel.series import STOCK
from ..report.text import CELL, grid

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
MACHINE = qemu.Machine(1024, ("norandmaps", "sysctl.vm.nr_hugepages=128",
                              "sysctl.vm.unprivileged_userfaultfd=1"))
SETUP = ("swap\t/dev/ram0",)
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

    def contents(self) -> Dict[str, bytes]:
        """The programs, for a guest."""
        return {name: (self.place / name).read_bytes() for name in (UNIT, STRESS)}


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


def _build(pristine: Path, work: Path, log: Path, console: Console) -> None:
    """Build the programs into @work/out."""
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    tree, out, headers = work / "tree", work / "out", work / "headers"
    out.mkdir()
    headers.mkdir()
    # The kernel's own makefile writes into its directory: a copy.
    for name in SOURCES:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        qemu.make(["cp", "-a", str(pristine / name), str(tree / name)], work, log, console)
    qemu.make(["make", "-C", str(pristine), f"O={headers}", f"ARCH={ARCH}", jobs, "headers"],
              work, log, console)
    qemu.make(["make", "-C", str(tree / "tools/testing/selftests/mm"), jobs, f"OUTPUT={out}",
               f"ARCH={ARCH}", f"KHDR_INCLUDES=-isystem {headers / 'usr/include'}",
               "EXTRA_CFLAGS=", "USERCFLAGS=", "USERLDFLAGS=-static", str(out / UNIT),
               str(out / STRESS)], work, log, console)


def run(kernel_: Path, contents: Mapping[str, bytes], jobs: Sequence[Job], what: str,
        results: Path, console: Console) -> Outcome:
    """Run @jobs in a guest; if it dies in one, another goes on with those after it.

    Raises Stop if a guest does not start at all.
    """
    started = time.monotonic()
    cases: Dict[str, Case] = {}
    died: List[str] = []
    guests = 0
    left = list(jobs)
    console.begin(f"running the selftests on {what}")
    while left:
        guests += 1
        told = qemu.boot(kernel_, contents, [*SETUP, *(job.line for job in left)], MACHINE,
                         sum(job.seconds for job in left) + qemu.BOOT, results, console)
        if told.complaint:
            console.drop()
            raise Stop(f"the guest cannot {one_line(told.complaint, 160)}: "
                       f"see {results / 'kernel.log'}")
        ran = told.ran
        done = [job for job in left if job.name in ran]
        for job in done:
            cases.update(selflog.cases(job, ran[job.name]))
        died += [told.died] if told.died else []
        left = left[left.index(done[-1]) + 1:] if done else []
    console.end(f"{len(cases)} tests" + (f", {guests} guests" if guests > 1 else ""))
    text = (results / "kernel.log").read_text(encoding="utf-8")
    return selflog.outcome(cases, klog.splats(text), time.monotonic() - started, died)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    kernel(parser)
    stages(parser, "stock and the last one")


def main(args: argparse.Namespace, tool: Tool) -> int:
    """Do what @args says; the exit status.  Raises Stop if it cannot be done."""
    console, repo = tool.console, tool.repo
    if args.kernel is not None:
        source.check_line(args.kernel)
    packages.need(console, [*packages.BUILD, *packages.ARCH[ARCH]])
    machine = proc.output(["gcc", "-dumpmachine"]).stdout.strip()
    if not machine.startswith("x86_64"):
        raise Stop(f"the selftests need {ARCH} guests, but gcc here builds for {machine}: "
                   "use another machine")
    cache = source.open_cache()
    line = Line(repo, cache, console, args.kernel, None)
    chosen = line.series.chosen(args.stages, [STOCK, line.series.stages[-1].name])
    with Results(repo, f"selftests-{line.name}", kernel=line.version, line=line.name,
                 arch=ARCH) as results:
        theirs = default(repo)
        pristine = line.work.pristine if line.name == theirs else \
            source.Store(cache, console).pristine(theirs)
        log = results.temp / "programs.log"
        built = programs(cache, pristine, log, console)
        results.facts["programs"] = built.version
        jobs = plan(built.tests())
        contents = {**built.contents(), **qemu.programs(repo, ["init"], log, console)}
        with line.held():
            for stage in chosen:
                place = results.place(stage.name)
                image = build.build_small(line, stage, place / "build.log", CONFIG)
                results.put(stage.name, run(image, contents, jobs, f"{line.version} {stage.name}",
                                            place, console))
        outcomes = results.of()
        results.verdict = selflog.judge(outcomes)
    print_table(console, outcomes, jobs)
    console.line(console.paint(results.verdict.sentence, results.verdict.colour))
    console.line(f"logs: {relative(results.final)} (summary.json, and for each stage kernel.log "
                 "and build.log)")
    return results.verdict.status


def print_table(console: Console, outcomes: Mapping[str, Outcome], jobs: Sequence[Job]) -> None:
    """One row a test and memory type, one column a stage; then what did not pass, and splats."""
    place = {job.test: number for number, job in reversed(list(enumerate(jobs)))}
    names = sorted({name: None for outcome in outcomes.values() for name in outcome.tests},
                   key=lambda name: place.get(name.split(".")[0], len(jobs)))
    rows: List[Sequence[str]] = [("test", "memory", *outcomes)]
    rows += [(*name.split(".", 1), *(CELL.get(outcome.tests.get(name, ""), ("-", ""))[0]
                                     for outcome in outcomes.values())) for name in names]
    grid(console, rows, len(rows[0]), notes(outcomes, names))
    for stage, outcome in outcomes.items():
        same: Dict[str, List[Splat]] = {}
        for splat in outcome.unexpected:
            same.setdefault(selflog.gist(splat), []).append(splat)
        if same:
            console.line(f"splats on {stage}:")
        for first, *others in same.values():
            more = f" (and {len(others)} more like it)" if others else ""
            console.line(f"  kernel.log:{first.number}: {first.title}{more}")


def notes(outcomes: Mapping[str, Outcome], names: Sequence[str]) -> List[str]:
    """What did not pass and why, one line for all types of memory that it is true of."""
    found: Dict[Tuple[str, str, Tuple[str, ...]], List[str]] = {}
    for name in names:
        told: Dict[str, List[str]] = {}
        for stage, outcome in outcomes.items():
            status = outcome.tests.get(name, PASS)
            if status != PASS:
                why = outcome.notes.get(name) or [outcome.skips.get(name, "")]
                told.setdefault(": ".join(filter(None, (CELL[status][0], *why))), []).append(stage)
        test, memory = name.split(".", 1)
        for note, on in told.items():
            found.setdefault((test, note, tuple(on)), []).append(memory)
    return [f"{test} on {', '.join(memories)}: {note}"
            + ("" if len(on) == len(outcomes) else f" ({', '.join(on)})")
            for (test, note, on), memories in found.items()]
