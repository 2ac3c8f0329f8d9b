"""Starting Linux directly: the 64-bit boot protocol of ``Documentation/arch/x86/boot.rst``."""

from __future__ import annotations

import struct
from mmap import mmap
from typing import Final, NamedTuple

from kmcl_lab.problem import LabProblem

__all__ = [
    "ACPI_BASE",
    "COMMAND_LINE",
    "GDT",
    "PAGE_TABLES",
    "ZERO_PAGE",
    "Load",
    "Start",
    "boot_state",
    "layout",
    "loads",
    "zero_page",
]

ZERO_PAGE: Final = 0x7000
PAGE_TABLES: Final = 0x9000
GDT: Final = 0x500
ACPI_BASE: Final = 0xE0000
COMMAND_LINE: Final = 0x20000
_LONGEST_COMMAND_LINE: Final = 0x10000
_HIGH: Final = 0x100000
_LOW_END: Final = 0x9FC00
_RAM, _RESERVED = 1, 2
_ELF: Final = b"\x7fELF"
_LOADED: Final = 1
_HEADER: Final = 0x1F1
_CODE, _DATA = 0x10, 0x18


class Start(NamedTuple):
    """Where everything goes (address and bytes), and the first instruction."""

    pieces: list[tuple[int, bytes | memoryview]]
    entry: int


class Load(NamedTuple):
    """A piece of a plain ELF kernel: where it goes, where it lies in the file, the bytes it has
    there, and those it takes."""

    address: int
    offset: int
    length: int
    memory: int


def loads(kernel: bytes | mmap) -> tuple[list[Load], int]:
    """The pieces of a plain ELF kernel, and the address of its first instruction. Raises
    LabProblem."""
    if kernel[: len(_ELF)] != _ELF:
        raise LabProblem("the kernel is no plain ELF file: build the images anew")
    entry, table = struct.unpack_from("<QQ", kernel, 24)
    size, count = struct.unpack_from("<HH", kernel, 54)
    found = []
    for number in range(count):
        kind, _, offset, _, address, length, memory = struct.unpack_from(
            "<IIQQQQQ", kernel, table + number * size
        )
        if kind == _LOADED:
            found.append(Load(address, offset, length, memory))
    return found, entry


def zero_page(initrd: tuple[int, int], memory: int) -> bytearray:
    """What a kernel is told of its machine of ``memory`` bytes, with its command line at
    ``COMMAND_LINE``; ``initrd``: address and length."""
    page = bytearray(4096)
    page[0x202:0x208] = b"HdrS\x0c\x02"
    page[0x210] = 0xFF  # a boot loader without a number
    struct.pack_into("<II", page, 0x218, *initrd)
    struct.pack_into("<I", page, 0x228, COMMAND_LINE)
    struct.pack_into("<Q", page, 0x70, ACPI_BASE)
    zones = [
        (0, _LOW_END, _RAM),
        (ACPI_BASE, _HIGH - ACPI_BASE, _RESERVED),
        (_HIGH, memory - _HIGH, _RAM),
    ]
    page[0x1E8] = len(zones)
    for number, zone in enumerate(zones):
        struct.pack_into("<QQI", page, 0x2D0 + 20 * number, *zone)
    return page


def layout(kernel: bytes | mmap, initrd: bytes | mmap, command: str, memory: int) -> Start:
    """Of a kernel (plain ELF or bzImage), its first file system and its command line, in
    ``memory`` bytes. The files are not copied. Raises LabProblem for what cannot be booted."""
    header = b""
    view = memoryview(kernel)
    pieces: list[tuple[int, bytes | memoryview]]
    if kernel[: len(_ELF)] == _ELF:
        found, entry = loads(kernel)
        pieces = [(load.address, view[load.offset : load.offset + load.length]) for load in found]
    elif kernel[0x202:0x206] == b"HdrS":
        setup = ((kernel[_HEADER] or 4) + 1) * 512
        header = kernel[_HEADER : 0x202 + kernel[0x201]]
        pieces, entry = [(_HIGH, view[setup:])], _HIGH + 0x200
    else:
        raise LabProblem("the kernel is neither an ELF file nor a bzImage: build the images anew")
    initrd_at = (memory - len(initrd)) & ~0xFFFFF
    kernel_end = max(address + len(data) for address, data in pieces)
    line = command.encode() + b"\0"
    if initrd_at < kernel_end + (64 << 20) or len(line) > _LONGEST_COMMAND_LINE:
        raise LabProblem(f"{memory >> 20} MiB of memory are too few for this kernel and its files")
    page = zero_page((initrd_at, len(initrd)), memory)
    for place, byte in enumerate(header, start=_HEADER):
        if not page[place]:
            page[place] = byte
    pieces += [(ZERO_PAGE, bytes(page)), (COMMAND_LINE, line)]
    pieces += [(initrd_at, memoryview(initrd)), *_processor_tables()]
    return Start(pieces, entry)


def _processor_tables() -> list[tuple[int, bytes]]:
    """An identity map of the first 4 GiB in pages of 2 MiB, and flat segments."""
    flags = 3  # present, writable
    directories = [PAGE_TABLES + 0x2000 + 0x1000 * n for n in range(4)]
    pages = struct.pack("<2048Q", *(n << 21 | 0x80 | flags for n in range(2048)))
    return [
        (PAGE_TABLES, struct.pack("<Q", PAGE_TABLES + 0x1000 | flags)),
        (PAGE_TABLES + 0x1000, struct.pack("<4Q", *(d | flags for d in directories))),
        (directories[0], pages),
        (GDT, struct.pack("<4Q", 0, 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF)),
    ]


def _segment(selector: int, kind: int, is_long: int, is_32: int) -> bytes:
    # base, limit, selector, type, present, DPL, DB, S, L, G, AVL, unusable, padding
    return struct.pack(
        "<QIH10B", 0, 0xFFFFFFFF, selector, kind, 1, 0, is_32, 1, is_long, 1, 0, 0, 0
    )


def boot_state(sregs: bytearray, entry: int) -> bytes:
    """Change the special registers to 64-bit mode; the general ones that go with them."""
    sregs[0:24] = _segment(_CODE, 11, 1, 0)
    for number in range(1, 6):
        sregs[24 * number : 24 * number + 24] = _segment(_DATA, 3, 0, 1)
    struct.pack_into("<QH6xQH6x", sregs, 192, GDT, 31, 0, 0)  # GDT and IDT
    paging_and_protection, physical_extension, long_mode = 0x80050033, 0x20, 0x500
    control = (paging_and_protection, 0, PAGE_TABLES, physical_extension, 0, long_mode)
    struct.pack_into("<6Q", sregs, 224, *control)  # CR0 CR2 CR3 CR4 CR8 EFER
    registers = [0] * 18
    registers[4], registers[16], registers[17] = ZERO_PAGE, entry, 2  # RSI, RIP, RFLAGS
    return struct.pack("<18Q", *registers)
