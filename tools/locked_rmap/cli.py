# SPDX-License-Identifier: GPL-2.0-only
"""The command line: verbs, options, and how every verb ends."""

import argparse
import os
import re
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn, Optional, Sequence

from .guest import modules
from .kernel import source, worktree
from .report import report
from .verbs import bench, check, export, mutants, run, selftests
from .base.console import Console
from .base.errors import COULD_NOT_RUN, Interrupted, Stop, one_line

REPO = Path(__file__).resolve().parents[2]


class _Parser(argparse.ArgumentParser):
    """argparse prints its usage and a second line: one line is what we want."""

    def error(self, message: str) -> NoReturn:
        raise Stop(f"{message}; see {self.prog} --help")


def _seconds(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of runs")
    return int(text)


def _file(text: str) -> str:
    # `make TREE=~/linux` hands it on as it is where the shell is dash.
    return os.path.expanduser(text)


def _path(text: str) -> Path:
    return Path(_file(text))


def _kconfig(text: str) -> str:
    if not re.fullmatch(r"(?:CONFIG_\w+=\S.*|# CONFIG_\w+ is not set)", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not CONFIG_X=value")
    return text


def parser() -> argparse.ArgumentParser:
    """The parser for all verbs."""
    top = _Parser(prog="locked-rmap", description="KUnit suites for the locking of rmap walks, and the patches that "
                  "they are about: run them, check a tree, measure, export.")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)

    verb = verbs.add_parser("run", help="the suites on a kernel line, stock beside patched")
    verb.add_argument("--kernel", metavar="LINE", help="kernel line (default 6.12)")
    verb.add_argument("--arch", help=f"one of {', '.join(run.ARCHES)} (default um)")
    verb.add_argument("--stage", action="append", default=[], metavar="NAME",
                      help="a stage of the line's series, may be repeated (default: all; under --contract revalidate those up to it)")
    verb.add_argument("--contract", default=report.LOCKED, choices=(report.LOCKED, report.REVALIDATE),
                      help="what the suites hold the tree to (default locked)")
    verb.add_argument("--tree", type=_path, metavar="DIR", help="a kernel tree of yours; it is only read")
    verb.add_argument("--debug", action="store_true",
                      help="with DEBUG_VM, PROVE_LOCKING and DEBUG_ATOMIC_SLEEP")
    verb.add_argument("--clang", action="store_true", help="build with clang and LLVM's tools, not with gcc")
    verb.add_argument("--kconfig_add", action="append", default=[], metavar="CONFIG_X=Y", type=_kconfig,
                      help="one more option for the kernel's configuration, may be repeated")
    verb.add_argument("--timeout", type=_seconds, metavar="SECONDS",
                      help="how long a guest may take for all tests")
    verb.add_argument("--repeat", type=_count, default=1, metavar="N",
                      help="run each guest N times, to the end, and count the runs with a failure")
    verb.add_argument("--coverage", action="store_true",
                      help="on UML, 6.12 alone: which lines of the code under test the suites run, on the patched stage")
    verb.add_argument("--modules", action="store_true",
                      help="on x86_64: insert the suites as modules, and read their results in debugfs")
    verb.add_argument("glob", nargs="?", default="", metavar="SUITE_GLOB",
                      help="which suites or tests, e.g. rmap or 'rmap_callers.page_idle*'")

    verb = verbs.add_parser("mutants", help="seeded defects against the suites")
    verb.add_argument("--kernel", metavar="LINE", help="kernel line (default 6.12)")
    verb.add_argument("--arch", help="only defects that can show on this one, and all of them there "
                      f"({', '.join(mutants.ARCHES)}; default: the first one of each defect)")
    verb.add_argument("--stage", metavar="NAME", help="only defects that are seeded in this stage of the series")
    verb.add_argument("--fresh", action="store_true", help="use no result of an earlier run")
    verb.add_argument("--json", action="store_true", help="print JSON instead of the table; progress to stderr")
    verb.add_argument("names", nargs="*", metavar="NAME", help="only these defects (default: all)")

    verb = verbs.add_parser("check", help="which contract does a tree honour, and who breaks it?")
    verb.add_argument("--tree", type=_path, metavar="DIR", required=True, help="a kernel tree of yours; it is only read")
    verb.add_argument("--static", action="store_true", help="look at its source only, build and run nothing")
    verb.add_argument("--arch", action="append", default=[], metavar="ARCH",
                      help=f"where the suites run, may be repeated: {', '.join(run.ARCHES)} (default um)")
    verb.add_argument("--json", type=_file, metavar="FILE", help="write all that was found as JSON; - for standard output")
    verb.add_argument("--html", type=_path, metavar="FILE", help="write a page that can be sent around")
    verb.add_argument("--timeout", type=_seconds, metavar="SECONDS",
                      help="how long a guest may take for all tests")

    verb = verbs.add_parser("export", help="the series and the suites as commits, for a git tree or for git am")
    verb.add_argument("--kernel", metavar="LINE", help="kernel line (default 6.12; with --tree that of the tree)")
    verb.add_argument("--branch", metavar="NAME", help="make this new branch, in the git tree that --tree names")
    verb.add_argument("--tree", type=_path, metavar="DIR",
                      help="a git tree of yours; its files, its index and its other branches stay as they are")
    verb.add_argument("--base", metavar="REV", help="where the branch begins (default: HEAD of the tree)")
    verb.add_argument("--mbox", type=_path, metavar="FILE", help="write a mailbox that git am takes")
    verb.add_argument("--cover", type=_path, metavar="FILE",
                      help="with --mbox: write the cover letter too, addressed as get_maintainer.pl says")
    verb.add_argument("--signoff", action="store_true", help="add your Signed-off-by, as git knows you")
    verb.add_argument("--no-table", dest="table", action="store_false",
                      help="leave what was measured out of the cover letter")

    verb = verbs.add_parser("selftests", help="the kernel's user-space tests of userfaultfd, stock beside patched")
    verb.add_argument("--kernel", metavar="LINE", help="kernel line (default 6.12)")
    verb.add_argument("--stage", action="append", default=[], metavar="NAME",
                      help="a stage of the line's series, may be repeated (default: stock and the last)")

    verb = verbs.add_parser("bench", help="what a move costs, in instructions, and who waits for whom")
    verb.add_argument("--kernel", metavar="LINE", help="kernel line (default 6.12)")
    verb.add_argument("--stage", action="append", default=[], metavar="NAME",
                      help="a stage of the line's series, may be repeated (default: all)")
    verb.add_argument("--tree", type=_path, metavar="DIR", help="a kernel tree of yours; it is only read")
    verb.add_argument("--no-contention", dest="contention", action="store_false",
                      help="leave out the suite's guests with several CPUs: who waits for whom, what threads move together")
    verb.add_argument("--no-collector", dest="collector", action="store_false",
                      help="leave out the guests in which a program compacts a heap")
    verb.add_argument("--profile", action="store_true", help="also tell in which functions a move spends its instructions")
    verb.add_argument("--json", type=_file, metavar="FILE", help="write all that was measured as JSON; - for standard output")
    verb.add_argument("--svg", type=_path, metavar="FILE", help="write the chart")
    verb.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="how long a guest of the suite may take for all tests")

    verb = verbs.add_parser("test", help="the project's own tests")
    verb.add_argument("checks", nargs="*", metavar="CHECK", help="only these (default: all but those that --list marks 'on request')")
    verb.add_argument("--all", action="store_true", help="also those on request")
    verb.add_argument("--list", action="store_true", help="name the checks and end")
    return top


def _interrupt(number: int, _frame: Optional[FrameType]) -> None:
    # Cleaning up takes seconds: a second Ctrl-C must not cut it short.
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise Interrupted(signal.Signals(number).name)


def dispatch(args: argparse.Namespace, console: Console) -> int:
    """Run the verb that was asked for; its exit status."""
    if args.verb == "run":
        return run.run(REPO, run.Request(
            kernel=args.kernel, arch=args.arch or (modules.ARCH if args.modules else "um"), stages=tuple(args.stage),
            contract=args.contract, tree=args.tree, debug=args.debug, clang=args.clang,
            kconfig_add=tuple(args.kconfig_add),
            timeout=args.timeout, glob=args.glob, repeat=args.repeat,
            coverage=args.coverage, modules=args.modules), console)
    if args.verb == "mutants":
        return mutants.mutants(REPO, mutants.Request(
            kernel=args.kernel, arch=args.arch, names=tuple(args.names), fresh=args.fresh,
            as_json=args.json, stage=args.stage), Console(sys.stderr) if args.json else console)
    if args.verb == "check":
        return check.check(REPO, check.Request(
            tree=args.tree, static=args.static, arches=tuple(dict.fromkeys(args.arch)), json=args.json,
            html=args.html, timeout=args.timeout), Console(sys.stderr) if args.json == "-" else console)
    if args.verb == "export":
        return export.export(REPO, export.Request(
            kernel=args.kernel, branch=args.branch, tree=args.tree, base=args.base, mbox=args.mbox,
            cover=args.cover, signoff=args.signoff, table=args.table), console)
    if args.verb == "selftests":
        return selftests.selftests(REPO, selftests.Request(kernel=args.kernel, stages=tuple(args.stage)), console)
    if args.verb == "bench":
        return bench.bench(REPO, bench.Request(
            kernel=args.kernel, stages=tuple(args.stage), tree=args.tree, contention=args.contention,
            collector=args.collector, profile=args.profile, timeout=args.timeout, json=args.json, svg=args.svg),
            Console(sys.stderr) if args.json == "-" else console)
    from .verbs import test
    return test.test(REPO, args.checks, args.all, args.list, console)


def main(argv: Sequence[str]) -> int:
    """The command; returns the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        # The table is UTF-8 whatever the locale says.
        getattr(stream, "reconfigure")(encoding="utf-8", errors="replace")
    console = Console()
    try:
        return dispatch(parser().parse_args(list(argv)), console)
    except Stop as err:
        return _end(console, f"locked-rmap: {one_line(str(err))}")
    except Interrupted as err:
        return _end(console, f"locked-rmap: interrupted by {err}; every process was ended, run again at will")
    except BrokenPipeError:
        # Whoever read our output went away: nothing to tell, and nobody to tell it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT_RUN
    except OSError as err:
        return _end(console, f"locked-rmap: {one_line(str(worktree.explain(err, source.cache_dir())))}")
    except Exception as err:  # pylint: disable=broad-exception-caught
        if os.environ.get("LOCKED_RMAP_TRACE"):
            raise
        return _end(console, f"locked-rmap: internal error, {type(err).__name__}: {err}; "
                             "run with LOCKED_RMAP_TRACE=1 and report what it prints")


def _end(console: Console, text: str) -> int:
    console.drop()
    print(text, file=sys.stderr, flush=True)
    return COULD_NOT_RUN
