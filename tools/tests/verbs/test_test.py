# SPDX-License-Identifier: GPL-2.0-only
"""The verb `test`."""

from locked_rmap.verbs import test
from locked_rmap.base.errors import HOLDS

from ..support import REPO, Case


class TimeTest(Case):
    """What is said of how long it takes."""

    def test_every_check_says_how_long_it_takes(self) -> None:
        self.assertEqual(set(test.MINUTES), set(test.CHECKS))

    def test_the_list_tells_it(self) -> None:
        self.assertEqual(test.test(REPO, [], False, True, self.console), HOLDS)
        self.assertRegex(self.said.getvalue(), r"(?m)^mutants .* \(30 min\)$")
        self.assertRegex(self.said.getvalue(), r"(?m)^each .* min, on request\)$")
