# SPDX-License-Identifier: GPL-2.0-only
"""What the source says of callers: one small tree for each rule that one function is enough for."""

from locked_rmap.static.callers import FILE, HELD, NOT_HELD, UNKNOWN

from .trees import TreeCase


class OneFunctionTest(TreeCase):
    """Rules that one function is enough for."""

    def test_a_driver_that_takes_no_lock_is_found(self) -> None:
        site = self.body("rmap_walk(folio, &rwc);")
        self.assertEqual((site.status, site.file, site.line),
                         (NOT_HELD, "drivers/misc/walker.c", 6))
        self.assertIn("pfn_to_page", site.ways[0].evidence[0].text)

    def test_a_file_with_any_name_is_found(self) -> None:
        site = self.one(
            "void f(unsigned long pfn) { rmap_walk(page_folio(pfn_to_page(pfn)), 0); }\n",
            "fs/x/kunit-page_test.c")
        self.assertEqual((site.status, site.test), (NOT_HELD, False))

    def test_a_lock_before_the_walk_is_seen(self) -> None:
        site = self.body("folio_lock(folio);\nrmap_walk(folio, &rwc);\nfolio_unlock(folio);")
        self.assertEqual((site.status, site.ways[0].evidence[0].text), (HELD, "folio_lock(folio);"))

    def test_a_trylock_whose_failure_leaves_is_seen(self) -> None:
        site = self.body("if (!folio_trylock(folio))\n\treturn;\nrmap_walk(folio, &rwc);")
        self.assertEqual(site.status, HELD)

    def test_a_trylock_that_nobody_looks_at_is_no_lock(self) -> None:
        site = self.body("folio_trylock(folio);\nrmap_walk(folio, &rwc);\nfolio_unlock(folio);")
        self.assertEqual(site.status, NOT_HELD)

    def test_a_trylock_the_wrong_way_round_is_no_lock(self) -> None:
        site = self.body("if (folio_trylock(folio))\n\treturn;\nrmap_walk(folio, &rwc);")
        self.assertEqual(site.status, NOT_HELD)

    def test_unlocked_before_the_walk_is_unlocked(self) -> None:
        site = self.body("folio_lock(folio);\nfolio_unlock(folio);\nrmap_walk(folio, &rwc);")
        self.assertEqual((site.status, site.ways[0].evidence[0].text),
                         (NOT_HELD, "folio_unlock(folio);"))

    def test_another_folios_lock_does_not_count(self) -> None:
        site = self.body(
            "struct folio *other = page_folio(pfn_to_page(pfn + 1));\nfolio_lock(other);\n"
            "rmap_walk(folio, &rwc);\nfolio_unlock(other);")
        self.assertEqual(site.status, NOT_HELD)

    def test_locked_unless_anonymous_is_unlocked(self) -> None:
        site = self.body(
            "bool need_lock = !folio_test_anon(folio) || folio_test_ksm(folio);\n"
            "if (need_lock && !folio_trylock(folio))\n\treturn;\nrmap_walk(folio, &rwc);\n"
            "if (need_lock)\n\tfolio_unlock(folio);")
        self.assertEqual(site.status, NOT_HELD)
        self.assertEqual({way.status for way in site.ways}, {HELD, NOT_HELD})
        self.assertIn("skipped for an anonymous folio", str(site.ways[0].evidence))

    def test_only_files_is_never_anonymous(self) -> None:
        site = self.body("if (folio_test_anon(folio))\n\treturn;\nrmap_walk(folio, &rwc);")
        self.assertEqual((site.status, site.ways[0].evidence[0].line), (FILE, 6))

    def test_a_dax_folio_is_never_anonymous(self) -> None:
        site = self.body(
            "dax_entry_t cookie = dax_lock_folio(folio);\nif (!cookie)\n\treturn;\n"
            "rmap_walk(folio, &rwc);")
        self.assertEqual(site.status, FILE)

    def test_a_dax_lock_that_failed_says_nothing(self) -> None:
        self.assertEqual(self.body("dax_lock_folio(folio);\nrmap_walk(folio, &rwc);").status,
                         NOT_HELD)

    def test_a_killable_lock_counts_if_its_result_does(self) -> None:
        self.assertEqual(self.body("ret = folio_lock_killable(folio);\nif (ret < 0)\n\treturn;\n"
                                   "rmap_walk(folio, &rwc);").status, HELD)
        self.assertEqual(self.body("folio_lock_killable(folio);\nrmap_walk(folio, &rwc);").status,
                         NOT_HELD)

    def test_a_flag_remembers_the_lock(self) -> None:
        text = (
            "bool locked = false;\nif (pfn & 1)\n\tlocked = folio_trylock(folio);\n"
            "%s\n\tgoto out;\n"
            "rmap_walk(folio, &rwc);\nout:\nif (locked)\n\tfolio_unlock(folio);")
        self.assertEqual(self.body(text % "if (!locked)").status, HELD)
        self.assertEqual(self.body(text % "if (locked)").status, NOT_HELD)

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
        self.assertEqual(site.status, HELD)

    def test_the_next_turn_of_a_loop_starts_unlocked(self) -> None:
        text = (
            "\tunsigned long i;\n\tfor (i = 0; i < 9; i++) {\n"
            "\t\tfolio = page_folio(pfn_to_page(i));\n"
            "\t\t%s\n\t\trmap_walk(folio, &rwc);\n\t\t%s\n\t}")
        self.assertEqual(self.body(text % ("folio_lock(folio);", "folio_unlock(folio);")).status,
                         HELD)
        self.assertEqual(self.body(text % ("", "folio_lock(folio);")).status, NOT_HELD)

    def test_who_unlocks_had_it_locked(self) -> None:
        site = self.one("void f(struct list_head *list)\n{\n\tstruct folio *folio;\n\n"
                        "\tlist_for_each_entry(folio, list, lru) {\n\t\trmap_walk(folio, 0);\n"
                        "\t\tfolio_unlock(folio);\n\t}\n}\n")
        self.assertEqual((site.status, site.ways[0].evidence[0].line), (HELD, 7))

    def test_a_list_of_somebody_elses_cannot_be_told(self) -> None:
        site = self.one("void f(struct list_head *list)\n{\n\tstruct folio *folio;\n\n"
                        "\tlist_for_each_entry(folio, list, lru)\n\t\trmap_walk(folio, 0);\n}\n")
        self.assertEqual(site.status, UNKNOWN)

    def test_comments_strings_and_if_0_are_no_calls(self) -> None:
        self.assertEqual(self.look('/* rmap_walk(folio, 0); */\nchar *s = "rmap_walk(folio, 0)";\n'
                                   "#if 0\nvoid f(void) { rmap_walk(folio, 0); }\n#endif\n"), [])

    def test_both_sides_of_an_ifdef_are_looked_at(self) -> None:
        text = "#ifdef CONFIG_X\nfolio_lock(folio);\n#else\n%s;\n#endif\nrmap_walk(folio, &rwc);"
        self.assertEqual(self.body(text % "folio_lock(folio)").status, HELD)
        self.assertEqual(self.body(text % "ret = 0").status, NOT_HELD)

    def test_a_macro_that_walks_is_followed(self) -> None:
        site = self.one(
            "#define walk_it(f) rmap_walk(f, &rwc)\n"
            "void f(unsigned long pfn)\n{\n\twalk_it(page_folio(pfn_to_page(pfn)));\n}\n")
        self.assertEqual((site.status, [hop.function for hop in site.ways[0].hops]),
                         (NOT_HELD, ["f", "walk_it"]))

    def test_page_and_folio_are_the_same(self) -> None:
        site = self.one(
            "void f(unsigned long pfn)\n{\n\tstruct page *page = pfn_to_page(pfn);\n\n"
            "\tlock_page(page);\n\trmap_walk(page_folio(page), 0);\n}\n")
        self.assertEqual(site.status, HELD)

    def test_a_file_walk_without_a_folio_is_told_apart(self) -> None:
        site = self.one(
            "static void __rmap_walk_file(struct folio *folio, struct address_space *mapping) { }\n"
            "int wrprotect(struct address_space *mapping)\n"
            "{\n\t__rmap_walk_file(NULL, mapping);\n}\n")
        self.assertEqual((site.status, "without a folio" in str(site.ways[0].evidence)),
                         (FILE, True))
