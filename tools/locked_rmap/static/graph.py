# SPDX-License-Identifier: GPL-2.0-only
"""Function bodies as graphs of what runs after what."""

import functools
from typing import Dict, List, Optional, Sequence, Tuple

from .expressions import KEYWORDS, TYPES, Expr, parse
from .functions import Function, declared
from .lexer import Cursor, Token, closing, split

Loose = List[Tuple[int, int]]


class Node:
    """A step of a function.

    @kind: `expr` (@expr is evaluated), `branch` (@expr decides between the
    first and second of @succs), `foreach` (@expr is the call of a looping macro; the
    first of @succs is the body), `switch`, `return`, `nop`, `exit`.
    """

    __slots__ = ("kind", "expr", "line", "succs")

    def __init__(self, kind: str, expr: Optional[Expr], line: int) -> None:
        self.kind = kind
        self.expr = expr
        self.line = line
        self.succs: List[int] = []


@functools.lru_cache(maxsize=None)
def graph(function: Function) -> List[Node]:
    """Its nodes; 0 is where it starts, 1 where it ends.  Fills in its types and lists."""
    builder = _Builder(function)
    builder.run()
    return builder.nodes


class _Builder(Cursor):
    """Makes the graph of a function out of its tokens."""

    def __init__(self, function: Function) -> None:
        super().__init__(function.tokens)
        self.function = function
        self.nodes = [Node("nop", None, function.line), Node("exit", None, function.last)]
        self.labels: Dict[str, int] = {}
        self.gotos: List[Tuple[int, str]] = []
        self.breaks: List[Loose] = []
        self.continues: List[int] = []
        self.cases: List[Tuple[int, List[bool]]] = []

    def run(self) -> None:
        """Do it all."""
        out = self.statement([(0, 0)])
        self.join(out, 1)
        for node, name in self.gotos:
            self.nodes[node].succs = [self.labels.get(name, 1)]

    def node(self, kind: str, expr: Optional[Expr], line: int, into: Loose) -> int:
        """A new node that @into leads to."""
        self.nodes.append(Node(kind, expr, line))
        self.join(into, len(self.nodes) - 1)
        return len(self.nodes) - 1

    def join(self, loose: Loose, target: int) -> None:
        """Let loose ends lead to @target."""
        for number, slot in loose:
            succs = self.nodes[number].succs
            while len(succs) <= slot:
                succs.append(-1)
            succs[slot] = target

    def group(self) -> Sequence[Token]:
        """What is in the parentheses that open here, if any do; steps over them."""
        return super().group() if self.peek() == "(" else ()

    def until(self, sign: str) -> List[Token]:
        """The tokens up to @sign, which is stepped over."""
        start = self.at
        while self.at < len(self.tokens) and self.peek() not in (sign, ")", "]", "}"):
            opens = self.peek() in ("(", "[", "{")
            self.at = closing(self.tokens, self.at) + 1 if opens else self.at + 1
        found = list(self.tokens[start:self.at])
        self.at += self.peek() == sign
        return found

    def compound(self, into: Loose) -> Loose:
        """{ … }"""
        self.at += 1
        while self.at < len(self.tokens) and self.peek() != "}":
            before = self.at
            into = self.statement(into)
            if self.at == before:
                self.at += 1
        self.at += 1
        return into

    def statement(self, into: Loose) -> Loose:
        """One statement; returns its loose ends."""
        if self.at >= len(self.tokens):
            return into
        token = self.tokens[self.at]
        text, line = token.text, token.line
        if text == "{":
            return self.compound(into)
        if text == ";":
            self.at += 1
            return into
        handler = getattr(self, "_" + text, None) if text in KEYWORDS else None
        if handler is not None:
            self.at += 1
            result: Loose = handler(into, line)
            return result
        if token.kind == "id" and self.peek(1) == ":" and self.peek(2) != ":":
            self.at += 2
            while self.peek() == "__attribute__" or self.peek() == "__maybe_unused":
                self.at += 1
                self.group()
            self.labels[text] = self.node("nop", None, line, into)
            return [(self.labels[text], 0)]
        if token.kind == "id" and self.peek(1) == "(" and text not in ("asm", "__asm__"):
            end = closing(self.tokens, self.at + 1)
            after = self.tokens[end + 1] if end + 1 < len(self.tokens) else None
            if after is not None and (after.text == "{" or after.text in KEYWORDS
                                      or (after.kind == "id" and after.line > self.tokens[end].line
                                          and not text.isupper())):
                return self._macro_loop(into, end)
        tokens = self.until(";")
        if tokens and tokens[0].text in ("asm", "__asm__"):
            return into
        return self.simple(tokens, into)

    def simple(self, tokens: List[Token], into: Loose) -> Loose:
        """A declaration or an expression."""
        if not tokens:
            return into
        if _is_declaration(tokens):
            return self.declaration(tokens, into)
        if tokens[0].text == "LIST_HEAD" and len(tokens) > 2:
            self.function.lists.append(tokens[2].text)
        return [(self.node("expr", parse(tokens), tokens[0].line, into), 0)]

    def declaration(self, tokens: List[Token], into: Loose) -> Loose:
        """type a = x, *b;"""
        base = ""
        for number, part in enumerate(split(tokens)):
            sides = split(part, "=")
            name = declared(sides[0])
            if not name:
                continue
            if number == 0:
                base = " ".join(token.text for token in sides[0] if token.text not in (name, "*"))
            self.function.types[name] = base + " *" * sum(token.text == "*" for token in sides[0])
            if len(sides) < 2 or not sides[1]:
                continue
            value = [token for side in sides[1:] for token in side]
            line = part[0].line
            if value[0].text == "{":
                for field in split(value[1:-1]):
                    if len(field) > 3 and field[0].text == "." and field[2].text == "=":
                        member = ("mem", ("id", name), ".", field[1].text)
                        inside = ("assign", "=", member, parse(field[3:]))
                        into = [(self.node("expr", inside, field[0].line, into), 0)]
                continue
            expr = ("assign", "=", ("id", name), parse(part[len(sides[0]) + 1:]))
            into = [(self.node("expr", expr, line, into), 0)]
        return into

    def _macro_loop(self, into: Loose, end: int) -> Loose:
        name = self.peek()
        line = self.tokens[self.at].line
        call = parse(self.tokens[self.at:end + 1])
        self.at = end + 1
        if name.startswith("scoped_") or name == "guard":
            number = self.node("expr", call, line, into)
            return self.statement([(number, 0)])
        number = self.node("foreach", call, line, into)
        self.breaks.append([])
        self.continues.append(number)
        self.join(self.statement([(number, 0)]), number)
        self.continues.pop()
        return [(number, 1)] + self.breaks.pop()

    # Keywords

    def _if(self, into: Loose, line: int) -> Loose:
        condition = self.node("branch", parse(self.group()), line, into)
        out = self.statement([(condition, 0)])
        if self.peek() == "else":
            self.at += 1
            return out + self.statement([(condition, 1)])
        return out + [(condition, 1)]

    def _else(self, into: Loose, _line: int) -> Loose:
        # One without an if that we have seen.
        self.statement([])
        return into

    def _while(self, into: Loose, line: int) -> Loose:
        head = self.node("nop", None, line, into)
        condition = self.node("branch", parse(self.group()), line, [(head, 0)])
        return self._body(head, condition)

    def _body(self, again: int, condition: int) -> Loose:
        self.breaks.append([])
        self.continues.append(again)
        self.join(self.statement([(condition, 0)]), again)
        self.continues.pop()
        return [(condition, 1)] + self.breaks.pop()

    def _do(self, into: Loose, line: int) -> Loose:
        head = self.node("nop", None, line, into)
        tail = self.node("nop", None, line, [])
        self.breaks.append([])
        self.continues.append(tail)
        self.join(self.statement([(head, 0)]), tail)
        self.continues.pop()
        if self.peek() == "while":
            self.at += 1
        condition = self.node("branch", parse(self.group()), line, [(tail, 0)])
        if self.peek() == ";":
            self.at += 1
        self.join([(condition, 0)], head)
        return [(condition, 1)] + self.breaks.pop()

    def _for(self, into: Loose, line: int) -> Loose:
        parts = split(self.group(), ";")
        parts += [[]] * (3 - len(parts))
        into = self.simple(list(parts[0]), into)
        head = self.node("nop", None, line, into)
        until = parse(parts[1]) if parts[1] else ("num", "1")
        condition = self.node("branch", until, line, [(head, 0)])
        step = self.node("expr", parse(parts[2]), line, [])
        self.join([(step, 0)], head)
        return self._body(step, condition)

    def _switch(self, into: Loose, line: int) -> Loose:
        head = self.node("switch", parse(self.group()), line, into)
        self.breaks.append([])
        self.cases.append((head, [False]))
        out = self.statement([])
        _, seen = self.cases.pop()
        out = out + self.breaks.pop()
        if not seen[0]:
            out.append((head, len(self.nodes[head].succs)))
            self.nodes[head].succs.append(1)
        return out

    def _default(self, into: Loose, line: int) -> Loose:
        return self._case(into, line, True)

    def _case(self, into: Loose, line: int, default: bool = False) -> Loose:
        self.until(":")
        number = self.node("nop", None, line, into)
        if self.cases:
            head, seen = self.cases[-1]
            self.nodes[head].succs.append(number)
            seen[0] = seen[0] or default
        return [(number, 0)]

    def _return(self, into: Loose, line: int) -> Loose:
        tokens = self.until(";")
        number = self.node("return", parse(tokens) if tokens else None, line, into)
        self.nodes[number].succs = [1]
        return []

    def _goto(self, into: Loose, line: int) -> Loose:
        tokens = self.until(";")
        number = self.node("nop", None, line, into)
        self.gotos.append((number, tokens[0].text if tokens else ""))
        return []

    def _break(self, into: Loose, _line: int) -> Loose:
        self.until(";")
        if self.breaks:
            self.breaks[-1] += into
        return []

    def _continue(self, into: Loose, _line: int) -> Loose:
        self.until(";")
        if self.continues:
            self.join(into, self.continues[-1])
        return []


def _is_declaration(tokens: Sequence[Token]) -> bool:
    first = tokens[0]
    if first.kind != "id":
        return False
    if first.text in TYPES:
        return True
    if len(tokens) < 2:
        return False
    if tokens[1].kind == "id":
        return True
    at = 1
    while at < len(tokens) and tokens[at].text == "*":
        at += 1
    return (at > 1 and at < len(tokens) and tokens[at].kind == "id"
            and (at + 1 == len(tokens) or tokens[at + 1].text in ("=", ",", "[")))
