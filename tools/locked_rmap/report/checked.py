# SPDX-License-Identifier: GPL-2.0-only
"""What people read of `check` on a terminal."""

from typing import Sequence

from ..base.console import Console, clock
from ..guest.evidence import NEITHER, Judgement, Row
from ..kernel.series import CONTRACTS
from ..static.callers import FILE, HELD, NOT_HELD, UNKNOWN
from ..static.contract import Static, says, why

_CELL = {NOT_HELD: "31;1", UNKNOWN: "33", HELD: "32", FILE: "32"}
#: Width of a column of tests.
_RUN = 17


def print_static(console: Console, static: Static) -> None:
    """One line a call, and what shows it."""
    console.line()
    width = max(len(f"{call.file}:{call.line}") for call in static.calls)
    for call in static.calls:
        status = "test code" if call.test else call.status
        count = len(call.ways)
        console.line(f"{console.paint(f'{status:<15}', '' if call.test else _CELL[call.status])}  "
                     f"{f'{call.file}:{call.line}':<{width}}  {says(call)}"
                     + (f", {count} ways" if count > 1 else ""))
        if call.test:
            continue
        shown = [way for way in call.ways if way.status in (NOT_HELD, UNKNOWN)][:3] \
            or call.ways[-1:]
        aside = [way for way in call.ways if way.status == FILE and way not in shown][:1]
        for way in [*shown, *aside]:
            mark = "" if way.status == call.status else f"{way.status}: "
            console.line(f"{'':17}{mark}{why(way)}")
    console.line()
    for mover in static.movers:
        console.line(f"mover            {mover.place.file}:{mover.place.line}  "
                     f"{mover.function}(): {mover.lock or 'takes no anon_vma lock'}")
    if not static.movers:
        console.line("mover            none: this tree has no UFFDIO_MOVE")
    again = ", ".join(f"{place.file}:{place.line}" for place in static.looks_again)
    again = again or "none: folio_lock_anon_vma_read() reads folio->mapping once"
    console.line(f"revalidation     {again}")


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
         by_source: bool) -> None:
    """All that `check` has found of the tree that @what names; @by_source: nothing was run."""
    print_static(console, static)
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
