# SPDX-License-Identifier: GPL-2.0-only
"""Reads kernel logs: KTAP results and their notes, and unexpected splats."""

import re
from typing import Dict, List, NamedTuple, Optional

# What printk puts before a line: <level>, [time], [thread or CPU].
_PREFIX = re.compile(r"^(?:<\d+>)?(?:\[ *\d+\.\d+\] ?)?(?:\[ *[TC]\d+\] ?)?")

_CUT = "------------[ cut here ]------------"

# The line that names a report.
_TITLE = re.compile(
    r"^(?:"
    r"WARNING: |BUG: |kernel BUG at |Oops\b|Internal error: |general protection fault|"
    r"Unable to handle kernel |Kernel panic - not syncing|"
    r"UBSAN: |KASAN: |KCSAN: |KFENCE: |"
    r"INFO: task .* blocked for more than|INFO: (?:possible|suspicious|inconsistent) |"
    r"(?:rcu: )?INFO: rcu\w* .*stall|"
    r"watchdog: |NMI watchdog: |"
    r"(?:list_add|list_del) corruption|refcount_t: |"
    r"Bad page state|Bad rss-counter|"
    r"kmemleak: \d+ new suspected|"
    r"sleeping function called from invalid context|"
    r"=+\[ BUG: |=+\[ INFO: "
    r")")

# What goes on about a report that is open, rather than opening one.
_SEQUEL = re.compile(
    r"^(?:Oops\b|Internal error: |general protection fault|kernel BUG at |"
    r"WARNING: CPU: |Bad page state|"
    r"Kernel panic - not syncing: (?:Fatal exception|KASAN: |panic_on_warn|.*panic_on_warn))")

_END = re.compile(r"^(?:---\[ end |<?/TASK>?$| </TASK>$)")
_BAR = re.compile(r"^={20,}$")

# Harmless lines that look like a title.
_HARMLESS = re.compile(r"^(?:watchdog: (?:Delayed init|.*(?:enabled|disabled|NMI not))|"
                       r"NMI watchdog: (?:Enabled|Perf|.*disabled))")

_EXPECT = re.compile(r"#.*\bexpect splat (begin|end): *(.*?) *$")

#: Lines after which an open report without an end counts as over.
_SPAN = 120


class Splat(NamedTuple):
    """One report: its first telling line, its line number in the log, its head."""

    title: str
    number: int
    head: List[str]
    expected: bool


class _Open:
    """A report that is being read."""

    def __init__(self, number: int, allowed: List[str]) -> None:
        self.number = number
        self.allowed = allowed
        self.head: List[str] = []
        self.title: Optional[str] = None
        self.oops = False


def strip_prefix(line: str) -> str:
    """A log line without what printk puts before it."""
    return _PREFIX.sub("", line.rstrip("\r\n"), count=1)


def splats(text: str) -> List[Splat]:
    """Every report in a kernel log, each once, expected ones marked.

    A test that provokes a report says `expect splat begin: TEXT` before and
    `expect splat end: TEXT` after, in KTAP diagnostics.  A report in between
    whose head holds TEXT is expected.
    """
    found: List[Splat] = []
    allowed: List[str] = []
    report: Optional[_Open] = None
    ended_oops_at = -_SPAN

    def close() -> None:
        nonlocal report, ended_oops_at
        if report is None:
            return
        named = [line for line in [report.title or "", *report.head] if line and line != _CUT]
        title = named[0] if named else _CUT
        expected = any(want in line for want in report.allowed if want
                       for line in [*report.head, title])
        found.append(Splat(title.strip(), report.number, report.head, expected))
        if report.oops:
            ended_oops_at = number
        report = None

    number = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = strip_prefix(raw)
        bare = line.strip()
        note = _EXPECT.search(line)
        if note:
            close()
            if note.group(1) == "begin":
                allowed = [*allowed, note.group(2)]
            else:
                allowed = [want for want in allowed if want != note.group(2)]
            continue
        if report is not None and number - report.number > _SPAN:
            close()
        if bare == _CUT:
            if report is not None and number - report.number < 3 and "corruption" in (report.title or ""):
                # Data corruption is told in a line of its own before the BUG or WARNING.
                continue
            close()
            report = _Open(number, allowed)
            report.head.append(bare)
            continue
        # Titles stand at the start of a line; KTAP indents, so a test's own text is no title.
        if _TITLE.match(line) and not _HARMLESS.match(line):
            if report is not None and report.title is None:
                report.title = line
            elif report is not None and _SEQUEL.match(line) and number - report.number < 80:
                pass
            elif number - ended_oops_at < 30 and re.match(r"Kernel panic - not syncing: Fatal", line):
                continue
            else:
                close()
                report = _Open(number, allowed)
                report.title = line
            if re.match(r"BUG: |kernel BUG|Oops|general protection|Unable to handle|Internal error", line):
                report.oops = True
        if report is None:
            continue
        if len(report.head) < 4 and bare:
            report.head.append(line)
        # KASAN and KCSAN draw a bar after the report, lockdep one below its title.
        if _END.match(line) or _END.match(bare) or (
                _BAR.match(bare) and report.title is not None
                and re.match(r"BUG: K[AC]SAN", report.title)):
            close()
    close()
    return found


class Case(NamedTuple):
    """A test as the kernel log tells it: ok, not ok or skip."""

    status: str
    reason: str
    notes: List[str]


class Ktap(NamedTuple):
    """What a log's KTAP says.

    @planned is the number of suites that the kernel announced (None if it never
    got that far), @ended the number of suites that gave a result.
    """

    cases: Dict[str, Case]
    planned: Optional[int]
    ended: int

    @property
    def whole(self) -> bool:
        """Tell whether every suite that was announced gave its result."""
        return self.planned is not None and self.ended >= self.planned


_RESULT = re.compile(r"^( *)(ok|not ok) \d+ (?:- )?(\S+)(?: +# +(.*))?$")
_SUBTEST = re.compile(r"^( *)# Subtest: (\S+)")
_PLAN = re.compile(r"^( *)1\.\.(\d+)\s*$")
_FAILED_AT = re.compile(r"^ *# \S+: ((?:EXPECTATION|ASSERTION) FAILED at \S+)")


def ktap(text: str) -> Ktap:
    """Read the KTAP in a kernel log: suites at the margin, tests one step in."""
    cases: Dict[str, Case] = {}
    planned: Optional[int] = None
    ended = 0
    suite = ""
    notes: List[str] = []
    take = 0
    started = False
    for raw in text.splitlines():
        line = strip_prefix(raw)
        if re.match(r"^(?:KTAP|TAP) version", line):
            started = True
            continue
        if not started:
            continue
        match = _PLAN.match(line)
        if match and not match.group(1) and planned is None:
            planned = int(match.group(2))
            continue
        match = _SUBTEST.match(line)
        if match and len(match.group(1)) == 4:
            suite = match.group(2)
            notes, take = [], 0
            continue
        match = _FAILED_AT.match(line)
        if match and len(notes) < 8:
            notes.append(match.group(1))
            take = 4
            continue
        match = _RESULT.match(line)
        if match:
            take = 0
            depth, word, name, rest = len(match.group(1)), match.group(2), match.group(3), match.group(4) or ""
            if depth == 0:
                ended += 1
                suite = ""
            elif depth == 4 and suite:
                skip = re.match(r"SKIP\b *(.*)", rest)
                cases[f"{suite}.{name}"] = Case("skip" if skip else word,
                                                skip.group(1).strip() if skip else "", notes)
                notes = []
            continue
        if take and notes and line.strip() and not line.lstrip().startswith("#"):
            notes[-1] += " | " + " ".join(line.split())
            take -= 1
    return Ktap(cases, planned, ended)
