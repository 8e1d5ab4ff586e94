# SPDX-License-Identifier: GPL-2.0-only
"""A tree's code as LLVM IR, in configurations of our own, and what rmap-static says of it."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Set

from ..base import files, proc
from ..base.console import Console
from ..base.errors import Stop, one_line
from ..base.parallel import side_by_side
from ..kernel.packages import LLVM

#: Name, kbuild's target, the file in tools/static that is put on top.
CONFIGURATIONS = (("all", "allmodconfig"), ("small", "allnoconfig"))
_FLAGS = ("-O1 -Xclang -disable-llvm-passes -fno-discard-value-names -gline-tables-only -w "
          "-Wno-error")
#: Seconds: to make a configuration, to compile, to analyse.  Only what hangs comes to them.
_LIMIT = 1800.0
_PARTS = ("*.[ch]", "Makefile", "cc")


class Answer(NamedTuple):
    """What rmap-static says of a configuration, and which files it could not have."""

    name: str
    value: Dict[str, Any]
    #: By file, the compiler's first line.
    failed: Dict[str, str]


def analyser(repo: Path, place: Path, console: Console) -> Path:
    """rmap-static, built in @place; Stop if it cannot be."""
    place.mkdir(parents=True, exist_ok=True)
    parts = (repo / "tools" / "static").glob
    for part in sorted(path for glob in _PARTS for path in parts(glob)):
        name, data = part.name, part.read_bytes()
        target = place / name
        if not target.is_file() or target.read_bytes() != data:
            files.write_atomic(target, data, 0o755 if name == "cc" else 0o644)
    log = place / "build.log"
    make = ["make", "-s", f"-j{os.cpu_count() or 1}", f"LLVM={LLVM}"]
    if proc.run(make, log, cwd=place, limit=_LIMIT, tick=console.tick) != 0:
        raise Stop(f"tools/static does not build: {_first_error(log)}; see {log}")
    return place / "rmap-static"


def _first_error(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^.*(?:error|Error|\*\*\*).*$", text, re.M)
    return one_line(found.group() if found else text or "it says nothing", 200)


class Compiled:
    """The IR of one tree in one configuration, in a directory of ours."""

    def __init__(self, repo: Path, tree: Path, name: str, target: str, place: Path,
                 program: Path) -> None:
        self._tree = tree
        self._name = name
        self._target = target
        self._place = place / name
        self._program = program
        self._fragment = repo / "tools" / "static" / f"{name}.config"
        self._failed: Dict[str, str] = {}
        self._there: Set[str] = set()
        self._kept = self._place / "failed.json"

    def _make(self, log: Path, console: Console, *args: str) -> int:
        env = {"RMAP_LLVM": LLVM, "KCONFIG_ALLCONFIG": str(self._fragment)}
        return proc.run(["make", "-s", "-k", f"-j{os.cpu_count() or 1}", "-C", str(self._tree),
                         f"O={self._place}", f"CC={self._program.parent / 'cc'}",
                         f"KCFLAGS={_FLAGS}", *args],
                        log, limit=_LIMIT, tick=console.tick, env=env)

    def configure(self, console: Console) -> None:
        """Make the configuration, unless it is there; Stop if it cannot be made."""
        stamp = self._place / "fragment"
        wanted = self._fragment.read_text(encoding="utf-8")
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
            return
        files.remove_tree(self._place)
        self._place.mkdir(parents=True)
        log = self._place / "configure.log"
        if self._make(log, console, self._target) or self._make(log, console, "prepare"):
            error = _first_error(log)
            kept = self._place.with_name(f"{self._name}.log")
            shutil.copyfile(log, kept)
            files.remove_tree(self._place)
            raise Stop(f"{self._tree} cannot be configured with {self._target} and clang-{LLVM}: "
                       f"{error}; see {kept}")
        files.write_atomic(stamp, wanted.encode())

    def recall(self, headers: int) -> None:
        """Do not try again what did not compile, unless it or a header has changed since.

        @headers: when the newest header was written, as in st_mtime_ns.
        """
        kept = files.read_json(self._kept) or {}
        for name, (mtime, why) in kept.items():
            path = self._tree / name
            if path.is_file() and max(path.stat().st_mtime_ns, headers) < mtime:
                self._failed[name] = why

    def remember(self, now: int) -> None:
        """Keep what did not compile at @now for recall()."""
        files.write_json(self._kept, {name: (now, why) for name, why in self._failed.items()})

    def forget(self, names: Iterable[str]) -> None:
        """Compile @names again next time, however old they look."""
        for name in names:
            files.remove_tree(self._place / f"{name[:-2]}.ll")

    def compile(self, names: Iterable[str], console: Console) -> None:
        """Compile the files @names of the tree, those that have changed or are new."""
        wanted = sorted(set(names) - set(self._failed))
        targets = [f"{name[:-2]}.ll" for name in wanted]
        log = self._place / "compile.log"
        files.write_atomic(log, b"")
        status = self._make(log, console, *targets) if targets else 0
        text = log.read_text(encoding="utf-8", errors="replace") if status else ""
        for name, target in zip(wanted, targets):
            if status and self._fails(target, text):
                self._failed[name] = self._why(name, text)
                self._there.discard(name)
            else:
                self._there.add(name)

    def _fails(self, target: str, text: str) -> bool:
        name = re.escape(target)
        said = re.search(rf"\s{name}\] Error|No rule to make target '{name}'", text)
        return said is not None or not (self._place / target).is_file()

    def _why(self, name: str, text: str) -> str:
        found = re.search(rf"^\S*{re.escape(name)}:\d+:\d+: (?:fatal )?error: .*$", text, re.M) or \
            re.search(r"^.*(?:fatal )?error: .*$", text, re.M)
        if found:
            return one_line(found.group().replace(f"{self._tree}/", ""), 200)
        return "this configuration does not build it"

    def symbols(self) -> Set[str]:
        """The options that this configuration has, as CONFIG_X."""
        path = self._place / "include" / "config" / "auto.conf"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        return set(re.findall(r"^(CONFIG_\w+)=", text, re.M))

    def look(self, trusted: Sequence[str], console: Console) -> Answer:
        """Run rmap-static on what was compiled."""
        listed = self._place / "list"
        lines = [f"trust {each}" for each in trusted]
        lines += [str(self._place / f"{name[:-2]}.ll") for name in sorted(self._there)]
        files.write_atomic(listed, "".join(f"{text}\n" for text in lines).encode())
        out, log = self._place / "found.json", self._place / "look.log"
        files.write_atomic(log, b"")
        command = f"exec {self._program} \"$0\" < \"$1\" > \"$2\""
        status = proc.run(["sh", "-c", command, str(self._tree), str(listed), str(out)], log,
                          limit=_LIMIT, tick=console.tick)
        if status != 0:
            said = one_line(" ".join(proc.tail(log, 3)), 200)
            raise Stop(f"rmap-static ended with status {status}: {said}; see {log}")
        return Answer(self._name, json.loads(out.read_text(encoding="utf-8")), dict(self._failed))


    def defects(self, console: Console) -> List[str]:
        """What becomes of each defect by machine, in what look() saw last: OUTCOME KIND PLACE."""
        out, log = self._place / "defects", self._place / "defects.log"
        files.write_atomic(log, b"")
        status = proc.run(["sh", "-c", f"exec {self._program} \"$0\" defects < \"$1\" > \"$2\"",
                           str(self._tree), str(self._place / "list"), str(out)], log,
                          limit=_LIMIT, tick=console.tick)
        if status > 1:
            raise Stop(f"rmap-static ended with status {status}; see {log}")
        return out.read_text(encoding="utf-8").splitlines()


def each(builds: Sequence[Compiled], console: Console, what: str,
         *args: Any) -> List[Any]:
    """Call the method @what of all @builds side by side; what each returns."""
    found: Dict[int, Any] = {}

    def job(number: int, build: Compiled) -> Any:
        def run(side: Console) -> None:
            found[number] = getattr(build, what)(*args, side)
        return run

    side_by_side([job(number, build) for number, build in enumerate(builds)], console)
    return [found[number] for number in range(len(builds))]
