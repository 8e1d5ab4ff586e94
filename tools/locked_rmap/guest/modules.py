# SPDX-License-Identifier: GPL-2.0-only
"""Runs the suites as modules, in a guest with a small user space.

KUnit and the suites are inserted one after the other, and their results are read
where they are read on a machine of one's own: in KUnit's directory in debugfs.
All that is removed again and inserted once more, which must come to the same.
"""

import contextlib
import re
import tempfile
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence, Tuple

from ..base import files, proc
from . import cpio, klog, kunit, qemu
from ..base.console import Console
from ..base.errors import Stop, one_line
from .kunit import FAIL, SKIP, WORST, Config, Outcome
from ..kernel.worktree import WorkTree

ARCH = "x86_64"
#: The modules in the order in which they are inserted, relative to the O= directory.
SUITES = ("rmap_kunit", "rmap_callers_kunit", "userfaultfd_move_kunit")
MODULES = ("lib/kunit/kunit.ko", "mm/tests/rmap_kunit_helpers.ko",
           *(f"mm/tests/{name}.ko" for name in SUITES))
#: How often they are inserted.
ROUNDS = 2
#: The guest's memory in MiB.
MEMORY = 1024


def config_lines(path: Path) -> Tuple[str, ...]:
    """What a configuration has to say for modules, from the file @path."""
    return tuple(line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("CONFIG_"))


def plan(contract: str, glob: str) -> List[str]:
    """What the guest's first process is to do, a line each."""
    parameters = {"kunit": "enable=1" + (f" filter_glob={glob}" if glob else ""),
                  "rmap_kunit_helpers": f"contract={contract}"}
    names = [Path(path).stem for path in MODULES]
    lines: List[str] = []
    for _ in range(ROUNDS):
        lines += [f"insert {name} {parameters.get(name, '')}".rstrip() for name in names]
        lines.append("show")
        lines += [f"remove {name}" for name in reversed(names)]
    return lines


class Told(NamedTuple):
    """What the first process told: results by suite, of each round; where it ended."""

    rounds: List[Dict[str, str]]
    doing: str
    complaint: str
    over: bool


def read(text: str) -> Told:
    """Read the console of a guest."""
    rounds: List[Dict[str, str]] = []
    suite = doing = complaint = ""
    over = False
    for raw in text.splitlines():
        match = re.match(r"modules: (begin|results|cannot|over|\|)(?: (.*))?$", klog.strip_prefix(raw))
        if match is None:
            continue
        word, rest = match.group(1), match.group(2) or ""
        if word == "begin":
            doing = rest
            if rest == "show":
                rounds.append({})
        elif word == "results" and rounds:
            suite = rest
            rounds[-1][suite] = ""
        elif word == "|" and rounds and suite in rounds[-1]:
            rounds[-1][suite] += rest[:-1] + ("\n" if rest.endswith("|") else "")
        elif word == "cannot":
            complaint = rest
        elif word == "over":
            over = True
    return Told(rounds, doing, complaint, over)


def join(results: Dict[str, str]) -> str:
    """The results of every suite as one piece of KTAP."""
    text = f"KTAP version 1\n1..{len(results)}\n"
    for number, told in enumerate(results.values(), 1):
        for line in told.splitlines():
            if re.match(r"KTAP version|1\.\.", line):
                continue
            text += re.sub(r"^(ok|not ok) \d+", rf"\1 {number}", line) + "\n"
    return text


def file_system(build: Path, init: bytes, lines: Sequence[str]) -> bytes:
    """What the guest's kernel is to unpack.  Raises Stop if a module was not built."""
    contents = {"init": init}
    for path in MODULES:
        try:
            contents[Path(path).name] = (build / path).read_bytes()
        except FileNotFoundError as err:
            raise Stop(f"the build has no {path}: is something it needs missing in this kernel's "
                       "configuration?") from err
    contents["plan"] = "".join(f"{line}\n" for line in lines).encode()
    return cpio.archive(("dev", "proc", "sys", "tmp"), contents)


def run(repo: Path, work: WorkTree, where: Path, config: Config, contract: str, glob: str, timeout: int,
        what: str, results: Path, console: Console) -> Outcome:
    """Run the suites in the kernel of @where; files go to @results.

    Never raises for what the guest does.  A test that comes to something else when
    it is inserted again has the worse of both, and a note.
    """
    log = results / "kernel.log"
    with contextlib.suppress(FileNotFoundError):
        log.unlink()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        init = qemu.program(repo / "tools" / "guest" / "modules.c", Path(temp), results / "build.log", console)
        archive = Path(temp) / "initramfs"
        archive.write_bytes(file_system(where, init, plan(contract, glob)))
        console.begin(f"running the suites on {what}")
        hung = qemu.run(qemu.qemu(where / "arch/x86/boot/bzImage", archive, log, MEMORY, []), log,
                         results / "qemu.log", timeout * ROUNDS, console, console.tick)
    text = qemu.text_of(log)
    files.write_atomic(log, text.encode())
    found = outcome(work.tree, text, hung, results)
    console.end(f"{len(found.tests)} tests" + (f", {found.died}" if found.died else ""))
    return found._replace(seconds=time.monotonic() - started)


def outcome(tree: Path, text: str, hung: str, results: Path) -> Outcome:
    """What a guest with the console @text comes to; @hung: how it did, if it did."""
    told = read(text)
    splats = klog.splats(text)
    tests: Dict[str, str] = {}
    skips: Dict[str, str] = {}
    notes: Dict[str, List[str]] = {}
    for number, shown in enumerate(told.rounds, 1):
        found = parse(tree, join(shown), number, results)
        for name, status in found.tests.items():
            told_of = [*notes.get(name, []), *found.notes.get(name, [])]
            if number > 1 and tests.get(name) != status:
                told_of.append(f"when inserted again: {status}, before: {tests.get(name, 'no result')}")
            if told_of:
                notes[name] = told_of
            if name not in tests or WORST[status] > WORST[tests[name]]:
                tests[name] = status
        skips.update(found.skips)
        for name in [name for name in tests if name not in found.tests]:
            tests[name] = FAIL
            notes[name] = [*notes.get(name, []), "no result when inserted again"]
    return Outcome(tests, {name: why for name, why in skips.items() if tests[name] == SKIP}, notes, splats, 0,
                   why_not_over(told, hung, splats))


def why_not_over(told: Told, hung: str, splats: Sequence[klog.Splat]) -> str:
    """Why the guest did not get to the end of its plan, in words; empty if it did."""
    if told.over and len(told.rounds) == ROUNDS:
        return ""
    if told.complaint:
        return f"the guest cannot {one_line(told.complaint, 160)}"
    doing = f" in '{told.doing}'" if told.doing else " before it did anything"
    last = f" ({splats[-1].title})" if splats and not hung else ""
    return (hung or "the guest died") + doing + last


def parse(tree: Path, text: str, number: int, results: Path) -> Outcome:
    """What the results @text of a round come to, by kunit.py; its files go to @results."""
    suffix = "" if number == 1 else f"-{number}"
    place, value = results / f"results{suffix}.ktap", results / f"kunit{suffix}.json"
    files.write_atomic(place, text.encode())
    proc.run([*kunit.kunit_py(tree), "parse", f"--json={value}", str(place)],
             results / f"kunit{suffix}.log", cwd=tree, limit=60)
    found = klog.ktap(text)
    return Outcome(kunit.read_results(files.read_json(value), found),
                   {name: case.reason for name, case in found.cases.items() if case.status == "skip"},
                   {name: case.notes for name, case in found.cases.items() if case.notes}, [], 0, "")
