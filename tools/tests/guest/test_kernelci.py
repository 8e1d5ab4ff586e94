# SPDX-License-Identifier: GPL-2.0-only
"""KernelCI: the definitions of its jobs, and the three steps."""

import re
import unittest
from typing import List

from locked_rmap.base import files
from locked_rmap.base.results import PASS, SKIP
from locked_rmap.guest import kernelci
from locked_rmap.kernel import overlay

from ..support import REPO, Case, write

JOBS, SCHEDULER = ((REPO / "tools/kernelci" / name).read_text(encoding="utf-8")
                   for name in ("jobs.yaml", "scheduler.yaml"))


class FormTest(unittest.TestCase):
    """KernelCI accepts the definitions."""

    def test_ours_have_the_form(self) -> None:
        jobs, found = kernelci.parse(JOBS, SCHEDULER)
        self.assertEqual(found, [])
        self.assertEqual(jobs, kernelci.read_jobs(REPO))

    def test_each_architecture_has_a_job(self) -> None:
        jobs = kernelci.read_jobs(REPO).values()
        self.assertEqual(sorted(job.arch for job in jobs), ["arm64", "um", "x86_64"])
        for job in jobs:
            self.assertIn(f"--kunitconfig={overlay.TESTS}", job.args.split())

    def test_what_kernelci_or_the_template_refuses(self) -> None:
        for old, new, part in (
                ("kind: job", "kind:", "kind: None is not job"),
                ("kind: job", "kind: *job", "undefined alias"),
                ("template: kunit", "template: generic", "template: 'generic.jinja2' is not"),
                ("    kcidb_test_suite: kunit\n", "", "no 'kcidb_test_suite'"),
                ("image: kernelci/{image_prefix}", "image: ", "image: 'gcc-14:x86"),
                ("priority: medium", "priority: urgent", "priority: 'urgent' is not"),
                ("    rules:", "    rule:", "unknown 'rule'"),
                ("patchlevel: 1", "patchlevel: '1'", "patchlevel: '1' is no int"),
                ("- 'my-tree'", "- 'my tree'", "tree[1]: 'my tree' is not"),
                ("        - 'my-tree'\n", "", "tree: no list"),
                ("arch: um", "cross_compile: x", "unknown 'cross_compile'"),
                ("=mm/tests", "=mm/tests --kernel_args=x", "--kernel_args=x' is not"),
                ("=mm/tests", "=$HOME", "args: '--kunitconfig=$HOME' is not"),
                ("  kunit-mm-um:", "  kunit-mm-x86_64:", "two jobs 'kunit-mm-x86_64'")):
            with self.subTest(part):
                self.assertIn(old, JOBS)
                jobs, found = kernelci.parse(JOBS.replace(old, new, 1), SCHEDULER)
                self.assertEqual(jobs, {})
                self.assertIn(part, "; ".join(found))

    def test_what_the_scheduler_refuses(self) -> None:
        for old, new, part in (
                ("job: kunit-mm-um", "job: other", "no job 'other'"),
                ("job: kunit-mm-um", "job: other", "'kunit-mm-um' never runs"),
                ("      state: available\n", "", "event: no 'state'"),
                ("channel: node", "channel: 1", "channel: 1 is not node"),
                ("      name: k8s-gke-eu-west4\n", "", "runtime: no dict"),
                ("scheduler:", "schedule:", "unknown 'schedule'")):
            with self.subTest(part):
                self.assertIn(old, SCHEDULER)
                jobs, found = kernelci.parse(JOBS, SCHEDULER.replace(old, new, 1))
                self.assertEqual(jobs, {})
                self.assertIn(part, "; ".join(found))


#: Stands in for kunit.py: notes how it was called.
KUNIT_PY = r'''
import json, os, sys
with open("called", "a") as out:
    out.write(" ".join(sys.argv[1:]) + "\n")
if os.path.exists("fails") and open("fails").read() == sys.argv[1]:
    sys.exit("kunit.py is not content")
if sys.argv[1] == "exec":
    cases = [{"name": "one", "status": "PASS"}, {"name": "two", "status": "SKIP"}]
    suite = {"name": "s", "sub_groups": [], "test_cases": cases}
    with open("kunit.json", "w") as out:
        json.dump({"name": "g", "test_cases": [], "sub_groups": [suite]}, out)
'''


class StepsTest(Case):
    """The three steps."""

    def setUp(self) -> None:
        super().setUp()
        self.tree = self.temp / "tree"
        write(self.tree / "tools/testing/kunit/kunit.py", KUNIT_PY)
        self.job = kernelci.Job("a-job", "arm64", "--kunitconfig=mm/tests --cross_compile=x-")

    def called(self) -> List[str]:
        """The steps that were run, with N for the number of jobs."""
        text = (self.tree / "called").read_text(encoding="utf-8")
        return re.sub(r"--jobs=\d+ ", "--jobs=N ", text).splitlines()

    def test_they_are_what_kernelci_runs(self) -> None:
        failed, tests = kernelci.run_steps(self.tree, self.job, self.temp, 60, self.console)
        self.assertEqual((failed, tests), ("", {"s.one": PASS, "s.two": SKIP}))
        rest = f"{self.job.args} --arch=arm64"
        self.assertEqual(self.called(), [f"config {rest}", f"build --jobs=N {rest}",
                                         f"exec --json=kunit.json {rest}"])
        self.assertEqual(files.read_json(self.temp / "kunit.json")["name"], "g")

    def test_the_first_that_fails_ends_it(self) -> None:
        write(self.tree / "fails", "build")
        failed, tests = kernelci.run_steps(self.tree, self.job, self.temp, 60, self.console)
        self.assertIn("kunit.py build ended with 1: kunit.py is not content", failed)
        self.assertEqual((tests, len(self.called())), ({}, 2))
