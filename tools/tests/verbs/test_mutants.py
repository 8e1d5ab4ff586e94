# SPDX-License-Identifier: GPL-2.0-only
"""Seeded defects: the verb from outside."""

import json
import os
import shutil
import subprocess
from typing import Any, Dict, List, Optional, Tuple
from unittest import mock

from locked_rmap.guest import mutation, score
from locked_rmap.kernel import source
from locked_rmap.kernel.line import Line

from ..seeded import text
from ..support import MAKEFILE, PATCH, RMAP, Case, kernel_tree, repository, snapshot, write

#: Stands in for kunit.py: the kernel is mm/rmap.c, and a line of it says how it does.
KUNIT_PY = r'''
import json, os, shutil, subprocess, sys
verb = sys.argv[1]
options = dict(a[2:].split("=", 1) for a in sys.argv[2:] if a.startswith("--") and "=" in a)
build = options["build_dir"]
with open(os.path.join(build, "..", "calls"), "a") as calls:
    calls.write(verb + "\n")
if verb == "build":
    open(os.path.join(build, "vmlinux"), "w").close()
    shutil.copyfile("mm/rmap.c", os.path.join(build, "linux"))
    os.makedirs(os.path.join(build, "mm"), exist_ok=True)
    open(os.path.join(build, "mm/rmap.o"), "w").close()
    with open(os.path.join(build, "Makefile"), "w") as makefile:
        makefile.write("include %s/Makefile\n" % os.getcwd())
    sys.exit(0)
source = open(os.path.join(build, "linux")).read()
assert "line ten" in source, "the series is not applied"
head = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n"
end = "ok 1 s\n"
two = "not ok" if "fail" in source else "ok"
with open(os.path.join(build, "test.log"), "w") as log:
    log.write(head + "    ok 1 one\n")
    print("one", flush=True)
    if "panic" in source:
        log.write("Kernel panic - not syncing: Oops\n")
    elif "hang" in source:
        log.flush()
        guest = subprocess.Popen(["sleep", "321"])
        guest.wait()
    else:
        if "splat" in source:
            log.write("WARNING: possible recursive locking detected\n")
        log.write("    %s 2 two\n%s 1 s\n" % (two, two))
with open(options["json"], "w") as out:
    json.dump({}, out)
'''

#: The kernel's Makefile: it can be asked for an object and for UML's image.
MAKE = MAKEFILE + """
tree := $(dir $(lastword $(MAKEFILE_LIST)))
.PHONY: linux mm/rmap.o
linux:
	@test "$(ARCH)" = um
	@echo make >> ../calls
	@cp mm/rmap.o linux
mm/rmap.o:
	@! grep -q unbuildable $(tree)mm/rmap.c || \
		{ echo "mm/rmap.c:15:1: error: expected ';'"; exit 1; }
	@cp $(tree)mm/rmap.c mm/rmap.o
"""


class VerbTest(Case):
    """The verb on a small kernel."""

    def setUp(self) -> None:
        super().setUp()
        self.repo = repository(self.temp / "repo", {"0001-x.patch": PATCH})
        self.where = self.repo / "tools/mutants/linux-6.12"
        self.tree = kernel_tree(self.temp / "cache/source/linux-6.12.99", KUNIT_PY)
        write(self.tree / "Makefile", MAKE)
        kept = self.temp / "aside"
        shutil.move(str(self.temp / "cache/source"), kept)
        with mock.patch.dict(os.environ, {"LOCKED_RMAP_CACHE": str(self.temp / "cache")}):
            source.open_cache()
        shutil.move(str(kept), self.temp / "cache/source")
        for name in ("apt-get", "apt-cache"):
            write(self.temp / "bin" / name, "#!/bin/sh\nexit 0\n", executable=True)
        self.seed("one-fails", "fail")
        self.seed("two-panics", "panic", Caught_by="crash")

    def seed(self, name: str, new: str, **fields: Optional[str]) -> None:
        """Add a mutant that puts @new into mm/rmap.c."""
        write(self.where / f"{name}.patch", text(f"{new} {name}", **fields))

    def verb(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The verb."""
        return self.command(self.repo, ["mutants", *arguments], path=self.temp / "bin")

    def calls(self) -> List[str]:
        """How kunit.py and make were called since the last time."""
        log = self.temp / "cache/trees/6.12.99-mutants-um/build/calls"
        found = log.read_text(encoding="utf-8").split() if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    def summary(self) -> Dict[str, Any]:
        """summary.json."""
        found: Dict[str, Any] = json.loads(
            (self.repo / "build/results/mutants-6.12/summary.json").read_text(encoding="utf-8"))
        return found

    def pristine(self) -> Dict[str, Tuple[Any, ...]]:
        """The tree in the cache, but for the change times, which hard links alter."""
        return {name: (entry[0], entry[1], entry[3]) for name, entry in snapshot(self.tree).items()
                if isinstance(entry, tuple)}

    def unchanged(self) -> None:
        """The tree of the mutants holds the patched kernel."""
        found = self.temp / "cache/trees/6.12.99-mutants-um/tree/mm/rmap.c"
        self.assertEqual(found.read_text(encoding="utf-8"), RMAP.replace("line 10\n", "line ten\n"))

    def test_all_are_caught(self) -> None:
        self.seed("three-splats", "splat", Arch="um")
        before = self.pristine()
        answer = self.verb()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("3 of 3 defects caught (100 %)", answer.stdout)
        found = {entry["name"]: entry for entry in self.summary()["mutants"]}
        self.assertEqual(found["one-fails"]["failed"], ["s.two"])
        self.assertEqual(found["two-panics"]["died"], "died: Kernel panic - not syncing: Oops")
        self.assertEqual(found["two-panics"]["died_in"], "s.two")
        self.assertEqual(list(found["three-splats"]["splats"]), ["s.two"])
        self.assertEqual([entry["expected_but_silent"] for entry in found.values()], [[], [], []])
        logs = self.repo / "build/results/mutants-6.12/two-panics-um"
        self.assertTrue((logs / "kernel.log").exists())
        self.assertEqual(self.pristine(), before, "the pristine tree was written to")
        trees = (self.temp / "cache/trees").iterdir()
        self.assertEqual([path.name for path in trees if path.is_dir()], ["6.12.99-mutants-um"])
        self.unchanged()

    def test_one_is_not(self) -> None:
        self.seed("three-lives", "harmless")
        answer = self.verb()
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("2 of 3 defects caught (66 %), not caught: three-lives", answer.stdout)
        self.assertIn("tests that notice no defect: s.one", answer.stdout)
        self.assertEqual(self.summary()["tests"], {"s.one": {"noticed": 0, "alone": 0},
                                                   "s.two": {"noticed": 2, "alone": 2}})

    def test_another_test_than_the_header_says(self) -> None:
        self.seed("one-fails", "fail", Caught_by="s.one, s.none")
        answer = self.verb("one-fails")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("Caught-by names s.one, which passes", answer.stdout)
        self.assertIn("Caught-by names s.none, which is no test", answer.stdout)

    def test_the_unchanged_tree_must_be_green(self) -> None:
        write(self.tree / "mm/rmap.c", RMAP.replace("line 1\n", "fail\n"))
        answer = self.verb()
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("not green on the unchanged kernel: um locked: s.two", answer.stdout)
        self.assertEqual(self.calls(), ["build", "exec"])

    def test_one_that_does_not_apply(self) -> None:
        write(self.where / "three.patch", text().replace("-line 15", "-line fifteen"))
        self.assert_one_line(self.verb(), "mutant three does not apply")
        self.assertEqual(self.calls(), [])

    def test_one_that_does_not_build(self) -> None:
        self.seed("a-first", "unbuildable")
        self.assert_one_line(self.verb(), "mutant a-first (um) does not build", "expected ';'")
        self.unchanged()
        self.assertEqual(self.verb("one-fails").returncode, 0)

    def test_a_stage(self) -> None:
        self.seed("one-fails", "fail", Stage="batched")
        self.assert_one_line(self.verb(), "unknown stage 'batched'")
        self.assertEqual(self.calls(), [])
        # At another stage than the last one the kernel is another, and so is the contract.
        write(self.repo / "mm/patches/linux-6.12/series",
              "# stage: stock contract=none\n# stage: revalidate contract=revalidate\n"
              "0001-x.patch\n# stage: locked contract=locked\n")
        write(self.tree / "tools/testing/kunit/kunit.py", KUNIT_PY.replace(
            'assert "line ten" in source, "the series is not applied"',
            'late = "line ten" in source\n'
            'assert f"contract={\'locked\' if late else \'revalidate\'}" in " ".join(sys.argv)'))
        self.seed("one-fails", "fail", Stage="revalidate")
        answer = self.verb()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertEqual({entry["name"]: (entry["stage"], entry["failed"])
                          for entry in self.summary()["mutants"]},
                         {"one-fails": ("revalidate", ["s.two"]), "two-panics": ("locked", [])})
        # One that has no stage is seeded in the one that the project is about.
        answer = self.verb("--stage", "locked", "--fresh")
        self.assertIn("1 of 1 defects caught", answer.stdout)
        self.assertEqual([entry["name"] for entry in self.summary()["mutants"]], ["two-panics"])
        self.assert_one_line(self.verb("--stage", "stock"),
                             "no such mutant is seeded in the stage stock")

    def test_two_that_are_the_same(self) -> None:
        shutil.copyfile(self.where / "one-fails.patch", self.where / "three.patch")
        self.assert_one_line(self.verb(), "one-fails and three are the same defect")

    def test_bad_arguments(self) -> None:
        for arguments, part in ((["nosuch"], "there is no mutant nosuch"),
                                (["--arch", "vax"], "'vax'"), (["--kernel", "six"], "'six'"),
                                (["--kernel", "6.99"], "no mutants for this line")):
            with self.subTest(part):
                self.assert_one_line(self.verb(*arguments), part)

    def test_goes_on_where_it_was(self) -> None:
        self.assertEqual(self.verb("one-fails").returncode, 0)
        self.assertEqual(self.calls(), ["build", "exec", "make", "exec"])
        answer = self.verb()
        self.assertIn("one-fails (um, as before)", answer.stdout)
        self.assertEqual(self.calls().count("make"), 1)
        self.assertEqual(self.verb().returncode, 0)
        self.assertEqual(self.calls(), [])
        self.seed("one-fails", "fail", Hurts="Nobody.")
        self.assertEqual(self.verb().returncode, 0)
        self.assertEqual(self.calls(), [], "the header is no part of the defect")
        write(self.repo / "mm/tests/x_kunit.c", "int y;\n")
        self.assertEqual(self.verb().returncode, 0)
        self.assertEqual(self.calls().count("make"), 2)
        self.assertEqual(self.verb("--fresh").returncode, 0)
        self.assertEqual(self.calls().count("make"), 2)

    def test_json(self) -> None:
        answer = self.verb("--json")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        value = json.loads(answer.stdout)
        self.assertEqual((value["caught"], value["total"], value["status"]), (2, 2, 0))
        self.assertEqual(value, self.summary())

    def test_a_hang_is_ended_and_caught(self) -> None:
        self.seed("hangs", "hang", Caught_by="s.two")
        with mock.patch.dict(os.environ, {"LOCKED_RMAP_CACHE": str(self.temp / "cache"),
                                          "PATH": f"{self.temp / 'bin'}:{os.environ['PATH']}"}), \
                mock.patch.dict(mutation.QUIET, {"um": 1.0}):
            line = Line(self.repo, source.open_cache(), self.console, None, None)
            found = score.measure(line, score.Wanted(names=("hangs",)), self.console)
        mutant, result = found.results[0]
        self.assertRegex(result.died, r"^the guest hung, and was ended after \d+ s without a word$")
        self.assertEqual(result.died_in, "s.two")
        self.assertEqual(found.verdict.status, 0)
        self.assertLess(result.guest_seconds, 20)
        self.assertEqual(result.silent(mutant), [])
        self.unchanged()
