# SPDX-License-Identifier: GPL-2.0-only
"""The generated parts of the documents: tables of tests, callers, lines and seeded defects.

They come from the sources and from RECORD, which has why tests were skipped in the last runs.
A generated part stands between `.. generated: NAME` and `.. end of generated: NAME`.
"""

import functools
import re
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence

from ..base import files
from ..base.errors import Stop
from ..base.results import SKIP, SUITES, results_dir
from ..kernel import callers, defects, line
from ..kernel.overlay import TESTS
from ..kernel.series import CONTRACTS, LOCKED, STOCK

RECORD = Path("Documentation") / "skips.json"
#: Suites in the order of the document.
ORDER = ("rmap", "rmap_callers", "userfaultfd_move")

#: By test and reason, the runs in which it was skipped: line, configuration, contract.
Skips = Dict[str, Dict[str, List[str]]]


def table(rows: Sequence[Sequence[str]]) -> str:
    """@rows, the first of which is the head, as a simple table of reStructuredText."""
    width = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    bar = " ".join("=" * each for each in width)
    told = [" ".join(f"{cell:<{each}}" for cell, each in zip(row, width)).rstrip() for row in rows]
    return "\n".join([bar, told[0], bar, *told[1:], bar])


def tests_of(repo: Path, suite: str) -> List[str]:
    """The tests of a suite, in their order."""
    source = (repo / TESTS / f"{suite}_kunit.c").read_text(encoding="utf-8")
    return re.findall(r"^\tKUNIT_CASE(?:_SLOW)?\((\w+)\),$", source, re.M)


def _shown(repo: Path) -> Dict[str, List[str]]:
    """By test, the lines whose stock fails it under `locked`."""
    found: Dict[str, List[str]] = {}
    for name in line.names(repo):
        path = line.patches_dir(repo, name) / line.defects_name(LOCKED, STOCK)
        told = path.read_text(encoding="utf-8") if path.is_file() else ""
        for test in re.findall(r"^(\w+\.\w+)", told, re.M):
            found.setdefault(test, []).append(name)
    return found


def tests(repo: Path, suite: str) -> str:
    """One row a test of @suite: contract, what it needs, on which lines stock fails it."""
    skips: Skips = files.read_json(repo / RECORD) or {}
    shown = _shown(repo)
    rows = [["test", "contract", "needs", "stock fails"]]
    for name in tests_of(repo, suite):
        why = list(skips.get(f"{suite}.{name}", {}))
        only = [each for each in CONTRACTS for text in why
                if text.endswith(f"contract={each} only")]
        needs = [text[len("needs "):].replace("CONFIG_", "") for text in why
                 if text.startswith("needs ")]
        rows.append([f"``{name}``", *(only[:1] or [""]), "; ".join(sorted(needs)),
                     ", ".join(shown.get(f"{suite}.{name}", ()))])
    return table(rows)


def callers_table(repo: Path) -> str:
    """One row a caller of rmap_walk(): what it is, and how many tests are about it."""
    known = callers.read(repo)
    every = [f"{suite}.{name}" for suite in ORDER for name in tests_of(repo, suite)]
    rows = [["caller", "what", "tests", "walks unlocked on stock"]]
    rows += [[each.name, each.what, str(sum(map(each.is_about, every))), ", ".join(each.unlocked)]
             for each in known]
    return table(rows)


def lines_table(repo: Path) -> str:
    """One row a stage of a line."""
    rows = [["line", "stage", "contract", "patches"]]
    for name in line.names(repo):
        rows += [[name, stage.name, stage.contract, str(len(stage.patches))]
                 for stage in line.read_series(repo, name).stages]
    return table(rows)


def defects_table(repo: Path) -> str:
    """One row a line and stage: how many defects are seeded there, by where they show first."""
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
    **{f"tests_{suite}": functools.partial(tests, suite=suite) for suite in ORDER},
    "callers": callers_table, "lines": lines_table, "defects": defects_table}
_PART = re.compile(r"(^\.\. generated: (\w+)\n)(.*?)(^\.\. end of generated: \2$)", re.M | re.S)


def renew(repo: Path, text: str) -> str:
    """A document's @text with its generated parts as they are to be; Stop if one is unknown."""
    def part(match: "re.Match[str]") -> str:
        if match.group(2) not in PARTS:
            raise Stop(f"there is no generated part '{match.group(2)}': "
                       f"there are {', '.join(PARTS)}")
        return f"{match.group(1)}\n{PARTS[match.group(2)](repo)}\n\n{match.group(4)}"

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


def record(repo: Path) -> None:
    """Take what the last runs of each line say of skipped tests into RECORD."""
    found: Skips = files.read_json(repo / RECORD) or {}
    known = {f"{suite}.{name}" for suite in ORDER for name in tests_of(repo, suite)}
    for path in sorted(results_dir(repo).glob("run-*/summary.json")):
        value: Dict[str, Any] = files.read_json(path) or {}
        if not path.parent.name.startswith("run-tree-") and value.get("contract"):
            _take(found, value, f"{value['line']} {value['arch']} {value['contract']}")
    files.write_json(repo / RECORD, {test: found[test] for test in sorted(found) if test in known})


def _take(found: Skips, value: Mapping[str, Any], run: str) -> None:
    """Have @found say of @run what its summary @value says."""
    stages = [stage[SUITES] for stage in value["stages"].values()]
    for test in {test for stage in stages for test in stage["tests"]}:
        if not all(stage["tests"].get(test) == SKIP for stage in stages):
            whys = set()
        else:
            whys = {stage["skips"].get(test, "") for stage in stages}
        reasons = found.setdefault(test, {})
        for why in {*reasons, *whys}:
            runs = [each for each in reasons.get(why, []) if each != run]
            reasons[why] = sorted([*runs, run] if why in whys else runs)
        found[test] = {why: reasons[why] for why in sorted(reasons) if reasons[why]}
        if not found[test]:
            del found[test]
