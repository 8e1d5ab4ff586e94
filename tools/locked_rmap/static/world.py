# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree as files: which can matter, what defines a function, who calls it."""

import os
import re
import subprocess
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from ..base import proc
from ..base.console import Console
from ..base.errors import Stop
from .callers import INSIDE, ROOTS, Place, mark
from .functions import Function, Source

#: Headers of this size and more are lists of registers, unless they have an inline function.
BIG = 200000
_SKIP = (".git", "Documentation", "tools", "scripts", "usr", "LICENSES")
_INDEX = ("mm/*.c", "mm/*.h", "mm/damon/*.c", "mm/damon/*.h", "include/linux/mm.h",
          "include/linux/pagemap.h", "include/linux/huge_mm.h", "include/linux/migrate.h",
          "include/linux/swap.h", "include/linux/rmap.h", "include/linux/ksm.h",
          "include/linux/hugetlb.h", "include/linux/swapops.h", "include/linux/mm_inline.h")
#: What is said of a file or directory that may not be read.
UNREADABLE = "cannot be read: make the tree readable, then run again"
_CONFLICT = re.compile(r"^(?:<{7}|>{7})(?: .*)?$", re.M)


def read(tree: Path, name: str) -> str:
    """A file of @tree; Stop if it may not be read."""
    try:
        return (tree / name).read_text(encoding="utf-8", errors="replace")
    except PermissionError as err:
        raise Stop(f"{tree / name} {UNREADABLE}") from err


def no_conflict(tree: Path, name: str) -> None:
    """Stop if a merge or rebase has left a conflict marker in a file of @tree that exists."""
    if (tree / name).is_file():
        text = read(tree, name)
        found = _CONFLICT.search(text)
        if found is not None:
            line = text[:found.start()].count("\n") + 1
            raise Stop(f"{tree / name}:{line}: a conflict marker: "
                       "finish the merge or rebase, then run again")


class World:
    """A kernel tree, read as far as needed."""

    def __init__(self, tree: Path, console: Console) -> None:
        self.tree = tree
        self.console = console
        self._sources: Dict[str, Source] = {}
        self._candidates: List[str] = []
        self._kbuild: List[str] = []
        self._files: Dict[str, List[str]] = {}
        self._index: Optional[Dict[str, str]] = None

    def look(self) -> None:
        """Find the files that can matter: those that know of pages or folios, or walk."""
        words = rf"struct (folio|page)\b|folio_|page_|\b({'|'.join(ROOTS)})\b"
        self._candidates = self._grep(["-lE", "-e", words], self._list())
        for name in self._grep(["-lE", "-e", "^(<<<<<<<|>>>>>>>)( |$)"],
                               [*self._candidates, *self._kbuild]):
            no_conflict(self.tree, name)
        self._find(list(ROOTS))

    def _list(self) -> List[str]:
        """All C files but the big headers that only define numbers, a third of a tree."""
        found: List[str] = []

        def fail(err: OSError) -> None:
            raise Stop(f"{err.filename} {UNREADABLE}") from err

        for where, below, names in os.walk(self.tree, onerror=fail):
            inside = os.path.relpath(where, self.tree)
            if inside == ".":
                below[:] = [name for name in below if name not in _SKIP]
            below[:] = [name for name in below if name != ".git"]
            for name in names:
                if name.endswith((".c", ".h", ".inc")):
                    path = os.path.normpath(os.path.join(inside, name))
                    if not name.endswith(".h") or self._has_code(path):
                        found.append(path)
                elif name.startswith(("Kconfig", "Makefile", "Kbuild")):
                    self._kbuild.append(os.path.normpath(os.path.join(inside, name)))
            self.console.tick(f"{len(found)} files")
        return sorted(found)

    def _has_code(self, name: str) -> bool:
        path = os.path.join(self.tree, name)
        try:
            if os.lstat(path).st_size < BIG:
                return True
            with open(path, "rb") as data:
                return b"inline" in data.read(BIG // 4)
        except OSError:
            return False

    def _grep(self, arguments: List[str], names: List[str]) -> List[str]:
        if not names:
            return []
        argv = ["xargs", "-0", "-P", "2", "-n", "1000", "grep", *arguments, "--"]
        child = subprocess.Popen(argv, cwd=self.tree, env=proc.environment({"LC_ALL": "C"}),
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        try:
            out, errors = child.communicate(os.fsencode("\0".join(names)), timeout=600)
        except BaseException:
            child.kill()
            child.wait()
            raise
        denied = re.search(r"grep: (.+): Permission denied", errors.decode(errors="replace"))
        if denied is not None:
            raise Stop(f"{self.tree / denied.group(1)} {UNREADABLE}")
        return sorted(os.fsdecode(name) for name in out.split(b"\n") if name)

    def _find(self, names: List[str]) -> None:
        """Find the files that name @names."""
        missing = [name for name in names if name not in self._files]
        if not missing:
            return
        for name in missing:
            self._files[name] = []
        for path in self._grep(["-lwF", *(f"-e{name}" for name in missing)], self._candidates):
            words = set(re.findall(r"\w+", read(self.tree, path)))
            for name in missing:
                if name in words:
                    self._files[name].append(path)

    def source(self, name: str) -> Source:
        """A file, parsed."""
        if name not in self._sources:
            no_conflict(self.tree, name)
            self._sources[name] = Source(name, read(self.tree, name))
        return self._sources[name]

    def is_test(self, name: str) -> bool:
        """Tell whether a file is KUnit tests: they walk as they like."""
        source = self.source(name)
        text = "\n".join(source.lines)
        return bool(re.search(r"\bkunit_test_suites?\s*\(", text)
                    or (re.search(r"(?:^|/)tests?/", name) and "kunit" in text))

    def definition(self, name: str, near: Optional[Source]) -> Optional[Tuple[Source, Function]]:
        """Where @name is defined, as seen from @near; only mm and its headers are known."""
        if near is not None:
            for function in near.defines(name):
                if not function.macro:
                    return near, function
        if self._index is None:
            self._index = self._make_index()
        path = self._index.get(name)
        if path is None:
            return None
        source = self.source(path)
        found = [function for function in source.defines(name) if not function.macro]
        return (source, found[0]) if found else None

    def _make_index(self) -> Dict[str, str]:
        index: Dict[str, str] = {}
        head = re.compile(
            r"^(?!static\b(?!.*\binline\b))[A-Za-z_][^;{}()=#\n]*?(?:\n[A-Za-z_][^;{}()=#\n]*?)?"
            r"\b(\w+)\s*\([^;{}]*?\)\s*(?:__\w+(?:\([^)]*\))?\s*)*\{", re.M)
        for pattern in reversed(_INDEX):
            for path in sorted(self.tree.glob(pattern)):
                name = str(path.relative_to(self.tree))
                for found in head.finditer(read(self.tree, name)):
                    index[found.group(1)] = name
        return index

    def callers(self, name: str, home: Optional[str]) -> List[Tuple[Source, Function]]:
        """The functions that call @name; @home: the file whose static function it is."""
        if home is not None and not home.endswith(".h"):
            paths = [home]
        else:
            self._find([name])
            paths = self._files[name]
        found = []
        for path in paths:
            source = self.source(path)
            own = any(each.static and not each.macro for each in source.defines(name))
            if own and path != home and not path.endswith(".h"):
                continue
            for function in source.functions:
                if function.calls(name) and function.name != name and function.name not in INSIDE:
                    found.append((source, function))
        return found

    def mentions(self, name: str, home: Optional[str]) -> Optional[Place]:
        """A place where @name is handed on as a pointer."""
        paths = self._files.get(name, [])
        if home is not None and not home.endswith(".h"):
            paths = [home]
        for path in paths:
            source = self.source(path)
            tokens = source.tokens
            for at, token in enumerate(tokens):
                if (token.text == name and at and at + 1 < len(tokens)
                        and tokens[at + 1].text != "("
                        and tokens[at - 1].text in ("=", ",", "(", "&", "{")
                        and not re.match("EXPORT_|TRACE_|ALLOW_ERROR|NOKPROBE|.*_ID$",
                                         tokens[at - 2].text)):
                    return mark(source, token.line, "is called through a pointer")
        return None

    def home(self, name: str) -> Optional[str]:
        """The C file whose static function @name is; None if it is not static."""
        found = self.definition(name, None)
        if found is None:
            for path in self._files.get(name, []):
                if any(function.static for function in self.source(path).defines(name)):
                    return path if path.endswith(".c") else None
            return None
        source, function = found
        return source.path if function.static and source.path.endswith(".c") else None
