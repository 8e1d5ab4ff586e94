# SPDX-License-Identifier: GPL-2.0-only
"""Doing things side by side."""

import functools
import threading
import time
from concurrent import futures
from typing import Callable, List
from unittest import mock

from locked_rmap.base.console import Console
from locked_rmap.base.errors import Interrupted, Stop
from locked_rmap.base.parallel import Ended, side_by_side

from ..support import Case

#: Seconds after which a test would fail, rather than hang.
LONG = 20


class SideBySideTest(Case):
    """Several architectures at once."""

    def test_all_are_done_and_told(self) -> None:
        both = threading.Barrier(2, timeout=LONG)

        def job(name: str, side: Console) -> None:
            side.begin(name)
            both.wait()
            side.end("well")

        side_by_side([functools.partial(job, name) for name in ("one", "two")], self.console)
        self.assertEqual(sorted(line.split(",")[0] for line in self.said.getvalue().splitlines()),
                         ["one: well", "two: well"])

    def test_the_first_error_ends_the_others(self) -> None:
        ended: List[bool] = []

        def fails(side: Console) -> None:
            raise Stop("no")

        def waits(ask: Callable[[Console], object], side: Console) -> None:
            try:
                for _ in range(2000):
                    ask(side)
                    time.sleep(0.01)
            except Ended:
                ended.append(True)
                raise

        # A build looks whether there is something to count first.
        jobs = [functools.partial(waits, lambda side: side.tick()),
                functools.partial(waits, lambda side: side.wants_tick())]
        with self.assertRaises(Stop) as caught:
            side_by_side([*jobs, fails], self.console)
        self.assertEqual((str(caught.exception), ended), ("no", [True, True]))

    def test_an_interrupt_ends_them_all(self) -> None:
        begun, ended = threading.Semaphore(0), threading.Semaphore(0)

        def waits(side: Console) -> None:
            begun.release()
            try:
                while True:
                    side.tick()
                    time.sleep(0.001)
            except Ended:
                ended.release()
                raise

        def interrupt(*_arguments: object) -> None:
            # As the handler of a signal does, in the thread that waits.
            for _ in range(2):
                self.assertTrue(begun.acquire(timeout=LONG))
            raise Interrupted("SIGINT")

        with mock.patch.object(futures, "wait", interrupt):
            with self.assertRaisesRegex(Interrupted, "SIGINT"):
                side_by_side([waits, waits], self.console)
        # They have ended before side_by_side() does.
        self.assertTrue(ended.acquire(blocking=False) and ended.acquire(blocking=False))

    def test_an_interrupt_in_a_job_is_raised(self) -> None:
        def fails(_side: Console) -> None:
            raise Interrupted("SIGTERM")

        def waits(side: Console) -> None:
            while True:
                side.tick()
                time.sleep(0.001)

        with self.assertRaisesRegex(Interrupted, "SIGTERM"):
            side_by_side([waits, fails], self.console)

    def test_one_job_has_the_console_itself(self) -> None:
        seen: List[object] = []
        side_by_side([lambda side: seen.extend([side, threading.current_thread()])], self.console)
        self.assertEqual(seen, [self.console, threading.main_thread()])

    def test_no_job_is_no_work(self) -> None:
        side_by_side([], self.console)
        self.assertEqual(self.said.getvalue(), "")
