"""A writer and a reader over checked memory. Every check runs on the sound ring, and on each
defective one: all pass on the first, and some fails on each of the others."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from kmcl_adapters.uio.descriptor import FROM_GUEST, FROM_HOST, Kind, RingError, encode
from kmcl_adapters.uio.fuzz import CheckedData, CheckedWords
from kmcl_adapters.uio.mutants import MUTANTS
from kmcl_adapters.uio.parts import SOUND, Parts
from kmcl_adapters.uio.ring import (
    FEATURE_BITS,
    INTERRUPT_MASK,
    PENDING_SEND_SIZE,
    READ_INDEX,
    WRITE_INDEX,
    Incoming,
    Outgoing,
)

CAPACITY = 128


class Pair:
    """Both ends of one ring that begins at ``start``."""

    def __init__(self, parts: Parts, start: int = 0, capacity: int = CAPACITY) -> None:
        self.parts = parts
        self.header = CheckedWords()
        self.data = CheckedData(bytearray(b"\xee" * capacity))
        self.header[WRITE_INDEX] = self.header[READ_INDEX] = start
        self.header[FEATURE_BITS] = 1
        self.writer: Outgoing = parts.outgoing(self.header, self.data)
        self.reader: Incoming = parts.incoming(self.header, self.data, FROM_HOST)

    def put(self, payload: bytes, transaction: int = 1) -> bool:
        return self.writer.put(packet(payload, transaction))

    def take(self) -> bytes | None:
        found = self.reader.peek()
        if found is None:
            return None
        self.reader.take()
        return found.payload


def packet(payload: bytes, transaction: int = 1) -> bytes:
    return encode(Kind.IN_BAND, transaction, payload)


def payload(length: int, seed: int = 1) -> bytes:
    return bytes((seed + 7 * i) & 0xFF for i in range(length))


def raw(pair: Pair, start: int, length: int) -> bytes:
    data = bytes(pair.data.data)
    return (data + data)[start : start + length]


Check = Callable[[Parts], None]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


@check
def packets_survive_the_wrap_at_every_offset(parts: Parts) -> None:
    for start in range(0, CAPACITY, 8):
        for length in (0, 8, 16, 40, 88, 96):
            pair = Pair(parts, start)
            for round in range(4):
                sent = payload(length, round)
                assert pair.put(sent), (start, length)
                assert pair.writer.publish()
                assert pair.take() == sent
                assert not pair.reader.release()
                assert pair.take() is None


@check
def the_trailer_tells_where_its_packet_begins(parts: Parts) -> None:
    for start in range(0, CAPACITY, 8):
        pair = Pair(parts, start)
        pair.put(payload(16))
        pair.writer.publish()

        second = pair.header[WRITE_INDEX]
        assert raw(pair, (start + 32) % CAPACITY, 8) == struct.pack("<II", 0, start)
        assert second == (start + 40) % CAPACITY

        pair.put(payload(8))
        pair.writer.publish()
        assert raw(pair, (second + 24) % CAPACITY, 8) == struct.pack("<II", 0, second)


@check
def the_ring_takes_all_but_eight_bytes(parts: Parts) -> None:
    pair = Pair(parts, 64)
    assert not pair.put(payload(CAPACITY - 24))  # 16 of descriptor, 8 of trailer
    assert pair.put(payload(CAPACITY - 32))
    pair.writer.publish()
    assert not pair.put(b"")
    assert pair.take() == payload(CAPACITY - 32)


@check
def a_full_ring_gives_all_packets_in_order(parts: Parts) -> None:
    pair, number = Pair(parts, 40), 0
    while pair.put(payload(8, number)):
        number += 1
        assert number <= CAPACITY // 32, "the ring takes packets without end"
    pair.writer.publish()

    assert number == (CAPACITY - 8) // 32
    assert [pair.take() for _ in range(number + 1)] == [
        *(payload(8, i) for i in range(number)),
        None,
    ]


@check
def the_reader_is_signalled_when_it_had_read_everything(parts: Parts) -> None:
    pair = Pair(parts)
    pair.put(payload(8))
    assert pair.writer.publish()
    pair.put(payload(8))
    assert not pair.writer.publish()  # it has not even begun
    assert not pair.writer.publish()  # nothing new
    pair.take()
    pair.reader.release()
    pair.put(payload(8))
    assert not pair.writer.publish()  # one is left: it will look
    pair.take()
    pair.take()
    pair.reader.release()
    pair.put(payload(8))
    assert pair.writer.publish()


@check
def a_reader_that_masks_is_not_signalled(parts: Parts) -> None:
    pair = Pair(parts)
    pair.reader.mask()
    pair.put(payload(8))
    assert not pair.writer.publish()
    assert pair.take() == payload(8)
    pair.reader.release()
    pair.reader.unmask()
    pair.put(payload(8))
    assert pair.writer.publish()


class Meddling(CheckedWords):
    """A header in which something happens between two accesses: ``then`` runs once, just before
    the word ``place`` is read or after it was ``written``."""

    def __init__(self) -> None:
        super().__init__()
        self.place = -1
        self.then: Callable[[], None] = lambda: None
        self.written = False

    def _fire(self) -> None:
        self.place = -1
        self.then()

    def __getitem__(self, place: int) -> int:
        if place == self.place and not self.written:
            self._fire()
        return super().__getitem__(place)

    def __setitem__(self, place: int, value: int) -> None:
        super().__setitem__(place, value)
        if place == self.place and self.written:
            self._fire()


def meddle(pair: Pair) -> Meddling:
    """The pair with a header in which the other side can act at a chosen moment."""
    header = Meddling()
    header.words = pair.header.words
    pair.header = header
    pair.writer._header = pair.reader._header = header
    return header


@check
def the_mask_is_read_after_the_index_was_stored(parts: Parts) -> None:
    pair = Pair(parts)
    header = meddle(pair)
    pair.reader.mask()
    header.place, header.written = WRITE_INDEX, True
    header.then = lambda: header.__setitem__(INTERRUPT_MASK, 0)  # the reader falls asleep
    pair.put(payload(8))

    assert pair.writer.publish()


@check
def a_packet_that_comes_before_the_unmasking_is_seen(parts: Parts) -> None:
    pair = Pair(parts)
    doze = parts.doze(pair.reader)
    doze.wake()
    assert pair.take() is None  # the ring looks empty
    pair.put(payload(8))
    assert not pair.writer.publish()  # still masked: nobody signals it

    assert not doze.fall_asleep()
    assert pair.take() == payload(8)
    assert pair.header[INTERRUPT_MASK] == 1
    pair.reader.release()
    assert doze.fall_asleep()
    assert pair.header[INTERRUPT_MASK] == 0


@check
def packets_are_not_signalled_while_the_ring_is_drained(parts: Parts) -> None:
    pair = Pair(parts)
    doze = parts.doze(pair.reader)
    assert doze.fall_asleep()
    pair.put(payload(8))
    assert pair.writer.publish()
    doze.wake()
    pair.take()
    pair.reader.release()
    pair.put(payload(8))
    assert not pair.writer.publish()


@check
def a_reader_that_a_driver_has_masked_hears_nothing(parts: Parts) -> None:
    pair = Pair(parts)
    doze = parts.doze(pair.reader)
    assert not doze.hears()
    assert doze.fall_asleep()
    assert doze.hears()
    pair.header[INTERRUPT_MASK] = 1  # an interrupt that told of room, say
    assert not doze.hears()
    doze.wake()
    assert doze.fall_asleep()
    pair.put(payload(8))
    assert pair.writer.publish()


ROOM = [
    # bytes of packets in the ring, bytes that the writer waits for, bytes taken, signal
    (96, 40, 32, True),  # 32 free become 64
    (96, 64, 32, False),  # 64 free are not more than 64
    (96, 64, 64, True),
    (64, 40, 32, False),  # it was free before: somebody has signalled that already
    (96, 0, 64, False),  # nobody waits
    (96, 120, 96, True),
]


@check
def room_is_signalled_once_when_it_becomes_enough(parts: Parts) -> None:
    for used, wanted, taken, signal in ROOM:
        pair = Pair(parts, 24)
        for _ in range(used // 32):
            assert pair.put(payload(8))
        pair.writer.publish()
        pair.header[PENDING_SEND_SIZE] = wanted
        for _ in range(taken // 32):
            pair.take()
        assert pair.reader.release() is signal, (used, wanted, taken)
        assert not pair.reader.release()


@check
def the_mask_plays_no_part_when_room_is_signalled(parts: Parts) -> None:
    pair = Pair(parts)
    for _ in range(3):
        pair.put(payload(8))
    pair.writer.publish()
    pair.reader.mask()
    assert pair.writer.wait_for(40)
    pair.take()

    assert pair.reader.release()


@check
def without_the_feature_bit_room_is_never_signalled(parts: Parts) -> None:
    pair = Pair(parts)
    pair.writer.support_pending_send(False)
    for _ in range(3):
        pair.put(payload(8))
    pair.writer.publish()
    assert pair.writer.wait_for(40)
    pair.take()

    assert not pair.reader.release()
    pair.writer.support_pending_send()
    assert pair.header[FEATURE_BITS] == 1


@check
def room_that_came_meanwhile_is_not_waited_for(parts: Parts) -> None:
    pair = Pair(parts)
    for _ in range(3):
        pair.put(payload(8))
    pair.writer.publish()
    assert not pair.put(payload(16))
    pair.take()
    pair.reader.release()  # before the writer says that it waits

    assert not pair.writer.wait_for(40)
    assert pair.header[PENDING_SEND_SIZE] == 0


@check
def whoever_does_not_wait_any_more_says_so(parts: Parts) -> None:
    pair = Pair(parts)
    for _ in range(3):
        pair.put(payload(8))
    pair.writer.publish()
    assert pair.writer.wait_for(40)
    assert pair.header[PENDING_SEND_SIZE] == 40
    pair.writer.stop_waiting()

    assert pair.header[PENDING_SEND_SIZE] == 0


IMPOSSIBLE = [CAPACITY, CAPACITY + 8, 1, 7, 12, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFF]


def refuses(work: Callable[[], Any]) -> None:
    try:
        found = work()
    except RingError:
        return
    raise AssertionError(f"accepted, with {found!r}")


@check
def an_impossible_write_index_stops_the_reader(parts: Parts) -> None:
    for index in IMPOSSIBLE:
        pair = Pair(parts)
        pair.header[WRITE_INDEX] = index
        refuses(pair.reader.peek)
        refuses(pair.reader.peek)
        refuses(parts.doze(pair.reader).fall_asleep)


@check
def an_impossible_read_index_stops_the_writer(parts: Parts) -> None:
    for index in IMPOSSIBLE:
        pair = Pair(parts)
        assert pair.put(payload(8))
        pair.header[READ_INDEX] = index
        refuses(pair.writer.publish)
        refuses(pair.writer.free)


@check
def a_packet_longer_than_what_was_published_is_refused(parts: Parts) -> None:
    for length8 in (4, 5, 100, 0xFFFF):
        pair = Pair(parts)
        pair.put(payload(8))
        pair.writer.publish()
        pair.data.data[4:6] = struct.pack("<H", length8)
        refuses(pair.reader.peek)


@check
def what_was_read_stays_what_it_is(parts: Parts) -> None:
    for start in (0, CAPACITY - 24):
        pair = Pair(parts, start)
        pair.put(payload(32))
        pair.writer.publish()
        pair.data.change = (start + 16) % CAPACITY

        assert pair.take() == payload(32)


def passes(function: Check, parts: Parts) -> bool:
    """A check fails by what it asserts, or because a sound ring is refused; any other exception is
    an accident and goes through."""
    try:
        function(parts)
    except (AssertionError, RingError):
        return False
    return True


@pytest.mark.parametrize("name", CHECKS)
def test_the_sound_ring(name: str) -> None:
    CHECKS[name](SOUND)


RINGS = [
    name
    for name, mutant in MUTANTS.items()
    if mutant.parts[3:] != SOUND[3:]  # outgoing, incoming, doze
]


@pytest.mark.parametrize("name", RINGS)
def test_a_defective_ring_fails_some_check(name: str) -> None:
    parts = MUTANTS[name].parts
    assert [name for name, function in CHECKS.items() if not passes(function, parts)]


def test_there_are_defective_rings_of_each_kind() -> None:
    changed = {
        place for name in RINGS for place in (3, 4, 5) if MUTANTS[name].parts[place] != SOUND[place]
    }
    assert len(RINGS) >= 20
    assert changed == {3, 4, 5}


def test_the_host_end_reads_what_guests_send() -> None:
    pair = Pair(SOUND)
    pair.writer.put(encode(Kind.TRANSFER_PAGES, 1, b"", 0, bytes(8)))
    pair.writer.publish()
    host = Incoming(pair.header, pair.data, FROM_GUEST)

    with pytest.raises(RingError, match="type 7"):
        host.peek()


def test_a_driver_that_masks_behind_our_back_is_noticed() -> None:
    pair = Pair(SOUND)
    doze = SOUND.doze(pair.reader)
    assert doze.fall_asleep()
    pair.header[INTERRUPT_MASK] = 1
    doze.wake()

    assert doze.remasked == 1
