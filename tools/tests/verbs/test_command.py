# SPDX-License-Identifier: GPL-2.0-only
"""The command from outside: every way that it can end.

The kernel here is a small tree whose kunit.py does what a test wants a guest or
a compiler to do; apt, where it matters, is a program that a test puts first on
PATH.  The command itself is the real one.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Tuple

from locked_rmap.base import proc

from ..support import MAKEFILE, PATCH, Case, kernel_tree, repository, run_value, snapshot, write

#: Stands in for kunit.py: MODE says how building and running go.
KUNIT_PY = r'''
import json, os, subprocess, sys, time
mode = open(os.path.join(os.path.dirname(__file__), "mode")).read().strip()
verb = sys.argv[1]
options = dict(a[2:].split("=", 1) for a in sys.argv[2:] if a.startswith("--") and "=" in a)
build = options.get("build_dir", ".")
if verb == "build":
    if mode == "broken":
        print("ERROR:root:  CC mm/rmap.o\nmm/rmap.c:10:2: error: expected ';' before '}' token\n"
              "make: *** [x] Error 1")
        sys.exit(1)
    if mode == "nospace":
        print("as: write error: No space left on device")
        sys.exit(1)
    if mode == "slow":
        subprocess.Popen(["sleep", "321"], start_new_session=True)
        print("started", flush=True)
        time.sleep(321)
    for name in (".config", "vmlinux"):
        open(os.path.join(build, name), "w").close()
    sys.exit(0)
if "--list_tests" in sys.argv:
    print("[12:00:00] Starting KUnit Kernel (1/1)...\ns.one\ns.two\ns.three")
    sys.exit(0)
patched = "line ten" in open("mm/rmap.c").read()
head = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..3\n    ok 1 one\n"
if mode == "flaky":
    counter = os.path.join(os.path.dirname(__file__), "runs")
    count = os.path.exists(counter) and int(open(counter).read()) or 0
    with open(counter, "w") as out:
        out.write(str(count + 1))
    patched = patched and count != 1
one, two = ("ok", "ok") if patched else ("ok", "not ok")
if mode == "hang":
    with open(os.path.join(build, "test.log"), "w") as log:
        log.write(head)
    guest = subprocess.Popen(["sleep", "321"])
    time.sleep(float(options["timeout"]))
    guest.kill()
    print("Command x timed out after %s seconds" % options["timeout"])
    cases = [{"name": "one", "status": "PASS"}, {"name": "", "status": "ERROR"}]
elif mode == "panic":
    with open(os.path.join(build, "test.log"), "w") as log:
        log.write(head + "Kernel panic - not syncing: Kernel mode fault at addr 0x0, ip 0x1\n")
    cases = [{"name": "one", "status": "PASS"}, {"name": "", "status": "ERROR"}]
elif mode == "mute":
    cases = []
elif mode == "empty":
    with open(os.path.join(build, "test.log"), "w") as log:
        log.write("KTAP version 1\n1..0\n")
    cases = []
else:
    with open(os.path.join(build, "test.log"), "w") as log:
        log.write(head + "    %s 2 two\n    ok 3 three # SKIP not here\n%s 1 s\n" % (two, two))
        if mode == "splat":
            log.write("WARNING: possible recursive locking detected\n")
    cases = [{"name": "one", "status": "PASS"},
             {"name": "two", "status": "PASS" if patched else "FAIL"},
             {"name": "three", "status": "SKIP"}]
with open(options["json"], "w") as out:
    suite = {"name": "s", "sub_groups": [], "test_cases": cases}
    json.dump({"name": "g", "test_cases": [], "sub_groups": [suite]}, out)
'''


class CommandCase(Case):
    """A repository, and a user's tree whose kunit.py is the fake."""

    def setUp(self) -> None:
        super().setUp()
        self.repo = repository(self.temp / "repo", {"0001-x.patch": PATCH})
        self.tree = kernel_tree(self.temp / "tree", KUNIT_PY)
        self.mode("good")

    def mode(self, mode: str) -> None:
        """Choose what the kernel does."""
        write(self.tree / "tools/testing/kunit/mode", mode)

    def run_tree(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`run` on the user's tree."""
        return self.command(self.repo, ["run", "--tree", str(self.tree), *arguments])

    def stages(self, label: str = "run-tree-um") -> Dict[str, Dict[str, str]]:
        """By stage, what the tests of the last run came to."""
        return {name: stage["suites"]["tests"]
                for name, stage in run_value(self.repo, label)["stages"].items()}

    def result_files(self) -> List[str]:
        """The names below build/results."""
        base = self.repo / "build/results"
        return sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())


class RunTest(CommandCase):
    """Runs that get to their end."""

    def test_stock_beside_patched_holds(self) -> None:
        before = snapshot(self.tree)
        answer = self.run_tree()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        rows = [" ".join(line.split()) for line in answer.stdout.splitlines()]
        for row in ("s.two FAIL pass", "1 test, not here: s.three"):
            self.assertIn(row, rows)
        self.assertNotIn("s.one pass pass", rows)
        self.assertLessEqual(len(rows), 40)
        self.assertEqual(self.stages()["stock"],
                         {"s.one": "PASS", "s.two": "FAIL", "s.three": "SKIP"})
        for name in ("stock/kernel.log", "locked/kernel.log", "locked/kunit.json",
                     "locked/kunit.log", "locked/build.log"):
            self.assertIn(f"run-tree-um/{name}", self.result_files())
        self.assertEqual(snapshot(self.tree), before, "the user's tree was written to")

    def test_again_builds_nothing(self) -> None:
        self.run_tree()
        answer = self.run_tree()
        self.assertEqual(answer.stdout.count("up to date"), 2, answer.stdout)
        write(self.repo / "mm/tests/x_kunit.c", "int y;\n")
        self.assertEqual(self.run_tree().stdout.count("up to date"), 0)

    def test_one_stage(self) -> None:
        answer = self.run_tree("--stage", "locked")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertEqual(list(self.stages()), ["locked"])

    def test_a_tree_below_home_that_the_shell_did_not_expand(self) -> None:
        for verb in (["run", "--stage", "locked"], ["check", "--static"],
                     ["export", "--branch", "x"]):
            with self.subTest(verb):
                answer = self.command(self.repo, [*verb, "--tree", "~/none"],
                                      env={"HOME": str(self.temp)})
                self.assert_one_line(answer, f"there is no directory {self.temp}/none")
        answer = self.command(self.repo, ["run", "--stage", "locked", "--tree", "~/tree"],
                              env={"HOME": str(self.temp)})
        self.assertEqual(answer.returncode, 0, answer.stderr)
        answer = self.command(self.repo, ["check", "--static", "--tree", "~nobody-of-that-name/x"])
        self.assert_one_line(answer, "there is no directory")
        for file in (["bench", "--json", "~/none/x"], ["export", "--mbox", "~/none/x"]):
            with self.subTest(file):
                answer = self.command(self.repo, file, env={"HOME": str(self.temp)})
                self.assert_one_line(answer, f"there is no directory {self.temp}/none")

    def test_stock_alone_fails_the_contract(self) -> None:
        self.assertEqual(self.run_tree("--stage", "stock").returncode, 1)

    def test_a_line_that_must_be_brought_the_older_contract(self) -> None:
        where = self.repo / "mm/patches/linux-6.12"
        write(where / "series", "# stage: stock contract=none\n0001-x.patch\n"
              "# stage: revalidate contract=revalidate\n# stage: locked contract=locked\n")
        write(where / "shows-defect.revalidate", "s.two\n")
        answer = self.run_tree("--contract", "revalidate")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertEqual(list(self.stages()), ["stock", "revalidate"])
        self.assertEqual(self.run_tree("--contract", "revalidate", "--stage", "stock").returncode,
                         1)
        self.assertEqual(self.run_tree().returncode, 0)
        self.assertEqual(list(self.stages()), ["stock", "revalidate", "locked"])

    def test_a_splat_fails_a_run_whose_tests_pass(self) -> None:
        self.mode("splat")
        answer = self.run_tree()
        self.assertEqual(answer.returncode, 1)
        self.assertIn("WARNING: possible recursive locking detected", answer.stdout)

    def test_a_panic_loses_no_test(self) -> None:
        self.mode("panic")
        answer = self.run_tree()
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertEqual(self.stages()["locked"],
                         {"s.one": "PASS", "s.two": "CRASH", "s.three": "CRASH"})
        self.assertIn("Kernel panic - not syncing", answer.stdout)

    def test_a_guest_without_a_word_names_no_place_that_goes_away(self) -> None:
        self.mode("mute")
        answer = self.run_tree("--stage", "locked")
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("the guest died without a word: see kunit.log", answer.stdout)
        self.assertNotIn(".new-", answer.stdout + json.dumps(run_value(self.repo)))
        self.assertIn("run-tree-um/locked/kunit.log", self.result_files())

    def test_a_hang_ends_and_loses_no_test(self) -> None:
        self.mode("hang")
        answer = self.run_tree("--stage", "locked", "--timeout", "1")
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertEqual(self.stages()["locked"],
                         {"s.one": "PASS", "s.two": "CRASH", "s.three": "CRASH"})
        self.assertIn("hung and was ended after 1 s", answer.stdout)


class DataTest(CommandCase):
    """What can be added without an edit of code."""

    def test_a_line_is_a_directory(self) -> None:
        where = self.repo / "mm/patches/linux-7.9"
        write(where / "series", "# stage: stock contract=none\n0001-x.patch\n"
                                "# stage: mended contract=locked\n")
        write(where / "0001-x.patch", PATCH)
        write(where / "shows-defect", "s.two\n")
        write(self.tree / "Makefile", "VERSION = 7\nPATCHLEVEL = 9\nSUBLEVEL = 1\n")
        answer = self.run_tree()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertEqual(list(self.stages()), ["stock", "mended"])
        write(where / "shows-defect", "s.one\n")
        self.assertEqual(self.run_tree().returncode, 1)

    def test_a_verb_is_a_file(self) -> None:
        write(self.repo / "tools/locked_rmap/verbs/greet.py",
              '"""Greets somebody."""\n\n\n'
              'def arguments(parser):\n    parser.add_argument("name")\n\n\n'
              'def main(args, tool):\n    tool.console.line(f"hello {args.name}")\n    return 1\n')
        answer = self.command(self.repo, ["greet", "mm"])
        self.assertEqual((answer.returncode, answer.stdout), (1, "hello mm\n"))
        self.assertIn("greets somebody", self.command(self.repo, ["--help"]).stdout)


class RepeatTest(CommandCase):
    """run --repeat."""

    def test_every_run_is_good(self) -> None:
        answer = self.run_tree("--repeat", "3")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        for line in ("stock: 3 runs, 0 with a failure", "locked: 3 runs, 0 with a failure"):
            self.assertIn(line, answer.stdout.splitlines())
        self.assertEqual(answer.stdout.count("building"), 2, "each stage is built once")
        self.assertNotIn("locked/again", " ".join(self.result_files()))

    def test_one_bad_run_is_counted_and_kept(self) -> None:
        self.mode("flaky")
        answer = self.run_tree("--repeat", "4", "--stage", "locked")
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("locked: 4 runs, 1 with a failure; the first is run 2: s.two",
                      answer.stdout.splitlines())
        self.assertIn("not ok 2 two",
                      (self.repo / "build/results/run-tree-um/locked/kernel.log").read_text())
        self.assertEqual(run_value(self.repo)["runs"]["locked"], {"runs": 4, "bad_runs": 1})
        self.assertEqual(self.stages()["locked"]["s.two"], "FAIL")

    def test_a_defect_that_does_not_show_is_a_failure(self) -> None:
        write(self.repo / "mm/patches/linux-6.12/shows-defect", "s.one\ns.two\n")
        answer = self.run_tree("--repeat", "2")
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("stock: 2 runs, 2 with a failure; the first is run 1: s.one passes",
                      answer.stdout.splitlines())


class CannotTest(CommandCase):
    """Runs that cannot be done: status 2, one line, and the next run works."""

    def works_next(self) -> None:
        """The next run is as good as ever."""
        self.mode("good")
        answer = self.run_tree()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)

    def test_bad_arguments(self) -> None:
        cases: List[Tuple[List[str], str]] = [
            (["run", "--kernel", "six"], "unknown kernel line 'six'"),
            (["run", "--arch", "vax", "--tree", str(self.tree)], "unknown architecture 'vax'"),
            (["run", "--tree", str(self.temp / "none")], "there is no directory"),
            (["run", "--tree", str(self.repo)], "no Makefile"),
            (["run", "--tree", str(self.tree), "--stage", "x"], "unknown stage 'x'"),
            (["run", "--tree", str(self.tree), "--kernel", "6.1"], "is a 6.12.99 kernel"),
            (["run", "--contract", "x"], "--contract"),
            (["run", "--timeout", "0"], "--timeout"),
            (["run", "--repeat", "0"], "--repeat"),
            (["run", "--kconfig_add", "X"], "--kconfig_add"),
            (["fly"], "fly"),
            ([], "VERB"),
            (["test", "nonsense"], "unknown check 'nonsense': see locked-rmap test --list"),
        ]
        for arguments, part in cases:
            with self.subTest(arguments):
                self.assert_one_line(self.command(self.repo, arguments), part)

    def test_coverage_of_another_line(self) -> None:
        write(self.tree / "Makefile", MAKEFILE.replace("PATCHLEVEL = 12", "PATCHLEVEL = 18"))
        self.assert_one_line(self.run_tree("--coverage"),
                             "--coverage is not for 6.18, which has no")
        self.assertEqual(self.result_files(), [])

    def test_help_says_what_the_tool_does(self) -> None:
        answer = self.command(self.repo, ["--help"])
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("KUnit suites", answer.stdout)
        self.assertIn("run the checks on request too",
                      self.command(self.repo, ["test", "--help"]).stdout)

    def test_a_tree_that_is_too_old(self) -> None:
        write(self.tree / "Makefile", "VERSION = 6\nPATCHLEVEL = 0\nSUBLEVEL = 3\nEXTRAVERSION =\n")
        self.assert_one_line(self.run_tree(),
                             f"{self.tree} is Linux 6.0.3: the suites are for kernels from 6.1 on")
        self.assertEqual(self.result_files(), [])

    def test_a_kernel_that_does_not_build(self) -> None:
        self.mode("broken")
        answer = self.run_tree()
        self.assert_one_line(answer, "does not build", "mm/rmap.c:10:2: error: expected ';'",
                             "build/results/run-tree-um/stock/build.log")
        self.assertIn("run-tree-um/stock/build.log", self.result_files())
        self.assertIn("run-tree-um/summary.json", self.result_files())
        self.works_next()

    def test_a_full_disk_while_building(self) -> None:
        self.mode("nospace")
        self.assert_one_line(self.run_tree(), "no space left")
        self.works_next()

    def test_a_patch_that_does_not_apply(self) -> None:
        write(self.tree / "mm/rmap.c", "nothing like it\n")
        self.assert_one_line(self.run_tree(), "0001-x.patch does not apply", "--stage stock")

    def test_no_test_matches(self) -> None:
        self.mode("empty")
        self.assert_one_line(self.run_tree("--stage", "locked", "nosuch"),
                             "no test matches 'nosuch'")
        self.works_next()

    def test_a_cache_that_is_somebody_elses_is_left_alone(self) -> None:
        write(self.temp / "mine/tmp-letters/a", "dear\n")
        before = snapshot(self.temp / "mine")
        answer = self.command(self.repo, ["run", "--tree", str(self.tree)],
                              env={"LOCKED_RMAP_CACHE": str(self.temp / "mine")})
        self.assert_one_line(answer, "not a cache of this tool")
        self.assertEqual(snapshot(self.temp / "mine"), before)

    def test_interrupts_end_every_process(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                self.mode("slow")
                env = {**os.environ, "LOCKED_RMAP_CACHE": str(self.temp / "cache")}
                with subprocess.Popen(
                        [sys.executable, str(self.repo / "tools/locked-rmap"), "run", "--tree",
                         str(self.tree)],
                        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                        text=True) as popen:
                    logs = self.repo / "build/results"
                    end = time.monotonic() + 30
                    while not any("started" in log.read_text(encoding="utf-8")
                                  for log in logs.glob(".new-*/stock/build.log")):
                        self.assertLess(time.monotonic(), end, "the build never started")
                        time.sleep(0.05)
                    family = proc.family(popen.pid)
                    self.assertGreaterEqual(len(family), 3)
                    popen.send_signal(number)
                    _, errors = popen.communicate(timeout=30)
                self.assertEqual(popen.returncode, 2)
                self.assertEqual(len(errors.splitlines()), 1, errors)
                self.assertIn("interrupted", errors)
                alive = [task for task in proc.family(popen.pid, family)]
                self.assertEqual(alive, [])
                self.works_next()
