# SPDX-License-Identifier: GPL-2.0-only
"""The watcher of guests, with small programs for guests."""

import math
import os
import time
from pathlib import Path
from typing import Callable, Optional

from locked_rmap.base import proc
from locked_rmap.base.errors import Interrupted
from locked_rmap.guest.watch import Watch

from ..support import Case

#: Seconds after which a test would fail, rather than hang.
LONG = 30
#: Prints a line often, for ever.
TALK = "while :; do echo x; sleep 0.01; done"


def forget() -> None:
    """Nothing is to be done while a guest runs."""


class WatchTest(Case):
    """Watch."""

    def setUp(self) -> None:
        super().setUp()
        self.told = self.temp / "told"
        self.clock: Optional[float] = None

    def watch(self, script: str, limit: float = LONG, quiet: float = math.inf,
              grace: float = 0) -> Watch:
        """Watch a shell that runs @script."""
        child = proc.Child(["sh", "-c", script], self.told)
        self.addCleanup(child.kill, 0.1)
        clock: Callable[[], float] = \
            time.monotonic if self.clock is None else lambda: self.clock or 0.0
        return Watch(child, self.told, limit, quiet, grace, clock)

    def pid_in(self, name: str) -> int:
        """The process id that a guest has written; waits for it."""
        path, end = self.temp / name, time.monotonic() + LONG
        while time.monotonic() < end:
            if path.exists() and path.read_text(encoding="ascii").endswith("\n"):
                return int(path.read_text(encoding="ascii"))
            time.sleep(0.01)
        raise AssertionError(f"no {name}")

    def assert_gone(self, pid: int) -> None:
        """Process @pid does not run."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
        except FileNotFoundError:
            return
        self.assertIn(stat.rsplit(")", 1)[1].split()[0], "ZX")

    def test_a_guest_that_ends(self) -> None:
        watch = self.watch("echo done; exit 3")
        self.assertEqual((watch.wait(forget), watch.status, watch.hung), ("", 3, ""))
        self.assertGreater(watch.seconds, 0)
        self.assertTrue(watch.poll())

    def test_a_silent_guest_is_ended(self) -> None:
        watch = self.watch("echo x; exec sleep 321", quiet=0.3)
        self.assertEqual(watch.wait(forget, 0.05),
                         "the guest hung, and was ended after 0 s without a word")
        self.assertIsNone(watch.status)
        self.assert_gone(watch.child.pid)

    def test_silence_is_told_by_the_clock_that_was_given(self) -> None:
        self.clock = 1000.0
        watch = self.watch("exec sleep 321", quiet=120)
        self.assertFalse(watch.poll())
        self.clock += 120
        self.assertFalse(watch.poll())
        self.clock += 1
        self.assertTrue(watch.poll())
        self.assertEqual(watch.hung, "the guest hung, and was ended after 120 s without a word")

    def test_a_word_is_a_sign_of_life(self) -> None:
        self.clock = 1000.0
        watch = self.watch("exec sleep 321", quiet=120)
        for _ in range(3):
            self.assertFalse(watch.poll())
            self.clock += 100
            with open(self.told, "a", encoding="ascii") as out:
                out.write("x\n")
        self.assertFalse(watch.poll())

    def test_a_guest_that_talks_for_ever_is_ended(self) -> None:
        watch = self.watch(TALK, limit=0.5, quiet=LONG)
        self.assertEqual(watch.wait(forget, 0.05), "the guest hung, and was ended after 0 s")
        self.assert_gone(watch.child.pid)
        self.assertGreaterEqual(watch.seconds, 0.5)

    def test_a_guest_that_ignores_sigterm_is_killed(self) -> None:
        watch = self.watch(f"trap '' TERM; echo $$ > {self.temp}/pid; {TALK}", limit=0.1)
        self.pid_in("pid")
        self.assertIn("hung", watch.wait(forget, 0.05))
        self.assert_gone(watch.child.pid)

    def test_grandchildren_are_killed(self) -> None:
        # One has left the session, as UML's processes may.
        watch = self.watch("trap '' TERM\n"
                           f"sh -c 'echo $$ > {self.temp}/one; exec sleep 321' &\n"
                           f"setsid sh -c 'echo $$ > {self.temp}/two; exec sleep 321' &\n"
                           "wait; exec sleep 321", limit=0.1)
        pids = [self.pid_in(name) for name in ("one", "two")]
        self.assertIn("hung", watch.wait(forget, 0.05))
        for pid in (*pids, watch.child.pid):
            self.assert_gone(pid)

    def test_the_child_can_write_down_what_it_has(self) -> None:
        # It notes that its guest is gone, and ends by itself.
        watch = self.watch(f"sh -c 'echo $$ > {self.temp}/pid; exec sleep 321'\n"
                           f"echo noted > {self.temp}/note; exit 0", limit=0.1, grace=LONG)
        guest = self.pid_in("pid")
        self.assertIn("hung", watch.wait(forget, 0.05))
        self.assert_gone(guest)
        self.assertEqual((self.temp / "note").read_text(encoding="ascii"), "noted\n")

    def test_an_interrupted_wait_ends_the_guest(self) -> None:
        watch = self.watch(f"sh -c 'echo $$ > {self.temp}/pid; exec sleep 321' & wait")
        guest = self.pid_in("pid")

        def interrupt() -> None:
            raise Interrupted("SIGINT")

        with self.assertRaises(Interrupted):
            watch.wait(interrupt, 0.05)
        for pid in (guest, watch.child.pid):
            self.assert_gone(pid)

    def test_a_file_that_is_not_there_yet_is_empty(self) -> None:
        self.clock = 1000.0
        watch = self.watch("exec sleep 321", quiet=120)
        os.unlink(self.told)
        self.assertFalse(watch.poll())
