# SPDX-License-Identifier: GPL-2.0-only
"""The suites as they are laid over a kernel tree, and how mm/ comes to build them."""

import re
from pathlib import Path
from typing import Dict, List

from ..base.errors import Stop
from .source import OLDEST

#: Contents of the managed files of a stage, by path relative to the tree.
Contents = Dict[str, bytes]
TESTS = "mm/tests"
KUNITCONFIG = f"{TESTS}/.kunitconfig"
KCONFIG_HOOK = f'source "{TESTS}/Kconfig"'
#: Not by CONFIG_KUNIT: that may be a module, and what mm/tests always builds in is not.
MAKEFILE_HOOK = "obj-y += tests/"


def add_hooks(contents: Contents, pristine: Path) -> None:
    """Hook mm/tests into mm/Kconfig and mm/Makefile, unless the tree does so itself.

    @contents may hold those two as patches leave them; else they come from
    @pristine.  Raises Stop if mm/Kconfig has no menu to stand in.
    """
    def current(path: str) -> str:
        data = contents.get(path)
        if data is None:
            data = (pristine / path).read_bytes()
        return data.decode(encoding="utf-8", errors="surrogateescape")

    kconfig = current("mm/Kconfig")
    if not re.search(rf'^\s*source\s+"{TESTS}/Kconfig"', kconfig, re.M):
        end = list(re.finditer(r"^endmenu\b", kconfig, re.M))
        if not end:
            raise Stop("the tree's mm/Kconfig has no endmenu, so mm/tests cannot be hooked in: "
                       f"is this a kernel from {OLDEST} on?")
        at = end[-1].start()
        kconfig = f"{kconfig[:at]}{KCONFIG_HOOK}\n\n{kconfig[at:]}"
    contents["mm/Kconfig"] = kconfig.encode(encoding="utf-8", errors="surrogateescape")
    makefile = current("mm/Makefile")
    if not re.search(r"^obj-\S+\s*[+:]?=(?:.*\s)?tests/(?:\s|$)", makefile, re.M):
        makefile = makefile.rstrip("\n") + f"\n{MAKEFILE_HOOK}\n"
    contents["mm/Makefile"] = makefile.encode(encoding="utf-8", errors="surrogateescape")


def suites(repo: Path) -> Contents:
    """The files of the repository that are laid over a kernel tree.

    Raises Stop if the repository has no suites.
    """
    base = repo / TESTS
    found: Contents = {}
    for path in sorted(base.rglob("*")):
        name = path.name
        if path.is_file() and (name.endswith((".c", ".h")) or name in ("Kconfig", "Makefile")):
            found[str(path.relative_to(repo))] = path.read_bytes()
    for needed in (f"{TESTS}/Kconfig", f"{TESTS}/Makefile"):
        if needed not in found:
            raise Stop(f"{repo / needed} is missing: this clone of the repository is not whole")
    config = repo / ".kunitconfig"
    if not config.is_file():
        raise Stop(f"{config} is missing: this clone of the repository is not whole")
    found[KUNITCONFIG] = config.read_bytes()
    return found


def keep_theirs(found: Contents, pristine: Path) -> None:
    """Let what a tree's own mm/tests says stand beside the suites, in @found.

    Its files stay anyway; its Kconfig and Makefile are joined with ours.  What
    they say of the suites themselves is an older copy of ours, and goes.
    """
    for name, join in ((f"{TESTS}/Kconfig", join_kconfig), (f"{TESTS}/Makefile", join_makefile)):
        own = pristine / name
        if own.is_file():
            theirs = own.read_text(encoding="utf-8", errors="surrogateescape")
            joined = join(theirs, found[name].decode(encoding="utf-8", errors="surrogateescape"))
            found[name] = joined.encode(encoding="utf-8", errors="surrogateescape")


def join_makefile(theirs: str, ours: str) -> str:
    """@theirs less its lines about objects of @ours, then @ours."""
    objects = set(re.findall(r"\S+\.o\b", ours))
    lines = re.findall(r"(?:.*\\\n)*.*\n?", theirs)
    return _join([line for line in lines if not objects & set(re.findall(r"\S+\.o\b", line))], ours)


def join_kconfig(theirs: str, ours: str) -> str:
    """@theirs less its entries for options of @ours, then @ours."""
    option = r"(?:menu)?config\s+(\w+)"
    own = set(re.findall(rf"^{option}", ours, re.M))
    blocks = re.split(r"^(?=[^\s#])", theirs, flags=re.M)
    heads = [re.match(option, block) for block in blocks]
    return _join([block for block, head in zip(blocks, heads)
                  if head is None or head.group(1) not in own], ours)


def _join(kept: List[str], ours: str) -> str:
    text = "".join(kept)
    if not re.search(r"^\s*[^\s#]", text, re.M):
        return ours
    return text.rstrip("\n") + "\n\n" + re.sub(r"\A# SPDX-License-Identifier: .*\n\s*", "", ours)
