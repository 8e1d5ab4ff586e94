# SPDX-License-Identifier: GPL-2.0-only
"""The verb `check`: which contract does a tree honour, and if none, who breaks it?"""

import fnmatch
import re
import sys
import time
from pathlib import Path
from typing import AbstractSet, Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from ..base import files
from ..guest import kunit
from ..kernel import packages, series, source
from ..report import page, report
from ..static import callers
from . import mutants, run
from ..static.callers import FILE, LOCKED, UNKNOWN, UNLOCKED, Place, Site, Way, World
from ..base.console import Console, clock
from ..static.cparse import Function, Source, Token
from ..base.errors import BROKEN, HOLDS, Stop, one_line
from ..report.report import REVALIDATE

NEITHER = "neither"
CONTRACTS = (report.LOCKED, REVALIDATE)
#: The test that fails where there is no UFFDIO_MOVE.
OFFERED = "userfaultfd_move.ioctl_is_offered"


class Caller(NamedTuple):
    """A row of the matrix: who walks, and which tests are about it."""

    name: str
    what: str
    #: A regular expression on `function` or `callee` of sites and their ways.
    functions: str
    #: Globs of tests.
    tests: Tuple[str, ...]


#: Tests by caller: the one place that knows.  A site goes to the first row that fits, the last one takes the rest.
CALLERS = (
    Caller("reclaim", "folio_referenced(), from page reclaim", r"folio_referenced|page_referenced",
           ("rmap_callers.folio_referenced_*", "rmap_callers.*reclaim_*", "rmap_callers.madvise_*")),
    Caller("page_idle", "/sys/kernel/mm/page_idle/bitmap", r"page_idle_\w+", ("rmap_callers.page_idle_*",)),
    Caller("DAMON, making old", "damon_folio_mkold() and the DAMOS young filter", r"damon_\w*mkold",
           ("rmap_callers.damon_mkold_*", "rmap_callers.damos_young_filter_ages_*",
            "rmap_callers.damos_young_filter_walks_*")),
    Caller("DAMON, young?", "damon_folio_young() and the DAMOS young filter", r"damon_\w*young",
           ("rmap_callers.damon_young_*", "rmap_callers.damos_young_filter_contended_*",
            "rmap_callers.damos_young_filter_walks_*")),
    Caller("memory-failure", "collect_procs(): whom to kill", r"collect_procs_anon|collect_procs",
           ("rmap_callers.memory_failure_*",)),
    Caller("unmapping", "try_to_unmap()", r"try_to_unmap", ("rmap_callers.try_to_unmap_*",)),
    Caller("migration", "try_to_migrate(), remove_migration_ptes() and their callers",
           r"try_to_migrate|remove_migration_ptes|\w*migrate_folio_unmap|unmap_and_move_huge_page|"
           r"unmap_and_move_hugetlb_folio|__unmap_and_move", ("rmap_callers.try_to_migrate_*",)),
    Caller("write protection", "folio_mkclean(), file folios", r"folio_mkclean|page_mkclean|mapping_wrprotect_range",
           ("rmap_callers.folio_mkclean_*",)),
    Caller("THP split", "split_huge_page() and its like", r"split_huge_page\w*|__folio_split|folio_split\w*",
           ("rmap_callers.memory_failure_splits_*", "userfaultfd_move.*split*")),
    Caller("device exclusive", "make_device_exclusive()", r"\w*make_device_exclusive\w*|make_\w*exclusive\w*", ()),
    Caller("UFFDIO_MOVE", "the mover itself", r"move_pages_\w+|move_present_\w+", ("userfaultfd_move.*",)),
    Caller("the walk itself", "folio_lock_anon_vma_read(), rmap_walk()", r"rmap_walk\w*|folio_lock_anon_vma_read",
           ("rmap.*",)),
    Caller("other callers", "what this tool has no test for", r".*", ()),
)


class Request(NamedTuple):
    """What the user asked `check` for."""

    tree: Path
    static: bool = False
    arches: Sequence[str] = ()
    json: Optional[str] = None
    html: Optional[Path] = None
    timeout: Optional[int] = None


class Mover(NamedTuple):
    """A function that gives a mapped folio another anon_vma and index, as UFFDIO_MOVE does."""

    place: Place
    function: str
    #: Where it or its caller takes an anon_vma lock for writing; None if nowhere.
    lock: Optional[Place]


class Static(NamedTuple):
    """What the source says."""

    sites: List[Site]
    movers: List[Mover]
    #: Places in folio_lock_anon_vma_read() that look at folio->mapping again under the anon_vma lock.
    looks_again: List[Place]
    seconds: float

    def of(self, *statuses: str) -> List[Site]:
        """The sites outside of tests that have one of @statuses."""
        return [site for site in self.sites if site.status in statuses and not site.test]


class Judgement(NamedTuple):
    """The verdict: @contract is `locked`, `revalidate` or `neither`; @reasons say why, @look where to look."""

    contract: str
    sentence: str
    reasons: List[str]
    look: List[str]
    #: Callers in this tree of which no test ran under @contract, and why; only if the suites were run.
    not_seen: Dict[str, str]
    #: What fails and is about neither contract.
    aside: List[str]


Runs = Dict[str, Dict[str, kunit.Outcome]]


# The source

def read_source(tree: Path, console: Console) -> Static:
    """Look at the callers in @tree.  Raises Stop if it cannot be read."""
    start = time.monotonic()
    console.begin(f"reading {tree}")
    world = World(tree, console)
    world.look()
    sites = world.sites()
    if not sites:
        raise Stop(f"{tree} has no call of rmap_walk(): give the top of a kernel tree, 6.1 or newer")
    found = Static(sites, movers(world), looks_again(world), time.monotonic() - start)
    console.end(f"{len(sites)} calls that walk")
    return found


def movers(world: World) -> List[Mover]:
    """Who moves mapped folios from one VMA to another."""
    found: List[Mover] = []
    for name in ("folio_move_anon_rmap", "page_move_anon_rmap", "folio_relocate_anon_rmap"):
        own = world.definition(name, None)
        sets_index = own is not None and _sets_index(own[1])
        for where, function in world.callers(name, None):
            if not (sets_index or _sets_index(function)) or world.is_test(where.path):
                continue
            line = next(token.line for token in function.tokens if token.text == name)
            found.append(Mover(Place(where.path, line, where.text(line), "moves a mapped folio"),
                               function.name, _write_lock(world, where, function, 3)))
    return found


def _sets_index(function: Function) -> bool:
    tokens = function.tokens
    return any(token.text == "index" and tokens[at - 1].text == "->" and tokens[at + 1].text == "="
               for at, token in enumerate(tokens[1:-1], 1))


def _write_lock(world: World, where: Source, function: Function, up: int) -> Optional[Place]:
    """Where @function, a helper of it, or a caller up to @up calls away locks an anon_vma for writing."""
    found = _locks_below(where, function, 3)
    if found is None and up:
        for above, each in world.callers(function.name, where.path if function.static else None):
            if above.path == where.path:
                found = found or _write_lock(world, above, each, up - 1)
    return found


def _locks_below(where: Source, function: Function, down: int) -> Optional[Place]:
    for at, token in enumerate(function.tokens):
        inside = {each.text for each in function.tokens[at + 1:at + 10]}
        if re.fullmatch(r"anon_vma_(?:try)?lock_write", token.text) or (
                re.fullmatch(r"down_write(?:_trylock|_killable|_nested)?", token.text)
                and inside >= {"anon_vma", "rwsem"}):
            return Place(where.path, token.line, where.text(token.line),
                         f"{function.name}() takes the anon_vma's lock for writing")
    if down:
        for helper in where.functions:
            if helper is not function and helper.static and not helper.macro and function.calls(helper.name):
                found = _locks_below(where, helper, down - 1)
                if found is not None:
                    return found
    return None


def _reads_mapping(tokens: Sequence[Token], at: int) -> bool:
    return tokens[at].text == "mapping" and at > 0 and tokens[at - 1].text == "->"


def looks_again(world: World) -> List[Place]:
    """Where folio_lock_anon_vma_read() reads folio->mapping again once it has the rwsem."""
    for name in ("folio_lock_anon_vma_read", "page_lock_anon_vma_read"):
        found = world.definition(name, None)
        if found is None:
            continue
        where, function = found
        tokens = function.tokens
        helpers = {each.name for each in where.functions if each.static and not each.macro
                   and any(_reads_mapping(each.tokens, at) for at in range(len(each.tokens)))}
        locked = False
        places: List[Place] = []
        for at, token in enumerate(tokens):
            if re.fullmatch(r"down_read\w*|anon_vma_lock_read|anon_vma_trylock_read", token.text):
                locked = True
            elif locked and (_reads_mapping(tokens, at) or token.text in helpers):
                places.append(Place(where.path, token.line, where.text(token.line), "looks at the mapping again"))
        return places
    return []


# Run time

def run_suites(repo: Path, request: Request, console: Console, results: run.Results) -> Dict[str, Runs]:
    """By architecture and contract, what the suites came to on the tree as it is."""
    arches = list(request.arches) or ["um"]
    configs = [run.config_for(repo, arch, False) for arch in arches]
    needed = [*packages.BUILD, *packages.TREE]
    for arch in arches:
        needed += packages.ARCH[arch]
    packages.need(console, needed)
    cache = source.open_cache()
    site = run.Site(repo, cache, console, None, request.tree)
    found: Dict[str, Runs] = {}
    with site.held():
        for arch, config in zip(arches, configs):
            place = results.stage(arch)
            build = run.build_stage(site, config, series.STOCK, [], place)
            found[arch] = {}
            for contract in CONTRACTS:
                logs = place / contract
                logs.mkdir(parents=True, exist_ok=True)
                outcome = run.run_stage(site, config, build, series.STOCK, contract, "", request.timeout,
                                        logs, console)
                found[arch][contract] = {arch: outcome}
    return found


def failures(outcome: kunit.Outcome) -> List[str]:
    """The tests that failed."""
    return sorted(name for name, status in outcome.tests.items() if status in (kunit.FAIL, kunit.CRASH))


def known_defects(repo: Path, static: Static) -> Set[str]:
    """Tests that fail for defects of UFFDIO_MOVE, or for want of it: what they say is not about a contract."""
    found: Set[str] = set()
    for path in sorted((repo / "mm" / "patches").glob("linux-*/shows-defect.revalidate")):
        for arch in run.ARCHES:
            # The other suites are about the contracts and nothing else.
            found |= {name for name in report.read_defects(path, arch) or () if name.startswith("userfaultfd_move.")}
    return found - {OFFERED} if static.movers else found


# The verdict

def _names(sites: Sequence[Site]) -> str:
    found = []
    for site in sites:
        first = site.key_ways()[0].hops[0].function
        found.append(f"{site.function}()" + (f" from {first}()" if first != site.function else "")
                     if site.function else site.file)
    return report.some(list(dict.fromkeys(found)), 6)


def judge(static: Static, runs: Mapping[str, Runs], known: AbstractSet[str]) -> Judgement:
    """Which contract the tree honours.

    @runs: by architecture and contract; empty if the suites were not run.
    @known: tests whose failure is not about a contract.
    """
    bad, unsure = static.of(UNLOCKED), static.of(UNKNOWN)
    wrong: Dict[str, List[str]] = {report.LOCKED: [], REVALIDATE: []}
    if bad:
        wrong[report.LOCKED].append(f"{len(bad)} call{_s(bad)} walk{_s(bad, 1)} an unlocked folio, in {_names(bad)}")
    if unsure:
        wrong[report.LOCKED].append(f"of {len(unsure)} call{_s(unsure)} it cannot be told, in {_names(unsure)}")
    bare = [mover for mover in static.movers if mover.lock is None]
    if len(static.looks_again) < 2:
        wrong[REVALIDATE].append("folio_lock_anon_vma_read() does not look at folio->mapping again"
                                 if not static.looks_again else
                                 "folio_lock_anon_vma_read() looks at folio->mapping again on one way only")
    if bare:
        wrong[REVALIDATE].append(f"{bare[0].function}() moves a folio without the anon_vma's lock")
    by_source = [contract for contract in CONTRACTS if not wrong[contract]]
    aside: List[str] = []
    for arch, contract, outcome in _each(runs):
        wrong[contract] += _broken(arch, outcome, known)
        names = [name for name in failures(outcome) if name in known]
        if names:
            aside.append(f"{report.some(names, 4)} fail{_s(names, 1)} under '{contract}' on {arch}, "
                         "which is about neither contract")
    for contract in CONTRACTS:
        if not wrong[contract]:
            return Judgement(contract, _honours(contract, static), [], [], not_seen(static, runs, contract), aside)
    look: List[str] = []
    for site in [*bad, *unsure]:
        for way in site.key_ways()[:3]:
            look.append(f"{site.file}:{site.line}: {says(site)}: {site.status}; {why(way)}")
    for arch, contract, outcome in _each(runs):
        # Where the source speaks for one contract, what fails under the other is how it should be.
        if contract in (by_source or CONTRACTS):
            look += _look_at(static, arch, contract, outcome, known)
    reasons = [f"not '{contract}': " + "; ".join(wrong[contract]) for contract in CONTRACTS]
    sentence = "This tree honours neither contract"
    if by_source:
        sentence += f": by its source it is '{by_source[0]}', but {_broken_first(runs, by_source[0], known)}"
    elif bare and bad:
        sentence += f": {bare[0].function}() relies on the folio lock, and {_names(bad)} walk{_s(bad, 1)} without it"
    elif bad and not static.movers:
        sentence += f": {_names(bad)} walk{_s(bad, 1)} unlocked and nothing revalidates" \
                    "; without UFFDIO_MOVE nothing comes of it, UFFDIO_MOVE must not be added as it is"
    return Judgement(NEITHER, sentence + ".", reasons, look, {}, aside)


def _s(what: Sequence[object], one: int = 0) -> str:
    """The s of a plural noun; with @one that of a verb."""
    return "s" * ((len(what) == 1) == bool(one))


def _each(runs: Mapping[str, Runs]) -> Iterator[Tuple[str, str, kunit.Outcome]]:
    for arch, by_contract in runs.items():
        for contract, outcomes in by_contract.items():
            for outcome in outcomes.values():
                yield arch, contract, outcome


def _broken(arch: str, outcome: kunit.Outcome, known: AbstractSet[str]) -> List[str]:
    """What speaks against a contract in a run under it."""
    found = []
    failed = [name for name in failures(outcome) if name not in known]
    splats = sum(not splat.expected for splat in outcome.splats)
    if outcome.died:
        found.append(f"the guest ({arch}) did not get to the end: {outcome.died}")
    if failed:
        found.append(f"{len(failed)} test{_s(failed)} fail{_s(failed, 1)} on {arch} ({report.some(failed)})")
    if splats:
        found.append(f"{splats} unexpected splat{'s' * (splats > 1)} on {arch}")
    if not found and kunit.PASS not in outcome.tests.values():
        found.append(f"no test ran on {arch}")
    return found


def _broken_first(runs: Mapping[str, Runs], contract: str, known: AbstractSet[str]) -> str:
    return next(why[0] for arch, each, outcome in _each(runs) if each == contract
                for why in [_broken(arch, outcome, known)] if why)


def _honours(contract: str, static: Static) -> str:
    bad = static.of(UNLOCKED)
    sentence = f"This tree honours the contract '{contract}'"
    if contract == report.LOCKED:
        sentence += ": every walk of an anonymous folio runs with the folio locked"
        if not static.movers:
            sentence += "; it has no UFFDIO_MOVE yet that could rely on it"
        elif any(mover.lock is not None for mover in static.movers):
            sentence += "; UFFDIO_MOVE takes the anon_vma's lock, which it need not do any more"
    elif static.movers:
        sentence += (f": {len(bad)} call{_s(bad)} walk{_s(bad, 1)} an unlocked folio ({_names(bad)}), "
                     "folio_lock_anon_vma_read() revalidates, and UFFDIO_MOVE holds the anon_vma's lock")
    else:
        sentence += ": walks of an unlocked folio revalidate, and it has no UFFDIO_MOVE"
    return sentence + "."


def _look_at(static: Static, arch: str, contract: str, outcome: kunit.Outcome,
             known: AbstractSet[str]) -> List[str]:
    """Where to look for what a run under @contract brought to light."""
    look = []
    failed = [name for name in failures(outcome) if name not in known]
    for name in failed[:8]:
        note = " ".join(outcome.notes.get(name, [])) or "see kernel.log"
        row = caller_of(name)
        calls = [f"{site.file}:{site.line}" for site in static.sites if not site.test and row_of(site) == row]
        where = f", who walks at {report.some(calls, 2)}" if calls else ""
        look.append(f"{name} fails under '{contract}' on {arch} ({row}{where}): {one_line(note, 160)}")
    if len(failed) > 8:
        look.append(f"and {len(failed) - 8} more tests under '{contract}' on {arch}: see kunit.log")
    for splat in [splat for splat in outcome.splats if not splat.expected][:3]:
        look.append(f"kernel.log:{splat.number} under '{contract}' on {arch}: {one_line(splat.title, 160)}")
    return look


def not_seen(static: Static, runs: Mapping[str, Runs], contract: str) -> Dict[str, str]:
    """Callers in the tree of which no test ran under @contract on any architecture: by name, why."""
    outcomes = [outcome for _, each, outcome in _each(runs) if each == contract]
    found: Dict[str, str] = {}
    if not outcomes:
        return found
    walk = {row_of(site) for site in static.of(LOCKED, UNLOCKED, UNKNOWN)}
    if static.movers:
        walk.add(caller_of("userfaultfd_move."))
    for caller in CALLERS:
        if not caller.tests or caller.name not in walk:
            continue
        mine = [(outcome, name) for outcome in outcomes for name in outcome.tests if is_about(name, caller)]
        if all(outcome.tests[name] == kunit.SKIP for outcome, name in mine):
            why_not = list(dict.fromkeys(outcome.skips.get(name, "skipped") for outcome, name in mine))
            found[caller.name] = report.some(why_not, 2) if mine else "there is no such test in this kernel"
    return found


def says(site: Site) -> str:
    """A call in words."""
    return f"{site.function}() calls {site.callee}()" if site.function else f"{site.callee}() is handed on"


def why(way: Way) -> str:
    """A way in a line: who calls whom, and what shows that it is as it is."""
    chain = " > ".join(f"{hop.function}()" for hop in way.hops)
    return f"{chain}; " + "; ".join(str(place) for place in way.evidence)


# Rows of the matrix

class Row(NamedTuple):
    """A caller with all that is known about it."""

    caller: Caller
    sites: List[Site]
    #: By architecture and contract: (passed, failed names, skipped).
    tests: Dict[str, Dict[str, Tuple[int, List[str], int]]]
    #: How many seeded defects name one of these tests under Caught-by.
    defects: int

    @property
    def status(self) -> str:
        """What the source says, at its worst."""
        return callers.worst(site.status for site in self.sites) if self.sites else ""


def row_of(site: Site) -> str:
    """The name of the row that a site belongs to."""
    for caller in CALLERS:
        if re.fullmatch(caller.functions, site.function):
            return caller.name
    return CALLERS[-1].name


def caller_of(test: str) -> str:
    """The name of the row that a test belongs to."""
    for caller in CALLERS:
        if is_about(test, caller):
            return caller.name
    return CALLERS[-1].name


def is_about(test: str, caller: Caller) -> bool:
    """Tell whether a test is about @caller."""
    return any(fnmatch.fnmatch(test, glob) for glob in caller.tests)


def rows(repo: Path, version: str, static: Static, runs: Mapping[str, Runs]) -> List[Row]:
    """The matrix; rows with nothing in them are left out."""
    seeded: List[mutants.Mutant] = []
    base = repo / "tools" / "mutants"
    # The tests are the same for every line: where there are no defects for this one, another will do.
    for directory in (base / f"linux-{source.line_of(version)}", base / f"linux-{run.DEFAULT_LINE}"):
        if directory.is_dir():
            seeded = mutants.read_all(directory)
            break
    found = []
    for caller in CALLERS:
        sites = [site for site in static.sites if not site.test and row_of(site) == caller.name]
        tests: Dict[str, Dict[str, Tuple[int, List[str], int]]] = {}
        for arch, by_contract in runs.items():
            for contract, outcomes in by_contract.items():
                mine = {name: status for outcome in outcomes.values() for name, status in outcome.tests.items()
                        if is_about(name, caller)}
                bad = sorted(name for name, status in mine.items() if status in (kunit.FAIL, kunit.CRASH))
                tests.setdefault(arch, {})[contract] = (
                    sum(status == kunit.PASS for status in mine.values()), bad,
                    sum(status == kunit.SKIP for status in mine.values()))
        defects = sum(any(is_about(test, caller) for test in mutant.caught_by) for mutant in seeded)
        if sites or caller.tests:
            found.append(Row(caller, sites, tests, defects))
    return found


# Results

_CELL = {UNLOCKED: "31;1", UNKNOWN: "33", LOCKED: "32", FILE: "32"}
#: Width of a column of tests.
_RUN = 17


def print_static(console: Console, static: Static) -> None:
    """One line a call, and what shows it."""
    console.line()
    width = max(len(f"{site.file}:{site.line}") for site in static.sites)
    for site in static.sites:
        status = "test code" if site.test else site.status
        count = len(site.ways)
        console.line(f"{console.paint(f'{status:<15}', '' if site.test else _CELL[site.status])}  "
                     f"{f'{site.file}:{site.line}':<{width}}  {says(site)}"
                     + (f", {count} ways" if count > 1 else ""))
        if site.test:
            continue
        shown = [way for way in site.ways if way.status in (UNLOCKED, UNKNOWN)][:3] or site.ways[-1:]
        aside = [way for way in site.ways if way.status == FILE and way not in shown][:1]
        for way in [*shown, *aside]:
            mark = "" if way.status == site.status else f"{way.status}: "
            console.line(f"{'':17}{mark}{why(way)}")
    console.line()
    for mover in static.movers:
        lock = str(mover.lock) if mover.lock else "takes no anon_vma lock"
        console.line(f"mover            {mover.place.file}:{mover.place.line}  {mover.function}(): {lock}")
    if not static.movers:
        console.line("mover            none: this tree has no UFFDIO_MOVE")
    again = ", ".join(f"{place.file}:{place.line}" for place in static.looks_again)
    console.line(f"revalidation     {again or 'none: folio_lock_anon_vma_read() reads folio->mapping once'}")


def print_matrix(console: Console, table: Sequence[Row], contract: str) -> None:
    """Callers against evidence; @contract is the verdict."""
    arches = list(dict.fromkeys(arch for row in table for arch in row.tests))
    # The contract that the tree honours first; that it fails the other's tests is how it should be.
    columns = [(arch, each) for each in sorted(CONTRACTS, key=lambda each: each != contract) for arch in arches]
    heads = [f"{arch} {each}" for arch, each in columns]
    name = max(len(row.caller.name) for row in table)
    console.line()
    console.line("  ".join([f"{'caller':<{name}}", f"{'source':<15}",
                            *(f"{head:<{_RUN}}" for head in heads), "defects"]))
    for row in table:
        cells = [f"{row.caller.name:<{name}}",
                 console.paint(f"{row.status or '-':<15}", _CELL.get(row.status, ""))]
        for arch, each in columns:
            passed, bad, skipped = row.tests.get(arch, {}).get(each, (0, [], 0))
            text = f"{len(bad)} FAIL" if bad else f"{passed} pass" if passed else \
                f"not seen, {skipped} skip" if skipped else "-"
            red = bad and contract in (each, NEITHER)
            colour = "31;1" if red else "33" if bad else "32" if passed else "33" if skipped else ""
            cells.append(console.paint(f"{text:<{_RUN}}", colour))
        console.line("  ".join([*cells, str(row.defects or "-")]).rstrip())
    console.line()


def summary(tree: Path, version: str, static: Static, runs: Mapping[str, Runs], table: Sequence[Row],
            verdict: Judgement) -> Dict[str, Any]:
    """The value of --json."""
    def place(each: Optional[Place]) -> Optional[Dict[str, Any]]:
        return None if each is None else dict(each._asdict())

    return {
        "tree": str(tree),
        "kernel": version,
        "contract": verdict.contract,
        "verdict": verdict.sentence,
        "reasons": verdict.reasons,
        "look_at": verdict.look,
        "not_seen": verdict.not_seen,
        "aside": verdict.aside,
        "seconds": round(static.seconds, 1),
        "sites": [{
            "file": site.file, "line": site.line, "function": site.function, "callee": site.callee,
            "status": site.status, "test_code": site.test, "caller": row_of(site),
            "ways": [{"calls": [dict(hop._asdict()) for hop in way.hops], "status": way.status,
                      "evidence": [place(each) for each in way.evidence]} for way in site.ways],
        } for site in static.sites],
        "movers": [{"place": place(mover.place), "function": mover.function, "lock": place(mover.lock)}
                   for mover in static.movers],
        "looks_again": [place(each) for each in static.looks_again],
        "matrix": [{"caller": row.caller.name, "what": row.caller.what, "source": row.status or None,
                    "tests": {arch: {contract: {"passed": cell[0], "failed": cell[1], "skipped": cell[2]}
                                     for contract, cell in cells.items()} for arch, cells in row.tests.items()},
                    "seeded_defects": row.defects} for row in table],
        "runs": {arch: {contract: {name: {"tests": outcome.tests, "skips": outcome.skips, "died": outcome.died}
                                   for name, outcome in outcomes.items()}
                        for contract, outcomes in by_contract.items()} for arch, by_contract in runs.items()},
    }


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


def check(repo: Path, request: Request, console: Console) -> int:
    """Do what @request says; the exit status.  Raises Stop if it cannot be done."""
    if request.static and request.arches:
        raise Stop("--static runs nothing: leave --arch out")
    files.check_target("--json", request.json)
    files.check_target("--html", request.html)
    try:
        tree, version = kernel_tree(request.tree)
    except PermissionError as err:
        raise Stop(f"{err.filename} cannot be read: make the tree readable, then run again") from err
    for arch in request.arches:
        run.config_for(repo, arch, False)
    static = read_source(tree, console)
    runs: Dict[str, Runs] = {}
    results = None if request.static else run.Results(repo, "check")
    if results is not None:
        try:
            runs = run_suites(repo, request, console, results)
        except Stop as err:
            raise Stop(str(err).replace(str(results.temp), str(results.base))) from err
        finally:
            results.publish()
    verdict = judge(static, runs, known_defects(repo, static))
    table = rows(repo, version, static, runs)
    value = summary(tree, version, static, runs, table, verdict)
    print_static(console, static)
    print_matrix(console, table, verdict.contract)
    for text in verdict.reasons:
        console.line(text)
    if verdict.look:
        console.line("look at:")
        for text in verdict.look:
            console.line(f"  {text}")
    for text in verdict.aside:
        console.line(text)
    if verdict.not_seen:
        console.line(console.paint("not seen at run time, the source alone speaks for them:", "33"))
        for name, text in verdict.not_seen.items():
            console.line(f"  {name}: {text}")
    console.line(console.paint(verdict.sentence, "32" if verdict.contract != NEITHER else "31;1"))
    console.line(f"Linux {version}, {tree}: {len(static.sites)} calls in {clock(static.seconds)}"
                 + (", by its source alone" if request.static else ""))
    if results is not None:
        console.line("logs: " + ", ".join(run.relative(results.final(arch)) for arch in runs))
    if request.json == "-":
        print(_json(value), file=sys.stdout, flush=True)
    elif request.json is not None:
        files.write_atomic(Path(request.json).absolute(), (_json(value) + "\n").encode())
    if request.html is not None:
        files.write_atomic(request.html.absolute(), page.render(value).encode())
        console.line(f"page: {run.relative(request.html.absolute())}")
    return HOLDS if verdict.contract != NEITHER else BROKEN


def _json(value: Any) -> str:
    import json  # pylint: disable=import-outside-toplevel
    return json.dumps(value, indent=1, ensure_ascii=False)
