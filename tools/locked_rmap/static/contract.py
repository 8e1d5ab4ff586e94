# SPDX-License-Identifier: GPL-2.0-only
"""The contract that a tree's source keeps: who walks, who moves, who looks again."""

import contextlib
import hashlib
import re
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from ..base import files
from ..base.console import Console
from ..base.errors import Stop
from ..kernel import packages, source
from ..kernel.callers import Trust, read_trusted
from ..kernel.worktree import WorkTree
from .callers import PROVED, ROOTS, STATUSES, TRUSTED, UNPROVED, Call, Hop, Place, Way, worst
from .compiled import CONFIGURATIONS, Answer, Compiled, analyser, each
from .functions import Function
from .mentions import Mention, Mentions

#: What a file of mm/ says that is worth compiling before anything is known of it.
_SEED = ("folio_lock", "folio_trylock", "folio_unlock", "lock_page", "trylock_page",
         "unlock_page", "folio_lock_killable")
#: More rounds than a tree has levels of helpers.
_ROUNDS = 12


class Mover(NamedTuple):
    """A function that gives a mapped folio another anon_vma and index, as UFFDIO_MOVE does."""

    place: Place
    function: str
    #: Where it or its caller takes an anon_vma lock for writing; None if nowhere.
    lock: Optional[Place]


class Static(NamedTuple):
    """What the source says."""

    calls: List[Call]
    movers: List[Mover]
    #: Where folio_lock_anon_vma_read() reads folio->mapping again under the anon_vma lock.
    looks_again: List[Place]
    seconds: float
    #: Functions of the kernel that are trusted to leave the locks of folios alone.
    harmless: Sequence[str] = ()
    #: Entries of the table that trust a call which needs no trust.
    unused: Sequence[str] = ()
    #: Files that could not be read and were passed over.
    odd: Sequence[str] = ()

    def of(self, *statuses: str) -> List[Call]:
        """The calls outside of tests that have one of @statuses."""
        return [call for call in self.calls if call.status in statuses and not call.test]


def fingerprint(function: Function) -> str:
    """Changes with the code of @function, not with its comments and white space."""
    words = [function.name, *(each.kind + each.name for each in function.parameters),
             *(token.text for token in function.tokens)]
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:12]


class _Look:
    """One look at a tree."""

    def __init__(self, repo: Path, tree: Path, place: Path, trusts: Sequence[Trust],
                 console: Console) -> None:
        self._console = console
        self._mentions = Mentions(tree)
        self._mentions.no_conflicts()
        self._trusts = trusts
        program = analyser(repo, place.parent / "rmap-static", console)
        self._builds = [Compiled(repo, tree, name, target, place, program)
                        for name, target in CONFIGURATIONS]
        #: Entries that count, and the fingerprints of functions that have changed since they
        #: were trusted: by function and callee.
        self._counts: Dict[Tuple[str, str], Trust] = {}
        self._stale: Dict[Tuple[str, str], List[str]] = {}
        self._used: Set[Tuple[str, str]] = set()
        #: Files that know a struct through whose pointers a function is called that needs a lock.
        self._holders: List[str] = []
        #: What the last look came to need: only a start, all of it is looked up anew.
        self._known = place / "known.json"
        self.odd = self._mentions.odd()

    def answers(self) -> Tuple[List[Answer], List[Mention]]:
        """What is said of each configuration, when nothing is left to compile; the mentions."""
        each(self._builds, self._console, "configure")
        known = files.read_json(self._known) or {}
        names: Set[str] = {*ROOTS, *known.get("names", ())}
        wanted = {name for name in self._mentions.files([*ROOTS, *_SEED])
                  if name.endswith(".c") and name.startswith("mm/")}
        wanted |= {name for name in known.get("files", ())
                   if (self._mentions.tree / name).is_file()}
        sought: Set[str] = set(known.get("sought", ()))
        now, written = time.time_ns(), self._mentions.written()
        older = self._older(known, written)
        headers = max(when for name, when in written.items() if name.endswith(".h"))
        for build in self._builds:
            build.recall(int(headers * 1e9))
            # make goes by what is newer.  A file that was put back is older, and another one.
            build.forget(wanted if any(name.endswith(".h") for name in older) else older)
        mentions: List[Mention] = []
        self._check_trust()
        trusted = sorted(f"{function} {callee}" for function, callee in self._counts)
        for _ in range(_ROUNDS):
            while True:
                mentions = self._mentions.of(names, self._mentions.files(names))
                more = self._wrappers(mentions) - names
                if not more:
                    break
                names |= more
            wanted |= {each.file for each in mentions if self._compiles(each.file)}
            each(self._builds, self._console, "compile", sorted(wanted))
            answers: List[Answer] = each(self._builds, self._console, "look", trusted)
            needed = {name for answer in answers for name in answer.value["required"]}
            missing = {name for answer in answers for name in answer.value["missing"]} - sought
            sought |= missing
            structs = {str(slot).split("+")[0] for answer in answers
                       for slot in answer.value["slots"]}
            self._holders = self._mentions.files(structs)
            found = {name for name in (*self._mentions.definers(missing), *self._holders)
                     if self._compiles(name)} - wanted
            needed |= self._takers(structs)
            if needed <= names and not found:
                for build in self._builds:
                    build.remember(now)
                files.write_json(self._known, {"names": sorted(needed), "files": sorted(wanted),
                                               "sought": sorted(sought), "written": written})
                # What was needed once and is not any more is nobody's business.
                names = {*ROOTS, *needed}
                names |= self._wrappers([each_ for each_ in mentions if each_.name in names])
                return answers, [each_ for each_ in mentions if each_.name in names]
            names |= needed
            wanted |= found
        raise Stop("there is always more to compile: this tree calls in a way that check does "
                   "not follow; report it")

    @staticmethod
    def _older(known: Mapping[str, Any], written: Mapping[str, float]) -> List[str]:
        """The files that are older than they were at the last look."""
        before = known.get("written", {})
        return [name for name, when in written.items() if when < before.get(name, when)]

    @staticmethod
    def _compiles(name: str) -> bool:
        return name.endswith(".c") and (not name.startswith("arch/") or
                                        name.startswith("arch/x86/"))

    def _takers(self, structs: Set[str]) -> Set[str]:
        """Inline functions of headers that are given one of @structs, and may call through it."""
        return {function.name for file in self._holders if file.endswith(".h")
                for function in self._mentions.source(file).functions
                if any(structs & set(each_.kind.split()) for each_ in function.parameters)}

    def _wrappers(self, mentions: Sequence[Mention]) -> Set[str]:
        """Macros, and inline functions of headers, that mention a name: who mentions those?"""
        found: Set[str] = set()
        for each_ in mentions:
            for function in self._mentions.source(each_.file).defines(each_.function):
                if function.macro or each_.file.endswith(".h"):
                    found.add(function.name)
        return found

    def _check_trust(self) -> None:
        for trust in self._trusts:
            path = self._mentions.tree / trust.file
            bodies = self._mentions.source(trust.file).defines(trust.function) \
                if path.is_file() else []
            prints = {fingerprint(body) for body in bodies}
            key = (trust.function, trust.callee)
            if prints & set(trust.fingerprints):
                self._counts[key] = trust
            elif prints:
                self._stale[key] = sorted(prints)

    def place(self, at: Mapping[str, Any], says: str) -> Place:
        """A place that rmap-static names."""
        name, line = str(at["file"]), int(at["line"])
        text = self._mentions.source(name).text(line) \
            if (self._mentions.tree / name).is_file() else ""
        return Place(name, line, text, says)

    def _way(self, call: Hop, value: Mapping[str, Any], below: Tuple[Hop, ...]) -> Way:
        places = [self.place(value["at"], str(value["why"]))]
        for step in value["steps"]:
            if step["what"] in ("if true", "if false", "branch", "called here"):
                places.append(self.place(step, f"{step['function']}(): {step['what']}"))
        return Way((call, *below), str(value["verdict"]), tuple(places))

    def defects(self) -> List[str]:
        """What becomes of the defects by machine, in all configurations.

        With its lock gone a function may need its callers, whom nobody had to compile before.
        """
        self._check_trust()
        trusted = sorted(f"{function} {callee}" for function, callee in self._counts)
        wanted: Set[str] = set((files.read_json(self._known) or {}).get("files", ()))
        while True:
            lines = [line for found in each(self._builds, self._console, "defects")
                     for line in found]
            names = {line.split("\t")[3].rstrip("()") for line in lines
                     if line.startswith("missed")}
            more = {mention.file for mention in self._mentions.of(
                names, self._mentions.files(names)) if self._compiles(mention.file)} - wanted
            if not more:
                return lines
            wanted |= more
            each(self._builds, self._console, "compile", sorted(wanted))
            each(self._builds, self._console, "look", trusted)

    def unused(self) -> List[str]:
        """The entries that trust in vain, once all calls are known."""
        return [f"{function} > {callee}"
                for function, callee in sorted(set(self._counts) - self._used)]

    def calls(self, answers: Sequence[Answer]) -> List[Call]:
        """The calls of all configurations together."""
        found: Dict[Tuple[str, int, str, str], Call] = {}
        for answer in answers:
            for value in answer.value["calls"]:
                hop = _hop(value)
                below = tuple(map(_hop, value["walk"]))
                ways = tuple(self._way(hop, way, below) for way in value["ways"])
                status, note = str(value["verdict"]), ""
                trust = self._counts.get((hop.function, hop.callee))
                stale = self._stale.get((hop.function, hop.callee))
                if trust is not None and status != PROVED:
                    self._used.add((hop.function, hop.callee))
                    status, note, ways = TRUSTED, trust.why, ()
                elif stale is not None and status != PROVED:
                    status = worst((status, UNPROVED))
                    note = (f"{hop.function}() is not the one that mm/tests/callers trusts: look "
                            f"again; its fingerprint is {' '.join(stale)}")
                call = Call(hop.file, hop.line, hop.function, hop.callee, status, ways,
                            bool(value["test"]), below, tuple(value["needs"]), note)
                key = (hop.file, hop.line, hop.function, hop.callee)
                found[key] = _both(found[key], call) if key in found else call
            for value in answer.value["lost"]:
                call = self._lost(value)
                key = (call.file, call.line, call.function, call.callee)
                found[key] = _both(found[key], call) if key in found else call
        return [found[key] for key in sorted(found)]

    def _lost(self, value: Mapping[str, Any]) -> Call:
        hops = tuple(map(_hop, value["walk"]))
        at = self.place(value, str(value["why"]))
        callee = hops[0].callee if hops else str(value["function"])
        way = Way(hops, UNPROVED, (at,))
        return Call(at.file, at.line, str(value["function"]), callee, UNPROVED, (way,),
                    bool(value["test"]), hops)

    def left_out(self, answers: Sequence[Answer], mentions: Sequence[Mention]) -> List[Call]:
        """What no configuration compiles: each mention that no call in the IR accounts for."""
        bodies = {(str(file), str(name)) for answer in answers
                  for file, name in answer.value["bodies"]}
        lines = {(str(call["file"]), int(call["line"]), str(call["callee"]))
                 for answer in answers for call in answer.value["calls"]}
        failed: Dict[str, List[str]] = {}
        for answer in answers:
            for name, why in answer.failed.items():
                failed.setdefault(name, []).append(why)
        found: List[Call] = []
        for each_ in mentions:
            if each_.file.endswith(".h") or each_.function == "" or \
                    (each_.file, each_.line, each_.name) in lines:
                continue
            macro = any(function.macro for function in
                        self._mentions.source(each_.file).defines(each_.function))
            if macro or (each_.file, each_.function) in bodies:
                continue
            reasons = failed.get(each_.file, [])
            says = reasons[0] if len(reasons) == len(answers) else \
                "no configuration of ours compiles it"
            hop = Hop(each_.file, each_.line, each_.function, each_.name)
            at = self.place({"file": each_.file, "line": each_.line}, says)
            trust = self._counts.get((hop.function, hop.callee))
            if trust is not None:
                self._used.add((hop.function, hop.callee))
                found.append(Call(*hop, TRUSTED, (), False, note=trust.why))
            else:
                found.append(Call(*hop, UNPROVED, (Way((hop,), UNPROVED, (at,)),),
                                  _is_test(each_.file)))
        for name in self._holders:
            if name.endswith(".c") and name not in {call.file for call in found} and \
                    (not self._compiles(name) or len(failed.get(name, [])) == len(answers)):
                at = self.place({"file": name, "line": 1},
                                "may call through a pointer, and no configuration of ours "
                                "compiles it")
                found.append(Call(name, 1, "?", "?", UNPROVED, (Way((), UNPROVED, (at,)),),
                                  _is_test(name)))
        return found

    def one_sided(self, calls: Sequence[Call]) -> List[Call]:
        """Each #if in a function that leads to a walk, of which only one side was compiled."""
        symbols = [build.symbols() for build in self._builds]
        found: List[Call] = []
        for file, name, callee in sorted({(call.file, call.function, call.callee)
                                          for call in calls if call.file.endswith(".c")}):
            source_ = self._mentions.source(file)
            for function in source_.defines(name):
                for line in range(function.line, function.last + 1):
                    condition = re.match(r"#\s*(?:el)?if(n?def)?\b(.*)", source_.text(line))
                    if condition is None or \
                            len({_holds(condition.group(2), each_) for each_ in symbols}) > 1:
                        continue
                    hop = Hop(file, line, name, callee)
                    at = self.place({"file": file, "line": line},
                                    "no configuration of ours has the other side of this")
                    found.append(Call(*hop, UNPROVED, (Way((hop,), UNPROVED, (at,)),),
                                      _is_test(file)))
        return list({call[:3]: call for call in reversed(found)}.values())


def _is_test(file: str) -> bool:
    """Code of tests below mm/tests, which walks as it wants."""
    return file.startswith("mm/tests/")


def _holds(condition: str, symbols: Set[str]) -> bool:
    """What a preprocessor condition on options comes to: an #ifndef counts as its #ifdef."""
    names = re.findall(r"CONFIG_\w+", condition)
    text = re.sub(r"(?:defined|IS_ENABLED|IS_BUILTIN|IS_REACHABLE)\s*\(?\s*(CONFIG_\w+)\s*\)?",
                  r"\1", condition)
    text = text.replace("&&", " and ").replace("||", " or ").replace("!", " not ")
    if not names or re.search(r"[^\w\s()]", text):
        return False
    values = {name: name in symbols or f"{name}_MODULE" in symbols for name in names}
    try:
        return bool(eval(text, {"__builtins__": {}}, values))  # pylint: disable=eval-used
    except (SyntaxError, NameError):
        return False


def _hop(value: Mapping[str, Any]) -> Hop:
    return Hop(str(value["file"]), int(value["line"]), str(value["function"]),
               str(value["callee"]))


def _both(one: Call, other: Call) -> Call:
    """The same call in two configurations."""
    ways = {(way.status, way.evidence[:1]): way for way in (*other.ways, *one.ways)}
    status = worst((one.status, other.status))
    return one._replace(status=status, needs=tuple(dict.fromkeys((*one.needs, *other.needs))),
                        ways=tuple(ways[key] for key in sorted(
                            ways, key=lambda key: (STATUSES.index(key[0]), key[1]))),
                        note=one.note or other.note)


@contextlib.contextmanager
def _clean(tree: Path, place: Path, console: Console) -> Iterator[Path]:
    """@tree, or a copy of its source: kbuild builds out of no tree that was built in."""
    if any((tree / name).exists() for name in
           (".config", "include/config", "arch/x86/include/generated")):
        work = WorkTree(place / "source", tree)
        work.sync(console)
        tree = work.tree
    yield tree


def _forget(checks: Path) -> None:
    """Remove what was compiled of trees that are gone."""
    for named in checks.glob("*/tree"):
        if named.is_file() and not Path(named.read_text(encoding="utf-8").strip()).is_dir():
            files.remove_tree(named.parent)
            files.remove_tree(named.parent.with_suffix(".lock"))


def _place(tree: Path) -> Path:
    key = hashlib.sha256(str(tree).encode()).hexdigest()[:12]
    return source.open_cache() / "check" / key


@contextlib.contextmanager
def _held(repo: Path, tree: Path, console: Console) -> Iterator["_Look"]:
    """A look at @tree, with nobody else's look at it at the same time."""
    packages.need(console, packages.STATIC)
    place = _place(tree)
    _forget(place.parent)
    with files.locked(place.with_suffix(".lock"), f"check of {tree}", console, 3600), \
            _clean(tree, place, console) as clean:
        look = _Look(repo, clean, place, read_trusted(repo), console)
        files.write_atomic(place / "tree", f"{tree}\n".encode())
        yield look


def read_source(repo: Path, tree: Path, console: Console) -> Static:
    """Look at the callers in @tree.  Raises Stop if it cannot be read."""
    start = time.monotonic()
    with _held(repo, tree, console) as look:
        console.begin(f"reading {tree}")
        answers, mentions = look.answers()
        calls = look.calls(answers)
        calls = sorted([*calls, *look.one_sided(calls), *look.left_out(answers, mentions)],
                       key=lambda call: call[:4])
        if not calls:
            raise Stop(f"{tree} has no call of rmap_walk(): give the top of a kernel tree")
        first = answers[0].value
        movers = [Mover(look.place(each_, "moves a mapped folio"), str(each_["function"]),
                        None if each_["lock"] is None else look.place(
                            each_["lock"], f"{each_['lock']['function']}() takes the anon_vma's "
                                           "lock for writing"))
                  for each_ in first["movers"]]
        again = [look.place(each_, "looks at the mapping again") for each_ in first["looks_again"]]
    console.end(f"{len(calls)} calls")
    return Static(calls, movers, list(dict.fromkeys(again)), time.monotonic() - start,
                  first["harmless"], look.unused(), look.odd)


def try_defects(repo: Path, tree: Path, console: Console) -> List[str]:
    """Break the locking of @tree by machine, as read_source() saw it last: what comes of each.

    A line is OUTCOME, KIND, PLACE and FUNCTION, with tabs between: the same defect in two
    configurations is two.
    """
    with _held(repo, tree, console) as look:
        return look.defects()


def kernel_tree(tree: Path) -> Tuple[Path, str]:
    """The tree that was asked for and its version; Stop if it is not one that can be checked."""
    tree = tree.absolute()
    if not tree.is_dir():
        raise Stop(f"there is no directory {tree}: give --tree the top of a kernel tree")
    version = source.tree_version(tree)
    source.check_age(version, str(tree))
    if not (tree / "mm" / "rmap.c").is_file():
        raise Stop(f"{tree} has no mm/rmap.c: give the top of a whole kernel tree")
    return tree, version


def says(call: Call) -> str:
    """A call in words."""
    return f"{call.function}() calls {call.callee}()"


def why(way: Way) -> str:
    """A way in a line: the guilty call, what shows it, and the calls down to the walk."""
    chain = " > ".join([*(f"{hop.function}()" for hop in way.hops),
                        f"{way.hops[-1].callee}()"]) if way.hops else ""
    return f"{way.evidence[0]}; {chain}" if way.evidence else chain
