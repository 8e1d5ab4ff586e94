# SPDX-License-Identifier: GPL-2.0-only
"""What the source of a KUnit suite says of its tests: the rule of each, and what it needs.

The rule is the comment above the function.  What a test needs follows from what it calls:
kunit_skip() with its reason, and rmap_kunit_needs_contract(), in it and in every function of
the suite and its helpers that it may come to.
"""

import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence, Tuple

from ..kernel.overlay import TESTS
from .functions import Function, Source

#: Suites in the order of the documents.
SUITES = ("rmap", "rmap_callers", "userfaultfd_move")
HELPERS = "rmap_kunit_helpers"
_LISTED = re.compile(r"^\tKUNIT_CASE(?:_\w+)?\((\w+)", re.M)
_ALIAS = re.compile(r"^#define[ \t]+(\w+)[ \t]+(?:\\\n\s*)?(\w+)$", re.M)
_SKIP = re.compile(r'(?:\bif \(([^;{}]*)\)\s*(?:\{\s*)?)?\bkunit_skip\(test,\s*"([^"]*)"')
_CONTRACT = re.compile(r"\brmap_kunit_needs_contract\(test, RMAP_KUNIT_(\w+)\)")


class Case(NamedTuple):
    """A test: its @rule, empty if no comment says it, and the only @contract it holds for."""

    suite: str
    name: str
    rule: str
    contract: str
    #: The reasons with which it is skipped, as far as they can be read from the source.
    skips: Sequence[str]

    @property
    def full_name(self) -> str:
        """The name as KUnit and the lists of tests have it."""
        return f"{self.suite}.{self.name}"


def names(repo: Path, suite: str) -> List[str]:
    """The tests of @suite, in their order."""
    return _LISTED.findall((repo / TESTS / f"{suite}_kunit.c").read_text(encoding="utf-8"))


def every_name(repo: Path) -> List[str]:
    """The full names of all tests."""
    return [f"{suite}.{name}" for suite in SUITES for name in names(repo, suite)]


def read(repo: Path, suite: str) -> List[Case]:
    """The tests of @suite, in their order, with what its source says of them."""
    place = repo / TESTS
    paths = [place / f"{suite}_kunit.c", *sorted((place / suite).glob("*.c")),
             *sorted((place / HELPERS).glob("*.c"))]
    program = _Program([Source(str(path), path.read_text(encoding="utf-8")) for path in paths])
    return [program.case(suite, name) for name in names(repo, suite)]


class _Program:
    """The functions of a suite and its helpers, by name: more than one with #else."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._functions: Dict[str, List[Tuple[Source, Function]]] = {}
        self._aliases: Dict[str, List[str]] = {}
        for source in sources:
            for alias, name in _ALIAS.findall("\n".join(source.lines)):
                self._aliases.setdefault(alias, []).append(name)
            for function in source.functions:
                self._functions.setdefault(function.name, []).append((source, function))

    def case(self, suite: str, name: str) -> Case:
        """What is known of the test @name."""
        contracts: List[str] = []
        skips: List[str] = []
        seen = set()
        ahead = [(name, False)]
        while ahead:
            one = ahead.pop()
            if one in seen:
                continue
            seen.add(one)
            for source, function in self._functions.get(one[0], ()):
                # The #else of a file defines one test that skips; the others are aliases of it.
                if one[1] and not _only_skips(function):
                    continue
                text = "\n".join(source.lines[function.line - 1:function.last])
                contracts += [each.lower() for each in _CONTRACT.findall(text)]
                skips += _skips(function, text)
                ahead += [(word, False) for word in sorted(function.words)]
            ahead += [(alias, True) for alias in self._aliases.get(one[0], ())]
        rules = [_above(source, function) for source, function in self._functions.get(name, ())]
        return Case(suite, name, next(filter(None, rules), ""),
                    contracts[0] if len(set(contracts)) == 1 else "", sorted(set(skips)))


def _skips(function: Function, text: str) -> List[str]:
    """The reasons in a function that hold whatever it is called with, and need no number."""
    given = {parameter.name for parameter in function.parameters} - {"test"}
    return [reason for condition, reason in _SKIP.findall(text)
            if "%" not in reason and not given & set(re.findall(r"\w+", condition))]


def _only_skips(function: Function) -> bool:
    return [token.text for token in function.tokens if token.kind == "id"] == ["kunit_skip", "test"]


def _above(source: Source, function: Function) -> str:
    """The comment that ends right above a function, on one line."""
    last = function.line - 2
    # The name may stand on a line of its own.
    while last >= 0 and re.match(r"(?:static |void)", source.lines[last]):
        last -= 1
    if last < 0 or not source.lines[last].rstrip().endswith("*/"):
        return ""
    first = last
    while first > 0 and "/*" not in source.lines[first]:
        first -= 1
    words = " ".join(re.sub(r"^\s*(?:/\*+|\*(?!/))|\*/\s*$", "", line).strip()
                     for line in source.lines[first:last + 1])
    return " ".join(words.split())
