# SPDX-License-Identifier: GPL-2.0-only
"""The generated parts of the documents: tests, callers, lines and seeded defects.

All of it comes from the sources.  A generated part stands between `.. generated: NAME` and
`.. end of generated: NAME`.
"""

import functools
import re
import textwrap
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Sequence

from ..base.errors import Stop
from ..kernel import callers, defects, line
from ..kernel.overlay import TESTS
from ..kernel.series import CONTRACTS, LOCKED, STOCK
from ..static import cases

#: Columns of a document.
WIDTH = 100
#: A reason to skip that suites.rst tells once for all tests.
_TOLD_ONCE = "needs system calls, so UML, x86_64 or arm64"
#: Reasons that hold for a kernel or an architecture; all others are about the machine at hand.
_LASTING = re.compile(r"this (?:kernel|architecture)\b|.* of this kernel ")


def table(rows: Sequence[Sequence[str]]) -> str:
    """@rows, the first of which is the head, as a simple table of reStructuredText."""
    width = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    bar = " ".join("=" * each for each in width)
    # A row whose first cell is empty would continue the one above.
    told = [" ".join(f"{cell:<{each}}" for cell, each in zip([row[0] or "\\", *row[1:]], width))
            for row in rows]
    return "\n".join([bar, told[0].rstrip(), bar, *map(str.rstrip, told[1:]), bar])


def _literal(text: str) -> str:
    """Words of a comment as reStructuredText."""
    return re.sub(r"(?<=\w)_(?!\w)", r"\\_", re.sub(r"([*`|\\])", r"\\\1", text))


def _failing(repo: Path) -> Dict[str, List[str]]:
    """By test, where stock must fail it: a line, with architecture and contract if not all."""
    found: Dict[str, List[str]] = {}
    for name in line.names(repo):
        known = set()
        for contract in sorted(CONTRACTS, key=lambda each: each != LOCKED):
            path = line.patches_dir(repo, name) / line.defects_name(contract, STOCK)
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            for test, arch in re.findall(r"^(\w+\.\w+)[ \t]*(\w*)", text, re.M):
                where = f"{name} on {arch}" if arch else name
                if (test, where) not in known:
                    known.add((test, where))
                    under = f" under ``{contract}``" if contract != LOCKED else ""
                    found.setdefault(test, []).append(where + under)
    return found


def _wrapped(text: str) -> List[str]:
    return textwrap.wrap(text, WIDTH - 4, break_long_words=False, break_on_hyphens=False)


def _case(case: cases.Case, failing: Sequence[str]) -> str:
    """A test as an entry of a definition list."""
    if not case.rule:
        raise Stop(f"{TESTS}/{case.suite}: {case.name}() has no comment right above it: "
                   "write one that says the rule which the test shows")
    needs = [why[len("needs "):].replace("CONFIG_", "") for why in case.skips
             if why.startswith("needs ") and why != _TOLD_ONCE]
    marks = [f"Contract: ``{case.contract}``."] if case.contract else []
    marks += [f"Needs {'; '.join(needs)}."] if needs else []
    marks += [f"Skipped if {why}." for why in case.skips if _LASTING.match(why)]
    if case.contract and case.contract != LOCKED:
        failing = [each.split(" under ")[0] for each in failing]
    marks += [f"Stock fails: {', '.join(failing)}."] if failing else []
    rule = case.rule if case.rule.endswith((".", ":", "?")) else f"{case.rule}."
    body = [*_wrapped(_literal(rule)), *_wrapped("  ".join(marks))]
    return "\n".join([f"``{case.name}``", *(f"    {text}" for text in body)])


def tests(repo: Path, suite: str) -> str:
    """One entry a test of @suite: the rule, contract, needs, on which lines stock fails it."""
    failing = _failing(repo)
    return "\n".join(_case(case, failing.get(case.full_name, ()))
                     for case in cases.read(repo, suite))


def callers_table(repo: Path) -> str:
    """One row a caller of rmap_walk(): what it is, and how many tests are about it."""
    every = cases.every_name(repo)
    rows = [["caller", "what", "tests", "stock unlocked"]]
    rows += [[each.name, each.what, str(sum(map(each.is_about, every))), ", ".join(each.unlocked)]
             for each in callers.read(repo)]
    return table(rows)


def lines_table(repo: Path) -> str:
    """One row a stage of a line."""
    rows = [["line", "stage", "contract", "patches"]]
    for name in line.names(repo):
        rows += [[name, stage.name, stage.contract, str(len(stage.patches))]
                 for stage in line.read_series(repo, name).stages]
    return table(rows)


def defects_table(repo: Path) -> str:
    """One row a line and stage: how many defects are seeded there, by where they run first."""
    rows = [["line", "stage", *defects.ARCHES]]
    for name in line.names(repo):
        series = line.read_series(repo, name)
        usual = series.first(LOCKED) or series.stages[-1]
        place = repo / "tools" / "mutants" / f"linux-{name}"
        seeded = defects.read_all(place) if place.is_dir() else []
        for stage in series.stages:
            here = [each for each in seeded if (each.stage or usual.name) == stage.name]
            if here:
                rows.append([name, stage.name, *(str(sum(each.arches[0] == arch for each in here))
                                                 for arch in defects.ARCHES)])
    return table(rows)


PARTS: Mapping[str, Callable[[Path], str]] = {
    **{f"tests_{suite}": functools.partial(tests, suite=suite) for suite in cases.SUITES},
    "callers": callers_table, "lines": lines_table, "defects": defects_table}
_BEGIN = re.compile(r"^\.\. generated: (\w+)$", re.M)
_PART = re.compile(r"(^\.\. generated: (\w+)\n)(.*?)(^\.\. end of generated: \2$)", re.M | re.S)


def renew(repo: Path, text: str) -> str:
    """A document's @text with its generated parts as they are to be; Stop if one is unknown."""
    def part(match: "re.Match[str]") -> str:
        if match.group(2) not in PARTS:
            raise Stop(f"there is no generated part '{match.group(2)}': "
                       f"there are {', '.join(PARTS)}")
        return f"{match.group(1)}\n{PARTS[match.group(2)](repo)}\n\n{match.group(4)}"

    whole = {match.group(2) for match in _PART.finditer(text)}
    for name in _BEGIN.findall(text):
        if name not in whole:
            raise Stop(f"'.. generated: {name}' has no '.. end of generated: {name}': add it")
    return _PART.sub(part, text)


def documents(repo: Path) -> List[Path]:
    """The documents that may have generated parts."""
    return sorted([*repo.glob("*.md"), *repo.glob("Documentation/*.rst")])


def stale(repo: Path) -> Dict[Path, str]:
    """The documents that are not up to date, and what each is to hold."""
    found = {}
    for path in documents(repo):
        text = path.read_text(encoding="utf-8")
        wanted = renew(repo, text)
        if wanted != text:
            found[path] = wanted
    return found
