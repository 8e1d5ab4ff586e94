# SPDX-License-Identifier: GPL-2.0-only
"""Runs the suites by the kernel's own kunit.py, and reads its results."""

import contextlib
import re
import shutil
from pathlib import Path
from typing import Any, Dict, List

from ..base import files, proc
from ..base.console import Console
from ..base.results import CRASH, FAIL, PASS, SKIP, WORST, Outcome
from ..kernel.line import Line
from . import klog
from .build import Config, kunit_py
from .watch import Watch

#: Seconds that a guest may take for all tests, by architecture.
TIMEOUT = {"um": 60, "x86_64": 120, "arm64": 240}
#: Seconds that kunit.py gets on top to end by itself.
SLACK = 30


def command(line: Line, where: Path, config: Config, contract: str, glob: str, timeout: int,
            *options: str) -> List[str]:
    """What runs the suites in the kernel of @where."""
    arguments = (f"rmap_kunit.contract={contract}", *config.kernel_args)
    return [*kunit_py(line.work.tree), "exec", *config.options(where), *options,
            f"--timeout={timeout}", *(f"--kernel_args={text}" for text in arguments),
            *([glob] if glob else [])]


def run(line: Line, where: Path, config: Config, contract: str, glob: str, timeout: int,
        what: str, results: Path, console: Console) -> Outcome:
    """Run the suites in the kernel of @where, which @what calls; files go to @results.

    Never raises for what the guest does: a guest that hangs or dies gives an
    Outcome whose tests without a result are CRASH.
    """
    raw = where / "test.log"
    with contextlib.suppress(FileNotFoundError):
        raw.unlink()
    out, result, log = results / "kunit.log", results / "kunit.json", results / "kernel.log"
    console.begin(f"running the suites on {what}")
    child = proc.Child(command(line, where, config, contract, glob, timeout, f"--json={result}"),
                       out, cwd=line.work.tree)
    # kunit.py itself ends a guest after @timeout; if that fails, the guest is ended for it.
    watch = Watch(child, out, timeout + SLACK, grace=SLACK / 2)
    try:
        hung = bool(watch.wait(console.tick))
    finally:
        if raw.exists():
            shutil.copyfile(raw, log)
        else:
            log.touch()
    text = log.read_text(encoding="utf-8", errors="replace")
    hung = hung or bool(re.search(r"timed out after [\d.]+ seconds",
                                  out.read_text(encoding="utf-8", errors="replace")))
    outcome = read(line.work.tree, text, result, log, results / "kunit.log")
    tests = outcome.tests
    died = ""
    if not klog.ktap(text).whole or hung:
        died = f"the guest hung and was ended after {timeout} s" if hung else "the guest died"
        if not text.strip():
            died += f" without a word: see {out.name}"
        if outcome.splats and not hung:
            died += f" ({outcome.splats[-1].title})"
        names = _list(line, where, config, contract, glob, timeout, results, console)
        for name in names:
            tests.setdefault(name, CRASH)
        for bare in [name for name in tests if "." not in name]:
            if any(name.startswith(bare + ".") for name in tests):
                del tests[bare]
        if names:
            tests = {name: tests[name] for name in [*names, *sorted(set(tests) - set(names))]}
    outcome = outcome._replace(tests=tests, seconds=watch.seconds, died=died)
    crashed = len(outcome.of(CRASH))
    console.end(f"{len(tests)} tests" + (f", {died}" if died else "")
                + (f", {crashed} without a result" if crashed else ""))
    return outcome


def read(tree: Path, text: str, result: Path, log: Path, out: Path) -> Outcome:
    """What the kernel log @text and kunit.py's @result come to.

    If kunit.py has written none, it is asked to parse @log, with its output in @out.
    """
    if not result.exists():
        proc.run([*kunit_py(tree), "parse", f"--json={result}", str(log)], out, cwd=tree, limit=60)
    found = klog.ktap(text)
    return Outcome(read_results(files.read_json(result), found),
                   {name: case.reason for name, case in found.cases.items()
                    if case.status == "skip"},
                   {name: case.notes for name, case in found.cases.items() if case.notes},
                   klog.splats(text))


def _list(line: Line, where: Path, config: Config, contract: str, glob: str, timeout: int,
          results: Path, console: Console) -> List[str]:
    """The names of the tests that should have run, asked of the kernel itself."""
    log = results / "list.log"
    with contextlib.suppress(FileNotFoundError):
        log.unlink()
    proc.run(command(line, where, config, contract, glob, timeout, "--list_tests"), log,
             cwd=line.work.tree, limit=timeout + SLACK, tick=console.tick)
    return [name for name in log.read_text(encoding="utf-8", errors="replace").splitlines()
            if re.fullmatch(r"[^\s.\[\]]+\.[^\s.]+", name)]


def read_results(value: Any, found: klog.Ktap) -> Dict[str, str]:
    """Merge kunit.py's JSON with the log's own result lines, the worse one of each.

    @value is what kunit.py wrote, None if it wrote nothing.  The log has the
    verdict on a test that has parameters, the JSON only those on each of them.
    """
    tests: Dict[str, str] = {}
    words = {"ok": PASS, "not ok": FAIL, "skip": SKIP}
    for name, told in found.cases.items():
        tests[name] = words[told.status]

    def worse(name: str, status: str) -> None:
        if name not in tests or WORST[status] > WORST[tests[name]]:
            tests[name] = status

    def leaves(group: Any) -> List[str]:
        here = [_status(case) for case in group.get("test_cases", [])]
        for sub in group.get("sub_groups", []):
            here += leaves(sub)
        return here

    groups = value if isinstance(value, dict) else {}
    for suite in groups.get("sub_groups", []):
        for case in suite.get("test_cases", []):
            if case.get("name"):
                worse(f"{suite['name']}.{case['name']}", _status(case))
        for test in suite.get("sub_groups", []):
            bad = [status for status in leaves(test) if status in (FAIL, CRASH)]
            if test.get("name") and bad:
                worse(f"{suite['name']}.{test['name']}", max(bad, key=lambda status: WORST[status]))
    for case in groups.get("test_cases", []):
        # A suite of which no test was seen.
        if case.get("name") and _status(case) in (FAIL, CRASH):
            worse(case["name"], CRASH)
    return tests


def _status(case: Any) -> str:
    return {"PASS": PASS, "SKIP": SKIP, "ERROR": CRASH}.get(case.get("status"), FAIL)
