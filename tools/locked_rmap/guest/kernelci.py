# SPDX-License-Identifier: GPL-2.0-only
"""KernelCI's kunit job: its definitions, and the three steps that it runs."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from ..base import files, proc
from ..base.console import Console
from ..base.errors import Stop, one_line
from . import klog, kunit

#: Where the definitions lie.
PLACE = Path("tools") / "kernelci"
#: The arguments that KernelCI's kunit.jinja2 gives kunit.py; {} are the job's own.
STEPS = ("config {}", "build --jobs=$(nproc) {}", "exec --json=kunit.json {}")

# All three steps get args, so each option must be one of all three: not --kernel_args.  Neither
# the shell nor the template may find anything to expand in them.
_ARG = ("--(?:alltests|cross_compile|kconfig_add|kunitconfig|make_options|qemu_args|qemu_config)"
        "(?:=[A-Za-z0-9_./=,+-]+)?")
_VERSION = {"version": int, "patchlevel": int}
#: What kernelci-pipeline's tests/validate_yaml.py, kernelci-core's JobConfig and kunit.jinja2 ask
#: for, as of August 2026.  KernelCI ignores a parameter that the template does not read; it is
#: refused here.
JOBS = {"jobs": {"*": {
    "template": r"kunit\.jinja2",
    "kind": "job",
    "priority": "low|medium|high",
    "image": r"(?:[\w.-]+/)*\{image_prefix\}[\w.-]+:[\w.-]+",
    "kcidb_test_suite": "kunit",
    "params": {"arch": "um|x86_64|arm64", "args": f"{_ARG}(?: {_ARG})*"},
    "rules": {"min_version": _VERSION, "tree": [r"!?[\w-]+(?::[\w./-]+)?"]},
}}}
SCHEDULER = {"scheduler": [{
    "job": r"[\w-]+",
    "event": {"channel": "node", "kind": "checkout", "state": "available"},
    "runtime": {"name": r"[\w-]+"},
}]}


class Job(NamedTuple):
    """A job that runs kunit.py."""

    name: str
    arch: str
    args: str

    def commands(self) -> List[str]:
        """The arguments of kunit.py in each step, for a shell."""
        return [step.format(f"{self.args} --arch={self.arch}") for step in STEPS]


def misfits(what: str, value: Any, form: Any) -> Iterator[str]:
    """How @value differs from @form.

    A form is a pattern, a type, a list of one form, or a mapping, where * is any key.
    """
    if isinstance(form, str):
        if not isinstance(value, str) or not re.fullmatch(form, value):
            yield f"{what}: {value!r} is not {form}"
    elif isinstance(form, type):
        if not isinstance(value, form):
            yield f"{what}: {value!r} is no {form.__name__}"
    elif not isinstance(value, type(form)) or not value:
        yield f"{what}: no {type(form).__name__}, or an empty one"
    elif isinstance(form, list):
        for number, each in enumerate(value, 1):
            yield from misfits(f"{what}[{number}]", each, form[0])
    else:
        yield from (f"{what}: no '{key}'" for key in form if key not in value and key != "*")
        for key, each in value.items():
            if key in form or "*" in form:
                yield from misfits(f"{what}.{key}", each, form.get(key, form.get("*")))
            else:
                yield f"{what}: unknown '{key}'"


def parse(jobs_text: str, scheduler_text: str) -> Tuple[Dict[str, Job], List[str]]:
    """The jobs that two YAML texts define; none, and why, if KernelCI would not accept them."""
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError as err:
        raise Stop(f"{sys.executable} has no module yaml: install python3-yaml, "
                   "or start this with /usr/bin/python3") from err
    try:
        jobs, scheduler = yaml.safe_load(jobs_text), yaml.safe_load(scheduler_text)
    except yaml.YAMLError as err:
        return {}, [one_line(str(err))]
    found = [*misfits("jobs.yaml", jobs, JOBS), *misfits("scheduler.yaml", scheduler, SCHEDULER)]
    if not found:
        # A YAML parser silently drops the first of two jobs with one name.
        names = re.findall(r"^  ([\w-]+):", jobs_text, re.M)
        run = [entry["job"] for entry in scheduler["scheduler"]]
        found = [*(f"jobs.yaml: two jobs '{name}'" for name in set(names) if names.count(name) > 1),
                 *(f"scheduler.yaml: '{name}' never runs" for name in names if name not in run),
                 *(f"scheduler.yaml: no job '{name}'" for name in run if name not in names)]
    if found:
        return {}, found
    return {name: Job(name, **job["params"]) for name, job in jobs["jobs"].items()}, []


def read_jobs(repo: Path) -> Dict[str, Job]:
    """The jobs of @repo; Stop if KernelCI would not accept them."""
    place = repo / PLACE
    jobs, found = parse((place / "jobs.yaml").read_text(encoding="utf-8"),
                        (place / "scheduler.yaml").read_text(encoding="utf-8"))
    if found:
        raise Stop(f"{place}: {found[0]}")
    return jobs


def run_steps(tree: Path, job: Job, results: Path, limit: int,
              console: Console) -> Tuple[str, Dict[str, str]]:
    """Do in @tree what KernelCI does; which step failed (empty: none), and the tests of kunit.json.

    The log goes to job.txt in @results, under the name that KernelCI has for it.
    """
    log = results / "job.txt"
    failed = ""
    for command in job.commands():
        console.begin(f"KernelCI's {job.name}: kunit.py {command}")
        script = f'exec "$0" tools/testing/kunit/kunit.py {command}'
        status = proc.run(["sh", "-c", script, sys.executable], log, cwd=tree, limit=limit,
                          tick=console.tick)
        console.end("done" if status == 0 else "FAILED")
        if status != 0:
            step = command.split()[0]
            failed = f"kunit.py {step} ended with {status}: {' '.join(proc.tail(log, 2))}"
            break
    for name in ("kunit.json", ".kunit/test.log"):
        if (tree / name).is_file():
            (results / Path(name).name).write_bytes((tree / name).read_bytes())
    return failed, kunit.read_results(files.read_json(results / "kunit.json"), klog.ktap(""))
