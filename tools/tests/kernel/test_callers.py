# SPDX-License-Identifier: GPL-2.0-only
"""The table of callers."""

import fnmatch
from typing import List

from locked_rmap.base.errors import Stop
from locked_rmap.kernel import callers, defects
from locked_rmap.kernel import line as lines
from locked_rmap.static import cases

from ..support import REPO, Case, write

GOOD = """\
# About.

Caller: reclaim
What: folio_referenced(),
   from page reclaim
Functions: folio_referenced page_ref*
Tests: s.referenced_* s.reclaim
Unlocked: 6.12: folio_referenced
 6.1: page_referenced other
Covered: mm/rmap.c: folio_referenced* page_*
   rmap_*


# Between.
Caller: others
What: the rest
Functions: *
"""


class ReadTest(Case):
    """read() and what it is asked."""

    def read(self, text: str) -> List[callers.Caller]:
        """The entries of a table of @text."""
        write(self.temp / callers.TABLE, text)
        return callers.read(self.temp)

    def refused(self, message: str, text: str) -> None:
        """A table of @text is an error, with that @message."""
        with self.subTest(text), self.assertRaises(Stop) as caught:
            self.read(text)
        self.assertIn(message, str(caught.exception))
        self.assertTrue(str(caught.exception).startswith(str(self.temp / callers.TABLE)))
        self.assertIn("correct the file", str(caught.exception))

    def test_entries(self) -> None:
        self.assertEqual(self.read(GOOD), [
            callers.Caller("reclaim", "folio_referenced(), from page reclaim",
                           ["folio_referenced", "page_ref*"], ["s.referenced_*", "s.reclaim"],
                           {"6.12": ["folio_referenced"], "6.1": ["page_referenced", "other"]},
                           {"mm/rmap.c": ["folio_referenced*", "page_*", "rmap_*"]}),
            callers.Caller("others", "the rest", ["*"], [], {}, {})])

    def test_who_is_meant(self) -> None:
        table = self.read(GOOD)
        self.assertEqual([callers.belongs_to(table, names).name for names in (
            ["page_referenced"], ["ksm_walk"], ["shrink_list", "page_referenced", "rmap_walk"])],
            ["reclaim", "others", "reclaim"])
        self.assertEqual([callers.tested_by(table, name).name
                          for name in ("s.reclaim", "s.other")], ["reclaim", "others"])
        self.assertEqual(callers.walk_unlocked(table, "6.1"), ["other", "page_referenced"])
        self.assertEqual(callers.walk_unlocked(table, "7.x"), [])

    def test_a_trusted_call_is_an_entry_of_its_own(self) -> None:
        entry = "\nTrusted: mm/a.c: f > g\nBecause: it is\n   locked\nFingerprints: 1 2\n"
        self.assertEqual(self.read(GOOD), self.read(GOOD + entry))
        trust, = callers.read_trusted(self.temp)
        self.assertEqual(trust, ("mm/a.c", "f", "g", "it is locked", ["1", "2"]))

    def test_our_own(self) -> None:
        table = callers.read(REPO)
        self.assertGreater(len(table), 5)
        # The last one takes the rest, so nothing after it would be reached.
        self.assertEqual([each.name for each in table if "*" in each.functions], [table[-1].name])
        every = cases.every_name(REPO)
        for caller in table:
            with self.subTest(caller.name):
                self.assertEqual(set(caller.unlocked) - set(lines.names(REPO)), set())
                self.assertEqual([glob for glob in caller.tests
                                  if not fnmatch.filter(every, glob)], [])

    def test_who_once_walked_unlocked_has_a_seeded_defect(self) -> None:
        for name in lines.names(REPO):
            place = REPO / f"tools/mutants/linux-{name}"
            if not place.is_dir():
                # A new line may come without seeded defects.
                continue
            seeded = defects.read_all(place)
            for caller in callers.read(REPO):
                if name in caller.unlocked:
                    with self.subTest(line=name, caller=caller.name):
                        self.assertTrue(any(caller.is_about(test) for defect in seeded
                                            for test in defect.caught_by))

    def test_a_line_that_is_none(self) -> None:
        for number, text in ((1, "Callers: x\n"), (2, "Caller: a\nCaller: b\n"), (1, " x\n"),
                             (3, "Caller: a\n\n   x\n"), (2, "Caller: a\nWhat:\n"),
                             (1, "caller: a\n")):
            self.refused(f":{number}: not one of Caller, What, Functions, Tests, Unlocked, "
                         "Covered, Trusted, Because, Fingerprints, once in an entry", text)

    def test_an_entry_that_is_not_whole(self) -> None:
        for name, text in (("a", "Caller: a\nWhat: b\n"), ("a", "Caller: a\nFunctions: b\n"),
                           ("without a name", "What: a\nFunctions: b\n")):
            self.refused(f": the entry {name} has no Caller, What or Functions", text)

    def test_words_without_a_key(self) -> None:
        entry = "Caller: a\nWhat: b\nFunctions: c\n"
        for text in ("6.12 f", "6.12:", "6.12:f"):
            self.refused(f": Unlocked of a: '{text}' is not KEY: WORD ...",
                         f"{entry}Unlocked: {text}\n")
        self.refused(": Covered of a: 'mm/x.c' is not KEY: WORD ...",
                     f"{entry}Covered: mm/rmap.c: f\n mm/x.c\n")

    def test_a_missing_table(self) -> None:
        with self.assertRaisesRegex(Stop, "mm/tests/callers is missing: this clone"):
            callers.read(self.temp)
