"""Packets in a VMBus ring: descriptor, payload, trailer; written, and read from a private copy.

Every packet starts with 16 bytes: type, offset of the payload, length without trailer (both in
units of eight bytes), flags and transaction id. Bit 0 of the flags asks for a completion. Two
types say where external data is before the payload begins. The payload's length is known in
units of eight bytes only; what is missing is filled with zeros.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

__all__ = [
    "COMPLETION_REQUESTED",
    "DESCRIPTOR_BYTES",
    "FROM_GUEST",
    "FROM_HOST",
    "MAXIMUM_PAYLOAD",
    "TRAILER_BYTES",
    "GpaRange",
    "Kind",
    "Packet",
    "RingError",
    "TransferRange",
    "encode",
    "gpa_direct",
    "parse",
    "ring_bytes",
    "transfer_pages",
]

DESCRIPTOR_BYTES: Final = 16
TRAILER_BYTES: Final = 8
COMPLETION_REQUESTED: Final = 0x1
LONGEST: Final = 0xFFFF
"""Units of eight bytes that a packet may have: its length is a 16-bit number."""
MAXIMUM_PAYLOAD: Final = LONGEST * 8 - DESCRIPTOR_BYTES
"""Bytes that fit an in-band packet, whatever the ring."""

PAGE: Final = 4096
_DESCRIPTOR: Final = struct.Struct("<HHHHQ")
_TRANSFER: Final = struct.Struct("<HBBI")
_GPA: Final = struct.Struct("<II")
_RANGE: Final = struct.Struct("<II")


class RingError(Exception):
    """The other side has written what cannot be: the channel must stop. One line that says what."""


class Kind(IntEnum):
    """The packet types that occur; the others of the protocol are used by nobody."""

    IN_BAND = 6
    TRANSFER_PAGES = 7
    GPA_DIRECT = 9
    COMPLETION = 11


FROM_HOST: Final = frozenset({Kind.IN_BAND, Kind.TRANSFER_PAGES, Kind.COMPLETION})
"""What a guest may find in its incoming ring."""
FROM_GUEST: Final = frozenset({Kind.IN_BAND, Kind.GPA_DIRECT, Kind.COMPLETION})
"""What a host may find in its incoming ring."""


class TransferRange(NamedTuple):
    """A piece of a buffer that both sides have agreed on before, in bytes."""

    length: int
    offset: int


class GpaRange(NamedTuple):
    """A buffer in guest memory: ``offset`` bytes into the first of its pages, ``length`` bytes."""

    length: int
    offset: int
    pages: tuple[int, ...]


class Packet(NamedTuple):
    """A packet as it was read. ``transfer_set`` and ``ranges`` say where external data is."""

    kind: int
    flags: int
    transaction: int
    payload: bytes
    ranges: tuple[TransferRange, ...] | tuple[GpaRange, ...] = ()
    transfer_set: int | None = None


def ring_bytes(payload: int, extra: int = 0) -> int:
    """The bytes that a packet takes in a ring, trailer included; ``extra``: of its descriptor."""
    return DESCRIPTOR_BYTES + extra + ((payload + 7) & ~7) + TRAILER_BYTES


def encode(
    kind: int, transaction: int, payload: bytes, flags: int = 0, descriptor: bytes = b""
) -> bytes:
    """A packet without trailer. ``descriptor`` is what follows the first 16 bytes of it, in whole
    units of eight bytes. Raises ValueError for what does not fit a packet."""
    start = 2 + len(descriptor) // 8
    length = start + (len(payload) + 7) // 8
    if len(descriptor) % 8 or length > LONGEST:
        raise ValueError(f"{len(payload)} bytes with a descriptor of {len(descriptor)} do not fit")
    packet = _DESCRIPTOR.pack(kind, start, length, flags, transaction) + descriptor + payload
    return packet + bytes(-len(payload) & 7) if len(payload) & 7 else packet


def transfer_pages(transfer_set: int, ranges: tuple[TransferRange, ...]) -> bytes:
    """The further descriptor of a packet of type TRANSFER_PAGES."""
    return _TRANSFER.pack(transfer_set, 0, 0, len(ranges)) + b"".join(
        _RANGE.pack(*entry) for entry in ranges
    )


def gpa_direct(ranges: tuple[GpaRange, ...]) -> bytes:
    """The further descriptor of a packet of type GPA_DIRECT."""
    return _GPA.pack(0, len(ranges)) + b"".join(
        _RANGE.pack(entry.length, entry.offset) + struct.pack(f"<{len(entry.pages)}Q", *entry.pages)
        for entry in ranges
    )


def parse(copy: bytes, place: int, accepts: frozenset[Kind]) -> tuple[Packet, int]:
    """The packet at ``place`` in a private copy of what the other side has published, and the
    place behind its trailer. Raises RingError for anything that is not a whole, sound packet.
    """
    end = len(copy)
    if end - place < DESCRIPTOR_BYTES + TRAILER_BYTES:
        raise RingError(f"{end - place} bytes are too few for a packet")
    kind, start8, length8, flags, transaction = _DESCRIPTOR.unpack_from(copy, place)
    behind = place + length8 * 8 + TRAILER_BYTES
    if not 2 <= start8 <= length8:
        raise RingError(f"payload at {start8 * 8} in a packet of {length8 * 8} bytes")
    if behind > end:
        raise RingError(f"a packet of {length8 * 8} bytes where {end - place} were published")
    if kind not in accepts:
        raise RingError(f"packet type {kind} is not one that comes from this side")
    start = place + start8 * 8
    payload = copy[start : behind - TRAILER_BYTES]
    if kind == Kind.TRANSFER_PAGES:
        transfer_set, ranges = _transfer(copy, place + DESCRIPTOR_BYTES, start)
        return Packet(kind, flags, transaction, payload, ranges, transfer_set), behind
    if kind == Kind.GPA_DIRECT:
        gpas = _gpa(copy, place + DESCRIPTOR_BYTES, start)
        return Packet(kind, flags, transaction, payload, gpas), behind
    return Packet(kind, flags, transaction, payload), behind


def _transfer(copy: bytes, place: int, end: int) -> tuple[int, tuple[TransferRange, ...]]:
    if end - place < _TRANSFER.size:
        raise RingError("a descriptor of transfer pages that is cut off")
    transfer_set, _, _, count = _TRANSFER.unpack_from(copy, place)
    place += _TRANSFER.size
    if count > (end - place) // _RANGE.size:
        raise RingError(f"{count} transfer ranges in {end - place} bytes")
    stop = place + count * _RANGE.size
    return transfer_set, tuple(map(TransferRange._make, _RANGE.iter_unpack(copy[place:stop])))


def _gpa(copy: bytes, place: int, end: int) -> tuple[GpaRange, ...]:
    if end - place < _GPA.size:
        raise RingError("a GPA-direct descriptor that is cut off")
    _, count = _GPA.unpack_from(copy, place)
    place += _GPA.size
    if not 1 <= count <= (end - place) // _RANGE.size:
        raise RingError(f"{count} GPA ranges in {end - place} bytes")
    found = []
    for _ in range(count):
        if end - place < _RANGE.size:
            raise RingError("GPA ranges that are cut off")
        length, offset = _RANGE.unpack_from(copy, place)
        place += _RANGE.size
        pages = (offset + length + PAGE - 1) // PAGE
        if offset >= PAGE or pages > (end - place) // 8:
            raise RingError(f"a GPA range of {length} bytes at {offset} in {end - place} bytes")
        found.append(GpaRange(length, offset, struct.unpack_from(f"<{pages}Q", copy, place)))
        place += pages * 8
    return tuple(found)
