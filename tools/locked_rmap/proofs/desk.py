# SPDX-License-Identifier: GPL-2.0-only
"""What checks work with, and what they come to."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence

from ..base import files, proc
from ..base.console import Console
from ..base.errors import BROKEN, HOLDS, Stop, one_line
from ..base.results import results_dir
from ..kernel import source
from ..kernel.line import Line


class Tally(NamedTuple):
    """What a check came to; @told are the lines about what failed."""

    passed: int
    failed: int
    skipped: int
    told: List[str]


class Check(NamedTuple):
    """A check: @run takes about @minutes on two idle CPUs with its kernels still to be built."""

    name: str
    about: str
    run: "Callable[[Desk], Tally]"
    minutes: int
    #: Runs only if it is asked for, by name or with --all.
    on_request: bool = True


def tally(results: Dict[str, str], skipped: int = 0, told: Sequence[str] = ()) -> Tally:
    """The Tally of named results: an empty string passed, any other text says why not."""
    wrong = [f"{name}: {why}" for name, why in results.items() if why]
    return Tally(len(results) - len(wrong), len(wrong), skipped, [*wrong, *told])


class Desk:
    """Where checks work; a kernel tree is fetched when the first one asks."""

    def __init__(self, repo: Path, console: Console) -> None:
        self.repo = repo
        self.console = console
        self.results = results_dir(repo) / "test"
        self._lines: Dict[str, Line] = {}

    def line(self, name: Optional[str] = None) -> Line:
        """A kernel line; the default one if no name is given."""
        key = name or ""
        if key not in self._lines:
            self._lines[key] = Line(self.repo, source.open_cache(), self.console, name, None)
        return self._lines[key]

    @contextlib.contextmanager
    def held(self, name: Optional[str] = None) -> Iterator[Line]:
        """A line with its work tree held against other runs."""
        line = self.line(name)
        with line.held():
            yield line

    def place(self, name: str) -> Path:
        """An empty directory for the files of a check."""
        place = self.results / name
        files.remove_tree(place)
        place.mkdir(parents=True)
        return place

    def command(self, name: str, *words: str, env: Optional[Dict[str, str]] = None) -> int:
        """Run the command itself, as people do, its output in @name/log; the exit status.

        Raises Stop, with the line that it printed, if it could not do what it was asked to.
        """
        log = self.place(name) / "log"
        self.console.begin(f"locked-rmap {' '.join(words)}")
        status = proc.run([sys.executable, str(self.repo / "tools" / "locked-rmap"), *words], log,
                          cwd=self.repo, env=env, tick=self.console.tick)
        self.console.end("done" if status == HOLDS else f"exit status {status}")
        if status not in (HOLDS, BROKEN):
            raise Stop(one_line(" ".join(proc.tail(log, 1))))
        return status


def jobs() -> int:
    """How many things to do at once."""
    return len(os.sched_getaffinity(0))
