# SPDX-License-Identifier: GPL-2.0-only
"""Drives the kernel's own kunit.py: configure and build, run, read its results."""

import contextlib
import hashlib
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ..base import files, proc
from . import klog
from ..kernel import packages
from ..base.console import Console
from ..base.errors import Stop, one_line
from ..kernel.worktree import TESTS, WorkTree, mark_path

PASS, FAIL, SKIP, CRASH = "PASS", "FAIL", "SKIP", "CRASH"
WORST = {SKIP: 0, PASS: 1, CRASH: 2, FAIL: 3}

#: Seconds that a guest may take for all tests, by architecture.
TIMEOUT = {"um": 60, "x86_64": 120, "arm64": 240}
#: Seconds that kunit.py gets on top to end by itself.
SLACK = 30
#: Seconds that a build may take before something must be wrong.
BUILD_LIMIT = 3600
#: The names of Debian's cross compilers, where a kernel for another machine is built on x86_64.
CROSS_COMPILE = {"arm64": "aarch64-linux-gnu-"}


class Config(NamedTuple):
    """What is built and how it is run: one O= directory per label and stage."""

    arch: str
    debug: bool
    kconfig_add: Sequence[str]
    qemu_config: Optional[Path]
    debug_config: Path
    #: For coverage on UML: the file with its options.
    coverage_config: Optional[Path] = None
    #: Build with clang and LLVM's tools, not with gcc.
    clang: bool = False
    #: For suites as modules: what changes, as entries of a configuration.
    modules: Sequence[str] = ()
    #: What stands in for the suites' own configuration; the last one's name goes into the label.
    instead: Sequence[Path] = ()
    #: More of QEMU's options, after those of @qemu_config.
    qemu_args: str = ""
    #: More arguments for the kernel that runs.
    kernel_args: Sequence[str] = ()

    @property
    def label(self) -> str:
        """Names the O= directories: um, x86_64-debug."""
        name = self.arch + ("-debug" if self.debug else "") + ("-coverage" if self.coverage_config else "")
        if self.clang:
            name += "-clang"
        if self.modules:
            name += "-modules"
        if self.instead:
            name += f"-{self.instead[-1].stem}"
        if self.kconfig_add:
            name += "-" + hashlib.sha256("\n".join(self.kconfig_add).encode()).hexdigest()[:8]
        return name

    def packages(self) -> List[str]:
        """The Debian packages that it takes to build and run."""
        found = [*packages.BUILD, *packages.ARCH[self.arch]]
        if self.clang:
            found += packages.CLANG
        if self.cross_compile and not self.clang:
            found += packages.CROSS[self.arch]
        return found

    @property
    def cross_compile(self) -> str:
        """What stands before the names of the compiler and its tools, if this machine is of another kind."""
        return CROSS_COMPILE.get(self.arch, "") if os.uname().machine == "x86_64" else ""

    def compiler(self) -> str:
        """The command that compiles the kernel."""
        return "clang" if self.clang else f"{self.cross_compile}gcc"

    def options(self, build: Path) -> List[str]:
        """kunit.py's options that `build` and `exec` have in common."""
        found = [f"--build_dir={build}", *(f"--kunitconfig={path}" for path in self.instead or (TESTS,))]
        if self.debug:
            found.append(f"--kunitconfig={self.debug_config}")
        if self.coverage_config is not None:
            found.append(f"--kunitconfig={self.coverage_config}")
            # libgcov has a function of the name of one of the kernel's.
            found.append("--make_options=KCFLAGS=-Dmangle_path=k_mangle_path")
        # These may say otherwise than the files.
        found += [f"--kconfig_add={entry}" for entry in (*self.modules, *self.kconfig_add)]
        if self.clang:
            found.append("--make_options=LLVM=1")
        elif self.cross_compile:
            found.append(f"--cross_compile={self.cross_compile}")
        if self.arch != "um":
            found.append(f"--arch={self.arch}")
            if self.qemu_config is not None:
                found.append(f"--qemu_config={self.qemu_config}")
            if self.qemu_args:
                found.append(f"--qemu_args={self.qemu_args}")
        return found


class Outcome(NamedTuple):
    """What one guest's run came to."""

    tests: Dict[str, str]
    skips: Dict[str, str]
    notes: Dict[str, List[str]]
    splats: List[klog.Splat]
    seconds: float
    #: Why the guest did not get to the end, in words; empty if it did.
    died: str


class BuildFailed(Stop):
    """The kernel does not build or cannot be configured as asked."""


def kunit_py(tree: Path) -> List[str]:
    """The command that starts the tree's own kunit.py."""
    return [sys.executable, str(tree / "tools/testing/kunit/kunit.py")]


def _count_objects(build: Path, since: float) -> int:
    count = 0
    pending = [str(build)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif entry.name.endswith(".o") and entry.stat(follow_symlinks=False).st_mtime >= since:
                        count += 1
        except OSError:
            pass
    return count


def build(work: WorkTree, where: Path, config: Config, what: str, log: Path, console: Console,
          extra: Sequence[str] = ()) -> None:
    """Configure and build the tree as it stands, output going to @log.

    @extra is more options for kunit.py build.  Raises BuildFailed, with the
    compiler's first error in the line.
    """
    parts = [sys.executable, *config.options(where), *extra]
    if config.compiler() != "gcc":
        parts.append(proc.output([config.compiler(), "--version"]).stdout)
    for path in (config.debug_config if config.debug else None, config.qemu_config, config.coverage_config,
                 *config.instead):
        parts.append(path.read_text(encoding="utf-8") if path is not None else "")
    command = [*kunit_py(work.tree), "build", *config.options(where),
               f"--jobs={len(os.sched_getaffinity(0))}", *extra]
    make(work, where, config.label, [command], parts, what, log, console)


def make(work: WorkTree, where: Path, label: str, commands: Sequence[Sequence[str]], parts: Sequence[str],
         what: str, log: Path, console: Console) -> None:
    """Run @commands, which make a kernel of the tree in @where, unless it is made already.

    @label names the configuration; @parts is all that decides what is made, apart
    from the tree and the compiler.  Raises BuildFailed.
    """
    print_of = _fingerprint(work, where, parts)
    done = mark_path(where, "done")
    kept = mark_path(where, "log")
    if (kept.exists() and (where / "vmlinux").exists() and not mark_path(where, "building").exists() and done.exists()
            and done.read_text(encoding="utf-8") == print_of):
        # Nothing that goes into this kernel has changed: spare make the search.
        shutil.copyfile(kept, log)
        console.line(f"building {what}: up to date")
        return
    with contextlib.suppress(FileNotFoundError):
        done.unlink()
    record = where.parent / f"{label}.objects"
    expected = files.read_json(record) or 0
    fresh = not (where / ".config").exists()
    marker = mark_path(where, "building")
    marker.touch()
    since = time.time()

    def tick() -> None:
        if console.wants_tick():
            done = _count_objects(where, since - 1)
            of = f" of about {expected}" if fresh and expected else ""
            console.tick(f"{done}{of} objects")

    console.begin(f"building {what}")
    status = 0
    for command in commands:
        status = proc.run(command, log, cwd=work.tree, limit=BUILD_LIMIT, tick=tick)
        if status != 0:
            break
    # make ended by itself, so it removed what it had half written.
    if status != 124:
        with contextlib.suppress(FileNotFoundError):
            marker.unlink()
    if status != 0:
        console.drop()
        raise BuildFailed(why_not_built(what, log, status, where))
    if fresh:
        files.write_json(record, _count_objects(where, 0))
    shutil.copyfile(log, kept)
    files.write_atomic(done, print_of.encode())
    console.end()


def _fingerprint(work: WorkTree, where: Path, parts: Sequence[str]) -> str:
    """A digest of @parts and of all else that decides what a build in @where makes."""
    # Whatever compiles the kernel, this compiles the programs that its build runs.
    every = [proc.output(["gcc", "--version"]).stdout, *parts]
    for name, entry in sorted(work.read_ledger(where).items()):
        every.append(f"{name} {entry[0]} {entry[1]}")
    every.append(work.stamp())
    return hashlib.sha256("\0".join(every).encode()).hexdigest()


def why_not_built(what: str, log: Path, status: int, where: Path) -> str:
    """The line for a build in @where that ended with @status, its output in @log."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if status == 124:
        return f"{what} did not build within {BUILD_LIMIT // 60} min: see {log}"
    if files.full(where, text):
        return f"no space left on the disk while building {what}: free some, then run again"
    missing = re.search(r"^Missing: (.*)$", text, re.M)
    if "Not all Kconfig options" in text and missing:
        return (f"{what} cannot have {one_line(missing.group(1), 160)}: "
                f"take it out of the configuration, or use another --arch")
    error = re.search(r"^.*(?:\berror: |undefined reference|No rule to make target|"
                      r"command not found|ERROR: ).*$", text, re.M)
    if error is None:
        error = re.search(r"^.*\bError \d+.*$", text, re.M)
    first = one_line(error.group(0), 200) if error else one_line(" ".join(proc.tail(log, 2)), 200)
    return f"{what} does not build: {first}; full output in {log}"


def run(work: WorkTree, where: Path, config: Config, contract: str, glob: str, timeout: int,
        what: str, results: Path, console: Console) -> Outcome:
    """Run the suites in the kernel of @where; files go to @results.

    Never raises for what the guest does: a guest that hangs or dies gives an
    Outcome whose tests without a result are CRASH.
    """
    raw = where / "test.log"
    with contextlib.suppress(FileNotFoundError):
        raw.unlink()
    out = results / "kunit.log"
    result = results / "kunit.json"
    arguments = [f"--timeout={timeout}", *(f"--kernel_args={text}" for text in
                                           (f"rmap_kunit.contract={contract}", *config.kernel_args))]
    console.begin(f"running the suites on {what}")
    started = time.monotonic()
    child = proc.Child([*kunit_py(work.tree), "exec", *config.options(where), f"--json={result}",
                        *arguments, *([glob] if glob else [])], out, cwd=work.tree)
    hung = False
    try:
        # kunit.py ends the guest after @timeout; if that fails, end the guest for it
        # (it then writes its log and results), and at last kunit.py itself.
        if child.wait(timeout + SLACK, console.tick) is None:
            hung = True
            child.kill_children()
            if child.wait(SLACK / 2, console.tick) is None:
                child.kill()
    finally:
        child.kill(grace=1)
        _keep(raw, results / "kernel.log")
    seconds = time.monotonic() - started
    text = (results / "kernel.log").read_text(encoding="utf-8", errors="replace")
    console_text = out.read_text(encoding="utf-8", errors="replace")
    hung = hung or bool(re.search(r"timed out after [\d.]+ seconds", console_text))
    if not result.exists():
        proc.run([*kunit_py(work.tree), "parse", f"--json={result}", str(results / "kernel.log")],
                 results / "kunit.log", cwd=work.tree, limit=60)
    found = klog.ktap(text)
    tests = read_results(files.read_json(result), found)
    died = ""
    if not found.whole or hung:
        died = f"the guest hung and was ended after {timeout} s" if hung else "the guest died"
        if not text.strip():
            died += f" without a word: see {out.name}"
        last = klog.splats(text)
        if last and not hung:
            died += f" ({last[-1].title})"
        names = _list(work, where, config, contract, glob, timeout, results, console)
        for name in names:
            tests.setdefault(name, CRASH)
        for bare in [name for name in tests if "." not in name]:
            if any(name.startswith(bare + ".") for name in tests):
                del tests[bare]
        if names:
            tests = {name: tests[name] for name in [*names, *sorted(set(tests) - set(names))]}
    splats = klog.splats(text)
    crashed = sum(1 for status in tests.values() if status == CRASH)
    console.end(f"{len(tests)} tests" + (f", {died}" if died else "")
                + (f", {crashed} without a result" if crashed else ""))
    return Outcome(tests,
                   {name: case.reason for name, case in found.cases.items() if case.status == "skip"},
                   {name: case.notes for name, case in found.cases.items() if case.notes},
                   splats, seconds, died)


def _keep(raw: Path, place: Path) -> None:
    if raw.exists():
        shutil.copyfile(raw, place)
    else:
        place.touch()


def _list(work: WorkTree, where: Path, config: Config, contract: str, glob: str, timeout: int,
          results: Path, console: Console) -> List[str]:
    """The names of the tests that should have run, asked of the kernel itself."""
    log = results / "list.log"
    with contextlib.suppress(FileNotFoundError):
        log.unlink()
    proc.run([*kunit_py(work.tree), "exec", *config.options(where), "--list_tests",
              f"--timeout={timeout}", f"--kernel_args=rmap_kunit.contract={contract}",
              *([glob] if glob else [])],
             log, cwd=work.tree, limit=timeout + SLACK, tick=console.tick)
    return [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
            if re.fullmatch(r"[^\s.\[\]]+\.[^\s.]+", line)]


def read_results(value: Any, found: klog.Ktap) -> Dict[str, str]:
    """Merge kunit.py's JSON with the log's own result lines, the worse one of each.

    @value is what kunit.py wrote, None if it wrote nothing.  The log has the
    verdict on a test that has parameters, the JSON only those on each of them.
    """
    tests: Dict[str, str] = {}
    words = {"ok": PASS, "not ok": FAIL, "skip": SKIP}
    for name, told in found.cases.items():
        tests[name] = words[told.status]

    def worse(name: str, status: str) -> None:
        if name not in tests or WORST[status] > WORST[tests[name]]:
            tests[name] = status

    def leaves(group: Any) -> List[str]:
        here = [_status(case) for case in group.get("test_cases", [])]
        for sub in group.get("sub_groups", []):
            here += leaves(sub)
        return here

    groups = value if isinstance(value, dict) else {}
    for suite in groups.get("sub_groups", []):
        for case in suite.get("test_cases", []):
            if case.get("name"):
                worse(f"{suite['name']}.{case['name']}", _status(case))
        for test in suite.get("sub_groups", []):
            bad = [status for status in leaves(test) if status in (FAIL, CRASH)]
            if test.get("name") and bad:
                worse(f"{suite['name']}.{test['name']}", max(bad, key=lambda status: WORST[status]))
    for case in groups.get("test_cases", []):
        # A suite of which no test was seen.
        if case.get("name") and _status(case) in (FAIL, CRASH):
            worse(case["name"], CRASH)
    return tests


def _status(case: Any) -> str:
    return {"PASS": PASS, "SKIP": SKIP, "ERROR": CRASH}.get(case.get("status"), FAIL)
