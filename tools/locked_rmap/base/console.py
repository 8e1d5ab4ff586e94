# SPDX-License-Identifier: GPL-2.0-only
"""Progress on a terminal or in a log, and the little colour there is."""

import os
import shutil
import sys
import time
from typing import Optional, TextIO

#: Seconds between two progress lines where there is no terminal.
CALM = 15.0
#: Seconds between two redraws of the live line of a terminal.
LIVE = 0.2


class Console:
    """Writes to @out: result lines, and what a long step is doing."""

    def __init__(self, out: Optional[TextIO] = None) -> None:
        self.out = out if out is not None else sys.stdout
        self.tty = self.out.isatty() and os.environ.get("TERM") != "dumb"
        self.colour = self.tty and not os.environ.get("NO_COLOR")
        self._step = ""
        self._started = 0.0
        self._next = 0.0
        self._live = False

    def paint(self, text: str, code: str) -> str:
        """Give @text the SGR @code if this is a terminal that wants colour."""
        return f"\033[{code}m{text}\033[0m" if self.colour and code else text

    def line(self, text: str = "") -> None:
        """Print one full line, above the live line if there is one."""
        self._wipe()
        print(text, file=self.out, flush=True)

    def begin(self, step: str) -> None:
        """Start a long step: @step says what is being done."""
        self._step = step
        self._started = time.monotonic()
        if self.tty:
            self._next = 0.0
            self.tick()
        else:
            self.line(f"{step} ...")
            self._next = self._started + CALM

    def tick(self, detail: str = "") -> None:
        """Show how far the step is; cheap enough to be called often."""
        now = time.monotonic()
        if now < self._next or not self._step:
            return
        text = f"{self._step}{': ' + detail if detail else ''}, {clock(now - self._started)}"
        if self.tty:
            self._next = now + LIVE
            width = shutil.get_terminal_size().columns
            self.out.write("\r\033[K" + text[: max(width - 1, 10)])
            self.out.flush()
            self._live = True
        else:
            self._next = now + CALM
            self.line(f"  {text}")

    def wants_tick(self) -> bool:
        """Tell whether tick() would print: lets callers skip costly counting."""
        return bool(self._step) and time.monotonic() >= self._next

    def end(self, result: str = "") -> float:
        """End the step, print what came of it, return its seconds."""
        took = time.monotonic() - self._started
        if self._step:
            self.line(f"{self._step}: {result or 'done'}, {clock(took)}")
        self._step = ""
        return took

    def drop(self) -> None:
        """Forget the step without a word: an error line comes instead."""
        self._step = ""
        self._wipe()

    def _wipe(self) -> None:
        if self._live:
            self.out.write("\r\033[K")
            self.out.flush()
            self._live = False


class Muted(Console):
    """A part of a long step of @outer: only that time passes is told, with @detail."""

    def __init__(self, outer: Console, detail: str) -> None:
        super().__init__(outer.out)
        self._outer = outer
        self._detail = detail

    def line(self, text: str = "") -> None:
        """Say nothing."""

    def begin(self, step: str) -> None:
        """Say nothing: the step is the outer one's."""
        self._outer.tick(self._detail)

    def tick(self, detail: str = "") -> None:
        """Show how far the outer step is."""
        self._outer.tick(self._detail)

    def wants_tick(self) -> bool:
        """Tell whether tick() would print."""
        return self._outer.wants_tick()

    def end(self, result: str = "") -> float:
        """Say nothing."""
        return 0.0

    def drop(self) -> None:
        """Forget the outer step: an error line comes instead."""
        self._outer.drop()


def clock(seconds: float) -> str:
    """Format @seconds for people: 4.2 s, or 3 min 07 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    return f"{whole // 60} min {whole % 60:02d} s"
