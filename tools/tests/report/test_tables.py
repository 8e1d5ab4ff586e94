# SPDX-License-Identifier: GPL-2.0-only
"""The generated parts of the documents."""

from locked_rmap.base.errors import Stop
from locked_rmap.proofs import documents
from locked_rmap.proofs.desk import Desk
from locked_rmap.report import tables

from ..support import Case, write

MUTANT = """Breaks: a rule.
Hurts: somebody.
Caught-by: rmap.walk_a
Arch: x86_64 um

--- a/mm/rmap.c
+++ b/mm/rmap.c
@@ -1 +1 @@
-a
+b
"""
CALLERS = """Caller: page_idle
What: the bitmap
Functions: page_idle_*
Tests: rmap.walk_*
Unlocked: 9.9: page_idle_clear

Caller: other callers
What: all else
Functions: *
"""
TEST = """/* A walk_ sees *its* folio. */
static void walk_a(struct kunit *test)
{
\trmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
\tkunit_skip(test, "needs CONFIG_KSM");
\tkunit_skip(test, "this kernel is old");
\tkunit_skip(test, "it rains");
}

static struct kunit_case rmap_test_cases[] = {
\tKUNIT_CASE(walk_a),
};
"""
TOLD = """``walk_a``
    A walk\\_ sees \\*its\\* folio.
    Contract: ``locked``.  Needs KSM.  Skipped if this kernel is old.  Stock fails: 9.9 on um."""


class TablesTest(Case):
    """A small repository and a document in it."""

    def setUp(self) -> None:
        super().setUp()
        for suite in ("rmap", "rmap_callers", "userfaultfd_move"):
            write(self.temp / f"mm/tests/{suite}_kunit.c", "")
        write(self.temp / "mm/tests/rmap_kunit.c", TEST)
        write(self.temp / "mm/tests/callers", CALLERS)
        line = self.temp / "mm/patches/linux-9.9"
        write(line / "series", "# stage: stock contract=revalidate\nx.patch\n"
                               "# stage: locked contract=locked\n")
        write(line / "x.patch", "")
        write(line / "shows-defect", "# why\nrmap.walk_a um\n")
        write(self.temp / "tools/mutants/linux-9.9/a.patch", MUTANT)
        self.document = self.temp / "Documentation/tests.rst"

    def test_a_test_is_told_with_what_its_source_says(self) -> None:
        self.assertEqual(tables.tests(self.temp, "rmap"), TOLD)

    def test_under_another_contract_the_list_says_which(self) -> None:
        write(self.temp / "mm/patches/linux-9.9/shows-defect.revalidate", "rmap.walk_a\n")
        self.assertIn("Stock fails: 9.9 on um, 9.9 under ``revalidate``.",
                      " ".join(tables.tests(self.temp, "rmap").split()))

    def test_a_test_without_a_rule_is_refused(self) -> None:
        write(self.temp / "mm/tests/rmap_kunit.c", TEST.split("\n", 1)[1])
        with self.assertRaisesRegex(Stop, r"walk_a\(\) has no comment right above it"):
            tables.tests(self.temp, "rmap")

    def test_callers_have_their_tests_counted(self) -> None:
        self.assertEqual(tables.callers_table(self.temp).splitlines()[3:5],
                         ["page_idle     the bitmap 1     9.9", "other callers all else   0"])

    def test_lines_have_a_row_a_stage(self) -> None:
        self.assertEqual(tables.lines_table(self.temp).splitlines()[3:5],
                         ["9.9  stock  revalidate 0", "9.9  locked locked     1"])

    def test_defects_are_counted_where_they_run_first(self) -> None:
        self.assertEqual(tables.defects_table(self.temp).splitlines()[1:4:2],
                         ["line stage  um x86_64", "9.9  locked 0  1"])

    def test_only_what_is_between_the_markers_is_renewed(self) -> None:
        write(self.document, "A\n\n.. generated: lines\nold\n.. end of generated: lines\n\nB\n")
        found = tables.stale(self.temp)[self.document]
        self.assertEqual(found, "A\n\n.. generated: lines\n\n" + tables.lines_table(self.temp)
                         + "\n\n.. end of generated: lines\n\nB\n")
        write(self.document, found)
        self.assertEqual(tables.stale(self.temp), {})

    def test_markers_must_be_known_and_have_an_end(self) -> None:
        for text, why in ((".. generated: x\n.. end of generated: x\n", "no generated part 'x'"),
                          (".. generated: lines\n", "has no '.. end of generated: lines'")):
            with self.subTest(why), self.assertRaisesRegex(Stop, why):
                tables.renew(self.temp, text)

    def test_the_check_names_the_document_and_the_command(self) -> None:
        write(self.document, ".. generated: lines\n.. end of generated: lines\n")
        result = documents.documents(Desk(self.temp, self.console))
        self.assertEqual(result.failed, 1)
        self.assertIn("Documentation/tests.rst", result.told[0])
        self.assertIn("tools/locked-rmap test --update", result.told[0])
