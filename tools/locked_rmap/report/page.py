# SPDX-License-Identifier: GPL-2.0-only
"""The results of a verb as one HTML page that needs nothing else, and charts."""

import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from ..base import files
from ..base.errors import Stop
from ..base.options import Tool
from ..base.results import CRASH, FAIL, PASS, SKIP, SUITES, relative
from ..kernel import packages

#: What a result is to the reader, in the order of the bars.
KINDS = {"good": "pass", "warn": "fail as they may", "bad": "wrong", "none": "skipped"}
#: What is said of a test that says nothing itself.
SILENT = {SKIP: "no reason given", FAIL: "see the kernel log",
          CRASH: "no result: the guest ended or hung before this test did"}


class Column(NamedTuple):
    """What a guest came to, as Outcome.value() has it."""

    name: str
    outcome: Mapping[str, Any]
    #: The tests that must fail there; @lenient: others may.
    must_fail: Sequence[str] = ()
    lenient: bool = False

    def kind(self, test: str) -> str:
        """What the result of a test is to the reader, one of KINDS."""
        status = self.outcome["tests"].get(test, SKIP)
        if status in (FAIL, CRASH):
            return "warn" if self.lenient or test in self.must_fail else "bad"
        return "none" if status == SKIP else "bad" if test in self.must_fail else "good"

    def note(self, test: str) -> str:
        """Why a test did not pass."""
        status = self.outcome["tests"].get(test, PASS)
        if status == SKIP:
            return f"skipped: {self.outcome['skips'].get(test) or SILENT[SKIP]}"
        told = self.outcome["notes"].get(test, ())
        return "\n".join(told) or SILENT[status] if status in (FAIL, CRASH) else ""


def columns(name: str, value: Mapping[str, Any]) -> List[Column]:
    """The guests that ran the suites for the verb @name."""
    if name == "run":
        known = value["must_fail"]
        return [Column(stage, guests[SUITES], known.get(stage, ()),
                       stage not in known and stage != list(value["stages"])[-1])
                for stage, guests in value["stages"].items()]
    # A tree honours one contract: that it fails the other's tests is how it should be.
    return [Column(f"{arch}, {contract}", outcome,
                   lenient=value["contract"] not in (contract, "neither"))
            for arch, by_contract in value.get("runs", {}).items()
            for contract, outcome in by_contract.items()]


def suites(shown: Sequence[Column]) -> List[Dict[str, Any]]:
    """Every test, by suite: what it came to on each column, and why it did not pass."""
    found: Dict[str, Dict[str, Any]] = {}
    for test in dict.fromkeys(test for column in shown for test in column.outcome["tests"]):
        name, _, rest = test.partition(".")
        suite = found.setdefault(name, {"name": name, "tests": [], "counts": [
            dict.fromkeys(KINDS, 0) for _ in shown]})
        statuses = [column.outcome["tests"].get(test, "") for column in shown]
        notes: Dict[str, List[str]] = {}
        for column, status, counts in zip(shown, statuses, suite["counts"]):
            if status:
                counts[column.kind(test)] += 1
            if column.note(test):
                notes.setdefault(column.note(test), []).append(column.name)
        suite["tests"].append({
            "name": rest, "notes": notes,
            "cells": [(column.kind(test), status) for column, status in zip(shown, statuses)],
            "status": [*(["differs"] if len(set(statuses)) > 1 else []),
                       *(["failed"] if {FAIL, CRASH} & set(statuses) else []),
                       *(["skipped"] if SKIP in statuses else [])]})
    return list(found.values())


def render(template: str, **values: Any) -> str:
    """A file of templates/ with @values filled in."""
    try:
        import jinja2  # pylint: disable=import-outside-toplevel
    except ImportError as err:
        raise Stop(f"{sys.executable} does not find Debian's python3-jinja2: "
                   "run the tool with /usr/bin/python3") from err
    where = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
    jinja = jinja2.Environment(loader=where, autoescape=True, undefined=jinja2.StrictUndefined,
                               trim_blocks=True, lstrip_blocks=True)
    return jinja.get_template(template).render(values)


def html(name: str, value: Mapping[str, Any]) -> str:
    """The page of the verb @name for the @value of its Results."""
    shown = [] if name == "bench" else columns(name, value)
    return render(f"{name}.html.j2", value=value, columns=shown, kinds=KINDS, suites=suites(shown))


def write(tool: Tool, target: Path, name: str, value: Mapping[str, Any]) -> None:
    """Write html() to @target, and say so."""
    packages.need(tool.console, packages.PAGE)
    files.write_target(target, html(name, value))
    tool.console.line(f"page: {relative(target.absolute())}")
