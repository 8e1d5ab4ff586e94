# SPDX-License-Identifier: GPL-2.0-only
"""KernelCI's kunit job: its definition, and the three steps that it runs.

The definitions are YAML; they are read here by what little of it they need, so that
this works where there is no YAML parser.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

from ..base import files, proc
from . import klog, kunit
from ..base.console import Console
from ..base.errors import Stop

#: What KernelCI's template does one after the other, and its arguments.
STEPS = (("config", ()), ("build", ("--jobs=$(nproc)",)), ("exec", ("--json=kunit.json",)))
#: Where the definitions lie.
PLACE = Path("tools") / "kernelci"

#: What may stand in a job, by key: its type, and whether it must.
_JOB = {"template": (str, True), "kind": (str, True), "image": (str, True), "kcidb_test_suite": (str, True),
        "params": (dict, True), "rules": (dict, False)}
_RULES = {"min_version": (dict, False), "max_version": (dict, False), "tree": (list, True)}
_VERSION = {"version": (int, True), "patchlevel": (int, True)}
#: The parameters that our template knows.
_PARAMS = {"arch": (str, True), "kunitconfig": (str, True), "cross_compile": (str, False)}
_ENTRY = {"job": (str, True), "event": (dict, True), "runtime": (dict, True)}
_EVENT = {"channel": (str, True), "kind": (str, True), "state": (str, True)}
_RUNTIME = {"name": (str, True), "type": (str, False)}
Form = Mapping[str, Tuple[type, bool]]


class Job(NamedTuple):
    """A job that runs kunit.py."""

    name: str
    arch: str
    kunitconfig: str
    cross_compile: str

    def commands(self) -> List[List[str]]:
        """The arguments of kunit.py in each step, as KernelCI gives them."""
        own = [f"--kunitconfig={self.kunitconfig}"]
        if self.cross_compile:
            own.append(f"--cross_compile={self.cross_compile}")
        return [[step, *(word.replace("$(nproc)", str(len(os.sched_getaffinity(0)))) for word in words),
                 f"--arch={self.arch}", *own] for step, words in STEPS]


# YAML

class _Line(NamedTuple):
    number: int
    indent: int
    text: str


def read_yaml(text: str) -> Any:
    """The value of a YAML text of mappings, sequences, words and numbers; ValueError if there is more in it."""
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        body = raw.lstrip(" ")
        if body and not body.startswith("#"):
            if "\t" in raw or raw != raw.rstrip():
                raise ValueError(f"line {number}: a tab, or a space at the end")
            lines.append(_Line(number, len(raw) - len(body), body))
    value, rest = _block(lines)
    if rest:
        raise ValueError(f"line {rest[0].number}: indented otherwise than what is above")
    return value


def _block(lines: List[_Line]) -> Tuple[Any, List[_Line]]:
    """The value that begins with @lines, and the lines after it."""
    if not lines:
        raise ValueError("no value at the end")
    indent = lines[0].indent
    if lines[0].text.startswith("- "):
        found = []
        while lines and lines[0].indent == indent and lines[0].text.startswith("- "):
            first = lines[0]
            inner = first.text[2:].lstrip(" ")
            if re.match(r"[\w-]+:(?: |$)", inner):
                # A mapping whose first key stands beside the dash.
                lines[0] = _Line(first.number, indent + len(first.text) - len(inner), inner)
                value, lines = _block(lines)
            else:
                value, lines = _scalar(inner, first.number), lines[1:]
            found.append(value)
        return found, lines
    mapping: Dict[str, Any] = {}
    while lines and lines[0].indent == indent:
        line = lines[0]
        match = re.fullmatch(r"([\w-]+):(?: +(.+))?", line.text)
        if match is None:
            raise ValueError(f"line {line.number}: not 'key: value'")
        key, inner = match.groups()
        if key in mapping:
            raise ValueError(f"line {line.number}: a second '{key}'")
        lines = lines[1:]
        if inner is not None:
            mapping[key] = _scalar(inner, line.number)
        elif lines and (lines[0].indent > indent or lines[0].indent == indent and lines[0].text.startswith("- ")):
            mapping[key], lines = _block(lines)
        else:
            raise ValueError(f"line {line.number}: '{key}' has no value")
    if lines and lines[0].indent > indent:
        raise ValueError(f"line {lines[0].number}: indented otherwise than what is above")
    return mapping, lines


def _scalar(text: str, number: int) -> Any:
    quoted = re.fullmatch(r"'([^']*)'", text)
    if quoted is not None:
        return quoted.group(1)
    if re.fullmatch(r"\d+", text):
        return int(text)
    if (not re.match(r"[\w./]", text) or re.search(r": | #|:$", text)
            or text.lower() in ("true", "false", "yes", "no", "on", "off", "null")
            or re.fullmatch(r"[\d.]+", text)):
        raise ValueError(f"line {number}: '{text}' has to be quoted, or is more than this reads")
    return text


# The form

def _fits(what: str, value: Any, form: Form) -> List[str]:
    """How @value is not of @form."""
    if not isinstance(value, dict):
        return [f"{what}: not a mapping"]
    found = [f"{what}: no '{key}'" for key, (_, needed) in form.items() if needed and key not in value]
    for key, each in value.items():
        if key not in form:
            found.append(f"{what}: unknown '{key}'")
        elif type(each) is not form[key][0] or each in ("", [], {}):  # pylint: disable=unidiomatic-typecheck
            found.append(f"{what}: '{key}' is no {form[key][0].__name__}, or is empty")
    return found


def problems(jobs: Any, scheduler: Any) -> List[str]:
    """What in the definitions is not as KernelCI has them; its own validation asks for less."""
    found = []
    for what, value, key, kind in (("jobs.yaml", jobs, "jobs", dict), ("scheduler.yaml", scheduler, "scheduler", list)):
        found += _fits(what, value, {key: (kind, True)})
    if found:
        return found
    for name, job in jobs["jobs"].items():
        found += _fits(name, job, _JOB)
        if not isinstance(job, dict):
            continue
        if job.get("kind") not in ("job", "test"):
            found.append(f"{name}: kind '{job.get('kind')}' does not run kunit.py")
        if not re.fullmatch(r"[\w-]+\.jinja2", str(job.get("template"))):
            found.append(f"{name}: template '{job.get('template')}' is no file in config/runtime")
        if not re.fullmatch(r"(?:[\w.-]+/)*\{image_prefix\}[\w.-]+:[\w.-]+", str(job.get("image"))):
            found.append(f"{name}: image '{job.get('image')}' has not the form of KernelCI's")
        found += _fits(f"{name}: params", job.get("params", {}), _PARAMS)
        rules = job.get("rules", {})
        found += _fits(f"{name}: rules", rules, _RULES)
        if isinstance(rules, dict):
            for key in ("min_version", "max_version"):
                if key in rules:
                    found += _fits(f"{name}: {key}", rules[key], _VERSION)
            found += [f"{name}: tree '{tree}' is not [!]TREE[:BRANCH]" for tree in rules.get("tree", [])
                      if not re.fullmatch(r"!?[\w-]+(?::[\w./-]+)?", str(tree))]
    used = set()
    for number, entry in enumerate(scheduler["scheduler"], 1):
        what = f"entry {number} of scheduler.yaml"
        found += _fits(what, entry, _ENTRY)
        if isinstance(entry, dict):
            found += _fits(f"{what}: event", entry.get("event", {}), _EVENT)
            found += _fits(f"{what}: runtime", entry.get("runtime", {}), _RUNTIME)
            used.add(entry.get("job"))
            if entry.get("job") not in jobs["jobs"]:
                found.append(f"{what}: there is no job '{entry.get('job')}'")
    return found + [f"{name}: no entry of scheduler.yaml runs it" for name in jobs["jobs"] if name not in used]


def read_jobs(repo: Path) -> Dict[str, Job]:
    """The jobs that are defined; Stop if their definitions are not as they must be."""
    values = []
    for name in ("jobs.yaml", "scheduler.yaml"):
        try:
            values.append(read_yaml((repo / PLACE / name).read_text(encoding="utf-8")))
        except ValueError as err:
            raise Stop(f"{repo / PLACE / name}: {err}") from err
    wrong = problems(*values)
    if wrong:
        raise Stop(f"{repo / PLACE}: {wrong[0]}")
    return {name: Job(name, job["params"]["arch"], job["params"]["kunitconfig"], job["params"].get("cross_compile", ""))
            for name, job in values[0]["jobs"].items()}


# The steps

def run_steps(tree: Path, job: Job, results: Path, limit: int, console: Console) -> Tuple[str, Dict[str, str]]:
    """Do in @tree what KernelCI does; which step failed (empty: none), and the tests of kunit.json.

    The log goes to job.txt in @results, under the name that KernelCI has for it.
    """
    log = results / "job.txt"
    failed = ""
    for words in job.commands():
        console.begin(f"KernelCI's {job.name}: kunit.py {' '.join(words)}")
        status = proc.run([sys.executable, "tools/testing/kunit/kunit.py", *words], log, cwd=tree, limit=limit,
                          tick=console.tick)
        console.end("done" if status == 0 else "FAILED")
        if status != 0:
            failed = f"kunit.py {words[0]} ended with {status}: {' '.join(proc.tail(log, 2))}"
            break
    for name in ("kunit.json", ".kunit/test.log"):
        if (tree / name).is_file():
            (results / Path(name).name).write_bytes((tree / name).read_bytes())
    return failed, kunit.read_results(files.read_json(results / "kunit.json"), klog.ktap(""))
