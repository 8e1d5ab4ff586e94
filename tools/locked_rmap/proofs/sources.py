# SPDX-License-Identifier: GPL-2.0-only
"""Checks that `check` gives the known answers for the source of every line and stage."""

import re
import shutil
from pathlib import Path
from typing import Callable, Dict, List

from ..base import proc
from ..base.errors import one_line
from ..guest.evidence import NEITHER, judge
from ..kernel import callers as table
from ..kernel import line as lines
from ..kernel.line import Line
from ..kernel.series import LOCKED, NONE, STOCK, Stage
from ..static.callers import TRUSTED, UNLOCKED, UNPROVED
from ..static.contract import read_source, try_defects
from .desk import Check, Desk, Tally, tally

#: A driver that nobody has looked at.
DRIVER = ("drivers/misc/walks_unlocked.c", b"""// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <linux/rmap.h>

void walks_unlocked(unsigned long pfn, struct rmap_walk_control *rwc)
{
	struct folio *folio = pfn_folio(pfn);

	if (folio_try_get(folio)) {
		rmap_walk(folio, rwc);
		folio_put(folio);
	}
}
""")
#: Calls of a line that may be trusted.
TRUSTS = 15
#: Where the semantic patch looks, and how often it finds something where walks are unlocked.
SEMANTIC = {"mm/damon/paddr.c": 2, "mm/page_idle.c": 1, "mm/rmap.c": 1}


def sources(desk: Desk, name: str) -> Tally:
    """What `check` says of each stage of a line, and of a driver that walks unlocked."""
    results: Dict[str, str] = {}
    told: List[str] = []
    place = desk.place(f"check-{name}")
    spatch = shutil.which("spatch")
    with desk.held(name) as line:
        for stage in line.series.stages:
            contents = line.contents(stage.patches)
            last = stage is line.series.stages[-1]
            if last:
                contents[DRIVER[0]] = DRIVER[1]
            line.work.install(contents, line.work.build_dir("um", stage.name),
                              line.series.touched())
            results.update(_stage(desk, line, stage, last))
            if spatch is not None:
                log = place / f"{stage.name}.spatch.log"
                results[f"{name} {stage.name}: coccinelle"] = _semantic(desk, line, stage, last,
                                                                        log)
        # The driver goes.
        line.work.install(line.contents([]), line.work.build_dir("um", STOCK),
                          line.series.touched())
    if spatch is None:
        told.append("skipped: coccinelle is not installed, so its semantic patch was not run")
    return tally(results, int(spatch is None), told)


def _stage(desk: Desk, line: Line, stage: Stage, driver: bool) -> Dict[str, str]:
    """One stage, with the driver or without: who walks unlocked, and the verdict."""
    what = f"{line.name} {stage.name}"
    callers = table.read(desk.repo)
    static = read_source(desk.repo, line.work.tree, desk.console)
    unlocked = {each.function for each in static.of(UNLOCKED)}
    unsure = {each.function for each in static.of(UNPROVED)}
    trusted = static.of(TRUSTED)
    results: Dict[str, str] = {}
    wanted = set(table.walk_unlocked(callers, line.name)) if stage.contract != LOCKED else set()
    if driver:
        wanted = {"walks_unlocked"}
        verdict = judge(static, {}, set(), callers)
        seen = verdict.contract == NEITHER and any(DRIVER[0] in text for text in verdict.look)
        results[f"{what}: the driver is found"] = \
            "" if seen else f"{verdict.sentence} {verdict.look}"
        static = static._replace(calls=[each for each in static.calls if each.file != DRIVER[0]])
    # Folios of a list of isolated ones: that nobody locked them cannot be proved either.
    told = unlocked | unsure if stage.contract != LOCKED else unlocked
    results[f"{what}: who walks unlocked"] = "" if told == wanted and unsure <= wanted else \
        f"{sorted(unlocked)}, cannot tell {sorted(unsure)}; must be {sorted(wanted)}"
    contract = judge(static, {}, set(), callers).contract
    should = NEITHER if stage.contract == NONE else stage.contract
    results[f"{what}: the verdict"] = "" if contract == should else f"{contract}, must be {should}"
    results[f"{what}: at most {TRUSTS} calls are trusted, and none in vain"] = \
        "" if len(trusted) <= TRUSTS and not static.unused else \
        f"{len(trusted)} are trusted, in vain {list(static.unused)}"
    if driver or stage.name == STOCK:
        came = try_defects(desk.repo, line.work.tree, desk.console)
        missed = [text for text in came if text.startswith("missed")]
        results[f"{what}: every one of {len(came)} defects by machine is seen"] = \
            "" if came and not missed else f"{len(missed)} are missed, {missed[:3]}"
    return results


def _semantic(desk: Desk, line: Line, stage: Stage, driver: bool, log: Path) -> str:
    """What is wrong with what the semantic patch finds in a stage; empty if nothing is."""
    names = [*SEMANTIC, "mm/memory-failure.c", "mm/vmscan.c", "mm/migrate.c", "mm/userfaultfd.c"]
    status = proc.run(["spatch", "-D", "report", "--very-quiet", "--no-includes", "--cocci-file",
                       str(desk.repo / "tools/coccinelle/rmap_walk_folio_lock.cocci"), *names,
                       *([DRIVER[0]] if driver else [])],
                      log, cwd=line.work.tree, limit=300, tick=desk.console.tick)
    found = re.findall(r"^(\S+?):\d+:\S* WARNING: ",
                       log.read_text(encoding="utf-8", errors="replace"), re.M)
    wanted = [DRIVER[0]] if driver else []
    if stage.contract != LOCKED:
        wanted += [name for name, count in SEMANTIC.items() for _ in range(count)]
    if status != 0:
        return f"spatch ended with {status}: {one_line(' '.join(proc.tail(log, 2)))}"
    return "" if sorted(found) == sorted(wanted) else \
        f"finds {sorted(found)}, must find {sorted(wanted)}"


def checks(desk: Desk) -> List[Check]:
    """Those of this file."""
    def of(name: str) -> Callable[[Desk], Tally]:
        return lambda each: sources(each, name)

    return [Check(f"check-{name}", f"the known answers of `check` for each stage of {name}",
                  of(name), 10, on_request=name != lines.default(desk.repo))
            for name in lines.names(desk.repo)]
