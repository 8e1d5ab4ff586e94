# SPDX-License-Identifier: GPL-2.0-only
"""Who walks the reverse map of a folio, and is the folio locked there: the words of the answer."""

from typing import Iterable, List, NamedTuple, Tuple

from .functions import Source

HELD, NOT_HELD, FILE, UNKNOWN = "locked", "unlocked", "never anonymous", "cannot tell"

#: What walks, or starts to: by name, the argument that is the folio.
ROOTS = {
    "rmap_walk": 0, "rmap_walk_locked": 0, "folio_lock_anon_vma_read": 0,
    "page_lock_anon_vma_read": 0, "folio_get_anon_vma": 0, "page_get_anon_vma": 0,
    "rmap_walk_anon": 0, "rmap_walk_ksm": 0, "rmap_walk_file": 0, "__rmap_walk_file": 0,
}
#: Of these, the walks of files: an anonymous folio does not come to them.
FILE_ROOTS = frozenset(("rmap_walk_file", "__rmap_walk_file"))
#: What is inside of a walk; it is the callers of these that matter.
INSIDE = frozenset((*ROOTS, "rmap_walk_anon_lock", "page_lock_anon_vma"))


class Place(NamedTuple):
    """A line of the tree, and what it says about the lock."""

    file: str
    line: int
    text: str
    says: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else ""
        return f"{where}{self.says}" + (f": {self.text.rstrip(' ;{')}" if self.text else "")


def mark(source: Source, line: int, says: str) -> Place:
    """A line of @source, which @says something."""
    return Place(source.path, line, source.text(line), says)


class Hop(NamedTuple):
    """A call: @function calls @callee."""

    file: str
    line: int
    function: str
    callee: str


class Way(NamedTuple):
    """A way to a walk: the calls, outermost first, whether the folio is locked, what shows it."""

    hops: Tuple[Hop, ...]
    status: str
    evidence: Tuple[Place, ...]


class Call(NamedTuple):
    """A call of one of ROOTS."""

    file: str
    line: int
    function: str
    callee: str
    status: str
    ways: Tuple[Way, ...]
    test: bool

    def key_ways(self) -> List[Way]:
        """The ways that make it what it is."""
        return [way for way in self.ways if way.status == self.status]


def worst(statuses: Iterable[str]) -> str:
    """The status of a site with ways of these @statuses."""
    found = set(statuses)
    for status in (NOT_HELD, UNKNOWN, HELD, FILE):
        if status in found:
            return status
    return UNKNOWN
