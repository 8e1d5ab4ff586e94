# SPDX-License-Identifier: GPL-2.0-only
"""The verb `bench`: figures in kernel logs, what must hold of them, the chart, and the command."""

import json
import re
import subprocess
import unittest
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple
from xml.etree import ElementTree

from locked_rmap.guest import collector, figures, klog, kunit
from locked_rmap.report import chart
from locked_rmap.verbs import bench, run
from locked_rmap.guest.figures import Bound, Figure, Run, Stage
from locked_rmap.guest.kunit import FAIL, PASS, SKIP, Outcome

from ..support import PATCH, REPO, Case, kernel_tree, repository, write

#: How many a guest gets whose threads run at a time.
CPUS = bench.cpus()
MOVES = {"stock": (1919, 998, 938), "locked": (1703, 812, 766), "batched": (1450, 201, 106)}


def figure(value: int, unit: str = "ns/page", case: str = "moves") -> Figure:
    """A figure of @value."""
    return Figure(case, value, unit)


def outcome(died: str = "", skips: Optional[Mapping[str, str]] = None, **tests: str) -> Outcome:
    """An outcome of @tests of the suite."""
    return Outcome({f"{bench.SUITE}.{name}": status for name, status in (tests or {"moves": PASS}).items()},
                   {f"{bench.SUITE}.{name}": why for name, why in (skips or {}).items()}, {}, [], 1.0, died)


def counted(stage: str, factor: float = 1.0) -> Dict[str, Figure]:
    """What a guest of @stage that counts reports."""
    found = {f"move.{calls}": figure(value) for calls, value in zip(bench.CALLS, MOVES[stage])}
    found.update((name, figure(round(1000 * (factor if stage != "stock" else 1)), "ns/folio", "walks"))
                 for name in figures.WALKS)
    return found


def contended(stage: str) -> Dict[str, Figure]:
    """What a guest of @stage with two CPUs reports."""
    value = 4096 if stage == "stock" else 0
    return {f"contention.{what}.{kind}": figure(value, "count", "contention")
            for what in figures.CONTENDED for kind in figures.COUNTED}


def kernel(stage: str, factor: float = 1.0) -> Stage:
    """A good @stage."""
    return Stage([Run(outcome(), counted(stage, factor)) for _ in range(bench.RUNS)],
                 Run(outcome(), contended(stage)))


def kernels(*stages: str) -> Dict[str, Stage]:
    """Good @stages."""
    return {stage: kernel(stage) for stage in stages or MOVES}


def changed(stage: Stage, name: str, *values: Optional[int]) -> Stage:
    """@stage with other @values of the figure @name in the runs that report it, None for none."""
    def other(one: Run, value: Optional[int]) -> Run:
        kept = dict(one.figures)
        was = kept.pop(name, figure(0))
        return one._replace(figures=kept if value is None else {**kept, name: was._replace(value=value)})

    if name.startswith(figures.CONTENTION):
        assert stage.contended is not None
        return stage._replace(contended=other(stage.contended, values[0]))
    return stage._replace(counted=[other(one, value) for one, value in zip(stage.counted, values)])


class ReadTest(unittest.TestCase):
    """read()."""

    def test_figures_are_read_with_and_without_a_time(self) -> None:
        text = ("KTAP version 1\n1..1\n    # Subtest: userfaultfd_move_bench\n"
                "    # move_1_page_a_call: figure move.1 1919 ns/page\n"
                "    ok 1 move_1_page_a_call\n"
                "[    1.234567]     # walks: figure walk.damon-young 512 ns/folio\n"
                "<6>[    1.234567] [   T12]     # reclaim: figure reclaim.trylock-failed 0 count\r\n"
                "    # contention: figure contention.page-idle.thp.8.longest 18446744073709551615 ns\n")
        self.assertEqual(figures.read(text), {
            "move.1": Figure("move_1_page_a_call", 1919, "ns/page"),
            "walk.damon-young": Figure("walks", 512, "ns/folio"),
            "reclaim.trylock-failed": Figure("reclaim", 0, "count"),
            "contention.page-idle.thp.8.longest": Figure("contention", 18446744073709551615, "ns")})

    def test_what_is_no_figure_is_not_read(self) -> None:
        for line in ("    # moves: 1 a call: 1919 ns a page", "    # moves: figure move.1 -1 ns/page",
                     "    # moves: figure move.1 19.1 ns/page", "    # moves: figure move.1 1919 furlongs",
                     "    # moves: figure move.1 1919 ns/page and more", "    # moves: figure move.1 19",
                     "    # moves: figure Move 1919 ns", "moves: figure move.1 1919 ns/page"):
            with self.subTest(line):
                self.assertEqual(figures.read(line), {})


class RecordedTest(unittest.TestCase):
    """What a real guest said: stock 6.12, instructions counted, with too little room to swap to."""

    def setUp(self) -> None:
        text = (Path(__file__).parents[1] / "consoles" / "bench.log").read_text(encoding="utf-8")
        found = klog.ktap(text)
        told = Outcome(kunit.read_results(None, found),
                       {name: case.reason for name, case in found.cases.items() if case.status == "skip"},
                       {}, klog.splats(text), 1.0, "" if found.whole else "the guest died")
        self.run_one = Run(told, figures.read(text))
        self.stages = {"stock": Stage([self.run_one] * bench.RUNS)}

    def test_every_figure_is_read(self) -> None:
        self.assertEqual({name: each.value for name, each in self.run_one.figures.items()}, {
            "move.1": 2012, "move.16": 1019, "move.512": 953, "move.thp": 1934, "mremap.1": 17007, "mremap.16": 1019,
            "mremap.512": 61, "mremap-dontunmap.1": 10219, "mremap-dontunmap.16": 637, "mremap-dontunmap.512": 41,
            "copy.1": 5563, "copy.16": 3091, "copy.512": 2853, "walk.referenced": 708, "walk.page-idle": 787,
            "walk.damon-young": 781, "walk.damon-mkold": 11391})
        self.assertEqual([name for name in figures.names(self.stages) if figures.describe(name) == name], [])

    def test_tests_that_failed_are_told(self) -> None:
        self.assertEqual(figures.shortcomings(self.stages, []), [
            f"stock, run-{number}: 2 of 17 tests fail ({bench.SUITE}.move_swapped_pages, {bench.SUITE}.reclaim_passes)"
            for number in (1, 2)])

    def test_a_figure_whose_test_failed_or_was_skipped(self) -> None:
        stages = {**self.stages, "batched": Stage([self.run_one._replace(figures={
            **self.run_one.figures, "move.swapped.1": figure(700, case="move_swapped_pages"),
            "other": figure(1, case="contention_alone")})])}
        self.assertEqual(figures.missing(stages, "stock", "move.swapped.1"), f"{bench.SUITE}.move_swapped_pages fails")
        self.assertEqual(figures.missing(stages, "stock", "other"), "skipped: needs CONFIG_LOCK_STAT")


class StageTest(unittest.TestCase):
    """Several runs, one figure."""

    def stage(self, *values: Optional[int]) -> Stage:
        """A stage whose runs report @values."""
        return Stage([Run(outcome(), {} if value is None else {"move.1": figure(value)}) for value in values])

    def test_the_lowest_run_counts(self) -> None:
        self.assertEqual(self.stage(1003, 1000).value("move.1"), 1000)
        self.assertIsNone(self.stage(1003, None).value("move.1"))
        self.assertIsNone(self.stage().value("move.1"))

    def test_one_percent_is_the_same(self) -> None:
        for first, second, same in ((1000, 1010, True), (1010, 1000, True), (1000, 1011, False), (0, 0, True),
                                    (0, 1, False), (7, 7, True), (7, None, None)):
            with self.subTest(first=first, second=second):
                self.assertEqual(self.stage(first, second).repeats("move.1"), same)

    def test_contention_is_another_guests(self) -> None:
        stage = kernel("stock")
        self.assertEqual(stage.value("contention.alone.2.contentions"), 4096)
        self.assertIsNone(stage._replace(contended=None).value("contention.alone.2.contentions"))
        mixed = {"move.1": figure(1), "contention.alone.2.wait": figure(1, "ns")}
        both = Stage([Run(outcome(), mixed)], Run(outcome(), mixed))
        self.assertEqual(figures.names({"stock": both}), ["move.1", "contention.alone.2.wait"])
        self.assertEqual(figures.names({"stock": both._replace(contended=None)}), ["move.1"])

    def test_throughput_is_another_guests(self) -> None:
        told = {"move.1": figure(1), "throughput.2": figure(300, "pages/s")}
        stage = Stage([Run(outcome(), told)])
        self.assertEqual(figures.names({"stock": stage}), ["move.1"])
        stage = stage._replace(parallel=Run(outcome(), told))
        self.assertEqual(figures.names({"stock": stage}), ["move.1", "throughput.2"])
        self.assertEqual(stage.values("throughput.2"), [300])
        self.assertEqual(figures.unit({"stock": stage}, "throughput.2"), "pages/s")
        # On UML the test is the same, and the figures are others.
        native = figures.renamed(Run(outcome(), {"throughput.2": figure(900, "pages/s")}), "throughput.", "native.")
        stage = stage._replace(native=native)
        self.assertEqual(figures.names({"stock": stage}), ["move.1", "throughput.2", "native.2"])
        self.assertEqual((stage.value("throughput.2"), stage.value("native.2")), (300, 900))
        died = {"stock": stage._replace(parallel=Run(outcome(died="the guest died"), {}))}
        self.assertEqual(figures.shortcomings(died, []), ["stock, throughput: the guest died"])


class WordsTest(unittest.TestCase):
    """How figures are called."""

    def test_words(self) -> None:
        for name, words in (
                ("move.1", "UFFDIO_MOVE, 1 page a call"), ("copy.512", "UFFDIO_COPY and MADV_DONTNEED, 512 pages a call"),
                ("move.thp", "UFFDIO_MOVE, a huge page whole"), ("walk.referenced", "folio_referenced()"),
                ("contention.alone.2.acquisitions", "2 threads move pages: acquisitions"),
                ("throughput.1", "1 thread"), ("throughput.4", "4 threads"), ("native.2", "2 threads"),
                ("contention.page-idle.8.wait", "8 threads move pages, beside page_idle: time in wait for the lock"),
                ("contention.damon.thp.4.longest", "4 threads move huge pages, beside DAMON: longest call"),
                ("brand-new.3", "brand-new.3")):
            with self.subTest(name):
                self.assertEqual(figures.describe(name), words)

    def test_an_instruction_is_a_nanosecond_of_a_guest_that_counts(self) -> None:
        stages = kernels("stock")
        self.assertEqual(figures.unit(stages, "move.1"), "instructions/page")
        self.assertEqual(figures.unit(stages, "walk.referenced"), "instructions/folio")
        self.assertEqual(figures.unit(stages, "contention.alone.2.contentions"), "count")
        waits = Stage([], Run(outcome(), {"contention.alone.2.wait": figure(5, "ns")}))
        self.assertEqual(figures.unit({"stock": waits}, "contention.alone.2.wait"), "ns")

    def test_rows_have_their_order_and_none_is_lost(self) -> None:
        told = ["zebra", "walk.referenced", "copy.1", "move.512", "move.thp", "move.1"]
        stage = Stage([Run(outcome(), {name: figure(1) for name in told})])
        self.assertEqual(figures.names({"stock": stage}),
                         ["move.512", "move.1", "move.thp", "copy.1", "walk.referenced", "zebra"])


class MissingTest(unittest.TestCase):
    """A figure that is not there, and a guest that is not well."""

    def of(self, stage: Stage) -> List[str]:
        """What is wrong beside a good stock."""
        return figures.shortcomings({"stock": kernel("stock"), "batched": stage}, [])

    def test_nothing_is_wrong(self) -> None:
        self.assertEqual(self.of(kernel("batched")), [])

    def test_reasons(self) -> None:
        good = kernel("batched")
        lacking = changed(good, "move.1", None, 1450)
        for name, told, part in (
                ("died", outcome("the guest hung and was ended after 600 s"), "the guest hung"),
                ("failed", outcome(moves=FAIL), f"{bench.SUITE}.moves fails"),
                ("silent", outcome(moves=PASS), "passes and does not report it"),
                ("not run", outcome(others=PASS), "the test moves did not run")):
            with self.subTest(name):
                stage = lacking._replace(counted=[lacking.counted[0]._replace(outcome=told), lacking.counted[1]])
                wrong = [text for text in self.of(stage) if text.startswith("batched lacks 1 figure (move.1): ")]
                self.assertEqual(len(wrong), 1, self.of(stage))
                self.assertIn(part, wrong[0])

    def test_a_skipped_test_is_excused(self) -> None:
        skipped = outcome(moves=SKIP, skips={"moves": "needs UFFDIO_MOVE"})
        stock = Stage([Run(skipped, {}) for _ in range(bench.RUNS)])
        stages = {"stock": stock, "locked": Stage([Run(outcome(), {"move.1": figure(1)})] * bench.RUNS)}
        self.assertEqual(figures.shortcomings(stages, []), [])
        self.assertEqual(figures.missing(stages, "stock", "move.1"), "skipped: needs UFFDIO_MOVE")
        # But not where something must hold of it.
        bound = Bound("move.1", "stock", "at most 1", None, 1, "skipped: needs UFFDIO_MOVE", True)
        self.assertEqual(figures.shortcomings(stages, [bound]),
                         ["stock lacks 1 figure (move.1): skipped: needs UFFDIO_MOVE"])

    def test_guests(self) -> None:
        splat = klog.Splat("WARNING: CPU: 0 at mm/rmap.c:1", 7, [], False)
        for name, told, part in (
                ("died", outcome("the guest died"), "batched, run-2: the guest died"),
                ("failed", outcome(moves=PASS, more=FAIL), f"1 of 2 tests fail ({bench.SUITE}.more)"),
                ("splat", outcome()._replace(splats=[splat]), "1 unexpected splat (WARNING: CPU: 0"),
                ("empty", outcome()._replace(tests={}), "batched, run-2: no test reported")):
            with self.subTest(name):
                stage = kernel("batched")
                stage = stage._replace(counted=[stage.counted[0], stage.counted[1]._replace(outcome=told)])
                self.assertIn(part, "\n".join(self.of(stage)))
        self.assertEqual(self.of(kernel("batched")._replace(counted=[
            Run(outcome()._replace(splats=[splat._replace(expected=True)]), counted("batched"))] * 2)), [])
        stage = kernel("batched")
        assert stage.contended is not None
        bad = stage._replace(contended=stage.contended._replace(outcome=outcome("the guest died")))
        self.assertEqual(self.of(bad), ["batched, contention: the guest died"])
        self.assertEqual(self.of(stage._replace(profiled=Run(outcome("the guest died"), {}))), ["batched, profile: the guest died"])
        self.assertEqual(self.of(stage._replace(trouble=["no UML"])), ["batched: no UML"])
        lost = stage._replace(contended=Run(outcome("the guest died"), {}))
        self.assertIn("batched lacks 36 figures (contention.alone.2.acquisitions, contention.alone.2.contentions, "
                      "contention.alone.4.acquisitions and 33 more): the guest died", self.of(lost))


class UnseenTest(unittest.TestCase):
    """What is skipped on every stage."""

    needs = {"throughput_of_threads": "needs two CPUs", "contention_alone": "needs CONFIG_LOCK_STAT"}

    def stages(self, **skips: str) -> Dict[str, Stage]:
        """Two stages whose guests skip tests, the later with @skips of its own in the guests that count."""
        def guest(own: Mapping[str, str], **tests: str) -> Run:
            return Run(outcome(skips=own, **{**{name: SKIP for name in own}, **tests}), {})

        return {"stock": Stage([guest(self.needs, moves=PASS)] * 2),
                "locked": Stage([guest({**self.needs, **skips}, **({} if "moves" in skips else {"moves": PASS}))] * 2)}

    def test_what_another_guest_is_there_for(self) -> None:
        self.assertEqual(figures.unseen(self.stages()), [])

    def test_one_stage_is_no_matter(self) -> None:
        self.assertEqual(figures.unseen(self.stages(moves="needs UFFDIO_MOVE")), [])

    def test_every_stage_is_told(self) -> None:
        stages = {"locked": self.stages(moves="needs UFFDIO_MOVE")["locked"]}
        self.assertEqual(figures.unseen(stages), [f"{bench.SUITE}.moves skipped on every stage: needs UFFDIO_MOVE"])

    def test_guests_of_their_own(self) -> None:
        stages = self.stages()
        only = Run(outcome(skips=self.needs, throughput_of_threads=SKIP), {})
        stages["locked"] = stages["locked"]._replace(parallel=only, native=only)
        test = f"{bench.SUITE}.throughput_of_threads"
        self.assertEqual(figures.unseen(stages), [f"{test} skipped on every stage: needs two CPUs",
                                                  f"{test} on UML skipped on every stage: needs two CPUs"])
        seen = only._replace(outcome=outcome(throughput_of_threads=PASS))
        stages["stock"] = stages["stock"]._replace(parallel=seen)
        self.assertEqual(figures.unseen(stages), [f"{test} on UML skipped on every stage: needs two CPUs"])
        stages["stock"] = stages["stock"]._replace(contended=Run(outcome(skips=self.needs, contention_alone=SKIP), {}))
        self.assertEqual(figures.unseen(stages)[1:], [f"{bench.SUITE}.contention_alone skipped on every stage: needs CONFIG_LOCK_STAT"])


class TablesTest(Case):
    """What is printed of profiles, and of a heap that was compacted."""

    def test_move_stands_beside_copy(self) -> None:
        did = collector.Outcome({collector.figure(mode, 1, name): value * (1 if mode == "copy" else 3) // 2
                                 for mode in collector.MODES for name, value in
                                 (("completion", 20_000_000), ("cpu", 10_000_000), ("stall", 4_000))}, [], {}, [], 1.0)
        none = did._replace(figures={}, skipped={"move": "no such ioctl"})
        bench.print_tables(self.console, {"stock": kernel("stock")._replace(compacted={1: none}),
                                          "locked": kernel("locked")._replace(compacted={1: did})})
        said = self.said.getvalue()
        self.assertRegex(said, r"1 CPU, 1 worker: until it is done +- +- +- +30\.0 +10\.0 +300%\n")
        self.assertRegex(said, r"1 CPU, 1 worker: the longest stall of a mutator +- +- +- +<0\.1 +<0\.1 +300%\n")
        self.assertRegex(said, r"2 CPUs, 2 workers: until it is done +- +- +- +- +- +-\n")
        self.assertNotRegex(said, r"2 CPUs.* (?:stall|CPU time)")
        self.assertNotIn("differ", said)
        self.assertIn("- stock: no such ioctl", said)

    def test_a_heap_whose_runs_differ(self) -> None:
        did = collector.Outcome({"collector.move.1.completion": 20_000_000}, [], {}, [], 1.0,
                                {"collector.move.1.completion": 20_300_000})
        bench.print_tables(self.console, {"locked": kernel("locked")._replace(compacted={1: did})})
        self.assertIn("  1 CPU, 1 worker: until it is done, move on locked: the runs differ by more than 1 %: 20.0, 20.3\n",
                      self.said.getvalue())

    def test_what_a_collector_finds_wrong_counts(self) -> None:
        wrong = collector.Outcome({}, ["page 7 is lost"], {}, [], 1.0)
        stages = {"locked": kernel("locked")._replace(compacted={2: wrong})}
        self.assertEqual(figures.shortcomings(stages, []), ["locked, compacting on 2 CPUs: page 7 is lost"])
        self.assertEqual(figures.judge("6.12.9", stages, "6.12", []).status, 1)

    def test_a_profile_is_a_table_for_each_stage(self) -> None:
        stages = {"locked": kernel("locked")._replace(profiles={"1": {"f": 3.0, "g": 0.5}, "16": {"f": 2.25}})}
        bench.print_tables(self.console, stages)
        self.assertRegex(self.said.getvalue(), r"locked, instructions a page in +1 page a call +16 pages a call\n"
                                               r"f +3\.0 +2\.2\nall others +0\.5 +0\.0\ntogether +3\.5 +2\.2\n")


class BoundsTest(unittest.TestCase):
    """bounds() and judge()."""

    def judge(self, stages: Mapping[str, Stage], line: str = "6.12", contention: bool = True) -> Tuple[int, str, List[Bound]]:
        """Status, sentence, and those that do not hold."""
        held = figures.bounds(stages, line, contention)
        verdict = figures.judge(f"{line}.9", stages, line, held)
        return verdict.status, verdict.sentence, [bound for bound in held if not bound.holds]

    def test_good_figures_hold(self) -> None:
        status, sentence, wrong = self.judge(kernels())
        self.assertEqual((status, wrong), (0, []), sentence)
        # 3 ceilings, 3 moves of locked, 4 walks and 36 counts of either.
        self.assertIn("86 bounds on Linux 6.12.9: 86 hold.", sentence)

    def test_every_bound_can_be_broken(self) -> None:
        for stage, name, most in (
                ("batched", "move.1", 1500), ("batched", "move.16", 220), ("batched", "move.512", 120),
                ("locked", "move.1", 1919), ("locked", "move.16", 998), ("locked", "move.512", 938),
                *((stage, name, 1050) for stage in ("locked", "batched") for name in figures.WALKS),
                *((stage, f"contention.{what}.{kind}", 0) for stage in ("locked", "batched")
                  for what in figures.CONTENDED for kind in figures.COUNTED)):
            with self.subTest(stage=stage, name=name):
                stages = kernels()
                stages[stage] = changed(stages[stage], name, most, most)
                self.assertEqual(self.judge(stages)[0], 0)
                stages[stage] = changed(stages[stage], name, most + 1, most + 1)
                status, sentence, wrong = self.judge(stages)
                self.assertEqual(status, 1, sentence)
                self.assertEqual([(bound.figure, bound.stage, bound.value, bound.limit) for bound in wrong],
                                 [(name, stage, most + 1, most)])
                for part in (f"({name}) on {stage}: {most + 1}, must be ", str(most)):
                    self.assertIn(part, wrong[0].sentence())
                self.assertIn("Not as it must be: 86 bounds on Linux 6.12.9: 85 hold, 1 broken.", sentence)

    def test_other_counts_of_threads_are_held_to_zero_too(self) -> None:
        stages = kernels()
        contended_run = stages["locked"].contended
        assert contended_run is not None
        more = {**contended_run.figures, "contention.damon.thp.16.contentions": figure(1, "count"),
                "contention.damon.16.wait": figure(9, "ns")}
        stages["locked"] = stages["locked"]._replace(contended=contended_run._replace(figures=more))
        wrong = self.judge(stages)[2]
        self.assertIn(("contention.damon.thp.16.contentions", "locked"),
                      [(bound.figure, bound.stage) for bound in wrong])
        self.assertNotIn("contention.damon.16.wait", [bound.figure for bound in wrong])

    def test_other_moves_of_locked_are_held_to_stock(self) -> None:
        stages = kernels("stock", "locked")
        for stage, value in (("stock", 700), ("locked", 701)):
            stages[stage] = changed(stages[stage], "move.thp", value, value)
        self.assertEqual([bound.figure for bound in self.judge(stages)[2]], ["move.thp"])

    def test_a_figure_that_is_missing_is_no_pass(self) -> None:
        for name in ("move.1", "walk.referenced", "contention.alone.thp.2.contentions"):
            with self.subTest(name):
                stages = {stage: changed(kernel(stage), name, None, None) for stage in MOVES}
                status, sentence, wrong = self.judge(stages)
                self.assertEqual(status, 1, sentence)
                self.assertEqual({bound.figure for bound in wrong}, {name})
                self.assertIn(f"batched lacks 1 figure ({name}): no kernel reports it",
                              figures.shortcomings(stages, wrong))
                self.assertIn("could not be measured", sentence)

    def test_a_guest_that_never_was_is_no_pass(self) -> None:
        stages = {stage: kernel(stage)._replace(contended=None) for stage in MOVES}
        status, sentence, _ = self.judge(stages)
        self.assertEqual((status, sentence),
                         (1, "Not as it must be: 86 bounds on Linux 6.12.9: 14 hold, 72 could not be measured."))

    def test_without_stock_what_is_held_to_it_is_not_measured(self) -> None:
        status, sentence, wrong = self.judge(kernels("locked", "batched"))
        self.assertEqual(status, 0, sentence)
        self.assertIn("86 bounds on Linux 6.12.9: 75 hold, 11 not measured.", sentence)
        self.assertEqual({bound.why for bound in wrong}, {"revalidate was not run", "stock was not run"})

    def test_without_contention_that_is_told(self) -> None:
        stages = {stage: kernel(stage)._replace(contended=None) for stage in MOVES}
        status, sentence, wrong = self.judge(stages, contention=False)
        self.assertEqual(status, 0, sentence)
        self.assertIn("14 hold, 72 not measured", sentence)
        self.assertEqual({bound.why for bound in wrong}, {"the guests with two CPUs were left out"})

    def test_where_stock_has_no_move_the_older_contract_is_the_measure(self) -> None:
        skipped = outcome(moves=SKIP, skips={"moves": "needs UFFDIO_MOVE"}, walks=PASS)
        walks = {name: told for name, told in counted("stock").items() if name in figures.WALKS}
        stages = {"stock": Stage([Run(skipped, walks)] * 2, Run(outcome(), contended("stock"))),
                  "revalidate": kernel("stock"), "locked": kernel("locked")}
        self.assertEqual(self.judge(stages, "6.1")[0], 0)
        stages["locked"] = changed(stages["locked"], "move.1", 1920, 1920)
        wrong = self.judge(stages, "6.1")[2]
        self.assertEqual([bound.words for bound in wrong], ["at most 1919 (revalidate's 1919)"])

    def test_lines_without_bounds(self) -> None:
        status, sentence, _ = self.judge(kernels("stock"), "7.3")
        self.assertEqual((status, figures.bounds(kernels(), "7.3", True)), (0, []))
        self.assertIn("there are bounds for the lines 6.12 and 6.1 alone", sentence)
        status, sentence, _ = self.judge(kernels("stock"))
        self.assertEqual(status, 0)
        self.assertIn("no bounds for stock alone", sentence)

    def test_a_guest_that_died_is_no_pass_whatever_the_line(self) -> None:
        stage = Stage([Run(outcome("the guest died"), {})] * 2)
        status, sentence, _ = self.judge({"stock": stage}, "7.3", False)
        self.assertEqual((status, sentence), (1, "Not as it must be: 2 things went wrong."))


class Box(NamedTuple):
    """A rectangle: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Tell whether they overlap."""
        return (self.left < other.right and other.left < self.right
                and self.top < other.bottom and other.top < self.bottom)


class ChartTest(unittest.TestCase):
    """render()."""

    series = [chart.Series(f"UFFDIO_MOVE, {stage}", values) for stage, values in MOVES.items()] + [
        chart.Series("mremap()", (16600, 1044, 66), True), chart.Series("mremap(), MREMAP_DONTUNMAP", (None, None, 100), True),
        chart.Series("nothing", (None, None, None), True)]
    groups = ["1 page a call", "16 pages a call", "512 pages a call"]

    def draw(self, series: Optional[Sequence[chart.Series]] = None, title: str = "Cost <&> \"more\"") -> ElementTree.Element:
        """The chart, parsed."""
        return ElementTree.fromstring(chart.render(title, "About it.", "instructions a page", self.groups,
                                                   self.series if series is None else series))

    @staticmethod
    def tagged(root: ElementTree.Element, tag: str) -> List[ElementTree.Element]:
        """The elements called @tag."""
        return list(root.iter("{http://www.w3.org/2000/svg}" + tag))

    def bars(self, root: ElementTree.Element) -> Dict[str, Box]:
        """The bars by what their title says."""
        found: Dict[str, Box] = {}
        for rect in self.tagged(root, "rect"):
            for title in self.tagged(rect, "title"):
                x, y, wide, high = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
                found[title.text or ""] = Box(x, y, x + wide, y + high)
        return found

    def texts(self, root: ElementTree.Element) -> Dict[str, Box]:
        """The texts, numbered, and about where they stand."""
        sizes = {"title": 18, "small": 12}
        found: Dict[str, Box] = {}
        for number, text in enumerate(self.tagged(root, "text")):
            size = min([sizes[word] for word in text.get("class", "").split() if word in sizes] or [13])
            wide = len(text.text or "") * size * 0.62
            x, y = float(text.attrib["x"]), float(text.attrib["y"])
            left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[text.attrib["text-anchor"]]
            found[f"{number}: {text.text}"] = Box(left, y - size * 0.75, left + wide, y + size * 0.2)
        return found

    def test_a_bar_a_figure(self) -> None:
        bars = self.bars(self.draw())
        self.assertEqual(len(bars), 13)
        self.assertIn("UFFDIO_MOVE, batched, 512 pages a call: 106", bars)
        high = {title: box.bottom - box.top for title, box in bars.items()}
        ordered = sorted(bars, key=lambda title: int(title.rsplit(" ", 1)[1]))
        self.assertEqual(sorted(high, key=lambda title: high[title]), ordered)
        self.assertGreater(min(high.values()), 10, "a bar that cannot be seen")
        self.assertEqual(len({box.bottom for box in bars.values()}), 1)

    def test_every_bar_bears_its_figure_and_every_series_is_in_the_legend(self) -> None:
        texts = [name.split(": ", 1)[1] for name in self.texts(self.draw())]
        for value in (1919, 998, 938, 1703, 812, 766, 1450, 201, 106, 16600, 1044, 66, 100):
            self.assertIn(str(value), texts)
        for name in ("UFFDIO_MOVE, stock", "UFFDIO_MOVE, batched", "mremap()", *self.groups, "Cost <&> \"more\""):
            self.assertIn(name, texts)
        self.assertNotIn("nothing", texts)

    def test_nothing_overlaps_or_sticks_out(self) -> None:
        many = [chart.Series(f"UFFDIO_MOVE, stage{number}", (999999, 54321, 10)) for number in range(6)]
        for name, series in (("usual", self.series), ("many", many + self.series), ("one", many[:1])):
            with self.subTest(name):
                root = self.draw(series, "What it costs to move a page, on a kernel with a rather long name of its own")
                _, _, wide, high = map(float, root.attrib["viewBox"].split())
                page = Box(0, 0, wide, high)
                boxes = [*self.texts(root).items(), *self.bars(root).items()]
                for number, (first, box) in enumerate(boxes):
                    self.assertTrue(box.left >= page.left and box.right <= page.right
                                    and box.top >= page.top and box.bottom <= page.bottom, first)
                    for second, other in boxes[number + 1:]:
                        self.assertFalse(box.meets(other), f"{first} meets {second}")

    def test_light_and_dark(self) -> None:
        style = self.tagged(self.draw(), "style")[0].text or ""
        light, dark = style.split("@media(prefers-color-scheme:dark)")
        for name in ("back", "k0", "k1", "k2", "o0"):
            pair = [re.search(rf"\.{name}{{fill:(#\w+)}}", part) for part in (light, dark)]
            assert pair[0] is not None and pair[1] is not None, name
            self.assertNotEqual(pair[0].group(1), pair[1].group(1), name)

    def test_every_rectangle_has_its_fill(self) -> None:
        root = self.draw()
        style = self.tagged(root, "style")[0].text or ""
        fills = [rect.get("class", "") for rect in self.tagged(root, "rect")]
        # The background, a bar each, and as many in the legend as there are series.
        self.assertEqual(len(fills), 1 + 13 + 5)
        for name in fills:
            self.assertIn(f".{name}{{fill:", style)

    def test_it_stands_alone(self) -> None:
        text = chart.render("a", "b", "c", self.groups, self.series)
        self.assertEqual(re.findall(r"(?:href|src|url\(|@import|<script|<image)", text), [])

    def test_decades(self) -> None:
        for values, limits in (([66, 16600], (1, 5)), ([100, 1000], (1, 3)), ([1], (0, 1)), ([0], (0, 1)),
                               ([7, 0], (0, 1)), ([1000000], (5, 6))):
            with self.subTest(values):
                self.assertEqual(chart.decades(values), limits)


class ConfigTest(Case):
    """What is built, and how it runs."""

    def test_neither_kernel_has_the_suites_own_configuration(self) -> None:
        counting, waiting = bench.configs(REPO)
        self.assertEqual([config.label for config in (counting, waiting)], ["x86_64-bench", "x86_64-contention"])
        place = self.temp / "build"
        options = counting.options(place)
        own = REPO / "tools/configs"
        self.assertEqual([text for text in options if text.startswith("--kunitconfig")],
                         [f"--kunitconfig={own / 'bench.config'}"])
        self.assertIn("--qemu_args=-smp 1 -icount shift=0,sleep=off", options)
        options = waiting.options(place)
        self.assertEqual([text for text in options if text.startswith("--kunitconfig")],
                         [f"--kunitconfig={own / 'bench.config'}", f"--kunitconfig={own / 'contention.config'}"])
        self.assertEqual([text for text in options if text.startswith("--qemu_args")], [])
        self.assertIn("--kunitconfig=mm/tests", run.config_for(REPO, "x86_64", False).options(place))

    def test_no_checks_are_counted(self) -> None:
        text = (REPO / "tools/configs/bench.config").read_text(encoding="utf-8")
        self.assertEqual(re.findall(r"^CONFIG_\w*(?:DEBUG|KASAN|PROVE|LOCK_STAT)\w*=", text, re.M), [])


#: Stands in for kunit.py: says what the file for this guest has, or the next one in turn.
KUNIT_PY = r'''
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "calls"), "a") as out:
    out.write(json.dumps(sys.argv) + "\n")
verb, options = sys.argv[1], dict(a[2:].split("=", 1) for a in sys.argv[2:] if a.startswith("--") and "=" in a)
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
count = len([line for line in open(os.path.join(here, "calls")) if '"exec"' in line and label in line])
script = json.load(open(os.path.join(here, "guests.json")))[label]
figures = script[min(count, len(script)) - 1]
with open(os.path.join(build, "test.log"), "w") as log:
    log.write("KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: userfaultfd_move_bench\n    1..1\n")
    for name, (value, unit) in (figures or {}).items():
        log.write("[    1.000000]     # moves: figure %s %d %s\n" % (name, value, unit))
    log.write("Kernel panic - not syncing: x\n" if figures is None else "    ok 1 moves\nok 1 userfaultfd_move_bench\n")
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
        self.tree = kernel_tree(self.temp / "tree", KUNIT_PY)
        write(self.temp / "bin/dpkg-query", DPKG_QUERY, executable=True)
        self.guests: Dict[str, List[Any]] = {}
        for stage in ("stock", "locked"):
            for label, told in (("bench", counted(stage)), ("contention", contended(stage))):
                self.guests[f"x86_64-{label}-{stage}"] = [
                    {name: [each.value, each.unit] for name, each in told.items()}]
        self.place = self.repo / "build/results/bench-6.12"

    def bench(self, *arguments: str, env: Optional[Mapping[str, str]] = None) -> "subprocess.CompletedProcess[str]":
        """`bench` on the user's tree."""
        write(self.tree / "tools/testing/kunit/guests.json", json.dumps(self.guests))
        return self.command(self.repo, ["bench", "--tree", str(self.tree), *arguments], path=self.temp / "bin", env=env)

    def calls(self) -> List[List[str]]:
        """How kunit.py was called."""
        # The tool runs a copy of the tree.
        found = next(self.temp.glob("cache/trees/tree-*/tree/tools/testing/kunit/calls"))
        return [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]

    @staticmethod
    def rows(answer: "subprocess.CompletedProcess[str]") -> List[str]:
        """The lines that were printed, in single spaces."""
        return [" ".join(line.split()) for line in answer.stdout.splitlines()]

    @unittest.skipIf(CPUS < 2, "needs two CPUs")
    def test_stock_beside_locked_holds(self) -> None:
        for stage, wait, longest in (("stock", 12345678, 160000), ("locked", 0, 49999)):
            told = self.guests[f"x86_64-contention-{stage}"][0]
            told.update({"contention.alone.thp.2.wait": [wait, "ns"], "contention.alone.thp.2.longest": [longest, "ns"]})
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
        for first, last in (("one CPU", "DAMON's walk, mkold"), ("two CPUs", "8 threads move huge pages, beside DAMON")):
            start = next(number for number, line in enumerate(lines) if line.startswith(first))
            end = next(number for number, line in enumerate(lines) if line.startswith(last))
            self.assertEqual(len({len(line) for line in lines[start + 1:end + 1]}), 1, lines[start:end + 1])
        value = json.loads((self.place / "bench.json").read_text(encoding="utf-8"))
        self.assertEqual((value["kernel"], value["line"], value["arch"], value["status"], value["wrong"]),
                         ("6.12.99", "6.12", "x86_64", 0, []))
        self.assertEqual(value["stages"]["locked"]["figures"]["move.1"],
                         {"value": 1703, "unit": "instructions/page", "runs": [1703, 1703], "repeats": True})
        self.assertEqual(value["stages"]["stock"]["contention"]["contention.alone.2.contentions"]["value"], 4096)
        self.assertEqual(value["stages"]["stock"]["throughput"]["throughput.2"]["value"], 404)
        self.assertEqual(list(value["stages"]["stock"]["guests"]), ["run-1", "run-2", "throughput", "contention"])
        self.assertEqual((value["cpus"], value["stages"]["stock"]["throughput"]["throughput.2"]["repeats"]), (CPUS, None))
        for name in ("stock/run-1/kernel.log", "stock/run-2/kernel.log", "locked/contention/kernel.log",
                     "locked/build.log", "bench.svg"):
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
            self.guests[f"um-native-{stage}"] = [{"throughput.1": [400, "pages/s"], "throughput.2": [two, "pages/s"]}]
        answer = self.bench("--no-collector")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        for row in (f"UML, {CPUS} CPUs, pages a second stock: locked:",
                    "2 threads 404 101% 819 205%"):
            self.assertIn(row, self.rows(answer))
        value = json.loads((self.place / "bench.json").read_text(encoding="utf-8"))
        self.assertEqual(value["stages"]["locked"]["native"]["native.2"]["value"], 819)
        self.assertTrue((self.place / "locked/native/kernel.log").is_file())
        runs = [" ".join(call) for call in self.calls() if call[1] == "exec" and "native.config" in " ".join(call)]
        self.assertEqual(len(runs), 2)
        for call in runs:
            self.assertRegex(call, r"--kernel_args=ncpus=[2-8] --kernel_args=seccomp=on userfaultfd_move_bench\.throughput_of_threads")
            self.assertNotIn("--arch", call)
        self.guests["um-native-locked"] = [None]
        answer = self.bench("--no-collector")
        self.assertEqual(answer.returncode, 1, answer.stdout + answer.stderr)
        self.assertIn("locked, native: the guest died (Kernel panic - not syncing: x)", self.rows(answer))

    @unittest.skipIf(CPUS < 2, "needs two CPUs")
    def test_uml_that_does_not_build_leaves_the_rest(self) -> None:
        write(self.tree / "arch/um/Kconfig", "config SMP\n\tbool\n")
        write(self.tree / "tools/testing/kunit/broken", "um-native")
        answer = self.bench("--no-collector")
        self.assertEqual(answer.returncode, 1, answer.stdout + answer.stderr)
        self.assertIn("UFFDIO_MOVE, 1 page a call instructions/page 1919 1703", self.rows(answer))
        self.assertIn(f"locked: 6.12.99 um-native locked does not build: mm/rmap.c:10:2: error: expected ';'; "
                      f"full output in {self.place / 'locked/native/build.log'}", self.rows(answer))
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
        value = json.loads((self.place / "bench.json").read_text(encoding="utf-8"))
        self.assertEqual([bound["figure"] for bound in value["bounds"] if bound["holds"] is False], ["move.16"])

    def test_runs_that_differ_are_marked(self) -> None:
        first = self.guests["x86_64-bench-locked"][0]
        self.guests["x86_64-bench-locked"] = [{**first, "move.1": [1800, "ns/page"]}, first]
        answer = self.bench("--no-contention", "--no-collector")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        for row in ("UFFDIO_MOVE, 1 page a call instructions/page 1919 1703*",
                    "* UFFDIO_MOVE, 1 page a call on locked: the runs differ by more than 1 %: 1800, 1703"):
            self.assertIn(row, self.rows(answer))
        value = json.loads((self.place / "bench.json").read_text(encoding="utf-8"))
        self.assertFalse(value["stages"]["locked"]["figures"]["move.1"]["repeats"])

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
        self.assertIn("36 bounds not measured, the guests with two CPUs were left out", answer.stdout)
        self.assertIn("4 bounds not measured, stock was not run", answer.stdout)
        self.assertNotIn("two CPUs, the anon_vma's lock", answer.stdout)
        self.assertEqual([call for call in self.calls() if "contention" in " ".join(call)], [])

    def test_a_guest_that_dies_is_status_1_with_its_reason(self) -> None:
        self.guests["x86_64-bench-locked"] = [None]
        answer = self.bench("--no-contention", "--no-collector")
        self.assertEqual(answer.returncode, 1, answer.stdout + answer.stderr)
        self.assertIn("locked, run-1: the guest died (Kernel panic - not syncing: x)", self.rows(answer))
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
        copy = self.temp / "bench.json"
        self.bench("--no-contention", "--no-collector", "--json", str(copy))
        self.assertEqual(json.loads(copy.read_text(encoding="utf-8"))["status"], 0)

    def test_what_cannot_be_done_is_one_line(self) -> None:
        cases: List[Tuple[List[str], Dict[str, str], str]] = [
                (["--svg", str(self.temp / "none/x.svg")], {}, "for --svg: make it"),
                (["--json", str(self.temp / "none/x.json")], {}, "for --json: make it"),
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
        self.assertTrue((self.place / "bench.json").is_file())
        self.assertTrue((self.place / "stock/build.log").is_file())
