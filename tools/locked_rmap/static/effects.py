# SPDX-License-Identifier: GPL-2.0-only
"""What a call of a function does to the locks of its arguments."""

import re
from typing import Dict, List, Optional, Set, Tuple

from .flow import Flow
from .functions import Function, Source
from .locks import TOUCH
from .states import Effect, about_parameters, truth_of
from .world import World


#: In the name of whatever locks or unlocks a folio.
_CAN_LOCK = re.compile("fol|page|split|lock|writ|unmap|isolat|migrat|get|memory|swap|evict")


class Flows:
    """The functions of @world, walked through as far as needed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._flows: Dict[Tuple[str, str, int, str], Flow] = {}
        self._effects: Dict[Tuple[str, str], Optional[List[Effect]]] = {}
        self._depth = 0

    def flow(self, source: Source, function: Function, name: str) -> Flow:
        """The ways through @function to its calls of @name."""
        key = (source.path, function.name, function.line, name)
        if key not in self._flows:
            self._flows[key] = Flow(source, function, [name], self.effects)
        return self._flows[key]

    def effects(self, name: str, near: Source) -> Optional[List[Effect]]:
        """What a call of @name does to the locks of its arguments; None if nothing that we see."""
        if not _CAN_LOCK.search(name):
            return None
        found = self.world.definition(name, near)
        if found is None:
            return None
        source, function = found
        key = (source.path, name)
        if key not in self._effects:
            self._effects[key] = None
            if function.words & TOUCH and self._depth < 3:
                self._depth += 1
                try:
                    self._effects[key] = self._measure(source, function)
                finally:
                    self._depth -= 1
        return self._effects[key]

    def _measure(self, source: Source, function: Function) -> Optional[List[Effect]]:
        flow = Flow(source, function, (), self.effects, to_the_end=True)
        if flow.cut:
            return None
        kinds: Set[Effect] = set()
        for value, state in flow.exits:
            locks = tuple(sorted(
                (int(what[2:]), status) for what, (status, _) in state.locks.items()
                if re.fullmatch(r"p:\d+", what) and status in ("L", "R")))
            returned = state.locks.get(str(value[1]), ("", 0))[0] if value[0] == "s" else ""
            given = frozenset((key, truth) for key, truth in about_parameters(state.facts)
                              if key[0] == "t" and re.fullmatch(r"p:\d+", key[1]))
            kinds.add(Effect(truth_of(value, state), locks,
                             returned if returned == "L" else "", given))
        if not any(kind.locks or kind.returned == "L" for kind in kinds):
            return None
        if len(kinds) > 12:
            kinds = {kind._replace(given=frozenset()) for kind in kinds}
        return sorted(kinds, key=str)
