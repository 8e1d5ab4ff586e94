# SPDX-License-Identifier: GPL-2.0-only
"""Doing things side by side."""

import functools
import threading
import time
from typing import Callable, List

from locked_rmap.base.console import Console
from locked_rmap.base.errors import Stop
from locked_rmap.base.parallel import Ended, side_by_side

from ..support import Case


class SideBySideTest(Case):
    """Several architectures at once."""

    def test_all_are_done_and_told(self) -> None:
        both = threading.Barrier(2, timeout=20)

        def job(name: str, side: Console) -> None:
            side.begin(name)
            both.wait()
            side.end("well")

        side_by_side([functools.partial(job, name) for name in ("one", "two")], self.console)
        self.assertEqual(sorted(line.split(",")[0] for line in self.said.getvalue().splitlines()),
                         ["one ...", "one: well", "two ...", "two: well"])

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
