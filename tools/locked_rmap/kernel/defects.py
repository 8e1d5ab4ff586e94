# SPDX-License-Identifier: GPL-2.0-only
"""Seeded defects: small patches with a header, see Documentation/mutants.rst."""

import re
import tempfile
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Tuple

from ..base import proc
from ..base.errors import Stop, one_line
from . import overlay, series

#: Where defects are tried.
ARCHES = ("um", "x86_64")
#: What the header says in place of a test where the guest can only die.
CRASH = "crash"
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_TEST = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
_FIELDS = ("Breaks", "Hurts", "Caught-by", "Arch")
#: Fields that a header may have beside those.
_OPTIONAL = ("Stage",)


class Mutant(NamedTuple):
    """One seeded defect."""

    name: str
    breaks: str
    hurts: str
    caught_by: Tuple[str, ...]
    arches: Tuple[str, ...]
    #: The stage of the series that it is seeded in, empty for the usual one.
    stage: str
    diff: str

    @property
    def paths(self) -> List[str]:
        """The files of the kernel tree that the defect is in."""
        return series.touched(self.diff)


def parse(name: str, text: str) -> Mutant:
    """The mutant that @text describes.

    Raises Stop, naming the line, if the header is not as the documentation says.
    """
    def bad(number: int, why: str) -> Stop:
        return Stop(f"mutant {name}, line {number}: {why}; correct the file")

    if not _NAME.fullmatch(name):
        raise Stop(f"mutant {name}: the name must be lower-case words with '-' between them; "
                   "rename the file")
    lines = text.splitlines()
    field: Dict[str, str] = {}
    last = ""
    number = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            break
        match = re.match(r"([A-Za-z-]+):(?: +(.*))?$", line)
        if line.startswith((" ", "\t")) and last:
            field[last] = f"{field[last]} {line.strip()}".strip()
        elif match is None:
            raise bad(number, "neither 'Field: text' nor a line that goes on with a space")
        else:
            last = match.group(1)
            if last not in _FIELDS + _OPTIONAL:
                raise bad(number, f"unknown field '{last}', there are "
                                  f"{', '.join(_FIELDS + _OPTIONAL)}")
            if last in field:
                raise bad(number, f"field '{last}' stands twice")
            field[last] = (match.group(2) or "").strip()
    for wanted in _FIELDS:
        if not field.get(wanted):
            raise bad(number, f"the header has no '{wanted}'")
    diff = "\n".join(lines[number:]) + "\n"
    if not diff.startswith("--- a/"):
        raise bad(number + 1, "after the header and an empty line the diff must begin, with '--- "
                              "a/'")
    caught_by = tuple(word.strip() for word in field["Caught-by"].split(","))
    for word in caught_by:
        if word != CRASH and not _TEST.fullmatch(word):
            raise bad(number, f"Caught-by: '{word}' is neither suite.test nor '{CRASH}'")
    if CRASH in caught_by and len(caught_by) > 1:
        raise bad(number, f"Caught-by: '{CRASH}' must stand alone; name the test that the guest "
                          "dies in")
    arches = tuple(field["Arch"].split())
    for arch in arches:
        if arch not in ARCHES:
            raise bad(number, f"Arch: '{arch}' is none of {', '.join(ARCHES)}")
    for kind, words in (("Caught-by", caught_by), ("Arch", arches)):
        if len(set(words)) != len(words):
            raise bad(number, f"{kind}: an entry stands twice")
    found = Mutant(name, field["Breaks"], field["Hurts"], caught_by, arches,
                   field.get("Stage", ""), diff)
    if not found.paths:
        raise bad(number + 1, "the diff changes no file")
    for path in found.paths:
        if path.startswith(f"{overlay.TESTS}/"):
            raise bad(number + 1, f"the diff changes {path}: a defect is in the code under test, "
                                  "not in the suites")
    return found


def read_all(directory: Path) -> List[Mutant]:
    """The mutants in @directory, by name; Stop if there are none or one is bad."""
    found = []
    for path in sorted(directory.glob("*.patch")):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as err:
            raise Stop(f"{path} is not UTF-8: correct the file") from err
        found.append(parse(path.name[:-len(".patch")], text))
    if not found:
        raise Stop(f"there are no mutants for this line: {directory} has no .patch file")
    return found


def apply(mutant: Mutant, contents: Mapping[str, bytes], pristine: Path) -> overlay.Contents:
    """What the files that @mutant touches hold with it applied.

    Raises Stop if it does not apply as it is: fuzz is refused.
    """
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        tree = Path(temp) / "tree"
        for name in mutant.paths:
            data = contents.get(name)
            if data is None and (pristine / name).is_file():
                data = (pristine / name).read_bytes()
            if data is None:
                raise Stop(f"mutant {mutant.name} does not apply: the patched tree has no {name}; "
                           "correct it")
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(data)
        diff = Path(temp) / "diff"
        diff.write_text(mutant.diff, encoding="utf-8")
        answer = proc.output(["patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "--forward",
                              "--reject-file=-", "--input", str(diff)], cwd=tree)
        said = answer.stdout + answer.stderr
        if answer.returncode != 0 or re.search(r"\bwith fuzz\b", said):
            failed = re.search(r"^(?:Hunk #\d+ .*FAILED.*|patch: \*\*\*\* .*|.*[Rr]eversed.*)$",
                               said, re.M)
            why = one_line(failed.group(0) if failed else said, 120)
            raise Stop(f"mutant {mutant.name} does not apply to the patched tree ({why}): bring it "
                       "in line")
        after = {name: (tree / name).read_bytes() for name in mutant.paths
                 if (tree / name).is_file()}
        if len(after) != len(mutant.paths):
            raise Stop(f"mutant {mutant.name} removes a file, which the tool cannot do; correct it")
        return after
