# SPDX-License-Identifier: GPL-2.0-only
"""Reads C the way `check` needs it: functions, as graphs of what runs after what.

No compiler, no configuration: both sides of an #if are read, macros are taken
for functions, and what cannot be parsed is skipped up to its semicolon, with
the calls in it kept.
"""

import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

#: An expression: (kind, …).  Kinds: id, num, call, un, bin, assign, cond, mem, idx, raw.
Expr = Tuple[object, ...]


class Token(NamedTuple):
    """A word or sign of C, its line, and its number in the text."""

    kind: str
    text: str
    line: int
    number: int = 0


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


class Parameter(NamedTuple):
    """A parameter of a function; @kind is its type as written."""

    name: str
    kind: str


class Function:
    """A function, or a macro that looks like one."""

    def __init__(self, name: str, line: int, static: bool, macro: bool,
                 parameters: List[Parameter], tokens: List[Token]) -> None:
        self.name = name
        self.line = line
        self.static = static
        self.macro = macro
        self.parameters = parameters
        self.tokens = tokens
        self.words = {token.text for token in tokens if token.kind == "id"}
        self.last = tokens[-1].line if tokens else line
        self._graph: Optional[List[Node]] = None
        self.types: Dict[str, str] = {parameter.name: parameter.kind for parameter in parameters}
        self.lists: List[str] = []

    @property
    def graph(self) -> List[Node]:
        """Its nodes; 0 is where it starts, 1 where it ends."""
        if self._graph is None:
            builder = _Builder(self)
            builder.run()
            self._graph = builder.nodes
        return self._graph

    def calls(self, name: str) -> bool:
        """Tell whether it calls @name."""
        if name not in self.words:
            return False
        tokens = self.tokens
        return any(token.text == name and tokens[at + 1].text == "(" for at, token in enumerate(tokens[:-1]))


class Source:
    """One file: its lines as written, and its functions."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()
        clean, self._macros = _preprocess(_blank(text))
        self.tokens = tokenize(clean)
        self.functions: List[Function] = _functions(self.tokens) + [
            function for function in map(_macro, self._macros) if function is not None]
        self._by_name: Dict[str, List[Function]] = {}
        for function in self.functions:
            self._by_name.setdefault(function.name, []).append(function)

    def text(self, line: int) -> str:
        """A line as written, without the space around it."""
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""

    def defines(self, name: str) -> List[Function]:
        """The functions of that name: more than one with #else."""
        return self._by_name.get(name, [])


# Text to tokens

_COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
_TOKEN = re.compile(
    r"(?P<id>[A-Za-z_]\w*)|(?P<num>\.?\d(?:[eEpP][+-]|[\w.])*)|(?P<str>\"\")|"
    r"(?P<op>->|\+\+|--|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||\.\.\.|[-+*/%&|^]=|##|[^\s\w])|(?P<nl>\n)")


def _blank(text: str) -> str:
    """@text without comments and the insides of strings, lines in place."""
    def blank(match: "re.Match[str]") -> str:
        found = match.group()
        if found[0] == '"':
            return '""'
        if found[0] == "'":
            return "1"
        return " " + "\n" * found.count("\n")
    return _COMMENT.sub(blank, text.replace("\f", " "))


def tokenize(text: str, line: int = 1) -> List[Token]:
    """The tokens of @text, which starts on @line."""
    found: List[Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind == "nl":
            line += 1
        else:
            found.append(Token(kind, match.group(), line, len(found)))
    return found


class _Branch:
    """A side of an #if: whether it can be built, whether it is the #else, and its lines."""

    def __init__(self, possible: bool, depth: int, otherwise: bool = False) -> None:
        self.possible = possible
        self.otherwise = otherwise
        self.depth = depth
        self.lines: List[str] = []


def _preprocess(text: str) -> Tuple[str, List[Tuple[int, str]]]:
    """@text with every side of its #ifs, and its #defines as (line, text).

    In a function the sides become the two arms of an if of which nothing is known.
    """
    macros: List[Tuple[int, str]] = []
    stack: List[List[_Branch]] = []
    out: List[str] = []
    depth = 0
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        start = at
        target = stack[-1][-1].lines if stack else out
        if line.lstrip().startswith("#"):
            while lines[at].endswith("\\") and at + 1 < len(lines):
                at += 1
            whole = " ".join(part.rstrip("\\") for part in lines[start:at + 1])
            blank = [""] * (at + 1 - start)
            word = re.match(r"\s*#\s*(\w*)\s*(.*)", whole)
            name, rest = (word.group(1), word.group(2).strip()) if word else ("", "")
            if name in ("if", "ifdef", "ifndef"):
                stack.append([_Branch(not (name == "if" and rest == "0"), depth)])
                stack[-1][-1].lines += blank
            elif name in ("else", "elif") and stack:
                depth = stack[-1][0].depth
                stack[-1].append(_Branch(True, depth, name == "else"))
                stack[-1][-1].lines += blank
            elif name == "endif" and stack:
                group = stack.pop()
                joined, depth = _join(group)
                target = stack[-1][-1].lines if stack else out
                target += joined
                target += blank
            else:
                if name == "define" and (not stack or stack[-1][-1].possible):
                    macros.append((start + 1, "\n".join(part.rstrip("\\") for part in lines[start:at + 1])))
                target += blank
        else:
            depth += line.count("{") - line.count("}")
            target.append(line)
        at += 1
    for group in stack:
        for branch in group:
            out += branch.lines
    return "\n".join(out), macros


def _balance(branch: _Branch) -> int:
    text = "\n".join(branch.lines)
    return text.count("{") - text.count("}")


def _join(group: List[_Branch]) -> Tuple[List[str], int]:
    """The lines of an #if … #endif, and the depth of braces after it."""
    depth = group[0].depth
    keep = [branch for branch in group if branch.possible]
    for branch in group:
        if not branch.possible:
            branch.lines = [""] * len(branch.lines)
    texts = [" ".join(branch.lines).split() for branch in group]
    if any(_balance(branch) for branch in keep) or any(
            words and (words[0] in ("else", "}") or words[-1] in ("else", "(", "&&", "||", ","))
            for words in texts):
        # No whole statements: the first side that there is, unless all are parts of a list.
        uneven = any(_balance(branch) for branch in keep)
        first = next((branch for branch in group if branch.possible and "".join(branch.lines).strip()), None)
        for branch in group:
            if uneven and branch is not first:
                branch.lines = [""] * len(branch.lines)
        if first is not None:
            depth += _balance(first) if uneven else 0
    elif depth > 0 and all(not words or words[-1][-1] in ";}:" for words in texts):
        for number, branch in enumerate(group):
            if not branch.possible:
                continue
            last = number == len(group) - 1
            # On the line of the directive, so that no line moves.
            branch.lines[0] = "{" if branch.otherwise else "if (__either_way) {"
            branch.lines[-1] += " }" if last else " } else"
    elif len(keep) > 1 and depth > 0:
        for branch in keep[1:]:
            branch.lines = [""] * len(branch.lines)
    lines: List[str] = []
    for branch in group:
        lines += branch.lines
    if lines and lines[-1].endswith("} else"):
        lines[-1] += " ;"
    return lines, depth


# Tokens to functions

_NOT_NAMES = frozenset((
    "__attribute__", "__printf", "__scanf", "__acquires", "__releases", "__must_hold", "__section",
    "__aligned", "__alloc_size", "__cond_acquires", "__malloc", "__free", "__diag", "if", "while",
    "for", "switch", "typeof", "__typeof__", "__bpf_kfunc", "__counted_by", "__acquires_shared",
    "__releases_shared", "__must_hold_shared", "__no_context_analysis", "__context_unsafe"))
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def closing(tokens: Sequence[Token], at: int) -> int:
    """The index of the bracket that closes the one at @at, or the end."""
    depth = 0
    for index in range(at, len(tokens)):
        text = tokens[index].text
        if text in "([{":
            depth += 1
        elif text in ")]}":
            depth -= 1
            if depth == 0:
                return index
    return len(tokens) - 1


def _split(tokens: Sequence[Token], sign: str = ",") -> List[List[Token]]:
    """@tokens cut at every @sign that is in no bracket."""
    parts: List[List[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.text in ("(", "[", "{"):
            depth += 1
        elif token.text in (")", "]", "}"):
            depth -= 1
        if token.text == sign and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _declared(tokens: Sequence[Token]) -> str:
    """The name that a declarator declares."""
    for at, token in enumerate(tokens[:-2]):
        if token.text == "(" and tokens[at + 1].text == "*" and tokens[at + 2].kind == "id":
            return tokens[at + 2].text
    name = ""
    depth = 0
    for token in tokens:
        if token.text in ("(", "["):
            depth += 1
        elif token.text in (")", "]"):
            depth -= 1
        elif depth == 0 and token.kind == "id" and not token.text.startswith("__"):
            name = token.text
    return name


def _parameters(tokens: Sequence[Token]) -> List[Parameter]:
    found = []
    for part in _split(tokens):
        name = _declared(part) if len(part) > 1 else ""
        found.append(Parameter(name, " ".join(token.text for token in part if token.text != name)))
    return found


def _functions(tokens: List[Token]) -> List[Function]:
    found: List[Function] = []
    start = at = 0
    while at < len(tokens):
        text = tokens[at].text
        if text in ("(", "["):
            at = closing(tokens, at) + 1
        elif text == "{":
            end = closing(tokens, at)
            function = _function(tokens[start:at], tokens[at:end + 1])
            if function is not None:
                found.append(function)
                start = end + 1
            at = end + 1
        else:
            if text in (";", "}"):
                start = at + 1
            at += 1
    return found


def _function(head: List[Token], body: List[Token]) -> Optional[Function]:
    depth = 0
    for at, token in enumerate(head):
        if token.text in "([":
            depth += 1
        elif token.text in ")]":
            depth -= 1
        elif depth == 0 and token.text == "=":
            return None
        if (depth == 0 and token.kind == "id" and token.text not in _NOT_NAMES
                and at + 1 < len(head) and head[at + 1].text == "("):
            end = closing(head, at + 1)
            inside = head[at + 2:end]
            name = token.text
            if re.match(r"(?:COMPAT_)?SYSCALL_DEFINE\d", name):
                parts = _split(inside)
                name = "sys_" + (parts[0][0].text if parts[0] else "")
                pairs = parts[1:]
                parameters = [Parameter(pairs[number + 1][-1].text if pairs[number + 1] else "",
                                        " ".join(word.text for word in pairs[number]))
                              for number in range(0, len(pairs) - 1, 2)]
                return Function(name, token.line, False, False, parameters, body)
            static = any(word.text == "static" for word in head[:at])
            return Function(name, token.line, static, False, _parameters(inside), body)
    return None


def _macro(found: Tuple[int, str]) -> Optional[Function]:
    line, text = found
    match = re.match(r"\s*#\s*define\s+(\w+)\(([^)]*)\)", text)
    if match is None:
        return None
    offset = text[:match.end()].count("\n")
    tokens = tokenize(text[match.end():], line + offset)
    if not tokens:
        return None
    parameters = [Parameter(name.strip(), "") for name in match.group(2).split(",")]
    end = tokens[-1].line
    body = [Token("op", "{", line), *tokens, Token("op", ";", end), Token("op", "}", end)]
    return Function(match.group(1), line, False, True, parameters, body)


# Function bodies to graphs

_TYPES = frozenset((
    "struct", "union", "enum", "const", "static", "unsigned", "signed", "int", "long", "short", "bool",
    "char", "void", "volatile", "register", "extern", "typeof", "__typeof__", "auto", "float", "double"))
_BINARY = {"*": 10, "/": 10, "%": 10, "+": 9, "-": 9, "<<": 8, ">>": 8, "<": 7, ">": 7, "<=": 7, ">=": 7,
           "==": 6, "!=": 6, "&": 5, "^": 4, "|": 3, "&&": 2, "||": 1}
_ASSIGN = frozenset(("=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="))
_KEYWORDS = frozenset(("if", "else", "while", "for", "do", "switch", "case", "default", "return", "goto",
                       "break", "continue"))

Loose = List[Tuple[int, int]]


class _Unparsed(Exception):
    """This is no expression that the parser knows."""


class _Expressions:
    """Parses expressions out of @tokens."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self, ahead: int = 0) -> str:
        """The text of a token to come, empty at the end."""
        index = self.at + ahead
        return self.tokens[index].text if index < len(self.tokens) else ""

    def kind(self, ahead: int = 0) -> str:
        """The kind of a token to come."""
        index = self.at + ahead
        return self.tokens[index].kind if index < len(self.tokens) else ""

    def line(self) -> int:
        """Where we are."""
        return self.tokens[min(self.at, len(self.tokens) - 1)].line

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
                self.at = closing(self.tokens, self.at) + 1
                return ("num", "8")
            self.unary()
            return ("num", "8")
        if sign == "(" and self._cast():
            self.at = closing(self.tokens, self.at) + 1
            if self.peek() == "{":
                return self.braces()
            return self.unary()
        return self.postfix(self.primary())

    def _cast(self) -> bool:
        end = closing(self.tokens, self.at)
        inside = self.tokens[self.at + 1:end]
        if not inside or inside[0].kind != "id":
            return False
        if inside[0].text in _TYPES:
            return True
        if any(token.text not in ("*", "__user", "__iomem", "__force") and token.kind != "id" for token in inside):
            return False
        after = self.tokens[end + 1] if end + 1 < len(self.tokens) else None
        if inside[-1].text == "*" and all(token.text == "*" for token in inside[1:]):
            return True
        if after is None or len([token for token in inside if token.kind == "id"]) > 2:
            return False
        return (after.kind in ("id", "num", "str") and after.text not in _KEYWORDS) or (
            inside[0].text.endswith("_t") and after.text in ("(", "-", "~"))

    def braces(self) -> Expr:
        """{ … }, of which only the calls matter."""
        end = closing(self.tokens, self.at)
        inside = self.tokens[self.at:end + 1]
        self.at = end + 1
        return raw(inside)

    def primary(self) -> Expr:
        """A name, a number, something in brackets."""
        text, kind = self.peek(), self.kind()
        if text == "(":
            end = closing(self.tokens, self.at)
            if self.peek(1) == "{":
                inside = self.tokens[self.at + 1:end]
                self.at = end + 1
                return raw(inside)
            inner = _Expressions(self.tokens[self.at + 1:end])
            self.at = end + 1
            return inner.full()
        if text == "{":
            return self.braces()
        if kind == "id" and text not in _KEYWORDS:
            if text in ("struct", "union", "enum"):
                raise _Unparsed(text)
            self.at += 1
            return ("id", text)
        if kind in ("num", "str"):
            while self.kind() == "str":
                self.at += 1
            if kind == "num":
                self.at += 1
            while self.kind() == "str":
                self.at += 1
            return ("num", text)
        raise _Unparsed(text)

    def postfix(self, expr: Expr) -> Expr:
        """Calls, members, indices."""
        while True:
            sign = self.peek()
            if sign == "(":
                line = self.tokens[self.at - 1].line
                end = closing(self.tokens, self.at)
                inside = self.tokens[self.at + 1:end]
                number = self.tokens[self.at].number
                self.at = end + 1
                args = tuple(parse(part) for part in _split(inside)) if inside else ()
                expr = ("call", expr, args, line, number)
            elif sign == "[":
                end = closing(self.tokens, self.at)
                inside = self.tokens[self.at + 1:end]
                self.at = end + 1
                expr = ("idx", expr, parse(inside))
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


def raw(tokens: Sequence[Token]) -> Expr:
    """Whatever @tokens are: the calls in them, in their order."""
    calls: List[Expr] = []
    at = 0
    while at + 1 < len(tokens):
        token = tokens[at]
        if token.kind == "id" and token.text not in _KEYWORDS and tokens[at + 1].text == "(":
            end = closing(tokens, at + 1)
            inside = tokens[at + 2:end]
            args = tuple(parse(part) for part in _split(inside)) if inside else ()
            calls.append(("call", ("id", token.text), args, token.line, tokens[at + 1].number))
            at = end + 1
        else:
            at += 1
    return ("raw", tuple(calls))


class _Builder:
    """Makes the graph of a function out of its tokens."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.tokens = function.tokens
        self.at = 0
        self.nodes: List[Node] = [Node("nop", None, function.line), Node("exit", None, function.last)]
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

    def peek(self, ahead: int = 0) -> str:
        """The text of a token to come, empty at the end."""
        index = self.at + ahead
        return self.tokens[index].text if index < len(self.tokens) else ""

    def group(self) -> Sequence[Token]:
        """What is in the brackets that open here; steps over them."""
        if self.peek() != "(":
            return ()
        end = closing(self.tokens, self.at)
        inside = self.tokens[self.at + 1:end]
        self.at = end + 1
        return inside

    def until(self, sign: str) -> List[Token]:
        """The tokens up to @sign, which is stepped over."""
        depth = 0
        start = self.at
        while self.at < len(self.tokens):
            text = self.tokens[self.at].text
            if text in ("(", "[", "{"):
                depth += 1
            elif text in (")", "]", "}"):
                if depth == 0:
                    return list(self.tokens[start:self.at])
                depth -= 1
            elif text == sign and depth == 0:
                self.at += 1
                return list(self.tokens[start:self.at - 1])
            self.at += 1
        return list(self.tokens[start:])

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
        handler = getattr(self, "_" + text, None) if text in _KEYWORDS else None
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
            if after is not None and (after.text == "{" or after.text in _KEYWORDS
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
        head = tokens[0].text
        if re.fullmatch(r"LIST_HEAD", head) and len(tokens) > 2:
            self.function.lists.append(tokens[2].text)
        return [(self.node("expr", parse(tokens), tokens[0].line, into), 0)]

    def declaration(self, tokens: List[Token], into: Loose) -> Loose:
        """type a = x, *b;"""
        base = ""
        for number, part in enumerate(_split(tokens)):
            sides = _split(part, "=")
            name = _declared(sides[0])
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
                for field in _split(value[1:-1]):
                    if len(field) > 3 and field[0].text == "." and field[2].text == "=":
                        into = [(self.node("expr", (
                            "assign", "=", ("mem", ("id", name), ".", field[1].text), parse(field[3:])),
                            field[0].line, into), 0)]
                continue
            expr = parse(part[len(sides[0]) + 1:])
            into = [(self.node("expr", ("assign", "=", ("id", name), expr), line, into), 0)]
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
        self.nodes.append(Node("nop", None, line))
        tail = len(self.nodes) - 1
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
        parts = _split(self.group(), ";")
        parts += [[]] * (3 - len(parts))
        into = self.simple(list(parts[0]), into)
        head = self.node("nop", None, line, into)
        condition = self.node("branch", parse(parts[1]) if parts[1] else ("num", "1"), line, [(head, 0)])
        self.nodes.append(Node("expr", parse(parts[2]), line))
        step = len(self.nodes) - 1
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

    def _case(self, into: Loose, line: int) -> Loose:
        self.until(":")
        return self._arm(into, line, False)

    def _default(self, into: Loose, line: int) -> Loose:
        self.until(":")
        return self._arm(into, line, True)

    def _arm(self, into: Loose, line: int, default: bool) -> Loose:
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
    if first.text in _TYPES:
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
