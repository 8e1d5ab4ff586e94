# SPDX-License-Identifier: GPL-2.0-only
"""Checks that the generated parts of the documents are up to date."""

from typing import List

from ..report import tables
from .desk import Check, Desk, Tally, tally


def documents(desk: Desk) -> Tally:
    """The tables of tests, callers, lines and seeded defects."""
    late = tables.stale(desk.repo)
    return tally({str(path.relative_to(desk.repo)):
                  "out of date; run tools/locked-rmap test --update" if path in late else ""
                  for path in tables.documents(desk.repo)})


def checks(_desk: Desk) -> List[Check]:
    """Those of this file."""
    return [Check("documents", "the generated parts of the documents are up to date", documents, 1,
                  on_request=False)]
