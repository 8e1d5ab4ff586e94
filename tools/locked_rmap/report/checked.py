# SPDX-License-Identifier: GPL-2.0-only
"""What people read of `check` on a terminal."""

from typing import Sequence

from ..base.console import Console, clock
from ..guest.evidence import NEITHER, Judgement, Row
from ..kernel.series import CONTRACTS
from ..static.callers import (PROVED, REQUIRED, STATUSES, TRUSTED, UNLOCKED, UNPROVED, Way)
from ..static.contract import Static, says

_CELL = {UNLOCKED: "31;1", UNPROVED: "33", TRUSTED: "36", REQUIRED: "32", PROVED: "32"}
#: Width of a column of tests.
_RUN = 17
#: Branches of a way that are printed.
_MOST = 6


def print_static(console: Console, static: Static, every: bool) -> None:
    """What is wrong and what is trusted, call by call; with @every all calls and ways."""
    console.line()
    order = sorted((call for call in static.calls if every or call.status in
                    (UNLOCKED, UNPROVED, TRUSTED) and not call.test),
                   key=lambda call: STATUSES.index(call.status))
    for call in order:
        status = "test code" if call.test else call.status
        colour = "" if call.test else _CELL[call.status]
        console.line(f"{console.paint(f'{status:<11}', colour)} {call.file}:{call.line}  "
                     f"{says(call)}")
        if call.note:
            console.line(f"{'':12}{call.note}")
        if every and call.needs:
            console.line(f"{'':12}callers must have locked: {'; '.join(call.needs)}")
        for way in call.ways if every else call.key_ways()[:3]:
            _print_way(console, way, every)
        for hop in call.walk if call.ways else ():
            console.line(f"{'':12}then {hop}")
    counts = ", ".join(f"{console.paint(str(len(static.of(status))), _CELL[status])} {what}"
                       for status, what in (
                           (PROVED, "proved"), (REQUIRED, "required of their callers"),
                           (TRUSTED, "trusted"), (UNPROVED, "not proved"), (UNLOCKED, "unlocked")))
    console.line(f"calls: {counts}"
                 + ("" if every else "; --ways prints them all"))
    console.line(f"also trusted: {len(static.harmless)} functions that leave folio locks alone"
                 + (f": {', '.join(static.harmless)}" if every else ""))
    for name in static.unused:
        console.line(f"not needed: mm/tests/callers trusts {name}, which is proved or gone: "
                     "remove the entry")
    for name in static.odd:
        console.line(f"passed over: {name} is not a file of C that can be read")
    for mover in static.movers:
        console.line(f"mover: {mover.place.file}:{mover.place.line}  "
                     f"{mover.function}(): {mover.lock or 'takes no anon_vma lock'}")
    if not static.movers:
        console.line("mover: none, this tree has no UFFDIO_MOVE")
    # Where no mover relies on it, revalidation is nobody's concern.
    if any(mover.lock is not None for mover in static.movers):
        again = ", ".join(f"{place.file}:{place.line}" for place in static.looks_again)
        console.line("revalidation: "
                     + (again or "none, folio_lock_anon_vma_read() reads folio->mapping once"))


def _print_way(console: Console, way: Way, every: bool) -> None:
    first, branches = way.evidence[0], way.evidence[1:]
    console.line(f"{'':12}{'' if not every else f'{way.status}: '}{first}")
    shown = branches if every else branches[:_MOST]
    if shown:
        console.line(f"{'':12}by way of " + ", ".join(
            f"{place.file}:{place.line} ({place.says.split(': ')[-1]})" for place in shown)
            + (f" and {len(branches) - len(shown)} more" if len(branches) > len(shown) else ""))


def print_matrix(console: Console, table: Sequence[Row], contract: str) -> None:
    """Callers against evidence; @contract is the verdict."""
    arches = list(dict.fromkeys(arch for row in table for arch in row.tests))
    # The contract that the tree honours first; that it fails the other's tests is how it should be.
    columns = [(arch, each) for each in sorted(CONTRACTS, key=lambda each: each != contract)
               for arch in arches]
    heads = [f"{arch} {each}" for arch, each in columns]
    name = max(len(row.caller.name) for row in table)
    console.line()
    console.line("  ".join([f"{'caller':<{name}}", f"{'source':<15}",
                            *(f"{head:<{_RUN}}" for head in heads), "defects"]))
    for row in table:
        cells = [f"{row.caller.name:<{name}}",
                 console.paint(f"{row.status or '-':<15}", _CELL.get(row.status, ""))]
        for arch, each in columns:
            passed, bad, skipped = row.tests.get(arch, {}).get(each, (0, [], 0))
            text = f"{len(bad)} FAIL" if bad else f"{passed} pass" if passed else \
                f"not seen, {skipped} skip" if skipped else "-"
            red = bad and contract in (each, NEITHER)
            colour = "31;1" if red else "33" if bad else "32" if passed else "33" if skipped else ""
            cells.append(console.paint(f"{text:<{_RUN}}", colour))
        console.line("  ".join([*cells, str(row.defects or "-")]).rstrip())
    console.line()


def show(console: Console, static: Static, matrix: Sequence[Row], verdict: Judgement, what: str,
         by_source: bool, every: bool) -> None:
    """All that `check` has found of the tree that @what names.

    @by_source: nothing was run; @every: print all calls, and all their ways.
    """
    print_static(console, static, every)
    print_matrix(console, matrix, verdict.contract)
    for text in verdict.reasons:
        console.line(text)
    if verdict.look:
        console.line("look at:")
    for text in verdict.look:
        console.line(f"  {text}")
    for text in verdict.aside:
        console.line(text)
    if verdict.not_seen:
        console.line(console.paint("not seen at run time, the source alone speaks for them:", "33"))
    for name, text in verdict.not_seen.items():
        console.line(f"  {name}: {text}")
    console.line(console.paint(verdict.sentence, "32" if verdict.contract != NEITHER else "31;1"))
    console.line(f"{what}: {len(static.calls)} calls in {clock(static.seconds)}"
                 + (", by its source alone" if by_source else ""))
