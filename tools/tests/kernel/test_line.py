# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel line says of the tests that show its defects."""

from locked_rmap.base.errors import Stop
from locked_rmap.kernel import line

from ..support import Case, write


class DefectsTest(Case):
    """The list of tests that show the defect."""

    def test_lines_comments_and_architectures(self) -> None:
        path = write(self.temp / "list", "# about\ns.a\ns.b x86_64 # THP\n\ns.c um\n")
        self.assertEqual(line.read_defects(path, "um"), {"s.a", "s.c"})
        self.assertEqual(line.read_defects(path, "x86_64"), {"s.a", "s.b"})

    def test_no_list_is_not_an_empty_list(self) -> None:
        self.assertIsNone(line.read_defects(self.temp / "none", "um"))
        self.assertEqual(line.read_defects(write(self.temp / "empty", ""), "um"), set())

    def test_a_line_that_names_no_test_is_refused(self) -> None:
        with self.assertRaisesRegex(Stop, "list:1"):
            line.read_defects(write(self.temp / "list", "just_a_suite\n"), "um")

    def test_each_contract_and_stage_has_its_list(self) -> None:
        self.assertEqual([line.defects_name(contract, stage)
                          for contract in ("locked", "revalidate")
                          for stage in ("stock", "revalidate")],
                         ["shows-defect", "shows-defect.at-revalidate", "shows-defect.revalidate",
                          "shows-defect.revalidate.at-revalidate"])
