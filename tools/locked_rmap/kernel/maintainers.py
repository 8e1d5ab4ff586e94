# SPDX-License-Identifier: GPL-2.0-only
"""A tree's MAINTAINERS file: whose the suites are, and whom to send them to."""

import re
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence, Tuple

from ..base import proc
from ..base.errors import Stop, one_line

PARENT = "MEMORY MANAGEMENT"
RMAP = f"{PARENT} - RMAP (REVERSE MAPPING)"
USERFAULTFD = f"{PARENT} - USERFAULTFD"
#: For a tree that has no section for the code under test.
OWN = f"{PARENT} - RMAP KUNIT TESTS"

#: The types of entries, in the order that checkpatch wants.
_ORDER = "MRLSWQBCPTFXNK"

#: What a get_maintainer.pl that runs outside of its tree needs.
FILES = ("scripts/get_maintainer.pl", "MAINTAINERS", ".mailmap", ".get_maintainer.ignore")


def patterns(names: Sequence[str]) -> List[str]:
    """What stands after F: for the files called @names, which lie in mm/tests.

    A directory in there is listed as a whole.  Kconfig, Makefile and the like
    belong to nobody's tests in particular.
    """
    found = set()
    for name in names:
        path = Path(name)
        if path.suffix in (".c", ".h"):
            if len(path.parts) > 3:
                found.add("/".join(path.parts[:3]) + "/")
            else:
                found.add(f"{path.parent}/rmap_kunit_*" if path.name.startswith("rmap_kunit_")
                          else name)
    return sorted(found)


def _section(text: str, title: str) -> Optional[Tuple[int, int]]:
    match = re.search(rf"^{re.escape(title)}\n((?:[A-Z]:\t.*\n)+)", text, re.M)
    return (match.start(1), match.end(1)) if match else None


def _later(entry: str, line: str) -> bool:
    """Tell whether @entry has its place behind @line, a pattern of files."""
    return _ORDER.find(entry[0]) > _ORDER.find("F") or (entry[0] == "F" and entry > line)


def add(text: str, pattern: str) -> str:
    """@text, a MAINTAINERS file, with @pattern listed in the section where it belongs.

    A tree that has no section of the code under test gets one for the suites,
    with the people and lists of memory management as that tree has them.
    Without even that section, nothing is changed.
    """
    line = f"F:\t{pattern}\n"
    titles = [RMAP, OWN]
    if Path(pattern).name.startswith("userfaultfd"):
        titles.insert(0, USERFAULTFD)
    for title in titles:
        place = _section(text, title)
        if place is not None:
            start, end = place
            entries = text[start:end].splitlines(keepends=True)
            if line in entries:
                return text
            at = next((number for number, entry in enumerate(entries) if _later(entry, line)),
                      len(entries))
            return text[:start] + "".join([*entries[:at], line, *entries[at:]]) + text[end:]
    parent = _section(text, PARENT)
    if parent is None:
        return text
    heads = "".join(re.findall(r"^[MRLS]:\t.*\n", text[parent[0]:parent[1]], re.M))
    later = [match.start() for match in re.finditer(r"^(MEMORY M.*)\n(?=[A-Z]:\t)", text, re.M)
             if match.group(1) > OWN and match.start() > parent[0]]
    section = f"{OWN}\n{heads}{line}\n"
    if later:
        return text[:later[0]] + section + text[later[0]:]
    rest = text[parent[1]:]
    return f"{text[:parent[1]]}\n{section}{rest[1:] if rest.startswith(chr(10)) else rest}"


class People(NamedTuple):
    """Whom to send a series to."""

    to: List[str]
    cc: List[str]

    def options(self) -> List[str]:
        """As options of git format-patch."""
        return [f"--to={name}" for name in self.to] + [f"--cc={name}" for name in self.cc]


def ask(where: Path, patches: Sequence[Path]) -> People:
    """What the get_maintainer.pl in @where, which has FILES of a tree, says of @patches."""
    if not (where / "scripts/get_maintainer.pl").is_file():
        return People([], [])
    # Lists and people of the files: not those in git log, nor who is asked where a word occurs.
    base = ["perl", "scripts/get_maintainer.pl", "--no-tree", "--no-git",
            "--no-git-fallback", "--no-fixes",
            "--no-rolestats", "--no-keywords"]

    def names(*options: str) -> List[str]:
        answer = proc.output([*base, *options, *(str(path) for path in patches)], cwd=where,
                             limit=120)
        if answer.returncode != 0:
            raise Stop(f"get_maintainer.pl failed: {one_line(answer.stderr, 200)}")
        return list(dict.fromkeys(line for line in answer.stdout.splitlines() if line.strip()))

    to = names("--no-l", "--no-r")
    return People(to, [name for name in names("--no-m") if name not in to])
