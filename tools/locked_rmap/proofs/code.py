# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the command's own code: its unit tests and its types."""

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Sequence

from ..base import files, proc
from ..base.errors import one_line
from .desk import Check, Desk, Tally, tally


def unit(desk: Desk) -> Tally:
    """The unit tests of the command."""
    log = desk.place("unit") / "unittest.log"
    status = proc.run([sys.executable, "-m", "unittest", "discover", "-v", "-s", "tools/tests",
                       "-t", "tools"],
                      log, cwd=desk.repo, limit=1500, tick=desk.console.tick)
    text = log.read_text(encoding="utf-8", errors="replace")
    ran = re.search(r"^Ran (\d+) tests?", text, re.M)
    if ran is None or int(ran.group(1)) == 0:
        return Tally(0, 1, 0, [f"no unit test ran: {one_line(' '.join(proc.tail(log, 3)))}"])
    failing = re.findall(r"^(?:FAIL|ERROR): (.+)$", text, re.M)
    skipped = sum(int(number) for number in re.findall(r"\bskipped=(\d+)", text))
    if status != 0 and not failing:
        failing = [f"unittest ended with status {status}"]
    return Tally(max(int(ran.group(1)) - len(failing) - skipped, 0), len(failing), skipped, failing)


def types(desk: Desk) -> Tally:
    """mypy --strict over all Python."""
    place = desk.place("types")
    base = ["/usr/bin/mypy", "--strict", "--python-version", "3.9", "--no-error-summary",
            f"--cache-dir={place / 'cache'}"]
    results: Dict[str, str] = {}

    def mypy(name: str, arguments: Sequence[str], cwd: Path) -> None:
        log = place / f"{name}.log"
        status = proc.run([*base, *arguments], log, cwd=cwd, limit=600, tick=desk.console.tick)
        results[f"mypy {name}"] = "" if status == 0 else one_line(" ".join(proc.tail(log, 3)))

    mypy("tool", ["-p", "locked_rmap", "-p", "tests"], desk.repo / "tools")
    mypy("command", ["--scripts-are-modules", "locked-rmap"], desk.repo / "tools")
    # These are loaded by kunit.py as part of its own package: check them in such a one.
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        package = Path(temp) / "kunit"
        shutil.copytree(desk.repo / "tools" / "qemu_configs", package / "qemu_configs")
        shutil.copyfile(desk.line().work.pristine / "tools/testing/kunit/qemu_config.py",
                        package / "qemu_config.py")
        (package / "__init__.py").touch()
        (package / "qemu_configs" / "__init__.py").touch()
        mypy("qemu_configs", ["-p", "kunit"], Path(temp))
    files.remove_tree(place / "cache")
    return tally(results)


def checks(_desk: Desk) -> List[Check]:
    """Those of this file."""
    return [Check("unit", "the command's unit tests", unit, 4, on_request=False),
            Check("types", "mypy --strict over all Python", types, 1, on_request=False)]
