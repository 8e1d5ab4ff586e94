# SPDX-License-Identifier: GPL-2.0-only
"""Guests with a small user space: what they are given, and what they tell."""

import re
from typing import List, Tuple

from locked_rmap.base.errors import Stop
from locked_rmap.guest import collector, cpio, modules, qemu
from locked_rmap.verbs import selftests

from ..support import REPO, Case, write


class CpioTest(Case):
    """archive()."""

    @staticmethod
    def entries(data: bytes) -> List[Tuple[str, int, bytes]]:
        """Name, mode and content of every entry, read the way the kernel does."""
        found: List[Tuple[str, int, bytes]] = []
        at = 0
        while True:
            assert data[at:at + 6] == b"070701" and at % 4 == 0
            field = [int(data[at + 6 + 8 * number:at + 14 + 8 * number], 16)
                     for number in range(13)]
            name = data[at + 110:at + 110 + field[11] - 1].decode()
            start = (at + 110 + field[11] + 3) & ~3
            if name == "TRAILER!!!":
                return found
            found.append((name, field[1], data[start:start + field[6]]))
            at = (start + field[6] + 3) & ~3

    def test_what_goes_in_comes_out(self) -> None:
        data = cpio.archive({"init": b"12345", "plan": b"", "x": b"\0" * 8})
        self.assertEqual(self.entries(data), [
            ("init", 0o100755, b"12345"), ("plan", 0o100755, b""), ("x", 0o100755, b"\0" * 8)])


class PlanTest(Case):
    """The plans of all such guests."""

    def test_words_are_those_that_the_first_process_knows(self) -> None:
        text = (REPO / "tools/guest/init.c").read_text(encoding="utf-8")
        known = {word: int(least) for word, least in
                 re.findall(r'^\t\{ "(\w+)", (\d+), \w+ \},', text, re.M)}
        most = int(re.findall(r"^#define MAX_ARGS\t+(\d+)$", text, re.M)[0])
        lines = [*modules.plan("locked", "x*"), *collector.SETUP, *selftests.SETUP,
                 *(job.line for job in (*collector.plan((1, 2)), *selftests.plan(["move"])))]
        self.assertEqual({line.split("\t")[0] for line in lines}, set(known))
        for line in lines:
            word, *arguments = line.split("\t")
            self.assertGreaterEqual(len(arguments), known[word])
            self.assertLess(len(arguments), most)


class ProgramsTest(Case):
    """programs()."""

    def test_a_program_that_does_not_build(self) -> None:
        write(self.temp / "tools/guest/bad.c", "int main(void) { return x; }\n")
        log = self.temp / "log"
        with self.assertRaisesRegex(Stop, "what runs in the guest does not build: .*bad.c.* error: "
                                          f".*; full output in {log}"):
            qemu.programs(self.temp, ["bad"], log, self.console)


class ReadTest(Case):
    """read()."""

    def test_steps_and_what_they_print(self) -> None:
        told = qemu.read("[    1.0] init: begin swap /dev/ram0\n[    1.1] init: begin run a\n"
                         "init: ~ one \ninit: alive\ninit: | two\ninit: |\n"
                         "x: init: | no mark\ninit: end exit 1\ninit: over\n", "")
        self.assertEqual(told.steps, [qemu.Step("swap /dev/ram0"),
                                      qemu.Step("run a", "one two\n\n", "exit 1")])
        self.assertEqual(list(told.ran), ["a"])
        self.assertEqual((told.died, told.complaint), ("", ""))

    def test_how_a_guest_died(self) -> None:
        begun = "init: begin run a\n"
        for text, hung, died in (
                (begun, "", "the guest ended without a reason"), (begun, "it hung", "it hung"),
                (f"{begun}init: end stuck\n", "", "run a hung and could not be killed"),
                (f"WARNING: CPU: 0\n{begun}Kernel panic - not syncing: x\n", "",
                 "Kernel panic - not syncing: x"), (f"{begun}init: over\n", "", "")):
            self.assertEqual(qemu.read(text, hung).died, died)
        self.assertEqual(qemu.read(begun, "it hung").ran["a"].end, "it hung")
