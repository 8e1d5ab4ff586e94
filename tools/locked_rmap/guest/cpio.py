# SPDX-License-Identifier: GPL-2.0-only
"""Writes the archive that a kernel unpacks into its first file system.

The format is in Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from typing import Mapping, Sequence

_FILE, _DIRECTORY = 0o100000, 0o040000


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    encoded = name.encode() + b"\0"
    # inode, mode, uid, gid, nlink, mtime, size, device of the file, device it is, name's length, checksum
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    return _pad(head) + _pad(data)


def _pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def archive(directories: Sequence[str], programs: Mapping[str, bytes]) -> bytes:
    """An archive of @directories, and of @programs, which everybody may run.

    The same input gives the same bytes: owners and times are all 0.
    """
    parts = [_entry(number, name, _DIRECTORY | 0o755, b"") for number, name in enumerate(directories, 1)]
    parts += [_entry(number, name, _FILE | 0o755, data)
              for number, (name, data) in enumerate(programs.items(), len(parts) + 1)]
    return b"".join(parts) + _entry(0, "TRAILER!!!", 0, b"")
