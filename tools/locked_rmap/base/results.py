# SPDX-License-Identifier: GPL-2.0-only
"""What guests came to, and the one object that every verb fills and every report reads."""

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Type

from . import files
from .errors import HOLDS, Stop

PASS, FAIL, SKIP, CRASH = "PASS", "FAIL", "SKIP", "CRASH"
#: Of two results of one test, the one with the larger number counts.
WORST = {SKIP: 0, PASS: 1, CRASH: 2, FAIL: 3}
#: What runs the suites, among the guests of a stage.
SUITES = "suites"


class Splat(NamedTuple):
    """One report in a kernel log: its first telling line, where it starts, its head."""

    title: str
    number: int
    head: List[str]
    expected: bool


class Figure(NamedTuple):
    """What a test measured: @value in @unit."""

    case: str
    value: int
    unit: str


class Outcome(NamedTuple):
    """What a guest came to."""

    #: Status by test.
    tests: Dict[str, str]
    #: Why a test was skipped.
    skips: Dict[str, str] = {}
    #: What a test that did not pass said.
    notes: Dict[str, List[str]] = {}
    splats: Sequence[Splat] = ()
    seconds: float = 0
    #: Why the guest did not get to the end, in words; empty if it did.
    died: str = ""
    figures: Mapping[str, Figure] = {}

    def of(self, *statuses: str) -> List[str]:
        """The tests that have one of @statuses, in their order."""
        return [name for name, status in self.tests.items() if status in statuses]

    @property
    def failed(self) -> List[str]:
        """The tests that failed, or that the guest did not survive."""
        return self.of(FAIL, CRASH)

    @property
    def unexpected(self) -> List[Splat]:
        """The reports that no test announced."""
        return [splat for splat in self.splats if not splat.expected]

    def value(self) -> Dict[str, Any]:
        """The same for programs."""
        found: Dict[str, Any] = {
            "tests": self.tests, "skips": self.skips, "notes": self.notes, "died": self.died,
            "splats": len(self.unexpected),
            "expected_splats": len(self.splats) - len(self.unexpected),
            "seconds": round(self.seconds, 1)}
        if self.figures:
            found["figures"] = {name: figure._asdict() for name, figure in self.figures.items()}
        return found


class Verdict(NamedTuple):
    """Exit status and the sentence that goes with it."""

    status: int
    sentence: str

    @property
    def colour(self) -> str:
        """What the sentence is painted with."""
        return "32" if self.status == HOLDS else "31;1"


class Results:
    """What a verb found out, and its files below build/results/NAME.

    Files are collected aside and take the place of an earlier run's when the `with`
    statement ends, however it ends; summary.json is written then.
    """

    def __init__(self, repo: Path, name: str, keep: Sequence[str] = (), **facts: Any) -> None:
        self.base = results_dir(repo)
        self.final = self.base / name
        self.facts: Dict[str, Any] = facts
        #: Files of an earlier run that stay unless this one makes them anew.
        self.keep = keep
        #: By stage and guest.
        self.outcomes: Dict[str, Dict[str, Outcome]] = {}
        self.verdict: Optional[Verdict] = None
        #: What only this verb has to say; goes into summary.json.
        self.more: Dict[str, Any] = {}
        self.base.mkdir(parents=True, exist_ok=True)
        for stale in self.base.glob(".new-*"):
            if not Path(f"/proc/{stale.name.split('-')[1]}").exists():
                files.remove_tree(stale)
        self.temp = Path(tempfile.mkdtemp(prefix=f".new-{os.getpid()}-", dir=self.base))

    def place(self, *names: str) -> Path:
        """A directory for the files of a stage or guest."""
        place = self.temp.joinpath(*names)
        place.mkdir(parents=True, exist_ok=True)
        return place

    def put(self, stage: str, outcome: Outcome, guest: str = SUITES) -> None:
        """Take in what a guest of @stage came to."""
        self.outcomes.setdefault(stage, {})[guest] = outcome

    def of(self, guest: str = SUITES) -> Dict[str, Outcome]:
        """What the guest of that name came to, by stage."""
        return {stage: guests[guest] for stage, guests in self.outcomes.items() if guest in guests}

    def value(self) -> Dict[str, Any]:
        """All of it, for programs."""
        return {**self.facts, "status": self.verdict.status if self.verdict else None,
                "verdict": self.verdict.sentence if self.verdict else None,
                "stages": {stage: {guest: outcome.value() for guest, outcome in guests.items()}
                           for stage, guests in self.outcomes.items()}, **self.more}

    def __enter__(self) -> "Results":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], err: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        files.write_json(self.temp / "summary.json", self.value())
        self.temp.chmod(0o755)
        for old in self.keep:
            if (self.final / old).exists() and not (self.temp / old).exists():
                os.replace(self.final / old, self.temp / old)
        files.remove_tree(self.final)
        os.replace(self.temp, self.final)
        if isinstance(err, Stop):
            # The line may name a log: by its place from now on.
            err.args = (str(err).replace(str(self.temp), str(self.final)),)


def results_dir(repo: Path) -> Path:
    """Where all verbs leave their results."""
    return repo / "build" / "results"


def relative(path: Path) -> str:
    """@path as seen from here, if it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def some(names: Sequence[str], limit: int = 3) -> str:
    """A few of @names, and how many more there are."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")


def plural(count: int, noun: str) -> str:
    """@count with @noun: 1 test, 2 tests."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
