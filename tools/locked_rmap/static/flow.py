# SPDX-License-Identifier: GPL-2.0-only
"""Runs a function on paper: on which ways does a call see its folio locked?

All ways through the function are followed, with what is known on each: which
variable is which folio, who is locked, and what the conditions passed so far
said.  Nothing here knows a function of mm by name but those that lock, unlock and
test the folio lock, and those that turn a page into its folio.
"""

import re
from typing import Dict, Iterable, List, Optional, Set, Tuple

from .evaluate import Evaluator
from .expressions import show
from .functions import Function, Source
from .graph import Node, graph
from .reach import cycles, flags, liveness, matters, relevant
from .states import Effects, Key, State, Value, ids

#: More states than this at one node, and what conditions said is forgotten.
MANY = 160
#: More steps than this, and it runs again with less to remember, at last not to its end.
STEPS = (8000, 20000)


class Flow(Evaluator):
    """All ways through @function, as far as they matter to the calls of @targets."""

    def __init__(self, source: Source, function: Function, targets: Iterable[str],
                 effects: Effects, to_the_end: bool = False) -> None:
        self.graph: List[Node] = graph(function)
        super().__init__(source, function, targets, effects)
        self.exits: List[Tuple[Value, State]] = []
        self.cut = False
        fields = [tokens[1].text for tokens in zip(function.tokens, function.tokens[1:])
                  if tokens[0].text in ("->", ".")]
        #: Members that are looked at once: what a condition says of them is of no use later.
        self._once = {field for field in fields if fields.count(field) == 1}
        of_use = matters(self.graph, self.targets, to_the_end)
        if 0 in of_use:
            self._keep, self._counters = relevant(function, self.graph, self.targets)
            self._again = cycles(self.graph)
            live = liveness(self.graph)
            for attempt in range(len(STEPS)):
                self.cut = False
                self.hits, self.exits, self.released, self.taken = [], [], {}, set()
                self._run(of_use, live, attempt)
                if not self.cut:
                    break

    def _run(self, of_use: Set[int], live: List[Set[str]], attempt: int) -> None:
        flagged = flags(self.graph) if attempt else None
        env: Dict[Key, Value] = {}
        for number, parameter in enumerate(self.function.parameters):
            if parameter.name:
                env[("v", parameter.name)] = ("s", f"p:{number}")
        seen: List[Set[object]] = [set() for _ in self.graph]
        todo: List[Tuple[int, State]] = [(0, State(env, {}, {}))]
        steps = 0
        while todo:
            number, state = todo.pop()
            self._forget(state, live[number], flagged, len(seen[number]) > MANY)
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
                if succ in of_use:
                    todo.append((succ, after))

    def _forget(self, state: State, live: Set[str], flagged: Optional[Set[str]],
                all_facts: bool) -> None:
        """Drop what nothing asks for any more; with @flagged, what other variables say too."""
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
            if base and all(name in alive or name.startswith("p:") or name[1:] in live
                            for name in base):
                alive.update(ids(str(state.env[key][1])))
            else:
                del state.env[key]

        def kept(name: str) -> bool:
            return all(part in alive or part.startswith("p:") or part[2:] in live
                       for part in ids(name))

        for what in [what for what in state.locks if not kept(what)]:
            del state.locks[what]
        for key in [key for key in state.facts if not all(kept(part) for part in key[1:])
                    or ("->" in key[1] and key[1].rsplit("->", 1)[1] in self._once)]:
            del state.facts[key]
        if flagged is not None:
            keep: Set[str] = set()
            for var, value in state.env.items():
                if var[0] == "v" and var[1] in flagged:
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
                if re.search("folio|page", self.function.types[arg[1]]) or arg == args[0]:
                    name = f"<{expr[4]}:{arg[1]}>"
                    self._renew(name, state)
                    self.origins[name] = (show(expr[1]), node.line, show(expr))
                    if arg[1] in self._keep:
                        state.env[("v", arg[1])] = ("s", name)
