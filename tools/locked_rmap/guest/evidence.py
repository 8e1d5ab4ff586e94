# SPDX-License-Identifier: GPL-2.0-only
"""Which contract a tree honours, by its source and by what the suites saw at run time."""

from pathlib import Path
from typing import AbstractSet, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Set, Tuple

from ..base.errors import one_line
from ..base.results import PASS, SKIP, Outcome, some
from ..kernel import defects, source
from ..kernel.callers import Caller, belongs_to, tested_by
from ..kernel.line import default, read_defects
from ..kernel.series import CONTRACTS, LOCKED, REVALIDATE
from ..static import callers
from ..static.callers import STATUSES, TRUSTED, UNLOCKED, UNPROVED, Call
from ..static.contract import Static, says, why
from .build import ARCHES

#: What a tree honours that honours no contract.
NEITHER = "neither"
#: The test that fails where there is no UFFDIO_MOVE.
OFFERED = "userfaultfd_move.ioctl_is_offered"


class Judgement(NamedTuple):
    """The verdict: @contract is kept, or NEITHER; @reasons say why, @look where to look."""

    contract: str
    sentence: str
    reasons: List[str]
    look: List[str]
    #: Callers of which no test ran under @contract, and why; only if the suites were run.
    not_seen: Dict[str, str]
    #: What fails and is about neither contract.
    aside: List[str]


#: By architecture and contract.
Runs = Mapping[str, Mapping[str, Outcome]]


def known_defects(repo: Path, static: Static) -> Set[str]:
    """Tests that fail for defects of UFFDIO_MOVE, or for want of it, whatever the contract."""
    found: Set[str] = set()
    for path in sorted((repo / "mm" / "patches").glob("linux-*/shows-defect.revalidate")):
        for arch in ARCHES:
            # The other suites are about the contracts and nothing else.
            found |= {name for name in read_defects(path, arch) or ()
                      if name.startswith("userfaultfd_move.")}
    return found - {OFFERED} if static.movers else found


def _names(calls: Sequence[Call]) -> str:
    found = [f"{call.function}()" if call.function else call.file for call in calls]
    return some(list(dict.fromkeys(found)), 6)


def judge(static: Static, runs: Runs, known: AbstractSet[str],
          table: Sequence[Caller]) -> Judgement:
    """Which contract the tree honours.

    @runs: by architecture and contract; empty if the suites were not run.
    @known: tests whose failure is not about a contract; @table: mm/tests/callers.
    """
    bad, unsure = static.of(UNLOCKED), static.of(UNPROVED)
    wrong: Dict[str, List[str]] = {LOCKED: [], REVALIDATE: []}
    if bad:
        wrong[LOCKED].append(
            f"{len(bad)} call{_s(bad)} walk{_s(bad, 1)} an unlocked folio, in {_names(bad)}")
    if unsure:
        wrong[LOCKED].append(
            f"{len(unsure)} call{_s(unsure)} {'is' if len(unsure) == 1 else 'are'} not proved, in "
            f"{_names(unsure)}")
    bare = [mover for mover in static.movers if mover.lock is None]
    if len(static.looks_again) < 2:
        again = "looks at folio->mapping again on one way only" if static.looks_again else \
                "does not look at folio->mapping again"
        wrong[REVALIDATE].append(f"folio_lock_anon_vma_read() {again}")
    if bare:
        wrong[REVALIDATE].append(f"{bare[0].function}() moves a folio without the anon_vma's lock")
    by_source = [contract for contract in CONTRACTS if not wrong[contract]]
    aside: List[str] = []
    for arch, contract, outcome in _each(runs):
        wrong[contract] += _broken(arch, outcome, known)
        names = [name for name in sorted(outcome.failed) if name in known]
        if names:
            aside.append(f"{some(names, 4)} fail{_s(names, 1)} under '{contract}' on {arch}, "
                         "which is about neither contract")
    for contract in CONTRACTS:
        if not wrong[contract]:
            return Judgement(contract, _honours(contract, static), [], [],
                             not_seen(static, runs, contract, table), aside)
    look: List[str] = []
    for call in [*bad, *unsure]:
        for way in call.key_ways()[:3]:
            look.append(f"{call.file}:{call.line}: {says(call)}: {call.status}; {why(way)}"
                        + (f"; {call.note}" if call.note else ""))
    for arch, contract, outcome in _each(runs):
        # Where the source speaks for one contract, what fails under the other is how it should be.
        if contract in (by_source or CONTRACTS):
            look += _look_at(static, arch, contract, outcome, known, table)
    reasons = [f"not '{contract}': " + "; ".join(wrong[contract]) for contract in CONTRACTS]
    sentence = "This tree honours neither contract"
    if by_source:
        broken = _broken_first(runs, by_source[0], known)
        sentence += f": by its source it is '{by_source[0]}', but {broken}"
    elif bare and bad:
        sentence += (f": {bare[0].function}() relies on the folio lock, "
                     f"and {_names(bad)} walk{_s(bad, 1)} without it")
    elif bad and not static.movers:
        sentence += (f": {_names(bad)} walk{_s(bad, 1)} unlocked and nothing revalidates; without "
                     "UFFDIO_MOVE nothing comes of it, UFFDIO_MOVE must not be added as it is")
    return Judgement(NEITHER, sentence + ".", reasons, look, {}, aside)


def _s(what: Sequence[object], one: int = 0) -> str:
    """The s of a plural noun; with @one that of a verb."""
    return "s" * ((len(what) == 1) == bool(one))


def _each(runs: Runs) -> Iterator[Tuple[str, str, Outcome]]:
    for arch, by_contract in runs.items():
        for contract, outcome in by_contract.items():
            yield arch, contract, outcome


def _broken(arch: str, outcome: Outcome, known: AbstractSet[str]) -> List[str]:
    """What speaks against a contract in a run under it."""
    found = []
    failed = [name for name in sorted(outcome.failed) if name not in known]
    splats = len(outcome.unexpected)
    if outcome.died:
        found.append(f"the guest ({arch}) did not get to the end: {outcome.died}")
    if failed:
        found.append(
            f"{len(failed)} test{_s(failed)} fail{_s(failed, 1)} on {arch} ({some(failed)})")
    if splats:
        found.append(f"{splats} unexpected splat{'s' * (splats > 1)} on {arch}")
    if not found and PASS not in outcome.tests.values():
        found.append(f"no test ran on {arch}")
    return found


def _broken_first(runs: Runs, contract: str, known: AbstractSet[str]) -> str:
    return next(why[0] for arch, each, outcome in _each(runs) if each == contract
                for why in [_broken(arch, outcome, known)] if why)


def _honours(contract: str, static: Static) -> str:
    bad = static.of(UNLOCKED)
    sentence = f"This tree honours the contract '{contract}'"
    if contract == LOCKED:
        sentence += ": every walk of an anonymous folio runs with the folio locked"
        trusted = len(static.of(TRUSTED))
        if trusted:
            sentence += f", {trusted} of them by trust"
        if not static.movers:
            sentence += "; it has no UFFDIO_MOVE yet that could rely on it"
        elif any(mover.lock is not None for mover in static.movers):
            sentence += "; UFFDIO_MOVE takes the anon_vma's lock, which it need not do any more"
    elif static.movers:
        sentence += (f": {len(bad)} call{_s(bad)} walk{_s(bad, 1)} an unlocked folio "
                     f"({_names(bad)}), folio_lock_anon_vma_read() revalidates, "
                     "and UFFDIO_MOVE holds the anon_vma's lock")
    else:
        sentence += ": walks of an unlocked folio revalidate, and it has no UFFDIO_MOVE"
    return sentence + "."


def _look_at(static: Static, arch: str, contract: str, outcome: Outcome,
             known: AbstractSet[str], table: Sequence[Caller]) -> List[str]:
    """Where to look for what a run under @contract brought to light."""
    look = []
    failed = [name for name in sorted(outcome.failed) if name not in known]
    for name in failed[:8]:
        note = " ".join(outcome.notes.get(name, [])) or "see kernel.log"
        row = tested_by(table, name)
        calls = [f"{call.file}:{call.line}" for call in _calls(static, table, row)]
        where = f", who walks at {some(calls, 2)}" if calls else ""
        look.append(
            f"{name} fails under '{contract}' on {arch} ({row.name}{where}): {one_line(note, 160)}")
    if len(failed) > 8:
        look.append(f"and {len(failed) - 8} more tests under '{contract}' on {arch}: see kunit.log")
    for splat in outcome.unexpected[:3]:
        look.append(
            f"kernel.log:{splat.number} under '{contract}' on {arch}: {one_line(splat.title, 160)}")
    return look


def not_seen(static: Static, runs: Runs, contract: str, table: Sequence[Caller]) -> Dict[str, str]:
    """Callers of which no test ran under @contract on any architecture: by name, why."""
    outcomes = [outcome for _, each, outcome in _each(runs) if each == contract]
    found: Dict[str, str] = {}
    if not outcomes:
        return found
    walk = {belongs_to(table, call.functions()).name for call in static.of(*STATUSES)}
    if static.movers:
        walk.add(tested_by(table, OFFERED).name)
    for caller in table:
        if not caller.tests or caller.name not in walk:
            continue
        mine = [(outcome, name) for outcome in outcomes for name in outcome.tests
                if caller.is_about(name)]
        if all(outcome.tests[name] == SKIP for outcome, name in mine):
            why_not = dict.fromkeys(outcome.skips.get(name, "skipped") for outcome, name in mine)
            found[caller.name] = (some(list(why_not), 2) if mine else
                                  "there is no such test in this kernel")
    return found


def _calls(static: Static, table: Sequence[Caller], caller: Caller) -> List[Call]:
    return [call for call in static.calls
            if not call.test and belongs_to(table, call.functions()) is caller]


class Row(NamedTuple):
    """A caller with all that is known about it."""

    caller: Caller
    calls: List[Call]
    #: By architecture and contract: (passed, failed names, skipped).
    tests: Dict[str, Dict[str, Tuple[int, List[str], int]]]
    #: How many seeded defects name one of these tests under Caught-by.
    defects: int

    @property
    def status(self) -> str:
        """What the source says, at its worst."""
        return callers.worst(call.status for call in self.calls) if self.calls else ""


def rows(repo: Path, version: str, static: Static, runs: Runs,
         table: Sequence[Caller]) -> List[Row]:
    """The matrix; rows with nothing in them are left out."""
    seeded: List[defects.Mutant] = []
    base = repo / "tools" / "mutants"
    # The tests are the same for every line: the default one's defects will do for another.
    for directory in (base / f"linux-{source.line_of(version)}", base / f"linux-{default(repo)}"):
        if directory.is_dir():
            seeded = defects.read_all(directory)
            break
    found = []
    for caller in table:
        calls = _calls(static, table, caller)
        tests: Dict[str, Dict[str, Tuple[int, List[str], int]]] = {}
        for arch, by_contract in runs.items():
            for contract, outcome in by_contract.items():
                mine = Outcome({name: status for name, status in outcome.tests.items()
                                if caller.is_about(name)})
                tests.setdefault(arch, {})[contract] = (
                    len(mine.of(PASS)), sorted(mine.failed), len(mine.of(SKIP)))
        count = sum(any(caller.is_about(test) for test in mutant.caught_by) for mutant in seeded)
        if calls or caller.tests:
            found.append(Row(caller, calls, tests, count))
    return found
