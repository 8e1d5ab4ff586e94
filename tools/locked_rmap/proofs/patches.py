# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the series: style, that they apply, and that each patch of them stands alone."""

import contextlib
import functools
import re
from pathlib import Path
from typing import Dict, List, Set

from ..base import proc
from ..base.errors import Stop, one_line
from ..base.results import PASS, Outcome, some
from ..guest.build import Config, build_stage, config_for, kunit_py
from ..guest.suites import run_stage
from ..kernel import line as lines
from ..kernel import overlay, packages, series, source, steps
from ..kernel.line import Line, defects_name, read_defects
from ..kernel.series import CONTRACTS, NONE, REVALIDATE, STOCK, Stage
from .desk import Check, Desk, Tally, jobs, tally

#: Options of checkpatch: the patches get their Signed-off-by from whoever sends
#: them, and the commits in Fixes: tags cannot be looked up outside of git.
CHECKPATCH = ("--strict", "--no-signoff", "--no-summary", "--terse", "--color=never",
              "--ignore", "UNKNOWN_COMMIT_ID")


def style(desk: Desk) -> Tally:
    """checkpatch --strict on every patch and every file of the suites."""
    place = desk.place("style")
    results: Dict[str, str] = {}
    with desk.held() as line:
        todo = []
        for which in lines.names(desk.repo):
            place_of = lines.patches_dir(desk.repo, which)
            todo += [(f"{which}/{name}", [str(place_of / name)])
                     for name in series.Series(place_of).patches]
        for path in sorted((desk.repo / overlay.TESTS).rglob("*")):
            if path.suffix in (".c", ".h") or path.name in ("Kconfig", "Makefile"):
                todo.append((str(path.relative_to(desk.repo)), ["-f", str(path)]))
        for path in sorted((desk.repo / "tools" / "guest").glob("*.c")):
            todo.append((str(path.relative_to(desk.repo)), ["-f", str(path)]))
        for path in sorted((desk.repo / "tools" / "static").glob("*.[ch]")):
            # The names and types of LLVM and GLib are as they are.
            todo.append((str(path.relative_to(desk.repo)),
                         ["--ignore", "UNKNOWN_COMMIT_ID,CAMELCASE,SPACING", "-f", str(path)]))
        for name, arguments in todo:
            log = place / f"{name.replace('/', '_')}.log"
            # In the work tree: it keeps notes in its directory, and pristine stays pristine.
            status = proc.run(["perl", "scripts/checkpatch.pl", *CHECKPATCH, *arguments], log,
                              cwd=line.work.tree, limit=120, tick=desk.console.tick)
            told = proc.tail(log, 100)
            results[f"checkpatch {name}"] = "" if status == 0 and not told else one_line(
                f"{len(told)} complaints, first: {told[0] if told else f'status {status}'}")
    return tally(results)


def apply(desk: Desk) -> Tally:
    """Each series applies without fuzz to every point release that apt offers."""
    store = source.Store(source.open_cache(), desk.console)
    results: Dict[str, str] = {}
    for name in lines.names(desk.repo):
        line = desk.line(name)
        known = source.offered(name)
        if not known:
            results[f"linux-source-{name}"] = "apt offers none"
        for package in known:
            try:
                origin = store.some_files(package, line.series.touched())
                series.apply(line.series, line.series.patches, origin)
                results[f"applies to {package.version}"] = ""
            except Stop as err:
                results[f"applies to {package.version}"] = str(err)
    return tally(results)


def warnings_in(log: Path, touched: Set[str]) -> List[str]:
    """Compiler warnings in @log about @touched files, with their line numbers taken out."""
    found = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        match = re.match(r"(?:\.\./|\./|/\S*?/tree/)*(\S+?):\d+(?::\d+)?: +"
                         r"(?:warning|error): (.*)", line)
        if match and any(match.group(1).endswith(name) for name in touched):
            found.append(f"{match.group(1)}: {match.group(2)}")
    return found


def broken(outcome: Outcome, known: Set[str]) -> str:
    """Why @outcome is not green, @known failures apart; empty if it is."""
    bad = [name for name in outcome.failed if name not in known]
    if outcome.died:
        return outcome.died
    if bad:
        return f"{len(bad)} tests fail ({some(bad)})"
    if outcome.unexpected:
        return f"{len(outcome.unexpected)} splats ({outcome.unexpected[0].title})"
    return "" if outcome.of(PASS) else "no test ran"


def each(desk: Desk, name: str, line: str) -> Tally:
    """Each prefix of the series builds without warnings and honours a contract."""
    results: Dict[str, str] = {}
    base = desk.place(name)
    with desk.held(line) as at:
        known = read_defects(at.patches / defects_name(REVALIDATE, STOCK), "um") or set()
        # Where stock does not keep it, tests that show that fail until a stage brings it.
        brings = at.series.first(REVALIDATE)
        until = len(brings.patches) if brings and brings.patches else len(at.series.patches) + 1
        for count, patch in enumerate(at.series.patches, 1):
            results[f"builds and runs after {patch}"] = _one_prefix(
                at, count, base / f"{count:02d}-um", known if count < until else set())
    return tally(results)


def _one_prefix(line: Line, count: int, place: Path, known: Set[str]) -> str:
    """What is wrong once @count patches are applied."""
    config = config_for(line.repo, "um")
    prefix = Stage("each", line.series.patches[:count], NONE)
    try:
        where = build_stage(line, config, prefix, place)
        warned = warnings_in(place / "build.log", set(line.series.touched()))
        if warned:
            return f"{len(warned)} warnings, first: {warned[0]}"
        why = {}
        for contract in CONTRACTS:
            logs = place / contract
            logs.mkdir()
            outcome = run_stage(line, config, where, prefix, contract, logs, line.console)
            why[contract] = broken(outcome, known if contract == REVALIDATE else set())
            if not why[contract]:
                return ""
        return "neither contract holds: " + "; ".join(f"{key}: {text}" for key, text in why.items())
    except Stop as err:
        return str(err)


def warnings(desk: Desk, name: str, line: str, arch: str) -> Tally:
    """W=1 C=1: no prefix of the series adds a warning to the files it touches.

    And none is in the suites, which are compiled with the whole series.
    """
    results: Dict[str, str] = {}
    base = desk.place(name)
    config = config_for(desk.repo, arch)
    packages.need(desk.console, config.packages())
    with desk.held(line) as at:
        touched = at.series.touched()
        objects = [path[:-2] + ".o" for path in touched if path.endswith(".c")]
        stock: Set[str] = set()
        for count in range(len(at.series.patches) + 1):
            log = base / f"{count:02d}-{arch}.log"
            if count == len(at.series.patches):
                touched = touched + [path for path in overlay.suites(desk.repo)
                                     if path.endswith((".c", ".h"))]
                # Files of the helpers' directory have no target of their own.
                objects = objects + [f"{overlay.TESTS}/"]
                for name in steps.objects(overlay.suites(desk.repo)):
                    (at.work.build_dir(config.label, "w1") / name).unlink(missing_ok=True)
            desk.console.begin(f"compiling {len(objects)} files for {arch} with W=1 C=1, "
                               f"patch {count} of {len(at.series.patches)}")
            why = _compile(at, config, count, objects, log)
            warned = set(warnings_in(log, set(touched))) if log.exists() else set()
            desk.console.end("done" if not why else "FAILED")
            if count == 0:
                stock = warned
                if why:
                    return Tally(0, 1, 0, [f"stock: {why}"])
                continue
            new = sorted(warned - stock)
            if new and not why:
                why = f"{len(new)} new warnings, first: {new[0]}"
            results[f"W=1 C=1 after {at.series.patches[count - 1]}"] = why
    return tally(results)


def _compile(line: Line, config: Config, count: int, objects: List[str], log: Path) -> str:
    """Compile @objects after @count patches, every one anew; why it failed, or empty."""
    where = line.work.build_dir(config.label, "w1")
    where.mkdir(parents=True, exist_ok=True)
    line.work.install(line.contents(line.series.patches[:count]), where, line.series.touched())
    status = proc.run([*kunit_py(line.work.tree), "config", *config.options(where)], log,
                      cwd=line.work.tree, limit=300, tick=line.console.tick)
    if status != 0:
        return one_line(" ".join(proc.tail(log, 3)))
    for name in objects:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            (where / name).unlink()
    # -k: a file that this configuration leaves out has no rule, the others count all the same.
    status = proc.run(["make", f"O={where}", f"ARCH={config.arch}",
                       f"CROSS_COMPILE={config.cross_compile}",
                       "W=1", "C=1", "-k", f"-j{jobs()}", *objects], log,
                      cwd=line.work.tree, limit=1800, tick=line.console.tick)
    text = log.read_text(encoding="utf-8", errors="replace")
    made = [name for name in objects if (where / name).exists()]
    left_out = {name for name in objects if f"'{name}'" in text
                and "No rule to make target" in text}
    gone = [name for name in objects if name not in made and name not in left_out]
    if gone or not made:
        error = re.search(r"^.*\berror: .*$", text, re.M)
        return one_line(f"{some(gone or objects)} not compiled: "
                        f"{error.group(0) if error else f'make ended with {status}'}")
    return ""


def checks(desk: Desk) -> List[Check]:
    """Those of this file."""
    found = [Check("style", "checkpatch --strict on every patch and every file of C", style, 1,
                   on_request=False),
             Check("apply", "each series applies to every point release that apt offers", apply, 2,
                   on_request=False)]
    for line in lines.names(desk.repo):
        found.append(Check(f"each-{line}", f"each patch of {line} builds and keeps a contract",
                           functools.partial(
            each, name=f"each-{line}", line=line), 5))
        for arch in ("x86_64", "arm64"):
            name = f"warnings-{line}-{arch}"
            found.append(Check(name, f"no patch of {line} adds a warning with W=1 C=1 on {arch}",
                               functools.partial(
                warnings, name=name, line=line, arch=arch), 11))
    return found
