# SPDX-License-Identifier: GPL-2.0-only
"""Where the instructions of a move go, function by function, counted by a plugin of QEMU's.

The benchmark reads a clock, and through one function alone, when it begins to move
pages and when it has.  The plugin counts what runs in between.
"""

import bisect
import re
import shlex
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Sequence, Tuple

from ..base import proc
from ..base.errors import Stop, one_line

PLUGIN = Path("tools") / "qemu_plugins" / "windows.c"
#: The function that the benchmark reads its clock with.
CLOCK = "bench_clock"
#: The case that moves small pages: rounds for each number of pages a call, and pages in a round.
CASE = "userfaultfd_move_bench.move_small_pages"
ROUNDS = 7
PAGES = 2048

#: What a function is called, and how many instructions ran in it.
Profile = Dict[str, float]


class Symbols(NamedTuple):
    """The functions of a kernel, in the order of their addresses."""

    addresses: List[int]
    names: List[str]

    def name(self, address: int) -> str:
        """The function that @address is in."""
        place = bisect.bisect_right(self.addresses, address) - 1
        if place < 0:
            return "?"
        # What the compiler split off, or made of constant arguments, belongs to the function.
        return re.sub(r"\.(?:isra|part|constprop|cold)\b.*", "", self.names[place])


def read_symbols(vmlinux: Path) -> Symbols:
    """The functions of a kernel; Stop if they cannot be read."""
    answer = proc.output(["nm", "-n", str(vmlinux)], limit=60)
    found = [line.split() for line in answer.stdout.splitlines()]
    functions = [(int(field[0], 16), field[2]) for field in found
                 if len(field) == 3 and field[1] in "tTwW"]
    if not functions:
        raise Stop(f"{vmlinux} has no symbols ({one_line(answer.stderr, 100) or 'nm names none'}): "
                   "remove it, then run again")
    return Symbols([address for address, _ in functions], [name for _, name in functions])


def plugin_version(text: str) -> int:
    """The version of the interface that the QEMU which says @text of its version takes."""
    match = re.search(r"version (\d+)\.(\d+)", text)
    return 1 if match and (int(match.group(1)), int(match.group(2))) < (8, 2) else 2


def compile_plugin(repo: Path, qemu: str, place: Path) -> Path:
    """The plugin for @qemu, made in @place; Stop if it cannot be."""
    version = plugin_version(proc.output([qemu, "--version"]).stdout)
    target, log = place / "windows.so", place / "windows.log"
    status = proc.run(["gcc", "-O2", "-Wall", "-fPIC", "-shared", "-fvisibility=hidden",
                       f"-DPLUGIN_VERSION={version}", "-o", str(target), str(repo / PLUGIN)], log,
                      limit=60)
    if status != 0:
        raise Stop(f"{PLUGIN} does not compile: {one_line(' '.join(proc.tail(log, 3)), 160)}")
    return target


def arguments(plugin: Path, symbols: Symbols, out: Path) -> str:
    """QEMU's arguments that have @plugin count into @out; Stop if the kernel has no such clock."""
    if CLOCK not in symbols.names:
        raise Stop(f"the kernel has no function {CLOCK}: its benchmark is not the one of this "
                   "repository")
    address = symbols.addresses[symbols.names.index(CLOCK)]
    return shlex.join(["-plugin", f"file={plugin},clock={address:x},out={out}"])


def read_windows(text: str, symbols: Symbols) -> List[Profile]:
    """What the plugin wrote: for each window, the instructions by function."""
    found: List[Profile] = []
    for line in text.splitlines():
        if line == "window":
            found.append({})
            continue
        address, count = line.split()
        name = symbols.name(int(address, 16))
        found[-1][name] = found[-1].get(name, 0) + int(count)
    return found


def per_page(windows: Sequence[Profile], kinds: Sequence[str]) -> Dict[str, Profile]:
    """Instructions a page by function, for each of the @kinds of calls: of the last round of each.

    @windows: all rounds, kind by kind.  Raises Stop if these are not as many as there must be.
    """
    if len(windows) != ROUNDS * len(kinds):
        raise Stop(f"the benchmark read its clock for {len(windows)} rounds, not for "
                   f"{ROUNDS * len(kinds)}: look at kernel.log")
    last = windows[ROUNDS - 1::ROUNDS]
    return {kind: {name: count / PAGES for name, count in window.items()}
            for kind, window in zip(kinds, last)}


def table(profiles: Mapping[str, Profile], least: float = 1.0) -> List[Tuple[str, List[float]]]:
    """Functions with at least @least instructions a page in some column, the heaviest first.

    Below them stand the others, and all.
    """
    columns = list(profiles.values())
    every = {name: [column.get(name, 0.0) for column in columns]
             for column in columns for name in column}
    shown = sorted((name for name, row in every.items() if max(row) >= least),
                   key=lambda name: -every[name][0])
    rest = [sum(row[place] for name, row in every.items() if name not in shown)
            for place in range(len(columns))]
    return [*((name, every[name]) for name in shown), ("all others", rest),
            ("together", [sum(column.values()) for column in columns])]
