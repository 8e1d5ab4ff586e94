# SPDX-License-Identifier: GPL-2.0-only
"""Coverage: what gcov tells, and what may be left out."""

import subprocess
from typing import Dict, List

from locked_rmap.base.errors import Stop
from locked_rmap.guest import coverage
from locked_rmap.static.functions import Source

from ..support import Case, write

SOURCE = """\
#include <stdio.h>
struct pair {
	int a;
};

/* A comment that ends above. */
static inline int
twice(int x)
{
	if (x > 100)
		puts("many");
	return 2 * x;
}

#ifdef NEVER
int other(void)
{
	return 1;
}
#else
int other(void)
{
	return 2;
}
#endif

int unused(int x)
{
	x++;

	/* Why not. */
	return x;
}

int main(int argc, char **argv)
{
	return twice(argc) + other() == 4 ? 0 : 1;
}
"""


class GcovTest(Case):
    """collect(), with a real compiler and a real gcov."""

    def collect(self, subjects: Dict[str, List[str]], run: bool = True) -> List[coverage.Function]:
        """Build, run, and look at SOURCE as mm/x.c of a tree."""
        tree, build = self.temp / "tree", self.temp / "build"
        write(tree / "mm/x.c", SOURCE)
        (build / "mm").mkdir(parents=True, exist_ok=True)
        for arguments in (["-c", "../tree/mm/x.c", "-o", "mm/x.o"], ["mm/x.o", "-o", "x"]):
            subprocess.run(["gcc", "-O2", "--coverage", *arguments], cwd=build, check=True)
        if run:
            subprocess.run(["./x"], cwd=build, check=False)
        return coverage.collect(tree, subjects, build, self.temp / "log", self.console)

    def test_lines_of_every_function_inlined_or_not(self) -> None:
        twice, other, unused = self.collect({"mm/x.c": ["twice", "o*", "unused"],
                                             "mm/none.c": ["twice"]})
        self.assertEqual([(line.number, bool(line.runs)) for line in twice.lines
                          if line.number in (10, 11)],
                         [(10, True), (11, False)])
        self.assertEqual([line.text.strip() for line in other.lines if "return" in line.text],
                         ["return 2;"])
        self.assertTrue(unused.lines and not any(line.runs for line in unused.lines))
        self.assertEqual([line.text.strip() for line in twice.missed], ['puts("many");'])

    def test_counters_of_earlier_runs_are_forgotten(self) -> None:
        self.collect({"mm/x.c": ["twice"]})
        coverage.forget(self.temp / "build")
        with self.assertRaisesRegex(Stop, "wrote no coverage counters"):
            self.collect({"mm/x.c": ["twice"]}, run=False)

    def test_a_function_that_is_gone_is_an_error(self) -> None:
        with self.assertRaisesRegex(Stop, "no function gone"):
            self.collect({"mm/x.c": ["twice", "gone"]})


class FunctionsTest(Case):
    """The finder of functions, as coverage uses it."""

    def test_names_and_places(self) -> None:
        self.assertEqual([(found.name, found.line, found.last)
                          for found in Source("mm/x.c", SOURCE).functions],
                         [("twice", 8, 13), ("other", 16, 19), ("other", 21, 24),
                          ("unused", 27, 33), ("main", 35, 38)])


def function(runs: Dict[int, int]) -> coverage.Function:
    """The function `unused` of SOURCE, whose lines ran so often."""
    lines = SOURCE.splitlines()
    return coverage.Function("mm/x.c", "unused",
                             {number: lines[number - 1] for number in range(27, 34)},
                             [coverage.Line(number, lines[number - 1], count)
                              for number, count in runs.items()], set())


class LeftOutTest(Case):
    """Lines that need not run."""

    def read(self, text: str) -> List[coverage.LeftOut]:
        """What a file of @text leaves out."""
        return coverage.read_left_out(write(self.temp / "list", text))

    def test_entries(self) -> None:
        entries = self.read("# A comment\n\nmm/x.c unused: it is\n  not used\n"
                            "  > x++;\n  > /* Why not. */\n"
                            "  >\n  > return  x;\nmm/y.c other: not built\n")
        self.assertEqual([(entry.function, entry.reason, entry.snippets) for entry in entries],
                         [("unused", "it is not used", [["x++;", "/* Why not. */"], ["return x;"]]),
                          ("other", "not built", [])])
        self.assertEqual(coverage.read_left_out(self.temp / "none"), [])

    def test_entries_that_make_no_sense(self) -> None:
        for text in ("mm/x.c unused\n", "  > x;\n", "mm/x.c f: why\n  > x;\n  and more\n"):
            with self.subTest(text), self.assertRaisesRegex(
                    Stop, "list:[0-9]+: not 'FILE FUNCTION: REASON'"):
                self.read(text)

    def check(self, text: str, runs: Dict[int, int]) -> coverage.Function:
        """unused(), with what @text leaves out, which must be right."""
        subject = function(runs)
        self.assertEqual(coverage.leave_out([subject], self.read(text)), [])
        return subject

    def test_lines_are_found_by_their_text(self) -> None:
        subject = self.check("mm/x.c unused: why\n  > x++;\n  > /* Why not. */\n",
                             {27: 1, 29: 0, 32: 0})
        self.assertEqual([line.number for line in subject.missed], [32])
        self.assertEqual(coverage.total([subject]), (2, 1, 1))

    def test_a_line_that_ran_counts_although_it_is_left_out(self) -> None:
        subject = self.check("mm/x.c unused: why\n  > x++;\n", {27: 1, 29: 1, 32: 1})
        self.assertEqual(coverage.total([subject]), (3, 3, 0))

    def test_text_that_is_gone_is_an_error(self) -> None:
        for text in ("mm/x.c unused: why\n  > y++;\n", "mm/x.c unused: why\n  > /* Why not. */\n",
                     "mm/x.c gone: why\n  > x++;\n", "mm/x.c unused: why\n"):
            with self.subTest(text):
                self.assertEqual(len(coverage.leave_out([function({27: 1, 29: 0})],
                                                        self.read(text))), 1)

    def test_a_function_that_is_not_built_needs_a_reason(self) -> None:
        self.assertEqual(len(coverage.leave_out([function({})], [])), 1)
        self.assertEqual(coverage.leave_out([function({})], self.read("mm/x.c unused: why\n")), [])


class VerdictTest(Case):
    """judge() and the table."""

    def test_enough_is_95_percent(self) -> None:
        ran = {number: 1 for number in range(1, 20)}
        lines = [coverage.Line(number, "x", count) for number, count in {**ran, 20: 0}.items()]
        subject = coverage.Function("mm/x.c", "f", {}, lines, set())
        self.assertTrue(coverage.judge([subject], [])[0])
        self.assertFalse(coverage.judge([subject], ["list:1: wrong"])[0])
        subject.lines.append(coverage.Line(21, "y", 0))
        good, text = coverage.judge([subject], [])
        self.assertFalse(good)
        self.assertIn("90.5 % of 21 lines", text)
        self.assertEqual(coverage.table([subject]), [
            "mm/x.c f: 19 of 21 lines run, 90.5 %", "not covered:", "  mm/x.c:20 f: x",
            "  mm/x.c:21 f: y"])
