# SPDX-License-Identifier: GPL-2.0-only
"""The contract that a tree's source keeps: who walks, who moves, who looks again."""

import re
import time
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence, Tuple

from ..base.console import Console
from ..base.errors import Stop
from ..kernel import source
from .callers import Call, Place, Way, mark
from .functions import Function, Source
from .lexer import Token
from .questions import Questions
from .world import World


class Mover(NamedTuple):
    """A function that gives a mapped folio another anon_vma and index, as UFFDIO_MOVE does."""

    place: Place
    function: str
    #: Where it or its caller takes an anon_vma lock for writing; None if nowhere.
    lock: Optional[Place]


class Static(NamedTuple):
    """What the source says."""

    calls: List[Call]
    movers: List[Mover]
    #: Where folio_lock_anon_vma_read() reads folio->mapping again under the anon_vma lock.
    looks_again: List[Place]
    seconds: float

    def of(self, *statuses: str) -> List[Call]:
        """The calls outside of tests that have one of @statuses."""
        return [call for call in self.calls if call.status in statuses and not call.test]


def read_source(tree: Path, console: Console) -> Static:
    """Look at the callers in @tree.  Raises Stop if it cannot be read."""
    start = time.monotonic()
    console.begin(f"reading {tree}")
    world = World(tree, console)
    world.look()
    calls = Questions(world).calls()
    if not calls:
        raise Stop(f"{tree} has no call of rmap_walk(): give the top of a kernel tree")
    found = Static(calls, movers(world), looks_again(world), time.monotonic() - start)
    console.end(f"{len(calls)} calls that walk")
    return found


def movers(world: World) -> List[Mover]:
    """Who moves mapped folios from one VMA to another."""
    found: List[Mover] = []
    for name in ("folio_move_anon_rmap", "page_move_anon_rmap", "folio_relocate_anon_rmap"):
        own = world.definition(name, None)
        sets_index = own is not None and _sets_index(own[1])
        for where, function in world.callers(name, None):
            if not (sets_index or _sets_index(function)) or world.is_test(where.path):
                continue
            line = next(token.line for token in function.tokens if token.text == name)
            found.append(Mover(mark(where, line, "moves a mapped folio"),
                               function.name, _write_lock(world, where, function, 3)))
    return found


def _sets_index(function: Function) -> bool:
    tokens = function.tokens
    return any(token.text == "index" and tokens[at - 1].text == "->" and tokens[at + 1].text == "="
               for at, token in enumerate(tokens[1:-1], 1))


def _write_lock(world: World, where: Source, function: Function, up: int) -> Optional[Place]:
    """Where @function, its helpers, or callers up to @up calls away write-lock an anon_vma."""
    found = _locks_below(where, function, 3)
    if found is None and up:
        for above, each in world.callers(function.name, where.path if function.static else None):
            if above.path == where.path:
                found = found or _write_lock(world, above, each, up - 1)
    return found


def _locks_below(where: Source, function: Function, down: int) -> Optional[Place]:
    for at, token in enumerate(function.tokens):
        inside = {each.text for each in function.tokens[at + 1:at + 10]}
        if re.fullmatch(r"anon_vma_(?:try)?lock_write", token.text) or (
                re.fullmatch(r"down_write(?:_trylock|_killable|_nested)?", token.text)
                and inside >= {"anon_vma", "rwsem"}):
            return mark(where, token.line,
                        f"{function.name}() takes the anon_vma's lock for writing")
    if down:
        for helper in where.functions:
            if (helper is not function and helper.static and not helper.macro
                    and function.calls(helper.name)):
                found = _locks_below(where, helper, down - 1)
                if found is not None:
                    return found
    return None


def _reads_mapping(tokens: Sequence[Token], at: int) -> bool:
    return tokens[at].text == "mapping" and at > 0 and tokens[at - 1].text == "->"


def looks_again(world: World) -> List[Place]:
    """Where folio_lock_anon_vma_read() reads folio->mapping again once it has the rwsem."""
    for name in ("folio_lock_anon_vma_read", "page_lock_anon_vma_read"):
        found = world.definition(name, None)
        if found is None:
            continue
        where, function = found
        tokens = function.tokens
        helpers = {each.name for each in where.functions if each.static and not each.macro
                   and any(_reads_mapping(each.tokens, at) for at in range(len(each.tokens)))}
        locked = False
        places: List[Place] = []
        for at, token in enumerate(tokens):
            if re.fullmatch(r"down_read\w*|anon_vma_lock_read|anon_vma_trylock_read", token.text):
                locked = True
            elif locked and (_reads_mapping(tokens, at) or token.text in helpers):
                places.append(mark(where, token.line, "looks at the mapping again"))
        return places
    return []


def kernel_tree(tree: Path) -> Tuple[Path, str]:
    """The tree that was asked for and its version; Stop if it is not one that can be checked."""
    tree = tree.absolute()
    if not tree.is_dir():
        raise Stop(f"there is no directory {tree}: give --tree the top of a kernel tree")
    version = source.tree_version(tree)
    source.check_age(version, str(tree))
    if not (tree / "mm" / "rmap.c").is_file():
        raise Stop(f"{tree} has no mm/rmap.c: give the top of a whole kernel tree")
    return tree, version


def says(call: Call) -> str:
    """A call in words."""
    if not call.function:
        return f"{call.callee}() is handed on"
    return f"{call.function}() calls {call.callee}()"


def why(way: Way) -> str:
    """A way in a line: who calls whom, and what shows that it is as it is."""
    chain = " > ".join(f"{hop.function}()" for hop in way.hops)
    return f"{chain}; " + "; ".join(str(place) for place in way.evidence)
