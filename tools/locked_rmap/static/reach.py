# SPDX-License-Identifier: GPL-2.0-only
"""Which steps and variables of a function bear on the calls that are asked about."""

from typing import Dict, FrozenSet, List, Sequence, Set, Tuple

from .expressions import assigns, called, callee, names_in
from .functions import Function
from .graph import Node
from .locks import DAX_ONLY, IS_LOCKED, SAME, TESTS, TOUCH, UNLOCK


def _sources(expr: object, found: Set[str]) -> None:
    """Add the names whose value can be that of @expr: not what is handed to a function."""
    if not isinstance(expr, tuple) or not expr:
        return
    if expr[0] == "id":
        found.add(str(expr[1]))
    elif expr[0] == "call":
        if callee(expr) in SAME | TOUCH | set(TESTS):
            for arg in expr[2]:
                _sources(arg, found)
    else:
        for part in expr[1:]:
            _sources(part, found)


def matters(graph: Sequence[Node], targets: FrozenSet[str], to_the_end: bool) -> Set[int]:
    """The nodes from which something that matters can be reached."""
    before: List[List[int]] = [[] for _ in graph]
    todo: List[int] = []
    for number, node in enumerate(graph):
        for succ in node.succs:
            if succ >= 0:
                before[succ].append(number)
        names: Set[str] = set()
        called(node.expr, names)
        if names & (targets | UNLOCK) or (to_the_end and number == 1):
            todo.append(number)
    found = set(todo)
    while todo:
        for number in before[todo.pop()]:
            if number not in found:
                found.add(number)
                todo.append(number)
    return found


def liveness(graph: Sequence[Node]) -> List[Set[str]]:
    """By node: the variables that may be read from there on."""
    uses: List[Set[str]] = []
    defs: List[Set[str]] = []
    for node in graph:
        use: Set[str] = set()
        names_in(node.expr, use)
        uses.append(use)
        name = assigns(node.expr)
        defs.append({name} if name and name not in use else set())
    live: List[Set[str]] = [set(use) for use in uses]
    changed = True
    while changed:
        changed = False
        for number in range(len(graph) - 1, -1, -1):
            now = set(uses[number])
            for succ in graph[number].succs:
                if succ >= 0:
                    now |= live[succ] - defs[number]
            if now != live[number]:
                live[number] = now
                changed = True
    return live


def cycles(graph: Sequence[Node]) -> Set[int]:
    """The nodes that can be come to again."""
    found: Set[int] = set()
    for start in range(len(graph)):
        if graph[start].expr is None:
            continue
        seen: Set[int] = set()
        todo = [succ for succ in graph[start].succs if succ >= 0]
        while todo and start not in seen:
            number = todo.pop()
            if number not in seen:
                seen.add(number)
                todo += [succ for succ in graph[number].succs if succ >= 0]
        if start in seen:
            found.add(start)
    return found


def relevant(function: Function, graph: Sequence[Node],
             targets: FrozenSet[str]) -> Tuple[Set[str], Set[str]]:
    """The variables that can bear on a lock, or on the arguments of a call that was asked about.

    And those that count.
    """
    found: Set[str] = set()
    tested: Set[str] = set()
    counters: Set[str] = set()
    gives: Dict[str, Set[str]] = {}

    def walk(expr: object) -> None:
        if not isinstance(expr, tuple) or not expr:
            return
        if callee(expr) in targets | TOUCH | IS_LOCKED | DAX_ONLY | set(TESTS):
            for arg in expr[2]:
                names_in(arg, found)
        if expr[0] == "assign" and len(expr) == 4 and isinstance(expr[2], tuple):
            sides: Set[str] = set()
            _sources(expr[3], sides)
            if expr[2][0] == "id":
                gives.setdefault(str(expr[2][1]), set()).update(sides)
                if expr[1] not in ("=", "|=", "&="):
                    counters.add(str(expr[2][1]))
            else:
                bases: Set[str] = set()
                names_in(expr[2], bases)
                for base in bases:
                    gives.setdefault(base, set()).update(sides)
        if expr[:2] in (("un", "++"), ("un", "--")) and isinstance(expr[2], tuple):
            if expr[2][0] == "id":
                counters.add(str(expr[2][1]))
        for part in expr:
            walk(part)

    for node in graph:
        walk(node.expr)
        if node.kind == "branch":
            names_in(node.expr, tested)
    found |= (flags(graph) & tested) - counters
    todo = list(found)
    while todo:
        for name in gives.get(todo.pop(), ()):
            if name not in found:
                found.add(name)
                todo.append(name)
    return found | {parameter.name for parameter in function.parameters}, counters


def flags(graph: Sequence[Node]) -> Set[str]:
    """The variables that get constants, or the outcome of a lock: conditions on them matter."""
    found: Set[str] = set()
    for node in graph:
        name = assigns(node.expr)
        if name is None or node.expr is None:
            continue
        names: Set[str] = set()
        called(node.expr, names)
        value = node.expr[3]
        if names & (TOUCH | IS_LOCKED | DAX_ONLY | set(TESTS)) or (isinstance(value, tuple) and (
                value[0] == "num" or value in (("id", "NULL"), ("id", "true"), ("id", "false")))):
            found.add(name)
    return found
