# SPDX-License-Identifier: GPL-2.0-only
"""The verb `selftests`: consoles of real guests, and guests that a script plays.

consoles/ has parts of kernel logs as they were recorded: only tests are left
out, and most of what the kernel says while it boots.
"""

import argparse
import os
from pathlib import Path
from typing import Dict, List, Optional
from unittest import mock

from locked_rmap.base.errors import BROKEN, HOLDS, Stop
from locked_rmap.base.options import Tool
from locked_rmap.base.results import CRASH, FAIL, PASS, SKIP, Outcome, Splat
from locked_rmap.guest import klog, qemu, selflog
from locked_rmap.guest.qemu import Step
from locked_rmap.guest.selflog import Case as Result, Job
from locked_rmap.kernel import packages
from locked_rmap.verbs import selftests

from ..guest import test_qemu
from ..support import Case, write

CONSOLES = Path(__file__).parents[1] / "consoles"
TESTS = ["zeropage", "move", "move-pmd", "move-pmd-split", "wp-fork", "wp-fork-with-event",
         "events"]

#: Stands in for QEMU: plays one console after the other, and tells how it was called.
QEMU = r'''#!/usr/bin/env python3
import os, shutil, sys, time
here = os.path.dirname(os.path.abspath(sys.argv[0]))
number = len([name for name in os.listdir(here) if name.startswith("initrd")]) + 1
text = open(os.path.join(here, "console%d" % number)).read()
shutil.copy(sys.argv[sys.argv.index("-initrd") + 1], os.path.join(here, "initrd%d" % number))
serial = sys.argv[sys.argv.index("-serial") + 1].split(":", 1)[1]
with open(serial, "w") as out:
    out.write(text)
if text.endswith("silence\n"):
    time.sleep(321)
sys.exit(1 if "no such machine" in text else 0)
'''


def console(name: str) -> str:
    """A recorded console."""
    return (CONSOLES / f"{name}.log").read_text(encoding="utf-8")


def jobs(*names: str) -> List[Job]:
    """The jobs of the whole plan that have one of @names."""
    return [job for job in selftests.plan(TESTS) if job.name in names]


def results(name: str, *wanted: str, hung: str = "") -> Dict[str, Result]:
    """The results of the jobs @wanted that the recorded console @name tells of."""
    guest = qemu.read(console(name), hung)
    found: Dict[str, Result] = {}
    for job in jobs(*wanted):
        found.update(selflog.cases(job, guest.ran[job.name]))
    return found


class PlanTest(Case):
    """plan()."""

    def test_a_run_ends_where_another_test_begins(self) -> None:
        stops = {job.name: job.stop_at for job in selftests.plan(TESTS)}
        self.assertEqual(stops["api"], "Testing zeropage on ")
        self.assertEqual(stops["move"], "Testing move-pmd on ")
        self.assertEqual(stops["move-pmd"], "Testing move-pmd-split on ")
        self.assertEqual(stops["wp-fork"], "Testing wp-fork-with-event on ")
        self.assertEqual(stops["zeropage"], "")

    def test_every_test_has_its_job(self) -> None:
        names = [job.name for job in selftests.plan(TESTS)]
        self.assertEqual(names[:len(TESTS) + 1], ["api", *TESTS])
        self.assertEqual(len(names), len(set(names)))

    def test_lines_are_what_the_first_process_reads(self) -> None:
        move, stress = jobs("move", "stress-anon")
        self.assertEqual(move.line,
                         "run\tmove\t300\tTesting move-pmd on \t/uffd-unit-tests\t-f\tmove")
        self.assertTrue(stress.line.startswith("run\tstress-anon\t300\t\t/uffd-stress\tanon\t"))


class ProgramsTest(Case):
    """Programs."""

    def test_the_unit_tests_are_listed(self) -> None:
        for script, names in (("echo move; echo events", ["move", "events"]), ("exit 3", []),
                              ("true", [])):
            write(self.temp / selftests.UNIT, f"#!/bin/sh\n{script}\n", executable=True)
            programs = selftests.Programs(self.temp, "6.12.117")
            if names:
                self.assertEqual(programs.tests(), names)
                continue
            with self.assertRaisesRegex(Stop, "uffd-unit-tests of Linux 6.12.117 does not list its "
                                              r"tests \(status [03]\): has its option -l gone?"):
                programs.tests()

    def test_a_compiler_for_another_machine(self) -> None:
        write(self.temp / "bin/gcc", "#!/bin/sh\necho riscv64-linux-gnu\n", executable=True)
        path = f"{self.temp / 'bin'}:{os.environ['PATH']}"
        parser = argparse.ArgumentParser()
        selftests.arguments(parser)
        with mock.patch.dict(os.environ, {"PATH": path}), \
                mock.patch.object(packages, "need"), \
                self.assertRaisesRegex(Stop, "need x86_64 guests, but gcc here builds for "
                                             "riscv64-linux-gnu: use another machine"):
            selftests.main(parser.parse_args([]), Tool(self.temp, self.console))


class RecordedTest(Case):
    """read() and cases() on what real guests said."""

    def test_passes(self) -> None:
        guest = qemu.read(console("pass"), "")
        self.assertEqual((guest.died, guest.complaint), ("", ""))
        self.assertEqual(results("pass", "api", "zeropage", "stress-anon"), {
            "UFFDIO_API.syscall": Result(PASS), "UFFDIO_API./dev/userfaultfd": Result(PASS),
            **{f"zeropage.{memory}": Result(PASS)
               for memory in ("anon", "shmem", "shmem-private", "hugetlb", "hugetlb-private")},
            "uffd-stress.anon": Result(PASS)})

    def test_moves_pass_and_then_the_guest_falls_silent(self) -> None:
        guest = qemu.read(console("silent"), "the guest hung")
        self.assertEqual(guest.died, "the guest hung")
        found = results("silent", "move", "move-pmd", "move-pmd-split", hung=guest.died)
        self.assertEqual(found, {name: Result(PASS) for name in selflog.MOVES})
        job = jobs("events")[0]._replace(name="events-wp", test="events-wp")
        self.assertEqual(selflog.cases(job, guest.ran["events-wp"]), {
            "events-wp.anon": Result(CRASH, "passed, then the guest hung")})

    def test_a_failure_and_a_skip(self) -> None:
        found = results("failure", "move", "wp-fork")
        self.assertEqual(found["move.anon"], Result(SKIP, "feature missing"))
        self.assertEqual(found["wp-fork.hugetlb"], Result(PASS))
        self.assertEqual(found["wp-fork.hugetlb-private"],
                         Result(FAIL, "Detected stall uffd-wp bit in child in present pte"))

    def test_an_error_ends_the_program(self) -> None:
        self.assertEqual(results("error", "stress-hugetlb"), {"uffd-stress.hugetlb": Result(
            FAIL, "exit status 1: ERROR: context init failed (errno=12, @uffd-stress.c:259)")})

    def test_a_signal_kills_the_program(self) -> None:
        guest = qemu.read(console("died"), "")
        self.assertEqual((guest.died, guest.ran["stress-shmem"].end), ("", "signal 9"))
        found = results("died", "stress-shmem", "zeropage")
        self.assertEqual(found["uffd-stress.shmem"], Result(CRASH, "killed by SIGKILL"))
        self.assertEqual(found["zeropage.shmem"], Result(PASS))
        self.assertEqual(found["zeropage.hugetlb"], Result(SKIP, "memory allocation failed"))

    def test_a_panic(self) -> None:
        guest = qemu.read(console("panic"), "")
        self.assertEqual(guest.died, "Kernel panic - not syncing: Out of memory: "
                                     "compulsory panic_on_oom is enabled")
        self.assertEqual(results("panic", "stress-shmem"),
                         {"uffd-stress.shmem": Result(CRASH, guest.died)})

    def test_a_hang_that_can_be_killed(self) -> None:
        self.assertEqual(qemu.read(console("hang"), "").died, "")
        found = results("hang", "events")
        self.assertEqual(list(found), ["events.anon"])
        self.assertEqual(found["events.anon"].status, CRASH)
        self.assertIn("hung, and was killed", found["events.anon"].note)
        self.assertEqual(klog.splats(console("hang")), [])


class CasesTest(Case):
    """cases() on endings that are rare."""

    def case(self, output: str, end: str) -> Dict[str, Result]:
        """What a run of `move` comes to."""
        return selflog.cases(jobs("move")[0], Step("", output, end))

    def test_a_program_that_dies_before_it_says_a_word(self) -> None:
        self.assertEqual(self.case("", "exit 127"), {"move.-": Result(FAIL, "exit status 127")})

    def test_a_program_that_dies_after_its_test_passed(self) -> None:
        self.assertEqual(self.case("Testing move on anon... done\n", "signal 11"),
                         {"move.anon": Result(CRASH, "passed, then killed by SIGSEGV")})
        text = "Testing move on anon... done\nTesting move-pmd on anon... "
        self.assertEqual(self.case(text, "stopped"), {"move.anon": Result(PASS)})

    def test_a_result_in_the_middle_of_other_words(self) -> None:
        found = self.case("Testing move on anon... ERROR: x (errno=1)\nfailed [reason: bad]\n",
                          "exit 1")
        self.assertEqual(found, {"move.anon": Result(FAIL, "bad")})

    def test_what_hung_and_could_not_be_killed(self) -> None:
        found = self.case("Testing move on anon... ", "stuck")
        self.assertEqual(found, {
            "move.anon": Result(CRASH, "hung, and could not be killed after 300 s")})

    def test_stress_speaks_by_its_exit_status(self) -> None:
        job = jobs("stress-shmem")[0]
        for end, status in (("exit 0", PASS), ("exit 4", SKIP), ("exit 1", FAIL),
                            ("signal 7", CRASH)):
            found = selflog.cases(job, Step("", "bounces: 1\n", end))
            self.assertEqual(found["uffd-stress.shmem"].status, status)


def outcome(statuses: Optional[Dict[str, str]] = None, splats: int = 0, died: str = "",
            moves: str = PASS, title: str = "WARNING: x") -> Outcome:
    """An outcome: the tests of UFFDIO_MOVE come to @moves, others to @statuses."""
    tests = {**dict.fromkeys(selflog.MOVES, moves), **(statuses or {})}
    return Outcome(tests, splats=[Splat(title, 1, [], False)] * splats, died=died)


class JudgeTest(Case):
    """judge()."""

    def judged(self, status: int, *words: str, **outcomes: Outcome) -> None:
        """The verdict on @outcomes is @status, and its sentence has @words."""
        verdict = selflog.judge(outcomes)
        self.assertEqual(verdict.status, status, verdict.sentence)
        for word in words:
            self.assertIn(word, verdict.sentence)

    def test_moves_must_pass_where_there_are_patches(self) -> None:
        self.judged(HOLDS, "3 pass", stock=outcome(moves=SKIP), locked=outcome())
        self.judged(BROKEN, "move on anon, move-pmd on anon, move-pmd-split on anon "
                    "must pass on locked", stock=outcome(moves=SKIP), locked=outcome(moves=SKIP))
        self.judged(BROKEN, "must pass on revalidate", stock=outcome(moves=SKIP),
                    revalidate=outcome(moves=FAIL), locked=outcome())
        self.judged(BROKEN, "must pass on locked", locked=Outcome({"poison.anon": PASS}))

    def test_nothing_gets_worse(self) -> None:
        name = "events.shmem"
        for before, after, status in ((PASS, PASS, HOLDS), (FAIL, FAIL, HOLDS), (FAIL, PASS, HOLDS),
                                      (CRASH, FAIL, HOLDS), (PASS, FAIL, BROKEN),
                                      (PASS, SKIP, BROKEN),
                                      (SKIP, FAIL, BROKEN), (FAIL, CRASH, BROKEN)):
            self.judged(status, stock=outcome({name: before}), locked=outcome({name: after}))
        self.judged(BROKEN, "worse on locked than on stock: events on shmem",
                    stock=outcome({name: PASS}), locked=outcome())
        self.judged(HOLDS, stock=outcome({name: FAIL}), locked=outcome())

    def test_one_stage_alone(self) -> None:
        name = "events.shmem"
        self.judged(BROKEN, "events on shmem failed on locked", locked=outcome({name: FAIL}))
        self.judged(HOLDS, locked=outcome({name: SKIP}))
        self.judged(HOLDS, stock=outcome(moves=SKIP))
        self.judged(BROKEN, "failed on stock", stock=outcome(moves=CRASH))
        self.judged(BROKEN, "1 splat in the kernel log of stock", stock=outcome(splats=1))

    def test_splats_and_deaths(self) -> None:
        self.judged(HOLDS, stock=outcome(splats=1), locked=outcome())
        self.judged(BROKEN, "2 splats in the kernel log of locked.", stock=outcome(),
                    locked=outcome(splats=2))
        self.judged(BROKEN, "2 splats in the kernel log of locked.", locked=outcome(splats=2))
        self.judged(BROKEN, "a guest died on locked (x)", stock=outcome(),
                    locked=outcome(died="x"))
        self.judged(BROKEN, "no test reported on locked (x)", stock=outcome(),
                    locked=Outcome({}, died="x"))

    def test_a_splat_of_stock_is_none_of_ours(self) -> None:
        old = "WARNING: CPU: 0 PID: 34 at include/linux/fs.h:509 hugetlb_split+0x9d/0xc0"
        same = "WARNING: CPU: 1 PID: 72 at include/linux/fs.h:512 hugetlb_split+0x8d/0xb0"
        other = "WARNING: CPU: 0 PID: 34 at include/linux/fs.h:509 move_vma+0x9d/0xc0"
        self.judged(HOLDS, stock=outcome(splats=1, title=old),
                    locked=outcome(splats=2, title=same))
        self.judged(BROKEN, "1 splat in the kernel log of locked that stock does not have",
                    stock=outcome(splats=1, title=old), locked=outcome(splats=1, title=other))


class GuestCase(Case):
    """Guests that a script plays."""

    def setUp(self) -> None:
        super().setUp()
        self.programs = self.temp / "bin"
        write(self.programs / "qemu-system-x86_64", QEMU, executable=True)
        self.logs = self.temp / "logs"
        self.logs.mkdir()

    def play(self, plan: List[Job], *consoles: str) -> Outcome:
        """Run @plan while guests say @consoles, one after the other."""
        for number, text in enumerate(consoles, 1):
            write(self.programs / f"console{number}", text)
        with mock.patch.dict(os.environ, {"PATH": f"{self.programs}:{os.environ['PATH']}"}):
            return selftests.run(Path("bzImage"), {"init": b""}, plan, "x", self.logs, self.console)

    def began(self) -> List[str]:
        """The first job in the plan of each guest."""
        found: List[str] = []
        for path in sorted(self.programs.glob("initrd*")):
            contents = {name: data for name, _, data in
                        test_qemu.CpioTest.entries(path.read_bytes())}
            swap, run, *_ = contents["plan"].decode().splitlines()
            self.assertEqual(swap, "swap\t/dev/ram0")
            found.append(run.split("\t")[1])
        return found


class RunnerTest(GuestCase):
    """run()."""

    def test_a_whole_plan_in_one_guest(self) -> None:
        found = self.play(jobs("api", "zeropage", "stress-anon"), console("pass"))
        self.assertEqual(set(found.tests.values()), {PASS})
        self.assertEqual((found.died, found.splats, self.began()), ("", [], ["api"]))
        self.assertEqual((self.logs / "kernel.log").read_text(encoding="utf-8"), console("pass"))
        self.assertEqual(sorted(path.name for path in self.logs.iterdir()),
                         ["kernel.log", "qemu.log"])

    def test_after_a_panic_another_guest_goes_on(self) -> None:
        # The test that panics comes last in the plan: have it first.
        found = self.play([*jobs("stress-shmem"), *jobs("zeropage")], console("panic"),
                          console("after-panic"))
        self.assertEqual(self.began(), ["stress-shmem", "zeropage"])
        self.assertEqual(found.tests["uffd-stress.shmem"], CRASH)
        self.assertEqual(found.tests["zeropage.anon"], PASS)
        self.assertEqual([found.died], [splat.title for splat in found.splats])
        self.assertEqual((self.logs / "kernel.log").read_text(encoding="utf-8"),
                         console("panic") + console("after-panic"))

    def test_a_guest_that_falls_silent_is_ended(self) -> None:
        text = ("[    3.0] init: begin run move\n"
                "[    3.0] init: ~ Testing move on anon... \n[ 3.1] silence\n")
        with mock.patch.object(qemu, "QUIET", 1):
            found = self.play(jobs("move"), text)
        self.assertEqual(found.tests["move.anon"], CRASH)
        self.assertIn("the guest hung, and was ended after 1 s", found.notes["move.anon"][0])

    def test_a_guest_that_does_not_come_to_its_first_test(self) -> None:
        found = self.play(jobs("move", "events"),
                          "[    0.1] Kernel panic - not syncing: VFS: x\n")
        self.assertEqual(found.tests, {})
        self.assertEqual(found.died, "Kernel panic - not syncing: VFS: x")
        self.assertEqual(self.began(), ["move"])

    def test_what_the_guest_cannot_do_ends_the_verb(self) -> None:
        with self.assertRaisesRegex(Stop, "the guest cannot swap to /dev/ram0: Invalid argument"):
            self.play(jobs("move"), "[    1.0] init: cannot swap to /dev/ram0: Invalid argument\n")

    def test_a_qemu_that_does_not_start_ends_the_verb(self) -> None:
        with self.assertRaisesRegex(Stop, "QEMU ended with status 1"):
            self.play(jobs("move"), "no such machine\n")


class TableTest(Case):
    """print_table()."""

    def test_stock_stands_beside_patched(self) -> None:
        outcomes = {"stock": outcome({"events.anon": PASS}, moves=SKIP),
                    "locked": outcome({"zeropage.shmem": FAIL}, splats=3)}
        selftests.print_table(self.console, outcomes, selftests.plan(TESTS))
        rows = [" ".join(line.split()) for line in self.said.getvalue().splitlines()]
        self.assertEqual(rows[1:8], [
            "test memory stock locked", "zeropage shmem - FAIL", "move anon skip pass",
            "move-pmd anon skip pass", "move-pmd-split anon skip pass", "events anon pass -", ""])
        self.assertIn("zeropage on shmem: FAIL (locked)", rows)
        self.assertIn("kernel.log:1: WARNING: x (and 2 more like it)", rows)

    def test_memory_types_that_fail_alike_share_a_line(self) -> None:
        for status, word in ((SKIP, "skip"), (FAIL, "FAIL")):
            found = selflog.outcome({f"events.{memory}": Result(status, "why")
                                     for memory in ("anon", "shmem")}, [], 1.0, [])
            self.assertEqual(selftests.notes({"stock": found}, list(found.tests)),
                             [f"events on anon, shmem: {word}: why"])
