# SPDX-License-Identifier: GPL-2.0-only
"""Checks that run the command as people do, and read its summary.json."""

import fnmatch
import functools
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from ..base import files
from ..base.errors import Stop, one_line
from ..base.results import CRASH, FAIL, PASS, SKIP, SUITES, results_dir, some
from ..guest import build, suites
from ..guest.build import ARCHES, Lacking, config_for
from ..kernel import defects, overlay, packages
from ..kernel import line as lines
from ..kernel.series import LOCKED, NONE, Stage
from .desk import Check, Desk, Tally, tally
from .patches import warnings_in

#: Minutes that a check takes, by architecture, with its kernel still to be built.
MINUTES = {"um": 3, "x86_64": 8, "arm64": 8}


def _summary(desk: Desk, name: str) -> Dict[str, Any]:
    """What the command wrote down in the results called @name."""
    found: Dict[str, Any] = files.read_json(results_dir(desk.repo) / name / "summary.json") or {}
    if not found:
        raise Stop(f"{results_dir(desk.repo) / name} has no summary.json")
    return found


def run(desk: Desk, name: str, line: str, arch: str, stage: Stage,
        options: Sequence[str] = ()) -> Tally:
    """The suites at one stage, under the contract that it keeps; x86_64 checks its own locking."""
    debug = ["--debug"] if arch == "x86_64" else []
    desk.command(name, "run", "--kernel", line, "--arch", arch, "--stage", stage.name, "--contract",
                 stage.contract, *debug, *options)
    config = config_for(desk.repo, arch, bool(debug), as_modules="--modules" in options)
    value = _summary(desk, f"run-{line}-{config.label}")
    told = value["stages"][stage.name][SUITES]
    known = set(value["must_fail"].get(stage.name, ()))
    results: Dict[str, str] = {}
    for test, status in told["tests"].items():
        if status != SKIP and test in known:
            results[test] = "passes, although a known defect must fail it" if status == PASS else ""
        elif status != SKIP:
            results[test] = "" if status == PASS else "; ".join(told["notes"].get(test) or [status])
    if value["status"] != 0 and not any(results.values()):
        results["the verdict"] = value["verdict"]
    return tally(results, list(told["tests"].values()).count(SKIP))


def mutants(desk: Desk, name: str, line: str, stage: Stage) -> Tally:
    """Every defect seeded in a stage is caught by the suites."""
    # Results of a run that was cut off count, those of a whole one are history.
    state = files.read_json(results_dir(desk.repo) / f"mutants-{line}" / "state.json") or {}
    desk.command(name, "mutants", "--kernel", line, "--stage", stage.name,
                 *(["--fresh"] if stage.name in state.get("ended", ()) else []))
    value = _summary(desk, f"mutants-{line}")
    results = {f"{arch}, unchanged": some(why)
               for arch, why in value["unchanged_not_green"].items()}
    silent = []
    for each in value["mutants"]:
        called = f"{each['name']} ({each['arch']})"
        results[called] = "" if each["caught"] else "no test catches it"
        if each["caught"] and each["expected_but_silent"]:
            # Not a failure: another test has caught it.
            silent.append(f"{called}: caught, but not by {some(each['expected_but_silent'])}")
    return tally(results, told=silent)


def selftests(desk: Desk, name: str, line: str) -> Tally:
    """The kernel's user-space selftests of userfaultfd, stock beside patched."""
    desk.command(name, "selftests", "--kernel", line)
    value = _summary(desk, f"selftests-{line}")
    last = list(value["stages"].values())[-1][SUITES]["tests"]
    found = tally({"the verdict": "" if value["status"] == 0 else value["verdict"]},
                  list(last.values()).count(SKIP))
    return found._replace(passed=found.passed + list(last.values()).count(PASS))


def bench(desk: Desk, name: str, line: str) -> Tally:
    """What a move costs and who waits for whom: every bound holds."""
    desk.command(name, "bench", "--kernel", line)
    value = _summary(desk, f"bench-{line}")
    results = {text: text for text in value["wrong"]}
    for bound in value["bounds"]:
        # What should have been measured and was not is in "wrong".
        if bound["holds"] is not None:
            results[f"{bound['figure']} on {bound['stage']}"] = \
                "" if bound["holds"] else f"{bound['value']}, must be {bound['must_be']}"
    return tally(results)


class Variant(NamedTuple):
    """An unusual configuration; tests that @without names must be skipped there."""

    arch: str
    options: Sequence[str] = ()
    without: str = ""
    debug: bool = False


CONFIGURATIONS: Dict[str, Variant] = {
    "no swap": Variant("um", ["# CONFIG_SWAP is not set"], "*.swapped_page_*"),
    "no KSM": Variant("um", ["# CONFIG_KSM is not set"], "*.*ksm*"),
    "no DAMON": Variant("um", ["# CONFIG_DAMON_PADDR is not set", "# CONFIG_DAMON is not set"],
                        "rmap_callers.damon_*"),
    "no DEBUG_VM": Variant("um", ["# CONFIG_DEBUG_VM is not set"], "rmap.*_asserts_folio_lock"),
    "all tests": Variant("um", ["CONFIG_KUNIT_ALL_TESTS=y"]),
    "no THP": Variant("x86_64", ["# CONFIG_TRANSPARENT_HUGEPAGE is not set"], "*.*thp*",
                      debug=True),
    "no SMP": Variant("x86_64", ["# CONFIG_SMP is not set"]),
    "PREEMPT_RT": Variant("x86_64", ["CONFIG_EXPERT=y", "CONFIG_PREEMPT_RT=y"], debug=True),
    "64 KiB pages": Variant("arm64", ["CONFIG_ARM64_64K_PAGES=y"]),
    "clang": Variant("um"),
}


def configurations(desk: Desk, name: str, line: str, stage: Stage) -> Tally:
    """Unusual configurations: no warning, no failure, every skip with its reason."""
    place = desk.place(name)
    results: Dict[str, str] = {}
    lacking: List[str] = []
    skipped = 0
    for what, other in CONFIGURATIONS.items():
        try:
            wrong, unfit, count = _variant(desk, place / what.replace(" ", "-"), line, stage, what,
                                           other)
            lacking += unfit
            skipped += count
            results[what] = f"{len(wrong)} things are wrong, first: {wrong[0]}" if wrong else ""
        except Lacking as err:
            lacking.append(f"skipped: {err}")
        except Stop as err:
            results[what] = str(err)
    return tally(results, skipped, lacking)


def _variant(desk: Desk, where: Path, name: str, stage: Stage, what: str,
             other: Variant) -> Tuple[List[str], List[str], int]:
    """What is wrong in a configuration, what fails that is not ours, and the number of skips."""
    config = config_for(desk.repo, other.arch, other.debug, other.options, clang=what == "clang")
    packages.need(desk.console, config.packages())
    with desk.held(name) as line:
        kernel = build.build_stage(line, config, stage, where)
        outcome = suites.run_stage(line, config, kernel, stage, stage.contract, where, desk.console)
    ours = [path.name[:-len("_kunit.c")] for path in (desk.repo / overlay.TESTS).glob("*_kunit.c")]
    bad = {test: "; ".join(outcome.notes.get(test) or [outcome.tests[test]])
           for test in outcome.of(FAIL, CRASH)}
    # The kernel's own tests need not hold in a configuration that nobody tries them in.
    theirs = [test for test in bad if test.split(".")[0] not in ours]
    told = [f"{test}: {why}" for test, why in bad.items() if test not in theirs]
    told += [f"unexpected splat: {splat.title}" for splat in outcome.unexpected]
    told += [outcome.died] if outcome.died else []
    told += [f"{test} is skipped without a reason" for test in outcome.of(SKIP)
             if not outcome.skips.get(test)]
    told += [f"{test} is not skipped" for test in outcome.of(PASS, FAIL, CRASH)
             if other.without and fnmatch.fnmatch(test, other.without)]
    told += warnings_in(where / "build.log", {path for path in overlay.suites(desk.repo)
                                              if path.endswith((".c", ".h"))})
    return told, [f"{what}: not ours, and fails: {test}: {one_line(bad[test], 120)}"
                  for test in theirs], \
        len(outcome.of(SKIP))


def checks(desk: Desk) -> List[Check]:
    """Those of this file: they follow from lines, stages and architectures."""
    found: List[Check] = []
    names = lines.names(desk.repo)
    for line in names:
        series = lines.read_series(desk.repo, line)
        first = [series.first(stage.contract) for stage in series.stages]
        locked = series.first(LOCKED)
        for arch in ARCHES:
            for stage in series.stages:
                if stage.contract == NONE:
                    continue
                # Always: each contract of a line on UML, the default line's `locked` on x86_64.
                usual = stage in first and (arch == "um" or (
                    arch == "x86_64" and stage is locked and line == names[0]))
                name = f"suites-{line}-{arch}-{stage.name}"
                found.append(Check(name, f"the suites on {line}, {arch}, at {stage.name}",
                                   functools.partial(
                    run, name=name, line=line, arch=arch, stage=stage), MINUTES[arch], not usual))
        place = desk.repo / "tools" / "mutants" / f"linux-{line}"
        seeded = {each.stage or (locked.name if locked else "")
                  for each in defects.read_all(place)} \
            if place.is_dir() else set()
        for stage in series.stages:
            if stage.name in seeded:
                name = f"mutants-{line}-{stage.name}"
                usual = stage is locked and line == names[0]
                found.append(Check(name, f"the defects seeded in {line} at {stage.name}",
                                   functools.partial(
                    mutants, name=name, line=line, stage=stage), 30 if stage is locked else 8,
                                   not usual))
        if locked is None:
            continue
        found += [
            Check(f"modules-{line}", f"the suites of {line} as modules, on x86_64",
                  functools.partial(
                run, name=f"modules-{line}", line=line, arch="x86_64", stage=locked,
                options=["--modules"]), 10),
            Check(f"selftests-{line}", f"the kernel's own tests of userfaultfd on {line}",
                  functools.partial(
                selftests, name=f"selftests-{line}", line=line), 12),
            Check(f"bench-{line}", f"the bounds on what a move costs on {line}", functools.partial(
                bench, name=f"bench-{line}", line=line), 40),
            Check(f"configurations-{line}", f"other configurations of {line}", functools.partial(
                configurations, name=f"configurations-{line}", line=line, stage=locked), 40)]
    return found
