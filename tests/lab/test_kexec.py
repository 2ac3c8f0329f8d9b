"""Starting the guest's kernel anew from itself, with files for the machine's memory."""

import ctypes
import errno
import mmap
import struct
from pathlib import Path
from typing import Any

import pytest

from kmcl_lab import kexec
from kmcl_lab.kexec import TRAMPOLINE, Segment
from kmcl_lab.problem import LabProblem
from kmcl_lab.vmm import linux, shown
from kmcl_lab.vmm.shown import Sizes, places

MIB = 1 << 20
PAGE = 4096


def elf(*pieces: tuple[int, bytes, int], entry: int = 0x1000123) -> bytes:
    """A kernel of pieces: where each goes, its bytes, the bytes it takes."""
    table, data = b"", b""
    for address, content, memory in pieces:
        place = 64 + 56 * len(pieces) + len(data)
        table += struct.pack(
            "<IIQQQQQQ", 1, 5, place, 0xFFFF << 48, address, len(content), memory, PAGE
        )
        data += content
    head = bytearray(64)
    head[:4] = b"\x7fELF"
    struct.pack_into("<QQ", head, 24, entry, 64)
    struct.pack_into("<HH", head, 54, 56, len(pieces))
    return bytes(head) + table + data


KERNEL = elf((0x1000000, b"text" * 2000, 8000), (0x2000000, b"data", 3 * PAGE))
SIZES = Sizes(256 * MIB, len(KERNEL), 52_000_001)


def mapped(data: bytes) -> mmap.mmap:
    memory = mmap.mmap(-1, len(data))
    memory[:] = data
    return memory


def test_files_lie_one_after_the_other_on_large_pages() -> None:
    large = 0x200000
    assert places((1, large, large + 1, 5)) == [
        0xE0000000,
        0xE0200000,
        0xE0400000,
        0xE0800000,
    ]


def test_sizes_are_read_as_they_were_written() -> None:
    name, _, text = SIZES.word().partition("=")

    assert (name, Sizes.read(text)) == (shown.SIZES, SIZES)
    for wrong in ("", "1,2", "1,2,x", "1,2,0"):
        with pytest.raises(ValueError, match=r"sizes|invalid literal"):
            Sizes.read(wrong)


def test_every_piece_of_the_kernel_goes_to_its_place_and_takes_whole_pages() -> None:
    made, _kept = kexec.segments(mapped(KERNEL), SIZES, b"quiet")
    text, data = made[:2]

    assert [(s.address, s.length, s.memory) for s in (text, data)] == [
        (0x1000000, 8000, 2 * PAGE),
        (0x2000000, 4, 3 * PAGE),
    ]
    assert [ctypes.string_at(s.place, 4) for s in (text, data)] == [b"text", b"data"]


def test_the_new_kernel_is_told_of_its_machine_its_files_and_its_command_line() -> None:
    made, _kept = kexec.segments(mapped(KERNEL), SIZES, b"quiet")
    small = {s.address: ctypes.string_at(s.place, s.length) for s in made[2:]}
    page = small[linux.ZERO_PAGE]
    _, files = places((SIZES.kernel, SIZES.initrd))

    assert struct.unpack_from("<II", page, 0x218) == (files, SIZES.initrd)
    assert struct.unpack_from("<I", page, 0x228) == (linux.COMMAND_LINE,)
    assert small[linux.COMMAND_LINE] == b"quiet\0"
    assert page == bytes(linux.zero_page((files, SIZES.initrd), SIZES.memory))
    jump = b"\x48\xbe" + struct.pack("<Q", linux.ZERO_PAGE) + b"\x48\xb8"
    assert small[TRAMPOLINE] == jump + struct.pack("<Q", 0x1000123) + b"\xff\xe0"
    assert all(s.address % PAGE == s.memory % PAGE == 0 for s in made)


def test_a_compressed_kernel_is_refused_in_words() -> None:
    with pytest.raises(LabProblem, match="no plain ELF file"):
        kexec.segments(mapped(b"MZ" * 5000), SIZES, b"")


class Kernel:
    """The kernel that runs: what it was called for, and what it answers."""

    def __init__(self, root: Path) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.loaded: list[tuple[int, int]] = []
        self.result = 0
        self.command = root / "cmdline"
        self.command.write_bytes(b"console=ttyS0 quiet\n")
        self.memory = root / "mem"
        with self.memory.open("wb") as file:  # nothing but the kernel is written: it is sparse
            file.seek(shown.BASE)
            file.write(KERNEL.ljust(-(-len(KERNEL) // PAGE) * PAGE, b"\0"))

    def call(self, number: int, *arguments: Any) -> int:
        if number == 246:
            entry, count, table, flags = arguments
            made = ctypes.cast(table, ctypes.POINTER(Segment))
            self.loaded = [(made[n].address, made[n].length) for n in range(count)]
            arguments = (entry, count, flags)
        self.calls.append((number, *arguments))
        return self.result


def test_the_kernel_is_read_where_the_machine_shows_it_and_loaded(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    environment = {shown.SIZES: SIZES.word().partition("=")[2]}
    kexec.prepare(kernel.call, environment, memory=kernel.memory, command=kernel.command)
    kexec.leap(kernel.call)

    assert kernel.calls == [
        (246, TRAMPOLINE, 5, 62 << 16),
        (169, 0xFEE1DEAD, 0x28121969, 0x45584543, None),
    ]
    assert kernel.loaded[:2] == [(0x1000000, 8000), (0x2000000, 4)]


def test_what_the_kernel_refuses_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(tmp_path)
    kernel.result = -1
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.EPERM)

    with pytest.raises(PermissionError):
        kexec.leap(kernel.call)
