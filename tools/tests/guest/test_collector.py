# SPDX-License-Identifier: GPL-2.0-only
"""The collector: what is made of what a guest tells, and the program itself, on this machine."""

import os
import re
import subprocess
from pathlib import Path
from typing import Dict, List, Tuple
from unittest import mock

from locked_rmap.guest import collector, qemu
from locked_rmap.guest.collector import UNITS, Outcome
from locked_rmap.base.errors import Stop
from locked_rmap.guest.selflog import Job

from ..verbs import test_selftests
from ..support import REPO, Case, write

SOURCE = REPO / "tools/guest/collector.c"

#: Stands in for QEMU: says the console that lies beside it, or ends badly if there is none.
QEMU = r'''#!/bin/sh
here=$(dirname "$0")
echo "$@" > "$here/call"
for word in "$@"; do case $word in file:*) serial=${word#file:};; esac; done
test -f "$here/console" || { echo "no such machine" >&2; exit 1; }
cat "$here/console" > "$serial"
'''

#: Prints the figures of a run as the program does.
FIGURES = {name: number * 100 for number, name in enumerate(UNITS, 1)}


def job(name: str, lines: List[str], end: str = "exit 0") -> str:
    """What the first process tells of a job."""
    told = [f"begin {name}", *(f"| {line}" for line in lines)] + ([f"end {name} {end}"] if end else [])
    return "".join(f"[    1.000000] selftests: {line}\n" for line in told)


def lines(mode: str, workers: int, **changes: int) -> List[str]:
    """What the program prints when all is well, apart from @changes."""
    return ["1024 pages: 400 live, 20 more to be gathered in 10",
            *(f"figure collector.{mode}.{workers}.{name} {value} {UNITS[name]}"
              for name, value in {**FIGURES, **changes}.items())]


OVER = "[    9.000000] selftests: over\n"


class PlanTest(Case):
    """plan()."""

    def test_both_modes_with_every_number_of_workers(self) -> None:
        self.assertEqual(list(collector.plan((1, 4)).values()),
                         [("move", 1), ("copy", 1), ("move", 4), ("copy", 4)])

    def test_the_program_knows_every_option(self) -> None:
        known = re.findall(r'\{ "(\w+)", required_argument', SOURCE.read_text(encoding="utf-8"))
        for planned in collector.plan((1, 2)):
            self.assertEqual({word[2:].split("=")[0] for word in planned.argv[1:]}, set(known))

    def test_the_guest_has_time_for_every_round(self) -> None:
        self.assertLess(collector.ROUNDS * collector.ROUND_LIMIT, collector.LIMIT)

    def test_figures_are_those_of_the_program(self) -> None:
        text = SOURCE.read_text(encoding="utf-8")
        printed = re.findall(r'^\t(?:median|print_figure)\(.*"(\w+)", (?:.*, )?"(\w+)"\);$', text, re.M)
        self.assertEqual(dict(printed), UNITS)


class ReadTest(Case):
    """read()."""

    def read(self, *told: str, workers: Tuple[int, ...] = (1,), hung: str = "") -> Outcome:
        """What a guest that says @told came to."""
        return collector.read("".join(told), hung, collector.plan(workers), 1.0)

    def test_figures_of_all_runs(self) -> None:
        found = self.read(job("move-1", lines("move", 1, completion=60)), job("copy-1", lines("copy", 1)),
                          job("move-2", lines("move", 2, cpu=7)), job("copy-2", lines("copy", 2)), OVER,
                          workers=(1, 2))
        self.assertEqual((found.wrong, found.skipped, found.splats), ([], {}, []))
        self.assertEqual(len(found.figures), 4 * len(UNITS))
        self.assertEqual(found.value("move", 2, "cpu"), 7)
        self.assertEqual(found.value("copy", 2, "cpu"), FIGURES["cpu"])
        self.assertEqual(found.ratio(1, "completion"), 60 / FIGURES["completion"])
        self.assertIsNone(found.ratio(4, "completion"))
        self.assertIsNone(self.read(job("move-1", lines("move", 1)), job("copy-1", lines("copy", 1, cpu=0)),
                                    OVER).ratio(1, "cpu"))

    def test_wrong_contents(self) -> None:
        said = "collector: round 1: a mutator finds object 3 where 5 belongs (page 2)"
        found = self.read(job("move-1", [*lines("move", 1)[:1], said], "exit 1"),
                          job("copy-1", lines("copy", 1)), OVER)
        self.assertEqual(found.wrong, [f"UFFDIO_MOVE, 1 worker: exit status 1: {said}"])
        self.assertIsNone(found.value("move", 1, "completion"))
        self.assertEqual(found.value("copy", 1, "completion"), FIGURES["completion"])

    def test_figures_of_a_run_that_fails_do_not_count(self) -> None:
        found = self.read(job("move-1", lines("move", 1), "signal 11"), job("copy-1", lines("copy", 1)), OVER)
        self.assertIn("killed by SIGSEGV", found.wrong[0])
        self.assertIsNone(found.value("move", 1, "completion"))

    def test_a_kernel_without_moves(self) -> None:
        said = "collector: skip: this kernel has no UFFDIO_MOVE: Invalid argument"
        found = self.read(job("move-1", [said], "exit 4"), job("copy-1", lines("copy", 1)), OVER)
        self.assertEqual((found.wrong, found.skipped), ([], {"move": "this kernel has no UFFDIO_MOVE"}))
        self.assertEqual(found.value("copy", 1, "stall"), FIGURES["stall"])

    def test_nothing_else_is_skipped(self) -> None:
        for mode, said in (("move", "the clock of this machine is too coarse"),
                           ("copy", "this kernel has no UFFDIO_MOVE: x")):
            other = "copy" if mode == "move" else "move"
            found = self.read(job(f"{mode}-1", [f"collector: skip: {said}"], "exit 4"),
                              job(f"{other}-1", lines(other, 1)), OVER)
            self.assertEqual(found.skipped, {})
            self.assertEqual(len(found.wrong), 1)
            self.assertIn(said, found.wrong[0])

    def test_a_figure_is_missing(self) -> None:
        text = [line for line in lines("move", 1) if ".stall " not in line]
        text = [line.replace("cpu 200 ns", "cpu 200 count") for line in text]
        found = self.read(job("move-1", text), job("copy-1", lines("copy", 1)), OVER)
        self.assertEqual(found.wrong, ["UFFDIO_MOVE, 1 worker: no figure cpu, stall"])

    def test_figures_of_another_run_do_not_count(self) -> None:
        found = self.read(job("move-1", lines("move", 11)), job("copy-1", lines("move", 1)), OVER)
        self.assertEqual(found.figures, {})
        self.assertEqual([text.split(":")[0] for text in found.wrong],
                         ["UFFDIO_MOVE, 1 worker", "UFFDIO_COPY, 1 worker"])

    def test_a_guest_that_dies(self) -> None:
        panic = "[    2.000000] Kernel panic - not syncing: stack is corrupted\n"
        found = self.read(job("move-1", lines("move", 1)), job("copy-1", [], ""), panic, workers=(1, 2))
        self.assertEqual(found.value("move", 1, "completion"), FIGURES["completion"])
        text = "\n".join(found.wrong)
        self.assertIn("UFFDIO_COPY, 1 worker: Kernel panic - not syncing", text)
        self.assertIn("the guest died: Kernel panic", text)
        self.assertIn("not run: UFFDIO_MOVE, 2 workers; UFFDIO_COPY, 2 workers", text)
        self.assertEqual(len(found.wrong), 3)

    def test_a_guest_that_says_nothing(self) -> None:
        found = self.read(hung="the guest hung")
        self.assertEqual(found.wrong, ["the guest died: the guest hung",
                                       "not run: UFFDIO_MOVE, 1 worker; UFFDIO_COPY, 1 worker"])

    def test_a_program_that_hangs(self) -> None:
        for end, words in (("hung", "hung, and was killed after"), ("stuck", "hung, and could not be killed after")):
            found = self.read(job("move-1", lines("move", 1)[:1], end))
            self.assertIn(words, found.wrong[0])
            self.assertIn("not run: UFFDIO_COPY, 1 worker", found.wrong[-1])

    def test_what_the_first_process_cannot_do(self) -> None:
        found = self.read("[    1.000000] selftests: cannot swap to /dev/ram0: Invalid argument\n")
        self.assertEqual(found.wrong[0], "the guest cannot swap to /dev/ram0: Invalid argument")

    def test_a_splat(self) -> None:
        splat = "[    2.0] WARNING: CPU: 0 PID: 1 at mm/rmap.c:1 x\n"
        found = self.read(splat, job("move-1", lines("move", 1)), job("copy-1", lines("copy", 1)), OVER)
        self.assertEqual(len(found.wrong), 1)
        self.assertIn("WARNING: CPU: 0 PID: 1 at mm/rmap.c:1 x", found.wrong[0])


class GuestTest(Case):
    """run_guest(), with a guest that a script plays."""

    def play(self, console: str) -> Outcome:
        """Run a guest that says @console; none starts if that is empty."""
        programs = self.temp / "bin"
        write(programs / "qemu-system-x86_64", QEMU, executable=True)
        if console:
            (programs / "console").write_bytes(console.encode())
        with mock.patch.dict(os.environ, {"PATH": f"{programs}:{os.environ['PATH']}"}):
            return collector.run_guest(REPO, Path("bzImage"), "x", self.temp / "results", self.console, 1)

    def test_a_guest(self) -> None:
        console = job("move-1", lines("move", 1)) + job("copy-1", lines("copy", 1)) + OVER
        found = self.play(console.replace("\n", "\r\n"))
        self.assertEqual((found.wrong, len(found.figures)), ([], 2 * len(UNITS)))
        self.assertEqual((self.temp / "results/kernel.log").read_bytes(), console.encode())
        call = (self.temp / "bin/call").read_text(encoding="utf-8").split()
        self.assertIn("tsc=reliable", call)
        self.assertNotIn("notsc", call)
        self.assertEqual(call[-2:], ["-icount", "shift=0,sleep=off"])
        self.assertEqual(call[call.index("-smp") + 1], "1")
        self.assertIn("20 figures", self.said.getvalue())

    def test_the_file_system_has_the_plan(self) -> None:
        jobs: List[Job] = list(collector.plan((2,)))
        data = collector.file_system(REPO, jobs, self.temp / "log", self.console)
        found = {name: content for name, _, content in test_selftests.CpioTest.entries(data)}
        self.assertEqual(found["plan"].decode().splitlines(), [planned.line for planned in jobs])
        for planned in jobs:
            self.assertTrue(found[planned.argv[0].lstrip("/")].startswith(b"\x7fELF"))
        self.assertIn(b"selftests: ", found["init"])

    def test_a_qemu_that_does_not_start(self) -> None:
        with self.assertRaisesRegex(Stop, "QEMU ended with status 1: no such machine"):
            self.play("")

    def test_others_keep_their_clock(self) -> None:
        words = qemu.qemu(Path("k"), Path("f"), Path("l"), 1, ["x"])[-1].split()
        self.assertIn("notsc", words)
        self.assertNotIn(collector.CLOCK, words)


class ProgramTest(Case):
    """The program, run by the kernel of this machine."""

    def build(self, changes: Dict[str, str]) -> Path:
        """The program with @changes made to its source."""
        text = SOURCE.read_text(encoding="utf-8")
        for old, new in changes.items():
            self.assertEqual(text.count(old), 1, old)
            text = text.replace(old, new)
        source = write(self.temp / "collector.c", text)
        program = self.temp / "collector"
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", str(program), str(source)],
                       check=True)
        return program

    def run_it(self, program: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the program with @arguments; skip the test if this machine cannot."""
        answer = subprocess.run([str(program), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, timeout=300, check=False)
        if answer.returncode == 4:
            self.skipTest(answer.stderr.strip())
        return answer

    def holds(self, mode: str, workers: int) -> None:
        """The program does its job, and prints every figure."""
        answer = self.run_it(self.build({}), "--mode", mode, "--workers", str(workers), "--rounds", "3")
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        found = collector.read(job(f"{mode}-{workers}", answer.stdout.splitlines()), "", collector.plan((workers,)), 1.0)
        for name in UNITS:
            self.assertIsNotNone(found.value(mode, workers, name), name)
        self.assertGreater(found.figures[f"collector.{mode}.{workers}.completion"], 0)

    def breaks(self, words: str, changes: Dict[str, str], mode: str = "copy", limit: int = 30) -> None:
        """With @changes the program fails, at most @limit seconds a round, and says @words."""
        answer = self.run_it(self.build(changes), "--mode", mode, "--rounds", "2", "--limit", str(limit))
        self.assertEqual(answer.returncode, 1, answer.stdout + answer.stderr)
        self.assertRegex(answer.stderr, words)
        self.assertEqual(len(answer.stderr.splitlines()), 1)
        self.assertNotIn("figure", answer.stdout)

    def test_copies(self) -> None:
        self.holds("copy", 1)

    def test_moves(self) -> None:
        self.holds("move", 2)

    def test_pages_of_two_processes_are_copied(self) -> None:
        # The parent has every second page for itself again: runs move in part.
        program = self.build({"#include <stdarg.h>": "#include <stdarg.h>\n#include <sys/prctl.h>", "\tfill();\n": """
	fill();
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
	}
	for (i = 0; i < options.pages; i += 2)
		atomic_fetch_add((atomic_uint *)(heap.old + i * PAGE), 0);
"""})
        answer = self.run_it(program, "--mode", "move", "--pages", "1024", "--rounds", "1", "--mutators", "0")
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        found = dict(re.findall(r"collector\.move\.1\.(\w+) (\d+) ", answer.stdout))
        whole = int(re.findall(r": (\d+) live", answer.stdout)[0])
        self.assertGreater(int(found["fallbacks"]), whole // 3)
        self.assertLess(int(found["fallbacks"]), whole * 2 // 3)
        # TRIES of each, less the first one where the run before it ended in part.
        self.assertGreaterEqual(int(found["retries"]), 100 * int(found["fallbacks"]))

    def test_a_fault_is_served_the_wrong_page(self) -> None:
        for mode in collector.MODES:
            self.breaks("finds object", {
                "char *from = source_of(first);":
                "char *from = source_of(count == 1 && first + 1 < heap.whole ? first + 1 : first);"}, mode)

    def test_a_run_loses_its_last_page(self) -> None:
        # A mutator may wait for it, or it is missed in the end.
        short = "(size_t)(count - (count > 1)) * PAGE);"
        for mode in collector.MODES:
            self.breaks("the end finds object|hung: a mutator is not done", {
                f"{mode}_pages(to, from, (size_t)count * PAGE);": f"{mode}_pages(to, from, {short}"}, mode, 10)

    def test_an_object_is_gathered_twice(self) -> None:
        self.breaks("finds object", {"objects[i] * OBJECT": "objects[i / 2] * OBJECT"})

    def test_an_object_is_gathered_in_part(self) -> None:
        self.breaks("with wrong contents", {"objects[i] * OBJECT, OBJECT);": "objects[i] * OBJECT, OBJECT - 8);"})

    def test_memory_is_given_back_too_early(self) -> None:
        self.breaks("finds object", {"kind == WHOLE || kind == DEAD ||": "kind != RECYCLED ||"})

    def test_memory_is_not_given_back(self) -> None:
        self.breaks("page [0-9]+ of the heap is not empty", {"\t\tgive_back(0, options.pages);\n": ""})

    def test_a_write_is_lost(self) -> None:
        self.breaks("a mutator misses what it wrote|are lost", {
            "object->writes[me->number] = ++me->writes[slot]": "++me->writes[slot]"})

    def test_nobody_is_woken(self) -> None:
        self.breaks("hung: a mutator is not done after 10 s, ([0-9]+) of \\1 pages are there", {
            ".dst = (uintptr_t)to, .src = (uintptr_t)from, .len = length,\n\t\t};\n\n\t\tif (!ioctl(heap.uffd, UFFDIO_COPY":
            ".dst = (uintptr_t)to, .src = (uintptr_t)from, .len = length,\n\t\t\t.mode = UFFDIO_COPY_MODE_DONTWAKE,"
            "\n\t\t};\n\n\t\tif (!ioctl(heap.uffd, UFFDIO_COPY"}, limit=10)

    def test_no_fault_is_no_measurement(self) -> None:
        self.breaks("no mutator found a page missing", {
            "absent = atomic_load(": "while (heap.present != heap.total)\n\t\t\tsched_yield();\n"
                                     "\t\tabsent = atomic_load("})

    def test_options(self) -> None:
        program = self.build({})
        for arguments, words in (((), "usage: --mode move|copy"), (("--mode", "x"), "usage"),
                                 (("--mode", "copy", "x"), "usage"),
                                 (("--mode", "copy", "--workers", "0"), "--workers takes a number from 1 to 16"),
                                 (("--mode", "copy", "--pages", "1e3"), "not '1e3'"),
                                 (("--mode", "copy", "--seed", "-1"), "not '-1'")):
            answer = self.run_it(program, *arguments)
            self.assertEqual((answer.returncode, answer.stdout), (2, ""))
            self.assertIn(words, answer.stderr)
            self.assertEqual(len(answer.stderr.splitlines()), 1)
