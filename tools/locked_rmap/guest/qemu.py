# SPDX-License-Identifier: GPL-2.0-only
"""Guests with a small user space: a first process of ours, from a file system in memory."""

import time
from pathlib import Path
from typing import Callable, List, Sequence

from ..base import proc
from . import kunit
from ..base.console import Console
from ..base.errors import Stop, one_line

#: Seconds without a word after which a guest has hung.
QUIET = 120


def program(source: Path, work: Path, log: Path, console: Console) -> bytes:
    """The program of @source, which needs no libraries, built in @work with the output in @log."""
    out = work / source.stem
    status = proc.run(["gcc", "-O2", "-Wall", "-Wextra", "-static", "-pthread", "-o", str(out), str(source)], log,
                      cwd=work, limit=kunit.BUILD_LIMIT, tick=console.tick)
    if status != 0:
        console.drop()
        raise Stop(kunit.why_not_built("what runs in the guest", log, status, work))
    return out.read_bytes()


def qemu(kernel: Path, file_system: Path, log: Path, memory: int, append: Sequence[str],
         clock: str = "notsc", options: Sequence[str] = (), cpus: int = 2) -> List[str]:
    """The command that runs an x86_64 guest whose serial console goes to @log.

    @memory is in MiB, @append for the kernel's command line, @options for QEMU.
    Always under TCG: a /dev/kvm that is there need not work.  The guest ends by a
    reset: its own, or that of a panic.

    On a busy host a CPU of the guest may stand still for seconds.  Without the TSC
    the guest's clock then does so too, and is as coarse as its timer: @clock is what
    the kernel is told of the TSC.
    """
    words = ["console=ttyS0", "loglevel=7", "printk.devkmsg=on", "panic=-1", "oops=panic",
             clock, "no_timer_check", "rcupdate.rcu_cpu_stall_suppress=1", *append]
    return ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            # A small firmware that starts the kernel at once.
            "-bios", "qboot.rom", "-accel", "tcg", "-smp", str(cpus), "-m", str(memory),
            "-serial", f"file:{log}", "-kernel", str(kernel), "-initrd", str(file_system),
            "-append", " ".join(words), *options]


def run(command: Sequence[str], log: Path, out: Path, limit: float, console: Console,
        tick: Callable[[], None]) -> str:
    """Run the guest of @command, whose console goes to @log; how it hung, empty if it ended by itself.

    @limit is in seconds; QEMU's own words go to @out.  Raises Stop if QEMU fails.
    """
    end = time.monotonic() + limit
    log.touch()
    child = proc.Child(command, out)
    size, since = 0, clock(child.pid)
    hung = ""
    try:
        while not hung:
            status = child.wait(0.5, tick)
            if status is not None:
                break
            now = clock(child.pid)
            if log.stat().st_size != size:
                size, since = log.stat().st_size, now
            if now - since > QUIET:
                hung = f"the guest hung, and was ended after {QUIET} s without a word"
            elif time.monotonic() > end:
                hung = "the guest did not come to an end"
    finally:
        child.kill(grace=1)
    if not hung and status != 0:
        console.drop()
        raise Stop(f"QEMU ended with status {status}: {one_line(' '.join(proc.tail(out, 2)), 200)}")
    return hung


def clock(pid: int) -> float:
    """A clock that stands still while the host has no CPU for process @pid."""
    waited = 0
    for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            # Time on a CPU, time in wait for one, in ns.
            waited = max(waited, int(schedstat.read_text(encoding="ascii").split()[1]))
        except (OSError, ValueError, IndexError):
            pass
    return time.monotonic() - waited / 1e9


def text_of(log: Path) -> str:
    """What a console said.  It ends lines as terminals do, logs do not."""
    told = log.read_text(encoding="utf-8", errors="replace")
    return "".join(f"{line}\n" for line in told.replace("\r\n", "\n").splitlines())
