# SPDX-License-Identifier: GPL-2.0-only
"""Who walks the reverse map of a folio, and is the folio locked there?

Starts at the calls of the functions that walk (ROOTS).  Where a function does not
lock the folio that it was handed, the question goes on to its callers, with what is
known of the other arguments: folio_referenced() with is_locked set is another question
than folio_referenced() without.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Set, Tuple

from ..base import proc
from ..base.console import Console
from .cparse import Function, Source
from ..base.errors import Stop, one_line
from .flow import TOUCH, Effect, Flow, Hit, Key, State, about_parameters, fits, truth_of

LOCKED, UNLOCKED, FILE, UNKNOWN = "locked", "unlocked", "never anonymous", "cannot tell"

#: What walks, or starts to: by name, the argument that is the folio.
ROOTS = {
    "rmap_walk": 0, "rmap_walk_locked": 0, "folio_lock_anon_vma_read": 0, "page_lock_anon_vma_read": 0,
    "folio_get_anon_vma": 0, "page_get_anon_vma": 0, "rmap_walk_anon": 0, "rmap_walk_ksm": 0,
    "rmap_walk_file": 0, "__rmap_walk_file": 0,
}
#: Of these, the walks of files: an anonymous folio does not come to them.
FILE_ROOTS = frozenset(("rmap_walk_file", "__rmap_walk_file"))
#: What is inside of a walk; it is the callers of these that matter.
INSIDE = frozenset((*ROOTS, "rmap_walk_anon_lock", "page_lock_anon_vma"))
#: Functions that hand out a page or folio without locking it, and take nothing that was locked.
LOOKUPS = frozenset((
    "pfn_to_page", "pfn_to_online_page", "pfn_folio", "virt_to_page", "virt_to_folio", "virt_to_head_page",
    "pte_page", "pmd_page", "pud_page", "vm_normal_page", "vm_normal_folio", "vm_normal_page_pmd",
    "vm_normal_folio_pmd", "follow_page", "filemap_get_folio", "find_get_page", "page_idle_get_folio",
    "damon_get_folio", "damon_get_page", "swap_cache_get_folio", "vmalloc_to_page", "alloc_page", "folio_alloc",
    "phys_to_page"))
#: What hands out folios of a page cache; of the swap cache, if the argument says so.
PAGE_CACHE = frozenset(("filemap_get_folio", "find_get_page", "__filemap_get_folio", "pagecache_get_page",
                        "find_get_entry", "filemap_get_entry", "read_cache_page", "read_cache_folio",
                        "read_mapping_page", "read_mapping_folio", "shmem_read_mapping_page"))
#: How far up callers are looked at for one that breaks an assertion.
ENOUGH_CALLERS = 2
#: Headers of this size and more are lists of registers, unless they have an inline function.
BIG = 200000
#: Ways of one site that are kept.
ENOUGH = 400

_SKIP = (".git", "Documentation", "tools", "scripts", "usr", "LICENSES")
_INDEX = ("mm/*.c", "mm/*.h", "mm/damon/*.c", "mm/damon/*.h", "include/linux/mm.h", "include/linux/pagemap.h",
          "include/linux/huge_mm.h", "include/linux/migrate.h", "include/linux/swap.h", "include/linux/rmap.h",
          "include/linux/ksm.h", "include/linux/hugetlb.h", "include/linux/swapops.h", "include/linux/mm_inline.h")
_CONFLICT = re.compile(r"^(?:<{7}|>{7})(?: .*)?$", re.M)


class Place(NamedTuple):
    """A line of the tree, and what it says about the lock."""

    file: str
    line: int
    text: str
    says: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else ""
        return f"{where}{self.says}" + (f": {self.text.rstrip(' ;{')}" if self.text else "")


class Hop(NamedTuple):
    """A call: @function calls @callee."""

    file: str
    line: int
    function: str
    callee: str


class Way(NamedTuple):
    """One way to a walk: the calls, outermost first, whether the folio is locked, and how we know."""

    hops: Tuple[Hop, ...]
    status: str
    evidence: Tuple[Place, ...]


class Site(NamedTuple):
    """A call of one of ROOTS."""

    file: str
    line: int
    function: str
    callee: str
    status: str
    ways: Tuple[Way, ...]
    test: bool

    def key_ways(self) -> List[Way]:
        """The ways that make it what it is."""
        return [way for way in self.ways if way.status == self.status]


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


def worst(statuses: Iterable[str]) -> str:
    """The status of a site with ways of these @statuses."""
    found = set(statuses)
    for status in (UNLOCKED, UNKNOWN, LOCKED, FILE):
        if status in found:
            return status
    return UNKNOWN


def read(tree: Path, name: str) -> str:
    """A file of @tree; Stop if it may not be read."""
    try:
        return (tree / name).read_text(encoding="utf-8", errors="replace")
    except PermissionError as err:
        raise Stop(f"{tree / name} cannot be read: make the tree readable, then run again") from err


def no_conflict(tree: Path, name: str) -> None:
    """Stop if a merge or rebase has left a conflict marker in a file of @tree; a file that is not there has none."""
    if (tree / name).is_file():
        text = read(tree, name)
        found = _CONFLICT.search(text)
        if found is not None:
            line = text[:found.start()].count("\n") + 1
            raise Stop(f"{tree / name}:{line}: a conflict marker: finish the merge or rebase, then run again")


class World:
    """A kernel tree, read as far as needed."""

    def __init__(self, tree: Path, console: Console) -> None:
        self.tree = tree
        self.console = console
        self._sources: Dict[str, Source] = {}
        self._candidates: List[str] = []
        self._kbuild: List[str] = []
        self._files: Dict[str, List[str]] = {}
        self._index: Optional[Dict[str, str]] = None
        self._flows: Dict[Tuple[str, str, int, str], Flow] = {}
        self._effects: Dict[Tuple[str, str], Optional[List[Effect]]] = {}
        self._answers: Dict[Question, List[Way]] = {}
        self._asked: Set[Question] = set()
        self._open: Set[Question] = set()
        self._depth = 0

    # The files

    def look(self) -> None:
        """Find the files that can matter: those that know of pages or folios, or walk."""
        names = "|".join(ROOTS)
        self._candidates = self._grep(["-lE", "-e", rf"struct (folio|page)\b|folio_|page_|\b({names})\b"], self._list())
        for name in self._grep(["-lE", "-e", "^(<<<<<<<|>>>>>>>)( |$)"], [*self._candidates, *self._kbuild]):
            no_conflict(self.tree, name)
        self._find(list(ROOTS))

    def _list(self) -> List[str]:
        """All C files; not the big headers that only define numbers, which are a third of a tree."""
        found: List[str] = []

        def fail(err: OSError) -> None:
            raise Stop(f"{err.filename} cannot be read: make the tree readable, then run again") from err

        for where, below, names in os.walk(self.tree, onerror=fail):
            inside = os.path.relpath(where, self.tree)
            if inside == ".":
                below[:] = [name for name in below if name not in _SKIP]
            below[:] = [name for name in below if name != ".git"]
            for name in names:
                if name.endswith((".c", ".h", ".inc")):
                    path = os.path.normpath(os.path.join(inside, name))
                    if not name.endswith(".h") or self._has_code(path):
                        found.append(path)
                elif name.startswith(("Kconfig", "Makefile", "Kbuild")):
                    self._kbuild.append(os.path.normpath(os.path.join(inside, name)))
            self.console.tick(f"{len(found)} files")
        return sorted(found)

    def _has_code(self, name: str) -> bool:
        path = os.path.join(self.tree, name)
        try:
            if os.lstat(path).st_size < BIG:
                return True
            with open(path, "rb") as data:
                return b"inline" in data.read(BIG // 4)
        except OSError:
            return False

    def _grep(self, arguments: List[str], names: List[str]) -> List[str]:
        argv = ["xargs", "-0", "-P", "2", "-n", "1000", "grep", *arguments, "--"]
        child = subprocess.Popen(argv, cwd=self.tree, env=proc.environment({"LC_ALL": "C"}), stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, errors = child.communicate(os.fsencode("\0".join(names)), timeout=600)
        except BaseException:
            child.kill()
            child.wait()
            raise
        denied = re.search(r"grep: (.+): Permission denied", errors.decode(errors="replace"))
        if denied is not None:
            raise Stop(f"{self.tree / denied.group(1)} cannot be read: make the tree readable, then run again")
        return sorted(os.fsdecode(name) for name in out.split(b"\n") if name)

    def _grep_files(self, arguments: List[str]) -> List[str]:
        return self._grep(arguments, self._candidates) if self._candidates else []

    def _find(self, names: List[str]) -> None:
        """Find the files that name @names."""
        missing = [name for name in names if name not in self._files]
        if not missing:
            return
        for name in missing:
            self._files[name] = []
        hits = self._grep_files(["-lwF", *(word for name in missing for word in ("-e", name))])
        for path in hits:
            words = set(re.findall(r"\w+", self._read(path)))
            for name in missing:
                if name in words:
                    self._files[name].append(path)

    def _read(self, name: str) -> str:
        return read(self.tree, name)

    def source(self, name: str) -> Source:
        """A file, parsed."""
        if name not in self._sources:
            no_conflict(self.tree, name)
            self._sources[name] = Source(name, self._read(name))
        return self._sources[name]

    def is_test(self, name: str) -> bool:
        """Tell whether a file is KUnit tests: they walk as they like."""
        source = self.source(name)
        text = "\n".join(source.lines)
        return bool(re.search(r"\bkunit_test_suites?\s*\(", text)
                    or (re.search(r"(?:^|/)tests?/", name) and "kunit" in text))

    def definition(self, name: str, near: Optional[Source]) -> Optional[Tuple[Source, Function]]:
        """Where @name is defined, as seen from @near; only mm and its headers are known."""
        if near is not None:
            for function in near.defines(name):
                if not function.macro:
                    return near, function
        if self._index is None:
            self._index = self._make_index()
        path = self._index.get(name)
        if path is None:
            return None
        source = self.source(path)
        found = [function for function in source.defines(name) if not function.macro]
        return (source, found[0]) if found else None

    def _make_index(self) -> Dict[str, str]:
        index: Dict[str, str] = {}
        head = re.compile(r"^(?!static\b(?!.*\binline\b))[A-Za-z_][^;{}()=#\n]*?(?:\n[A-Za-z_][^;{}()=#\n]*?)?"
                          r"\b(\w+)\s*\([^;{}]*?\)\s*(?:__\w+(?:\([^)]*\))?\s*)*\{", re.M)
        for pattern in reversed(_INDEX):
            for path in sorted(self.tree.glob(pattern)):
                name = str(path.relative_to(self.tree))
                for found in head.finditer(self._read(name)):
                    index[found.group(1)] = name
        return index

    # Functions

    def flow(self, source: Source, function: Function, name: str) -> Flow:
        """The ways through @function to its calls of @name."""
        key = (source.path, function.name, function.line, name)
        if key not in self._flows:
            self._flows[key] = Flow(source, function, [name], self.effects)
        return self._flows[key]

    def effects(self, name: str, near: Source) -> Optional[List[Effect]]:
        """What a call of @name does to the locks of its arguments; None if nothing that we see."""
        if not re.search(r"fol|page|split|lock|writ|unmap|isolat|migrat|get|memory|swap|evict", name):
            return None
        found = self.definition(name, near)
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
            locks = tuple(sorted((int(what[2:]), status) for what, (status, _) in state.locks.items()
                                 if re.fullmatch(r"p:\d+", what) and status in ("L", "R")))
            returned = state.locks.get(str(value[1]), ("", 0))[0] if value[0] == "s" else ""
            given = frozenset((key, truth) for key, truth in about_parameters(state.facts)
                              if key[0] == "t" and re.fullmatch(r"p:\d+", key[1]))
            kinds.add(Effect(truth_of(value, state), locks, returned if returned == "L" else "", given))
        if not any(kind.locks or kind.returned == "L" for kind in kinds):
            return None
        if len(kinds) > 12:
            kinds = {kind._replace(given=frozenset()) for kind in kinds}
        return sorted(kinds, key=str)

    def callers(self, name: str, home: Optional[str]) -> List[Tuple[Source, Function]]:
        """The functions that call @name; @home: the file whose static function it is."""
        if home is not None and not home.endswith(".h"):
            paths = [home]
        else:
            self._find([name])
            paths = self._files[name]
        found = []
        for path in paths:
            source = self.source(path)
            own = [function for function in source.defines(name) if function.static and not function.macro]
            if own and path != home and not path.endswith(".h"):
                continue
            for function in source.functions:
                if function.calls(name) and function.name != name and function.name not in INSIDE:
                    found.append((source, function))
        return found

    def mentions(self, name: str, home: Optional[str]) -> Optional[Place]:
        """A place where @name is handed on as a pointer."""
        paths = [home] if home is not None and not home.endswith(".h") else self._files.get(name, [])
        for path in paths:
            source = self.source(path)
            tokens = source.tokens
            for at, token in enumerate(tokens):
                if (token.text == name and at and at + 1 < len(tokens) and tokens[at + 1].text != "("
                        and tokens[at - 1].text in ("=", ",", "(", "&", "{")
                        and not (tokens[at - 2].text.startswith(("EXPORT_", "TRACE_", "ALLOW_ERROR", "NOKPROBE"))
                                 or tokens[at - 2].text.endswith("_ID"))):
                    return Place(path, token.line, source.text(token.line), "is called through a pointer")
        return None

    # Questions

    def sites(self) -> List[Site]:
        """Every call of one of ROOTS."""
        found: List[Site] = []
        for name, index in ROOTS.items():
            home = self._home(name)
            for source, function in self.callers(name, home):
                self.console.tick(f"{source.path}: {function.name}()")
                question = Question(name, home, index, "", frozenset(), None)
                by_line = self._answer_in(question, source, function)
                for line, ways in sorted(by_line.items()):
                    found.append(Site(source.path, line, function.name, name, worst(way.status for way in ways),
                                      tuple(ways), self.is_test(source.path)))
        for name in ROOTS:
            # folio_lock_anon_vma_read() is meant to be handed on, to rmap_walk() as .anon_lock.
            place = None if "anon_vma" in name else self.mentions(name, self._home(name))
            if place is not None:
                way = Way((Hop(place.file, place.line, "", name),), UNKNOWN, (place,))
                found.append(Site(place.file, place.line, "", name, UNKNOWN, (way,), self.is_test(place.file)))
        return sorted(found, key=lambda site: (site.test, site.file, site.line))

    def _home(self, name: str) -> Optional[str]:
        found = self.definition(name, None)
        if found is None:
            for path in self._files.get(name, []):
                if any(function.static for function in self.source(path).defines(name)):
                    return path if path.endswith(".c") else None
            return None
        source, function = found
        return source.path if function.static and source.path.endswith(".c") else None

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
        callers = self.callers(question.name, question.file)
        for source, function in callers:
            if self.is_test(source.path):
                continue
            for found in self._answer_in(question, source, function).values():
                ways += found
        if not callers:
            pointer = self.mentions(question.name, question.file)
            place = pointer or Place("", 0, "", f"no call of {question.name}() found")
            ways.append(Way((), UNKNOWN, (place,)))
        self._asked.discard(question)
        ways = _tidy(ways)
        self._open.discard(question)
        if not self._open:
            # Else it lacks the ways through a question that is still being asked.
            self._answers[question] = ways
        return ways

    def _answer_in(self, question: Question, source: Source, function: Function) -> Dict[int, List[Way]]:
        """The ways to the calls in one function, by line."""
        flow = self.flow(source, function, question.name)
        found: Dict[int, List[Way]] = {}
        passed_on: Dict[Tuple[int, int, str, Optional[Place], Optional[Place]], Set[FrozenSet[Tuple[Key, bool]]]] = {}
        for hit in flow.hits:
            state = _given(question, hit)
            if state is None:
                continue
            hop = Hop(source.path, hit.line, function.name, question.name)
            ways = found.setdefault(hit.line, [])
            value = hit.args[question.argument] if question.argument < len(hit.args) else ("s", "g:missing")
            if question.member and value[0] == "s":
                value = state.env.get(("m", str(value[1]), question.member), ("s", f"{value[1]}->{question.member}"))
            if value == ("i", 0):
                if question.name in FILE_ROOTS:
                    place = Place(source.path, hit.line, source.text(hit.line), "a walk of a file, without a folio")
                    ways.append(Way((hop,), FILE, (place,)))
                continue
            what = str(value[1])
            if question.name in FILE_ROOTS:
                place = Place(source.path, hit.line, source.text(hit.line), "a walk of a file's mapping")
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
            lines = {hit.line for hit in flow.hits} or {function.line}
            for line in lines:
                place = Place(source.path, function.line, function.name + "()", "is too long to be followed to its end")
                found.setdefault(line, []).append(Way((Hop(source.path, line, function.name, question.name),),
                                                      UNKNOWN, (place,)))
        if not flow.hits and not flow.cut:
            for line in _lines(function, question.name):
                place = Place(source.path, line, source.text(line), "no way leads to this call")
                found.setdefault(line, []).append(Way((Hop(source.path, line, function.name, question.name),),
                                                      UNKNOWN, (place,)))
        self._pass_on(question, source, function, passed_on, found)
        return {line: _tidy(ways) for line, ways in found.items() if ways}

    def _pass_on(self, question: Question, source: Source, function: Function,
                 passed_on: Dict[Tuple[int, int, str, Optional[Place], Optional[Place]],
                                 Set[FrozenSet[Tuple[Key, bool]]]],
                 found: Dict[int, List[Way]]) -> None:
        home = source.path if function.static or function.macro and source.path.endswith(".c") else None
        for (line, index, member, hint, weak), sets in passed_on.items():
            hop = Hop(source.path, line, function.name, question.name)
            asserted = question.asserted
            if asserted and not (source.path.endswith(".h") or function.macro):
                asserted += 1
            elif weak is not None:
                asserted = 1
            if asserted > ENOUGH_CALLERS:
                # Who asserts it was asked; that this one is handed a locked folio is not in doubt.
                place = weak or Place(source.path, function.line, source.text(function.line), "asserted below")
                found.setdefault(line, []).append(Way((hop,), LOCKED, (place,)))
                continue
            for given in sets:
                if any(other < given for other in sets):
                    continue
                above = self._answer(Question(function.name, home, index, member, given, hint, asserted))
                for way in above:
                    evidence = way.evidence
                    status = way.status
                    if status == UNKNOWN and weak is not None:
                        status, evidence = LOCKED, (weak, *evidence)
                    elif status == UNLOCKED and hint is not None and hint not in evidence:
                        evidence = (*evidence, hint)
                    found.setdefault(line, []).append(Way((*way.hops, hop), status, evidence))

    def _settled(self, flow: Flow, source: Source, what: str, state: State) -> Optional[Tuple[str, Place]]:
        """What this function itself says of a folio's lock."""
        status, line = state.locks.get(what, ("", 0))
        text = source.text(line)
        if status == "L":
            return LOCKED, Place(source.path, line, text, "locked")
        if state.facts.get(("anon", what)) is False:
            line = flow.tests.get(("anon", what), 0)
            return FILE, Place(source.path, line, source.text(line), "not anonymous")
        if state.facts.get(("file", what)):
            line = flow.tests.get(("file", what), 0)
            return FILE, Place(source.path, line, source.text(line), "never anonymous, its mapping is a DAX one")
        if status in ("U", "R"):
            return UNLOCKED, Place(source.path, line, text, "unlocked before")
        if status == "F":
            return UNLOCKED, Place(source.path, line, text, "not locked when this fails")
        if status == "T":
            return UNLOCKED, Place(source.path, line, text, "goes on when it is not locked")
        return None

    @staticmethod
    def _weak(flow: Flow, source: Source, what: str, state: State) -> Optional[Place]:
        status, line = state.locks.get(what, ("", 0))
        if status == "A":
            return Place(source.path, line, source.text(line), "asserted")
        line = flow.released.get(what, 0)
        if not line:
            text = flow.origins.get(what, ("", 0, ""))[2]
            for other, at in flow.released.items():
                if text and "(" in text + other and flow.origins.get(other, ("", 0, ""))[2] == text:
                    line = at
        if line:
            return Place(source.path, line, source.text(line), "was locked before, it is unlocked here")
        return None

    @staticmethod
    def _hint(flow: Flow, source: Source, what: str, state: State) -> Optional[Place]:
        """A lock of the same folio on another way, which the caller cannot hold then."""
        here = {(key, truth) for key, truth in about_parameters(state.facts) if key[0] not in ("anon", "ksm")}
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
                return Place(source.path, taken.line, source.text(taken.line), says)
        return None

    def _origin(self, question: Question, flow: Flow, source: Source, what: str, hop: Hop,
                weak: Optional[Place], state: State) -> Way:
        """A folio that comes from somewhere else than the caller."""
        name, line, text = flow.origins.get(what, ("", 0, ""))
        place = Place(source.path, line, source.text(line), "comes from here, not locked since") if line else \
            Place(source.path, hop.line, source.text(hop.line), "nothing says where its folio comes from")
        if weak is not None:
            return Way((hop,), LOCKED, (weak,))
        if name in PAGE_CACHE and "swap" not in text:
            return Way((hop,), FILE, (place._replace(says="comes out of a file's page cache"),))
        if name == "folio_next":
            copied = _copies_lock(source)
            if copied is not None:
                return Way((hop,), LOCKED, (copied,))
        known = name in LOOKUPS or self._local_list(flow, text) or self._plain(name, source)
        if question.hint is not None:
            return Way((hop,), UNLOCKED, (place, question.hint))
        skipped = self._hint(flow, source, what, state)
        if known and skipped is not None:
            return Way((hop,), UNLOCKED, (place, skipped))
        return Way((hop,), UNLOCKED if known else UNKNOWN, (place,))

    @staticmethod
    def _local_list(flow: Flow, text: str) -> bool:
        return any(re.search(rf"&{name}\b", text) for name in flow.function.lists)

    def _plain(self, name: str, source: Source) -> bool:
        """Tell whether @name is a function that we see lock nothing."""
        found = self.definition(name, source)
        if found is None:
            return False
        where, function = found
        names = {word for word in function.words if re.search(r"lock|grab|FGP", word)}
        return not names - {"rcu_read_lock", "rcu_read_unlock", "spin_lock", "spin_unlock", "block", "pmd_lock"} \
            and bool(function.words & LOOKUPS) and where is not None


def _given(question: Question, hit: Hit) -> Optional[State]:
    """The state of @hit if what the question has as given can be, with that known."""
    state = hit.state.copy()
    return state if fits(question.given, hit.args, state) else None


def _copies_lock(source: Source) -> Optional[Place]:
    """Where a split hands the lock of the whole folio on to its pieces."""
    for function in source.functions:
        if "split" in function.name and "PG_locked" in function.words:
            for token in function.tokens:
                if token.text == "PG_locked":
                    return Place(source.path, token.line, source.text(token.line),
                                 f"{function.name}() locks the pieces of a folio if the whole was locked")
    return None


def _lines(function: Function, name: str) -> List[int]:
    tokens = function.tokens
    return sorted({token.line for at, token in enumerate(tokens[:-1])
                   if token.text == name and tokens[at + 1].text == "("})


def _tidy(ways: List[Way]) -> List[Way]:
    """@ways without doubles, the bad ones first."""
    order = {UNLOCKED: 0, UNKNOWN: 1, FILE: 2, LOCKED: 3}
    found = sorted(dict.fromkeys(ways), key=lambda way: (order[way.status], way.hops, way.evidence))
    return found[:ENOUGH]
