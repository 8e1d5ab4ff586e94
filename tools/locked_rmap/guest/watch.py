# SPDX-License-Identifier: GPL-2.0-only
"""The one watcher of guests: tells one that hangs, and ends it."""

import math
import time
from pathlib import Path
from typing import Callable, Optional

from ..base.proc import Child


class Watch:
    """A running guest, or kunit.py with one.

    The guest hangs if it takes more than @limit seconds, or says nothing in the file
    @told for @quiet seconds by @clock.  Then all that @child started is killed; the
    child itself gets @grace seconds to write down what it has.
    """

    def __init__(self, child: Child, told: Path, limit: float, quiet: float = math.inf,
                 grace: float = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.child = child
        #: How the guest hung, empty if it did not.
        self.hung = ""
        #: How long it ran, known once it has ended.
        self.seconds = 0.0
        #: The exit status of the child, None if it had to be killed.
        self.status: Optional[int] = None
        self._told, self._limit, self._quiet = told, limit, quiet
        self._grace, self._clock = grace, clock
        self._started = time.monotonic()
        self._size, self._since = -1, clock()

    def poll(self) -> bool:
        """Tell whether the guest has ended; end it if it hangs."""
        if self.seconds:
            return True
        self.status = self.child.poll()
        if self.status is None:
            now = self._clock()
            size = self._told.stat().st_size if self._told.exists() else 0
            if size != self._size:
                self._size, self._since = size, now
            if now - self._since > self._quiet:
                self.hung = (f"the guest hung, and was ended after {self._quiet:.0f} s "
                             "without a word")
            elif time.monotonic() - self._started > self._limit:
                self.hung = f"the guest hung, and was ended after {self._limit:.0f} s"
            else:
                return False
            self.child.kill_children()
            self.child.wait(self._grace)
        self.end()
        self.seconds = max(time.monotonic() - self._started, 0.001)
        return True

    def wait(self, tick: Callable[[], None], step: float = 0.1) -> str:
        """Wait for the end; how the guest hung.  @tick is called every @step seconds."""
        try:
            while not self.poll():
                self.child.wait(step)
                tick()
        except BaseException:
            self.end()
            raise
        return self.hung

    def end(self) -> None:
        """End the guest, whatever it is doing."""
        self.child.kill(grace=1)
