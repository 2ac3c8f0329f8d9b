"""Open points: each conversation lets an implementation show which reading it takes.

``me`` sends, the other end receives; every conversation is held once from each end.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmcl_conformance.generate.setup import SETTLE
from kmcl_model.api import CLOSED, COMPLETION_ROUTINE
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec.specification import ENDPOINTS, peer_of
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

HUGE = 8192
"""The largest packet of a channel whose rings are asked to have one page."""


def _sends_while_paused(me: str) -> Iterator[Stimulus]:
    """An end that opens paused has packets queued, and sends one again from their routine (A65,
    A66)."""
    peer = peer_of(me)
    again = payload_bytes(Payload(2, ODD))
    yield from configured()
    yield from packet(me, "p0")
    yield from packet(me, "p1")
    yield control(me, "Pause")
    yield control(me, "Enable")
    yield react(me, COMPLETION_ROUTINE, Act("VmbPacketSend", ("this", again, WAIT)))
    yield send(me, "p0", 0, flags=0)
    yield send(me, "p1", 1)
    yield control(peer, "Enable")
    yield control(peer, "Start")
    yield SETTLE
    for context in ("c0", "c1"):
        yield complete(peer, context, ODD)
    yield SETTLE
    yield control(me, "Start")
    yield SETTLE
    for context in ("c0", "c1", "c2"):
        yield complete(peer, context, SMALL)
    yield SETTLE
    yield from close()


def _answers_in_order(me: str) -> Iterator[Stimulus]:
    """Several packets are completed before the sender hears of any (A84)."""
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 4)
    yield SETTLE
    yield from answered(peer, 4, ODD)
    yield from close()


def _quota_of_another_session(me: str) -> Iterator[Stimulus]:
    """A quota that is set once, over a close and a Disable (A87)."""
    peer = peer_of(me)
    yield from running()
    yield quota(peer, 1)
    yield from packet(me, "p0")
    yield from packet(me, "p1")
    for tag, end in enumerate(ENDPOINTS):
        yield from close(end)
        yield from reopen()
        yield send(me, "p0", 2 * tag)
        yield send(me, "p1", 2 * tag + 1)
        yield SETTLE
        yield complete(peer, "c0")
        yield SETTLE
        yield complete(peer, "c0")
        yield complete(peer, "c1")
        yield SETTLE
    yield from close()


def _server_left_to_itself(me: str) -> Iterator[Stimulus]:
    """A server that nobody starts, with a packet on its way (A34)."""
    yield from running(server_starts=False)
    yield from sends(me, 1)
    yield SETTLE
    yield control("server", "Start")
    yield SETTLE
    yield from answered(peer_of(me), 1)
    yield from close()


def _sends_while_disabled(me: str) -> Iterator[Stimulus]:
    """A packet is sent in Closed, and again where it is cancelled on a disabled channel (A90)."""
    buffers = [payload_bytes(Payload(tag, SMALL)) for tag in range(2)]
    yield from running()
    yield from packet(me, "p0")
    yield react(me, CLOSED, Act("VmbPacketSend", ("p0", buffers[0], 0)))
    yield react(me, COMPLETION_ROUTINE, Act("VmbPacketSend", ("this", buffers[1], WAIT)))
    yield from close("server")
    yield from reopen()
    yield from answered(peer_of(me), 2)
    yield from close()


def _settings_out_of_place(me: str) -> Iterator[Stimulus]:
    """Settings of the other role, and settings of an enabled channel (A08, A09)."""
    other = "VmbServerChannelInitSetTargetVtl" if me == "client" else None
    yield from configured()
    if other:
        yield call(me, other, 0)
    else:
        yield call(me, "VmbClientChannelInitSetRingBufferPageCount", 1, 1)
    yield from reopen()
    yield call(me, "VmbChannelInitSetFriendlyName", "Network")
    yield call(me, "VmbChannelInitSetClientContextSize", 16)
    yield SETTLE
    yield from close()


def _small_ring(me: str) -> Iterator[Stimulus]:
    """Pages are asked for that a maximal packet does not fit; then enough of them (A21)."""
    peer = peer_of(me)
    yield from configured()
    for end in ENDPOINTS:
        yield call(end, "VmbChannelInitSetMaximumPacketSize", HUGE)
    yield from packet(me, "p0")
    for tag, pages in enumerate((1, 4)):
        yield call("client", "VmbClientChannelInitSetRingBufferPageCount", pages, pages)
        yield from reopen()
        yield send(me, "p0", tag, HUGE)
        yield SETTLE
        yield from answered(peer, 1, SMALL)
        yield from close()


def _scant_memory(me: str) -> Iterator[Stimulus]:
    """A packet in one byte less than SizeofPacket, between the sizes of the page (A115)."""
    peer = peer_of(me)
    yield from configured()
    yield call(me, "VmbChannelSizeofPacket")
    yield call(me, "VmbPacketInitialize", "p0", "sizeof-1")
    yield call(me, "VmbPacketInitialize", "p0", "sizeof")
    yield call(me, "VmbPacketSetCompletionRoutine", "p0")
    yield from reopen()
    for tag, (length, flags) in enumerate(((BIG, WAIT), (SMALL, 0))):
        yield send(me, "p0", tag, length, flags)
        yield SETTLE
        yield from answered(peer, 1, ODD)
    yield from close()


CONVERSATIONS: tuple[tuple[str, Conversation], ...] = (
    ("sends while paused", _sends_while_paused),
    ("answers in order", _answers_in_order),
    ("quota of another session", _quota_of_another_session),
    ("server left to itself", _server_left_to_itself),
    ("sends while disabled", _sends_while_disabled),
    ("settings out of place", _settings_out_of_place),
    ("small ring", _small_ring),
    ("scant memory", _scant_memory),
)
