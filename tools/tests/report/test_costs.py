# SPDX-License-Identifier: GPL-2.0-only
"""What `bench` prints, and its chart."""

from locked_rmap.guest import bounds, collector
from locked_rmap.guest.figures import Stage
from locked_rmap.report import costs

from ..benched import kernel
from ..support import Case


class TablesTest(Case):
    """What is printed of profiles, and of a heap that was compacted."""

    def tables(self, **stages: Stage) -> str:
        """What is printed of @stages."""
        for table in costs.tables(stages):
            table.show(self.console)
        return self.said.getvalue()

    def test_move_stands_beside_copy(self) -> None:
        did = collector.Outcome(
            {collector.figure(mode, 1, name): value * (1 if mode == "copy" else 3) // 2
             for mode in collector.MODES for name, value in (
                 ("completion", 20_000_000), ("cpu", 10_000_000), ("stall", 4_000))},
            [], {}, [], 1.0)
        none = did._replace(figures={}, skipped={"move": "no such ioctl"})
        said = self.tables(stock=kernel("stock")._replace(compacted={1: none}),
                           locked=kernel("locked")._replace(compacted={1: did}))
        self.assertRegex(said, r"1 CPU, 1 worker: until it is done +- +- +- +30\.0 +10\.0 +300%\n")
        self.assertRegex(said, r"1 CPU, 1 worker: the longest stall of a mutator +- +- +- +<0\.1 "
                               r"+<0\.1 +300%\n")
        self.assertRegex(said, r"2 CPUs, 2 workers: until it is done +- +- +- +- +- +-\n")
        self.assertNotRegex(said, r"2 CPUs.* (?:stall|CPU time)")
        self.assertNotIn("differ", said)
        self.assertIn("- stock: no such ioctl", said)

    def test_a_heap_whose_runs_differ(self) -> None:
        did = collector.Outcome({"collector.move.1.completion": 20_000_000}, [], {}, [], 1.0,
                                {"collector.move.1.completion": 20_300_000})
        self.assertIn("  1 CPU, 1 worker: until it is done, move on locked: the runs differ by "
                      "more than 1 %: 20.0, 20.3\n",
                      self.tables(locked=kernel("locked")._replace(compacted={1: did})))

    def test_what_a_collector_finds_wrong_counts(self) -> None:
        wrong = collector.Outcome({}, ["page 7 is lost"], {}, [], 1.0)
        stages = {"locked": kernel("locked")._replace(compacted={2: wrong})}
        self.assertEqual(bounds.shortcomings(stages, []),
                         ["locked, compacting on 2 CPUs: page 7 is lost"])
        self.assertEqual(bounds.judge("6.12.9", stages, []).status, 1)

    def test_a_profile_is_a_table_for_each_stage(self) -> None:
        profiles = {"1": {"f": 3.0, "g": 0.5}, "16": {"f": 2.25}}
        self.assertRegex(self.tables(locked=kernel("locked")._replace(profiles=profiles)),
                         r"locked, instructions a page in +1 page a call +16 pages a call\n"
                         r"f +3\.0 +2\.2\nall others +0\.5 +0\.0\ntogether +3\.5 +2\.2\n")
