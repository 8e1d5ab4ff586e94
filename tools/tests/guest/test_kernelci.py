# SPDX-License-Identifier: GPL-2.0-only
"""KernelCI: the definitions of its jobs, the template, and the three steps."""

import copy
import importlib
import json
import re
import unittest
from typing import Any, Dict, List

from locked_rmap.guest import kernelci, kunit
from locked_rmap.kernel import worktree

from ..support import REPO, Case, write

PLACE = REPO / "tools/kernelci"


def read(name: str) -> Any:
    """The value of one of our files."""
    return kernelci.read_yaml((PLACE / name).read_text(encoding="utf-8"))


class YamlTest(unittest.TestCase):
    """The part of YAML that is read."""

    def test_mappings_sequences_words_and_numbers(self) -> None:
        text = ("# a comment\na:\n  b: x/{y}z:w\n  c: 'it is: 1'\n  n: 61\nlist:\n  - one\n  - 'two'\nsame:\n- k: v\n"
                "  m:\n    o: p\n\n- k: w\n")
        self.assertEqual(kernelci.read_yaml(text), {
            "a": {"b": "x/{y}z:w", "c": "it is: 1", "n": 61}, "list": ["one", "two"],
            "same": [{"k": "v", "m": {"o": "p"}}, {"k": "w"}]})

    def test_what_it_cannot_read_is_refused_with_its_line(self) -> None:
        for text, line in (("a: 1\na: 2\n", 2), ("a: *x\n", 1), ("a: &x\n", 1), ("a: {b: c}\n", 1), ("a: [b]\n", 1),
                           ("a: b: c\n", 1), ("a: yes\n", 1), ("a: 6.1\n", 1), ("a: x # y\n", 1), ("a:\n\tb: c\n", 2),
                           ("a:\nb: c\n", 1), ("a: b\n  c: d\n", 2), ("a:\n  - b\n c: d\n", 3), ("a: |\n  b\n", 1),
                           ("<<: *x\n", 1), ("just words\n", 1), ("a: \"b\"\n", 1), ("a: b \n", 1)):
            with self.subTest(text):
                with self.assertRaisesRegex(ValueError, f"^line {line}:"):
                    kernelci.read_yaml(text)

    def test_a_real_parser_reads_the_same(self) -> None:
        try:
            yaml: Any = importlib.import_module("yaml")
        except ImportError:
            self.skipTest("python3-yaml is not installed")
        for name in ("jobs.yaml", "scheduler.yaml"):
            self.assertEqual(yaml.safe_load((PLACE / name).read_text(encoding="utf-8")), read(name))


class FormTest(unittest.TestCase):
    """The definitions are as kernelci-pipeline has them."""

    def setUp(self) -> None:
        self.jobs, self.scheduler = read("jobs.yaml"), read("scheduler.yaml")

    def problems(self) -> str:
        """What is wrong now."""
        return "; ".join(kernelci.problems(self.jobs, self.scheduler))

    def test_ours_have_that_form(self) -> None:
        self.assertEqual(self.problems(), "")

    def test_each_architecture_has_its_job(self) -> None:
        jobs = kernelci.read_jobs(REPO)
        self.assertEqual(sorted(job.arch for job in jobs.values()), ["arm64", "um", "x86_64"])
        self.assertEqual({job.kunitconfig for job in jobs.values()}, {worktree.TESTS})
        self.assertEqual({job["template"] for job in self.jobs["jobs"].values()},
                         {path.name for path in PLACE.glob("*.jinja2")})

    def test_every_deviation_is_found(self) -> None:
        job, entry = "kunit-mm-um", self.scheduler["scheduler"][0]
        cases: List[Any] = [
            (("jobs", job, "template"), None, "no 'template'"), (("jobs", job, "template"), "x.yaml", "no file in"),
            (("jobs", job, "kind"), "kbuild", "does not run"), (("jobs", job, "image"), "gcc", "has not the form"),
            (("jobs", job, "kcidb_test_suite"), None, "no 'kcidb_test_suite'"),
            (("jobs", job, "params"), [1], "is no dict"), (("jobs", job, "params", "arch"), None, "no 'arch'"),
            (("jobs", job, "params", "kunit_config"), "x", "unknown 'kunit_config'"),
            (("jobs", job, "rules", "min_version", "patchlevel"), "1", "is no int"),
            (("jobs", job, "rules", "tree"), ["a b"], "is not"), (("jobs", job, "rule"), {"a": 1}, "unknown 'rule'"),
            (("jobs", "new"), copy.deepcopy(self.jobs["jobs"][job]), "no entry of scheduler.yaml"),
            (("scheduler", 0, "job"), "other", "there is no job 'other'"),
            (("scheduler", 0, "event"), None, "no 'event'"), (("scheduler", 0, "event", "state"), None, "no 'state'"),
            (("scheduler", 0, "event", "channel"), 1, "is no str"), (("scheduler", 0, "runtime"), {}, "no 'name'"),
            (("scheduler", 0, "platforms"), ["x"], "unknown 'platforms'"), (("scheduler",), {}, "is no list")]
        self.assertEqual(entry["job"], job)
        for path, value, part in cases:
            with self.subTest(path):
                self.setUp()
                where = self.jobs if path[0] == "jobs" else self.scheduler
                for key in path[:-1]:
                    where = where[key]
                if value is None:
                    del where[path[-1]]
                else:
                    where[path[-1]] = value
                self.assertIn(part, self.problems())


class TemplateTest(unittest.TestCase):
    """The template adds what the job says to each step."""

    #: In the place of KernelCI's kunit.jinja2: what ours builds on.
    PARENT: Dict[str, str] = {
        "python_imports": "import os",
        "python_globals": "ARCH = '{{ arch }}'",
        "python_job": ("class Job:\n    def _run_kunit(self, src_path, command, job_log):\n        RAN.append(command)\n"
                       "        return True\n\n    def run(self):\n        for step in ('config', 'build', 'exec'):\n"
                       "            self._run_kunit('src', f'{step} --arch={ARCH}', 'log')\n")}

    def commands(self, **params: str) -> List[str]:
        """What the job runs with @params, as Jinja would make it."""
        text = (PLACE / "kunit-config.jinja2").read_text(encoding="utf-8")
        self.assertEqual(re.findall(r"{%- extends '(.*)' %}", text), ["kunit.jinja2"])
        program = ""
        for name, body in re.findall(r"{%- block (\w+) %}\n(.*?)\n{%- endblock %}", text, re.S):
            program += body.replace("{{ super() }}", self.PARENT[name]) + "\n"
        self.assertEqual(text.count("super() }}"), len(self.PARENT))
        # What is not given is empty.
        program = re.sub(r"{{ (\w+) }}", lambda match: params.get(match.group(1), ""), program)
        self.assertNotIn("{{", program)
        ran: List[str] = []
        exec(program + "Job().run()\n", {"RAN": ran})  # pylint: disable=exec-used
        return ran

    def test_options_follow_every_step(self) -> None:
        self.assertEqual(self.commands(arch="um", kunitconfig="mm/tests"),
                         [f"{step} --arch=um --kunitconfig=mm/tests" for step in ("config", "build", "exec")])
        self.assertEqual(self.commands(arch="arm64", kunitconfig="mm/tests", cross_compile="aarch64-linux-gnu-")[1],
                         "build --arch=arm64 --kunitconfig=mm/tests --cross_compile=aarch64-linux-gnu-")

    def test_without_parameters_it_is_the_plain_job(self) -> None:
        self.assertEqual(self.commands(arch="um"), ["config --arch=um", "build --arch=um", "exec --arch=um"])

    def test_a_value_is_one_word(self) -> None:
        self.assertIn("--kunitconfig='mm/tests; reboot'", self.commands(arch="um", kunitconfig="mm/tests; reboot")[0])


#: Stands in for kunit.py: notes how it was called.
KUNIT_PY = r'''
import json, os, sys
with open("called", "a") as out:
    out.write(" ".join(sys.argv[1:]) + "\n")
if os.path.exists("fails") and open("fails").read() == sys.argv[1]:
    sys.exit("kunit.py is not content")
if sys.argv[1] == "exec":
    cases = [{"name": "one", "status": "PASS"}, {"name": "two", "status": "SKIP"}]
    with open("kunit.json", "w") as out:
        json.dump({"name": "g", "test_cases": [], "sub_groups": [{"name": "s", "sub_groups": [], "test_cases": cases}]}, out)
'''


class StepsTest(Case):
    """The three steps."""

    def setUp(self) -> None:
        super().setUp()
        self.tree = self.temp / "tree"
        write(self.tree / "tools/testing/kunit/kunit.py", KUNIT_PY)
        self.job = kernelci.read_jobs(REPO)["kunit-mm-arm64"]

    def called(self) -> List[str]:
        """The steps that were run, without the number of jobs."""
        return re.sub(r"--jobs=\d+ ", "", (self.tree / "called").read_text(encoding="utf-8")).splitlines()

    def test_they_are_what_kernelci_runs(self) -> None:
        failed, tests = kernelci.run_steps(self.tree, self.job, self.temp, 60, self.console)
        self.assertEqual((failed, tests), ("", {"s.one": kunit.PASS, "s.two": kunit.SKIP}))
        rest = "--arch=arm64 --kunitconfig=mm/tests --cross_compile=aarch64-linux-gnu-"
        self.assertEqual(self.called(), [f"config {rest}", f"build {rest}", f"exec --json=kunit.json {rest}"])
        self.assertEqual(len(json.loads((self.temp / "kunit.json").read_text(encoding="utf-8"))["sub_groups"]), 1)

    def test_the_first_that_fails_ends_it(self) -> None:
        write(self.tree / "fails", "build")
        failed, tests = kernelci.run_steps(self.tree, self.job, self.temp, 60, self.console)
        self.assertIn("kunit.py build ended with 1: kunit.py is not content", failed)
        self.assertEqual((tests, len(self.called())), ({}, 2))
