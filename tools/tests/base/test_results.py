# SPDX-License-Identifier: GPL-2.0-only
"""What a verb leaves below build/results."""

import os
import subprocess
from pathlib import Path
from typing import Any

from locked_rmap.base import files
from locked_rmap.base.errors import BROKEN, Interrupted, Stop
from locked_rmap.base.results import CRASH, FAIL, PASS, SKIP, Outcome, Results, Splat, Verdict

from ..support import Case, write

SPLAT = Splat("WARNING: CPU: 0", 7, [], False)


class OutcomeTest(Case):
    """Outcome."""

    def test_what_reports_ask_for(self) -> None:
        found = Outcome({"s.a": PASS, "s.b": CRASH, "s.c": SKIP, "s.d": FAIL},
                        splats=[SPLAT, SPLAT._replace(expected=True)])
        self.assertEqual((found.failed, found.of(PASS, SKIP), found.unexpected),
                         (["s.b", "s.d"], ["s.a", "s.c"], [SPLAT]))
        value = found.value()
        self.assertEqual((value["splats"], value["expected_splats"]), (1, 1))
        self.assertEqual(value["tests"], found.tests)


class ResultsTest(Case):
    """Results."""

    def results(self) -> Results:
        """Those of a verb x; an earlier run has left a file."""
        self.final = self.temp / "build/results/x"
        write(self.final / "old.log", "old")
        return Results(self.temp, "x", kernel="6.12.117")

    def summary(self) -> Any:
        """What summary.json says."""
        return files.read_json(self.final / "summary.json")

    def assert_published(self) -> None:
        """The new files have taken the place of the old ones, as a whole, and nothing is left."""
        self.assertEqual([path.name for path in self.final.parent.iterdir()], ["x"])
        self.assertEqual(sorted(path.name for path in self.final.iterdir()),
                         ["new.log", "summary.json"])
        self.assertEqual(self.final.stat().st_mode & 0o777, 0o755)

    def test_files_are_collected_aside(self) -> None:
        with self.results() as results:
            write(results.place() / "new.log", "new")
            results.put("stock", Outcome({"s.a": FAIL}))
            results.put("stock", Outcome({"s.b": PASS}), "um")
            results.verdict = Verdict(BROKEN, "No.")
            results.more["also"] = 1
            self.assertEqual([path.name for path in self.final.iterdir()], ["old.log"])
        self.assert_published()
        value = self.summary()
        self.assertEqual({key: value[key] for key in ("kernel", "status", "verdict", "also")},
                         {"kernel": "6.12.117", "status": BROKEN, "verdict": "No.", "also": 1})
        self.assertEqual({guest: found["tests"]
                          for guest, found in value["stages"]["stock"].items()},
                         {"suites": {"s.a": FAIL}, "um": {"s.b": PASS}})

    def test_an_error_names_the_final_place(self) -> None:
        with self.assertRaises(Stop) as caught:
            with self.results() as results:
                log = write(results.place() / "new.log", "new")
                raise Stop(f"it does not build: see {log}")
        self.assertEqual(str(caught.exception), f"it does not build: see {self.final}/new.log")
        self.assert_published()
        self.assertIsNone(self.summary()["verdict"])

    def test_an_interrupt_publishes_too(self) -> None:
        with self.assertRaisesRegex(Interrupted, "SIGINT"):
            with self.results() as results:
                write(results.place() / "new.log", "new")
                raise Interrupted("SIGINT")
        self.assert_published()

    def test_files_of_the_earlier_run_are_kept_on_request(self) -> None:
        with self.results() as results:
            write(results.place() / "new.log", "new")
            write(self.final / "new.log", "of the earlier run")
            results.keep = ("old.log", "new.log", "none.log")
        self.assertEqual(sorted(path.name for path in self.final.iterdir()),
                         ["new.log", "old.log", "summary.json"])
        self.assertEqual((self.final / "new.log").read_text(encoding="utf-8"), "new")

    def test_what_a_killed_run_has_left_goes(self) -> None:
        gone = subprocess.Popen(["true"])
        gone.wait()
        dead, alive = (write(self.temp / f"build/results/.new-{pid}-x/y", "").parent
                       for pid in (gone.pid, os.getppid()))
        with self.results():
            self.assertEqual((dead.exists(), alive.exists()), (False, True))

    def test_stages_and_guests_have_places(self) -> None:
        with self.results() as results:
            self.assertEqual(results.place("locked", "um"), results.temp / "locked/um")
            self.assertTrue(Path(results.temp / "locked/um").is_dir())
