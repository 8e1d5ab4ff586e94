# SPDX-License-Identifier: GPL-2.0-only
"""What `check` found as SARIF 2.1.0, which editors and CI systems read."""

from typing import Any, Dict, List

from ..static.callers import UNLOCKED, UNPROVED, Call, Place, Way
from ..static.contract import Static, says

#: By status; where walks revalidate, an unlocked call is as it should be.
_LEVELS = {UNLOCKED: "error", UNPROVED: "warning"}
_RULE = "folio-lock-in-rmap-walk"


def log(static: Static, revalidates: bool) -> Dict[str, Any]:
    """One run, with a result for each call that is not proved or trusted."""
    levels = {status: "note" if revalidates else level for status, level in _LEVELS.items()}
    return {
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "locked-rmap check",
                "rules": [{
                    "id": _RULE,
                    "shortDescription": {
                        "text": "A reverse-map walk of an anonymous folio needs the folio lock."},
                }],
            }},
            "originalUriBaseIds": {"TREE": {"description": {"text": "The top of the kernel tree"}}},
            "results": [_result(call, levels[call.status]) for call in static.of(*levels)],
        }],
    }


def _result(call: Call, level: str) -> Dict[str, Any]:
    way = next(iter(call.key_ways()), None)
    text = f"{says(call)}: {call.status}"
    if way is not None and way.evidence:
        text += f"; {way.evidence[0]}"
    result: Dict[str, Any] = {
        "ruleId": _RULE,
        "level": level,
        "message": {"text": text + (f"; {call.note}" if call.note else "")},
        "locations": [_location(call.file, call.line, "")],
    }
    if way is not None:
        result["codeFlows"] = [{"threadFlows": [{"locations": [
            {"location": each} for each in _flow(call, way)]}]}]
    return result


def _flow(call: Call, way: Way) -> List[Dict[str, Any]]:
    """From where the folio is unlocked or comes from, to the guilty call, to the walk."""
    def at(place: Place) -> Dict[str, Any]:
        return _location(place.file, place.line, place.says)

    return [*map(at, way.evidence), _location(call.file, call.line, says(call)),
            *(_location(hop.file, hop.line, f"{hop.function}() calls {hop.callee}()")
              for hop in call.walk)]


def _location(file: str, line: int, text: str) -> Dict[str, Any]:
    found: Dict[str, Any] = {"physicalLocation": {
        "artifactLocation": {"uri": file, "uriBaseId": "TREE"},
        "region": {"startLine": max(line, 1)}}}
    if text:
        found["message"] = {"text": text}
    return found
