# SPDX-License-Identifier: GPL-2.0-only
"""Tells which contract a tree honours, or who breaks it."""

import argparse
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from ..base import files
from ..base.console import Console
from ..base.errors import BROKEN, HOLDS, Stop
from ..base.options import Tool, path, target, timeout, tree
from ..base.results import Outcome, Results, Verdict, relative
from ..guest.build import ARCHES, build_stage, config_for
from ..guest.evidence import NEITHER, Judgement, Row, Runs, judge, known_defects, rows
from ..guest.suites import run_stage
from ..kernel import packages, source
from ..kernel.callers import Caller, belongs_to
from ..kernel.callers import read as read_callers
from ..kernel.line import Line
from ..kernel.series import CONTRACTS, REVALIDATE, STOCK
from ..report import checked, page, sarif
from ..static.callers import ROOTS, STATUSES, Place
from ..static.contract import Static, kernel_tree, read_source
from ..static.mentions import Mentions


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    tree(parser, required=True)
    parser.add_argument("--static", action="store_true",
                        help="read the source only; build and run nothing")
    parser.add_argument("--arch", dest="arches", action="append", default=[], metavar="ARCH",
                        help=f"where to run the suites: {', '.join(ARCHES)}; repeatable "
                             "(default: um)")
    parser.add_argument("--json", type=target, metavar="FILE",
                        help="write all findings as JSON; - is standard output")
    parser.add_argument("--sarif", type=target, metavar="FILE",
                        help="write what is wrong as SARIF, for editors and CI systems")
    parser.add_argument("--quick", action="store_true",
                        help="list the calls without a compiler; proves nothing")
    parser.add_argument("--ways", action="store_true",
                        help="print every call, proved or not, with all its ways")
    parser.add_argument("--html", type=path, metavar="FILE",
                        help="write all findings to an HTML page")
    timeout(parser)


def main(args: argparse.Namespace, tool: Tool) -> int:
    """Do what @args says; the exit status.  Raises Stop if it cannot be done."""
    repo, console = tool.repo, tool.console
    arches = list(dict.fromkeys(args.arches)) or ["um"]
    if args.static and args.arches:
        raise Stop("--static runs nothing: drop --arch")
    files.check_target("--json", args.json)
    files.check_target("--html", args.html)
    files.check_target("--sarif", args.sarif)
    try:
        where, version = kernel_tree(args.tree)
    except PermissionError as err:
        raise Stop(f"{err.filename} cannot be read: make the tree readable "
                   "and run again") from err
    if args.quick:
        return quick(where, console)
    configs = {arch: config_for(repo, arch) for arch in arches}
    table = read_callers(repo)
    static = read_source(repo, where, console)
    with Results(repo, "check", kernel=version, tree=str(where)) as results:
        runs: Dict[str, Dict[str, Outcome]] = {}
        if not args.static:
            packages.need(console, [*packages.TREE, *(name for config in configs.values()
                                                      for name in config.packages())])
            line = Line(repo, source.open_cache(), console, None, where)
            stock = line.series.stage(STOCK)
            with line.held():
                for arch, config in configs.items():
                    build = build_stage(line, config, stock, results.place(arch))
                    runs[arch] = {}
                    for contract in CONTRACTS:
                        outcome = run_stage(line, config, build, stock, contract,
                                            results.place(arch, contract),
                                            console, timeout=args.timeout)
                        runs[arch][contract] = outcome
                        results.put(arch, outcome, contract)
        verdict = judge(static, runs, known_defects(repo, static), table)
        matrix = rows(repo, version, static, runs, table)
        value = summary(where, version, static, runs, matrix, verdict, table)
        results.verdict = Verdict(HOLDS if verdict.contract != NEITHER else BROKEN,
                                  verdict.sentence)
        results.more = value
    checked.show(console, static, matrix, verdict, f"Linux {version}, {where}", args.static,
                 args.ways)
    if not args.static:
        console.line(f"logs: {relative(results.final)}")
    files.write_target(args.json, files.as_json(value))
    files.write_target(args.sarif, files.as_json(sarif.log(
        static, verdict.contract == REVALIDATE)))
    if args.html is not None:
        page.write(tool, args.html, "check", value)
    return results.verdict.status


def quick(tree: Path, console: Console) -> int:
    """List the calls of what walks in @tree; nothing is proved."""
    mentions = Mentions(tree)
    found = [each for each in mentions.of(set(ROOTS), mentions.files(ROOTS)) if each.function]
    for each in found:
        console.line(f"not proved  {each.file}:{each.line}  {each.function}() names {each.name}()")
    console.line(f"{len(found)} calls, none looked into: run without --quick")
    return BROKEN


def summary(tree: Path, version: str, static: Static, runs: Runs, matrix: Sequence[Row],
            verdict: Judgement, table: Sequence[Caller]) -> Dict[str, Any]:
    """All that was found, for programs."""
    def place(each: Optional[Place]) -> Optional[Dict[str, Any]]:
        return None if each is None else dict(each._asdict())

    return {
        "tree": str(tree),
        "kernel": version,
        "contract": verdict.contract,
        "verdict": verdict.sentence,
        "reasons": verdict.reasons,
        "look_at": verdict.look,
        "not_seen": verdict.not_seen,
        "aside": verdict.aside,
        "seconds": round(static.seconds, 1),
        "calls": [{
            "file": call.file, "line": call.line, "function": call.function, "callee": call.callee,
            "status": call.status, "test_code": call.test,
            "caller": belongs_to(table, call.functions()).name,
            "needs": call.needs, "note": call.note,
            "walk": [dict(hop._asdict()) for hop in call.walk],
            "ways": [{"calls": [dict(hop._asdict()) for hop in way.hops], "status": way.status,
                      "evidence": [place(each) for each in way.evidence]} for way in call.ways],
        } for call in static.calls],
        "movers": [{"place": place(mover.place), "function": mover.function,
                    "lock": place(mover.lock)}
                   for mover in static.movers],
        "counts": {status: len(static.of(status)) for status in STATUSES},
        "trusted_functions": static.harmless,
        "unused_trust": static.unused,
        "passed_over": static.odd,
        "looks_again": [place(each) for each in static.looks_again],
        "matrix": [{"caller": row.caller.name, "what": row.caller.what, "source": row.status
                    or None,
                    "tests": {arch: {contract: {"passed": cell[0], "failed": cell[1],
                                                "skipped": cell[2]}
                                     for contract, cell in cells.items()}
                              for arch, cells in row.tests.items()},
                    "seeded_defects": row.defects} for row in matrix],
        "runs": {arch: {contract: outcome.value() for contract, outcome in by_contract.items()}
                 for arch, by_contract in runs.items()},
    }
