# SPDX-License-Identifier: GPL-2.0-only
"""Tries seeded defects, and tells which tests of the suites catch them.

A mutant is a small patch with a header, see Documentation/mutants.rst.  Each is
applied to the patched tree by itself, the kernel is rebuilt, the suites run, and
what failed is written down.
"""

import argparse

from ..base import files
from ..base.console import Console
from ..base.options import Tool, kernel
from ..base.results import relative, some
from ..guest.score import Score, Wanted, choose, measure, place, seeded
from ..kernel import packages, source
from ..kernel.defects import ARCHES, CRASH, read_all
from ..kernel.line import Line, default
from ..report.text import grid


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    kernel(parser)
    parser.add_argument("--arch", help=f"one of {', '.join(ARCHES)}: only defects that can show "
                        "there (default: each on the first that its header names)")
    parser.add_argument("--stage", metavar="NAME",
                        help="only defects that are seeded in this stage")
    parser.add_argument("--fresh", action="store_true", help="use no result of an earlier run")
    parser.add_argument("--json", action="store_true",
                        help="print JSON instead of the table; progress to stderr")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="only these defects (default: all)")


def main(args: argparse.Namespace, tool: Tool) -> int:
    """Do what @args says; the exit status.  Raises Stop if it cannot be done."""
    console, repo = tool.console, tool.repo
    if args.kernel is not None:
        source.check_line(args.kernel)
    known = read_all(seeded(repo, args.kernel or default(repo)))
    arches = sorted({arch for _, arch in choose(known, args.names, args.arch)})
    packages.need(console, [*packages.BUILD,
                            *(package for arch in arches for package in packages.ARCH[arch])])
    line = Line(repo, source.open_cache(), console, args.kernel, None)
    score = measure(line, Wanted(args.names, args.arch, args.stage, args.fresh), console)
    if args.json:
        files.write_target("-", files.as_json(score.value()))
    else:
        print_table(console, score, not args.names and args.arch is None and args.stage is None)
    console.line(console.paint(score.verdict.sentence, score.verdict.colour))
    console.line(f"logs: {relative(place(line))} (summary.json, and a directory for each defect)")
    return score.verdict.status


def print_table(console: Console, score: Score, whole: bool) -> None:
    """One row a mutant; then, if this is the @whole of them, what they say about the tests."""
    rows = [("defect", "arch", "seconds", "caught by", "breaks")]
    for mutant, result in score.results:
        names = [entry.split(" (")[0] for entry in result.caught_by]
        if result.died:
            names.remove(result.died_in or "the guest")
            names.insert(0, f"{CRASH} in {result.died_in or 'the guest'}")
        rows.append((mutant.name, result.arch, f"{result.seconds:7.1f}",
                     some(names, 1) or "NOT CAUGHT", mutant.breaks))
    grid(console, rows, len(rows[0]))
    if not whole:
        return
    for least, words in ((0, "notice no defect"), (1, "notice none that another does not")):
        names = [name for name, counts in score.catches().items() if not counts[least]
                 and (least == 0 or counts[0])]
        if names:
            console.line(f"tests that {words}: {', '.join(names)}")
