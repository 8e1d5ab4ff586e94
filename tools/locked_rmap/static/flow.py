# SPDX-License-Identifier: GPL-2.0-only
"""Runs a function on paper: on which ways does a call see its folio locked?

All ways through the function are followed, with what is known on each: which
variable is which folio, who is locked, and what the conditions passed so far
said.  Nothing here knows a function of mm by name but those that lock, unlock and
test the folio lock, and those that turn a page into its folio.
"""

import functools
import re
from typing import Callable, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Set, Tuple, Union

from .cparse import Expr, Function, Node, Source

#: ("i", number), ("c", name of a constant), ("f", set of flags), ("s", name of what is not known).
Value = Tuple[str, Union[int, str, FrozenSet[str]]]
Key = Tuple[str, ...]

LOCK = frozenset(("folio_lock", "lock_page", "__folio_lock", "__lock_page"))
KILLABLE = frozenset(("folio_lock_killable", "lock_page_killable", "__folio_lock_killable",
                      "__lock_page_killable"))
TRYLOCK = frozenset(("folio_trylock", "trylock_page"))
UNLOCK = frozenset(("folio_unlock", "unlock_page", "__folio_unlock", "folio_end_read"))
TOUCH = LOCK | KILLABLE | TRYLOCK | UNLOCK
#: These return their folio locked, says their kernel-doc (mm/filemap.c, include/linux/pagemap.h).
RETURN_LOCKED = frozenset(("filemap_lock_folio", "filemap_grab_folio", "find_lock_page", "find_lock_entry",
                           "find_or_create_page", "grab_cache_page", "grab_cache_page_nowait",
                           "grab_cache_page_write_begin", "pagecache_get_locked"))
#: These do so if a flag says it.
MAY_RETURN_LOCKED = frozenset(("__filemap_get_folio", "pagecache_get_page", "__filemap_get_folio_mpol"))
#: Success means that the folio belongs to a DAX mapping: they look for dax_mapping() (fs/dax.c).
DAX_ONLY = frozenset(("dax_lock_folio", "dax_lock_page"))
#: Their result is their first argument, or the folio that it is a page of.
SAME = frozenset(("page_folio", "compound_head", "folio_page", "likely", "unlikely", "data_race", "READ_ONCE",
                  "READ_ONCE_NOCHECK", "smp_load_acquire", "rcu_dereference", "ACCESS_ONCE", "_compound_head",
                  "page_head", "__builtin_expect"))
TESTS = {"folio_test_anon": "anon", "PageAnon": "anon", "folio_test_ksm": "ksm", "PageKsm": "ksm",
         "folio_test_hugetlb": "hugetlb", "PageHuge": "hugetlb"}
IS_LOCKED = frozenset(("folio_test_locked", "PageLocked"))
WARN = re.compile(r"(?:VM_)?WARN(?:_ON)?(?:_ONCE)?(?:_ON)?(?:_FOLIO|_PAGE|_VMA|_MM)?(?:_ONCE)?$")
BUG = re.compile(r"(?:VM_)?BUG_ON(?:_FOLIO|_PAGE|_PGFLAGS|_VMA|_MM)?$")
ASSERT = re.compile(r"assert|bug_?on|warn_?on", re.I)
#: They are given the address of a variable, but leave the folio pointers in it alone.
_LEAVES = re.compile(r"(?:list|hlist|spin|mutex|raw_spin|down|up|atomic\w*|INIT|init|rmap_walk|mmu_notifier|xa|xas)_")
_ID = re.compile(r"<\d+(?::\w+)?>|p:\d+|g:~?\w+|&\w+")

#: More states than this at one node, and what conditions said is forgotten.
MANY = 160
#: More steps than this, and the function is run again with less to remember, at last not to its end.
STEPS = (8000, 20000)

NULL: Value = ("i", 0)


@functools.lru_cache(maxsize=100000)
def ids(text: str) -> Tuple[str, ...]:
    """The names that the name of a value is made of."""
    return tuple(_ID.findall(text))


class State:
    """What is known at one point of one way through a function."""

    __slots__ = ("env", "locks", "facts")

    def __init__(self, env: Dict[Key, Value], locks: Dict[str, Tuple[str, int]], facts: Dict[Key, bool]) -> None:
        self.env = env
        self.locks = locks
        self.facts = facts

    def copy(self) -> "State":
        """One that can go another way."""
        return State(dict(self.env), dict(self.locks), dict(self.facts))

    def key(self) -> Tuple[FrozenSet[object], FrozenSet[object], FrozenSet[object]]:
        """Equal for states that know the same."""
        return frozenset(self.env.items()), frozenset(self.locks.items()), frozenset(self.facts.items())


class Hit(NamedTuple):
    """A call that was asked about, as one way comes to it."""

    name: str
    line: int
    args: List[Value]
    state: State


class Taken(NamedTuple):
    """A place that takes a lock, and what is known of the parameters there."""

    what: str
    line: int
    facts: FrozenSet[Tuple[Key, bool]]


class Effect(NamedTuple):
    """A way through a callee: the truth of what it returns, what it did to its parameters' locks.

    @given: what must be true of the arguments for it to go that way.
    """

    result: Optional[bool]
    locks: Tuple[Tuple[int, str], ...]
    returned: str
    given: FrozenSet[Tuple[Key, bool]]


Effects = Callable[[str, Source], Optional[List[Effect]]]


def about_parameters(facts: Dict[Key, bool]) -> FrozenSet[Tuple[Key, bool]]:
    """Those of @facts that speak of nothing but parameters."""
    return frozenset((key, truth) for key, truth in facts.items()
                     if all(name.startswith("p:") for part in key[1:] for name in ids(part))
                     and any("p:" in part for part in key[1:]) and "<" not in "".join(key[1:]))


def truth_of(value: Value, state: State) -> Optional[bool]:
    """Whether @value is not 0, None if that is not known."""
    kind, what = value
    if kind == "i":
        return what != 0
    if kind == "f":
        return bool(what)
    return state.facts.get(("t", str(what)))


def assume(value: Value, truth: bool, state: State) -> bool:
    """Go on in @state with @value being @truth; False if that cannot be."""
    known = truth_of(value, state)
    if known is not None:
        return known == truth
    what = str(value[1])
    if "g:~" in what or (what[0] == "(" and "&" not in what):
        return True
    state.facts[("t", what)] = truth
    of_dax = ("dax", what)
    for key in [key for key in state.facts if key[:2] == of_dax]:
        if truth:
            state.facts[("file", key[2])] = True
        del state.facts[key]
    return True


def assume_test(test: str, what: str, truth: bool, state: State) -> bool:
    """The same for a test of a folio."""
    key = (test, what)
    if key in state.facts:
        return state.facts[key] == truth
    if test == "ksm" and truth and not assume_test("anon", what, True, state):
        return False
    if test == "anon" and not truth and state.facts.get(("ksm", what)):
        return False
    if test == "ksm" and not truth:
        pass
    state.facts[key] = truth
    return True


def fits(given: Iterable[Tuple[Key, bool]], args: List[Value], state: State) -> bool:
    """Go on in @state with a callee's parameters being as @given; False if that cannot be."""
    for key, truth in given:
        number = re.search(r"p:(\d+)", " ".join(key[1:]))
        if number is None or int(number.group(1)) >= len(args):
            continue
        value = args[int(number.group(1))]
        here = f"p:{number.group(1)}"
        if key[0] in ("anon", "ksm", "hugetlb") and key[1] == here and value[0] == "s":
            if not assume_test(key[0], str(value[1]), truth, state):
                return False
        elif key[0] == "t" and key[1] == here:
            if not assume(value, truth, state):
                return False
        elif key[0] == "t":
            bits = re.fullmatch(r"\(p:\d+&(\w+)\)", key[1])
            if bits is None:
                continue
            if value == NULL:
                if truth:
                    return False
            elif value[0] == "f" and isinstance(value[1], frozenset):
                if (bits.group(1) in value[1]) != truth:
                    return False
            elif value[0] == "s" and not assume(("s", f"({value[1]}&{bits.group(1)})"), truth, state):
                return False
    return True


def names_in(expr: Optional[Expr], found: Set[str]) -> None:
    """Add the names that @expr reads (or assigns parts of)."""
    if expr is None:
        return
    if expr and expr[0] == "id":
        found.add(str(expr[1]))
        return
    if expr and expr[0] == "assign" and expr[1] == "=" and isinstance(expr[2], tuple) and expr[2][0] == "id":
        names_in(expr[3], found)  # type: ignore[arg-type]
        return
    for part in expr[1:]:
        if isinstance(part, tuple):
            if part and isinstance(part[0], tuple):
                for each in part:
                    names_in(each, found)
            else:
                names_in(part, found)


def _sources(expr: object, found: Set[str]) -> None:
    """Add the names whose value can be that of @expr: not what is handed to a function."""
    if not isinstance(expr, tuple) or not expr:
        return
    if expr[0] == "id":
        found.add(str(expr[1]))
    elif expr[0] == "call":
        if isinstance(expr[1], tuple) and expr[1][:1] == ("id",) and expr[1][1] in SAME | TOUCH | set(TESTS):
            for arg in expr[2]:
                _sources(arg, found)
    else:
        for part in expr[1:]:
            _sources(part, found)


def _assigns(expr: Optional[Expr]) -> Optional[str]:
    if expr and expr[0] == "assign" and expr[1] == "=" and isinstance(expr[2], tuple) and expr[2][0] == "id":
        return str(expr[2][1])
    return None


def called(expr: object, found: Set[str]) -> None:
    """Add the names of the functions that @expr calls."""
    if isinstance(expr, tuple):
        if len(expr) == 5 and expr[0] == "call" and isinstance(expr[1], tuple) and expr[1][:1] == ("id",):
            found.add(expr[1][1])
        for part in expr:
            called(part, found)


def show(expr: object) -> str:
    """@expr as text, to compare and to print."""
    if not isinstance(expr, tuple) or not expr:
        return ""
    kind = expr[0]
    if kind in ("id", "num"):
        return str(expr[1])
    if kind == "call":
        return f"{show(expr[1])}({', '.join(show(arg) for arg in expr[2])})"
    if kind == "un":
        return f"{expr[1]}{show(expr[2])}"
    if kind in ("bin", "assign"):
        return f"{show(expr[2])} {expr[1]} {show(expr[3])}"
    if kind == "mem":
        return f"{show(expr[1])}{expr[2]}{expr[3]}"
    if kind == "idx":
        return f"{show(expr[1])}[{show(expr[2])}]"
    if kind == "cond":
        return f"{show(expr[1])} ? {show(expr[2])} : {show(expr[3])}"
    return "…"


class Flow:
    """All ways through @function, as far as they matter to the calls of @targets."""

    def __init__(self, source: Source, function: Function, targets: Iterable[str],
                 effects: Effects, to_the_end: bool = False) -> None:
        self.source = source
        self.function = function
        self.targets = frozenset(targets)
        self.effects = effects
        self.hits: List[Hit] = []
        self.exits: List[Tuple[Value, State]] = []
        #: Folios that are unlocked without having been locked here: by name, the line.
        self.released: Dict[str, int] = {}
        self.taken: Set[Taken] = set()
        #: By name of an unknown: what it came from, and the line.
        self.origins: Dict[str, Tuple[str, int, str]] = {}
        #: Lines where a folio was found not to be anonymous.
        self.tests: Dict[Tuple[str, str], int] = {}
        self.cut = False
        self.graph: List[Node] = function.graph
        self._locals = set(function.types)
        self._to_the_end = to_the_end
        fields = [tokens[1].text for tokens in zip(function.tokens, function.tokens[1:])
                  if tokens[0].text in ("->", ".")]
        #: Members that are looked at once: what a condition says of them is of no use later.
        self._once = {field for field in fields if fields.count(field) == 1}
        self._keep: Set[str] = set()
        self._again: Set[int] = set()
        self._counters: Set[str] = set()
        self._here = 0
        matters = self._matters()
        if 0 in matters:
            self._keep = self._relevant()
            self._again = self._cycles()
            live = self._liveness()
            for attempt in range(len(STEPS)):
                self.cut = False
                self.hits, self.exits, self.released, self.taken = [], [], {}, set()
                self._run(matters, live, attempt)
                if not self.cut:
                    break

    # Which nodes matter, which variables live

    def _matters(self) -> Set[int]:
        """The nodes from which something that matters can be reached."""
        before: List[List[int]] = [[] for _ in self.graph]
        todo: List[int] = []
        for number, node in enumerate(self.graph):
            for succ in node.succs:
                if succ >= 0:
                    before[succ].append(number)
            names: Set[str] = set()
            called(node.expr, names)
            if names & (self.targets | UNLOCK) or (self._to_the_end and number == 1):
                todo.append(number)
        found = set(todo)
        while todo:
            for number in before[todo.pop()]:
                if number not in found:
                    found.add(number)
                    todo.append(number)
        return found

    def _liveness(self) -> List[Set[str]]:
        """By node: the variables that may be read from there on."""
        uses: List[Set[str]] = []
        defs: List[Set[str]] = []
        for node in self.graph:
            use: Set[str] = set()
            names_in(node.expr, use)
            uses.append(use)
            name = _assigns(node.expr)
            defs.append({name} if name and name not in use else set())
        live: List[Set[str]] = [set(use) for use in uses]
        changed = True
        while changed:
            changed = False
            for number in range(len(self.graph) - 1, -1, -1):
                now = set(uses[number])
                for succ in self.graph[number].succs:
                    if succ >= 0:
                        now |= live[succ] - defs[number]
                if now != live[number]:
                    live[number] = now
                    changed = True
        return live

    def _cycles(self) -> Set[int]:
        """The nodes that can be come to again."""
        found: Set[int] = set()
        for start in range(len(self.graph)):
            if self.graph[start].expr is None:
                continue
            seen: Set[int] = set()
            todo = [succ for succ in self.graph[start].succs if succ >= 0]
            while todo and start not in seen:
                number = todo.pop()
                if number not in seen:
                    seen.add(number)
                    todo += [succ for succ in self.graph[number].succs if succ >= 0]
            if start in seen:
                found.add(start)
        return found

    def _relevant(self) -> Set[str]:
        """The variables that can bear on a lock, or on the arguments of a call that was asked about."""
        found: Set[str] = set()
        tested: Set[str] = set()
        counters: Set[str] = set()
        gives: Dict[str, Set[str]] = {}

        def walk(expr: object) -> None:
            if not isinstance(expr, tuple) or not expr:
                return
            if len(expr) == 5 and expr[0] == "call" and isinstance(expr[1], tuple) and expr[1][:1] == ("id",):
                name = str(expr[1][1])
                if name in self.targets | TOUCH | IS_LOCKED | DAX_ONLY or name in TESTS:
                    for arg in expr[2]:
                        names_in(arg, found)
            if expr[0] == "assign" and len(expr) == 4 and isinstance(expr[2], tuple):
                sides: Set[str] = set()
                _sources(expr[3], sides)
                if expr[2][0] == "id":
                    gives.setdefault(str(expr[2][1]), set()).update(sides)
                    if expr[1] not in ("=", "|=", "&="):
                        counters.add(str(expr[2][1]))
                else:
                    bases: Set[str] = set()
                    names_in(expr[2], bases)
                    for base in bases:
                        gives.setdefault(base, set()).update(sides)
            if expr[0] == "un" and expr[1] in ("++", "--") and isinstance(expr[2], tuple) and expr[2][0] == "id":
                counters.add(str(expr[2][1]))
            for part in expr:
                walk(part)

        for node in self.graph:
            walk(node.expr)
            if node.kind == "branch":
                names_in(node.expr, tested)
        found |= (self._flags() & tested) - counters
        self._counters = counters
        todo = list(found)
        while todo:
            for name in gives.get(todo.pop(), ()):
                if name not in found:
                    found.add(name)
                    todo.append(name)
        return found | {parameter.name for parameter in self.function.parameters}

    def _flags(self) -> Set[str]:
        """The variables that are given constants, or the outcome of a lock: conditions on them matter."""
        found: Set[str] = set()
        for node in self.graph:
            name = _assigns(node.expr)
            if name is None or node.expr is None:
                continue
            names: Set[str] = set()
            called(node.expr, names)
            value = node.expr[3]
            if names & (TOUCH | IS_LOCKED | DAX_ONLY | set(TESTS)) or (isinstance(value, tuple) and (
                    value[0] == "num" or value in (("id", "NULL"), ("id", "true"), ("id", "false")))):
                found.add(name)
        return found

    def _run(self, matters: Set[int], live: List[Set[str]], attempt: int) -> None:
        flags = self._flags() if attempt else None
        env: Dict[Key, Value] = {}
        for number, parameter in enumerate(self.function.parameters):
            if parameter.name:
                env[("v", parameter.name)] = ("s", f"p:{number}")
        seen: List[Set[object]] = [set() for _ in self.graph]
        todo: List[Tuple[int, State]] = [(0, State(env, {}, {}))]
        steps = 0
        while todo:
            number, state = todo.pop()
            self._forget(state, live[number], flags, len(seen[number]) > MANY)
            key = state.key()
            if key in seen[number]:
                continue
            steps += 1
            if steps > STEPS[attempt] or len(seen[number]) > 4 * MANY:
                self.cut = True
                continue
            seen[number].add(key)
            self._here = number
            for succ, after in self._step(self.graph[number], state):
                if succ in matters:
                    todo.append((succ, after))

    def _forget(self, state: State, live: Set[str], flags: Optional[Set[str]], all_facts: bool) -> None:
        """Drop what nothing asks for any more; with @flags, what is known of other variables too."""
        alive: Set[str] = set()
        for key in list(state.env):
            if key[0] == "v":
                if key[1] not in live:
                    del state.env[key]
                else:
                    alive.update(ids(str(state.env[key][1])))
        members = [key for key in state.env if key[0] == "m"]
        for key in members:
            base = ids(key[1])
            if base and all(name in alive or name.startswith("p:") or name[1:] in live for name in base):
                alive.update(ids(str(state.env[key][1])))
            else:
                del state.env[key]

        def kept(name: str) -> bool:
            return all(part in alive or part.startswith("p:") or part[2:] in live for part in ids(name))

        for what in [what for what in state.locks if not kept(what)]:
            del state.locks[what]
        for key in [key for key in state.facts if not all(kept(part) for part in key[1:])
                    or ("->" in key[1] and key[1].rsplit("->", 1)[1] in self._once)]:
            del state.facts[key]
        if flags is not None:
            keep: Set[str] = set()
            for var, value in state.env.items():
                if var[0] == "v" and var[1] in flags:
                    keep.update(ids(str(value[1])))
            for key in [key for key in state.facts if key[0] in ("t", "eq")
                        and not re.fullmatch(r"p:\d+", key[1])
                        and not set(ids(key[1])) & keep]:
                del state.facts[key]
        if all_facts:
            for key in [key for key in state.facts if key[0] not in ("anon", "ksm", "file")]:
                del state.facts[key]

    def _step(self, node: Node, state: State) -> List[Tuple[int, State]]:
        succs = [succ for succ in node.succs if succ >= 0]
        if node.kind == "exit":
            return []
        if node.kind == "branch" and node.expr is not None and len(node.succs) == 2:
            yes, no = self.condition(node.expr, state)
            return ([(node.succs[0], after) for after in yes if node.succs[0] >= 0]
                    + [(node.succs[1], after) for after in no if node.succs[1] >= 0])
        if node.kind == "return":
            if node.expr is None:
                self.exits.append((("s", "void"), state))
                return []
            for value, after in self.value(node.expr, state):
                self.exits.append((value, after))
            return []
        states = [state]
        if node.kind == "foreach" and node.expr is not None:
            states = [after for _, after in self.value(node.expr, state)]
            for after in states:
                self._loop_variables(node, after)
        elif node.expr is not None:
            states = [after for _, after in self.value(node.expr, state)]
        if 1 in succs:
            for after in states:
                self.exits.append((("s", "void"), after))
        result = []
        for succ in succs:
            for after in states:
                result.append((succ, after if len(succs) == 1 else after.copy()))
        return result

    def _loop_variables(self, node: Node, state: State) -> None:
        expr = node.expr
        if expr is None or expr[0] != "call":
            return
        args = expr[2]
        assert isinstance(args, tuple)
        for arg in args:
            if arg and arg[0] == "id" and "*" in self.function.types.get(arg[1], ""):
                # The loop's own variables come first; what it goes through follows.
                if "folio" in self.function.types[arg[1]] or "page" in self.function.types[arg[1]] or arg == args[0]:
                    name = f"<{expr[4]}:{arg[1]}>"
                    self._renew(name, state)
                    self.origins[name] = (show(expr[1]), node.line, show(expr))
                    if arg[1] in self._keep:
                        state.env[("v", arg[1])] = ("s", name)

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
                    same, differ = self._compare(left, right, then)
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

    def _test(self, name: str, arg: Expr, line: int, state: State) -> Tuple[List[State], List[State]]:
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

    def _compare(self, left: Value, right: Value, state: State) -> Tuple[List[State], List[State]]:
        if left == right and (left[0] != "s" or not str(left[1]).startswith("g:")):
            return [state], []
        if left[0] == "i" and right[0] == "i":
            return [], [state]
        if left[0] in "cf" and right[0] in "cf" and left[0] == right[0]:
            return [], [state]
        if NULL in (left, right):
            other = right if left == NULL else left
            copy = state.copy()
            return ([state] if assume(other, False, state) else []), ([copy] if assume(other, True, copy) else [])
        one, two = sorted((f"{left[0]}{left[1]}", f"{right[0]}{right[1]}"))
        if "g:~" in one or "g:~" in two:
            return [state], [state.copy()]
        key = ("eq", one, two)
        known = state.facts.get(key)
        if known is not None:
            return ([state], []) if known else ([], [state])
        copy = state.copy()
        state.facts[key] = True
        copy.facts[key] = False
        return [state], [copy]

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
            return [pair for after in yes for pair in self.value(expr[2], after)] + [  # type: ignore[arg-type]
                pair for after in no for pair in self.value(expr[3], after)]  # type: ignore[arg-type]
        if kind == "mem":
            return [(self._member(base, str(expr[2]), str(expr[3]), after), after)
                    for base, after in self._base(expr, state)]
        if kind == "idx":
            result = []
            for base, after in self.value(expr[1], state):  # type: ignore[arg-type]
                for index, then in self.value(expr[2], after):  # type: ignore[arg-type]
                    field = f"[{index[1]}]"
                    name = f"{base[1]}{field}"
                    self.origins.setdefault(name, ("[]", self._line(expr), show(expr)))
                    result.append((then.env.get(("m", str(base[1]), field), ("s", name)), then))
            return result
        states = [state]
        if kind == "raw":
            for part in expr[1]:  # type: ignore[attr-defined]
                states = [after for each in states for _, after in self.value(part, each)]
        return [(("s", "g:raw"), after) for after in states]

    @staticmethod
    def _line(expr: object) -> int:
        if isinstance(expr, tuple):
            if len(expr) == 5 and expr[0] == "call":
                return int(str(expr[3]))
            for part in expr:
                line = Flow._line(part)
                if line:
                    return line
        return 0

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
                result.append((("c", f"-{'|'.join(sorted(value[1]))}"), after))  # type: ignore[arg-type]
            elif sign == "*":
                result.append((after.env.get(("m", str(value[1]), "*"), ("s", f"{value[1]}->*")), after))
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
                result.append((right if sign == "," else self._combine(sign, left, right), then))
        return result

    @staticmethod
    def _combine(sign: str, left: Value, right: Value) -> Value:
        if sign == "&":
            if left[0] == "f" and right[0] == "f":
                return ("f", left[1] & right[1])  # type: ignore[operator]
            if NULL in (left, right):
                return NULL
        elif sign == "|":
            if left[0] == "f" and right[0] == "f":
                return ("f", left[1] | right[1])  # type: ignore[operator]
            if left == NULL:
                return right
            if right == NULL:
                return left
        elif left[0] == "i" and right[0] == "i":
            one, two = int(str(left[1])), int(str(right[1]))
            if sign == "+":
                return ("i", one + two)
            if sign == "-":
                return ("i", one - two)
            if sign in ("<", ">", "<=", ">="):
                return ("i", int({"<": one < two, ">": one > two, "<=": one <= two, ">=": one >= two}[sign]))
        elif left[0] == "c" and right == NULL and str(left[1]).startswith("-") and sign in ("<", "<=", ">", ">="):
            # An error, which is below 0.
            return ("i", int(sign in ("<", "<=")))
        texts = ["|".join(sorted(side[1])) if isinstance(side[1], frozenset) else str(side[1])
                 for side in (left, right)]
        return ("s", f"({texts[0]}{sign}{texts[1]})")

    def _assign(self, expr: Expr, state: State) -> List[Tuple[Value, State]]:
        sign, target, source = str(expr[1]), expr[2], expr[3]
        assert isinstance(target, tuple) and isinstance(source, tuple)
        result = []
        for value, after in self.value(source, state):
            if sign in ("|=", "&="):
                old = self.value(target, after)[0][0]
                value = self._combine(sign[:-1], old, value)
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

    def _called(self, name: str, expr: Expr, values: List[Value], state: State) -> List[Tuple[Value, State]]:
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
            if name in RETURN_LOCKED or (name in MAY_RETURN_LOCKED and re.search(r"FGP_(?:LOCK|WRITEBEGIN)", text)):
                after.locks[fresh] = ("L", line)
            for number, arg in enumerate(args):
                if (arg[:2] == ("un", "&") and isinstance(arg[2], tuple) and arg[2][0] == "id"
                        and arg[2][1] in self._locals and not _LEAVES.match(name)
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
        found = self.effects(name, self.source) if name and any(value[0] == "s" for value in values) else None
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
