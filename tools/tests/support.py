# SPDX-License-Identifier: GPL-2.0-only
"""What the unit tests share: temporary trees, a console to nowhere, fake programs."""

import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from locked_rmap.base.console import Console

TOOL = Path(__file__).resolve().parents[1] / "locked-rmap"
REPO = TOOL.parents[1]

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 99\nEXTRAVERSION =\n"
KCONFIG = 'menu "Memory Management options"\n\nsource "mm/damon/Kconfig"\n\nendmenu\n'
RMAP = "".join(f"line {number}\n" for number in range(1, 21))

#: A diff that changes line 10 of mm/rmap.c.
PATCH = """Subject: change a line

--- a/mm/rmap.c
+++ b/mm/rmap.c
@@ -7,7 +7,7 @@
 line 7
 line 8
 line 9
-line 10
+line ten
 line 11
 line 12
 line 13
"""


def write(path: Path, text: str, executable: bool = False) -> Path:
    """Write @text to @path, making directories as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if executable:
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def kernel_tree(base: Path, kunit_py: str = "") -> Path:
    """The least that passes for a kernel tree; @kunit_py stands in for the kernel's own."""
    write(base / "Makefile", MAKEFILE)
    write(base / "mm/Kconfig", KCONFIG)
    write(base / "mm/Makefile", "obj-y += rmap.o\n")
    write(base / "mm/rmap.c", RMAP)
    write(base / "tools/testing/kunit/kunit.py", kunit_py)
    return base


def repository(base: Path, patches: Mapping[str, str], series: Optional[str] = None) -> Path:
    """A repository with suites, and a 6.12 series of @patches that ends in stage locked."""
    write(base / "mm/tests/Kconfig", "config X\n\tbool\n")
    write(base / "mm/tests/Makefile", "obj-y += x.o\n")
    write(base / "mm/tests/x_kunit.c", "int x;\n")
    write(base / ".kunitconfig", "CONFIG_KUNIT=y\n")
    where = base / "mm/patches/linux-6.12"
    for name, text in patches.items():
        write(where / name, text)
    if series is None:
        series = "# default\n# stage: stock contract=revalidate\n" + "".join(
            f"{name}\n" for name in patches) + "# stage: locked contract=locked\n"
    write(where / "series", series)
    shutil.copy(REPO / "mm/tests/callers", base / "mm/tests/callers")
    (base / "tools").mkdir(exist_ok=True)
    for name in ("locked_rmap", "locked-rmap", "static", "qemu_configs", "configs"):
        if not (base / "tools" / name).exists():
            # Copies: the command finds its repository from where it really lies.
            subprocess.run(["cp", "-r", str(TOOL.parent / name), str(base / "tools" / name)],
                           check=True)
    return base


def run_value(repo: Path, label: str = "run-tree-um") -> Any:
    """The summary of the last run of @label."""
    return json.loads((repo / "build/results" / label / "summary.json").read_text(encoding="utf-8"))


def snapshot(base: Path) -> Dict[str, object]:
    """All that could change about the files below @base: content, times, links."""
    found: Dict[str, object] = {}
    for path in sorted(base.rglob("*")):
        info = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(base))] = (info.st_mode, info.st_mtime_ns, info.st_ctime_ns,
                                              content)
    return found


class Case(unittest.TestCase):
    """A test with a temporary directory and a console that keeps what it is told."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="locked-rmap-test-")
        self.addCleanup(holder.cleanup)
        self.temp = Path(holder.name)
        self.said = io.StringIO()
        self.console = Console(self.said)

    def command(self, repo: Path, arguments: List[str], env: Optional[Mapping[str, str]] = None,
                path: Optional[Path] = None,
                before: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
        """Run the command of @repo, after @before, with programs in @path found first."""
        full = dict(os.environ)
        full.pop("LOCKED_RMAP_TRACE", None)
        full["LOCKED_RMAP_CACHE"] = str(self.temp / "cache")
        if path is not None:
            full["PATH"] = f"{path}:{full['PATH']}"
        full.update(env or {})
        return subprocess.run([*before, sys.executable, str(repo / "tools/locked-rmap"),
                               *arguments], env=full,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE,
                              text=True, timeout=60, check=False)

    def assert_one_line(self, answer: "subprocess.CompletedProcess[str]", *parts: str) -> None:
        """Status 2, and one line on stderr that holds every one of @parts."""
        self.assertEqual(answer.returncode, 2, answer.stdout + answer.stderr)
        self.assertEqual(len(answer.stderr.splitlines()), 1, answer.stderr)
        for part in parts:
            self.assertIn(part, answer.stderr)
