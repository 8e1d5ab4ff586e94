# SPDX-License-Identifier: GPL-2.0-only
"""Reading C."""

import unittest

from locked_rmap.static.functions import Source


class ParseTest(unittest.TestCase):
    """Reading C."""

    def test_functions_of_all_kinds_are_found(self) -> None:
        text = (
            "int a(void)\n{\n}\nstatic __always_inline struct x *\nb(int n) __acquires(l)\n{\n}\n"
            "SYSCALL_DEFINE1(c, int, n)\n{\n}\nstruct d { int (*e)(void); };\nint f[] = { g(1) };\n"
            "#define h(x) do { i(x); } while (0)\nint old(void);\n")
        self.assertEqual([function.name for function in Source("x.c", text).functions],
                         ["a", "b", "sys_c", "h"])

    def test_lines_stay_in_place(self) -> None:
        text = ("/*\n * x\n */\n#define M(a) \\\n\ta\n#ifdef X\nint f(void)\n#else\n"
                "int f(int n)\n#endif\n{\n\tg();\n}\n")
        function = Source("x.c", text).functions[0]
        self.assertEqual((function.name, [token.line for token in function.tokens
                                          if token.text == "g"]), ("f", [12]))

    def test_broken_code_ends_in_no_exception(self) -> None:
        for text in ("int f(void) { if (", "int f(void) { a = ; b(c,); } }", "f( { )",
                     "int f(void) { switch (x) {", "int f(void) { for (;;) } ",
                     "#if\n#endif\n#else\n", "{}{}(", "int f(void) { goto ; case 1: }"):
            for function in Source("x.c", text).functions:
                self.assertGreater(len(function.tokens), 1, text)
