# SPDX-License-Identifier: GPL-2.0-only
"""MAINTAINERS, and the messages of what is exported."""

import re
import unittest

from locked_rmap.base.errors import Stop
from locked_rmap.kernel import commits, maintainers, overlay, steps

from ..support import REPO, Case, write

MAINTAINERS = ("List of maintainers\n\nA THING\nM:\tA <a@x>\nS:\tMaintained\nF:\ta/\n\n"
               "MEMORY MANAGEMENT\nM:\tM M <m@x>\nL:\tmm@x\nS:\tMaintained\nF:\tmm/\nN:\tpage\n\n"
               "MEMORY MAPPING\nM:\tO O <o@x>\nS:\tMaintained\nF:\tmm/mmap.c\n\n"
               "THE REST\nM:\tT T <t@x>\nF:\t*\n")


class MaintainersTest(unittest.TestCase):
    """Lines in MAINTAINERS."""

    def test_a_section_of_our_own_has_the_people_of_mm(self) -> None:
        text = maintainers.add(MAINTAINERS, "mm/tests/rmap_kunit_*")
        self.assertIn(f"N:\tpage\n\n{maintainers.OWN}\nM:\tM M <m@x>\nL:\tmm@x\nS:\tMaintained\n"
                      "F:\tmm/tests/rmap_kunit_*\n\nMEMORY MAPPING\n", text)
        self.assertEqual(re.sub(rf"{maintainers.OWN}\n(?:.+\n)+\n", "", text), MAINTAINERS)

    def test_patterns_stand_in_order(self) -> None:
        text = MAINTAINERS
        for name in ("mm/tests/rmap_kunit_*", "mm/tests/rmap_kunit.c",
                     "mm/tests/userfaultfd_move_kunit.c",
                     "mm/tests/rmap_callers_kunit.c"):
            text = maintainers.add(text, name)
        self.assertIn("F:\tmm/tests/rmap_callers_kunit.c\nF:\tmm/tests/rmap_kunit.c\n"
                      "F:\tmm/tests/rmap_kunit_*\n"
                      "F:\tmm/tests/userfaultfd_move_kunit.c\n\nMEMORY MAPPING\n", text)
        self.assertEqual(maintainers.add(text, "mm/tests/rmap_kunit.c"), text)

    def test_sections_of_the_code_under_test_come_first(self) -> None:
        text = MAINTAINERS
        for title in (maintainers.RMAP, maintainers.USERFAULTFD):
            section = (f"{title}\nM:\tX <x@x>\nS:\tMaintained\n"
                       "F:\tmm/a.c\nF:\ttools/\nK:\tk\n\n")
            text = text.replace("MEMORY MAPPING\n", f"{section}MEMORY MAPPING\n")
        for name in ("mm/tests/rmap_kunit.c", "mm/tests/userfaultfd_move_kunit.c"):
            text = maintainers.add(text, name)
            self.assertIn(f"F:\tmm/a.c\nF:\t{name}\nF:\ttools/\nK:\tk\n", text)
        self.assertNotIn(maintainers.OWN, text)
        self.assertLess(text.index("rmap_kunit.c"), text.index(maintainers.USERFAULTFD))
        self.assertGreater(text.index("userfaultfd_move_kunit.c"),
                           text.index(maintainers.USERFAULTFD))

    def test_a_tree_without_memory_management_stays(self) -> None:
        self.assertEqual(maintainers.add("THE REST\nM:\tT <t@x>\n", "mm/tests/x.c"),
                         "THE REST\nM:\tT <t@x>\n")


class RepositoryTest(unittest.TestCase):
    """The suites that there are."""

    def test_every_suite_has_a_message_and_every_series_a_cover(self) -> None:
        made = steps.steps(REPO, "6.12.1")
        self.assertEqual(len(made), 6)
        paths = [REPO / steps.TEXTS / "cover",
                 *(path.parent / "cover" for path in REPO.glob("mm/patches/linux-*/series"))]
        for message in [*(step.message for step in made), *map(commits.read_message, paths)]:
            self.assertLessEqual(len(message.subject), 75, message.subject)
            self.assertLessEqual(max(map(len, message.body.splitlines())), 75)
        self.assertEqual(made[-1].contents, overlay.suites(REPO))

    def test_the_newest_kernel_gets_nothing_that_makes_one_look_new(self) -> None:
        whole = overlay.suites(REPO)
        for version in ("7.3.4", "7.10.0"):
            contents = steps.steps(REPO, version)[-1].contents
            self.assertEqual({name for name in whole if name.startswith(steps.COMPAT)},
                             set(whole) - set(contents))
            self.assertNotEqual(len(whole), len(contents))
            self.assertEqual([name for name, data in contents.items()
                              if name != overlay.KUNITCONFIG and b"kunit_compat" in data], [])
            self.assertNotIn(b"rmap-kunit-lacks", contents[f"{overlay.TESTS}/Makefile"])

    def test_a_message_without_a_subject_is_refused(self) -> None:
        with self.assertRaisesRegex(Stop, "does not begin with 'Subject: '"):
            commits.read_message(REPO / "README.md")
