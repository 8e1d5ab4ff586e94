# SPDX-License-Identifier: GPL-2.0-only
"""What the analysis proves and what it does not: one function for each rule."""

import os
from pathlib import Path
from typing import Dict
from unittest import mock

from locked_rmap.static.callers import PROVED, REQUIRED, UNLOCKED, UNPROVED, worst

from . import trees
from .trees import TreeCase

LOCKED = "locked"
#: A rule, what its call must come to ("locked": proved or required), and the body of a function
#: with a folio that was looked up, its pfn, and a walk.
BODIES = {
    "no_lock": (UNLOCKED, "rmap_walk(folio, 0);"),
    "a_lock_before_the_walk": (LOCKED, "folio_lock(folio); rmap_walk(folio, 0);"),
    "a_trylock_whose_failure_leaves":
        (LOCKED, "if (!folio_trylock(folio)) return; rmap_walk(folio, 0);"),
    "a_trylock_that_nobody_looks_at": (UNLOCKED, "folio_trylock(folio); rmap_walk(folio, 0);"),
    "a_trylock_the_wrong_way_round":
        (UNLOCKED, "if (folio_trylock(folio)) return; rmap_walk(folio, 0);"),
    "unlocked_before_the_walk":
        (UNLOCKED, "folio_lock(folio); folio_unlock(folio); rmap_walk(folio, 0);"),
    "unlocked_after_the_walk_is_no_proof": (UNLOCKED, "rmap_walk(folio, 0); folio_unlock(folio);"),
    "another_folios_lock":
        (UNLOCKED, "folio_lock(pfn_folio(pfn + 1)); rmap_walk(folio, 0);"),
    "locked_unless_anonymous":
        (UNLOCKED, "bool need = !folio_test_anon(folio) || folio_test_ksm(folio);"
                   "if (need && !folio_trylock(folio)) return; rmap_walk(folio, 0);"),
    "locked_if_anonymous":
        (LOCKED, "if (folio_test_anon(folio) && !folio_trylock(folio)) return;"
                 "rmap_walk(folio, 0);"),
    "never_anonymous": (LOCKED, "if (folio_test_anon(folio)) return; rmap_walk(folio, 0);"),
    "the_bit_of_the_mapping_is_never_anonymous":
        (LOCKED, "if ((unsigned long)folio->mapping & 1) return; rmap_walk(folio, 0);"),
    "a_killable_lock_whose_error_leaves":
        (LOCKED, "int error = folio_lock_killable(folio); if (error) return;"
                 "rmap_walk(folio, 0);"),
    "a_killable_lock_that_nobody_looks_at":
        (UNLOCKED, "folio_lock_killable(folio); rmap_walk(folio, 0);"),
    "a_killable_lock_the_wrong_way_round":
        (UNLOCKED, "if (!folio_lock_killable(folio)) return; rmap_walk(folio, 0);"),
    "a_flag_remembers_the_lock":
        (LOCKED, "bool locked = false; if (pfn & 1) locked = folio_trylock(folio);"
                 "if (!locked) return; rmap_walk(folio, 0);"),
    "a_flag_the_wrong_way_round":
        (UNLOCKED, "bool locked = false; if (pfn & 1) locked = folio_trylock(folio);"
                   "if (locked) return; rmap_walk(folio, 0);"),
    "a_lock_on_one_branch":
        (UNLOCKED, "if (some()) folio_lock(folio); rmap_walk(folio, 0);"),
    "a_lock_on_every_branch":
        (LOCKED, "if (some()) folio_lock(folio); else if (!folio_trylock(folio)) return;"
                 "rmap_walk(folio, 0);"),
    "a_case_without_a_lock":
        (UNLOCKED, "switch (pfn) { case 0: folio_lock(folio); break;"
                   "case 1: if (!folio_trylock(folio)) return; } rmap_walk(folio, 0);"),
    "a_lock_until_it_is_had":
        (LOCKED, "while (!folio_trylock(folio)) some(); rmap_walk(folio, 0);"),
    "an_unlock_in_the_loop_before":
        (UNLOCKED, "folio_lock(folio); again: rmap_walk(folio, 0);"
                   "if (some()) { folio_unlock(folio); goto again; }"),
    "the_next_turn_of_a_loop_starts_unlocked":
        (UNLOCKED, "for (; pfn; pfn--) { folio = pfn_folio(pfn); rmap_walk(folio, 0);"
                   "folio_lock(folio); }"),
    "a_page_is_its_folio":
        (LOCKED, "struct page *page = pfn_to_page(pfn); lock_page(page);"
                 "rmap_walk(page_folio(page), 0);"),
    "the_bit_itself":
        (LOCKED, "if (test_and_set_bit_lock(0, &folio->flags)) return; rmap_walk(folio, 0);"),
    "another_bit":
        (UNLOCKED, "if (test_and_set_bit_lock(1, &folio->flags)) return; rmap_walk(folio, 0);"),
    "a_test_is_no_lock": (UNLOCKED, "if (folio_test_locked(folio)) rmap_walk(folio, 0);"),
    "a_warning_that_leaves":
        (LOCKED, "if (WARN_ON(!folio_test_locked(folio))) return; rmap_walk(folio, 0);"),
    "a_warning_that_goes_on":
        (UNLOCKED, "WARN_ON(!folio_test_locked(folio)); rmap_walk(folio, 0);"),
    "an_assertion_of_ones_own":
        (UNLOCKED, "VM_BUG_ON_FOLIO(!folio_test_locked(folio), folio); rmap_walk(folio, 0);"),
}
#: The same with functions around it; @walk is the one whose call counts.
PROGRAMS = {
    "a_helper_that_locks":
        (LOCKED, "static bool get(struct folio *f) { return folio_trylock(f); }"
                 "void @walk(long n) { struct folio *f = pfn_folio(n); if (!get(f)) return;"
                 "rmap_walk(f, 0); }"),
    "a_helper_that_returns_a_locked_folio_or_null":
        (LOCKED, "static struct folio *get(long n) { struct folio *f = pfn_folio(n);"
                 "if (!folio_trylock(f)) return NULL; return f; }"
                 "void @walk(long n) { struct folio *f = get(n); if (!f) return;"
                 "rmap_walk(f, 0); }"),
    "a_helper_that_returns_a_locked_folio_or_an_error":
        (LOCKED, "static struct folio *get(long n) { struct folio *f = pfn_folio(n);"
                 "if (folio_lock_killable(f)) return ERR_PTR(-4); return f; }"
                 "void @walk(long n) { struct folio *f = get(n); if (IS_ERR(f)) return;"
                 "rmap_walk(f, 0); }"),
    "a_helper_whose_error_is_ignored":
        (UNLOCKED, "static int get(struct folio *f) { return folio_trylock(f) ? 0 : -16; }"
                   "void @walk(long n) { struct folio *f = pfn_folio(n); get(f);"
                   "rmap_walk(f, 0); }"),
    "a_helper_that_locks_if_it_is_told_to":
        (UNLOCKED, "static struct folio *get(long n, int how) { struct folio *f = pfn_folio(n);"
                   "if (how & 1) folio_lock(f); return f; }"
                   "void @walk(long n) { rmap_walk(get(n, 2), 0); }"),
    "a_helper_that_is_told_to_lock":
        (LOCKED, "static struct folio *get(long n, int how) { struct folio *f = pfn_folio(n);"
                 "if (how & 1) folio_lock(f); return f; }"
                 "void @walk(long n) { rmap_walk(get(n, 3), 0); }"),
    "a_helper_that_unlocks":
        (UNLOCKED, "static void put(struct folio *f) { folio_unlock(f); }"
                   "void @walk(long n) { struct folio *f = pfn_folio(n); folio_lock(f); put(f);"
                   "rmap_walk(f, 0); }"),
    "a_helper_that_is_told_not_to_unlock":
        (LOCKED, "static void put(struct folio *f, bool u) { if (u) folio_unlock(f); }"
                 "void @walk(long n) { struct folio *f = pfn_folio(n); folio_lock(f);"
                 "put(f, false); rmap_walk(f, 0); }"),
    "a_flag_and_a_folio_in_a_struct":
        (LOCKED, "struct ctx { struct folio *f; bool locked; };"
                 "static bool begin(struct ctx *c, long n) { c->f = pfn_folio(n);"
                 "c->locked = folio_trylock(c->f); return c->locked; }"
                 "void @walk(long n) { struct ctx c; if (!begin(&c, n)) return;"
                 "rmap_walk(c.f, 0); }"),
    "a_flag_by_way_of_a_pointer_that_nobody_looks_at":
        (UNLOCKED, "static void get(long n, struct folio **f, bool *l) { *f = pfn_folio(n);"
                   "*l = folio_trylock(*f); }"
                   "void @walk(long n) { struct folio *f; bool l; get(n, &f, &l);"
                   "rmap_walk(f, 0); }"),
    "two_folios_of_which_one_is_locked":
        (UNLOCKED, "static void two(struct folio *a, struct folio *b) { folio_lock(a); }"
                   "void @walk(long n) { struct folio *a = pfn_folio(n), *b = pfn_folio(n + 1);"
                   "two(a, b); rmap_walk(b, 0); }"),
    "a_function_is_as_locked_as_its_callers":
        (LOCKED, "static void help(struct folio *f) { rmap_walk(f, 0); }"
                 "void @walk(long n) { struct folio *f = pfn_folio(n); folio_lock(f); help(f); }"),
    "three_functions_up":
        (UNLOCKED, "static void a(struct folio *f) { rmap_walk(f, 0); }"
                   "static void b(struct folio *f) { a(f); }"
                   "static void c(struct folio *f) { b(f); }"
                   "void @walk(long n) { c(pfn_folio(n)); }"),
    "an_assertion_does_not_excuse_a_caller":
        (UNLOCKED, "static void help(struct folio *f) {"
                   "VM_BUG_ON_FOLIO(!folio_test_locked(f), f); rmap_walk(f, 0); }"
                   "void @walk(long n) { help(pfn_folio(n)); }"),
    "a_parameter_says_that_it_is_locked":
        (LOCKED, "static void ref(struct folio *f, bool is_locked) {"
                 "if (!is_locked && !folio_trylock(f)) return; rmap_walk(f, 0); }"
                 "void @walk(long n) { ref(pfn_folio(n), false); }"),
    "a_parameter_that_lies":
        (UNLOCKED, "static void ref(struct folio *f, bool is_locked) {"
                   "if (!is_locked && !folio_trylock(f)) return; rmap_walk(f, 0); }"
                   "void @walk(long n) { ref(pfn_folio(n), true); }"),
    "an_unlock_that_only_a_lock_of_ones_own_leads_to":
        (LOCKED, "static void ref(struct folio *f, bool is_locked) { bool mine = false;"
                 "if (!is_locked) { mine = folio_trylock(f); if (!mine) return; }"
                 "some(); if (mine) folio_unlock(f); }"
                 "void @walk(long n) { struct folio *f = pfn_folio(n); folio_lock(f);"
                 "ref(f, true); rmap_walk(f, 0); }"),
    "recursion_ends":
        (UNLOCKED, "static void rec(struct folio *f, int n) { if (n) rec(f, n - 1);"
                   "else rmap_walk(f, 0); }"
                   "void @walk(long n) { rec(pfn_folio(n), 3); }"),
    "a_pointer_in_a_struct_is_called_locked":
        (LOCKED, "struct ops { void (*go)(struct folio *); };"
                 "static void help(struct folio *f) { rmap_walk(f, 0); }"
                 "const struct ops @ops = { .go = help };"
                 "void @walk(const struct ops *o, long n) { struct folio *f = pfn_folio(n);"
                 "folio_lock(f); o->go(f); }"),
    "a_pointer_that_is_handed_on":
        (UNLOCKED, "static void go(void (*fn)(struct folio *), long n) { fn(pfn_folio(n)); }"
                   "static void help(struct folio *f) { rmap_walk(f, 0); }"
                   "void @walk(long n) { go(help, n); }"),
    "a_walk_that_is_picked":
        (UNLOCKED, "void rmap_walk_locked(struct folio *, struct rmap_walk_control *);"
                   "void @walk(long n, bool l) {"
                   "(l ? rmap_walk_locked : rmap_walk)(pfn_folio(n), 0); }"),
    "a_function_that_nobody_compiled_gets_the_folio":
        (UNPROVED, "void away(struct folio *f);"
                   "void @walk(long n) { struct folio *f = pfn_folio(n); folio_lock(f);"
                   "away(f); rmap_walk(f, 0); }"),
    "an_array_of_somebody_elses":
        (UNPROVED, "void @walk(struct folio **f, int i) { rmap_walk(f[i], 0); }"),
}


class RulesTest(TreeCase):
    """All rules, in one tree."""

    def test_every_rule(self) -> None:
        files: Dict[str, str] = {}
        wanted: Dict[str, str] = {}
        for name, (status, body) in BODIES.items():
            wanted[name] = status
            files[f"mm/{name}.c"] = (f"void {name}(unsigned long pfn)\n{{\n\tstruct folio *folio = "
                                     f"pfn_folio(pfn);\n\t{body}\n}}\n")
        for name, (status, text) in PROGRAMS.items():
            wanted[name] = status
            files[f"mm/{name}.c"] = text.replace("@walk", name).replace("@", f"{name}_") + "\n"
        calls = self.read(files).calls
        for name, status in wanted.items():
            found = [call for call in calls if call.file == f"mm/{name}.c"]
            come_to = worst(call.status for call in found)
            with self.subTest(name, calls=[(call.function, call.status, call.ways)
                                           for call in found]):
                self.assertEqual(LOCKED if come_to in (PROVED, REQUIRED) else come_to, status)


class TreeTest(TreeCase):
    """What goes through files."""

    LOOKUP = "struct folio *folio = pfn_folio(pfn);"

    def test_the_guilty_call_comes_first_and_the_walk_last(self) -> None:
        calls = self.calls("void help(struct folio *f) { rmap_walk(f, 0); }\n", {
            "sound/other.c": f"void help(struct folio *f);\nvoid bad(long pfn)\n{{\n{self.LOOKUP}\n"
                             "\thelp(folio);\n}\n"})
        bad = [call for call in calls if call.status == UNLOCKED]
        self.assertEqual([(call.file, call.line, call.function) for call in bad],
                         [("sound/other.c", 6, "bad")])
        self.assertEqual([str(hop) for hop in bad[0].walk],
                         ["drivers/misc/walker.c:2 help() calls rmap_walk()"])

    def test_a_static_namesake_is_somebody_else(self) -> None:
        calls = self.calls("void help(struct folio *f) { rmap_walk(f, 0); }\n", {
            "sound/other.c": "static void help(struct folio *f) { }\n"
                             f"void good(long pfn) {{ {self.LOOKUP} help(folio); }}\n"})
        self.assertEqual(worst(call.status for call in calls), REQUIRED)

    def test_comments_strings_and_if_0_are_no_calls(self) -> None:
        calls = self.calls('/* rmap_walk(folio, 0); */\nchar *s = "rmap_walk(folio, 0)";\n')
        self.assertEqual(calls, [])

    def test_what_no_configuration_compiles_is_named(self) -> None:
        calls = self.calls(f"#ifdef CONFIG_X\nvoid f(long pfn) {{ {self.LOOKUP} folio_lock(folio);"
                           "rmap_walk(folio, 0); }\n#endif\n")
        self.assertEqual([(call.status, call.function) for call in calls], [(UNPROVED, "f")])
        self.assertIn("no configuration of ours", str(calls[0].ways[0].evidence[0]))

    def test_a_lock_that_an_option_takes_away_is_no_proof(self) -> None:
        calls = self.calls(f"void f(long pfn)\n{{\n{self.LOOKUP}\n#ifndef CONFIG_X\n"
                           "\tfolio_lock(folio);\n#endif\n\trmap_walk(folio, 0);\n}\n")
        self.assertEqual(worst(call.status for call in calls), UNPROVED)
        self.assertEqual([call.line for call in calls if call.status == UNPROVED], [5])

    def test_a_file_that_does_not_compile_is_named_with_the_compilers_line(self) -> None:
        calls = self.calls("void f(struct folio *folio)\n{\n\trmap_walk(folio, 0)\n}\n")
        self.assertEqual([call.status for call in calls], [UNPROVED])
        self.assertIn("walker.c:4:21: error: expected ';'", str(calls[0].ways[0].evidence[0]))

    def test_what_is_no_file_of_c_is_named(self) -> None:
        tree = self.temp / "tree"
        (tree / "mm").mkdir(parents=True)
        (tree / "mm/gone.c").symlink_to("nowhere.c")
        (tree / "mm/wide.c").write_bytes("int x;\n".encode("utf-16"))
        self.assertEqual(list(self.read({}).odd), ["mm/gone.c", "mm/wide.c (not plain text)"])

    def test_a_macro_that_walks_is_followed(self) -> None:
        calls = self.calls("#define walk_it(f) rmap_walk(f, 0)\n"
                           f"void f(long pfn) {{ {self.LOOKUP} walk_it(folio); }}\n")
        self.assertEqual([(call.status, call.function) for call in calls], [(UNLOCKED, "f")])

    def test_callers_by_way_of_a_pointer_are_looked_for_in_every_file(self) -> None:
        ops = ("struct ops { void (*go)(struct folio *); };\n"
               "void use(const struct ops *o, long pfn)\n{\n"
               f"{self.LOOKUP}\n%s o->go(folio);\n}}\n")
        calls = self.calls(
            "static void help(struct folio *f) { rmap_walk(f, 0); }\n"
            + (ops % "folio_lock(folio);").replace("use", "good")
            + "const struct ops ops = { .go = help };\n",
            {"sound/other.c": (ops % "").replace("use", "bad")})
        self.assertEqual([(call.file, call.function) for call in calls
                          if call.status == UNLOCKED], [("sound/other.c", "bad")])

    def test_a_call_with_too_few_arguments_is_not_dropped(self) -> None:
        calls = self.calls("void help(struct folio *f, int n) { rmap_walk(f, 0); }\n", {
            "sound/other.c": "void help();\n"
                             f"void bad(long pfn) {{ {self.LOOKUP} help(folio); }}\n"})
        self.assertEqual(worst(call.status for call in calls), UNPROVED)

    def test_a_file_that_was_put_back_is_compiled_again(self) -> None:
        bad = f"void f(long pfn) {{ {self.LOOKUP} rmap_walk(folio, 0); }}\n"
        good = f"void f(long pfn) {{ {self.LOOKUP} folio_lock(folio); rmap_walk(folio, 0); }}\n"
        self.assertEqual([call.status for call in self.calls(bad)], [UNLOCKED])
        with mock.patch.object(trees, "write", _write_older):
            self.assertEqual([call.status for call in self.calls(good)], [PROVED])


def _write_older(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (1, 1))
    return path
