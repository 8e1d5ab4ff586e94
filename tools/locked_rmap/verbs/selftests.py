# SPDX-License-Identifier: GPL-2.0-only
"""The verb `selftests`: the kernel's own user-space tests of userfaultfd, in a guest.

The programs are those of Linux 6.12 whatever line they run on.  They are linked
statically and put, with a first process of ours, into a small file system in
memory; QEMU runs that with the kernel of each stage.
"""

import os
import re
import tempfile
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..base import files, proc
from ..guest import cpio, klog, kunit, qemu, selflog
from ..kernel import packages, series, source
from . import run
from ..base.console import Console
from ..base.errors import HOLDS, Stop, one_line
from ..report.report import Verdict
from ..guest.selflog import Case, Job, Name, Outcome

#: The line whose programs are run.
PROGRAMS_LINE = "6.12"
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
#: Seconds that a guest may need beside its jobs, to boot above all.
BOOT = 120
#: The colours of results, by their words.
COLOUR = {"pass": "32", "skip": "33", "FAIL": "31;1", "CRASH": "31;1"}
#: Seconds to wait for another run that builds the programs.
PATIENCE = 900.0


class Request(NamedTuple):
    """What the user asked `selftests` for."""

    kernel: Optional[str] = None
    stages: Sequence[str] = ()


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
    status = proc.run(argv, log, cwd=work, limit=kunit.BUILD_LIMIT, tick=console.tick)
    if status != 0:
        console.drop()
        raise Stop(kunit.why_not_built("what runs in the guest", log, status, work))


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


def build_kernel(site: run.Site, stage: series.Stage, log: Path, config: str = CONFIG) -> Path:
    """Build a guest's kernel at @stage, of allnoconfig and what the file of @config asks for; the kernel's image."""
    fragment = site.repo / "tools" / "configs" / f"{config}.config"
    label = f"{ARCH}-{config}"
    build = site.work.build_dir(label, stage.name)
    contents = site.contents(stage.patches)
    site.work.open_build(build, label, site.console)
    site.work.install(contents, build, site.series.touched())
    make = ["make", "--no-print-directory", f"O={build}", f"ARCH={ARCH}", f"-j{len(os.sched_getaffinity(0))}"]
    # kconfig drops what it cannot have without a word.
    check = ('missing=$(grep -vxF -f "$1" "$2" | grep "^CONFIG_" | tr "\\n" " "); test -z "$missing" || '
             '{ printf "Not all Kconfig options were taken\\nMissing: %s\\n" "$missing"; exit 1; }')
    commands = [[*make, f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig"],
                ["sh", "-c", check, "sh", str(build / ".config"), str(fragment)],
                [*make, "bzImage"]]
    kunit.make(site.work, build, label, commands, [fragment.read_text(encoding="utf-8")],
               f"{site.version} {label} {stage.name}", log, site.console)
    return build / "arch/x86/boot/bzImage"


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


class Score(NamedTuple):
    """What the verb came to: outcomes by stage, in the order of the series."""

    outcomes: Dict[str, Outcome]
    jobs: List[Job]
    verdict: Verdict
    place: Path


def measure(repo: Path, request: Request, console: Console) -> Score:
    """Build everything and run the guests that @request asks for; Stop if it cannot be done."""
    if request.kernel is not None:
        source.check_line(request.kernel)
    packages.need(console, [*packages.BUILD, *packages.ARCH[ARCH]])
    machine = proc.output(["gcc", "-dumpmachine"]).stdout.strip()
    if not machine.startswith("x86_64"):
        raise Stop(f"the selftests run on {ARCH} guests only, and gcc here builds for {machine}: use another machine")
    cache = source.open_cache()
    site = run.Site(repo, cache, console, request.kernel, None)
    default = list(dict.fromkeys([series.STOCK, site.series.stages[-1].name]))
    asked = [site.series.stage(name) for name in request.stages or default]
    stages = [stage for stage in site.series.stages if stage in asked]
    results = run.Place(repo, f"selftests-{site.line}")
    outcomes: Dict[str, Outcome] = {}
    verdict: Optional[Verdict] = None
    version = ""
    try:
        pristine = site.work.pristine if site.line == PROGRAMS_LINE else \
            source.Store(cache, console).pristine(PROGRAMS_LINE)
        log = results.temp / "programs.log"
        built = programs(cache, pristine, log, console)
        version = built.version
        jobs = plan(built.tests())
        with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
            file_system = Path(temp) / "initramfs"
            init = qemu.program(repo / "tools" / "guest" / "init.c", Path(temp), log, console)
            file_system.write_bytes(built.file_system(init, jobs))
            with site.held():
                for stage in stages:
                    place = results.stage(stage.name)
                    kernel = build_kernel(site, stage, place / "build.log")
                    outcomes[stage.name] = Runner(kernel, jobs, f"{site.version} {stage.name}",
                                                  place, console).run(file_system)
        verdict = selflog.judge(outcomes)
    except Stop as err:
        # The line may name a log: by its place after the run.
        raise Stop(str(err).replace(str(results.temp), str(results.final))) from err
    finally:
        results.publish("summary.json", selflog.summary(site.version, version, outcomes, verdict))
    return Score(outcomes, jobs, verdict, results.final)


def selftests(repo: Path, request: Request, console: Console) -> int:
    """Do what @request says; the exit status.  Raises Stop if it cannot be done."""
    score = measure(repo, request, console)
    print_table(console, score.outcomes, score.jobs)
    verdict = score.verdict
    console.line(console.paint(verdict.sentence, "32" if verdict.status == HOLDS else "31;1"))
    console.line(f"logs: {run.relative(score.place)} (summary.json, and for each stage kernel.log and build.log)")
    return verdict.status


def print_table(console: Console, outcomes: Dict[str, Outcome], jobs: Sequence[Job]) -> None:
    """One row a test and memory type, one column a stage; then what did not pass, and splats, in words."""
    names = selflog.order(outcomes, jobs)
    rows: List[Tuple[str, ...]] = [("test", "memory", *outcomes)]
    rows += [(*name, *(selflog.WORD[outcome.cases[name].status] if name in outcome.cases else "-"
                       for outcome in outcomes.values())) for name in names]
    width = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    console.line()
    for row in rows:
        cells = [console.paint(text, COLOUR.get(text, "")) + " " * (room - len(text))
                 for text, room in zip(row, width)]
        console.line("  ".join(cells).rstrip())
    console.line()
    for text in selflog.notes(outcomes, names):
        console.line(f"  {text}")
    for stage, outcome in outcomes.items():
        if outcome.splats:
            console.line(f"splats on {stage}:")
            same: Dict[str, List[klog.Splat]] = {}
            for splat in outcome.splats:
                same.setdefault(selflog.gist(splat), []).append(splat)
            for first, *others in same.values():
                more = f" (and {len(others)} more like it)" if others else ""
                console.line(f"  kernel.log:{first.number}: {first.title}{more}")
