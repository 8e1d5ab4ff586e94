# SPDX-License-Identifier: GPL-2.0-only
"""The callers of rmap_walk(), as mm/tests/callers has them: the one place that knows."""

import fnmatch
import re
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Sequence

from ..base.errors import Stop

TABLE = Path("mm") / "tests" / "callers"
_FIELDS = ("Caller", "What", "Functions", "Tests", "Unlocked", "Covered", "Trusted", "Because",
           "Fingerprints")


class Caller(NamedTuple):
    """One entry: who walks, and which tests are about it."""

    name: str
    what: str
    #: Globs of functions, and of tests.
    functions: Sequence[str]
    tests: Sequence[str]
    #: By kernel line, the functions that walk an unlocked folio where no stage has mended them.
    unlocked: Mapping[str, Sequence[str]]
    #: By file, globs of the functions whose lines must run.
    covered: Mapping[str, Sequence[str]]

    def is_about(self, test: str) -> bool:
        """Tell whether @test is about this caller."""
        return any(fnmatch.fnmatchcase(test, glob) for glob in self.tests)

    def has(self, function: str) -> bool:
        """Tell whether @function belongs to this caller."""
        return any(fnmatch.fnmatchcase(function, glob) for glob in self.functions)


class Trust(NamedTuple):
    """A call that `check` takes for locked without a proof, while its function stays as it is."""

    file: str
    function: str
    callee: str
    why: str
    fingerprints: Sequence[str]


def _entries(repo: Path) -> List[Dict[str, List[str]]]:
    path = repo / TABLE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as err:
        raise Stop(f"{path} is missing: this clone of the repository is not whole") from err
    found: List[Dict[str, List[str]]] = [{}]
    field = ""
    for number, text in enumerate(lines, 1):
        match = re.fullmatch(r"([A-Z][a-z]+): +(\S.*)", text)
        if text.startswith("#"):
            continue
        if not text.strip():
            found += [{}] if found[-1] else []
            field = ""
        elif match and match.group(1) in _FIELDS and match.group(1) not in found[-1]:
            field = match.group(1)
            found[-1][field] = [match.group(2)]
        elif field and text.startswith("   "):
            found[-1][field][-1] += f" {text.strip()}"
        elif field and text.startswith(" "):
            found[-1][field].append(text.strip())
        else:
            raise Stop(f"{path}:{number}: not one of {', '.join(_FIELDS)}, once in an entry; "
                       "correct the file")
    return [entry for entry in found if entry]


def read_trusted(repo: Path) -> List[Trust]:
    """The calls that are trusted; Stop if an entry is not as the file says."""
    found = []
    for entry in _entries(repo):
        if "Trusted" not in entry:
            continue
        match = re.fullmatch(r"(\S+): (\w+) > (\w+)", entry["Trusted"][0])
        if match is None or not {"Because", "Fingerprints"} <= set(entry):
            raise Stop(f"{repo / TABLE}: 'Trusted: {entry['Trusted'][0]}' is not FILE: FUNCTION > "
                       "CALLEE with Because and Fingerprints; correct the file")
        found.append(Trust(match.group(1), match.group(2), match.group(3),
                           " ".join(entry["Because"]), _words(entry, "Fingerprints")))
    return found


def read(repo: Path) -> List[Caller]:
    """The callers, in their order; Stop, naming the line, if one is not as the file says."""
    path = repo / TABLE
    entries = [entry for entry in _entries(repo) if "Trusted" not in entry]
    for entry in entries:
        if not {"Caller", "What", "Functions"} <= set(entry):
            raise Stop(f"{path}: the entry {entry.get('Caller', ['without a name'])[0]} has no "
                       "Caller, What or Functions; correct the file")
    return [Caller(entry["Caller"][0], " ".join(entry["What"]), _words(entry, "Functions"),
                   _words(entry, "Tests"),
                   _by_key(path, entry, "Unlocked"), _by_key(path, entry, "Covered"))
            for entry in entries]


def _words(entry: Mapping[str, List[str]], field: str) -> List[str]:
    return " ".join(entry.get(field, [])).split()


def _by_key(path: Path, entry: Mapping[str, List[str]], field: str) -> Dict[str, List[str]]:
    """The lines `KEY: WORD ...` of @field."""
    found = {}
    for text in entry.get(field, []):
        key, colon, words = text.partition(": ")
        if not (colon and words.split()):
            raise Stop(f"{path}: {field} of {entry['Caller'][0]}: '{text}' is not KEY: WORD ...; "
                       "correct the file")
        found[key] = words.split()
    return found


def belongs_to(callers: Sequence[Caller], functions: Sequence[str]) -> Caller:
    """The caller that the first of @functions belongs to that belongs to any.

    They are those from a call down to its walk.  The last entry takes what no other does.
    """
    return next((each for function in functions for each in callers[:-1] if each.has(function)),
                callers[-1])


def tested_by(callers: Sequence[Caller], test: str) -> Caller:
    """The caller that @test is about."""
    return next((each for each in callers if each.is_about(test)), callers[-1])


def walk_unlocked(callers: Sequence[Caller], line: str) -> List[str]:
    """The functions that walk an unlocked folio on the older stages of @line."""
    return sorted(name for each in callers for name in each.unlocked.get(line, ()))
