# SPDX-License-Identifier: GPL-2.0-only
"""Quilt series of a kernel line, their stages, and applying them without fuzz."""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from ..base import proc
from ..base.errors import Stop, one_line

STOCK = "stock"

_STAGE = re.compile(r"#\s*stage:\s*(\S+)\s*$")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Stage(NamedTuple):
    """A named point of a series: what stands when @patches are applied, in order."""

    name: str
    patches: List[str]


class Series:
    """A line's patches, in a directory with a `series` file.

    A `# stage: NAME` line names the point that the patches above it reach; the
    stage `stock` needs no line and has no patches.
    """

    def __init__(self, directory: Optional[Path]) -> None:
        self.directory = directory
        self.patches: List[str] = []
        self.stages: List[Stage] = [Stage(STOCK, [])]
        if directory is not None and (directory / "series").is_file():
            self._read(directory / "series")

    def _read(self, path: Path) -> None:
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            where = f"{path}:{number}"
            mark = _STAGE.match(text.strip())
            if mark:
                name = mark.group(1)
                if not _NAME.fullmatch(name) or name in [stage.name for stage in self.stages]:
                    raise Stop(f"{where}: '{name}' is no new stage name; correct the series file")
                self.stages.append(Stage(name, list(self.patches)))
                continue
            text = text.split("#")[0].strip()
            if not text:
                continue
            name = text.split()[0]
            if not (path.parent / name).is_file():
                raise Stop(f"{where}: there is no patch {name}; correct the series file")
            self.patches.append(name)
        if self.patches and self.patches != self.stages[-1].patches:
            raise Stop(f"{path}: the last patches belong to no stage; "
                       "end the series file with a '# stage: NAME' line")

    def stage(self, name: str) -> Stage:
        """The stage called @name, Stop if there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise Stop(f"unknown stage '{name}': this line has "
                   + ", ".join(stage.name for stage in self.stages))

    def touched(self, patches: Optional[List[str]] = None) -> List[str]:
        """The paths that @patches (default: all) change, add or remove."""
        found = set()
        for name in self.patches if patches is None else patches:
            assert self.directory is not None
            found.update(touched((self.directory / name).read_text(encoding="utf-8",
                                                                   errors="replace")))
        return sorted(found)


def touched(patch: str) -> List[str]:
    """The paths, relative to the tree, that a unified diff touches."""
    found = set()
    lines = patch.splitlines()
    for old, new, hunk in zip(lines, lines[1:], lines[2:]):
        if old.startswith("--- ") and new.startswith("+++ ") and hunk.startswith("@@ "):
            for header in (old, new):
                name = header[4:].split("\t")[0].strip()
                if name != "/dev/null" and "/" in name:
                    found.add(name.split("/", 1)[1])
    # Files that a patch only creates empty, moves or removes have no hunks.
    for text in lines:
        match = re.fullmatch(r"diff --git a/(\S+) b/(\S+)", text)
        if match:
            found.update(match.groups())
    for name in found:
        if name.startswith("/") or ".." in Path(name).parts:
            raise Stop(f"a patch names '{name}', which lies outside of a kernel tree; correct it")
    return sorted(found)


def apply(series: Series, patches: List[str], origin: Path) -> Dict[str, bytes]:
    """What the touched files of @origin hold once @patches are applied.

    Works on copies: nothing is written to @origin.  A file that a patch removes
    is missing from the result.  Raises Stop if a patch does not apply as it is:
    fuzz is refused.
    """
    if not patches:
        return {}
    assert series.directory is not None
    names = series.touched(patches)
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        tree = Path(temp) / "tree"
        queue = Path(temp) / "patches"
        tree.mkdir()
        queue.mkdir()
        for name in names:
            if (origin / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(origin / name, tree / name)
        for name in patches:
            (queue / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(series.directory / name, queue / name)
        (queue / "series").write_text("".join(f"{name}\n" for name in patches), encoding="utf-8")
        answer = proc.output(
            ["quilt", "--quiltrc", "-", "push", "-a", "--fuzz=0"], cwd=tree,
            env={"QUILT_PATCHES": str(queue), "QUILT_PC": str(Path(temp) / "pc"),
                 "LC_ALL": "C", "TMPDIR": temp}, limit=120)
        text = answer.stdout + answer.stderr
        if answer.returncode != 0 or re.search(r"\bwith fuzz\b", text):
            raise Stop(_refusal(text, answer.stderr))
        return {name: (tree / name).read_bytes() for name in names if (tree / name).is_file()}


def _refusal(text: str, errors: str) -> str:
    applying = re.findall(r"^Applying patch (\S+)", text, re.M)
    if not applying:
        return f"quilt failed: {one_line(errors or text, 200)}"
    failed = re.search(r"^(?:Hunk #\d+ FAILED at.*|can't find file to patch.*|.*No such file.*)$", text, re.M)
    where = re.findall(r"^patching file (\S+)", text, re.M)
    detail = f" ({where[-1]}: {one_line(failed.group(0), 100)})" if failed and where else ""
    return f"patch {os.path.basename(applying[-1])} does not apply{detail}"
