# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark's figures: read from kernel logs, compared, and put in words."""

import unittest
from pathlib import Path
from typing import Dict, Mapping, Optional

from locked_rmap.base.results import PASS, SKIP, Figure, Outcome
from locked_rmap.guest import bounds, figures, klog, kunit
from locked_rmap.guest.figures import Stage
from locked_rmap.guest.measure import RUNS, SUITE

from ..benched import changed, figure, guest, kernel, kernels, outcome, stage


class ReadTest(unittest.TestCase):
    """read()."""

    def test_figures_are_read_with_and_without_a_time(self) -> None:
        text = ("KTAP version 1\n1..1\n    # Subtest: userfaultfd_move_bench\n"
                "    # move_1_page_a_call: figure move.1 1919 ns/page\n"
                "    ok 1 move_1_page_a_call\n"
                "[    1.234567]     # walks: figure walk.damon-young 512 ns/folio\n"
                "<6>[    1.234567] [   T12]     # reclaim: figure reclaim.trylock-failed 0 count"
                "\r\n    # contention: figure contention.page-idle.thp.8.longest "
                "18446744073709551615 ns\n")
        self.assertEqual(figures.read(text), {
            "move.1": Figure("move_1_page_a_call", 1919, "ns/page"),
            "walk.damon-young": Figure("walks", 512, "ns/folio"),
            "reclaim.trylock-failed": Figure("reclaim", 0, "count"),
            "contention.page-idle.thp.8.longest": Figure("contention", 18446744073709551615, "ns")})

    def test_what_is_no_figure_is_not_read(self) -> None:
        for line in ("    # moves: 1 a call: 1919 ns a page",
                     "    # moves: figure move.1 -1 ns/page",
                     "    # moves: figure move.1 19.1 ns/page",
                     "    # moves: figure move.1 1919 furlongs",
                     "    # moves: figure move.1 1919 ns/page and more",
                     "    # moves: figure move.1 19",
                     "    # moves: figure Move 1919 ns", "moves: figure move.1 1919 ns/page"):
            with self.subTest(line):
                self.assertEqual(figures.read(line), {})


class RecordedTest(unittest.TestCase):
    """What a real guest said: stock 6.12, instructions counted, with too little room to swap to."""

    def setUp(self) -> None:
        text = (Path(__file__).parents[1] / "consoles" / "bench.log").read_text(encoding="utf-8")
        found = klog.ktap(text)
        skips = {name: case.reason for name, case in found.cases.items() if case.status == "skip"}
        self.run_one = Outcome(kunit.read_results(None, found), skips, {}, klog.splats(text), 1.0,
                               "" if found.whole else "the guest died", figures.read(text))
        self.stages = {"stock": stage(*[self.run_one] * RUNS)}

    def test_every_figure_is_read(self) -> None:
        self.assertEqual({name: each.value for name, each in self.run_one.figures.items()}, {
            "move.1": 2012, "move.16": 1019, "move.512": 953, "move.thp": 1934,
            "mremap.1": 17007, "mremap.16": 1019, "mremap.512": 61, "mremap-dontunmap.1": 10219,
            "mremap-dontunmap.16": 637, "mremap-dontunmap.512": 41, "copy.1": 5563,
            "copy.16": 3091, "copy.512": 2853, "walk.referenced": 708, "walk.page-idle": 787,
            "walk.damon-young": 781, "walk.damon-mkold": 11391})
        self.assertEqual([name for name in figures.names(self.stages)
                          if figures.describe(name) == name], [])

    def test_tests_that_failed_are_told(self) -> None:
        self.assertEqual(bounds.shortcomings(self.stages, []), [
            f"stock, run-{number}: 2 of 17 tests fail ({SUITE}.move_swapped_pages, "
            f"{SUITE}.reclaim_passes)" for number in (1, 2)])

    def test_a_figure_whose_test_failed_or_was_skipped(self) -> None:
        stages = {**self.stages, "batched": stage(self.run_one._replace(figures={
            **self.run_one.figures, "move.swapped.1": figure(700, case="move_swapped_pages"),
            "other": figure(1, case="contention_alone")}))}
        self.assertEqual(figures.missing(stages, "stock", "move.swapped.1"),
                         f"{SUITE}.move_swapped_pages fails")
        self.assertEqual(figures.missing(stages, "stock", "other"),
                         "skipped: needs CONFIG_LOCK_STAT")


class StageTest(unittest.TestCase):
    """Several runs, one figure."""

    def stage(self, *values: Optional[int]) -> Stage:
        """A stage whose runs report @values."""
        return stage(*(outcome(told={} if value is None else {"move.1": figure(value)})
                       for value in values))

    def test_the_lowest_run_counts(self) -> None:
        self.assertEqual(self.stage(1003, 1000).value("move.1"), 1000)
        self.assertIsNone(self.stage(1003, None).value("move.1"))
        self.assertIsNone(self.stage().value("move.1"))

    def test_one_percent_is_the_same(self) -> None:
        for first, second, same in (
                (1000, 1010, True), (1010, 1000, True), (1000, 1011, False), (0, 0, True),
                (0, 1, False), (7, 7, True), (7, None, None)):
            with self.subTest(first=first, second=second):
                self.assertEqual(self.stage(first, second).repeats("move.1"), same)

    def test_contention_is_another_guests(self) -> None:
        self.assertEqual(kernel("stock").value("contention.alone.2.contentions"), 4096)
        mixed = outcome(told={"move.1": figure(1), "contention.alone.2.wait": figure(1, "ns")})
        self.assertIsNone(stage(mixed).value("contention.alone.2.wait"))
        self.assertEqual(figures.names({"stock": stage(mixed, contention=mixed)}),
                         ["move.1", "contention.alone.2.wait"])
        self.assertEqual(figures.names({"stock": stage(mixed)}), ["move.1"])

    def test_throughput_is_another_guests(self) -> None:
        told = outcome(told={"move.1": figure(1), "throughput.2": figure(300, "pages/s")})
        self.assertEqual(figures.names({"stock": stage(told)}), ["move.1"])
        two = stage(told, throughput=told)
        self.assertEqual(figures.names({"stock": two}), ["move.1", "throughput.2"])
        self.assertEqual(two.values("throughput.2"), [300])
        self.assertEqual(figures.unit({"stock": two}, "throughput.2"), "pages/s")
        # On UML the test is the same, and the figures are others.
        found = figures.read("    # threads: figure throughput.2 900 pages/s\n", "native")
        two = guest(two, "native", outcome(told=found))
        self.assertEqual(figures.names({"stock": two}), ["move.1", "throughput.2", "native.2"])
        self.assertEqual((two.value("throughput.2"), two.value("native.2")), (300, 900))
        died = {"stock": guest(two, "throughput", outcome(died="the guest died"))}
        self.assertEqual(bounds.shortcomings(died, []), ["stock, throughput: the guest died"])


class WordsTest(unittest.TestCase):
    """How figures are called."""

    def test_words(self) -> None:
        for name, words in (
                ("move.1", "UFFDIO_MOVE, 1 page a call"),
                ("copy.512", "UFFDIO_COPY and MADV_DONTNEED, 512 pages a call"),
                ("move.thp", "UFFDIO_MOVE, a huge page whole"),
                ("walk.referenced", "folio_referenced()"),
                ("contention.alone.2.acquisitions", "2 threads move pages: acquisitions"),
                ("throughput.1", "1 thread"), ("throughput.4", "4 threads"),
                ("native.2", "2 threads"),
                ("contention.page-idle.8.wait",
                 "8 threads move pages, beside page_idle: time in wait for the lock"),
                ("contention.damon.thp.4.longest",
                 "4 threads move huge pages, beside DAMON: longest call"),
                ("brand-new.3", "brand-new.3")):
            with self.subTest(name):
                self.assertEqual(figures.describe(name), words)

    def test_an_instruction_is_a_nanosecond_of_a_guest_that_counts(self) -> None:
        stages = kernels("stock")
        self.assertEqual(figures.unit(stages, "move.1"), "instructions/page")
        self.assertEqual(figures.unit(stages, "walk.referenced"), "instructions/folio")
        self.assertEqual(figures.unit(stages, "contention.alone.2.contentions"), "count")
        waits = stage(contention=outcome(told={"contention.alone.2.wait": figure(5, "ns")}))
        self.assertEqual(figures.unit({"stock": waits}, "contention.alone.2.wait"), "ns")

    def test_rows_have_their_order_and_none_is_lost(self) -> None:
        told = ["zebra", "walk.referenced", "copy.1", "move.512", "move.thp", "move.1"]
        found = stage(outcome(told={name: figure(1) for name in told}))
        self.assertEqual(figures.names({"stock": found}),
                         ["move.512", "move.1", "move.thp", "copy.1", "walk.referenced", "zebra"])


class UnseenTest(unittest.TestCase):
    """What is skipped on every stage."""

    needs = {"throughput_of_threads": "needs two CPUs",
             "contention_alone": "needs CONFIG_LOCK_STAT"}

    def stages(self, **skips: str) -> Dict[str, Stage]:
        """Two stages whose guests that count skip tests, the later with @skips of its own."""
        def runs(own: Mapping[str, str]) -> Stage:
            tests = {f"{SUITE}.{name}": SKIP if name in own else PASS for name in [*own, "moves"]}
            return stage(*[outcome(skips=own)._replace(tests=tests)] * 2)

        return {"stock": runs(self.needs), "locked": runs({**self.needs, **skips})}

    def test_what_another_guest_is_there_for(self) -> None:
        self.assertEqual(figures.unseen(self.stages()), [])

    def test_one_stage_is_no_matter(self) -> None:
        self.assertEqual(figures.unseen(self.stages(moves="needs UFFDIO_MOVE")), [])

    def test_every_stage_is_told(self) -> None:
        stages = {"locked": self.stages(moves="needs UFFDIO_MOVE")["locked"]}
        self.assertEqual(figures.unseen(stages),
                         [f"{SUITE}.moves skipped on every stage: needs UFFDIO_MOVE"])

    def test_guests_of_their_own(self) -> None:
        stages = self.stages()
        only = outcome(skips=self.needs, throughput_of_threads=SKIP)
        stages["locked"] = guest(guest(stages["locked"], "throughput", only), "native", only)
        test = f"{SUITE}.throughput_of_threads"
        told = [f"{test} skipped on every stage: needs two CPUs",
                f"{test} on UML skipped on every stage: needs two CPUs"]
        self.assertEqual(figures.unseen(stages), told)
        stages["stock"] = guest(stages["stock"], "throughput", outcome(throughput_of_threads=PASS))
        self.assertEqual(figures.unseen(stages), told[1:])
        stages["stock"] = guest(stages["stock"], "contention",
                                outcome(skips=self.needs, contention_alone=SKIP))
        self.assertEqual(figures.unseen(stages)[1:], [
            f"{SUITE}.contention_alone skipped on every stage: needs CONFIG_LOCK_STAT"])
