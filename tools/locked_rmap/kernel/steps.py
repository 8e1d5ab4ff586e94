# SPDX-License-Identifier: GPL-2.0-only
"""The suites as commits: what they share first, then one after the other; each step builds."""

import re
from pathlib import Path
from typing import Iterable, List, NamedTuple, Set

from ..base.errors import Stop
from . import commits, overlay
from .commits import Message
from .source import line_of, version_key

#: What is said of the suites, beside the series of the lines.
TEXTS = "mm/patches/suites"


#: What makes older kernels look like the one that the suites are written for.
COMPAT = f"{overlay.TESTS}/rmap_kunit_compat"
#: The file beside TEXTS that names that one's line.
NEWEST = "written-for"


class Part(NamedTuple):
    """A suite, or the exports for modules: @name.c and the directory @text, built if @option is."""

    name: str
    option: str

    @property
    def text(self) -> str:
        """What the file with its commit message and the directory with its subjects are called."""
        return (self.name[:-len("_kunit")] if self.name.endswith("_kunit")
                else self.name.rpartition("_")[2])


class Step(NamedTuple):
    """A commit of the suites: what files hold after it, and which of them are new."""

    message: Message
    contents: overlay.Contents
    new: List[str]


def parts(makefile: str) -> List[Part]:
    """The exports and the suites, in the order of the Makefile of mm/tests."""
    return [Part(name, option) for option, name in
            re.findall(r"^obj-\$\((CONFIG_\w+)\) *\+= *(\w+_kunit|rmap_exports)\.o$", makefile,
                       re.M)]


def _without(contents: overlay.Contents, later: List[Part]) -> overlay.Contents:
    """@contents without what belongs to the @later parts."""
    found = {name: data for name, data in contents.items()
             if name not in [f"{overlay.TESTS}/{part.name}.c" for part in later]
             and Path(name).parent not in [Path(overlay.TESTS, part.text) for part in later]}
    for part in later:
        symbol = part.option[len("CONFIG_"):]
        for name, pattern in ((f"{overlay.TESTS}/Kconfig",
                               rf"^config {symbol}\n(?:(?:[\t #].*)?\n)*"),
                              (f"{overlay.TESTS}/Makefile",
                               rf"^obj-.*\b{part.name}\.o\n|"
                               rf"(?:^.+\n)*^CFLAGS_{part.name}\.o.*\n(?:.+\n)*\n?"),
                              (overlay.KUNITCONFIG, rf"^{part.option}=.*\n")):
            text = found[name].decode()
            less = re.sub(pattern, "", text, flags=re.M)
            # One that is only built when asked for is not in there.
            if less == text and name != overlay.KUNITCONFIG:
                raise Stop(f"{name} says nothing of {part.option}: this clone of the repository is "
                           "not whole")
            found[name] = (less.rstrip("\n") + "\n").encode()
    return found


def _without_compat(contents: overlay.Contents) -> overlay.Contents:
    """@contents without what older kernels need: files, and a paragraph of the Makefile."""
    found = {name: data for name, data in contents.items() if not name.startswith(COMPAT)}
    makefile = f"{overlay.TESTS}/Makefile"
    paragraphs = found[makefile].decode().split("\n\n")
    found[makefile] = "\n\n".join(text for text in paragraphs
                                  if Path(COMPAT).name not in text).encode()
    return found


def steps(repo: Path, version: str) -> List[Step]:
    """What the suites share, what is exported for them, then suite by suite; every step builds.

    What makes a kernel look like the newest is left out if @version is that, or newer.
    """
    whole = overlay.suites(repo)
    newest = (repo / TEXTS / NEWEST).read_text(encoding="utf-8")
    if version_key(line_of(version)) >= version_key(newest):
        whole = _without_compat(whole)
    found = parts(whole[f"{overlay.TESTS}/Makefile"].decode())
    made: List[Step] = []
    before: overlay.Contents = {}
    for count in range(len(found) + 1):
        contents = _without(whole, found[count:])
        text = found[count - 1].text if count else "helpers"
        made.append(Step(commits.read_message(repo / TEXTS / text), contents,
                         [name for name in contents if name not in before]))
        before = contents
    return made


def sources(names: Iterable[str]) -> Set[str]:
    """Those of @names that are compiled: a suite includes the files of its directory."""
    known = set(names)
    return {name for name in known if name.endswith(".c")
            and f"{Path(name).parent.as_posix()}_kunit.c" not in known}


def built(makefile: str) -> Set[str]:
    """The files that a Makefile of mm/tests compiles."""
    objects_ = re.findall(r"^(\S+)-\S+ \+= ([\w/]+)\.o$", makefile, re.M)
    whole = {of for of, _ in objects_}
    return {f"{overlay.TESTS}/{name}.c" for _, name in objects_ if name not in whole}


def objects(contents: overlay.Contents) -> List[str]:
    """The objects of the suites, as make calls them."""
    return sorted(name[:-2] + ".o"
                  for name in built(contents[f"{overlay.TESTS}/Makefile"].decode()))
