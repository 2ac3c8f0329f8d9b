"""What the VMBus host needs of a virtual machine: its hypervisor's part, and no more."""

from __future__ import annotations

from typing import Final, Protocol

__all__ = ["PAGE", "SINT", "Machine"]

PAGE: Final = 4096
SINT: Final = 2
"""The synthetic interrupt source of VMBus messages and events."""


class Machine(Protocol):
    """Addresses are the guest's, in bytes; memory begins at 0 and has no holes."""

    @property
    def memory(self) -> memoryview:
        """All of the guest's memory, byte by byte."""

    @property
    def words(self) -> memoryview:
        """The same in words of 32 bits, each element one aligned access."""

    @property
    def processors(self) -> int:
        """How many virtual processors there are."""

    def interrupt(self, vp: int) -> None:
        """Raise SINT 2 of a processor."""

    def set_bits(self, address: int, bits: int) -> None:
        """Set bits of a word, atomically."""

    def clear_bits(self, address: int, bits: int) -> None:
        """Clear bits of a word, atomically."""

    def fence(self) -> None:
        """A full memory barrier."""
