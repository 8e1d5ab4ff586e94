# SPDX-License-Identifier: GPL-2.0-only
"""What must hold of the benchmark's figures, and whether it does."""

from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..base.errors import BROKEN, HOLDS, Stop
from ..base.results import Verdict, plural, some
from ..kernel.series import LOCKED, STOCK, Series
from .figures import CONTENTION, SKIPPED, Stages, describe, kind, missing, names

#: The file of a line that says how many instructions moving a page may take.
CEILINGS = "bounds"
#: Percent by which a walk may cost more than on stock.
WALKS_MAY_ADD = 5
WALKS = ("walk.referenced", "walk.page-idle", "walk.damon-young", "walk.damon-mkold")
#: What must have been measured where a move is held to what it costs elsewhere.
MOVES = ("move.1", "move.16", "move.512")
#: What must have been tried where a move takes no anon_vma lock, and what then is 0.
CONTENDED = tuple(f"{what}{pages}.{threads}" for what in ("alone", "page-idle", "damon")
                  for pages in ("", ".thp") for threads in (2, 4, 8))
COUNTED = ("acquisitions", "contentions")


class Bound(NamedTuple):
    """Something that must hold of a figure on a stage.

    @limit is None if it could not be told, and so is @value; @why then says why.
    @missing: it should have been there.
    """

    figure: str
    stage: str
    words: str
    value: Optional[int]
    limit: Optional[int]
    why: str = ""
    missing: bool = False

    @property
    def holds(self) -> Optional[bool]:
        """Whether it holds; None if it was not measured."""
        return None if self.value is None or self.limit is None else self.value <= self.limit

    def sentence(self) -> str:
        """One line for people, of what was measured."""
        return (f"{describe(self.figure)} ({self.figure}) on {self.stage}: {self.value}, "
                f"must be {self.words}")


def ceilings(series: Series) -> Optional[Dict[Tuple[str, str], int]]:
    """The most that a line allows, by stage and figure; None if nothing need hold there.

    One `STAGE FIGURE MOST` a line of its file, `#` starts a comment.
    """
    path = series.directory / CEILINGS if series.directory else None
    if path is None or not path.is_file():
        return None
    known = [stage.name for stage in series.stages]
    found: Dict[Tuple[str, str], int] = {}
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = text.split("#")[0].split()
        if words and (len(words) != 3 or words[0] not in known or not words[2].isdigit()):
            raise Stop(f"{path}:{number}: not 'STAGE FIGURE MOST' with a stage of this line; "
                       "correct the file")
        if words:
            found[words[0], words[1]] = int(words[2])
    return found


def bounds(stages: Stages, series: Series, contention: bool) -> List[Bound]:
    """All that must hold on @stages; @contention: the guests with two CPUs were asked for."""
    most = ceilings(series)
    if most is None:
        return []
    found: List[Bound] = []
    every = names(stages)
    moves = [name for name in every if name.startswith("move.")] or MOVES
    waits = dict.fromkeys([f"{CONTENTION}.{what}.{each}" for what in CONTENDED for each in COUNTED]
                          + [name for name in every if kind(name) == CONTENTION
                             and name.split(".")[-1] in COUNTED])
    # Stock may have no UFFDIO_MOVE: then the last stage before locked walks is the measure.
    older = [each.name for each in series.stages if each.contract != LOCKED]
    for stage in [each for each in series.stages if each.name in stages]:
        found += [_bound(stages, stage.name, figure, f"at most {limit}", limit)
                  for (on, figure), limit in most.items() if on == stage.name]
        if older and stage == series.first(LOCKED):
            found += [_beside(stages, stage.name, name, older, 0) for name in moves]
        if stage.name != STOCK:
            found += [_beside(stages, stage.name, name, [STOCK], WALKS_MAY_ADD) for name in WALKS]
        if stage.contract == LOCKED:
            found += [_bound(stages, stage.name, name, "0", 0) if contention else
                      Bound(name, stage.name, "0", None, 0,
                            "the guests with two CPUs were left out") for name in waits]
    return found


def _bound(stages: Stages, stage: str, name: str, words: str, limit: int) -> Bound:
    value = stages[stage].value(name)
    why = "" if value is not None else missing(stages, stage, name)
    return Bound(name, stage, words, value, limit, why, value is None)


def _beside(stages: Stages, stage: str, name: str, bases: Sequence[str], percent: int) -> Bound:
    """@name costs at most @percent more on @stage than on the first of @bases that has it."""
    more = f" + {percent} %" if percent else ""
    why = ""
    for base in bases:
        value = stages[base].value(name) if base in stages else None
        if value is not None:
            limit = value * (100 + percent) // 100
            return _bound(stages, stage, name, f"at most {limit} ({base}'s {value}{more})", limit)
        why = f"{base} was not run" if base not in stages else \
            f"{base} has none: {missing(stages, base, name)}"
    here = _bound(stages, stage, name, f"at most {bases[0]}'s{more}", 0)
    return here if here.missing else here._replace(value=None, limit=None, why=why)


def gaps(stages: Stages, held: Sequence[Bound]) -> Mapping[Tuple[str, str], List[str]]:
    """The figures that should be there, by stage and reason.

    On another stage they are, or a bound is about them.
    """
    found: Dict[Tuple[str, str], List[str]] = {}
    for stage, here in stages.items():
        bound = [each.figure for each in held if each.missing and each.stage == stage]
        for name in dict.fromkeys([*names(stages), *bound]):
            if here.runs(name) and here.value(name) is None:
                why = missing(stages, stage, name)
                if name in bound or not why.startswith(SKIPPED):
                    found.setdefault((stage, why), []).append(name)
    return found


def shortcomings(stages: Stages, held: Sequence[Bound]) -> List[str]:
    """What went wrong in the guests themselves, a line each."""
    wrong: List[str] = []
    for stage, here in stages.items():
        wrong += [f"{stage}: {text}" for text in here.trouble]
        for name, guest in here.guests.items():
            told = [guest.died] if guest.died else [] if guest.tests else ["no test reported"]
            if guest.failed:
                told.append(f"{len(guest.failed)} of {len(guest.tests)} tests fail "
                            f"({some(guest.failed)})")
            if guest.unexpected:
                told.append(f"{plural(len(guest.unexpected), 'unexpected splat')} "
                            f"({some([splat.title for splat in guest.unexpected])})")
            wrong += [f"{stage}, {name}: {text}" for text in told]
        for count, did in here.compacted.items():
            wrong += [f"{stage}, compacting on {plural(count, 'CPU')}: {text}"
                      for text in did.wrong]
    return wrong + [f"{stage} lacks {plural(len(lost), 'figure')} ({some(lost)}): {why}"
                    for (stage, why), lost in gaps(stages, held).items()]


def judge(version: str, stages: Stages, held: Sequence[Bound]) -> Verdict:
    """Decide whether what was measured is as it must be."""
    wrong = len(shortcomings(stages, held))
    broken = [bound.holds for bound in held].count(False)
    kept = [bound.holds for bound in held].count(True)
    lost = [bound.missing for bound in held].count(True)
    counts = ((kept, "hold"), (broken, "broken"), (lost, "could not be measured"),
              (len(held) - kept - broken - lost, "not measured"))
    told = f"{len(held)} bounds on Linux {version}: " \
        + ", ".join(f"{count} {words}" for count, words in counts if count)
    if wrong or broken or lost:
        parts = [*([f"{plural(wrong, 'thing')} went wrong"] if wrong else []),
                 *([told] if held else [])]
        return Verdict(BROKEN, f"Not as it must be: {'; '.join(parts)}.")
    if not held:
        return Verdict(HOLDS, f"Measured; there are no bounds for {', '.join(stages)} alone.")
    return Verdict(HOLDS, f"{told}.")
