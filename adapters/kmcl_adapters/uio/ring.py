"""One direction of a channel in shared memory: a header page and the data behind it.

``Outgoing`` is the end that writes, ``Incoming`` the end that reads. Each trusts its own index
only, kept privately, and checks the other side's on every load: an index outside the ring or
between two units of eight bytes raises RingError. What is published is copied once and parsed
from the copy, so that a host that changes it afterwards changes nothing.

**Order of memory accesses.** An index or a mask is one aligned 32-bit access (an element of
``memoryview.cast("I")``). x86 keeps stores in order, and loads in order; between a store and a
later load ``fence`` stands. It takes and gives back a lock, which in CPython executes a locked
instruction, a full barrier on x86. That is an assumption on the implementation of CPython, and
on other machines (arm64) no promise at all; there the bounded waiting of the receive loop helps.
"""

from __future__ import annotations

import threading
from typing import Any, Final

from .descriptor import TRAILER_BYTES, Kind, Packet, RingError, parse

__all__ = [
    "FEATURE_BITS",
    "HEADER_BYTES",
    "INTERRUPT_MASK",
    "PENDING_SEND_SIZE",
    "READ_INDEX",
    "WRITE_INDEX",
    "Incoming",
    "Outgoing",
    "fence",
    "largest_packet",
]

HEADER_BYTES: Final = 4096

# Places in the header, in words of 32 bits.
WRITE_INDEX: Final = 0
READ_INDEX: Final = 1
INTERRUPT_MASK: Final = 2
PENDING_SEND_SIZE: Final = 3
FEATURE_BITS: Final = 16

SUPPORTS_PENDING_SEND: Final = 0x1

_FENCE: Final = threading.Lock()


def fence() -> None:
    """A full memory barrier, as far as CPython has one; see above."""
    with _FENCE:
        pass


def largest_packet(capacity: int) -> int:
    """The most bytes, trailer included, that a ring of ``capacity`` bytes ever takes: it may never
    be completely full."""
    return capacity - 8


def _checked(index: int, capacity: int, name: str) -> int:
    if index >= capacity or index & 7:
        raise RingError(f"{name} index {index} in a ring of {capacity} bytes")
    return index


class Outgoing:
    """The writing end. ``header`` gives the words of the header page, ``data`` the bytes behind it.

    A packet is written with ``put``; ``publish`` shows all that was put since the last time and
    tells whether the reader must be signalled: it was idle and wants to be.
    """

    def __init__(self, header: Any, data: Any) -> None:
        self._header = header
        self._data = data
        self.capacity = len(data)
        self._write = _checked(header[WRITE_INDEX], self.capacity, "write")
        self._published = self._write
        self._read = self._load_read()
        self._waits = False

    def _load_read(self) -> int:
        return _checked(self._header[READ_INDEX], self.capacity, "read")

    def free(self) -> int:
        """The bytes that are not in use, counting those that may not be used all at once."""
        self._read = self._load_read()
        return self.capacity - (self._write - self._read) % self.capacity

    def fits(self, size: int) -> bool:
        """Whether there is room for ``size`` bytes, trailer included (the ring never fills up)."""
        if self.capacity - (self._write - self._read) % self.capacity > size:
            return True
        return self.free() > size

    def put(self, packet: bytes) -> bool:
        """Write a packet, and its trailer, behind what is there; false where there is no room.

        Raises RingError where the reader's index is impossible.
        """
        size = len(packet) + TRAILER_BYTES
        if not self.fits(size):
            return False
        start = self._write
        self._copy(start, packet + self.trailer(start))
        self._write = (start + size) % self.capacity
        return True

    def trailer(self, start: int) -> bytes:
        """What follows a packet that begins at ``start``: the offset, in the upper half."""
        return (start << 32).to_bytes(TRAILER_BYTES, "little")

    def _copy(self, start: int, packet: bytes) -> None:
        end = start + len(packet)
        data = self._data
        if end <= self.capacity:
            data[start:end] = packet
        else:
            first = self.capacity - start
            data[start : self.capacity] = packet[:first]
            data[: end - self.capacity] = packet[first:]

    def publish(self) -> bool:
        """Show what was put; true if the reader must be signalled."""
        before, self._published = self._published, self._write
        if before == self._write:
            return False
        self._header[WRITE_INDEX] = self._write
        fence()
        return self.signal_needed(before)

    def signal_needed(self, before: int) -> bool:
        """Whether the reader had read everything up to ``before`` and has not masked signals."""
        masked: int = self._header[INTERRUPT_MASK]
        return masked == 0 and self._load_read() == before

    def mask_reader(self) -> None:
        """Mask the signals to the reader behind its back, as a driver beneath it does."""
        self._header[INTERRUPT_MASK] = 1

    def wait_for(self, size: int) -> bool:
        """Ask the reader to signal when more than ``size`` bytes are free; false if they are free
        by now, and it was not asked."""
        self._waits = True
        self._header[PENDING_SEND_SIZE] = size
        fence()
        if self.free() > size:
            self.stop_waiting()
            return False
        return True

    def stop_waiting(self) -> None:
        """Take back what ``wait_for`` asked."""
        if self._waits:
            self._waits = False
            self._header[PENDING_SEND_SIZE] = 0

    def support_pending_send(self, yes: bool = True) -> None:
        """Set or clear the feature bit that tells the reader whether to heed ``wait_for``.

        Without it a reader by the book never signals that there is room again.
        """
        bits = self._header[FEATURE_BITS] & ~SUPPORTS_PENDING_SEND
        self._header[FEATURE_BITS] = bits | (SUPPORTS_PENDING_SEND if yes else 0)


class Incoming:
    """The reading end; ``accepts`` are the packet types that may come.

    ``peek`` shows the next packet, ``take`` goes past it, ``release`` gives the bytes of what was
    taken back to the writer and tells whether it must be signalled.
    """

    def __init__(self, header: Any, data: Any, accepts: frozenset[Kind]) -> None:
        self._header = header
        self._data = data
        self._accepts = accepts
        self.capacity = len(data)
        self._read = _checked(header[READ_INDEX], self.capacity, "read")
        self._released = self._read
        self._copy = b""
        self._place = 0
        self._next: Packet | None = None
        self._behind = 0

    def _load_write(self) -> int:
        return _checked(self._header[WRITE_INDEX], self.capacity, "write")

    def is_empty(self) -> bool:
        """Whether nothing is there that was not taken."""
        return self._place == len(self._copy) and self._load_write() == self._read

    def peek(self) -> Packet | None:
        """The next packet, still the next one afterwards; None where there is none.

        Raises RingError for an impossible index or packet, and again on every further call.
        """
        if self._next is None:
            if self._place == len(self._copy) and not self._fill():
                return None
            self._next, self._behind = parse(self._copy, self._place, self._accepts)
        return self._next

    def _fill(self) -> bool:
        """Copy all that was published since; false if that is nothing."""
        write, read = self._load_write(), self._read
        if write == read:
            return False
        data = self._data
        if write > read:
            self._copy = bytes(data[read:write])
        else:
            self._copy = b"".join((data[read : self.capacity], data[:write]))
        self._place = 0
        return True

    def take(self) -> None:
        """Go past the packet that ``peek`` has shown."""
        if self._next is not None:
            self._next = None
            self._read = (self._read + self._behind - self._place) % self.capacity
            self._place = self._behind

    def release(self) -> bool:
        """Give back the bytes of what was taken; true if the writer must be signalled, because it
        waits for so much room and has it only now. Whether it masks signals plays no part."""
        before, self._released = self._released, self._read
        if before == self._read:
            return False
        header = self._header
        header[READ_INDEX] = self._read
        fence()
        pending: int = header[PENDING_SEND_SIZE]
        if not pending or not header[FEATURE_BITS] & SUPPORTS_PENDING_SEND:
            return False
        write = self._load_write()
        return self._free(write, before) <= pending < self._free(write, self._read)

    def _free(self, write: int, read: int) -> int:
        return self.capacity - (write - read) % self.capacity

    def mask(self) -> None:
        """Ask the writer not to signal new packets."""
        self._header[INTERRUPT_MASK] = 1

    def unmask(self) -> None:
        """Ask the writer to signal when the ring was empty and is not any more."""
        self._header[INTERRUPT_MASK] = 0

    @property
    def masked(self) -> bool:
        """What the header says now: on some kernels the driver masks by itself."""
        return bool(self._header[INTERRUPT_MASK])
