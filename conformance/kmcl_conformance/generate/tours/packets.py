"""What becomes of packets: completed, failed, cancelled, kept.

``me`` sends, the other end receives; every conversation is held once from each end.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmcl_conformance.generate.setup import MAXIMUM, SETTLE
from kmcl_model.api import COMPLETION_ROUTINE, OPENED, PROCESS_PACKET, STARTED
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec.specification import ENDPOINTS, peer_of
from kmcl_model.stimuli import HOLD, Act, Stimulus

from .steps import (
    BIG,
    DONE,
    ODD,
    SMALL,
    WAIT,
    Conversation,
    call,
    close,
    complete,
    configured,
    control,
    fill,
    let_go,
    packet,
    react,
    reopen,
    running,
    send,
    sends,
)

__all__ = ["CONVERSATIONS"]


def _answers_wait_at_close(me: str) -> Iterator[Stimulus]:
    """Completions that wait for room are gone with their session."""
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 2)
    yield SETTLE
    yield from fill(peer)
    yield complete(peer, "c0", 200)
    yield complete(peer, "c1", 203)
    yield control("client", "Disable")
    yield complete(me, "c0")
    yield SETTLE
    yield complete(me, "c0")
    yield SETTLE
    yield react(me, OPENED, Act("VmbPacketSend", ("p0", payload_bytes(Payload(4, SMALL)), WAIT)))
    yield react(me, STARTED, Act("VmbPacketSend", ("p1", payload_bytes(Payload(5, SMALL)), WAIT)))
    yield control("client", "Enable")
    yield SETTLE
    for context in ("c0", "c1", "c0", "c1"):
        yield complete(peer, context)
        yield complete(me, context)
        yield SETTLE
    yield from close()


def _queue_at_close(me: str) -> Iterator[Stimulus]:
    """What the ring had no room for when the session ended is sent in the next one, or fails."""
    peer = peer_of(me)
    yield from running()
    yield control(peer, "Pause")
    yield from sends(me, 4, BIG)
    yield SETTLE
    for end in ("client", "server"):
        yield control(end, "Disable")
        yield SETTLE
        yield control(end, "Enable")
        yield control("client", "Enable")
        yield control("server", "Start")
        yield control("client", "Start")
        yield SETTLE
        for context in ("c0", "c1", "c2", "c3"):
            yield complete(peer, context)
        yield SETTLE
        yield control(peer, "Pause")
        for i in range(4):
            yield send(me, f"p{i}", 5 + i, BIG)
        yield SETTLE
    yield from close()


def _unanswered_queue_at_close(me: str) -> Iterator[Stimulus]:
    """Packets that want no answer find the ring full; then their session ends."""
    peer = peer_of(me)
    yield from running()
    for end in ENDPOINTS:
        yield control(peer, "Pause")
        for i in range(5):
            if end == ENDPOINTS[0]:
                yield from packet(me, f"p{i}")
            yield send(me, f"p{i}", i + 5 * (end == me), BIG, 0)
        yield SETTLE
        yield from close(end)
        yield from reopen()
        yield control("client", "Start")
        yield SETTLE
        for context in ("c0", "c1", "c2", "c3", "c4"):
            yield complete(peer, context)
        yield SETTLE
    yield from close()


def _out_of_order(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 4, ODD)
    yield SETTLE
    for context, answer in (("c2", 24), ("c0", None), ("c3", ODD), ("c1", SMALL)):
        yield complete(peer, context, answer)
    yield SETTLE
    yield from close()


def _fail_and_reopen(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from running()
    fail = Act("VmbChannelPacketFail", ("this",))
    yield react(peer, PROCESS_PACKET, fail)
    yield from sends(me, 2)
    yield SETTLE
    for then in ("complete", "fail", "fail", "pend"):
        yield control(peer, "Pause")
        yield SETTLE
        yield control(peer, "Start")
        yield SETTLE
        yield control("client", "Disable")
        yield SETTLE
        yield complete(peer, "c0")
        yield SETTLE
        yield control("client", "Enable")
        yield SETTLE
        if then == "fail":
            yield react(peer, PROCESS_PACKET, fail)
        yield send(me, "p0", 3, SMALL, 0)
        yield SETTLE
        if then == "complete":
            yield complete(peer, "c0")
        yield SETTLE
    yield from close()


def _caller_memory(me: str) -> Iterator[Stimulus]:
    """Every way in which the transaction of an initialized packet can go."""
    peer = peer_of(me)
    yield from configured()
    yield from packet(me, "p0", initialized=True)
    yield from packet(me, "p1", initialized=True)
    yield control("server", "Enable")
    yield control("server", "Start")
    yield control("client", "Enable")
    yield SETTLE
    yield send(me, "p0", 0, MAXIMUM + 8)
    yield send(me, "p0", 0, MAXIMUM + 8)
    yield send(me, "p0", 0)
    yield SETTLE
    yield complete(peer, "c0", SMALL)
    yield SETTLE
    yield send(me, "p0", 1, flags=0)
    yield SETTLE
    yield complete(peer, "c0")
    yield send(me, "p0", 2)
    yield send(me, "p1", 3)
    yield SETTLE
    yield control("server", "Disable")
    yield complete(peer, "c0")
    yield complete(peer, "c1")
    yield SETTLE
    yield control("server", "Enable")
    yield send("server", "p0", 4)
    yield control("server", "Disable")
    yield SETTLE
    yield control("server", "Enable")
    yield control("server", "Start")
    yield control("client", "Enable")
    yield SETTLE
    yield send(me, "p0", 5)
    yield SETTLE
    yield control("client", "Disable")
    yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield from close()


def _fates_of(me: str, initialized: bool) -> Iterator[Stimulus]:
    """A packet is cancelled while queued, cancelled in the ring, completed from there, refused."""
    peer = peer_of(me)

    def renew() -> Iterator[Stimulus]:
        yield call(me, "VmbPacketFree", "p0")
        yield from packet(me, "p0", initialized)

    yield from configured()
    yield from packet(me, "p0", initialized)
    yield from renew()
    for tag in (0, 1):
        yield control(me, "Enable")
        yield send(me, "p0", tag)
        yield SETTLE
        yield control(me, "Disable")
        yield SETTLE
    yield from renew()
    for tag, end in ((2, "client"), (3, "server"), (4, me)):
        yield control("server", "Enable")
        yield control("server", "Start")
        yield control("client", "Enable")
        yield control("client", "Start")
        yield SETTLE
        yield control(peer, "Pause")
        yield SETTLE
        yield send(me, "p0", tag + 4, flags=0)
        yield SETTLE
        if tag == 3:
            yield from renew()
        yield send(me, "p0", tag + 7, MAXIMUM + 8)
        yield send(me, "p0", tag + 7, MAXIMUM + 8)
        if tag == 2:
            yield from renew()
        yield send(me, "p0", tag)
        yield SETTLE
        yield control(end, "Disable")
        yield SETTLE
        if tag == 3:
            yield from renew()
    yield control("server", "Enable")
    yield control("server", "Start")
    yield control("client", "Enable")
    yield control("client", "Start")
    for tag in (11, 12):
        yield send(me, "p0", tag)
        yield SETTLE
        yield complete(peer, "c0")
        yield SETTLE
    yield send(me, "p0", 13)
    yield SETTLE
    yield control(me, "Disable")
    yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield from renew()
    yield from close()


def _fates(me: str) -> Iterator[Stimulus]:
    """Every way in which the transaction of an allocated packet can go."""
    yield from _fates_of(me, initialized=False)


def _fates_in_caller_memory(me: str) -> Iterator[Stimulus]:
    """Every way in which the transaction of an initialized packet can go."""
    yield from _fates_of(me, initialized=True)


def _left_to_the_library(me: str) -> Iterator[Stimulus]:
    """Packets with the default routine, whose names are used again at once."""
    peer = peer_of(me)
    yield from running()
    yield react(peer, PROCESS_PACKET, DONE, sticky=True)
    for tag, flags in ((0, WAIT), (1, 0)):
        yield call(me, "VmbPacketAllocate", "p0")
        yield send(me, "p0", tag, flags=flags)
        yield SETTLE
    yield from packet(me, "p0", initialized=True)
    yield send(me, "p0", 2)
    yield SETTLE
    yield call(me, "VmbPacketAllocate", "p1")
    yield send(me, "p1", 3)
    yield from packet(me, "p1", initialized=True)
    yield SETTLE
    yield from close()


def _fails_and_completes(me: str) -> Iterator[Stimulus]:
    """After a failed packet and a reopen the same context is completed inside its handler."""
    peer = peer_of(me)
    yield from running()
    yield from packet(me, "p0")
    yield from packet(me, "p1")
    for tag in (0, 2, 4):
        yield react(peer, PROCESS_PACKET, Act("VmbChannelPacketFail", ("this",)))
        yield send(me, "p0", tag)
        yield SETTLE
        yield control("client", "Disable")
        yield SETTLE
        yield control("client", "Enable")
        yield SETTLE
        if tag:
            yield react(peer, PROCESS_PACKET, DONE)
        yield send(me, "p1", tag + 1)
        yield SETTLE
        yield complete(peer, "c0")
        yield SETTLE
    yield from close()


def _work_in_flight(me: str) -> Iterator[Stimulus]:
    """Each end closes while packets are queued, in the ring, delivered and answered."""
    peer = peer_of(me)
    tag = 0
    yield from configured()
    for i in range(4):
        yield from packet(me, f"p{i}")
    for end in ("client", "server"):
        yield control("server", "Enable")
        yield send(me, "p3", tag + 3)
        yield control("server", "Start")
        yield control("client", "Enable")
        yield SETTLE
        for i in range(3):
            yield send(me, f"p{i}", tag + i, BIG if i == 2 else SMALL)
        yield SETTLE
        yield complete(peer, "c0", ODD)
        yield control(end, "Disable")
        yield SETTLE
        for i in range(4):
            yield complete(peer, f"c{i}", SMALL)
        yield SETTLE
        tag += 4
    yield from close()


def _completion_reactions(me: str) -> Iterator[Stimulus]:
    """Packets sent again and freed inside the completion routine."""
    peer = peer_of(me)
    yield from running()
    yield react(
        peer, PROCESS_PACKET, Act("VmbChannelPacketComplete", ("this", None, None)), sticky=True
    )
    yield from packet(me, "p0")
    for flags in (WAIT, 0):
        again = Act("VmbPacketSend", ("this", payload_bytes(Payload(9, ODD)), flags))
        yield react(me, COMPLETION_ROUTINE, again)
        yield send(me, "p0", flags, flags=flags)
        yield SETTLE
    yield react(me, COMPLETION_ROUTINE, Act("VmbPacketFree", ("this",)), HOLD)
    yield send(me, "p0", 3)
    yield SETTLE
    yield let_go(me, "CompletionRoutine")
    yield SETTLE
    yield from close()


CONVERSATIONS: tuple[tuple[str, Conversation], ...] = (
    ("queue at close", _queue_at_close),
    ("answers wait at close", _answers_wait_at_close),
    ("unanswered queue at close", _unanswered_queue_at_close),
    ("out of order", _out_of_order),
    ("fail and reopen", _fail_and_reopen),
    ("caller's memory", _caller_memory),
    ("fates of a packet", _fates),
    ("fates in the caller's memory", _fates_in_caller_memory),
    ("left to the library", _left_to_the_library),
    ("fails and completes", _fails_and_completes),
    ("work in flight", _work_in_flight),
    ("completion reactions", _completion_reactions),
)
