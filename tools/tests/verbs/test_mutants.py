# SPDX-License-Identifier: GPL-2.0-only
"""Seeded defects: their files, what counts as caught, and the verb from outside."""

import functools
import json
import os
import shutil
import subprocess
import threading
import time
import unittest
from typing import Any, Dict, List, Optional, Tuple
from unittest import mock

from locked_rmap.base import files
from locked_rmap.guest import klog, kunit
from locked_rmap.kernel import source, worktree
from locked_rmap.verbs import mutants, run
from locked_rmap.base.console import Console
from locked_rmap.base.errors import Stop

from ..support import MAKEFILE, PATCH, REPO, RMAP, Case, kernel_tree, repository, snapshot, write

HEADER = {
    "Breaks": "the lock is held\n for the whole of the walk.",
    "Hurts": "Pages are lost.",
    "Caught-by": "s.two",
    "Arch": "um x86_64",
}


def diff(new: str, number: int = 15, path: str = "mm/rmap.c") -> str:
    """A diff that makes line @number of mm/rmap.c read @new."""
    around = "".join(f"%sline {near}\n" % ("-" if near == number else " ")
                     + (f"+{new}\n" if near == number else "") for near in range(number - 2, number + 3))
    return f"--- a/{path}\n+++ b/{path}\n@@ -{number - 2},5 +{number - 2},5 @@\n{around}"


def text(new: str = "defect", **fields: Optional[str]) -> str:
    """A mutant's file; @fields replace those of HEADER, None leaves one out."""
    header: Dict[str, Optional[str]] = {**HEADER, **{key.replace("_", "-"): value for key, value in fields.items()}}
    return "".join(f"{key}: {value}\n" for key, value in header.items() if value is not None) \
        + "\n" + diff(new)


class ParseTest(unittest.TestCase):
    """Headers."""

    def test_a_good_one(self) -> None:
        found = mutants.parse("lock-not-held", text(Caught_by="s.two, s.one"))
        self.assertEqual(found.breaks, "the lock is held for the whole of the walk.")
        self.assertEqual(found.caught_by, ("s.two", "s.one"))
        self.assertEqual(found.arches, ("um", "x86_64"))
        self.assertEqual(found.paths, ["mm/rmap.c"])
        self.assertEqual(found.stage, "")
        self.assertEqual(mutants.parse("x", text(Stage="revalidate")).stage, "revalidate")
        self.assertTrue(found.diff.startswith("--- a/mm/rmap.c\n"))
        self.assertEqual(mutants.parse("x", text(Caught_by="crash")).caught_by, ("crash",))

    def test_bad_ones(self) -> None:
        cases = [
            (text(Breaks=None), "has no 'Breaks'"),
            (text(Hurts=""), "has no 'Hurts'"),
            (text(Caught_by=None), "has no 'Caught-by'"),
            (text(Arch=None), "has no 'Arch'"),
            (text(Arch="um arm64"), "'arm64' is none of um"),
            (text(Arch="um um"), "stands twice"),
            (text(Caught_by="two"), "neither suite.test nor 'crash'"),
            (text(Caught_by="s.two s.one"), "neither suite.test"),
            (text(Caught_by="s.two,"), "neither suite.test"),
            (text(Caught_by="s.two, s.two"), "stands twice"),
            (text(Caught_by="crash, s.two"), "must stand alone"),
            (text(By="me"), "unknown field 'By'"),
            ("Arch: um\n" + text(), "stands twice"),
            ("why not\n" + text(), "line 1: neither 'Field: text'"),
            (" goes on\n" + text(), "line 1"),
            (text().replace("\n\n---", "\n---"), "neither 'Field: text'"),
            (text().replace("\n\n---", "\n\nmore words\n---"), "'--- a/'"),
            (text().split("\n\n", maxsplit=1)[0] + "\n", "'--- a/'"),
            (text().split("@@", maxsplit=1)[0], "changes no file"),
            (text().replace("mm/rmap.c", "mm/tests/x_kunit.c"), "not in the suites"),
            (text().replace("mm/rmap.c", "../x.c"), "outside of a kernel tree"),
            ("", "the header has no"),
        ]
        for data, part in cases:
            with self.subTest(part):
                with self.assertRaises(Stop) as caught:
                    mutants.parse("x", data)
                self.assertIn(part, str(caught.exception))
        for name in ("Lock-x", "lock_x", "lock--x", "-lock", "lock x"):
            with self.subTest(name), self.assertRaises(Stop):
                mutants.parse(name, text())

    def test_our_own(self) -> None:
        for directory in sorted((REPO / "tools/mutants").iterdir()):
            found = mutants.read_all(directory)
            self.assertGreater(len(found), 0)
            listed = (directory / "equivalent").read_text(encoding="utf-8")
            for mutant in found:
                self.assertNotIn(f"\n{mutant.name}\n", listed)


class ApplyTest(Case):
    """Applying to the patched tree."""

    def setUp(self) -> None:
        super().setUp()
        self.pristine = kernel_tree(self.temp / "tree")

    def result(self, data: str, contents: Optional[Dict[str, bytes]] = None) -> bytes:
        """mm/rmap.c with the mutant @data."""
        return mutants.apply(mutants.parse("x", data), contents or {}, self.pristine)["mm/rmap.c"]

    def test_on_top_of_the_series(self) -> None:
        before = snapshot(self.pristine)
        patched = RMAP.replace("line 10\n", "line ten\n").encode()
        found = self.result(text(), {"mm/rmap.c": patched})
        self.assertIn(b"line ten\n", found)
        self.assertIn(b"\ndefect\n", found)
        self.assertIn(b"\ndefect\n", self.result(text(), {"mm/rmap.c": b"new\nnew\n" + patched}))
        self.assertEqual(snapshot(self.pristine), before)

    def test_refused(self) -> None:
        cases = {
            "fuzz": RMAP.replace("line 13\n", "line thirteen\n"),
            "other text": RMAP.replace("line 15\n", "line fifteen\n"),
            "there already": RMAP.replace("line 15\n", "defect\n"),
        }
        for name, data in cases.items():
            with self.subTest(name), self.assertRaises(Stop) as caught:
                self.result(text(), {"mm/rmap.c": data.encode()})
            self.assertIn("mutant x does not apply", str(caught.exception))
        with self.assertRaises(Stop) as caught:
            self.result(text().replace("mm/rmap.c", "mm/none.c"))
        self.assertIn("has no mm/none.c", str(caught.exception))


HEAD = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..3\n"
OOPS = "WARNING: CPU: 0 PID: 30 at mm/rmap.c:517 x+0x1/0x2\n---[ end trace 0 ]---\n"


def judged(log: str, hung: str = "") -> mutants.Result:
    """What a guest with the kernel log @log comes to; the tests are s.one to s.three."""
    tests = kunit.read_results(None, klog.ktap(log))
    fields = mutants.judge(log, tests, hung, ["s.one", "s.two", "s.three"])
    return mutants.Result(name="x", arch="um", stage="locked", digest="", build_seconds=1.0, guest_seconds=0.5, **fields)


class JudgeTest(unittest.TestCase):
    """What counts as caught, and by which test."""

    def test_nothing_noticed(self) -> None:
        found = judged(HEAD + "    ok 1 one\n    ok 2 two\n    ok 3 three # SKIP no\nok 1 s\n")
        self.assertEqual(found.caught_by, [])
        self.assertEqual((found.ran, found.skipped), (["s.one", "s.two"], ["s.three"]))
        self.assertEqual(found.silent(mutants.parse("x", text())), ["s.two"])

    def test_a_failed_test(self) -> None:
        found = judged(HEAD + "    ok 1 one\n    not ok 2 two\n    ok 3 three\nnot ok 1 s\n")
        self.assertEqual(found.caught_by, ["s.two"])
        self.assertEqual(found.silent(mutants.parse("x", text(Caught_by="s.two, s.one"))), ["s.one"])

    def test_a_splat_belongs_to_the_test_it_is_in(self) -> None:
        found = judged("boot\n" + HEAD + "    ok 1 one\n" + OOPS + "    ok 2 two\n    ok 3 three\nok 1 s\n")
        self.assertEqual(list(found.splats), ["s.two"])
        self.assertEqual(len(found.caught_by), 1)
        self.assertTrue(found.caught_by[0].startswith("s.two (WARNING: "))
        self.assertEqual(found.silent(mutants.parse("x", text())), [])

    def test_a_splat_outside_of_all_tests(self) -> None:
        passed = "    ok 1 one\n    ok 2 two\n    ok 3 three\nok 1 s\n"
        for log in (OOPS + HEAD + passed, HEAD + passed + OOPS):
            found = judged(log)
            self.assertEqual(list(found.splats), [""])
            self.assertTrue(found.caught_by[0].startswith("the kernel log (WARNING"))

    def test_an_announced_splat_is_none(self) -> None:
        found = judged(HEAD + "    ok 1 one\n    # two: expect splat begin: mm/rmap.c\n" + OOPS
                       + "    # two: expect splat end: mm/rmap.c\n    ok 2 two\n    ok 3 three\nok 1 s\n")
        self.assertEqual(found.caught_by, [])

    def test_a_panic(self) -> None:
        found = judged(HEAD + "    ok 1 one\nKernel panic - not syncing: Oops\n")
        self.assertEqual(found.died, "died: Kernel panic - not syncing: Oops")
        self.assertEqual(found.died_in, "s.two")
        self.assertEqual(len(found.caught_by), 1, found.caught_by)
        self.assertEqual(found.silent(mutants.parse("x", text())), [])
        self.assertEqual(found.silent(mutants.parse("x", text(Caught_by="crash"))), [])
        self.assertEqual(found.silent(mutants.parse("x", text(Caught_by="s.three"))), ["s.three"])

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
        self.assertEqual(found.silent(mutants.parse("x", text(Caught_by="crash"))), ["crash"])


class ChooseTest(unittest.TestCase):
    """Which defects run where."""

    def setUp(self) -> None:
        self.all = [mutants.parse("both", text()), mutants.parse("um-only", text(Arch="um")),
                    mutants.parse("x86-first", text(Arch="x86_64 um"))]

    def chosen(self, names: List[str], arch: Optional[str]) -> List[str]:
        """What choose() says, as name/arch."""
        return [f"{mutant.name}/{where}" for mutant, where in mutants.choose(self.all, names, arch)]

    def test_first_architecture_by_default(self) -> None:
        self.assertEqual(self.chosen([], None), ["both/um", "um-only/um", "x86-first/x86_64"])

    def test_an_architecture_takes_all_that_can_show_there(self) -> None:
        self.assertEqual(self.chosen([], "x86_64"), ["both/x86_64", "x86-first/x86_64"])
        self.assertEqual(self.chosen(["x86-first"], "um"), ["x86-first/um"])

    def test_neighbours_share_a_file(self) -> None:
        self.all = [mutants.parse(name, text().replace("mm/rmap.c", path)) for name, path in
                    (("a", "mm/z.c"), ("b", "mm/a.c"), ("c", "mm/z.c"))]
        self.assertEqual(self.chosen([], None), ["b/um", "a/um", "c/um"])

    def test_refused(self) -> None:
        cases: List[Tuple[List[str], Optional[str], str]] = [
            (["none"], None, "there is no mutant none"), (["um"], None, "there is um-only"),
            ([], "vax", "unknown architecture"), (["um-only"], "x86_64", "cannot show on x86_64")]
        for names, arch, part in cases:
            with self.subTest(part), self.assertRaises(Stop) as caught:
                self.chosen(names, arch)
            self.assertIn(part, str(caught.exception))


class CompileScriptTest(Case):
    """The way around kbuild's search."""

    def setUp(self) -> None:
        super().setUp()
        for name, command in (("mm/.rmap.o.cmd", "gcc '-DX=\\#$$1' -o mm/rmap.o"),
                              ("mm/damon/.paddr.o.cmd", "gcc -o mm/damon/paddr.o"),
                              ("mm/damon/.part.o.cmd", "gcc -o mm/damon/part.o"),
                              ("mm/damon/.built-in.a.cmd", 'printf "mm/damon/%s " core.o paddr.o'),
                              ("mm/.built-in.a.cmd", 'printf "mm/%s " rmap.o damon/built-in.a'),
                              (".built-in.a.cmd", "ar built-in.a")):
            target = name.replace("/.", "/").lstrip(".")[:-len(".cmd")]
            write(self.temp / name, f"savedcmd_{target} := {command}\n\nsource_x := y\n")

    def test_what_depends_on_what(self) -> None:
        script = mutants.compile_script(self.temp, ["mm/rmap.c", "mm/damon/paddr.c"]).split("\n")
        self.assertEqual([line for line in script if not line.startswith("rm")], [
            "gcc '-DX=#$1' -o mm/rmap.o", "gcc -o mm/damon/paddr.o",
            'printf "mm/damon/%s " core.o paddr.o', 'printf "mm/%s " rmap.o damon/built-in.a', "ar built-in.a"])

    def test_what_takes_kbuild(self) -> None:
        for changed in (["include/linux/rmap.h"], ["mm/none.c"], ["mm/rmap.c", "mm/internal.h"],
                        ["mm/damon/part.c"], ["mm/Makefile"]):
            with self.subTest(changed):
                self.assertEqual(mutants.compile_script(self.temp, changed), "")
        (self.temp / ".built-in.a.cmd").unlink()
        self.assertEqual(mutants.compile_script(self.temp, ["mm/rmap.c"]), "")


class AdoptTest(Case):
    """Starting from the usual work tree's build."""

    def setUp(self) -> None:
        super().setUp()
        pristine = kernel_tree(self.temp / "pristine")
        self.usual = worktree.WorkTree(self.temp / "trees/6.12.99", pristine)
        self.own = worktree.WorkTree(self.temp / "trees/6.12.99-mutants-um", pristine)
        there = self.usual.build_dir("um", "locked")
        self.note = write(there / "mm/.rmap.o.cmd", f"savedcmd_mm/rmap.o := gcc -I{self.usual.tree}/include\n")
        os.utime(self.note, ns=(10**18, 10**18))
        write(there / "mm/rmap.o", str(self.usual.tree))
        (there / "source").symlink_to(self.usual.tree)
        write(worktree.ledger_path(there), "{}")
        write(worktree.mark_path(there, "done"), "x")
        self.there = there
        self.build = self.own.build_dir("um", "locked")

    def test_notes_speak_of_the_new_place(self) -> None:
        before = snapshot(self.there)
        mutants.adopt(self.usual, self.own, self.build, self.console)
        self.assertEqual(snapshot(self.there), before)
        note = self.build / "mm/.rmap.o.cmd"
        self.assertEqual(note.read_text(encoding="utf-8"),
                         f"savedcmd_mm/rmap.o := gcc -I{self.own.tree}/include\n")
        self.assertEqual(note.stat().st_mtime_ns, 10**18)
        self.assertEqual((self.build / "mm/rmap.o").read_text(encoding="utf-8"), str(self.usual.tree))
        self.assertEqual(os.readlink(self.build / "source"), str(self.own.tree))
        self.assertTrue(worktree.ledger_path(self.build).exists())
        write(self.note, "changed")
        mutants.adopt(self.usual, self.own, self.build, self.console)
        self.assertIn("savedcmd", note.read_text(encoding="utf-8"), "a build that is there was replaced")

    def test_an_unfinished_build_is_left_alone(self) -> None:
        write(worktree.mark_path(self.there, "building"), "")
        mutants.adopt(self.usual, self.own, self.build, self.console)
        self.assertFalse(self.build.exists())

    def test_a_tree_in_use_is_left_alone(self) -> None:
        with files.locked(self.usual.base.with_name("6.12.99.lock"), "x", self.console, 0):
            mutants.adopt(self.usual, self.own, self.build, self.console)
        self.assertFalse(self.build.exists())


class StateTest(Case):
    """What an interrupted run leaves behind."""

    def test_kept_until_something_changes(self) -> None:
        path = self.temp / "state.json"
        result = judged(HEAD + "    not ok 1 one\n    ok 2 two\n    ok 3 three\nnot ok 1 s\n")._replace(digest="d")
        mutants.State(path).put(result)
        again = mutants.State(path)
        self.assertEqual(again.get("x", "um", "locked", "d"), result)
        self.assertIsNone(again.get("x", "um", "locked", "other"))
        self.assertIsNone(again.get("x", "x86_64", "locked", "d"))
        self.assertFalse(again.whole)
        again.forget("x", "um")
        again.save()
        self.assertIsNone(mutants.State(path).get("x", "um", "locked", "d"))

    def test_a_state_of_another_making_is_no_state(self) -> None:
        path = self.temp / "state.json"
        for data in ("", "rubbish", "[]", '{"results": {"x um": {"name": "x"}}}', '{"results": {"x um": 3}}'):
            write(path, data)
            self.assertIsNone(mutants.State(path).get("x", "um", "locked", "d"))


class SideBySideTest(Case):
    """Several architectures at once."""

    def test_all_are_done_and_told(self) -> None:
        both = threading.Barrier(2, timeout=20)

        def job(name: str, side: Console) -> None:
            side.begin(name)
            both.wait()
            side.end("well")

        mutants.side_by_side([functools.partial(job, name) for name in ("one", "two")], self.console)
        self.assertEqual(sorted(line.split(",")[0] for line in self.said.getvalue().splitlines()),
                         ["one ...", "one: well", "two ...", "two: well"])

    def test_the_first_error_ends_the_others(self) -> None:
        ended: List[bool] = []

        def fails(side: Console) -> None:
            raise Stop("no")

        def waits(side: Console) -> None:
            try:
                for _ in range(2000):
                    side.tick()
                    time.sleep(0.01)
            except mutants.Ended:
                ended.append(True)
                raise

        with self.assertRaises(Stop) as caught:
            mutants.side_by_side([waits, fails], self.console)
        self.assertEqual((str(caught.exception), ended), ("no", [True]))


#: Stands in for kunit.py: the kernel is mm/rmap.c, and a line of it says how it does.
KUNIT_PY = r'''
import json, os, shutil, subprocess, sys
verb, options = sys.argv[1], dict(a[2:].split("=", 1) for a in sys.argv[2:] if a.startswith("--") and "=" in a)
build = options["build_dir"]
with open(os.path.join(build, "..", "calls"), "a") as calls:
    calls.write(verb + "\n")
if verb == "build":
    open(os.path.join(build, "vmlinux"), "w").close()
    shutil.copyfile("mm/rmap.c", os.path.join(build, "linux"))
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

#: The kernel's Makefile: it can be asked for UML's image.
MAKE = MAKEFILE + """
linux:
	@test "$(ARCH)" = um
	@echo make >> $(O)/../calls
	@! grep -q unbuildable mm/rmap.c || { echo "mm/rmap.c:15:1: error: expected ';'"; exit 1; }
	@cp mm/rmap.c $(O)/linux
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
            (self.repo / "build/results/mutants/summary.json").read_text(encoding="utf-8"))
        return found

    def pristine(self) -> Dict[str, Tuple[Any, ...]]:
        """The tree in the cache, but for the change times, which hard links alter."""
        return {name: (entry[0], entry[1], entry[3]) for name, entry in snapshot(self.tree).items()
                if isinstance(entry, tuple)}

    def unchanged(self) -> None:
        """The tree of the mutants holds the patched kernel."""
        self.assertEqual((self.temp / "cache/trees/6.12.99-mutants-um/tree/mm/rmap.c").read_text(encoding="utf-8"),
                         RMAP.replace("line 10\n", "line ten\n"))

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
        self.assertTrue((self.repo / "build/results/mutants/two-panics-um/kernel.log").exists())
        self.assertEqual(self.pristine(), before, "the pristine tree was written to")
        self.assertEqual([path.name for path in (self.temp / "cache/trees").iterdir() if path.is_dir()],
                         ["6.12.99-mutants-um"])
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
              "# stage: revalidate\n0001-x.patch\n# stage: locked\n")
        write(self.tree / "tools/testing/kunit/kunit.py", KUNIT_PY.replace(
            'assert "line ten" in source, "the series is not applied"',
            'late = "line ten" in source\n'
            'assert f"contract={\'locked\' if late else \'revalidate\'}" in " ".join(sys.argv)'))
        self.seed("one-fails", "fail", Stage="revalidate")
        answer = self.verb()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertEqual({entry["name"]: (entry["stage"], entry["failed"]) for entry in self.summary()["mutants"]},
                         {"one-fails": ("revalidate", ["s.two"]), "two-panics": ("locked", [])})
        # One that has no stage is seeded in the one that the project is about.
        answer = self.verb("--stage", "locked", "--fresh")
        self.assertIn("1 of 1 defects caught", answer.stdout)
        self.assertEqual([entry["name"] for entry in self.summary()["mutants"]], ["two-panics"])
        self.assert_one_line(self.verb("--stage", "stock"), "no such mutant is seeded in the stage stock")

    def test_two_that_are_the_same(self) -> None:
        write(self.where / "three.patch", (self.where / "one-fails.patch").read_text(encoding="utf-8"))
        self.assert_one_line(self.verb(), "one-fails and three are the same defect")

    def test_bad_arguments(self) -> None:
        for arguments, part in ((["nosuch"], "there is no mutant nosuch"), (["--arch", "vax"], "'vax'"),
                                (["--kernel", "six"], "'six'"), (["--kernel", "6.99"], "no mutants for this line")):
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
                mock.patch.dict(mutants.QUIET, {"um": 1.0}):
            site = run.Site(self.repo, source.open_cache(), self.console, None, None)
            score = mutants.measure(site, mutants.Request(names=("hangs",)), self.console)
        result = score.results[0][1]
        self.assertEqual(result.died, "hung: no result for 1 s")
        self.assertEqual(result.died_in, "s.two")
        self.assertEqual(score.status, 0)
        self.assertLess(result.guest_seconds, 20)
        self.assertEqual(result.silent(score.results[0][0]), [])
        self.unchanged()
