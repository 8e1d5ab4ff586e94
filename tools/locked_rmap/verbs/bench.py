# SPDX-License-Identifier: GPL-2.0-only
"""Measures what a move costs, in instructions, and who waits for whom.

QEMU counts instructions, so the figures of a guest do not depend on the machine that
it runs on.  Who waits for whom is seen in a guest with two CPUs and CONFIG_LOCK_STAT, and
how many pages threads move together in one with as many as the machine has, and on UML.
"""

import argparse
import os
from typing import Any, Dict, Sequence

from ..base import files, proc
from ..base.errors import Stop
from ..base.options import Tool, kernel, path, stages, target, timeout, tree
from ..base.results import Results, relative
from ..guest import bounds, collector, figures
from ..guest.bounds import Bound
from ..guest.figures import Stages
from ..guest.measure import ARCH, LIMIT, Wanted, configs, cpus, measure
from ..kernel import packages, source
from ..kernel.line import Line
from ..report import costs, page


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    kernel(parser)
    stages(parser, "all")
    tree(parser)
    parser.add_argument("--no-contention", dest="contention", action="store_false",
                        help="leave out the guests with several CPUs")
    parser.add_argument("--no-collector", dest="collector", action="store_false",
                        help="leave out the guests in which a program compacts a heap")
    parser.add_argument("--profile", action="store_true",
                        help="also tell in which functions a move spends its instructions")
    parser.add_argument("--json", type=target, metavar="FILE",
                        help="write all that was measured as JSON; - for standard output")
    parser.add_argument("--svg", type=path, metavar="FILE", help="write the chart")
    parser.add_argument("--html", type=path, metavar="FILE", help="write a page with all results")
    timeout(parser)


def main(args: argparse.Namespace, tool: Tool) -> int:
    """Do what @args says; the exit status.  Raises Stop if it cannot be done."""
    console = tool.console
    if args.kernel is not None:
        source.check_line(args.kernel)
    for option, where in (("--json", args.json), ("--svg", args.svg), ("--html", args.html)):
        files.check_target(option, where)
    if os.environ.get("LOCKED_RMAP_ACCEL", "tcg") not in ("", "tcg"):
        raise Stop("LOCKED_RMAP_ACCEL asks for another accelerator, and QEMU counts instructions "
                   "under TCG alone: unset it")
    packages.need(console, [*configs(tool.repo)[0].packages(), *packages.PAGE,
                            *(packages.TREE if args.tree else ())])
    line = Line(tool.repo, source.open_cache(), console, args.kernel, args.tree)
    chosen = line.series.chosen(args.stages)
    bounds.ceilings(line.series)
    wanted = Wanted(args.contention, args.collector, args.profile, args.timeout or LIMIT)
    with Results(tool.repo, f"bench-{line.name}", kernel=line.version, line=line.name,
                 arch=ARCH) as results:
        found = measure(line, chosen, wanted, results)
        held = bounds.bounds(found, line.series, args.contention)
        results.verdict = bounds.judge(line.version, found, held)
        results.more = summary(found, held)
        chart = costs.chart(line.version, found)
        drawn = page.render("chart.svg.j2", chart=chart, width=640) if chart else ""
        if drawn:
            files.write_atomic(results.temp / "bench.svg", drawn.encode())
    tables = list(costs.tables(found))
    for table in tables:
        table.show(console)
    if args.contention and cpus() < 2:
        console.line(console.paint("throughput not measured: threads would have to share the one "
                                   "CPU", "33"))
    costs.tell(console, found, held, results.verdict)
    files.write_target(args.json, files.as_json(results.value()))
    if drawn:
        files.write_target(args.svg, drawn)
    if args.html is not None:
        page.write(tool, args.html, "bench", {**results.value(), "tables": tables, "chart": chart})
    where = f"chart: {relative(results.final / 'bench.svg')}" if drawn \
        else "no chart: no move was measured"
    console.line(f"{where}; logs: {relative(results.final)} (summary.json, and for each stage "
                 "kernel.log and kunit.log of every guest)")
    return results.verdict.status


def summary(found: Stages, held: Sequence[Bound]) -> Dict[str, Any]:
    """What was measured, for programs, beside what each guest said."""
    every = figures.names(found)
    return {
        "tools": {name: proc.output([name, "--version"]).stdout.split("\n")[0]
                  for name in ("gcc", f"qemu-system-{ARCH}")},
        "cpus": cpus(),
        "wrong": bounds.shortcomings(found, held),
        "bounds": [{"figure": bound.figure, "stage": bound.stage, "must_be": bound.words,
                    "value": bound.value, "limit": bound.limit, "holds": bound.holds,
                    "why": bound.why} for bound in held],
        "costs": {name: {
            "figures": {figure: {"value": stage.value(figure), "runs": stage.values(figure),
                                 "unit": figures.unit(found, figure),
                                 "repeats": stage.repeats(figure)}
                        for figure in every if stage.values(figure)},
            "collector": {count: {
                "figures": {figure: {"value": value, "again": outcome.again.get(figure),
                                     "unit": collector.UNITS[figure.split(".")[-1]]}
                            for figure, value in outcome.figures.items()},
                "wrong": outcome.wrong, "skipped": outcome.skipped,
                "seconds": round(outcome.seconds, 1)}
                          for count, outcome in stage.compacted.items()},
            "profiles": {calls: {function: round(value, 3) for function, value in
                                 sorted(by.items(), key=lambda pair: -pair[1])}
                         for calls, by in stage.profiles.items()},
        } for name, stage in found.items()},
    }
