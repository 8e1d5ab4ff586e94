# SPDX-License-Identifier: GPL-2.0-only
"""Who walks the reverse map of a folio, and is the folio locked there?

Starts at the calls of the functions that walk (ROOTS).  Where a function does not
lock the folio that it was handed, the question goes on to its callers, with what is
known of the other arguments: folio_referenced() with is_locked set is another question
than folio_referenced() without.
"""

import re
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Set, Tuple

from .callers import (FILE, FILE_ROOTS, HELD, NOT_HELD, ROOTS, UNKNOWN, Call, Hop, Place, Way, mark,
                      worst)
from .effects import Flows
from .flow import Flow
from .functions import Function, Source
from .states import NULL, Key, State, Value, about_parameters, fits
from .world import World

#: Functions that hand out a page or folio without locking it, and take nothing that was locked.
LOOKUPS = frozenset((
    "pfn_to_page", "pfn_to_online_page", "pfn_folio", "virt_to_page", "virt_to_folio",
    "virt_to_head_page", "pte_page", "pmd_page", "pud_page", "vm_normal_page", "vm_normal_folio",
    "vm_normal_page_pmd", "vm_normal_folio_pmd", "follow_page", "filemap_get_folio",
    "find_get_page", "page_idle_get_folio", "damon_get_folio", "damon_get_page",
    "swap_cache_get_folio", "vmalloc_to_page", "alloc_page", "folio_alloc", "phys_to_page"))
#: What hands out folios of a page cache; of the swap cache, if the argument says so.
PAGE_CACHE = frozenset((
    "filemap_get_folio", "find_get_page", "__filemap_get_folio", "pagecache_get_page",
    "find_get_entry", "filemap_get_entry", "read_cache_page", "read_cache_folio",
    "read_mapping_page", "read_mapping_folio", "shmem_read_mapping_page"))
#: What locks and is named like one, but does not lock a folio.
NO_FOLIO_LOCK = frozenset(("rcu_read_lock", "rcu_read_unlock", "spin_lock", "spin_unlock", "block",
                           "pmd_lock"))
#: How far up callers are looked at for one that breaks an assertion.
ENOUGH_CALLERS = 2
#: Ways of one site that are kept.
ENOUGH = 400


class Question(NamedTuple):
    """Is the folio in @argument (its member @member) of @name locked?"""

    name: str
    file: Optional[str]
    argument: int
    member: str
    given: FrozenSet[Tuple[Key, bool]]
    #: A line which shows that the callee itself takes the lock on another way.
    hint: Optional[Place]
    #: How many callers up an assertion was passed, 0 if none was.
    asserted: int = 0


#: What is asked of a function's callers: line, argument, member, hint, assertion; and the facts.
PassedOn = Dict[Tuple[int, int, str, Optional[Place], Optional[Place]],
                Set[FrozenSet[Tuple[Key, bool]]]]


class Questions:
    """What is asked about the functions of @world, and the answers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.flows = Flows(world)
        self._answers: Dict[Question, List[Way]] = {}
        self._asked: Set[Question] = set()
        self._open: Set[Question] = set()

    def calls(self) -> List[Call]:
        """Every call of one of ROOTS."""
        found: List[Call] = []
        for name, index in ROOTS.items():
            home = self.world.home(name)
            for source, function in self.world.callers(name, home):
                self.world.console.tick(f"{source.path}: {function.name}()")
                question = Question(name, home, index, "", frozenset(), None)
                by_line = self._answer_in(question, source, function)
                for line, ways in sorted(by_line.items()):
                    status = worst(way.status for way in ways)
                    found.append(Call(source.path, line, function.name, name, status, tuple(ways),
                                      self.world.is_test(source.path)))
        for name in ROOTS:
            # folio_lock_anon_vma_read() is meant to be handed on, to rmap_walk() as .anon_lock.
            place = None if "anon_vma" in name else self.world.mentions(name, self.world.home(name))
            if place is not None:
                way = Way((Hop(place.file, place.line, "", name),), UNKNOWN, (place,))
                found.append(Call(place.file, place.line, "", name, UNKNOWN, (way,),
                                  self.world.is_test(place.file)))
        return sorted(found, key=lambda site: (site.test, site.file, site.line))

    def _answer(self, question: Question) -> List[Way]:
        """The ways to @question's function."""
        if question in self._answers:
            return self._answers[question]
        if question in self._asked:
            # Recursion: what matters comes in by another door.
            self._open.add(question)
            return []
        self._asked.add(question)
        ways: List[Way] = []
        callers = self.world.callers(question.name, question.file)
        for source, function in callers:
            if self.world.is_test(source.path):
                continue
            for found in self._answer_in(question, source, function).values():
                ways += found
        if not callers:
            pointer = self.world.mentions(question.name, question.file)
            place = pointer or Place("", 0, "", f"no call of {question.name}() found")
            ways.append(Way((), UNKNOWN, (place,)))
        self._asked.discard(question)
        ways = _tidy(ways)
        self._open.discard(question)
        if not self._open:
            # Else it lacks the ways through a question that is still being asked.
            self._answers[question] = ways
        return ways

    def _answer_in(self, question: Question, source: Source,
                   function: Function) -> Dict[int, List[Way]]:
        """The ways to the calls in one function, by line."""
        flow = self.flows.flow(source, function, question.name)
        found: Dict[int, List[Way]] = {}
        passed_on: PassedOn = {}
        for hit in flow.hits:
            state = hit.state.copy()
            if not fits(question.given, hit.args, state):
                continue
            hop = Hop(source.path, hit.line, function.name, question.name)
            ways = found.setdefault(hit.line, [])
            value: Value = ("s", "g:missing")
            if question.argument < len(hit.args):
                value = hit.args[question.argument]
            if question.member and value[0] == "s":
                member = f"{value[1]}->{question.member}"
                value = state.env.get(("m", str(value[1]), question.member), ("s", member))
            if value == NULL:
                if question.name in FILE_ROOTS:
                    place = mark(source, hit.line, "a walk of a file, without a folio")
                    ways.append(Way((hop,), FILE, (place,)))
                continue
            what = str(value[1])
            if question.name in FILE_ROOTS:
                place = mark(source, hit.line, "a walk of a file's mapping")
                ways.append(Way((hop,), FILE, (place,)))
                continue
            settled = self._settled(flow, source, what, state)
            if settled is not None:
                ways.append(Way((hop,), settled[0], (settled[1],)))
                continue
            weak = self._weak(flow, source, what, state)
            own = re.fullmatch(r"p:(\d+)(?:->(\w+))?", what)
            if own is not None:
                hint = self._hint(flow, source, what, state) or question.hint
                key = (hit.line, int(own.group(1)), own.group(2) or "", hint, weak)
                passed_on.setdefault(key, set()).add(about_parameters(state.facts))
                continue
            ways.append(self._origin(question, flow, source, what, hop, weak, state))
        if flow.cut:
            place = Place(source.path, function.line, function.name + "()",
                          "is too long to be followed to its end")
            for line in {hit.line for hit in flow.hits} or {function.line}:
                hop = Hop(source.path, line, function.name, question.name)
                found.setdefault(line, []).append(Way((hop,), UNKNOWN, (place,)))
        elif not flow.hits:
            for line in _lines(function, question.name):
                hop = Hop(source.path, line, function.name, question.name)
                way = Way((hop,), UNKNOWN, (mark(source, line, "no way leads to this call"),))
                found.setdefault(line, []).append(way)
        self._pass_on(question, source, function, passed_on, found)
        return {line: _tidy(ways) for line, ways in found.items() if ways}

    def _pass_on(self, question: Question, source: Source, function: Function,
                 passed_on: PassedOn, found: Dict[int, List[Way]]) -> None:
        home = None
        if function.static or function.macro and source.path.endswith(".c"):
            home = source.path
        for (line, index, member, hint, weak), sets in passed_on.items():
            hop = Hop(source.path, line, function.name, question.name)
            asserted = question.asserted
            if asserted and not (source.path.endswith(".h") or function.macro):
                asserted += 1
            elif weak is not None:
                asserted = 1
            if asserted > ENOUGH_CALLERS:
                # Who asserts it was asked; that this one is handed a locked folio is not in doubt.
                place = weak or mark(source, function.line, "asserted below")
                found.setdefault(line, []).append(Way((hop,), HELD, (place,)))
                continue
            for given in sets:
                if any(other < given for other in sets):
                    continue
                above = Question(function.name, home, index, member, given, hint, asserted)
                for way in self._answer(above):
                    evidence = way.evidence
                    status = way.status
                    if status == UNKNOWN and weak is not None:
                        status, evidence = HELD, (weak, *evidence)
                    elif status == NOT_HELD and hint is not None and hint not in evidence:
                        evidence = (*evidence, hint)
                    found.setdefault(line, []).append(Way((*way.hops, hop), status, evidence))

    def _settled(self, flow: Flow, source: Source, what: str,
                 state: State) -> Optional[Tuple[str, Place]]:
        """What this function itself says of a folio's lock."""
        status, line = state.locks.get(what, ("", 0))
        if status == "L":
            return HELD, mark(source, line, HELD)
        if state.facts.get(("anon", what)) is False:
            line = flow.tests.get(("anon", what), 0)
            return FILE, mark(source, line, "not anonymous")
        if state.facts.get(("file", what)):
            line = flow.tests.get(("file", what), 0)
            return FILE, mark(source, line, "never anonymous, its mapping is a DAX one")
        says = {"U": "unlocked before", "R": "unlocked before", "F": "not locked when this fails",
                "T": "goes on when it is not locked"}.get(status)
        return (NOT_HELD, mark(source, line, says)) if says else None

    @staticmethod
    def _weak(flow: Flow, source: Source, what: str, state: State) -> Optional[Place]:
        status, line = state.locks.get(what, ("", 0))
        if status == "A":
            return mark(source, line, "asserted")
        line = flow.released.get(what, 0)
        if not line:
            text = flow.origins.get(what, ("", 0, ""))[2]
            for other, at in flow.released.items():
                if text and "(" in text + other and flow.origins.get(other, ("", 0, ""))[2] == text:
                    line = at
        if line:
            return mark(source, line, "was locked before, it is unlocked here")
        return None

    @staticmethod
    def _hint(flow: Flow, source: Source, what: str, state: State) -> Optional[Place]:
        """A lock of the same folio on another way, which the caller cannot hold then."""
        here = {(key, truth) for key, truth in about_parameters(state.facts)
                if key[0] not in ("anon", "ksm")}
        for taken in sorted(flow.taken, key=lambda each: each.line):
            if taken.what != what:
                continue
            there = {(key, truth) for key, truth in taken.facts if key[0] not in ("anon", "ksm")}
            if not any((key, not truth) in there for key, truth in here):
                says = "skipped on this way"
                if state.facts.get(("ksm", what)):
                    says = "skipped for a KSM folio"
                elif state.facts.get(("anon", what)):
                    says = "skipped for an anonymous folio"
                return mark(source, taken.line, says)
        return None

    def _origin(self, question: Question, flow: Flow, source: Source, what: str, hop: Hop,
                weak: Optional[Place], state: State) -> Way:
        """A folio that comes from somewhere else than the caller."""
        name, line, text = flow.origins.get(what, ("", 0, ""))
        place = (mark(source, line, "comes from here, not locked since") if line else
                 mark(source, hop.line, "nothing says where its folio comes from"))
        if weak is not None:
            return Way((hop,), HELD, (weak,))
        if name in PAGE_CACHE and "swap" not in text:
            return Way((hop,), FILE, (place._replace(says="comes out of a file's page cache"),))
        if name == "folio_next":
            copied = _copies_lock(source)
            if copied is not None:
                return Way((hop,), HELD, (copied,))
        lists = any(re.search(rf"&{each}\b", text) for each in flow.function.lists)
        known = name in LOOKUPS or lists or self._plain(name, source)
        if question.hint is not None:
            return Way((hop,), NOT_HELD, (place, question.hint))
        skipped = self._hint(flow, source, what, state)
        if known and skipped is not None:
            return Way((hop,), NOT_HELD, (place, skipped))
        return Way((hop,), NOT_HELD if known else UNKNOWN, (place,))

    def _plain(self, name: str, source: Source) -> bool:
        """Tell whether @name is a function that we see lock nothing."""
        found = self.world.definition(name, source)
        if found is None:
            return False
        words = found[1].words
        return bool(words & LOOKUPS) and all(
            word in NO_FOLIO_LOCK or not re.search("lock|grab|FGP", word) for word in words)


def _copies_lock(source: Source) -> Optional[Place]:
    """Where a split hands the lock of the whole folio on to its pieces."""
    for function in source.functions:
        if "split" in function.name and "PG_locked" in function.words:
            for token in function.tokens:
                if token.text == "PG_locked":
                    return mark(source, token.line, f"{function.name}() locks the pieces "
                                "of a folio if the whole was locked")
    return None


def _lines(function: Function, name: str) -> List[int]:
    tokens = function.tokens
    return sorted({token.line for at, token in enumerate(tokens[:-1])
                   if token.text == name and tokens[at + 1].text == "("})


def _tidy(ways: List[Way]) -> List[Way]:
    """@ways without doubles, the bad ones first."""
    order = {NOT_HELD: 0, UNKNOWN: 1, FILE: 2, HELD: 3}
    found = sorted(dict.fromkeys(ways), key=lambda way: (order[way.status], way.hops, way.evidence))
    return found[:ENOUGH]
