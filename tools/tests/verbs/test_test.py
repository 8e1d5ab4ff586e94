# SPDX-License-Identifier: GPL-2.0-only
"""The verb `test`: the checks follow from lines, stages and architectures."""

import argparse

from locked_rmap.base.errors import HOLDS
from locked_rmap.base.options import Tool
from locked_rmap.kernel import line as lines
from locked_rmap.proofs.desk import Desk
from locked_rmap.verbs import test

from ..support import REPO, Case, write


class ListTest(Case):
    """Which checks there are."""

    def test_every_check_says_how_long_it_takes(self) -> None:
        for name, check in test.every(Desk(REPO, self.console)).items():
            with self.subTest(name):
                self.assertGreater(check.minutes, 0)
                self.assertTrue(check.about)

    def test_the_list_tells_it(self) -> None:
        args = argparse.Namespace(checks=[], all=False, list=True, update=False)
        self.assertEqual(test.main(args, Tool(REPO, self.console)), HOLDS)
        self.assertRegex(self.said.getvalue(), r"(?m)^mutants-.* \(30 min\)$")
        self.assertRegex(self.said.getvalue(), r"(?m)^each-.* min, on request\)$")

    def test_a_new_line_has_its_checks(self) -> None:
        for name in lines.names(REPO):
            place = lines.patches_dir(REPO, name)
            write(self.temp / place.relative_to(REPO) / "series",
                  (place / "series").read_text(encoding="utf-8"))
            for patch in lines.read_series(REPO, name).patches:
                write(self.temp / place.relative_to(REPO) / patch, "")
        write(self.temp / "mm/patches/linux-9.9/series",
              "# stage: stock contract=revalidate\nx.patch\n# stage: new contract=locked\n")
        write(self.temp / "mm/patches/linux-9.9/x.patch", "")
        before = set(test.every(Desk(REPO, self.console)))
        added = set(test.every(Desk(self.temp, self.console))) - before
        self.assertEqual(lines.names(self.temp)[1], "9.9")
        for name in ("suites-9.9-um-stock", "suites-9.9-um-new", "suites-9.9-arm64-new", "each-9.9",
                     "warnings-9.9-arm64", "commits-9.9", "bench-9.9"):
            self.assertIn(name, added)
