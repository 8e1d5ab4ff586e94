# SPDX-License-Identifier: GPL-2.0-only
"""The verb `mutants`: seeded defects, and which tests of the suites catch them.

A mutant is a small patch with a header, see Documentation/mutants.rst.  Each is
applied to the patched tree by itself, the kernel is rebuilt, the suites run, and
what failed is written down.  All of it happens in work trees that no other verb
uses, one for each architecture.  These run side by side: most of a rebuild is
linking, which keeps one CPU busy.
"""

import contextlib
import copy
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..base import files, proc
from ..guest import klog, kunit
from ..kernel import packages, series, source, worktree
from ..report import report
from . import run
from ..base.console import Console, clock
from ..base.errors import BROKEN, HOLDS, Stop, one_line

#: Where defects are tried.
ARCHES = ("um", "x86_64")
#: Seconds without a test result after which a guest has hung.  The tests' own
#: waits end after 5 s, and what is being waited for is always some 10 ms away.
QUIET = {"um": 10.0, "x86_64": 12.0}
#: Whether the kernel checks its own locking, by architecture.
DEBUG = {"um": False, "x86_64": True}
#: Seconds that a guest may take although results keep coming.
WHOLE = 180
#: Seconds that the build of one mutant may take before something must be wrong.
BUILD_LIMIT = 1200
#: Part of the digest of a result: raise it when results of old would mislead.
FORMAT = 2
#: Name of the file that holds the results so far.
STATE = "state.json"
#: What the header says in place of a test where the guest can only die.
CRASH = "crash"

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_TEST = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
_FIELDS = ("Breaks", "Hurts", "Caught-by", "Arch")
#: Fields that a header may have beside those.
_OPTIONAL = ("Stage",)
#: One architecture at a time may copy from the usual work tree, which it has to hold.
_ADOPTING = threading.Lock()


class Mutant(NamedTuple):
    """One seeded defect."""

    name: str
    breaks: str
    hurts: str
    caught_by: Tuple[str, ...]
    arches: Tuple[str, ...]
    #: The stage of the series that it is seeded in, empty for the usual one.
    stage: str
    diff: str

    @property
    def paths(self) -> List[str]:
        """The files of the kernel tree that the defect is in."""
        return series.touched(self.diff)


def parse(name: str, text: str) -> Mutant:
    """The mutant that @text describes.

    Raises Stop, naming the line, if the header is not as the documentation says.
    """
    def bad(number: int, why: str) -> Stop:
        return Stop(f"mutant {name}, line {number}: {why}; correct the file")

    if not _NAME.fullmatch(name):
        raise Stop(f"mutant {name}: the name must be lower-case words with '-' between them; rename the file")
    lines = text.splitlines()
    field: Dict[str, str] = {}
    last = ""
    number = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            break
        match = re.match(r"([A-Za-z-]+):(?: +(.*))?$", line)
        if line.startswith((" ", "\t")) and last:
            field[last] = f"{field[last]} {line.strip()}".strip()
        elif match is None:
            raise bad(number, "neither 'Field: text' nor a line that goes on with a space")
        else:
            last = match.group(1)
            if last not in _FIELDS + _OPTIONAL:
                raise bad(number, f"unknown field '{last}', there are {', '.join(_FIELDS + _OPTIONAL)}")
            if last in field:
                raise bad(number, f"field '{last}' stands twice")
            field[last] = (match.group(2) or "").strip()
    for wanted in _FIELDS:
        if not field.get(wanted):
            raise bad(number, f"the header has no '{wanted}'")
    diff = "\n".join(lines[number:]) + "\n"
    if not diff.startswith("--- a/"):
        raise bad(number + 1, "after the header and an empty line the diff must begin, with '--- a/'")
    caught_by = tuple(word.strip() for word in field["Caught-by"].split(","))
    for word in caught_by:
        if word != CRASH and not _TEST.fullmatch(word):
            raise bad(number, f"Caught-by: '{word}' is neither suite.test nor '{CRASH}'")
    if CRASH in caught_by and len(caught_by) > 1:
        raise bad(number, f"Caught-by: '{CRASH}' must stand alone; name the test that the guest dies in")
    arches = tuple(field["Arch"].split())
    for arch in arches:
        if arch not in ARCHES:
            raise bad(number, f"Arch: '{arch}' is none of {', '.join(ARCHES)}")
    for kind, words in (("Caught-by", caught_by), ("Arch", arches)):
        if len(set(words)) != len(words):
            raise bad(number, f"{kind}: an entry stands twice")
    found = Mutant(name, field["Breaks"], field["Hurts"], caught_by, arches, field.get("Stage", ""), diff)
    if not found.paths:
        raise bad(number + 1, "the diff changes no file")
    for path in found.paths:
        if path.startswith(f"{worktree.TESTS}/"):
            raise bad(number + 1, f"the diff changes {path}: a defect is in the code under test, not in the suites")
    return found


def read_all(directory: Path) -> List[Mutant]:
    """The mutants in @directory, by name; Stop if there are none or one is bad."""
    found = []
    for path in sorted(directory.glob("*.patch")):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as err:
            raise Stop(f"{path} is not UTF-8: correct the file") from err
        found.append(parse(path.name[:-len(".patch")], text))
    if not found:
        raise Stop(f"there are no mutants for this line: {directory} has no .patch file")
    return found


def apply(mutant: Mutant, contents: Mapping[str, bytes], pristine: Path) -> worktree.Contents:
    """What the files that @mutant touches hold with it applied.

    Raises Stop if it does not apply as it is: fuzz is refused.
    """
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        tree = Path(temp) / "tree"
        for name in mutant.paths:
            data = contents.get(name)
            if data is None and (pristine / name).is_file():
                data = (pristine / name).read_bytes()
            if data is None:
                raise Stop(f"mutant {mutant.name} does not apply: the patched tree has no {name}; correct it")
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(data)
        diff = Path(temp) / "diff"
        diff.write_text(mutant.diff, encoding="utf-8")
        answer = proc.output(["patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "--forward",
                              "--reject-file=-", "--input", str(diff)], cwd=tree)
        said = answer.stdout + answer.stderr
        if answer.returncode != 0 or re.search(r"\bwith fuzz\b", said):
            failed = re.search(r"^(?:Hunk #\d+ .*FAILED.*|patch: \*\*\*\* .*|.*[Rr]eversed.*)$", said, re.M)
            why = one_line(failed.group(0) if failed else said, 120)
            raise Stop(f"mutant {mutant.name} does not apply to the patched tree ({why}): bring it in line")
        after = {name: (tree / name).read_bytes() for name in mutant.paths if (tree / name).is_file()}
        if len(after) != len(mutant.paths):
            raise Stop(f"mutant {mutant.name} removes a file, which the tool cannot do; correct it")
        return after


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
        found += [f"{name or 'the kernel log'} ({titles[0]})" for name, titles in self.splats.items()
                  if name not in self.failed and not (self.died and name == self.died_in)]
        return found

    @property
    def red(self) -> List[str]:
        """The tests that are not what they are on the unchanged kernel."""
        return list(dict.fromkeys(name for name in [*self.failed, self.died_in, *self.splats] if name))

    def silent(self, mutant: Mutant) -> List[str]:
        """The entries of @mutant's Caught-by that did not catch it."""
        red = set(self.red)
        return [name for name in mutant.caught_by
                if (not self.died if name == CRASH else name not in red)]


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
    failed = [name for name, status in tests.items() if "." in name and status == kunit.FAIL]
    died_in = ""
    if died:
        # Before the first test it is the boot.
        died_in = next((name for name in order if name not in found.cases), "") if found.planned else ""
    by_test: Dict[str, List[str]] = {}
    spans = _spans(text)
    for splat in splats:
        name = next((test for last, test in spans if splat.number <= last), died_in)
        by_test.setdefault(name, []).append(one_line(splat.title, 160))
    ran = [name for name, case in found.cases.items() if case.status != "skip"]
    skipped = [name for name, case in found.cases.items() if case.status == "skip"]
    return {"failed": failed, "splats": by_test, "died": one_line(died, 200), "died_in": died_in,
            "ran": ran, "skipped": skipped}


def _spans(text: str) -> List[Tuple[int, str]]:
    """For each test the number of the line that gives its result, in order."""
    found: List[Tuple[int, str]] = []
    suite = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = klog.strip_prefix(raw)
        start = re.match(r"    # Subtest: (\S+)", line)
        if start:
            suite = start.group(1)
            # What comes before the first suite is the boot.
            if not found:
                found.append((number, ""))
        result = re.match(r"    (?:ok|not ok) \d+ (?:- )?(\S+)", line)
        if result and suite:
            found.append((number, f"{suite}.{result.group(1)}"))
    return found


class Bed:
    """The work tree of one architecture's mutants of one stage, built and run in."""

    def __init__(self, site: run.Site, usual: worktree.WorkTree, arch: str, stage: str, clean: worktree.Contents,
                 also: Sequence[str], logs: Path, console: Console) -> None:
        self.site = site
        self.usual = usual
        self.arch = arch
        self.stage = stage
        self.contract = report.kept_by(stage)
        # UML has no lockdep; where there is one, it sees what no test looks at.
        self.config = run.config_for(site.repo, arch, DEBUG[arch])
        self.clean = clean
        self.also = list(also)
        self.logs = logs
        self.console = console
        self.build_dir = site.work.build_dir(self.config.label, stage)
        self.base = self._base()

    def _base(self) -> str:
        parts = [str(FORMAT), self.arch, self.stage, self.site.version, proc.output(["gcc", "--version"]).stdout,
                 *self.config.options(Path("build"))]
        for path in (self.config.debug_config, self.config.qemu_config):
            parts.append(path.read_text(encoding="utf-8") if path is not None else "")
        parts += [f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in sorted(self.clean.items())]
        return "\0".join(parts)

    def digest(self, mutant: Optional[Mutant]) -> str:
        """Of all that a result depends on."""
        return hashlib.sha256(f"{self.base}\0{mutant.diff if mutant else 'unchanged'}".encode()).hexdigest()

    def put(self, changed: Mapping[str, bytes]) -> List[str]:
        """Have the tree hold the patched kernel with @changed in it; what is to be rebuilt."""
        return self.site.work.install({**self.clean, **changed}, self.build_dir, self.also)

    def unchanged(self) -> Result:
        """Build and run the patched tree as it is."""
        what = f"{self.site.version} {self.arch} {self.stage}, unchanged"
        logs = self._place(f"unchanged-{self.stage}")
        adopt(self.usual, self.site.work, self.build_dir, self.console)
        self.site.work.open_build(self.build_dir, self.config.label, self.console)
        self.put({})
        started = time.monotonic()
        kunit.build(self.site.work, self.build_dir, self.config, what, logs / "build.log", self.console)
        return Guest(self, None, logs, time.monotonic() - started, QUIET[self.arch]).result([])

    def build(self, mutant: Mutant, changed: Mapping[str, bytes], tick: Callable[[], None]) -> Tuple[Path, float]:
        """Build one mutant; where its logs go, and the seconds it took.

        Raises Stop if it does not build.  @tick is called some times a second.
        """
        logs = self._place(mutant.name)
        started = time.monotonic()
        self._make(logs / "build.log", mutant, self.put(changed), tick)
        return logs, time.monotonic() - started

    def _place(self, name: str) -> Path:
        place = self.logs / f"{name}-{self.arch}"
        files.remove_tree(place)
        place.mkdir(parents=True)
        return place

    def _make(self, log: Path, mutant: Mutant, changed: Sequence[str], tick: Callable[[], None]) -> None:
        """Rebuild the kernel's image after @changed.

        Without kunit.py, which would configure again and then make every target:
        unchanged() has just done so with the same configuration.  And, where it
        can be, without make's search through all directories of the tree, which
        takes longer than all else together: what is out of date is known.
        """
        make = ["make", "--no-print-directory", f"-j{len(os.sched_getaffinity(0))}", f"ARCH={self.arch}"]
        image = self.build_dir / self.image()
        with contextlib.suppress(FileNotFoundError):
            worktree.mark_path(self.build_dir, "done").unlink()
        marker = worktree.mark_path(self.build_dir, "building")
        marker.touch()
        self.step(f"building {self.site.version} {self.arch}, {mutant.name}")

        def do(argv: Sequence[str], cwd: Path) -> None:
            status = proc.run(argv, log, cwd=cwd, limit=BUILD_LIMIT, tick=tick)
            if status != 0:
                if status != 124:
                    marker.unlink()
                self.console.drop()
                raise kunit.BuildFailed(kunit.why_not_built(f"mutant {mutant.name} ({self.arch})", log, status,
                                                            self.build_dir))

        before = image.stat().st_mtime_ns if image.exists() else 0
        script = compile_script(self.build_dir, changed)
        if script:
            do(["sh", "-e", "-c", script], self.build_dir)
            # To make's -o, "." is the target that goes through the directories.
            do([*make, "-C", str(self.build_dir), "-o", ".", image.name], self.build_dir)
        if not script or image.stat().st_mtime_ns == before:
            do([*make, f"O={self.build_dir}", image.name], self.site.work.tree)
        marker.unlink()
        self.console.drop()

    def step(self, what: str) -> None:
        """Say on a terminal what is being done; in a log the line of the result will do."""
        if self.console.tty:
            self.console.begin(what)

    def image(self) -> str:
        """The path of the kernel's image in its O= directory, as kunit.py has it."""
        if self.config.qemu_config is None:
            return "linux"
        match = re.search(r'kernel_path="([^"]+)"', self.config.qemu_config.read_text(encoding="utf-8"))
        if match is None:
            raise Stop(f"{self.config.qemu_config} names no kernel_path; correct it")
        return match.group(1)


class Guest:
    """A kernel of its own place that runs the suites; the next one can be built meanwhile.

    kunit.py's own limit is for a whole run.  A defect may make many tests fail,
    each after some seconds of waiting, and all of them count; so it is the time
    since the last result that tells a guest which hangs.  @usual is how long the
    unchanged kernel took for all.
    """

    def __init__(self, bed: Bed, mutant: Optional[Mutant], logs: Path, built: float, usual: float = 0) -> None:
        self.bed = bed
        # A machine that is busy with other things must not make a kernel look hung.
        self.quiet = max(QUIET[bed.arch], 2 * usual)
        self.mutant = mutant
        self.logs = logs
        self.built = built
        self.hung = ""
        self.seconds = 0.0
        # All that kunit.py's exec needs of an O= directory is the kernel's image.
        place = bed.build_dir.with_name(f"guest-{bed.config.label}")
        files.remove_tree(place)
        (place / bed.image()).parent.mkdir(parents=True)
        shutil.copy2(bed.build_dir / bed.image(), place / bed.image())
        self.place = place
        self.out = logs / "kunit.log"
        self._started = self._since = time.monotonic()
        self._size = 0
        tree = bed.site.work.tree
        self._child = proc.Child(
            [*kunit.kunit_py(tree), "exec", *bed.config.options(place), f"--json={logs / 'kunit.json'}",
             f"--timeout={WHOLE}", f"--kernel_args=rmap_kunit.contract={bed.contract}"],
            self.out, cwd=tree, env={"PYTHONUNBUFFERED": "1"})

    def poll(self) -> bool:
        """Tell whether the guest has ended; end it if it hangs."""
        if self.seconds:
            return True
        now = time.monotonic()
        if self._child.poll() is None:
            if self.out.stat().st_size != self._size:
                self._size, self._since = self.out.stat().st_size, now
            if now - self._since > self.quiet:
                self.hung = f"hung: no result for {self.quiet:.0f} s"
            elif now - self._started > WHOLE:
                self.hung = f"hung: not done after {WHOLE} s"
            else:
                return False
            # kunit.py then writes down what it has.
            self._child.kill_children()
            self._child.wait(5)
        self.kill()
        self.seconds = time.monotonic() - self._started
        return True

    def kill(self) -> None:
        """End the guest, whatever it is doing."""
        self._child.kill(grace=1)

    def result(self, order: Sequence[str]) -> Result:
        """What came of it; waits for the end."""
        if not self.poll():
            self.bed.step(f"running the suites on {self.bed.site.version} {self.bed.arch}, "
                          f"{self.mutant.name if self.mutant else 'unchanged'}")
        try:
            while not self.poll():
                time.sleep(0.05)
                self.bed.console.tick()
        except BaseException:
            self.kill()
            raise
        self.bed.console.drop()
        log = self.logs / "kernel.log"
        log.touch()
        with contextlib.suppress(FileNotFoundError):
            (self.place / "test.log").replace(log)
        text = log.read_text(encoding="utf-8", errors="replace")
        tests = kunit.read_results(files.read_json(self.logs / "kunit.json"), klog.ktap(text))
        return Result(name=self.mutant.name if self.mutant else "", arch=self.bed.arch,
                      stage=self.bed.stage, digest=self.bed.digest(self.mutant), build_seconds=round(self.built, 1),
                      guest_seconds=round(self.seconds, 1), **judge(text, tests, self.hung, order))


def compile_script(build: Path, changed: Sequence[str]) -> str:
    """Shell commands that compile @changed and put the objects into the archives above them.

    They are those that kbuild used and has kept, in its .cmd files.  Empty if it
    takes kbuild itself: after a change to a header, say, or to a file that was
    not compiled.
    """
    commands: List[str] = []
    archives: Dict[Path, str] = {}
    for name in changed:
        path = Path(name)
        command = _kept_command(build, path.with_suffix(".o")) if path.suffix == ".c" else ""
        holder = _kept_command(build, path.parent / "built-in.a")
        # In no archive itself: part of a larger object.
        if not command or not re.search(rf"[ /]{re.escape(path.stem)}\.o\b", holder):
            return ""
        commands.append(command)
        commands.append(f"rm -f '{path.parent / f'.{path.stem}.o.d'}'")
        for directory in path.parents:
            archives[directory] = _kept_command(build, directory / "built-in.a")
            if not archives[directory]:
                return ""
    # The ones further down first.
    for directory in sorted(archives, key=lambda directory: -len(directory.parts)):
        commands.append(archives[directory])
    return "\n".join(commands)


def _kept_command(build: Path, target: Path) -> str:
    """The command that kbuild made @target with, empty if it has kept none."""
    try:
        text = (build / target.parent / f".{target.name}.cmd").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    match = re.match(r"(?:saved)?cmd_\S+ := (.*)$", text, re.M)
    return match.group(1).replace("$$", "$").replace("\\#", "#") if match else ""


class State:
    """Results so far: an interrupted run goes on where it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        value = files.read_json(path)
        if not isinstance(value, dict):
            value = {}
        #: Whether all mutants have been run to the end since the last fresh start.
        self.whole = bool(value.get("whole"))
        self.results: Dict[str, Result] = {}
        for key, entry in value.get("results", {}).items():
            with contextlib.suppress(TypeError):
                self.results[key] = Result(**entry)

    def get(self, name: str, arch: str, stage: str, digest: str) -> Optional[Result]:
        """The result of @name on @arch at @stage, if nothing has changed since."""
        found = self.results.get(f"{name} {arch} {stage}")
        return found if found is not None and found.digest == digest else None

    def forget(self, name: str, arch: str) -> None:
        """Have no result of @name on @arch, at any stage."""
        self.whole = False
        for key in [key for key in self.results if key.startswith(f"{name} {arch} ")]:
            del self.results[key]

    def put(self, result: Result) -> None:
        """Remember @result."""
        with self._lock:
            self.results[f"{result.name} {result.arch} {result.stage}"] = result
            self.save()

    def save(self) -> None:
        """Have it all on disk."""
        files.write_json(self.path, {"whole": self.whole, "results": {
            key: value._asdict() for key, value in self.results.items()}})


class Ended(BaseException):
    """Another architecture's mutants came to an early end, and so must these.

    Not an Exception, so that no handler of ordinary errors swallows it.
    """


class Side(Console):
    """One of several that write to @outer at a time: full lines only, no live one."""

    def __init__(self, outer: Console, lock: threading.Lock, ended: threading.Event) -> None:
        super().__init__(outer.out)
        self.colour = outer.colour
        self.tty = False
        self._outer = outer
        self._lock = lock
        self._ended = ended

    def line(self, text: str = "") -> None:
        """Print one full line."""
        with self._lock:
            self._outer.line(text)

    def tick(self, detail: str = "") -> None:
        """Raise Ended if the others have ended."""
        if self._ended.is_set():
            raise Ended()

    def wants_tick(self) -> bool:
        """tick() is cheap."""
        return False


def side_by_side(jobs: Sequence[Callable[[Console], None]], console: Console) -> None:
    """Do all @jobs at once, each with a console to write to and to tick().

    What one raises ends the others at their next tick(), and is raised.
    """
    if len(jobs) == 1:
        jobs[0](console)
        return
    ended = threading.Event()
    raised: List[BaseException] = []
    side = Side(console, threading.Lock(), ended)

    def do(job: Callable[[Console], None]) -> None:
        try:
            # A console of its own: it remembers a step.
            job(copy.copy(side))
        except Ended:
            pass
        except BaseException as err:  # pylint: disable=broad-exception-caught
            raised.append(err)
            ended.set()

    threads = [threading.Thread(target=do, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.1)
    finally:
        # SIGINT comes to this thread alone.
        ended.set()
        for thread in threads:
            thread.join()
    if raised:
        raise raised[0]


class Request(NamedTuple):
    """What the user asked `mutants` for."""

    kernel: Optional[str] = None
    arch: Optional[str] = None
    names: Sequence[str] = ()
    fresh: bool = False
    as_json: bool = False
    #: Only defects that are seeded in this stage.
    stage: Optional[str] = None


class Score(NamedTuple):
    """What a run came to: by mutant, and the unchanged kernels that are not green."""

    version: str
    results: List[Tuple[Mutant, Result]]
    broken: Dict[str, List[str]]
    #: Tests of the unchanged kernels that passed.
    tests: Dict[str, None]

    @property
    def missed(self) -> List[Mutant]:
        """The mutants that nothing noticed."""
        return [mutant for mutant, result in self.results if not result.caught_by]

    @property
    def status(self) -> int:
        """The exit status."""
        return BROKEN if self.broken or self.missed else HOLDS

    @property
    def sentence(self) -> str:
        """What it all comes to."""
        if self.broken:
            return "The suites are not green on the unchanged kernel: " + "; ".join(
                f"{arch}: {report.some(why)}" for arch, why in self.broken.items()) + "."
        total = len(self.results)
        caught = total - len(self.missed)
        text = f"{caught} of {total} defects caught ({100 * caught // max(total, 1)} %)"
        if self.missed:
            text += ", not caught: " + ", ".join(mutant.name for mutant in self.missed)
        return text + "."

    def catches(self) -> Dict[str, Tuple[int, int]]:
        """For each test the number of mutants that it noticed, and that only it did."""
        found = {name: (0, 0) for name in self.tests}
        for _, result in self.results:
            for name in result.red:
                noticed, alone = found.get(name, (0, 0))
                found[name] = (noticed + 1, alone + (len(result.red) == 1))
        return found

    def value(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "kernel": self.version, "status": self.status, "verdict": self.sentence,
            "unchanged_not_green": self.broken,
            "caught": len(self.results) - len(self.missed), "total": len(self.results),
            "tests": {name: {"noticed": noticed, "alone": alone}
                      for name, (noticed, alone) in self.catches().items()},
            "mutants": [{
                "name": mutant.name, "arch": result.arch, "stage": result.stage, "breaks": mutant.breaks, "hurts": mutant.hurts,
                "files": mutant.paths, "caught": bool(result.caught_by), "caught_by": result.caught_by,
                "failed": result.failed, "splats": result.splats, "died": result.died,
                "died_in": result.died_in, "expected": list(mutant.caught_by),
                "expected_but_silent": result.silent(mutant), "seconds": round(result.seconds, 1),
                "build_seconds": result.build_seconds, "guest_seconds": result.guest_seconds,
            } for mutant, result in self.results],
        }


def choose(mutants: Sequence[Mutant], names: Sequence[str], arch: Optional[str]) -> List[Tuple[Mutant, str]]:
    """Which mutants to run, and on which architecture each."""
    known = {mutant.name: mutant for mutant in mutants}
    for name in names:
        if name not in known:
            close = [other for other in known if name in other]
            raise Stop(f"there is no mutant {name}" + (f"; there is {report.some(close)}" if close else
                                                       ": they are in tools/mutants"))
    if arch is not None and arch not in ARCHES:
        raise Stop(f"unknown architecture '{arch}': give one of {', '.join(ARCHES)}")
    found = []
    for mutant in mutants:
        if names and mutant.name not in names:
            continue
        if arch is None or arch in mutant.arches:
            found.append((mutant, arch or mutant.arches[0]))
        elif names:
            raise Stop(f"mutant {mutant.name} cannot show on {arch}, only on {', '.join(mutant.arches)}")
    if not found:
        raise Stop(f"no mutant can show on {arch}")
    # Neighbours that share a file need one compilation less.
    return sorted(found, key=lambda entry: (ARCHES.index(entry[1]), entry[0].paths, entry[0].name))


@contextlib.contextmanager
def _own_site(site: run.Site, arch: str) -> Iterator[run.Site]:
    """@site with a work tree that no other verb, and no other architecture, uses; holds it."""
    own = copy.copy(site)
    own.work = worktree.WorkTree(site.work.base.with_name(f"{site.version}-mutants-{arch}"), site.work.pristine)
    with own.held():
        yield own


def adopt(usual: worktree.WorkTree, own: worktree.WorkTree, build: Path, console: Console) -> None:
    """Start @own's O= directory @build as a copy of @usual's, if that is finished.

    It saves minutes of compiling.  kbuild has noted the place of the tree in
    everything it made, and would make it again in another one: so the notes are
    brought in line.  What they do not tell alike it makes again all the same.
    """
    there = usual.builds / build.name
    marks = [worktree.mark_path(there, "done"), worktree.ledger_path(there)]
    if build.exists() or not there.is_dir():
        return
    temp = own.builds / f".seed-{build.name}"
    own.builds.mkdir(parents=True, exist_ok=True)
    with _ADOPTING, contextlib.suppress(Stop), files.locked(
            usual.base.with_name(usual.base.name + ".lock"), str(usual.base), console, 0):
        if not all(mark.exists() for mark in marks) or worktree.mark_path(there, "building").exists():
            return
        console.begin(f"copying the build of {there.name} to start from")
        files.remove_tree(temp)
        log = own.builds / "seed.log"
        try:
            if proc.run(["cp", "-a", "--reflink=auto", str(there), str(temp)], log, tick=console.tick) == 0:
                _move_notes(temp, f"{usual.base}/".encode(), f"{own.base}/".encode())
                shutil.copyfile(marks[1], worktree.ledger_path(build))
                os.replace(temp, build)
        finally:
            # If it cannot be had there is only more to compile.
            files.remove_tree(temp)
            files.remove_tree(log)
        console.end("done" if build.exists() else "not possible")


def _move_notes(build: Path, old: bytes, new: bytes) -> None:
    """Have kbuild's notes below @build speak of @new where they speak of @old."""
    for where, _, names in os.walk(build):
        for name in names:
            path = Path(where, name)
            if not (name.endswith(".cmd") or name == "Makefile") or path.is_symlink():
                continue
            data = path.read_bytes()
            if old in data:
                info = path.stat()
                path.write_bytes(data.replace(old, new))
                os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    link = build / "source"
    if link.is_symlink():
        target = os.readlink(link)
        link.unlink()
        link.symlink_to(target.replace(old.decode(), new.decode()))


def results_dir(repo: Path, line: str) -> Path:
    """Where the logs, results and state of a kernel line are kept."""
    return repo / "build" / "results" / ("mutants" if line == run.DEFAULT_LINE else f"mutants-{line}")


def measure(site: run.Site, request: Request, console: Console) -> Score:
    """Do what @request says.  Raises Stop if it cannot be done."""
    directory = site.repo / "tools" / "mutants" / f"linux-{site.line}"
    # What the whole project is about; later stages have defects of their own.
    names = [stage.name for stage in site.series.stages]
    usual = report.LOCKED if report.LOCKED in names else names[-1]
    chosen = choose(read_all(directory), request.names, request.arch)
    if request.stage is not None:
        site.series.stage(request.stage)
        chosen = [(mutant, arch) for mutant, arch in chosen if (mutant.stage or usual) == request.stage]
        if not chosen:
            raise Stop(f"no such mutant is seeded in the stage {request.stage}")
    for mutant, _ in chosen:
        # Stop if there is no such stage.
        site.series.stage(mutant.stage or usual)
    used = {mutant.stage or usual for mutant, _ in chosen}
    clean = {stage.name: site.contents(stage.patches) for stage in site.series.stages if stage.name in used}
    changed: Dict[str, worktree.Contents] = {}
    seen: Dict[str, str] = {}
    for mutant, _ in chosen:
        changed[mutant.name] = apply(mutant, clean[mutant.stage or usual], site.work.pristine)
        same = seen.setdefault(repr(sorted(changed[mutant.name].items())), mutant.name)
        if same != mutant.name:
            raise Stop(f"mutants {same} and {mutant.name} are the same defect: remove one")
    also = sorted({path for mutant, _ in chosen for path in mutant.paths} | set(site.series.touched()))
    logs = results_dir(site.repo, site.line)
    logs.mkdir(parents=True, exist_ok=True)
    state = State(logs / STATE)
    if request.fresh:
        for mutant, arch in chosen:
            state.forget(mutant.name, arch)
            state.forget("", arch)
        state.save()
    scores: List[Score] = []
    jobs: List[Callable[[Console], None]] = []
    with contextlib.ExitStack() as held:
        for arch in ARCHES:
            here = [mutant for mutant, where in chosen if where == arch]
            if not here:
                continue
            own = held.enter_context(_own_site(site, arch))
            scores.append(Score(site.version, [], {}, {}))

            def job(side: Console, own: run.Site = own, arch: str = arch, here: List[Mutant] = here,
                    score: Score = scores[-1]) -> None:
                for stage, contents in clean.items():
                    todo = [mutant for mutant in here if (mutant.stage or usual) == stage]
                    if todo and not score.broken:
                        _on_bed(Bed(own, site.work, arch, stage, contents, also, logs, side), todo, changed,
                                state, score)

            jobs.append(job)
        side_by_side(jobs, console)
    score = Score(site.version, [], {}, {})
    for part in scores:
        score.results.extend(part.results)
        score.broken.update(part.broken)
        score.tests.update(part.tests)
    if not request.names and request.arch is None and request.stage in (None, usual) and not score.broken:
        state.whole = True
        state.save()
    files.write_json(logs / "summary.json", score.value())
    return score


def _on_bed(bed: Bed, todo: Sequence[Mutant], changed: Mapping[str, worktree.Contents], state: State,
             score: Score) -> None:
    console = bed.console
    old = {mutant.name: state.get(mutant.name, bed.arch, bed.stage, bed.digest(mutant)) for mutant in todo}
    unchanged = state.get("", bed.arch, bed.stage, bed.digest(None))
    try:
        if unchanged is None or unchanged.caught_by or not all(old.values()):
            # Also if it was green before: what is built is what the mutants are built from.
            unchanged = bed.unchanged()
            state.put(unchanged)
            if unchanged.caught_by or not unchanged.ran:
                score.broken[f"{bed.arch} {bed.stage}"] = unchanged.caught_by or ["no test ran"]
                return
            console.line(f"{bed.arch} {bed.stage}, unchanged: green, {len(unchanged.ran)} tests, "
                         f"built in {clock(unchanged.build_seconds)}, run in {clock(unchanged.guest_seconds)}")
        order = [*unchanged.ran, *unchanged.skipped]
        score.tests.update(dict.fromkeys(unchanged.ran))
        found = dict(old)
        running: Optional[Guest] = None

        def tick() -> None:
            console.tick()
            if running is not None:
                running.poll()

        def finish() -> None:
            if running is not None and running.mutant is not None:
                result = running.result(order)
                state.put(result)
                found[running.mutant.name] = result
                _tell(console, running.mutant, result, False, set(order))

        try:
            for mutant in todo:
                result = found[mutant.name]
                if result is not None:
                    _tell(console, mutant, result, True, set(order))
                    continue
                # While it is built the one before it runs.
                try:
                    logs, seconds = bed.build(mutant, changed[mutant.name], tick)
                except Stop:
                    finish()
                    raise
                finish()
                running = Guest(bed, mutant, logs, seconds, unchanged.guest_seconds)
            finish()
        except BaseException:
            if running is not None:
                running.kill()
            raise
        score.results.extend((mutant, result) for mutant in todo for result in [found[mutant.name]] if result)
    finally:
        # The tree goes back to what it was, whatever happened.
        if bed.site.work.tree.is_dir() and bed.build_dir.is_dir():
            bed.put({})


def _tell(console: Console, mutant: Mutant, result: Result, known: bool, tests: "set[str]") -> None:
    word = console.paint("caught    ", "32") if result.caught_by else console.paint("NOT CAUGHT", "31;1")
    took = "as before" if known else clock(result.seconds)
    by = f" by {report.some([one_line(entry, 120) for entry in result.caught_by], 2)}" if result.caught_by else ""
    console.line(f"{word} {mutant.name} ({result.arch}, {took}){by}")
    for name in result.silent(mutant) if result.caught_by else []:
        console.line(f"           Caught-by names {name}, which {_why_silent(name, result, tests)}")


def _why_silent(name: str, result: Result, tests: "set[str]") -> str:
    """Why @name is not among what caught the mutant of @result."""
    if name == CRASH:
        return "did not happen"
    if name in result.ran:
        return "passes"
    if name in result.skipped:
        return "is skipped"
    return "did not get to run" if name in tests else "is no test of this kernel"


def print_table(console: Console, score: Score, whole: bool) -> None:
    """One row a mutant; then, if this is the @whole of them, what they say about the tests."""
    rows = [("defect", "arch", "seconds", "caught by", "breaks")]
    for mutant, result in score.results:
        names = [entry.split(" (")[0] for entry in result.caught_by]
        if result.died:
            names.insert(0, f"{CRASH} in {result.died_in or 'the guest'}")
            names.remove(result.died_in or "the guest")
        rows.append((mutant.name, result.arch, f"{result.seconds:.1f}", report.some(names, 1) or "NOT CAUGHT",
                     mutant.breaks))
    width = [max(len(row[column]) for row in rows) for column in range(4)]
    console.line()
    for row in rows:
        console.line(f"{row[0]:<{width[0]}}  {row[1]:<{width[1]}}  {row[2]:>{width[2]}}  "
                     f"{row[3]:<{width[3]}}  {row[4]}")
    console.line()
    if not whole:
        return
    for least, words in ((0, "notice no defect"), (1, "notice none that another does not")):
        names = [name for name, counts in score.catches().items() if not counts[least]
                 and (least == 0 or counts[0])]
        if names:
            console.line(f"tests that {words}: {', '.join(names)}")


def mutants(repo: Path, request: Request, console: Console) -> int:
    """The verb; its exit status.  Raises Stop if it cannot be done."""
    if request.kernel is not None:
        source.check_line(request.kernel)
    wanted = read_all(repo / "tools" / "mutants" / f"linux-{request.kernel or run.DEFAULT_LINE}")
    arches = {arch for _, arch in choose(wanted, request.names, request.arch)}
    packages.need(console, [*packages.BUILD, *(name for arch in sorted(arches) for name in packages.ARCH[arch])])
    site = run.Site(repo, source.open_cache(), console, request.kernel, None)
    score = measure(site, request, console)
    if request.as_json:
        print(json.dumps(score.value(), indent=1, ensure_ascii=False), flush=True)
    else:
        print_table(console, score, not request.names and request.arch is None and request.stage is None)
    console.line(console.paint(score.sentence, "32" if score.status == HOLDS else "31;1"))
    console.line(f"logs: {run.relative(results_dir(repo, site.line))} (summary.json, and a directory for each defect)")
    return score.status
