# SPDX-License-Identifier: GPL-2.0-only
"""Runs the project's own tests; the last line is 'N passed, N failed'."""

import argparse
import importlib
import pkgutil
import time
from typing import Dict

from .. import proofs
from ..base import files
from ..base.console import clock
from ..base.errors import BROKEN, HOLDS, Stop, one_line
from ..base.options import Tool
from ..base.results import relative
from ..kernel import packages
from ..proofs.desk import Check, Desk, Tally
from ..report import tables

#: Lines about what failed, for each check.
TOLD = 20
#: The kinds of checks in the order in which they run, the quick ones first; others come last.
ORDER = ("unit", "types", "documents", "style", "apply", "check", "export", "suites", "mutants")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("checks", nargs="*", metavar="CHECK",
                        help="checks to run (default: all except those that --list marks "
                             "'on request')")
    parser.add_argument("--all", action="store_true", help="run the checks on request too")
    parser.add_argument("--list", action="store_true", help="list the checks and exit")
    parser.add_argument("--update", action="store_true",
                        help="update the generated parts of the documents and exit")


def every(desk: Desk) -> Dict[str, Check]:
    """All checks, by name."""
    found = [check for module in pkgutil.iter_modules(proofs.__path__) if module.name != "desk"
             for check in importlib.import_module(f"{proofs.__name__}.{module.name}").checks(desk)]
    kinds = [*ORDER, *(check.name.split("-")[0] for check in found)]
    # Among those of a kind, what always runs comes first.
    found.sort(key=lambda check: (check.on_request, kinds.index(check.name.split("-")[0])))
    return {check.name: check for check in found}


def main(args: argparse.Namespace, tool: Tool) -> int:
    """Do what @args says; the exit status.

    The first line printed says about how long it takes, the last one is
    `N passed, N failed`.
    """
    console = tool.console
    desk = Desk(tool.repo, console)
    if args.update:
        for path, text in tables.stale(tool.repo).items():
            files.write_target(path, text)
            console.line(f"updated {relative(path)}")
        return HOLDS
    known = every(desk)
    width = max(len(name) for name in known)
    for name in args.checks:
        if name not in known:
            raise Stop(f"unknown check '{name}': see locked-rmap test --list")
    if args.list:
        for check in known.values():
            asked = ", on request" if check.on_request else ""
            console.line(f"{check.name:<{width}} {check.about} ({check.minutes} min{asked})")
        return HOLDS
    packages.need(console, [*packages.BUILD, *packages.ARCH["x86_64"], *packages.TEST])
    chosen = [check for check in known.values()
              if (check.name in args.checks if args.checks else args.all or not check.on_request)]
    minutes = sum(check.minutes for check in chosen)
    console.line(f"{len(chosen)} of {len(known)} checks, about {minutes // 60} h "
                 f"{minutes % 60:02d} min on two CPUs, less if kernels are built already")
    passed = failed = 0
    for check in chosen:
        started = time.monotonic()
        try:
            result = check.run(desk)
        except (Stop, OSError) as err:
            console.drop()
            result = Tally(0, 1, 0, [one_line(str(err))])
        passed += result.passed
        failed += result.failed
        skipped = f", {result.skipped} skipped" if result.skipped else ""
        word = console.paint("FAILED", "31;1") if result.failed else console.paint("ok", "32")
        console.line(f"{check.name:<{width}} {word}: {result.passed} passed, {result.failed} "
                     f"failed{skipped}, "
                     f"{clock(time.monotonic() - started)}")
        for text in result.told[:TOLD]:
            console.line(f"    {one_line(text, 300)}")
        if result.failed and (desk.results / check.name).exists():
            console.line(f"    logs: {relative(desk.results / check.name)}")
    console.line(f"{passed} passed, {failed} failed")
    return BROKEN if failed else HOLDS
