# SPDX-License-Identifier: GPL-2.0-only
"""What guests of the benchmark report, for tests."""

from typing import Dict, Mapping, Optional

from locked_rmap.base.results import PASS, Figure, Outcome
from locked_rmap.guest import bounds
from locked_rmap.guest.figures import Stage
from locked_rmap.guest.measure import CALLS, RUNS, SUITE

MOVES = {"stock": (1919, 998, 938), "locked": (1703, 812, 766), "batched": (1450, 201, 106)}


def figure(value: int, unit: str = "ns/page", case: str = "moves") -> Figure:
    """A figure of @value."""
    return Figure(case, value, unit)


def outcome(died: str = "", skips: Optional[Mapping[str, str]] = None,
            told: Optional[Mapping[str, Figure]] = None, **tests: str) -> Outcome:
    """An outcome of @tests of the suite, which have @told figures."""
    return Outcome({f"{SUITE}.{name}": status
                    for name, status in (tests or {"moves": PASS}).items()},
                   {f"{SUITE}.{name}": why for name, why in (skips or {}).items()},
                   seconds=1.0, died=died, figures=told or {})


def stage(*runs: Outcome, **others: Outcome) -> Stage:
    """A stage whose guests that count came to @runs, and @others."""
    return Stage({**{f"run-{number}": each for number, each in enumerate(runs, 1)}, **others})


def guest(of: Stage, name: str, other: Outcome) -> Stage:
    """The stage @of, with @other for the guest @name."""
    return of._replace(guests={**of.guests, name: other})


def counted(name: str, factor: float = 1.0) -> Dict[str, Figure]:
    """What a guest of the stage @name that counts reports."""
    walk = round(1000 * (factor if name != "stock" else 1))
    return {**{f"move.{calls}": figure(value) for calls, value in zip(CALLS, MOVES[name])},
            **{each: figure(walk, "ns/folio", "walks") for each in bounds.WALKS}}


def contended(name: str) -> Dict[str, Figure]:
    """What a guest of the stage @name with two CPUs reports."""
    value = 4096 if name == "stock" else 0
    return {f"contention.{what}.{kind}": figure(value, "count", "contention")
            for what in bounds.CONTENDED for kind in bounds.COUNTED}


def kernel(name: str, factor: float = 1.0) -> Stage:
    """A good stage."""
    return stage(*[outcome(told=counted(name, factor))] * RUNS,
                 contention=outcome(told=contended(name)))


def kernels(*names: str) -> Dict[str, Stage]:
    """Good stages."""
    return {name: kernel(name) for name in names or MOVES}


def changed(of: Stage, name: str, *values: Optional[int]) -> Stage:
    """@of with other @values of the figure @name in the runs that report it, None for none."""
    def other(run: Outcome, value: Optional[int]) -> Outcome:
        kept = dict(run.figures)
        was = kept.pop(name, figure(0))
        return run._replace(figures=kept if value is None else
                            {**kept, name: was._replace(value=value)})

    if name.startswith("contention."):
        return guest(of, "contention", other(of.guests["contention"], values[0]))
    return stage(*(other(run, value) for run, value in zip(of.of(""), values)),
                 contention=of.guests["contention"])
