# SPDX-License-Identifier: GPL-2.0-only
"""The one finder of C functions.

No compiler, no configuration: both sides of an #if are read, macros are taken
for functions, and what cannot be parsed is skipped up to its semicolon, with
the calls in it kept.
"""

import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from .lexer import Token, blank, closing, preprocess, split, tokenize

_NOT_NAMES = frozenset((
    "__attribute__", "__printf", "__scanf", "__acquires", "__releases", "__must_hold", "__section",
    "__aligned", "__alloc_size", "__cond_acquires", "__malloc", "__free", "__diag", "if", "while",
    "for", "switch", "typeof", "__typeof__", "__bpf_kfunc", "__counted_by", "__acquires_shared",
    "__releases_shared", "__must_hold_shared", "__no_context_analysis", "__context_unsafe"))


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
        self.types: Dict[str, str] = {parameter.name: parameter.kind for parameter in parameters}
        self.lists: List[str] = []

    def calls(self, name: str) -> bool:
        """Tell whether it calls @name."""
        if name not in self.words:
            return False
        tokens = self.tokens
        return any(token.text == name and tokens[at + 1].text == "("
                   for at, token in enumerate(tokens[:-1]))


class Source:
    """One file: its lines as written, and its functions."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()
        clean, self._macros = preprocess(blank(text))
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


def declared(tokens: Sequence[Token]) -> str:
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
    for part in split(tokens):
        name = declared(part) if len(part) > 1 else ""
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
                parts = split(inside)
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
