# SPDX-License-Identifier: GPL-2.0-only
"""What expressions and calls come to in a state, and the states after them."""

import re
from typing import Dict, Iterable, List, Optional, Set, Tuple

from .expressions import Expr, called, line_of, show
from .functions import Function, Source
from .locks import (ASSERT, BUG, DAX_ONLY, IS_LOCKED, LEAVES, LOCK, MAY_RETURN_LOCKED,
                    RETURN_LOCKED, SAME, TESTS, TOUCH, TRYLOCK, UNLOCK, WARN)
from .states import (NULL, Effect, Effects, Hit, State, Taken, Value, about_parameters, assume,
                     assume_test, combine, compare, fits)


class Evaluator:
    """Evaluates the expressions of @function, and notes the calls of @targets."""

    def __init__(self, source: Source, function: Function, targets: Iterable[str],
                 effects: Effects) -> None:
        self.source = source
        self.function = function
        self.targets = frozenset(targets)
        self.effects = effects
        self.hits: List[Hit] = []
        #: Folios that are unlocked without having been locked here: by name, the line.
        self.released: Dict[str, int] = {}
        self.taken: Set[Taken] = set()
        #: By name of an unknown: what it came from, and the line.
        self.origins: Dict[str, Tuple[str, int, str]] = {}
        #: Lines where a folio was found not to be anonymous.
        self.tests: Dict[Tuple[str, str], int] = {}
        self._locals = set(function.types)
        self._keep: Set[str] = set()
        self._again: Set[int] = set()
        self._counters: Set[str] = set()
        self._here = 0

    def _renew(self, name: str, state: State) -> None:
        """The place @name is about to get a new value: the old one goes by another name."""
        if self._here not in self._again:
            return
        for key in [key for key in state.facts if any(name in part for part in key[1:])]:
            del state.facts[key]
        for key in [key for key in state.env if any(name in part for part in key[1:])]:
            del state.env[key]
        for what in [what for what in state.locks if name in what]:
            del state.locks[what]
        for var, value in list(state.env.items()):
            if value[0] == "s" and name in str(value[1]):
                state.env[var] = ("s", f"g:old_{re.sub(r'[^0-9a-z]', '', name)}")

    # Conditions

    def condition(self, expr: Expr, state: State) -> Tuple[List[State], List[State]]:
        """The states in which @expr is true, and those in which it is not."""
        kind = expr[0]
        if kind == "un" and expr[1] == "!":
            yes, no = self.condition(expr[2], state)  # type: ignore[arg-type]
            return no, yes
        if kind == "bin" and expr[1] in ("&&", "||"):
            yes, no = self.condition(expr[2], state)  # type: ignore[arg-type]
            through, out = (yes, no) if expr[1] == "&&" else (no, yes)
            hold: List[State] = []
            other: List[State] = []
            for after in through:
                more_yes, more_no = self.condition(expr[3], after)  # type: ignore[arg-type]
                hold += more_yes
                other += more_no
            return (hold, out + other) if expr[1] == "&&" else (out + hold, other)
        if kind == "bin" and expr[1] == ",":
            yes, no = [], []
            for _, after in self.value(expr[2], state):  # type: ignore[arg-type]
                one, two = self.condition(expr[3], after)  # type: ignore[arg-type]
                yes += one
                no += two
            return yes, no
        if kind == "bin" and expr[1] in ("==", "!="):
            yes, no = [], []
            for left, after in self.value(expr[2], state):  # type: ignore[arg-type]
                for right, then in self.value(expr[3], after):  # type: ignore[arg-type]
                    same, differ = compare(left, right, then)
                    yes += same
                    no += differ
            return (yes, no) if expr[1] == "==" else (no, yes)
        if kind == "call" and isinstance(expr[1], tuple) and expr[1][0] == "id":
            name = str(expr[1][1])
            args = expr[2]
            assert isinstance(args, tuple)
            if name in SAME and len(args) >= 1:
                return self.condition(args[0], state)
            if (name in TESTS or name in IS_LOCKED) and len(args) == 1:
                return self._test(name, args[0], int(str(expr[3])), state)
            if WARN.match(name) and args:
                yes, no = self.condition(args[0], state)
                tested: Set[str] = set()
                called(args[0], tested)
                return ([], no) if tested & IS_LOCKED else (yes, no)
        yes, no = [], []
        for value, after in self.value(expr, state):
            other_way = after.copy()
            if assume(value, True, after):
                yes.append(after)
            if assume(value, False, other_way):
                no.append(other_way)
        return yes, no

    def _test(self, name: str, arg: Expr, line: int,
              state: State) -> Tuple[List[State], List[State]]:
        yes: List[State] = []
        no: List[State] = []
        for value, after in self.value(arg, state):
            what = str(value[1])
            other = after.copy()
            if name in IS_LOCKED:
                status = after.locks.get(what, ("", 0))[0]
                if status in ("", "F"):
                    after.locks[what] = ("A", line)
                    other.locks[what] = ("T", line)
                if status not in ("U", "R", "T"):
                    yes.append(after)
                if status not in ("L", "A"):
                    no.append(other)
                continue
            test = TESTS[name]
            if assume_test(test, what, True, after):
                yes.append(after)
            if assume_test(test, what, False, other):
                if test == "anon":
                    self.tests.setdefault(("anon", what), line)
                no.append(other)
        return yes, no

    # Values

    def value(self, expr: Expr, state: State) -> List[Tuple[Value, State]]:
        """The values that @expr can have, each with the state after it."""
        kind = expr[0]
        if kind == "id":
            return [(self._name(str(expr[1]), state), state)]
        if kind == "num":
            text = str(expr[1])
            try:
                return [(("i", int(text.rstrip("uUlL"), 0)), state)]
            except ValueError:
                return [(("s", f"g:{re.sub(r'[^0-9A-Za-z]', '_', text)}"), state)]
        if kind == "call":
            return self._call(expr, state)
        if kind == "assign":
            return self._assign(expr, state)
        if kind == "un":
            return self._unary(expr, state)
        if kind == "bin":
            return self._binary(expr, state)
        if kind == "cond":
            yes, no = self.condition(expr[1], state)  # type: ignore[arg-type]
            return [pair for side, states in ((expr[2], yes), (expr[3], no))
                    for after in states
                    for pair in self.value(side, after)]  # type: ignore[arg-type]
        if kind == "mem":
            return [(self._member(base, str(expr[2]), str(expr[3]), after), after)
                    for base, after in self._base(expr, state)]
        if kind == "idx":
            result = []
            for base, after in self.value(expr[1], state):  # type: ignore[arg-type]
                for index, then in self.value(expr[2], after):  # type: ignore[arg-type]
                    field = f"[{index[1]}]"
                    name = f"{base[1]}{field}"
                    self.origins.setdefault(name, ("[]", line_of(expr), show(expr)))
                    result.append((then.env.get(("m", str(base[1]), field), ("s", name)), then))
            return result
        states = [state]
        if kind == "raw":
            for part in expr[1]:  # type: ignore[attr-defined]
                states = [after for each in states for _, after in self.value(part, each)]
        return [(("s", "g:raw"), after) for after in states]

    def _name(self, name: str, state: State) -> Value:
        known = state.env.get(("v", name))
        if known is not None:
            return known
        if name in ("NULL", "false"):
            return NULL
        if name == "true":
            return ("i", 1)
        if re.fullmatch(r"_*[A-Z][A-Z0-9_]+", name) and name not in self._locals:
            return ("f", frozenset((name,)))
        return ("s", f"g:{name}" if name in self._keep else f"g:~{name}")

    def _base(self, expr: Expr, state: State) -> List[Tuple[Value, State]]:
        """What a member expression is about: the struct's address."""
        inner = expr[1]
        assert isinstance(inner, tuple)
        if expr[2] == ".":
            return self._address(inner, state)
        return self.value(inner, state)

    def _address(self, expr: Expr, state: State) -> List[Tuple[Value, State]]:
        kind = expr[0]
        if kind == "id":
            return [(("s", f"&{expr[1]}"), state)]
        if kind == "un" and expr[1] == "*":
            return self.value(expr[2], state)  # type: ignore[arg-type]
        if kind == "mem":
            result = []
            for base, after in self._base(expr, state):
                if expr[3] == "page":
                    # The first page of a folio stands for the folio.
                    result.append((base, after))
                else:
                    result.append((("s", f"{base[1]}->{expr[3]}"), after))
            return result
        return self.value(expr, state)

    def _member(self, base: Value, sign: str, field: str, state: State) -> Value:
        what = str(base[1])
        name = f"{what}->{field}"
        self.origins.setdefault(name, (sign, 0, name))
        return state.env.get(("m", what, field), ("s", name))

    def _unary(self, expr: Expr, state: State) -> List[Tuple[Value, State]]:
        sign, inner = expr[1], expr[2]
        assert isinstance(inner, tuple)
        if sign == "!":
            yes, no = self.condition(expr, state)
            return [(("i", 1), after) for after in yes] + [(NULL, after) for after in no]
        if sign == "&":
            return self._address(inner, state)
        result = []
        for value, after in self.value(inner, state):
            if sign in ("++", "--"):
                if inner[0] == "id" and inner[1] in self._keep:
                    self._count(str(inner[1]), after)
                result.append((value, after))
            elif sign == "-" and value[0] == "i" and isinstance(value[1], int):
                result.append((("i", -value[1]), after))
            elif sign == "-" and value[0] == "f":
                flags = "|".join(sorted(value[1]))  # type: ignore[arg-type]
                result.append((("c", f"-{flags}"), after))
            elif sign == "*":
                unknown = ("s", f"{value[1]}->*")
                result.append((after.env.get(("m", str(value[1]), "*"), unknown), after))
            else:
                result.append((("s", f"{sign}({value[1]})"), after))
        return result

    def _count(self, name: str, state: State) -> None:
        """A variable that counts gets its next value."""
        self._renew(f"g:{name}", state)
        state.env[("v", name)] = ("s", f"g:{name}")

    def _binary(self, expr: Expr, state: State) -> List[Tuple[Value, State]]:
        sign = str(expr[1])
        if sign in ("&&", "||", "==", "!="):
            yes, no = self.condition(expr, state)
            return [(("i", 1), after) for after in yes] + [(NULL, after) for after in no]
        result: List[Tuple[Value, State]] = []
        for left, after in self.value(expr[2], state):  # type: ignore[arg-type]
            for right, then in self.value(expr[3], after):  # type: ignore[arg-type]
                result.append((right if sign == "," else combine(sign, left, right), then))
        return result

    def _assign(self, expr: Expr, state: State) -> List[Tuple[Value, State]]:
        sign, target, source = str(expr[1]), expr[2], expr[3]
        assert isinstance(target, tuple) and isinstance(source, tuple)
        result = []
        for value, after in self.value(source, state):
            if sign in ("|=", "&="):
                old = self.value(target, after)[0][0]
                value = combine(sign[:-1], old, value)
                if value[0] == "s" and len(str(value[1])) > 120:
                    value = ("s", "g:~much")
            elif sign != "=":
                value = ("s", "g:~count")
            if target[0] == "id":
                if target[1] in self._counters and target[1] in self._keep:
                    self._count(str(target[1]), after)
                elif target[1] in self._keep:
                    after.env[("v", str(target[1]))] = value
            elif target[0] == "mem":
                for base, then in self._base(target, after):
                    key = ("m", str(base[1]), str(target[3]))
                    if "g:~" in str(value[1]) or "g:~" in key[1]:
                        then.env.pop(key, None)
                    else:
                        then.env[key] = value
            elif target[0] == "un" and target[1] == "*":
                for base, then in self.value(target[2], after):
                    then.env[("m", str(base[1]), "*")] = value
            else:
                for _ in self.value(target, after):
                    pass
            result.append((value, after))
        return result

    # Calls

    def _call(self, expr: Expr, state: State) -> List[Tuple[Value, State]]:
        callee, args, line = expr[1], expr[2], int(str(expr[3]))
        assert isinstance(callee, tuple) and isinstance(args, tuple)
        name = str(callee[1]) if callee[0] == "id" else ""
        if name in SAME and args:
            return self.value(args[0], state)
        if name in TESTS or name in IS_LOCKED or WARN.match(name or "-"):
            if len(args) == 1 or WARN.match(name):
                yes, no = self.condition(expr, state)
                return [(("i", 1), after) for after in yes] + [(NULL, after) for after in no]
        if args and ASSERT.search(name):
            tested: Set[str] = set()
            called(expr, tested)
            if tested & IS_LOCKED:
                return [(NULL, after) for after in self._asserted(name, args, state)]
        if name and BUG.match(name) and args:
            _, no = self.condition(args[0], state)
            return [(NULL, after) for after in no]
        result: List[Tuple[Value, State]] = []
        todo: List[Tuple[List[Value], State]] = [([], state)]
        if not name:
            todo = [([], after) for _, after in self.value(callee, state)]
        for arg in args:
            todo = [(values + [value], after) for values, before in todo
                    for value, after in self.value(arg, before)]
        for values, after in todo:
            if name in self.targets:
                self.hits.append(Hit(name, line, values, after.copy()))
            result += self._called(name, expr, values, after)
        return result

    def _asserted(self, name: str, args: Tuple[Expr, ...], state: State) -> List[State]:
        """A file system's own way to assert: ASSERT(locked), f2fs_bug_on(sbi, !locked)."""
        for arg in args:
            tested: Set[str] = set()
            called(arg, tested)
            if tested & IS_LOCKED:
                yes, no = self.condition(arg, state)
                return no if re.search("bug|warn", name, re.I) else yes
        return [state]

    def _called(self, name: str, expr: Expr, values: List[Value],
                state: State) -> List[Tuple[Value, State]]:
        line = int(str(expr[3]))
        what = str(values[0][1]) if values else ""
        if name in TOUCH and values:
            return self._touch(name, what, line, state)
        if name in DAX_ONLY and values:
            cookie = f"<{expr[4]}>"
            self._renew(cookie, state)
            state.facts[("dax", cookie, what)] = True
            self.tests[("file", what)] = line
            return [(("s", cookie), state)]
        fresh = f"<{expr[4]}>"
        text = show(expr)
        self.origins[fresh] = (name, line, text)
        args = expr[2]
        assert isinstance(args, tuple)
        result: List[Tuple[Value, State]] = []
        for outcome in self._outcomes(name, values):
            after = state.copy() if outcome is not None else state
            self._renew(fresh, after)
            value: Value = ("s", fresh)
            if outcome is not None:
                if not fits(outcome.given, values, after):
                    continue
                for number, status in outcome.locks:
                    if number < len(values) and values[number][0] == "s":
                        self._change(str(values[number][1]), status, line, after)
                if outcome.result is not None:
                    assume(value, outcome.result, after)
                if outcome.returned == "L":
                    after.locks[fresh] = ("L", line)
            if name in RETURN_LOCKED or (name in MAY_RETURN_LOCKED
                                         and re.search(r"FGP_(?:LOCK|WRITEBEGIN)", text)):
                after.locks[fresh] = ("L", line)
            for number, arg in enumerate(args):
                if (arg[:2] == ("un", "&") and isinstance(arg[2], tuple) and arg[2][0] == "id"
                        and arg[2][1] in self._locals and not LEAVES.match(name)
                        and (not self.function.types[arg[2][1]].startswith(("struct", "union"))
                             or "*" in self.function.types[arg[2][1]])):
                    out = f"<{expr[4]}:{number}>"
                    self._renew(out, after)
                    self.origins[out] = (name, line, text)
                    if arg[2][1] in self._keep:
                        after.env[("v", str(arg[2][1]))] = ("s", out)
            result.append((value, after))
        return result

    def _outcomes(self, name: str, values: List[Value]) -> List[Optional[Effect]]:
        asked = name and any(value[0] == "s" for value in values)
        found = self.effects(name, self.source) if asked else None
        return list(found) if found else [None]

    def _change(self, what: str, status: str, line: int, state: State) -> None:
        """A lock changes; `R` is unlocked by somebody who had not locked it here."""
        if status == "R":
            old = state.locks.get(what, ("", 0))[0]
            if old in ("", "A", "R"):
                self.released.setdefault(what, line)
            else:
                status = "U"
        state.locks[what] = (status, line)

    def _touch(self, name: str, what: str, line: int, state: State) -> List[Tuple[Value, State]]:
        if name in UNLOCK:
            self._change(what, "R", line, state)
            return [(("s", "g:void"), state)]
        self.taken.add(Taken(what, line, about_parameters(state.facts)))
        failed = state.copy()
        held = state.locks.get(what, ("", 0))[0] == "L"
        if held and name in TRYLOCK:
            return [(NULL, state)]
        state.locks[what] = ("L", line)
        if name in LOCK:
            return [(("s", "g:void"), state)]
        failed.locks[what] = ("F", line)
        if name in TRYLOCK:
            return [(("i", 1), state), (NULL, failed)]
        return [(NULL, state), (("c", "-EINTR"), failed)]
