# SPDX-License-Identifier: GPL-2.0-only
"""The command line: finds the verbs, and ends each with a line and an exit status."""

import argparse
import importlib
import os
import pkgutil
import signal
import sys
from pathlib import Path
from types import FrameType, ModuleType
from typing import Dict, Optional, Sequence

from . import verbs
from .base.console import Console
from .base.errors import COULD_NOT_RUN, Interrupted, Stop, explain, one_line
from .base.options import Parser, Tool
from .kernel.source import cache_dir

REPO = Path(__file__).resolve().parents[2]


def registry() -> Dict[str, ModuleType]:
    """The verbs: each is a module with a docstring, arguments() and main()."""
    return {found.name: importlib.import_module(f"{verbs.__name__}.{found.name}")
            for found in pkgutil.iter_modules(verbs.__path__)}


def parser() -> argparse.ArgumentParser:
    """The parser for all verbs."""
    top = Parser(prog="locked-rmap",
                 description="Tests the locking of rmap walks: runs KUnit suites on stock and "
                 "patched kernels, checks a tree, measures, exports the patches.")
    known = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, module in registry().items():
        about = (module.__doc__ or "").splitlines()[0].rstrip(".")
        verb = known.add_parser(name, help=about[0].lower() + about[1:], description=f"{about}.")
        verb.set_defaults(main=module.main)
        module.arguments(verb)
    return top


def _interrupt(number: int, _frame: Optional[FrameType]) -> None:
    # Cleaning up takes seconds: a second Ctrl-C must not cut it short.
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise Interrupted(signal.Signals(number).name)


def main(argv: Sequence[str]) -> int:
    """The command; returns the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        # The table is UTF-8 whatever the locale says.
        getattr(stream, "reconfigure")(encoding="utf-8", errors="replace")
    console = Console()
    try:
        args = parser().parse_args(list(argv))
        # Whoever wants the results on standard output has progress elsewhere.
        if getattr(args, "json", None) in (True, "-") or getattr(args, "sarif", None) == "-":
            console = Console(sys.stderr)
        return int(args.main(args, Tool(REPO, console)))
    except Stop as err:
        return _end(console, f"locked-rmap: {one_line(str(err))}")
    except Interrupted as err:
        return _end(console, f"locked-rmap: interrupted by {err}; all processes were ended; it is "
                             "safe to run it again")
    except BrokenPipeError:
        # Whoever read our output went away: nothing to tell, and nobody to tell it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT_RUN
    except OSError as err:
        return _end(console, f"locked-rmap: {one_line(str(explain(err, cache_dir())))}")
    except Exception as err:  # pylint: disable=broad-exception-caught
        if os.environ.get("LOCKED_RMAP_TRACE"):
            raise
        return _end(console, f"locked-rmap: internal error, {type(err).__name__}: {err}; "
                             "run with LOCKED_RMAP_TRACE=1 and report what it prints")


def _end(console: Console, text: str) -> int:
    console.drop()
    print(text, file=sys.stderr, flush=True)
    return COULD_NOT_RUN
