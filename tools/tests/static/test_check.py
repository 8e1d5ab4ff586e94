# SPDX-License-Identifier: GPL-2.0-only
"""What the source says of callers: one small tree for each rule, and kernels that are in the cache."""

import fnmatch
import json
import os
import re
import subprocess
import time
import unittest
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Set

from locked_rmap.guest import klog, kunit
from locked_rmap.kernel import source
from locked_rmap.report import page, report
from locked_rmap.static import callers
from locked_rmap.verbs import check
from locked_rmap.static.callers import FILE, LOCKED, UNKNOWN, UNLOCKED
from locked_rmap.static.cparse import Source

from ..support import MAKEFILE, PATCH, REPO, Case, kernel_tree, repository, snapshot, write

#: A walk with the rules of rmap.c, and what the small trees need of it.
RMAP_C = """
#include <linux/rmap.h>
struct anon_vma *folio_lock_anon_vma_read(struct folio *folio, struct rmap_walk_control *rwc)
{
	unsigned long mapping;
retry:
	mapping = (unsigned long)READ_ONCE(folio->mapping);
	if (down_read_trylock(&root->rwsem)) {
		if (READ_ONCE(folio->mapping) != mapping)
			goto retry;
		return root;
	}
	down_read(&root->rwsem);
	if (READ_ONCE(folio->mapping) != mapping)
		goto retry;
	return root;
}

static void rmap_walk_anon(struct folio *folio, struct rmap_walk_control *rwc, bool locked)
{
	rwc->anon_lock(folio, rwc);
}

void rmap_walk(struct folio *folio, struct rmap_walk_control *rwc)
{
	rmap_walk_anon(folio, rwc, false);
}

void locks_by_itself(struct folio *folio)
{
	folio_lock(folio);
	rmap_walk(folio, &rwc);
	folio_unlock(folio);
}
"""


#: A caller that the suites have tests of, and who locks.
PAGE_IDLE_C = """
void page_idle_clear_pte_refs(unsigned long pfn)
{
	struct folio *folio = page_folio(pfn_to_page(pfn));

	if (!folio_trylock(folio))
		return;
	rmap_walk(folio, &rwc);
	folio_unlock(folio);
}
"""

#: Stands in for the kernel's own kunit.py: MODE beside it says how building and running go.
KUNIT_PY = r'''
import json, os, sys
mode = open(os.path.join(os.path.dirname(__file__), "mode")).read().strip()
verb, options = sys.argv[1], dict(a[2:].split("=", 1) for a in sys.argv[2:] if a.startswith("--") and "=" in a)
build, name = options["build_dir"], "page_idle_write_walks_a_locked_folio"
if verb == "build":
    for product in (".config", "include/config", "include/generated", "mm/rmap.o"):
        if os.path.exists(product):
            sys.exit("***\n*** The source tree is not clean, please run make mrproper: ERROR: %s" % product)
    if mode == "broken":
        print("mm/rmap.c:10:2: error: expected ';' before '}' token")
        sys.exit(1)
    for product in (".config", "vmlinux"):
        open(os.path.join(build, product), "w").close()
    sys.exit(0)
if "--list_tests" in sys.argv:
    print("rmap.one\nrmap_callers." + name)
    sys.exit(0)
good = options["kernel_args"].endswith("=locked")
first = "ok" if good else "not ok"
second = {"skip": "ok 1 %s # SKIP no such thing here", "fail": "not ok 1 %s"}.get(mode, "ok 1 %s")
with open(os.path.join(build, "test.log"), "w") as log:
    log.write("KTAP version 1\n1..2\n    KTAP version 1\n    # Subtest: rmap\n    1..1\n")
    log.write("    %s 1 one\n%s 1 rmap\n" % (first, first))
    log.write("    KTAP version 1\n    # Subtest: rmap_callers\n    1..1\n")
    if mode == "dies":
        log.write("Kernel panic - not syncing: no more\n")
    else:
        log.write("    %s\n%s 2 rmap_callers\n" % (second % name, "not ok" if mode == "fail" else "ok"))
with open(options["json"], "w") as out:
    json.dump({"name": "g", "test_cases": [], "sub_groups": []}, out)
'''


class TreeCase(Case):
    """A small tree with one file more."""

    def look(self, text: str, name: str = "drivers/misc/walker.c",
             more: Optional[Dict[str, str]] = None) -> List[callers.Site]:
        """The sites in a tree whose file @name holds @text."""
        tree = kernel_tree(self.temp / "tree")
        write(tree / "mm/rmap.c", RMAP_C)
        write(tree / name, text)
        for path, content in (more or {}).items():
            write(tree / path, content)
        world = callers.World(tree, self.console)
        world.look()
        return [site for site in world.sites() if site.function != "locks_by_itself"]

    def one(self, text: str, name: str = "drivers/misc/walker.c", more: Optional[Dict[str, str]] = None) -> callers.Site:
        """The only site of such a tree."""
        sites = self.look(text, name, more)
        self.assertEqual(len(sites), 1, sites)
        return sites[0]

    def body(self, text: str, more: Optional[Dict[str, str]] = None) -> callers.Site:
        """The site in a function whose body is @text, with a folio that was looked up."""
        return self.one("static void scan(unsigned long pfn)\n{\n\tstruct folio *folio = page_folio(pfn_to_page(pfn));\n"
                        f"\tint ret;\n\n{text}\n}}\n", more=more)


class OneFunctionTest(TreeCase):
    """Rules that one function is enough for."""

    def test_a_driver_that_takes_no_lock_is_found(self) -> None:
        site = self.body("rmap_walk(folio, &rwc);")
        self.assertEqual((site.status, site.file, site.line), (UNLOCKED, "drivers/misc/walker.c", 6))
        self.assertIn("pfn_to_page", site.ways[0].evidence[0].text)

    def test_a_file_with_any_name_is_found(self) -> None:
        site = self.one("void f(unsigned long pfn) { rmap_walk(page_folio(pfn_to_page(pfn)), 0); }\n",
                        "fs/x/kunit-page_test.c")
        self.assertEqual((site.status, site.test), (UNLOCKED, False))

    def test_a_lock_before_the_walk_is_seen(self) -> None:
        site = self.body("folio_lock(folio);\nrmap_walk(folio, &rwc);\nfolio_unlock(folio);")
        self.assertEqual((site.status, site.ways[0].evidence[0].text), (LOCKED, "folio_lock(folio);"))

    def test_a_trylock_whose_failure_leaves_is_seen(self) -> None:
        self.assertEqual(self.body("if (!folio_trylock(folio))\n\treturn;\nrmap_walk(folio, &rwc);").status, LOCKED)

    def test_a_trylock_that_nobody_looks_at_is_no_lock(self) -> None:
        site = self.body("folio_trylock(folio);\nrmap_walk(folio, &rwc);\nfolio_unlock(folio);")
        self.assertEqual(site.status, UNLOCKED)

    def test_a_trylock_the_wrong_way_round_is_no_lock(self) -> None:
        self.assertEqual(self.body("if (folio_trylock(folio))\n\treturn;\nrmap_walk(folio, &rwc);").status, UNLOCKED)

    def test_unlocked_before_the_walk_is_unlocked(self) -> None:
        site = self.body("folio_lock(folio);\nfolio_unlock(folio);\nrmap_walk(folio, &rwc);")
        self.assertEqual((site.status, site.ways[0].evidence[0].text), (UNLOCKED, "folio_unlock(folio);"))

    def test_another_folios_lock_does_not_count(self) -> None:
        site = self.body("struct folio *other = page_folio(pfn_to_page(pfn + 1));\nfolio_lock(other);\n"
                         "rmap_walk(folio, &rwc);\nfolio_unlock(other);")
        self.assertEqual(site.status, UNLOCKED)

    def test_locked_unless_anonymous_is_unlocked(self) -> None:
        site = self.body("bool need_lock = !folio_test_anon(folio) || folio_test_ksm(folio);\n"
                         "if (need_lock && !folio_trylock(folio))\n\treturn;\nrmap_walk(folio, &rwc);\n"
                         "if (need_lock)\n\tfolio_unlock(folio);")
        self.assertEqual(site.status, UNLOCKED)
        self.assertEqual({way.status for way in site.ways}, {LOCKED, UNLOCKED})
        self.assertIn("skipped for an anonymous folio", str(site.ways[0].evidence))

    def test_only_files_is_never_anonymous(self) -> None:
        site = self.body("if (folio_test_anon(folio))\n\treturn;\nrmap_walk(folio, &rwc);")
        self.assertEqual((site.status, site.ways[0].evidence[0].line), (FILE, 6))

    def test_a_dax_folio_is_never_anonymous(self) -> None:
        site = self.body("dax_entry_t cookie = dax_lock_folio(folio);\nif (!cookie)\n\treturn;\nrmap_walk(folio, &rwc);")
        self.assertEqual(site.status, FILE)

    def test_a_dax_lock_that_failed_says_nothing(self) -> None:
        self.assertEqual(self.body("dax_lock_folio(folio);\nrmap_walk(folio, &rwc);").status, UNLOCKED)

    def test_a_killable_lock_counts_if_its_result_does(self) -> None:
        self.assertEqual(self.body("ret = folio_lock_killable(folio);\nif (ret < 0)\n\treturn;\n"
                                   "rmap_walk(folio, &rwc);").status, LOCKED)
        self.assertEqual(self.body("folio_lock_killable(folio);\nrmap_walk(folio, &rwc);").status, UNLOCKED)

    def test_a_flag_remembers_the_lock(self) -> None:
        text = ("bool locked = false;\nif (pfn & 1)\n\tlocked = folio_trylock(folio);\n%s\n\tgoto out;\n"
                "rmap_walk(folio, &rwc);\nout:\nif (locked)\n\tfolio_unlock(folio);")
        self.assertEqual(self.body(text % "if (!locked)").status, LOCKED)
        self.assertEqual(self.body(text % "if (locked)").status, UNLOCKED)

    def test_a_retry_that_comes_back_locked_is_followed(self) -> None:
        site = self.one("""
            void f(unsigned long pfn)
            {
                struct folio *folio = NULL;
            retry:
                if (!folio) {
                    folio = page_folio(pfn_to_page(pfn));
                    if (!folio_trylock(folio)) {
                        folio_lock(folio);
                        goto retry;
                    }
                }
                rmap_walk(folio, 0);
                folio_unlock(folio);
            }""")
        self.assertEqual(site.status, LOCKED)

    def test_the_next_turn_of_a_loop_starts_unlocked(self) -> None:
        text = ("\tunsigned long i;\n\tfor (i = 0; i < 9; i++) {\n\t\tfolio = page_folio(pfn_to_page(i));\n"
                "\t\t%s\n\t\trmap_walk(folio, &rwc);\n\t\t%s\n\t}")
        self.assertEqual(self.body(text % ("folio_lock(folio);", "folio_unlock(folio);")).status, LOCKED)
        self.assertEqual(self.body(text % ("", "folio_lock(folio);")).status, UNLOCKED)

    def test_who_unlocks_had_it_locked(self) -> None:
        site = self.one("void f(struct list_head *list)\n{\n\tstruct folio *folio;\n\n"
                        "\tlist_for_each_entry(folio, list, lru) {\n\t\trmap_walk(folio, 0);\n"
                        "\t\tfolio_unlock(folio);\n\t}\n}\n")
        self.assertEqual((site.status, site.ways[0].evidence[0].line), (LOCKED, 7))

    def test_a_list_of_somebody_elses_cannot_be_told(self) -> None:
        site = self.one("void f(struct list_head *list)\n{\n\tstruct folio *folio;\n\n"
                        "\tlist_for_each_entry(folio, list, lru)\n\t\trmap_walk(folio, 0);\n}\n")
        self.assertEqual(site.status, UNKNOWN)

    def test_comments_strings_and_if_0_are_no_calls(self) -> None:
        self.assertEqual(self.look('/* rmap_walk(folio, 0); */\nchar *s = "rmap_walk(folio, 0)";\n'
                                   "#if 0\nvoid f(void) { rmap_walk(folio, 0); }\n#endif\n"), [])

    def test_both_sides_of_an_ifdef_are_looked_at(self) -> None:
        text = "#ifdef CONFIG_X\nfolio_lock(folio);\n#else\n%s;\n#endif\nrmap_walk(folio, &rwc);"
        self.assertEqual(self.body(text % "folio_lock(folio)").status, LOCKED)
        self.assertEqual(self.body(text % "ret = 0").status, UNLOCKED)

    def test_a_macro_that_walks_is_followed(self) -> None:
        site = self.one("#define walk_it(f) rmap_walk(f, &rwc)\n"
                        "void f(unsigned long pfn)\n{\n\twalk_it(page_folio(pfn_to_page(pfn)));\n}\n")
        self.assertEqual((site.status, [hop.function for hop in site.ways[0].hops]), (UNLOCKED, ["f", "walk_it"]))

    def test_page_and_folio_are_the_same(self) -> None:
        site = self.one("void f(unsigned long pfn)\n{\n\tstruct page *page = pfn_to_page(pfn);\n\n\tlock_page(page);\n"
                        "\trmap_walk(page_folio(page), 0);\n}\n")
        self.assertEqual(site.status, LOCKED)

    def test_a_file_walk_without_a_folio_is_told_apart(self) -> None:
        site = self.one("static void __rmap_walk_file(struct folio *folio, struct address_space *mapping) { }\n"
                        "int wrprotect(struct address_space *mapping)\n{\n\t__rmap_walk_file(NULL, mapping);\n}\n")
        self.assertEqual((site.status, "without a folio" in str(site.ways[0].evidence)), (FILE, True))


class CallersTest(TreeCase):
    """Rules that go through callers."""

    LOOKUP = "\tstruct folio *folio = page_folio(pfn_to_page(pfn));\n"
    REFERENCED = ("int referenced(struct folio *folio, int is_locked)\n{\n\tint we_locked = 0;\n\n"
                  "\tif (!is_locked%s) {\n\t\twe_locked = folio_trylock(folio);\n\t\tif (!we_locked)\n"
                  "\t\t\treturn 1;\n\t}\n\trmap_walk(folio, 0);\n\tif (we_locked)\n\t\tfolio_unlock(folio);\n"
                  "\treturn 0;\n}\n")

    def test_a_static_function_is_as_locked_as_its_callers(self) -> None:
        helper = "static void help(struct folio *folio)\n{\n\trmap_walk(folio, 0);\n}\n"
        good = f"void good(unsigned long pfn)\n{{\n{self.LOOKUP}\tfolio_lock(folio);\n\thelp(folio);\n}}\n"
        bad = f"void bad(unsigned long pfn)\n{{\n{self.LOOKUP}\thelp(folio);\n}}\n"
        self.assertEqual(self.one(helper + good).status, LOCKED)
        site = self.one(helper + good + bad)
        self.assertEqual(site.status, UNLOCKED)
        self.assertEqual([way.hops[0].function for way in site.key_ways()], ["bad"])

    def test_a_caller_in_another_file_is_found(self) -> None:
        site = self.one("void help(struct folio *folio)\n{\n\trmap_walk(folio, 0);\n}\n", more={
            "sound/other.c": f"void bad(unsigned long pfn)\n{{\n{self.LOOKUP}\thelp(folio);\n}}\n"})
        self.assertEqual((site.status, site.ways[0].hops[0].file), (UNLOCKED, "sound/other.c"))

    def test_a_static_namesake_is_somebody_else(self) -> None:
        good = f"void good(unsigned long pfn)\n{{\n{self.LOOKUP}\tfolio_lock(folio);\n\thelp(folio);\n}}\n"
        site = self.one("void help(struct folio *folio)\n{\n\trmap_walk(folio, 0);\n}\n" + good, more={
            "sound/other.c": "static void help(struct folio *folio) { }\n"
                             f"void bad(unsigned long pfn)\n{{\n{self.LOOKUP}\thelp(folio);\n}}\n"})
        self.assertEqual(site.status, LOCKED)

    def test_a_flag_says_whether_the_caller_locked(self) -> None:
        user = ("void user(unsigned long pfn)\n{\n" + self.LOOKUP + "\treferenced(folio, 0);\n\tfolio_lock(folio);\n"
                "\treferenced(folio, 1);\n}\n")
        self.assertEqual(self.one(self.REFERENCED % "" + user).status, LOCKED)
        site = self.one(self.REFERENCED % " && (!folio_test_anon(folio) || folio_test_ksm(folio))" + user)
        self.assertEqual(site.status, UNLOCKED)
        self.assertEqual({way.hops[0].line for way in site.key_ways()}, {18})

    def test_a_flag_that_lies_is_found(self) -> None:
        site = self.one(self.REFERENCED % "" + "void user(unsigned long pfn)\n{\n" + self.LOOKUP
                        + "\treferenced(folio, 1);\n}\n")
        self.assertEqual(site.status, UNLOCKED)

    def test_a_callee_that_locks_and_one_that_unlocks_are_seen(self) -> None:
        helpers = ("static bool get_locked_folio(struct folio *folio)\n{\n\treturn folio_trylock(folio);\n}\n"
                   "static void put_unlock_folio(struct folio *folio)\n{\n\tfolio_unlock(folio);\n}\n")
        text = "void f(unsigned long pfn)\n{\n" + self.LOOKUP + "\tif (!get_locked_folio(folio))\n\t\treturn;\n%s"
        self.assertEqual(self.one(helpers + text % "\trmap_walk(folio, 0);\n\tput_unlock_folio(folio);\n}\n").status,
                         LOCKED)
        self.assertEqual(self.one(helpers + text % "\tput_unlock_folio(folio);\n\trmap_walk(folio, 0);\n}\n").status,
                         UNLOCKED)

    def test_an_assertion_speaks_where_callers_do_not(self) -> None:
        helper = "void help(struct folio *folio)\n{\n%s\trmap_walk(folio, 0);\n}\n"
        self.assertEqual(self.one(helper % "").status, UNKNOWN)
        for line in ("VM_BUG_ON_FOLIO(!folio_test_locked(folio), folio);", "ASSERT(folio_test_locked(folio));",
                     "if (WARN_ON_ONCE(!folio_test_locked(folio)))\n\treturn;"):
            site = self.one(helper % f"\t{line}\n")
            self.assertEqual((site.status, "asserted" in str(site.ways[0].evidence)), (LOCKED, True), line)

    def test_an_assertion_does_not_excuse_a_caller(self) -> None:
        site = self.one("static void help(struct folio *folio)\n{\n\tVM_WARN_ON_FOLIO(!folio_test_locked(folio), folio);\n"
                        "\trmap_walk(folio, 0);\n}\nvoid bad(unsigned long pfn)\n{\n" + self.LOOKUP
                        + "\tfolio_lock(folio);\n\tfolio_unlock(folio);\n\thelp(folio);\n}\n")
        self.assertEqual(site.status, UNLOCKED)

    def test_recursion_ends(self) -> None:
        site = self.one("static void help(struct folio *folio, int n)\n{\n\tif (n)\n\t\thelp(folio, n - 1);\n"
                        "\trmap_walk(folio, 0);\n}\nvoid f(unsigned long pfn)\n{\n" + self.LOOKUP
                        + "\tfolio_lock(folio);\n\thelp(folio, 3);\n}\n")
        self.assertEqual(site.status, LOCKED)

    def test_a_pointer_cannot_be_told(self) -> None:
        site = self.one("static void help(struct folio *folio)\n{\n\trmap_walk(folio, 0);\n}\n"
                        "struct ops ops = { .walk = help };\n")
        self.assertEqual((site.status, "pointer" in str(site.ways[0].evidence)), (UNKNOWN, True))

    def test_a_pointer_to_the_walk_itself_cannot_be_told(self) -> None:
        site = self.one("void f(struct folio *folio)\n{\n\tvoid (*walk)(struct folio *, void *) = rmap_walk;\n\n"
                        "\twalk(folio, 0);\n}\n")
        self.assertEqual((site.status, site.line), (UNKNOWN, 3))

    def test_kunit_tests_are_not_judged(self) -> None:
        site = self.one("void f(unsigned long pfn) { rmap_walk(page_folio(pfn_to_page(pfn)), 0); }\n"
                        "kunit_test_suite(suite);\n", "mm/tests/x_kunit.c")
        self.assertTrue(site.test)


class ParseTest(unittest.TestCase):
    """Reading C."""

    def test_functions_of_all_kinds_are_found(self) -> None:
        text = ("int a(void)\n{\n}\nstatic __always_inline struct x *\nb(int n) __acquires(l)\n{\n}\n"
                "SYSCALL_DEFINE1(c, int, n)\n{\n}\nstruct d { int (*e)(void); };\nint f[] = { g(1) };\n"
                "#define h(x) do { i(x); } while (0)\nint old(void);\n")
        self.assertEqual([function.name for function in Source("x.c", text).functions], ["a", "b", "sys_c", "h"])

    def test_lines_stay_in_place(self) -> None:
        text = "/*\n * x\n */\n#define M(a) \\\n\ta\n#ifdef X\nint f(void)\n#else\nint f(int n)\n#endif\n{\n\tg();\n}\n"
        function = Source("x.c", text).functions[0]
        self.assertEqual((function.name, [node.line for node in function.graph if node.expr]), ("f", [12]))

    def test_broken_code_ends_in_no_exception(self) -> None:
        for text in ("int f(void) { if (", "int f(void) { a = ; b(c,); } }", "f( { )", "int f(void) { switch (x) {",
                     "int f(void) { for (;;) } ", "#if\n#endif\n#else\n", "{}{}(", "int f(void) { goto ; case 1: }"):
            for function in Source("x.c", text).functions:
                self.assertGreater(len(function.graph), 1, text)


class VerdictTest(Case):
    """From what was found to a contract."""

    @staticmethod
    def site(status: str) -> callers.Site:
        """A site."""
        place = callers.Place("mm/x.c", 1, "x();", "says so")
        way = callers.Way((callers.Hop("mm/x.c", 2, "walker", "rmap_walk"),), status, (place,))
        return callers.Site("mm/x.c", 2, "walker", "rmap_walk", status, (way,), False)

    def static(self, status: str, lock: Optional[bool], again: int) -> check.Static:
        """What the source says: one site, a mover with or without a lock (None: no mover), revalidation."""
        place = callers.Place("mm/y.c", 1, "y();", "moves")
        movers = [] if lock is None else [check.Mover(place, "move", place if lock else None)]
        return check.Static([self.site(status)], movers, [place] * again, 1.0)

    @staticmethod
    def outcome(failed: Set[str]) -> kunit.Outcome:
        """What a guest's run came to."""
        tests = {name: kunit.FAIL for name in failed}
        tests["rmap.good"] = kunit.PASS
        return kunit.Outcome(tests, {}, {}, [], 1.0, "")

    def test_contracts(self) -> None:
        for status, lock, again, contract in (
                (LOCKED, False, 0, "locked"), (FILE, False, 0, "locked"), (LOCKED, None, 0, "locked"),
                (LOCKED, True, 2, "locked"), (UNLOCKED, True, 2, "revalidate"), (UNLOCKED, False, 2, "neither"),
                (UNLOCKED, True, 0, "neither"), (UNLOCKED, True, 1, "neither"), (UNLOCKED, None, 0, "neither"),
                (UNKNOWN, False, 0, "neither"), (UNKNOWN, True, 2, "revalidate")):
            verdict = check.judge(self.static(status, lock, again), {}, set())
            self.assertEqual(verdict.contract, contract, (status, lock, again, verdict))
            self.assertEqual(bool(verdict.reasons), contract == "neither")

    def test_neither_says_where_to_look(self) -> None:
        verdict = check.judge(self.static(UNLOCKED, False, 0), {}, set())
        self.assertIn("mm/x.c:2: walker() calls rmap_walk(): unlocked", verdict.look[0])

    def test_a_failing_test_overrules_the_source(self) -> None:
        runs = {"um": {report.LOCKED: {"um": self.outcome({"rmap.bad"})},
                       report.REVALIDATE: {"um": self.outcome({"rmap.bad"})}}}
        static = self.static(LOCKED, False, 2)
        verdict = check.judge(static, runs, set())
        self.assertEqual(verdict.contract, "neither")
        self.assertIn("rmap.bad", " ".join(verdict.reasons))
        self.assertIn("by its source it is 'locked', but 1 test fails on um (rmap.bad)", verdict.sentence)
        verdict = check.judge(static, runs, {"rmap.bad"})
        self.assertEqual(verdict.contract, "locked")
        self.assertIn("rmap.bad fails under 'locked' on um", verdict.aside[0])

    def test_what_only_the_other_contract_breaks_is_not_where_to_look(self) -> None:
        runs = {"um": {report.LOCKED: {"um": self.outcome({"rmap.bad"})},
                       report.REVALIDATE: {"um": self.outcome({"rmap.worse"})}}}
        look = " ".join(check.judge(self.static(LOCKED, False, 0), runs, set()).look)
        self.assertIn("rmap.bad fails under 'locked'", look)
        self.assertNotIn("rmap.worse", look)

    def test_a_run_without_a_passing_test_is_no_evidence(self) -> None:
        none: Dict[str, str] = {}
        for tests in (none, {"rmap.good": kunit.SKIP}):
            outcome = self.outcome(set())._replace(tests=tests)
            runs = {"um": {contract: {"um": outcome} for contract in check.CONTRACTS}}
            verdict = check.judge(self.static(LOCKED, False, 2), runs, set())
            self.assertEqual(verdict.contract, "neither")
            self.assertIn("no test ran on um", verdict.sentence)

    def test_a_caller_whose_tests_all_skip_is_not_seen(self) -> None:
        static = self.static(LOCKED, False, 2)
        place = static.sites[0]._replace(function="page_idle_clear_pte_refs")
        static = static._replace(sites=[place], movers=[])
        name = "rmap_callers.page_idle_write_walks_a_locked_folio"
        um = self.outcome(set())
        um.tests[name] = kunit.SKIP
        um.skips[name] = "needs CONFIG_IDLE_PAGE_TRACKING"
        runs = {"um": {report.LOCKED: {"um": um}}}
        verdict = check.judge(static, runs, set())
        self.assertEqual((verdict.contract, verdict.not_seen),
                         ("locked", {"page_idle": "needs CONFIG_IDLE_PAGE_TRACKING"}))
        value = check.summary(Path("/x"), "6.12.1", static, runs, check.rows(REPO, "6.12.1", static, runs), verdict)
        self.assertIn("not seen, 1 skip", page.render(value))
        self.assertIn("needs CONFIG_IDLE_PAGE_TRACKING", page.render(value))
        check.print_matrix(self.console, check.rows(REPO, "6.12.1", static, runs), verdict.contract)
        self.assertIn("not seen, 1 skip", self.said.getvalue())
        # One that ran on another architecture has been seen.
        x86 = self.outcome(set())
        x86.tests[name] = kunit.PASS
        runs["x86_64"] = {report.LOCKED: {"x86_64": x86}}
        self.assertEqual(check.judge(static, runs, set()).not_seen, {})

    def test_a_caller_that_the_tree_does_not_have_is_not_missed(self) -> None:
        runs = {"um": {report.LOCKED: {"um": self.outcome(set())}}}
        self.assertEqual(check.judge(self.static(FILE, None, 0), runs, set()).not_seen, {})
        self.assertEqual(list(check.judge(self.static(FILE, False, 0), runs, set()).not_seen), ["UFFDIO_MOVE"])

    def test_only_defects_of_the_mover_are_about_neither_contract(self) -> None:
        without, having = (check.known_defects(REPO, self.static(LOCKED, lock, 0)) for lock in (None, False))
        self.assertIn("userfaultfd_move.unsplittable_thp_is_refused", having)
        self.assertEqual(without - having, {check.OFFERED})
        self.assertEqual([name for name in without if not name.startswith("userfaultfd_move.")], [])

    def test_a_splat_and_a_dead_guest_say_where(self) -> None:
        splat = klog.Splat("WARNING: CPU: 0 at mm/rmap.c:9", 77, [], False)
        outcome = self.outcome(set())._replace(splats=[splat], died="the guest died")
        verdict = check.judge(self.static(LOCKED, False, 0), {"um": {report.LOCKED: {"um": outcome}}}, set())
        self.assertEqual(verdict.contract, "neither")
        self.assertIn("did not get to the end: the guest died", verdict.sentence)
        self.assertIn("kernel.log:77 under 'locked' on um: WARNING: CPU: 0 at mm/rmap.c:9", verdict.look)

    def test_every_test_of_the_callers_suite_has_a_row(self) -> None:
        names = re.findall(r"KUNIT_CASE\w*\((\w+)",
                           (REPO / "mm/tests/rmap_callers_kunit.c").read_text(encoding="utf-8"))
        globs = [glob for caller in check.CALLERS for glob in caller.tests]
        lost = [name for name in names if not any(fnmatch.fnmatch(f"rmap_callers.{name}", glob) for glob in globs)]
        self.assertEqual([name for name in lost if not name.startswith("write_to_")], [])

    def test_the_page_stands_alone_and_escapes(self) -> None:
        static = self.static(UNLOCKED, False, 0)
        site = static.sites[0]._replace(function="<script>alert(1)</script>")
        static = static._replace(sites=[site])
        verdict = check.judge(static, {}, set())
        value = check.summary(Path("/x/<tree>"), "6.12.1", static, {}, check.rows(REPO, "6.12.1", static, {}), verdict)
        text = page.render(value)
        self.assertNotIn("<script", text)
        self.assertIsNone(re.search(r"(?:src|href)=|url\(|@import|https?:", text))
        for needed in ("<caption>", 'scope="col"', 'scope="row"', "prefers-color-scheme:dark", 'lang="en"'):
            self.assertIn(needed, text)
        self.assertEqual(json.loads(json.dumps(value))["contract"], "neither")


class CommandTest(TreeCase):
    """The verb, as users call it."""

    def tree(self) -> Path:
        """A tree that honours `locked`."""
        tree = kernel_tree(self.temp / "user")
        write(tree / "mm/rmap.c", RMAP_C)
        return tree

    def test_a_good_tree_is_0_and_stays_as_it_was(self) -> None:
        tree = self.tree()
        before = snapshot(tree)
        answer = self.command(REPO, ["check", "--static", "--tree", str(tree), "--html", str(self.temp / "x.html")])
        self.assertEqual(answer.returncode, 0, answer.stderr + answer.stdout)
        self.assertIn("honours the contract 'locked'", answer.stdout)
        self.assertEqual(snapshot(tree), before)
        self.assertTrue((self.temp / "x.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>"))

    def test_a_bad_tree_is_1_and_json_goes_to_stdout_alone(self) -> None:
        tree = self.tree()
        write(tree / "drivers/x.c", "void f(unsigned long pfn) { rmap_walk(page_folio(pfn_to_page(pfn)), 0); }\n")
        write(tree / "mm/rmap.c", RMAP_C.replace("goto retry", "return NULL").replace("READ_ONCE(folio->mapping) !=", "1 !="))
        answer = self.command(REPO, ["check", "--static", "--tree", str(tree), "--json", "-"])
        self.assertEqual(answer.returncode, 1, answer.stderr)
        value = json.loads(answer.stdout)
        self.assertEqual((value["contract"], [site["function"] for site in value["sites"] if site["status"] == UNLOCKED]),
                         ("neither", ["f"]))
        self.assertIn("f()", value["look_at"][0])

    def test_what_cannot_be_checked_is_one_line(self) -> None:
        tree = self.tree()
        for path, text, parts in (
                ("mm/swap.c", "struct folio *f;\n<<<<<<< HEAD\n=======\n>>>>>>> x\n", ("mm/swap.c:2", "conflict")),
                ("Makefile", "VERSION = 5\nPATCHLEVEL = 15\nSUBLEVEL = 1\nEXTRAVERSION =\n", ("5.15.1", "the suites are for kernels from 6.1 on")),
                ("Makefile", "all:\n", ("not a kernel tree",))):
            with self.subTest(parts):
                write(tree / path, text)
                self.assert_one_line(self.command(REPO, ["check", "--static", "--tree", str(tree)]), *parts)
        self.assert_one_line(self.command(REPO, ["check", "--static", "--tree", str(self.temp / "none")]), "no directory")
        self.assert_one_line(self.command(REPO, ["check", "--static"]), "--tree")

    def test_an_unreadable_file_is_one_line(self) -> None:
        tree = self.tree()
        # Root without what lets it read everything.
        plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
        if plain and subprocess.run([*plain, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest("root, and setpriv cannot take its privileges away")
        for name in ("mm/rmap.c", "Makefile", "mm"):
            with self.subTest(name):
                mode = (tree / name).stat().st_mode
                (tree / name).chmod(0)
                try:
                    answer = self.command(REPO, ["check", "--static", "--tree", str(tree)], before=plain)
                finally:
                    (tree / name).chmod(mode)
                self.assert_one_line(answer, str(tree), "readable")

    def git(self, tree: Path, *arguments: str) -> None:
        """git in @tree, whatever comes of it."""
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments], cwd=tree, check=False,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_EDITOR": "true"})

    def test_a_rebase_that_stopped_is_one_line_and_stays_as_it_was(self) -> None:
        for name, ours, theirs in (("mm/swap.c", "struct folio *ours;\n", "struct folio *theirs;\n"),
                                   ("mm/Kconfig", "# ours\n", "# theirs\n"),
                                   ("Makefile", MAKEFILE.replace("99", "98"), MAKEFILE.replace("99", "97"))):
            with self.subTest(name):
                tree = self.temp / name.replace("/", "-")
                kernel_tree(tree)
                write(tree / "mm/rmap.c", RMAP_C)
                self.git(tree, "init", "-q", "-b", "one")
                write(tree / "mm/swap.c", "struct folio *f;\n")
                self.git(tree, "add", "-A")
                self.git(tree, "commit", "-qm", "base")
                for branch, start, text in (("two", "HEAD", theirs), ("one", "two~1", ours)):
                    self.git(tree, "checkout", "-q", "-B", branch, start)
                    write(tree / name, text)
                    self.git(tree, "commit", "-qam", branch)
                self.git(tree, "rebase", "-q", "two")
                self.assertTrue((tree / ".git/rebase-merge").is_dir())
                self.assertIn("<<<<<<< ", (tree / name).read_text(encoding="utf-8"))
                before = snapshot(tree)
                for words in ("--static", ""):
                    answer = self.command(REPO, ["check", "--tree", str(tree), *words.split()])
                    self.assert_one_line(answer, f"{tree / name}:", "a conflict marker", "rebase")
                self.assertEqual(snapshot(tree), before)
                # Resolved and not yet continued, it is a tree like any other.
                write(tree / name, ours)
                self.git(tree, "add", "-A")
                answer = self.command(REPO, ["check", "--static", "--tree", str(tree)])
                self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)


class RunTimeTest(TreeCase):
    """The suites on a user's tree, whose kunit.py is the fake; the command is the real one."""

    def setUp(self) -> None:
        super().setUp()
        self.repo = repository(self.temp / "repo", {"0001-x.patch": PATCH})
        self.tree = kernel_tree(self.temp / "user", KUNIT_PY)
        write(self.tree / "mm/rmap.c", RMAP_C)
        write(self.tree / "mm/page_idle.c", PAGE_IDLE_C)
        # Left by a build in the tree.
        for name in (".config", "vmlinux", "include/config/auto.conf", "include/generated/autoconf.h", "mm/rmap.o"):
            write(self.tree / name, "")
        self.mode("good")

    def mode(self, mode: str) -> None:
        """Choose what the kernel does."""
        write(self.tree / "tools/testing/kunit/mode", mode)
        self.before = snapshot(self.tree)

    def check(self, *arguments: str, before: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
        """`check` on the tree, which must stay as it is."""
        answer = self.command(self.repo, ["check", "--tree", str(self.tree), *arguments], before=before)
        self.assertEqual(snapshot(self.tree), self.before, "the user's tree was written to")
        return answer

    def test_source_and_run_time_together(self) -> None:
        summary = write(self.repo / "build/results/summary.json", "of a run\n")
        answer = self.check("--json", str(self.temp / "x.json"))
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("honours the contract 'locked'", answer.stdout)
        value = json.loads((self.temp / "x.json").read_text(encoding="utf-8"))
        self.assertEqual(list(value["runs"]["um"]), ["locked", "revalidate"])
        row = next(row for row in value["matrix"] if row["caller"] == "page_idle")
        self.assertEqual((row["source"], row["tests"]["um"]["locked"]["passed"]), (LOCKED, 1))
        self.assertEqual(value["not_seen"], {})
        self.assertEqual(summary.read_text(encoding="utf-8"), "of a run\n")
        for contract in check.CONTRACTS:
            self.assertTrue((self.repo / f"build/results/check-um/{contract}/kernel.log").is_file())

    def test_what_was_not_seen_is_said(self) -> None:
        self.mode("skip")
        answer = self.check()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("not seen at run time", answer.stdout)
        self.assertIn("  page_idle: no such thing here", answer.stdout.splitlines())
        self.assertIn("not seen, 1 skip", answer.stdout)

    def test_a_test_that_fails_overrules_the_source(self) -> None:
        self.mode("fail")
        answer = self.check()
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("by its source it is 'locked', but 1 test fails on um", answer.stdout)
        self.assertIn("rmap_callers.page_idle_write_walks_a_locked_folio fails under 'locked' on um "
                      "(page_idle, who walks at mm/page_idle.c:8)", answer.stdout)

    def test_a_guest_that_dies_is_a_result(self) -> None:
        self.mode("dies")
        answer = self.check()
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("the guest (um) did not get to the end", answer.stdout)
        self.assertIn("Kernel panic - not syncing: no more", answer.stdout)

    def test_a_tree_that_does_not_build_is_one_line(self) -> None:
        self.mode("broken")
        self.assert_one_line(self.check(), "does not build", "mm/rmap.c:10:2: error: expected ';'",
                             "build/results/check-um/build.log")
        self.assertTrue((self.repo / "build/results/check-um/build.log").is_file())

    def test_a_full_disk_is_one_line(self) -> None:
        disk = self.temp / "disk"
        disk.mkdir()
        mount = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=32k none "$0" && exec "$@"', str(disk)]
        if subprocess.run([*mount, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest("no disk can be mounted here")
        before = [*mount, "env", f"LOCKED_RMAP_CACHE={disk}/cache"]
        write(self.tree / "mm/big.c", "/* */\n" * 9000)
        self.before = snapshot(self.tree)
        self.assert_one_line(self.check(before=before), "no space left", str(disk))
        html = ["--static", "--html", f"{disk}/x.html"]
        self.assert_one_line(self.check(*html, before=[*mount, "sh", "-c", 'head -c 32k /dev/zero > "$0"/x; exec "$@"',
                                                       str(disk)]), "no space left", str(disk))

    def test_what_cannot_run_is_known_before_anything_is_built(self) -> None:
        self.assert_one_line(self.check("--arch", "vax"), "vax", "um")
        self.assert_one_line(self.check("--arch", "um", "--static"), "--static")
        for option in ("--html", "--json"):
            for path, part in ((self.temp / "none/x", "there is no directory"), (self.temp, "is a directory")):
                with self.subTest(option, path=path):
                    answer = self.check(option, str(path))
                    self.assert_one_line(answer, part, option)
                    self.assertEqual(answer.stdout, "")
        write(self.tree / "mm/Kconfig", "config X\n\tbool\n")
        self.before = snapshot(self.tree)
        self.assert_one_line(self.check(), "mm/Kconfig")


class KernelsTest(Case):
    """Kernels whose answers are known, if they are in the cache."""

    def known(self, line: str, unlocked: Set[str], apart: Set[str]) -> None:
        """Compare: functions with an unlocked walk, and those that are told apart."""
        found = sorted((source.cache_dir() / "source").glob(f"linux-{line}.*"))
        if not found:
            self.skipTest(f"no Linux {line} in the cache")
        start = time.process_time()
        static = check.read_source(found[-1], self.console)
        # The machine may have other work: what counts is our own.
        self.assertLess(time.process_time() - start, 60)
        self.assertEqual({site.function for site in static.of(UNLOCKED)}, unlocked)
        self.assertEqual({site.function for site in static.of(UNKNOWN)}, set())
        ways = [way for site in static.sites for way in site.ways if way.status == FILE]
        self.assertLessEqual(apart, {hop.function for way in ways for hop in way.hops})

    # 6.12 and 6.1 at each stage: the check `check` of `locked-rmap test`.
    def test_7(self) -> None:
        self.known("7", set(), {"mf_generic_kill_procs", "mapping_wrprotect_range"})


class CoccinelleTest(Case):
    """The semantic patch finds what it can see in one function."""

    def test_walks_of_an_unlocked_folio(self) -> None:
        spatch = subprocess.run(["sh", "-c", "command -v spatch"], stdout=subprocess.DEVNULL, check=False)
        if spatch.returncode != 0:
            self.skipTest("coccinelle (spatch) is not installed")
        head = "void f(unsigned long pfn)\n{\n\tstruct folio *folio = pfn_folio(pfn);\n\tbool need_lock;\n\n"
        for body, found in (
                ("\trmap_walk(folio, &rwc);\n", 1),
                ("\tfolio_lock(folio);\n\trmap_walk(folio, &rwc);\n\tfolio_unlock(folio);\n", 0),
                ("\tif (!folio_trylock(folio))\n\t\treturn;\n\trmap_walk(folio, &rwc);\n", 0),
                ("\tneed_lock = !folio_test_anon(folio) || folio_test_ksm(folio);\n"
                 "\tif (need_lock && !folio_trylock(folio))\n\t\treturn;\n\trmap_walk(folio, &rwc);\n", 1)):
            with self.subTest(body):
                path = write(self.temp / "x.c", f"{head}{body}}}\n")
                self.assertEqual(self.warnings(path), found)

    def warnings(self, path: Path) -> int:
        """How many warnings there are about @path."""
        answer = subprocess.run(
            ["spatch", "-D", "report", "--very-quiet", "--no-includes", "--cocci-file",
             str(REPO / "tools/coccinelle/rmap_walk_folio_lock.cocci"), str(path)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        return len(re.findall(r"^.*: WARNING: ", answer.stdout, re.M))
