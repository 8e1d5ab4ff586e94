# SPDX-License-Identifier: GPL-2.0-only
"""Who walks the reverse map of a folio, and is the folio locked there: the words of the answer."""

from typing import Iterable, List, NamedTuple, Tuple

PROVED, REQUIRED, TRUSTED = "proved", "required", "trusted"
UNPROVED, UNLOCKED = "not proved", "unlocked"
#: From bad to good.
STATUSES = (UNLOCKED, UNPROVED, TRUSTED, REQUIRED, PROVED)

#: What walks, or starts to.
ROOTS = ("rmap_walk", "rmap_walk_locked", "folio_lock_anon_vma_read", "page_lock_anon_vma_read",
         "folio_get_anon_vma", "page_get_anon_vma")


class Place(NamedTuple):
    """A line of the tree, and what it says about the lock."""

    file: str
    line: int
    text: str
    says: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else ""
        return f"{where}{self.says}" + (f": {self.text.rstrip(' ;{')}" if self.text else "")


class Hop(NamedTuple):
    """A call: @function calls @callee."""

    file: str
    line: int
    function: str
    callee: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}() calls {self.callee}()"


class Way(NamedTuple):
    """A way to a walk: the calls, the guilty one first, and what shows that it is as it is.

    The first place of @evidence is where the folio is unlocked or comes from; the
    others are the branches from there to the guilty call.
    """

    hops: Tuple[Hop, ...]
    status: str
    evidence: Tuple[Place, ...]


class Call(NamedTuple):
    """A call of a function that needs a locked folio."""

    file: str
    line: int
    function: str
    callee: str
    status: str
    ways: Tuple[Way, ...]
    test: bool
    #: The calls from @callee down to the walk.
    walk: Tuple[Hop, ...] = ()
    #: What its own callers must show: folio, and under which conditions.
    needs: Tuple[str, ...] = ()
    #: Why it is trusted, or why an entry that trusted it does not count any more.
    note: str = ""

    def functions(self) -> List[str]:
        """The functions from this call down to the one that walks."""
        return [self.function, *(hop.function for hop in self.walk)]

    def key_ways(self) -> List[Way]:
        """The ways that make it what it is."""
        return [way for way in self.ways if way.status == self.status]


def worst(statuses: Iterable[str]) -> str:
    """The status of several calls together."""
    return min(statuses, key=STATUSES.index, default=UNPROVED)
