# SPDX-License-Identifier: GPL-2.0-only
"""What the source says of callers: rules that go through callers."""

from locked_rmap.static.callers import HELD, NOT_HELD, UNKNOWN

from .trees import TreeCase


class CallersTest(TreeCase):
    """Rules that go through callers."""

    LOOKUP = "\tstruct folio *folio = page_folio(pfn_to_page(pfn));\n"
    REFERENCED = (
        "int referenced(struct folio *folio, int is_locked)\n{\n\tint we_locked = 0;\n\n"
        "\tif (!is_locked%s) {\n\t\twe_locked = folio_trylock(folio);\n\t\tif (!we_locked)\n"
        "\t\t\treturn 1;\n\t}\n\trmap_walk(folio, 0);\n\tif (we_locked)\n\t\tfolio_unlock(folio);\n"
        "\treturn 0;\n}\n")

    def test_a_static_function_is_as_locked_as_its_callers(self) -> None:
        helper = "static void help(struct folio *folio)\n{\n\trmap_walk(folio, 0);\n}\n"
        good = (f"void good(unsigned long pfn)\n{{\n{self.LOOKUP}"
                "\tfolio_lock(folio);\n\thelp(folio);\n}\n")
        bad = f"void bad(unsigned long pfn)\n{{\n{self.LOOKUP}\thelp(folio);\n}}\n"
        self.assertEqual(self.one(helper + good).status, HELD)
        site = self.one(helper + good + bad)
        self.assertEqual(site.status, NOT_HELD)
        self.assertEqual([way.hops[0].function for way in site.key_ways()], ["bad"])

    def test_a_caller_in_another_file_is_found(self) -> None:
        site = self.one("void help(struct folio *folio)\n{\n\trmap_walk(folio, 0);\n}\n", more={
            "sound/other.c": f"void bad(unsigned long pfn)\n{{\n{self.LOOKUP}\thelp(folio);\n}}\n"})
        self.assertEqual((site.status, site.ways[0].hops[0].file), (NOT_HELD, "sound/other.c"))

    def test_a_static_namesake_is_somebody_else(self) -> None:
        good = (f"void good(unsigned long pfn)\n{{\n{self.LOOKUP}"
                "\tfolio_lock(folio);\n\thelp(folio);\n}\n")
        site = self.one(
            "void help(struct folio *folio)\n{\n\trmap_walk(folio, 0);\n}\n" + good, more={
                "sound/other.c": "static void help(struct folio *folio) { }\n"
                f"void bad(unsigned long pfn)\n{{\n{self.LOOKUP}\thelp(folio);\n}}\n"})
        self.assertEqual(site.status, HELD)

    def test_a_flag_says_whether_the_caller_locked(self) -> None:
        user = ("void user(unsigned long pfn)\n{\n" + self.LOOKUP
                + "\treferenced(folio, 0);\n\tfolio_lock(folio);\n"
                "\treferenced(folio, 1);\n}\n")
        self.assertEqual(self.one(self.REFERENCED % "" + user).status, HELD)
        site = self.one(self.REFERENCED % " && (!folio_test_anon(folio) || folio_test_ksm(folio))"
                        + user)
        self.assertEqual(site.status, NOT_HELD)
        self.assertEqual({way.hops[0].line for way in site.key_ways()}, {18})

    def test_a_flag_that_lies_is_found(self) -> None:
        site = self.one(self.REFERENCED % "" + "void user(unsigned long pfn)\n{\n" + self.LOOKUP
                        + "\treferenced(folio, 1);\n}\n")
        self.assertEqual(site.status, NOT_HELD)

    def test_a_callee_that_locks_and_one_that_unlocks_are_seen(self) -> None:
        helpers = (
            "static bool get_locked_folio(struct folio *folio)\n"
            "{\n\treturn folio_trylock(folio);\n}\n"
            "static void put_unlock_folio(struct folio *folio)\n{\n\tfolio_unlock(folio);\n}\n")
        text = (f"{helpers}void f(unsigned long pfn)\n{{\n{self.LOOKUP}"
                "\tif (!get_locked_folio(folio))\n\t\treturn;\n%s")
        walk, put = "\trmap_walk(folio, 0);\n", "\tput_unlock_folio(folio);\n"
        self.assertEqual(self.one(text % f"{walk}{put}}}\n").status, HELD)
        self.assertEqual(self.one(text % f"{put}{walk}}}\n").status, NOT_HELD)

    def test_an_assertion_speaks_where_callers_do_not(self) -> None:
        helper = "void help(struct folio *folio)\n{\n%s\trmap_walk(folio, 0);\n}\n"
        self.assertEqual(self.one(helper % "").status, UNKNOWN)
        for line in ("VM_BUG_ON_FOLIO(!folio_test_locked(folio), folio);",
                     "ASSERT(folio_test_locked(folio));",
                     "if (WARN_ON_ONCE(!folio_test_locked(folio)))\n\treturn;"):
            site = self.one(helper % f"\t{line}\n")
            self.assertEqual((site.status, "asserted" in str(site.ways[0].evidence)), (HELD, True),
                             line)

    def test_an_assertion_does_not_excuse_a_caller(self) -> None:
        site = self.one(
            "static void help(struct folio *folio)\n{\n"
            "\tVM_WARN_ON_FOLIO(!folio_test_locked(folio), folio);\n"
            "\trmap_walk(folio, 0);\n}\nvoid bad(unsigned long pfn)\n{\n" + self.LOOKUP
            + "\tfolio_lock(folio);\n\tfolio_unlock(folio);\n\thelp(folio);\n}\n")
        self.assertEqual(site.status, NOT_HELD)

    def test_recursion_ends(self) -> None:
        site = self.one(
            "static void help(struct folio *folio, int n)\n{\n\tif (n)\n\t\thelp(folio, n - 1);\n"
            "\trmap_walk(folio, 0);\n}\nvoid f(unsigned long pfn)\n{\n" + self.LOOKUP
            + "\tfolio_lock(folio);\n\thelp(folio, 3);\n}\n")
        self.assertEqual(site.status, HELD)

    def test_a_pointer_cannot_be_told(self) -> None:
        site = self.one("static void help(struct folio *folio)\n{\n\trmap_walk(folio, 0);\n}\n"
                        "struct ops ops = { .walk = help };\n")
        self.assertEqual((site.status, "pointer" in str(site.ways[0].evidence)), (UNKNOWN, True))

    def test_a_pointer_to_the_walk_itself_cannot_be_told(self) -> None:
        site = self.one(
            "void f(struct folio *folio)\n{\n"
            "\tvoid (*walk)(struct folio *, void *) = rmap_walk;\n\n"
            "\twalk(folio, 0);\n}\n")
        self.assertEqual((site.status, site.line), (UNKNOWN, 3))

    def test_kunit_tests_are_not_judged(self) -> None:
        site = self.one(
            "void f(unsigned long pfn) { rmap_walk(page_folio(pfn_to_page(pfn)), 0); }\n"
            "kunit_test_suite(suite);\n", "mm/tests/x_kunit.c")
        self.assertTrue(site.test)
