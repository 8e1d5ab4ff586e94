# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages that a verb needs: find the missing ones, install them."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterable, List, Sequence

from ..base import proc
from ..base.console import Console
from ..base.errors import Stop, one_line

#: A kernel and its suites on UML.
BUILD = ("gcc", "libc6-dev", "binutils", "make", "flex", "bison", "bc", "xz-utils", "patch",
         "quilt", "perl")
#: More of it, by architecture.
ARCH = {
    "um": (),
    "x86_64": ("libelf-dev", "libssl-dev", "qemu-system-x86"),
    "arm64": ("libelf-dev", "libssl-dev", "qemu-system-arm", "gzip"),
}
#: To build for an architecture that the machine is not of.
CROSS = {"arm64": ("gcc-aarch64-linux-gnu",)}
#: For --clang.
CLANG = ("clang", "lld", "llvm")
#: For --tree.
TREE = ("git",)
#: For export; a mailbox is made from a kernel source package.
EXPORT = ("git", "perl", "xz-utils")
#: For --html and for the chart of bench.
PAGE = ("python3-jinja2",)
#: The version of clang and LLVM that check is written for.
LLVM = "19"
#: For check.
STATIC = (*BUILD, "libelf-dev", "libssl-dev", f"clang-{LLVM}", f"llvm-{LLVM}", f"llvm-{LLVM}-dev",
          "libglib2.0-dev", "pkg-config")
#: The project's own tests.
TEST = ("mypy", "git", "sparse", "coccinelle", "python3-yaml", *PAGE, "chromium", *STATIC)


def missing(wanted: Iterable[str]) -> List[str]:
    """Those of @wanted that dpkg does not know as installed."""
    names = sorted(set(wanted))
    answer = proc.output(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n", *names])
    there = {
        fields[0]
        for fields in (line.split() for line in answer.stdout.splitlines())
        if len(fields) == 2 and fields[1] == "installed"
    }
    return [name for name in names if name not in there]


def as_root() -> List[str]:
    """What to put before a command that needs root; raises Stop if nothing helps."""
    if os.geteuid() == 0:
        return []
    if proc.output(["sh", "-c", "command -v sudo"]).returncode != 0:
        raise Stop("packages must be installed and this is neither root nor is there sudo: "
                   "run as root")
    if proc.output(["sudo", "-n", "true"]).returncode == 0:
        return ["sudo", "-n"]
    if sys.stdin.isatty():
        return ["sudo"]
    raise Stop("packages must be installed and sudo wants a password: run as root, or on a "
               "terminal")


def _apt(console: Console, prefix: Sequence[str], args: Sequence[str], log: Path) -> bool:
    argv = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y",
            "-o", "DPkg::Lock::Timeout=120", *args]
    if list(prefix) == ["sudo"]:
        # sudo asks for the password: it needs the terminal, so no session of its own.
        console.drop()
        with open(log, "ab") as out:
            return subprocess.run(argv, stdout=out, check=False,
                                  env=proc.environment()).returncode == 0
    return proc.run(argv, log, tick=console.tick) == 0


def need(console: Console, wanted: Iterable[str]) -> None:
    """Install what is missing of @wanted, naming it; Stop if that fails."""
    names = missing(wanted)
    if not names:
        return
    listed = " ".join(names)
    try:
        prefix = as_root()
    except Stop as err:
        raise Stop(f"missing packages: {listed}: {err}") from err
    console.begin(f"installing missing packages: {listed}")
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        log = Path(temp) / "apt.log"
        install = ["--no-install-recommends", "install", *names]
        if not _apt(console, prefix, install, log):
            # Lists may be missing (a fresh image) or older than the mirror.
            if not (_apt(console, prefix, ["update"], log) and _apt(console, prefix, install, log)):
                errors = [line for line in proc.tail(log, 50) if line.startswith("E: ")]
                why = errors[-1][3:] if errors else "apt-get failed"
                raise Stop(f"cannot install missing packages ({listed}): {one_line(why, 160)}; "
                           f"install them, then run again")
    console.end()
