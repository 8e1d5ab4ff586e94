# SPDX-License-Identifier: GPL-2.0-only
"""The verb `test`."""
from pathlib import Path
from typing import Sequence

from .console import Console


def test(repo: Path, names: Sequence[str], only_list: bool, console: Console) -> int:
    """TODO"""
    raise NotImplementedError
