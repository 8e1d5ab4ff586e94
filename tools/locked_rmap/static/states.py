# SPDX-License-Identifier: GPL-2.0-only
"""What is known at a point of a function: values, locks, and what conditions said."""

import functools
import re
from typing import Callable, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Tuple, Union

from .functions import Source

#: ("i", number), ("c", name of a constant), ("f", set of flags), ("s", name of what is not known).
Value = Tuple[str, Union[int, str, FrozenSet[str]]]
Key = Tuple[str, ...]

_ID = re.compile(r"<\d+(?::\w+)?>|p:\d+|g:~?\w+|&\w+")
NULL: Value = ("i", 0)


@functools.lru_cache(maxsize=100000)
def ids(text: str) -> Tuple[str, ...]:
    """The names that the name of a value is made of."""
    return tuple(_ID.findall(text))


class State:
    """What is known at one point of one way through a function."""

    __slots__ = ("env", "locks", "facts")

    def __init__(self, env: Dict[Key, Value], locks: Dict[str, Tuple[str, int]],
                 facts: Dict[Key, bool]) -> None:
        self.env = env
        self.locks = locks
        self.facts = facts

    def copy(self) -> "State":
        """One that can go another way."""
        return State(dict(self.env), dict(self.locks), dict(self.facts))

    def key(self) -> Tuple[FrozenSet[object], FrozenSet[object], FrozenSet[object]]:
        """Equal for states that know the same."""
        return (frozenset(self.env.items()), frozenset(self.locks.items()),
                frozenset(self.facts.items()))


class Hit(NamedTuple):
    """A call that was asked about, as one way comes to it."""

    name: str
    line: int
    args: List[Value]
    state: State


class Taken(NamedTuple):
    """A place that takes a lock, and what is known of the parameters there."""

    what: str
    line: int
    facts: FrozenSet[Tuple[Key, bool]]


class Effect(NamedTuple):
    """A way through a callee: the truth of what it returns, what it did to its parameters' locks.

    @given: what must be true of the arguments for it to go that way.
    """

    result: Optional[bool]
    locks: Tuple[Tuple[int, str], ...]
    returned: str
    given: FrozenSet[Tuple[Key, bool]]


Effects = Callable[[str, Source], Optional[List[Effect]]]


def about_parameters(facts: Dict[Key, bool]) -> FrozenSet[Tuple[Key, bool]]:
    """Those of @facts that speak of nothing but parameters."""
    return frozenset((key, truth) for key, truth in facts.items()
                     if all(name.startswith("p:") for part in key[1:] for name in ids(part))
                     and any("p:" in part for part in key[1:]) and "<" not in "".join(key[1:]))


def truth_of(value: Value, state: State) -> Optional[bool]:
    """Whether @value is not 0, None if that is not known."""
    kind, what = value
    if kind == "i":
        return what != 0
    if kind == "f":
        return bool(what)
    return state.facts.get(("t", str(what)))


def assume(value: Value, truth: bool, state: State) -> bool:
    """Go on in @state with @value being @truth; False if that cannot be."""
    known = truth_of(value, state)
    if known is not None:
        return known == truth
    what = str(value[1])
    if "g:~" in what or (what[0] == "(" and "&" not in what):
        return True
    state.facts[("t", what)] = truth
    of_dax = ("dax", what)
    for key in [key for key in state.facts if key[:2] == of_dax]:
        if truth:
            state.facts[("file", key[2])] = True
        del state.facts[key]
    return True


def assume_test(test: str, what: str, truth: bool, state: State) -> bool:
    """The same for a test of a folio."""
    key = (test, what)
    if key in state.facts:
        return state.facts[key] == truth
    if test == "ksm" and truth and not assume_test("anon", what, True, state):
        return False
    if test == "anon" and not truth and state.facts.get(("ksm", what)):
        return False
    state.facts[key] = truth
    return True


def fits(given: Iterable[Tuple[Key, bool]], args: List[Value], state: State) -> bool:
    """Go on in @state with a callee's parameters being as @given; False if that cannot be."""
    for key, truth in given:
        number = re.search(r"p:(\d+)", " ".join(key[1:]))
        if number is None or int(number.group(1)) >= len(args):
            continue
        value = args[int(number.group(1))]
        here = f"p:{number.group(1)}"
        if key[0] in ("anon", "ksm", "hugetlb") and key[1] == here and value[0] == "s":
            if not assume_test(key[0], str(value[1]), truth, state):
                return False
        elif key[0] == "t" and key[1] == here:
            if not assume(value, truth, state):
                return False
        elif key[0] == "t":
            bits = re.fullmatch(r"\(p:\d+&(\w+)\)", key[1])
            if bits is None:
                continue
            if value == NULL:
                if truth:
                    return False
            elif value[0] == "f" and isinstance(value[1], frozenset):
                if (bits.group(1) in value[1]) != truth:
                    return False
            elif value[0] == "s":
                if not assume(("s", f"({value[1]}&{bits.group(1)})"), truth, state):
                    return False
    return True


def compare(left: Value, right: Value, state: State) -> Tuple[List[State], List[State]]:
    if left == right and (left[0] != "s" or not str(left[1]).startswith("g:")):
        return [state], []
    if left[0] == "i" and right[0] == "i":
        return [], [state]
    if left[0] in "cf" and right[0] in "cf" and left[0] == right[0]:
        return [], [state]
    if NULL in (left, right):
        other = right if left == NULL else left
        copy = state.copy()
        return ([state] if assume(other, False, state) else [],
                [copy] if assume(other, True, copy) else [])
    one, two = sorted((f"{left[0]}{left[1]}", f"{right[0]}{right[1]}"))
    if "g:~" in one or "g:~" in two:
        return [state], [state.copy()]
    key = ("eq", one, two)
    known = state.facts.get(key)
    if known is not None:
        return ([state], []) if known else ([], [state])
    copy = state.copy()
    state.facts[key] = True
    copy.facts[key] = False
    return [state], [copy]


def combine(sign: str, left: Value, right: Value) -> Value:
    if sign == "&":
        if left[0] == "f" and right[0] == "f":
            return ("f", left[1] & right[1])  # type: ignore[operator]
        if NULL in (left, right):
            return NULL
    elif sign == "|":
        if left[0] == "f" and right[0] == "f":
            return ("f", left[1] | right[1])  # type: ignore[operator]
        if left == NULL:
            return right
        if right == NULL:
            return left
    elif left[0] == "i" and right[0] == "i":
        one, two = int(str(left[1])), int(str(right[1]))
        if sign == "+":
            return ("i", one + two)
        if sign == "-":
            return ("i", one - two)
        if sign in ("<", ">", "<=", ">="):
            return ("i", int(one < two if sign == "<" else one > two if sign == ">" else
                             one <= two if sign == "<=" else one >= two))
    elif (left[0] == "c" and right == NULL and str(left[1]).startswith("-")
          and sign in ("<", "<=", ">", ">=")):
        # An error, which is below 0.
        return ("i", int(sign in ("<", "<=")))
    texts = ["|".join(sorted(side[1])) if isinstance(side[1], frozenset) else str(side[1])
             for side in (left, right)]
    return ("s", f"({texts[0]}{sign}{texts[1]})")
