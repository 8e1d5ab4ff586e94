# SPDX-License-Identifier: GPL-2.0-only
"""Runs the suites on a kernel line, stock beside patched."""

import argparse
from pathlib import Path
from typing import Dict, List

from ..base import files
from ..base.console import Console
from ..base.errors import BROKEN, Stop
from ..base.options import Tool, count, kconfig, kernel, path, stages, timeout, tree
from ..base.results import Outcome, Results, relative
from ..guest import coverage, suites
from ..guest.build import ARCHES, MODULES_ARCH, build_stage, called, config_for
from ..guest.judge import judge
from ..kernel import packages, source
from ..kernel.line import Line, defects_of, fingerprint, must_fail
from ..kernel.series import CONTRACTS, LOCKED, STOCK, Stage
from ..report import text

#: The summary of the last whole run of a line, beside that of the last run.
WHOLE = "whole.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    kernel(parser)
    parser.add_argument("--arch", help=f"one of {', '.join(ARCHES)} (default: um)")
    stages(parser, "all; with --contract revalidate, stock and those that keep it")
    parser.add_argument("--contract", default=LOCKED, choices=CONTRACTS,
                        help="contract to hold the kernel to (default: locked)")
    tree(parser)
    parser.add_argument("--debug", action="store_true",
                        help="enable DEBUG_VM, PROVE_LOCKING and DEBUG_ATOMIC_SLEEP")
    parser.add_argument("--clang", action="store_true",
                        help="build with clang and LLVM's tools instead of gcc")
    parser.add_argument("--kconfig_add", action="append", default=[], metavar="CONFIG_X=Y",
                        type=kconfig,
                        help="add an option to the kernel configuration; repeatable")
    timeout(parser)
    parser.add_argument("--repeat", type=count("runs"), default=1, metavar="N",
                        help="run each guest N times and count failing runs")
    parser.add_argument("--coverage", action="store_true",
                        help="on UML: measure which lines of the code under test run, on the "
                             "last stage")
    parser.add_argument("--modules", action="store_true",
                        help="on x86_64: insert the suites as modules and read their results from "
                             "debugfs")
    parser.add_argument("--all", action="store_true", help="print every test")
    parser.add_argument("--html", type=path, metavar="FILE",
                        help="write all results to an HTML page")
    parser.add_argument("glob", nargs="?", default="", metavar="SUITE_GLOB",
                        help="suites or tests to run, such as rmap or 'rmap_callers.page_idle*' "
                             "(default: all)")


def main(args: argparse.Namespace, tool: Tool) -> int:
    """Do what @args says; the exit status.  Raises Stop if it cannot be done."""
    console = tool.console
    if args.kernel is not None:
        source.check_line(args.kernel)
    files.check_target("--html", args.html)
    config = config_for(tool.repo, args.arch or (MODULES_ARCH if args.modules else "um"),
                        args.debug,
                        args.kconfig_add, args.coverage, args.clang, args.modules)
    packages.need(console, [*config.packages(), *(packages.TREE if args.tree else ())])
    line = Line(tool.repo, source.open_cache(), console, args.kernel, args.tree)
    chosen = _stages(line, args)
    defects = defects_of(line, chosen, args.contract, config.arch)
    # All tests, on all stages, of Debian's kernel: what the cover letter of an export shows.
    whole = not (args.tree or args.glob or args.stages or args.kconfig_add or args.coverage
                 or args.contract != LOCKED)
    ran = fingerprint(tool.repo, line.series)
    told: List[str] = []
    enough = True
    results = Results(tool.repo, f"run-{'tree' if args.tree else line.name}-{config.label}",
                      (WHOLE,), kernel=line.version, line=line.name, arch=config.arch,
                      contract=args.contract, debug=args.debug, input=ran)
    with results:
        results.more["must_fail"] = {name: sorted(tests) for name, tests in defects.items()}
        with line.held():
            for stage in chosen:
                place = results.place(stage.name)
                build = build_stage(line, config, stage, place)
                if args.coverage:
                    coverage.forget(build)

                def once(logs: Path, out: Console, stage: Stage = stage,
                         build: Path = build) -> Outcome:
                    return suites.run_stage(line, config, build, stage, args.contract, logs, out,
                                            args.glob, args.timeout)

                if args.repeat == 1:
                    results.put(stage.name, once(place, console))
                    text.suites(console, stage.name, results.of()[stage.name])
                    continue
                known = must_fail(stage.name, chosen[-1].name, args.contract, defects)
                tally = suites.runs(args.repeat, called(line, config, stage), known, place, once,
                                    console)
                results.put(stage.name, tally.kept)
                results.more.setdefault("runs", {})[stage.name] = {"runs": tally.runs,
                                                                   "bad_runs": tally.bad}
                told.append(console.paint(tally.sentence(stage.name), "31;1" if tally.bad
                                          else "32"))
                enough = enough and not tally.bad
            if args.coverage:
                measured, wrong = coverage.measure(line, build, place, console)
                enough, sentence = coverage.judge(measured, wrong)
                told += [*coverage.table(measured),
                         console.paint(sentence, "32" if enough else "31;1")]
        outcomes = results.of()
        results.verdict = judge(outcomes, args.contract, defects, bool(args.glob))
        if whole:
            files.write_json(results.temp / WHOLE, results.value())
    text.run(console, outcomes, defects, config.arch, args.all)
    for each in told:
        console.line(each)
    console.line(console.paint(results.verdict.sentence, results.verdict.colour))
    if args.html is not None:
        from ..report import page  # pylint: disable=import-outside-toplevel
        page.write(tool, args.html, "run", results.value())
    console.line(f"logs: {relative(results.final)} (summary.json; for each stage kernel.log, "
                 "kunit.log, build.log)")
    return results.verdict.status if enough else max(results.verdict.status, BROKEN)


def _stages(line: Line, args: argparse.Namespace) -> List[Stage]:
    """The stages that are to run, in the order of the series."""
    default = [stage.name for stage in line.series.stages
               if stage.name == STOCK or args.contract in (LOCKED, stage.contract)]
    chosen = line.series.chosen(args.stages, default[-1:] if args.coverage else default)
    if args.coverage:
        coverage.check(line)
        if len(chosen) > 1 or args.repeat > 1:
            raise Stop("--coverage takes one run of one stage: drop --repeat and give one --stage")
    return chosen
