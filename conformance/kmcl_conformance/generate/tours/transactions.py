"""Many transactions, and several at a time: numbers that wrap, answers and pointers mixed up.

``me`` sends, the other end receives; every conversation is held once from each end.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmcl_conformance.generate.setup import PACKETS, SETTLE
from kmcl_model.api import PROCESS_PACKET
from kmcl_model.payload import TAGS, Payload, payload_bytes
from kmcl_model.spec.specification import peer_of
from kmcl_model.stimuli import Act, Stimulus

from .steps import (
    BIG,
    ODD,
    SMALL,
    WAIT,
    Conversation,
    answered,
    call,
    close,
    complete,
    configured,
    control,
    packet,
    quota,
    react,
    reopen,
    running,
    send,
    sends,
)

__all__ = ["CONVERSATIONS"]

ROUNDS = 100
"""Of four transactions each: numbers of six and eight bits wrap, and bytes that are lost with each
packet of an odd length, or with each answer, add up to a ring."""


def _soak(me: str) -> Iterator[Stimulus]:
    """Four hundred odd packets with odd answers; then there is room for a maximal packet."""
    peer = peer_of(me)
    yield from running()
    for name in PACKETS:
        yield from packet(me, name)
    buffer = payload_bytes(Payload(TAGS - 1, ODD))
    done = Act("VmbChannelPacketComplete", ("this", buffer, None))
    yield react(peer, PROCESS_PACKET, done, sticky=True)
    for _ in range(ROUNDS):
        for tag, name in enumerate(PACKETS):
            yield send(me, name, tag, ODD)
        yield SETTLE
    for tag, name in enumerate(PACKETS[:2]):
        yield send(me, name, tag, BIG)
        yield SETTLE
    yield from close()


def _answers_of_one_length(me: str) -> Iterator[Stimulus]:
    """Answers of the same length wait in the ring together, in two orders."""
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 3)
    yield SETTLE
    yield from answered(peer, 3, 16)
    for tag in range(3):
        yield send(me, f"p{tag}", tag + 3)
    yield SETTLE
    for i in (2, 0, 1):
        yield complete(peer, f"c{i}", ODD, TAGS - 1 - i)
    yield SETTLE
    yield from close()


def _answered_while_paused(me: str) -> Iterator[Stimulus]:
    """The sender rests when its answers come, one of them without bytes; then it goes on."""
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 2)
    yield SETTLE
    yield control(me, "Pause", "t1")
    yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield complete(peer, "c1", ODD)
    yield SETTLE
    yield control(me, "Start")
    yield SETTLE
    yield from close()


def _pointers_in_flight(me: str) -> Iterator[Stimulus]:
    """Each packet keeps its pointer and its channel: in flight, completed, and cancelled."""
    peer = peer_of(me)

    def pointers() -> Iterator[Stimulus]:
        for name in ("p0", "p1", "p2"):
            yield call(me, "VmbPacketGetPointer", name)
            yield call(me, "VmbPacketGetChannel", name)

    yield from running()
    yield from packet(me, "p2")
    yield call(me, "VmbPacketSetPointer", "p2", 5)
    yield from sends(me, 2)
    yield call(me, "VmbPacketSetPointer", "p0", 1)
    yield call(me, "VmbPacketSetPointer", "p1", 77)
    yield from pointers()
    yield SETTLE
    yield from pointers()
    yield from answered(peer, 2)
    yield from pointers()
    for tag in (2, 3, 4):
        yield send(me, f"p{tag - 2}", tag)
    yield SETTLE
    yield control("client", "Disable")
    yield from answered(peer, 3)
    yield from pointers()
    yield from reopen()
    yield from pointers()
    yield from close()


def _unusual_arguments(me: str) -> Iterator[Stimulus]:
    """Send flags that mean nothing, ring sizes of zero, a packet without a byte."""
    peer = peer_of(me)
    yield from configured()
    yield call("client", "VmbClientChannelInitSetRingBufferPageCount", 0, 0)
    yield from packet(me, "p0")
    yield from reopen()
    yield send(me, "p0", 0, flags=WAIT | 0x80000000)
    yield SETTLE
    yield complete(peer, "c0", SMALL)
    yield SETTLE
    yield send(me, "p0", 1, 0)
    yield SETTLE
    yield complete(peer, "c0", SMALL)
    yield SETTLE
    yield send(me, "p0", 2, flags=WAIT | 0x2)
    yield SETTLE
    yield complete(peer, "c0", SMALL)
    yield SETTLE
    yield from close()


def _without_reports(me: str) -> Iterator[Stimulus]:
    """A receiver that registered no ProcessingComplete handler, in two sessions."""
    peer = peer_of(me)
    yield from configured()
    yield call(peer, "VmbChannelInitSetProcessPacketCallbacks", True, False)
    for name in ("p0", "p1", "p2"):
        yield from packet(me, name)
    for tag in (0, 4):
        yield from reopen()
        yield quota(peer, 1)
        for i in range(3):
            yield send(me, f"p{i}", tag + i)
        yield SETTLE
        for _ in range(3):
            yield complete(peer, "c0", ODD)
            yield SETTLE
        yield from close()


CONVERSATIONS: tuple[tuple[str, Conversation], ...] = (
    ("soak", _soak),
    ("answers of one length", _answers_of_one_length),
    ("answered while paused", _answered_while_paused),
    ("pointers in flight", _pointers_in_flight),
    ("unusual arguments", _unusual_arguments),
    ("without reports", _without_reports),
)
