# SPDX-License-Identifier: GPL-2.0-only
"""One kernel with a seeded defect: what counts as caught, and what is built."""

import unittest
from pathlib import Path
from typing import List

from locked_rmap.guest import klog, kunit, mutation
from locked_rmap.kernel.defects import parse

from ..seeded import text
from ..support import Case, write

HEAD = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..3\n"
OOPS = "WARNING: CPU: 0 PID: 30 at mm/rmap.c:517 x+0x1/0x2\n---[ end trace 0 ]---\n"


def judged(log: str, hung: str = "") -> mutation.Result:
    """What a guest with the kernel log @log comes to; the tests are s.one to s.three."""
    tests = kunit.read_results(None, klog.ktap(log))
    fields = mutation.judge(log, tests, hung, ["s.one", "s.two", "s.three"])
    return mutation.Result(name="x", arch="um", stage="locked", digest="", build_seconds=1.0,
                           guest_seconds=0.5, **fields)


class JudgeTest(unittest.TestCase):
    """What counts as caught, and by which test."""

    def test_nothing_noticed(self) -> None:
        found = judged(HEAD + "    ok 1 one\n    ok 2 two\n    ok 3 three # SKIP no\nok 1 s\n")
        self.assertEqual(found.caught_by, [])
        self.assertEqual((found.ran, found.skipped), (["s.one", "s.two"], ["s.three"]))
        self.assertEqual(found.silent(parse("x", text())), ["s.two"])

    def test_a_failed_test(self) -> None:
        found = judged(HEAD + "    ok 1 one\n    not ok 2 two\n    ok 3 three\nnot ok 1 s\n")
        self.assertEqual(found.caught_by, ["s.two"])
        self.assertEqual(found.silent(parse("x", text(Caught_by="s.two, s.one"))), ["s.one"])

    def test_a_splat_belongs_to_the_test_it_is_in(self) -> None:
        found = judged("boot\n" + HEAD + "    ok 1 one\n" + OOPS
                       + "    ok 2 two\n    ok 3 three\nok 1 s\n")
        self.assertEqual(list(found.splats), ["s.two"])
        self.assertEqual(len(found.caught_by), 1)
        self.assertTrue(found.caught_by[0].startswith("s.two (WARNING: "))
        self.assertEqual(found.silent(parse("x", text())), [])

    def test_a_splat_outside_of_all_tests(self) -> None:
        passed = "    ok 1 one\n    ok 2 two\n    ok 3 three\nok 1 s\n"
        for log in (OOPS + HEAD + passed, HEAD + passed + OOPS):
            found = judged(log)
            self.assertEqual(list(found.splats), [""])
            self.assertTrue(found.caught_by[0].startswith("the kernel log (WARNING"))

    def test_an_announced_splat_is_none(self) -> None:
        found = judged(HEAD + "    ok 1 one\n    # two: expect splat begin: mm/rmap.c\n" + OOPS
                       + "    # two: expect splat end: mm/rmap.c\n    ok 2 two\n"
                       + "    ok 3 three\nok 1 s\n")
        self.assertEqual(found.caught_by, [])

    def test_a_panic(self) -> None:
        found = judged(HEAD + "    ok 1 one\nKernel panic - not syncing: Oops\n")
        self.assertEqual(found.died, "died: Kernel panic - not syncing: Oops")
        self.assertEqual(found.died_in, "s.two")
        self.assertEqual(len(found.caught_by), 1, found.caught_by)
        self.assertEqual(found.silent(parse("x", text())), [])
        self.assertEqual(found.silent(parse("x", text(Caught_by="crash"))), [])
        self.assertEqual(found.silent(parse("x", text(Caught_by="s.three"))), ["s.three"])

    def test_a_hang(self) -> None:
        found = judged(HEAD + "    not ok 1 one\n", "hung: no result for 10 s")
        self.assertEqual(found.died_in, "s.two")
        self.assertEqual(found.caught_by, ["s.one", "s.two (hung: no result for 10 s)"])

    def test_death_at_boot(self) -> None:
        found = judged("Kernel panic - not syncing: Oops\n")
        self.assertEqual(found.died_in, "")
        self.assertTrue(found.caught_by[0].startswith("the guest (died: Kernel panic"))

    def test_a_crash_that_was_promised_and_did_not_come(self) -> None:
        found = judged(HEAD + "    ok 1 one\n    not ok 2 two\n    ok 3 three\nnot ok 1 s\n")
        self.assertEqual(found.silent(parse("x", text(Caught_by="crash"))), ["crash"])


class RebuildTest(Case):
    """What is built again after a change."""

    def setUp(self) -> None:
        super().setUp()
        for name in ("mm/rmap.o", "mm/damon/paddr.o", "fs/userfaultfd.o"):
            write(self.temp / name, "")

    def commands(self, *changed: str) -> List[str]:
        """What rebuild() says, less what all commands begin with."""
        found = mutation.rebuild(self.temp, "x86_64", Path("arch/x86/boot/bzImage"), changed)
        start = found[0][:found[0].index("ARCH=x86_64") + 1]
        self.assertEqual(start[-3:], ["-C", str(self.temp), "ARCH=x86_64"])
        for command in found:
            self.assertEqual(command[:len(start)], start)
        return [" ".join(command[len(start):]) for command in found]

    def test_compiled_files_are_asked_for_by_name(self) -> None:
        link = "-o . -W built-in.a bzImage"
        self.assertEqual(self.commands("mm/rmap.c"), ["-o prepare mm/rmap.o", link])
        self.assertEqual(self.commands("fs/userfaultfd.c", "mm/damon/paddr.c"),
                         ["-o prepare fs/userfaultfd.o mm/damon/paddr.o", link])

    def test_all_else_takes_the_whole_tree(self) -> None:
        for changed in ("include/linux/rmap.h", "mm/rmap.c mm/internal.h", "mm/Makefile",
                        "mm/included.c", ""):
            with self.subTest(changed):
                self.assertEqual(self.commands(*changed.split()), ["bzImage"])
