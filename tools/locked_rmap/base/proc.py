# SPDX-License-Identifier: GPL-2.0-only
"""Child processes: every one can be ended, with all that it started.

kunit.py starts make and guests; UML starts processes of its own and may leave
the session.  So a child is led into a session of its own, and what descends
from it is read from /proc before anything is killed.
"""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set

from .errors import Stop

#: Seconds that a process group gets to end by itself after SIGTERM: make
#: removes half-written targets in that time.
GRACE = 5.0

#: What a user's environment or `make run ARCH=…` must not hand to kbuild.
_UNWANTED = (
    "ARCH", "SUBARCH", "SRCARCH", "CROSS_COMPILE", "LLVM", "LLVM_IAS", "O", "V", "W", "C", "M",
    "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "GNUMAKEFLAGS", "MAKEFILES",
    "INSTALL_MOD_PATH", "KCFLAGS", "KCPPFLAGS", "KAFLAGS", "CFLAGS", "CPPFLAGS", "LDFLAGS",
    "LOCALVERSION", "TESTS", "STAGE", "TREE", "KERNEL", "CONTRACT", "DEBUG", "REPEAT", "CDPATH",
    "CONFIG_SHELL", "NO_SYMLINK",
)


class Task(NamedTuple):
    """One process as /proc shows it; @start tells a reused pid."""

    pid: int
    ppid: int
    session: int
    start: int
    state: str


def environment(extra: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
    """The environment for children: the user's, less what would steer kbuild."""
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in _UNWANTED and not key.startswith(("KBUILD_", "KCONFIG_", "QUILT_"))
    }
    env["LC_ALL"] = "C.UTF-8"
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    # Kernel logs travel: they need not say who built the kernel, and where.
    env["KBUILD_BUILD_USER"] = "kunit"
    env["KBUILD_BUILD_HOST"] = "locked-rmap"
    env.update(extra or {})
    return env


def _tasks() -> Dict[int, Task]:
    found: Dict[int, Task] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                text = stat.read()
        except OSError:
            continue
        # The command's name may hold spaces and brackets: read from its end.
        field = text[text.rindex(")") + 2:].split()
        found[int(name)] = Task(int(name), int(field[1]), int(field[3]), int(field[19]), field[0])
    return found


def family(root: int, known: Optional[Set[Task]] = None) -> Set[Task]:
    """Every living process of @root's session or descent, and of @known's."""
    tasks = _tasks()
    pids = {root}
    for old in known or set():
        now = tasks.get(old.pid)
        if now is not None and now.start == old.start:
            pids.add(old.pid)
    grown = True
    while grown:
        more = {
            task.pid
            for task in tasks.values()
            if task.pid not in pids and (task.ppid in pids or task.session == root)
        }
        grown = bool(more)
        pids |= more
    return {tasks[pid] for pid in pids if pid in tasks and tasks[pid].state not in "ZX"}


def _signal(targets: Set[Task], number: int) -> None:
    for task in targets:
        try:
            os.kill(task.pid, number)
        except (ProcessLookupError, PermissionError):
            pass


class Child:
    """A running command, its output going to a file."""

    def __init__(self, argv: Sequence[str], log: Path, cwd: Optional[Path] = None,
                 env: Optional[Mapping[str, str]] = None) -> None:
        self.argv = list(argv)
        self.log = log
        with open(log, "ab") as out:
            try:
                self._popen = subprocess.Popen(
                    self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                    cwd=cwd, env=environment(env), start_new_session=True)
            except FileNotFoundError as err:
                raise Stop(f"cannot start {self.argv[0]}: no such command; install it") from err

    @property
    def pid(self) -> int:
        """The child's process id, which is its session's too."""
        return self._popen.pid

    def poll(self) -> Optional[int]:
        """The exit status, or None while it runs."""
        return self._popen.poll()

    def wait(self, limit: Optional[float] = None,
             tick: Optional[Callable[[], None]] = None) -> Optional[int]:
        """Wait for the end, at most @limit seconds; None if it still runs then.

        @tick is called some times a second.  If anything is raised meanwhile
        (Interrupted above all), the child and all it started are killed.
        """
        end = None if limit is None else time.monotonic() + limit
        try:
            while True:
                try:
                    return self._popen.wait(0.1)
                except subprocess.TimeoutExpired:
                    pass
                if tick is not None:
                    tick()
                if end is not None and time.monotonic() >= end:
                    return None
        except BaseException:
            self.kill()
            raise

    def kill_children(self) -> None:
        """SIGKILL what the child started, but not the child itself."""
        _signal({task for task in family(self.pid) if task.pid != self.pid}, signal.SIGKILL)

    def kill(self, grace: float = GRACE) -> None:
        """End the child and everything it started; returns when all are gone."""
        alive = family(self.pid)
        _signal(alive, signal.SIGTERM)
        end = time.monotonic() + grace
        while alive and time.monotonic() < end:
            self._popen.poll()
            time.sleep(0.05)
            alive = family(self.pid, alive)
        # A guest's processes may be stopped under ptrace: repeat until none is left.
        end = time.monotonic() + grace
        while alive and time.monotonic() < end:
            _signal(alive, signal.SIGKILL)
            self._popen.poll()
            time.sleep(0.02)
            alive = family(self.pid, alive)
        try:
            self._popen.wait(1)
        except subprocess.TimeoutExpired:
            pass


def run(argv: Sequence[str], log: Path, cwd: Optional[Path] = None,
        env: Optional[Mapping[str, str]] = None, limit: Optional[float] = None,
        tick: Optional[Callable[[], None]] = None) -> int:
    """Run @argv to its end with output appended to @log; the exit status.

    A command that is still running after @limit seconds is killed and reported
    as 124, as timeout(1) does.
    """
    child = Child(argv, log, cwd, env)
    status = child.wait(limit, tick)
    if status is None:
        child.kill()
        return 124
    return status


def output(argv: Sequence[str], cwd: Optional[Path] = None,
           env: Optional[Mapping[str, str]] = None, limit: float = 60) -> "subprocess.CompletedProcess[str]":
    """Run a short command and return its status, stdout and stderr as text.

    Raises Stop if the command is missing or runs for more than @limit seconds.
    """
    try:
        popen = subprocess.Popen(list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, cwd=cwd, env=environment(env),
                                 text=True, errors="replace", start_new_session=True)
    except FileNotFoundError as err:
        raise Stop(f"cannot start {argv[0]}: no such command; install it") from err
    try:
        out, err_text = popen.communicate(timeout=limit)
    except BaseException as err:
        _kill_popen(popen)
        if isinstance(err, subprocess.TimeoutExpired):
            raise Stop(f"{argv[0]} gave no answer within {limit:.0f} s; try again") from err
        raise
    return subprocess.CompletedProcess(list(argv), popen.returncode, out, err_text)


def _kill_popen(popen: "subprocess.Popen[str]") -> None:
    _signal(family(popen.pid), signal.SIGKILL)
    popen.wait()
    for stream in (popen.stdout, popen.stderr):
        if stream is not None:
            stream.close()


def tail(log: Path, lines: int = 20) -> List[str]:
    """The last @lines non-empty lines of a log; empty if there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]
