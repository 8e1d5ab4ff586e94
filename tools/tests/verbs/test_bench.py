# SPDX-License-Identifier: GPL-2.0-only
"""The verb `bench`: the kernels that it builds, and the command."""

import json
import re
import subprocess
import unittest
from typing import Any, Dict, List, Mapping, Optional, Tuple

from locked_rmap.guest import measure
from locked_rmap.guest.build import config_for

from ..benched import contended, counted
from ..support import PATCH, REPO, Case, kernel_tree, repository, write

#: How many a guest gets whose threads run at a time.
CPUS = measure.cpus()


class ConfigTest(Case):
    """What is built, and how it runs."""

    def test_neither_kernel_has_the_suites_own_configuration(self) -> None:
        counting, waiting = measure.configs(REPO)
        self.assertEqual([config.label for config in (counting, waiting)],
                         ["x86_64-bench", "x86_64-contention"])
        place = self.temp / "build"
        options = counting.options(place)
        own = REPO / "tools/configs"
        self.assertEqual([text for text in options if text.startswith("--kunitconfig")],
                         [f"--kunitconfig={own / 'bench.config'}"])
        self.assertIn("--qemu_args=-smp 1 -icount shift=0,sleep=off", options)
        options = waiting.options(place)
        self.assertEqual([text for text in options if text.startswith("--kunitconfig")],
                         [f"--kunitconfig={own / name}.config" for name in ("bench", "contention")])
        self.assertEqual([text for text in options if text.startswith("--qemu_args")], [])
        self.assertIn("--kunitconfig=mm/tests", config_for(REPO, "x86_64").options(place))

    def test_no_checks_are_counted(self) -> None:
        text = (REPO / "tools/configs/bench.config").read_text(encoding="utf-8")
        checks = re.compile(r"^CONFIG_\w*(?:DEBUG|KASAN|PROVE|LOCK_STAT)\w*=", re.M)
        self.assertEqual(checks.findall(text), [])


#: Stands in for kunit.py: says what the file for this guest has, or the next one in turn.
KUNIT_PY = r'''
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "calls"), "a") as out:
    out.write(json.dumps(sys.argv) + "\n")
verb = sys.argv[1]
options = dict(a[2:].split("=", 1) for a in sys.argv[2:] if a.startswith("--") and "=" in a)
build = options["build_dir"]
if verb == "build":
    broken = os.path.join(here, "broken")
    if os.path.exists(broken) and open(broken).read() in build:
        print("mm/rmap.c:10:2: error: expected ';'")
        sys.exit(1)
    for name in (".config", "vmlinux"):
        open(os.path.join(build, name), "w").close()
    sys.exit(0)
if "--list_tests" in sys.argv:
    print("userfaultfd_move_bench.moves")
    sys.exit(0)
label = os.path.basename(build)
calls = open(os.path.join(here, "calls"))
count = len([line for line in calls if '"exec"' in line and label in line])
script = json.load(open(os.path.join(here, "guests.json")))[label]
figures = script[min(count, len(script)) - 1]
with open(os.path.join(build, "test.log"), "w") as log:
    log.write("KTAP version 1\n1..1\n    KTAP version 1\n")
    log.write("    # Subtest: userfaultfd_move_bench\n    1..1\n")
    for name, (value, unit) in (figures or {}).items():
        log.write("[    1.000000]     # moves: figure %s %d %s\n" % (name, value, unit))
    log.write("Kernel panic - not syncing: x\n" if figures is None else
              "    ok 1 moves\nok 1 userfaultfd_move_bench\n")
with open(options["json"], "w") as out:
    json.dump({"name": "g", "test_cases": [], "sub_groups": []}, out)
'''

#: Knows every package as installed.
DPKG_QUERY = '#!/bin/sh\nshift 3\nfor name; do echo "$name installed"; done\n'


class CommandTest(Case):
    """The command from outside, with a kunit.py that plays the guests."""

    def setUp(self) -> None:
        super().setUp()
        self.repo = repository(self.temp / "repo", {"0001-x.patch": PATCH})
        write(self.repo / "mm/patches/linux-6.12/bounds", "# none of these\n")
        self.tree = kernel_tree(self.temp / "tree", KUNIT_PY)
        write(self.temp / "bin/dpkg-query", DPKG_QUERY, executable=True)
        self.guests: Dict[str, List[Any]] = {}
        for stage in ("stock", "locked"):
            for label, told in (("bench", counted(stage)), ("contention", contended(stage))):
                self.guests[f"x86_64-{label}-{stage}"] = [
                    {name: [each.value, each.unit] for name, each in told.items()}]
        self.place = self.repo / "build/results/bench-6.12"

    def bench(self, *arguments: str, env: Optional[Mapping[str, str]] = None
              ) -> "subprocess.CompletedProcess[str]":
        """`bench` on the user's tree."""
        write(self.tree / "tools/testing/kunit/guests.json", json.dumps(self.guests))
        return self.command(self.repo, ["bench", "--tree", str(self.tree), *arguments],
                            path=self.temp / "bin", env=env)

    def calls(self) -> List[List[str]]:
        """How kunit.py was called."""
        # The tool runs a copy of the tree.
        found = next(self.temp.glob("cache/trees/tree-*/tree/tools/testing/kunit/calls"))
        return [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]

    def value(self) -> Any:
        """The summary."""
        return json.loads((self.place / "summary.json").read_text(encoding="utf-8"))

    @staticmethod
    def rows(answer: "subprocess.CompletedProcess[str]") -> List[str]:
        """The lines that were printed, in single spaces."""
        return [" ".join(line.split()) for line in answer.stdout.splitlines()]

    @unittest.skipIf(CPUS < 2, "needs two CPUs")
    def test_stock_beside_locked_holds(self) -> None:
        for stage, wait, longest in (("stock", 12345678, 160000), ("locked", 0, 49999)):
            told = self.guests[f"x86_64-contention-{stage}"][0]
            told.update({"contention.alone.thp.2.wait": [wait, "ns"],
                         "contention.alone.thp.2.longest": [longest, "ns"]})
            # The guest after those that count.
            one, two = (400, 404) if stage == "stock" else (420, 819)
            self.guests[f"x86_64-bench-{stage}"] += [self.guests[f"x86_64-bench-{stage}"][0], {
                "throughput.1": [one, "pages/s"], "throughput.2": [two, "pages/s"]}]
        answer = self.bench("--no-collector")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        for row in ("one CPU, instructions counted unit stock locked",
                    "UFFDIO_MOVE, 1 page a call instructions/page 1919 1703",
                    "folio_referenced() instructions/folio 1000 1000",
                    f"QEMU, {CPUS} CPUs, pages a second stock: locked:",
                    "1 thread 400 100% 420 100%", "2 threads 404 101% 819 195%",
                    "two CPUs, the anon_vma's lock stock: locked:",
                    "locks waits waited longest locks waits waited longest",
                    "2 threads move huge pages 4096 4096 12.3 0.2 0 0 0 <0.1",
                    "43 bounds on Linux 6.12.99: 43 hold."):
            self.assertIn(row, self.rows(answer))
        # Figures stand one above the other.
        lines = answer.stdout.splitlines()
        for first, last in (("one CPU", "DAMON's walk, mkold"),
                            ("two CPUs", "8 threads move huge pages, beside DAMON")):
            start = next(number for number, line in enumerate(lines) if line.startswith(first))
            end = next(number for number, line in enumerate(lines) if line.startswith(last))
            self.assertEqual(len({len(line) for line in lines[start + 1:end + 1]}), 1,
                             lines[start:end + 1])
        value = self.value()
        self.assertEqual([value[key] for key in ("kernel", "line", "arch", "status", "wrong",
                                                 "cpus")],
                         ["6.12.99", "6.12", "x86_64", 0, [], CPUS])
        self.assertEqual(value["costs"]["locked"]["figures"]["move.1"],
                         {"value": 1703, "unit": "instructions/page", "runs": [1703, 1703],
                          "repeats": True})
        stock = value["costs"]["stock"]["figures"]
        self.assertEqual(stock["contention.alone.2.contentions"]["value"], 4096)
        self.assertEqual((stock["throughput.2"]["value"], stock["throughput.2"]["repeats"]),
                         (404, None))
        self.assertEqual(list(value["stages"]["stock"]),
                         ["run-1", "run-2", "throughput", "contention"])
        for name in ("stock/run-1/kernel.log", "stock/run-2/kernel.log",
                     "locked/contention/kernel.log", "locked/build.log", "bench.svg"):
            self.assertTrue((self.place / name).is_file(), name)
        runs = [call for call in self.calls() if call[1] == "exec"]
        counting = [call for call in runs if "--qemu_args=-smp 1 -icount shift=0,sleep=off" in call]
        self.assertEqual((len(runs), len(counting)), (8, 4))
        parallel = [call for call in runs if "userfaultfd_move_bench.throughput_of_threads" in call]
        self.assertEqual(len(parallel), 2)
        for call in parallel:
            self.assertRegex(" ".join(call), r"--qemu_args=-smp [2-8] ")
        self.assertEqual(len([call for call in runs if "contention.config" in " ".join(call)]), 2)

    @unittest.skipIf(CPUS < 2, "needs two CPUs")
    def test_uml_runs_too_where_it_has_more_than_one_cpu(self) -> None:
        write(self.tree / "arch/um/Kconfig", "config SMP\n\tbool\n")
        for stage, two in (("stock", 404), ("locked", 819)):
            self.guests[f"um-native-{stage}"] = [{"throughput.1": [400, "pages/s"],
                                                  "throughput.2": [two, "pages/s"]}]
        answer = self.bench("--no-collector")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        for row in (f"UML, {CPUS} CPUs, pages a second stock: locked:",
                    "2 threads 404 101% 819 205%"):
            self.assertIn(row, self.rows(answer))
        self.assertEqual(self.value()["costs"]["locked"]["figures"]["native.2"]["value"], 819)
        self.assertTrue((self.place / "locked/native/kernel.log").is_file())
        runs = [" ".join(call) for call in self.calls()
                if call[1] == "exec" and "native.config" in " ".join(call)]
        self.assertEqual(len(runs), 2)
        for call in runs:
            self.assertRegex(call, r"--kernel_args=ncpus=[2-8] --kernel_args=seccomp=on "
                                   r"userfaultfd_move_bench\.throughput_of_threads")
            self.assertNotIn("--arch", call)
        self.guests["um-native-locked"] = [None]
        answer = self.bench("--no-collector")
        self.assertEqual(answer.returncode, 1, answer.stdout + answer.stderr)
        self.assertIn("locked, native: the guest died (Kernel panic - not syncing: x)",
                      self.rows(answer))

    @unittest.skipIf(CPUS < 2, "needs two CPUs")
    def test_uml_that_does_not_build_leaves_the_rest(self) -> None:
        write(self.tree / "arch/um/Kconfig", "config SMP\n\tbool\n")
        write(self.tree / "tools/testing/kunit/broken", "um-native")
        answer = self.bench("--no-collector")
        self.assertEqual(answer.returncode, 1, answer.stdout + answer.stderr)
        self.assertIn("UFFDIO_MOVE, 1 page a call instructions/page 1919 1703", self.rows(answer))
        self.assertIn("locked: 6.12.99 um-native locked does not build: mm/rmap.c:10:2: error: "
                      f"expected ';'; full output in {self.place / 'locked/native/build.log'}",
                      self.rows(answer))
        self.assertTrue((self.place / "locked/native/build.log").is_file())

    def test_uml_with_one_cpu_is_left_out(self) -> None:
        write(self.tree / "arch/um/Kconfig", "\tdepends on !SMP\n")
        self.bench("--no-collector")
        self.assertEqual([call for call in self.calls() if "native.config" in " ".join(call)], [])

    def test_a_broken_bound_is_a_line_and_status_1(self) -> None:
        self.guests["x86_64-bench-locked"][0]["move.16"][0] = 999
        answer = self.bench("--no-contention", "--no-collector")
        self.assertEqual(answer.returncode, 1, answer.stdout + answer.stderr)
        self.assertIn("bound broken: UFFDIO_MOVE, 16 pages a call (move.16) on locked: 999, "
                      "must be at most 998 (stock's 998)", self.rows(answer))
        self.assertEqual([bound["figure"] for bound in self.value()["bounds"]
                          if bound["holds"] is False], ["move.16"])

    def test_runs_that_differ_are_marked(self) -> None:
        first = self.guests["x86_64-bench-locked"][0]
        self.guests["x86_64-bench-locked"] = [{**first, "move.1": [1800, "ns/page"]}, first]
        answer = self.bench("--no-contention", "--no-collector")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        for row in ("UFFDIO_MOVE, 1 page a call instructions/page 1919 1703*",
                    "* UFFDIO_MOVE, 1 page a call on locked: the runs differ by more than 1 %: "
                    "1800, 1703"):
            self.assertIn(row, self.rows(answer))
        self.assertFalse(self.value()["costs"]["locked"]["figures"]["move.1"]["repeats"])

    def test_figures_that_the_tool_does_not_know_are_shown(self) -> None:
        self.guests["x86_64-contention-stock"][0]["contention.walker.waits"] = [7, "count"]
        self.guests["x86_64-bench-stock"][0]["brand-new"] = [8, "ns/call"]
        self.guests["x86_64-bench-locked"][0]["brand-new"] = [9, "ns/call"]
        answer = self.bench("--no-collector")
        self.assertEqual(answer.returncode, 1, answer.stdout + answer.stderr)
        for row in ("brand-new instructions/call 8 9", "contention.walker.waits, count 7 -",
                    "- locked: userfaultfd_move_bench.moves passes and does not report it",
                    "locked lacks 1 figure (contention.walker.waits): "
                    "userfaultfd_move_bench.moves passes and does not report it"):
            self.assertIn(row, self.rows(answer))

    def test_what_was_left_out_is_told(self) -> None:
        answer = self.bench("--no-contention", "--no-collector", "--stage", "locked")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("36 bounds not measured, the guests with two CPUs were left out",
                      answer.stdout)
        self.assertIn("7 bounds not measured, stock was not run", answer.stdout)
        self.assertNotIn("two CPUs, the anon_vma's lock", answer.stdout)
        self.assertEqual([call for call in self.calls() if "contention" in " ".join(call)], [])

    def test_a_guest_that_dies_is_status_1_with_its_reason(self) -> None:
        self.guests["x86_64-bench-locked"] = [None]
        answer = self.bench("--no-contention", "--no-collector")
        self.assertEqual(answer.returncode, 1, answer.stdout + answer.stderr)
        self.assertIn("locked, run-1: the guest died (Kernel panic - not syncing: x)",
                      self.rows(answer))
        self.assertIn("UFFDIO_MOVE, 1 page a call instructions/page 1919 -", self.rows(answer))
        self.guests["x86_64-bench-stock"] = [None]
        answer = self.bench("--no-contention", "--no-collector")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("no chart: no move was measured", answer.stdout)

    def test_copies_for_the_user(self) -> None:
        svg = self.temp / "chart.svg"
        answer = self.bench("--no-contention", "--no-collector", "--json", "-", "--svg", str(svg))
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertEqual(json.loads(answer.stdout)["kernel"], "6.12.99")
        self.assertEqual(svg.read_bytes(), (self.place / "bench.svg").read_bytes())
        self.assertIn("UFFDIO_MOVE, locked", svg.read_text(encoding="utf-8"))
        page = self.temp / "bench.html"
        answer = self.bench("--no-contention", "--no-collector", "--html", str(page))
        self.assertIn(f"page: {page}", answer.stdout)
        self.assertIn("UFFDIO_MOVE, locked", page.read_text(encoding="utf-8"))
        copy = self.temp / "bench.json"
        self.bench("--no-contention", "--no-collector", "--json", str(copy))
        self.assertEqual(json.loads(copy.read_text(encoding="utf-8"))["status"], 0)

    def test_what_cannot_be_done_is_one_line(self) -> None:
        cases: List[Tuple[List[str], Dict[str, str], str]] = [
                (["--svg", str(self.temp / "none/x.svg")], {}, "for --svg: make it"),
                (["--json", str(self.temp / "none/x.json")], {}, "for --json: make it"),
                (["--html", str(self.temp / "none/x")], {}, "for --html: make it"),
                (["--html", str(self.temp)], {}, "is a directory: give --html a file"),
                (["--svg", str(self.temp)], {}, "is a directory: give --svg a file"),
                (["--json", str(self.temp)], {}, "is a directory: give --json a file"),
                (["--stage", "x"], {}, "unknown stage 'x'"),
                ([], {"LOCKED_RMAP_ACCEL": "kvm"}, "unset it")]
        for arguments, env, part in cases:
            with self.subTest(part):
                self.assert_one_line(self.bench(*arguments, env=env), part)
                self.assertFalse((self.repo / "build").exists())
        write(self.tree / "tools/testing/kunit/broken", "")
        self.assert_one_line(self.bench(), "x86_64-bench stock does not build", "error: expected",
                             "build/results/bench-6.12/stock/build.log")
        self.assertTrue((self.place / "summary.json").is_file())
        self.assertTrue((self.place / "stock/build.log").is_file())
