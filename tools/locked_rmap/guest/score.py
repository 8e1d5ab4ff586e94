# SPDX-License-Identifier: GPL-2.0-only
"""Runs the defects that are seeded in a line, and keeps the score."""

import contextlib
import copy
import functools
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..base import files
from ..base.console import Console, clock
from ..base.errors import BROKEN, HOLDS, Stop, one_line
from ..base.parallel import side_by_side
from ..base.results import Verdict, results_dir, some
from ..kernel import overlay
from ..kernel.defects import ARCHES, CRASH, Mutant, apply, read_all
from ..kernel.line import Line
from ..kernel.series import LOCKED
from ..kernel.worktree import WorkTree
from .mutation import Bed, Result, Running


#: Name of the file that holds the results so far.
STATE = "state.json"


class Wanted(NamedTuple):
    """Which defects are to run; empty or None: all."""

    names: Sequence[str] = ()
    arch: Optional[str] = None
    stage: Optional[str] = None
    #: Use no result of an earlier run.
    fresh: bool = False


class State:
    """Results so far: an interrupted run goes on where it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        value = files.read_json(path)
        value = value if isinstance(value, dict) else {}
        #: The stages whose defects have all been run since the last fresh start.
        self.ended: List[str] = list(value.get("ended", ()))
        self.results: Dict[str, Result] = {}
        for key, entry in value.get("results", {}).items():
            with contextlib.suppress(TypeError):
                self.results[key] = Result(**entry)

    def get(self, name: str, arch: str, stage: str, digest: str) -> Optional[Result]:
        """The result of @name on @arch at @stage, if nothing has changed since."""
        found = self.results.get(f"{name} {arch} {stage}")
        return found if found is not None and found.digest == digest else None

    def forget(self, name: str, arch: str, stage: str) -> None:
        """Have no result of @name on @arch at @stage."""
        self.ended = [other for other in self.ended if other != stage]
        self.results.pop(f"{name} {arch} {stage}", None)

    def put(self, result: Result) -> None:
        """Remember @result."""
        with self._lock:
            self.results[f"{result.name} {result.arch} {result.stage}"] = result
            self.save()

    def save(self) -> None:
        """Have it all on disk."""
        files.write_json(self.path, {"ended": self.ended, "results": {
            key: value._asdict() for key, value in self.results.items()}})


class Score(NamedTuple):
    """What a run came to: by mutant, and the unchanged kernels that are not green."""

    version: str
    results: List[Tuple[Mutant, Result]]
    broken: Dict[str, List[str]]
    #: Tests of the unchanged kernels that passed.
    tests: Set[str]

    @property
    def missed(self) -> List[str]:
        """The mutants that nothing noticed."""
        return [mutant.name for mutant, result in self.results if not result.caught_by]

    @property
    def verdict(self) -> Verdict:
        """What it all comes to."""
        if self.broken:
            return Verdict(BROKEN, "The suites are not green on the unchanged kernel: " + "; ".join(
                f"{arch}: {some(why)}" for arch, why in self.broken.items()) + ".")
        total = len(self.results)
        caught = total - len(self.missed)
        text = f"{caught} of {total} defects caught ({100 * caught // max(total, 1)} %)"
        if self.missed:
            return Verdict(BROKEN, f"{text}, not caught: {', '.join(self.missed)}.")
        return Verdict(HOLDS, f"{text}.")

    def catches(self) -> Dict[str, Tuple[int, int]]:
        """For each test the number of mutants that it noticed, and that only it did."""
        found = {name: (0, 0) for name in sorted(self.tests)}
        for _, result in self.results:
            for name in result.red:
                noticed, alone = found.get(name, (0, 0))
                found[name] = (noticed + 1, alone + (len(result.red) == 1))
        return found

    def value(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "kernel": self.version, "status": self.verdict.status, "verdict": self.verdict.sentence,
            "unchanged_not_green": self.broken,
            "caught": len(self.results) - len(self.missed), "total": len(self.results),
            "tests": {name: {"noticed": noticed, "alone": alone}
                      for name, (noticed, alone) in self.catches().items()},
            "mutants": [{
                "name": mutant.name, "arch": result.arch, "stage": result.stage,
                "breaks": mutant.breaks, "hurts": mutant.hurts, "files": mutant.paths,
                "caught": bool(result.caught_by), "caught_by": result.caught_by,
                "failed": result.failed, "splats": result.splats, "died": result.died,
                "died_in": result.died_in, "expected": list(mutant.caught_by),
                "expected_but_silent": result.silent(mutant), "seconds": round(result.seconds, 1),
                "build_seconds": result.build_seconds, "guest_seconds": result.guest_seconds,
            } for mutant, result in self.results],
        }


def seeded(repo: Path, line: str) -> Path:
    """Where the defects of a kernel line lie."""
    return repo / "tools" / "mutants" / f"linux-{line}"


def place(line: Line) -> Path:
    """Where the logs, results and state of a kernel line are kept."""
    return results_dir(line.repo) / f"mutants-{line.name}"


def choose(mutants: Sequence[Mutant], names: Sequence[str],
           arch: Optional[str]) -> List[Tuple[Mutant, str]]:
    """Which mutants to run, and on which architecture each."""
    known = {mutant.name: mutant for mutant in mutants}
    for name in names:
        if name not in known:
            close = [other for other in known if name in other]
            raise Stop(f"there is no mutant {name}"
                       + (f"; there is {some(close)}" if close else ": they are in tools/mutants"))
    if arch is not None and arch not in ARCHES:
        raise Stop(f"unknown architecture '{arch}': give one of {', '.join(ARCHES)}")
    found = []
    for mutant in mutants:
        if names and mutant.name not in names:
            continue
        if arch is None or arch in mutant.arches:
            found.append((mutant, arch or mutant.arches[0]))
        elif names:
            raise Stop(f"mutant {mutant.name} cannot show on {arch}, "
                       f"only on {', '.join(mutant.arches)}")
    if not found:
        raise Stop(f"no mutant can show on {arch}")
    # Neighbours that share a file need one compilation less.
    return sorted(found, key=lambda entry: (ARCHES.index(entry[1]), entry[0].paths, entry[0].name))


class _Course:
    """What the architectures of a run have in common, and how one of them goes."""

    def __init__(self, line: Line, chosen: Sequence[Tuple[Mutant, str]], usual: str) -> None:
        """Apply all that is @chosen; Stop if one does not, or if two are the same defect."""
        self.line = line
        #: By mutant, the stage that it is seeded in.
        self.stages = {mutant.name: line.series.stage(mutant.stage or usual)
                       for mutant, _ in chosen}
        #: By stage, what its files hold; by mutant, what those hold that it changes.
        self.clean = {stage.name: line.contents(stage.patches) for stage in line.series.stages
                      if stage in self.stages.values()}
        self.changed: Dict[str, overlay.Contents] = {}
        self.also = set(line.series.touched())
        seen: Dict[str, str] = {}
        for mutant, _ in chosen:
            after = apply(mutant, self.clean[self.stages[mutant.name].name], line.work.pristine)
            same = seen.setdefault(repr(sorted(after.items())), mutant.name)
            if same != mutant.name:
                raise Stop(f"mutants {same} and {mutant.name} are the same defect: remove one")
            self.changed[mutant.name] = after
            self.also.update(mutant.paths)
        self.logs = place(line)
        self.logs.mkdir(parents=True, exist_ok=True)
        self.state = State(self.logs / STATE)

    def own(self, arch: str) -> Line:
        """The line with a work tree that no other verb, and no other architecture, uses."""
        own = copy.copy(self.line)
        base = own.work.base.with_name(f"{own.version}-mutants-{arch}")
        own.work = WorkTree(base, own.work.pristine)
        return own

    def run(self, own: Line, arch: str, todo: Sequence[Mutant], score: Score,
            console: Console) -> None:
        """Run the mutants @todo on @arch in the work tree of @own; they go to @score."""
        for name, clean in self.clean.items():
            here = [mutant for mutant in todo if self.stages[mutant.name].name == name]
            if here and not score.broken:
                bed = Bed(own, arch, own.series.stage(name), clean, sorted(self.also),
                          self.logs, console)
                self._on(bed, here, score)

    def _on(self, bed: Bed, todo: Sequence[Mutant], score: Score) -> None:
        console, state = bed.console, self.state
        found = {mutant.name: state.get(mutant.name, bed.arch, bed.stage.name, bed.digest(mutant))
                 for mutant in todo}
        unchanged = state.get("", bed.arch, bed.stage.name, bed.digest(None))
        running: Optional[Running] = None

        def finish() -> None:
            nonlocal running
            if running is not None and running.mutant is not None:
                result = running.result(tests)
                state.put(result)
                found[running.mutant.name] = result
                _tell(console, running.mutant, result, False, tests)
            running = None

        try:
            if unchanged is None or unchanged.caught_by or not all(found.values()):
                # Also if it was green before: what is built is what the mutants are built from.
                unchanged = bed.unchanged()
                state.put(unchanged)
                if unchanged.caught_by or not unchanged.ran:
                    score.broken[f"{bed.arch} {bed.stage.name}"] = \
                        unchanged.caught_by or ["no test ran"]
                    return
                console.line(f"{bed.arch} {bed.stage.name}, unchanged: green, "
                             f"{len(unchanged.ran)} tests, "
                             f"built in {clock(unchanged.build_seconds)}, "
                             f"run in {clock(unchanged.guest_seconds)}")
            score.tests.update(unchanged.ran)
            tests = [*unchanged.ran, *unchanged.skipped]
            for mutant in todo:
                known = found[mutant.name]
                if known is not None:
                    _tell(console, mutant, known, True, tests)
                    continue
                # While it is built the one before it runs.
                try:
                    logs, seconds = bed.build(mutant, self.changed[mutant.name], running)
                except Stop:
                    finish()
                    raise
                finish()
                running = Running(bed, mutant, logs, seconds, unchanged.guest_seconds)
            finish()
        finally:
            if running is not None:
                running.watch.end()
            # The tree goes back to what it was, whatever happened.
            if bed.line.work.tree.is_dir() and bed.where.is_dir():
                bed.put({})
        score.results.extend((mutant, result) for mutant in todo
                             for result in [found[mutant.name]] if result)


def measure(line: Line, wanted: Wanted, console: Console) -> Score:
    """Run what is @wanted of the defects of @line.  Raises Stop if it cannot be done."""
    # What the whole project is about; later stages have defects of their own.
    usual = (line.series.first(LOCKED) or line.series.stages[-1]).name
    asked = None if wanted.stage is None else line.series.stage(wanted.stage).name
    chosen = choose(read_all(seeded(line.repo, line.name)), wanted.names, wanted.arch)
    chosen = [(mutant, arch) for mutant, arch in chosen
              if asked in (None, mutant.stage or usual)]
    if not chosen:
        raise Stop(f"no such mutant is seeded in the stage {asked}")
    course = _Course(line, chosen, usual)
    state = course.state
    if wanted.fresh:
        for mutant, arch in chosen:
            state.forget(mutant.name, arch, course.stages[mutant.name].name)
            state.forget("", arch, course.stages[mutant.name].name)
        state.save()
    score = Score(line.version, [], {}, set())
    jobs: List[Callable[[Console], None]] = []
    with contextlib.ExitStack() as held:
        for arch in ARCHES:
            todo = [mutant for mutant, where in chosen if where == arch]
            if todo:
                own = course.own(arch)
                held.enter_context(own.held())
                jobs.append(functools.partial(course.run, own, arch, todo, score))
        # Side by side: most of a rebuild is linking, which keeps one CPU busy.
        side_by_side(jobs, console)
    score.results.sort(key=lambda entry: chosen.index((entry[0], entry[1].arch)))
    if not wanted.names and wanted.arch is None and not score.broken:
        state.ended = sorted({*state.ended, *course.clean})
        state.save()
    files.write_json(course.logs / "summary.json", score.value())
    return score


def _tell(console: Console, mutant: Mutant, result: Result, known: bool,
          tests: Sequence[str]) -> None:
    """Print what came of @mutant; @tests are those of the unchanged kernel."""
    took = "as before" if known else clock(result.seconds)
    what = f"{mutant.name} ({result.arch}, {took})"
    if not result.caught_by:
        console.line(f"{console.paint('NOT CAUGHT', '31;1')} {what}")
        return
    by = some([one_line(entry, 120) for entry in result.caught_by], 2)
    console.line(f"{console.paint('caught    ', '32')} {what} by {by}")
    for name in result.silent(mutant):
        why = ("did not happen" if name == CRASH else "passes" if name in result.ran
               else "is skipped" if name in result.skipped
               else "did not get to run" if name in tests else "is no test of this kernel")
        console.line(f"           Caught-by names {name}, which {why}")
