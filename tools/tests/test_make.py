# SPDX-License-Identifier: GPL-2.0-only
"""The Makefile: which of its variables reach the command, and which are refused."""

import os
import subprocess
import unittest

from .support import REPO


class MakeTest(unittest.TestCase):
    """`make -n`, which says what it would run."""

    def make(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run make, as from a shell: not as a part of the make that may have started the tests."""
        env = {name: text for name, text in os.environ.items()
               if not name.startswith(("MAKE", "MFLAGS", "ARGS"))}
        return subprocess.run(["make", "-n", *arguments], cwd=REPO, env={**env, "ARCH": "arm64"},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                              check=False)

    def runs(self, arguments: str, command: str) -> None:
        """make with @arguments must run @command."""
        with self.subTest(arguments):
            answer = self.make(*arguments.split())
            self.assertEqual(answer.returncode, 0, answer.stderr)
            told = " ".join(answer.stdout.replace("\\\n", " ").split())
            self.assertEqual(told, f"tools/locked-rmap {command}")

    def test_variables_reach_the_command(self) -> None:
        self.runs("", "run")
        self.runs("run KERNEL=6.1 ARCH=um TESTS=rmap", "run --kernel '6.1' --arch 'um' 'rmap'")
        self.runs("run TREE=/x STAGE=stock DEBUG=1 REPEAT=2 ARGS=--all",
                  "run --stage 'stock' --tree '/x' --debug --repeat '2' --all")
        self.runs("test ARGS=unit", "test unit")
        self.runs("test-all", "test --all")

    def test_variables_that_a_word_does_not_take_are_refused(self) -> None:
        for word, name in (("test", "KERNEL"), ("test-all", "STAGE")):
            with self.subTest(word):
                answer = self.make(word, f"{name}=x")
                self.assertEqual((answer.returncode, answer.stdout), (2, ""))
                self.assertEqual(len(answer.stderr.splitlines()), 1, answer.stderr)
                self.assertIn(f"make {word} takes no {name}=, only ARGS=", answer.stderr)

    def test_there_are_four_words(self) -> None:
        text = (REPO / "Makefile").read_text(encoding="utf-8")
        self.assertIn(".PHONY: all run test test-all clean\n", text)
