# SPDX-License-Identifier: GPL-2.0-only
"""The verb `run`: suites on a kernel line, stock beside patched."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..base import files
from ..guest import coverage, kunit, modules, repeat
from ..kernel import packages, series, source, worktree
from ..report import report
from ..base.console import Console
from ..base.errors import BROKEN, Stop

DEFAULT_LINE = "6.12"
ARCHES = ("um", "x86_64", "arm64")
#: Seconds to wait for somebody else's run on the same tree.
PATIENCE = 1800.0


class Request(NamedTuple):
    """What the user asked `run` for."""

    kernel: Optional[str] = None
    arch: str = "um"
    stages: Sequence[str] = ()
    contract: str = report.LOCKED
    tree: Optional[Path] = None
    debug: bool = False
    clang: bool = False
    kconfig_add: Sequence[str] = ()
    timeout: Optional[int] = None
    glob: str = ""
    repeat: int = 1
    coverage: bool = False
    modules: bool = False

    @property
    def whole(self) -> bool:
        """All tests, on all stages, of Debian's kernel: what the cover letter of an export shows."""
        return (self.tree is None and self.contract == report.LOCKED
                and not (self.glob or self.stages or self.kconfig_add or self.coverage))


class Site:
    """A line's or a user's tree at hand: its series, its work tree, the repository."""

    def __init__(self, repo: Path, cache: Path, console: Console, kernel: Optional[str],
                 tree: Optional[Path]) -> None:
        self.repo = repo
        self.console = console
        self.own_tree = tree
        if tree is not None:
            tree = tree.absolute()
            if not tree.is_dir():
                raise Stop(f"there is no directory {tree}: give --tree the top of a kernel tree")
            self.version = source.tree_version(tree)
            source.check_age(self.version, str(tree))
            self.line = source.line_of(self.version)
            if kernel is not None and kernel != self.line:
                raise Stop(f"{tree} is a {self.version} kernel, not {kernel}: leave --kernel out")
            pristine = tree.resolve()
            if repo.resolve() == pristine:
                raise Stop("--tree names this repository: give it the top of a kernel tree")
            digest = hashlib.sha256(os.fsencode(pristine)).hexdigest()[:12]
            base = cache / "trees" / f"tree-{digest}"
        else:
            self.line = kernel or DEFAULT_LINE
            pristine = source.Store(cache, console).pristine(self.line)
            self.version = source.tree_version(pristine)
            base = cache / "trees" / self.version
        patches = repo / "mm" / "patches" / f"linux-{self.line}"
        self.series = series.Series(patches if patches.is_dir() else None)
        self.patches = patches
        self.work = worktree.WorkTree(base, pristine)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the work tree against other runs, and have it ready."""
        with files.locked(self.work.base.with_name(self.work.base.name + ".lock"),
                          f"the work tree of {self.version}", self.console, PATIENCE):
            if self.own_tree is not None:
                self.work.sync(self.console)
            else:
                self.work.populate(self.console)
                self._retire()
            yield

    def _retire(self) -> None:
        """Remove sources and builds of older point releases of this line."""
        for base, prefix in ((self.work.base.parent, ""), (self.work.pristine.parent, "linux-")):
            for old in base.glob(f"{prefix}{self.line}.*"):
                name = old.name[len(prefix):]
                if old.is_dir() and source.version_key(name) < source.version_key(self.version):
                    lock = base / f"{old.name}.lock"
                    with contextlib.suppress(Stop):
                        with files.locked(lock, name, self.console, 0):
                            files.remove_tree(old)

    def contents(self, patches: List[str]) -> worktree.Contents:
        """What the managed files hold with @patches applied; Stop if one does not apply."""
        try:
            found = series.apply(self.series, patches, self.work.pristine)
        except Stop as err:
            if self.own_tree is not None:
                raise Stop(f"{err} to {self.own_tree} ({self.version}): bring the tree in line with "
                           f"the series, or run the suites on it as it is with --stage stock") from err
            raise Stop(f"{err} to Linux {self.version}: the series needs a refresh") from err
        gone = [name for name in self.series.touched(patches) if name not in found]
        if gone:
            raise Stop(f"the series removes {gone[0]}, which the tool cannot do yet")
        overlay = worktree.overlay(self.repo)
        for name, data in overlay.items():
            # Patches may not fight the suites over a file.
            if name in found and found[name] != data:
                raise Stop(f"both the series and mm/tests bring {name}: take it out of the series")
        worktree.keep_theirs(overlay, self.work.pristine)
        found.update(overlay)
        worktree.add_hooks(found, self.work.pristine)
        return found


def config_for(repo: Path, arch: str, debug: bool, kconfig_add: Sequence[str] = (),
               measured: bool = False, clang: bool = False, as_modules: bool = False) -> kunit.Config:
    """The build configuration for an architecture; Stop if it is unknown.

    @measured: one that counts how often lines run; @clang: not built with gcc;
    @as_modules: with the suites as modules.
    """
    if arch not in ARCHES:
        raise Stop(f"unknown architecture '{arch}': give one of {', '.join(ARCHES)}")
    if measured and arch != "um":
        raise Stop(f"--coverage is for um alone, not for {arch}: leave --arch out")
    if measured and clang:
        raise Stop("--coverage reads what gcc counts: leave --clang out")
    if as_modules and arch != modules.ARCH:
        raise Stop(f"--modules is for {modules.ARCH} alone, not for {arch}: leave --arch out")
    qemu = None if arch == "um" else repo / "tools" / "qemu_configs" / f"{arch}.py"
    return kunit.Config(arch, debug, tuple(kconfig_add), qemu,
                        repo / "tools" / "configs" / "debug.config",
                        repo / "tools" / "configs" / "coverage.config" if measured else None, clang,
                        modules.config_lines(repo / "tools" / "configs" / "modules.config") if as_modules else ())


def build_stage(site: Site, config: kunit.Config, stage: str, patches: List[str], results: Path) -> Path:
    """Put a stage in place and build it, the log goes to @results; its O= directory.

    Raises Stop if the stage cannot be put in place or built.
    """
    results.mkdir(parents=True, exist_ok=True)
    contents = site.contents(patches)
    build = site.work.build_dir(config.label, stage)
    # The place of its counters is written into an object: it is of no use elsewhere.
    site.work.open_build(build, config.label, site.console, copy=config.coverage_config is None)
    site.work.install(contents, build, site.series.touched())
    kunit.build(site.work, build, config, stage_name(site, config, stage), results / "build.log", site.console)
    return build


def stage_name(site: Site, config: kunit.Config, stage: str) -> str:
    """What a stage is called in messages."""
    return f"{site.version} {config.label} {stage}"


def run_stage(site: Site, config: kunit.Config, build: Path, stage: str, contract: str, glob: str,
              timeout: Optional[int], results: Path, console: Console) -> kunit.Outcome:
    """Run the suites in the kernel of @build, logs go to @results."""
    limit = timeout or kunit.TIMEOUT[config.arch] * (2 if config.debug else 1)
    name = stage_name(site, config, stage)
    if config.modules:
        outcome = modules.run(site.repo, site.work, build, config, contract, glob, limit, name, results, console)
    else:
        outcome = kunit.run(site.work, build, config, contract, glob, limit, name, results, console)
    if glob and not outcome.tests and not outcome.died:
        raise Stop(f"no test matches '{glob}': the suites are rmap, rmap_callers, userfaultfd_move")
    return outcome


def stage_outcome(site: Site, config: kunit.Config, stage: str, patches: List[str], contract: str,
                  glob: str, timeout: Optional[int], results: Path) -> kunit.Outcome:
    """Put a stage in place, build it, run the suites; logs go to @results.

    Raises Stop if the stage cannot be put in place or built.
    """
    build = build_stage(site, config, stage, patches, results)
    return run_stage(site, config, build, stage, contract, glob, timeout, results, site.console)


def fingerprint(repo: Path, patches: series.Series) -> str:
    """Changes whenever the suites or a line's @patches do."""
    digest = hashlib.sha256()
    for name, data in sorted(worktree.overlay(repo).items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    for name in patches.patches:
        assert patches.directory is not None
        data = (patches.directory / name).read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def results_dir(repo: Path) -> Path:
    """Where runs leave their results."""
    return repo / "build" / "results"


class Results:
    """The run's files: collected aside, put in place when the run ends, however it does."""

    def __init__(self, repo: Path, label: str) -> None:
        self.base = results_dir(repo)
        self.label = label
        self.base.mkdir(parents=True, exist_ok=True)
        for stale in self.base.glob(".new-*"):
            if not Path(f"/proc/{stale.name.split('-')[1]}").exists():
                files.remove_tree(stale)
        self.temp = self.base / f".new-{os.getpid()}"
        files.remove_tree(self.temp)
        self.temp.mkdir()

    def stage(self, stage: str) -> Path:
        """Where the files of a stage are collected."""
        return self.temp / f"{self.label}-{stage}"

    def final(self, stage: str) -> Path:
        """Where the files of a stage will lie."""
        return self.base / f"{self.label}-{stage}"

    def keep(self, line: str, value: object) -> None:
        """Keep the summary of a whole run until the next whole one of the same line and label."""
        files.write_json(self.base / f"{line}-{self.label}" / "summary.json", value)

    def publish(self) -> None:
        """Put what was collected in place of the last run's of the same label."""
        for new in sorted(self.temp.iterdir()):
            old = self.base / new.name
            aside = self.temp / f"old-{new.name}"
            if old.exists():
                os.replace(old, aside)
            os.replace(new, old)
            files.remove_tree(aside)
        files.remove_tree(self.temp)


class Place:
    """The results of another verb, in a directory of their own: collected aside, put in place when it ends."""

    def __init__(self, repo: Path, name: str) -> None:
        base = results_dir(repo)
        base.mkdir(parents=True, exist_ok=True)
        self.final = base / name
        self.temp = Path(tempfile.mkdtemp(prefix=f".new-{os.getpid()}-{name}-", dir=base))

    def stage(self, stage: str) -> Path:
        """Where the files of a stage are collected."""
        place = self.temp / stage
        place.mkdir(exist_ok=True)
        return place

    def publish(self, name: str, value: object) -> None:
        """Put what was collected, and @value as the file @name, in place of what an earlier run left."""
        files.write_json(self.temp / name, value)
        self.temp.chmod(0o755)
        files.remove_tree(self.final)
        os.replace(self.temp, self.final)


def run(repo: Path, request: Request, console: Console) -> int:
    """Do what @request says; the exit status.  Raises Stop if it cannot be done."""
    if request.kernel is not None:
        source.check_line(request.kernel)
        if request.coverage:
            coverage.check_line(request.kernel)
    config = config_for(repo, request.arch, request.debug, request.kconfig_add, request.coverage, request.clang,
                        request.modules)
    packages.need(console, [*config.packages(), *(packages.TREE if request.tree else ())])
    cache = source.open_cache()
    site = Site(repo, cache, console, request.kernel, request.tree)
    if request.coverage:
        coverage.check_line(site.line)
    # Where the series has to bring the older contract, a stage of that name keeps it.
    brought = report.REVALIDATE in [stage.name for stage in site.series.stages]
    default = [stage.name for stage in site.series.stages]
    if request.contract == report.REVALIDATE:
        # Later ones keep the other one.
        default = [name for name in default if name in (series.STOCK, report.REVALIDATE)]
    if request.coverage:
        default = default[-1:]
    asked = [site.series.stage(name) for name in request.stages or default]
    stages = [stage for stage in site.series.stages if stage in asked]
    defects = {}
    for stage in stages:
        wanted = report.read_defects(site.patches / report.defects_name(request.contract, stage.name), request.arch)
        # On trial by itself, a stock that does not keep the contract has no excuse.
        if wanted is not None and not (brought and stage is stages[-1]):
            defects[stage.name] = wanted

    if request.coverage and (len(stages) > 1 or request.repeat > 1):
        raise Stop("--coverage is for one run of one stage: leave --repeat out and give one --stage")

    results = Results(repo, config.label)
    ran = fingerprint(repo, site.series)
    measured: List[coverage.Function] = []
    wrong: List[str] = []
    outcomes: Dict[str, kunit.Outcome] = {}
    tallies: Dict[str, repeat.Tally] = {}
    verdict: Optional[report.Verdict] = None
    try:
        with site.held():
            for stage in stages:
                place = results.stage(stage.name)
                build = build_stage(site, config, stage.name, stage.patches, place)
                if request.coverage:
                    coverage.forget(build)

                def once(logs: Path, told: Console, name: str = stage.name, where: Path = build) -> kunit.Outcome:
                    return run_stage(site, config, where, name, request.contract, request.glob,
                                     request.timeout, logs, told)

                if request.repeat == 1:
                    outcomes[stage.name] = once(place, console)
                    if request.coverage:
                        measured, wrong = measure(site, build, place)
                    continue
                known = report.must_fail(stage.name, stages[-1].name, request.contract, defects)
                tally = repeat.runs(request.repeat, stage_name(site, config, stage.name), known, place, once, console)
                tallies[stage.name] = tally
                outcomes[stage.name] = tally.kept
        verdict = report.judge(outcomes, request.contract, defects, bool(request.glob))
    except Stop as err:
        # The line may name a log: by its place after the run.
        raise Stop(str(err).replace(str(results.temp), str(results.base))) from err
    finally:
        value = report.summary(site.version, request.arch, request.contract, outcomes, verdict, request.debug)
        for name, tally in tallies.items():
            value["stages"][name].update(runs=tally.runs, bad_runs=tally.bad)
        results.publish()
        files.write_json(results.base / "summary.json", value)
    if request.whole:
        results.keep(site.line, {**value, "input": ran})
    report.print_table(console, outcomes)
    for name, tally in tallies.items():
        console.line(console.paint(tally.sentence(name), "31;1" if tally.bad else "32"))
    console.line(console.paint(verdict.sentence, "32" if verdict.status == 0 else "31;1"))
    shown = [results.final(stage.name) for stage in stages] + [results.base / "summary.json"]
    enough = True
    if request.coverage:
        coverage.print_table(console, measured)
        enough, sentence = coverage.judge(measured, wrong)
        console.line(console.paint(sentence, "32" if enough else "31;1"))
    console.line("logs: " + ", ".join(relative(path) for path in shown)
                 + " (kernel.log, kunit.log, kunit.json, build.log in each directory)")
    return BROKEN if any(tally.bad for tally in tallies.values()) or not enough else verdict.status


def measure(site: Site, build: Path, results: Path) -> Tuple[List[coverage.Function], List[str]]:
    """What the run in @build covered, and what is wrong with the list of exceptions."""
    site.console.begin("reading the coverage")
    functions = coverage.collect(site.work.tree, build, results / "gcov.log", site.console)
    exceptions = coverage.read_left_out(site.repo / "Documentation" / f"coverage-{site.line}.txt")
    wrong = coverage.leave_out(functions, exceptions)
    files.write_json(results / "coverage.json", coverage.summary(functions))
    site.console.end(f"{len(functions)} functions")
    return functions, wrong


def relative(path: Path) -> str:
    """@path as seen from here, if it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
