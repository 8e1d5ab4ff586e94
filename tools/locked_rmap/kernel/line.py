# SPDX-License-Identifier: GPL-2.0-only
"""Kernel lines: what mm/patches says of them, and one of them at hand.

A line is a directory of mm/patches: a quilt series, whose comments name its stages,
and lists beside it.  No code names a line or a stage.
"""

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Sequence, Set

from ..base import files
from ..base.console import Console
from ..base.errors import Stop
from . import overlay, series, source, worktree
from .series import LOCKED, NONE, REVALIDATE, STOCK

#: Seconds to wait for somebody else's run on the same tree.
PATIENCE = 1800.0
#: What a series says if it is of the line that is meant where none is given.
_DEFAULT = re.compile(r"^# default$", re.M)


def patches_dir(repo: Path, name: str) -> Path:
    """Where a line's series and lists lie; it need not be there."""
    return repo / "mm" / "patches" / f"linux-{name}"


def read_series(repo: Path, name: str) -> series.Series:
    """A line's series, without patches if it has none."""
    place = patches_dir(repo, name)
    return series.Series(place if place.is_dir() else None)


def names(repo: Path) -> List[str]:
    """The lines that have a series: the default one first, then the newest."""
    found = [path.parent.name[len("linux-"):] for path in repo.glob("mm/patches/linux-*/series")]
    found.sort(key=source.version_key, reverse=True)
    if not found:
        raise Stop(f"{repo / 'mm/patches'} has no series: "
                   "this clone of the repository is not whole")
    first = [name for name in found if _DEFAULT.search(
        (patches_dir(repo, name) / "series").read_text(encoding="utf-8"))]
    return list(dict.fromkeys([*first, *found]))


def default(repo: Path) -> str:
    """The line that is meant where none is given."""
    return names(repo)[0]


#: By stage, the tests that must fail there; a stage that is missing has no list.
Defects = Mapping[str, Set[str]]


def defects_name(contract: str, stage: str) -> str:
    """The name of the list of tests that must fail at @stage under @contract."""
    return ("shows-defect" + (f".{contract}" if contract != LOCKED else "")
            + (f".at-{stage}" if stage != STOCK else ""))


def read_defects(path: Path, arch: str) -> Optional[Set[str]]:
    """The tests that must fail, on @arch; None if there is no list.

    One `suite.test [ARCH]` a line, `#` starts a comment.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    found = set()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) > 2 or not re.fullmatch(r"[^.\s]+\.[^.\s]+", words[0]):
            raise Stop(f"{path}:{number}: not 'suite.test [ARCH]'; correct the file")
        if len(words) == 1 or words[1] == arch:
            found.add(words[0])
    return found


def defects_of(line: "Line", chosen: Sequence[series.Stage], contract: str, arch: str) -> Defects:
    """The tests that must fail under @contract on each of the stages @chosen that has a list."""
    found = {}
    for stage in chosen:
        wanted = read_defects(line.patches / defects_name(contract, stage.name), arch)
        # On trial by itself, a stock that does not keep the contract has no excuse.
        if wanted is not None and not (stage is chosen[-1]
                                       and line.series.stages[0].contract == NONE):
            found[stage.name] = wanted
    return found


def must_fail(stage: str, last: str, contract: str, defects: Defects) -> Optional[Set[str]]:
    """The tests that must fail on @stage, None if any may; @last is on trial."""
    if stage == last:
        return defects.get(stage, set()) if contract == REVALIDATE and last == STOCK else set()
    return defects.get(stage)


def fingerprint(repo: Path, patches: series.Series) -> str:
    """Changes whenever the suites or a line's @patches do."""
    digest = hashlib.sha256()
    for name, data in sorted(overlay.suites(repo).items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    for name in patches.patches:
        assert patches.directory is not None
        data = (patches.directory / name).read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


class Line:
    """A kernel line at hand, or a user's tree of one: its series, its source, its work tree."""

    def __init__(self, repo: Path, cache: Path, console: Console, kernel: Optional[str],
                 tree: Optional[Path]) -> None:
        self.repo = repo
        self.console = console
        self.own_tree = tree
        if tree is not None:
            tree = tree.absolute()
            if not tree.is_dir():
                raise Stop(f"there is no directory {tree}: give --tree the top of a kernel tree")
            self.version = source.tree_version(tree)
            source.check_age(self.version, str(tree))
            self.name = source.line_of(self.version)
            if kernel is not None and kernel != self.name:
                raise Stop(f"{tree} is a {self.version} kernel, not {kernel}: drop --kernel")
            pristine = tree.resolve()
            if repo.resolve() == pristine:
                raise Stop("--tree names this repository: give it the top of a kernel tree")
            digest = hashlib.sha256(os.fsencode(pristine)).hexdigest()[:12]
            base = cache / "trees" / f"tree-{digest}"
        else:
            self.name = kernel or default(repo)
            pristine = source.Store(cache, console).pristine(self.name)
            self.version = source.tree_version(pristine)
            base = cache / "trees" / self.version
        self.series = read_series(repo, self.name)
        self.patches = patches_dir(repo, self.name)
        self.work = worktree.WorkTree(base, pristine)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the work tree against other runs, and have it ready."""
        with files.locked(self.work.base.with_name(self.work.base.name + ".lock"),
                          f"the work tree of {self.version}", self.console, PATIENCE):
            if self.own_tree is not None:
                self.work.sync(self.console)
            else:
                self.work.populate(self.console)
                self._retire()
            yield

    def _retire(self) -> None:
        """Remove sources and builds of older point releases of this line."""
        for base, prefix in ((self.work.base.parent, ""), (self.work.pristine.parent, "linux-")):
            for old in base.glob(f"{prefix}{self.name}.*"):
                name = old.name[len(prefix):]
                if old.is_dir() and source.version_key(name) < source.version_key(self.version):
                    lock = base / f"{old.name}.lock"
                    with contextlib.suppress(Stop):
                        with files.locked(lock, name, self.console, 0):
                            files.remove_tree(old)

    def contents(self, patches: Sequence[str]) -> overlay.Contents:
        """What the managed files hold with @patches applied; Stop if one does not apply."""
        try:
            found = series.apply(self.series, list(patches), self.work.pristine)
        except Stop as err:
            if self.own_tree is not None:
                raise Stop(f"{err} to {self.own_tree} ({self.version}): bring the tree in line "
                           "with the series, or run the suites on it as it is with --stage stock"
                           ) from err
            raise Stop(f"{err} to Linux {self.version}: the series needs a refresh") from err
        gone = [name for name in self.series.touched(list(patches)) if name not in found]
        if gone:
            raise Stop(f"the series removes {gone[0]}, which the tool cannot do yet")
        ours = overlay.suites(self.repo)
        for name, data in ours.items():
            # Patches may not fight the suites over a file.
            if name in found and found[name] != data:
                raise Stop(f"both the series and mm/tests bring {name}: take it out of the series")
        overlay.keep_theirs(ours, self.work.pristine)
        found.update(ours)
        overlay.add_hooks(found, self.work.pristine)
        return found
