# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the series: style, that they apply, and that each patch of them stands alone."""

import contextlib
import functools
import re
from pathlib import Path
from typing import Dict, List, Set

from ..base import files, proc
from ..base.console import Console
from ..base.errors import Stop, one_line
from ..base.results import PASS, Outcome, some
from ..guest import kunit
from ..guest.build import Config, build, config_for, kunit_py
from ..kernel import line as lines
from ..kernel import overlay, packages, series, source
from ..kernel.line import Line, read_defects
from ..kernel.series import LOCKED, REVALIDATE
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
            todo += [(f"{which}/{name}", [str(place_of / name)]) for name in series.Series(place_of).patches]
        for path in sorted((desk.repo / overlay.TESTS).rglob("*")):
            if path.suffix in (".c", ".h") or path.name in ("Kconfig", "Makefile"):
                todo.append((str(path.relative_to(desk.repo)), ["-f", str(path)]))
        for path in sorted((desk.repo / "tools" / "guest").glob("*.c")):
            todo.append((str(path.relative_to(desk.repo)), ["-f", str(path)]))
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
        match = re.match(r"(?:\.\./|\./|/\S*?/tree/)*(\S+?):\d+(?::\d+)?: +(?:warning|error): (.*)", line)
        if match and any(match.group(1).endswith(name) for name in touched):
            found.append(f"{match.group(1)}: {match.group(2)}")
    return found


def broken(outcome: Outcome, known: Set[str]) -> str:
    """Why @outcome is not green, @known failures apart; empty if it is."""
    bad = [name for name, status in outcome.tests.items()
           if status in (FAIL, CRASH) and name not in known]
    wrong = [splat.title for splat in outcome.splats if not splat.expected]
    if outcome.died:
        return outcome.died
    if bad:
        return f"{len(bad)} tests fail ({some(bad)})"
    if wrong:
        return f"{len(wrong)} splats ({wrong[0]})"
    return "" if PASS in outcome.tests.values() else "no test ran"


def each(desk: Desk, name: str, line: str) -> Tally:
    """Each prefix of the series builds without warnings and honours a contract."""
    results: Dict[str, str] = {}
    base = desk.place(name)
    config = config_for(desk.repo, "um", False)
    with desk.held(line) as line:
        known = read_defects(line.patches / "shows-defect.revalidate", "um") or set()
        # Where stock has no such contract, what shows that is to be expected until the stage of that name.
        until = next((len(stage.patches) for stage in line.series.stages if stage.name == REVALIDATE),
                     len(line.series.patches) + 1)
        touched = set(line.series.touched())
        build = line.work.build_dir(config.label, "each")
        for count, patch in enumerate(line.series.patches, 1):
            results[f"builds and runs after {patch}"] = _one_prefix(
                desk, line, config, build, count, base / f"{count:02d}-um", touched, known if count < until else set())
    return tally(results)


def _one_prefix(desk: Desk, line: Line, config: Config, build: Path, count: int,
                place: Path, touched: Set[str], known: Set[str]) -> str:
    place.mkdir(parents=True)
    what = f"{line.version} um after patch {count} of {len(line.series.patches)}"
    try:
        contents = line.contents(line.series.patches[:count])
        line.work.open_build(build, config.label, desk.console)
        line.work.install(contents, build, line.series.touched())
        build(line.work, build, config, what, place / "build.log", desk.console)
        warned = warnings_in(place / "build.log", touched)
        if warned:
            return f"{len(warned)} warnings, first: {warned[0]}"
        broken = {}
        for contract in (LOCKED, REVALIDATE):
            logs = place / contract
            logs.mkdir()
            outcome = kunit.run(line.work, build, config, contract, "", kunit.TIMEOUT["um"],
                                f"{what}, contract {contract}", logs, desk.console)
            broken[contract] = broken(outcome, known if contract == REVALIDATE else set())
            if not broken[contract]:
                return ""
        return "neither contract holds: " + "; ".join(f"{key}: {why}" for key, why in broken.items())
    except Stop as err:
        return str(err)


def warnings(desk: Desk, name: str, line: str, arch: str = "x86_64") -> Tally:
    """W=1 C=1: no prefix of the series adds a warning to the files it touches.

    And none is in the suites, which are compiled with the whole series.
    """
    results: Dict[str, str] = {}
    base = desk.place(name)
    config = config_for(desk.repo, arch, False)
    packages.need(desk.console, config.packages())
    with desk.held(line) as line:
        touched = line.series.touched()
        objects = [path[:-2] + ".o" for path in touched if path.endswith(".c")]
        suites = [path for path in overlay.suites(desk.repo) if path.endswith(".c")]
        build = line.work.build_dir(config.label, "w1")
        stock: Set[str] = set()
        for count in range(len(line.series.patches) + 1):
            log = base / f"{count:02d}-{arch}.log"
            if count == len(line.series.patches):
                touched = touched + suites
                objects = objects + [path[:-2] + ".o" for path in suites]
            desk.console.begin(f"compiling {len(objects)} files for {arch} with W=1 C=1, "
                                f"patch {count} of {len(line.series.patches)}")
            why = _compile(line, config, build, count, objects, log, desk.console)
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
            results[f"W=1 C=1 after {line.series.patches[count - 1]}"] = why
    return tally(results)


def _compile(line: Line, config: Config, build: Path, count: int, objects: List[str],
             log: Path, console: Console) -> str:
    """Compile @objects after @count patches, every one anew; why it failed, or empty."""
    line.work.builds.mkdir(parents=True, exist_ok=True)
    build.mkdir(exist_ok=True)
    line.work.install(line.contents(line.series.patches[:count]), build, line.series.touched())
    status = proc.run([*kunit_py(line.work.tree), "config", *config.options(build)], log,
                      cwd=line.work.tree, limit=300, tick=console.tick)
    if status != 0:
        return one_line(" ".join(proc.tail(log, 3)))
    enabled = []
    for name in objects:
        with contextlib.suppress(FileNotFoundError):
            (build / name).unlink()
    # -k: a file that this configuration leaves out has no rule, the others count all the same.
    status = proc.run(["make", f"O={build}", f"ARCH={config.arch}", f"CROSS_COMPILE={config.cross_compile}", "W=1", "C=1", "-k",
                       f"-j{jobs()}", *objects], log,
                      cwd=line.work.tree, limit=1800, tick=console.tick)
    text = log.read_text(encoding="utf-8", errors="replace")
    enabled = [name for name in objects if (build / name).exists()]
    left_out = {name for name in objects if f"'{name}'" in text and "No rule to make target" in text}
    gone = [name for name in objects if name not in enabled and name not in left_out]
    if gone or not enabled:
        error = re.search(r"^.*\berror: .*$", text, re.M)
        return one_line(f"{some(gone or objects)} not compiled: "
                        f"{error.group(0) if error else f'make ended with {status}'}")
    return ""
