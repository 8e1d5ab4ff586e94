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
        env = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "ARGS"))}
        return subprocess.run(["make", "-n", *arguments], cwd=REPO, env={**env, "ARCH": "arm64", "PYTHON": "python3"},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)

    def runs(self, arguments: str, command: str) -> None:
        """make with @arguments must run @command."""
        with self.subTest(arguments):
            answer = self.make(*arguments.split())
            self.assertEqual(answer.returncode, 0, answer.stderr)
            told = " ".join(answer.stdout.replace("\\\n", " ").split())
            self.assertEqual(told, f"python3 tools/locked-rmap {command}")

    def test_variables_reach_the_command(self) -> None:
        self.runs("", "run")
        self.runs("run KERNEL=6.1 ARCH=um TESTS=rmap", "run --kernel '6.1' --arch 'um' 'rmap'")
        self.runs("mutants STAGE=batched TESTS=x", "mutants --stage 'batched' x")
        self.runs("check TREE=/x STATIC=1 JSON=-", "check --tree '/x' --static --json '-'")
        self.runs("selftests STAGE=locked", "selftests --stage 'locked'")
        self.runs("bench TREE=/x ARGS=--profile", "bench --tree '/x' --profile")
        self.runs("export MBOX=m SIGNOFF=1", "export --mbox 'm' --signoff")
        self.runs("test ARGS=unit", "test unit")
        self.runs("test-all", "test --all")

    def test_variables_that_a_verb_does_not_take_are_refused(self) -> None:
        for verb, name in (("run", "HTML"), ("mutants", "REPEAT"), ("check", "STAGE"), ("selftests", "ARCH"),
                           ("bench", "TESTS"), ("export", "ARCH"), ("test", "KERNEL"), ("test-all", "STAGE")):
            with self.subTest(verb):
                answer = self.make(verb, f"{name}=x")
                self.assertEqual((answer.returncode, answer.stdout), (2, ""))
                self.assertEqual(len(answer.stderr.splitlines()), 1, answer.stderr)
                self.assertIn(f"make {verb} takes no {name}=, only ", answer.stderr)
