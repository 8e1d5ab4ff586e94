# SPDX-License-Identifier: GPL-2.0-only
"""Writes the archive that a kernel unpacks into its first file system.

The format is in Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from typing import Mapping

#: A file that everybody may run.
MODE = 0o100755


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    encoded = name.encode() + b"\0"
    # inode, mode, uid, gid, nlink, mtime, size, device of the file, device it is,
    # name's length, checksum
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    return _pad(head) + _pad(data)


def _pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def archive(contents: Mapping[str, bytes]) -> bytes:
    """An archive of files; the same input gives the same bytes: owners and times are all 0."""
    return b"".join(_entry(number, name, MODE, data)
                    for number, (name, data) in enumerate(contents.items(), 1)
                    ) + _entry(0, "TRAILER!!!", 0, b"")
