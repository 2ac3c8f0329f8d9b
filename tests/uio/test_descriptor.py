"""Packets of all types that occur, written and read; and what is refused."""

from __future__ import annotations

import struct

import pytest

from kmcl_adapters.uio.descriptor import (
    FROM_GUEST,
    FROM_HOST,
    MAXIMUM_PAYLOAD,
    GpaRange,
    Kind,
    Packet,
    RingError,
    TransferRange,
    encode,
    gpa_direct,
    parse,
    ring_bytes,
    transfer_pages,
)

ALL = FROM_HOST | FROM_GUEST
TRAILER = bytes(8)


def test_a_packet_in_band_is_padded_with_zeros() -> None:
    written = encode(Kind.IN_BAND, 5, b"hello", 1)

    assert written == struct.pack("<HHHHQ", 6, 2, 3, 1, 5) + b"hello\0\0\0"
    assert ring_bytes(5) == len(written) + 8


def test_it_is_read_as_it_was_written() -> None:
    first = encode(Kind.IN_BAND, 5, b"12345678", 1) + TRAILER
    second = encode(Kind.COMPLETION, 6, b"") + TRAILER

    packet, behind = parse(first + second, 0, FROM_HOST)
    assert (packet, behind) == (Packet(6, 1, 5, b"12345678"), len(first))
    packet, behind = parse(first + second, behind, FROM_HOST)
    assert (packet, behind) == (Packet(11, 0, 6, b""), len(first + second))


def test_the_longest_packet_is_limited_by_its_length_field() -> None:
    assert len(encode(Kind.IN_BAND, 1, bytes(MAXIMUM_PAYLOAD))) == 524_280
    with pytest.raises(ValueError, match="do not fit"):
        encode(Kind.IN_BAND, 1, bytes(MAXIMUM_PAYLOAD + 1))


def test_transfer_pages() -> None:
    ranges = (TransferRange(100, 0), TransferRange(6000, 8192))
    written = encode(Kind.TRANSFER_PAGES, 9, b"8 bytes!", 1, transfer_pages(0xCAFE, ranges))

    found, behind = parse(written + TRAILER, 0, FROM_HOST)
    assert found == Packet(7, 1, 9, b"8 bytes!", ranges, 0xCAFE)
    assert behind == len(written) + 8


def test_gpa_direct() -> None:
    ranges = (GpaRange(4096, 1, (11, 12)), GpaRange(1, 4095, (13,)), GpaRange(0, 0, ()))
    written = encode(Kind.GPA_DIRECT, 9, b"8 bytes!", 1, gpa_direct(ranges))

    assert parse(written + TRAILER, 0, FROM_GUEST)[0] == Packet(9, 1, 9, b"8 bytes!", ranges)


def head(kind: int, start8: int, length8: int) -> bytes:
    return struct.pack("<HHHHQ", kind, start8, length8, 0, 0)


def gpa(reserved: int, count: int, *words: int) -> bytes:
    return struct.pack("<II", reserved, count) + struct.pack(f"<{len(words)}I", *words)


MALFORMED = {
    "nothing": b"",
    "a descriptor without trailer": head(6, 2, 2),
    "length 0": head(6, 2, 0) + bytes(8),
    "length of half a descriptor": head(6, 1, 1) + bytes(8),
    "payload before the descriptor's end": head(6, 1, 2) + bytes(8),
    "payload behind the packet": head(6, 3, 2) + bytes(8),
    "payload at 0": head(6, 0, 2) + bytes(8),
    "more than is there": head(6, 2, 3) + bytes(8),
    "the longest length": head(6, 2, 0xFFFF) + bytes(8),
    "type 0": head(0, 2, 2) + bytes(8),
    "a type nobody uses": head(8, 2, 2) + bytes(8),
    "an unknown type": head(0xFFFF, 2, 2) + bytes(8),
    "transfer pages without descriptor": head(7, 2, 2) + bytes(8),
    "more transfer ranges than bytes": head(7, 4, 4) + struct.pack("<HBBI", 1, 0, 0, 2) + bytes(16),
    "2**32 transfer ranges": head(7, 3, 3) + struct.pack("<HBBI", 1, 0, 0, 0xFFFFFFFF) + bytes(8),
    "GPA without descriptor": head(9, 2, 2) + bytes(8),
    "GPA without ranges": head(9, 3, 3) + gpa(0, 0) + bytes(8),
    "2**32 GPA ranges": head(9, 4, 4) + gpa(0, 0xFFFFFFFF, 0, 0) + bytes(8),
    "a GPA range that ends behind the descriptor": head(9, 4, 4) + gpa(0, 1, 4097, 0) + bytes(8),
    "a GPA offset beyond the page": head(9, 5, 5) + gpa(0, 1, 1, 4096, 7, 0) + bytes(8),
    "a GPA range of 4 GiB": head(9, 5, 5) + gpa(0, 1, 0xFFFFFFFF, 0, 7, 0) + bytes(8),
    "a second GPA range cut off": head(9, 6, 6) + gpa(0, 2, 4096, 0, 7, 0, 9, 0) + bytes(8),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_packet_is_refused(name: str) -> None:
    with pytest.raises(RingError):
        parse(MALFORMED[name], 0, ALL)


def test_what_comes_from_the_wrong_side_is_refused() -> None:
    direct = encode(Kind.GPA_DIRECT, 1, b"", 0, gpa_direct((GpaRange(1, 0, (7,)),))) + TRAILER

    with pytest.raises(RingError, match="type 9"):
        parse(direct, 0, FROM_HOST)
