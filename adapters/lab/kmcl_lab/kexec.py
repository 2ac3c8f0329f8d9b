"""Starting the guest's kernel anew from itself (``kexec``): the machine, and its VMBus host, go on.

The new kernel is the one that the machine has booted; it is read where the machine shows it
(``vmm.shown``), and finds its file system there. The kernel that runs loads it
(``kexec_load``), says goodbye to its host in ``hv_machine_shutdown``, and jumps.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from .vmm.linux import COMMAND_LINE, ZERO_PAGE, loads, zero_page
from .vmm.shown import SIZES, Sizes, places

__all__ = ["TRAMPOLINE", "Segment", "checked", "leap", "prepare", "segments"]

TRAMPOLINE: Final = 0x8000
"""The page of the new kernel's first instructions, behind that of ``ZERO_PAGE``."""
_PAGE: Final = 4096
_KEXEC_LOAD, _REBOOT = 246, 169
"""System calls of x86-64."""
_X86_64: Final = 62 << 16
_MAGIC: Final = (0xFEE1DEAD, 0x28121969)
_LEAP: Final = 0x45584543
_MOVE_TO_RSI, _MOVE_TO_RAX, _JUMP_TO_RAX = b"\x48\xbe", b"\x48\xb8", b"\xff\xe0"


class Segment(ctypes.Structure):
    """``struct kexec_segment``: ``length`` bytes at ``place`` go to ``address``, where ``memory``
    bytes are taken; the rest of them is zero."""

    _fields_ = (
        ("place", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("address", ctypes.c_ulong),
        ("memory", ctypes.c_size_t),
    )


def segments(kernel: mmap.mmap, sizes: Sizes, command: bytes) -> tuple[list[Segment], list[Any]]:
    """What is loaded; and what must be kept until it is. ``command`` is the new command line.
    Raises LabProblem for a kernel that is no plain ELF file."""
    found, entry = loads(kernel)
    base = ctypes.addressof(ctypes.c_char.from_buffer(kernel))
    made = [
        Segment(base + load.offset, load.length, load.address, _whole(load.memory))
        for load in found
    ]
    _, initrd = places((sizes.kernel, sizes.initrd))
    code = _MOVE_TO_RSI + struct.pack("<Q", ZERO_PAGE) + _MOVE_TO_RAX + struct.pack("<Q", entry)
    pieces = {
        ZERO_PAGE: bytes(zero_page((initrd, sizes.initrd), sizes.memory)),
        TRAMPOLINE: code + _JUMP_TO_RAX,
        COMMAND_LINE: command + b"\0",
    }
    kept = []
    for address, data in pieces.items():
        copy = ctypes.create_string_buffer(data, len(data))
        kept.append(copy)
        made.append(Segment(ctypes.addressof(copy), len(data), address, _whole(len(data))))
    return made, [kept, kernel]


def _whole(length: int) -> int:
    return -(-length // _PAGE) * _PAGE


def prepare(
    call: Callable[..., int],
    environment: Mapping[str, str] = os.environ,
    *,
    memory: Path = Path("/dev/mem"),
    command: Path = Path("/proc/cmdline"),
) -> None:
    """Have the kernel load what it is to start. ``call`` is ``syscall`` of libc. Raises OSError,
    ENODEV in a machine that does not show what it has booted."""
    if SIZES not in environment:
        raise OSError(errno.ENODEV, "the machine does not show what it has booted")
    sizes = Sizes.read(environment[SIZES])
    (at, _) = places((sizes.kernel, sizes.initrd))
    descriptor = os.open(memory, os.O_RDONLY)
    try:
        kernel = mmap.mmap(
            descriptor,
            _whole(sizes.kernel),
            flags=mmap.MAP_PRIVATE,
            prot=mmap.PROT_READ | mmap.PROT_WRITE,  # of a private copy: ctypes wants to write
            offset=at,
        )
    finally:
        os.close(descriptor)
    made, _kept = segments(kernel, sizes, command.read_bytes().strip())
    table = (Segment * len(made))(*made)
    checked(call, _KEXEC_LOAD, TRAMPOLINE, len(made), ctypes.byref(table), _X86_64)


def leap(call: Callable[..., int]) -> None:
    """Start it. Returns only where that fails: raises OSError."""
    checked(call, _REBOOT, *_MAGIC, _LEAP, None)


def checked(call: Callable[..., int], *arguments: Any) -> None:
    """Make a call of the kernel. Raises OSError where it fails."""
    if call(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
