"""What the machine shows to its guest behind its memory: files that can be read there.

A guest finds its own kernel and file system so, to start them anew by itself (``kexec``): nothing
has to be carried into it. Where they lie follows from their sizes, which its command line tells
(``SIZES``), and with them those of its memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["BASE", "SIZES", "Sizes", "places", "whole"]

BASE: Final = 0xE0000000
"""No memory, no device of the machine and no interrupt controller lies from here to 3.9 GiB."""
SIZES: Final = "kmcl_sizes"
"""Of the guest's command line: its first program finds it among its variables."""
_PAGE: Final = 1 << 21
"""A large one: where both lie on such boundaries KVM needs one nested page fault for it instead of
512, of which another kernel's start would have 30,000."""


class Sizes(NamedTuple):
    """In bytes: the machine's memory, the kernel's file, the file system's."""

    memory: int
    kernel: int
    initrd: int

    @classmethod
    def read(cls, text: str) -> Sizes:
        """From the command line's word behind ``SIZES=``. Raises ValueError."""
        numbers = [int(word) for word in text.split(",")]
        if len(numbers) != len(cls._fields) or min(numbers) <= 0:
            raise ValueError(f"{text!r}: not three sizes")
        return cls(*numbers)

    def word(self) -> str:
        """For the command line."""
        return f"{SIZES}={','.join(map(str, self))}"


def places(sizes: Sequence[int]) -> list[int]:
    """The address of each file, by their sizes in bytes: one after the other, on large pages."""
    found, place = [], BASE
    for size in sizes:
        found.append(place)
        place += whole(size)
    return found


def whole(size: int) -> int:
    """The bytes of as many large pages as these need."""
    return -(-size // _PAGE) * _PAGE
