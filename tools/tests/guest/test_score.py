# SPDX-License-Identifier: GPL-2.0-only
"""All defects of a line: which run where, and what an interrupted run leaves behind."""

import unittest
from typing import List, Optional, Tuple

from locked_rmap.base.errors import Stop
from locked_rmap.guest.score import State, choose
from locked_rmap.kernel.defects import parse

from ..seeded import text
from ..support import Case, write
from .test_mutation import HEAD, judged


class ChooseTest(unittest.TestCase):
    """Which defects run where."""

    def setUp(self) -> None:
        self.all = [parse("both", text()), parse("um-only", text(Arch="um")),
                    parse("x86-first", text(Arch="x86_64 um"))]

    def chosen(self, names: List[str], arch: Optional[str]) -> List[str]:
        """What choose() says, as name/arch."""
        return [f"{mutant.name}/{where}" for mutant, where in choose(self.all, names, arch)]

    def test_first_architecture_by_default(self) -> None:
        self.assertEqual(self.chosen([], None), ["both/um", "um-only/um", "x86-first/x86_64"])

    def test_an_architecture_takes_all_that_can_show_there(self) -> None:
        self.assertEqual(self.chosen([], "x86_64"), ["both/x86_64", "x86-first/x86_64"])
        self.assertEqual(self.chosen(["x86-first"], "um"), ["x86-first/um"])

    def test_neighbours_share_a_file(self) -> None:
        self.all = [parse(name, text().replace("mm/rmap.c", path)) for name, path in
                    (("a", "mm/z.c"), ("b", "mm/a.c"), ("c", "mm/z.c"))]
        self.assertEqual(self.chosen([], None), ["b/um", "a/um", "c/um"])

    def test_refused(self) -> None:
        cases: List[Tuple[List[str], Optional[str], str]] = [
            (["none"], None, "there is no mutant none"), (["um"], None, "there is um-only"),
            ([], "vax", "unknown architecture"), (["um-only"], "x86_64", "cannot show on x86_64")]
        for names, arch, part in cases:
            with self.subTest(part), self.assertRaises(Stop) as caught:
                self.chosen(names, arch)
            self.assertIn(part, str(caught.exception))


class StateTest(Case):
    """What an interrupted run leaves behind."""

    def test_kept_until_something_changes(self) -> None:
        path = self.temp / "state.json"
        result = judged(HEAD + "    not ok 1 one\n    ok 2 two\n    ok 3 three\nnot ok 1 s\n")
        result = result._replace(digest="d")
        State(path).put(result)
        again = State(path)
        self.assertEqual(again.get("x", "um", "locked", "d"), result)
        self.assertIsNone(again.get("x", "um", "locked", "other"))
        self.assertIsNone(again.get("x", "x86_64", "locked", "d"))
        self.assertEqual(again.ended, [])
        again.ended = ["locked", "batched"]
        again.forget("x", "um", "batched")
        self.assertEqual(again.get("x", "um", "locked", "d"), result)
        again.save()
        self.assertEqual(State(path).ended, ["locked"])
        again.forget("x", "um", "locked")
        again.save()
        self.assertIsNone(State(path).get("x", "um", "locked", "d"))
        self.assertEqual(State(path).ended, [])

    def test_a_state_of_another_making_is_no_state(self) -> None:
        path = self.temp / "state.json"
        for data in ("", "rubbish", "[]", '{"results": {"x um": {"name": "x"}}}',
                     '{"results": {"x um": 3}}'):
            write(path, data)
            self.assertIsNone(State(path).get("x", "um", "locked", "d"))
