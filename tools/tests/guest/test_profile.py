# SPDX-License-Identifier: GPL-2.0-only
"""Instructions by function: the plugin, and what it writes."""

import os
import re
import shutil
import unittest
from pathlib import Path
from typing import ContextManager
from unittest import mock

from locked_rmap.guest import profile
from locked_rmap.base.errors import Stop

from ..support import REPO, Case, write

SYMBOLS = profile.Symbols([0x1000, 0x2000, 0x3000], ["bench_clock", "move_pages", "flush.isra.0"])
WINDOW = "window\n1004 1\n2000 10\n2008 10\n3000 5\n"


class SymbolsTest(Case):
    """The functions of a kernel."""

    def nm(self, script: str) -> ContextManager[object]:
        """Have a program nm that runs @script."""
        write(self.temp / "bin/nm", f"#!/bin/sh\n{script}\n", executable=True)
        return mock.patch.dict(os.environ, {"PATH": f"{self.temp / 'bin'}:{os.environ['PATH']}"})

    def test_an_address_belongs_to_the_function_before_it(self) -> None:
        self.assertEqual([SYMBOLS.name(address) for address in (0x1000, 0x2fff, 0x9999, 0xfff)],
                         ["bench_clock", "move_pages", "flush", "?"])

    def test_data_are_no_functions(self) -> None:
        with self.nm("printf '%s\\n' '1000 T a' '1800 D data' '2000 t b' '   U out'"):
            self.assertEqual(profile.read_symbols(self.temp / "vmlinux"),
                             profile.Symbols([0x1000, 0x2000], ["a", "b"]))

    def test_a_kernel_without_symbols_is_an_error(self) -> None:
        with self.nm("echo 'nm: vmlinux: no symbols' >&2"), \
                self.assertRaisesRegex(Stop, "has no symbols .nm: vmlinux: no symbols"):
            profile.read_symbols(self.temp / "vmlinux")


class PluginTest(Case):
    """Compiling the plugin, and asking QEMU for it."""

    def test_the_interface_is_qemus(self) -> None:
        self.assertEqual([profile.plugin_version(f"QEMU emulator version {text} (Debian 1:x)")
                          for text in ("7.2.22", "8.1.0", "8.2.1", "10.0.3")], [1, 1, 2, 2])

    @unittest.skipUnless(shutil.which("gcc"), "no gcc")
    def test_it_compiles_without_a_warning(self) -> None:
        plugin = profile.compile_plugin(REPO, "true", self.temp)
        self.assertTrue(plugin.is_file())
        self.assertEqual((self.temp / "windows.log").read_text(encoding="utf-8"), "")

    def test_what_does_not_compile_is_an_error(self) -> None:
        write(self.temp / profile.PLUGIN, "int x = y;\n")
        with self.assertRaisesRegex(Stop, "does not compile: .*undeclared"):
            profile.compile_plugin(self.temp, "true", self.temp)

    def test_arguments_name_the_clock(self) -> None:
        self.assertEqual(profile.arguments(Path("/p q/w.so"), SYMBOLS, Path("/o")),
                         "-plugin 'file=/p q/w.so,clock=1000,out=/o'")
        with self.assertRaisesRegex(Stop, "no function bench_clock"):
            profile.arguments(Path("/w.so"), profile.Symbols([1], ["x"]), Path("/o"))


class ReadTest(unittest.TestCase):
    """What the plugin wrote."""

    def test_instructions_are_added_up_by_function(self) -> None:
        self.assertEqual(profile.read_windows(WINDOW * 2, SYMBOLS),
                         [{"bench_clock": 1, "move_pages": 20, "flush": 5}] * 2)

    def test_the_last_round_of_each_kind_counts(self) -> None:
        windows = [{"f": float(number * profile.PAGES)} for number in range(2 * profile.ROUNDS)]
        self.assertEqual(profile.per_page(windows, ["1", "16"]),
                         {"1": {"f": 6.0}, "16": {"f": 13.0}})
        with self.assertRaisesRegex(Stop, "for 13 rounds, not for 14"):
            profile.per_page(windows[1:], ["1", "16"])

    def test_the_suite_has_that_clock_and_so_many_rounds_and_pages(self) -> None:
        text = (REPO / "mm/tests/userfaultfd_move_bench_kunit.c").read_text(encoding="utf-8")
        number = {name: int(value)
                  for name, value in re.findall(r"^#define (\w+)\s+(\d+)$", text, re.M)}
        self.assertEqual(number["BENCH_WARM_UP"] + number["BENCH_ROUNDS"], profile.ROUNDS)
        self.assertEqual(number["BENCH_PAGES"], profile.PAGES)
        self.assertEqual(len(re.findall(rf"= {profile.CLOCK}\(\)", text)), 2)
        self.assertIn(f"KUNIT_CASE({profile.CASE.split('.')[1]})", text)

    def test_the_table_leaves_nothing_out(self) -> None:
        rows = profile.table({"1": {"a": 5.0, "b": 0.5, "c": 0.25}, "16": {"a": 2.0, "d": 3.0}})
        self.assertEqual(rows, [("a", [5.0, 2.0]), ("d", [0.0, 3.0]), ("all others", [0.75, 0.0]),
                                ("together", [5.75, 5.0])])
