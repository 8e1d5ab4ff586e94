# SPDX-License-Identifier: GPL-2.0-only
"""Configures and builds kernels: for the suites by the kernel's own kunit.py, others by kbuild."""

import contextlib
import hashlib
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence

from ..base import files, proc
from ..base.console import Console
from ..base.errors import Stop, one_line
from ..kernel import packages
from ..kernel.line import Line
from ..kernel.overlay import TESTS
from ..kernel.series import Stage
from ..kernel.worktree import WorkTree, mark_path

#: Seconds that a build may take before something must be wrong.
BUILD_LIMIT = 3600
#: The names of Debian's cross compilers, where a kernel for another machine is built on x86_64.
CROSS_COMPILE = {"arm64": "aarch64-linux-gnu-"}
#: Where kernels of the suites run.
ARCHES = ("um", "x86_64", "arm64")
#: Where the suites can be modules.
MODULES_ARCH = "x86_64"


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
        name = self.arch + ("-debug" if self.debug else "")
        if self.coverage_config:
            name += "-coverage"
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
        """What the names of compiler and tools begin with, if this machine is of another kind."""
        return CROSS_COMPILE.get(self.arch, "") if os.uname().machine == "x86_64" else ""

    def compiler(self) -> str:
        """The command that compiles the kernel."""
        return "clang" if self.clang else f"{self.cross_compile}gcc"

    def options(self, build: Path) -> List[str]:
        """kunit.py's options that `build` and `exec` have in common."""
        found = [f"--build_dir={build}",
                 *(f"--kunitconfig={path}" for path in self.instead or (TESTS,))]
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


class BuildFailed(Stop):
    """The kernel does not build."""


class Lacking(BuildFailed):
    """This kernel cannot have an option that was asked for."""


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
                    elif entry.name.endswith(".o"):
                        count += entry.stat(follow_symlinks=False).st_mtime >= since
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
    for path in (config.debug_config if config.debug else None, config.qemu_config,
                 config.coverage_config, *config.instead):
        parts.append(path.read_text(encoding="utf-8") if path is not None else "")
    command = [*kunit_py(work.tree), "build", *config.options(where),
               f"--jobs={len(os.sched_getaffinity(0))}", *extra]
    make(work, where, config.label, [command], parts, what, log, console)


def make(work: WorkTree, where: Path, label: str, commands: Sequence[Sequence[str]],
         parts: Sequence[str],
         what: str, log: Path, console: Console) -> None:
    """Run @commands, which make a kernel of the tree in @where, unless it is made already.

    @label names the configuration; @parts is all that decides what is made, apart
    from the tree and the compiler.  Raises BuildFailed.
    """
    print_of = _fingerprint(work, where, parts)
    done = mark_path(where, "done")
    kept = mark_path(where, "log")
    if (kept.exists() and (where / "vmlinux").exists()
        and not mark_path(where, "building").exists() and done.exists()
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
        raise why_not_built(what, log, status, where)
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


def why_not_built(what: str, log: Path, status: int, where: Path) -> BuildFailed:
    """The error for a build in @where that ended with @status, its output in @log."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if status == 124:
        return BuildFailed(f"{what} did not build within {BUILD_LIMIT // 60} min: see {log}")
    if files.full(where, text):
        return BuildFailed(f"no space left on the disk while building {what}: "
                           "free some, then run again")
    missing = re.search(r"^Missing: (.*)$", text, re.M)
    if "Not all Kconfig options" in text and missing:
        return Lacking(f"{what} cannot have {one_line(missing.group(1), 160)}: "
                       "take it out of the configuration, or use another --arch")
    error = re.search(r"^.*(?:\berror: |undefined reference|No rule to make target|"
                      r"command not found|ERROR: ).*$", text, re.M)
    if error is None:
        error = re.search(r"^.*\bError \d+.*$", text, re.M)
    first = one_line(error.group(0), 200) if error else one_line(" ".join(proc.tail(log, 2)), 200)
    return BuildFailed(f"{what} does not build: {first}; full output in {log}")


def config_for(repo: Path, arch: str, debug: bool = False, kconfig_add: Sequence[str] = (),
               measured: bool = False, clang: bool = False, as_modules: bool = False) -> Config:
    """The build configuration for an architecture; Stop if it is unknown.

    @measured: one that counts how often lines run; @clang: not built with gcc;
    @as_modules: with the suites as modules.
    """
    if arch not in ARCHES:
        raise Stop(f"unknown architecture '{arch}': give one of {', '.join(ARCHES)}")
    if measured and arch != "um":
        raise Stop(f"--coverage is for um alone, not for {arch}: drop --arch")
    if measured and clang:
        raise Stop("--coverage reads what gcc counts: drop --clang")
    if as_modules and arch != MODULES_ARCH:
        raise Stop(f"--modules is for {MODULES_ARCH} alone, not for {arch}: drop --arch")
    qemu = None if arch == "um" else repo / "tools" / "qemu_configs" / f"{arch}.py"
    configs = repo / "tools" / "configs"
    return Config(arch, debug, tuple(kconfig_add), qemu, configs / "debug.config",
                  configs / "coverage.config" if measured else None, clang,
                  config_lines(configs / "modules.config") if as_modules else ())


def config_lines(path: Path) -> Sequence[str]:
    """The options that the file @path sets."""
    return tuple(text for text in path.read_text(encoding="utf-8").splitlines()
                 if text.startswith("CONFIG_"))


def called(line: Line, config: Config, stage: Stage) -> str:
    """What the kernel of a stage is called in messages."""
    return f"{line.version} {config.label} {stage.name}"


def build_stage(line: Line, config: Config, stage: Stage, results: Path) -> Path:
    """Put a stage in place and build it, the log goes to @results; its O= directory.

    Raises Stop if the stage cannot be put in place or built.
    """
    results.mkdir(parents=True, exist_ok=True)
    # The place of its counters is written into an object: it is of no use elsewhere.
    where = _install(line, config.label, stage, copy=config.coverage_config is None)
    build(line.work, where, config, called(line, config, stage), results / "build.log",
          line.console)
    return where


def _install(line: Line, label: str, stage: Stage, copy: bool = True) -> Path:
    """Put a stage in place; its O= directory, ready to be built in."""
    contents = line.contents(stage.patches)
    where = line.work.build_dir(label, stage.name)
    line.work.open_build(where, label, line.console, copy)
    line.work.install(contents, where, line.series.touched())
    return where


def build_small(line: Line, stage: Stage, log: Path, config: str) -> Path:
    """Build a stage for x86_64 of allnoconfig and the file of @config; the kernel's image."""
    arch = "x86_64"
    fragment = line.repo / "tools" / "configs" / f"{config}.config"
    label = f"{arch}-{config}"
    where = _install(line, label, stage)
    command = ["make", "--no-print-directory", f"O={where}", f"ARCH={arch}",
               f"-j{len(os.sched_getaffinity(0))}"]
    # kconfig drops what it cannot have without a word.
    check = ('missing=$(grep -vxF -f "$1" "$2" | grep "^CONFIG_" | tr "\\n" " "); '
             'test -z "$missing" || { printf "Not all Kconfig options were taken\\n'
             'Missing: %s\\n" "$missing"; exit 1; }')
    commands = [[*command, f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig"],
                ["sh", "-c", check, "sh", str(where / ".config"), str(fragment)],
                [*command, "bzImage"]]
    make(line.work, where, label, commands, [fragment.read_text(encoding="utf-8")],
         f"{line.version} {label} {stage.name}", log, line.console)
    return where / "arch/x86/boot/bzImage"
