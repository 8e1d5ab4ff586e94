# SPDX-License-Identifier: GPL-2.0-only
"""Checks `check` on small edits of a kernel, each with the right answer in its first line."""

import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

from ..base import proc
from ..base.errors import Stop
from ..kernel.line import Line
from ..kernel.series import LOCKED
from ..static.callers import PROVED, TRUSTED, UNLOCKED, UNPROVED, Call, worst
from ..static.contract import read_source
from .desk import Check, Desk, Tally, tally

CASES = Path("tools") / "tests" / "check-cases"
#: Correct cases of which this share may be not proved.
SHARE = 0.05


class Case(NamedTuple):
    """A patch: whether it is correct, and the new files that it makes, if it does nothing else."""

    name: str
    correct: bool
    path: Path
    files: Dict[str, str]


def read(path: Path) -> Case:
    """A case; Stop if its first line is not the answer."""
    text = path.read_text(encoding="utf-8")
    match = re.match(rf"EXPECT: ({LOCKED}|{UNLOCKED})\b", text)
    if match is None:
        raise Stop(f"{path}: the first line is not EXPECT: {LOCKED} or {UNLOCKED}; correct the "
                   "file")
    files: Dict[str, str] = {}
    for part in re.split(r"^--- ", text, flags=re.M)[1:]:
        old, new, body = part.split("\n", 2)
        if old.split()[0] != "/dev/null":
            return Case(path.stem, match.group(1) == LOCKED, path, {})
        files[new[len("+++ b/"):].split("\t")[0]] = "".join(
            f"{line[1:]}\n" for line in body.splitlines() if line.startswith("+"))
    return Case(path.stem, match.group(1) == LOCKED, path, files)


def cases(desk: Desk) -> Tally:
    """All cases on the last stage of the default line: new files at once, edits one by one."""
    found = [read(path) for path in sorted((desk.repo / CASES).glob("*.patch"))]
    came: Dict[str, str] = {}
    with desk.held() as line:
        stage = line.series.stages[-1]
        base = line.contents(stage.patches)
        build = line.work.build_dir("um", stage.name)
        own: Dict[str, str] = {}
        contents = dict(base)
        for number, case in enumerate(found):
            for file, text in case.files.items():
                # All call themselves frob: each gets a name of its own.
                name = re.sub("frob", f"frob{number}_", file)
                contents[name] = re.sub("frob", f"frob{number}_", text).encode()
                own[name] = case.name
        calls = _calls(desk, line, contents, build)
        before = {_key(call) for call in calls if call.file not in own}
        for case in found:
            if case.files:
                came[case.name] = worst([call.status for call in calls
                                         if own.get(call.file) == case.name] or [UNPROVED])
                continue
            edited = _apply(desk, line, base, case)
            came[case.name] = worst([call.status for call in _calls(desk, line, edited, build)
                                     if _key(call) not in before] or [PROVED])
        line.work.install(base, build, line.series.touched())
    return _tally(found, came)


def _key(call: Call) -> Tuple[str, str, str, str]:
    return (call.file, call.function, call.callee, call.status)


def _calls(desk: Desk, line: Line, contents: Dict[str, bytes], build: Path) -> List[Call]:
    line.work.install(contents, build, line.series.touched())
    return [call for call in read_source(desk.repo, line.work.tree, desk.console).calls
            if not call.test]


def _apply(desk: Desk, line: Line, base: Dict[str, bytes], case: Case) -> Dict[str, bytes]:
    """The contents of the stage with @case on top."""
    place = desk.place("cases") / case.name
    text = case.path.read_text(encoding="utf-8")
    names = re.findall(r"^\+\+\+ b/([^\t\n]+)", text, re.M)
    for name in names:
        data = base.get(name)
        source = line.work.tree / name
        if data is None and source.is_file():
            data = source.read_bytes()
        if data is not None:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
    answer = proc.output(["patch", "-s", "-p1", "-d", str(place), "-i", str(case.path)])
    if answer.returncode != 0:
        raise Stop(f"{case.path} does not apply: {answer.stdout.strip()}; correct the file")
    return {**base, **{name: (place / name).read_bytes() for name in names}}


def _tally(found: List[Case], came: Dict[str, str]) -> Tally:
    results: Dict[str, str] = {}
    unsure: List[str] = []
    for case in found:
        status = came[case.name]
        if case.correct and status == UNPROVED:
            unsure.append(case.name)
        wrong = status == UNLOCKED if case.correct else status not in (UNLOCKED, UNPROVED, TRUSTED)
        results[f"{case.name}, {'correct' if case.correct else 'broken'}"] = \
            f"it is called {status}" if wrong else ""
    correct = sum(case.correct for case in found)
    results[f"at most {SHARE:.0%} of {correct} correct cases are not proved"] = \
        "" if len(unsure) <= SHARE * correct else f"{len(unsure)} are not: {', '.join(unsure)}"
    return tally(results)


def checks(_desk: Desk) -> List[Check]:
    """Those of this file."""
    return [Check("cases", "small broken and correct edits, each with its right answer", cases, 15)]
