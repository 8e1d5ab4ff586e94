# SPDX-License-Identifier: GPL-2.0-only
"""Where a tree's source names functions: what to compile, and what nothing compiled."""

import os
import re
import subprocess
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Set

from ..base import proc
from ..base.errors import Stop
from .functions import Source

#: Not of the kernel itself.
_LEFT_OUT = ("Documentation", "tools", "scripts", "usr", "rust", ".git")


class Mention(NamedTuple):
    """A name in a file, in @function; "" if in none."""

    file: str
    line: int
    name: str
    function: str


class Mentions:
    """Looks for names in a tree."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self._sources: Dict[str, Source] = {}

    def _tops(self) -> List[str]:
        return sorted(name for name in os.listdir(self.tree)
                      if (self.tree / name).is_dir() and name not in _LEFT_OUT)

    def no_conflicts(self) -> None:
        """Stop if a merge or rebase has left a conflict marker in what is built."""
        answer = proc.output(["grep", "-rnE", "-m", "1", "-D", "skip", "--include=*.[ch]",
                              "--include=Kconfig*", "--include=Makefile*", "^(<{7}|>{7})( |$)",
                              *self._tops(), "Makefile"], cwd=self.tree, limit=600)
        for text in sorted(answer.stdout.splitlines())[:1]:
            name, line = text.split(":")[:2]
            raise Stop(f"{self.tree / name}:{line}: a conflict marker: "
                       "finish the merge or rebase, then run again")

    def written(self) -> Dict[str, float]:
        """When each file of C was written, in seconds."""
        answer = proc.output(["find", *self._tops(), "-name", "*.[ch]", "-type", "f", "-printf",
                              "%T@ %p\\n"], cwd=self.tree, limit=600)
        found = (line.split(" ", 1) for line in answer.stdout.splitlines())
        return {name: float(when) for when, name in found}

    def odd(self) -> List[str]:
        """What is named like a file of C and is none: it cannot be read, and is passed over."""
        answer = proc.output(["find", *self._tops(), "-name", "*.[ch]", "!", "-type", "f",
                              "!", "-xtype", "f"], cwd=self.tree, limit=600)
        found = sorted(answer.stdout.split())
        text = proc.output(["grep", "-rlaP", "--include=*.c", "-D", "skip", "\\x00", "mm"],
                           cwd=self.tree, limit=600)
        return found + [f"{name} (not plain text)" for name in sorted(text.stdout.split())]

    def files(self, names: Iterable[str]) -> List[str]:
        """The files that have one of @names as a word, in order."""
        pattern = "|".join(sorted(names))
        if not pattern:
            return []
        answer = proc.output(["grep", "-rlwE", "-D", "skip", "--include=*.c", "--include=*.h",
                              pattern, *self._tops()], cwd=self.tree, limit=600)
        unreadable = re.search(r"^grep: (.*): Permission denied$", answer.stderr, re.M)
        if unreadable:
            raise Stop(f"{self.tree / unreadable.group(1)} cannot be read: make the tree readable "
                       "and run again")
        return sorted(answer.stdout.split())

    def source(self, name: str) -> Source:
        """A file, parsed once."""
        if name not in self._sources:
            try:
                text = (self.tree / name).read_text(encoding="utf-8", errors="replace")
            except PermissionError as err:
                raise Stop(f"{self.tree / name} cannot be read: make the tree readable and run "
                           "again") from err
            self._sources[name] = Source(name, text)
        return self._sources[name]

    def of(self, names: Set[str], files: Iterable[str]) -> List[Mention]:
        """Each mention of @names in @files, outside of comments and strings."""
        found: List[Mention] = []
        for file in files:
            for function in self.source(file).functions:
                found += [Mention(file, token.line, token.text, function.name)
                          for token in function.tokens
                          if token.text in names and token.kind == "id"]
        return sorted(set(found))

    def definers(self, names: Iterable[str]) -> List[str]:
        """The files of C that define one of @names, as far as their looks tell."""
        found: Set[str] = set()
        wanted = sorted(names)
        if not wanted:
            return []
        pattern = rf"^[A-Za-z_].*\b({'|'.join(wanted)})\(|^({'|'.join(wanted)})\("
        answer = subprocess.run(["grep", "-rlE", "-D", "skip", "--include=*.c", pattern,
                                 *self._tops()], cwd=self.tree, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True, check=False)
        for file in sorted(answer.stdout.split()):
            if file.startswith("arch/") and not file.startswith("arch/x86/"):
                continue
            if any(function.name in names and not function.static
                   for function in self.source(file).functions):
                found.add(file)
        return sorted(found)
