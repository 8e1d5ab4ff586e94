# SPDX-License-Identifier: GPL-2.0-only
"""C expressions: parsed, shown, and the names in them."""

from typing import List, Optional, Sequence, Set, Tuple

from .lexer import Cursor, Token, closing, split

#: An expression: (kind, …).  Kinds: id, num, call, un, bin, assign, cond, mem, idx, raw.
Expr = Tuple[object, ...]

TYPES = frozenset(("struct", "union", "enum", "const", "static", "unsigned", "signed", "int",
                   "long", "short", "bool", "char", "void", "volatile", "register", "extern",
                   "typeof", "__typeof__", "auto", "float", "double"))
_BINARY = {
    "*": 10, "/": 10, "%": 10, "+": 9, "-": 9, "<<": 8, ">>": 8, "<": 7, ">": 7, "<=": 7, ">=": 7,
    "==": 6, "!=": 6, "&": 5, "^": 4, "|": 3, "&&": 2, "||": 1}
_ASSIGN = frozenset(("=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="))
_SHOWN = {"id": "{1}", "num": "{1}", "un": "{1}{2}", "bin": "{2} {1} {3}", "idx": "{1}[{2}]",
          "assign": "{2} {1} {3}", "mem": "{1}{2}{3}", "cond": "{1} ? {2} : {3}"}
KEYWORDS = frozenset(("if", "else", "while", "for", "do", "switch", "case", "default", "return",
                      "goto", "break", "continue"))


class _Unparsed(Exception):
    """This is no expression that the parser knows."""


class _Expressions(Cursor):
    """Parses expressions out of @tokens."""

    def expect(self, text: str) -> None:
        """Step over @text."""
        if self.peek() != text:
            raise _Unparsed(text)
        self.at += 1

    def full(self) -> Expr:
        """All tokens, as one expression."""
        expr = self.comma()
        if self.at != len(self.tokens):
            raise _Unparsed("rest")
        return expr

    def comma(self) -> Expr:
        """expr , expr"""
        left = self.assignment()
        while self.peek() == ",":
            self.at += 1
            left = ("bin", ",", left, self.assignment())
        return left

    def assignment(self) -> Expr:
        """lvalue = expr, or c ? a : b"""
        left = self.binary(1)
        sign = self.peek()
        if sign == "?":
            self.at += 1
            first: Expr = left if self.peek() == ":" else self.comma()
            self.expect(":")
            return ("cond", left, first, self.assignment())
        if sign in _ASSIGN:
            self.at += 1
            return ("assign", sign, left, self.assignment())
        return left

    def binary(self, least: int) -> Expr:
        """Operators of precedence @least and above."""
        left = self.unary()
        while True:
            sign = self.peek()
            level = _BINARY.get(sign, 0)
            if level < least:
                return left
            self.at += 1
            left = ("bin", sign, left, self.binary(level + 1))

    def unary(self) -> Expr:
        """Signs in front, and casts."""
        sign = self.peek()
        if sign in ("!", "~", "-", "+", "*", "&", "++", "--"):
            self.at += 1
            return ("un", sign, self.unary())
        if sign == "&&":
            # The address of a label.
            self.at += 2
            return ("num", "1")
        if sign in ("sizeof", "typeof", "__typeof__", "__alignof__", "_Alignof"):
            self.at += 1
            if self.peek() == "(":
                self.group()
            else:
                self.unary()
            return ("num", "8")
        if sign == "(" and self._cast():
            self.group()
            if self.peek() == "{":
                return raw(self.group())
            return self.unary()
        return self.postfix(self.primary())

    def _cast(self) -> bool:
        end = closing(self.tokens, self.at)
        inside = self.tokens[self.at + 1:end]
        if not inside or inside[0].kind != "id":
            return False
        if inside[0].text in TYPES:
            return True
        if any(token.text not in ("*", "__user", "__iomem", "__force") and token.kind != "id"
               for token in inside):
            return False
        after = self.tokens[end + 1] if end + 1 < len(self.tokens) else None
        if inside[-1].text == "*" and all(token.text == "*" for token in inside[1:]):
            return True
        if after is None or len([token for token in inside if token.kind == "id"]) > 2:
            return False
        return (after.kind in ("id", "num", "str") and after.text not in KEYWORDS) or (
            inside[0].text.endswith("_t") and after.text in ("(", "-", "~"))

    def primary(self) -> Expr:
        """A name, a number, something in brackets."""
        text, kind = self.peek(), self.kind()
        if text == "(":
            inside = self.group()
            if inside[:1] and inside[0].text == "{":
                return raw(inside)
            return _Expressions(inside).full()
        if text == "{":
            return raw(self.group())
        if kind == "id" and text not in KEYWORDS:
            if text in ("struct", "union", "enum"):
                raise _Unparsed(text)
            self.at += 1
            return ("id", text)
        if kind in ("num", "str"):
            while self.kind() == "str":
                self.at += 1
            if kind == "num":
                self.at += 1
            return ("num", text)
        raise _Unparsed(text)

    def postfix(self, expr: Expr) -> Expr:
        """Calls, members, indices."""
        while True:
            sign = self.peek()
            if sign == "(":
                line = self.tokens[self.at - 1].line
                number = self.tokens[self.at].number
                expr = ("call", expr, _arguments(self.group()), line, number)
            elif sign == "[":
                expr = ("idx", expr, parse(self.group()))
            elif sign in ("->", "."):
                name = self.peek(1)
                if self.kind(1) != "id":
                    raise _Unparsed(sign)
                self.at += 2
                expr = ("mem", expr, sign, name)
            elif sign in ("++", "--"):
                self.at += 1
                expr = ("un", sign, expr)
            else:
                return expr


def parse(tokens: Sequence[Token]) -> Expr:
    """An expression; one that is not understood becomes `raw`."""
    if not tokens:
        return ("raw", ())
    try:
        return _Expressions(tokens).full()
    except (_Unparsed, IndexError):
        return raw(tokens)


def _arguments(tokens: Sequence[Token]) -> Tuple[Expr, ...]:
    return tuple(parse(part) for part in split(tokens)) if tokens else ()


def raw(tokens: Sequence[Token]) -> Expr:
    """Whatever @tokens are: the calls in them, in their order."""
    calls: List[Expr] = []
    at = 0
    while at + 1 < len(tokens):
        token = tokens[at]
        if token.kind == "id" and token.text not in KEYWORDS and tokens[at + 1].text == "(":
            end = closing(tokens, at + 1)
            args = _arguments(tokens[at + 2:end])
            calls.append(("call", ("id", token.text), args, token.line, tokens[at + 1].number))
            at = end + 1
        else:
            at += 1
    return ("raw", tuple(calls))


def names_in(expr: Optional[Expr], found: Set[str]) -> None:
    """Add the names that @expr reads (or assigns parts of)."""
    if expr is None:
        return
    if expr and expr[0] == "id":
        found.add(str(expr[1]))
        return
    if assigns(expr) is not None:
        names_in(expr[3], found)  # type: ignore[arg-type]
        return
    for part in expr[1:]:
        if isinstance(part, tuple):
            if part and isinstance(part[0], tuple):
                for each in part:
                    names_in(each, found)
            else:
                names_in(part, found)


def assigns(expr: Optional[Expr]) -> Optional[str]:
    """The variable that @expr gives a value, if any."""
    if expr and expr[:2] == ("assign", "=") and isinstance(expr[2], tuple) and expr[2][0] == "id":
        return str(expr[2][1])
    return None


def callee(expr: object) -> str:
    """The function that @expr is a call of; empty if it is something else."""
    if (isinstance(expr, tuple) and len(expr) == 5 and expr[0] == "call"
            and isinstance(expr[1], tuple) and expr[1][:1] == ("id",)):
        return str(expr[1][1])
    return ""


def called(expr: object, found: Set[str]) -> None:
    """Add the names of the functions that @expr calls."""
    if isinstance(expr, tuple):
        if callee(expr):
            found.add(callee(expr))
        for part in expr:
            called(part, found)


def show(expr: object) -> str:
    """@expr as text, to compare and to print."""
    if not isinstance(expr, tuple) or not expr:
        return ""
    if expr[0] == "call":
        return f"{show(expr[1])}({', '.join(show(arg) for arg in expr[2])})"
    parts = [show(part) if isinstance(part, tuple) else part for part in expr]
    return _SHOWN.get(parts[0], "…").format(*parts)


def line_of(expr: object) -> int:
    """The line of the first call in @expr, 0 if there is none."""
    if isinstance(expr, tuple):
        if len(expr) == 5 and expr[0] == "call":
            return int(str(expr[3]))
        for part in expr:
            line = line_of(part)
            if line:
                return line
    return 0
