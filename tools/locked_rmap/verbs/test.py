# SPDX-License-Identifier: GPL-2.0-only
"""The verb `test`: the project's own tests.

A check is a function that takes a Bench and returns a Tally; CHECKS names them
in the order they run, the quick ones first.  Add a check by writing one more.
"""

import contextlib
import fnmatch
import functools
import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from . import bench as cost
from ..base import files, proc
from ..guest import kernelci, klog, kunit, modules
from ..kernel import packages, series, source, worktree
from ..report import report
from ..static import callers
from . import check, export, mutants, run, selftests
from ..base.console import Console, clock
from ..base.errors import BROKEN, HOLDS, Stop, one_line

#: Options of checkpatch: the patches get their Signed-off-by from whoever sends
#: them, and the commits in Fixes: tags cannot be looked up outside of git.
CHECKPATCH = ("--strict", "--no-signoff", "--no-summary", "--terse", "--color=never",
              "--ignore", "UNKNOWN_COMMIT_ID")


#: The kernel lines that have a series.
LINES = ("6.12", "6.1")


class Tally(NamedTuple):
    """What a check came to; @told are the lines about what failed."""

    passed: int
    failed: int
    skipped: int
    told: List[str]


def tally(results: Dict[str, str], skipped: int = 0) -> Tally:
    """The Tally of named results: an empty string passed, any other text says why not."""
    told = [f"{name}: {why}" for name, why in results.items() if why]
    return Tally(len(results) - len(told), len(told), skipped, told)


class Bench:
    """What checks work with; a kernel tree is fetched when the first one asks."""

    def __init__(self, repo: Path, console: Console) -> None:
        self.repo = repo
        self.console = console
        self.results = repo / "build" / "results" / "test"
        self._sites: Dict[str, run.Site] = {}

    def site(self, line: str = run.DEFAULT_LINE) -> run.Site:
        """A kernel line."""
        if line not in self._sites:
            self._sites[line] = run.Site(self.repo, source.open_cache(), self.console, line, None)
        return self._sites[line]

    def place(self, name: str) -> Path:
        """An empty directory for the files of a check."""
        place = self.results / name
        files.remove_tree(place)
        place.mkdir(parents=True)
        return place

    @contextlib.contextmanager
    def tree(self, line: str = run.DEFAULT_LINE) -> Iterator[run.Site]:
        """A line's work tree, held against other runs."""
        site = self.site(line)
        with site.held():
            yield site


def check_unit(bench: Bench) -> Tally:
    """The tool's unit tests."""
    log = bench.place("unit") / "unittest.log"
    status = proc.run([sys.executable, "-m", "unittest", "discover", "-v", "-s", "tools/tests",
                       "-t", "tools"], log, cwd=bench.repo, limit=900, tick=bench.console.tick)
    text = log.read_text(encoding="utf-8", errors="replace")
    ran = re.search(r"^Ran (\d+) tests?", text, re.M)
    if ran is None or int(ran.group(1)) == 0:
        return Tally(0, 1, 0, [f"no unit test ran: {one_line(' '.join(proc.tail(log, 3)))}"])
    failing = re.findall(r"^(?:FAIL|ERROR): (.+)$", text, re.M)
    skipped = sum(int(number) for number in re.findall(r"\bskipped=(\d+)", text))
    if status != 0 and not failing:
        failing = [f"unittest ended with status {status}"]
    return Tally(max(int(ran.group(1)) - len(failing) - skipped, 0), len(failing), skipped, failing)


def check_types(bench: Bench) -> Tally:
    """mypy --strict over all Python."""
    place = bench.place("types")
    base = ["/usr/bin/mypy", "--strict", "--python-version", "3.9", "--no-error-summary",
            f"--cache-dir={place / 'cache'}"]
    results: Dict[str, str] = {}

    def mypy(name: str, arguments: Sequence[str], cwd: Path) -> None:
        log = place / f"{name}.log"
        status = proc.run([*base, *arguments], log, cwd=cwd, limit=600, tick=bench.console.tick)
        results[f"mypy {name}"] = "" if status == 0 else one_line(" ".join(proc.tail(log, 3)))

    mypy("tool", ["-p", "locked_rmap", "-p", "tests"], bench.repo / "tools")
    mypy("command", ["--scripts-are-modules", "locked-rmap"], bench.repo / "tools")
    # These are loaded by kunit.py as part of its own package: check them in such a one.
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        package = Path(temp) / "kunit"
        shutil.copytree(bench.repo / "tools" / "qemu_configs", package / "qemu_configs")
        shutil.copyfile(bench.site().work.pristine / "tools/testing/kunit/qemu_config.py",
                        package / "qemu_config.py")
        (package / "__init__.py").touch()
        (package / "qemu_configs" / "__init__.py").touch()
        mypy("qemu_configs", ["-p", "kunit"], Path(temp))
    files.remove_tree(place / "cache")
    return tally(results)


def check_style(bench: Bench) -> Tally:
    """checkpatch --strict on every patch and every file of the suites."""
    place = bench.place("style")
    results: Dict[str, str] = {}
    with bench.tree() as site:
        jobs = []
        for line in LINES:
            patches = bench.repo / "mm" / "patches" / f"linux-{line}"
            jobs += [(f"{line}/{name}", [str(patches / name)]) for name in series.Series(patches).patches]
        for path in sorted((bench.repo / worktree.TESTS).rglob("*")):
            if path.suffix in (".c", ".h") or path.name in ("Kconfig", "Makefile"):
                jobs.append((str(path.relative_to(bench.repo)), ["-f", str(path)]))
        for path in sorted((bench.repo / "tools" / "guest").glob("*.c")):
            jobs.append((str(path.relative_to(bench.repo)), ["-f", str(path)]))
        for name, arguments in jobs:
            log = place / f"{name.replace('/', '_')}.log"
            # In the work tree: it keeps notes in its directory, and pristine stays pristine.
            status = proc.run(["perl", "scripts/checkpatch.pl", *CHECKPATCH, *arguments], log,
                              cwd=site.work.tree, limit=120, tick=bench.console.tick)
            told = proc.tail(log, 100)
            results[f"checkpatch {name}"] = "" if status == 0 and not told else one_line(
                f"{len(told)} complaints, first: {told[0] if told else f'status {status}'}")
    return tally(results)


def check_apply(bench: Bench) -> Tally:
    """Each series applies without fuzz to every point release that apt offers."""
    store = source.Store(source.open_cache(), bench.console)
    results: Dict[str, str] = {}
    for line in LINES:
        site = bench.site(line)
        known = source.offered(line)
        if not known:
            results[f"linux-source-{line}"] = "apt offers none"
        for package in known:
            try:
                origin = store.some_files(package, site.series.touched())
                series.apply(site.series, site.series.patches, origin)
                results[f"applies to {package.version}"] = ""
            except Stop as err:
                results[f"applies to {package.version}"] = str(err)
    return tally(results)


#: Whose commits the check of export makes.
_SOMEBODY = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
             for key, value in (("NAME", "Some Body"), ("EMAIL", "somebody@example.org"),
                                ("DATE", "2024-01-01T00:00:00Z"))}


def check_export(bench: Bench) -> Tally:
    """The mailboxes: git am, the same files as in a run, checkpatch --strict, get_maintainer."""
    place = bench.place("export")
    results: Dict[str, str] = {}
    for line in LINES:
        with bench.tree(line) as site:
            bench.console.begin(f"exporting {line}, signed and not")
            try:
                mails: Dict[str, List[Path]] = {}
                for kind, option in (("signed", "--signoff"), ("unsigned", "--no-table")):
                    target = place / f"{line}-{kind}"
                    target.mkdir()
                    _export(bench, line, target, option)
                    bench.console.tick()
                    mails[kind] = _apply_mbox(site, target)
                    for name, why in _exported(bench, site, target).items():
                        results[f"{line} {kind}: {name}"] = why
                pairs = zip(mails["signed"], mails["unsigned"])
                results[f"{line}: --signoff adds a line to each mail"] = report.some(
                    [signed.name for signed, unsigned in pairs if _signed(unsigned) != _mail(signed)])
                # The others take long, and say what the signed ones said.
                mails["unsigned"] = [mail for mail in mails["unsigned"] if mail.stat().st_size < 32 << 10]
                for name, why in _checkpatch(site, place / line, mails, bench.console).items():
                    results[f"{line} {name}"] = why
            except Stop as err:
                results[f"{line} export"] = str(err)
            bench.console.end()
    return tally(results)


def _export(bench: Bench, line: str, place: Path, *options: str) -> None:
    """Export @line to `mbox` and `cover` in @place."""
    # In a process of its own: the command is what people have.
    answer = proc.output([sys.executable, str(bench.repo / "tools/locked-rmap"), "export", "--kernel", line,
                          "--mbox", str(place / "mbox"), "--cover", str(place / "cover"), "--no-table", *options],
                         env=_SOMEBODY, limit=300)
    if answer.returncode != 0:
        raise Stop(f"export of {line}: {answer.stderr}")


def _git(where: Path, *arguments: str) -> str:
    env = {**_SOMEBODY, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    answer = proc.output(["git", *arguments], cwd=where, env=env, limit=120)
    if answer.returncode != 0:
        raise Stop(f"git {arguments[0]} in {where}: {one_line(answer.stdout + answer.stderr, 200)}")
    return answer.stdout


def _apply_mbox(site: run.Site, place: Path) -> List[Path]:
    """git am the mailbox on the files that it touches, in @place/tree; the mails, one by one."""
    tree = place / "tree"
    tree.mkdir()
    _git(tree, "init", "-q")
    for name in series.touched((place / "mbox").read_text(encoding="utf-8")):
        if (site.work.pristine / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(site.work.pristine / name, tree / name)
    _git(tree, "add", "-f", "-A")
    _git(tree, "commit", "-q", "-m", "base")
    _git(tree, "tag", "base")
    _git(tree, "am", "-q", str(place / "mbox"))
    mails = place / "mails"
    mails.mkdir()
    _git(place, "mailsplit", "-o" + str(mails), str(place / "mbox"))
    return sorted(mails.iterdir())


def _mail(path: Path) -> str:
    """The text of a mail, less its first line, which has the commit's id."""
    return path.read_text(encoding="utf-8").split("\n", 1)[1]


def _signed(mail: Path) -> str:
    """The text of an unsigned @mail with the line that --signoff adds."""
    head, rest = _mail(mail).split("\n---\n", 1)
    trailers = re.fullmatch(r"[A-Z][a-z-]+: .*", head.splitlines()[-1])
    return f"{head}\n" + ("" if trailers else "\n") + f"Signed-off-by: Some Body <somebody@example.org>\n---\n{rest}"


def _exported(bench: Bench, site: run.Site, place: Path) -> Dict[str, str]:
    """What is wrong with the commits in @place/tree, by what was looked at."""
    tree = place / "tree"
    wanted = site.contents(site.series.patches)
    there = set(_git(tree, "diff", "--name-only", "base").splitlines())
    differ = [name for name, data in wanted.items()
              if not (tree / name).is_file() or (tree / name).read_bytes() != data]
    more = sorted(there - set(wanted) - {"MAINTAINERS"})
    count = int(_git(tree, "rev-list", "--count", "base..HEAD"))
    steps = export.steps(bench.repo, source.tree_version(site.work.pristine))
    found = {
        "files are those of a run": f"{report.some(differ)} differ" if differ else "",
        "nothing else is touched": report.some(more),
        "one commit a patch and suite": "" if count == len(site.series.patches) + len(steps) else f"{count} commits",
    }
    for number, step in enumerate(steps):
        # kbuild would stop at an object without a source, kunit.py at an option without an entry.
        commit = f"HEAD~{len(steps) - 1 - number}"
        files_there = set(_git(tree, "ls-tree", "-r", "--name-only", commit, worktree.TESTS + "/").splitlines())
        make, kconfig, options = (_git(tree, "show", f"{commit}:{worktree.TESTS}/{name}")
                                  for name in ("Makefile", "Kconfig", ".kunitconfig"))
        sources = {name for name in files_there if name.endswith(".c")}
        objects = re.findall(r"^(\S+)-\S+ \+= ([\w/]+)\.o$", make, re.M)
        whole = {of for of, _ in objects}
        built = {f"{worktree.TESTS}/{name}.c" for _, name in objects if name not in whole}
        for name in sorted(sources & built):
            built |= {f"{worktree.TESTS}/{subject}" for subject in
                      re.findall(r'^#include "(\w+/\w+\.c)"$', _git(tree, "show", f"{commit}:{name}"), re.M)}
        entries = set(re.findall(r"^config (\w+)", kconfig, re.M))
        asked = {name for name in re.findall(r"^CONFIG_(\w+)=", options, re.M) if "_KUNIT_" in name}
        wrong = sorted((sources ^ built) | (asked - entries))
        found[f"commit {number + 1} of the suites is whole"] = report.some(wrong)
    for name in re.findall(r"^\+F:\t(.*)$", _git(tree, "diff", "base", "--", "MAINTAINERS"), re.M):
        found[f"MAINTAINERS: {name}"] = "" if list(tree.glob(name)) else "no such file"
    head = (place / "cover").read_text(encoding="utf-8").split("\n\n", 1)[0]
    for field in ("To", "Cc"):
        told = re.search(rf"^{field}: (?:.*\n )*.*@.*$", head, re.M)
        found[f"{field}: of the cover letter"] = "" if told else "get_maintainer.pl named nobody"
    return found


def _checkpatch(site: run.Site, place: Path, mails: Dict[str, List[Path]], console: Console) -> Dict[str, str]:
    """What checkpatch --strict has to say of each mail: nothing but that nobody signed the unsigned ones."""
    place.mkdir()
    every = [(kind, mail) for kind, paths in mails.items() for mail in paths]
    options = [option for option in CHECKPATCH if option != "--no-signoff"]
    count = len(os.sched_getaffinity(0))
    children = []
    try:
        for number in range(count):
            argv = ["perl", "scripts/checkpatch.pl", *options]
            argv += [str(mail) for _, mail in every[number::count]]
            if len(every) > number:
                children.append(proc.Child(argv, place / f"{number}.log", cwd=site.work.tree))
        for child in children:
            child.wait(600, console.tick)
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
    told = [text for number in range(len(children)) for text in proc.tail(place / f"{number}.log", 1000)]
    found: Dict[str, str] = {}
    for kind, mail in every:
        own = [text for text in told if text.startswith(f"{mail}:")]
        if kind == "unsigned":
            unsigned = [text for text in own if "Missing Signed-off-by" in text]
            own = [text for text in own if text not in unsigned] or ([] if unsigned else ["it does not miss a sign-off"])
        found[f"checkpatch {kind} {mail.name}"] = one_line(own[0], 200) if own else ""
    stray = [text for text in told if not any(text.startswith(f"{mail}:") for _, mail in every)]
    found["checkpatch runs"] = one_line(stray[0], 200) if stray else ""
    return found


def _warnings(log: Path, touched: Set[str]) -> List[str]:
    """Compiler warnings in @log about @touched files, with their line numbers taken out."""
    found = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        match = re.match(r"(?:\.\./|\./|/\S*?/tree/)*(\S+?):\d+(?::\d+)?: +(?:warning|error): (.*)", line)
        if match and any(match.group(1).endswith(name) for name in touched):
            found.append(f"{match.group(1)}: {match.group(2)}")
    return found


def _contract_broken(outcome: kunit.Outcome, known: Set[str]) -> str:
    """Why @outcome is not green, @known failures apart; empty if it is."""
    bad = [name for name, status in outcome.tests.items()
           if status in (kunit.FAIL, kunit.CRASH) and name not in known]
    wrong = [splat.title for splat in outcome.splats if not splat.expected]
    if outcome.died:
        return outcome.died
    if bad:
        return f"{len(bad)} tests fail ({report.some(bad)})"
    if wrong:
        return f"{len(wrong)} splats ({wrong[0]})"
    return "" if kunit.PASS in outcome.tests.values() else "no test ran"


def check_each(bench: Bench, name: str, line: str) -> Tally:
    """Each prefix of the series builds without warnings and honours a contract."""
    results: Dict[str, str] = {}
    base = bench.place(name)
    config = run.config_for(bench.repo, "um", False)
    with bench.tree(line) as site:
        known = report.read_defects(site.patches / "shows-defect.revalidate", "um") or set()
        # Where stock has no such contract, what shows that is to be expected until the stage of that name.
        until = next((len(stage.patches) for stage in site.series.stages if stage.name == report.REVALIDATE),
                     len(site.series.patches) + 1)
        touched = set(site.series.touched())
        build = site.work.build_dir(config.label, "each")
        for count, patch in enumerate(site.series.patches, 1):
            results[f"builds and runs after {patch}"] = _one_prefix(
                bench, site, config, build, count, base / f"{count:02d}-um", touched, known if count < until else set())
    return tally(results)


def _one_prefix(bench: Bench, site: run.Site, config: kunit.Config, build: Path, count: int,
                place: Path, touched: Set[str], known: Set[str]) -> str:
    place.mkdir(parents=True)
    what = f"{site.version} um after patch {count} of {len(site.series.patches)}"
    try:
        contents = site.contents(site.series.patches[:count])
        site.work.open_build(build, config.label, bench.console)
        site.work.install(contents, build, site.series.touched())
        kunit.build(site.work, build, config, what, place / "build.log", bench.console)
        warned = _warnings(place / "build.log", touched)
        if warned:
            return f"{len(warned)} warnings, first: {warned[0]}"
        broken = {}
        for contract in (report.LOCKED, report.REVALIDATE):
            logs = place / contract
            logs.mkdir()
            outcome = kunit.run(site.work, build, config, contract, "", kunit.TIMEOUT["um"],
                                f"{what}, contract {contract}", logs, bench.console)
            broken[contract] = _contract_broken(outcome, known if contract == report.REVALIDATE else set())
            if not broken[contract]:
                return ""
        return "neither contract holds: " + "; ".join(f"{key}: {why}" for key, why in broken.items())
    except Stop as err:
        return str(err)


def check_commits(bench: Bench, name: str, line: str) -> Tally:
    """Each commit that git am makes of an exported mailbox builds, and kunit.py passes in the last."""
    results: Dict[str, str] = {}
    place = bench.place(name)
    config = run.config_for(bench.repo, "um", False)
    with bench.tree(line) as site:
        _export(bench, line, place)
        _apply_mbox(site, place)
        tree = place / "tree"
        touched = _git(tree, "diff", "--name-only", "base").splitlines()
        build = site.work.build_dir(config.label, "commits")
        site.work.open_build(build, config.label, bench.console)
        # Before there are suites, with what they will ask for besides.
        files.write_atomic(place / "kunitconfig", b"".join(
            text for text in (bench.repo / ".kunitconfig").read_bytes().splitlines(True) if b"_KUNIT_TEST=" not in text))
        commits = _git(tree, "rev-list", "--reverse", "base..HEAD").split()
        for count, commit in enumerate(commits, 1):
            _git(tree, "checkout", "-q", "--detach", commit)
            subject = _git(tree, "log", "-1", "--format=%s").strip()
            what = f"{site.version} um at commit {count} of {len(commits)}"
            logs = place / f"{count:02d}"
            logs.mkdir()
            site.work.install({path: (tree / path).read_bytes() for path in touched if (tree / path).is_file()},
                              build, touched)
            try:
                options = [option if (tree / worktree.KUNITCONFIG).is_file() or option != f"--kunitconfig={worktree.TESTS}"
                           else f"--kunitconfig={place / 'kunitconfig'}" for option in config.options(build)]
                command = [*kunit.kunit_py(site.work.tree), "build", *options, f"--jobs={len(os.sched_getaffinity(0))}"]
                kunit.make(site.work, build, config.label, [command], command, what, logs / "build.log", bench.console)
                results[subject] = report.some(_warnings(logs / "build.log", set(touched)))
            except Stop as err:
                results[subject] = str(err)
        outcome = kunit.run(site.work, build, config, report.LOCKED, "", kunit.TIMEOUT["um"],
                            f"{site.version} um as exported", place, bench.console)
        results["kunit.py passes"] = _contract_broken(outcome, set())
    return tally(results)


def check_warnings(bench: Bench, name: str, line: str, arch: str = "x86_64") -> Tally:
    """W=1 C=1: no prefix of the series adds a warning to the files it touches.

    And none is in the suites, which are compiled with the whole series.
    """
    results: Dict[str, str] = {}
    base = bench.place(name)
    config = run.config_for(bench.repo, arch, False)
    packages.need(bench.console, config.packages())
    with bench.tree(line) as site:
        touched = site.series.touched()
        objects = [path[:-2] + ".o" for path in touched if path.endswith(".c")]
        suites = [path for path in worktree.overlay(bench.repo) if path.endswith(".c")]
        build = site.work.build_dir(config.label, "w1")
        stock: Set[str] = set()
        for count in range(len(site.series.patches) + 1):
            log = base / f"{count:02d}-{arch}.log"
            if count == len(site.series.patches):
                touched = touched + suites
                # Subjects of suites are included, and the helpers have no object of their own but as a module.
                objects = objects + [path[:-2] + ".o" for path in suites if str(Path(path).parent) == worktree.TESTS]
                objects.append(f"{worktree.TESTS}/")
                for path in suites:
                    (build / path).with_suffix(".o").unlink(missing_ok=True)
            bench.console.begin(f"compiling {len(objects)} files for {arch} with W=1 C=1, "
                                f"patch {count} of {len(site.series.patches)}")
            why = _compile(site, config, build, count, objects, log, bench.console)
            warned = set(_warnings(log, set(touched))) if log.exists() else set()
            bench.console.end("done" if not why else "FAILED")
            if count == 0:
                stock = warned
                if why:
                    return Tally(0, 1, 0, [f"stock: {why}"])
                continue
            new = sorted(warned - stock)
            if new and not why:
                why = f"{len(new)} new warnings, first: {new[0]}"
            results[f"W=1 C=1 after {site.series.patches[count - 1]}"] = why
    return tally(results)


def _compile(site: run.Site, config: kunit.Config, build: Path, count: int, objects: List[str],
             log: Path, console: Console) -> str:
    """Compile @objects after @count patches, every one anew; why it failed, or empty."""
    site.work.builds.mkdir(parents=True, exist_ok=True)
    build.mkdir(exist_ok=True)
    site.work.install(site.contents(site.series.patches[:count]), build, site.series.touched())
    status = proc.run([*kunit.kunit_py(site.work.tree), "config", *config.options(build)], log,
                      cwd=site.work.tree, limit=300, tick=console.tick)
    if status != 0:
        return one_line(" ".join(proc.tail(log, 3)))
    enabled = []
    for name in objects:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            (build / name).unlink()
    # -k: a file that this configuration leaves out has no rule, the others count all the same.
    status = proc.run(["make", f"O={build}", f"ARCH={config.arch}", f"CROSS_COMPILE={config.cross_compile}", "W=1", "C=1", "-k",
                       f"-j{len(os.sched_getaffinity(0))}", *objects], log,
                      cwd=site.work.tree, limit=1800, tick=console.tick)
    text = log.read_text(encoding="utf-8", errors="replace")
    enabled = [name for name in objects if (build / name).exists()]
    left_out = {name for name in objects if f"'{name}'" in text and "No rule to make target" in text}
    gone = [name for name in objects if name not in enabled and name not in left_out]
    if gone or not enabled:
        error = re.search(r"^.*\berror: .*$", text, re.M)
        return one_line(f"{report.some(gone or objects)} not compiled: "
                        f"{error.group(0) if error else f'make ended with {status}'}")
    return ""


def check_suites(bench: Bench, name: str, line: str, arch: str, stage: str) -> Tally:
    """The suites at one stage, under the contract that it honours; x86_64 checks its own locking."""
    return _hold(bench, name, line, stage, run.config_for(bench.repo, arch, arch == "x86_64"))


def check_modules(bench: Bench, name: str, line: str, stage: str) -> Tally:
    """x86_64, the suites as modules: inserted, removed and inserted again."""
    return _hold(bench, name, line, stage, run.config_for(bench.repo, modules.ARCH, True, as_modules=True))


def _hold(bench: Bench, name: str, line: str, stage: str, config: kunit.Config) -> Tally:
    """Whether the suites of @config hold at @stage, under the contract that it honours."""
    results, skips = _each_test(bench, bench.place(name), line, stage, config)
    return tally(results, len(skips))


def _each_test(bench: Bench, place: Path, line: str, stage: str,
               config: kunit.Config) -> Tuple[Dict[str, str], Dict[str, str]]:
    """What is wrong with each test that ran, and why the others did not; logs go to @place."""
    packages.need(bench.console, config.packages())
    with bench.tree(line) as site:
        wanted = site.series.stage(stage)
        contract = report.kept_by(stage)
        known = set()
        if stage == series.STOCK:
            known = report.read_defects(site.patches / "shows-defect.revalidate", config.arch) or set()
        outcome = run.stage_outcome(site, config, wanted.name, wanted.patches, contract, "", None, place)
    results = {}
    for test, status in outcome.tests.items():
        if status == kunit.SKIP:
            continue
        if test in known:
            results[test] = "passes, although a known defect must fail it" if status == kunit.PASS else ""
        else:
            results[test] = "" if status == kunit.PASS else \
                "; ".join(outcome.notes.get(test) or [status])
    wrong: List[klog.Splat] = [splat for splat in outcome.splats if not splat.expected]
    if outcome.died or not results:
        results["the guest"] = outcome.died or "no test ran"
    for splat in wrong:
        results[f"kernel.log:{splat.number}"] = f"unexpected splat: {splat.title}"
    return results, {test: outcome.skips.get(test, "") for test, status in outcome.tests.items() if status == kunit.SKIP}


class Variant(NamedTuple):
    """A configuration that lacks something, or has it otherwise: @without names tests that must be skipped there."""

    arch: str
    options: Sequence[str] = ()
    without: str = ""
    debug: bool = False


CONFIGURATIONS: Dict[str, Variant] = {
    "no swap": Variant("um", ["# CONFIG_SWAP is not set"], "*.swapped_page_*"),
    "no KSM": Variant("um", ["# CONFIG_KSM is not set"], "*.*ksm*"),
    "no DAMON": Variant("um", ["# CONFIG_DAMON_PADDR is not set", "# CONFIG_DAMON is not set"], "rmap_callers.damon_*"),
    "no DEBUG_VM": Variant("um", ["# CONFIG_DEBUG_VM is not set"], "rmap.*_asserts_folio_lock"),
    "all tests": Variant("um", ["CONFIG_KUNIT_ALL_TESTS=y"]),
    "no THP": Variant("x86_64", ["# CONFIG_TRANSPARENT_HUGEPAGE is not set"], "*.*thp*", debug=True),
    "no SMP": Variant("x86_64", ["# CONFIG_SMP is not set"]),
    "PREEMPT_RT": Variant("x86_64", ["CONFIG_EXPERT=y", "CONFIG_PREEMPT_RT=y"], debug=True),
    "64 KiB pages": Variant("arm64", ["CONFIG_ARM64_64K_PAGES=y"]),
    "clang": Variant("um"),
}


def check_configurations(bench: Bench, name: str, line: str) -> Tally:
    """Other configurations than the usual one: no warning, no failure, every skip with its reason."""
    place = bench.place(name)
    results: Dict[str, str] = {}
    lacking: List[str] = []
    skipped = 0
    ours = [part.text for part in export.parts(
        worktree.overlay(bench.repo)[f"{worktree.TESTS}/Makefile"].decode())]
    for what, other in CONFIGURATIONS.items():
        config = run.config_for(bench.repo, other.arch, other.debug, other.options, clang=what == "clang")
        where = place / what.replace(" ", "-")
        try:
            wrong, skips = _each_test(bench, where, line, report.LOCKED, config)
        except Stop as err:
            if "cannot have" in str(err):
                lacking.append(f"skipped: {err}")
            else:
                results[what] = str(err)
            continue
        skipped += len(skips)
        # The kernel's own tests need not hold in a configuration that nobody tries them in.
        theirs = {test: why for test, why in wrong.items() if why and re.fullmatch(r"\w+\.\w+", test) and test.split(".")[0] not in ours}
        lacking += [f"{what}: not ours, and fails: {test}: {one_line(why, 120)}" for test, why in theirs.items()]
        told = [f"{test}: {why}" for test, why in wrong.items() if why and test not in theirs]
        told += [f"{test} is skipped without a reason" for test, why in skips.items() if not why]
        told += [f"{test} is not skipped" for test in wrong if other.without and fnmatch.fnmatch(test, other.without)]
        told += _warnings(where / "build.log", {path for path in worktree.overlay(bench.repo) if path.endswith((".c", ".h"))})
        results[what] = f"{len(told)} things are wrong, first: {told[0]}" if told else ""
    found = tally(results, skipped)
    return found._replace(told=found.told + lacking)


def check_mutants(bench: Bench, name: str, line: str, stage: Optional[str] = None) -> Tally:
    """Every defect seeded in that stage, or in any, is caught by the suites."""
    done = mutants.State(mutants.results_dir(bench.repo, line) / mutants.STATE).whole
    # Results of a run that was cut off count, those of a whole one are history.
    score = mutants.measure(bench.site(line), mutants.Request(fresh=done, stage=stage), bench.console)
    files.write_json(bench.place(name) / "summary.json", score.value())
    results = {f"{arch}, unchanged": report.some(why) for arch, why in score.broken.items()}
    for mutant, result in score.results:
        results[f"{mutant.name} ({result.arch})"] = "" if result.caught_by else "no test catches it"
    found = tally(results)
    # Not a failure: another test has caught it.
    return found._replace(told=found.told + [
        f"{mutant.name} ({result.arch}): caught, but not by {report.some(result.silent(mutant))}"
        for mutant, result in score.results if result.caught_by and result.silent(mutant)])


def check_selftests(bench: Bench, line: str) -> Tally:
    """The kernel's user-space selftests of userfaultfd, stock beside patched."""
    score = selftests.measure(bench.repo, selftests.Request(kernel=line), bench.console)
    last = list(score.outcomes.values())[-1]
    results = {"the verdict": "" if score.verdict.status == HOLDS else score.verdict.sentence}
    passed = sum(1 for case in last.cases.values() if case.status == kunit.PASS)
    skipped = sum(1 for case in last.cases.values() if case.status == kunit.SKIP)
    found = tally(results, skipped)
    return found._replace(passed=found.passed + passed)


def check_bench(bench: Bench, name: str, line: str) -> Tally:
    """What a move costs and who waits for whom: every bound holds."""
    out = bench.place(name) / "bench.json"
    cost.bench(bench.repo, cost.Request(kernel=line, json=str(out)), bench.console)
    value = json.loads(out.read_text(encoding="utf-8"))
    results = {text: text for text in value["wrong"]}
    for bound in value["bounds"]:
        if bound["holds"] is None:
            # What should have been measured is in "wrong".
            continue
        where = f"{bound['figure']} on {bound['stage']}"
        results[where] = "" if bound["holds"] else f"{bound['value']}, must be {bound['must_be']}"
    return tally(results)


#: Callers that walk an unlocked folio, by line: on its older stages, as the kernel's authors found them.
WALK_UNLOCKED = {
    "6.12": {"folio_referenced", "page_idle_clear_pte_refs", "damon_folio_mkold", "damon_folio_young",
             "collect_procs_anon"},
    "6.1": {"folio_referenced", "page_idle_clear_pte_refs", "damon_pa_mkold", "damon_pa_young"},
}
#: A driver that nobody has looked at.
DRIVER = ("drivers/misc/walks_unlocked.c", b"""// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <linux/rmap.h>

void walks_unlocked(unsigned long pfn, struct rmap_walk_control *rwc)
{
	struct folio *folio = pfn_folio(pfn);

	if (folio_try_get(folio)) {
		rmap_walk(folio, rwc);
		folio_put(folio);
	}
}
""")
#: Where the semantic patch looks, and how often it finds something where walks are unlocked.
SEMANTIC = {"mm/damon/paddr.c": 2, "mm/page_idle.c": 1, "mm/rmap.c": 1}


def check_check(bench: Bench) -> Tally:
    """What `check` says of the source of each line and stage, and of a driver that walks unlocked."""
    results: Dict[str, str] = {}
    told: List[str] = []
    place = bench.place("check")
    spatch = shutil.which("spatch")
    for line in LINES:
        with bench.tree(line) as site:
            for stage in site.series.stages:
                contents = site.contents(stage.patches)
                last = stage is site.series.stages[-1]
                if last:
                    contents[DRIVER[0]] = DRIVER[1]
                site.work.install(contents, site.work.build_dir("um", stage.name), site.series.touched())
                results.update(_check_stage(bench, site, line, stage.name, last))
                if spatch is not None:
                    log = place / f"{line}-{stage.name}.spatch.log"
                    results[f"{line} {stage.name}: coccinelle"] = _semantic(bench, site, stage.name, last, log)
            # The driver goes.
            site.work.install(site.contents([]), site.work.build_dir("um", series.STOCK), site.series.touched())
    if spatch is None:
        told.append("skipped: coccinelle is not installed, so its semantic patch was not run")
    found = tally(results, int(spatch is None))
    return found._replace(told=found.told + told)


def _check_stage(bench: Bench, site: run.Site, line: str, stage: str, driver: bool) -> Dict[str, str]:
    """One stage, with the driver or without: who walks unlocked, and the verdict."""
    what = f"{line} {stage}"
    start = os.times()
    static = check.read_source(site.work.tree, bench.console)
    end = os.times()
    used = sum(end[:4]) - sum(start[:4])
    unlocked = {each.function for each in static.of(callers.UNLOCKED)}
    unsure = {each.function for each in static.of(callers.UNKNOWN)}
    apart = {hop.function for each in static.sites for way in each.ways if way.status == callers.FILE
             for hop in way.hops}
    results: Dict[str, str] = {}
    wanted = WALK_UNLOCKED[line] if report.kept_by(stage) == report.REVALIDATE else set()
    if driver:
        wanted = {"walks_unlocked"}
        verdict = check.judge(static, {}, set())
        seen = verdict.contract == check.NEITHER and any(DRIVER[0] in text for text in verdict.look)
        results[f"{what}: the driver is found"] = "" if seen else f"{verdict.sentence} {verdict.look}"
        static = static._replace(sites=[each for each in static.sites if each.file != DRIVER[0]])
    results[f"{what}: who walks unlocked"] = "" if unlocked == wanted and not unsure else \
        f"{sorted(unlocked)}, cannot tell {sorted(unsure)}; must be {sorted(wanted)}"
    contract = check.judge(static, {}, set()).contract
    # Linux 6.1 as it is has no revalidation either.
    should = check.NEITHER if line == "6.1" and stage == series.STOCK else report.kept_by(stage)
    results[f"{what}: the verdict"] = "" if contract == should else f"{contract}, must be {should}"
    results[f"{what}: the DAX walk is told apart"] = \
        "" if "mf_generic_kill_procs" in apart else f"it is not among {sorted(apart)}"
    # The machine may have other work: what counts is our own.
    results[f"{what}: in time"] = "" if used < 60 else f"{used:.0f} s of processor time"
    return results


def _semantic(bench: Bench, site: run.Site, stage: str, driver: bool, log: Path) -> str:
    """What is wrong with what the semantic patch finds in a stage; empty if nothing is."""
    names = [*SEMANTIC, "mm/memory-failure.c", "mm/vmscan.c", "mm/migrate.c", "mm/userfaultfd.c"]
    status = proc.run(["spatch", "-D", "report", "--very-quiet", "--no-includes", "--cocci-file",
                       str(bench.repo / "tools/coccinelle/rmap_walk_folio_lock.cocci"), *names,
                       *([DRIVER[0]] if driver else [])],
                      log, cwd=site.work.tree, limit=300, tick=bench.console.tick)
    found = re.findall(r"^(\S+?):\d+:\S* WARNING: ", log.read_text(encoding="utf-8", errors="replace"), re.M)
    wanted = [DRIVER[0]] if driver else []
    if report.kept_by(stage) == report.REVALIDATE:
        wanted += [name for name, count in SEMANTIC.items() for _ in range(count)]
    if status != 0:
        return f"spatch ended with {status}: {one_line(' '.join(proc.tail(log, 2)))}"
    return "" if sorted(found) == sorted(wanted) else f"finds {sorted(found)}, must find {sorted(wanted)}"


def check_kernelci(bench: Bench, name: str, job: str) -> Tally:
    """The three steps of KernelCI's kunit job, in a tree to which git am has applied the exported mailbox."""
    place = bench.place(name)
    wanted = kernelci.read_jobs(bench.repo)[job]
    packages.need(bench.console, run.config_for(bench.repo, wanted.arch, False).packages())
    with bench.tree() as site:
        work = worktree.WorkTree(site.work.base.with_name(f"kernelci-{wanted.arch}-{site.version}"), site.work.pristine)
        try:
            _export(bench, run.DEFAULT_LINE, place)
            _apply_mbox(site, place)
            tree = place / "tree"
            changed = _git(tree, "diff", "--name-only", "base").splitlines()
            work.populate(bench.console)
            work.install({path: (tree / path).read_bytes() for path in changed}, work.build_dir(wanted.arch, "kernelci"))
            failed, tests = kernelci.run_steps(work.tree, wanted, place, kunit.BUILD_LIMIT, bench.console)
        finally:
            # Built in the tree, as KernelCI does: nothing of it is of use to anybody else.
            files.remove_tree(work.base)
    results = {test: "" if status == kunit.PASS else status for test, status in tests.items() if status != kunit.SKIP}
    if failed or not results:
        results["the steps"] = failed or "no test ran"
    return tally(results, sum(status == kunit.SKIP for status in tests.values()))


def _suites(name: str, line: str, arch: str, stage: str) -> Callable[[Bench], Tally]:
    return functools.partial(check_suites, name=name, line=line, arch=arch, stage=stage)


USUAL: Dict[str, Callable[[Bench], Tally]] = {
    "unit": check_unit,
    "types": check_types,
    "style": check_style,
    "apply": check_apply,
    "check": check_check,
    "export": check_export,
    "suites-um": _suites("suites-um", "6.12", "um", "locked"),
    "suites-um-stock": _suites("suites-um-stock", "6.12", "um", "stock"),
    "suites-x86_64": _suites("suites-x86_64", "6.12", "x86_64", "locked"),
    "suites-6.1-um": _suites("suites-6.1-um", "6.1", "um", "locked"),
    "suites-6.1-um-revalidate": _suites("suites-6.1-um-revalidate", "6.1", "um", "revalidate"),
    "mutants": functools.partial(check_mutants, name="mutants", line="6.12", stage="locked"),
}

#: Checks that only run when they are asked for, by name or with --all: together they
#: take longer than one waits for.
ON_REQUEST: Dict[str, Callable[[Bench], Tally]] = {
    "each": functools.partial(check_each, name="each", line="6.12"),
    "commits": functools.partial(check_commits, name="commits", line="6.12"),
    "warnings": functools.partial(check_warnings, name="warnings", line="6.12"),
    "suites-um-batched": _suites("suites-um-batched", "6.12", "um", "batched"),
    "suites-x86_64-batched": _suites("suites-x86_64-batched", "6.12", "x86_64", "batched"),
    "mutants-batched": functools.partial(check_mutants, name="mutants-batched", line="6.12", stage="batched"),
    "warnings-arm64": functools.partial(check_warnings, name="warnings-arm64", line="6.12", arch="arm64"),
    "suites-arm64": _suites("suites-arm64", "6.12", "arm64", "locked"),
    "suites-6.1-x86_64": _suites("suites-6.1-x86_64", "6.1", "x86_64", "locked"),
    "suites-6.1-x86_64-revalidate": _suites("suites-6.1-x86_64-revalidate", "6.1", "x86_64", "revalidate"),
    "suites-6.1-um-batched": _suites("suites-6.1-um-batched", "6.1", "um", "batched"),
    "suites-6.1-x86_64-batched": _suites("suites-6.1-x86_64-batched", "6.1", "x86_64", "batched"),
    "each-6.1": functools.partial(check_each, name="each-6.1", line="6.1"),
    "commits-6.1": functools.partial(check_commits, name="commits-6.1", line="6.1"),
    "warnings-6.1": functools.partial(check_warnings, name="warnings-6.1", line="6.1"),
    "warnings-6.1-arm64": functools.partial(check_warnings, name="warnings-6.1-arm64", line="6.1", arch="arm64"),
    "suites-6.1-arm64": _suites("suites-6.1-arm64", "6.1", "arm64", "locked"),
    "mutants-6.1": functools.partial(check_mutants, name="mutants-6.1", line="6.1"),
    "modules-x86_64": functools.partial(check_modules, name="modules-x86_64", line="6.12", stage="locked"),
    "selftests": functools.partial(check_selftests, line="6.12"),
    "selftests-6.1": functools.partial(check_selftests, line="6.1"),
    "bench": functools.partial(check_bench, name="bench", line="6.12"),
    "bench-6.1": functools.partial(check_bench, name="bench-6.1", line="6.1"),
    "configurations": functools.partial(check_configurations, name="configurations", line="6.12"),
    "configurations-6.1": functools.partial(check_configurations, name="configurations-6.1", line="6.1"),
    "kernelci-um": functools.partial(check_kernelci, name="kernelci-um", job="kunit-mm-um"),
    "kernelci-x86_64": functools.partial(check_kernelci, name="kernelci-x86_64", job="kunit-mm-x86_64"),
    "kernelci-arm64": functools.partial(check_kernelci, name="kernelci-arm64", job="kunit-mm-arm64"),
}

CHECKS = {**USUAL, **ON_REQUEST}

#: About how many minutes each takes on two CPUs that do nothing else, with its kernels
#: still to be built; what shares a build with one before it has that already.
MINUTES: Dict[str, int] = {
    "unit": 3, "types": 1, "style": 1, "apply": 2, "check": 5, "export": 4, "suites-um": 5, "suites-um-stock": 1,
    "suites-x86_64": 10, "suites-6.1-um": 4, "suites-6.1-um-revalidate": 1, "mutants": 30,
    "each": 4, "commits": 6, "warnings": 10, "suites-um-batched": 1, "suites-x86_64-batched": 3, "suites-6.1-um-batched": 1,
    "suites-6.1-x86_64-batched": 3, "mutants-batched": 8,
    "warnings-arm64": 10, "suites-arm64": 8, "suites-6.1-x86_64": 8, "suites-6.1-x86_64-revalidate": 3, "each-6.1": 6,
    "commits-6.1": 6, "warnings-6.1": 12, "warnings-6.1-arm64": 12, "suites-6.1-arm64": 8, "mutants-6.1": 25,
    "modules-x86_64": 10, "selftests": 12, "selftests-6.1": 12, "bench": 40, "bench-6.1": 40,
    "configurations": 40, "configurations-6.1": 40,
    "kernelci-um": 6, "kernelci-x86_64": 10, "kernelci-arm64": 10,
}

_WIDTH = max(len(name) for name in CHECKS)


def _about(function: Callable[[Bench], Tally]) -> str:
    """What a check is about."""
    if isinstance(function, functools.partial):
        words = [value for key, value in function.keywords.items() if key != "name"]
        return f"{' '.join(words)}: {(function.func.__doc__ or '').splitlines()[0]}"
    return (function.__doc__ or "").splitlines()[0]


def test(repo: Path, names: Sequence[str], every: bool, only_list: bool, console: Console) -> int:
    """Run the checks called @names (default: all but ON_REQUEST, with @every those too); the exit status.

    The first line printed says about how long that takes, the last one is
    `N passed, N failed`.
    """
    for name in names:
        if name not in CHECKS:
            raise Stop(f"unknown check '{name}': see locked-rmap test --list")
    if only_list:
        for name, function in CHECKS.items():
            asked = ", on request" if name in ON_REQUEST else ""
            console.line(f"{name:<{_WIDTH}} {_about(function)} ({MINUTES[name]} min{asked})")
        return HOLDS
    packages.need(console, [*packages.BUILD, *packages.ARCH["x86_64"], *packages.TEST])
    bench = Bench(repo, console)
    chosen = [name for name in CHECKS if name in (names or (CHECKS if every else USUAL))]
    minutes = sum(MINUTES[name] for name in chosen)
    console.line(f"{len(chosen)} of {len(CHECKS)} checks: on two CPUs about {minutes // 60} h {minutes % 60:02d} min, "
                 "less where kernels are built already")
    passed = failed = 0
    for name in chosen:
        function = CHECKS[name]
        started = time.monotonic()
        try:
            result = function(bench)
        except (Stop, OSError) as err:
            console.drop()
            result = Tally(0, 1, 0, [one_line(str(err))])
        passed += result.passed
        failed += result.failed
        skipped = f", {result.skipped} skipped" if result.skipped else ""
        word = console.paint("FAILED", "31;1") if result.failed else console.paint("ok", "32")
        console.line(f"{name:<{_WIDTH}} {word}: {result.passed} passed, {result.failed} failed{skipped}, "
                     f"{clock(time.monotonic() - started)}")
        for text in result.told[:20]:
            console.line(f"    {one_line(text, 300)}")
        if result.failed:
            console.line(f"    logs: {run.relative(bench.results / name)}")
    console.line(f"{passed} passed, {failed} failed")
    return BROKEN if failed else HOLDS
