"""Initial RAM file systems: a folder as a cpio archive in the format *newc*.

The same folder gives the same bytes: names are sorted, times are 0, everything belongs to root.
The format is that of the kernel's ``Documentation/driver-api/early-userspace/buffer-format.rst``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["pack"]

_MAGIC = "070701"
_TRAILER = "TRAILER!!!"
_NAME_LIMIT = 4096
_SIZE_LIMIT = 0xFFFFFFFF


def pack(root: Path, out: BinaryIO) -> int:
    """Write everything below ``root`` as one archive; gives its length in bytes.

    Files, folders and symbolic links are kept with their permissions. Raises ValueError for
    anything else, and for a name or a file that the format has no room for.
    """
    length = 0
    for number, path in enumerate(_below(root), start=1):
        name = path.relative_to(root).as_posix()
        length += _write_entry(out, number, name, path)
    return length + _write(out, _header(0, _TRAILER, 0, 0), b"")


def _below(folder: Path) -> Iterator[Path]:
    """Everything in the folder, each folder before what is in it."""
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)


def _write_entry(out: BinaryIO, number: int, name: str, path: Path) -> int:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        data = os.fsencode(os.readlink(path))
    elif stat.S_ISREG(mode):
        data = path.read_bytes()
    elif stat.S_ISDIR(mode):
        data = b""
    else:
        raise ValueError(f"{path}: neither a file nor a folder nor a symbolic link")
    if len(os.fsencode(name)) >= _NAME_LIMIT or len(data) > _SIZE_LIMIT:
        raise ValueError(f"{path}: too long for the archive")
    return _write(out, _header(number, name, mode, len(data)), data)


def _header(number: int, name: str, mode: int, size: int) -> bytes:
    encoded = os.fsencode(name) + b"\0"
    fields = (number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(encoded), 0)
    return (_MAGIC + "".join(f"{field:08X}" for field in fields)).encode() + encoded


def _write(out: BinaryIO, *parts: bytes) -> int:
    """Write the parts, each filled up to a multiple of four bytes."""
    return sum(out.write(part + b"\0" * (-len(part) % 4)) for part in parts)
