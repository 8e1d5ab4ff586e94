# SPDX-License-Identifier: GPL-2.0-only
"""What the verbs' command lines have in common."""

import argparse
import os
import re
from pathlib import Path
from typing import Callable, NamedTuple, NoReturn

from .console import Console
from .errors import Stop


class Tool(NamedTuple):
    """What every verb works with: the clone of the repository that it is in, and where to write."""

    repo: Path
    console: Console


class Parser(argparse.ArgumentParser):
    """argparse prints its usage and a second line: one line is what we want."""

    def error(self, message: str) -> NoReturn:
        raise Stop(f"{message}; see {self.prog} --help")


def count(what: str) -> Callable[[str], int]:
    """A type for argparse: a whole number above 0, of @what."""
    def read(text: str) -> int:
        if not text.isdigit() or int(text) == 0:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number of {what}")
        return int(text)

    return read


def target(text: str) -> str:
    """A type for argparse: a file, or - for standard output."""
    # `make TREE=~/linux` hands it on as it is where the shell is dash.
    return os.path.expanduser(text)


def path(text: str) -> Path:
    """A type for argparse: a file or directory."""
    return Path(target(text))


def kconfig(text: str) -> str:
    """A type for argparse: an entry of a kernel's configuration."""
    if not re.fullmatch(r"(?:CONFIG_\w+=\S.*|# CONFIG_\w+ is not set)", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not CONFIG_X=value")
    return text


def kernel(parser: argparse.ArgumentParser) -> None:
    """Add --kernel."""
    parser.add_argument("--kernel", metavar="LINE",
                        help="kernel line (default: the one that mm/patches marks as default)")


def stages(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --stage, which may be repeated."""
    parser.add_argument("--stage", dest="stages", action="append", default=[], metavar="NAME",
                        help=f"stage of the line's series; repeatable (default: {default})")


def tree(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """Add --tree."""
    parser.add_argument("--tree", type=path, metavar="DIR", required=required,
                        help="your own kernel tree; it is only read")


def timeout(parser: argparse.ArgumentParser) -> None:
    """Add --timeout."""
    parser.add_argument("--timeout", type=count("seconds"), metavar="SECONDS",
                        help="time limit of each guest")
