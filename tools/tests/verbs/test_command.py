# SPDX-License-Identifier: GPL-2.0-only
"""The command from outside: every way that it can end.

The kernel here is a small tree whose kunit.py does what a test wants a guest or
a compiler to do; apt, where it matters, is a program that a test puts first on
PATH.  The command itself is the real one.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Tuple

from locked_rmap.base import proc

from ..support import MAKEFILE, PATCH, Case, kernel_tree, repository, snapshot, write

#: Stands in for kunit.py: MODE says how building and running go.
KUNIT_PY = r'''
import json, os, subprocess, sys, time
mode = open(os.path.join(os.path.dirname(__file__), "mode")).read().strip()
verb, options = sys.argv[1], dict(a[2:].split("=", 1) for a in sys.argv[2:] if a.startswith("--") and "=" in a)
build = options.get("build_dir", ".")
if verb == "build":
    if mode == "broken":
        print("ERROR:root:  CC mm/rmap.o\nmm/rmap.c:10:2: error: expected ';' before '}' token\nmake: *** [x] Error 1")
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
    cases = [{"name": "one", "status": "PASS"}, {"name": "two", "status": "PASS" if patched else "FAIL"},
             {"name": "three", "status": "SKIP"}]
with open(options["json"], "w") as out:
    json.dump({"name": "g", "test_cases": [], "sub_groups": [{"name": "s", "sub_groups": [], "test_cases": cases}]}, out)
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

    def summary(self) -> Dict[str, Dict[str, Dict[str, Dict[str, str]]]]:
        """summary.json of the last run."""
        found: Dict[str, Dict[str, Dict[str, Dict[str, str]]]] = json.loads(
            (self.repo / "build/results/summary.json").read_text(encoding="utf-8"))
        return found

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
        for row in ("s.one pass pass", "s.two FAIL pass", "s.three skip skip", "s.three: not here"):
            self.assertIn(row, rows)
        stages = self.summary()["stages"]
        self.assertEqual(stages["stock"]["tests"], {"s.one": "PASS", "s.two": "FAIL", "s.three": "SKIP"})
        for name in ("um-stock/kernel.log", "um-locked/kernel.log", "um-locked/kunit.json",
                     "um-locked/kunit.log", "um-locked/build.log"):
            self.assertIn(name, self.result_files())
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
        self.assertEqual(list(self.summary()["stages"]), ["locked"])

    def test_a_tree_below_home_that_the_shell_did_not_expand(self) -> None:
        for verb in (["run", "--stage", "locked"], ["check", "--static"], ["export", "--branch", "x"]):
            with self.subTest(verb):
                answer = self.command(self.repo, [*verb, "--tree", "~/none"], env={"HOME": str(self.temp)})
                self.assert_one_line(answer, f"there is no directory {self.temp}/none")
        answer = self.command(self.repo, ["run", "--stage", "locked", "--tree", "~/tree"], env={"HOME": str(self.temp)})
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
        write(where / "series", "0001-x.patch\n# stage: revalidate\n# stage: locked\n")
        write(where / "shows-defect.revalidate", "s.two\n")
        answer = self.run_tree("--contract", "revalidate")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertEqual(list(self.summary()["stages"]), ["stock", "revalidate"])
        self.assertEqual(self.run_tree("--contract", "revalidate", "--stage", "stock").returncode, 1)
        self.assertEqual(self.run_tree().returncode, 0)
        self.assertEqual(list(self.summary()["stages"]), ["stock", "revalidate", "locked"])

    def test_a_splat_fails_a_run_whose_tests_pass(self) -> None:
        self.mode("splat")
        answer = self.run_tree()
        self.assertEqual(answer.returncode, 1)
        self.assertIn("WARNING: possible recursive locking detected", answer.stdout)

    def test_a_panic_loses_no_test(self) -> None:
        self.mode("panic")
        answer = self.run_tree()
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertEqual(self.summary()["stages"]["locked"]["tests"],
                         {"s.one": "PASS", "s.two": "CRASH", "s.three": "CRASH"})
        self.assertIn("Kernel panic - not syncing", answer.stdout)

    def test_a_guest_without_a_word_names_no_place_that_goes_away(self) -> None:
        self.mode("mute")
        answer = self.run_tree("--stage", "locked")
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("the guest died without a word: see kunit.log", answer.stdout)
        self.assertNotIn(".new-", answer.stdout + json.dumps(self.summary()))
        self.assertIn("um-locked/kunit.log", self.result_files())

    def test_a_hang_ends_and_loses_no_test(self) -> None:
        self.mode("hang")
        answer = self.run_tree("--stage", "locked", "--timeout", "1")
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertEqual(self.summary()["stages"]["locked"]["tests"],
                         {"s.one": "PASS", "s.two": "CRASH", "s.three": "CRASH"})
        self.assertIn("hung and was ended after 1 s", answer.stdout)


class RepeatTest(CommandCase):
    """run --repeat."""

    def test_every_run_is_good(self) -> None:
        answer = self.run_tree("--repeat", "3")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        for line in ("stock: 3 runs, 0 with a failure", "locked: 3 runs, 0 with a failure"):
            self.assertIn(line, answer.stdout.splitlines())
        self.assertEqual(answer.stdout.count("building"), 4, "each stage is built once")
        self.assertNotIn("um-locked/again", " ".join(self.result_files()))

    def test_one_bad_run_is_counted_and_kept(self) -> None:
        self.mode("flaky")
        answer = self.run_tree("--repeat", "4", "--stage", "locked")
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("locked: 4 runs, 1 with a failure; the first is run 2: s.two", answer.stdout.splitlines())
        self.assertIn("not ok 2 two", (self.repo / "build/results/um-locked/kernel.log").read_text(encoding="utf-8"))
        stage = json.loads((self.repo / "build/results/summary.json").read_text(encoding="utf-8"))["stages"]["locked"]
        self.assertEqual((stage["runs"], stage["bad_runs"], stage["tests"]["s.two"]), (4, 1, "FAIL"))

    def test_a_defect_that_does_not_show_is_a_failure(self) -> None:
        write(self.repo / "mm/patches/linux-6.12/shows-defect", "s.one\ns.two\n")
        answer = self.run_tree("--repeat", "2")
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("stock: 2 runs, 2 with a failure; the first is run 1: s.one passes", answer.stdout.splitlines())


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
        self.assert_one_line(self.command(self.repo, ["run", "--coverage", "--kernel", "6.1"]),
                             "--coverage is for 6.12 alone, not for 6.1: leave it out")
        self.assertFalse((self.temp / "cache").exists())
        write(self.tree / "Makefile", MAKEFILE.replace("PATCHLEVEL = 12", "PATCHLEVEL = 18"))
        self.assert_one_line(self.run_tree("--coverage"), "not for 6.18")
        self.assertEqual(self.result_files(), [])

    def test_help_says_what_the_tool_does(self) -> None:
        answer = self.command(self.repo, ["--help"])
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("KUnit suites", answer.stdout)
        self.assertNotIn("how every verb ends", answer.stdout)
        self.assertIn("also those on request", self.command(self.repo, ["test", "--help"]).stdout)

    def test_a_tree_that_is_too_old(self) -> None:
        write(self.tree / "Makefile", "VERSION = 6\nPATCHLEVEL = 0\nSUBLEVEL = 3\nEXTRAVERSION =\n")
        self.assert_one_line(self.run_tree(), f"{self.tree} is Linux 6.0.3: the suites are for kernels from 6.1 on")
        self.assertEqual(self.result_files(), [])

    def test_a_kernel_that_does_not_build(self) -> None:
        self.mode("broken")
        answer = self.run_tree()
        self.assert_one_line(answer, "does not build", "mm/rmap.c:10:2: error: expected ';'",
                             "build/results/um-stock/build.log")
        self.assertIn("um-stock/build.log", self.result_files())
        self.assertIn("summary.json", self.result_files())
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
        self.assert_one_line(self.run_tree("--stage", "locked", "nosuch"), "no test matches 'nosuch'")
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
                        [sys.executable, str(self.repo / "tools/locked-rmap"), "run", "--tree", str(self.tree)],
                        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as popen:
                    logs = self.repo / "build/results"
                    end = time.monotonic() + 30
                    while not any("started" in log.read_text(encoding="utf-8")
                                  for log in logs.glob(".new-*/um-stock/build.log")):
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


#: Stands in for apt-get and apt-cache: what it does is in files beside it.
APT = """#!/bin/sh
here=$(dirname "$0")
echo "$(basename "$0") $*" >> "$here/calls"
for last; do :; done
case "$(basename "$0") $*" in
"apt-get indextargets"*) cat "$here/targets" ;;
"apt-cache show"*" -c "*) cat "$here/show.others" ;;
"apt-cache pkgnames"*" -c "*) echo linux-source-7.3 ;;
*update*" -c "*) test -e "$here/online" || { echo "W: Failed to fetch the lists"; exit 0; }
	touch "$(dirname "$last")/lists/x_Packages" ;;
*download*" -c "*) cp "$here/deb.others" ./linux-source-7.3_7.3.4-1_all.deb ;;
"apt-cache show"*) cat "$here/show" ;;
"apt-cache pkgnames"*) echo linux-source-6.1; echo linux-source-6.12 ;;
*update*) test -e "$here/online" || { echo "E: Failed to fetch the lists"; exit 100; } ;;
*download*) test -e "$here/online" || { echo "E: Failed to fetch the package  Could not resolve host"; exit 100; }
	cp "$here/deb" ./linux-source-6.12_6.12.99-1_all.deb ;;
esac
"""


class SourceTest(CommandCase):
    """Getting the kernel's source."""

    def setUp(self) -> None:
        super().setUp()
        self.bin = self.temp / "bin"
        for name in ("apt-get", "apt-cache"):
            write(self.bin / name, APT, executable=True)
        self.good = self.package("6.12", "6.12.99-1", self.tree, "")
        for name in ("show.others", "targets"):
            write(self.bin / name, "")
        self.online(True)

    def package(self, line: str, version: str, tree: Path, suffix: str) -> bytes:
        """A .deb with @tree in it, and what apt says of it, in files with @suffix."""
        base = self.temp / f"package{suffix}"
        (base / "usr/src").mkdir(parents=True)
        write(base / "DEBIAN/control", f"Package: linux-source-{line}\nVersion: {version}\nArchitecture: all\n"
                                       "Maintainer: x <x@example.org>\nDescription: x\n")
        subprocess.run(["tar", "-cJf", str(base / f"usr/src/linux-source-{line}.tar.xz"), "--transform",
                        f"s,^{tree.name},linux-source-{line},", "-C", str(tree.parent), tree.name], check=True)
        subprocess.run(["dpkg-deb", "-b", str(base), str(self.bin / f"deb{suffix}")], check=True,
                       stdout=subprocess.DEVNULL)
        good = (self.bin / f"deb{suffix}").read_bytes()
        write(self.bin / f"show{suffix}",
              f"Package: linux-source-{line}\nVersion: {version}\nFilename: pool/x.deb\n"
              f"Size: {len(good)}\nSHA256: {hashlib.sha256(good).hexdigest()}\n")
        return good

    def other_suites(self) -> None:
        """Another suite has a 7.3 in which nothing needs a patch."""
        tree = kernel_tree(self.temp / "tree73", KUNIT_PY)
        write(tree / "Makefile", MAKEFILE.replace("6", "7").replace("12", "3").replace("99", "4"))
        write(tree / "mm/rmap.c", "line ten\n")
        write(tree / "mm/tests/own_kunit.c", "int own;\n")
        write(tree / "tools/testing/kunit/mode", "good")
        write(self.bin / "targets", "Debian|Debian|http://mirror.example/debian/\n")
        self.package("7.3", "7.3.4-1", tree, ".others")
        write(self.bin / "show", "")

    def online(self, there: bool) -> None:
        """Plug the network in or out."""
        if there:
            (self.bin / "online").touch()
        else:
            (self.bin / "online").unlink()

    def fetch(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`run` on the line that apt has."""
        return self.command(self.repo, ["run", *arguments], path=self.bin)

    def calls(self) -> str:
        """What apt was asked for since the last time."""
        log = self.bin / "calls"
        text = log.read_text(encoding="utf-8")
        log.unlink()
        return text

    def leftovers(self) -> List[str]:
        """What must not be left in the cache."""
        return [path.name for path in (self.temp / "cache").glob("tmp-*")]

    def test_fetched_once_then_the_network_is_left_alone(self) -> None:
        answer = self.fetch()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("download", self.calls())
        self.online(False)
        answer = self.fetch()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertNotIn("apt-get", self.calls())

    def test_no_network(self) -> None:
        self.online(False)
        self.assert_one_line(self.fetch(), "cannot download", "Could not resolve host", "network")
        self.assertEqual(self.leftovers(), [])
        self.online(True)
        self.assertEqual(self.fetch().returncode, 0)

    def test_no_network_and_a_newer_version_goes_on_with_the_cached_one(self) -> None:
        self.fetch()
        self.online(False)
        show = (self.bin / "show").read_text(encoding="utf-8")
        write(self.bin / "show", show.replace("6.12.99-1", "6.12.100-1"))
        answer = self.fetch()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("going on with linux-6.12.99", answer.stdout)

    def test_a_damaged_download_is_tried_twice(self) -> None:
        (self.bin / "deb").write_bytes(self.good[:-1])
        self.assert_one_line(self.fetch(), "damaged twice")
        self.assertEqual(self.calls().count("download"), 2)
        self.assertEqual(self.leftovers(), [])
        (self.bin / "deb").write_bytes(self.good)
        self.assertEqual(self.fetch().returncode, 0)

    def test_a_damaged_copy_in_the_cache_is_fetched_again(self) -> None:
        self.command(self.repo, ["run", "--tree", str(self.tree)])
        write(self.temp / "cache/debs/linux-source-6.12_6.12.99-1_all.deb", "rubbish")
        answer = self.fetch()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("is damaged: fetching it again", answer.stdout)

    def test_a_line_that_debian_does_not_have(self) -> None:
        self.other_suites()
        write(self.bin / "show.others", "")
        self.assert_one_line(self.fetch("--kernel", "6.99"), "unknown kernel line 6.99", "6.1, 6.12, 7.3")

    def test_a_line_of_another_suite_is_fetched_once(self) -> None:
        self.other_suites()
        answer = self.fetch("--kernel", "7.3")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertEqual(self.summary()["stages"]["stock"]["tests"],
                         {"s.one": "PASS", "s.two": "PASS", "s.three": "SKIP"})
        self.assertEqual(list(self.summary()["stages"]), ["stock"])
        updates = [call for call in self.calls().splitlines() if "update" in call]
        self.assertEqual(len(updates), 1)
        self.assertIn("-c " + str(self.temp / "cache/apt/apt.conf"), updates[0])
        tree = self.temp / "cache/trees/7.3.4/tree/mm/tests"
        self.assertTrue((tree / "own_kunit.c").exists() and (tree / "x_kunit.c").exists())
        self.online(False)
        answer = self.fetch("--kernel", "7.3")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertNotIn("apt-get", self.calls())

    def test_stale_lists_of_other_suites_do_for_want_of_network(self) -> None:
        self.other_suites()
        self.fetch("--kernel", "7.3")
        self.online(False)
        os.utime(self.temp / "cache/apt/stamp", (1, 1))
        (self.temp / "cache/apt/lists/x_Packages").unlink()
        answer = self.fetch("--kernel", "7.3")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("other Debian suites cannot be read", answer.stdout)

    def test_other_suites_cannot_be_read(self) -> None:
        self.other_suites()
        self.online(False)
        self.assert_one_line(self.fetch("--kernel", "7.3"), "have no linux-source-7.3", "6.1, 6.12",
                             "Failed to fetch", "network")
        write(self.bin / "targets", "Ubuntu|Ubuntu|http://mirror.example/ubuntu/\n")
        self.assert_one_line(self.fetch("--kernel", "7.3"), "no Debian mirror")

    def test_a_patch_that_does_not_apply_to_the_line(self) -> None:
        write(self.repo / "mm/patches/linux-6.12/0001-x.patch", PATCH.replace("line 9", "line nine"))
        self.assert_one_line(self.fetch(), "0001-x.patch does not apply", "6.12.99", "refresh")

    def test_the_users_makefile_is_read_for_the_version(self) -> None:
        self.assertIn("SUBLEVEL = 99", MAKEFILE)
        self.fetch()
        self.assertTrue((self.temp / "cache/source/linux-6.12.99").is_dir())
        self.assertFalse(list(Path(self.temp / "cache/debs").glob("*.deb")))
