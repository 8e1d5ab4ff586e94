# SPDX-License-Identifier: GPL-2.0-only
"""C as `check` reads it: tokens, and what is left of the preprocessor's lines."""

import re
from typing import List, NamedTuple, Sequence, Tuple


class Token(NamedTuple):
    """A word or sign of C, its line, and its number in the text."""

    kind: str
    text: str
    line: int
    number: int = 0


_COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
_TOKEN = re.compile(
    r"(?P<id>[A-Za-z_]\w*)|(?P<num>\.?\d(?:[eEpP][+-]|[\w.])*)|(?P<str>\"\")|"
    r"(?P<op>->|\+\+|--|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||\.\.\.|[-+*/%&|^]=|##|[^\s\w])|"
    r"(?P<nl>\n)")


def blank(text: str) -> str:
    """@text without comments and the insides of strings, lines in place."""
    def hollow(match: "re.Match[str]") -> str:
        found = match.group()
        if found[0] == '"':
            return '""'
        if found[0] == "'":
            return "1"
        return " " + "\n" * found.count("\n")
    return _COMMENT.sub(hollow, text.replace("\f", " "))


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


def preprocess(text: str) -> Tuple[str, List[Tuple[int, str]]]:
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
        if line.lstrip().startswith("#"):
            while lines[at].endswith("\\") and at + 1 < len(lines):
                at += 1
            parts = [part.rstrip("\\") for part in lines[start:at + 1]]
            word = re.match(r"\s*#\s*(\w*)\s*(.*)", " ".join(parts))
            name, rest = (word.group(1), word.group(2).strip()) if word else ("", "")
            if name in ("if", "ifdef", "ifndef"):
                stack.append([_Branch(not (name == "if" and rest == "0"), depth)])
            elif name in ("else", "elif") and stack:
                depth = stack[-1][0].depth
                stack[-1].append(_Branch(True, depth, name == "else"))
            elif name == "endif" and stack:
                joined, depth = _join(stack.pop())
                (stack[-1][-1].lines if stack else out).extend(joined)
            elif name == "define" and (not stack or stack[-1][-1].possible):
                macros.append((start + 1, "\n".join(parts)))
            (stack[-1][-1].lines if stack else out).extend([""] * len(parts))
        else:
            depth += line.count("{") - line.count("}")
            (stack[-1][-1].lines if stack else out).append(line)
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
    uneven = any(_balance(branch) for branch in keep)
    if uneven or any(
            words and (words[0] in ("else", "}") or words[-1] in ("else", "(", "&&", "||", ","))
            for words in texts):
        # No whole statements: the first side that there is, unless all are parts of a list.
        if uneven:
            first = next(branch for branch in keep if "".join(branch.lines).strip())
            depth += _balance(first)
            for branch in group:
                if branch is not first:
                    branch.lines = [""] * len(branch.lines)
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


def split(tokens: Sequence[Token], sign: str = ",") -> List[List[Token]]:
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


class Cursor:
    """A place in @tokens."""

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

    def group(self) -> Sequence[Token]:
        """What is in the brackets that open here; steps over them."""
        end = closing(self.tokens, self.at)
        inside = self.tokens[self.at + 1:end]
        self.at = end + 1
        return inside
