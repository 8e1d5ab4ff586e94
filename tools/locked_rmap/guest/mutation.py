# SPDX-License-Identifier: GPL-2.0-only
"""Builds and runs one kernel with a seeded defect, and tells what went wrong in it."""

import contextlib
import hashlib
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..base import files, proc
from ..base.console import Console, Muted
from ..base.errors import Stop, one_line
from ..base.results import FAIL
from ..kernel import overlay
from ..kernel.defects import CRASH, Mutant
from ..kernel.line import Line
from ..kernel.series import Stage
from . import build, klog, kunit
from .watch import Watch

#: Seconds without a test result after which a guest has hung.  The tests' own
#: waits end after 5 s, and what is being waited for is always some 10 ms away.
QUIET = {"um": 10.0, "x86_64": 12.0}
#: Seconds that a guest may take although results keep coming.
WHOLE = 180
#: Part of the digest of a result: raise it when results of old would mislead.
FORMAT = 3


class Result(NamedTuple):
    """What the suites said to one kernel; the unchanged one has no name."""

    name: str
    arch: str
    stage: str
    digest: str
    #: Tests that failed, tests in which the log has an unexpected splat (and
    #: "" for one outside of every test), and how and in which test the guest died.
    failed: List[str]
    splats: Dict[str, List[str]]
    died: str
    died_in: str
    #: Tests that ran, in their order, and those that were skipped.
    ran: List[str]
    skipped: List[str]
    build_seconds: float
    guest_seconds: float

    @property
    def seconds(self) -> float:
        """What the mutant cost."""
        return self.build_seconds + self.guest_seconds

    @property
    def caught_by(self) -> List[str]:
        """All that went wrong, one entry a test, most telling first."""
        found = list(self.failed)
        if self.died:
            found.append(f"{self.died_in or 'the guest'} ({self.died})")
        found += [f"{name or 'the kernel log'} ({titles[0]})"
                  for name, titles in self.splats.items()
                  if name not in self.failed and not (self.died and name == self.died_in)]
        return found

    @property
    def red(self) -> List[str]:
        """The tests that are not what they are on the unchanged kernel."""
        return list(dict.fromkeys(filter(None, [*self.failed, self.died_in, *self.splats])))

    def silent(self, mutant: Mutant) -> List[str]:
        """The entries of @mutant's Caught-by that did not catch it."""
        return [name for name in mutant.caught_by
                if (not self.died if name == CRASH else name not in self.red)]


def judge(text: str, tests: Mapping[str, str], hung: str, order: Sequence[str]) -> Dict[str, Any]:
    """The fields of a Result that come from the kernel log @text and results @tests.

    @hung says how a guest that had to be ended hung; @order has the tests of the
    unchanged kernel.
    """
    found = klog.ktap(text)
    splats = [splat for splat in klog.splats(text) if not splat.expected]
    died = hung
    if not hung and not found.whole:
        died = "died: " + (splats[-1].title if splats else "the log ends without a reason")
    died_in = ""
    if died and found.planned:
        # Before the first test it is the boot.
        died_in = next((name for name in order if name not in found.cases), "")
    by_test: Dict[str, List[str]] = {}
    for splat in splats:
        # A test goes from the result of the one before to its own.
        name = "" if splat.number <= found.begun else next(
            (name for name, case in found.cases.items() if splat.number <= case.number), died_in)
        by_test.setdefault(name, []).append(one_line(splat.title, 160))
    return {"failed": [name for name, status in tests.items() if "." in name and status == FAIL],
            "splats": by_test, "died": one_line(died, 200), "died_in": died_in,
            "ran": [name for name, case in found.cases.items() if case.status != "skip"],
            "skipped": [name for name, case in found.cases.items() if case.status == "skip"]}


class Bed:
    """The work tree of one architecture's mutants of one stage, built and run in.

    @line has a work tree of its own; @clean is what the stage's files hold, @also
    names those that the mutants or other stages change.
    """

    def __init__(self, line: Line, arch: str, stage: Stage, clean: overlay.Contents,
                 also: Sequence[str], logs: Path, console: Console) -> None:
        self.line = line
        self.arch = arch
        self.stage = stage
        # UML has no lockdep; where there is one, it sees what no test looks at.
        self.config = build.config_for(line.repo, arch, debug=arch != "um")
        self.clean = clean
        self.also = also
        self.logs = logs
        self.console = console
        self.where = line.work.build_dir(self.config.label, stage.name)
        self.what = f"{line.version} {arch}"
        parts = [str(FORMAT), arch, stage.name, stage.contract, line.version,
                 proc.output(["gcc", "--version"]).stdout, *self.config.options(Path("build"))]
        for path in (self.config.debug_config, self.config.qemu_config):
            parts.append(path.read_text(encoding="utf-8") if path is not None else "")
        parts += [f"{name} {hashlib.sha256(data).hexdigest()}"
                  for name, data in sorted(clean.items())]
        self._base = "\0".join(parts)

    def digest(self, mutant: Optional[Mutant]) -> str:
        """Of all that a result depends on."""
        text = f"{self._base}\0{mutant.diff if mutant else 'unchanged'}"
        return hashlib.sha256(text.encode()).hexdigest()

    def put(self, changed: Mapping[str, bytes]) -> List[str]:
        """Have the tree hold the stage with @changed in it; the paths that are to be rebuilt."""
        return self.line.work.install({**self.clean, **changed}, self.where, self.also)

    def unchanged(self) -> Result:
        """Build and run the stage as it is."""
        logs = self._place(f"unchanged-{self.stage.name}")
        self.line.work.open_build(self.where, self.config.label, self.console)
        self.put({})
        started = time.monotonic()
        build.build(self.line.work, self.where, self.config,
                    f"{self.what} {self.stage.name}, unchanged", logs / "build.log", self.console)
        return Running(self, None, logs, time.monotonic() - started).result([])

    def build(self, mutant: Mutant, changed: Mapping[str, bytes],
              running: Optional["Running"]) -> Tuple[Path, float]:
        """Build @mutant while a guest is @running; where its logs go, and the seconds it took.

        Raises Stop if it does not build.
        """
        logs = self._place(mutant.name)
        started = time.monotonic()
        commands = rebuild(self.where, self.arch, self.image(), self.put(changed))
        self.step(f"building {self.what}, {mutant.name}")
        build.make(self.line.work, self.where, self.config.label, commands, [mutant.name],
                   f"mutant {mutant.name} ({self.arch})", logs / "build.log",
                   _Meanwhile(self.console, running))
        self.console.drop()
        return logs, time.monotonic() - started

    def _place(self, name: str) -> Path:
        place = self.logs / f"{name}-{self.arch}"
        files.remove_tree(place)
        place.mkdir(parents=True)
        return place

    def step(self, what: str) -> None:
        """Say on a terminal what is being done; in a log the line of the result will do."""
        if self.console.tty:
            self.console.begin(what)

    def image(self) -> Path:
        """The path of the kernel's image in its O= directory, as kunit.py has it."""
        if self.config.qemu_config is None:
            return Path("linux")
        text = self.config.qemu_config.read_text(encoding="utf-8")
        match = re.search(r'kernel_path="([^"]+)"', text)
        if match is None:
            raise Stop(f"{self.config.qemu_config} names no kernel_path; correct it")
        return Path(match.group(1))


def rebuild(where: Path, arch: str, image: Path, changed: Sequence[str]) -> List[List[str]]:
    """The commands that bring @image in @where up to date after @changed.

    make's search through all directories takes as long as the rest together.  Where only
    compiled C files have changed, their objects and the image are asked for by name.
    """
    make = ["make", "--no-print-directory", f"-j{len(os.sched_getaffinity(0))}", "-C", str(where),
            f"ARCH={arch}"]
    objects = [str(Path(name).with_suffix(".o")) for name in changed if name.endswith(".c")]
    if not objects or len(objects) < len(changed) or not all(
            (where / name).exists() for name in objects):
        return [[*make, image.name]]
    # The target "." goes through all directories, and would make built-in.a.  That is a
    # thin archive, a list of the objects: it is enough to pretend that it is new.
    return [[*make, "-o", "prepare", *objects], [*make, "-o", ".", "-W", "built-in.a", image.name]]


class Running:
    """A guest with a place of its own, so that the next kernel can be built meanwhile.

    A defect may make many tests fail, each after some seconds of waiting, and all of
    them count; so it is the time since the last result that tells a guest which hangs.
    @usual is how long the unchanged kernel took for all, which itself has time enough.
    """

    def __init__(self, bed: Bed, mutant: Optional[Mutant], logs: Path, built: float,
                 usual: float = WHOLE) -> None:
        self.bed = bed
        self.mutant = mutant
        self.logs = logs
        self.built = built
        # All that kunit.py's exec needs of an O= directory is the kernel's image.
        self.place = bed.where.with_name(f"guest-{bed.config.label}")
        files.remove_tree(self.place)
        (self.place / bed.image()).parent.mkdir(parents=True)
        shutil.copy2(bed.where / bed.image(), self.place / bed.image())
        out = logs / "kunit.log"
        command = kunit.command(bed.line, self.place, bed.config, bed.stage.contract, "", WHOLE,
                                f"--json={logs / 'kunit.json'}")
        child = proc.Child(command, out, cwd=bed.line.work.tree, env={"PYTHONUNBUFFERED": "1"})
        # A machine that is busy with other things must not make a kernel look hung.
        quiet = max(QUIET[bed.arch], 2 * usual)
        # Once its guest is ended, kunit.py writes down what it has.
        self.watch = Watch(child, out, WHOLE, quiet, grace=5)

    def result(self, order: Sequence[str]) -> Result:
        """Wait for the end; what came of it, where @order has the tests of the unchanged kernel."""
        bed, name = self.bed, self.mutant.name if self.mutant else ""
        if not self.watch.poll():
            bed.step(f"running the suites on {bed.what}, {name or 'unchanged'}")
        hung = self.watch.wait(bed.console.tick, 0.05)
        bed.console.drop()
        log = self.logs / "kernel.log"
        log.touch()
        with contextlib.suppress(FileNotFoundError):
            (self.place / "test.log").replace(log)
        text = log.read_text(encoding="utf-8", errors="replace")
        tests = kunit.read_results(files.read_json(self.logs / "kunit.json"), klog.ktap(text))
        return Result(name=name, arch=bed.arch, stage=bed.stage.name,
                      digest=bed.digest(self.mutant), build_seconds=round(self.built, 1),
                      guest_seconds=round(self.watch.seconds, 1),
                      **judge(text, tests, hung, order))


class _Meanwhile(Muted):
    """What a build tells: nothing, but it keeps an eye on the guest that is @running."""

    def __init__(self, outer: Console, running: Optional[Running]) -> None:
        super().__init__(outer, "")
        self._watch = running.watch if running is not None else None

    def wants_tick(self) -> bool:
        """Called some times a second."""
        super().tick()
        if self._watch is not None:
            self._watch.poll()
        return False
