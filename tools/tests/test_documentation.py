# SPDX-License-Identifier: GPL-2.0-only
"""The lists of tests that people keep by hand are those of the suites."""

import re
import unittest
from typing import Dict, List, Set

from locked_rmap.guest import coverage

from .support import REPO

SUITES = ("rmap", "rmap_callers", "userfaultfd_move")


def cases(suite: str) -> List[str]:
    """The test cases of @suite, in their order."""
    source = (REPO / f"mm/tests/{suite}_kunit.c").read_text(encoding="utf-8")
    return re.findall(r"^\tKUNIT_CASE(?:_SLOW)?\((\w+)\),$", source, re.M)


def every_test() -> Set[str]:
    """The full names of all tests."""
    return {f"{suite}.{case}" for suite in SUITES for case in cases(suite)}


class SuitesTest(unittest.TestCase):
    """What suites.rst, shows-defect and the mutants say about tests."""

    maxDiff = None

    def test_tables_list_every_test_in_its_order(self) -> None:
        text = (REPO / "Documentation/suites.rst").read_text(encoding="utf-8")
        rows: Dict[str, List[str]] = {}
        suite = ""
        for line in text.splitlines():
            heading = re.fullmatch(r"``(\w+)``", line)
            row = re.match(r"``(\w+)`` *(?:$| )", line)
            if heading and heading.group(1) in SUITES:
                suite = heading.group(1)
            elif row and suite:
                rows.setdefault(suite, []).append(row.group(1))
        for name in SUITES:
            self.assertEqual(rows[name], cases(name))

    def test_tests_that_show_defects_exist(self) -> None:
        told = [line.split()[0] for path in REPO.glob("mm/patches/linux-*/shows-defect*")
                for line in path.read_text(encoding="utf-8").splitlines()
                if line and not line.startswith("#")]
        self.assertEqual(sorted(set(told) - every_test()), [])

    def test_tests_that_mutants_name_exist(self) -> None:
        unknown = []
        for path in sorted(REPO.glob("tools/mutants/linux-*/*.patch")):
            head = path.read_text(encoding="utf-8").split("\n\n", 1)[0]
            told = re.search(r"^Caught-by: (.*(?:\n .*)*)", head, re.M)
            assert told is not None, path
            names = set(re.split(r"[\s,]+", told.group(1).strip())) - {"crash"}
            unknown += [f"{path.name}: {name}" for name in sorted(names - every_test())]
        self.assertEqual(unknown, [])

    def test_tests_that_stand_in_for_coverage_exist(self) -> None:
        unknown = []
        for path in sorted(REPO.glob("Documentation/coverage-*.txt")):
            entries = coverage.read_left_out(path)
            told = {word for entry in entries for word in re.findall(r"[a-z]+(?:_[a-z]+){4,}(?![\w(])", entry.reason)}
            bare = {name.split(".")[1] for name in every_test()}
            unknown += [f"{path.name}: {name}" for name in sorted(told - bare)]
        self.assertEqual(unknown, [])
