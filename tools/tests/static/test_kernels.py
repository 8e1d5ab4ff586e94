# SPDX-License-Identifier: GPL-2.0-only
"""Kernels whose answers are known, and what the semantic patch finds."""

import re
import subprocess
import time
from pathlib import Path
from typing import Set

from locked_rmap.kernel import source
from locked_rmap.static.callers import FILE, NOT_HELD, UNKNOWN
from locked_rmap.static.contract import read_source

from ..support import REPO, Case, write


class KernelsTest(Case):
    """Kernels whose answers are known, if they are in the cache."""

    def known(self, line: str, unlocked: Set[str], apart: Set[str]) -> None:
        """Compare: functions with an unlocked walk, and those that are told apart."""
        found = sorted((source.cache_dir() / "source").glob(f"linux-{line}.*"))
        if not found:
            self.skipTest(f"no Linux {line} in the cache")
        start = time.process_time()
        static = read_source(found[-1], self.console)
        # The machine may have other work: what counts is our own.
        self.assertLess(time.process_time() - start, 60)
        self.assertEqual({site.function for site in static.of(NOT_HELD)}, unlocked)
        self.assertEqual({site.function for site in static.of(UNKNOWN)}, set())
        ways = [way for site in static.calls for way in site.ways if way.status == FILE]
        self.assertLessEqual(apart, {hop.function for way in ways for hop in way.hops})

    # 6.12 and 6.1 at each stage: the check `check` of `locked-rmap test`.
    def test_7(self) -> None:
        self.known("7", set(), {"mf_generic_kill_procs", "mapping_wrprotect_range"})


class CoccinelleTest(Case):
    """The semantic patch finds what it can see in one function."""

    def test_walks_of_an_unlocked_folio(self) -> None:
        spatch = subprocess.run(["sh", "-c", "command -v spatch"], stdout=subprocess.DEVNULL,
                                check=False)
        if spatch.returncode != 0:
            self.skipTest("coccinelle (spatch) is not installed")
        head = ("void f(unsigned long pfn)\n{\n\tstruct folio *folio = pfn_folio(pfn);\n"
                "\tbool need_lock;\n\n")
        for body, found in (
                ("\trmap_walk(folio, &rwc);\n", 1),
                ("\tfolio_lock(folio);\n\trmap_walk(folio, &rwc);\n\tfolio_unlock(folio);\n", 0),
                ("\tif (!folio_trylock(folio))\n\t\treturn;\n\trmap_walk(folio, &rwc);\n", 0),
                ("\tneed_lock = !folio_test_anon(folio) || folio_test_ksm(folio);\n"
                 "\tif (need_lock && !folio_trylock(folio))\n\t\treturn;\n"
                 "\trmap_walk(folio, &rwc);\n", 1)):
            with self.subTest(body):
                path = write(self.temp / "x.c", f"{head}{body}}}\n")
                self.assertEqual(self.warnings(path), found)

    def warnings(self, path: Path) -> int:
        """How many warnings there are about @path."""
        answer = subprocess.run(
            ["spatch", "-D", "report", "--very-quiet", "--no-includes", "--cocci-file",
             str(REPO / "tools/coccinelle/rmap_walk_folio_lock.cocci"), str(path)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        return len(re.findall(r"^.*: WARNING: ", answer.stdout, re.M))
