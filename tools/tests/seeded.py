# SPDX-License-Identifier: GPL-2.0-only
"""Files of seeded defects for tests."""

from typing import Dict, Optional

HEADER = {
    "Breaks": "the lock is held\n for the whole of the walk.",
    "Hurts": "Pages are lost.",
    "Caught-by": "s.two",
    "Arch": "um x86_64",
}


def diff(new: str, number: int = 15, path: str = "mm/rmap.c") -> str:
    """A diff that makes line @number of mm/rmap.c read @new."""
    before, after = ("".join(f" line {near}\n" for near in nearby) for nearby in (
        range(number - 2, number), range(number + 1, number + 3)))
    return (f"--- a/{path}\n+++ b/{path}\n@@ -{number - 2},5 +{number - 2},5 @@\n"
            f"{before}-line {number}\n+{new}\n{after}")


def text(new: str = "defect", **fields: Optional[str]) -> str:
    """A mutant's file; @fields replace those of HEADER, None leaves one out."""
    header: Dict[str, Optional[str]] = {
        **HEADER, **{key.replace("_", "-"): value for key, value in fields.items()}}
    return "".join(f"{key}: {value}\n" for key, value in header.items() if value is not None) \
        + "\n" + diff(new)
