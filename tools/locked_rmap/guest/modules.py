# SPDX-License-Identifier: GPL-2.0-only
"""Runs the suites as modules, in a guest with a small user space.

KUnit and the suites are inserted one after the other, and their results are read
where they are read on a machine of one's own: in KUnit's directory in debugfs.
All that is removed again and inserted once more, which must come to the same.
"""

import re
import time
from pathlib import Path
from typing import Dict, List

from ..base import files
from ..base.console import Console
from ..base.errors import Stop, one_line
from ..base.results import FAIL, SKIP, WORST, Outcome
from ..kernel.line import Line
from . import klog, kunit, qemu
from .build import Config

#: The modules in the order in which they are inserted, relative to the O= directory.
SUITES = ("rmap_kunit", "rmap_callers_kunit", "userfaultfd_move_kunit")
MODULES = ("lib/kunit/kunit.ko", "mm/tests/rmap_kunit_helpers.ko",
           *(f"mm/tests/{name}.ko" for name in SUITES))
RESULTS = "/sys/kernel/debug/kunit/*/results"
#: How often they are inserted.
ROUNDS = 2
MACHINE = qemu.Machine(memory=1024)


def plan(contract: str, glob: str) -> List[str]:
    """What the guest's first process is to do, a line each."""
    parameters = {"kunit": "enable=1" + (f" filter_glob={glob}" if glob else ""),
                  "rmap_kunit_helpers": f"contract={contract}"}
    names = [Path(path).stem for path in MODULES]
    return [*(f"insert\t{name}\t{parameters.get(name, '')}" for name in names),
            f"show\t{RESULTS}", *(f"remove\t{name}" for name in reversed(names))] * ROUNDS


def rounds(steps: List[qemu.Step]) -> List[Dict[str, str]]:
    """The results of each round, by suite."""
    found: List[Dict[str, str]] = []
    for step in steps:
        word, _, path = step.name.partition(" ")
        if path == RESULTS:
            found.append({})
        elif word == "show":
            found[-1][Path(path).parent.name] = step.output
    return found


def join(results: Dict[str, str]) -> str:
    """The results of every suite as one piece of KTAP."""
    text = f"KTAP version 1\n1..{len(results)}\n"
    for number, told in enumerate(results.values(), 1):
        for line in told.splitlines():
            if re.match(r"KTAP version|1\.\.", line):
                continue
            text += re.sub(r"^(ok|not ok) \d+", rf"\1 {number}", line) + "\n"
    return text


def modules(build: Path) -> Dict[str, bytes]:
    """The modules in @build.  Raises Stop if one was not built."""
    try:
        return {Path(path).name: (build / path).read_bytes() for path in MODULES}
    except FileNotFoundError as err:
        raise Stop(f"the build has no {Path(str(err.filename)).relative_to(build)}: is something "
                   "it needs missing in this kernel's configuration?") from err


def run(line: Line, where: Path, _config: Config, contract: str, glob: str, timeout: int,
        what: str, results: Path, console: Console) -> Outcome:
    """Run the suites in the kernel of @where; files go to @results.

    Never raises for what the guest does.  A test that comes to something else when
    it is inserted again has the worse of both, and a note.
    """
    started = time.monotonic()
    contents = {**qemu.programs(line.repo, ["init"], results / "build.log", console),
                **modules(where)}
    console.begin(f"running the suites on {what}")
    told = qemu.boot(where / "arch/x86/boot/bzImage", contents, plan(contract, glob), MACHINE,
                     timeout * ROUNDS, results, console)
    found = outcome(line.work.tree, told, results)
    console.end(f"{len(found.tests)} tests" + (f", {found.died}" if found.died else ""))
    return found._replace(seconds=time.monotonic() - started)


def outcome(tree: Path, told: qemu.Told, results: Path) -> Outcome:
    """What a guest comes to that @told this."""
    tests: Dict[str, str] = {}
    skips: Dict[str, str] = {}
    notes: Dict[str, List[str]] = {}
    for number, shown in enumerate(rounds(told.steps), 1):
        found = parse(tree, join(shown), number, results)
        for name, status in found.tests.items():
            told_of = [*notes.get(name, []), *found.notes.get(name, [])]
            if number > 1 and tests.get(name) != status:
                told_of.append(f"when inserted again: {status}, "
                               f"before: {tests.get(name, 'no result')}")
            if told_of:
                notes[name] = told_of
            if name not in tests or WORST[status] > WORST[tests[name]]:
                tests[name] = status
        skips.update(found.skips)
        for name in [name for name in tests if name not in found.tests]:
            tests[name] = FAIL
            notes[name] = [*notes.get(name, []), "no result when inserted again"]
    return Outcome(tests, {name: why for name, why in skips.items() if tests[name] == SKIP}, notes,
                   klog.splats(told.text), died=why_not_over(told))


def why_not_over(told: qemu.Told) -> str:
    """Why the guest did not get to the end of its plan, in words; empty if it did."""
    if told.complaint:
        return f"the guest cannot {one_line(told.complaint, 160)}"
    if told.died:
        return f"{told.died}, " + (f"in '{told.steps[-1].name}'" if told.steps
                                   else "before it did anything")
    shown = len(rounds(told.steps))
    return "" if shown == ROUNDS else f"the guest showed {shown} of {ROUNDS} rounds of results"


def parse(tree: Path, text: str, number: int, results: Path) -> Outcome:
    """What the results @text of a round come to, by kunit.py; its files go to @results."""
    suffix = "" if number == 1 else f"-{number}"
    place = results / f"results{suffix}.ktap"
    files.write_atomic(place, text.encode())
    return kunit.read(tree, text, results / f"kunit{suffix}.json", place,
                      results / f"kunit{suffix}.log")
