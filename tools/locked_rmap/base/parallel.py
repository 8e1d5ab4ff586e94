# SPDX-License-Identifier: GPL-2.0-only
"""The one way to do things side by side."""

import copy
import threading
from concurrent import futures
from typing import Callable, List, Sequence

from .console import Console


class Ended(BaseException):
    """Another job came to an early end, and so must this one.

    Not an Exception, so that no handler of ordinary errors swallows it.
    """


class Side(Console):
    """One of several that write to @outer at a time: full lines only, no live one."""

    def __init__(self, outer: Console) -> None:
        super().__init__(outer.out)
        self.colour = outer.colour
        self.tty = False
        self.ended = threading.Event()
        self._outer = outer
        self._lock = threading.Lock()

    def line(self, text: str = "") -> None:
        """Print one full line."""
        with self._lock:
            self._outer.line(text)

    def tick(self, detail: str = "") -> None:
        """Raise Ended if another job has."""
        if self.ended.is_set():
            raise Ended()

    def wants_tick(self) -> bool:
        """No; but who asks may be waiting for long, and so must hear of another job's end."""
        self.tick()
        return False


def side_by_side(jobs: Sequence[Callable[[Console], None]], console: Console) -> None:
    """Do all @jobs at once, each with a console to write to and to tick().

    What one raises ends the others at their next tick(), and is raised.
    """
    if len(jobs) == 1:
        jobs[0](console)
        return
    side = Side(console)
    with futures.ThreadPoolExecutor(max(len(jobs), 1)) as pool:
        # A console of its own: it remembers a step.
        running = [pool.submit(job, copy.copy(side)) for job in jobs]
        try:
            while futures.wait(running, 0.1, futures.FIRST_EXCEPTION).not_done:
                raised = [each for each in running if each.done() and each.exception()]
                if raised:
                    side.ended.set()
        finally:
            # SIGINT comes to this thread alone.
            side.ended.set()
    errors: List[BaseException] = [err for each in running for err in [each.exception()] if err]
    for err in sorted(errors, key=lambda err: isinstance(err, Ended)):
        raise err
