# SPDX-License-Identifier: GPL-2.0-only
"""What the semantic patch finds."""

import re
import subprocess
from pathlib import Path

from ..support import REPO, Case, write


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
