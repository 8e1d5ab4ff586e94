# SPDX-License-Identifier: GPL-2.0-only
"""Line coverage of the code under test, as gcov on UML sees it."""

import contextlib
import fnmatch
import json
import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Set, Tuple

from ..base import files, proc
from ..base.console import Console
from ..base.errors import Stop, one_line
from ..kernel import callers
from ..kernel.line import Line as KernelLine
from ..static.functions import Source

#: Percent of the lines that must run.
ENOUGH = 95.0
#: What a line has that coverage is for: the lines of code that need not run.
EXCEPTIONS = "not-covered"


class Line(NamedTuple):
    """A line that has code: its number, its text, how often it ran."""

    number: int
    text: str
    runs: int


class Function(NamedTuple):
    """A function under test.

    @lines are those with code, none if this kernel was built without it; @body is
    all of its text, by number.  @left_out are numbers of lines that need not run.
    """

    path: str
    name: str
    body: Dict[int, str]
    lines: List[Line]
    left_out: Set[int]

    @property
    def missed(self) -> List[Line]:
        """The lines that should have run and did not."""
        return [line for line in self.lines if not line.runs and line.number not in self.left_out]

    @property
    def wanted(self) -> List[Line]:
        """The lines that should run, or did."""
        return [line for line in self.lines if line.runs or line.number not in self.left_out]


class LeftOut(NamedTuple):
    """Lines that are left out: a function, why, and its lines' text.

    Each of @snippets is lines that follow each other; none means that the kernel
    is built without the function.
    """

    path: str
    function: str
    reason: str
    snippets: List[List[str]]
    where: str


def check(line: KernelLine) -> None:
    """Raise Stop if coverage is not for kernels of @line."""
    if not (line.patches / EXCEPTIONS).is_file():
        raise Stop(f"--coverage is not for {line.name}, which has no {line.patches / EXCEPTIONS}: "
                   "drop --coverage")


def squeeze(text: str) -> str:
    """@text with its white space evened out."""
    return " ".join(text.split())


def counts(report: Any, source: Path, build: Path) -> Dict[int, int]:
    """How often each line of @source ran, of what gcov says (--json-format).

    A line that was inlined, or cloned, is told more than once.
    """
    found: Dict[int, int] = {}
    for entry in report.get("files", []):
        if (build / entry["file"]).resolve() == source.resolve():
            for line in entry["lines"]:
                number = int(line["line_number"])
                found[number] = found.get(number, 0) + int(line["count"])
    return found


def read_left_out(path: Path) -> List[LeftOut]:
    """What @path leaves out; nothing if there is no such file.

    Each entry is `FILE FUNCTION: REASON`, which may go on in indented lines, then
    the lines' text, each after a `>`; a `>` alone is between two places.
    """
    found: List[LeftOut] = []
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return found
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path}:{number}"
        head = re.fullmatch(r"(\S+) (\w+): (\S.*)", line)
        if head:
            found.append(LeftOut(head.group(1), head.group(2), head.group(3), [], where))
        elif line[0].isspace() and found and line.strip().startswith(">"):
            quoted = squeeze(line.strip()[1:])
            if not found[-1].snippets or not quoted:
                found[-1].snippets.append([])
            if quoted:
                found[-1].snippets[-1].append(quoted)
        elif line[0].isspace() and found and not found[-1].snippets:
            found[-1] = found[-1]._replace(reason=f"{found[-1].reason} {line.strip()}")
        else:
            raise Stop(f"{where}: not 'FILE FUNCTION: REASON', nor what may follow one; correct "
                       "the file")
    return found


def leave_out(functions: Iterable[Function], exceptions: Iterable[LeftOut]) -> List[str]:
    """Mark what @exceptions leave out in @functions; what is wrong with them."""
    wrong: List[str] = []
    by_name = {(function.path, function.name): function for function in functions}
    for entry in exceptions:
        function = by_name.get((entry.path, entry.function))
        if function is None:
            wrong.append(f"{entry.where}: {entry.path} has no function {entry.function} that is "
                         "looked at")
            continue
        if not entry.snippets and function.lines:
            wrong.append(f"{entry.where}: {entry.function} is built, so say which lines are left "
                         "out")
        text = [(number, squeeze(line)) for number, line in sorted(function.body.items())
                if line.strip()]
        coded = {line.number for line in function.lines}
        for snippet in entry.snippets:
            places = [at for at in range(len(text))
                      if [line for _, line in text[at:at + len(snippet)]] == snippet]
            numbers = {number for at in places for number, _ in text[at:at + len(snippet)]} & coded
            if not numbers:
                wrong.append(f"{entry.where}: {entry.function} has no such line: {snippet[0]}")
            function.left_out.update(numbers)
    unbuilt = {(entry.path, entry.function) for entry in exceptions if not entry.snippets}
    wrong += [f"{path}: {name} is not built, and nothing says why"
              for (path, name), function in by_name.items() if not function.lines
              and (path, name) not in unbuilt]
    return wrong


def measure(line: KernelLine, build: Path, results: Path,
            console: Console) -> Tuple[List[Function], List[str]]:
    """What the run in @build covered, and what is wrong with the list of exceptions."""
    console.begin("reading the coverage")
    subjects: Dict[str, List[str]] = {}
    for caller in callers.read(line.repo):
        for path, globs in caller.covered.items():
            subjects.setdefault(path, []).extend(globs)
    functions = collect(line.work.tree, subjects, build, results / "gcov.log", console)
    wrong = leave_out(functions, read_left_out(line.patches / EXCEPTIONS))
    files.write_json(results / "coverage.json", summary(functions))
    console.end(f"{len(functions)} functions")
    return functions, wrong


def collect(tree: Path, subjects: Mapping[str, Sequence[str]], build: Path, log: Path,
            console: Console) -> List[Function]:
    """The functions under test, with what the guest in @build counted.

    @subjects: by file, globs of functions; a kernel need not have every file.
    """
    found: List[Function] = []
    seen: Set[str] = set()
    counted = False
    for path, patterns in subjects.items():
        source = tree / path
        if not source.is_file():
            continue
        code = Source(path, source.read_text(encoding="utf-8", errors="replace"))
        ran: Dict[int, int] = {}
        data = build / (path[:-2] + ".gcda")
        if data.exists():
            counted = True
            ran = counts(_gcov(data, build, log), source, build)
        # One name may have several definitions, under #ifdef.
        bodies: Dict[str, Dict[int, str]] = {}
        for function in code.functions:
            matching = [pattern for pattern in patterns
                        if fnmatch.fnmatchcase(function.name, pattern)]
            if matching and not function.macro:
                seen.update(matching)
                bodies.setdefault(function.name, {}).update(
                    {number: code.text(number)
                     for number in range(function.line, function.last + 1)})
        found += [Function(path, name, body, [Line(number, text, ran[number])
                                              for number, text in sorted(body.items())
                                              if number in ran], set())
                  for name, body in bodies.items()]
        console.tick()
    if not counted:
        raise Stop(f"the guest wrote no coverage counters below {build}: see kernel.log")
    unknown = {pattern for patterns in subjects.values() for pattern in patterns} - seen
    if unknown:
        raise Stop(f"this kernel has no function {', '.join(sorted(unknown))}: correct "
                   f"{callers.TABLE}")
    return found


def _gcov(data: Path, build: Path, log: Path) -> Any:
    answer = proc.output(["gcov", "--json-format", "--stdout", str(data)], cwd=build)
    with open(log, "a", encoding="utf-8") as out:
        out.write(answer.stderr)
    try:
        return json.loads(answer.stdout)
    except ValueError as err:
        raise Stop(f"gcov cannot read {data}: "
                   f"{one_line(answer.stderr, 160) or f'status {answer.returncode}'}") from err


def forget(build: Path) -> None:
    """Remove the counters of earlier runs: new ones would be added to them."""
    for data in build.rglob("*.gcda"):
        with contextlib.suppress(FileNotFoundError):
            data.unlink()


def percent(covered: int, lines: int) -> float:
    """Percentage; of no lines, all are covered."""
    return 100.0 * covered / lines if lines else 100.0


def total(functions: Iterable[Function]) -> Tuple[int, int, int]:
    """Lines that should run, those that did, and those left out."""
    functions = list(functions)
    wanted = sum(len(function.wanted) for function in functions)
    covered = wanted - sum(len(function.missed) for function in functions)
    return wanted, covered, sum(len(function.lines) for function in functions) - wanted


def table(functions: Sequence[Function]) -> List[str]:
    """One line a function, then each line of code that did not run."""
    found = []
    for function in functions:
        lines, covered, left = total([function])
        found.append(f"{function.path} {function.name}: " + (
            f"{covered} of {lines} lines run, {percent(covered, lines):.1f} %"
            + (f", {left} left out" if left else "") if function.lines else "not built"))
    found += ["not covered:"] if any(function.missed for function in functions) else []
    found += [f"  {function.path}:{line.number} {function.name}: {squeeze(line.text)}"
              for function in functions for line in function.missed]
    return found


def judge(functions: Sequence[Function], wrong: Sequence[str]) -> Tuple[bool, str]:
    """Whether coverage is good enough, and a sentence about it."""
    lines, covered, left = total(functions)
    rate = percent(covered, lines)
    text = (f"{rate:.1f} % of {lines} lines run ({ENOUGH:.0f} % needed), {left} left out with a "
            "reason")
    if wrong:
        text += "; " + "; ".join(wrong[:3])
        text += f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return rate >= ENOUGH and not wrong, text


def summary(functions: Sequence[Function]) -> Dict[str, Any]:
    """The value of coverage.json."""
    lines, covered, left = total(functions)
    return {
        "lines": lines, "covered": covered, "left_out": left,
        "percent": round(percent(covered, lines), 2),
        "functions": {
            f"{function.path} {function.name}": {
                "built": bool(function.lines),
                "lines": len(function.wanted),
                "covered": len(function.wanted) - len(function.missed),
                "missed": {str(line.number): squeeze(line.text) for line in function.missed},
                "left_out": {str(line.number): squeeze(line.text) for line in function.lines
                             if not line.runs and line.number in function.left_out},
            } for function in functions
        },
    }
