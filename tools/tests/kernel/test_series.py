# SPDX-License-Identifier: GPL-2.0-only
"""Series files, stages, and applying patches."""

from locked_rmap.kernel import series
from locked_rmap.base.errors import Stop

from ..support import PATCH, Case, kernel_tree, repository, snapshot, write

#: The line of a stage.
ONE = "# stage: one contract=locked\n"


class ReadTest(Case):
    """What a series file says."""

    def read(self, text: str) -> series.Series:
        """A series of patches a, b and c with @text as its series file."""
        for name in "abc":
            write(self.temp / f"{name}.patch", PATCH)
        write(self.temp / "series", text)
        return series.Series(self.temp)

    def test_stage_holds_the_patches_above_its_line(self) -> None:
        found = self.read(f"# about\na.patch\n{ONE}b.patch -p1 # note\nc.patch\n"
                          "# stage: two contract=revalidate\n")
        self.assertEqual(found.stages, [
            series.Stage("stock", [], "locked"), series.Stage("one", ["a.patch"], "locked"),
            series.Stage("two", ["a.patch", "b.patch", "c.patch"], "revalidate")])

    def test_line_without_series_has_stock_alone(self) -> None:
        self.assertEqual(series.Series(None).stages, [series.Stage("stock", [], "locked")])

    def test_a_line_may_say_what_stock_keeps(self) -> None:
        for contract in ("locked", "revalidate", "none"):
            found = self.read(f"# stage: stock contract={contract}\na.patch\n{ONE}")
            self.assertEqual(found.stages, [series.Stage("stock", [], contract),
                                            series.Stage("one", ["a.patch"], "locked")])
            self.assertEqual(found.first("locked"),
                             found.stages[0 if contract == "locked" else 1])

    def test_stock_has_no_patches(self) -> None:
        stock = "# stage: stock contract=none\n"
        for text in (f"a.patch\n{stock}", f"a.patch\n{ONE}{stock}", f"{ONE}{stock}"):
            with self.subTest(text), self.assertRaisesRegex(
                    Stop, "series:[0-9]+: 'stock' is no new stage name; correct the series file"):
                self.read(text)

    def test_a_stage_says_its_contract(self) -> None:
        for text in ("# stage: one\n", "# stage:\n", "# stage: one contract=\n",
                     "# stage: one contract=locked x\n", "#stage: one keeps=locked\n"):
            with self.subTest(text), self.assertRaisesRegex(
                    Stop, "series:2: not '# stage: NAME contract=CONTRACT'; correct the series"):
                self.read(f"a.patch\n{text}")

    def test_an_unknown_contract_is_refused(self) -> None:
        with self.assertRaisesRegex(Stop, "series:2: unknown contract 'looked', there are "
                                          "locked, revalidate, none; correct the series file"):
            self.read("a.patch\n# stage: one contract=looked\n")

    def test_chosen_stages_come_in_the_order_of_the_series(self) -> None:
        found = self.read(f"a.patch\n{ONE}b.patch\n# stage: two contract=locked\n")
        for names, default, chosen in (("two stock", "one", "stock two"), ("", "one", "one"),
                                       ("", "", "stock one two")):
            stages = found.chosen(names.split(), default.split())
            self.assertEqual([stage.name for stage in stages], chosen.split())

    def test_patches_after_the_last_stage_are_refused(self) -> None:
        with self.assertRaisesRegex(Stop, "no stage"):
            self.read(f"a.patch\n{ONE}b.patch\n")

    def test_missing_patch_is_refused_with_its_place(self) -> None:
        with self.assertRaisesRegex(Stop, r"series:2: there is no patch d\.patch"):
            self.read(f"a.patch\nd.patch\n{ONE}")

    def test_a_stage_name_counts_once(self) -> None:
        with self.assertRaisesRegex(Stop, "no new stage name"):
            self.read(f"a.patch\n{ONE}{ONE}")

    def test_unknown_stage_names_those_there_are(self) -> None:
        with self.assertRaisesRegex(Stop, "stock, one"):
            self.read(f"a.patch\n{ONE}").stage("two")


class TouchedTest(Case):
    """Which files a patch touches."""

    def test_new_and_changed_files(self) -> None:
        text = PATCH + "--- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1 @@\n+x\n"
        self.assertEqual(series.touched(text), ["mm/new.c", "mm/rmap.c"])

    def test_removed_text_that_looks_like_a_header_is_none(self) -> None:
        text = "--- a/doc\n+++ b/doc\n@@ -1,2 +1,1 @@\n--- a/trap\n x\n"
        self.assertEqual(series.touched(text), ["doc"])

    def test_paths_out_of_the_tree_are_refused(self) -> None:
        with self.assertRaisesRegex(Stop, "outside"):
            series.touched("--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n")


class ApplyTest(Case):
    """Patches on real files, by the real quilt."""

    def apply(self, patch: str, rmap: str = "") -> bytes:
        """mm/rmap.c after @patch; the tree must stay as it was."""
        tree = kernel_tree(self.temp / "tree")
        if rmap:
            write(tree / "mm/rmap.c", rmap)
        repo = repository(self.temp / "repo", {"0001-x.patch": patch})
        found = series.Series(repo / "mm/patches/linux-6.12")
        before = snapshot(tree)
        try:
            return series.apply(found, found.patches, tree)["mm/rmap.c"]
        finally:
            self.assertEqual(snapshot(tree), before)

    def test_applies_and_leaves_the_tree_alone(self) -> None:
        self.assertIn(b"line 9\nline ten\nline 11\n", self.apply(PATCH))

    def test_an_offset_is_fine(self) -> None:
        moved = "new\nnew\n" + "".join(f"line {number}\n" for number in range(1, 21))
        self.assertIn(b"line ten\n", self.apply(PATCH, moved))

    def test_fuzz_is_refused(self) -> None:
        # patch(1) alone would take this with fuzz: only outer context differs.
        lines = "".join(f"line {number}\n" for number in range(1, 21))
        with self.assertRaisesRegex(
                Stop, r"patch 0001-x\.patch does not apply \(mm/rmap\.c: Hunk #1 FAILED"):
            self.apply(PATCH, lines.replace("line 7\n", "other\n"))

    def test_missing_file_is_refused(self) -> None:
        with self.assertRaisesRegex(Stop, r"0001-x\.patch does not apply"):
            self.apply(PATCH.replace("mm/rmap.c", "mm/absent.c"))
