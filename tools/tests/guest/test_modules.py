# SPDX-License-Identifier: GPL-2.0-only
"""Suites as modules: what the guest is told to do, and what is made of what it tells."""

import re
from pathlib import Path
from typing import Dict, List

from locked_rmap.guest import klog, kunit, modules
from locked_rmap.verbs import run
from locked_rmap.base.errors import Stop
from locked_rmap.guest.kunit import FAIL, PASS, SKIP

from ..support import REPO, Case, write

#: Of one suite, as debugfs has it.
RESULTS = """KTAP version 1
1..1
    KTAP version 1
    # Subtest: {suite}
    1..2
    # one: EXPECTATION FAILED at mm/tests/x.c:1
    {one} 1 one
    ok 2 two # SKIP needs more
# {suite}: pass:1 fail:0 skip:1 total:2
{one} 1 {suite}
"""

#: Stands in for kunit.py: reads nothing, writes no JSON.
KUNIT_PY = "#!/usr/bin/env python3\n"


def shown(suite: str, one: str = "ok") -> str:
    """What the first process tells of the results of @suite."""
    told = [f"[    1.000000] modules: results {suite}"]
    for line in RESULTS.format(suite=suite, one=one).splitlines():
        told.append(f"[    1.000000] modules: | {line}|")
    return "".join(f"{line}\n" for line in told)


def console(first: str = "ok", second: str = "ok", end: str = "[    3.0] modules: over\n") -> str:
    """What a guest says in which the suites are inserted twice."""
    return ("[    0.5] modules: begin show\n" + shown("rmap", first) + shown("rmap_callers")
            + "[    2.5] modules: begin show\n" + shown("rmap", second) + shown("rmap_callers") + end)


class PlanTest(Case):
    """What the first process is to do."""

    def test_everything_is_inserted_shown_and_removed_twice(self) -> None:
        lines = modules.plan("revalidate", "")
        self.assertEqual(lines[:len(lines) // 2], lines[len(lines) // 2:])
        self.assertEqual(lines[:7], ["insert kunit enable=1", "insert rmap_kunit_helpers contract=revalidate",
                                     "insert rmap_kunit", "insert rmap_callers_kunit",
                                     "insert userfaultfd_move_kunit", "show", "remove userfaultfd_move_kunit"])
        self.assertEqual(lines[-1], "remove kunit")

    def test_a_glob_is_for_kunit(self) -> None:
        self.assertIn("insert kunit enable=1 filter_glob=rmap.walk*", modules.plan("locked", "rmap.walk*"))

    def test_words_are_those_that_the_first_process_knows(self) -> None:
        text = (REPO / "tools/guest/modules.c").read_text(encoding="utf-8")
        known = set(re.findall(r'!strcmp\(word, "(\w+)"\)', text))
        self.assertEqual({line.split()[0] for line in modules.plan("locked", "")}, known)

    def test_a_module_that_was_not_built_is_named(self) -> None:
        with self.assertRaisesRegex(Stop, "the build has no lib/kunit/kunit.ko"):
            modules.file_system(self.temp, b"", [])

    def test_every_suite_of_the_makefile_is_inserted(self) -> None:
        text = (REPO / "mm/tests/Makefile").read_text(encoding="utf-8")
        asked = (REPO / ".kunitconfig").read_text(encoding="utf-8").splitlines()
        built = [name for option, name in re.findall(r"^obj-\$\((CONFIG_\w+_TEST)\) \+= (\w+)\.o$", text, re.M)
                 if f"{option}=y" in asked]
        self.assertEqual(tuple(built), modules.SUITES)


class ReadTest(Case):
    """read(), join()."""

    def test_results_of_each_round_and_suite(self) -> None:
        told = modules.read(console(second="not ok"))
        self.assertEqual([list(results) for results in told.rounds], [["rmap", "rmap_callers"]] * 2)
        self.assertEqual(told.rounds[0]["rmap"], RESULTS.format(suite="rmap", one="ok"))
        self.assertEqual(told.rounds[1]["rmap"], RESULTS.format(suite="rmap", one="not ok"))
        self.assertTrue(told.over)

    def test_a_long_line_is_put_together_again(self) -> None:
        text = ("modules: begin show\nmodules: results rmap\nmodules: | begin ~\n"
                "modules: | end|\nmodules: | next|\n")
        self.assertEqual(modules.read(text).rounds, [{"rmap": "begin end\nnext\n"}])

    def test_joined_results_are_one_whole_ktap(self) -> None:
        text = modules.join(modules.read(console()).rounds[0])
        self.assertEqual(re.findall(r"^\S.*", text, re.M),
                         ["KTAP version 1", "1..2", "# rmap: pass:1 fail:0 skip:1 total:2", "ok 1 rmap",
                          "# rmap_callers: pass:1 fail:0 skip:1 total:2", "ok 2 rmap_callers"])
        found = klog.ktap(text)
        self.assertTrue(found.whole)
        self.assertEqual(found.planned, 2)
        self.assertEqual(list(found.cases), ["rmap.one", "rmap.two", "rmap_callers.one", "rmap_callers.two"])
        self.assertEqual(found.cases["rmap.two"].reason, "needs more")

    def test_an_end_is_explained(self) -> None:
        def why(text: str, hung: str = "") -> str:
            return modules.why_not_over(modules.read(text), hung, klog.splats(text))

        self.assertEqual(why(console()), "")
        self.assertEqual(why("modules: begin remove kunit\nmodules: cannot remove kunit: Device or resource busy\n"),
                         "the guest cannot remove kunit: Device or resource busy")
        self.assertEqual(why("modules: begin insert rmap_kunit\nKernel panic - not syncing: x\n"),
                         "the guest died in 'insert rmap_kunit' (Kernel panic - not syncing: x)")
        self.assertEqual(why("", "the guest hung"), "the guest hung before it did anything")
        # It ended in good order, but was asked for two rounds.
        self.assertIn("the guest died", why("modules: begin show\nmodules: over\n"))


class OutcomeTest(Case):
    """outcome()."""

    def outcome(self, text: str) -> kunit.Outcome:
        """What a guest with the console @text comes to."""
        write(self.temp / "tools/testing/kunit/kunit.py", KUNIT_PY)
        return modules.outcome(self.temp, text, "", self.temp)

    def test_equal_rounds(self) -> None:
        found = self.outcome(console())
        self.assertEqual(found.tests, {"rmap.one": PASS, "rmap.two": SKIP,
                                       "rmap_callers.one": PASS, "rmap_callers.two": SKIP})
        self.assertEqual((found.skips["rmap.two"], found.died), ("needs more", ""))

    def test_the_worse_round_counts(self) -> None:
        for first, second in (("ok", "not ok"), ("not ok", "ok")):
            found = self.outcome(console(first, second))
            self.assertEqual(found.tests["rmap.one"], FAIL)
            self.assertIn("when inserted again", found.notes["rmap.one"][-1])
            self.assertNotIn("when inserted again", "".join(found.notes["rmap_callers.one"]))

    def test_a_test_that_is_gone_in_the_second_round_fails(self) -> None:
        text = console().replace("modules: begin show\n" + shown("rmap"), "modules: begin show\n")
        text = "modules: begin show\n" + shown("rmap") + text.split("\n", 1)[1]
        found = self.outcome(text)
        self.assertEqual(found.tests["rmap.one"], FAIL)
        self.assertEqual(found.notes["rmap.one"][-1], "no result when inserted again")

    def test_splats_are_found_in_the_console(self) -> None:
        text = "[    1.0] WARNING: CPU: 0 PID: 1 at mm/rmap.c:1 x\n" + console()
        self.assertEqual(len(self.outcome(text).splats), 1)


class ConfigTest(Case):
    """The configuration for modules."""

    def test_it_has_the_last_word(self) -> None:
        config = run.config_for(REPO, "x86_64", False, ["CONFIG_KASAN=y"], as_modules=True)
        options: List[str] = config.options(Path("out"))
        self.assertIn("--kconfig_add=CONFIG_RMAP_KUNIT_TEST=m", options)
        self.assertEqual(options.count("--kconfig_add=CONFIG_KUNIT=m"), 1)
        self.assertTrue(config.label.startswith("x86_64-modules-"))

    def test_every_suite_is_a_module_in_it(self) -> None:
        wanted: Dict[str, str] = {}
        for line in modules.config_lines(REPO / "tools/configs/modules.config"):
            name, wanted[name] = line.split("=")
        suites = re.findall(r"^CONFIG_\w+_KUNIT_TEST(?==y$)", (REPO / ".kunitconfig").read_text(encoding="utf-8"), re.M)
        self.assertEqual({wanted[name] for name in suites}, {"m"})
        self.assertEqual(len(suites), 3)

    def test_other_architectures_are_refused(self) -> None:
        with self.assertRaisesRegex(Stop, "--modules is for x86_64 alone"):
            run.config_for(REPO, "um", False, as_modules=True)


class ExportsTest(Case):
    """rmap_exports.c and the Makefile that reads it."""

    def test_the_makefile_reads_every_export(self) -> None:
        text = (REPO / "mm/tests/rmap_exports.c").read_text(encoding="utf-8")
        lines = re.findall(r"^RMAP_KUNIT_EXPORT\((\w+)\);$", text, re.M)
        self.assertEqual(len(re.findall(r"^\s*RMAP_KUNIT_EXPORT\(", text, re.M)), len(lines))
        self.assertEqual(len(set(lines)), len(lines))

    def test_every_helper_is_exported_once(self) -> None:
        tests = REPO / "mm/tests"
        header = "".join(path.read_text(encoding="utf-8") for path in tests.glob("rmap_kunit_helpers/*.h")
                         if path.name != "internal.h")
        declared = set(re.findall(r"^(?!#)[^\s/*][^;{}=]*?\b(rmap_kunit_\w+)\(", header, re.M))
        text = "".join(path.read_text(encoding="utf-8")
                       for path in (*tests.glob("rmap_kunit_helpers/*.c"), tests / "rmap_kunit_builtin.c"))
        exported = set(re.findall(r"^EXPORT_SYMBOL_IF_KUNIT\((\w+)\);$", text, re.M))
        self.assertEqual(declared - exported, set())
        self.assertEqual(exported - declared, set())
