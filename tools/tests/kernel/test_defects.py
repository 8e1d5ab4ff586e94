# SPDX-License-Identifier: GPL-2.0-only
"""Seeded defects: their files, and applying them."""

import unittest
from typing import Dict, Optional

from locked_rmap.base.errors import Stop
from locked_rmap.kernel import defects

from ..seeded import text
from ..support import REPO, RMAP, Case, kernel_tree, snapshot


class ParseTest(unittest.TestCase):
    """Headers."""

    def test_a_good_one(self) -> None:
        found = defects.parse("lock-not-held", text(Caught_by="s.two, s.one"))
        self.assertEqual(found.breaks, "the lock is held for the whole of the walk.")
        self.assertEqual(found.caught_by, ("s.two", "s.one"))
        self.assertEqual(found.arches, ("um", "x86_64"))
        self.assertEqual(found.paths, ["mm/rmap.c"])
        self.assertEqual(found.stage, "")
        self.assertEqual(defects.parse("x", text(Stage="revalidate")).stage, "revalidate")
        self.assertTrue(found.diff.startswith("--- a/mm/rmap.c\n"))
        self.assertEqual(defects.parse("x", text(Caught_by="crash")).caught_by, ("crash",))

    def test_bad_ones(self) -> None:
        cases = [
            (text(Breaks=None), "has no 'Breaks'"),
            (text(Hurts=""), "has no 'Hurts'"),
            (text(Caught_by=None), "has no 'Caught-by'"),
            (text(Arch=None), "has no 'Arch'"),
            (text(Arch="um arm64"), "'arm64' is none of um"),
            (text(Arch="um um"), "stands twice"),
            (text(Caught_by="two"), "neither suite.test nor 'crash'"),
            (text(Caught_by="s.two s.one"), "neither suite.test"),
            (text(Caught_by="s.two,"), "neither suite.test"),
            (text(Caught_by="s.two, s.two"), "stands twice"),
            (text(Caught_by="crash, s.two"), "must stand alone"),
            (text(By="me"), "unknown field 'By'"),
            ("Arch: um\n" + text(), "stands twice"),
            ("why not\n" + text(), "line 1: neither 'Field: text'"),
            (" goes on\n" + text(), "line 1"),
            (text().replace("\n\n---", "\n---"), "neither 'Field: text'"),
            (text().replace("\n\n---", "\n\nmore words\n---"), "'--- a/'"),
            (text().split("\n\n", maxsplit=1)[0] + "\n", "'--- a/'"),
            (text().split("@@", maxsplit=1)[0], "changes no file"),
            (text().replace("mm/rmap.c", "mm/tests/x_kunit.c"), "not in the suites"),
            (text().replace("mm/rmap.c", "../x.c"), "outside of a kernel tree"),
            ("", "the header has no"),
        ]
        for data, part in cases:
            with self.subTest(part):
                with self.assertRaises(Stop) as caught:
                    defects.parse("x", data)
                self.assertIn(part, str(caught.exception))
        for name in ("Lock-x", "lock_x", "lock--x", "-lock", "lock x"):
            with self.subTest(name), self.assertRaises(Stop):
                defects.parse(name, text())

    def test_our_own(self) -> None:
        for directory in sorted((REPO / "tools/mutants").iterdir()):
            found = defects.read_all(directory)
            self.assertGreater(len(found), 0)
            path = directory / "equivalent"
            listed = path.read_text(encoding="utf-8") if path.exists() else ""
            for mutant in found:
                self.assertNotIn(f"\n{mutant.name}\n", listed)


class ApplyTest(Case):
    """Applying to the patched tree."""

    def setUp(self) -> None:
        super().setUp()
        self.pristine = kernel_tree(self.temp / "tree")

    def result(self, data: str, contents: Optional[Dict[str, bytes]] = None) -> bytes:
        """mm/rmap.c with the mutant @data."""
        return defects.apply(defects.parse("x", data), contents or {}, self.pristine)["mm/rmap.c"]

    def test_on_top_of_the_series(self) -> None:
        before = snapshot(self.pristine)
        patched = RMAP.replace("line 10\n", "line ten\n").encode()
        found = self.result(text(), {"mm/rmap.c": patched})
        self.assertIn(b"line ten\n", found)
        self.assertIn(b"\ndefect\n", found)
        self.assertIn(b"\ndefect\n", self.result(text(), {"mm/rmap.c": b"new\nnew\n" + patched}))
        self.assertEqual(snapshot(self.pristine), before)

    def test_refused(self) -> None:
        cases = {
            "fuzz": RMAP.replace("line 13\n", "line thirteen\n"),
            "other text": RMAP.replace("line 15\n", "line fifteen\n"),
            "there already": RMAP.replace("line 15\n", "defect\n"),
        }
        for name, data in cases.items():
            with self.subTest(name), self.assertRaises(Stop) as caught:
                self.result(text(), {"mm/rmap.c": data.encode()})
            self.assertIn("mutant x does not apply", str(caught.exception))
        with self.assertRaises(Stop) as caught:
            self.result(text().replace("mm/rmap.c", "mm/none.c"))
        self.assertIn("has no mm/none.c", str(caught.exception))
