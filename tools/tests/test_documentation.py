# SPDX-License-Identifier: GPL-2.0-only
"""The lists of tests that people keep by hand name tests that exist."""

import re
import unittest

from locked_rmap.guest import coverage
from locked_rmap.kernel import defects
from locked_rmap.static import cases

from .support import REPO

EVERY = set(cases.every_name(REPO))


class ListsTest(unittest.TestCase):
    """What shows-defect, the seeded defects and not-covered say about tests."""

    maxDiff = None

    def test_tests_that_show_defects_exist(self) -> None:
        told = [line.split()[0] for path in REPO.glob("mm/patches/linux-*/shows-defect*")
                for line in path.read_text(encoding="utf-8").splitlines()
                if line and not line.startswith("#")]
        self.assertEqual(sorted(set(told) - EVERY), [])

    def test_tests_that_seeded_defects_name_exist(self) -> None:
        unknown = [f"{path.name}/{mutant.name}: {name}"
                   for path in sorted(REPO.glob("tools/mutants/linux-*"))
                   for mutant in defects.read_all(path)
                   for name in sorted(set(mutant.caught_by) - {defects.CRASH} - EVERY)]
        self.assertEqual(unknown, [])

    def test_tests_that_stand_in_for_coverage_exist(self) -> None:
        unknown = []
        bare = {name.split(".")[1] for name in EVERY}
        paths = sorted(REPO.glob("mm/patches/linux-*/not-covered"))
        self.assertTrue(paths)
        for path in paths:
            told = {word for entry in coverage.read_left_out(path)
                    for word in re.findall(r"[a-z]+(?:_[a-z]+){4,}(?![\w(])", entry.reason)}
            unknown += [f"{path.parent.name}: {name}" for name in sorted(told - bare)]
        self.assertEqual(unknown, [])
