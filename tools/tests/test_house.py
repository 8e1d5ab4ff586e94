# SPDX-License-Identifier: GPL-2.0-only
"""The rules of the house: arrows, sizes, and what no Python file may know."""

import ast
import re
import subprocess
import unittest
from pathlib import Path
from typing import Dict, Iterator, List

from .support import REPO

TOOL = REPO / "tools" / "locked_rmap"
#: A module imports from its own wing and those before it.
WINGS = ("base", "kernel", "static", "guest", "report", "proofs", "verbs", "cli")
#: Patches, recordings and pictures are as they came.
AS_THEY_CAME = (".patch", ".log", ".svg")
#: What `check` says of a call is also a stage; the oldest line must stand somewhere.
ALLOWED = (("static/callers.py", "locked"), ("kernel/source.py", "6.1"))


def imports(path: Path, tree: ast.AST) -> Iterator[str]:
    """The modules of the tool that @path imports, as seen from the tool's top: kernel.source."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*path.relative_to(TOOL).parts[:-node.level], *(node.module or "").split(".")]
            for alias in node.names:
                yield ".".join([*filter(None, base), alias.name])


def strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """The strings in @tree that are no docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    about = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented)
             and node.body and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in about:
            yield node


class HouseTest(unittest.TestCase):
    """Whatever is wrong is listed whole."""

    maxDiff = None

    def setUp(self) -> None:
        self.modules: Dict[Path, ast.AST] = {
            path: ast.parse(path.read_text(encoding="utf-8")) for path in TOOL.rglob("*.py")}
        self.wrong: List[str] = []

    def tearDown(self) -> None:
        self.assertEqual(sorted(self.wrong), [])

    def test_arrows_go_one_way(self) -> None:
        for path, tree in self.modules.items():
            name = path.relative_to(TOOL).with_suffix("")
            if name.name == "__init__":
                continue
            for imported in imports(path, tree):
                here, there = WINGS.index(name.parts[0]), WINGS.index(imported.split(".")[0])
                if there > here or here == there == WINGS.index("verbs"):
                    self.wrong.append(f"{name} imports {imported}")

    def test_no_file_is_too_long_or_too_wide(self) -> None:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, stdout=subprocess.PIPE,
                                text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if name.endswith(AS_THEY_CAME) or not (REPO / name).is_file():
                continue
            lines = (REPO / name).read_text(encoding="utf-8").splitlines()
            most = 1200 if name.startswith("mm/tests/") else 500 if name.endswith(".py") else 10000
            if len(lines) > most:
                self.wrong.append(f"{name}: {len(lines)} lines")
            self.wrong += [f"{name}:{number}: {len(line.expandtabs(8))} columns"
                           for number, line in enumerate(lines, 1) if len(line.expandtabs(8)) > 100]

    def test_no_code_knows_a_line_or_a_stage(self) -> None:
        stages = {stage for series in (REPO / "mm" / "patches").glob("linux-*/series")
                  for stage in re.findall(r"^# stage: (\S+)", series.read_text(), re.M)}
        self.assertIn("stock", stages)
        for path, tree in self.modules.items():
            name = str(path.relative_to(TOOL))
            for node in strings(tree):
                text = str(node.value)
                if (name, text) in ALLOWED:
                    continue
                if re.search(r"(?<![\d.])[67]\.\d+\b", text):
                    self.wrong.append(f"{name}:{node.lineno} names a line: {text.strip()}")
                if text in stages and name != "kernel/series.py":
                    self.wrong.append(f"{name}:{node.lineno} names a stage: {text}")
