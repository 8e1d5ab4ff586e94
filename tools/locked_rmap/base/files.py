# SPDX-License-Identifier: GPL-2.0-only
"""Files that are either the old or the new, and locks."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any, Iterator, Union

from .console import Console
from .errors import Stop


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace @path by a file of @data, or leave it as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name(f".{path.name}.tmp{os.getpid()}")
    try:
        with open(temp, "wb") as out:
            out.write(data)
        os.chmod(temp, mode)
        os.replace(temp, path)
    except BaseException as err:
        if isinstance(err, OSError) and err.filename is None:
            # An error in writing names no file.
            err.filename = str(path)
        with contextlib.suppress(OSError):
            temp.unlink()
        raise


def check_target(option: str, target: Union[None, str, Path]) -> None:
    """Raise Stop if no file can be made of @target, which was given with @option; - is standard output."""
    if target is None or target == "-":
        return
    path = Path(target).absolute()
    if not path.parent.is_dir():
        raise Stop(f"there is no directory {path.parent} for {option}: make it")
    if path.is_dir():
        raise Stop(f"{target} is a directory: give {option} a file")


def write_json(path: Path, value: Any) -> None:
    """Replace @path by @value as JSON, atomically."""
    write_atomic(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """The JSON value in @path, None if there is none or it cannot be parsed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def full(where: Path, text: str) -> bool:
    """Tell whether a command failed for want of disk space.

    @text is what it said.  Its log may lie on the very disk that is full, and
    then says nothing: so look at the disk under @where too.
    """
    return (re.search(r"No space left on device|Disk quota exceeded", text) is not None
            or shutil.disk_usage(where).free < 16 << 20)


def sha256(path: Path) -> str:
    """The SHA256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as data:
        for block in iter(lambda: data.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def remove_tree(path: Path) -> None:
    """Remove a directory tree or a file; a missing one is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        if path.exists() or path.is_symlink():
            path.unlink()


@contextlib.contextmanager
def locked(path: Path, what: str, console: Console, limit: float) -> Iterator[None]:
    """Hold an exclusive lock on @path.

    Somebody else's run may hold it: say so, wait at most @limit seconds, then
    raise Stop.  The kernel drops the lock when the holder dies, so there is
    never one to clean up by hand.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as handle:
        end = time.monotonic() + limit
        told = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise Stop(f"another run is using {what} and did not finish within "
                               f"{limit:.0f} s: wait for it, then run again") from None
                if not told:
                    console.line(f"another run is using {what}: waiting for it")
                    told = True
                time.sleep(0.2)
        yield
