# SPDX-License-Identifier: GPL-2.0-only
"""Guests with a small user space: a first process of ours, from a file system in memory.

tools/guest/init.c says what that process can be told, and how it tells of it.
"""

import re
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List, Mapping, NamedTuple, Sequence

from ..base import files, proc
from ..base.console import Console
from ..base.errors import Stop, one_line
from . import build, cpio, klog
from .watch import Watch

#: Seconds without a word after which a guest has hung.
QUIET = 120
#: Seconds that a guest may need beside its plan, to boot above all.
BOOT = 120

_MARK = re.compile(r"init: (begin|end|cannot|over|[|~])(?: (.*))?$")


class Machine(NamedTuple):
    """What a guest runs on.

    On a busy host a CPU of the guest may stand still for seconds.  Without the TSC
    the guest's clock then does so too, and is as coarse as its timer.
    """

    #: In MiB.
    memory: int
    #: For the kernel's command line.
    append: Sequence[str] = ()
    #: What the kernel is told of the TSC.
    clock: str = "notsc"
    #: For QEMU.
    options: Sequence[str] = ()
    cpus: int = 2


class Step(NamedTuple):
    """A word of the plan with its argument, what it printed, and how it ended.

    A program ends by `exit 1`, `signal 11`, `stopped`, `hung`, `stuck`, or as the guest did.
    """

    name: str
    output: str = ""
    end: str = ""


class Told(NamedTuple):
    """What a guest told.

    @died says how it ended if it did not get to the end of its plan; @complaint is
    what its first process could not do.
    """

    text: str
    steps: List[Step]
    died: str
    complaint: str

    @property
    def ran(self) -> Dict[str, Step]:
        """The programs that were started, by their names in the plan."""
        return {step.name[len("run "):]: step for step in self.steps
                if step.name.startswith("run ")}


def read(text: str, hung: str) -> Told:
    """What the console @text of a guest tells; @hung: how it did, if it had to be ended."""
    steps: List[Step] = []
    complaint = ""
    over = False
    for raw in text.splitlines():
        match = _MARK.match(klog.strip_prefix(raw))
        if match is None:
            continue
        mark, rest = match.group(1), match.group(2) or ""
        if mark == "begin":
            steps.append(Step(rest))
        elif mark == "cannot":
            complaint = rest
        elif mark == "over":
            over = True
        elif steps and mark == "end":
            steps[-1] = steps[-1]._replace(end=rest)
        elif steps:
            said = steps[-1].output + rest + ("\n" if mark == "|" else "")
            steps[-1] = steps[-1]._replace(output=said)
    died = ""
    if not over:
        died = f"{steps[-1].name} hung and could not be killed" \
            if steps and steps[-1].end == "stuck" else hung or _fatal(text)
        if steps and not steps[-1].end:
            steps[-1] = steps[-1]._replace(end=died)
    return Told(text, steps, died, complaint)


def _fatal(text: str) -> str:
    """What ended a guest by itself."""
    fatal = [splat.title for splat in klog.splats(text)
             if not re.match(r"WARNING: |INFO: |BUG: sleeping", splat.title)]
    return fatal[-1] if fatal else "the guest ended without a reason"


def programs(repo: Path, names: Sequence[str], log: Path, console: Console) -> Dict[str, bytes]:
    """The programs @names of tools/guest, which need no libraries, by name.

    The output of the compiler goes to @log.
    """
    found: Dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        for name in names:
            make(["gcc", "-O2", "-Wall", "-Wextra", "-static", "-pthread", "-o", name,
                  str(repo / "tools" / "guest" / f"{name}.c")], Path(temp), log, console)
            found[name] = (Path(temp) / name).read_bytes()
    return found


def make(argv: Sequence[str], where: Path, log: Path, console: Console) -> None:
    """Run a step of building what runs in a guest, in @where; Stop if it fails."""
    status = proc.run(argv, log, cwd=where, limit=build.BUILD_LIMIT, tick=console.tick)
    if status != 0:
        console.drop()
        raise build.why_not_built("what runs in the guest", log, status, where)


def command(kernel: Path, file_system: Path, log: Path, machine: Machine) -> List[str]:
    """The command that runs an x86_64 guest whose serial console goes to @log.

    Always under TCG: a /dev/kvm that is there need not work.  The guest ends by a
    reset: its own, or that of a panic.
    """
    words = ["console=ttyS0", "loglevel=7", "printk.devkmsg=on", "panic=-1", "oops=panic",
             machine.clock, "no_timer_check", "rcupdate.rcu_cpu_stall_suppress=1", *machine.append]
    return ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
            # A small firmware that starts the kernel at once.
            "-no-reboot", "-bios", "qboot.rom", "-accel", "tcg",
            "-smp", str(machine.cpus), "-m", str(machine.memory),
            "-serial", f"file:{log}", "-kernel", str(kernel), "-initrd", str(file_system),
            "-append", " ".join(words), *machine.options]


def boot(kernel: Path, contents: Mapping[str, bytes], plan: Sequence[str], machine: Machine,
         limit: float, results: Path, console: Console) -> Told:
    """Run a guest that has the files @contents and obeys @plan, for at most @limit seconds.

    What it says is added to kernel.log in @results.  Never raises for what the guest
    does; Stop if QEMU fails.
    """
    log, whole = results / "console.log", results / "kernel.log"
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        archive = Path(temp) / "initramfs"
        lines = "".join(f"{line}\n" for line in plan)
        archive.write_bytes(cpio.archive({**contents, "plan": lines.encode()}))
        log.write_bytes(b"")

        def tick() -> None:
            step = ""
            if console.wants_tick():
                step = (re.findall(r"init: begin (.*)", text_of(log)) or ["booting"])[-1]
            console.tick(step)

        try:
            hung = _wait(command(kernel, archive, log, machine), log, results / "qemu.log", limit,
                         console, tick)
        finally:
            text = text_of(log)
            log.unlink()
            before = whole.read_bytes() if whole.exists() else b""
            files.write_atomic(whole, before + text.encode())
    return read(text, hung)


def _wait(argv: Sequence[str], log: Path, out: Path, limit: float, console: Console,
          tick: Callable[[], None]) -> str:
    """Run the guest of @argv, whose console goes to @log; how it hung, if it did."""
    child = proc.Child(argv, out)
    watch = Watch(child, log, limit, QUIET, clock=lambda: clock(child.pid))
    hung = watch.wait(tick, 0.5)
    if not hung and watch.status != 0:
        console.drop()
        raise Stop(f"QEMU ended with status {watch.status}: "
                   f"{one_line(' '.join(proc.tail(out, 2)), 200)}")
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
